//! Random rules and traces, played by the engine and by a second opinion in Python that was written from the language reference.

use std::collections::BTreeMap;

use front::{Problems, Source};
use rules::compile::{System, compile};
use rules::effect::{Command, Input, Verb};
use rules::point::PointInfo;
use rules::program::Program;
use serde::Deserialize;
use support::python;
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

mod play;

use play::play;

/// How many cases a run of all tests plays; `FENGSUI_ORACLE_CASES` says otherwise, `FENGSUI_ORACLE_FROM` from which on.
const CASES: u64 = 60;

/// What `tests/oracle/cases.py` prints in a line.
#[derive(Deserialize)]
pub(crate) struct Line {
    number: u64,
    pub(crate) case: Case,
    told: Told,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) begins: i64,
    points: Vec<Point>,
    /// A pack.
    rules: String,
    /// What the site says beside it.
    site: String,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Point {
    name: String,
    kind: String,
    switch: bool,
    output: bool,
    eu: Option<String>,
    max_age: u64,
}

/// A reading, one that came late, a person's deed, a time that nobody saw, or time alone.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) t: i64,
    read: Option<String>,
    late: Option<String>,
    /// The source's time of a late reading.
    at: Option<i64>,
    /// From when on nobody looked.
    down: Option<i64>,
    value: Option<f64>,
    quality: Option<String>,
    #[serde(rename = "do")]
    verb: Option<String>,
    alarm: Option<String>,
    by: Option<String>,
    until: Option<i64>,
    second: Option<String>,
    ticket: Option<String>,
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

impl Told {
    /// What each alarm said: which of two alarms speaks first in one moment is nobody's business.
    fn by_alarm(&self) -> BTreeMap<&str, Vec<&Event>> {
        let mut by_alarm: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        for event in &self.events {
            by_alarm.entry(&event.1).or_default().push(event);
        }
        by_alarm
    }

    /// What each output did.
    fn by_output(&self) -> BTreeMap<&str, Vec<(i64, &str)>> {
        let mut by_output: BTreeMap<&str, Vec<(i64, &str)>> = BTreeMap::new();
        for (t, output, what) in &self.switched {
            by_output.entry(output).or_default().push((*t, what));
        }
        by_output
    }
}

impl Case {
    /// The compiled rules; none when they make no sense together.
    pub(crate) fn program(&self) -> Result<Program, String> {
        let points: Vec<PointInfo> = self
            .points
            .iter()
            .map(|point| {
                let (unit, name) = point.name.split_once('/').unwrap();
                PointInfo {
                    unit: unit.into(),
                    point: name.into(),
                    kind: point.kind.clone(),
                    eu: point.eu.clone(),
                    digital: point.switch,
                    output: point.output,
                    period_ms: 1_000,
                    max_age_ms: point.max_age,
                    ..PointInfo::default()
                }
            })
            .collect();
        let system = System {
            gateway: "gw".into(),
            nodes: Vec::new(),
        };
        let problems = Problems::default();
        let mut sources = vec![Source::new("pack.toml", &*self.rules)];
        // A file that says nothing is none.
        if !self.site.trim().is_empty() {
            sources.push(Source::new("site.toml", &*self.site));
        }
        let program = compile(&sources, &points, &system, &problems, &Problems::default());
        program.ok_or_else(|| problems.to_string())
    }
}

impl Step {
    /// What it tells the engine, by the indices of a program.
    pub(crate) fn input(&self, program: &Program) -> Input<'_> {
        let now = UtcMs(self.t);
        if let Some(from) = self.down {
            let from = UtcMs(from);
            return Input::Down { from, to: now };
        }
        if let Some(name) = self.read.as_ref().or(self.late.as_ref()) {
            let (unit, point) = name.split_once('/').unwrap();
            let point = program.find_point(unit, point).unwrap();
            let quality = Quality::from_word(self.quality.as_deref().unwrap()).unwrap();
            let value = self.value.filter(|_| !quality.is_bad());
            let value = value.map(|value| match program.point(point).digital {
                true => Value::Bool(value > 0.0),
                false => Value::Number(value),
            });
            let sample = Sample {
                at: self.at.map_or(now, UtcMs),
                value,
                quality,
                clock: Clock::Synced,
            };
            return match self.late {
                Some(_) => Input::Late { point, sample },
                None => Input::Sample { point, sample },
            };
        }
        let Some(verb) = &self.verb else {
            return Input::Time;
        };
        let alarm = program.find_alarm(self.alarm.as_deref().unwrap()).unwrap();
        let verb = Verb::from_word(verb).unwrap();
        Input::Command(Command {
            until: self.until.map(UtcMs),
            second: self.second.as_deref(),
            ticket: self.ticket.as_deref(),
            ..Command::new(verb, alarm, self.by.as_deref().unwrap())
        })
    }
}

/// So many cases, each with what the reference says of it.
pub(crate) fn played(from: u64, cases: u64) -> Vec<Line> {
    let output = python("../oracle/cases.py")
        .args([from.to_string(), cases.to_string()])
        .output()
        .unwrap();
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
    let (mut n_events, mut unlike) = (0, Vec::new());
    let mut nonsense = Vec::new();
    for line in played(from, cases) {
        let program = match line.case.program() {
            Ok(program) => program,
            Err(why) => {
                nonsense.push(format!("case {}: {why}", line.number));
                continue;
            }
        };
        let found = play(&line.case, program);
        n_events += found.events.len();
        let (ours, theirs) = (found.by_alarm(), line.told.by_alarm());
        let (switched, to_be) = (found.by_output(), line.told.by_output());
        if ours == theirs && switched == to_be && found.refused == line.told.refused {
            continue;
        }
        let outputs = switched
            .iter()
            .zip(&to_be)
            .find(|(ours, theirs)| ours != theirs);
        let alarms = ours.keys().chain(theirs.keys());
        let first = alarms
            .filter_map(|alarm| {
                let (ours, theirs) = (ours.get(alarm), theirs.get(alarm));
                let at = |list: Option<&Vec<&Event>>, place: usize| {
                    list.and_then(|list| list.get(place))
                        .map(|event| (*event).clone())
                };
                let place = (0..).find(|place| {
                    at(ours, *place) != at(theirs, *place)
                        || at(ours, *place).is_none() && at(theirs, *place).is_none()
                })?;
                let (ours, theirs) = (at(ours, place), at(theirs, place));
                (ours != theirs).then_some((ours, theirs))
            })
            .min_by_key(|(ours, theirs)| {
                let time = |event: &Option<Event>| event.as_ref().map_or(i64::MAX, |event| event.0);
                time(ours).min(time(theirs))
            });
        unlike.push(format!(
            "case {}, first {first:?}, outputs {outputs:?}\n{}\n{}",
            line.number, line.case.rules, line.case.site
        ));
    }
    assert!(
        unlike.is_empty(),
        "{} of {cases} cases (ours, theirs):\n{}",
        unlike.len(),
        unlike.join("\n")
    );
    // The cases are worth something: nearly all compile, and things happen in them.
    assert!(
        nonsense.len() as u64 * 10 <= cases,
        "{}",
        nonsense.join("\n")
    );
    assert!(n_events as u64 >= cases, "{n_events} events");
}
