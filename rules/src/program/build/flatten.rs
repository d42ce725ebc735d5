//! Flattens conditions and formulas to code, and notes what each piece reads.
//!
//! What has to be remembered is evaluated before, as a unit of its own, so it comes before in the code too: each condition is walked twice, in the same order.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::{self, Vec};
use core::ops::RangeInclusive;

use super::{BuildError, delay, finite};
use crate::calendar::Calendar;
use crate::engine::WINDOW_SLICES;
use crate::eval::{Depth, Op};
use crate::expr::{Cond, Formula, Window, WindowOf};
use crate::point::PointIdx;
use crate::program::{
    Entry, Kept, KeptCode, Overlay, OverlayCode, Suppress, SuppressCode, Unit, Watched, at, u32_of,
};

/// The most reasons by which one alarm is suppressed.
pub(crate) const REASONS_MAX: usize = 8;
/// How many readings can be compared with earlier ones.
pub(crate) const REPEATS: RangeInclusive<u32> = 10..=1_000;
/// The most points of one `Same`.
const SAME_MAX: usize = 256;

/// The code so far, the units in the order of evaluation, and who reads what: pairs of what is read and the unit that reads.
#[derive(Debug, Default)]
pub(super) struct Flat {
    pub(super) n_points: usize,
    /// The unit of each alarm.
    pub(super) alarm_units: Vec<u32>,
    pub(super) ops: Vec<Op>,
    pub(super) kept: Vec<KeptCode>,
    pub(super) overlays: Vec<OverlayCode>,
    pub(super) calendars: Vec<Calendar>,
    pub(super) suppress: Vec<SuppressCode>,
    pub(super) words: Vec<Arc<str>>,
    pub(super) same: Vec<u32>,
    pub(super) units: Vec<Unit>,
    pub(super) value_reads: Vec<(u32, u32)>,
    pub(super) health_reads: Vec<(u32, u32)>,
    pub(super) unit_reads: Vec<(u32, u32)>,
}

/// How long the lists were.
pub(super) struct Mark {
    ops: usize,
    pub(super) kept: usize,
    overlays: usize,
    calendars: usize,
    suppress: usize,
    same: usize,
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

/// True for what changes with time alone.
fn flows(what: &Kept) -> bool {
    matches!(what, Kept::Window { .. } | Kept::Since { .. })
}

/// Up to when a time that grows can come to another side of a limit in seconds, in milliseconds.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is out of the range is brought to its ends"
)]
fn open_ms(limit_s: f64) -> u32 {
    libm::ceil(limit_s * 1_000.0).clamp(0.0, f64::from(u32::MAX)) as u32
}

impl Flat {
    pub(super) fn mark(&self) -> Mark {
        Mark {
            ops: self.ops.len(),
            kept: self.kept.len(),
            overlays: self.overlays.len(),
            calendars: self.calendars.len(),
            suppress: self.suppress.len(),
            same: self.same.len(),
            units: self.units.len(),
            value_reads: self.value_reads.len(),
            health_reads: self.health_reads.len(),
            unit_reads: self.unit_reads.len(),
        }
    }

