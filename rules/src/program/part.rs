//! A part of the tables: some alarms with all that they need, numbered anew, for who has only some of the points.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{
    AlarmCode, AlarmRest, BuiltTables, Entry, Kept, KeptCode, LevelCode, LevelTest, NonMax,
    OverlayCode, PointCode, Program, Reader, Readers, Source, SuppressCode, Unit, Watched, at,
    u32_of,
};
use crate::calendar::Calendar;
use crate::effect::AlarmIdx;
use crate::eval::Op;
use crate::point::PointIdx;

/// Old indices, each with the new one, in the same order.
type Numbers = BTreeMap<u32, u32>;

/// A part, and which points and alarms of the whole are in it: in its own order.
pub(crate) struct Part {
    pub(crate) tables: BuiltTables,
    pub(crate) points: Vec<PointIdx>,
    pub(crate) alarms: Vec<AlarmIdx>,
}

impl Program {
    /// The alarms that need none but these points, and no word of the system.
    pub(crate) fn part(&self, has: impl Fn(PointIdx) -> bool) -> Part {
        let whole = &self.tables;
        let mut alarms = BTreeSet::new();
        let mut points = BTreeSet::new();
        // Whom an alarm reads comes before it.
        for alarm in self.alarm_idxs() {
            let rest = &whole.alarm_rest[at(alarm.0)];
            let mut needs: Vec<PointIdx> = self.points_read_by(alarm).collect();
            needs.extend(rest.scope.map(PointIdx));
            let mut others = self.alarms_read_by(alarm);
            let is_told = rest.external || rest.retired;
            // What a calendar alone says is the gateway's to say.
            let reads = !needs.is_empty() || rest.others.from < rest.others.to;
            if !is_told
                && reads
                && needs.iter().all(|point| has(*point))
                && others.all(|other| alarms.contains(&other.0))
            {
                alarms.insert(alarm.0);
                points.extend(needs.into_iter().map(|point| point.0));
            }
        }
        Part {
            tables: Renumber::new(whole, &points, &alarms).tables(),
            points: points.into_iter().map(PointIdx).collect(),
            alarms: alarms.into_iter().map(AlarmIdx).collect(),
        }
    }
}

/// The numbers of what is in the part, and what was copied so far.
struct Renumber<'a> {
    whole: &'a BuiltTables,
    points: Numbers,
    alarms: Numbers,
    kept: Numbers,
    units: Numbers,
    /// Where levels that alarms share were put.
    levels: Numbers,
    ops: Vec<Op>,
    same: Vec<u32>,
    alarm_reads: Vec<u32>,
    level_code: Vec<LevelCode>,
    overlays: Vec<OverlayCode>,
    calendars: Vec<Calendar>,
    suppress: Vec<SuppressCode>,
    words: Vec<Arc<str>>,
    n_level_states: u32,
}

fn numbered(old: impl Iterator<Item = u32>) -> Numbers {
    old.zip(0..).collect()
}

impl<'a> Renumber<'a> {
    fn new(whole: &'a BuiltTables, points: &BTreeSet<u32>, alarms: &BTreeSet<u32>) -> Self {
        let kept = alarms.iter().flat_map(|alarm| {
            let kept = whole.alarm_rest[at(*alarm)].kept;
            kept.from..kept.to
        });
        let kept = numbered(kept);
        let units = (0_u32..).zip(&whole.units).filter(|(_, unit)| match unit {
            Unit::Alarm(alarm) => alarms.contains(alarm),
            Unit::Kept(remembered) => kept.contains_key(remembered),
        });
        Self {
            whole,
            points: numbered(points.iter().copied()),
            alarms: numbered(alarms.iter().copied()),
            units: numbered(units.map(|(unit, _)| unit)),
            kept,
            levels: Numbers::new(),
            ops: Vec::new(),
            same: Vec::new(),
            alarm_reads: Vec::new(),
            level_code: Vec::new(),
            overlays: Vec::new(),
            calendars: Vec::new(),
            suppress: Vec::new(),
            words: Vec::new(),
            n_level_states: 0,
        }
    }

