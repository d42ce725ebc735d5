//! What the engine remembers: a slot for each point, each thing that a condition remembers, each alarm and each of its levels.

use alloc::vec::Vec;

use telemetry::{Clock, Quality, Sample, UtcMs, Value};

use super::kept::KeptSlot;
use crate::alarm::{LevelTimes, Levels, NO_LEVEL, Phase, Slot};
use crate::eval::{Memory, Stack, Vitals};
use crate::program::{Entry, LevelTest, Source, Tables, Unit, at, u32_of};
use crate::timer::NEVER;
use crate::value::{Number, Trust, Truth};

/// The last live reading of a point.
#[derive(Clone, Debug)]
pub(super) struct PointSlot {
    /// Its number; without meaning when the trust is bad.
    pub(super) value: f64,
    /// The source's time; [`NEVER`] before the first reading.
    pub(super) at: UtcMs,
    /// When it is too old.
    pub(super) stale_at: UtcMs,
    /// While its number is between these and not bad, nobody who reads it has anything to evaluate.
    guard: Guard,
    pub(super) quality: Quality,
    pub(super) trust: Trust,
    pub(super) clock: Clock,
    pub(super) stale: bool,
    /// It waits in the wheel.
    pub(super) waits: bool,
    /// A person tests an alarm about it.
    pub(super) tested: bool,
    /// An alarm makes it uncertain.
    pub(super) doubted: bool,
    /// Until when it is believed that it is being calibrated; [`NEVER`] while it does not say so, and when it has said so for too long.
    pub(super) test_end: UtcMs,
}

/// For how long a sensor that says that it is being calibrated is believed, in milliseconds: half a shift. A status bit
/// that hangs would take its detector out of every vote for ever; a longer test is a person's to say.
pub(super) const CALIBRATION_MAX_MS: u64 = 4 * 3_600_000;

impl PointSlot {
    /// A point that was never read, and is stale at a time.
    pub(super) fn new(stale_at: UtcMs) -> Self {
        Self {
            value: 0.0,
            at: NEVER,
            stale_at,
            guard: OPEN,
            quality: Quality::NO_DATA,
            trust: Trust::Bad,
            clock: Clock::Synced,
            stale: false,
            waits: false,
            tested: false,
            doubted: false,
            test_end: NEVER,
        }
    }

    /// What it reads is no process value: it is being calibrated, or a person tests an alarm about it.
    pub(super) fn is_under_test(&self) -> bool {
        self.tested || self.quality == Quality::CALIBRATION && !self.is_overdue()
    }

    /// It has said that it is being calibrated for too long to be believed.
    pub(super) fn is_overdue(&self) -> bool {
        self.quality == Quality::CALIBRATION && self.test_end == NEVER
    }

    /// True while its number is between these (exclusive), and can be used.
    fn is_between(&self, (low, high): Guard) -> bool {
        let number = self.value;
        number > low.into() && number < high.into() && self.trust != Trust::Bad && !self.stale
    }

