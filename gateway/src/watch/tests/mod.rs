//! The watcher against a site that keeps the contract, and against one that doesn't.

mod clean;
mod rules;
mod tampered;
mod teller;
