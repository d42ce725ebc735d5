//! Whether tables fit together: every place is inside its table, every piece of code leaves one result and fits the stack, and nothing reads what is evaluated after it.
//!
//! What is wrong is named by its table.

use super::tables::ImageTables;
use crate::eval::{Depth, Op};
use crate::program::{
    AlarmCode, AlarmRest, Entry, Kept, KeptCode, LEVELS_MAX, LevelTest, LooksAt, REASONS_MAX,
    REPEATS, Source, Tables, Unit, at, u32_of,
};

type Checked = Result<(), &'static str>;

pub(super) fn check(tables: &ImageTables<'_>, n_points: u32, n_alarms: u32) -> Checked {
    let checker = Checker {
        tables,
        n_points,
        n_alarms,
        n_kept: tables.n_kept(),
        n_units: u32_of(tables.units.len()),
    };
    checker.sizes()?;
    checker.points()?;
    checker.units()?;
    (0..)
        .zip(tables.kept.iter())
        .try_for_each(|(index, kept)| checker.kept(index, &kept))?;
    let mut n_states = 0;
    for (index, (code, rest)) in (0..).zip(tables.alarm_code.iter().zip(tables.alarm_rest.iter())) {
        that(code.states_from == n_states, "alarm")?;
        n_states += u32::from(code.n_levels);
        checker.alarm(index, &code, &rest)?;
    }
    that(n_states == tables.n_level_states, "level")?;
    checker.doubts()
}

fn that(holds: bool, what: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(what) }
}

/// What a piece of code leaves.
#[derive(Clone, Copy, PartialEq)]
enum Leaves {
    Truth,
    Number,
}

struct Checker<'a> {
    tables: &'a ImageTables<'a>,
    n_points: u32,
    n_alarms: u32,
    n_kept: u32,
    n_units: u32,
}

