//! Sets of pack numbers as spans.

/// Numbers, as spans with both ends included; in order, apart from each other by at least one number.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Spans(Vec<(u64, u64)>);

impl Spans {
    /// The spans in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn max(&self) -> Option<u64> {
        self.0.last().map(|span| span.1)
    }

    pub(super) fn min(&self) -> Option<u64> {
        self.0.first().map(|span| span.0)
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        let after = self.0.partition_point(|span| span.0 <= number);
        after > 0 && self.0[after - 1].1 >= number
    }

    /// Adds `from` to `to`; an empty span adds nothing.
    pub(super) fn insert(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        // The usual case: the next number.
        if let Some(last) = self.0.last_mut()
            && last.1.checked_add(1) == Some(from)
        {
            last.1 = to;
            return;
        }
        let first = self
            .0
            .partition_point(|span| span.1.saturating_add(1) < from);
        let end = self
            .0
            .partition_point(|span| span.0 <= to.saturating_add(1));
        let joined = self.0[first..end].iter().fold((from, to), |sum, span| {
            (sum.0.min(span.0), sum.1.max(span.1))
        });
        self.0.splice(first..end, [joined]);
    }

    /// What of `from` to `to` is in neither set.
    pub(super) fn holes(&self, other: &Self, from: u64, to: u64, hole: &mut dyn FnMut(u64, u64)) {
        let mut both = self.0.iter().chain(&other.0).collect::<Vec<_>>();
        both.sort();
        let mut next = from;
        for &&(start, end) in &both {
            if start > to {
                break;
            }
            if start > next {
                hole(next, start - 1);
            }
            match end.checked_add(1) {
                Some(after) => next = next.max(after),
                None => return,
            }
        }
        if next <= to {
            hole(next, to);
        }
    }
}

impl FromIterator<(u64, u64)> for Spans {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(spans: I) -> Self {
        let mut set = Self::default();
        for (from, to) in spans {
            set.insert(from, to);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn spans_are_the_set_of_their_numbers(
            spans in prop::collection::vec((0..40_u64, 0..6_u64), 0..20),
            others in prop::collection::vec((0..40_u64, 0..6_u64), 0..6),
            from in 0..50_u64, len in 0..50_u64,
        ) {
            let set = |spans: &[(u64, u64)]| -> (Spans, BTreeSet<u64>) {
                let spans = spans.iter().map(|&(from, len)| (from, from + len));
                (spans.clone().collect(), spans.flat_map(|(from, to)| from..=to).collect())
            };
            let ((a, a_set), (b, b_set)) = (set(&spans), set(&others));
            for number in 0..60 {
                prop_assert_eq!(a.contains(number), a_set.contains(&number));
            }
            prop_assert_eq!(a.max(), a_set.last().copied());
            prop_assert_eq!(a.min(), a_set.first().copied());
            for pair in a.0.windows(2) {
                prop_assert!(pair[0].1 + 1 < pair[1].0);
            }
            let mut holes = BTreeSet::new();
            a.holes(&b, from, from + len, &mut |from, to| holes.extend(from..=to));
            let wanted: BTreeSet<_> = (from..=from + len).filter(|n| !a_set.contains(n) && !b_set.contains(n)).collect();
            prop_assert_eq!(holes, wanted);
        }
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        let mut spans = Spans::default();
        spans.insert(u64::MAX, u64::MAX);
        spans.insert(0, 0);
        assert!(spans.contains(u64::MAX) && spans.contains(0));
        let mut holes = Vec::new();
        spans.holes(&Spans::default(), 0, u64::MAX, &mut |from, to| {
            holes.push((from, to))
        });
        assert_eq!(holes, [(1, u64::MAX - 1)]);
        spans.insert(1, u64::MAX - 1);
        assert_eq!(spans.0, [(0, u64::MAX)]);
    }
}
