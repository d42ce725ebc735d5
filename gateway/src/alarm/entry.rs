//! What the journal holds, and its bytes.
//!
//! A journal is a list of entries; folding them gives back where the publisher was. Knows no file.

use std::sync::Arc;

use telemetry::UtcMs;

use super::Epoch;
use super::event::{Event, Hash};
use super::spans::{Span, Spans};
use super::table::StateRow;

/// One entry of the journal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// An event, as first sent.
    Event(Event),
    /// The history goes on elsewhere: behind `keep`, places up to `upto` are void, and the next event begins an epoch.
    Turn {
        /// The last place of the history that goes on.
        keep: u64,
        /// The last place that is void.
        upto: u64,
        /// True when what stood in the void is told again under the new epoch; false when the log never had it.
        reissue: bool,
    },
    /// Events behind this were never told to anybody.
    Unsent {
        /// The last that may have been told.
        after: u64,
        /// Its hash; none where there is none.
        hash: Option<Hash>,
    },
    /// From here on, every event may have been told.
    Told,
    /// The broker has acknowledged every event up to this place.
    Acked(u64),
    /// An alarm's topic was emptied for good.
    Forgotten(Arc<str>),
    /// A checkpoint begins: what follows does not need what is before, once [`Entry::End`] has come.
    Begin(Box<Checkpoint>),
    /// A row of the table, as it is now.
    Row(StateRow),
    /// The checkpoint is complete.
    End,
}

/// Where the publisher is, beside the table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Checkpoint {
    /// The last event's place; 0: none.
    pub place: u64,
    /// Its hash.
    pub head: Option<Hash>,
    /// The epochs.
    pub spans: Spans,
    /// The last of the log's events that has a place: offset behind its record, and which of its events.
    pub covered: Option<(u64, u32)>,
    /// Every event up to this place is acknowledged.
    pub acked: u64,
    /// As [`Entry::Unsent`]; none after [`Entry::Told`].
    pub unsent: Option<(u64, Option<Hash>)>,
    /// What a new epoch still has to tell again: the next place and the last.
    pub reissue: Option<(u64, u64)>,
    /// Places, from and to, of events that the log did not have, among those never told.
    pub orphans: Vec<(u64, u64)>,
}

/// Appends an entry's kind and body.
pub(crate) fn put(out: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Event(event) => {
            out.push(1);
            put_u64(out, event.place);
            out.extend_from_slice(&event.epoch.0.to_le_bytes());
            put_u64(out, event.seq);
            put_u64(out, event.position);
            put_u32(out, event.index);
            put_u64(out, event.origin);
            out.push(u8::from(event.stateful));
            put_u32(out, event.rest_at);
            out.extend_from_slice(&event.bytes);
        }
        Entry::Turn {
            keep,
            upto,
            reissue,
        } => {
            out.push(2);
            put_u64(out, *keep);
            put_u64(out, *upto);
            out.push(u8::from(*reissue));
        }
        Entry::Unsent { after, hash } => {
            out.push(3);
            put_u64(out, *after);
            put_hash(out, hash.as_ref());
        }
        Entry::Told => out.push(4),
        Entry::Acked(place) => {
            out.push(5);
            put_u64(out, *place);
        }
        Entry::Forgotten(id) => {
            out.push(6);
            out.extend_from_slice(id.as_bytes());
        }
        Entry::Begin(checkpoint) => {
            out.push(7);
            put_checkpoint(out, checkpoint);
        }
        Entry::Row(row) => {
            out.push(8);
            put_text(out, &row.id);
            put_u64(out, row.place);
            out.extend_from_slice(&row.epoch.0.to_le_bytes());
            put_u64(out, row.seq);
            out.extend_from_slice(&row.retired_at.map_or(i64::MIN, |at| at.0).to_le_bytes());
            put_text(out, &row.lead);
            put_text(out, &row.rest);
        }
        Entry::End => out.push(9),
    }
}

