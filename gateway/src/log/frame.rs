//! A record in its file: length, kind, T, mark, body, checksum.
//!
//! Knows bytes and no files. The checksum covers the record's offset in the log too, so that a record in the wrong place is none.
//! The mark is the offset up to which the log was known to be on disk when the record was written: it tells a torn tail from a damaged middle.

use crc32fast::Hasher;
use telemetry::UtcMs;

use super::{LogOffset, Record};

/// Bytes of a record beside its body.
pub(super) const OVERHEAD: usize = HEADER_LEN + 4;
const HEADER_LEN: usize = 4 + 1 + 8 + 8;
/// The longest body, in bytes: a configuration with all its files.
pub(super) const BODY_MAX: usize = 32 << 20;

/// What a whole record has beside its body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) t: UtcMs,
    pub(super) mark: LogOffset,
    /// Bytes that it takes in the file.
    pub(super) len: usize,
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Parsed {
    /// A record, whole.
    Whole(Frame),
    /// Perhaps a record, of which this many bytes are needed.
    Short(usize),
    /// No record.
    Broken,
}

impl Frame {
    /// The body of the record that `bytes` begin with.
    pub(super) fn body<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[HEADER_LEN..self.len - 4]
    }
}

/// Appends a record that will stand at `at`; false, and nothing appended, when its body is too long.
pub(super) fn put(
    out: &mut Vec<u8>,
    at: LogOffset,
    mark: LogOffset,
    t: UtcMs,
    record: &Record<'_>,
) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.push(record.kind());
    out.extend_from_slice(&t.0.to_le_bytes());
    out.extend_from_slice(&mark.0.to_le_bytes());
    record.encode(out);
    let body_len = out.len() - start - HEADER_LEN;
    let Some(len) = u32::try_from(body_len)
        .ok()
        .filter(|_| body_len <= BODY_MAX)
    else {
        out.truncate(start);
        return false;
    };
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    let crc = checksum(at, &out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    true
}

/// Reads what stands at `at`, the place of the first of `bytes`.
pub(super) fn parse(bytes: &[u8], at: LogOffset) -> Parsed {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Parsed::Short(HEADER_LEN);
    };
    let [l0, l1, l2, l3, kind, t @ .., m0, m1, m2, m3, m4, m5, m6, m7] = *header;
    let (t, mark) = (
        i64::from_le_bytes(t),
        u64::from_le_bytes([m0, m1, m2, m3, m4, m5, m6, m7]),
    );
    let body_len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let plausible = body_len <= BODY_MAX
        && (1..=Record::KIND_MAX).contains(&kind)
        && mark <= at.0
        && at.0 - mark < 1 << 40;
    if !plausible {
        return Parsed::Broken;
    }
    let len = HEADER_LEN + body_len;
    let Some((crc, _)) = bytes.get(len..).and_then(<[u8]>::split_first_chunk::<4>) else {
        return Parsed::Short(len + 4);
    };
    if checksum(at, &bytes[..len]) != u32::from_le_bytes(*crc) {
        return Parsed::Broken;
    }
    Parsed::Whole(Frame {
        kind,
        t: UtcMs(t),
        mark: LogOffset(mark),
        len: len + 4,
    })
}

fn checksum(at: LogOffset, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&at.0.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_whole_only_in_its_place_and_with_all_its_bytes() {
        let record = Record::Condition {
            alarm: "-/n1/sys.offline",
            active: true,
            reason: "will",
        };
        let (at, mark, t) = (LogOffset(100), LogOffset(40), UtcMs(1_795_420_799_999));
        let mut bytes = Vec::new();
        assert!(put(&mut bytes, at, mark, t, &record));
        let Parsed::Whole(frame) = parse(&bytes, at) else {
            panic!("not whole")
        };
        assert_eq!((frame.t, frame.mark, frame.len), (t, mark, bytes.len()));
        assert_eq!(Record::decode(frame.kind, frame.body(&bytes)), Ok(record));
        assert_eq!(parse(&bytes, LogOffset(101)), Parsed::Broken);
        for len in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..len], at), Parsed::Short(need) if need > len));
        }
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[index] ^= 1 << bit;
                assert!(!matches!(parse(&damaged, at), Parsed::Whole(_)));
            }
        }
    }
}
