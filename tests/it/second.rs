//! One gateway serves a site: what becomes of a second one.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use support::{Mosquitto, Process, Watch, program};

use crate::plant::{PATIENCE, Plant, hot};

/// A gateway's silence that counts as its end: what a second one waits for at most, and some more.
const SILENCE: Duration = Duration::from_secs(90);

fn run(plant: &Plant, config: &str) -> Command {
    let mut command = program("fengsui");
    let config = plant.path(config);
    command.arg("run").arg(config).env("FENGSUI_TOKEN", "x");
    command
}

/// Starts a second gateway beside a plant, which ends by itself; what it says.
fn second(plant: &Plant, config: &str) -> Process {
    let mut second = Process::start(&mut run(plant, config));
    second.line_with("another gateway serves this site", SILENCE);
    let ended = second.child().wait().unwrap();
    assert_eq!(ended.code(), Some(1));
    second
}

#[test]
fn a_second_gateway_on_a_site_refuses_to_start_and_the_first_one_goes_on() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let regulator = Watch::start(&broker.url(), "east");
    regulator.hears_known();
    let epoch = plant.gateway().status()["epoch"].clone();

    let changes = [("gw-1", "gw-2"), ("\"data\"", "\"other\"")];
    plant.rewrite("gateway.toml", "other.toml", &changes);
    drop(second(&plant, "other.toml"));
    plant.gateway().wait_for("the broker", PATIENCE, |status| {
        status["connected"] == true && status["alarm_state"] == "known"
    });
    plant.set(1, 65);
    regulator.hears_event(&hot(1), "raised");
    assert_eq!(plant.gateway().status()["epoch"], epoch);
    let (code, summary) = regulator.end();
    assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
}

#[test]
fn a_second_gateway_on_a_data_folder_is_refused_at_once() {
    let broker = Mosquitto::start();
    let plant = Plant::start(&broker.url());
    let output = run(&plant, "gateway.toml").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("data/log/lock: another gateway uses this folder"),
        "{said}"
    );
}
