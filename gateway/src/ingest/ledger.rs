//! Which packs of one node have come, which are missing, and how far an ack may go.
//!
//! A function of the log: the same records give the same ledger. The gateway has two for each node, one as of the last record and one as of what is on disk; only the second makes acks.

use std::collections::BTreeMap;

use telemetry::body::Ack;

use super::span::Spans;
use crate::log::PackId;

/// The most spans of packs that are kept for a node; a pack that would make one more isn't taken, and comes again later.
pub(super) const SPANS_MAX: usize = 2_048;
/// The most boots with something open that are kept for a node.
const BOOTS_MAX: usize = 256;

/// What is known of one boot's packs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Boot {
    pub(super) taken: Spans,
    /// Given up by the node; taken all the same if they come.
    pub(super) gone: Spans,
}

/// What a node's latest status said of its store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Held {
    /// The boot that said so.
    pub(super) boot: u64,
    /// Nothing before it is there any more; none when nothing is there at all.
    pub(super) oldest: Option<PackId>,
}

/// The packs of one node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Ledger {
    /// The first pack that is this gateway's business; all before it are done with. None before the first status.
    pub(super) base: Option<PackId>,
    pub(super) held: Option<Held>,
    pub(super) boots: BTreeMap<u64, Boot>,
}

/// A change of a ledger, as the log has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Taken(PackId),
    Held(Held),
    Gone { boot: u64, from: u64, to: u64 },
}

impl Ledger {
    /// True when this pack has been taken in, or was done with before.
    pub(super) fn has(&self, id: PackId) -> bool {
        self.base.is_some_and(|base| id < base)
            || self
                .boots
                .get(&id.boot)
                .is_some_and(|boot| boot.taken.contains(id.seq))
    }

    /// True when there is room to remember one more pack.
    pub(super) fn has_room(&self, id: PackId) -> bool {
        let spans: usize = self.boots.values().map(|boot| boot.taken.len()).sum();
        let extends = self
            .boots
            .get(&id.boot)
            .is_some_and(|boot| boot.taken.contains(id.seq.wrapping_sub(1)));
        (extends || spans < SPANS_MAX)
            && (self.boots.len() < BOOTS_MAX || self.boots.contains_key(&id.boot))
    }

