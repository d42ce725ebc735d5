//! From the PUBLISH of a sample to the PUBLISH of its alarm at a subscriber: `cargo bench -p tests --bench latency`.
//!
//! A real Mosquitto and a real `fengsui run`, its log on disk, its rules on, its database a sink that takes everything.
//! The limits beside it are measured in turn with it: one message through the same broker alone, and one write that is
//! brought to the same disk. An alarm needs two such ways and one such write.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a benchmark reads the clock, starts the threads that make its load, and prints"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use support::bench::{
    Area, Client, Cpu, Machine, Packet, Packs, Sink, Site, Sorted, build, now, spread, value,
};
use telemetry::UtcMs;

const PROBE: Area = Area {
    node: "probe",
    points: 5_000,
};
const LIVE: Area = Area {
    node: "live",
    points: 10_000,
};
const HISTORY: Area = Area {
    node: "history",
    points: 10_000,
};
/// Crossings of a row.
const CROSSINGS: usize = 1_000;
/// Runs of 5,000 crossings at once; up and down in turn.
const BURSTS: usize = 10;
/// Records of a pack are at most 4,096.
const BURST_PACK: usize = 2_500;
/// Samples of a pack of the floods.
const PACK: usize = 64;
/// Packs of history that the gateway has not acknowledged: it does so once a second.
const HISTORY_AHEAD: u64 = 20_000;

/// A publisher and a subscriber on connections of their own.
struct Probe {
    publisher: Client,
    subscriber: Client,
    packs: Packs,
    is_over: bool,
    event_bytes: usize,
    /// What pauses are made from, so that none is in step with a timer.
    chance: u32,
}

impl Probe {
    fn new(port: u16) -> Self {
        let mut subscriber = Client::connect(port, "bench-subscriber");
        subscriber.subscribe(&Packs::events());
        Self {
            publisher: Client::connect(port, "bench-publisher"),
            subscriber,
            packs: Packs::new(PROBE),
            is_over: false,
            event_bytes: 0,
            chance: 1,
        }
    }

    fn pause(&mut self) {
        self.chance = self
            .chance
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        sleep(Duration::from_micros(u64::from(
            5_000 + self.chance % 10_000,
        )));
    }

    /// One point crosses its limit: how long until its event is here.
    fn crossing(&mut self) -> Duration {
        self.is_over = !self.is_over;
        let alarm = self.packs.alarm(0);
        let topic = self.packs.live();
        let pack = self.packs.next([(0, value(self.is_over))], now());
        let began = Instant::now();
        self.publisher.publish(&topic, pack, false);
        let n = events(&mut self.subscriber, &alarm, self.is_over, 1);
        let took = began.elapsed();
        self.event_bytes = n;
        self.publisher.settle(0);
        took
    }

    /// All points cross their limits at once: how long until the last of their events is here.
    fn burst(&mut self) -> Duration {
        self.is_over = !self.is_over;
        let topic = self.packs.live();
        let (is_over, at) = (self.is_over, now());
        let began = Instant::now();
        for from in (0..PROBE.points).step_by(BURST_PACK) {
            let points = from..(from + BURST_PACK).min(PROBE.points);
            let samples = points.map(|point| (point, value(is_over)));
            let pack = self.packs.next(samples, at);
            self.publisher.publish(&topic, pack, false);
        }
        events(&mut self.subscriber, PROBE.node, is_over, PROBE.points);
        let took = began.elapsed();
        self.publisher.settle(0);
        took
    }
}

/// Waits for `count` events of alarms whose id begins with `id`; the length of the last.
fn events(subscriber: &mut Client, id: &str, is_over: bool, count: usize) -> usize {
    let id = format!("\"id\":\"{id}");
    let word = if is_over { "raised" } else { "returned" };
    let event = format!("\"event\":\"{word}\"");
    let mut left = count;
    loop {
        if let Packet::Message { payload, .. } = subscriber.receive() {
            let text = std::str::from_utf8(payload).expect("an event is UTF-8");
            if text.contains(&id) && text.contains(&event) {
                left -= 1;
                if left == 0 {
                    return text.len();
                }
            }
        }
    }
}

/// What no gateway that keeps what it says could do better.
struct Limits {
    echo: Client,
    disk: File,
}

impl Limits {
    fn new(port: u16, folder: &Path) -> Self {
        let mut echo = Client::connect(port, "bench-echo");
        echo.subscribe("bench/echo");
        let disk = File::create(folder.join("bench.disk")).expect("the site's folder");
        Self { echo, disk }
    }

