//! What comes from the session: answers to what left, messages, and what was read from the journal.

use std::collections::btree_map::Entry;

use host::mqtt::{Message, Refusal};
use serde::Deserialize;
use telemetry::UtcMs;
use telemetry::topic::{SiteTopic, Topic};

use super::connect::{Kind, Sent, Stage};
use super::{Output, Publisher, Purpose, Report};
use crate::alarm::entry;
use crate::alarm::event::Event;

/// What matters of a snapshot part.
#[derive(Deserialize)]
struct PartHead {
    #[serde(default)]
    part: u32,
}

impl Publisher {
    /// The broker answered a publish.
    pub fn acked(&mut self, id: u64, refused: Option<Refusal>, now: UtcMs) {
        let Some(line) = &mut self.line else { return };
        let Some((sent, topic)) = line.under_way.remove(&id) else {
            return;
        };
        let kind = sent.kind();
        match refused {
            Some(refusal) => self.was_refused(sent, topic, refusal, now),
            None => self.was_taken(id, sent, now),
        }
        if refused.is_none() && kind != Kind::State
            || self
                .line
                .as_ref()
                .is_some_and(|line| line.refused_states.is_empty())
        {
            self.taken_again(kind, refused.is_some(), now);
        }
        self.go_on(now);
        self.pump(now);
    }

    fn taken_again(&mut self, kind: Kind, refused: bool, now: UtcMs) {
        if refused {
            return;
        }
        if let Some(topic) = self.refused.remove(&kind) {
            self.report(Report::Accepted { topic });
            if let Some(line) = self.line.as_mut().filter(|_| self.serves) {
                // This may have been all that kept it unknown.
                line.status_due = Some(now);
            }
        }
    }

    fn was_taken(&mut self, id: u64, sent: Sent, now: UtcMs) {
        let Some(line) = &mut self.line else { return };
        match sent {
            Sent::State { id, number } => {
                if let Some(entry) = self.table.get_mut(&id) {
                    let row = &entry.row;
                    entry.held |= (row.epoch, row.seq) == number;
                }
                line.refusals = 0;
            }
            Sent::Empty { id } => {
                if self
                    .table
                    .get(&id)
                    .is_some_and(|entry| entry.row.retired_at.is_some())
                {
                    self.table.remove(&id);
                    self.journal(entry::Entry::Forgotten(id), false);
                }
            }
            Sent::Event { place } => {
                line.acked_ahead.insert(place);
                line.refusals = 0;
                loop {
                    let next = self.at.spans.next(self.at.acked + 1);
                    let Some(line) = &mut self.line else { return };
                    if !line.acked_ahead.remove(&next) {
                        break;
                    }
                    self.at.acked = next;
                }
                if now.since_ms(self.acked_told.1) >= super::ACKED_MS {
                    self.tell_acked(now);
                }
            }
            Sent::Goodbye => self.out.push_back(Output::Farewell),
            Sent::Chunk => line.replays.chunk_taken(),
            Sent::Marker => self.marker_taken(id, now),
            Sent::Status | Sent::Part | Sent::Question => {}
        }
    }

    fn was_refused(&mut self, sent: Sent, topic: String, refusal: Refusal, now: UtcMs) {
        let (kind, was_known) = (sent.kind(), self.is_known());
        if let Entry::Vacant(first) = self.refused.entry(kind) {
            first.insert(topic.clone());
            self.report(Report::Refused { topic, refusal });
        }
        let Some(line) = &mut self.line else { return };
        match sent {
            Sent::State { id, .. } => {
                let until = now.plus_ms(line.refusal_wait());
                line.refused_states.insert(id, until);
            }
            Sent::Event { place } => {
                let until = now.plus_ms(line.refusal_wait());
                line.events_wait = Some(until);
                line.next_place = line.next_place.min(place);
                line.acked_ahead.split_off(&place);
                line.backlog.clear();
            }
            Sent::Goodbye => self.out.push_back(Output::Farewell),
            Sent::Chunk => line.replays.clear(),
            Sent::Marker => self.not_readable(Some(refusal), now),
            Sent::Question => self.question_refused(),
            // These come again by themselves.
            Sent::Status | Sent::Part | Sent::Empty { .. } => {}
        }
        let is_unknown_now = was_known && !self.is_known();
        if let Some(line) = &mut self.line
            && is_unknown_now
            && kind != Kind::Status
        {
            // What the broker holds is not the whole truth any more: say so.
            line.status_due = Some(now);
        }
    }

