//! The whole chain on real parts, with the broker as it is shipped: from a register of pymodbus to Flux and to a regulator.

mod alarms;
mod files;
// A table has a line for each step.
#[rustfmt::skip]
mod registers;
mod secrets;
mod security;
mod series;
mod site;
mod trial;

use registers::{Point, Reading, STEPS};
use serde_json::Value;
use series::Sample;
use site::{PATIENCE, Plant, Site, Written};
use support::{Message, Process, Regulator, Shipped, Subscriber, program};
use telemetry::UtcMs;

/// How long an answer may have been on its way when its registers were written anew: the buses' timeout.
const ON_THE_WAY_MS: i64 = 5_000;

#[test]
fn every_register_is_in_the_database_and_every_crossing_at_a_regulator() {
    let slaves = registers::slaves();
    let (points, readings) = registers::points(&slaves);
    let mut plant = Plant::start();
    let broker = Shipped::start();
    let mut regulator = Regulator::start_as(
        broker.broker.port(),
        "5",
        "regulator-1",
        "east-park",
        &broker.access("regulator"),
    );
    let first = plant.write(&slaves, 0);
    let mut site = Site::start(&plant, &broker);
    let mut watch = watch(&broker);

    let mut written = Vec::new();
    for step in 0..STEPS {
        let now = if step == 0 {
            first
        } else {
            plant.write(&slaves, step)
        };
        written.push(now);
        until_stored(&site, &points, &readings, step, now.done);
        regulator.wait_for(
            &format!("step {step} at the regulator"),
            PATIENCE,
            |report| alarms::stand(step, report),
        );
    }

    let stored = series::samples(&site.influx, &points, first.begun);
    for ((point, samples), readings) in points.iter().zip(&stored).zip(&readings) {
        check(point, samples, readings, &written);
    }

    let report = regulator.wait_for("every event", PATIENCE, support::Report::is_complete);
    assert_eq!(report.said["problems"], Value::Array(Vec::new()));
    let told = alarms::crossings(&report);
    for alarm in &alarms::ALARMS {
        check_alarm(alarm, &told[alarm.id], &written);
    }
    check_stored_alarms(
        &site,
        &told.values().flatten().copied().collect::<Vec<_>>(),
        first.begun,
    );
    check_retained(&broker, &report.said["states"]);

    assert_eq!(
        watch.terminate(),
        Some(0),
        "fengsui watch:\n{}",
        watch.said()
    );
    assert_eq!(site.node.terminate(), Some(0));
    assert_eq!(site.gateway.stop(), Some(0));
}

/// `fengsui watch --check` as a regulator runs it, with a password.
fn watch(broker: &Shipped) -> Process {
    let watch = Process::start(
        program("fengsui")
            .args([
                "watch",
                &broker.url(),
                "--park",
                "east-park",
                "--check",
                "--user",
                "regulator",
            ])
            .arg("--ca")
            .arg(broker.authority.ca())
            .env("FENGSUI_PASSWORD", Shipped::password("regulator")),
    );
    watch.line_with("connected", PATIENCE);
    watch
}

/// Waits until the database has what each point reads since its registers were written.
fn until_stored(site: &Site, points: &[Point], readings: &[Vec<Reading>], step: usize, since: i64) {
    support::until(&format!("step {step} in the database"), || {
        let stored = series::samples(&site.influx, points, since);
        for ((point, readings), samples) in points.iter().zip(readings).zip(&stored) {
            let (last, expected) = (samples.last(), &readings[step]);
            if !last.is_some_and(|sample| sample.reading.is(expected)) {
                return Err(format!("{point:?} reads {last:?}, not {expected:?}"));
            }
        }
        Ok(())
    });
}

