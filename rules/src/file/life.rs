//! What a rule lets people and design do to its alarms.

use std::string::String;
use std::vec::Vec;

use front::Table;

use super::level::delay;
use super::{Placed, expr_or_wrong, name};
use crate::program::LifeSpec;
use crate::syntax::Expr;

/// What people and design may do.
#[derive(Clone, Debug)]
pub struct Life<'a> {
    /// How long after an acknowledgement an active alarm asks again, in milliseconds; 0: never.
    pub re_alarm_ms: u64,
    /// For how long it may be shelved, in milliseconds; 0: not at all.
    pub shelve_max_ms: u64,
    /// When it is suppressed.
    pub suppress: Vec<Suppress<'a>>,
}

/// A reason by which alarms are suppressed.
#[derive(Clone, Debug)]
pub struct Suppress<'a> {
    /// While this is true.
    pub condition: Placed<'a, Expr>,
    /// Its word, in the alphabet of names.
    pub reason: Placed<'a, String>,
    /// How long it stays suppressed afterwards, in milliseconds.
    pub hold_off_ms: u64,
}

impl<'a> Life<'a> {
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let re_alarm_ms = delay(table, "re_alarm");
        let shelve_max_ms = match table.opt("shelve_max") {
            None => Some(LifeSpec::default().shelve_max_ms),
            Some(_) => delay(table, "shelve_max"),
        };
        let suppress = match table.opt("suppress") {
            None => Some(Vec::new()),
            Some(item) => {
                let tables = item.tables();
                let reasons: Vec<_> = tables.iter().filter_map(Suppress::read).collect();
                if item.items().len() > 8 {
                    item.problem("more than 8 reasons, expected at most 8");
                }
                (item.is_array() && reasons.len() == item.items().len()).then_some(reasons)
            }
        };
        let suppress = suppress?;
        for (index, reason) in suppress.iter().enumerate() {
            let word = &reason.reason;
            if suppress[..index]
                .iter()
                .any(|other| other.reason.value == word.value)
            {
                word.item
                    .problem("a second reason of this word, expected each once");
            }
        }
        Some(Self {
            re_alarm_ms: re_alarm_ms?,
            shelve_max_ms: shelve_max_ms?,
            suppress,
        })
    }
}

impl<'a> Suppress<'a> {
    fn read(table: &Table<'a>) -> Option<Self> {
        let condition = table.req("while").map(expr_or_wrong);
        let reason = table
            .req("reason")
            .and_then(|item| Some(Placed::new(name(&item)?, item)));
        let hold_off_ms = delay(table, "hold_off");
        table.finish();
        Some(Self {
            condition: condition?,
            reason: reason?,
            hold_off_ms: hold_off_ms?,
        })
    }
}
