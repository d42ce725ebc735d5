//! Local rules: the same engine as the gateway's, switching outputs with or without an uplink.
//!
//! Decides which outputs are on. Knows no pins ([`crate::port`]) and no packs.
//!
//! What the rules remember does not outlive a restart: outputs begin off, and the first readings decide anew.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use rules::effect::{AlarmIdx, Command, Effect, Input, Refusal, Verb};
use rules::engine::Engine;
use rules::point::PointIdx;
use rules::program::Program;
use telemetry::body::{PackId, Trip};
use telemetry::{Clock, Sample, UtcMs};

use crate::pack::Reading;
use crate::time::Now;

/// One output, as a relay.
#[derive(Clone, Debug)]
pub struct OutputConfig {
    /// Its name in trip messages.
    pub name: String,
    /// The alarms that switch it on while they are active or latched, each from a severity (1 to 1000) on.
    pub alarms: Vec<(AlarmIdx, u16)>,
}

/// The local rules and what they switch.
#[derive(Clone, Debug)]
pub struct TripConfig {
    /// The compiled rules; its points are found by unit and name on the node's buses.
    pub program: Arc<Program>,
    /// The outputs; an index into them is what [`Switch`] has.
    pub outputs: Vec<OutputConfig>,
}

/// An output has to be switched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Switch {
    /// Which output.
    pub output: usize,
    /// Whether it is on from now on.
    pub on: bool,
}

/// An output changed because of an alarm.
#[derive(Clone, Copy, Debug)]
struct Change {
    switch: Switch,
    alarm: AlarmIdx,
    /// What the alarm looked at, or what was read last when it changed.
    point: Option<PointIdx>,
    at: Now,
}

/// The local rules at work. Work per reading is that of the rules that look at its point.
#[derive(Debug)]
pub(crate) struct Trips {
    engine: Engine,
    outputs: Vec<OutputConfig>,
    on: Vec<bool>,
    /// For each bus and point, the point of the program.
    points: Vec<Vec<Option<PointIdx>>>,
    /// For each point of the program, the pack with its latest reading.
    packs: Vec<Option<PackId>>,
    read_last: Option<PointIdx>,
    /// The engine's time at boot: the rules run on time since boot, whatever the wall clock does.
    base: UtcMs,
    effects: Vec<Effect>,
    changes: Vec<Change>,
    switches: Vec<Switch>,
    next_due: Option<u64>,
}

impl Trips {
    /// `points` names the points of each bus, by bus and index.
    pub(crate) fn new(
        config: TripConfig,
        points: &mut dyn Iterator<Item = &devices::Bus>,
        now: Now,
    ) -> Self {
        let utc = now.wall.utc().unwrap_or_default();
        let base = utc.minus_ms(now.mono);
        let program = &config.program;
        let of_bus = |bus: &devices::Bus| {
            let points = bus.points.iter();
            let found = points.map(|point| program.find_point(&point.unit, &point.point));
            found.collect()
        };
        Self {
            points: points.map(of_bus).collect(),
            packs: alloc::vec![None; program.points().len()],
            read_last: None,
            on: alloc::vec![false; config.outputs.len()],
            engine: Engine::new(config.program, base.plus_ms(now.mono)),
            outputs: config.outputs,
            base,
            effects: Vec::new(),
            changes: Vec::new(),
            switches: Vec::new(),
            next_due: None,
        }
    }

    fn time(&self, now: Now) -> UtcMs {
        self.base.plus_ms(now.mono)
    }

    pub(crate) fn handle_reading(&mut self, reading: &Reading) {
        let points = self.points.get(reading.bus);
        let Some(Some(point)) = points.and_then(|points| points.get(reading.point)) else {
            return;
        };
        let time = self.time(reading.at);
        let sample = Sample {
            at: time,
            value: reading.value,
            quality: reading.quality,
            clock: Clock::Synced,
        };
        self.read_last = Some(*point);
        let input = Input::Sample {
            point: *point,
            sample,
        };
        // The index is the program's own, and a sample is no command: nothing can be refused.
        let handled = self.engine.handle(input, time, &mut self.effects);
        debug_assert_eq!(handled, Ok(()));
        self.decide(reading.at);
    }

