//! The levels of one alarm: which are on, which are on their way, and when; and the slot that holds its life.
//!
//! Knows delays and latching, no points and no expressions: it is given the condition of each level.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use telemetry::UtcMs;

use crate::effect::Flags;
use crate::program::{LevelCode, Tables, u32_of};
use crate::timer::NEVER;
use crate::value::Truth;

/// Where a level is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Off, and its condition is not true.
    #[default]
    Off,
    /// Its condition is true; on when the on-delay is over.
    Pending,
    /// Its condition was true and can't be told; the on-delay stands still.
    Paused,
    /// On.
    On,
    /// On, its condition is false; off when the off-delay is over.
    Leaving,
}

impl Phase {
    pub(crate) fn is_on(self) -> bool {
        matches!(self, Self::On | Self::Leaving)
    }
}

/// The times of a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LevelTimes {
    /// When the delay that runs is over; how much of it is left (ms) while it stands still.
    pub(crate) due: UtcMs,
    /// When its condition became true.
    pub(crate) since: UtcMs,
}

impl Default for LevelTimes {
    fn default() -> Self {
        Self {
            due: NEVER,
            since: NEVER,
        }
    }
}

/// The levels of one alarm: where they are, and their code.
#[derive(Debug)]
pub(crate) struct Levels<'a, T> {
    pub(crate) tables: &'a T,
    /// Where their code is in the tables.
    pub(crate) from: u32,
    pub(crate) n_high: usize,
    pub(crate) phases: &'a mut [Phase],
    pub(crate) times: &'a mut [LevelTimes],
}

