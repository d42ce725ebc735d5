//! The tables of an image: where their bytes are, but for calendars.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::table::Table;
use crate::bytes::{Read, Reader, Writer};
use crate::calendar::{Calendar, YearDay};
use crate::eval::Op;
use crate::program::{
    AlarmCode, AlarmRest, BuiltTables, Entry, KeptCode, LevelCode, OverlayCode, PointCode,
    Reader as ReaderCode, SuppressCode, Tables, Unit, at, u32_of,
};

#[derive(Debug)]
pub(crate) struct ImageTables<'a> {
    pub(super) point_code: Table<'a, PointCode>,
    pub(super) value_readers: Table<'a, ReaderCode>,
    pub(super) health_readers: Table<'a, u32>,
    pub(super) ops: Table<'a, Op>,
    pub(super) alarm_code: Table<'a, AlarmCode>,
    pub(super) alarm_rest: Table<'a, AlarmRest>,
    pub(super) alarm_reads: Table<'a, u32>,
    pub(super) level_code: Table<'a, LevelCode>,
    pub(super) n_level_states: u32,
    pub(super) kept: Table<'a, KeptCode>,
    pub(super) calendars: Vec<Calendar>,
    pub(super) overlays: Table<'a, OverlayCode>,
    pub(super) suppress: Table<'a, SuppressCode>,
    /// One for each reason.
    words: Reader<'a>,
    pub(super) same: Table<'a, u32>,
    pub(super) units: Table<'a, Unit>,
    /// Where the readers of each unit begin, and where the last ones end.
    pub(super) readers_from: Table<'a, u32>,
    pub(super) readers: Table<'a, u32>,
}

impl BuiltTables {
    pub(super) fn write(&self, out: &mut Writer) {
        out.table(&self.point_code);
        out.table(&self.value_readers);
        out.table(&self.health_readers);
        out.table(&self.ops);
        out.table(&self.alarm_code);
        out.table(&self.alarm_rest);
        out.table(&self.alarm_reads);
        out.table(&self.level_code);
        out.u32(self.n_level_states);
        out.table(&self.kept);
        out.u32(u32_of(self.calendars.len()));
        for calendar in &self.calendars {
            out.calendar(calendar);
        }
        out.table(&self.overlays);
        out.table(&self.suppress);
        for word in &self.words {
            out.text(word);
        }
        out.table(&self.same);
        out.table(&self.units);
        let (from, readers) = self.readers_of_unit.lists();
        out.table(from);
        out.table(readers);
    }
}

impl<'a> ImageTables<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Read<Self> {
        let point_code = Table::read(reader)?;
        let value_readers = Table::read(reader)?;
        let health_readers = Table::read(reader)?;
        let ops = Table::read(reader)?;
        let alarm_code = Table::read(reader)?;
        let alarm_rest = Table::read(reader)?;
        let alarm_reads = Table::read(reader)?;
        let level_code = Table::read(reader)?;
        let n_level_states = reader.count()?;
        let kept = Table::read(reader)?;
        let n_calendars = reader.count()?;
        let calendars = reader.list(n_calendars, Reader::calendar)?;
        let overlays = Table::read(reader)?;
        let suppress = Table::read(reader)?;
        let words = reader.clone();
        for _ in 0..suppress.len() {
            reader.text()?;
        }
        Ok(Self {
            point_code,
            value_readers,
            health_readers,
            ops,
            alarm_code,
            alarm_rest,
            alarm_reads,
            level_code,
            n_level_states,
            kept,
            calendars,
            overlays,
            suppress,
            words,
            same: Table::read(reader)?,
            units: Table::read(reader)?,
            readers_from: Table::read(reader)?,
            readers: Table::read(reader)?,
        })
    }
}

impl Tables for ImageTables<'_> {
    fn n_points(&self) -> u32 {
        u32_of(self.point_code.len())
    }

    fn n_alarms(&self) -> u32 {
        u32_of(self.alarm_code.len())
    }

    fn n_kept(&self) -> u32 {
        u32_of(self.kept.len())
    }

    fn n_level_states(&self) -> u32 {
        self.n_level_states
    }

    fn point(&self, point: u32) -> PointCode {
        self.point_code.get(point)
    }

    fn value_readers(&self, entry: Entry) -> impl Iterator<Item = ReaderCode> {
        self.value_readers.entries(entry)
    }

    fn health_readers(&self, entry: Entry) -> impl Iterator<Item = u32> {
        self.health_readers.entries(entry)
    }

    fn ops(&self, entry: Entry) -> impl Iterator<Item = Op> {
        self.ops.entries(entry)
    }

    fn alarm(&self, alarm: u32) -> AlarmCode {
        self.alarm_code.get(alarm)
    }

    fn rest(&self, alarm: u32) -> AlarmRest {
        self.alarm_rest.get(alarm)
    }

    fn alarm_reads(&self, entry: Entry) -> impl Iterator<Item = u32> {
        self.alarm_reads.entries(entry)
    }

    fn level(&self, level: u32) -> LevelCode {
        self.level_code.get(level)
    }

    fn kept(&self, kept: u32) -> KeptCode {
        self.kept.get(kept)
    }

    fn calendar(&self, calendar: u32) -> &Calendar {
        &self.calendars[at(calendar)]
    }

    fn overlays(&self, entry: Entry) -> impl Iterator<Item = OverlayCode> {
        self.overlays.entries(entry)
    }

    fn reason(&self, reason: u32) -> SuppressCode {
        self.suppress.get(reason)
    }

    fn word(&self, reason: u32) -> Arc<str> {
        let mut words = self.words.clone();
        let mut word = "";
        for _ in 0..=reason {
            word = words
                .text()
                .expect("every word was read when the image was");
        }
        word.into()
    }

    fn same(&self, entry: Entry) -> impl Iterator<Item = u32> + Clone {
        self.same.entries(entry)
    }

    fn unit(&self, unit: u32) -> Unit {
        self.units.get(unit)
    }

    fn readers_of(&self, unit: u32) -> impl Iterator<Item = u32> {
        self.readers.entries(Entry {
            from: self.readers_from.get(unit),
            to: self.readers_from.get(unit + 1),
        })
    }
}

impl Writer {
    fn calendar(&mut self, calendar: &Calendar) {
        let day = |out: &mut Self, day: YearDay| {
            out.u8(day.month);
            out.u8(day.day);
        };
        self.i16(calendar.zone_minutes);
        self.u32(u32_of(calendar.yearly.len()));
        for (from, to) in &calendar.yearly {
            day(self, *from);
            day(self, *to);
        }
        self.u32(u32_of(calendar.dates.len()));
        for (from, to) in &calendar.dates {
            self.i32(*from);
            self.i32(*to);
        }
        self.u8(calendar.weekdays);
        self.option(calendar.daily, |out, (from, until)| {
            out.u16(from);
            out.u16(until);
        });
    }
}

impl Reader<'_> {
    fn calendar(&mut self) -> Read<Calendar> {
        let day = |reader: &mut Self| {
            Ok(YearDay {
                month: reader.u8()?,
                day: reader.u8()?,
            })
        };
        let zone_minutes = self.i16()?;
        let n_yearly = self.count()?;
        let yearly = self.list(n_yearly, |reader| Ok((day(reader)?, day(reader)?)))?;
        let n_dates = self.count()?;
        let dates = self.list(n_dates, |reader| Ok((reader.i32()?, reader.i32()?)))?;
        Ok(Calendar {
            zone_minutes,
            yearly,
            dates,
            weekdays: self.u8()?,
            daily: self.option(|reader| Ok((reader.u16()?, reader.u16()?)))?,
        })
    }
}
