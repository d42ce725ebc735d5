//! Each number, each comparison, each colour, each output and each doubt of a shipped rule is held by a test of its pack: changed by the least, some test fails.

#![allow(
    clippy::string_slice,
    reason = "the places were found in the text, at ASCII"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use front::{Problems, Source};
use rules::file::{Condition, RuleFile};
use rules::pack::{PACKS, Pack};
use rules::syntax::{Name, Node};

/// A pack with one thing changed.
struct Mutant {
    rule: String,
    /// What was changed, and into what.
    what: String,
    text: String,
}

/// The keys whose numbers are limits or times.
const KEYS: [&str; 13] = [
    "at",
    "otherwise",
    "deadband",
    "on_delay",
    "off_delay",
    "when",
    "only_while",
    "value",
    "count",
    "period",
    "severity",
    "re_alarm",
    "shelve_max",
];

/// Each colour, and the one that it is changed into.
const COLOURS: [(&str, &str); 4] = [
    ("\"blue\"", "\"yellow\""),
    ("\"yellow\"", "\"orange\""),
    ("\"orange\"", "\"red\""),
    ("\"red\"", "\"orange\""),
];

/// The stretches of a rule's text that are values of these keys.
fn values<'k>(text: &str, keys: &[&'k str]) -> Vec<(&'k str, Range<usize>)> {
    let mut found = Vec::new();
    for &key in keys {
        for (at, _) in text.match_indices(key) {
            let before = text[..at].chars().next_back();
            let rest = &text[at + key.len()..];
            let value = rest.trim_start().strip_prefix('=').map(str::trim_start);
            let Some(value) = value.filter(|_| matches!(before, Some(' ' | '\n'))) else {
                continue;
            };
            let from = text.len() - value.len();
            let quotes = ["\"\"\"", "\""]
                .into_iter()
                .find(|it| value.starts_with(it));
            let len = match quotes {
                Some(quotes) => value[quotes.len()..].find(quotes).unwrap() + 2 * quotes.len(),
                None => value.find([' ', ',']).unwrap(),
            };
            found.push((key, from..from + len));
        }
    }
    found
}

/// The numbers of a value, not those inside a word.
fn numbers(value: &str) -> Vec<Range<usize>> {
    let bytes = value.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let inside =
            at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || b"_-.'/".contains(&bytes[at - 1]));
        if !bytes[at].is_ascii_digit() || inside {
            at += 1;
            continue;
        }
        let len = value[at..]
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(value.len() - at);
        found.push(at..at + len);
        at += len;
    }
    found
}

/// A number one step up and one down, in its own resolution.
fn steps(number: &str) -> [String; 2] {
    let digits = number.split_once('.').map_or(0, |(_, digits)| digits.len());
    let step = 10_f64.powi(-i32::try_from(digits).unwrap());
    [1.0, -1.0].map(|sign| format!("{:.digits$}", number.parse::<f64>().unwrap() + sign * step))
}

