//! One rule of the contract at a time.

use std::path::Path;

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};
use telemetry::UtcMs;

use super::next_problem;
use super::teller::{Act, CLIENT, Step, TOPICS, Teller};
use crate::watch::{Options, ProblemKind, Standing, Watch, body};

/// A site told up to now, and its subscriber.
fn heard(acts: &[Act]) -> (Watch, UtcMs) {
    let mut teller = Teller::new();
    for act in acts {
        teller.act(*act);
    }
    let (watch, problems) = teller.heard(&teller.steps, 0);
    assert_eq!(problems, []);
    (watch, teller.steps.last().expect("steps").0)
}

fn standing(watch: &Watch) -> Standing {
    watch.sites().next().expect("one site").standing()
}

#[track_caller]
fn only(watch: &mut Watch, kind: ProblemKind) {
    let problem = next_problem(watch).expect("a problem");
    assert_eq!(problem.kind, kind);
    assert_eq!(problem.site, "east/plant-1");
    assert_eq!(next_problem(watch), None);
}

/// The last message on a topic that ends so, as it was told.
fn last(teller: &Teller, end: &str) -> Vec<u8> {
    let told = teller.steps.iter().rev().find_map(|(_, step)| match step {
        Step::Message { topic, payload, .. } if topic.ends_with(end) => Some(payload.clone()),
        _ => None,
    });
    told.expect("such a message")
}

#[test]
fn a_regulator_subscribes_to_two_filters_of_its_park() {
    let watch = Watch::new("east", CLIENT, Options::default());
    assert_eq!(
        watch.subscriptions(),
        [
            "fengsui/v1/east/+/alarm/#",
            "fengsui/v1/east/+/gateway/status"
        ]
    );
}

#[test]
fn sixty_seconds_of_silence_make_the_alarms_unknown_and_a_status_ends_it() {
    let (mut watch, now) = heard(&[]);
    assert_eq!(standing(&watch), Standing::Known);
    watch.tick(now.plus_ms(60_000));
    assert_eq!(standing(&watch), Standing::Known);
    watch.tick(now.plus_ms(60_001));
    assert_eq!(standing(&watch), Standing::Silent);
    assert_eq!(watch.counts().silences, 1);
    // It was heard on this connection, and never said that it goes.
    only(&mut watch, ProblemKind::StatusLate { seconds: 60 });
    let mut teller = Teller::new();
    teller.status("known");
    let status = last(&teller, "gateway/status");
    let topic = format!("{TOPICS}/gateway/status");
    watch.message(&topic, &status, false, now.plus_ms(70_000));
    assert_eq!(standing(&watch), Standing::Known);
    assert_eq!(next_problem(&mut watch), None);
}

#[test]
fn a_gateway_that_said_goodbye_may_be_silent() {
    let mut teller = Teller::new();
    teller.act(Act::GatewayAway(90_000, 0));
    let goes = teller.steps.iter().position(|(_, step)| match step {
        Step::Message { payload, .. } => String::from_utf8_lossy(payload).contains("offline"),
        _ => false,
    });
    let (mut watch, problems) = teller.heard(&teller.steps[..=goes.expect("a goodbye")], 0);
    assert_eq!(problems, []);
    assert_eq!(standing(&watch), Standing::Offline);
    watch.tick(teller.steps.last().expect("steps").0);
    assert_eq!(standing(&watch), Standing::Silent);
    assert_eq!(next_problem(&mut watch), None);
}

#[test]
fn what_was_on_its_way_when_the_own_connection_went_is_nobodys_fault() {
    let mut teller = Teller::new();
    teller.act(Act::Alarm(3, 0));
    let at = teller.steps.iter().rposition(|(_, step)| match step {
        Step::Message { topic, .. } => topic.ends_with("alarm/event"),
        _ => false,
    });
    let mut steps = teller.steps[..=at.expect("an event")].to_vec();
    // Its state is owed.
    let (_, problems) = teller.heard(&steps, 0);
    let id = "-/-/roll-up".to_owned();
    let kinds: Vec<_> = problems.into_iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::StateLeftOut { id, seq: 6 }]);
    let now = steps.last().expect("steps").0;
    steps.push((now, Step::Disconnected));
    let (watch, problems) = teller.heard(&steps, 0);
    assert_eq!(problems, []);
    assert!(
        !watch.is_settled(),
        "without a connection nothing is proven"
    );
}

