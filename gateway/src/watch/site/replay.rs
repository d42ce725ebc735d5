//! Asking again for what was not heard, and finding out what was left out.

use telemetry::UtcMs;
use telemetry::body::ReplayRequest;
use telemetry::topic::{SiteTopic, Topic};

use super::{ATTEMPTS_MAX, Asking, GRACE_MS, REPLAY_MS, Site};
use crate::watch::body::{self, BULK_LEN_MAX};
use crate::watch::{Desk, ProblemKind, Request};

impl Site {
    pub(in crate::watch) fn replay_came(
        &mut self,
        payload: &[u8],
        retained: bool,
        desk: &mut Desk,
        now: UtcMs,
    ) {
        if retained {
            let what = "a replay".to_owned();
            return self.problem(desk, ProblemKind::Retained { what }, now);
        }
        let Some(asking) = &mut self.asking else {
            return;
        };
        asking.moved_at = now;
        asking.answered = true;
        let (from, to) = (asking.from, asking.to);
        if payload.is_empty() {
            return self.replay_ended(desk, now);
        }
        let lines = payload
            .strip_suffix(b"\n")
            .filter(|_| payload.len() <= BULK_LEN_MAX);
        let Some(lines) = lines else {
            let why = "a message that is too long, or has no line feed at its end";
            return self.problem(desk, ProblemKind::Replay { from, to, why }, now);
        };
        for line in lines.split(|byte| *byte == b'\n') {
            let event = match body::event(&self.name, line) {
                Ok(event) => event,
                Err(why) => {
                    self.malformed(desk, "replayed event", why, now);
                    continue;
                }
            };
            let seq = event.alarm.seq;
            let history = self.history.as_ref();
            let same = history.is_some_and(|history| history.epoch == event.alarm.epoch);
            if !same || !(from..=to).contains(&seq) {
                let why = "an event that was not asked for";
                self.problem(desk, ProblemKind::Replay { from, to, why }, now);
                continue;
            }
            if history.is_some_and(|history| history.hole(seq).is_some()) {
                desk.counts.replayed += 1;
                self.take(event, true, desk, now);
            } else {
                self.came_again(&event, desk, now);
            }
        }
    }

    /// A replay stands still: it began and has no end, or nobody answers.
    pub(super) fn replay_stands(&mut self, desk: &mut Desk, now: UtcMs) {
        if let Some(asking) = &self.asking
            && asking.answered
        {
            let (from, to) = (asking.from, asking.to);
            let why = "no empty message at its end";
            self.problem(desk, ProblemKind::Replay { from, to, why }, now);
        }
        self.replay_ended(desk, now);
    }

    /// A replay is over, or stands still: what it left is asked for again, or is lost.
    pub(super) fn replay_ended(&mut self, desk: &mut Desk, now: UtcMs) {
        let Some(asking) = self.asking.take() else {
            return;
        };
        let Some(history) = &mut self.history else {
            return;
        };
        let moved = self.progress_at > asking.since;
        let mut lost = Vec::new();
        let mut floor = history.floor;
        for (from, hole) in history.holes.range_mut(..=asking.to) {
            if hole.to < asking.from || hole.ask_at.is_none() {
                continue;
            }
            hole.attempts += u32::from(!moved);
            hole.ask_at = Some(now.plus_ms(REPLAY_MS));
            if hole.old && *from == floor {
                // As far back as the gateway has them.
                floor = hole.to + 1;
            } else if hole.attempts >= ATTEMPTS_MAX {
                hole.ask_at = None;
                lost.push((*from, hole.to));
            }
        }
        history.raise_floor(floor);
        for (from, to) in lost {
            self.problem(desk, ProblemKind::NotRepaired { from, to }, now);
        }
    }

    /// What should have come while nothing stood in its way.
    pub(super) fn find_left_out(&mut self, desk: &mut Desk, now: UtcMs) {
        let late = |since: UtcMs| now.since_ms(since) > GRACE_MS;
        if let Some((high, since)) = self.behind
            && late(since)
            && let Some(history) = &mut self.history
        {
            self.behind = None;
            let (from, to) = (history.top + 1, high);
            history.dig(high, false, false, now);
            self.problem(desk, ProblemKind::LeftOut { from, to }, now);
        }
        let progress = self.progress_at;
        let owed = self
            .live
            .owed
            .extract_if(.., |_, (_, since)| late((*since).max(progress)));
        let owed: Vec<_> = owed.collect();
        for (id, (seq, _)) in owed {
            let id = id.to_string();
            self.problem(desk, ProblemKind::StateLeftOut { id, seq }, now);
        }
    }

    /// Asks for the first hole that may be asked for.
    pub(super) fn ask(&mut self, desk: &mut Desk, now: UtcMs) {
        let Some(history) = &self.history else { return };
        let due = |at: &Option<UtcMs>| at.is_some_and(|at| at <= now);
        let Some((from, hole)) = history.holes.iter().find(|(_, hole)| due(&hole.ask_at)) else {
            return;
        };
        let request = ReplayRequest {
            epoch: history.epoch.to_string(),
            from: *from,
            to: hole.to,
        };
        self.asking = Some(Asking {
            from: *from,
            to: hole.to,
            since: now,
            moved_at: now,
            answered: false,
        });
        let topic = SiteTopic {
            park: &self.park,
            enterprise: &self.enterprise,
            topic: Topic::ReplayRequest {
                client: &desk.client,
            },
        };
        desk.requests.push_back(Request {
            topic: topic.to_string(),
            payload: telemetry::body::encode(&request),
        });
    }
}
