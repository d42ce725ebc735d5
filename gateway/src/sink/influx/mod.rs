//! Samples and alarm events into InfluxDB 2, as the contract's time series (§5).
//!
//! The lines are encoded apart from sending them; only [`client`] knows the client library.

pub mod alarms;
pub mod batch;
pub mod client;
pub mod line;
pub mod writer;
