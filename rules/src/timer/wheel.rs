//! A coarse wheel in front of the timer table, for timers that nearly always move before they are due: the age of every point.
//!
//! An owner waits in a slice of about a second. When the slice comes, its owner is asked for the real time, and goes to a later slice or to the table.
//! Moving a timer later costs nothing, and a slice is a list through an array: no search, no allocation.

use alloc::vec::Vec;

use telemetry::UtcMs;

use crate::program::at;

const SLICES: usize = 64;
/// A slice is 1,024 ms long.
const SLICE_BITS: u32 = 10;
const END: u32 = u32::MAX;

/// Owners 0 to n-1, each in one slice at most; whoever uses it knows which of them are.
#[derive(Debug)]
pub(crate) struct Wheel {
    heads: [u32; SLICES],
    next: Vec<u32>,
    /// Owners whose slice has come.
    passed: u32,
    /// The slice of now.
    slice: i64,
}

impl Wheel {
    /// What an owner takes.
    pub(crate) const OWNER_BYTES: usize = size_of::<u32>();

    /// A wheel of so many owners, none waiting.
    pub(crate) fn new(owners: usize, now: UtcMs) -> Self {
        Self {
            heads: [END; SLICES],
            next: alloc::vec![END; owners],
            passed: END,
            slice: slice_of(now),
        }
    }

    /// Lets an owner that is not waiting wait for its slice; false when that has come already.
    pub(crate) fn wait(&mut self, owner: u32, due: UtcMs) -> bool {
        let slice = slice_of(due);
        if slice <= self.slice {
            return false;
        }
        let head = &mut self.heads[index_of(slice)];
        self.next[at(owner)] = *head;
        *head = owner;
        true
    }

    /// Moves on; then [`Self::pop_passed`] has every owner whose slice has come, some too early by rounds of the wheel.
    pub(crate) fn advance(&mut self, now: UtcMs) {
        let slice = slice_of(now);
        let rounds = i64::try_from(SLICES).unwrap_or(i64::MAX);
        for come in (self.slice + 1).max(slice - rounds + 1)..=slice {
            let mut owner = core::mem::replace(&mut self.heads[index_of(come)], END);
            while owner != END {
                let next = self.next[at(owner)];
                self.next[at(owner)] = self.passed;
                self.passed = owner;
                owner = next;
            }
        }
        self.slice = self.slice.max(slice);
    }

    /// The next owner whose slice has come; it does not wait any more.
    pub(crate) fn pop_passed(&mut self) -> Option<u32> {
        let owner = self.passed;
        (owner != END).then(|| {
            self.passed = self.next[at(owner)];
            owner
        })
    }

    /// When the next slice with somebody in it comes; possibly too early by rounds of the wheel.
    pub(crate) fn next_slice(&self) -> Option<UtcMs> {
        let rounds = i64::try_from(SLICES).unwrap_or(i64::MAX);
        (self.slice + 1..=self.slice + rounds)
            .find(|slice| self.heads[index_of(*slice)] != END)
            .map(|slice| UtcMs(slice << SLICE_BITS))
    }

    /// Nobody waits any more, and it is now.
    pub(crate) fn clear(&mut self, now: UtcMs) {
        self.heads.fill(END);
        self.passed = END;
        self.slice = slice_of(now);
    }
}

fn slice_of(time: UtcMs) -> i64 {
    time.0 >> SLICE_BITS
}

fn index_of(slice: i64) -> usize {
    let index = slice.rem_euclid(i64::try_from(SLICES).unwrap_or(i64::MAX));
    usize::try_from(index).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nobody_waits_beyond_the_slice_of_their_time(steps in prop::collection::vec((0_u32..20, 0_i64..200_000, 0_i64..3_000), 0..200)) {
            let mut wheel = Wheel::new(20, UtcMs(0));
            let mut waiting = BTreeMap::new();
            let mut now = 0;
            for (owner, ahead, step) in steps {
                if !waiting.contains_key(&owner) && wheel.wait(owner, UtcMs(now + ahead)) {
                    waiting.insert(owner, now + ahead);
                }
                now += step * step / 100;
                wheel.advance(UtcMs(now));
                while let Some(owner) = wheel.pop_passed() {
                    let due = waiting.remove(&owner).unwrap();
                    if wheel.wait(owner, UtcMs(due)) {
                        waiting.insert(owner, due);
                    }
                }
                prop_assert!(waiting.values().all(|due| slice_of(UtcMs(*due)) > slice_of(UtcMs(now))));
                let first = waiting.values().map(|due| slice_of(UtcMs(*due)) << SLICE_BITS).min();
                let next = wheel.next_slice().map(|slice| slice.0);
                prop_assert_eq!(first.is_some(), next.is_some());
                prop_assert!(next <= first);
            }
        }
    }

    #[test]
    fn a_slice_index_is_the_same_before_1970() {
        assert_eq!(index_of(-1), SLICES - 1);
    }
}
