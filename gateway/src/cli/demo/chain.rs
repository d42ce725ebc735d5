//! The chain in one process: sensors, edge node, broker and gateway, each as it is in a plant.
//!
//! It starts and stops them; what they do is theirs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use host::mqtt::{Options, Session};
use host::{Clock, FileStore, Running, next_boot, uplink_channel};
use node::{BackOffConfig, Config, Node, PackConfig, UplinkConfig};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::cable::{Cable, Plug};
use super::papers;
use super::plant::Plant;
use super::story::{ENTERPRISE, NODE, OPERATOR, PARK};
use crate::broker::{Broker, Stopper};
use crate::http::{Act, Ask};
use crate::run::{self, Gateway};

/// The broker's port unless it is taken.
const USUAL_PORT: u16 = 1883;
/// How much the node may hold back, in bytes.
const OUTBOX_BYTES: u64 = 16 << 20;
/// How long the gateway may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What the chain stands on: the broker, and a folder that goes with it.
#[derive(Debug)]
pub(super) struct Hub {
    /// Where the broker is reached from this machine.
    pub(super) address: SocketAddr,
    stopper: Stopper,
    tasks: JoinSet<()>,
    folder: TempDir,
}

/// The gateway, running.
#[derive(Debug)]
pub(super) struct Center {
    gateway: Gateway,
    asks: mpsc::Sender<Ask>,
}

/// How far the gateway has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Committed {
    /// Samples on the disk that were evaluated live.
    pub(super) live: u64,
    /// Samples on the disk that came too late for that.
    pub(super) late: u64,
}

/// Sensors and node, running.
#[derive(Debug)]
pub(super) struct Chain {
    /// The sensors.
    pub(super) plant: Plant,
    /// The node's uplink.
    pub(super) plug: Plug,
    node: Running,
    /// The session of the node's uplink, which ends with the node.
    uplink: JoinSet<()>,
    cable: JoinSet<()>,
}

impl Hub {
    /// Starts the broker.
    ///
    /// # Errors
    /// Neither the address nor a folder could be had.
    pub(super) async fn start(listen: Option<SocketAddr>) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("fengsui-demo-").context("a folder to work in")?;
        let broker = bind(listen).await?;
        let (address, stopper) = (reachable(broker.local_addr()), broker.stopper());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = broker.run().await {
                tracing::error!(%error, "the broker stopped");
            }
        });
        Ok(Self {
            address,
            stopper,
            tasks,
            folder,
        })
    }

    /// Stops the broker.
    pub(super) async fn shutdown(mut self) {
        self.stopper.stop();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Committed {
    /// All of them.
    pub(super) fn all(self) -> u64 {
        self.live + self.late
    }
}

impl Center {
    /// Starts the gateway.
    ///
    /// # Errors
    /// It does not start.
    pub(super) async fn start(hub: &Hub) -> anyhow::Result<Self> {
        let config = papers::config(&hub.folder.path().join("gateway"), hub.address)?;
        let gateway = run::start(&Arc::new(config)).await.context("the gateway")?;
        let asks = gateway.asks();
        Ok(Self { gateway, asks })
    }

    /// The operator acts on an alarm.
    ///
    /// # Errors
    /// The gateway refuses, or does not answer.
    pub(super) async fn act(&self, verb: &str, alarm: &str) -> Result<(), String> {
        let act = Act {
            verb: verb.to_owned(),
            alarm: alarm.to_owned(),
            by: OPERATOR.to_owned(),
            ..Act::default()
        };
        self.ask(|answer| Ask::Act(act, answer)).await?
    }

    /// How far it has come; only what is on the disk counts.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) async fn committed(&self) -> Result<Committed, String> {
        let status = self.ask(Ask::Status).await?;
        if status.log_durable < status.log_end {
            return Ok(Committed::default());
        }
        let count = |name: &str| {
            let counter = status.counters.iter().find(|counter| counter.name == name);
            counter.map_or(0, |counter| counter.count)
        };
        Ok(Committed {
            live: count("samples-live"),
            late: count("samples-late"),
        })
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, String> {
        let (answer, answered) = oneshot::channel();
        let silent = || "the gateway does not answer".to_owned();
        self.asks.send(ask(answer)).await.map_err(|_| silent())?;
        match timeout(ANSWER, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(silent()),
        }
    }

    /// Stops the gateway.
    pub(super) async fn shutdown(self) {
        self.gateway.stop().await;
    }
}

impl Chain {
    /// Starts sensors and node; the story begins with the sensors.
    ///
    /// # Errors
    /// A port, a terminal, a thread or a file could not be had.
    pub(super) async fn start(hub: &Hub) -> anyhow::Result<Self> {
        let bound = Cable::bind(hub.address).await.context("a port")?;
        let (near_end, plug) = (bound.local_addr(), bound.plug());
        let mut cable = JoinSet::new();
        cable.spawn(bound.run());

        let plant = Plant::start().await?;
        let clock = Clock::start();
        let outbox = hub.folder.path().join("node");
        let boot = next_boot(&outbox, clock.now().wall.utc()).context("the node's boot")?;
        let store = FileStore::open(&outbox, OUTBOX_BYTES).context("the node's outbox")?;
        let node = Node::new(config(&plant), boot, boot, store, clock.now())?;
        let options = Options::new(near_end.ip().to_string(), near_end.port(), NODE);
        let options = host::uplink::with_will(options, &node.will());
        let (ours, peer) = uplink_channel(256);
        let mut uplink = JoinSet::new();
        uplink.spawn(host::uplink::serve(Session::new(options), peer));
        let node = host::start(node, clock, ours).context("the node's threads")?;
        Ok(Self {
            plant,
            plug,
            node,
            uplink,
            cable,
        })
    }

    /// Stops the node, which says what it has not said yet, and the sensors; how many samples the node has read.
    ///
    /// # Errors
    /// The node could not be waited for.
    pub(super) async fn shutdown(mut self) -> anyhow::Result<u64> {
        let node = self.node;
        let counters = tokio::task::spawn_blocking(move || node.stop()).await?;
        while self.uplink.join_next().await.is_some() {}
        self.cable.shutdown().await;
        self.plant.shutdown().await;
        Ok(counters.readings)
    }
}

/// The address given, else the usual port, else a free one.
async fn bind(listen: Option<SocketAddr>) -> anyhow::Result<Broker> {
    if let Some(listen) = listen {
        return Ok(Broker::bind(listen).await?);
    }
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT));
    match Broker::bind(usual).await {
        Ok(broker) => Ok(broker),
        Err(_) => Ok(Broker::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?),
    }
}

/// Where a client on this machine reaches what listens there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port()))
    } else {
        listen
    }
}

fn config(plant: &Plant) -> Config {
    Config {
        park: PARK.to_owned(),
        enterprise: ENTERPRISE.to_owned(),
        node: NODE.to_owned(),
        firmware: env!("CARGO_PKG_VERSION").to_owned(),
        config_hash: None,
        rules_hash: None,
        reset_cause: None,
        buses: plant.buses.clone(),
        pack: PackConfig::default(),
        uplink: UplinkConfig::default(),
        back_off: BackOffConfig::default(),
    }
}
