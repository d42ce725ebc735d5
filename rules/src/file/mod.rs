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

mod level;
mod rule;
mod site;

use core::fmt;
use std::string::{String, ToString};
use std::vec::Vec;

use front::{Item, Table};

pub use level::{CountLevel, Level, LimitLevel};
pub use rule::{Basis, Condition, Rule, Scope};
pub use site::{Limits, Override, Selector};

use crate::program::Text;
use crate::syntax::{self, Expr};

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
#[derive(Debug, Default)]
pub struct RuleFile<'a> {
    /// The pack's head; none in a file that only sets limits and overrides.
    pub head: Option<Head>,
    /// Its rules.
    pub rules: Vec<Rule<'a>>,
    /// The site's limits.
    pub limits: Vec<Limits<'a>>,
    /// The site's overrides.
    pub overrides: Vec<Override<'a>>,
}

impl<'a> RuleFile<'a> {
    /// Reads a file's root table; whatever is wrong is reported and left out.
    pub fn read(root: &Table<'a>) -> Self {
        let pack = root.opt("pack");
        let rules = root.opt("rule").map(|item| item.tables());
        let head = if pack.is_some() || rules.is_some() {
            read_head(root)
        } else {
            None
        };
        let site = Self::read_site(root);
        // Who names an empty file believes that there are rules in it.
        let tables = ["rule", "limits", "override"];
        if tables.iter().all(|key| root.opt(key).is_none()) {
            root.lacks("no [[rule]], no [[limits]] and no [[override]], expected at least one");
        }
        root.finish();
        Self {
            head,
            rules: rules
                .unwrap_or_default()
                .iter()
                .filter_map(Rule::read)
                .collect(),
            ..site
        }
    }

    /// Reads a table's limits and overrides alone; the caller finishes the table.
    pub(crate) fn read_site(root: &Table<'a>) -> Self {
        Self {
            limits: tables(root, "limits")
                .iter()
                .filter_map(Limits::read)
                .collect(),
            overrides: tables(root, "override")
                .iter()
                .filter_map(Override::read)
                .collect(),
            ..Self::default()
        }
    }
}

fn read_head(root: &Table<'_>) -> Option<Head> {
    let pack = root.req("pack").and_then(|item| name(&item));
    let version = root.req("version").and_then(|item| item.str());
    let title = root.opt("title").and_then(|item| rule::text(&item, &[]));
    Some(Head {
        pack: pack?,
        version: version?.to_string(),
        title,
    })
}

fn tables<'a>(table: &Table<'a>, key: &str) -> Vec<Table<'a>> {
    table.opt(key).map(|item| item.tables()).unwrap_or_default()
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
