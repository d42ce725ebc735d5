//! The JSON bodies between gateway and node: acks, status, trips, commands and replies, and the replay request.
//!
//! Knows their fields and no topic. Unknown fields are ignored, since a body may gain some; a field without a value is left out.
//! Alarm states and events are the gateway's own and live there.

use alloc::string::String;
use alloc::vec::Vec;

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use crate::{Clock, UtcMs};

/// Why bytes are no body of the kind wanted.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct BodyError(serde_json::Error);

/// Writes a body as JSON.
///
/// # Panics
/// Never for the bodies of this module: they have neither maps with keys that are no text nor errors of their own.
pub fn encode(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("bodies have text keys only")
}

/// Reads a body; bounded by the length of `bytes`.
///
/// # Errors
/// Bytes that are no JSON, or lack a field that the body needs.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    serde_json::from_slice(bytes).map_err(BodyError)
}

/// `edge/{node}/ack`: everything up to (boot, seq), earlier boots too, but `missing` is durable in the gateway.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ack {
    /// The boot of the last pack.
    pub boot: u64,
    /// Its number; 0 before the first pack of a boot.
    pub seq: u64,
    /// Holes as (boot, from, to), both ends included.
    #[serde(default)]
    pub missing: Vec<(u64, u64, u64)>,
}

impl Ack {
    /// True when the gateway has pack (boot, seq) and the node may forget it.
    pub fn covers(&self, boot: u64, seq: u64) -> bool {
        (boot, seq) <= (self.boot, self.seq)
            && !self
                .missing
                .iter()
                .any(|&(hole, from, to)| hole == boot && (from..=to).contains(&seq))
    }
}

/// Whether a node is there.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It said so itself.
    Online,
    /// Its will, or a clean stop.
    Offline,
}

/// `"fengsui.node.status/1"`; a body of another schema doesn't read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NodeStatusSchema;

impl NodeStatusSchema {
    /// What stands in the field.
    pub const WORD: &'static str = "fengsui.node.status/1";
}

impl Serialize for NodeStatusSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Self::WORD)
    }
}

impl<'de> Deserialize<'de> for NodeStatusSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        if word == Self::WORD {
            Ok(Self)
        } else {
            Err(D::Error::custom(format_args!(
                "schema `{word}`, expected `{}`",
                Self::WORD
            )))
        }
    }
}

/// `edge/{node}/status`. The will is [`NodeStatus::will`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NodeStatus {
    /// Which body this is.
    #[serde(default)]
    pub schema: NodeStatusSchema,
    /// The edge device.
    pub node: String,
    /// Online, or offline in the will.
    pub state: NodeState,
    /// Grows at each start, never reused.
    pub boot: u64,
    /// When it came online, by its own clock; none while that is unsynced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<UtcMs>,
    /// The version of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// SHA-256 of its configuration, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<String>,
    /// SHA-256 of its local rules, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_hash: Option<String>,
    /// The state of its clock: `synced`, `holdover` or `unsynced`; an unknown word reads as unsynced.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "clock_word")]
    pub clock: Option<Clock>,
    /// What the packs of each boot without UTC are dated by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anchor: Vec<Anchor>,
    /// The oldest pack that the node still has; none when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_held: Option<PackId>,
    /// What it gave up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// One row for each slave of each bus.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bus: Vec<BusState>,
    /// Why it started, as `power-on` or `watchdog`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_cause: Option<String>,
}

impl NodeStatus {
    /// What the broker says when the node is gone: node, boot and offline only.
    pub fn will(node: impl Into<String>, boot: u64) -> Self {
        Self {
            schema: NodeStatusSchema,
            node: node.into(),
            state: NodeState::Offline,
            boot,
            since: None,
            firmware: None,
            config_hash: None,
            rules_hash: None,
            clock: None,
            anchor: Vec::new(),
            oldest_held: None,
            dropped: Vec::new(),
            bus: Vec::new(),
            reset_cause: None,
        }
    }
}

/// One instant on both clocks of a boot.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Anchor {
    /// The boot.
    pub boot: u64,
    /// Milliseconds since that boot.
    pub mono: u64,
    /// UTC at that instant.
    pub utc: UtcMs,
}

/// A pack, in the order in which packs are formed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct PackId {
    /// The boot that formed it.
    pub boot: u64,
    /// Its number in that boot, from 1.
    pub seq: u64,
}

/// Packs that a node gave up; only these make a hole a gap.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Dropped {
    /// The boot.
    pub boot: u64,
    /// The first.
    pub from: u64,
    /// The last, included.
    pub to: u64,
    /// Why, as `no-room` or `unreadable`.
    pub cause: String,
}

