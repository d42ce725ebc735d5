//! Without a fuzzer: seeds, what one ever found, and packs that were mangled at random.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

/// A target, and what plays it.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 3] = [
    ("rules", fuzz::rules),
    ("expression", fuzz::expression),
    ("image", fuzz::image),
];

#[test]
fn a_fuzzer_begins_with_what_is_right() {
    for ((target, seeds), (name, play)) in fuzz::seeds().into_iter().zip(TARGETS) {
        assert_eq!(target, name);
        assert!(seeds.len() >= 20, "{target}: {}", seeds.len());
        for seed in seeds {
            play(&seed);
        }
    }
}

#[test]
fn what_a_fuzzer_found_is_no_longer_wrong() {
    for (target, play) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("kept")
            .join(target);
        for entry in fs::read_dir(folder).into_iter().flatten() {
            play(&fs::read(entry.expect("a file").path()).expect("a readable file"));
        }
    }
}

/// Texts where others are expected.
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

/// One of the ways in which a file is mangled, and where.
#[derive(Clone, Debug)]
enum Mangling {
    /// A text between quotes is another one of it.
    Swapped(prop::sample::Index, prop::sample::Index),
    /// A text between quotes is an odd one.
    Odd(prop::sample::Index, &'static str),
    /// A digit is something else.
    Digit(prop::sample::Index, &'static str),
    /// A line is gone, or stands somewhere else.
    Line(prop::sample::Index, Option<prop::sample::Index>),
}

fn mangling() -> impl Strategy<Value = Mangling> {
    let at = any::<prop::sample::Index>;
    let odd = prop::sample::select(ODD.to_vec());
    let digit = prop::sample::select(vec!["0", "9", "99", "-", ".", "e9"]);
    prop_oneof![
        (at(), at()).prop_map(|(to, from)| Mangling::Swapped(to, from)),
        (at(), odd).prop_map(|(at, odd)| Mangling::Odd(at, odd)),
        (at(), digit).prop_map(|(at, digit)| Mangling::Digit(at, digit)),
        (at(), prop::option::of(at())).prop_map(|(from, to)| Mangling::Line(from, to)),
    ]
}

/// A text with another in the place of a stretch of it.
fn replaced(text: &str, stretch: std::ops::Range<usize>, with: &str) -> String {
    let mut text = text.to_owned();
    text.replace_range(stretch, with);
    text
}

fn mangled(text: &str, mangling: &Mangling) -> String {
    let marks: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
    let quoted: Vec<_> = marks
        .chunks_exact(2)
        .map(|pair| pair[0] + 1..pair[1])
        .collect();
    let place = |at: &prop::sample::Index| quoted.get(at.index(quoted.len().max(1))).cloned();
    let done = match mangling {
        Mangling::Swapped(to, from) => place(to).zip(place(from)).map(|(to, from)| {
            let with = text.get(from).unwrap_or_default();
            replaced(text, to, with)
        }),
        Mangling::Odd(at, odd) => place(at).map(|at| replaced(text, at, odd)),
        Mangling::Digit(at, with) => {
            let digits = text.match_indices(|c: char| c.is_ascii_digit());
            let digits: Vec<usize> = digits.map(|(at, _)| at).collect();
            let at = digits.get(at.index(digits.len().max(1)));
            at.map(|at| replaced(text, *at..at + 1, with))
        }
        Mangling::Line(from, to) => {
            let mut lines: Vec<&str> = text.lines().collect();
            let line = lines.remove(from.index(lines.len()));
            if let Some(to) = to {
                lines.insert(to.index(lines.len() + 1), line);
            }
            Some(lines.join("\n"))
        }
    };
    done.unwrap_or_else(|| text.to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_mangled_file_is_refused_at_its_place_or_runs(
        seed in any::<prop::sample::Index>(),
        manglings in prop::collection::vec(mangling(), 1..4),
    ) {
        let [(_, files), ..] = fuzz::seeds();
        let mut text = String::from_utf8(seed.get(&files).clone()).expect("a text");
        for mangling in &manglings {
            text = mangled(&text, mangling);
        }
        fuzz::rules(text.as_bytes());
    }
}
