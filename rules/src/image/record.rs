//! How an entry of each table is written: in as many bytes as the longest of its table, so that it is found by its index.

use super::word::{ARITH, COMPARE, DEGRADE, HEALTH, SIDE, read_word, write_word};
use crate::bytes::{Read, Reader, Writer};
use crate::eval::Op;
use crate::program::{
    self, AlarmCode, AlarmRest, Entry, Kept, KeptCode, LevelCode, LevelTest, NonMax, OverlayCode,
    PointCode, Source, SuppressCode, Unit, Watched,
};

/// An entry of a table.
pub(super) trait Record: Sized {
    /// The most bytes that one takes.
    const SIZE: usize;
    fn write(&self, out: &mut Writer);
    fn read(reader: &mut Reader<'_>) -> Read<Self>;
}

impl Writer {
    fn entry(&mut self, entry: Entry) {
        self.u32(entry.from);
        self.u32(entry.to);
    }
}

impl Reader<'_> {
    fn entry(&mut self) -> Read<Entry> {
        Ok(Entry {
            from: self.count()?,
            to: self.count()?,
        })
    }
}

impl Record for u32 {
    const SIZE: usize = 4;

    fn write(&self, out: &mut Writer) {
        out.u32(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        reader.count()
    }
}

impl Record for PointCode {
    const SIZE: usize = 25;

    fn write(&self, out: &mut Writer) {
        out.bool(self.digital);
        out.u64(self.max_age_ms);
        out.entry(self.value_readers);
        out.entry(self.health_readers);
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            digital: reader.bool()?,
            max_age_ms: reader.u64()?,
            value_readers: reader.entry()?,
            health_readers: reader.entry()?,
        })
    }
}

impl Record for program::Reader {
    const SIZE: usize = 13;

    fn write(&self, out: &mut Writer) {
        out.u32(self.unit);
        out.option(self.alarm.map(NonMax::index), Writer::u32);
        out.u32(self.source);
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            unit: reader.count()?,
            alarm: reader.option(Reader::count)?.and_then(NonMax::new),
            source: reader.count()?,
        })
    }
}

impl Record for AlarmCode {
    const SIZE: usize = 32;

    fn write(&self, out: &mut Writer) {
        match self.source {
            Source::None => out.u8(0),
            Source::Point(point) => {
                out.u8(1);
                out.u32(point);
            }
            Source::Formula(entry) => {
                out.u8(2);
                out.entry(entry);
            }
        }
        out.option(self.gate, Writer::entry);
        out.u32(self.levels_from);
        out.u32(self.states_from);
        out.u8(self.n_levels);
        out.u8(self.n_high);
        out.u32(self.unit);
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let broken = reader.broken();
        Ok(Self {
            source: match reader.u8()? {
                0 => Source::None,
                1 => Source::Point(reader.count()?),
                2 => Source::Formula(reader.entry()?),
                3.. => return Err(broken),
            },
            gate: reader.option(Reader::entry)?,
            levels_from: reader.count()?,
            states_from: reader.count()?,
            n_levels: reader.u8()?,
            n_high: reader.u8()?,
            unit: reader.count()?,
        })
    }
}

/// Never of an alarm that the system tells, nor of one whose rule is gone: those are in no image.
impl Record for AlarmRest {
    const SIZE: usize = 85;

    fn write(&self, out: &mut Writer) {
        out.bool(self.limits_only);
        out.bool(self.test);
        out.bool(self.doubts);
        out.option(self.scope, Writer::u32);
        out.u64(self.unknown_hold_ms);
        out.f64(self.band.0);
        out.f64(self.band.1);
        out.entry(self.points);
        out.entry(self.others);
        out.entry(self.kept);
        out.entry(self.suppress);
        out.u64(self.re_alarm_ms);
        out.u64(self.shelve_max_ms);
        out.option(self.watched, Writer::u32);
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            limits_only: reader.bool()?,
            test: reader.bool()?,
            doubts: reader.bool()?,
            external: false,
            retired: false,
            scope: reader.option(Reader::count)?,
            unknown_hold_ms: reader.u64()?,
            band: (reader.f64()?, reader.f64()?),
            points: reader.entry()?,
            others: reader.entry()?,
            kept: reader.entry()?,
            suppress: reader.entry()?,
            re_alarm_ms: reader.u64()?,
            shelve_max_ms: reader.u64()?,
            watched: reader.option(Reader::count)?,
        })
    }
}

