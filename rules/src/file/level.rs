//! The levels of a rule: how each is reached and left, and how loud it is.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use front::Table;

use super::{Placed, expr_or_wrong, name, names};
use crate::program::Colour;
use crate::syntax::Expr;

/// The longest delay, in milliseconds: 7 days.
const DELAY_MAX_MS: u64 = 7 * 86_400_000;

/// The severity of a level that names none: the middle of its colour's.
fn severity_of(colour: Colour) -> u16 {
    match colour {
        Colour::Blue => 200,
        Colour::Yellow => 500,
        Colour::Orange => 700,
        Colour::Red => 900,
    }
}

/// What every level has.
#[derive(Clone, Debug)]
pub struct Level<'a> {
    /// The rule's own word for it, as `L1`.
    pub name: Placed<'a, String>,
    /// Its colour.
    pub colour: Colour,
    /// Its severity, 1 to 1000, within the colour's.
    pub severity: u16,
    /// How long the condition must hold before it is raised, in milliseconds.
    pub on_delay_ms: u64,
    /// How long the condition must be gone before it returns, in milliseconds.
    pub off_delay_ms: u64,
    /// It stays until a person resets it.
    pub latch: bool,
    /// How often what it looks at is to be read while it stands, in milliseconds; as usual when none.
    pub period_ms: Option<u64>,
    /// The kinds of outputs that it asks to be switched on, as `siren`.
    pub actions: Vec<Placed<'a, String>>,
}

/// A level that a number reaches.
#[derive(Clone, Debug)]
pub struct LimitLevel<'a> {
    /// What every level has.
    pub level: Level<'a>,
    /// The limit: a number with its unit, or an expression of `limit.<word>`.
    pub at: Placed<'a, Expr>,
    /// The limit where the site gives none of that word.
    pub otherwise: Option<Placed<'a, Expr>>,
    /// The level is left out where the site gives no limit of that word.
    pub optional: bool,
    /// How far back inside the limit the value must be to leave the level.
    pub deadband: Option<Placed<'a, Expr>>,
}

/// A level that a condition reaches.
#[derive(Clone, Debug)]
pub struct WhenLevel<'a> {
    /// What every level has.
    pub level: Level<'a>,
    /// The condition.
    pub when: Placed<'a, Expr>,
    /// The level is left out where the site does not give a limit that it asks for.
    pub optional: bool,
}

/// A level that a count of other alarms reaches.
#[derive(Clone, Debug)]
pub struct CountLevel<'a> {
    /// What every level has.
    pub level: Level<'a>,
    /// How many alarms, from 1.
    pub count: Placed<'a, u16>,
    /// Of which colour, or a higher one.
    pub from: Colour,
}

impl<'a> Level<'a> {
    /// Reads the keys that every level has; the caller finishes the table.
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let level = table
            .req("level")
            .and_then(|item| Some(Placed::new(level_name(&item)?, item)));
        let colour = table.req("colour").and_then(|item| colour(&item));
        let severity = table.opt("severity").and_then(|item| {
            let (floor, ceiling) =
                colour.map_or((1, 1_000), |colour| (colour.floor(), colour.ceiling()));
            item.int(i64::from(floor)..=i64::from(ceiling))
                .and_then(|severity| u16::try_from(severity).ok())
        });
        let on_delay_ms = delay(table, "on_delay");
        let off_delay_ms = delay(table, "off_delay");
        let latch = table.opt("latch").and_then(|item| item.bool());
        let period_ms = table.opt("period").and_then(|item| {
            let period_ms = item.duration_ms()?;
            if period_ms == 0 {
                item.problem("`0`, expected how often it is to be read, as `30min`");
                return None;
            }
            Some(period_ms)
        });
        let actions = table.opt("actions").and_then(|item| names(&item));
        let colour = colour?;
        // What is wrong was reported; the rest is still held against the points.
        Some(Self {
            name: level?,
            colour,
            severity: severity.unwrap_or_else(|| severity_of(colour)),
            on_delay_ms: on_delay_ms.unwrap_or_default(),
            off_delay_ms: off_delay_ms.unwrap_or_default(),
            latch: latch.unwrap_or_default(),
            period_ms,
            actions: actions.unwrap_or_default(),
        })
    }
}

impl<'a> LimitLevel<'a> {
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let level = Level::read(table);
        let at = table.req("at").map(expr_or_wrong);
        let otherwise = table.opt("otherwise").map(expr_or_wrong);
        let optional = table.opt("optional").and_then(|item| item.bool());
        let deadband = table.opt("deadband").map(expr_or_wrong);
        table.finish();
        Some(Self {
            level: level?,
            at: at?,
            otherwise,
            optional: optional.unwrap_or_default(),
            deadband,
        })
    }
}

impl<'a> WhenLevel<'a> {
    /// Reads `when` and the keys that every level has; the caller finishes the table.
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let when = table.req("when").map(expr_or_wrong);
        let level = Level::read(table);
        let optional = table.opt("optional").and_then(|item| item.bool());
        Some(Self {
            level: level?,
            when: when?,
            optional: optional.unwrap_or_default(),
        })
    }
}

impl<'a> CountLevel<'a> {
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let level = Level::read(table);
        let count = table.req("count").and_then(|item| {
            let count = u16::try_from(item.int(1..=1_000)?).ok()?;
            Some(Placed::new(count, item))
        });
        let from = table.req("from").and_then(|item| colour(&item));
        table.finish();
        Some(Self {
            level: level?,
            count: count?,
            from: from?,
        })
    }
}

/// A duration of at most 7 days; zero where it is left out.
pub(super) fn delay(table: &Table<'_>, key: &str) -> Option<u64> {
    let Some(item) = table.opt(key) else {
        return Some(0);
    };
    let duration = item.duration_ms()?;
    if duration > DELAY_MAX_MS {
        item.problem("a delay of more than 7 days, expected at most `168h`");
        return None;
    }
    Some(duration)
}

/// A colour; of one that is misspelt the one that was meant, so that the rest of its level is still looked at.
fn colour(item: &front::Item<'_>) -> Option<Colour> {
    const WORDS: [&str; 4] = ["blue", "yellow", "orange", "red"];
    let meant = || front::nearest(item.is_str().then(|| item.str())??, WORDS);
    Colour::from_word(item.one_of(&WORDS).or_else(meant)?)
}

/// A level's word: like a name, but capitals are allowed, since people say `L1`.
fn level_name(item: &front::Item<'_>) -> Option<String> {
    let text = item.str()?;
    match telemetry::check_segment(&text.to_ascii_lowercase()) {
        Ok(()) => Some(text.to_string()),
        Err(error) => {
            item.problem(format!("{error}"));
            None
        }
    }
}

pub(super) fn rule_name(item: &front::Item<'_>) -> Option<String> {
    let text = name(item)?;
    if text == "sys" || text.starts_with("sys.") {
        item.problem(format!(
            "`{text}`: names in `sys.` are the system's own, expected another"
        ));
        return None;
    }
    Some(text)
}
