//! What RFC 8428 and the contract say of packs, in both syntaxes.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use proptest::prelude::*;

use super::decode::decode_with;
use super::*;
use crate::{Clock, Quality, UtcMs, Value};

/// A record that owns its text.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    name: String,
    unit: Option<String>,
    time: Time,
    value: Option<Value>,
    quality: Quality,
}

type Records = Vec<Result<Owned, RecordError>>;

fn owned(record: Record<'_>) -> Owned {
    Owned {
        name: record.name.to_string(),
        unit: record.unit.map(ToString::to_string),
        time: record.time,
        value: record.value,
        quality: record.quality,
    }
}

fn read(bytes: &[u8], format: Format) -> Result<(Pack, Records), PackError> {
    let mut records = vec![];
    decode(bytes, format, &mut |record| {
        records.push(record.map(owned));
    })
    .map(|pack| (pack, records))
}

/// Reads with names as RFC 8428 has them in its examples.
fn read_any_name(bytes: &[u8], format: Format) -> Records {
    let mut records = vec![];
    decode_with(bytes, format, |name| !name.is_empty(), &mut |record| {
        records.push(record.map(owned));
    })
    .unwrap();
    records
}

fn json(text: &str) -> Result<(Pack, Records), PackError> {
    read(text.as_bytes(), Format::Json)
}

fn number(name: &str, unit: &str, time: Time, value: f64) -> Result<Owned, RecordError> {
    Ok(Owned {
        name: name.to_string(),
        unit: Some(unit.to_string()),
        time,
        value: Some(Value::Number(value)),
        quality: Quality::GOOD,
    })
}

const NOW: Time = Time::Arrival { offset_ms: 0 };

#[test]
fn rfc_8428_5_1_1_a_single_data_point() {
    let text = br#"[ {"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1} ]"#;
    assert_eq!(
        read_any_name(text, Format::Json),
        [number("urn:dev:ow:10e2073a01080063", "Cel", NOW, 23.1)]
    );
}

/// RFC 8428 §5.1.2, resolved.
fn voltage_and_currents() -> Records {
    let at = |second: i64| Time::Utc(UtcMs(1_276_020_076_001 + second * 1_000));
    let current =
        |second, value| number("urn:dev:ow:10e2073a0108006:current", "A", at(second), value);
    vec![
        number("urn:dev:ow:10e2073a0108006:voltage", "V", at(0), 120.1),
        current(-5, 1.2),
        current(-4, 1.3),
        current(-3, 1.4),
        current(-2, 1.5),
        current(-1, 1.6),
        current(0, 1.7),
    ]
}

#[test]
fn rfc_8428_5_1_2_base_fields_hold_for_the_records_after_them() {
    let text = br#"[
        {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,
         "bu":"A","bver":5,
         "n":"voltage","u":"V","v":120.1},
        {"n":"current","t":-5,"v":1.2},
        {"n":"current","t":-4,"v":1.3},
        {"n":"current","t":-3,"v":1.4},
        {"n":"current","t":-2,"v":1.5},
        {"n":"current","t":-1,"v":1.6},
        {"n":"current","v":1.7}
    ]"#;
    assert_eq!(read_any_name(text, Format::Json), voltage_and_currents());
}

#[test]
fn rfc_8428_6_the_same_pack_in_cbor() {
    let hex = concat!(
        "87a721781b75726e3a6465763a6f773a3130653230373361303130383030363a",
        "22fb41d303a15b00106223614120050067766f6c7461676501615602fb405e066666666666",
        "a3006763757272656e74062402fb3ff3333333333333",
        "a3006763757272656e74062302fb3ff4cccccccccccd",
        "a3006763757272656e74062202fb3ff6666666666666",
        "a3006763757272656e74062102f93e00",
        "a3006763757272656e74062002fb3ff999999999999a",
        "a3006763757272656e74060002fb3ffb333333333333",
    );
    assert_eq!(
        read_any_name(&bytes(hex), Format::Cbor),
        voltage_and_currents()
    );
}

