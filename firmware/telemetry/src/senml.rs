//! SenML (RFC 8428) in JSON and CBOR, with the contract's own base fields.
//!
//! Knows packs, records and their limits. Doesn't know which points exist, nor what is done with a pack that doesn't read.
//! Neither direction allocates; both do work in proportion to the bytes, which are limited.

mod cbor;
mod decode;
mod encode;
mod json;
mod label;
mod text;

#[cfg(test)]
mod tests;

pub use decode::{Pack, PackError, PackFault, Record, RecordError, RecordFault, Time, decode};
pub use encode::{Base, Encoder, Full, Header};
pub use label::Label;

/// The largest pack, in bytes.
pub const PACK_BYTES_MAX: usize = 256 * 1024;

/// The most records of a pack.
pub const PACK_RECORDS_MAX: usize = 4_096;

/// The longest unit, in bytes.
pub const UNIT_LEN_MAX: usize = 64;

/// Seconds from which a time is absolute; what is less is relative to now (RFC 8428 §4.5.3).
const ABSOLUTE_FROM_S: f64 = 268_435_456.0;

/// How a pack is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// `application/senml+json`.
    Json,
    /// `application/senml+cbor`.
    Cbor,
}

impl Format {
    /// The MQTT content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/senml+json",
            Self::Cbor => "application/senml+cbor",
        }
    }

    /// The format that a content type names; parameters after `;` and case don't matter.
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        [Self::Json, Self::Cbor]
            .into_iter()
            .find(|format| essence.eq_ignore_ascii_case(format.content_type()))
    }

    /// The format that the first byte of a pack tells, where no content type does.
    pub fn sniff(first: u8) -> Option<Self> {
        match first {
            b'[' | b' ' | b'\t' | b'\n' | b'\r' => Some(Self::Json),
            0x80..=0x9F => Some(Self::Cbor),
            _ => None,
        }
    }
}
