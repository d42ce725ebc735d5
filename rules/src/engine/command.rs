//! What people do to alarms.

use alloc::sync::Arc;

use telemetry::UtcMs;

use super::effects::Effects;
use super::machine::Machine;
use super::state::{alarms_about, own_points};
use crate::alarm::Shelf;
use crate::effect::{Cause, Command, EventKind, Letter, Refusal, Verb};
use crate::program::{Colour, Tables, at};

/// The longest that an alarm may be out of service, or under test, in milliseconds: 30 days and a day.
const OUT_MAX_MS: u64 = 30 * 86_400_000;
const TEST_MAX_MS: u64 = 86_400_000;
/// How long a siren that a person silenced is quiet before the alarm asks again, in milliseconds: ten minutes. Nothing is muted for good.
pub(super) const SILENCE_MAX_MS: u64 = 600_000;

type Done = Result<EventKind, Refusal>;

impl Machine {
    pub(super) fn command(
        &mut self,
        tables: &impl Tables,
        command: Command<'_>,
        effects: &mut Effects<'_>,
    ) -> Result<(), Refusal> {
        let alarm = command.alarm.0;
        let slot = self
            .state
            .alarms
            .get(at(alarm))
            .ok_or(Refusal::UnknownAlarm(alarm))?;
        if command.by.trim().is_empty() {
            return Err(Refusal::Nobody);
        }
        let current = u64::from(slot.occurrence);
        if let Some(seen) = command.occurrence.filter(|seen| *seen != current) {
            return Err(Refusal::OtherOccurrence { seen, current });
        }
        let rare = slot.rare.as_ref();
        let config_changed = rare.is_some_and(|rare| rare.aside.config_changed);
        if command.comment.is_none_or(is_blank) && wants_reason(command.verb, config_changed) {
            return Err(Refusal::NoReason);
        }
        let cause = Cause::Command(command.verb);
        let by: Arc<str> = command.by.into();
        effects.begin_deed(alarm, by.clone(), comment(&command));
        let done = self.deed(tables, &command, &by, effects);
        effects.end_deed();
        done?;
        self.drain(tables, cause, effects);
        self.rearm(tables, alarm);
        let flags = self.state.alarms[at(alarm)].flags;
        let ends = matches!(command.verb, Verb::Ack | Verb::Reset);
        if tables.rest(alarm).retired && ends && flags.letter_below() == Letter::A {
            self.emit(tables, alarm, EventKind::Retired, cause, effects);
        }
        Ok(())
    }

    /// What the person asked for, told by the alarm at least once.
    fn deed(
        &mut self,
        tables: &impl Tables,
        command: &Command<'_>,
        by: &Arc<str>,
        effects: &mut Effects<'_>,
    ) -> Result<(), Refusal> {
        let alarm = command.alarm.0;
        let cause = Cause::Command(command.verb);
        let flags = self.state.alarms[at(alarm)].flags;
        let kind = match command.verb {
            Verb::Ack => self.acknowledge(tables, alarm, by)?,
            Verb::Reset => self.reset(alarm)?,
            Verb::Comment => EventKind::Comment,
            Verb::Silence => self.silence(alarm)?,
            Verb::Shelve => self.shelve(tables, alarm, command, false)?,
            Verb::ShelveOnce => self.shelve(tables, alarm, command, true)?,
            Verb::Unshelve if !flags.shelved => return Err(Refusal::NotShelved),
            Verb::Unshelve => {
                self.unshelve(tables, alarm, cause, effects);
                EventKind::Unshelved
            }
            Verb::OutOfService => self.out_of_service(alarm, command)?,
            Verb::InService if !flags.out_of_service => return Err(Refusal::NotOut),
            Verb::InService => {
                self.back_in_service(tables, alarm, cause, effects);
                EventKind::InService
            }
            Verb::Test => {
                let kind = self.test(alarm, command)?;
                self.look_at_test(tables, alarm, cause, effects);
                kind
            }
            Verb::TestEnd => self.test_end(tables, alarm, cause, effects)?,
        };
        if !effects.is_deed_told() {
            self.emit(tables, alarm, kind, cause, effects);
        }
        if command.verb == Verb::Reset {
            self.mark_test(tables, alarm, cause, effects);
        }
        Ok(())
    }

    fn acknowledge(&mut self, tables: &impl Tables, alarm: u32, by: &Arc<str>) -> Done {
        let now = self.now;
        let slot = &mut self.state.alarms[at(alarm)];
        if slot.flags.acked {
            return Err(Refusal::AlreadyAcked);
        }
        slot.flags.acked = true;
        let re_alarm_ms = tables.rest(alarm).re_alarm_ms;
        let active = slot.flags.active;
        let rare = slot.rare();
        rare.acked = Some((now, by.clone()));
        rare.aside.silenced = false;
        rare.aside.re_alarm_at = (active && re_alarm_ms > 0).then(|| now.plus_ms(re_alarm_ms));
        rare.aside.config_changed = false;
        Ok(EventKind::Acked)
    }

    fn reset(&mut self, alarm: u32) -> Done {
        let flags = &mut self.state.alarms[at(alarm)].flags;
        if !flags.latched {
            return Err(Refusal::NotLatched);
        }
        if flags.active {
            return Err(Refusal::StillActive);
        }
        if !flags.acked {
            return Err(Refusal::NotAcked);
        }
        flags.latched = false;
        Ok(EventKind::Reset)
    }

