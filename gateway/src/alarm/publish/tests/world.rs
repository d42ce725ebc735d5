//! A gateway's log and journal, its publisher, the line to the broker, and everything that can break.

use std::collections::{BTreeMap, VecDeque};

use host::mqtt::{Message, Publish, Refusal};
use telemetry::UtcMs;

use super::super::{Output, Publisher, Report, Settings};
use super::broker::Broker;
use super::subscriber::Subscriber;
use crate::alarm::Epoch;
use crate::alarm::entry::Entry;
use crate::alarm::event::Draft;
use crate::alarm::message::Site;
use crate::alarm::recover::recover;

pub(super) const PREFIX: &str = "fengsui/v1/east/plant/";
pub(super) const ALARMS: [&str; 6] = [
    "tank/gd-1/gas",
    "tank/gd-2/gas",
    "tank/-/vote",
    "dam/pz-1/level",
    "-/-/roll-up",
    "-/n1/sys.offline",
];

/// Towards the broker.
#[derive(Clone, Debug)]
enum Up {
    Publish(u64, Publish),
    Subscribe(u64, Vec<String>),
    Unsubscribe(Vec<String>),
}

/// Towards the publisher.
#[derive(Clone, Debug)]
enum Down {
    Acked(u64, Option<Refusal>),
    Subscribed(u64),
    Message(Message),
}

/// What is on the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) log: Vec<(u64, Vec<Draft>)>,
    pub(super) log_durable: u64,
    /// The log's snapshot: what is before is not replayed.
    pub(super) replay_from: u64,
    pub(super) journal: Vec<Entry>,
    pub(super) journal_durable: usize,
}

impl Disk {
    pub(super) fn log_end(&self) -> u64 {
        self.log.last().map_or(0, |(position, _)| *position)
    }
}

pub(super) struct World {
    pub(super) now: UtcMs,
    pub(super) disk: Disk,
    pub(super) publisher: Publisher,
    pub(super) broker: Broker,
    pub(super) subscriber: Subscriber,
    pub(super) subscriber_there: bool,
    pub(super) reports: Vec<Report>,
    pub(super) sent: Vec<Publish>,
    pub(super) farewell: bool,
    /// Something that was told may not be in the log: the broker's memory is all that shows it.
    pub(super) at_risk: bool,
    /// After so many outputs the power fails, for the log to keep so much.
    pub(super) fuse: Option<(usize, u8)>,
    connected: bool,
    up: VecDeque<Up>,
    down: VecDeque<Down>,
    made: u64,
    starts: u128,
}

pub(super) fn settings(chance: u128) -> Settings {
    Settings {
        site: Site {
            park: "east".into(),
            enterprise: "plant".into(),
            gateway: "gw-1".into(),
            version: "0.1.0".into(),
        },
        instance: Epoch(chance).to_string(),
        client_id: "gw-1-out".into(),
        rules_hash: "5b0c".into(),
        alarms: ALARMS.map(String::from).to_vec(),
        chance,
    }
}

impl World {
    pub(super) fn new() -> Self {
        let disk = Disk::default();
        let publisher = Publisher::new(settings(0), recover(std::iter::empty, 0));
        let mut world = Self {
            now: UtcMs(1_795_420_800_000),
            disk,
            publisher,
            broker: Broker::default(),
            subscriber: Subscriber {
                was_always_there: true,
                ..Subscriber::default()
            },
            subscriber_there: true,
            reports: Vec::new(),
            sent: Vec::new(),
            farewell: false,
            at_risk: false,
            fuse: None,
            connected: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
            made: 0,
            starts: 0,
        };
        world.start();
        world
    }

