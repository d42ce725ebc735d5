//! Reading back what the broker retains of ours: in slices that its queues can hold, each closed by a marker.
//!
//! A broker says nothing when it has sent all it retains for a subscription, and drops what its queue can't hold.
//! So each slice asks for about a hundred states, and a message to ourselves behind it, which comes after them, closes it.
//! The marker is an empty message on our own replay topic, where it means what it always means there: the end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use host::mqtt::Refusal;
use serde::Deserialize;
use telemetry::UtcMs;
use telemetry::topic::{Filter, SiteFilter, Topic};

use super::connect::{Sent, Stage};
use super::{Output, Publisher, Report, message};
use crate::alarm::Epoch;

/// How many states a slice asks for. Mosquitto 1.x queued 100, 2.x queues 1,000.
const SLICE: usize = 100;
/// How long a slice may stand still once the broker has taken its marker, in milliseconds. Until then the line is slow, or dead, which the session notices.
const SLICE_MS: u64 = 10_000;

/// How long after a read that failed the next one is tried, in milliseconds.
const AGAIN_MS: u64 = 60_000;

/// What is being read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    slices: VecDeque<Vec<String>>,
    current: Option<Vec<String>>,
    /// The marker that closes it.
    marker: u64,
    deadline: Option<UtcMs>,
    base: u64,
}

impl Reading {
    pub(super) fn deadline(&self) -> Option<UtcMs> {
        self.deadline
    }

    /// True until all slices are read.
    pub(super) fn is_under_way(&self) -> bool {
        self.current.is_some()
    }
}

/// The number in any body of ours.
#[derive(Deserialize)]
struct Numbered {
    #[serde(default)]
    epoch: Option<String>,
    #[serde(default)]
    seq: Option<u64>,
}

impl Publisher {
    /// Begins to read.
    pub(super) fn read_back(&mut self, now: UtcMs) {
        let site = &self.settings.site;
        let filter = |filter| {
            let filter = SiteFilter {
                park: &site.park,
                enterprise: Some(&site.enterprise),
                filter,
            };
            filter.to_string()
        };
        let client = self.settings.client_id.as_str();
        let base = vec![
            self.topic(Topic::ReplayEvents { client }),
            filter(Filter::ReplayRequest),
            filter(Filter::GatewayStatus),
        ];
        let mut slices = VecDeque::from([vec![filter(Filter::AlarmSnapshot)]]);
        slices.extend(self.slices());
        if !self.is_settled() || self.unread {
            // What an earlier history left behind may have any name.
            slices.push_back(vec![filter(Filter::AlarmState)]);
        }
        let base_id = self.id();
        self.out.push_back(Output::Subscribe {
            id: base_id,
            filters: base,
        });
        let Some(line) = &mut self.line else { return };
        line.reading = Reading {
            slices,
            current: None,
            marker: 0,
            deadline: None,
            base: base_id,
        };
        self.next_slice(now);
    }

    /// Tries once more what could not be read.
    pub(super) fn read_again(&mut self, now: UtcMs) {
        for entry in self.table.iter_mut() {
            entry.held = false;
        }
        self.read_back(now);
    }

    /// Filters over every alarm that may have a state, about a hundred states to a slice: whole units where they are small, else points.
    fn slices(&self) -> Vec<Vec<String>> {
        let mut units: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        let of_rules = self.settings.alarms.iter().map(String::as_str);
        let of_table = self.table.iter().map(|entry| &*entry.row.id);
        for id in of_rules.chain(of_table) {
            let mut parts = id.split('/');
            if let (Some(unit), Some(point)) = (parts.next(), parts.next()) {
                *units.entry(unit).or_default().entry(point).or_default() += 1;
            }
        }
        let mut slices = Vec::new();
        let mut slice = Vec::new();
        let mut weight = 0;
        let mut add = |unit, point, count| {
            if weight + count > SLICE && !slice.is_empty() {
                slices.push(std::mem::take(&mut slice));
                weight = 0;
            }
            weight += count;
            let rule = "+";
            slice.push(self.topic(Topic::AlarmState { unit, point, rule }));
        };
        for (unit, points) in units {
            let whole: usize = points.values().sum();
            if whole <= SLICE {
                add(unit, "+", whole);
            } else {
                for (point, count) in points {
                    add(unit, point, count);
                }
            }
        }
        slices.extend(Some(slice).filter(|slice| !slice.is_empty()));
        slices
    }

