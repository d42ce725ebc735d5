//! Random rules and traces, played by the engine and by a second opinion in Python that was written from the language reference.

use std::collections::BTreeMap;

use serde::Deserialize;
use support::python;

mod case;
mod play;

pub(crate) use case::Case;
use play::play;

/// How many cases a run of all tests plays; `FENGSUI_ORACLE_CASES` says otherwise, `FENGSUI_ORACLE_FROM` from which on.
const CASES: u64 = 60;

/// What `tests/oracle/cases.py` prints in a line.
#[derive(Deserialize)]
pub(crate) struct Line {
    name: String,
    pub(crate) case: Case,
    told: Told,
    /// What a kept case says itself that is told.
    #[serde(default)]
    tells: Vec<String>,
}

/// Time, alarm, event, letter, level.
type Event = (i64, String, String, String, Option<String>);

/// Time, output, and whether it is told to be on or off, or shows it, or failed to.
type Switched = (i64, String, String);

#[derive(Debug, Default, Deserialize, PartialEq)]
struct Told {
    events: Vec<Event>,
    switched: Vec<Switched>,
    refused: Vec<bool>,
}

/// What each alarm and each output said, by its name, and when: which of two speaks first in one moment is nobody's business.
type Said = BTreeMap<String, Vec<(i64, String)>>;

impl Told {
    fn said(&self, begins: i64) -> Said {
        let mut said = Said::new();
        for (t, alarm, event, letter, level) in &self.events {
            let level = level.as_deref().unwrap_or("-");
            let line = format!("{event} {letter} {level}");
            said.entry(alarm.clone())
                .or_default()
                .push((t - begins, line));
        }
        for (t, output, what) in &self.switched {
            let line = (t - begins, what.clone());
            said.entry(output.clone()).or_default().push(line);
        }
        said
    }
}

/// The first difference, in words; none where there is none.
fn difference(ours: &Said, theirs: &Said) -> Option<String> {
    let nothing = Vec::new();
    let names = ours.keys().chain(theirs.keys());
    let firsts = names.filter_map(|name| {
        let (ours, theirs) = (ours.get(name), theirs.get(name));
        let (ours, theirs) = (ours.unwrap_or(&nothing), theirs.unwrap_or(&nothing));
        let place =
            (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at))?;
        let (ours, theirs) = (ours.get(place), theirs.get(place));
        let at = ours.into_iter().chain(theirs).map(|(t, _)| *t).min();
        Some((at, format!("{name}: ours {ours:?}, theirs {theirs:?}")))
    });
    firsts.min().map(|(_, what)| what)
}

/// So many random cases, each with what the reference says of it.
pub(crate) fn played(from: u64, cases: u64) -> Vec<Line> {
    lines("../oracle/cases.py", &[from, cases])
}

fn lines(script: &str, args: &[u64]) -> Vec<Line> {
    let args = args.iter().map(u64::to_string);
    let output = python(script).args(args).output().unwrap();
    let (said, wrong) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{wrong}");
    let lines = said.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn random_rules_do_what_the_reference_says() {
    let of_environment = |name: &str, otherwise: u64| {
        let text = std::env::var(name).ok();
        text.map_or(otherwise, |text| text.parse().expect(name))
    };
    let from = of_environment("FENGSUI_ORACLE_FROM", 0);
    let cases = of_environment("FENGSUI_ORACLE_CASES", CASES);
    compare(&played(from, cases));
}

#[test]
fn readings_that_come_again_are_found_as_the_reference_says() {
    compare(&played(100_000, CASES / 2));
}

#[test]
fn points_that_come_and_go_with_their_devices_change_what_the_reference_says() {
    compare(&played(200_000, CASES / 2));
}

/// Plays the cases, and fails where ours says anything else.
#[track_caller]
fn compare(lines: &[Line]) {
    let cases = lines.len();
    let (mut n_events, mut unlike) = (0, Vec::new());
    let mut nonsense = Vec::new();
    for line in lines {
        let found = match play(&line.case) {
            Ok(found) => found,
            Err(why) => {
                nonsense.push(format!("{}: {why}", line.name));
                continue;
            }
        };
        n_events += found.events.len();
        let begins = line.case.begins;
        let first = difference(&found.said(begins), &line.told.said(begins));
        if first.is_some() || found.refused != line.told.refused {
            let first = first.unwrap_or_else(|| "what is refused".into());
            unlike.push(format!("{}, first {first}\n{}", line.name, line.case));
        }
    }
    assert!(
        unlike.is_empty(),
        "{} of {cases} cases:\n{}",
        unlike.len(),
        unlike.join("\n")
    );
    // The cases are worth something: nearly all compile, and things happen in them.
    assert!(nonsense.len() * 10 <= cases, "{}", nonsense.join("\n"));
    assert!(n_events >= cases, "{n_events} events");
}

#[test]
fn what_was_found_once_stays_as_the_reference_says() {
    let lines = lines("../oracle/found.py", &[]);
    assert!(!lines.is_empty());
    for line in lines {
        let found = play(&line.case).unwrap_or_else(|why| panic!("{}: {why}", line.name));
        let (ours, theirs) = (
            found.said(line.case.begins),
            line.told.said(line.case.begins),
        );
        let mut tells = Said::new();
        for told in &line.tells {
            let [t, name, what] = *told.splitn(3, ' ').collect::<Vec<_>>() else {
                panic!("{}: {told}", line.name);
            };
            let said = tells.entry(name.to_owned()).or_default();
            said.push((t.parse().unwrap(), what.to_owned()));
        }
        assert_eq!(
            difference(&ours, &theirs),
            None,
            "{}: the engine (ours) and the reference",
            line.name
        );
        assert_eq!(
            difference(&ours, &tells),
            None,
            "{}: the engine (ours) and what the case tells",
            line.name
        );
        assert_eq!(found.refused, line.told.refused, "{}", line.name);
    }
}
