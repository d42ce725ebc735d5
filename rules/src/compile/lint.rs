//! What the standards ask of limits: a pack or a site that is laxer does not load without an override that names the clause.
//!
//! Only clauses whose values were found in a source are held here; a rule without such a bound is not judged.

mod cited;
pub(super) mod loosest;
pub(super) mod unheard;

use std::format;
use std::string::String;
use std::vec::Vec;

use front::Item;

use super::number::{self, Measure};
use crate::file::{Condition, Override, Rule, Scope};
use crate::program::{LifeSpec, Side};
use crate::syntax::{Expr, Name, Node};
use crate::unit::Unit;

/// The worst that a level of a kind may be.
struct Bound {
    kind: &'static str,
    unit: &'static str,
    side: Side,
    /// 1 for the mildest level of its side.
    rank: usize,
    worst: f64,
    clause: &'static str,
}

const fn bound(
    kind: &'static str,
    unit: &'static str,
    side: Side,
    rank: usize,
    worst: f64,
    clause: &'static str,
) -> Bound {
    Bound {
        kind,
        unit,
        side,
        rank,
        worst,
        clause,
    }
}

const LIMITS: &str = "GB/T 50493-2019 5.5.2";
const AMMONIA: &str = "GB 50072-2021 7.4";
const STEEL: &str = "GB 6222-2005";

/// The longest on-delay of a limit that a clause asks for, in milliseconds: the clauses name none, and no more than what GB/T 50493 lets the detector itself take is kept from people. This project's own bound.
const ON_DELAY_MAX_MS: u64 = 30_000;

/// How long a detector that can't be told anything of may stay unsaid where a clause asks for its limits. This project's own bound, too.
const UNKNOWN_AFTER_MAX_MS: u64 = 300_000;

/// Combustible gas at 25 and 50 %LEL (open path 1 and 2 LEL·m), toxic gas at 100 and 200 % of its OEL, oxygen 19.5 to 23.5 %VOL; ammonia in a machine room at 150 ppm and 25 %LEL and in a valve room at 150 ppm, carbon monoxide of steel works at 30 and 200 mg/m³.
const BOUNDS: [Bound; 41] = [
    bound("combustible-gas", "%LEL", Side::High, 1, 25.0, LIMITS),
    bound("combustible-gas", "%LEL", Side::High, 2, 50.0, LIMITS),
    bound("combustible-gas-path", "LEL·m", Side::High, 1, 1.0, LIMITS),
    bound("combustible-gas-path", "LEL·m", Side::High, 2, 2.0, LIMITS),
    bound("hydrogen", "%LEL", Side::High, 1, 25.0, LIMITS),
    bound("hydrogen", "%LEL", Side::High, 2, 50.0, LIMITS),
    bound("carbon-monoxide", "mg/m³", Side::High, 1, 20.0, LIMITS),
    bound("carbon-monoxide", "mg/m³", Side::High, 2, 40.0, LIMITS),
    bound("hydrogen-sulfide", "mg/m³", Side::High, 1, 10.0, LIMITS),
    bound("hydrogen-sulfide", "mg/m³", Side::High, 2, 20.0, LIMITS),
    bound("ammonia", "mg/m³", Side::High, 1, 20.0, LIMITS),
    bound("ammonia", "mg/m³", Side::High, 2, 40.0, LIMITS),
    bound("chlorine", "mg/m³", Side::High, 1, 1.0, LIMITS),
    bound("chlorine", "mg/m³", Side::High, 2, 2.0, LIMITS),
    bound("hydrogen-cyanide", "mg/m³", Side::High, 1, 1.0, LIMITS),
    bound("hydrogen-cyanide", "mg/m³", Side::High, 2, 2.0, LIMITS),
    bound("hydrogen-fluoride", "mg/m³", Side::High, 1, 2.0, LIMITS),
    bound("hydrogen-fluoride", "mg/m³", Side::High, 2, 4.0, LIMITS),
    bound("hydrogen-chloride", "mg/m³", Side::High, 1, 7.5, LIMITS),
    bound("hydrogen-chloride", "mg/m³", Side::High, 2, 15.0, LIMITS),
    bound("phosgene", "mg/m³", Side::High, 1, 0.5, LIMITS),
    bound("phosgene", "mg/m³", Side::High, 2, 1.0, LIMITS),
    bound("sulfur-dioxide", "mg/m³", Side::High, 1, 5.0, LIMITS),
    bound("sulfur-dioxide", "mg/m³", Side::High, 2, 10.0, LIMITS),
    bound("nitrogen-dioxide", "mg/m³", Side::High, 1, 5.0, LIMITS),
    bound("nitrogen-dioxide", "mg/m³", Side::High, 2, 10.0, LIMITS),
    bound("benzene", "mg/m³", Side::High, 1, 6.0, LIMITS),
    bound("benzene", "mg/m³", Side::High, 2, 12.0, LIMITS),
    bound("methanol", "mg/m³", Side::High, 1, 25.0, LIMITS),
    bound("methanol", "mg/m³", Side::High, 2, 50.0, LIMITS),
    bound("ethylene-oxide", "mg/m³", Side::High, 1, 0.6, LIMITS),
    bound("ethylene-oxide", "mg/m³", Side::High, 2, 1.2, LIMITS),
    bound("vinyl-chloride", "mg/m³", Side::High, 1, 10.0, LIMITS),
    bound("vinyl-chloride", "mg/m³", Side::High, 2, 20.0, LIMITS),
    bound("oxygen", "%VOL", Side::Low, 1, 19.5, LIMITS),
    bound("oxygen", "%VOL", Side::High, 1, 23.5, LIMITS),
    bound("ammonia-room", "ppm", Side::High, 1, 150.0, AMMONIA),
    bound("ammonia-valve-room", "ppm", Side::High, 1, 150.0, AMMONIA),
    bound("ammonia-room-lel", "%LEL", Side::High, 1, 25.0, AMMONIA),
    bound("blast-furnace-co", "mg/m³", Side::High, 1, 30.0, STEEL),
    bound("blast-furnace-co", "mg/m³", Side::High, 2, 200.0, STEEL),
];

