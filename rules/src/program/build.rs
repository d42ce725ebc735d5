//! Makes a program: checks every alarm as it is added, flattens its trees, and sorts out who reads whom.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use telemetry::{NameError, check_segment};
use thiserror::Error;

use super::flat::{HeldCode, LevelTest};
use super::{
    AlarmCode, AlarmInfo, AlarmSpec, Colour, Entry, LevelCode, LevelInfo, LevelSpec, Program,
    RuleIdx, RuleInfo, Scope, Side, Source, Test, Unit, at, flat, u32_of,
};
use crate::effect::AlarmIdx;
use crate::eval::{Depth, NUMBERS_MAX, Op, TALLIES_MAX, TRUTHS_MAX};
use crate::expr::{Cond, Formula};
use crate::point::{PointIdx, PointInfo};

/// The most levels of one alarm.
pub(crate) const LEVELS_MAX: usize = 16;

/// Why an alarm, a rule or a point can't be a part of the program.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum BuildError {
    /// A name is none.
    #[error("`{name}`: {error}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// Two points of one name.
    #[error("a second point {unit}/{point}")]
    DuplicatePoint {
        /// Its unit.
        unit: String,
        /// Its name.
        point: String,
    },
    /// Two alarms of one id: a rule twice on one scope.
    #[error("a second alarm {0}")]
    DuplicateAlarm(String),
    /// An index of a point, a rule or an alarm that was not added before.
    #[error("{what} {index} is not added yet")]
    NotAdded {
        /// What it is an index of.
        what: &'static str,
        /// The index.
        index: u32,
    },
    /// Too few or too many levels.
    #[error("{0} levels, expected 1 to {LEVELS_MAX}")]
    LevelCount(usize),
    /// A low level before a high one, or limits that do not grow graver.
    #[error(
        "level `{0}` is out of order, expected each limit beyond the one before, high ones first"
    )]
    LevelOrder(String),
    /// A condition beside a low limit: which of them is graver can't be told.
    #[error(
        "level `{0}` is a condition beside low limits, expected limits only, or conditions and high limits"
    )]
    MixedSides(String),
    /// A low limit at or above a high one: both could be reached at once.
    #[error("low limit {low} is not below high limit {high}")]
    LimitsCross {
        /// The greatest low limit.
        low: f64,
        /// The least high limit.
        high: f64,
    },
    /// Two levels of one name.
    #[error("a second level `{0}`")]
    DuplicateLevel(String),
    /// A severity outside its colour's.
    #[error("severity {severity} is not {}, expected {} to {}", .colour.word(), .colour.floor(), .colour.ceiling())]
    Severity {
        /// The severity.
        severity: u16,
        /// The colour.
        colour: Colour,
    },
    /// A limit, a deadband or a constant that is not finite, or a negative deadband.
    #[error("{what} {number}, expected a finite number, and 0 or more for a deadband")]
    NotANumber {
        /// What it is.
        what: &'static str,
        /// What it says.
        number: f64,
    },
    /// A limit without a value to compare it with.
    #[error("level `{0}` compares a value, and there is none")]
    NoValue(String),
    /// A delay beyond 49 days.
    #[error("{0} ms, expected at most 4294967295 ms")]
    DelayTooLong(u64),
    /// A condition of the system beside other levels, a gate or a value.
    #[error("a condition from outside is its alarm's only level, without a gate or a value")]
    ExternalNotAlone,
    /// `AtLeast` with a count that its members can't reach, or always do.
    #[error("at least {k} of {members}, expected 1 to the number of members")]
    Count {
        /// The count.
        k: u32,
        /// How many members.
        members: usize,
    },
    /// `All` or `Any` of nothing.
    #[error("a condition of no parts")]
    Empty,
    /// A condition that reads no point and no alarm: it would never change.
    #[error("a condition that reads no point and no alarm")]
    Constant,
    /// A condition nested too deeply for the evaluator's stack.
    #[error(
        "nested too deeply, expected at most {NUMBERS_MAX} numbers, {TRUTHS_MAX} answers and {TALLIES_MAX} counts at once"
    )]
    TooDeep,
}

