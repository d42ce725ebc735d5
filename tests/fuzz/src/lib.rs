//! What any bytes do to the rules: nothing panics, and what is wrong is told with its place.
//!
//! `tests/fuzz/run` lets a fuzzer look for bytes that do otherwise, guided by what they reach; what it ever found is kept and played by the tests.
#![allow(
    clippy::missing_panics_doc,
    reason = "a panic is what a fuzzer looks for"
)]

mod seeds;
mod site;
mod trace;

use std::sync::Arc;

use ::rules::compile::{System, compile};
use ::rules::engine::{Engine, NodeEngine};
use ::rules::image::Image;
use ::rules::point::PointInfo;
use ::rules::program::Program;
use front::{Problem, Problems, Source};
use sha2::{Digest, Sha256};
use telemetry::UtcMs;

pub use seeds::seeds;

/// A file of rules, and of a site's limits: refused with places, or it runs on the points of all packs and examples.
pub fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(program) = compiled(text) {
        play(program, bytes);
    }
}

/// An expression as a condition, and as a limit.
pub fn expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // What would end the string of TOML is the other target's business.
    if text.contains("'''") || text.chars().any(char::is_control) {
        return;
    }
    for places in [site::IN_CONDITIONS, site::AT_LIMITS] {
        if let Some(program) = compiled(&places.replace("EXPRESSION", text)) {
            play(program, bytes);
        }
    }
}

/// An image whose hash is right, whatever else is wrong with it.
pub fn image(bytes: &[u8]) {
    // Refused, but not by a panic.
    drop(Image::read(bytes));
    let mut bytes = bytes.to_vec();
    let Some(body) = bytes.len().checked_sub(32) else {
        return;
    };
    let len = u32::try_from(bytes.len()).expect("a fuzzer's input is short");
    if let Some(told) = bytes.get_mut(5..9) {
        told.copy_from_slice(&len.to_le_bytes());
    }
    let hash = Sha256::digest(&bytes[..body]);
    bytes[body..].copy_from_slice(&hash);
    let Ok(image) = Image::read(&bytes) else {
        return;
    };
    let counts = (image.n_points(), image.n_alarms());
    let mut engine = NodeEngine::new(image, UtcMs(0));
    for (input, now) in trace::trace(&bytes, counts) {
        engine.handle(input, now, drop).ok();
    }
}

/// The program for a point of each kind.
fn compiled(text: &str) -> Option<Program> {
    compiled_for(text, site::points())
}

/// The program; when there is none, each problem is at a place of the text.
fn compiled_for(text: &str, points: &[PointInfo]) -> Option<Program> {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let system = System {
        gateway: "gw".into(),
        nodes: Vec::new(),
    };
    let source = Source::new("file.toml", text);
    let program = compile(&[source], points, &system, &problems, &warnings);
    assert_eq!(program.is_some(), problems.is_empty(), "{problems}");
    for problem in [problems.into_sorted(), warnings.into_sorted()].concat() {
        assert!(is_placed(&problem, text), "{problem:?}");
    }
    program
}

fn is_placed(problem: &Problem, text: &str) -> bool {
    let place = &problem.place;
    // A carriage return is a character of its line.
    let line = place.line.checked_sub(1);
    let line = line.and_then(|line| text.split('\n').nth(line));
    line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&place.col))
        && place.file == "file.toml"
}

fn play(program: Program, bytes: &[u8]) {
    let counts = (program.points().len(), program.alarms().len());
    let counts = (
        u32::try_from(counts.0).expect("a few points"),
        u32::try_from(counts.1).expect("a few alarms"),
    );
    let mut engine = Engine::new(Arc::new(program), UtcMs(0));
    let mut effects = Vec::new();
    for (input, now) in trace::trace(bytes, counts) {
        engine.handle(input, now, &mut effects).ok();
    }
    for alarm in engine.program().alarm_idxs() {
        engine.explain(alarm);
    }
}
