//! The shipped schemas say what the contract says: their examples hold, what breaks the contract does not, and what the rooms write does.

use serde_json::{Value, json};
use support::Schemas;
use telemetry::body::{self, Ack, Anchor, BusState, Dropped, NodeState, NodeStatus, PackId, Trip};
use telemetry::senml::{Base, Encoder, Format, Header};
use telemetry::{Clock, Quality, UtcMs, Value as Sample};

/// What every topic of a site begins with.
const SITE: &str = "fengsui/v1/east/plant-1";

/// Takes example `nth` of a schema, sets the field at `pointer` (null removes it), and expects the schema to find fault there.
#[track_caller]
fn refused(schemas: &Schemas, name: &str, nth: usize, pointer: &str, value: Value) {
    let mut message = schemas.examples(name)[nth].clone();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    let holder = message.pointer_mut(parent).expect("an example with that");
    match (holder, value) {
        (Value::Object(fields), Value::Null) => {
            assert!(fields.remove(field).is_some(), "{name} has no {pointer}");
        }
        (Value::Object(fields), Value::String(word)) if word == "null" => {
            fields.insert(field.to_owned(), Value::Null);
        }
        (Value::Object(fields), value) => {
            fields.insert(field.to_owned(), value);
        }
        (Value::Array(items), value) => items[field.parse::<usize>().expect("an index")] = value,
        (other, _) => panic!("{other} holds nothing"),
    }
    let problems = schemas.problems(name, &message);
    let near = |problem: &String| problem.starts_with(parent);
    assert!(
        !problems.is_empty() && problems.iter().any(near),
        "{name}: {pointer} is not refused in {message}: {problems:?}"
    );
}

#[test]
fn the_examples_of_every_schema_hold() {
    let schemas = Schemas::load();
    assert_eq!(schemas.names().count(), 10);
    for name in schemas.names() {
        for example in schemas.examples(name) {
            assert_eq!(schemas.problems(name, example), [""; 0], "{name}");
        }
    }
}

#[test]
fn a_body_may_gain_fields_and_a_list_of_words_may_grow() {
    let schemas = Schemas::load();
    for name in schemas.names().filter(|name| *name != "senml") {
        let mut message = schemas.examples(name)[0].clone();
        message["later"] = json!({"any": [1]});
        assert_eq!(schemas.problems(name, &message), [""; 0], "{name}");
    }
    for (name, pointer, word) in [
        ("senml", "/0/bclk", "astral"),
        ("senml", "/2/vs", "eaten-by-mice"),
        ("node-status", "/clock", "astral"),
        ("alarm-state", "/colour", "purple"),
        ("alarm-event", "/event", "escalated"),
    ] {
        let mut message = schemas.examples(name)[0].clone();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        message.pointer_mut(parent).expect("a holder")[field] = json!(word);
        assert_eq!(schemas.problems(name, &message), [""; 0], "{name}");
    }
}

