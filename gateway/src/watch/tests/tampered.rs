//! A message that is altered, left out, reordered or made up on its way is found.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::teller::{Step, Teller, act};
use crate::watch::{Problem, ProblemKind};

/// What somebody does to one message.
#[derive(Clone, Copy, Debug)]
enum Tamper {
    Alter(Index),
    LeaveOut,
    Reorder,
    MakeUp(Index),
}

fn tamper() -> impl Strategy<Value = Tamper> {
    prop_oneof![
        any::<Index>().prop_map(Tamper::Alter),
        Just(Tamper::LeaveOut),
        Just(Tamper::Reorder),
        any::<Index>().prop_map(Tamper::MakeUp),
    ]
}

fn message(step: &Step) -> Option<(&str, &[u8])> {
    match step {
        Step::Message {
            topic,
            payload,
            retained: false,
        } => Some((topic, payload)),
        _ => None,
    }
}

fn replace(step: &mut Step, new: Vec<u8>) {
    if let Step::Message { payload, .. } = step {
        *payload = new;
    }
}

/// A value that is another, and as good.
fn other(field: &str, value: &Value) -> Value {
    match (field, value) {
        (_, Value::Bool(on)) => json!(!on),
        ("epoch" | "previous_epoch", _) => json!("01KAR5Z9P0W3F6D8H1J2K4M999"),
        ("prev" | "head", _) => json!("0f".repeat(32)),
        ("letter", _) => json!(if *value == json!("B") { "C" } else { "B" }),
        (_, Value::Number(number)) => match number.as_u64() {
            Some(number) => json!(number + 1),
            None => json!(number.as_f64().unwrap_or(0.0) + 1.0),
        },
        (_, Value::String(text)) => match text.strip_suffix(".000Z") {
            Some(_) => json!(text.replace(".000Z", ".001Z")),
            None => json!(format!("{text}-")),
        },
        (_, Value::Array(rows)) => json!(rows.get(1..).unwrap_or_default()),
        (_, Value::Object(fields)) => {
            let mut fields = fields.clone();
            for value in fields.values_mut() {
                *value = other("", value);
            }
            Value::Object(fields)
        }
        (_, Value::Null) => json!(1),
    }
}

/// The fields that a subscriber can hold against something else.
fn checked(topic: &str, body: &Value) -> Vec<String> {
    let fields = body.as_object().expect("a body").keys().cloned();
    let unchecked: &[&str] = if topic.ends_with("gateway/status") {
        &["alarm_state", "version", "rules_hash", "gateway"]
    } else if topic.contains("/alarm/snapshot/") {
        // A snapshot's own time; and a row that is there no more is found below.
        &["at"]
    } else {
        &[]
    };
    fields
        .filter(|field| !unchecked.contains(&field.as_str()))
        .filter(|field| body[field] != json!([]))
        .collect()
}

/// Does it; none when this message can't be tampered with so that the contract lets a subscriber see it.
fn tampered(
    steps: &[(telemetry::UtcMs, Step)],
    at: usize,
    tamper: Tamper,
) -> Option<Vec<(telemetry::UtcMs, Step)>> {
    let mut steps = steps.to_vec();
    let (now, step) = steps[at].clone();
    let (topic, payload) = message(&step)?;
    let same_topic = |(_, step): &(telemetry::UtcMs, Step)| {
        message(step).is_some_and(|(other, _)| other == topic)
    };
    let is = |kind: &str| topic.contains(kind);
    match tamper {
        Tamper::Alter(which) => {
            let mut body: Value = serde_json::from_slice(payload).ok()?;
            let fields = checked(topic, &body);
            let field = &fields[which.index(fields.len())];
            body[field] = other(field, &body[field]);
            replace(&mut steps[at].1, body.to_string().into_bytes());
        }
        Tamper::LeaveOut => {
            // A state may be skipped when a later one of its alarm follows.
            if is("/alarm/state/") && steps[at + 1..].iter().any(same_topic) {
                return None;
            }
            // Who reads a snapshot doesn't look at parts left over from a larger one.
            let body: Value = serde_json::from_slice(payload).ok()?;
            if is("/alarm/snapshot/") && body["part"].as_u64() >= body["parts"].as_u64() {
                return None;
            }
            steps.remove(at);
        }
        Tamper::Reorder => {
            // Two events, or two states of one alarm, change places; of other messages the contract keeps no order.
            if !(is("/alarm/event") || is("/alarm/state/")) {
                return None;
            }
            let next = at + 1 + steps[at + 1..].iter().position(same_topic)?;
            let (one, two) = (steps[at].1.clone(), steps[next].1.clone());
            steps[at].1 = two;
            steps[next].1 = one;
        }
        Tamper::MakeUp(which) => {
            let mut body: Value = serde_json::from_slice(payload).ok()?;
            if is("/alarm/event") || is("/alarm/state/") {
                // One more, of the same number or the next.
                let next = u64::from(which.index(2) == 1);
                body["seq"] = json!(body["seq"].as_u64()? + next);
                body["value"] = json!(99.5);
            } else {
                return None;
            }
            let mut made_up = step.clone();
            replace(&mut made_up, body.to_string().into_bytes());
            steps.insert(at + 1, (now, made_up));
        }
    }
    Some(steps)
}

