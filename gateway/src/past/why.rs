//! Why an alarm was as it was at a time: the last hour before it, lived through once more.

use std::collections::BTreeSet;
use std::path::Path;

use rules::effect::{AlarmIdx, AlarmState, Effect};
use rules::engine::Engine;
use rules::engine::explain::{Sinces, Why};
use rules::point::PointIdx;
use rules::program::Program;
use telemetry::UtcMs;

use super::{Again, Past, PastError, config_of};
use crate::config::Config;
use crate::log::Record;

/// How long before the time in question is lived through, in milliseconds.
const BEFORE_MS: u64 = 3_600_000;

/// What can be told.
#[derive(Debug)]
pub struct Told {
    /// The time in question; the log's end when that is earlier, and the begin of a down when that was one.
    pub at: UtcMs,
    /// Nobody looked at the time in question: from when to when.
    pub down: Option<(UtcMs, UtcMs)>,
    /// From when on was watched.
    pub from: UtcMs,
    /// Each alarm, in the order of their ids.
    pub alarms: Vec<ToldAlarm>,
}

/// What can be told of an alarm.
#[derive(Debug)]
pub struct ToldAlarm {
    /// Its id.
    pub id: String,
    /// The clause of its rule, where it has one.
    pub clause: Option<String>,
    /// Its pack and the pack's version.
    pub pack: (String, String),
    /// The name of the level that it is at.
    pub level: Option<String>,
    /// Its state.
    pub state: AlarmState,
    /// Why it is so.
    pub why: Why,
    /// What happened to it since `from`.
    pub events: Vec<Heard>,
    sinces: Sinces,
    reads: BTreeSet<u32>,
}

/// What happened to an alarm.
#[derive(Debug)]
pub struct Heard {
    /// What.
    pub effect: Effect,
    /// The output whose switching made it an event, `{unit}/{point}`.
    pub output: Option<String>,
}

/// Tells of an alarm, or of every alarm that reads a point, by name; none when neither exists then.
///
/// # Errors
/// The log can't be read.
pub fn tell(
    config: &Config,
    folder: &Path,
    name: &str,
    at: Option<UtcMs>,
) -> Result<Option<Told>, PastError> {
    let at = match at {
        Some(at) => at,
        None => end_of(folder)?,
    };
    let mut past = Past::open(folder, at.minus_ms(BEFORE_MS))?;
    let mut again = Again::begin(&past, |image| Ok(config_of(config, image)?.program))?;
    let mut told = Told {
        at,
        down: None,
        from: past.begin().unwrap_or_default(),
        alarms: Vec::new(),
    };
    told.begin(&again, name);
    if told.from > at {
        return Err(PastError::TooEarly(told.from));
    }
    let mut last = told.from;
    while let Some(entry) = past.read()? {
        if told.from == UtcMs(0) {
            told.from = entry.t;
        }
        if told.from > at {
            return Err(PastError::TooEarly(told.from));
        }
        if entry.t > at {
            last = at;
            if let Record::Down { from, to } = entry.record
                && from <= at
            {
                last = from;
                told.down = Some((from, to));
            }
            break;
        }
        let (record, t) = (&entry.record, entry.t);
        last = t;
        if let Some(until) = again.lives_until(record, t) {
            told.come_to(&mut again, until);
        }
        let is_new = again.take(record, t)?.0;
        if is_new {
            told.begin(&again, name);
        }
        told.hear(&mut again);
        if told.concerns(record) {
            told.look(&again, t);
        }
    }
    told.at = last;
    told.come_to(&mut again, last);
    told.look(&again, last);
    Ok((!told.alarms.is_empty()).then_some(told))
}

/// T of the log's last record.
fn end_of(folder: &Path) -> Result<UtcMs, PastError> {
    let mut past = Past::open(folder, UtcMs(i64::MAX))?;
    let mut end = past.begin().unwrap_or_default();
    while let Some(entry) = past.read()? {
        end = entry.t;
    }
    Ok(end)
}

