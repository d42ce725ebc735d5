//! How an alarm is put aside: shelved, suppressed by design, out of service, silent, under test; and what ends by itself.
//!
//! None of it stops the evaluation: `active` follows the process in every letter, and whatever ends shows the state that the flags say.

use telemetry::UtcMs;

use super::effects::Effects;
use super::machine::Machine;
use super::state::{alarms_about, own_points};
use crate::alarm::Reason;
use crate::effect::{Cause, Effect, EventKind};
use crate::program::{Colour, Tables, at};
use crate::timer::NEVER;

impl Machine {
    /// What is over by now ends.
    pub(super) fn end_asides(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        let now = self.now;
        let Some(rare) = &self.state.alarms[at(alarm)].rare else {
            return;
        };
        let is_over = |until: Option<UtcMs>| until.is_some_and(|until| until <= now);
        let aside = &rare.aside;
        let shelf = is_over(aside.shelf.as_ref().map(|shelf| shelf.until));
        let out = is_over(aside.out_until);
        let re_alarm = is_over(aside.re_alarm_at);
        if shelf {
            self.unshelve(tables, alarm, cause, effects);
        }
        if out {
            self.back_in_service(tables, alarm, cause, effects);
        }
        if re_alarm {
            let slot = &mut self.state.alarms[at(alarm)];
            slot.flags.acked = false;
            let rare = slot.rare();
            rare.acked = None;
            rare.aside.re_alarm_at = None;
            rare.aside.silenced = false;
            rare.aside.re_alarms = rare.aside.re_alarms.saturating_add(1);
            self.emit(tables, alarm, EventKind::ReAlarmed, cause, effects);
        }
    }

    /// Tests that are over by now end, before anything is evaluated: what the point reads is of the process again.
    pub(super) fn end_tests(&mut self, tables: &impl Tables, effects: &mut Effects<'_>) {
        let now = self.now;
        while let Some(point) = self.due_points.pop() {
            self.mark_tests_about(tables, point, Cause::Timer, effects);
        }
        while let Some(alarm) = self.due_alarms.pop() {
            let slot = &mut self.state.alarms[at(alarm)];
            let until = slot.rare.as_mut().map(|rare| &mut rare.aside.test_until);
            let is_over = |until: &mut UtcMs| *until <= now;
            if until.is_some_and(|until| until.take_if(is_over).is_some()) {
                self.look_at_test(tables, alarm, Cause::Timer, effects);
            }
        }
    }

    /// A person's test of an alarm began or ended: it is a test of the points that the alarm is about, and so of all
    /// alarms about them.
    pub(super) fn look_at_test(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        let changed = self.mark_tested(tables, alarm);
        self.mark_test(tables, alarm, cause, effects);
        for point in changed.into_iter().flatten() {
            self.mark_tests_about(tables, point, cause, effects);
            // What it reads is seen by others otherwise than before.
            self.queue_readers_of_point(tables, point, true);
        }
    }

    /// Makes the points of an alarm say whether a person tests an alarm about them; gives those for which that is news.
    pub(super) fn mark_tested(&mut self, tables: &impl Tables, alarm: u32) -> [Option<u32>; 2] {
        own_points(tables, alarm).map(|point| {
            let point = point?;
            let tested = alarms_about(tables, point).any(|about| {
                let rare = self.state.alarms[at(about)].rare.as_ref();
                rare.is_some_and(|rare| rare.aside.test_until.is_some())
            });
            let slot = &mut self.state.points[at(point)];
            (core::mem::replace(&mut slot.tested, tested) != tested).then_some(point)
        })
    }

    /// Makes the flags of all alarms about a point say whether what they say is a test.
    pub(super) fn mark_tests_about(
        &mut self,
        tables: &impl Tables,
        point: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        for alarm in alarms_about(tables, point) {
            self.mark_test(tables, alarm, cause, effects);
        }
    }

    /// Makes the flag say whether what the alarm says is a test.
    pub(super) fn mark_test(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        let test = self.state.is_test(tables, alarm);
        let flags = &mut self.state.alarms[at(alarm)].flags;
        if core::mem::replace(&mut flags.test, test) == test {
            return;
        }
        self.queue_readers_of_alarm(tables, alarm);
        let kind = if test {
            EventKind::TestBegun
        } else {
            EventKind::TestEnded
        };
        self.emit(tables, alarm, kind, cause, effects);
    }

