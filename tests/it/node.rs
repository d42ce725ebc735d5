//! A node on Linux, on a real Modbus TCP line and a real folder: every message keeps the contract, over silence and a restart.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use front::{Problems, Source};
use host::{Clock, FileStore, Running, UplinkEvent, UplinkPeer};
use node::{BackOffConfig, Config, Effect, Lane, Node, PackConfig, UplinkConfig};
use simbus::{Fault, Scenario, Slave, Space};
use support::Schemas;
use telemetry::Quality;
use telemetry::body::{Ack, NodeStatus, PackId, decode, encode};
use telemetry::senml::{self, Format};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn bus(port: u16) -> devices::Bus {
    let text = format!(
        r#"name = "b1"
timeout = "200ms"
lateness = "100ms"
turnaround = "0ms"
[tcp]
host = "127.0.0.1"
port = {port}
[[slave]]
name = "gd-1"
unit_id = 1
profile = "gas-combustible"
unit = "tank"
period = "100ms"
"#
    );
    let problems = Problems::default();
    let source = Source::new("b1.toml", text);
    let find = |name: &str| devices::find_profile("".as_ref(), name);
    devices::load_bus(&source, &find, &problems).unwrap_or_else(|| panic!("{problems}"))
}

/// A node's process, and what is at the other end of its uplink.
struct Bench {
    running: Running,
    peer: UplinkPeer,
    schemas: Schemas,
    packs: BTreeMap<PackId, Vec<u8>>,
    lanes: Vec<(PackId, Lane)>,
    status: Option<NodeStatus>,
}

impl Bench {
    async fn start(folder: &Path, port: u16, boot: u64) -> Self {
        let clock = Clock::start();
        let config = Config {
            park: "east".into(),
            enterprise: "plant-1".into(),
            node: "n1".into(),
            firmware: "0.1.0".into(),
            config_hash: None,
            rules_hash: None,
            reset_cause: None,
            buses: vec![bus(port)],
            pack: PackConfig::default(),
            uplink: UplinkConfig {
                ack_wait_ms: 10,
                ..UplinkConfig::default()
            },
            back_off: BackOffConfig {
                min_ms: 100,
                max_ms: 200,
            },
        };
        let store = FileStore::open(folder, 1 << 20).unwrap();
        let node = Node::new(config, boot, 1, store, clock.now()).unwrap();
        let (uplink, peer) = host::uplink_channel(64);
        let running = host::start(node, clock, uplink).unwrap();
        let bench = Self {
            running,
            peer,
            schemas: Schemas::load(),
            packs: BTreeMap::new(),
            lanes: Vec::new(),
            status: None,
        };
        bench.tell(UplinkEvent::Connected { session: boot }).await;
        bench
    }

    async fn tell(&self, event: UplinkEvent) {
        self.peer.events.send(event).await.unwrap();
    }

    /// Takes what the node sends, as a broker and a gateway would, until `enough`.
    async fn until(&mut self, what: &str, enough: impl Fn(&Self) -> bool) {
        let taken = tokio::time::timeout(PATIENCE, async {
            while !enough(self) {
                let (_, effect) = self.peer.effects.recv().await.expect("the node runs");
                self.take(effect).await;
            }
        });
        taken.await.unwrap_or_else(|_| panic!("{what} never came"));
    }

    async fn take(&mut self, effect: Effect) {
        let publish = match effect {
            Effect::Publish(publish) => publish,
            Effect::Subscribe(_) => return self.tell(UplinkEvent::Subscribed).await,
            other => panic!("{other:?}"),
        };
        let checked = self.schemas.check(&publish.topic, &publish.payload);
        checked.unwrap_or_else(|wrong| panic!("{wrong}"));
        if publish.lane == Lane::Control {
            self.status = Some(decode(&publish.payload).unwrap());
        } else {
            let (id, _) = read(&publish.payload);
            self.lanes.push((id, publish.lane));
            let former = self.packs.insert(id, publish.payload.clone());
            assert!(
                former.is_none_or(|former| former == publish.payload),
                "{id:?}"
            );
        }
        let (token, reason) = (publish.token, 0);
        self.tell(UplinkEvent::Puback { token, reason }).await;
    }

