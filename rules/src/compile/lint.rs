//! What the standards ask of limits: a pack or a site that is laxer does not load without an override that names the clause.
//!
//! Only clauses whose values were found in a source are held here; a rule without such a bound is not judged.

use std::format;
use std::string::String;
use std::vec::Vec;

use front::Item;

use super::number::{self, Measure};
use crate::file::Override;
use crate::program::Side;
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

/// Combustible gas at 25 and 50 %LEL (open path 1 and 2 LEL·m), toxic gas at 100 and 200 % of its OEL, oxygen 19.5 to 23.5 %VOL; ammonia in a machine room at 150 ppm and 25 %LEL, carbon monoxide of steel works at 30 and 200 mg/m³.
const BOUNDS: [Bound; 38] = [
    bound("combustible-gas", "%LEL", Side::High, 1, 25.0, LIMITS),
    bound("combustible-gas", "%LEL", Side::High, 2, 50.0, LIMITS),
    bound("combustible-gas-path", "LEL·m", Side::High, 1, 1.0, LIMITS),
    bound("combustible-gas-path", "LEL·m", Side::High, 2, 2.0, LIMITS),
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
    bound("ammonia-room-lel", "%LEL", Side::High, 1, 25.0, AMMONIA),
    bound("blast-furnace-co", "mg/m³", Side::High, 1, 30.0, STEEL),
    bound("blast-furnace-co", "mg/m³", Side::High, 2, 200.0, STEEL),
];

/// A level that has to lie at least so many times as deep as another: (kind, level, times, of, clause).
const DEEPER: [(&str, &str, f64, &str, &str); 1] =
    [("phreatic-depth", "orange", 1.1, "red", "GB 51108 8.3.4")];

/// A level as it came out for one point.
pub(super) struct Found<'f, 'a> {
    pub name: &'f str,
    pub side: Side,
    /// 1 for the mildest level of its side.
    pub rank: usize,
    pub limit: f64,
    /// Where the limit is written.
    pub item: &'f Item<'a>,
}

/// Where a rule's limits came out for one point.
pub(super) struct Judged<'f, 'a> {
    pub point: &'f str,
    pub kind: &'f str,
    pub measure: &'f Measure,
    /// Parts per million of one mg/m³, where the site gives a molar volume.
    pub ppm_of_mg: Option<f64>,
    pub levels: &'f [Found<'f, 'a>],
    /// The gate, where there is one.
    pub gate: Option<&'f Item<'a>>,
    pub overrides: &'f [(usize, &'f Override<'a>)],
}

/// Reports each limit that is laxer than its clause, and a gate where the clause knows none. True when all is well.
pub(super) fn check(judged: &Judged<'_, '_>, warn: &dyn Fn(&Item<'_>, String)) -> bool {
    let bounds: Vec<&Bound> = BOUNDS
        .iter()
        .filter(|bound| bound.kind == judged.kind)
        .collect();
    let mut fine = true;
    if let (Some(gate), Some(bound)) = (judged.gate, bounds.first())
        && !named(judged, bound.clause, None)
    {
        gate.problem(format!(
            "a gate on {}, expected none by {}, or an override of the site with `laxer_than = \"{}\"`",
            judged.kind, bound.clause, bound.clause
        ));
        fine = false;
    }
    for (kind, name, times, of, clause) in DEEPER {
        let find = |name: &str| judged.levels.iter().find(|level| level.name == name);
        if kind != judged.kind || named(judged, clause, Some(name)) {
            continue;
        }
        if let (Some(level), Some(of)) = (find(name), find(of))
            // Both are rounded to 12 digits.
            && level.limit < of.limit * times * (1.0 - 1e-11)
        {
            let unit = judged.measure.name().unwrap_or_default();
            level.item.problem(format!(
                "`{name}` of {} at {} {unit} is laxer than {clause}, expected at least {times} times `{}` at {} {unit}, or an override of the site with `laxer_than = \"{clause}\"`",
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
        if laxer && !named(judged, bound.clause, Some(level.name)) {
            let (limit, unit) = (level.limit, judged.measure.name().unwrap_or_default());
            let most = match level.side {
                Side::High => "at most",
                Side::Low => "at least",
            };
            level.item.problem(format!(
                "`{}` of {} at {limit} {unit} is laxer than {}, expected {most} {worst} {unit}, or an override of the site with `laxer_than = \"{}\"`",
                level.name, judged.point, bound.clause, bound.clause
            ));
            fine = false;
        }
    }
    fine
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
        let clause_named = entry
            .laxer_than
            .as_ref()
            .is_some_and(|named| named.value == clause);
        let level_named = match (&entry.level, level) {
            (None, _) => true,
            (Some(named), Some(level)) => named.value == level,
            (Some(_), None) => false,
        };
        clause_named && level_named
    })
}

fn in_measure(bound: &Bound, judged: &Judged<'_, '_>) -> Option<f64> {
    match judged.measure {
        Measure::Known(unit) => number::convert(
            bound.worst,
            Unit::find(bound.unit)?,
            *unit,
            judged.ppm_of_mg,
        ),
        Measure::Plain | Measure::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_in_a_unit_that_rules_know() {
        for bound in &BOUNDS {
            assert!(Unit::find(bound.unit).is_some(), "{}", bound.unit);
        }
    }
}
