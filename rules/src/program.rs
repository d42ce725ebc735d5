//! The compiled rules: points, rules, alarms and their flat tables; immutable while it runs.
//!
//! [`ProgramBuilder`] makes one from trees and checks what can be checked; it knows no text syntax.

mod build;
mod part;
mod retire;
mod tables;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use build::{BuildError, ProgramBuilder};
pub(crate) use build::{LEVELS_MAX, REASONS_MAX, REPEATS};
pub(crate) use tables::{
    AlarmCode, AlarmRest, BuiltTables, Entry, Kept, KeptCode, LevelCode, LevelTest, LooksAt,
    NonMax, OverlayCode, PointCode, Reader, Readers, Source, SuppressCode, Tables, Unit, Watched,
};

use crate::calendar::Calendar;
use crate::effect::AlarmIdx;
use crate::expr::{Cond, Formula};
use crate::point::{PointIdx, PointInfo};

/// The index of a rule in its program.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RuleIdx(pub u32);

/// A rule's words: what an alarm's messages say of the rule that made it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleInfo {
    /// Its name; a name segment, such as `combustible-gas` or `sys.offline`.
    pub name: String,
    /// The pack that it is from.
    pub pack: String,
    /// The pack's version.
    pub version: String,
    /// The hash of the rule as written, hex. While it is the same, and what the site sets for an alarm, delays go on over a restart.
    pub hash: String,
    /// The clause of the standard that it stands on.
    pub clause: Option<String>,
    /// What to tell people; may name `{tag} {unit} {point} {value} {eu} {level} {limit}`.
    pub text: Text,
    /// What people are to do; may name the same.
    pub advice: Text,
    /// True while it is on trial: its alarms carry the flag `test`.
    pub test: bool,
    /// True when what its alarms are about is uncertain to all other rules while they stand, active or latched. These rules come before all others.
    pub makes_uncertain: bool,
    /// The words of the reasons by which its alarms are suppressed.
    pub suppress: Vec<String>,
}

/// A text in both languages; empty where there is none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// One of the four colours.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Colour {
    /// 蓝, IV: severity 1 to 400.
    Blue,
    /// 黄, III: severity 401 to 600.
    Yellow,
    /// 橙, II: severity 601 to 800.
    Orange,
    /// 红, I: severity 801 to 1000.
    Red,
}

impl Colour {
    /// The contract's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Yellow => "yellow",
            Self::Orange => "orange",
            Self::Red => "red",
        }
    }

    /// The colour that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Blue, Self::Yellow, Self::Orange, Self::Red]
            .into_iter()
            .find(|colour| colour.word() == word)
    }

    /// The colour of a severity.
    pub fn of_severity(severity: u16) -> Self {
        match severity {
            0..=400 => Self::Blue,
            401..=600 => Self::Yellow,
            601..=800 => Self::Orange,
            801.. => Self::Red,
        }
    }

    /// The least severity of this colour.
    pub fn floor(self) -> u16 {
        match self {
            Self::Blue => 1,
            Self::Yellow => 401,
            Self::Orange => 601,
            Self::Red => 801,
        }
    }

    /// The greatest severity of this colour.
    pub fn ceiling(self) -> u16 {
        match self {
            Self::Blue => 400,
            Self::Yellow => 600,
            Self::Orange => 800,
            Self::Red => 1000,
        }
    }
}

/// What an alarm is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// A point: `{unit}/{point}/{rule}`.
    Point(PointIdx),
    /// A unit: `{unit}/-/{rule}`.
    Unit(String),
    /// The site: `-/-/{rule}`.
    Site,
    /// A node, the gateway too: `-/{node}/{rule}`.
    Node(String),
    /// A place of a rule that is gone, and whose point is gone as well.
    Gone {
        /// The unit part of the id.
        unit: String,
        /// The point part of the id.
        point: String,
    },
}

