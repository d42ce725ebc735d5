//! A sliding window in a fixed room: 60 slices of equal length and the one that is filling.
//!
//! Slices are aligned to the epoch. At `t` the window reaches back to the begin of the 60th slice before the one that `t` is in.
//! What is read holds until the next reading, on the log's time; a slice holds what was known in it.

use alloc::boxed::Box;

use telemetry::UtcMs;

use crate::program::Watched;
use crate::timer::NEVER;
use crate::value::{Number, Trust, Truth};

/// How many whole slices a window keeps.
pub(crate) const WINDOW_SLICES: u32 = 60;
const N_SLICES: usize = 61;
const SECOND_MS: i64 = 1_000;

/// What was in one slice. What `a` and `b` are depends on the window's function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slice {
    /// For how many milliseconds it was known.
    pub(super) known_ms: u32,
    /// Some of it was uncertain.
    pub(super) weak: bool,
    pub(super) a: f64,
    pub(super) b: f64,
}

/// What holds at a moment: a number or a condition, as a number and how far to trust it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    pub(super) value: f64,
    pub(super) trust: Trust,
}

impl Moment {
    const UNKNOWN: Self = Self {
        value: 0.0,
        trust: Trust::Bad,
    };

    pub(super) fn is_known(self) -> bool {
        self.trust != Trust::Bad
    }

    fn is_true(self) -> bool {
        self.is_known() && self.value > 0.0
    }

    fn is_weak(self) -> bool {
        self.trust == Trust::Uncertain
    }

    /// What a slice keeps of its begin: the number, not one where none is known; and 1 where it is uncertain.
    fn at_begin(self) -> (f64, f64) {
        let value = if self.is_known() {
            self.value
        } else {
            f64::NAN
        };
        (value, f64::from(u8::from(self.is_weak())))
    }
}

impl From<Number> for Moment {
    fn from(number: Number) -> Self {
        let trust = number.trust.of_result();
        Self {
            value: if trust == Trust::Bad {
                0.0
            } else {
                number.value
            },
            trust,
        }
    }
}

impl From<Truth> for Moment {
    fn from(truth: Truth) -> Self {
        Self {
            value: f64::from(u8::from(truth.is_true())),
            trust: match truth {
                Truth::TRUE | Truth::FALSE => Trust::Good,
                Truth::UNKNOWN => Trust::Bad,
                _ => Trust::Uncertain,
            },
        }
    }
}

/// A window as it is now.
#[derive(Clone, Debug)]
pub(super) struct WindowSlot {
    /// By slice number modulo their count.
    pub(super) slices: Box<[Slice; N_SLICES]>,
    /// Up to where it is accounted for.
    pub(super) at: UtcMs,
    /// When it began to watch.
    pub(super) began: UtcMs,
    /// What holds since then.
    pub(super) now: Moment,
    /// The last known answer of a condition, or the last good number: what a rise and an increase are counted from. Not a number when there was none.
    pub(super) last: f64,
    /// The source's time of the reading that was summed last.
    pub(super) summed: UtcMs,
    pub(super) answer: Number,
    /// A slice began since the answer was reckoned, or may have: it is not kept over a restart.
    pub(super) is_begun: bool,
}

impl WindowSlot {
    pub(super) fn new(of: Watched, now: UtcMs) -> Self {
        Self {
            slices: Box::new([begun(of, Moment::UNKNOWN); N_SLICES]),
            at: now,
            began: now,
            now: Moment::UNKNOWN,
            last: f64::NAN,
            summed: NEVER,
            answer: Number::BAD,
            is_begun: true,
        }
    }

    /// Room for slices that are read from a snapshot.
    pub(super) fn no_slices() -> Box<[Slice; N_SLICES]> {
        let nothing = Slice {
            known_ms: 0,
            weak: false,
            a: 0.0,
            b: 0.0,
        };
        Box::new([nothing; N_SLICES])
    }

    /// True while it does not reach back to where it began.
    pub(super) fn is_filling(&self, slice_ms: u32) -> bool {
        self.began > self.from(slice_ms)
    }

