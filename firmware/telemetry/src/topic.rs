//! The topic grammar: everything under `fengsui/v1/{park}/{enterprise}/`.
//!
//! Knows every topic of the contract, both ways; knows no payload, no quality of service and no client library.

use core::fmt;

use thiserror::Error;

use crate::name::{NameError, check_segment};

/// What every topic of the contract begins with.
const ROOT: &str = "fengsui/v1/";

/// The segment that stands for "none" in the unit or point of an alarm.
pub const NONE: &str = "-";

/// The longest client id that a replay topic takes, in bytes.
pub const CLIENT_LEN_MAX: usize = 256;

/// A topic of one site, without the site.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Topic<'a> {
    /// `edge/{node}/telemetry`: live packs.
    Telemetry {
        /// The edge device.
        node: &'a str,
    },
    /// `edge/{node}/history`: packs that were not delivered while they were live.
    History {
        /// The edge device.
        node: &'a str,
    },
    /// `edge/{node}/ack`: what is durable in the gateway.
    Ack {
        /// The edge device.
        node: &'a str,
    },
    /// `edge/{node}/status`: retained, also the node's will.
    Status {
        /// The edge device.
        node: &'a str,
    },
    /// `edge/{node}/trip`: what a local rule did to an output.
    Trip {
        /// The edge device.
        node: &'a str,
    },
    /// `edge/{node}/desired`: retained; what the gateway wants of the node's outputs.
    Desired {
        /// The edge device.
        node: &'a str,
    },
    /// `edge/{node}/command`: gateway to node.
    Command {
        /// The edge device.
        node: &'a str,
    },
    /// `edge/{node}/reply`: node to gateway.
    Reply {
        /// The edge device.
        node: &'a str,
    },
    /// `alarm/state/{unit}/{point}/{rule}`: retained.
    AlarmState {
        /// The unit, or [`NONE`].
        unit: &'a str,
        /// The point, a node where the unit is [`NONE`], or [`NONE`].
        point: &'a str,
        /// The rule.
        rule: &'a str,
    },
    /// `alarm/event`: one event each.
    AlarmEvent,
    /// `alarm/snapshot/{part}`: retained.
    AlarmSnapshot {
        /// From 0.
        part: u32,
    },
    /// `alarm/replay/{client}/request`: a subscriber asks for events again.
    ReplayRequest {
        /// The subscriber's MQTT client id.
        client: &'a str,
    },
    /// `alarm/replay/{client}/events`: the answer.
    ReplayEvents {
        /// The subscriber's MQTT client id.
        client: &'a str,
    },
    /// `gateway/status`: retained, also the gateway's will.
    GatewayStatus,
}

/// A whole topic. [`SiteTopic::parse`] gives checked names; `Display` writes what it is given.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SiteTopic<'a> {
    /// The park.
    pub park: &'a str,
    /// The enterprise in the park.
    pub enterprise: &'a str,
    /// What comes after the site.
    pub topic: Topic<'a>,
}

/// Why a text is no topic of the contract.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum TopicError {
    /// It doesn't begin with `fengsui/v1/`.
    #[error("the topic is not under `{ROOT}`")]
    Root,
    /// No topic of the contract has this shape.
    #[error("the contract has no such topic")]
    Unknown,
    /// One of its segments is no name.
    #[error("a segment of the topic: {0}")]
    Name(#[from] NameError),
    /// The part of a snapshot is no number, or has a sign or leading zeros.
    #[error("the part of a snapshot, expected a number from 0")]
    Part,
    /// The client id has no characters, more than [`CLIENT_LEN_MAX`] bytes, or one of `+ # /` or a control character.
    #[error(
        "a client id, expected 1 to {CLIENT_LEN_MAX} bytes without + # / and control characters"
    )]
    Client,
}

/// Checks an MQTT client id that has to be one level of a topic.
///
/// # Errors
/// [`TopicError::Client`].
pub fn check_client(client: &str) -> Result<(), TopicError> {
    let outside = |character: char| matches!(character, '+' | '#' | '/') || character.is_control();
    if client.is_empty() || client.len() > CLIENT_LEN_MAX || client.contains(outside) {
        return Err(TopicError::Client);
    }
    Ok(())
}

