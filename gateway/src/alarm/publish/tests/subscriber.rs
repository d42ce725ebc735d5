//! A regulator: takes what comes, holds it against the contract, and repairs what it missed by asking.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::alarm::Epoch;
use crate::alarm::event::{Hash, hash, hex};

#[derive(Clone, Debug, Default)]
pub(super) struct Subscriber {
    pub(super) events: BTreeMap<(Epoch, u64), Vec<u8>>,
    /// The last first delivery.
    pub(super) last: Option<(Epoch, u64)>,
    /// True while every message reached it.
    pub(super) was_always_there: bool,
    pub(super) table: BTreeMap<String, Value>,
    pub(super) status: Option<Value>,
}

fn number(body: &Value) -> (Epoch, u64) {
    let epoch = body["epoch"].as_str().unwrap().parse().unwrap();
    (epoch, body["seq"].as_u64().unwrap())
}

impl Subscriber {
    pub(super) fn take(&mut self, topic: &str, payload: &[u8], retained: bool) {
        let tail = topic.splitn(5, '/').nth(4).unwrap();
        if tail == "gateway/status" {
            self.status = Some(serde_json::from_slice(payload).unwrap());
        } else if let Some(id) = tail.strip_prefix("alarm/state/") {
            if payload.is_empty() {
                self.table.remove(id);
                return;
            }
            assert!(payload.len() <= 4_096);
            let body: Value = serde_json::from_slice(payload).unwrap();
            let newer = self
                .table
                .get(id)
                .is_none_or(|held| number(&body) >= number(held));
            if newer {
                self.table.insert(id.into(), body);
            }
        } else if tail == "alarm/event" {
            self.event(payload, !retained);
        } else if tail.starts_with("alarm/snapshot/") && !payload.is_empty() {
            self.snapshot(payload);
        } else if tail.contains("/regulator/events") {
            for line in payload.split(|byte| *byte == b'\n') {
                if !line.is_empty() {
                    self.event(line, false);
                }
            }
        }
    }

    fn event(&mut self, bytes: &[u8], live: bool) {
        let body: Value = serde_json::from_slice(bytes).unwrap();
        let (epoch, seq) = number(&body);
        if let Some(known) = self.events.get(&(epoch, seq)) {
            assert_eq!(known, bytes, "a repeat is identical to the byte");
            return;
        }
        if live && self.was_always_there {
            let expected = match self.last {
                Some((last, seq)) if last == epoch => seq + 1,
                last => {
                    assert!(last.is_none_or(|(last, _)| last < epoch), "epochs sort");
                    1
                }
            };
            assert_eq!(seq, expected, "first deliveries come in order");
        }
        if live {
            self.last = Some((epoch, seq));
        }
        if seq == 1 {
            assert_eq!(body["event"], "epoch", "an epoch begins by saying so");
        } else if let Some(before) = self.events.get(&(epoch, seq - 1)) {
            assert_eq!(
                body["prev"].as_str().unwrap(),
                hex(&hash(before)),
                "the chain holds"
            );
        }
        self.events.insert((epoch, seq), bytes.into());
    }

    fn snapshot(&mut self, payload: &[u8]) {
        let body: Value = serde_json::from_slice(payload).unwrap();
        let at = number(&body);
        if body["part"].as_u64() >= body["parts"].as_u64() {
            assert_eq!(body["alarms"].as_array().unwrap().len(), 0);
            return;
        }
        // One part is enough for these tests' tables.
        assert_eq!(body["parts"], 1);
        let rows = body["alarms"].as_array().unwrap();
        for (id, held) in &mut self.table {
            let listed = rows.iter().any(|row| row["id"] == id.as_str());
            if number(held) <= at && !listed {
                held["letter"] = "A".into();
            }
        }
        for row in rows {
            let id = row["id"].as_str().unwrap();
            let seq = (at.0, row["seq"].as_u64().unwrap());
            let newer = self.table.get(id).is_none_or(|held| seq > number(held));
            if newer {
                let mut state = row.clone();
                state["epoch"] = body["epoch"].clone();
                self.table.insert(id.into(), state);
            }
        }
    }

    /// The alarms that are not normal, with what tells states apart.
    pub(super) fn standing(&self) -> BTreeMap<String, String> {
        let standing = self.table.iter().filter(|(_, body)| body["letter"] != "A");
        standing
            .map(|(id, body)| (id.clone(), body["changed_at"].as_str().unwrap().into()))
            .collect()
    }

    /// Every event from the status's head back to where the chain begins, from the earliest.
    pub(super) fn chain(&self) -> Vec<Value> {
        let by_hash: BTreeMap<String, &Vec<u8>> = self
            .events
            .values()
            .map(|bytes| (hex(&hash(bytes)), bytes))
            .collect();
        let status = self.status.as_ref().unwrap();
        let mut head = status["head"].as_str().map(str::to_owned);
        let mut chain = Vec::new();
        while let Some(wanted) = head {
            let bytes = by_hash
                .get(&wanted)
                .unwrap_or_else(|| panic!("no event with the hash {wanted}"));
            let body: Value = serde_json::from_slice(bytes).unwrap();
            head = body["prev"].as_str().map(str::to_owned);
            chain.push(body);
        }
        chain.reverse();
        chain
    }

    /// The epochs that it has heard of.
    pub(super) fn epochs(&self) -> Vec<String> {
        let mut epochs: Vec<String> = Vec::new();
        for body in self.status.iter() {
            epochs.extend(body["epoch"].as_str().map(str::to_owned));
        }
        for bytes in self.events.values() {
            let body: Value = serde_json::from_slice(bytes).unwrap();
            epochs.extend(body["epoch"].as_str().map(str::to_owned));
            epochs.extend(body["previous_epoch"].as_str().map(str::to_owned));
        }
        epochs.sort();
        epochs.dedup();
        epochs
    }
}

/// The zero hash is no event's.
#[test]
fn a_hash_is_written_in_lower_case_hex() {
    let zero: Hash = [0xab; 32];
    assert_eq!(hex(&zero), "ab".repeat(32));
}