    /// A new process on what the disk has.
    pub(super) fn start(&mut self) {
        self.cut(0);
        self.starts += 1;
        let journal = self.disk.journal.clone();
        let recovered = recover(|| journal.iter().cloned(), self.disk.log_end());
        self.publisher = Publisher::new(settings(self.starts), recovered);
        self.disk.log_durable = self.disk.log_end();
        self.farewell = false;
        for (position, drafts) in self.disk.log.clone() {
            if position > self.disk.replay_from {
                self.publisher.commit(position, drafts, self.now);
            }
        }
        self.publisher.start(self.now);
        self.publisher.durable(self.disk.log_end(), self.now);
        self.obey();
    }

    /// Carries out what the publisher says, until the fuse blows.
    pub(super) fn obey(&mut self) {
        while let Some(output) = self.publisher.poll() {
            if let Some((left, keep)) = &mut self.fuse {
                if *left == 0 {
                    let keep = *keep;
                    self.fuse = None;
                    self.power_fails(keep, keep);
                    return;
                }
                *left -= 1;
            }
            match output {
                Output::Journal { entry, sync } => {
                    if entry == Entry::Told {
                        self.at_risk = false;
                    }
                    self.disk.journal.push(entry);
                    if sync {
                        self.disk.journal_durable = self.disk.journal.len();
                    }
                }
                Output::Fetch { purpose, from } => {
                    let events = self.disk.journal.iter().filter_map(|entry| match entry {
                        Entry::Event(event) if event.place >= from => Some(event.clone()),
                        _ => None,
                    });
                    // A read gives a few, so that paging is tried.
                    let events = events.take(3).collect();
                    self.publisher.fetched(purpose, events, self.now);
                }
                Output::Publish { id, publish } => {
                    assert!(publish.payload.len() <= 256 << 10);
                    self.sent.push(publish.clone());
                    self.up.push_back(Up::Publish(id, publish));
                }
                Output::Subscribe { id, filters } => {
                    self.up.push_back(Up::Subscribe(id, filters));
                }
                Output::Unsubscribe { filters } => self.up.push_back(Up::Unsubscribe(filters)),
                Output::Report(report) => {
                    assert!(
                        !matches!(report, Report::Diverged { .. } | Report::Missing { .. }),
                        "{report:?}"
                    );
                    self.reports.push(report);
                }
                Output::Farewell => self.farewell = true,
            }
        }
    }

    /// A record with one event for each of these alarms; `raise` puts the alarm into letter B, else A. No alarm is an event without a state.
    pub(super) fn commit(&mut self, events: &[(Option<usize>, bool)]) {
        let drafts: Vec<_> = events
            .iter()
            .map(|(alarm, raise)| self.draft(*alarm, *raise))
            .collect();
        let position = self.disk.log_end() + 10;
        self.disk.log.push((position, drafts.clone()));
        self.publisher.commit(position, drafts, self.now);
        self.obey();
    }

