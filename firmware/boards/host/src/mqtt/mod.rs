//! One MQTT 5 session that stays up: connect, lose, wait, connect again, over TCP, TLS or mutual TLS.
//!
//! The node, and in the gateway the alarm publisher, the telemetry source and `fengsui watch`, use it; nothing else knows rumqttc.
//! It keeps no message: what was not acknowledged when a connection is lost is the caller's to send again, so that no queue in here can lose anything.
//! It knows no topic and reads no clock.

mod backoff;
mod options;
mod reason;
mod session;
mod tls;

pub use options::{Login, Options, Publish};
pub use reason::{Loss, Refusal};
pub use session::{Event, Message, NotSent, Receipt, Session};
pub use tls::{Tls, TlsError};
