//! Writes a pack into the caller's buffer, record by record.

use core::fmt::{self, Write as _};

use thiserror::Error;

use super::label::Label;
use super::{Format, PACK_BYTES_MAX, PACK_RECORDS_MAX};
use crate::{Clock, Quality, UtcMs, Value};

/// What the records of a pack are dated from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Base {
    /// UTC. A time before 1978-07-04 can't be told from a relative one: such a pack goes out without times and is dated by arrival.
    Utc(UtcMs),
    /// Milliseconds since the boot, of a node that doesn't know UTC.
    Mono(u64),
}

/// What the first record of a pack carries for all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Header<'a> {
    /// What every name begins with, as `{park}/{enterprise}/{unit}/`.
    pub base_name: &'a str,
    /// What the offsets are counted from.
    pub base: Base,
    /// Grows at each start of the node.
    pub boot: u64,
    /// The number of the pack in its boot, from 1.
    pub seq: u64,
    /// The state of the node's clock; [`Clock::Arrival`] goes out as unsynced.
    pub clock: Clock,
}

/// The record doesn't fit any more; the pack is as it was before.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the pack is full")]
pub struct Full;

/// Writes one pack. Nothing is allocated; each [`Encoder::push`] either adds a whole record or nothing.
///
/// ```
/// use telemetry::senml::{Base, Encoder, Format, Header};
/// use telemetry::{Clock, Quality, UtcMs, Value};
///
/// let mut buf = [0; 256];
/// let header = Header {
///     base_name: "east/plant-1/tank/",
///     base: Base::Utc(UtcMs(1_795_420_800_000)),
///     boot: 3,
///     seq: 17,
///     clock: Clock::Synced,
/// };
/// let mut pack = Encoder::new(&mut buf, Format::Json, header);
/// pack.push("lel-1", Some("%LEL"), 250, Some(Value::Number(50.5)), Quality::GOOD)?;
/// let len = pack.finish();
/// assert_eq!(
///     core::str::from_utf8(&buf[..len]).unwrap(),
///     r#"[{"bn":"east/plant-1/tank/","bt":1795420800,"bboot":3,"bseq":17,"n":"lel-1","u":"%LEL","t":0.25,"v":50.5}]"#,
/// );
/// # Ok::<(), telemetry::senml::Full>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'b> {
    out: Out<'b>,
    format: Format,
    header: Header<'b>,
    records: u16,
}

/// A field's value.
#[derive(Clone, Copy)]
enum Field<'a> {
    Text(&'a str),
    Unsigned(u64),
    /// Milliseconds, written as seconds.
    Seconds(i64),
    Number(f64),
    Bool(bool),
}

/// The fields of one record, in the order in which they are written.
struct Fields<'a> {
    fields: [(Label, Field<'a>); 5],
    len: usize,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self {
            fields: [(Label::N, Field::Bool(false)); 5],
            len: 0,
        }
    }
}

impl<'a> Fields<'a> {
    fn push(&mut self, label: Label, field: Field<'a>) {
        self.fields[self.len] = (label, field);
        self.len += 1;
    }
}

impl<'b> Encoder<'b> {
    /// Starts a pack. `buf` is used up to [`PACK_BYTES_MAX`].
    pub fn new(buf: &'b mut [u8], format: Format, header: Header<'b>) -> Self {
        let room = buf.len().min(PACK_BYTES_MAX);
        Self {
            out: Out {
                buf: &mut buf[..room],
                len: 0,
            },
            format,
            header,
            records: 0,
        }
    }

