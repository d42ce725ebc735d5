//! The rule engine from outside: whole programs, whole lives of alarms.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod aside;
mod bad;
mod change;
mod doubt;
mod explain;
mod image;
mod language;
mod life;
mod memory;
mod mutation;
mod old_snapshots;
mod oracle;
mod property;
mod random;
mod restart;
mod shown;
mod support;
mod under_test;
mod windows;
