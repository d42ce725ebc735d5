//! Late readings: they touch no live state, and tell once what they would have shown.
//!
//! Only limits on one point without a gate are judged, with their on-delays, on the source's time: what a gate said then is not known any more.

use alloc::sync::Arc;
use alloc::vec::Vec;

use telemetry::{Sample, UtcMs, Value};

use super::Engine;
use crate::alarm::LateRun;
use crate::effect::{AlarmIdx, Cause, Effect, EventKind, Refusal};
use crate::point::PointIdx;
use crate::program::{LevelCode, LevelTest, Source, Unit, at};
use crate::timer::NEVER;
use crate::value::Trust;

impl Engine {
    pub(super) fn late(
        &mut self,
        point: PointIdx,
        sample: Sample,
        effects: &mut Vec<Effect>,
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
        let program = Arc::clone(&self.program);
        for &unit in program.readers_of_value.of(point.0) {
            let Unit::Alarm(alarm) = program.units[at(unit)] else {
                continue;
            };
            let code = &program.alarm_code[at(alarm)];
            if code.limits_only && code.gate.is_none() && code.source == Source::Point(point.0) {
                let from = at(code.levels_from);
                let levels = &program.level_code[from..from + usize::from(code.n_levels)];
                self.late_limits(point, alarm, levels, sample, value, effects);
            }
        }
        Ok(())
    }

    fn late_limits(
        &mut self,
        point: PointIdx,
        alarm: u32,
        levels: &[LevelCode],
        sample: Sample,
        value: f64,
        effects: &mut Vec<Effect>,
    ) {
        let slot = &mut self.state.alarms[at(alarm)];
        let reached = |level: &LevelCode| match level.test {
            LevelTest::High { limit, .. } => value >= limit,
            LevelTest::Low { limit, .. } => value <= limit,
            LevelTest::When(_) | LevelTest::External => false,
        };
        if !levels.iter().any(reached) {
            if let Some(rare) = &mut slot.rare {
                rare.late = None;
            }
            return;
        }
        let max_age_ms = self.program.point_max_age_ms[at(point.0)];
        let run = slot.rare().late.get_or_insert_with(|| LateRun {
            last: sample.at,
            told: None,
            since: alloc::vec![NEVER; levels.len()],
        });
        // Readings that do not follow one another say nothing of what was between.
        let follows = sample.at >= run.last
            && (max_age_ms == 0 || sample.at.since_ms(run.last) <= max_age_ms);
        run.last = sample.at;
        let mut told = None;
        for (index, level) in levels.iter().enumerate() {
            let since = &mut run.since[index];
            if !reached(level) {
                *since = NEVER;
                continue;
            }
            if !follows || *since == NEVER {
                *since = sample.at;
            }
            if sample.at.since_ms(*since) >= u64::from(level.on_delay_ms) {
                told = Some((index, *since));
            }
        }
        let Some((level, since)) = told else { return };
        let level = u8::try_from(level).expect("at most LEVELS_MAX levels");
        if run.told.is_some_and(|before| before >= level) {
            return;
        }
        run.told = Some(level);
        self.historical(point, alarm, level, since, sample, effects);
    }

    /// Tells what late readings show, with times of its own.
    fn historical(
        &mut self,
        point: PointIdx,
        alarm: u32,
        level: u8,
        since: UtcMs,
        sample: Sample,
        effects: &mut Vec<Effect>,
    ) {
        let code = &self.program.alarm_code[at(alarm)];
        let test = self.program.level_code[at(code.levels_from) + usize::from(level)].test;
        let mut state = self.alarm_state(alarm);
        state.level = Some(level);
        state.limit = match test {
            LevelTest::High { limit, .. } | LevelTest::Low { limit, .. } => Some(limit),
            LevelTest::When(_) | LevelTest::External => None,
        };
        state.condition_since = Some(since);
        state.raised_at = Some(sample.at);
        state.cleared_at = None;
        state.peak = sample.value.map(Value::as_f64);
        state.value = sample.value;
        state.quality = Some(sample.quality);
        state.sample_time = Some(sample.at);
        state.clock = Some(sample.clock);
        effects.push(Effect {
            kind: EventKind::Historical,
            alarm: AlarmIdx(alarm),
            at: self.now,
            cause: Cause::Sample(point),
            by: None,
            comment: None,
            state,
        });
    }
}
