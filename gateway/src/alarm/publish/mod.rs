//! The publisher: what goes to the broker, and when.
//!
//! Sans-IO: effects, the log's durable offset, the session's news and the time go in; [`Output`]s come out, to be carried out in order.
//! It reads no clock and no file and knows no client library. What it must remember it says as journal [`Entry`]s; what it has forgotten it asks for ([`Output::Fetch`]).
//!
//! What holds at every moment:
//! - An event leaves when the log has its record on disk; or 20 ms after the record was appended, once a state that shows its number, or a later one, has left on the same connection. So a crash that loses the record is seen at the next start, on the broker.
//! - Events leave in the order of their places, each with the bytes that the journal has.
//! - Nothing but a marker and a question on its own replay topics leaves before this process serves the site: what the broker retains is read back first, and nobody else may be there.
//! - No event and no state leaves before the epoch is settled.

mod connect;
mod inbox;
mod pump;
mod read_back;
mod release;
mod replay;
mod rivals;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use host::mqtt::{Publish, Refusal};
use telemetry::UtcMs;
use telemetry::topic::{SiteTopic, Topic};

use super::Epoch;
use super::entry::{Checkpoint, Entry};
use super::event::{Draft, Event, Hash};
use super::message::{AlarmWord, Site, Status};
use super::recover::Recovered;
use super::table::Table;
use connect::{Kind, Line};

/// How long an effect waits for the disk, in milliseconds.
const PATIENCE_MS: u64 = 20;
/// The time between two statuses, in milliseconds.
const STATUS_MS: u64 = 20_000;
/// The time between two snapshots, in milliseconds; the contract's longest is 60 s.
const SNAPSHOT_MS: u64 = 50_000;
/// How long a retired alarm's state stays, in milliseconds.
const RETIRED_MS: u64 = 30 * 24 * 3_600_000;
/// How often the journal learns how far the broker has acknowledged, in milliseconds.
const ACKED_MS: u64 = 1_000;
/// How many of the last events are kept in memory.
const RECENT_MAX: usize = if cfg!(test) { 5 } else { 4_096 };

/// What a publisher is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who speaks.
    pub site: Site,
    /// This process, as no other is called: a ULID of its start.
    pub instance: String,
    /// The MQTT client id of the alarm session; one level of a topic.
    pub client_id: String,
    /// The hash of the rules in force.
    pub rules_hash: String,
    /// The ids of every alarm that the rules have: where to look for states on the broker.
    pub alarms: Vec<String>,
    /// 128 random bits; epochs are made from them.
    pub chance: u128,
}

/// What is to be done, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Append to the journal; with `sync`, and everything before it on disk before the next output.
    Journal {
        /// What.
        entry: Entry,
        /// True when it must be on disk.
        sync: bool,
    },
    /// Read events from the journal, from this place on, about 64 KiB; answer with [`Publisher::fetched`].
    Fetch {
        /// What to answer with.
        purpose: Purpose,
        /// The first place wanted. What is older than the journal is left out.
        from: u64,
    },
    /// Send; answer with [`Publisher::acked`].
    Publish {
        /// What to answer with.
        id: u64,
        /// The message.
        publish: Publish,
    },
    /// Subscribe; answer with [`Publisher::subscribed`].
    Subscribe {
        /// What to answer with.
        id: u64,
        /// The filters.
        filters: Vec<String>,
    },
    /// Take filters back.
    Unsubscribe {
        /// The filters.
        filters: Vec<String>,
    },
    /// Tell people.
    Report(Report),
    /// Everything is said: close the session.
    Farewell,
}

/// What is read from the journal, for whom.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// Events that the broker has not acknowledged.
    Backlog,
    /// What a new epoch tells again.
    Reissue,
    /// What the subscriber with this ticket asked for.
    Replay(u64),
}

