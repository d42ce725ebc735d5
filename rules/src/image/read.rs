//! Reads tables as they were written; whether they fit together is looked at when all are there.

use alloc::vec::Vec;

use super::code::{ARITH, COMPARE, DEGRADE, HEALTH, SIDE};
use crate::bytes::{Read, Reader};
use crate::calendar::{Calendar, YearDay};
use crate::eval::Op;
use crate::program::{
    self, AlarmCode, AlarmRest, Entry, Kept, KeptCode, LevelCode, LevelTest, NonMax, OverlayCode,
    PointCode, Readers, Source, SuppressCode, Tables, Unit, Watched,
};

pub(super) fn tables(reader: &mut Reader<'_>) -> Read<Tables> {
    let point_code = reader.table(Reader::point_code)?;
    let value_readers = reader.table(Reader::reader)?;
    let health_readers = reader.table(Reader::count)?;
    let ops = reader.table(Reader::op)?;
    let alarm_code = reader.table(Reader::alarm_code)?;
    let alarm_rest = reader.table(Reader::alarm_rest)?;
    let alarm_reads = reader.table(Reader::count)?;
    let level_code = reader.table(Reader::level)?;
    let n_level_states = reader.count()?;
    let kept = reader.table(Reader::kept_code)?;
    let overlays = reader.table(Reader::overlay)?;
    let suppress = reader.table(Reader::reason)?;
    let same = reader.table(Reader::count)?;
    let units = reader.table(Reader::unit)?;
    let mut readers_of_unit = Readers::new(0, Vec::new());
    for _ in 0..units.len() {
        let readers = reader.table(Reader::count)?;
        readers_of_unit.push(&readers);
    }
    Ok(Tables {
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
        overlays,
        suppress,
        same,
        units,
        readers_of_unit,
    })
}

