//! What a node is told at its start: where it stands, what it polls, how much it may hold.
//!
//! The shell reads it from files; nothing here does.

use alloc::string::String;
use alloc::vec::Vec;

use devices::Bus;

/// When a pack is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PackConfig {
    /// The most samples in a pack, 1 to 4,096. Default: 64.
    pub samples_max: usize,
    /// The most bytes of a pack, 512 to 262,144. Default: 8,192.
    pub bytes_max: usize,
    /// How long the first sample of a pack waits for others, in milliseconds. Default: 50.
    pub wait_ms: u64,
    /// Whether packs are JSON, which people can read, instead of CBOR. Default: false.
    pub json: bool,
}

impl Default for PackConfig {
    fn default() -> Self {
        Self {
            samples_max: 64,
            bytes_max: 8_192,
            wait_ms: 50,
            json: false,
        }
    }
}

/// How the node treats its uplink.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UplinkConfig {
    /// The most publishes without a PUBACK, 2 to 1,000; history takes at most half. Default: 64.
    pub window: usize,
    /// The most history packs that are sent on without any move of the gateway's ack. Default: 512.
    pub history_credit: usize,
    /// The first pause before packs are sent again while the gateway's ack stands still, in milliseconds; it doubles. Default: 5,000.
    pub resend_min_ms: u64,
    /// Where that pause stops growing, in milliseconds. Default: 600,000.
    pub resend_max_ms: u64,
    /// How long the retained ack is waited for at a connection before history is sent, in milliseconds. Default: 2,000.
    pub ack_wait_ms: u64,
    /// How often the status is sent when nothing changes, in milliseconds. Default: 60,000.
    pub status_period_ms: u64,
    /// How long the broker may keep a publish without a PUBACK before the connection is given up, in milliseconds. Default: 30,000.
    pub stall_ms: u64,
}

impl Default for UplinkConfig {
    fn default() -> Self {
        Self {
            window: 64,
            history_credit: 512,
            resend_min_ms: 5_000,
            resend_max_ms: 600_000,
            ack_wait_ms: 2_000,
            status_period_ms: 60_000,
            stall_ms: 30_000,
        }
    }
}

/// How a silent slave is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BackOffConfig {
    /// The first pause after a time-out, in milliseconds; it doubles. Default: 1,000.
    pub min_ms: u64,
    /// Where it stops growing, in milliseconds. Default: 60,000.
    pub max_ms: u64,
}

impl Default for BackOffConfig {
    fn default() -> Self {
        Self {
            min_ms: 1_000,
            max_ms: 60_000,
        }
    }
}

/// Everything a node is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The park, a name segment.
    pub park: String,
    /// The enterprise in it, a name segment.
    pub enterprise: String,
    /// The node, a name segment.
    pub node: String,
    /// The version of its program.
    pub firmware: String,
    /// SHA-256 of its configuration, hex; for its status.
    pub config_hash: Option<String>,
    /// SHA-256 of its local rules, hex; for its status.
    pub rules_hash: Option<String>,
    /// Why it started, as `power-on`; for its status.
    pub reset_cause: Option<String>,
    /// The buses that it polls; an index into them is what every call about a bus takes.
    pub buses: Vec<Bus>,
    /// When a pack is closed.
    pub pack: PackConfig,
    /// How it treats its uplink.
    pub uplink: UplinkConfig,
    /// How a silent slave is left alone.
    pub back_off: BackOffConfig,
}
