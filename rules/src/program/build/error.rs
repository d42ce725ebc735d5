//! What can be wrong with a part of a program, in words.

use alloc::string::String;

use telemetry::NameError;
use thiserror::Error;

use super::LEVELS_MAX;
use super::flatten::{REASONS_MAX, REPEATS};
use crate::eval::{NUMBERS_MAX, TALLIES_MAX, TRUTHS_MAX};
use crate::program::Colour;

/// Why an alarm, a rule or a point can't be a part of the program.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum BuildError {
    /// A name is none.
    #[error("`{name}`: {error}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// Two points of one name.
    #[error("a second point {unit}/{point}")]
    DuplicatePoint {
        /// Its unit.
        unit: String,
        /// Its name.
        point: String,
    },
    /// Two alarms of one id: a rule twice on one scope.
    #[error("a second alarm {0}")]
    DuplicateAlarm(String),
    /// An index of a point, a rule or an alarm that was not added before.
    #[error("{what} {index} is not added yet")]
    NotAdded {
        /// What it is an index of.
        what: &'static str,
        /// The index.
        index: u32,
    },
    /// Too few or too many levels.
    #[error("{0} levels, expected 1 to {LEVELS_MAX}")]
    LevelCount(usize),
    /// A low level before a high one, or limits that do not grow graver.
    #[error(
        "level `{0}` is out of order, expected each limit beyond the one before, high ones first"
    )]
    LevelOrder(String),
    /// A condition beside a low limit: which of them is graver can't be told.
    #[error(
        "level `{0}` is a condition beside low limits, expected limits only, or conditions and high limits"
    )]
    MixedSides(String),
    /// A low limit at or above a high one: both could be reached at once.
    #[error("low limit {low} is not below high limit {high}")]
    LimitsCross {
        /// The greatest low limit.
        low: f64,
        /// The least high limit.
        high: f64,
    },
    /// Two levels of one name.
    #[error("a second level `{0}`")]
    DuplicateLevel(String),
    /// A severity outside its colour's.
    #[error("severity {severity} is not {}, expected {} to {}", .colour.word(), .colour.floor(), .colour.ceiling())]
    Severity {
        /// The severity.
        severity: u16,
        /// The colour.
        colour: Colour,
    },
    /// Too few or too many readings to be compared with earlier ones.
    #[error("the last {n} readings, expected {} to {}", REPEATS.start(), REPEATS.end())]
    Repeats {
        /// How many.
        n: u32,
    },
    /// A limit, a deadband or a constant that is not finite, or a negative deadband.
    #[error("{what} {number}, expected a finite number, and 0 or more for a deadband")]
    NotANumber {
        /// What it is.
        what: &'static str,
        /// What it says.
        number: f64,
    },
    /// A limit without a value to compare it with.
    #[error("level `{0}` compares a value, and there is none")]
    NoValue(String),
    /// A delay beyond 49 days.
    #[error("{0} ms, expected at most 4294967295 ms")]
    DelayTooLong(u64),
    /// A limit for some times that is not stricter than the level's own.
    #[error("level `{level}` at {limit} for some times, expected a limit stricter than its own")]
    LaxOverlay {
        /// The level.
        level: String,
        /// The limit.
        limit: f64,
    },
    /// Too many reasons by which it is suppressed.
    #[error("{0} reasons to suppress, expected at most {REASONS_MAX}")]
    ReasonCount(usize),
    /// A window of less than a slice's worth each.
    #[error("a window of {0} ms, expected at least 60 ms")]
    WindowTooShort(u64),
    /// A condition of the system beside other levels, a gate or a value.
    #[error("a condition from outside is its alarm's only level, without a gate or a value")]
    ExternalNotAlone,
    /// `AtLeast` or `Same` with a count that its members can't reach, or always do.
    #[error("at least {k} of {members}, expected 1 to the number of members")]
    Count {
        /// The count.
        k: u32,
        /// How many members.
        members: usize,
    },
    /// `All` or `Any` of nothing.
    #[error("a condition of no parts")]
    Empty,
    /// A condition that reads no point and no alarm: it would never change.
    #[error("a condition that reads no point and no alarm")]
    Constant,
    /// An alarm that makes readings uncertain, and asks for one that sees them so.
    #[error("an alarm that makes readings uncertain asks for one that sees them so")]
    DoubtGoesRound,
    /// A condition nested too deeply for the evaluator's stack.
    #[error(
        "nested too deeply, expected at most {NUMBERS_MAX} numbers, {TRUTHS_MAX} answers and {TALLIES_MAX} counts at once"
    )]
    TooDeep,
}