/// The entry of a kind and body; none when the bytes are no entry.
pub(crate) fn read(bytes: &[u8]) -> Option<Entry> {
    let mut input = Input(bytes);
    let entry = match input.u8()? {
        1 => {
            let event = Event {
                place: input.u64()?,
                epoch: Epoch(input.u128()?),
                seq: input.u64()?,
                position: input.u64()?,
                index: input.u32()?,
                origin: input.u64()?,
                stateful: input.u8()? != 0,
                rest_at: input.u32()?,
                bytes: std::mem::take(&mut input.0).into(),
            };
            Entry::Event(event)
        }
        2 => Entry::Turn {
            keep: input.u64()?,
            upto: input.u64()?,
            reissue: input.u8()? != 0,
        },
        3 => Entry::Unsent {
            after: input.u64()?,
            hash: input.hash()?,
        },
        4 => Entry::Told,
        5 => Entry::Acked(input.u64()?),
        6 => Entry::Forgotten(
            std::str::from_utf8(std::mem::take(&mut input.0))
                .ok()?
                .into(),
        ),
        7 => Entry::Begin(Box::new(checkpoint(&mut input)?)),
        8 => Entry::Row(StateRow {
            id: input.text()?.into(),
            place: input.u64()?,
            epoch: Epoch(input.u128()?),
            seq: input.u64()?,
            retired_at: Some(i64::from_le_bytes(input.array()?))
                .filter(|at| *at != i64::MIN)
                .map(UtcMs),
            lead: input.text()?.into(),
            rest: input.text()?.into(),
        }),
        9 => Entry::End,
        _ => return None,
    };
    input.0.is_empty().then_some(entry)
}

fn put_checkpoint(out: &mut Vec<u8>, checkpoint: &Checkpoint) {
    let Checkpoint {
        place,
        head,
        spans,
        covered,
        acked,
        unsent,
        reissue,
        orphans,
    } = checkpoint;
    put_u64(out, *place);
    put_hash(out, head.as_ref());
    put_u32(out, u32::try_from(spans.0.len()).expect("epochs are few"));
    for span in &spans.0 {
        out.extend_from_slice(&span.epoch.0.to_le_bytes());
        put_u64(out, span.first);
        put_u64(out, span.last.unwrap_or(0));
    }
    out.push(u8::from(covered.is_some()));
    let (position, index) = covered.unwrap_or_default();
    put_u64(out, position);
    put_u32(out, index);
    put_u64(out, *acked);
    out.push(u8::from(unsent.is_some()));
    let (after, hash) = unsent.unwrap_or_default();
    put_u64(out, after);
    put_hash(out, hash.as_ref());
    out.push(u8::from(reissue.is_some()));
    let (next, upto) = reissue.unwrap_or_default();
    put_u64(out, next);
    put_u64(out, upto);
    put_u32(out, u32::try_from(orphans.len()).expect("starts are few"));
    for (from, to) in orphans {
        put_u64(out, *from);
        put_u64(out, *to);
    }
}

fn checkpoint(input: &mut Input<'_>) -> Option<Checkpoint> {
    let place = input.u64()?;
    let head = input.hash()?;
    let mut spans = Spans::default();
    for _ in 0..input.u32()? {
        spans.0.push(Span {
            epoch: Epoch(input.u128()?),
            first: input.u64()?,
            last: Some(input.u64()?).filter(|last| *last > 0),
        });
    }
    let some = input.u8()? != 0;
    let covered = (input.u64()?, input.u32()?);
    let acked = input.u64()?;
    let bound = input.u8()? != 0;
    let unsent = (input.u64()?, input.hash()?);
    let pending = input.u8()? != 0;
    let reissue = (input.u64()?, input.u64()?);
    let mut orphans = Vec::new();
    for _ in 0..input.u32()? {
        orphans.push((input.u64()?, input.u64()?));
    }
    Some(Checkpoint {
        place,
        head,
        spans,
        covered: some.then_some(covered),
        acked,
        unsent: bound.then_some(unsent),
        reissue: pending.then_some(reissue),
        orphans,
    })
}

fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_hash(out: &mut Vec<u8>, hash: Option<&Hash>) {
    out.push(u8::from(hash.is_some()));
    out.extend_from_slice(hash.unwrap_or(&[0; 32]));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_u32(out, u32::try_from(text.len()).expect("a text is a few KiB"));
    out.extend_from_slice(text.as_bytes());
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    fn hash(&mut self) -> Option<Option<Hash>> {
        let some = self.u8()? != 0;
        self.array().map(|hash| some.then_some(hash))
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.u32()?).ok()?;
        std::str::from_utf8(self.take(len)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = Entry> {
        let hash = || proptest::option::of(any::<Hash>());
        let event = (
            any::<[u64; 4]>(),
            any::<u128>(),
            any::<(u32, bool, u32)>(),
            any::<Vec<u8>>(),
        );
        let event = event.prop_map(
            |([place, seq, position, origin], epoch, (index, stateful, rest_at), bytes)| {
                Entry::Event(Event {
                    place,
                    epoch: Epoch(epoch),
                    seq,
                    position,
                    index,
                    origin,
                    stateful,
                    rest_at,
                    bytes: bytes.into(),
                })
            },
        );
        let spans = proptest::collection::vec(
            (
                any::<u128>(),
                any::<u64>(),
                proptest::option::of(1..=u64::MAX),
            ),
            0..4,
        );
        let spans = spans.prop_map(|spans| {
            let span = |(epoch, first, last)| Span {
                epoch: Epoch(epoch),
                first,
                last,
            };
            Spans(spans.into_iter().map(span).collect())
        });
        let numbers = || proptest::option::of(any::<(u64, u64)>());
        let checkpoint = (
            any::<(u64, u64)>(),
            hash(),
            spans,
            proptest::option::of(any::<(u64, u32)>()),
            proptest::option::of((any::<u64>(), hash())),
            (
                numbers(),
                proptest::collection::vec(any::<(u64, u64)>(), 0..3),
            ),
        );
        let begin = checkpoint.prop_map(
            |((place, acked), head, spans, covered, unsent, (reissue, orphans))| {
                Entry::Begin(Box::new(Checkpoint {
                    place,
                    head,
                    spans,
                    covered,
                    acked,
                    unsent,
                    reissue,
                    orphans,
                }))
            },
        );
        let row = (
            "\\PC{0,9}",
            any::<(u64, u128, u64)>(),
            proptest::option::of(0_i64..9),
            "\\PC{0,9}",
            "\\PC{0,9}",
        );
        let row = row.prop_map(|(id, (place, epoch, seq), retired_at, lead, rest)| {
            Entry::Row(StateRow {
                id: id.into(),
                place,
                epoch: Epoch(epoch),
                seq,
                retired_at: retired_at.map(UtcMs),
                lead: lead.into(),
                rest: rest.into(),
            })
        });
        prop_oneof![
            event,
            begin,
            row,
            any::<(u64, u64, bool)>().prop_map(|(keep, upto, reissue)| Entry::Turn {
                keep,
                upto,
                reissue
            }),
            (any::<u64>(), hash()).prop_map(|(after, hash)| Entry::Unsent { after, hash }),
            any::<u64>().prop_map(Entry::Acked),
            "\\PC{0,9}".prop_map(|id| Entry::Forgotten(id.into())),
            Just(Entry::Told),
            Just(Entry::End),
        ]
    }

    proptest! {
        #[test]
        fn every_entry_is_read_as_it_was_written_and_no_part_of_one_is(entry in entries()) {
            let mut bytes = Vec::new();
            put(&mut bytes, &entry);
            prop_assert_eq!(read(&bytes), Some(entry.clone()));
            // What ends in text or bytes of any length can be cut there; what has a shape can't.
            if !matches!(entry, Entry::Event(_) | Entry::Forgotten(_)) {
                prop_assert_eq!(read(&bytes[..bytes.len() - 1]), None);
            }
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            read(&bytes);
        }
    }
}
