//! `fengsui rules explain`: why an alarm is or is not active.

use std::io::{self, Write};
use std::path::PathBuf;

use ::rules::engine::explain::{Answer, LevelWhy, Part, Stage};
use ::rules::unit::Unit;
use ::rules::value::{Number, Tri, Trust, Truth};
use serde_json::{Value, json};
use telemetry::UtcMs;

use super::super::Exit;
use crate::past::PastError;
use crate::past::why::{Heard, Told, ToldAlarm, tell};

/// Arguments of `fengsui rules explain`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// The gateway's file.
    config: PathBuf,
    /// An alarm's id, or a point as unit/point: every alarm that reads it.
    name: String,
    /// The time in question, in UTC; without it the log's end.
    #[arg(long, value_name = "TIME")]
    at: Option<UtcMs>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Tells why. 1 when no alarm has that name or reads that point.
pub(in super::super) fn run(
    args: &Args,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let Some(config) = super::config(&args.config, err)? else {
        return Ok(Exit::BadInput);
    };
    let folder = config.data.log();
    let told = match tell(&config, &folder, &args.name, args.at) {
        Ok(told) => told,
        Err(error) => return failed(&error, err),
    };
    let Some(told) = told else {
        let name = &args.name;
        writeln!(
            err,
            "no alarm `{name}` and no point of that name that a rule reads; `fengsui rules list` tells what there is"
        )?;
        return Ok(Exit::No);
    };
    if let (Some((from, to)), false) = (told.down, args.json) {
        writeln!(
            out,
            "the gateway was down from {from} to {to}: this is how it was when it stopped\n"
        )?;
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &json_of(&told))?;
        writeln!(out)?;
    } else {
        for alarm in &told.alarms {
            print(&told, alarm, out)?;
        }
    }
    Ok(Exit::Done)
}

/// What can't be read is not reached.
pub(super) fn failed(error: &PastError, err: &mut dyn Write) -> io::Result<Exit> {
    writeln!(err, "{error}")?;
    Ok(Exit::Unreachable)
}

fn print(told: &Told, alarm: &ToldAlarm, out: &mut dyn Write) -> io::Result<()> {
    let letter = alarm.state.letter();
    let level = alarm
        .level
        .as_ref()
        .map_or_else(String::new, |level| format!(" at {level}"));
    writeln!(
        out,
        "{}  {} {}{level}  {}",
        alarm.id,
        letter.as_str(),
        letter.word(),
        told.at
    )?;
    let clause = alarm.clause.as_deref().unwrap_or("no clause");
    writeln!(out, "  rule of {} {}, {clause}", alarm.pack.0, alarm.pack.1)?;
    if let (true, Some(raised)) = (alarm.state.flags.active, alarm.state.raised_at) {
        let began = alarm.state.condition_since.unwrap_or(raised);
        writeln!(out, "  raised {raised}, its condition began {began}")?;
    }
    if alarm.state.flags.unknown {
        writeln!(
            out,
            "  unknown: its condition can't be told, and what was so is held"
        )?;
    }
    for (what, at) in &alarm.why.ends {
        writeln!(out, "  {} {at}", what.words())?;
    }
    if alarm.state.fleeting > 0 {
        let n = alarm.state.fleeting;
        writeln!(out, "  came and went before its on-delay {n} times so far")?;
    }
    let mut section = |title: &str, part: &Part| -> io::Result<()> {
        writeln!(out, "  {title}")?;
        print_part(part, 2, out)
    };
    if let Some(value) = &alarm.why.value {
        section("value", value)?;
    }
    if let Some(gate) = &alarm.why.only_while {
        section("only while", gate)?;
    }
    for level in &alarm.why.levels {
        section(
            &format!("{}: {}", level.name, stage(level)),
            &level.condition,
        )?;
    }
    for reason in &alarm.why.suppress {
        section("suppressed while", reason)?;
    }
    if alarm.events.is_empty() {
        writeln!(out, "  nothing happened to it since {}", told.from)?;
    } else {
        writeln!(out, "  since {}", told.from)?;
    }
    for event in &alarm.events {
        writeln!(out, "    {}", heard(event))?;
    }
    Ok(())
}

