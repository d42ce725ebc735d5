//! Calendars as they are written.

use std::format;
use std::string::String;
use std::vec::Vec;

use front::{Item, Table};

use super::{Placed, name};
use crate::calendar::{Calendar, YearDay, day_of};

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// China has one time, without summer time.
const ZONE_MINUTES: i16 = 480;

/// A calendar with its name.
#[derive(Clone, Debug)]
pub struct NamedCalendar<'a> {
    /// Its name.
    pub name: Placed<'a, String>,
    /// When it holds.
    pub calendar: Calendar,
}

impl<'a> NamedCalendar<'a> {
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let name = table
            .req("name")
            .and_then(|item| Some(Placed::new(name(&item)?, item)));
        let yearly = list(table, "yearly", |item| {
            range(item, "06-01 .. 09-30", year_day)
        });
        let dates = list(table, "dates", |item| {
            let (from, to) = range(item, "2026-10-01 .. 2026-10-07", date)?;
            if from > to {
                item.problem("the first date is after the last");
                return None;
            }
            Some((from, to))
        });
        let weekdays = match table.opt("weekdays") {
            None => Some(0b111_1111),
            Some(_) => list(table, "weekdays", |item| {
                let word = item.one_of(&WEEKDAYS)?;
                WEEKDAYS.iter().position(|day| *day == word)
            })
            .map(|days| days.into_iter().fold(0, |all, day| all | 1_u8 << day)),
        };
        let daily = table.opt("daily").map(|item| {
            let (from, until) = range(&item, "22:00 .. 06:00", minute)?;
            if from == until {
                item.problem("begins when it ends, expected two times, or none for all day");
                return None;
            }
            Some((from, until))
        });
        let zone = table.opt("zone").map(|item| zone(&item));
        table.finish();
        Some(Self {
            name: name?,
            calendar: Calendar {
                zone_minutes: zone.unwrap_or(Some(ZONE_MINUTES))?,
                yearly: yearly?,
                dates: dates?,
                weekdays: weekdays?,
                daily: match daily {
                    None => None,
                    Some(daily) => Some(daily?),
                },
            },
        })
    }
}

/// A list under a key, empty where there is none; `None` when an entry is wrong.
fn list<'a, T>(
    table: &Table<'a>,
    key: &str,
    read: impl Fn(&Item<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(item) = table.opt(key) else {
        return Some(Vec::new());
    };
    let items = item.items();
    if items.is_empty() {
        if item.is_array() {
            item.problem("empty, expected at least one entry, or the key left out");
        }
        return None;
    }
    let n_items = items.len();
    let read: Vec<T> = items.iter().filter_map(read).collect();
    (read.len() == n_items).then_some(read)
}

/// `from .. to`.
fn range<T>(item: &Item<'_>, example: &str, read: fn(&str) -> Option<T>) -> Option<(T, T)> {
    let text = item.str()?;
    let range = text
        .split_once("..")
        .and_then(|(from, to)| Some((read(from.trim())?, read(to.trim())?)));
    if range.is_none() {
        item.problem(format!(
            "`{text}`, expected two with `..` between, as `{example}`"
        ));
    }
    range
}

fn number<T: core::str::FromStr>(text: &str, digits: usize) -> Option<T> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// `06-01`; the 29th of February is one.
fn year_day(text: &str) -> Option<YearDay> {
    let (month, day) = text.split_once('-')?;
    let (month, day) = (number(month, 2)?, number(day, 2)?);
    day_of(2024, month, day)?;
    Some(YearDay { month, day })
}

/// `2026-10-01`.
pub(crate) fn date(text: &str) -> Option<i32> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    day_of(number(year, 4)?, number(month, 2)?, number(day, 2)?)
}

/// `22:00`.
pub(crate) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (number(hour, 2)?, number(minute, 2)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// `+08:00`.
fn zone(item: &Item<'_>) -> Option<i16> {
    let text = item.str()?;
    let ahead = match text.get(..1) {
        Some("+") => Some(1),
        Some("-") => Some(-1),
        _ => None,
    };
    let minutes = text
        .get(1..)
        .and_then(minute)
        .and_then(|minutes| i16::try_from(minutes).ok());
    let zone = ahead.zip(minutes).map(|(sign, minutes)| sign * minutes);
    if zone.is_none_or(|zone| zone.abs() > 14 * 60) {
        item.problem(format!(
            "`{text}` is no time zone, expected one as `+08:00`"
        ));
        return None;
    }
    zone
}
