//! `fengsui status`: what is connected, how far behind, what was dropped and why.

use std::io::{self, Write};

use super::api::{Api, Failure, Gateway};
use super::{Exit, table};
use crate::http::Status;

/// Arguments of `fengsui status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    gateway: Gateway,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Asks a gateway how it is.
pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    let text = match Api::new(&args.gateway).and_then(|api| api.get("/api/v1/status")) {
        Ok(text) => text,
        Err(failure) => return failure.tell(err),
    };
    let Ok(status) = serde_json::from_str::<Status>(&text) else {
        let what = "the answer is no status of a gateway";
        return Failure::new(Exit::Unreachable, what).tell(err);
    };
    if args.json {
        writeln!(out, "{}", text.trim_end())?;
    } else {
        print(&status, out)?;
    }
    Ok(Exit::Done)
}

fn print(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let Status { gateway, site, .. } = status;
    writeln!(out, "{gateway} of {site}, version {}", status.version)?;
    let broker = if status.connected {
        "connected"
    } else {
        "not connected"
    };
    let behind = status.log_end.saturating_sub(status.log_durable);
    let disk = if status.disk.is_empty() {
        format!("{} bytes, {behind} not on disk yet", status.log_end)
    } else {
        format!(
            "{} bytes, {behind} not on disk: {}",
            status.log_end, status.disk
        )
    };
    let database = match &status.database {
        None => "none".to_owned(),
        Some(database) if database.fault.is_empty() => format!("{} bytes behind", database.behind),
        Some(database) => format!("{} bytes behind: {}", database.behind, database.fault),
    };
    let rows = [
        ("broker", broker.to_owned()),
        (
            "alarms",
            format!("{} not normal, {}", status.alarms, status.alarm_state),
        ),
        (
            "events",
            format!("{} in epoch {}", status.seq, status.epoch),
        ),
        ("log", disk),
        ("database", database),
        ("configuration", status.config_hash.clone()),
    ];
    for (name, what) in rows {
        writeln!(out, "{:<15}{what}", format!("{name}:"))?;
    }
    if !status.nodes.is_empty() {
        writeln!(out)?;
        let rows: Vec<Vec<String>> = status
            .nodes
            .iter()
            .map(|node| {
                let missing = node.missing.to_string();
                vec![
                    node.node.clone(),
                    node.state.clone(),
                    node.last.clone(),
                    missing,
                ]
            })
            .collect();
        table::print(out, &["node", "state", "last pack", "missing"], &rows)?;
    }
    if !status.outputs.is_empty() {
        writeln!(out)?;
        let rows: Vec<Vec<String>> = status
            .outputs
            .iter()
            .map(|output| {
                let on = if output.on { "on" } else { "off" };
                vec![
                    output.output.clone(),
                    on.to_owned(),
                    output.shown.clone(),
                    output.since.clone(),
                    output.alarm.clone(),
                ]
            })
            .collect();
        table::print(out, &["output", "to be", "is", "since", "for"], &rows)?;
    }
    if !status.counters.is_empty() {
        writeln!(out)?;
        let rows: Vec<Vec<String>> = status
            .counters
            .iter()
            .map(|counter| vec![counter.name.clone(), counter.count.to_string()])
            .collect();
        table::print(out, &["since the start", "count"], &rows)?;
    }
    Ok(())
}
