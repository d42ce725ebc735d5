//! The outbox of a node on Linux: a folder of segment files.
//!
//! A segment is a run of records `kind, length, boot, seq, body's CRC, head's CRC, body`; it is never written again after a restart, and goes when nothing in it is wanted any more.
//! Every append is on the disk before it returns: neither a kill nor a power cut takes what was appended.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use node::{Store, StoreError, Stored};
use telemetry::body::PackId;
use tracing::warn;

/// When a segment is closed, in bytes.
const SEGMENT_MAX: u64 = 256 * 1024;
/// The longest body, in bytes: a pack is at most 256 KiB.
const BODY_MAX: u32 = 1 << 20;
const HEAD_LEN: usize = 29;
/// A pack.
const PACK: u8 = 1;
/// The pack with this id, in this or an earlier segment, is not wanted any more.
const REMOVED: u8 = 2;

/// Packs in files under one folder, up to a number of bytes.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    room: u64,
    packs: BTreeMap<PackId, At>,
    segments: BTreeMap<u64, Segment>,
    current: Option<(u64, File)>,
}

/// Where a pack's body is.
#[derive(Clone, Copy, Debug)]
struct At {
    segment: u64,
    offset: u64,
    len: u32,
    crc: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    bytes: u64,
    wanted: u64,
}

impl FileStore {
    /// Opens the folder, which is made if it is missing, and reads what it has; `room` is how many bytes its segments may take.
    ///
    /// # Errors
    /// The folder can't be made or read.
    pub fn open(folder: &Path, room: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut store = Self {
            folder: folder.to_path_buf(),
            room,
            packs: BTreeMap::new(),
            segments: BTreeMap::new(),
            current: None,
        };
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str());
            if path.extension().is_some_and(|extension| extension == "seg") {
                numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
            }
        }
        numbers.sort_unstable();
        for number in numbers {
            store.read_segment(number)?;
        }
        store.forget_unwanted_segments()?;
        Ok(store)
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.folder.join(format!("{segment:016}.seg"))
    }

    /// Reads a segment; a damaged or torn record costs itself alone.
    fn read_segment(&mut self, number: u64) -> io::Result<()> {
        let file = self.path(number);
        let bytes = fs::read(&file)?;
        let mut rest = bytes.as_slice();
        let mut damaged = 0_usize;
        self.segments.insert(
            number,
            Segment {
                bytes: len_of(&bytes),
                wanted: 0,
            },
        );
        while !rest.is_empty() {
            let record = Head::parse(rest)
                .and_then(|(head, after)| Some((after.split_at_checked(head.body_len())?, head)));
            let Some(((body, after), head)) = record else {
                // Whatever the next intact head is, it has its own check.
                damaged += 1;
                rest = &rest[1..];
                continue;
            };
            match head.kind {
                PACK if crc32fast::hash(body) == head.crc => {
                    let at = At {
                        segment: number,
                        offset: len_of(&bytes) - len_of(after) - len_of(body),
                        len: head.len,
                        crc: head.crc,
                    };
                    self.want(head.id, at);
                }
                PACK => damaged += HEAD_LEN + body.len(),
                REMOVED => self.forget(head.id),
                _ => {}
            }
            rest = after;
        }
        if damaged > 0 {
            warn!(file = %file.display(), bytes = damaged, "a part of the outbox can't be read");
        }
        Ok(())
    }

    fn want(&mut self, id: PackId, at: At) {
        self.forget(id);
        self.packs.insert(id, at);
        if let Some(segment) = self.segments.get_mut(&at.segment) {
            segment.wanted += 1;
        }
    }

    fn forget(&mut self, id: PackId) {
        let gone = self.packs.remove(&id);
        if let Some(segment) = gone.and_then(|at| self.segments.get_mut(&at.segment)) {
            segment.wanted -= 1;
        }
    }

    fn forget_unwanted_segments(&mut self) -> io::Result<()> {
        let current = self.current.as_ref().map(|(number, _)| *number);
        // Oldest first and no further than the first that is wanted: a later segment may hold the removals of an earlier one.
        while let Some((&number, segment)) = self.segments.first_key_value() {
            if segment.wanted > 0 || Some(number) == current {
                break;
            }
            fs::remove_file(self.path(number))?;
            self.segments.remove(&number);
        }
        Ok(())
    }

    /// How many segments have something that is wanted.
    fn wanted_segments(&self) -> usize {
        let segments = self.segments.values();
        segments.filter(|segment| segment.wanted > 0).count()
    }

    fn used(&self) -> u64 {
        self.segments.values().map(|segment| segment.bytes).sum()
    }

    /// Appends records that are one write, and returns the segment and where they begin.
    fn write(&mut self, records: &[u8]) -> io::Result<(u64, u64)> {
        let full = self
            .current
            .as_ref()
            .and_then(|(number, _)| self.segments.get(number))
            .is_none_or(|segment| segment.bytes >= SEGMENT_MAX);
        if full {
            let number = self
                .segments
                .last_key_value()
                .map_or(1, |(last, _)| last + 1);
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(self.path(number))?;
            File::open(&self.folder)?.sync_all()?;
            self.segments.insert(number, Segment::default());
            self.current = Some((number, file));
        }
        let (number, file) = self
            .current
            .as_mut()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let segment = self
            .segments
            .get_mut(number)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let at = (*number, segment.bytes);
        let written = file.write_all(records).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // What is there now is unknown: the segment ends here, the next record begins another.
            let (number, was_empty) = (*number, segment.bytes == 0);
            segment.bytes = file.metadata().map_or(segment.bytes, |it| it.len());
            self.current = None;
            // A disk that is full for days would be left with a file for each try.
            if was_empty && fs::remove_file(self.path(number)).is_ok() {
                self.segments.remove(&number);
            }
            return Err(error);
        }
        segment.bytes += len_of(records);
        Ok(at)
    }
}

