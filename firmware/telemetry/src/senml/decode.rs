//! Reads a pack: base fields resolved, names checked, one record at a time.
//!
//! A pack is read twice, first to see whether it parses to its end, so that nothing of a broken pack is given out.

use core::ops::Range;

use thiserror::Error;

use super::cbor::CborReader;
use super::json::JsonReader;
use super::label::Label;
use super::text::Text;
use super::{ABSOLUTE_FROM_S, Format, PACK_BYTES_MAX, PACK_RECORDS_MAX, UNIT_LEN_MAX};
use crate::name::{PointName, SEGMENT_LEN_MAX, check_segment};
use crate::{Clock, Quality, UtcMs, Value};

/// The version of SenML that is understood (RFC 8428 §4.4).
const VERSION: u64 = 10;

/// Four segments and the slashes between them.
const NAME_LEN_MAX: usize = 4 * SEGMENT_LEN_MAX + 3;

/// Times from here on have no RFC 3339 form: the year 10000.
const TIME_MAX_MS: f64 = 253_402_300_800_000.0;

/// When a record was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Time {
    /// UTC at the source.
    Utc(UtcMs),
    /// Milliseconds since the boot of a node that doesn't know UTC.
    Mono(u64),
    /// No time of its own: so many milliseconds after the pack's arrival, mostly 0 or less.
    Arrival {
        /// Milliseconds after arrival; negative before it.
        offset_ms: i64,
    },
}

/// One record with its base fields resolved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record<'a> {
    /// The point's full name, `{park}/{enterprise}/{unit}/{point}`, checked.
    pub name: &'a str,
    /// The unit as sent.
    pub unit: Option<&'a str>,
    /// When.
    pub time: Time,
    /// What; none when the quality is why. Numbers are finite.
    pub value: Option<Value>,
    /// How far to trust it; never good without a value.
    pub quality: Quality,
}

/// What holds for a whole pack.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pack {
    /// The boot of the node; none from a sender that doesn't count.
    pub boot: Option<u64>,
    /// The number of the pack, from 1.
    pub seq: Option<u64>,
    /// The state of the sender's clock; a word that isn't known reads as unsynced.
    pub clock: Clock,
}

/// A pack that doesn't parse. None of its records was given out.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{fault} at byte {at}")]
pub struct PackError {
    /// Why.
    pub fault: PackFault,
    /// How far the reader came, in bytes.
    pub at: usize,
    /// The boot, where it could be read.
    pub boot: Option<u64>,
    /// The number of the pack, where it could be read.
    pub seq: Option<u64>,
}

/// Why a pack doesn't parse.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum PackFault {
    /// It is no JSON, or no CBOR, or no array of maps, or something follows it.
    #[error("no array of SenML records")]
    Malformed,
    /// A field that nobody understands has too many levels.
    #[error("more levels than a pack may have")]
    TooDeep,
    /// It has more than [`PACK_BYTES_MAX`] bytes.
    #[error("a pack of more than {PACK_BYTES_MAX} bytes")]
    TooLarge,
    /// It has more than [`PACK_RECORDS_MAX`] records.
    #[error("a pack of more than {PACK_RECORDS_MAX} records")]
    TooManyRecords,
    /// It has no record.
    #[error("a pack without a record")]
    Empty,
    /// A record has the same field twice.
    #[error("the field `{0}` twice in a record")]
    Double(Label),
    /// A base field has a value that it can't have.
    #[error("the base field `{0}` has no value that it can have")]
    Base(Label),
    /// A field that holds for the whole pack changes in the middle of it.
    #[error("the field `{0}` changes within the pack")]
    Changed(Label),
    /// Its `bver` is later than 10.
    #[error("a version of SenML later than {VERSION}")]
    Version,
    /// A field whose name ends in `_` isn't known; RFC 8428 §4.4 forbids to go on.
    #[error("a field that must be understood is not")]
    MustUnderstand,
}

