//! Limits on a number: as the rule and the site give them, in the unit of the number, held against their clause.

use std::format;
use std::string::String;
use std::vec::Vec;

use front::Item;

use super::super::level::{in_order, is_off, level_spec, scope_name};
use super::super::lint::loosest::{self, Limits};
use super::super::lint::{self, Found, Judged};
use super::super::lower::{self, Here};
use super::super::number::Number;
use super::{Adding, Overrides, Reported, Result, report};
use crate::file::{LimitLevel, Override, Placed, Rule};
use crate::program::{LevelSpec, Side, Test};
use crate::syntax::{Expr, Name, Node};

impl<'a> Adding<'_, 'a> {
    /// The levels of a rule with limits, and what those lack that are left out.
    pub(super) fn limits<'l>(
        &self,
        rule: &Rule<'a>,
        value: &Number,
        high: &'l [LimitLevel<'a>],
        low: &'l [LimitLevel<'a>],
        here: &Here<'_>,
        overrides: &'l Overrides<'l, 'a>,
    ) -> Result<(Vec<LevelSpec>, Vec<Missing<'l, 'a>>)> {
        let mut failed = false;
        let mut missing = Vec::new();
        let mut specs = Vec::new();
        let mut found: Vec<Found<'_, 'a>> = Vec::new();
        for (side, levels) in [(Side::High, high), (Side::Low, low)] {
            let mut rank = 0;
            for limit_level in levels {
                if is_off(&limit_level.level, overrides) {
                    // The graver ones are no milder for it.
                    rank += 1;
                    continue;
                }
                if let Some(lacks) = lacks(limit_level, here, overrides) {
                    missing.push(lacks);
                    continue;
                }
                let limit = limit(limit_level, value, here, overrides);
                let (item, limit, exit_item, deadband) = match limit {
                    Ok(limit) => limit,
                    Err(Reported) => {
                        failed = true;
                        continue;
                    }
                };
                rank += 1;
                let test = match side {
                    Side::High => Test::High { limit, deadband },
                    Side::Low => Test::Low { limit, deadband },
                };
                let spec = level_spec(&limit_level.level, test, overrides);
                found.push(Found {
                    name: &limit_level.level.name.value,
                    side,
                    rank,
                    limit,
                    exit: match side {
                        Side::High => limit - deadband,
                        Side::Low => limit + deadband,
                    },
                    exit_item,
                    on_delay_ms: spec.on_delay_ms,
                    item,
                    given: match std::ptr::eq(item, &raw const limit_level.at.item) {
                        true => self.given(&limit_level.at.value, here),
                        false => String::new(),
                    },
                });
                specs.push(spec);
            }
        }
        if failed || !in_order(&found, &value.measure, here) {
            return Err(Reported);
        }
        self.overlay(rule, value, here, &mut specs)?;
        // A limit that is laxer than its clause may have its override where it could not be read.
        if let (Some(own), true) = (here.own, self.site.is_whole) {
            let gate = rule.only_while.iter().map(|gate| ("a gate", &gate.item));
            let reasons = rule.life.suppress.iter();
            let reasons = reasons.map(|reason| ("a reason to suppress", &reason.reason.item));
            let kind = &self.points.info(own).kind;
            let judged = Judged {
                rule,
                point: &self.points.name(own),
                kind,
                measure: &value.measure,
                ppm_of_mg: here.ppm_of_mg(),
                molar_volume: here.molar("molar-volume", "L/mol"),
                levels: &found,
                loosened: gate.chain(reasons).collect(),
                overrides,
            };
            if !lint::check(&judged, &|item, what| self.warn(item, what)) {
                return Err(Reported);
            }
            if lint::is_own_number(rule) && lint::clause_of(kind).is_some() {
                self.held.borrow_mut().insert(own);
            }
        }
        self.warn_of_lax(rule, value, &found, here, overrides);
        Ok((specs, missing))
    }

    /// Warns of a limit that is laxer than anything known.
    fn warn_of_lax(
        &self,
        rule: &Rule<'a>,
        value: &Number,
        found: &[Found<'_, 'a>],
        here: &Here<'_>,
        overrides: &Overrides<'_, 'a>,
    ) {
        let about = match here.own {
            Some(own) if lint::is_own_number(rule) => &self.points.info(own).kind,
            Some(_) => return,
            None => &rule.name.value,
        };
        let given = |word: &str| {
            let number = self.site.limit(word, here)?.clone();
            number.into_measure(value, 0, here).ok()?.constant()
        };
        let limits = Limits {
            scope: &scope_name(here),
            about,
            measure: &value.measure,
            levels: found,
            overrides,
            given: &given,
        };
        loosest::check(&limits, &|level, of, what| {
            self.warn_once(level.item, of, || what);
        });
    }

    /// The limits of the site that an expression rests on, for a message.
    fn given(&self, expr: &Expr, here: &Here<'_>) -> String {
        let mut given = String::new();
        expr.walk(&mut |part| {
            if let Node::Name(Name::Limit(word)) = &part.node
                && let Some(place) = self.site.limit_of_site(word, here)
            {
                given.push_str(&format!(", by `{word}` at {place},"));
            }
        });
        given
    }
}

