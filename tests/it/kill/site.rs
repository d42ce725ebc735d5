//! A whole site on real parts: slaves that count, `fengsui-node`, Mosquitto, `fengsui run`, InfluxDB, a regulator of paho, and `fengsui watch --check`.
//!
//! Why slaves and a node of their own processes: a node that is killed has only what its outbox has, and what was read is known by the slaves alone.
//! Five slaves of a hundred registers, read ten times a second, make 5,000 samples a second in 64-sample packs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gateway::log::{Bookmark, LogOffset};
use host::FileStore;
use node::Store;
use support::{
    Counters, Gateway, Influxd, Mosquitto, Process, Regulator, Report, Subscriber, Watch, program,
};
use telemetry::body::{Ack, PackId};

use super::record::Told;

/// Slaves have the unit ids from 1 to this.
pub(super) const SLAVES: u8 = 5;
/// Registers of a slave: one request, one reading each.
pub(super) const REGISTERS: u16 = 100;
/// From this one on they go up and down over the alarms' limits; those before it show which read it was.
const LEVELS_FROM: u16 = 70;
/// A level goes from 0 to one below this and begins again.
const LEVELS: u32 = 64;
/// The limits of the rule.
pub(super) const LIMITS: [f64; 2] = [32.0, 48.0];
/// Far longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// What a register says at a slave's read of this number.
pub(super) fn register(unit: u8, register: u16, read: u32) -> u16 {
    let level = (read + 7 * u32::from(register) + 11 * u32::from(unit)) % LEVELS;
    let value = if is_level(register) { level } else { read };
    u16::try_from(value).expect("a test reads less than 65,536 times")
}

/// True for a register over whose readings the rule stands.
pub(super) fn is_level(register: u16) -> bool {
    register >= LEVELS_FROM
}

/// The point of a register.
pub(super) fn point(unit: u8, register: u16) -> String {
    format!("s{unit}.r{register:02}")
}

/// The site and everything around it; all of it ends with the value.
pub(super) struct Site {
    folder: tempfile::TempDir,
    pub(super) reads: u32,
    pub(super) broker: Mosquitto,
    pub(super) influx: Influxd,
    pub(super) slaves: Counters,
    pub(super) gateway: Gateway,
    pub(super) node: Process,
    pub(super) regulator: Regulator,
    pub(super) watch: Watch,
}

impl Site {
    /// Starts everything; the slaves go on counting up to their read of this number.
    pub(super) fn start(reads: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Without persistence: a broker that is killed has lost its retained messages and its sessions.
        let broker = Mosquitto::start();
        let influx = Influxd::start();
        let slaves = Counters::start(move |unit, at, read| register(unit, at, read.min(reads)));
        write_files(folder.path(), &broker, &influx, slaves.port());
        let regulator = Regulator::start(broker.port(), "5", "regulator-1", "binhe");
        let watch = Watch::start(&broker.url(), "binhe");
        let gateway = run_gateway(folder.path(), influx.token());
        let node = run_node(folder.path());
        Self {
            folder,
            reads,
            broker,
            influx,
            slaves,
            gateway,
            node,
            regulator,
            watch,
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The gateway's log.
    pub(super) fn log(&self) -> PathBuf {
        self.path("data/log")
    }

    /// Where the log of a gateway that is not running ends.
    pub(super) fn log_end(&self) -> LogOffset {
        let files = std::fs::read_dir(self.log()).unwrap().map(Result::unwrap);
        let ends = files.filter_map(|file| {
            let base: u64 = file
                .file_name()
                .to_str()?
                .strip_suffix(".log")?
                .parse()
                .ok()?;
            Some(base + file.metadata().unwrap().len())
        });
        LogOffset(ends.max().unwrap())
    }

    /// Waits until each slave was read so often.
    pub(super) fn until_read(&self, reads: u32) {
        for unit in 1..=SLAVES {
            self.slaves.wait_for(unit, usize::try_from(reads).unwrap());
        }
    }

    /// Kills the gateway, and leaves behind what a power cut in the middle of a write may leave; how many bytes.
    pub(super) fn kill_gateway(&mut self) -> usize {
        self.gateway.kill();
        // The beginning of a record, and blocks that were never filled.
        let mut torn = vec![0x20, 0x01, 0, 0, 2, 7, 7, 7];
        torn.resize(4_096, 0);
        for (folder, ending) in [("data/log", "log"), ("data/journal", "journal")] {
            let mut files: Vec<PathBuf> = std::fs::read_dir(self.path(folder))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|it| it == ending))
                .collect();
            files.sort();
            let last = files.last().unwrap();
            let mut bytes = std::fs::read(last).unwrap();
            bytes.extend_from_slice(&torn);
            std::fs::write(last, bytes).unwrap();
        }
        torn.len()
    }

    /// Leaves the gateway no room in any file, as a full disk does.
    pub(super) fn fill_disk(&self) {
        self.limit_files("1:");
    }

    /// Makes room again.
    pub(super) fn empty_disk(&self) {
        self.limit_files("unlimited:");
    }

    /// Sets the soft limit alone: it can be taken back.
    fn limit_files(&self, bytes: &str) {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg("--pid").arg(self.gateway.id().to_string());
        let status = prlimit.arg(format!("--fsize={bytes}")).status();
        assert!(status.unwrap().success(), "prlimit is util-linux's");
    }

