//! The loop inside: timers in order, then the input, then whatever reads what has changed.

use alloc::collections::BTreeSet;

use telemetry::{Sample, UtcMs};

use super::effects::Effects;
use super::kept::KeptSlot;
use super::queue::Queue;
use super::state::State;
use super::window::Moment;
use crate::effect::{AlarmIdx, Cause, Input, Refusal};
use crate::eval::{Memory, Stack};
use crate::point::PointIdx;
use crate::program::{Kept, LooksAt, Tables, Unit, Watched, at, u32_of};
use crate::timer::{NEVER, TimerTable, Wheel};
use crate::value::{Tri, Truth};

/// Everything but the tables.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) state: State,
    /// Owners: alarms, then what conditions remember, then points.
    pub(super) timers: TimerTable,
    /// Points until the slice in which they grow old.
    pub(super) wheel: Wheel,
    /// Units that have to be evaluated again, in the order of evaluation.
    pub(super) queue: Queue,
    /// Alarms whose timers are due, or whose tests a person ended, until their tests have been looked at.
    pub(super) due_alarms: Queue,
    /// Points whose sensors' tests are over, until the alarms about them have been told.
    pub(super) due_points: Queue,
    pub(super) stack: Stack,
    pub(super) now: UtcMs,
    /// False until everything was evaluated once.
    pub(super) started: bool,
}

impl Machine {
    pub(super) fn new(tables: &impl Tables, now: UtcMs) -> Self {
        let n_points = at(tables.n_points());
        let owners = at(tables.n_units()) + n_points;
        let mut machine = Self {
            state: State::new(tables, now),
            timers: TimerTable::new(owners),
            wheel: Wheel::new(n_points, now),
            queue: Queue::new(at(tables.n_units())),
            due_alarms: Queue::new(at(tables.n_alarms())),
            due_points: Queue::new(n_points),
            stack: Stack::default(),
            now,
            started: false,
        };
        machine.arm_all(tables);
        machine
    }

    pub(super) fn handle(
        &mut self,
        tables: &impl Tables,
        input: Input<'_>,
        now: UtcMs,
        effects: &mut Effects<'_>,
    ) -> Result<(), Refusal> {
        if let Input::Down { from, to } = input {
            self.down(tables, from, to, effects);
            self.handle_timeout(tables, now, effects);
            return Ok(());
        }
        self.handle_timeout(tables, now, effects);
        match input {
            Input::Sample { point, sample } => self.sample(tables, point, sample, effects),
            Input::Late { point, sample } => self.late(tables, point, sample, effects),
            Input::Condition {
                alarm,
                active,
                reason,
            } => self.condition(tables, alarm, active, reason, effects),
            Input::Command(command) => self.command(tables, command, effects),
            Input::Switched { alarm, switched } => self.switched(tables, alarm, switched, effects),
            Input::Down { .. } | Input::Time => Ok(()),
        }
    }

    pub(super) fn handle_timeout(
        &mut self,
        tables: &impl Tables,
        now: UtcMs,
        effects: &mut Effects<'_>,
    ) {
        if !self.started {
            self.start(tables, effects);
        }
        self.wheel.advance(now);
        while let Some(point) = self.wheel.pop_passed() {
            self.state.points[at(point)].waits = false;
            self.arm_point(point);
        }
        while let Some(due) = self.queue_next_due(tables, now) {
            self.now = self.now.max(due);
            self.end_tests(tables, effects);
            self.drain(tables, Cause::Timer, effects);
        }
        self.now = self.now.max(now);
    }

    pub(super) fn poll_timeout(&mut self, tables: &impl Tables) -> Option<UtcMs> {
        if !self.started {
            return Some(self.now);
        }
        let slice = self.wheel.next_slice();
        loop {
            let Some((due, owner)) = self.timers.first() else {
                return slice;
            };
            let real = self.due_of(tables, owner);
            if real <= due {
                return Some(slice.map_or(due, |slice| slice.min(due)).max(self.now));
            }
            self.timers.postpone_first(real);
        }
    }