    fn tables(mut self) -> BuiltTables {
        let whole = self.whole;
        let alarms: Vec<u32> = self.alarms.keys().copied().collect();
        let kept: Vec<u32> = self.kept.keys().copied().collect();
        let kept = kept.iter().map(|old| self.kept(&whole.kept[at(*old)]));
        let kept = kept.collect();
        let (alarm_code, alarm_rest) = alarms
            .iter()
            .map(|old| {
                let code = self.alarm(&whole.alarm_code[at(*old)]);
                (code, self.rest(&whole.alarm_rest[at(*old)]))
            })
            .unzip();
        let units = self.units.keys().map(|old| match whole.units[at(*old)] {
            Unit::Alarm(alarm) => Unit::Alarm(self.alarms[&alarm]),
            Unit::Kept(kept) => Unit::Kept(self.kept[&kept]),
        });
        let units = units.collect();
        let readers = self.units.iter().flat_map(|(old, read)| {
            let readers = whole.readers_of_unit.of(*old).iter();
            readers.filter_map(|reader| Some((*read, *self.units.get(reader)?)))
        });
        let readers_of_unit = Readers::new(self.units.len(), readers.collect());
        let (mut value_readers, mut health_readers) = (Vec::new(), Vec::new());
        let points = self.points.keys().map(|old| {
            let code = whole.point_code[at(*old)];
            let from = (u32_of(value_readers.len()), u32_of(health_readers.len()));
            let readers = &whole.value_readers[code.value_readers.range()];
            value_readers.extend(readers.iter().filter_map(|reader| self.reader(*reader)));
            let readers = whole.health_readers[code.health_readers.range()].iter();
            health_readers.extend(readers.filter_map(|reader| self.units.get(reader).copied()));
            PointCode {
                value_readers: Entry {
                    from: from.0,
                    to: u32_of(value_readers.len()),
                },
                health_readers: Entry {
                    from: from.1,
                    to: u32_of(health_readers.len()),
                },
                ..code
            }
        });
        let point_code = points.collect();
        BuiltTables {
            point_code,
            value_readers,
            health_readers,
            ops: self.ops,
            alarm_code,
            alarm_rest,
            alarm_reads: self.alarm_reads,
            level_code: self.level_code,
            n_level_states: self.n_level_states,
            kept,
            overlays: self.overlays,
            calendars: self.calendars,
            suppress: self.suppress,
            words: self.words,
            same: self.same,
            units,
            readers_of_unit,
        }
    }

    fn reader(&self, reader: Reader) -> Option<Reader> {
        Some(Reader {
            unit: *self.units.get(&reader.unit)?,
            alarm: match reader.alarm {
                Some(alarm) => NonMax::new(self.alarms[&alarm.index()]),
                None => None,
            },
            // Without an alarm it means nothing.
            source: self.points.get(&reader.source).copied().unwrap_or(0),
        })
    }

    fn alarm(&mut self, code: &AlarmCode) -> AlarmCode {
        let states_from = self.n_level_states;
        self.n_level_states += u32::from(code.n_levels);
        AlarmCode {
            source: match code.source {
                Source::None => Source::None,
                Source::Point(point) => Source::Point(self.points[&point]),
                Source::Formula(entry) => Source::Formula(self.code(entry)),
            },
            gate: code.gate.map(|gate| self.code(gate)),
            levels_from: self.levels(code),
            states_from,
            unit: self.units[&code.unit],
            ..*code
        }
    }

    fn levels(&mut self, code: &AlarmCode) -> u32 {
        if let Some(levels) = self.levels.get(&code.levels_from) {
            return *levels;
        }
        let from = u32_of(self.level_code.len());
        self.levels.insert(code.levels_from, from);
        let old = at(code.levels_from)..at(code.levels_from) + usize::from(code.n_levels);
        for level in &self.whole.level_code[old] {
            let test = match level.test {
                LevelTest::When(entry) => LevelTest::When(self.code(entry)),
                LevelTest::Overlaid {
                    side,
                    limit,
                    exit,
                    overlays,
                } => LevelTest::Overlaid {
                    side,
                    limit,
                    exit,
                    overlays: self.overlays(overlays),
                },
                test => test,
            };
            self.level_code.push(LevelCode { test, ..*level });
        }
        from
    }

    fn overlays(&mut self, entry: Entry) -> Entry {
        let from = u32_of(self.overlays.len());
        for overlay in &self.whole.overlays[entry.range()] {
            self.overlays.push(OverlayCode {
                during: self.kept[&overlay.during],
                ..*overlay
            });
        }
        let to = u32_of(self.overlays.len());
        Entry { from, to }
    }

