//! The edge node as a sans-IO state machine: it polls buses, packs what they say, keeps the packs until the gateway
//! has them, and sends them.
//!
//! It reads no clock, opens no port and knows no client library: a shell (`boards/*`) gives it time, answers and
//! messages, and does what [`Work`] and [`Effect`] ask. `no_std` with an allocator.
#![no_std]

extern crate alloc;

mod config;
mod effect;
mod outbox;
mod time;

pub use config::{BackOffConfig, Config, PackConfig, UplinkConfig};
pub use effect::{Answer, Effect, Lane, Publish, Request, Trouble, Will, Work};
pub use outbox::{MemoryStore, Store, StoreError, Stored};
pub use time::{Now, Wall};