impl<T: Tables> Levels<'_, T> {
    /// The code of a level.
    pub(crate) fn code(&self, level: usize) -> LevelCode {
        self.tables.level(self.from + u32_of(level))
    }

    /// Lets every delay that is over by `now` take effect, under the conditions that held until then.
    pub(crate) fn settle(&mut self, now: UtcMs) {
        for level in (0..self.phases.len()).rev() {
            if self.times[level].due > now {
                continue;
            }
            match self.phases[level] {
                Phase::Pending => self.turn_on(level),
                Phase::Leaving => self.turn_off(level),
                Phase::Off | Phase::Paused | Phase::On => {}
            }
        }
    }

    /// Applies the condition of each level at `now`, the gravest first. True when what was on its way to an alarm went back.
    pub(crate) fn apply(&mut self, conditions: &[Truth], now: UtcMs) -> bool {
        let before = self.on();
        let mut went_back = false;
        for level in (0..self.phases.len()).rev() {
            // The other side took over: what was judged by the way out is off by the way in.
            if before >> level & 1 == 1 && !self.phases[level].is_on() {
                continue;
            }
            let condition = conditions[level];
            let code = self.code(level);
            match self.phases[level] {
                Phase::Off | Phase::Pending | Phase::Paused if condition.is_true() => {
                    let paused = self.phases[level] == Phase::Paused;
                    if self.phases[level] == Phase::Off {
                        self.times[level].since = now;
                    }
                    // Whoever is beyond a graver limit has waited already.
                    if code.on_delay_ms == 0 || self.is_graver_on(level) {
                        self.turn_on(level);
                    } else if self.phases[level] == Phase::Off {
                        self.phases[level] = Phase::Pending;
                        self.times[level].due = now.plus_ms(u64::from(code.on_delay_ms));
                    } else if paused {
                        self.phases[level] = Phase::Pending;
                        self.times[level].due =
                            UtcMs(now.0.saturating_add(self.times[level].due.0));
                    }
                }
                Phase::Pending if condition.is_unknown() => {
                    self.phases[level] = Phase::Paused;
                    self.times[level].due = UtcMs(self.times[level].due.0.saturating_sub(now.0));
                }
                Phase::Paused if condition.is_unknown() => {}
                Phase::Off => {}
                Phase::Pending | Phase::Paused => {
                    self.turn_off(level);
                    went_back = true;
                }
                Phase::On if condition.is_firmly_false() => {
                    if code.off_delay_ms == 0 {
                        self.turn_off(level);
                    } else {
                        self.phases[level] = Phase::Leaving;
                        self.times[level].due = now.plus_ms(u64::from(code.off_delay_ms));
                    }
                }
                Phase::Leaving if !condition.is_firmly_false() => {
                    self.phases[level] = Phase::On;
                    self.times[level].due = NEVER;
                }
                Phase::On | Phase::Leaving => {}
            }
        }
        went_back && self.is_quiet()
    }

    /// Nobody evaluated from `from` to `to`: on-delays go on where they were, off-delays begin again.
    pub(crate) fn pause(&mut self, from: UtcMs, to: UtcMs) {
        for level in 0..self.phases.len() {
            match self.phases[level] {
                Phase::Pending => {
                    self.times[level].due = self.times[level].due.plus_ms(to.since_ms(from));
                }
                Phase::Leaving => {
                    self.times[level].due = to.plus_ms(u64::from(self.code(level).off_delay_ms));
                }
                Phase::Off | Phase::Paused | Phase::On => {}
            }
        }
    }

    /// Which levels are on, a bit each.
    pub(crate) fn on(&self) -> u16 {
        (0..self.phases.len())
            .map(|level| u16::from(self.phases[level].is_on()) << level)
            .sum()
    }

    /// The gravest level that is on.
    pub(crate) fn top(&self) -> Option<usize> {
        (0..self.phases.len())
            .rev()
            .find(|&level| self.phases[level].is_on())
    }

    /// When the next delay is over.
    pub(crate) fn next_due(&self) -> UtcMs {
        (0..self.phases.len())
            .filter(|&level| matches!(self.phases[level], Phase::Pending | Phase::Leaving))
            .map(|level| self.times[level].due)
            .min()
            .unwrap_or(NEVER)
    }

    /// True when nothing is on and nothing on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.phases.iter().all(|phase| *phase == Phase::Off)
    }

    /// The levels of the side of a level, from the least.
    pub(crate) fn side(&self, level: usize) -> core::ops::Range<usize> {
        if level < self.n_high {
            0..self.n_high
        } else {
            self.n_high..self.phases.len()
        }
    }

    /// When the condition began that made this level's side be on.
    pub(crate) fn since(&self, level: usize) -> UtcMs {
        self.side(level)
            .filter(|&lesser| self.phases[lesser].is_on())
            .map(|lesser| self.times[lesser].since)
            .min()
            .unwrap_or(self.times[level].since)
    }

    /// True when this level or a lesser one of its side latches.
    pub(crate) fn latches(&self, level: usize) -> bool {
        (self.side(level).start..=level).any(|lesser| self.code(lesser).latch)
    }

    fn is_graver_on(&self, level: usize) -> bool {
        (level + 1..self.side(level).end).any(|graver| self.phases[graver].is_on())
    }

    /// On: the lesser levels of its side too, and the other side not.
    fn turn_on(&mut self, level: usize) {
        self.phases[level] = Phase::On;
        self.times[level].due = NEVER;
        let since = self.times[level].since;
        let side = self.side(level);
        for lesser in side.start..level {
            if !self.phases[lesser].is_on() {
                if self.phases[lesser] == Phase::Off {
                    self.times[lesser].since = since;
                }
                self.phases[lesser] = Phase::On;
                self.times[lesser].due = NEVER;
            }
        }
        for other in (0..side.start).chain(side.end..self.phases.len()) {
            if self.phases[other].is_on() {
                self.turn_off(other);
            }
        }
    }

    fn turn_off(&mut self, level: usize) {
        self.phases[level] = Phase::Off;
        self.times[level] = LevelTimes::default();
    }
}

/// The life of one alarm. [`NEVER`] stands for no time, a peak that is not a number for none.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) flags: Flags,
    /// Its condition can't be told now, whether anybody was told or not.
    pub(crate) unknown_now: bool,
    /// It can't be told because something was never read yet.
    pub(crate) waiting: bool,
    /// The level of this occurrence or the last; an index, 255 for none.
    pub(crate) level: u8,
    /// The severity of that level.
    pub(crate) severity: u16,
    /// What the system said last, for a condition from outside.
    pub(crate) external: Truth,
    pub(crate) occurrence: u32,
    /// How often it was raised once more since it was normal: these occurrences are one incident.
    pub(crate) raised_again: u16,
    /// How often its condition came and went before its on-delay.
    pub(crate) fleeting: u32,
    /// When people are told that it can't be told.
    pub(crate) unknown_due: UtcMs,
    /// The earliest of its delays.
    pub(crate) next_due: UtcMs,
    pub(crate) changed_at: UtcMs,
    pub(crate) condition_since: UtcMs,
    pub(crate) raised_at: UtcMs,
    pub(crate) cleared_at: UtcMs,
    pub(crate) peak: f64,
    /// What few alarms have.
    pub(crate) rare: Option<Box<Rare>>,
}

