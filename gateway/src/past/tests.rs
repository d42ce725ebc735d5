//! The past as it is told, beside the past as it was: over segments, snapshots, restarts and new rules.

use front::Source;
use proptest::prelude::*;
use rules::effect::{AlarmState, Letter};
use rules::point::PointIdx;
use telemetry::{Clock, Quality, Sample, Value};
use tempfile::TempDir;

use super::compare::{Comparison, OtherRules, What, compare};
use super::why::{Told, tell};
use super::*;
use crate::alarm::message::Site;
use crate::engine::Host;
use crate::log::tests::commit;
use crate::log::{Folder, Lane, LoggedSample, PENDING_MAX, SampleEncoder};
use crate::run::tests::{RULES, config};

const START: UtcMs = UtcMs(1_700_000_000_000);
const MINUTE_MS: i64 = 60_000;

/// A log of a reading each minute, with what the gateway that wrote it knew after each.
struct Written {
    dir: TempDir,
    config: Config,
    states: Vec<(UtcMs, AlarmState)>,
}

impl Written {
    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn tell(&self, at: UtcMs) -> Result<Option<Told>, PastError> {
        tell(&self.config, &self.log(), "tank/gt-1/high", Some(at))
    }

    fn compare(&self, rules: &str, from: UtcMs) -> Result<Option<Comparison>, String> {
        let sources = [Source::new("other.toml", rules.to_owned())];
        let problems = Problems::default();
        let others = OtherRules {
            sources: &sources,
            problems: &problems,
        };
        let to = UtcMs(i64::MAX);
        let found = compare(&self.config, &self.log(), &others, (from, to), &mut |_| {}).unwrap();
        if problems.is_empty() {
            Ok(found)
        } else {
            Err(problems.to_string())
        }
    }
}

fn site() -> Site {
    Site {
        park: "east".to_owned(),
        enterprise: "plant".to_owned(),
        gateway: "gw".to_owned(),
        version: "0".to_owned(),
    }
}

/// Writes readings as they come, of -1 one of a broken sensor and of -2 the same after a down; every 10th record a snapshot, and from the middle on the second rules.
fn write(readings: &[f64]) -> Written {
    let dir = TempDir::new().unwrap();
    let other = RULES.replace("20 %LEL", "16 %LEL");
    let then = config(dir.path(), &other);
    let now = config(dir.path(), RULES);
    let folder = Folder::lock(&dir.path().join("log")).unwrap();
    let opened = folder.open(&then.image(), START).unwrap();
    let mut appender = opened.appender.with_limits(4_000, PENDING_MAX);
    let mut host = Host::new(then.program.clone(), site(), START);
    let mut states = Vec::new();
    let alarm = then.program.find_alarm("tank/gt-1/high").unwrap();
    let mut encoder = SampleEncoder::default();
    for (index, value) in readings.iter().enumerate() {
        let t = START.plus_ms(u64::try_from(MINUTE_MS).unwrap() * (index as u64 + 1));
        if *value < -1.5 {
            // Nobody looked since the last reading, until just now.
            let (from, to) = (t.minus_ms(60_000), t.minus_ms(1_000));
            let record = Record::Down { from, to };
            appender.append(&record, to);
            host.apply(&record, to).unwrap();
        }
        if index == readings.len() / 2 {
            let record = Record::Config(now.image());
            appender.append(&record, t);
            host.apply(&record, t).unwrap();
            host.reprogram(&now.program).unwrap();
        }
        encoder.clear();
        let quality = if *value < 0.0 {
            Quality::SENSOR_FAILURE
        } else {
            Quality::GOOD
        };
        encoder.push(&LoggedSample {
            point: now.point("tank", "gt-1").map_or(0, |PointIdx(point)| point),
            lane: Lane::Live,
            sample: Sample {
                at: t,
                value: (*value >= 0.0).then_some(Value::Number(*value)),
                quality,
                clock: Clock::Synced,
            },
        });
        let record = Record::Pack {
            node: "n1",
            id: None,
            samples: encoder.samples(),
        };
        appender.append(&record, t);
        host.apply(&record, t).unwrap();
        commit(&folder, &mut appender);
        if index % 10 == 9 {
            let snapshot = Snapshot {
                at: appender.end(),
                prev: appender.end(),
                t,
                config: appender.config().hash.clone(),
                parts: vec![("engine".to_owned(), host.snapshot())],
            };
            snapshot.store(folder.path()).unwrap();
        }
        states.push((t, host.engine().alarm(alarm)));
    }
    drop(folder);
    Written {
        dir,
        config: now,
        states,
    }
}

