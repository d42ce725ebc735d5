use std::fs;
use std::path::{Path, PathBuf};
use std::string::ToString;
use std::vec::Vec;

use super::*;
use crate::{FailSafe, Plan, Point};

mod shipped;
mod wrong;

fn configs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../configs")
        .join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    files
}

fn bus(name: &str) -> Bus {
    let path = configs("buses")
        .into_iter()
        .find(|path| path.ends_with(format!("{name}.toml")))
        .expect("there");
    let problems = Problems::default();
    let bus = load_bus_file(&path, &problems);
    assert_eq!(problems.to_string(), "");
    bus.expect("no problem")
}

fn ids(bus: &Bus) -> Vec<String> {
    bus.points
        .iter()
        .map(|point| format!("{}/{} {}", point.unit, point.point, point.kind))
        .collect()
}

#[test]
fn every_profile_in_configs_loads_and_comes_with_the_program() {
    let files = configs("devices");
    for path in &files {
        let problems = Problems::default();
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a name");
        let source = shipped(name).expect("shipped");
        let profile = load_profile(&source, &problems);
        assert_eq!(problems.to_string(), "");
        let profile = profile.expect("no problem");
        assert_eq!(profile.name, name);
        assert!(
            profile.source.contains("pattern"),
            "{name} says where its map is from"
        );
    }
    assert_eq!(files.len(), shipped_names().count());
}

#[test]
fn attributes_of_a_slave_are_those_of_its_points() {
    let tank_farm = bus("tank-farm");
    let with: Vec<&Point> = tank_farm
        .points
        .iter()
        .filter(|point| !point.attributes.is_empty())
        .collect();
    assert!(
        with.iter()
            .all(|point| point.tag.as_deref() == Some("GT-102"))
    );
    assert_eq!(
        with[0].attributes,
        [("medium".to_owned(), "benzene".to_owned())]
    );
}

#[test]
fn every_bus_in_configs_loads() {
    let names: Vec<String> = configs("buses")
        .iter()
        .map(|path| {
            let name = path.file_stem().and_then(|stem| stem.to_str());
            bus(name.expect("a name")).name
        })
        .collect();
    assert_eq!(
        names,
        [
            "dust-workshop",
            "tailings-pond",
            "tank-farm",
            "welding-shop"
        ]
    );
}

#[test]
fn a_slave_of_six_lines_gives_a_point_with_everything_from_its_profile() {
    let bus = bus("tank-farm");
    let point = &bus.points[0];
    assert_eq!(point.unit, "tank-farm-1");
    assert_eq!(point.point, "gt-101");
    assert_eq!(point.kind, "combustible-gas");
    assert_eq!(point.eu.as_deref(), Some("%LEL"));
    assert_eq!(point.tag.as_deref(), Some("GT-101"));
    assert_eq!((point.period_ms, point.max_age_ms), (1_000, 3_000));
    assert_eq!(point.range.map(|range| range.high), Some(100.0));
    let Some(position) = &bus.points[1].position else {
        panic!("gt-102 has a position");
    };
    assert_eq!(position.datum, "CGCS2000");
}

#[test]
fn points_are_named_left_out_and_taken_in_by_the_bus_file() {
    assert_eq!(
        ids(&bus("dust-workshop")),
        [
            "dust-collector-1/filter-dp filter-dp",
            "dust-collector-1/hopper-temperature hopper-temperature",
            "dust-collector-1/inlet-temperature duct-temperature",
            "dust-collector-1/fan-running fan-running",
            "dust-collector-1/airlock-fault airlock-fault",
            "dust-collector-2/filter-dp filter-dp",
            "dust-collector-2/hopper-temperature hopper-temperature",
            "dust-collector-2/fan-running fan-running",
            "dust-collector-2/airlock-fault airlock-fault",
            "dust-collector-2/air-speed duct-air-speed",
        ]
    );
    assert_eq!(
        ids(&bus("tank-farm"))[2..],
        [
            "tank-farm-1/gt-201 hydrogen-sulfide",
            "pump-house/ot-301 oxygen",
            "tank-farm-1/siren siren",
            "tank-farm-1/fan fan",
            "tank-farm-1/fan-running fan-running",
        ]
    );
}

#[test]
fn an_output_is_a_point_that_says_what_it_does_when_nobody_says_what_it_is_to_do() {
    let bus = bus("tank-farm");
    let outputs: Vec<_> = bus
        .points
        .iter()
        .filter_map(|point| Some((point.point.as_str(), point.fail_safe?)))
        .collect();
    assert_eq!(outputs, [("siren", FailSafe::Off), ("fan", FailSafe::Hold)]);
}

#[test]
fn a_repeated_register_keeps_its_distance_and_its_request_within_the_devices_limit() {
    let bus = bus("tailings-pond");
    let plan = Plan::new(&bus);
    let dam: Vec<_> = plan
        .requests
        .iter()
        .filter(|request| request.unit_id == 2)
        .map(|request| (request.address, request.count))
        .collect();
    assert_eq!(dam, [(0, 23)]);
}

#[test]
fn a_loop_of_4_to_20_milliamperes_is_what_its_bus_file_says() {
    let bus = bus("tailings-pond");
    let (idx, point) = bus
        .points
        .iter()
        .enumerate()
        .find(|(_, point)| point.point == "rain-rate")
        .expect("there");
    let plan = Plan::new(&bus);
    let mut image = plan.image();
    let request = plan
        .requests
        .iter()
        .position(|request| request.slave == point.slave)
        .expect("there");
    let mut read = |raw: u16| {
        let mut told = None;
        let reply = crate::Reply::Words(&[raw]);
        plan.decode(
            &bus,
            &mut image,
            request,
            reply,
            &mut |point, value, quality| {
                assert_eq!(point, idx);
                told = Some((value.map(telemetry::Value::as_f64), quality.word()));
            },
        );
        told.expect("told")
    };
    assert_eq!(read(4_000), (Some(0.0), "good"));
    assert_eq!(read(12_000), (Some(100.0), "good"));
    assert_eq!(read(20_000), (Some(200.0), "good"));
    assert_eq!(read(3_000), (None, "not-connected"));
    assert_eq!(read(22_000), (None, "sensor-failure"));
}