#[test]
fn rfc_8428_5_1_3_units_and_times_may_change_from_record_to_record() {
    let text = br#"[
        {"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},
        {"u":"lon","v":24.30621},
        {"u":"lat","v":60.07965},
        {"t":60,"v":20.3},
        {"u":"%EL","t":150,"v":98}
    ]"#;
    let at = |second: i64| Time::Utc(UtcMs(1_320_067_464_000 + second * 1_000));
    let name = "urn:dev:ow:10e2073a01080063";
    assert_eq!(
        read_any_name(text, Format::Json),
        [
            number(name, "%RH", at(0), 20.0),
            number(name, "lon", at(0), 24.30621),
            number(name, "lat", at(0), 60.07965),
            number(name, "%RH", at(60), 20.3),
            number(name, "%EL", at(150), 98.0),
        ]
    );
}

#[test]
fn rfc_8428_5_1_5_text_without_a_quality_and_data_are_no_readings() {
    let text = br#"[
        {"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},
        {"n":"label","vs":"Machine Room"},
        {"n":"open","vb":false},
        {"n":"nfc-reader","vd":"aGkgCg"}
    ]"#;
    let records = read_any_name(text, Format::Json);
    let faults: Vec<_> = records
        .iter()
        .map(|record| record.as_ref().err().map(|error| error.fault))
        .collect();
    assert_eq!(
        faults,
        [
            None,
            Some(RecordFault::Reason),
            None,
            Some(RecordFault::Values)
        ]
    );
    assert_eq!(records[2].as_ref().unwrap().value, Some(Value::Bool(false)));
}

#[test]
fn rfc_8428_5_1_6_a_base_name_may_change_in_the_middle() {
    let text = br#"[
        {"bn":"2001:db8::2/","bt":1.320078429e+09,"n":"temperature","u":"Cel","v":25.2},
        {"n":"humidity","u":"%RH","v":30},
        {"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},
        {"n":"humidity","u":"%RH","v":67}
    ]"#;
    let at = Time::Utc(UtcMs(1_320_078_429_000));
    assert_eq!(
        read_any_name(text, Format::Json),
        [
            number("2001:db8::2/temperature", "Cel", at, 25.2),
            number("2001:db8::2/humidity", "%RH", at, 30.0),
            number("2001:db8::1/temperature", "Cel", at, 12.3),
            number("2001:db8::1/humidity", "%RH", at, 67.0),
        ]
    );
}

#[test]
fn every_base_field_is_added_or_stands_in_until_it_is_given_again() {
    let (pack, records) = json(
        r#"[
        {"bn":"a/b/c/","n":"p1","bt":1800000000.5,"t":0.25,"bu":"Cel","bv":10,"v":1.5,"bs":3,"s":1},
        {"n":"p2","v":-10},
        {"bn":"a/b/d/","n":"p1","bt":1800000100,"bu":"V","bv":-1,"v":0},
        {"n":"p2","u":"A","vb":true},
        {"bt":12,"n":"p2","t":-13.5,"v":0,"ut":5}
    ]"#,
    )
    .unwrap();
    assert_eq!(pack, Pack::default());
    assert_eq!(
        records,
        [
            number("a/b/c/p1", "Cel", Time::Utc(UtcMs(1_800_000_000_750)), 11.5),
            number("a/b/c/p2", "Cel", Time::Utc(UtcMs(1_800_000_000_500)), 0.0),
            number("a/b/d/p1", "V", Time::Utc(UtcMs(1_800_000_100_000)), -1.0),
            Ok(Owned {
                name: "a/b/d/p2".into(),
                unit: Some("A".into()),
                time: Time::Utc(UtcMs(1_800_000_100_000)),
                value: Some(Value::Bool(true)),
                quality: Quality::GOOD,
            }),
            number("a/b/d/p2", "V", Time::Arrival { offset_ms: -1_500 }, -1.0),
        ]
    );
}