#[test]
fn the_table_is_worth_what_the_status_and_the_own_connection_say() {
    let (mut watch, _) = heard(&[Act::GatewayAway(0, 0)]);
    assert_eq!(standing(&watch), Standing::Known);
    watch.disconnected();
    assert_eq!(standing(&watch), Standing::Unheard);
    let mut teller = Teller::new();
    teller.status("unknown");
    let (watch, _) = teller.heard(&teller.steps, 0);
    assert_eq!(standing(&watch), Standing::Unknown);
}

#[test]
fn a_status_that_comes_late_is_told_once() {
    let (mut watch, now) = heard(&[]);
    let mut teller = Teller::new();
    teller.status("known");
    let status = last(&teller, "gateway/status");
    let topic = format!("{TOPICS}/gateway/status");
    watch.message(&topic, &status, false, now.plus_ms(15_000));
    watch.message(&topic, &status, false, now.plus_ms(50_000));
    assert_eq!(next_problem(&mut watch), None);
    let (mut watch, now) = heard(&[]);
    watch.message(&topic, &status, false, now.plus_ms(36_000));
    only(&mut watch, ProblemKind::StatusLate { seconds: 36 });
}

#[test]
fn a_site_that_sends_no_snapshot_is_told() {
    let (mut watch, now) = heard(&[]);
    let teller = Teller::new();
    let status = last(&teller, "gateway/status");
    let topic = format!("{TOPICS}/gateway/status");
    for seconds in [20_u64, 40] {
        watch.message(&topic, &status, false, now.plus_ms(seconds * 1_000));
        assert_eq!(next_problem(&mut watch), None);
    }
    watch.message(&topic, &status, false, now.plus_ms(60_000));
    only(&mut watch, ProblemKind::SnapshotLate { seconds: 79 });
}

#[test]
fn known_after_unknown_needs_a_snapshot_between() {
    let mut teller = Teller::new();
    teller.status("unknown");
    teller.status("known");
    let (_, problems) = teller.heard(&teller.steps, 0);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].kind, ProblemKind::KnownWithoutSnapshot);
}

#[test]
fn two_gateways_of_one_site_are_told() {
    let (mut watch, now) = heard(&[]);
    let teller = Teller::new();
    let status = last(&teller, "gateway/status");
    let status = String::from_utf8(status)
        .unwrap()
        .replace("\"gw-1\"", "\"gw-2\"");
    watch.message(
        &format!("{TOPICS}/gateway/status"),
        status.as_bytes(),
        false,
        now.plus_ms(5_000),
    );
    let (one, other) = ("gw-1".to_owned(), "gw-2".to_owned());
    only(&mut watch, ProblemKind::TwoGateways { one, other });
}

#[test]
fn a_state_is_never_emptied_but_30_days_after_its_alarm_retired() {
    let topic = format!("{TOPICS}/alarm/state/tank/lel-1/gas");
    let (mut watch, now) = heard(&[]);
    watch.message(&topic, b"", false, now);
    let id = "tank/lel-1/gas".to_owned();
    only(&mut watch, ProblemKind::StateEmptied { id });
    // Alarm 0 returns and is acknowledged.
    let (mut watch, now) = heard(&[Act::Alarm(0, 0), Act::Alarm(0, 1)]);
    let site = watch.sites().next().expect("one site");
    let letter = |(id, held): (&str, &crate::watch::Held)| {
        (id == "tank/lel-1/gas").then_some(held.view.letter)
    };
    assert_eq!(site.all_alarms().find_map(letter), Some('A'));
    let later = now.plus_ms(30 * 24 * 3_600_000);
    watch.disconnected();
    watch.connected(later);
    watch.message(&topic, b"", false, later);
    assert_eq!(next_problem(&mut watch), None);
    // No such alarm: nothing is lost.
    watch.message(&topic, b"", false, now);
    assert_eq!(next_problem(&mut watch), None);
}

