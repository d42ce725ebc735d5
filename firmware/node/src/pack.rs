//! Readings become packs.
//!
//! A pack is written once, with its number in it; whoever sends it again sends the same bytes. Knows names and the
//! codec, not where packs go.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use devices::Bus;
use telemetry::body::PackId;
use telemetry::senml::{Base, Encoder, Format, Header, PACK_BYTES_MAX, PACK_RECORDS_MAX};
use telemetry::{Quality, Value};

use crate::config::{Config, PackConfig};
use crate::time::Now;

/// The smallest buffer in which the longest names fit.
const BYTES_MIN: usize = 512;

/// What a bus said about a point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) bus: usize,
    pub(crate) point: usize,
    pub(crate) value: Option<Value>,
    pub(crate) quality: Quality,
    pub(crate) at: Now,
}

/// What a pack says about a point besides the reading.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    unit: Option<String>,
    max_age_ms: u64,
}

/// A pack that was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formed<'a> {
    pub(crate) bytes: &'a [u8],
    /// How long it is live, in milliseconds.
    pub(crate) max_age_ms: u64,
}

/// Collects readings until a pack is full or has waited long enough.
#[derive(Debug)]
pub(crate) struct Packer {
    config: PackConfig,
    base_name: String,
    points: Vec<Vec<Named>>,
    readings: VecDeque<Reading>,
    buf: Vec<u8>,
}

impl Packer {
    pub(crate) fn new(config: &Config) -> Self {
        let all = || config.buses.iter().flat_map(|bus| &bus.points);
        let site = format!("{}/{}/", config.park, config.enterprise);
        // A node with points of several units puts the unit into each name.
        let unit = all().next().map(|point| point.unit.as_str());
        let unit = unit.filter(|unit| all().all(|point| point.unit == *unit));
        let named = |bus: &Bus| {
            let points = bus.points.iter().map(|point| Named {
                name: match unit {
                    Some(_) => point.point.clone(),
                    None => format!("{}/{}", point.unit, point.point),
                },
                unit: point.eu.clone(),
                max_age_ms: point.max_age_ms,
            });
            points.collect()
        };
        let bytes_max = config.pack.bytes_max.clamp(BYTES_MIN, PACK_BYTES_MAX);
        Self {
            config: PackConfig {
                samples_max: config.pack.samples_max.clamp(1, PACK_RECORDS_MAX),
                bytes_max,
                ..config.pack
            },
            base_name: match unit {
                Some(unit) => format!("{site}{unit}/"),
                None => site,
            },
            points: config.buses.iter().map(named).collect(),
            readings: VecDeque::new(),
            buf: alloc::vec![0; bytes_max],
        }
    }

    pub(crate) fn format(&self) -> Format {
        if self.config.json {
            Format::Json
        } else {
            Format::Cbor
        }
    }

    pub(crate) fn push(&mut self, reading: Reading) {
        self.readings.push_back(reading);
    }

    /// When the next pack is to be closed; at once when that is not after now.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let first = self.readings.front()?;
        let full = self.readings.len() >= self.config.samples_max;
        let wait_ms = if full { 0 } else { self.config.wait_ms };
        Some(first.at.mono + wait_ms)
    }

    /// The readings that came after the first `n`.
    pub(crate) fn readings_from(&self, n: usize) -> impl Iterator<Item = &Reading> {
        self.readings.range(n.min(self.readings.len())..)
    }

    /// How many readings wait.
    pub(crate) fn len(&self) -> usize {
        self.readings.len()
    }

    /// Writes the oldest readings that one clock dated and that fit, as the pack with this number, and tells each one's
    /// bus and point. None when there are none.
    pub(crate) fn close(
        &mut self,
        id: PackId,
        tell: &mut dyn FnMut(usize, usize),
    ) -> Option<Formed<'_>> {
        let first = *self.readings.front()?;
        let clock = first.at.wall.clock();
        let header = Header {
            base_name: &self.base_name,
            base: match first.at.wall.utc() {
                Some(utc) => Base::Utc(utc),
                None => Base::Mono(first.at.mono),
            },
            boot: id.boot,
            seq: id.seq,
            clock,
        };
        let format = if self.config.json {
            Format::Json
        } else {
            Format::Cbor
        };
        let mut encoder = Encoder::new(&mut self.buf, format, header);
        let mut max_age_ms = 0;
        let mut taken = 0;
        for reading in self.readings.iter().take(self.config.samples_max) {
            let offset_ms = match (first.at.wall.utc(), reading.at.wall.utc()) {
                (Some(base), Some(utc)) => utc.0.saturating_sub(base.0),
                _ => signed(reading.at.mono) - signed(first.at.mono),
            };
            if reading.at.wall.clock() != clock {
                break;
            }
            let point = &self.points[reading.bus][reading.point];
            let unit = point.unit.as_deref();
            let pushed = encoder.push(&point.name, unit, offset_ms, reading.value, reading.quality);
            if pushed.is_err() {
                break;
            }
            taken += 1;
            tell(reading.bus, reading.point);
            max_age_ms = max_age_ms.max(point.max_age_ms);
        }
        let len = encoder.finish();
        // The smallest buffer takes any one record; if a name were longer all the same, its reading would be in the way for ever.
        self.readings.drain(..taken.max(1));
        (taken > 0).then(|| Formed {
            bytes: &self.buf[..len],
            max_age_ms,
        })
    }
}

/// Milliseconds since boot as a signed number: they are far from 2⁶³.
fn signed(mono: u64) -> i64 {
    i64::try_from(mono).unwrap_or(i64::MAX)
}