fn mutants(pack: &Pack) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let starts: Vec<usize> = pack
        .text
        .match_indices("[[rule]]")
        .map(|(at, _)| at)
        .collect();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied();
        let tables = pack.text[start + 1..]
            .find("\n[[")
            .map(|len| start + 1 + len);
        let end = end
            .into_iter()
            .chain(tables)
            .min()
            .unwrap_or(pack.text.len());
        let block = &pack.text[*start..end];
        let name = block
            .split("name")
            .nth(1)
            .unwrap()
            .split('"')
            .nth(1)
            .unwrap();
        let mut change = |place: Range<usize>, into: &str| {
            let what = format!("{} → {into}", &block[place.clone()]);
            let (from, to) = (start + place.start, start + place.end);
            mutants.push(Mutant {
                rule: name.to_owned(),
                what,
                text: format!("{}{into}{}", &pack.text[..from], &pack.text[to..]),
            });
        };
        for (at, _) in block.match_indices("actions") {
            let from = at + block[at..].find('[').unwrap();
            let len = block[from..].find(']').unwrap();
            let mut words = block[from..from + len].match_indices('"');
            while let (Some((open, _)), Some((close, _))) = (words.next(), words.next()) {
                change(from + open..from + close + 1, "\"nothing\"");
            }
        }
        for (_, range) in values(block, &["colour"]) {
            let word = &block[range.clone()];
            let (_, other) = COLOURS.iter().find(|(colour, _)| *colour == word).unwrap();
            change(range, other);
        }
        for (at, on) in block.match_indices("makes_uncertain = true") {
            change(at..at + on.len(), "makes_uncertain = false");
        }
        for (key, range) in values(block, &KEYS) {
            let value = &block[range.clone()];
            for number in numbers(value) {
                let place = range.start + number.start..range.start + number.end;
                let is_time = |unit: &str| block[place.end..].trim_start().starts_with(unit);
                let is_minutes = is_time("min");
                let is_hours = is_time("h") && !is_time("hPa");
                let of_window = value[..number.start].ends_with(", ");
                for step in steps(&block[place.clone()]) {
                    // A delay by one second.
                    if (is_minutes || is_hours) && !of_window {
                        let seconds = if is_minutes { 60 } else { 3_600 };
                        let whole: i64 = block[place.clone()].parse().unwrap();
                        let sign = if step.parse::<i64>().unwrap() > whole {
                            1
                        } else {
                            -1
                        };
                        let unit = if is_minutes { 3 } else { 1 };
                        change(
                            place.start..place.end + unit,
                            &format!("{}s", whole * seconds + sign),
                        );
                    } else if !(step.starts_with('-') || key == "count" && step == "0") {
                        change(place.clone(), &step);
                    }
                }
            }
            for (from, into) in [
                (" >= ", " > "),
                (" > ", " >= "),
                (" <= ", " < "),
                (" < ", " <= "),
            ] {
                for (at, _) in value.match_indices(from) {
                    change(range.start + at..range.start + at + from.len(), into);
                }
            }
        }
    }
    mutants
}

/// The tests of a pack that look at a rule, a text for each file that has some.
fn tests_of(pack: &Pack, rule: &str) -> Vec<String> {
    let wanted = format!("/{rule}\"");
    let tests = pack.tests.iter().filter_map(|(_, tests)| {
        let mut parts = tests.split("[[case]]");
        let head = parts.next().unwrap().to_owned();
        let cases: Vec<&str> = parts.filter(|case| case.contains(&wanted)).collect();
        (!cases.is_empty()).then(|| format!("{head}[[case]]{}", cases.join("[[case]]")))
    });
    tests.collect()
}

/// A table with these words only in its list of that key, which goes with its last word.
fn keep(table: &str, key: &str, is_kept: impl Fn(&str) -> bool) -> String {
    let parts = table.split_once(&format!("\n{key} "));
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(']')?)));
    let Some((before, (list, after))) = parts else {
        return table.to_owned();
    };
    let words = list.split('"').skip(1).step_by(2);
    let kept: Vec<String> = words
        .filter(|word| is_kept(word))
        .map(|word| format!("\"{word}\""))
        .collect();
    if kept.is_empty() {
        return format!("{before}{after}");
    }
    format!("{before}\n{key} = [{}]{after}", kept.join(", "))
}

/// Tests with the points that a case names and the outputs of these rules only.
fn lean(tests: &str, names: &BTreeSet<String>) -> String {
    let (head, cases) = tests.split_once("[[case]]").unwrap();
    let (points, tables) = head.split_once("\n[[").unwrap_or((head, ""));
    let lines = points.lines().filter(|line| {
        let name = line
            .strip_prefix('"')
            .and_then(|line| line.split('"').next());
        let is_named = |name: &str| {
            cases.contains(&format!("\"{name}\"")) || cases.contains(&format!("\"{name}/"))
        };
        name.is_none_or(is_named) || line.contains("output = true")
    });
    let mut text = lines.collect::<Vec<_>>().join("\n");
    let points = text.clone();
    for table in tables.split("\n[[").filter(|table| !table.is_empty()) {
        let mut table = table.to_owned();
        if table.starts_with("output]]") {
            let has_points = |unit: &str| points.contains(&format!("\n\"{unit}/"));
            table = keep(&table, "rules", |word| names.contains(word));
            if !table.contains("\nrules ") {
                continue;
            }
            table = keep(&table, "units", has_points);
        }
        text.push_str(&format!("\n[[{table}"));
    }
    format!("{text}\n[[case]]{cases}")
}

/// A pack's text with these rules only, and all that is not a rule.
fn only(text: &str, names: &BTreeSet<String>) -> String {
    let (head, tables) = text.split_once("\n[[").unwrap();
    let tables = tables.split("\n[[").filter(|table| {
        let name = table.lines().find_map(|line| {
            let value = line.strip_prefix("name")?.trim_start().strip_prefix('=')?;
            Some(value.trim().trim_matches('"'))
        });
        !table.starts_with("rule]]") || name.is_some_and(|name| names.contains(name))
    });
    tables.fold(head.to_owned(), |text, table| format!("{text}\n[[{table}"))
}

