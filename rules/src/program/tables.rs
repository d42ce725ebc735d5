//! The flat tables that evaluation reads: code, levels, and who reads whom.
//!
//! They know no names and no words, but for the reasons that an alarm's events tell.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::{Side, at, u32_of};
use crate::calendar::Calendar;
use crate::eval::Op;

/// All that the engine runs on, wherever it is kept. Indices of other tables panic.
pub(crate) trait Tables {
    fn n_points(&self) -> u32;
    fn n_alarms(&self) -> u32;
    fn n_kept(&self) -> u32;
    /// How many levels have a state.
    fn n_level_states(&self) -> u32;
    fn point(&self, point: u32) -> PointCode;
    fn value_readers(&self, entry: Entry) -> impl Iterator<Item = Reader>;
    fn health_readers(&self, entry: Entry) -> impl Iterator<Item = u32>;
    fn ops(&self, entry: Entry) -> impl Iterator<Item = Op>;
    fn alarm(&self, alarm: u32) -> AlarmCode;
    fn rest(&self, alarm: u32) -> AlarmRest;
    /// The points and the other alarms that each alarm reads.
    fn alarm_reads(&self, entry: Entry) -> impl Iterator<Item = u32>;
    fn level(&self, level: u32) -> LevelCode;
    fn kept(&self, kept: u32) -> KeptCode;
    fn calendar(&self, calendar: u32) -> &Calendar;
    /// The stricter limits of every level that has some.
    fn overlays(&self, entry: Entry) -> impl Iterator<Item = OverlayCode>;
    /// The reasons to suppress of every alarm that has some.
    fn reason(&self, reason: u32) -> SuppressCode;
    /// The rule's word for a reason.
    fn word(&self, reason: u32) -> Arc<str>;
    /// The points of every `Same`.
    fn same(&self, entry: Entry) -> impl Iterator<Item = u32> + Clone;
    /// What is evaluated, in an order in which nothing reads what comes after it.
    fn unit(&self, unit: u32) -> Unit;

    /// True of an alarm that makes readings uncertain, and of what it remembers: it sees them as they are.
    fn doubts(&self, unit: u32) -> bool {
        let owner = match self.unit(unit) {
            Unit::Kept(kept) => self.kept(kept).owner,
            Unit::Alarm(_) => unit,
        };
        matches!(self.unit(owner), Unit::Alarm(alarm) if self.rest(alarm).doubts)
    }

    /// Who reads a unit.
    fn readers_of(&self, unit: u32) -> impl Iterator<Item = u32>;

    /// How many units there are: each alarm and everything that is remembered is one.
    fn n_units(&self) -> u32 {
        self.n_alarms() + self.n_kept()
    }
}

/// Tables in memory, as they were built.
#[derive(Clone, Debug)]
pub(crate) struct BuiltTables {
    pub(crate) point_code: Vec<PointCode>,
    pub(crate) value_readers: Vec<Reader>,
    pub(crate) health_readers: Vec<u32>,
    pub(crate) ops: Vec<Op>,
    pub(crate) alarm_code: Vec<AlarmCode>,
    pub(crate) alarm_rest: Vec<AlarmRest>,
    pub(crate) alarm_reads: Vec<u32>,
    pub(crate) level_code: Vec<LevelCode>,
    pub(crate) n_level_states: u32,
    pub(crate) kept: Vec<KeptCode>,
    pub(crate) calendars: Vec<Calendar>,
    pub(crate) overlays: Vec<OverlayCode>,
    pub(crate) suppress: Vec<SuppressCode>,
    /// The word of each reason.
    pub(crate) words: Vec<Arc<str>>,
    pub(crate) same: Vec<u32>,
    pub(crate) units: Vec<Unit>,
    pub(crate) readers_of_unit: Readers,
}

impl Tables for BuiltTables {
    fn n_points(&self) -> u32 {
        u32_of(self.point_code.len())
    }

    fn n_alarms(&self) -> u32 {
        u32_of(self.alarm_code.len())
    }

    fn n_kept(&self) -> u32 {
        u32_of(self.kept.len())
    }

    fn n_level_states(&self) -> u32 {
        self.n_level_states
    }

    fn point(&self, point: u32) -> PointCode {
        self.point_code[at(point)]
    }

    fn value_readers(&self, entry: Entry) -> impl Iterator<Item = Reader> {
        self.value_readers[entry.range()].iter().copied()
    }

    fn health_readers(&self, entry: Entry) -> impl Iterator<Item = u32> {
        self.health_readers[entry.range()].iter().copied()
    }

    fn ops(&self, entry: Entry) -> impl Iterator<Item = Op> {
        self.ops[entry.range()].iter().copied()
    }

    fn alarm(&self, alarm: u32) -> AlarmCode {
        self.alarm_code[at(alarm)]
    }

    fn rest(&self, alarm: u32) -> AlarmRest {
        self.alarm_rest[at(alarm)]
    }

    fn alarm_reads(&self, entry: Entry) -> impl Iterator<Item = u32> {
        self.alarm_reads[entry.range()].iter().copied()
    }

