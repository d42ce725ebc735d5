//! Modbus slaves of pymodbus, whose registers a test writes.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::process::Process;
use crate::python::python;

/// Running slaves; they end with the value.
#[derive(Debug)]
pub struct Slaves {
    process: Process,
    address: String,
}

impl Slaves {
    /// Slaves on a TCP port of loopback.
    pub fn tcp(unit_ids: &[u8]) -> Self {
        Self::start(&["tcp".to_owned()], unit_ids)
    }

    /// Slaves on a serial line.
    pub fn rtu(device: &Path, baud: u32, unit_ids: &[u8]) -> Self {
        let device = device.to_str().expect("a path in UTF-8").to_owned();
        Self::start(&["rtu".to_owned(), device, baud.to_string()], unit_ids)
    }

    fn start(arguments: &[String], unit_ids: &[u8]) -> Self {
        let process = Process::start(
            python("slaves.py")
                .args(arguments)
                .args(unit_ids.iter().map(u8::to_string)),
        );
        let line = process.line_with("listening ", Duration::from_secs(30));
        Self {
            process,
            address: line.replace("listening ", ""),
        }
    }

    /// The port on 127.0.0.1 of slaves on TCP.
    pub fn port(&self) -> u16 {
        self.address.parse().expect("slaves on TCP have a port")
    }

    /// Writes holding and input registers alike, from a protocol address, and waits until they are written.
    pub fn set(&mut self, unit_id: u8, address: u16, values: &[u16]) {
        self.write("set", unit_id, address, values);
    }

    /// Writes coils and discrete inputs alike, from a protocol address, and waits until they are written; anything but 0 is on.
    pub fn switch(&mut self, unit_id: u8, address: u16, values: &[u16]) {
        self.write("switch", unit_id, address, values);
    }

    /// Whether a coil is on.
    pub fn coil(&mut self, unit_id: u8, address: u16) -> bool {
        self.say(&format!("coil {unit_id} {address}\n"));
        let line = self.process.line_with("coil ", Duration::from_secs(10));
        line == "coil 1"
    }

    fn write(&mut self, verb: &str, unit_id: u8, address: u16, values: &[u16]) {
        let mut line = format!("{verb} {unit_id} {address}");
        for value in values {
            line.push_str(&format!(" {value}"));
        }
        line.push('\n');
        self.say(&line);
        self.process.line_with("done", Duration::from_secs(10));
    }

    fn say(&mut self, line: &str) {
        let input = self.process.child().stdin.as_mut();
        input
            .expect("stdin is piped")
            .write_all(line.as_bytes())
            .expect("the slaves read");
    }

    /// Ends the slaves.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
