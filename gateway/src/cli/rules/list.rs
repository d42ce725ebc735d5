//! `fengsui rules list`: what watches what at a site.

use std::io::{self, Write};
use std::path::PathBuf;

use ::rules::effect::AlarmIdx;
use ::rules::point::PointIdx;
use ::rules::program::{OutputInfo, Program, Side, Text};
use ::rules::unit::Unit;
use serde::Serialize;

use super::super::{Exit, counted, table};

/// Arguments of `fengsui rules list`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// The gateway's file.
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct List {
    alarms: Vec<Alarm>,
    /// What rules switch.
    outputs: Vec<Output>,
    /// Outputs that no file of the site lets rules switch.
    idle_outputs: Vec<String>,
    /// Points that no rule reads and that show nothing of an output; the system's own alarms watch these too.
    unwatched: Vec<String>,
}

/// An output that rules switch.
#[derive(Debug, Serialize)]
struct Output {
    output: String,
    class: &'static str,
    min_on_ms: u64,
    /// The point that shows that it does what it is told, beside its own read-back.
    #[serde(skip_serializing_if = "Option::is_none")]
    feedback: Option<String>,
    within_ms: u64,
    switched_by: Vec<SwitchedBy>,
}

#[derive(Debug, Serialize)]
struct SwitchedBy {
    alarm: String,
    levels: Vec<String>,
}

/// In both languages, as rules write it: with words in braces.
#[derive(Debug, Serialize)]
struct Advice {
    zh: String,
    en: String,
}

impl Advice {
    fn of(advice: &Text) -> Option<Self> {
        let Text { zh, en } = advice.clone();
        (!zh.is_empty() || !en.is_empty()).then_some(Self { zh, en })
    }
}

/// An alarm to be.
#[derive(Debug, Serialize)]
struct Alarm {
    id: String,
    pack: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<String>,
    /// What people are to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
    levels: Vec<Level>,
    /// The unit of its limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// The points that it reads.
    points: Vec<String>,
    /// The alarms that it counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alarms: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Level {
    level: String,
    colour: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_or_above: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_or_below: Option<f64>,
    on_delay_ms: u32,
    off_delay_ms: u32,
    latch: bool,
}

/// Lists every alarm that the rules make at a site, and the points that none of them reads.
pub(in super::super) fn run(
    args: &Args,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let Some(config) = super::config(&args.config, err)? else {
        return Ok(Exit::BadInput);
    };
    let list = List::new(&config.program);
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &list)?;
        writeln!(out)?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = list.alarms.iter().map(Alarm::row).collect();
    table::print(out, &["alarm", "pack", "levels", "reads", "clause"], &rows)?;
    if !list.outputs.is_empty() {
        let rows: Vec<Vec<String>> = list.outputs.iter().map(Output::row).collect();
        let head = ["output", "class", "min on", "shown by", "switched by"];
        table::print(out, &head, &rows)?;
    }
    for (names, what, which) in [
        (&list.idle_outputs, "output", "that nothing may switch"),
        (&list.unwatched, "point", "that no rule reads"),
    ] {
        if !names.is_empty() {
            let n = counted(names.len(), what);
            writeln!(out, "{n} {which}: {}", names.join(", "))?;
        }
    }
    Ok(Exit::Done)
}

/// True for what the system says of itself.
pub(super) fn is_own(program: &Program, alarm: AlarmIdx) -> bool {
    program.rule_of(alarm).name.starts_with("sys.")
}

