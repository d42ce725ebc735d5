//! The gateway: packs from sensor buses in, alarms and time series out.
//!
//! The path of a sample: source → ingest → log → engine → alarm; sinks read the log.
//! One thread owns all of that path up to the alarms' numbers; nothing on it waits for a disk or a network.
//! Only `clock` reads the clock and only `supervise` starts threads and tasks.

pub mod alarm;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod event;
pub mod http;
pub mod ingest;
pub mod log;
pub use host::mqtt;
pub mod past;
pub mod run;
pub mod sink;
pub mod source;
mod supervise;
pub mod watch;
