//! What a register shows over time, and the words that say it.
//!
//! It knows numbers, bits and words; it does not know addresses or requests.

use crate::noise;

/// How a number becomes words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    /// One word, unsigned.
    U16,
    /// One word, two's complement.
    I16,
    /// Two words, unsigned.
    U32,
    /// Two words, two's complement.
    I32,
    /// Two words, IEEE 754 single.
    F32,
    /// Four words, IEEE 754 double.
    F64,
    /// A coil or a discrete input.
    Bit,
}

/// The order of the bytes of a number of several words; `Abcd` is big-endian throughout.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// High word first, high byte first: as the specification has it.
    #[default]
    Abcd,
    /// Low word first, high byte first.
    Cdab,
    /// High word first, low byte first.
    Badc,
    /// Low word first, low byte first.
    Dcba,
}

/// From `at_ms` on the value is `value`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keyframe {
    /// Milliseconds since the scenario began.
    pub at_ms: u64,
    /// The value, in the register's unit before its scale.
    pub value: f64,
    /// The value went there in a straight line from the keyframe before; else it jumps.
    pub ramp: bool,
}

/// Seeded noise on top of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The largest deviation, in the register's unit.
    pub amplitude: f64,
    /// How long one deviation stands, in milliseconds, at least 1.
    pub every_ms: u64,
    /// Rows with different seeds are independent.
    pub seed: u64,
}

/// What a register shows over time.
#[derive(Clone, Debug, PartialEq)]
pub enum Course {
    /// The same words always.
    Words(Vec<u16>),
    /// A number: its keyframes by time, at least one.
    Number {
        /// How it becomes words.
        encoding: Encoding,
        /// In which order its bytes go.
        order: Order,
        /// One count of a register is this much; 1 for floats as a rule.
        scale: f64,
        /// The values by time; before the first one its value stands.
        keyframes: Vec<Keyframe>,
        /// Noise on top.
        noise: Option<Noise>,
    },
}

impl Encoding {
    /// The number of words, or of bits for `Bit`.
    pub fn width(self) -> u16 {
        match self {
            Self::U16 | Self::I16 | Self::Bit => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::F64 => 4,
        }
    }
}

impl Course {
    /// The number of addresses it takes.
    pub fn width(&self) -> usize {
        match self {
            Self::Words(words) => words.len(),
            Self::Number { encoding, .. } => usize::from(encoding.width()),
        }
    }

    /// The words at a time; a bit is 0 or 1.
    pub fn words(&self, at_ms: u64) -> Vec<u16> {
        match self {
            Self::Words(words) => words.clone(),
            Self::Number {
                encoding,
                order,
                scale,
                keyframes,
                noise,
            } => {
                let deviation = noise.map_or(0.0, |noise| {
                    noise.amplitude * noise::at_step(noise.seed, at_ms / noise.every_ms.max(1))
                });
                let value = value_at(keyframes, at_ms) + deviation;
                encode(*encoding, *order, value / scale)
            }
        }
    }
}

fn value_at(keyframes: &[Keyframe], at_ms: u64) -> f64 {
    let next = keyframes.partition_point(|frame| frame.at_ms <= at_ms);
    let Some(before) = next.checked_sub(1).and_then(|index| keyframes.get(index)) else {
        return keyframes.first().map_or(0.0, |frame| frame.value);
    };
    match keyframes.get(next) {
        Some(after) if after.ramp => {
            let share = millis(at_ms - before.at_ms) / millis(after.at_ms - before.at_ms);
            before.value + (after.value - before.value) * share
        }
        _ => before.value,
    }
}

/// Milliseconds as a float; exact up to 49 days.
fn millis(duration: u64) -> f64 {
    f64::from(u32::try_from(duration).unwrap_or(u32::MAX))
}

