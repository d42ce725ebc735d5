//! A start, and the beginning of an epoch: when the history can't be continued, and what becomes of what was never told.

use std::collections::HashMap;

use telemetry::UtcMs;

use super::connect::Stage;
use super::{Output, Publisher, Purpose, Report, TurnReason};
use crate::alarm::Epoch;
use crate::alarm::entry::Entry;
use crate::alarm::event::{Event, Hash, hash};
use crate::alarm::message::epoch_draft;

impl Publisher {
    /// The log's replay is over: everything that was committed up to now is on disk. From now on events leave.
    pub fn start(&mut self, now: UtcMs) {
        self.known = HashMap::new();
        let (keep, head) = (self.at.place, self.at.head);
        let orphans = std::mem::take(&mut self.orphans);
        if orphans > 0 {
            // What is behind `keep` is an epoch that nobody was told of yet; and what is not in the log continues nothing.
            let unsent = self.at.unsent.filter(|(after, _)| *after <= keep);
            self.at.unsent = unsent.or(Some((keep, head)));
            let previous = self.at.spans.current().map(|span| span.epoch);
            self.turn(keep, orphans, TurnReason::LogBehind, previous, now);
            self.at.orphans.push((keep + 1, orphans));
        } else if keep == 0 {
            self.at.unsent = Some((0, None));
            self.turn(0, 0, TurnReason::NewFolder, None, now);
        }
        self.at.reissue = self.at.reissue.filter(|(next, upto)| next <= upto);
        self.started = true;
        let replayed = self.waiting.back().map_or(0, |waiting| waiting.position);
        self.durable = self.durable.max(replayed);
        self.release(now);
        self.durable_place = self.at.place;
        // The run before may have told what its log gives, up to here; what comes now is new.
        let (after, hash) = *self.at.unsent.get_or_insert((self.at.place, self.at.head));
        self.journal(Entry::Unsent { after, hash }, true);
        self.fetch_reissue();
    }

    /// True once it is sure that what we number continues what the broker's subscribers hold.
    pub(super) fn is_settled(&self) -> bool {
        self.started && self.at.unsent.is_none()
    }

    /// Settles the epoch, once everything of ours was read back; then the states leave.
    pub(super) fn settle(&mut self, now: UtcMs) {
        let Some(line) = &self.line else { return };
        if line.stage != Stage::Settling || self.at.reissue.is_some() {
            return;
        }
        if let Some((after, head)) = self.at.unsent {
            if let Some((reason, previous)) = self.fork(after) {
                // What is told again must be in the log; and so must the epoch be in the journal.
                if self.durable_place < self.at.place {
                    return;
                }
                let upto = self.at.place;
                self.at.head = head;
                // The epoch of the event that `prev` is of, so that the chain can be followed; else the broker's.
                let ours = self.at.spans.number(after).map(|(epoch, _)| epoch);
                self.latest_epoch = self.latest_epoch.max(Some(previous));
                self.turn(after, upto, reason, ours.or(Some(previous)), now);
                if let Some(line) = &mut self.line {
                    // That is the answer to it.
                    line.seen = None;
                }
                self.at.reissue = Some((after + 1, upto)).filter(|_| upto > after);
                if self.at.reissue.is_some() {
                    self.fetch_reissue();
                    return;
                }
            }
            self.at.unsent = None;
            self.at.orphans.clear();
            self.journal(Entry::Told, true);
        }
        self.serves = true;
        self.send_everything(now);
    }

    /// Why the history can't go on, and the epoch that the broker holds.
    pub(super) fn fork(&self, after: u64) -> Option<(TurnReason, Epoch)> {
        let (epoch, seq) = self.line.as_ref()?.seen?;
        let current = self.at.spans.current()?.epoch;
        let span = self.at.spans.of(epoch);
        // An epoch that is none of ours and came after the last that we told: begun since, ours may be later and hides nothing.
        let told = self
            .at
            .spans
            .number(after)
            .map_or(current, |(told, _)| told);
        let ahead = span.is_none() && epoch > told;
        // A number that we have not told, under an epoch of ours: another life of this folder did, before a restore.
        let beyond = span.is_some_and(|span| {
            let told = (after + 1).saturating_sub(span.first);
            span.last.is_none_or(|last| last > after) && seq > told
        });
        // Nothing of this folder was ever told: its epoch names the one it follows.
        let nothing_told = self.at.spans.number(after).is_none();
        let unnamed = nothing_told && span.is_none() && self.previous != Some(epoch);
        match (ahead || beyond, unnamed) {
            (true, _) => Some((TurnReason::BrokerAhead, epoch)),
            (_, true) => Some((TurnReason::NewFolder, epoch)),
            _ => None,
        }
    }

    /// Ends the epoch behind `keep` and begins one behind `upto`.
    pub(super) fn turn(
        &mut self,
        keep: u64,
        upto: u64,
        reason: TurnReason,
        previous: Option<Epoch>,
        now: UtcMs,
    ) {
        if upto > 0 {
            self.journal(
                Entry::Turn {
                    keep,
                    upto,
                    reissue: reason != TurnReason::LogBehind,
                },
                false,
            );
        }
        let before = self.latest_epoch.max(previous);
        let epoch = Epoch::after(before, self.chance(), now);
        self.latest_epoch = Some(epoch);
        self.previous = previous;
        self.at.spans.end(keep);
        self.at.place = upto;
        self.at.spans.begin(epoch, upto + 1);
        let draft = epoch_draft(&self.settings.site, previous, reason.word(), now);
        let log_place = self.at.covered.unwrap_or_default();
        self.put(epoch, 1, &draft, log_place, 0);
        if let Some(Output::Journal { sync, .. }) = self.out.back_mut() {
            *sync = true;
        }
        self.table.restamp(epoch);
        self.durable_place = self.at.place;
        self.report(Report::NewEpoch {
            epoch,
            previous,
            reason,
        });
    }

    fn fetch_reissue(&mut self) {
        if let Some((from, _)) = self.at.reissue {
            self.out.push_back(Output::Fetch {
                purpose: Purpose::Reissue,
                from,
            });
        }
    }

    /// Tells events again under the new epoch.
    pub(super) fn reissued(&mut self, events: Vec<Event>, now: UtcMs) {
        let Some((mut next, upto)) = self.at.reissue else {
            return;
        };
        let after = self.at.unsent.map_or(u64::MAX, |(after, _)| after);
        let nothing = events.is_empty();
        for event in events {
            if !(next..=upto).contains(&event.place) {
                continue;
            }
            next = event.place + 1;
            let place = event.place;
            let inside = |(from, to): &(u64, u64)| (*from..=*to).contains(&place);
            if self.at.orphans.iter().any(inside) {
                continue;
            }
            // An epoch that was never told is not told again; nor is what an earlier turn, which was never told either,
            // told again: the event itself is among these.
            let is_copy = event.origin > after;
            if !is_copy && !event.is_epoch() {
                let log_place = (event.position, event.index);
                self.number(&event.draft(), log_place.0, log_place.1, event.place, now);
            }
        }
        self.durable_place = self.at.place;
        if nothing || next > upto {
            self.at.reissue = None;
            self.release(now);
            self.settle(now);
            self.pump(now);
        } else {
            self.at.reissue = Some((next, upto));
            self.fetch_reissue();
        }
    }

    /// Bits for an epoch: each call gives others.
    fn chance(&mut self) -> u128 {
        let mut seed = self.settings.chance.to_le_bytes().to_vec();
        seed.extend_from_slice(&self.at.place.to_le_bytes());
        let digest: Hash = hash(&seed);
        let [chance @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
        u128::from_le_bytes(chance)
    }
}
