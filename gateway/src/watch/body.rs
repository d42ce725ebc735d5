//! The bodies that a subscriber reads, held against their schemas field by field.
//!
//! Knows what one message can say, and whether it agrees with itself; knows nothing of other messages.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use telemetry::{UtcMs, check_segment};

use super::fields::{Fields, epoch, hex, id, is_some_text, letter, owned, some, word};

/// SHA-256.
pub(super) type Hash = [u8; 32];

/// An alarm message has at most this many bytes.
const ALARM_LEN_MAX: usize = 4 * 1024;

/// A snapshot part and a replay's message have at most this many bytes.
pub(super) const BULK_LEN_MAX: usize = 256 * 1024;

/// The fields that a state shares with its event. A reader ignores what it doesn't know, so only these are compared.
const SHARED: [&str; 45] = [
    "id",
    "site",
    "occurrence",
    "epoch",
    "seq",
    "letter",
    "state",
    "active",
    "acked",
    "latched",
    "shelved",
    "suppressed",
    "out_of_service",
    "unknown",
    "test",
    "changed_at",
    "rule",
    "level",
    "colour",
    "severity",
    "condition_since",
    "raised_at",
    "cleared_at",
    "limit",
    "peak",
    "value",
    "unit",
    "quality",
    "sample_time",
    "clock",
    "acked_at",
    "acked_by",
    "shelved_until",
    "shelved_by",
    "suppressed_by",
    "silenced",
    "incident",
    "re_alarms",
    "fleeting",
    "config_changed",
    "point",
    "reason",
    "text",
    "advice",
    "action",
];

/// What a state shows of an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmView {
    /// A to I.
    pub letter: char,
    /// The contract's word for the letter.
    pub state: String,
    /// How often it was raised.
    pub occurrence: u64,
    /// The condition, in every letter.
    pub active: bool,
    /// A latching level was reached and not reset since.
    pub latched: bool,
    /// Whether its condition can't be told now.
    pub unknown: bool,
    /// Whether its rule is on trial.
    pub test: bool,
    /// The rule's own word.
    pub level: Option<String>,
    /// `red`, `orange`, `yellow`, `blue`.
    pub colour: Option<String>,
    /// 1 to 1000; none from a snapshot's row.
    pub severity: Option<u64>,
    /// When it last changed.
    pub changed_at: UtcMs,
    /// When it was raised.
    pub raised_at: Option<UtcMs>,
    /// The value at its last event.
    pub value: Option<f64>,
    /// The value's unit.
    pub unit: Option<String>,
    /// The plant tag of its point.
    pub tag: Option<String>,
    /// What it says to people, in Chinese and English.
    pub text: [Option<String>; 2],
    /// Who acknowledged it.
    pub acked_by: Option<String>,
    /// Until when it is shelved.
    pub shelved_until: Option<UtcMs>,
    /// The reasons that suppress it.
    pub suppressed_by: Vec<String>,
    /// Why, for people.
    pub reason: Option<String>,
    /// What came of switching an output, where that was its last event.
    pub action: Option<Action>,
}

/// What came of switching an output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Action {
    /// The output.
    pub name: String,
    /// What it was to be, where that is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<bool>,
    /// Whether it is.
    pub ok: bool,
}

/// A state, or what an event shares with one.
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    pub(super) id: Arc<str>,
    pub(super) epoch: Arc<str>,
    pub(super) seq: u64,
    pub(super) view: AlarmView,
    /// Over the shared fields.
    pub(super) digest: Hash,
}

/// An event.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) alarm: Alarm,
    pub(super) kind: String,
    /// Who acted.
    pub(super) by: Option<String>,
    /// What they said, or why it happened.
    pub(super) comment: Option<String>,
    pub(super) prev: Option<Hash>,
    pub(super) previous_epoch: Option<Arc<str>>,
    /// Of its bytes.
    pub(super) hash: Hash,
}

impl Event {
    /// True when a retained state follows it.
    pub(super) fn has_state(&self) -> bool {
        !matches!(self.kind.as_str(), "gap" | "epoch" | "historical")
    }
}