/// What a slave on a bus is doing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BusState {
    /// The bus.
    pub name: String,
    /// The Modbus unit id.
    pub slave: u8,
    /// `ok`, `silent` and more to come.
    pub state: String,
    /// Requests without a usable answer since the boot.
    pub errors: u64,
}

/// `edge/{node}/trip`: a local rule switched an output.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Trip {
    /// The rule.
    pub rule: String,
    /// The point that it looked at, `{unit}/{point}`.
    pub point: String,
    /// Its value; none when the quality is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Its quality.
    #[serde(default)]
    pub q: u16,
    /// The output.
    pub output: String,
    /// Whether the output is on now.
    pub on: bool,
    /// When, by the node's clock.
    pub at: UtcMs,
    /// The boot of the pack that has the sample.
    pub bboot: u64,
    /// The number of that pack.
    pub bseq: u64,
}

/// `edge/{node}/desired`: what the gateway wants of a node's outputs, and which points it wants more often, all of it; sent at each change and every [`Desired::REPEAT_MS`].
///
/// Of two messages the later one counts: the one of the later gateway process, and of one process the one with the higher number.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Desired {
    /// The gateway process, a ULID: a later one sorts after an earlier one.
    pub instance: String,
    /// Grows with each message of the process, repeats too.
    pub seq: u64,
    /// Each output, `{unit}/{point}`, and whether it is to be on.
    pub outputs: Vec<(String, bool)>,
    /// Points, `{unit}/{point}`, that are to be read more often than usual, and how often, in milliseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub periods: Vec<(String, u64)>,
}

impl Desired {
    /// How often the gateway says it again, in milliseconds.
    pub const REPEAT_MS: u64 = 10_000;
    /// A node that has heard nothing for so long, in milliseconds, does what is fail-safe; the broker forgets a message then too.
    pub const LEASE_MS: u64 = 30_000;

    /// True when it is later than the message with this instance and number.
    pub fn is_after(&self, instance: &str, seq: u64) -> bool {
        (self.instance.as_str(), self.seq) > (instance, seq)
    }
}

/// `edge/{node}/command`: done once, refused when late.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Command {
    /// Repeats have the same.
    pub id: String,
    /// What to do.
    pub verb: String,
    /// With what.
    #[serde(default)]
    pub args: serde_json::Value,
    /// Refused after this.
    pub not_after: UtcMs,
}

/// `edge/{node}/reply`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Reply {
    /// The command's.
    pub id: String,
    /// Whether it was done.
    pub ok: bool,
    /// What came of it, or why it was refused.
    #[serde(default)]
    pub result: serde_json::Value,
}

/// `alarm/replay/{client}/request`: events `from` to `to` of an epoch, both ends included.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReplayRequest {
    /// The epoch.
    pub epoch: String,
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

impl Serialize for UtcMs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcMs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rfc3339;
        impl Visitor<'_> for Rfc3339 {
            type Value = UtcMs;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("UTC as 2026-11-23T08:00:00.000Z")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<UtcMs, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Rfc3339)
    }
}

mod clock_word {
    //! A clock as a word of its own, also when it is synced.

    use super::{Clock, Deserialize, Deserializer, Serializer, String};