#[test]
fn an_event_that_the_broker_retains_is_told() {
    let mut teller = Teller::new();
    teller.act(Act::Alarm(3, 0));
    let event = last(&teller, "alarm/event");
    let (mut watch, _) = teller.heard(&teller.steps, 0);
    watch.message(&format!("{TOPICS}/alarm/event"), &event, true, UtcMs(0));
    let what = "an event".to_owned();
    only(&mut watch, ProblemKind::Retained { what });
}

#[test]
fn messages_of_other_parks_and_other_subscribers_are_nobodys_business() {
    let (mut watch, now) = heard(&[]);
    let before = watch.counts();
    watch.message("fengsui/v1/west/plant-1/alarm/event", b"x", false, now);
    watch.message(
        &format!("{TOPICS}/alarm/replay/other/events"),
        b"x",
        false,
        now,
    );
    watch.message(
        &format!("{TOPICS}/alarm/replay/other/request"),
        b"x",
        false,
        now,
    );
    watch.message(
        &format!("{TOPICS}/alarm/replay/{CLIENT}/events"),
        b"",
        false,
        now,
    );
    assert_eq!(watch.counts(), before);
    watch.message(&format!("{TOPICS}/alarm/other"), b"x", false, now);
    let problem = next_problem(&mut watch).expect("no topic of the contract");
    assert!(matches!(problem.kind, ProblemKind::Topic { .. }));
}

#[test]
fn a_replay_that_brings_nothing_back_is_asked_for_three_times_and_told() {
    let mut teller = Teller::new();
    for what in 0..4 {
        teller.act(Act::Alarm(3, what));
    }
    let events: Vec<usize> = (0..teller.steps.len())
        .filter(|at| match &teller.steps[*at].1 {
            Step::Message { topic, .. } => topic.ends_with("alarm/event"),
            _ => false,
        })
        .collect();
    let mut steps = teller.steps.clone();
    steps.remove(events[1]);
    let mut watch = Watch::new("east", CLIENT, Options { lookback: 0 });
    let mut now = UtcMs(0);
    for (at, step) in steps {
        now = at;
        match step {
            Step::Connected => watch.connected(now),
            Step::Disconnected => watch.disconnected(),
            Step::Message {
                topic,
                payload,
                retained,
            } => watch.message(&topic, &payload, retained, now),
        }
    }
    only(&mut watch, ProblemKind::LeftOut { from: 7, to: 7 });
    let status = format!("{TOPICS}/gateway/status");
    let mut asked = 0;
    for _ in 0..20 {
        now = now.plus_ms(10_000);
        teller.wait(10_000);
        teller.status("known");
        watch.message(&status, &last(&teller, "gateway/status"), false, now);
        while let Some(request) = watch.poll_request() {
            let body: Value = serde_json::from_slice(&request.payload).unwrap();
            assert_eq!(body, json!({"epoch": teller.epoch(), "from": 7, "to": 7}));
            asked += 1;
        }
    }
    assert_eq!(asked, 3);
    let kinds: Vec<_> = std::iter::from_fn(|| next_problem(&mut watch))
        .map(|problem| problem.kind)
        .filter(|kind| !matches!(kind, ProblemKind::SnapshotLate { .. }))
        .collect();
    assert_eq!(kinds, [ProblemKind::NotRepaired { from: 7, to: 7 }]);
}

