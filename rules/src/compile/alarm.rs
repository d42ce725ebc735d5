//! One rule over all its scopes → alarms.

mod clause;
mod limits;
mod odd;
mod overlay;
mod scopes;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use front::{Item, Place, Problems};

use self::limits::{Missing, lacks_all};
use self::odd::Odd;
use super::level::{check_levels, is_off, level_spec, scope_name};
use super::lower::{self, Here, LowerError};
use super::made::Made;
use super::number::Number;
use super::points::Points;
use super::sense::Sense;
use super::site::Site;
use crate::effect::AlarmIdx;
use crate::expr::{Cond, Formula};
use crate::file::{Condition, CountLevel, Override, Placed, Rule, Scope, WhenLevel};
use crate::point::PointIdx;
use crate::program::{
    self, AlarmSpec, BuildError, LevelSpec, LifeSpec, ProgramBuilder, RuleIdx, Suppress, Test,
};
use crate::syntax::{Expr, Name, Node};

/// After so many points of a rule that failed, the rest is not tried: it says the same of each.
const FAILURES_MAX: usize = 5;

/// What was reported already; the caller goes on.
struct Reported;

type Result<T> = std::result::Result<T, Reported>;
pub(super) type Overrides<'o, 'a> = [(usize, &'o Override<'a>)];

/// Adds rules' alarms to a program, one rule after the other.
pub(super) struct Adding<'c, 'a> {
    pub points: &'c Points<'c>,
    site: &'c Site<'a>,
    pub builder: ProgramBuilder,
    pub sense: Sense<'c, 'a>,
    warnings: &'c Problems,
    /// The names of the rules so far.
    names: BTreeSet<String>,
    /// The alarms of the rules so far.
    pub made: Made,
    /// The overrides that met a point or a unit.
    met: RefCell<BTreeSet<usize>>,
    /// The points that a rule holds to the limits of their clause.
    pub held: RefCell<BTreeSet<PointIdx>>,
    /// The points for which a rule cites that clause, with the first such rule.
    cited: BTreeMap<PointIdx, &'c Rule<'a>>,
    /// Rules of shipped packs that are for nothing here, by pack.
    idle: RefCell<BTreeMap<String, BTreeSet<String>>>,
    /// What is odd, by its place and what sort of oddity it is.
    odd: RefCell<BTreeMap<(Place, &'static str), Odd>>,
    /// The overlays that did.
    overlaid: RefCell<BTreeSet<usize>>,
    /// Whether they made a limit stricter.
    stricter: RefCell<BTreeMap<usize, bool>>,
}

impl<'c, 'a> Adding<'c, 'a> {
    pub(super) fn new(
        points: &'c Points<'c>,
        site: &'c Site<'a>,
        builder: ProgramBuilder,
        sense: Sense<'c, 'a>,
        warnings: &'c Problems,
    ) -> Self {
        Self {
            points,
            site,
            builder,
            sense,
            warnings,
            names: BTreeSet::new(),
            made: Made::default(),
            met: RefCell::default(),
            overlaid: RefCell::default(),
            stricter: RefCell::default(),
            idle: RefCell::default(),
            odd: RefCell::default(),
            held: RefCell::default(),
            cited: BTreeMap::new(),
        }
    }

