//! The device types that come with the program, read as a device would answer.

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use telemetry::Value;

use super::*;
use crate::{Function, Plan, Reply};

/// What a device holds: registers and bits by table and address; others are 0.
type Memory = BTreeMap<(Function, u16), u16>;

fn memory(table: Function, first: u16, words: &[u16]) -> Memory {
    (first..)
        .zip(words)
        .map(|(address, word)| ((table, address), *word))
        .collect()
}

/// One sweep over a single slave of a profile, each point as `name value unit quality`.
fn sweep(profile: &str, points: &str, memory: &Memory) -> Vec<String> {
    let text = format!(
        "name = \"b\"\n[tcp]\nhost = \"h\"\n[[slave]]\nname = \"s\"\nunit_id = 1\nunit = \"u\"\nperiod = \"1s\"\nprofile = \"{profile}\"\npoints = {points}\n"
    );
    let problems = Problems::default();
    let source = Source::new("b.toml", text);
    let bus = load_bus(
        &source,
        &|name| find_profile(Path::new("b.toml"), name),
        &problems,
    );
    assert_eq!(problems.to_string(), "");
    let bus = bus.expect("no problem");
    let plan = Plan::new(&bus);
    let mut image = plan.image();
    let mut told = Vec::new();
    for (idx, request) in plan.requests.iter().enumerate() {
        let words: Vec<u16> = (request.address..)
            .take(usize::from(request.count))
            .map(|address| {
                memory
                    .get(&(request.function, address))
                    .copied()
                    .unwrap_or(0)
            })
            .collect();
        let bits: Vec<bool> = words.iter().map(|word| *word != 0).collect();
        let reply = if request.function.is_bits() {
            Reply::Bits(&bits)
        } else {
            Reply::Words(&words)
        };
        plan.decode(
            &bus,
            &mut image,
            idx,
            reply,
            &mut |point, value, quality| {
                let point = &bus.points[point];
                let value = match value {
                    Some(Value::Number(number)) => format!("{number}"),
                    Some(Value::Bool(state)) => format!("{state}"),
                    None => "–".to_string(),
                };
                let eu = point.eu.as_deref().unwrap_or("-");
                told.push(format!("{} {value} {eu} {}", point.point, quality.word()));
            },
        );
    }
    told.sort();
    told
}

const HOLDING: Function = Function::HoldingRegisters;
const INPUT: Function = Function::InputRegisters;

#[test]
fn a_combustible_detector_gives_a_number_only_when_it_means_one() {
    // Value, unit code, precision code, low limit, high limit, status.
    for (words, expected) in [
        ([253, 0, 1, 250, 500, 1], "s 25.3 %LEL good"),
        ([26, 0, 0, 25, 50, 2], "s 26 %LEL good"),
        ([253, 0, 1, 250, 500, 3], "s – %LEL sensor-failure"),
        ([253, 0, 1, 250, 500, 4], "s – %LEL warming-up"),
        ([253, 0, 1, 250, 500, 5], "s 25.3 %LEL calibration"),
        // The flooded bead has folded back to 3 %LEL.
        ([30, 0, 1, 250, 500, 6], "s 100 %LEL over-range"),
        ([1_050, 0, 1, 250, 500, 2], "s 105 %LEL over-range"),
        ([253, 0, 1, 250, 500, 99], "s – %LEL bad"),
        ([0x7FFF, 0, 1, 250, 500, 0], "s – %LEL sensor-failure"),
        ([0x8000, 0, 1, 250, 500, 0], "s – %LEL not-connected"),
        // It was set to ppm, or to a precision that nobody knows.
        ([253, 1, 1, 250, 500, 0], "s – %LEL configuration"),
        ([253, 0, 9, 250, 500, 0], "s – %LEL configuration"),
    ] {
        let told = sweep("gas-combustible", "{}", &memory(HOLDING, 0, &words));
        assert_eq!(told, [expected], "{words:?}");
    }
}

