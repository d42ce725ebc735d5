//! What a site says beside the packs: its designer's limits, and what it sets otherwise.

use std::string::{String, ToString};
use std::vec::Vec;

use front::{Item, Table};

use super::level::delay;
use super::{Level, Placed, expr, name, point_name};
use crate::syntax::Expr;

/// Which points a limit or an override is for. The narrower one wins.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Selector {
    /// Everything.
    All,
    /// Every point of a kind.
    Kind(String),
    /// Every point of a unit, or the unit itself.
    Unit(String),
    /// Every point of a kind in one unit.
    KindInUnit {
        /// The kind.
        kind: String,
        /// The unit.
        unit: String,
    },
    /// One point.
    Point {
        /// Its unit.
        unit: String,
        /// Its name.
        point: String,
    },
}

impl Selector {
    fn read(table: &Table<'_>) -> Option<Self> {
        let kind = optional_name(table, "kind");
        let unit = optional_name(table, "unit");
        if let Some(item) = table.opt("point") {
            let (unit_name, point) = point_name(&item)?;
            if kind?.is_some() || unit?.is_some() {
                item.problem("beside `kind` or `unit`, expected the point alone");
                return None;
            }
            return Some(Self::Point {
                unit: unit_name,
                point,
            });
        }
        Some(match (kind?, unit?) {
            (None, None) => Self::All,
            (Some(kind), None) => Self::Kind(kind),
            (None, Some(unit)) => Self::Unit(unit),
            (Some(kind), Some(unit)) => Self::KindInUnit { kind, unit },
        })
    }

    /// How narrow it is; more is narrower.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::All => 0,
            Self::Kind(_) => 1,
            Self::Unit(_) => 2,
            Self::KindInUnit { .. } => 3,
            Self::Point { .. } => 4,
        }
    }

    /// True when it takes in this point; a unit as a whole has no kind and no point.
    pub(crate) fn takes(
        &self,
        of_unit: &str,
        of_point: Option<&str>,
        of_kind: Option<&str>,
    ) -> bool {
        match self {
            Self::All => true,
            Self::Kind(kind) => of_kind == Some(kind),
            Self::Unit(unit) => of_unit == unit,
            Self::KindInUnit { kind, unit } => of_kind == Some(kind) && of_unit == unit,
            Self::Point { unit, point } => of_unit == unit && of_point == Some(point),
        }
    }
}

fn optional_name(table: &Table<'_>, key: &str) -> Option<Option<String>> {
    match table.opt(key) {
        None => Some(None),
        Some(item) => name(&item).map(Some),
    }
}

/// Limits for some points, by their words.
#[derive(Clone, Debug)]
pub struct Limits<'a> {
    /// Which points.
    pub selector: Selector,
    /// `word = "number unit"`.
    pub values: Vec<(String, Placed<'a, Expr>)>,
    /// False when a limit was so wrong that it is not here.
    pub is_whole: bool,
}

impl<'a> Limits<'a> {
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let selector = Selector::read(table);
        let mut entries = table.entries();
        entries.retain(|(key, _)| !matches!(*key, "point" | "kind" | "unit"));
        let n_entries = entries.len();
        let values: Vec<_> = entries
            .into_iter()
            .filter_map(|(key, item)| {
                if let Err(error) = telemetry::check_segment(key) {
                    item.problem(error.to_string());
                    return None;
                }
                Some((key.to_string(), expr(item)?))
            })
            .collect();
        Some(Self {
            selector: selector?,
            is_whole: values.len() == n_entries,
            values,
        })
    }
}

/// What a site sets otherwise than the pack.
#[derive(Clone, Debug)]
pub struct Override<'a> {
    /// The rule's name.
    pub rule: Placed<'a, String>,
    /// Which points.
    pub selector: Selector,
    /// Which level; all when none.
    pub level: Option<Placed<'a, String>>,
    /// Another limit.
    pub at: Option<Placed<'a, Expr>>,
    /// Another deadband.
    pub deadband: Option<Placed<'a, Expr>>,
    /// Another on-delay, in milliseconds.
    pub on_delay_ms: Option<u64>,
    /// Another off-delay, in milliseconds.
    pub off_delay_ms: Option<u64>,
    /// The rule, or the level, does not apply here.
    pub off: bool,
    /// The clause that the site knowingly goes below.
    pub laxer_than: Option<Placed<'a, String>>,
    /// Why, and who decided it.
    pub reason: String,
}

