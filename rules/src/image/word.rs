//! The numbers that stand for the words of the tables: the place of each in its list.

use crate::bytes::{Read, Reader, Writer};
use crate::expr::{Arith, Compare, Degrade, Health};
use crate::program::Side;

pub(super) fn write_word<T: PartialEq>(out: &mut Writer, words: &[T], word: T) {
    let place = words.iter().position(|other| *other == word);
    let place = place.and_then(|place| u8::try_from(place).ok());
    out.u8(place.expect("every word is in its list"));
}

pub(super) fn read_word<T: Copy>(reader: &mut Reader<'_>, words: &[T]) -> Read<T> {
    let broken = reader.broken();
    let place = usize::from(reader.u8()?);
    words.get(place).copied().ok_or(broken)
}

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

pub(super) const HEALTH: [Health; 7] = [
    Health::Stale,
    Health::Bad,
    Health::Silent,
    Health::Faulty,
    Health::Uncertain,
    Health::Overdue,
    Health::Tested,
];

pub(super) const DEGRADE: [Degrade; 4] =
    [Degrade::Hold, Degrade::Vote, Degrade::Drop, Degrade::Lower];

pub(super) const SIDE: [Side; 2] = [Side::High, Side::Low];