#[test]
fn a_toxic_detector_converts_between_its_unit_and_the_wanted_one() {
    let points = "{ gas = { kind = \"carbon-monoxide\" }, low-limit = true }";
    let told = sweep(
        "gas-toxic",
        points,
        &memory(HOLDING, 0, &[24, 1, 0, 20, 40, 0]),
    );
    assert_eq!(told, ["s 24 ppm good", "s.low-limit 20 ppm good"]);
    let told = sweep(
        "gas-toxic",
        points,
        &memory(HOLDING, 0, &[24, 2, 3, 20, 40, 0]),
    );
    assert_eq!(told[0], "s 240 ppm good");
}

#[test]
fn a_dead_oxygen_cell_is_a_failed_sensor_not_air_without_oxygen() {
    for (words, expected) in [
        ([209, 0], "s 20.9 %VOL good"),
        ([0, 0], "s – %VOL sensor-failure"),
        ([310, 0], "s – %VOL out-of-range"),
        ([195, 3], "s – %VOL sensor-failure"),
    ] {
        let told = sweep("gas-oxygen", "{}", &memory(INPUT, 0, &words));
        assert_eq!(told, [expected], "{words:?}");
    }
}

#[test]
fn a_dust_collectors_broken_thermometer_leaves_the_rest_alone() {
    let pressure = 850.5_f32.to_bits();
    let (low, high) = (pressure & 0xFFFF, pressure >> 16);
    let word = |half: u32| u16::try_from(half).expect("16 bits");
    let mut held = memory(INPUT, 0, &[word(low), word(high), 415, 8_500]);
    held.insert((INPUT, 12), 0b010);
    held.insert((Function::DiscreteInputs, 0), 1);
    assert_eq!(
        sweep("dust-collector", "{}", &held),
        [
            "s.airlock-fault false - good",
            "s.dp 850.5 Pa good",
            "s.fan-running true - good",
            "s.hopper-temperature – Cel sensor-failure",
            "s.inlet-temperature – Cel not-connected",
        ]
    );
}

#[test]
fn a_radar_that_has_lost_its_echo_has_no_level() {
    let level = |value: f32, status| {
        let bits = value.to_bits().to_be_bytes();
        let [a, b, c, d] = bits;
        let words = [
            u16::from_be_bytes([a, b]),
            u16::from_be_bytes([c, d]),
            0,
            0,
            status,
        ];
        sweep("pond-level", "{}", &memory(INPUT, 0, &words))
    };
    assert_eq!(level(12.25, 0), ["s 12.25 m good"]);
    assert_eq!(level(12.25, 1), ["s 12.25 m not-accurate"]);
    assert_eq!(level(-9999.0, 0), ["s – m sensor-failure"]);
    assert_eq!(level(f32::NAN, 0), ["s – m sensor-failure"]);
    assert_eq!(level(12.25, 2), ["s – m sensor-failure"]);
}

#[test]
fn a_piezometer_loggers_channels_have_a_status_each() {
    let depth = 6.5_f32.to_bits();
    let (low, high) = (depth & 0xFFFF, depth >> 16);
    let word = |half: u32| u16::try_from(half).expect("16 bits");
    let channel = [word(low), word(high), 0, 0];
    let mut held = memory(HOLDING, 0, &channel);
    held.extend(memory(HOLDING, 18, &channel));
    held.insert((HOLDING, 22), 2);
    assert_eq!(
        sweep("piezometer-8", "{ ch1 = true, ch4 = true }", &held),
        ["s.ch1 6.5 m good", "s.ch4 – m sensor-failure"]
    );
}

#[test]
fn a_rain_gauge_counts_on_in_tenths_of_a_millimetre() {
    for (word, expected) in [(0, "s 0 mm good"), (65_535, "s 6553.5 mm good")] {
        let held = memory(HOLDING, 0, &[word]);
        assert_eq!(sweep("rain-gauge", "{}", &held), [expected]);
    }
}

#[test]
fn a_welding_machines_meter_gives_current_session_and_energy() {
    let held = memory(HOLDING, 0, &[1_234, 221, 0x0001, 0x86A0, 0, 0, 0b001]);
    assert_eq!(
        sweep("welding-meter", "{ energy = true }", &held),
        [
            "s.case-open false - good",
            "s.current 123.4 A good",
            "s.energy 1000 kW.h good",
            "s.session true - good",
            "s.voltage 22.1 V good",
        ]
    );
}
