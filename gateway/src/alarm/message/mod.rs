//! The JSON bodies of the contract: event and state, snapshot part, gateway status.
//!
//! Pure text: what the engine says of an alarm and what its program says of the rule, in the contract's words and in one order of fields.
//! Numbers, hashes and what is sent when are elsewhere.

mod body;
mod cut;
mod own;
mod snapshot;
mod status;
mod text;

pub use body::draft;
pub use own::{Gap, GapCause, epoch_draft, gap_draft};
pub(crate) use snapshot::{Row, parts, row};
pub use status::{AlarmWord, Status};
pub(crate) use text::reading;

use telemetry::UtcMs;

/// Who speaks: the site and its gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Site {
    /// The park; a name segment.
    pub park: String,
    /// The enterprise in the park; a name segment.
    pub enterprise: String,
    /// The gateway's name; a name segment.
    pub gateway: String,
    /// The gateway's software version.
    pub version: String,
}

impl Site {
    /// `{park}/{enterprise}`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.park, self.enterprise)
    }
}

/// A time as the contract writes it.
fn time<S: serde::Serializer>(at: &UtcMs, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// A time that may not be there; the field is left out then.
fn time_if<S: serde::Serializer>(at: &Option<UtcMs>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

/// The fields of an object, without its braces.
fn fields(object: &impl serde::Serialize) -> String {
    let mut text =
        serde_json::to_string(object).expect("strings, numbers and booleans always write");
    text.pop();
    text.remove(0);
    text
}