/// What people should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Report {
    /// The broker refused a message, as an access list does; it is tried again.
    Refused {
        /// Its topic.
        topic: String,
        /// Why.
        refusal: Refusal,
    },
    /// The broker takes messages on that topic again.
    Accepted {
        /// The topic.
        topic: String,
    },
    /// What the broker retains of ours can't be read back: every state is sent, and a history that went on elsewhere is not noticed.
    NotReadable {
        /// The broker's answer, where there was one.
        refusal: Option<Refusal>,
    },
    /// A new epoch began.
    NewEpoch {
        /// The epoch.
        epoch: Epoch,
        /// The one before.
        previous: Option<Epoch>,
        /// Why.
        reason: TurnReason,
    },
    /// Another gateway's status says `online`; it is watched for a minute before ours goes on.
    Contested {
        /// Its name.
        gateway: String,
    },
    /// Another gateway serves this site now.
    OtherGateway {
        /// Its name.
        gateway: String,
        /// True when this one goes; else the other one does.
        fatal: bool,
    },
    /// The log's replay gives another event than the one that was sent; the one that was sent stands.
    Diverged {
        /// The offset behind the record.
        position: u64,
        /// Which of its events.
        index: u32,
    },
    /// Events that are not in the journal any more were never acknowledged by the broker.
    Missing {
        /// The first place.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A replay request that makes no sense, or one too many.
    BadRequest {
        /// The subscriber.
        client: String,
    },
}

/// Why an epoch began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TurnReason {
    /// The data folder had no event.
    NewFolder,
    /// Events had left that the log does not have.
    LogBehind,
    /// The broker retains a number of ours beyond our log.
    BrokerAhead,
}

impl TurnReason {
    /// The word in the event.
    pub fn word(self) -> &'static str {
        match self {
            Self::NewFolder => "new-data-folder",
            Self::LogBehind => "log-behind-journal",
            Self::BrokerAhead => "broker-ahead-of-log",
        }
    }
}

/// A record's events that wait for the disk, or for its patience to end.
#[derive(Debug)]
struct Waiting {
    position: u64,
    drafts: Vec<(u32, Draft)>,
    leave_at: UtcMs,
}

/// How far a checkpoint is.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Writing {
    Nothing,
    /// It begins when the log has every event: what it says must not be beyond the log.
    Wanted,
    /// Every row up to this id is written.
    Rows(Option<Arc<str>>),
}

/// The publisher of one site.
#[derive(Debug)]
pub struct Publisher {
    settings: Settings,
    at: Checkpoint,
    table: Table,
    latest_epoch: Option<Epoch>,
    /// What the last epoch that we began says it follows.
    previous: Option<Epoch>,
    /// What the journal says of the log's events; only until [`Publisher::start`].
    known: HashMap<(u64, u32), Hash>,
    orphans: u64,
    started: bool,
    stopping: bool,

    waiting: VecDeque<Waiting>,
    /// The log is on disk up to this offset.
    durable: u64,
    /// Every event up to this place has its record on disk.
    durable_place: u64,
    /// Events that left without the disk: offset and place.
    undurable: VecDeque<(u64, u64)>,
    recent: VecDeque<Event>,

    line: Option<Line>,
    /// What the broker retains of ours could not be read.
    unread: bool,
    /// True once this process has found that it alone serves the site.
    serves: bool,
    /// The kinds of message that the broker refuses now, with the topic that was told.
    refused: BTreeMap<Kind, String>,
    next_id: u64,
    next_ticket: u64,
    acked_told: (u64, UtcMs),
    checkpoint: Writing,
    out: VecDeque<Output>,
}

impl Publisher {
    /// A publisher that goes on where the journal ended. Feed it the log's replay with [`commit`](Self::commit), then [`start`](Self::start).
    pub fn new(settings: Settings, recovered: Recovered) -> Self {
        let Recovered {
            at,
            table,
            latest,
            orphans,
            known,
        } = recovered;
        Self {
            acked_told: (at.acked, UtcMs(0)),
            durable_place: at.place,
            at,
            table,
            latest_epoch: latest,
            previous: None,
            known,
            orphans,
            settings,
            started: false,
            stopping: false,
            waiting: VecDeque::new(),
            durable: 0,
            undurable: VecDeque::new(),
            recent: VecDeque::new(),
            line: None,
            unread: false,
            serves: false,
            refused: BTreeMap::new(),
            next_id: 0,
            next_ticket: 0,
            checkpoint: Writing::Nothing,
            out: VecDeque::new(),
        }
    }

    /// The next thing to do; none until something else happens.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`tick`](Self::tick) is due, if nothing else happens before. Calling it early does no harm.
    pub fn poll_timeout(&self) -> Option<UtcMs> {
        let patience = self.waiting.front().map(|waiting| waiting.leave_at);
        let patience = patience.filter(|_| self.started && self.at.reissue.is_none());
        let line = self.line.as_ref().map(Line::due);
        patience.into_iter().chain(line).min()
    }

