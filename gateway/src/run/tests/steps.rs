//! The core alone, without threads, a broker or a clock: stopped after each of its steps, it goes on as if nothing had been.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

use super::whole::online;
use super::*;
use crate::alarm::shell::Order;
use crate::clock::Reading;
use crate::http::{Act, Ask};
use crate::ingest::{PackIn, Way};
use crate::log::{Chunk, Disk, Folder, FolderDisk, LogOffset, PackId, Reader, Record};
use crate::run::begin::begin;
use crate::run::core::Core;
use crate::run::letters::letters;

const ALARM: &str = "tank/gt-1/high";
const BOOT: u64 = 7;

/// What happens to the gateway, one after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The node packs a reading and sends it.
    Reading(f64),
    /// The operator acts, and acts again as long as nobody has said that it is done.
    Act(&'static str),
    /// Time passes, in milliseconds.
    Pass(u64),
    /// The core hands the disk what is new, as far as the disk got with it.
    Submit,
    /// The disk tells how far it is.
    Durable,
    /// The node hears how far the gateway is.
    Ack,
    /// A snapshot is stored.
    Snapshot,
}

/// An alarm from its first level to its reset, while the log goes to disk now and then.
fn life() -> Vec<Step> {
    use Step::{Ack, Act, Durable, Pass, Reading, Snapshot, Submit};
    let mut life = Vec::new();
    for value in [5.0, 21.0, 26.0, 27.0, 28.0, 27.0] {
        life.extend([Reading(value), Submit, Durable, Ack, Pass(1_000)]);
    }
    life.extend([
        Act("ack"),
        Snapshot,
        Submit,
        Durable,
        Reading(26.0),
        Reading(24.0),
        Pass(500),
        Submit,
    ]);
    life.extend([Snapshot, Durable, Pass(500), Ack]);
    for value in [4.0, 3.0, 4.0, 5.0, 4.0, 3.0] {
        life.extend([Reading(value), Pass(1_000), Submit, Durable, Snapshot, Ack]);
    }
    life.extend([
        Act("reset"),
        Submit,
        Durable,
        Reading(22.0),
        Submit,
        Durable,
        Ack,
        Pass(1_000),
    ]);
    life
}

/// A gateway's core on its folder, a node that keeps what is not acknowledged, and an operator.
struct World {
    dir: TempDir,
    config: Config,
    now: Reading,
    alive: Option<Alive>,
    seq: u64,
    held: BTreeMap<PackId, Vec<u8>>,
    /// What the operator wants done and nobody has said that it is.
    wanted: Option<Wanted>,
}

struct Wanted {
    verb: &'static str,
    answer: oneshot::Receiver<Result<(), String>>,
}