    /// Moves to the next stage when this one has nothing under way any more.
    pub(super) fn go_on(&mut self, now: UtcMs) {
        let Some(line) = &mut self.line else { return };
        match line.stage {
            Stage::States
                if line.states.is_empty()
                    && line.refused_states.is_empty()
                    && !line.has_under_way(Kind::State) =>
            {
                line.stage = Stage::Snapshot;
                self.make_snapshot(now);
            }
            Stage::Snapshot if line.parts.is_empty() && !line.has_under_way(Kind::Snapshot) => {
                line.stage = Stage::Known;
                line.status_due = Some(now);
            }
            _ => {}
        }
    }

    /// The broker answered a subscription.
    pub fn subscribed(&mut self, id: u64, refused: Option<Refusal>, now: UtcMs) {
        if let Some(refusal) = refused
            && self.reads_by(id)
        {
            self.not_readable(Some(refusal), now);
            self.pump(now);
        }
    }

    /// A message came.
    pub fn message(&mut self, message: &Message, now: UtcMs) {
        let Ok(topic) = SiteTopic::parse(&message.topic) else {
            return;
        };
        let site = &self.settings.site;
        if self.line.is_none() || topic.park != site.park || topic.enterprise != site.enterprise {
            return;
        }
        let payload = &message.payload;
        match topic.topic {
            Topic::ReplayEvents { client }
                if client == self.settings.client_id && !message.retained =>
            {
                if payload.is_empty() {
                    self.slice_read(now);
                } else {
                    self.question_answered(now);
                }
            }
            // Our own question is for others.
            Topic::ReplayRequest { client }
                if client != self.settings.client_id && !message.retained =>
            {
                self.replay_requested(client, payload, now);
            }
            Topic::GatewayStatus => self.status_came(payload, message.retained, now),
            Topic::AlarmSnapshot { part } if message.retained && !payload.is_empty() => {
                self.note_number(payload);
                let head: Option<PartHead> = serde_json::from_slice(payload).ok();
                let held = head
                    .map_or(part, |head| head.part.max(part))
                    .saturating_add(1);
                if let Some(line) = &mut self.line {
                    line.parts_held = line.parts_held.max(held);
                }
            }
            Topic::AlarmState { unit, point, rule } if message.retained && !payload.is_empty() => {
                self.state_read(&format!("{unit}/{point}/{rule}"), payload, now);
            }
            _ => {}
        }
        self.pump(now);
    }

    /// Events that were read from the journal, in the order of their places.
    pub fn fetched(&mut self, purpose: Purpose, events: Vec<Event>, now: UtcMs) {
        match purpose {
            Purpose::Reissue => self.reissued(events, now),
            Purpose::Backlog => self.backlog_came(events),
            Purpose::Replay(ticket) => self.replay_came(ticket, events),
        }
        self.pump(now);
    }

    fn backlog_came(&mut self, events: Vec<Event>) {
        let Some(line) = &mut self.line else { return };
        if !std::mem::take(&mut line.fetching) {
            return;
        }
        let wanted = self.at.spans.next(line.next_place);
        let spans = &self.at.spans;
        line.backlog = events
            .into_iter()
            .filter(|event| event.place >= wanted && spans.number(event.place).is_some())
            .collect();
        let recent = self.recent.front().map(|event| event.place);
        let found = line.backlog.front().map(|event| event.place).or(recent);
        let found = found.unwrap_or(self.at.place + 1);
        if found > wanted {
            line.next_place = found;
            self.at.acked = self.at.acked.max(found - 1);
            self.report(Report::Missing {
                from: wanted,
                to: found - 1,
            });
        }
    }
}
