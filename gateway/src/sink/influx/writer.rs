//! From the log to the database: reads what is durable, writes it, and remembers how far it is.
//!
//! A database that is away or slow costs nothing but time: the log keeps what is not written, and the bookmark moves only over what was.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::batch::Batch;
use super::client::{InfluxClient, WriteError};
use super::line::{Series, push_sample};
use crate::log::{Bookmark, ConfigImage, LogError, LogOffset, PointImage, Reader, Record};

/// The most lines of a batch.
const LINES_MAX: usize = 5_000;
/// How long a batch waits for more lines.
const LINGER: Duration = Duration::from_secs(1);
/// Full batches after which the place is noted down, also while there is more to write: what follows it is written again
/// after a kill, which changes nothing. Each note takes the disk away from the log for a moment.
const NOTE_BATCHES: usize = 50;
/// The first pause before a batch is tried again; it doubles.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// Where that pause stops growing.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What the writer tells whoever runs it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Happened {
    /// Lines were written; everything before the offset is done with.
    Written {
        /// How many.
        lines: usize,
        /// How far the writer is.
        upto: LogOffset,
    },
    /// The server refuses this line for ever: it belongs into the dead letters.
    DeadLetter {
        /// The line.
        line: Vec<u8>,
        /// What the server says.
        why: String,
    },
    /// Nothing could be written; it is tried again after the pause.
    Away {
        /// What the server, or the line to it, says.
        why: String,
        /// The pause.
        pause: Duration,
    },
    /// How far the writer is could not be noted down: after a restart it writes what follows the last note again.
    NotNoted {
        /// Why.
        why: String,
    },
    /// A point whose names can't be in a line; its samples stay in the log.
    Unwritable {
        /// The point, as `unit/point`.
        point: String,
        /// Why.
        why: String,
    },
}

/// The lines' beginnings, one for each point of a configuration.
#[derive(Debug, Default)]
struct Prefixes {
    config: Option<Arc<ConfigImage>>,
    by_point: Vec<Option<Vec<u8>>>,
}

/// Writes the log's samples to a bucket until `durable` has no sender any more and all is written.
///
/// `durable` is how far the log is on disk. `tell` must not block. Reading blocks on the disk: give it a thread of its own.
/// A log that can't be read is told as a database that is away, and tried again: a disk may be mended while alarms go on.
pub async fn run(
    folder: &Path,
    client: &InfluxClient,
    mut durable: watch::Receiver<LogOffset>,
    tell: &mut (dyn FnMut(Happened) + Send),
) {
    while let Err(error) = follow(folder, client, &mut durable, tell).await {
        let (why, pause) = (error.to_string(), RETRY_MAX);
        tell(Happened::Away { why, pause });
        tokio::select! {
            () = sleep(pause) => {}
            () = closed(&mut durable) => return,
        }
    }
}

/// Writes on from the bookmark.
async fn follow(
    folder: &Path,
    client: &InfluxClient,
    durable: &mut watch::Receiver<LogOffset>,
    tell: &mut (dyn FnMut(Happened) + Send),
) -> Result<(), LogError> {
    let bookmark = Bookmark::new(folder, "influx");
    // A log that was put back from a backup ends before the bookmark: what is written from now on is new.
    let mut done = bookmark.load()?.min(*durable.borrow());
    let mut reader = Reader::open(folder, done)?;
    let mut prefixes = Prefixes::default();
    let mut batch = Batch::default();
    let mut n_full = 0;
    loop {
        // An error says that nobody writes the log any more.
        let ended = durable.wait_for(|upto| *upto > done).await.is_err();
        batch.clear();
        let upto = *durable.borrow();
        fill(&mut reader, upto, &mut prefixes, &mut batch, tell)?;
        if !ended && batch.len() < LINES_MAX {
            tokio::select! {
                () = sleep(LINGER) => {}
                () = closed(durable) => {}
            }
            let upto = *durable.borrow();
            fill(&mut reader, upto, &mut prefixes, &mut batch, tell)?;
        }
        if reader.position() == done {
            if ended {
                return Ok(());
            }
            continue;
        }
        let lines = batch.len();
        write(client, &mut batch, tell).await;
        done = reader.position();
        n_full += 1;
        let caught_up = lines < LINES_MAX || *durable.borrow() <= done;
        if caught_up || n_full >= NOTE_BATCHES {
            note(&bookmark, done, tell);
            n_full = 0;
        }
        tell(Happened::Written { lines, upto: done });
    }
}

/// Stores how far a writer is. A full disk may refuse that for long: nothing is lost by it, and the writer goes on.
pub(super) fn note(bookmark: &Bookmark, done: LogOffset, tell: &mut (dyn FnMut(Happened) + Send)) {
    if let Err(error) = bookmark.store(done) {
        let why = error.to_string();
        tell(Happened::NotNoted { why });
    }
}

/// Waits until nobody writes the log any more.
async fn closed(durable: &mut watch::Receiver<LogOffset>) {
    while durable.changed().await.is_ok() {}
}

/// Reads samples into a batch until it is full or the log is at its end.
fn fill(
    reader: &mut Reader,
    upto: LogOffset,
    prefixes: &mut Prefixes,
    batch: &mut Batch,
    tell: &mut (dyn FnMut(Happened) + Send),
) -> Result<(), LogError> {
    while batch.len() < LINES_MAX {
        let config = reader.config().clone();
        let Some(entry) = reader.read(upto)? else {
            break;
        };
        let Record::Pack { samples, .. } = entry.record else {
            continue;
        };
        prefixes.follow(&config, tell);
        for logged in samples.iter() {
            let logged = logged?;
            let point = usize::try_from(logged.point).unwrap_or(usize::MAX);
            if let Some(Some(prefix)) = prefixes.by_point.get(point) {
                push_sample(batch.buffer(), prefix, &logged.sample);
                batch.line_done();
            }
        }
    }
    Ok(())
}

/// Writes a batch however long that takes; what the server refuses for ever is told line by line.
pub(super) async fn write(
    client: &InfluxClient,
    batch: &mut Batch,
    tell: &mut (dyn FnMut(Happened) + Send),
) {
    batch.close();
    let mut pause = RETRY_MIN;
    while let Some(part) = batch.next_part() {
        match client.write(part.to_vec()).await {
            Ok(()) => {
                batch.written();
                pause = RETRY_MIN;
            }
            Err(WriteError::Reject(why)) => {
                if let Some(line) = batch.rejected() {
                    tell(Happened::DeadLetter { line, why });
                }
            }
            Err(WriteError::Retry(why) | WriteError::Refused(why)) => {
                tell(Happened::Away { why, pause });
                sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

impl Prefixes {
    /// Makes the beginnings anew when the configuration is another one.
    fn follow(&mut self, config: &Arc<ConfigImage>, tell: &mut (dyn FnMut(Happened) + Send)) {
        if self
            .config
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, config))
        {
            return;
        }
        let prefix = |point: &PointImage| {
            let series = Series {
                park: &config.park,
                enterprise: &config.enterprise,
                unit: &point.unit,
                point: &point.point,
                kind: &point.kind,
                eu: point.eu.as_deref(),
            };
            series
                .prefix()
                .inspect_err(|error| {
                    tell(Happened::Unwritable {
                        point: format!("{}/{}", point.unit, point.point),
                        why: error.to_string(),
                    });
                })
                .ok()
        };
        self.by_point = config.points.iter().map(prefix).collect();
        self.config = Some(config.clone());
    }
}
