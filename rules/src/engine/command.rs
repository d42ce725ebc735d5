//! What people do to alarms.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::machine::Machine;
use crate::effect::{Cause, Command, Effect, EventKind, Letter, Refusal, Verb};
use crate::program::{Program, at};

impl Machine {
    pub(super) fn command(
        &mut self,
        program: &Program,
        command: Command<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let alarm = command.alarm.0;
        let now = self.now;
        let slot = self
            .state
            .alarms
            .get_mut(at(alarm))
            .ok_or(Refusal::UnknownAlarm(alarm))?;
        if command.by.is_empty() {
            return Err(Refusal::Nobody);
        }
        let current = u64::from(slot.occurrence);
        if let Some(seen) = command.occurrence.filter(|seen| *seen != current) {
            return Err(Refusal::OtherOccurrence { seen, current });
        }
        let by: Arc<str> = command.by.into();
        let kind = match command.verb {
            Verb::Ack if slot.flags.acked => return Err(Refusal::AlreadyAcked),
            Verb::Ack => {
                slot.flags.acked = true;
                slot.rare().acked = Some((now, by.clone()));
                EventKind::Acked
            }
            Verb::Reset if !slot.flags.latched => return Err(Refusal::NotLatched),
            Verb::Reset if slot.flags.active => return Err(Refusal::StillActive),
            Verb::Reset if !slot.flags.acked => return Err(Refusal::NotAcked),
            Verb::Reset => {
                slot.flags.latched = false;
                EventKind::Reset
            }
            Verb::Comment => EventKind::Comment,
        };
        self.emit(program, alarm, kind, Cause::Command(command.verb), effects);
        if let Some(effect) = effects.last_mut() {
            effect.by = Some(by);
            effect.comment = command.comment.map(Into::into);
        }
        let flags = self.state.alarms[at(alarm)].flags;
        if program.alarms()[at(alarm)].retired
            && kind != EventKind::Comment
            && flags.letter_below() == Letter::A
        {
            self.emit(
                program,
                alarm,
                EventKind::Retired,
                Cause::Command(command.verb),
                effects,
            );
        }
        Ok(())
    }
}
