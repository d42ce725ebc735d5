//! One file of the journal: a header, then entries, each with its length and checksum.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use telemetry::UtcMs;

use super::{JournalError, at};
use crate::alarm::entry::{self, Entry};
use crate::alarm::event::Event;

const MAGIC: &[u8; 8] = b"fsjrnl1\n";
const HEADER_LEN: usize = 8 + 8 + 8 + 4;
/// How far two places that are found without searching are apart at least, in bytes.
const STRIDE: u64 = 64 << 10;

/// A file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) number: u64,
    pub(super) created: UtcMs,
    /// The place of its first event, if it has any.
    pub(super) first_place: u64,
    /// Its bytes on file.
    pub(super) len: u64,
    /// Where some places stand, in order.
    marks: Vec<(u64, u64)>,
    /// True once `marks` covers the whole file.
    surveyed: bool,
}

/// Walks over whole entries in bytes.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    /// Where the next one begins.
    pub(super) at: usize,
}

impl<'a> Frames<'a> {
    /// From behind the header of a file's bytes.
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self {
            bytes: file,
            at: HEADER_LEN.min(file.len()),
        }
    }

    pub(super) fn entries(self) -> impl Iterator<Item = Entry> + 'a {
        self.map(|(_, entry)| entry)
    }
}

impl Iterator for Frames<'_> {
    type Item = (usize, Entry);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..)?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let body = rest.get(..len)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let entry = entry::read(body)?;
        let began = self.at;
        self.at += 8 + len;
        Some((began, entry))
    }
}

/// Appends an entry with its length and checksum.
pub(super) fn put(out: &mut Vec<u8>, entry: &Entry) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    entry::put(out, entry);
    let body = &out[start + 8..];
    let len = u32::try_from(body.len()).expect("an entry is a few KiB");
    let crc = crc32fast::hash(body);
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// Writes bytes in their place, so that a try that failed half way does no harm.
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// How many bytes are whole entries; and where a complete checkpoint ends, if there is one.
pub(super) fn survey(file: &[u8]) -> (usize, Option<usize>) {
    let mut frames = Frames::new(file);
    let (mut begun, mut end) = (false, None);
    while let Some((_, entry)) = frames.next() {
        match entry {
            Entry::Begin(_) => begun = true,
            Entry::End if begun => end = end.or(Some(frames.at)),
            _ => {}
        }
    }
    (frames.at, end)
}

/// The segments of a folder, in order. A last one whose header is not whole was never used and is removed.
pub(super) fn list(folder: &Path) -> Result<VecDeque<Segment>, JournalError> {
    let mut paths = Vec::new();
    for file in fs::read_dir(folder).map_err(|source| at(folder, source))? {
        let path = file.map_err(|source| at(folder, source))?.path();
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse().ok());
        if let (Some(number), Some("journal")) = (number, path.extension().and_then(|e| e.to_str()))
        {
            paths.push((number, path));
        }
    }
    paths.sort();
    let mut segments = VecDeque::new();
    let count = paths.len();
    for (place, (number, path)) in paths.into_iter().enumerate() {
        match open(&path, number).map_err(|source| at(&path, source))? {
            Some(segment) => segments.push_back(segment),
            None if place + 1 == count => {
                fs::remove_file(&path).map_err(|source| at(&path, source))?;
            }
            None => return Err(JournalError::Damaged { path, at: 0 }),
        }
    }
    Ok(segments)
}

fn open(path: &Path, number: u64) -> io::Result<Option<Segment>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut header = [0; HEADER_LEN];
    if len < HEADER_LEN as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut header, 0)?;
    let [
        m0,
        m1,
        m2,
        m3,
        m4,
        m5,
        m6,
        m7,
        created @ ..,
        p0,
        p1,
        p2,
        p3,
        p4,
        p5,
        p6,
        p7,
        _,
        _,
        _,
        _,
    ] = header;
    let whole = header_of(
        UtcMs(i64::from_le_bytes(created)),
        u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7]),
    );
    if &[m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC || whole != header {
        return Ok(None);
    }
    Ok(Some(Segment {
        path: path.to_owned(),
        number,
        created: UtcMs(i64::from_le_bytes(created)),
        first_place: u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7]),
        len,
        marks: Vec::new(),
        surveyed: false,
    }))
}

