//! What the benchmarks share: a site to measure, clients that cost next to nothing, and the system's own counters.
//!
//! Nothing here judges. A benchmark prints what it found, how often it looked, and what else had the processors meanwhile.
#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and starts the threads that make the load"
)]

mod client;
mod cpu;
mod sink;
mod site;
mod sorted;

pub use client::{Client, Packet};
pub use cpu::{Cpu, Machine, memory_kib};
pub use sink::Sink;
pub use site::{Area, Packs, Site, build, now, value, write};
pub use sorted::{Sorted, spread};