#[track_caller]
fn finds(find: impl Fn(&str, &Value) -> bool, tamper: Tamper) -> Vec<Problem> {
    let teller = Teller::tell(&[
        super::teller::Act::Alarm(3, 0),
        super::teller::Act::Alarm(3, 1),
        super::teller::Act::Wait(30_000),
        super::teller::Act::Alarm(3, 0),
    ]);
    let at = teller.steps.iter().position(|(_, step)| {
        message(step).is_some_and(|(topic, payload)| {
            let body: Value = serde_json::from_slice(payload).unwrap_or_default();
            find(topic, &body)
        })
    });
    let at = at.expect("there is such a message");
    let steps = tampered(&teller.steps, at, tamper).expect("it can be done");
    let (_, problems) = teller.heard(&steps, 100);
    assert!(!problems.is_empty());
    problems
}

fn event(seq: u64) -> impl Fn(&str, &Value) -> bool {
    move |topic, body| topic.ends_with("/alarm/event") && body["seq"] == json!(seq)
}

#[test]
fn an_event_left_out_is_named_and_fetched() {
    let problems = finds(event(7), Tamper::LeaveOut);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].kind, ProblemKind::LeftOut { from: 7, to: 7 });
}

#[test]
fn the_last_event_left_out_is_missed_by_the_status() {
    let problems = finds(event(8), Tamper::LeaveOut);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].kind, ProblemKind::LeftOut { from: 8, to: 8 });
}

#[test]
fn two_events_that_change_places_are_named() {
    let problems = finds(event(6), Tamper::Reorder);
    let kinds: Vec<_> = problems.into_iter().map(|problem| problem.kind).collect();
    assert!(
        kinds.contains(&ProblemKind::Reordered { seq: 6 }),
        "{kinds:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn whatever_is_tampered_with_is_found(
        acts in prop::collection::vec(act(), 1..16),
        at in any::<Index>(),
        tamper in tamper(),
    ) {
        let teller = Teller::tell(&acts);
        // The last two minutes are left as they are, so that what is missing can be missed.
        let end = teller.steps.last().expect("steps").0.minus_ms(100_000);
        let first = teller.steps.iter().position(|(_, step)| message(step).is_some());
        let first = first.expect("a live message") + 1;
        let last = teller.steps.iter().rposition(|(at, _)| *at < end).expect("an earlier one");
        prop_assume!(first < last);
        let at = first + at.index(last - first);
        let Some(steps) = tampered(&teller.steps, at, tamper) else {
            return Err(TestCaseError::reject("nobody could see it"));
        };
        let (_, problems) = teller.heard(&steps, 100);
        let text = |step: &Step| message(step).map(|(topic, body)| format!("{topic} {}", String::from_utf8_lossy(body)));
        prop_assert!(!problems.is_empty(), "{:?} became {:?}", text(&teller.steps[at].1), text(&steps[at].1));
    }
}
