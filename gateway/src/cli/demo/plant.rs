//! The pretended plant: two buses of sensors, what they play, and the bus files by which node and gateway know them.
//!
//! It knows what the sensors show; what that should lead to is in `story`.

use std::io;

use anyhow::Context;
use devices::{Bus, Link};
use front::{Problems, Source};
use simbus::{RtuBus, Scenario, TcpBus};

pub(super) const FIELD_BUS: &str = include_str!("field.bus.toml");
const FIELD_SCENARIO: &str = include_str!("field.scenario.toml");
pub(super) const WORKS_BUS: &str = include_str!("works.bus.toml");
const WORKS_SCENARIO: &str = include_str!("works.scenario.toml");

/// A bus as its file says, and what its slaves play.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) bus: Bus,
    pub(super) scenario: Scenario,
}

/// The sensors, running.
#[derive(Debug)]
pub(super) struct Plant {
    /// Both buses, their links leading to the sensors.
    pub(super) buses: Vec<Bus>,
    field: RtuBus,
    works: TcpBus,
}

impl Plant {
    /// Starts the sensors; their story begins now.
    ///
    /// # Errors
    /// No pseudo-terminal or port could be had.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let [mut field, mut works] = scripts()?;
        let Link::Rtu { path, baud, .. } = &mut field.bus.link else {
            anyhow::bail!("the field bus is no serial line");
        };
        let rtu = simbus::Bus::start_rtu(field.scenario, *baud).context("pseudo-terminal")?;
        *path = rtu.path().to_string_lossy().into_owned();
        let tcp = simbus::Bus::start_tcp(works.scenario).await;
        let tcp = tcp.context("Modbus TCP port")?;
        works.bus.link = Link::Tcp {
            host: tcp.local_addr().ip().to_string(),
            port: tcp.local_addr().port(),
        };
        Ok(Self {
            buses: vec![field.bus, works.bus],
            field: rtu,
            works: tcp,
        })
    }

    /// Milliseconds since the story began.
    pub(super) fn elapsed_ms(&self) -> u64 {
        self.works.control().elapsed_ms()
    }

    /// Takes the sensors away.
    pub(super) async fn shutdown(self) {
        self.field.shutdown().await;
        self.works.shutdown().await;
    }
}

/// Both buses, the serial one first.
pub(super) fn scripts() -> io::Result<[Script; 2]> {
    Ok([
        script("field", FIELD_BUS, FIELD_SCENARIO)?,
        script("works", WORKS_BUS, WORKS_SCENARIO)?,
    ])
}

/// The files come with the program, so that an error is a fault of the program.
fn script(name: &str, bus: &str, scenario: &str) -> io::Result<Script> {
    let problems = Problems::default();
    let bus = Source::new(format!("{name}.bus.toml (demo)"), bus);
    let scenario = Source::new(format!("{name}.scenario.toml (demo)"), scenario);
    let find_profile = |name: &str| {
        devices::shipped(name).ok_or_else(|| format!("no profile `{name}` comes with the program"))
    };
    let bus = devices::load_bus(&bus, &find_profile, &problems);
    let scenario = Scenario::load(&scenario, &problems);
    match (bus, scenario) {
        (Some(bus), Some(scenario)) => Ok(Script { bus, scenario }),
        _ => Err(io::Error::other(problems.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use telemetry::{Quality, Value};

    use super::*;
    use crate::cli::demo::rehearsal::Sweeper;

    type Readings = BTreeMap<String, (Option<Value>, Quality)>;

    /// What both buses read at a time that all periods divide.
    fn sweep(at_ms: u64) -> Readings {
        let mut readings = Readings::new();
        for mut sweeper in scripts().unwrap().into_iter().map(Sweeper::new) {
            for (point, value, quality) in sweeper.sweep(at_ms) {
                let point = &sweeper.bus.points[point];
                let id = format!("{}/{}", point.unit, point.point);
                readings.insert(id, (value, quality));
            }
        }
        readings
    }

    #[test]
    fn every_sensor_reads_good_but_the_broken_wire_while_it_is_broken() {
        for at_ms in (0..90_000).step_by(2_000) {
            let readings = sweep(at_ms);
            assert_eq!(readings.len(), 22);
            for (id, (value, quality)) in readings {
                let broken = id == "tank-farm/gt-102" && (44_000..58_000).contains(&at_ms);
                let wanted = if broken {
                    Quality::NOT_CONNECTED
                } else {
                    Quality::GOOD
                };
                assert_eq!(quality, wanted, "{id} at {at_ms} ms");
                assert_eq!(value.is_none(), broken, "{id} at {at_ms} ms");
            }
        }
    }

    #[test]
    fn the_bus_files_say_what_the_sensors_mean() {
        let (early, late) = (sweep(26_000), sweep(50_000));
        let number = |readings: &BTreeMap<String, (Option<Value>, Quality)>, id: &str| {
            match readings[id].0 {
                Some(Value::Number(number)) => number,
                other => panic!("{id} reads {other:?}"),
            }
        };
        for (readings, id, wanted, within) in [
            (&early, "tank-farm/gt-101", 63.0, 0.5),
            (&early, "tank-farm/gt-102", 31.0, 0.5),
            (&early, "tank-farm/gt-201", 9.5, 0.3),
            (&early, "pump-house/ot-301", 20.9, 0.3),
            (&early, "polishing-1/filter-dp", 15.0, 9.0),
            (&late, "pond-1/pond-level", 430.45, 0.1),
            (&late, "pond-1/pz-3", 7.7, 0.1),
            (&late, "wm-1/current", 85.0, 1.0),
            (&late, "wm-2/voltage", 0.0, 0.1),
        ] {
            let read = number(readings, id);
            assert!((read - wanted).abs() <= within, "{id} reads {read}");
        }
        assert_eq!(early["polishing-1/fan-running"].0, Some(Value::Bool(false)));
        assert_eq!(late["wm-1/session"].0, Some(Value::Bool(false)));
    }
}
