//! How a slave misbehaves, and when.

use crate::scenario::Space;

/// One way to misbehave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// No reply.
    Silence,
    /// The reply comes this many milliseconds later than it would.
    Late {
        /// Milliseconds on top of the slave's turnaround.
        ms: u64,
    },
    /// Another unit id answers.
    WrongUnit {
        /// The id in the reply.
        unit: u8,
    },
    /// An exception reply.
    Exception {
        /// The exception code, 1 to 255.
        code: u8,
    },
    /// The CRC is wrong; over TCP, which has none, the protocol id.
    BadCrc,
    /// A well-formed reply with one value less than was asked for.
    ShortReply,
    /// Seeded bytes instead of the reply.
    Garbage {
        /// How many.
        bytes: usize,
    },
    /// Seeded bytes before the reply.
    LeadingNoise {
        /// How many.
        bytes: usize,
    },
    /// Somebody else's request and reply before the reply; over TCP a reply to another transaction.
    Foreign,
    /// Scripted values stand still at what they were when the fault began.
    Stuck,
    /// Registers show these words instead of their values, as a detector does whose sensor is broken.
    BrokenWire {
        /// Where.
        space: Space,
        /// The first address.
        address: u16,
        /// What they show; 0 or 1 for a bit.
        words: Vec<u16>,
    },
    /// The cable is pulled in the middle of the next reply and stays out: half a frame, then silence; over TCP the connection closes.
    Cut,
}

/// A fault and when it is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FaultWindow {
    /// What is wrong.
    pub fault: Fault,
    /// From this time on, in milliseconds since the scenario began.
    pub from_ms: u64,
    /// Up to this time and not at it.
    pub to_ms: u64,
    /// At most this many replies are spoilt; none for no limit.
    pub limit: Option<u64>,
}

impl FaultWindow {
    /// A fault without an end.
    pub fn from(fault: Fault, from_ms: u64) -> Self {
        Self {
            fault,
            from_ms,
            to_ms: u64::MAX,
            limit: None,
        }
    }

    pub(crate) fn contains(&self, at_ms: u64) -> bool {
        (self.from_ms..self.to_ms).contains(&at_ms)
    }
}
