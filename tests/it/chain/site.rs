//! The site as processes: slaves of pymodbus, the shipped Mosquitto, InfluxDB, `fengsui run` and `fengsui-node`.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::{Gateway, Influxd, Process, SerialPair, Shipped, Slaves, program};
use tempfile::TempDir;

use super::files;
use super::registers::{Line, Slave};

/// Far longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
const BAUD: u32 = 19_200;

/// The slaves' processes.
pub(super) struct Plant {
    field: Slaves,
    works: Slaves,
    pair: SerialPair,
}

/// When all registers were written: between these two, in UTC milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) begun: i64,
    pub(super) done: i64,
}

impl Plant {
    pub(super) fn start() -> Self {
        let pair = SerialPair::start();
        Self {
            field: Slaves::tcp(&[1, 2, 3, 4, 5, 6]),
            works: Slaves::rtu(&pair.far(), BAUD, &[11, 12, 13]),
            pair,
        }
    }

    /// Writes one step into all registers.
    pub(super) fn write(&mut self, slaves: &[Slave], step: usize) -> Written {
        let begun = utc_ms();
        for slave in slaves {
            let line = match slave.line {
                Line::Field => &mut self.field,
                Line::Works => &mut self.works,
            };
            let row = &slave.rows[step];
            line.set(slave.unit_id, 0, &row.words);
            if !row.bits.is_empty() {
                line.switch(slave.unit_id, 0, &row.bits);
            }
        }
        let done = utc_ms();
        Written { begun, done }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test holds the samples' times against the real clock"
)]
fn utc_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// The programs under test, and the database.
pub(super) struct Site {
    pub(super) influx: Influxd,
    pub(super) gateway: Gateway,
    pub(super) node: Process,
    _folder: TempDir,
}

impl Site {
    /// Starts gateway and node, each with a certificate of its own.
    pub(super) fn start(plant: &Plant, broker: &Shipped) -> Self {
        let influx = Influxd::start();
        let folder = tempfile::tempdir().unwrap();
        let gateway = broker.mutual_table(&broker.authority.client("gw-1"));
        let node = broker.mutual_table(&broker.authority.client("edge-pond"));
        write_files(folder.path(), plant, &gateway, &node, &influx);
        let config = folder.path().join("gateway.toml");
        Self {
            gateway: Gateway::start(&config, &[("INFLUX_TOKEN", influx.token())]),
            node: Process::start(program("fengsui-node").arg(folder.path().join("node.toml"))),
            influx,
            _folder: folder,
        }
    }
}

fn write_files(folder: &Path, plant: &Plant, gateway: &str, node: &str, influx: &Influxd) {
    let (url, org, bucket) = (influx.url(), influx.org(), influx.bucket());
    let database = format!(
        "url = \"{url}\"\norg = \"{org}\"\nbucket = \"{bucket}\"\ntoken_env = \"INFLUX_TOKEN\""
    );
    let device = plant.pair.near();
    for (name, text) in [
        ("meter.toml", files::METER.to_owned()),
        ("rules.toml", files::RULES.to_owned()),
        ("field.toml", files::field(plant.field.port())),
        ("works.toml", files::works(device.to_str().unwrap(), BAUD)),
        ("gateway.toml", files::gateway(gateway, &database)),
        ("node.toml", files::node(node)),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}
