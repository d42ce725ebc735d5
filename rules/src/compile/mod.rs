//! Rule files, points and the system's parts → a [`Program`].
//!
//! Every problem of every file is reported, each at its place; a program comes out only when there is none.

mod alarm;
mod level;
mod lint;
mod lower;
mod made;
mod number;
mod output;
mod points;
mod sampling;
mod sense;
mod site;
mod system;
mod watched;

use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use front::{Place, Problems, Source};
use sha2::{Digest, Sha256};

use self::points::Points;
use self::site::Site;
use crate::file::{Condition, Head, Overlay, OverlayDoes, Override, Placed, Rule, RuleFile};
use crate::point::PointInfo;
use crate::program::{Program, ProgramBuilder, RuleInfo};
use crate::syntax::{Expr, Name, Node};

pub use system::{
    BROKER, BusInfo, CHANGE, CHATTER, CLOCK, DATABASE, DISK, FLOOD, LINKAGE, NodeInfo, OFFLINE,
    QUALITY, System, bus_rule, overlay_rule, slave_rule,
};
pub use watched::unwatched;

/// What could not be read, and may be what seems to be missing in the rest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unread {
    /// Some of the site's points.
    pub points: bool,
    /// Some of its rules.
    pub rules: bool,
    /// Some of its limits and overrides.
    pub site: bool,
}