/// Every sample must be what its registers held at its time.
fn check(point: &Point, samples: &[Sample], readings: &[Reading], written: &[Written]) {
    let mut step = 0;
    for sample in samples {
        let fits = |step: &usize| {
            let next = written.get(step + 1);
            sample.reading.is(&readings[*step])
                && written[*step].begun <= sample.at
                && next.is_none_or(|next| sample.at <= next.done + ON_THE_WAY_MS)
        };
        let found = (step..readings.len()).find(fits);
        step = found.unwrap_or_else(|| {
            panic!(
                "{}/{} reads {sample:?} after step {step} of {readings:?}, written {written:?}",
                point.unit, point.point
            )
        });
    }
    assert_eq!(
        samples
            .last()
            .map(|sample| sample.reading.is(&readings[STEPS - 1])),
        Some(true),
        "{point:?}"
    );
}

/// The crossings of an alarm are those that were worked out, each from a sample of its step.
fn check_alarm(alarm: &alarms::Alarm, told: &[&Value], written: &[Written]) {
    let words = |event: &&Value| {
        let word = |key: &str| event[key].as_str().unwrap().to_owned();
        (word("event"), word("level"))
    };
    let told_words: Vec<_> = told.iter().map(words).collect();
    let expected: Vec<_> = alarm
        .crossings
        .iter()
        .map(|(_, event, level)| ((*event).to_owned(), (*level).to_owned()))
        .collect();
    assert_eq!(told_words, expected, "{}", alarm.id);
    let mut occurrence = 0;
    for ((step, ..), event) in alarm.crossings.iter().zip(told) {
        occurrence += u64::from(event["event"] == "raised");
        assert_eq!(event["occurrence"], occurrence, "{event}");
        let at = utc(&event["changed_at"]);
        assert!(written[*step].begun <= at, "{event}, {written:?}");
        if let Some(next) = written.get(step + 1) {
            assert!(at <= next.done + ON_THE_WAY_MS, "{event}, {written:?}");
        }
    }
}

/// The crossings are in the database too.
fn check_stored_alarms(site: &Site, told: &[&Value], since: i64) {
    assert!(!told.is_empty());
    let value = |event: &Value| match &event["value"] {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        value => value.as_f64(),
    };
    support::until("every crossing in the database", || {
        let rows = series::rows(&site.influx, "alarm", since);
        for event in told {
            let is_same = |row: &&series::Row| {
                let text = |key: &str| row.get(key).map(String::as_str);
                let tags = ["unit", "point", "rule"].map(|key| text(key).unwrap_or_default());
                text("seq") == Some(&event["seq"].to_string())
                    && event["id"] == tags.join("/")
                    && text("park") == Some("east-park")
                    && text("enterprise") == Some("acme-chem")
                    && ["event", "level", "letter"]
                        .iter()
                        .all(|key| text(key) == event[key].as_str())
                    && text("at") == Some(&utc(&event["changed_at"]).to_string())
                    && text("value").map(|text| text.parse::<f64>().unwrap()) == value(event)
            };
            if !rows.iter().any(|row| is_same(&row)) {
                return Err(format!("{event}\nin {rows:#?}"));
            }
        }
        Ok(())
    });
}

/// Who subscribes only now gets the state that the others hold.
fn check_retained(broker: &Shipped, states: &Value) {
    let site = "fengsui/v1/east-park/acme-chem";
    let access = broker.access("regulator");
    let late = Subscriber::start(
        broker.broker.port(),
        "311",
        &["fengsui/v1/east-park/+/alarm/#"],
        &access.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let mut left: Vec<String> = alarms::ALARMS
        .iter()
        .filter(|alarm| !alarm.crossings.is_empty())
        .map(|alarm| alarm.id.to_owned())
        .collect();
    let prefix = format!("{site}/alarm/state/");
    while !left.is_empty() {
        let is_state = |message: &Message| message.retain && message.topic.starts_with(&prefix);
        let message = late.message(PATIENCE, is_state);
        let id = message.topic.replace(&prefix, "");
        if let Some(index) = left.iter().position(|left| *left == id) {
            let body: Value = serde_json::from_str(&message.payload).unwrap();
            assert_eq!(body, states[&id]);
            left.swap_remove(index);
        }
    }
}

fn utc(time: &Value) -> i64 {
    let time: UtcMs = time.as_str().unwrap().parse().unwrap();
    time.0
}