    pub(super) fn n_alarms(&self) -> u32 {
        u32_of(self.state.alarms.len())
    }

    fn first_point(&self) -> u32 {
        self.n_alarms() + u32_of(self.state.kept.len())
    }

    /// The point that owns a timer, if one does.
    fn point_of(&self, owner: u32) -> Option<u32> {
        owner.checked_sub(self.first_point())
    }

    /// What an owner of a timer waits for now.
    fn due_of(&self, tables: &impl Tables, owner: u32) -> UtcMs {
        if let Some(point) = self.point_of(owner) {
            self.state.points[at(point)].next_due()
        } else if let Some(kept) = owner.checked_sub(self.n_alarms()) {
            self.state.kept[at(kept)].next_due(&tables.kept(kept))
        } else {
            self.state.alarms[at(owner)].next_due
        }
    }

    /// Queues what the earliest timers at or before `now` belong to, all of one moment together, and tells the moment.
    ///
    /// One after the other they would show each other's past: an alarm that nothing but the order of timers raised. What came due while nobody looked is of the moment in which somebody looks again.
    fn queue_next_due(&mut self, tables: &impl Tables, now: UtcMs) -> Option<UtcMs> {
        let mut moment = None;
        while let Some((due, owner)) = self.timers.first() {
            if due > moment.unwrap_or(now) {
                break;
            }
            let real = self.due_of(tables, owner);
            if real <= due {
                self.timers.take_first();
                moment = Some(due.max(self.now));
                self.queue_owner(tables, owner, due.max(self.now));
                continue;
            }
            match self.point_of(owner) {
                Some(point) if !self.state.points[at(point)].waits => {
                    self.timers.take_first();
                    self.arm_point(point);
                }
                Some(_) | None => self.timers.postpone_first(real),
            }
        }
        moment
    }

    fn queue_owner(&mut self, tables: &impl Tables, owner: u32, now: UtcMs) {
        if let Some(point) = self.point_of(owner) {
            if self.state.points[at(point)].end(now) {
                self.due_points.push(point);
            }
            let slot = &self.state.points[at(point)];
            let (waits, due) = (slot.waits, slot.next_due());
            if !waits {
                self.arm_point(point);
            } else if due != NEVER {
                self.timers.arm(owner, due);
            }
            self.queue_readers_of_point(tables, point, true);
        } else if let Some(kept) = owner.checked_sub(self.n_alarms()) {
            self.queue.push(tables.kept(kept).unit);
        } else {
            self.due_alarms.push(owner);
            self.queue.push(tables.alarm(owner).unit);
        }
    }

    /// Evaluates everything once: conditions that read no point have an answer from the start.
    pub(super) fn start(&mut self, tables: &impl Tables, effects: &mut Effects<'_>) {
        self.start_but(tables, &BTreeSet::new(), effects);
    }

    /// The same, but for what was restored and is looked at in its own time.
    pub(super) fn start_but(
        &mut self,
        tables: &impl Tables,
        restored: &BTreeSet<u32>,
        effects: &mut Effects<'_>,
    ) {
        self.started = true;
        let units = 0..tables.n_units();
        let units = units.filter(|unit| !restored.contains(unit));
        self.queue.extend(units);
        self.drain(tables, Cause::Config, effects);
    }

    /// Arms every timer anew; what is due before now comes up now.
    pub(super) fn arm_all(&mut self, tables: &impl Tables) {
        self.timers.clear();
        self.wheel.clear(self.now);
        for owner in 0..self.first_point() {
            let due = self.due_of(tables, owner);
            if due != NEVER {
                self.timers.arm(owner, due);
            }
        }
        for point in 0..u32_of(self.state.points.len()) {
            self.state.points[at(point)].waits = false;
            self.arm_point(point);
        }
    }

    /// Lets a point that does not wait in the wheel wait there, or in the table when its slice has come.
    fn arm_point(&mut self, point: u32) {
        let owner = self.first_point() + point;
        let slot = &mut self.state.points[at(point)];
        let due = slot.next_due();
        if due == NEVER {
            return;
        }
        slot.waits = self.wheel.wait(point, due);
        if !slot.waits {
            self.timers.arm(owner, due);
        }
    }

