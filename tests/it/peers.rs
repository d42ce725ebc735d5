//! The peers that the other tests rely on are real, and start and end with their test.

use std::process::Command;
use std::time::Duration;

use support::{Influxd, Mosquitto, SerialPair, Slaves, Subscriber, python};

#[test]
fn mosquitto_keeps_its_port_over_a_kill_and_paho_hears_what_it_is_sent() {
    let mut broker = Mosquitto::start();
    broker.kill();
    broker.restart();
    let subscriber = Subscriber::start(broker.port(), "5", &["a"], &[]);
    let publisher = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-t", "a", "-m", "烽燧", "-p"])
        .arg(broker.port().to_string())
        .status()
        .expect("mosquitto_pub runs");
    assert!(publisher.success());
    let message = subscriber.message(Duration::from_secs(10), |message| message.topic == "a");
    assert_eq!(message.payload, "烽燧");
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
fn pymodbus_slaves_take_registers_over_tcp_and_on_a_serial_pair() {
    let mut slaves = Slaves::tcp(&[1, 2]);
    assert_ne!(slaves.port(), 0);
    slaves.set(2, 10, &[1, 2, 3]);
    let pair = SerialPair::start();
    assert!(pair.near().exists());
    Slaves::rtu(&pair.far(), 9_600, &[7]).set(7, 0, &[65_535]);
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
