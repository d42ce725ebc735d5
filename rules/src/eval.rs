//! Runs flat code over a small fixed stack; allocates nothing and can't overflow, since the builder measured the code.
//!
//! Knows the states that conditions read, and nothing of how they came about.

use telemetry::Quality;

use crate::expr::{Arith, Compare, Degrade, Health};
use crate::program::{Entry, Tables, at};
use crate::value::{Number, Trust, Truth};

/// How many numbers may be on the stack at once.
pub const NUMBERS_MAX: usize = 8;
/// How many answers may be on the stack at once.
pub const TRUTHS_MAX: usize = 16;
/// How many counts may be nested.
pub const TALLIES_MAX: usize = 4;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Const(f64),
    Point(u32),
    Neg,
    Abs,
    Arith(Arith),
    Compare(Compare),
    On(u32),
    Health(Health, u32),
    Alarm(u32, u16),
    KeptTruth(u32),
    KeptNumber(u32),
    Distance,
    Same(u32, Entry),
    Not,
    And,
    Or,
    TallyBegin,
    Tally,
    AtLeast(u32, Degrade),
}

/// What can be told of a point's reading without its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vitals {
    /// The last quality; none when it was never read.
    pub(crate) quality: Option<Quality>,
    pub(crate) stale: bool,
    /// It has said that it is being calibrated for too long.
    pub(crate) overdue: bool,
    /// It is under test.
    pub(crate) tested: bool,
}

/// What code reads.
pub(crate) trait Memory {
    /// A point's value: bad when it is stale, bad or was never read.
    fn number(&self, point: u32) -> Number;
    /// What can be told of a point's reading.
    fn health(&self, point: u32) -> Vitals;
    /// Whether an alarm is active at a severity or above.
    fn alarm(&self, alarm: u32, severity: u16) -> Truth;
    /// The answer of what is remembered, where it is a condition.
    fn kept_truth(&self, kept: u32) -> Truth;
    /// The answer of what is remembered, where it is a number.
    fn kept_number(&self, kept: u32) -> Number;
}

/// Room for the evaluation of any code that the builder let through.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    numbers: [Number; NUMBERS_MAX],
    truths: [Truth; TRUTHS_MAX],
    tallies: [[u32; 5]; TALLIES_MAX],
}

impl Default for Stack {
    fn default() -> Self {
        Self {
            numbers: [Number::BAD; NUMBERS_MAX],
            truths: [Truth::UNKNOWN; TRUTHS_MAX],
            tallies: [[0; 5]; TALLIES_MAX],
        }
    }
}

impl Stack {
    /// The answer of a condition.
    pub(crate) fn condition(
        &mut self,
        tables: &impl Tables,
        entry: Entry,
        memory: &impl Memory,
    ) -> Truth {
        self.run(tables, entry, memory);
        self.truths[0]
    }

    /// The result of a formula.
    pub(crate) fn formula(
        &mut self,
        tables: &impl Tables,
        entry: Entry,
        memory: &impl Memory,
    ) -> Number {
        self.run(tables, entry, memory);
        self.numbers[0]
    }

    fn run(&mut self, tables: &impl Tables, entry: Entry, memory: &impl Memory) {
        let (mut n, mut t, mut c) = (0, 0, 0);
        for op in tables.ops(entry) {
            match op {
                Op::Const(value) => {
                    self.numbers[n] = Number::good(value);
                    n += 1;
                }
                Op::Point(point) => {
                    self.numbers[n] = memory.number(point);
                    n += 1;
                }
                Op::Neg => {
                    let top = &mut self.numbers[n - 1];
                    top.value = -top.value;
                    top.trust = top.trust.of_result();
                }
                Op::Abs => {
                    let top = &mut self.numbers[n - 1];
                    top.value = libm::fabs(top.value);
                    top.trust = top.trust.of_result();
                }
                Op::Arith(arith) => {
                    n -= 1;
                    let (left, right) = (self.numbers[n - 1], self.numbers[n]);
                    self.numbers[n - 1] = left.combine(right, |a, b| match arith {
                        Arith::Add => a + b,
                        Arith::Sub => a - b,
                        Arith::Mul => a * b,
                        Arith::Div => a / b,
                        Arith::Min => libm::fmin(a, b),
                        Arith::Max => libm::fmax(a, b),
                    });
                }
                Op::Compare(compare) => {
                    n -= 2;
                    let (left, right) = (self.numbers[n], self.numbers[n + 1]);
                    self.truths[t] = left.compare(compare, right);
                    t += 1;
                }
                Op::On(point) => {
                    self.truths[t] = memory.number(point).compare(Compare::Ne, Number::good(0.0));
                    t += 1;
                }
                Op::Health(health, point) => {
                    self.truths[t] = told(health, memory.health(point));
                    t += 1;
                }
                Op::Alarm(alarm, severity) => {
                    self.truths[t] = memory.alarm(alarm, severity);
                    t += 1;
                }
                Op::KeptTruth(kept) => {
                    self.truths[t] = memory.kept_truth(kept);
                    t += 1;
                }
                Op::KeptNumber(kept) => {
                    self.numbers[n] = memory.kept_number(kept);
                    n += 1;
                }
                Op::Distance => {
                    n -= 3;
                    self.numbers[n - 1] = distance([
                        self.numbers[n - 1],
                        self.numbers[n],
                        self.numbers[n + 1],
                        self.numbers[n + 2],
                    ]);
                }
                Op::Same(least, points) => {
                    self.truths[t] = same(least, tables.same(points), memory);
                    t += 1;
                }
                Op::Not => self.truths[t - 1] = !self.truths[t - 1],
                Op::And => {
                    t -= 1;
                    self.truths[t - 1] = self.truths[t - 1].and(self.truths[t]);
                }
                Op::Or => {
                    t -= 1;
                    self.truths[t - 1] = self.truths[t - 1].or(self.truths[t]);
                }
                Op::TallyBegin => {
                    self.tallies[c] = [0; 5];
                    c += 1;
                }
                Op::Tally => {
                    t -= 1;
                    self.tallies[c - 1][self.truths[t].rank()] += 1;
                }
                Op::AtLeast(k, degrade) => {
                    c -= 1;
                    self.truths[t] = vote(self.tallies[c], k, degrade);
                    t += 1;
                }
            }
        }
    }
}