/// A level that a clause sets by another one of its rule: it is to be reached at so many times of it at the latest.
/// (kind, level, times, of, clause)
const RATIOS: [(&str, &str, f64, &str, &str); 2] = [
    ("phreatic-depth", "orange", 1.1, "red", "GB 51108 8.3.4"),
    (
        "landslide-displacement",
        "orange",
        0.8,
        "red",
        "GB 51108 8.3.8",
    ),
];

/// A level as it came out for one point.
pub(super) struct Found<'f, 'a> {
    pub name: &'f str,
    pub side: Side,
    /// 1 for the mildest level of its side.
    pub rank: usize,
    pub limit: f64,
    /// Beyond which number it is left.
    pub exit: f64,
    /// Where that is written.
    pub exit_item: &'f Item<'a>,
    pub on_delay_ms: u64,
    /// Where the limit is written.
    pub item: &'f Item<'a>,
    /// The site's limits that it rests on, each with its place.
    pub given: String,
}

/// Where a rule's limits came out for one point.
pub(super) struct Judged<'f, 'a> {
    pub rule: &'f Rule<'a>,
    pub point: &'f str,
    pub kind: &'f str,
    pub measure: &'f Measure,
    /// Parts per million of one mg/m³, where the site gives a molar volume.
    pub ppm_of_mg: Option<f64>,
    /// That volume, in L/mol.
    pub molar_volume: Option<f64>,
    pub levels: &'f [Found<'f, 'a>],
    /// What keeps alarms away though the limit is reached: a gate, reasons to suppress.
    pub loosened: Vec<(&'static str, &'f Item<'a>)>,
    pub overrides: &'f [(usize, &'f Override<'a>)],
}

/// Reports each limit that is laxer than its clause, and what keeps its alarm away where the clause knows nothing of the sort. True when all is well.
pub(super) fn check(judged: &Judged<'_, '_>, warn: &dyn Fn(&Item<'_>, String)) -> bool {
    let bounds: Vec<&Bound> = BOUNDS
        .iter()
        .filter(|bound| bound.kind == judged.kind && is_own_number(judged.rule))
        .collect();
    let mut fine = true;
    for (what, item) in &judged.loosened {
        if let Some(bound) = bounds.first()
            && !named(judged, bound.clause, None)
        {
            item.problem(format!(
                "{what} on {}, expected none by {}, or an override of the site with `laxer_than = \"{}\"`",
                judged.kind, bound.clause, bound.clause
            ));
            fine = false;
        }
    }
    for (kind, name, times, of, clause) in RATIOS {
        let find = |name: &str| judged.levels.iter().find(|level| level.name == name);
        if kind != judged.kind || named(judged, clause, Some(name)) {
            continue;
        }
        let (Some(level), Some(of)) = (find(name), find(of)) else {
            continue;
        };
        // Both are rounded to 12 digits.
        let (worst, slack) = (of.limit * times, 1e-11);
        let (laxer, most) = match level.side {
            Side::Low => (level.limit < worst * (1.0 - slack), "least"),
            Side::High => (level.limit > worst * (1.0 + slack), "most"),
        };
        if laxer {
            let unit = judged.measure.name().unwrap_or_default();
            level.item.problem(format!(
                "`{name}` of {} at {} {unit} is laxer than {clause}, expected at {most} {times} times `{}` at {} {unit}, or an override of the site with `laxer_than = \"{clause}\"`",
                judged.point, level.limit, of.name, of.limit
            ));
            fine = false;
        }
    }
    for level in judged.levels {
        let Some(bound) = bounds
            .iter()
            .find(|bound| bound.side == level.side && bound.rank == level.rank)
        else {
            continue;
        };
        let Some(worst) = in_measure(bound, judged) else {
            warn(
                level.item,
                format!(
                    "{} is not in {}: whether `{}` keeps {} can't be told",
                    judged.point, bound.unit, level.name, bound.clause
                ),
            );
            continue;
        };
        let laxer = match level.side {
            Side::High => level.limit > worst,
            Side::Low => level.limit < worst,
        };
        if named(judged, bound.clause, Some(level.name)) {
            continue;
        }
        if let Some((item, what, expected)) = never_or_late(level) {
            item.problem(format!(
                "`{}` of {} {what}, which is laxer than {}, expected {expected}, or an override of the site with `laxer_than = \"{}\"`",
                level.name, judged.point, bound.clause, bound.clause
            ));
            fine = false;
        }
        if laxer {
            let (limit, unit) = (level.limit, judged.measure.name().unwrap_or_default());
            let most = match level.side {
                Side::High => "at most",
                Side::Low => "at least",
            };
            level.item.problem(format!(
                "`{}` of {} at {limit} {unit}{} is laxer than {}, expected {most} {worst} {unit}, or an override of the site with `laxer_than = \"{}\"`",
                level.name, judged.point, level.given, bound.clause, bound.clause
            ));
            fine = false;
        }
    }
    has_all(judged) && fine
}

/// Reports each level that the clause asks for and the rule, which cites it, does not have there. True when it has all.
fn has_all(judged: &Judged<'_, '_>) -> bool {
    let has = |bound: &Bound| {
        let mut levels = judged.levels.iter();
        levels.any(|level| level.side == bound.side && level.rank == bound.rank)
    };
    // Who names the clause for all levels, or for one that is left out, knows that it is.
    let is_there = |name: &str| judged.levels.iter().any(|level| level.name == name);
    let is_named = |bound: &Bound| {
        judged.overrides.iter().any(|(_, entry)| {
            let level = entry.level.as_ref();
            names(entry, bound.clause) && level.is_none_or(|level| !is_there(&level.value))
        })
    };
    let missing = cited_bounds(judged.rule, judged.kind).filter(|bound| !has(bound));
    let missing: Vec<&Bound> = missing.filter(|bound| !is_named(bound)).collect();
    for bound in &missing {
        let own = in_measure(bound, judged).zip(judged.measure.name());
        let (worst, unit) = own.unwrap_or_else(|| (bound.worst, bound.unit.into()));
        tell_missing(judged.rule, judged.point, bound, worst, &unit);
    }
    missing.is_empty()
}

fn tell_missing(rule: &Rule<'_>, about: &str, bound: &Bound, worst: f64, unit: &str) {
    let second = if bound.rank == 1 { "" } else { "second " };
    let (side, most) = match bound.side {
        Side::High => ("high", "at most"),
        Side::Low => ("low", "at least"),
    };
    rule.name.item.problem(format!(
        "no {second}{side} level for {about}, expected one {most} {worst} {unit} by {}, or an override of the site with `laxer_than = \"{}\"`",
        bound.clause, bound.clause
    ));
}

/// What a clause asks of a rule that cites it and has limits on the own number of points of a kind.
fn cited_bounds(rule: &Rule<'_>, kind: &str) -> impl Iterator<Item = &'static Bound> {
    let bounds = BOUNDS.iter().filter(move |bound| bound.kind == kind);
    bounds.filter(|bound| is_own_number(rule) && cites(rule, bound.clause))
}

/// True when a rule cites a clause, or its standard as a whole.
pub(super) fn cites(rule: &Rule<'_>, clause: &str) -> bool {
    let cited = rule.clause.as_ref();
    cited.is_some_and(|cited| cited::cites(cited, clause))
}

/// What is said of a rule that cites a clause and does not compare what the clause is about.
pub(super) fn not_compared(rule: &Rule<'_>, clause: &str, about: &str, of: &str) -> String {
    format!(
        "`{}` cites {clause} for {about}, and what it asks can't be compared with it: expected `high` or `low` limits on the number of {of}, or an override of the site with `laxer_than = \"{clause}\"`",
        rule.name.value
    )
}

/// What can be said without a site of a rule that cites a clause with limits: whether people are told in time that it can't be told, and that it is on no shelf for long.
pub(super) fn check_times(rule: &Rule<'_>) {
    let Some(bound) = kinds(rule).find_map(|kind| cited_bounds(rule, kind).next()) else {
        return;
    };
    let times = [
        ("unknown_after", rule.unknown_after_ms, UNKNOWN_AFTER_MAX_MS),
        (
            "shelve_max",
            rule.life.shelve_max_ms,
            LifeSpec::default().shelve_max_ms,
        ),
    ];
    for (key, is_ms, most_ms) in times {
        if is_ms > most_ms {
            rule.name.item.problem(format!(
                "`{key}` of `{}` is {} s, expected {} s or less where a rule stands on {}: this program's own bound",
                rule.name.value,
                is_ms.div_ceil(1_000),
                most_ms / 1_000,
                bound.clause
            ));
        }
    }
}

/// The same of its levels, as they are written; `overrides` are those that are read beside it.
pub(super) fn check_written(rule: &Rule<'_>, overrides: &[&Override<'_>]) {
    let Condition::Limits { high, low, .. } = &rule.condition else {
        return;
    };
    for kind in kinds(rule) {
        for bound in cited_bounds(rule, kind) {
            let n_levels = match bound.side {
                Side::High => high.len(),
                Side::Low => low.len(),
            };
            let of_rule = |entry: &&&Override<'_>| entry.rule.value == rule.name.value;
            let mut overrides = overrides.iter().filter(of_rule);
            if n_levels < bound.rank && !overrides.any(|entry| names(entry, bound.clause)) {
                tell_missing(rule, kind, bound, bound.worst, bound.unit);
            }
        }
    }
}

/// The kinds of points that a rule has an alarm each for.
fn kinds<'r>(rule: &'r Rule<'_>) -> impl Iterator<Item = &'r str> {
    let kinds = match &rule.scope {
        Scope::Points { kinds, .. } => kinds.as_slice(),
        Scope::Units { .. } | Scope::UnitsWithAny { .. } | Scope::CountedUnits | Scope::Site => &[],
    };
    kinds.iter().map(|kind| kind.value.as_str())
}

/// True where the limits are on the point's own number, in whatever unit.
pub(super) fn is_own_number(rule: &Rule<'_>) -> bool {
    let Condition::Limits { value, .. } = &rule.condition else {
        return false;
    };
    let is_own = |expr: &Expr| matches!(expr.node, Node::Name(Name::Own));
    value.as_ref().is_none_or(|value| match &value.value.node {
        Node::Convert(inner, _) => is_own(inner),
        _ => is_own(&value.value),
    })
}

/// What takes the worth from a limit that is strict enough: it waits too long, or once it is on it never goes off and says nothing any more.
fn never_or_late<'f, 'a>(level: &Found<'f, 'a>) -> Option<(&'f Item<'a>, String, String)> {
    if level.on_delay_ms > ON_DELAY_MAX_MS {
        let (is, most) = (level.on_delay_ms.div_ceil(1_000), ON_DELAY_MAX_MS / 1_000);
        return Some((
            level.item,
            format!("has an on-delay of {is} s"),
            format!("{most} s or less"),
        ));
    }
    // There is no less than nothing of a gas.
    (level.side == Side::High && level.exit <= 0.0).then(|| {
        (
            level.exit_item,
            format!("is left below {} only", level.exit),
            "a smaller deadband".into(),
        )
    })
}

/// The clause that a rule may not be switched off against, if its kind has one.
pub(super) fn clause_of(kind: &str) -> Option<&'static str> {
    BOUNDS
        .iter()
        .find(|bound| bound.kind == kind)
        .map(|bound| bound.clause)
}

/// True when the site knowingly goes below the clause.
fn named(judged: &Judged<'_, '_>, clause: &str, level: Option<&str>) -> bool {
    judged.overrides.iter().any(|(_, entry)| {
        let level_named = match (&entry.level, level) {
            (None, _) => true,
            (Some(named), Some(level)) => named.value == level,
            (Some(_), None) => false,
        };
        names(entry, clause) && level_named
    })
}

/// True when an override says that it goes below this clause.
pub(super) fn names(entry: &Override<'_>, clause: &str) -> bool {
    let named = entry.laxer_than.as_ref();
    named.is_some_and(|named| named.value == clause)
}

fn in_measure(bound: &Bound, judged: &Judged<'_, '_>) -> Option<f64> {
    match judged.measure {
        Measure::Known(unit) => number::convert(
            bound.worst,
            Unit::find(bound.unit)?,
            *unit,
            ppm_of_mg(judged),
        ),
        Measure::Plain | Measure::Other(_) => None,
    }
}

/// Parts per million of one mg/m³ by what the site gives, but for a molar mass that its gas can't have.
fn ppm_of_mg(judged: &Judged<'_, '_>) -> Option<f64> {
    let given = judged.ppm_of_mg;
    let known = molar_mass(judged.kind);
    let Some((known, volume)) = known.zip(judged.molar_volume) else {
        return given;
    };
    let of_known = volume / known;
    let is_near = |given: &f64| (given / of_known - 1.0).abs() <= MOLAR_MASS_SLACK;
    given.filter(is_near).or(Some(of_known))
}

/// How far from what is known of a gas a site's molar mass may be.
pub(super) const MOLAR_MASS_SLACK: f64 = 0.01;

/// The molar mass of a gas that a clause is about, in g/mol; from the atomic weights.
pub(super) fn molar_mass(kind: &str) -> Option<f64> {
    let row = MOLAR_MASSES.iter().find(|(of, _)| *of == kind);
    row.map(|(_, mass)| *mass)
}

const MOLAR_MASSES: [(&str, f64); 17] = [
    ("carbon-monoxide", 28.01),
    ("hydrogen-sulfide", 34.08),
    ("ammonia", 17.03),
    ("chlorine", 70.90),
    ("hydrogen-cyanide", 27.03),
    ("hydrogen-fluoride", 20.01),
    ("hydrogen-chloride", 36.46),
    ("phosgene", 98.92),
    ("sulfur-dioxide", 64.06),
    ("nitrogen-dioxide", 46.01),
    ("benzene", 78.11),
    ("methanol", 32.04),
    ("ethylene-oxide", 44.05),
    ("vinyl-chloride", 62.50),
    ("ammonia-room", 17.03),
    ("ammonia-valve-room", 17.03),
    ("blast-furnace-co", 28.01),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_molar_mass_of_every_gas_with_a_bound_in_its_mass_or_share_is_known() {
        let by_mass = |bound: &&Bound| matches!(bound.unit, "mg/m³" | "ppm");
        for bound in BOUNDS.iter().filter(by_mass) {
            assert!(molar_mass(bound.kind).is_some(), "{}", bound.kind);
        }
    }

    #[test]
    fn every_bound_is_in_a_unit_that_rules_know() {
        for bound in &BOUNDS {
            assert!(Unit::find(bound.unit).is_some(), "{}", bound.unit);
        }
    }
}