/// A row of a snapshot.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: Arc<str>,
    pub(super) seq: u64,
    pub(super) occurrence: u64,
    pub(super) letter: char,
    pub(super) level: Option<String>,
    pub(super) colour: Option<String>,
    pub(super) changed_at: UtcMs,
}

/// A part of a snapshot.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) epoch: Arc<str>,
    pub(super) seq: u64,
    pub(super) head: Hash,
    pub(super) at: UtcMs,
    pub(super) part: u32,
    pub(super) parts: u32,
    pub(super) rows: Vec<Row>,
}

/// A gateway's status.
#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) gateway: String,
    pub(super) online: bool,
    pub(super) known: bool,
    pub(super) head: Option<(Arc<str>, u64, Hash)>,
}

pub(super) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Reads a state.
pub(super) fn state(site: &str, payload: &[u8]) -> Result<Alarm, String> {
    let body = object(payload, ALARM_LEN_MAX)?;
    let fields = Fields(&body);
    fields.schema("fengsui.alarm.state/1")?;
    alarm(site, &fields, "")
}

/// Reads an event.
pub(super) fn event(site: &str, payload: &[u8]) -> Result<Event, String> {
    let body = object(payload, ALARM_LEN_MAX)?;
    let fields = Fields(&body);
    fields.schema("fengsui.alarm.event/1")?;
    let kind = fields.text("event")?;
    word(kind).map_err(|why| format!("`event`: {why}"))?;
    let by = fields.optional("by", some)?;
    let comment = fields.optional("comment", some)?;
    let alarm = alarm(site, &fields, kind)?;
    let prev = fields.optional("prev", hex)?;
    let previous_epoch = fields.optional("previous_epoch", epoch)?;
    let of_none = |rule| {
        let own = alarm.id.starts_with("-/") && alarm.id.ends_with(rule);
        own && alarm.view.letter == 'A' && alarm.view.occurrence == 0
    };
    if (kind == "epoch" && !of_none("/sys.epoch")) || (kind == "gap" && !of_none("/sys.gap")) {
        return Err(format!(
            "`id`: `{kind}` belongs to no alarm, has letter A and occurrence 0"
        ));
    }
    match (kind, alarm.seq, prev) {
        ("epoch", 1, _) => drop(fields.text("reason")?),
        ("epoch", ..) => return Err("`seq`: an epoch begins with 1".to_owned()),
        (_, 1, _) => return Err("`event`: the first of an epoch is `epoch`".to_owned()),
        (_, _, None) => return Err("`prev`: missing".to_owned()),
        _ => {}
    }
    // What the word says of the alarm after it.
    let says = match kind {
        "raised" | "level-up" | "level-down" | "re-alarmed" => Some(("active", true)),
        "returned" => Some(("active", false)),
        "acked" => Some(("acked", true)),
        "reset" => Some(("latched", false)),
        "shelved" => Some(("shelved", true)),
        "unshelved" => Some(("shelved", false)),
        "suppressed" => Some(("suppressed", true)),
        "out-of-service" => Some(("out_of_service", true)),
        "in-service" => Some(("out_of_service", false)),
        "unknown" => Some(("unknown", true)),
        "known" => Some(("unknown", false)),
        "test-begun" => Some(("test", true)),
        "test-ended" => Some(("test", false)),
        _ => None,
    };
    if let Some((name, flag)) = says.filter(|(name, flag)| body[*name] != Value::Bool(*flag)) {
        return Err(format!("`{name}`: {} in `{kind}`", !flag));
    }
    match kind {
        "acked" | "reset" | "shelved" | "silenced" | "comment" => drop(fields.text("by")?),
        "action" if !body.contains_key("action") => {
            return Err("`action`: missing in an event of that".to_owned());
        }
        "retired" if alarm.view.letter != 'A' => {
            return Err("`letter`: `retired` is in A".to_owned());
        }
        _ => {}
    }
    match body.get("cause") {
        Some(Value::Object(cause)) if cause.len() == 1 && !cause.values().any(Value::is_null) => {}
        _ => return Err("`cause`: expected an object with one field".to_owned()),
    }
    Ok(Event {
        kind: kind.to_owned(),
        by,
        comment,
        prev,
        previous_epoch,
        hash: hash(payload),
        alarm,
    })
}

