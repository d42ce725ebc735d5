use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{Bits, CodeQuality, Function, Order, Range, ScaleFrom, Sentinel, Status, UnitFrom};

const ORDERS: [Order; 4] = [Order::Abcd, Order::Badc, Order::Cdab, Order::Dcba];

fn register(data_type: DataType, order: Order) -> Register {
    Register {
        name: "value".to_owned(),
        function: Function::HoldingRegisters,
        address: 0,
        data_type,
        order,
        bits: None,
    }
}

fn signal() -> Signal {
    Signal {
        name: "value".to_owned(),
        register: 0,
        scale: Scale::By(1.0),
        offset: 0.0,
        unit_from: None,
        sentinels: Vec::new(),
        status: Vec::new(),
        range: None,
        above: Quality::OUT_OF_RANGE,
        inverted: false,
        digital: false,
        kind: "combustible-gas".to_owned(),
        eu: Some("%LEL".to_owned()),
        description: None,
        optional: false,
    }
}

/// Reads a signal whose registers 0, 1, … hold `raw`, all of them i16.
fn read(signal: &Signal, raw: &[u64]) -> (Option<Value>, Quality) {
    let registers: Vec<Register> = raw
        .iter()
        .map(|_| register(DataType::I16, Order::Abcd))
        .collect();
    reading(signal, &registers, &|idx| {
        raw.get(idx).copied().ok_or(Quality::COMM_ERROR)
    })
}

#[track_caller]
fn check(data_type: DataType, order: Order, words: &[u16], expected: Result<f64, Quality>) {
    let register = register(data_type, order);
    assert_eq!(number(&register, raw_of_words(&register, words)), expected);
}

#[test]
fn two_words_are_read_in_each_of_the_four_orders() {
    // 123456.0 as a single is 47 F1 20 00.
    check(DataType::F32, Order::Abcd, &[0x47F1, 0x2000], Ok(123_456.0));
    check(DataType::F32, Order::Badc, &[0xF147, 0x0020], Ok(123_456.0));
    check(DataType::F32, Order::Cdab, &[0x2000, 0x47F1], Ok(123_456.0));
    check(DataType::F32, Order::Dcba, &[0x0020, 0xF147], Ok(123_456.0));
    check(DataType::U32, Order::Cdab, &[0x0002, 0x0001], Ok(65_538.0));
    check(DataType::I32, Order::Dcba, &[0xFEFF, 0xFFFF], Ok(-2.0));
}

#[test]
fn one_word_knows_only_its_byte_order() {
    for order in [Order::Abcd, Order::Cdab] {
        check(DataType::U16, order, &[0x0102], Ok(258.0));
        check(DataType::I16, order, &[0xFFFE], Ok(-2.0));
    }
    for order in [Order::Badc, Order::Dcba] {
        check(DataType::U16, order, &[0x0201], Ok(258.0));
        check(DataType::I16, order, &[0xFEFF], Ok(-2.0));
    }
}

#[test]
fn four_words_follow_the_pattern_of_two() {
    let value = 0x0102_0304_0506_0708_u64;
    let expected = Ok(of_u64(value));
    check(
        DataType::U64,
        Order::Abcd,
        &[0x0102, 0x0304, 0x0506, 0x0708],
        expected,
    );
    check(
        DataType::U64,
        Order::Badc,
        &[0x0201, 0x0403, 0x0605, 0x0807],
        expected,
    );
    check(
        DataType::U64,
        Order::Cdab,
        &[0x0708, 0x0506, 0x0304, 0x0102],
        expected,
    );
    check(
        DataType::U64,
        Order::Dcba,
        &[0x0807, 0x0605, 0x0403, 0x0201],
        expected,
    );
    check(
        DataType::I64,
        Order::Abcd,
        &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFF6],
        Ok(-10.0),
    );
    check(DataType::F64, Order::Cdab, &[0, 0, 0, 0xC000], Ok(-2.0));
}

#[test]
fn decimal_digits_are_read_and_other_nibbles_are_a_device_failure() {
    check(DataType::Bcd16, Order::Abcd, &[0x1234], Ok(1_234.0));
    check(
        DataType::Bcd32,
        Order::Cdab,
        &[0x5678, 0x1234],
        Ok(12_345_678.0),
    );
    check(
        DataType::Bcd16,
        Order::Abcd,
        &[0x12A4],
        Err(Quality::DEVICE_FAILURE),
    );
}

#[test]
fn not_a_number_and_infinity_are_a_sensor_failure_never_a_value() {
    check(
        DataType::F32,
        Order::Abcd,
        &[0x7FC0, 0],
        Err(Quality::SENSOR_FAILURE),
    );
    check(
        DataType::F32,
        Order::Abcd,
        &[0xFF80, 0],
        Err(Quality::SENSOR_FAILURE),
    );
    check(
        DataType::F64,
        Order::Abcd,
        &[0x7FF0, 0, 0, 0],
        Err(Quality::SENSOR_FAILURE),
    );
}