impl Record for LevelCode {
    const SIZE: usize = 37;

    fn write(&self, out: &mut Writer) {
        match self.test {
            LevelTest::High { limit, exit } => {
                out.u8(0);
                out.f64(limit);
                out.f64(exit);
            }
            LevelTest::Low { limit, exit } => {
                out.u8(1);
                out.f64(limit);
                out.f64(exit);
            }
            LevelTest::When(entry) => {
                out.u8(2);
                out.entry(entry);
            }
            LevelTest::External => out.u8(3),
            LevelTest::Overlaid {
                side,
                limit,
                exit,
                overlays,
            } => {
                out.u8(4);
                write_word(out, &SIDE, side);
                out.f64(limit);
                out.f64(exit);
                out.entry(overlays);
            }
        }
        out.u32(self.on_delay_ms);
        out.u32(self.off_delay_ms);
        out.u16(self.severity);
        out.bool(self.latch);
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let broken = reader.broken();
        let test = match reader.u8()? {
            0 => LevelTest::High {
                limit: reader.f64()?,
                exit: reader.f64()?,
            },
            1 => LevelTest::Low {
                limit: reader.f64()?,
                exit: reader.f64()?,
            },
            2 => LevelTest::When(reader.entry()?),
            3 => LevelTest::External,
            4 => LevelTest::Overlaid {
                side: read_word(reader, &SIDE)?,
                limit: reader.f64()?,
                exit: reader.f64()?,
                overlays: reader.entry()?,
            },
            5.. => return Err(broken),
        };
        Ok(Self {
            test,
            on_delay_ms: reader.count()?,
            off_delay_ms: reader.count()?,
            severity: reader.u16()?,
            latch: reader.bool()?,
        })
    }
}

impl Record for KeptCode {
    const SIZE: usize = 27;

    fn write(&self, out: &mut Writer) {
        match self.what {
            Kept::Held {
                condition,
                duration_ms,
            } => {
                out.u8(0);
                out.entry(condition);
                out.u32(duration_ms);
            }
            Kept::Since { condition, open_ms } => {
                out.u8(1);
                out.entry(condition);
                out.u32(open_ms);
            }
            Kept::Window { of, slice_ms } => {
                out.u8(2);
                of.write(out);
                out.u32(slice_ms);
            }
            Kept::During(calendar) => {
                out.u8(3);
                out.u32(calendar);
            }
            Kept::Repeats { point, n } => {
                out.u8(4);
                out.u32(point);
                out.u32(n);
            }
        }
        out.u32(self.unit);
        out.u32(self.owner);
        out.option(self.around, Writer::u32);
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let broken = reader.broken();
        let what = match reader.u8()? {
            0 => Kept::Held {
                condition: reader.entry()?,
                duration_ms: reader.count()?,
            },
            1 => Kept::Since {
                condition: reader.entry()?,
                open_ms: reader.count()?,
            },
            2 => Kept::Window {
                of: Watched::read(reader)?,
                slice_ms: reader.count()?,
            },
            3 => Kept::During(reader.count()?),
            4 => Kept::Repeats {
                point: reader.count()?,
                n: reader.count()?,
            },
            5.. => return Err(broken),
        };
        Ok(Self {
            what,
            unit: reader.count()?,
            owner: reader.count()?,
            around: reader.option(Reader::count)?,
        })
    }
}

impl Record for Watched {
    const SIZE: usize = 9;

    fn write(&self, out: &mut Writer) {
        let (kind, entry) = match *self {
            Self::Sum(point) => {
                out.u8(0);
                out.u32(point);
                return;
            }
            Self::Increase(point) => {
                out.u8(1);
                out.u32(point);
                return;
            }
            Self::Count(entry) => (2, entry),
            Self::TimeIn(entry) => (3, entry),
            Self::Mean(entry) => (4, entry),
            Self::Stdev(entry) => (5, entry),
            Self::Lowest(entry) => (6, entry),
            Self::Highest(entry) => (7, entry),
            Self::Change(entry) => (8, entry),
            Self::Median(entry) => (9, entry),
            Self::Mad(entry) => (10, entry),
        };
        out.u8(kind);
        out.entry(entry);
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let broken = reader.broken();
        Ok(match reader.u8()? {
            0 => Self::Sum(reader.count()?),
            1 => Self::Increase(reader.count()?),
            2 => Self::Count(reader.entry()?),
            3 => Self::TimeIn(reader.entry()?),
            4 => Self::Mean(reader.entry()?),
            5 => Self::Stdev(reader.entry()?),
            6 => Self::Lowest(reader.entry()?),
            7 => Self::Highest(reader.entry()?),
            8 => Self::Change(reader.entry()?),
            9 => Self::Median(reader.entry()?),
            10 => Self::Mad(reader.entry()?),
            11.. => return Err(broken),
        })
    }
}