    /// When it has to be looked at without a new reading: at the end of a slice, and each second where the answer changes with time alone.
    pub(super) fn next_due(&self, of: Watched, slice_ms: u32) -> UtcMs {
        let end = end_of(self.slice(slice_ms), slice_ms);
        let flows = match of {
            Watched::TimeIn(_) => self.now.is_true(),
            // What is too little stays too little while nothing is known.
            _ if self.is_filling(slice_ms)
                || !self.now.is_known() && self.answer.trust == Trust::Bad =>
            {
                false
            }
            Watched::Mean(_) | Watched::Stdev(_) => true,
            Watched::Lowest(_) | Watched::Highest(_) => {
                !self.now.is_known() || self.answer.trust != Trust::Good
            }
            Watched::Count(_)
            | Watched::Sum(_)
            | Watched::Increase(_)
            | Watched::Median(_)
            | Watched::Mad(_)
            | Watched::Change(_) => false,
        };
        if flows {
            end.min(UtcMs(
                (self.at.0.div_euclid(SECOND_MS) + 1).saturating_mul(SECOND_MS),
            ))
        } else {
            end
        }
    }

    /// Nobody looked from `from` to `to`: it is not known what was.
    pub(super) fn miss(&mut self, of: Watched, slice_ms: u32, from: UtcMs, to: UtcMs) {
        self.advance(of, slice_ms, from);
        self.hold(of, slice_ms, Moment::UNKNOWN);
        self.advance(of, slice_ms, to);
    }

    /// Lets something hold from now on; where a slice begins just now, it begins with that.
    fn hold(&mut self, of: Watched, slice_ms: u32, moment: Moment) {
        self.now = moment;
        let current = self.slice(slice_ms);
        if keeps_begins(of) && self.at == end_of(current.saturating_sub(1), slice_ms) {
            self.begin(of, current);
        }
    }

    /// A slice begins with what holds.
    fn begin(&mut self, of: Watched, slice: i64) {
        self.slices[index_of(slice)] = begun(of, self.now);
        self.is_begun = true;
    }

    /// Takes what holds from `now` on, and answers. `read_at` is the source's time of a point's last reading.
    pub(super) fn step(
        &mut self,
        of: Watched,
        slice_ms: u32,
        input: Moment,
        read_at: UtcMs,
        now: UtcMs,
    ) {
        self.advance(of, slice_ms, now);
        self.hold(of, slice_ms, input);
        let current = self.slice(slice_ms);
        let slice = &mut self.slices[index_of(current)];
        if input.is_known() {
            let value = input.value;
            let last = core::mem::replace(&mut self.last, value);
            match of {
                Watched::Count(_) if value > 0.0 && last <= 0.0 => slice.a += 1.0,
                Watched::Increase(_) if value > last => slice.a += value - last,
                // A counter that falls began again.
                Watched::Increase(_) if value < last => slice.a += value,
                Watched::Sum(_) if read_at != self.summed => slice.a += value,
                _ => {}
            }
            self.summed = read_at;
        }
        let is_begun = core::mem::replace(&mut self.is_begun, false);
        if is_begun || !rests_on_begins(of) {
            self.answer = self.judge(of, slice_ms);
        }
    }

    fn slice(&self, slice_ms: u32) -> i64 {
        self.at.0.div_euclid(i64::from(slice_ms))
    }

    /// The first slice of the window.
    fn first(&self, slice_ms: u32) -> i64 {
        self.slice(slice_ms)
            .saturating_sub(i64::from(WINDOW_SLICES))
    }

    /// Where the window begins.
    fn from(&self, slice_ms: u32) -> UtcMs {
        end_of(self.first(slice_ms).saturating_sub(1), slice_ms)
    }

    fn advance(&mut self, of: Watched, slice_ms: u32, to: UtcMs) {
        let slice_of = |time: UtcMs| time.0.div_euclid(i64::from(slice_ms));
        let last = slice_of(to);
        let rounds = i64::from(WINDOW_SLICES) + 1;
        if last.saturating_sub(self.slice(slice_ms)) > rounds {
            // All that was kept is out of the window; the slices in it are filled as if each end had come.
            let first = last.saturating_sub(rounds);
            self.at = end_of(first.saturating_sub(1), slice_ms);
            for slice in first..=last {
                self.begin(of, slice);
            }
        }
        while self.at < to {
            let slice = self.slice(slice_ms);
            let until = end_of(slice, slice_ms).min(to);
            self.account(
                of,
                slice,
                u32::try_from(until.since_ms(self.at)).unwrap_or(slice_ms),
            );
            self.at = until;
            if slice_of(until) > slice {
                self.begin(of, slice.saturating_add(1));
            }
        }
    }