impl Told {
    /// A program came into force: finds the alarms in it; what happened to those of before stays.
    fn begin(&mut self, again: &Again<'_>, name: &str) {
        let Some(engine) = again.engine() else { return };
        let mut before = std::mem::take(&mut self.alarms);
        let program = engine.program();
        self.alarms = alarms_of(program, name)
            .into_iter()
            .map(|alarm| {
                let mut told = ToldAlarm::new(engine, alarm);
                if let Some(before) = before.iter_mut().find(|before| before.id == told.id) {
                    told.events = std::mem::take(&mut before.events);
                }
                told
            })
            .collect();
        self.look(again, engine.now());
    }

    /// Lives through the timers up to `t`, one moment after the other.
    fn come_to(&mut self, again: &mut Again<'_>, t: UtcMs) {
        while let Some(due) = again.poll_timeout().filter(|due| *due <= t) {
            again.come_to(due);
            self.hear(again);
            self.look(again, due);
        }
    }

    fn hear(&mut self, again: &mut Again<'_>) {
        let effects = std::mem::take(&mut again.effects);
        let Some(engine) = again.engine() else { return };
        for effect in effects {
            let id = engine.program().id_of(effect.alarm).to_string();
            if let Some(told) = self.alarms.iter_mut().find(|told| told.id == id) {
                let output = effect.switched.map(|switched| {
                    let info = engine.program().point(switched.output);
                    format!("{}/{}", info.unit, info.point)
                });
                told.events.push(Heard { effect, output });
            }
        }
    }

    /// True when a record may change an answer.
    fn concerns(&self, record: &Record<'_>) -> bool {
        let Record::Pack { samples, .. } = record else {
            return true;
        };
        let mut points = samples.iter().filter_map(Result::ok);
        points.any(|logged| {
            let point = logged.point;
            self.alarms.iter().any(|told| told.reads.contains(&point))
        })
    }

    fn look(&mut self, again: &Again<'_>, now: UtcMs) {
        let Some(engine) = again.engine() else { return };
        for told in &mut self.alarms {
            told.look(engine, now);
        }
    }
}

impl ToldAlarm {
    fn new(engine: &Engine, alarm: AlarmIdx) -> Self {
        let program = engine.program();
        let rule = program.rule_of(alarm);
        let mut reads = BTreeSet::new();
        read_by(program, alarm, &mut reads);
        Self {
            id: program.id_of(alarm).to_string(),
            clause: rule.clause.clone(),
            pack: (rule.pack.clone(), rule.version.clone()),
            level: None,
            state: engine.alarm(alarm),
            why: engine.explain(alarm),
            events: Vec::new(),
            sinces: Sinces::default(),
            reads,
        }
    }

    fn look(&mut self, engine: &Engine, now: UtcMs) {
        let Some(alarm) = engine.program().find_alarm(&self.id) else {
            return;
        };
        self.state = engine.alarm(alarm);
        self.why = engine.explain(alarm);
        self.sinces.look(&mut self.why, now);
        let levels = engine.program().levels_of(alarm);
        let level = self.state.level.filter(|_| self.state.flags.active);
        self.level = level.map(|level| levels[usize::from(level)].name.clone());
    }
}

/// The alarm of a name, or those that read the point of a name.
fn alarms_of(program: &Program, name: &str) -> Vec<AlarmIdx> {
    if let Some(alarm) = program.find_alarm(name) {
        return vec![alarm];
    }
    let point = name
        .split_once('/')
        .and_then(|(unit, point)| program.find_point(unit, point));
    let Some(point) = point else {
        return Vec::new();
    };
    program
        .alarm_idxs()
        .filter(|alarm| program.points_read_by(*alarm).any(|read| read == point))
        .collect()
}

/// The points that an alarm reads, also through the alarms that it counts.
fn read_by(program: &Program, alarm: AlarmIdx, into: &mut BTreeSet<u32>) {
    into.extend(program.points_read_by(alarm).map(|PointIdx(point)| point));
    for other in program.alarms_read_by(alarm) {
        read_by(program, other, into);
    }
}