    fn level(&self, level: u32) -> LevelCode {
        self.level_code[at(level)]
    }

    fn kept(&self, kept: u32) -> KeptCode {
        self.kept[at(kept)]
    }

    fn calendar(&self, calendar: u32) -> &Calendar {
        &self.calendars[at(calendar)]
    }

    fn overlays(&self, entry: Entry) -> impl Iterator<Item = OverlayCode> {
        self.overlays[entry.range()].iter().copied()
    }

    fn reason(&self, reason: u32) -> SuppressCode {
        self.suppress[at(reason)]
    }

    fn word(&self, reason: u32) -> Arc<str> {
        self.words[at(reason)].clone()
    }

    fn same(&self, entry: Entry) -> impl Iterator<Item = u32> + Clone {
        self.same[entry.range()].iter().copied()
    }

    fn unit(&self, unit: u32) -> Unit {
        self.units[at(unit)]
    }

    fn readers_of(&self, unit: u32) -> impl Iterator<Item = u32> {
        self.readers_of_unit.of(unit).iter().copied()
    }
}

/// A stretch of a table: [`Op`](crate::eval::Op)s that leave one result, or what is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Entry {
    /// Its places.
    pub(crate) fn range(self) -> core::ops::Range<usize> {
        at(self.from)..at(self.to)
    }
}

/// Where an alarm's number comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    None,
    Point(u32),
    Formula(Entry),
}

/// What every evaluation reads of an alarm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlarmCode {
    pub(crate) source: Source,
    pub(crate) gate: Option<Entry>,
    /// The code of its levels; alarms of one rule may share it.
    pub(crate) levels_from: u32,
    /// The states of its levels; its own.
    pub(crate) states_from: u32,
    pub(crate) n_levels: u8,
    /// How many of them are of the high side; they come first.
    pub(crate) n_high: u8,
    /// Its place in the order of evaluation.
    pub(crate) unit: u32,
}

/// What is read of an alarm now and then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlarmRest {
    /// True when every level compares the number with a limit.
    pub(crate) limits_only: bool,
    pub(crate) test: bool,
    /// Makes what it is about uncertain to alarms that don't.
    pub(crate) doubts: bool,
    /// True when the system says whether it holds.
    pub(crate) external: bool,
    /// True when its rule is gone.
    pub(crate) retired: bool,
    /// The point that it is about, if it is about one.
    pub(crate) scope: Option<u32>,
    pub(crate) unknown_hold_ms: u64,
    /// Between these (exclusive) no level is reached.
    pub(crate) band: (f64, f64),
    /// The points and the other alarms that it and what it remembers read.
    pub(crate) points: Entry,
    pub(crate) others: Entry,
    /// What it remembers.
    pub(crate) kept: Entry,
    /// The reasons by which it is suppressed.
    pub(crate) suppress: Entry,
    pub(crate) re_alarm_ms: u64,
    pub(crate) shelve_max_ms: u64,
    /// The first point whose health it reads: its reason.
    pub(crate) watched: Option<u32>,
}

/// When a level is reached and left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LevelTest {
    High {
        limit: f64,
        exit: f64,
    },
    Low {
        limit: f64,
        exit: f64,
    },
    When(Entry),
    External,
    /// A limit that is stricter at times: the level's own, and a stretch of the table of overlays.
    Overlaid {
        side: Side,
        limit: f64,
        exit: f64,
        overlays: Entry,
    },
}

impl LevelTest {
    /// The limit, where it compares a number.
    pub(crate) fn limit(self) -> Option<f64> {
        match self {
            Self::High { limit, .. } | Self::Low { limit, .. } | Self::Overlaid { limit, .. } => {
                Some(limit)
            }
            Self::When(_) | Self::External => None,
        }
    }

    /// A limit as it is now: the strictest of those that hold.
    pub(crate) fn now(self, tables: &impl Tables, holds: impl Fn(u32) -> bool) -> Self {
        let Self::Overlaid {
            side,
            limit,
            exit,
            overlays,
        } = self
        else {
            return self;
        };
        let back = exit - limit;
        let limits = tables
            .overlays(overlays)
            .filter(|overlay| holds(overlay.during))
            .map(|overlay| overlay.limit);
        match side {
            Side::High => {
                let limit = limits.fold(limit, libm::fmin);
                let exit = limit + back;
                Self::High { limit, exit }
            }
            Side::Low => {
                let limit = limits.fold(limit, libm::fmax);
                let exit = limit + back;
                Self::Low { limit, exit }
            }
        }
    }
}

/// A stricter limit, and which calendar it goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OverlayCode {
    pub(crate) during: u32,
    pub(crate) limit: f64,
}

/// A reason to suppress an alarm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SuppressCode {
    pub(crate) condition: Entry,
    pub(crate) hold_off_ms: u32,
}

