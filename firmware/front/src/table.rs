//! A table whose keys are asked for by name, and which tells which keys nobody asked for.

use std::cell::RefCell;
use std::collections::BTreeSet;

use toml::de::DeTable;

use crate::{Item, Place, Problems, Source, nearest};

/// A table of a file.
///
/// Ask for every key that means something, then call [`Table::finish`]: it reports what is left over.
#[derive(Debug)]
pub struct Table<'a> {
    source: &'a Source,
    problems: &'a Problems,
    path: String,
    start: usize,
    entries: &'a DeTable<'a>,
    asked: RefCell<BTreeSet<String>>,
    /// The file has syntax errors, so that a missing key may be one that could not be read.
    torn: bool,
}

impl<'a> Table<'a> {
    pub(crate) fn new(
        source: &'a Source,
        problems: &'a Problems,
        path: String,
        start: usize,
        entries: &'a DeTable<'a>,
        torn: bool,
    ) -> Self {
        Self {
            source,
            problems,
            path,
            start,
            entries,
            asked: RefCell::default(),
            torn,
        }
    }

    /// The value of a key, if the file has it.
    pub fn opt(&self, key: &str) -> Option<Item<'a>> {
        self.asked.borrow_mut().insert(key.to_owned());
        let value = self.entries.get(key)?;
        Some(Item::new(
            self.source,
            self.problems,
            self.join(key),
            value,
            self.torn,
        ))
    }

    /// The value of a key that must be there; its absence is a problem at the table's place.
    pub fn req(&self, key: &str) -> Option<Item<'a>> {
        let item = self.opt(key);
        if item.is_none() && !self.torn {
            self.problems
                .add(self.place(), self.join(key), "missing, expected a value");
        }
        item
    }

    /// All entries in the order of their keys, for tables whose keys are names; each counts as asked for.
    pub fn entries(&self) -> Vec<(&'a str, Item<'a>)> {
        self.entries
            .iter()
            .map(|(key, value)| {
                let name: &'a str = key.get_ref();
                self.asked.borrow_mut().insert(name.to_owned());
                let item = Item::new(
                    self.source,
                    self.problems,
                    self.join(name),
                    value,
                    self.torn,
                );
                (name, item)
            })
            .collect()
    }

    /// Reports every key that nobody asked for, with the nearest known one.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self.entries.keys() {
            let name: &str = key.get_ref();
            if asked.contains(name) {
                continue;
            }
            let what = match nearest(name, asked.iter().map(String::as_str)) {
                Some(near) => format!("unknown key, did you mean `{near}`?"),
                None => format!(
                    "unknown key, expected one of {}",
                    asked
                        .iter()
                        .map(|key| format!("`{key}`"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            };
            self.problems
                .add(self.source.place(key.span().start), self.join(name), what);
        }
    }

    /// Reports a problem of the table as a whole.
    pub fn problem(&self, what: impl Into<String>) {
        self.problems.add(self.place(), self.path.clone(), what);
    }

    /// Reports that something is missing in the table; not where the file has syntax errors, since it may be what could not be read.
    pub fn lacks(&self, what: impl Into<String>) {
        if !self.torn {
            self.problem(what);
        }
    }

    /// Where the table begins.
    pub fn place(&self) -> Place {
        self.source.place(self.start)
    }

    /// The table's path in its file, as `bus.slave[2]`; empty for the top level.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}
