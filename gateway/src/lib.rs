//! .
pub mod sink;
