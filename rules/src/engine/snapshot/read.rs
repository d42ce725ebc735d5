//! Reads a snapshot; any bytes give a record or an error, never a panic.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use telemetry::{Clock, Quality, UtcMs};

use super::LevelRecord;
use crate::alarm::{Aside, LateRun, LevelTimes, NO_LEVEL, Phase, Rare, Reason, Shelf, Slot};
use crate::bytes::{Read, Reader};
use crate::effect::Flags;
use crate::engine::kept::{DuringSlot, HeldSlot, KeptSlot, SinceSlot};
use crate::engine::repeat::RepeatSlot;
use crate::engine::state::PointSlot;
use crate::engine::window::{Moment, Slice, WindowSlot};
use crate::program::{Colour, LEVELS_MAX, LevelInfo, REPEATS, RuleInfo, Side, Text, at};
use crate::timer::NEVER;
use crate::value::{Number, Trust, Truth};

/// A point in a snapshot.
pub(super) struct PointRecord {
    pub(super) unit: String,
    pub(super) point: String,
    pub(super) max_age_ms: u64,
    pub(super) slot: PointSlot,
}

/// An alarm in a snapshot.
pub(super) struct AlarmRecord {
    pub(super) id: String,
    /// The hash of its rule.
    pub(super) hash: String,
    /// What the site set for it; in older versions it is in the hash.
    pub(super) set_by_site: u64,
    /// What [`reads_of`](super::reads_of) said; older versions did not.
    pub(super) reads: Option<u64>,
    /// Its rule was gone already.
    pub(super) retired: bool,
    pub(super) slot: Slot,
    pub(super) levels: Vec<LevelRecord>,
    pub(super) kept: Vec<KeptSlot>,
    /// Its rule's words; only of an alarm that is not normal.
    pub(super) rule: Option<RuleInfo>,
}

