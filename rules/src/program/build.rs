//! Makes a program: checks every alarm as it is added, and sorts out who reads whom.

mod error;
mod flatten;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use error::BuildError;
use flatten::{Flat, Mark, Reads};
pub(crate) use flatten::{REASONS_MAX, REPEATS};
use telemetry::check_segment;

use super::tables::{BuiltTables, LevelTest, Readers};
use super::{
    AlarmCode, AlarmInfo, AlarmRest, AlarmSpec, Entry, LevelCode, LevelInfo, LevelSpec, NonMax,
    OutputInfo, PointCode, Program, Reader, RuleIdx, RuleInfo, Scope, Side, Source, Test, Unit, at,
    u32_of,
};
use crate::effect::AlarmIdx;
use crate::expr::Formula;
use crate::point::{PointIdx, PointInfo};

/// The most levels of one alarm.
pub(crate) const LEVELS_MAX: usize = 16;

/// Makes a [`Program`]. Points first, then rules, then alarms, those that others read before them.
#[derive(Debug, Default)]
pub struct ProgramBuilder {
    points: Vec<PointInfo>,
    rules: Vec<RuleInfo>,
    alarms: Vec<AlarmInfo>,
    levels: Vec<LevelInfo>,
    outputs: Vec<OutputInfo>,
    point_names: BTreeSet<(String, String)>,
    alarm_ids: BTreeMap<String, AlarmIdx>,
    alarm_code: Vec<AlarmCode>,
    alarm_rest: Vec<AlarmRest>,
    alarm_reads: Vec<u32>,
    level_code: Vec<LevelCode>,
    n_level_states: u32,
    /// Where the levels of each rule's last alarm are.
    last_levels: BTreeMap<RuleIdx, u32>,
    flat: Flat,
}

impl ProgramBuilder {
    /// An empty program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a point; its index is how many were added before.
    ///
    /// # Errors
    /// A name outside the alphabet, or one that there is already.
    pub fn point(&mut self, info: PointInfo) -> Result<PointIdx, BuildError> {
        check_name(&info.unit)?;
        check_name(&info.point)?;
        if !self
            .point_names
            .insert((info.unit.clone(), info.point.clone()))
        {
            return Err(BuildError::DuplicatePoint {
                unit: info.unit,
                point: info.point,
            });
        }
        self.points.push(info);
        self.flat.n_points = self.points.len();
        Ok(PointIdx(u32_of(self.points.len() - 1)))
    }

    /// Adds a rule's words, for the alarms that it makes.
    ///
    /// # Errors
    /// A name outside the alphabet.
    pub fn rule(&mut self, info: RuleInfo) -> Result<RuleIdx, BuildError> {
        check_name(&info.name)?;
        self.rules.push(info);
        Ok(RuleIdx(u32_of(self.rules.len() - 1)))
    }

    /// The alarm with this id, among those added so far.
    pub fn find_alarm(&self, id: &str) -> Option<AlarmIdx> {
        self.alarm_ids.get(id).copied()
    }

    /// The levels of an alarm that was added.
    pub fn levels_of(&self, alarm: AlarmIdx) -> Option<&[LevelInfo]> {
        let info = self.alarms.get(at(alarm.0))?;
        self.levels.get(at(info.levels_from)..at(info.levels_to))
    }