/// One alarm to be: a rule applied to a scope.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmSpec {
    /// What it is about.
    pub scope: Scope,
    /// Which rule.
    pub rule: RuleIdx,
    /// The number that its limits are compared with, and that its messages show; none where conditions alone decide.
    pub value: Option<Formula>,
    /// The unit of that number, where it is not one point's.
    pub eu: Option<String>,
    /// The gate: a part of every level's condition. False makes them false, unknown makes them unknown.
    pub only_while: Option<Cond>,
    /// Its levels; of one side from the least to the gravest, and all high ones before all low ones. 1 to 16.
    pub levels: Vec<LevelSpec>,
    /// How long its condition can't be told before its messages say so, in milliseconds.
    pub unknown_hold_ms: u64,
    /// What people and design may do to it.
    pub life: LifeSpec,
    /// What the site sets for it beside the rule, as a number: another one, and it is another alarm. 0 where it sets nothing.
    pub set_by_site: u64,
}

/// What people and design may do to an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct LifeSpec {
    /// How long after an acknowledgement it asks again while it is active, in milliseconds; 0: never.
    pub re_alarm_ms: u64,
    /// For how long it may be shelved at most, in milliseconds; 0: not at all.
    pub shelve_max_ms: u64,
    /// When it is suppressed, in the order of [`RuleInfo::suppress`]; at most 8.
    pub suppress: Vec<Suppress>,
}

impl Default for LifeSpec {
    /// Never asks again, may be shelved for 8 hours, is never suppressed.
    fn default() -> Self {
        Self {
            re_alarm_ms: 0,
            shelve_max_ms: 8 * 3_600_000,
            suppress: Vec::new(),
        }
    }
}

/// A reason by which an alarm is suppressed.
#[derive(Clone, Debug, PartialEq)]
pub struct Suppress {
    /// While this is true; unknown counts as false.
    pub condition: Cond,
    /// How long it stays suppressed afterwards, in milliseconds, at most 49 days.
    pub hold_off_ms: u64,
}

/// One level of an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelSpec {
    /// The rule's own word for it, such as `L1`.
    pub name: String,
    /// Its colour.
    pub colour: Colour,
    /// Its severity; within its colour's.
    pub severity: u16,
    /// When it is reached and left.
    pub test: Test,
    /// How long the condition must hold, in milliseconds, at most 49 days.
    pub on_delay_ms: u64,
    /// How long the contrary must hold on good data, in milliseconds, at most 49 days.
    pub off_delay_ms: u64,
    /// True when it stays until somebody resets it.
    pub latch: bool,
    /// Stricter limits for some times; only of a level with a limit. The strictest of those that hold counts.
    pub overlays: Vec<Overlay>,
}

/// A stricter limit while a calendar holds; the deadband is the level's.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// When.
    pub during: Calendar,
    /// The limit, on the strict side of the level's own.
    pub limit: f64,
}

/// When a level is reached and left.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Reached at or above `limit`, left strictly below `limit - deadband`.
    High {
        /// The limit, in the unit of the alarm's value; finite.
        limit: f64,
        /// How far below to leave it; 0 or more.
        deadband: f64,
    },
    /// Reached at or below `limit`, left strictly above `limit + deadband`.
    Low {
        /// The limit, in the unit of the alarm's value; finite.
        limit: f64,
        /// How far above to leave it; 0 or more.
        deadband: f64,
    },
    /// While a condition is true. It is of the high side.
    When(Cond),
    /// While the system says so: `Input::Condition`. False until it says anything. The alarm's only level.
    External,
}

/// The side of a level; changing it is a level up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// High limits and conditions.
    High,
    /// Low limits.
    Low,
}

/// A level, as an alarm's messages show it.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelInfo {
    /// The rule's own word for it.
    pub name: String,
    /// Its colour.
    pub colour: Colour,
    /// 1 to 1000, within its colour's.
    pub severity: u16,
    /// Its side.
    pub side: Side,
    /// 1 for the least of its side.
    pub rank: u8,
    /// Its limit, where it compares a number.
    pub limit: Option<f64>,
    /// True when it stays until somebody resets it.
    pub latch: bool,
}

/// One alarm, as its messages show it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmInfo {
    /// What it is about.
    pub scope: Scope,
    /// Its rule.
    pub rule: RuleIdx,
    /// The one point whose value it shows, if it is one point's.
    pub point: Option<PointIdx>,
    /// The unit of its value, where it shows one.
    pub eu: Option<String>,
    /// True when the system says whether it holds, by `Input::Condition`.
    pub external: bool,
    /// True when its rule is gone: it stays until people are done with it.
    pub retired: bool,
    /// What the site sets for it beside the rule, as a number.
    pub set_by_site: u64,
    levels_from: u32,
    levels_to: u32,
}

