//! The life of an alarm: what its levels and the conditions' answers make of it, as events.

use telemetry::{UtcMs, Value};

use super::effects::Effects;
use super::machine::Machine;
use super::state::PointSlot;
use crate::alarm::NO_LEVEL;
use crate::effect::{AlarmIdx, AlarmState, Cause, Effect, EventKind, Letter, Refusal, Switched};
use crate::eval::Memory;
use crate::program::{LEVELS_MAX, Source, Tables, at};
use crate::timer::NEVER;
use crate::value::{Number, Trust, Truth};

impl Machine {
    /// Evaluates an alarm now; true when what others read of it has changed.
    pub(super) fn evaluate_alarm(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) -> bool {
        let before = self.read_by_others(alarm);
        let now = self.now;
        if self.state.alarms[at(alarm)].next_due <= now {
            self.end_asides(tables, alarm, cause, effects);
            // What was due goes first, under the conditions that held until now.
            self.state.levels(tables, alarm).settle(now);
            self.follow_levels(tables, alarm, cause, effects);
            let slot = &mut self.state.alarms[at(alarm)];
            if slot.unknown_due <= now {
                slot.unknown_due = NEVER;
                slot.flags.unknown = true;
                self.emit(tables, alarm, EventKind::Unknown, cause, effects);
            }
        }

        self.suppress(tables, alarm, cause, effects);
        let mut conditions = [Truth::UNKNOWN; LEVELS_MAX];
        let n_levels = self.conditions(tables, alarm, &mut conditions);
        let mut levels = self.state.levels(tables, alarm);
        let before_on = levels.on();
        let went_back = levels.apply(&conditions[..n_levels], now);
        let changed = levels.on() != before_on;
        if went_back && before_on == 0 {
            let slot = &mut self.state.alarms[at(alarm)];
            slot.fleeting = slot.fleeting.saturating_add(1);
        }
        if changed {
            // Where only a part of a number is known, what is unknown depends on which limit is asked for.
            self.conditions(tables, alarm, &mut conditions);
        }
        let conditions = &conditions[..n_levels];
        let unknown = conditions.iter().any(|condition| condition.is_unknown());

        let slot = &mut self.state.alarms[at(alarm)];
        slot.unknown_now = unknown;
        if !unknown {
            slot.unknown_due = NEVER;
            if slot.flags.unknown {
                slot.flags.unknown = false;
                self.emit(tables, alarm, EventKind::Known, cause, effects);
            }
        }
        self.follow_levels(tables, alarm, cause, effects);
        let hold_ms = tables.rest(alarm).unknown_hold_ms;
        let waiting = unknown && self.is_waiting(tables, alarm);
        self.state.alarms[at(alarm)].waiting = waiting;
        let slot = &mut self.state.alarms[at(alarm)];
        if unknown && !slot.flags.unknown && slot.unknown_due == NEVER && !waiting {
            if hold_ms == 0 {
                slot.flags.unknown = true;
                self.emit(tables, alarm, EventKind::Unknown, cause, effects);
            } else {
                slot.unknown_due = now.plus_ms(hold_ms);
            }
        }

        self.state.refresh(tables, alarm);
        let due = self.state.alarms[at(alarm)].next_due;
        if due != NEVER {
            self.timers.arm(alarm, due);
        }
        self.read_by_others(alarm) != before
    }

    /// True while something that it reads was never read and is not stale yet, or has not been watched for long enough: there is nothing to tell.
    fn is_waiting(&self, tables: &impl Tables, alarm: u32) -> bool {
        let rest = tables.rest(alarm);
        let points = tables
            .alarm_reads(rest.points)
            .map(|point| &self.state.points[at(point)])
            .any(|point| !point.is_read() && !point.stale);
        let fills = self.state.kept[rest.kept.range()]
            .iter()
            .zip(rest.kept.from..)
            .any(|(slot, kept)| slot.is_filling(&tables.kept(kept)));
        points
            || fills
            || tables
                .alarm_reads(rest.others)
                .any(|other| self.state.alarms[at(other)].waiting)
    }

    /// What other conditions may read of an alarm.
    fn read_by_others(&self, alarm: u32) -> (bool, u16, bool, bool, bool) {
        let slot = &self.state.alarms[at(alarm)];
        let flags = slot.flags;
        let (unknown, waiting) = (slot.unknown_now, slot.waiting);
        (flags.active, slot.severity, unknown, waiting, flags.test)
    }

