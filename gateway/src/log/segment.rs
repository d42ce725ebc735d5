//! Segments: the files of the log, their names and headers, and the search for the last whole record.
//!
//! Knows which damage a crash can do and which it cannot: only what was never known to be on disk may be cut off.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use telemetry::UtcMs;

use super::frame::{self, Frame, OVERHEAD, Parsed};
use super::{ConfigImage, LogError, LogOffset, Record};

/// Bytes before the first record of a segment.
pub(super) const HEADER_LEN: usize = 24;
const MAGIC: [u8; 8] = *b"FSLOG\0\0\x01";
const READ_LEN: usize = 256 << 10;

/// A file of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Segment {
    pub(super) base: LogOffset,
    pub(super) path: PathBuf,
    pub(super) len: u64,
}

impl Segment {
    pub(super) fn end(&self) -> LogOffset {
        LogOffset(self.base.0 + self.len)
    }
}

pub(super) fn path_of(folder: &Path, base: LogOffset) -> PathBuf {
    folder.join(format!("{:020}.log", base.0))
}

/// The header of the segment that begins at `base` and follows what ends at `prev`.
///
/// They differ where the disk took nothing for a while: a snapshot at `base` holds what was evaluated meanwhile.
pub(super) fn header(base: LogOffset, prev: LogOffset) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&base.0.to_le_bytes());
    header[16..].copy_from_slice(&prev.0.to_le_bytes());
    header
}

/// The end of what stands before a segment; none when its header isn't whole.
pub(super) fn prev_of(segment: &Segment) -> io::Result<Option<LogOffset>> {
    Ok(SegmentReader::open(&segment.path, segment.base)?.map(|reader| reader.prev))
}

/// All segments of a folder by their base.
pub(super) fn list(folder: &Path) -> Result<Vec<Segment>, LogError> {
    let at_folder = |source| LogError::io(folder, source);
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(at_folder)? {
        let entry = entry.map_err(at_folder)?;
        let path = entry.path();
        let base = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".log"))
            .and_then(|digits| digits.parse().ok());
        if let Some(base) = base {
            let len = entry
                .metadata()
                .map_err(|source| LogError::io(&path, source))?
                .len();
            let base = LogOffset(base);
            segments.push(Segment { base, path, len });
        }
    }
    segments.sort_by_key(|segment| segment.base);
    Ok(segments)
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Step {
    /// A record at this offset; its bytes are in the reader until the next call.
    Whole(LogOffset, Frame),
    /// Nothing more up to where reading was allowed.
    End,
    /// No whole record here.
    Broken(LogOffset),
}

/// Reads the records of one segment from its beginning.
#[derive(Debug)]
pub(super) struct SegmentReader {
    file: File,
    base: LogOffset,
    prev: LogOffset,
    /// Where the first byte of `buffer` stands in the file.
    window: u64,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are done with.
    done: usize,
    /// The length of the record that was last returned.
    last: usize,
}

impl SegmentReader {
    /// Opens a segment; `Ok(None)` when its header isn't whole.
    pub(super) fn open(path: &Path, base: LogOffset) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let mut header = [0; HEADER_LEN];
        match file.read_exact_at(&mut header, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let mut prev = [0; 8];
        prev.copy_from_slice(&header[16..]);
        let prev = LogOffset(u64::from_le_bytes(prev));
        if header != self::header(base, prev) || prev > base {
            return Ok(None);
        }
        Ok(Some(Self {
            file,
            base,
            prev,
            window: HEADER_LEN as u64,
            buffer: Vec::new(),
            done: 0,
            last: 0,
        }))
    }

    pub(super) fn base(&self) -> LogOffset {
        self.base
    }

    /// The length of the file as it is now.
    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The next record that ends at or before `upto`.
    pub(super) fn step(&mut self, upto: LogOffset) -> io::Result<Step> {
        self.done += std::mem::take(&mut self.last);
        loop {
            let at = LogOffset(self.base.0 + self.window + self.done as u64);
            if at >= upto {
                return Ok(Step::End);
            }
            let unread = &self.buffer[self.done..];
            match frame::parse(unread, at) {
                Parsed::Whole(frame) => {
                    self.last = frame.len;
                    return Ok(Step::Whole(at, frame));
                }
                Parsed::Broken => return Ok(Step::Broken(at)),
                Parsed::Short(need) => {
                    let have = unread.len();
                    if at.0 + need as u64 > upto.0 || !self.fill(need, have, upto)? {
                        return Ok(Step::Broken(at));
                    }
                }
            }
        }
    }

    /// The body of the record that `step` returned last.
    pub(super) fn body(&self, frame: &Frame) -> &[u8] {
        frame.body(&self.buffer[self.done..])
    }

