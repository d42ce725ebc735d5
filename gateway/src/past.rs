//! The log, lived through once more: from a snapshot on, by an engine with the rules in force then or with others.
//!
//! Reads a data folder beside the gateway that writes it, and changes nothing in it.

pub mod compare;
pub mod why;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use front::Problems;
use rules::effect::Effect;
use rules::engine::{Engine, SnapshotError};
use rules::program::Program;
use telemetry::UtcMs;
use thiserror::Error;

use crate::config::{Config, load_image};
use crate::engine::{CommandError, feed, restore};
use crate::log::{ConfigImage, Entry, LogError, LogOffset, Reader, Record, Snapshot};

/// Why the past can't be told.
#[derive(Debug, Error)]
pub enum PastError {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The engine's part of a snapshot does not read.
    #[error("the engine's state in a snapshot: {0}")]
    Snapshot(#[from] SnapshotError),
    /// A configuration of the log means nothing to this version.
    #[error("the configuration {hash} that was in force then does not read any more: {why}")]
    Config {
        /// Its hash.
        hash: String,
        /// The first problem.
        why: String,
    },
    /// The rules to compare with are wrong; what is wrong is told where they came from.
    #[error("the other rules are wrong")]
    Rules,
    /// The log does not reach back so far.
    #[error("the log does not reach back so far: it begins at {0}")]
    TooEarly(UtcMs),
    /// Nothing was logged in a stretch.
    #[error("nothing was logged from {from} to {to}")]
    Nothing {
        /// Its begin.
        from: UtcMs,
        /// Its end.
        to: UtcMs,
    },
    /// There is no log.
    #[error("{}: no log here, expected the `folder` of a gateway that has run", .0.display())]
    Empty(PathBuf),
}

/// A stretch of the log.
#[derive(Debug)]
pub struct Past {
    reader: Reader,
    snapshot: Option<Snapshot>,
    /// The configuration of the snapshot.
    image: Option<Arc<ConfigImage>>,
}

impl Past {
    /// The log of a data folder from the newest snapshot at or before `from` on; as early as can be told when there is none.
    ///
    /// # Errors
    /// The files can't be read, or there are none.
    pub fn open(folder: &Path, from: UtcMs) -> Result<Self, PastError> {
        let empty = || PastError::Empty(folder.to_owned());
        if !folder.is_dir() {
            return Err(empty());
        }
        let mut snapshot = Snapshot::before(folder, from)?;
        if snapshot.is_none() && Reader::open(folder, LogOffset(0))?.position() > LogOffset(0) {
            // What was before the oldest segment is known to the next snapshot only.
            snapshot = Snapshot::first(folder)?;
        }
        let at = snapshot.as_ref().map_or(LogOffset(0), |it| it.at);
        let mut reader = Reader::open(folder, at)?;
        if snapshot.is_some() && reader.position() > at {
            let (from, to) = (at, reader.position());
            return Err(LogError::Hole { from, to }.into());
        }
        let mut image = None;
        if let Some(snapshot) = &snapshot {
            image = Some(reader.config().clone());
            if reader.config().hash != snapshot.config {
                // It stands at the beginning of a segment, which begins with its configuration.
                let mut ahead = Reader::open(folder, at)?;
                if let Some(entry) = ahead.read_on()?
                    && let Record::Config(first) = entry.record
                {
                    image = Some(Arc::new(first));
                }
            }
        } else if reader.read_on()?.is_none() {
            return Err(empty());
        } else {
            reader = Reader::open(folder, at)?;
        }
        Ok(Self {
            reader,
            snapshot,
            image,
        })
    }

    /// The next record; none at the end of what is there whole.
    ///
    /// # Errors
    /// The files can't be read or are damaged.
    pub fn read(&mut self) -> Result<Option<Entry<'_>>, PastError> {
        Ok(self.reader.read_on()?)
    }

    /// Where the log ends, as far as that is known.
    pub fn end(&self) -> u64 {
        self.reader.last_seen().0
    }

