//! A gateway at work: its threads and tasks, how they are joined, and how they end.
//!
//! One thread owns ingest, log, engine and publisher; another brings the log to disk; tasks own the sessions.
//! Live goes before history, and what the disk and the publisher's session say goes before both.

mod begin;
mod core;
mod desired;
mod keep;
mod letters;
mod path;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use host::mqtt::{Options, Publish, TlsError};
use telemetry::body::{self, Desired};
use telemetry::topic::{SiteTopic, Topic};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use crate::alarm::shell::{self, News};
use crate::broker::{Broker, BrokerError, Stopper};
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::event::Event;
use crate::http::Ask;
use crate::ingest::PackIn;
use crate::log::{
    Bookmark, CommitQueue, DiskHealth, Folder, FolderDisk, LogOffset, Snapshot, committer,
};
use crate::sink::influx::alarms;
use crate::sink::influx::client::{ClientError, InfluxClient};
use crate::sink::influx::writer::{self, Happened};
use crate::source::{Pack, bus, mqtt};
use crate::supervise::{Tasks, thread, thread_for};
pub use begin::{BeginError, ingest_of};
use core::Core;
use letters::{Letter, Letters};

/// Live packs that may wait for the core.
const LIVE_ROOM: usize = 256;
/// Packs of history that may wait for the core.
const HISTORY_ROOM: usize = 64;
/// Live packs that are taken in before the core looks up.
const BATCH: usize = 32;
/// Bytes that may wait for the disk before history waits too.
const HISTORY_PENDING_MAX: u64 = 256 << 10;
/// Packs of history that are taken in before it pauses.
const HISTORY_BATCH: usize = 16;
/// That pause. A backlog would otherwise have all of the processors, here and at the broker, and alarms would wait for their turn.
const HISTORY_PAUSE: Duration = Duration::from_millis(1);
/// Alarm messages under way.
const ALARM_WINDOW: u16 = 1_000;
/// How long the broker keeps what a node's outputs are to be, in seconds.
#[allow(clippy::cast_possible_truncation, reason = "half a minute")]
const DESIRED_EXPIRY_S: u32 = (Desired::LEASE_MS / 1_000) as u32;
/// How long a stop waits for the publisher's goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a gateway does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its data can't be gone on from.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The data folder, the outbox or a thread.
    #[error("{what}: {source}")]
    Io {
        /// What was wanted.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The embedded broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Certificates or keys.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database's address.
    #[error(transparent)]
    Database(#[from] ClientError),
    /// The outbox of the node in this process.
    #[error("the node in this process: {0}")]
    Node(#[from] node::OpenError),
}

/// A gateway at work.
#[derive(Debug)]
pub struct Gateway {
    asks: mpsc::Sender<Ask>,
    broker: Option<(SocketAddr, Stopper)>,
    durable: watch::Receiver<LogOffset>,
    ended: mpsc::Receiver<&'static str>,
    stop: mpsc::Sender<()>,
    node: Option<host::Running>,
    tasks: Tasks,
    core: JoinHandle<()>,
    threads: Vec<JoinHandle<()>>,
}

/// What the core takes beside packs, each from its own queue.
struct Queues {
    asks: mpsc::Receiver<Ask>,
    news: mpsc::Receiver<News>,
    from_nodes: mpsc::Receiver<mqtt::News>,
    faults: mpsc::Receiver<(&'static str, Option<String>)>,
    live: mpsc::Receiver<Pack>,
    history: mpsc::Receiver<Pack>,
    durable: watch::Receiver<LogOffset>,
    health: watch::Receiver<DiskHealth>,
    stop: mpsc::Receiver<()>,
}

/// Where the core's outputs go.
struct Exits {
    commit: CommitQueue,
    /// True once this gateway alone serves the site: nobody else's packs are taken, or acknowledged.
    opens: watch::Sender<bool>,
    posts: mpsc::Sender<Publish>,
    /// What is for the nodes in this process, by name.
    local: HashMap<String, mpsc::Sender<Publish>>,
    snapshots: SyncSender<Snapshot>,
    park: String,
    enterprise: String,
}

/// Starts a gateway on this runtime.
///
/// # Errors
/// Its data can't be gone on from, or something that it needs can't be had.
pub async fn start(config: &Config) -> Result<Gateway, StartError> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |source| StartError::Io { what, source }
    };
    let data = &config.data.folder;
    let folder = Arc::new(Folder::lock(&config.data.log()).map_err(BeginError::from)?);
    let clock = SystemClock::start();
    let (letters, letter_file) = letters::letters(data.clone());
    let (tell_ended, ended) = mpsc::channel(16);
    let mut tasks = Tasks::new(tell_ended);
    let mut threads = vec![thread("dead letters", || letter_file.run()).map_err(io("a thread"))?];

    let (broker, reach) = reach(config, &mut tasks).await?;
    let (asks, asks_out) = mpsc::channel(64);
    let (news, news_out) = mpsc::channel(1_024);
    let (from_nodes, from_nodes_out) = mpsc::channel(256);
    let (faults, faults_out) = mpsc::channel(16);
    let (live, live_out) = mpsc::channel(LIVE_ROOM);
    let (history, history_out) = mpsc::channel(HISTORY_ROOM);
    let (posts, posts_out) = mpsc::channel(1_024);
    let (stop, stop_out) = mpsc::channel(1);

    // Opening and replaying the log takes as long as the log is long.
    let (begun, begun_out) = oneshot::channel();
    let (durable_told, durable_told_out) = oneshot::channel();
    let (snapshots, snapshots_out) = sync_channel(1);
    let readers: &[&str] = if config.influx.is_some() {
        &["influx"]
    } else {
        &[]
    };
    // Until it says more itself, the database's writer is where it was.
    let bookmark = Bookmark::new(folder.path(), "influx").load();
    let (written, written_out) = watch::channel(bookmark.unwrap_or_default());
    let written_out = config.influx.is_some().then_some(written_out);
    let keeper = folder.clone();
    let log_bytes = config.data.log_bytes;
    threads.push(
        thread("snapshots", move || {
            keep::run(&keeper, log_bytes, readers, &snapshots_out)
        })
        .map_err(io("a thread"))?,
    );
    let mut to_local = HashMap::new();
    let mut local = Vec::new();
    for node in config.nodes.iter().filter(|node| node.local) {
        let (messages, messages_out) = mpsc::channel(16);
        to_local.insert(node.name.clone(), messages);
        local.push((node, messages_out));
    }
    let (opens, opened) = watch::channel(false);
    let instance = begin::instance(clock.read().wall);
    // Each start has a client id of its own: two gateways of one name must hear each other, not take the session from each other.
    let alarm_session = format!("alarm.{instance}");
    let core = {
        let (config, folder, letters) = (config.clone(), folder.clone(), letters.clone());
        let client_id = reach.client_id(&alarm_session);
        let posts = posts.clone();
        let ending = tasks.ending("core");
        thread_for("core", move || async move {
            let _ending = ending;
            let journal = config.data.folder.join("journal");
            let started = begin::begin(
                &config,
                &folder,
                &journal,
                client_id,
                instance,
                letters,
                clock.read(),
            );
            let begin::Begun { mut core, orders } = match started {
                Ok(started) => started,
                Err(error) => return drop(begun.send(Err(error))),
            };
            core.written = written_out;
            let disk = FolderDisk::new(folder.path().to_owned());
            let at = core.path.appender.durable();
            let (commit, committer, durable, health) = committer(disk, at);
            let Ok(disk_thread) = thread("disk", || committer.run()) else {
                return;
            };
            // Who started this may have gone.
            drop(durable_told.send(durable.clone()));
            let will = core.path.outlet.publisher().will();
            drop(begun.send(Ok((orders, will))));
            let queues = Queues {
                asks: asks_out,
                news: news_out,
                from_nodes: from_nodes_out,
                faults: faults_out,
                live: live_out,
                history: history_out,
                durable,
                health,
                stop: stop_out,
            };
            let exits = Exits {
                commit,
                opens,
                posts,
                local: to_local,
                snapshots,
                park: config.site.park.clone(),
                enterprise: config.site.enterprise.clone(),
            };
            work(&mut core, queues, exits, clock).await;
            if disk_thread.join().is_err() {
                let why = "it panicked".to_owned();
                Event::Ended { part: "disk", why }.tell();
            }
        })
        .map_err(io("a thread"))?
    };
    let (orders, will) = match begun_out.await {
        Ok(begun) => begun?,
        Err(_) => return Err(io("the core's thread")(io::Error::other("it ended"))),
    };
    let durable = durable_told_out
        .await
        .map_err(|_| io("the core's thread")(io::Error::other("it ended")))?;

    let site = (config.site.park.clone(), config.site.enterprise.clone());
    for (lane, packs, posts) in [
        (mqtt::Lane::Live, live.clone(), Some(posts_out)),
        (mqtt::Lane::History, history.clone(), None),
    ] {
        let options = reach.options(lane.word())?;
        let news = from_nodes.clone();
        let ends = mqtt::Ends { packs, news, posts };
        let (park, enterprise) = site.clone();
        let mut opened = opened.clone();
        tasks.start(lane.word(), async move {
            if opened.wait_for(|is_open| *is_open).await.is_ok() {
                mqtt::run(lane, options, park, enterprise, ends).await;
            }
        });
    }
    let mut options = reach.options(&alarm_session)?;
    options.will = Some(will);
    options.window = ALARM_WINDOW;
    let ending = tasks.ending("alarm");
    threads.push(
        thread_for("alarm", move || async move {
            let _ending = ending;
            shell::run_session(options, orders, async |told| {
                tell_link(&told);
                news.send(told).await.is_ok()
            })
            .await;
        })
        .map_err(io("a thread"))?,
    );

    if let Some(influx) = &config.influx {
        let client = InfluxClient::new(
            &influx.url,
            &influx.org,
            &influx.bucket,
            influx.token.reveal(),
        )?;
        let (folder, durable) = (folder.path().to_owned(), durable.clone());
        let asks = asks.clone();
        threads.push(
            thread_for("influx", move || async move {
                let database = Database {
                    faults,
                    letters,
                    clock,
                    standing: Mutex::default(),
                    written,
                };
                let mut tell = |happened| database.tell(Writer::Samples, happened);
                let mut tell_too = |happened| database.tell(Writer::Alarms, happened);
                let ((), events) = tokio::join!(
                    writer::run(&folder, &client, durable, &mut tell),
                    alarms::run(&folder, &client, asks, &mut tell_too),
                );
                if let Err(error) = events {
                    let why = error.to_string();
                    Event::Ended {
                        part: "influx",
                        why,
                    }
                    .tell();
                }
            })
            .map_err(io("a thread"))?,
        );
    }
    let mut node = None;
    for (local, messages) in local {
        let ends = bus::Ends {
            live: live.clone(),
            history: history.clone(),
            news: from_nodes.clone(),
            messages,
            posts: posts.clone(),
        };
        node = Some(start_node(config, local, ends, &mut tasks)?);
    }
    Ok(Gateway {
        asks,
        broker,
        durable,
        ended,
        stop,
        node,
        tasks,
        core,
        threads,
    })
}

/// Tells people how the alarms' session is.
fn tell_link(news: &News) {
    let session = "alarm";
    match news {
        News::Connected { .. } => Event::Connected { session }.tell(),
        News::Lost(loss) => {
            let why = &loss.to_string();
            Event::Lost { session, why }.tell();
        }
        News::Acked { .. } | News::Subscribed { .. } | News::Message(_) | News::Closed => {}
    }
}

/// How the broker is reached.
struct Reach {
    host: String,
    port: u16,
    remote: Option<config::Remote>,
    /// What client ids begin with: several gateways may share a broker.
    prefix: String,
}

async fn reach(
    config: &Config,
    tasks: &mut Tasks,
) -> Result<(Option<(SocketAddr, Stopper)>, Reach), StartError> {
    let site = &config.site;
    let prefix = format!("{}.{}.{}", site.park, site.enterprise, site.gateway);
    match &config.broker {
        config::Broker::Remote(remote) => {
            let reach = Reach {
                host: remote.host.clone(),
                port: remote.port,
                remote: Some(remote.clone()),
                prefix,
            };
            Ok((None, reach))
        }
        config::Broker::Embedded { listen } => {
            let broker = Broker::bind(*listen).await?;
            let (address, stopper) = (broker.local_addr(), broker.stopper());
            tasks.start("broker", async move {
                if let Err(error) = broker.run().await {
                    let why = error.to_string();
                    Event::Ended {
                        part: "broker",
                        why,
                    }
                    .tell();
                }
            });
            let reach = Reach {
                host: address.ip().to_string(),
                port: address.port(),
                remote: None,
                prefix,
            };
            Ok((Some((address, stopper)), reach))
        }
    }
}

impl Reach {
    fn client_id(&self, session: &str) -> String {
        format!("{}.{session}", self.prefix)
    }

    fn options(&self, session: &str) -> Result<Options, StartError> {
        let mut options = Options::new(&self.host, self.port, self.client_id(session));
        if let Some(remote) = &self.remote {
            options.login.clone_from(&remote.login);
            options.tls = remote.tls.as_ref().map(|tls| tls.load()).transpose()?;
        }
        Ok(options)
    }
}

fn start_node(
    config: &Config,
    local: &config::Node,
    ends: bus::Ends,
    tasks: &mut Tasks,
) -> Result<host::Running, StartError> {
    let io = |source| StartError::Io {
        what: format!("the outbox of node {}", local.name),
        source,
    };
    let folder = config.data.folder.join("outbox");
    let clock = host::Clock::start();
    let now = clock.now();
    let wall = SystemClock::start().read().wall;
    let boot = host::next_boot(&folder, Some(wall)).map_err(io)?;
    let store = host::FileStore::open(&folder, config.data.outbox_bytes).map_err(io)?;
    let site = &config.site;
    let settings = node::Config {
        park: site.park.clone(),
        enterprise: site.enterprise.clone(),
        node: local.name.clone(),
        firmware: env!("CARGO_PKG_VERSION").to_owned(),
        config_hash: Some(config.hash.clone()),
        rules_hash: None,
        reset_cause: None,
        buses: local.buses.clone(),
        pack: node::PackConfig::default(),
        uplink: node::UplinkConfig::default(),
        back_off: node::BackOffConfig::default(),
    };
    let node = node::Node::new(settings, boot, boot, store, now)?;
    let (uplink, peer) = host::uplink_channel(64);
    tasks.start("node", bus::run(peer, ends));
    host::start(node, clock, uplink).map_err(io)
}

/// Who writes to the database.
#[derive(Clone, Copy, Debug)]
enum Writer {
    Samples,
    Alarms,
}

/// What the database's writers tell, made into letters and one condition.
#[derive(Debug)]
struct Database {
    faults: mpsc::Sender<(&'static str, Option<String>)>,
    letters: Letters,
    clock: SystemClock,
    /// Each writer's fault: what one of them can write does not mend the other's.
    standing: Mutex<[Option<String>; 2]>,
    /// How far the samples' writer is.
    written: watch::Sender<LogOffset>,
}

impl Database {
    fn tell(&self, writer: Writer, happened: Happened) {
        match happened {
            Happened::Written { lines, upto } => {
                Event::LinesWritten { lines }.tell();
                if let Writer::Samples = writer {
                    self.written.send_replace(upto);
                }
                self.fault(writer, None);
            }
            Happened::NotNoted { why } => Event::NotNoted { why: &why }.tell(),
            Happened::DeadLetter { line, why } => self.letter("rejected", why, line),
            Happened::Unwritable { point, why } => {
                self.letter("unwritable", why, point.into_bytes());
            }
            Happened::Away { why, .. } => {
                Event::Database { fault: Some(&why) }.tell();
                self.fault(writer, Some(why));
            }
        }
    }

    fn fault(&self, writer: Writer, fault: Option<String>) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let was_away = standing.iter().any(Option::is_some);
        standing[writer as usize] = fault;
        let fault = standing.iter().flatten().next().cloned();
        if was_away && fault.is_none() {
            Event::Database { fault: None }.tell();
        }
        // A queue that is full has newer news.
        drop(self.faults.try_send((core::DATABASE, fault)));
    }

    fn letter(&self, cause: &'static str, detail: String, bytes: Vec<u8>) {
        self.letters.put(Letter {
            at: self.clock.read().wall,
            from: "influx".to_owned(),
            topic: "line",
            cause,
            detail,
            bytes,
        });
    }
}

/// The core thread's loop, until it is asked to stop and the publisher has said goodbye.
async fn work(core: &mut Core, mut queues: Queues, mut exits: Exits, clock: SystemClock) {
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

impl Gateway {
    /// Where questions go.
    pub fn asks(&self) -> mpsc::Sender<Ask> {
        self.asks.clone()
    }

    /// Where the embedded broker listens, if there is one.
    pub fn broker(&self) -> Option<SocketAddr> {
        self.broker.as_ref().map(|(address, _)| *address)
    }

    /// How far the log is on disk.
    pub fn durable(&self) -> watch::Receiver<LogOffset> {
        self.durable.clone()
    }

    /// Waits until a part ends that should go on, and says which.
    ///
    /// Cancel safe.
    pub async fn failed(&mut self) -> &'static str {
        self.ended.recv().await.unwrap_or("everything")
    }

    /// Stops: the node closes its last pack, what has come is logged, the publisher says goodbye, and a snapshot is stored.
    ///
    /// Blocks for some seconds when the broker or the disk does not answer.
    pub async fn stop(self) {
        let Self {
            broker,
            stop,
            node,
            tasks,
            core,
            threads,
            ..
        } = self;
        // The node's goodbye goes through tasks of this runtime.
        let node = tokio::task::spawn_blocking(move || drop(node));
        let node_ended = node.await.is_ok();
        // A core that has ended has nothing left to do.
        let core_asked = stop.send(()).await.is_ok();
        let joined = tokio::task::spawn_blocking(move || {
            let mut all = vec![core];
            all.extend(threads);
            all.into_iter().all(|thread| thread.join().is_ok())
        });
        let all_ended = joined.await.is_ok_and(|ended| ended);
        if !(node_ended && core_asked && all_ended) {
            let why = "a thread panicked".to_owned();
            Event::Ended {
                part: "gateway",
                why,
            }
            .tell();
        }
        if let Some((_, stopper)) = broker {
            stopper.stop();
        }
        drop(tasks);
    }
}
