//! Readings that came before: the last `n` of a point against stretches of `n` that it gave earlier.
//!
//! The readings of a row are laid out in stretches of `n`, of which the sums are kept; the sum of the last `n` rolls with each reading.
//! So a copy of twice the length is found wherever it begins (Tridgell & Mackerras, *The rsync algorithm*, 1996), in a fixed room.
//!
//! That room is 16 bytes for each of `n`. The row gives each number that leaves back to the sum, to the last bit; and a sum of half the
//! length would take strange readings for a copy at one of a thousand points of a reading a second six times a day (`n` = 300).

use alloc::boxed::Box;
use alloc::vec;

use telemetry::UtcMs;

use super::window::Moment;
use crate::program::{at, u32_of};
use crate::timer::NEVER;
use crate::value::Truth;

/// An odd number with well-mixed bits, as any: a position's weight is a power of it (Karp & Rabin).
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a point has read.
#[derive(Clone, Debug)]
pub(super) struct RepeatSlot {
    /// The last readings in a row; the next one goes to `next`, where a stretch begins at 0.
    pub(super) row: Box<[f64]>,
    pub(super) next: u32,
    /// There are as many as the row takes.
    pub(super) is_full: bool,
    /// The sums of so many earlier stretches; the next one goes to `next_stretch`.
    pub(super) stretches: Box<[u64]>,
    pub(super) n_stretches: u32,
    pub(super) next_stretch: u32,
    /// How many readings ago the last `n` were a stretch; `n` when they were not.
    pub(super) ago: u32,
    /// The source's time of the reading that was taken last.
    pub(super) taken: UtcMs,
    pub(super) answer: Truth,
    /// The sum of what is in the row, and what a reading weighs there that leaves it.
    sum: u64,
    leaves: u64,
}

impl RepeatSlot {
    pub(super) fn new(n: u32) -> Self {
        Self {
            row: vec![0.0; at(n)].into(),
            next: 0,
            is_full: false,
            stretches: vec![0; at(n)].into(),
            n_stretches: 0,
            next_stretch: 0,
            ago: n,
            taken: NEVER,
            answer: Truth::UNKNOWN,
            sum: 0,
            leaves: (1..n).fold(1, |weight, _| weight.wrapping_mul(BASE)),
        }
    }

    /// How many are compared.
    pub(super) fn n(&self) -> u32 {
        u32_of(self.row.len())
    }

    /// The readings of the row, the oldest first.
    pub(super) fn row(&self) -> impl Iterator<Item = f64> {
        let (new, old) = self.row.split_at(at(self.next));
        let old = if self.is_full { old } else { &[] };
        old.iter().chain(new).copied()
    }

    /// Reckons the sum anew, of a row from a snapshot.
    pub(super) fn add_up(&mut self) {
        self.sum = self.row().fold(0, added);
    }

    /// What follows does not follow what was.
    pub(super) fn break_off(&mut self) {
        (self.next, self.is_full, self.sum) = (0, false, 0);
    }

    /// Takes what a point reads now, each reading once. `read_at` is its source's time.
    pub(super) fn step(&mut self, input: Moment, read_at: UtcMs) {
        if !input.is_known() {
            self.break_off();
            self.answer = Truth::UNKNOWN;
            return;
        }
        if core::mem::replace(&mut self.taken, read_at) != read_at {
            self.take(input.value);
        }
        self.answer = Truth::new(self.ago < self.n(), input.trust);
    }

    fn take(&mut self, reading: f64) {
        let n = self.n();
        let place = &mut self.row[at(self.next)];
        let old = core::mem::replace(place, reading);
        if self.is_full {
            let weight = mixed(old).wrapping_mul(self.leaves);
            self.sum = self.sum.wrapping_sub(weight);
        }
        self.sum = added(self.sum, reading);
        self.next = (self.next + 1) % n;
        self.is_full |= self.next == 0;
        self.ago = (self.ago + 1).min(n);
        let stretches = &self.stretches[..at(self.n_stretches)];
        if self.is_full && stretches.contains(&self.sum) {
            self.ago = 0;
        }
        if self.next == 0 && self.moves() {
            self.stretches[at(self.next_stretch)] = self.sum;
            self.next_stretch = (self.next_stretch + 1) % n;
            self.n_stretches = (self.n_stretches + 1).min(n);
        }
    }

    /// A tenth of the stretch that just ended is other than the reading before: what stands still is no copy of anything.
    fn moves(&self) -> bool {
        let moved = self
            .row
            .windows(2)
            .filter(|pair| mixed(pair[0]) != mixed(pair[1]));
        moved.count() >= self.row.len().div_ceil(10)
    }
}

fn added(sum: u64, reading: f64) -> u64 {
    sum.wrapping_mul(BASE).wrapping_add(mixed(reading))
}

/// A number's bits, mixed (the finaliser of SplitMix64); the two zeros are one number.
fn mixed(reading: f64) -> u64 {
    let mut bits = (reading + 0.0).to_bits();
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