    fn draft(&mut self, alarm: Option<usize>, raise: bool) -> Draft {
        self.made += 1;
        let id = alarm.map_or("-/n1/sys.gap", |alarm| ALARMS[alarm]);
        let letter = if raise && alarm.is_some() { "B" } else { "A" };
        // Each event has a time of its own, to tell them apart.
        let at = self.now.plus_ms(self.made);
        let event = match (alarm, raise) {
            (None, _) => "gap",
            (_, true) => "raised",
            (_, false) => "returned",
        };
        Draft {
            lead: format!(
                r#""id":"{id}","site":"east/plant","occurrence":{}"#,
                self.made
            ),
            tail: format!(r#""event":"{event}","cause":{{"timer":"{at}"}}"#),
            rest: format!(
                r#""letter":"{letter}","changed_at":"{at}","level":"L1","colour":"yellow""#
            ),
            stateful: alarm.is_some(),
        }
    }

    pub(super) fn durable(&mut self, upto: u64) {
        self.disk.log_durable = self.disk.log_durable.max(upto.min(self.disk.log_end()));
        self.publisher.durable(self.disk.log_durable, self.now);
        self.obey();
    }

    pub(super) fn tick(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.publisher.tick(self.now);
        self.obey();
    }

    pub(super) fn connect(&mut self, window: usize) {
        if !self.connected {
            self.connected = true;
            self.publisher.connected(window, self.now);
            self.obey();
        }
    }

    /// The line breaks: the broker still takes some of what is under way; no answer arrives any more.
    pub(super) fn cut(&mut self, taken: usize) {
        for _ in 0..taken {
            self.broker_takes();
        }
        self.up.clear();
        self.down.clear();
        self.broker.filters.clear();
        if self.connected {
            self.connected = false;
            self.publisher.disconnected(self.now);
            self.obey();
        }
    }

    /// The broker's access list changes.
    ///
    /// Of two events under way it may then refuse the first and take the second: that hole is not the gateway's, and a replay fills it.
    pub(super) fn broker_refuses(&mut self, parts: Vec<&'static str>) {
        if self.broker.refuses != parts && !self.line_is_empty() {
            self.subscriber.was_always_there = false;
        }
        self.broker.refuses = parts;
    }

    /// The broker takes one thing from the line.
    pub(super) fn broker_takes(&mut self) -> bool {
        match self.up.pop_front() {
            None => return false,
            Some(Up::Publish(id, publish)) => {
                let (refused, echo) = self.broker.publish(&publish);
                if refused.is_none() && self.subscriber_there {
                    let Publish { topic, payload, .. } = &publish;
                    self.subscriber.take(topic, payload, false);
                }
                self.down.extend(echo.map(Down::Message));
                self.down.push_back(Down::Acked(id, refused));
            }
            Some(Up::Subscribe(id, filters)) => {
                let retained = self.broker.subscribe(&filters);
                self.down.extend(retained.into_iter().map(Down::Message));
                self.down.push_back(Down::Subscribed(id));
            }
            Some(Up::Unsubscribe(filters)) => self.broker.unsubscribe(&filters),
        }
        true
    }

    /// One answer arrives.
    pub(super) fn answer_arrives(&mut self) -> bool {
        match self.down.pop_front() {
            None => return false,
            Some(Down::Acked(id, refused)) => self.publisher.acked(id, refused, self.now),
            Some(Down::Subscribed(id)) => self.publisher.subscribed(id, None, self.now),
            Some(Down::Message(message)) => self.publisher.message(&message, self.now),
        }
        self.obey();
        true
    }

    /// Somebody else publishes.
    pub(super) fn outsider_publishes(&mut self, topic: &str, payload: &[u8], retain: bool) {
        let publish = Publish {
            topic: topic.into(),
            payload: payload.into(),
            retain,
            ..Publish::default()
        };
        let (_, to_publisher) = self.broker.publish(&publish);
        self.down.extend(to_publisher.map(Down::Message));
    }

    /// The gateway dies; the log keeps what was on disk and, of the rest, as much as `log_keep` of 255 says, the journal likewise.
    pub(super) fn power_fails(&mut self, log_keep: u8, journal_keep: u8) {
        let disk = &mut self.disk;
        let durable = disk.log_durable;
        let whole = disk
            .log
            .partition_point(|(position, _)| *position <= durable);
        let more = (disk.log.len() - whole) * usize::from(log_keep) / 255;
        let lost = disk.log.len() > whole + more;
        disk.log.truncate(whole + more);
        let more = (disk.journal.len() - disk.journal_durable) * usize::from(journal_keep) / 255;
        disk.journal.truncate(disk.journal_durable + more);
        disk.journal_durable = disk.journal.len();
        self.at_risk |= lost;
        self.connected = false;
        self.up.clear();
        self.down.clear();
        self.start();
    }

    /// The log's snapshot: the journal is on disk first.
    pub(super) fn snapshot(&mut self) {
        self.disk.journal_durable = self.disk.journal.len();
        let told = self.disk.log_durable;
        self.disk.replay_from = told;
    }

    pub(super) fn subscriber_leaves(&mut self) {
        self.subscriber_there = false;
        self.subscriber.was_always_there = false;
    }

    pub(super) fn subscriber_comes(&mut self) {
        self.subscriber_there = true;
        for (topic, payload) in self.broker.retained.clone() {
            self.subscriber.take(&topic, &payload, true);
        }
    }

    /// Everything works until nothing moves any more.
    pub(super) fn settle(&mut self) {
        self.fuse = None;
        self.broker_refuses(Vec::new());
        self.connect(8);
        for _ in 0..20_000 {
            self.durable(u64::MAX);
            let moved = self.broker_takes() | self.answer_arrives();
            if moved {
                continue;
            }
            let idle = self.publisher.is_known() && self.publisher.backlog() == 0;
            if idle && !self.publisher.is_checkpointing() {
                return;
            }
            self.tick(1_000);
        }
        panic!("it never comes to rest: {:?}", self.publisher);
    }

    /// What must hold at rest.
    pub(super) fn check(&mut self) {
        self.settle();
        // What could not be read is tried again; the last status shows the last event.
        self.tick(60_000);
        self.settle();
        if !self.subscriber_there {
            self.subscriber_comes();
        }
        let drafts: Vec<Draft> = self
            .disk
            .log
            .iter()
            .flat_map(|(_, drafts)| drafts.clone())
            .collect();
        let mut latest: BTreeMap<&str, &Draft> = BTreeMap::new();
        for draft in drafts.iter().filter(|draft| draft.stateful) {
            latest.insert(draft.id(), draft);
        }
        for (topic, body) in &self.broker.retained {
            let Some(id) = topic.strip_prefix(&format!("{PREFIX}alarm/state/")) else {
                continue;
            };
            let draft = latest
                .get(id)
                .unwrap_or_else(|| panic!("{id} is retained and has no event"));
            let body = String::from_utf8_lossy(body);
            assert!(body.ends_with(&format!("{}}}", draft.rest)), "{body}");
        }
        for id in latest.keys() {
            let topic = format!("{PREFIX}alarm/state/{id}");
            assert!(
                self.broker.retained.contains_key(&topic),
                "{id} is not retained"
            );
        }
        let standing: BTreeMap<String, String> = latest
            .values()
            .filter(|draft| draft.rest.contains(r#""letter":"B""#))
            .map(|draft| {
                let json: serde_json::Value =
                    serde_json::from_str(&format!("{{{}}}", draft.rest)).unwrap();
                (
                    draft.id().into(),
                    json["changed_at"].as_str().unwrap().into(),
                )
            })
            .collect();
        assert_eq!(self.subscriber.standing(), standing, "the table is true");

        // An epoch's first event names the one before.
        let mut asked = Vec::new();
        while let Some(epoch) = self
            .subscriber
            .epochs()
            .into_iter()
            .find(|epoch| !asked.contains(epoch))
        {
            asked.push(epoch.clone());
            let request = format!(r#"{{"epoch":"{epoch}","from":1,"to":{}}}"#, u64::MAX);
            self.outsider_publishes(
                &format!("{PREFIX}alarm/replay/regulator/request"),
                request.as_bytes(),
                false,
            );
            self.settle();
        }
        let told: Vec<(String, String)> = self
            .subscriber
            .chain()
            .into_iter()
            .filter(|body| body["event"] != "epoch")
            .map(|body| {
                let at = body["changed_at"].as_str().unwrap();
                (body["id"].as_str().unwrap().into(), at.into())
            })
            .collect();
        let made: Vec<(String, String)> = drafts
            .iter()
            .map(|draft| {
                let json: serde_json::Value =
                    serde_json::from_str(&format!("{{{}}}", draft.rest)).unwrap();
                (
                    draft.id().into(),
                    json["changed_at"].as_str().unwrap().into(),
                )
            })
            .collect();
        assert_eq!(told, made, "the chain tells the log, no more and no less");
    }

    pub(super) fn line_is_empty(&self) -> bool {
        self.up.is_empty() && self.down.is_empty()
    }
}
