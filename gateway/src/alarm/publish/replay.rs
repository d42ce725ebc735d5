//! Replay requests: events that a subscriber missed, once more, byte for byte.
//!
//! Whatever is asked, the work is bounded: a few subscribers at a time, one chunk under way each, and only when nothing else has to leave.

use std::collections::VecDeque;

use serde::Deserialize;
use telemetry::UtcMs;
use telemetry::topic::Topic;

use super::connect::{Sent, Stage};
use super::{Output, Publisher, Purpose, Report, message};
use crate::alarm::event::Event;

/// How many subscribers are served at a time; one more is not answered.
const CLIENTS_MAX: usize = 16;
/// How many chunks may be under way.
const CHUNKS_MAX: usize = 2;
/// The longest chunk, in bytes.
const CHUNK_LEN_MAX: usize = 256 << 10;
/// The longest request, in bytes.
const REQUEST_LEN_MAX: usize = 1_024;

/// What a subscriber asks for.
#[derive(Deserialize)]
struct Request {
    epoch: String,
    from: u64,
    to: u64,
}

#[derive(Debug)]
struct Replay {
    ticket: u64,
    client: String,
    next: u64,
    last: u64,
    chunk: Vec<u8>,
    fetching: bool,
}

/// Everybody who asked.
#[derive(Debug, Default)]
pub(super) struct Replays {
    /// In turn: who was served goes to the end.
    waiting: VecDeque<Replay>,
    under_way: usize,
}

impl Replays {
    pub(super) fn chunk_taken(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.chunk_taken();
    }
}

impl Publisher {
    pub(super) fn replay_requested(&mut self, client: &str, payload: &[u8], _now: UtcMs) {
        let settled = self.is_settled();
        let request: Option<Request> = Some(payload)
            .filter(|payload| payload.len() <= REQUEST_LEN_MAX)
            .and_then(|payload| serde_json::from_slice(payload).ok());
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        let Some(line) = &mut self.line else { return };
        // Who asks again has no use for what they asked before.
        line.replays
            .waiting
            .retain(|replay| replay.client != client);
        if !settled || line.replays.waiting.len() >= CLIENTS_MAX {
            self.report(Report::BadRequest {
                client: client.into(),
            });
            return;
        }
        // What has not left yet comes by itself.
        let told = self.at.acked.max(line.next_place.saturating_sub(1));
        let places = request.as_ref().and_then(|request| {
            let epoch = request.epoch.parse().ok()?;
            self.at.spans.places(epoch, request.from, request.to)
        });
        let (next, last) = places.map_or((1, 0), |(from, to)| (from, to.min(told)));
        line.replays.waiting.push_back(Replay {
            ticket,
            client: client.into(),
            next,
            last,
            chunk: Vec::new(),
            fetching: false,
        });
        if request.is_none() {
            self.report(Report::BadRequest {
                client: client.into(),
            });
        }
    }

    /// Events for a subscriber, from the journal.
    pub(super) fn replay_came(&mut self, ticket: u64, events: Vec<Event>) {
        let Some(line) = &mut self.line else { return };
        let mut waiting = line.replays.waiting.iter_mut();
        let Some(replay) = waiting.find(|replay| replay.ticket == ticket) else {
            return;
        };
        replay.fetching = false;
        let mut nothing = true;
        for event in events {
            if event.place < replay.next {
                continue;
            }
            if event.place > replay.last || !replay.take(&event) {
                break;
            }
            nothing = false;
        }
        if nothing {
            replay.next = replay.last + 1;
        }
    }

    pub(super) fn send_replay(&mut self) -> bool {
        let Some(line) = &mut self.line else {
            return false;
        };
        let busy = line.replays.under_way >= CHUNKS_MAX;
        if line.stage != Stage::Known || busy || line.replays.waiting.is_empty() {
            return false;
        }
        for _ in 0..line.replays.waiting.len() {
            let Some(mut replay) = line.replays.waiting.pop_front() else {
                return false;
            };
            if replay.fetching {
                line.replays.waiting.push_back(replay);
                continue;
            }
            let over = replay.next > replay.last;
            if replay.chunk.is_empty() && !over {
                replay.fetching = true;
                self.out.push_back(Output::Fetch {
                    purpose: Purpose::Replay(replay.ticket),
                    from: replay.next,
                });
                line.replays.waiting.push_back(replay);
                continue;
            }
            let chunk = std::mem::take(&mut replay.chunk);
            let end = chunk.is_empty();
            let client = replay.client.clone();
            line.replays.under_way += 1;
            if !end {
                line.replays.waiting.push_back(replay);
            }
            let topic = self.topic(Topic::ReplayEvents { client: &client });
            self.send(Sent::Chunk, message(topic, chunk));
            return true;
        }
        false
    }
}

impl Replay {
    /// Takes an event into the chunk; false when there is no room for it.
    fn take(&mut self, event: &Event) -> bool {
        if self.chunk.len() + event.bytes.len() >= CHUNK_LEN_MAX {
            return false;
        }
        self.chunk.extend_from_slice(&event.bytes);
        self.chunk.push(b'\n');
        self.next = event.place + 1;
        true
    }
}
