//! What comes out of the engine and what goes in: inputs, commands, effects and an alarm's state.
//!
//! Knows no wire form: the gateway writes the contract's bodies from these and the program's tables.

use alloc::sync::Arc;

use telemetry::{Clock, Quality, Sample, UtcMs, Value};
use thiserror::Error;

use crate::point::PointIdx;
use crate::value::Tri;

/// The index of an alarm in its program.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AlarmIdx(pub u32);

/// One record of the log, as the engine sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// A live reading: newer than its point's watermark and not older than its `max_age`. Who feeds the engine has judged that.
    Sample {
        /// Whose.
        point: PointIdx,
        /// The reading.
        sample: Sample,
    },
    /// A reading that came late. It never touches live state; at most it makes a `historical` event.
    Late {
        /// Whose.
        point: PointIdx,
        /// The reading.
        sample: Sample,
    },
    /// What the system knows of itself, for an alarm whose level is [`Test::External`](crate::program::Test::External).
    Condition {
        /// A system alarm.
        alarm: AlarmIdx,
        /// Whether it holds.
        active: Tri,
        /// Why, for people; empty when there is nothing to say.
        reason: &'a str,
    },
    /// What a person asked for.
    Command(Command<'a>),
    /// An output that an alarm switches did what it was told, or did not: an event of the alarm.
    Switched {
        /// The alarm.
        alarm: AlarmIdx,
        /// What came of it.
        switched: Switched,
    },
    /// Nobody evaluated between these times: on-delays pause over it, off-delays begin again.
    Down {
        /// The last time before.
        from: UtcMs,
        /// The first time after.
        to: UtcMs,
    },
    /// Time passed, nothing else.
    Time,
}

/// What came of switching an output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Switched {
    /// The output's point.
    pub output: PointIdx,
    /// What it was to be.
    pub on: bool,
    /// Whether it is.
    pub ok: bool,
}

/// What a person asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Command<'a> {
    /// What to do.
    pub verb: Verb,
    /// To which alarm.
    pub alarm: AlarmIdx,
    /// The occurrence that the person saw; another one is refused. None: whichever it is.
    pub occurrence: Option<u64>,
    /// Who; never empty.
    pub by: &'a str,
    /// What they had to say.
    pub comment: Option<&'a str>,
    /// Until when, for what ends by itself.
    pub until: Option<UtcMs>,
    /// The second person, for what needs two; another one than `by`.
    pub second: Option<&'a str>,
    /// The work order, for what needs one.
    pub ticket: Option<&'a str>,
}

impl<'a> Command<'a> {
    /// A command that says who asks for what, and no more.
    pub fn new(verb: Verb, alarm: AlarmIdx, by: &'a str) -> Self {
        Self {
            verb,
            alarm,
            occurrence: None,
            by,
            comment: None,
            until: None,
            second: None,
            ticket: None,
        }
    }
}

/// What a person can do to an alarm.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verb {
    /// I have seen it.
    Ack,
    /// The cause of a latched alarm is gone: let it go to normal.
    Reset,
    /// Say something about it.
    Comment,
    /// Let the siren be quiet for ten minutes at most; it sounds again with the next raise or level up.
    Silence,
    /// Put it aside until a time.
    Shelve,
    /// Put it aside until it returns, or until a time.
    ShelveOnce,
    /// Take it back.
    Unshelve,
    /// Its sensor is being worked on, by work order and with a second person, until a time.
    OutOfService,
    /// It is back.
    InService,
    /// What comes until a time is a test.
    Test,
    /// The test is over.
    TestEnd,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 11] = [
        Self::Ack,
        Self::Reset,
        Self::Comment,
        Self::Silence,
        Self::Shelve,
        Self::ShelveOnce,
        Self::Unshelve,
        Self::OutOfService,
        Self::InService,
        Self::Test,
        Self::TestEnd,
    ];

    /// The word of the command line and of the event's cause.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Reset => "reset",
            Self::Comment => "comment",
            Self::Silence => "silence",
            Self::Shelve => "shelve",
            Self::ShelveOnce => "shelve-once",
            Self::Unshelve => "unshelve",
            Self::OutOfService => "out-of-service",
            Self::InService => "in-service",
            Self::Test => "test",
            Self::TestEnd => "test-end",
        }
    }

    /// The verb that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// Why an input changed nothing.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// The program has no such point.
    #[error("no point with index {0}")]
    UnknownPoint(u32),
    /// The program has no such alarm.
    #[error("no alarm with index {0}")]
    UnknownAlarm(u32),
    /// The alarm's condition comes from its rule, not from outside.
    #[error("its condition comes from its rule, not from outside")]
    NotExternal,
    /// The person saw another occurrence.
    #[error("that was occurrence {seen}, it is now {current}")]
    OtherOccurrence {
        /// What the person saw.
        seen: u64,
        /// What it is.
        current: u64,
    },
    /// Nothing to acknowledge.
    #[error("already acknowledged")]
    AlreadyAcked,
    /// Nothing to reset.
    #[error("not latched, nothing to reset")]
    NotLatched,
    /// A reset while the condition still holds.
    #[error("still active, reset it when its condition is gone")]
    StillActive,
    /// A reset before anybody acknowledged.
    #[error("not acknowledged yet, acknowledge it first")]
    NotAcked,
    /// A command without a name.
    #[error("nobody is named, expected who asks")]
    Nobody,
    /// A command that wants a reason has none.
    #[error("no reason is given, expected why")]
    NoReason,
    /// Nothing sounds: the alarm is not active, or somebody has seen it.
    #[error("nothing sounds, expected an active alarm that nobody has acknowledged")]
    NotSounding,
    /// It is silent already.
    #[error("already silenced")]
    AlreadySilenced,
    /// What ends by itself needs an end.
    #[error("no end is given, expected until when")]
    NoEnd,
    /// The end is not ahead.
    #[error("the end is not ahead")]
    EndIsPast,
    /// The end is too far ahead.
    #[error("for too long, expected at most {} min", .most_ms / 60_000)]
    TooLong {
        /// The longest, in milliseconds.
        most_ms: u64,
    },
    /// Its rule says that it may not be shelved.
    #[error("its rule does not let it be shelved")]
    NotShelvable,
    /// Red alarms are never put aside.
    #[error("red alarms can't be shelved")]
    Red,
    /// Shelved from a letter that does not allow it.
    #[error("can't be shelved in {} ({})", .0.as_str(), .0.word())]
    NotFrom(Letter),
    /// A test of what was raised before it.
    #[error("it stands, and that is no test: expected an alarm that is neither active nor latched")]
    Stands,
    /// Not shelved.
    #[error("not shelved")]
    NotShelved,
    /// Out of service needs two persons.
    #[error("no second person is named, expected another one than who asks")]
    NoSecond,
    /// Out of service needs a work order.
    #[error("no work order is named")]
    NoTicket,
    /// Already out of service.
    #[error("already out of service")]
    AlreadyOut,
    /// Not out of service.
    #[error("not out of service")]
    NotOut,
    /// No test to end.
    #[error("no test that a person began")]
    NoTest,
}