    /// The condition of each level now, with its gate; how many there are.
    fn conditions(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        conditions: &mut [Truth; LEVELS_MAX],
    ) -> usize {
        let code = tables.alarm(alarm);
        let number = self.number(tables, alarm);
        let gate = code.gate.map_or(Truth::TRUE, |gate| {
            let seen = self.state.seen_by(tables, alarm);
            self.stack.condition(tables, gate, &seen)
        });
        let n_levels = usize::from(code.n_levels);
        for (level, condition) in conditions.iter_mut().enumerate().take(n_levels) {
            let asked = self.state.asked(tables, alarm, level);
            let answer = self
                .state
                .answer(tables, alarm, asked, number, &mut self.stack);
            *condition = answer.and(gate);
        }
        if let Some(top) = self.state.levels(tables, alarm).top() {
            self.widen_peak(tables, alarm, top, number);
        }
        n_levels
    }

    /// The number that an alarm looks at.
    pub(super) fn number(&mut self, tables: &impl Tables, alarm: u32) -> Number {
        match tables.alarm(alarm).source {
            Source::None => Number::BAD,
            Source::Point(point) => self.state.seen_by(tables, alarm).number(point),
            Source::Formula(entry) => {
                let seen = self.state.seen_by(tables, alarm);
                self.stack.formula(tables, entry, &seen)
            }
        }
    }

    fn widen_peak(&mut self, tables: &impl Tables, alarm: u32, level: usize, number: Number) {
        let code = tables.alarm(alarm);
        let slot = &mut self.state.alarms[at(alarm)];
        if number.trust != Trust::Bad {
            slot.peak = if level < usize::from(code.n_high) {
                libm::fmax(slot.peak, number.value)
            } else {
                libm::fmin(slot.peak, number.value)
            };
        }
    }

    /// Makes the flags follow the levels.
    fn follow_levels(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        let now = self.now;
        let levels = self.state.levels(tables, alarm);
        let top = levels.top();
        let slot = &self.state.alarms[at(alarm)];
        let current = slot.flags.active.then(|| usize::from(slot.level));
        if top == current {
            return;
        }
        let Some(level) = top else {
            self.end_silence(alarm);
            let slot = &mut self.state.alarms[at(alarm)];
            slot.flags.active = false;
            slot.cleared_at = now;
            self.emit(tables, alarm, EventKind::Returned, cause, effects);
            self.returned(tables, alarm, cause, effects);
            self.mark_test(tables, alarm, cause, effects);
            return;
        };
        let levels = self.state.levels(tables, alarm);
        let since = levels.since(level);
        let latches = levels.latches(level);
        let same_side = current.is_some_and(|current| levels.side(level).contains(&current));
        let severity = levels.code(level).severity;
        let kind = match current {
            None => EventKind::Raised,
            Some(current) if same_side && level < current => EventKind::LevelDown,
            Some(_) => EventKind::LevelUp,
        };
        self.unshelve_for(tables, alarm, severity, cause, effects);
        if kind != EventKind::LevelDown {
            self.end_silence(alarm);
        }
        let slot = &mut self.state.alarms[at(alarm)];
        // An incident lasts until it is normal.
        let goes_on = slot.flags.letter_below() != Letter::A;
        slot.level = u8::try_from(level).expect("at most LEVELS_MAX levels");
        slot.severity = severity;
        slot.flags.latched |= latches;
        if kind == EventKind::Raised {
            // An incident without end begins anew some time.
            let raised_again = goes_on.then(|| slot.raised_again.checked_add(1)).flatten();
            slot.raised_again = raised_again.unwrap_or(0);
            slot.flags.active = true;
            slot.occurrence = slot.occurrence.saturating_add(1);
            if let Some(rare) = &mut slot.rare {
                rare.aside.re_alarms = 0;
            }
            slot.condition_since = since.min(now);
            slot.raised_at = now;
            slot.cleared_at = NEVER;
        }
        if kind != EventKind::LevelDown {
            slot.flags.acked = false;
            if let Some(rare) = &mut slot.rare {
                rare.acked = None;
            }
        }
        if !same_side {
            slot.peak = f64::NAN;
        }
        let number = self.number(tables, alarm);
        self.widen_peak(tables, alarm, level, number);
        self.emit(tables, alarm, kind, cause, effects);
    }

    /// Dates the alarm's state by now and tells the event.
    pub(super) fn emit(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        kind: EventKind,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        effects.tell(self.event(tables, alarm, kind, cause));
    }

