//! What the API asks the core, which answers between two records of the log.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::alarm::Event;

/// A question with where its answer goes; nobody waits for an answer that takes too long.
#[derive(Debug)]
pub enum Ask {
    /// How is everything?
    Status(oneshot::Sender<Status>),
    /// The states of all alarms that are not normal, each as the JSON body that regulators get.
    Alarms(oneshot::Sender<Vec<String>>),
    /// The journal's events from a place on, some at a time; none when there are no more.
    Events(u64, oneshot::Sender<Vec<Event>>),
    /// A person acts; refused with the reason.
    Act(Act, oneshot::Sender<Result<(), String>>),
}

/// What a person does to an alarm.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Act {
    /// The word of a [`Verb`](rules::effect::Verb).
    pub verb: String,
    /// The alarm's id, `unit/point/rule`.
    pub alarm: String,
    /// The occurrence that they saw; none for whichever it is.
    pub occurrence: Option<u64>,
    /// Who.
    pub by: String,
    /// What they have to say; empty when nothing.
    pub comment: String,
    /// For how long, for what ends by itself, in milliseconds.
    pub lasts_ms: Option<u64>,
    /// The second person, for what needs two; empty when none.
    pub second: String,
    /// The work order, for what needs one; empty when none.
    pub ticket: String,
}

/// How the gateway is. Readers ignore what they don't know.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Status {
    /// The gateway's name.
    pub gateway: String,
    /// `{park}/{enterprise}`.
    pub site: String,
    /// The program's version.
    pub version: String,
    /// The hash of the configuration in force.
    pub config_hash: String,
    /// The epoch of the events.
    pub epoch: String,
    /// The number of the last event.
    pub seq: u64,
    /// The broker has us.
    pub connected: bool,
    /// The broker holds what we hold.
    pub alarm_state: String,
    /// How many alarms are not normal.
    pub alarms: u64,
    /// Bytes in the log.
    pub log_end: u64,
    /// Bytes of it that are on disk.
    pub log_durable: u64,
    /// Why the log's or the journal's disk takes nothing; empty while it does.
    pub disk: String,
    /// The database; none when nothing is written to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseView>,
    /// Each node by name.
    pub nodes: Vec<NodeView>,
    /// Each output that rules may switch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputView>,
    /// What was counted since the start: samples taken, packs refused, dead letters by cause.
    pub counters: Vec<Counter>,
}

impl Status {
    /// Why it does not do all that others count on, if it doesn't: regulators on what the broker holds, nodes on the disk.
    ///
    /// A database that is away is no reason: what it lacks is in the log, and follows.
    pub fn not_ready(&self) -> Option<String> {
        if !self.connected {
            return Some("no connection to the broker".to_owned());
        }
        if self.alarm_state != "known" {
            return Some("the broker does not hold every alarm yet".to_owned());
        }
        let disk = (!self.disk.is_empty()).then_some(&self.disk);
        disk.map(|why| format!("the disk takes nothing, samples wait at the edge: {why}"))
    }
}

/// The database as the gateway sees it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct DatabaseView {
    /// Why it takes nothing; empty while it does.
    pub fault: String,
    /// Bytes of the log that are on disk and whose samples it does not have yet.
    pub behind: u64,
}

/// A node as the gateway sees it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct NodeView {
    /// Its name.
    pub node: String,
    /// Online, offline or never seen.
    pub state: String,
    /// The last pack taken in, as `boot:seq`.
    pub last: String,
    /// Packs that are known to be missing.
    pub missing: u64,
}

/// An output that rules may switch.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct OutputView {
    /// `{unit}/{point}`.
    pub output: String,
    /// Whether it is to be on.
    pub on: bool,
    /// Since when, RFC 3339.
    pub since: String,
    /// The alarm that it is, or was, on for; empty when it never was.
    pub alarm: String,
    /// `shown`, `failed`, or `waiting` while it has time to show it.
    pub shown: String,
}

/// A number since the start.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counter {
    /// What was counted.
    pub name: String,
    /// How many.
    pub count: u64,
}