/// What people see of a state.
fn shown(state: &AlarmState) -> (Letter, Option<u8>, [Option<UtcMs>; 3], bool, Option<Value>) {
    (
        state.letter(),
        state.level,
        [state.condition_since, state.raised_at, state.cleared_at],
        state.flags.unknown,
        state.value,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_is_told_of_any_time_is_what_the_gateway_knew_then(
        readings in prop::collection::vec(prop_oneof![Just(-1.0), Just(-2.0), 10.0..30.0, 10.0..30.0], 60..150),
    ) {
        let written = write(&readings);
        for (t, state) in &written.states {
            let told = written.tell(*t).unwrap().unwrap();
            prop_assert_eq!(told.at, *t);
            prop_assert_eq!(shown(&told.alarms[0].state), shown(state), "at {}", t);
        }
        // Another gateway began here; what it can look back on is told the same.
        let folder = Folder::lock(&written.log()).unwrap();
        let needed = Snapshot::fallback(&written.log()).unwrap();
        let removed = folder.keep(needed, 1).unwrap();
        prop_assert!(removed > 0);
        let first = Snapshot::first(&written.log()).unwrap().unwrap().t;
        for (t, state) in &written.states {
            match written.tell(*t) {
                Err(PastError::TooEarly(begin)) => prop_assert!(*t < first && begin == first),
                told => {
                    prop_assert!(*t >= first);
                    let told = told.unwrap().unwrap();
                    prop_assert_eq!(shown(&told.alarms[0].state), shown(state), "at {}", t);
                }
            }
        }
    }
}

#[test]
fn the_same_rules_make_no_difference_and_others_the_one_that_they_make() {
    let mut readings = vec![12.0; 40];
    readings.splice(5..9, [18.0; 4]);
    readings.splice(25..29, [18.0; 4]);
    readings.splice(32..36, [22.0; 4]);
    let written = write(&readings);
    let found = written.compare(RULES, START).unwrap().unwrap();
    // The first rules of the log had a lower limit.
    let differs = |found: &Comparison| -> Vec<String> {
        let word = |what: &What| match what {
            What::Added(_) => "added",
            What::Removed(_) => "removed",
            What::Moved(..) => "moved",
        };
        found
            .differences
            .iter()
            .filter(|difference| difference.alarm == "tank/gt-1/high")
            .map(|difference| {
                let minute = (difference.at().0 - START.0) / MINUTE_MS;
                format!("{} {minute}", word(&difference.what))
            })
            .collect()
    };
    assert_eq!(differs(&found), ["removed 6"]);
    assert_eq!((found.samples, found.to), (40, written.states[39].0));
    let lower = RULES.replace("20 %LEL", "16 %LEL");
    let found = written.compare(&lower, START).unwrap().unwrap();
    assert_eq!(differs(&found), ["added 26"]);
    // Only what is asked for is compared, and what came before is warmed up.
    let from = written.states[26].0;
    let found = written.compare(&lower, from).unwrap().unwrap();
    assert_eq!((found.from, found.samples), (from, 14));
    assert_eq!(differs(&found), ["added 27"]);
    let higher = RULES
        .replace("20 %LEL", "21 %LEL")
        .replace("\"high\"", "\"higher\"");
    let found = written.compare(&higher, START).unwrap().unwrap();
    assert_eq!(
        found
            .differences
            .iter()
            .filter(|it| it.alarm == "tank/gt-1/higher")
            .count(),
        1
    );
    let wrong = RULES.replace("20 %LEL", "20 %LELL");
    let told = written.compare(&wrong, START).unwrap_err();
    assert!(
        told.starts_with("other.toml:9:28: rule[0].high[0].at: `%LELL` is no unit"),
        "{told}"
    );
}

#[test]
fn a_stretch_in_which_nothing_was_logged_is_no_comparison() {
    let written = write(&[22.0]);
    let sources = [Source::new("other.toml", RULES)];
    let problems = Problems::default();
    let others = OtherRules {
        sources: &sources,
        problems: &problems,
    };
    let (from, to) = (
        UtcMs(START.0 + 9 * MINUTE_MS),
        UtcMs(START.0 + 10 * MINUTE_MS),
    );
    let told = compare(
        &written.config,
        &written.log(),
        &others,
        (from, to),
        &mut |_| {},
    );
    let told = told.unwrap_err().to_string();
    assert_eq!(told, format!("nothing was logged from {from} to {to}"));
}

#[test]
fn a_deed_that_was_refused_then_is_not_one_that_other_rules_refuse() {
    let written = write(&[12.0, 22.0, 22.0]);
    let folder = Folder::lock(&written.log()).unwrap();
    let opened = folder.open(&written.config.image(), START).unwrap();
    let mut appender = opened.appender;
    let t = written.states[2].0.plus_ms(1_000);
    for verb in ["ack", "ack", "reset"] {
        let record = Record::Command {
            verb,
            alarm: "tank/gt-1/high",
            occurrence: None,
            by: "li",
            comment: "",
            until: None,
            second: "",
            ticket: "",
        };
        appender.append(&record, t);
    }
    commit(&folder, &mut appender);
    let deeds = |rules: &str| {
        let found = written.compare(rules, START).unwrap().unwrap();
        found.deeds_without_alarm
    };
    assert_eq!(deeds(RULES), 0);
    // The first alone was done, and there would have been nothing to do it to.
    assert_eq!(deeds(&RULES.replace("20 %LEL", "23 %LEL")), 1);
}

#[test]
fn a_time_that_nobody_saw_is_told_as_one() {
    let written = write(&[22.0, 22.0, -2.0, 22.0]);
    let (stopped, began) = (written.states[1].0, written.states[2].0.minus_ms(1_000));
    let told = written.tell(stopped.plus_ms(30_000)).unwrap().unwrap();
    assert_eq!((told.at, told.down), (stopped, Some((stopped, began))));
    assert_eq!(shown(&told.alarms[0].state), shown(&written.states[1].1));
    let told = written.tell(began).unwrap().unwrap();
    assert_eq!((told.at, told.down), (began, None));
}

#[test]
fn where_there_is_no_log_is_told() {
    let dir = TempDir::new().unwrap();
    let config = config(dir.path(), RULES);
    for folder in [dir.path().join("nowhere"), dir.path().to_owned()] {
        let told = tell(&config, &folder, "tank/gt-1", None).unwrap_err();
        assert!(told.to_string().contains("no log here"), "{told}");
    }
}

#[test]
fn what_a_writer_has_not_finished_is_not_told() {
    let written = write(&[12.0; 33]);
    let mut segments: Vec<_> = std::fs::read_dir(written.log())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .collect();
    segments.sort();
    let last = segments.last().unwrap();
    let bytes = std::fs::read(last).unwrap();
    std::fs::write(last, &bytes[..bytes.len() - 3]).unwrap();
    let told = tell(&written.config, &written.log(), "tank/gt-1", None)
        .unwrap()
        .unwrap();
    assert_eq!(told.at, written.states[31].0);
    assert!(told.alarms.iter().any(|alarm| alarm.id == "tank/gt-1/high"));
    assert!(
        tell(&written.config, &written.log(), "tank/gt-9", None)
            .unwrap()
            .is_none()
    );
}