/// What evaluation reads of a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LevelCode {
    pub(crate) test: LevelTest,
    pub(crate) on_delay_ms: u32,
    pub(crate) off_delay_ms: u32,
    pub(crate) severity: u16,
    pub(crate) latch: bool,
}

/// What remembers something between evaluations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptCode {
    pub(crate) what: Kept,
    /// Its place in the order of evaluation.
    pub(crate) unit: u32,
    /// The unit of the alarm that it is a part of.
    pub(crate) owner: u32,
    /// The unit of the window or time since that it is inside of: that is looked at whenever this is.
    pub(crate) around: Option<u32>,
}

/// What is remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    /// Whether a condition has been true for a duration.
    Held { condition: Entry, duration_ms: u32 },
    /// When a condition was last true; after so long the time since then decides nothing more.
    Since { condition: Entry, open_ms: u32 },
    /// What was of late.
    Window { of: Watched, slice_ms: u32 },
    /// Whether a point's last `n` readings came before.
    Repeats { point: u32, n: u32 },
    /// Whether a calendar holds.
    During(u32),
}

/// What a window keeps, and where it comes from: a condition, a formula or a point.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Watched {
    Count(Entry),
    TimeIn(Entry),
    Sum(u32),
    Increase(u32),
    Mean(Entry),
    Stdev(Entry),
    Lowest(Entry),
    Highest(Entry),
    Median(Entry),
    Mad(Entry),
    Change(Entry),
}

/// What a window looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LooksAt {
    Point(u32),
    Condition(Entry),
    Formula(Entry),
}

impl Watched {
    /// Where what it keeps comes from.
    pub(crate) fn looks_at(self) -> LooksAt {
        match self {
            Self::Sum(point) | Self::Increase(point) => LooksAt::Point(point),
            Self::Count(entry) | Self::TimeIn(entry) => LooksAt::Condition(entry),
            Self::Mean(entry)
            | Self::Stdev(entry)
            | Self::Lowest(entry)
            | Self::Highest(entry)
            | Self::Median(entry)
            | Self::Mad(entry)
            | Self::Change(entry) => LooksAt::Formula(entry),
        }
    }
}

/// What is evaluated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unit {
    Kept(u32),
    Alarm(u32),
}

/// Who reads a point.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Reader {
    pub(crate) unit: u32,
    /// The alarm that it is, if it is one, and the point of its number: when that is inside its limits, there is nothing to evaluate.
    pub(crate) alarm: Option<NonMax>,
    pub(crate) source: u32,
}

/// An index below the greatest number, so that none takes no room.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct NonMax(NonZeroU32);

impl NonMax {
    pub(crate) fn new(index: u32) -> Option<Self> {
        NonZeroU32::new(index.wrapping_add(1)).map(Self)
    }

    pub(crate) fn index(self) -> u32 {
        self.0.get() - 1
    }
}

/// What is read of a point and by whom: stretches of the lists of readers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PointCode {
    /// True when its values are 0 and 1.
    pub(crate) digital: bool,
    pub(crate) max_age_ms: u64,
    pub(crate) value_readers: Entry,
    pub(crate) health_readers: Entry,
}

/// Lists in one table: the list of `i` is `list[start[i]..start[i + 1]]`, ascending.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    start: Vec<u32>,
    list: Vec<u32>,
}

impl Readers {
    /// Sorts (read, reader) pairs into lists.
    pub(crate) fn new(n_read: usize, mut pairs: Vec<(u32, u32)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let mut start = Vec::with_capacity(n_read + 1);
        let mut list = Vec::with_capacity(pairs.len());
        let mut pairs = pairs.into_iter().peekable();
        start.push(0);
        for read in 0..u32_of(n_read) {
            while let Some((_, reader)) = pairs.next_if(|(from, _)| *from == read) {
                list.push(reader);
            }
            start.push(u32_of(list.len()));
        }
        Self { start, list }
    }

    /// One more that is read, and by whom.
    pub(crate) fn push(&mut self, readers: &[u32]) {
        self.list.extend_from_slice(readers);
        self.start.push(u32_of(self.list.len()));
    }

    /// Who reads `read`.
    pub(crate) fn of(&self, read: u32) -> &[u32] {
        let entry = self.entry(read);
        &self.list[at(entry.from)..at(entry.to)]
    }

    /// Where the list of `read` is.
    pub(crate) fn entry(&self, read: u32) -> Entry {
        let read = at(read);
        Entry {
            from: self.start[read],
            to: self.start[read + 1],
        }
    }

    /// Where each list begins and the last one ends; and all lists, one after the other.
    pub(crate) fn lists(&self) -> (&[u32], &[u32]) {
        (&self.start, &self.list)
    }

    /// All lists, one after the other.
    pub(crate) fn into_list(self) -> Vec<u32> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn readers_are_listed_once_and_in_order() {
        let readers = Readers::new(3, vec![(2, 7), (0, 9), (2, 1), (2, 7)]);
        assert_eq!(readers.of(0), [9]);
        assert!(readers.of(1).is_empty());
        assert_eq!(readers.of(2), [1, 7]);
    }
}