    /// Adds an alarm: a rule applied to a scope. After an error the builder is as before.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn alarm(&mut self, spec: AlarmSpec) -> Result<AlarmIdx, BuildError> {
        let mark = self.flat.mark();
        let (n_levels, n_level_code) = (self.levels.len(), self.level_code.len());
        let added = self.try_alarm(spec, &mark);
        if added.is_err() {
            self.flat.back_to(&mark);
            self.levels.truncate(n_levels);
            self.level_code.truncate(n_level_code);
        }
        added
    }

    /// Adds an output that alarms switch; its points and alarms were added before.
    pub fn output(&mut self, output: OutputInfo) {
        self.outputs.push(output);
    }

    /// The finished program.
    pub fn build(self) -> Program {
        let mut points_by_name: Vec<u32> = (0..u32_of(self.points.len())).collect();
        points_by_name.sort_by(|a, b| {
            let name = |idx: u32| (&self.points[at(idx)].unit, &self.points[at(idx)].point);
            name(*a).cmp(&name(*b))
        });
        let n_points = self.points.len();
        let n_units = self.flat.units.len();
        let value_readers = Readers::new(n_points, self.flat.value_reads);
        let health_readers = Readers::new(n_points, self.flat.health_reads);
        let point_code = (0..u32_of(n_points))
            .zip(&self.points)
            .map(|(point, info)| PointCode {
                digital: info.digital,
                max_age_ms: info.max_age_ms,
                value_readers: value_readers.entry(point),
                health_readers: health_readers.entry(point),
            })
            .collect();
        let reader = |unit: u32| {
            let alarm = match self.flat.units[at(unit)] {
                Unit::Alarm(alarm) => match self.alarm_code[at(alarm)].source {
                    Source::Point(source) => Some((alarm, source)),
                    Source::None | Source::Formula(_) => None,
                },
                Unit::Kept(_) => None,
            };
            Reader {
                unit,
                alarm: alarm.and_then(|(alarm, _)| NonMax::new(alarm)),
                source: alarm.map_or(0, |(_, source)| source),
            }
        };
        let value_readers = value_readers.into_list().into_iter().map(reader).collect();
        let mut program = Program {
            rules: self.rules,
            points: self.points,
            alarms: self.alarms,
            levels: self.levels,
            outputs: self.outputs,
            sampled: Vec::new(),
            points_by_name,
            alarms_by_id: Vec::new(),
            tables: BuiltTables {
                point_code,
                value_readers,
                health_readers: health_readers.into_list(),
                ops: self.flat.ops,
                alarm_code: self.alarm_code,
                alarm_rest: self.alarm_rest,
                alarm_reads: self.alarm_reads,
                level_code: self.level_code,
                n_level_states: self.n_level_states,
                kept: self.flat.kept,
                overlays: self.flat.overlays,
                calendars: self.flat.calendars,
                suppress: self.flat.suppress,
                words: self.flat.words,
                same: self.flat.same,
                units: self.flat.units,
                readers_of_unit: Readers::new(n_units, self.flat.unit_reads),
            },
        };
        program.sort_alarms();
        program
    }

    fn try_alarm(&mut self, spec: AlarmSpec, mark: &Mark) -> Result<AlarmIdx, BuildError> {
        let id = self.id_of(&spec.scope, spec.rule)?;
        if self.alarm_ids.contains_key(&id) {
            return Err(BuildError::DuplicateAlarm(id));
        }
        let external = check_levels(&spec)?;
        let rule = &self.rules[at(spec.rule.0)];
        let (test, doubts) = (rule.test, rule.makes_uncertain);
        let words = rule.suppress.clone();
        let alarm = u32_of(self.alarms.len());
        let mut reads = Reads::default();
        let source = match &spec.value {
            None => Source::None,
            Some(Formula::Point(point)) => {
                self.flat.check_point(*point)?;
                reads.values.push(point.0);
                Source::Point(point.0)
            }
            Some(formula) => Source::Formula(self.flat.formula_entry(formula, &mut reads)?),
        };
        let gate = match &spec.only_while {
            None => None,
            Some(condition) => Some(self.flat.condition_entry(condition, &mut reads)?),
        };
        let suppress = self
            .flat
            .suppress(&spec.life.suppress, &words, &mut reads)?;
        let levels_from = self.level_code.len();
        let mut n_high = 0;
        for level in &spec.levels {
            let (code, side) = self.level(level, &mut reads)?;
            n_high += u8::from(side == Side::High);
            let rank = self.levels.len() - levels_from + 1;
            let rank = match side {
                Side::High => rank,
                Side::Low => rank - usize::from(n_high),
            };
            self.levels.push(LevelInfo {
                name: level.name.clone(),
                colour: level.colour,
                severity: level.severity,
                side,
                rank: u8::try_from(rank).expect("at most LEVELS_MAX levels"),
                limit: match level.test {
                    Test::High { limit, .. } | Test::Low { limit, .. } => Some(limit),
                    Test::When(_) | Test::External => None,
                },
                latch: level.latch,
            });
            self.level_code.push(code);
        }
        let n_levels = spec.levels.len();
        if !external && reads.values.is_empty() && reads.health.is_empty() && reads.units.is_empty()
        {
            return Err(BuildError::Constant);
        }
        let read = self.flat.unit_reads[mark.unit_reads..].iter();
        let mut read = read.map(|(read, _)| read).chain(&reads.units);
        let sees_doubt = |unit: &u32| match self.flat.units[at(*unit)] {
            Unit::Alarm(other) => !self.alarm_rest[at(other)].doubts,
            Unit::Kept(_) => false,
        };
        if doubts && read.any(sees_doubt) {
            return Err(BuildError::DoubtGoesRound);
        }
        let levels_from = self.share_levels(spec.rule, levels_from, n_levels);
        let states_from = self.n_level_states;
        self.n_level_states += u32_of(n_levels);
        let watched = reads.health.first().copied();
        let unit = self.flat.unit(Unit::Alarm(alarm), reads);
        for kept in &mut self.flat.kept[mark.kept..] {
            kept.owner = unit;
        }
        // What it reads through what it remembers tells it too when it has nothing to wait for any more.
        let points: BTreeSet<u32> = self.flat.value_reads[mark.value_reads..]
            .iter()
            .chain(&self.flat.health_reads[mark.health_reads..])
            .map(|(point, _)| *point)
            .collect();
        let others: BTreeSet<u32> = self.flat.unit_reads[mark.unit_reads..]
            .iter()
            .filter_map(|(read, _)| match self.flat.units[at(*read)] {
                Unit::Alarm(other) => Some(other),
                Unit::Kept(_) => None,
            })
            .collect();
        // A test of the point that it is about concerns it, whether it reads the point or not.
        let mut told = points.clone();
        if let Scope::Point(point) = spec.scope {
            told.insert(point.0);
        }
        let told = told.into_iter().map(|point| (point, unit));
        self.flat.health_reads.extend(told);
        let read_units = others.iter().map(|other| self.alarm_code[at(*other)].unit);
        self.flat
            .unit_reads
            .extend(read_units.map(|read| (read, unit)));
        let points_from = u32_of(self.alarm_reads.len());
        self.alarm_reads.extend(points);
        let others_from = u32_of(self.alarm_reads.len());
        self.alarm_reads.extend(others);
        let (point, eu) = match source {
            Source::Point(point) => (
                Some(PointIdx(point)),
                spec.eu.or_else(|| self.points[at(point)].eu.clone()),
            ),
            Source::None | Source::Formula(_) => (None, spec.eu),
        };
        self.alarm_code.push(AlarmCode {
            source,
            gate,
            levels_from,
            states_from,
            n_levels: u8::try_from(n_levels).expect("at most LEVELS_MAX levels"),
            n_high,
            unit,
        });
        self.alarm_rest.push(AlarmRest {
            limits_only: spec
                .levels
                .iter()
                .all(|level| matches!(level.test, Test::High { .. } | Test::Low { .. })),
            test,
            doubts,
            external,
            retired: false,
            scope: match spec.scope {
                Scope::Point(point) => Some(point.0),
                Scope::Unit(_) | Scope::Site | Scope::Node(_) | Scope::Gone { .. } => None,
            },
            unknown_hold_ms: spec.unknown_hold_ms,
            band: band(&spec.levels),
            points: Entry {
                from: points_from,
                to: others_from,
            },
            others: Entry {
                from: others_from,
                to: u32_of(self.alarm_reads.len()),
            },
            kept: Entry {
                from: u32_of(mark.kept),
                to: u32_of(self.flat.kept.len()),
            },
            suppress,
            re_alarm_ms: spec.life.re_alarm_ms,
            shelve_max_ms: spec.life.shelve_max_ms,
            watched,
        });
        self.alarms.push(AlarmInfo {
            scope: spec.scope,
            rule: spec.rule,
            point,
            eu,
            external,
            retired: false,
            set_by_site: spec.set_by_site,
            levels_from,
            levels_to: levels_from + u32_of(n_levels),
        });
        self.flat.alarm_units.push(unit);
        self.alarm_ids.insert(id, AlarmIdx(alarm));
        Ok(AlarmIdx(alarm))
    }

    /// The levels of a rule's alarm that are as its last one's are kept once: a thousand sensors have one table of limits.
    fn share_levels(&mut self, rule: RuleIdx, from: usize, n_levels: usize) -> u32 {
        if let Some(&last) = self.last_levels.get(&rule) {
            let last = at(last)..at(last) + n_levels;
            if last.end <= from
                && self.levels[last.clone()] == self.levels[from..]
                && self.level_code[last.clone()] == self.level_code[from..]
            {
                self.levels.truncate(from);
                self.level_code.truncate(from);
                return u32_of(last.start);
            }
        }
        self.last_levels.insert(rule, u32_of(from));
        u32_of(from)
    }

    fn id_of(&self, scope: &Scope, rule: RuleIdx) -> Result<String, BuildError> {
        let rule = self.rules.get(at(rule.0)).ok_or(BuildError::NotAdded {
            what: "rule",
            index: rule.0,
        })?;
        let (unit, point) = match scope {
            Scope::Point(point) => {
                self.flat.check_point(*point)?;
                let point = &self.points[at(point.0)];
                (point.unit.as_str(), point.point.as_str())
            }
            Scope::Unit(unit) => {
                check_name(unit)?;
                (unit.as_str(), "-")
            }
            Scope::Site => ("-", "-"),
            Scope::Node(node) => {
                check_name(node)?;
                ("-", node.as_str())
            }
            Scope::Gone { unit, point } => (unit.as_str(), point.as_str()),
        };
        Ok(super::AlarmId {
            unit,
            point,
            rule: &rule.name,
        }
        .to_string())
    }

    fn level(
        &mut self,
        level: &LevelSpec,
        reads: &mut Reads,
    ) -> Result<(LevelCode, Side), BuildError> {
        let overlays = self.flat.overlays(&level.overlays, reads);
        let limit = |side, limit: f64, exit: f64| match (side, overlays) {
            (side, Some(overlays)) => LevelTest::Overlaid {
                side,
                limit,
                exit,
                overlays,
            },
            (Side::High, None) => LevelTest::High { limit, exit },
            (Side::Low, None) => LevelTest::Low { limit, exit },
        };
        let (test, side) = match &level.test {
            Test::High {
                limit: at,
                deadband,
            } => (limit(Side::High, *at, at - deadband), Side::High),
            Test::Low {
                limit: at,
                deadband,
            } => (limit(Side::Low, *at, at + deadband), Side::Low),
            Test::When(condition) => (
                LevelTest::When(self.flat.condition_entry(condition, reads)?),
                Side::High,
            ),
            Test::External => (LevelTest::External, Side::High),
        };
        let code = LevelCode {
            test,
            on_delay_ms: delay(level.on_delay_ms)?,
            off_delay_ms: delay(level.off_delay_ms)?,
            severity: level.severity,
            latch: level.latch,
        };
        Ok((code, side))
    }
}

