//! How the story went: the count, and what did not come true.

use std::io::{self, Write};

use serde::Serialize;

/// What the demo ends with.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// The story came true and nothing is lost.
    pub(super) ok: bool,
    /// It was interrupted before its end.
    pub(super) broken_off: bool,
    /// Samples that the node has read.
    pub(super) read: u64,
    /// Samples that a subscriber has seen.
    pub(super) published: u64,
    /// Of these, those that came later, as history.
    pub(super) history: u64,
    /// Samples in the gateway's log.
    pub(super) committed: u64,
    /// Of these, those that were evaluated live.
    pub(super) live: u64,
    /// And those that were too late for that.
    pub(super) late: u64,
    /// Alarms that were raised.
    pub(super) raised: usize,
    /// Alarms that returned.
    pub(super) returned: usize,
    /// Samples that were read and are not in the log.
    pub(super) lost: u64,
    /// What of the story did not come true.
    pub(super) differences: Vec<String>,
}

impl Summary {
    /// Says it to people.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            read,
            published,
            history,
            committed,
            live,
            late,
            raised,
            returned,
            lost,
            ..
        } = self;
        writeln!(
            out,
            "samples: read {read}, published {published} ({history} of them later, as history), committed {committed}, evaluated {live} live and {late} late\n\
             alarms: raised {raised}, returned {returned}\n\
             lost: {lost}"
        )?;
        for difference in &self.differences {
            writeln!(out, "! {difference}")?;
        }
        let verdict = match (self.broken_off, self.ok) {
            (true, _) => "the story was broken off",
            (false, true) => "the story came true",
            (false, false) => "the story did not come true",
        };
        writeln!(out, "{verdict}")
    }
}
