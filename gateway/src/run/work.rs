//! The core thread's loop: what comes first, and where what the core wants goes.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use host::mqtt::Publish;
use telemetry::body::{self, Desired};
use telemetry::topic::{SiteTopic, Topic};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::core::{self, Core};
use crate::alarm::shell::News;
use crate::clock::SystemClock;
use crate::event::Event;
use crate::http::Ask;
use crate::ingest::PackIn;
use crate::log::{CommitQueue, DiskHealth, LogOffset, Snapshot};
use crate::source::{Pack, mqtt};

/// Live packs that are taken in before the core looks up.
const BATCH: usize = 32;
/// Bytes that may wait for the disk before history waits too.
const HISTORY_PENDING_MAX: u64 = 256 << 10;
/// Packs of history that are taken in before it pauses.
const HISTORY_BATCH: usize = 16;
/// That pause. A backlog would otherwise have all of the processors, here and at the broker, and alarms would wait for their turn.
const HISTORY_PAUSE: Duration = Duration::from_millis(1);
/// How long the broker keeps what a node's outputs are to be, in seconds.
#[allow(clippy::cast_possible_truncation, reason = "half a minute")]
const DESIRED_EXPIRY_S: u32 = (Desired::LEASE_MS / 1_000) as u32;
/// How long a stop waits for the publisher's goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the core takes beside packs, each from its own queue.
pub(super) struct Queues {
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) news: mpsc::Receiver<News>,
    pub(super) from_nodes: mpsc::Receiver<mqtt::News>,
    pub(super) faults: mpsc::Receiver<(&'static str, Option<String>)>,
    pub(super) live: mpsc::Receiver<Pack>,
    pub(super) history: mpsc::Receiver<Pack>,
    pub(super) durable: watch::Receiver<LogOffset>,
    pub(super) health: watch::Receiver<DiskHealth>,
    pub(super) stop: mpsc::Receiver<()>,
}

/// Where the core's outputs go.
pub(super) struct Exits {
    pub(super) commit: CommitQueue,
    /// True once this gateway alone serves the site: nobody else's packs are taken, or acknowledged.
    pub(super) opens: watch::Sender<bool>,
    pub(super) posts: mpsc::Sender<Publish>,
    /// What is for the nodes in this process, by name.
    pub(super) local: HashMap<String, mpsc::Sender<Publish>>,
    pub(super) snapshots: SyncSender<Snapshot>,
    pub(super) park: String,
    pub(super) enterprise: String,
}

/// The core thread's loop, until it is asked to stop and the publisher has said goodbye.
pub(super) async fn work(
    core: &mut Core,
    mut queues: Queues,
    mut exits: Exits,
    clock: SystemClock,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut n_history = 0;
    let mut history_pause = pin!(sleep(HISTORY_PAUSE));
    loop {
        core.tick(clock.read());
        exits.flush(core);
        let wait = core.poll_timeout().map(|due| due.since_ms(core.path.t));
        let pauses = n_history >= HISTORY_BATCH;
        let takes_history = !pauses && core.path.appender.pending() < HISTORY_PENDING_MAX;
        tokio::select! {
            biased;
            _ = queues.stop.recv() => {
                return end(core, queues, exits, clock).await;
            }
            Ok(()) = queues.durable.changed() => {
                let durable = *queues.durable.borrow_and_update();
                core.handle_durable(durable, clock.read());
            }
            Ok(()) = queues.health.changed() => {
                let fault = queues.health.borrow_and_update().clone();
                Event::Disk { fault: fault.as_deref() }.tell();
                core.handle_fault(core::DISK, fault, clock.read());
            }
            Some(news) = queues.news.recv() => core.handle_news(news, clock.read()),
            Some(ask) = queues.asks.recv() => core.handle_ask(ask, clock.read()),
            Some(news) = queues.from_nodes.recv() => handle_nodes(core, news, clock),
            Some((rule, fault)) = queues.faults.recv() => {
                core.handle_fault(rule, fault, clock.read());
            }
            n_packs = queues.live.recv_many(&mut batch, BATCH), if !queues.live.is_closed() || !queues.live.is_empty() => {
                for pack in batch.drain(..n_packs) {
                    handle_pack(core, &pack, clock);
                }
                // A flood of live packs leaves history a crumb.
                if takes_history && let Ok(pack) = queues.history.try_recv() {
                    handle_pack(core, &pack, clock);
                }
            }
            Some(pack) = queues.history.recv(), if takes_history => {
                handle_pack(core, &pack, clock);
                n_history += 1;
                if n_history == HISTORY_BATCH {
                    history_pause.set(sleep(HISTORY_PAUSE));
                }
            }
            () = &mut history_pause, if pauses => n_history = 0,
            () = sleep(Duration::from_millis(wait.unwrap_or(60_000))) => {}
        }
    }
}

