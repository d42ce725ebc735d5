//! A point's entry in a profile file: from its register's contents to a value and a quality.

use std::format;
use std::string::String;
use std::vec::Vec;

use ::front::{Item, Table};
use telemetry::{Quality, Severity, unit};

use super::register::{Copy, Registers, with_n};
use super::word;
use crate::{
    CodeQuality, DataType, Register, Scale, ScaleFrom, Sentinel, Signal, Status, UnitFrom,
};

/// Reads a point's entry; `value` is its register's index, if that could be read.
pub(super) fn signal(
    entry: &Table<'_>,
    name: String,
    value: Option<usize>,
    registers: &Registers,
    copy: Copy,
) -> Option<Signal> {
    let register = value.and_then(|idx| registers.right.get(idx));
    let single_bit = register.is_some_and(Register::is_bit);
    let said_digital = entry
        .opt("digital")
        .and_then(|item| item.bool().map(|value| (item, value)));
    if let Some((item, true)) = &said_digital
        && register.is_some_and(is_float)
    {
        item.problem("digital, but its register holds a number with a fraction");
    }
    let digital = said_digital.map_or(single_bit, |(_, value)| value);
    let inverted = entry.opt("inverted");
    if let Some(item) = &inverted
        && !digital
    {
        item.problem("only a digital point can be inverted");
    }
    let scale = match entry.opt("scale") {
        Some(item) => scale(&item, registers, copy),
        None => Some(Scale::By(1.0)),
    };
    let offset = entry.opt("offset").and_then(|item| item.f64());
    let eu = entry.opt("eu").and_then(|item| word::text(&item));
    let unit_from = entry
        .opt("unit_from")
        .and_then(|item| unit_from(&item, registers, copy, eu.as_deref()));
    if digital {
        for key in ["scale", "offset", "eu", "unit_from", "range", "above"] {
            if let Some(item) = entry.opt(key) {
                item.problem(format!(
                    "a digital point has no `{key}`: its value is true or false"
                ));
            }
        }
    }
    let range = entry.opt("range").and_then(|item| word::range(&item));
    let above = entry
        .opt("above")
        .and_then(|item| item.one_of(&["out-of-range", "over-range"]))
        .and_then(Quality::from_word)
        .unwrap_or(Quality::OUT_OF_RANGE);
    let sentinels = entry
        .opt("sentinels")
        .map_or_else(Vec::new, |item| sentinels(&item, register, digital));
    let status = entry
        .opt("status")
        .map_or_else(Vec::new, |item| statuses(&item, registers, copy, digital));
    let kind = entry.opt("kind").and_then(|item| word::segment(&item));
    let description = entry.opt("description").and_then(|item| word::text(&item));
    let optional = entry.opt("optional").and_then(|item| item.bool());
    Some(Signal {
        name,
        register: value?,
        scale: scale?,
        offset: offset.unwrap_or(0.0),
        unit_from,
        sentinels,
        status,
        range,
        above,
        inverted: inverted.and_then(|item| item.bool()).unwrap_or(false),
        digital,
        kind: kind.unwrap_or_default(),
        eu,
        description: description.map(|text| with_n(&text, copy)),
        optional: optional.unwrap_or(false),
    })
}

fn is_float(register: &Register) -> bool {
    matches!(register.data_type, DataType::F32 | DataType::F64)
}

/// A factor that changes something: finite and not 0.
pub(super) fn factor(item: &Item<'_>) -> Option<f64> {
    let factor = item.f64()?;
    if factor == 0.0 {
        item.problem("0, expected a factor that is not 0");
        return None;
    }
    Some(factor)
}

fn scale(item: &Item<'_>, registers: &Registers, copy: Copy) -> Option<Scale> {
    if !item.is_table() {
        return factor(item).map(Scale::By);
    }
    let table = item.table()?;
    let register = register_of(&table, registers, copy);
    let codes = table
        .req("codes")
        .and_then(|item| word::codes(&item, factor));
    table.finish();
    Some(Scale::From(ScaleFrom {
        register: register?,
        codes: codes?,
    }))
}

fn unit_from(
    item: &Item<'_>,
    registers: &Registers,
    copy: Copy,
    eu: Option<&str>,
) -> Option<UnitFrom> {
    let table = item.table()?;
    let register = register_of(&table, registers, copy);
    let codes = table
        .req("codes")
        .and_then(|item| word::codes(&item, word::text));
    table.finish();
    let from = UnitFrom {
        register: register?,
        codes: codes?,
    };
    if let Some(eu) = eu {
        check_unit(item, &from, eu);
    }
    Some(from)
}

/// Reports a unit that none of the device's units converts into.
pub(super) fn check_unit(item: &Item<'_>, from: &UnitFrom, eu: &str) {
    if !from
        .codes
        .iter()
        .any(|(_, said)| unit::exact(said, eu).is_some())
    {
        let said: Vec<String> = from
            .codes
            .iter()
            .map(|(_, said)| format!("`{said}`"))
            .collect();
        item.problem(format!(
            "none of the device's units ({}) converts exactly into `{eu}`",
            said.join(", ")
        ));
    }
}

