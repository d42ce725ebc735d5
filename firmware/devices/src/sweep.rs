//! How long a plan takes on the wire.
//!
//! Reckons with frames, silences and the slave's turnaround; knows nothing of retries or of dead slaves.

use crate::plan::{Plan, Request};
use crate::{Bus, Link, Parity};

/// Bits of a character on a serial line: a start bit, 8 data bits, the parity bit if there is one, the stop bits.
pub fn char_bits(parity: Parity, stop_bits: u8) -> u32 {
    1 + 8 + u32::from(parity != Parity::None) + u32::from(stop_bits)
}

/// The silence between two frames in microseconds: 3.5 characters of 11 bits, above 19,200 baud always 1,750 (Modbus over serial line V1.02 §2.5.1.1).
pub fn silence_us(baud: u32) -> u64 {
    if baud > 19_200 {
        1_750
    } else {
        38_500_000_u64.div_ceil(u64::from(baud.max(1)))
    }
}

/// What one request takes until the next may begin, in microseconds: question, turnaround, answer, silence.
pub fn request_us(bus: &Bus, request: &Request) -> u64 {
    let turnaround_us = bus.turnaround_ms.saturating_mul(1_000);
    match &bus.link {
        Link::Rtu {
            baud,
            parity,
            stop_bits,
            ..
        } => {
            let data = if request.function.is_bits() {
                request.count.div_ceil(8)
            } else {
                request.count * 2
            };
            // Question: unit, function, address, count, CRC. Answer: unit, function, length, data, CRC.
            let n_chars = 8 + 5 + u64::from(data);
            let bits = n_chars * u64::from(char_bits(*parity, *stop_bits));
            let wire_us = (bits * 1_000_000).div_ceil(u64::from((*baud).max(1)));
            let silence_us = silence_us(*baud);
            wire_us + turnaround_us.max(silence_us) + silence_us
        }
        // The round trip is the whole of it: the line is faster than any slave.
        Link::Tcp { .. } => turnaround_us,
    }
}

/// What one sweep over everything takes, in milliseconds, rounded up.
pub fn time_ms(bus: &Bus, plan: &Plan) -> u64 {
    let total_us: u64 = plan
        .requests
        .iter()
        .map(|request| request_us(bus, request))
        .sum();
    total_us.div_ceil(1_000)
}

/// What one pass over a group takes, in microseconds.
pub fn group_us(bus: &Bus, plan: &Plan, group_idx: usize) -> u64 {
    plan.requests
        .iter()
        .filter(|request| request.group == group_idx)
        .map(|request| request_us(bus, request))
        .sum()
}

/// The share of the bus's time that the periods ask for, in percent, rounded up; over 100 they can't be kept.
pub fn load_percent(bus: &Bus, plan: &Plan) -> u64 {
    // In parts per million, so that many small groups don't round to nothing.
    let ppm: u64 = plan
        .groups
        .iter()
        .enumerate()
        .map(|(idx, group)| {
            let period_us = group.period_ms.max(1).saturating_mul(1_000);
            (u128::from(group_us(bus, plan, idx)) * 1_000_000).div_ceil(u128::from(period_us))
        })
        .map(|share| u64::try_from(share).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add);
    ppm.div_ceil(10_000)
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::{DataType, Function, Order, Point, Profile, Register, Scale, Signal, Slave};
    use telemetry::Quality;

    fn bus(link: Link, data_type: DataType, n: u16) -> Bus {
        let function = if data_type == DataType::Bit {
            Function::Coils
        } else {
            Function::HoldingRegisters
        };
        let registers: Vec<Register> = (0..n)
            .map(|idx| Register {
                name: alloc::format!("r{idx}"),
                function,
                address: idx * data_type.count(),
                data_type,
                order: Order::Abcd,
                bits: None,
            })
            .collect();
        let point = |register: usize| Point {
            unit: "u".to_owned(),
            point: alloc::format!("p{register}"),
            kind: "k".to_owned(),
            eu: None,
            name: None,
            tag: None,
            description: None,
            attributes: Vec::new(),
            range: None,
            position: None,
            period_ms: 100,
            fastest_ms: None,
            max_age_ms: 300,
            digital: false,
            fail_safe: None,
            slave: 0,
            declared: "".to_owned(),
            signal: Signal {
                name: "s".to_owned(),
                register,
                scale: Scale::By(1.0),
                offset: 0.0,
                unit_from: None,
                sentinels: Vec::new(),
                status: Vec::new(),
                range: None,
                above: Quality::OUT_OF_RANGE,
                inverted: false,
                digital: false,
                kind: "k".to_owned(),
                eu: None,
                description: None,
                optional: false,
            },
        };
        Bus {
            name: "b".to_owned(),
            link,
            timeout_ms: 500,
            turnaround_ms: 20,
            lateness_ms: 1_000,
            points: (0..usize::from(n)).map(point).collect(),
            slaves: vec![Slave {
                name: "s".to_owned(),
                unit_id: 1,
                profile: Profile {
                    name: "p".to_owned(),
                    title: "t".to_owned(),
                    source: "s".to_owned(),
                    registers_max: 125,
                    bits_max: 2_000,
                    gap_max: 0,
                    forbidden: Vec::new(),
                    registers,
                    signals: Vec::new(),
                },
            }],
        }
    }

    fn rtu(baud: u32, parity: Parity, stop_bits: u8) -> Link {
        Link::Rtu {
            path: "/dev/ttyS0".to_owned(),
            baud,
            parity,
            stop_bits,
        }
    }

    #[test]
    fn ten_registers_at_9600_8e1_take_what_the_standard_says() {
        let bus = bus(rtu(9_600, Parity::Even, 1), DataType::U16, 10);
        let plan = Plan::new(&bus);
        // 8 + 25 characters of 11 bits, the slave's 20 ms, 3.5 characters of silence.
        let expected = (33 * 11 * 1_000_000_u64).div_ceil(9_600) + 20_000 + 4_011;
        assert_eq!(request_us(&bus, &plan.requests[0]), expected);
        assert_eq!(time_ms(&bus, &plan), 62);
        assert_eq!(load_percent(&bus, &plan), 62);
    }

    #[test]
    fn above_19200_the_silence_stays_at_1750_microseconds() {
        assert_eq!(silence_us(9_600), 4_011);
        assert_eq!(silence_us(19_200), 2_006);
        assert_eq!(silence_us(38_400), 1_750);
        assert_eq!(silence_us(115_200), 1_750);
    }

    #[test]
    fn parity_and_stop_bits_make_a_character_longer() {
        assert_eq!(char_bits(Parity::None, 1), 10);
        assert_eq!(char_bits(Parity::None, 2), 11);
        assert_eq!(char_bits(Parity::Odd, 1), 11);
        assert_eq!(char_bits(Parity::Even, 2), 12);
    }

    #[test]
    fn bits_travel_eight_to_a_byte() {
        let bus = bus(rtu(115_200, Parity::None, 1), DataType::Bit, 9);
        let plan = Plan::new(&bus);
        let expected = (15 * 10 * 1_000_000_u64).div_ceil(115_200) + 20_000 + 1_750;
        assert_eq!(request_us(&bus, &plan.requests[0]), expected);
    }

    #[test]
    fn over_tcp_a_request_is_a_round_trip() {
        let link = Link::Tcp {
            host: "h".to_owned(),
            port: 502,
        };
        let bus = bus(link, DataType::F64, 60);
        let plan = Plan::new(&bus);
        assert_eq!(plan.requests.len(), 2);
        assert_eq!(time_ms(&bus, &plan), 40);
    }
}