    /// True when nobody who reads it has anything to evaluate.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_between(self.guard)
    }

    /// True once it was read.
    pub(super) fn is_read(&self) -> bool {
        self.at != NEVER
    }

    /// Takes a reading; true when its quality is another, it is the first, or the one before was stale.
    pub(super) fn take(&mut self, sample: Sample, max_age_ms: u64, now: UtcMs) -> bool {
        let changed = self.stale || self.quality != sample.quality || !self.is_read();
        let number = match sample.value {
            Some(value) => Number::new(value.as_f64(), Trust::from(sample.quality)),
            None => Number::BAD,
        };
        (self.value, self.trust) = (number.value, number.trust);
        self.at = sample.at.min(UtcMs(NEVER.0 - 1));
        // A clock that runs ahead keeps no value fresh.
        self.stale_at = stale_at(sample.at.min(now), max_age_ms);
        if sample.quality != Quality::CALIBRATION {
            self.test_end = NEVER;
        } else if self.quality != Quality::CALIBRATION {
            self.test_end = now.plus_ms(CALIBRATION_MAX_MS);
        }
        self.quality = sample.quality;
        self.clock = sample.clock;
        self.stale = false;
        changed
    }

    pub(super) fn next_due(&self) -> UtcMs {
        let stale_at = if self.stale { NEVER } else { self.stale_at };
        stale_at.min(self.test_end)
    }

    /// What is over by a time is over; true when it is its sensor's test.
    pub(super) fn end(&mut self, now: UtcMs) -> bool {
        self.stale |= self.stale_at <= now;
        let is_over = self.test_end <= now;
        if is_over {
            self.test_end = NEVER;
        }
        is_over
    }

    /// Its number, whoever doubts it.
    pub(super) fn number(&self) -> Number {
        if self.stale {
            Number::BAD
        } else {
            Number {
                value: self.value,
                trust: self.trust,
            }
        }
    }

    /// The reading as it came, but for a value that its quality forbids.
    pub(super) fn sample(&self, digital: bool) -> Option<Sample> {
        let value = match self.trust {
            Trust::Bad | Trust::AtLeast => None,
            Trust::Good | Trust::Uncertain if digital => Some(Value::Bool(self.value.abs() > 0.0)),
            Trust::Good | Trust::Uncertain => Some(Value::Number(self.value)),
        };
        self.is_read().then_some(Sample {
            at: self.at,
            value,
            quality: self.quality,
            clock: self.clock,
        })
    }
}

/// The slots of a point, and of an alarm of so many levels on it.
pub(super) const fn armed_rule_bytes(levels: usize) -> usize {
    size_of::<PointSlot>()
        + size_of::<Slot>()
        + size_of::<Guard>()
        + levels * (size_of::<Phase>() + size_of::<LevelTimes>())
}

/// The first millisecond in which a reading is older than `max_age_ms`.
pub(super) fn stale_at(at: UtcMs, max_age_ms: u64) -> UtcMs {
    if max_age_ms == 0 {
        NEVER
    } else {
        at.plus_ms(max_age_ms).plus_ms(1)
    }
}

/// While its number is between these (exclusive) and not bad, there is nothing to evaluate: nothing is on, on its way or unknown.
///
/// Single precision takes half the room; it is never wider than what it stands for.
pub(super) type Guard = (f32, f32);

/// What a level asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    AtLeast(f64),
    AtMost(f64),
    When(Entry),
    /// The system says it.
    External,
}

/// Nothing is between these.
const OPEN: Guard = (f32::INFINITY, f32::NEG_INFINITY);

/// The widest guard within a band.
#[allow(
    clippy::cast_possible_truncation,
    reason = "what is cut off is put right after it"
)]
fn within((low, high): (f64, f64)) -> Guard {
    let (mut from, mut to) = (low as f32, high as f32);
    if f64::from(from) < low {
        from = from.next_up();
    }
    if f64::from(to) > high {
        to = to.next_down();
    }
    (from, to)
}

/// All slots.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) points: Vec<PointSlot>,
    pub(super) kept: Vec<KeptSlot>,
    pub(super) alarms: Vec<Slot>,
    pub(super) guards: Vec<Guard>,
    pub(super) phases: Vec<Phase>,
    pub(super) times: Vec<LevelTimes>,
}

impl State {
    pub(super) fn new(tables: &impl Tables, now: UtcMs) -> Self {
        let points = (0..tables.n_points())
            .map(|point| PointSlot::new(stale_at(now, tables.point(point).max_age_ms)));
        let alarms = (0..tables.n_alarms()).map(|alarm| {
            let rest = tables.rest(alarm);
            let n_reasons = at(rest.suppress.to - rest.suppress.from);
            Slot::new(rest.test, rest.external, n_reasons)
        });
        let kept = (0..tables.n_kept()).map(|kept| KeptSlot::new(&tables.kept(kept), now));
        let n_levels = at(tables.n_level_states());
        Self {
            points: points.collect(),
            kept: kept.collect(),
            alarms: alarms.collect(),
            guards: alloc::vec![OPEN; at(tables.n_alarms())],
            phases: alloc::vec![Phase::Off; n_levels],
            times: alloc::vec![LevelTimes::default(); n_levels],
        }
    }