/// A subscriber that missed event 7 and has asked for it, what it heard it from, and when.
fn asking() -> (Watch, Teller, UtcMs) {
    let mut teller = Teller::new();
    for what in 0..4 {
        teller.act(Act::Alarm(3, what));
    }
    teller.wait(20_000);
    let mut steps = teller.steps.clone();
    steps.retain(|(_, step)| match step {
        Step::Message { topic, payload, .. } => {
            let body: Value = serde_json::from_slice(payload).unwrap_or_default();
            !(topic.ends_with("alarm/event") && body["seq"] == json!(7))
        }
        _ => true,
    });
    let mut watch = Watch::new("east", CLIENT, Options { lookback: 0 });
    let mut now = UtcMs(0);
    for (at, step) in steps {
        now = at;
        match step {
            Step::Connected => watch.connected(now),
            Step::Disconnected => watch.disconnected(),
            Step::Message {
                topic,
                payload,
                retained,
            } => watch.message(&topic, &payload, retained, now),
        }
    }
    only(&mut watch, ProblemKind::LeftOut { from: 7, to: 7 });
    assert!(watch.poll_request().is_some());
    (watch, teller, now)
}

fn replay_topic() -> String {
    format!("{TOPICS}/alarm/replay/{CLIENT}/events")
}

/// Event 7, as a replay brings it.
fn line(teller: &Teller) -> Vec<u8> {
    let event = teller.steps.iter().find_map(|(_, step)| match step {
        Step::Message { topic, payload, .. } if topic.ends_with("alarm/event") => {
            let body: Value = serde_json::from_slice(payload).expect("an event");
            (body["seq"] == json!(7)).then(|| payload.clone())
        }
        _ => None,
    });
    [event.expect("event 7"), b"\n".to_vec()].concat()
}

#[test]
fn a_replay_ends_with_an_empty_message() {
    let (mut watch, teller, now) = asking();
    watch.message(&replay_topic(), &line(&teller), false, now);
    watch.message(&replay_topic(), b"", false, now);
    watch.tick(now.plus_ms(20_001));
    assert_eq!(next_problem(&mut watch), None);
    let (mut watch, teller, now) = asking();
    watch.message(&replay_topic(), &line(&teller), false, now);
    watch.tick(now.plus_ms(20_001));
    let (from, to, why) = (7, 7, "no empty message at its end");
    only(&mut watch, ProblemKind::Replay { from, to, why });
}

#[test]
fn a_replay_that_the_gateway_could_not_end_is_asked_for_again() {
    let (mut watch, mut teller, now) = asking();
    // It goes, and is back at once.
    teller.status("unknown");
    let topic = format!("{TOPICS}/gateway/status");
    watch.message(&topic, &last(&teller, "gateway/status"), false, now);
    teller.act(Act::GatewayAway(0, 0));
    for end in ["alarm/snapshot/0", "alarm/snapshot/1", "gateway/status"] {
        let topic = format!("{TOPICS}/{end}");
        watch.message(&topic, &last(&teller, end), false, now.plus_ms(400));
    }
    let request = watch.poll_request().expect("it asks again");
    let body: Value = serde_json::from_slice(&request.payload).expect("a request");
    assert_eq!(body["from"], json!(7));
    watch.message(&replay_topic(), &line(&teller), false, now.plus_ms(500));
    watch.message(&replay_topic(), b"", false, now.plus_ms(500));
    assert_eq!(next_problem(&mut watch), None);
    assert!(watch.is_settled());
}

#[test]
fn a_replay_is_not_retained() {
    let (mut watch, teller, now) = asking();
    watch.message(&replay_topic(), &line(&teller), true, now);
    let what = "a replay".to_owned();
    only(&mut watch, ProblemKind::Retained { what });
}

#[test]
fn what_an_event_says_and_what_it_shows_agree() {
    let mut teller = Teller::new();
    teller.act(Act::Alarm(3, 0));
    let raised: Value = serde_json::from_slice(&last(&teller, "alarm/event")).expect("an event");
    for (word, flag) in [
        ("returned", "active"),
        ("acked", "acked"),
        ("shelved", "shelved"),
        ("suppressed", "suppressed"),
        ("out-of-service", "out_of_service"),
        ("unknown", "unknown"),
        ("retired", "letter"),
    ] {
        let mut event = raised.clone();
        event["event"] = json!(word);
        event["by"] = json!("li");
        let told = body::event("east/plant-1", event.to_string().as_bytes());
        let told = told.expect_err("it contradicts itself");
        assert!(told.contains(&format!("`{flag}`")), "{word}: {told}");
    }
    let mut event = raised;
    event["rule"]["name"] = json!("another");
    let told = body::event("east/plant-1", event.to_string().as_bytes());
    assert_eq!(
        told.unwrap_err(),
        "rule/`name`: not the rule of `-/-/roll-up`"
    );
}

