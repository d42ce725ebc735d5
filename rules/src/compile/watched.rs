//! Which points no rule looks at, and which no rule holds to the limits of their clause.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use front::Problems;

use super::lint;
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

/// Warns of points that rules watch while none of them has the limits of their clause; `held` are those for which one has.
pub(super) fn warn_of_loose(program: &Program, held: &BTreeSet<PointIdx>, warnings: &Problems) {
    let unwatched = unwatched(program);
    let mut loose: BTreeMap<&str, Vec<PointIdx>> = BTreeMap::new();
    for point in (0..).map(PointIdx).take(program.points().len()) {
        if let Some(clause) = lint::clause_of(&program.point(point).kind)
            && !held.contains(&point)
            && !unwatched.contains(&point)
        {
            loose.entry(clause).or_default().push(point);
        }
    }
    for (clause, points) in loose {
        let names = names(program, &points);
        let what = format!("no rule has the limits of {clause} for {names}");
        warnings.add(super::elsewhere("points"), "", what);
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