    /// The levels of an alarm.
    pub(super) fn levels<'a, T: Tables>(&'a mut self, tables: &'a T, alarm: u32) -> Levels<'a, T> {
        let code = tables.alarm(alarm);
        let states = at(code.states_from);
        let states = states..states + usize::from(code.n_levels);
        Levels {
            tables,
            from: code.levels_from,
            n_high: usize::from(code.n_high),
            phases: &mut self.phases[states.clone()],
            times: &mut self.times[states],
        }
    }

    /// True when an alarm's number, which is this point's, is inside its limits and there is nothing to end.
    pub(super) fn is_inside(&self, alarm: u32, source: u32) -> bool {
        self.points[at(source)].is_between(self.guards[at(alarm)])
    }

    /// When a level is reached and left, as it is now; its index is one into the tables.
    pub(super) fn test(&self, tables: &impl Tables, level: u32) -> LevelTest {
        let holds = |during: u32| self.kept[at(during)].truth().is_true();
        tables.level(level).test.now(tables, holds)
    }

    /// What a level of an alarm asks now: a limit is the way in while it is off, and the way out while it is on.
    pub(super) fn asked(&self, tables: &impl Tables, alarm: u32, level: usize) -> Asked {
        let code = tables.alarm(alarm);
        let on = self.phases[at(code.states_from) + level].is_on();
        match self.test(tables, code.levels_from + u32_of(level)) {
            LevelTest::High { limit, exit } => Asked::AtLeast(if on { exit } else { limit }),
            LevelTest::Low { limit, exit } => Asked::AtMost(if on { exit } else { limit }),
            LevelTest::When(entry) => Asked::When(entry),
            LevelTest::External | LevelTest::Overlaid { .. } => Asked::External,
        }
    }

    /// The answer to what a level asks, without the gate.
    pub(super) fn answer(
        &self,
        tables: &impl Tables,
        alarm: u32,
        asked: Asked,
        number: Number,
        stack: &mut Stack,
    ) -> Truth {
        match asked {
            Asked::AtLeast(limit) => number.reaches(limit),
            Asked::AtMost(limit) => number.falls_to(limit),
            Asked::When(entry) => stack.condition(tables, entry, &self.seen_by(tables, alarm)),
            Asked::External => self.alarms[at(alarm)].external,
        }
    }

    /// Brings what is derived from an alarm's levels up to date.
    pub(super) fn refresh(&mut self, tables: &impl Tables, alarm: u32) {
        let levels = self.levels(tables, alarm);
        let (next_due, nothing) = (levels.next_due(), levels.is_quiet());
        let slot = &mut self.alarms[at(alarm)];
        let aside = slot
            .rare
            .as_ref()
            .map_or(NEVER, |rare| rare.aside.next_due());
        slot.next_due = next_due.min(slot.unknown_due).min(aside);
        // Who is suppressed by a reason has to see it come, whatever the number is.
        let reasons = tables.rest(alarm).suppress;
        let looks = reasons.from < reasons.to;
        let quiet = nothing && !looks && !slot.unknown_now && !slot.flags.unknown;
        let guard = if quiet {
            within(tables.rest(alarm).band)
        } else {
            OPEN
        };
        let before = core::mem::replace(&mut self.guards[at(alarm)], guard);
        if let Source::Point(point) = tables.alarm(alarm).source
            && before != guard
        {
            self.guard_point(tables, point);
        }
    }

