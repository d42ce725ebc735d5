//! Numbers and texts of a record's body: variable-length integers, and texts with their length.
//!
//! Reading never panics and never allocates more than the bytes that are there.

use super::DecodeError;

/// Appends an unsigned number, 7 bits a byte, low bits first.
pub(crate) fn put_u64(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Appends a signed number; small ones of either sign are short.
pub(crate) fn put_i64(out: &mut Vec<u8>, number: i64) {
    put_u64(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Appends bytes with their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a text with its length.
pub(crate) fn put_str(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Appends a text that may be missing.
pub(crate) fn put_opt(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => out.push(0),
        Some(text) => {
            out.push(1);
            put_str(out, text);
        }
    }
}

/// What is still to be read of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        let (&first, rest) = self.0.split_first().ok_or(DecodeError)?;
        self.0 = rest;
        Ok(first)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DecodeError)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, DecodeError> {
        let number = self.u64()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.u64()?).map_err(|_| DecodeError)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(DecodeError)?;
        self.0 = rest;
        Ok(*array)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(self.u64()?).map_err(|_| DecodeError)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(DecodeError)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn str(&mut self) -> Result<&'a str, DecodeError> {
        str::from_utf8(self.bytes()?).map_err(|_| DecodeError)
    }

    pub(crate) fn string(&mut self) -> Result<String, DecodeError> {
        self.str().map(String::from)
    }

    pub(crate) fn opt(&mut self) -> Result<Option<&'a str>, DecodeError> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.str().map(Some),
            _ => Err(DecodeError),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_texts_survive_a_round_trip(unsigned: u64, signed: i64, text in ".{0,20}", missing: bool) {
            let mut out = Vec::new();
            put_u64(&mut out, unsigned);
            put_i64(&mut out, signed);
            put_opt(&mut out, (!missing).then_some(text.as_str()));
            let mut cursor = Cursor(&out);
            prop_assert_eq!(cursor.u64(), Ok(unsigned));
            prop_assert_eq!(cursor.i64(), Ok(signed));
            prop_assert_eq!(cursor.opt(), Ok((!missing).then_some(text.as_str())));
            prop_assert!(cursor.is_empty());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let (mut a, mut b, mut c) = (Cursor(&bytes), Cursor(&bytes), Cursor(&bytes));
            while a.u64().is_ok() {}
            while b.opt().is_ok() {}
            while c.i64().is_ok() {}
        }
    }
}