    /// Dates the alarm's state by now, has those look again who see its points by it, and makes the event.
    pub(super) fn event(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        kind: EventKind,
        cause: Cause,
    ) -> Effect {
        self.state.alarms[at(alarm)].changed_at = self.now;
        self.look_at_doubt(tables, alarm);
        Effect {
            kind,
            alarm: AlarmIdx(alarm),
            at: self.now,
            cause,
            by: None,
            comment: None,
            switched: None,
            state: self.alarm_state(tables, alarm),
        }
    }

    /// What came of switching an output changes nothing but is told.
    pub(super) fn switched(
        &mut self,
        tables: &impl Tables,
        alarm: AlarmIdx,
        switched: Switched,
        effects: &mut Effects<'_>,
    ) -> Result<(), Refusal> {
        if at(alarm.0) >= self.state.alarms.len() {
            return Err(Refusal::UnknownAlarm(alarm.0));
        }
        let effect = self.event(tables, alarm.0, EventKind::Action, Cause::Node);
        effects.tell(Effect {
            switched: Some(switched),
            ..effect
        });
        Ok(())
    }

    /// An alarm's state as people see it.
    pub(super) fn alarm_state(&self, tables: &impl Tables, alarm: u32) -> AlarmState {
        let code = tables.alarm(alarm);
        let slot = &self.state.alarms[at(alarm)];
        let time = |time: UtcMs| (time != NEVER).then_some(time);
        let level = (slot.level != NO_LEVEL).then_some(slot.level);
        let limit = level.and_then(|level| {
            let level = code.levels_from + u32::from(level);
            self.state.test(tables, level).limit()
        });
        let rare = slot.rare.as_deref();
        let acked = rare.and_then(|rare| rare.acked.as_ref());
        let source = match code.source {
            Source::Point(point) => Some(point),
            Source::None | Source::Formula(_) => None,
        };
        let reading = source
            .and_then(|point| self.state.points[at(point)].sample(tables.point(point).digital));
        let value = match code.source {
            Source::None => None,
            Source::Point(_) => reading.and_then(|reading| reading.value),
            Source::Formula(entry) => {
                let seen = self.state.seen_by(tables, alarm);
                let number = self.stack.clone().formula(tables, entry, &seen);
                (number.trust != Trust::Bad).then_some(Value::Number(number.value))
            }
        };
        let aside = rare.map(|rare| &rare.aside);
        let shelf = aside.and_then(|aside| aside.shelf.as_ref());
        let reasons = aside.map_or(&[][..], |aside| &aside.reasons);
        let watched = tables
            .rest(alarm)
            .watched
            .or_else(|| source.filter(|_| slot.flags.unknown));
        let reason = rare
            .and_then(|rare| rare.reason.clone())
            .or_else(|| reason_word(&self.state.points[at(watched?)]).map(Into::into));
        AlarmState {
            flags: slot.flags,
            occurrence: u64::from(slot.occurrence),
            incident: u64::from(slot.occurrence.saturating_sub(slot.raised_again.into())),
            level,
            changed_at: time(slot.changed_at).unwrap_or_default(),
            condition_since: time(slot.condition_since),
            raised_at: time(slot.raised_at),
            cleared_at: time(slot.cleared_at),
            acked_at: acked.map(|(at, _)| *at),
            acked_by: acked.map(|(_, by)| by.clone()),
            shelved: shelf.map(|shelf| (shelf.until, shelf.by.clone())),
            suppressed_by: (0..)
                .zip(reasons)
                .fold(0, |bits, (index, reason): (u32, _)| {
                    bits | u8::from(reason.on) << index
                }),
            silenced: aside.is_some_and(|aside| aside.silenced),
            re_alarms: aside.map_or(0, |aside| aside.re_alarms),
            fleeting: slot.fleeting,
            config_changed: aside.is_some_and(|aside| aside.config_changed),
            limit,
            peak: (limit.is_some() && !slot.peak.is_nan()).then_some(slot.peak),
            value,
            quality: reading.map(|reading| reading.quality),
            sample_time: reading.map(|reading| reading.at),
            clock: reading.map(|reading| reading.clock),
            reason,
        }
    }
}

/// The word of a point's health for people.
fn reason_word(slot: &PointSlot) -> Option<&'static str> {
    if slot.stale {
        Some("stale")
    } else {
        (slot.is_read() && !slot.quality.is_good()).then(|| slot.quality.word())
    }
}
