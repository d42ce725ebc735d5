//! The engine: log records in, effects out; a deterministic function of them.
//!
//! It knows no clock and does no I/O. It takes its memory when it is made; later only for the words of effects, for what people and nodes say, and for the first late readings of an alarm.
//! The work of one call is bounded by who reads the point, directly or through other alarms, and by the timers that are due.

mod aside;
mod command;
mod doubt;
mod effects;
pub mod explain;
mod kept;
mod late;
mod life;
mod machine;
mod node;
mod queue;
mod repeat;
mod snapshot;
mod state;
mod window;

use alloc::sync::Arc;
use alloc::vec::Vec;

use effects::Effects;
use machine::Machine;
pub use node::NodeEngine;
use queue::Queue;
pub use snapshot::SnapshotError;
use telemetry::{Sample, UtcMs};
pub(crate) use window::WINDOW_SLICES;

use crate::effect::{AlarmIdx, AlarmState, Effect, Input, Refusal};
use crate::point::PointIdx;
use crate::program::{Program, at};
use crate::timer::{TimerTable, Wheel};

/// The rule engine of one site, or of one node.
///
/// ```
/// use std::sync::Arc;
/// use rules::effect::{EventKind, Input};
/// use rules::engine::Engine;
/// use rules::expr::Formula;
/// use rules::point::PointInfo;
/// use rules::program::{AlarmSpec, Colour, LevelSpec, LifeSpec, ProgramBuilder, RuleInfo, Scope, Test};
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
///         overlays: Vec::new(),
///     }],
///     unknown_hold_ms: 0,
///     life: LifeSpec::default(),
///     set_by_site: 0,
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
#[derive(Debug)]
pub struct Engine {
    program: Arc<Program>,
    machine: Machine,
}

impl Engine {
    /// An engine that has seen nothing; points are waited for from `now`.
    pub fn new(program: Arc<Program>, now: UtcMs) -> Self {
        let machine = Machine::new(&program.tables, now);
        Self { program, machine }
    }

    /// How many bytes of state an armed rule of so many levels takes, with its one point, their timers and their places in queues.
    pub fn armed_rule_bytes(levels: usize) -> usize {
        let timers = 2 * TimerTable::OWNER_BYTES + Wheel::OWNER_BYTES;
        // To be evaluated, and due: the alarm and its point.
        let queues = (3 * Queue::BITS).div_ceil(8);
        state::armed_rule_bytes(levels) + timers + queues
    }

    /// The program that it runs.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The log's time up to which it has come.
    pub fn now(&self) -> UtcMs {
        self.machine.now
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
        let mut hear = |effect| effects.push(effect);
        let mut effects = Effects::new(&mut hear);
        self.machine
            .handle(&self.program.tables, input, now, &mut effects)
    }

    /// Fires every timer due at or before `now`, in time order, ties by index.
    pub fn handle_timeout(&mut self, now: UtcMs, effects: &mut Vec<Effect>) {
        let mut hear = |effect| effects.push(effect);
        let mut effects = Effects::new(&mut hear);
        self.machine
            .handle_timeout(&self.program.tables, now, &mut effects);
    }

    /// When the next timer is due, or a little before; calling then with nothing to do is harmless.
    pub fn poll_timeout(&mut self) -> Option<UtcMs> {
        self.machine.poll_timeout(&self.program.tables)
    }

    /// The state of one alarm.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn alarm(&self, alarm: AlarmIdx) -> AlarmState {
        self.machine.alarm_state(&self.program.tables, alarm.0)
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
        let slot = &self.machine.state.points[at(point.0)];
        slot.sample(self.program.point(point).digital)
            .map(|sample| (sample, slot.stale))
    }
}
