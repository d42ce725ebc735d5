//! The retained states: one row for each alarm that ever had an event.
//!
//! Knows bodies and what the broker holds of them on this connection; sends nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use telemetry::UtcMs;

use super::Epoch;
use super::event::{Event, state_body};
use super::message;

/// The state of one alarm, in the words of its last event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateRow {
    /// The alarm's id.
    pub id: Arc<str>,
    /// The place of the event that made it; 0 when a new epoch took it over.
    pub place: u64,
    /// The epoch it is told under.
    pub epoch: Epoch,
    /// The number it is told under.
    pub seq: u64,
    /// When its rule was gone for good; its topic is emptied 30 days later.
    pub retired_at: Option<UtcMs>,
    pub(crate) lead: Box<str>,
    pub(crate) rest: Box<str>,
}

impl StateRow {
    /// The row that an event makes.
    pub(crate) fn of(event: &Event) -> Self {
        let rest = event.rest();
        let retired = event.draft().tail.starts_with("\"event\":\"retired\"");
        Self {
            id: event.id().into(),
            place: event.place,
            epoch: event.epoch,
            seq: event.seq,
            retired_at: read(rest, |row| row.changed_at())
                .flatten()
                .filter(|_| retired),
            lead: event.lead().into(),
            rest: rest.into(),
        }
    }

    /// The body of its topic.
    pub(crate) fn body(&self) -> Vec<u8> {
        state_body(&self.lead, self.epoch, self.seq, &self.rest)
    }
}

/// What a snapshot wants of the rest of a body.
fn read<T>(rest: &str, want: impl FnOnce(&message::Row<'_>) -> T) -> Option<T> {
    let json = format!("{{{rest}}}");
    let row: message::Row<'_> = serde_json::from_str(&json).ok()?;
    Some(want(&row))
}

/// A row with what is known of it on this connection.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) row: StateRow,
    /// What the snapshot says of it, behind its number; none in letter A.
    line: Option<String>,
    /// True when the broker holds this very body.
    pub(crate) held: bool,
    /// True while it waits to be sent.
    pub(crate) queued: bool,
}

/// All rows, by id.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: BTreeMap<Arc<str>, Entry>,
}

impl Table {
    /// Puts a row in the place of the one before.
    pub(crate) fn put(&mut self, row: StateRow) -> &mut Entry {
        let line = read(&row.rest, |read| {
            (read.letter != "A").then(|| message::row(read))
        });
        let line = line.flatten();
        let queued = self.entries.get(&row.id).is_some_and(|entry| entry.queued);
        let entry = Entry {
            line,
            held: false,
            queued,
            row,
        };
        let id = entry.row.id.clone();
        self.entries.entry(id).insert_entry(entry).into_mut()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Entry> {
        self.entries.get_mut(id)
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.entries.remove(id);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut()
    }

    /// The rows after an id, in order.
    pub(crate) fn after(&self, id: Option<&str>) -> impl Iterator<Item = &Entry> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = id.map_or(Unbounded, Excluded);
        self.entries
            .range::<str, _>((from, Unbounded))
            .map(|(_, entry)| entry)
    }

    /// A new epoch: every state is told again as its first.
    pub(crate) fn restamp(&mut self, epoch: Epoch) {
        for entry in self.entries.values_mut() {
            entry.row.place = 0;
            entry.row.epoch = epoch;
            entry.row.seq = 1;
            entry.held = false;
        }
    }

    /// The states of all alarms that are not in letter A.
    pub(crate) fn abnormal(&self) -> impl Iterator<Item = &StateRow> {
        self.entries
            .values()
            .filter(|entry| entry.line.is_some())
            .map(|entry| &entry.row)
    }

    /// The rows of a snapshot: every alarm not in letter A.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = String> + '_ {
        self.entries.values().filter_map(|entry| {
            let line = entry.line.as_ref()?;
            let occurrence = entry.row.lead.rsplit(':').next()?;
            let (id, seq) = (&entry.row.id, entry.row.seq);
            Some(format!(
                r#"{{"id":"{id}","occurrence":{occurrence},"seq":{seq},{line}}}"#
            ))
        })
    }
}
