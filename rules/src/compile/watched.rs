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
/// A problem where that rule cites the clause, unless an override says that it is laxer; of a point's own rule that was told.
pub(super) fn tell_loose(
    program: &Program,
    held: &BTreeSet<PointIdx>,
    rules: &[(&Head, &Rule<'_>)],
    overrides: &[Override<'_>],
    warnings: &Problems,
) {
    let mut told = held.clone();
    let mut loose: BTreeMap<(&str, &str), Vec<PointIdx>> = BTreeMap::new();
    for alarm in program.alarm_idxs() {
        for point in program.points_read_by(alarm) {
            let clause = lint::clause_of(&program.point(point).kind);
            let rule = &program.rule_of(alarm).name;
            if let Some(clause) = clause.filter(|_| !rule.starts_with("sys."))
                && told.insert(point)
            {
                loose.entry((rule, clause)).or_default().push(point);
            }
        }
    }
    for ((name, clause), points) in loose {
        let rule = rules.iter().find(|(_, rule)| rule.name.value == name);
        let Some((_, rule)) = rule else { continue };
        let names = names(program, &points);
        let is_laxer =
            |entry: &Override<'_>| entry.rule.value == name && lint::names(entry, clause);
        match rule.scope {
            _ if !lint::cites(rule, clause) || overrides.iter().any(is_laxer) => {
                let what = format!(
                    "`{name}` watches {names}, and no rule has the limits of {clause} for it"
                );
                warnings.add(rule.name.item.place(), rule.name.item.path(), what);
            }
            Scope::Points { .. } => {}
            Scope::Units { .. } | Scope::CountedUnits | Scope::Site => {
                rule.name
                    .item
                    .problem(lint::not_compared(rule, clause, &names, "each of them"));
            }
        }
    }
}

/// The first of them by name, and how many more there are.
fn names(program: &Program, points: &[PointIdx]) -> String {
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
