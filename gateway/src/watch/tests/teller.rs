//! A gateway and a broker in a few lines: they tell a site's story as the contract says, and remember every message that a subscriber got.
//!
//! Written from the contract alone, not from the publisher, so that the two can be held against each other.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use telemetry::UtcMs;

use super::next_problem;
use crate::watch::body::{Hash, hash};
use crate::watch::{Options, Problem, Standing, Watch};

pub(super) const TOPICS: &str = "fengsui/v1/east/plant-1";
pub(super) const CLIENT: &str = "county";
const START: UtcMs = UtcMs(1_795_420_800_000);
const ALARMS: usize = 5;

/// What a subscriber's connection brings.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Connected,
    Disconnected,
    Message {
        topic: String,
        payload: Vec<u8>,
        retained: bool,
    },
}

/// What can happen at a site.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// Something happens to an alarm: which of the possible things.
    Alarm(usize, u8),
    /// As before, and the state leaves before its event.
    Undurable(usize, u8),
    /// Two things at once; the first state is skipped.
    Twice(usize, u8),
    Gap,
    Historical(usize),
    Wait(u64),
    /// The gateway loses its connection, and comes back after a while; the last few events are sent again.
    GatewayAway(u64, u64),
    /// The gateway comes back with its last few events gone.
    Turn(usize),
    /// Two things happen while the gateway has no connection; it comes back under a new epoch, and tells those, and the last few events before them, after the states.
    TurnLate(usize, usize),
    /// The subscriber is away for a while; with a short queue the broker drops half of the states.
    Away(u64, bool),
    /// Everybody is away, and the broker forgets what it retains.
    Broker(u64),
}

/// A told event.
#[derive(Clone, Debug)]
struct Told {
    epoch: String,
    seq: u64,
    bytes: Vec<u8>,
    at: UtcMs,
    /// The alarms after it.
    alarms: BTreeMap<String, Map<String, Value>>,
}

