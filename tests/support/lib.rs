//! Real servers for the tests: each starts on loopback, says when it is ready, and ends with its value.
//!
//! Nothing is skipped: a server that is missing fails the test with the command that installs it.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test's support panics with what is missing"
)]

mod authority;
pub mod bench;
mod board;
mod cable;
mod contract;
mod counters;
mod fengsui;
mod http;
mod influxd;
mod mosquitto;
mod process;
mod python;
mod regulator;
mod shipped;
mod slaves;
mod socat;
mod subscriber;
mod until;
mod watch;

pub use authority::{Authority, Identity};
pub use board::Board;
pub use cable::Cable;
pub use contract::Schemas;
pub use counters::{Counters, Registers};
pub use fengsui::{Gateway, program};
pub use influxd::Influxd;
pub use mosquitto::Mosquitto;
pub use process::{Process, free_port};
pub use python::python;
pub use regulator::{Regulator, Report};
pub use shipped::Shipped;
pub use slaves::Slaves;
pub use socat::SerialPair;
pub use subscriber::{Message, Subscriber};
pub use until::until;
pub use watch::Watch;