impl Checker<'_> {
    fn sizes(&self) -> Checked {
        let tables = self.tables;
        let as_named = at(self.n_points) == tables.point_code.len()
            && at(self.n_alarms) == tables.alarm_code.len();
        that(as_named, "name")?;
        that(tables.alarm_code.len() == tables.alarm_rest.len(), "alarm")?;
        let n_evaluated = tables.alarm_code.len() + tables.kept.len();
        that(n_evaluated == tables.units.len(), "unit")
    }

    fn points(&self) -> Checked {
        let tables = self.tables;
        for code in tables.point_code.iter() {
            inside(code.value_readers, tables.value_readers.len(), "reader")?;
            inside(code.health_readers, tables.health_readers.len(), "reader")?;
        }
        let units = tables.value_readers.iter().map(|reader| reader.unit);
        let mut units = units.chain(tables.health_readers.iter());
        that(units.all(|unit| unit < self.n_units), "reader")?;
        let are_known = tables.value_readers.iter().all(|reader| {
            let alarm = reader.alarm.map(|alarm| alarm.index());
            alarm.is_none_or(|alarm| alarm < self.n_alarms && reader.source < self.n_points)
        });
        that(are_known, "reader")?;
        that(self.all_points(tables.same.iter()), "point")
    }

    /// As many units as there are alarms and things remembered, and each of those is one: so each is one once.
    fn units(&self) -> Checked {
        let tables = self.tables;
        let alarms = (0..).zip(tables.alarm_code.iter());
        let mut units = alarms.map(|(alarm, code)| (code.unit, Unit::Alarm(alarm)));
        let is_unit = |(unit, what): (u32, Unit)| unit < self.n_units && tables.unit(unit) == what;
        that(units.all(is_unit), "alarm")?;
        let kept = (0..).zip(tables.kept.iter());
        let mut units = kept.map(|(kept, code)| (code.unit, Unit::Kept(kept)));
        that(units.all(is_unit), "memory")?;
        // Whoever is told of a unit is evaluated after it: evaluation comes to an end.
        that(tables.readers_from.len() == tables.units.len() + 1, "unit")?;
        for unit in 0..self.n_units {
            let readers = Entry {
                from: tables.readers_from.get(unit),
                to: tables.readers_from.get(unit + 1),
            };
            inside(readers, tables.readers.len(), "unit")?;
            let mut readers = tables.readers.entries(readers);
            let are_after = readers.all(|reader| (unit + 1..self.n_units).contains(&reader));
            that(are_after, "unit")?;
        }
        Ok(())
    }

    /// Who makes readings uncertain is told by nobody who sees them so: evaluation comes to an end.
    fn doubts(&self) -> Checked {
        let tables = self.tables;
        let sees_doubt = (0..self.n_units).filter(|unit| !tables.doubts(*unit));
        let mut told = sees_doubt.flat_map(|unit| tables.readers_of(unit));
        that(!told.any(|unit| tables.doubts(unit)), "unit")
    }

    fn kept(&self, index: u32, code: &KeptCode) -> Checked {
        let after = code.unit + 1..self.n_units;
        that(after.contains(&code.owner), "memory")?;
        let Unit::Alarm(owner) = self.tables.unit(code.owner) else {
            return Err("memory");
        };
        let kept = self.tables.rest(owner).kept;
        that((kept.from..kept.to).contains(&index), "memory")?;
        that(
            code.around.is_none_or(|unit| after.contains(&unit)),
            "memory",
        )?;
        match code.what {
            Kept::Held { condition, .. } | Kept::Since { condition, .. } => {
                self.code(condition, Leaves::Truth)
            }
            Kept::Window { of, slice_ms } => {
                that(slice_ms > 0, "memory")?;
                match of.looks_at() {
                    LooksAt::Point(point) => self.point(point),
                    LooksAt::Condition(entry) => self.code(entry, Leaves::Truth),
                    LooksAt::Formula(entry) => self.code(entry, Leaves::Number),
                }
            }
            Kept::Repeats { point, n } => {
                that(REPEATS.contains(&n), "memory")?;
                self.point(point)
            }
            Kept::During(calendar) => that(at(calendar) < self.tables.calendars.len(), "calendar"),
        }
    }

    fn alarm(&self, alarm: u32, code: &AlarmCode, rest: &AlarmRest) -> Checked {
        let tables = self.tables;
        match code.source {
            Source::None => {}
            Source::Point(point) => self.point(point)?,
            Source::Formula(entry) => self.code(entry, Leaves::Number)?,
        }
        if let Some(gate) = code.gate {
            self.code(gate, Leaves::Truth)?;
        }
        let n_levels = usize::from(code.n_levels);
        that((1..=LEVELS_MAX).contains(&n_levels), "level")?;
        that(code.n_high <= code.n_levels, "level")?;
        let levels = Entry {
            from: code.levels_from,
            to: code.levels_from.saturating_add(code.n_levels.into()),
        };
        inside(levels, tables.level_code.len(), "level")?;
        for level in tables.level_code.entries(levels) {
            match level.test {
                LevelTest::High { .. } | LevelTest::Low { .. } | LevelTest::External => {}
                LevelTest::When(entry) => self.code(entry, Leaves::Truth)?,
                LevelTest::Overlaid { overlays, .. } => {
                    inside(overlays, tables.overlays.len(), "overlay")?;
                    let mut overlays = tables.overlays.entries(overlays);
                    that(overlays.all(|by| by.during < self.n_kept), "overlay")?;
                }
            }
        }
        inside(rest.points, tables.alarm_reads.len(), "alarm")?;
        inside(rest.others, tables.alarm_reads.len(), "alarm")?;
        that(
            self.all_points(tables.alarm_reads.entries(rest.points)),
            "point",
        )?;
        let mut others = tables.alarm_reads.entries(rest.others);
        that(others.all(|other| other < alarm), "alarm")?;
        inside(rest.kept, tables.kept.len(), "memory")?;
        inside(rest.suppress, tables.suppress.len(), "reason")?;
        let n_reasons = at(rest.suppress.to - rest.suppress.from);
        that(n_reasons <= REASONS_MAX, "reason")?;
        for reason in tables.suppress.entries(rest.suppress) {
            self.code(reason.condition, Leaves::Truth)?;
        }
        let mut about = [rest.scope, rest.watched].into_iter().flatten();
        about.try_for_each(|point| self.point(point))
    }

    fn point(&self, point: u32) -> Checked {
        that(point < self.n_points, "point")
    }

    fn all_points(&self, mut points: impl Iterator<Item = u32>) -> bool {
        points.all(|point| point < self.n_points)
    }

    /// Runs a piece of code for what it leaves on the stack.
    fn code(&self, entry: Entry, leaves: Leaves) -> Checked {
        inside(entry, self.tables.ops.len(), "code")?;
        let mut depth = Depth::default();
        for op in self.tables.ops.entries(entry) {
            match op {
                Op::Const(_) => depth.push_number(),
                Op::Point(point) => {
                    self.point(point)?;
                    depth.push_number();
                }
                Op::Neg | Op::Abs => {
                    depth.take(1, 0, 0).ok_or("code")?;
                    depth.push_number();
                }
                Op::Arith(_) => {
                    depth.take(2, 0, 0).ok_or("code")?;
                    depth.push_number();
                }
                Op::Compare(_) => {
                    depth.take(2, 0, 0).ok_or("code")?;
                    depth.push_truth();
                }
                Op::On(point) | Op::Health(_, point) => {
                    self.point(point)?;
                    depth.push_truth();
                }
                Op::Alarm(alarm, _) => {
                    that(alarm < self.n_alarms, "alarm")?;
                    depth.push_truth();
                }
                Op::KeptTruth(kept) => {
                    that(kept < self.n_kept, "memory")?;
                    depth.push_truth();
                }
                Op::KeptNumber(kept) => {
                    that(kept < self.n_kept, "memory")?;
                    depth.push_number();
                }
                Op::Distance => {
                    depth.take(4, 0, 0).ok_or("code")?;
                    depth.push_number();
                }
                Op::Same(_, points) => {
                    inside(points, self.tables.same.len(), "code")?;
                    depth.push_truth();
                }
                Op::Not => {
                    depth.take(0, 1, 0).ok_or("code")?;
                    depth.push_truth();
                }
                Op::And | Op::Or => {
                    depth.take(0, 2, 0).ok_or("code")?;
                    depth.push_truth();
                }
                Op::TallyBegin => depth.push_tally(),
                Op::Tally => {
                    depth.take(0, 1, 1).ok_or("code")?;
                    depth.push_tally();
                }
                Op::AtLeast(..) => {
                    depth.take(0, 0, 1).ok_or("code")?;
                    depth.push_truth();
                }
            }
            depth.check().ok_or("code")?;
        }
        match leaves {
            Leaves::Truth => depth.take(0, 1, 0).ok_or("code")?,
            Leaves::Number => depth.take(1, 0, 0).ok_or("code")?,
        }
        that(depth.is_empty(), "code")
    }
}

fn inside(entry: Entry, len: usize, what: &'static str) -> Checked {
    that(entry.from <= entry.to && at(entry.to) <= len, what)
}
