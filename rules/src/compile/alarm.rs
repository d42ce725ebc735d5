//! One rule over all its scopes → alarms.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use front::{Item, Place, Problems};

use super::counted_by;
use super::level::{check_levels, in_order, level_spec, scope_name};
use super::lint::{self, Found, Judged};
use super::lower::{self, Here, LowerError};
use super::number::Number;
use super::points::Points;
use super::sense::Sense;
use super::site::Site;
use crate::calendar::Calendar;
use crate::effect::AlarmIdx;
use crate::expr::{Cond, Formula};
use crate::file::{
    Condition, CountLevel, LimitLevel, OverlayDoes, Override, Placed, Rule, Scope, WhenLevel,
};
use crate::point::PointIdx;
use crate::program::{
    self, AlarmSpec, BuildError, LevelSpec, LifeSpec, Overlay, ProgramBuilder, RuleIdx, Side,
    Suppress, Test,
};
use crate::syntax::{Expr, Name, Node};

/// After so many points of a rule that failed, the rest is not tried: it says the same of each.
const FAILURES_MAX: usize = 5;

/// What was reported already; the caller goes on.
struct Reported;

type Result<T> = std::result::Result<T, Reported>;
pub(super) type Overrides<'o, 'a> = [(usize, &'o Override<'a>)];

/// A level or a rule that is left out somewhere.
struct LeftOut {
    path: String,
    /// With where it was first, and why.
    what: String,
    /// For how many more.
    n_more: usize,
}

