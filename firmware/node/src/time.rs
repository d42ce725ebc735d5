//! What the node knows about time: milliseconds since boot always, UTC when its clock was set.
//!
//! Nothing here reads a clock; the shell gives a [`Now`] with every call.

use telemetry::{Clock, UtcMs};

/// The wall clock at an instant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wall {
    /// A time source sets it now.
    Synced(UtcMs),
    /// A time source, or a battery-backed clock, set it before, and it runs on.
    Holdover(UtcMs),
    /// It was never set: whatever it shows is no time.
    Unsynced,
}

/// An instant on both clocks of the node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Now {
    /// Milliseconds since boot; never goes back. Timers run on it.
    pub mono: u64,
    /// The wall clock. It may jump; samples are dated by it.
    pub wall: Wall,
}

impl Wall {
    /// UTC, where there is one.
    pub fn utc(self) -> Option<UtcMs> {
        match self {
            Self::Synced(utc) | Self::Holdover(utc) => Some(utc),
            Self::Unsynced => None,
        }
    }

    /// The word that packs and status carry.
    pub fn clock(self) -> Clock {
        match self {
            Self::Synced(_) => Clock::Synced,
            Self::Holdover(_) => Clock::Holdover,
            Self::Unsynced => Clock::Unsynced,
        }
    }
}

impl Now {
    /// An instant of a node whose clock is synchronised.
    pub fn synced(mono: u64, utc: UtcMs) -> Self {
        Self {
            mono,
            wall: Wall::Synced(utc),
        }
    }
}
