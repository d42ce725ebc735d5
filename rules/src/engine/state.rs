//! What the engine remembers: a slot for each point, each held condition, each alarm and each of its levels.

use alloc::vec::Vec;

use telemetry::{Clock, Quality, Sample, UtcMs, Value};

use crate::alarm::{LevelTimes, Levels, NO_LEVEL, Phase, Slot};
use crate::eval::Memory;
use crate::program::{Program, Source, at};
use crate::timer::NEVER;
use crate::value::{Number, Trust, Truth};

/// The last live reading of a point.
#[derive(Clone, Debug)]
pub(super) struct PointSlot {
    /// Its number; bad when it had none.
    pub(super) number: Number,
    /// The source's time.
    pub(super) at: UtcMs,
    /// When it is too old.
    pub(super) stale_at: UtcMs,
    /// None before the first reading.
    pub(super) quality: Option<Quality>,
    pub(super) clock: Clock,
    pub(super) stale: bool,
}

impl PointSlot {
    /// Takes a reading; true when its quality is another, or it was stale.
    pub(super) fn take(&mut self, sample: Sample, max_age_ms: u64, now: UtcMs) -> bool {
        let changed = self.stale || self.quality != Some(sample.quality);
        self.number = match sample.value {
            Some(value) => match Trust::from(sample.quality) {
                Trust::Bad => Number::BAD,
                trust => Number::new(value.as_f64(), trust),
            },
            None => Number::BAD,
        };
        self.at = sample.at;
        // A clock that runs ahead keeps no value fresh.
        self.stale_at = stale_at(sample.at.min(now), max_age_ms);
        self.quality = Some(sample.quality);
        self.clock = sample.clock;
        self.stale = false;
        changed
    }

    pub(super) fn next_due(&self) -> UtcMs {
        if self.stale { NEVER } else { self.stale_at }
    }

    /// The reading as it came, but for a value that its quality forbids.
    pub(super) fn sample(&self, digital: bool) -> Option<Sample> {
        let value = match self.number.trust {
            Trust::Bad => None,
            Trust::Good | Trust::Uncertain if digital => {
                Some(Value::Bool(self.number.value.abs() > 0.0))
            }
            Trust::Good | Trust::Uncertain => Some(Value::Number(self.number.value)),
        };
        Some(Sample {
            at: self.at,
            value,
            quality: self.quality?,
            clock: self.clock,
        })
    }
}

/// The slots of a point, and of an alarm of so many levels on it.
pub(super) const fn armed_rule_bytes(levels: usize) -> usize {
    size_of::<PointSlot>()
        + size_of::<Slot>()
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

/// A condition that must have been true for a duration; [`Phase::On`] when it has.
#[derive(Clone, Debug)]
pub(super) struct HeldSlot {
    pub(super) phase: Phase,
    /// When the duration is over; how much of it is left (ms) while it stands still.
    pub(super) due: UtcMs,
    /// What the condition said last.
    pub(super) condition: Truth,
    pub(super) answer: Truth,
}

impl HeldSlot {
    pub(super) fn next_due(&self) -> UtcMs {
        if self.phase == Phase::Pending {
            self.due
        } else {
            NEVER
        }
    }

    pub(super) fn step(&mut self, condition: Truth, duration_ms: u32, now: UtcMs) {
        if self.next_due() <= now {
            self.phase = Phase::On;
        }
        self.phase = match self.phase {
            Phase::Off if condition.is_true() && duration_ms == 0 => Phase::On,
            Phase::Off if condition.is_true() => {
                self.due = now.plus_ms(u64::from(duration_ms));
                Phase::Pending
            }
            Phase::Paused if condition.is_true() => {
                self.due = UtcMs(now.0.saturating_add(self.due.0));
                Phase::Pending
            }
            Phase::Pending if condition.is_unknown() => {
                self.due = UtcMs(self.due.0.saturating_sub(now.0));
                Phase::Paused
            }
            phase if condition.is_true() || condition.is_unknown() => phase,
            Phase::Off | Phase::Pending | Phase::Paused | Phase::On | Phase::Leaving => Phase::Off,
        };
        self.condition = condition;
        self.answer = match self.phase {
            Phase::Pending if condition.is_true() => Truth::FALSE,
            Phase::Off | Phase::Pending | Phase::Paused | Phase::On | Phase::Leaving => condition,
        };
    }
}

/// All slots.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) points: Vec<PointSlot>,
    pub(super) held: Vec<HeldSlot>,
    pub(super) alarms: Vec<Slot>,
    pub(super) phases: Vec<Phase>,
    pub(super) times: Vec<LevelTimes>,
}

