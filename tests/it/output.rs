//! Sirens and fans on real Modbus: relays of pymodbus, one on a bus of the gateway and one on a node's, with Mosquitto between.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::{Gateway, Mosquitto, Process, Schemas, Slaves, Subscriber, Watch, program, until};
use tempfile::TempDir;

use crate::plant::{PATIENCE, TOKEN};

const GAS: &str = "yard/gt-1/gas";
const SIREN: &str = "yard/siren";
const FAN: &str = "yard/fan";
/// The relays' addresses on their buses.
const RELAYS: u8 = 9;

const METER: &str = r#"name = "meter"
title = "A detector"
source = "made for this test"
[[point]]
name = "gas"
kind = "gas"
table = "holding"
address = 0
type = "u16"
eu = "%LEL"
"#;

const RULES: &str = r#"pack = "gas"
version = "1"
[[rule]]
name = "gas"
unverified = "a test"
for = { kind = "gas" }
high = [{ level = "L1", at = "25 %LEL", colour = "yellow", actions = ["siren", "fan"] }]
text = { zh = "{tag} {value}", en = "{tag}: gas {value} {eu}" }
[[rule]]
name = "fan-off"
unverified = "a test"
for = { unit_with = ["gas", "fan-running"] }
when = "any(each(unit.gas) >= 25 %LEL) and not any(each(unit.fan-running))"
degrade = "hold"
level = "off"
colour = "blue"
period = "50ms"
text = { zh = "{unit}", en = "{unit}" }
"#;

const SITE: &str = r#"[[output]]
point = "yard/siren"
rules = ["gas"]
class = "audible"
within = "5s"
reason = "a test"
[[output]]
point = "yard/fan"
rules = ["gas"]
class = "linkage"
feedback = "yard/fan-running"
within = "5s"
reason = "a test"
"#;

/// The site as processes; it ends with the value.
struct Site {
    broker: Mosquitto,
    /// A detector, and the siren's relay.
    gateways: Slaves,
    /// The fan's relay, and the contact that shows that it turns.
    nodes: Slaves,
    gateway: Option<Gateway>,
    _node: Process,
    folder: TempDir,
}

