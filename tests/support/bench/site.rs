//! A site to measure: its files, a Mosquitto, the release build of `fengsui run`, and packs of its nodes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telemetry::body::{self, NodeState, NodeStatus};
use telemetry::senml::{Base, Encoder, Format, Header, PACK_BYTES_MAX};
use telemetry::topic::{SiteTopic, Topic};
use telemetry::{Clock, Quality, UtcMs, Value};

use super::Client;
use crate::{Gateway, Mosquitto};

const PARK: &str = "park";
const ENTERPRISE: &str = "plant";
/// Points of one slave: as many registers as one request reads.
const SLAVE_POINTS: usize = 125;
/// The one rule: an alarm for each point, without delays, so that each crossing is an event.
const RULE: &str = "high";
/// Its limit.
const LIMIT: f64 = 50.0;

/// How long a start may take.
const READY: Duration = Duration::from_secs(30);

const PROFILE: &str = r#"
name   = "many"
title  = "a device of 125 registers"
source = "made for measuring"
repeat = { count = 125, stride = 1 }
[[point]]
name    = "ch{n}"
kind    = "measured"
table   = "holding"
address = 0
type    = "u16"
scale   = 0.1
eu      = "%LEL"
"#;

const RULES: &str = r#"
pack    = "bench"
version = "1.0.0"
title   = { zh = "测量", en = "Measuring" }
[[rule]]
name       = "high"
unverified = "made for measuring"
for        = { kind = "measured" }
high       = [{ level = "L1", at = "50 %LEL", colour = "yellow" }]
text       = { zh = "{tag} {value} {eu},达到 {level}({limit} {eu})", en = "{tag}: {value} {eu}, {level} is {limit} {eu}" }
"#;

/// An edge node with its points, all in a unit of its name.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// The node.
    pub node: &'static str,
    /// How many points it has.
    pub points: usize,
}

/// A running site; all of it ends with the value.
#[derive(Debug)]
pub struct Site {
    /// The gateway.
    pub gateway: Gateway,
    /// The broker.
    pub mosquitto: Mosquitto,
    /// Where its log is.
    pub folder: tempfile::TempDir,
}

/// Builds the program that is measured: one that is older than the source would be measured otherwise.
pub fn build() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--package", "gateway", "--bins"]);
    // ring's build script is run again when these change, and everything above it is built again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            cargo.env_remove(name);
        }
    }
    let built = cargo.status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "the gateway is built"
    );
}

impl Site {
    /// Starts a site with these nodes; all of them say that they are online. With `influx`, samples go to a database there.
    ///
    /// The data folder is under the target folder: a temporary folder may be memory, and the log has to be durable.
    pub fn start(areas: &[Area], influx: Option<&str>) -> Self {
        let mosquitto = Mosquitto::start();
        let folder = tempfile::tempdir_in(target()).expect("a temporary folder");
        let config = write(folder.path(), areas, &mosquitto.url(), influx);
        let gateway = Gateway::start(&config, &[("BENCH_TOKEN", "no-secret")]);
        let mut client = Client::connect(mosquitto.port(), "bench-nodes");
        for area in areas {
            let status = NodeStatus {
                state: NodeState::Online,
                clock: Some(Clock::Synced),
                ..NodeStatus::will(area.node, BOOT)
            };
            let topic = topic(Topic::Status { node: area.node });
            client.publish(&topic, &body::encode(&status), true);
        }
        client.settle(0);
        gateway.wait_for("a broker that has everything", READY, |status| {
            status["connected"] == true && status["alarm_state"] == "known"
        });
        Self {
            gateway,
            mosquitto,
            folder,
        }
    }

    /// One of the gateway's counters, as its status has them.
    pub fn counted(&self, name: &str) -> u64 {
        let status = self.gateway.status();
        let counters = status["counters"].as_array();
        let counter = counters
            .into_iter()
            .flatten()
            .find(|counter| counter["name"] == name);
        counter
            .and_then(|counter| counter["count"].as_u64())
            .unwrap_or(0)
    }
}

/// The folder of what is built, on the disk of the sources.
fn target() -> std::path::PathBuf {
    let test = std::env::current_exe().expect("a benchmark has a path");
    let folder = test.parent().and_then(Path::parent);
    folder.expect("a target folder").to_owned()
}

