//! What a site lets rules switch: an output, by which rules, and how it proves that it obeys.

use std::string::String;
use std::vec::Vec;

use front::{Item, Table};

use super::level::delay;
use super::{Placed, names, point_name};
use crate::program::OutputClass;

/// How soon an output must show that it does what it is told, where the site does not say.
const WITHIN_MS: u64 = 10_000;

/// An output that rules may switch.
#[derive(Clone, Debug)]
pub struct Output<'a> {
    /// The point, as unit and name.
    pub point: Placed<'a, (String, String)>,
    /// The rules, by name.
    pub rules: Vec<Placed<'a, String>>,
    /// Whose alarms switch it beside those of its own unit and of the site: other units.
    pub units: Vec<Placed<'a, String>>,
    /// What people may do to it.
    pub class: OutputClass,
    /// How long it stays on at least, in milliseconds.
    pub min_on_ms: u64,
    /// The point that shows that it does what it is told; its own read-back when none.
    pub feedback: Option<Placed<'a, (String, String)>>,
    /// How soon that must show it, in milliseconds.
    pub within_ms: u64,
}

impl<'a> Output<'a> {
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let point = table.req("point").and_then(placed_point);
        let rules = table.req("rules").and_then(|item| names(&item));
        let units = match table.opt("units") {
            None => Some(Vec::new()),
            Some(item) => names(&item),
        };
        let class = table.req("class").and_then(|item| class(&item));
        let min_on_ms = delay(table, "min_on");
        let feedback = match table.opt("feedback") {
            None => Some(None),
            Some(item) => placed_point(item).map(Some),
        };
        let within_ms = match table.opt("within") {
            None => Some(WITHIN_MS),
            Some(_) => delay(table, "within"),
        };
        // Who decided it stands in the file and in the log with it; nothing here goes by it.
        let reason = super::site::reason(table);
        table.finish();
        reason?;
        Some(Self {
            point: point?,
            rules: rules?,
            units: units?,
            class: class?,
            min_on_ms: min_on_ms?,
            feedback: feedback?,
            within_ms: within_ms?,
        })
    }
}

fn class(item: &Item<'_>) -> Option<OutputClass> {
    Some(match item.one_of(&["audible", "visual", "linkage"])? {
        "audible" => OutputClass::Audible,
        "visual" => OutputClass::Visual,
        _ => OutputClass::Linkage,
    })
}

fn placed_point(item: Item<'_>) -> Option<Placed<'_, (String, String)>> {
    Some(Placed::new(point_name(&item)?, item))
}
