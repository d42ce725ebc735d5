//! Whether levels make sense: none that can't be reached or always is, none that another rule makes superfluous.
//!
//! Warns and never refuses: what an instrument's range says may be wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use front::Problems;

use super::points::Points;
use crate::expr::{Compare, Cond, Formula};
use crate::file::Rule;
use crate::point::PointIdx;
use crate::program::{AlarmSpec, LevelSpec, Scope, Side, Test};

/// Between which numbers a formula may be; both ends taken in unless they are open.
#[derive(Clone, Copy, Debug)]
struct Span {
    low: (f64, bool),
    high: (f64, bool),
}

impl Span {
    fn is_empty(self) -> bool {
        let ((low, low_open), (high, high_open)) = (self.low, self.high);
        low > high || (low >= high && (low_open || high_open))
    }

    fn narrow(&mut self, compare: Compare, limit: f64) {
        let (low, high) = match compare {
            Compare::Lt => (None, Some((limit, true))),
            Compare::Le => (None, Some((limit, false))),
            Compare::Gt => (Some((limit, true)), None),
            Compare::Ge => (Some((limit, false)), None),
            Compare::Eq => (Some((limit, false)), Some((limit, false))),
            Compare::Ne => (None, None),
        };
        if let Some((limit, open)) = low
            && (limit > self.low.0 || (limit >= self.low.0 && open))
        {
            self.low = (limit, open);
        }
        if let Some((limit, open)) = high
            && (limit < self.high.0 || (limit <= self.high.0 && open))
        {
            self.high = (limit, open);
        }
    }
}

/// What must all hold at once, as far as it compares formulas with numbers.
struct Together<'c> {
    points: &'c Points<'c>,
    spans: Vec<(&'c Formula, Span)>,
    /// Digital points that must be on or off.
    switches: BTreeMap<PointIdx, bool>,
    is_never: bool,
}

impl<'c> Together<'c> {
    fn new(points: &'c Points<'c>) -> Self {
        Self {
            points,
            spans: Vec::new(),
            switches: BTreeMap::new(),
            is_never: false,
        }
    }

    fn add(&mut self, condition: &'c Cond) {
        match condition {
            Cond::All(all) => all.iter().for_each(|condition| self.add(condition)),
            Cond::Any(any) => {
                self.is_never |= any.iter().all(|condition| {
                    let mut alone = Together::new(self.points);
                    alone.add(condition);
                    alone.is_never
                });
            }
            Cond::Held(condition, _) => self.add(condition),
            Cond::Compare(compare, formula, Formula::Const(limit)) => {
                self.compare(formula, *compare, *limit);
            }
            Cond::Compare(compare, Formula::Const(limit), formula) => {
                self.compare(formula, compare.turned(), *limit);
            }
            Cond::On(point) => self.switch(*point, true),
            Cond::Not(condition) => {
                if let Cond::On(point) = &**condition {
                    self.switch(*point, false);
                }
            }
            Cond::Compare(..)
            | Cond::Health(..)
            | Cond::Alarm { .. }
            | Cond::AtLeast { .. }
            | Cond::Same { .. }
            | Cond::During(_) => {}
        }
    }

    fn switch(&mut self, point: PointIdx, on: bool) {
        self.is_never |= *self.switches.entry(point).or_insert(on) != on;
    }

    fn compare(&mut self, formula: &'c Formula, compare: Compare, limit: f64) {
        let known = self.spans.iter().position(|(known, _)| *known == formula);
        let place = known.unwrap_or_else(|| {
            self.spans.push((formula, self.span(formula)));
            self.spans.len() - 1
        });
        let span = &mut self.spans[place].1;
        span.narrow(compare, limit);
        self.is_never |= span.is_empty();
    }

    /// What the instrument can give.
    fn span(&self, formula: &Formula) -> Span {
        let range = match formula {
            Formula::Point(point) => self.points.info(*point).range,
            _ => None,
        };
        let (low, high) = range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        Span {
            low: (low, false),
            high: (high, false),
        }
    }
}

/// What a level asks, as a comparison.
fn asked(level: &LevelSpec) -> Option<(Side, f64)> {
    match level.test {
        Test::High { limit, .. } => Some((Side::High, limit)),
        Test::Low { limit, .. } => Some((Side::Low, limit)),
        Test::When(_) | Test::External => None,
    }
}

/// A level without a gate on one point's number, of some rule.
struct Plain<'c, 'a> {
    rule: &'c Rule<'a>,
    index: usize,
    level: LevelSpec,
}

/// Looks at one alarm after the other.
pub(super) struct Sense<'c, 'a> {
    points: &'c Points<'c>,
    warnings: &'c Problems,
    plain: BTreeMap<PointIdx, Vec<Plain<'c, 'a>>>,
    /// What was said, by the place of the level: of many points it is said once.
    said: BTreeSet<(String, usize, usize)>,
}