#[test]
fn bits_are_counted_after_the_order_was_applied() {
    let mut field = register(DataType::U32, Order::Cdab);
    field.bits = Some(Bits {
        first: 12,
        last: 19,
    });
    // 0x000A_B000: bits 12 to 19 are 0xAB.
    assert_eq!(raw_of_words(&field, &[0xB000, 0x000A]), 0xAB);
    let mut bit = register(DataType::U16, Order::Badc);
    bit.bits = Some(Bits {
        first: 15,
        last: 15,
    });
    assert_eq!(raw_of_words(&bit, &[0x0080]), 1);
    assert_eq!(raw_of_words(&bit, &[0x8000]), 0);
}

#[test]
fn a_tenth_is_the_number_that_people_write() {
    for (factor, digits) in [(0.1, 1), (0.01, 2), (0.001, 3)] {
        for raw in 0..=u16::MAX {
            let text = format!("{raw}e-{digits}");
            let written: f64 = text.parse().expect("a number");
            let read = scaled(f64::from(raw), factor);
            assert!(
                read.to_bits() == written.to_bits(),
                "{raw} × {factor}: {read}"
            );
        }
    }
}

#[test]
fn scale_then_offset() {
    let mut signal = signal();
    signal.scale = Scale::By(0.1);
    signal.offset = -40.0;
    assert_eq!(
        read(&signal, &[650]),
        (Some(Value::Number(25.0)), Quality::GOOD)
    );
    signal.scale = Scale::By(2.5);
    assert_eq!(
        read(&signal, &[10]),
        (Some(Value::Number(-15.0)), Quality::GOOD)
    );
}

#[test]
fn precision_and_unit_come_from_the_device() {
    let mut signal = signal();
    signal.eu = Some("%VOL".to_owned());
    signal.scale = Scale::From(ScaleFrom {
        register: 1,
        codes: vec![(0, 1.0), (1, 0.1), (2, 0.01), (3, 0.001)],
    });
    let unit = |code, unit: &str| (code, String::from(unit));
    signal.unit_from = Some(UnitFrom {
        register: 2,
        codes: vec![unit(0, "%LEL"), unit(1, "ppm"), unit(2, "%VOL")],
    });
    let good = |value| (Some(Value::Number(value)), Quality::GOOD);
    let configuration = (None, Quality::CONFIGURATION);
    assert_eq!(read(&signal, &[209, 1, 2]), good(20.9));
    assert_eq!(read(&signal, &[12_500, 0, 1]), good(1.25));
    // There is no exact way from %LEL to %VOL, and codes nobody listed mean nothing.
    assert_eq!(read(&signal, &[209, 1, 0]), configuration);
    assert_eq!(read(&signal, &[209, 1, 3]), configuration);
    assert_eq!(read(&signal, &[209, 4, 2]), configuration);
}

#[test]
fn a_fault_code_is_a_quality_never_a_number() {
    let mut signal = signal();
    signal.status = vec![Status {
        register: 1,
        codes: [
            (0, Quality::GOOD),
            (3, Quality::SENSOR_FAILURE),
            (5, Quality::NOT_ACCURATE),
        ]
        .map(|(code, quality)| CodeQuality {
            code,
            quality,
            reads: None,
        })
        .to_vec(),
        other: Quality::BAD,
    }];
    assert_eq!(
        read(&signal, &[12, 0]),
        (Some(Value::Number(12.0)), Quality::GOOD)
    );
    assert_eq!(read(&signal, &[12, 3]), (None, Quality::SENSOR_FAILURE));
    assert_eq!(
        read(&signal, &[12, 5]),
        (Some(Value::Number(12.0)), Quality::NOT_ACCURATE)
    );
    assert_eq!(read(&signal, &[12, 9]), (None, Quality::BAD));
    // A value whose status could not be read is not trusted.
    assert_eq!(read(&signal, &[12]), (None, Quality::COMM_ERROR));
}

#[test]
fn a_sentinel_is_told_apart_before_it_is_scaled() {
    let mut signal = signal();
    signal.scale = Scale::By(0.1);
    signal.sentinels = vec![
        Sentinel {
            first: 0x7FFF,
            last: 0x7FFF,
            quality: Quality::OVER_RANGE,
            reads: Some(100.0),
        },
        Sentinel {
            first: 0x8000,
            last: 0x800F,
            quality: Quality::NOT_CONNECTED,
            reads: None,
        },
    ];
    assert_eq!(
        read(&signal, &[0x7FFF]),
        (Some(Value::Number(100.0)), Quality::OVER_RANGE)
    );
    assert_eq!(read(&signal, &[0x8003]), (None, Quality::NOT_CONNECTED));
    assert_eq!(
        read(&signal, &[0x7FFE]),
        (Some(Value::Number(3_276.6)), Quality::GOOD)
    );
}

