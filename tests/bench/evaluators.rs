//! One reading through a rule, beside evaluators that others build rules on: `cargo bench -p tests --bench evaluators`.
//!
//! The same question to all in one run: four limits and a gate by another point, over 1,000 points in turn. CEL and exmex (of the class of
//! evalexpr, whose licence is not for us) give the level and no more; the engine also keeps quality, delays, deadbands, age and the life of the
//! alarm. Each is used as its documentation says is fast: compiled once, and in CEL an inner scope for each reading.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark reads the clock and prints"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use exmex::{Express, Val};
use front::{Problems, Source};
use rules::compile::{System, compile};
use rules::effect::Input;
use rules::engine::Engine;
use rules::point::{PointIdx, PointInfo};
use support::bench::spread;
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

const POINTS: u32 = 1_000;
const ROUNDS: u32 = 500;
const RUNS: usize = 5;

const RULES: &str = r#"pack = "bench"
version = "1"
[[rule]]
name = "four-levels"
unverified = "made for measuring"
for = { kind = "gas" }
only_while = "unit.running"
high = [
  { level = "H", at = "50 %LEL", colour = "yellow" },
  { level = "HH", at = "60 %LEL", colour = "orange" },
]
low = [
  { level = "L", at = "20 %LEL", colour = "yellow" },
  { level = "LL", at = "10 %LEL", colour = "orange" },
]
text = { zh = "{tag}", en = "{tag}" }
"#;

const CEL: &str =
    "running ? (x >= 60.0 ? 2 : x >= 50.0 ? 1 : x <= 10.0 ? -2 : x <= 20.0 ? -1 : 0) : 0";

const EXMEX: &str = "(2 if x >= 60.0 else (1 if x >= 50.0 else (-2 if x <= 10.0 else (-1 if x <= 20.0 else 0)))) if running else 0";

/// A value inside the limits; of every hundredth point one that goes over them and back.
fn value(point: u32, round: u32) -> f64 {
    let base = if point.is_multiple_of(100) {
        40.0
    } else {
        25.0
    };
    base + f64::from((point ^ round) % 20)
}

fn points() -> Vec<PointInfo> {
    let point = |unit: u32, name: &str, kind: &str| PointInfo {
        unit: format!("u{unit:04}"),
        point: name.into(),
        kind: kind.into(),
        digital: kind == "running",
        eu: (kind == "gas").then(|| "%LEL".into()),
        period_ms: 1_000,
        max_age_ms: 3_000,
        ..PointInfo::default()
    };
    (0..POINTS)
        .flat_map(|unit| [point(unit, "gas", "gas"), point(unit, "running", "running")])
        .collect()
}

fn engine() -> Engine {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let system = System {
        gateway: "gw".into(),
        ..System::default()
    };
    let sources = [Source::new("bench.toml", RULES)];
    let program = compile(&sources, &points(), &system, &problems, &warnings);
    let program = program.unwrap_or_else(|| panic!("{problems}"));
    Engine::new(Arc::new(program), UtcMs(0))
}

fn feed(engine: &mut Engine, point: u32, value: Value, now: i64, events: &mut usize) {
    let sample = Sample {
        at: UtcMs(now),
        value: Some(value),
        quality: Quality::GOOD,
        clock: Clock::Synced,
    };
    let mut effects = Vec::new();
    let point = PointIdx(point);
    let taken = engine.handle(Input::Sample { point, sample }, UtcMs(now), &mut effects);
    taken.expect("a point of the program");
    *events += effects.len();
}

/// Nanoseconds a reading, of each run.
fn timed(mut round: impl FnMut(u32)) -> Vec<f64> {
    let mut number = 0;
    (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..ROUNDS {
                round(number);
                number += 1;
            }
            began.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS * POINTS)
        })
        .collect()
}

fn by_cel() -> Vec<f64> {
    let program = cel::Program::compile(CEL).expect("an expression");
    let context = cel::Context::default();
    timed(|round| {
        for point in 0..POINTS {
            let mut scope = context.new_inner_scope();
            scope.add_variable_from_value("x", value(point, round));
            scope.add_variable_from_value("running", true);
            black_box(program.execute(&scope).expect("a level"));
        }
    })
}

fn by_exmex() -> Vec<f64> {
    let program = exmex::parse_val::<i32, f64>(EXMEX).expect("an expression");
    assert_eq!(program.var_names(), ["running", "x"]);
    timed(|round| {
        for point in 0..POINTS {
            let values = [Val::Bool(true), Val::Float(value(point, round))];
            black_box(program.eval(&values).expect("a level"));
        }
    })
}

/// And how many events there were.
fn by_us() -> (Vec<f64>, usize) {
    let mut engine = engine();
    let mut events = 0;
    let runs = timed(|round| {
        let now = i64::from(round) * 1_000;
        for point in 0..POINTS {
            // The gate is read now and then; it does not grow old meanwhile.
            if round % 2 == 0 {
                feed(
                    &mut engine,
                    2 * point + 1,
                    Value::Bool(true),
                    now,
                    &mut events,
                );
            }
            let number = Value::Number(value(point, round));
            feed(&mut engine, 2 * point, number, now, &mut events);
        }
    });
    (runs, events)
}

fn middle(runs: &[f64]) -> f64 {
    let mut runs = runs.to_vec();
    runs.sort_by(f64::total_cmp);
    runs[RUNS / 2]
}

fn main() {
    let (cel, exmex, (us, events)) = (by_cel(), by_exmex(), by_us());
    println!("nanoseconds a reading, median (least to most) of {RUNS} runs over {POINTS} points");
    println!("the engine, {events} events   {}", spread(&us, 0));
    for (name, peer) in [("cel", cel), ("exmex", exmex)] {
        let times = middle(&peer) / middle(&us);
        let spread = spread(&peer, 0);
        println!("{name}, the level alone   {spread}   {times:.1} times the engine");
    }
}
