//! `fengsui bus read` against pretend sensors on a real socket.

use std::fs;
use std::process::{Command, Output};

use simbus::{Bus, Scenario};

const BUS: &str = r#"name = "farm"
timeout = "100ms"
[tcp]
host = "127.0.0.1"
port = PORT
[[slave]]
name = "gt-1"
unit_id = 1
profile = "gas-combustible"
unit = "u"
period = "1s"
[[slave]]
name = "ot-2"
unit_id = 2
profile = "gas-oxygen"
unit = "u"
period = "1s"
"#;

const GOOD: &str = r#"
[[slave]]
unit = 1
register = [
  { space = "holding", address = 0, value = 123 },
  { space = "holding", address = 1, value = 0 },
  { space = "holding", address = 2, value = 1 },
  { space = "holding", address = 3, value = 250 },
  { space = "holding", address = 4, value = 500 },
  { space = "holding", address = 5, value = 0 },
]
"#;

const OXYGEN: &str = r#"
[[slave]]
unit = 2
register = [
  { space = "input", address = 0, value = 0 },
  { space = "input", address = 1, value = 0 },
]
"#;

/// Runs `fengsui bus read` on a bus that plays a scenario.
async fn read(scenario: &str, args: &[&str]) -> Output {
    let scenario: Scenario = scenario.parse().expect("a scenario");
    let bus = Bus::start_tcp(scenario).await.expect("a bus");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.toml");
    let port = bus.local_addr().port().to_string();
    fs::write(&path, BUS.replace("PORT", &port)).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fengsui"));
    command.args(["bus", "read"]).arg(&path).args(args);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("it ends")
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sweep_shows_values_qualities_and_raw_registers() {
    let output = read(&format!("{GOOD}{OXYGEN}"), &["--raw"]).await;
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stdout);
    let lines: Vec<Vec<&str>> = told
        .lines()
        .skip(2)
        .map(|line| line.split_whitespace().collect())
        .collect();
    // 123 tenths of %LEL; a dead oxygen cell that reads 0 is a failed sensor.
    assert_eq!(
        lines[0][..6],
        ["1", "gt-1", "u/gt-1", "12.3", "%LEL", "good"],
        "{told}"
    );
    assert!(
        told.contains("holding 0=0x007B  holding 2=0x0001"),
        "{told}"
    );
    assert_eq!(
        lines[1][..6],
        ["2", "ot-2", "u/ot-2", "–", "%VOL", "sensor-failure"],
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_slave_is_named_and_the_others_are_read() {
    let output = read(GOOD, &["--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "slave 2 ot-2: does not answer within 100 ms (input 0 to 1)\n"
    );
    let points: Vec<serde_json::Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(points[0]["value"], 12.3);
    assert_eq!(points[1]["quality"], "comm-error");
    assert_eq!(points[1].get("value"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_bus_file_is_told_with_exit_code_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.toml");
    fs::write(&path, "name = \"b\"\n").expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_fengsui"))
        .args(["bus", "read"])
        .arg(&path)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("bus.toml:1:1: slave: missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_not_there_is_exit_code_3() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener
        .local_addr()
        .expect("its number")
        .port()
        .to_string();
    drop(listener);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.toml");
    fs::write(&path, BUS.replace("PORT", &port)).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_fengsui"))
        .args(["bus", "read"])
        .arg(&path)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(3));
    // The reason is the bus's and is told once, not for each slave.
    let told = format!("farm: 127.0.0.1:{port}: Connection refused (os error 111)\n");
    assert_eq!(text(&output.stderr), told);
}
