//! One table for every timer of the engine: the earliest first, equal times by index.
//!
//! Each owner has at most one entry, so the table never outgrows its owners.
//! Moving a timer later costs nothing: the entry stays, and whoever it belongs to is asked for the real time when it comes up.
//! Knows no meaning of an index.

mod wheel;

use alloc::vec::Vec;

use telemetry::UtcMs;
pub(crate) use wheel::Wheel;

use crate::program::{at, u32_of};

/// No time at all.
pub(crate) const NEVER: UtcMs = UtcMs(i64::MAX);

/// Not in the heap.
const NOWHERE: u32 = u32::MAX;

/// When an owner comes up; the earlier one is less, of one time that of the lesser owner.
///
/// The time is in two halves, so that it is 12 bytes in memory and not 16.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Timer {
    high: i32,
    low: u32,
    owner: u32,
}

impl Timer {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "each half is what the other leaves"
    )]
    fn new(due: UtcMs, owner: u32) -> Self {
        Self {
            high: (due.0 >> 32) as i32,
            low: due.0 as u32,
            owner,
        }
    }

    fn due(self) -> UtcMs {
        UtcMs(i64::from(self.high) << 32 | i64::from(self.low))
    }
}

/// The timers of owners 0 to n-1: a binary heap that knows where each owner is.
#[derive(Debug)]
pub(crate) struct TimerTable {
    heap: Vec<Timer>,
    place: Vec<u32>,
}

impl TimerTable {
    /// What an armed owner takes.
    pub(crate) const OWNER_BYTES: usize = size_of::<Timer>() + size_of::<u32>();

    /// A table of so many owners, none armed.
    pub(crate) fn new(owners: usize) -> Self {
        Self {
            heap: Vec::with_capacity(owners),
            place: alloc::vec![NOWHERE; owners],
        }
    }

    /// Makes sure that `owner` comes up at `due` at the latest.
    pub(crate) fn arm(&mut self, owner: u32, due: UtcMs) {
        let timer = Timer::new(due, owner);
        let place = match self.place[at(owner)] {
            NOWHERE => {
                self.heap.push(timer);
                self.heap.len() - 1
            }
            place if timer < self.heap[at(place)] => at(place),
            _ => return,
        };
        self.rise(place, timer);
    }

    /// The earliest entry.
    pub(crate) fn first(&self) -> Option<(UtcMs, u32)> {
        self.heap.first().map(|timer| (timer.due(), timer.owner))
    }

    /// Takes the earliest entry out.
    pub(crate) fn take_first(&mut self) {
        let Some((_, owner)) = self.first() else {
            return;
        };
        self.place[at(owner)] = NOWHERE;
        if let Some(last) = self.heap.pop()
            && !self.heap.is_empty()
        {
            self.sink(last);
        }
    }

    /// Moves the earliest entry to a later time.
    pub(crate) fn postpone_first(&mut self, due: UtcMs) {
        if due == NEVER {
            self.take_first();
        } else if let Some((_, owner)) = self.first() {
            self.sink(Timer::new(due, owner));
        }
    }

    /// Takes all out.
    pub(crate) fn clear(&mut self) {
        self.heap.clear();
        self.place.fill(NOWHERE);
    }

    /// Puts an entry at a free place, or above it.
    fn rise(&mut self, mut place: usize, entry: Timer) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= entry {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, entry);
    }

    /// Puts an entry at the top, or below it.
    fn sink(&mut self, entry: Timer) {
        let mut place = 0;
        loop {
            let left = 2 * place + 1;
            let right = left + 1;
            let least = match (self.heap.get(left), self.heap.get(right)) {
                (None, _) => break,
                (Some(a), Some(b)) if b < a => right,
                (Some(_), _) => left,
            };
            if entry <= self.heap[least] {
                break;
            }
            self.put(place, self.heap[least]);
            place = least;
        }
        self.put(place, entry);
    }

    fn put(&mut self, place: usize, entry: Timer) {
        self.heap[place] = entry;
        self.place[at(entry.owner)] = u32_of(place);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn the_table_is_the_earliest_time_of_each_owner(begin in -9_i64..9, steps in prop::collection::vec((0_u32..12, 0_i64..50, 0_u8..4), 0..300)) {
            // Around where the lower half of a time begins anew.
            let begin = begin << 32;
            let mut timers = TimerTable::new(12);
            let mut plain = BTreeMap::new();
            for (owner, due, kind) in steps {
                let due = begin - 25 + due;
                let first = plain.iter().map(|(owner, due)| (*due, *owner)).min();
                prop_assert_eq!(timers.first(), first);
                match (kind, first) {
                    (0, Some((_, first))) => {
                        timers.take_first();
                        plain.remove(&first);
                    }
                    (1, Some((before, first))) => {
                        let later = before.plus_ms(owner.into());
                        timers.postpone_first(later);
                        plain.insert(first, later);
                    }
                    _ => {
                        timers.arm(owner, UtcMs(due));
                        let entry = plain.entry(owner).or_insert(UtcMs(due));
                        *entry = (*entry).min(UtcMs(due));
                    }
                }
            }
        }
    }
}