    /// Acknowledges or resets an alarm of the local rules.
    pub(crate) fn handle_command(
        &mut self,
        verb: Verb,
        alarm: &str,
        by: &str,
        now: Now,
    ) -> Result<(), Refusal> {
        let program = self.engine.program();
        let alarm = program
            .find_alarm(alarm)
            .ok_or(Refusal::UnknownAlarm(u32::MAX))?;
        let command = Command::new(verb, alarm, by);
        let time = self.time(now);
        let result = self
            .engine
            .handle(Input::Command(command), time, &mut self.effects);
        self.decide(now);
        result
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        let time = self.time(now);
        self.engine.handle_timeout(time, &mut self.effects);
        self.decide(now);
        let due = self.engine.poll_timeout();
        self.next_due = due.map(|due| due.since_ms(self.base));
    }

    /// When a delay is over, in milliseconds since boot.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.next_due
    }

    /// Switches what the alarms that just changed ask for.
    fn decide(&mut self, at: Now) {
        for effect in core::mem::take(&mut self.effects) {
            for (idx, output) in self.outputs.iter().enumerate() {
                if !output
                    .alarms
                    .iter()
                    .any(|(alarm, _)| *alarm == effect.alarm)
                {
                    continue;
                }
                let on = output
                    .alarms
                    .iter()
                    .any(|(alarm, severity)| reaches(&self.engine, *alarm, *severity));
                if on != self.on[idx] {
                    self.on[idx] = on;
                    let switch = Switch { output: idx, on };
                    let info = self.engine.program().alarm(effect.alarm);
                    self.switches.push(switch);
                    self.changes.push(Change {
                        switch,
                        alarm: effect.alarm,
                        point: info.point.or(self.read_last),
                        at,
                    });
                }
            }
        }
    }

    /// A reading of this point went into this pack.
    pub(crate) fn handle_packed(&mut self, bus: usize, point: usize, pack: PackId) {
        if let Some(Some(point)) = self.points.get(bus).and_then(|points| points.get(point))
            && let Some(slot) = usize::try_from(point.0)
                .ok()
                .and_then(|idx| self.packs.get_mut(idx))
        {
            *slot = Some(pack);
        }
    }

    /// The next output to switch.
    pub(crate) fn poll_switch(&mut self) -> Option<Switch> {
        (!self.switches.is_empty()).then(|| self.switches.remove(0))
    }

    /// True when there is a trip to tell; its reading has to be packed before.
    pub(crate) fn has_news(&self) -> bool {
        !self.changes.is_empty()
    }

    /// What to tell about each change since the last call; `next` is the pack that will be formed next.
    pub(crate) fn poll_trip(&mut self, next: PackId) -> Option<Trip> {
        if self.changes.is_empty() {
            return None;
        }
        let change = self.changes.remove(0);
        let program = self.engine.program();
        let reading = change.point.and_then(|point| self.engine.reading(point));
        let sample = reading.map(|(sample, _)| sample);
        let value = sample.and_then(|sample| sample.value);
        // Only an alarm of silence can come before any reading.
        let point = change.point.unwrap_or(PointIdx(0));
        let pack = usize::try_from(point.0)
            .ok()
            .and_then(|idx| *self.packs.get(idx)?)
            .unwrap_or(next);
        let info = program.point(point);
        Some(Trip {
            rule: program.id_of(change.alarm).rule.to_string(),
            point: format!("{}/{}", info.unit, info.point),
            value: value.map(telemetry::Value::as_f64),
            q: sample.map_or(0, |sample| sample.quality.0),
            output: self.outputs[change.switch.output].name.clone(),
            on: change.switch.on,
            at: change.at.wall.utc().unwrap_or_else(|| self.time(change.at)),
            bboot: pack.boot,
            bseq: pack.seq,
        })
    }
}

/// True while an alarm is active or latched at a severity or above.
fn reaches(engine: &Engine, alarm: AlarmIdx, severity: u16) -> bool {
    let state = engine.alarm(alarm);
    let levels = engine.program().levels_of(alarm);
    let level = state.level.and_then(|level| levels.get(usize::from(level)));
    (state.flags.active || state.flags.latched)
        && level.is_some_and(|level| level.severity >= severity)
}
