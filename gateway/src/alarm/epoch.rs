//! An epoch: the ULID under which event numbers count.
//!
//! Knows its text form and its order; knows no clock and no source of chance.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use telemetry::UtcMs;
use thiserror::Error;

/// A ULID: 48 bits of milliseconds, 80 bits of chance. Later epochs sort after earlier ones, as numbers and as text.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Epoch(pub u128);

/// Why a text is no epoch.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("no epoch, expected a ULID of 26 characters")]
pub struct EpochError;

/// Crockford's base 32.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHANCE_BITS: u32 = 80;

impl Epoch {
    /// An epoch that begins now and sorts after `before`, also when the clock went back. `chance` is 80 random bits; more are cut.
    pub fn after(before: Option<Self>, chance: u128, now: UtcMs) -> Self {
        let time = u128::try_from(now.0).unwrap_or(0) & ((1 << 48) - 1);
        let fresh = time << CHANCE_BITS | (chance & ((1 << CHANCE_BITS) - 1));
        match before {
            Some(Self(before)) if fresh <= before => Self(before.saturating_add(1)),
            _ => Self(fresh),
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; 26];
        let mut rest = self.0;
        for character in text.iter_mut().rev() {
            let digit = usize::try_from(rest & 31).expect("five bits are below 32");
            *character = ALPHABET[digit];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl FromStr for Epoch {
    type Err = EpochError;

    fn from_str(text: &str) -> Result<Self, EpochError> {
        if text.len() != 26 {
            return Err(EpochError);
        }
        let mut number: u128 = 0;
        for character in text.bytes() {
            let digit = ALPHABET
                .iter()
                .position(|known| *known == character.to_ascii_uppercase());
            let digit = digit.and_then(|digit| u128::try_from(digit).ok());
            number = number
                .checked_mul(32)
                .and_then(|number| number.checked_add(digit?))
                .ok_or(EpochError)?;
        }
        Ok(Self(number))
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_the_ulid_of_its_specification() {
        // https://github.com/ulid/spec: 01ARZ3NDEKTSV4RRFFQ69G5FAV is of 2016-07-30T23:54:10.259Z.
        let epoch: Epoch = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        assert_eq!(epoch.0 >> CHANCE_BITS, 1_469_922_850_259);
        assert_eq!(epoch.to_string(), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(Epoch(u128::MAX).to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        for text in [
            "",
            "01ARZ3NDEKTSV4RRFFQ69G5FA",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "01ARZ3NDEKTSV4RRFFQ69G5FAU",
        ] {
            assert_eq!(text.parse::<Epoch>(), Err(EpochError), "{text}");
        }
    }

    #[test]
    fn a_clock_that_went_back_still_gives_a_later_epoch() {
        let first = Epoch::after(None, 7, UtcMs(2_000));
        let second = Epoch::after(Some(first), 3, UtcMs(1_000));
        assert!(second > first);
        assert!(Epoch::after(Some(second), 0, UtcMs(3_000)) > second);
    }

    proptest! {
        #[test]
        fn text_and_number_are_one_and_sort_alike(a: u128, b: u128) {
            prop_assert_eq!(Epoch(a).to_string().parse(), Ok(Epoch(a)));
            prop_assert_eq!(a.cmp(&b), Epoch(a).to_string().cmp(&Epoch(b).to_string()));
        }
    }
}
