//! What snapshots and images are written with: little-endian numbers, texts and lists with their length before them.
//!
//! Any bytes give a value or an error, never a panic.

use alloc::vec::Vec;

use telemetry::UtcMs;

use crate::program::u32_of;

/// Writes bytes.
#[derive(Debug)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    /// Begins with what the bytes are, and the version of how they are written.
    pub(crate) fn new(magic: &[u8; 4], version: u8) -> Self {
        let mut out = Self(magic.to_vec());
        out.u8(version);
        out
    }

    pub(crate) fn u8(&mut self, number: u8) {
        self.0.push(number);
    }

    pub(crate) fn bool(&mut self, truth: bool) {
        self.u8(u8::from(truth));
    }

    pub(crate) fn u16(&mut self, number: u16) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn i16(&mut self, number: i16) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn i32(&mut self, number: i32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn f64(&mut self, number: f64) {
        self.u64(number.to_bits());
    }

    pub(crate) fn time(&mut self, time: UtcMs) {
        self.0.extend_from_slice(&time.0.to_le_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.u32(u32_of(text.len()));
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn option<T>(&mut self, option: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.bool(option.is_some());
        if let Some(value) = option {
            write(self, value);
        }
    }
}

/// The bytes make no sense at a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken {
    pub(crate) at: usize,
}

/// What is wrong with how bytes begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Head {
    /// They are something else.
    Strange,
    /// They are of a version that is not known.
    Version(u8),
}

pub(crate) type Read<T> = Result<T, Broken>;

/// Reads bytes.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) version: u8,
    bytes: &'a [u8],
    place: usize,
}

impl<'a> Reader<'a> {
    /// Checks the beginning.
    pub(crate) fn new(bytes: &'a [u8], magic: &[u8; 4], newest: u8) -> Result<Self, Head> {
        let body = bytes.strip_prefix(magic).ok_or(Head::Strange)?;
        match body.first() {
            Some(&version) if (1..=newest).contains(&version) => Ok(Self {
                version,
                bytes,
                place: magic.len() + 1,
            }),
            Some(other) => Err(Head::Version(*other)),
            None => Err(Head::Strange),
        }
    }

    /// Bytes without a beginning.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self {
            version: 0,
            bytes,
            place: 0,
        }
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self) -> Read<()> {
        if self.place == self.bytes.len() {
            Ok(())
        } else {
            Err(self.broken())
        }
    }

    pub(crate) fn broken(&self) -> Broken {
        Broken { at: self.place }
    }

    /// So many bytes.
    pub(crate) fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let end = self.place.checked_add(len).ok_or_else(|| self.broken())?;
        let taken = self
            .bytes
            .get(self.place..end)
            .ok_or_else(|| self.broken())?;
        self.place = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let broken = self.broken();
        self.take(N)?.try_into().map_err(|_| broken)
    }

    pub(crate) fn u8(&mut self) -> Read<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn bool(&mut self) -> Read<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            2.. => Err(self.broken()),
        }
    }

    pub(crate) fn u16(&mut self) -> Read<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn i16(&mut self) -> Read<i16> {
        Ok(i16::from_le_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Read<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    /// A number of entries, or of bytes.
    pub(crate) fn count(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Read<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn f64(&mut self) -> Read<f64> {
        Ok(f64::from_bits(self.u64()?))
    }

    pub(crate) fn time(&mut self) -> Read<UtcMs> {
        Ok(UtcMs(i64::from_le_bytes(self.array()?)))
    }

    pub(crate) fn text(&mut self) -> Read<&'a str> {
        let len = usize::try_from(self.count()?).map_err(|_| self.broken())?;
        let broken = self.broken();
        core::str::from_utf8(self.take(len)?).map_err(|_| broken)
    }

    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.bool()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Grows with what is really there, whatever the length says.
    pub(crate) fn list<T>(
        &mut self,
        len: u32,
        mut read: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        let mut list = Vec::new();
        for _ in 0..len {
            list.push(read(self)?);
        }
        Ok(list)
    }
}