    /// One message through the broker alone, as large as an event.
    fn broker(&mut self, probe: &mut Probe) -> Duration {
        let body = vec![b'x'; probe.event_bytes];
        let began = Instant::now();
        probe.publisher.publish("bench/echo", &body, false);
        while !matches!(self.echo.receive(), Packet::Message { .. }) {}
        let took = began.elapsed();
        probe.publisher.settle(0);
        took
    }

    /// A few bytes at the end of a file on the log's disk, brought to it.
    fn disk(&mut self) -> Duration {
        let began = Instant::now();
        self.disk.write_all(&[b'x'; 128]).expect("room on the disk");
        self.disk.sync_data().expect("a disk");
        began.elapsed()
    }
}

/// As many messages as the burst has events, through the broker alone, as large as an event.
fn broker_burst(port: u16, bytes: usize) -> Duration {
    let mut subscriber = Client::connect(port, "bench-echo");
    subscriber.subscribe("bench/echo");
    let mut publisher = Client::connect(port, "bench-echo-publisher");
    let began = Instant::now();
    let sending = spawn(move || {
        let body = vec![b'x'; bytes];
        for _ in 0..PROBE.points {
            publisher.publish("bench/echo", &body, false);
            publisher.settle(999);
        }
        publisher.settle(0);
    });
    let mut left = PROBE.points;
    while left > 0 {
        left -= usize::from(matches!(subscriber.receive(), Packet::Message { .. }));
    }
    let took = began.elapsed();
    sending.join().expect("the publisher ends");
    took
}

/// A thread that floods until it is told to stop.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Flood {
    /// Live packs at a steady rate.
    fn live(port: u16, packs: Arc<std::sync::Mutex<Packs>>, packs_a_second: u32) -> Self {
        Self::start(move |stop| {
            let mut client = Client::connect(port, "bench-live");
            let mut packs = packs.lock().expect("one flood at a time");
            let topic = packs.live();
            let period = Duration::from_secs(1) / packs_a_second;
            let mut due = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                sleep(due.saturating_duration_since(Instant::now()));
                due += period;
                let pack = flood_pack(&mut packs, LIVE, now());
                client.publish(&topic, pack, false);
                client.settle(1_000);
            }
            client.settle(0);
        })
    }

    /// Packs of history as fast as the gateway takes them.
    fn history(port: u16, packs: Arc<std::sync::Mutex<Packs>>, acked: Arc<AtomicU64>) -> Self {
        Self::start(move |stop| {
            let mut client = Client::connect(port, "bench-history");
            let mut packs = packs.lock().expect("one flood at a time");
            client.subscribe(&packs.ack());
            let topic = packs.history();
            // Too old to be live, and each later than the one before.
            let begin = now().minus_ms(24 * 3_600_000);
            while !stop.load(Ordering::Relaxed) {
                let at = begin.plus_ms(packs.seq());
                let pack = flood_pack(&mut packs, HISTORY, at);
                client.publish(&topic, pack, false);
                while client.under_way() > 1_000
                    || packs.seq() - acked.load(Ordering::Relaxed) > HISTORY_AHEAD
                {
                    take_ack(&mut client, &acked);
                }
            }
            while client.under_way() > 0 {
                take_ack(&mut client, &acked);
            }
        })
    }

    fn start(work: impl FnOnce(&AtomicBool) + Send + 'static) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = spawn(move || work(&stopped));
        Self { stop, thread }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a flood ends");
    }
}

fn take_ack(client: &mut Client, acked: &AtomicU64) {
    if let Packet::Message { payload, .. } = client.receive() {
        let ack: telemetry::body::Ack =
            telemetry::body::decode(payload).expect("the contract's ack");
        acked.store(ack.seq, Ordering::Relaxed);
    }
}

/// The next 64 points of an area, none of which crosses its limit.
fn flood_pack(packs: &mut Packs, area: Area, at: UtcMs) -> &[u8] {
    let turn = usize::try_from(packs.seq()).expect("not so many packs");
    let samples = (0..PACK).map(|place| {
        let point = (turn * PACK + place) % area.points;
        (point, (turn % 400) as f64 / 10.0)
    });
    packs.next(samples, at)
}

/// What a row was measured under: who used how much of the two processors, in percent of one.
struct Shares {
    began: Instant,
    ids: [u32; 2],
    at: [Cpu; 3],
    machine: Machine,
}

