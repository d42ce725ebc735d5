//! What several keys share: names, qualities, codes, ranges, places on the map.

use std::borrow::ToOwned;
use std::format;
use std::string::String;
use std::vec::Vec;

use ::front::{Item, Table, nearest};
use telemetry::{Quality, check_segment};

use crate::{Position, Range};

/// The qualities that a file may give to a code.
const QUALITIES: [Quality; 15] = [
    Quality::GOOD,
    Quality::GOOD_LOCAL_OVERRIDE,
    Quality::UNCERTAIN,
    Quality::NOT_ACCURATE,
    Quality::OVER_RANGE,
    Quality::CALIBRATION,
    Quality::BAD,
    Quality::COMM_ERROR,
    Quality::CONFIGURATION,
    Quality::NOT_CONNECTED,
    Quality::DEVICE_FAILURE,
    Quality::SENSOR_FAILURE,
    Quality::OUT_OF_SERVICE,
    Quality::OUT_OF_RANGE,
    Quality::WARMING_UP,
];

/// A name in the alphabet of names.
pub(super) fn segment(item: &Item<'_>) -> Option<String> {
    let text = item.str()?;
    match check_segment(text) {
        Ok(()) => Some(text.to_owned()),
        Err(error) => {
            item.problem(format!("{error}"));
            None
        }
    }
}

/// `{ key = "word" }`: what is known of a point beside its kind, sorted by key.
pub(super) fn attributes(table: &Table<'_>) -> Option<Vec<(String, String)>> {
    let table = table.opt("attributes")?.table()?;
    let mut found = Vec::new();
    for (key, item) in table.entries() {
        if let Err(error) = check_segment(key) {
            item.problem(format!("{error}"));
        } else if let Some(word) = text(&item) {
            found.push((key.to_owned(), word));
        }
    }
    found.sort();
    Some(found)
}

/// A text that says something.
pub(super) fn text(item: &Item<'_>) -> Option<String> {
    let text = item.str()?;
    if text.trim().is_empty() {
        item.problem("empty, expected a text");
        return None;
    }
    Some(text.to_owned())
}

/// A quality by its word.
pub(super) fn quality(item: &Item<'_>) -> Option<Quality> {
    let words: Vec<&str> = QUALITIES.iter().map(|quality| quality.word()).collect();
    item.one_of(&words).and_then(Quality::from_word)
}

/// A range as `[low, high]`.
pub(super) fn range(item: &Item<'_>) -> Option<Range> {
    let items = item.items();
    if !item.is_array() {
        return None;
    }
    let [low, high] = items.as_slice() else {
        item.problem("expected two numbers, as `[0, 100]`");
        return None;
    };
    let (low, high) = (low.f64(), high.f64());
    let (low, high) = (low?, high?);
    if low >= high {
        item.problem(format!(
            "from {low} to {high}, expected the lower end first and the higher end above it"
        ));
        return None;
    }
    Some(Range { low, high })
}

/// A table of codes, as `{ 0 = …, 0x10 = … }`, with what reads each meaning.
pub(super) fn codes<T>(
    item: &Item<'_>,
    meaning: impl Fn(&Item<'_>) -> Option<T>,
) -> Option<Vec<(u64, T)>> {
    let table = item.table()?;
    let entries = table.entries();
    if entries.is_empty() {
        item.problem("empty, expected a code with its meaning, as `{ 0 = … }`");
        return None;
    }
    let mut codes: Vec<(u64, T)> = Vec::new();
    let mut whole = true;
    for (key, value) in entries {
        let code = match key.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => key.parse().ok(),
        };
        match code {
            None => {
                value.problem("the key is no code, expected a whole number, as `3` or `0x10`");
                whole = false;
            }
            Some(code) if codes.iter().any(|(known, _)| *known == code) => {
                value.problem(format!("the code {code} is here twice"));
                whole = false;
            }
            Some(code) => match meaning(&value) {
                Some(meaning) => codes.push((code, meaning)),
                None => whole = false,
            },
        }
    }
    whole.then_some(codes)
}

/// A position from the keys `lon`, `lat` and `datum` of a table.
pub(super) fn position(table: &Table<'_>) -> Option<Position> {
    let degrees = |key: &str, most: f64| {
        let item = table.opt(key)?;
        let degrees = item.f64()?;
        if degrees.abs() > most {
            item.problem(format!(
                "{degrees}, expected degrees from -{most} to {most}"
            ));
            return None;
        }
        Some(degrees)
    };
    let (lon, lat) = (degrees("lon", 180.0), degrees("lat", 90.0));
    let datum = table.opt("datum").and_then(|item| text(&item));
    match (lon, lat) {
        (Some(lon), Some(lat)) => Some(Position {
            lon,
            lat,
            datum: datum.unwrap_or_else(|| "CGCS2000".to_owned()),
        }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            if table.opt("lon").is_none() || table.opt("lat").is_none() {
                table.problem("`lon` and `lat` belong together, expected both or neither");
            }
            None
        }
    }
}

/// The index of a name, or a problem with the nearest known one.
pub(super) fn index_of(item: &Item<'_>, name: &str, what: &str, known: &[&str]) -> Option<usize> {
    let found = known.iter().position(|candidate| *candidate == name);
    if found.is_none() {
        let hint = nearest(name, known.iter().copied()).map_or_else(
            || match known {
                [] => "and there is none".to_owned(),
                known => {
                    let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                    format!("expected one of {}", list.join(", "))
                }
            },
            |near| format!("did you mean `{near}`?"),
        );
        item.problem(format!("no {what} is called `{name}`, {hint}"));
    }
    found
}
