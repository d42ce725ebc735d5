//! Writing: records become bytes with an offset at once; a second thread brings the bytes to disk and says how far it is.
//!
//! The [`Appender`] knows neither files nor threads. The [`Committer`] knows nothing of records.
//! A disk that is slow, full or dead holds nobody up: bytes wait in memory up to [`PENDING_MAX`], then an append is refused, and what is refused is never acknowledged.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telemetry::UtcMs;
use tokio::sync::watch;

use super::segment::{self, Tail};
use super::{ConfigImage, LogOffset, Record, Snapshot, frame};

/// Bytes that may wait for the disk.
pub const PENDING_MAX: u64 = 32 << 20;
/// A segment is closed at the first record that ends beyond this many bytes.
pub const SEGMENT_LEN: u64 = 64 << 20;
/// How long the committer waits before it tries a failed write again.
const RETRY: Duration = Duration::from_secs(1);

/// Where a record was put.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Appended {
    /// Where it ends; offsets grow in any case.
    pub end: LogOffset,
    /// False when too much waits for the disk already: then the record is nowhere, and must not be acknowledged.
    pub stored: bool,
}

/// Bytes of one segment that stand together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Chunk {
    segment: LogOffset,
    at: LogOffset,
    bytes: Vec<u8>,
    /// To be on disk before this is.
    snapshot: Option<Box<Snapshot>>,
}

impl Chunk {
    fn end(&self) -> LogOffset {
        LogOffset(self.at.0 + self.bytes.len() as u64)
    }
}

/// The writing end of the log: gives each record its offset.
#[derive(Debug)]
pub struct Appender {
    full: Vec<Chunk>,
    open: Chunk,
    config: ConfigImage,
    last_t: UtcMs,
    durable: LogOffset,
    segment_len: u64,
    pending_max: u64,
    /// While records are refused: where the last one would have ended.
    adrift: Option<LogOffset>,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
}

impl Appender {
    /// An appender that goes on where the log ends, or begins a new log with `config` at T `now`.
    pub(super) fn new(tail: Option<Tail>, config: ConfigImage, now: UtcMs) -> Self {
        let mut appender = Self {
            full: Vec::new(),
            open: Chunk::default(),
            config,
            last_t: now,
            durable: LogOffset(0),
            segment_len: SEGMENT_LEN,
            pending_max: PENDING_MAX,
            adrift: None,
            spare: Vec::new(),
        };
        match tail {
            Some(tail) => {
                appender.open.segment = tail.segment;
                appender.open.at = tail.end;
                appender.durable = tail.end;
                appender.config = tail.config;
                appender.last_t = tail.t;
            }
            None => appender.begin_segment(LogOffset(0), None),
        }
        appender
    }

    /// Goes on at a later offset: a snapshot has what was evaluated up to there.
    pub(super) fn skip_to(&mut self, at: LogOffset, t: UtcMs) {
        self.last_t = self.last_t.max(t);
        self.begin_segment(at, None);
    }

