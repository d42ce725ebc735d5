//! The snapshot: one row for each alarm not in letter A, in parts of at most 256 KiB.

use serde::{Deserialize, Serialize};
use telemetry::UtcMs;

use super::{Site, fields, time};
use crate::alarm::Epoch;
use crate::alarm::event::{Hash, hex};

/// The longest part, in bytes.
pub(crate) const PART_LEN_MAX: usize = 256 << 10;

/// What a snapshot and a reconciliation want of a state's body.
#[derive(Debug, Deserialize)]
pub(crate) struct Row<'a> {
    #[serde(borrow)]
    pub(crate) letter: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    level: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    colour: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    changed_at: std::borrow::Cow<'a, str>,
}

impl Row<'_> {
    /// When it changed; none when that is no time.
    pub(crate) fn changed_at(&self) -> Option<UtcMs> {
        self.changed_at.parse().ok()
    }
}

#[derive(Serialize)]
struct RowBody<'a> {
    letter: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    colour: Option<&'a str>,
    changed_at: &'a str,
}

/// A row behind its number, as a part takes it: everything after `"seq":…,`.
pub(crate) fn row(row: &Row<'_>) -> String {
    fields(&RowBody {
        letter: &row.letter,
        level: row.level.as_deref(),
        colour: row.colour.as_deref(),
        changed_at: &row.changed_at,
    })
}

#[derive(Serialize)]
struct Head {
    schema: &'static str,
    site: String,
    epoch: Epoch,
    seq: u64,
    head: String,
    #[serde(serialize_with = "time")]
    at: UtcMs,
    part: u32,
    parts: u32,
}

/// The parts of a snapshot of rows, each `{"id":…}`, at least one; then an empty one for each part that `leftover` counts beyond.
pub(crate) fn parts(
    site: &Site,
    (epoch, seq, head): (Epoch, u64, &Hash),
    rows: impl Iterator<Item = String>,
    leftover: u32,
    now: UtcMs,
) -> Vec<Vec<u8>> {
    const HEAD_LEN_MAX: usize = 512;
    let mut filled = vec![String::new()];
    for row in rows {
        let current = filled.last().expect("there is always one");
        if !current.is_empty() && current.len() + row.len() + HEAD_LEN_MAX > PART_LEN_MAX {
            filled.push(String::new());
        }
        let current = filled.last_mut().expect("there is always one");
        if !current.is_empty() {
            current.push(',');
        }
        current.push_str(&row);
    }
    let parts = u32::try_from(filled.len()).expect("four billion parts do not fit in memory");
    let empty = (parts..leftover.max(parts)).map(|_| String::new());
    let all = filled.into_iter().chain(empty);
    let head = hex(head);
    let written = (0..).zip(all).map(|(part, rows)| {
        let head = fields(&Head {
            schema: "fengsui.alarm.snapshot/1",
            site: site.name(),
            epoch,
            seq,
            head: head.clone(),
            at: now,
            part,
            parts,
        });
        format!("{{{head},\"alarms\":[{rows}]}}").into_bytes()
    });
    written.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site {
            park: "p".repeat(64),
            enterprise: "e".repeat(64),
            gateway: "gw".into(),
            version: "1".into(),
        }
    }

    #[test]
    fn a_large_table_becomes_parts_that_fit_and_what_is_left_over_is_emptied() {
        let rows = (0..5_000).map(|n| format!(r#"{{"id":"{}/{n}"}}"#, "x".repeat(100)));
        let parts = parts(&site(), (Epoch(1), u64::MAX, &[255; 32]), rows, 9, UtcMs(0));
        assert_eq!(parts.len(), 9);
        let mut seen = 0;
        for (place, part) in parts.iter().enumerate() {
            assert!(part.len() <= PART_LEN_MAX);
            let json: serde_json::Value = serde_json::from_slice(part).unwrap();
            assert_eq!(json["part"].as_u64(), Some(place as u64));
            let alarms = json["alarms"].as_array().unwrap().len();
            assert_eq!(alarms == 0, json["part"].as_u64() >= json["parts"].as_u64());
            seen += alarms;
        }
        assert_eq!(seen, 5_000);
    }

    #[test]
    fn a_site_without_alarms_still_has_one_part() {
        let parts = parts(
            &site(),
            (Epoch(1), 1, &[0; 32]),
            std::iter::empty(),
            0,
            UtcMs(0),
        );
        assert_eq!(parts.len(), 1);
    }
}