    fn sample(
        &mut self,
        tables: &impl Tables,
        point: PointIdx,
        sample: Sample,
        effects: &mut Effects<'_>,
    ) -> Result<(), Refusal> {
        let Some(slot) = self.state.points.get_mut(at(point.0)) else {
            return Err(Refusal::UnknownPoint(point.0));
        };
        let max_age_ms = tables.point(point.0).max_age_ms;
        let before = slot.next_due();
        let health_changed = slot.take(sample, max_age_ms, self.now);
        let due = slot.next_due();
        if !slot.waits {
            self.arm_point(point.0);
        } else if due < before || (before == NEVER && due != NEVER) {
            // What waits for a later slice would come too late.
            let owner = self.first_point() + point.0;
            self.timers.arm(owner, due);
        }
        if health_changed {
            self.mark_tests_about(tables, point.0, Cause::Sample(point), effects);
        }
        self.queue_readers_of_point(tables, point.0, health_changed);
        if !self.queue.is_empty() {
            self.drain(tables, Cause::Sample(point), effects);
        }
        Ok(())
    }

    fn condition(
        &mut self,
        tables: &impl Tables,
        alarm: AlarmIdx,
        active: Tri,
        reason: &str,
        effects: &mut Effects<'_>,
    ) -> Result<(), Refusal> {
        if alarm.0 >= self.n_alarms() {
            return Err(Refusal::UnknownAlarm(alarm.0));
        }
        if !tables.rest(alarm.0).external {
            return Err(Refusal::NotExternal);
        }
        let slot = &mut self.state.alarms[at(alarm.0)];
        slot.external = Truth::from(active);
        if !reason.is_empty() {
            slot.rare().reason = Some(reason.into());
        }
        self.queue.push(tables.alarm(alarm.0).unit);
        self.drain(tables, Cause::Node, effects);
        Ok(())
    }

    fn down(&mut self, tables: &impl Tables, from: UtcMs, to: UtcMs, effects: &mut Effects<'_>) {
        self.handle_timeout(tables, from, effects);
        let from = self.now;
        let to = to.max(from);
        for alarm in 0..self.n_alarms() {
            let slot = &mut self.state.alarms[at(alarm)];
            if slot.unknown_due != NEVER {
                slot.unknown_due = to.plus_ms(tables.rest(alarm).unknown_hold_ms);
            }
            self.state.levels(tables, alarm).pause(from, to);
            self.state.refresh(tables, alarm);
        }
        for (slot, kept) in self.state.kept.iter_mut().zip(0..) {
            slot.pause(&tables.kept(kept), from, to);
        }
        self.now = to;
        self.arm_all(tables);
        // What a window takes from now on is what was read last, and `since` has grown.
        let looked_at = (0..tables.n_kept())
            .map(|kept| tables.kept(kept))
            .filter(|kept| matches!(kept.what, Kept::Window { .. } | Kept::Since { .. }));
        let units = looked_at.flat_map(|kept| [kept.unit, kept.owner]);
        self.queue.extend(units);
        self.queue_next_due(tables, to);
        self.end_tests(tables, effects);
        self.drain(tables, Cause::Timer, effects);
    }

    /// Queues who reads a point, but for alarms that its value says nothing to.
    pub(super) fn queue_readers_of_point(
        &mut self,
        tables: &impl Tables,
        point: u32,
        health_changed: bool,
    ) {
        let code = tables.point(point);
        let is_quiet = self.state.points[at(point)].is_quiet();
        let readers = (!is_quiet).then(|| tables.value_readers(code.value_readers));
        for reader in readers.into_iter().flatten() {
            let inside = reader
                .alarm
                .is_some_and(|alarm| self.state.is_inside(alarm.index(), reader.source));
            if !inside {
                self.queue.push(reader.unit);
            }
        }
        if health_changed {
            let readers = tables.health_readers(code.health_readers);
            self.queue.extend(readers);
        }
    }

