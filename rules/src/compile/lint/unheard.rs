//! Overrides of a limit that other rules look at, too, and do not hear of.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use front::Problems;

use crate::file::{Condition, Head, Override, Placed, Rule};
use crate::point::PointIdx;
use crate::program::{Program, Scope};
use crate::syntax::{Expr, Name, Node};

/// Warns of each level that an override sets apart from its `limit.<word>`, where another rule of the same point asks for
/// that: a check of capped readings would go on looking at the old one. `written`: all that is written of a rule. A level that
/// is knowingly laxer has no other way, and what looks at the stricter limit sees more.
pub(in crate::compile) fn warn(
    program: &Program,
    rules: &[(&Head, &Rule<'_>)],
    written: &dyn Fn(&Rule<'_>) -> String,
    overrides: &[Override<'_>],
    warnings: &Problems,
) {
    let set_apart: Vec<(&Override<'_>, &Placed<'_, Expr>, &str)> = overrides
        .iter()
        .filter(|entry| entry.laxer_than.is_none())
        .filter_map(|entry| Some((entry, entry.at.as_ref()?, word_of(rules, entry)?)))
        .collect();
    if set_apart.is_empty() {
        return;
    }
    let mut points: BTreeMap<&str, BTreeSet<PointIdx>> = BTreeMap::new();
    for alarm in program.alarm_idxs() {
        if let Scope::Point(point) = program.alarm(alarm).scope {
            let rule = program.rule_of(alarm).name.as_str();
            points.entry(rule).or_default().insert(point);
        }
    }
    // By the word, the rules that ask for it.
    let mut asking: BTreeMap<&str, Vec<(&str, &BTreeSet<PointIdx>)>> = set_apart
        .iter()
        .map(|(_, _, word)| (*word, Vec::new()))
        .collect();
    for (_, rule) in rules {
        let name = rule.name.value.as_str();
        let (Some(points), written) = (points.get(name), written(rule)) else {
            continue;
        };
        for (word, rules) in &mut asking {
            if written.contains(&format!("Limit({word:?})")) {
                rules.push((name, points));
            }
        }
    }
    for (entry, at, word) in set_apart {
        let is_taken = |point: &&PointIdx| {
            let info = program.point(**point);
            let (unit, point, kind) = (&info.unit, &info.point, &info.kind);
            entry.selector.takes(unit, Some(point), Some(kind))
        };
        let own = points.get(entry.rule.value.as_str()).into_iter().flatten();
        let own: Vec<&PointIdx> = own.filter(is_taken).collect();
        let names: Vec<String> = asking[word]
            .iter()
            .filter(|(name, _)| *name != entry.rule.value)
            .filter(|(_, points)| own.iter().any(|point| points.contains(point)))
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        if names.is_empty() {
            continue;
        }
        let what = format!(
            "{} look at `limit.{word}` as it was, expected `{word}` in a [[limits]] table, which is for all rules",
            names.join(", ")
        );
        warnings.add(at.item.place(), at.item.path(), what);
    }
}

/// The limit that the level which an override sets has in its rule, where it is one by itself.
fn word_of<'r>(rules: &[(&Head, &'r Rule<'_>)], entry: &Override<'_>) -> Option<&'r str> {
    let (_, rule) = rules
        .iter()
        .find(|(_, rule)| rule.name.value == entry.rule.value)?;
    let Condition::Limits { high, low, .. } = &rule.condition else {
        return None;
    };
    let level = entry.level.as_ref()?;
    let mut levels = high.iter().chain(low);
    let level = levels.find(|found| found.level.name.value == level.value)?;
    match &level.at.value.node {
        Node::Name(Name::Limit(word)) => Some(word),
        _ => None,
    }
}
