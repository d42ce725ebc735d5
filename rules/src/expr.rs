//! Conditions and formulas as trees: what the front hands to [`ProgramBuilder`](crate::program::ProgramBuilder).
//!
//! Knows no text syntax and no evaluation; the builder flattens these trees.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::calendar::Calendar;
use crate::effect::AlarmIdx;
use crate::point::PointIdx;
use crate::program::Colour;

/// A formula over points; bad when any point that it reads is bad or stale, uncertain when any is uncertain.
#[derive(Clone, Debug, PartialEq)]
pub enum Formula {
    /// A number; finite.
    Const(f64),
    /// A point's value; a digital point's is 0 or 1.
    Point(PointIdx),
    /// The number with the other sign.
    Neg(Box<Self>),
    /// Its distance from zero.
    Abs(Box<Self>),
    /// One operation on two numbers; a result that is not finite is bad.
    Arith(Arith, Box<Self>, Box<Self>),
    /// Metres between two places on the Earth's sphere: longitude and latitude of one, then of the other, in degrees.
    Distance(Box<[Self; 4]>),
    /// What was of late.
    Window(Box<Window>),
    /// Seconds since a condition was last true; 0 while it is.
    ///
    /// Bad while the condition is unknown. Before it was ever true: at least as long as it is watched.
    Since(Box<Cond>),
}

/// What was in the last `length_ms`, kept in 60 slices: it forgets a slice at a time, so it looks back that long and up to a 60th more.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// What it keeps.
    pub of: WindowOf,
    /// In milliseconds, 60 or more.
    pub length_ms: u64,
}

/// What a window keeps.
///
/// The first four only grow with what is not known: with gaps in the window they are at least so much.
/// The others want nine tenths of the window, and are uncertain with any gap; a change wants its two ends.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowOf {
    /// How often a condition became true, after it was false.
    Count(Cond),
    /// For how many seconds a condition was true.
    TimeIn(Cond),
    /// The sum of a point's readings, each counted once.
    Sum(PointIdx),
    /// By how much a point's counter grew; one that falls began again at 0.
    Increase(PointIdx),
    /// The mean over time.
    Mean(Formula),
    /// The standard deviation over time.
    Stdev(Formula),
    /// The lowest.
    Lowest(Formula),
    /// The highest.
    Highest(Formula),
    /// The middle one of the numbers that held when its slices began.
    Median(Formula),
    /// How far, in the middle, those are from their median.
    Mad(Formula),
    /// The number now less the number when the window begins.
    Change(Formula),
}

/// An operation on two numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arith {
    /// The sum.
    Add,
    /// The difference.
    Sub,
    /// The product.
    Mul,
    /// The quotient.
    Div,
    /// The lesser.
    Min,
    /// The greater.
    Max,
}

/// A comparison of two numbers, exact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compare {
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `==`
    Eq,
    /// `!=`
    Ne,
}

impl Compare {
    /// The same comparison with its sides changed.
    pub(crate) fn turned(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::Eq | Self::Ne => self,
        }
    }

    /// This comparison, or where it does not hold the contrary one.
    pub(crate) fn or_contrary(self, holds: bool) -> Self {
        match self {
            _ if holds => self,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
        }
    }
}

/// A condition: true, false or unknown.
#[derive(Clone, Debug, PartialEq)]
pub enum Cond {
    /// A digital point is on (its value is not 0).
    On(PointIdx),
    /// Two numbers compared.
    Compare(Compare, Formula, Formula),
    /// What a point's last reading says of the point itself; never uncertain.
    Health(Health, PointIdx),
    /// An alarm is active at this severity or above.
    ///
    /// True also while its condition is unknown, since it is held; unknown when it is not active there and its condition is unknown.
    Alarm {
        /// An alarm that was added to the builder before this one.
        alarm: AlarmIdx,
        /// The least severity; 0 or 1: active at any level. [`Colour::floor`] gives a colour's.
        severity: u16,
    },
    /// The contrary.
    Not(Box<Self>),
    /// All of them; at least one.
    All(Vec<Self>),
    /// Any of them; at least one.
    Any(Vec<Self>),
    /// It has been true for the whole duration, by timer.
    ///
    /// Not yet so long: false. Unknown while the condition is, and then it goes on where it was.
    Held(Box<Self>, u64),
    /// At least `k` of the members.
    AtLeast {
        /// How many; 1 to the number of members.
        k: u32,
        /// Who votes.
        members: Vec<Self>,
        /// What an unknown member does to the vote.
        degrade: Degrade,
    },
    /// At least `n` of the points read exactly the same number, and it is not 0; unknown when the bad ones could make it so, false where there are fewer points.
    Same {
        /// How many, 2 or more.
        n: u32,
        /// Which; at most 256.
        points: Vec<PointIdx>,
    },
    /// The last `n` readings of a point are, one by one, `n` readings in a row that it gave before.
    ///
    /// Of those it knows the last `n` stretches of `n`, of which a tenth moved. True until `n` readings later; unknown while the point is.
    Repeats {
        /// How many, 10 to 1,000.
        n: u32,
        /// Whose.
        point: PointIdx,
    },
    /// A calendar holds.
    During(Calendar),
}

/// What a point's last reading says of the point itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Health {
    /// Older than its `max_age`, or nothing came in that time since the start.
    Stale,
    /// Not to be used: a bad quality, or stale. Unknown before the first reading.
    Bad,
    /// Bad because of the line to it (`comm-error`, `no-data`), or stale. Unknown before the first reading.
    Silent,
    /// Bad for any other reason than the line: the sensor's own fault. Unknown before the first reading.
    Faulty,
    /// Uncertain. Unknown before the first reading.
    Uncertain,
    /// It has said that it is being calibrated for longer than that is believed.
    Overdue,
    /// It is under test: it says that it is being calibrated, and is believed, or a person tests an alarm about it.
    Tested,
}

/// What an unknown member does to a vote.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Degrade {
    /// It stays unknown: the vote is unknown when the member could decide it.
    #[default]
    Hold,
    /// It votes: 2 of 3 becomes 1 of 2, and true when two are lost.
    Vote,
    /// It leaves: 2 of 3 becomes 2 of 2; unknown when fewer than `k` are left.
    Drop,
    /// It leaves and takes its vote along: 2 of 3 becomes 1 of 2, then 1 of 1; unknown when none is left.
    Lower,
}

impl Cond {
    /// True while an alarm is active in this colour or a graver one.
    pub fn alarm_in(alarm: AlarmIdx, colour: Colour) -> Self {
        Self::Alarm {
            alarm,
            severity: colour.floor(),
        }
    }
}
