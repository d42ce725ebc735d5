//! From a pack's PUBLISH to its lines at a database: `cargo bench -p tests --bench throughput`.
//!
//! A real Mosquitto and a real `fengsui run`: each pack is decoded, on disk, evaluated by one rule a point, and written
//! as line protocol to a sink that only counts. The limit beside it is the same broker with the same packs and one subscriber.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a benchmark reads the clock, starts the threads that make its load, and prints"
)]

use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use support::bench::{
    Area, Client, Cpu, Packet, Packs, Sink, Site, build, memory_kib, now, spread,
};

const AREA: Area = Area {
    node: "area",
    points: 10_000,
};
/// Samples of a pack.
const PACK: usize = 64;
/// Packs of a run flat out: 3,200,000 samples.
const FLAT_OUT: usize = 50_000;
/// Packs of a run at a steady rate.
const STEADY: usize = 10_000;
/// Packs a second of that rate.
const RATE: u32 = 1_000;
const RUNS: usize = 5;
/// Packs under way to the broker.
const WINDOW: usize = 500;

/// Publishes packs, none of whose samples crosses a limit; `rate` is in packs a second, none: as fast as the broker takes them.
fn publish(client: &mut Client, packs: &mut Packs, count: usize, rate: Option<u32>) {
    let topic = packs.live();
    let began = Instant::now();
    for turn in 0..count {
        if let Some(rate) = rate {
            let due = began + Duration::from_secs(1) * u32::try_from(turn).unwrap_or(0) / rate;
            sleep(due.saturating_duration_since(Instant::now()));
        }
        let place = usize::try_from(packs.seq()).expect("not so many packs");
        let samples = (0..PACK).map(|n| {
            let point = (place * PACK + n) % AREA.points;
            (point, (place % 400) as f64 / 10.0)
        });
        let pack = packs.next(samples, now());
        client.publish(&topic, pack, false);
        client.settle(WINDOW);
    }
    client.settle(0);
}

/// Publishes to the gateway and waits for the last line: samples a second, microseconds of CPU a sample, and of which threads.
fn run(site: &Site, sink: &Sink, client: &mut Client, packs: &mut Packs, rate: Option<u32>) -> Run {
    let count = if rate.is_some() { STEADY } else { FLAT_OUT };
    let (lines, bytes) = (sink.lines(), sink.bytes());
    let before = Cpu::of(site.gateway.id());
    let began = Instant::now();
    publish(client, packs, count, rate);
    let samples = (count * PACK) as u64;
    while sink.lines() < lines + samples {
        sleep(Duration::from_millis(1));
    }
    let took = began.elapsed().as_secs_f64();
    let after = Cpu::of(site.gateway.id());
    let per_sample = |used: Duration| used.as_secs_f64() * 1e6 / samples as f64;
    Run {
        rate: samples as f64 / took,
        cpu: per_sample(after.since(&before)),
        threads: after
            .threads_since(&before)
            .into_iter()
            .map(|(name, used)| (name, per_sample(used)))
            .collect(),
        bytes: (sink.bytes() - bytes) as f64 / samples as f64,
    }
}

struct Run {
    rate: f64,
    cpu: f64,
    threads: Vec<(String, f64)>,
    bytes: f64,
}

/// The same packs through the broker alone, to one subscriber that only counts them: samples a second.
fn broker_alone(port: u16, packs: &mut Packs) -> f64 {
    let mut subscriber = Client::connect(port, "bench-counter");
    subscriber.subscribe("alone/#");
    let mut publisher = Client::connect(port, "bench-alone");
    let body = packs
        .next((0..PACK).map(|point| (point, 1.0)), now())
        .to_vec();
    let began = Instant::now();
    let sending = spawn(move || {
        for _ in 0..FLAT_OUT {
            publisher.publish("alone/telemetry", &body, false);
            publisher.settle(WINDOW);
        }
        publisher.settle(0);
    });
    let mut left = FLAT_OUT;
    while left > 0 {
        left -= usize::from(matches!(subscriber.receive(), Packet::Message { .. }));
    }
    let took = began.elapsed().as_secs_f64();
    sending.join().expect("the publisher ends");
    (FLAT_OUT * PACK) as f64 / took
}

fn column(runs: &[Run], of: impl Fn(&Run) -> f64) -> Vec<f64> {
    runs.iter().map(of).collect()
}

fn main() {
    build();
    let sink = Sink::start();
    let site = Site::start(&[AREA], Some(&sink.url()));
    let port = site.mosquitto.port();
    let size = std::fs::metadata(support::program("fengsui").get_program())
        .expect("it is built")
        .len();
    println!(
        "fengsui: {:.1} MB; idle with {} points and as many rules: {:.1} MiB resident",
        size as f64 / 1e6,
        AREA.points,
        memory_kib(site.gateway.id()).0 as f64 / 1024.0
    );
    let mut client = Client::connect(port, "bench-publisher");
    let mut packs = Packs::new(AREA);
    // Each point has its first value, and the caches are warm.
    publish(&mut client, &mut packs, 1_000, None);
    while sink.lines() < 1_000 * PACK as u64 {
        sleep(Duration::from_millis(1));
    }
    let mut alone = Vec::new();
    for (name, rate) in [("flat out", None), ("1,000 packs/s", Some(RATE))] {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            if rate.is_none() {
                alone.push(broker_alone(port, &mut Packs::new(AREA)) / 1e3);
            }
            runs.push(run(&site, &sink, &mut client, &mut packs, rate));
        }
        println!(
            "{name}: {} thousand samples/s; gateway {} µs CPU a sample; {:.0} bytes of line protocol a sample",
            spread(&column(&runs, |run| run.rate / 1e3), 0),
            spread(&column(&runs, |run| run.cpu), 2),
            runs[0].bytes
        );
        let last = runs.last().expect("there are runs");
        for (thread, cpu) in last.threads.iter().filter(|(_, cpu)| *cpu >= 0.01) {
            println!("    {thread:<16} {cpu:.2} µs");
        }
    }
    println!("the broker alone: {} thousand samples/s", spread(&alone, 0));
    println!(
        "most memory the gateway had: {:.1} MiB; {RUNS} runs of each, median (lowest to highest)",
        memory_kib(site.gateway.id()).1 as f64 / 1024.0
    );
}