    /// Does what has become due.
    pub fn tick(&mut self, now: UtcMs) {
        self.release(now);
        self.line_tick(now);
        self.pump(now);
    }

    /// The rules changed: their hash and the ids of all their alarms.
    pub fn set_rules(&mut self, rules_hash: String, alarms: Vec<String>, now: UtcMs) {
        self.settings.rules_hash = rules_hash;
        self.settings.alarms = alarms;
        if let Some(line) = self.line.as_mut().filter(|_| self.serves) {
            line.status_due = Some(now);
        }
        self.pump(now);
    }

    /// What the broker shall say for this gateway when it loses it.
    pub fn will(&self) -> Publish {
        let status = Status {
            alarms: AlarmWord::Unknown,
            head: None,
            rules_hash: &self.settings.rules_hash,
            instance: &self.settings.instance,
        };
        Publish {
            retain: true,
            ..message(
                self.topic(Topic::GatewayStatus),
                status.write(&self.settings.site),
            )
        }
    }

    /// The last event's epoch and number; none before the first.
    pub fn head(&self) -> Option<(Epoch, u64)> {
        self.at.spans.number(self.at.place)
    }

    /// How many events the broker has not acknowledged.
    pub fn backlog(&self) -> u64 {
        self.at.place.saturating_sub(self.at.acked)
    }

    /// True once this process has found that it alone serves the site: what nodes send is for it.
    pub fn serves(&self) -> bool {
        self.serves
    }

    /// True while there is a session with the broker.
    pub fn is_connected(&self) -> bool {
        self.line.is_some()
    }

    /// The states of all alarms that are not in letter A, as their topics have them.
    pub fn abnormal(&self) -> Vec<String> {
        self.table
            .abnormal()
            .map(|row| String::from_utf8_lossy(&row.body()).into_owned())
            .collect()
    }

    /// How many alarms are not in letter A.
    pub fn n_abnormal(&self) -> usize {
        self.table.abnormal().count()
    }

    /// True while an event of a record up to this offset has no number, and so is in no journal.
    pub fn is_behind(&self, position: u64) -> bool {
        let first = self.waiting.front();
        first.is_some_and(|waiting| waiting.position <= position)
    }

    /// True while the broker has every state and takes what we say beside them, and the status says so.
    pub fn is_known(&self) -> bool {
        let speaks = [Kind::Status, Kind::Event, Kind::Snapshot]
            .iter()
            .all(|kind| !self.refused.contains_key(kind));
        speaks && self.line.as_ref().is_some_and(Line::is_known)
    }

    /// Begins a checkpoint in the journal: call when a new segment begins. Nothing happens while one is being written.
    pub fn checkpoint(&mut self, now: UtcMs) {
        if self.checkpoint == Writing::Nothing {
            self.checkpoint = Writing::Wanted;
        }
        self.pump(now);
    }

    /// True while a checkpoint is being written.
    pub fn is_checkpointing(&self) -> bool {
        self.checkpoint != Writing::Nothing
    }

    /// Says goodbye: `unknown` first, then [`Output::Farewell`]. Nothing else leaves after this.
    pub fn stop(&mut self, now: UtcMs) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        self.tell_acked(now);
        let will = self.will();
        match &mut self.line {
            None => self.out.push_back(Output::Farewell),
            Some(line) => line.say_goodbye(&mut self.next_id, will, &mut self.out),
        }
    }

    fn topic(&self, topic: Topic<'_>) -> String {
        topic_of(&self.settings.site, topic)
    }

    fn journal(&mut self, entry: Entry, sync: bool) {
        self.out.push_back(Output::Journal { entry, sync });
    }

    fn report(&mut self, report: Report) {
        self.out.push_back(Output::Report(report));
    }

    /// Tells the journal how far the broker has acknowledged, when that moved.
    fn tell_acked(&mut self, now: UtcMs) {
        if self.at.acked > self.acked_told.0 {
            self.acked_told = (self.at.acked, now);
            self.journal(Entry::Acked(self.at.acked), false);
        }
    }
}

fn topic_of(site: &Site, topic: Topic<'_>) -> String {
    let topic = SiteTopic {
        park: &site.park,
        enterprise: &site.enterprise,
        topic,
    };
    topic.to_string()
}

/// A message that is not retained.
fn message(topic: String, payload: Vec<u8>) -> Publish {
    Publish {
        topic,
        payload,
        content_type: Some("application/json"),
        ..Publish::default()
    }
}