#[test]
fn a_will_has_no_number() {
    let mut teller = Teller::new();
    teller.act(Act::GatewayAway(0, 0));
    let will = json!({
        "schema": "fengsui.gateway.status/1", "site": "east/plant-1", "gateway": "gw-1",
        "state": "offline", "alarm_state": "unknown",
    });
    assert!(body::status("east/plant-1", will.to_string().as_bytes()).is_ok());
    let mut numbered = will;
    numbered["epoch"] = json!(teller.epoch());
    numbered["seq"] = json!(3);
    let told = body::status("east/plant-1", numbered.to_string().as_bytes());
    assert!(told.unwrap_err().contains("`epoch`"));
}

#[test]
fn a_state_of_the_epochs_own_number_is_made_up_where_the_epoch_takes_nothing_over() {
    for turned in [false, true] {
        let mut teller = Teller::new();
        if turned {
            teller.act(Act::Turn(0));
            teller.wait(20_000);
        }
        let (mut watch, problems) = teller.heard(&teller.steps, 100);
        assert_eq!(problems, []);
        let end = "alarm/state/tank/lel-1/gas";
        let mut state: Value = serde_json::from_slice(&last(&teller, end)).expect("a state");
        state["id"] = json!("tank/lel-9/gas");
        state["seq"] = json!(1);
        let topic = format!("{TOPICS}/alarm/state/tank/lel-9/gas");
        let now = teller.steps.last().expect("steps").0;
        watch.message(&topic, state.to_string().as_bytes(), false, now);
        let told = next_problem(&mut watch).map(|problem| problem.kind);
        let id = "tank/lel-9/gas".to_owned();
        let made_up = ProblemKind::StateOfNoEvent { id, seq: 1 };
        assert_eq!(told, (!turned).then_some(made_up));
    }
}

#[test]
fn a_new_epoch_that_does_not_tell_a_state_again_is_told() {
    let mut teller = Teller::new();
    teller.act(Act::Turn(0));
    teller.wait(20_000);
    let mut steps = teller.steps.clone();
    let at = steps.iter().rposition(|(_, step)| match step {
        Step::Message { topic, .. } => topic.ends_with("alarm/state/tank/lel-1/gas"),
        _ => false,
    });
    steps.remove(at.expect("it was told again"));
    let (_, problems) = teller.heard(&steps, 100);
    let kinds: Vec<_> = problems.into_iter().map(|problem| problem.kind).collect();
    let (at, id) = (1, "tank/lel-1/gas".to_owned());
    let why = "its state was not sent again in the new epoch";
    assert_eq!(kinds, [ProblemKind::SnapshotDiffers { at, id, why }]);
}

#[test]
fn an_alarm_that_is_listed_twice_is_told() {
    let mut teller = Teller::new();
    teller.wait(60_000);
    let part = |number| {
        let told = last(&teller, &format!("alarm/snapshot/{number}"));
        serde_json::from_slice::<Value>(&told).expect("a part")
    };
    let (first, mut second) = (part(0), part(1));
    let twice = first["alarms"][0].clone();
    let id = twice["id"].as_str().expect("an id").to_owned();
    second["alarms"].as_array_mut().expect("rows").push(twice);
    let (mut watch, now) = heard(&[]);
    for (number, part) in [first, second].iter().enumerate() {
        let topic = format!("{TOPICS}/alarm/snapshot/{number}");
        watch.message(&topic, part.to_string().as_bytes(), false, now);
    }
    let (at, why) = (5, "it is listed twice");
    only(&mut watch, ProblemKind::SnapshotDiffers { at, id, why });
}

