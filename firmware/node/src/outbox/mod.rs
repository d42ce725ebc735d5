//! What the gateway has not acknowledged yet.
//!
//! Holds each pack from the moment it is numbered until an ack covers it or it has to be given up, and says what was
//! given up. Which pack goes next is in [`resend`]; topics and sessions are the uplink's.

mod ledger;
mod resend;
mod span;
mod store;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use telemetry::UtcMs;
use telemetry::body::{Ack, Anchor, Dropped, PackId, decode, encode};
use thiserror::Error;

use crate::effect::Trouble;
use ledger::Ledger;
use span::{Span, Spans};
pub use store::{MemoryStore, Store, StoreError, Stored};

/// How many bytes of packs stay in memory while the store fails.
const MEMORY_MAX: usize = 64 * 1024;

/// The store was full.
const NO_ROOM: &str = "no-room";
/// The store failed, and memory was full.
const STORE_FAILED: &str = "store-failed";
/// The store lost its bytes.
const UNREADABLE: &str = "unreadable";
/// The gateway asks for it, and the node does not have it.
const NOT_HELD: &str = "not-held";
/// The gateway still asked for it after it was delivered many times.
const NOT_TAKEN: &str = "not-taken";

/// Why a node can't start on a store.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum OpenError {
    /// The store can't be read.
    #[error("the outbox: {0}")]
    Store(#[from] StoreError),
    /// A boot number must be greater than all before.
    #[error("boot {boot} is not after boot {found}, of which the outbox has packs")]
    BootReused {
        /// The boot that was asked for.
        boot: u64,
        /// The latest in the store.
        found: u64,
    },
}

/// An ack that can't be about this node: it is ahead of everything that was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AckAhead {
    pub(crate) boot: u64,
}

/// What survives a restart beside the packs.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Note {
    #[serde(default)]
    anchor: Vec<Anchor>,
    #[serde(default)]
    dropped: Vec<Dropped>,
}

/// A pack that is kept.
#[derive(Clone, Debug, Default)]
struct Held {
    len: u32,
    /// The round in which it was sent last; 0 for none that still counts.
    round: u32,
    /// How often a broker took it, up to 255.
    deliveries: u8,
    /// When a broker last took it, in milliseconds since boot.
    delivered_at: u64,
    /// It is on its way to the broker.
    in_flight: bool,
    /// Its bytes, where the store would not have them.
    bytes: Option<Vec<u8>>,
}

/// The packs that no ack covers. Its work per call is bounded by the packs held.
#[derive(Debug)]
pub(crate) struct Outbox<S> {
    store: S,
    boot: u64,
    last_seq: u64,
    held: BTreeMap<PackId, Held>,
    in_memory: usize,
    anchors: Vec<Anchor>,
    ledger: Ledger,
    /// Where the gateway's ack stands.
    ack: PackId,
    missing: Spans,
    round: u32,
    /// No pack below it waits for its turn in this round.
    cursor: PackId,
    /// To be sent before the others.
    urgent: BTreeSet<PackId>,
    /// When a pack that is still missing becomes urgent again.
    due: BTreeSet<(u64, PackId)>,
    /// Where the ack stood when a pack was delivered for the last time that counts.
    exhausted: BTreeMap<PackId, PackId>,
    troubles: Vec<Trouble>,
}

impl<S: Store> Outbox<S> {
    /// Finds what an earlier boot left.
    pub(crate) fn open(mut store: S, boot: u64) -> Result<Self, OpenError> {
        let packs = store.packs()?;
        if let Some(last) = packs.iter().map(|pack| pack.id.boot).max()
            && last >= boot
        {
            return Err(OpenError::BootReused { boot, found: last });
        }
        let mut troubles = Vec::new();
        let note = store.note()?;
        let note = if note.is_empty() {
            Note::default()
        } else {
            decode(&note).unwrap_or_else(|error| {
                troubles.push(Trouble::Store(error.to_string()));
                Note::default()
            })
        };
        let held = |pack: Stored| {
            let held = Held {
                len: pack.len,
                ..Held::default()
            };
            (pack.id, held)
        };
        Ok(Self {
            store,
            boot,
            last_seq: 0,
            held: packs.into_iter().map(held).collect(),
            in_memory: 0,
            anchors: note.anchor,
            ledger: Ledger::new(note.dropped),
            ack: PackId { boot: 0, seq: 0 },
            missing: Spans::default(),
            round: 1,
            cursor: PackId { boot: 0, seq: 0 },
            urgent: BTreeSet::new(),
            due: BTreeSet::new(),
            exhausted: BTreeMap::new(),
            troubles,
        })
    }

