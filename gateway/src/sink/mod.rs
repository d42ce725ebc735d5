//! Readers of the log that write elsewhere, each from its own stored offset.

pub mod influx;
