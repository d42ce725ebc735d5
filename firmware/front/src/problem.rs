//! A problem of a file, and the list that collects them.

use std::cell::RefCell;
use std::fmt;

use crate::Place;

/// One thing that is wrong in one place.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// The key's path, as `bus.slave[2].unit_id`; empty for a problem of syntax.
    pub key: String,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.what)
        } else {
            write!(f, "{}: {}: {}", self.place, self.key, self.what)
        }
    }
}

/// All problems found so far, in any number of files.
///
/// Shared by reference while files are read, so that one wrong value does not hide the next.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Adds a problem.
    pub fn add(&self, place: Place, key: impl Into<String>, what: impl Into<String>) {
        self.0.borrow_mut().push(Problem {
            place,
            key: key.into(),
            what: what.into(),
        });
    }

    /// True when nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The number of problems so far.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// All problems, by file and place.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort();
        problems.dedup();
        problems
    }
}

impl fmt::Display for Problems {
    /// One line each, by file and place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut problems = self.0.borrow().clone();
        problems.sort();
        problems.dedup();
        for (index, problem) in problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}
