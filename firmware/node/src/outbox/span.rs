//! Runs of pack numbers.
//!
//! Knows how to cut and join them; not why a run is missing or given up.

use alloc::vec::Vec;

use telemetry::body::PackId;

/// Packs `from` to `to` of a boot, both included; never empty.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Span {
    pub(crate) boot: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Span {
    pub(crate) fn contains(self, id: PackId) -> bool {
        self.boot == id.boot && (self.from..=self.to).contains(&id.seq)
    }

    pub(crate) fn first(self) -> PackId {
        PackId {
            boot: self.boot,
            seq: self.from,
        }
    }

    pub(crate) fn last(self) -> PackId {
        PackId {
            boot: self.boot,
            seq: self.to,
        }
    }

    pub(crate) fn len(self) -> u64 {
        (self.to - self.from).saturating_add(1)
    }

    /// What both have.
    pub(crate) fn meet(self, other: Self) -> Option<Self> {
        let (from, to) = (self.from.max(other.from), self.to.min(other.to));
        (self.boot == other.boot && from <= to).then_some(Self {
            boot: self.boot,
            from,
            to,
        })
    }

    /// What comes after `id`.
    pub(crate) fn after(self, id: PackId) -> Option<Self> {
        if self.first() > id {
            return Some(self);
        }
        (self.last() > id).then(|| Self {
            from: id.seq + 1,
            ..self
        })
    }

    /// What is not after `id`.
    pub(crate) fn until(self, id: PackId) -> Option<Self> {
        if self.last() <= id {
            return Some(self);
        }
        (self.first() <= id).then_some(Self { to: id.seq, ..self })
    }
}

/// Runs in order, apart from each other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Spans(Vec<Span>);

impl Spans {
    /// Reads an ack's `missing`; runs that end before they begin say nothing, and no pack has the number 0.
    pub(crate) fn from_missing(missing: &[(u64, u64, u64)]) -> Self {
        let mut spans: Vec<Span> = missing
            .iter()
            .map(|&(boot, from, to)| Span {
                boot,
                from: from.max(1),
                to,
            })
            .filter(|span| span.from <= span.to)
            .collect();
        spans.sort_unstable();
        spans.dedup_by(|next, kept| {
            let joins = kept.boot == next.boot && next.from <= kept.to.saturating_add(1);
            if joins {
                kept.to = kept.to.max(next.to);
            }
            joins
        });
        Self(spans)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn contains(&self, id: PackId) -> bool {
        let after = self.0.partition_point(|span| span.first() <= id);
        after > 0 && self.0[after - 1].contains(id)
    }

    /// How many packs the runs have.
    pub(crate) fn len(&self) -> u64 {
        self.iter()
            .fold(0, |sum: u64, span| sum.saturating_add(span.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(boot: u64, seq: u64) -> PackId {
        PackId { boot, seq }
    }

    #[test]
    fn missing_runs_are_joined_and_those_that_say_nothing_left_out() {
        let spans = Spans::from_missing(&[(2, 9, 9), (1, 5, 4), (2, 1, 3), (2, 4, 6), (1, 0, 1)]);
        let found: Vec<_> = spans.iter().map(|s| (s.boot, s.from, s.to)).collect();
        assert_eq!(found, [(1, 1, 1), (2, 1, 6), (2, 9, 9)]);
        assert_eq!(spans.len(), 8);
        for (id, wanted) in [
            (id(1, 1), true),
            (id(1, 2), false),
            (id(2, 6), true),
            (id(2, 7), false),
            (id(2, 9), true),
            (id(3, 1), false),
        ] {
            assert_eq!(spans.contains(id), wanted, "{id:?}");
        }
    }

    #[test]
    fn a_run_is_cut_at_a_position_of_any_boot() {
        let span = Span {
            boot: 2,
            from: 3,
            to: 5,
        };
        assert_eq!(span.after(id(1, 9)), Some(span));
        assert_eq!(span.after(id(2, 3)).map(|s| s.from), Some(4));
        assert_eq!(span.after(id(2, 5)), None);
        assert_eq!(span.until(id(3, 1)), Some(span));
        assert_eq!(span.until(id(2, 4)).map(|s| s.to), Some(4));
        assert_eq!(span.until(id(2, 2)), None);
    }
}
