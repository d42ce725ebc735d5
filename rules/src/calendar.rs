//! Calendars: when a policy holds, such as the flood season or a night, in local time.
//!
//! Pure reckoning: given a time, whether it holds and when to look again.

use alloc::vec::Vec;

use telemetry::UtcMs;

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;
const EVERY_DAY: u8 = 0b111_1111;
/// 2000-01-01, as days since 1970-01-01: that year has every day that a year may have.
const LEAP_YEAR: i64 = 10_957;

/// A month and a day, as `06-01`; ordered as in a year.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct YearDay {
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// Times at which a policy holds: on days of the year or on dates, of those only on days of the week, of those only in hours of the day.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Calendar {
    /// Minutes that local time is ahead of UTC; fixed over the year. China: 480.
    pub zone_minutes: i16,
    /// From the first day to the last of each pair, both taken in, every year; over the new year when the first is the later.
    pub yearly: Vec<(YearDay, YearDay)>,
    /// The same on dates, as days since 1970-01-01. Without any of these and of `yearly`: every day.
    pub dates: Vec<(i32, i32)>,
    /// Days of the week, Monday the lowest bit; `0b111_1111`: all.
    pub weekdays: u8,
    /// From one minute of the day until before another, over midnight when the first is the later; none: all day.
    pub daily: Option<(u16, u16)>,
}

impl Calendar {
    /// True while it holds.
    pub fn holds(&self, now: UtcMs) -> bool {
        let minutes = self.local_minutes(now);
        let day = minutes.div_euclid(DAY_MINUTES);
        let minute = minutes.rem_euclid(DAY_MINUTES);
        let in_hours = self.daily.is_none_or(|(from, until)| {
            let (from, until) = (i64::from(from), i64::from(until));
            if from < until {
                (from..until).contains(&minute)
            } else {
                minute >= from || minute < until
            }
        });
        in_hours && self.takes_weekday(day) && self.takes_day(day)
    }

    /// The first time after `now` at which it may change: a midnight, or the begin or end of its hours.
    pub fn next_look(&self, now: UtcMs) -> UtcMs {
        let minutes = self.local_minutes(now);
        let day = minutes.div_euclid(DAY_MINUTES) * DAY_MINUTES;
        let minute = minutes - day;
        let (from, until) = self.daily.unwrap_or((0, 0));
        let next = [i64::from(from), i64::from(until), DAY_MINUTES]
            .into_iter()
            .filter(|look| *look > minute)
            .min()
            .unwrap_or(DAY_MINUTES);
        UtcMs((day + next - i64::from(self.zone_minutes)).saturating_mul(MINUTE_MS))
    }

    /// Whether it holds at all times, or never; none where that changes.
    pub fn always(&self) -> Option<bool> {
        let has_days = !self.yearly.is_empty();
        let mut dates = self.dates.iter().flat_map(|(from, to)| *from..=*to);
        let on_some_day = has_days
            || self.dates.is_empty()
            || dates.any(|day| self.takes_weekday(i64::from(day)));
        if self.weekdays & EVERY_DAY == 0 || !on_some_day {
            return Some(false);
        }
        let on_every_day = match has_days {
            true => (LEAP_YEAR..LEAP_YEAR + 366).all(|day| self.takes_yearly(day)),
            false => self.dates.is_empty(),
        };
        let always = on_every_day && self.weekdays & EVERY_DAY == EVERY_DAY && self.daily.is_none();
        always.then_some(true)
    }

    /// 1970-01-01 was a Thursday.
    fn takes_weekday(&self, day: i64) -> bool {
        self.weekdays >> (day + 3).rem_euclid(7) & 1 == 1
    }

    fn local_minutes(&self, now: UtcMs) -> i64 {
        now.0.div_euclid(MINUTE_MS) + i64::from(self.zone_minutes)
    }

    fn takes_day(&self, day: i64) -> bool {
        if self.yearly.is_empty() && self.dates.is_empty() {
            return true;
        }
        let in_dates = |(from, to): &(i32, i32)| (i64::from(*from)..=i64::from(*to)).contains(&day);
        self.takes_yearly(day) || self.dates.iter().any(in_dates)
    }

    fn takes_yearly(&self, day: i64) -> bool {
        let (_, month, of_month) = civil(day);
        let today = YearDay {
            month,
            day: of_month,
        };
        self.yearly.iter().any(|(from, to)| {
            if from <= to {
                (*from..=*to).contains(&today)
            } else {
                today >= *from || today <= *to
            }
        })
    }
}

/// Year, month and day of a day since 1970-01-01 (Gregorian; days from the civil calendar's era of 400 years).
pub(crate) fn civil(day: i64) -> (i64, u8, u8) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March, so that the leap day is the last of the year.
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |number: i64| u8::try_from(number).unwrap_or(0);
    (year, small(month), small(of_month))
}

