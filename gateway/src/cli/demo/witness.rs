//! What somebody outside sees: a subscriber on the broker, as a regulator has one, and what it makes of the messages.
//!
//! It knows the contract's messages and nothing of the gateway.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use telemetry::senml::{self, Format};
use telemetry::topic::{SiteTopic, Topic};
use telemetry::{Quality, Value};

use super::story::Seen;

/// The part of an alarm event that is shown.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Event {
    /// The alarm.
    pub(super) id: String,
    /// The event's word.
    pub(super) event: String,
    /// A to I.
    pub(super) letter: String,
    /// What the letter means.
    pub(super) state: String,
    /// True while it can't be told whether it still holds.
    pub(super) unknown: bool,
    /// The rule's level.
    pub(super) level: Option<String>,
    /// The colour of its level.
    pub(super) colour: Option<String>,
    /// 1 to 1000.
    pub(super) severity: Option<u16>,
    /// Who did it.
    pub(super) by: Option<String>,
    /// What is said to people.
    pub(super) text: Option<Text>,
}

/// What is said to people.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Text {
    /// In English.
    pub(super) en: String,
}

/// The part of the gateway's status that counts.
#[derive(Debug, Deserialize)]
struct Status {
    alarm_state: String,
}

/// A point's last reading.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// Its value, if it has one.
    pub(super) value: Option<Value>,
    /// Its unit.
    pub(super) unit: Option<String>,
    /// How far to trust it.
    pub(super) quality: Quality,
}

/// Something to tell.
#[derive(Clone, Debug)]
pub(super) enum News {
    /// An alarm event.
    Event(Box<Event>),
    /// A message that breaks the contract.
    Broken(String),
}

/// Everything that a subscriber has seen.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// All alarm events, in the order in which they came.
    pub(super) seen: Vec<Seen>,
    /// The last event of each alarm that is not normal.
    pub(super) standing: BTreeMap<String, Event>,
    /// The last live reading of each point, by `unit/point`.
    pub(super) readings: BTreeMap<String, Reading>,
    /// The gateway says that what is retained is what is true.
    pub(super) is_known: bool,
    /// Packs, each once, however often it was sent.
    packs: BTreeSet<(String, u64, u64)>,
    /// Samples in them.
    pub(super) n_samples: u64,
    /// Of these, those that came as history.
    pub(super) n_history: u64,
}

impl Witness {
    /// Takes a message in.
    pub(super) fn handle_message(
        &mut self,
        topic: &str,
        payload: &[u8],
        at_ms: u64,
    ) -> Option<News> {
        match SiteTopic::parse(topic).map(|site| site.topic) {
            Ok(Topic::Telemetry { node }) => self.pack(node, payload, true),
            Ok(Topic::History { node }) => self.pack(node, payload, false),
            Ok(Topic::AlarmEvent) => Some(self.event(payload, at_ms)),
            Ok(Topic::GatewayStatus) => self.status(payload),
            Ok(_) => None,
            Err(error) => Some(News::Broken(format!("{topic}: {error}"))),
        }
    }

    fn event(&mut self, payload: &[u8], at_ms: u64) -> News {
        let event: Event = match serde_json::from_slice(payload) {
            Ok(event) => event,
            Err(error) => return News::Broken(format!("alarm/event: {error}")),
        };
        self.seen.push(Seen {
            at_ms,
            id: event.id.clone(),
            event: event.event.clone(),
            level: event.level.clone(),
            letter: event.letter.clone(),
        });
        if event.event == "historical" {
            // It speaks of the past and touches no state.
        } else if event.letter == "A" {
            self.standing.remove(&event.id);
        } else {
            self.standing.insert(event.id.clone(), event.clone());
        }
        News::Event(Box::new(event))
    }

    fn status(&mut self, payload: &[u8]) -> Option<News> {
        match serde_json::from_slice::<Status>(payload) {
            Ok(status) => {
                self.is_known = status.alarm_state == "known";
                None
            }
            Err(error) => Some(News::Broken(format!("gateway/status: {error}"))),
        }
    }