    /// What the gateway told the node that it need not keep any more, as the broker retains it.
    pub(super) fn acked(&self) -> Ack {
        let topic = "fengsui/v1/binhe/huaxin/edge/n1/ack";
        let subscriber = Subscriber::start(self.broker.port(), "5", &[topic], &[]);
        let ack = subscriber.message(PATIENCE, |message| message.retain);
        serde_json::from_str(&ack.payload).unwrap()
    }

    /// Starts the gateway again.
    pub(super) fn start_gateway(&mut self) {
        self.gateway = run_gateway(self.folder.path(), self.influx.token());
    }

    /// Kills the node; the packs that its outbox has, which must all arrive.
    pub(super) fn kill_node(&mut self) -> Vec<PackId> {
        self.node.kill();
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.path("node/outbox")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        let mut store = FileStore::open(copy.path(), 1 << 30).unwrap();
        let packs = store.packs().unwrap();
        packs.iter().map(|pack| pack.id).collect()
    }

    /// Starts the node again.
    pub(super) fn start_node(&mut self) {
        self.node = run_node(self.folder.path());
    }

    /// Waits until everything that the slaves said is in the log, in the database and at the regulator; what the regulator holds then.
    pub(super) fn settle(&mut self) -> Report {
        self.until_read(self.reads + 3);
        let mut told = Told::default();
        let mut upto = LogOffset(0);
        wait_for("every reading in the log", || {
            upto = LogOffset(self.gateway.status()["log_durable"].as_u64().unwrap());
            told = Told::read(&self.log(), upto);
            told.has_no_hole() && (1..=SLAVES).all(|unit| told.last(unit) == Some(self.reads))
        });
        wait_for("all of it in the database", || {
            Bookmark::new(&self.log(), "influx").load().unwrap() >= upto
        });
        self.regulator
            .wait_for("every event", PATIENCE, Report::is_complete)
    }
}

/// Asks until it is so.
#[allow(
    clippy::disallowed_methods,
    reason = "a test gives up after a while of the real clock"
)]
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what} never came");
        // Files have no push: a look a tick, until it is there.
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn run_gateway(folder: &Path, token: &str) -> Gateway {
    // A write beyond a file's limit is then an error, as on a full disk, and no signal.
    let fengsui = program("fengsui");
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh"])
        .arg(fengsui.get_program())
        .arg("run")
        .arg(folder.join("gateway.toml"))
        .env_remove("RUST_LOG")
        .env("TOKEN", token);
    Gateway::start_as(&mut command)
}

fn run_node(folder: &Path) -> Process {
    let node = Process::start(program("fengsui-node").arg(folder.join("node.toml")));
    node.line_with("the node starts", PATIENCE);
    node
}

fn write_files(folder: &Path, broker: &Mosquitto, influx: &Influxd, slaves: u16) {
    let mut profile = String::from(
        r#"name = "counter"
title = "A slave that counts its reads"
source = "the tests"
"#,
    );
    for address in 0..REGISTERS {
        let kind = if is_level(address) { "level" } else { "count" };
        profile.push_str(&format!(
            r#"[[point]]
name = "r{address:02}"
kind = "{kind}"
table = "holding"
address = {address}
type = "u16"
"#
        ));
    }
    let mut bus = format!(
        r#"name = "b1"
timeout = "20s"
turnaround = "1ms"
[tcp]
host = "127.0.0.1"
port = {slaves}
"#
    );
    for unit in 1..=SLAVES {
        bus.push_str(&format!(
            r#"[[slave]]
name = "s{unit}"
unit_id = {unit}
profile = "./counter.toml"
unit = "hall"
period = "100ms"
max_age = "1s"
"#
        ));
    }
    let [low, high] = LIMITS;
    let rules = format!(
        r#"pack = "site"
version = "1.0.0"
title = {{ zh = "试", en = "trial" }}
[[rule]]
name = "high"
unverified = "a trial"
for = {{ kind = "level" }}
high = [
  {{ level = "L1", at = "{low}", colour = "yellow" }},
  {{ level = "L2", at = "{high}", colour = "orange" }},
]
text = {{ zh = "{{tag}}", en = "{{tag}}" }}
"#
    );
    let (url, database) = (broker.url(), influx.url());
    let (org, bucket) = (influx.org(), influx.bucket());
    let gateway = format!(
        r#"[site]
park = "binhe"
enterprise = "huaxin"
gateway = "gw"
[broker]
url = "{url}"
[data]
folder = "data"
[rules]
packs = ["rules.toml"]
[[node]]
name = "n1"
buses = ["bus.toml"]
[influx]
url = "{database}"
org = "{org}"
bucket = "{bucket}"
token_env = "TOKEN"
[http]
listen = "127.0.0.1:0"
"#
    );
    let node = format!(
        r#"park = "binhe"
enterprise = "huaxin"
node = "n1"
buses = ["bus.toml"]
folder = "node"
[broker]
url = "{url}"
"#
    );
    for (name, text) in [
        ("counter.toml", profile),
        ("bus.toml", bus),
        ("rules.toml", rules),
        ("gateway.toml", gateway),
        ("node.toml", node),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}
