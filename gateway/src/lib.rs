//! The gateway: packs from sensor buses in, alarms and time series out.

pub mod mqtt;
pub mod sink;
