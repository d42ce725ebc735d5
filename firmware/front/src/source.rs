//! A file's text, and the places in it.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use crate::{Problems, Table};

/// A place in a file: line and column count from 1, columns in characters.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The file's name as the user gave it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub col: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.col)
    }
}

/// A file that was read: its name for messages and its text.
#[derive(Clone, Debug)]
pub struct Source {
    file: String,
    text: String,
}

impl Source {
    /// Takes a file's text; `file` is what messages call it.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
        }
    }

    /// Reads a file; messages call it by its path. A byte order mark, as editors on Windows write it, is no part of the text.
    ///
    /// # Errors
    /// Why it cannot be read, for people; the file is not named in it.
    pub fn open(path: &Path) -> Result<Self, String> {
        let cannot = |why: String| format!("cannot be read: {why}");
        let bytes = fs::read(path).map_err(|error| cannot(error.to_string()))?;
        let file = path.display().to_string();
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(file, text.trim_start_matches('\u{feff}'))),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
                let Place { line, col, .. } = Self::new(file, before).place(valid);
                Err(cannot(format!(
                    "no UTF-8 at line {line}, column {col}, expected a text in UTF-8"
                )))
            }
        }
    }

    /// The file's name for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of a byte offset.
    pub fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let col = before
            .rsplit('\n')
            .next()
            .map_or(0, |line| line.chars().count())
            + 1;
        Place {
            file: self.file.clone(),
            line,
            col,
        }
    }

    /// Parses the text; every syntax error becomes a problem, and what could be read can be used.
    pub fn parse<'a>(&'a self, problems: &'a Problems) -> Document<'a> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        let failed = !errors.is_empty();
        for error in errors {
            let offset = error.span().map_or(0, |span: Range<usize>| span.start);
            problems.add(self.place(offset), "", error.message());
        }
        Document {
            source: self,
            table,
            problems,
            failed,
        }
    }
}

/// A parsed file.
#[derive(Debug)]
pub struct Document<'a> {
    source: &'a Source,
    table: Spanned<DeTable<'a>>,
    problems: &'a Problems,
    failed: bool,
}

impl Document<'_> {
    /// The file's top-level table.
    pub fn root(&self) -> Table<'_> {
        Table::new(
            self.source,
            self.problems,
            String::new(),
            0,
            self.table.get_ref(),
            self.failed,
        )
    }
}
