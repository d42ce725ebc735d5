//! What must be true in the end, whatever was killed on the way.

use std::collections::{BTreeMap, BTreeSet};

use support::Report;
use telemetry::body::PackId;

use super::model;
use super::record::{Place, Told};
use super::site::{PATIENCE, REGISTERS, SLAVES, Site, point, register};

/// How far the clocks of a slave and of the node may differ: one computer has both, and they are read a moment apart.
const CLOCK_MS: i64 = 20;

/// Proves a site that has settled, and stops its gateway. `held` is what the outbox of each killed node had.
pub(super) fn prove(site: &mut Site, report: &Report, held: &[Vec<PackId>]) {
    who_comes_now_sees_the_same(site, report);
    goodbye_says_unknown(site);
    let told = nothing_is_lost(site, held);
    alarms_are_right(report, &told);
}

/// Every reading is in the log of a gateway that has stopped, and in the database, once. Gives what the log told.
pub(super) fn nothing_is_lost(site: &Site, held: &[Vec<PackId>]) -> Told {
    // What the gateway leaves behind is all on disk, and its writer has written it.
    let told = Told::read(&site.log(), site.log_end());
    packs_are_there_once(&told, held);
    for unit in 1..=SLAVES {
        readings_are_what_the_slave_said(site, &told, unit);
    }
    database_has_the_same(site, &told);
    told
}

fn packs_are_there_once(told: &Told, held: &[Vec<PackId>]) {
    let twice: Vec<_> = told.packs.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "packs stand in the log twice: {twice:?}");
    assert!(told.has_no_hole());
    assert_eq!(told.gaps, 0);
    for id in held.iter().flatten() {
        assert!(told.packs.contains_key(id), "{id:?} was in the outbox");
    }
    let boots: BTreeSet<u64> = told.packs.keys().map(|id| id.boot).collect();
    assert_eq!(boots.len(), held.len() + 1, "{boots:?}");
}

/// Each point's values are the slave's, in the slave's order and at its time; only a node that ends may leave reads out, at its end.
fn readings_are_what_the_slave_said(site: &Site, told: &Told, unit: u8) {
    let answered = site.slaves.answered(unit);
    let readings = told.readings(unit);
    let mut before: Option<(u64, u32)> = None;
    for (index, (at, read)) in readings.iter().enumerate() {
        let (at, read) = (*at, *read);
        let boot = told.boots[&(point(unit, 0), at)];
        let follows = match before {
            None => read == 1,
            Some((_, last)) if last == site.reads => read == last,
            Some((earlier, last)) => read == last + 1 || (boot != earlier && read > last),
        };
        assert!(
            follows,
            "slave {unit}: read {read} of boot {boot} after {before:?}"
        );
        before = Some((boot, read));
        let next_boot = readings
            .get(index + 1)
            .map(|(at, _)| told.boots[&(point(unit, 0), *at)]);
        for other in 0..REGISTERS {
            let place = (point(unit, other), at);
            match told.values.get(&place) {
                Some(values) => {
                    let said = f64::from(register(unit, other, read));
                    assert_eq!(values, &[said], "{place:?}");
                }
                // The last reading of a boot may have been packed in part.
                None => assert_ne!(next_boot, Some(boot), "{place:?} is missing"),
            }
        }
        // A read is answered before its reading is dated, and dated before the next read.
        let number = usize::try_from(read).unwrap();
        if read < site.reads {
            let may = answered[number - 1] - CLOCK_MS..=answered[number] + CLOCK_MS;
            assert!(may.contains(&at), "read {read} is of {at}, not of {may:?}");
        }
    }
    assert_eq!(before.map(|(_, read)| read), Some(site.reads));
}