impl<'a> Override<'a> {
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let rule = table.req("rule").and_then(placed_str);
        let selector = Selector::read(table);
        let level = optional(table, "level", placed_str);
        let at = optional(table, "at", expr);
        let deadband = optional(table, "deadband", expr);
        let on_delay_ms = optional_delay(table, "on_delay");
        let off_delay_ms = optional_delay(table, "off_delay");
        let off = table.opt("off").map_or(Some(false), |item| item.bool());
        let laxer_than = optional(table, "laxer_than", placed_str);
        let reason = reason(table);
        table.finish();
        Some(Self {
            rule: rule?,
            selector: selector?,
            level: level?,
            at: at?,
            deadband: deadband?,
            on_delay_ms: on_delay_ms?,
            off_delay_ms: off_delay_ms?,
            off: off?,
            laxer_than: laxer_than?,
            reason: reason?,
        })
    }

    /// True when it is for this level of its rule.
    pub fn is_for(&self, level: &Level<'_>) -> bool {
        let only = self.level.as_ref();
        only.is_none_or(|only| only.value == level.name.value)
    }
}

/// Stricter limits for some times: the flood season, a holiday.
#[derive(Clone, Debug)]
pub struct Overlay<'a> {
    /// The rule's name.
    pub rule: Placed<'a, String>,
    /// Which points.
    pub selector: Selector,
    /// The calendar.
    pub during: Placed<'a, String>,
    /// What it does.
    pub does: OverlayDoes<'a>,
    /// Why, and who decided it.
    pub reason: String,
}

/// What an overlay does to the limits of a rule.
#[derive(Clone, Debug)]
pub enum OverlayDoes<'a> {
    /// Another limit for one level.
    At {
        /// Which level; the only one when none.
        level: Option<Placed<'a, String>>,
        /// The limit.
        at: Placed<'a, Expr>,
    },
    /// Each level is reached at the limit of the one below it (提级): what was yellow is orange.
    LevelUp,
}

impl<'a> Overlay<'a> {
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let rule = table.req("rule").and_then(placed_str);
        let selector = Selector::read(table);
        let during = table.req("during").and_then(placed_str);
        let level = optional(table, "level", placed_str);
        let at = table.opt("at");
        let up = table.opt("level_up").map(|item| (item.bool(), item));
        let does = match (at, up) {
            (Some(at), None) => expr(at).and_then(|at| Some(OverlayDoes::At { level: level?, at })),
            (None, Some((Some(true), _))) => match level {
                Some(None) => Some(OverlayDoes::LevelUp),
                Some(Some(level)) => {
                    level
                        .item
                        .problem("beside `level_up`, which is for all levels");
                    None
                }
                None => None,
            },
            (None, Some((Some(false), item))) => {
                item.problem("`false`, expected `true`, or `at` with a limit");
                None
            }
            (None, Some((None, _))) => None,
            (Some(at), Some(_)) => {
                at.problem("beside `level_up`, expected one of the two");
                None
            }
            (None, None) => {
                table.lacks(
                    "neither `at` nor `level_up`, expected a stricter limit or `level_up = true`",
                );
                None
            }
        };
        let reason = reason(table);
        table.finish();
        Some(Self {
            rule: rule?,
            selector: selector?,
            during: during?,
            does: does?,
            reason: reason?,
        })
    }
}

/// Why the site differs from the pack.
pub(super) fn reason(table: &Table<'_>) -> Option<String> {
    let item = table.req("reason")?;
    let text = item.str()?;
    if text.trim().is_empty() {
        item.problem("empty, expected why the site differs and who decided it");
        return None;
    }
    Some(text.to_string())
}

fn placed_str(item: Item<'_>) -> Option<Placed<'_, String>> {
    Some(Placed::new(item.str()?.to_string(), item))
}

/// A key that may be left out: the outer option is none when it is there and wrong.
fn optional<'a, T>(
    table: &Table<'a>,
    key: &str,
    read: impl Fn(Item<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match table.opt(key) {
        None => Some(None),
        Some(item) => read(item).map(Some),
    }
}

fn optional_delay(table: &Table<'_>, key: &str) -> Option<Option<u64>> {
    if table.opt(key).is_none() {
        return Some(None);
    }
    delay(table, key).map(Some)
}
