//! Snapshots: what replaying the log up to an offset gives, so that older segments can go.
//!
//! Knows parts as bytes with names, and not what they mean. Two at least are kept: when the newest does not read, the one before it does.

use std::fs;
use std::path::{Path, PathBuf};

use telemetry::UtcMs;

use super::codec::{Cursor, put_bytes, put_i64, put_str, put_u64};
use super::{DecodeError, LogError, LogOffset, store};

const MAGIC: &[u8; 8] = b"FSSNAP\0\x01";
/// Snapshots that are kept at least.
const KEPT: usize = 2;

/// The state after all records before an offset.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// Where to go on.
    pub at: LogOffset,
    /// Where the log ends that it follows: `at`, but for what was evaluated while the disk took nothing.
    pub prev: LogOffset,
    /// T of the last record before it.
    pub t: UtcMs,
    /// The configuration under which it was taken: its hash.
    pub config: String,
    /// The parts by name, as `engine` or `ingest`.
    pub parts: Vec<(String, Vec<u8>)>,
}

impl Snapshot {
    /// The part of a name; empty when there is none.
    pub fn part(&self, name: &str) -> &[u8] {
        self.parts
            .iter()
            .find(|(part, _)| part == name)
            .map_or(&[], |(_, bytes)| bytes)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_u64(&mut out, self.at.0);
        put_u64(&mut out, self.prev.0);
        put_i64(&mut out, self.t.0);
        put_str(&mut out, &self.config);
        put_u64(&mut out, self.parts.len() as u64);
        for (name, bytes) in &self.parts {
            put_str(&mut out, name);
            put_bytes(&mut out, bytes);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor(bytes);
        if cursor.array()? != *MAGIC {
            return Err(DecodeError);
        }
        let mut snapshot = Self {
            at: LogOffset(cursor.u64()?),
            prev: LogOffset(cursor.u64()?),
            t: UtcMs(cursor.i64()?),
            config: cursor.string()?,
            parts: Vec::new(),
        };
        for _ in 0..cursor.u64()? {
            snapshot
                .parts
                .push((cursor.string()?, cursor.bytes()?.to_vec()));
        }
        Ok(snapshot)
    }

    /// Writes it, on disk when this returns. The log must be durable up to its offset before.
    ///
    /// # Errors
    /// Those of the file system; then those before stand.
    pub fn store(&self, folder: &Path) -> Result<(), LogError> {
        let path = folder.join(format!("{:020}-{:020}.snapshot", self.at.0, self.prev.0));
        store::write(&path, &self.encode())
    }

    /// The newest that reads; none when there is none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn load(folder: &Path) -> Result<Option<Self>, LogError> {
        for Listed { path, .. } in list(folder)?.iter().rev() {
            if let Some(bytes) = store::read(path)?
                && let Ok(snapshot) = Self::decode(&bytes)
            {
                return Ok(Some(snapshot));
            }
        }
        Ok(None)
    }

    /// The newest at or before a time, that reads; none when there is none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn before(folder: &Path, t: UtcMs) -> Result<Option<Self>, LogError> {
        let listed = list(folder)?;
        let read = |index: usize| -> Result<Option<Self>, LogError> {
            let bytes = store::read(&listed[index].path)?;
            Ok(bytes.and_then(|bytes| Self::decode(&bytes).ok()))
        };
        // T never goes back, so they are in order of time; one that does not read counts as too late.
        let (mut from, mut to) = (0, listed.len());
        let mut found = None;
        while from < to {
            let middle = from + (to - from) / 2;
            match read(middle)? {
                Some(snapshot) if snapshot.t <= t => {
                    found = Some(snapshot);
                    from = middle + 1;
                }
                _ => to = middle,
            }
        }
        Ok(found)
    }

    /// The oldest that reads; none when there is none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn first(folder: &Path) -> Result<Option<Self>, LogError> {
        for Listed { path, .. } in list(folder)? {
            if let Some(bytes) = store::read(&path)?
                && let Ok(snapshot) = Self::decode(&bytes)
            {
                return Ok(Some(snapshot));
            }
        }
        Ok(None)
    }

    /// The offset of the one before the newest: segments that a fallback needs begin there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn fallback(folder: &Path) -> Result<LogOffset, LogError> {
        match list(folder)?.as_slice() {
            [.., fallback, _] => Ok(fallback.at),
            _ => Ok(LogOffset(0)),
        }
    }

    /// Removes those before an offset, and then the oldest until all together take at most so many bytes; the newest two stay.
    pub(super) fn remove_old(folder: &Path, from: LogOffset, most: u64) -> Result<(), LogError> {
        let mut listed = list(folder)?;
        listed.truncate(listed.len().saturating_sub(KEPT));
        let mut bytes = Self::bytes(folder)?;
        for Listed { at, path, .. } in listed {
            if at >= from && bytes <= most {
                break;
            }
            bytes -= len_of(&path)?;
            fs::remove_file(&path).map_err(|source| LogError::io(&path, source))?;
        }
        Ok(())
    }

    /// What all of them take.
    pub(super) fn bytes(folder: &Path) -> Result<u64, LogError> {
        list(folder)?
            .iter()
            .map(|listed| len_of(&listed.path))
            .sum()
    }

    /// Where the log ended when the newest was written, readable or not: it was durable up to there.
    pub(super) fn floor(folder: &Path) -> Result<LogOffset, LogError> {
        Ok(list(folder)?.last().map_or(LogOffset(0), |last| last.prev))
    }
}

#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Listed {
    at: LogOffset,
    prev: LogOffset,
    path: PathBuf,
}

fn len_of(path: &Path) -> Result<u64, LogError> {
    let found = fs::metadata(path).map_err(|source| LogError::io(path, source))?;
    Ok(found.len())
}

/// All snapshots by offset.
fn list(folder: &Path) -> Result<Vec<Listed>, LogError> {
    let at_folder = |source| LogError::io(folder, source);
    let mut listed = Vec::new();
    for entry in fs::read_dir(folder).map_err(at_folder)? {
        let path = entry.map_err(at_folder)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let offsets = name
            .and_then(|name| name.strip_suffix(".snapshot")?.split_once('-'))
            .and_then(|(at, prev)| Some((at.parse().ok()?, prev.parse().ok()?)));
        if let Some((at, prev)) = offsets {
            let (at, prev) = (LogOffset(at), LogOffset(prev));
            listed.push(Listed { at, prev, path });
        }
    }
    listed.sort();
    Ok(listed)
}
