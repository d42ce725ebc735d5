//! Conditions and formulas as trees: what the front hands to [`ProgramBuilder`](crate::program::ProgramBuilder).
//!
//! Knows no text syntax and no evaluation; the builder flattens these trees.

use alloc::boxed::Box;
use alloc::vec::Vec;

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
