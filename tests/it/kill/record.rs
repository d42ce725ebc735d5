//! What the gateway's log says, read as any reader of it would.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gateway::log::{Lane, LogOffset, LoggedSample, Reader, Record};
use telemetry::body::PackId;
use telemetry::{Clock, Quality, Value};

use super::site::{REGISTERS, point};

/// A reading as it is stored: its point and its time.
pub(super) type Place = (String, i64);

/// What the log told, in its order.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How often each pack stands in it.
    pub(super) packs: BTreeMap<PackId, usize>,
    /// The values of each point and millisecond.
    pub(super) values: BTreeMap<Place, Vec<f64>>,
    /// Which of the node's boots each one was read in.
    pub(super) boots: BTreeMap<Place, u64>,
    /// What the rules saw, in the order in which they saw it.
    pub(super) live: Vec<(String, i64, f64)>,
    /// Packs that the gateway took for lost.
    pub(super) gaps: usize,
}

impl Told {
    /// Reads a log from its beginning up to an offset.
    pub(super) fn read(folder: &Path, upto: LogOffset) -> Self {
        let mut told = Self::default();
        let mut reader = Reader::open(folder, LogOffset(0)).unwrap();
        let mut names = Vec::new();
        while let Some(entry) = reader.read(upto).unwrap() {
            match entry.record {
                Record::Config(config) => {
                    names = config.points.into_iter().map(|it| it.point).collect();
                }
                Record::Pack { node, id, samples } => {
                    assert_eq!(node, "n1");
                    let id = id.unwrap();
                    *told.packs.entry(id).or_default() += 1;
                    for logged in samples.iter() {
                        told.sample(&names, id, &logged.unwrap());
                    }
                }
                Record::Gap { .. } => told.gaps += 1,
                _ => {}
            }
        }
        told
    }

    fn sample(&mut self, names: &[String], id: PackId, logged: &LoggedSample) {
        let name = &names[usize::try_from(logged.point).unwrap()];
        let sample = &logged.sample;
        let place = (name.clone(), sample.at.0);
        assert_eq!(
            (sample.quality, sample.clock),
            (Quality::GOOD, Clock::Synced),
            "{place:?}"
        );
        let Some(Value::Number(value)) = sample.value else {
            panic!("{place:?} is no number");
        };
        if logged.lane == Lane::Live {
            self.live.push((place.0.clone(), place.1, value));
        }
        self.boots.insert(place.clone(), id.boot);
        self.values.entry(place).or_default().push(value);
    }

    /// True when every pack from the first of a boot up to its last is there.
    pub(super) fn has_no_hole(&self) -> bool {
        let boots: BTreeSet<u64> = self.packs.keys().map(|id| id.boot).collect();
        boots.into_iter().all(|boot| {
            let seqs = self.packs.keys().filter(|id| id.boot == boot);
            seqs.map(|id| id.seq).eq(1..=self.last_pack(boot))
        })
    }

    /// The last pack of a boot.
    pub(super) fn last_pack(&self, boot: u64) -> u64 {
        let seqs = self.packs.keys().filter(|id| id.boot == boot);
        seqs.map(|id| id.seq).max().unwrap_or(0)
    }

    /// When each reading of a slave was taken, and of which read it is, as its first register says.
    pub(super) fn readings(&self, unit: u8) -> Vec<(i64, u32)> {
        let first = point(unit, 0);
        let (from, to) = ((first.clone(), i64::MIN), (first, i64::MAX));
        let of_first = self.values.range(from..=to);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a register holds 16 bits"
        )]
        of_first
            .map(|((_, at), values)| (*at, values[0] as u32))
            .collect()
    }

    /// Which read a slave's last reading is of, when all of its registers are there.
    pub(super) fn last(&self, unit: u8) -> Option<u32> {
        let (at, read) = *self.readings(unit).last()?;
        let last = (point(unit, REGISTERS - 1), at);
        self.values.contains_key(&last).then_some(read)
    }
}