/// What happened to an alarm; the contract's words.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// Not active → active.
    Raised,
    /// A graver level, or the other side.
    LevelUp,
    /// A lesser level.
    LevelDown,
    /// Active → not active.
    Returned,
    /// A person has seen it.
    Acked,
    /// A person let a latched alarm go.
    Reset,
    /// Its condition can't be told, and couldn't for the rule's hold.
    Unknown,
    /// Its condition can be told again.
    Known,
    /// Its rule changed or went while it was not normal.
    ConfigChanged,
    /// Its rule is gone and so is it.
    Retired,
    /// A person said something.
    Comment,
    /// A person let the siren be quiet.
    Silenced,
    /// Acknowledged for long, or silenced, and still active: unacknowledged and loud again.
    ReAlarmed,
    /// A person put it aside.
    Shelved,
    /// It is back from the shelf.
    Unshelved,
    /// A reason to suppress it came.
    Suppressed,
    /// A reason to suppress it went.
    Unsuppressed,
    /// Taken out of service.
    OutOfService,
    /// Back in service.
    InService,
    /// What it says from now on is a test.
    TestBegun,
    /// The test is over.
    TestEnded,
    /// What came of switching an output.
    Action,
    /// What late readings show; touches no state.
    Historical,
}

impl EventKind {
    /// The contract's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::LevelUp => "level-up",
            Self::LevelDown => "level-down",
            Self::Returned => "returned",
            Self::Acked => "acked",
            Self::Reset => "reset",
            Self::Unknown => "unknown",
            Self::Known => "known",
            Self::ConfigChanged => "config-changed",
            Self::Retired => "retired",
            Self::Comment => "comment",
            Self::Silenced => "silenced",
            Self::ReAlarmed => "re-alarmed",
            Self::Shelved => "shelved",
            Self::Unshelved => "unshelved",
            Self::Suppressed => "suppressed",
            Self::Unsuppressed => "unsuppressed",
            Self::OutOfService => "out-of-service",
            Self::InService => "in-service",
            Self::TestBegun => "test-begun",
            Self::TestEnded => "test-ended",
            Self::Action => "action",
            Self::Historical => "historical",
        }
    }
}

/// The letter that people see (ISA-18.2), derived from the flags.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Letter {
    /// Normal.
    A,
    /// Active, unacknowledged.
    B,
    /// Active, acknowledged.
    C,
    /// Returned to normal, unacknowledged.
    D,
    /// Latched, returned, unacknowledged.
    E,
    /// Latched, returned, acknowledged.
    F,
    /// Shelved.
    G,
    /// Suppressed by design.
    H,
    /// Out of service.
    I,
}

impl Letter {
    /// The letter as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::F => "F",
            Self::G => "G",
            Self::H => "H",
            Self::I => "I",
        }
    }

    /// The contract's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "normal",
            Self::B => "active-unacked",
            Self::C => "active-acked",
            Self::D => "rtn-unacked",
            Self::E => "latched-unacked",
            Self::F => "latched-acked",
            Self::G => "shelved",
            Self::H => "suppressed",
            Self::I => "out-of-service",
        }
    }
}

