//! One connection, from the first subscription to `known`: its stages and what is under way on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use host::mqtt::Publish;
use telemetry::UtcMs;

use super::read_back::Reading;
use super::replay::Replays;
use super::rivals::Rival;
use super::{Output, Publisher, STATUS_MS};
use crate::alarm::Epoch;
use crate::alarm::event::Event;
use crate::alarm::table;

/// How long a refused event or state waits for the next try, in milliseconds, at first and at most.
const REFUSED_MS: (u64, u64) = (5_000, 60_000);

/// How far a connection is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// What the broker retains of ours is read back.
    Reading,
    /// The broker retains that another gateway is online; until then nothing leaves but a question.
    Contested(UtcMs),
    /// It is decided whether the epoch goes on.
    Settling,
    /// Every state that differs leaves.
    States,
    /// The snapshot leaves.
    Snapshot,
    /// The broker has everything; events leave.
    Known,
}

/// A kind of message; what is refused is told once for each.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Status,
    State,
    Event,
    Snapshot,
    Replay,
}

/// A message under way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Sent {
    Status,
    Goodbye,
    Marker,
    /// Whether another gateway is there.
    Question,
    State {
        id: Arc<str>,
        number: (Epoch, u64),
    },
    /// An empty body, for an alarm that is no more.
    Empty {
        id: Arc<str>,
    },
    Event {
        place: u64,
    },
    Part,
    Chunk,
}

impl Sent {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Status | Self::Goodbye => Kind::Status,
            Self::State { .. } | Self::Empty { .. } => Kind::State,
            Self::Event { .. } => Kind::Event,
            Self::Part => Kind::Snapshot,
            Self::Marker | Self::Question | Self::Chunk => Kind::Replay,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) stage: Stage,
    pub(super) window: usize,
    pub(super) under_way: BTreeMap<u64, (Sent, String)>,
    pub(super) reading: Reading,
    /// When what could not be read is tried again.
    pub(super) read_again: Option<UtcMs>,
    /// The greatest number that the broker retains of ours.
    pub(super) seen: Option<(Epoch, u64)>,
    /// The other gateway that the broker retains as online.
    pub(super) rival: Option<Rival>,
    /// True when another gateway spoke while we read.
    pub(super) doubted: bool,
    /// True once a status has left.
    pub(super) has_spoken: bool,
    /// When this connection was made.
    pub(super) since: UtcMs,

    pub(super) status_due: Option<UtcMs>,
    /// States that wait, from the oldest.
    pub(super) states: VecDeque<(Arc<str>, UtcMs)>,
    /// States that were refused, and when they are tried again.
    pub(super) refused_states: BTreeMap<Arc<str>, UtcMs>,
    /// The greatest place that a state which has left shows.
    pub(super) shown: u64,
    /// Alarms that the broker retains and nobody knows.
    pub(super) strangers: Vec<Arc<str>>,
    /// Alarms that retired 30 days ago, and when to look again.
    pub(super) retired: Vec<Arc<str>>,
    pub(super) retire_due: Option<UtcMs>,

    pub(super) next_place: u64,
    pub(super) acked_ahead: BTreeSet<u64>,
    /// Events that were read from the journal.
    pub(super) backlog: VecDeque<Event>,
    pub(super) fetching: bool,
    pub(super) events_wait: Option<UtcMs>,
    pub(super) refusals: u32,
    /// Whose turn it is when states have waited too long.
    pub(super) state_turn: bool,

    pub(super) parts: VecDeque<(u32, Vec<u8>)>,
    pub(super) snapshot_due: Option<UtcMs>,
    /// One more than the greatest part that the broker holds.
    pub(super) parts_held: u32,

    pub(super) replays: Replays,
}

impl Line {
    pub(super) fn new(window: usize, acked: u64, now: UtcMs) -> Self {
        Self {
            stage: Stage::Reading,
            window,
            under_way: BTreeMap::new(),
            reading: Reading::default(),
            read_again: None,
            seen: None,
            rival: None,
            doubted: false,
            has_spoken: false,
            since: now,
            status_due: None,
            states: VecDeque::new(),
            refused_states: BTreeMap::new(),
            shown: 0,
            strangers: Vec::new(),
            retired: Vec::new(),
            retire_due: None,
            next_place: acked + 1,
            acked_ahead: BTreeSet::new(),
            backlog: VecDeque::new(),
            fetching: false,
            events_wait: None,
            refusals: 0,
            state_turn: false,
            parts: VecDeque::new(),
            snapshot_due: None,
            parts_held: 0,
            replays: Replays::default(),
        }
    }

