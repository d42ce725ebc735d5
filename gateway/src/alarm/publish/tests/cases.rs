//! What the contract says, one sentence at a time.

use serde_json::{Value, json};

use super::super::{Report, TurnReason};
use super::world::{ALARMS, PREFIX, World};

fn json_of(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).unwrap_or(Value::Null)
}

/// What was sent to topics with this in them, from the earliest.
fn sent(world: &World, part: &str) -> Vec<Value> {
    let sent = world.sent.iter().filter(|sent| sent.topic.contains(part));
    sent.map(|sent| json_of(&sent.payload)).collect()
}

#[test]
fn a_connection_says_unknown_then_states_then_snapshot_then_known() {
    let mut world = World::new();
    world.commit(&[(Some(0), true), (Some(3), true), (Some(3), false)]);
    world.durable(u64::MAX);
    world.settle();
    let order: Vec<String> = world
        .sent
        .iter()
        .filter(|sent| !sent.topic.contains("replay"))
        .map(|sent| {
            let body = json_of(&sent.payload);
            match body["alarm_state"].as_str() {
                Some(word) => word.to_owned(),
                None => sent.topic.replace(PREFIX, ""),
            }
        })
        .collect();
    assert_eq!(
        order,
        [
            "unknown",
            "alarm/state/dam/pz-1/level",
            "alarm/state/tank/gd-1/gas",
            "alarm/snapshot/0",
            "known",
            "alarm/event",
            "alarm/event",
            "alarm/event",
            "alarm/event",
        ]
    );
    world.check();
}

#[test]
fn nothing_is_sent_again_that_the_broker_holds() {
    let mut world = World::new();
    world.commit(&[(Some(0), true), (Some(1), true)]);
    world.settle();
    world.cut(0);
    world.sent.clear();
    world.settle();
    assert!(sent(&world, "alarm/state").is_empty());
    assert!(sent(&world, "alarm/event").is_empty());
    world.check();
}

#[test]
fn an_alarm_leaves_when_the_log_has_it_and_not_before() {
    let mut world = World::new();
    world.settle();
    world.sent.clear();
    world.commit(&[(Some(0), true)]);
    world.tick(19);
    assert!(world.sent.is_empty());
    world.durable(u64::MAX);
    let topics: Vec<_> = world.sent.iter().map(|sent| &sent.topic).collect();
    assert_eq!(
        topics,
        [
            &format!("{PREFIX}alarm/event"),
            &format!("{PREFIX}alarm/state/tank/gd-1/gas"),
        ]
    );
    world.check();
}

#[test]
fn a_slow_disk_holds_no_alarm_back_and_the_state_goes_first() {
    let mut world = World::new();
    world.settle();
    world.sent.clear();
    world.commit(&[(Some(0), true)]);
    world.tick(20);
    let topics: Vec<_> = world.sent.iter().map(|sent| &sent.topic).collect();
    assert_eq!(
        topics,
        [
            &format!("{PREFIX}alarm/state/tank/gd-1/gas"),
            &format!("{PREFIX}alarm/event"),
        ]
    );
    world.check();
}

#[test]
fn an_event_without_a_state_waits_for_the_disk_or_for_a_state_behind_it() {
    let mut world = World::new();
    world.settle();
    world.sent.clear();
    world.commit(&[(None, false)]);
    world.tick(500);
    assert!(world.sent.is_empty());
    world.commit(&[(Some(0), true)]);
    world.tick(20);
    let seqs: Vec<_> = sent(&world, "alarm")
        .iter()
        .map(|body| body["seq"].as_u64())
        .collect();
    // The state shows number 3; now a crash would be seen, and 2 and 3 follow in order.
    assert_eq!(seqs, [Some(3), Some(2), Some(3)]);
    world.check();
}

#[test]
fn what_left_without_the_disk_and_was_lost_with_it_begins_a_new_epoch() {
    let mut world = World::new();
    world.commit(&[(Some(1), true)]);
    world.settle();
    let (before, _) = world.publisher.head().unwrap();
    world.commit(&[(Some(0), true)]);
    world.tick(20);
    while world.broker_takes() {}
    world.reports.clear();
    world.power_fails(0, 0);
    world.settle();
    let (epoch, seq) = world.publisher.head().unwrap();
    assert!(epoch > before);
    assert_eq!(seq, 1);
    // Its own last status, which the broker still retains, is that of another process.
    let gateway = "gw-1".to_owned();
    assert_eq!(
        world.reports,
        [
            Report::Contested { gateway },
            Report::NewEpoch {
                epoch,
                previous: Some(before),
                reason: TurnReason::BrokerAhead,
            }
        ]
    );
    // Every state is told again as the first of the epoch, and the one that the log lost is gone.
    let state = &world.broker.retained[&format!("{PREFIX}alarm/state/tank/gd-2/gas")];
    assert_eq!(json_of(state)["seq"], 1);
    assert_eq!(json_of(state)["epoch"], epoch.to_string());
    world.check();
}