    /// Smaller limits, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_limits(mut self, segment_len: u64, pending_max: u64) -> Self {
        (self.segment_len, self.pending_max) = (segment_len, pending_max);
        self
    }

    /// The configuration in force.
    pub fn config(&self) -> &ConfigImage {
        &self.config
    }

    /// The end of the last record, also of one that was refused.
    pub fn end(&self) -> LogOffset {
        self.adrift.unwrap_or_else(|| self.open.end())
    }

    /// True while records are refused.
    pub fn is_adrift(&self) -> bool {
        self.adrift.is_some()
    }

    /// True when records are refused and all that was not is on disk: time to [`resume`](Self::resume).
    pub fn can_resume(&self) -> bool {
        self.is_adrift() && self.durable >= self.open.end()
    }

    /// T of the last record.
    pub fn last_t(&self) -> UtcMs {
        self.last_t
    }

    /// All before this is on disk, as far as was told.
    pub fn durable(&self) -> LogOffset {
        self.durable
    }

    /// Bytes that wait for the disk.
    pub fn pending(&self) -> u64 {
        self.open.end().0.saturating_sub(self.durable.0)
    }

    /// Takes in how far the disk is.
    pub fn set_durable(&mut self, durable: LogOffset) {
        self.durable = self.durable.max(durable);
    }

    /// Appends a record with its time, which must not be before the last one's.
    ///
    /// When more than [`PENDING_MAX`] bytes wait for the disk it isn't stored, and nothing is until [`resume`](Self::resume).
    pub fn append(&mut self, record: &Record<'_>, t: UtcMs) -> Appended {
        debug_assert!(t >= self.last_t, "T never goes back");
        self.last_t = t;
        if let Record::Config(config) = record {
            self.config = config.clone();
        }
        if self.adrift.is_none() && self.pending() >= self.pending_max {
            self.adrift = Some(self.end());
        }
        let stored = self.adrift.is_none() && self.store(record, t);
        if !stored {
            let end = self.adrift.get_or_insert_with(|| self.open.end());
            end.0 += 1;
        }
        let end = self.end();
        Appended { end, stored }
    }

    fn store(&mut self, record: &Record<'_>, t: UtcMs) -> bool {
        if self.open.end().0 - self.open.segment.0 >= self.segment_len {
            self.begin_segment(self.open.end(), None);
        }
        let at = self.open.end();
        frame::put(&mut self.open.bytes, at, self.durable, t, record)
    }

    /// Stores records again. The snapshot is what was evaluated up to now; it is on disk before anything that follows, and durable is what says so.
    pub fn resume(&mut self, mut snapshot: Snapshot) {
        snapshot.at = self.end();
        snapshot.prev = self.open.end();
        self.adrift = None;
        self.begin_segment(snapshot.at, Some(Box::new(snapshot)));
    }

    fn begin_segment(&mut self, base: LogOffset, snapshot: Option<Box<Snapshot>>) {
        let prev = self.open.end();
        let bytes = self.spare.pop().unwrap_or_default();
        let next = Chunk {
            segment: base,
            at: base,
            bytes,
            snapshot,
        };
        let done = std::mem::replace(&mut self.open, next);
        if !done.bytes.is_empty() {
            self.full.push(done);
        }
        self.open
            .bytes
            .extend_from_slice(&segment::header(base, prev));
        let at = self.open.end();
        let config = Record::Config(std::mem::take(&mut self.config));
        frame::put(&mut self.open.bytes, at, self.durable, self.last_t, &config);
        if let Record::Config(config) = config {
            self.config = config;
        }
    }

    /// Hands over what was appended since the last time; call it once after a few records.
    pub fn take(&mut self) -> Vec<Chunk> {
        let mut chunks = std::mem::take(&mut self.full);
        if !self.open.bytes.is_empty() {
            let next = Chunk {
                segment: self.open.segment,
                at: self.open.end(),
                bytes: self.spare.pop().unwrap_or_default(),
                snapshot: None,
            };
            chunks.push(std::mem::replace(&mut self.open, next));
        }
        chunks
    }

    fn recycle(&mut self, spare: &mut Vec<Vec<u8>>) {
        self.spare.append(spare);
        self.spare.truncate(4);
    }
}

/// Where chunks are written; the same chunk may be written again after a failure.
pub trait Disk: Send {
    /// Writes a chunk in its place.
    ///
    /// # Errors
    /// Those of the file system.
    fn write(&mut self, chunk: &Chunk) -> io::Result<()>;

    /// Brings to disk all that was written since the last time.
    ///
    /// # Errors
    /// Those of the file system; then all of it is to be written again, since a later sync would not bring it to disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// The segments in a folder.
#[derive(Debug)]
pub struct FolderDisk {
    folder: PathBuf,
    open: Option<(LogOffset, File)>,
}

impl FolderDisk {
    /// Writes into `folder`, which is there.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, open: None }
    }
}