fn handle_pack(core: &mut Core, pack: &Pack, clock: SystemClock) {
    let pack = PackIn {
        node: &pack.node,
        way: pack.way,
        content_type: pack.content_type.as_deref(),
        bytes: &pack.bytes,
    };
    core.handle_pack(&pack, clock.read());
}

fn handle_nodes(core: &mut Core, news: mqtt::News, clock: SystemClock) {
    match news {
        mqtt::News::Status { node, bytes } => core.handle_status(&node, &bytes, clock.read()),
        mqtt::News::Link { connected } => core.handle_link(connected, clock.read()),
    }
}

impl Exits {
    /// A retained message for a node.
    fn message(&self, topic: Topic<'_>, payload: Vec<u8>) -> Publish {
        let topic = SiteTopic {
            park: &self.park,
            enterprise: &self.enterprise,
            topic,
        };
        Publish {
            topic: topic.to_string(),
            payload,
            retain: true,
            content_type: Some("application/json"),
            ..Publish::default()
        }
    }

    /// Carries out what the core wants done.
    fn flush(&mut self, core: &mut Core) {
        core.submit(&self.commit);
        if core.path.outlet.publisher().serves() && !*self.opens.borrow() {
            self.opens.send_replace(true);
        }
        // What has no way out now is polled again when there is one.
        while let Ok(permit) = self.posts.try_reserve()
            && let Some((node, ack)) = core.poll_ack()
        {
            let message = self.message(Topic::Ack { node: &node }, body::encode(&ack));
            if let Some(local) = self.local.get(&node) {
                // The next one says all that this one does.
                drop(local.try_send(message));
                continue;
            }
            permit.send(message);
        }
        while let Some((node, desired)) = core.poll_desired() {
            let message = Publish {
                expiry_s: Some(DESIRED_EXPIRY_S),
                ..self.message(Topic::Desired { node: &node }, body::encode(&desired))
            };
            let way = self.local.get(&node).unwrap_or(&self.posts);
            if way.try_send(message).is_err() {
                core.desired_lost(&node);
                break;
            }
        }
        if let Some(snapshot) = core.poll_snapshot() {
            // One is being stored: the next one will do.
            drop(self.snapshots.try_send(snapshot));
        }
    }
}

/// Takes in what had come, says goodbye, and has everything on disk with a snapshot.
async fn end(core: &mut Core, mut queues: Queues, mut exits: Exits, clock: SystemClock) {
    while let Ok(pack) = queues.live.try_recv() {
        handle_pack(core, &pack, clock);
    }
    exits.flush(core);
    core.stop(clock.read());
    let goodbye = async {
        loop {
            exits.flush(core);
            tokio::select! {
                Ok(()) = queues.durable.changed() => {
                    let durable = *queues.durable.borrow_and_update();
                    core.handle_durable(durable, clock.read());
                }
                news = queues.news.recv() => match news {
                    None | Some(News::Closed) => break,
                    Some(news) => core.handle_news(news, clock.read()),
                },
            }
        }
        let end = core.path.appender.end();
        while *queues.durable.borrow_and_update() < end {
            if queues.durable.changed().await.is_err() {
                break;
            }
        }
    };
    // A broker or a disk that does not answer is not waited for.
    drop(tokio::time::timeout(FAREWELL, goodbye).await);
    let durable = *queues.durable.borrow();
    core.handle_durable(durable, clock.read());
    let snapshot = core.last_snapshot();
    exits.flush(core);
    if let Some(snapshot) = snapshot {
        drop(exits.snapshots.send(snapshot));
    }
}