/// A record that makes no sense. The others of its pack stand.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("record {index}: {fault}")]
pub struct RecordError {
    /// Its place in the pack, from 0.
    pub index: usize,
    /// Where it lies in the pack's bytes.
    pub span: Range<usize>,
    /// Why.
    pub fault: RecordFault,
}

/// Why a record makes no sense.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum RecordFault {
    /// A field has a value of the wrong type, or out of its range.
    #[error("the field `{0}` has no value that it can have")]
    Field(Label),
    /// The name with its base is not `{park}/{enterprise}/{unit}/{point}`.
    #[error("no name of a point, expected park/enterprise/unit/point")]
    Name,
    /// The unit has more than [`UNIT_LEN_MAX`] bytes.
    #[error("a unit of more than {UNIT_LEN_MAX} bytes")]
    Unit,
    /// None of `v`, `vb` and `vs`.
    #[error("none of v, vb and vs")]
    NoValue,
    /// More than one of `v`, `vb`, `vs` and `vd`, or `vd` alone.
    #[error("not exactly one of v, vb and vs")]
    Values,
    /// The number is not finite.
    #[error("a number that is not finite")]
    NotFinite,
    /// The time is none that a sample can have.
    #[error("no time that a sample can have")]
    Time,
    /// `vs` without a quality that says why, or with one that says the value is good.
    #[error("no value and no bad quality that says why")]
    Reason,
}

/// A field's name, as a reader sees it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Known(Label),
    /// One that may be ignored.
    Unknown,
    /// One that may not.
    MustUnderstand,
}

impl Key {
    pub(super) fn from_text(text: &str) -> Self {
        match Label::from_text(text) {
            Some(label) => Self::Known(label),
            None if text.ends_with('_') => Self::MustUnderstand,
            None => Self::Unknown,
        }
    }
}

/// A field's value, as a reader sees it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'b> {
    Unsigned(u64),
    Number(f64),
    Text(Text<'b>),
    Bool(bool),
    /// Bytes, null, a container: nothing that SenML gives a meaning.
    Other,
}

impl<'b> Item<'b> {
    fn number(self) -> Option<f64> {
        match self {
            Self::Unsigned(number) => Some(number as f64),
            Self::Number(number) => Some(number),
            Self::Text(_) | Self::Bool(_) | Self::Other => None,
        }
    }

    fn unsigned(self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(number),
            _ => None,
        }
    }

    fn text(self) -> Option<Text<'b>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn bool(self) -> Option<bool> {
        match self {
            Self::Bool(on) => Some(on),
            _ => None,
        }
    }
}

/// A syntax: an array of maps, entry by entry.
pub(super) trait Reader<'b> {
    /// Enters the pack.
    fn open(&mut self) -> Result<(), PackFault>;
    /// True at the beginning of another record; past the pack's end otherwise.
    fn next_record(&mut self) -> Result<bool, PackFault>;
    /// Enters the record.
    fn enter_record(&mut self) -> Result<(), PackFault>;
    /// The name of the next field; none past the record's end.
    fn next_key(&mut self) -> Result<Option<Key>, PackFault>;
    /// The value of the field whose name was read; anything is read over to its end.
    fn item(&mut self) -> Result<Item<'b>, PackFault>;
    /// True when nothing follows.
    fn at_end(&mut self) -> bool;
    /// Bytes read.
    fn position(&self) -> usize;
}

