//! A site with a point of each kind that packs and examples know.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use ::rules::pack::PACKS;
use ::rules::point::PointInfo;

/// The language reference.
pub(crate) const LANGUAGE: &str = include_str!("../../../rules/language.md");

/// An expression as a condition of a rule, and in what that remembers.
pub(crate) const IN_CONDITIONS: &str = "pack = \"p\"\nversion = \"1\"\n[[rule]]\nname = \"r\"\nunverified = \"a test\"\ndegrade = \"lower\"\nfor = { kind = \"combustible-gas\" }\nlevels = [{ level = \"L1\", colour = \"yellow\", on_delay = \"1s\", when = '''EXPRESSION''' }]\nonly_while = '''EXPRESSION'''\ntext = { zh = \"z\", en = \"e\" }\n";

/// An expression as a rule's number and its limit.
pub(crate) const AT_LIMITS: &str = "pack = \"p\"\nversion = \"1\"\n[[rule]]\nname = \"r\"\nunverified = \"a test\"\nfor = { kind = \"combustible-gas\" }\nvalue = '''EXPRESSION'''\nhigh = [{ level = \"L1\", colour = \"yellow\", at = '''EXPRESSION''' }]\ntext = { zh = \"z\", en = \"e\" }\n";

pub(crate) fn points() -> &'static [PointInfo] {
    static POINTS: LazyLock<Vec<PointInfo>> = LazyLock::new(|| {
        let tests = PACKS.iter().flat_map(|pack| pack.tests);
        points_of(tests.map(|(_, text)| *text).chain([LANGUAGE]))
    });
    &POINTS
}

/// The points that tests declare.
pub(crate) fn points_of<'t>(tests: impl Iterator<Item = &'t str>) -> Vec<PointInfo> {
    let points = tests.flat_map(str::lines).filter_map(point);
    // Examples use a name twice.
    let by_name: BTreeMap<(String, String), PointInfo> = points
        .map(|point| ((point.unit.clone(), point.point.clone()), point))
        .collect();
    by_name.into_values().collect()
}

/// A point as tests declare it, a line each.
fn point(line: &str) -> Option<PointInfo> {
    let (name, rest) = line.strip_prefix('"')?.split_once("\" = { kind = \"")?;
    let (unit, point) = name.split_once('/')?;
    let (kind, rest) = rest.split_once('"')?;
    let word = |key: &str| Some(rest.split_once(key)?.1.split_once('"')?.0.to_owned());
    Some(PointInfo {
        unit: unit.to_owned(),
        point: point.to_owned(),
        kind: kind.to_owned(),
        eu: word("eu = \""),
        digital: rest.contains("switch = true") || rest.contains("output = true"),
        output: rest.contains("output = true"),
        slave: word("device = \"").map(|device| format!("bus/{device}")),
        attributes: word("loop = \"")
            .map(|of| ("loop".into(), of))
            .into_iter()
            .collect(),
        period_ms: 1_000,
        max_age_ms: 3_000,
        ..PointInfo::default()
    })
}
