//! Rule files as they are written: packs of rules, and a site's limits and overrides.
//!
//! Knows the form of each key. What needs the site's points (names, units, whether limits rise) is the compiler's.
//!
//! A file has any of:
//!
//! | table | what it is |
//! |---|---|
//! | `pack`, `version`, `title` | the head of a pack; needed where there are rules |
//! | `[[rule]]` | one rule |
//! | `[[limits]]` | limits that the site's designer gives, for one point, or for a kind in one unit or everywhere |
//! | `[[override]]` | what the site sets otherwise than the pack, with the reason |
//! | `[[overlay]]` | stricter limits while a calendar holds, with the reason |
//! | `[[calendar]]` | when a policy holds; the site's before a pack's |
//! | `[[derived]]` | a number or a condition that is reckoned from points |
//! | `[[output]]` | what rules may switch, in a file of the site only |

pub(crate) mod calendar;
mod derived;
mod level;
mod life;
mod output;
mod rule;
mod site;

use core::fmt;
use std::string::{String, ToString};
use std::vec::Vec;

use front::{Item, Table};

pub use calendar::NamedCalendar;
pub use derived::Derived;
pub use level::{CountLevel, Level, LimitLevel, WhenLevel};
pub use life::{Life, Suppress};
pub use output::Output;
pub use rule::{Basis, Condition, Rule, Scope, With};
pub use site::{Limits, Overlay, OverlayDoes, Override, Selector};

use crate::program::Text;
use crate::syntax::{self, Expr, Node};

/// A value and where it is written; shows as the value alone, so that a rule's text is the same wherever it stands.
#[derive(Clone)]
pub struct Placed<'a, T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub item: Item<'a>,
}

impl<T: fmt::Debug> fmt::Debug for Placed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<'a, T> Placed<'a, T> {
    pub(crate) fn new(value: T, item: Item<'a>) -> Self {
        Self { value, item }
    }
}

/// A pack's name and version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// The pack's name, in the alphabet of names.
    pub pack: String,
    /// Its version.
    pub version: String,
    /// What it is about.
    pub title: Option<Text>,
}

/// What one file says.
#[derive(Debug)]
pub struct RuleFile<'a> {
    /// The pack's head; none in a file that only sets limits and overrides.
    pub head: Option<Head>,
    /// Its rules.
    pub rules: Vec<Rule<'a>>,
    /// The site's limits.
    pub limits: Vec<Limits<'a>>,
    /// The site's overrides.
    pub overrides: Vec<Override<'a>>,
    /// Stricter limits for some times.
    pub overlays: Vec<Overlay<'a>>,
    /// Calendars.
    pub calendars: Vec<NamedCalendar<'a>>,
    /// Derived numbers and conditions.
    pub derived: Vec<Derived<'a>>,
    /// What rules may switch.
    pub outputs: Vec<Output<'a>>,
    /// False when a rule was so wrong that it is not here.
    pub are_rules_whole: bool,
    /// False when any of the others was.
    pub is_site_whole: bool,
}

impl<'a> RuleFile<'a> {
    /// Reads a file's root table; whatever is wrong is reported and left out.
    pub fn read(root: &Table<'a>) -> Self {
        let pack = root.opt("pack");
        let has_rules = root.opt("rule").is_some();
        let (rules, are_rules_whole) = read_all(root, "rule", Rule::read);
        let head = (pack.is_some() || has_rules).then(|| read_head(root));
        let site = Self::read_site(root);
        if let (Some(_), Some(item)) = (&head, root.opt("output")) {
            item.problem(
                "in a pack, which asks and allows nothing, expected it in a file of the site without `pack` and rules",
            );
        }
        // Who names an empty file believes that there are rules in it.
        let tables = [
            "rule", "limits", "override", "overlay", "calendar", "derived", "output",
        ];
        if tables.iter().all(|key| root.opt(key).is_none()) {
            root.lacks("no [[rule]], no [[limits]] and no [[override]], expected at least one");
        }
        root.finish();
        Self {
            head,
            rules,
            are_rules_whole,
            ..site
        }
    }

