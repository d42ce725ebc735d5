//! Rule files against a small site: what a good one compiles to, what a wrong one gets told.

mod clause;
mod good;
mod language;
mod laxer;
mod output;
mod past;
mod sense;
mod units;
mod wrong;

use std::string::{String, ToString};
use std::vec::Vec;

use front::{Problems, Source};

use super::{System, compile};
use crate::point::PointInfo;
use crate::program::Program;

/// `unit/point kind unit`; `on/off` for a switch.
fn points(lines: &[&str]) -> Vec<PointInfo> {
    lines
        .iter()
        .map(|line| {
            let mut words = line.split_whitespace();
            let (unit, point) = words
                .next()
                .and_then(|name| name.split_once('/'))
                .expect("unit/point");
            let kind = words.next().expect("a kind").to_string();
            let eu = words.next().map(ToString::to_string);
            let digital = eu.as_deref() == Some("on/off");
            PointInfo {
                unit: unit.into(),
                point: point.into(),
                kind,
                eu: eu.filter(|_| !digital),
                digital,
                period_ms: 1_000,
                max_age_ms: 3_000,
                slave: words.next().map(ToString::to_string),
                ..PointInfo::default()
            }
        })
        .collect()
}

fn site() -> Vec<PointInfo> {
    points(&[
        "tank/gt-01 combustible-gas %LEL",
        "tank/gt-02 combustible-gas %LEL",
        "tank/co-01 carbon-monoxide ppm",
        "dust/dp filter-dp Pa",
        "dust/fan fan-running on/off",
        "dust/hopper hopper-temperature Cel",
        "shop/wm-1.current welding-current A wm-1",
        "shop/wm-1.session welding-session on/off wm-1",
        "shop/wm-2.current welding-current A wm-2",
        "shop/wm-2.session welding-session on/off wm-2",
        "pond/p1 phreatic-depth m",
        "pond/p2 phreatic-depth m",
    ])
}

fn system() -> System {
    System {
        gateway: "gw".into(),
        nodes: Vec::new(),
    }
}

/// Compiles a file for the small site: the program, the problems, the warnings.
fn compile_for(points: &[PointInfo], files: &[Source]) -> (Option<Program>, String, String) {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let program = compile(files, points, &system(), &problems, &warnings);
    (program, problems.to_string(), warnings.to_string())
}

/// A pack's head and the keys that every rule needs, on the lines before and after the text: the text begins at line 3.
fn rule(text: &str) -> Source {
    let file = std::format!(
        "pack = \"p\"\nversion = \"1\"\n[[rule]]\n{text}\nunverified = \"a test\"\ntext = {{ zh = \"z\", en = \"e\" }}\n"
    );
    Source::new("r.toml", file)
}
