//! A point's readings over time, in a line of text.
//!
//! | written | means, one reading for each period of the point |
//! |---|---|
//! | `20`, `-3.5`, `on`, `off` | a good reading |
//! | `30!over-range` | a reading of that quality |
//! | `!sensor-failure` | no value, and why |
//! | `_` | nothing comes |
//! | `10..30*5` | five readings from 10 to 30: 10 15 20 25 30 |
//! | `20*30`, `_*5`, `!bad*3` | so many times |
//! | `(10 30!bad _)*3` | a row so many times |
//! | `20...` at the end | again and again, until the case ends |

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use telemetry::{Quality, Value};

/// The most readings of one series.
const LEN_MAX: usize = 200_000;

/// What comes in one period of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading {
    /// Nothing.
    Gap,
    /// A reading.
    Says(Option<Value>, Quality),
}

/// A point's readings, one a period.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series {
    readings: Vec<Reading>,
    /// The last one goes on.
    goes_on: bool,
}

/// What is wrong at a byte offset of the text.
#[derive(Debug, PartialEq)]
pub(super) struct SeriesError {
    pub at: usize,
    pub what: String,
}

impl Series {
    /// The reading of a period, counted from 0; none after the end.
    pub(super) fn reading(&self, period: usize) -> Option<Reading> {
        match self.readings.get(period) {
            Some(reading) => Some(*reading),
            None if self.goes_on => self.readings.last().copied(),
            None => None,
        }
    }

    /// Reads a line; `digital` points say `on` and `off`, the others numbers.
    pub(super) fn parse(text: &str, digital: bool) -> Result<Self, SeriesError> {
        let mut series = Self::default();
        let mut group: Option<(usize, Vec<Reading>)> = None;
        for (at, word) in words(text) {
            if series.goes_on {
                return fail(at, "after `...`, expected the end");
            }
            let goes_on = word.strip_suffix("...");
            let word = goes_on.unwrap_or(word);
            series.goes_on = goes_on.is_some();
            if series.goes_on && (word.is_empty() || group.is_some()) {
                return fail(at, "`...` after no reading, expected it as `20...`");
            }
            if let Some(times) = word.strip_prefix(')') {
                let Some((_, row)) = group.take() else {
                    return fail(at, "`)` without `(`");
                };
                let times = match times.strip_prefix('*') {
                    Some(times) => count(times, at)?,
                    None => return fail(at, "`)` without a count, expected it as `)*3`"),
                };
                for _ in 0..times {
                    series.readings.extend(&row);
                    check_len(&series.readings, at)?;
                }
                continue;
            }
            if word == "(" {
                if group.is_some() {
                    return fail(at, "`(` inside `(`, expected one row at a time");
                }
                group = Some((at, Vec::new()));
                continue;
            }
            let into = group.as_mut().map_or(&mut series.readings, |(_, row)| row);
            item(word, at, digital, into)?;
            check_len(into, at)?;
        }
        match group {
            Some((at, _)) => fail(at, "`(` without `)`"),
            None => Ok(series),
        }
    }
}

fn fail<T>(at: usize, what: impl Into<String>) -> Result<T, SeriesError> {
    Err(SeriesError {
        at,
        what: what.into(),
    })
}

fn check_len(readings: &[Reading], at: usize) -> Result<(), SeriesError> {
    if readings.len() > LEN_MAX {
        return fail(at, format!("more than {LEN_MAX} readings"));
    }
    Ok(())
}

/// Words with their offsets; a parenthesis is a word, with the count behind it.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start: Option<usize> = None;
    let close = |found: &mut Vec<_>, start: &mut Option<usize>, end: usize| {
        if let Some(from) = start.take()
            && let Some(word) = text.get(from..end)
        {
            found.push((from, word));
        }
    };
    for (at, character) in text.char_indices() {
        match character {
            '(' => {
                close(&mut found, &mut start, at);
                found.push((at, "("));
            }
            ')' => {
                close(&mut found, &mut start, at);
                start = Some(at);
            }
            space if space.is_whitespace() => close(&mut found, &mut start, at),
            _ => start = start.or(Some(at)),
        }
    }
    close(&mut found, &mut start, text.len());
    found
}