    /// The first time that can be told of: the snapshot's, where it begins with one.
    pub fn begin(&self) -> Option<UtcMs> {
        self.snapshot.as_ref().map(|snapshot| snapshot.t)
    }
}

/// A configuration of the log, read again: `now` where it is that one.
///
/// # Errors
/// It means nothing to this version.
pub fn config_of(now: &Config, image: &ConfigImage) -> Result<Config, PastError> {
    if image.hash == now.hash {
        return Ok(now.clone());
    }
    let problems = Problems::default();
    load_image(&image.files, &problems).ok_or_else(|| PastError::Config {
        hash: image.hash.clone(),
        why: problems
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    })
}

/// The program for a configuration of the log.
type Programs<'p> = Box<dyn FnMut(&ConfigImage) -> Result<Arc<Program>, PastError> + 'p>;

/// An engine that lives through the past.
pub struct Again<'p> {
    engine: Option<Engine>,
    in_force: (String, String),
    program_of: Programs<'p>,
    /// What it made since somebody took it.
    pub effects: Vec<Effect>,
}

impl std::fmt::Debug for Again<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Again").finish_non_exhaustive()
    }
}

impl<'p> Again<'p> {
    /// An engine at the beginning of a stretch, with the program that `program_of` gives for each configuration.
    ///
    /// # Errors
    /// The snapshot does not read.
    pub fn begin(
        past: &Past,
        program_of: impl FnMut(&ConfigImage) -> Result<Arc<Program>, PastError> + 'p,
    ) -> Result<Self, PastError> {
        let mut again = Self {
            engine: None,
            in_force: Default::default(),
            program_of: Box::new(program_of),
            effects: Vec::new(),
        };
        if let (Some(snapshot), Some(image)) = (&past.snapshot, &past.image) {
            let program = again.enter(image)?;
            let state = snapshot.part("engine");
            again.engine = Some(restore(&program, state, &mut again.effects)?);
        }
        Ok(again)
    }

    fn enter(&mut self, image: &ConfigImage) -> Result<Arc<Program>, PastError> {
        self.in_force = (image.hash.clone(), image.version.clone());
        (self.program_of)(image)
    }

    /// Each segment of the log repeats the configuration in force.
    fn is_in_force(&self, image: &ConfigImage) -> bool {
        self.engine.is_some() && self.in_force == (image.hash.clone(), image.version.clone())
    }

    /// Until when time passes as usual before a record of `t`; none when the record says nothing of time.
    pub fn lives_until(&self, record: &Record<'_>, t: UtcMs) -> Option<UtcMs> {
        match record {
            // A down began before its record was written.
            Record::Down { from, .. } => Some(*from),
            Record::Config(image) if self.is_in_force(image) => None,
            _ => Some(t),
        }
    }

    /// The engine; none before the log's first configuration.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// Lets the time come to `t`.
    pub fn come_to(&mut self, t: UtcMs) {
        if let Some(engine) = &mut self.engine {
            engine.handle_timeout(t, &mut self.effects);
        }
    }

    /// When the next timer is due, or a little before.
    pub fn poll_timeout(&mut self) -> Option<UtcMs> {
        self.engine.as_mut()?.poll_timeout()
    }

    /// Takes a record in, and gives why its command changed nothing. True in the first place when another program is in force.
    ///
    /// # Errors
    /// A record of another version.
    pub fn take(
        &mut self,
        record: &Record<'_>,
        t: UtcMs,
    ) -> Result<(bool, Option<CommandError>), PastError> {
        if let Record::Config(image) = record {
            if self.is_in_force(image) {
                return Ok((false, None));
            }
            let program = self.enter(image)?;
            self.engine = Some(match self.engine.take() {
                None => Engine::new(program, t),
                Some(mut engine) => {
                    engine.handle_timeout(t, &mut self.effects);
                    restore(&program, &engine.snapshot(), &mut self.effects)?
                }
            });
            return Ok((true, None));
        }
        let Some(engine) = &mut self.engine else {
            return Ok((false, None));
        };
        let refused = feed(engine, record, t, &mut self.effects).map_err(LogError::from)?;
        Ok((false, refused))
    }
}
