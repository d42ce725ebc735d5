//! The points and units that a rule is for.

use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::super::counted_by;
use super::Adding;
use crate::file::{Placed, Rule, Scope, With};
use crate::point::PointIdx;

impl<'a> Adding<'_, 'a> {
    /// The points or units that a rule is for; a rule that is for nothing here is a warning.
    pub(super) fn scopes(&self, rule: &Rule<'a>) -> Vec<(Option<PointIdx>, Option<String>)> {
        let units = match &rule.scope {
            Scope::Points { unit, .. }
            | Scope::Units { unit, .. }
            | Scope::UnitsWithAny { unit, .. } => unit,
            Scope::CountedUnits | Scope::Site => &None,
        };
        if let Some(unit) = units
            && !self.points.has_unit(&unit.value)
        {
            if !self.points.are_all {
                return Vec::new();
            }
            let hint = front::nearest(&unit.value, self.points.units())
                .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            unit.item
                .problem(format!("no unit {} in this site{hint}", unit.value));
            return Vec::new();
        }
        let in_unit = |name: &str| units.as_ref().is_none_or(|unit| unit.value == name);
        let has = |unit: &str, kind: &Placed<'a, String>| {
            !self.points.of_kind_in(unit, &kind.value).is_empty()
        };
        match &rule.scope {
            Scope::Points { kinds, with, .. } => {
                let mut found = Vec::new();
                for kind in kinds {
                    for point in self.points.of_kind(&kind.value) {
                        let info = self.points.info(*point);
                        if in_unit(&info.unit) && with.iter().all(|with| self.has(*point, with)) {
                            found.push((Some(*point), Some(info.unit.clone())));
                        }
                    }
                }
                if found.is_empty() {
                    let unknown =
                        |kind: &&Placed<'a, String>| self.points.of_kind(&kind.value).is_empty();
                    let in_loop = with.iter().filter_map(With::kind_in_loop).filter(unknown);
                    self.warn_of_kinds(rule, kinds.iter().chain(in_loop));
                    self.warn_of_attributes(with);
                } else {
                    self.warn_of_misspelt(rule, kinds);
                }
                found
            }
            Scope::Units { having, .. } => {
                let with_all = |unit: &str| having.iter().all(|kind| has(unit, kind));
                self.units(rule, having, |unit| in_unit(unit) && with_all(unit))
            }
            Scope::UnitsWithAny { of, .. } => {
                let with_any = |unit: &str| of.iter().any(|kind| has(unit, kind));
                self.units(rule, of, |unit| in_unit(unit) && with_any(unit))
            }
            Scope::CountedUnits => {
                let counted = counted_by(rule).into_iter();
                let units: BTreeSet<&String> =
                    counted.flat_map(|name| self.made.units_of(name)).collect();
                units
                    .into_iter()
                    .map(|unit| (None, Some(unit.clone())))
                    .collect()
            }
            Scope::Site => Vec::from([(None, None)]),
        }
    }

    /// The units that a rule is for, which asks for these kinds.
    fn units(
        &self,
        rule: &Rule<'a>,
        kinds: &[Placed<'a, String>],
        is_for: impl Fn(&str) -> bool,
    ) -> Vec<(Option<PointIdx>, Option<String>)> {
        let units = self.points.units().filter(|unit| is_for(unit));
        let found: Vec<_> = units.map(|unit| (None, Some(unit.to_string()))).collect();
        if found.is_empty() {
            self.warn_of_kinds(rule, kinds.iter());
        }
        found
    }

    fn has(&self, point: PointIdx, with: &With<'_>) -> bool {
        let info = self.points.info(point);
        match with {
            With::Attribute(key, word) => {
                let mut has = info.attributes.iter();
                has.any(|(its, is)| *its == key.value && is == word)
            }
            With::InLoop(kind) => self
                .points
                .of_kind_in_loop(point, &kind.value)
                .is_some_and(|(_, found)| !found.is_empty()),
            With::Peers(least) => {
                let alike = self.points.of_kind_in(&info.unit, &info.kind);
                alike.len() > usize::from(*least)
            }
        }
    }

    /// A kind that no point has, beside one that a point has and the rule does not name, is likely misspelt.
    fn warn_of_misspelt(&self, rule: &Rule<'a>, kinds: &[Placed<'a, String>]) {
        let is_shipped = crate::pack::is_shipped(&rule.name.item);
        let is_named = |known: &&str| kinds.iter().any(|kind| kind.value == **known);
        for kind in kinds {
            if is_shipped || !self.points.are_all || !self.points.of_kind(&kind.value).is_empty() {
                continue;
            }
            if let Some(near) = front::nearest(&kind.value, self.points.kinds())
                && !is_named(&near)
            {
                let what = format!(
                    "no point of this site is of kind {}; did you mean `{near}`?",
                    kind.value
                );
                self.warn(&kind.item, what);
            }
        }
    }

    fn warn_of_kinds<'k>(
        &self,
        rule: &Rule<'a>,
        kinds: impl Iterator<Item = &'k Placed<'a, String>>,
    ) where
        'a: 'k,
    {
        let name = &rule.name.value;
        if crate::pack::is_shipped(&rule.name.item) {
            // A shipped pack is for all sites: that it knows more than this one has is told in a line.
            let mut idle = self.idle.borrow_mut();
            let file = rule.name.item.file().to_string();
            idle.entry(file).or_default().insert(name.clone());
            return;
        }
        for kind in kinds {
            let hint = if self.points.of_kind(&kind.value).is_empty() {
                front::nearest(&kind.value, self.points.kinds())
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
            } else {
                String::new()
            };
            self.warn(
                &kind.item,
                format!("`{name}` is for no point of this site{hint}"),
            );
        }
    }

    /// An attribute that no point of the site has is likely misspelled.
    fn warn_of_attributes(&self, with: &[With<'a>]) {
        for with in with {
            let With::Attribute(key, word) = with else {
                continue;
            };
            let known = || {
                self.points
                    .attributes()
                    .filter(|(its, _)| *its == key.value)
            };
            let hint = if known().next().is_none() {
                let keys = self.points.attributes().map(|(key, _)| key.as_str());
                front::nearest(&key.value, keys)
            } else if known().any(|(_, is)| is == word) {
                continue;
            } else {
                front::nearest(word, known().map(|(_, word)| word.as_str()))
            };
            let hint = hint.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            self.warn(
                &key.item,
                format!("no point has `{} = \"{word}\"`{hint}", key.value),
            );
        }
    }
}
