//! Rule tests that engineers write: readings over time in, alarms at times out.
//!
//! ```toml
//! packs = ["gas"]                    # packs that come with the program, or files beside this one: "ours.toml"
//!
//! [points]                           # the site that the test pretends to be
//! "tank/gt-01" = { kind = "combustible-gas", eu = "%LEL" }   # period 1s, max_age three periods, switch = true, device = "…"
//!
//! [[limits]]                         # and its limits and overrides, as in a site's file
//! molar-volume = "24.45 L/mol"
//!
//! [[case]]
//! name   = "level 1 after five seconds"
//! begins = "2026-07-15 08:00"        # China's time; 2026-01-01 08:00 where nothing is said
//! alarm  = "tank/gt-01/combustible-gas"
//! series = { "tank/gt-01" = "10*3 30..." }
//! steps  = [
//!   { at = "7999ms", letter = "A" },
//!   { at = "8s", letter = "B", level = "L1", event = "raised" },
//!   { at = "9s", do = "ack", by = "Li Wei" },
//!   { at = "10s", do = "out-of-service", by = "Li Wei", second = "Zhang Min", ticket = "W-17", for = "2h" },
//! ]
//! ```
//!
//! A step comes after the readings of its own time, and after the timers that are due by then.

mod file;
mod report;
mod run;
mod series;

use std::collections::BTreeSet;
use std::format;
use std::string::ToString;
use std::sync::Arc;
use std::vec::Vec;

use front::{Item, Problems, Source};

pub use self::report::{CaseReport, Report};

use self::file::Case;
use crate::compile::{System, Unread, compile_files};
use crate::file::RuleFile;
use crate::pack;

/// Plays every case of a test file.
///
/// `beside` reads a rule file that the test names, as `ours.toml`.
/// None when the file, or a rule that it tests, has a problem.
pub fn run(
    source: &Source,
    beside: &dyn Fn(&str) -> Result<Source, std::string::String>,
    problems: &Problems,
) -> Option<Report> {
    let n_before = problems.len();
    let document = source.parse(problems);
    let root = document.root();
    let n_before_packs = problems.len();
    let packs = root.req("packs").map(|item| item.items());
    let packs: Vec<Source> = packs
        .unwrap_or_default()
        .iter()
        .filter_map(|item| rules_of(item, beside))
        .collect();
    let mut are_torn = problems.len() > n_before_packs;
    let n_before_points = problems.len();
    let points = file::points(&root);
    let are_points_torn = problems.len() > n_before_points;
    let site = RuleFile::read_site(&root);
    let cases = root.req("case").map(|item| item.tables());
    let cases: Vec<Case<'_>> = cases
        .unwrap_or_default()
        .iter()
        .filter_map(|table| Case::read(table, &points, problems))
        .collect();
    root.finish();
    let n_before_rules = problems.len();
    let documents: Vec<_> = packs.iter().map(|pack| pack.parse(problems)).collect();
    are_torn |= problems.len() > n_before_rules;
    let mut files: Vec<RuleFile<'_>> = documents
        .iter()
        .map(|document| RuleFile::read(&document.root()))
        .collect();
    files.push(site);
    let unread = Unread {
        points: are_points_torn,
        ..Unread::default()
    };
    let unread = unread.and(&files, are_torn);
    let system = System {
        gateway: "gateway".to_string(),
        nodes: Vec::new(),
    };
    let warnings = Problems::default();
    let program = compile_files(&files, &points, Some(&system), unread, problems, &warnings);
    let is_known = unread == Unread::default();
    for step in cases.iter().flat_map(|case| &case.steps) {
        if is_known && program.find_alarm(&step.alarm.value).is_none() {
            let ids: Vec<_> = program
                .alarm_idxs()
                .map(|alarm| program.id_of(alarm).to_string())
                .collect();
            let hint = front::nearest(&step.alarm.value, ids.iter().map(|id| id.as_str()))
                .map_or_else(Default::default, |near| format!(", did you mean `{near}`?"));
            step.alarm
                .item
                .problem(format!("no alarm `{}` here{hint}", step.alarm.value));
        }
    }
    if problems.len() > n_before {
        return None;
    }
    let program = Arc::new(program);
    let mut levels = BTreeSet::new();
    let cases = cases
        .iter()
        .map(|case| run::run(case, &program, &mut levels))
        .collect();
    Some(Report { cases, levels })
}

/// The rules that a test names: a pack that comes with the program, or a file beside the test.
fn rules_of(
    item: &Item<'_>,
    beside: &dyn Fn(&str) -> Result<Source, std::string::String>,
) -> Option<Source> {
    let name = item.str()?;
    if let Some(pack) = pack::pack(name) {
        return Some(pack.source());
    }
    if name.ends_with(".toml") {
        return match beside(name) {
            Ok(source) => Some(source),
            Err(error) => {
                item.problem(error);
                None
            }
        };
    }
    item.problem(pack::unknown(name));
    None
}

#[cfg(test)]
mod tests;