    pub(super) fn unshelve(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        let slot = &mut self.state.alarms[at(alarm)];
        slot.flags.shelved = false;
        slot.rare().aside.shelf = None;
        self.emit(tables, alarm, EventKind::Unshelved, cause, effects);
    }

    pub(super) fn back_in_service(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        let slot = &mut self.state.alarms[at(alarm)];
        slot.flags.out_of_service = false;
        slot.rare().aside.out_until = None;
        self.emit(tables, alarm, EventKind::InService, cause, effects);
    }

    /// Red is never on the shelf: it is taken back before the event that makes it red.
    pub(super) fn unshelve_for(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        severity: u16,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        let shelved = self.state.alarms[at(alarm)].flags.shelved;
        if shelved && Colour::of_severity(severity) == Colour::Red {
            self.unshelve(tables, alarm, cause, effects);
        }
    }

    /// Its rule is another: what the new one does not let be on the shelf comes back, and nothing stays there for longer than it lets.
    pub(super) fn look_at_shelf(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        effects: &mut Effects<'_>,
    ) {
        let most_ms = tables.rest(alarm).shelve_max_ms;
        let now = self.now;
        let slot = &mut self.state.alarms[at(alarm)];
        let is_red = slot.flags.active && Colour::of_severity(slot.severity) == Colour::Red;
        let rare = slot.rare.as_mut();
        let Some(shelf) = rare.and_then(|rare| rare.aside.shelf.as_mut()) else {
            return;
        };
        shelf.until = shelf.until.min(now.plus_ms(most_ms));
        if is_red || most_ms == 0 {
            self.unshelve(tables, alarm, Cause::Config, effects);
        }
        self.rearm(tables, alarm);
    }

    /// It returned: a shelf for once is over.
    pub(super) fn returned(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        let rare = self.state.alarms[at(alarm)].rare.as_ref();
        let shelf = rare.and_then(|rare| rare.aside.shelf.as_ref());
        if shelf.is_some_and(|shelf| shelf.once) {
            self.unshelve(tables, alarm, cause, effects);
        }
    }

    /// It was raised, is graver, or returned: no silence and no wait to ask again outlives that.
    pub(super) fn end_silence(&mut self, alarm: u32) {
        if let Some(rare) = &mut self.state.alarms[at(alarm)].rare {
            rare.aside.silenced = false;
            rare.aside.re_alarm_at = None;
        }
    }

    /// Looks at the reasons by which its rule suppresses it. Unknown never hides an alarm: it counts as false.
    pub(super) fn suppress(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) {
        let reasons = tables.rest(alarm).suppress;
        for (index, reason) in (reasons.from..reasons.to).enumerate() {
            let (code, word) = (tables.reason(reason), reason);
            let seen = self.state.seen_by(tables, alarm);
            let holds = self
                .stack
                .condition(tables, code.condition, &seen)
                .is_true();
            let now = self.now;
            let Some(reason) = self.state.alarms[at(alarm)]
                .rare()
                .aside
                .reasons
                .get_mut(index)
            else {
                continue;
            };
            let was_on = reason.on;
            if holds {
                *reason = Reason {
                    on: true,
                    due: None,
                };
            } else if reason.on {
                let due = reason
                    .due
                    .get_or_insert_with(|| now.plus_ms(u64::from(code.hold_off_ms)));
                if *due <= now {
                    *reason = Reason::default();
                }
            }
            let is_on = reason.on;
            if is_on == was_on {
                continue;
            }
            let aside = &self.state.alarms[at(alarm)].rare().aside;
            let any = aside.reasons.iter().any(|reason| reason.on);
            self.state.alarms[at(alarm)].flags.suppressed = any;
            let kind = if is_on {
                EventKind::Suppressed
            } else {
                EventKind::Unsuppressed
            };
            let effect = self.event(tables, alarm, kind, cause);
            effects.tell(Effect {
                comment: Some(tables.word(word)),
                ..effect
            });
        }
    }

    /// Brings what is derived up to date after something that ends by itself began or ended.
    pub(super) fn rearm(&mut self, tables: &impl Tables, alarm: u32) {
        self.state.refresh(tables, alarm);
        let due = self.state.alarms[at(alarm)].next_due;
        if due != NEVER {
            self.timers.arm(alarm, due);
        }
    }
}
