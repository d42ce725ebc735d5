//! A plant of many buses, whose slaves show who they are and when.
//!
//! Each bus has a slave `s1` that misbehaves and two good neighbours. The buses over TCP are the gateway's own, those on
//! serial lines belong to a `fengsui-node`; each of the two has an undisturbed bus of pymodbus beside them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use simbus::{Bus, Control, RtuBus, Scenario, Slave, Space, TcpBus};
use support::{Gateway, Influxd, Mosquitto, Process, SerialPair, Slaves, program};

use super::rows::Rows;

/// How often each point is read.
pub(super) const PERIOD_MS: i64 = 1_000;
/// Two requests of the same function and length: `a` and `b`, then `c` and `d`.
pub(super) const POINTS: [&str; 4] = ["a", "b", "c", "d"];
const ADDRESSES: [u16; 4] = [0, 2, 100, 102];
const BAUD: u32 = 19_200;
/// What its name has in the place of a fault's.
pub(super) const UNDISTURBED: &str = "pymodbus";
/// How often the slaves count on.
const TICK: Duration = Duration::from_millis(100);
/// More than any run counts.
pub(super) const COUNTS: u32 = 10_000;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Tcp,
    Rtu,
}

/// The name of a bus, which is also the unit of its points.
pub(super) fn bus_name(kind: Kind, fault: &str) -> String {
    match kind {
        Kind::Tcp => format!("tcp-{fault}"),
        Kind::Rtu => format!("rtu-{fault}"),
    }
}

/// The node that polls a bus.
pub(super) fn node_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Tcp => "local",
        Kind::Rtu => "edge",
    }
}

pub(super) struct Plant {
    _folder: tempfile::TempDir,
    tcp: BTreeMap<String, TcpBus>,
    rtu: BTreeMap<String, RtuBus>,
    /// The undisturbed slaves, by bus.
    pymodbus: BTreeMap<String, Slaves>,
    _pair: SerialPair,
    /// The number of each bus.
    numbers: BTreeMap<String, u32>,
    _broker: Mosquitto,
    influx: Influxd,
    _node: Process,
    pub(super) gateway: Gateway,
    /// When the slaves began to show each count, in UTC milliseconds.
    counts: Vec<i64>,
}

/// What a point shows: no two points and no two counts have the same.
pub(super) fn value(bus: u32, unit: u8, point: usize, count: u32) -> u32 {
    let point = u32::try_from(point).unwrap();
    assert!(count < COUNTS);
    ((bus * 4 + u32::from(unit)) * 4 + point) * COUNTS + count
}

/// The registers of two points that lie side by side.
fn words(bus: u32, unit: u8, first: usize, count: u32) -> Vec<u16> {
    let both = [first, first + 1].map(|point| value(bus, unit, point, count));
    both.into_iter()
        .flat_map(|value| [value >> 16, value & 0xFFFF])
        .map(|word| u16::try_from(word).unwrap())
        .collect()
}

