//! What levels say among themselves, and what the site sets otherwise.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::alarm::Overrides;
use super::lint::{self, Found};
use super::lower::Here;
use super::number::Measure;
use crate::file::{Condition, Level, LimitLevel, Override, Rule};
use crate::program::{LevelSpec, Side, Test};
use crate::syntax::Node;

/// A level with the delays that the site sets.
pub(super) fn level_spec(
    level: &Level<'_>,
    test: Test,
    overrides: &Overrides<'_, '_>,
) -> LevelSpec {
    let of_site = |pick: &dyn Fn(&Override<'_>) -> Option<u64>| {
        overrides
            .iter()
            .rev()
            .filter(|(_, entry)| entry.is_for(level))
            .find_map(|(_, entry)| pick(entry))
    };
    LevelSpec {
        name: level.name.value.clone(),
        colour: level.colour,
        severity: level.severity,
        test,
        on_delay_ms: of_site(&|entry| entry.on_delay_ms).unwrap_or(level.on_delay_ms),
        off_delay_ms: of_site(&|entry| entry.off_delay_ms).unwrap_or(level.off_delay_ms),
        latch: level.latch,
        overlays: Vec::new(),
    }
}

/// True when the site switches a level off, or the rule with all of them.
pub(super) fn is_off(level: &Level<'_>, overrides: &Overrides<'_, '_>) -> bool {
    let mut entries = overrides.iter();
    entries.any(|(_, entry)| entry.off && entry.is_for(level))
}

/// What can be said of a rule's levels without knowing any point.
pub(super) fn check_levels(rule: &Rule<'_>) {
    check_votes(rule);
    lint::check_times(rule);
    let levels = rule.levels();
    for (index, level) in levels.iter().enumerate() {
        let name = &level.name;
        if levels[..index]
            .iter()
            .any(|other| other.name.value == name.value)
        {
            name.item
                .problem(format!("a second level `{}`", name.value));
        }
    }
    let sides = match &rule.condition {
        Condition::Limits { high, .. } => levels.split_at(high.len()),
        Condition::When(_) | Condition::Counts { .. } => levels.split_at(levels.len()),
    };
    for side in [sides.0, sides.1] {
        for pair in side.windows(2) {
            if let [milder, graver] = pair
                && graver.severity < milder.severity
            {
                graver.name.item.problem(format!(
                    "`{}` ({}) comes after `{}` ({}), expected the mildest level first",
                    graver.name.value,
                    graver.colour.word(),
                    milder.name.value,
                    milder.colour.word()
                ));
            }
        }
    }
}

/// What can be said of a rule's limits without knowing any site: only of those that are written as numbers.
pub(super) fn check_written_limits(rule: &Rule<'_>) {
    if let Condition::Limits { high, low, .. } = &rule.condition {
        check_written(high, true);
        check_written(low, false);
    }
}

fn check_written(levels: &[LimitLevel<'_>], is_high: bool) {
    for pair in levels.windows(2) {
        if let [before, after] = pair
            && let (Node::Number(milder, unit), Node::Number(graver, other)) =
                (&before.at.value.node, &after.at.value.node)
            && unit == other
            && (graver <= milder) == is_high
        {
            after.at.item.problem(format!(
                "`{}` at {graver} is not {} `{}` at {milder}, expected each level beyond the one before",
                after.level.name.value,
                if is_high { "above" } else { "below" },
                before.level.name.value,
            ));
        }
    }
}

/// Who counts must say what an unknown one does to the count.
fn check_votes(rule: &Rule<'_>) {
    let mut votes = matches!(rule.condition, Condition::Counts { .. });
    for expr in rule.exprs() {
        expr.value.walk(&mut |part| {
            votes |= matches!(part.node, Node::Call(function, _) if function.votes());
        });
    }
    if votes && !rule.degrades {
        rule.name.item.problem(format!(
            "`{}` counts and says nothing of unknown ones, expected `degrade = \"hold\"`, `\"vote\"`, `\"drop\"` or `\"lower\"`",
            rule.name.value
        ));
    }
}

/// Reports a level that is not beyond the one before it. True when all are.
pub(super) fn in_order(found: &[Found<'_, '_>], measure: &Measure, here: &Here<'_>) -> bool {
    let unit = measure
        .name()
        .map_or_else(String::new, |name| format!(" {name}"));
    let mut fine = true;
    for pair in found.windows(2) {
        let [before, after] = pair else { continue };
        if before.side != after.side {
            continue;
        }
        let (beyond, word) = match after.side {
            Side::High => (after.limit > before.limit, "above"),
            Side::Low => (after.limit < before.limit, "below"),
        };
        if !beyond {
            after.item.problem(format!(
                "`{}` of {} at {}{unit} is not {word} `{}` at {}{unit}, expected each level beyond the one before",
                after.name,
                scope_name(here),
                after.limit,
                before.name,
                before.limit
            ));
            fine = false;
        }
    }
    let mildest = |side| found.iter().find(|level| level.side == side);
    if let (Some(high), Some(low)) = (mildest(Side::High), mildest(Side::Low))
        && high.limit <= low.limit
    {
        low.item.problem(format!(
            "`{}` of {} at or below {}{unit} and `{}` at or above {}{unit}: every number is in alarm",
            low.name,
            scope_name(here),
            low.limit,
            high.name,
            high.limit
        ));
        fine = false;
    }
    fine
}

/// What an alarm is about, as messages call it.
pub(super) fn scope_name(here: &Here<'_>) -> String {
    match (here.own, here.unit) {
        (Some(own), _) => here.points.name(own),
        (None, Some(unit)) => format!("unit {unit}"),
        (None, None) => "the site".to_string(),
    }
}
