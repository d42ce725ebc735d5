//! Rules for alarms: the compiled program, its evaluation, and the life cycle of alarms.
//!
//! The core is `no_std` and knows no clock, no I/O and no text syntax; the same input gives the same effects, to the byte.
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod alarm;
mod bytes;
pub mod calendar;
pub mod effect;
pub mod engine;
pub mod eval;
pub mod expr;
pub mod image;
pub mod output;
pub mod point;
pub mod program;
pub mod sampling;
mod timer;
pub mod unit;
pub mod value;

#[cfg(feature = "std")]
pub mod case;
#[cfg(feature = "std")]
pub mod compile;
#[cfg(feature = "std")]
pub mod file;
#[cfg(feature = "std")]
pub mod pack;
#[cfg(feature = "std")]
pub mod syntax;
