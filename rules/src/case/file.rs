//! Rule test files as they are written.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use front::{Item, Place, Problems, Table};
use telemetry::{UtcMs, check_segment};

use super::series::Series;
use crate::effect::{EventKind, Letter, Verb};
use crate::file::Placed;
use crate::file::calendar::{date, minute};
use crate::point::PointInfo;
use crate::value::Tri;

/// The points that a test file pretends to have.
pub(super) fn points(root: &Table<'_>) -> Vec<PointInfo> {
    let Some(table) = root.req("points").and_then(|item| item.table()) else {
        return Vec::new();
    };
    let mut points: Vec<PointInfo> = table
        .entries()
        .into_iter()
        .filter_map(|(name, item)| point(name, &item))
        .collect();
    points.sort_by(|a, b| (&a.unit, &a.point).cmp(&(&b.unit, &b.point)));
    points
}

fn point(name: &str, item: &Item<'_>) -> Option<PointInfo> {
    let table = item.table()?;
    let parts = name
        .split_once('/')
        .filter(|(unit, point)| check_segment(unit).is_ok() && check_segment(point).is_ok());
    if parts.is_none() {
        item.problem(format!("`{name}` is no point, expected `unit/point`"));
    }
    let kind = table.req("kind").and_then(|item| item.str());
    let text = |key: &str| match table.opt(key) {
        None => Some(None),
        Some(item) => item.str().map(|text| Some(text.to_string())),
    };
    let (eu, tag, device) = (text("eu"), text("tag"), text("device"));
    let output = table.opt("output").map_or(Some(false), |item| item.bool());
    let digital = table.opt("switch").map_or(Some(false), |item| item.bool());
    let attributes = match table.opt("attributes") {
        None => Some(Vec::new()),
        Some(item) => item.table().map(|table| {
            let entries = table.entries().into_iter();
            let words = entries.filter_map(|(key, item)| Some((key.into(), item.str()?.into())));
            words.collect()
        }),
    };
    let duration = |key: &str, default: u64| match table.opt(key) {
        None => Some(default),
        Some(item) => item.duration_ms().filter(|ms| *ms > 0 || key == "max_age"),
    };
    let period_ms = duration("period", 1_000);
    let fastest_ms = match table.opt("fastest") {
        None => Some(None),
        Some(item) => item.duration_ms().map(Some),
    };
    let max_age_ms = duration("max_age", period_ms.unwrap_or(1_000).saturating_mul(3));
    table.finish();
    let (unit, point) = parts?;
    Some(PointInfo {
        unit: unit.to_string(),
        point: point.to_string(),
        kind: kind?.to_string(),
        eu: eu?,
        tag: tag?,
        digital: digital? || output == Some(true),
        output: output?,
        attributes: attributes?,
        period_ms: period_ms?,
        fastest_ms: fastest_ms?,
        max_age_ms: max_age_ms?,
        declared: Some(item.place().to_string()),
        slave: device?,
        ..PointInfo::default()
    })
}

/// Where a case begins that does not say: 2026-01-01T00:00:00Z.
const BEGINS: UtcMs = UtcMs(1_767_225_600_000);

/// One case: what comes in, and what must come of it.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub name: String,
    pub place: Place,
    /// When it begins.
    pub begins: UtcMs,
    /// Readings by the point's index.
    pub series: Vec<(usize, Series)>,
    pub steps: Vec<Step<'a>>,
}

/// Something done or expected at a time.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// Milliseconds after the case's start.
    pub at_ms: u64,
    /// The alarm's id.
    pub alarm: Placed<'a, String>,
    pub action: Action,
}

#[derive(Debug)]
pub(super) enum Action {
    /// An operator acts; `refused`: and must not be let.
    Command {
        verb: Verb,
        by: String,
        /// For how long, in milliseconds.
        lasts_ms: Option<u64>,
        second: Option<String>,
        ticket: Option<String>,
        comment: String,
        refused: bool,
    },
    /// The system says something of itself.
    Condition(Tri),
    /// The alarm must be so.
    Expect(Expect),
}

/// What an alarm must be; what is none is not looked at.
#[derive(Debug, Default)]
pub(super) struct Expect {
    pub letter: Option<Letter>,
    pub level: Option<String>,
    pub severity: Option<i64>,
    pub unknown: Option<bool>,
    pub test: Option<bool>,
    /// The event that must have happened at exactly this time.
    pub event: Option<String>,
    /// The outputs that must be on, and no others.
    pub on: Option<Vec<String>>,
    /// The points that must be wanted more often than usual, and no others, each with its period in milliseconds.
    pub read_every: Option<Vec<(String, u64)>>,
}

