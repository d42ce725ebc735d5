//! The alarms that rules have so far, found by their rule and unit: who counts them asks for those of one unit, in every unit.

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::effect::AlarmIdx;

/// The alarms of each rule so far; none of one that is for nothing here.
#[derive(Debug, Default)]
pub(super) struct Made(BTreeMap<String, OfRule>);

#[derive(Debug, Default)]
struct OfRule {
    /// Those of no unit.
    of_site: Vec<AlarmIdx>,
    by_unit: BTreeMap<String, Vec<AlarmIdx>>,
}

impl Made {
    /// A rule had its turn, whether it has an alarm here or not.
    pub(super) fn know(&mut self, rule: &str) {
        self.0.entry(rule.to_string()).or_default();
    }

    pub(super) fn knows(&self, rule: &str) -> bool {
        self.0.contains_key(rule)
    }

    pub(super) fn add(&mut self, rule: &str, unit: Option<String>, alarm: AlarmIdx) {
        let of = self.0.entry(rule.to_string()).or_default();
        match unit {
            Some(unit) => of.by_unit.entry(unit).or_default().push(alarm),
            None => of.of_site.push(alarm),
        }
    }

    /// The names of the rules that had their turn.
    pub(super) fn rules(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The units in which a rule has some.
    pub(super) fn units_of(&self, rule: &str) -> impl Iterator<Item = &String> {
        self.0
            .get(rule)
            .into_iter()
            .flat_map(|of| of.by_unit.keys())
    }

    /// The alarms of a rule, by index.
    pub(super) fn of(&self, rule: &str) -> Vec<AlarmIdx> {
        self.of_site_and(rule, self.units_of(rule).map(String::as_str))
    }

    /// The alarms of a rule in a unit; in the whole site where there is none.
    pub(super) fn of_in(&self, rule: &str, unit: Option<&str>) -> Vec<AlarmIdx> {
        let Some(unit) = unit else {
            return self.of(rule);
        };
        let found = self.0.get(rule).and_then(|of| of.by_unit.get(unit));
        found.cloned().unwrap_or_default()
    }

    /// The alarms of a rule that are of no unit or of one of these, by index.
    pub(super) fn of_site_and<'u>(
        &self,
        rule: &str,
        units: impl Iterator<Item = &'u str>,
    ) -> Vec<AlarmIdx> {
        let Some(of) = self.0.get(rule) else {
            return Vec::new();
        };
        let in_units = units.filter_map(|unit| of.by_unit.get(unit)).flatten();
        let mut found: Vec<AlarmIdx> = of.of_site.iter().chain(in_units).copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}