/// The register that a table names, as an index; it must hold a whole number.
fn register_of(table: &Table<'_>, registers: &Registers, copy: Copy) -> Option<usize> {
    let item = table.req("register")?;
    let found = registers.index_of(&item, copy)?;
    if registers.right.get(found).is_some_and(is_float) {
        item.problem(format!(
            "`{}` holds a number with a fraction, expected a register with a code",
            with_n(item.str()?, copy)
        ));
        return None;
    }
    Some(found)
}

/// A quality with the value that may stand for the reading meanwhile.
fn stand_in(
    table: &Table<'_>,
    quality: Option<Quality>,
    digital: bool,
) -> Option<(Quality, Option<f64>)> {
    let item = table.opt("reads");
    let reads = item.as_ref().and_then(Item::f64);
    let quality = quality?;
    if let Some(item) = &item {
        if digital {
            item.problem("a digital point has no number to stand in");
            return None;
        }
        if quality.severity() != Severity::Uncertain {
            item.problem(format!(
                "`{}` has no value, expected an uncertain quality as `over-range`",
                quality.word()
            ));
            return None;
        }
        return Some((quality, Some(reads?)));
    }
    Some((quality, None))
}

fn sentinels(item: &Item<'_>, register: Option<&Register>, digital: bool) -> Vec<Sentinel> {
    item.tables()
        .iter()
        .filter_map(|table| {
            let contents = contents(table, register);
            let quality = table.req("quality").and_then(|item| {
                let quality = word::quality(&item)?;
                if quality.is_good() {
                    item.problem("`good`, expected what is wrong with the reading");
                    return None;
                }
                Some(quality)
            });
            let stands = stand_in(table, quality, digital);
            table.finish();
            let (quality, reads) = stands?;
            if reads.is_none() && !quality.is_bad() {
                table.problem(format!(
                    "`{}` without a value, expected `reads` with the value that stands for it, or a bad quality",
                    quality.word()
                ));
                return None;
            }
            let (first, last) = contents?;
            Some(Sentinel {
                first,
                last,
                quality,
                reads,
            })
        })
        .collect()
}

/// The contents that a sentinel means, as unsigned numbers of the register's width: `raw = 0x7FFF`, `raw = [0x7F00, 0x7FFF]` or `value = -9999.0`.
fn contents(table: &Table<'_>, register: Option<&Register>) -> Option<(u64, u64)> {
    if let Some(item) = table.opt("value") {
        let value = item.f64()?;
        let bits = match register?.data_type {
            #[allow(
                clippy::cast_possible_truncation,
                reason = "the nearest single is what the device holds"
            )]
            DataType::F32 => u64::from((value as f32).to_bits()),
            DataType::F64 => value.to_bits(),
            _ => {
                item.problem("`value` is for registers with a fraction, expected `raw`");
                return None;
            }
        };
        return Some((bits, bits));
    }
    let item = table.req("raw")?;
    let register = register?;
    if !item.is_array() {
        let bits = bits_of(&item, register)?.1;
        return Some((bits, bits));
    }
    let ends = item.items();
    let [first, last] = ends.as_slice() else {
        item.problem("expected the lowest and the highest contents, as `[0x7F00, 0x7FFF]`");
        return None;
    };
    let (first, last) = (bits_of(first, register), bits_of(last, register));
    let ((low, first), (high, last)) = (first?, last?);
    if low > high || (low < 0) != (high < 0) {
        item.problem(format!(
            "from {low} to {high}, expected the lower end first and both of one sign"
        ));
        return None;
    }
    Some((first, last))
}

/// A whole number as written, and as the register's contents.
fn bits_of(item: &Item<'_>, register: &Register) -> Option<(i64, u64)> {
    let width = register.bits.map_or_else(
        || register.data_type.width(),
        |bits| bits.last - bits.first + 1,
    );
    let signed = register.bits.is_none()
        && matches!(
            register.data_type,
            DataType::I16 | DataType::I32 | DataType::I64
        );
    let most = if width >= 63 {
        i64::MAX
    } else {
        (1_i64 << width) - 1
    };
    let least = match (signed, width) {
        (false, _) => 0,
        (true, 64) => i64::MIN,
        (true, width) => -(1_i64 << (width - 1)),
    };
    let written = item.int(least..=most)?;
    let mask = u64::MAX >> (64 - u32::from(width));
    Some((written, written.cast_unsigned() & mask))
}

fn statuses(item: &Item<'_>, registers: &Registers, copy: Copy, digital: bool) -> Vec<Status> {
    item.tables()
        .iter()
        .filter_map(|table| {
            let register = register_of(table, registers, copy);
            let codes = table
                .req("codes")
                .and_then(|item| word::codes(&item, |item| meaning(item, digital)));
            let other = match table.opt("other") {
                Some(item) => word::quality(&item),
                None => Some(Quality::BAD),
            };
            table.finish();
            let codes = codes?
                .into_iter()
                .map(|(code, (quality, reads))| CodeQuality {
                    code,
                    quality,
                    reads,
                })
                .collect();
            Some(Status {
                register: register?,
                codes,
                other: other?,
            })
        })
        .collect()
}

/// What a status code means: a quality, or a table with the value that stands for the reading.
fn meaning(item: &Item<'_>, digital: bool) -> Option<(Quality, Option<f64>)> {
    if !item.is_table() {
        return word::quality(item).map(|quality| (quality, None));
    }
    let table = item.table()?;
    let quality = table.req("quality").and_then(|item| word::quality(&item));
    let stands = stand_in(&table, quality, digital);
    table.finish();
    stands
}