    fn silence(&mut self, alarm: u32) -> Done {
        let now = self.now;
        let slot = &mut self.state.alarms[at(alarm)];
        if slot.flags.letter_below() != Letter::B {
            return Err(Refusal::NotSounding);
        }
        let aside = &mut slot.rare().aside;
        if aside.silenced {
            return Err(Refusal::AlreadySilenced);
        }
        aside.silenced = true;
        aside.re_alarm_at = Some(now.plus_ms(SILENCE_MAX_MS));
        Ok(EventKind::Silenced)
    }

    fn shelve(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        command: &Command<'_>,
        once: bool,
    ) -> Done {
        let most_ms = tables.rest(alarm).shelve_max_ms;
        if most_ms == 0 {
            return Err(Refusal::NotShelvable);
        }
        let until = self.end_of(command, most_ms)?;
        let slot = &mut self.state.alarms[at(alarm)];
        let letter = slot.flags.letter();
        if letter >= Letter::E {
            return Err(Refusal::NotFrom(letter));
        }
        if slot.flags.active && Colour::of_severity(slot.severity) == Colour::Red {
            return Err(Refusal::Red);
        }
        slot.flags.shelved = true;
        slot.rare().aside.shelf = Some(Shelf {
            until,
            once,
            by: command.by.into(),
        });
        Ok(EventKind::Shelved)
    }

    fn out_of_service(&mut self, alarm: u32, command: &Command<'_>) -> Done {
        if command
            .second
            .is_none_or(|second| is_blank(second) || is_same_person(second, command.by))
        {
            return Err(Refusal::NoSecond);
        }
        if command.ticket.is_none_or(is_blank) {
            return Err(Refusal::NoTicket);
        }
        let until = self.end_of(command, OUT_MAX_MS)?;
        let slot = &mut self.state.alarms[at(alarm)];
        if slot.flags.out_of_service {
            return Err(Refusal::AlreadyOut);
        }
        slot.flags.out_of_service = true;
        slot.rare().aside.out_until = Some(until);
        Ok(EventKind::OutOfService)
    }

    /// A test that goes on may be given another end. What stands is no test, and would take outputs and messages along.
    fn test(&mut self, alarm: u32, command: &Command<'_>) -> Done {
        let flags = self.state.alarms[at(alarm)].flags;
        if flags.stands() && !flags.test {
            return Err(Refusal::Stands);
        }
        let until = self.end_of(command, TEST_MAX_MS)?;
        self.state.alarms[at(alarm)].rare().aside.test_until = Some(until);
        Ok(EventKind::TestBegun)
    }

    /// Ends the tests of all alarms about its points, of whichever of them a person said so; those may be about other points too.
    fn test_end(
        &mut self,
        tables: &impl Tables,
        alarm: u32,
        cause: Cause,
        effects: &mut Effects<'_>,
    ) -> Done {
        let own = own_points(tables, alarm).into_iter().flatten();
        let about = own.flat_map(|point| alarms_about(tables, point));
        for tested in about.chain([alarm]) {
            let rare = self.state.alarms[at(tested)].rare.as_mut();
            if rare.is_some_and(|rare| rare.aside.test_until.take().is_some()) {
                self.due_alarms.push(tested);
            }
        }
        if self.due_alarms.is_empty() {
            return Err(Refusal::NoTest);
        }
        while let Some(tested) = self.due_alarms.pop() {
            self.look_at_test(tables, tested, cause, effects);
        }
        Ok(EventKind::Comment)
    }

    /// The end that a command names, within its bounds.
    fn end_of(&self, command: &Command<'_>, most_ms: u64) -> Result<UtcMs, Refusal> {
        let until = command.until.ok_or(Refusal::NoEnd)?;
        if until <= self.now {
            return Err(Refusal::EndIsPast);
        }
        if until.since_ms(self.now) > most_ms {
            return Err(Refusal::TooLong { most_ms });
        }
        Ok(until)
    }
}

/// Who puts an alarm aside says why, and so does who acknowledges that its rule changed; the hurried verbs of an emergency want nothing.
fn wants_reason(verb: Verb, config_changed: bool) -> bool {
    match verb {
        Verb::Comment | Verb::Shelve | Verb::ShelveOnce | Verb::OutOfService | Verb::Test => true,
        Verb::Ack => config_changed,
        Verb::Reset | Verb::Silence | Verb::Unshelve | Verb::InService | Verb::TestEnd => false,
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Names differ for more than capitals and the space around them.
fn is_same_person(one: &str, other: &str) -> bool {
    let lower = |name: &str| name.trim().to_lowercase();
    lower(one) == lower(other)
}

/// What they said, with the work order and the second person.
fn comment(command: &Command<'_>) -> Option<Arc<str>> {
    let with = [
        ("work order ", command.ticket),
        ("with ", command.second),
        ("", command.comment),
    ];
    let mut told = alloc::string::String::new();
    for (before, text) in with {
        if let Some(text) = text.filter(|text| !is_blank(text)) {
            if !told.is_empty() {
                told.push_str("; ");
            }
            told.push_str(before);
            told.push_str(text);
        }
    }
    (!told.is_empty()).then(|| told.into())
}
