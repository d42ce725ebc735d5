//! `fengsui alarms`: the alarm list of a running gateway, and what a person does about it.
//!
//! What may be done when is the gateway's to say; a refusal comes back with its reason.

use std::cmp::Reverse;
use std::io::{self, Write};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::api::{Api, Failure, Gateway, Second, Token, Who};
use super::{Exit, table};
use crate::alarm::message::reading;

/// Arguments of `fengsui alarms list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    gateway: Gateway,
    /// Print the states as regulators get them, as one JSON array.
    #[arg(long, global = true)]
    json: bool,
}

/// Arguments of a verb.
#[derive(Debug, clap::Args)]
pub(super) struct ActArgs {
    /// The alarm's id, UNIT/POINT/RULE, as the list shows it.
    // The system's own begin with a hyphen.
    #[arg(allow_hyphen_values = true, value_parser = id)]
    alarm: String,
    /// Who acts; it goes into the event that regulators get. Needed where the gateway has one token for all, else your token says it.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// What there is to say about it: the reason for what is done.
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// The occurrence that was seen: refused when there has been another since.
    #[arg(long, value_name = "N")]
    occurrence: Option<u64>,
    #[command(flatten)]
    gateway: Gateway,
    #[command(flatten)]
    token: Token,
    /// Print one JSON object, also for a refusal.
    #[arg(long, global = true)]
    json: bool,
}

/// Arguments of a verb whose effect ends by itself.
#[derive(Debug, clap::Args)]
pub(super) struct TimedArgs {
    #[command(flatten)]
    act: ActArgs,
    /// For how long, as `30min` or `2h`.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lasts: String,
}

/// Arguments of `fengsui alarms shelve`.
#[derive(Debug, clap::Args)]
pub(super) struct ShelveArgs {
    #[command(flatten)]
    timed: TimedArgs,
    /// Only until it returns, if that is sooner.
    #[arg(long)]
    once: bool,
}

/// Arguments of `fengsui alarms out-of-service`.
#[derive(Debug, clap::Args)]
pub(super) struct OutArgs {
    #[command(flatten)]
    timed: TimedArgs,
    #[command(flatten)]
    second: Second,
    /// The work order.
    #[arg(long, value_name = "TEXT")]
    ticket: String,
}

/// What a verb asks for beside who and what.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    verb: &'static str,
    act: &'a ActArgs,
    lasts: Option<&'a str>,
    second: Option<&'a Second>,
    ticket: &'a str,
}

impl ActArgs {
    pub(super) fn asks(&self, verb: &'static str) -> Asked<'_> {
        Asked {
            verb,
            act: self,
            lasts: None,
            second: None,
            ticket: "",
        }
    }
}

impl TimedArgs {
    pub(super) fn asks(&self, verb: &'static str) -> Asked<'_> {
        Asked {
            lasts: Some(&self.lasts),
            ..self.act.asks(verb)
        }
    }
}

impl ShelveArgs {
    pub(super) fn asks(&self) -> Asked<'_> {
        let verb = if self.once { "shelve-once" } else { "shelve" };
        self.timed.asks(verb)
    }
}

impl OutArgs {
    pub(super) fn asks(&self) -> Asked<'_> {
        Asked {
            second: Some(&self.second),
            ticket: &self.ticket,
            ..self.timed.asks("out-of-service")
        }
    }
}