/// What few alarms have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rare {
    pub(crate) acked: Option<(UtcMs, Arc<str>)>,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) late: LateRun,
    pub(crate) aside: Aside,
}

/// How it is put aside, and when that ends by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Aside {
    pub(crate) shelf: Option<Shelf>,
    pub(crate) out_until: Option<UtcMs>,
    /// Until when a person tests it.
    pub(crate) test_until: Option<UtcMs>,
    /// The siren is quiet.
    pub(crate) silenced: bool,
    /// When an acknowledged or a silenced alarm asks again.
    pub(crate) re_alarm_at: Option<UtcMs>,
    /// How often this occurrence asked again (OPC UA Part 9, `ReAlarmRepeatCount`).
    pub(crate) re_alarms: u32,
    /// Its rule changed or went while it was not normal, and nobody has acknowledged that.
    pub(crate) config_changed: bool,
    /// Its rule's reasons to suppress it.
    pub(crate) reasons: Vec<Reason>,
}

/// Put aside by a person.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shelf {
    pub(crate) until: UtcMs,
    /// Until it returns, if that is sooner.
    pub(crate) once: bool,
    pub(crate) by: Arc<str>,
}

/// A reason to suppress an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reason {
    pub(crate) on: bool,
    /// When it ends, once it does not hold any more.
    pub(crate) due: Option<UtcMs>,
}

impl Aside {
    /// When the first of it ends.
    pub(crate) fn next_due(&self) -> UtcMs {
        let reasons = self.reasons.iter().filter_map(|reason| reason.due);
        [
            self.shelf.as_ref().map(|shelf| shelf.until),
            self.out_until,
            self.test_until,
            self.re_alarm_at,
        ]
        .into_iter()
        .flatten()
        .chain(reasons)
        .min()
        .unwrap_or(NEVER)
    }
}

/// Late readings beyond a limit, one after the other. Only the first of an alarm take room for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LateRun {
    /// False while there are none; then the rest means nothing.
    pub(crate) is_on: bool,
    /// The source's time of the last one.
    pub(crate) last: UtcMs,
    /// The level that was told, as an index.
    pub(crate) told: Option<u8>,
    /// Since when each level is reached, by the source's time.
    pub(crate) since: Vec<UtcMs>,
}

impl LateRun {
    /// Begins with one that was read at this time, before it is judged.
    pub(crate) fn begin(&mut self, read_at: UtcMs, n_levels: usize) {
        (self.is_on, self.last, self.told) = (true, read_at, None);
        self.since.clear();
        self.since.resize(n_levels, NEVER);
    }
}

pub(crate) const NO_LEVEL: u8 = u8::MAX;