#[test]
fn packs_acks_trips_and_requests_that_break_the_contract_are_refused() {
    let schemas = Schemas::load();
    for (pointer, value) in [
        ("/0/v", Value::Null),
        ("/0/v", json!("50.5")),
        ("/0/vb", json!(true)),
        ("/0/bseq", json!(0)),
        ("/0/bseq", Value::Null),
        ("/0/bboot", json!(-1)),
        ("/0/bt", json!("2026-11-23T08:00:00.000Z")),
        ("/0/bver", json!(11)),
        ("/0/new_", json!(1)),
        ("/1/q", json!(65_536)),
        ("/1/q", json!(0)),
        ("/2/q", Value::Null),
        ("/2/q", json!(150)),
        ("/2/v", json!(0)),
        ("/2/vs", json!("Machine Room")),
    ] {
        refused(&schemas, "senml", 0, pointer, value);
    }
    for (pointer, value) in [
        ("/0/bt", json!(12)),
        ("/0/bclk", Value::Null),
        ("/0/bmono", json!(-1)),
    ] {
        refused(&schemas, "senml", 1, pointer, value);
    }
    assert!(!schemas.problems("senml", &json!([])).is_empty());
    assert!(
        !schemas
            .problems("senml", &json!({"n": "a", "v": 1}))
            .is_empty()
    );
    for (pointer, value) in [
        ("/boot", Value::Null),
        ("/seq", json!(-1)),
        ("/seq", json!(1.5)),
        ("/missing", Value::Null),
        ("/missing/0", json!([2, 4])),
        ("/missing/0", json!([2, 4, 6, 8])),
        ("/missing/0", json!([2, 0, 6])),
    ] {
        refused(&schemas, "ack", 0, pointer, value);
    }
    for (pointer, value) in [
        ("/output", Value::Null),
        ("/on", json!(1)),
        ("/q", Value::Null),
        ("/value", json!("null")),
        ("/point", json!("east/plant-1/tank/lel-1")),
        ("/at", json!("2026-11-23T16:00:00.250+08:00")),
        ("/bseq", json!(0)),
    ] {
        refused(&schemas, "trip", 0, pointer, value);
    }
    for (pointer, value) in [
        ("/epoch", Value::Null),
        ("/epoch", json!("81KAR5Z9P0W3F6D8H1J2K4M5N7")),
        ("/epoch", json!("01KAR5Z9P0W3F6D8H1J2K4M5NU")),
        ("/from", json!(0)),
        ("/to", json!("9")),
    ] {
        refused(&schemas, "replay-request", 0, pointer, value);
    }
}

#[test]
fn statuses_that_break_the_contract_are_refused() {
    let schemas = Schemas::load();
    for (nth, pointer, value) in [
        (0, "/schema", json!("fengsui.node.status/2")),
        (0, "/schema", Value::Null),
        (0, "/node", json!("N1")),
        (0, "/state", json!("asleep")),
        (0, "/clock", Value::Null),
        (0, "/since", json!(1_795_420_800)),
        (0, "/anchor/0/utc", Value::Null),
        (0, "/dropped/0", json!({"boot": 2, "from": 1, "to": 4})),
        (0, "/bus/0/slave", json!(256)),
        (0, "/reset_cause", json!("null")),
        (1, "/boot", Value::Null),
        (1, "/node", Value::Null),
    ] {
        refused(&schemas, "node-status", nth, pointer, value);
    }
    for (nth, pointer, value) in [
        (0, "/schema", json!("fengsui.gateway.status/2")),
        (0, "/site", json!("east")),
        (0, "/alarm_state", Value::Null),
        (0, "/alarm_state", json!("fine")),
        (0, "/epoch", Value::Null),
        (0, "/seq", json!(0)),
        (0, "/head", json!("0F")),
        (0, "/instance", json!("gw-1")),
        (0, "/version", Value::Null),
        (1, "/gateway", Value::Null),
        (1, "/alarm_state", json!("known")),
        (1, "/seq", json!(4)),
    ] {
        refused(&schemas, "gateway-status", nth, pointer, value);
    }
}