/// Reads a pack and gives each of its records, in order, to `each`. Allocates nothing.
///
/// Work and depth are bounded by [`PACK_BYTES_MAX`] and [`PACK_RECORDS_MAX`].
///
/// # Errors
/// A pack that doesn't parse; `each` wasn't called then. A record that makes no sense is an error of its own, given to `each`.
pub fn decode(
    bytes: &[u8],
    format: Format,
    each: &mut dyn FnMut(Result<Record<'_>, RecordError>),
) -> Result<Pack, PackError> {
    decode_with(bytes, format, |name| PointName::parse(name).is_ok(), each)
}

/// [`decode`] with another idea of what a name is.
pub(super) fn decode_with(
    bytes: &[u8],
    format: Format,
    is_name: fn(&str) -> bool,
    each: &mut dyn FnMut(Result<Record<'_>, RecordError>),
) -> Result<Pack, PackError> {
    match format {
        Format::Json => run(&JsonReader::new(bytes), bytes.len(), is_name, each),
        Format::Cbor => run(&CborReader::new(bytes), bytes.len(), is_name, each),
    }
}

fn run<'b, R: Reader<'b> + Clone>(
    reader: &R,
    len: usize,
    is_name: fn(&str) -> bool,
    each: &mut dyn FnMut(Result<Record<'_>, RecordError>),
) -> Result<Pack, PackError> {
    let mut whole = Whole::default();
    let mut first = reader.clone();
    walk(&mut first, len, &mut whole, |_, _, _, _| {}).map_err(|fault| PackError {
        fault,
        at: first.position(),
        boot: whole.boot,
        seq: whole.seq,
    })?;
    let mut names = Names::new(is_name);
    let mut second = reader.clone();
    let mut again = Whole::default();
    let read = walk(&mut second, len, &mut again, |base, raw, index, span| {
        if raw.has(Label::Bn) || index == 0 {
            names.rebase(base);
        }
        let mut unit = [0; UNIT_LEN_MAX];
        let record = resolve(base, raw, &mut names, &mut unit);
        each(record.map_err(|fault| RecordError { index, span, fault }));
    });
    debug_assert_eq!(read, Ok(()), "the same bytes read as they did before");
    Ok(Pack {
        boot: whole.boot,
        seq: whole.seq,
        clock: whole.clock.unwrap_or_default(),
    })
}

/// What holds for the pack.
#[derive(Default)]
struct Whole {
    boot: Option<u64>,
    seq: Option<u64>,
    clock: Option<Clock>,
    version: Option<u64>,
}

/// The base fields in force.
#[derive(Default)]
struct Base<'b> {
    name: Option<Text<'b>>,
    time: Option<f64>,
    unit: Option<Text<'b>>,
    value: Option<f64>,
    mono: Option<u64>,
}

/// One record as it stands.
#[derive(Default)]
struct Raw<'b> {
    seen: u32,
    name: Option<Text<'b>>,
    unit: Option<Text<'b>>,
    number: Option<f64>,
    on: Option<bool>,
    reason: Option<Text<'b>>,
    time: Option<f64>,
    quality: Option<u16>,
    fault: Option<RecordFault>,
}

impl Raw<'_> {
    fn has(&self, label: Label) -> bool {
        self.seen & label.bit() != 0
    }

    fn is_wrong(&mut self, label: Label) {
        self.fault.get_or_insert(RecordFault::Field(label));
    }
}

/// Reads over the pack; `record` gets each record with the base fields that hold for it.
fn walk<'b, R: Reader<'b>>(
    reader: &mut R,
    len: usize,
    whole: &mut Whole,
    mut record: impl FnMut(&Base<'b>, &Raw<'b>, usize, Range<usize>),
) -> Result<(), PackFault> {
    reader.open()?;
    let mut base = Base::default();
    let mut index = 0;
    while reader.next_record()? {
        if index == PACK_RECORDS_MAX {
            return Err(PackFault::TooManyRecords);
        }
        let start = reader.position();
        let mut raw = Raw::default();
        reader.enter_record()?;
        while let Some(key) = reader.next_key()? {
            match key {
                Key::Known(label) => {
                    if raw.has(label) {
                        return Err(PackFault::Double(label));
                    }
                    raw.seen |= label.bit();
                    let item = reader.item()?;
                    field(label, item, whole, &mut base, &mut raw)?;
                }
                Key::Unknown => {
                    reader.item()?;
                }
                Key::MustUnderstand => return Err(PackFault::MustUnderstand),
            }
        }
        // Only the first record of a pack that is too large is read, for who sent it.
        if len > PACK_BYTES_MAX {
            return Err(PackFault::TooLarge);
        }
        whole.version.get_or_insert(VERSION);
        record(&base, &raw, index, start..reader.position());
        index += 1;
    }
    if index == 0 {
        return Err(PackFault::Empty);
    }
    if !reader.at_end() {
        return Err(PackFault::Malformed);
    }
    Ok(())
}

