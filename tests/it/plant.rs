//! A plant that raises, changes and clears alarms: three probes on a Modbus line, and the real gateway that polls them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use support::{Gateway, Slaves, program};
use tempfile::TempDir;

/// Far longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The id of a probe's alarm.
pub(super) fn hot(probe: u8) -> String {
    format!("hall/t-{probe}/hot")
}

/// The token of its local API.
pub(super) const TOKEN: &str = "let me in";

const PROBE: &str = r#"name = "probe"
title = "A probe"
source = "made for this test"
[[point]]
name = "temperature"
kind = "temperature"
table = "holding"
address = 0
type = "u16"
eu = "Cel"
"#;

const RULES: &str = r#"pack = "heat"
version = "1"
[[rule]]
name = "hot"
unverified = "a test"
for = { kind = "temperature" }
high = [
  { level = "warn", at = "60 °C", colour = "yellow" },
  { level = "stop", at = "80 °C", colour = "orange" },
]
text = { zh = "{tag} 过热 {value} {eu}", en = "{tag} is hot: {value} {eu}" }
advice = { zh = "冷却 {tag}", en = "Cool {tag}" }
"#;

/// A running plant; it ends with the value.
pub(super) struct Plant {
    gateway: Option<Gateway>,
    slaves: Slaves,
    folder: TempDir,
}

impl Plant {
    /// A plant whose gateway speaks to a broker. Its probes read 0 °C.
    pub(super) fn start(broker: &str) -> Self {
        let slaves = Slaves::tcp(&[1, 2, 3]);
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("probe.toml", PROBE);
        write("heat.toml", RULES);
        let mut bus = format!(
            "name = \"hall\"\n[tcp]\nhost = \"127.0.0.1\"\nport = {}\n",
            slaves.port()
        );
        for number in 1..=3 {
            bus.push_str(&format!(
                "[[slave]]\nname = \"t-{number}\"\nunit_id = {number}\nprofile = \"./probe.toml\"\nunit = \"hall\"\nperiod = \"200ms\"\n"
            ));
        }
        write("hall.toml", &bus);
        write(
            "gateway.toml",
            &format!(
                r#"[site]
park = "east"
enterprise = "plant-1"
gateway = "gw-1"
[broker]
url = "{broker}"
[data]
folder = "data"
[[bus]]
file = "hall.toml"
[rules]
packs = ["heat.toml"]
[http]
listen = "127.0.0.1:0"
token_env = "FENGSUI_TOKEN"
"#
            ),
        );
        let mut plant = Self {
            gateway: None,
            slaves,
            folder,
        };
        plant.start_gateway();
        plant
    }

    /// A file or folder beside the gateway's file.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a file of another one, with some words replaced.
    pub(super) fn rewrite(&self, from: &str, to: &str, changes: &[(&str, &str)]) {
        let mut text = fs::read_to_string(self.path(from)).unwrap();
        for (before, after) in changes {
            assert!(text.contains(before), "{before}");
            text = text.replace(before, after);
        }
        fs::write(self.path(to), text).unwrap();
    }

    /// Copies a folder with all that is in it.
    pub(super) fn copy_folder(&self, from: &str, to: &str) {
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").args([self.path(from), self.path(to)]);
        assert!(copied.status().unwrap().success());
    }

    pub(super) fn remove_folder(&self, name: &str) {
        fs::remove_dir_all(self.path(name)).unwrap();
    }

    /// Starts the gateway after [`Self::stop_gateway`].
    pub(super) fn start_gateway(&mut self) {
        self.start_gateway_with(&[("FENGSUI_TOKEN", TOKEN)]);
    }

    /// Starts it with these secrets.
    pub(super) fn start_gateway_with(&mut self, env: &[(&str, &str)]) {
        let config = self.path("gateway.toml");
        self.gateway = Some(Gateway::start(&config, env));
    }

    pub(super) fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("it runs")
    }

    /// Stops the gateway as a service manager does.
    pub(super) fn stop_gateway(&mut self) {
        let code = self.gateway.take().expect("it runs").stop();
        assert_eq!(code, Some(0));
    }

    /// Ends the gateway as SIGKILL does.
    pub(super) fn kill_gateway(&mut self) {
        self.gateway.take().expect("it runs").kill();
    }

    /// Stops the gateway, and starts it again.
    pub(super) fn restart_gateway(&mut self) {
        self.stop_gateway();
        self.start_gateway();
    }

    /// Sets what a probe reads, in °C.
    pub(super) fn set(&mut self, probe: u8, temperature: u16) {
        self.slaves.set(probe, 0, &[temperature]);
    }

    /// Acknowledges a probe's alarm.
    pub(super) fn acknowledge(&self, probe: u8) {
        let status = program("fengsui")
            .args(["alarms", "ack", &hot(probe), "--by", "li"])
            .args(["--gateway", &self.gateway().url()])
            .env("FENGSUI_TOKEN", TOKEN)
            .status();
        assert!(status.unwrap().success());
    }

    /// The number of the last event.
    pub(super) fn seq(&self) -> u64 {
        self.gateway().status()["seq"].as_u64().unwrap()
    }

    /// Does something, and waits until the gateway has made an event of it, whoever can hear that.
    pub(super) fn makes_an_event(&mut self, act: impl FnOnce(&mut Self)) {
        let before = self.seq();
        act(self);
        self.gateway().wait_for("an event", PATIENCE, |status| {
            status["seq"].as_u64() > Some(before)
        });
    }
}