impl Plant {
    pub(super) async fn start(faults: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scenario = || {
            let slave = |unit| {
                Slave::new(unit)
                    .words(Space::Holding, ADDRESSES[0], &[0; 4])
                    .words(Space::Holding, ADDRESSES[2], &[0; 4])
            };
            Scenario::of([slave(1), slave(2), slave(3)])
        };
        let mut tcp = BTreeMap::new();
        let mut rtu = BTreeMap::new();
        for fault in faults {
            let bus = Bus::start_tcp(scenario()).await.unwrap();
            tcp.insert(bus_name(Kind::Tcp, fault), bus);
            let name = bus_name(Kind::Rtu, fault);
            let link = folder.path().join(format!("{name}.tty"));
            let bus = Bus::start_rtu_at(scenario(), BAUD, &link).unwrap();
            rtu.insert(name, bus);
        }
        let pair = SerialPair::start();
        let slaves = [
            (Kind::Tcp, Slaves::tcp(&[1, 2, 3])),
            (Kind::Rtu, Slaves::rtu(&pair.far(), BAUD, &[1, 2, 3])),
        ];
        let mut links: BTreeMap<String, String> = BTreeMap::new();
        let undisturbed = bus_name(Kind::Tcp, UNDISTURBED);
        links.insert(undisturbed, tcp_link(slaves[0].1.port()));
        let undisturbed = bus_name(Kind::Rtu, UNDISTURBED);
        links.insert(undisturbed, rtu_link(&pair.near()));
        for (name, bus) in &tcp {
            links.insert(name.clone(), tcp_link(bus.local_addr().port()));
        }
        for (name, bus) in &rtu {
            links.insert(name.clone(), rtu_link(bus.path()));
        }
        let broker = Mosquitto::start();
        let influx = Influxd::start();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("counter.toml", &profile());
        write("rules.toml", RULES);
        for (name, link) in &links {
            write(&format!("{name}.toml"), &bus_file(name, link));
        }
        let of = |kind| {
            let names = links
                .keys()
                .filter(move |name| name.starts_with(&bus_name(kind, "")));
            names.map(|name| format!("{name}.toml")).collect()
        };
        let (own, remote): (Vec<String>, Vec<String>) = (of(Kind::Tcp), of(Kind::Rtu));
        write(
            "gateway.toml",
            &gateway_file(&broker, &influx, &own, &remote),
        );
        write("node.toml", &node_file(&broker, &remote));
        let node = Process::start(program("fengsui-node").arg(folder.path().join("node.toml")));
        node.line_with("the node starts", PATIENCE);
        let mut plant = Self {
            gateway: Gateway::start(
                &folder.path().join("gateway.toml"),
                &[("TOKEN", influx.token())],
            ),
            _folder: folder,
            tcp,
            rtu,
            pymodbus: slaves
                .map(|(kind, slaves)| (bus_name(kind, UNDISTURBED), slaves))
                .into(),
            _pair: pair,
            numbers: links.into_keys().zip(0..).collect(),
            _broker: broker,
            influx,
            _node: node,
            counts: Vec::new(),
        };
        plant.count();
        plant
    }

    pub(super) fn control(&self, kind: Kind, fault: &str) -> Control {
        let name = bus_name(kind, fault);
        match kind {
            Kind::Tcp => self.tcp[&name].control().clone(),
            Kind::Rtu => self.rtu[&name].control().clone(),
        }
    }

    pub(super) fn rtu(&mut self, fault: &str) -> &mut RtuBus {
        self.rtu.get_mut(&bus_name(Kind::Rtu, fault)).unwrap()
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "slaves and node have one clock, that of the computer"
    )]
    #[allow(clippy::unused_self, reason = "the plant's clock")]
    pub(super) fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(since.as_millis()).unwrap()
    }

    /// All slaves count on by one.
    fn count(&mut self) {
        let count = u32::try_from(self.counts.len()).unwrap();
        self.counts.push(self.now());
        for unit in 1..=3 {
            for first in [0, 2] {
                let address = ADDRESSES[first];
                let tcp = self.tcp.iter().map(|(name, bus)| (name, bus.control()));
                let rtu = self.rtu.iter().map(|(name, bus)| (name, bus.control()));
                for (name, control) in tcp.chain(rtu) {
                    let words = words(self.numbers[name], unit, first, count);
                    assert!(control.set(unit, Space::Holding, address, &words));
                }
                for (name, slaves) in &mut self.pymodbus {
                    let words = words(self.numbers[name], unit, first, count);
                    slaves.set(unit, address, &words);
                }
            }
        }
    }

    /// When the slaves began to show a count, and when all of them had gone on to the next.
    pub(super) fn shown(&self, count: u32) -> Option<(i64, i64)> {
        let index = usize::try_from(count).unwrap();
        let from = *self.counts.get(index)?;
        let to = self.counts.get(index + 2).copied().unwrap_or(i64::MAX);
        Some((from, to))
    }

    /// The number of a bus and its name.
    pub(super) fn buses(&self) -> impl Iterator<Item = (&str, u32)> {
        self.numbers
            .iter()
            .map(|(name, number)| (name.as_str(), *number))
    }

    /// Lets the plant work for a time, its slaves counting.
    #[allow(
        clippy::disallowed_methods,
        reason = "how long a fault stands is a matter of the real clock"
    )]
    pub(super) async fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            tokio::time::sleep(TICK).await;
            self.count();
        }
    }

    /// Lets the plant work until the database has what is wanted, and gives what it has then.
    #[allow(
        clippy::disallowed_methods,
        reason = "a test gives up after a while of the real clock"
    )]
    pub(super) async fn run_until(
        &mut self,
        what: &str,
        is_wanted: impl Fn(&Rows) -> bool,
    ) -> Rows {
        let end = Instant::now() + PATIENCE;
        loop {
            let rows = Rows::read(&self.influx);
            if is_wanted(&rows) {
                return rows;
            }
            assert!(Instant::now() < end, "{what} never came to the database");
            self.run_for(Duration::from_secs(1)).await;
        }
    }

    /// Until every point has a good value that is not older than this time.
    pub(super) async fn run_until_all_read(&mut self, since: i64) -> Rows {
        let buses: Vec<String> = self.numbers.keys().cloned().collect();
        let is_read = |rows: &Rows| {
            buses.iter().all(|bus| {
                let points = (1..=3).flat_map(|unit| POINTS.map(|point| (unit, point)));
                let mut goods =
                    points.map(|(unit, point)| rows.good(bus, unit, point, since, i64::MAX));
                goods.all(|good| good > 0)
            })
        };
        self.run_until("a good value of every point", is_read).await
    }
}

