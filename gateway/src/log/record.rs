//! What the log holds: the kinds of record and their bytes.
//!
//! Knows the bodies; `frame` puts length, time and checksum around them.
//! Samples stay encoded: the engine and the sinks read the same bytes that a replay reads.

use telemetry::{Clock, Quality, UtcMs, Value};
use thiserror::Error;

use super::codec::{Cursor, put_bytes, put_i64, put_opt, put_str, put_u64};

/// A body that is whole by its checksum and makes no sense all the same: another program wrote it.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a record of the log does not read: another version wrote it")]
pub struct DecodeError;

/// A pack's number: packs of a node are ordered by it.
pub type PackId = telemetry::body::PackId;

/// One input. Its time T stands in the frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Record<'a> {
    /// The configuration from here on; each segment begins with the one in force.
    Config(ConfigImage),
    /// The samples of a pack that had not been taken in before.
    Pack {
        /// Who sent it.
        node: &'a str,
        /// Its number; none for a sender that does not number.
        id: Option<PackId>,
        /// Those of its samples that could be taken.
        samples: Samples<'a>,
    },
    /// What a node's status said of its store: nothing before `oldest` is there any more.
    Held {
        /// The node.
        node: &'a str,
        /// The boot that said so.
        boot: u64,
        /// The oldest pack that it still has; none when it has none.
        oldest: Option<PackId>,
    },
    /// Packs that a node gave up, and that are missing here: an event.
    Gap {
        /// The node.
        node: &'a str,
        /// The boot that formed them.
        boot: u64,
        /// The first.
        from: u64,
        /// The last, included.
        to: u64,
        /// The node's word for why.
        cause: &'a str,
    },
    /// A condition of the system itself began or ended.
    Condition {
        /// The id of its alarm, as `-/n1/sys.offline`.
        alarm: &'a str,
        /// Whether it stands.
        active: bool,
        /// Why.
        reason: &'a str,
    },
    /// An operator acted.
    Command {
        /// What to do, as `ack`.
        verb: &'a str,
        /// On which alarm.
        alarm: &'a str,
        /// The occurrence that they saw; none for whichever it is.
        occurrence: Option<u64>,
        /// Who.
        by: &'a str,
        /// What they said; empty when nothing.
        comment: &'a str,
        /// Until when, for what ends by itself.
        until: Option<UtcMs>,
        /// The second person, for what needs two; empty when none.
        second: &'a str,
        /// The work order, for what needs one; empty when none.
        ticket: &'a str,
    },
    /// An output is to be switched, or has shown whether it was.
    Output {
        /// The output, `{unit}/{point}`.
        output: &'a str,
        /// What it is to be.
        on: bool,
        /// Whether it is; none when it was only told.
        ok: Option<bool>,
        /// The alarm that wants it, or wanted it on before; empty when there was none.
        alarm: &'a str,
    },
    /// The gateway was down, or its clock jumped: nothing was looked at between.
    Down {
        /// The last T before.
        from: UtcMs,
        /// The first T after.
        to: UtcMs,
    },
    /// Nothing but time: a deadline came while nothing else did.
    Time,
}

/// How a sample stands to its point.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lane {
    /// Newer than all before it and young enough: it may change an alarm.
    Live,
    /// Too old, or overtaken: stored, and at most a historical event.
    Late,
    /// A second value for a millisecond that has one: it replaces it in storage; rules don't see it.
    Again,
}

/// One sample of a pack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoggedSample {
    /// The point's index in the configuration in force, see [`ConfigImage::points`].
    pub point: u32,
    /// Live or late.
    pub lane: Lane,
    /// The reading; its number is in the point's unit.
    pub sample: telemetry::Sample,
}

/// The samples of a pack, in the pack's order, encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Samples<'a>(&'a [u8]);

/// Encodes the samples of a pack, one after another, into a buffer that can be used again.
#[derive(Debug, Default)]
pub struct SampleEncoder {
    bytes: Vec<u8>,
    last_at: i64,
}

const LANES: [Lane; 3] = [Lane::Live, Lane::Late, Lane::Again];
const CLOCKS: [Clock; 4] = [
    Clock::Synced,
    Clock::Holdover,
    Clock::Unsynced,
    Clock::Arrival,
];