    /// Adds the alarms of a rule, for every scope that it has in this site.
    ///
    /// `asked`: the words of the limits that it asks for, wherever.
    pub(super) fn rule(&mut self, rule: &'c Rule<'a>, idx: RuleIdx, asked: &BTreeSet<&str>) {
        check_levels(rule);
        let is_second = !self.names.insert(rule.name.value.clone());
        let mut n_failures = 0;
        let scopes = self.scopes(rule);
        let is_shipped = crate::pack::is_shipped(&rule.name.item);
        let mut made = std::mem::take(&mut self.made);
        for (own, unit) in scopes {
            if n_failures == FAILURES_MAX {
                break;
            }
            let here = Here {
                points: self.points,
                site: self.site,
                own,
                unit: unit.as_deref(),
                degrade: rule.degrade,
                alarms: &made,
                may_lack: rule.scope.may_lack(),
                is_shipped,
            };
            let Ok(spec) = self.spec(rule, idx, asked, &here) else {
                self.site
                    .failed
                    .borrow_mut()
                    .insert(rule.name.value.clone());
                n_failures += 1;
                continue;
            };
            let Some(spec) = spec else { continue };
            self.sense.look(rule, &spec);
            self.cite(rule, &here);
            match self.builder.alarm(spec) {
                Ok(alarm) => made.add(&rule.name.value, unit, alarm),
                // That there are two rules of this name was told.
                Err(BuildError::DuplicateAlarm(_)) if is_second => {}
                // So was that a doubt goes round.
                Err(BuildError::DoubtGoesRound) => {}
                Err(error) => {
                    rule.name
                        .item
                        .problem(format!("for {}: {error}", scope_name(&here)));
                    n_failures += 1;
                }
            }
        }
        made.know(&rule.name.value);
        self.made = made;
    }

    pub(super) fn warn(&self, item: &Item<'_>, what: impl Into<String>) {
        self.warnings.add(item.place(), item.path(), what);
    }

    fn spec(
        &self,
        rule: &Rule<'a>,
        idx: RuleIdx,
        asked: &BTreeSet<&str>,
        here: &Here<'_>,
    ) -> Result<Option<AlarmSpec>> {
        let overrides = self.site.overrides_of(&rule.name.value, here);
        let written = self
            .site
            .written_for(&rule.name.value, &overrides, asked, here);
        self.met
            .borrow_mut()
            .extend(overrides.iter().map(|(index, _)| *index));
        if !self.check_loosened(rule, &overrides, here) {
            return Err(Reported);
        }
        if rule.levels().iter().all(|level| is_off(level, &overrides)) {
            return Ok(None);
        }
        // A gate that is wrong does not hide what is wrong with the limits.
        let only_while = rule.only_while.as_ref().map(|gate| condition(gate, here));
        let life = life(rule, here);
        let (value, eu, (levels, missing)) = match &rule.condition {
            Condition::Limits { value, high, low } => {
                match lacks_all(high, low, here, &overrides) {
                    // What is compared need not make sense where there is nothing to compare it with.
                    Some(missing) => (None, None, (Vec::new(), missing)),
                    None => {
                        let number = self.value(rule, value.as_ref(), here)?;
                        let levels = self.limits(rule, &number, high, low, here, &overrides)?;
                        let eu = match number.formula {
                            Formula::Point(_) => None,
                            _ => number.measure.name(),
                        };
                        (Some(number.formula), eu, levels)
                    }
                }
            }
            Condition::When(levels) => {
                let (mut levels, missing) = when(levels, here, &overrides)?;
                self.overlay_conditions(rule, here, &mut levels)?;
                (None, None, (levels, missing))
            }
            Condition::Counts { over, levels } => {
                let levels = counts(rule, over, levels, here, &overrides);
                (None, None, (levels, Vec::new()))
            }
        };
        let (only_while, life) = (only_while.transpose()?, life?);
        if let (true, Some(first)) = (levels.is_empty(), missing.first()) {
            self.leave_out(&rule.name.item, &rule.name.value, here, &first.why);
            return Ok(None);
        }
        for Missing { item, level, why } in &missing {
            self.leave_out(item, level, here, why);
        }
        if levels.is_empty() {
            // A unit with less than it counts is no odd one.
            if matches!(rule.scope, Scope::CountedUnits) {
                return Ok(None);
            }
            let why = "none of its levels can be reached there";
            self.leave_out(&rule.name.item, &rule.name.value, here, why);
            return Ok(None);
        }
        Ok(Some(AlarmSpec {
            scope: match (here.own, here.unit) {
                (Some(own), _) => program::Scope::Point(own),
                (None, Some(unit)) => program::Scope::Unit(unit.to_string()),
                (None, None) => program::Scope::Site,
            },
            rule: idx,
            value,
            eu,
            only_while,
            levels,
            unknown_hold_ms: rule.unknown_after_ms,
            life,
            set_by_site: super::number_of(&written),
        }))
    }

