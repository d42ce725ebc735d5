//! Whether levels, gates and reasons to suppress make sense: none that can't be reached or always is, none that another rule makes superfluous.
//!
//! Warns and does not refuse, since what an instrument's range says may be wrong; but what hides an alarm for ever is a problem all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use front::{Item, Place, Problems};

use super::points::Points;
use crate::expr::{Compare, Cond, Formula, WindowOf};
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

/// Why something never holds.
const CONTRADICTS: &str = "what it asks contradicts itself, or what the instrument gives";

/// What must all hold at once, as far as it compares formulas with numbers.
struct Together<'c> {
    points: &'c Points<'c>,
    spans: Vec<(&'c Formula, Span)>,
    /// What compares no numbers, and whether it must hold.
    others: Vec<(&'c Cond, bool)>,
    is_never: bool,
}

impl<'c> Together<'c> {
    fn new(points: &'c Points<'c>) -> Self {
        Self {
            points,
            spans: Vec::new(),
            others: Vec::new(),
            is_never: false,
        }
    }

    /// It holds, or its contrary does.
    fn claim(&mut self, condition: &'c Cond, holds: bool) {
        match (condition, holds) {
            (Cond::Not(contrary), _) => self.claim(contrary, !holds),
            (Cond::All(parts), true) | (Cond::Any(parts), false) => {
                parts.iter().for_each(|part| self.claim(part, holds));
            }
            (Cond::Any(parts), true) | (Cond::All(parts), false) => {
                self.is_never |= parts.iter().all(|part| {
                    let mut alone = Together::new(self.points);
                    alone.claim(part, holds);
                    alone.is_never
                });
            }
            (Cond::Compare(compare, one, other), _) if one == other => {
                let compare = compare.or_contrary(holds);
                self.is_never |= matches!(compare, Compare::Lt | Compare::Gt | Compare::Ne);
            }
            (Cond::Compare(compare, formula, Formula::Const(limit)), _) => {
                self.compare(formula, compare.or_contrary(holds), *limit);
            }
            (Cond::Compare(compare, Formula::Const(limit), formula), _) => {
                self.compare(formula, compare.turned().or_contrary(holds), *limit);
            }
            _ => {
                if let (Cond::Held(condition, _), true) = (condition, holds) {
                    self.claim(condition, true);
                }
                if let Cond::During(calendar) = condition {
                    self.is_never |= calendar.always() == Some(!holds);
                }
                let contrary = (condition, !holds);
                self.is_never |= self.others.contains(&contrary);
                self.others.push((condition, holds));
            }
        }
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

    /// Whether a condition always holds, or never, whatever its points say; none where it depends on them, as far as can be told.
    fn always(points: &'c Points<'c>, condition: &'c Cond) -> Option<bool> {
        // Sooner or later.
        if let Cond::Held(condition, _) = condition {
            return Self::always(points, condition);
        }
        let is_never = |holds| {
            let mut together = Together::new(points);
            together.claim(condition, holds);
            together.is_never
        };
        match (is_never(true), is_never(false)) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        }
    }

    /// What the instrument can give, and what is reckoned from it.
    fn span(&self, formula: &Formula) -> Span {
        let any = (f64::NEG_INFINITY, f64::INFINITY);
        let none_below_zero = (0.0, f64::INFINITY);
        let (low, high) = match formula {
            Formula::Point(point) => self.points.info(*point).range.unwrap_or(any),
            Formula::Abs(_) | Formula::Since(_) => none_below_zero,
            Formula::Window(window) => match &window.of {
                WindowOf::Count(_)
                | WindowOf::Increase(_)
                | WindowOf::Stdev(_)
                | WindowOf::Mad(_) => none_below_zero,
                WindowOf::TimeIn(_) => (0.0, longest_s(window.length_ms)),
                WindowOf::Mean(of)
                | WindowOf::Median(of)
                | WindowOf::Lowest(of)
                | WindowOf::Highest(of) => {
                    return self.span(of);
                }
                WindowOf::Sum(_) | WindowOf::Change(_) => any,
            },
            _ => any,
        };
        Span {
            low: (low, false),
            high: (high, false),
        }
    }
}

/// So many seconds of a condition are in a window at most: it looks back up to a 60th further than written.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of some days")]
fn longest_s(length_ms: u64) -> f64 {
    length_ms as f64 / 1_000.0 * 61.0 / 60.0
}

/// What a level asks of one number.
#[derive(Clone, Copy, Debug)]
struct Asked {
    side: Side,
    limit: f64,
    /// Beyond the limit, and not at it.
    strictly: bool,
}

/// What a level asks, as a comparison.
fn asked(level: &LevelSpec) -> Option<Asked> {
    let (side, limit, strictly) = match &level.test {
        Test::High { limit, .. } => (Side::High, *limit, false),
        Test::Low { limit, .. } => (Side::Low, *limit, false),
        Test::When(Cond::Compare(compare, Formula::Point(_), Formula::Const(limit))) => {
            match compare {
                Compare::Ge => (Side::High, *limit, false),
                Compare::Gt => (Side::High, *limit, true),
                Compare::Le => (Side::Low, *limit, false),
                Compare::Lt => (Side::Low, *limit, true),
                Compare::Eq | Compare::Ne => return None,
            }
        }
        Test::When(_) | Test::External => return None,
    };
    Some(Asked {
        side,
        limit,
        strictly,
    })
}

/// The one point whose number a level compares with a limit.
fn asked_of(spec: &AlarmSpec, level: &LevelSpec) -> Option<PointIdx> {
    match (&level.test, &spec.value) {
        (Test::High { .. } | Test::Low { .. }, Some(Formula::Point(point)))
        | (Test::When(Cond::Compare(_, Formula::Point(point), Formula::Const(_))), _) => {
            Some(*point)
        }
        _ => None,
    }
}

/// A level without a gate, of some rule.
struct Plain<'c, 'a> {
    rule: &'c Rule<'a>,
    level: LevelSpec,
}

/// Looks at one alarm after the other.
pub(super) struct Sense<'c, 'a> {
    points: &'c Points<'c>,
    warnings: &'c Problems,
    /// Levels that compare one point's number with a limit.
    plain: BTreeMap<PointIdx, Vec<Plain<'c, 'a>>>,
    /// Levels that ask something else, by what they are about.
    others: BTreeMap<String, Vec<Plain<'c, 'a>>>,
    /// What was said, by its place: of many points it is said once.
    said: BTreeSet<Place>,
}

impl<'c, 'a> Sense<'c, 'a> {
    pub(super) fn new(points: &'c Points<'c>, warnings: &'c Problems) -> Self {
        Self {
            points,
            warnings,
            plain: BTreeMap::new(),
            others: BTreeMap::new(),
            said: BTreeSet::new(),
        }
    }

    fn say_of(&mut self, rule: &Rule<'a>, level: &str, what: String) {
        let levels = rule.levels();
        if let Some(level) = levels.iter().find(|it| it.name.value == level) {
            self.say(&level.name.item, what);
        }
    }

    fn say(&mut self, item: &Item<'_>, what: String) {
        if self.said.insert(item.place()) {
            self.warnings.add(item.place(), item.path(), what);
        }
    }

    /// An alarm that a rule made.
    pub(super) fn look(&mut self, rule: &'c Rule<'a>, spec: &AlarmSpec) {
        let about = match spec.scope {
            Scope::Point(point) => format!(" for {}", self.points.name(point)),
            _ => String::new(),
        };
        self.look_at_reasons(rule, spec, &about);
        let gate = spec.only_while.as_ref().zip(rule.only_while.as_ref());
        match gate.map(|(gate, written)| (Together::always(self.points, gate), &written.item)) {
            // That none of its levels is reached is said with it.
            Some((Some(false), item)) => {
                let what = format!(
                    "the gate never holds{about}, so that there is no alarm: {CONTRADICTS}"
                );
                self.say(item, what);
                return;
            }
            // A shipped pack is for all sites, and its gate for what another one has.
            Some((Some(true), item)) if !crate::pack::is_shipped(item) => {
                let what = format!("the gate always holds{about}: nothing makes it false");
                self.say(item, what);
            }
            _ => {}
        }
        for level in &spec.levels {
            if let Some((what, why)) = self.nonsense(spec, level) {
                self.say_of(
                    rule,
                    &level.name,
                    format!("`{}` {what}{about}: {why}", level.name),
                );
            }
        }
        if spec.only_while.is_some() {
            return;
        }
        for level in &spec.levels {
            let plain = Plain {
                rule,
                level: level.clone(),
            };
            match (asked_of(spec, level), &level.test) {
                (Some(point), _) => self.plain.entry(point).or_default().push(plain),
                (None, Test::When(_)) => {
                    let about = match &spec.scope {
                        Scope::Point(point) => self.points.name(*point),
                        Scope::Unit(unit) => std::format!("unit {unit}"),
                        _ => String::from("the site"),
                    };
                    self.others.entry(about).or_default().push(plain);
                }
                (None, _) => {}
            }
        }
    }

    /// A reason that always holds, or whenever a level is reached, hides it for ever.
    fn look_at_reasons(&mut self, rule: &Rule<'a>, spec: &AlarmSpec, about: &str) {
        for (reason, written) in spec.life.suppress.iter().zip(&rule.life.suppress) {
            let (word, item) = (&written.reason.value, &written.condition.item);
            let hides = match Together::always(self.points, &reason.condition) {
                Some(true) => "always holds".into(),
                Some(false) => {
                    let what = format!("`{word}` never holds{about}: {CONTRADICTS}");
                    self.say(item, what);
                    continue;
                }
                None => {
                    let is_hidden = |level: &&LevelSpec| {
                        let mut together = self.together(spec, level);
                        let is_reached = !together.is_never;
                        together.claim(&reason.condition, false);
                        is_reached && together.is_never
                    };
                    let Some(level) = spec.levels.iter().find(is_hidden) else {
                        continue;
                    };
                    format!("holds whenever `{}` is reached", level.name)
                }
            };
            if self.said.insert(item.place()) {
                item.problem(format!(
                    "`{word}` {hides}{about}, and hides it for ever, expected a condition that is not true for a time while it is reached"
                ));
            }
        }
    }

    /// What must hold where a level is reached.
    fn together<'s>(&'s self, spec: &'s AlarmSpec, level: &'s LevelSpec) -> Together<'s> {
        let mut together = Together::new(self.points);
        if let Some(gate) = &spec.only_while {
            together.claim(gate, true);
        }
        match (&level.test, &spec.value) {
            (Test::When(condition), _) => together.claim(condition, true),
            (Test::High { limit, .. }, Some(number)) => {
                together.compare(number, Compare::Ge, *limit);
            }
            (Test::Low { limit, .. }, Some(number)) => {
                together.compare(number, Compare::Le, *limit);
            }
            _ => {}
        }
        together
    }

    /// What is wrong with a level, and why.
    fn nonsense(&self, spec: &AlarmSpec, level: &LevelSpec) -> Option<(&'static str, String)> {
        let together = self.together(spec, level);
        let number = spec.value.as_ref();
        match (&level.test, number) {
            (Test::High { limit, deadband }, Some(number)) => {
                let span = together.span(number);
                if *limit <= span.low.0 {
                    return Some(("is always reached", gives_nothing("below", span.low.0)));
                }
                if limit - deadband <= span.low.0 {
                    return Some(("can never be left", gives_nothing("below", span.low.0)));
                }
            }
            (Test::Low { limit, deadband }, Some(number)) => {
                let span = together.span(number);
                if *limit >= span.high.0 {
                    return Some(("is always reached", gives_nothing("above", span.high.0)));
                }
                if limit + deadband >= span.high.0 {
                    return Some(("can never be left", gives_nothing("above", span.high.0)));
                }
            }
            _ => {}
        }
        if !together.is_never {
            let Test::When(condition) = &level.test else {
                return None;
            };
            let is_always = Together::always(self.points, condition) == Some(true);
            return is_always.then(|| {
                let of = asked(level).zip(asked_of(spec, level));
                let why = of.and_then(|(asked, point)| {
                    let (low, high) = self.points.info(point).range?;
                    Some(match asked.side {
                        Side::High => gives_nothing("below", low),
                        Side::Low => gives_nothing("above", high),
                    })
                });
                let why = why.unwrap_or_else(|| "nothing makes it false".into());
                ("is always reached", why)
            });
        }
        let range = number.map(|number| together.span(number));
        let why = match (asked(level), range) {
            (Some(asked), Some(span)) if asked.side == Side::High && asked.limit > span.high.0 => {
                gives_nothing("above", span.high.0)
            }
            (Some(asked), Some(span)) if asked.side == Side::Low && asked.limit < span.low.0 => {
                gives_nothing("below", span.low.0)
            }
            _ => String::from("what it asks contradicts itself"),
        };
        Some(("can never be reached", why))
    }

    /// After all: levels that add nothing to another rule's.
    pub(super) fn end(mut self) {
        let plain = std::mem::take(&mut self.plain).into_iter();
        let plain: Vec<_> = plain
            .map(|(point, levels)| (self.points.name(point), levels))
            .collect();
        let others = std::mem::take(&mut self.others);
        for (about, levels) in plain.into_iter().chain(others) {
            for one in &levels {
                let covers = |other: &&Plain<'_, '_>| {
                    !std::ptr::eq(other.rule, one.rule) && covers(other, one)
                };
                if let Some(other) = levels.iter().find(covers) {
                    let what = format!(
                        "`{}` of `{}` adds nothing for {about}: `{}` of `{}` is reached with it or before, and is no milder",
                        one.level.name,
                        one.rule.name.value,
                        other.level.name,
                        other.rule.name.value
                    );
                    self.say_of(one.rule, &one.level.name, what);
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
    let (first, is_further) = match (asked(&one.level), asked(&other.level)) {
        (Some(a), Some(b)) if a.side == b.side => {
            let (near, far) = match a.side {
                Side::High => (a.limit, b.limit),
                Side::Low => (-a.limit, -b.limit),
            };
            let alike = near >= far && far >= near;
            (
                near < far || (alike && (!a.strictly || b.strictly)),
                near < far || (alike && !a.strictly && b.strictly),
            )
        }
        (None, None) => (one.level.test == other.level.test, false),
        _ => return false,
    };
    let key = |plain: &Plain<'_, '_>| {
        let level = &plain.level;
        (level.severity, level.on_delay_ms, level.latch)
    };
    let same = key(one) == key(other) && !is_further;
    let is_earlier = one.rule.name.item.place() < other.rule.name.item.place();
    first
        && one.level.severity >= other.level.severity
        && one.level.on_delay_ms <= other.level.on_delay_ms
        && one.level.off_delay_ms >= other.level.off_delay_ms
        && one.level.latch >= other.level.latch
        && other.level.overlays.is_empty()
        && (!same || is_earlier)
}
