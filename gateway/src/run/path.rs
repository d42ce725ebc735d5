//! One record's way: into the log, through the engine, to the publisher. All of it on the core thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::program::Program;
use telemetry::UtcMs;

use super::letters::{Letter, Letters};
use crate::alarm::Draft;
use crate::alarm::shell::Outlet;
use crate::engine::{Applied, CommandError, Host};
use crate::event::{self, Event};
use crate::ingest::{DeadLetter, Note, Out};
use crate::log::{Appended, Appender, ConfigImage, LogOffset, Record};

/// The log's writing end, the engine and the publisher, with the time of what happens now.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) appender: Appender,
    pub(super) host: Host,
    pub(super) outlet: Outlet,
    pub(super) letters: Letters,
    /// T of what happens now.
    pub(super) t: UtcMs,
    /// What was counted since the start.
    pub(super) counts: BTreeMap<&'static str, u64>,
}

impl Path {
    /// Logs a record, evaluates it, and hands on its events.
    pub(super) fn put(&mut self, record: &Record<'_>) -> (Appended, Option<CommandError>) {
        let was_adrift = self.appender.is_adrift();
        let appended = self.appender.append(record, self.t);
        if !appended.stored && !was_adrift {
            Event::LogFull.tell();
        }
        let applied = self.evaluate(record);
        self.hand_on(appended.end, applied.drafts);
        (appended, applied.refused)
    }

    /// Another configuration comes into force.
    pub(super) fn configure(&mut self, image: ConfigImage, program: &Arc<Program>) {
        let record = Record::Config(image);
        let appended = self.appender.append(&record, self.t);
        // One record's events are handed on together.
        let mut drafts = self.evaluate(&record).drafts;
        drafts.extend(
            self.host
                .reprogram(program)
                .expect("the snapshot was written by this program"),
        );
        self.hand_on(appended.end, drafts);
    }

    fn evaluate(&mut self, record: &Record<'_>) -> Applied {
        self.host
            .apply(record, self.t)
            .expect("the record was encoded by this program")
    }

    fn hand_on(&mut self, end: LogOffset, drafts: Vec<Draft>) {
        if !drafts.is_empty() {
            self.count("events", as_u64(drafts.len()));
            self.outlet.commit(end.0, drafts, self.t);
        }
    }

    pub(super) fn count(&mut self, what: &'static str, more: u64) {
        *self.counts.entry(what).or_default() += more;
    }
}

impl Out for Path {
    fn record(&mut self, record: &Record<'_>) -> Option<LogOffset> {
        let (appended, _) = self.put(record);
        appended.stored.then_some(appended.end)
    }

    fn dead_letter(&mut self, letter: &DeadLetter<'_>) {
        self.count("dead-letters", 1);
        self.letters.put(Letter {
            at: self.t,
            from: letter.node.to_owned(),
            topic: letter.topic,
            cause: letter.cause,
            detail: letter.detail.to_owned(),
            bytes: letter.bytes.to_vec(),
        });
    }

    fn note(&mut self, note: &Note<'_>) {
        event::note(note);
        match note {
            Note::PackTaken { live, late, .. } => {
                self.count("packs", 1);
                self.count("samples-live", as_u64(*live));
                self.count("samples-late", as_u64(*late));
            }
            Note::PackRepeated { .. } => self.count("packs-repeated", 1),
            Note::PackContradicted { .. } => self.count("packs-contradicted", 1),
            Note::PackDeferred { .. } => self.count("packs-deferred", 1),
            Note::Refused { cause, count, .. } => self.count(cause, as_u64(*count)),
            Note::GapFound { from, to, .. } => {
                self.count("packs-lost", (to - from).saturating_add(1));
            }
            Note::StatusOutdated { .. } => self.count("statuses-outdated", 1),
        }
    }
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
