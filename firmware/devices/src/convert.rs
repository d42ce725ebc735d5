//! From a register's words to a value and a quality.
//!
//! A fault code, a sentinel, a contradiction with the configuration: each becomes a quality, never a number.

use telemetry::{Quality, Severity, Value, unit};

use crate::{DataType, Register, Scale, Signal};

/// How far outside its range a reading may be before it is no reading, as a share of the range.
const TOLERANCE: f64 = 0.01;

/// A register's contents as an unsigned number: words and bytes put in order, the wanted bits taken out.
///
/// `words` are those of the register, as many as it counts; missing ones count as 0.
pub fn raw_of_words(register: &Register, words: &[u16]) -> u64 {
    let n_words = usize::from(register.count());
    let mut raw = 0_u64;
    for position in 0..n_words {
        let idx = if register.order.swaps_words() {
            n_words - 1 - position
        } else {
            position
        };
        let word = words.get(idx).copied().unwrap_or(0);
        let word = if register.order.swaps_bytes() {
            word.swap_bytes()
        } else {
            word
        };
        raw = raw << 16 | u64::from(word);
    }
    match register.bits {
        Some(bits) => {
            let width = bits.last - bits.first + 1;
            let mask = u64::MAX >> (64 - u32::from(width));
            raw >> bits.first & mask
        }
        None => raw,
    }
}

/// What to write into an output's register: 1 or 0 into a coil or a register, the other way round where the signal is inverted.
///
/// It is what [`reading`] reads as `on`.
pub fn written(signal: &Signal, register: &Register, on: bool) -> u16 {
    let contents = u16::from(on != signal.inverted);
    if register.order.swaps_bytes() && !register.function.is_bits() {
        contents.swap_bytes()
    } else {
        contents
    }
}

/// The number that a register's contents mean, before scaling.
///
/// # Errors
/// The quality of contents that are no number: NaN and infinity, digits that are not decimal.
pub fn number(register: &Register, raw: u64) -> Result<f64, Quality> {
    if register.bits.is_some() {
        return Ok(of_u64(raw));
    }
    let bytes = raw.to_be_bytes();
    let [.., b4, b5, b6, b7] = bytes;
    let number = match register.data_type {
        DataType::Bit | DataType::U16 | DataType::U32 | DataType::U64 => of_u64(raw),
        DataType::I16 => f64::from(i16::from_be_bytes([b6, b7])),
        DataType::I32 => f64::from(i32::from_be_bytes([b4, b5, b6, b7])),
        DataType::I64 => {
            let signed = i64::from_be_bytes(bytes);
            let magnitude = of_u64(signed.unsigned_abs());
            if signed < 0 { -magnitude } else { magnitude }
        }
        DataType::F32 => f64::from(f32::from_be_bytes([b4, b5, b6, b7])),
        DataType::F64 => f64::from_be_bytes(bytes),
        DataType::Bcd16 => of_u64(of_bcd(raw, 4)?),
        DataType::Bcd32 => of_u64(of_bcd(raw, 8)?),
    };
    if number.is_finite() {
        Ok(number)
    } else {
        Err(Quality::SENSOR_FAILURE)
    }
}

/// What a signal reads: its value, if it has one, and how far to trust it.
///
/// `raw` gives the contents of a register of the profile by its index, or the quality of why it could not be read.
pub fn reading(
    signal: &Signal,
    registers: &[Register],
    raw: &dyn Fn(usize) -> Result<u64, Quality>,
) -> (Option<Value>, Quality) {
    match try_reading(signal, registers, raw) {
        Ok((value, quality)) if !quality.is_bad() => (Some(value), quality),
        Ok((_, quality)) | Err(quality) => (None, quality),
    }
}