impl List {
    fn new(program: &Program) -> Self {
        let name = |point: PointIdx| {
            let info = program.point(point);
            format!("{}/{}", info.unit, info.point)
        };
        let alarms = program
            .alarm_idxs()
            .filter(|alarm| !is_own(program, *alarm))
            .map(|alarm| {
                let points: Vec<PointIdx> = program.points_read_by(alarm).collect();
                let rule = program.rule_of(alarm);
                let counted = program.alarms_read_by(alarm);
                Alarm {
                    id: program.id_of(alarm).to_string(),
                    pack: rule.pack.clone(),
                    version: rule.version.clone(),
                    clause: rule.clause.clone(),
                    advice: Advice::of(&rule.advice),
                    levels: levels(program, alarm),
                    unit: program.alarm(alarm).eu.clone(),
                    points: points.into_iter().map(name).collect(),
                    alarms: counted.map(|it| program.id_of(it).to_string()).collect(),
                }
            })
            .collect();
        let outputs = program.outputs();
        let points = (0..).map(PointIdx).take(program.points().len());
        let idle = points
            .filter(|point| program.point(*point).output)
            .filter(|point| outputs.iter().all(|output| output.point != *point));
        Self {
            outputs: outputs
                .iter()
                .map(|output| Output {
                    output: name(output.point),
                    class: output.class.word(),
                    min_on_ms: output.min_on_ms,
                    feedback: output.feedback.map(name),
                    within_ms: output.within_ms,
                    switched_by: switched_by(program, output),
                })
                .collect(),
            idle_outputs: idle.map(name).collect(),
            unwatched: ::rules::compile::unwatched(program)
                .into_iter()
                .map(name)
                .collect(),
            alarms,
        }
    }
}

fn levels(program: &Program, alarm: AlarmIdx) -> Vec<Level> {
    let levels = program.levels_of(alarm).iter().enumerate();
    levels
        .map(|(index, info)| {
            let (on_delay_ms, off_delay_ms) = program.delays_of(alarm, index);
            let of_side = |side| info.limit.filter(|_| info.side == side);
            Level {
                level: info.name.clone(),
                colour: info.colour.word(),
                at_or_above: of_side(Side::High),
                at_or_below: of_side(Side::Low),
                on_delay_ms,
                off_delay_ms,
                latch: info.latch,
            }
        })
        .collect()
}

fn switched_by(program: &Program, output: &OutputInfo) -> Vec<SwitchedBy> {
    let actions = output.actions.iter();
    actions
        .map(|action| {
            let levels = program.levels_of(action.alarm).iter().enumerate();
            let asking = levels.filter(|(index, _)| action.levels >> index & 1 == 1);
            SwitchedBy {
                alarm: program.id_of(action.alarm).to_string(),
                levels: asking.map(|(_, level)| level.name.clone()).collect(),
            }
        })
        .collect()
}

impl Output {
    fn row(&self) -> Vec<String> {
        let seconds = |ms: u64| format!("{} s", ms / 1_000);
        let shown_by = self.feedback.as_deref().unwrap_or("itself");
        let by = self.switched_by.iter();
        let by: Vec<String> = by
            .map(|by| format!("{} {}", by.alarm, by.levels.join(" ")))
            .collect();
        vec![
            self.output.clone(),
            self.class.to_owned(),
            seconds(self.min_on_ms),
            format!("{shown_by} within {}", seconds(self.within_ms)),
            by.join(", "),
        ]
    }
}

impl Alarm {
    fn row(&self) -> Vec<String> {
        let levels: Vec<String> = self.levels.iter().map(Level::words).collect();
        let unit = self
            .unit
            .as_ref()
            .filter(|_| self.levels.iter().any(Level::has_limit));
        let unit = unit.map_or_else(String::new, |unit| {
            // As people write it: °C for Cel.
            let known = Unit::find(unit).map_or(unit.as_str(), |known| known.name());
            format!(" {known}")
        });
        let reads: Vec<&str> = self
            .points
            .iter()
            .chain(&self.alarms)
            .map(String::as_str)
            .collect();
        vec![
            self.id.clone(),
            format!("{} {}", self.pack, self.version),
            format!("{}{unit}", levels.join(", ")),
            reads.join(", "),
            self.clause.clone().unwrap_or_default(),
        ]
    }
}

impl Level {
    fn has_limit(&self) -> bool {
        self.at_or_above.is_some() || self.at_or_below.is_some()
    }

    /// `L1 ≥ 25`; the name alone where a condition decides.
    fn words(&self) -> String {
        match (self.at_or_above, self.at_or_below) {
            (Some(limit), _) => format!("{} ≥ {limit}", self.level),
            (None, Some(limit)) => format!("{} ≤ {limit}", self.level),
            (None, None) => self.level.clone(),
        }
    }
}
