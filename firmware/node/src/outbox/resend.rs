//! Which pack goes next, and which is tried no longer.
//!
//! A round sends everything held once, from the oldest on; a connection begins one, and so does a pause without any
//! progress of the ack. What the gateway names as missing goes first, with a growing pause between two deliveries.

use alloc::vec::Vec;

use telemetry::body::PackId;

use super::{Held, NOT_TAKEN, Outbox, Store};

/// After so many deliveries a pack that is still missing is given up, if the ack moves on.
pub(crate) const DELIVERIES_MAX: u8 = 10;
/// How long the gateway has to store a pack and to say so, in milliseconds; from the third delivery on it doubles.
const PAUSE_MIN_MS: u64 = 2_000;
/// Where that pause stops growing.
const PAUSE_MAX_MS: u64 = 60_000;

/// How long a pack that was delivered `deliveries` times is left in peace, since an ack that names it may have been
/// under way already.
fn pause_ms(deliveries: u8) -> u64 {
    match deliveries {
        0 => 0,
        1 => PAUSE_MIN_MS,
        n => (PAUSE_MIN_MS << (n - 2).min(16)).min(PAUSE_MAX_MS),
    }
}

impl<S: Store> Outbox<S> {
    /// From now on everything held is to be sent once.
    pub(crate) fn begin_round(&mut self) {
        self.round = self.round.wrapping_add(1).max(1);
        self.cursor = PackId { boot: 0, seq: 0 };
    }

    /// True when the pack is held and was not sent in this round.
    pub(crate) fn waits(&self, id: PackId) -> bool {
        self.held
            .get(&id)
            .is_some_and(|held| !held.in_flight && held.round != self.round)
    }

    /// The next pack for the history topic: what is urgent, then the oldest of the round.
    pub(crate) fn next_history(&mut self) -> Option<PackId> {
        while let Some(&id) = self.urgent.first() {
            if self.held.get(&id).is_some_and(|held| !held.in_flight) {
                return Some(id);
            }
            self.urgent.pop_first();
        }
        let round = self.round;
        let waits = |held: &Held| !held.in_flight && held.round != round;
        let mut range = self.held.range(self.cursor..);
        let next = range.find(|(_, held)| waits(held)).map(|(id, _)| *id);
        self.cursor = next.unwrap_or_else(|| self.next_id());
        next
    }

    /// The pack was handed to the uplink.
    pub(crate) fn sent(&mut self, id: PackId) {
        self.urgent.remove(&id);
        if let Some(held) = self.held.get_mut(&id) {
            held.in_flight = true;
            held.round = self.round;
        }
    }

    /// The broker took the pack. That proves nothing about the gateway.
    pub(crate) fn delivered(&mut self, id: PackId, mono: u64) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        held.in_flight = false;
        held.deliveries = held.deliveries.saturating_add(1);
        held.delivered_at = mono;
        if held.deliveries >= DELIVERIES_MAX {
            self.exhausted.entry(id).or_insert(self.ack);
        }
        if self.missing.contains(id) {
            self.due.insert((mono + pause_ms(held.deliveries), id));
        }
    }

    /// The session ended before the broker took the pack; the next one begins a round.
    pub(crate) fn returned(&mut self, id: PackId) {
        if let Some(held) = self.held.get_mut(&id) {
            held.in_flight = false;
        }
    }

    /// The broker refused the pack: it is tried again after a pause, and holds nothing up meanwhile.
    pub(crate) fn refused(&mut self, id: PackId, mono: u64) {
        if let Some(held) = self.held.get_mut(&id) {
            held.in_flight = false;
            self.due.insert((mono + PAUSE_MAX_MS, id));
        }
    }

    /// Makes urgent what is due at `mono`.
    pub(crate) fn handle_due(&mut self, mono: u64) {
        let mut given_up = Vec::new();
        while let Some(&(at, id)) = self.due.first()
            && at <= mono
        {
            self.due.pop_first();
            match self.held.get(&id) {
                Some(held) if !held.in_flight => self.press(id, &mut given_up),
                Some(_) | None => {}
            }
        }
        self.give_up_not_taken(given_up);
    }

    /// When [`Self::handle_due`] has something to do.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Sends what the gateway names, at once or when its pause is over, and gives up what it named too often.
    pub(super) fn hurry_missing(&mut self, mono: u64) {
        let mut now = Vec::new();
        for hole in self.missing.iter() {
            let range = self.held.range(hole.first()..=hole.last());
            for (&id, held) in range.filter(|(_, held)| !held.in_flight) {
                let at = held.delivered_at + pause_ms(held.deliveries);
                if mono < at {
                    self.due.insert((at, id));
                } else {
                    now.push(id);
                }
            }
        }
        let mut given_up = Vec::new();
        for id in now {
            self.press(id, &mut given_up);
        }
        self.give_up_not_taken(given_up);
    }

    /// A pack that was refused, or is still missing although its pause is over, goes first; or it goes into
    /// `given_up`, when it had all its deliveries and the ack has moved on since.
    fn press(&mut self, id: PackId, given_up: &mut Vec<PackId>) {
        let missing = self.missing.contains(id);
        let moved_on = self.exhausted.get(&id).is_some_and(|at| self.ack > *at);
        if missing && moved_on && !self.ledger.is_full() {
            given_up.push(id);
        } else if missing || self.held.get(&id).is_some_and(|held| held.deliveries == 0) {
            self.urgent.insert(id);
        }
    }

    fn give_up_not_taken(&mut self, mut ids: Vec<PackId>) {
        if !ids.is_empty() {
            ids.sort_unstable();
            self.give_up(&ids, NOT_TAKEN);
        }
    }
}
