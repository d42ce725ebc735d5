//! Flattens conditions and formulas to code, and notes what each piece reads.

use alloc::vec::Vec;

use super::{BuildError, delay, finite};
use crate::eval::{Depth, Op};
use crate::expr::{Cond, Formula};
use crate::point::PointIdx;
use crate::program::flat::HeldCode;
use crate::program::{Entry, Unit, at, u32_of};

/// The code so far, the units in the order of evaluation, and who reads what: pairs of what is read and the unit that reads.
#[derive(Debug, Default)]
pub(super) struct Flat {
    pub(super) n_points: usize,
    /// The unit of each alarm.
    pub(super) alarm_units: Vec<u32>,
    pub(super) ops: Vec<Op>,
    pub(super) held: Vec<HeldCode>,
    pub(super) units: Vec<Unit>,
    pub(super) value_reads: Vec<(u32, u32)>,
    pub(super) health_reads: Vec<(u32, u32)>,
    pub(super) unit_reads: Vec<(u32, u32)>,
}

/// How long the lists were.
pub(super) struct Mark {
    ops: usize,
    pub(super) held: usize,
    units: usize,
    pub(super) value_reads: usize,
    pub(super) health_reads: usize,
    pub(super) unit_reads: usize,
}

/// What the code of one unit reads, gathered while it is flattened.
#[derive(Default)]
pub(super) struct Reads {
    pub(super) values: Vec<u32>,
    pub(super) health: Vec<u32>,
    pub(super) units: Vec<u32>,
}

impl Flat {
    pub(super) fn mark(&self) -> Mark {
        Mark {
            ops: self.ops.len(),
            held: self.held.len(),
            units: self.units.len(),
            value_reads: self.value_reads.len(),
            health_reads: self.health_reads.len(),
            unit_reads: self.unit_reads.len(),
        }
    }

