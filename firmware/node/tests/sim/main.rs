//! The node against a pretend bus, broker and gateway, in virtual time, with faults.
//!
//! Knows only the node's public face and the wire.
#![allow(missing_docs)]

mod ack;
mod bus;
mod outage;
mod output;
mod trip;
mod world;