    fn pack(&mut self, node: &str, payload: &[u8], live: bool) -> Option<News> {
        let format = Format::sniff(*payload.first()?)?;
        let mut readings = Vec::new();
        let mut n_records: u64 = 0;
        let decoded = senml::decode(payload, format, &mut |record| {
            n_records += 1;
            if let Ok(record) = record {
                let reading = Reading {
                    value: record.value,
                    unit: record.unit.map(str::to_owned),
                    quality: record.quality,
                };
                readings.push((point_of(record.name), reading));
            }
        });
        let pack = match decoded {
            Ok(pack) => pack,
            Err(error) => return Some(News::Broken(format!("a pack of {node}: {error}"))),
        };
        let (Some(boot), Some(seq)) = (pack.boot, pack.seq) else {
            return Some(News::Broken(format!("a pack of {node} is not numbered")));
        };
        if self.packs.insert((node.to_owned(), boot, seq)) {
            self.n_samples += n_records;
            if !live {
                self.n_history += n_records;
            }
        }
        if live {
            self.readings.extend(readings);
        }
        None
    }
}

/// `unit/point` of a full name.
fn point_of(name: &str) -> String {
    name.splitn(3, '/').last().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use telemetry::senml::{Base, Encoder, Header};
    use telemetry::{Clock, UtcMs};

    use super::*;

    fn pack(seq: u64, value: f64) -> Vec<u8> {
        let mut buffer = [0; 512];
        let header = Header {
            base_name: "p/e/",
            base: Base::Utc(UtcMs(1_795_420_800_000)),
            boot: 3,
            seq,
            clock: Clock::Synced,
        };
        let mut encoder = Encoder::new(&mut buffer, Format::Cbor, header);
        let value = Some(Value::Number(value));
        encoder
            .push("u/a", Some("Cel"), 0, value, Quality::GOOD)
            .unwrap();
        encoder
            .push("u/b", None, 0, None, Quality::COMM_ERROR)
            .unwrap();
        let length = encoder.finish();
        buffer[..length].to_vec()
    }

    #[test]
    fn a_pack_counts_once_however_often_it_comes_and_only_live_ones_are_shown() {
        let mut witness = Witness::default();
        let (live, history) = (
            "fengsui/v1/p/e/edge/n/telemetry",
            "fengsui/v1/p/e/edge/n/history",
        );
        for (topic, seq, value) in [(live, 2, 20.0), (history, 1, 10.0), (history, 2, 20.0)] {
            let news = witness.handle_message(topic, &pack(seq, value), 0);
            assert!(news.is_none(), "{news:?}");
        }
        assert_eq!((witness.n_samples, witness.n_history), (4, 2));
        assert_eq!(witness.readings["u/a"].value, Some(Value::Number(20.0)));
        assert_eq!(witness.readings["u/b"].quality, Quality::COMM_ERROR);
    }

    #[test]
    fn an_alarm_stands_until_it_is_normal() {
        let mut witness = Witness::default();
        let topic = "fengsui/v1/p/e/alarm/event";
        for (letter, standing) in [("B", 1), ("D", 1), ("A", 0)] {
            let body = format!(
                r#"{{"id":"u/a/r","event":"raised","letter":"{letter}","state":"s","unknown":false,"level":"L1"}}"#
            );
            let news = witness.handle_message(topic, body.as_bytes(), 1_500);
            assert!(matches!(news, Some(News::Event(_))), "{news:?}");
            assert_eq!(witness.standing.len(), standing);
        }
        let past = br#"{"id":"u/a/r","event":"historical","letter":"B","state":"s","unknown":false,"level":"L1"}"#;
        witness.handle_message(topic, past, 1_500);
        assert!(witness.standing.is_empty(), "what is past stands again");
        assert_eq!((witness.seen[0].at_ms, witness.seen.len()), (1_500, 4));
    }

    #[test]
    fn what_breaks_the_contract_is_told() {
        let mut witness = Witness::default();
        for (topic, body) in [
            ("fengsui/v1/p/e/alarm/event", &b"{}"[..]),
            ("fengsui/v1/p/e/gateway/status", b"{}"),
            ("fengsui/v1/p/e/alarm/evnt", b"{}"),
            ("fengsui/v1/p/e/edge/n/telemetry", b"[{]"),
            (
                "fengsui/v1/p/e/edge/n/telemetry",
                br#"[{"n":"p/e/u/a","v":1}]"#,
            ),
        ] {
            let news = witness.handle_message(topic, body, 0);
            assert!(matches!(news, Some(News::Broken(_))), "{topic}: {news:?}");
        }
    }
}
