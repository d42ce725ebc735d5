//! One site, as its messages tell it: what holds between them. Each kind of message has a file of its own.

mod event;
mod replay;
mod snapshot;
mod state;
mod status;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use telemetry::UtcMs;

use super::body::{AlarmView, Hash, Row, Status};
use super::history::{Claim, History, Verdict};
use super::{Desk, ProblemKind, Told};

/// Silence that makes the alarms unknown, in milliseconds: the contract's.
const SILENCE_MS: u64 = 60_000;
/// A status every 20 s, and 15 s for the way.
const STATUS_LATE_MS: u64 = 35_000;
/// A snapshot every 60 s, and 15 s for the way.
const SNAPSHOT_LATE_MS: u64 = 75_000;
/// How long what is owed may be on its way while nothing else comes, in milliseconds.
const GRACE_MS: u64 = 30_000;
/// How long a hole waits for what is on its way, in milliseconds.
const SHORT_MS: u64 = 2_000;
/// How long a replay may stand still, and how long it waits for its next try, in milliseconds.
const REPLAY_MS: u64 = 20_000;
/// How often events are asked for in vain.
const ATTEMPTS_MAX: u32 = 3;
/// A retired alarm's topic is emptied after 30 days; a day for clocks.
const RETIRED_MS: u64 = 29 * 24 * 3_600_000;

/// Whether the table of a site can be believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It can.
    Known,
    /// The subscriber itself isn't connected, or has heard no status yet.
    Unheard,
    /// The gateway is offline.
    Offline,
    /// The gateway says that it doesn't know.
    Unknown,
    /// No status for 60 s.
    Silent,
}

/// What is known of an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The event that made this state.
    pub seq: u64,
    /// What it shows; a row of a snapshot shows less than a state.
    pub view: AlarmView,
    epoch: Arc<str>,
    from_row: bool,
}

/// What holds for one connection of the subscriber.
#[derive(Debug)]
struct Live {
    connected: bool,
    /// True until it is clear what was told before this connection and what after.
    fresh: bool,
    /// True when a new epoch began on it: what the epoch takes over is told again.
    turned: bool,
    /// True once an event of the epoch in force came on it: those of the epoch before come earlier.
    begun: bool,
    /// The greatest number that was told on this connection.
    high: u64,
    /// The last state of each alarm on this connection.
    states: BTreeMap<Arc<str>, (u64, Hash)>,
    /// States that have to follow their events.
    owed: BTreeMap<Arc<str>, (u64, UtcMs)>,
    /// The last states that the broker or the gateway showed.
    shown: BTreeMap<Arc<str>, u64>,
    status_at: Option<UtcMs>,
    snapshot_at: Option<UtcMs>,
    /// False after `unknown`, until a snapshot follows; none when nothing is owed.
    caught_up: Option<bool>,
}

impl Live {
    fn new(connected: bool) -> Self {
        Self {
            connected,
            fresh: true,
            turned: false,
            begun: false,
            high: 0,
            states: BTreeMap::new(),
            owed: BTreeMap::new(),
            shown: BTreeMap::new(),
            status_at: None,
            snapshot_at: None,
            caught_up: None,
        }
    }
}

/// A snapshot whose parts are coming.
#[derive(Debug)]
struct Assembly {
    key: (Arc<str>, u64, UtcMs, u32),
    parts: BTreeMap<u32, Vec<Row>>,
    /// True when all of it came live.
    live: bool,
    /// True when the gateway began anew in the middle of it.
    interrupted: bool,
}

/// What the last snapshot does not list though it was active, until every event that the snapshot speaks of is known.
#[derive(Debug)]
struct Unlisted {
    epoch: Arc<str>,
    /// The snapshot's number.
    at: u64,
    /// Alarms, with the number of the event that made them active.
    alarms: Vec<(Arc<str>, u64)>,
}

/// A replay that was asked for.
#[derive(Debug)]
struct Asking {
    from: u64,
    to: u64,
    since: UtcMs,
    moved_at: UtcMs,
    /// True when some of it came.
    answered: bool,
}