    /// Lets a point know between which numbers none of its readers has anything to evaluate.
    fn guard_point(&mut self, tables: &impl Tables, point: u32) {
        let readers = tables.value_readers(tables.point(point).value_readers);
        let guards = readers.map(|reader| match reader.alarm {
            Some(alarm) if reader.source == point => self.guards[at(alarm.index())],
            Some(_) | None => OPEN,
        });
        let all = (f32::NEG_INFINITY, f32::INFINITY);
        self.points[at(point)].guard = guards.fold(all, |(low, high), guard| {
            (libm::fmaxf(low, guard.0), libm::fminf(high, guard.1))
        });
    }
}

/// The alarms that are about a point.
pub(super) fn alarms_about(tables: &impl Tables, point: u32) -> impl Iterator<Item = u32> {
    let readers = tables.point(point).health_readers;
    let readers = tables.health_readers(readers);
    readers.filter_map(move |unit| match tables.unit(unit) {
        Unit::Alarm(alarm) => own_points(tables, alarm)
            .contains(&Some(point))
            .then_some(alarm),
        Unit::Kept(_) => None,
    })
}

/// What an alarm sees of the state: a point that is under test reads nothing to alarms that are not about it, one that is
/// in doubt is uncertain, and an alarm that is a test counts as one that is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a, T> {
    state: &'a State,
    tables: &'a T,
    alarm: u32,
}

/// The points that an alarm is about: its scope, and the one whose number it compares.
pub(super) fn own_points(tables: &impl Tables, alarm: u32) -> [Option<u32>; 2] {
    let source = match tables.alarm(alarm).source {
        Source::Point(point) => Some(point),
        Source::None | Source::Formula(_) => None,
    };
    [tables.rest(alarm).scope, source]
}

impl State {
    /// What the alarm says is a test: its rule is on trial; or a person tests it, or a point that it is about is under
    /// test, and it did not stand before: what was raised before a test is true, and stays so until it is over.
    pub(super) fn is_test(&self, tables: &impl Tables, alarm: u32) -> bool {
        let slot = &self.alarms[at(alarm)];
        let rare = slot.rare.as_ref();
        let mut own = own_points(tables, alarm).into_iter().flatten();
        let is_tested = rare.is_some_and(|rare| rare.aside.test_until.is_some())
            || own.any(|point| self.points[at(point)].is_under_test());
        tables.rest(alarm).test || is_tested && (slot.flags.test || !slot.flags.stands())
    }

    /// What an alarm sees.
    pub(super) fn seen_by<'a, T: Tables>(&'a self, tables: &'a T, alarm: u32) -> Seen<'a, T> {
        Seen {
            state: self,
            tables,
            alarm,
        }
    }
}

impl<T: Tables> Memory for Seen<'_, T> {
    fn number(&self, point: u32) -> Number {
        let slot = &self.state.points[at(point)];
        if slot.is_under_test() && !own_points(self.tables, self.alarm).contains(&Some(point)) {
            return Number::BAD;
        }
        let mut number = slot.number();
        if slot.doubted && number.trust == Trust::Good && !self.tables.rest(self.alarm).doubts {
            number.trust = Trust::Uncertain;
        }
        number
    }

    fn health(&self, point: u32) -> Vitals {
        let slot = &self.state.points[at(point)];
        Vitals {
            quality: slot.is_read().then_some(slot.quality),
            stale: slot.stale,
            overdue: slot.is_overdue(),
            tested: slot.is_under_test(),
        }
    }

    fn alarm(&self, alarm: u32, severity: u16) -> Truth {
        let slot = &self.state.alarms[at(alarm)];
        if slot.flags.test {
            return Truth::UNKNOWN;
        }
        let reached = slot.flags.active && slot.level != NO_LEVEL && slot.severity >= severity;
        match (reached, slot.unknown_now) {
            (true, true) => Truth::WEAK_TRUE,
            (true, false) => Truth::TRUE,
            (false, true) => Truth::UNKNOWN,
            (false, false) => Truth::FALSE,
        }
    }

    fn kept_truth(&self, kept: u32) -> Truth {
        self.state.kept[at(kept)].truth()
    }

    fn kept_number(&self, kept: u32) -> Number {
        self.state.kept[at(kept)].number()
    }
}
