//! Events, one after the other: order, chain, life cycle, and epochs that follow on each other.

use std::cmp::Ordering;

use telemetry::UtcMs;

use super::{SHORT_MS, Site};
use crate::watch::body::{self, Event};
use crate::watch::history::{History, Seen, judge};
use crate::watch::{Desk, ProblemKind, Told};

impl Site {
    pub(in crate::watch) fn event_came(
        &mut self,
        payload: &[u8],
        retained: bool,
        desk: &mut Desk,
        now: UtcMs,
    ) {
        if retained {
            let what = "an event".to_owned();
            self.problem(desk, ProblemKind::Retained { what }, now);
        }
        let event = match body::event(&self.name, payload) {
            Ok(event) => event,
            Err(why) => return self.malformed(desk, "event", why, now),
        };
        let (epoch, seq) = (event.alarm.epoch.clone(), event.alarm.seq);
        if self.ends_the_epoch_before(&event, desk, now)
            || !self.is_current(&format!("event {seq}"), &epoch, false, desk, now)
        {
            return;
        }
        self.enter(&epoch, seq - 1, desk, now);
        self.live.begun = true;
        self.live.high = self.live.high.max(seq);
        let away = std::mem::replace(&mut self.live.fresh, false);
        let old = std::mem::replace(&mut self.is_new, false);
        let Some(history) = &mut self.history else {
            return;
        };
        if seq < history.floor || history.events.contains_key(&seq) {
            return self.came_again(&event, desk, now);
        }
        let mut wrong = None;
        // Of what was told before this connection, the state was too.
        let mut on_its_way = !away;
        match history.hole(seq) {
            Some((_, hole)) if !hole.away => wrong = Some(ProblemKind::Reordered { seq }),
            Some(_) => on_its_way = false,
            None if seq > history.top + 1 => {
                if !away {
                    let (from, to) = (history.top + 1, seq - 1);
                    wrong = Some(ProblemKind::LeftOut { from, to });
                }
                history.dig(seq - 1, away, old, now.plus_ms(SHORT_MS));
            }
            None => {}
        }
        if let Some(kind) = wrong {
            self.problem(desk, kind, now);
        }
        if event.has_state() && on_its_way {
            let id = event.alarm.id.clone();
            let shown = self.live.shown.get(&id).is_some_and(|shown| *shown >= seq);
            if !shown {
                self.live.owed.insert(id, (seq, now));
            }
        }
        self.take(event, false, desk, now);
    }

    /// Takes an event of the epoch before; true when that is what it is.
    ///
    /// A new epoch's states come before the events that the gateway does not know to have arrived, and those end the epoch before:
    /// what was heard in its time comes again, what was not comes now. Once the new epoch's own events have begun, only repeats come.
    fn ends_the_epoch_before(&mut self, event: &Event, desk: &mut Desk, now: UtcMs) -> bool {
        let (epoch, seq) = (&event.alarm.epoch, event.alarm.seq);
        if self.order(epoch) != Ordering::Less {
            return false;
        }
        let before = self.previous.as_ref();
        let before = before.filter(|before| before.epoch >= *epoch);
        if before.is_some_and(|before| before.epoch > *epoch) {
            return false;
        }
        let known = before.and_then(|before| before.events.get(&seq));
        if let Some(known) = known {
            desk.counts.repeats += 1;
            if known.hash != event.hash {
                self.problem(desk, ProblemKind::RepeatDiffers { seq }, now);
            }
            return true;
        }
        if self.live.begun {
            return false;
        }
        let heard_all = self.live.turned && before.is_some();
        let mut before = match self.previous.take() {
            Some(before) if before.epoch == *epoch => before,
            _ => History::new(epoch.clone(), seq),
        };
        let mut wrong = Vec::new();
        match before.hole(seq) {
            Some((_, hole)) if !hole.away => wrong.push(ProblemKind::Reordered { seq }),
            None if seq > before.top + 1 => {
                if heard_all {
                    let (from, to) = (before.top + 1, seq - 1);
                    wrong.push(ProblemKind::LeftOut { from, to });
                }
                before.dig(seq - 1, true, true, now);
            }
            _ => {}
        }
        if seq < before.floor {
            desk.counts.repeats += 1;
        } else {
            let seen = Seen::of(event);
            let (broken, claims) = before.take(seq, seen.clone());
            let broken = broken
                .into_iter()
                .map(|seq| ProblemKind::ChainBroken { seq });
            wrong.extend(broken);
            for claim in claims {
                self.judged(seq, &claim, judge(&seen, &claim), desk, now);
            }
            desk.counts.events += 1;
            self.tell_event(event, false, desk);
        }
        self.previous = Some(before);
        for kind in wrong {
            self.problem(desk, kind, now);
        }
        true
    }

