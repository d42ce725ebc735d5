//! The events of one epoch, as far as they are known: a run of numbers with holes, each event chained to the one before it.
//!
//! Knows numbers and hashes. What a hole means, and who is asked to fill it, is the site's business.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use telemetry::UtcMs;

use super::body::{Event, Hash};

/// How many events are kept; what is older can't be held against anything any more.
const KEPT_MAX: usize = 200_000;

/// How many claims on events to come are kept.
const CLAIMS_MAX: usize = 20_000;

/// What is kept of an event.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: Arc<str>,
    pub(super) hash: Hash,
    pub(super) prev: Option<Hash>,
    pub(super) digest: Hash,
    /// True when a retained state follows it.
    pub(super) has_state: bool,
    /// True for the event of an epoch that goes on with another's alarms: their states are of its number.
    pub(super) takes_over: bool,
}

impl Seen {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            id: event.alarm.id.clone(),
            hash: event.hash,
            prev: event.prev,
            digest: event.alarm.digest,
            has_state: event.has_state(),
            takes_over: event.kind == "epoch" && event.previous_epoch.is_some(),
        }
    }
}

/// Numbers that are not known.
#[derive(Clone, Debug)]
pub(super) struct Hole {
    pub(super) to: u64,
    /// True when the events were told while nobody could hear them: before the first connection, or between two.
    pub(super) away: bool,
    /// True before the first connection: as far back as the gateway still has them.
    pub(super) old: bool,
    /// Times that it was asked for in vain.
    pub(super) attempts: u32,
    /// Not to be asked for before this; none when nobody will fill it any more.
    pub(super) ask_at: Option<UtcMs>,
}

/// What a message said of an event that may not be known yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Claim {
    /// Its hash, from a status or a snapshot.
    Head(&'static str, Hash),
    /// It is this alarm's, and its state has this digest.
    State(Arc<str>, Hash),
    /// It is this alarm's, as the snapshot at this number lists it.
    Row(Arc<str>, u64),
}

/// What a claim is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It agrees with the event, or the event is not known (yet).
    Stands,
    /// The event has another hash, or another content.
    Differs,
    /// The event is another alarm's, or has no state.
    NotIts,
}

/// One epoch.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) epoch: Arc<str>,
    /// What is below is not wanted.
    pub(super) floor: u64,
    /// Every number from the floor up to here is known or in a hole.
    pub(super) top: u64,
    pub(super) events: BTreeMap<u64, Seen>,
    pub(super) holes: BTreeMap<u64, Hole>,
    claims: BTreeMap<u64, Vec<Claim>>,
}

impl History {
    /// An epoch of which everything from `floor` on is wanted.
    pub(super) fn new(epoch: Arc<str>, floor: u64) -> Self {
        Self {
            epoch,
            floor,
            top: floor - 1,
            events: BTreeMap::new(),
            holes: BTreeMap::new(),
            claims: BTreeMap::new(),
        }
    }

    /// Puts a hole behind the top, up to `to`; one of the same kind grows.
    pub(super) fn dig(&mut self, to: u64, away: bool, old: bool, ask_at: UtcMs) {
        if to <= self.top {
            return;
        }
        let ask_at = Some(ask_at);
        match self.holes.last_entry() {
            Some(mut last)
                if last.get().to == self.top
                    && (last.get().away, last.get().old) == (away, old) =>
            {
                let hole = last.get_mut();
                hole.to = to;
                hole.ask_at = hole.ask_at.max(ask_at);
            }
            _ => {
                let hole = Hole {
                    to,
                    away,
                    old,
                    attempts: 0,
                    ask_at,
                };
                self.holes.insert(self.top + 1, hole);
            }
        }
        self.top = to;
    }

    /// The hole that a number is in.
    pub(super) fn hole(&self, seq: u64) -> Option<(u64, &Hole)> {
        let (from, hole) = self.holes.range(..=seq).next_back()?;
        (hole.to >= seq).then_some((*from, hole))
    }

    /// Takes an event that is in a hole or the next one behind the top. Gives the numbers whose `prev` now proves wrong, and the claims on it.
    pub(super) fn take(&mut self, seq: u64, seen: Seen) -> (Vec<u64>, Vec<Claim>) {
        if let Some((from, hole)) = self.hole(seq).map(|(from, hole)| (from, hole.clone())) {
            self.holes.remove(&from);
            if from < seq {
                let to = seq - 1;
                self.holes.insert(from, Hole { to, ..hole.clone() });
            }
            if seq < hole.to {
                self.holes.insert(seq + 1, hole);
            }
        }
        self.top = self.top.max(seq);
        let mut broken = Vec::new();
        let before = seq
            .checked_sub(1)
            .and_then(|before| self.events.get(&before));
        if before.is_some_and(|before| seen.prev != Some(before.hash)) {
            broken.push(seq);
        }
        let after = self.events.get(&(seq + 1));
        if after.is_some_and(|after| after.prev != Some(seen.hash)) {
            broken.push(seq + 1);
        }
        self.events.insert(seq, seen);
        if self.events.len() > KEPT_MAX
            && let Some((oldest, _)) = self.events.pop_first()
        {
            self.raise_floor(oldest + 1);
        }
        (broken, self.claims.remove(&seq).unwrap_or_default())
    }