impl Shares {
    fn begin(site: &Site) -> Self {
        let ids = [site.gateway.id(), site.mosquitto.id()];
        Self {
            began: Instant::now(),
            ids,
            at: [Cpu::of(ids[0]), Cpu::of(ids[1]), Cpu::own()],
            machine: Machine::now(),
        }
    }

    fn end(&self) -> String {
        let took = self.began.elapsed().as_secs_f64();
        let used = [
            Cpu::of(self.ids[0]).since(&self.at[0]),
            Cpu::of(self.ids[1]).since(&self.at[1]),
            Cpu::own().since(&self.at[2]),
        ];
        let others = Machine::now()
            .since(self.machine)
            .saturating_sub(used.iter().sum());
        let percent = |used: Duration| used.as_secs_f64() / took * 100.0;
        format!(
            "gateway {:.0} %, Mosquitto {:.0} %, this {:.0} %, others {:.0} %",
            percent(used[0]),
            percent(used[1]),
            percent(used[2]),
            percent(others)
        )
    }
}

fn row(name: &str, times: Vec<Duration>, base: Option<&Sorted>) -> Sorted {
    let times = Sorted::new(times);
    let ratio = base.map_or_else(
        || "      ".to_owned(),
        |base| format!("{:>6.1}", times.ms(500) / base.ms(500)),
    );
    println!(
        "{name:<34} {:>6} {:>8.2} {:>8.2} {:>8.2} {ratio}",
        times.len(),
        times.ms(500),
        times.ms(990),
        times.ms(1_000)
    );
    times
}

fn main() {
    build();
    let sink = Sink::start();
    let site = Site::start(&[PROBE, LIVE, HISTORY], Some(&sink.url()));
    let port = site.mosquitto.port();
    let mut probe = Probe::new(port);
    for _ in 0..50 {
        probe.pause();
        probe.crossing();
    }
    println!(
        "milliseconds                            n      p50      p99      max  × p50   (100 % is one processor)"
    );
    let mut limits = Limits::new(port, site.folder.path());
    let mut crossings = |name: &str, probe: &mut Probe| {
        let shares = Shares::begin(&site);
        let before = (
            Instant::now(),
            site.counted("samples-live"),
            site.counted("samples-late"),
        );
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..CROSSINGS {
            probe.pause();
            times[0].push(limits.broker(probe));
            probe.pause();
            times[1].push(limits.disk());
            probe.pause();
            times[2].push(probe.crossing());
        }
        let took = before.0.elapsed().as_secs_f64();
        let live = (site.counted("samples-live") - before.1) as f64 / took;
        let late = (site.counted("samples-late") - before.2) as f64 / took;
        println!(
            "{name}: {}; {live:.0} live and {late:.0} late samples/s taken",
            shares.end()
        );
        let [broker, disk, alarm] = times;
        let broker = row("  one way through the broker alone", broker, None);
        row("  one write to the disk alone", disk, Some(&broker));
        row("  sample to alarm", alarm, Some(&broker));
    };
    crossings("idle", &mut probe);
    let live = Arc::new(std::sync::Mutex::new(Packs::new(LIVE)));
    let history = Arc::new(std::sync::Mutex::new(Packs::new(HISTORY)));
    let acked = Arc::<AtomicU64>::default();
    for (name, rate, with_history) in [
        ("flood of history", 0, true),
        ("flood of live, 500 packs/s", 500, false),
        ("flood of live, 1,000 packs/s", 1_000, false),
        ("flood of live, 2,000 packs/s", 2_000, false),
        ("live 1,000 packs/s and history", 1_000, true),
    ] {
        let mut floods = Vec::new();
        if rate > 0 {
            floods.push(Flood::live(port, live.clone(), rate));
        }
        if with_history {
            floods.push(Flood::history(port, history.clone(), acked.clone()));
        }
        sleep(Duration::from_secs(2));
        crossings(name, &mut probe);
        floods.into_iter().for_each(Flood::stop);
        sleep(Duration::from_secs(3));
    }
    let mut limit = Vec::new();
    let mut bursts = Vec::new();
    let shares = Shares::begin(&site);
    for _ in 0..BURSTS {
        limit.push(broker_burst(port, probe.event_bytes).as_secs_f64() * 1e3);
        bursts.push(probe.burst().as_secs_f64() * 1e3);
        // The states follow the events.
        sleep(Duration::from_secs(2));
    }
    println!(
        "5,000 points cross at once, to the last event: {} ms; as many messages through the broker alone: {} ms ({BURSTS} runs each: median, lowest to highest; {})",
        spread(&bursts, 0),
        spread(&limit, 0),
        shares.end()
    );
}