/// One site.
#[derive(Debug)]
pub struct Site {
    name: String,
    park: String,
    enterprise: String,
    /// True until it is clear what was told before this subscriber began.
    is_new: bool,
    history: Option<History>,
    /// The epoch before.
    previous: Option<History>,
    alarms: BTreeMap<Arc<str>, Held>,
    status: Option<Status>,
    heard_at: Option<UtcMs>,
    silent: bool,
    /// The standing that was told last.
    told: Standing,
    live: Live,
    /// A number that was told of and whose event hasn't come; since when nothing moves.
    behind: Option<(u64, UtcMs)>,
    /// When the last new event came.
    progress_at: UtcMs,
    assembly: Option<Assembly>,
    unlisted: Option<Unlisted>,
    asking: Option<Asking>,
}

impl Site {
    pub(super) fn new(park: &str, enterprise: &str, now: UtcMs) -> Self {
        Self {
            name: format!("{park}/{enterprise}"),
            park: park.to_owned(),
            enterprise: enterprise.to_owned(),
            is_new: true,
            history: None,
            previous: None,
            alarms: BTreeMap::new(),
            status: None,
            heard_at: None,
            silent: false,
            told: Standing::Unheard,
            live: Live::new(true),
            behind: None,
            progress_at: now,
            assembly: None,
            unlisted: None,
            asking: None,
        }
    }

    /// `{park}/{enterprise}`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The gateway's name; none before its first status.
    pub fn gateway(&self) -> Option<&str> {
        self.status.as_ref().map(|status| status.gateway.as_str())
    }

    /// The epoch and the last number that was heard of; none before that.
    pub fn head(&self) -> Option<(&str, u64)> {
        let history = self.history.as_ref()?;
        let behind = self.behind.map_or(0, |(high, _)| high);
        Some((&history.epoch, history.top.max(behind)))
    }

    /// How many events are known to be missing.
    pub fn missing(&self) -> u64 {
        let Some(history) = &self.history else {
            return 0;
        };
        let holes = history.holes.iter();
        let in_holes: u64 = holes.map(|(from, hole)| hole.to - from + 1).sum();
        let behind = self.behind.map_or(0, |(high, _)| high);
        in_holes + behind.saturating_sub(history.top)
    }

    /// True when the gateway has said since then, on this connection, how far its events go; or that it is gone.
    pub fn has_spoken_since(&self, then: UtcMs) -> bool {
        let gone = self.status.as_ref().is_some_and(|status| !status.online);
        self.live.connected && (gone || self.live.status_at.is_some_and(|at| at >= then))
    }

    /// Whether the table can be believed.
    pub fn standing(&self) -> Standing {
        match &self.status {
            _ if !self.live.connected || self.heard_at.is_none() => Standing::Unheard,
            None => Standing::Unheard,
            Some(_) if self.silent => Standing::Silent,
            Some(status) if !status.online => Standing::Offline,
            Some(status) if !status.known => Standing::Unknown,
            Some(_) => Standing::Known,
        }
    }

    /// The alarms that are not in letter A, by id. What it says is only worth what [`standing`](Self::standing) says.
    pub fn alarms(&self) -> impl Iterator<Item = (&str, &Held)> {
        let alarms = self.alarms.iter().map(|(id, held)| (&**id, held));
        alarms.filter(|(_, held)| held.view.letter != 'A')
    }

    /// Every alarm that was heard of, also in letter A.
    pub fn all_alarms(&self) -> impl Iterator<Item = (&str, &Held)> {
        self.alarms.iter().map(|(id, held)| (&**id, held))
    }