/// The schemas that are shipped for subscribers.
fn schemas() -> Vec<(&'static str, Value, Validator)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/contract");
    let names = [
        "alarm-state",
        "alarm-event",
        "alarm-snapshot",
        "gateway-status",
    ];
    let uri = |name: &str| format!("file:///{name}.schema.json");
    let documents = names.map(|name| {
        let text = std::fs::read(folder.join(format!("{name}.schema.json"))).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()
    });
    let mut registry = Registry::new();
    for (name, schema) in names.iter().zip(&documents) {
        registry = registry.add(uri(name), schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let build = |(name, schema): (&'static str, Value)| {
        let options = jsonschema::options();
        let options = options.with_base_uri(uri(name)).with_registry(&registry);
        let validator = options.build(&schema).unwrap();
        (name, schema, validator)
    };
    names
        .into_iter()
        .zip(documents.clone())
        .map(build)
        .collect()
}

fn read(name: &str, body: &Value) -> Result<(), String> {
    let (site, payload) = ("east/plant-1", body.to_string());
    match name {
        "alarm-state" => body::state(site, payload.as_bytes()).map(drop),
        "alarm-event" => body::event(site, payload.as_bytes()).map(drop),
        "alarm-snapshot" => body::part(site, payload.as_bytes()).map(drop),
        _ => body::status(site, payload.as_bytes()).map(drop),
    }
}

/// Every body that differs from this one in one place.
fn variants(body: &Value) -> Vec<Value> {
    let instead = [
        json!(null),
        json!(true),
        json!(false),
        json!(-1),
        json!(0),
        json!(1),
        json!(1.5),
        json!(1_000_000),
        json!(""),
        json!("x"),
        json!("A"),
        json!("2026-11-23T08:00:00Z"),
        json!([]),
        json!({}),
    ];
    let mut all = Vec::new();
    let holders: Vec<(String, Value)> = match body {
        Value::Object(fields) => fields.clone().into_iter().collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (index.to_string(), item.clone()))
            .collect(),
        _ => return all,
    };
    for (name, value) in holders {
        let mut put = |value: Option<Value>| {
            let mut changed = body.clone();
            match (&mut changed, value) {
                (Value::Object(fields), Some(value)) => drop(fields.insert(name.clone(), value)),
                (Value::Object(fields), None) => drop(fields.remove(&name)),
                (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
                _ => {}
            }
            all.push(changed);
        };
        put(None);
        instead.iter().cloned().map(Some).for_each(&mut put);
        variants(&value).into_iter().map(Some).for_each(put);
    }
    all
}

#[test]
fn what_the_schemas_refuse_is_refused_here_too() {
    let mut refused = 0;
    for (name, schema, validator) in schemas() {
        for example in schema["examples"].as_array().unwrap() {
            assert_eq!(read(name, example), Ok(()), "{name}");
            for body in variants(example) {
                if !validator.is_valid(&body) {
                    assert!(read(name, &body).is_err(), "{name} takes {body}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn what_the_story_tells_is_as_the_schemas_say() {
    let teller = Teller::tell(&[
        Act::Alarm(3, 0),
        Act::Alarm(3, 1),
        Act::Alarm(3, 0),
        Act::Gap,
        Act::Historical(0),
        Act::Turn(2),
        Act::GatewayAway(0, 0),
    ]);
    let schemas = schemas();
    let mut checked = 0;
    for (_, step) in &teller.steps {
        let Step::Message { topic, payload, .. } = step else {
            continue;
        };
        let kinds = [
            "/alarm/state/",
            "/alarm/event",
            "/alarm/snapshot/",
            "/gateway/status",
        ];
        let kind = kinds.iter().position(|kind| topic.contains(kind)).unwrap();
        let Ok(body) = serde_json::from_slice::<Value>(payload) else {
            assert!(payload.is_empty() && kind == 0, "{topic}");
            continue;
        };
        let (_, _, validator) = &schemas[kind];
        let errors: Vec<_> = validator
            .iter_errors(&body)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, [""; 0], "{topic} {body}");
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
}