fn try_reading(
    signal: &Signal,
    registers: &[Register],
    raw: &dyn Fn(usize) -> Result<u64, Quality>,
) -> Result<(Value, Quality), Quality> {
    let contents = raw(signal.register)?;
    let register = registers
        .get(signal.register)
        .ok_or(Quality::CONFIGURATION)?;
    let mut quality = Quality::GOOD;
    let mut stands_for = None;
    for status in &signal.status {
        let code = raw(status.register)?;
        let known = status.codes.iter().find(|known| known.code == code);
        let (says, reads) =
            known.map_or((status.other, None), |known| (known.quality, known.reads));
        if rank(says) > rank(quality) {
            (quality, stands_for) = (says, reads);
        }
    }
    if quality.is_bad() {
        return Err(quality);
    }
    let sentinel = signal
        .sentinels
        .iter()
        .find(|sentinel| (sentinel.first..=sentinel.last).contains(&contents));
    if let Some(sentinel) = sentinel {
        let value = sentinel.reads.ok_or(sentinel.quality)?;
        return Ok((Value::Number(value), worse(quality, sentinel.quality)));
    }
    if let Some(value) = stands_for {
        return Ok((Value::Number(value), quality));
    }
    if signal.digital {
        return Ok((Value::Bool((contents != 0) != signal.inverted), quality));
    }
    let factor = match &signal.scale {
        Scale::By(factor) => *factor,
        Scale::From(from) => {
            let code = raw(from.register)?;
            of_code(&from.codes, code).copied()?
        }
    };
    let mut value = scaled(number(register, contents)?, factor) + signal.offset;
    if let Some(from) = &signal.unit_from {
        let code = raw(from.register)?;
        let said = of_code(&from.codes, code)?;
        let wanted = signal.eu.as_deref().ok_or(Quality::CONFIGURATION)?;
        value = unit::exact(said, wanted)
            .ok_or(Quality::CONFIGURATION)?
            .apply(value);
    }
    if !value.is_finite() {
        return Err(Quality::SENSOR_FAILURE);
    }
    if let Some(range) = signal.range {
        let margin = (range.high - range.low) * TOLERANCE;
        if value < range.low - margin {
            return Err(Quality::OUT_OF_RANGE);
        }
        // A device that says "over-range" itself has a real high value, not a broken wire.
        if value > range.high + margin && quality != Quality::OVER_RANGE {
            quality = worse(quality, signal.above);
        }
    }
    Ok((Value::Number(value), quality))
}

/// `number` × `factor`; where the factor is one over a whole number, a division, so that 57 × 0.1 is the number that people write as 5.7.
fn scaled(number: f64, factor: f64) -> f64 {
    let whole = libm::round(1.0 / factor);
    #[allow(
        clippy::float_cmp,
        reason = "asks whether the factor is exactly 1/whole"
    )]
    if libm::fabs(factor) < 1.0 && 1.0 / whole == factor {
        number / whole
    } else {
        number * factor
    }
}

fn of_code<T>(codes: &[(u64, T)], code: u64) -> Result<&T, Quality> {
    codes
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, meaning)| meaning)
        .ok_or(Quality::CONFIGURATION)
}

fn of_bcd(raw: u64, n_digits: u32) -> Result<u64, Quality> {
    let mut number = 0;
    for position in (0..n_digits).rev() {
        let digit = raw >> (4 * position) & 0xF;
        if digit > 9 {
            return Err(Quality::DEVICE_FAILURE);
        }
        number = number * 10 + digit;
    }
    Ok(number)
}

/// The nearest number; exact up to 2⁵³.
#[allow(clippy::cast_precision_loss, reason = "rounds to the nearest")]
fn of_u64(whole: u64) -> f64 {
    whole as f64
}

fn rank(quality: Quality) -> u8 {
    match quality.severity() {
        Severity::Good => u8::from(quality != Quality::GOOD),
        Severity::Uncertain => 2,
        Severity::Bad => 3,
    }
}

/// The worse of two qualities; of two that are equally bad, the first.
fn worse(first: Quality, second: Quality) -> Quality {
    if rank(second) > rank(first) {
        second
    } else {
        first
    }
}

#[cfg(test)]
mod tests;
