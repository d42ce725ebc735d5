//! Modbus framing: RTU with its CRC-16, and MBAP.
//!
//! It knows where a request ends and how a reply is wrapped; it does not know what a function code does.

/// The longest RTU frame (Modbus over Serial Line 2.5.1).
const RTU_MAX: usize = 256;
/// The longest PDU (Modbus Application Protocol 4.1).
const PDU_MAX: usize = 253;

/// How a PDU is wrapped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// Unit id, PDU, CRC-16 with its low byte first.
    Rtu,
    /// Transaction id, protocol id 0, length, unit id, PDU.
    Mbap,
}

/// A request as taken from the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request<'a> {
    /// MBAP's transaction id; 0 on RTU.
    pub transaction: u16,
    /// The unit id (the specification says "server address"); 0 is a broadcast on RTU.
    pub unit: u8,
    /// Function code and data.
    pub pdu: &'a [u8],
}

/// What the front of a buffer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parsed<'a> {
    /// More bytes are needed.
    Incomplete,
    /// A whole request and the number of bytes it took.
    Request(Request<'a>, usize),
    /// No request can begin here. RTU listens again after a silence; MBAP has lost the stream.
    Broken,
}

/// CRC-16/MODBUS: polynomial 0xA001 reflected, starts at 0xFFFF.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xA001
            } else {
                crc >> 1
            }
        })
    })
}

/// Reads one request from the front of `bytes`; any bytes are safe.
pub fn parse_request(framing: Framing, bytes: &[u8]) -> Parsed<'_> {
    match framing {
        Framing::Rtu => parse_rtu(bytes),
        Framing::Mbap => parse_mbap(bytes),
    }
}

fn parse_rtu(bytes: &[u8]) -> Parsed<'_> {
    let length = match bytes {
        [_, 1..=6, ..] => 8,
        [_, 15 | 16, _, _, _, _, count, ..] => 9 + usize::from(*count),
        [_, 15 | 16, ..] | [] | [_] => return Parsed::Incomplete,
        // The length of another function is not known: its frame ends where the CRC fits.
        _ => return parse_rtu_unknown(bytes),
    };
    if length > RTU_MAX {
        return Parsed::Broken;
    }
    let Some(frame) = bytes.get(..length) else {
        return Parsed::Incomplete;
    };
    checked(frame).map_or(Parsed::Broken, |request| Parsed::Request(request, length))
}

fn parse_rtu_unknown(bytes: &[u8]) -> Parsed<'_> {
    match checked(bytes) {
        Some(request) if bytes.len() >= 4 => Parsed::Request(request, bytes.len()),
        _ if bytes.len() >= RTU_MAX => Parsed::Broken,
        _ => Parsed::Incomplete,
    }
}

/// An RTU frame whose CRC is right.
fn checked(frame: &[u8]) -> Option<Request<'_>> {
    let (body, crc) = frame.split_at_checked(frame.len().checked_sub(2)?)?;
    let (unit, pdu) = body.split_first()?;
    (crc == crc16(body).to_le_bytes()).then_some(Request {
        transaction: 0,
        unit: *unit,
        pdu,
    })
}

fn parse_mbap(bytes: &[u8]) -> Parsed<'_> {
    let [t0, t1, p0, p1, l0, l1, rest @ ..] = bytes else {
        return Parsed::Incomplete;
    };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    if (*p0, *p1) != (0, 0) || !(2..=PDU_MAX + 1).contains(&length) {
        return Parsed::Broken;
    }
    match rest.get(..length) {
        Some([unit, pdu @ ..]) => Parsed::Request(
            Request {
                transaction: u16::from_be_bytes([*t0, *t1]),
                unit: *unit,
                pdu,
            },
            6 + length,
        ),
        _ => Parsed::Incomplete,
    }
}

/// Wraps a PDU; `transaction` is left out on RTU.
///
/// # Panics
/// A PDU longer than 65,534 bytes, which no function code makes.
pub fn emit(framing: Framing, transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(pdu.len() + 8);
    if framing == Framing::Mbap {
        let length = u16::try_from(pdu.len() + 1).expect("a PDU has at most 253 bytes");
        frame.extend(transaction.to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(length.to_be_bytes());
    }
    frame.push(unit);
    frame.extend(pdu);
    if framing == Framing::Rtu {
        frame.extend(crc16(&frame).to_le_bytes());
    }
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_crc_is_that_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x4B37);
        assert_eq!(crc16(&[2, 7]), 0x1241);
        assert_eq!(crc16(&[]), 0xFFFF);
    }

    #[test]
    fn a_frame_of_another_function_ends_with_the_silence() {
        let frame = emit(Framing::Rtu, 0, 9, &[0x2B, 0x0E, 1, 0]);
        assert!(matches!(
            parse_request(Framing::Rtu, &frame),
            Parsed::Request(Request { unit: 9, .. }, 7)
        ));
    }

    fn pdus() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (1u8..=6, any::<[u8; 4]>())
                .prop_map(|(function, data)| [&[function], &data[..]].concat()),
            (15u8..=16, any::<[u8; 4]>(), 0u8..=246).prop_map(|(function, data, count)| {
                let values = vec![0x5A; usize::from(count)];
                [&[function][..], &data, &[count], &values].concat()
            }),
        ]
    }

    fn framings() -> impl Strategy<Value = Framing> {
        prop_oneof![Just(Framing::Rtu), Just(Framing::Mbap)]
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(framing in framings(), bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Parsed::Request(request, used) = parse_request(framing, &bytes) {
                prop_assert!(used <= bytes.len());
                prop_assert!(request.pdu.len() <= used);
            }
        }

        #[test]
        fn a_request_is_whole_at_its_last_byte_and_not_before(
            framing in framings(), transaction: u16, unit: u8, pdu in pdus(), tail in proptest::collection::vec(any::<u8>(), 0..9)
        ) {
            let transaction = if framing == Framing::Rtu { 0 } else { transaction };
            let frame = emit(framing, transaction, unit, &pdu);
            for end in 0..frame.len() {
                prop_assert_eq!(parse_request(framing, &frame[..end]), Parsed::Incomplete);
            }
            let wanted = Parsed::Request(Request { transaction, unit, pdu: &pdu }, frame.len());
            let followed = [frame.clone(), tail].concat();
            prop_assert_eq!(parse_request(framing, &followed), wanted);
        }

        #[test]
        fn one_wrong_bit_breaks_an_rtu_frame(unit: u8, pdu in pdus(), at: prop::sample::Index, bit in 0u8..8) {
            let mut frame = emit(Framing::Rtu, 0, unit, &pdu);
            let at = at.index(frame.len());
            frame[at] ^= 1 << bit;
            let parsed = parse_request(Framing::Rtu, &frame);
            prop_assert!(!matches!(parsed, Parsed::Request(..)), "{:?}", parsed);
        }
    }
}
