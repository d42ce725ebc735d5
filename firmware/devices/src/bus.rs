//! A bus: the wire, and who is on it.
//!
//! A bus file is the register of points: the node that polls the bus and the gateway that takes its samples read the same file.
//! A bus does not know which node polls it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::{Point, Profile, Register};

/// The parity bit of a serial line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parity {
    /// No parity bit.
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// The wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Link {
    /// Modbus RTU on a serial line; 8 data bits.
    Rtu {
        /// The serial port; a stable path as `/dev/serial/by-id/…` is found again after a replug.
        path: String,
        /// Bits a second, 1,200 to 1,000,000.
        baud: u32,
        /// The parity bit.
        parity: Parity,
        /// Stop bits, 1 or 2.
        stop_bits: u8,
    },
    /// Modbus TCP.
    Tcp {
        /// Host name or address.
        host: String,
        /// TCP port; 502 unless the file says otherwise.
        port: u16,
    },
}

/// Where it is, as people name it: the port's path, or host and port.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rtu { path, .. } => f.write_str(path),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// One device on a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct Slave {
    /// What it is called in status and alarms; unique on the bus, in the alphabet of names.
    pub name: String,
    /// Its address on the bus (the specification says "slave" or "unit identifier"): 1 to 247 on RTU, 0 to 255 on TCP.
    pub unit_id: u8,
    /// Its device type.
    pub profile: Profile,
}

impl Slave {
    /// The registers of its device type; points and signals refer to them by index.
    pub fn registers(&self) -> &[Register] {
        &self.profile.registers
    }
}

/// A bus with its slaves and the points that they give.
#[derive(Clone, Debug, PartialEq)]
pub struct Bus {
    /// What it is called in status and alarms; in the alphabet of names.
    pub name: String,
    /// The wire.
    pub link: Link,
    /// How long an answer is waited for, in milliseconds.
    pub timeout_ms: u64,
    /// What a slave takes to begin its answer, in milliseconds; on TCP a whole round trip. Used to reckon how long a sweep takes.
    pub turnaround_ms: u64,
    /// How late an answer may still come, in milliseconds after its timeout: for that long a silent slave is not asked again, and nobody after a broken answer, so that no late answer is taken for a later one's.
    pub lateness_ms: u64,
    /// The devices, in the file's order.
    pub slaves: Vec<Slave>,
    /// All points of all slaves; a point's index here is what plans and decoded readings refer to.
    pub points: Vec<Point>,
}