#[test]
fn a_folded_back_reading_stands_at_the_end_of_its_range() {
    let mut signal = signal();
    signal.status = vec![Status {
        register: 1,
        codes: vec![
            CodeQuality {
                code: 0,
                quality: Quality::GOOD,
                reads: None,
            },
            CodeQuality {
                code: 6,
                quality: Quality::OVER_RANGE,
                reads: Some(100.0),
            },
        ],
        other: Quality::BAD,
    }];
    assert_eq!(
        read(&signal, &[4, 6]),
        (Some(Value::Number(100.0)), Quality::OVER_RANGE)
    );
}

#[test]
fn one_percent_beyond_the_range_is_tolerated_and_more_is_no_reading() {
    let mut signal = signal();
    signal.range = Some(Range {
        low: 0.0,
        high: 200.0,
    });
    let good = |value| (Some(Value::Number(value)), Quality::GOOD);
    let raw = |value: i16| u64::from(value.cast_unsigned());
    assert_eq!(read(&signal, &[raw(202)]), good(202.0));
    assert_eq!(read(&signal, &[raw(-2)]), good(-2.0));
    assert_eq!(read(&signal, &[raw(203)]), (None, Quality::OUT_OF_RANGE));
    assert_eq!(read(&signal, &[raw(-3)]), (None, Quality::OUT_OF_RANGE));
    signal.above = Quality::OVER_RANGE;
    assert_eq!(
        read(&signal, &[raw(203)]),
        (Some(Value::Number(203.0)), Quality::OVER_RANGE)
    );
    assert_eq!(read(&signal, &[raw(-3)]), (None, Quality::OUT_OF_RANGE));
}

#[test]
fn a_digital_signal_is_a_truth_also_upside_down() {
    let mut signal = signal();
    signal.digital = true;
    assert_eq!(
        read(&signal, &[1]),
        (Some(Value::Bool(true)), Quality::GOOD)
    );
    signal.inverted = true;
    assert_eq!(
        read(&signal, &[1]),
        (Some(Value::Bool(false)), Quality::GOOD)
    );
    assert_eq!(
        read(&signal, &[0]),
        (Some(Value::Bool(true)), Quality::GOOD)
    );
}

#[test]
fn what_is_written_is_what_is_read_as_on() {
    for order in [Order::Abcd, Order::Badc] {
        for inverted in [false, true] {
            let signal = Signal {
                digital: true,
                inverted,
                ..signal()
            };
            let register = register(DataType::U16, order);
            for on in [false, true] {
                let word = written(&signal, &register, on);
                let raw = raw_of_words(&register, &[word]);
                let read = reading(&signal, core::slice::from_ref(&register), &|_| Ok(raw));
                assert_eq!(read, (Some(Value::Bool(on)), Quality::GOOD));
            }
        }
    }
    let coil = Register {
        function: Function::Coils,
        ..register(DataType::Bit, Order::Badc)
    };
    assert_eq!(written(&signal(), &coil, true), 1);
}

/// The words of a value, as a device would send them.
fn words_of(raw: u64, n_words: usize, order: Order) -> Vec<u16> {
    let mut bytes = raw.to_be_bytes()[8 - 2 * n_words..].to_vec();
    if order.swaps_words() {
        bytes.reverse();
        if !order.swaps_bytes() {
            bytes.chunks_mut(2).for_each(|pair| pair.reverse());
        }
    } else if order.swaps_bytes() {
        bytes.chunks_mut(2).for_each(|pair| pair.reverse());
    }
    bytes
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect()
}

proptest! {
    #[test]
    fn every_value_comes_back_from_every_order(raw: u64, order in 0..4_usize, kind in 0..7_usize) {
        let order = ORDERS[order];
        let data_type = [
            DataType::U16, DataType::I16, DataType::U32, DataType::I32,
            DataType::U64, DataType::I64, DataType::F32,
        ][kind];
        let n_words = usize::from(data_type.count());
        let raw = raw & (u64::MAX >> (64 - 16 * n_words));
        let register = register(data_type, order);
        prop_assert_eq!(raw_of_words(&register, &words_of(raw, n_words, order)), raw);
    }

    #[test]
    fn no_contents_give_a_value_that_is_not_finite(words: [u16; 4], kind in 0..11_usize, factor in -1e300..1e300_f64, offset in -1e300..1e300_f64) {
        let data_type = [
            DataType::Bit, DataType::U16, DataType::I16, DataType::U32, DataType::I32, DataType::U64,
            DataType::I64, DataType::F32, DataType::F64, DataType::Bcd16, DataType::Bcd32,
        ][kind];
        let registers = [register(data_type, Order::Abcd)];
        let mut signal = signal();
        signal.scale = Scale::By(factor);
        signal.offset = offset;
        let raw = raw_of_words(&registers[0], &words);
        match reading(&signal, &registers, &|_| Ok(raw)) {
            (Some(Value::Number(number)), quality) => prop_assert!(number.is_finite() && !quality.is_bad()),
            (Some(Value::Bool(_)), _) => prop_assert!(false, "no digital signal"),
            (None, quality) => prop_assert!(quality.is_bad()),
        }
    }
}
