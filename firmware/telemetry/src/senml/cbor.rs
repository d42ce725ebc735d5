//! Reads a CBOR pack as labels and items. Nothing is copied.

use core::fmt::Write as _;

use minicbor::Decoder;
use minicbor::data::{Tag, Type};

use super::decode::{Item, Key, PackFault, Reader};
use super::label::Label;
use super::text::Text;

/// Containers deeper than this in a field that nobody understands are no pack.
const DEPTH_MAX: usize = 16;

#[derive(Clone, Debug)]
pub(super) struct CborReader<'b> {
    cbor: Decoder<'b>,
    /// Records left; none when the array has no count.
    records: Option<u64>,
    /// Fields left of the record; none when the map has no count.
    fields: Option<u64>,
}

impl From<minicbor::decode::Error> for PackFault {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

/// What is open while an item is skipped.
#[derive(Clone, Copy)]
enum Open {
    /// A container with a count: items left.
    Counted(u64),
    /// An array that ends with a break.
    Array,
    /// A map that ends with a break; true where a value has to come.
    Map(bool),
}

impl<'b> CborReader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            cbor: Decoder::new(bytes),
            records: None,
            fields: None,
        }
    }

    /// True, and past the break, when the container without a count ends here.
    #[inline]
    fn at_break(&mut self) -> Result<bool, PackFault> {
        let position = self.cbor.position();
        match self.cbor.input().get(position) {
            Some(0xFF) => {
                self.cbor.set_position(position + 1);
                Ok(true)
            }
            Some(_) => Ok(false),
            None => Err(PackFault::Malformed),
        }
    }

    /// True when another entry comes; counts it.
    #[inline]
    fn another(&mut self, left: Option<u64>) -> Result<Option<Option<u64>>, PackFault> {
        Ok(match left {
            None if self.at_break()? => None,
            None => Some(None),
            Some(0) => None,
            Some(left) => Some(Some(left - 1)),
        })
    }

    /// The bytes after the next one, `len` of them; moves past them.
    #[inline]
    fn after_head(&mut self, len: usize) -> Option<&'b [u8]> {
        let start = self.cbor.position() + 1;
        let bytes = self.cbor.input().get(start..start + len)?;
        self.cbor.set_position(start + len);
        Some(bytes)
    }

    /// The items that nearly every field of a pack is made of, read without asking the library for their type first.
    /// None, and nowhere else, when it is something else.
    #[inline]
    fn common(&mut self) -> Result<Option<Item<'b>>, PackFault> {
        let position = self.cbor.position();
        let head = *self
            .cbor
            .input()
            .get(position)
            .ok_or(PackFault::Malformed)?;
        let item = match head {
            0x00..=0x17 => {
                self.cbor.set_position(position + 1);
                Item::Unsigned(u64::from(head))
            }
            0x60..=0x77 => {
                let bytes = self
                    .after_head(usize::from(head - 0x60))
                    .ok_or(PackFault::Malformed)?;
                let text = str::from_utf8(bytes).map_err(|_| PackFault::Malformed)?;
                Item::Text(Text::Plain(text))
            }
            0xFA => match self.after_head(4) {
                Some(&[a, b, c, d]) => Item::Number(f64::from(f32::from_be_bytes([a, b, c, d]))),
                _ => return Err(PackFault::Malformed),
            },
            0xFB => match self.after_head(8) {
                Some(&[a, b, c, d, e, f, g, h]) => {
                    Item::Number(f64::from_be_bytes([a, b, c, d, e, f, g, h]))
                }
                _ => return Err(PackFault::Malformed),
            },
            _ => return Ok(None),
        };
        Ok(Some(item))
    }

    fn skip(&mut self) -> Result<(), PackFault> {
        let mut open = [Open::Counted(1); DEPTH_MAX];
        let mut depth = 1;
        loop {
            // The innermost container: is it done?
            match &mut open[depth - 1] {
                Open::Counted(0) => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                    continue;
                }
                Open::Counted(left) => *left -= 1,
                Open::Array | Open::Map(_) if self.at_break()? => {
                    if matches!(open[depth - 1], Open::Map(true)) {
                        return Err(PackFault::Malformed);
                    }
                    depth -= 1;
                    continue;
                }
                Open::Array => {}
                Open::Map(value) => *value = !*value,
            }
            while self.cbor.datatype()? == Type::Tag {
                self.cbor.tag()?;
            }
            let inner = match self.cbor.datatype()? {
                Type::Array | Type::ArrayIndef => match self.cbor.array()? {
                    Some(count) => Some(Open::Counted(count)),
                    None => Some(Open::Array),
                },
                Type::Map | Type::MapIndef => match self.cbor.map()? {
                    Some(count) => Some(Open::Counted(
                        count.checked_mul(2).ok_or(PackFault::Malformed)?,
                    )),
                    None => Some(Open::Map(false)),
                },
                _ => {
                    self.scalar()?;
                    None
                }
            };
            if let Some(inner) = inner {
                *open.get_mut(depth).ok_or(PackFault::TooDeep)? = inner;
                depth += 1;
            }
        }
    }

    /// Reads anything that holds nothing else.
    fn scalar(&mut self) -> Result<Item<'b>, PackFault> {
        let cbor = &mut self.cbor;
        Ok(match cbor.datatype()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => Item::Unsigned(cbor.u64()?),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => Item::Number(cbor.i64()? as f64),
            Type::Int => Item::Number(i128::from(cbor.int()?) as f64),
            Type::F16 => {
                let position = cbor.position();
                let &[high, low] = cbor
                    .input()
                    .get(position + 1..position + 3)
                    .ok_or(PackFault::Malformed)?
                else {
                    return Err(PackFault::Malformed);
                };
                cbor.set_position(position + 3);
                Item::Number(half(u16::from_be_bytes([high, low])))
            }
            Type::F32 => Item::Number(f64::from(cbor.f32()?)),
            Type::F64 => Item::Number(cbor.f64()?),
            Type::Bool => Item::Bool(cbor.bool()?),
            Type::String => Item::Text(Text::Plain(cbor.str()?)),
            Type::Bytes => {
                cbor.bytes()?;
                Item::Other
            }
            Type::BytesIndef => {
                for chunk in cbor.bytes_iter()? {
                    chunk?;
                }
                Item::Other
            }
            Type::StringIndef => {
                for chunk in cbor.str_iter()? {
                    chunk?;
                }
                Item::Other
            }
            Type::Null => {
                cbor.null()?;
                Item::Other
            }
            Type::Undefined => {
                cbor.undefined()?;
                Item::Other
            }
            Type::Simple => {
                cbor.simple()?;
                Item::Other
            }
            Type::Array
            | Type::ArrayIndef
            | Type::Map
            | Type::MapIndef
            | Type::Tag
            | Type::Break
            | Type::Unknown(_) => return Err(PackFault::Malformed),
        })
    }

    /// A decimal fraction (RFC 8949 §3.4.4) after its tag; none when what follows is something else.
    fn decimal(&mut self) -> Option<f64> {
        if self.cbor.array().ok()? != Some(2) {
            return None;
        }
        let exponent = self.cbor.i64().ok()?;
        let mantissa = i128::from(self.cbor.int().ok()?);
        let mut text = Decimal {
            digits: [0; 48],
            len: 0,
        };
        write!(text, "{mantissa}e{exponent}").ok()?;
        str::from_utf8(&text.digits[..text.len]).ok()?.parse().ok()
    }
}