/// What is true of an alarm now; orthogonal, the letter is derived.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Flags {
    /// Its condition holds, after its delays; follows the process in every letter.
    pub active: bool,
    /// A person has seen this occurrence, or there is nothing to see.
    pub acked: bool,
    /// A latching level was reached and not reset since.
    pub latched: bool,
    /// Shelved by a person.
    pub shelved: bool,
    /// Suppressed by design.
    pub suppressed: bool,
    /// Out of service.
    pub out_of_service: bool,
    /// Its condition can't be told; what was true is held.
    pub unknown: bool,
    /// What it says is a test: its rule is on trial, its sensor is being calibrated, or a person said so.
    pub test: bool,
}

impl Flags {
    /// Normal: nothing active, nothing to acknowledge.
    pub const NORMAL: Self = Self {
        active: false,
        acked: true,
        latched: false,
        shelved: false,
        suppressed: false,
        out_of_service: false,
        unknown: false,
        test: false,
    };

    /// The letter that people see: I before H before G before the rest.
    pub fn letter(self) -> Letter {
        if self.out_of_service {
            Letter::I
        } else if self.suppressed {
            Letter::H
        } else if self.shelved {
            Letter::G
        } else {
            self.letter_below()
        }
    }

    /// Active, or latched from when it was.
    pub fn stands(self) -> bool {
        self.active || self.latched
    }

    /// The letter under shelving, suppression and being out of service: A to F.
    pub fn letter_below(self) -> Letter {
        match (self.active, self.latched, self.acked) {
            (true, _, false) => Letter::B,
            (true, _, true) => Letter::C,
            (false, true, false) => Letter::E,
            (false, true, true) => Letter::F,
            (false, false, false) => Letter::D,
            (false, false, true) => Letter::A,
        }
    }
}

/// The state of one alarm, without what its program says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmState {
    /// What is true of it.
    pub flags: Flags,
    /// How often it went from not active to active; 0: never.
    pub occurrence: u64,
    /// The occurrence with which its incident began: one raised again before it was normal is of the same incident.
    pub incident: u64,
    /// The level, as an index into the alarm's levels; kept after it returned, until the next raise.
    pub level: Option<u8>,
    /// The time of its last event.
    pub changed_at: UtcMs,
    /// When the condition of this occurrence began, before its delay.
    pub condition_since: Option<UtcMs>,
    /// When this occurrence was raised.
    pub raised_at: Option<UtcMs>,
    /// When it returned; none while active.
    pub cleared_at: Option<UtcMs>,
    /// When this occurrence was acknowledged.
    pub acked_at: Option<UtcMs>,
    /// By whom.
    pub acked_by: Option<Arc<str>>,
    /// Until when it is shelved, and who put it aside.
    pub shelved: Option<(UtcMs, Arc<str>)>,
    /// Which of its rule's reasons suppress it: the lowest bit is the first reason.
    pub suppressed_by: u8,
    /// A person let the siren be quiet.
    pub silenced: bool,
    /// How often this occurrence asked again: it was acknowledged or silenced, and was still there.
    pub re_alarms: u32,
    /// How often the condition came and went before its on-delay, ever.
    pub fleeting: u32,
    /// Its rule changed or went while it was not normal, and nobody has acknowledged that.
    pub config_changed: bool,
    /// The limit of its level, where the level compares a number.
    pub limit: Option<f64>,
    /// The farthest value on its side since it was raised, where the level compares a number.
    pub peak: Option<f64>,
    /// The value now, where the alarm compares a number and there is one.
    pub value: Option<Value>,
    /// The quality of the reading that it looks at.
    pub quality: Option<Quality>,
    /// The source's time of that reading.
    pub sample_time: Option<UtcMs>,
    /// The clock that dated it.
    pub clock: Option<Clock>,
    /// Why, for people: a system alarm's reason, a bad point's quality.
    pub reason: Option<Arc<str>>,
}

impl AlarmState {
    /// The letter that people see.
    pub fn letter(&self) -> Letter {
        self.flags.letter()
    }
}

/// What made an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// A reading of this point.
    Sample(PointIdx),
    /// A delay that was over.
    Timer,
    /// A person.
    Command(Verb),
    /// A new configuration.
    Config,
    /// What the system knows of itself.
    Node,
}

impl Cause {
    /// The contract's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sample(_) => "sample",
            Self::Timer => "timer",
            Self::Command(_) => "command",
            Self::Config => "config",
            Self::Node => "node",
        }
    }
}

/// One event of one alarm, with the state that it made.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// What happened.
    pub kind: EventKind,
    /// To which alarm.
    pub alarm: AlarmIdx,
    /// When, on the log's clock; a timer's own due time.
    pub at: UtcMs,
    /// What made it.
    pub cause: Cause,
    /// Who, where a person acted.
    pub by: Option<Arc<str>>,
    /// What they said.
    pub comment: Option<Arc<str>>,
    /// What came of switching an output; only of [`EventKind::Action`].
    pub switched: Option<Switched>,
    /// The state after it; for [`EventKind::Historical`] the times, level and values of what the late readings show.
    pub state: AlarmState,
}
