//! The rule of these tests once more, as small as it can be: what it says of the readings that the rules saw.

use std::collections::BTreeMap;

use serde_json::Value;
use telemetry::UtcMs;

use super::site::LIMITS;

/// An alarm's event: its word, its level, and the reading that made it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Happened {
    pub(super) word: String,
    pub(super) occurrence: u64,
    pub(super) value: f64,
    pub(super) at: i64,
}

/// The events of each alarm, by its point.
pub(super) type Events = BTreeMap<String, Vec<Happened>>;

/// What must have happened, given what the rules saw.
pub(super) fn expected(live: &[(String, i64, f64)]) -> Events {
    let mut events = Events::new();
    let mut levels: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for (point, at, value) in live.iter().filter(|(point, ..)| is_level(point)) {
        let (level, occurrence) = levels.entry(point).or_default();
        let now = LIMITS.iter().filter(|limit| value >= limit).count();
        let word = match (*level, now) {
            (0, 0) => continue,
            (0, _) => "raised",
            (_, 0) => "returned",
            (before, now) if now > before => "level-up",
            (before, now) if now < before => "level-down",
            _ => continue,
        };
        *level = now;
        *occurrence += u64::from(word == "raised");
        events.entry(point.clone()).or_default().push(Happened {
            word: word.to_owned(),
            occurrence: *occurrence,
            value: *value,
            at: *at,
        });
    }
    events
}

/// What a regulator heard of the same alarms.
pub(super) fn heard(chain: &[Value]) -> Events {
    let mut events = Events::new();
    for event in chain {
        let text = |key: &str| event[key].as_str().unwrap_or_default();
        let id: Vec<&str> = text("id").split('/').collect();
        let ["hall", point, "high"] = id[..] else {
            continue;
        };
        // A reading that stays away or comes late is told too, and is another matter.
        if !["raised", "level-up", "level-down", "returned"].contains(&text("event")) {
            assert!(
                ["unknown", "known", "historical"].contains(&text("event")),
                "{event}"
            );
            continue;
        }
        let at: UtcMs = text("sample_time").parse().unwrap();
        events.entry(point.to_owned()).or_default().push(Happened {
            word: text("event").to_owned(),
            occurrence: event["occurrence"].as_u64().unwrap(),
            value: event["value"].as_f64().unwrap(),
            at: at.0,
        });
    }
    events
}

/// The letter and the level in which an alarm ends.
pub(super) fn ends(events: &[Happened]) -> (&'static str, Option<&'static str>) {
    let last = events.last().unwrap();
    match LIMITS.iter().filter(|limit| last.value >= **limit).count() {
        0 => ("D", None),
        1 => ("B", Some("L1")),
        _ => ("B", Some("L2")),
    }
}

fn is_level(point: &str) -> bool {
    point
        .rsplit_once('r')
        .and_then(|(_, register)| register.parse().ok())
        .is_some_and(super::site::is_level)
}
