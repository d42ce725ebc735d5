//! From a pack at a broker to an alarm at a subscriber, and over a restart.

use std::sync::Arc;
use std::time::Duration;

use host::mqtt::{Event, Message, Options, Publish, Session};
use telemetry::body::{self, NodeState, NodeStatus};
use tokio::sync::oneshot;

use super::*;
use crate::clock::SystemClock;
use crate::http::{Act, Ask};
use crate::log::PackId;
use crate::run::{Gateway, start};

/// Nothing here takes that long on a machine that works.
const LIMIT: Duration = Duration::from_secs(30);

const FIRST: PackId = PackId { boot: 7, seq: 1 };

/// A client of the gateway's broker: a node and a regulator in one.
struct Client {
    session: Session,
    n_sent: u64,
    /// What came while something else was waited for: topics of different sessions come in any order.
    heard: Vec<Message>,
}

impl Client {
    async fn connect(gateway: &Gateway) -> Self {
        let address = gateway.broker().unwrap();
        let options = Options::new(address.ip().to_string(), address.port(), "test");
        let mut client = Self {
            session: Session::new(options),
            n_sent: 0,
            heard: Vec::new(),
        };
        client
            .until(|event| matches!(event, Event::Connected { .. }))
            .await;
        let filters = ["fengsui/v1/#".to_owned()];
        client.session.subscribe(1, filters).unwrap();
        client
            .until(|event| matches!(event, Event::Subscribed { .. }))
            .await;
        client
    }