    /// Forgets what was added since.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        self.ops.truncate(mark.ops);
        self.kept.truncate(mark.kept);
        self.overlays.truncate(mark.overlays);
        self.calendars.truncate(mark.calendars);
        self.suppress.truncate(mark.suppress);
        self.words.truncate(mark.suppress);
        self.same.truncate(mark.same);
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
        let mut kept = Vec::new();
        self.kept_in(condition, &mut kept)?;
        let from = self.ops.len();
        let mut depth = Depth::default();
        self.condition(condition, &mut kept.into_iter(), reads, &mut depth)?;
        depth.check().ok_or(BuildError::TooDeep)?;
        Ok(self.entry(from))
    }

    /// Flattens a formula to a stretch of its own.
    pub(super) fn formula_entry(
        &mut self,
        formula: &Formula,
        reads: &mut Reads,
    ) -> Result<Entry, BuildError> {
        let mut kept = Vec::new();
        self.kept_in_formula(formula, &mut kept)?;
        let from = self.ops.len();
        let mut depth = Depth::default();
        self.formula(formula, &mut kept.into_iter(), reads, &mut depth)?;
        Ok(self.entry(from))
    }

    /// Makes a unit of everything in a condition that has to be remembered, in the order in which [`Self::condition`] meets it.
    fn kept_in(&mut self, condition: &Cond, found: &mut Vec<u32>) -> Result<(), BuildError> {
        match condition {
            Cond::On(_) | Cond::Health(..) | Cond::Alarm { .. } | Cond::Same { .. } => Ok(()),
            Cond::Compare(_, Formula::Since(condition), Formula::Const(limit))
            | Cond::Compare(_, Formula::Const(limit), Formula::Since(condition)) => {
                self.since(condition, Some(*limit), found)
            }
            Cond::Compare(_, left, right) => {
                self.kept_in_formula(left, found)?;
                self.kept_in_formula(right, found)
            }
            Cond::Not(part) => self.kept_in(part, found),
            Cond::All(parts) | Cond::Any(parts) | Cond::AtLeast { members: parts, .. } => {
                parts.iter().try_for_each(|part| self.kept_in(part, found))
            }
            Cond::Held(part, duration_ms) => {
                let mut reads = Reads::default();
                let held = Kept::Held {
                    condition: self.condition_entry(part, &mut reads)?,
                    duration_ms: delay(*duration_ms)?,
                };
                self.keep(held, reads, found);
                Ok(())
            }
            Cond::Repeats { n, point } => {
                if !REPEATS.contains(n) {
                    return Err(BuildError::Repeats { n: *n });
                }
                self.check_point(*point)?;
                let reads = Reads {
                    values: Vec::from([point.0]),
                    ..Reads::default()
                };
                let repeats = Kept::Repeats {
                    point: point.0,
                    n: *n,
                };
                self.keep(repeats, reads, found);
                Ok(())
            }
            Cond::During(calendar) => {
                let during = self.during(calendar);
                self.keep(during, Reads::default(), found);
                Ok(())
            }
        }
    }

    fn kept_in_formula(
        &mut self,
        formula: &Formula,
        found: &mut Vec<u32>,
    ) -> Result<(), BuildError> {
        match formula {
            Formula::Const(_) | Formula::Point(_) => Ok(()),
            Formula::Neg(part) | Formula::Abs(part) => self.kept_in_formula(part, found),
            Formula::Arith(_, left, right) => {
                self.kept_in_formula(left, found)?;
                self.kept_in_formula(right, found)
            }
            Formula::Distance(parts) => parts
                .iter()
                .try_for_each(|part| self.kept_in_formula(part, found)),
            Formula::Since(condition) => self.since(condition, None, found),
            Formula::Window(window) => {
                let mut reads = Reads::default();
                let kept = self.window(window, &mut reads)?;
                self.keep(kept, reads, found);
                Ok(())
            }
        }
    }

    /// The time since a condition was true, perhaps beside a limit in seconds.
    fn since(
        &mut self,
        condition: &Cond,
        limit: Option<f64>,
        found: &mut Vec<u32>,
    ) -> Result<(), BuildError> {
        let mut reads = Reads::default();
        let condition = self.condition_entry(condition, &mut reads)?;
        let open_ms = limit.map_or(u32::MAX, open_ms);
        self.keep(Kept::Since { condition, open_ms }, reads, found);
        Ok(())
    }

    fn window(&mut self, window: &Window, reads: &mut Reads) -> Result<Kept, BuildError> {
        let length_ms = delay(window.length_ms)?;
        if length_ms < WINDOW_SLICES {
            return Err(BuildError::WindowTooShort(window.length_ms));
        }
        let mut point = |point: PointIdx| {
            self.check_point(point)?;
            reads.values.push(point.0);
            Ok(point.0)
        };
        let of = match &window.of {
            WindowOf::Sum(of) => Watched::Sum(point(*of)?),
            WindowOf::Increase(of) => Watched::Increase(point(*of)?),
            WindowOf::Count(of) => Watched::Count(self.condition_entry(of, reads)?),
            WindowOf::TimeIn(of) => Watched::TimeIn(self.condition_entry(of, reads)?),
            WindowOf::Mean(of) => Watched::Mean(self.formula_entry(of, reads)?),
            WindowOf::Stdev(of) => Watched::Stdev(self.formula_entry(of, reads)?),
            WindowOf::Lowest(of) => Watched::Lowest(self.formula_entry(of, reads)?),
            WindowOf::Highest(of) => Watched::Highest(self.formula_entry(of, reads)?),
            WindowOf::Median(of) => Watched::Median(self.formula_entry(of, reads)?),
            WindowOf::Mad(of) => Watched::Mad(self.formula_entry(of, reads)?),
            WindowOf::Change(of) => Watched::Change(self.formula_entry(of, reads)?),
        };
        Ok(Kept::Window {
            of,
            slice_ms: length_ms.div_ceil(WINDOW_SLICES),
        })
    }

    /// The reasons by which an alarm is suppressed.
    pub(super) fn suppress(
        &mut self,
        reasons: &[Suppress],
        words: &[String],
        reads: &mut Reads,
    ) -> Result<Entry, BuildError> {
        if reasons.len() > REASONS_MAX {
            return Err(BuildError::ReasonCount(reasons.len()));
        }
        let from = u32_of(self.suppress.len());
        for (index, reason) in reasons.iter().enumerate() {
            let code = SuppressCode {
                condition: self.condition_entry(&reason.condition, reads)?,
                hold_off_ms: delay(reason.hold_off_ms)?,
            };
            self.suppress.push(code);
            let word = words.get(index).map_or("", String::as_str);
            self.words.push(word.into());
        }
        let to = u32_of(self.suppress.len());
        Ok(Entry { from, to })
    }

    /// The stricter limits of a level, each with its calendar; none where there are none.
    pub(super) fn overlays(&mut self, overlays: &[Overlay], reads: &mut Reads) -> Option<Entry> {
        let from = u32_of(self.overlays.len());
        for overlay in overlays {
            let mut found = Vec::new();
            let during = self.during(&overlay.during);
            self.keep(during, Reads::default(), &mut found);
            for during in found {
                reads.units.push(self.kept[at(during)].unit);
                self.overlays.push(OverlayCode {
                    during,
                    limit: overlay.limit,
                });
            }
        }
        let to = u32_of(self.overlays.len());
        (from < to).then_some(Entry { from, to })
    }

    /// A calendar that is as the last one is kept once.
    fn during(&mut self, calendar: &Calendar) -> Kept {
        if self.calendars.last() != Some(calendar) {
            self.calendars.push(calendar.clone());
        }
        Kept::During(u32_of(self.calendars.len() - 1))
    }

    fn keep(&mut self, what: Kept, mut reads: Reads, found: &mut Vec<u32>) {
        // A time that flows is looked at whenever a point inside it is read, whatever that changes.
        if flows(&what) {
            let unit = u32_of(self.units.len());
            reads.values = self.points_inside(&reads, unit);
        }
        let kept = u32_of(self.kept.len());
        let unit = self.unit(Unit::Kept(kept), reads);
        self.kept.push(KeptCode {
            what,
            unit,
            // Told when the alarm has its place.
            owner: unit,
            around: None,
        });
        found.push(kept);
    }

    /// The points that `unit` will read, also through what is remembered; what flows among that is told of it.
    fn points_inside(&mut self, reads: &Reads, unit: u32) -> Vec<u32> {
        let around = unit;
        let mut points = BTreeSet::from_iter(reads.values.iter().chain(&reads.health).copied());
        let mut units = reads.units.clone();
        while let Some(unit) = units.pop() {
            let Unit::Kept(kept) = self.units[at(unit)] else {
                continue;
            };
            let kept = &mut self.kept[at(kept)];
            if flows(&kept.what) {
                kept.around.get_or_insert(around);
            }
            let of_unit = |pairs: &[(u32, u32)]| -> Vec<u32> {
                // What a unit reads was noted when it was made, which is not long ago.
                let pairs = pairs.iter().rev();
                let pairs = pairs.skip_while(|(_, by)| *by > unit);
                let pairs = pairs.take_while(|(_, by)| *by == unit);
                pairs.map(|(read, _)| *read).collect()
            };
            points.extend(of_unit(&self.value_reads));
            points.extend(of_unit(&self.health_reads));
            units.extend(of_unit(&self.unit_reads));
        }
        points.into_iter().collect()
    }

    /// The next thing that was made a unit, now read.
    fn read_kept(&self, kept: &mut vec::IntoIter<u32>, reads: &mut Reads) -> u32 {
        let kept = kept.next().expect("met before, in the same order");
        reads.units.push(self.kept[at(kept)].unit);
        kept
    }

    fn condition(
        &mut self,
        condition: &Cond,
        kept: &mut vec::IntoIter<u32>,
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
                self.formula(left, kept, reads, depth)?;
                self.formula(right, kept, reads, depth)?;
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
                self.condition(part, kept, reads, depth)?;
                self.ops.push(Op::Not);
            }
            Cond::All(parts) => self.joined(parts, Op::And, kept, reads, depth)?,
            Cond::Any(parts) => self.joined(parts, Op::Or, kept, reads, depth)?,
            Cond::Held(..) | Cond::Repeats { .. } | Cond::During(_) => {
                let kept = self.read_kept(kept, reads);
                self.ops.push(Op::KeptTruth(kept));
                depth.push_truth();
            }
            Cond::Same { n, points } => {
                if *n < 2 || points.is_empty() || points.len() > SAME_MAX {
                    return Err(BuildError::Count {
                        k: *n,
                        members: points.len(),
                    });
                }
                let from = u32_of(self.same.len());
                for point in points {
                    self.check_point(*point)?;
                    reads.values.push(point.0);
                    self.same.push(point.0);
                }
                let to = u32_of(self.same.len());
                self.ops.push(Op::Same(*n, Entry { from, to }));
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
                    self.condition(member, kept, reads, depth)?;
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
        kept: &mut vec::IntoIter<u32>,
        reads: &mut Reads,
        depth: &mut Depth,
    ) -> Result<(), BuildError> {
        let (first, rest) = parts.split_first().ok_or(BuildError::Empty)?;
        self.condition(first, kept, reads, depth)?;
        for part in rest {
            self.condition(part, kept, reads, depth)?;
            self.ops.push(op);
            depth.pop_truth();
        }
        Ok(())
    }

    fn formula(
        &mut self,
        formula: &Formula,
        kept: &mut vec::IntoIter<u32>,
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
                self.formula(part, kept, reads, depth)?;
                self.ops.push(Op::Neg);
            }
            Formula::Abs(part) => {
                self.formula(part, kept, reads, depth)?;
                self.ops.push(Op::Abs);
            }
            Formula::Arith(arith, left, right) => {
                self.formula(left, kept, reads, depth)?;
                self.formula(right, kept, reads, depth)?;
                self.ops.push(Op::Arith(*arith));
                depth.pop_number();
            }
            Formula::Distance(parts) => {
                for part in parts.iter() {
                    self.formula(part, kept, reads, depth)?;
                }
                self.ops.push(Op::Distance);
                (1..parts.len()).for_each(|_| depth.pop_number());
            }
            Formula::Window(_) | Formula::Since(_) => {
                let kept = self.read_kept(kept, reads);
                self.ops.push(Op::KeptNumber(kept));
                depth.push_number();
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
