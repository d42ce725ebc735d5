//! A table where its bytes are: each entry is read when it is asked for.

use core::marker::PhantomData;

use super::record::Record;
use crate::bytes::{Broken, Read, Reader, Writer};
use crate::program::{Entry, at, u32_of};

/// Entries of one kind, all of which were read once: they can be read again.
#[derive(Debug)]
pub(super) struct Table<'a, T> {
    bytes: &'a [u8],
    entries: PhantomData<T>,
}

impl<'a, T: Record> Table<'a, T> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Read<Self> {
        let len = at(reader.count()?);
        let begin = reader.broken().at;
        let bytes = len.checked_mul(T::SIZE);
        let bytes = bytes.ok_or_else(|| reader.broken())?;
        let bytes = reader.take(bytes)?;
        for (index, entry) in bytes.chunks_exact(T::SIZE).enumerate() {
            let place = |Broken { at }| Broken {
                at: begin + index * T::SIZE + at,
            };
            T::read(&mut Reader::of(entry)).map_err(place)?;
        }
        let entries = PhantomData;
        Ok(Self { bytes, entries })
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() / T::SIZE
    }

    pub(super) fn get(&self, index: u32) -> T {
        let from = at(index) * T::SIZE;
        again(&self.bytes[from..from + T::SIZE])
    }

    pub(super) fn entries(&self, entry: Entry) -> impl Iterator<Item = T> + Clone + use<'a, T> {
        let bytes = &self.bytes[at(entry.from) * T::SIZE..at(entry.to) * T::SIZE];
        bytes.chunks_exact(T::SIZE).map(again)
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = T> + Clone + use<'a, T> {
        self.bytes.chunks_exact(T::SIZE).map(again)
    }
}

fn again<T: Record>(entry: &[u8]) -> T {
    T::read(&mut Reader::of(entry)).expect("every entry was read when the image was")
}

impl Writer {
    /// A table, with its length before it.
    pub(super) fn table<T: Record>(&mut self, entries: &[T]) {
        self.u32(u32_of(entries.len()));
        for entry in entries {
            let end = self.0.len() + T::SIZE;
            entry.write(self);
            assert!(self.0.len() <= end, "an entry is as long as it says");
            self.0.resize(end, 0);
        }
    }
}
