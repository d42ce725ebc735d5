//! A gateway at work: its threads and tasks, how they are joined, and how they end.
//!
//! One thread owns ingest, log, engine and publisher; another brings the log to disk; tasks own the sessions.
//! Live goes before history, and what the disk and the publisher's session say goes before both.

mod begin;
mod change;
mod core;
mod database;
mod desired;
mod keep;
mod letters;
mod local;
mod path;
mod reach;
mod work;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use host::mqtt::TlsError;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::alarm::shell::{self, News};
use crate::broker::{BrokerError, Stopper};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::event::Event;
use crate::http::Ask;
use crate::log::{Bookmark, Folder, FolderDisk, LogOffset, committer};
use crate::sink::influx::alarms;
use crate::sink::influx::client::{ClientError, InfluxClient};
use crate::sink::influx::writer;
use crate::source::{bus, mqtt};
use crate::supervise::{Tasks, thread, thread_for};
pub use begin::{BeginError, ingest_of};
use database::{Database, Writer};
use work::{Exits, Queues};

/// Live packs that may wait for the core.
const LIVE_ROOM: usize = 256;
/// Packs of history that may wait for the core.
const HISTORY_ROOM: usize = 64;
/// Alarm messages under way.
const ALARM_WINDOW: u16 = 1_000;

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

/// Starts a gateway on this runtime.
///
/// # Errors
/// Its data can't be gone on from, or something that it needs can't be had.
pub async fn start(config: &Arc<Config>) -> Result<Gateway, StartError> {
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

    let (broker, reach) = reach::reach(config, &mut tasks).await?;
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
            work::work(&mut core, queues, exits, clock).await;
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
        node = Some(local::start_node(config, local, ends, &mut tasks)?);
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
