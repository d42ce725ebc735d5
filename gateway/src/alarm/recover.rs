//! Where the publisher was: the journal's entries, folded.
//!
//! Pure: a file's entries or a test's. What stands in the journal beyond the log is not the history that goes on, and is left out here.

use std::collections::HashMap;

use super::Epoch;
use super::entry::{Checkpoint, Entry};
use super::event::{Event, Hash, hash};
use super::table::{StateRow, Table};

/// What a start goes on from.
#[derive(Debug, Default)]
pub struct Recovered {
    pub(crate) at: Checkpoint,
    pub(crate) table: Table,
    /// The greatest epoch that any entry names; the next one sorts after it.
    pub(crate) latest: Option<Epoch>,
    /// The last place of events that the log does not have; 0: none.
    pub(crate) orphans: u64,
    /// What the entries say of the log's events, to hold the log's replay against.
    pub(crate) known: HashMap<(u64, u32), Hash>,
}

/// Folds the entries from the last complete checkpoint on. They are asked for twice, in the same order both times.
///
/// `log_end` is the offset behind the log's last record: an event of a record beyond it is an orphan.
pub fn recover<I: Iterator<Item = Entry>>(
    mut entries: impl FnMut() -> I,
    log_end: u64,
) -> Recovered {
    let mut entries = || without_cut_turns(entries());
    let voids: Vec<(u64, u64)> = entries()
        .filter_map(|entry| match entry {
            Entry::Turn {
                keep,
                upto,
                reissue: false,
            } => Some((keep, upto)),
            _ => None,
        })
        .collect();
    let orphaned = |place: u64| {
        let inside = |(keep, upto): &(u64, u64)| place > *keep && place <= *upto;
        voids.iter().any(inside)
    };
    let mut recovered = Recovered::default();
    for entry in entries() {
        match entry {
            Entry::Event(event) if orphaned(event.place) => recovered.saw(event.epoch),
            Entry::Event(event) if event.position > log_end || recovered.orphans > 0 => {
                recovered.saw(event.epoch);
                recovered.orphans = event.place;
            }
            Entry::Row(row) if orphaned(row.place) => {}
            other => recovered.apply(other),
        }
    }
    let at = &mut recovered.at;
    at.acked = at.acked.min(at.place);
    recovered
}

/// Leaves out a turn that a stop cut short: it counts once the event of its epoch stands behind it, and until then it has not happened.
fn without_cut_turns(entries: impl Iterator<Item = Entry>) -> impl Iterator<Item = Entry> {
    let mut entries = entries.peekable();
    std::iter::from_fn(move || {
        loop {
            let entry = entries.next()?;
            let begins = |next: &Entry| matches!(next, Entry::Event(event) if event.is_epoch());
            if !matches!(entry, Entry::Turn { .. }) || entries.peek().is_some_and(begins) {
                return Some(entry);
            }
        }
    })
}

/// What makes two drafts the same.
pub(crate) fn fingerprint(lead: &str, tail: &str, rest: &str) -> Hash {
    hash(format!("{lead}\n{tail}\n{rest}").as_bytes())
}

impl Recovered {
    fn saw(&mut self, epoch: Epoch) {
        self.latest = self.latest.max(Some(epoch));
    }

    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Event(event) => self.event(&event),
            Entry::Turn {
                keep,
                upto,
                reissue,
            } => {
                self.at.spans.end(keep);
                self.at.place = upto;
                if reissue {
                    self.at.reissue = Some((keep + 1, upto)).filter(|_| upto > keep);
                } else {
                    self.at.orphans.push((keep + 1, upto));
                }
            }
            Entry::Unsent { after, hash } => self.at.unsent = Some((after, hash)),
            Entry::Told => {
                self.at.unsent = None;
                self.at.reissue = None;
                self.at.orphans.clear();
            }
            Entry::Acked(place) => self.at.acked = place,
            Entry::Forgotten(id) => self.table.remove(&id),
            Entry::Begin(checkpoint) => {
                for span in &checkpoint.spans.0 {
                    self.saw(span.epoch);
                }
                self.at = *checkpoint;
            }
            Entry::Row(row) => {
                self.saw(row.epoch);
                self.table.put(row);
            }
            Entry::End => {}
        }
    }

    fn event(&mut self, event: &Event) {
        self.saw(event.epoch);
        let current = self.at.spans.current();
        if current.is_none_or(|span| span.epoch != event.epoch) {
            self.at.spans.begin(event.epoch, event.place);
            self.table.restamp(event.epoch);
        }
        self.at.place = event.place;
        self.at.head = Some(event.hash());
        let log_place = (event.position, event.index);
        self.at.covered = self.at.covered.max(Some(log_place));
        if event.origin > 0 {
            self.at.reissue = self.at.reissue.map(|(_, upto)| (event.origin + 1, upto));
        }
        if event.stateful {
            self.table.put(StateRow::of(event));
        }
        let draft = event.draft();
        let print = fingerprint(&draft.lead, &draft.tail, &draft.rest);
        // An epoch's event is of no record; it stands at the offset of the one before.
        if !event.is_epoch() {
            self.known.insert(log_place, print);
        }
    }
}
