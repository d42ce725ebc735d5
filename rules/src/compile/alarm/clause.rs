//! Who stands on a clause with limits: a rule that cites it has them, and is not switched off in silence.

use std::collections::BTreeSet;
use std::format;

use super::super::lint;
use super::super::lower::Here;
use super::{Adding, Reported, Result};
use crate::file::{Override, Rule};

impl<'c, 'a> Adding<'c, 'a> {
    /// Notes that a rule cites the clause that has limits for its point.
    pub(super) fn cite(&mut self, rule: &'c Rule<'a>, here: &Here<'_>) {
        let Some(own) = here.own else { return };
        let Some(clause) = lint::clause_of(&self.points.info(own).kind) else {
            return;
        };
        let overrides = self.site.overrides_of(&rule.name.value, here);
        let named = overrides.iter().any(|(_, entry)| {
            let laxer_than = entry.laxer_than.as_ref();
            laxer_than.is_some_and(|named| named.value == clause)
        });
        let cites = rule
            .clause
            .as_ref()
            .is_some_and(|cited| cited.contains(clause));
        if cites && !named {
            self.cited.entry(own).or_insert(rule);
        }
    }

    /// Reports rules that cite a clause with limits while no rule has them: what they ask can't be compared with it.
    pub(in super::super) fn check_cited(&self) {
        let held = self.held.borrow();
        let mut told = BTreeSet::new();
        for (own, rule) in &self.cited {
            if held.contains(own) || !told.insert(&rule.name.value) {
                continue;
            }
            let kind = &self.points.info(*own).kind;
            let clause = lint::clause_of(kind).unwrap_or_default();
            rule.name.item.problem(format!(
                "`{}` cites {clause} for {}, and what it asks can't be compared with it: expected `high` or `low` limits on the number of {kind} itself, or an override of the site with `laxer_than = \"{clause}\"`",
                rule.name.value,
                self.points.name(*own)
            ));
        }
    }

    /// Reports a rule that the site switches off against its clause.
    pub(super) fn switched_off(&self, entry: &Override<'a>, here: &Here<'_>) -> Result<()> {
        let Some(own) = here.own else { return Ok(()) };
        let kind = &self.points.info(own).kind;
        let Some(clause) = lint::clause_of(kind) else {
            return Ok(());
        };
        let named = entry
            .laxer_than
            .as_ref()
            .is_some_and(|named| named.value == clause);
        if named {
            return Ok(());
        }
        entry.rule.item.problem(format!(
            "switched off for {}, and {clause} asks for it, expected `laxer_than = \"{clause}\"` beside it",
            self.points.name(own)
        ));
        Err(Reported)
    }
}