fn field<'b>(
    label: Label,
    item: Item<'b>,
    whole: &mut Whole,
    base: &mut Base<'b>,
    raw: &mut Raw<'b>,
) -> Result<(), PackFault> {
    let wrong = PackFault::Base(label);
    let finite = |item: Item<'b>| item.number().filter(|number| number.is_finite());
    match label {
        Label::Bver => match item.unsigned() {
            None | Some(0) => return Err(wrong),
            Some(version) if version > VERSION => return Err(PackFault::Version),
            Some(version) => keep(&mut whole.version, version, label)?,
        },
        Label::Bboot => keep(&mut whole.boot, item.unsigned().ok_or(wrong)?, label)?,
        Label::Bseq => match item.unsigned() {
            None | Some(0) => return Err(wrong),
            Some(seq) => keep(&mut whole.seq, seq, label)?,
        },
        Label::Bclk => {
            let mut word = [0; 16];
            let clock = match item.text().ok_or(wrong)?.resolve(&mut word) {
                Some("holdover") => Clock::Holdover,
                _ => Clock::Unsynced,
            };
            keep(&mut whole.clock, clock, label)?;
        }
        Label::Bn => base.name = Some(item.text().ok_or(wrong)?),
        Label::Bt => base.time = Some(finite(item).ok_or(wrong)?),
        Label::Bu => base.unit = Some(item.text().ok_or(wrong)?),
        Label::Bv => base.value = Some(finite(item).ok_or(wrong)?),
        Label::Bmono => base.mono = Some(item.unsigned().ok_or(wrong)?),
        // Sums aren't kept.
        Label::Bs => drop(finite(item).ok_or(wrong)?),
        Label::N => set(&mut raw.name, item.text(), &mut raw.fault, label),
        Label::U => set(&mut raw.unit, item.text(), &mut raw.fault, label),
        Label::V => set(&mut raw.number, item.number(), &mut raw.fault, label),
        Label::Vb => set(&mut raw.on, item.bool(), &mut raw.fault, label),
        Label::Vs => set(&mut raw.reason, item.text(), &mut raw.fault, label),
        Label::T => set(&mut raw.time, finite(item), &mut raw.fault, label),
        Label::Q => {
            let quality = item.unsigned().and_then(|q| u16::try_from(q).ok());
            set(&mut raw.quality, quality, &mut raw.fault, label);
        }
        Label::S | Label::Ut if item.number().is_none() => raw.is_wrong(label),
        Label::S | Label::Ut | Label::Vd => {}
    }
    Ok(())
}

/// Sets what may be said once for the whole pack, or again the same.
fn keep<T: Copy + PartialEq>(
    kept: &mut Option<T>,
    value: T,
    label: Label,
) -> Result<(), PackFault> {
    if *kept.get_or_insert(value) == value {
        Ok(())
    } else {
        Err(PackFault::Changed(label))
    }
}

fn set<T>(field: &mut Option<T>, value: Option<T>, fault: &mut Option<RecordFault>, label: Label) {
    if value.is_none() {
        fault.get_or_insert(RecordFault::Field(label));
    }
    *field = value;
}

/// The base name, rendered and checked once, and the names behind it.
struct Names {
    buf: [u8; NAME_LEN_MAX],
    /// None when the base name alone is too long.
    base_len: Option<usize>,
    /// True when the base name is three whole segments, so that only a fourth is left to check.
    base_is_unit: bool,
    is_name: fn(&str) -> bool,
}

impl Names {
    fn new(is_name: fn(&str) -> bool) -> Self {
        Self {
            buf: [0; NAME_LEN_MAX],
            base_len: None,
            base_is_unit: false,
            is_name,
        }
    }