impl SampleEncoder {
    /// Forgets what was pushed.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.last_at = 0;
    }

    /// Adds one sample.
    pub fn push(&mut self, logged: &LoggedSample) {
        let LoggedSample {
            point,
            lane,
            sample,
        } = logged;
        // Bits 0–1 lane, 2–3 value (none, number, false, true), 4–5 clock, 6 a quality follows, 7 the number is a single.
        let lane = match lane {
            Lane::Live => 0,
            Lane::Late => 1,
            Lane::Again => 2,
        };
        let clock = match sample.clock {
            Clock::Synced => 0,
            Clock::Holdover => 1,
            Clock::Unsynced => 2,
            Clock::Arrival => 3,
        };
        let mut flags = lane | clock << 4;
        let mut single = None;
        match sample.value {
            None => {}
            Some(Value::Number(number)) => {
                flags |= 1 << 2;
                single = as_single(number);
            }
            Some(Value::Bool(false)) => flags |= 2 << 2,
            Some(Value::Bool(true)) => flags |= 3 << 2,
        }
        if sample.quality != Quality::GOOD {
            flags |= 1 << 6;
        }
        if single.is_some() {
            flags |= 1 << 7;
        }
        self.bytes.push(flags);
        put_u64(&mut self.bytes, u64::from(*point));
        put_i64(&mut self.bytes, sample.at.0.wrapping_sub(self.last_at));
        self.last_at = sample.at.0;
        if sample.quality != Quality::GOOD {
            self.bytes
                .extend_from_slice(&sample.quality.0.to_le_bytes());
        }
        if let Some(single) = single {
            self.bytes.extend_from_slice(&single.to_le_bytes());
        } else if let Some(Value::Number(number)) = sample.value {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// What was pushed since the last `clear`.
    pub fn samples(&self) -> Samples<'_> {
        Samples(&self.bytes)
    }
}

/// The same number in half the bytes, where nothing is lost; most registers have 16 bits.
#[allow(
    clippy::cast_possible_truncation,
    reason = "whether it was cut is what is asked"
)]
fn as_single(number: f64) -> Option<f32> {
    let single = number as f32;
    (f64::from(single).to_bits() == number.to_bits()).then_some(single)
}

impl<'a> Samples<'a> {
    /// Reads them one by one.
    ///
    /// # Errors
    /// An item is an error, and the last, when the bytes are not of this version.
    pub fn iter(&self) -> SampleIter<'a> {
        SampleIter {
            cursor: Cursor(self.0),
            last_at: 0,
        }
    }

    /// True when the pack has no sample that could be taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads the samples of a pack.
#[derive(Clone, Debug)]
pub struct SampleIter<'a> {
    cursor: Cursor<'a>,
    last_at: i64,
}

impl SampleIter<'_> {
    fn read(&mut self) -> Result<LoggedSample, DecodeError> {
        let cursor = &mut self.cursor;
        let flags = cursor.u8()?;
        let lane = *LANES.get(usize::from(flags & 3)).ok_or(DecodeError)?;
        let clock = CLOCKS[usize::from(flags >> 4 & 3)];
        let point = cursor.u32()?;
        self.last_at = self.last_at.wrapping_add(cursor.i64()?);
        let quality = if flags & 1 << 6 == 0 {
            Quality::GOOD
        } else {
            Quality(u16::from_le_bytes(cursor.array()?))
        };
        let value = match flags >> 2 & 3 {
            0 => None,
            1 if flags & 1 << 7 == 0 => Some(Value::Number(f64::from_le_bytes(cursor.array()?))),
            1 => Some(Value::Number(f64::from(f32::from_le_bytes(
                cursor.array()?,
            )))),
            2 => Some(Value::Bool(false)),
            _ => Some(Value::Bool(true)),
        };
        Ok(LoggedSample {
            point,
            lane,
            sample: telemetry::Sample {
                at: UtcMs(self.last_at),
                value,
                quality,
                clock,
            },
        })
    }
}

impl Iterator for SampleIter<'_> {
    type Item = Result<LoggedSample, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.cursor = Cursor(&[]);
        }
        Some(read)
    }
}

