//! What is known from memory of limits that a site's designer gives: laxer than anything known is a warning, and no more.

use std::format;
use std::string::String;

use super::super::number::{self, Measure};
use super::Found;
use crate::file::Override;
use crate::program::Side;
use crate::unit::Unit;

/// The loosest limit that is known.
struct Loosest {
    /// The kind of the points, or the rule of a number that is a unit's.
    about: &'static str,
    side: Side,
    limit: f64,
    unit: &'static str,
    /// Where it is so loose.
    of: &'static str,
}

const fn loosest(
    about: &'static str,
    side: Side,
    limit: f64,
    unit: &'static str,
    of: &'static str,
) -> Loosest {
    Loosest {
        about,
        side,
        limit,
        unit,
        of,
    }
}

/// What tables of standards give for dams by grade and height, and what is said of aluminium and magnesium dust; none of it was checked. Half of what coal dust needs to explode, of which most is needed, is what makers of instruments go by.
const LOOSEST: [Loosest; 6] = [
    loosest(
        "phreatic-depth",
        Side::Low,
        2.0,
        "m",
        "for a dam stacked less than 30 m high",
    ),
    loosest(
        "beach-length",
        Side::Low,
        25.0,
        "m",
        "for a dam of grade 5 that grows downstream or in its centreline",
    ),
    loosest("freeboard", Side::Low, 0.4, "m", "for a dam of grade 5"),
    loosest(
        "duct-air-speed",
        Side::Low,
        23.0,
        "m/s",
        "for aluminium and magnesium dust, by AQ 4272",
    ),
    loosest(
        "hopper-temperature",
        Side::High,
        70.0,
        "°C",
        "for aluminium and magnesium dust, by AQ 4272 and AQ 4273",
    ),
    loosest(
        "dust-concentration",
        Side::High,
        25.0,
        "g/m³",
        "for coal dust: half of the 50 g/m³ that it needs to explode",
    ),
];

/// The kind whose limits are a part of another one that the site gives, how much of it, and its word.
const PART: (&str, f64, &str) = ("dust-concentration", 0.5, "mec");

/// A number's limits as they came out for one point or unit.
pub(in super::super) struct Limits<'f, 'a> {
    /// As messages call what they are for.
    pub scope: &'f str,
    /// The kind of the point, or the rule's name where it is a unit's number.
    pub about: &'f str,
    pub measure: &'f Measure,
    pub levels: &'f [Found<'f, 'a>],
    pub overrides: &'f [(usize, &'f Override<'a>)],
    /// A limit that is given here, in the same measure.
    pub given: &'f dyn Fn(&str) -> Option<f64>,
}

/// Tells of the gravest level of a side that it is laxer than anything known: the level, than what, and in words. Not where an override says that it goes below a clause.
pub(in super::super) fn check(
    limits: &Limits<'_, '_>,
    tell: &dyn Fn(&Found<'_, '_>, &'static str, String),
) {
    let Measure::Known(unit) = limits.measure else {
        return;
    };
    let known = LOOSEST.iter().filter(|row| row.about == limits.about);
    let known = known.filter_map(|row| {
        let limit = number::convert(row.limit, Unit::find(row.unit)?, *unit, None)?;
        Some((row.side, limit, row.of))
    });
    let (about, part, word) = PART;
    let whole = Some(word).filter(|_| about == limits.about);
    let of_whole = whole.and_then(limits.given).map(|whole| {
        let of = "half of the least explosive concentration that the site gives";
        (Side::High, whole * part, of)
    });
    for (side, limit, of) in known.chain(of_whole) {
        let mut gravest = limits.levels.iter().rev();
        let Some(level) = gravest.find(|level| level.side == side) else {
            continue;
        };
        // What is reckoned was rounded to 12 digits.
        let (is_laxer, most) = match side {
            Side::High => (level.limit > limit * (1.0 + 1e-11), "most"),
            Side::Low => (level.limit < limit * (1.0 - 1e-11), "least"),
        };
        let is_meant = limits.overrides.iter().any(|(_, entry)| {
            let level_named = entry.level.as_ref();
            entry.laxer_than.is_some() && level_named.is_none_or(|named| named.value == level.name)
        });
        if is_laxer && !is_meant {
            let what = format!(
                "`{}` of {} at {} {unit}{} is laxer than anything we know, from memory: at {most} {limit} {unit}, {of}",
                level.name, limits.scope, level.limit, level.given
            );
            tell(level, of, what);
        }
    }
}
