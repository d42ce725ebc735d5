//! How long one sample takes against one rule of four levels: `cargo bench -p rules`.
//!
//! Points are fed as a site's devices are polled: 32 points of a device one after the other, the devices in a scattered order; and
//! each for itself in a scattered order, so that a large table is never read from a warm cache. Every number is the best and the median of several runs, in the processor's time.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark reads the clock and prints"
)]

use std::sync::Arc;
use std::time::Instant;

use rules::effect::Input;
use rules::engine::Engine;
use rules::expr::{Cond, Formula};
use rules::point::{PointIdx, PointInfo};
use rules::program::{
    AlarmSpec, Colour, LevelSpec, LifeSpec, Program, ProgramBuilder, RuleInfo, Scope, Test,
};
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

const RUNS: usize = 7;

fn level(name: &str, test: Test) -> LevelSpec {
    LevelSpec {
        name: name.into(),
        colour: Colour::Yellow,
        severity: 500,
        test,
        on_delay_ms: 5_000,
        off_delay_ms: 30_000,
        latch: false,
        overlays: Vec::new(),
    }
}

/// A rule of two high and two low levels on each point; with a gate on the next point, if asked for.
fn program(points: u32, gated: bool) -> Program {
    let mut builder = ProgramBuilder::new();
    let rule = builder
        .rule(RuleInfo {
            name: "four-levels".into(),
            ..RuleInfo::default()
        })
        .unwrap();
    for point in 0..points {
        let info = PointInfo {
            unit: "u".into(),
            point: format!("p{point}"),
            period_ms: 1_000,
            max_age_ms: 3_000,
            ..PointInfo::default()
        };
        builder.point(info).unwrap();
    }
    for point in 0..points {
        let limit = |limit| Test::High {
            limit,
            deadband: 1.0,
        };
        let low = |limit| Test::Low {
            limit,
            deadband: 1.0,
        };
        let gate = PointIdx((point + 1) % points);
        builder
            .alarm(AlarmSpec {
                scope: Scope::Point(PointIdx(point)),
                rule,
                value: Some(Formula::Point(PointIdx(point))),
                eu: None,
                only_while: gated.then_some(Cond::On(gate)),
                levels: vec![
                    level("H", limit(50.0)),
                    level("HH", limit(60.0)),
                    level("L", low(20.0)),
                    level("LL", low(10.0)),
                ],
                unknown_hold_ms: 3_000,
                life: LifeSpec::default(),
                set_by_site: 0,
            })
            .unwrap();
    }
    builder.build()
}

/// Feeds rounds of all points, a second of log time each, and tells nanoseconds per sample.
fn measure(name: &str, order: &[u32], gated: bool, value: impl Fn(u32, u32) -> f64) {
    let points = u32::try_from(order.len()).unwrap();
    let mut engine = Engine::new(Arc::new(program(points, gated)), UtcMs(0));
    let mut effects = Vec::new();
    let rounds = (2_000_000 / points).max(4);
    let mut now = 0_i64;
    let mut times = Vec::new();
    let mut n_effects = 0;
    for _ in 0..RUNS {
        let started = Stopwatch::start();
        for round in 0..rounds {
            now += 1_000;
            for &point in order {
                let sample = Sample {
                    at: UtcMs(now),
                    value: Some(Value::Number(value(point, round))),
                    quality: Quality::GOOD,
                    clock: Clock::Synced,
                };
                let point = PointIdx(point);
                engine
                    .handle(Input::Sample { point, sample }, UtcMs(now), &mut effects)
                    .unwrap();
            }
            n_effects += effects.len();
            effects.clear();
        }
        let samples = f64::from(rounds) * f64::from(points);
        times.push(started.elapsed_ns() / samples);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "{name:<26} {:>6.1} ns a sample at best, {:>6.1} median, {n_effects} effects",
        times[0],
        times[RUNS / 2],
    );
}

/// Every point once, in stretches of so many that follow one another, the stretches scattered.
fn order(points: u32, stretch: u32) -> Vec<u32> {
    let stretches = points / stretch;
    let stride = stride(stretches);
    let starts = (0..stretches).scan(0, |at, _| {
        *at = (*at + stride) % stretches;
        Some(*at * stretch)
    });
    starts.flat_map(|start| start..start + stretch).collect()
}

