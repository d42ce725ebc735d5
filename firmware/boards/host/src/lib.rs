//! The edge node on Linux: serial ports and TCP for its buses, MQTT for its uplink, files for its outbox.
//!
//! A shell around the `node` crate, which decides everything.

mod boot;
mod clock;
pub mod config;
pub mod line;
pub mod mqtt;
mod runtime;
mod store;
mod supervise;
pub mod uplink;

pub use boot::next as next_boot;
pub use clock::Clock;
pub use runtime::{Uplink, UplinkEvent, UplinkPeer, uplink_channel};
pub use store::FileStore;
pub use supervise::{Running, start};
