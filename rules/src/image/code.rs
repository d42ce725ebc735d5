//! The numbers that stand for the words of the tables: the place of each in its list.

use crate::expr::{Arith, Compare, Degrade, Health};
use crate::program::Side;

pub(super) const ARITH: [Arith; 6] = [
    Arith::Add,
    Arith::Sub,
    Arith::Mul,
    Arith::Div,
    Arith::Min,
    Arith::Max,
];

pub(super) const COMPARE: [Compare; 6] = [
    Compare::Lt,
    Compare::Le,
    Compare::Gt,
    Compare::Ge,
    Compare::Eq,
    Compare::Ne,
];

pub(super) const HEALTH: [Health; 5] = [
    Health::Stale,
    Health::Bad,
    Health::Silent,
    Health::Faulty,
    Health::Uncertain,
];

pub(super) const DEGRADE: [Degrade; 4] =
    [Degrade::Hold, Degrade::Vote, Degrade::Drop, Degrade::Lower];

pub(super) const SIDE: [Side; 2] = [Side::High, Side::Low];