    fn next_slice(&mut self, now: UtcMs) {
        let Some(line) = &mut self.line else { return };
        let Some(filters) = line.reading.slices.pop_front() else {
            line.reading.current = None;
            self.unread = false;
            self.read_over(now);
            return;
        };
        line.reading.current = Some(filters.clone());
        let client = self.settings.client_id.clone();
        let marker = self.topic(Topic::ReplayEvents { client: &client });
        let (subscribe, publish) = (self.id(), self.id());
        self.out.push_back(Output::Subscribe {
            id: subscribe,
            filters,
        });
        if let Some(line) = &mut self.line {
            line.reading.marker = publish;
            line.under_way
                .insert(publish, (Sent::Marker, marker.clone()));
        }
        self.out.push_back(Output::Publish {
            id: publish,
            publish: message(marker, Vec::new()),
        });
    }

    /// The marker of the slice came: everything that the broker retains of it has come.
    pub(super) fn slice_read(&mut self, now: UtcMs) {
        let Some(line) = &mut self.line else { return };
        line.reading.deadline = None;
        if let Some(filters) = line.reading.current.take() {
            self.out.push_back(Output::Unsubscribe { filters });
            self.next_slice(now);
        }
    }

    /// The broker has taken the marker: it comes back soon, or never.
    pub(super) fn marker_taken(&mut self, id: u64, now: UtcMs) {
        if let Some(line) = &mut self.line
            && line.reading.current.is_some()
            && line.reading.marker == id
        {
            line.reading.deadline = Some(now.plus_ms(SLICE_MS));
        }
    }

    /// Nothing comes back: go on without, and say so.
    pub(super) fn not_readable(&mut self, refusal: Option<Refusal>, now: UtcMs) {
        let Some(line) = &mut self.line else { return };
        line.reading.slices.clear();
        line.read_again = Some(now.plus_ms(AGAIN_MS));
        line.reading.deadline = None;
        let filters = line.reading.current.take();
        self.out
            .extend(filters.map(|filters| Output::Unsubscribe { filters }));
        if !std::mem::replace(&mut self.unread, true) {
            self.report(Report::NotReadable { refusal });
        }
        self.read_over(now);
    }

    /// True when this subscription is one that reading needs.
    pub(super) fn reads_by(&self, id: u64) -> bool {
        self.line
            .as_ref()
            .is_some_and(|line| line.reading.current.is_some() && id >= line.reading.base)
    }

    fn read_over(&mut self, now: UtcMs) {
        // Another gateway spoke while we were away, or while we read.
        let is_forked = self.is_settled() && self.fork(self.at.place).is_some();
        let Some(line) = &mut self.line else { return };
        if std::mem::take(&mut line.doubted) || is_forked {
            return self.doubt(now);
        }
        if line.stage != Stage::Reading {
            // It was read again, later: what differs leaves.
            for entry in self.table.iter_mut().filter(|entry| !entry.held) {
                let id = entry.row.id.clone();
                line.queue(entry, id, now);
            }
            return;
        }
        match line.rival.clone().filter(|_| !self.serves) {
            Some(rival) => self.contest(&rival),
            None => self.uncontested(now),
        }
        self.line_tick(now);
    }

    /// A body of ours that the broker retains: what number it shows.
    pub(super) fn note_number(&mut self, payload: &[u8]) {
        let Some(line) = &mut self.line else { return };
        let numbered: Option<Numbered> = serde_json::from_slice(payload).ok();
        let Some(Numbered {
            epoch: Some(epoch),
            seq: Some(seq),
        }) = numbered
        else {
            return;
        };
        if let Ok(epoch) = epoch.parse::<Epoch>() {
            line.seen = line.seen.max(Some((epoch, seq)));
        }
    }

    /// A retained state of ours.
    pub(super) fn state_read(&mut self, id: &str, payload: &[u8], now: UtcMs) {
        self.note_number(payload);
        let Some(line) = &mut self.line else { return };
        if let Some(deadline) = &mut line.reading.deadline {
            *deadline = now.plus_ms(SLICE_MS);
        }
        match self.table.get_mut(id) {
            Some(entry) => entry.held = entry.row.body() == payload,
            None => {
                let id: Arc<str> = id.into();
                line.strangers.push(id);
            }
        }
    }
}
