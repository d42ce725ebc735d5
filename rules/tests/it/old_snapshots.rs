//! Snapshots that older versions of this program wrote are read.

use std::sync::Arc;

use rules::effect::AlarmIdx;
use rules::engine::Engine;
use rules::program::Program;

use crate::aside::program;
use crate::support::{Told, any_held, builder, high, level, rule, spec};

/// A snapshot as an older version of this program wrote it.
fn kept(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// An engine that goes on from one.
fn restored(program: Arc<Program>, hex: &str) -> Told {
    let mut effects = Vec::new();
    let engine = Engine::restore(program, &kept(hex), &mut effects).unwrap();
    Told {
        engine,
        effects,
        alarm: AlarmIdx(0),
    }
}

#[test]
fn a_snapshot_of_the_first_version_is_read() {
    let mut builder = builder(&["a", "b"], 10);
    let gas = rule(&mut builder, "gas");
    builder
        .alarm(spec(gas, vec![level("L1", high(25.0, 3.0))]))
        .unwrap();
    let program = Arc::new(builder.build());
    let mut told = restored(program, include_str!("../kept/snapshot-1.hex"));
    let gas = told.engine.alarm(AlarmIdx(0));
    assert_eq!((gas.letter().as_str(), gas.level), ("C", Some(0)));
    told.expect(&[]);
}

#[test]
fn a_snapshot_of_the_second_version_which_told_of_calibrations_is_read() {
    let mut told = restored(program(), include_str!("../kept/snapshot-2.hex"));
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
    let mut told = restored(program(), include_str!("../kept/snapshot-3.hex"));
    let gas = told.engine.alarm(AlarmIdx(0));
    assert!(gas.silenced && gas.flags.test);
    told.time(15_000);
    told.expect(&["603 gas re-alarmed L1 B", "14403 gas test-ended L1 B"]);
}

#[test]
fn a_snapshot_of_the_fourth_version_which_did_not_say_what_an_alarm_reads_is_read() {
    let mut told = restored(
        any_held(&["a", "b"]),
        include_str!("../kept/snapshot-4.hex"),
    );
    // Five of its ten seconds are over.
    told.time(12);
    told.expect(&["10 any raised on B"]);
}
