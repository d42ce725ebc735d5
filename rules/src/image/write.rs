//! Writes tables, each with its length before it.

use super::code::{ARITH, COMPARE, DEGRADE, HEALTH, SIDE};
use crate::bytes::Writer;
use crate::calendar::{Calendar, YearDay};
use crate::eval::Op;
use crate::program::{
    AlarmCode, AlarmRest, Entry, Kept, KeptCode, LevelCode, LevelTest, NonMax, OverlayCode,
    PointCode, Reader, Source, SuppressCode, Tables, Unit, Watched, u32_of,
};

pub(super) fn tables(out: &mut Writer, tables: &Tables) {
    out.list(&tables.point_code, Writer::point_code);
    out.list(&tables.value_readers, Writer::reader);
    out.list(&tables.health_readers, Writer::index);
    out.list(&tables.ops, Writer::op);
    out.list(&tables.alarm_code, Writer::alarm_code);
    out.list(&tables.alarm_rest, Writer::alarm_rest);
    out.list(&tables.alarm_reads, Writer::index);
    out.list(&tables.level_code, Writer::level);
    out.u32(tables.n_level_states);
    out.list(&tables.kept, Writer::kept_code);
    out.list(&tables.overlays, Writer::overlay);
    out.list(&tables.suppress, Writer::reason);
    out.list(&tables.same, Writer::index);
    out.list(&tables.units, Writer::unit);
    for unit in 0..u32_of(tables.units.len()) {
        out.list(tables.readers_of_unit.of(unit), Writer::index);
    }
}

impl Writer {
    fn list<T>(&mut self, list: &[T], write: impl Fn(&mut Self, &T)) {
        self.u32(u32_of(list.len()));
        for entry in list {
            write(self, entry);
        }
    }

    /// The place of a word in its list.
    fn word<T: PartialEq>(&mut self, words: &[T], word: &T) {
        let place = words.iter().position(|other| other == word);
        let place = place.and_then(|place| u8::try_from(place).ok());
        self.u8(place.expect("every word is in its list"));
    }

    fn index(&mut self, index: &u32) {
        self.u32(*index);
    }

    fn entry(&mut self, entry: Entry) {
        self.u32(entry.from);
        self.u32(entry.to);
    }

    fn point_code(&mut self, code: &PointCode) {
        self.bool(code.digital);
        self.u64(code.max_age_ms);
        self.entry(code.value_readers);
        self.entry(code.health_readers);
    }

    fn reader(&mut self, reader: &Reader) {
        self.u32(reader.unit);
        self.option(reader.alarm.map(NonMax::index), Self::u32);
        self.u32(reader.source);
    }

    fn alarm_code(&mut self, code: &AlarmCode) {
        match code.source {
            Source::None => self.u8(0),
            Source::Point(point) => {
                self.u8(1);
                self.u32(point);
            }
            Source::Formula(entry) => {
                self.u8(2);
                self.entry(entry);
            }
        }
        self.option(code.gate, Self::entry);
        self.u32(code.levels_from);
        self.u32(code.states_from);
        self.u8(code.n_levels);
        self.u8(code.n_high);
        self.u32(code.unit);
    }

    fn alarm_rest(&mut self, rest: &AlarmRest) {
        self.bool(rest.limits_only);
        self.bool(rest.test);
        self.option(rest.scope, Self::u32);
        self.u64(rest.unknown_hold_ms);
        self.f64(rest.band.0);
        self.f64(rest.band.1);
        self.entry(rest.points);
        self.entry(rest.others);
        self.entry(rest.kept);
        self.entry(rest.suppress);
        self.u64(rest.re_alarm_ms);
        self.u64(rest.shelve_max_ms);
        self.option(rest.watched, Self::u32);
    }

    fn level(&mut self, level: &LevelCode) {
        match level.test {
            LevelTest::High { limit, exit } => {
                self.u8(0);
                self.f64(limit);
                self.f64(exit);
            }
            LevelTest::Low { limit, exit } => {
                self.u8(1);
                self.f64(limit);
                self.f64(exit);
            }
            LevelTest::When(entry) => {
                self.u8(2);
                self.entry(entry);
            }
            LevelTest::External => self.u8(3),
            LevelTest::Overlaid {
                side,
                limit,
                exit,
                overlays,
            } => {
                self.u8(4);
                self.word(&SIDE, &side);
                self.f64(limit);
                self.f64(exit);
                self.entry(overlays);
            }
        }
        self.u32(level.on_delay_ms);
        self.u32(level.off_delay_ms);
        self.u16(level.severity);
        self.bool(level.latch);
    }

