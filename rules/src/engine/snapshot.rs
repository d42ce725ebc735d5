//! The engine's state as bytes of meaning: points and alarms by name, so that it survives a new program.
//!
//! A rule that is as it was goes on in the middle of its delays; a changed one starts its delays again and keeps its alarms; a removed one's alarms stay until people are done with them ([`Program::adopt`]).

mod read;
mod write;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use read::AlarmRecord;
use telemetry::Quality;
use thiserror::Error;

use super::Engine;
use super::command::SILENCE_MAX_MS;
use super::effects::Effects;
use super::kept::KeptSlot;
use super::state::{CALIBRATION_MAX_MS, stale_at};
use crate::alarm::{Aside, LevelTimes, NO_LEVEL, Phase, Reason};
use crate::bytes::{Broken, Head, Reader};
use crate::effect::{AlarmIdx, Cause, Effect, EventKind, Flags, Letter};
use crate::program::{LevelInfo, Program, RuleInfo, Scope, Tables, at};
use crate::timer::NEVER;
use crate::value::Truth;

const MAGIC: &[u8; 4] = b"FSRS";
/// Version 1 knew held conditions only, version 2 said of each alarm whether its sensor was being calibrated, version 3 knew no end of that and of silence, version 4 did not say what an alarm reads, version 5 neither what the site sets for it, nor which readings are in doubt, nor incidents.
const VERSION: u8 = 6;

/// Why bytes are no snapshot.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SnapshotError {
    /// They do not begin as a snapshot does.
    #[error("not a snapshot of the rule engine")]
    NotASnapshot,
    /// A version that this program does not read.
    #[error("snapshot version {0}, expected {VERSION}")]
    Version(u8),
    /// They end too early, or say what can't be.
    #[error("a broken snapshot at byte {at}")]
    Broken {
        /// Where.
        at: usize,
    },
}

impl From<Head> for SnapshotError {
    fn from(head: Head) -> Self {
        match head {
            Head::Strange => Self::NotASnapshot,
            Head::Version(version) => Self::Version(version),
        }
    }
}

impl From<Broken> for SnapshotError {
    fn from(Broken { at }: Broken) -> Self {
        Self::Broken { at }
    }
}

