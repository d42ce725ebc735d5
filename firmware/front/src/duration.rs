//! Durations as people write them: `250ms`, `5s`, `10min`, `24h`.

use std::fmt;

/// Why a text is no duration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DurationError(String);

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no duration, expected a whole number and a unit, as `250ms`, `5s`, `10min` or `24h`",
            self.0.chars().take(80).collect::<String>()
        )
    }
}

impl std::error::Error for DurationError {}

/// Reads a duration into milliseconds.
///
/// # Errors
/// A text that is not a whole number followed by `ms`, `s`, `min` or `h`, or that is longer than 100 years.
pub fn parse_duration_ms(text: &str) -> Result<u64, DurationError> {
    const LONGEST_MS: u64 = 100 * 366 * 24 * 3_600_000;
    let error = || DurationError(text.to_owned());
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| error())?;
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(error()),
    };
    number
        .checked_mul(scale)
        .filter(|duration| *duration <= LONGEST_MS)
        .ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_the_four_units_of_the_contract() {
        assert_eq!(parse_duration_ms("250ms"), Ok(250));
        assert_eq!(parse_duration_ms("5s"), Ok(5_000));
        assert_eq!(parse_duration_ms("10min"), Ok(600_000));
        assert_eq!(parse_duration_ms("24h"), Ok(86_400_000));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "5m",
            "-5s",
            "5 s",
            "1.5s",
            "99999999999999999999s",
            "900000000h",
        ] {
            assert!(parse_duration_ms(text).is_err(), "{text}");
        }
    }
}
