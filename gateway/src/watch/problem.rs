//! What a subscriber can find wrong, in words for people.

use serde::Serialize;
use telemetry::UtcMs;
use thiserror::Error;

/// One break of the contract.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The site, `{park}/{enterprise}`.
    pub site: String,
    /// When it was seen.
    pub at: UtcMs,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What is wrong. Numbers of events are `seq` of the epoch in force.
#[derive(Clone, Debug, Eq, Error, PartialEq, Serialize)]
#[serde(tag = "problem", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// A topic that the contract doesn't have.
    #[error("`{topic}`: {why}")]
    Topic {
        /// The topic.
        topic: String,
        /// What is wrong with it.
        why: String,
    },
    /// A body that isn't as its schema says.
    #[error("{what}: {why}")]
    Malformed {
        /// The message, as `state of tank/lel-1/gas`.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A message that must not be retained is.
    #[error("{what} is retained")]
    Retained {
        /// The message.
        what: String,
    },
    /// Events didn't come, though the connection stood.
    #[error("events {from} to {to} were left out")]
    LeftOut {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// An event came after a later one.
    #[error("event {seq} came after a later one")]
    Reordered {
        /// The event.
        seq: u64,
    },
    /// An event came again with other bytes.
    #[error("event {seq} came again with other bytes")]
    RepeatDiffers {
        /// The event.
        seq: u64,
    },
    /// An event's `prev` is not the hash of the event before it.
    #[error("event {seq} does not follow the event before it: `prev` is another hash")]
    ChainBroken {
        /// The event.
        seq: u64,
    },
    /// A status or a snapshot names another hash for an event.
    #[error("{what} has another hash for event {seq}")]
    HeadDiffers {
        /// `status` or `snapshot`.
        what: &'static str,
        /// The event.
        seq: u64,
    },
    /// A status counts fewer events than there were.
    #[error("the status went back to event {seq} after event {before}")]
    HeadWentBack {
        /// What it says.
        seq: u64,
        /// What was seen before.
        before: u64,
    },
    /// A message of an epoch that was over.
    #[error("{what} is of epoch {epoch}, which was over")]
    OldEpoch {
        /// The message.
        what: String,
        /// Its epoch.
        epoch: String,
    },
    /// A new epoch doesn't continue what it says it does.
    #[error("epoch {epoch}: {why}")]
    Epoch {
        /// The epoch.
        epoch: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A state whose event is another alarm's, or none.
    #[error("the state of {id} belongs to no event: event {seq} is not its own")]
    StateOfNoEvent {
        /// The alarm.
        id: String,
        /// The event that the state names.
        seq: u64,
    },
    /// A state says something else than its event, or than the same state before.
    #[error("the state of {id} differs from event {seq}")]
    StateDiffers {
        /// The alarm.
        id: String,
        /// The event.
        seq: u64,
    },
    /// A state came after a later one of the same alarm.
    #[error("the state of {id} went back to event {seq} after event {before}")]
    StateWentBack {
        /// The alarm.
        id: String,
        /// What came.
        seq: u64,
        /// What was there.
        before: u64,
    },
    /// A state was emptied while its alarm exists.
    #[error("the state of {id} was emptied")]
    StateEmptied {
        /// The alarm.
        id: String,
    },
    /// An event came and its state didn't.
    #[error("the state of {id} for event {seq} was left out")]
    StateLeftOut {
        /// The alarm.
        id: String,
        /// The event.
        seq: u64,
    },
    /// An event can't follow on the state before it.
    #[error("event {seq} of {id}: {why}")]
    LifeCycle {
        /// The alarm.
        id: String,
        /// The event.
        seq: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A snapshot says something else of an alarm than its state.
    #[error("the snapshot at event {at}: {id}: {why}")]
    SnapshotDiffers {
        /// The snapshot's event.
        at: u64,
        /// The alarm.
        id: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A snapshot began before the one before it was complete.
    #[error("the snapshot at event {at} lacks {missing} of its parts")]
    SnapshotIncomplete {
        /// The snapshot's event.
        at: u64,
        /// How many parts.
        missing: u32,
    },
    /// No snapshot for longer than the contract says.
    #[error("no snapshot for {seconds} s, expected one every 60 s")]
    SnapshotLate {
        /// For how long, in seconds.
        seconds: u64,
    },
    /// No status for longer than the contract says, from a gateway that said it was online.
    #[error("no status for {seconds} s, expected one every 20 s")]
    StatusLate {
        /// For how long, in seconds.
        seconds: u64,
    },
    /// A gateway said `unknown` and then `known` without a snapshot between.
    #[error("the status says `known` again without a snapshot since it said `unknown`")]
    KnownWithoutSnapshot,
    /// Two gateways say that they are online.
    #[error("`{one}` and `{other}` both serve the site")]
    TwoGateways {
        /// The one.
        one: String,
        /// The other.
        other: String,
    },
    /// Events that were missed, and that no replay brought back.
    #[error("events {from} to {to} were missed and no replay brought them back")]
    NotRepaired {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A replay brought events that weren't asked for, or no end.
    #[error("the replay of events {from} to {to}: {why}")]
    Replay {
        /// The first that was asked for.
        from: u64,
        /// The last.
        to: u64,
        /// What is wrong.
        why: &'static str,
    },
}