    fn value(
        &self,
        rule: &Rule<'a>,
        value: Option<&Placed<'a, Expr>>,
        here: &Here<'_>,
    ) -> Result<Number> {
        if let Some(value) = value {
            let number =
                lower::number(&value.value, here).map_err(|error| report(&value.item, &error))?;
            if number.constant().is_some() {
                value.item.problem("a constant, expected a point in it");
                return Err(Reported);
            }
            return Ok(number);
        }
        let own = Expr {
            node: Node::Name(Name::Own),
            at: 0,
        };
        let number = lower::number(&own, here);
        number.map_err(|_| {
            let what = match here.own {
                Some(own) => format!(
                    "limits on {}, which is a switch, expected `when` or a point with numbers",
                    self.points.name(own)
                ),
                None => "limits in a rule that is about no single point, expected `value = \"…\"`"
                    .to_string(),
            };
            rule.name.item.problem(what);
            Reported
        })
    }
}

/// Each level with its count, but those that count more than there are.
fn counts(
    rule: &Rule<'_>,
    over: &[Placed<'_, String>],
    levels: &[CountLevel<'_>],
    here: &Here<'_>,
    overrides: &Overrides<'_, '_>,
) -> Vec<LevelSpec> {
    let counted: Vec<AlarmIdx> = over
        .iter()
        .flat_map(|name| here.alarms.of_in(&name.value, here.unit))
        .collect();
    let mut specs = Vec::new();
    for level in levels {
        let count = level.count.value;
        if counted.len() < usize::from(count) || is_off(&level.level, overrides) {
            continue;
        }
        let members = counted
            .iter()
            .map(|alarm| Cond::alarm_in(*alarm, level.from))
            .collect();
        let test = Test::When(Cond::AtLeast {
            k: u32::from(count),
            members,
            degrade: rule.degrade,
        });
        specs.push(level_spec(&level.level, test, overrides));
    }
    specs
}

/// What people and design may do to an alarm of the rule here.
fn life(rule: &Rule<'_>, here: &Here<'_>) -> Result<LifeSpec> {
    let suppress: Vec<Result<Suppress>> = rule
        .life
        .suppress
        .iter()
        .map(|reason| {
            Ok(Suppress {
                condition: condition(&reason.condition, here)?,
                hold_off_ms: reason.hold_off_ms,
            })
        })
        .collect();
    Ok(LifeSpec {
        re_alarm_ms: rule.life.re_alarm_ms,
        shelve_max_ms: rule.life.shelve_max_ms,
        suppress: suppress.into_iter().collect::<Result<_>>()?,
    })
}

/// Each level with its condition, but those that the site leaves out.
fn when<'l, 'a>(
    levels: &'l [WhenLevel<'a>],
    here: &Here<'_>,
    overrides: &Overrides<'_, '_>,
) -> Result<(Vec<LevelSpec>, Vec<Missing<'l, 'a>>)> {
    let mut specs = Vec::new();
    let mut missing = Vec::new();
    let mut failed = false;
    for level in levels {
        let WhenLevel {
            level,
            when,
            optional,
        } = level;
        if is_off(level, overrides) {
            continue;
        }
        match lower::condition(&when.value, here) {
            Ok(condition) => specs.push(level_spec(level, Test::When(condition), overrides)),
            // What is asked need not make sense where a limit for it is not given.
            Err(error) => match error.lacks_limit().filter(|_| *optional) {
                Some(limit) => missing.push(Missing {
                    item: &when.item,
                    level: &level.name.value,
                    why: limit.what.clone(),
                }),
                None => {
                    error.tell(&when.item);
                    failed = true;
                }
            },
        }
    }
    if failed {
        return Err(Reported);
    }
    Ok((specs, missing))
}

fn condition(placed: &Placed<'_, Expr>, here: &Here<'_>) -> Result<Cond> {
    lower::condition(&placed.value, here).map_err(|error| report(&placed.item, &error))
}

fn report(item: &Item<'_>, error: &LowerError) -> Reported {
    error.tell(item);
    Reported
}