impl Engine {
    /// The state as bytes; the same state gives the same bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        write::snapshot(self)
    }

    /// An engine that goes on where the snapshot was taken, under this program.
    ///
    /// It is still at the snapshot's time: who starts again says by [`Input::Down`](crate::effect::Input::Down) until when nothing was looked at.
    ///
    /// Under the same program nothing happens; under another one, alarms that are not normal and whose rule changed say so and want to be acknowledged again, and everything is evaluated once.
    ///
    /// # Errors
    /// Bytes that are no snapshot.
    pub fn restore(
        program: Arc<Program>,
        snapshot: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(snapshot, MAGIC, VERSION)?;
        let (now, started) = reader.head()?;
        let mut engine = Self::new(program, now);
        for _ in 0..reader.count()? {
            let record = reader.point()?;
            if let Some(point) = engine.program.find_point(&record.unit, &record.point) {
                let place = &mut engine.machine.state.points[at(point.0)];
                let fresh = place.stale_at;
                *place = record.slot;
                if reader.version < 4 && place.quality == Quality::CALIBRATION {
                    place.test_end = now.plus_ms(CALIBRATION_MAX_MS);
                }
                // A new `max_age` counts from the reading, or from now where there was none.
                let max_age_ms = engine.program.tables.point_code[at(point.0)].max_age_ms;
                if record.max_age_ms != max_age_ms {
                    place.stale_at = if place.is_read() {
                        stale_at(place.at.min(now), max_age_ms)
                    } else {
                        fresh
                    };
                    place.stale &= max_age_ms != 0;
                }
            }
        }
        let mut changed = Vec::new();
        // An answer of the past is one of its moment: to look once more would be another moment.
        let mut restored = BTreeSet::new();
        for _ in 0..reader.count()? {
            let record = reader.alarm()?;
            if let Some(alarm) = engine.program.find_alarm(&record.id)
                && engine.restore_alarm(alarm.0, &record, &mut restored)
            {
                changed.push(alarm.0);
            }
        }
        reader.end()?;
        let mut hear = |effect| effects.push(effect);
        let mut effects = Effects::new(&mut hear);
        let Self { program, machine } = &mut engine;
        let tables = &program.tables;
        for alarm in 0..machine.n_alarms() {
            machine.mark_tested(tables, alarm);
        }
        machine.arm_all(tables);
        if !started {
            restored.clear();
        }
        for alarm in 0..machine.n_alarms() {
            machine.look_at_shelf(tables, alarm, &mut effects);
        }
        for alarm in changed {
            machine.emit(
                tables,
                alarm,
                EventKind::ConfigChanged,
                Cause::Config,
                &mut effects,
            );
        }
        for alarm in 0..machine.n_alarms() {
            machine.mark_test(tables, alarm, Cause::Config, &mut effects);
        }
        machine.look_at_doubts(tables);
        machine.start_but(tables, &restored, &mut effects);
        Ok(engine)
    }

    /// Puts a record into its slot; true when people have to be told that its rule changed.
    ///
    /// `restored` gets the units that go on where they were.
    fn restore_alarm(
        &mut self,
        alarm: u32,
        record: &AlarmRecord,
        restored: &mut BTreeSet<u32>,
    ) -> bool {
        let program = Arc::clone(&self.program);
        let info = &program.alarms()[at(alarm)];
        let levels = program.levels_of(AlarmIdx(alarm));
        let code = &program.tables.alarm_code[at(alarm)];
        let from = at(code.states_from);
        let reads = record.reads.unwrap_or_else(|| reads_of(&program, alarm));
        let same = record.hash == program.rule_of(AlarmIdx(alarm)).hash
            && record.set_by_site == info.set_by_site
            && reads == reads_of(&program, alarm)
            && record.levels.len() == levels.len()
            && record
                .levels
                .iter()
                .zip(levels)
                .all(|(a, b)| a.name == b.name)
            && !info.retired
            && !record.retired;
        let mut slot = record.slot.clone();
        let rest = &program.tables.alarm_rest[at(alarm)];
        let n_reasons = at(rest.suppress.to - rest.suppress.from);
        if slot.rare.is_some() || n_reasons > 0 {
            let rare = slot.rare();
            rare.late.is_on &= same && rare.late.since.len() == levels.len();
            let aside = &mut rare.aside;
            if aside.silenced {
                let end = self.machine.now.plus_ms(SILENCE_MAX_MS);
                aside.re_alarm_at.get_or_insert(end);
            }
            if !same || aside.reasons.len() != n_reasons {
                aside.reasons = alloc::vec![Reason::default(); n_reasons];
            }
            // Of an alarm whose rule goes; what people do to it afterwards stays.
            if info.retired && !record.retired {
                *aside = Aside::default();
            }
            let aside = aside.clone();
            slot.flags.suppressed = aside.reasons.iter().any(|reason| reason.on);
            slot.flags.shelved = aside.shelf.is_some();
            slot.flags.out_of_service = aside.out_until.is_some();
        }
        let unsuppressed = record.slot.flags.suppressed && !slot.flags.suppressed;
        if same {
            for (index, level) in record.levels.iter().enumerate() {
                self.machine.state.phases[from + index] = level.phase;
                self.machine.state.times[from + index] = level.times;
            }
            let kept = program.tables.alarm_rest[at(alarm)].kept;
            let kept = at(kept.from)..at(kept.to);
            let slots = self.machine.state.kept[kept.clone()].iter_mut();
            for ((slot, code), kept) in slots.zip(&program.tables.kept[kept]).zip(&record.kept) {
                // The same rule remembers the same things; bytes may say anything.
                if slot.is_like(kept) {
                    *slot = kept.clone();
                    if matches!(slot, KeptSlot::Window(_) | KeptSlot::Since(_)) {
                        restored.insert(code.unit);
                    }
                }
            }
            self.machine.state.alarms[at(alarm)] = slot;
            self.machine.state.refresh(&program.tables, alarm);
            return false;
        }
        slot.unknown_due = NEVER;
        slot.unknown_now = true;
        // The level of the same name, or the gravest that is no graver.
        let name = record
            .levels
            .get(usize::from(slot.level))
            .map(|level| level.name.as_str());
        let level = levels
            .iter()
            .position(|level| Some(level.name.as_str()) == name)
            .or_else(|| {
                levels
                    .iter()
                    .enumerate()
                    .filter(|(_, level)| level.severity <= slot.severity)
                    .max_by_key(|(_, level)| level.severity)
                    .map(|(index, _)| index)
            })
            .unwrap_or(0);
        if slot.level != NO_LEVEL {
            slot.level = u8::try_from(level).expect("at most LEVELS_MAX levels");
            slot.severity = levels[level].severity;
        }
        let normal = slot.flags.letter_below() == Letter::A && !info.retired;
        if info.retired {
            slot.unknown_now = false;
            // What the system said last of it is said by nobody any more.
            slot.external = Truth::FALSE;
            if !record.retired {
                slot.flags = Flags {
                    active: false,
                    latched: true,
                    acked: false,
                    ..slot.flags
                };
                slot.flags.unknown = false;
                slot.cleared_at = if record.slot.flags.active {
                    self.machine.now
                } else {
                    slot.cleared_at
                };
            }
        } else if slot.flags.active {
            for index in 0..levels.len() {
                let lesser = levels[index].side == levels[level].side && index <= level;
                if lesser {
                    self.machine.state.phases[from + index] = Phase::On;
                    self.machine.state.times[from + index] = LevelTimes {
                        due: NEVER,
                        since: slot.condition_since,
                    };
                }
            }
        }
        let tell = (!normal || unsuppressed) && !record.retired;
        if tell && !normal {
            slot.flags.acked = false;
            let rare = slot.rare();
            rare.acked = None;
            rare.aside.config_changed = true;
            // What was acknowledged or silenced was another rule's alarm; nothing asks again for it, and this one sounds.
            rare.aside.re_alarm_at = None;
            rare.aside.silenced = false;
        }
        self.machine.state.alarms[at(alarm)] = slot;
        tell
    }
}

