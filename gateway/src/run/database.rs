//! What the database's writers tell.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, watch};

use super::core;
use super::letters::{Letter, Letters};
use crate::clock::SystemClock;
use crate::event::Event;
use crate::log::LogOffset;
use crate::sink::influx::writer::Happened;

/// Who writes to the database.
#[derive(Clone, Copy, Debug)]
pub(super) enum Writer {
    Samples,
    Alarms,
}

/// What the database's writers tell, made into letters and one condition.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) faults: mpsc::Sender<(&'static str, Option<String>)>,
    pub(super) letters: Letters,
    pub(super) clock: SystemClock,
    /// Each writer's fault: what one of them can write does not mend the other's.
    pub(super) standing: Mutex<[Option<String>; 2]>,
    /// How far the samples' writer is.
    pub(super) written: watch::Sender<LogOffset>,
}

impl Database {
    pub(super) fn tell(&self, writer: Writer, happened: Happened) {
        match happened {
            Happened::Written { lines, upto } => {
                Event::LinesWritten { lines }.tell();
                if let Writer::Samples = writer {
                    self.written.send_replace(upto);
                }
                self.fault(writer, None);
            }
            Happened::NotNoted { why } => Event::NotNoted { why: &why }.tell(),
            Happened::DeadLetter { line, why } => self.letter("rejected", why, line),
            Happened::Unwritable { point, why } => {
                self.letter("unwritable", why, point.into_bytes());
            }
            Happened::Away { why, .. } => {
                Event::Database { fault: Some(&why) }.tell();
                self.fault(writer, Some(why));
            }
        }
    }

    fn fault(&self, writer: Writer, fault: Option<String>) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let was_away = standing.iter().any(Option::is_some);
        standing[writer as usize] = fault;
        let fault = standing.iter().flatten().next().cloned();
        if was_away && fault.is_none() {
            Event::Database { fault: None }.tell();
        }
        // A queue that is full has newer news.
        drop(self.faults.try_send((core::DATABASE, fault)));
    }

    fn letter(&self, cause: &'static str, detail: String, bytes: Vec<u8>) {
        self.letters.put(Letter {
            at: self.clock.read().wall,
            from: "influx".to_owned(),
            topic: "line",
            cause,
            detail,
            bytes,
        });
    }
}