/// Reads a snapshot part.
pub(super) fn part(site: &str, payload: &[u8]) -> Result<Part, String> {
    let body = object(payload, BULK_LEN_MAX)?;
    let fields = Fields(&body);
    fields.schema("fengsui.alarm.snapshot/1")?;
    fields.site(site)?;
    let small = |name| {
        let number = fields.unsigned(name)?;
        u32::try_from(number).map_err(|_| format!("`{name}`: too large"))
    };
    let (part, parts) = (small("part")?, small("parts")?);
    if parts == 0 {
        return Err("`parts`: expected at least 1".to_owned());
    }
    let Some(Value::Array(alarms)) = body.get("alarms") else {
        return Err("`alarms`: expected a list".to_owned());
    };
    let rows: Vec<Row> = alarms
        .iter()
        .enumerate()
        .map(|(index, value)| row(value).map_err(|why| format!("alarms/{index}: {why}")))
        .collect::<Result<_, _>>()?;
    if part >= parts && !rows.is_empty() {
        return Err("`alarms`: a part left over from a larger snapshot has none".to_owned());
    }
    Ok(Part {
        epoch: epoch(fields.text("epoch")?).map_err(|why| format!("`epoch`: {why}"))?,
        seq: fields.one_or_more("seq")?,
        head: hex(fields.text("head")?).map_err(|why| format!("`head`: {why}"))?,
        at: fields.time("at")?,
        part,
        parts,
        rows,
    })
}

fn row(value: &Value) -> Result<Row, String> {
    let Value::Object(row) = value else {
        return Err("expected an object".to_owned());
    };
    let fields = Fields(row);
    fields.no_null()?;
    let occurrence = fields.unsigned("occurrence")?;
    let level = fields.optional("level", some)?;
    let colour = fields.optional("colour", word)?;
    if occurrence > 0 && (level.is_none() || colour.is_none()) {
        return Err("`level`, `colour`: missing".to_owned());
    }
    let letter = letter(fields.text("letter")?)?;
    if letter == 'A' || (occurrence == 0 && !('G'..='I').contains(&letter)) {
        return Err("`letter`: one that is not listed".to_owned());
    }
    Ok(Row {
        id: id(fields.text("id")?)?,
        seq: fields.one_or_more("seq")?,
        occurrence,
        letter,
        level,
        colour,
        changed_at: fields.time("changed_at")?,
    })
}

/// Reads a gateway's status.
pub(super) fn status(site: &str, payload: &[u8]) -> Result<Status, String> {
    let body = object(payload, ALARM_LEN_MAX)?;
    let fields = Fields(&body);
    fields.schema("fengsui.gateway.status/1")?;
    fields.site(site)?;
    let either = |name, one, other| match fields.text(name)? {
        word if word == one => Ok(true),
        word if word == other => Ok(false),
        word => Err(format!("`{name}`: `{word}`, expected `{one}` or `{other}`")),
    };
    let online = either("state", "online", "offline")?;
    let known = either("alarm_state", "known", "unknown")?;
    let gateway = fields.text("gateway")?;
    check_segment(gateway).map_err(|why| format!("`gateway`: {why}"))?;
    if body.contains_key("instance") {
        // A gateway of an older version names none.
        epoch(fields.text("instance")?).map_err(|why| format!("`instance`: {why}"))?;
    }
    if !online {
        if known {
            return Err("`alarm_state`: `known` while offline".to_owned());
        }
        // The will was written before the events that came after it.
        if let Some(name) = ["epoch", "seq"]
            .iter()
            .find(|name| body.contains_key(**name))
        {
            return Err(format!("`{name}`: expected to be left out while offline"));
        }
        return Ok(Status {
            gateway: gateway.to_owned(),
            online,
            known,
            head: None,
        });
    }
    for name in ["version", "rules_hash"] {
        fields.text(name)?;
    }
    let epoch = epoch(fields.text("epoch")?).map_err(|why| format!("`epoch`: {why}"))?;
    let head = hex(fields.text("head")?).map_err(|why| format!("`head`: {why}"))?;
    Ok(Status {
        gateway: gateway.to_owned(),
        online,
        known,
        head: Some((epoch, fields.one_or_more("seq")?, head)),
    })
}