    pub(super) fn serialize<S: Serializer>(
        clock: &Option<Clock>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match clock {
            Some(clock) => serializer.serialize_str(clock.word().unwrap_or("synced")),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Clock>, D::Error> {
        let word = Option::<String>::deserialize(deserializer)?;
        Ok(word.map(|word| match word.as_str() {
            "synced" => Clock::Synced,
            other => Clock::from_word(other).unwrap_or(Clock::Unsynced),
        }))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;

    #[track_caller]
    fn check<T>(body: &T, text: &str)
    where
        T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug,
    {
        assert_eq!(String::from_utf8(encode(body)).unwrap(), text);
        assert_eq!(&decode::<T>(text.as_bytes()).unwrap(), body);
    }

    #[test]
    fn every_body_is_written_as_the_contract_says() {
        let ack = Ack {
            boot: 3,
            seq: 17,
            missing: vec![(2, 4, 6), (3, 9, 9)],
        };
        check(&ack, r#"{"boot":3,"seq":17,"missing":[[2,4,6],[3,9,9]]}"#);
        let trip = Trip {
            rule: "lel".into(),
            point: "tank/lel-1".into(),
            value: Some(50.5),
            q: 0,
            output: "siren".into(),
            on: true,
            at: UtcMs(0),
            bboot: 1,
            bseq: 2,
        };
        check(
            &trip,
            r#"{"rule":"lel","point":"tank/lel-1","value":50.5,"q":0,"output":"siren","on":true,"at":"1970-01-01T00:00:00.000Z","bboot":1,"bseq":2}"#,
        );
        let desired = Desired {
            instance: "01JDABCDEFGHJKMNPQRSTVWXYZ".into(),
            seq: 4,
            outputs: vec![("tank/siren".into(), true), ("tank/fan".into(), false)],
            periods: vec![("pond/pz-1".into(), 60_000)],
        };
        check(
            &desired,
            r#"{"instance":"01JDABCDEFGHJKMNPQRSTVWXYZ","seq":4,"outputs":[["tank/siren",true],["tank/fan",false]],"periods":[["pond/pz-1",60000]]}"#,
        );
        let request = ReplayRequest {
            epoch: "01JDABCDEFGHJKMNPQRSTVWXYZ".into(),
            from: 1,
            to: 9,
        };
        check(
            &request,
            r#"{"epoch":"01JDABCDEFGHJKMNPQRSTVWXYZ","from":1,"to":9}"#,
        );
    }

    #[test]
    fn a_will_has_node_boot_and_offline_only() {
        check(
            &NodeStatus::will("n1", 4),
            r#"{"schema":"fengsui.node.status/1","node":"n1","state":"offline","boot":4}"#,
        );
    }

    #[test]
    fn a_status_has_every_field_of_the_contract() {
        let status = NodeStatus {
            state: NodeState::Online,
            since: Some(UtcMs(1_000)),
            firmware: Some("0.1.0".into()),
            config_hash: Some("aa".into()),
            rules_hash: Some("bb".into()),
            clock: Some(Clock::Synced),
            anchor: vec![Anchor {
                boot: 3,
                mono: 500,
                utc: UtcMs(1_500),
            }],
            oldest_held: Some(PackId { boot: 3, seq: 8 }),
            dropped: vec![Dropped {
                boot: 2,
                from: 1,
                to: 4,
                cause: "no-room".into(),
            }],
            bus: vec![BusState {
                name: "rs485".into(),
                slave: 7,
                state: "silent".into(),
                errors: 12,
            }],
            reset_cause: Some("power-on".into()),
            ..NodeStatus::will("n1", 4)
        };
        check(
            &status,
            concat!(
                r#"{"schema":"fengsui.node.status/1","node":"n1","state":"online","boot":4,"since":"1970-01-01T00:00:01.000Z","#,
                r#""firmware":"0.1.0","config_hash":"aa","rules_hash":"bb","clock":"synced","#,
                r#""anchor":[{"boot":3,"mono":500,"utc":"1970-01-01T00:00:01.500Z"}],"oldest_held":{"boot":3,"seq":8},"#,
                r#""dropped":[{"boot":2,"from":1,"to":4,"cause":"no-room"}],"#,
                r#""bus":[{"name":"rs485","slave":7,"state":"silent","errors":12}],"reset_cause":"power-on"}"#
            ),
        );
    }

    #[test]
    fn a_body_may_gain_fields_and_words_but_not_another_schema() {
        let text = r#"{"schema":"fengsui.node.status/1","node":"n1","state":"online","boot":4,"clock":"astral","new":[1]}"#;
        let status: NodeStatus = decode(text.as_bytes()).unwrap();
        assert_eq!(status.clock, Some(Clock::Unsynced));
        let text = r#"{"schema":"fengsui.node.status/2","node":"n1","state":"online","boot":4}"#;
        let error = decode::<NodeStatus>(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("fengsui.node.status/2"));
        let ack: Ack = decode(br#"{"boot":1,"seq":2}"#).unwrap();
        assert_eq!(ack.missing, []);
        assert!(decode::<Ack>(br#"{"boot":1}"#).is_err());
        assert!(decode::<Ack>(br#"{"boot":-1,"seq":2}"#).is_err());
    }

    #[test]
    fn of_two_wishes_the_later_gateways_and_of_one_gateway_the_later_one_counts() {
        let desired = Desired {
            instance: "01B".into(),
            seq: 4,
            outputs: Vec::new(),
            periods: Vec::new(),
        };
        assert!(desired.is_after("01B", 3));
        assert!(!desired.is_after("01B", 4));
        assert!(desired.is_after("01A", 9));
        assert!(!desired.is_after("01C", 1));
    }

    #[test]
    fn an_ack_covers_all_up_to_it_but_the_holes() {
        let ack = Ack {
            boot: 3,
            seq: 17,
            missing: vec![(2, 4, 6), (3, 9, 9)],
        };
        for (boot, seq, covered) in [
            (1, 999, true),
            (2, 3, true),
            (2, 4, false),
            (2, 6, false),
            (2, 7, true),
            (3, 8, true),
            (3, 9, false),
            (3, 17, true),
            (3, 18, false),
            (4, 1, false),
        ] {
            assert_eq!(ack.covers(boot, seq), covered, "{boot}/{seq}");
        }
    }
}
