//! From what the engine says to what a regulator holds: numbered events, retained states, a snapshot, a status.
//!
//! [`message`] writes the bodies, `event` numbers and chains them, `journal` keeps them for 30 days, `publish` decides what goes to the broker and when.
//! `rate` looks at how fast they come.
//! All of these are functions of their inputs; only `shell` knows files and the MQTT session.

pub mod entry;
mod epoch;
mod event;
pub mod journal;
pub mod message;
pub mod publish;
pub mod rate;
mod recover;
pub mod shell;
mod spans;
mod table;

pub use epoch::{Epoch, EpochError};
pub use event::{Draft, Event, Hash};
pub use publish::Publisher;
pub use recover::{Recovered, recover};
pub use spans::{Span, Spans};
pub use table::StateRow;
