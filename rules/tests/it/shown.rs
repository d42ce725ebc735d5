//! Each rule of a shipped pack is shown by cases of its pack: that it trips, that it keeps quiet until then, that it says when it can't tell, and that it ends.
//!
//! How exactly, to the last digit of a limit and the last second of a delay, is what the changed packs of `mutation` ask.

use std::collections::{BTreeMap, BTreeSet};

use front::{Item, Problems, Table};
use rules::file::RuleFile;
use rules::pack::{PACKS, Pack};

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Shown {
    /// It is expected in A, and later in the same case to be active.
    QuietThenTrips,
    Unknown,
    /// After it was active it is expected not to be, or to be in A again.
    Recovers,
}

/// What these look at is whether a point can be used at all: bad and silent points make them true, and nothing makes them unknown.
const NEVER_UNKNOWN: [&str; 3] = ["instrument-fault", "video-lost", "chip-offline"];

fn word<'a>(table: &Table<'a>, key: &str) -> Option<&'a str> {
    table.opt(key).and_then(|item| item.str())
}

fn tables<'a>(table: &Table<'a>, key: &str) -> Vec<Table<'a>> {
    let items = table.opt(key).map(|item| item.items());
    let tables = items.unwrap_or_default();
    tables.iter().filter_map(Item::table).collect()
}

/// What the tests of a pack show of each rule.
fn shown_by(pack: &Pack) -> BTreeMap<String, BTreeSet<Shown>> {
    let mut shown: BTreeMap<String, BTreeSet<Shown>> = BTreeMap::new();
    for source in pack.test_sources() {
        let problems = Problems::default();
        let document = source.parse(&problems);
        for case in tables(&document.root(), "case") {
            let own = word(&case, "alarm");
            // Of each alarm whether it was quiet, and whether it was active.
            let mut were: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
            for step in tables(&case, "steps") {
                let alarm = word(&step, "alarm").or(own).unwrap();
                let (_, rule) = alarm.rsplit_once('/').unwrap();
                let (was_quiet, was_active) = were.entry(alarm).or_default();
                let (letter, event) = (word(&step, "letter"), word(&step, "event"));
                let is_active = matches!(letter, Some("B" | "C"))
                    || event == Some("raised")
                    || word(&step, "level").is_some();
                let is_over = matches!(letter, Some("D" | "E" | "F")) || event == Some("returned");
                let found = shown.entry(rule.to_owned()).or_default();
                if *was_quiet && is_active {
                    found.insert(Shown::QuietThenTrips);
                }
                if is_over || *was_active && letter == Some("A") {
                    found.insert(Shown::Recovers);
                }
                if step.opt("unknown").and_then(|item| item.bool()) == Some(true) {
                    found.insert(Shown::Unknown);
                }
                *was_quiet |= letter == Some("A");
                *was_active |= is_active;
            }
        }
    }
    shown
}

#[test]
fn each_rule_of_a_pack_is_shown_to_trip_to_keep_quiet_to_be_unknown_and_to_end() {
    let mut lacking = Vec::new();
    for pack in &PACKS {
        let problems = Problems::default();
        let source = pack.source();
        let document = source.parse(&problems);
        let file = RuleFile::read(&document.root());
        assert!(!file.rules.is_empty());
        let shown = shown_by(pack);
        for rule in &file.rules {
            let name = &rule.name.value;
            let found = shown.get(name).cloned().unwrap_or_default();
            for wanted in [Shown::QuietThenTrips, Shown::Unknown, Shown::Recovers] {
                let is_never = wanted == Shown::Unknown && NEVER_UNKNOWN.contains(&name.as_str());
                if found.contains(&wanted) == is_never {
                    lacking.push(format!("{}/{name}: {wanted:?}", pack.name));
                }
            }
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}
