//! The one log: everything that can change an alarm, in order, append-only and checksummed.
//!
//! Knows files, records and what is durable; knows nothing of rules, nodes or brokers.
//! A folder holds segments (`{base}.log`), snapshots (`{offset}.snapshot`), readers' offsets (`{name}.reader`) and a lock.

pub(crate) mod codec;
mod frame;
mod reader;
mod record;
mod segment;
mod snapshot;
mod store;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use telemetry::UtcMs;
use thiserror::Error;

pub use reader::{Bookmark, Entry, Reader};
pub use record::{
    ConfigImage, DecodeError, FileImage, Lane, LoggedSample, PackId, PointImage, Record,
    SampleEncoder, SampleIter, Samples,
};
pub use snapshot::Snapshot;
pub use writer::{
    Appended, Appender, Chunk, CommitQueue, Committer, Disk, DiskHealth, FolderDisk, PENDING_MAX,
    SEGMENT_LEN, committer,
};

/// A place in the log: bytes since its beginning, over all segments.
///
/// An offset that an append returns is the end of its record: all before it is in.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LogOffset(pub u64);

impl fmt::Display for LogOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why a log can't be opened or read.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another process has the folder.
    #[error("{}: another gateway uses this folder", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// What was on disk is not what was written. Nothing is skipped: a backup or a person has to decide.
    #[error("{}: damaged at offset {at} of the log, which had been on disk", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// The first byte that is not as it was written.
        at: LogOffset,
    },
    /// Segments are missing.
    #[error("the log is missing from offset {from} to {to}")]
    Hole {
        /// The first byte that is missing.
        from: LogOffset,
        /// The first that is there again.
        to: LogOffset,
    },
    /// Another version wrote it.
    #[error(transparent)]
    Version(#[from] DecodeError),
}

impl LogError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// A log's folder, held by this process alone.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// A log that was opened for writing.
#[derive(Debug)]
pub struct Opened {
    /// The writing end.
    pub appender: Appender,
    /// Bytes of an unfinished write that were cut off.
    pub cut: u64,
    /// False when the log begins here.
    pub has_history: bool,
}

impl Folder {
    /// Takes the folder, which is made when it isn't there.
    ///
    /// # Errors
    /// It can't be made, or another process has it.
    pub fn lock(path: &Path) -> Result<Self, LogError> {
        fs::create_dir_all(path).map_err(|source| LogError::io(path, source))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|source| LogError::io(&lock_path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(LogError::Locked { path: lock_path }),
            Err(TryLockError::Error(source)) => Err(LogError::io(&lock_path, source)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Finds the end of the log, and cuts off what a crash left unfinished; an empty folder's log begins with `config` at T `now`.
    ///
    /// # Errors
    /// What had been on disk is damaged or missing: nothing is skipped.
    pub fn open(&self, config: &ConfigImage, now: UtcMs) -> Result<Opened, LogError> {
        let floor = Snapshot::floor(&self.path)?;
        let (tail, cut) = segment::recover(&self.path, floor)?;
        let has_history = tail.is_some();
        let mut appender = Appender::new(tail, config.clone(), now);
        // A stop while the disk took nothing, after the snapshot of what was evaluated meanwhile: the log goes on behind it.
        if let Some(snapshot) = Snapshot::load(&self.path)?
            && snapshot.at > appender.end()
            && snapshot.prev == appender.end()
        {
            appender.skip_to(snapshot.at, snapshot.t);
        }
        Ok(Opened {
            appender,
            cut,
            has_history,
        })
    }

    /// Removes the oldest segments, with the snapshots before them, while the log takes more than `most` bytes, and returns how many.
    ///
    /// What is read from `needed_from` on stays, and so does the segment that is written.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn keep(&self, needed_from: LogOffset, most: u64) -> Result<usize, LogError> {
        let mut segments = segment::list(&self.path)?;
        let snapshots = Snapshot::bytes(&self.path)?;
        let mut bytes = snapshots + segments.iter().map(|segment| segment.len).sum::<u64>();
        let written = segments.pop();
        let mut removed = 0;
        let mut first = written.map_or(LogOffset(0), |segment| segment.base);
        for segment in segments {
            if bytes <= most || segment.end() > needed_from {
                first = segment.base;
                break;
            }
            fs::remove_file(&segment.path).map_err(|source| LogError::io(&segment.path, source))?;
            bytes -= segment.len;
            removed += 1;
        }
        let others = bytes - snapshots;
        Snapshot::remove_old(&self.path, first, most.saturating_sub(others))?;
        Ok(removed)
    }
}