    /// Reads everything of a table but rules; the caller finishes the table.
    pub(crate) fn read_site(root: &Table<'a>) -> Self {
        let (limits, are_limits_whole) = read_all(root, "limits", Limits::read);
        let (overrides, are_overrides_whole) = read_all(root, "override", Override::read);
        let (overlays, are_overlays_whole) = read_all(root, "overlay", Overlay::read);
        let (calendars, are_calendars_whole) = read_all(root, "calendar", NamedCalendar::read);
        let (derived, is_derived_whole) = read_all(root, "derived", Derived::read);
        let (outputs, are_outputs_whole) = read_all(root, "output", Output::read);
        let is_site_whole = are_limits_whole
            && are_outputs_whole
            && are_overrides_whole
            && are_overlays_whole
            && are_calendars_whole
            && is_derived_whole
            && limits.iter().all(|table| table.is_whole);
        Self {
            head: None,
            rules: Vec::new(),
            limits,
            overrides,
            overlays,
            calendars,
            derived,
            outputs,
            are_rules_whole: true,
            is_site_whole,
        }
    }
}

/// The head of a pack. One that is wrong was reported; its rules are looked at all the same.
fn read_head(root: &Table<'_>) -> Head {
    let pack = root.req("pack").and_then(|item| name(&item));
    let version = root.req("version").and_then(|item| item.str());
    let title = root.opt("title").and_then(|item| rule::text(&item, &[]));
    Head {
        pack: pack.unwrap_or_default(),
        version: version.unwrap_or_default().to_string(),
        title,
    }
}

/// Reads each table of a key; false when one was so wrong that it is left out.
fn read_all<'a, T>(
    root: &Table<'a>,
    key: &str,
    read: impl Fn(&Table<'a>) -> Option<T>,
) -> (Vec<T>, bool) {
    let Some(item) = root.opt(key) else {
        return (Vec::new(), true);
    };
    let all: Vec<T> = item.tables().iter().filter_map(read).collect();
    let is_whole = item.is_array() && all.len() == item.items().len();
    (all, is_whole)
}

/// A segment of a name.
fn name(item: &Item<'_>) -> Option<String> {
    let text = item.str()?;
    match telemetry::check_segment(text) {
        Ok(()) => Some(text.to_string()),
        Err(error) => {
            item.problem(error.to_string());
            None
        }
    }
}

/// A list of names, at least one; `None` when one is wrong.
fn names<'a>(item: &Item<'a>) -> Option<Vec<Placed<'a, String>>> {
    let items = item.items();
    if items.is_empty() {
        if item.is_array() {
            item.problem("no name, expected at least one");
        }
        return None;
    }
    let n_items = items.len();
    let names: Vec<_> = items.into_iter().filter_map(placed_name).collect();
    (names.len() == n_items).then_some(names)
}

fn placed_name(item: Item<'_>) -> Option<Placed<'_, String>> {
    Some(Placed::new(name(&item)?, item))
}

/// `unit/point`.
fn point_name(item: &Item<'_>) -> Option<(String, String)> {
    let text = item.str()?;
    let Some((unit, point)) = text.split_once('/') else {
        item.problem("no point, expected `unit/point`");
        return None;
    };
    for segment in [unit, point] {
        if let Err(error) = telemetry::check_segment(segment) {
            item.problem(error.to_string());
            return None;
        }
    }
    Some((unit.to_string(), point.to_string()))
}

/// An expression of a rule; what is wrong was reported, and the rest of the rule is still held against the points.
fn expr_or_wrong<'a>(item: Item<'a>) -> Placed<'a, Expr> {
    let wrong = Expr {
        node: Node::Wrong,
        at: 0,
    };
    expr(item.clone()).unwrap_or_else(|| Placed::new(wrong, item))
}

/// An expression; a syntax error is reported at its place inside the string.
fn expr<'a>(item: Item<'a>) -> Option<Placed<'a, Expr>> {
    match syntax::parse(item.str()?) {
        Ok(expr) => Some(Placed::new(expr, item)),
        Err(error) => {
            item.problem_inside(error.at, error.what);
            None
        }
    }
}
