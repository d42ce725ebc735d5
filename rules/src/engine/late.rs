//! Late readings: they touch no live state, and tell once what they would have shown.
//!
//! Only limits on one point without a gate are judged, with their on-delays, on the source's time: what a gate said then is not known any more.

use telemetry::{Sample, UtcMs, Value};

use super::effects::Effects;
use super::machine::Machine;
use crate::effect::{AlarmIdx, AlarmState, Cause, Effect, EventKind, Refusal};
use crate::point::PointIdx;
use crate::program::{LevelCode, LevelTest, Tables, at};
use crate::timer::NEVER;
use crate::value::Trust;

impl Machine {
    pub(super) fn late(
        &mut self,
        tables: &impl Tables,
        point: PointIdx,
        sample: Sample,
        effects: &mut Effects<'_>,
    ) -> Result<(), Refusal> {
        if self.state.points.get(at(point.0)).is_none() {
            return Err(Refusal::UnknownPoint(point.0));
        }
        let Some(value) = sample.value.map(Value::as_f64) else {
            return Ok(());
        };
        if Trust::from(sample.quality) == Trust::Bad || !value.is_finite() {
            return Ok(());
        }
        let readers = tables.point(point.0).value_readers;
        for reader in tables.value_readers(readers) {
            let Some(alarm) = reader.alarm.filter(|_| reader.source == point.0) else {
                continue;
            };
            let alarm = alarm.index();
            if let Some(shown) = self.shown(tables, alarm, point, sample.at, value) {
                let state = self.historical(tables, alarm, shown, sample);
                effects.tell(Effect {
                    kind: EventKind::Historical,
                    alarm: AlarmIdx(alarm),
                    at: self.now,
                    cause: Cause::Sample(point),
                    by: None,
                    comment: None,
                    switched: None,
                    state,
                });
            }
        }
        Ok(())
    }

    /// The level that late readings show now and did not show before, and since when.
    fn shown(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        point: PointIdx,
        read_at: UtcMs,
        value: f64,
    ) -> Option<(u8, UtcMs)> {
        let code = tables.alarm(alarm);
        if !tables.rest(alarm).limits_only || code.gate.is_some() {
            return None;
        }
        let levels = (0..code.n_levels).map(|level| {
            let place = code.levels_from + u32::from(level);
            (level, tables.level(place))
        });
        let kept = &self.state.kept;
        let holds = |during: u32| kept[at(during)].truth().is_true();
        let reached = |level: LevelCode| match level.test.now(tables, holds) {
            LevelTest::High { limit, .. } => value >= limit,
            LevelTest::Low { limit, .. } => value <= limit,
            LevelTest::When(_) | LevelTest::External | LevelTest::Overlaid { .. } => false,
        };
        let slot = &mut self.state.alarms[at(alarm)];
        if !levels.clone().any(|(_, level)| reached(level)) {
            if let Some(rare) = &mut slot.rare {
                rare.late.is_on = false;
            }
            return None;
        }
        let max_age_ms = tables.point(point.0).max_age_ms;
        let run = &mut slot.rare().late;
        if !run.is_on {
            run.begin(read_at, usize::from(code.n_levels));
        }
        // Readings that do not follow one another say nothing of what was between.
        let follows =
            read_at >= run.last && (max_age_ms == 0 || read_at.since_ms(run.last) <= max_age_ms);
        run.last = read_at;
        let mut shown = None;
        for (index, level) in levels {
            let since = &mut run.since[usize::from(index)];
            if !reached(level) {
                *since = NEVER;
                continue;
            }
            if !follows || *since == NEVER {
                *since = read_at;
            }
            if read_at.since_ms(*since) >= u64::from(level.on_delay_ms) {
                shown = Some((index, *since));
            }
        }
        let (level, _) = shown?;
        let is_high = |level: u8| level < code.n_high;
        let before = run.told.replace(level);
        if before.is_some_and(|before| before >= level && is_high(before) == is_high(level)) {
            run.told = before;
            return None;
        }
        shown
    }

    /// The alarm's state with the times, the level and the values of what late readings show.
    fn historical(
        &self,
        tables: &impl Tables,
        alarm: u32,
        (level, since): (u8, UtcMs),
        sample: Sample,
    ) -> AlarmState {
        let code = tables.alarm(alarm);
        let test = self.state.test(tables, code.levels_from + u32::from(level));
        AlarmState {
            level: Some(level),
            limit: test.limit(),
            condition_since: Some(since),
            raised_at: Some(sample.at),
            cleared_at: None,
            peak: sample.value.map(Value::as_f64),
            value: sample.value,
            quality: Some(sample.quality),
            sample_time: Some(sample.at),
            clock: Some(sample.clock),
            ..self.alarm_state(tables, alarm)
        }
    }
}
