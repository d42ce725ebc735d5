//! The words that both ends share: names, topics, sample, quality, time, and the SenML codec.
//!
//! Knows the wire and nothing of devices, rules or gateways. `no_std`; encoding allocates nothing.
#![no_std]

extern crate alloc;

pub mod body;
mod name;
mod quality;
mod sample;
pub mod senml;
mod time;
pub mod topic;
pub mod unit;

pub use name::{NameError, PointName, SEGMENT_LEN_MAX, check_segment};
pub use quality::{Quality, Severity};
pub use sample::{Clock, Sample, Value};
pub use time::{TimeError, UtcMs};