    /// What holds, held for so long in a slice.
    fn account(&mut self, of: Watched, slice: i64, ms: u32) {
        if !self.now.is_known() {
            return;
        }
        let value = self.now.value;
        let slice = &mut self.slices[index_of(slice)];
        let span = f64::from(ms);
        slice.weak |= self.now.is_weak();
        match of {
            Watched::Lowest(_) => slice.a = libm::fmin(slice.a, value),
            Watched::Highest(_) => slice.a = libm::fmax(slice.a, value),
            Watched::TimeIn(_) if value > 0.0 => slice.a += span,
            Watched::Mean(_) => slice.a += value * span,
            Watched::Stdev(_) => {
                let known = f64::from(slice.known_ms);
                (slice.a, slice.b) = joined((known, slice.a, slice.b), (span, value, 0.0));
            }
            _ => {}
        }
        slice.known_ms = slice.known_ms.saturating_add(ms);
    }

    fn judge(&self, of: Watched, slice_ms: u32) -> Number {
        let (first, current) = (self.first(slice_ms), self.slice(slice_ms));
        let slices = || (first..=current).map(|slice| &self.slices[index_of(slice)]);
        let length = self.at.since_ms(self.from(slice_ms));
        let known: u64 = slices().map(|slice| u64::from(slice.known_ms)).sum();
        let weak = slices().any(|slice| slice.weak) || self.now.is_weak();
        let sum = || slices().map(|slice| slice.a).sum::<f64>();
        let firm = if weak { Trust::Uncertain } else { Trust::Good };
        let is_whole = known == length && !self.is_filling(slice_ms) && self.now.is_known();
        let grows = if is_whole { firm } else { Trust::AtLeast };
        let spread = if known * 10 < length * 9 || self.is_filling(slice_ms) {
            Trust::Bad
        } else if known < length || !self.now.is_known() {
            Trust::Uncertain
        } else {
            firm
        };
        match of {
            Watched::Count(_) | Watched::Sum(_) | Watched::Increase(_) => Number::new(sum(), grows),
            Watched::TimeIn(_) => Number::new(sum() / 1_000.0, grows),
            Watched::Mean(_) => Number::new(sum() / as_f64(known), spread),
            Watched::Stdev(_) => {
                let (known, _, squares) = slices().fold((0.0, 0.0, 0.0), |all, slice| {
                    let (mean, squares) =
                        joined(all, (f64::from(slice.known_ms), slice.a, slice.b));
                    (all.0 + f64::from(slice.known_ms), mean, squares)
                });
                Number::new(libm::sqrt(squares / known), spread)
            }
            Watched::Lowest(_) | Watched::Highest(_) => {
                let pick = match of {
                    Watched::Lowest(_) => libm::fmin,
                    _ => libm::fmax,
                };
                // What was just read has held for no time yet, and is not in its slice.
                let (now, _) = self.now.at_begin();
                Number::new(slices().map(|slice| slice.a).fold(now, pick), spread)
            }
            Watched::Median(_) | Watched::Mad(_) => {
                let mut known = [0.0; N_SLICES];
                let mut n_known = 0;
                let mut weak = false;
                for slice in slices().filter(|slice| !slice.a.is_nan()) {
                    known[n_known] = slice.a;
                    n_known += 1;
                    weak |= slice.b > 0.0;
                }
                if n_known * 10 < N_SLICES * 9 || self.is_filling(slice_ms) {
                    return Number::BAD;
                }
                let known = &mut known[..n_known];
                let mut answer = middle(known);
                if matches!(of, Watched::Mad(_)) {
                    for value in known.iter_mut() {
                        *value = libm::fabs(*value - answer);
                    }
                    answer = middle(known);
                }
                let is_firm = n_known == N_SLICES && !weak;
                let trust = if is_firm {
                    Trust::Good
                } else {
                    Trust::Uncertain
                };
                Number::new(answer, trust)
            }
            Watched::Change(_) => {
                let begin = &self.slices[index_of(first)];
                if self.is_filling(slice_ms) || !self.now.is_known() {
                    return Number::BAD;
                }
                let weak = begin.b > 0.0 || self.now.is_weak();
                let trust = if weak { Trust::Uncertain } else { Trust::Good };
                Number::new(self.now.value - begin.a, trust)
            }
        }
    }
}

/// True where a slice keeps what held as it began.
fn keeps_begins(of: Watched) -> bool {
    rests_on_begins(of) || matches!(of, Watched::Change(_))
}