impl Site {
    fn start() -> Self {
        let broker = Mosquitto::start();
        let (gateways, nodes) = (Slaves::tcp(&[1, RELAYS]), Slaves::tcp(&[RELAYS]));
        let folder = tempfile::tempdir().unwrap();
        let bus = |name: &str, port: u16, slaves: &str| {
            format!("name = \"{name}\"\n[tcp]\nhost = \"127.0.0.1\"\nport = {port}\n{slaves}")
        };
        let slave = |name: &str, unit_id: u8, profile: &str, points: &str| {
            format!(
                "[[slave]]\nname = \"{name}\"\nunit_id = {unit_id}\nprofile = \"{profile}\"\nunit = \"yard\"\nperiod = \"200ms\"\n[slave.points]\n{points}\n"
            )
        };
        let siren = r#"ch1 = { point = "siren", kind = "siren", fail_safe = "off" }"#;
        let fan = "ch3 = { point = \"fan\", kind = \"fan\", fail_safe = \"off\" }\nin7 = { point = \"fan-running\", kind = \"fan-running\", fastest = \"50ms\" }";
        let url = broker.url();
        for (name, text) in [
            ("meter.toml", METER.to_owned()),
            ("gas.toml", RULES.to_owned()),
            ("site.toml", SITE.to_owned()),
            (
                "near.toml",
                bus(
                    "near",
                    gateways.port(),
                    &(slave("gt-1", 1, "./meter.toml", "")
                        + &slave("relays", RELAYS, "relay-8", siren)),
                ),
            ),
            (
                "far.toml",
                bus(
                    "far",
                    nodes.port(),
                    &slave("relays", RELAYS, "relay-8", fan),
                ),
            ),
            (
                "gateway.toml",
                format!(
                    r#"[site]
park = "east"
enterprise = "plant-1"
gateway = "gw-1"
[broker]
url = "{url}"
[data]
folder = "data"
[[bus]]
file = "near.toml"
[[node]]
name = "edge-1"
buses = ["far.toml"]
[rules]
packs = ["gas.toml", "site.toml"]
[http]
listen = "127.0.0.1:0"
token_env = "FENGSUI_TOKEN"
"#
                ),
            ),
            (
                "node.toml",
                format!(
                    r#"park = "east"
enterprise = "plant-1"
node = "edge-1"
buses = ["far.toml"]
folder = "node"
[broker]
url = "{url}"
"#
                ),
            ),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let node = Process::start(program("fengsui-node").arg(folder.path().join("node.toml")));
        let mut site = Self {
            broker,
            gateways,
            nodes,
            gateway: None,
            _node: node,
            folder,
        };
        site.start_gateway();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start_gateway(&mut self) {
        let config = self.path("gateway.toml");
        self.gateway = Some(Gateway::start(&config, &[("FENGSUI_TOKEN", TOKEN)]));
    }

    fn gas(&mut self, percent: u16) {
        self.gateways.set(1, 0, &[percent]);
    }

    fn fan_turns(&mut self, turns: bool) {
        self.nodes.switch(RELAYS, 6, &[u16::from(turns)]);
    }

    /// Whether the siren and the fan are on, as their relays say.
    fn relays(&mut self) -> [bool; 2] {
        [self.gateways.coil(RELAYS, 0), self.nodes.coil(RELAYS, 2)]
    }

    /// Waits until the siren and the fan are as wanted.
    fn until_relays(&mut self, what: &str, wanted: [bool; 2]) {
        until(what, || match self.relays() {
            relays if relays == wanted => Ok(()),
            relays => Err(format!("{relays:?}")),
        });
    }

    fn act(&self, verb: &str) {
        let url = self.gateway.as_ref().expect("it runs").url();
        let mut command = program("fengsui");
        command.args(["alarms", verb, GAS, "--by", "li", "--gateway", &url]);
        let status = command.env("FENGSUI_TOKEN", TOKEN).status();
        assert!(status.unwrap().success());
    }
}

/// The next event that says what came of switching an output.
fn hears_action(watch: &Watch, output: &str) -> Value {
    let event =
        watch.hears(|object| object["event"] == "action" && object["action"]["name"] == output);
    assert_eq!(event["id"], GAS);
    json!([event["action"]["on"], event["action"]["ok"]])
}

#[test]
fn an_alarm_switches_a_siren_and_a_fan_which_outlive_a_restart_and_end_with_a_gateway_that_does_not_come_back()
 {
    let mut site = Site::start();
    let watch = Watch::start(&site.broker.url(), "east");
    watch.hears_known();
    assert_eq!(site.relays(), [false, false]);
    site.fan_turns(true);
    site.gas(30);
    watch.hears_event(GAS, "raised");
    assert_eq!(hears_action(&watch, SIREN), json!([true, true]));
    site.until_relays("both", [true, true]);

    // Somebody else wrote to the relay: it is set right.
    site.nodes.switch(RELAYS, 2, &[0]);
    site.until_relays("the fan again", [true, true]);

    site.act("silence");
    assert_eq!(hears_action(&watch, SIREN), json!([false, true]));
    assert_eq!(site.relays(), [false, true]);

    let code = site.gateway.take().expect("it runs").stop();
    assert_eq!(code, Some(0));
    site.start_gateway();
    watch.hears_known();
    assert_eq!(site.relays(), [false, true]);

    site.gateway.take().expect("it runs").kill();
    site.until_relays("what is fail-safe", [false, false]);
    site.start_gateway();
    watch.hears_known();
    site.until_relays("the fan after all", [false, true]);
    site.gas(0);
    watch.hears_event(GAS, "returned");
    site.until_relays("the end", [false, false]);
    let (code, summary) = watch.end();
    assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
}

#[test]
fn a_fan_that_does_not_turn_is_an_alarm_of_its_own_until_it_does() {
    let mut site = Site::start();
    let watch = Watch::start(&site.broker.url(), "east");
    watch.hears_known();
    let topic = "fengsui/v1/east/plant-1/edge/edge-1/desired";
    let subscriber = Subscriber::start(site.broker.port(), "5", &[topic], &[]);
    site.gas(30);
    // The node is told to switch it on, and to look more often at what shows that it turns.
    let wanted = json!([[[FAN, true]], [["yard/fan-running", 50]]]);
    let desired = subscriber.message(PATIENCE, |message| {
        let body: Value = serde_json::from_str(&message.payload).expect("JSON");
        json!([body["outputs"], body["periods"]]) == wanted
    });
    let checked = Schemas::load().check(topic, desired.payload.as_bytes());
    assert_eq!(checked, Ok(()));
    assert_eq!(hears_action(&watch, FAN), json!([true, false]));
    let failed = watch.hears_event("yard/fan/sys.linkage", "raised");
    assert_eq!(
        (&failed["colour"], &failed["reason"]),
        (&json!("orange"), &json!("yard/fan-running is off"))
    );
    let status = site.gateway.as_ref().expect("it runs").status();
    let fan = &status["outputs"][1];
    assert_eq!(
        [&fan["output"], &fan["on"], &fan["shown"], &fan["alarm"]],
        [&json!(FAN), &json!(true), &json!("failed"), &json!(GAS)]
    );
    let text = failed["text"]["en"].as_str().unwrap();
    assert!(text.contains("linkage failed"), "{text}");
    site.fan_turns(true);
    assert_eq!(hears_action(&watch, FAN), json!([true, true]));
    watch.hears_event("yard/fan/sys.linkage", "returned");
    // Who asks afterwards is told what became of it.
    let explained = program("fengsui")
        .args(["rules", "explain", "gateway.toml", GAS])
        .current_dir(site.folder.path())
        .output()
        .unwrap();
    let explained = String::from_utf8(explained.stdout).unwrap();
    for came in ["is not", "is"] {
        let line = format!(" action → B: yard/fan was to be on and {came}\n");
        assert!(explained.contains(&line), "{line}: {explained}");
    }
    let (code, summary) = watch.end();
    assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
}