    /// Takes in what the log has.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Taken(id) => {
                let boot = self.boots.entry(id.boot).or_default();
                boot.taken.insert(id.seq, id.seq);
            }
            Change::Gone { boot, from, to } => {
                self.boots.entry(boot).or_default().gone.insert(from, to);
            }
            Change::Held(held) => {
                self.held = Some(held);
                if let Some(oldest) = held.oldest {
                    self.boots.entry(oldest.boot).or_default();
                }
            }
        }
        self.settle();
    }

    /// Finds the base at first contact, and forgets the boots with nothing open.
    fn settle(&mut self) {
        let Some(held) = self.held else { return };
        let base = match (self.base, held.oldest) {
            (Some(base), _) => base,
            (None, Some(oldest)) => oldest,
            // It holds nothing: its next pack is the first.
            (None, None) => {
                let Some((&boot, first)) = self.boots.range(held.boot..).next() else {
                    return;
                };
                let seq = first.taken.min().unwrap_or(1);
                PackId { boot, seq }
            }
        };
        self.base = Some(base);
        self.boots = self.boots.split_off(&base.boot);
        while let Some((&boot, _)) = self.boots.first_key_value()
            && self.is_closed(boot)
            && self.boots.len() > 1
        {
            let mut open = false;
            self.holes(boot, &mut |_, _| open = true);
            if open {
                break;
            }
            self.boots.pop_first();
            if let Some((&boot, _)) = self.boots.first_key_value() {
                self.base = Some(PackId { boot, seq: 1 });
            }
        }
    }

    /// True when nothing more of a boot can come: the node said that it holds nothing of it, and is in a later one.
    fn is_closed(&self, boot: u64) -> bool {
        self.held.is_some_and(|held| {
            boot < held
                .oldest
                .map_or(held.boot, |oldest| oldest.boot.min(held.boot))
        })
    }

    /// How far a boot is known to go: its last pack that came or was given up, or, in an earlier boot, the one before the oldest that is left.
    fn reach(&self, boot: u64) -> u64 {
        let known = self.boots.get(&boot);
        let seen = known.and_then(|known| known.taken.max().max(known.gone.max()));
        let left = self.held.and_then(|held| {
            let oldest = held.oldest?;
            (oldest.boot == boot && boot < held.boot).then(|| oldest.seq.saturating_sub(1))
        });
        let done = self
            .base
            .and_then(|base| (base.boot == boot).then(|| base.seq.saturating_sub(1)));
        seen.max(left).max(done).unwrap_or(0)
    }

    /// What is missing of a boot, as far as it is known to go.
    fn holes(&self, boot: u64, hole: &mut dyn FnMut(u64, u64)) {
        let first = match self.base {
            Some(base) if base.boot == boot => base.seq.max(1),
            _ => 1,
        };
        let reach = self.reach(boot);
        if let Some(known) = self.boots.get(&boot)
            && first <= reach
        {
            known.taken.holes(&known.gone, first, reach, hole);
        }
    }

    /// What the gateway may say it has; none before the node has said what it holds.
    ///
    /// It stays in a boot as long as more of that boot may come.
    pub(super) fn ack(&self) -> Option<Ack> {
        self.base?;
        let mut ack: Option<Ack> = None;
        for &boot in self.boots.keys() {
            let ack = ack.get_or_insert_default();
            (ack.boot, ack.seq) = (boot, self.reach(boot));
            self.holes(boot, &mut |from, to| ack.missing.push((boot, from, to)));
            if !self.is_closed(boot) {
                break;
            }
        }
        ack
    }

    /// What of a span that the node gave up is news: it has not come, and was not given up before.
    pub(super) fn lost(&self, boot: u64, from: u64, to: u64, lost: &mut dyn FnMut(u64, u64)) {
        let Some(base) = self.base else { return };
        if boot < base.boot {
            return;
        }
        let from = if boot == base.boot {
            from.max(base.seq)
        } else {
            from
        };
        let empty = Boot::default();
        let known = self.boots.get(&boot).unwrap_or(&empty);
        if from <= to {
            known.taken.holes(&known.gone, from, to, lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(boot: u64, seq: u64) -> PackId {
        PackId { boot, seq }
    }

    fn held(boot: u64, oldest: Option<(u64, u64)>) -> Change {
        let oldest = oldest.map(|(boot, seq)| id(boot, seq));
        Change::Held(Held { boot, oldest })
    }

    fn ledger(changes: &[Change]) -> Ledger {
        let mut ledger = Ledger::default();
        for change in changes {
            ledger.apply(*change);
        }
        ledger
    }

    fn take(boot: u64, seqs: impl IntoIterator<Item = u64>) -> Vec<Change> {
        seqs.into_iter()
            .map(|seq| Change::Taken(id(boot, seq)))
            .collect()
    }

    type Expected<'a> = (u64, u64, &'a [(u64, u64, u64)]);

    #[track_caller]
    fn check(changes: &[Vec<Change>], expected: Option<Expected<'_>>) {
        let expected = expected.map(|(boot, seq, missing)| Ack {
            boot,
            seq,
            missing: missing.to_vec(),
        });
        assert_eq!(ledger(&changes.concat()).ack(), expected);
    }

    #[test]
    fn nothing_is_acknowledged_before_the_node_says_what_it_holds() {
        check(&[take(3, 5..=9)], None);
        check(
            &[take(3, 5..=9), vec![held(3, Some((3, 2)))]],
            Some((3, 9, &[(3, 2, 4)])),
        );
    }

    #[test]
    fn a_hole_in_a_boot_is_missing_until_it_comes_or_is_given_up() {
        let start = vec![held(1, Some((1, 1)))];
        check(
            &[start.clone(), take(1, [1, 2, 5])],
            Some((1, 5, &[(1, 3, 4)])),
        );
        check(
            &[start.clone(), take(1, [1, 2, 5, 4])],
            Some((1, 5, &[(1, 3, 3)])),
        );
        let gone = vec![Change::Gone {
            boot: 1,
            from: 3,
            to: 4,
        }];
        check(&[start, take(1, [1, 2, 5]), gone], Some((1, 5, &[])));
    }

    #[test]
    fn an_ack_stays_in_a_boot_as_long_as_more_of_it_may_come() {
        let before = [vec![held(1, Some((1, 1)))], take(1, 1..=3)];
        let with = |more: &[Vec<Change>]| [&before[..], more].concat();
        check(&with(&[take(2, 1..=4)]), Some((1, 3, &[])));
        // The new boot still holds 4 and more of the old one.
        let still = vec![held(2, Some((1, 4)))];
        check(&with(&[take(2, 1..=4), still.clone()]), Some((1, 3, &[])));
        check(
            &with(&[take(2, 1..=4), still.clone(), take(1, 4..=6)]),
            Some((1, 6, &[])),
        );
        let moved_on = vec![held(2, Some((2, 1)))];
        check(
            &with(&[take(2, 1..=4), still, take(1, 4..=6), moved_on]),
            Some((2, 4, &[])),
        );
    }

    #[test]
    fn packs_of_an_earlier_boot_before_the_oldest_held_are_missing() {
        let start = [vec![held(1, Some((1, 1)))], take(1, 1..=3)].concat();
        let later = vec![held(3, Some((1, 7)))];
        check(&[start.clone(), later], Some((1, 6, &[(1, 4, 6)])));
        // A whole boot was never seen, and its first four packs are gone.
        let later = vec![held(3, Some((2, 5)))];
        check(&[start, later], Some((2, 4, &[(2, 1, 4)])));
    }

    #[test]
    fn holes_of_an_earlier_boot_stay_missing_after_it_is_closed() {
        check(
            &[
                vec![held(1, Some((1, 1)))],
                take(1, [1, 4]),
                vec![held(2, Some((2, 1)))],
                take(2, 1..=2),
            ],
            Some((2, 2, &[(1, 2, 3)])),
        );
    }

    #[test]
    fn a_pack_that_was_given_up_is_taken_all_the_same_once() {
        let gone = Change::Gone {
            boot: 1,
            from: 2,
            to: 2,
        };
        let mut ledger =
            ledger(&[vec![held(1, Some((1, 1)))], take(1, [1, 3]), vec![gone]].concat());
        assert!(!ledger.has(id(1, 2)));
        ledger.apply(Change::Taken(id(1, 2)));
        assert!(ledger.has(id(1, 2)));
        let mut lost = Vec::new();
        ledger.lost(1, 1, 9, &mut |from, to| lost.push((from, to)));
        assert_eq!(lost, [(4, 9)]);
    }

    #[test]
    fn a_node_that_holds_nothing_begins_with_its_next_pack() {
        check(&[vec![held(4, None)]], None);
        check(
            &[vec![held(4, None)], take(4, [17, 19])],
            Some((4, 19, &[(4, 18, 18)])),
        );
    }

    #[test]
    fn what_a_ledger_remembers_is_bounded() {
        let mut ledger = ledger(&[held(1, Some((1, 1)))]);
        for seq in (2..).step_by(2).take(SPANS_MAX) {
            assert!(ledger.has_room(id(1, seq)));
            ledger.apply(Change::Taken(id(1, seq)));
        }
        assert!(!ledger.has_room(id(1, 1_000_000)));
        assert!(ledger.has_room(id(1, 3)), "it fills a hole");
    }
}