/// What people may do to an output, and which alarms leave it as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutputClass {
    /// A siren: an alarm that somebody has silenced or put aside does not sound.
    Audible,
    /// A lamp: an alarm that somebody has put aside does not shine.
    Visual,
    /// A fan, a valve, a power cut: what people do to the alarm's announcement does not end it.
    Linkage,
}

impl OutputClass {
    /// The word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Audible => "audible",
            Self::Visual => "visual",
            Self::Linkage => "linkage",
        }
    }
}

/// An output and the alarms that switch it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputInfo {
    /// The point: its reading is the output's read-back.
    pub point: PointIdx,
    /// What people may do to it.
    pub class: OutputClass,
    /// How long it stays on at least, in milliseconds.
    pub min_on_ms: u64,
    /// The point that shows that it does what it is told; its own read-back when none.
    pub feedback: Option<PointIdx>,
    /// How soon that must show it, in milliseconds.
    pub within_ms: u64,
    /// The alarm that it does not do what it is told: `{unit}/{point}/sys.linkage`.
    pub linkage: AlarmIdx,
    /// What switches it on.
    pub actions: Vec<Action>,
}

/// An alarm that switches an output on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Action {
    /// The alarm.
    pub alarm: AlarmIdx,
    /// At which of its levels: the lowest bit is the first one.
    pub levels: u16,
}

/// What an alarm wants to be read more often while it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The alarm.
    pub alarm: AlarmIdx,
    /// How often at each of its levels, in milliseconds; none: as usual.
    pub periods_ms: Vec<Option<u64>>,
    /// The points that it looks at, itself or through the alarms that it counts, and that may be read more often.
    pub points: Vec<PointIdx>,
}

/// The compiled rules of one site, or of one node.
#[derive(Clone, Debug)]
pub struct Program {
    points: Vec<PointInfo>,
    rules: Vec<RuleInfo>,
    alarms: Vec<AlarmInfo>,
    levels: Vec<LevelInfo>,
    outputs: Vec<OutputInfo>,
    sampled: Vec<Sampled>,
    /// Points by name and alarms by id, for finding.
    points_by_name: Vec<u32>,
    alarms_by_id: Vec<u32>,
    pub(crate) tables: BuiltTables,
}

impl Program {
    /// The points, by index.
    pub fn points(&self) -> &[PointInfo] {
        &self.points
    }

    /// The rules, by index.
    pub fn rules(&self) -> &[RuleInfo] {
        &self.rules
    }

    /// The alarms, by index.
    pub fn alarms(&self) -> &[AlarmInfo] {
        &self.alarms
    }

    /// The outputs that the site lets rules switch.
    pub fn outputs(&self) -> &[OutputInfo] {
        &self.outputs
    }

    /// What alarms want to be read more often.
    pub fn sampled(&self) -> &[Sampled] {
        &self.sampled
    }

    /// An alarm wants its points to be read more often at some levels; `periods_ms` has one for each.
    #[cfg(feature = "std")]
    pub(crate) fn sample(&mut self, alarm: AlarmIdx, periods_ms: Vec<Option<u64>>) {
        let mut alarms = Vec::from([alarm]);
        let mut points: Vec<PointIdx> = Vec::new();
        let mut next = 0;
        while let Some(reader) = alarms.get(next).copied() {
            next += 1;
            points.extend(self.points_read_by(reader));
            let others = self.alarms_read_by(reader);
            let news: Vec<AlarmIdx> = others.filter(|other| !alarms.contains(other)).collect();
            alarms.extend(news);
        }
        points.retain(|point| self.point(*point).fastest_ms.is_some());
        points.sort_unstable();
        points.dedup();
        if !points.is_empty() {
            self.sampled.push(Sampled {
                alarm,
                periods_ms,
                points,
            });
        }
    }

    /// Every alarm's index.
    pub fn alarm_idxs(&self) -> impl Iterator<Item = AlarmIdx> + use<> {
        (0..u32_of(self.alarms.len())).map(AlarmIdx)
    }