impl Record for OverlayCode {
    const SIZE: usize = 12;

    fn write(&self, out: &mut Writer) {
        out.u32(self.during);
        out.f64(self.limit);
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            during: reader.count()?,
            limit: reader.f64()?,
        })
    }
}

impl Record for SuppressCode {
    const SIZE: usize = 12;

    fn write(&self, out: &mut Writer) {
        out.entry(self.condition);
        out.u32(self.hold_off_ms);
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            condition: reader.entry()?,
            hold_off_ms: reader.count()?,
        })
    }
}

impl Record for Unit {
    const SIZE: usize = 5;

    fn write(&self, out: &mut Writer) {
        match *self {
            Self::Kept(kept) => {
                out.u8(0);
                out.u32(kept);
            }
            Self::Alarm(alarm) => {
                out.u8(1);
                out.u32(alarm);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let broken = reader.broken();
        Ok(match reader.u8()? {
            0 => Self::Kept(reader.count()?),
            1 => Self::Alarm(reader.count()?),
            2.. => return Err(broken),
        })
    }
}

impl Record for Op {
    const SIZE: usize = 13;

    fn write(&self, out: &mut Writer) {
        match *self {
            Self::Const(number) => {
                out.u8(0);
                out.f64(number);
            }
            Self::Point(point) => {
                out.u8(1);
                out.u32(point);
            }
            Self::Neg => out.u8(2),
            Self::Abs => out.u8(3),
            Self::Arith(arith) => {
                out.u8(4);
                write_word(out, &ARITH, arith);
            }
            Self::Compare(compare) => {
                out.u8(5);
                write_word(out, &COMPARE, compare);
            }
            Self::On(point) => {
                out.u8(6);
                out.u32(point);
            }
            Self::Health(health, point) => {
                out.u8(7);
                write_word(out, &HEALTH, health);
                out.u32(point);
            }
            Self::Alarm(alarm, severity) => {
                out.u8(8);
                out.u32(alarm);
                out.u16(severity);
            }
            Self::KeptTruth(kept) => {
                out.u8(9);
                out.u32(kept);
            }
            Self::KeptNumber(kept) => {
                out.u8(10);
                out.u32(kept);
            }
            Self::Distance => out.u8(11),
            Self::Same(least, points) => {
                out.u8(12);
                out.u32(least);
                out.entry(points);
            }
            Self::Not => out.u8(13),
            Self::And => out.u8(14),
            Self::Or => out.u8(15),
            Self::TallyBegin => out.u8(16),
            Self::Tally => out.u8(17),
            Self::AtLeast(least, degrade) => {
                out.u8(18);
                out.u32(least);
                write_word(out, &DEGRADE, degrade);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let broken = reader.broken();
        Ok(match reader.u8()? {
            0 => Self::Const(reader.f64()?),
            1 => Self::Point(reader.count()?),
            2 => Self::Neg,
            3 => Self::Abs,
            4 => Self::Arith(read_word(reader, &ARITH)?),
            5 => Self::Compare(read_word(reader, &COMPARE)?),
            6 => Self::On(reader.count()?),
            7 => Self::Health(read_word(reader, &HEALTH)?, reader.count()?),
            8 => Self::Alarm(reader.count()?, reader.u16()?),
            9 => Self::KeptTruth(reader.count()?),
            10 => Self::KeptNumber(reader.count()?),
            11 => Self::Distance,
            12 => Self::Same(reader.count()?, reader.entry()?),
            13 => Self::Not,
            14 => Self::And,
            15 => Self::Or,
            16 => Self::TallyBegin,
            17 => Self::Tally,
            18 => Self::AtLeast(reader.count()?, read_word(reader, &DEGRADE)?),
            19.. => return Err(broken),
        })
    }
}