/// Adds rules' alarms to a program, one rule after the other.
pub(super) struct Adding<'c, 'a> {
    pub points: &'c Points<'c>,
    site: &'c Site<'a>,
    pub builder: ProgramBuilder,
    pub sense: Sense<'c, 'a>,
    warnings: &'c Problems,
    /// The names of the rules so far.
    names: BTreeSet<String>,
    /// The alarms of each rule so far, with their unit.
    made: BTreeMap<String, Vec<(Option<String>, AlarmIdx)>>,
    /// The overrides that met a point or a unit.
    met: RefCell<BTreeSet<usize>>,
    /// The points that a rule holds to the limits of their clause.
    pub held: RefCell<BTreeSet<PointIdx>>,
    /// The points for which a rule cites that clause, with the first such rule.
    cited: BTreeMap<PointIdx, &'c Rule<'a>>,
    /// Rules of shipped packs that are for nothing here, by pack.
    idle: RefCell<BTreeMap<String, BTreeSet<String>>>,
    /// What is left out, by its place.
    left_out: RefCell<BTreeMap<Place, LeftOut>>,
    /// The overlays that did.
    overlaid: RefCell<BTreeSet<usize>>,
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
            made: BTreeMap::new(),
            met: RefCell::default(),
            overlaid: RefCell::default(),
            idle: RefCell::default(),
            left_out: RefCell::default(),
            held: RefCell::default(),
            cited: BTreeMap::new(),
        }
    }

    /// Adds the alarms of a rule, for every scope that it has in this site.
    pub(super) fn rule(&mut self, rule: &'c Rule<'a>, idx: RuleIdx) {
        check_levels(rule);
        let is_second = !self.names.insert(rule.name.value.clone());
        let mut n_failures = 0;
        for (own, unit) in self.scopes(rule) {
            if n_failures == FAILURES_MAX {
                break;
            }
            let here = Here {
                points: self.points,
                site: self.site,
                own,
                unit: unit.as_deref(),
                degrade: rule.degrade,
            };
            let Ok(spec) = self.spec(rule, idx, &here) else {
                n_failures += 1;
                continue;
            };
            let Some(spec) = spec else { continue };
            self.sense.look(rule, &spec);
            self.cite(rule, &here);
            match self.builder.alarm(spec) {
                Ok(alarm) => self
                    .made
                    .entry(rule.name.value.clone())
                    .or_default()
                    .push((unit, alarm)),
                // That there are two rules of this name was told.
                Err(BuildError::DuplicateAlarm(_)) if is_second => {}
                Err(error) => {
                    rule.name
                        .item
                        .problem(format!("for {}: {error}", scope_name(&here)));
                    n_failures += 1;
                }
            }
        }
    }

    /// Notes that a level or a rule is left out somewhere; of many places it is told once.
    fn leave_out(&self, item: &Item<'_>, name: &str, here: &Here<'_>, why: &str) {
        let mut left_out = self.left_out.borrow_mut();
        let first = || LeftOut {
            path: item.path().to_string(),
            what: format!("`{name}` is left out for {}: {why}", scope_name(here)),
            n_more: 0,
        };
        left_out
            .entry(item.place())
            .and_modify(|known| known.n_more += 1)
            .or_insert_with(first);
    }

    /// Warns of what was left out, and of rules that are for nothing.
    pub(super) fn warn_of_left_out(&self) {
        for (file, rules) in self.idle.take() {
            let names: Vec<String> = rules.iter().map(|name| format!("`{name}`")).collect();
            let what = format!("for no point of this site: {}", names.join(", "));
            let (line, col) = (1, 1);
            self.warnings.add(Place { file, line, col }, "", what);
        }
        for (place, LeftOut { path, what, n_more }) in self.left_out.take() {
            let more = match n_more {
                0 => String::new(),
                _ => format!(" (and for {n_more} more)"),
            };
            self.warnings.add(place, path, what + &more);
        }
    }

    /// Warns of overrides and overlays that met nothing.
    pub(super) fn warn_of_unused(&self) {
        let overrides = self.site.overrides.iter().map(|entry| &entry.rule);
        let overlays = self.site.overlays.iter().map(|entry| &entry.rule);
        let unmet = |rules: &mut dyn Iterator<Item = &Placed<'a, String>>,
                     met: &BTreeSet<usize>| {
            for (index, rule) in rules.enumerate() {
                if !met.contains(&index) {
                    self.warn(
                        &rule.item,
                        "meets no point and no unit that this rule is for",
                    );
                }
            }
        };
        unmet(&mut overrides.into_iter(), &self.met.borrow());
        unmet(&mut overlays.into_iter(), &self.overlaid.borrow());
    }

    /// Notes that a rule cites the clause that has limits for its point.
    fn cite(&mut self, rule: &'c Rule<'a>, here: &Here<'_>) {
        let Some(own) = here.own else { return };
        let Some(clause) = lint::clause_of(&self.points.info(own).kind) else {
            return;
        };
        let overrides = self.site.overrides_of(&rule.name.value, here);
        let named = overrides.iter().any(|(_, entry)| {
            let laxer_than = entry.laxer_than.as_ref();
            laxer_than.is_some_and(|named| named.value == clause)
        });
        let cites = rule
            .clause
            .as_ref()
            .is_some_and(|cited| cited.contains(clause));
        if cites && !named {
            self.cited.entry(own).or_insert(rule);
        }
    }

    /// Reports rules that cite a clause with limits while no rule has them: what they ask can't be compared with it.
    pub(super) fn check_cited(&self) {
        let held = self.held.borrow();
        let mut told = BTreeSet::new();
        for (own, rule) in &self.cited {
            if held.contains(own) || !told.insert(&rule.name.value) {
                continue;
            }
            let kind = &self.points.info(*own).kind;
            let clause = lint::clause_of(kind).unwrap_or_default();
            rule.name.item.problem(format!(
                "`{}` cites {clause} for {}, and what it asks can't be compared with it: expected `high` or `low` limits on the number of {kind} itself, or an override of the site with `laxer_than = \"{clause}\"`",
                rule.name.value,
                self.points.name(*own)
            ));
        }
    }

    /// The alarms of a rule so far, each with its unit.
    pub(super) fn alarms_of(&self, rule: &str) -> impl Iterator<Item = (Option<&str>, AlarmIdx)> {
        let made = self.made.get(rule).into_iter().flatten();
        made.map(|(unit, alarm)| (unit.as_deref(), *alarm))
    }

    pub(super) fn warn(&self, item: &Item<'_>, what: impl Into<String>) {
        self.warnings.add(item.place(), item.path(), what);
    }

    /// The points or units that a rule is for; a rule that is for nothing here is a warning.
    fn scopes(&self, rule: &Rule<'a>) -> Vec<(Option<PointIdx>, Option<String>)> {
        let units = match &rule.scope {
            Scope::Points { unit, .. } | Scope::Units { unit, .. } => unit,
            Scope::CountedUnits | Scope::Site => &None,
        };
        if let Some(unit) = units
            && !self.points.has_unit(&unit.value)
        {
            if !self.points.are_all {
                return Vec::new();
            }
            let hint = front::nearest(&unit.value, self.points.units())
                .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            unit.item
                .problem(format!("no unit {} in this site{hint}", unit.value));
            return Vec::new();
        }
        let in_unit = |name: &str| units.as_ref().is_none_or(|unit| unit.value == name);
        match &rule.scope {
            Scope::Points { kinds, with, .. } => {
                let mut found = Vec::new();
                for kind in kinds {
                    for point in self.points.of_kind(&kind.value) {
                        let info = self.points.info(*point);
                        let has = |(key, word): &(Placed<'a, String>, String)| {
                            let mut has = info.attributes.iter();
                            has.any(|(its, is)| *its == key.value && is == word)
                        };
                        if in_unit(&info.unit) && with.iter().all(has) {
                            found.push((Some(*point), Some(info.unit.clone())));
                        }
                    }
                }
                if found.is_empty() {
                    self.warn_of_kinds(rule, kinds);
                    self.warn_of_attributes(with);
                }
                found
            }
            Scope::Units { having, .. } => {
                let kinds: Vec<&str> = having.iter().map(|kind| kind.value.as_str()).collect();
                let found: Vec<_> = self
                    .points
                    .units_having(&kinds)
                    .into_iter()
                    .filter(|unit| in_unit(unit))
                    .map(|unit| (None, Some(unit)))
                    .collect();
                if found.is_empty() {
                    self.warn_of_kinds(rule, having);
                }
                found
            }
            Scope::CountedUnits => {
                let counted = counted_by(rule).into_iter();
                let counted = counted.filter_map(|name| self.made.get(name)).flatten();
                let units: BTreeSet<&String> =
                    counted.filter_map(|(unit, _)| unit.as_ref()).collect();
                units
                    .into_iter()
                    .map(|unit| (None, Some(unit.clone())))
                    .collect()
            }
            Scope::Site => Vec::from([(None, None)]),
        }
    }

    fn warn_of_kinds(&self, rule: &Rule<'a>, kinds: &[Placed<'a, String>]) {
        let name = &rule.name.value;
        let place = rule.name.item.place();
        if place.file.starts_with(crate::pack::PREFIX) {
            // A shipped pack is for all sites: that it knows more than this one has is told in a line.
            let mut idle = self.idle.borrow_mut();
            idle.entry(place.file).or_default().insert(name.clone());
            return;
        }
        for kind in kinds {
            let hint = if self.points.of_kind(&kind.value).is_empty() {
                front::nearest(&kind.value, self.points.kinds())
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
            } else {
                String::new()
            };
            self.warn(
                &kind.item,
                format!("`{name}` is for no point of this site{hint}"),
            );
        }
    }

    /// An attribute that no point of the site has is likely misspelled.
    fn warn_of_attributes(&self, with: &[(Placed<'a, String>, String)]) {
        for (key, word) in with {
            let known = || {
                self.points
                    .attributes()
                    .filter(|(its, _)| *its == key.value)
            };
            let hint = if known().next().is_none() {
                let keys = self.points.attributes().map(|(key, _)| key.as_str());
                front::nearest(&key.value, keys)
            } else if known().any(|(_, is)| is == word) {
                continue;
            } else {
                front::nearest(word, known().map(|(_, word)| word.as_str()))
            };
            let hint = hint.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            self.warn(
                &key.item,
                format!("no point has `{} = \"{word}\"`{hint}", key.value),
            );
        }
    }

    fn spec(&self, rule: &Rule<'a>, idx: RuleIdx, here: &Here<'_>) -> Result<Option<AlarmSpec>> {
        let overrides = self.site.overrides_of(&rule.name.value, here);
        self.met
            .borrow_mut()
            .extend(overrides.iter().map(|(index, _)| *index));
        if let Some((_, entry)) = overrides.iter().rev().find(|(_, entry)| entry.off) {
            return self.switched_off(entry, here).map(|()| None);
        }
        // A gate that is wrong does not hide what is wrong with the limits.
        let only_while = rule.only_while.as_ref().map(|gate| condition(gate, here));
        let life = life(rule, here);
        let (value, eu, levels) = match &rule.condition {
            Condition::Limits { value, high, low } => {
                let number = self.value(rule, value.as_ref(), here)?;
                let levels = self.limits(rule, &number, high, low, here, &overrides)?;
                let eu = match number.formula {
                    Formula::Point(_) => None,
                    _ => number.measure.name(),
                };
                (Some(number.formula), eu, levels)
            }
            Condition::When(levels) => (None, None, when(levels, here, &overrides)?),
            Condition::Counts { over, levels } => (
                None,
                None,
                self.counts(rule, over, levels, here, &overrides),
            ),
        };
        let (only_while, life) = (only_while.transpose()?, life?);
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
        }))
    }

    fn switched_off(&self, entry: &Override<'a>, here: &Here<'_>) -> Result<()> {
        let Some(own) = here.own else { return Ok(()) };
        let kind = &self.points.info(own).kind;
        let Some(clause) = lint::clause_of(kind) else {
            return Ok(());
        };
        let named = entry
            .laxer_than
            .as_ref()
            .is_some_and(|named| named.value == clause);
        if named {
            return Ok(());
        }
        entry.rule.item.problem(format!(
            "switched off for {}, and {clause} asks for it, expected `laxer_than = \"{clause}\"` beside it",
            self.points.name(own)
        ));
        Err(Reported)
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

    fn limits(
        &self,
        rule: &Rule<'a>,
        value: &Number,
        high: &[LimitLevel<'a>],
        low: &[LimitLevel<'a>],
        here: &Here<'_>,
        overrides: &Overrides<'_, 'a>,
    ) -> Result<Vec<LevelSpec>> {
        let mut failed = false;
        let mut specs = Vec::new();
        let mut found: Vec<Found<'_, 'a>> = Vec::new();
        for (side, levels) in [(Side::High, high), (Side::Low, low)] {
            let mut rank = 0;
            for limit_level in levels {
                let (item, limit, deadband) = match self.limit(limit_level, value, here, overrides)
                {
                    Ok(Some(limit)) => limit,
                    Ok(None) => continue,
                    Err(Reported) => {
                        failed = true;
                        continue;
                    }
                };
                rank += 1;
                let test = match side {
                    Side::High => Test::High { limit, deadband },
                    Side::Low => Test::Low { limit, deadband },
                };
                let spec = level_spec(&limit_level.level, test, overrides);
                found.push(Found {
                    name: &limit_level.level.name.value,
                    side,
                    rank,
                    limit,
                    exit: match side {
                        Side::High => limit - deadband,
                        Side::Low => limit + deadband,
                    },
                    on_delay_ms: spec.on_delay_ms,
                    item,
                    given: match std::ptr::eq(item, &raw const limit_level.at.item) {
                        true => self.given(&limit_level.at.value, here),
                        false => String::new(),
                    },
                });
                specs.push(spec);
            }
        }
        if failed || !in_order(&found, &value.measure, here) {
            return Err(Reported);
        }
        self.overlay(rule, value, here, &mut specs)?;
        // A limit that is laxer than its clause may have its override where it could not be read.
        if let (Some(own), true) = (here.own, self.site.is_whole) {
            let gate = rule.only_while.iter().map(|gate| ("a gate", &gate.item));
            let reasons = rule.life.suppress.iter();
            let reasons = reasons.map(|reason| ("a reason to suppress", &reason.reason.item));
            let kind = &self.points.info(own).kind;
            let is_own_number = is_own_number(rule);
            let judged = Judged {
                point: &self.points.name(own),
                kind,
                is_own_number,
                measure: &value.measure,
                ppm_of_mg: here.ppm_of_mg(),
                levels: &found,
                loosened: gate.chain(reasons).collect(),
                overrides,
            };
            if !lint::check(&judged, &|item, what| self.warn(item, what)) {
                return Err(Reported);
            }
            if is_own_number && lint::clause_of(kind).is_some() {
                self.held.borrow_mut().insert(own);
            }
        }
        Ok(specs)
    }

    /// The stricter limits that the site sets for some times.
    fn overlay(
        &self,
        rule: &Rule<'a>,
        value: &Number,
        here: &Here<'_>,
        specs: &mut [LevelSpec],
    ) -> Result<()> {
        for (index, entry) in self.site.overlays_of(&rule.name.value, here) {
            self.overlaid.borrow_mut().insert(index);
            let during = self.site.calendar(&entry.during.value);
            let during = during.map_err(|what| {
                if self.site.is_whole {
                    entry.during.item.problem(what);
                }
                Reported
            })?;
            let (level, at) = match &entry.does {
                OverlayDoes::At { level, at } => (level, at),
                OverlayDoes::LevelUp => {
                    level_up(specs, during);
                    continue;
                }
            };
            let only =
                |spec: &&mut LevelSpec| level.as_ref().is_none_or(|level| level.value == spec.name);
            // A level that the site leaves out has nothing to be stricter than.
            let Some(spec) = specs.iter_mut().find(only) else {
                continue;
            };
            let number =
                lower::constant(&at.value, here).map_err(|error| report(&at.item, &error))?;
            let limit = in_measure(number, value, at, here)?;
            let stricter = match spec.test {
                Test::High { limit: own, .. } => limit < own,
                Test::Low { limit: own, .. } => limit > own,
                Test::When(_) | Test::External => false,
            };
            if !stricter {
                at.item.problem(format!(
                    "`{}` of {} at {limit} is not stricter than its own limit, expected a stricter one; an override sets another for all times",
                    spec.name,
                    scope_name(here)
                ));
                return Err(Reported);
            }
            spec.overlays.push(Overlay {
                during: during.clone(),
                limit,
            });
        }
        Ok(())
    }

    /// The limits of the site that an expression rests on, for a message.
    fn given(&self, expr: &Expr, here: &Here<'_>) -> String {
        let mut given = String::new();
        expr.walk(&mut |part| {
            if let Node::Name(Name::Limit(word)) = &part.node
                && let Some(place) = self.site.limit_of_site(word, here)
            {
                given.push_str(&format!(", by `{word}` at {place},"));
            }
        });
        given
    }

    /// A level's limit and deadband in the unit of the value, and where the limit is written; none for a level that the site leaves out.
    fn limit<'l>(
        &self,
        level: &'l LimitLevel<'a>,
        value: &Number,
        here: &Here<'_>,
        overrides: &'l Overrides<'l, 'a>,
    ) -> Result<Option<(&'l Item<'a>, f64, f64)>> {
        let name = &level.level.name.value;
        let mine = || {
            overrides
                .iter()
                .rev()
                .filter(|(_, entry)| entry.level.as_ref().is_none_or(|only| only.value == *name))
        };
        let at = mine().find_map(|(_, entry)| entry.at.as_ref());
        let at = at.unwrap_or(&level.at);
        let (at, number) = match lower::constant(&at.value, here) {
            Ok(number) => (at, number),
            Err(error) if error.is_missing_limit() => match &level.otherwise {
                Some(otherwise) => {
                    let number = lower::constant(&otherwise.value, here)
                        .map_err(|error| report(&otherwise.item, &error))?;
                    (otherwise, number)
                }
                None if level.optional => {
                    self.leave_out(&at.item, name, here, &error.what);
                    return Ok(None);
                }
                None => return Err(report(&at.item, &error)),
            },
            Err(error) => return Err(report(&at.item, &error)),
        };
        let limit = in_measure(number, value, at, here)?;
        let deadband = mine().find_map(|(_, entry)| entry.deadband.as_ref());
        let deadband = match deadband.or(level.deadband.as_ref()) {
            None => 0.0,
            Some(deadband) => {
                let number = lower::constant(&deadband.value, here)
                    .map_err(|error| report(&deadband.item, &error))?;
                let number = in_measure(number, value, deadband, here)?;
                if number < 0.0 {
                    deadband
                        .item
                        .problem(format!("{number}, expected 0 or more"));
                    return Err(Reported);
                }
                number
            }
        };
        Ok(Some((&at.item, limit, deadband)))
    }

    fn counts(
        &self,
        rule: &Rule<'a>,
        over: &[Placed<'a, String>],
        levels: &[CountLevel<'a>],
        here: &Here<'_>,
        overrides: &Overrides<'_, 'a>,
    ) -> Vec<LevelSpec> {
        let counted: Vec<AlarmIdx> = over
            .iter()
            .filter_map(|name| self.made.get(&name.value))
            .flatten()
            .filter(|(unit, _)| here.unit.is_none() || unit.as_deref() == here.unit)
            .map(|(_, alarm)| *alarm)
            .collect();
        let mut specs = Vec::new();
        for level in levels {
            let count = level.count.value;
            if counted.len() < usize::from(count) {
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
}

/// True where the limits are on the point's own number, in whatever unit.
fn is_own_number(rule: &Rule<'_>) -> bool {
    let Condition::Limits { value, .. } = &rule.condition else {
        return false;
    };
    let is_own = |expr: &Expr| matches!(expr.node, Node::Name(Name::Own));
    value.as_ref().is_none_or(|value| match &value.value.node {
        Node::Convert(inner, _) => is_own(inner),
        _ => is_own(&value.value),
    })
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

/// Each level with its condition.
fn when(
    levels: &[WhenLevel<'_>],
    here: &Here<'_>,
    overrides: &Overrides<'_, '_>,
) -> Result<Vec<LevelSpec>> {
    let specs: Vec<Result<LevelSpec>> = levels
        .iter()
        .map(|level| {
            let test = Test::When(condition(&level.when, here)?);
            Ok(level_spec(&level.level, test, overrides))
        })
        .collect();
    specs.into_iter().collect()
}

/// While a calendar holds, each level is reached where the one below it is.
fn level_up(specs: &mut [LevelSpec], during: &Calendar) {
    for index in 1..specs.len() {
        let limit = match (&specs[index - 1].test, &specs[index].test) {
            (Test::High { limit, .. }, Test::High { .. })
            | (Test::Low { limit, .. }, Test::Low { .. }) => *limit,
            _ => continue,
        };
        specs[index].overlays.push(Overlay {
            during: during.clone(),
            limit,
        });
    }
}

fn in_measure(
    number: Number,
    value: &Number,
    at: &Placed<'_, Expr>,
    here: &Here<'_>,
) -> Result<f64> {
    let number = number
        .into_measure(value, at.value.at, here)
        .map_err(|error| report(&at.item, &error))?;
    Ok(number
        .constant()
        .expect("`lower::constant` gives constants, and a converted constant stays one"))
}

fn condition(placed: &Placed<'_, Expr>, here: &Here<'_>) -> Result<Cond> {
    lower::condition(&placed.value, here).map_err(|error| report(&placed.item, &error))
}

fn report(item: &Item<'_>, error: &LowerError) -> Reported {
    error.tell(item);
    Reported
}
