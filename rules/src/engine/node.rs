//! The engine of a node: the same machine, over the tables of an image.

use telemetry::UtcMs;

use super::effects::Effects;
use super::machine::Machine;
use crate::effect::{AlarmIdx, AlarmState, Effect, Input, Refusal};
use crate::image::Image;

/// The rule engine of a node: what [`Engine`](super::Engine) is to a program, to an [`Image`]. The same inputs give the same effects.
///
/// It has no snapshot: a node that starts anew has seen nothing.
#[derive(Debug)]
pub struct NodeEngine<'a> {
    image: Image<'a>,
    machine: Machine,
}

impl<'a> NodeEngine<'a> {
    /// An engine that has seen nothing; points are waited for from `now`.
    pub fn new(image: Image<'a>, now: UtcMs) -> Self {
        let machine = Machine::new(&image.tables, now);
        Self { image, machine }
    }

    /// What it runs.
    pub fn image(&self) -> &Image<'a> {
        &self.image
    }

    /// As [`Engine::handle`](super::Engine::handle); effects are heard one at a time, which takes no room for all of them.
    ///
    /// # Errors
    /// A command that makes no sense now, or an index that the image has not; timers have run all the same.
    pub fn handle(
        &mut self,
        input: Input<'_>,
        now: UtcMs,
        mut hear: impl FnMut(Effect),
    ) -> Result<(), Refusal> {
        let mut effects = Effects::new(&mut hear);
        self.machine
            .handle(&self.image.tables, input, now, &mut effects)
    }

    /// As [`Engine::handle_timeout`](super::Engine::handle_timeout).
    pub fn handle_timeout(&mut self, now: UtcMs, mut hear: impl FnMut(Effect)) {
        let mut effects = Effects::new(&mut hear);
        self.machine
            .handle_timeout(&self.image.tables, now, &mut effects);
    }

    /// When the next timer is due, or a little before.
    pub fn poll_timeout(&mut self) -> Option<UtcMs> {
        self.machine.poll_timeout(&self.image.tables)
    }

    /// The state of one alarm; none when there are not so many.
    pub fn alarm(&self, alarm: AlarmIdx) -> Option<AlarmState> {
        let state = || self.machine.alarm_state(&self.image.tables, alarm.0);
        (alarm.0 < self.image.n_alarms()).then(state)
    }
}