fn tcp_link(port: u16) -> String {
    format!("[tcp]\nhost = \"127.0.0.1\"\nport = {port}\n")
}

/// The lateness is that of the shipped example.
fn rtu_link(path: &Path) -> String {
    let path = path.display();
    format!("lateness = \"1s\"\n[rtu]\npath = \"{path}\"\nbaud = {BAUD}\n")
}

fn bus_file(name: &str, link: &str) -> String {
    let mut file = format!("name = \"{name}\"\ntimeout = \"300ms\"\nturnaround = \"1ms\"\n{link}");
    for unit in 1..=3 {
        write!(
            file,
            r#"[[slave]]
name = "s{unit}"
unit_id = {unit}
profile = "./counter.toml"
unit = "{name}"
period = "1s"
"#
        )
        .unwrap();
    }
    file
}

fn profile() -> String {
    let mut file = String::from(
        "name = \"counter\"\ntitle = \"A slave that counts\"\nsource = \"the tests\"\n",
    );
    for (name, address) in POINTS.iter().zip(ADDRESSES) {
        write!(
            file,
            r#"[[point]]
name = "{name}"
kind = "count"
table = "holding"
address = {address}
type = "u32"
"#
        )
        .unwrap();
    }
    file
}

/// An alarm that stands from a point's first value on.
const RULES: &str = r#"pack = "site"
version = "1.0.0"
title = { zh = "试", en = "trial" }
[[rule]]
name = "high"
unverified = "a trial"
for = { kind = "count" }
high = [{ level = "L1", at = "1", colour = "yellow" }]
text = { zh = "{tag}", en = "{tag}" }
"#;

fn gateway_file(broker: &Mosquitto, influx: &Influxd, own: &[String], remote: &[String]) -> String {
    let (url, database) = (broker.url(), influx.url());
    let (org, bucket) = (influx.org(), influx.bucket());
    let mut file = format!(
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
[influx]
url = "{database}"
org = "{org}"
bucket = "{bucket}"
token_env = "TOKEN"
[http]
listen = "127.0.0.1:0"
[[node]]
name = "{}"
buses = {remote:?}
"#,
        node_name(Kind::Rtu)
    );
    for bus in own {
        write!(file, "[[bus]]\nfile = \"{bus}\"\n").unwrap();
    }
    file
}

fn node_file(broker: &Mosquitto, buses: &[String]) -> String {
    format!(
        r#"park = "binhe"
enterprise = "huaxin"
node = "{}"
buses = {buses:?}
folder = "node"
[broker]
url = "{}"
"#,
        node_name(Kind::Rtu),
        broker.url()
    )
}
