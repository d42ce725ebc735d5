//! One table for every timer of the engine: the earliest first, equal times by index.
//!
//! Each owner has at most one live entry. Moving a timer later costs nothing: the entry stays, and whoever it belongs to is asked for the real time when it comes up.
//! Knows no meaning of an index.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use telemetry::UtcMs;

use crate::program::at;

/// No time at all.
pub(crate) const NEVER: UtcMs = UtcMs(i64::MAX);

/// The timers of owners 0 to n-1.
#[derive(Clone, Debug)]
pub(crate) struct TimerTable {
    heap: BinaryHeap<Reverse<(UtcMs, u32)>>,
    /// The time of each owner's live entry.
    armed: Vec<UtcMs>,
}

impl TimerTable {
    /// What an armed owner takes.
    pub(crate) const OWNER_BYTES: usize = size_of::<UtcMs>() + size_of::<Reverse<(UtcMs, u32)>>();

    /// A table of so many owners, none armed.
    pub(crate) fn new(owners: usize) -> Self {
        Self {
            heap: BinaryHeap::new(),
            armed: alloc::vec![NEVER; owners],
        }
    }

    /// Makes sure that `owner` comes up at `due` at the latest.
    pub(crate) fn arm(&mut self, owner: u32, due: UtcMs) {
        let armed = &mut self.armed[at(owner)];
        if due < *armed {
            *armed = due;
            self.heap.push(Reverse((due, owner)));
        }
    }

    /// The earliest entry.
    pub(crate) fn first(&mut self) -> Option<(UtcMs, u32)> {
        loop {
            let Reverse((due, owner)) = *self.heap.peek()?;
            if self.armed[at(owner)] == due {
                return Some((due, owner));
            }
            // The owner was armed for an earlier time since, and came up then.
            self.heap.pop();
        }
    }

    /// Takes the earliest entry out.
    pub(crate) fn take_first(&mut self) {
        if let Some(Reverse((due, owner))) = self.heap.pop() {
            let armed = &mut self.armed[at(owner)];
            if *armed == due {
                *armed = NEVER;
            }
        }
    }

    /// Takes all out.
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
        self.armed.fill(NEVER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_up_in_time_order_and_ties_by_index() {
        let mut timers = TimerTable::new(4);
        for (owner, due) in [(3, 20), (1, 10), (0, 20), (2, 5), (2, 1)] {
            timers.arm(owner, UtcMs(due));
        }
        let mut order = Vec::new();
        while let Some((due, owner)) = timers.first() {
            timers.take_first();
            order.push((due.0, owner));
        }
        assert_eq!(order, [(1, 2), (10, 1), (20, 0), (20, 3)]);
    }

    #[test]
    fn moving_a_timer_later_adds_no_entry() {
        let mut timers = TimerTable::new(1);
        for due in 1..1_000 {
            timers.arm(0, UtcMs(due));
        }
        assert_eq!(timers.heap.len(), 1);
        assert_eq!(timers.first(), Some((UtcMs(1), 0)));
    }
}
