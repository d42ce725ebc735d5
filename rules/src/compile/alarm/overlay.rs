//! What the site makes stricter for some times: another limit, or every level a step earlier.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use super::super::level::scope_name;
use super::super::lower::{self, Here};
use super::super::number::Number;
use super::super::system;
use super::limits::in_measure;
use super::{Adding, Reported, Result, report};
use crate::calendar::Calendar;
use crate::expr::Cond;
use crate::file::{self, OverlayDoes, Rule};
use crate::program::{BuildError, LevelSpec, Overlay, Test};

impl<'a> Adding<'_, 'a> {
    /// Adds the alarms that say while which calendars limits are stricter here.
    pub(in super::super) fn tell_overlays(
        &mut self,
        gateway: &str,
        report: &mut dyn FnMut(BuildError),
    ) {
        let site = self.site;
        let mut told: BTreeMap<&str, (&Calendar, BTreeSet<String>)> = BTreeMap::new();
        for index in self.overlaid.borrow().iter() {
            let entry = &site.overlays[*index];
            // That there is none of that name was told.
            let Ok(calendar) = site.calendar(&entry.during.value) else {
                continue;
            };
            let why = format!("{} ({})", entry.rule.value, entry.reason);
            let (_, whys) = told
                .entry(&entry.during.value)
                .or_insert((calendar, BTreeSet::new()));
            whys.insert(why);
        }
        system::add_overlays(&mut self.builder, gateway, told, report);
    }

    /// The stricter limits that the site sets for some times.
    pub(super) fn overlay(
        &self,
        rule: &Rule<'a>,
        value: &Number,
        here: &Here<'_>,
        specs: &mut [LevelSpec],
    ) -> Result<()> {
        for (index, entry) in self.site.overlays_of(&rule.name.value, here) {
            self.overlaid.borrow_mut().insert(index);
            let during = self.during(entry)?;
            let (level, at) = match &entry.does {
                OverlayDoes::At { level, at } => (level, at),
                OverlayDoes::LevelUp => {
                    let mut stricter = self.stricter.borrow_mut();
                    *stricter.entry(index).or_default() |= level_up(specs, during);
                    continue;
                }
            };
            let only =
                |spec: &&mut LevelSpec| level.as_ref().is_none_or(|level| level.value == spec.name);
            // A level that the site leaves out has nothing to be stricter than.
            let spec = specs.iter_mut().find(only);
            *self.stricter.borrow_mut().entry(index).or_default() |= spec.is_some();
            let Some(spec) = spec else { continue };
            let number =
                lower::constant(&at.value, here).map_err(|error| report(&at.item, &error))?;
            let limit = in_measure(number, value, at, here)?;
            let stricter = match spec.test {
                Test::High { limit: own, .. } => limit < own,
                Test::Low { limit: own, .. } => limit > own,
                Test::When(_) | Test::External => false,
            };
            if !stricter {
                at.item.problem(format!(
                    "`{}` of {} at {limit} is not stricter than its own limit, expected a stricter one; an override sets another for all times",
                    spec.name,
                    scope_name(here)
                ));
                return Err(Reported);
            }
            spec.overlays.push(Overlay {
                during: during.clone(),
                limit,
            });
        }
        Ok(())
    }

    /// While a calendar holds, each level comes where the condition of the one before it is true.
    pub(super) fn overlay_conditions(
        &self,
        rule: &Rule<'a>,
        here: &Here<'_>,
        specs: &mut [LevelSpec],
    ) -> Result<()> {
        let own: Vec<Cond> = specs
            .iter()
            .filter_map(|spec| match &spec.test {
                Test::When(condition) => Some(condition.clone()),
                Test::High { .. } | Test::Low { .. } | Test::External => None,
            })
            .collect();
        for (index, entry) in self.site.overlays_of(&rule.name.value, here) {
            self.overlaid.borrow_mut().insert(index);
            let during = self.during(entry)?;
            *self.stricter.borrow_mut().entry(index).or_default() |= specs.len() > 1;
            for (spec, milder) in specs.iter_mut().skip(1).zip(&own) {
                if let Test::When(condition) = &mut spec.test {
                    let earlier = Vec::from([Cond::During(during.clone()), milder.clone()]);
                    *condition = Cond::Any(Vec::from([condition.clone(), Cond::All(earlier)]));
                }
            }
        }
        Ok(())
    }

    fn during(&self, entry: &file::Overlay<'_>) -> Result<&Calendar> {
        self.site.calendar(&entry.during.value).map_err(|what| {
            if self.site.is_whole {
                entry.during.item.problem(what);
            }
            Reported
        })
    }
}

/// While a calendar holds, each level is reached where the one below it is. False where none has one below it.
fn level_up(specs: &mut [LevelSpec], during: &Calendar) -> bool {
    let mut changes = false;
    for index in 1..specs.len() {
        let limit = match (&specs[index - 1].test, &specs[index].test) {
            (Test::High { limit, .. }, Test::High { .. })
            | (Test::Low { limit, .. }, Test::Low { .. }) => *limit,
            _ => continue,
        };
        specs[index].overlays.push(Overlay {
            during: during.clone(),
            limit,
        });
        changes = true;
    }
    changes
}
