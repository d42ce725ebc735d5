//! One gateway serves a site: what becomes of a second one.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Gateway, Mosquitto, Process, Watch, program};

use crate::plant::{PATIENCE, Plant, hot};

/// A gateway's silence that counts as its end: what a second one waits for at most, and some more.
const SILENCE: Duration = Duration::from_secs(90);

const REFUSED: &str = "another gateway serves this site: this one ends";

fn run(plant: &Plant, config: &str) -> Command {
    let mut command = program("fengsui");
    let config = plant.path(config);
    command.arg("run").arg(config).env("FENGSUI_TOKEN", "x");
    command
}

/// Starts a second gateway beside a plant, which ends by itself; what it says.
fn second(plant: &Plant, config: &str) -> Process {
    let mut second = Process::start(&mut run(plant, config));
    is_refused(&mut second);
    second
}

fn is_refused(second: &mut Process) {
    second.line_with(REFUSED, SILENCE);
    let ended = second.child().wait().unwrap();
    assert_eq!(ended.code(), Some(1));
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
fn a_clone_of_a_gateway_is_refused_on_another_folder_and_on_a_copy_and_the_first_one_goes_on() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let regulator = Watch::start(&broker.url(), "east");
    regulator.hears_known();
    plant.set(1, 65);
    regulator.hears_event(&hot(1), "raised");
    let epoch = plant.gateway().status()["epoch"].clone();

    plant.copy_folder("data", "copy");
    for folder in ["\"other\"", "\"copy\""] {
        plant.rewrite("gateway.toml", "clone.toml", &[("\"data\"", folder)]);
        drop(second(&plant, "clone.toml"));
    }
    plant.set(2, 65);
    regulator.hears_event(&hot(2), "raised");
    assert_eq!(plant.gateway().status()["epoch"], epoch);
    assert!(!plant.gateway().said().contains("no connection"));
    let (code, summary) = regulator.end();
    assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
}

/// Waits until all of them but one have ended as refused gateways do.
#[allow(
    clippy::disallowed_methods,
    reason = "a test gives up after a while of the real clock"
)]
fn the_one_that_stays(mut gateways: Vec<Gateway>) -> Gateway {
    let end = Instant::now() + SILENCE;
    while gateways.len() > 1 {
        gateways.retain_mut(|gateway| {
            let Some(code) = gateway.ended() else {
                return true;
            };
            assert_eq!(code, 1);
            assert!(gateway.said().contains(REFUSED), "{}", gateway.said());
            false
        });
        assert!(Instant::now() < end, "{} go on", gateways.len());
        // Nobody tells which child ends first: a look a tick.
        std::thread::sleep(Duration::from_millis(50));
    }
    gateways.pop().expect("not all have gone")
}

#[test]
fn of_three_that_came_while_the_broker_was_away_exactly_one_stays() {
    let mut broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    plant.stop_gateway();
    broker.kill();
    plant.rewrite("gateway.toml", "clone.toml", &[("\"data\"", "\"other\"")]);
    let changes = [("gw-1", "gw-2"), ("\"data\"", "\"third\"")];
    plant.rewrite("gateway.toml", "third.toml", &changes);
    let gateways = ["gateway.toml", "clone.toml", "third.toml"]
        .map(|config| Gateway::start_as(&mut run(&plant, config)));
    broker.restart();
    let stays = the_one_that_stays(gateways.into());
    stays.wait_for("the broker", PATIENCE, |status| {
        status["connected"] == true && status["alarm_state"] == "known"
    });
    let regulator = Watch::start(&broker.url(), "east");
    regulator.hears_known();
    plant.set(1, 65);
    regulator.hears_event(&hot(1), "raised");
    let (code, summary) = regulator.end();
    assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
}

#[test]
fn a_gateway_that_was_killed_does_not_wait_for_what_it_was() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let known = |plant: &Plant| {
        plant.gateway().wait_for("the broker", PATIENCE, |status| {
            status["alarm_state"] == "known"
        });
    };
    known(&plant);
    plant.kill_gateway();
    plant.start_gateway();
    known(&plant);
    assert!(!plant.gateway().said().contains("watching it"));
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