impl Store for FileStore {
    fn packs(&mut self) -> Result<Vec<Stored>, StoreError> {
        let stored = |(id, at): (&PackId, &At)| Stored {
            id: *id,
            len: at.len,
        };
        Ok(self.packs.iter().map(stored).collect())
    }

    fn append(&mut self, id: PackId, bytes: &[u8]) -> Result<(), StoreError> {
        let head = Head::of(PACK, id, bytes)
            .ok_or_else(|| StoreError::Broken("a pack of more than a mebibyte".to_owned()))?;
        let mut record = head.emit();
        record.extend_from_slice(bytes);
        if self.used() + len_of(&record) > self.room {
            return Err(StoreError::Full);
        }
        let (segment, offset) = self.write(&record).map_err(|error| {
            // The disk is full: the oldest packs make room only when a whole segment of them can go.
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                    if self.wanted_segments() > 1 =>
                {
                    StoreError::Full
                }
                _ => trouble(&error),
            }
        })?;
        let at = At {
            segment,
            offset: offset + len_of(&[0; HEAD_LEN]),
            len: head.len,
            crc: head.crc,
        };
        self.want(id, at);
        Ok(())
    }

    fn read(&mut self, id: PackId, into: &mut Vec<u8>) -> Result<(), StoreError> {
        let at = *self
            .packs
            .get(&id)
            .ok_or_else(|| StoreError::Broken("no such pack".to_owned()))?;
        let mut file = File::open(self.path(at.segment)).map_err(|error| trouble(&error))?;
        file.seek(SeekFrom::Start(at.offset))
            .map_err(|error| trouble(&error))?;
        let mut body = vec![0; usize::try_from(at.len).unwrap_or(0)];
        file.read_exact(&mut body)
            .map_err(|error| trouble(&error))?;
        if crc32fast::hash(&body) != at.crc {
            return Err(StoreError::Broken("a damaged pack".to_owned()));
        }
        into.append(&mut body);
        Ok(())
    }

    fn remove(&mut self, ids: &[PackId]) -> Result<(), StoreError> {
        let mut records = Vec::new();
        for id in ids {
            if self.packs.contains_key(id) {
                self.forget(*id);
                records.extend(Head::of(REMOVED, *id, &[]).map_or_else(Vec::new, |it| it.emit()));
            }
        }
        self.forget_unwanted_segments()
            .map_err(|error| trouble(&error))?;
        // With nothing left there is nothing that could come back.
        if !records.is_empty() && !self.packs.is_empty() {
            self.write(&records).map_err(|error| trouble(&error))?;
        }
        Ok(())
    }

    fn note(&mut self) -> Result<Vec<u8>, StoreError> {
        match fs::read(self.folder.join("note")) {
            Ok(note) => Ok(note),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(trouble(&error)),
        }
    }

    fn write_note(&mut self, note: &[u8]) -> Result<(), StoreError> {
        replace(&self.folder.join("note"), note).map_err(|error| trouble(&error))
    }
}

