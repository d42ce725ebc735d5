//! `fengsui rules image`: the rules of a node as bytes, for its flash.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use ::rules::effect::AlarmIdx;
use ::rules::image::Image;
use ::rules::program::Program;
use serde::Serialize;

use super::super::{Exit, counted};
use super::list::is_own;

/// Arguments of `fengsui rules image`.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// The gateway's file.
    config: PathBuf,
    /// Where to write the image.
    image: PathBuf,
    /// The node whose points the rules may read.
    #[arg(long)]
    node: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    bytes: usize,
    /// SHA-256 of it, hex: a node that says the same runs the same.
    hash: String,
    /// In its order: its indices are a node's.
    alarms: Vec<String>,
    /// Alarms that read points of this node and are not in it, since they need more.
    left_out: Vec<String>,
}

/// Writes the alarms of a site that need nothing but a node's own points.
pub(in super::super) fn run(
    args: &Args,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let Some(config) = super::config(&args.config, err)? else {
        return Ok(Exit::BadInput);
    };
    let program = &config.program;
    let nodes = program
        .points()
        .iter()
        .filter_map(|point| point.node.as_deref());
    let nodes: BTreeSet<&str> = nodes.collect();
    if !nodes.contains(args.node.as_str()) {
        let near = front::nearest(&args.node, nodes.iter().copied());
        let near = near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
        writeln!(err, "no point is read by a node `{}`{near}", args.node)?;
        return Ok(Exit::BadInput);
    }
    let bytes = program.image(|point| program.point(point).node.as_ref() == Some(&args.node));
    let written = Written::new(&bytes, program, &args.node);
    if let Err(error) = fs::write(&args.image, &bytes) {
        writeln!(err, "{}: {error}", args.image.display())?;
        return Ok(Exit::BadInput);
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &written)?;
        writeln!(out)?;
        return Ok(Exit::Done);
    }
    writeln!(
        out,
        "{}: {} in {} bytes, SHA-256 {}",
        args.image.display(),
        counted(written.alarms.len(), "alarm"),
        written.bytes,
        written.hash
    )?;
    if !written.left_out.is_empty() {
        let n = counted(written.left_out.len(), "alarm");
        let names = written.left_out.join(", ");
        writeln!(
            out,
            "{n} of its points left to the gateway, needing more: {names}"
        )?;
    }
    Ok(Exit::Done)
}

impl Written {
    fn new(bytes: &[u8], program: &Program, node: &str) -> Self {
        let image = Image::read(bytes).expect("an image that was just made");
        let alarms = (0..image.n_alarms()).map(|alarm| image.id_of(AlarmIdx(alarm)));
        let alarms: Vec<String> = alarms.flatten().map(|id| id.to_string()).collect();
        let reads_node = |alarm: &AlarmIdx| {
            let mut points = program.points_read_by(*alarm);
            points.any(|point| program.point(point).node.as_deref() == Some(node))
        };
        let known: BTreeSet<&String> = alarms.iter().collect();
        let of_rules = |alarm: &AlarmIdx| !is_own(program, *alarm);
        let others = program.alarm_idxs().filter(of_rules).filter(reads_node);
        let others = others.map(|alarm| program.id_of(alarm).to_string());
        let left_out = others.filter(|id| !known.contains(id)).collect();
        let hex = image.hash().iter().map(|byte| format!("{byte:02x}"));
        Self {
            bytes: bytes.len(),
            hash: hex.collect(),
            alarms,
            left_out,
        }
    }
}