/// Makes a [`Program`]. Points first, then rules, then alarms, those that others read before them.
#[derive(Debug, Default)]
pub struct ProgramBuilder {
    points: Vec<PointInfo>,
    rules: Vec<RuleInfo>,
    alarms: Vec<AlarmInfo>,
    levels: Vec<LevelInfo>,
    point_names: BTreeSet<(String, String)>,
    alarm_ids: BTreeMap<String, AlarmIdx>,
    ops: Vec<Op>,
    alarm_code: Vec<AlarmCode>,
    alarm_reads: Vec<u32>,
    level_code: Vec<LevelCode>,
    held: Vec<HeldCode>,
    units: Vec<Unit>,
    value_reads: Vec<(u32, u32)>,
    health_reads: Vec<(u32, u32)>,
    unit_reads: Vec<(u32, u32)>,
}

/// What the code of one unit reads, gathered while it is flattened.
#[derive(Default)]
struct Reads {
    values: Vec<u32>,
    health: Vec<u32>,
    units: Vec<u32>,
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
        let (n_ops, n_held, n_units) = (self.ops.len(), self.held.len(), self.units.len());
        let (n_levels, n_level_code) = (self.levels.len(), self.level_code.len());
        let n_reads = (
            self.value_reads.len(),
            self.health_reads.len(),
            self.unit_reads.len(),
        );
        let added = self.try_alarm(spec);
        if added.is_err() {
            self.ops.truncate(n_ops);
            self.held.truncate(n_held);
            self.units.truncate(n_units);
            self.levels.truncate(n_levels);
            self.level_code.truncate(n_level_code);
            self.value_reads.truncate(n_reads.0);
            self.health_reads.truncate(n_reads.1);
            self.unit_reads.truncate(n_reads.2);
        }
        added
    }

    /// The finished program.
    pub fn build(self) -> Program {
        let mut points_by_name: Vec<u32> = (0..u32_of(self.points.len())).collect();
        points_by_name.sort_by(|a, b| {
            let name = |idx: u32| (&self.points[at(idx)].unit, &self.points[at(idx)].point);
            name(*a).cmp(&name(*b))
        });
        let n_points = self.points.len();
        let n_units = self.units.len();
        let mut program = Program {
            rules: self.rules,
            alarms_by_id: Vec::new(),
            point_max_age_ms: self.points.iter().map(|info| info.max_age_ms).collect(),
            points: self.points,
            alarms: self.alarms,
            levels: self.levels,
            points_by_name,
            ops: self.ops,
            alarm_code: self.alarm_code,
            alarm_reads: self.alarm_reads,
            level_code: self.level_code,
            held: self.held,
            units: self.units,
            readers_of_value: flat::Readers::new(n_points, self.value_reads),
            readers_of_health: flat::Readers::new(n_points, self.health_reads),
            readers_of_unit: flat::Readers::new(n_units, self.unit_reads),
        };
        program.sort_alarms();
        program
    }

    fn try_alarm(&mut self, spec: AlarmSpec) -> Result<AlarmIdx, BuildError> {
        let id = self.id_of(&spec.scope, spec.rule)?;
        if self.alarm_ids.contains_key(&id) {
            return Err(BuildError::DuplicateAlarm(id));
        }
        let external = check_levels(&spec)?;
        let test = self.rules[at(spec.rule.0)].test;
        let alarm = u32_of(self.alarms.len());
        let held_from = u32_of(self.held.len());
        let reads_from = (
            self.value_reads.len(),
            self.health_reads.len(),
            self.unit_reads.len(),
        );
        let mut reads = Reads::default();
        let mut depth = Depth::default();
        let source = match &spec.value {
            None => Source::None,
            Some(Formula::Point(point)) => {
                self.check_point(*point)?;
                reads.values.push(point.0);
                Source::Point(point.0)
            }
            Some(formula) => {
                let from = self.ops.len();
                self.formula(formula, &mut reads, &mut depth)?;
                depth.pop_number();
                Source::Formula(self.entry(from))
            }
        };
        let gate = match &spec.only_while {
            None => None,
            Some(condition) => Some(self.condition_entry(condition, &mut reads)?),
        };
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
        if !external && reads.values.is_empty() && reads.health.is_empty() && reads.units.is_empty()
        {
            return Err(BuildError::Constant);
        }
        let watched = reads.health.first().copied();
        let unit = self.unit(Unit::Alarm(alarm), reads);
        // What it reads through its held conditions tells it too when it has nothing to wait for any more.
        let points: BTreeSet<u32> = self.value_reads[reads_from.0..]
            .iter()
            .chain(&self.health_reads[reads_from.1..])
            .map(|(point, _)| *point)
            .collect();
        let others: BTreeSet<u32> = self.unit_reads[reads_from.2..]
            .iter()
            .filter_map(|(read, _)| match self.units[at(*read)] {
                Unit::Alarm(other) => Some(other),
                Unit::Held(_) => None,
            })
            .collect();
        self.health_reads
            .extend(points.iter().map(|point| (*point, unit)));
        let read_units = others.iter().map(|other| self.alarm_code[at(*other)].unit);
        self.unit_reads.extend(read_units.map(|read| (read, unit)));
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
            levels_from: u32_of(levels_from),
            n_levels: u8::try_from(spec.levels.len()).expect("at most LEVELS_MAX levels"),
            n_high,
            limits_only: spec
                .levels
                .iter()
                .all(|level| matches!(level.test, Test::High { .. } | Test::Low { .. })),
            test,
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
            held_from,
            held_to: u32_of(self.held.len()),
            unit,
            watched,
        });
        self.alarms.push(AlarmInfo {
            scope: spec.scope,
            rule: spec.rule,
            point,
            eu,
            external,
            retired: false,
            levels_from: u32_of(levels_from),
            levels_to: u32_of(self.levels.len()),
        });
        self.alarm_ids.insert(id, AlarmIdx(alarm));
        Ok(AlarmIdx(alarm))
    }

    fn id_of(&self, scope: &Scope, rule: RuleIdx) -> Result<String, BuildError> {
        let rule = self.rules.get(at(rule.0)).ok_or(BuildError::NotAdded {
            what: "rule",
            index: rule.0,
        })?;
        let (unit, point) = match scope {
            Scope::Point(point) => {
                self.check_point(*point)?;
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

    fn check_point(&self, point: PointIdx) -> Result<(), BuildError> {
        if at(point.0) < self.points.len() {
            Ok(())
        } else {
            Err(BuildError::NotAdded {
                what: "point",
                index: point.0,
            })
        }
    }

    fn level(
        &mut self,
        level: &LevelSpec,
        reads: &mut Reads,
    ) -> Result<(LevelCode, Side), BuildError> {
        let (test, side) = match &level.test {
            Test::High { limit, deadband } => (
                LevelTest::High {
                    limit: *limit,
                    exit: limit - deadband,
                },
                Side::High,
            ),
            Test::Low { limit, deadband } => (
                LevelTest::Low {
                    limit: *limit,
                    exit: limit + deadband,
                },
                Side::Low,
            ),
            Test::When(condition) => (
                LevelTest::When(self.condition_entry(condition, reads)?),
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

    /// Flattens a condition to a stretch of its own.
    fn condition_entry(
        &mut self,
        condition: &Cond,
        reads: &mut Reads,
    ) -> Result<Entry, BuildError> {
        // What has to be remembered is evaluated before, as a unit of its own, so it comes before in the code too.
        let mut held = Vec::new();
        self.held_inside(condition, &mut held)?;
        let from = self.ops.len();
        let mut depth = Depth::default();
        let mut held = held.into_iter();
        self.condition(condition, &mut held, reads, &mut depth)?;
        depth.check().ok_or(BuildError::TooDeep)?;
        Ok(self.entry(from))
    }

    /// Makes a unit of every outermost `Held` in a condition, in the order in which [`Self::condition`] meets them.
    fn held_inside(&mut self, condition: &Cond, found: &mut Vec<u32>) -> Result<(), BuildError> {
        match condition {
            Cond::On(_) | Cond::Compare(..) | Cond::Health(..) | Cond::Alarm { .. } => Ok(()),
            Cond::Not(part) => self.held_inside(part, found),
            Cond::All(parts) | Cond::Any(parts) | Cond::AtLeast { members: parts, .. } => parts
                .iter()
                .try_for_each(|part| self.held_inside(part, found)),
            Cond::Held(part, duration_ms) => {
                let mut reads = Reads::default();
                let condition = self.condition_entry(part, &mut reads)?;
                let held = u32_of(self.held.len());
                let unit = self.unit(Unit::Held(held), reads);
                self.held.push(HeldCode {
                    condition,
                    duration_ms: delay(*duration_ms)?,
                    unit,
                });
                found.push(held);
                Ok(())
            }
        }
    }

    fn condition(
        &mut self,
        condition: &Cond,
        held: &mut alloc::vec::IntoIter<u32>,
        reads: &mut Reads,
        depth: &mut Depth,
    ) -> Result<(), BuildError> {
        match condition {
            Cond::On(point) => {
                self.check_point(*point)?;
                reads.values.push(point.0);
                self.ops.push(Op::On(point.0));
                depth.push_truth();
            }
            Cond::Compare(compare, left, right) => {
                self.formula(left, reads, depth)?;
                self.formula(right, reads, depth)?;
                self.ops.push(Op::Compare(*compare));
                depth.pop_number();
                depth.pop_number();
                depth.push_truth();
            }
            Cond::Health(health, point) => {
                self.check_point(*point)?;
                reads.health.push(point.0);
                self.ops.push(Op::Health(*health, point.0));
                depth.push_truth();
            }
            Cond::Alarm { alarm, severity } => {
                let code = self
                    .alarm_code
                    .get(at(alarm.0))
                    .ok_or(BuildError::NotAdded {
                        what: "alarm",
                        index: alarm.0,
                    })?;
                reads.units.push(code.unit);
                self.ops.push(Op::Alarm(alarm.0, *severity));
                depth.push_truth();
            }
            Cond::Not(part) => {
                self.condition(part, held, reads, depth)?;
                self.ops.push(Op::Not);
            }
            Cond::All(parts) => self.joined(parts, Op::And, held, reads, depth)?,
            Cond::Any(parts) => self.joined(parts, Op::Or, held, reads, depth)?,
            Cond::Held(..) => {
                let held = held
                    .next()
                    .expect("held_inside met the same ones in the same order");
                reads.units.push(self.held[at(held)].unit);
                self.ops.push(Op::Held(held));
                depth.push_truth();
            }
            Cond::AtLeast {
                k,
                members,
                degrade,
            } => {
                if *k == 0 || at(*k) > members.len() {
                    return Err(BuildError::Count {
                        k: *k,
                        members: members.len(),
                    });
                }
                self.ops.push(Op::TallyBegin);
                depth.push_tally();
                for member in members {
                    self.condition(member, held, reads, depth)?;
                    self.ops.push(Op::Tally);
                    depth.pop_truth();
                }
                self.ops.push(Op::AtLeast(*k, *degrade));
                depth.pop_tally();
                depth.push_truth();
            }
        }
        Ok(())
    }

    fn joined(
        &mut self,
        parts: &[Cond],
        op: Op,
        held: &mut alloc::vec::IntoIter<u32>,
        reads: &mut Reads,
        depth: &mut Depth,
    ) -> Result<(), BuildError> {
        let (first, rest) = parts.split_first().ok_or(BuildError::Empty)?;
        self.condition(first, held, reads, depth)?;
        for part in rest {
            self.condition(part, held, reads, depth)?;
            self.ops.push(op);
            depth.pop_truth();
        }
        Ok(())
    }

    fn formula(
        &mut self,
        formula: &Formula,
        reads: &mut Reads,
        depth: &mut Depth,
    ) -> Result<(), BuildError> {
        match formula {
            Formula::Const(number) => {
                finite("the number", *number)?;
                self.ops.push(Op::Const(*number));
                depth.push_number();
            }
            Formula::Point(point) => {
                self.check_point(*point)?;
                reads.values.push(point.0);
                self.ops.push(Op::Point(point.0));
                depth.push_number();
            }
            Formula::Neg(part) => {
                self.formula(part, reads, depth)?;
                self.ops.push(Op::Neg);
            }
            Formula::Abs(part) => {
                self.formula(part, reads, depth)?;
                self.ops.push(Op::Abs);
            }
            Formula::Arith(arith, left, right) => {
                self.formula(left, reads, depth)?;
                self.formula(right, reads, depth)?;
                self.ops.push(Op::Arith(*arith));
                depth.pop_number();
            }
        }
        depth.check().ok_or(BuildError::TooDeep)
    }

    fn entry(&self, from: usize) -> Entry {
        Entry {
            from: u32_of(from),
            to: u32_of(self.ops.len()),
        }
    }

    /// Puts a unit at the end of the order of evaluation: everything that it reads is before it.
    fn unit(&mut self, unit: Unit, reads: Reads) -> u32 {
        let place = u32_of(self.units.len());
        self.units.push(unit);
        let pair = |read: u32| (read, place);
        self.value_reads.extend(reads.values.into_iter().map(pair));
        self.health_reads.extend(reads.health.into_iter().map(pair));
        self.unit_reads.extend(reads.units.into_iter().map(pair));
        place
    }
}

/// Between these limits (exclusive) no level is reached.
fn band(levels: &[LevelSpec]) -> (f64, f64) {
    levels.iter().fold(
        (f64::NEG_INFINITY, f64::INFINITY),
        |(low, high), level| match level.test {
            Test::High { limit, .. } => (low, libm::fmin(high, limit)),
            Test::Low { limit, .. } => (libm::fmax(low, limit), high),
            Test::When(_) | Test::External => (f64::INFINITY, f64::NEG_INFINITY),
        },
    )
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec;

    use super::*;
    use crate::expr::{Arith, Compare, Degrade};

    fn builder() -> (ProgramBuilder, PointIdx, RuleIdx) {
        let mut builder = ProgramBuilder::new();
        let point = builder
            .point(PointInfo {
                unit: "u".into(),
                point: "p".into(),
                ..PointInfo::default()
            })
            .unwrap();
        let rule = builder
            .rule(RuleInfo {
                name: "r".into(),
                ..RuleInfo::default()
            })
            .unwrap();
        (builder, point, rule)
    }

    fn level(name: &str, test: Test) -> LevelSpec {
        LevelSpec {
            name: name.into(),
            colour: Colour::Yellow,
            severity: 500,
            test,
            on_delay_ms: 0,
            off_delay_ms: 0,
            latch: false,
        }
    }

    fn spec(point: PointIdx, rule: RuleIdx, levels: Vec<LevelSpec>) -> AlarmSpec {
        AlarmSpec {
            scope: Scope::Point(point),
            rule,
            value: Some(Formula::Point(point)),
            eu: None,
            only_while: None,
            levels,
            unknown_hold_ms: 0,
        }
    }

    fn high(limit: f64) -> Test {
        Test::High {
            limit,
            deadband: 1.0,
        }
    }

    fn low(limit: f64) -> Test {
        Test::Low {
            limit,
            deadband: 1.0,
        }
    }

    #[track_caller]
    fn check(levels: Vec<LevelSpec>, told: &str) {
        let (mut builder, point, rule) = builder();
        let error = builder.alarm(spec(point, rule, levels)).unwrap_err();
        assert_eq!(error.to_string(), told);
        // After an error, the builder is as before.
        builder
            .alarm(spec(point, rule, vec![level("L1", high(1.0))]))
            .unwrap();
        assert_eq!(builder.build().alarms().len(), 1);
    }

    fn on(point: PointIdx) -> Test {
        Test::When(Cond::On(point))
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        check(vec![], "0 levels, expected 1 to 16");
        check(
            vec![level("L1", high(5.0)), level("L2", high(5.0))],
            "level `L2` is out of order, expected each limit beyond the one before, high ones first",
        );
        check(
            vec![level("LL", low(5.0)), level("H", high(9.0))],
            "level `H` is out of order, expected each limit beyond the one before, high ones first",
        );
        check(
            vec![level("H", high(5.0)), level("L", low(5.0))],
            "low limit 5 is not below high limit 5",
        );
        check(
            vec![level("H", on(PointIdx(0))), level("L", low(5.0))],
            "level `H` is a condition beside low limits, expected limits only, or conditions and high limits",
        );
        check(
            vec![level("L1", high(5.0)), level("L1", low(1.0))],
            "a second level `L1`",
        );
        check(
            vec![level("L1", high(f64::NAN))],
            "the limit NaN, expected a finite number, and 0 or more for a deadband",
        );
        check(
            vec![level("L1", on(PointIdx(7)))],
            "point 7 is not added yet",
        );
        check(
            vec![level("L1", Test::When(Cond::All(vec![])))],
            "a condition of no parts",
        );
        check(
            vec![level("L1", Test::External)],
            "a condition from outside is its alarm's only level, without a gate or a value",
        );
        check(
            vec![level(
                "L1",
                Test::When(Cond::alarm_in(AlarmIdx(0), Colour::Blue)),
            )],
            "alarm 0 is not added yet",
        );
        check(
            vec![level(
                "L1",
                Test::When(Cond::AtLeast {
                    k: 2,
                    members: vec![Cond::On(PointIdx(0))],
                    degrade: Degrade::Hold,
                }),
            )],
            "at least 2 of 1, expected 1 to the number of members",
        );
        check(
            vec![LevelSpec {
                severity: 700,
                ..level("L1", high(5.0))
            }],
            "severity 700 is not yellow, expected 401 to 600",
        );
        check(
            vec![LevelSpec {
                on_delay_ms: 1 << 40,
                ..level("L1", high(5.0))
            }],
            "1099511627776 ms, expected at most 4294967295 ms",
        );
    }

    #[test]
    fn a_formula_deeper_than_the_stack_is_refused() {
        let (mut builder, point, rule) = builder();
        let deep = (0..NUMBERS_MAX).fold(Formula::Point(point), |right, _| {
            Formula::Arith(Arith::Add, Box::new(Formula::Point(point)), Box::new(right))
        });
        let test = Test::When(Cond::Compare(Compare::Ge, deep, Formula::Const(1.0)));
        let error = builder.alarm(spec(point, rule, vec![level("L1", test)]));
        assert_eq!(error, Err(BuildError::TooDeep));
    }

    #[test]
    fn points_and_alarms_are_found_by_name() {
        let mut builder = ProgramBuilder::new();
        for (unit, point) in [("b", "x"), ("a", "y"), ("a", "x")] {
            builder
                .point(PointInfo {
                    unit: unit.into(),
                    point: point.into(),
                    ..PointInfo::default()
                })
                .unwrap();
        }
        let rule = builder
            .rule(RuleInfo {
                name: "sys.offline".into(),
                ..RuleInfo::default()
            })
            .unwrap();
        for scope in [
            Scope::Node("n1".into()),
            Scope::Site,
            Scope::Unit("b".into()),
            Scope::Point(PointIdx(1)),
        ] {
            builder
                .alarm(AlarmSpec {
                    scope,
                    value: None,
                    ..spec(PointIdx(0), rule, vec![level("on", Test::External)])
                })
                .unwrap();
        }
        let again = builder.alarm(AlarmSpec {
            scope: Scope::Site,
            value: None,
            ..spec(PointIdx(0), rule, vec![level("on", Test::External)])
        });
        assert_eq!(
            again,
            Err(BuildError::DuplicateAlarm("-/-/sys.offline".into()))
        );
        let program = builder.build();
        assert_eq!(program.find_point("a", "x"), Some(PointIdx(2)));
        assert_eq!(program.find_point("a", "z"), None);
        for (index, id) in [
            "-/n1/sys.offline",
            "-/-/sys.offline",
            "b/-/sys.offline",
            "a/y/sys.offline",
        ]
        .into_iter()
        .enumerate()
        {
            let alarm = AlarmIdx(u32_of(index));
            assert_eq!(program.find_alarm(id), Some(alarm));
            assert_eq!(program.id_of(alarm).to_string(), id);
        }
        assert_eq!(program.find_alarm("a/y"), None);
        assert_eq!(program.find_alarm("a/y/sys.offline/x"), None);
    }
}