/// The Earth's mean radius in metres (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Metres between (longitude, latitude) and (longitude, latitude) on a sphere, by the haversine.
fn distance(degrees: [Number; 4]) -> Number {
    let trust = degrees.iter().map(|number| number.trust).max();
    let [lon, lat, other_lon, other_lat] = degrees.map(|number| number.value.to_radians());
    let half = |angle: f64| {
        let sine = libm::sin(angle / 2.0);
        sine * sine
    };
    let haversine =
        half(other_lat - lat) + libm::cos(lat) * libm::cos(other_lat) * half(other_lon - lon);
    let angle = 2.0 * libm::asin(libm::fmin(libm::sqrt(haversine), 1.0));
    Number::new(
        EARTH_RADIUS_M * angle,
        trust.unwrap_or(Trust::Bad).of_result(),
    )
}

/// Whether so many of the points read the same number, which is not 0.
fn same(least: u32, points: impl Iterator<Item = u32> + Clone, memory: &impl Memory) -> Truth {
    let mut answer = Truth::FALSE;
    let n_bad = points
        .clone()
        .filter(|point| memory.number(*point).trust == Trust::Bad)
        .count();
    for (index, point) in points.clone().enumerate() {
        let number = memory.number(point);
        let alike = |other: &Number| number.compare(Compare::Eq, *other).is_true();
        if !number.compare(Compare::Ne, Number::good(0.0)).is_true() {
            continue;
        }
        // Whoever is alike and stands before was counted with their own.
        let group = points.clone().skip(index);
        let group = group.map(|other| memory.number(other));
        let (n_alike, trust) = group
            .filter(alike)
            .fold((0, Trust::Good), |(n, trust), other| {
                (n + 1, trust.max(other.trust))
            });
        let found = if n_alike >= at(least) {
            Truth::new(true, trust)
        } else if n_alike + n_bad >= at(least) {
            Truth::UNKNOWN
        } else {
            Truth::FALSE
        };
        answer = answer.or(found);
    }
    if n_bad >= at(least) {
        answer = answer.or(Truth::UNKNOWN);
    }
    answer
}

fn told(health: Health, vitals: Vitals) -> Truth {
    let Vitals {
        quality,
        stale,
        overdue,
        tested,
    } = vitals;
    let line = |quality: Quality| quality == Quality::COMM_ERROR || quality == Quality::NO_DATA;
    let answer = match (health, quality) {
        (Health::Stale, _) => stale,
        (Health::Bad | Health::Silent, _) if stale => true,
        (Health::Overdue, _) => overdue,
        (Health::Tested, _) => tested,
        (_, None) => return Truth::UNKNOWN,
        (Health::Bad, Some(quality)) => quality.is_bad(),
        (Health::Silent, Some(quality)) => line(quality),
        (Health::Faulty, Some(quality)) => quality.is_bad() && !line(quality),
        (Health::Uncertain, Some(quality)) => Trust::from(quality) == Trust::Uncertain,
    };
    Truth::new(answer, Trust::Good)
}

/// The k-th greatest of the votes, after what the unknown ones do.
fn vote(mut tally: [u32; 5], k: u32, degrade: Degrade) -> Truth {
    const CHAIN: [Truth; 5] = [
        Truth::FALSE,
        Truth::WEAK_FALSE,
        Truth::UNKNOWN,
        Truth::WEAK_TRUE,
        Truth::TRUE,
    ];
    let lost = tally[Truth::UNKNOWN.rank()];
    let left: u32 = tally.iter().sum::<u32>() - lost;
    let mut k = k;
    match degrade {
        Degrade::Hold => {}
        Degrade::Vote => {
            tally[Truth::UNKNOWN.rank()] = 0;
            tally[Truth::WEAK_TRUE.rank()] += lost;
        }
        Degrade::Drop if left < k => return Truth::UNKNOWN,
        Degrade::Lower if left == 0 => return Truth::UNKNOWN,
        Degrade::Drop => tally[Truth::UNKNOWN.rank()] = 0,
        Degrade::Lower => {
            tally[Truth::UNKNOWN.rank()] = 0;
            k = k.saturating_sub(lost).clamp(1, left);
        }
    }
    let mut counted = 0;
    for truth in CHAIN.into_iter().rev() {
        counted += tally[truth.rank()];
        if counted >= k {
            return truth;
        }
    }
    Truth::FALSE
}