impl Slot {
    /// `n_reasons`: by how many reasons its rule suppresses it.
    pub(crate) fn new(test: bool, external: bool, n_reasons: usize) -> Self {
        let rare = (n_reasons > 0).then(|| {
            let mut rare = Box::<Rare>::default();
            rare.aside.reasons = alloc::vec![Reason::default(); n_reasons];
            rare
        });
        Self {
            flags: Flags {
                test,
                ..Flags::NORMAL
            },
            unknown_now: !external,
            waiting: !external,
            level: NO_LEVEL,
            severity: 0,
            external: Truth::FALSE,
            occurrence: 0,
            raised_again: 0,
            fleeting: 0,
            unknown_due: NEVER,
            next_due: NEVER,
            changed_at: NEVER,
            condition_since: NEVER,
            raised_at: NEVER,
            cleared_at: NEVER,
            peak: f64::NAN,
            rare,
        }
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::program::{LevelTest, ProgramBuilder};

    const F: Truth = Truth::FALSE;
    const U: Truth = Truth::UNKNOWN;
    const T: Truth = Truth::TRUE;

    /// Two high levels (on 5 s, off 30 s; on 2 s, off 60 s) and a low one without delays.
    fn code() -> Vec<LevelCode> {
        [(5_000, 30_000), (2_000, 60_000), (0, 0)]
            .into_iter()
            .map(|(on_delay_ms, off_delay_ms)| LevelCode {
                test: LevelTest::External,
                on_delay_ms,
                off_delay_ms,
                severity: 1,
                latch: false,
            })
            .collect()
    }

    /// Applies conditions at times in seconds, with the timers between, and tells the top level after each.
    #[track_caller]
    fn check(steps: &[(i64, [Truth; 3], Option<usize>)]) {
        let mut tables = ProgramBuilder::new().build().tables;
        tables.level_code = code();
        let mut phases = vec![Phase::Off; 3];
        let mut times = vec![LevelTimes::default(); 3];
        let mut levels = Levels {
            tables: &tables,
            from: 0,
            n_high: 2,
            phases: &mut phases,
            times: &mut times,
        };
        let mut before = [U; 3];
        for (second, conditions, expected) in steps {
            let now = UtcMs(second * 1_000);
            while levels.next_due() <= now {
                let due = levels.next_due();
                levels.settle(due);
                levels.apply(&before, due);
            }
            levels.apply(conditions, now);
            before = *conditions;
            assert_eq!(levels.top(), *expected, "at {second} s");
        }
    }

    #[test]
    fn an_on_delay_is_over_at_the_very_instant() {
        check(&[
            (0, [T, F, F], None),
            (4, [T, F, F], None),
            (5, [F, F, F], Some(0)),
        ]);
        check(&[
            (0, [T, F, F], None),
            (4, [F, F, F], None),
            (5, [T, F, F], None),
            (9, [T, F, F], None),
            (10, [T, F, F], Some(0)),
        ]);
    }

    #[test]
    fn unknown_pauses_an_on_delay_and_it_goes_on_where_it_was() {
        check(&[
            (0, [T, F, F], None),
            (4, [U, U, U], None),
            (100, [T, F, F], None),
            (101, [T, F, F], Some(0)),
        ]);
        check(&[
            (0, [T, F, F], None),
            (4, [U, U, U], None),
            (100, [F, F, F], None),
            (101, [T, F, F], None),
            (105, [T, F, F], None),
            (106, [T, F, F], Some(0)),
        ]);
    }

    #[test]
    fn unknown_and_weak_answers_begin_an_off_delay_again() {
        for other in [U, Truth::WEAK_FALSE, Truth::WEAK_TRUE, T] {
            check(&[
                (0, [T, F, F], None),
                (5, [F, F, F], Some(0)),
                (20, [other, F, F], Some(0)),
                (21, [F, F, F], Some(0)),
                (50, [F, F, F], Some(0)),
                (51, [F, F, F], None),
            ]);
        }
    }

    #[test]
    fn reaching_the_second_level_implies_the_first() {
        check(&[
            (0, [T, T, F], None),
            (2, [T, T, F], Some(1)),
            (3, [T, F, F], Some(1)),
            (63, [T, F, F], Some(0)),
            (64, [F, F, F], Some(0)),
            (94, [F, F, F], None),
        ]);
    }

    #[test]
    fn both_levels_false_return_at_once_when_the_longer_delay_is_over() {
        check(&[
            (0, [T, T, F], None),
            (2, [T, T, F], Some(1)),
            (3, [F, F, F], Some(1)),
            (62, [F, F, F], Some(1)),
            (63, [F, F, F], None),
        ]);
    }

    #[test]
    fn the_first_level_needs_no_delay_while_the_second_is_on() {
        check(&[
            (0, [T, T, F], None),
            (2, [T, T, F], Some(1)),
            (3, [F, F, F], Some(1)),
            (62, [T, F, F], Some(1)),
            (63, [T, F, F], Some(0)),
        ]);
    }

    #[test]
    fn the_other_side_takes_over_at_once() {
        check(&[
            (0, [T, F, F], None),
            (5, [T, F, F], Some(0)),
            (6, [F, F, T], Some(2)),
            (7, [F, F, F], None),
        ]);
    }
}
