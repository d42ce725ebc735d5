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
    /// Where each line begins, as byte offsets: places are asked for often.
    lines: Vec<usize>,
}

impl Source {
    /// Takes a file's text; `file` is what messages call it.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self {
            file: file.into(),
            lines: std::iter::once(0).chain(ends).collect(),
            text,
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
        let is_place = self.text.is_char_boundary(offset);
        let offset = if is_place { offset } else { self.text.len() };
        let line = self.lines.partition_point(|begin| *begin <= offset);
        let before = self.text.get(self.lines[line - 1]..offset);
        Place {
            file: self.file.clone(),
            line,
            col: before.unwrap_or_default().chars().count() + 1,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_line_and_the_character_that_one_counts_by_hand() {
        let source = Source::new("f", "一\n\nb二c\r\n");
        let place = |offset| {
            let Place { line, col, .. } = source.place(offset);
            (line, col)
        };
        assert_eq!(
            [0, 3, 4, 5, 6, 9].map(place),
            [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2), (3, 3)]
        );
        // The end, beyond it, and inside a character.
        assert_eq!([12, 99, 1].map(place), [(4, 1); 3]);
        assert_eq!(Source::new("f", "").place(0).to_string(), "f:1:1");
    }
}