/// True where the answer is of the begins alone: nothing changes it within a slice, and to sort them at each reading is dear.
fn rests_on_begins(of: Watched) -> bool {
    matches!(of, Watched::Median(_) | Watched::Mad(_))
}

/// The middle one, or the mean of the two in the middle; at least one.
fn middle(numbers: &mut [f64]) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let n = numbers.len();
    (numbers[(n - 1) / 2] + numbers[n / 2]) / 2.0
}

/// A new slice: nothing was in it yet, but what holds as it begins where that is kept.
fn begun(of: Watched, now: Moment) -> Slice {
    let (a, b) = match of {
        Watched::Lowest(_) | Watched::Highest(_) => (f64::NAN, 0.0),
        _ if keeps_begins(of) => now.at_begin(),
        _ => (0.0, 0.0),
    };
    Slice {
        known_ms: 0,
        weak: false,
        a,
        b,
    }
}

/// The end of a slice, which is the begin of the next.
fn end_of(slice: i64, slice_ms: u32) -> UtcMs {
    UtcMs(slice.saturating_add(1).saturating_mul(i64::from(slice_ms)))
}

fn index_of(slice: i64) -> usize {
    let n_slices = i64::try_from(N_SLICES).unwrap_or(i64::MAX);
    usize::try_from(slice.rem_euclid(n_slices)).unwrap_or(0)
}

/// The mean and the sum of squared distances from it of two stretches together: (weight, mean, squares) each (Chan, Golub, LeVeque).
fn joined(one: (f64, f64, f64), other: (f64, f64, f64)) -> (f64, f64) {
    if other.0 <= 0.0 {
        return (one.1, one.2);
    }
    let weight = one.0 + other.0;
    let apart = other.1 - one.1;
    let mean = one.1 + apart * other.0 / weight;
    if one.0 <= 0.0 {
        return (other.1, other.2);
    }
    (
        mean,
        one.2 + other.2 + apart * apart * one.0 * other.0 / weight,
    )
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a window's milliseconds are far below 2^53"
)]
fn as_f64(ms: u64) -> f64 {
    ms as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::program::Entry;

    const SLICE_MS: u32 = 50;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// So many milliseconds later, something holds.
        Read(i64, Moment),
        /// So many later, nobody looked for so many.
        Down(i64, i64),
        /// It goes on from a snapshot.
        Restart,
    }

    fn moment() -> impl Strategy<Value = Moment> {
        let known = |trust| (0_i8..9).prop_map(move |value| (f64::from(value), trust));
        prop_oneof![
            6 => known(Trust::Good),
            2 => known(Trust::Uncertain),
            2 => Just((0.0, Trust::Bad)),
        ]
        .prop_map(|(value, trust)| Moment { value, trust })
    }

    fn step() -> impl Strategy<Value = Step> {
        // Within a slice, to its very end, some slices on, and farther than the window reaches.
        let ms = prop_oneof![
            0_i64..4,
            Just(25),
            Just(50),
            0_i64..300,
            Just(3_000),
            0_i64..9_000
        ];
        prop_oneof![
            40 => (ms, moment()).prop_map(|(ms, moment)| Step::Read(ms, moment)),
            1 => (0_i64..100, 0_i64..4_000).prop_map(|(ms, down)| Step::Down(ms, down)),
            1 => Just(Step::Restart),
        ]
    }

    proptest! {
        #[test]
        fn a_median_is_at_each_reading_that_of_the_begins_of_slices(steps in prop::collection::vec(step(), 1..300), distance in any::<bool>()) {
            let entry = Entry { from: 0, to: 0 };
            let of = if distance { Watched::Mad(entry) } else { Watched::Median(entry) };
            let mut now = 1_000;
            let mut slot = WindowSlot::new(of, UtcMs(now));
            for step in steps {
                match step {
                    Step::Read(ms, moment) => {
                        now += ms;
                        slot.step(of, SLICE_MS, moment, NEVER, UtcMs(now));
                        prop_assert_eq!(slot.answer, slot.judge(of, SLICE_MS), "at {}, {:?}", now, step);
                    }
                    Step::Down(ms, down) => {
                        let from = now + ms;
                        now = from + down;
                        slot.miss(of, SLICE_MS, UtcMs(from), UtcMs(now));
                    }
                    Step::Restart => slot.is_begun = true,
                }
            }
        }
    }
}