/// What is wrong of a state is wrong of an event.
const WRONG_ALARM: [(&str, &str); 34] = [
    ("/id", r#""tank/lel-1""#),
    ("/id", r#""tank/lel-1/-""#),
    ("/site", r#""east""#),
    ("/occurrence", "-1"),
    ("/epoch", r#""1""#),
    ("/seq", "0"),
    ("/letter", r#""J""#),
    ("/letter", r#""A""#),
    ("/letter", r#""C""#),
    ("/letter", r#""G""#),
    ("/state", r#""active-acked""#),
    ("/state", "null"),
    ("/active", "false"),
    ("/acked", "true"),
    ("/acked", r#""no""#),
    ("/shelved", "true"),
    ("/suppressed", "true"),
    ("/out_of_service", "true"),
    ("/unknown", "null"),
    ("/test", "null"),
    ("/changed_at", r#""2026-11-23T08:00:07Z""#),
    ("/changed_at", r#""2026-11-23 08:00:07.000""#),
    ("/rule", "null"),
    ("/rule/hash", "null"),
    ("/rule/clause", "5"),
    ("/level", "null"),
    ("/colour", "null"),
    ("/severity", "800.5"),
    ("/severity", "801"),
    ("/severity", "600"),
    ("/condition_since", "null"),
    ("/raised_at", "null"),
    ("/cleared_at", r#""2026-11-23T08:00:07.000Z""#),
    ("/quality", "65536"),
];

#[test]
fn alarm_messages_that_break_the_contract_are_refused() {
    let schemas = Schemas::load();
    for name in ["alarm-state", "alarm-event"] {
        for (pointer, value) in WRONG_ALARM {
            let value = serde_json::from_str(value).expect("JSON");
            refused(&schemas, name, 0, pointer, value);
        }
        for (pointer, value) in [
            ("/schema", json!("fengsui.alarm.state/2")),
            ("/schema", Value::Null),
            ("/value", json!("null")),
            ("/reason", json!("null")),
            ("/point/tag", json!("null")),
            ("/text", json!({})),
            ("/text/zh", json!("null")),
            ("/later", json!("null")),
        ] {
            refused(&schemas, name, 0, pointer, value);
        }
    }
    for (nth, pointer, value) in [
        (0, "/prev", Value::Null),
        (0, "/prev", json!("0f")),
        (0, "/event", Value::Null),
        (0, "/event", json!("returned")),
        (0, "/event", json!("acked")),
        (0, "/event", json!("epoch")),
        (0, "/event", json!("gap")),
        (0, "/cause", Value::Null),
        (0, "/cause", json!({})),
        (0, "/cause", json!({"sample": "a", "timer": "b"})),
        (0, "/by", json!("")),
        (0, "/seq", json!(1)),
        (0, "/previous_epoch", json!("01KAR5Z9P0W3F6D8H1J2K4M5N7")),
        (1, "/seq", json!(2)),
        (1, "/reason", Value::Null),
        (1, "/prev", json!("0f".repeat(32))),
        (1, "/id", json!("tank/lel-1/sys.epoch")),
        (1, "/occurrence", json!(1)),
    ] {
        refused(&schemas, "alarm-event", nth, pointer, value);
    }
}

#[test]
fn each_letter_stands_for_its_flags_and_no_others() {
    let schemas = Schemas::load();
    let flags = [
        "active",
        "acked",
        "latched",
        "shelved",
        "suppressed",
        "out_of_service",
    ];
    let letters = [
        ("A", "normal"),
        ("B", "active-unacked"),
        ("C", "active-acked"),
        ("D", "rtn-unacked"),
        ("E", "latched-unacked"),
        ("F", "latched-acked"),
        ("G", "shelved"),
        ("H", "suppressed"),
        ("I", "out-of-service"),
    ];
    for bits in 0..64_u32 {
        let mut message = schemas.examples("alarm-state")[0].clone();
        let on = |flag: usize| bits & (1 << flag) != 0;
        for (flag, name) in flags.iter().enumerate() {
            message[*name] = json!(on(flag));
        }
        if !on(0) {
            message["cleared_at"] = message["changed_at"].clone();
        }
        let (active, acked, latched) = (on(0), on(1), on(2));
        let right = match (on(5), on(4), on(3), active, latched, acked) {
            (true, ..) => "I",
            (_, true, ..) => "H",
            (_, _, true, ..) => "G",
            (_, _, _, true, _, false) => "B",
            (_, _, _, true, _, true) => "C",
            (_, _, _, false, true, false) => "E",
            (_, _, _, false, true, true) => "F",
            (_, _, _, false, false, false) => "D",
            (_, _, _, false, false, true) => "A",
        };
        for (letter, word) in letters {
            message["letter"] = json!(letter);
            message["state"] = json!(word);
            let holds = schemas.problems("alarm-state", &message).is_empty();
            assert_eq!(holds, letter == right, "{message}");
        }
    }
}

#[test]
fn snapshots_that_break_the_contract_are_refused() {
    let schemas = Schemas::load();
    for (pointer, value) in [
        ("/schema", json!("fengsui.alarm.snapshot/2")),
        ("/seq", Value::Null),
        ("/head", Value::Null),
        ("/at", Value::Null),
        ("/part", json!(-1)),
        ("/parts", json!(0)),
        ("/alarms", json!({})),
        ("/alarms/0/letter", json!("A")),
        ("/alarms/0/letter", Value::Null),
        ("/alarms/0/level", Value::Null),
        ("/alarms/0/level", json!("null")),
        ("/alarms/0/occurrence", json!(0)),
        ("/alarms/0/changed_at", Value::Null),
    ] {
        refused(&schemas, "alarm-snapshot", 0, pointer, value);
    }
}

#[test]
fn what_both_ends_write_holds() {
    let schemas = Schemas::load();
    let check = |rest: &str, payload: &[u8]| {
        schemas.check(&format!("{SITE}/{rest}"), payload).unwrap();
    };
    let ack = Ack {
        boot: 3,
        seq: 0,
        missing: vec![(2, 4, 6)],
    };
    check("edge/n1/ack", &body::encode(&ack));
    let will = NodeStatus::will("n1", 4);
    check("edge/n1/status", &body::encode(&will));
    let status = NodeStatus {
        state: NodeState::Online,
        since: Some(UtcMs(1_795_420_800_000)),
        firmware: Some("0.1.0".to_owned()),
        clock: Some(Clock::Synced),
        anchor: vec![Anchor {
            boot: 3,
            mono: 500,
            utc: UtcMs(1_795_420_800_000),
        }],
        oldest_held: Some(PackId { boot: 3, seq: 8 }),
        dropped: vec![Dropped {
            boot: 2,
            from: 1,
            to: 4,
            cause: "no-room".to_owned(),
        }],
        bus: vec![BusState {
            name: "rs485".to_owned(),
            slave: 7,
            state: "silent".to_owned(),
            errors: 12,
        }],
        ..will
    };
    check("edge/n1/status", &body::encode(&status));
    let trip = Trip {
        rule: "combustible-gas".to_owned(),
        point: "tank/lel-1".to_owned(),
        value: None,
        q: Quality::COMM_ERROR.0,
        output: "siren".to_owned(),
        on: true,
        at: UtcMs(1_795_420_800_000),
        bboot: 3,
        bseq: 17,
    };
    check("edge/n1/trip", &body::encode(&trip));
    for format in [Format::Json, Format::Cbor] {
        for base in [
            Base::Utc(UtcMs(1_795_420_800_250)),
            Base::Mono(12_500),
            Base::Utc(UtcMs(0)),
        ] {
            let clock = match base {
                Base::Utc(_) => Clock::Holdover,
                Base::Mono(_) => Clock::Unsynced,
            };
            let header = Header {
                base_name: "east/plant-1/tank/",
                base,
                boot: 3,
                seq: 17,
                clock,
            };
            let mut buf = [0; 1_024];
            let mut pack = Encoder::new(&mut buf, format, header);
            pack.push(
                "lel-1",
                Some("%LEL"),
                -250,
                Some(Sample::Number(0.1)),
                Quality::GOOD,
            )
            .unwrap();
            pack.push("fan", None, 0, Some(Sample::Bool(true)), Quality::UNCERTAIN)
                .unwrap();
            pack.push("h2s", None, 7, None, Quality::SENSOR_FAILURE)
                .unwrap();
            let len = pack.finish();
            check("edge/n1/telemetry", &buf[..len]);
        }
    }
}

#[test]
fn a_message_on_a_topic_is_held_against_the_schema_of_that_topic() {
    let schemas = Schemas::load();
    let check = |rest: &str, payload: &[u8]| schemas.check(&format!("{SITE}/{rest}"), payload);
    let state = schemas.examples("alarm-state")[0].to_string();
    let event = schemas.examples("alarm-event")[0].to_string();
    let states = "alarm/state/tank/lel-1/combustible-gas";
    assert_eq!(check(states, state.as_bytes()), Ok(()));
    assert!(check("alarm/event", state.as_bytes()).is_err());
    assert!(check(states, b"").is_err());
    let lines = format!("{event}\n{event}\n");
    assert_eq!(check("alarm/replay/me/events", lines.as_bytes()), Ok(()));
    assert_eq!(check("alarm/replay/me/events", b""), Ok(()));
    assert!(check("alarm/replay/me/events", event.as_bytes()).is_err());
    let long = state.replace("GT-101: ", &"x".repeat(4_096));
    assert!(check(states, long.as_bytes()).is_err());
    assert!(check("alarm/other", b"{}").is_err());
}