    pub(super) fn is_known(&self) -> bool {
        self.stage == Stage::Known && self.refused_states.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        // One is kept for goodbye.
        self.under_way.len() < self.window.saturating_sub(1).max(1)
    }

    /// Puts a state into the queue, once.
    pub(super) fn queue(&mut self, entry: &mut table::Entry, id: Arc<str>, now: UtcMs) {
        if !entry.queued {
            entry.queued = true;
            self.states.push_back((id, now));
        }
    }

    /// True while a message of this kind is under way.
    pub(super) fn has_under_way(&self, kind: Kind) -> bool {
        self.under_way.values().any(|(sent, _)| sent.kind() == kind)
    }

    /// How long to wait after one more refusal, in milliseconds.
    pub(super) fn refusal_wait(&mut self) -> u64 {
        let (first, longest) = REFUSED_MS;
        let wait = (first << self.refusals.min(8)).min(longest);
        self.refusals = self.refusals.saturating_add(1);
        wait
    }

    /// When something is due without anything happening.
    pub(super) fn due(&self) -> UtcMs {
        let contested = match self.stage {
            Stage::Contested(until) => Some(until),
            _ => None,
        };
        let known = self.stage == Stage::Known;
        let refused = self.refused_states.values().copied().min();
        let times = [
            contested,
            self.status_due,
            self.snapshot_due.filter(|_| known),
            self.reading.deadline(),
            self.read_again.filter(|_| known),
            self.events_wait,
            refused,
        ];
        let far = self.since.plus_ms(u64::MAX);
        times.into_iter().flatten().min().unwrap_or(far)
    }

    pub(super) fn say_goodbye(
        &mut self,
        next_id: &mut u64,
        will: Publish,
        out: &mut VecDeque<Output>,
    ) {
        // Who never said anything has nothing to take back.
        if !self.has_spoken {
            out.push_back(Output::Farewell);
            return;
        }
        *next_id += 1;
        self.under_way
            .insert(*next_id, (Sent::Goodbye, will.topic.clone()));
        out.push_back(Output::Publish {
            id: *next_id,
            publish: will,
        });
    }
}

impl Publisher {
    /// The session is connected, with room for this many messages under way. [`start`](Self::start) comes before.
    pub fn connected(&mut self, window: usize, now: UtcMs) {
        self.begin(Line::new(window, self.at.acked, now), now);
    }

    /// Begins with reading back.
    pub(super) fn begin(&mut self, mut line: Line, now: UtcMs) {
        // Who serves says at once that it is there, and that it knows nothing yet.
        line.status_due = self.serves.then_some(now);
        for entry in self.table.iter_mut() {
            entry.held = false;
            entry.queued = false;
        }
        self.line = Some(line);
        self.read_back(now);
        self.pump(now);
    }

    /// The session lost its connection. Whatever was not acknowledged is sent again, each with the same bytes.
    pub fn disconnected(&mut self, now: UtcMs) {
        self.line = None;
        if self.stopping {
            self.out.push_back(Output::Farewell);
        }
        self.tell_acked(now);
    }

    /// Every state that the broker does not hold leaves, then the snapshot, then `known`.
    pub(super) fn send_everything(&mut self, now: UtcMs) {
        let Some(line) = &mut self.line else { return };
        line.stage = Stage::States;
        line.status_due.get_or_insert(now);
        for entry in self.table.iter_mut().filter(|entry| !entry.held) {
            let id = entry.row.id.clone();
            line.queue(entry, id, now);
        }
    }

    pub(super) fn line_tick(&mut self, now: UtcMs) {
        let Some(line) = &mut self.line else { return };
        match line.stage {
            Stage::Contested(until) if until <= now => self.uncontested(now),
            _ if line.reading.deadline().is_some_and(|due| due <= now) => {
                self.not_readable(None, now);
            }
            Stage::Known if line.read_again.is_some_and(|due| due <= now) => {
                line.read_again = None;
                self.read_again(now);
            }
            _ => {}
        }
        let Some(line) = &mut self.line else { return };
        line.events_wait = line.events_wait.filter(|until| *until > now);
        let ripe: Vec<_> = line
            .refused_states
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in ripe {
            line.refused_states.remove(&id);
            if let Some(entry) = self.table.get_mut(&id) {
                line.queue(entry, id, now);
            }
        }
        if now.since_ms(self.acked_told.1) >= super::ACKED_MS {
            self.tell_acked(now);
        }
    }

    /// The time of the next status after one that leaves now.
    pub(super) fn next_status(now: UtcMs) -> UtcMs {
        now.plus_ms(STATUS_MS)
    }
}
