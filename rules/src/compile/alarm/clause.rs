//! Who stands on a clause with limits: a rule that cites it has them, and is not switched off in silence.

use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::super::level::scope_name;
use super::super::lint;
use super::super::lower::Here;
use super::{Adding, Overrides};
use crate::file::{Override, Rule};

impl<'c, 'a> Adding<'c, 'a> {
    /// Notes that a rule cites the clause that has limits for its point.
    pub(super) fn cite(&mut self, rule: &'c Rule<'a>, here: &Here<'_>) {
        let Some(own) = here.own else { return };
        let Some(clause) = lint::clause_of(&self.points.info(own).kind) else {
            return;
        };
        let overrides = self.site.overrides_of(&rule.name.value, here);
        let named = overrides
            .iter()
            .any(|(_, entry)| lint::names(entry, clause));
        if lint::cites(rule, clause) && !named {
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
            let name = self.points.name(*own);
            let what = lint::not_compared(rule, clause, &name, &format!("{kind} itself"));
            rule.name.item.problem(what);
        }
    }

    /// Reports what the site switches off or puts off of a rule that stands on a clause, where it does not name the clause. True when all is well.
    pub(super) fn check_loosened(
        &self,
        rule: &Rule<'_>,
        overrides: &Overrides<'_, '_>,
        here: &Here<'_>,
    ) -> bool {
        let kind = here.own.map(|own| self.points.info(own).kind.as_str());
        let clauses = clauses(rule, kind);
        let Some(clause) = clauses.first() else {
            return true;
        };
        let mut fine = true;
        for (_, entry) in overrides {
            if clauses.iter().any(|clause| lint::names(entry, clause)) {
                continue;
            }
            let scope = scope_name(here);
            let what = match (&entry.level, entry.off) {
                (None, true) => Some(format!(
                    "switched off for {scope}, and {clause} asks for it"
                )),
                (Some(level), true) => Some(format!(
                    "`{}` of {scope} switched off, and {clause} asks for it",
                    level.value
                )),
                // A delay is held to what the rule itself says.
                (_, false) if rule.clause.is_some() => put_off(rule, entry, &scope)
                    .map(|what| format!("{what}, and its rule stands on {clause}")),
                (_, false) => None,
            };
            if let Some(what) = what {
                entry.rule.item.problem(format!(
                    "{what}, expected `laxer_than = \"{clause}\"` beside it"
                ));
                fine = false;
            }
        }
        fine
    }
}

/// The clauses one of which the site names to go below what a rule stands on, the first of them to be told: that with limits for the rule's points, else the rule's own, as it cites it or one of several.
fn clauses<'r>(rule: &'r Rule<'_>, kind: Option<&str>) -> Vec<&'r str> {
    let of_kind = kind.and_then(lint::clause_of);
    match rule.clause.as_deref() {
        Some(cited) if of_kind.is_none() || !lint::is_own_number(rule) => {
            let each = cited.split(", ");
            std::iter::once(cited).chain(each).chain(of_kind).collect()
        }
        _ => of_kind.into_iter().collect(),
    }
}

/// What an override says that lets a level come later than the rule does.
fn put_off(rule: &Rule<'_>, entry: &Override<'_>, scope: &str) -> Option<String> {
    let on_delay_ms = entry.on_delay_ms?;
    let levels = rule.levels();
    let later = levels
        .iter()
        .find(|level| entry.is_for(level) && on_delay_ms > level.on_delay_ms)?;
    Some(format!(
        "`{}` of {scope} comes after {} instead of {}",
        later.name.value,
        time(on_delay_ms),
        time(later.on_delay_ms)
    ))
}

fn time(ms: u64) -> String {
    match ms % 1_000 {
        0 => format!("{} s", ms / 1_000),
        _ => format!("{ms} ms"),
    }
}