    pub(super) fn connected(&mut self, now: UtcMs) {
        self.live = Live::new(true);
        self.heard_at = None;
        self.silent = false;
        self.behind = None;
        self.assembly = None;
        self.asking = None;
        self.progress_at = now;
        let holes = self
            .history
            .iter_mut()
            .flat_map(|history| history.holes.values_mut());
        for hole in holes {
            // Whatever was on its way then was told while nobody could hear it.
            hole.away = true;
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.live.connected = false;
        self.told = Standing::Unheard;
        self.asking = None;
    }

    fn problem(&self, desk: &mut Desk, kind: ProblemKind, now: UtcMs) {
        desk.problem(&self.name, kind, now);
    }

    fn malformed(&self, desk: &mut Desk, what: &str, why: String, now: UtcMs) {
        let what = what.to_owned();
        self.problem(desk, ProblemKind::Malformed { what, why }, now);
    }

    /// How a message's epoch stands to the one in force.
    fn order(&self, epoch: &str) -> Ordering {
        match &self.history {
            Some(history) => epoch.cmp(&history.epoch),
            None => Ordering::Greater,
        }
    }

    /// Complains of an epoch that is over; true when there is nothing to complain of.
    fn is_current(
        &self,
        what: &str,
        epoch: &str,
        retained: bool,
        desk: &mut Desk,
        now: UtcMs,
    ) -> bool {
        let over = self.order(epoch) == Ordering::Less;
        if over && !retained {
            let kind = ProblemKind::OldEpoch {
                what: what.to_owned(),
                epoch: epoch.to_owned(),
            };
            self.problem(desk, kind, now);
        }
        !over
    }

    /// Goes to a message's epoch when it is later than the one in force. `told`: the greatest number that was told before this message.
    fn enter(&mut self, epoch: &Arc<str>, told: u64, desk: &Desk, now: UtcMs) {
        if self.order(epoch) != Ordering::Greater {
            return;
        }
        let mut history = History::new(epoch.clone(), 1);
        match self.history.take() {
            None => {
                let floor = (told + 1).saturating_sub(desk.options.lookback).max(1);
                history = History::new(epoch.clone(), floor);
                history.dig(told, true, true, now.plus_ms(SHORT_MS));
            }
            Some(before) => {
                self.previous = Some(before);
                self.live.turned |= !self.live.fresh;
                self.live.begun = false;
                self.live.high = 0;
                self.live.states.clear();
                self.live.shown.clear();
                self.live.owed.clear();
                self.behind = None;
                self.assembly = None;
                self.asking = None;
            }
        }
        self.history = Some(history);
    }

    /// A message says that event `seq` of the epoch was made.
    fn told_of(&mut self, epoch: &Arc<str>, seq: u64, desk: &Desk, now: UtcMs) {
        self.enter(epoch, seq, desk, now);
        let Some(history) = &mut self.history else {
            return;
        };
        if seq <= history.top {
            return;
        }
        if self.live.fresh {
            history.dig(seq, true, self.is_new, now.plus_ms(SHORT_MS));
            if self.is_new {
                history.raise_floor((seq + 1).saturating_sub(desk.options.lookback));
            }
        } else {
            let (high, since) = self.behind.unwrap_or((seq, now));
            self.behind = Some((high.max(seq), since));
        }
    }

    /// Holds a claim against its event.
    fn claim(&mut self, seq: u64, claim: Claim, desk: &mut Desk, now: UtcMs) {
        let Some(history) = &mut self.history else {
            return;
        };
        let verdict = history.claim(seq, claim.clone());
        self.judged(seq, &claim, verdict, desk, now);
    }

    fn judged(&self, seq: u64, claim: &Claim, verdict: Verdict, desk: &mut Desk, now: UtcMs) {
        let kind = match (verdict, claim) {
            (Verdict::Stands, _) => return,
            (_, Claim::Head(what, _)) => ProblemKind::HeadDiffers { what, seq },
            (_, Claim::Row(id, at)) => ProblemKind::SnapshotDiffers {
                at: *at,
                id: id.to_string(),
                why: "its event is not its own",
            },
            (Verdict::NotIts, Claim::State(id, _)) => ProblemKind::StateOfNoEvent {
                id: id.to_string(),
                seq,
            },
            (Verdict::Differs, Claim::State(id, _)) => ProblemKind::StateDiffers {
                id: id.to_string(),
                seq,
            },
        };
        self.problem(desk, kind, now);
    }

    pub(super) fn tick(&mut self, desk: &mut Desk, now: UtcMs) {
        let late = |since: UtcMs, limit: u64| now.since_ms(since) > limit;
        let silent = self.heard_at.is_some_and(|at| late(at, SILENCE_MS));
        if silent && !self.silent {
            self.silent = true;
            desk.counts.silences += 1;
            // A gateway that goes says so, or its broker does.
            let heard = self.live.status_at;
            if let Some(at) = heard.filter(|_| self.status.as_ref().is_some_and(|it| it.online)) {
                let seconds = now.since_ms(at) / 1_000;
                self.problem(desk, ProblemKind::StatusLate { seconds }, now);
            }
        }
        let known = self.standing() == Standing::Known;
        if known {
            self.find_left_out(desk, now);
        }
        if self
            .asking
            .as_ref()
            .is_some_and(|asking| late(asking.moved_at, REPLAY_MS))
        {
            self.replay_stands(desk, now);
        }
        if known && self.asking.is_none() {
            self.ask(desk, now);
        }
        self.tell_standing(desk);
    }

    /// Tells whether the table can be believed, when that has changed; what goes with the subscriber's own connection is told by who owns that.
    fn tell_standing(&mut self, desk: &mut Desk) {
        let standing = self.standing();
        if std::mem::replace(&mut self.told, standing) != standing && standing != Standing::Unheard
        {
            let gateway = self.gateway().map(ToOwned::to_owned);
            desk.tell(&self.name, Told::Standing { gateway, standing });
        }
    }

    /// When a tick is due.
    pub(super) fn due(&self) -> Option<UtcMs> {
        let after = |at: UtcMs, limit: u64| Some(at.plus_ms(limit + 1));
        let known = self.standing() == Standing::Known;
        let owed = self.live.owed.values().map(|(_, since)| *since).min();
        let holes = self
            .history
            .iter()
            .flat_map(|history| history.holes.values());
        let times = [
            self.heard_at
                .filter(|_| !self.silent)
                .and_then(|at| after(at, SILENCE_MS)),
            self.behind
                .and_then(|(_, since)| after(since, GRACE_MS))
                .filter(|_| known),
            owed.and_then(|since| after(since.max(self.progress_at), GRACE_MS))
                .filter(|_| known),
            self.asking
                .as_ref()
                .and_then(|asking| after(asking.moved_at, REPLAY_MS)),
            holes
                .filter_map(|hole| hole.ask_at)
                .min()
                .filter(|_| known && self.asking.is_none()),
        ];
        times.into_iter().flatten().min()
    }

    pub(super) fn is_settled(&self) -> bool {
        let mut holes = self
            .history
            .iter()
            .flat_map(|history| history.holes.values());
        self.heard_at.is_some()
            && self.asking.is_none()
            && self.behind.is_none()
            && self.live.owed.is_empty()
            && holes.all(|hole| hole.ask_at.is_none())
    }

    pub(super) fn finish(&mut self, desk: &mut Desk, now: UtcMs) {
        // Without a connection nobody can be asked.
        let holes = self.history.iter().filter(|_| self.live.connected);
        let holes = holes.flat_map(|history| &history.holes);
        let mut wrong: Vec<ProblemKind> = holes
            .filter(|(_, hole)| hole.ask_at.is_some() && !hole.old)
            .map(|(from, hole)| ProblemKind::NotRepaired {
                from: *from,
                to: hole.to,
            })
            .collect();
        // What was on its way when the connection went is nobody's fault.
        if !self.live.connected {
            self.behind = None;
            self.live.owed.clear();
        }
        let top = self.history.as_ref().map_or(0, |history| history.top);
        wrong.extend(
            self.behind
                .take()
                .map(|(to, _)| ProblemKind::LeftOut { from: top + 1, to }),
        );
        let owed = std::mem::take(&mut self.live.owed);
        wrong.extend(owed.into_iter().map(|(id, (seq, _))| {
            let id = id.to_string();
            ProblemKind::StateLeftOut { id, seq }
        }));
        for kind in wrong {
            self.problem(desk, kind, now);
        }
    }
}
