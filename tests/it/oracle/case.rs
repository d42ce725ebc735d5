//! A case as `tests/oracle/cases.py` writes it, and as the engine takes it.

use std::collections::BTreeMap;
use std::fmt;

use front::{Problems, Source};
use rules::compile::{System, compile};
use rules::effect::{Command, Input, Verb};
use rules::point::{PointIdx, PointInfo};
use rules::program::Program;
use serde::Deserialize;
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) begins: i64,
    #[serde(flatten)]
    files: Files,
    /// What is another from some step on.
    pub(crate) changes: Vec<Files>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize)]
pub(crate) struct Files {
    points: Vec<Point>,
    /// A pack.
    rules: String,
    /// What the site says beside it.
    site: String,
}

#[derive(Deserialize)]
struct Point {
    name: String,
    kind: String,
    switch: bool,
    output: bool,
    eu: Option<String>,
    max_age: u64,
    device: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// A reading, one that came late, a person's deed, a time that nobody saw, or time alone.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) t: i64,
    read: Option<String>,
    late: Option<String>,
    /// The source's time of a late reading.
    at: Option<i64>,
    /// Which of the changes comes now.
    pub(crate) change: Option<usize>,
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
    comment: Option<String>,
}

impl Case {
    /// The compiled rules; none when they make no sense together.
    pub(crate) fn program(&self) -> Result<Program, String> {
        self.compiled(&self.files)
    }

    /// The programs of all changes.
    pub(super) fn changed(&self) -> Result<Vec<Program>, String> {
        let changes = self.changes.iter();
        changes.map(|files| self.compiled(files)).collect()
    }

    fn compiled(&self, files: &Files) -> Result<Program, String> {
        let points: Vec<PointInfo> = files
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
                    slave: point.device.clone(),
                    attributes: point.attributes.clone().into_iter().collect(),
                    ..PointInfo::default()
                }
            })
            .collect();
        let system = System {
            gateway: "gw".into(),
            nodes: Vec::new(),
        };
        let problems = Problems::default();
        let mut sources = vec![Source::new("pack.toml", &*files.rules)];
        // A file that says nothing is none.
        if !files.site.trim().is_empty() {
            sources.push(Source::new("site.toml", &*files.site));
        }
        let program = compile(&sources, &points, &system, &problems, &Problems::default());
        program.ok_or_else(|| problems.to_string())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for files in [&self.files].into_iter().chain(&self.changes) {
            writeln!(f, "{}\n{}", files.rules, files.site)?;
        }
        Ok(())
    }
}

impl Step {
    /// What it tells the engine, by the indices of a program.
    ///
    /// None for a deed on an alarm that this program has not.
    pub(crate) fn input(&self, program: &Program) -> Option<Input<'_>> {
        let now = UtcMs(self.t);
        if let Some(from) = self.down {
            let from = UtcMs(from);
            return Some(Input::Down { from, to: now });
        }
        if let Some(name) = self.read.as_ref().or(self.late.as_ref()) {
            // What a point says that is not there any more is nobody's.
            let Some((point, sample)) = self.sample(name, program) else {
                return Some(Input::Time);
            };
            return Some(match self.late {
                Some(_) => Input::Late { point, sample },
                None => Input::Sample { point, sample },
            });
        }
        let Some(verb) = &self.verb else {
            return Some(Input::Time);
        };
        let alarm = program.find_alarm(self.alarm.as_deref().unwrap())?;
        let verb = Verb::from_word(verb).unwrap();
        Some(Input::Command(Command {
            until: self.until.map(UtcMs),
            second: self.second.as_deref(),
            ticket: self.ticket.as_deref(),
            comment: self.comment.as_deref(),
            ..Command::new(verb, alarm, self.by.as_deref().unwrap())
        }))
    }

    fn sample(&self, name: &str, program: &Program) -> Option<(PointIdx, Sample)> {
        let (unit, point) = name.split_once('/').unwrap();
        let point = program.find_point(unit, point)?;
        let quality = Quality::from_word(self.quality.as_deref().unwrap()).unwrap();
        let value = self.value.filter(|_| !quality.is_bad());
        let value = value.map(|value| match program.point(point).digital {
            true => Value::Bool(value > 0.0),
            false => Value::Number(value),
        });
        let sample = Sample {
            at: UtcMs(self.at.unwrap_or(self.t)),
            value,
            quality,
            clock: Clock::Synced,
        };
        Some((point, sample))
    }
}
