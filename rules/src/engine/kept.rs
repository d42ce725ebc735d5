//! What remembers something between evaluations: a condition that must hold, the time since one did, a window, readings that came before, a calendar.

use telemetry::UtcMs;

use super::repeat::RepeatSlot;
use super::window::{Moment, WindowSlot};
use crate::alarm::Phase;
use crate::calendar::Calendar;
use crate::program::{Kept, KeptCode};
use crate::timer::NEVER;
use crate::value::{Number, Tri, Trust, Truth};

/// The state of one; of the same kind as its code.
#[derive(Clone, Debug)]
pub(super) enum KeptSlot {
    Held(HeldSlot),
    Since(SinceSlot),
    Window(WindowSlot),
    Repeats(RepeatSlot),
    During(DuringSlot),
}

impl KeptSlot {
    pub(super) fn new(code: &KeptCode, now: UtcMs) -> Self {
        match code.what {
            Kept::Held { .. } => Self::Held(HeldSlot {
                phase: Phase::Off,
                due: NEVER,
                condition: Truth::UNKNOWN,
                answer: Truth::UNKNOWN,
            }),
            Kept::Since { .. } => Self::Since(SinceSlot {
                began: now,
                last: NEVER,
                at: now,
                condition: Truth::UNKNOWN,
                answer: Number::BAD,
            }),
            Kept::Window { of, .. } => Self::Window(WindowSlot::new(of, now)),
            Kept::Repeats { n, .. } => Self::Repeats(RepeatSlot::new(n)),
            Kept::During(_) => Self::During(DuringSlot {
                next_look: now,
                answer: Truth::UNKNOWN,
            }),
        }
    }

    /// True when the other can stand in its place: of the same kind and size.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Repeats(one), Self::Repeats(two)) => one.n() == two.n(),
            (one, two) => core::mem::discriminant(one) == core::mem::discriminant(two),
        }
    }

    /// When it has to be looked at, whatever is read.
    pub(super) fn next_due(&self, code: &KeptCode) -> UtcMs {
        match (self, &code.what) {
            (Self::Held(slot), _) => slot.next_due(),
            (Self::Since(slot), Kept::Since { open_ms, .. }) => slot.next_due(*open_ms),
            (Self::Window(slot), Kept::Window { of, slice_ms }) => slot.next_due(*of, *slice_ms),
            (Self::Since(_) | Self::Window(_) | Self::Repeats(_), _) => NEVER,
            (Self::During(slot), _) => slot.next_look,
        }
    }

    /// True while it has not been watched for long enough to answer.
    pub(super) fn is_filling(&self, code: &KeptCode) -> bool {
        match (self, &code.what) {
            (Self::Window(slot), Kept::Window { slice_ms, .. }) => slot.is_filling(*slice_ms),
            (Self::Since(slot), Kept::Since { open_ms, .. }) => slot.is_filling(*open_ms),
            _ => false,
        }
    }

    /// The answer, where it is a condition.
    pub(super) fn truth(&self) -> Truth {
        match self {
            Self::Held(slot) => slot.answer,
            Self::During(slot) => slot.answer,
            Self::Repeats(slot) => slot.answer,
            Self::Since(_) | Self::Window(_) => Truth::UNKNOWN,
        }
    }

    /// The answer, where it is a number.
    pub(super) fn number(&self) -> Number {
        match self {
            Self::Since(slot) => slot.answer,
            Self::Window(slot) => slot.answer,
            Self::Held(_) | Self::Repeats(_) | Self::During(_) => Number::BAD,
        }
    }

    /// Nobody evaluated from `from` to `to`.
    pub(super) fn pause(&mut self, code: &KeptCode, from: UtcMs, to: UtcMs) {
        match (self, &code.what) {
            (Self::Held(slot), _) if slot.phase == Phase::Pending => {
                slot.due = slot.due.plus_ms(to.since_ms(from));
            }
            (Self::Window(slot), Kept::Window { of, slice_ms }) => {
                slot.miss(*of, *slice_ms, from, to);
            }
            (Self::Repeats(slot), _) => slot.break_off(),
            _ => {}
        }
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
    fn next_due(&self) -> UtcMs {
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

/// When a condition was last true.
#[derive(Clone, Debug)]
pub(super) struct SinceSlot {
    /// When it began to watch.
    pub(super) began: UtcMs,
    /// The last time at which the condition was true; [`NEVER`] when it never was.
    pub(super) last: UtcMs,
    /// When it was looked at.
    pub(super) at: UtcMs,
    /// What the condition said then.
    pub(super) condition: Truth,
    /// In seconds.
    pub(super) answer: Number,
}

impl SinceSlot {
    /// Each second while the time grows and can decide something.
    fn next_due(&self, open_ms: u32) -> UtcMs {
        if self.condition.tri() == Tri::False && self.is_open(open_ms) {
            UtcMs((self.at.0.div_euclid(1_000) + 1).saturating_mul(1_000))
        } else {
            NEVER
        }
    }

    /// True while it was never true and not watched for long enough; what is not known is not known for another reason.
    fn is_filling(&self, open_ms: u32) -> bool {
        self.last == NEVER && !self.condition.is_unknown() && self.is_open(open_ms)
    }

    fn is_open(&self, open_ms: u32) -> bool {
        self.at.since_ms(self.from()) <= u64::from(open_ms)
    }

    /// From when on the time is counted.
    fn from(&self) -> UtcMs {
        match self.last {
            NEVER => self.began,
            last => last,
        }
    }

    pub(super) fn step(&mut self, condition: Truth, now: UtcMs) {
        if self.condition.is_true() || condition.is_true() {
            self.last = now;
        }
        self.at = now;
        self.condition = condition;
        self.answer = self.number_at(now);
    }

    /// The time since then while the condition stays as it is, in seconds.
    pub(super) fn number_at(&self, now: UtcMs) -> Number {
        let trust = match Moment::from(self.condition).trust {
            trust if self.last == NEVER && trust != Trust::Bad => Trust::AtLeast,
            trust => trust,
        };
        let from = if self.condition.is_true() {
            now
        } else {
            self.from()
        };
        let ms = i32::try_from(now.since_ms(from) / 1_000).unwrap_or(i32::MAX);
        let rest = i32::try_from(now.since_ms(from) % 1_000).unwrap_or(0);
        Number::new(f64::from(ms) + f64::from(rest) / 1_000.0, trust)
    }
}

/// Whether a calendar holds.
#[derive(Clone, Debug)]
pub(super) struct DuringSlot {
    pub(super) next_look: UtcMs,
    pub(super) answer: Truth,
}

impl DuringSlot {
    pub(super) fn step(&mut self, calendar: &Calendar, now: UtcMs) {
        self.answer = if calendar.holds(now) {
            Truth::TRUE
        } else {
            Truth::FALSE
        };
        self.next_look = calendar.next_look(now);
    }
}
