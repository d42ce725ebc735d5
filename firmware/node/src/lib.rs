//! The edge node as a sans-IO state machine: it polls buses, packs what they say, keeps the packs until the gateway
//! has them, and sends them.
//!
//! It reads no clock, opens no port and knows no client library: a shell (`boards/*`) gives it time, answers and
//! messages, and does what [`Work`] and [`Effect`] ask. `no_std` with an allocator.
#![no_std]

extern crate alloc;

mod command;
mod config;
mod desired;
mod effect;
mod line;
mod node;
mod outbox;
mod output;
mod pack;
pub mod port;
mod sweep;
mod time;
mod trip;
mod uplink;

pub use config::{BackOffConfig, Config, PackConfig, UplinkConfig};
pub use effect::{Answer, Effect, Lane, Publish, Request, Trouble, Will, Work};
pub use node::{Counters, Node};
pub use outbox::{MemoryStore, OpenError, Store, StoreError, Stored};
pub use time::{Now, Wall};
pub use trip::{OutputConfig, Switch, TripConfig};