impl<'a> SiteTopic<'a> {
    /// Reads a topic; every name in it is checked.
    ///
    /// # Errors
    /// A topic that is not of the contract.
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        let rest = text.strip_prefix(ROOT).ok_or(TopicError::Root)?;
        let mut levels = rest.split('/');
        let mut next = || levels.next().ok_or(TopicError::Unknown);
        let (park, enterprise) = (next()?, next()?);
        check_segment(park)?;
        check_segment(enterprise)?;
        let topic = match (next()?, next()?) {
            ("edge", node) => {
                check_segment(node)?;
                match next()? {
                    "telemetry" => Topic::Telemetry { node },
                    "history" => Topic::History { node },
                    "ack" => Topic::Ack { node },
                    "status" => Topic::Status { node },
                    "trip" => Topic::Trip { node },
                    "desired" => Topic::Desired { node },
                    "command" => Topic::Command { node },
                    "reply" => Topic::Reply { node },
                    _ => return Err(TopicError::Unknown),
                }
            }
            ("alarm", "state") => {
                let (unit, point, rule) = (next()?, next()?, next()?);
                for scope in [unit, point] {
                    if scope != NONE {
                        check_segment(scope)?;
                    }
                }
                check_segment(rule)?;
                Topic::AlarmState { unit, point, rule }
            }
            ("alarm", "event") => Topic::AlarmEvent,
            ("alarm", "snapshot") => Topic::AlarmSnapshot {
                part: part(next()?)?,
            },
            ("alarm", "replay") => {
                let client = next()?;
                check_client(client)?;
                match next()? {
                    "request" => Topic::ReplayRequest { client },
                    "events" => Topic::ReplayEvents { client },
                    _ => return Err(TopicError::Unknown),
                }
            }
            ("gateway", "status") => Topic::GatewayStatus,
            _ => return Err(TopicError::Unknown),
        };
        if levels.next().is_some() {
            return Err(TopicError::Unknown);
        }
        Ok(Self {
            park,
            enterprise,
            topic,
        })
    }
}

/// A number as `Display` writes it, so that each part has one topic.
fn part(text: &str) -> Result<u32, TopicError> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    match text.parse() {
        Ok(part) if canonical => Ok(part),
        _ => Err(TopicError::Part),
    }
}

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Telemetry { node } => write!(f, "edge/{node}/telemetry"),
            Self::History { node } => write!(f, "edge/{node}/history"),
            Self::Ack { node } => write!(f, "edge/{node}/ack"),
            Self::Status { node } => write!(f, "edge/{node}/status"),
            Self::Trip { node } => write!(f, "edge/{node}/trip"),
            Self::Desired { node } => write!(f, "edge/{node}/desired"),
            Self::Command { node } => write!(f, "edge/{node}/command"),
            Self::Reply { node } => write!(f, "edge/{node}/reply"),
            Self::AlarmState { unit, point, rule } => {
                write!(f, "alarm/state/{unit}/{point}/{rule}")
            }
            Self::AlarmEvent => f.write_str("alarm/event"),
            Self::AlarmSnapshot { part } => write!(f, "alarm/snapshot/{part}"),
            Self::ReplayRequest { client } => write!(f, "alarm/replay/{client}/request"),
            Self::ReplayEvents { client } => write!(f, "alarm/replay/{client}/events"),
            Self::GatewayStatus => f.write_str("gateway/status"),
        }
    }
}

impl fmt::Display for SiteTopic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}{}/{}/{}", self.park, self.enterprise, self.topic)
    }
}

/// What a subscription takes in, over all nodes, alarms or clients.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Filter {
    /// `edge/+/telemetry`.
    Telemetry,
    /// `edge/+/history`.
    History,
    /// `edge/+/ack`.
    Ack,
    /// `edge/+/status`.
    Status,
    /// `edge/+/trip`.
    Trip,
    /// `edge/+/reply`.
    Reply,
    /// `alarm/#`: a regulator's.
    Alarm,
    /// `alarm/state/#`.
    AlarmState,
    /// `alarm/snapshot/+`.
    AlarmSnapshot,
    /// `alarm/replay/+/request`.
    ReplayRequest,
    /// `gateway/status`.
    GatewayStatus,
}

/// A topic filter for one site, or for all enterprises of a park.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SiteFilter<'a> {
    /// The park.
    pub park: &'a str,
    /// The enterprise; none for all of the park.
    pub enterprise: Option<&'a str>,
    /// What comes after the site.
    pub filter: Filter,
}