fn duration(text: &str) -> Result<String, String> {
    match front::parse_duration_ms(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// An alarm's id; an option that does not exist is none.
fn id(text: &str) -> Result<String, String> {
    let segments: Vec<&str> = text.split('/').collect();
    let is_name = |it: &str| it == "-" || telemetry::check_segment(it).is_ok();
    if segments.len() == 3 && segments.iter().all(|it| is_name(it)) {
        return Ok(text.to_owned());
    }
    Err(
        "no alarm has such an id, expected UNIT/POINT/RULE as `fengsui alarms list` shows it"
            .to_owned(),
    )
}

/// What came of a verb.
#[derive(Debug, Serialize)]
struct Acted<'a> {
    ok: bool,
    alarm: &'a str,
    verb: &'a str,
    /// Who acts, as the gateway knows them; of a refusal, what was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<&'a str>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
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
    value: Option<f64>,
    unit: Option<String>,
    acked_by: Option<String>,
    #[serde(default)]
    test: bool,
    shelved_by: Option<String>,
    shelved_until: Option<String>,
    #[serde(default)]
    suppressed_by: Vec<String>,
    text: Option<Text>,
    advice: Option<Text>,
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
            "",
            "level",
            "colour",
            "state",
            "alarm",
            "nr",
            "value",
            "since (UTC)",
            "what",
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
    if state.test {
        told.push_str(", test");
    }
    if let Some(by) = &state.acked_by {
        told.push_str(&format!(", {by}"));
    }
    if let (Some(by), Some(until)) = (&state.shelved_by, &state.shelved_until) {
        told.push_str(&format!(", {by} until {}", minutes(until)));
    }
    if !state.suppressed_by.is_empty() {
        told.push_str(&format!(", {}", state.suppressed_by.join(", ")));
    }
    let unit = state.unit.as_deref().unwrap_or_default();
    let value = state.value.map(|value| reading(value, unit));
    let told_in = |text: &Text| match text.en.is_empty() {
        true => text.zh.clone(),
        false => text.en.clone(),
    };
    // What it is, and what to do about it.
    let parts = [&state.text, &state.advice].into_iter().flatten();
    let what: Vec<String> = parts.map(told_in).collect();
    vec![
        state.letter.clone(),
        or_none(&state.level),
        or_none(&state.colour),
        told,
        state.id.clone(),
        state.occurrence.to_string(),
        or_none(&value),
        seconds(&state.changed_at),
        what.join(" — "),
    ]
}

/// `2026-11-22T08:00:00.000Z` without what a person does not look at.
fn seconds(time: &str) -> String {
    time.replace('T', " ").chars().take(19).collect()
}

/// The time of the day.
fn minutes(time: &str) -> String {
    time.chars().skip(11).take(5).collect()
}

/// Who acted, as the gateway answers.
#[derive(Debug, Deserialize)]
struct Done {
    by: String,
    second: Option<String>,
}

/// Has a person act: 1 when the gateway refuses.
pub(super) fn act(
    asked: &Asked<'_>,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let (verb, args) = (asked.verb, asked.act);
    let second = asked.second.and_then(|it| it.second.as_deref());
    let done = match ask(asked, second, env) {
        Ok(done) => Ok(done),
        Err(failure) if failure.exit == Exit::No => Err(failure),
        Err(failure) => return failure.tell(err),
    };
    if args.json {
        let (by, second) = match &done {
            Ok(done) => (Some(done.by.as_str()), done.second.as_deref()),
            Err(_) => (args.by.as_deref(), second),
        };
        let acted = Acted {
            ok: done.is_ok(),
            alarm: &args.alarm,
            verb,
            by,
            second,
            error: done.as_ref().err().map(|refusal| refusal.what.as_str()),
        };
        serde_json::to_writer(&mut *out, &acted)?;
        writeln!(out)?;
        return Ok(done.map_or_else(|refusal| refusal.exit, |_| Exit::Done));
    }
    match done {
        Err(refusal) => refusal.tell(err),
        Ok(Done { by, second }) => {
            let with = second.map_or_else(String::new, |second| format!(" with {second}"));
            writeln!(out, "{}: {verb} by {by}{with}", args.alarm)?;
            Ok(Exit::Done)
        }
    }
}

fn ask(
    asked: &Asked<'_>,
    second: Option<&str>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Done, Failure> {
    let args = asked.act;
    let mut who = Who::alone(&args.token, env)?;
    if let Some(second) = asked.second {
        who = who.and(second, env)?;
    }
    let mut words = json!({ "comment": args.comment.as_deref().unwrap_or_default() });
    if let Some(occurrence) = args.occurrence {
        words["occurrence"] = occurrence.into();
    }
    let ticket = Some(asked.ticket).filter(|ticket| !ticket.is_empty());
    for (key, word) in [
        ("by", args.by.as_deref()),
        ("for", asked.lasts),
        ("second", second),
        ("ticket", ticket),
    ] {
        if let Some(word) = word {
            words[key] = word.into();
        }
    }
    let path = format!("/api/v1/alarms/{}/{}", args.alarm, asked.verb);
    let answer = Api::new(&args.gateway)?.post(&path, &who, words.to_string())?;
    let strange = |_| Failure::new(Exit::Unreachable, "the answer does not say who acted");
    serde_json::from_str(&answer).map_err(strange)
}
