//! Which points no rule looks at, and which no rule holds to the limits of their clause.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use front::Problems;

use super::lint;
use crate::file::{Head, Override, Rule, Scope};
use crate::point::PointIdx;
use crate::program::Program;

/// So many names a warning tells at most.
const NAMES_MAX: usize = 5;

/// The points that no rule reads and that are no outputs and show nothing of one; the system's own alarms watch these too.
pub fn unwatched(program: &Program) -> Vec<PointIdx> {
    let is_own = |alarm| program.rule_of(alarm).name.starts_with("sys.");
    let alarms = program.alarm_idxs().filter(|alarm| !is_own(*alarm));
    let mut read: BTreeSet<PointIdx> = alarms
        .flat_map(|alarm| program.points_read_by(alarm))
        .collect();
    for output in program.outputs() {
        read.extend(output.feedback);
    }
    let points = (0..).map(PointIdx).take(program.points().len());
    points
        .filter(|point| !read.contains(point) && !program.point(*point).output)
        .collect()
}

/// Warns of points that rules watch while none of them has the limits of their clause, at the first rule that watches them; `held` are those for which one has.
///
/// A problem at each rule of the site's own that cites the clause, where no override says that it is laxer; of the rules of single points that was told.
pub(super) fn tell_loose(
    program: &Program,
    held: &BTreeSet<PointIdx>,
    rules: &[(&Head, &Rule<'_>)],
    overrides: &[Override<'_>],
    warnings: &Problems,
) {
    let mut told = held.clone();
    let mut first: BTreeMap<(&str, &str), BTreeSet<PointIdx>> = BTreeMap::new();
    let mut each = first.clone();
    for alarm in program.alarm_idxs() {
        for point in program.points_read_by(alarm) {
            let clause = lint::clause_of(&program.point(point).kind);
            let rule = program.rule_of(alarm).name.as_str();
            let Some(clause) = clause.filter(|_| !rule.starts_with("sys.")) else {
                continue;
            };
            if !held.contains(&point) {
                each.entry((rule, clause)).or_default().insert(point);
            }
            if told.insert(point) {
                first.entry((rule, clause)).or_default().insert(point);
            }
        }
    }
    for ((name, clause), points) in &each {
        let rule = rules.iter().find(|(_, rule)| rule.name.value == *name);
        let Some((_, rule)) = rule else { continue };
        let item = &rule.name.item;
        let names = |points| names(program, points);
        let is_laxer =
            |entry: &Override<'_>| entry.rule.value == *name && lint::names(entry, clause);
        // One of a shipped pack stands beside another pack's, which this site may do without.
        let is_shipped = crate::pack::is_shipped(item);
        let is_held_to_it = lint::cites(rule, clause) && !is_shipped;
        if is_held_to_it && !overrides.iter().any(is_laxer) {
            if !matches!(rule.scope, Scope::Points { .. }) {
                let what = lint::not_compared(rule, clause, &names(points), "each of them");
                item.problem(what);
            }
        } else if let Some(points) = first.get(&(*name, *clause)) {
            let names = names(points);
            let what =
                format!("`{name}` watches {names}, and no rule has the limits of {clause} for it");
            warnings.add(item.place(), item.path(), what);
        }
    }
}

/// The first of them by name, and how many more there are.
fn names(program: &Program, points: &BTreeSet<PointIdx>) -> String {
    let name = |point: &PointIdx| {
        let info = program.point(*point);
        format!("{}/{}", info.unit, info.point)
    };
    let mut names: Vec<String> = points.iter().take(NAMES_MAX).map(name).collect();
    let rest = points.len() - names.len();
    if rest > 0 {
        names.push(format!("and {rest} more"));
    }
    names.join(", ")
}
