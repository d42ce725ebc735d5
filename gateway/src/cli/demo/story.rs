//! The story: what is told and done, and when. What it must lead to is in `expected`.

/// Where the demo plays.
pub(super) const PARK: &str = "demo-park";
/// The enterprise in it.
pub(super) const ENTERPRISE: &str = "demo-chem";
/// The edge node.
pub(super) const NODE: &str = "edge-1";
/// The gateway.
#[cfg(test)]
pub(super) const GATEWAY: &str = "gw-1";
/// Who acknowledges and resets.
pub(super) const OPERATOR: &str = "operator-wang";
/// When the story is over, in milliseconds since it began.
pub(super) const END_MS: u64 = 92_000;

/// Something that happens at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    /// Milliseconds since the story began.
    pub(super) at_ms: u64,
    /// What is told.
    pub(super) text: &'static str,
    /// What is done beside that.
    pub(super) act: Option<Act>,
}

/// What the demo does, apart from what the sensors play.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    /// The operator acknowledges an alarm.
    Ack(&'static str),
    /// The operator resets an alarm.
    Reset(&'static str),
    /// The node's uplink is pulled.
    Pull,
    /// The node's uplink is put back.
    PutBack,
}

/// The leak's alarm.
pub(super) const LEAK: &str = "tank-farm/gt-101/combustible-gas";
/// The alarm of the hydrogen sulphide beside it.
pub(super) const TOXIC: &str = "tank-farm/gt-201/toxic-gas";

const fn tell(at_ms: u64, text: &'static str) -> Beat {
    Beat {
        at_ms,
        text,
        act: None,
    }
}

const fn act(at_ms: u64, text: &'static str, act: Act) -> Beat {
    Beat {
        at_ms,
        text,
        act: Some(act),
    }
}

/// What is told and done, by time.
pub(super) const BEATS: [Beat; 26] = [
    tell(
        500,
        "Two Modbus buses of pretend sensors are polled; everything is normal.",
    ),
    tell(
        6_000,
        "A flange begins to leak near GT-101: combustible gas rises.",
    ),
    tell(8_000, "GT-201 beside it smells hydrogen sulphide."),
    tell(
        11_000,
        "GT-101 is past 25 %LEL. Level 1 needs it to hold for 5 s.",
    ),
    tell(14_000, "GT-102, downwind, gets a share of it."),
    tell(
        19_500,
        "GT-101 is past 50 %LEL. Level 2 needs 2 s, and latches.",
    ),
    tell(
        20_000,
        "The fan of the polishing shop's dust collector stops.",
    ),
    tell(
        24_000,
        "Without the fan, dust smoulders in the collector's hopper, which warms.",
    ),
    tell(
        28_000,
        "The leak is closed. GT-101 falls; its alarm waits for 30 s below the limit.",
    ),
    tell(
        30_000,
        "Four piezometers of the tailings dam come within 8 m of the surface, one after the other. Blue needs that to hold for 10 s.",
    ),
    tell(40_000, "The welder at WM-1 logs out."),
    tell(
        43_500,
        "The fourth piezometer follows: four blue points roll up to yellow.",
    ),
    tell(
        44_000,
        "The wire of GT-102 breaks while its alarm stands: that is unknown, not normal.",
    ),
    tell(46_000, "WM-1 draws 85 A and nobody is logged in."),
    tell(
        50_000,
        "Eleven alarms within ten minutes are more than a person can follow: the gateway says so, and which was the first.",
    ),
    act(
        52_000,
        "The operator acknowledges the leak,",
        Act::Ack(LEAK),
    ),
    act(52_500, "and the hydrogen sulphide.", Act::Ack(TOXIC)),
    tell(54_000, "WM-1 is switched off."),
    tell(58_000, "The wire of GT-102 is mended."),
    tell(
        61_500,
        "The leak's alarm has returned, but it is latched until somebody resets it.",
    ),
    act(64_500, "The operator resets it.", Act::Reset(LEAK)),
    act(
        67_000,
        "The node's uplink is cut. It goes on polling and keeps every sample.",
        Act::Pull,
    ),
    tell(
        73_500,
        "Nothing comes from its points any more: what stands becomes unknown, and so does what was normal, which is not listed here.",
    ),
    act(
        82_000,
        "The uplink is back: live values first, then what was kept.",
        Act::PutBack,
    ),
    tell(
        86_500,
        "What was kept came too late for a siren: it is stored, and an alarm that it would have raised is told as historical.",
    ),
    tell(
        90_000,
        "Nobody has answered the other alarms: they stand as they are.",
    ),
];

/// An alarm event as a subscriber saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    /// When, in milliseconds since the story began.
    pub(super) at_ms: u64,
    /// The alarm.
    pub(super) id: String,
    /// The event's word.
    pub(super) event: String,
    /// The rule's level.
    pub(super) level: Option<String>,
    /// The letter after it.
    pub(super) letter: String,
}