/// An event in a line.
fn heard(Heard { effect, output }: &Heard) -> String {
    let mut line = format!("{} {}", effect.at, effect.kind.word());
    if let Some(by) = &effect.by {
        line += &format!(" by {by}");
    }
    line += &format!(" → {}", effect.state.letter().as_str());
    if let Some(comment) = &effect.comment {
        line += &format!(": {comment}");
    }
    if let (Some(switched), Some(output)) = (effect.switched, output) {
        let on = if switched.on { "on" } else { "off" };
        let came = if switched.ok { "is" } else { "is not" };
        line += &format!(": {output} was to be {on} and {came}");
    }
    line
}

fn print_part(part: &Part, depth: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut line = format!("{}{}: {}", "  ".repeat(depth), part.text, answer(part));
    if let Some(reading) = &part.reading {
        match (reading.quality, reading.at) {
            (Some(quality), Some(at)) => {
                line += &format!(", {} of {at}", quality.word());
            }
            _ => line += ", never read",
        }
        if reading.stale {
            line += ", too old";
        }
        if reading.test {
            line += ", a test";
        }
        if !reading.doubted_by.is_empty() {
            line += &format!(", in doubt by {}", reading.doubted_by.join(", "));
        }
    }
    if is_worth_since(part) {
        line += &match part.since {
            Some(since) => format!(", since {since}"),
            None => ", all along".to_owned(),
        };
    }
    if let Some(left_ms) = part.left_ms {
        line += &format!(", {} left", seconds(left_ms));
    }
    writeln!(out, "{line}")?;
    part.parts
        .iter()
        .try_for_each(|part| print_part(part, depth + 1, out))
}

/// Of a number only since when there is none is worth telling.
fn is_worth_since(part: &Part) -> bool {
    match part.answer {
        Answer::Truth(_) => true,
        Answer::Number(number) => number.trust == Trust::Bad,
    }
}

fn answer(part: &Part) -> String {
    let eu = part
        .reading
        .as_ref()
        .and_then(|reading| reading.eu.as_ref());
    // As people write it: °C for Cel.
    let known = eu.map(|eu| Unit::find(eu).map_or(eu.as_str(), |known| known.name()));
    let eu = known.map_or_else(String::new, |eu| format!(" {eu}"));
    match part.answer {
        Answer::Truth(truth) => truth_words(truth).to_owned(),
        Answer::Number(Number { value, trust }) => match trust {
            Trust::Good => format!("{value}{eu}"),
            Trust::Uncertain => format!("{value}{eu}, uncertain"),
            Trust::AtLeast => format!("{value}{eu} or more"),
            Trust::Bad => "no number".to_owned(),
        },
    }
}

fn truth_words(truth: Truth) -> &'static str {
    match (truth.tri(), truth == Truth::TRUE || truth == Truth::FALSE) {
        (Tri::Unknown, _) => "unknown",
        (Tri::True, true) => "true",
        (Tri::True, false) => "true, on uncertain data",
        (Tri::False, true) => "false",
        (Tri::False, false) => "false, on uncertain data",
    }
}