const LETTERS: [Letter; 9] = [
    Letter::A,
    Letter::B,
    Letter::C,
    Letter::D,
    Letter::E,
    Letter::F,
    Letter::G,
    Letter::H,
    Letter::I,
];

const EVENTS: [EventKind; 18] = [
    EventKind::Raised,
    EventKind::LevelUp,
    EventKind::LevelDown,
    EventKind::Returned,
    EventKind::Acked,
    EventKind::Reset,
    EventKind::Unknown,
    EventKind::Known,
    EventKind::Silenced,
    EventKind::ReAlarmed,
    EventKind::Shelved,
    EventKind::Unshelved,
    EventKind::Suppressed,
    EventKind::Unsuppressed,
    EventKind::OutOfService,
    EventKind::InService,
    EventKind::TestBegun,
    EventKind::TestEnded,
];

impl<'a> Case<'a> {
    pub(super) fn read(
        table: &Table<'a>,
        points: &[PointInfo],
        problems: &Problems,
    ) -> Option<Self> {
        let n_before = problems.len();
        let name = table.req("name").and_then(|item| item.str());
        let begins = table.opt("begins").map(|item| begins(&item));
        let alarm = table
            .opt("alarm")
            .and_then(|item| Some(Placed::new(item.str()?.to_string(), item)));
        let series = table.req("series").and_then(|item| item.table());
        let series: Vec<_> = series
            .map(|table| table.entries())
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, item)| read_series(name, &item, points))
            .collect();
        let mut steps: Vec<Step<'a>> = Vec::new();
        for item in table
            .req("steps")
            .map(|item| item.items())
            .unwrap_or_default()
        {
            let Some(step) = Step::read(&item, alarm.as_ref()) else {
                continue;
            };
            if steps.last().is_some_and(|last| last.at_ms > step.at_ms) {
                item.problem("a step before the one above it, expected them in the order of time");
            }
            steps.push(step);
        }
        table.finish();
        if problems.len() == n_before && !steps.iter().any(|step| step.action.expects()) {
            table.problem(
                "expects nothing, so that nothing can fail: expected a step that says how the alarm is, as `letter`, or `refused = true`",
            );
        }
        if problems.len() > n_before {
            return None;
        }
        Some(Self {
            name: name?.to_string(),
            place: table.place(),
            begins: begins.unwrap_or(Some(BEGINS))?,
            series,
            steps,
        })
    }
}

/// `2026-07-15 08:00`, in China's time.
fn begins(item: &Item<'_>) -> Option<UtcMs> {
    let text = item.str()?;
    let read = text.split_once(' ').and_then(|(day, minute)| {
        let minutes = i64::from(date(day)?) * 1_440 + i64::from(self::minute(minute)?) - 480;
        Some(UtcMs(minutes * 60_000))
    });
    if read.is_none() {
        item.problem(format!(
            "`{text}` is no time, expected one as `2026-07-15 08:00`"
        ));
    }
    read
}

fn read_series(name: &str, item: &Item<'_>, points: &[PointInfo]) -> Option<(usize, Series)> {
    let index = points
        .iter()
        .position(|info| name.split_once('/') == Some((&info.unit, &info.point)));
    let Some(index) = index else {
        let names: Vec<String> = points
            .iter()
            .map(|info| format!("{}/{}", info.unit, info.point))
            .collect();
        let hint = front::nearest(name, names.iter().map(String::as_str))
            .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
        item.problem(format!("`{name}` is not in `[points]`{hint}"));
        return None;
    };
    match Series::parse(item.str()?, points[index].digital) {
        Ok(series) => Some((index, series)),
        Err(error) => {
            item.problem_inside(error.at, error.what);
            None
        }
    }
}

impl<'a> Step<'a> {
    fn read(item: &Item<'a>, alarm: Option<&Placed<'a, String>>) -> Option<Self> {
        let table = item.table()?;
        let at_ms = table.req("at").and_then(|item| item.duration_ms());
        let own = table
            .opt("alarm")
            .and_then(|item| Some(Placed::new(item.str()?.to_string(), item)));
        let alarm = own.or_else(|| alarm.cloned());
        if alarm.is_none() {
            table.problem("no alarm, expected `alarm = \"unit/point/rule\"` here or for the case");
        }
        let action = Action::read(&table);
        table.finish();
        Some(Self {
            at_ms: at_ms?,
            alarm: alarm?,
            action: action?,
        })
    }
}

