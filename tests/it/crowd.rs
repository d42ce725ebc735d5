//! More alarms at once than a broker's queues hold: Mosquitto as it comes, without the lifted limits of the shipped configuration.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::json;
use support::{Counters, Gateway, Mosquitto, Regulator, Watch};

use crate::plant::PATIENCE;

const SLAVES: u8 = 50;
const REGISTERS: u16 = 100;
/// One alarm for each register.
const ALARMS: u64 = 5_000;

fn write_files(folder: &Path, broker: &str, port: u16) {
    let mut profile =
        "name = \"rack\"\ntitle = \"A rack\"\nsource = \"made for this test\"\n".to_owned();
    for address in 0..REGISTERS {
        profile.push_str(&format!(
            "[[point]]\nname = \"r{address:02}\"\nkind = \"temperature\"\ntable = \"holding\"\naddress = {address}\ntype = \"u16\"\neu = \"Cel\"\n"
        ));
    }
    let mut bus = format!(
        "name = \"hall\"\ntimeout = \"20s\"\nturnaround = \"1ms\"\n[tcp]\nhost = \"127.0.0.1\"\nport = {port}\n"
    );
    for unit in 1..=SLAVES {
        bus.push_str(&format!(
            "[[slave]]\nname = \"s{unit}\"\nunit_id = {unit}\nprofile = \"./rack.toml\"\nunit = \"hall\"\nperiod = \"2s\"\nmax_age = \"2min\"\n"
        ));
    }
    let rules = "pack = \"heat\"\nversion = \"1\"\n[[rule]]\nname = \"hot\"\nunverified = \"a test\"\nfor = { kind = \"temperature\" }\nhigh = [{ level = \"warn\", at = \"60 °C\", colour = \"yellow\" }]\ntext = { zh = \"{tag} 过热 {value} {eu}\", en = \"{tag} is hot: {value} {eu}\" }\n";
    let gateway = format!(
        "[site]\npark = \"east\"\nenterprise = \"plant-1\"\ngateway = \"gw-1\"\n[broker]\nurl = \"{broker}\"\n[data]\nfolder = \"data\"\n[[bus]]\nfile = \"hall.toml\"\n[rules]\npacks = [\"heat.toml\"]\n[http]\nlisten = \"127.0.0.1:0\"\n"
    );
    for (name, text) in [
        ("rack.toml", profile.as_str()),
        ("hall.toml", &bus),
        ("heat.toml", rules),
        ("gateway.toml", &gateway),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn five_thousand_alarms_at_once_all_arrive_through_a_broker_with_short_queues() {
    let broker =
        Mosquitto::with(|port| format!("listener {port} 127.0.0.1\nallow_anonymous true\n"));
    let reading = Arc::new(AtomicU16::new(20));
    let shown = Arc::clone(&reading);
    let slaves = Counters::start(move |_, _, _| shown.load(Ordering::SeqCst));
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &broker.url(), slaves.port());
    let config = folder.path().join("gateway.toml");
    let watch = Watch::start(&broker.url(), "east");
    let mut regulator = Regulator::start(broker.port(), "5", "regulator-1", "east");
    let mut gateway = Gateway::start(&config, &[]);
    slaves.wait_for(SLAVES, 2);

    reading.store(65, Ordering::SeqCst);
    gateway.wait_for("every alarm", PATIENCE, |status| {
        status["alarms"].as_u64() >= Some(ALARMS)
    });
    // Who was there has every event: what the broker dropped is asked for.
    regulator.wait_for("every event", PATIENCE, |report| {
        report.is_complete() && report.chain.len() as u64 >= ALARMS
    });

    // Who comes now, and who comes after a restart of the gateway, sees every alarm.
    let newcomer = Watch::start(&broker.url(), "east");
    newcomer.hears_known();
    assert_eq!(gateway.stop(), Some(0));
    gateway = Gateway::start(&config, &[]);
    gateway.wait_for("the broker", PATIENCE, |status| {
        status["alarm_state"] == "known"
    });
    let last = Watch::start(&broker.url(), "east");
    last.hears_known();
    let alarms = gateway.status()["alarms"].clone();
    assert!(alarms.as_u64() >= Some(ALARMS), "{alarms}");
    for watch in [watch, newcomer, last] {
        let (code, summary) = watch.end();
        assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
        assert_eq!(summary["sites"][0]["alarms"], alarms, "{summary:#}");
        assert_eq!(summary["sites"][0]["missing"], 0, "{summary:#}");
        assert!(
            summary["counts"]["snapshots"].as_u64() >= Some(1),
            "{summary:#}"
        );
    }
}