/// How deep the stack gets, measured while code is made.
#[derive(Debug, Default)]
pub(crate) struct Depth {
    numbers: (usize, usize),
    truths: (usize, usize),
    tallies: (usize, usize),
}

impl Depth {
    pub(crate) fn push_number(&mut self) {
        push(&mut self.numbers);
    }

    pub(crate) fn pop_number(&mut self) {
        self.numbers.0 -= 1;
    }

    pub(crate) fn push_truth(&mut self) {
        push(&mut self.truths);
    }

    pub(crate) fn pop_truth(&mut self) {
        self.truths.0 -= 1;
    }

    pub(crate) fn push_tally(&mut self) {
        push(&mut self.tallies);
    }

    pub(crate) fn pop_tally(&mut self) {
        self.tallies.0 -= 1;
    }

    /// Takes off so many numbers, answers and counts, when they are there.
    pub(crate) fn take(&mut self, numbers: usize, truths: usize, tallies: usize) -> Option<()> {
        self.numbers.0 = self.numbers.0.checked_sub(numbers)?;
        self.truths.0 = self.truths.0.checked_sub(truths)?;
        self.tallies.0 = self.tallies.0.checked_sub(tallies)?;
        Some(())
    }

    /// True when nothing is on it.
    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.0 + self.truths.0 + self.tallies.0 == 0
    }

    /// Something, while it fits.
    pub(crate) fn check(&self) -> Option<()> {
        (self.numbers.1 <= NUMBERS_MAX
            && self.truths.1 <= TRUTHS_MAX
            && self.tallies.1 <= TALLIES_MAX)
            .then_some(())
    }
}

fn push((now, most): &mut (usize, usize)) {
    *now += 1;
    *most = (*most).max(*now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(members: [Truth; 3], degrade: Degrade, expected: Truth) {
        let mut tally = [0; 5];
        for member in members {
            tally[member.rank()] += 1;
        }
        assert_eq!(vote(tally, 2, degrade), expected);
    }

    #[test]
    fn two_of_three_degrades_as_declared() {
        let (f, u, t) = (Truth::FALSE, Truth::UNKNOWN, Truth::TRUE);
        check([t, t, f], Degrade::Hold, t);
        check([t, f, f], Degrade::Hold, f);
        check([t, u, f], Degrade::Hold, u);
        check([f, u, f], Degrade::Hold, f);
        check([t, u, f], Degrade::Vote, Truth::WEAK_TRUE);
        check([t, u, f], Degrade::Drop, f);
        check([t, u, t], Degrade::Drop, t);
        check([t, u, u], Degrade::Drop, u);
        check([t, u, f], Degrade::Lower, t);
        check([f, u, f], Degrade::Lower, f);
        check([t, u, u], Degrade::Lower, t);
        check([u, u, u], Degrade::Lower, u);
    }

    #[test]
    fn a_vote_that_rests_on_uncertain_data_is_weak() {
        let (f, t) = (Truth::FALSE, Truth::TRUE);
        check([t, Truth::WEAK_TRUE, f], Degrade::Hold, Truth::WEAK_TRUE);
        check([t, Truth::WEAK_FALSE, f], Degrade::Hold, Truth::WEAK_FALSE);
    }

    #[test]
    fn health_is_unknown_before_the_first_reading_and_stale_counts_as_bad() {
        let said = |health, quality, stale| {
            let vitals = Vitals {
                quality,
                stale,
                overdue: false,
                tested: false,
            };
            told(health, vitals)
        };
        assert_eq!(said(Health::Bad, None, false), Truth::UNKNOWN);
        assert_eq!(said(Health::Stale, None, false), Truth::FALSE);
        assert_eq!(said(Health::Bad, None, true), Truth::TRUE);
        let line = Some(Quality::COMM_ERROR);
        let sensor = Some(Quality::SENSOR_FAILURE);
        for (health, quality, expected) in [
            (Health::Silent, line, Truth::TRUE),
            (Health::Silent, sensor, Truth::FALSE),
            (Health::Faulty, line, Truth::FALSE),
            (Health::Faulty, sensor, Truth::TRUE),
            (Health::Bad, Some(Quality::UNCERTAIN), Truth::FALSE),
            (Health::Uncertain, Some(Quality::UNCERTAIN), Truth::TRUE),
        ] {
            assert_eq!(said(health, quality, false), expected);
        }
    }
}