    /// The number that the next pack gets.
    pub(crate) fn next_id(&self) -> PackId {
        PackId {
            boot: self.boot,
            seq: self.last_seq + 1,
        }
    }

    /// The oldest pack that may still come: the oldest held, or the next one.
    pub(crate) fn oldest_held(&self) -> PackId {
        let oldest = self.held.first_key_value();
        oldest.map_or_else(|| self.next_id(), |(id, _)| *id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(crate) fn n_held(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn bytes_held(&self) -> u64 {
        self.held.values().map(|held| u64::from(held.len)).sum()
    }

    pub(crate) fn dropped(&self) -> &[Dropped] {
        self.ledger.rows()
    }

    pub(crate) fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    pub(crate) fn pop_trouble(&mut self) -> Option<Trouble> {
        (!self.troubles.is_empty()).then(|| self.troubles.remove(0))
    }

    fn trouble(&mut self, trouble: Trouble) {
        if self.troubles.len() < 16 {
            self.troubles.push(trouble);
        }
    }

    /// Keeps the bytes of [`Self::next_id`]. Makes room by giving up the oldest packs; false when this very pack had to be given up.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        let id = self.next_id();
        self.last_seq = id.seq;
        let mut held = Held {
            len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            ..Held::default()
        };
        loop {
            match self.store.append(id, bytes) {
                Ok(()) => break,
                Err(StoreError::Full) if !self.held.is_empty() => {
                    let batch = (self.held.len() / 64).max(1);
                    self.give_up_oldest(batch, NO_ROOM);
                }
                Err(StoreError::Full) => {
                    self.give_up(&[id], NO_ROOM);
                    return false;
                }
                Err(error) => {
                    self.trouble(Trouble::Store(error.to_string()));
                    if !self.keep_in_memory(bytes.len()) {
                        self.give_up(&[id], STORE_FAILED);
                        return false;
                    }
                    held.bytes = Some(bytes.to_vec());
                    break;
                }
            }
        }
        self.held.insert(id, held);
        true
    }

    /// Makes room for `len` bytes in memory; false when that can't be.
    fn keep_in_memory(&mut self, len: usize) -> bool {
        while self.in_memory + len > MEMORY_MAX {
            let oldest = self.held.iter().find(|(_, held)| held.bytes.is_some());
            let Some((&oldest, _)) = oldest else {
                return false;
            };
            self.give_up(&[oldest], STORE_FAILED);
        }
        self.in_memory += len;
        true
    }

    /// The bytes of a pack; none when they are gone, and then it is given up.
    pub(crate) fn read(&mut self, id: PackId) -> Option<Vec<u8>> {
        let held = self.held.get(&id)?;
        if let Some(bytes) = &held.bytes {
            return Some(bytes.clone());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(held.len).unwrap_or(0));
        match self.store.read(id, &mut bytes) {
            Ok(()) => Some(bytes),
            Err(error) => {
                self.trouble(Trouble::Store(error.to_string()));
                self.give_up(&[id], UNREADABLE);
                None
            }
        }
    }

    fn give_up_oldest(&mut self, n: usize, cause: &'static str) {
        let ids: Vec<PackId> = self.held.keys().take(n).copied().collect();
        self.give_up(&ids, cause);
    }

    /// Forgets packs for good and lists them.
    fn give_up(&mut self, ids: &[PackId], cause: &'static str) {
        self.forget(ids);
        let oldest = self.held.first_key_value().map(|(id, _)| *id);
        for id in ids {
            let span = Span {
                boot: id.boot,
                from: id.seq,
                to: id.seq,
            };
            self.ledger.add(span, cause, oldest);
        }
        let packs = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        self.trouble(Trouble::GaveUp { packs, cause });
        self.write_note();
    }

    /// Takes packs, in growing order, out of everything.
    fn forget(&mut self, ids: &[PackId]) {
        if ids.is_empty() {
            return;
        }
        for id in ids {
            if let Some(bytes) = self.held.remove(id).and_then(|held| held.bytes) {
                self.in_memory -= bytes.len();
            }
            self.urgent.remove(id);
            self.exhausted.remove(id);
        }
        if let Err(error) = self.store.remove(ids) {
            self.trouble(Trouble::Store(error.to_string()));
        }
    }

    fn write_note(&mut self) {
        let note = encode(&Note {
            anchor: self.anchors.clone(),
            dropped: self.ledger.rows().to_vec(),
        });
        if let Err(error) = self.store.write_note(&note) {
            self.trouble(Trouble::Store(error.to_string()));
        }
    }

    /// Learns what UTC was at an instant of this boot; only the first time counts. True when it is news.
    pub(crate) fn anchor(&mut self, mono: u64, utc: UtcMs) -> bool {
        if self.anchors.iter().any(|anchor| anchor.boot == self.boot) {
            return false;
        }
        self.anchors.push(Anchor {
            boot: self.boot,
            mono,
            utc,
        });
        self.write_note();
        true
    }

    /// Takes an ack: forgets what it covers, hurries what it names. Says whether the gateway got on.
    ///
    /// # Errors
    /// It is ahead of what this boot has formed; nothing is forgotten then.
    pub(crate) fn handle_ack(&mut self, ack: &Ack, mono: u64) -> Result<bool, AckAhead> {
        let position = PackId {
            boot: ack.boot,
            seq: ack.seq,
        };
        if position >= self.next_id() {
            return Err(AckAhead { boot: ack.boot });
        }
        let missing = Spans::from_missing(&ack.missing);
        let covered: Vec<PackId> = self
            .held
            .range(..=position)
            .map(|(id, _)| *id)
            .filter(|id| !missing.contains(*id))
            .collect();
        let moved =
            position > self.ack || !covered.is_empty() || missing.len() < self.missing.len();
        self.forget(&covered);
        self.ack = position;
        self.missing = missing;
        let mut noted = self.ledger.acknowledge(position, &self.missing);
        noted |= self.list_what_is_not_held();
        let (boot, held) = (self.boot, &self.held);
        let n_anchors = self.anchors.len();
        self.anchors.retain(|anchor| {
            let first = PackId {
                boot: anchor.boot,
                seq: 0,
            };
            let next = held.range(first..).next();
            anchor.boot == boot || next.is_some_and(|(id, _)| id.boot == anchor.boot)
        });
        if noted || n_anchors != self.anchors.len() {
            self.write_note();
        }
        self.hurry_missing(mono);
        Ok(moved)
    }

    /// What the gateway asks for and the node can't give is listed as given up, or the gateway would ask for ever.
    fn list_what_is_not_held(&mut self) -> bool {
        let formed = PackId {
            boot: self.boot,
            seq: self.last_seq,
        };
        let oldest = self.held.first_key_value().map(|(id, _)| *id);
        let mut listed = 0_u64;
        for hole in self.missing.iter() {
            let Some(hole) = hole.until(formed) else {
                continue;
            };
            let mut from = hole.from;
            let held = self.held.range(hole.first()..=hole.last());
            let ends = held.map(|(id, _)| Some(id.seq)).chain([None]);
            for end in ends {
                let to = end.map_or(hole.to, |seq| seq - 1);
                if from <= to && !self.ledger.is_full() {
                    let gap = Span {
                        boot: hole.boot,
                        from,
                        to,
                    };
                    listed = listed.saturating_add(self.ledger.add(gap, NOT_HELD, oldest));
                }
                match end {
                    Some(seq) => from = seq.saturating_add(1),
                    None => break,
                }
            }
        }
        if listed > 0 {
            self.trouble(Trouble::GaveUp {
                packs: listed,
                cause: NOT_HELD,
            });
        }
        listed > 0
    }
}