    async fn until(&mut self, mut is_wanted: impl FnMut(&Event) -> bool) -> Event {
        let wanted = async {
            loop {
                let event = self.session.next().await;
                if is_wanted(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(LIMIT, wanted).await.expect("it comes")
    }

    /// The first message on a topic that ends so and has these words in it, of those that nobody has waited for yet.
    async fn message(&mut self, topic: &str, words: &[&str]) {
        let is_wanted = |message: &Message| {
            let text = String::from_utf8_lossy(&message.payload);
            message.topic.ends_with(topic) && words.iter().all(|word| text.contains(word))
        };
        if let Some(index) = self.heard.iter().position(is_wanted) {
            self.heard.remove(index);
            return;
        }
        let mut heard = Vec::new();
        self.until(|event| match event {
            Event::Message(message) if is_wanted(message) => true,
            Event::Message(message) => {
                heard.push(message.clone());
                false
            }
            _ => false,
        })
        .await;
        self.heard.append(&mut heard);
    }

    fn send(&mut self, topic: &str, payload: Vec<u8>) {
        self.n_sent += 1;
        let publish = Publish {
            topic: format!("fengsui/v1/east/plant/{topic}"),
            payload,
            retain: topic.ends_with("/status"),
            ..Publish::default()
        };
        self.session.publish(self.n_sent, publish).unwrap();
    }
}

pub(super) fn online(oldest: PackId, boot: u64) -> Vec<u8> {
    body::encode(&NodeStatus {
        state: NodeState::Online,
        oldest_held: Some(oldest),
        ..NodeStatus::will("n1", boot)
    })
}

/// A person acts on an alarm that came once.
async fn act(gateway: &Gateway, verb: &str, alarm: &str) {
    let (reply, answer) = oneshot::channel();
    let act = Act {
        verb: verb.into(),
        alarm: alarm.into(),
        occurrence: Some(1),
        by: "li.wei".into(),
        comment: "the detector is gone, MOC-7".into(),
        ..Act::default()
    };
    gateway.asks().send(Ask::Act(act, reply)).await.unwrap();
    assert_eq!(answer.await.unwrap(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_whose_rule_was_taken_out_stays_over_restarts_until_a_person_has_answered_it() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = start(&Arc::new(config(dir.path(), RULES))).await.unwrap();
    let mut client = Client::connect(&gateway).await;
    client.send("edge/n1/status", online(FIRST, 7));
    client
        .message("edge/n1/ack", &[r#""boot":7,"seq":0"#])
        .await;
    let now = SystemClock::start().read().wall;
    client.send("edge/n1/telemetry", pack(7, 1, "gt-1", &[(now, 21.0)]));
    let topic = "alarm/state/tank/gt-1/high";
    client.message(topic, &[r#""letter":"B""#]).await;
    gateway.stop().await;

    let without = RULES.replace("name = \"high\"", "name = \"other\"");
    let config = Arc::new(config(dir.path(), &without));
    for _ in 0..2 {
        let gateway = start(&config).await.unwrap();
        let mut client = Client::connect(&gateway).await;
        let is_there = [r#""letter":"E""#, r#""config_changed":true"#];
        client.message(topic, &is_there).await;
        gateway.stop().await;
    }
    let gateway = start(&config).await.unwrap();
    let mut client = Client::connect(&gateway).await;
    act(&gateway, "ack", "tank/gt-1/high").await;
    client.message(topic, &[r#""letter":"F""#]).await;
    act(&gateway, "reset", "tank/gt-1/high").await;
    client.message(topic, &[r#""letter":"A""#]).await;
    client
        .message("alarm/event", &[r#""event":"retired""#])
        .await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detector_that_was_taken_out_is_an_alarm_until_a_person_has_answered_it() {
    const CHANGE: &str = "-/gw/sys.change";
    let dir = tempfile::tempdir().unwrap();
    start(&Arc::new(config(dir.path(), RULES)))
        .await
        .unwrap()
        .stop()
        .await;
    let topic = format!("alarm/state/{CHANGE}");
    let without = BUS.rsplit_once("[[slave]]").unwrap().0;
    let config = Arc::new(config_of(dir.path(), without, RULES));
    for _ in 0..2 {
        let gateway = start(&config).await.unwrap();
        let mut client = Client::connect(&gateway).await;
        let words = [
            r#""letter":"E""#,
            r#""occurrence":1"#,
            r#""reason":"removed tank/gt-2""#,
        ];
        client.message(&topic, &words).await;
        gateway.stop().await;
    }
    let gateway = start(&config).await.unwrap();
    let mut client = Client::connect(&gateway).await;
    act(&gateway, "ack", CHANGE).await;
    act(&gateway, "reset", CHANGE).await;
    client.message(&topic, &[r#""letter":"A""#]).await;
    gateway.stop().await;
    let gateway = start(&config).await.unwrap();
    let mut client = Client::connect(&gateway).await;
    client.message(&topic, &[r#""letter":"A""#]).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_has_another_name_hides_no_detector_that_was_taken_out() {
    let dir = tempfile::tempdir().unwrap();
    let before = start(&Arc::new(config(dir.path(), RULES))).await.unwrap();
    before.stop().await;
    let without = BUS.rsplit_once("[[slave]]").unwrap().0;
    let config = Arc::new(config_named(dir.path(), "gw-2", without, RULES));
    let gateway = start(&config).await.unwrap();
    let mut client = Client::connect(&gateway).await;
    let words = [r#""letter":"E""#, r#""reason":"removed tank/gt-2""#];
    client.message("alarm/state/-/gw/sys.change", &words).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_becomes_an_ack_and_an_alarm_that_a_restart_still_knows() {
    let dir = tempfile::tempdir().unwrap();
    let config = Arc::new(config(dir.path(), RULES));
    let clock = SystemClock::start();
    let gateway = start(&config).await.unwrap();
    let mut client = Client::connect(&gateway).await;
    client
        .message("gateway/status", &[r#""alarm_state":"known""#])
        .await;
    // Whoever answers the status hears packs too.
    client.send("edge/n1/status", online(FIRST, 7));
    client
        .message("edge/n1/ack", &[r#""boot":7,"seq":0"#])
        .await;
    let now = clock.read().wall;
    client.send("edge/n1/telemetry", pack(7, 1, "gt-1", &[(now, 21.0)]));
    client
        .message(
            "alarm/state/tank/gt-1/high",
            &[r#""letter":"B""#, r#""level":"L1""#],
        )
        .await;
    client
        .message("edge/n1/ack", &[r#""boot":7,"seq":1,"missing":[]"#])
        .await;

    act(&gateway, "ack", "tank/gt-1/high").await;
    client
        .message("alarm/state/tank/gt-1/high", &[r#""letter":"C""#])
        .await;
    gateway.stop().await;

    let gateway = start(&config).await.unwrap();
    let mut client = Client::connect(&gateway).await;
    let words = [r#""letter":"C""#, r#""acked_by":"li.wei""#, r#""seq":"#];
    client.message("alarm/state/tank/gt-1/high", &words).await;
    // The same pack again is known; the next one is not.
    client.send("edge/n1/status", online(FIRST, 7));
    client
        .message("edge/n1/ack", &[r#""boot":7,"seq":1"#])
        .await;
    client.send("edge/n1/telemetry", pack(7, 1, "gt-1", &[(now, 99.0)]));
    let now = clock.read().wall;
    client.send("edge/n1/telemetry", pack(7, 2, "gt-1", &[(now, 1.0)]));
    client
        .message("edge/n1/ack", &[r#""boot":7,"seq":2,"missing":[]"#])
        .await;
    let (reply, answer) = oneshot::channel();
    gateway.asks().send(Ask::Status(reply)).await.unwrap();
    let status = answer.await.unwrap();
    let count = |name: &str| {
        let counter = status.counters.iter().find(|counter| counter.name == name);
        counter.map_or(0, |counter| counter.count)
    };
    assert_eq!((count("samples-live"), count("packs")), (1, 1));
    assert_eq!(count("packs-repeated") + count("packs-contradicted"), 1);
    assert_eq!(status.nodes[0].last, "7:2");
    client
        .message(
            "alarm/event",
            &[r#""event":"returned""#, r#""occurrence":1"#],
        )
        .await;
    gateway.stop().await;
}
