//! Who is on the wire and what their registers mean: profiles, buses, the poll plan, and words → value and quality.
//!
//! The core (`profile`, `bus`, `point`, `plan`, `convert`, `sweep`) is `no_std` with `alloc`, reads no clock and does no I/O; a microcontroller runs it.
//! The front (feature `std`) reads the TOML that people write.
//! It knows nothing of how a request is sent, of nodes, of rules.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod bus;
pub mod convert;
#[cfg(feature = "std")]
mod front;
pub mod plan;
pub mod point;
pub mod profile;
pub mod sweep;

pub use bus::{Bus, Link, Parity, Slave};
#[cfg(feature = "std")]
pub use front::{
    find_profile, load_bus, load_bus_file, load_profile, read_bus, read_file, shipped,
    shipped_names,
};
pub use plan::{Group, Image, Plan, Reply, Request};
pub use point::{FailSafe, Point, Position};
pub use profile::{
    Bits, CodeQuality, DataType, Forbidden, Function, Order, Profile, Range, Register, Scale,
    ScaleFrom, Sentinel, Signal, Status, UnitFrom,
};