/// Integers are rounded and stop at the ends of their range.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast stops at the ends of the integer's range, as a sensor does"
)]
fn encode(encoding: Encoding, order: Order, value: f64) -> Vec<u16> {
    let rounded = value.round();
    let bytes: Vec<u8> = match encoding {
        Encoding::Bit => return vec![u16::from(value >= 0.5)],
        Encoding::U16 => (rounded as u16).to_be_bytes().to_vec(),
        Encoding::I16 => (rounded as i16).to_be_bytes().to_vec(),
        Encoding::U32 => (rounded as u32).to_be_bytes().to_vec(),
        Encoding::I32 => (rounded as i32).to_be_bytes().to_vec(),
        Encoding::F32 => (value as f32).to_be_bytes().to_vec(),
        Encoding::F64 => value.to_be_bytes().to_vec(),
    };
    let mut words: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    if matches!(order, Order::Cdab | Order::Dcba) {
        words.reverse();
    }
    if matches!(order, Order::Badc | Order::Dcba) {
        for word in &mut words {
            *word = word.swap_bytes();
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(encoding: Encoding, order: Order, scale: f64, frames: &[(u64, f64, bool)]) -> Course {
        Course::Number {
            encoding,
            order,
            scale,
            keyframes: frames
                .iter()
                .map(|(at_ms, value, ramp)| Keyframe {
                    at_ms: *at_ms,
                    value: *value,
                    ramp: *ramp,
                })
                .collect(),
            noise: None,
        }
    }

    #[test]
    fn a_value_jumps_or_ramps_to_its_keyframe() {
        let frames = [
            (1_000, 10.0, false),
            (3_000, 20.0, true),
            (4_000, 5.0, false),
        ];
        let course = number(Encoding::U16, Order::Abcd, 0.1, &frames);
        for (at_ms, wanted) in [
            (0, 100),
            (1_000, 100),
            (2_000, 150),
            (3_000, 200),
            (3_999, 200),
            (4_000, 50),
            (90_000, 50),
        ] {
            assert_eq!(course.words(at_ms), [wanted], "at {at_ms} ms");
        }
    }

    #[test]
    fn words_and_bytes_take_the_stated_order() {
        for (order, wanted) in [
            (Order::Abcd, [0x4148, 0x1234]),
            (Order::Cdab, [0x1234, 0x4148]),
            (Order::Badc, [0x4841, 0x3412]),
            (Order::Dcba, [0x3412, 0x4841]),
        ] {
            let value = f64::from(f32::from_bits(0x4148_1234));
            let course = number(Encoding::F32, order, 1.0, &[(0, value, false)]);
            assert_eq!(course.words(0), wanted, "{order:?}");
        }
        let course = number(Encoding::I32, Order::Abcd, 1.0, &[(0, -2.0, false)]);
        assert_eq!(course.words(0), [0xFFFF, 0xFFFE]);
        let course = number(Encoding::F64, Order::Abcd, 1.0, &[(0, 1.0, false)]);
        assert_eq!(course.words(0), [0x3FF0, 0, 0, 0]);
    }

    #[test]
    fn an_integer_stops_at_the_ends_of_its_range() {
        for (encoding, value, wanted) in [
            (Encoding::U16, -5.0, 0),
            (Encoding::U16, 70_000.0, 65_535),
            (Encoding::I16, -40_000.0, 0x8000),
            (Encoding::Bit, 0.7, 1),
        ] {
            let course = number(encoding, Order::Abcd, 1.0, &[(0, value, false)]);
            assert_eq!(course.words(0), [wanted]);
        }
    }

    #[test]
    fn noise_stands_for_its_time_and_stays_within_its_amplitude() {
        let mut course = number(Encoding::U16, Order::Abcd, 0.01, &[(0, 100.0, false)]);
        if let Course::Number { noise, .. } = &mut course {
            *noise = Some(Noise {
                amplitude: 2.0,
                every_ms: 500,
                seed: 1,
            });
        }
        let seen: Vec<u16> = (0..100).map(|step| course.words(step * 500)[0]).collect();
        assert!(seen.iter().all(|word| (9_800..=10_200).contains(word)));
        assert!(seen.windows(2).any(|pair| pair[0] != pair[1]));
        assert_eq!(course.words(499), course.words(0));
    }
}
