//! A start: the log's end is found, the last snapshot restored, what follows it replayed, and the time since written down.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::path::Path as FilePath;
use std::sync::Arc;

use front::Problems;
use rules::compile::CHANGE;
use rules::engine::SnapshotError;
use rules::point::PointInfo;
use rules::program::Program;
use telemetry::UtcMs;
use thiserror::Error;
use tokio::sync::mpsc;

use super::change::change;
use super::core::Core;
use super::letters::Letters;
use super::path::Path;
use crate::alarm::Epoch;
use crate::alarm::journal::JournalError;
use crate::alarm::message::Site;
use crate::alarm::publish::Settings;
use crate::alarm::shell::{Order, Outlet};
use crate::clock::{LogTime, Reading};
use crate::config::{Config, load_image};
use crate::engine::Host;
use crate::event::Event;
use crate::ingest::{BusConfig, Ingest, NodeConfig};
use crate::log::{ConfigImage, DecodeError, Folder, LogError, LogOffset, Reader, Record, Snapshot};

/// Why a gateway can't start on its data.
#[derive(Debug, Error)]
pub enum BeginError {
    /// The log can't be opened or read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The journal can't be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The engine's part of the snapshot does not read.
    #[error("the engine's state in the snapshot: {0}")]
    Engine(#[from] SnapshotError),
    /// Ingest's part of the snapshot does not read, or a record of the log.
    #[error(transparent)]
    Version(#[from] DecodeError),
}

/// What a start gives.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) core: Core,
    /// For the alarm session.
    pub(super) orders: mpsc::Receiver<Order>,
}

/// Who speaks in alarm messages.
pub(super) fn site_of(config: &Config) -> Site {
    Site {
        park: config.site.park.clone(),
        enterprise: config.site.enterprise.clone(),
        gateway: config.site.gateway.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// What is replayed into.
struct Replay<'a> {
    config: &'a Config,
    site: Site,
    host: Option<Host>,
    ingest: Ingest,
    /// The configuration in force, by hash and version.
    in_force: (String, String),
    /// Where this configuration has the points of the one in force.
    map: Option<HashMap<u32, u32>>,
}

/// Opens the data folder and brings everything to where the log ends.
pub(super) fn begin(
    config: &Config,
    folder: &Folder,
    journal: &FilePath,
    client_id: String,
    instance: String,
    letters: Letters,
    now: Reading,
) -> Result<Begun, BeginError> {
    let image = config.image();
    let opened = folder.open(&image, now.wall)?;
    let appender = opened.appender;
    let last_t = opened.has_history.then_some(appender.last_t());
    let mut time = LogTime::start(last_t, now);
    let (t, _) = time.advance(now);
    let settings = settings(config, client_id, instance.clone());
    let (mut outlet, orders) = Outlet::open(journal, appender.end().0, settings, t)?;
    let snapshot = Snapshot::load(folder.path())?.filter(|snapshot| snapshot.at <= appender.end());
    let mut replay = Replay::new(config);
    let mut replayed = 0;
    if opened.has_history {
        replayed = replay.run(folder, snapshot, appender.end(), &mut outlet)?;
    }
    Event::LogOpened {
        replayed,
        cut: opened.cut,
    }
    .tell();
    let Replay {
        site,
        host,
        ingest,
        in_force,
        ..
    } = replay;
    let is_news = host.is_some() && in_force != (image.hash.clone(), image.version.clone());
    let host = host.unwrap_or_else(|| Host::new(config.program.clone(), site.clone(), t));
    // What follows is new: it was not told before the stop, and is not on disk yet.
    outlet.start(t);
    let mut path = Path {
        appender,
        host,
        outlet,
        letters,
        t,
        counts: BTreeMap::new(),
    };
    if let Some(from) = last_t {
        path.put(&Record::Down { from, to: t });
    }
    if is_news {
        // Before it is in force: who stops between the two tells it at the next start.
        let before = path.host.engine().program();
        // By the name that the gateway had: another name hides nothing.
        let mut alarms = before.alarm_idxs();
        let alarm = alarms.find(|alarm| before.rule_of(*alarm).name == CHANGE);
        let alarm = alarm.map(|alarm| before.id_of(alarm).to_string());
        if let (Some(alarm), Some(reason)) = (alarm, change(before, &config.program)) {
            for (active, reason) in [(true, reason.as_str()), (false, "")] {
                path.put(&Record::Condition {
                    alarm: &alarm,
                    active,
                    reason,
                });
            }
        }
        path.configure(image, &config.program);
    }
    let (gateway, site) = (site.gateway.clone(), site.name());
    let core = Core::new(path, ingest, time, gateway, site, instance);
    Ok(Begun { core, orders })
}

/// 128 random bits.
fn chance() -> u128 {
    // Seeds of hash maps are the standard library's only randomness.
    let random = |salt: u8| u128::from(RandomState::new().hash_one(salt));
    random(0) << 64 | random(1)
}

/// What this process is called: a ULID.
pub(super) fn instance(now: UtcMs) -> String {
    Epoch::after(None, chance(), now).to_string()
}

fn settings(config: &Config, client_id: String, instance: String) -> Settings {
    let program = &config.program;
    Settings {
        site: site_of(config),
        instance,
        client_id,
        rules_hash: config.rules_hash.clone(),
        alarms: program
            .alarm_idxs()
            .map(|alarm| program.id_of(alarm).to_string())
            .collect(),
        chance: chance(),
    }
}

/// Ingest for a configuration, knowing nothing yet.
pub fn ingest_of(config: &Config) -> Ingest {
    let points: Vec<PointInfo> = config
        .points
        .iter()
        .map(|point| point.info.clone())
        .collect();
    let nodes: Vec<NodeConfig> = config
        .nodes
        .iter()
        .map(|node| NodeConfig {
            name: node.name.clone(),
            buses: node
                .buses
                .iter()
                .map(|bus| BusConfig {
                    name: bus.name.clone(),
                    slaves: bus
                        .slaves
                        .iter()
                        .map(|slave| (slave.unit_id, slave.name.clone()))
                        .collect(),
                })
                .collect(),
        })
        .collect();
    Ingest::new(&config.site.park, &config.site.enterprise, &points, &nodes)
}

impl<'a> Replay<'a> {
    fn new(config: &'a Config) -> Self {
        Self {
            config,
            site: site_of(config),
            host: None,
            ingest: ingest_of(config),
            in_force: Default::default(),
            map: None,
        }
    }

    fn run(
        &mut self,
        folder: &Folder,
        snapshot: Option<Snapshot>,
        end: LogOffset,
        outlet: &mut Outlet,
    ) -> Result<u64, BeginError> {
        let from = snapshot
            .as_ref()
            .map_or(LogOffset(0), |snapshot| snapshot.at);
        let mut reader = Reader::open(folder.path(), from)?;
        if reader.position() > from {
            let to = reader.position();
            return Err(LogError::Hole { from, to }.into());
        }
        if let Some(snapshot) = snapshot {
            let mut image = reader.config().clone();
            if image.hash != snapshot.config {
                // The snapshot stands at the beginning of a segment, which begins with its configuration.
                let mut ahead = Reader::open(folder.path(), from)?;
                if let Some(entry) = ahead.read(end)?
                    && let Record::Config(first) = entry.record
                {
                    image = Arc::new(first);
                }
            }
            let program = self.enter(&image);
            let engine = snapshot.part("engine");
            let outputs = snapshot.part("outputs");
            let (host, drafts) = Host::restore(&program, self.site.clone(), engine, outputs)?;
            self.host = Some(host);
            if !drafts.is_empty() {
                outlet.commit(from.0, drafts, snapshot.t);
            }
            self.ingest.restore(snapshot.part("ingest"))?;
        }
        let mut replayed = 0;
        while let Some(entry) = reader.read(end)? {
            replayed += 1;
            self.record(&entry.record, entry.end, entry.t, outlet)?;
        }
        Ok(replayed)
    }

    fn record(
        &mut self,
        record: &Record<'_>,
        end: LogOffset,
        t: UtcMs,
        outlet: &mut Outlet,
    ) -> Result<(), BeginError> {
        let mut commit = |drafts: Vec<_>| {
            if !drafts.is_empty() {
                outlet.commit(end.0, drafts, t);
            }
        };
        if let Record::Config(image) = record {
            let is_first = self.host.is_none();
            // Each segment repeats the one in force.
            if !is_first && self.in_force == (image.hash.clone(), image.version.clone()) {
                return Ok(());
            }
            let program = self.enter(image);
            let site = &self.site;
            let host = self
                .host
                .get_or_insert_with(|| Host::new(program.clone(), site.clone(), t));
            if !is_first {
                let mut drafts = host.apply(record, t)?.drafts;
                drafts.extend(host.reprogram(&program)?);
                commit(drafts);
            }
            return Ok(());
        }
        let map = &self.map;
        self.ingest.replay(record, t, &|point| match map {
            None => Some(point),
            Some(map) => map.get(&point).copied(),
        })?;
        if let Some(host) = &mut self.host {
            commit(host.apply(record, t)?.drafts);
        }
        Ok(())
    }

    /// A configuration of the log comes into force; gives its program.
    fn enter(&mut self, image: &ConfigImage) -> Arc<Program> {
        self.in_force = (image.hash.clone(), image.version.clone());
        self.map = None;
        if image.hash == self.config.hash {
            return self.config.program.clone();
        }
        self.map = Some(
            (0..)
                .zip(&image.points)
                .filter_map(|(there, point)| {
                    let here = self.config.point(&point.unit, &point.point)?;
                    Some((there, here.0))
                })
                .collect(),
        );
        let problems = Problems::default();
        match load_image(&image.files, &problems) {
            Some(config) => config.program,
            None => {
                Event::OldConfigUnreadable { hash: &image.hash }.tell();
                self.config.program.clone()
            }
        }
    }
}
