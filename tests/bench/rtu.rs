//! What share of a serial bus's time is used, of that which baud rate and turnaround allow: `cargo bench -p tests --bench rtu`.
//!
//! The whole node on a paced pseudo-terminal, asked to poll faster than the line can. The limit is the sum of frames and silences of the specification.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a benchmark reads the clock and prints"
)]

use std::time::{Duration, Instant};

use devices::{Bus, Link, Parity, Plan, find_profile, load_bus};
use front::{Problems, Source};
use host::{Clock, start, uplink_channel};
use node::{BackOffConfig, Config, MemoryStore, Node, PackConfig, UplinkConfig};
use simbus::{Scenario, Slave, Space};

const SLAVES: u8 = 8;

fn bus(path: &str, baud: u32) -> Bus {
    let mut text = format!(
        "name = \"bench\"\nturnaround = \"0ms\"\n[rtu]\npath = \"{path}\"\nbaud = {baud}\nparity = \"even\"\n"
    );
    for unit_id in 1..=SLAVES {
        text.push_str(&format!(
            "[[slave]]\nname = \"s{unit_id}\"\nunit_id = {unit_id}\nprofile = \"gas-combustible\"\nunit = \"u\"\nperiod = \"10s\"\n"
        ));
    }
    let problems = Problems::default();
    let source = Source::new("bench.toml", text);
    let bus = load_bus(&source, &|name| find_profile("".as_ref(), name), &problems);
    let mut bus = bus.unwrap_or_else(|| panic!("{problems}"));
    // Faster than the line: the next sweep is always due.
    for point in &mut bus.points {
        point.period_ms = 1;
    }
    bus
}

async fn share(baud: u32, time: Duration) -> f64 {
    let slaves: Vec<Slave> = (1..=SLAVES)
        .map(|unit| {
            let zeros = [0; 64];
            Slave::new(unit)
                .words(Space::Holding, 0, &zeros)
                .words(Space::Input, 0, &zeros)
        })
        .collect();
    let line = simbus::Bus::start_rtu(Scenario::of(slaves), baud).unwrap();
    let bus = bus(line.path().to_str().unwrap(), baud);
    assert!(matches!(
        bus.link,
        Link::Rtu {
            parity: Parity::Even,
            ..
        }
    ));
    let plan = Plan::new(&bus);
    let sweep_us: u64 = plan
        .requests
        .iter()
        .map(|request| devices::sweep::request_us(&bus, request))
        .sum();
    let per_request = sweep_us as f64 / plan.requests.len() as f64;
    let clock = Clock::start();
    let config = Config {
        park: "p".into(),
        enterprise: "e".into(),
        node: "n".into(),
        firmware: "bench".into(),
        config_hash: None,
        rules_hash: None,
        reset_cause: None,
        buses: vec![bus],
        pack: PackConfig::default(),
        uplink: UplinkConfig::default(),
        back_off: BackOffConfig::default(),
    };
    let node = Node::new(config, 1, 1, MemoryStore::new(1 << 26), clock.now()).unwrap();
    // Nobody at the other end: packs stay in the outbox.
    let (near, _far) = uplink_channel(16);
    let running = start(node, clock, near).unwrap();
    let control = line.control().clone();
    control.heard(20).await;
    let (from, began) = (heard(&control), Instant::now());
    tokio::time::sleep(time).await;
    let (to, took) = (heard(&control), began.elapsed());
    running.stop();
    (to - from) as f64 * per_request / took.as_micros() as f64
}

fn heard(control: &simbus::Control) -> u64 {
    (1..=SLAVES).map(|unit| control.heard_by(unit)).sum()
}

#[tokio::main]
async fn main() {
    for baud in [9_600, 19_200, 115_200] {
        let mut shares = Vec::new();
        for _ in 0..5 {
            shares.push(share(baud, Duration::from_secs(3)).await);
        }
        shares.sort_by(f64::total_cmp);
        println!(
            "RTU at {baud:>7} baud: {:.1} % of what the line allows (lowest {:.1}, highest {:.1} of {} runs)",
            shares[shares.len() / 2] * 100.0,
            shares[0] * 100.0,
            shares[shares.len() - 1] * 100.0,
            shares.len()
        );
    }
}