    fn tell_event(&self, event: &Event, replayed: bool, desk: &mut Desk) {
        let told = Told::Event {
            seq: event.alarm.seq,
            id: event.alarm.id.to_string(),
            event: event.kind.clone(),
            by: event.by.clone(),
            comment: event.comment.clone(),
            changed_at: event.alarm.view.changed_at,
            view: Box::new(event.alarm.view.clone()),
            replayed,
        };
        desk.tell(&self.name, told);
    }

    pub(super) fn came_again(&self, event: &Event, desk: &mut Desk, now: UtcMs) {
        desk.counts.repeats += 1;
        let seq = event.alarm.seq;
        let known = self
            .history
            .as_ref()
            .and_then(|history| history.events.get(&seq));
        if known.is_some_and(|known| known.hash != event.hash) {
            self.problem(desk, ProblemKind::RepeatDiffers { seq }, now);
        }
    }

    /// Takes an event that was not known.
    pub(super) fn take(&mut self, event: Event, replayed: bool, desk: &mut Desk, now: UtcMs) {
        desk.counts.events += 1;
        self.progress_at = now;
        let seq = event.alarm.seq;
        if event.kind == "epoch" {
            self.turned(&event, desk, now);
        } else if event.has_state() {
            self.life_cycle(&event, desk, now);
        }
        self.tell_event(&event, replayed, desk);
        let Some(history) = &mut self.history else {
            return;
        };
        let seen = Seen::of(&event);
        let (broken, claims) = history.take(seq, seen.clone());
        let top = history.top;
        for seq in broken {
            self.problem(desk, ProblemKind::ChainBroken { seq }, now);
        }
        for claim in claims {
            self.judged(seq, &claim, judge(&seen, &claim), desk, now);
        }
        self.judge_unlisted(desk, now);
        self.behind = match self.behind {
            Some((high, _)) if high > top => Some((high, now)),
            _ => None,
        };
        if event.has_state() {
            self.hold(event.alarm);
        }
    }

    /// An epoch's own event: does it continue the one before?
    fn turned(&self, event: &Event, desk: &mut Desk, now: UtcMs) {
        let Some(before) = &self.previous else { return };
        let why = match (&event.previous_epoch, event.prev) {
            (None, None) => return,
            (None, Some(_)) => "`prev` without `previous_epoch`",
            (Some(previous), _) if **previous >= *event.alarm.epoch => {
                "`previous_epoch` does not sort before it"
            }
            (Some(previous), Some(prev))
                if *previous == before.epoch
                    && before.knows_all(1..=before.top)
                    && before.events.values().all(|seen| seen.hash != prev) =>
            {
                "`prev` is the hash of no event of the epoch before"
            }
            _ => return,
        };
        let epoch = event.alarm.epoch.to_string();
        self.problem(desk, ProblemKind::Epoch { epoch, why }, now);
    }

    /// Can this event follow on what is known of its alarm?
    fn life_cycle(&self, event: &Event, desk: &mut Desk, now: UtcMs) {
        let (id, seq) = (&event.alarm.id, event.alarm.seq);
        let (Some(held), Some(history)) = (self.alarms.get(id), &self.history) else {
            return;
        };
        let follows = held.epoch == event.alarm.epoch
            && held.seq < seq
            && !held.from_row
            && history.knows_all(held.seq + 1..=seq - 1);
        if !follows {
            return;
        }
        let (was, is) = (&held.view, &event.alarm.view);
        let raised = !was.active && is.active;
        // A rule that is another one now, or none, latches nothing.
        let may_unlatch = matches!(event.kind.as_str(), "reset" | "config-changed" | "retired");
        let why = if is.occurrence != was.occurrence + u64::from(raised) {
            "`occurrence` grows by 1 when `active` becomes true, and only then"
        } else if raised != (event.kind == "raised") {
            "`raised` is where `active` becomes true"
        } else if was.active == is.active && event.kind == "returned" {
            "`returned` is where `active` becomes false"
        } else if was.latched && !is.latched && !may_unlatch {
            "`latched` stays true until `reset`"
        } else if is.changed_at < was.changed_at {
            "`changed_at` went back"
        } else {
            return;
        };
        let id = id.to_string();
        self.problem(desk, ProblemKind::LifeCycle { id, seq, why }, now);
    }
}
