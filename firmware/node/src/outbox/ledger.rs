//! What the node gave up, until the gateway has taken note.
//!
//! A pack in here is in the status; only that makes a hole a gap.

use alloc::string::ToString;
use alloc::vec::Vec;

use telemetry::body::{Dropped, PackId};

use super::span::{Span, Spans};

/// More rows than this are joined where nothing is held between them.
const ROWS_MAX: usize = 128;

/// Runs of packs that were given up, each with its cause; in order, apart from each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Vec<Dropped>);

fn span_of(row: &Dropped) -> Span {
    Span {
        boot: row.boot,
        from: row.from,
        to: row.to,
    }
}

impl Ledger {
    /// Takes up what was written down before a restart.
    pub(crate) fn new(rows: Vec<Dropped>) -> Self {
        let mut ledger = Self::default();
        for row in rows {
            if row.from <= row.to {
                ledger.add(span_of(&row), &row.cause, None);
            }
        }
        ledger
    }

    pub(crate) fn rows(&self) -> &[Dropped] {
        &self.0
    }

    /// True when more runs than a status should carry are listed; those that can wait then do.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= ROWS_MAX
    }

    /// Lists what of `span` is not listed yet; says how many packs that is.
    ///
    /// Below `oldest`, the oldest pack still held, runs may be joined over packs that the gateway has anyway.
    pub(crate) fn add(&mut self, span: Span, cause: &str, oldest: Option<PackId>) -> u64 {
        let mut open = alloc::vec![span];
        for row in &self.0 {
            let listed = span_of(row);
            open = open
                .into_iter()
                .flat_map(|part| without(part, listed))
                .collect();
        }
        let added = open
            .iter()
            .fold(0, |sum: u64, part| sum.saturating_add(part.len()));
        self.0.extend(open.into_iter().map(|part| Dropped {
            boot: part.boot,
            from: part.from,
            to: part.to,
            cause: cause.to_string(),
        }));
        self.0.sort_by_key(|row| (row.boot, row.from));
        self.0.dedup_by(|next, kept| {
            let joins = kept.boot == next.boot
                && kept.cause == next.cause
                && next.from == kept.to.saturating_add(1);
            if joins {
                kept.to = next.to;
            }
            joins
        });
        if self.0.len() > ROWS_MAX {
            self.0.dedup_by(|next, kept| {
                let below = oldest.is_none_or(|oldest| span_of(next).last() < oldest);
                let joins = kept.boot == next.boot && below;
                if joins {
                    kept.to = next.to;
                }
                joins
            });
        }
        added
    }

    /// Forgets what the gateway no longer waits for: up to `ack`, and not in `missing`. True when anything changed.
    pub(crate) fn acknowledge(&mut self, ack: PackId, missing: &Spans) -> bool {
        let mut kept = Vec::new();
        for row in &self.0 {
            let span = span_of(row);
            let waited = missing.iter().filter_map(|hole| {
                let hole = hole.meet(span)?;
                hole.until(ack)
            });
            kept.extend(waited.chain(span.after(ack)).map(|part| Dropped {
                boot: part.boot,
                from: part.from,
                to: part.to,
                cause: row.cause.clone(),
            }));
        }
        let changed = kept != self.0;
        self.0 = kept;
        changed
    }
}

/// `part` without `cut`: nothing, one or two runs.
fn without(part: Span, cut: Span) -> impl Iterator<Item = Span> {
    let (before, after) = match part.meet(cut) {
        None => (Some(part), None),
        Some(both) => (
            (part.from < both.from).then(|| Span {
                to: both.from - 1,
                ..part
            }),
            (both.to < part.to).then(|| Span {
                from: both.to + 1,
                ..part
            }),
        ),
    };
    before.into_iter().chain(after)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn span(boot: u64, from: u64, to: u64) -> Span {
        Span { boot, from, to }
    }

    fn rows(ledger: &Ledger) -> Vec<(u64, u64, u64, String)> {
        let row = |row: &Dropped| (row.boot, row.from, row.to, row.cause.clone());
        ledger.rows().iter().map(row).collect()
    }

    fn row(boot: u64, from: u64, to: u64, cause: &str) -> (u64, u64, u64, String) {
        (boot, from, to, cause.to_string())
    }

    #[test]
    fn a_pack_is_listed_once_with_its_first_cause() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.add(span(1, 4, 6), "no-room", None), 3);
        assert_eq!(ledger.add(span(1, 7, 7), "no-room", None), 1);
        assert_eq!(ledger.add(span(1, 1, 9), "not-held", None), 5);
        assert_eq!(
            rows(&ledger),
            [
                row(1, 1, 3, "not-held"),
                row(1, 4, 7, "no-room"),
                row(1, 8, 9, "not-held")
            ]
        );
    }

    #[test]
    fn what_the_gateway_still_waits_for_stays_listed() {
        let mut ledger = Ledger::default();
        ledger.add(span(1, 1, 9), "no-room", None);
        ledger.add(span(2, 1, 4), "no-room", None);
        let missing = Spans::from_missing(&[(1, 3, 4)]);
        assert!(ledger.acknowledge(PackId { boot: 2, seq: 2 }, &missing));
        assert_eq!(
            rows(&ledger),
            [row(1, 3, 4, "no-room"), row(2, 3, 4, "no-room")],
            "3 and 4 are still missing; 3 and 4 of boot 2 were not reached yet"
        );
    }

    #[test]
    fn too_many_runs_are_joined_below_the_oldest_pack_held() {
        let mut ledger = Ledger::default();
        let oldest = PackId { boot: 1, seq: 200 };
        for n in 0..=ROWS_MAX as u64 {
            ledger.add(span(1, 2 * n + 1, 2 * n + 1), "no-room", Some(oldest));
        }
        assert_eq!(rows(&ledger)[0], row(1, 1, 199, "no-room"));
        assert!(ledger.rows().len() < 40);
        assert!(ledger.rows()[1..].iter().all(|row| row.from == row.to));
    }
}