fn header_of(created: UtcMs, first_place: u64) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&created.0.to_le_bytes());
    header[16..24].copy_from_slice(&first_place.to_le_bytes());
    let crc = crc32fast::hash(&header[..24]);
    header[24..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Makes a segment, on disk with its name.
pub(super) fn create(
    folder: &Path,
    number: u64,
    first_place: u64,
    now: UtcMs,
) -> Result<(Segment, File), JournalError> {
    let path = folder.join(format!("{number:08}.journal"));
    let make = || -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        file.write_all_at(&header_of(now, first_place), 0)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(file)
    };
    let file = make().map_err(|source| at(&path, source))?;
    let segment = Segment {
        path,
        number,
        created: now,
        first_place,
        len: HEADER_LEN as u64,
        marks: Vec::new(),
        surveyed: true,
    };
    Ok((segment, file))
}

/// Cuts off what a crash left half written at the end of the last segment.
pub(super) fn cut_torn_end(segment: &mut Segment) -> Result<File, JournalError> {
    let bytes = segment.read_all()?;
    let (whole, _) = survey(&bytes);
    let mut cut = || -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&segment.path)?;
        segment.len = whole as u64;
        if whole < bytes.len() {
            file.set_len(segment.len)?;
            file.sync_all()?;
        }
        Ok(file)
    };
    cut().map_err(|source| at(&segment.path, source))
}

impl Segment {
    pub(super) fn read_all(&self) -> Result<Vec<u8>, JournalError> {
        fs::read(&self.path).map_err(|source| at(&self.path, source))
    }

    /// Notes where a place stands, now and then.
    pub(super) fn mark(&mut self, place: u64, offset: u64) {
        let far = self
            .marks
            .last()
            .is_none_or(|(known, at)| *known < place && offset >= at + STRIDE);
        if far {
            self.marks.push((place, offset));
        }
    }

    /// Events from a place on, until they are about `len` bytes. `pending` is what is not on file yet.
    pub(super) fn events(
        &mut self,
        from: u64,
        len: usize,
        pending: &[u8],
    ) -> io::Result<Vec<Event>> {
        let file = File::open(&self.path)?;
        if !self.surveyed {
            self.survey_places(&file)?;
        }
        let near = self.marks.partition_point(|(place, _)| *place <= from);
        let (_, mut offset) = near
            .checked_sub(1)
            .map_or((0, HEADER_LEN as u64), |near| self.marks[near]);
        let mut events = Vec::new();
        let mut taken = 0;
        let end = self.len + pending.len() as u64;
        while offset < end {
            let bytes = self.window(&file, offset, pending)?;
            let mut frames = Frames {
                bytes: &bytes,
                at: 0,
            };
            for (_, entry) in frames.by_ref() {
                if let Entry::Event(event) = entry
                    && event.place >= from
                {
                    taken += event.bytes().len();
                    events.push(event);
                    if taken >= len {
                        return Ok(events);
                    }
                }
            }
            if frames.at == 0 {
                break;
            }
            offset += frames.at as u64;
        }
        Ok(events)
    }

    /// A stretch of the file with what is pending behind it; long enough for the longest entry.
    fn window(&self, file: &File, offset: u64, pending: &[u8]) -> io::Result<Vec<u8>> {
        const WINDOW: u64 = 1 << 20;
        let on_file = self.len.saturating_sub(offset).min(WINDOW);
        let mut bytes = vec![0; usize::try_from(on_file).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, offset)?;
        if offset + on_file == self.len {
            let skip = usize::try_from(offset.saturating_sub(self.len)).unwrap_or(usize::MAX);
            bytes.extend_from_slice(pending.get(skip..).unwrap_or(&[]));
        }
        Ok(bytes)
    }

    fn survey_places(&mut self, file: &File) -> io::Result<()> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        self.marks.clear();
        for (at, entry) in Frames::new(&bytes) {
            if let Entry::Event(event) = entry {
                self.mark(event.place, at as u64);
            }
        }
        self.surveyed = true;
        Ok(())
    }
}