impl fmt::Display for SiteFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = match self.filter {
            Filter::Telemetry => "edge/+/telemetry",
            Filter::History => "edge/+/history",
            Filter::Ack => "edge/+/ack",
            Filter::Status => "edge/+/status",
            Filter::Trip => "edge/+/trip",
            Filter::Reply => "edge/+/reply",
            Filter::Alarm => "alarm/#",
            Filter::AlarmState => "alarm/state/#",
            Filter::AlarmSnapshot => "alarm/snapshot/+",
            Filter::ReplayRequest => "alarm/replay/+/request",
            Filter::GatewayStatus => "gateway/status",
        };
        let enterprise = self.enterprise.unwrap_or("+");
        write!(f, "{ROOT}{}/{enterprise}/{filter}", self.park)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString};

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(rest: &str, topic: Topic<'_>) {
        let text = format!("fengsui/v1/east/plant-1/{rest}");
        let site = SiteTopic {
            park: "east",
            enterprise: "plant-1",
            topic,
        };
        assert_eq!(SiteTopic::parse(&text), Ok(site));
        assert_eq!(site.to_string(), text);
    }

    #[test]
    fn every_topic_of_the_contract_reads_and_writes() {
        let node = "n1";
        check("edge/n1/telemetry", Topic::Telemetry { node });
        check("edge/n1/history", Topic::History { node });
        check("edge/n1/ack", Topic::Ack { node });
        check("edge/n1/status", Topic::Status { node });
        check("edge/n1/trip", Topic::Trip { node });
        check("edge/n1/desired", Topic::Desired { node });
        check("edge/n1/command", Topic::Command { node });
        check("edge/n1/reply", Topic::Reply { node });
        for (unit, point, rule) in [
            ("tank", "lel-1", "gas"),
            ("tank", "-", "vote"),
            ("-", "-", "roll-up"),
            ("-", "n1", "sys.offline"),
            ("tank", "lel-1", "sys.quality"),
        ] {
            let rest = format!("alarm/state/{unit}/{point}/{rule}");
            check(&rest, Topic::AlarmState { unit, point, rule });
        }
        check("alarm/event", Topic::AlarmEvent);
        check("alarm/snapshot/0", Topic::AlarmSnapshot { part: 0 });
        check("alarm/snapshot/12", Topic::AlarmSnapshot { part: 12 });
        let client = "监管 1";
        check(
            "alarm/replay/监管 1/request",
            Topic::ReplayRequest { client },
        );
        check("alarm/replay/监管 1/events", Topic::ReplayEvents { client });
        check("gateway/status", Topic::GatewayStatus);
    }

    #[test]
    fn what_is_no_topic_of_the_contract_is_refused() {
        let site = "fengsui/v1/east/plant-1";
        for (text, error) in [
            (String::new(), TopicError::Root),
            (
                "fengsui/v2/east/plant-1/alarm/event".into(),
                TopicError::Root,
            ),
            ("fengsui/v1/east".into(), TopicError::Unknown),
            (site.into(), TopicError::Unknown),
            (format!("{site}/edge/n1"), TopicError::Unknown),
            (format!("{site}/edge/n1/other"), TopicError::Unknown),
            (format!("{site}/edge/n1/ack/more"), TopicError::Unknown),
            (format!("{site}/alarm/event/"), TopicError::Unknown),
            (format!("{site}/alarm/state/a/b"), TopicError::Unknown),
            (format!("{site}/alarm/snapshot/01"), TopicError::Part),
            (format!("{site}/alarm/snapshot/+1"), TopicError::Part),
            (
                format!("{site}/alarm/snapshot/4294967296"),
                TopicError::Part,
            ),
            (format!("{site}/alarm/replay//events"), TopicError::Client),
            (
                format!("{site}/alarm/replay/a+b/events"),
                TopicError::Client,
            ),
            (
                format!("{site}/edge/-/ack"),
                TopicError::Name(NameError::Character {
                    character: '-',
                    at: 0,
                }),
            ),
            (
                format!("{site}/alarm/state/a/b/-"),
                TopicError::Name(NameError::Character {
                    character: '-',
                    at: 0,
                }),
            ),
            (
                "fengsui/v1//plant-1/alarm/event".into(),
                TopicError::Name(NameError::Empty),
            ),
        ] {
            assert_eq!(SiteTopic::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn filters_name_one_site_or_a_whole_park() {
        let filter = |enterprise, filter| {
            let park = "east";
            SiteFilter {
                park,
                enterprise,
                filter,
            }
            .to_string()
        };
        assert_eq!(filter(None, Filter::Alarm), "fengsui/v1/east/+/alarm/#");
        assert_eq!(
            filter(None, Filter::GatewayStatus),
            "fengsui/v1/east/+/gateway/status"
        );
        assert_eq!(
            filter(Some("plant-1"), Filter::Telemetry),
            "fengsui/v1/east/plant-1/edge/+/telemetry"
        );
        assert_eq!(
            filter(Some("plant-1"), Filter::ReplayRequest),
            "fengsui/v1/east/plant-1/alarm/replay/+/request"
        );
    }

    proptest! {
        #[test]
        fn what_parses_is_written_back_to_the_byte(rest in "(edge|alarm|gateway|state|event|snapshot|replay|request|status|ack|n1|-|0|/){1,12}") {
            let text = format!("fengsui/v1/a/b/{rest}");
            if let Ok(topic) = SiteTopic::parse(&text) {
                prop_assert_eq!(topic.to_string(), text);
            }
        }

        #[test]
        fn no_text_panics(text in "(fengsui/v1/)?.{0,60}") {
            if let Ok(topic) = SiteTopic::parse(&text) {
                prop_assert_eq!(topic.to_string(), text);
            }
        }
    }
}
