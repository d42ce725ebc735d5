//! Which levels are crossed in which step, and what a regulator must hold of it.

use std::collections::BTreeMap;

use serde_json::Value;
use support::Report;

/// An alarm's crossing: the step, the event, and the level that its message says.
type Crossing = (usize, &'static str, &'static str);

/// An alarm and all that it goes through, worked out by hand from the registers and the rules in `files`.
pub(super) struct Alarm {
    pub(super) id: &'static str,
    pub(super) crossings: &'static [Crossing],
}

/// What is not in a step's reading (a fault, a doubtful number below the limit) changes nothing: see the gaps.
pub(super) const ALARMS: [Alarm; 9] = [
    Alarm {
        id: "tank-1/gt-101/combustible",
        crossings: &[
            (1, "raised", "L1"),
            (2, "level-up", "L2"),
            // 45.5 is past 50 less 3, and not past 25 less 3.
            (6, "level-down", "L1"),
            (7, "returned", "L1"),
            (8, "raised", "L2"),
        ],
    },
    Alarm {
        id: "tank-1/gt-201/toxic",
        crossings: &[
            (1, "raised", "L1"),
            // Doubtful, and so high enough.
            (5, "level-up", "L2"),
            (7, "returned", "L2"),
            (8, "raised", "L2"),
        ],
    },
    Alarm {
        id: "pump-house/ot-301/oxygen",
        crossings: &[
            (1, "raised", "lean"),
            // The other side is a level up.
            (2, "level-up", "rich"),
            (5, "returned", "rich"),
            (7, "raised", "thin"),
            (8, "level-down", "lean"),
        ],
    },
    Alarm {
        id: "collector-1/hopper-temperature/hopper",
        crossings: &[
            (1, "raised", "warn"),
            (2, "level-up", "alarm"),
            (5, "level-down", "warn"),
            (6, "level-up", "alarm"),
            (7, "returned", "alarm"),
            (8, "raised", "alarm"),
        ],
    },
    Alarm {
        id: "collector-1/airlock-fault/airlock",
        crossings: &[
            (1, "raised", "fault"),
            (3, "returned", "fault"),
            (8, "raised", "fault"),
        ],
    },
    Alarm {
        id: "pond-1/pz-1/phreatic",
        crossings: &[
            (1, "raised", "blue"),
            (2, "level-up", "red"),
            // A doubtful 9.5 m in step 5 clears nothing.
            (6, "returned", "red"),
            (8, "raised", "red"),
        ],
    },
    Alarm {
        id: "pond-1/pz-3/phreatic",
        crossings: &[],
    },
    Alarm {
        id: "pond-1/pond-level/level",
        crossings: &[
            (1, "raised", "orange"),
            (7, "returned", "orange"),
            (8, "raised", "red"),
        ],
    },
    Alarm {
        id: "wm-1/current/no-session",
        crossings: &[(8, "raised", "alone")],
    },
];

impl Alarm {
    /// True when a state says what stands after a step.
    fn stands(&self, step: usize, state: Option<&Value>) -> bool {
        let last = self.crossings.iter().rfind(|(at, ..)| *at <= step);
        match (last, state) {
            (Some((_, event, level)), Some(state)) => {
                state["active"] == (*event != "returned") && state["level"] == *level
            }
            (Some(_), None) => false,
            (None, state) => state.is_none_or(|state| state["active"] == false),
        }
    }
}

/// True when a regulator's states are those after a step.
pub(super) fn stand(step: usize, report: &Report) -> bool {
    let states = &report.said["states"];
    ALARMS
        .iter()
        .all(|alarm| alarm.stands(step, states.get(alarm.id)))
}

/// Every crossing of these alarms that a regulator was told of, by alarm.
pub(super) fn crossings(report: &Report) -> BTreeMap<&'static str, Vec<&Value>> {
    let is_crossing = |event: &&Value| {
        ["raised", "level-up", "level-down", "returned"].contains(&event["event"].as_str().unwrap())
    };
    let of = |alarm: &Alarm| {
        let events = report.chain.iter().filter(|event| event["id"] == alarm.id);
        (alarm.id, events.filter(is_crossing).collect())
    };
    ALARMS.iter().map(of).collect()
}