/// A stride without a common divisor scatters the points.
fn stride(points: u32) -> u32 {
    (0..points)
        .map(|offset| points / 2 + 7 + offset)
        .find(|stride| gcd(*stride, points) == 1)
        .unwrap()
}

/// What the memory allows: as many records as there are points, each of the size of an armed rule's state, one after the
/// other in the same order, where each says which is next.
fn limit(points: u32, stretch: u32) {
    let order = order(points, stretch);
    let mut records = vec![[0_u32; 64]; order.len()];
    for (index, point) in order.iter().enumerate() {
        records[*point as usize][0] = order[(index + 1) % order.len()];
    }
    let rounds = (2_000_000 / points).max(4);
    let mut times = Vec::new();
    let mut point = order[0];
    for _ in 0..RUNS {
        let started = Stopwatch::start();
        for _ in 0..rounds * points {
            let record = &mut records[point as usize];
            record[1] += 1;
            point = record[0];
        }
        times.push(started.elapsed_ns() / (f64::from(rounds) * f64::from(points)));
    }
    assert_eq!(records[0][1], rounds * u32::try_from(RUNS).unwrap());
    times.sort_by(f64::total_cmp);
    println!(
        "{:<26} {:>6.1} ns a record at best, {:>6.1} median",
        "the memory alone",
        times[0],
        times[RUNS / 2],
    );
}

/// Snapshots and restores an engine whose every alarm is active, up to the first evaluation of all.
fn restart(points: u32) {
    let program = Arc::new(program(points, false));
    let mut engine = Engine::new(Arc::clone(&program), UtcMs(0));
    let mut effects = Vec::new();
    for second in 0..6 {
        let at = UtcMs(second * 1_000);
        for point in 0..points {
            let sample = Sample {
                at,
                value: Some(Value::Number(55.0)),
                quality: Quality::GOOD,
                clock: Clock::Synced,
            };
            let point = PointIdx(point);
            engine
                .handle(Input::Sample { point, sample }, at, &mut effects)
                .unwrap();
        }
    }
    let watch = Stopwatch::start();
    let snapshot = engine.snapshot();
    let written = watch.elapsed_ns() / 1e6;
    let watch = Stopwatch::start();
    let mut told = Vec::new();
    let restored = Engine::restore(program, &snapshot, &mut told).unwrap();
    let read = watch.elapsed_ns() / 1e6;
    assert!(told.is_empty() && restored.now() == engine.now());
    println!(
        "{points} active alarms: snapshot of {} bytes in {written:.0} ms, restored and evaluated in {read:.0} ms",
        snapshot.len()
    );
}

/// Counts the processor's time where the system tells it, so that a busy machine does not count as a slow engine.
struct Stopwatch {
    wall: Instant,
    cpu_ns: Option<f64>,
}

impl Stopwatch {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu_ns: cpu_ns(),
        }
    }

    fn elapsed_ns(&self) -> f64 {
        match (self.cpu_ns, cpu_ns()) {
            (Some(before), Some(after)) => after - before,
            _ => self.wall.elapsed().as_secs_f64() * 1e9,
        }
    }
}

/// Linux: what this process has run so far.
fn cpu_ns() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn main() {
    println!(
        "state of an armed rule of four levels, with its point and timers: {} bytes",
        Engine::armed_rule_bytes(4)
    );
    for points in [3_200, 100_000, 1_000_000] {
        for (how, stretch) in [("polled", 32), ("scattered", 1)] {
            println!("{points} points, {how}");
            limit(points, stretch);
            let order = order(points, stretch);
            measure("inside its limits", &order, false, |point, round| {
                30.0 + f64::from((point ^ round) & 15)
            });
            measure("one in a hundred alarms", &order, false, |point, round| {
                if point % 100 == 0 {
                    55.0
                } else {
                    30.0 + f64::from((point ^ round) & 15)
                }
            });
            measure("every one alarms", &order, false, |point, round| {
                55.0 + f64::from((point ^ round) & 3)
            });
        }
    }
    let scattered = order(100_000, 1);
    measure("gated, inside", &scattered, true, |point, round| {
        30.0 + f64::from((point ^ round) & 15)
    });
    restart(100_000);
    measure(
        "gated, every one alarms",
        &scattered,
        true,
        |point, round| 55.0 + f64::from((point ^ round) & 3),
    );
}