#[test]
fn a_kill_whose_effects_never_left_goes_on_in_the_same_epoch() {
    let mut world = World::new();
    world.commit(&[(Some(1), true)]);
    world.settle();
    let before = world.publisher.head().unwrap();
    world.commit(&[(Some(0), true)]);
    world.power_fails(0, 255);
    world.settle();
    assert_eq!(world.publisher.head(), Some(before));
    world.check();
}

#[test]
fn a_start_tells_again_only_what_was_not_acknowledged() {
    let mut world = World::new();
    for alarm in 0..ALARMS.len() {
        world.commit(&[(Some(alarm), true)]);
    }
    world.settle();
    world.tick(1_000);
    world.sent.clear();
    world.commit(&[(Some(0), false)]);
    world.durable(u64::MAX);
    world.power_fails(255, 255);
    world.settle();
    let told: Vec<_> = sent(&world, "alarm/event")
        .iter()
        .map(|body| body["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(told, [8, 8]);
    world.check();
}

#[test]
fn a_new_data_folder_begins_an_epoch_that_names_the_one_on_the_broker() {
    let mut world = World::new();
    world.commit(&[(Some(0), true), (Some(1), true)]);
    world.settle();
    let (before, _) = world.publisher.head().unwrap();
    world.disk = super::world::Disk::default();
    world.start();
    world.commit(&[(Some(1), true)]);
    world.settle();
    let event = json_of(world.subscriber.events.values().next_back().unwrap());
    let (epoch, _) = world.publisher.head().unwrap();
    let first = json_of(&world.subscriber.events[&(epoch, 1)]);
    assert_eq!(first["previous_epoch"], before.to_string());
    assert_eq!(first["reason"], "new-data-folder");
    assert!(first.get("prev").is_none());
    assert_eq!(event["seq"], 2);
    world.check();
}

#[test]
fn a_status_goes_every_20_s_and_a_snapshot_at_least_every_60_s() {
    let mut world = World::new();
    world.settle();
    world.sent.clear();
    for _ in 0..600 {
        world.tick(200);
        while world.broker_takes() | world.answer_arrives() {}
    }
    assert_eq!(sent(&world, "gateway/status").len(), 6);
    assert!(sent(&world, "alarm/snapshot").len() >= 2);
}

#[test]
fn a_clean_stop_says_unknown_and_then_goodbye() {
    let mut world = World::new();
    world.settle();
    world.sent.clear();
    world.publisher.stop(world.now);
    world.obey();
    assert!(!world.farewell);
    while world.broker_takes() | world.answer_arrives() {}
    assert!(world.farewell);
    let said = sent(&world, "");
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["state"], "offline");
    assert_eq!(said[0]["alarm_state"], "unknown");
    assert!(said[0].get("epoch").is_none() && said[0].get("seq").is_none());
}

fn other_gateway(state: &str) -> Vec<u8> {
    let body = json!({
        "schema": "fengsui.gateway.status/1", "site": "east/plant", "gateway": "gw-2",
        "state": state, "alarm_state": "unknown",
    });
    body.to_string().into_bytes()
}

#[test]
fn a_second_gateway_on_the_site_says_nothing_and_stops() {
    let mut world = World::new();
    let topic = format!("{PREFIX}gateway/status");
    world.outsider_publishes(&topic, &other_gateway("online"), true);
    world.connect(8);
    while world.broker_takes() | world.answer_arrives() {}
    world.tick(30_000);
    assert!(!world.farewell);
    world.outsider_publishes(&topic, &other_gateway("online"), true);
    while world.broker_takes() | world.answer_arrives() {}
    assert!(world.farewell);
    assert!(world.sent.iter().all(|sent| sent.topic.contains("replay")));
    assert!(world.reports.contains(&Report::OtherGateway {
        gateway: "gw-2".into(),
        fatal: true,
    }));
}

#[test]
fn a_gateway_that_is_long_gone_does_not_stop_the_next_one() {
    let mut world = World::new();
    let topic = format!("{PREFIX}gateway/status");
    world.outsider_publishes(&topic, &other_gateway("online"), true);
    world.commit(&[(Some(0), true)]);
    world.connect(8);
    while world.broker_takes() | world.answer_arrives() {}
    world.tick(59_999);
    assert!(sent(&world, "status").is_empty());
    world.check();
}

#[test]
fn a_refused_state_is_told_and_tried_again_and_until_then_nothing_is_known() {
    let mut world = World::new();
    world.broker.refuses = vec!["tank/gd-1"];
    world.commit(&[(Some(0), true), (Some(1), true)]);
    world.connect(8);
    world.durable(u64::MAX);
    for _ in 0..100 {
        while world.broker_takes() | world.answer_arrives() {}
        world.tick(500);
    }
    let refused = world
        .reports
        .iter()
        .filter(|report| matches!(report, Report::Refused { .. }));
    assert_eq!(refused.count(), 1);
    assert!(!world.publisher.is_known());
    assert!(
        sent(&world, "status")
            .iter()
            .all(|body| body["alarm_state"] == "unknown")
    );
    world.broker.refuses.clear();
    world.check();
    assert!(
        world
            .reports
            .iter()
            .any(|report| matches!(report, Report::Accepted { .. }))
    );
}

#[test]
fn nothing_is_known_while_the_broker_refuses_the_status_the_snapshot_or_events() {
    for part in ["gateway/status", "alarm/snapshot", "alarm/event"] {
        let mut world = World::new();
        world.broker.refuses = vec![part];
        world.commit(&[(Some(0), true)]);
        world.connect(8);
        world.durable(u64::MAX);
        for _ in 0..100 {
            while world.broker_takes() | world.answer_arrives() {}
            world.tick(500);
        }
        assert!(!world.publisher.is_known(), "{part}");
        let retained = world
            .broker
            .retained
            .get(&format!("{PREFIX}gateway/status"));
        let says_known = |body: &Vec<u8>| json_of(body)["alarm_state"] == "known";
        assert!(!retained.is_some_and(says_known), "{part}");
        world.broker.refuses.clear();
        world.check();
        assert!(world.publisher.is_known(), "{part}");
    }
}

#[test]
fn events_that_are_refused_later_make_it_unknown_at_once() {
    let mut world = World::new();
    world.settle();
    assert!(world.publisher.is_known());
    world.broker.refuses = vec!["alarm/event"];
    world.commit(&[(Some(0), true)]);
    world.durable(u64::MAX);
    while world.broker_takes() | world.answer_arrives() {}
    assert_eq!(
        sent(&world, "status").last().unwrap()["alarm_state"],
        "unknown"
    );
    world.broker.refuses.clear();
    world.check();
    assert_eq!(
        sent(&world, "status").last().unwrap()["alarm_state"],
        "known"
    );
}

#[test]
fn refused_events_come_later_and_still_in_order() {
    let mut world = World::new();
    world.settle();
    world.broker.refuses = vec!["alarm/event"];
    for alarm in 0..5 {
        world.commit(&[(Some(alarm), true)]);
    }
    world.durable(u64::MAX);
    for _ in 0..10 {
        while world.broker_takes() | world.answer_arrives() {}
        world.tick(500);
    }
    assert_eq!(world.publisher.backlog(), 5);
    world.broker.refuses.clear();
    world.check();
}

#[test]
fn own_states_are_read_back_in_slices_that_a_short_queue_holds() {
    let mut world = World::new();
    let alarms: Vec<String> = (0..2_000)
        .map(|n| format!("unit-{}/p-{}/gas", n / 500, n % 500))
        .collect();
    for id in &alarms {
        world.broker.retained.insert(
            format!("{PREFIX}alarm/state/{id}"),
            json!({"epoch": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "seq": 9})
                .to_string()
                .into(),
        );
    }
    world.settle();
    world.cut(0);
    world.publisher.set_rules("x".into(), alarms, world.now);
    world.broker.burst = 0;
    world.settle();
    assert!(world.broker.burst <= 100, "{}", world.broker.burst);
}

#[test]
fn what_can_not_be_read_back_is_said_and_everything_is_sent() {
    let mut world = World::new();
    world.commit(&[(Some(0), true)]);
    world.broker.refuses = vec!["replay"];
    world.connect(8);
    world.durable(u64::MAX);
    while world.broker_takes() | world.answer_arrives() {}
    world.tick(10_000);
    while world.broker_takes() | world.answer_arrives() {}
    assert!(
        world
            .reports
            .iter()
            .any(|report| matches!(report, Report::NotReadable { .. }))
    );
    assert!(world.publisher.is_known());
    world.check();
}

#[test]
fn parts_left_over_from_a_larger_snapshot_are_emptied() {
    let mut world = World::new();
    for part in 0..3 {
        world.broker.retained.insert(
            format!("{PREFIX}alarm/snapshot/{part}"),
            json!({"part": part, "parts": 3, "alarms": [{}]})
                .to_string()
                .into(),
        );
    }
    world.settle();
    for part in 1..3 {
        let body = json_of(&world.broker.retained[&format!("{PREFIX}alarm/snapshot/{part}")]);
        assert_eq!(body["alarms"], json!([]));
        assert_eq!(body["parts"], 1);
    }
}

#[test]
fn a_bad_replay_request_gets_an_end_and_no_event() {
    let mut world = World::new();
    world.commit(&[(Some(0), true)]);
    world.settle();
    let (epoch, _) = world.publisher.head().unwrap();
    for request in [
        String::new(),
        "{".into(),
        "x".repeat(5_000),
        r#"{"epoch":"no","from":1,"to":2}"#.into(),
        r#"{"epoch":"01ARZ3NDEKTSV4RRFFQ69G5FAV","from":1,"to":2}"#.into(),
        format!(r#"{{"epoch":"{epoch}","from":2,"to":1}}"#),
        format!(r#"{{"epoch":"{epoch}","from":3,"to":{}}}"#, u64::MAX),
    ] {
        world.sent.clear();
        let topic = format!("{PREFIX}alarm/replay/监管 1/request");
        world.outsider_publishes(&topic, request.as_bytes(), false);
        world.settle();
        assert_eq!(world.sent.len(), 1, "{request}");
        assert_eq!(
            world.sent[0].topic,
            format!("{PREFIX}alarm/replay/监管 1/events")
        );
        assert!(world.sent[0].payload.is_empty());
    }
}

#[test]
fn many_subscribers_that_ask_at_once_are_served_in_turn_and_never_without_bound() {
    let mut world = World::new();
    world.commit(&[
        (Some(0), true),
        (Some(1), true),
        (Some(2), true),
        (Some(3), true),
    ]);
    world.settle();
    let (epoch, _) = world.publisher.head().unwrap();
    world.sent.clear();
    let request = format!(r#"{{"epoch":"{epoch}","from":1,"to":5}}"#);
    for client in 0..40 {
        let topic = format!("{PREFIX}alarm/replay/c{client}/request");
        world.outsider_publishes(&topic, request.as_bytes(), false);
    }
    world.settle();
    let ends = world.sent.iter().filter(|sent| sent.payload.is_empty());
    let answered = ends.count();
    assert!((16..40).contains(&answered), "{answered}");
    for sent in world.sent.iter().filter(|sent| !sent.payload.is_empty()) {
        assert!(sent.payload.ends_with(b"}\n"));
    }
}

#[test]
fn a_state_retired_for_30_days_is_emptied_and_forgotten() {
    let mut world = World::new();
    world.commit(&[(Some(0), true)]);
    let mut draft = world.disk.log[0].1[0].clone();
    draft.tail = r#""event":"retired","cause":{"config":"1"}"#.into();
    draft.rest = draft.rest.replace(r#""letter":"B""#, r#""letter":"A""#);
    world.disk.log.push((20, vec![draft.clone()]));
    world.publisher.commit(20, vec![draft], world.now);
    world.settle();
    let topic = format!("{PREFIX}alarm/state/tank/gd-1/gas");
    assert!(world.broker.retained.contains_key(&topic));
    world.tick(31 * 24 * 3_600_000);
    world.settle();
    assert!(!world.broker.retained.contains_key(&topic));
    world.power_fails(255, 255);
    world.settle();
    assert!(!world.broker.retained.contains_key(&topic));
}

#[test]
fn nothing_leaves_before_the_epoch_is_settled() {
    let mut world = World::new();
    world.commit(&[(Some(0), true)]);
    world.durable(u64::MAX);
    world.connect(8);
    world.tick(1_000);
    assert!(world.sent.iter().all(|sent| sent.payload.is_empty()));
    assert!(!world.line_is_empty());
    world.check();
}
