//! What leaves next, while there is room: status, states, events, snapshot, replays.

use host::mqtt::Publish;
use telemetry::UtcMs;
use telemetry::topic::{NONE, Topic};

use super::connect::{Line, Sent, Stage};
use super::{Output, Publisher, Purpose, RETIRED_MS, SNAPSHOT_MS, Writing, message};
use crate::alarm::entry::Entry;
use crate::alarm::event::Hash;
use crate::alarm::message::{AlarmWord, Status, parts};

/// A state that has waited this long takes turns with the events, in milliseconds.
const OVERDUE_MS: u64 = 500;
/// How many rows of a checkpoint are written at a time.
const ROWS: usize = 64;

impl Publisher {
    pub(super) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn send(&mut self, sent: Sent, publish: Publish) {
        let id = self.id();
        if let Some(line) = &mut self.line {
            line.under_way.insert(id, (sent, publish.topic.clone()));
            self.out.push_back(Output::Publish { id, publish });
        }
    }

    /// Lets leave what may, as far as there is room.
    pub(super) fn pump(&mut self, now: UtcMs) {
        self.write_checkpoint();
        while !self.stopping
            && self.line.as_ref().is_some_and(Line::has_room)
            && self.send_next(now)
        {}
    }

    fn send_next(&mut self, now: UtcMs) -> bool {
        self.go_on(now);
        let Some(line) = &self.line else { return false };
        if line.status_due.is_some_and(|due| due <= now) {
            return self.send_status(now);
        }
        if !self.is_settled() {
            return false;
        }
        // What left without the disk shows its number in a state first.
        let undurable = self.durable_place < self.at.place;
        let overdue = line
            .states
            .front()
            .is_some_and(|(_, since)| now.since_ms(*since) > OVERDUE_MS);
        let turn = overdue && line.state_turn;
        if let Some(line) = &mut self.line {
            line.state_turn = !turn;
        }
        (undurable || turn) && self.send_state()
            || self.send_event()
            || self.send_state()
            || self.send_part(now)
            || self.send_empty(now)
            || self.send_replay()
    }

    fn send_status(&mut self, now: UtcMs) -> bool {
        let known = self.is_known();
        let (head, hash) = (self.head(), self.at.head.unwrap_or_default());
        let status = Status {
            alarms: if known {
                AlarmWord::Known
            } else {
                AlarmWord::Unknown
            },
            head: head.map(|(epoch, seq)| (epoch, seq, &hash)),
            rules_hash: &self.settings.rules_hash,
            instance: &self.settings.instance,
        };
        let publish = Publish {
            retain: true,
            ..message(
                self.topic(Topic::GatewayStatus),
                status.write(&self.settings.site),
            )
        };
        if let Some(line) = &mut self.line {
            line.has_spoken = true;
            line.status_due = Some(Self::next_status(now));
        }
        self.send(Sent::Status, publish);
        true
    }

    fn send_state(&mut self) -> bool {
        loop {
            let Some(line) = &mut self.line else {
                return false;
            };
            let Some((id, _)) = line.states.pop_front() else {
                return false;
            };
            let Some(entry) = self.table.get_mut(&id) else {
                continue;
            };
            entry.queued = false;
            if entry.held {
                continue;
            }
            let row = &entry.row;
            line.shown = line.shown.max(row.place);
            let number = (row.epoch, row.seq);
            let body = row.body();
            let publish = Publish {
                retain: true,
                ..message(self.topic(state_topic(&id)), body)
            };
            self.send(Sent::State { id, number }, publish);
            return true;
        }
    }

    fn send_event(&mut self) -> bool {
        let Some(line) = &mut self.line else {
            return false;
        };
        if line.stage != Stage::Known || line.events_wait.is_some() || line.fetching {
            return false;
        }
        let place = self.at.spans.next(line.next_place);
        if place > self.at.place || place > self.durable_place.max(line.shown) {
            return false;
        }
        while line
            .backlog
            .front()
            .is_some_and(|event| event.place < place)
        {
            line.backlog.pop_front();
        }
        let read = line.backlog.pop_front_if(|event| event.place == place);
        let Some(event) = read.or_else(|| self.recent(place).cloned()) else {
            if let Some(line) = &mut self.line {
                line.fetching = true;
                line.backlog.clear();
            }
            self.out.push_back(Output::Fetch {
                purpose: Purpose::Backlog,
                from: place,
            });
            return false;
        };
        if let Some(line) = &mut self.line {
            line.next_place = place + 1;
        }
        let publish = message(self.topic(Topic::AlarmEvent), event.bytes.to_vec());
        self.send(Sent::Event { place }, publish);
        true
    }