/// Stands for none where something follows it.
const NO_OCCURRENCE: u64 = u64::MAX;

/// A configuration as the log keeps it: enough to name every point, and to compile its rules again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConfigImage {
    /// SHA-256 of the files, hex.
    pub hash: String,
    /// The version of the program whose engine it was made for.
    pub version: String,
    /// `{park}`.
    pub park: String,
    /// `{enterprise}`.
    pub enterprise: String,
    /// All points by `(unit, point)`; samples name them by index.
    pub points: Vec<PointImage>,
    /// The files that it was read from.
    pub files: Vec<FileImage>,
}

/// What a reader of the log needs to know of a point.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PointImage {
    /// The plant unit.
    pub unit: String,
    /// The point in it.
    pub point: String,
    /// What it measures.
    pub kind: String,
    /// The unit of its values; none for a digital point and a bare number.
    pub eu: Option<String>,
    /// True for an on-off point.
    pub digital: bool,
}

/// A file of a configuration.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileImage {
    /// The path as it was given.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl ConfigImage {
    fn encode(&self, out: &mut Vec<u8>) {
        for text in [&self.hash, &self.version, &self.park, &self.enterprise] {
            put_str(out, text);
        }
        put_u64(out, self.points.len() as u64);
        for point in &self.points {
            put_str(out, &point.unit);
            put_str(out, &point.point);
            put_str(out, &point.kind);
            put_opt(out, point.eu.as_deref());
            out.push(u8::from(point.digital));
        }
        put_u64(out, self.files.len() as u64);
        for file in &self.files {
            put_str(out, &file.path);
            put_bytes(out, &file.bytes);
        }
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let mut image = Self {
            hash: cursor.string()?,
            version: cursor.string()?,
            park: cursor.string()?,
            enterprise: cursor.string()?,
            ..Self::default()
        };
        for _ in 0..cursor.u64()? {
            image.points.push(PointImage {
                unit: cursor.string()?,
                point: cursor.string()?,
                kind: cursor.string()?,
                eu: cursor.opt()?.map(String::from),
                digital: cursor.u8()? != 0,
            });
        }
        for _ in 0..cursor.u64()? {
            image.files.push(FileImage {
                path: cursor.string()?,
                bytes: cursor.bytes()?.to_vec(),
            });
        }
        Ok(image)
    }
}

