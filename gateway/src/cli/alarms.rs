//! `fengsui alarms`: the alarm list of a running gateway, and what a person does about it.
//!
//! What may be done when is the gateway's to say; a refusal comes back with its reason.

use std::cmp::Reverse;
use std::io::{self, Write};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::api::{Api, Failure, Gateway, Token, token};
use super::{Exit, table};

/// Arguments of `fengsui alarms list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    gateway: Gateway,
    /// Print the states as regulators get them, as one JSON array.
    #[arg(long)]
    json: bool,
}

/// Arguments of a verb.
#[derive(Debug, clap::Args)]
pub(super) struct ActArgs {
    /// The alarm's id, UNIT/POINT/RULE, as the list shows it.
    // The system's own begin with a hyphen.
    #[arg(allow_hyphen_values = true)]
    alarm: String,
    /// Who acts; it goes into the event that regulators get.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// What there is to say about it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// The occurrence that was seen: refused when there has been another since.
    #[arg(long, value_name = "N")]
    occurrence: Option<u64>,
    #[command(flatten)]
    gateway: Gateway,
    #[command(flatten)]
    token: Token,
}

/// What the list shows of a state; the contract has more.
#[derive(Debug, Deserialize)]
struct State {
    id: String,
    letter: String,
    state: String,
    occurrence: u64,
    unknown: bool,
    changed_at: String,
    #[serde(default)]
    severity: u16,
    level: Option<String>,
    colour: Option<String>,
    value: Option<serde_json::Value>,
    unit: Option<String>,
    acked_by: Option<String>,
    text: Option<Text>,
}

#[derive(Debug, Deserialize)]
struct Text {
    en: String,
    zh: String,
}

/// Lists the alarms that are not normal, the most severe first.
pub(super) fn list(
    args: &ListArgs,
    colours: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let text = match Api::new(&args.gateway).and_then(|api| api.get("/api/v1/alarms")) {
        Ok(text) => text,
        Err(failure) => return failure.tell(err),
    };
    let strange = || Failure::new(Exit::Unreachable, "the answer is no list of alarms");
    if args.json {
        if serde_json::from_str::<Vec<IgnoredAny>>(&text).is_err() {
            return strange().tell(err);
        }
        writeln!(out, "{}", text.trim_end())?;
        return Ok(Exit::Done);
    }
    let Ok(states) = serde_json::from_str(&text) else {
        return strange().tell(err);
    };
    print(states, colours, out)?;
    Ok(Exit::Done)
}

fn print(mut states: Vec<State>, colours: bool, out: &mut dyn Write) -> io::Result<()> {
    if states.is_empty() {
        return writeln!(out, "no alarm");
    }
    states.sort_by(|a, b| (Reverse(a.severity), &a.id).cmp(&(Reverse(b.severity), &b.id)));
    let rows: Vec<Vec<String>> = states.iter().map(row).collect();
    table::print_painted(
        out,
        &[
            "", "level", "colour", "state", "alarm", "nr", "value", "since", "what",
        ],
        &rows,
        &|idx| match &states[idx].colour {
            Some(colour) if colours => table::paint(colour),
            _ => "",
        },
    )
}

fn row(state: &State) -> Vec<String> {
    let or_none = |it: &Option<String>| it.clone().unwrap_or_else(|| "–".to_owned());
    let mut told = state.state.clone();
    if state.unknown {
        told.push_str(", unknown");
    }
    if let Some(by) = &state.acked_by {
        told.push_str(&format!(", {by}"));
    }
    let value = match (&state.value, &state.unit) {
        (Some(value), Some(unit)) => format!("{value} {unit}"),
        (Some(value), None) => value.to_string(),
        (None, _) => "–".to_owned(),
    };
    let what = state.text.as_ref().map(|text| {
        if text.en.is_empty() {
            text.zh.clone()
        } else {
            text.en.clone()
        }
    });
    vec![
        state.letter.clone(),
        or_none(&state.level),
        or_none(&state.colour),
        told,
        state.id.clone(),
        state.occurrence.to_string(),
        value,
        state.changed_at.clone(),
        what.unwrap_or_default(),
    ]
}

/// Has a person act: 1 when the gateway refuses.
pub(super) fn act(
    verb: &str,
    args: &ActArgs,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let acted = path(&args.alarm, verb).and_then(|path| {
        let token = token(args.token.token_file.as_deref(), env)?;
        let mut words = json!({ "by": args.by, "comment": args.comment });
        if let Some(occurrence) = args.occurrence {
            words["occurrence"] = occurrence.into();
        }
        Api::new(&args.gateway)?.post(&path, &token, words.to_string())
    });
    match acted {
        Ok(_) => {
            writeln!(out, "{}: {verb} by {}", args.alarm, args.by)?;
            Ok(Exit::Done)
        }
        Err(failure) => failure.tell(err),
    }
}

/// The path of a verb on an alarm.
fn path(alarm: &str, verb: &str) -> Result<String, Failure> {
    let segments: Vec<&str> = alarm.split('/').collect();
    let is_name = |it: &str| it == "-" || telemetry::check_segment(it).is_ok();
    if segments.len() != 3 || !segments.iter().all(|it| is_name(it)) {
        let what = format!(
            "`{alarm}` is no alarm, expected UNIT/POINT/RULE as `fengsui alarms list` shows it"
        );
        return Err(Failure::new(Exit::BadInput, what));
    }
    Ok(format!("/api/v1/alarms/{alarm}/{verb}"))
}
