//! Where packs come from: a broker, or the node in this process. Either way they take the same path.

pub mod bus;
pub mod mqtt;

use telemetry::topic::{SiteTopic, Topic};

use crate::ingest::Way;

/// A pack on its way to the core.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pack {
    /// Who sent it.
    pub node: String,
    /// Which topic.
    pub way: Way,
    /// The content type, where there was one.
    pub content_type: Option<String>,
    /// The body.
    pub bytes: Vec<u8>,
}

/// A message of a node, by its topic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Incoming {
    /// A pack.
    Pack(Pack),
    /// A status, or a will.
    Status {
        /// The node of the topic.
        node: String,
        /// The body.
        bytes: Vec<u8>,
    },
    /// A topic that is none of ours, or that nothing is done with.
    Stray,
}

impl Incoming {
    /// Sorts a message by its topic.
    pub fn new(topic: &str, content_type: Option<String>, bytes: Vec<u8>) -> Self {
        let pack = |node: &str, way, content_type, bytes| {
            Self::Pack(Pack {
                node: node.to_owned(),
                way,
                content_type,
                bytes,
            })
        };
        match SiteTopic::parse(topic).map(|site| site.topic) {
            Ok(Topic::Telemetry { node }) => pack(node, Way::Live, content_type, bytes),
            Ok(Topic::History { node }) => pack(node, Way::History, content_type, bytes),
            Ok(Topic::Status { node }) => Self::Status {
                node: node.to_owned(),
                bytes,
            },
            _ => Self::Stray,
        }
    }
}
