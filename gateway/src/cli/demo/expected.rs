//! Which alarm events the story must lead to, and whether it did.
//!
//! All of it is data, and the check compares it with what a subscriber saw; nothing here knows how it came there.

use std::fmt;

use super::story::{LEAK, Seen, TOXIC};

const NEIGHBOUR: &str = "tank-farm/gt-102/combustible-gas";
const NEIGHBOUR_SENSOR: &str = "tank-farm/gt-102/sys.quality";
const HOPPER: &str = "polishing-1/hopper-temperature/hopper-temperature";
const HOPPER_RISE: &str = "polishing-1/hopper-temperature/hopper-rise";
const POINTS: [&str; 4] = [
    "pond-1/pz-1/phreatic-depth",
    "pond-1/pz-2/phreatic-depth",
    "pond-1/pz-3/phreatic-depth",
    "pond-1/pz-4/phreatic-depth",
];
const POND: &str = "pond-1/-/phreatic-item";
const WELDING: &str = "wm-1/current/weld-without-session";
const FLOOD: &str = "-/gw-1/sys.flood";
const OFFLINE: &str = "-/edge-1/sys.offline";

/// An alarm event that must come, in a window of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// The alarm.
    pub(super) id: &'static str,
    /// The event's word.
    pub(super) event: &'static str,
    /// The rule's level, where the event has one to speak of.
    pub(super) level: Option<&'static str>,
    /// The letter after it.
    pub(super) letter: &'static str,
    /// Not before this, in milliseconds since the story began.
    pub(super) from_ms: u64,
    /// Not after this.
    pub(super) to_ms: u64,
}

const fn expect(
    id: &'static str,
    event: &'static str,
    level: Option<&'static str>,
    letter: &'static str,
    from_s: u64,
    to_s: u64,
) -> Expected {
    Expected {
        id,
        event,
        level,
        letter,
        from_ms: from_s * 1_000,
        to_ms: to_s * 1_000,
    }
}

/// Everything that must come. What comes beside it may be anything but `raised`.
///
/// The windows leave room for when a poll falls and for a slow machine.
pub(super) const EXPECTED: [Expected; 29] = [
    expect(LEAK, "raised", Some("L1"), "B", 14, 20),
    expect(TOXIC, "raised", Some("L1"), "B", 17, 23),
    expect(LEAK, "level-up", Some("L2"), "B", 20, 26),
    expect(NEIGHBOUR, "raised", Some("L1"), "B", 22, 29),
    expect(HOPPER, "raised", Some("warn"), "B", 33, 39),
    expect(HOPPER, "level-up", Some("alarm"), "B", 37, 43),
    expect(POINTS[0], "raised", Some("blue"), "B", 37, 43),
    expect(POINTS[1], "raised", Some("blue"), "B", 38, 44),
    expect(POINTS[2], "raised", Some("blue"), "B", 41, 47),
    expect(POINTS[3], "raised", Some("blue"), "B", 43, 49),
    expect(POND, "raised", Some("blue"), "B", 37, 43),
    expect(POND, "level-up", Some("yellow"), "B", 43, 49),
    expect(NEIGHBOUR, "unknown", Some("L1"), "B", 48, 55),
    expect(NEIGHBOUR_SENSOR, "raised", Some("fault"), "B", 48, 55),
    expect(WELDING, "raised", Some("bypass"), "B", 48, 54),
    // The eleventh alarm within ten minutes.
    expect(FLOOD, "raised", None, "B", 48, 55),
    expect(LEAK, "acked", Some("L2"), "C", 51, 56),
    expect(TOXIC, "acked", Some("L1"), "C", 52, 57),
    expect(NEIGHBOUR, "known", Some("L1"), "B", 57, 62),
    expect(WELDING, "returned", Some("bypass"), "E", 58, 63),
    expect(LEAK, "level-down", Some("L1"), "C", 57, 64),
    // A rise over a minute is known when a minute is over.
    expect(HOPPER_RISE, "raised", Some("fast"), "B", 58, 67),
    expect(LEAK, "returned", Some("L1"), "F", 60, 64),
    expect(LEAK, "reset", Some("L1"), "A", 64, 67),
    expect(OFFLINE, "raised", None, "B", 67, 73),
    expect(NEIGHBOUR, "unknown", Some("L1"), "B", 70, 82),
    expect(NEIGHBOUR_SENSOR, "returned", Some("fault"), "D", 66, 92),
    expect(OFFLINE, "returned", None, "D", 82, 90),
    expect(NEIGHBOUR, "known", Some("L1"), "B", 82, 92),
];

