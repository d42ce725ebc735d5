//! The journal: every event as first sent, for 30 days, in files.
//!
//! It holds what the log can't give back: what was told to whom, under which number. Events themselves are a function of the log, so that only what a new epoch rests on waits for the disk; the rest is written at once and synced before the log forgets its records ([`Journal::sync`]).
//! A disk that takes nothing stops no alarm: entries wait in memory and are written when it does again.

mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use telemetry::UtcMs;
use thiserror::Error;

use super::entry::Entry;
use super::event::Event;
use super::recover::{Recovered, recover};
use segment::{Frames, Segment};

/// A new segment begins when the last is this long, in bytes; or twice its checkpoint, if that is more.
const SEGMENT_LEN: u64 = 16 << 20;
/// Or when it is this old, in milliseconds.
const SEGMENT_MS: u64 = 24 * 3_600_000;
/// How long events are kept, in milliseconds.
const KEEP_MS: u64 = 31 * SEGMENT_MS;
/// About how many bytes of events one read gives.
const READ_LEN: usize = 64 << 10;

/// Why a journal can't be opened.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A file that others follow is not as it was written.
    #[error("{}: damaged at byte {at}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first byte that is not as it was written.
        at: u64,
    },
}

/// The files of one folder; the last of them takes what is new.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    older: VecDeque<Segment>,
    last: Segment,
    file: File,
    /// Bytes of the last segment that are in its file.
    written: u64,
    /// Bytes behind those, which are not.
    pending: Vec<u8>,
    /// The place of the next event.
    next_place: u64,
    /// Where the last segment's checkpoint ends, in bytes; 0 while it is not complete, or where a segment begins without one.
    checkpoint_end: u64,
}

impl Journal {
    /// Opens or makes the journal of a folder, cuts a torn end off, and tells where the publisher was. `log_end` is the offset behind the log's last record.
    ///
    /// # Errors
    /// A folder or file that can't be read or written, or damage that no crash explains.
    pub fn open(
        folder: &Path,
        log_end: u64,
        now: UtcMs,
    ) -> Result<(Self, Recovered), JournalError> {
        fs::create_dir_all(folder).map_err(|source| at(folder, source))?;
        let mut segments = segment::list(folder)?;
        let Some(mut last) = segments.pop_back() else {
            let (segment, file) = segment::create(folder, 1, 1, now)?;
            let written = segment.len;
            let journal = Self {
                folder: folder.to_owned(),
                older: VecDeque::new(),
                last: segment,
                file,
                written,
                pending: Vec::new(),
                next_place: 1,
                checkpoint_end: 0,
            };
            return Ok((journal, Recovered::default()));
        };
        let file = segment::cut_torn_end(&mut last)?;
        let written = last.len;
        let mut images = VecDeque::new();
        let mut checkpoint_end = 0;
        let newest_first = std::iter::once(&last).chain(segments.iter().rev());
        for (age, segment) in newest_first.enumerate() {
            let bytes = segment.read_all()?;
            let (whole, end) = segment::survey(&bytes);
            if whole < bytes.len() {
                return Err(JournalError::Damaged {
                    path: segment.path.clone(),
                    at: whole as u64,
                });
            }
            if age == 0 {
                checkpoint_end = end.map_or(0, |end| end as u64);
            }
            images.push_front(bytes);
            if end.is_some() {
                break;
            }
        }
        let entries = || images.iter().flat_map(|bytes| Frames::new(bytes).entries());
        let next_place = entries()
            .filter_map(|entry| match entry {
                Entry::Event(event) => Some(event.place),
                Entry::Begin(checkpoint) => Some(checkpoint.place),
                Entry::Turn { upto, .. } => Some(upto),
                _ => None,
            })
            .max()
            .unwrap_or(0)
            + 1;
        let recovered = recover(entries, log_end);
        let journal = Self {
            folder: folder.to_owned(),
            older: segments,
            last,
            file,
            written,
            pending: Vec::new(),
            next_place,
            checkpoint_end,
        };
        Ok((journal, recovered))
    }

    /// Appends an entry, in memory until [`flush`](Self::flush).
    pub fn append(&mut self, entry: &Entry) {
        let offset = self.written + self.pending.len() as u64;
        segment::put(&mut self.pending, entry);
        match entry {
            Entry::Event(event) => {
                self.last.mark(event.place, offset);
                self.next_place = event.place + 1;
            }
            Entry::End => {
                self.checkpoint_end = self.written + self.pending.len() as u64;
            }
            _ => {}
        }
    }

    /// Writes what was appended.
    ///
    /// # Errors
    /// A disk that takes nothing. What was appended stays, and the next call tries again.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        segment::write_at(&self.file, &self.pending, self.written)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        self.last.len = self.written;
        Ok(())
    }

    /// Writes what was appended and waits until it is on the disk. Before the log forgets records, their events must be here.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }

    /// Events from a place on, in order, about 64 KiB; empty when there are none. What is older than the journal is left out.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn read(&mut self, from: u64) -> io::Result<Vec<Event>> {
        let begin = self
            .older
            .partition_point(|segment| segment.first_place <= from)
            .saturating_sub(1);
        if self.last.first_place > from {
            for segment in self.older.range_mut(begin..) {
                let events = segment.events(from, READ_LEN, &[])?;
                if !events.is_empty() {
                    return Ok(events);
                }
            }
        }
        self.last.events(from, READ_LEN, &self.pending)
    }

    /// True when a new segment should begin, unless a checkpoint is being written: call [`begin_segment`](Self::begin_segment), then `Publisher::checkpoint`.
    pub fn wants_segment(&self, now: UtcMs) -> bool {
        let len = self.written + self.pending.len() as u64;
        len >= SEGMENT_LEN.max(self.checkpoint_end * 2)
            || now.since_ms(self.last.created) >= SEGMENT_MS
    }

    /// Ends the last segment and begins another; removes what is older than 30 days.
    ///
    /// # Errors
    /// A disk that takes nothing; the last segment goes on then.
    pub fn begin_segment(&mut self, now: UtcMs) -> Result<(), JournalError> {
        let folder = self.folder.clone();
        self.sync().map_err(|source| at(&folder, source))?;
        let number = self.last.number + 1;
        let (segment, file) = segment::create(&folder, number, self.next_place, now)?;
        self.written = segment.len;
        self.older
            .push_back(std::mem::replace(&mut self.last, segment));
        self.file = file;
        self.checkpoint_end = 0;
        self.prune(now)
    }

    /// Removes segments of which everything is older than 30 days; never what a start would need.
    fn prune(&mut self, now: UtcMs) -> Result<(), JournalError> {
        // The last segment's checkpoint has only begun: the one before it stays.
        while let [_, next, ..] = self.older.make_contiguous()
            && now.since_ms(next.created) >= KEEP_MS
            && let Some(old) = self.older.pop_front()
        {
            fs::remove_file(&old.path).map_err(|source| at(&old.path, source))?;
        }
        Ok(())
    }
}

fn at(path: &Path, source: io::Error) -> JournalError {
    JournalError::Io {
        path: path.to_owned(),
        source,
    }
}
