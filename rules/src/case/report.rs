//! What came of a test file, for people.

use core::fmt;
use std::collections::BTreeSet;
use std::format;
use std::string::String;
use std::vec::Vec;

use front::Place;

use super::run::seconds;

/// The most lines of one timeline.
const LINES_MAX: usize = 40;

/// What came of a test file. Shows each failed case with its timeline, and a summary line.
#[derive(Debug, Default)]
pub struct Report {
    /// Each case, in the file's order.
    pub cases: Vec<CaseReport>,
    /// Each (rule, level) that some case reached.
    pub levels: BTreeSet<(String, String)>,
}

/// What came of one case.
#[derive(Debug)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// What was expected and was not so; empty when all was.
    pub failures: Vec<String>,
    pub(super) timeline: Timeline,
}

impl Report {
    /// True when every case came out as expected.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.failures.is_empty())
    }

    /// How many cases failed.
    pub fn n_failed(&self) -> usize {
        self.cases
            .iter()
            .filter(|case| !case.failures.is_empty())
            .count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in self.cases.iter().filter(|case| !case.failures.is_empty()) {
            writeln!(f, "{case}")?;
        }
        let plural = if self.cases.len() == 1 { "" } else { "s" };
        let (n_cases, n_failed) = (self.cases.len(), self.n_failed());
        write!(f, "{n_cases} case{plural}, {n_failed} failed")
    }
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.place, self.name)?;
        write!(f, "{}", self.timeline)
    }
}

/// What happened in a case, in order: readings (several of one point in a row as one), events, and what was not as expected.
#[derive(Debug, Default)]
pub(super) struct Timeline(Vec<Line>);

#[derive(Debug)]
struct Line {
    at_ms: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Reading {
        point: String,
        first: String,
        last: String,
        until_ms: u64,
    },
    Event(String),
    Mark(String),
}

impl Timeline {
    pub(super) fn reading(&mut self, at_ms: u64, name: String, reading: String) {
        // Points take turns: look for this one's line since the last event.
        let since_event = self
            .0
            .iter_mut()
            .rev()
            .take_while(|line| matches!(line.what, What::Reading { .. }));
        for line in since_event {
            if let What::Reading {
                point,
                last,
                until_ms,
                ..
            } = &mut line.what
                && *point == name
            {
                *last = reading;
                *until_ms = at_ms;
                return;
            }
        }
        self.0.push(Line {
            at_ms,
            what: What::Reading {
                point: name,
                first: reading.clone(),
                last: reading,
                until_ms: at_ms,
            },
        });
    }

    pub(super) fn event(&mut self, at_ms: u64, what: String) {
        self.0.push(Line {
            at_ms,
            what: What::Event(what),
        });
    }

    pub(super) fn mark(&mut self, at_ms: u64, what: String) {
        self.0.push(Line {
            at_ms,
            what: What::Mark(what),
        });
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = self.0.len().saturating_sub(LINES_MAX);
        if skipped > 0 {
            writeln!(f, "    … {skipped} lines before")?;
        }
        for line in &self.0[skipped..] {
            let at = seconds(line.at_ms);
            let (sign, what) = match &line.what {
                What::Reading {
                    point,
                    first,
                    last,
                    until_ms,
                } => {
                    let to = if first == last {
                        String::new()
                    } else {
                        format!(" → {last}")
                    };
                    let until = if *until_ms == line.at_ms {
                        String::new()
                    } else {
                        format!(" until {}", seconds(*until_ms))
                    };
                    (' ', format!("{point} reads {first}{to}{until}"))
                }
                What::Event(what) => (' ', what.clone()),
                What::Mark(what) => ('✗', what.clone()),
            };
            writeln!(f, "  {sign} {at:>12}  {}", what.trim_end())?;
        }
        Ok(())
    }
}
