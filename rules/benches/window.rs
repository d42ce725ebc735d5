//! How long one reading takes in a window of each kind: `cargo bench -p rules --bench window`.
//!
//! Windows of ten minutes, each on its point, which is read each second: a slice begins with every tenth reading.
//! Every number is the best and the median of several runs.
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
use rules::expr::{Compare, Cond, Formula, Window, WindowOf};
use rules::point::{PointIdx, PointInfo};
use rules::program::{
    AlarmSpec, Colour, LevelSpec, LifeSpec, Program, ProgramBuilder, RuleInfo, Scope, Test,
};
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

const POINTS: u32 = 200;
const RUNS: usize = 7;
/// Seconds of log time: as long as the window.
const ROUNDS: u32 = 600;

fn program(of: impl Fn(PointIdx) -> WindowOf) -> Program {
    let mut builder = ProgramBuilder::new();
    let rule = builder
        .rule(RuleInfo {
            name: "window".into(),
            ..RuleInfo::default()
        })
        .unwrap();
    for point in 0..POINTS {
        let info = PointInfo {
            unit: "u".into(),
            point: format!("p{point}"),
            ..PointInfo::default()
        };
        let point = builder.point(info).unwrap();
        let window = Window {
            of: of(point),
            length_ms: 600_000,
        };
        let level = LevelSpec {
            name: "H".into(),
            colour: Colour::Yellow,
            severity: 500,
            test: Test::High {
                limit: 1e9,
                deadband: 0.0,
            },
            on_delay_ms: 0,
            off_delay_ms: 0,
            latch: false,
            overlays: Vec::new(),
        };
        builder
            .alarm(AlarmSpec {
                scope: Scope::Point(point),
                rule,
                value: Some(Formula::Window(Box::new(window))),
                eu: None,
                only_while: None,
                levels: vec![level],
                unknown_hold_ms: 0,
                life: LifeSpec::default(),
                set_by_site: 0,
            })
            .unwrap();
    }
    builder.build()
}

fn measure(name: &str, of: impl Fn(PointIdx) -> WindowOf) {
    let mut engine = Engine::new(Arc::new(program(of)), UtcMs(0));
    let mut effects = Vec::new();
    let mut now = 0;
    let mut times = Vec::new();
    // The first run fills the windows.
    for _ in 0..=RUNS {
        let began = Instant::now();
        for round in 0..ROUNDS {
            now += 1_000;
            for point in 0..POINTS {
                let value = 30.0 + f64::from((point * 7 + round * 13) % 101) / 8.0;
                let sample = Sample {
                    at: UtcMs(now),
                    value: Some(Value::Number(value)),
                    quality: Quality::GOOD,
                    clock: Clock::Synced,
                };
                let point = PointIdx(point);
                engine
                    .handle(Input::Sample { point, sample }, UtcMs(now), &mut effects)
                    .unwrap();
            }
        }
        let samples = f64::from(ROUNDS) * f64::from(POINTS);
        times.push(began.elapsed().as_secs_f64() * 1e9 / samples);
    }
    let times = &mut times[1..];
    times.sort_by(f64::total_cmp);
    println!(
        "{name:<9} {:>6.0} ns a reading at best, {:>6.0} median",
        times[0],
        times[RUNS / 2]
    );
}

fn main() {
    let high = |point| Cond::Compare(Compare::Ge, Formula::Point(point), Formula::Const(35.0));
    measure("count", |point| WindowOf::Count(high(point)));
    measure("time_in", |point| WindowOf::TimeIn(high(point)));
    measure("sum", WindowOf::Sum);
    measure("increase", WindowOf::Increase);
    measure("mean", |point| WindowOf::Mean(Formula::Point(point)));
    measure("stdev", |point| WindowOf::Stdev(Formula::Point(point)));
    measure("lowest", |point| WindowOf::Lowest(Formula::Point(point)));
    measure("highest", |point| WindowOf::Highest(Formula::Point(point)));
    measure("median", |point| WindowOf::Median(Formula::Point(point)));
    measure("mad", |point| WindowOf::Mad(Formula::Point(point)));
    measure("change", |point| WindowOf::Change(Formula::Point(point)));
}
