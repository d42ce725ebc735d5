//! What ingest takes, gives and tells.

use telemetry::body::Ack;

use super::dating::Way;
use super::node;
use crate::log::{LogOffset, PackId, Record};

/// Where ingest's outputs go.
pub trait Out {
    /// Logs a record and has it evaluated; says where it ends, and none when the log takes no more: then it is evaluated all the same, and never acknowledged.
    fn record(&mut self, record: &Record<'_>) -> Option<LogOffset>;

    /// Keeps what could not be taken.
    fn dead_letter(&mut self, letter: &DeadLetter<'_>);

    /// Tells people and counters.
    fn note(&mut self, note: &Note<'_>);
}

/// What could not be taken, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeadLetter<'a> {
    /// From whom.
    pub node: &'a str,
    /// The topic's last level.
    pub topic: &'static str,
    /// The word that it is counted by.
    pub cause: &'static str,
    /// What exactly was wrong.
    pub detail: &'a str,
    /// The bytes: of the whole message, or of one record.
    pub bytes: &'a [u8],
}

/// What ingest tells people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Note<'a> {
    /// A pack was taken in.
    PackTaken {
        /// Which way it came.
        way: Way,
        /// Its live samples.
        live: usize,
        /// Its late ones, and those for a millisecond that had one.
        late: usize,
    },
    /// A pack came again.
    PackRepeated {
        /// From whom.
        node: &'a str,
    },
    /// A pack's number came again with other bytes: the first stands.
    PackContradicted {
        /// From whom.
        node: &'a str,
        /// Its number.
        id: PackId,
    },
    /// A pack was left for later: it isn't acknowledged and will come again.
    PackDeferred {
        /// From whom.
        node: &'a str,
        /// Why.
        cause: &'static str,
    },
    /// Something could not be taken.
    Refused {
        /// From whom.
        node: &'a str,
        /// Why, as in [`DeadLetter::cause`].
        cause: &'static str,
        /// How many records, or 1 for a whole message.
        count: usize,
    },
    /// A node gave up packs that had not come.
    GapFound {
        /// The node.
        node: &'a str,
        /// The boot.
        boot: u64,
        /// The first pack.
        from: u64,
        /// The last.
        to: u64,
        /// The node's word for why.
        cause: &'a str,
    },
    /// A status of a boot before the one that is known.
    StatusOutdated {
        /// The node.
        node: &'a str,
        /// Its boot.
        boot: u64,
    },
}

/// A pack as it came.
#[derive(Clone, Copy, Debug)]
pub struct PackIn<'a> {
    /// The node of its topic.
    pub node: &'a str,
    /// Which topic.
    pub way: Way,
    /// The content type, where the sender gave one.
    pub content_type: Option<&'a str>,
    /// The body.
    pub bytes: &'a [u8],
}

/// How far behind the newest values are that a node has sent; for `status`.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView<'a> {
    /// Its name.
    pub name: &'a str,
    /// The last pack that is on disk here, as the ack says.
    pub ack: Option<Ack>,
    /// Its conditions that stand, by rule, with their reasons.
    pub conditions: Vec<(&'a str, &'a str)>,
    /// A status of it came since the start.
    pub seen: bool,
}

impl NodeView<'_> {
    /// `online`, `offline` or `never seen`.
    pub fn state(&self) -> &'static str {
        let is_offline = self
            .conditions
            .iter()
            .any(|(rule, _)| *rule == node::OFFLINE);
        match (is_offline, self.seen) {
            (true, _) => "offline",
            (false, true) => "online",
            (false, false) => "never seen",
        }
    }
}