/// A rule, those that its tests look at, and those that any of them counts or asks for.
fn needed(pack: &Pack, rule: &str, tests: &[String]) -> BTreeSet<String> {
    let problems = Problems::default();
    let source = pack.source();
    let document = source.parse(&problems);
    let file = RuleFile::read(&document.root());
    let looked_at = |name: &String| {
        let end = format!("/{name}\"");
        name == rule || tests.iter().any(|tests| tests.contains(&end))
    };
    let all = file.rules.iter().map(|rule| rule.name.value.clone());
    let mut names: BTreeSet<String> = all.filter(looked_at).collect();
    loop {
        let n_before = names.len();
        for rule in &file.rules {
            if !names.contains(&rule.name.value) {
                continue;
            }
            if let Condition::Counts { over, .. } = &rule.condition {
                names.extend(over.iter().map(|name| name.value.clone()));
            }
            for expr in rule.exprs() {
                expr.value.walk(&mut |part| {
                    if let Node::Name(Name::Alarm(rule)) = &part.node {
                        names.insert(rule.clone());
                    }
                });
            }
        }
        if names.len() == n_before {
            return names;
        }
    }
}

/// The tests of a rule, and the rules and points that they need.
struct Trial {
    tests: Vec<String>,
    /// All of the pack's where the tests look at others, too.
    names: Option<BTreeSet<String>>,
}

impl Trial {
    fn new(pack: &Pack, rule: &str) -> Self {
        let tests = tests_of(pack, rule);
        let names = needed(pack, rule, &tests);
        let alone = Self {
            tests: tests.iter().map(|tests| lean(tests, &names)).collect(),
            names: Some(names),
        };
        let names = None;
        let trials = [alone, Self { tests, names }];
        let mut trials = trials.into_iter();
        let trial = trials.find(|trial| trial.passes(pack, pack.text));
        trial.unwrap_or_else(|| panic!("{rule}"))
    }

    /// False when a test sees a difference, or the pack does not load any more.
    fn passes(&self, pack: &Pack, text: &str) -> bool {
        let name = format!("\"{}\"]\n", pack.name);
        let text = self
            .names
            .as_ref()
            .map_or_else(|| text.to_owned(), |names| only(text, names));
        // It may ask for alarms of packs that are not loaded, as the one that it stands for.
        let rules = |_: &str| Ok(Source::new("pack:mutant", &*text));
        self.tests.iter().all(|tests| {
            let (before, after) = tests.split_once(&name).unwrap();
            assert!(before.contains("packs = ["), "{tests}");
            let tests = format!("{before}\"mutant.toml\"]\n{after}");
            let tests = Source::new("t.toml", tests);
            let report = rules::case::run(&tests, &rules, &Problems::default());
            report.is_some_and(|report| report.passed())
        })
    }
}

#[track_caller]
fn check(name: &str, least: usize) {
    let pack = PACKS.iter().find(|pack| pack.name == name).unwrap();
    let mutants = mutants(pack);
    assert!(mutants.len() >= least, "{}", mutants.len());
    let mut trials = BTreeMap::new();
    let mut is_seen = |mutant: &Mutant| {
        let trial = trials.entry(mutant.rule.clone());
        let trial = trial.or_insert_with(|| Trial::new(pack, &mutant.rule));
        !trial.passes(pack, &mutant.text)
    };
    let unseen: Vec<String> = mutants
        .iter()
        .filter(|mutant| !is_seen(mutant))
        .map(|mutant| format!("{}: {}", mutant.rule, mutant.what))
        .collect();
    assert!(
        unseen.is_empty(),
        "{} of {}:\n{}",
        unseen.len(),
        mutants.len(),
        unseen.join("\n")
    );
}

#[test]
fn no_number_of_the_gas_pack_changes_unseen() {
    check("gas", 50);
}

#[test]
fn no_number_of_the_dust_pack_changes_unseen() {
    check("dust", 100);
}

#[test]
fn no_number_of_the_tailings_pack_changes_unseen() {
    check("tailings", 100);
}

#[test]
fn no_number_of_the_welding_pack_changes_unseen() {
    check("welding", 50);
}

#[test]
fn no_number_of_the_quality_pack_changes_unseen() {
    check("quality", 30);
}