/// Between these limits (exclusive) no level is reached.
fn band(levels: &[LevelSpec]) -> (f64, f64) {
    levels
        .iter()
        .fold((f64::NEG_INFINITY, f64::INFINITY), |(low, high), level| {
            let overlays = level.overlays.iter().map(|overlay| overlay.limit);
            match level.test {
                Test::High { limit, .. } => {
                    (low, overlays.fold(libm::fmin(high, limit), libm::fmin))
                }
                Test::Low { limit, .. } => {
                    (overlays.fold(libm::fmax(low, limit), libm::fmax), high)
                }
                Test::When(_) | Test::External => (f64::INFINITY, f64::NEG_INFINITY),
            }
        })
}

fn check_name(name: &str) -> Result<(), BuildError> {
    check_segment(name).map_err(|error| BuildError::Name {
        name: name.into(),
        error,
    })
}

fn finite(what: &'static str, number: f64) -> Result<(), BuildError> {
    if number.is_finite() {
        Ok(())
    } else {
        Err(BuildError::NotANumber { what, number })
    }
}

fn delay(ms: u64) -> Result<u32, BuildError> {
    u32::try_from(ms).map_err(|_| BuildError::DelayTooLong(ms))
}

/// Checks what levels say among themselves; true when the condition comes from outside.
fn check_levels(spec: &AlarmSpec) -> Result<bool, BuildError> {
    let levels = &spec.levels;
    if levels.is_empty() || levels.len() > LEVELS_MAX {
        return Err(BuildError::LevelCount(levels.len()));
    }
    let external = levels.iter().any(|level| level.test == Test::External);
    if external && (levels.len() > 1 || spec.value.is_some() || spec.only_while.is_some()) {
        return Err(BuildError::ExternalNotAlone);
    }
    let mut high: Option<f64> = None;
    let mut low: Option<f64> = None;
    let any_low = levels
        .iter()
        .any(|level| matches!(level.test, Test::Low { .. }));
    for (index, level) in levels.iter().enumerate() {
        if levels[..index].iter().any(|other| other.name == level.name) {
            return Err(BuildError::DuplicateLevel(level.name.clone()));
        }
        if level.severity < level.colour.floor() || level.severity > level.colour.ceiling() {
            return Err(BuildError::Severity {
                severity: level.severity,
                colour: level.colour,
            });
        }
        let out_of_order = match level.test {
            Test::High { limit, deadband } => {
                check_limit(spec, level, limit, deadband)?;
                low.is_some() || high.replace(limit).is_some_and(|before| limit <= before)
            }
            Test::Low { limit, deadband } => {
                check_limit(spec, level, limit, deadband)?;
                low.replace(limit).is_some_and(|before| limit >= before)
            }
            Test::When(_) if any_low => return Err(BuildError::MixedSides(level.name.clone())),
            Test::When(_) | Test::External => false,
        };
        if out_of_order {
            return Err(BuildError::LevelOrder(level.name.clone()));
        }
    }
    let (low, high) = band(levels);
    if any_low && low >= high {
        return Err(BuildError::LimitsCross { low, high });
    }
    Ok(external)
}

fn check_limit(
    spec: &AlarmSpec,
    level: &LevelSpec,
    limit: f64,
    deadband: f64,
) -> Result<(), BuildError> {
    if spec.value.is_none() {
        return Err(BuildError::NoValue(level.name.clone()));
    }
    finite("the limit", limit)?;
    finite("the deadband", deadband)?;
    if deadband < 0.0 {
        return Err(BuildError::NotANumber {
            what: "the deadband",
            number: deadband,
        });
    }
    for overlay in &level.overlays {
        finite("the limit", overlay.limit)?;
        let stricter = match level.test {
            Test::High { limit, .. } => overlay.limit < limit,
            Test::Low { limit, .. } => overlay.limit > limit,
            Test::When(_) | Test::External => false,
        };
        if !stricter {
            return Err(BuildError::LaxOverlay {
                level: level.name.clone(),
                limit: overlay.limit,
            });
        }
    }
    Ok(())
}