    /// Gives up everything below `floor`.
    pub(super) fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        self.top = self.top.max(self.floor - 1);
        self.events = self.events.split_off(&self.floor);
        self.claims = self.claims.split_off(&self.floor);
        let kept = self.holes.split_off(&self.floor);
        let cut = std::mem::replace(&mut self.holes, kept).pop_last();
        if let Some((_, hole)) = cut
            && hole.to >= self.floor
        {
            self.holes.insert(self.floor, hole);
        }
    }

    /// True when every event of these numbers is known; true of no numbers at all.
    pub(super) fn knows_all(&self, seqs: RangeInclusive<u64>) -> bool {
        let (from, to) = seqs.into_inner();
        if from > to {
            return true;
        }
        let last = self.holes.range(..=to).next_back();
        from >= self.floor && to <= self.top && last.is_none_or(|(_, hole)| hole.to < from)
    }

    /// Holds a claim against its event, or keeps it until the event comes.
    pub(super) fn claim(&mut self, seq: u64, claim: Claim) -> Verdict {
        if let Some(seen) = self.events.get(&seq) {
            return judge(seen, &claim);
        }
        let to_come = seq > self.top || self.hole(seq).is_some();
        if to_come && self.claims.len() < CLAIMS_MAX {
            let claims = self.claims.entry(seq).or_default();
            if !claims.contains(&claim) {
                claims.push(claim);
            }
        }
        Verdict::Stands
    }
}

/// What a claim on a known event is worth.
pub(super) fn judge(seen: &Seen, claim: &Claim) -> Verdict {
    match claim {
        Claim::Head(_, hash) if *hash != seen.hash => Verdict::Differs,
        Claim::State(..) | Claim::Row(..) if seen.takes_over => Verdict::Stands,
        Claim::State(id, _) | Claim::Row(id, _) if **id != *seen.id || !seen.has_state => {
            Verdict::NotIts
        }
        Claim::State(_, digest) if *digest != seen.digest => Verdict::Differs,
        Claim::Head(..) | Claim::State(..) | Claim::Row(..) => Verdict::Stands,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u64) -> Seen {
        let hash = |number: u64| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            hash
        };
        Seen {
            id: "a/b/c".into(),
            hash: hash(number),
            prev: number.checked_sub(1).map(hash),
            digest: [1; 32],
            has_state: true,
            takes_over: false,
        }
    }

    fn holes(history: &History) -> Vec<(u64, u64)> {
        let holes = history.holes.iter();
        holes.map(|(from, hole)| (*from, hole.to)).collect()
    }

    #[test]
    fn a_hole_is_filled_from_either_end_and_from_its_middle() {
        let mut history = History::new("E".into(), 1);
        history.dig(9, true, false, UtcMs(0));
        assert_eq!(holes(&history), [(1, 9)]);
        for (seq, left) in [
            (5, vec![(1, 4), (6, 9)]),
            (1, vec![(2, 4), (6, 9)]),
            (9, vec![(2, 4), (6, 8)]),
            (10, vec![(2, 4), (6, 8)]),
            (3, vec![(2, 2), (4, 4), (6, 8)]),
            (2, vec![(4, 4), (6, 8)]),
            (4, vec![(6, 8)]),
        ] {
            assert_eq!(history.take(seq, seen(seq)).0, [0; 0]);
            assert_eq!(holes(&history), left);
        }
        assert!(history.knows_all(1..=5));
        assert!(!history.knows_all(1..=6));
        history.raise_floor(7);
        assert_eq!(holes(&history), [(7, 8)]);
        assert_eq!(history.events.len(), 2);
    }

    #[test]
    fn a_broken_chain_is_seen_from_both_sides() {
        for order in [[1, 2, 3], [3, 2, 1], [1, 3, 2], [2, 3, 1]] {
            let mut history = History::new("E".into(), 1);
            history.dig(3, true, false, UtcMs(0));
            let mut broken = Vec::new();
            for seq in order {
                let mut seen = seen(seq);
                if seq == 2 {
                    seen.hash = [9; 32];
                }
                broken.extend(history.take(seq, seen).0);
            }
            assert_eq!(broken, [3], "{order:?}");
        }
    }

    #[test]
    fn a_claim_waits_for_its_event() {
        let mut history = History::new("E".into(), 1);
        assert_eq!(
            history.claim(1, Claim::Head("status", [9; 32])),
            Verdict::Stands
        );
        let (_, claims) = history.take(1, seen(1));
        assert_eq!(judge(&history.events[&1], &claims[0]), Verdict::Differs);
        for (id, digest, verdict) in [
            ("a/b/c", 1, Verdict::Stands),
            ("a/b/c", 2, Verdict::Differs),
            ("a/b/d", 1, Verdict::NotIts),
        ] {
            let claim = Claim::State(id.into(), [digest; 32]);
            assert_eq!(history.claim(1, claim), verdict);
        }
    }
}
