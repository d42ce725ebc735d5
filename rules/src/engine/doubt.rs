//! Readings in doubt: while an alarm stands of a rule that makes readings uncertain, what it is about is uncertain to all
//! other rules. A detector that somebody has covered clears no alarm.
//!
//! A rule that doubts sees readings as they are: else a stuck sensor's alarm could never return. So such rules come before
//! all others, and nothing goes round in a circle.

use super::machine::Machine;
use super::state::{State, own_points};
use crate::program::{Tables, Unit, at, u32_of};

impl Machine {
    /// Something happened to an alarm: if its rule makes readings uncertain, it may stand now, or not any more.
    pub(super) fn look_at_doubt(&mut self, tables: &impl Tables, alarm: u32) {
        if !tables.rest(alarm).doubts {
            return;
        }
        for point in doubted_by(tables, alarm) {
            self.look_at_point(tables, point);
        }
    }

    /// After a restart: what stood doubts as before, unless its rule is another.
    pub(super) fn look_at_doubts(&mut self, tables: &impl Tables) {
        for point in 0..u32_of(self.state.points.len()) {
            self.look_at_point(tables, point);
        }
    }

    fn look_at_point(&mut self, tables: &impl Tables, point: u32) {
        let doubted = self.state.is_doubted(tables, point);
        let slot = &mut self.state.points[at(point)];
        if core::mem::replace(&mut slot.doubted, doubted) != doubted {
            let readers = tables.value_readers(tables.point(point).value_readers);
            let readers = readers.map(|reader| reader.unit);
            // Who doubts sees what it saw.
            let readers = readers.filter(|unit| !tables.doubts(*unit));
            self.queue.extend(readers);
        }
    }
}

impl State {
    /// True while an alarm makes a point uncertain.
    pub(super) fn is_doubted(&self, tables: &impl Tables, point: u32) -> bool {
        doubters(tables, point).any(|alarm| self.makes_uncertain(alarm))
    }

    /// True while an alarm stands and is no test, whose rule makes readings uncertain.
    pub(super) fn makes_uncertain(&self, alarm: u32) -> bool {
        let flags = self.alarms[at(alarm)].flags;
        flags.stands() && !flags.test
    }
}

/// The alarms that may make a point uncertain.
pub(super) fn doubters(tables: &impl Tables, point: u32) -> impl Iterator<Item = u32> {
    let readers = tables.health_readers(tables.point(point).health_readers);
    readers.filter_map(move |unit| match tables.unit(unit) {
        Unit::Alarm(alarm) if tables.rest(alarm).doubts => doubted_by(tables, alarm)
            .any(|doubted| doubted == point)
            .then_some(alarm),
        Unit::Alarm(_) | Unit::Kept(_) => None,
    })
}

/// The points that an alarm is about; all that it reads where it is about none.
fn doubted_by(tables: &impl Tables, alarm: u32) -> impl Iterator<Item = u32> {
    let own = own_points(tables, alarm);
    let is_about_none = own == [None, None];
    let read = tables.alarm_reads(tables.rest(alarm).points);
    let read = read.filter(move |_| is_about_none);
    own.into_iter().flatten().chain(read)
}