impl<'c, 'a> Sense<'c, 'a> {
    pub(super) fn new(points: &'c Points<'c>, warnings: &'c Problems) -> Self {
        Self {
            points,
            warnings,
            plain: BTreeMap::new(),
            said: BTreeSet::new(),
        }
    }

    fn say(&mut self, rule: &Rule<'a>, level: usize, what: String) {
        let levels = rule.levels();
        let Some(level) = levels.get(level) else {
            return;
        };
        let place = level.name.item.place();
        if self
            .said
            .insert((place.file.clone(), place.line, place.col))
        {
            self.warnings.add(place, level.name.item.path(), what);
        }
    }

    /// An alarm that a rule made.
    pub(super) fn look(&mut self, rule: &'c Rule<'a>, spec: &AlarmSpec) {
        for (index, level) in spec.levels.iter().enumerate() {
            let about = match spec.scope {
                Scope::Point(point) => format!(" for {}", self.points.name(point)),
                _ => String::new(),
            };
            if let Some((what, why)) = self.nonsense(spec, level) {
                self.say(
                    rule,
                    index,
                    format!("`{}` {what}{about}: {why}", level.name),
                );
            }
        }
        if let (Some(Formula::Point(point)), None) = (&spec.value, &spec.only_while) {
            let plain = spec.levels.iter().enumerate();
            let plain = plain.filter(|(_, level)| asked(level).is_some());
            let all = self.plain.entry(*point).or_default();
            all.extend(plain.map(|(index, level)| Plain {
                rule,
                index,
                level: level.clone(),
            }));
        }
    }

    /// What is wrong with a level, and why.
    fn nonsense(&self, spec: &AlarmSpec, level: &LevelSpec) -> Option<(&'static str, String)> {
        let mut together = Together::new(self.points);
        if let Some(gate) = &spec.only_while {
            together.add(gate);
        }
        let number = spec.value.as_ref();
        match (&level.test, number) {
            (Test::When(condition), _) => together.add(condition),
            (Test::High { limit, .. }, Some(number)) => {
                let span = together.span(number);
                if *limit <= span.low.0 {
                    return Some(("is always reached", gives_nothing("below", span.low.0)));
                }
                together.compare(number, Compare::Ge, *limit);
            }
            (Test::Low { limit, .. }, Some(number)) => {
                let span = together.span(number);
                if *limit >= span.high.0 {
                    return Some(("is always reached", gives_nothing("above", span.high.0)));
                }
                together.compare(number, Compare::Le, *limit);
            }
            _ => {}
        }
        if !together.is_never {
            return None;
        }
        let range = number.map(|number| together.span(number));
        let why = match (asked(level), range) {
            (Some((Side::High, limit)), Some(span)) if limit > span.high.0 => {
                gives_nothing("above", span.high.0)
            }
            (Some((Side::Low, limit)), Some(span)) if limit < span.low.0 => {
                gives_nothing("below", span.low.0)
            }
            _ => String::from("what it asks contradicts itself"),
        };
        Some(("can never be reached", why))
    }

    /// After all: levels that add nothing to another rule's.
    pub(super) fn end(mut self) {
        for (point, plain) in std::mem::take(&mut self.plain) {
            for one in &plain {
                let covers = |other: &&Plain<'_, '_>| {
                    !std::ptr::eq(other.rule, one.rule) && covers(other, one)
                };
                if let Some(other) = plain.iter().find(covers) {
                    let what = format!(
                        "`{}` of `{}` adds nothing for {}: `{}` of `{}` is reached with it or before, and is no milder",
                        one.level.name,
                        one.rule.name.value,
                        self.points.name(point),
                        other.level.name,
                        other.rule.name.value
                    );
                    self.say(one.rule, one.index, what);
                }
            }
        }
    }
}

fn gives_nothing(word: &str, end: f64) -> String {
    format!("the instrument gives nothing {word} {end}")
}

/// True when `one` stands whenever `other` does; of two that are the same the later one is superfluous.
fn covers(one: &Plain<'_, '_>, other: &Plain<'_, '_>) -> bool {
    let (Some((side, limit)), Some((other_side, other_limit))) =
        (asked(&one.level), asked(&other.level))
    else {
        return false;
    };
    let first = match side {
        Side::High => limit <= other_limit,
        Side::Low => limit >= other_limit,
    };
    let key = |plain: &Plain<'_, '_>| {
        let asked = asked(&plain.level).map_or(0.0, |(_, limit)| limit);
        let sign = if side == Side::High { -1.0 } else { 1.0 };
        (plain.level.severity, sign * asked, plain.level.on_delay_ms)
    };
    let same = key(one) == key(other) && one.level.latch == other.level.latch;
    let is_earlier = one.rule.name.item.place() < other.rule.name.item.place();
    side == other_side
        && first
        && one.level.severity >= other.level.severity
        && one.level.on_delay_ms <= other.level.on_delay_ms
        && one.level.off_delay_ms >= other.level.off_delay_ms
        && one.level.latch >= other.level.latch
        && other.level.overlays.is_empty()
        && (!same || is_earlier)
}