    fn kept_code(&mut self, kept: &KeptCode) {
        match &kept.what {
            Kept::Held {
                condition,
                duration_ms,
            } => {
                self.u8(0);
                self.entry(*condition);
                self.u32(*duration_ms);
            }
            Kept::Since { condition } => {
                self.u8(1);
                self.entry(*condition);
            }
            Kept::Window { of, slice_ms } => {
                self.u8(2);
                self.watched(*of);
                self.u32(*slice_ms);
            }
            Kept::During(calendar) => {
                self.u8(3);
                self.calendar(calendar);
            }
        }
        self.u32(kept.unit);
        self.u32(kept.owner);
        self.option(kept.around, Self::u32);
    }

    fn watched(&mut self, of: Watched) {
        let (kind, entry) = match of {
            Watched::Sum(point) | Watched::Increase(point) => {
                self.u8(u8::from(matches!(of, Watched::Increase(_))));
                self.u32(point);
                return;
            }
            Watched::Count(entry) => (2, entry),
            Watched::TimeIn(entry) => (3, entry),
            Watched::Mean(entry) => (4, entry),
            Watched::Stdev(entry) => (5, entry),
            Watched::Lowest(entry) => (6, entry),
            Watched::Highest(entry) => (7, entry),
            Watched::Change(entry) => (8, entry),
        };
        self.u8(kind);
        self.entry(entry);
    }

    fn calendar(&mut self, calendar: &Calendar) {
        let day = |out: &mut Self, day: YearDay| {
            out.u8(day.month);
            out.u8(day.day);
        };
        self.i16(calendar.zone_minutes);
        self.list(&calendar.yearly, |out, (from, to)| {
            day(out, *from);
            day(out, *to);
        });
        self.list(&calendar.dates, |out, (from, to)| {
            out.i32(*from);
            out.i32(*to);
        });
        self.u8(calendar.weekdays);
        self.option(calendar.daily, |out, (from, until)| {
            out.u16(from);
            out.u16(until);
        });
    }

    fn overlay(&mut self, overlay: &OverlayCode) {
        self.u32(overlay.during);
        self.f64(overlay.limit);
    }

    fn reason(&mut self, reason: &SuppressCode) {
        self.text(&reason.word);
        self.entry(reason.condition);
        self.u32(reason.hold_off_ms);
    }

    fn unit(&mut self, unit: &Unit) {
        match unit {
            Unit::Kept(kept) => {
                self.u8(0);
                self.u32(*kept);
            }
            Unit::Alarm(alarm) => {
                self.u8(1);
                self.u32(*alarm);
            }
        }
    }

    fn op(&mut self, op: &Op) {
        match *op {
            Op::Const(number) => {
                self.u8(0);
                self.f64(number);
            }
            Op::Point(point) => {
                self.u8(1);
                self.u32(point);
            }
            Op::Neg => self.u8(2),
            Op::Abs => self.u8(3),
            Op::Arith(arith) => {
                self.u8(4);
                self.word(&ARITH, &arith);
            }
            Op::Compare(compare) => {
                self.u8(5);
                self.word(&COMPARE, &compare);
            }
            Op::On(point) => {
                self.u8(6);
                self.u32(point);
            }
            Op::Health(health, point) => {
                self.u8(7);
                self.word(&HEALTH, &health);
                self.u32(point);
            }
            Op::Alarm(alarm, severity) => {
                self.u8(8);
                self.u32(alarm);
                self.u16(severity);
            }
            Op::KeptTruth(kept) => {
                self.u8(9);
                self.u32(kept);
            }
            Op::KeptNumber(kept) => {
                self.u8(10);
                self.u32(kept);
            }
            Op::Distance => self.u8(11),
            Op::Same(least, points) => {
                self.u8(12);
                self.u32(least);
                self.entry(points);
            }
            Op::Not => self.u8(13),
            Op::And => self.u8(14),
            Op::Or => self.u8(15),
            Op::TallyBegin => self.u8(16),
            Op::Tally => self.u8(17),
            Op::AtLeast(least, degrade) => {
                self.u8(18);
                self.u32(least);
                self.word(&DEGRADE, &degrade);
            }
        }
    }
}
