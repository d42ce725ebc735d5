//! Snapshots: what replaying the log up to an offset gives, so that older segments can go.
//!
//! Knows parts as bytes with names, and not what they mean. Two are kept: when the newest does not read, the one before it does.

use std::fs;
use std::path::{Path, PathBuf};

use telemetry::UtcMs;

use super::codec::{Cursor, put_bytes, put_i64, put_str, put_u64};
use super::{DecodeError, LogError, LogOffset, store};

const MAGIC: &[u8; 8] = b"FSSNAP\0\x01";
/// Snapshots that are kept.
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

    /// Writes it, on disk when this returns, and removes all but the newest two. The log must be durable up to its offset before.
    ///
    /// # Errors
    /// Those of the file system; then those before stand.
    pub fn store(&self, folder: &Path) -> Result<(), LogError> {
        let path = folder.join(format!("{:020}-{:020}.snapshot", self.at.0, self.prev.0));
        store::write(&path, &self.encode())?;
        let mut paths = list(folder)?;
        let old = paths.len().saturating_sub(KEPT);
        for Listed { path, .. } in paths.drain(..old) {
            fs::remove_file(&path).map_err(|source| LogError::io(&path, source))?;
        }
        Ok(())
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

    /// The offset of the oldest that is kept: segments that a fallback needs begin there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn oldest(folder: &Path) -> Result<LogOffset, LogError> {
        let paths = list(folder)?;
        match paths.as_slice() {
            [oldest, _, ..] => Ok(oldest.at),
            _ => Ok(LogOffset(0)),
        }
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