    /// Adds one record.
    ///
    /// `name` follows the base name; `offset_ms` is added to the base.
    /// A number that isn't finite is sent as no value, with a bad quality; no value with a quality that isn't bad is sent as bad.
    ///
    /// # Errors
    /// [`Full`] when the record doesn't fit into the buffer, or is one too many.
    pub fn push(
        &mut self,
        name: &str,
        unit: Option<&str>,
        offset_ms: i64,
        value: Option<Value>,
        quality: Quality,
    ) -> Result<(), Full> {
        if usize::from(self.records) >= PACK_RECORDS_MAX {
            return Err(Full);
        }
        let dated = match self.header.base {
            Base::Utc(UtcMs(ms)) => ms >= ABSOLUTE_FROM_MS,
            Base::Mono(_) => true,
        };
        let base = if self.records == 0 {
            self.base_fields(dated)
        } else {
            Fields::default()
        };
        let mut fields = Fields::default();
        fields.push(Label::N, Field::Text(name));
        if let Some(unit) = unit {
            fields.push(Label::U, Field::Text(unit));
        }
        if offset_ms != 0 && dated {
            fields.push(Label::T, Field::Seconds(offset_ms));
        }
        let quality = match value {
            Some(Value::Number(number)) if number.is_finite() => {
                fields.push(Label::V, Field::Number(number));
                quality
            }
            Some(Value::Bool(on)) => {
                fields.push(Label::Vb, Field::Bool(on));
                quality
            }
            Some(Value::Number(_)) | None => {
                let quality = if quality.is_bad() {
                    quality
                } else {
                    Quality::BAD
                };
                fields.push(Label::Vs, Field::Text(quality.word()));
                quality
            }
        };
        if quality != Quality::GOOD {
            fields.push(Label::Q, Field::Unsigned(u64::from(quality.0)));
        }
        let start = self.out.len;
        self.record(&base, &fields)
            .inspect_err(|_| self.out.len = start)?;
        self.records += 1;
        Ok(())
    }

    /// How many records the pack has.
    pub fn records(&self) -> u16 {
        self.records
    }

    /// True when nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Closes the pack and gives its length in bytes; 0 when nothing was pushed, as there is no empty pack.
    pub fn finish(self) -> usize {
        if self.records == 0 {
            return 0;
        }
        match self.format {
            Format::Json => {
                self.out.buf[self.out.len] = b']';
                self.out.len + 1
            }
            Format::Cbor => {
                let count = self.records.to_be_bytes();
                self.out.buf[..CBOR_HEAD].copy_from_slice(&[0x99, count[0], count[1]]);
                self.out.len
            }
        }
    }

    fn base_fields(&self, dated: bool) -> Fields<'b> {
        let header = self.header;
        let mut fields = Fields::default();
        fields.push(Label::Bn, Field::Text(header.base_name));
        match header.base {
            Base::Utc(UtcMs(ms)) if dated => fields.push(Label::Bt, Field::Seconds(ms)),
            Base::Utc(_) => {}
            Base::Mono(ms) => fields.push(Label::Bmono, Field::Unsigned(ms)),
        }
        fields.push(Label::Bboot, Field::Unsigned(header.boot));
        fields.push(Label::Bseq, Field::Unsigned(header.seq));
        match header.clock {
            Clock::Synced if dated => {}
            Clock::Holdover if dated => fields.push(Label::Bclk, Field::Text("holdover")),
            _ => fields.push(Label::Bclk, Field::Text("unsynced")),
        }
        fields
    }

    fn record(&mut self, base: &Fields<'_>, record: &Fields<'_>) -> Result<(), Full> {
        let fields = base.fields[..base.len]
            .iter()
            .chain(&record.fields[..record.len]);
        match self.format {
            Format::Json => {
                self.out
                    .bytes(if self.records == 0 { b"[" } else { b"," })?;
                let mut before = b'{';
                for &(label, field) in fields {
                    self.out.bytes(&[before, b'"'])?;
                    self.out.bytes(label.text().as_bytes())?;
                    self.out.bytes(b"\":")?;
                    self.out.json(field)?;
                    before = b',';
                }
                self.out.bytes(b"}")?;
                // The end of the pack has its place kept.
                if self.out.len == self.out.buf.len() {
                    return Err(Full);
                }
            }
            Format::Cbor => {
                if self.records == 0 {
                    self.out.bytes(&[0; CBOR_HEAD])?;
                }
                let mut cbor = minicbor::Encoder::new(&mut self.out);
                let count = u64::try_from(base.len + record.len).map_err(|_| Full)?;
                cbor.map(count)?;
                for &(label, field) in fields {
                    match label.number() {
                        Some(number) => cbor.i8(number)?,
                        None => cbor.str(label.text())?,
                    };
                    cbor_field(&mut cbor, field)?;
                }
            }
        }
        Ok(())
    }
}