    pub(super) fn make_snapshot(&mut self, now: UtcMs) {
        let Some(line) = &mut self.line else { return };
        let Some((epoch, seq)) = self.at.spans.number(self.at.place) else {
            return;
        };
        let head: Hash = self.at.head.unwrap_or_default();
        let rows = self.table.snapshot();
        let written = parts(
            &self.settings.site,
            (epoch, seq, &head),
            rows,
            line.parts_held,
            now,
        );
        line.parts_held = u32::try_from(written.len()).unwrap_or(u32::MAX);
        line.parts = (0..).zip(written).collect();
        line.snapshot_due = Some(now.plus_ms(SNAPSHOT_MS));
    }

    fn send_part(&mut self, now: UtcMs) -> bool {
        let Some(line) = &self.line else { return false };
        let due = line.snapshot_due.is_some_and(|due| due <= now);
        if line.stage == Stage::Known && due && line.parts.is_empty() {
            self.make_snapshot(now);
        }
        let Some(line) = &mut self.line else {
            return false;
        };
        let Some((part, body)) = line.parts.pop_front() else {
            return false;
        };
        let publish = Publish {
            retain: true,
            ..message(self.topic(Topic::AlarmSnapshot { part }), body)
        };
        self.send(Sent::Part, publish);
        true
    }

    /// Empties the topics of alarms that are no more: strangers of an earlier history, once the snapshot has said so, and what retired 30 days ago.
    fn send_empty(&mut self, now: UtcMs) -> bool {
        let Some(line) = &mut self.line else {
            return false;
        };
        if line.stage != Stage::Known {
            return false;
        }
        let mut found = None;
        while let Some(id) = line.strangers.pop() {
            if self.table.get(&id).is_none() {
                found = Some(id);
                break;
            }
        }
        if found.is_none() && line.retire_due.is_none_or(|due| due <= now) {
            line.retire_due = Some(now.plus_ms(SNAPSHOT_MS));
            let old = self.table.iter().filter(|entry| {
                let retired = entry.row.retired_at;
                retired.is_some_and(|at| now.since_ms(at) >= RETIRED_MS)
            });
            line.retired = old.map(|entry| entry.row.id.clone()).collect();
        }
        let Some(id) = found.or_else(|| line.retired.pop()) else {
            return false;
        };
        let publish = Publish {
            retain: true,
            ..message(self.topic(state_topic(&id)), Vec::new())
        };
        self.send(Sent::Empty { id }, publish);
        true
    }

    /// Goes on with the checkpoint, some rows at a time; a row that the log may not have yet waits.
    fn write_checkpoint(&mut self) {
        if self.checkpoint == Writing::Wanted && self.durable_place == self.at.place {
            self.checkpoint = Writing::Rows(None);
            self.journal(Entry::Begin(Box::new(self.at.clone())), false);
        }
        let Writing::Rows(after) = &self.checkpoint else {
            return;
        };
        let rows: Vec<_> = self
            .table
            .after(after.as_deref())
            .take(ROWS)
            .take_while(|entry| entry.row.place <= self.durable_place)
            .map(|entry| entry.row.clone())
            .collect();
        match rows.last() {
            Some(last) => {
                self.checkpoint = Writing::Rows(Some(last.id.clone()));
                for row in rows {
                    self.journal(Entry::Row(row), false);
                }
            }
            None if self.table.after(after.as_deref()).next().is_none() => {
                self.checkpoint = Writing::Nothing;
                self.journal(Entry::End, false);
            }
            None => {}
        }
    }
}

/// The topic of an alarm's state, by its id.
fn state_topic(id: &str) -> Topic<'_> {
    let mut parts = id.splitn(3, '/');
    let mut next = || parts.next().unwrap_or(NONE);
    Topic::AlarmState {
        unit: next(),
        point: next(),
        rule: next(),
    }
}