fn stage(level: &LevelWhy) -> String {
    match level.stage {
        Stage::Off => "off".to_owned(),
        Stage::On => "on".to_owned(),
        Stage::Coming { left_ms } => format!("off, on in {}", seconds(left_ms)),
        Stage::Standing { left_ms } => {
            format!(
                "off, its on-delay stands still with {} left",
                seconds(left_ms)
            )
        }
        Stage::Leaving { left_ms } => format!("on, off in {}", seconds(left_ms)),
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

fn json_of(told: &Told) -> Value {
    let alarms: Vec<Value> = told
        .alarms
        .iter()
        .map(|alarm| {
            let levels: Vec<Value> = alarm.why.levels.iter().map(json_of_level).collect();
            let events: Vec<Value> = alarm
                .events
                .iter()
                .map(|Heard { effect, output }| {
                    let action = effect.switched.map(
                        |switched| json!({ "name": output, "on": switched.on, "ok": switched.ok }),
                    );
                    json!({
                        "at": effect.at.to_string(),
                        "event": effect.kind.word(),
                        "letter": effect.state.letter().as_str(),
                        "by": effect.by.as_deref(),
                        "comment": effect.comment.as_deref(),
                        "action": action,
                    })
                })
                .collect();
            let ends: Vec<Value> = alarm
                .why
                .ends
                .iter()
                .map(|(what, at)| json!({ "what": what.words(), "at": at.to_string() }))
                .collect();
            let suppress: Vec<Value> = alarm.why.suppress.iter().map(json_of_part).collect();
            json!({
                "id": alarm.id,
                "letter": alarm.state.letter().as_str(),
                "level": alarm.level,
                "unknown": alarm.state.flags.unknown,
                "pack": alarm.pack.0,
                "version": alarm.pack.1,
                "clause": alarm.clause,
                "value": alarm.why.value.as_ref().map(json_of_part),
                "only_while": alarm.why.only_while.as_ref().map(json_of_part),
                "levels": levels,
                "suppress": suppress,
                "ends": ends,
                "fleeting": alarm.state.fleeting,
                "events": events,
            })
        })
        .collect();
    let down = told
        .down
        .map(|(from, to)| json!({ "from": from.to_string(), "to": to.to_string() }));
    json!({
        "at": told.at.to_string(),
        "from": told.from.to_string(),
        "down": down,
        "alarms": alarms,
    })
}

fn json_of_level(level: &LevelWhy) -> Value {
    let (stage, left_ms) = match level.stage {
        Stage::Off => ("off", None),
        Stage::On => ("on", None),
        Stage::Coming { left_ms } => ("coming", Some(left_ms)),
        Stage::Standing { left_ms } => ("standing", Some(left_ms)),
        Stage::Leaving { left_ms } => ("leaving", Some(left_ms)),
    };
    json!({
        "level": level.name,
        "stage": stage,
        "left_ms": left_ms,
        "condition": json_of_part(&level.condition),
    })
}

fn json_of_part(part: &Part) -> Value {
    let (answer, trust) = match part.answer {
        Answer::Truth(truth) => {
            let answer = match truth.tri() {
                Tri::True => json!(true),
                Tri::False => json!(false),
                Tri::Unknown => Value::Null,
            };
            let firm = truth == Truth::TRUE || truth == Truth::FALSE || truth.is_unknown();
            (answer, if firm { "good" } else { "uncertain" })
        }
        Answer::Number(number) => match number.trust {
            Trust::Good => (json!(number.value), "good"),
            Trust::Uncertain => (json!(number.value), "uncertain"),
            Trust::AtLeast => (json!(number.value), "at-least"),
            Trust::Bad => (Value::Null, "bad"),
        },
    };
    let mut shown = json!({
        "text": part.text,
        "answer": answer,
        "trust": trust,
        "since": part.since.map(|since| since.to_string()),
    });
    if let Some(reading) = &part.reading {
        shown["quality"] = json!(reading.quality.map(telemetry::Quality::word));
        shown["read_at"] = json!(reading.at.map(|at| at.to_string()));
        shown["stale"] = json!(reading.stale);
        shown["test"] = json!(reading.test);
        shown["doubted_by"] = json!(reading.doubted_by);
        shown["eu"] = json!(reading.eu);
    }
    if let Some(left_ms) = part.left_ms {
        shown["left_ms"] = json!(left_ms);
    }
    if !part.parts.is_empty() {
        shown["parts"] = part.parts.iter().map(json_of_part).collect();
    }
    shown
}