/// [`super::ABSOLUTE_FROM_S`] in milliseconds.
const ABSOLUTE_FROM_MS: i64 = 1_000 << 28;

/// The head of an array with a count of two bytes, which is known only at the end.
const CBOR_HEAD: usize = 3;

impl From<minicbor::encode::Error<Self>> for Full {
    fn from(_: minicbor::encode::Error<Self>) -> Self {
        Self
    }
}

fn cbor_field(cbor: &mut minicbor::Encoder<&mut Out<'_>>, field: Field<'_>) -> Result<(), Full> {
    match field {
        Field::Text(text) => cbor.str(text)?,
        Field::Unsigned(number) => cbor.u64(number)?,
        Field::Bool(on) => cbor.bool(on)?,
        Field::Seconds(ms) if ms % 1_000 == 0 => cbor.i64(ms / 1_000)?,
        // Division rounds to the double nearest to the decimal, as a reader of JSON would.
        Field::Seconds(ms) => return cbor_number(cbor, ms as f64 / 1_000.0),
        Field::Number(number) => return cbor_number(cbor, number),
    };
    Ok(())
}

/// The shortest of integer, single and double that is exactly this number.
fn cbor_number(cbor: &mut minicbor::Encoder<&mut Out<'_>>, number: f64) -> Result<(), Full> {
    /// Integers of a double are exact up to here.
    const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "what the cast loses is seen by the comparison of bits"
    )]
    let (integer, single) = (number as i64, number as f32);
    if number.abs() <= INTEGER_MAX && (integer as f64).to_bits() == number.to_bits() {
        cbor.i64(integer)?;
    } else if f64::from(single).to_bits() == number.to_bits() {
        cbor.f32(single)?;
    } else {
        cbor.f64(number)?;
    }
    Ok(())
}

/// The buffer and how much of it is written.
#[derive(Debug)]
struct Out<'b> {
    buf: &'b mut [u8],
    len: usize,
}

impl Out<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.len + bytes.len();
        let room = self.buf.get_mut(self.len..end).ok_or(Full)?;
        room.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    fn json(&mut self, field: Field<'_>) -> Result<(), Full> {
        match field {
            Field::Text(text) => self.json_text(text),
            Field::Unsigned(number) => write!(self, "{number}").map_err(|_| Full),
            Field::Bool(true) => self.bytes(b"true"),
            Field::Bool(false) => self.bytes(b"false"),
            Field::Seconds(ms) => self.json_seconds(ms),
            Field::Number(number) => {
                // Both forms are the shortest that reads back as the same number; the first never has an exponent.
                let magnitude = number.abs();
                if magnitude > 0.0 && !(1e-5..1e17).contains(&magnitude) {
                    write!(self, "{number:e}").map_err(|_| Full)
                } else {
                    write!(self, "{number}").map_err(|_| Full)
                }
            }
        }
    }

    fn json_seconds(&mut self, ms: i64) -> Result<(), Full> {
        let magnitude = ms.unsigned_abs();
        if ms < 0 {
            self.bytes(b"-")?;
        }
        let (seconds, rest) = (magnitude / 1_000, magnitude % 1_000);
        match (rest, rest % 10, rest % 100) {
            (0, _, _) => write!(self, "{seconds}"),
            (_, _, 0) => write!(self, "{seconds}.{}", rest / 100),
            (_, 0, _) => write!(self, "{seconds}.{:02}", rest / 10),
            _ => write!(self, "{seconds}.{rest:03}"),
        }
        .map_err(|_| Full)
    }

    fn json_text(&mut self, text: &str) -> Result<(), Full> {
        self.bytes(b"\"")?;
        for character in text.chars() {
            match character {
                '"' => self.bytes(b"\\\"")?,
                '\\' => self.bytes(b"\\\\")?,
                '\0'..='\u{1f}' => {
                    write!(self, "\\u{:04x}", u32::from(character)).map_err(|_| Full)?;
                }
                _ => self.bytes(character.encode_utf8(&mut [0; 4]).as_bytes())?,
            }
        }
        self.bytes(b"\"")
    }
}

impl fmt::Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

impl minicbor::encode::Write for Out<'_> {
    type Error = Full;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.bytes(bytes)
    }
}
