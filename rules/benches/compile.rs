//! How long rules take from text to a program: `cargo bench -p rules --bench compile`.
//!
//! 10,000 points; 10,000 rules of one point each, and for comparison 100 rules of 100 points each; and in 1,000 units, rules that count
//! another's alarms and ask for them. Beside them, reading the same text as TOML only.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark reads the clock and prints"
)]

use std::fmt::Write as _;
use std::time::Instant;

use front::{Problems, Source};
use rules::compile::{System, compile};
use rules::point::PointInfo;

const POINTS: usize = 10_000;
const RUNS: usize = 5;

fn points(kinds: usize, units: usize) -> Vec<PointInfo> {
    (0..POINTS)
        .map(|index| PointInfo {
            unit: format!("unit-{}", index / (POINTS / units)),
            point: format!("p-{index:05}"),
            kind: format!("kind-{:05}", index % kinds),
            eu: Some("Cel".into()),
            period_ms: 1_000,
            max_age_ms: 3_000,
            ..PointInfo::default()
        })
        .collect()
}

/// A rule for each kind: two levels with delays and a gate.
fn text(kinds: usize) -> String {
    let mut text = "pack = \"bench\"\nversion = \"1\"\n".to_owned();
    for kind in 0..kinds {
        write!(
            text,
            r#"[[rule]]
name = "rule-{kind:05}"
unverified = "made for measuring"
for = {{ kind = "kind-{kind:05}" }}
only_while = "held(self > 10 °C, 60s)"
high = [
  {{ level = "L1", at = "{} °C", colour = "yellow", on_delay = "5s", deadband = "3 °C" }},
  {{ level = "L2", at = "{} °C", colour = "orange", on_delay = "2s", deadband = "3 °C", latch = true }},
]
text = {{ zh = "{{tag}} {{value}}", en = "{{tag}}: {{value}} {{eu}}" }}
"#,
            60 + kind % 10,
            80 + kind % 10,
        )
        .unwrap();
    }
    text
}

/// In each unit, a count of the alarms of its points; and for each point, whether one of them stands.
const COUNTED: &str = r#"
[[rule]]
name = "counted"
unverified = "made for measuring"
for = "units"
over = ["rule-00000"]
degrade = "hold"
counts = [{ level = "L1", count = 2, from = "yellow", colour = "yellow" }]
text = { zh = "{unit}", en = "{unit}" }

[[rule]]
name = "asked-for"
unverified = "made for measuring"
for = { kind = "kind-00000" }
when = "alarm.rule-00000 and self > 20 °C"
level = "L1"
colour = "yellow"
text = { zh = "{tag}", en = "{tag}" }
"#;

fn main() {
    for (kinds, units, more) in [(POINTS, 100, ""), (100, 100, ""), (1, 1_000, COUNTED)] {
        let points = points(kinds, units);
        let text = text(kinds) + more;
        let n_rules = text.matches("[[rule]]").count();
        let sources = [Source::new("bench.toml", text)];
        let timed = |work: &dyn Fn() -> usize| {
            let mut runs: Vec<f64> = (0..RUNS)
                .map(|_| {
                    let began = Instant::now();
                    assert!(work() > 0);
                    began.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            runs.sort_by(f64::total_cmp);
            format!(
                "{:.0} ms ({:.0} to {:.0})",
                runs[RUNS / 2],
                runs[0],
                runs[RUNS - 1]
            )
        };
        let all = timed(&|| {
            let (problems, warnings) = (Problems::default(), Problems::default());
            let system = System {
                gateway: "gw".into(),
                ..System::default()
            };
            let program = compile(&sources, &points, &system, &problems, &warnings);
            assert!(
                problems.is_empty(),
                "{:?}",
                problems.to_string().lines().next()
            );
            program.unwrap().alarms().len()
        });
        let toml = timed(&|| {
            let problems = Problems::default();
            let document = sources[0].parse(&problems);
            document
                .root()
                .req("rule")
                .map_or(0, |item| item.tables().len())
        });
        println!("{n_rules} rules, {POINTS} points in {units} units: {all}; as TOML only: {toml}");
    }
}