impl Reader<'_> {
    /// The time of the snapshot, and whether anything was evaluated before it.
    pub(super) fn head(&mut self) -> Read<(UtcMs, bool)> {
        Ok((self.time()?, self.version == 1 || self.bool()?))
    }

    fn truth(&mut self) -> Read<Truth> {
        match self.u8()? {
            0 => Ok(Truth::FALSE),
            1 => Ok(Truth::WEAK_FALSE),
            2 => Ok(Truth::UNKNOWN),
            3 => Ok(Truth::WEAK_TRUE),
            4 => Ok(Truth::TRUE),
            5.. => Err(self.broken()),
        }
    }

    fn phase(&mut self) -> Read<Phase> {
        match self.u8()? {
            0 => Ok(Phase::Off),
            1 => Ok(Phase::Pending),
            2 => Ok(Phase::Paused),
            3 => Ok(Phase::On),
            4 => Ok(Phase::Leaving),
            5.. => Err(self.broken()),
        }
    }

    pub(super) fn point(&mut self) -> Read<PointRecord> {
        let unit = self.text()?.into();
        let point = self.text()?.into();
        let max_age_ms = self.u64()?;
        let mut slot = PointSlot::new(NEVER);
        if self.bool()? {
            slot.quality = Quality(self.u16()?);
            slot.clock = match self.u8()? {
                0 => Clock::Synced,
                1 => Clock::Holdover,
                2 => Clock::Unsynced,
                3 => Clock::Arrival,
                4.. => return Err(self.broken()),
            };
            slot.at = self.time()?;
            let number = self.number()?;
            (slot.value, slot.trust) = (number.value, number.trust);
        }
        slot.stale_at = self.time()?;
        slot.stale = self.bool()?;
        if self.version > 3 {
            slot.test_end = self.time()?;
        }
        if matches!(self.version, 4 | 5) && self.bool()? {
            // That the end was passed was a word of its own.
            slot.test_end = NEVER;
        }
        slot.doubted = self.version > 5 && self.bool()?;
        Ok(PointRecord {
            unit,
            point,
            max_age_ms,
            slot,
        })
    }

    pub(super) fn alarm(&mut self) -> Read<AlarmRecord> {
        let id = self.text()?.into();
        let hash = self.text()?.into();
        let set_by_site = match self.version {
            ..=5 => 0,
            6.. => self.u64()?,
        };
        let reads = match self.version {
            ..=4 => None,
            5.. => Some(self.u64()?),
        };
        let retired = self.bool()?;
        let slot = self.slot()?;
        let n_levels = self.u8()?;
        if usize::from(n_levels) > LEVELS_MAX || (slot.level != NO_LEVEL && slot.level >= n_levels)
        {
            return Err(self.broken());
        }
        let levels = self.list(u32::from(n_levels), |reader| {
            let name: String = reader.text()?.into();
            Ok(LevelRecord {
                phase: reader.phase()?,
                times: LevelTimes {
                    due: reader.time()?,
                    since: reader.time()?,
                },
                info: reader.option(|reader| reader.level_info(&name))?,
                name,
            })
        })?;
        let n_kept = self.count()?;
        let kept = self.list(n_kept, Self::kept)?;
        let rule = self.option(Self::rule_info)?;
        let told = !levels.is_empty() && levels.iter().all(|level| level.info.is_some());
        if rule.is_some() && !told {
            return Err(self.broken());
        }
        Ok(AlarmRecord {
            id,
            hash,
            set_by_site,
            reads,
            retired,
            slot,
            levels,
            kept,
            rule,
        })
    }

    fn trust(&mut self) -> Read<Trust> {
        match self.u8()? {
            0 => Ok(Trust::Good),
            1 => Ok(Trust::Uncertain),
            2 => Ok(Trust::Bad),
            3 => Ok(Trust::AtLeast),
            4.. => Err(self.broken()),
        }
    }

    fn number(&mut self) -> Read<Number> {
        let trust = self.trust()?;
        Ok(Number::new(self.f64()?, trust))
    }

    fn kept(&mut self) -> Read<KeptSlot> {
        let kind = if self.version == 1 { 0 } else { self.u8()? };
        Ok(match kind {
            0 => KeptSlot::Held(HeldSlot {
                phase: self.phase()?,
                due: self.time()?,
                condition: self.truth()?,
                answer: self.truth()?,
            }),
            1 => KeptSlot::Since(SinceSlot {
                began: self.time()?,
                last: self.time()?,
                at: self.time()?,
                condition: self.truth()?,
                answer: self.number()?,
            }),
            2 => KeptSlot::Window(self.window()?),
            3 => KeptSlot::During(DuringSlot {
                next_look: self.time()?,
                answer: self.truth()?,
            }),
            4 => KeptSlot::Repeats(self.repeats()?),
            5.. => return Err(self.broken()),
        })
    }

    fn repeats(&mut self) -> Read<RepeatSlot> {
        let n = self.count_to(*REPEATS.end())?;
        let mut slot = RepeatSlot::new(n);
        slot.is_full = self.bool()?;
        slot.next = self.count_to(n.saturating_sub(1))?;
        let (new, old) = slot.row.split_at_mut(at(slot.next));
        let old = if slot.is_full { old } else { &mut [] };
        for reading in old.iter_mut().chain(new) {
            *reading = self.f64()?;
        }
        slot.add_up();
        slot.next_stretch = self.count_to(n.saturating_sub(1))?;
        slot.n_stretches = self.count_to(n)?;
        for sum in &mut slot.stretches[..at(slot.n_stretches)] {
            *sum = self.u64()?;
        }
        slot.ago = self.count_to(n)?;
        slot.taken = self.time()?;
        slot.answer = self.truth()?;
        Ok(slot)
    }

    /// A count of at most so many.
    fn count_to(&mut self, most: u32) -> Read<u32> {
        let count = self.count()?;
        if count > most {
            return Err(self.broken());
        }
        Ok(count)
    }

    fn window(&mut self) -> Read<WindowSlot> {
        let (at, began) = (self.time()?, self.time()?);
        let trust = self.trust()?;
        let now = Moment {
            trust,
            value: self.f64()?,
        };
        let (last, summed, answer) = (self.f64()?, self.time()?, self.number()?);
        let mut slices = WindowSlot::no_slices();
        for slice in slices.iter_mut() {
            *slice = Slice {
                known_ms: self.count()?,
                weak: self.bool()?,
                a: self.f64()?,
                b: self.f64()?,
            };
        }
        Ok(WindowSlot {
            slices,
            at,
            began,
            now,
            last,
            summed,
            answer,
            is_begun: true,
        })
    }

    fn slot(&mut self) -> Read<Slot> {
        let bits = self.u8()?;
        let bit = |index: u8| bits >> index & 1 == 1;
        let flags = Flags {
            active: bit(0),
            acked: bit(1),
            latched: bit(2),
            shelved: bit(3),
            suppressed: bit(4),
            out_of_service: bit(5),
            unknown: bit(6),
            test: bit(7),
        };
        let slot = Slot {
            flags,
            unknown_now: self.bool()?,
            waiting: false,
            level: self.u8()?,
            severity: self.u16()?,
            external: self.truth()?,
            occurrence: self.count()?,
            raised_again: if self.version > 5 { self.u16()? } else { 0 },
            fleeting: if self.version > 3 { self.count()? } else { 0 },
            unknown_due: self.time()?,
            next_due: NEVER,
            changed_at: self.time()?,
            condition_since: self.time()?,
            raised_at: self.time()?,
            cleared_at: self.time()?,
            peak: self.f64()?,
            rare: self.option(Self::rare)?.map(alloc::boxed::Box::new),
        };
        let aside = slot.rare.as_ref().map(|rare| &rare.aside);
        let shelved = aside.is_some_and(|aside| aside.shelf.is_some());
        let out = aside.is_some_and(|aside| aside.out_until.is_some());
        let no_level = slot.flags.active && slot.level == NO_LEVEL;
        if no_level || shelved != slot.flags.shelved || out != slot.flags.out_of_service {
            return Err(self.broken());
        }
        Ok(slot)
    }

    fn rare(&mut self) -> Read<Rare> {
        Ok(Rare {
            acked: self.option(|reader| Ok((reader.time()?, Arc::from(reader.text()?))))?,
            reason: self.option(|reader| Ok(Arc::from(reader.text()?)))?,
            late: self
                .option(|reader| {
                    let last = reader.time()?;
                    let told = reader.option(Self::u8)?;
                    let len = reader.count()?;
                    let since = reader.list(len, Self::time)?;
                    Ok(LateRun {
                        is_on: true,
                        last,
                        told,
                        since,
                    })
                })?
                .unwrap_or_default(),
            aside: match self.version {
                1 => Aside::default(),
                _ => self.aside()?,
            },
        })
    }

    fn aside(&mut self) -> Read<Aside> {
        let shelf = self.option(|reader| {
            Ok(Shelf {
                until: reader.time()?,
                once: reader.bool()?,
                by: Arc::from(reader.text()?),
            })
        })?;
        let out_until = self.option(Self::time)?;
        let test_until = self.option(Self::time)?;
        let re_alarm_at = self.option(Self::time)?;
        let (re_alarms, config_changed) = match self.version {
            ..=3 => (0, false),
            4.. => (self.count()?, self.bool()?),
        };
        if self.version < 3 {
            // Whether its sensor was being calibrated, which its point says.
            self.bool()?;
        }
        let silenced = self.bool()?;
        let len = self.count()?;
        let reasons = self.list(len, |reader| {
            Ok(Reason {
                on: reader.bool()?,
                due: reader.option(Self::time)?,
            })
        })?;
        Ok(Aside {
            shelf,
            out_until,
            test_until,
            silenced,
            re_alarm_at,
            re_alarms,
            config_changed,
            reasons,
        })
    }

    fn level_info(&mut self, name: &str) -> Read<LevelInfo> {
        Ok(LevelInfo {
            name: name.into(),
            colour: match self.u8()? {
                0 => Colour::Blue,
                1 => Colour::Yellow,
                2 => Colour::Orange,
                3 => Colour::Red,
                4.. => return Err(self.broken()),
            },
            severity: self.u16()?,
            side: if self.bool()? { Side::Low } else { Side::High },
            rank: self.u8()?,
            limit: self.option(Self::f64)?,
            latch: self.bool()?,
        })
    }

    fn rule_info(&mut self) -> Read<RuleInfo> {
        let mut text = || self.text().map(String::from);
        let (name, pack, version, hash) = (text()?, text()?, text()?, text()?);
        let (zh, en) = (text()?, text()?);
        Ok(RuleInfo {
            name,
            pack,
            version,
            hash,
            clause: self.option(|reader| Ok(reader.text()?.into()))?,
            text: Text { zh, en },
            // A rule that is gone advises nobody.
            advice: Text::default(),
            test: self.bool()?,
            // An alarm whose rule is gone is not active, nor is it suppressed.
            makes_uncertain: false,
            suppress: Vec::new(),
        })
    }
}
