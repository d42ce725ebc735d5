//! `fengsui rules replay`: what would have been different with other rules.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use ::rules::pack;
use front::{Problems, Source};
use serde_json::{Value, json};
use telemetry::UtcMs;

use super::super::{Exit, counted, print_problems, table};
use super::explain::failed;
use crate::past::compare::{Comparison, Occurrence, OtherRules, What, compare};

/// Arguments of `fengsui rules replay`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// The gateway's file.
    config: PathBuf,
    /// A rule file, or the name of a pack that comes with the program; together they stand instead of the file's `[rules]`.
    #[arg(long = "rules", value_name = "RULES", required = true)]
    rules: Vec<String>,
    /// From when on, in UTC; without it from the log's beginning.
    #[arg(long, value_name = "TIME")]
    from: Option<UtcMs>,
    /// Until when, in UTC; without it to the log's end.
    #[arg(long, value_name = "TIME")]
    to: Option<UtcMs>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Lives through the log with both. 0 when nothing would have been different, 1 when something would.
pub(in super::super) fn run(
    args: &Args,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let Some(config) = super::config(&args.config, err)? else {
        return Ok(Exit::BadInput);
    };
    let problems = Problems::default();
    let sources: Vec<Source> = args
        .rules
        .iter()
        .filter_map(|name| {
            super::source(name, &problems, || {
                pack::pack(name).map(|pack| pack.source())
            })
        })
        .collect();
    if !problems.is_empty() {
        print_problems(&problems, err)?;
        return Ok(Exit::BadInput);
    }
    let folder = config.data.log();
    let others = OtherRules {
        sources: &sources,
        problems: &problems,
    };
    let stretch = (
        args.from.unwrap_or(UtcMs(0)),
        args.to.unwrap_or(UtcMs(i64::MAX)),
    );
    let mut bar = Bar::new(err);
    let compared = compare(&config, &folder, &others, stretch, &mut |done| {
        bar.show(done);
    });
    bar.end();
    let found = match compared {
        Ok(Some(found)) => found,
        Ok(None) => {
            print_problems(&problems, err)?;
            return Ok(Exit::BadInput);
        }
        Err(error) => return failed(&error, err),
    };
    if let Some(asked) = args.from.filter(|from| *from < found.from) {
        let from = found.from;
        writeln!(err, "nothing is kept of {asked}: the log begins at {from}")?;
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &json_of(&found))?;
        writeln!(out)?;
    } else {
        print(&found, out)?;
    }
    Ok(if found.differences.is_empty() {
        Exit::Done
    } else {
        Exit::No
    })
}

fn print(found: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Vec<String>> = found
        .differences
        .iter()
        .map(|difference| {
            let (what, was, would) = match &difference.what {
                What::Added(one) => ("added", String::new(), words(one)),
                What::Removed(one) => ("removed", words(one), String::new()),
                What::Moved(one, other) => ("moved", words(one), words(other)),
            };
            vec![what.to_owned(), difference.alarm.clone(), was, would]
        })
        .collect();
    if !rows.is_empty() {
        table::print(out, &["", "alarm", "as it was", "with these rules"], &rows)?;
    }
    let n_shifts = found.shifts.len();
    if n_shifts > 1 {
        let rows: Vec<Vec<String>> = found
            .shifts
            .iter()
            .map(|(shift, (was, would))| {
                vec![shift.to_string(), was.to_string(), would.to_string()]
            })
            .collect();
        let head = ["raised in the 8 h from", "as it was", "with these rules"];
        table::print(out, &head, &rows)?;
    }
    let count = |is: fn(&What) -> bool| {
        let differences = found.differences.iter();
        differences
            .filter(|difference| is(&difference.what))
            .count()
    };
    let (was, would) = found.raised();
    writeln!(
        out,
        "{} to {}: {}, raised {was}, with these rules {would}; {} added, {} removed, {} moved, {} the same",
        found.from,
        found.to,
        counted(
            usize::try_from(found.samples).unwrap_or(usize::MAX),
            "reading"
        ),
        count(|what| matches!(what, What::Added(_))),
        count(|what| matches!(what, What::Removed(_))),
        count(|what| matches!(what, What::Moved(..))),
        found.same,
    )?;
    if found.deeds_without_alarm > 0 {
        writeln!(
            out,
            "{} of people would have met another state: what they acknowledged or reset was not as it would have been",
            counted(found.deeds_without_alarm, "deed")
        )?;
    }
    Ok(())
}

fn words(one: &Occurrence) -> String {
    let from = if one.is_older {
        "before".to_owned()
    } else {
        one.raised.to_string()
    };
    let to = one
        .returned
        .map_or_else(|| "stays".to_owned(), |returned| returned.to_string());
    format!("{} {from} – {to}", one.level.0)
}

fn json_of(found: &Comparison) -> Value {
    let occurrence = |one: &Occurrence| {
        json!({
            "raised": one.raised.to_string(),
            "returned": one.returned.map(|returned| returned.to_string()),
            "level": one.level.0,
            "severity": one.level.1,
            "older": one.is_older,
        })
    };
    let differences: Vec<Value> = found
        .differences
        .iter()
        .map(|difference| {
            let (what, was, would) = match &difference.what {
                What::Added(one) => ("added", None, Some(one)),
                What::Removed(one) => ("removed", Some(one), None),
                What::Moved(one, other) => ("moved", Some(one), Some(other)),
            };
            json!({
                "what": what,
                "alarm": difference.alarm,
                "was": was.map(occurrence),
                "would": would.map(occurrence),
            })
        })
        .collect();
    let shifts: Vec<Value> = found
        .shifts
        .iter()
        .map(|(shift, (was, would))| {
            json!({ "from": shift.to_string(), "was": was, "would": would })
        })
        .collect();
    json!({
        "from": found.from.to_string(),
        "to": found.to.to_string(),
        "samples": found.samples,
        "same": found.same,
        "differences": differences,
        "raised_per_shift": shifts,
        "deeds_without_alarm": found.deeds_without_alarm,
    })
}

/// How far it is, as a bar that is written over; on a terminal only.
struct Bar<'e> {
    err: &'e mut dyn Write,
    shows: bool,
    percent: Option<u64>,
}

impl<'e> Bar<'e> {
    fn new(err: &'e mut dyn Write) -> Self {
        Self {
            err,
            shows: io::stderr().is_terminal(),
            percent: None,
        }
    }

    /// `done` of so many bytes.
    fn show(&mut self, (done, all): (u64, u64)) {
        let percent = done * 100 / all.max(1);
        if !self.shows || self.percent == Some(percent) {
            return;
        }
        self.percent = Some(percent);
        let filled = usize::try_from(percent / 2).unwrap_or(50).min(50);
        // Who can't be told how far it is misses nothing else.
        let _unheard = write!(self.err, "\r[{:50}] {percent:3} %", "#".repeat(filled))
            .and_then(|()| self.err.flush());
    }

    fn end(&mut self) {
        if self.percent.is_some() {
            let _unheard = write!(self.err, "\r\x1b[K");
        }
    }
}