/// Writes the files of a site with these nodes, and gives the gateway's.
pub fn write(
    folder: &Path,
    areas: &[Area],
    broker: &str,
    influx: Option<&str>,
) -> std::path::PathBuf {
    let put = |name: &str, text: &str| {
        fs::write(folder.join(name), text).expect("a temporary folder can be written");
    };
    put("many.toml", PROFILE);
    put("rules.toml", RULES);
    let mut config = format!(
        "[site]\npark = \"{PARK}\"\nenterprise = \"{ENTERPRISE}\"\ngateway = \"gw\"\n[broker]\nurl = \"{broker}\"\n[data]\nfolder = \"data\"\n[rules]\npacks = [\"rules.toml\"]\n[http]\nlisten = \"127.0.0.1:0\"\n"
    );
    if let Some(url) = influx {
        writeln!(config, "[influx]\nurl = \"{url}\"\norg = \"bench\"\nbucket = \"bench\"\ntoken_env = \"BENCH_TOKEN\"")
            .expect("a text can be written");
    }
    for Area { node, points } in areas {
        writeln!(
            config,
            "[[node]]\nname = \"{node}\"\nbuses = [\"{node}.toml\"]"
        )
        .expect("a text can be written");
        put(&format!("{node}.toml"), &bus(node, *points));
    }
    put("gateway.toml", &config);
    folder.join("gateway.toml")
}

/// A bus file whose slaves have at least so many points, which are all of one unit.
fn bus(node: &str, points: usize) -> String {
    let mut text = format!("name = \"{node}\"\n[tcp]\nhost = \"127.0.0.1\"\n");
    for slave in 0..points.div_ceil(SLAVE_POINTS) {
        // They are never polled: their packs come from the benchmark. What it sends is live for an hour.
        writeln!(
            text,
            "[[slave]]\nname = \"s{slave}\"\nunit_id = {slave}\nprofile = \"./many.toml\"\nunit = \"{node}\"\nperiod = \"10s\"\nmax_age = \"1h\""
        )
        .expect("a text can be written");
    }
    text
}

fn topic(topic: Topic<'_>) -> String {
    let site = SiteTopic {
        park: PARK,
        enterprise: ENTERPRISE,
        topic,
    };
    site.to_string()
}

/// The boot of every node here.
const BOOT: u64 = 1;

/// Writes the packs of one node, with numbers as the contract wants them.
#[derive(Debug)]
pub struct Packs {
    node: &'static str,
    base_name: String,
    names: Vec<String>,
    seq: u64,
    buf: Vec<u8>,
}

impl Packs {
    /// A node's first pack is the next.
    pub fn new(area: Area) -> Self {
        let name = |point| format!("s{}.ch{}", point / SLAVE_POINTS, point % SLAVE_POINTS + 1);
        Self {
            node: area.node,
            base_name: format!("{PARK}/{ENTERPRISE}/{}/", area.node),
            names: (0..area.points).map(name).collect(),
            seq: 0,
            buf: vec![0; PACK_BYTES_MAX],
        }
    }

    /// Where live packs go.
    pub fn live(&self) -> String {
        topic(Topic::Telemetry { node: self.node })
    }

    /// Where packs of history go.
    pub fn history(&self) -> String {
        topic(Topic::History { node: self.node })
    }

    /// Where the gateway says what it has.
    pub fn ack(&self) -> String {
        topic(Topic::Ack { node: self.node })
    }

    /// Where every event goes.
    pub fn events() -> String {
        topic(Topic::AlarmEvent)
    }

    /// The id of a point's alarm.
    pub fn alarm(&self, point: usize) -> String {
        format!("{}/{}/{RULE}", self.node, self.names[point])
    }

    /// How many packs there were.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The next pack, in CBOR: these points with these values, all at one time.
    pub fn next(&mut self, samples: impl IntoIterator<Item = (usize, f64)>, at: UtcMs) -> &[u8] {
        self.seq += 1;
        let header = Header {
            base_name: &self.base_name,
            base: Base::Utc(at),
            boot: BOOT,
            seq: self.seq,
            clock: Clock::Synced,
        };
        let mut pack = Encoder::new(&mut self.buf, Format::Cbor, header);
        for (point, value) in samples {
            let value = Some(Value::Number(value));
            pack.push(&self.names[point], Some("%LEL"), 0, value, Quality::GOOD)
                .expect("a pack has room");
        }
        let length = pack.finish();
        &self.buf[..length]
    }
}

/// What the wall clock says.
pub fn now() -> UtcMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.expect("after 1970").as_millis();
    UtcMs(i64::try_from(ms).expect("before the year 3000"))
}

/// A value on one side of the limit.
pub fn value(is_over: bool) -> f64 {
    if is_over { LIMIT + 10.0 } else { LIMIT - 10.0 }
}