/// A decimal fraction as text, so that it is rounded as JSON's numbers are.
struct Decimal {
    digits: [u8; 48],
    len: usize,
}

impl core::fmt::Write for Decimal {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.len + text.len();
        let room = self.digits.get_mut(self.len..end).ok_or(core::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// A half-precision number (RFC 8949 appendix D).
fn half(bits: u16) -> f64 {
    let exponent = (bits >> 10) & 0x1F;
    let fraction = f64::from(bits & 0x3FF);
    let magnitude = match exponent {
        0 => fraction / 16_777_216.0,
        31 if bits & 0x3FF == 0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1_024.0) * f64::from(1_u32 << exponent) / 33_554_432.0,
    };
    if bits & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

impl<'b> Reader<'b> for CborReader<'b> {
    fn open(&mut self) -> Result<(), PackFault> {
        self.records = self.cbor.array()?;
        Ok(())
    }

    #[inline]
    fn next_record(&mut self) -> Result<bool, PackFault> {
        let Some(left) = self.another(self.records)? else {
            return Ok(false);
        };
        self.records = left;
        Ok(true)
    }

    #[inline]
    fn enter_record(&mut self) -> Result<(), PackFault> {
        self.fields = self.cbor.map()?;
        Ok(())
    }

    #[inline]
    fn next_key(&mut self) -> Result<Option<Key>, PackFault> {
        let Some(left) = self.another(self.fields)? else {
            return Ok(None);
        };
        self.fields = left;
        let position = self.cbor.position();
        match self.cbor.input().get(position) {
            Some(&head @ (0x00..=0x17 | 0x20..=0x37)) => {
                self.cbor.set_position(position + 1);
                let number = match head {
                    0x20.. => 0x1F - i64::from(head),
                    _ => i64::from(head),
                };
                return Ok(Some(
                    Label::from_number(number).map_or(Key::Unknown, Key::Known),
                ));
            }
            Some(0x60..=0x77) => {
                if let Some(Item::Text(Text::Plain(text))) = self.common()? {
                    return Ok(Some(Key::from_text(text)));
                }
            }
            _ => {}
        }
        Ok(Some(match self.cbor.datatype()? {
            Type::U8 | Type::I8 => {
                Label::from_number(i64::from(self.cbor.i16()?)).map_or(Key::Unknown, Key::Known)
            }
            Type::String => Key::from_text(self.cbor.str()?),
            Type::Tag | Type::Array | Type::ArrayIndef | Type::Map | Type::MapIndef => {
                self.skip()?;
                Key::Unknown
            }
            _ => {
                self.scalar()?;
                Key::Unknown
            }
        }))
    }

    #[inline]
    fn item(&mut self) -> Result<Item<'b>, PackFault> {
        if let Some(item) = self.common()? {
            return Ok(item);
        }
        match self.cbor.datatype()? {
            Type::Tag => {
                let start = self.cbor.position();
                if self.cbor.tag()? == Tag::new(4)
                    && let Some(number) = self.decimal()
                {
                    return Ok(Item::Number(number));
                }
                self.cbor.set_position(start);
                self.skip()?;
                Ok(Item::Other)
            }
            Type::Array | Type::ArrayIndef | Type::Map | Type::MapIndef => {
                self.skip()?;
                Ok(Item::Other)
            }
            _ => self.scalar(),
        }
    }

