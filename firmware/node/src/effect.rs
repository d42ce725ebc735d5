//! What a node asks of its shell, and what the shell says to it.
//!
//! The words between the machines and the ports; no behaviour.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use devices::Function;

/// How urgent a publish is. The order in which [`crate::Node::poll_effect`] gives them already respects it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Lane {
    /// Status, trips and replies.
    Control,
    /// Packs while they are live.
    Live,
    /// Packs that were not delivered while they were live.
    History,
}

/// A message for the broker, QoS 1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publish {
    /// What [`crate::Node::handle_puback`] wants back; never the same again in a boot.
    pub token: u64,
    /// How urgent it is.
    pub lane: Lane,
    /// The whole topic.
    pub topic: Arc<str>,
    /// The bytes.
    pub payload: Vec<u8>,
    /// The MQTT 5 content type.
    pub content_type: &'static str,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// The MQTT 5 message expiry interval in seconds; none for no expiry.
    pub expiry_s: Option<u32>,
}

/// What the node asks of its uplink.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Subscribe to these topics at QoS 1, then say [`crate::Node::handle_subscribed`].
    Subscribe(Vec<Arc<str>>),
    /// Publish this, then say [`crate::Node::handle_puback`]. Order must be kept.
    Publish(Publish),
    /// The broker keeps messages without an answer: end this connection and make another.
    Disconnect,
    /// The gateway has packs of a later boot than this one: the boot counter was lost.
    /// Stop, and start with a boot greater than this; until then the gateway takes the packs for old ones.
    BootBehind {
        /// The latest boot that the gateway knows.
        boot: u64,
    },
}

/// What the broker publishes when the node is gone. QoS 1, retained.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Will {
    /// The whole topic.
    pub topic: Arc<str>,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// One request for a bus.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request {
    /// What [`crate::Node::handle_answer`] wants back.
    pub token: u64,
    /// The Modbus unit id.
    pub slave: u8,
    /// Which table.
    pub function: Function,
    /// The first register or bit, from 0 as on the wire.
    pub address: u16,
    /// How many registers or bits; 1 to write.
    pub count: u16,
    /// What to write there instead of reading: a register's contents, or 0 or 1 for a coil (functions 6 and 5). Its answer repeats it.
    pub write: Option<u16>,
    /// How long the slave may take to begin its answer, in milliseconds.
    pub timeout_ms: u32,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'a> {
    /// Registers.
    Words(&'a [u16]),
    /// Bits.
    Bits(&'a [bool]),
    /// A Modbus exception code: the slave is there and refuses.
    Exception(u8),
    /// Nothing within the time-out.
    Silent,
    /// Something that is no answer to the request: a bad checksum, another slave's or function's answer, another length.
    Garbled,
    /// The line itself is not there: no serial port, no connection.
    LineDown,
}

/// What a bus has to do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Work {
    /// Send this, wait for the answer, then say [`crate::Node::handle_answer`].
    Send(Request),
    /// Keep silent until `until` (milliseconds since boot) and throw away whatever comes: a late answer of the same
    /// shape could be taken for the next one.
    Drain {
        /// When to ask again.
        until: u64,
    },
    /// Nothing before `until` (milliseconds since boot); none when the bus has nothing to poll.
    Idle {
        /// When to ask again.
        until: Option<u64>,
    },
}

/// What a person or a log wants to know about something that should not have happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// The store failed; packs are kept in memory as far as they fit.
    Store(String),
    /// A message on one of our topics does not read.
    Message {
        /// Its topic.
        topic: String,
        /// Why.
        why: String,
    },
    /// The gateway wants something of an output that no bus of this node has: they run with different bus files.
    UnknownOutput {
        /// The output, `{unit}/{point}`.
        output: String,
    },
    /// The broker refused a publish.
    Refused {
        /// Its topic.
        topic: Arc<str>,
        /// The MQTT 5 reason code.
        reason: u8,
    },
    /// Packs were given up: data is lost.
    GaveUp {
        /// How many.
        packs: u64,
        /// Why.
        cause: &'static str,
    },
}