    /// One point.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn point(&self, point: PointIdx) -> &PointInfo {
        &self.points[at(point.0)]
    }

    /// One alarm.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn alarm(&self, alarm: AlarmIdx) -> &AlarmInfo {
        &self.alarms[at(alarm.0)]
    }

    /// The rule of an alarm.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn rule_of(&self, alarm: AlarmIdx) -> &RuleInfo {
        &self.rules[at(self.alarm(alarm).rule.0)]
    }

    /// The levels of an alarm; [`AlarmState::level`](crate::effect::AlarmState::level) is an index into them.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn levels_of(&self, alarm: AlarmIdx) -> &[LevelInfo] {
        let info = self.alarm(alarm);
        &self.levels[at(info.levels_from)..at(info.levels_to)]
    }

    /// An alarm's id: `{unit}/{point}/{rule}`, with `-` for what it has not.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn id_of(&self, alarm: AlarmIdx) -> AlarmId<'_> {
        let info = self.alarm(alarm);
        let (unit, point) = match &info.scope {
            Scope::Point(point) => {
                let point = self.point(*point);
                (point.unit.as_str(), point.point.as_str())
            }
            Scope::Unit(unit) => (unit.as_str(), "-"),
            Scope::Site => ("-", "-"),
            Scope::Node(node) => ("-", node.as_str()),
            Scope::Gone { unit, point } => (unit.as_str(), point.as_str()),
        };
        AlarmId {
            unit,
            point,
            rule: &self.rule_of(alarm).name,
        }
    }

    /// The points that an alarm reads, itself or through what it remembers, by index.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn points_read_by(&self, alarm: AlarmIdx) -> impl Iterator<Item = PointIdx> + '_ {
        let entry = self.tables.alarm_rest[at(alarm.0)].points;
        let points = &self.tables.alarm_reads[at(entry.from)..at(entry.to)];
        points.iter().copied().map(PointIdx)
    }

    /// The other alarms that an alarm reads, by index.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn alarms_read_by(&self, alarm: AlarmIdx) -> impl Iterator<Item = AlarmIdx> + '_ {
        let entry = self.tables.alarm_rest[at(alarm.0)].others;
        let others = &self.tables.alarm_reads[at(entry.from)..at(entry.to)];
        others.iter().copied().map(AlarmIdx)
    }

    /// The on-delay and the off-delay of a level, in milliseconds.
    ///
    /// # Panics
    /// When the index is of another program, or the alarm has no such level.
    pub fn delays_of(&self, alarm: AlarmIdx, level: usize) -> (u32, u32) {
        let code =
            &self.tables.level_code[at(self.tables.alarm_code[at(alarm.0)].levels_from) + level];
        (code.on_delay_ms, code.off_delay_ms)
    }

    /// The point with this name.
    pub fn find_point(&self, unit: &str, point: &str) -> Option<PointIdx> {
        let found = self.points_by_name.binary_search_by(|&idx| {
            let info = &self.points[at(idx)];
            (info.unit.as_str(), info.point.as_str()).cmp(&(unit, point))
        });
        found.ok().map(|place| PointIdx(self.points_by_name[place]))
    }

    /// The alarm with this id, such as `tank-farm/gd-101/combustible-gas`.
    pub fn find_alarm(&self, id: &str) -> Option<AlarmIdx> {
        let mut parts = id.split('/');
        let wanted = AlarmId {
            unit: parts.next()?,
            point: parts.next()?,
            rule: parts.next()?,
        };
        if parts.next().is_some() {
            return None;
        }
        let found = self
            .alarms_by_id
            .binary_search_by(|&idx| self.id_of(AlarmIdx(idx)).cmp(&wanted));
        found.ok().map(|place| AlarmIdx(self.alarms_by_id[place]))
    }
}

/// An alarm's id; shows as `{unit}/{point}/{rule}`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AlarmId<'a> {
    /// The unit, or `-`.
    pub unit: &'a str,
    /// The point, the node, or `-`.
    pub point: &'a str,
    /// The rule.
    pub rule: &'a str,
}

impl fmt::Display for AlarmId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.unit, self.point, self.rule)
    }
}

/// An index into a table: the builder holds every table below 2^32 entries.
pub(crate) fn at(index: u32) -> usize {
    usize::try_from(index).expect("a machine with rules has at least 32-bit addresses")
}

/// A table's length or place as an index.
pub(crate) fn u32_of(len: usize) -> u32 {
    u32::try_from(len).expect("the builder holds every table below 2^32 entries")
}