impl State {
    pub(super) fn new(program: &Program, now: UtcMs) -> Self {
        let points = program.points().iter().map(|info| PointSlot {
            number: Number::BAD,
            at: NEVER,
            stale_at: stale_at(now, info.max_age_ms),
            quality: None,
            clock: Clock::Synced,
            stale: false,
        });
        let alarms = program
            .alarm_code
            .iter()
            .zip(program.alarms())
            .map(|(code, info)| Slot::new(code, info.external));
        let held = HeldSlot {
            phase: Phase::Off,
            due: NEVER,
            condition: Truth::UNKNOWN,
            answer: Truth::UNKNOWN,
        };
        let n_levels = program.level_code.len();
        Self {
            points: points.collect(),
            held: alloc::vec![held; program.held.len()],
            alarms: alarms.collect(),
            phases: alloc::vec![Phase::Off; n_levels],
            times: alloc::vec![LevelTimes::default(); n_levels],
        }
    }

    /// The levels of an alarm.
    pub(super) fn levels<'a>(&'a mut self, program: &'a Program, alarm: u32) -> Levels<'a> {
        let code = &program.alarm_code[at(alarm)];
        let from = at(code.levels_from);
        let range = from..from + usize::from(code.n_levels);
        Levels {
            code: &program.level_code[range.clone()],
            n_high: usize::from(code.n_high),
            phases: &mut self.phases[range.clone()],
            times: &mut self.times[range],
        }
    }

    /// True when an alarm's number is inside its limits and there is nothing to end.
    pub(super) fn is_quiet(&self, program: &Program, alarm: u32) -> bool {
        let slot = &self.alarms[at(alarm)];
        let code = &program.alarm_code[at(alarm)];
        let Source::Point(point) = code.source else {
            return false;
        };
        let point = &self.points[at(point)];
        slot.quiet
            && point.number.trust != Trust::Bad
            && !point.stale
            && point.number.value > code.band.0
            && point.number.value < code.band.1
    }

    /// Brings what is derived from an alarm's levels up to date.
    pub(super) fn refresh(&mut self, program: &Program, alarm: u32) {
        let levels = self.levels(program, alarm);
        let (next_due, nothing) = (levels.next_due(), levels.is_quiet());
        let slot = &mut self.alarms[at(alarm)];
        slot.next_due = next_due.min(slot.unknown_due);
        slot.quiet = nothing && !slot.unknown_now && !slot.flags.unknown;
    }
}

impl Memory for State {
    fn number(&self, point: u32) -> Number {
        let slot = &self.points[at(point)];
        if slot.stale { Number::BAD } else { slot.number }
    }

    fn health(&self, point: u32) -> (Option<Quality>, bool) {
        let slot = &self.points[at(point)];
        (slot.quality, slot.stale)
    }

    fn alarm(&self, alarm: u32, severity: u16) -> Truth {
        let slot = &self.alarms[at(alarm)];
        let reached = slot.flags.active && slot.level != NO_LEVEL && slot.severity >= severity;
        match (reached, slot.unknown_now) {
            (true, true) => Truth::WEAK_TRUE,
            (true, false) => Truth::TRUE,
            (false, true) => Truth::UNKNOWN,
            (false, false) => Truth::FALSE,
        }
    }

    fn held(&self, held: u32) -> Truth {
        self.held[at(held)].answer
    }
}
