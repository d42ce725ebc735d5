//! How fast the log is lived through again: `cargo bench -p tests --bench replay`.
//!
//! 10,000 points with a rule each, 64-sample packs, one sample in 256 crosses a limit. The limit beside it is reading and decoding the same log without any rule.
//! All on one thread; the log is in the page cache, as after it was written.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a benchmark reads the clock and prints"
)]

use std::path::Path;
use std::time::Instant;

use front::{Problems, Source};
use gateway::config::{Config, load};
use gateway::log::{Disk, Folder, FolderDisk, Lane, LoggedSample, Record, SampleEncoder};
use gateway::past::compare::{OtherRules, compare};
use gateway::past::{Again, Past};
use support::bench::{Area, spread, value, write};
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

const AREA: Area = Area {
    node: "area",
    points: 10_000,
};
const PACK: usize = 64;
const PACKS: usize = 100_000;
const RUNS: usize = 5;
const START: UtcMs = UtcMs(1_700_000_000_000);

/// Writes a log of as many packs, as a gateway does.
fn fill(config: &Config, log: &Path) {
    let folder = Folder::lock(log).expect("a folder");
    let opened = folder.open(&config.image(), START).expect("a new log");
    let mut appender = opened.appender;
    let mut disk = FolderDisk::new(log.to_owned());
    let mut encoder = SampleEncoder::default();
    for pack in 0..PACKS {
        let t = START.plus_ms(10 * pack as u64);
        encoder.clear();
        for n in 0..PACK {
            let turn = pack * PACK + n;
            let level = value(turn / AREA.points % 256 == turn % 256);
            encoder.push(&LoggedSample {
                point: u32::try_from(turn % AREA.points).expect("a small number"),
                lane: Lane::Live,
                sample: Sample {
                    at: t,
                    value: Some(Value::Number(level + (turn % 7) as f64 / 10.0)),
                    quality: Quality::GOOD,
                    clock: Clock::Synced,
                },
            });
        }
        let samples = encoder.samples();
        let record = Record::Pack {
            node: AREA.node,
            id: None,
            samples,
        };
        appender.append(&record, t);
        if pack % 1_000 == 999 {
            for chunk in appender.take() {
                disk.write(&chunk).expect("room on the disk");
            }
            appender.set_durable(appender.end());
        }
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write(folder.path(), &[AREA], "mqtt://127.0.0.1:1", None);
    let (problems, warnings) = (Problems::default(), Problems::default());
    let config = load(&path, &|_| None, &problems, &warnings).expect("a right site");
    let log = folder.path().join("data/log");
    fill(&config, &log);
    let rules = std::fs::read_to_string(folder.path().join("rules.toml")).expect("the rules");
    let sources = [Source::new(
        "other.toml",
        rules.replace("50 %LEL", "60.3 %LEL"),
    )];

    let total = (PACKS * PACK) as f64;
    let timed = |work: &dyn Fn()| -> Vec<f64> {
        (0..RUNS)
            .map(|_| {
                let began = Instant::now();
                work();
                total / began.elapsed().as_secs_f64() / 1e6
            })
            .collect()
    };
    let read = || {
        let mut past = Past::open(&log, START).expect("a log");
        let mut sum = 0.0;
        while let Some(entry) = past.read().expect("a whole log") {
            if let Record::Pack { samples, .. } = entry.record {
                for logged in samples.iter().filter_map(Result::ok) {
                    sum += logged.sample.value.map_or(0.0, Value::as_f64);
                }
            }
        }
        assert!(sum > 0.0);
    };
    let once = || {
        let mut past = Past::open(&log, START).expect("a log");
        let mut again = Again::begin(&past, |_| Ok(config.program.clone())).expect("a beginning");
        let mut events = 0;
        while let Some(entry) = past.read().expect("a whole log") {
            again.take(&entry.record, entry.t).expect("a record");
            events += again.effects.len();
            again.effects.clear();
        }
        assert!(events > 0);
    };
    let twice = || {
        let problems = Problems::default();
        let others = OtherRules {
            sources: &sources,
            problems: &problems,
        };
        let stretch = (START, UtcMs(i64::MAX));
        let found = compare(&config, &log, &others, stretch, &mut |_| {});
        let found = found.expect("a log").expect("right rules");
        assert!(found.samples == (PACKS * PACK) as u64 && !found.differences.is_empty());
    };
    println!(
        "{PACKS} packs of {PACK} samples, {} points and as many rules; million samples/s, median (least to most) of {RUNS} runs",
        AREA.points
    );
    println!("read and decoded         {}", spread(&timed(&read), 2));
    println!("lived through once       {}", spread(&timed(&once), 2));
    println!("with two sets of rules   {}", spread(&timed(&twice), 2));
}