/// Every reading of the log is in the database with its value and time, and nothing else is.
fn database_has_the_same(site: &Site, told: &Told) {
    let bucket = site.influx.bucket();
    let from = format!(
        r#"from(bucket: "{bucket}") |> range(start: 0) |> filter(fn: (r) => r._measurement == "sample" and r._field == "value") |> group()"#
    );
    let number = |flux: &str| -> f64 {
        let table = site.influx.query(&format!("{from} |> {flux}"));
        let cell = table.trim().rsplit(',').next().unwrap().trim().to_owned();
        cell.parse().unwrap_or_else(|_| panic!("{flux}: {table}"))
    };
    let sum: f64 = told.values.values().flatten().sum();
    #[allow(clippy::cast_precision_loss, reason = "some 100,000 of them")]
    let count = told.values.len() as f64;
    assert_eq!((number("count()"), number("sum()")), (count, sum));
    let table = site.influx.query(&format!(
        r#"{from} |> map(fn: (r) => ({{at: int(v: r._time) / 1000000, point: r.point, value: r._value}}))"#
    ));
    let mut lines = table.trim().lines().map(str::trim);
    assert_eq!(lines.next(), Some(",result,table,at,point,value"));
    let rows: BTreeMap<Place, f64> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let place = (cells[4].to_owned(), cells[3].parse().unwrap());
            (place, cells[5].parse().unwrap())
        })
        .collect();
    assert_eq!(rows.len(), told.values.len());
    for (place, value) in &rows {
        assert_eq!(told.values.get(place), Some(&vec![*value]), "{place:?}");
    }
}

/// The events are those of the model, each once, on one chain; and so are the states.
fn alarms_are_right(report: &Report, told: &Told) {
    assert_eq!(report.said["problems"], serde_json::json!([]));
    let expected = model::expected(&told.live);
    let heard = model::heard(&report.chain);
    for (point, events) in &expected {
        assert_eq!(heard.get(point), Some(events), "{point}");
    }
    assert_eq!(heard.len(), expected.len());
    let words: Vec<&str> = report
        .chain
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    assert!(!words.contains(&"gap"), "{words:?}");
    for (point, events) in &expected {
        let state = &report.said["states"][format!("hall/{point}/high")];
        let (letter, level) = model::ends(events);
        assert_eq!(state["letter"], letter, "{state}");
        assert_eq!(state["unknown"], false, "{state}");
        assert!(
            level.is_none() || state["level"].as_str() == level,
            "{state}"
        );
        assert_eq!(
            state["occurrence"].as_u64(),
            events.last().map(|it| it.occurrence)
        );
    }
}

/// What the broker retains is what the regulator holds who was there from the beginning.
fn who_comes_now_sees_the_same(site: &Site, report: &Report) {
    let mut newcomer = support::Regulator::start(site.broker.port(), "311", "regulator-2", "binhe");
    let seen = newcomer.wait_for("the same", PATIENCE, |seen| {
        seen.is_complete() && seen.said["states"] == report.said["states"]
    });
    // One of them may have heard an event more that made no state.
    let mut both = seen.chain.iter().zip(&report.chain);
    assert!(both.all(|(seen, heard)| seen == heard));
    assert_eq!(seen.said["problems"], serde_json::json!([]));
}

/// Asked to stop, the gateway says that nothing is known any more, and leaves with 0.
pub(super) fn goodbye_says_unknown(site: &mut Site) {
    assert_eq!(site.gateway.stop(), Some(0));
    site.regulator.wait_for("goodbye", PATIENCE, |report| {
        let last = report.said["statuses"].as_array().and_then(|it| it.last());
        last.is_some_and(|last| last["alarm_state"] == "unknown" && last["state"] == "offline")
    });
}

/// `fengsui watch --check` was there all the time, heard as many events as the regulator, and has nothing to say against the gateway.
pub(super) fn the_check_is_clean(site: Site, report: &Report) {
    let (code, summary) = site.watch.end();
    assert_eq!(
        (code, &summary["problems"]),
        (0, &serde_json::json!([])),
        "{summary:#}"
    );
    assert_eq!(summary["sites"][0]["missing"], 0, "{summary:#}");
    let heard = summary["counts"]["events"].as_u64();
    assert!(
        heard >= u64::try_from(report.chain.len()).ok(),
        "{summary:#}"
    );
}
