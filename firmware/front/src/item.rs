//! A value with its place: each accessor returns what it should be or reports what it is.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use toml::Spanned;
use toml::de::DeValue;

use crate::{Place, Problems, Source, Table, nearest, parse_duration_ms};

/// A value of a file.
///
/// The accessors return `None` after they have reported the problem, so that the caller reads on.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    source: &'a Source,
    problems: &'a Problems,
    path: String,
    value: &'a Spanned<DeValue<'a>>,
    torn: bool,
}

impl<'a> Item<'a> {
    pub(crate) fn new(
        source: &'a Source,
        problems: &'a Problems,
        path: String,
        value: &'a Spanned<DeValue<'a>>,
        torn: bool,
    ) -> Self {
        Self {
            source,
            problems,
            path,
            value,
            torn,
        }
    }

    /// A string.
    pub fn str(&self) -> Option<&'a str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.expected("a string"),
        }
    }

    /// True or false.
    pub fn bool(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.expected("true or false"),
        }
    }

    /// A whole number in a range.
    pub fn int(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(number) = self.value.get_ref() else {
            return self.expected(&expected);
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) if range.contains(&value) => Some(value),
            _ => self.found(&number.to_string(), &expected),
        }
    }

    /// A finite number; a whole number counts.
    pub fn f64(&self) -> Option<f64> {
        let value = match self.value.get_ref() {
            DeValue::Float(number) => number.as_str().replace('_', "").parse::<f64>().ok(),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .and_then(|value| value.to_string().parse().ok()),
            _ => return self.expected("a number"),
        };
        match value {
            Some(value) if value.is_finite() => Some(value),
            _ => self.found("it", "a finite number"),
        }
    }

    /// A duration as `250ms`, `5s`, `10min` or `24h`, in milliseconds.
    pub fn duration_ms(&self) -> Option<u64> {
        let text = self.str()?;
        match parse_duration_ms(text) {
            Ok(duration) => Some(duration),
            Err(error) => self.report(error.to_string()),
        }
    }

    /// A string out of a list of words.
    pub fn one_of<'w>(&self, words: &[&'w str]) -> Option<&'w str> {
        let text = self.str()?;
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(word);
        }
        let hint = nearest(text, words.iter().copied())
            .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
        let list = words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ");
        self.report(format!(
            "`{}` is not known, expected one of {list}{hint}",
            excerpt(text)
        ))
    }

    /// A string that parses as `T`; the error's text becomes the problem.
    pub fn parse<T>(&self) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        match self.str()?.parse() {
            Ok(value) => Some(value),
            Err(error) => self.report(error.to_string()),
        }
    }

    /// A table.
    pub fn table(&self) -> Option<Table<'a>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => Some(Table::new(
                self.source,
                self.problems,
                self.path.clone(),
                self.value.span().start,
                entries,
                self.torn,
            )),
            DeValue::Array(items)
                if items
                    .iter()
                    .all(|it| matches!(it.get_ref(), DeValue::Table(_))) =>
            {
                self.report(format!(
                    "a list of tables, expected one, begun with `[{}]`",
                    self.header()
                ))
            }
            _ => self.expected("a table"),
        }
    }

    /// The path as a table's header has it: without the numbers.
    fn header(&self) -> String {
        let parts = self.path.split('[');
        parts
            .map(|part| part.split_once(']').map_or(part, |(_, rest)| rest))
            .collect()
    }

    /// An array's items; anything else is reported and gives none.
    pub fn items(&self) -> Vec<Self> {
        let DeValue::Array(items) = self.value.get_ref() else {
            return self.expected("an array").unwrap_or_default();
        };
        items
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let path = format!("{}[{index}]", self.path);
                Self::new(self.source, self.problems, path, value, self.torn)
            })
            .collect()
    }

    /// An array of tables; items that are something else are reported and left out.
    pub fn tables(&self) -> Vec<Table<'a>> {
        if self.is_table() {
            self.problem(format!(
                "one table, expected a list of them, each begun with `[[{}]]`",
                self.header()
            ));
            return Vec::new();
        }
        self.items().iter().filter_map(Self::table).collect()
    }

    /// True for a string; for keys that take a string or a table.
    pub fn is_str(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::String(_))
    }

    /// True for an array.
    pub fn is_array(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    /// True for a table.
    pub fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    /// True for a whole number that is written in hexadecimal, as `0x9C41`.
    pub fn is_hexadecimal(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Integer(number) if number.radix() == 16)
    }

    /// True for `true` and `false`.
    pub fn is_bool(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Boolean(_))
    }

    /// Reports a problem of this value.
    pub fn problem(&self, what: impl Into<String>) {
        self.problems.add(self.place(), self.path.clone(), what);
    }

    /// Reports a problem at a byte offset inside a string that is written without escapes.
    pub fn problem_inside(&self, offset: usize, what: impl Into<String>) {
        self.problems
            .add(self.place_inside(offset), self.path.clone(), what);
    }

    /// The name of the file that it is in, for messages.
    pub fn file(&self) -> &'a str {
        self.source.file()
    }

    /// Where the value is.
    pub fn place(&self) -> Place {
        self.source.place(self.value.span().start)
    }

    /// The place of a byte offset inside a string that is written without escapes.
    pub fn place_inside(&self, offset: usize) -> Place {
        let span = self.value.span();
        let written = self.source.text().get(span.clone()).unwrap_or_default();
        let quotes = if written.starts_with("\"\"\"\n") || written.starts_with("'''\n") {
            4
        } else if written.starts_with("\"\"\"") || written.starts_with("'''") {
            3
        } else {
            1
        };
        self.source
            .place((span.start + quotes + offset).min(span.end))
    }

    /// The value's path in its file, as `bus.slave[2].unit_id`.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn expected<T>(&self, expected: &str) -> Option<T> {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.found(found, expected)
    }

    fn found<T>(&self, found: &str, expected: &str) -> Option<T> {
        self.report(format!("{found}, expected {expected}"))
    }

    fn report<T>(&self, what: String) -> Option<T> {
        self.problem(what);
        None
    }
}

/// The first 80 characters of a text, so that a message stays readable.
fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}