    /// The worst quality of the newest pack.
    fn newest(&self) -> Option<Quality> {
        let (_, bytes) = self.packs.last_key_value()?;
        read(bytes).1
    }

    async fn ack(&self, boot: u64, seq: u64) {
        let missing = Vec::new();
        let payload = encode(&Ack { boot, seq, missing });
        let topic = "fengsui/v1/east/plant-1/edge/n1/ack".to_owned();
        self.tell(UplinkEvent::Message { topic, payload }).await;
    }

    /// Stops the node and takes its last words.
    async fn stop(mut self) -> BTreeMap<PackId, Vec<u8>> {
        let running = self.running;
        let ending = tokio::task::spawn_blocking(move || running.stop());
        while let Some((_, effect)) = self.peer.effects.recv().await {
            if let Effect::Publish(publish) = effect
                && publish.lane != Lane::Control
            {
                self.packs.insert(read(&publish.payload).0, publish.payload);
            }
        }
        ending.await.unwrap();
        self.packs
    }
}

/// A pack's number and its worst quality.
fn read(bytes: &[u8]) -> (PackId, Option<Quality>) {
    let mut worst = None;
    let pack = senml::decode(bytes, Format::Cbor, &mut |record| {
        worst = worst.max(Some(record.unwrap().quality));
    });
    let pack = pack.unwrap();
    let (boot, seq) = (pack.boot.unwrap(), pack.seq.unwrap());
    (PackId { boot, seq }, worst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_keeps_the_contract_over_a_silent_slave_and_a_restart() {
    let slave = Slave::new(1)
        .words(Space::Holding, 0, &[0; 64])
        .words(Space::Input, 0, &[0; 64]);
    let sensors = simbus::Bus::start_tcp(Scenario::of([slave])).await.unwrap();
    let port = sensors.local_addr().port();
    let folder = tempfile::tempdir().unwrap();

    let mut first = Bench::start(folder.path(), port, 1).await;
    first
        .until("five packs", |bench| bench.packs.len() >= 5)
        .await;
    assert!(first.lanes.iter().all(|(_, lane)| *lane == Lane::Live));
    sensors.control().fault(1, Fault::Silence);
    let gap = |bench: &Bench| bench.newest() == Some(Quality::COMM_ERROR);
    first.until("the gap", gap).await;
    let silent = |bench: &Bench| {
        let rows = bench.status.iter().flat_map(|status| &status.bus);
        rows.into_iter().any(|row| row.state == "silent")
    };
    first
        .until("the slave's silence in the status", silent)
        .await;
    sensors.control().mend(1);
    let good = |bench: &Bench| {
        bench
            .newest()
            .is_some_and(|quality| quality != Quality::COMM_ERROR)
    };
    first.until("readings again", good).await;
    let sent = first.stop().await;

    // Nothing was acknowledged: the next boot has every pack of the first, and sends the same bytes.
    let mut second = Bench::start(folder.path(), port, 2).await;
    let last = *sent.last_key_value().unwrap().0;
    second
        .until("the first boot's packs", |bench| {
            bench.packs.contains_key(&last)
        })
        .await;
    for (id, bytes) in &sent {
        assert_eq!(second.packs.get(id), Some(bytes), "{id:?}");
    }
    let old = second.lanes.iter().filter(|(id, _)| id.boot == 1);
    assert!(old.into_iter().all(|(_, lane)| *lane == Lane::History));
    let oldest = |bench: &Bench| bench.status.as_ref().and_then(|status| status.oldest_held);
    assert_eq!(oldest(&second).map(|id| id.boot), Some(1));
    let formed = *second.packs.keys().rfind(|id| id.boot == 1).unwrap();
    second.ack(1, formed.seq).await;
    let moved = |bench: &Bench| oldest(bench).is_some_and(|id| id.boot == 2);
    second
        .until("the end of the first boot in the status", moved)
        .await;
    second.stop().await;
}
