//! The rules of a node on a Cortex-M4F, in the memory that a node may have: a trace comes in by UART 0, effects go out by it, a line each.
//!
//! Runs under `qemu-system-arm -M mps2-an386`; the image of the rules is put into its flash beside the program.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod flash;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod run;
#[cfg(target_os = "none")]
mod uart;

/// Built for a machine with a system there is nothing to run.
#[cfg(not(target_os = "none"))]
fn main() {}