    /// Forgets what was added since.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        self.ops.truncate(mark.ops);
        self.held.truncate(mark.held);
        self.units.truncate(mark.units);
        self.value_reads.truncate(mark.value_reads);
        self.health_reads.truncate(mark.health_reads);
        self.unit_reads.truncate(mark.unit_reads);
    }

    pub(super) fn check_point(&self, point: PointIdx) -> Result<(), BuildError> {
        if at(point.0) < self.n_points {
            Ok(())
        } else {
            Err(BuildError::NotAdded {
                what: "point",
                index: point.0,
            })
        }
    }

    /// Flattens a condition to a stretch of its own.
    pub(super) fn condition_entry(
        &mut self,
        condition: &Cond,
        reads: &mut Reads,
    ) -> Result<Entry, BuildError> {
        // What has to be remembered is evaluated before, as a unit of its own, so it comes before in the code too.
        let mut held = Vec::new();
        self.held_inside(condition, &mut held)?;
        let from = self.ops.len();
        let mut depth = Depth::default();
        let mut held = held.into_iter();
        self.condition(condition, &mut held, reads, &mut depth)?;
        depth.check().ok_or(BuildError::TooDeep)?;
        Ok(self.entry(from))
    }

    /// Makes a unit of every outermost `Held` in a condition, in the order in which [`Self::condition`] meets them.
    fn held_inside(&mut self, condition: &Cond, found: &mut Vec<u32>) -> Result<(), BuildError> {
        match condition {
            Cond::On(_) | Cond::Compare(..) | Cond::Health(..) | Cond::Alarm { .. } => Ok(()),
            Cond::Not(part) => self.held_inside(part, found),
            Cond::All(parts) | Cond::Any(parts) | Cond::AtLeast { members: parts, .. } => parts
                .iter()
                .try_for_each(|part| self.held_inside(part, found)),
            Cond::Held(part, duration_ms) => {
                let mut reads = Reads::default();
                let condition = self.condition_entry(part, &mut reads)?;
                let held = u32_of(self.held.len());
                let unit = self.unit(Unit::Held(held), reads);
                self.held.push(HeldCode {
                    condition,
                    duration_ms: delay(*duration_ms)?,
                    unit,
                });
                found.push(held);
                Ok(())
            }
        }
    }

    fn condition(
        &mut self,
        condition: &Cond,
        held: &mut alloc::vec::IntoIter<u32>,
        reads: &mut Reads,
        depth: &mut Depth,
    ) -> Result<(), BuildError> {
        match condition {
            Cond::On(point) => {
                self.check_point(*point)?;
                reads.values.push(point.0);
                self.ops.push(Op::On(point.0));
                depth.push_truth();
            }
            Cond::Compare(compare, left, right) => {
                self.formula(left, reads, depth)?;
                self.formula(right, reads, depth)?;
                self.ops.push(Op::Compare(*compare));
                depth.pop_number();
                depth.pop_number();
                depth.push_truth();
            }
            Cond::Health(health, point) => {
                self.check_point(*point)?;
                reads.health.push(point.0);
                self.ops.push(Op::Health(*health, point.0));
                depth.push_truth();
            }
            Cond::Alarm { alarm, severity } => {
                let unit = self
                    .alarm_units
                    .get(at(alarm.0))
                    .ok_or(BuildError::NotAdded {
                        what: "alarm",
                        index: alarm.0,
                    })?;
                reads.units.push(*unit);
                self.ops.push(Op::Alarm(alarm.0, *severity));
                depth.push_truth();
            }
            Cond::Not(part) => {
                self.condition(part, held, reads, depth)?;
                self.ops.push(Op::Not);
            }
            Cond::All(parts) => self.joined(parts, Op::And, held, reads, depth)?,
            Cond::Any(parts) => self.joined(parts, Op::Or, held, reads, depth)?,
            Cond::Held(..) => {
                let held = held
                    .next()
                    .expect("held_inside met the same ones in the same order");
                reads.units.push(self.held[at(held)].unit);
                self.ops.push(Op::Held(held));
                depth.push_truth();
            }
            Cond::AtLeast {
                k,
                members,
                degrade,
            } => {
                if *k == 0 || at(*k) > members.len() {
                    return Err(BuildError::Count {
                        k: *k,
                        members: members.len(),
                    });
                }
                self.ops.push(Op::TallyBegin);
                depth.push_tally();
                for member in members {
                    self.condition(member, held, reads, depth)?;
                    self.ops.push(Op::Tally);
                    depth.pop_truth();
                }
                self.ops.push(Op::AtLeast(*k, *degrade));
                depth.pop_tally();
                depth.push_truth();
            }
        }
        Ok(())
    }

    fn joined(
        &mut self,
        parts: &[Cond],
        op: Op,
        held: &mut alloc::vec::IntoIter<u32>,
        reads: &mut Reads,
        depth: &mut Depth,
    ) -> Result<(), BuildError> {
        let (first, rest) = parts.split_first().ok_or(BuildError::Empty)?;
        self.condition(first, held, reads, depth)?;
        for part in rest {
            self.condition(part, held, reads, depth)?;
            self.ops.push(op);
            depth.pop_truth();
        }
        Ok(())
    }

    pub(super) fn formula(
        &mut self,
        formula: &Formula,
        reads: &mut Reads,
        depth: &mut Depth,
    ) -> Result<(), BuildError> {
        match formula {
            Formula::Const(number) => {
                finite("the number", *number)?;
                self.ops.push(Op::Const(*number));
                depth.push_number();
            }
            Formula::Point(point) => {
                self.check_point(*point)?;
                reads.values.push(point.0);
                self.ops.push(Op::Point(point.0));
                depth.push_number();
            }
            Formula::Neg(part) => {
                self.formula(part, reads, depth)?;
                self.ops.push(Op::Neg);
            }
            Formula::Abs(part) => {
                self.formula(part, reads, depth)?;
                self.ops.push(Op::Abs);
            }
            Formula::Arith(arith, left, right) => {
                self.formula(left, reads, depth)?;
                self.formula(right, reads, depth)?;
                self.ops.push(Op::Arith(*arith));
                depth.pop_number();
            }
        }
        depth.check().ok_or(BuildError::TooDeep)
    }

    pub(super) fn entry(&self, from: usize) -> Entry {
        Entry {
            from: u32_of(from),
            to: u32_of(self.ops.len()),
        }
    }

    /// Puts a unit at the end of the order of evaluation: everything that it reads is before it.
    pub(super) fn unit(&mut self, unit: Unit, reads: Reads) -> u32 {
        let place = u32_of(self.units.len());
        self.units.push(unit);
        let pair = |read: u32| (read, place);
        self.value_reads.extend(reads.values.into_iter().map(pair));
        self.health_reads.extend(reads.health.into_iter().map(pair));
        self.unit_reads.extend(reads.units.into_iter().map(pair));
        place
    }
}
