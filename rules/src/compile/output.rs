//! What the site lets rules switch → which alarms switch which output.
//!
//! A rule's level asks for a kind of output, as `siren`; the site names the output, and the rules that may have it.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use super::alarm::Adding;
use super::points::Points;
use super::{system, unknown_rule};
use crate::file::{Head, Output, Placed, Rule, RuleFile};
use crate::point::PointIdx;
use crate::program::{Action, OutputInfo};

/// What is asked for, by rule.
type Rules<'r, 'a> = BTreeMap<&'r str, &'r Rule<'a>>;

/// Adds the outputs of all files, each with its alarm; `unread`: a rule that is not here may be one that could not be read.
pub(super) fn add<'a>(
    adding: &mut Adding<'_, 'a>,
    files: &[RuleFile<'a>],
    rules: &[(&Head, &Rule<'a>)],
    unread: bool,
) {
    let rules: Rules<'_, 'a> = rules
        .iter()
        .map(|(_, rule)| (rule.name.value.as_str(), *rule))
        .collect();
    let mut seen: BTreeMap<PointIdx, &Output<'a>> = BTreeMap::new();
    for output in files.iter().flat_map(|file| &file.outputs) {
        let point = find(adding, &output.point);
        if let Some(point) = point
            && !adding.points.info(point).output
        {
            let name = adding.points.name(point);
            output.point.item.problem(format!(
                "{name} is no output, expected `fail_safe` beside it in its bus file"
            ));
        }
        if let Some(first) = point.and_then(|point| seen.insert(point, output)) {
            output.point.item.problem(format!(
                "a second time, the first is at {}",
                first.point.item.place()
            ));
            continue;
        }
        let feedback = output.feedback.as_ref().and_then(|placed| {
            let found = find(adding, placed)?;
            if !adding.points.info(found).digital {
                let name = adding.points.name(found);
                placed
                    .item
                    .problem(format!("{name} is a number, expected a switch"));
            }
            Some(found)
        });
        for unit in &output.units {
            if !adding.points.has_unit(&unit.value) && adding.points.are_all {
                let hint = front::nearest(&unit.value, adding.points.units())
                    .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
                unit.item
                    .problem(format!("no unit {} in this site{hint}", unit.value));
            }
        }
        let mut actions = Vec::new();
        for name in &output.rules {
            let Some(rule) = rules.get(name.value.as_str()) else {
                if !unread {
                    name.item
                        .problem(unknown_rule(&name.value, rules.keys().copied()));
                }
                continue;
            };
            if let Some(point) = point {
                actions.extend(actions_of(adding, output, point, name, rule));
            }
        }
        let Some(point) = point else { continue };
        let id = format!("{}/{}", adding.points.name(point), system::LINKAGE);
        // What is no output has none, and was told.
        let Some(linkage) = adding.builder.find_alarm(&id) else {
            continue;
        };
        adding.builder.output(OutputInfo {
            point,
            class: output.class,
            min_on_ms: output.min_on_ms,
            feedback,
            within_ms: output.within_ms,
            linkage,
            actions,
        });
    }
}

/// The outputs that files name, as far as they are there.
pub(super) fn listed(files: &[RuleFile<'_>], points: &Points<'_>) -> BTreeSet<PointIdx> {
    let outputs = files.iter().flat_map(|file| &file.outputs);
    outputs
        .filter_map(|output| {
            let (unit, point) = &output.point.value;
            points.find(unit, point)
        })
        .filter(|point| points.info(*point).output)
        .collect()
}

fn find(adding: &Adding<'_, '_>, placed: &Placed<'_, (String, String)>) -> Option<PointIdx> {
    let (unit, point) = &placed.value;
    let found = adding.points.find(unit, point);
    if found.is_none() && adding.points.are_all {
        let names = adding.points.names();
        let wanted = format!("{unit}/{point}");
        let hint = front::nearest(&wanted, names.iter().map(String::as_str))
            .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
        placed
            .item
            .problem(format!("no point {wanted} in this site{hint}"));
    }
    found
}

/// The alarms of a rule that switch an output, and at which levels.
fn actions_of<'a>(
    adding: &Adding<'_, 'a>,
    output: &Output<'a>,
    point: PointIdx,
    name: &Placed<'a, String>,
    rule: &Rule<'a>,
) -> Vec<Action> {
    let info = adding.points.info(point);
    let kind = info.kind.as_str();
    let asks = |level: &str| {
        let reached = rule.up_to(level);
        let mut asked = reached.iter().flat_map(|level| &level.actions);
        asked.any(|asked| asked.value == kind)
    };
    let levels = rule.levels();
    let asked = || levels.iter().flat_map(|level| &level.actions);
    if !asked().any(|asked| asked.value == kind) {
        let mut kinds: Vec<&str> = asked().map(|asked| asked.value.as_str()).collect();
        kinds.dedup();
        let asks_for = match kinds.as_slice() {
            [] => String::from("it asks for no output at all"),
            kinds => format!("it asks for `{}`", kinds.join("`, `")),
        };
        name.item.problem(format!(
            "`{}` asks for no output of kind `{kind}`: {asks_for}",
            name.value
        ));
        return Vec::new();
    }
    let others = output.units.iter().map(|other| other.value.as_str());
    let in_reach = others.chain([info.unit.as_str()]);
    let actions: Vec<Action> = adding
        .made
        .of_site_and(&name.value, in_reach)
        .into_iter()
        .filter_map(|alarm| {
            let levels = adding.builder.levels_of(alarm)?;
            let mut bits = 0;
            for (index, level) in levels.iter().enumerate() {
                bits |= u16::from(asks(&level.name)) << index;
            }
            Some(Action {
                alarm,
                levels: bits,
            })
        })
        .collect();
    if actions.is_empty() {
        adding.warn(
            &name.item,
            format!(
                "`{}` has no alarm in unit {}, expected `units` beside it with those that have",
                name.value, info.unit
            ),
        );
    }
    actions
}