/// How the story and what was seen differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Difference {
    /// It never came.
    Missing(String),
    /// It came at another time.
    OutOfTime(String),
    /// An alarm that is not in the story.
    NotInStory(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "missing: {what}"),
            Self::OutOfTime(what) => write!(f, "at another time: {what}"),
            Self::NotInStory(what) => write!(f, "not in the story: {what}"),
        }
    }
}

impl Expected {
    fn is(&self, seen: &Seen) -> bool {
        self.id == seen.id
            && self.event == seen.event
            && self.letter == seen.letter
            && self
                .level
                .is_none_or(|level| seen.level.as_deref() == Some(level))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self
            .level
            .map_or_else(String::new, |level| format!(" {level}"));
        write!(
            f,
            "{} {}{level} ({}) between {} s and {} s",
            self.id,
            self.event,
            self.letter,
            self.from_ms / 1_000,
            self.to_ms / 1_000
        )
    }
}

/// Compares what was seen with what must come.
pub(super) fn check(expected: &[Expected], seen: &[Seen]) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut told = vec![false; seen.len()];
    for wanted in expected {
        let mut found = None;
        for (index, event) in seen.iter().enumerate() {
            if told[index] || !wanted.is(event) {
                continue;
            }
            found = Some(event.at_ms);
            if (wanted.from_ms..=wanted.to_ms).contains(&event.at_ms) {
                told[index] = true;
                break;
            }
        }
        match found {
            None => differences.push(Difference::Missing(wanted.to_string())),
            Some(at_ms) if !(wanted.from_ms..=wanted.to_ms).contains(&at_ms) => {
                let what = format!(
                    "{wanted}, came at {}.{} s",
                    at_ms / 1_000,
                    at_ms % 1_000 / 100
                );
                differences.push(Difference::OutOfTime(what));
            }
            Some(_) => {}
        }
    }
    for (event, told) in seen.iter().zip(told) {
        if event.event == "raised" && !told {
            let what = format!("{} raised at {} s", event.id, event.at_ms / 1_000);
            differences.push(Difference::NotInStory(what));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::story::{BEATS, END_MS};

    const WANTED: [Expected; 2] = [
        expect(LEAK, "raised", Some("L1"), "B", 10, 12),
        expect(LEAK, "raised", None, "B", 20, 22),
    ];

    fn seen(at_ms: u64, id: &str, event: &str) -> Seen {
        Seen {
            at_ms,
            id: id.to_owned(),
            event: event.to_owned(),
            level: Some("L1".to_owned()),
            letter: "B".to_owned(),
        }
    }

    fn told(events: &[Seen]) -> Vec<String> {
        check(&WANTED, events)
            .iter()
            .map(Difference::to_string)
            .collect()
    }

    #[test]
    fn a_story_that_came_true_has_no_difference() {
        let events = [
            seen(11_000, LEAK, "raised"),
            seen(12_500, TOXIC, "returned"),
            seen(21_000, LEAK, "raised"),
        ];
        assert_eq!(told(&events), [""; 0]);
    }

    #[test]
    fn what_is_missing_late_or_not_in_the_story_is_told() {
        let events = [seen(12_300, LEAK, "raised"), seen(15_000, TOXIC, "raised")];
        assert_eq!(
            told(&events),
            [
                "at another time: tank-farm/gt-101/combustible-gas raised L1 (B) between 10 s and 12 s, came at 12.3 s",
                "at another time: tank-farm/gt-101/combustible-gas raised (B) between 20 s and 22 s, came at 12.3 s",
                "not in the story: tank-farm/gt-101/combustible-gas raised at 12 s",
                "not in the story: tank-farm/gt-201/toxic-gas raised at 15 s",
            ]
        );
        assert_eq!(told(&[]).len(), 2);
        let unacked = Seen {
            letter: "C".to_owned(),
            ..seen(11_000, LEAK, "raised")
        };
        assert!(told(&[unacked])[0].starts_with("missing"));
    }

    #[test]
    fn the_story_is_told_in_order_and_ends() {
        assert!(BEATS.is_sorted_by_key(|beat| beat.at_ms));
        assert!(BEATS.iter().all(|beat| beat.at_ms < END_MS));
        assert!(
            EXPECTED
                .iter()
                .all(|wanted| wanted.from_ms < wanted.to_ms && wanted.to_ms <= END_MS)
        );
    }
}