    fn at_end(&mut self) -> bool {
        self.cbor.position() == self.cbor.input().len()
    }

    fn position(&self) -> usize {
        self.cbor.position()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_numbers_are_those_of_rfc_8949() {
        for (bits, number) in [
            (0x0000, 0.0),
            (0x3C00, 1.0),
            (0x3E00, 1.5),
            (0x7BFF, 65_504.0),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x0400, 0.000_061_035_156_25),
            (0xC400, -4.0),
            (0x7C00, f64::INFINITY),
            (0xFC00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits).to_bits(), f64::to_bits(number), "{bits:04x}");
        }
        assert!(half(0x7E00).is_nan());
        assert!(half(0x8000).is_sign_negative());
    }

    #[test]
    fn whatever_nobody_understands_is_skipped_to_its_last_byte() {
        for item in [
            &[0x01][..],
            &[0x9F, 0x01, 0x9F, 0xFF, 0xFF],
            &[0xBF, 0x61, 0x61, 0x82, 0x01, 0xF6, 0xFF],
            &[0xA1, 0x01, 0xA1, 0x02, 0x43, 1, 2, 3],
            &[0xC1, 0xC2, 0x41, 0x00],
            &[0x5F, 0x41, 0x00, 0x40, 0xFF],
            &[0x7F, 0x61, 0x61, 0xFF],
            &[0xF9, 0x7E, 0x00],
            &[0xF8, 0x20],
            &[0x80],
            &[0xA0],
        ] {
            let mut reader = CborReader::new(item);
            assert_eq!(reader.skip(), Ok(()), "{item:02x?}");
            assert!(reader.at_end(), "{item:02x?}");
            for end in 0..item.len() {
                let mut reader = CborReader::new(&item[..end]);
                assert!(reader.skip().is_err(), "{item:02x?} cut at {end}");
            }
        }
        let mut deep = CborReader::new(&[0x81; 40]);
        assert_eq!(deep.skip(), Err(PackFault::TooDeep));
        let mut odd = CborReader::new(&[0xBF, 0x01, 0xFF]);
        assert_eq!(odd.skip(), Err(PackFault::Malformed));
    }
}
