//! The peers that the other tests rely on are real, and start and end with their test.

use std::process::Command;
use std::time::Duration;

use support::{Influxd, Mosquitto, Process, SerialPair, python};

#[test]
fn mosquitto_keeps_its_port_over_a_kill() {
    let mut broker = Mosquitto::start();
    broker.kill();
    broker.restart();
    let subscriber = Process::start(
        Command::new("mosquitto_sub")
            .args(["-V", "5", "-h", "127.0.0.1", "-t", "a", "-C", "1", "-p"])
            .arg(broker.port().to_string()),
    );
    broker.log_line("Received SUBSCRIBE");
    let publisher = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-t", "a", "-m", "烽燧", "-p"])
        .arg(broker.port().to_string())
        .status()
        .expect("mosquitto_pub runs");
    assert!(publisher.success());
    subscriber.line_with("烽燧", Duration::from_secs(10));
}

#[test]
fn influxdb_answers_flux_about_an_empty_bucket() {
    let server = Influxd::start();
    let answer = server.query(&format!(
        "from(bucket:\"{}\") |> range(start: 0) |> count()",
        server.bucket()
    ));
    assert_eq!(answer.trim(), "");
}

#[test]
fn a_serial_pair_has_two_ends() {
    let pair = SerialPair::start();
    assert!(pair.near().exists() && pair.far().exists());
}

#[test]
fn the_python_peers_are_installed() {
    let output = python("versions.py").output().expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("pymodbus 3.") && said.contains("paho-mqtt 2."),
        "{output:?}"
    );
}
