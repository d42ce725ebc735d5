//! The engine: log records in, effects out; a deterministic function of them.
//!
//! It knows no clock, does no I/O, and allocates only for effects and for what people say.
//! The work of one call is bounded by who reads the point, directly or through other alarms, and by the timers that are due.

mod command;
mod late;
mod life;
mod snapshot;
mod state;

use alloc::collections::BinaryHeap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

pub use snapshot::SnapshotError;
use state::{HeldSlot, PointSlot, State};
use telemetry::{Quality, Sample, UtcMs};

use crate::alarm::Phase;
use crate::effect::{AlarmIdx, AlarmState, Cause, Effect, Input, Refusal};
use crate::eval::Stack;
use crate::point::PointIdx;
use crate::program::{Program, Unit, at, u32_of};
use crate::timer::{NEVER, TimerTable};
use crate::value::{Tri, Truth};

/// The rule engine of one site, or of one node.
///
/// ```
/// use std::sync::Arc;
/// use rules::effect::{EventKind, Input};
/// use rules::engine::Engine;
/// use rules::expr::Formula;
/// use rules::point::PointInfo;
/// use rules::program::{AlarmSpec, Colour, LevelSpec, ProgramBuilder, RuleInfo, Scope, Test};
/// use telemetry::{Clock, Quality, Sample, UtcMs, Value};
///
/// let mut builder = ProgramBuilder::new();
/// let point = builder.point(PointInfo { unit: "tank-farm".into(), point: "gd-101".into(), ..PointInfo::default() })?;
/// let rule = builder.rule(RuleInfo { name: "combustible-gas".into(), ..RuleInfo::default() })?;
/// let alarm = builder.alarm(AlarmSpec {
///     scope: Scope::Point(point),
///     rule,
///     value: Some(Formula::Point(point)),
///     eu: None,
///     only_while: None,
///     levels: vec![LevelSpec {
///         name: "L1".into(),
///         colour: Colour::Yellow,
///         severity: 500,
///         test: Test::High { limit: 25.0, deadband: 3.0 },
///         on_delay_ms: 5_000,
///         off_delay_ms: 30_000,
///         latch: false,
///     }],
///     unknown_hold_ms: 0,
/// })?;
/// let mut engine = Engine::new(Arc::new(builder.build()), UtcMs(0));
/// let mut effects = Vec::new();
/// let sample = Sample { at: UtcMs(10), value: Some(Value::Number(30.0)), quality: Quality::GOOD, clock: Clock::Synced };
/// engine.handle(Input::Sample { point, sample }, UtcMs(12), &mut effects)?;
/// assert_eq!(engine.poll_timeout(), Some(UtcMs(5_012)));
/// engine.handle_timeout(UtcMs(6_000), &mut effects);
/// assert_eq!((effects[0].kind, effects[0].alarm, effects[0].at), (EventKind::Raised, alarm, UtcMs(5_012)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    program: Arc<Program>,
    state: State,
    timers: TimerTable,
    /// Units that have to be evaluated again, in the order of evaluation.
    queue: BinaryHeap<Reverse<u32>>,
    stack: Stack,
    now: UtcMs,
    /// False until everything was evaluated once.
    started: bool,
}

impl Engine {
    /// An engine that has seen nothing; points are waited for from `now`.
    pub fn new(program: Arc<Program>, now: UtcMs) -> Self {
        let mut engine = Self {
            state: State::new(&program, now),
            timers: TimerTable::new(
                program.alarms().len() + program.held.len() + program.points().len(),
            ),
            queue: BinaryHeap::new(),
            stack: Stack::default(),
            program,
            now,
            started: false,
        };
        engine.arm_all(now);
        engine
    }

    /// How many bytes of state an armed rule of so many levels takes, with its one point and both their timers.
    pub fn armed_rule_bytes(levels: usize) -> usize {
        state::armed_rule_bytes(levels) + 2 * TimerTable::OWNER_BYTES
    }

    /// The program that it runs.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The log's time up to which it has come.
    pub fn now(&self) -> UtcMs {
        self.now
    }