impl<'a> Record<'a> {
    /// The number of its kind, from 1.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Config(_) => 1,
            Self::Pack { .. } => 2,
            Self::Held { .. } => 3,
            Self::Gap { .. } => 4,
            Self::Condition { .. } => 5,
            Self::Command { .. } => 6,
            Self::Down { .. } => 7,
            Self::Time => 8,
            Self::Output { .. } => 9,
        }
    }

    /// The highest number of a kind.
    pub(crate) const KIND_MAX: u8 = 9;

    /// Appends its body.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Config(image) => image.encode(out),
            Self::Pack { node, id, samples } => {
                put_str(out, node);
                put_id(out, *id);
                out.extend_from_slice(samples.0);
            }
            Self::Held { node, boot, oldest } => {
                put_str(out, node);
                put_u64(out, *boot);
                put_id(out, *oldest);
            }
            Self::Gap {
                node,
                boot,
                from,
                to,
                cause,
            } => {
                put_str(out, node);
                for number in [boot, from, to] {
                    put_u64(out, *number);
                }
                put_str(out, cause);
            }
            Self::Condition {
                alarm,
                active,
                reason,
            } => {
                put_str(out, alarm);
                out.push(u8::from(*active));
                put_str(out, reason);
            }
            Self::Command {
                verb,
                alarm,
                occurrence,
                by,
                comment,
                until,
                second,
                ticket,
            } => {
                for text in [verb, alarm, by, comment] {
                    put_str(out, text);
                }
                // What came later stands behind, and is left out where there is none of it: the first version ended with the occurrence.
                let more = until.is_some() || !second.is_empty() || !ticket.is_empty();
                if let Some(occurrence) = occurrence {
                    put_u64(out, *occurrence);
                } else if more {
                    put_u64(out, NO_OCCURRENCE);
                }
                if more {
                    put_i64(out, until.map_or(i64::MAX, |until| until.0));
                    put_str(out, second);
                    put_str(out, ticket);
                }
            }
            Self::Down { from, to } => {
                put_i64(out, from.0);
                put_i64(out, to.0);
            }
            Self::Time => {}
            Self::Output {
                output,
                on,
                ok,
                alarm,
            } => {
                put_str(out, output);
                out.push(u8::from(*on));
                out.push(ok.map_or(2, u8::from));
                put_str(out, alarm);
            }
        }
    }

    /// Reads the body of a record of a kind.
    pub(crate) fn decode(kind: u8, body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor(body);
        let record = match kind {
            1 => Self::Config(ConfigImage::decode(&mut cursor)?),
            2 => Self::Pack {
                node: cursor.str()?,
                id: read_id(&mut cursor)?,
                samples: Samples(std::mem::take(&mut cursor.0)),
            },
            3 => Self::Held {
                node: cursor.str()?,
                boot: cursor.u64()?,
                oldest: read_id(&mut cursor)?,
            },
            4 => Self::Gap {
                node: cursor.str()?,
                boot: cursor.u64()?,
                from: cursor.u64()?,
                to: cursor.u64()?,
                cause: cursor.str()?,
            },
            5 => Self::Condition {
                alarm: cursor.str()?,
                active: cursor.u8()? != 0,
                reason: cursor.str()?,
            },
            6 => {
                let (verb, alarm) = (cursor.str()?, cursor.str()?);
                let (by, comment) = (cursor.str()?, cursor.str()?);
                let occurrence = if cursor.is_empty() {
                    None
                } else {
                    Some(cursor.u64()?).filter(|occurrence| *occurrence != NO_OCCURRENCE)
                };
                let (until, second, ticket) = if cursor.is_empty() {
                    (None, "", "")
                } else {
                    let until = Some(cursor.i64()?).filter(|until| *until != i64::MAX);
                    (until.map(UtcMs), cursor.str()?, cursor.str()?)
                };
                Self::Command {
                    verb,
                    alarm,
                    occurrence,
                    by,
                    comment,
                    until,
                    second,
                    ticket,
                }
            }
            7 => Self::Down {
                from: UtcMs(cursor.i64()?),
                to: UtcMs(cursor.i64()?),
            },
            8 => Self::Time,
            9 => Self::Output {
                output: cursor.str()?,
                on: cursor.u8()? != 0,
                ok: match cursor.u8()? {
                    0 => Some(false),
                    1 => Some(true),
                    2 => None,
                    _ => return Err(DecodeError),
                },
                alarm: cursor.str()?,
            },
            _ => return Err(DecodeError),
        };
        if cursor.is_empty() {
            Ok(record)
        } else {
            Err(DecodeError)
        }
    }
}

fn put_id(out: &mut Vec<u8>, id: Option<PackId>) {
    match id {
        None => out.push(0),
        Some(id) => {
            out.push(1);
            put_u64(out, id.boot);
            put_u64(out, id.seq);
        }
    }
}

