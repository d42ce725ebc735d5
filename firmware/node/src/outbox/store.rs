//! Where packs stay until the gateway has them: the port, and one in memory.
//!
//! A store keeps bytes under a (boot, seq) and knows neither acks nor topics.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use telemetry::body::PackId;
use thiserror::Error;

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum StoreError {
    /// There is no room; after something is removed there may be.
    #[error("no room")]
    Full,
    /// The medium failed.
    #[error("{0}")]
    Broken(String),
}

/// A pack that a store has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stored {
    /// Which pack.
    pub id: PackId,
    /// Its length in bytes.
    pub len: u32,
}

/// Keeps packs and one small note over restarts: a file on Linux, flash on a microcontroller.
///
/// Packs are appended in growing (boot, seq); they are removed mostly, but not only, from the oldest on.
/// What [`Store::append`] took must be there after the process was killed; how much a power cut may take is the store's to say.
pub trait Store {
    /// Every pack that it has, oldest first, as found at the start. A pack whose bytes are damaged is left out.
    ///
    /// # Errors
    /// The medium can't be read at all.
    fn packs(&mut self) -> Result<Vec<Stored>, StoreError>;

    /// Adds a pack.
    ///
    /// # Errors
    /// No room, or the medium failed; the pack is then not in the store.
    fn append(&mut self, id: PackId, bytes: &[u8]) -> Result<(), StoreError>;

    /// Appends the bytes of a pack to `into`, exactly as they came.
    ///
    /// # Errors
    /// The pack is not there, or its bytes are damaged.
    fn read(&mut self, id: PackId, into: &mut Vec<u8>) -> Result<(), StoreError>;

    /// Forgets packs, given in growing order; those it does not have are no error.
    ///
    /// # Errors
    /// The medium failed. The packs may then come back after a restart, which costs a delivery and loses nothing.
    fn remove(&mut self, ids: &[PackId]) -> Result<(), StoreError>;

    /// The note, empty before the first [`Store::write_note`].
    ///
    /// # Errors
    /// The medium can't be read.
    fn note(&mut self) -> Result<Vec<u8>, StoreError>;

    /// Replaces the note, whole or not at all; a few kilobytes at most.
    ///
    /// # Errors
    /// The medium failed; the former note stands.
    fn write_note(&mut self, note: &[u8]) -> Result<(), StoreError>;
}

/// A store in memory, with a limit in bytes. It forgets everything with the process: for tests, demos and
/// nodes in the gateway's own process whose gateway dies with them.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    packs: BTreeMap<PackId, Vec<u8>>,
    note: Vec<u8>,
    used: usize,
    room: usize,
}

impl MemoryStore {
    /// An empty one that takes `room` bytes of packs.
    pub fn new(room: usize) -> Self {
        Self {
            packs: BTreeMap::new(),
            note: Vec::new(),
            used: 0,
            room,
        }
    }
}

impl Store for MemoryStore {
    fn packs(&mut self) -> Result<Vec<Stored>, StoreError> {
        let stored = |(id, bytes): (&PackId, &Vec<u8>)| Stored {
            id: *id,
            len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        };
        Ok(self.packs.iter().map(stored).collect())
    }

    fn append(&mut self, id: PackId, bytes: &[u8]) -> Result<(), StoreError> {
        if self.used + bytes.len() > self.room {
            return Err(StoreError::Full);
        }
        self.used += bytes.len();
        if let Some(replaced) = self.packs.insert(id, bytes.to_vec()) {
            self.used -= replaced.len();
        }
        Ok(())
    }

    fn read(&mut self, id: PackId, into: &mut Vec<u8>) -> Result<(), StoreError> {
        match self.packs.get(&id) {
            Some(bytes) => {
                into.extend_from_slice(bytes);
                Ok(())
            }
            None => Err(StoreError::Broken("no such pack".to_string())),
        }
    }

    fn remove(&mut self, ids: &[PackId]) -> Result<(), StoreError> {
        for id in ids {
            if let Some(bytes) = self.packs.remove(id) {
                self.used -= bytes.len();
            }
        }
        Ok(())
    }

    fn note(&mut self) -> Result<Vec<u8>, StoreError> {
        Ok(self.note.clone())
    }

    fn write_note(&mut self, note: &[u8]) -> Result<(), StoreError> {
        self.note = note.to_vec();
        Ok(())
    }
}