    /// Takes one record in: first every timer due at or before `now`, each effect dated by its own due time, then the input.
    ///
    /// Times go forward only: an earlier `now` counts as the last one.
    ///
    /// # Errors
    /// A command that makes no sense now, or an index of another program; timers have run all the same.
    pub fn handle(
        &mut self,
        input: Input<'_>,
        now: UtcMs,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if let Input::Down { from, to } = input {
            self.down(from, to, effects);
            self.handle_timeout(now, effects);
            return Ok(());
        }
        self.handle_timeout(now, effects);
        match input {
            Input::Sample { point, sample } => self.sample(point, sample, effects),
            Input::Late { point, sample } => self.late(point, sample, effects),
            Input::Condition {
                alarm,
                active,
                reason,
            } => self.condition(alarm, active, reason, effects),
            Input::Command(command) => self.command(command, effects),
            Input::Down { .. } | Input::Time => Ok(()),
        }
    }

    /// Fires every timer due at or before `now`, in time order, ties by index.
    pub fn handle_timeout(&mut self, now: UtcMs, effects: &mut Vec<Effect>) {
        if !self.started {
            self.start(effects);
        }
        while let Some((due, owner)) = self.timers.first() {
            if due > now {
                break;
            }
            self.timers.take_first();
            let real = self.due_of(owner);
            if real > due {
                self.timers.arm(owner, real);
                continue;
            }
            self.now = self.now.max(due);
            self.fire(owner, effects);
        }
        self.now = self.now.max(now);
    }

    /// When the next timer is due.
    pub fn poll_timeout(&mut self) -> Option<UtcMs> {
        loop {
            let (due, owner) = self.timers.first()?;
            let real = self.due_of(owner);
            if real <= due {
                return Some(due.max(self.now));
            }
            self.timers.take_first();
            self.timers.arm(owner, real);
        }
    }