impl Program {
    /// Takes over the alarms of a snapshot that are not normal and that this program has not: their rule is gone, and they stay until they are acknowledged and reset. Returns how many.
    ///
    /// # Errors
    /// Bytes that are no snapshot.
    pub fn adopt(&mut self, snapshot: &[u8]) -> Result<usize, SnapshotError> {
        let mut reader = Reader::new(snapshot, MAGIC, VERSION)?;
        reader.head()?;
        for _ in 0..reader.count()? {
            reader.point()?;
        }
        let mut adopted = 0;
        for _ in 0..reader.count()? {
            let record = reader.alarm()?;
            if let Some(rule) = &record.rule
                && self.find_alarm(&record.id).is_none()
            {
                self.adopt_alarm(&record, rule);
                adopted += 1;
            }
        }
        reader.end()?;
        self.sort_alarms();
        Ok(adopted)
    }

    fn adopt_alarm(&mut self, record: &AlarmRecord, rule: &RuleInfo) {
        let mut id = record.id.split('/');
        let mut part = || id.next().unwrap_or("-");
        let (unit, point) = (part(), part());
        let scope = match self.find_point(unit, point) {
            Some(point) => Scope::Point(point),
            None => Scope::Gone {
                unit: String::from(unit),
                point: String::from(point),
            },
        };
        let levels = record
            .levels
            .iter()
            .filter_map(|level| level.info.clone())
            .collect();
        self.add_retired(scope, rule.clone(), levels);
    }
}

/// What an alarm reads, as a number: the names of its points and of the alarms that it counts. Where it remembers something,
/// the order of the points counts too: what it remembers of each of them is kept by place.
fn reads_of(program: &Program, alarm: u32) -> u64 {
    let tables = &program.tables;
    let rest = &tables.alarm_rest[at(alarm)];
    let points = tables.alarm_reads(rest.points).map(|point| {
        let info = &program.points()[at(point)];
        Fnv::of(format_args!("{}/{}", info.unit, info.point))
    });
    let others = tables.alarm_reads(rest.others);
    let others = others.map(|other| Fnv::of(format_args!("{}", program.id_of(AlarmIdx(other)))));
    let remembers = rest.kept.from < rest.kept.to;
    let place = if remembers { Fnv::PRIME } else { 1 };
    let points = points.fold(0, |all: u64, one| all.wrapping_mul(place).wrapping_add(one));
    others.fold(points, u64::wrapping_add)
}

/// FNV-1a of what is written to it.
struct Fnv(u64);

impl Fnv {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    fn of(text: fmt::Arguments<'_>) -> u64 {
        let mut hash = Self(Self::BASIS);
        hash.write_fmt(text).expect("it takes whatever is written");
        hash.0
    }
}

impl fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = text.bytes().fold(self.0, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(Self::PRIME)
        });
        Ok(())
    }
}

/// A level in a snapshot: its words, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct LevelRecord {
    pub(crate) name: String,
    pub(crate) phase: Phase,
    pub(crate) times: LevelTimes,
    /// What messages show of it; only of alarms that are not normal.
    pub(crate) info: Option<LevelInfo>,
}