/// A level that is left out where the site does not give its limit.
pub(super) struct Missing<'l, 'a> {
    /// Where the limit is asked for.
    pub item: &'l Item<'a>,
    pub level: &'l str,
    pub why: String,
}

/// What each level lacks, where the rule lets every one be left out and the site gives the limit of none.
pub(super) fn lacks_all<'l, 'a>(
    high: &'l [LimitLevel<'a>],
    low: &'l [LimitLevel<'a>],
    here: &Here<'_>,
    overrides: &'l Overrides<'l, 'a>,
) -> Option<Vec<Missing<'l, 'a>>> {
    let levels = high.iter().chain(low);
    let levels = levels.filter(|level| !is_off(&level.level, overrides));
    levels.map(|level| lacks(level, here, overrides)).collect()
}

/// What a level lacks that need not be given: then it is left out.
fn lacks<'l, 'a>(
    level: &'l LimitLevel<'a>,
    here: &Here<'_>,
    overrides: &'l Overrides<'l, 'a>,
) -> Option<Missing<'l, 'a>> {
    let at = asked(level, overrides);
    let error = lower::constant(&at.value, here).err()?;
    let may_miss = level.optional && level.otherwise.is_none();
    (may_miss && error.is_missing_limit()).then_some(Missing {
        item: &at.item,
        level: &level.level.name.value,
        why: error.what,
    })
}

/// A level's limit and deadband in the unit of the value, each with where it is written.
fn limit<'l, 'a>(
    level: &'l LimitLevel<'a>,
    value: &Number,
    here: &Here<'_>,
    overrides: &'l Overrides<'l, 'a>,
) -> Result<(&'l Item<'a>, f64, &'l Item<'a>, f64)> {
    let at = asked(level, overrides);
    let (at, number) = match (lower::constant(&at.value, here), &level.otherwise) {
        (Err(error), Some(otherwise)) if error.is_missing_limit() => {
            let number = lower::constant(&otherwise.value, here)
                .map_err(|error| report(&otherwise.item, &error))?;
            (otherwise, number)
        }
        (number, _) => (at, number.map_err(|error| report(&at.item, &error))?),
    };
    let limit = in_measure(number, value, at, here)?;
    let mut mine = of_level(level, overrides);
    let deadband = mine.find_map(|entry| entry.deadband.as_ref());
    let (exit_item, deadband) = match deadband.or(level.deadband.as_ref()) {
        None => (&at.item, 0.0),
        Some(deadband) => {
            let number = lower::constant(&deadband.value, here)
                .map_err(|error| report(&deadband.item, &error))?;
            let number = in_measure(number, value, deadband, here)?;
            if number < 0.0 {
                deadband
                    .item
                    .problem(format!("{number}, expected 0 or more"));
                return Err(Reported);
            }
            // What the site sets otherwise is where it comes from.
            let is_of_site = !std::ptr::eq(at, &raw const level.at);
            let is_own = level
                .deadband
                .as_ref()
                .is_some_and(|own| std::ptr::eq(own, deadband));
            match is_of_site && is_own {
                true => (&at.item, number),
                false => (&deadband.item, number),
            }
        }
    };
    Ok((&at.item, limit, exit_item, deadband))
}

/// What overrides say of a level, the narrowest first.
fn of_level<'l, 'a>(
    level: &LimitLevel<'a>,
    overrides: &'l Overrides<'l, 'a>,
) -> impl Iterator<Item = &'l Override<'a>> {
    let entries = overrides.iter().rev().map(|(_, entry)| *entry);
    entries.filter(|entry| entry.is_for(&level.level))
}

/// The limit of a level, as the site or the rule asks for it.
fn asked<'l, 'a>(
    level: &'l LimitLevel<'a>,
    overrides: &'l Overrides<'l, 'a>,
) -> &'l Placed<'a, Expr> {
    let at = of_level(level, overrides).find_map(|entry| entry.at.as_ref());
    at.unwrap_or(&level.at)
}

pub(super) fn in_measure(
    number: Number,
    value: &Number,
    at: &Placed<'_, Expr>,
    here: &Here<'_>,
) -> Result<f64> {
    let number = number
        .into_measure(value, at.value.at, here)
        .map_err(|error| report(&at.item, &error))?;
    Ok(number
        .constant()
        .expect("`lower::constant` gives constants, and a converted constant stays one"))
}
