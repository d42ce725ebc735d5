//! The demo's log, replayed: however it is cut, it gives the events that the regulators had, and the same state, to the byte.

use std::fs;

use front::Problems;
use gateway::alarm::message::Site;
use gateway::alarm::publish::{Output, Settings};
use gateway::alarm::{Draft, Publisher, Recovered, entry};
use gateway::config::{Config, load_image};
use gateway::engine::Host;
use gateway::ingest::Ingest;
use gateway::log::{Entry, LogOffset, Reader, Record};
use gateway::run::ingest_of;
use tempfile::TempDir;

use super::{EVENTS, PLAYED};

/// The log of the demo in a folder again, and its reader.
struct Log {
    reader: Reader,
    end: LogOffset,
    _folder: TempDir,
}

impl Log {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut end = LogOffset(0);
        for (name, bytes) in &PLAYED.log {
            fs::write(folder.path().join(name), bytes).unwrap();
            end.0 += bytes.len() as u64;
        }
        Self {
            reader: Reader::open(folder.path(), LogOffset(0)).unwrap(),
            end,
            _folder: folder,
        }
    }

    fn read(&mut self) -> Option<Entry<'_>> {
        self.reader.read(self.end).unwrap()
    }
}

/// Engine and ingest as the log's first record has them: its configuration.
fn begin(log: &mut Log) -> (Host, Config, Site) {
    let entry = log.read().expect("a log");
    let Record::Config(image) = &entry.record else {
        panic!("a log begins with its configuration");
    };
    let problems = Problems::default();
    let config = load_image(&image.files, &problems).unwrap_or_else(|| panic!("{problems}"));
    let site = Site {
        park: config.site.park.clone(),
        enterprise: config.site.enterprise.clone(),
        gateway: config.site.gateway.clone(),
        version: image.version.clone(),
    };
    let host = Host::new(config.program.clone(), site.clone(), entry.t);
    (host, config, site)
}

/// What leaves the publisher when the log comes to it in batches: the bytes of every event.
fn events(batch: usize) -> Vec<String> {
    let mut log = Log::open();
    let (mut host, config, site) = begin(&mut log);
    let program = &config.program;
    let settings = Settings {
        site,
        instance: "replay".to_owned(),
        client_id: "replay".to_owned(),
        rules_hash: String::new(),
        alarms: program
            .alarm_idxs()
            .map(|alarm| program.id_of(alarm).to_string())
            .collect(),
        chance: 0,
    };
    let mut publisher = Publisher::new(settings, Recovered::default());
    publisher.start(host.engine().now());
    let mut events = Vec::new();
    loop {
        let mut last = None;
        for _ in 0..batch {
            let Some(entry) = log.read() else {
                break;
            };
            let drafts = host.apply(&entry.record, entry.t).unwrap().drafts;
            if !drafts.is_empty() {
                publisher.commit(entry.end.0, drafts, entry.t);
            }
            last = Some((entry.end, entry.t));
        }
        let Some((end, t)) = last else { return events };
        publisher.durable(end.0, t);
        while let Some(output) = publisher.poll() {
            if let Output::Journal {
                entry: entry::Entry::Event(event),
                ..
            } = output
            {
                events.push(String::from_utf8(event.bytes().to_vec()).unwrap());
            }
        }
    }
}

/// An event without its epoch and what chains it to the one before, which are a folder's own.
fn unchained(event: &str) -> String {
    let (lead, rest) = event.split_once(",\"epoch\":\"").unwrap();
    let (number, tail) = rest.split_once(",\"event\":").unwrap();
    let seq = number.split(',').nth(1).unwrap();
    format!("{lead},{seq},\"event\":{tail}")
}

#[test]
fn the_log_in_batches_of_1_and_of_4096_gives_every_event_that_was_sent_to_the_byte() {
    let (one_by_one, at_once) = (events(1), events(4_096));
    assert_eq!(one_by_one, at_once);
    let sent: Vec<String> = PLAYED.heard[0].payloads(EVENTS).map(unchained).collect();
    // The first event begins an epoch, here another one.
    let again: Vec<String> = at_once
        .iter()
        .skip(1)
        .map(|event| unchained(event))
        .collect();
    let sent: Vec<String> = sent
        .into_iter()
        .filter(|event| !event.contains("/sys.epoch\""))
        .collect();
    assert_eq!(sent, again);
}

/// Ingest's snapshot behind a record, by an ingest that was restored from the one before it.
fn takes_in(config: &Config, before: &[u8], entry: &Entry<'_>) -> Vec<u8> {
    let mut restarted: Ingest = ingest_of(config);
    restarted.restore(before).unwrap();
    restarted.replay(&entry.record, entry.t, &Some).unwrap();
    restarted.snapshot()
}

#[test]
fn a_snapshot_and_a_restart_at_every_record_change_no_byte() {
    let mut log = Log::open();
    let (mut uninterrupted, config, site) = begin(&mut log);
    let (program, mut ingest) = (&config.program, ingest_of(&config));
    let (mut snapshot, mut taken) = (uninterrupted.snapshot(), ingest.snapshot());
    let nothing_taken = taken.clone();
    let (mut n_records, mut n_events) = (0, 0);
    while let Some(entry) = log.read() {
        let outputs = uninterrupted.outputs_snapshot();
        let (mut restarted, told) =
            Host::restore(program, site.clone(), &snapshot, &outputs).unwrap();
        assert_eq!(told, [] as [Draft; 0], "a restart is no event");
        let drafts = uninterrupted.apply(&entry.record, entry.t).unwrap().drafts;
        let again = restarted.apply(&entry.record, entry.t).unwrap().drafts;
        assert_eq!(again, drafts, "at {}", entry.at);
        snapshot = restarted.snapshot();
        assert!(
            snapshot == uninterrupted.snapshot(),
            "the state behind {} is another",
            entry.end
        );
        taken = takes_in(&config, &taken, &entry);
        ingest.replay(&entry.record, entry.t, &Some).unwrap();
        assert!(
            taken == ingest.snapshot(),
            "what was taken in up to {} is another",
            entry.end
        );
        n_records += 1;
        n_events += drafts.len();
    }
    assert_ne!(taken, nothing_taken);
    // That this was the whole log: all but the beginning of the epoch was sent because of it.
    assert_eq!(n_events + 1, events(4_096).len());
    assert!(n_records > 100, "{n_records}");
}