impl Action {
    /// True when it says what must come of the rules.
    fn expects(&self) -> bool {
        match self {
            Self::Expect(_) => true,
            Self::Command { refused, .. } => *refused,
            Self::Condition(_) => false,
        }
    }

    fn read(table: &Table<'_>) -> Option<Self> {
        if let Some(item) = table.opt("do") {
            let words: Vec<&str> = Verb::ALL
                .iter()
                .map(|verb| verb.word())
                .chain(["on", "off", "unknown"])
                .collect();
            let word = item.one_of(&words);
            let by = table.opt("by").map_or(Some("tester"), |item| item.str());
            let text = |key: &str| match table.opt(key) {
                None => Some(None),
                Some(item) => item.str().map(|text| Some(text.to_string())),
            };
            let (second, ticket) = (text("second"), text("ticket"));
            let comment = table
                .opt("comment")
                .map_or(Some("a test"), |item| item.str());
            let lasts_ms = match table.opt("for") {
                None => Some(None),
                Some(item) => item.duration_ms().map(Some),
            };
            let refused = table.opt("refused").map_or(Some(false), |item| item.bool());
            return Some(match word? {
                "on" => Self::Condition(Tri::True),
                "off" => Self::Condition(Tri::False),
                "unknown" => Self::Condition(Tri::Unknown),
                verb => Self::Command {
                    verb: Verb::from_word(verb)?,
                    by: by?.to_string(),
                    lasts_ms: lasts_ms?,
                    second: second?,
                    ticket: ticket?,
                    comment: comment?.to_string(),
                    refused: refused?,
                },
            });
        }
        let names: Vec<&str> = LETTERS.iter().map(|letter| letter.as_str()).collect();
        let letter = table.opt("letter").map(|item| item.one_of(&names));
        let level = table.opt("level").map(|item| item.str());
        let severity = table.opt("severity").map(|item| item.int(1..=1_000));
        let unknown = table.opt("unknown").map(|item| item.bool());
        let test = table.opt("test").map(|item| item.bool());
        let events = EVENTS.map(EventKind::word);
        let event = table.opt("event").map(|item| item.one_of(&events));
        let on = table.opt("on").map(|item| output_names(&item));
        let read_every = table.opt("read_every").map(|item| periods(&item));
        let nothing = letter.is_none() && level.is_none() && severity.is_none();
        let nothing = nothing && unknown.is_none();
        if nothing && test.is_none() && event.is_none() && on.is_none() && read_every.is_none() {
            table.problem(
                "nothing to do and nothing expected: `do`, `letter`, `level`, `severity`, `unknown`, `test`, `event`, `on` or `read_every`",
            );
            return None;
        }
        let letter = match letter {
            None => None,
            Some(word) => {
                let word = word?;
                LETTERS.into_iter().find(|letter| letter.as_str() == word)
            }
        };
        Some(Self::Expect(Expect {
            letter,
            level: match level {
                None => None,
                Some(level) => Some(level?.to_string()),
            },
            severity: match severity {
                None => None,
                Some(severity) => Some(severity?),
            },
            unknown: match unknown {
                None => None,
                Some(unknown) => Some(unknown?),
            },
            test: match test {
                None => None,
                Some(test) => Some(test?),
            },
            event: match event {
                None => None,
                Some(event) => Some(event?.to_string()),
            },
            on: match on {
                None => None,
                Some(on) => Some(on?),
            },
            read_every: match read_every {
                None => None,
                Some(periods) => Some(periods?),
            },
        }))
    }
}

/// A list of outputs, `unit/point` each; empty when none is to be on.
fn output_names(item: &Item<'_>) -> Option<Vec<String>> {
    let items = item.items();
    let names: Vec<String> = items
        .iter()
        .filter_map(|item| item.str().map(ToString::to_string))
        .collect();
    (item.is_array() && names.len() == items.len()).then_some(names)
}

/// `{ "unit/point" = "10min" }`; empty when nothing is wanted more often.
fn periods(item: &Item<'_>) -> Option<Vec<(String, u64)>> {
    let entries = item.table()?.entries();
    let n_entries = entries.len();
    let read: Vec<_> = entries
        .into_iter()
        .filter_map(|(name, item)| Some((name.to_string(), item.duration_ms()?)))
        .collect();
    (read.len() == n_entries).then_some(read)
}
