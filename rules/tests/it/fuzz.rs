//! Rule files that were mangled: none panics on its way to a program or through a trace, and each error has its place in the file.

use std::sync::Arc;

use front::{Problems, Source};
use proptest::prelude::*;
use rules::compile::{System, compile};
use rules::engine::Engine;
use rules::pack::{PACKS, Pack};
use rules::point::PointInfo;
use telemetry::UtcMs;

use crate::random::{Dice, feed, trace};

/// The points of a pack's tests.
fn points(pack: &Pack) -> Vec<PointInfo> {
    let lines = pack.tests.lines();
    lines
        .filter(|line| line.starts_with('"') && line.contains("kind = \""))
        .filter_map(|line| {
            let word = |key: &str| Some(line.split_once(key)?.1.split_once('"')?.0.to_owned());
            let (unit, point) = line.get(1..)?.split_once('"')?.0.split_once('/')?;
            Some(PointInfo {
                unit: unit.to_owned(),
                point: point.to_owned(),
                kind: word("kind = \"")?,
                eu: word("eu = \""),
                digital: line.contains("switch = true"),
                slave: word("device = \"").map(|device| format!("bus/{device}")),
                period_ms: 10,
                max_age_ms: 300,
                ..PointInfo::default()
            })
        })
        .collect()
}

/// A pack's text, and what the site of its tests says beside it.
fn files(text: &str, pack: &Pack) -> Vec<Source> {
    let (head, _) = pack.tests.split_once("[[case]]").unwrap();
    let site = head.find("[[limits]]").and_then(|from| head.get(from..));
    let site = site.map(|site| Source::new("site.toml", site));
    [Source::new("pack.toml", text)]
        .into_iter()
        .chain(site)
        .collect()
}

/// What stands between quotes, as places in a text.
fn quoted(text: &str) -> Vec<(usize, usize)> {
    let marks: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    let pairs = marks.chunks_exact(2);
    pairs.map(|pair| (pair[0] + 1, pair[1])).collect()
}

/// Puts another text in a place, where that is one.
fn replace(text: &str, (from, to): (usize, usize), with: &str) -> Option<String> {
    Some(format!("{}{with}{}", text.get(..from)?, text.get(to..)?))
}

const ODD: [&str; 18] = [
    "",
    "-1",
    "0 %LEL",
    "1e308 °C",
    "-0 Pa",
    "99999999999999999999 m",
    "9999999d",
    "49d",
    "0ms",
    "NaN",
    "self / 0 > 1",
    "since(self > 1) < 1s",
    "mean(mean(self, 60ms), 49d) > 1",
    "held(held(self > 1, 1ms), 49d)",
    "at_least(99, each(unit.x) > 1)",
    "not not not not self > 1",
    "((((((((((((((((self))))))))))))))))",
    "库 ≥ 1",
];

/// One of the ways in which a file is mangled.
fn mangle(dice: &mut Dice, text: &str) -> Option<String> {
    let places = quoted(text);
    let place = *places.get(dice.index(places.len().max(1)))?;
    match dice.roll(6) {
        // What another rule, perhaps of another pack, says in the same kind of place.
        0 | 1 => {
            let other = dice.pick(&PACKS).text;
            let there = quoted(other);
            let (from, to) = there[dice.index(there.len())];
            replace(text, place, other.get(from..to)?)
        }
        2 => replace(text, place, dice.pick(&ODD)),
        3 => {
            let digits: Vec<usize> = text
                .match_indices(|c: char| c.is_ascii_digit())
                .map(|(at, _)| at)
                .collect();
            let at = *digits.get(dice.index(digits.len().max(1)))?;
            replace(
                text,
                (at, at + 1),
                dice.pick(&["0", "9", "99", "-", ".", "e9"]),
            )
        }
        // A line goes, or stands somewhere else.
        kind => {
            let mut lines: Vec<&str> = text.lines().collect();
            let from = dice.index(lines.len());
            let line = lines.remove(from);
            if kind == 4 {
                lines.insert(dice.index(lines.len()), line);
            }
            Some(lines.join("\n"))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_mangled_pack_is_refused_at_its_place_or_runs(seed in any::<u64>(), n_times in 1..4) {
        let mut dice = Dice(seed);
        let pack = dice.pick(&PACKS);
        let mut text = pack.text.to_owned();
        for _ in 0..n_times {
            text = mangle(&mut dice, &text).unwrap_or(text);
        }
        let (problems, warnings) = (Problems::default(), Problems::default());
        let system = System { gateway: "gw".into(), nodes: Vec::new() };
        let sources = files(&text, &pack);
        let program = compile(&sources, &points(&pack), &system, &problems, &warnings);
        prop_assert_eq!(program.is_some(), problems.is_empty());
        for problem in problems.into_sorted().into_iter().chain(warnings.into_sorted()) {
            let place = &problem.place;
            let text = sources.iter().find(|source| source.file() == place.file);
            let text = text.expect("a file of these").text();
            let n_lines = text.lines().count();
            prop_assert!((1..=n_lines + 1).contains(&place.line) && place.col >= 1, "{:?}", problem);
            let line = text.lines().nth(place.line - 1).unwrap_or("");
            prop_assert!(place.col <= line.chars().count() + 1, "{:?}", problem);
        }
        let Some(program) = program else { return Ok(()) };
        let program = Arc::new(program);
        let mut engine = Engine::new(Arc::clone(&program), UtcMs(0));
        let mut effects = Vec::new();
        for step in trace(&mut dice, &program, 120) {
            feed(&mut engine, step, &mut effects);
        }
        for alarm in program.alarm_idxs() {
            engine.explain(alarm);
        }
    }
}

#[test]
fn the_packs_as_they_are_run_on_the_points_of_their_tests() {
    for pack in PACKS {
        let (problems, warnings) = (Problems::default(), Problems::default());
        let system = System {
            gateway: "gw".into(),
            nodes: Vec::new(),
        };
        let sources = files(pack.text, &pack);
        let program = compile(&sources, &points(&pack), &system, &problems, &warnings);
        assert!(program.is_some(), "{problems}");
    }
}