    fn rebase(&mut self, base: &Base<'_>) {
        self.base_len = match base.name {
            Some(name) => name.write(&mut self.buf),
            None => Some(0),
        };
        self.base_is_unit = self.base_len.is_some_and(|len| {
            let unit = len.checked_sub(1).map(|end| self.buf.split_at(end));
            match unit.map(|(unit, rest)| (str::from_utf8(unit), rest)) {
                Some((Ok(unit), [b'/', ..])) => is_unit(unit),
                _ => false,
            }
        });
    }

    fn full(&mut self, name: Option<Text<'_>>) -> Option<&str> {
        let base_len = self.base_len?;
        let mut len = base_len;
        if let Some(name) = name {
            len += name.write(&mut self.buf[len..])?;
        }
        let name = str::from_utf8(&self.buf[..len]).ok()?;
        let last = name.get(base_len..).filter(|_| self.base_is_unit);
        let known = last.is_some_and(|point| check_segment(point).is_ok());
        (known || (self.is_name)(name)).then_some(name)
    }
}

/// True for `{park}/{enterprise}/{unit}`.
fn is_unit(name: &str) -> bool {
    name.split('/').count() == 3
        && name
            .split('/')
            .all(|segment| check_segment(segment).is_ok())
}

/// Applies the base fields and checks what is left to check.
fn resolve<'a>(
    base: &Base<'a>,
    raw: &Raw<'a>,
    names: &'a mut Names,
    units: &'a mut [u8; UNIT_LEN_MAX],
) -> Result<Record<'a>, RecordFault> {
    if let Some(fault) = raw.fault {
        return Err(fault);
    }
    let name = names.full(raw.name).ok_or(RecordFault::Name)?;
    let unit = match raw.unit.or(base.unit) {
        Some(unit) => Some(unit.resolve(units).ok_or(RecordFault::Unit)?),
        None => None,
    };
    let time = time(base, raw).ok_or(RecordFault::Time)?;
    let quality = raw.quality.map(Quality);
    let (value, quality) = match (raw.number, raw.on, raw.reason, raw.has(Label::Vd)) {
        (Some(number), None, None, false) => {
            // Adding nothing would lose the sign of a zero.
            let number = base.value.map_or(number, |base| number + base);
            if !number.is_finite() {
                return Err(RecordFault::NotFinite);
            }
            let value = Value::Number(number);
            (Some(value), quality.unwrap_or_default())
        }
        (None, Some(on), None, false) => (Some(Value::Bool(on)), quality.unwrap_or_default()),
        (None, None, Some(reason), false) => {
            let mut word = [0; 32];
            let named = reason.resolve(&mut word).and_then(Quality::from_word);
            let quality = quality.or(named).ok_or(RecordFault::Reason)?;
            if quality.is_good() {
                return Err(RecordFault::Reason);
            }
            (None, quality)
        }
        (None, None, None, false) => return Err(RecordFault::NoValue),
        _ => return Err(RecordFault::Values),
    };
    Ok(Record {
        name,
        unit,
        time,
        value,
        quality,
    })
}

/// The time of a record; none when no sample can have it.
fn time(base: &Base<'_>, raw: &Raw<'_>) -> Option<Time> {
    let offset = raw.time.unwrap_or(0.0);
    if let (None, Some(mono)) = (base.time, base.mono) {
        let mono = i64::try_from(mono)
            .ok()?
            .checked_add(milliseconds(offset)?)?;
        return u64::try_from(mono).ok().map(Time::Mono);
    }
    let seconds = base.time.unwrap_or(0.0) + offset;
    let ms = milliseconds(seconds)?;
    Some(if seconds >= ABSOLUTE_FROM_S {
        Time::Utc(UtcMs(ms))
    } else {
        Time::Arrival { offset_ms: ms }
    })
}

/// Seconds to the nearest millisecond; none beyond ten thousand years, and for what is no number.
fn milliseconds(seconds: f64) -> Option<i64> {
    let ms = seconds * 1_000.0;
    if ms.is_nan() || ms.abs() >= TIME_MAX_MS {
        return None;
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "within range by the check above; the fraction is what is cut"
    )]
    let nearest = (ms + 0.5_f64.copysign(ms)) as i64;
    Some(nearest)
}
