//! What is odd and harmless: what is left out, what is for nothing, what the site sets and nothing asks for.

use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use front::{Item, Place};

use super::super::level::scope_name;
use super::super::lower::Here;
use super::Adding;
use crate::file::{OverlayDoes, Placed, Selector};

/// What is odd in many places, as a level that is left out.
pub(super) struct Odd {
    path: String,
    /// With where it was first, and why.
    what: String,
    /// For how many more.
    n_more: usize,
}

impl<'a> Adding<'_, 'a> {
    /// Notes that a level or a rule is left out somewhere.
    pub(super) fn leave_out(&self, item: &Item<'_>, name: &str, here: &Here<'_>, why: &str) {
        self.warn_once(item, "left out", || {
            format!("`{name}` is left out for {}: {why}", scope_name(here))
        });
    }

    /// Notes what is odd; of many points and units it is told once.
    pub(super) fn warn_once(
        &self,
        item: &Item<'_>,
        sort: &'static str,
        what: impl FnOnce() -> String,
    ) {
        let first = || Odd {
            path: item.path().to_string(),
            what: what(),
            n_more: 0,
        };
        let mut odd = self.odd.borrow_mut();
        odd.entry((item.place(), sort))
            .and_modify(|known| known.n_more += 1)
            .or_insert_with(first);
    }

    /// Warns of what was noted, and of rules that are for nothing.
    pub(in super::super) fn warn_of_odd(&self) {
        for (file, rules) in self.idle.take() {
            let names: Vec<String> = rules.iter().map(|name| format!("`{name}`")).collect();
            let what = format!("for no point of this site: {}", names.join(", "));
            let (line, col) = (1, 1);
            self.warnings.add(Place { file, line, col }, "", what);
        }
        for ((place, _), Odd { path, what, n_more }) in self.odd.take() {
            let more = match n_more {
                0 => String::new(),
                _ => format!(" (and for {n_more} more)"),
            };
            self.warnings.add(place, path, what + &more);
        }
    }

    /// Warns of overrides and overlays that met nothing.
    pub(in super::super) fn warn_of_unused(&self) {
        let overrides = self.site.overrides.iter();
        let overrides = overrides.map(|entry| (&entry.rule, &entry.selector));
        let overlays = self.site.overlays.iter();
        let overlays = overlays.map(|entry| (&entry.rule, &entry.selector));
        self.warn_of_unmet(overrides, &self.met.borrow());
        self.warn_of_unmet(overlays, &self.overlaid.borrow());
        for (entry, index) in self.site.overlays.iter().zip(0..) {
            if self.stricter.borrow().get(&index) == Some(&false) {
                let what = match entry.does {
                    OverlayDoes::LevelUp => {
                        "changes nothing: no alarm that it meets has two levels on one side, since others are left out"
                    }
                    OverlayDoes::At { .. } => {
                        "changes nothing: the level is left out for every alarm that it meets"
                    }
                };
                self.warn(&entry.rule.item, what);
            }
        }
    }

    fn warn_of_unmet<'s>(
        &self,
        entries: impl Iterator<Item = (&'s Placed<'a, String>, &'s Selector)>,
        met: &BTreeSet<usize>,
    ) where
        'a: 's,
    {
        for (index, (rule, selector)) in entries.enumerate() {
            if !met.contains(&index) {
                let hint = self.nearest_to(selector);
                let hint = hint.map_or_else(String::new, |near| format!(", did you mean {near}?"));
                let what = format!("meets no point and no unit that this rule is for{hint}");
                self.warn(&rule.item, what);
            }
        }
    }

    /// What a selector may have meant that names something which is not there.
    pub(in super::super) fn nearest_to(&self, selector: &Selector) -> Option<String> {
        match selector {
            Selector::Point { unit, point } if self.points.find(unit, point).is_none() => {
                let names = self.points.names();
                let wanted = format!("{unit}/{point}");
                front::nearest(&wanted, names.iter().map(String::as_str)).map(ToString::to_string)
            }
            Selector::Unit(unit) | Selector::KindInUnit { unit, .. }
                if !self.points.has_unit(unit) =>
            {
                front::nearest(unit, self.points.units()).map(|near| format!("unit {near}"))
            }
            Selector::Kind(kind) if self.points.of_kind(kind).is_empty() => {
                front::nearest(kind, self.points.kinds()).map(|near| format!("kind {near}"))
            }
            _ => None,
        }
    }
}
