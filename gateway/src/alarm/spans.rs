//! Which places belong to which epoch.
//!
//! A place counts events over all epochs and never goes back; a number counts within one epoch.
//! A place that no span has is void: what stood there was never part of the history that subscribers hold, or stands again under a later place.

use super::Epoch;

/// The places of one epoch, without a hole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// The epoch.
    pub epoch: Epoch,
    /// The place of its first event, the one that says `epoch`.
    pub first: u64,
    /// The place of its last; none while it goes on.
    pub last: Option<u64>,
}

/// All epochs of a data folder, from the earliest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Spans(pub(crate) Vec<Span>);

impl Spans {
    /// The epoch that goes on.
    pub(crate) fn current(&self) -> Option<Span> {
        self.0.last().copied().filter(|span| span.last.is_none())
    }

    /// Ends the current epoch behind `keep`; one that has nothing left was never there.
    pub(crate) fn end(&mut self, keep: u64) {
        while let Some(span) = self.0.last_mut() {
            if span.last.is_some_and(|last| last <= keep) {
                return;
            }
            if span.first <= keep {
                span.last = Some(keep);
                return;
            }
            self.0.pop();
        }
    }

    /// Begins an epoch.
    pub(crate) fn begin(&mut self, epoch: Epoch, first: u64) {
        self.0.push(Span {
            epoch,
            first,
            last: None,
        });
    }

    /// The epoch and number of a place; none where it is void.
    pub(crate) fn number(&self, place: u64) -> Option<(Epoch, u64)> {
        let at = self.0.partition_point(|span| span.first <= place);
        let span = self.0.get(at.checked_sub(1)?)?;
        let inside = span.last.is_none_or(|last| place <= last);
        inside.then(|| (span.epoch, place - span.first + 1))
    }

    /// The first place from `place` on that is not void. There is always one when an epoch goes on.
    pub(crate) fn next(&self, place: u64) -> u64 {
        if self.number(place).is_some() {
            return place;
        }
        let later = self.0.iter().find(|span| span.first > place);
        later.map_or(place, |span| span.first)
    }

    /// The span of an epoch.
    pub(crate) fn of(&self, epoch: Epoch) -> Option<Span> {
        self.0.iter().copied().find(|span| span.epoch == epoch)
    }

    /// The places of the numbers `from` to `to` of an epoch; none when it has none of them.
    pub(crate) fn places(&self, epoch: Epoch, from: u64, to: u64) -> Option<(u64, u64)> {
        let span = self.of(epoch)?;
        let place = |seq: u64| span.first.saturating_add(seq.saturating_sub(1));
        let (from, to) = (place(from.max(1)), place(to));
        let to = to.min(span.last.unwrap_or(u64::MAX));
        (from <= to).then_some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_numbers_lead_to_each_other_over_epochs_and_voids() {
        let (a, b) = (Epoch(1), Epoch(2));
        let mut spans = Spans::default();
        spans.begin(a, 1);
        assert_eq!(spans.number(7), Some((a, 7)));
        // Places 6 and 7 were never told; the next epoch begins behind them.
        spans.end(5);
        spans.begin(b, 8);
        assert_eq!(spans.number(5), Some((a, 5)));
        assert_eq!(spans.number(6), None);
        assert_eq!(spans.number(8), Some((b, 1)));
        assert_eq!(spans.next(6), 8);
        assert_eq!(spans.places(a, 2, 100), Some((2, 5)));
        assert_eq!(spans.places(a, 6, 100), None);
        assert_eq!(spans.places(b, 0, u64::MAX), Some((8, u64::MAX)));
        assert_eq!(spans.places(b, 3, 2), None);
        assert_eq!(spans.places(Epoch(9), 1, 2), None);
    }

    #[test]
    fn an_epoch_of_which_nothing_was_told_was_never_there() {
        let mut spans = Spans::default();
        spans.begin(Epoch(1), 1);
        spans.end(0);
        assert_eq!(spans, Spans::default());
    }
}
