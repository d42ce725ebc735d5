//! One reading of one point.

use crate::{Quality, UtcMs};

/// What a sensor said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A number; always finite.
    Number(f64),
    /// A digital point.
    Bool(bool),
}

impl Value {
    /// The number that rules and the time series see: a digital point is 0 or 1.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Number(number) => number,
            Self::Bool(true) => 1.0,
            Self::Bool(false) => 0.0,
        }
    }
}

/// Which clock dated a sample.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Clock {
    /// The source's, synchronised.
    #[default]
    Synced,
    /// The source's, which was synchronised once and runs on.
    Holdover,
    /// The source's anchor for a boot whose clock was set only later, or never was.
    Unsynced,
    /// The gateway's, at arrival.
    Arrival,
}

impl Clock {
    /// The contract's word; a synced clock has none, since the field is left out.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Synced => None,
            Self::Holdover => Some("holdover"),
            Self::Unsynced => Some("unsynced"),
            Self::Arrival => Some("arrival"),
        }
    }

    /// The clock that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "holdover" => Some(Self::Holdover),
            "unsynced" => Some(Self::Unsynced),
            "arrival" => Some(Self::Arrival),
            _ => None,
        }
    }
}

/// One reading: when, what, and how far to trust it. A reading without a value has a quality that says why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// UTC at the source, or as `clock` says.
    pub at: UtcMs,
    /// The value in the point's unit; none when the quality is why.
    pub value: Option<Value>,
    /// How far to trust it.
    pub quality: Quality,
    /// Which clock dated it.
    pub clock: Clock,
}