fn item(word: &str, at: usize, digital: bool, into: &mut Vec<Reading>) -> Result<(), SeriesError> {
    let (what, times) = match word.split_once('*') {
        Some((what, times)) => (what, Some(count(times, at + what.len() + 1)?)),
        None => (word, None),
    };
    let times_or_one = times.unwrap_or(1);
    if what == "_" {
        into.extend(core::iter::repeat_n(Reading::Gap, times_or_one));
        return Ok(());
    }
    let (value, quality) = match what.split_once('!') {
        Some((value, word)) => match Quality::from_word(word) {
            Some(quality) => (value, quality),
            None => return fail(at, format!("`{word}` is no quality")),
        },
        None => (what, Quality::GOOD),
    };
    if let Some((from, to)) = value.split_once("..") {
        let Some(times) = times.filter(|times| *times >= 2) else {
            return fail(
                at,
                format!("`{word}` without a count of 2 or more, expected it as `{from}..{to}*5`"),
            );
        };
        let (from, to) = (number(from, at)?, number(to, at)?);
        for step in 0..times {
            let value = between(from, to, step, times - 1);
            into.push(Reading::Says(Some(Value::Number(value)), quality));
        }
        return Ok(());
    }
    let value = match (value, digital) {
        ("", _) if quality.is_bad() => None,
        ("", _) => {
            return fail(
                at,
                format!("`{word}` without a value, expected one before `!`"),
            );
        }
        (_, _) if quality.is_bad() => {
            return fail(at, format!("`{word}`: a bad reading has no value"));
        }
        ("on", true) => Some(Value::Bool(true)),
        ("off", true) => Some(Value::Bool(false)),
        (_, true) => return fail(at, format!("`{value}` of a switch, expected `on` or `off`")),
        (value, false) => Some(Value::Number(number(value, at)?)),
    };
    into.extend(core::iter::repeat_n(
        Reading::Says(value, quality),
        times_or_one,
    ));
    Ok(())
}

fn count(text: &str, at: usize) -> Result<usize, SeriesError> {
    match text.parse() {
        Ok(times) if (1..=LEN_MAX).contains(&times) => Ok(times),
        _ => fail(at, format!("`{text}` is no count")),
    }
}

fn number(text: &str, at: usize) -> Result<f64, SeriesError> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => fail(at, format!("`{text}` is no reading, expected a number")),
    }
}

/// A step of a ramp, to 12 digits.
fn between(from: f64, to: f64, step: usize, last: usize) -> f64 {
    let part = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let value = from + (to - from) * part(step) / part(last);
    format!("{value:.11e}").parse().unwrap_or(value)
}

/// A reading as the timeline shows it.
pub(super) fn describe(reading: Reading) -> String {
    match reading {
        Reading::Gap => "_".to_string(),
        Reading::Says(value, quality) => {
            let value = match value {
                None => String::new(),
                Some(Value::Bool(true)) => "on".to_string(),
                Some(Value::Bool(false)) => "off".to_string(),
                Some(Value::Number(number)) => number.to_string(),
            };
            if quality.is_good() {
                value
            } else {
                format!("{value}!{}", quality.word())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(text: &str, digital: bool) -> String {
        match Series::parse(text, digital) {
            Ok(series) => {
                let readings: Vec<String> = series.readings.into_iter().map(describe).collect();
                let more = if series.goes_on { " ..." } else { "" };
                format!("{}{more}", readings.join(" "))
            }
            Err(error) => format!("{}: {}", error.at, error.what),
        }
    }

    #[test]
    fn a_line_says_what_comes_in_each_period() {
        assert_eq!(
            show("10*2 10..30*3 _*2 !sensor-failure 30!over-range...", false),
            "10 10 10 20 30 _ _ !sensor-failure 30!over-range ..."
        );
        assert_eq!(show("(on off)*2 _ on", true), "on off on off _ on");
        assert_eq!(show("0..0.3*4", false), "0 0.1 0.2 0.3");
    }

    #[test]
    fn what_is_no_reading_is_told_at_its_place() {
        for (text, told) in [
            ("1 x", "2: `x` is no reading, expected a number"),
            (
                "1..5",
                "0: `1..5` without a count of 2 or more, expected it as `1..5*5`",
            ),
            ("1*0", "2: `0` is no count"),
            ("1!bda", "0: `bda` is no quality"),
            ("1!bad", "0: `1!bad`: a bad reading has no value"),
            (
                "!over-range",
                "0: `!over-range` without a value, expected one before `!`",
            ),
            ("(1 2", "0: `(` without `)`"),
            ("1)*2", "1: `)` without `(`"),
            ("(1)", "2: `)` without a count, expected it as `)*3`"),
            ("...", "0: `...` after no reading, expected it as `20...`"),
            ("1... 2", "5: after `...`, expected the end"),
            ("nan", "0: `nan` is no reading, expected a number"),
            ("1*200001", "2: `200001` is no count"),
            ("(1*100000)*3", "9: more than 200000 readings"),
        ] {
            assert_eq!(show(text, false), told, "{text}");
        }
        assert_eq!(
            show("1", true),
            "0: `1` of a switch, expected `on` or `off`"
        );
    }

    proptest! {
        #[test]
        fn any_line_gives_readings_or_an_error_inside_the_line(text in "[0-9.*!_() onfba-]{0,30}|.{0,40}", digital: bool) {
            if let Err(error) = Series::parse(&text, digital) {
                prop_assert!(text.is_char_boundary(error.at));
            }
        }
    }
}