#[derive(Debug)]
pub(super) struct Teller {
    now: UtcMs,
    epochs: u64,
    seq: u64,
    head: Hash,
    alarms: BTreeMap<String, Map<String, Value>>,
    events: Vec<Told>,
    /// Events that the log lost, and when.
    lost: Vec<(UtcMs, Told)>,
    /// Events of the epoch before that are told after the states of the next.
    late: Vec<usize>,
    retained: BTreeMap<String, Vec<u8>>,
    gateway: bool,
    subscriber: bool,
    status_at: UtcMs,
    snapshot_at: UtcMs,
    parts: usize,
    /// Everything that the subscriber got, and when.
    pub(super) steps: Vec<(UtcMs, Step)>,
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

fn bytes(value: Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

pub(super) fn id(alarm: usize) -> String {
    [
        "tank/lel-1/gas",
        "tank/lel-2/gas",
        "tank/-/vote",
        "-/-/roll-up",
        "-/n1/sys.offline",
    ][alarm % ALARMS]
        .to_owned()
}

impl Teller {
    /// A site with a few alarms in its history, and a subscriber that has just connected.
    pub(super) fn new() -> Self {
        let mut teller = Self {
            now: START,
            epochs: 0,
            seq: 0,
            head: [0; 32],
            alarms: BTreeMap::new(),
            events: Vec::new(),
            lost: Vec::new(),
            late: Vec::new(),
            retained: BTreeMap::new(),
            gateway: true,
            subscriber: false,
            status_at: START,
            snapshot_at: START,
            parts: 0,
            steps: Vec::new(),
        };
        teller.begin_epoch("new-data-folder");
        teller.gateway_connects(0);
        for alarm in 0..3 {
            teller.act(Act::Alarm(alarm, 0));
        }
        teller.act(Act::Alarm(1, 2));
        teller.subscriber_connects(false);
        teller.wait(20_000);
        teller
    }

    /// Tells a story, and lets it come to rest.
    pub(super) fn tell(acts: &[Act]) -> Self {
        let mut teller = Self::new();
        for act in acts {
            teller.act(*act);
        }
        teller.wait(130_000);
        teller
    }

    pub(super) fn epoch(&self) -> String {
        format!("01KAR5Z9P0W3F6D8H1J2K4M{:03}", self.epochs)
    }

    pub(super) fn act(&mut self, act: Act) {
        self.advance(250);
        match act {
            Act::Alarm(alarm, what) => {
                let id = self.happens(alarm, what);
                self.event_out(self.events.len() - 1);
                self.state_out(&id);
            }
            Act::Undurable(alarm, what) => {
                let id = self.happens(alarm, what);
                self.state_out(&id);
                self.event_out(self.events.len() - 1);
            }
            Act::Twice(alarm, what) => {
                self.happens(alarm, what);
                let id = self.happens(alarm, what + 1);
                self.event_out(self.events.len() - 2);
                self.event_out(self.events.len() - 1);
                self.state_out(&id);
            }
            Act::Gap => self.of_no_alarm("-/n1/sys.gap", "gap", None),
            Act::Historical(alarm) => {
                let id = id(alarm);
                if let Some(mut state) = self.alarms.get(&id).cloned() {
                    for (field, ms) in [("condition_since", 9), ("raised_at", 8), ("cleared_at", 7)]
                    {
                        let at = self.now.minus_ms(ms * 60_000);
                        state.insert(field.to_owned(), json!(at.to_string()));
                    }
                    self.number(
                        state,
                        json!({"event": "historical", "cause": {"sample": id}}),
                    );
                    self.event_out(self.events.len() - 1);
                }
            }
            Act::Wait(ms) => self.wait(ms),
            Act::GatewayAway(ms, again) => {
                self.gateway_goes();
                self.wait(ms);
                self.gateway_connects(again);
            }
            Act::Turn(gone) => {
                self.gateway_goes();
                let kept = self.events.len().saturating_sub(gone).max(1);
                let lost = self.events.split_off(kept);
                self.lost
                    .extend(lost.into_iter().map(|told| (self.now, told)));
                let last = self.events.last().expect("there is one");
                self.alarms = last.alarms.clone();
                self.head = hash(&last.bytes);
                self.advance(2_000);
                self.begin_epoch("log-behind");
                self.gateway_connects(0);
            }
            Act::TurnLate(alarm, again) => {
                self.gateway_goes();
                let told = self.events.len();
                for more in 0..2 {
                    self.happens(alarm + more, 0);
                }
                let since = told.saturating_sub(again);
                self.late = (since..self.events.len())
                    .filter(|index| self.events[*index].epoch == self.epoch())
                    .collect();
                self.advance(2_000);
                self.begin_epoch("broker-ahead-of-log");
                self.gateway_connects(0);
            }
            Act::Away(ms, short) => {
                self.subscriber_goes();
                self.wait(ms);
                self.subscriber_connects(short);
            }
            Act::Broker(ms) => {
                self.subscriber_goes();
                self.gateway = false;
                self.wait(ms);
                self.retained.clear();
                self.subscriber_connects(false);
                self.gateway_connects(0);
            }
        }
    }

    fn advance(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// Time passes; statuses and snapshots come.
    pub(super) fn wait(&mut self, ms: u64) {
        let until = self.now.plus_ms(ms);
        while self.now < until {
            self.advance(until.since_ms(self.now).min(1_000));
            if self.gateway && self.now.since_ms(self.status_at) >= 20_000 {
                self.status("known");
            }
            if self.gateway && self.now.since_ms(self.snapshot_at) >= 50_000 {
                self.snapshot();
            }
        }
    }

    fn begin_epoch(&mut self, reason: &str) {
        let previous = self.events.last().map(|told| told.epoch.clone());
        self.epochs += 1;
        self.seq = 0;
        let epoch = self.epoch();
        for state in self.alarms.values_mut() {
            state.insert("epoch".to_owned(), json!(epoch));
            state.insert("seq".to_owned(), json!(1));
        }
        let mut extra = json!({"reason": reason});
        if let Some(previous) = previous {
            extra["previous_epoch"] = json!(previous);
        }
        self.of_no_alarm("-/gw-1/sys.epoch", "epoch", Some(extra));
    }

    fn of_no_alarm(&mut self, id: &str, event: &str, extra: Option<Value>) {
        let mut tail = json!({"event": event, "cause": {"node": "gw-1"}});
        for (field, value) in extra.map(fields).into_iter().flatten() {
            tail[field] = value;
        }
        let state = self.normal(id);
        self.number(state, tail);
        self.event_out(self.events.len() - 1);
    }

    fn normal(&self, id: &str) -> Map<String, Value> {
        let rule = id.rsplit('/').next();
        fields(json!({
            "id": id, "site": "east/plant-1", "occurrence": 0, "letter": "A", "state": "normal",
            "active": false, "acked": true, "latched": false, "shelved": false, "suppressed": false,
            "out_of_service": false, "unknown": false, "test": false,
            "changed_at": self.now.to_string(),
            "rule": {"name": rule, "pack": "gas", "version": "1", "hash": "5b0c"},
        }))
    }

    /// Makes an alarm's next event: one of those that its state allows.
    fn happens(&mut self, alarm: usize, what: u8) -> String {
        let id = id(alarm);
        let known = self.alarms.get(&id).cloned();
        let mut state = known.unwrap_or_else(|| self.normal(&id));
        let flag = |state: &Map<String, Value>, name: &str| state[name] == json!(true);
        let (active, acked) = (flag(&state, "active"), flag(&state, "acked"));
        let (latched, unknown) = (flag(&state, "latched"), flag(&state, "unknown"));
        let now = json!(self.now.to_string());
        let mut may = vec![if active { "returned" } else { "raised" }];
        may.extend(active.then_some("level-up"));
        may.extend((!acked).then_some("acked"));
        may.extend((latched && acked && !active).then_some("reset"));
        may.push(if unknown { "known" } else { "unknown" });
        let event = may[usize::from(what) % may.len()];
        let mut set = |fields: &[(&str, Value)]| {
            for (field, value) in fields {
                state.insert((*field).to_owned(), value.clone());
            }
        };
        let mut tail = json!({"event": event, "cause": {"sample": "tank/lel-1"}});
        match event {
            "raised" => set(&[
                ("active", json!(true)),
                ("acked", json!(false)),
                ("level", json!("L1")),
                ("colour", json!("yellow")),
                ("severity", json!(500)),
                (
                    "condition_since",
                    json!(self.now.minus_ms(5_000).to_string()),
                ),
                ("raised_at", now.clone()),
                ("limit", json!(25)),
                ("value", json!(26.5)),
                ("unit", json!("%LEL")),
                ("quality", json!(0)),
                ("sample_time", now.clone()),
                (
                    "point",
                    json!({"unit": "tank", "name": "lel-1", "tag": "GT-101"}),
                ),
                ("text", json!({"zh": "可燃气体", "en": "combustible gas"})),
            ]),
            "level-up" => set(&[
                ("acked", json!(false)),
                ("latched", json!(true)),
                ("level", json!("L2")),
                ("colour", json!("orange")),
                ("severity", json!(700)),
                ("peak", json!(52.25)),
            ]),
            "returned" => set(&[("active", json!(false)), ("cleared_at", now.clone())]),
            "acked" => {
                set(&[
                    ("acked", json!(true)),
                    ("acked_by", json!("li")),
                    ("acked_at", now.clone()),
                ]);
                tail["by"] = json!("li");
            }
            "reset" => {
                set(&[("latched", json!(false))]);
                tail["by"] = json!("li");
            }
            word => set(&[("unknown", json!(word == "unknown"))]),
        }
        if event == "raised" {
            state.remove("cleared_at");
            state.remove("acked_by");
            state.remove("acked_at");
            let occurrence = state["occurrence"].as_u64().expect("a count") + 1;
            state.insert("occurrence".to_owned(), json!(occurrence));
        }
        let (letter, word) = match (
            flag(&state, "active"),
            flag(&state, "latched"),
            flag(&state, "acked"),
        ) {
            (true, _, false) => ("B", "active-unacked"),
            (true, _, true) => ("C", "active-acked"),
            (_, true, false) => ("E", "latched-unacked"),
            (_, true, true) => ("F", "latched-acked"),
            (_, _, false) => ("D", "rtn-unacked"),
            (_, _, true) => ("A", "normal"),
        };
        state.insert("letter".to_owned(), json!(letter));
        state.insert("state".to_owned(), json!(word));
        state.insert("changed_at".to_owned(), now);
        let state = self.number(state, tail);
        self.alarms.insert(id.clone(), state);
        let last = self.events.last_mut().expect("it was just made");
        last.alarms = self.alarms.clone();
        id
    }

    /// Numbers and chains an event; gives the state with its number.
    fn number(&mut self, mut state: Map<String, Value>, tail: Value) -> Map<String, Value> {
        self.seq += 1;
        state.insert("epoch".to_owned(), json!(self.epoch()));
        state.insert("seq".to_owned(), json!(self.seq));
        let mut event = state.clone();
        event.extend(fields(tail));
        event.insert("schema".to_owned(), json!("fengsui.alarm.event/1"));
        if !self.events.is_empty() {
            event.insert("prev".to_owned(), json!(hex(&self.head)));
        }
        let bytes = bytes(Value::Object(event));
        self.head = hash(&bytes);
        self.events.push(Told {
            epoch: self.epoch(),
            seq: self.seq,
            bytes,
            at: self.now,
            alarms: self.alarms.clone(),
        });
        state
    }

    fn out(&mut self, rest: &str, payload: Vec<u8>, retain: bool) {
        if !self.gateway {
            return;
        }
        let topic = format!("{TOPICS}/{rest}");
        if retain && payload.is_empty() {
            self.retained.remove(&topic);
        } else if retain {
            self.retained.insert(topic.clone(), payload.clone());
        }
        if self.subscriber {
            let retained = false;
            self.step(Step::Message {
                topic,
                payload,
                retained,
            });
        }
    }

    fn step(&mut self, step: Step) {
        self.steps.push((self.now, step));
    }

    fn event_out(&mut self, index: usize) {
        let bytes = self.events[index].bytes.clone();
        self.out("alarm/event", bytes, false);
    }

    fn state_out(&mut self, id: &str) {
        let mut state = self.alarms[id].clone();
        state.insert("schema".to_owned(), json!("fengsui.alarm.state/1"));
        let payload = bytes(Value::Object(state));
        let topic = format!("{TOPICS}/alarm/state/{id}");
        if self.retained.get(&topic) != Some(&payload) {
            self.out(&format!("alarm/state/{id}"), payload, true);
        }
    }

    pub(super) fn status(&mut self, word: &str) {
        self.status_at = self.now;
        let body = json!({
            "schema": "fengsui.gateway.status/1", "site": "east/plant-1", "gateway": "gw-1",
            "state": "online", "alarm_state": word, "epoch": self.epoch(), "seq": self.seq,
            "head": hex(&self.head), "version": "0.1.0", "rules_hash": "77ab",
        });
        self.out("gateway/status", bytes(body), true);
    }

    /// A snapshot in parts of two rows.
    fn snapshot(&mut self) {
        self.snapshot_at = self.now;
        let rows: Vec<Value> = self
            .alarms
            .iter()
            .filter(|(_, state)| state["letter"] != json!("A"))
            .map(|(id, state)| {
                let of = |field: &str| state[field].clone();
                json!({
                    "id": id, "occurrence": of("occurrence"), "seq": of("seq"), "letter": of("letter"),
                    "level": of("level"), "colour": of("colour"), "changed_at": of("changed_at"),
                })
            })
            .collect();
        let mut chunks: Vec<Vec<Value>> = rows.chunks(2).map(<[Value]>::to_vec).collect();
        if chunks.is_empty() {
            chunks.push(Vec::new());
        }
        let parts = chunks.len();
        chunks.resize(parts.max(self.parts), Vec::new());
        self.parts = parts;
        for (part, rows) in chunks.into_iter().enumerate() {
            let body = json!({
                "schema": "fengsui.alarm.snapshot/1", "site": "east/plant-1", "epoch": self.epoch(),
                "seq": self.seq, "head": hex(&self.head), "at": self.now.to_string(),
                "part": part, "parts": parts, "alarms": rows,
            });
            self.out(&format!("alarm/snapshot/{part}"), bytes(body), true);
        }
    }

    fn gateway_goes(&mut self) {
        let will = json!({
            "schema": "fengsui.gateway.status/1", "site": "east/plant-1", "gateway": "gw-1",
            "state": "offline", "alarm_state": "unknown", "version": "0.1.0", "rules_hash": "77ab",
        });
        self.out("gateway/status", bytes(will), true);
        self.gateway = false;
    }

    /// Unknown, every state that differs, snapshot, known; then the events that nobody acknowledged.
    fn gateway_connects(&mut self, again: u64) {
        self.gateway = true;
        self.advance(300);
        self.status("unknown");
        let ids: Vec<String> = self.alarms.keys().cloned().collect();
        for id in &ids {
            self.state_out(id);
        }
        self.advance(100);
        self.snapshot();
        self.status("known");
        for index in std::mem::take(&mut self.late) {
            self.event_out(index);
        }
        let told = self.steps.iter().rev().find_map(|(_, step)| match step {
            Step::Message { topic, payload, .. } if topic.ends_with("alarm/event") => {
                let event: Value = serde_json::from_slice(payload).expect("an event");
                (event["epoch"] == json!(self.epoch())).then(|| event["seq"].as_u64())
            }
            _ => None,
        });
        let told = told.flatten().unwrap_or(0);
        for index in 0..self.events.len() {
            let event = &self.events[index];
            if event.epoch == self.epoch() && event.seq + again > told {
                self.event_out(index);
            }
        }
        let prefix = format!("{TOPICS}/alarm/state/");
        let strangers: Vec<String> = self
            .retained
            .keys()
            .filter_map(|topic| topic.strip_prefix(&prefix))
            .filter(|id| !self.alarms.contains_key(*id))
            .map(ToOwned::to_owned)
            .collect();
        for id in strangers {
            self.out(&format!("alarm/state/{id}"), Vec::new(), true);
        }
    }

    fn subscriber_goes(&mut self) {
        self.subscriber = false;
        self.step(Step::Disconnected);
    }

    /// The broker sends what it retains; with a short queue, half of the states.
    fn subscriber_connects(&mut self, short: bool) {
        self.subscriber = true;
        self.step(Step::Connected);
        let retained = self.retained.clone();
        for (index, (topic, payload)) in retained.into_iter().enumerate() {
            if !(short && index % 2 == 0 && topic.contains("/alarm/state/")) {
                let retained = true;
                self.step(Step::Message {
                    topic,
                    payload,
                    retained,
                });
            }
        }
    }

    /// The events of an epoch that were told by a time, as a replay sends them: two to a message, an empty one at the end.
    fn replay(&self, request: &[u8], now: UtcMs) -> Vec<Vec<u8>> {
        let request: Value = serde_json::from_slice(request).expect("a request");
        let (from, to) = (request["from"].as_u64(), request["to"].as_u64());
        let lost = self.lost.iter().filter(|(at, _)| *at > now);
        let mut wanted: Vec<&Told> = lost
            .map(|(_, told)| told)
            .chain(&self.events)
            .filter(|told| json!(told.epoch) == request["epoch"] && told.at <= now)
            .filter(|told| (from..=to).contains(&Some(told.seq)))
            .collect();
        wanted.sort_by_key(|told| told.seq);
        let chunk = |chunk: &[&Told]| {
            let lines = chunk.iter().flat_map(|told| [&told.bytes[..], b"\n"]);
            lines.collect::<Vec<_>>().concat()
        };
        let mut messages: Vec<Vec<u8>> = wanted.chunks(2).map(chunk).collect();
        messages.push(Vec::new());
        messages
    }

    /// Lets a subscriber hear these steps; its replay requests are answered. Gives it back with what it found wrong.
    pub(super) fn heard(&self, steps: &[(UtcMs, Step)], lookback: u64) -> (Watch, Vec<Problem>) {
        let mut watch = Watch::new("east", CLIENT, Options { lookback });
        let mut problems = Vec::new();
        let answer = |watch: &mut Watch, now: UtcMs| {
            while let Some(request) = watch.poll_request() {
                let expected = format!("{TOPICS}/alarm/replay/{CLIENT}/request");
                assert_eq!(request.topic, expected);
                for payload in self.replay(&request.payload, now) {
                    let topic = format!("{TOPICS}/alarm/replay/{CLIENT}/events");
                    watch.message(&topic, &payload, false, now);
                }
            }
        };
        let mut end = START;
        for (now, step) in steps {
            while let Some(due) = watch.poll_timeout().filter(|due| due < now) {
                watch.tick(due);
                answer(&mut watch, due);
            }
            match step {
                Step::Connected => watch.connected(*now),
                Step::Disconnected => watch.disconnected(),
                Step::Message {
                    topic,
                    payload,
                    retained,
                } => watch.message(topic, payload, *retained, *now),
            }
            answer(&mut watch, *now);
            end = *now;
        }
        watch.finish(end);
        while let Some(problem) = next_problem(&mut watch) {
            problems.push(problem);
        }
        (watch, problems)
    }

    /// The table as it should be: id and letter.
    pub(super) fn table(&self) -> Vec<(String, String)> {
        let alarms = self.alarms.iter();
        alarms
            .map(|(id, state)| {
                (
                    id.clone(),
                    state["letter"].as_str().unwrap_or("").to_owned(),
                )
            })
            .filter(|(_, letter)| letter != "A")
            .collect()
    }
}

/// The table that a subscriber has.
pub(super) fn table(watch: &Watch) -> Vec<(String, String)> {
    let site = watch.sites().next().expect("one site");
    assert_eq!(site.standing(), Standing::Known);
    let alarms = site.alarms();
    alarms
        .map(|(id, held)| (id.to_owned(), held.view.letter.to_string()))
        .collect()
}

/// What may happen while the subscriber stays connected.
pub(super) fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..ALARMS, any::<u8>()).prop_map(|(alarm, what)| Act::Alarm(alarm, what)),
        2 => (0..ALARMS, any::<u8>()).prop_map(|(alarm, what)| Act::Undurable(alarm, what)),
        2 => (0..ALARMS, 0_u8..100).prop_map(|(alarm, what)| Act::Twice(alarm, what)),
        1 => Just(Act::Gap),
        1 => (0..ALARMS).prop_map(Act::Historical),
        3 => (0_u64..90_000).prop_map(Act::Wait),
    ]
}

/// The outages of a site, seen or not seen by the subscriber.
pub(super) fn outage() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0_u64..200_000, 0_u64..4).prop_map(|(ms, again)| Act::GatewayAway(ms, again)),
        (0_usize..4).prop_map(Act::Turn),
        (0..ALARMS, 0_usize..4).prop_map(|(alarm, again)| Act::TurnLate(alarm, again)),
        (0_u64..200_000, any::<bool>()).prop_map(|(ms, short)| Act::Away(ms, short)),
        (0_u64..100_000).prop_map(Act::Broker),
    ]
}