/// Replaces a small file, whole or not at all, also over a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn trouble(error: &io::Error) -> StoreError {
    StoreError::Broken(error.to_string())
}

fn len_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

struct Head {
    kind: u8,
    len: u32,
    id: PackId,
    crc: u32,
}

impl Head {
    fn of(kind: u8, id: PackId, body: &[u8]) -> Option<Self> {
        let len = u32::try_from(body.len())
            .ok()
            .filter(|len| *len <= BODY_MAX)?;
        let crc = crc32fast::hash(body);
        Some(Self { kind, len, id, crc })
    }

    fn body_len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    fn emit(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind];
        bytes.extend(self.len.to_le_bytes());
        bytes.extend(self.id.boot.to_le_bytes());
        bytes.extend(self.id.seq.to_le_bytes());
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// A head and what comes after it; none where there is no whole and undamaged one.
    fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, after) = bytes.split_first_chunk::<HEAD_LEN>()?;
        let (fields, crc) = head.split_last_chunk::<4>()?;
        if crc32fast::hash(fields) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (kind, fields) = fields.split_first()?;
        let (len, fields) = fields.split_first_chunk()?;
        let (boot, fields) = fields.split_first_chunk()?;
        let (seq, fields) = fields.split_first_chunk()?;
        let head = Self {
            kind: *kind,
            len: u32::from_le_bytes(*len),
            id: PackId {
                boot: u64::from_le_bytes(*boot),
                seq: u64::from_le_bytes(*seq),
            },
            crc: u32::from_le_bytes(*fields.first_chunk()?),
        };
        (head.len <= BODY_MAX).then_some((head, after))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: u64 = 1 << 30;

    fn id(seq: u64) -> PackId {
        PackId { boot: 7, seq }
    }

    fn body(seq: u64) -> Vec<u8> {
        format!("pack {seq} ").repeat(20).into_bytes()
    }

    fn held(store: &mut FileStore) -> Vec<u64> {
        let packs = store.packs().unwrap();
        packs.iter().map(|pack| pack.id.seq).collect()
    }

    #[test]
    fn a_restart_finds_what_was_appended_and_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(folder.path(), ROOM).unwrap();
        for seq in 1..=2_000 {
            store.append(id(seq), &body(seq)).unwrap();
        }
        let gone: Vec<PackId> = (1..=1_500).chain([1_700]).map(id).collect();
        store.remove(&gone).unwrap();
        drop(store);
        let mut store = FileStore::open(folder.path(), ROOM).unwrap();
        let left: Vec<u64> = (1_501..=2_000).filter(|seq| *seq != 1_700).collect();
        assert_eq!(held(&mut store), left);
        let mut bytes = Vec::new();
        store.read(id(1_999), &mut bytes).unwrap();
        assert_eq!(bytes, body(1_999));
    }

    #[test]
    fn room_comes_back_when_packs_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(folder.path(), 1 << 20).unwrap();
        let mut seq = 0;
        let full = loop {
            seq += 1;
            if let Err(error) = store.append(id(seq), &[7; 4_096]) {
                break error;
            }
        };
        assert_eq!(full, StoreError::Full);
        store.remove(&(1..200).map(id).collect::<Vec<_>>()).unwrap();
        store.append(id(seq), &[7; 4_096]).unwrap();
    }

    /// Has the next write meet a full disk.
    fn fill_disk(store: &mut FileStore) {
        let (number, _) = store.current.take().unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        store.current = Some((number, full));
    }

    #[test]
    fn a_full_disk_takes_nothing_that_is_on_it_unless_that_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(folder.path(), ROOM).unwrap();
        for seq in 1..=3 {
            store.append(id(seq), &body(seq)).unwrap();
        }
        fill_disk(&mut store);
        // Giving up these three would free nothing.
        let refused = store.append(id(4), &body(4));
        assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
        assert_eq!(held(&mut store), [1, 2, 3]);
        for seq in 5..=70 {
            store.append(id(seq), &[7; 8_192]).unwrap();
        }
        fill_disk(&mut store);
        assert_eq!(store.append(id(71), &body(71)), Err(StoreError::Full));
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let before = files();
        store.remove(&(1..=40).map(id).collect::<Vec<_>>()).unwrap();
        assert!(files() <= before, "a segment made room");
        store.append(id(72), &body(72)).unwrap();
        drop(store);
        let mut store = FileStore::open(folder.path(), ROOM).unwrap();
        let left: Vec<u64> = (41..=70).chain([72]).collect();
        assert_eq!(held(&mut store), left);
    }

    #[test]
    fn a_note_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(folder.path(), ROOM).unwrap();
        assert_eq!(store.note().unwrap(), b"");
        store.write_note(b"one").unwrap();
        store.write_note(b"two").unwrap();
        drop(store);
        let mut store = FileStore::open(folder.path(), ROOM).unwrap();
        assert_eq!(store.note().unwrap(), b"two");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_torn_end_costs_only_the_pack_that_was_being_written(count in 1_u64..12, cut in 0_usize..4_000) {
            let folder = tempfile::tempdir().unwrap();
            let mut store = FileStore::open(folder.path(), ROOM).unwrap();
            for seq in 1..=count {
                store.append(id(seq), &body(seq)).unwrap();
            }
            drop(store);
            let file = folder.path().join(format!("{:016}.seg", 1));
            let bytes = fs::read(&file).unwrap();
            let kept = cut.min(bytes.len());
            fs::write(&file, &bytes[..kept]).unwrap();
            let whole = (1..=count).take_while(|seq| {
                (1..=*seq).map(|seq| HEAD_LEN + body(seq).len()).sum::<usize>() <= kept
            });
            let mut store = FileStore::open(folder.path(), ROOM).unwrap();
            prop_assert_eq!(held(&mut store), whole.collect::<Vec<_>>());
            // And what comes after the cut is kept.
            store.append(id(100), b"next").unwrap();
            drop(store);
            let mut store = FileStore::open(folder.path(), ROOM).unwrap();
            prop_assert_eq!(held(&mut store).last().copied(), Some(100));
        }

        #[test]
        fn a_damaged_byte_costs_its_own_pack_alone_and_never_gives_other_bytes(at in 0_usize..1_500, bit in 0_u8..8) {
            let folder = tempfile::tempdir().unwrap();
            let mut store = FileStore::open(folder.path(), ROOM).unwrap();
            for seq in 1..=6 {
                store.append(id(seq), &body(seq)).unwrap();
            }
            drop(store);
            let file = folder.path().join(format!("{:016}.seg", 1));
            let mut bytes = fs::read(&file).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            fs::write(&file, &bytes).unwrap();
            let mut store = FileStore::open(folder.path(), ROOM).unwrap();
            prop_assert_eq!(held(&mut store).len(), 5);
            for seq in held(&mut store) {
                let mut bytes = Vec::new();
                store.read(id(seq), &mut bytes).unwrap();
                prop_assert_eq!(bytes, body(seq));
            }
        }
    }
}