/// The day since 1970-01-01 of a date; none when there is no such date.
pub fn day_of(year: i64, month: u8, day: u8) -> Option<i32> {
    if !(1..=12).contains(&month) || !(1970..=9999).contains(&year) {
        return None;
    }
    let years = if month <= 2 { year - 1 } else { year };
    let era = years.div_euclid(400);
    let year_of_era = years.rem_euclid(400);
    let from_march = (i64::from(month) + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + i64::from(day) - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let since = era * 146_097 + of_era - 719_468;
    (civil(since) == (year, month, day))
        .then(|| i32::try_from(since).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn calendar() -> Calendar {
        Calendar {
            zone_minutes: 480,
            yearly: Vec::new(),
            dates: Vec::new(),
            weekdays: EVERY_DAY,
            daily: None,
        }
    }

    fn yd(month: u8, day: u8) -> YearDay {
        YearDay { month, day }
    }

    /// Local time in China.
    fn at(year: i64, month: u8, day: u8, hour: i64, minute: i64) -> UtcMs {
        let days = i64::from(day_of(year, month, day).unwrap());
        UtcMs(((days * 24 + hour - 8) * 60 + minute) * MINUTE_MS)
    }

    #[test]
    fn a_season_begins_and_ends_at_local_midnight() {
        let flood = Calendar {
            yearly: vec![(yd(6, 1), yd(9, 30))],
            ..calendar()
        };
        assert!(!flood.holds(UtcMs(at(2026, 6, 1, 0, 0).0 - 1)));
        assert!(flood.holds(at(2026, 6, 1, 0, 0)));
        assert!(flood.holds(at(2027, 9, 30, 23, 59)));
        assert!(!flood.holds(at(2027, 10, 1, 0, 0)));
    }

    #[test]
    fn a_season_may_run_over_the_new_year_and_a_night_over_midnight() {
        let winter_nights = Calendar {
            yearly: vec![(yd(12, 1), yd(2, 28))],
            daily: Some((22 * 60, 6 * 60)),
            ..calendar()
        };
        assert!(winter_nights.holds(at(2026, 12, 31, 23, 0)));
        assert!(winter_nights.holds(at(2027, 1, 1, 5, 59)));
        assert!(!winter_nights.holds(at(2027, 1, 1, 6, 0)));
        assert!(!winter_nights.holds(at(2027, 3, 1, 23, 0)));
    }

    #[test]
    fn dates_and_days_of_the_week_narrow_it() {
        let day = |day| day_of(2026, 10, day).unwrap();
        let holidays = Calendar {
            dates: vec![(day(1), day(7))],
            ..calendar()
        };
        assert!(holidays.holds(at(2026, 10, 7, 23, 59)));
        assert!(!holidays.holds(at(2027, 10, 7, 12, 0)));
        let sundays = Calendar {
            weekdays: 0b100_0000,
            ..calendar()
        };
        assert!(sundays.holds(at(2026, 11, 29, 12, 0)));
        assert!(!sundays.holds(at(2026, 11, 30, 12, 0)));
    }

    #[test]
    fn a_date_that_is_none_is_none() {
        assert_eq!(day_of(1970, 1, 1), Some(0));
        assert_eq!(day_of(2024, 2, 29), Some(19_782));
        for (year, month, day) in [
            (2026, 2, 29),
            (2026, 4, 31),
            (2026, 13, 1),
            (2026, 0, 1),
            (2026, 1, 0),
        ] {
            assert_eq!(day_of(year, month, day), None);
        }
    }

    #[test]
    fn what_holds_at_all_times_or_never_is_known_as_such() {
        let always = |change: fn(&mut Calendar)| {
            let mut changed = calendar();
            change(&mut changed);
            changed.always()
        };
        assert_eq!(always(|_| ()), Some(true));
        assert_eq!(
            always(|it| it.yearly = vec![(yd(10, 1), yd(9, 30))]),
            Some(true)
        );
        let halves = |it: &mut Calendar| {
            it.yearly = vec![(yd(3, 1), yd(9, 30)), (yd(10, 1), yd(2, 29))];
        };
        assert_eq!(always(halves), Some(true));
        // A leap day is missing.
        let nearly = |it: &mut Calendar| it.yearly = vec![(yd(3, 1), yd(2, 28))];
        assert_eq!(always(nearly), None);
        assert_eq!(always(|it| it.daily = Some((0, 1_439))), None);
        assert_eq!(always(|it| it.weekdays = 0b011_1111), None);
        // 2026-10-05 to 2026-10-09 are Monday to Friday.
        let week = |it: &mut Calendar| {
            it.dates = vec![(20_731, 20_735)];
            it.weekdays = 0b110_0000;
        };
        assert_eq!(day_of(2026, 10, 5), Some(20_731));
        assert_eq!(always(week), Some(false));
        assert_eq!(always(|it| it.dates = vec![(20_731, 20_735)]), None);
    }

    proptest! {
        #[test]
        fn every_day_is_its_own_date(day in 0_i64..2_000_000) {
            let (year, month, of_month) = civil(day);
            prop_assert_eq!(day_of(year, month, of_month).map(i64::from), Some(day));
        }

        #[test]
        fn nothing_changes_before_the_next_look(
            minutes in 29_000_000_i64..31_000_000,
            months in (1_u8..=12, 1_u8..=12),
            daily in prop::option::of((0_u16..1_440, 0_u16..1_440)),
            weekdays in 1_u8..128,
            zone_minutes in prop::sample::select(vec![480_i16, 0, -330]),
        ) {
            let calendar = Calendar {
                zone_minutes,
                yearly: vec![(yd(months.0, 5), yd(months.1, 20))],
                weekdays,
                daily: daily.filter(|(from, until)| from != until),
                ..calendar()
            };
            let now = UtcMs(minutes * MINUTE_MS + 17);
            let next = calendar.next_look(now);
            prop_assert!(next > now && next.0 - now.0 <= DAY_MINUTES * MINUTE_MS);
            let holds = calendar.holds(now);
            for step in 1..20 {
                let between = now.0 + (next.0 - 1 - now.0) * step / 19;
                prop_assert_eq!(calendar.holds(UtcMs(between)), holds);
            }
        }
    }
}