    /// Reads until `need` bytes are there, and more where allowed; false when the file ends before.
    fn fill(&mut self, need: usize, have: usize, upto: LogOffset) -> io::Result<bool> {
        self.buffer.drain(..self.done);
        self.window += self.done as u64;
        self.done = 0;
        let allowed = upto.0 - self.base.0 - self.window;
        let wanted = need
            .max(READ_LEN)
            .min(usize::try_from(allowed).unwrap_or(usize::MAX));
        self.buffer.resize(wanted, 0);
        let mut filled = have;
        while filled < wanted {
            let place = self.window + filled as u64;
            match self.file.read_at(&mut self.buffer[filled..], place) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.truncate(filled);
        Ok(filled >= need)
    }
}

/// Where a log ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tail {
    /// The segment to go on in.
    pub(super) segment: LogOffset,
    /// The end of the last record.
    pub(super) end: LogOffset,
    /// Its T.
    pub(super) t: UtcMs,
    /// The configuration in force.
    pub(super) config: ConfigImage,
}

/// Finds the end of the log in a folder, and cuts off what a crash left unfinished; none for an empty folder.
///
/// All before `floor` is known to have been on disk. Returns the number of bytes cut off too.
pub(super) fn recover(folder: &Path, floor: LogOffset) -> Result<(Option<Tail>, u64), LogError> {
    let mut segments = list(folder)?;
    for pair in segments.windows(2) {
        let (from, to) = (pair[0].end(), pair[1].base);
        if from != to {
            let prev = prev_of(&pair[1]).map_err(|source| LogError::io(&pair[1].path, source))?;
            if prev != Some(from) {
                return Err(LogError::Hole { from, to });
            }
        }
    }
    let mut cut = 0;
    while let Some(segment) = segments.pop() {
        let (tail, broken) = scan(&segment)?;
        let end = tail.as_ref().map_or(segment.base, |tail| tail.end);
        if broken {
            if end < floor || was_durable(&segment, end)? {
                return Err(LogError::Damaged {
                    path: segment.path,
                    at: end,
                });
            }
            cut += segment.end().0 - end.0;
        }
        if let Some(tail) = tail {
            if broken {
                truncate(&segment.path, end.0 - segment.base.0)
                    .map_err(|source| LogError::io(&segment.path, source))?;
            }
            return Ok((Some(tail), cut));
        }
        // Not even its configuration was written: the segment before it is the last.
        fs::remove_file(&segment.path).map_err(|source| LogError::io(&segment.path, source))?;
    }
    if floor > LogOffset(0) {
        return Err(LogError::Hole {
            from: LogOffset(0),
            to: floor,
        });
    }
    Ok((None, cut))
}

fn truncate(path: &Path, len: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(len)?;
    file.sync_all()
}

/// Reads a segment to its last whole record; true when something that is none follows.
fn scan(segment: &Segment) -> Result<(Option<Tail>, bool), LogError> {
    let at_path = |source| LogError::io(&segment.path, source);
    let Some(mut reader) = SegmentReader::open(&segment.path, segment.base).map_err(at_path)?
    else {
        return Ok((None, true));
    };
    let mut tail: Option<Tail> = None;
    loop {
        match reader.step(segment.end()).map_err(at_path)? {
            Step::End => return Ok((tail, false)),
            Step::Broken(_) => return Ok((tail, true)),
            Step::Whole(at, frame) => {
                let record = Record::decode(frame.kind, reader.body(&frame))?;
                let end = LogOffset(at.0 + frame.len as u64);
                match (&mut tail, record) {
                    (_, Record::Config(config)) => {
                        let segment = segment.base;
                        let t = frame.t;
                        tail = Some(Tail {
                            segment,
                            end,
                            t,
                            config,
                        });
                    }
                    (Some(tail), _) => (tail.end, tail.t) = (end, frame.t),
                    (None, _) => return Err(LogError::Version(super::DecodeError)),
                }
            }
        }
    }
}

/// True when a whole record after `end` says that the log was on disk beyond `end`: then the damage is no torn tail.
fn was_durable(segment: &Segment, end: LogOffset) -> Result<bool, LogError> {
    let at_path = |source| LogError::io(&segment.path, source);
    let file = File::open(&segment.path).map_err(at_path)?;
    let from = end.0 - segment.base.0;
    let mut rest = vec![0; usize::try_from(segment.len - from).unwrap_or(0)];
    file.read_exact_at(&mut rest, from).map_err(at_path)?;
    for index in 1..rest.len().saturating_sub(OVERHEAD) {
        let at = LogOffset(end.0 + index as u64);
        if let Parsed::Whole(frame) = frame::parse(&rest[index..], at)
            && frame.mark > end
        {
            return Ok(true);
        }
    }
    Ok(false)
}