#[test]
fn times_below_2_to_the_28_are_relative_to_arrival() {
    let time = |fields: &str| {
        let text = format!(r#"[{{"n":"a/b/c/d","v":1{fields}}}]"#);
        json(&text).unwrap().1[0].clone().map(|record| record.time)
    };
    let arrival = |offset_ms| Ok(Time::Arrival { offset_ms });
    assert_eq!(time(""), arrival(0));
    assert_eq!(time(r#","t":-1.2345"#), arrival(-1_235));
    assert_eq!(time(r#","t":268435455.999"#), arrival(268_435_455_999));
    assert_eq!(
        time(r#","t":268435456"#),
        Ok(Time::Utc(UtcMs(268_435_456_000)))
    );
    assert_eq!(
        time(r#","bt":268435400,"t":56.001"#),
        Ok(Time::Utc(UtcMs(268_435_456_001)))
    );
    assert_eq!(time(r#","bmono":1500,"t":-1.5"#), Ok(Time::Mono(0)));
    assert_eq!(
        time(r#","bmono":1500,"bt":1800000000"#),
        Ok(Time::Utc(UtcMs(1_800_000_000_000)))
    );
    for fields in [
        r#","bmono":1500,"t":-1.501"#,
        r#","t":1e300"#,
        r#","t":-1e300"#,
        r#","t":253402300800"#,
        r#","bmono":18446744073709551615"#,
    ] {
        assert_eq!(
            time(fields).unwrap_err().fault,
            RecordFault::Time,
            "{fields}"
        );
    }
}

#[test]
fn the_packs_own_fields_are_read_once_for_all_records() {
    let (pack, _) = json(
        r#"[{"bboot":3,"bseq":18446744073709551615,"bclk":"holdover","n":"a/b/c/d","v":1},{"bboot":3,"n":"a/b/c/d","v":2}]"#,
    )
    .unwrap();
    assert_eq!(
        pack,
        Pack {
            boot: Some(3),
            seq: Some(u64::MAX),
            clock: Clock::Holdover,
        }
    );
    for (word, clock) in [
        ("unsynced", Clock::Unsynced),
        ("a word that came later", Clock::Unsynced),
        ("hold\\u006fver", Clock::Holdover),
    ] {
        let text = format!(r#"[{{"bclk":"{word}","n":"a/b/c/d","v":1}}]"#);
        assert_eq!(json(&text).unwrap().0.clock, clock);
    }
}

#[test]
fn a_pack_that_does_not_parse_gives_out_nothing_but_who_sent_it() {
    let who = r#""bboot":3,"bseq":17,"#;
    for (text, fault) in [
        (String::new(), PackFault::Malformed),
        ("{}".into(), PackFault::Malformed),
        ("[]".into(), PackFault::Empty),
        ("[1]".into(), PackFault::Malformed),
        (r#"[{"n":"a/b/c/d","v":1}] x"#.into(), PackFault::Malformed),
        (r#"[{"n":"a/b/c/d","v":1},]"#.into(), PackFault::Malformed),
        (r#"[{"n":"a/b/c/d","v":NaN}]"#.into(), PackFault::Malformed),
        (
            r#"[{"n":"a/b/c/d","v":1,"v":2}]"#.into(),
            PackFault::Double(Label::V),
        ),
        (
            format!(r#"[{{{who}"n":"a/b/c/d","v":1,"new_":0}}]"#),
            PackFault::MustUnderstand,
        ),
        (
            format!(r#"[{{{who}"n":"a/b/c/d","v":1,"a very long name it is, \u006eew\u005f":0}}]"#),
            PackFault::MustUnderstand,
        ),
        (
            format!(r#"[{{{who}"bver":11,"n":"a/b/c/d","v":1}}]"#),
            PackFault::Version,
        ),
        (
            format!(r#"[{{{who}"bver":0,"n":"a/b/c/d","v":1}}]"#),
            PackFault::Base(Label::Bver),
        ),
        (
            format!(r#"[{{{who}"n":"a/b/c/d","v":1}},{{"bver":5,"n":"a/b/c/d","v":1}}]"#),
            PackFault::Changed(Label::Bver),
        ),
        (
            format!(r#"[{{{who}"n":"a/b/c/d","v":1}},{{"bseq":18,"n":"a/b/c/d","v":1}}]"#),
            PackFault::Changed(Label::Bseq),
        ),
        (
            format!(r#"[{{{who}"bt":"now","n":"a/b/c/d","v":1}}]"#),
            PackFault::Base(Label::Bt),
        ),
        (
            format!(r#"[{{{who}"bv":1e999,"n":"a/b/c/d","v":1}}]"#),
            PackFault::Base(Label::Bv),
        ),
        (
            r#"[{"bboot":-1,"n":"a/b/c/d","v":1}]"#.into(),
            PackFault::Base(Label::Bboot),
        ),
        (
            r#"[{"bseq":0,"n":"a/b/c/d","v":1}]"#.into(),
            PackFault::Base(Label::Bseq),
        ),
        (
            format!(r#"[{{{who}"x":{}"#, "[".repeat(1_000)),
            PackFault::TooDeep,
        ),
    ] {
        let error = json(&text).unwrap_err();
        let read = text.contains(who);
        assert_eq!(error.fault, fault, "{text}");
        assert_eq!(error.boot, read.then_some(3), "{text}");
        assert_eq!(error.seq, read.then_some(17), "{text}");
    }
    let text = format!(r#"[{{{who}"n":"a/b/c/d","v":1}},{{"n":"a/b/c/d","v":1}}"#);
    let error = json(&text).unwrap_err();
    assert_eq!((error.boot, error.at), (Some(3), text.len()));
}

#[test]
fn a_pack_has_its_limits_and_what_is_beyond_still_says_who_sent_it() {
    let pack = |records: usize, pad: usize| {
        let first = format!(
            r#"[{{"bboot":3,"bseq":17,"n":"a/b/c/d","v":1,"pad":"{}"}}"#,
            "x".repeat(pad)
        );
        first + &r#",{"n":"a/b/c/d","v":1}"#.repeat(records - 1) + "]"
    };
    assert_eq!(json(&pack(4_096, 0)).unwrap().1.len(), 4_096);
    let error = json(&pack(4_097, 0)).unwrap_err();
    assert_eq!(error.fault, PackFault::TooManyRecords);
    assert_eq!((error.boot, error.seq), (Some(3), Some(17)));
    let pad = PACK_BYTES_MAX - pack(1, 0).len();
    assert!(json(&pack(1, pad)).is_ok());
    let error = json(&pack(1, pad + 1)).unwrap_err();
    assert_eq!(error.fault, PackFault::TooLarge);
    assert_eq!((error.boot, error.seq), (Some(3), Some(17)));
}

#[test]
fn a_record_that_makes_no_sense_is_an_error_alone() {
    for (fields, fault) in [
        (r#""n":"p""#, RecordFault::NoValue),
        (r#""n":"p","s":1"#, RecordFault::NoValue),
        (r#""n":"p","v":1,"vb":true"#, RecordFault::Values),
        (r#""n":"p","v":1,"vs":"comm-error"#, RecordFault::Values),
        (r#""n":"p","v":1,"vd":"aa"#, RecordFault::Values),
        (r#""n":"p","v":"1"#, RecordFault::Field(Label::V)),
        (r#""n":"p","v":null"#, RecordFault::Field(Label::V)),
        (r#""n":"p","v":[1]"#, RecordFault::Field(Label::V)),
        (r#""n":"p","vb":1"#, RecordFault::Field(Label::Vb)),
        (r#""n":7,"v":1"#, RecordFault::Field(Label::N)),
        (r#""n":"p","u":1,"v":1"#, RecordFault::Field(Label::U)),
        (r#""n":"p","t":"1","v":1"#, RecordFault::Field(Label::T)),
        (r#""n":"p","v":1,"q":-1"#, RecordFault::Field(Label::Q)),
        (r#""n":"p","v":1,"q":65536"#, RecordFault::Field(Label::Q)),
        (r#""n":"p","v":1,"q":1.5"#, RecordFault::Field(Label::Q)),
        (r#""n":"p","v":1,"s":"1"#, RecordFault::Field(Label::S)),
        (r#""n":"p","v":1e999"#, RecordFault::NotFinite),
        (r#""n":"P","v":1"#, RecordFault::Name),
        (r#""n":"","v":1"#, RecordFault::Name),
        (r#""v":1"#, RecordFault::Name),
        (r#""n":"p/q","v":1"#, RecordFault::Name),
        (r#""n":"压力","v":1"#, RecordFault::Name),
        (r#""n":"p","vs":"good"#, RecordFault::Reason),
        (r#""n":"p","vs":"Machine Room"#, RecordFault::Reason),
        (r#""n":"p","vs":"comm-error","q":0"#, RecordFault::Reason),
    ] {
        // A text left open at its end is closed here.
        let close = if fields.matches('"').count() % 2 == 1 {
            "\""
        } else {
            ""
        };
        let wrong = format!("{{{fields}{close}}}");
        let text = format!(r#"[{{"bn":"a/b/c/","n":"p","v":1}},{wrong},{{"n":"p","v":2}}]"#);
        let (_, records) = json(&text).unwrap();
        let error = records[1].clone().unwrap_err();
        assert_eq!((error.index, error.fault), (1, fault), "{text}");
        assert_eq!(text.get(error.span), Some(&*wrong));
        assert!(records[0].is_ok() && records[2].is_ok(), "{text}");
    }
    let long = "x".repeat(UNIT_LEN_MAX + 1);
    let name = "p".repeat(300);
    for (text, fault) in [
        (
            format!(r#"[{{"n":"a/b/c/d","u":"{long}","v":1}}]"#),
            RecordFault::Unit,
        ),
        (
            format!(r#"[{{"n":"a/b/c/{name}","v":1}}]"#),
            RecordFault::Name,
        ),
        (
            format!(r#"[{{"bn":"a/b/c/{name}","n":"d","v":1}}]"#),
            RecordFault::Name,
        ),
    ] {
        let (_, records) = json(&text).unwrap();
        assert_eq!(records[0].clone().unwrap_err().fault, fault);
    }
}

#[test]
fn fields_that_nobody_knows_are_read_over_in_both_syntaxes() {
    let text = r#"[{"new":{"a":[1,{"b":null}]},"n":"a/b/c/d","u":"\u00b0C","v":1,"x":"\""}]"#;
    let expected = [number("a/b/c/d", "°C", NOW, 1.0)];
    assert_eq!(json(text).unwrap().1, expected);
    // The same with an indefinite array and map, an unknown integer label, and a map as a label.
    let mut cbor = vec![0x9F, 0xBF];
    cbor.extend(bytes("63 6e6577 a1 61 61 9f 01 f6 ff"));
    cbor.extend(bytes("00 67 612f622f632f64"));
    cbor.extend(bytes("18 63 5f 41 00 ff"));
    cbor.extend(bytes("a1 01 02 03"));
    cbor.extend(bytes("01 63 c2b043"));
    cbor.extend(bytes("02 01 ff ff"));
    assert_eq!(read(&cbor, Format::Cbor).unwrap().1, expected);
    let mut must = bytes("81 a3 00 67 612f622f632f64 02 01 62 785f 00");
    assert_eq!(
        read(&must, Format::Cbor).unwrap_err().fault,
        PackFault::MustUnderstand
    );
    must[14] = b'y';
    must[15] = b'z';
    assert!(read(&must, Format::Cbor).is_ok());
}

#[test]
fn every_number_that_cbor_has_is_read() {
    for (hex, value) in [
        ("00", 0.0),
        ("1b 0020000000000000", 9_007_199_254_740_992.0),
        ("1b ffffffffffffffff", 18_446_744_073_709_551_616.0),
        ("3b ffffffffffffffff", -18_446_744_073_709_551_616.0),
        ("20", -1.0),
        ("f9 3e00", 1.5),
        ("fa 3fc00000", 1.5),
        ("fb 3ff199999999999a", 1.1),
        ("c4 82 20 0b", 1.1),
        ("c4 82 21 19 6ab3", 273.15),
        ("c4 82 39 03e7 01", 0.0),
    ] {
        let pack = bytes(&format!("81 a2 00 67 612f622f632f64 02 {hex}"));
        let (_, records) = read(&pack, Format::Cbor).unwrap();
        let read = records[0].as_ref().unwrap().value;
        assert_eq!(read, Some(Value::Number(value)), "{hex}");
    }
    for (hex, fault) in [
        ("f9 7c00", RecordFault::NotFinite),
        ("fa 7fc00000", RecordFault::NotFinite),
        ("fb fff0000000000000", RecordFault::NotFinite),
        ("c4 82 19 03e7 01", RecordFault::NotFinite),
        ("c2 41 01", RecordFault::Field(Label::V)),
        ("c4 81 01", RecordFault::Field(Label::V)),
        ("41 01", RecordFault::Field(Label::V)),
    ] {
        let pack = bytes(&format!("81 a2 00 67 612f622f632f64 02 {hex}"));
        let (_, records) = read(&pack, Format::Cbor).unwrap();
        assert_eq!(records[0].clone().unwrap_err().fault, fault, "{hex}");
    }
}

#[test]
fn a_cbor_pack_that_does_not_parse_gives_out_nothing_but_who_sent_it() {
    for (hex, fault, who) in [
        ("", PackFault::Malformed, false),
        ("80", PackFault::Empty, false),
        ("9f ff", PackFault::Empty, false),
        ("a0", PackFault::Malformed, false),
        ("81 80", PackFault::Malformed, false),
        (
            "81 a1 65 62626f6f74 20",
            PackFault::Base(Label::Bboot),
            false,
        ),
        (
            "82 a4 65 62626f6f74 03 64 62736571 11 00 67 612f622f632f64 02 01",
            PackFault::Malformed,
            true,
        ),
        (
            "81 a4 65 62626f6f74 03 64 62736571 11 00 67 612f622f632f64 02 01 00",
            PackFault::Malformed,
            true,
        ),
        (
            "81 a3 65 62626f6f74 03 64 62736571 11 7f 61 61 ff 02 01",
            PackFault::Malformed,
            true,
        ),
        (
            "81 a4 65 62626f6f74 03 64 62736571 11 02 01 61 76 01",
            PackFault::Double(Label::V),
            true,
        ),
        (
            "81 a3 65 62626f6f74 03 64 62736571 11 20 0b",
            PackFault::Version,
            true,
        ),
    ] {
        let error = read(&bytes(hex), Format::Cbor).unwrap_err();
        assert_eq!(error.fault, fault, "{hex}");
        assert_eq!(
            (error.boot, error.seq),
            (who.then_some(3), who.then_some(17)),
            "{hex}"
        );
    }
}

#[test]
fn a_cbor_pack_is_written_with_the_labels_of_the_rfc_and_our_own_as_text() {
    let mut buf = [0; 256];
    let mut pack = Encoder::new(
        &mut buf,
        Format::Cbor,
        header(Base::Utc(UtcMs(1_800_000_000_500))),
    );
    pack.push(
        "d",
        Some("V"),
        -500,
        Some(Value::Number(120.1)),
        Quality::GOOD,
    )
    .unwrap();
    pack.push("e", None, 0, Some(Value::Bool(true)), Quality::UNCERTAIN)
        .unwrap();
    pack.push("f", None, 0, None, Quality::COMM_ERROR).unwrap();
    let len = pack.finish();
    let hex = concat!(
        "99 0003",
        "a8 21 66 612f622f632f 22 fb 41dad27480200000 65 62626f6f74 03 64 62736571 11",
        "00 61 64 01 61 56 06 fa bf000000 02 fb 405e066666666666",
        "a3 00 61 65 04 f5 61 71 19 4000",
        "a3 00 61 66 03 6a 636f6d6d2d6572726f72 61 71 19 8005",
    );
    assert_eq!(&buf[..len], bytes(hex));
}

#[test]
fn a_json_pack_is_written_with_the_shortest_numbers_and_in_milliseconds() {
    let mut buf = [0; 512];
    let mut pack = Encoder::new(&mut buf, Format::Json, header(Base::Mono(u64::MAX)));
    for (offset, value) in [
        (1, 0.1),
        (10, -0.0),
        (100, 1e300),
        (1_000, 5e-324),
        (-1_250, 50.0),
    ] {
        pack.push("d", None, offset, Some(Value::Number(value)), Quality::GOOD)
            .unwrap();
    }
    pack.push(
        "d",
        Some("\"\\\n°C"),
        0,
        Some(Value::Number(f64::NAN)),
        Quality::GOOD,
    )
    .unwrap();
    let len = pack.finish();
    assert_eq!(
        str::from_utf8(&buf[..len]).unwrap(),
        concat!(
            r#"[{"bn":"a/b/c/","bmono":18446744073709551615,"bboot":3,"bseq":17,"n":"d","t":0.001,"v":0.1},"#,
            r#"{"n":"d","t":0.01,"v":-0},{"n":"d","t":0.1,"v":1e300},{"n":"d","t":1,"v":5e-324},{"n":"d","t":-1.25,"v":50},"#,
            r#"{"n":"d","u":"\"\\\u000a°C","vs":"bad","q":32768}]"#
        )
    );
}

#[test]
fn a_clock_of_1970_is_never_sent() {
    for format in [Format::Json, Format::Cbor] {
        let mut buf = [0; 256];
        let mut pack = Encoder::new(&mut buf, format, header(Base::Utc(UtcMs(12_000))));
        pack.push("d", None, 500, Some(Value::Bool(true)), Quality::GOOD)
            .unwrap();
        let len = pack.finish();
        let (pack, records) = read(&buf[..len], format).unwrap();
        assert_eq!(pack.clock, Clock::Unsynced);
        assert_eq!(records[0].as_ref().unwrap().time, NOW);
    }
}

#[test]
fn a_full_pack_stays_as_it_was_and_closes() {
    for format in [Format::Json, Format::Cbor] {
        let mut whole = vec![0; 4_096];
        let mut expected = vec![];
        for room in 0..400 {
            let mut buf = vec![0; room];
            let mut pack = Encoder::new(
                &mut buf,
                format,
                header(Base::Utc(UtcMs(1_800_000_000_000))),
            );
            let mut pushed = 0;
            while pack
                .push(
                    "d",
                    Some("V"),
                    pushed,
                    Some(Value::Number(0.1)),
                    Quality::GOOD,
                )
                .is_ok()
            {
                pushed += 1;
            }
            assert_eq!(i64::from(pack.records()), pushed);
            assert_eq!(pack.is_empty(), pushed == 0);
            let len = pack.finish();
            assert_eq!(len == 0, pushed == 0);
            let mut pack = Encoder::new(
                &mut whole,
                format,
                header(Base::Utc(UtcMs(1_800_000_000_000))),
            );
            for offset in 0..pushed {
                pack.push(
                    "d",
                    Some("V"),
                    offset,
                    Some(Value::Number(0.1)),
                    Quality::GOOD,
                )
                .unwrap();
            }
            let whole_len = pack.finish();
            assert_eq!(&buf[..len], &whole[..whole_len]);
            expected.push(pushed);
        }
        assert!(expected.last() > Some(&4), "{expected:?}");
    }
    let mut buf = vec![0; 2 * PACK_BYTES_MAX];
    let mut pack = Encoder::new(&mut buf, Format::Cbor, header(Base::Mono(0)));
    for _ in 0..PACK_RECORDS_MAX {
        pack.push("d", None, 0, Some(Value::Bool(true)), Quality::GOOD)
            .unwrap();
    }
    let more = pack.push("d", None, 0, Some(Value::Bool(true)), Quality::GOOD);
    assert_eq!(more, Err(Full));
    let len = pack.finish();
    assert_eq!(read(&buf[..len], Format::Cbor).unwrap().1.len(), 4_096);
}

#[test]
fn the_content_type_or_the_first_byte_tells_the_format() {
    for format in [Format::Json, Format::Cbor] {
        assert_eq!(
            Format::from_content_type(format.content_type()),
            Some(format)
        );
    }
    for (text, format) in [
        ("Application/SenML+JSON; charset=utf-8", Some(Format::Json)),
        ("application/senml+cbor ", Some(Format::Cbor)),
        ("application/json", None),
        ("", None),
    ] {
        assert_eq!(Format::from_content_type(text), format);
    }
    for (first, format) in [
        (b'[', Some(Format::Json)),
        (b'\n', Some(Format::Json)),
        (0x87, Some(Format::Cbor)),
        (0x99, Some(Format::Cbor)),
        (0x9F, Some(Format::Cbor)),
        (b'{', None),
        (0xA0, None),
    ] {
        assert_eq!(Format::sniff(first), format);
    }
}

fn header(base: Base) -> Header<'static> {
    Header {
        base_name: "a/b/c/",
        base,
        boot: 3,
        seq: 17,
        clock: Clock::Synced,
    }
}

/// The bytes of hexadecimal text; spaces don't matter.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn sample() -> impl Strategy<Value = (String, Option<String>, i64, Option<Value>, Quality)> {
    let value = prop_oneof![
        4 => prop::num::f64::NORMAL.prop_map(|number| Some(Value::Number(number))),
        2 => (-10_000_i32..10_000).prop_map(|tenths| Some(Value::Number(f64::from(tenths) / 10.0))),
        2 => any::<f32>().prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| Some(Value::Number(f64::from(number)))),
        1 => any::<bool>().prop_map(|on| Some(Value::Bool(on))),
        1 => Just(None),
    ];
    (
        "[a-z0-9][a-z0-9._-]{0,63}",
        prop::option::of(".{0,16}"),
        -1_000_000_000_i64..1_000_000_000,
        value,
        any::<u16>().prop_map(Quality),
    )
        .prop_map(|(name, unit, offset, value, quality)| {
            let quality = match value {
                None if !quality.is_bad() => Quality::SENSOR_FAILURE,
                _ => quality,
            };
            (name, unit, offset, value, quality)
        })
}

fn base() -> impl Strategy<Value = Base> {
    prop_oneof![
        (1_500_000_000_000_i64..4_000_000_000_000).prop_map(|ms| Base::Utc(UtcMs(ms))),
        (1_000_000_000_u64..1_000_000_000_000_000 / 8).prop_map(Base::Mono),
    ]
}

fn clock() -> impl Strategy<Value = Clock> {
    prop_oneof![
        Just(Clock::Synced),
        Just(Clock::Holdover),
        Just(Clock::Unsynced)
    ]
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Json), Just(Format::Cbor)]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        format in format(),
        base in base(),
        clock in clock(),
        boot: u64,
        seq in 1_u64..,
        samples in prop::collection::vec(sample(), 1..20),
    ) {
        let mut buf = vec![0; 65_536];
        let header = Header { base_name: "east/plant-1/tank/", base, boot, seq, clock };
        let mut pack = Encoder::new(&mut buf, format, header);
        for (name, unit, offset, value, quality) in &samples {
            pack.push(name, unit.as_deref(), *offset, *value, *quality).unwrap();
        }
        let len = pack.finish();
        let (pack, records) = read(&buf[..len], format).unwrap();
        prop_assert_eq!(pack, Pack { boot: Some(boot), seq: Some(seq), clock });
        prop_assert_eq!(records.len(), samples.len());
        for (record, (name, unit, offset, value, quality)) in records.into_iter().zip(samples) {
            let record = record.unwrap();
            prop_assert_eq!(record.name, format!("east/plant-1/tank/{name}"));
            prop_assert_eq!(record.unit, unit);
            prop_assert_eq!(record.quality, quality);
            let bits = |value| match value {
                Some(Value::Number(number)) => (0, f64::to_bits(number)),
                Some(Value::Bool(on)) => (1, u64::from(on)),
                None => (2, 0),
            };
            prop_assert_eq!(bits(record.value), bits(value));
            let time = match base {
                Base::Utc(UtcMs(ms)) => Time::Utc(UtcMs(ms + offset)),
                Base::Mono(ms) => Time::Mono(ms.checked_add_signed(offset).unwrap()),
            };
            prop_assert_eq!(record.time, time);
        }
    }

    #[test]
    fn a_pack_cut_anywhere_is_an_error_and_no_panic(
        format in format(),
        base in base(),
        samples in prop::collection::vec(sample(), 1..4),
    ) {
        let mut buf = vec![0; 65_536];
        let mut pack = Encoder::new(&mut buf, format, header(base));
        for (name, unit, offset, value, quality) in &samples {
            pack.push(name, unit.as_deref(), *offset, *value, *quality).unwrap();
        }
        let len = pack.finish();
        for end in 0..len {
            let mut given = 0;
            let read = decode(&buf[..end], format, &mut |_| given += 1);
            prop_assert!(read.is_err(), "cut at {}", end);
            prop_assert_eq!(given, 0);
        }
    }

    #[test]
    fn a_changed_byte_is_read_or_refused_and_never_panics(
        format in format(),
        base in base(),
        samples in prop::collection::vec(sample(), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut buf = vec![0; 65_536];
        let mut pack = Encoder::new(&mut buf, format, header(base));
        for (name, unit, offset, value, quality) in &samples {
            pack.push(name, unit.as_deref(), *offset, *value, *quality).unwrap();
        }
        let len = pack.finish();
        for (index, byte) in changes {
            buf[index.index(len)] = byte;
        }
        if let Ok((_, records)) = read(&buf[..len], format) {
            for record in records.into_iter().flatten() {
                prop_assert!(crate::PointName::parse(&record.name).is_ok());
                prop_assert!(record.value.is_none_or(|value| value.as_f64().is_finite()));
                prop_assert!(record.value.is_some() || !record.quality.is_good());
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), head in 0x81_u8..0x9F) {
        for format in [Format::Json, Format::Cbor] {
            prop_assert!(read(&bytes, format).is_err() || bytes.len() > 4);
        }
        let mut cbor = vec![head, 0xA5];
        cbor.extend(&bytes);
        prop_assert!(read(&cbor, Format::Cbor).is_err() || cbor.len() > 6);
    }

    #[test]
    fn no_text_panics(text in r#"\[\{("(n|v|vs|t|bt|x_|q)":("a/b/c/d"|1|-2\.5e3|true|\[\]|\{\}|null),?){0,5}\}\]"#) {
        if let Err(error) = json(&text) {
            prop_assert!(error.at <= text.len());
        }
    }
}