impl Disk for FolderDisk {
    fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        if let Some(snapshot) = &chunk.snapshot {
            snapshot
                .store(&self.folder)
                .map_err(|error| io::Error::other(error.to_string()))?;
        }
        let file = match self.open.take() {
            Some((base, file)) if base == chunk.segment => file,
            other => {
                // A segment is whole on disk before the next one is there.
                if let Some((_, file)) = other {
                    file.sync_data()?;
                }
                let file = OpenOptions::new()
                    .create(true)
                    .truncate(false)
                    .write(true)
                    .open(segment::path_of(&self.folder, chunk.segment))?;
                File::open(&self.folder)?.sync_all()?;
                file
            }
        };
        let (_, file) = self.open.insert((chunk.segment, file));
        file.write_all_at(&chunk.bytes, chunk.at.0 - chunk.segment.0)
    }

    fn sync(&mut self) -> io::Result<()> {
        match &self.open {
            Some((_, file)) => file.sync_data(),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    chunks: Vec<Chunk>,
    spare: Vec<Vec<u8>>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands chunks to the committer; when it is dropped, the committer ends after what it has.
#[derive(Debug)]
pub struct CommitQueue(Arc<Shared>);

impl CommitQueue {
    /// Hands over what was appended; never waits for the disk.
    pub fn submit(&self, appender: &mut Appender) {
        let mut chunks = appender.take();
        if chunks.is_empty() {
            return;
        }
        let mut queue = self.0.lock();
        queue.chunks.append(&mut chunks);
        appender.recycle(&mut queue.spare);
        drop(queue);
        self.0.changed.notify_one();
    }
}

impl Drop for CommitQueue {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

/// How the disk is: none while it takes what it is given, else why not.
pub type DiskHealth = Option<String>;

/// Brings chunks to disk, as many at a time as have come meanwhile.
#[derive(Debug)]
pub struct Committer<D> {
    shared: Arc<Shared>,
    disk: D,
    durable: watch::Sender<LogOffset>,
    health: watch::Sender<DiskHealth>,
}

/// Makes a committer, with the end that feeds it and the ends that tell how far it is and how the disk is.
pub fn committer<D: Disk>(
    disk: D,
    durable: LogOffset,
) -> (
    CommitQueue,
    Committer<D>,
    watch::Receiver<LogOffset>,
    watch::Receiver<DiskHealth>,
) {
    let shared = Arc::new(Shared::default());
    let (durable, durable_told) = watch::channel(durable);
    let (health, health_told) = watch::channel(None);
    let committer = Committer {
        shared: shared.clone(),
        disk,
        durable,
        health,
    };
    (CommitQueue(shared), committer, durable_told, health_told)
}

impl<D: Disk> Committer<D> {
    /// Works until the queue is dropped and all that it got is on disk, or the disk fails then; blocks its thread.
    pub fn run(mut self) {
        while let Some(chunks) = self.next() {
            while let Err(error) = self.commit(&chunks) {
                self.health.send_replace(Some(error.to_string()));
                if self.wait_to_retry() {
                    return;
                }
            }
            if self.health.borrow().is_some() {
                self.health.send_replace(None);
            }
            if let Some(last) = chunks.last() {
                self.durable.send_replace(last.end());
            }
            let mut queue = self.shared.lock();
            queue.spare.extend(chunks.into_iter().map(|chunk| {
                let mut bytes = chunk.bytes;
                bytes.clear();
                bytes
            }));
            queue.spare.truncate(4);
        }
    }

    fn next(&self) -> Option<Vec<Chunk>> {
        let mut queue = self.shared.lock();
        loop {
            if !queue.chunks.is_empty() {
                return Some(std::mem::take(&mut queue.chunks));
            }
            if queue.closed {
                return None;
            }
            queue = self
                .shared
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn commit(&mut self, chunks: &[Chunk]) -> io::Result<()> {
        for chunk in chunks {
            self.disk.write(chunk)?;
        }
        self.disk.sync()
    }

    /// True when there is nobody left to retry for.
    fn wait_to_retry(&self) -> bool {
        let queue = self.shared.lock();
        let (queue, _) = self
            .shared
            .changed
            .wait_timeout_while(queue, RETRY, |queue| !queue.closed)
            .unwrap_or_else(PoisonError::into_inner);
        queue.closed
    }
}