fn read_id(cursor: &mut Cursor<'_>) -> Result<Option<PackId>, DecodeError> {
    match cursor.u8()? {
        0 => Ok(None),
        1 => Ok(Some(PackId {
            boot: cursor.u64()?,
            seq: cursor.u64()?,
        })),
        _ => Err(DecodeError),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_sample() -> impl Strategy<Value = LoggedSample> {
        let value = prop_oneof![
            Just(None),
            (-1e300..1e300).prop_map(|number| Some(Value::Number(number))),
            (-1_000_i16..1_000).prop_map(|word| Some(Value::Number(f64::from(word) / 8.0))),
            any::<bool>().prop_map(|truth| Some(Value::Bool(truth))),
        ];
        (
            any::<u32>(),
            0..3_usize,
            any::<i64>(),
            value,
            prop_oneof![Just(0), any::<u16>()],
            0..4_usize,
        )
            .prop_map(|(point, lane, at, value, quality, clock)| LoggedSample {
                point,
                lane: LANES[lane],
                sample: telemetry::Sample {
                    at: UtcMs(at),
                    value,
                    quality: Quality(quality),
                    clock: CLOCKS[clock],
                },
            })
    }

    #[track_caller]
    fn check(record: &Record<'_>) {
        let mut body = Vec::new();
        record.encode(&mut body);
        assert_eq!(Record::decode(record.kind(), &body).as_ref(), Ok(record));
        for len in 0..body.len() {
            if let Ok(Record::Pack { samples, .. }) = Record::decode(record.kind(), &body[..len]) {
                samples.iter().for_each(drop);
            }
        }
    }

    #[test]
    fn every_kind_of_record_is_read_as_it_was_written() {
        let id = Some(PackId { boot: 3, seq: 9 });
        let image = ConfigImage {
            hash: "ab".into(),
            version: "0.1.0".into(),
            park: "east".into(),
            enterprise: "plant".into(),
            points: vec![
                PointImage {
                    unit: "tank".into(),
                    point: "lel-1".into(),
                    kind: "combustible-gas".into(),
                    eu: Some("%LEL".into()),
                    digital: false,
                },
                PointImage {
                    digital: true,
                    ..PointImage::default()
                },
            ],
            files: vec![FileImage {
                path: "gateway.toml".into(),
                bytes: vec![0, 255],
            }],
        };
        check(&Record::Config(image));
        let node = "n1";
        for oldest in [None, id] {
            check(&Record::Held {
                node,
                boot: 4,
                oldest,
            });
        }
        check(&Record::Gap {
            node,
            boot: 1,
            from: 2,
            to: u64::MAX,
            cause: "no-room",
        });
        for active in [false, true] {
            check(&Record::Output {
                output: "tank/siren",
                on: active,
                ok: Some(!active),
                alarm: "tank/gt-1/gas",
            });
            check(&Record::Output {
                output: "tank/siren",
                on: active,
                ok: None,
                alarm: "",
            });
            check(&Record::Condition {
                alarm: "-/n1/sys.offline",
                active,
                reason: "its will",
            });
        }
        for occurrence in [None, Some(3)] {
            for (until, second, ticket) in [
                (None, "", ""),
                (Some(UtcMs(7)), "", ""),
                (None, "li", "W-1"),
            ] {
                check(&Record::Command {
                    verb: "ack",
                    alarm: "a/b/c",
                    occurrence,
                    by: "王",
                    comment: "",
                    until,
                    second,
                    ticket,
                });
            }
        }
        check(&Record::Down {
            from: UtcMs(-1),
            to: UtcMs(i64::MAX),
        });
        check(&Record::Time);
    }

    #[test]
    fn a_command_of_the_first_version_is_read_as_it_was_meant() {
        let body = b"\x03ack\x05a/b/c\x02li\x00\x03";
        let command = Record::Command {
            verb: "ack",
            alarm: "a/b/c",
            occurrence: Some(3),
            by: "li",
            comment: "",
            until: None,
            second: "",
            ticket: "",
        };
        assert_eq!(Record::decode(6, body), Ok(command.clone()));
        let mut written = Vec::new();
        command.encode(&mut written);
        assert_eq!(written, body);
    }

    proptest! {
        #[test]
        fn every_sample_is_read_as_it_was_written(
            samples in prop::collection::vec(any_sample(), 0..20),
            id in any::<Option<(u64, u64)>>(),
        ) {
            let mut encoder = SampleEncoder::default();
            encoder.push(&samples.first().copied().unwrap_or(LoggedSample { point: 0, lane: Lane::Live, sample: telemetry::Sample { at: UtcMs(7), value: None, quality: Quality::BAD, clock: Clock::Synced } }));
            encoder.clear();
            for sample in &samples {
                encoder.push(sample);
            }
            let id = id.map(|(boot, seq)| PackId { boot, seq });
            let record = Record::Pack { node: "n1", id, samples: encoder.samples() };
            check(&record);
            let read: Result<Vec<_>, _> = encoder.samples().iter().collect();
            prop_assert_eq!(read, Ok(samples));
        }

        #[test]
        fn no_body_panics(kind: u8, body: Vec<u8>) {
            if let Ok(Record::Pack { samples, .. }) = Record::decode(kind, &body) {
                samples.iter().for_each(drop);
            }
        }
    }
}