impl Reader<'_> {
    fn table<T>(&mut self, read: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let len = self.count()?;
        self.exact_list(len, read)
    }

    fn word<T: Copy>(&mut self, words: &[T]) -> Read<T> {
        let broken = self.broken();
        let place = usize::from(self.u8()?);
        words.get(place).copied().ok_or(broken)
    }

    fn entry(&mut self) -> Read<Entry> {
        Ok(Entry {
            from: self.count()?,
            to: self.count()?,
        })
    }

    fn point_code(&mut self) -> Read<PointCode> {
        Ok(PointCode {
            digital: self.bool()?,
            max_age_ms: self.u64()?,
            value_readers: self.entry()?,
            health_readers: self.entry()?,
        })
    }

    fn reader(&mut self) -> Read<program::Reader> {
        Ok(program::Reader {
            unit: self.count()?,
            alarm: self.option(Self::count)?.and_then(NonMax::new),
            source: self.count()?,
        })
    }

    fn alarm_code(&mut self) -> Read<AlarmCode> {
        let broken = self.broken();
        Ok(AlarmCode {
            source: match self.u8()? {
                0 => Source::None,
                1 => Source::Point(self.count()?),
                2 => Source::Formula(self.entry()?),
                3.. => return Err(broken),
            },
            gate: self.option(Self::entry)?,
            levels_from: self.count()?,
            states_from: self.count()?,
            n_levels: self.u8()?,
            n_high: self.u8()?,
            unit: self.count()?,
        })
    }

    fn alarm_rest(&mut self) -> Read<AlarmRest> {
        Ok(AlarmRest {
            limits_only: self.bool()?,
            test: self.bool()?,
            external: false,
            retired: false,
            scope: self.option(Self::count)?,
            unknown_hold_ms: self.u64()?,
            band: (self.f64()?, self.f64()?),
            points: self.entry()?,
            others: self.entry()?,
            kept: self.entry()?,
            suppress: self.entry()?,
            re_alarm_ms: self.u64()?,
            shelve_max_ms: self.u64()?,
            watched: self.option(Self::count)?,
        })
    }

    fn level(&mut self) -> Read<LevelCode> {
        let broken = self.broken();
        let test = match self.u8()? {
            0 => LevelTest::High {
                limit: self.f64()?,
                exit: self.f64()?,
            },
            1 => LevelTest::Low {
                limit: self.f64()?,
                exit: self.f64()?,
            },
            2 => LevelTest::When(self.entry()?),
            3 => LevelTest::External,
            4 => LevelTest::Overlaid {
                side: self.word(&SIDE)?,
                limit: self.f64()?,
                exit: self.f64()?,
                overlays: self.entry()?,
            },
            5.. => return Err(broken),
        };
        Ok(LevelCode {
            test,
            on_delay_ms: self.count()?,
            off_delay_ms: self.count()?,
            severity: self.u16()?,
            latch: self.bool()?,
        })
    }

    fn kept_code(&mut self) -> Read<KeptCode> {
        let broken = self.broken();
        let what = match self.u8()? {
            0 => Kept::Held {
                condition: self.entry()?,
                duration_ms: self.count()?,
            },
            1 => Kept::Since {
                condition: self.entry()?,
            },
            2 => Kept::Window {
                of: self.watched()?,
                slice_ms: self.count()?,
            },
            3 => Kept::During(self.calendar()?),
            4.. => return Err(broken),
        };
        Ok(KeptCode {
            what,
            unit: self.count()?,
            owner: self.count()?,
            around: self.option(Self::count)?,
        })
    }

    fn watched(&mut self) -> Read<Watched> {
        let broken = self.broken();
        Ok(match self.u8()? {
            0 => Watched::Sum(self.count()?),
            1 => Watched::Increase(self.count()?),
            2 => Watched::Count(self.entry()?),
            3 => Watched::TimeIn(self.entry()?),
            4 => Watched::Mean(self.entry()?),
            5 => Watched::Stdev(self.entry()?),
            6 => Watched::Lowest(self.entry()?),
            7 => Watched::Highest(self.entry()?),
            8 => Watched::Change(self.entry()?),
            9.. => return Err(broken),
        })
    }

    fn calendar(&mut self) -> Read<Calendar> {
        Ok(Calendar {
            zone_minutes: self.i16()?,
            yearly: self.table(|reader| Ok((reader.day()?, reader.day()?)))?,
            dates: self.table(|reader| Ok((reader.i32()?, reader.i32()?)))?,
            weekdays: self.u8()?,
            daily: self.option(|reader| Ok((reader.u16()?, reader.u16()?)))?,
        })
    }

    fn day(&mut self) -> Read<YearDay> {
        Ok(YearDay {
            month: self.u8()?,
            day: self.u8()?,
        })
    }

    fn overlay(&mut self) -> Read<OverlayCode> {
        Ok(OverlayCode {
            during: self.count()?,
            limit: self.f64()?,
        })
    }

    fn reason(&mut self) -> Read<SuppressCode> {
        Ok(SuppressCode {
            word: self.text()?.into(),
            condition: self.entry()?,
            hold_off_ms: self.count()?,
        })
    }

    fn unit(&mut self) -> Read<Unit> {
        let broken = self.broken();
        Ok(match self.u8()? {
            0 => Unit::Kept(self.count()?),
            1 => Unit::Alarm(self.count()?),
            2.. => return Err(broken),
        })
    }

    fn op(&mut self) -> Read<Op> {
        let broken = self.broken();
        Ok(match self.u8()? {
            0 => Op::Const(self.f64()?),
            1 => Op::Point(self.count()?),
            2 => Op::Neg,
            3 => Op::Abs,
            4 => Op::Arith(self.word(&ARITH)?),
            5 => Op::Compare(self.word(&COMPARE)?),
            6 => Op::On(self.count()?),
            7 => Op::Health(self.word(&HEALTH)?, self.count()?),
            8 => Op::Alarm(self.count()?, self.u16()?),
            9 => Op::KeptTruth(self.count()?),
            10 => Op::KeptNumber(self.count()?),
            11 => Op::Distance,
            12 => Op::Same(self.count()?, self.entry()?),
            13 => Op::Not,
            14 => Op::And,
            15 => Op::Or,
            16 => Op::TallyBegin,
            17 => Op::Tally,
            18 => Op::AtLeast(self.count()?, self.word(&DEGRADE)?),
            19.. => return Err(broken),
        })
    }
}
