//! Reading: records one after another from any offset, over segments, up to what is on disk; and the offsets that readers store.
//!
//! A reader knows the configuration in force at each record, so that it can name points. It never reads what a crash could undo.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use telemetry::UtcMs;

use super::frame::Frame;
use super::segment::{self, SegmentReader, Step};
use super::{ConfigImage, LogError, LogOffset, Record, store};

/// A record where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// Where it begins.
    pub at: LogOffset,
    /// Where it ends: what a reader stores when it is done with it.
    pub end: LogOffset,
    /// Its time.
    pub t: UtcMs,
    /// What it says.
    pub record: Record<'a>,
}

/// Reads the log in order.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    segment: Option<Open>,
    /// The segment that is open, or the next to be.
    base: LogOffset,
    next: LogOffset,
    config: Arc<ConfigImage>,
    /// Where the last segment began and ended when the folder was last looked at without a limit.
    last_seen: (LogOffset, LogOffset),
}

#[derive(Debug)]
struct Open {
    reader: SegmentReader,
    path: PathBuf,
    /// The end of the file when it was last looked at.
    end: LogOffset,
    /// True when it won't grow any more.
    closed: bool,
}

impl Reader {
    /// Begins at `from`, the end of a record; an offset before the oldest segment begins at that.
    ///
    /// # Errors
    /// The folder can't be read, or the segment of `from` is damaged.
    pub fn open(folder: &Path, from: LogOffset) -> Result<Self, LogError> {
        let segments = segment::list(folder)?;
        let containing = segments
            .iter()
            .rfind(|segment| segment.base < from)
            .or_else(|| segments.first());
        let base = containing.map_or(LogOffset(0), |segment| segment.base);
        let mut reader = Self {
            folder: folder.to_owned(),
            segment: None,
            base,
            next: base,
            config: Arc::default(),
            last_seen: Default::default(),
        };
        // Walking up to `from` finds the configuration in force there.
        while reader.next < from {
            if reader.read(from)?.is_none() {
                break;
            }
        }
        Ok(reader)
    }

    /// The end of the last record read.
    pub fn position(&self) -> LogOffset {
        self.next
    }

    /// Where the log ended when [`Self::read_on`] last looked.
    pub fn last_seen(&self) -> LogOffset {
        self.last_seen.1
    }

    /// The configuration in force at the record last read.
    pub fn config(&self) -> &Arc<ConfigImage> {
        &self.config
    }

    /// The next record that ends at or before `upto`, which is the end of a record; none when there is none yet. Blocks on the disk.
    ///
    /// # Errors
    /// The files can't be read or are damaged.
    ///
    /// # Panics
    /// Never.
    pub fn read(&mut self, upto: LogOffset) -> Result<Option<Entry<'_>>, LogError> {
        match self.step(upto)? {
            Some((at, frame)) => self.entry(at, &frame).map(Some),
            None => Ok(None),
        }
    }

    /// The next record that is there whole; none when there is none yet. For who reads beside the writer: what is unfinished at the end is no damage.
    ///
    /// # Errors
    /// The files can't be read or are damaged.
    ///
    /// # Panics
    /// Never.
    pub fn read_on(&mut self) -> Result<Option<Entry<'_>>, LogError> {
        if self.next >= self.last_seen.1
            && let Some(segment) = segment::list(&self.folder)?.pop()
        {
            self.last_seen = (segment.base, segment.end());
        }
        let (last, end) = self.last_seen;
        match self.step(end) {
            Ok(Some((at, frame))) => self.entry(at, &frame).map(Some),
            Ok(None) => Ok(None),
            Err(LogError::Damaged { at, .. }) if at >= last => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn entry(&mut self, at: LogOffset, frame: &Frame) -> Result<Entry<'_>, LogError> {
        let end = LogOffset(at.0 + frame.len as u64);
        self.next = end;
        let segment = self
            .segment
            .as_ref()
            .expect("a step leaves its segment open");
        let record = Record::decode(frame.kind, segment.reader.body(frame))?;
        if let Record::Config(config) = &record
            && self.config.hash != config.hash
        {
            self.config = Arc::new(config.clone());
        }
        Ok(Entry {
            at,
            end,
            t: frame.t,
            record,
        })
    }

    fn step(&mut self, upto: LogOffset) -> Result<Option<(LogOffset, Frame)>, LogError> {
        while self.next < upto {
            let open = match &mut self.segment {
                Some(open) => open,
                none => none.insert(Open::at(&self.folder, self.base)?),
            };
            open.look(upto)?;
            match open
                .reader
                .step(upto.min(open.end))
                .map_err(|source| LogError::io(&open.path, source))?
            {
                Step::Whole(at, frame) => return Ok(Some((at, frame))),
                Step::Broken(at) => {
                    let path = open.path.clone();
                    return Err(LogError::Damaged { path, at });
                }
                Step::End if open.end >= upto => return Ok(None),
                Step::End => {
                    let base = following(&self.folder, open.end)?;
                    (self.base, self.next) = (base, base);
                    self.segment = None;
                }
            }
        }
        Ok(None)
    }
}

/// The segment after one that ends at `end`; they don't touch where the disk took nothing for a while.
fn following(folder: &Path, end: LogOffset) -> Result<LogOffset, LogError> {
    if segment::path_of(folder, end).exists() {
        return Ok(end);
    }
    let next = segment::list(folder)?
        .into_iter()
        .find(|segment| segment.base > end);
    let Some(next) = next else { return Ok(end) };
    let prev = segment::prev_of(&next).map_err(|source| LogError::io(&next.path, source))?;
    if prev == Some(end) {
        Ok(next.base)
    } else {
        Err(LogError::Hole {
            from: end,
            to: next.base,
        })
    }
}

impl Open {
    fn at(folder: &Path, base: LogOffset) -> Result<Self, LogError> {
        let path = segment::path_of(folder, base);
        let reader = SegmentReader::open(&path, base)
            .map_err(|source| LogError::io(&path, source))?
            .ok_or_else(|| LogError::Damaged {
                path: path.clone(),
                at: base,
            })?;
        Ok(Self {
            reader,
            path,
            end: base,
            closed: false,
        })
    }

    /// Finds out how far the segment goes, unless that is known: what is to be read up to `upto` is in it, or it is closed.
    fn look(&mut self, upto: LogOffset) -> Result<(), LogError> {
        if self.end < upto && !self.closed {
            let len = self
                .reader
                .len()
                .map_err(|source| LogError::io(&self.path, source))?;
            self.end = LogOffset(self.reader.base().0 + len);
            self.closed = self.end < upto;
        }
        Ok(())
    }
}

/// The offset that a reader stores when it is done with all before it.
#[derive(Debug)]
pub struct Bookmark {
    path: PathBuf,
}

impl Bookmark {
    /// The bookmark of the reader `name` in a log's folder.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self {
            path: folder.join(format!("{name}.reader")),
        }
    }

    /// What was stored; the log's beginning when nothing was, or it does not read.
    ///
    /// # Errors
    /// The file is there and can't be read.
    pub fn load(&self) -> Result<LogOffset, LogError> {
        let bytes = store::read(&self.path)?;
        let offset = bytes.and_then(|bytes| bytes.try_into().ok());
        Ok(LogOffset(offset.map_or(0, u64::from_le_bytes)))
    }

    /// Stores an offset, on disk when this returns.
    ///
    /// # Errors
    /// Those of the file system; then the one before stands.
    pub fn store(&self, offset: LogOffset) -> Result<(), LogError> {
        store::write(&self.path, &offset.0.to_le_bytes())
    }
}