/// What state and event share. `kind` is the event's, or empty for a state.
fn alarm(site: &str, fields: &Fields<'_>, kind: &str) -> Result<Alarm, String> {
    fields.site(site)?;
    let letter = letter(fields.text("letter")?)?;
    let occurrence = fields.unsigned("occurrence")?;
    let flag = |name| fields.bool(name);
    let (active, acked, latched) = (flag("active")?, flag("acked")?, flag("latched")?);
    let (shelved, suppressed) = (flag("shelved")?, flag("suppressed")?);
    let out_of_service = flag("out_of_service")?;
    let (expected, state) = match (out_of_service, suppressed, shelved, active, latched, acked) {
        (true, ..) => ('I', "out-of-service"),
        (_, true, ..) => ('H', "suppressed"),
        (_, _, true, ..) => ('G', "shelved"),
        (_, _, _, true, _, false) => ('B', "active-unacked"),
        (_, _, _, true, _, true) => ('C', "active-acked"),
        (_, _, _, false, true, false) => ('E', "latched-unacked"),
        (_, _, _, false, true, true) => ('F', "latched-acked"),
        (_, _, _, false, false, false) => ('D', "rtn-unacked"),
        (_, _, _, false, false, true) => ('A', "normal"),
    };
    if letter != expected || fields.text("state")? != state {
        return Err(format!(
            "`letter`, `state`: the flags say {expected}, `{state}`"
        ));
    }
    let changed_at = fields.time("changed_at")?;
    let rule = fields.object("rule")?;
    let rule = rule.ok_or("`rule`: missing")?;
    for name in ["pack", "version", "hash"] {
        Fields(rule).text(name)?;
    }
    let id = id(fields.text("id")?)?;
    if id.rsplit('/').next() != Some(Fields(rule).text("name")?) {
        return Err(format!("rule/`name`: not the rule of `{id}`"));
    }
    Fields(rule).optional("clause", some)?;
    let level = fields.optional("level", some)?;
    let colour = fields.optional("colour", word)?;
    fields.optional("clock", word)?;
    for name in ["acked_by", "shelved_by"] {
        fields.optional(name, some)?;
    }
    let severity = fields.optional_unsigned("severity")?;
    let band = match colour.as_deref() {
        Some("red") => 801..=1_000,
        Some("orange") => 601..=800,
        Some("yellow") => 401..=600,
        Some("blue") => 1..=400,
        _ => 1..=1_000,
    };
    if severity.is_some_and(|severity| !band.contains(&severity)) {
        return Err("`severity`: outside what the colour stands for".to_owned());
    }
    let time = |name| match fields.0.get(name) {
        Some(_) => fields.time(name).map(Some),
        None => Ok(None),
    };
    let (since, raised_at, cleared_at) = (
        time("condition_since")?,
        time("raised_at")?,
        time("cleared_at")?,
    );
    for name in ["acked_at", "sample_time"] {
        time(name)?;
    }
    let shelved_until = time("shelved_until")?;
    let incident = fields.optional_unsigned("incident")?;
    if incident.is_some_and(|incident| !(1..occurrence).contains(&incident)) {
        return Err("`incident`: no earlier occurrence".to_owned());
    }
    if kind != "historical" {
        if occurrence > 0 {
            let all = [level.is_some(), colour.is_some(), severity.is_some()];
            if all.contains(&false) || since.is_none() || raised_at.is_none() {
                return Err("raised once, but without level, colour, severity or times".to_owned());
            }
        }
        if active && (cleared_at.is_some() || occurrence == 0) {
            return Err("`cleared_at`, `occurrence`: not those of an active alarm".to_owned());
        }
        if !active && occurrence > 0 && cleared_at.is_none() {
            return Err("`cleared_at`: missing".to_owned());
        }
        if [since, raised_at, cleared_at].iter().flatten().max() > Some(&changed_at) {
            return Err("`changed_at`: before what it is the last of".to_owned());
        }
    }
    let times: Vec<UtcMs> = [since, raised_at, cleared_at]
        .into_iter()
        .flatten()
        .collect();
    if !times.is_sorted() {
        return Err("`condition_since`, `raised_at`, `cleared_at`: not in this order".to_owned());
    }
    let quality = fields.optional_unsigned("quality")?;
    if quality.is_some_and(|quality| quality > 65_535) {
        return Err("`quality`: more than 16 bits".to_owned());
    }
    for name in ["limit", "peak"] {
        if fields.0.get(name).is_some_and(|value| !value.is_number()) {
            return Err(format!("`{name}`: expected a number"));
        }
    }
    let mut suppressed_by = Vec::new();
    if let Some(reasons) = fields.0.get("suppressed_by") {
        let texts = reasons.as_array().map(|all| all.iter().all(is_some_text));
        if texts != Some(true) {
            return Err("`suppressed_by`: expected a list of texts".to_owned());
        }
        let texts = reasons.as_array().into_iter().flatten();
        suppressed_by.extend(texts.filter_map(Value::as_str).map(str::to_owned));
    }
    let action = match fields.object("action")? {
        None => None,
        Some(action) => {
            let has_on = action.contains_key("on");
            let action = Fields(action);
            Some(Action {
                name: action.text("name")?.to_owned(),
                on: has_on.then(|| action.bool("on")).transpose()?,
                ok: action.bool("ok")?,
            })
        }
    };
    let mut tag = None;
    if let Some(point) = fields.object("point")? {
        let point = Fields(point);
        if point.optional("unit", owned)?.is_none() {
            return Err("point/`unit`: missing".to_owned());
        }
        for name in ["name", "description", "kind", "datum"] {
            point.optional(name, owned)?;
        }
        for name in ["lon", "lat"] {
            if point.0.get(name).is_some_and(|value| !value.is_number()) {
                return Err(format!("point/`{name}`: expected a number"));
            }
        }
        tag = point.optional("tag", owned)?;
    }
    let both = |name| -> Result<[Option<String>; 2], String> {
        let Some(text) = fields.object(name)? else {
            return Ok([None, None]);
        };
        if text.is_empty() {
            return Err(format!("`{name}`: empty, expected to be left out"));
        }
        let text = Fields(text);
        Ok([text.optional("zh", owned)?, text.optional("en", owned)?])
    };
    let text = both("text")?;
    both("advice")?;
    let shared: Map<String, Value> = SHARED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), fields.0.get(*name)?.clone())))
        .collect();
    Ok(Alarm {
        id,
        epoch: epoch(fields.text("epoch")?).map_err(|why| format!("`epoch`: {why}"))?,
        seq: fields.one_or_more("seq")?,
        digest: hash(Value::Object(shared).to_string().as_bytes()),
        view: AlarmView {
            letter,
            state: state.to_owned(),
            occurrence,
            active,
            latched,
            unknown: flag("unknown")?,
            test: flag("test")?,
            level,
            colour,
            severity,
            changed_at,
            raised_at,
            value: fields.number("value")?,
            unit: fields.optional("unit", owned)?,
            tag,
            text,
            acked_by: fields.optional("acked_by", owned)?,
            shelved_until,
            suppressed_by,
            reason: fields.optional("reason", owned)?,
            action,
        },
    })
}

fn object(payload: &[u8], most: usize) -> Result<Map<String, Value>, String> {
    if payload.len() > most {
        return Err(format!("{} bytes, at most {most}", payload.len()));
    }
    match serde_json::from_slice(payload) {
        Ok(Value::Object(body)) => {
            Fields(&body).no_null()?;
            Ok(body)
        }
        Ok(_) => Err("no JSON object".to_owned()),
        Err(error) => Err(format!("no JSON: {error}")),
    }
}
