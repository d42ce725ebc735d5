//! Faults on the wire against the whole chain: misbehaving slaves, `fengsui-node` and `fengsui run` with buses of their own, Mosquitto, InfluxDB.
//!
//! Each bus has one fault, all at the same time, so that a minute of each costs one minute. What is asked of every run:
//! each value that InfluxDB has is one that this slave held at that time (a value names its bus, slave, point and count);
//! each gap is bad, with its reason; the slaves beside a faulty one are read as often as those of an undisturbed bus.

mod plant;
mod rows;

use std::time::Duration;

use serde_json::Value;
use simbus::Fault;
use telemetry::Quality;

use plant::{Kind, PERIOD_MS, POINTS, Plant, bus_name};
use rows::Rows;

/// How long the faults stand: a slave is dead for a minute.
const FAULTY: Duration = Duration::from_secs(60);

/// What the points of a faulty slave are to say.
enum Gap {
    /// Nothing usable comes: one alarm of the slave.
    Silent,
    /// The slave is there and refuses: no alarm of the slave, the reason in the quality.
    Refused(Quality),
    /// The fault spoils nothing for good: each reading is right or missing.
    Passing,
}

fn faults() -> [(&'static str, Fault, Gap); 9] {
    [
        ("dead", Fault::Silence, Gap::Silent),
        // 300 ms after its time-out, in the shape of the next answer.
        ("late", Fault::Late { ms: 600 }, Gap::Silent),
        ("wrong-unit", Fault::WrongUnit { unit: 2 }, Gap::Silent),
        ("short", Fault::ShortReply, Gap::Silent),
        ("bad-check", Fault::BadCrc, Gap::Silent),
        ("garbage", Fault::Garbage { bytes: 13 }, Gap::Silent),
        (
            "exceptions",
            Fault::Exception { code: 4 },
            Gap::Refused(Quality::DEVICE_FAILURE),
        ),
        (
            "wrong-map",
            Fault::Exception { code: 2 },
            Gap::Refused(Quality::CONFIGURATION),
        ),
        ("foreign", Fault::Foreign, Gap::Passing),
    ]
}

/// The states of alarms that are not normal, as the gateway's API gives them.
struct Alarms(Vec<Value>);

impl Alarms {
    fn of(plant: &Plant) -> Self {
        Self(serde_json::from_str(&plant.gateway.get("/api/v1/alarms")).unwrap())
    }

    /// The alarms of a bus that say that something is wrong with the system.
    fn of_system(&self, bus: &str) -> Vec<&str> {
        let ids = self.0.iter().filter(|state| state["active"] == true);
        ids.filter_map(|state| state["id"].as_str())
            .filter(|id| id.contains("sys.") && id.contains(bus))
            .collect()
    }

    /// Active, and unknown or not: a gap clears nothing.
    fn stands(&self, id: &str, unknown: bool) -> Result<(), String> {
        let state = self.0.iter().find(|state| state["id"] == id);
        let state = state.ok_or_else(|| format!("{id} is normal"))?;
        if state["active"] == true && state["unknown"] == unknown {
            return Ok(());
        }
        Err(format!("{id}: active and unknown={unknown} is not {state}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_of_faults_brings_no_wrong_value_no_untold_gap_and_no_slow_neighbour() {
    let faults = faults();
    let names: Vec<&str> = faults.iter().map(|(name, ..)| *name).collect();
    let mut plant = Plant::start(&names).await;
    plant.run_until_all_read(0).await;
    let from = plant.now();
    for kind in [Kind::Tcp, Kind::Rtu] {
        for (name, fault, _) in &faults {
            plant.control(kind, name).fault(1, fault.clone());
        }
    }
    plant.run_for(FAULTY).await;
    let to = plant.now();
    let alarms = Alarms::of(&plant);
    for kind in [Kind::Tcp, Kind::Rtu] {
        for (name, ..) in &faults {
            plant.control(kind, name).mend(1);
        }
    }
    // Every slave is found again.
    let rows = plant.run_until_all_read(to).await;

    let mut wrong = rows.not_what_the_slaves_said(&plant);
    for kind in [Kind::Tcp, Kind::Rtu] {
        let expected = rows.expected(kind, from, to);
        for (name, _, gap) in &faults {
            let bus = bus_name(kind, name);
            let window = Window {
                rows: &rows,
                alarms: &alarms,
                bus: &bus,
                from,
                to,
            };
            for point in POINTS {
                wrong.extend(window.faulty(point, gap));
                wrong.extend(window.neighbours(point, expected));
            }
            wrong.extend(window.slave_alarm(kind, gap));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A bus during its fault.
struct Window<'a> {
    rows: &'a Rows,
    alarms: &'a Alarms,
    bus: &'a str,
    from: i64,
    to: i64,
}

impl Window<'_> {
    /// What is wrong with a point of the faulty slave.
    fn faulty(&self, point: &str, gap: &Gap) -> Vec<String> {
        let Self {
            rows,
            alarms,
            bus,
            from,
            to,
        } = *self;
        let mut wrong = rows.tell_every_gap(bus, 1, point, from, to);
        // What was asked before the fault may be answered after it began.
        let good = rows.good(bus, 1, point, from + 2 * PERIOD_MS, to);
        let bad = rows.bad(bus, 1, point, from, to);
        let reason = match gap {
            Gap::Refused(reason) => *reason,
            Gap::Silent | Gap::Passing => Quality::COMM_ERROR,
        };
        // A refusal that this busy computer missed is silence.
        let told = bad.iter().filter(|quality| **quality == reason).count();
        let other = bad
            .iter()
            .any(|q| *q != reason && *q != Quality::COMM_ERROR);
        if other || told * 100 < bad.len() * 95 {
            wrong.push(format!(
                "{bus} s1.{point}: {reason:?} is not what it says: {bad:?}"
            ));
        }
        if !matches!(gap, Gap::Passing) {
            if good > 0 {
                wrong.push(format!(
                    "{bus} s1.{point}: {good} good values of a faulty slave"
                ));
            }
            wrong.extend(alarms.stands(&format!("{bus}/s1.{point}/high"), true).err());
        }
        wrong
    }

    /// What is wrong with the same point of the slaves beside it.
    fn neighbours(&self, point: &str, expected: usize) -> Vec<String> {
        let Self {
            rows,
            alarms,
            bus,
            from,
            to,
        } = *self;
        let mut wrong = Vec::new();
        for unit in 2..=3 {
            wrong.extend(rows.tell_every_gap(bus, unit, point, from, to));
            let read = rows.good(bus, unit, point, from, to);
            if read * 100 < expected * 95 {
                wrong.push(format!("{bus} s{unit}.{point}: {read} of {expected}"));
            }
            wrong.extend(
                alarms
                    .stands(&format!("{bus}/s{unit}.{point}/high"), false)
                    .err(),
            );
        }
        wrong
    }

    /// A silent slave is one alarm, and not one of each of its points; one that refuses is there.
    fn slave_alarm(&self, kind: Kind, gap: &Gap) -> Option<String> {
        let silent = format!("-/{}/sys.slave.{}.s1", plant::node_name(kind), self.bus);
        let raised = self.alarms.of_system(self.bus);
        let is_right = match gap {
            Gap::Silent => raised == [silent],
            Gap::Refused(_) => !raised.contains(&silent.as_str()),
            Gap::Passing => true,
        };
        (!is_right).then(|| format!("{}: {raised:?}", self.bus))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cable_pulled_in_the_middle_of_a_frame_is_a_told_gap_and_found_again() {
    let mut plant = Plant::start(&["cable"]).await;
    plant.run_until_all_read(0).await;
    let from = plant.now();
    for kind in [Kind::Tcp, Kind::Rtu] {
        plant.control(kind, "cable").fault_next(1, Fault::Cut, 1);
    }
    plant.run_for(Duration::from_secs(2)).await;
    plant.rtu("cable").unplug().await.unwrap();
    plant.run_for(Duration::from_secs(8)).await;
    let pulled = Alarms::of(&plant);
    plant.rtu("cable").plug().unwrap();
    let to = plant.now();
    let rows = plant.run_until_all_read(to).await;

    let mut wrong = rows.not_what_the_slaves_said(&plant);
    for kind in [Kind::Tcp, Kind::Rtu] {
        let bus = bus_name(kind, "cable");
        for unit in 1..=3 {
            for point in POINTS {
                wrong.extend(rows.tell_every_gap(&bus, unit, point, from, to));
                let bad = rows.bad(&bus, unit, point, from, to);
                if bad.iter().any(|q| *q != Quality::COMM_ERROR) {
                    wrong.push(format!("{bus} s{unit}.{point}: {bad:?}"));
                }
                if matches!(kind, Kind::Rtu) {
                    if bad.len() < 7 {
                        wrong.push(format!(
                            "{bus} s{unit}.{point}: 8 s without a cable, {bad:?}"
                        ));
                    }
                    let id = format!("{bus}/s{unit}.{point}/high");
                    wrong.extend(pulled.stands(&id, true).err());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
