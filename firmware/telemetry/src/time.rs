//! UTC in milliseconds, written as RFC 3339 with `Z`.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UtcMs(pub i64);

/// Why a text is no time.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("no time, expected UTC as 2026-11-23T08:00:00.000Z")]
pub struct TimeError;

const DAY_MS: i64 = 86_400_000;

impl UtcMs {
    /// This time and `duration_ms` more; stops at the ends of the range.
    #[must_use]
    pub fn plus_ms(self, duration_ms: u64) -> Self {
        Self(self.0.saturating_add_unsigned(duration_ms))
    }

    /// This time less `duration_ms`; stops at the ends of the range.
    #[must_use]
    pub fn minus_ms(self, duration_ms: u64) -> Self {
        Self(self.0.saturating_sub_unsigned(duration_ms))
    }

    /// Milliseconds from `earlier` to this; 0 when this is before it.
    pub fn since_ms(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for UtcMs {
    /// `2026-11-23T08:00:00.000Z` for the years 0 to 9999.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0.div_euclid(DAY_MS));
        let ms = self.0.rem_euclid(DAY_MS);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1_000 % 60,
            ms % 1_000
        )
    }
}

impl FromStr for UtcMs {
    type Err = TimeError;

    /// Reads `2026-11-23T08:00:00Z` with any number of decimals; those beyond milliseconds are cut.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Result<i64, TimeError> {
            let digits = bytes.get(from..to).ok_or(TimeError)?;
            digits.iter().try_fold(0, |sum, digit| {
                digit
                    .is_ascii_digit()
                    .then(|| sum * 10 + i64::from(digit - b'0'))
                    .ok_or(TimeError)
            })
        };
        let is = |at: usize, wanted: u8| bytes.get(at) == Some(&wanted);
        if !(is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':')) {
            return Err(TimeError);
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let end = bytes.len().checked_sub(1).ok_or(TimeError)?;
        let ms = match (end, is(end, b'Z')) {
            (19, true) => 0,
            (21.., true) if is(19, b'.') => {
                number(20, end)?;
                let kept = end.min(23);
                number(20, kept)? * [100, 10, 1][kept - 21]
            }
            _ => return Err(TimeError),
        };
        let days = days_from_civil(year, month, day);
        if civil_from_days(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
            return Err(TimeError);
        }
        Ok(Self(
            days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms,
        ))
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar: a year begins in March, so that the leap day is its last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_instants_read_and_write_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_420_799_999, "2026-11-23T07:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(UtcMs(ms).to_string(), text);
            assert_eq!(text.parse(), Ok(UtcMs(ms)));
        }
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(UtcMs(1_000)));
        assert_eq!("1970-01-01T00:00:01.23456Z".parse(), Ok(UtcMs(1_234)));
    }

    #[test]
    fn what_is_no_utc_time_is_refused() {
        for text in [
            "",
            "Z",
            "2026-11-23",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T08:00:00+08:00",
            "2026-11-23T08:00:00.Z",
            "2026-11-23T08:00:00.1x2Z",
            "2026-11-23 08:00:00Z",
        ] {
            assert_eq!(text.parse::<UtcMs>(), Err(TimeError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_of_ten_thousand_years_survives_a_round_trip(ms in -62_167_219_200_000_i64..253_402_300_800_000) {
            prop_assert_eq!(UtcMs(ms).to_string().parse(), Ok(UtcMs(ms)));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            if let Ok(time) = text.parse::<UtcMs>() {
                prop_assert_eq!(time.to_string().parse(), Ok(time));
            }
        }
    }
}
