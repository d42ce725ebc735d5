//! Rules for alarms: the compiled program, its evaluation, and the life cycle of alarms.
//!
//! The core is `no_std` and knows no clock, no I/O and no text syntax; the same input gives the same effects, to the byte.
#![no_std]
#![allow(dead_code, reason = "the engine that reads the flat tables lands next")]

extern crate alloc;

pub mod effect;
pub mod eval;
pub mod expr;
pub mod point;
pub mod program;
pub mod value;