impl Unread {
    /// This, and what could not be read of rule files either.
    pub(crate) fn and(self, files: &[RuleFile<'_>], are_torn: bool) -> Self {
        Self {
            points: self.points,
            rules: self.rules || are_torn || files.iter().any(|file| !file.are_rules_whole),
            site: self.site || are_torn || files.iter().any(|file| !file.is_site_whole),
        }
    }
}

/// Compiles rule files for a site.
///
/// `points` keep their order: a point's index in the program is its index here.
/// `warnings` gets what is odd and harmless: a rule that no point needs, a limit that no rule asks for.
/// None when there is a problem, in the files or in how they fit the points.
pub fn compile(
    sources: &[Source],
    points: &[PointInfo],
    system: &System,
    problems: &Problems,
    warnings: &Problems,
) -> Option<Program> {
    let n_before = problems.len();
    let program = with_files(sources, problems, |files, are_torn| {
        let unread = Unread::default().and(files, are_torn);
        compile_files(files, points, Some(system), unread, problems, warnings)
    });
    (problems.len() == n_before).then_some(program)
}

/// Holds rule files against what is known of a site while something of it could not be read: that is never taken for missing.
pub fn check_against(
    sources: &[Source],
    points: &[PointInfo],
    unread: Unread,
    problems: &Problems,
) {
    with_files(sources, problems, |files, are_torn| {
        let unread = unread.and(files, are_torn);
        compile_files(files, points, None, unread, problems, &Problems::default())
    });
}

/// Checks what can be known of rule files without a site: their form, their levels and how they refer to each other.
///
/// Gives the number of rules.
pub fn check(sources: &[Source], problems: &Problems) -> usize {
    with_files(sources, problems, |files, are_torn| {
        let unread = Unread::default().and(files, are_torn);
        let rules = rules_in_order(files, unread.rules);
        let overrides = files.iter().flat_map(|file| &file.overrides);
        let overrides: Vec<&Override<'_>> = overrides.collect();
        for (_, rule) in &rules {
            level::check_levels(rule);
            level::check_written_limits(rule);
            lint::check_written(rule, &overrides);
        }
        for file in files {
            check_overrides(&file.overrides, &rules, true);
            check_overlays(&file.overlays, &rules, true);
        }
        rules.len()
    })
}

/// Reads files for as long as `work` takes, which is also told whether one of them is no TOML.
fn with_files<T>(
    sources: &[Source],
    problems: &Problems,
    work: impl FnOnce(&[RuleFile<'_>], bool) -> T,
) -> T {
    let n_before = problems.len();
    let documents: Vec<_> = sources
        .iter()
        .map(|source| source.parse(problems))
        .collect();
    let are_torn = problems.len() > n_before;
    let files: Vec<RuleFile<'_>> = documents
        .iter()
        .map(|document| RuleFile::read(&document.root()))
        .collect();
    work(&files, are_torn)
}

/// Compiles files that were read. What comes out is of use only when no problem was added.
pub(crate) fn compile_files(
    files: &[RuleFile<'_>],
    infos: &[PointInfo],
    system: Option<&System>,
    unread: Unread,
    problems: &Problems,
    warnings: &Problems,
) -> Program {
    let mut builder = ProgramBuilder::new();
    for info in infos {
        if let Err(error) = builder.point(info.clone()) {
            problems.add(elsewhere("points"), "", error.to_string());
        }
    }
    let points = Points::new(infos, !unread.points);
    if let Some(system) = system {
        let outputs = output::listed(files, &points);
        system::add(&mut builder, infos, &outputs, system, &mut |error| {
            problems.add(elsewhere("system"), "", error.to_string());
        });
    }
    let site = Site::read(files, &points, unread);
    let rules = rules_in_order(files, unread.rules);
    check_overrides(&site.overrides, &rules, unread.rules);
    check_overlays(&site.overlays, &rules, unread.rules);
    let sense = sense::Sense::new(&points, warnings);
    let mut adding = alarm::Adding::new(&points, &site, builder, sense, warnings);
    for (head, rule) in &rules {
        let written = written(rule, &site);
        match adding.builder.rule(rule_info(head, rule, &written)) {
            Ok(idx) => adding.rule(rule, idx, &site.limits_asked(&written)),
            Err(error) => rule.name.item.problem(error.to_string()),
        }
    }
    adding.warn_of_odd();
    // What seems to be of no use may be for what could not be read.
    if unread == Unread::default() {
        adding.warn_of_unused();
        site.warn_of_unused(&|selector| adding.nearest_to(selector), warnings);
        adding.check_cited();
    }
    if let Some(system) = system {
        adding.tell_overlays(&system.gateway, &mut |error| {
            problems.add(elsewhere("system"), "", error.to_string());
        });
    }
    output::add(&mut adding, files, &rules, unread.rules);
    let wishes = sampling::wishes(&adding, &rules);
    adding.sense.end();
    let held = adding.held.take();
    let mut program = adding.builder.build();
    for (alarm, periods_ms) in wishes {
        program.sample(alarm, periods_ms);
    }
    // Without the system it is no site.
    if unread == Unread::default() && system.is_some() {
        watched::tell_loose(&program, &held, &rules, &site.overrides, warnings);
        let written = |rule: &Rule<'_>| written(rule, &site);
        lint::unheard::warn(&program, &rules, &written, &site.overrides, warnings);
    }
    program
}

/// A place for what is wrong outside the rule files.
fn elsewhere(what: &str) -> Place {
    Place {
        file: format!("({what})"),
        line: 0,
        col: 0,
    }
}

/// All rules of all packs: those that make readings uncertain first, and those that count others after the ones they count.
///
/// `unread`: a rule that is not here may be one that could not be read.
fn rules_in_order<'f, 'a>(
    files: &'f [RuleFile<'a>],
    unread: bool,
) -> Vec<(&'f Head, &'f Rule<'a>)> {
    let mut by_name: BTreeMap<&str, &Rule<'a>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for file in files {
        let Some(head) = &file.head else { continue };
        for rule in &file.rules {
            match by_name.get(rule.name.value.as_str()) {
                // Its name is wrong; what else is wrong with it is told all the same.
                Some(first) => rule.name.item.problem(format!(
                    "a second rule `{}`, the first is at {}",
                    rule.name.value,
                    first.name.item.place()
                )),
                None => {
                    by_name.insert(&rule.name.value, rule);
                }
            }
            waiting.push((head, rule));
        }
    }
    let mut ordered: Vec<(&Head, &Rule<'_>)> = Vec::new();
    loop {
        let n_before = waiting.len();
        waiting.retain(|(head, rule)| {
            let ready = rests_on(rule).iter().all(|name| {
                !by_name.contains_key(name.as_str())
                    || ordered.iter().any(|(_, done)| done.name.value == **name)
            });
            if ready {
                ordered.push((head, rule));
            }
            !ready
        });
        if waiting.len() == n_before {
            break;
        }
    }
    let is_first = |rule: &Rule<'_>| {
        let first = by_name.get(rule.name.value.as_str());
        first.is_some_and(|first| std::ptr::eq(*first, rule))
    };
    for (_, rule) in waiting.iter().filter(|(_, rule)| is_first(rule)) {
        rule.name.item.problem(format!(
            "`{}` rests on itself, through {}",
            rule.name.value,
            rests_on(rule)
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ));
    }
    if are_doubts_first(&ordered) {
        ordered.sort_by_key(|(_, rule)| !rule.makes_uncertain);
    }
    for (_, rule) in &ordered {
        if let Condition::Counts { over, .. } = &rule.condition {
            for name in over {
                if !unread && !by_name.contains_key(name.value.as_str()) {
                    name.item
                        .problem(unknown_rule(&name.value, by_name.keys().copied()));
                }
            }
        }
    }
    ordered
}

/// Reports rules that make readings uncertain and rest on others that see them so, which would hold each other up. True
/// when there is none, and they may come before all others.
fn are_doubts_first(rules: &[(&Head, &Rule<'_>)]) -> bool {
    let doubts = |name: &str| {
        let mut named = rules.iter().filter(|(_, rule)| rule.name.value == name);
        named.all(|(_, rule)| rule.makes_uncertain)
    };
    let mut are_first = true;
    for (_, rule) in rules.iter().filter(|(_, rule)| rule.makes_uncertain) {
        let name = &rule.name;
        if matches!(rule.condition, Condition::Counts { .. }) {
            name.item.problem(format!(
                "`{}` counts alarms and reads no point that it could make uncertain, expected no `makes_uncertain`",
                name.value
            ));
        } else if let Some(seer) = rests_on(rule).into_iter().find(|other| !doubts(other)) {
            name.item.problem(format!(
                "`{}` makes readings uncertain and asks for `{seer}`, which then sees them so, expected `makes_uncertain = true` there, too",
                name.value
            ));
            are_first = false;
        }
    }
    are_first
}

fn counted_by<'r>(rule: &'r Rule<'_>) -> Vec<&'r String> {
    match &rule.condition {
        Condition::Counts { over, .. } => over.iter().map(|name| &name.value).collect(),
        Condition::Limits { .. } | Condition::When(_) => Vec::new(),
    }
}

/// The rules whose alarms a rule counts or asks for: they come before it.
fn rests_on<'r>(rule: &'r Rule<'_>) -> Vec<&'r String> {
    let mut names = counted_by(rule);
    for expr in rule.exprs() {
        expr.value.walk(&mut |part| {
            if let Node::Name(Name::Alarm(name)) = &part.node {
                names.push(name);
            }
        });
    }
    names
}

fn unknown_rule<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    let hint = front::nearest(name, known)
        .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
    format!("no rule `{name}` in these files{hint}")
}

/// Checks what overrides name; `unread`: the rule may be one that is not here.
fn check_overrides(overrides: &[Override<'_>], rules: &[(&Head, &Rule<'_>)], unread: bool) {
    for entry in overrides {
        let Some(rule) = named_rule(&entry.rule, rules, unread) else {
            continue;
        };
        check_level(entry.level.as_ref(), rule);
        if let Some(at) = &entry.at {
            check_limit(at, entry.level.is_some(), rule);
        }
    }
}

/// The same of overlays.
fn check_overlays(overlays: &[Overlay<'_>], rules: &[(&Head, &Rule<'_>)], unread: bool) {
    for entry in overlays {
        let Some(rule) = named_rule(&entry.rule, rules, unread) else {
            continue;
        };
        match &entry.does {
            OverlayDoes::At { level, at } => {
                check_level(level.as_ref(), rule);
                check_limit(at, level.is_some(), rule);
            }
            OverlayDoes::LevelUp => {
                let most = match &rule.condition {
                    Condition::Limits { high, low, .. } => high.len().max(low.len()),
                    Condition::When(levels) => levels.len(),
                    Condition::Counts { .. } => {
                        entry.rule.item.problem(format!(
                            "`{}` counts other alarms, expected a rule with limits or conditions for `level_up`",
                            entry.rule.value
                        ));
                        continue;
                    }
                };
                if most < 2 {
                    entry.rule.item.problem(format!(
                        "`{}` has no two levels on one side, expected a milder one before some level for `level_up`",
                        entry.rule.value
                    ));
                }
            }
        }
    }
}

fn named_rule<'r, 'a>(
    name: &Placed<'_, String>,
    rules: &[(&Head, &'r Rule<'a>)],
    unread: bool,
) -> Option<&'r Rule<'a>> {
    let found = rules.iter().find(|(_, rule)| rule.name.value == name.value);
    if found.is_none() && !unread {
        let known = rules.iter().map(|(_, rule)| rule.name.value.as_str());
        name.item.problem(unknown_rule(&name.value, known));
    }
    found.map(|(_, rule)| *rule)
}

fn check_level(level: Option<&Placed<'_, String>>, rule: &Rule<'_>) {
    let Some(level) = level else { return };
    let levels = rule.levels();
    let names: Vec<&str> = levels
        .iter()
        .map(|level| level.name.value.as_str())
        .collect();
    if !names.contains(&level.value.as_str()) {
        let hint = front::nearest(&level.value, names.iter().copied()).map_or_else(
            || format!("expected one of `{}`", names.join("`, `")),
            |near| format!("did you mean `{near}`?"),
        );
        let rule = &rule.name.value;
        let what = format!("no level `{}` in `{rule}`, {hint}", level.value);
        level.item.problem(what);
    }
}

fn check_limit(at: &Placed<'_, Expr>, names_level: bool, rule: &Rule<'_>) {
    if !matches!(rule.condition, Condition::Limits { .. }) {
        let name = &rule.name.value;
        at.item
            .problem(format!("`{name}` has no limits that could be set"));
    } else if !names_level && rule.levels().len() > 1 {
        at.item
            .problem("a limit for several levels, expected `level` beside it");
    }
}

/// All that is written of a rule, wherever: with the calendars and the derived numbers that it names.
fn written(rule: &Rule<'_>, site: &Site<'_>) -> String {
    let mut written = format!("{rule:?}");
    written.push_str(&site.written_parts(&written));
    written
}

fn rule_info(head: &Head, rule: &Rule<'_>, written: &str) -> RuleInfo {
    RuleInfo {
        name: rule.name.value.clone(),
        pack: head.pack.clone(),
        version: head.version.clone(),
        hash: hash(&[&head.pack, written]),
        clause: rule.clause.clone(),
        text: rule.text.clone(),
        advice: rule.advice.clone(),
        test: false,
        makes_uncertain: rule.makes_uncertain,
        suppress: rule
            .life
            .suppress
            .iter()
            .map(|reason| reason.reason.value.clone())
            .collect(),
    }
}

/// SHA-256 over parts that can't run into each other, hex.
fn hash(parts: &[&str]) -> String {
    let digest = digest(parts);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same as a number; 0 where nothing is said.
fn number_of(written: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = digest(&[written]);
    match written.is_empty() {
        true => 0,
        false => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
    }
}

fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_string());
        hasher.update(":");
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests;