    fn rest(&mut self, rest: &AlarmRest) -> AlarmRest {
        let points = self.reads(rest.points, |part, point| part.points[&point]);
        let others = self.reads(rest.others, |part, alarm| part.alarms[&alarm]);
        let from = u32_of(self.suppress.len());
        let words = &self.whole.words[rest.suppress.range()];
        self.words.extend_from_slice(words);
        for reason in &self.whole.suppress[rest.suppress.range()] {
            let condition = self.code(reason.condition);
            self.suppress.push(SuppressCode {
                condition,
                ..*reason
            });
        }
        let to = u32_of(self.suppress.len());
        let kept = match self.kept.get(&rest.kept.from) {
            Some(&from) if rest.kept.from < rest.kept.to => Entry {
                from,
                to: from + (rest.kept.to - rest.kept.from),
            },
            Some(_) | None => Entry { from: 0, to: 0 },
        };
        AlarmRest {
            points,
            others,
            kept,
            suppress: Entry { from, to },
            scope: rest.scope.map(|point| self.points[&point]),
            watched: rest.watched.map(|point| self.points[&point]),
            ..*rest
        }
    }

    fn reads(&mut self, entry: Entry, number: impl Fn(&Self, u32) -> u32) -> Entry {
        let from = u32_of(self.alarm_reads.len());
        for read in &self.whole.alarm_reads[entry.range()] {
            self.alarm_reads.push(number(self, *read));
        }
        let to = u32_of(self.alarm_reads.len());
        Entry { from, to }
    }

    fn kept(&mut self, code: &KeptCode) -> KeptCode {
        let what = match &code.what {
            Kept::Held {
                condition,
                duration_ms,
            } => Kept::Held {
                condition: self.code(*condition),
                duration_ms: *duration_ms,
            },
            Kept::Since { condition, open_ms } => Kept::Since {
                condition: self.code(*condition),
                open_ms: *open_ms,
            },
            Kept::Window { of, slice_ms } => Kept::Window {
                of: match *of {
                    Watched::Sum(point) => Watched::Sum(self.points[&point]),
                    Watched::Increase(point) => Watched::Increase(self.points[&point]),
                    Watched::Count(entry) => Watched::Count(self.code(entry)),
                    Watched::TimeIn(entry) => Watched::TimeIn(self.code(entry)),
                    Watched::Mean(entry) => Watched::Mean(self.code(entry)),
                    Watched::Stdev(entry) => Watched::Stdev(self.code(entry)),
                    Watched::Lowest(entry) => Watched::Lowest(self.code(entry)),
                    Watched::Highest(entry) => Watched::Highest(self.code(entry)),
                    Watched::Median(entry) => Watched::Median(self.code(entry)),
                    Watched::Mad(entry) => Watched::Mad(self.code(entry)),
                    Watched::Change(entry) => Watched::Change(self.code(entry)),
                },
                slice_ms: *slice_ms,
            },
            Kept::Repeats { point, n } => Kept::Repeats {
                point: self.points[point],
                n: *n,
            },
            Kept::During(calendar) => {
                self.calendars
                    .push(self.whole.calendars[at(*calendar)].clone());
                Kept::During(u32_of(self.calendars.len() - 1))
            }
        };
        KeptCode {
            what,
            unit: self.units[&code.unit],
            owner: self.units[&code.owner],
            around: code.around.map(|unit| self.units[&unit]),
        }
    }

    fn code(&mut self, entry: Entry) -> Entry {
        let from = u32_of(self.ops.len());
        for op in &self.whole.ops[entry.range()] {
            let op = match *op {
                Op::Point(point) => Op::Point(self.points[&point]),
                Op::On(point) => Op::On(self.points[&point]),
                Op::Health(health, point) => Op::Health(health, self.points[&point]),
                Op::Alarm(alarm, severity) => Op::Alarm(self.alarms[&alarm], severity),
                Op::KeptTruth(kept) => Op::KeptTruth(self.kept[&kept]),
                Op::KeptNumber(kept) => Op::KeptNumber(self.kept[&kept]),
                Op::Same(least, points) => {
                    let from = u32_of(self.same.len());
                    for point in &self.whole.same[points.range()] {
                        self.same.push(self.points[point]);
                    }
                    let to = u32_of(self.same.len());
                    Op::Same(least, Entry { from, to })
                }
                op => op,
            };
            self.ops.push(op);
        }
        let to = u32_of(self.ops.len());
        Entry { from, to }
    }
}
