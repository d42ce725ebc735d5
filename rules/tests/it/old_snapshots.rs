//! Snapshots that older versions of this program wrote are read.

use std::sync::Arc;

use rules::effect::AlarmIdx;
use rules::engine::Engine;

use crate::aside::program;
use crate::support::{Told, any_held, builder, high, level, rule, spec};

/// A snapshot as an older version of this program wrote it.
fn kept(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn a_snapshot_of_the_first_version_is_read() {
    let mut builder = builder(&["a", "b"], 10);
    let gas = rule(&mut builder, "gas");
    builder
        .alarm(spec(gas, vec![level("L1", high(25.0, 3.0))]))
        .unwrap();
    let snapshot = kept(include_str!("../kept/snapshot-1.hex"));
    let mut effects = Vec::new();
    let engine = Engine::restore(Arc::new(builder.build()), &snapshot, &mut effects).unwrap();
    let gas = engine.alarm(AlarmIdx(0));
    assert_eq!((gas.letter().as_str(), gas.level), ("C", Some(0)));
    assert_eq!(effects, []);
}

#[test]
fn a_snapshot_of_the_second_version_which_told_of_calibrations_is_read() {
    let snapshot = kept(include_str!("../kept/snapshot-2.hex"));
    let mut effects = Vec::new();
    let engine = Engine::restore(program(), &snapshot, &mut effects).unwrap();
    let mut told = Told {
        engine,
        effects,
        alarm: AlarmIdx(0),
    };
    assert!(told.engine.alarm(AlarmIdx(0)).flags.test);
    told.time(300);
    assert!(
        told.engine.alarm(AlarmIdx(0)).flags.test,
        "its sensor says so"
    );
    told.good(301, 0, 30.0);
    told.expect(&["200 gas unshelved L1 B", "301 gas test-ended L1 B"]);
}

#[test]
fn a_snapshot_of_the_third_version_which_knew_no_end_of_a_silence_and_of_a_calibration_gets_both() {
    let snapshot = kept(include_str!("../kept/snapshot-3.hex"));
    let mut effects = Vec::new();
    let engine = Engine::restore(program(), &snapshot, &mut effects).unwrap();
    let mut told = Told {
        engine,
        effects,
        alarm: AlarmIdx(0),
    };
    let gas = told.engine.alarm(AlarmIdx(0));
    assert!(gas.silenced && gas.flags.test);
    told.time(15_000);
    told.expect(&["603 gas re-alarmed L1 B", "14403 gas test-ended L1 B"]);
}

#[test]
fn a_snapshot_of_the_fourth_version_which_did_not_say_what_an_alarm_reads_is_read() {
    let snapshot = kept(include_str!("../kept/snapshot-4.hex"));
    let mut effects = Vec::new();
    let engine = Engine::restore(any_held(&["a", "b"]), &snapshot, &mut effects).unwrap();
    let mut told = Told {
        engine,
        effects,
        alarm: AlarmIdx(0),
    };
    // Five of its ten seconds are over.
    told.time(12);
    told.expect(&["10 any raised on B"]);
}
