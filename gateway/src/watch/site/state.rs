//! Retained states, held against their events and against each other.

use std::cmp::Ordering;

use telemetry::UtcMs;

use super::{Held, RETIRED_MS, Site};
use crate::watch::body::{self, Alarm};
use crate::watch::history::Claim;
use crate::watch::{Desk, ProblemKind, Told};

impl Site {
    pub(in crate::watch) fn state_came(
        &mut self,
        id: &str,
        payload: &[u8],
        retained: bool,
        desk: &mut Desk,
        now: UtcMs,
    ) {
        if payload.is_empty() {
            return self.state_emptied(id, desk, now);
        }
        let what = || format!("state of {id}");
        let state = match body::state(&self.name, payload) {
            Ok(state) if *state.id == *id => state,
            Ok(state) => {
                let why = format!("`id`: `{}`", state.id);
                return self.malformed(desk, &what(), why, now);
            }
            Err(why) => return self.malformed(desk, &what(), why, now),
        };
        desk.counts.states += 1;
        if !self.is_current(&what(), &state.epoch, retained, desk, now) {
            return;
        }
        self.told_of(&state.epoch, state.seq, desk, now);
        if !retained {
            let before = self.live.states.get(id).copied();
            match before {
                Some((before, _)) if state.seq < before => {
                    let (id, seq) = (id.to_owned(), state.seq);
                    self.problem(desk, ProblemKind::StateWentBack { id, seq, before }, now);
                }
                Some((before, digest)) if before == state.seq && digest != state.digest => {
                    let (id, seq) = (id.to_owned(), state.seq);
                    self.problem(desk, ProblemKind::StateDiffers { id, seq }, now);
                }
                _ => {
                    let number = (state.seq, state.digest);
                    self.live.states.insert(state.id.clone(), number);
                }
            }
        }
        if self
            .live
            .owed
            .get(id)
            .is_some_and(|(seq, _)| *seq <= state.seq)
        {
            self.live.owed.remove(id);
        }
        let shown = self.live.shown.entry(state.id.clone()).or_default();
        *shown = state.seq.max(*shown);
        let claim = Claim::State(state.id.clone(), state.digest);
        self.claim(state.seq, claim, desk, now);
        let (id, seq, view) = (state.id.clone(), state.seq, state.view.clone());
        let abnormal = |held: &Held| held.view.letter != 'A';
        let was_listed = self.alarms.get(&id).is_some_and(abnormal);
        let is_new = self.hold(state);
        if is_new && (was_listed || view.letter != 'A') {
            let (id, view) = (id.to_string(), Box::new(view));
            desk.tell(&self.name, Told::State { seq, id, view });
        }
    }

    fn state_emptied(&mut self, id: &str, desk: &mut Desk, now: UtcMs) {
        let Some(held) = self.alarms.get(id) else {
            return;
        };
        let of_now = self.order(&held.epoch) == Ordering::Equal;
        let rested = now.since_ms(held.view.changed_at) >= RETIRED_MS;
        if of_now && !(held.view.letter == 'A' && rested) {
            let id = id.to_owned();
            self.problem(desk, ProblemKind::StateEmptied { id }, now);
        }
        if self
            .alarms
            .remove(id)
            .is_some_and(|held| held.view.letter != 'A')
        {
            let id = id.to_owned();
            desk.tell(&self.name, Told::Gone { id });
        }
    }

    /// Puts a state into the table, if it is later than what is there; true when it is another one.
    pub(super) fn hold(&mut self, state: Alarm) -> bool {
        let held = Held {
            epoch: state.epoch,
            seq: state.seq,
            view: state.view,
            from_row: false,
        };
        match self.alarms.get_mut(&state.id) {
            None => {
                self.alarms.insert(state.id, held);
                true
            }
            Some(before) => {
                let was = (&before.epoch, before.seq);
                let is = (&held.epoch, held.seq);
                let is_later = is > was;
                if is_later || (is == was && before.from_row) {
                    *before = held;
                }
                is_later
            }
        }
    }
}
