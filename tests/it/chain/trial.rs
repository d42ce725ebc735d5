//! A gateway and a node with one detector that nobody answers for: enough to come in at a broker, and to be refused.

use std::fs;
use std::path::PathBuf;

use support::{Gateway, Process, free_port, program};
use tempfile::TempDir;

const RULES: &str = r#"pack = "site"
version = "1"
[[rule]]
name = "high"
unverified = "a test"
for = { kind = "combustible-gas" }
high = [{ level = "L1", at = "25 %LEL", colour = "yellow" }]
text = { zh = "{tag}", en = "{tag}" }
"#;

/// The token of the gateway's API.
pub(super) const API_TOKEN: &str = "the-word-of-the-api";

/// Their files; they go with the value.
pub(super) struct Trial(TempDir);

impl Trial {
    /// `gateway` and `node` are the keys of their `[broker]` tables, `more` what else the gateway has.
    pub(super) fn new(gateway: &str, node: &str, more: &str) -> Self {
        let trial = Self(tempfile::tempdir().unwrap());
        trial.write("rules.toml", RULES);
        trial.write("bus.toml", &bus(free_port()));
        trial.write(
            "gateway.toml",
            &format!(
                r#"[site]
park = "east-park"
enterprise = "acme-chem"
gateway = "gw-1"
[broker]
{gateway}
[data]
folder = "data"
[[node]]
name = "edge-pond"
buses = ["bus.toml"]
[rules]
packs = ["rules.toml"]
[http]
listen = "127.0.0.1:0"
token_env = "FENGSUI_TOKEN"
{more}
"#
            ),
        );
        trial.write(
            "node.toml",
            &format!(
                r#"park = "east-park"
enterprise = "acme-chem"
node = "edge-pond"
buses = ["bus.toml"]
folder = "node"
[broker]
{node}
"#
            ),
        );
        trial
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Starts the gateway and waits until it runs, whatever its broker says.
    pub(super) fn gateway(&self, env: &[(&str, &str)]) -> Gateway {
        let all = [&[("FENGSUI_TOKEN", API_TOKEN)], env].concat();
        Gateway::start(&self.path("gateway.toml"), &all)
    }

    /// Starts the node.
    pub(super) fn node(&self, env: &[(&str, &str)]) -> Process {
        self.node_of("node.toml", env)
    }

    /// Starts a node by another file.
    pub(super) fn node_of(&self, file: &str, env: &[(&str, &str)]) -> Process {
        let mut command = program("fengsui-node");
        let command = command.arg(self.path(file)).envs(env.iter().copied());
        Process::start(command)
    }
}

fn bus(port: u16) -> String {
    format!(
        r#"name = "field"
timeout = "200ms"
[tcp]
host = "127.0.0.1"
port = {port}
[[slave]]
name = "gt-101"
unit_id = 1
profile = "gas-combustible"
unit = "tank-1"
period = "250ms"
"#
    )
}