/// What ends with the process.
struct Alive {
    core: RefCell<Core>,
    disk: FolderDisk,
    chunks: Vec<Chunk>,
    submitted: LogOffset,
    folder: Folder,
    _orders: mpsc::Receiver<Order>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), RULES);
        let mut world = Self {
            dir,
            config,
            now: Reading {
                wall: UtcMs(1_795_420_800_000),
                mono: 0,
            },
            alive: None,
            seq: 0,
            held: BTreeMap::new(),
            wanted: None,
        };
        world.start();
        world
    }

    fn log(&self) -> std::path::PathBuf {
        self.dir.path().join("data/log")
    }

    /// A new process on what is on the disk; the node tells it what it holds and sends it.
    fn start(&mut self) {
        self.alive = None;
        let folder = Folder::lock(&self.log()).unwrap();
        let (letters, _file) = letters(self.dir.path().to_owned());
        let journal = self.dir.path().join("data/journal");
        let begun = begin(
            &self.config,
            &folder,
            &journal,
            "gw.alarm".to_owned(),
            "01KAR5Z9NZXW8Q4R7T2V5Y6B9C".to_owned(),
            letters,
            self.now,
        )
        .unwrap();
        let disk = FolderDisk::new(folder.path().to_owned());
        let submitted = begun.core.path.appender.durable();
        self.alive = Some(Alive {
            core: RefCell::new(begun.core),
            disk,
            chunks: Vec::new(),
            submitted,
            folder,
            _orders: begun.orders,
        });
        let now = self.now;
        self.core(|core| core.handle_link(true, now));
        let oldest = self.held.keys().next().copied();
        let status = online(
            oldest.unwrap_or(PackId {
                boot: BOOT,
                seq: self.seq + 1,
            }),
            BOOT,
        );
        self.core(|core| core.handle_status("n1", &status, now));
        for bytes in self.held.values().cloned().collect::<Vec<_>>() {
            self.send(Way::History, &bytes);
        }
        if let Some(Wanted { verb, .. }) = self.wanted {
            self.act(verb);
        }
    }

    fn core<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        act(&mut self.alive.as_ref().unwrap().core.borrow_mut())
    }

    fn send(&self, way: Way, bytes: &[u8]) {
        let pack = PackIn {
            node: "n1",
            way,
            content_type: None,
            bytes,
        };
        self.core(|core| core.handle_pack(&pack, self.now));
    }

    fn act(&mut self, verb: &'static str) {
        let (reply, answer) = oneshot::channel();
        let act = Act {
            verb: verb.to_owned(),
            alarm: ALARM.to_owned(),
            by: "li.wei".to_owned(),
            ..Act::default()
        };
        self.core(|core| core.handle_ask(Ask::Act(act, reply), self.now));
        self.wanted = Some(Wanted { verb, answer });
        self.hear();
    }

    /// The operator hears what there is to hear.
    fn hear(&mut self) {
        if let Some(Wanted { answer, .. }) = &mut self.wanted
            && answer.try_recv().is_ok()
        {
            self.wanted = None;
        }
    }

    fn step(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Reading(value) => {
                self.seq += 1;
                let bytes = pack(BOOT, self.seq, "gt-1", &[(now.wall, value)]);
                self.held.insert(
                    PackId {
                        boot: BOOT,
                        seq: self.seq,
                    },
                    bytes.clone(),
                );
                self.send(Way::Live, &bytes);
            }
            Step::Act(verb) => self.act(verb),
            Step::Pass(ms) => {
                // Timers come on their own: the core is asked when.
                for _ in 0..ms / 100 {
                    self.now.wall = self.now.wall.plus_ms(100);
                    self.now.mono += 100;
                    self.core(|core| core.tick(self.now));
                }
            }
            Step::Submit => {
                let alive = self.alive.as_mut().unwrap();
                let core = alive.core.get_mut();
                alive.chunks = core.path.appender.take();
                alive.submitted = core.path.appender.end();
                for chunk in &alive.chunks {
                    alive.disk.write(chunk).unwrap();
                }
            }
            Step::Durable => {
                let submitted = self.alive.as_ref().unwrap().submitted;
                self.core(|core| core.handle_durable(submitted, now));
            }
            Step::Ack => {
                while let Some((_, ack)) = self.core(Core::poll_ack) {
                    self.held.retain(|id, _| !ack.covers(id.boot, id.seq));
                }
            }
            Step::Snapshot => {
                if let Some(snapshot) = self.core(Core::last_snapshot) {
                    snapshot
                        .store(self.alive.as_ref().unwrap().folder.path())
                        .unwrap();
                }
            }
        }
        self.hear();
    }

    /// What the alarm's events say, from the last one back along the chain: what left without the log is not in it any more.
    fn told(&self) -> Vec<[String; 3]> {
        let mut events = BTreeMap::new();
        let (mut place, mut next) = (0, None);
        loop {
            let read = self.core(|core| core.path.outlet.events(place + 1));
            let Some(last) = read.last() else { break };
            place = last.place;
            for event in &read {
                let hash = event.hash().map(|byte| format!("{byte:02x}")).concat();
                let body: Json = serde_json::from_slice(event.bytes()).unwrap();
                events.insert(hash.clone(), body);
                next = Some(hash);
            }
        }
        let mut told = Vec::new();
        while let Some(hash) = next {
            let body = events.remove(&hash).expect("the chain has no hole");
            // The other detector is never read; when that is noticed is not this alarm's business.
            if body["id"] == ALARM {
                let word = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
                told.push(["event", "level", "letter"].map(word));
            }
            next = body["prev"].as_str().map(str::to_owned);
        }
        told.reverse();
        told
    }

    /// All comes to rest; what the regulators were told of the alarm then: event, level and letter.
    fn end(mut self) -> (Vec<[String; 3]>, BTreeSet<u64>) {
        for _ in 0..3 {
            for step in [Step::Submit, Step::Durable, Step::Pass(1_000), Step::Ack] {
                self.step(step);
            }
        }
        assert!(self.wanted.is_none(), "nobody answers the operator");
        assert!(
            self.held.is_empty(),
            "{:?} is never acknowledged",
            self.held.keys()
        );
        let told = self.told();
        let log = self.log();
        let end = self.core(|core| core.path.appender.durable());
        drop(self.alive);
        let mut reader = Reader::open(&log, LogOffset(0)).unwrap();
        let mut packs = BTreeSet::new();
        while let Some(entry) = reader.read(end).unwrap() {
            if let Record::Pack { id: Some(id), .. } = entry.record {
                assert!(packs.insert(id.seq), "pack {} twice", id.seq);
            }
        }
        (told, packs)
    }
}

#[test]
fn a_stop_after_every_step_loses_no_pack_and_tells_the_same_events() {
    let life = life();
    let mut uninterrupted = World::new();
    life.iter().for_each(|step| uninterrupted.step(*step));
    let (told, packs) = uninterrupted.end();
    let words: Vec<&str> = told.iter().map(|[event, ..]| event.as_str()).collect();
    assert_eq!(
        words,
        [
            "raised",
            "level-up",
            "acked",
            "level-down",
            "returned",
            "reset",
            "raised"
        ]
    );
    for stop in 0..=life.len() {
        let mut world = World::new();
        let (before, after) = life.split_at(stop);
        before.iter().for_each(|step| world.step(*step));
        world.start();
        after.iter().for_each(|step| world.step(*step));
        let (told_then, packs_then) = world.end();
        assert_eq!(told_then, told, "stopped after {:?}", before.last());
        assert_eq!(packs_then, packs, "stopped after {:?}", before.last());
    }
}