    /// Queues who counts an alarm.
    pub(super) fn queue_readers_of_alarm(&mut self, tables: &impl Tables, alarm: u32) {
        let unit = tables.alarm(alarm).unit;
        self.queue.extend(tables.readers_of(unit));
    }

    /// Evaluates what is queued and what reads it, in the order of evaluation.
    pub(super) fn drain(&mut self, tables: &impl Tables, cause: Cause, effects: &mut Effects<'_>) {
        while let Some(unit) = self.queue.pop() {
            let changed = match tables.unit(unit) {
                Unit::Kept(kept) => {
                    let around = tables.kept(kept).around;
                    self.queue.extend(around);
                    self.evaluate_kept(tables, kept)
                }
                Unit::Alarm(alarm) => self.evaluate_alarm(tables, alarm, cause, effects),
            };
            if changed {
                self.queue.extend(tables.readers_of(unit));
            }
        }
    }

    /// True when the answer is another.
    fn evaluate_kept(&mut self, tables: &impl Tables, kept: u32) -> bool {
        let code = tables.kept(kept);
        let Unit::Alarm(owner) = tables.unit(code.owner) else {
            unreachable!("what remembers belongs to an alarm");
        };
        let now = self.now;
        let before = {
            let slot = &self.state.kept[at(kept)];
            (slot.truth(), slot.number(), slot.is_filling(&code))
        };
        match code.what {
            Kept::Held {
                condition,
                duration_ms,
            } => {
                let seen = self.state.seen_by(tables, owner);
                let condition = self.stack.condition(tables, condition, &seen);
                if let KeptSlot::Held(slot) = &mut self.state.kept[at(kept)] {
                    slot.step(condition, duration_ms, now);
                }
            }
            Kept::Since { condition, .. } => {
                let seen = self.state.seen_by(tables, owner);
                let condition = self.stack.condition(tables, condition, &seen);
                if let KeptSlot::Since(slot) = &mut self.state.kept[at(kept)] {
                    slot.step(condition, now);
                }
            }
            Kept::Window { of, slice_ms } => {
                let (input, read_at) = self.watched(tables, owner, of);
                if let KeptSlot::Window(slot) = &mut self.state.kept[at(kept)] {
                    slot.step(of, slice_ms, input, read_at, now);
                }
            }
            Kept::Repeats { point, .. } => {
                let input = self.state.seen_by(tables, owner).number(point).into();
                let read_at = self.state.points[at(point)].at;
                if let KeptSlot::Repeats(slot) = &mut self.state.kept[at(kept)] {
                    slot.step(input, read_at);
                }
            }
            Kept::During(calendar) => {
                if let KeptSlot::During(slot) = &mut self.state.kept[at(kept)] {
                    slot.step(tables.calendar(calendar), now);
                }
            }
        }
        let slot = &self.state.kept[at(kept)];
        let changed = (slot.truth(), slot.number()) != (before.0, before.1);
        if slot.is_filling(&code) != before.2 {
            // Its alarm waits for it, whether its answer is another or not.
            self.queue.push(code.owner);
        }
        let due = slot.next_due(&code);
        if due != NEVER {
            self.timers.arm(self.n_alarms() + kept, due);
        }
        changed
    }

    /// What a window of an alarm watches, now; and of a point, the source's time of its last reading.
    fn watched(&mut self, tables: &impl Tables, owner: u32, of: Watched) -> (Moment, UtcMs) {
        let seen = self.state.seen_by(tables, owner);
        match of.looks_at() {
            LooksAt::Point(point) => (seen.number(point).into(), self.state.points[at(point)].at),
            LooksAt::Condition(entry) => {
                let condition = self.stack.condition(tables, entry, &seen);
                (condition.into(), NEVER)
            }
            LooksAt::Formula(entry) => {
                let number = self.stack.formula(tables, entry, &seen);
                (number.into(), NEVER)
            }
        }
    }
}