    /// The state of one alarm.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn alarm(&self, alarm: AlarmIdx) -> AlarmState {
        self.alarm_state(alarm.0)
    }

    /// Every alarm with its state, by index.
    pub fn alarms(&self) -> impl Iterator<Item = (AlarmIdx, AlarmState)> + '_ {
        self.program
            .alarm_idxs()
            .map(|alarm| (alarm, self.alarm(alarm)))
    }

    /// The last live reading of a point, and whether it is too old; none before the first one.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn reading(&self, point: PointIdx) -> Option<(Sample, bool)> {
        let slot = &self.state.points[at(point.0)];
        slot.sample(self.program.point(point).digital)
            .map(|sample| (sample, slot.stale))
    }

    fn n_alarms(&self) -> u32 {
        u32_of(self.state.alarms.len())
    }

    fn n_held(&self) -> u32 {
        u32_of(self.state.held.len())
    }

    /// What an owner of a timer waits for now.
    fn due_of(&self, owner: u32) -> UtcMs {
        let held = owner.wrapping_sub(self.n_alarms());
        let point = held.wrapping_sub(self.n_held());
        if owner < self.n_alarms() {
            self.state.alarms[at(owner)].next_due
        } else if held < self.n_held() {
            self.state.held[at(held)].next_due()
        } else {
            self.state.points[at(point)].next_due()
        }
    }

    fn fire(&mut self, owner: u32, effects: &mut Vec<Effect>) {
        let held = owner.wrapping_sub(self.n_alarms());
        let point = held.wrapping_sub(self.n_held());
        if owner < self.n_alarms() {
            self.queue
                .push(Reverse(self.program.alarm_code[at(owner)].unit));
        } else if held < self.n_held() {
            self.queue.push(Reverse(self.program.held[at(held)].unit));
        } else {
            self.state.points[at(point)].stale = true;
            self.queue_readers_of_point(point, true);
        }
        self.drain(Cause::Timer, effects);
    }

    /// Evaluates everything once: conditions that read no point have an answer from the start.
    fn start(&mut self, effects: &mut Vec<Effect>) {
        let program = Arc::clone(&self.program);
        for unit in 0..u32_of(program.units.len()) {
            self.queue.push(Reverse(unit));
        }
        self.drain(Cause::Config, effects);
        self.started = true;
    }

    fn arm_all(&mut self, not_before: UtcMs) {
        self.timers.clear();
        for owner in
            0..u32_of(self.state.alarms.len() + self.state.held.len() + self.state.points.len())
        {
            let due = self.due_of(owner);
            if due != NEVER {
                self.timers.arm(owner, due.max(not_before));
            }
        }
    }

    fn sample(
        &mut self,
        point: PointIdx,
        sample: Sample,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let Some(slot) = self.state.points.get_mut(at(point.0)) else {
            return Err(Refusal::UnknownPoint(point.0));
        };
        let max_age_ms = self.program.point_max_age_ms[at(point.0)];
        let health_changed = slot.take(sample, max_age_ms, self.now);
        let due = slot.next_due();
        if due != NEVER {
            let owner = self.n_alarms() + self.n_held() + point.0;
            self.timers.arm(owner, due);
        }
        self.queue_readers_of_point(point.0, health_changed);
        if !self.queue.is_empty() {
            self.drain(Cause::Sample(point), effects);
        }
        Ok(())
    }

    fn condition(
        &mut self,
        alarm: AlarmIdx,
        active: Tri,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        match self.program.alarms().get(at(alarm.0)) {
            None => return Err(Refusal::UnknownAlarm(alarm.0)),
            Some(info) if !info.external => return Err(Refusal::NotExternal),
            Some(_) => {}
        }
        let slot = &mut self.state.alarms[at(alarm.0)];
        slot.external = Truth::from(active);
        if !reason.is_empty() {
            slot.rare().reason = Some(reason.into());
        }
        self.queue
            .push(Reverse(self.program.alarm_code[at(alarm.0)].unit));
        self.drain(Cause::Node, effects);
        Ok(())
    }

    fn down(&mut self, from: UtcMs, to: UtcMs, effects: &mut Vec<Effect>) {
        self.handle_timeout(from, effects);
        let from = self.now;
        let to = to.max(from);
        for alarm in 0..self.n_alarms() {
            let slot = &mut self.state.alarms[at(alarm)];
            if slot.unknown_due != NEVER {
                slot.unknown_due = to.plus_ms(self.program.alarm_code[at(alarm)].unknown_hold_ms);
            }
            self.state.levels(&self.program, alarm).pause(from, to);
            self.state.refresh(&self.program, alarm);
        }
        for held in &mut self.state.held {
            if held.phase == Phase::Pending {
                held.due = held.due.plus_ms(to.since_ms(from));
            }
        }
        self.now = to;
        self.arm_all(to);
    }

    /// Queues who reads a point, but for alarms that its value says nothing to.
    fn queue_readers_of_point(&mut self, point: u32, health_changed: bool) {
        let program = &*self.program;
        for &unit in program.readers_of_value.of(point) {
            let quiet = match program.units[at(unit)] {
                Unit::Alarm(alarm) => self.state.is_quiet(program, alarm),
                Unit::Held(_) => false,
            };
            if !quiet {
                self.queue.push(Reverse(unit));
            }
        }
        if health_changed {
            for &unit in program.readers_of_health.of(point) {
                self.queue.push(Reverse(unit));
            }
        }
    }

    /// Evaluates what is queued and what reads it, in the order of evaluation.
    fn drain(&mut self, cause: Cause, effects: &mut Vec<Effect>) {
        let program = Arc::clone(&self.program);
        while let Some(Reverse(unit)) = self.queue.pop() {
            while self.queue.peek() == Some(&Reverse(unit)) {
                self.queue.pop();
            }
            let changed = match program.units[at(unit)] {
                Unit::Held(held) => self.evaluate_held(&program, held),
                Unit::Alarm(alarm) => self.evaluate_alarm(&program, alarm, cause, effects),
            };
            if changed {
                for &reader in program.readers_of_unit.of(unit) {
                    self.queue.push(Reverse(reader));
                }
            }
        }
    }

    fn evaluate_held(&mut self, program: &Program, held: u32) -> bool {
        let code = &program.held[at(held)];
        let condition = self
            .stack
            .condition(&program.ops, code.condition, &self.state);
        let slot: &mut HeldSlot = &mut self.state.held[at(held)];
        let before = slot.answer;
        slot.step(condition, code.duration_ms, self.now);
        let due = slot.next_due();
        let changed = slot.answer != before;
        if due != NEVER {
            self.timers.arm(self.n_alarms() + held, due);
        }
        changed
    }
}

/// The word of a point's health for people.
fn reason_word(slot: &PointSlot) -> Option<&'static str> {
    if slot.stale {
        Some("stale")
    } else {
        slot.quality
            .filter(|quality: &Quality| !quality.is_good())
            .map(Quality::word)
    }
}
