//! From the engine's effects to numbered events: when they leave, and which of them were there before.

use telemetry::UtcMs;

use super::{PATIENCE_MS, Publisher, RECENT_MAX, Report, Waiting};
use crate::alarm::Epoch;
use crate::alarm::entry::Entry;
use crate::alarm::event::{Draft, Event};
use crate::alarm::recover::fingerprint;
use crate::alarm::table::StateRow;

impl Publisher {
    /// Takes the events of one record, in their order. `position` is the log's offset behind it; it grows from call to call.
    ///
    /// Before [`start`](Self::start) this is the log's replay: what the journal has already is held against it and left out.
    pub fn commit(&mut self, position: u64, drafts: Vec<Draft>, now: UtcMs) {
        let covered = self.at.covered.filter(|_| !self.started);
        let mut fresh = Vec::with_capacity(drafts.len());
        for (index, draft) in (0_u32..).zip(drafts) {
            if covered < Some((position, index)) {
                fresh.push((index, draft));
            } else if let Some(known) = self.known.get(&(position, index))
                && *known != fingerprint(&draft.lead, &draft.tail, &draft.rest)
            {
                self.report(Report::Diverged { position, index });
            }
        }
        if !fresh.is_empty() {
            self.waiting.push_back(Waiting {
                position,
                drafts: fresh,
                leave_at: now.plus_ms(PATIENCE_MS),
            });
        }
        if self.started && position <= self.durable {
            self.release(now);
            self.pump(now);
        }
    }

    /// The log is on disk up to this offset.
    pub fn durable(&mut self, position: u64, now: UtcMs) {
        self.durable = self.durable.max(position);
        while let Some(&(position, place)) = self.undurable.front()
            && position <= self.durable
        {
            self.undurable.pop_front();
            self.durable_place = place;
        }
        if self.undurable.is_empty() {
            self.durable_place = self.at.place;
        }
        if self.started {
            self.release(now);
            self.settle(now);
            self.pump(now);
        }
    }

    /// Numbers what the disk has, and what has waited long enough.
    pub(super) fn release(&mut self, now: UtcMs) {
        // Until a new epoch has told everything again, nothing else gets a number.
        if !self.started || self.at.reissue.is_some() {
            return;
        }
        while let Some(waiting) = self.waiting.front() {
            let durable = waiting.position <= self.durable;
            if !durable && waiting.leave_at > now {
                break;
            }
            let Waiting {
                position, drafts, ..
            } = self.waiting.pop_front().expect("it was looked at");
            for (index, draft) in drafts {
                self.number(&draft, position, index, 0, now);
            }
            if durable && self.undurable.is_empty() {
                self.durable_place = self.at.place;
            } else if !durable {
                self.undurable.push_back((position, self.at.place));
            }
        }
    }

    /// Gives an event its place and number, in the journal, the table and the queue of states.
    pub(super) fn number(
        &mut self,
        draft: &Draft,
        position: u64,
        index: u32,
        origin: u64,
        now: UtcMs,
    ) {
        let span = self
            .at
            .spans
            .current()
            .expect("an epoch begins before any event");
        let place = self.at.place + 1;
        self.put(
            span.epoch,
            place - span.first + 1,
            draft,
            (position, index),
            origin,
        );
        let event = self.recent.back().expect("it was just put there");
        if event.stateful {
            let row = StateRow::of(event);
            let id = row.id.clone();
            let entry = self.table.put(row);
            if let Some(line) = &mut self.line {
                line.queue(entry, id, now);
            }
        }
    }

    /// Writes an event's bytes and puts it behind the last.
    pub(super) fn put(
        &mut self,
        epoch: Epoch,
        seq: u64,
        draft: &Draft,
        (position, index): (u64, u32),
        origin: u64,
    ) {
        let (bytes, rest_at) = draft.write(epoch, seq, self.at.head.as_ref());
        let event = Event {
            place: self.at.place + 1,
            epoch,
            seq,
            position,
            index,
            origin,
            stateful: draft.stateful,
            rest_at,
            bytes: bytes.into(),
        };
        self.at.place = event.place;
        self.at.head = Some(event.hash());
        self.at.covered = self.at.covered.max(Some((position, index)));
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
        self.journal(Entry::Event(event), false);
    }

    /// The event at a place, if it is still in memory.
    pub(super) fn recent(&self, place: u64) -> Option<&Event> {
        let at = self
            .recent
            .binary_search_by_key(&place, |event| event.place);
        at.ok().map(|at| &self.recent[at])
    }
}
