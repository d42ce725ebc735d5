//! The examples of the language reference do what they say.

use front::{Problems, Source};

/// Each block of TOML in the reference, with the number of its first line.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line) {
            (None, "```toml") => open = Some((index + 2, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, block)), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn every_example_of_the_reference_does_what_its_cases_say() {
    let blocks = blocks(include_str!("../../language.md"));
    let mut n_examples = 0;
    for pair in blocks.chunks(2) {
        let [(line, rules), (test_line, cases)] = pair else {
            panic!("an example without its cases");
        };
        // Both begin on their own line, so that places in messages are the page's.
        let shift = |line: &usize| "\n".repeat(line - 2);
        let head = "pack = \"example\"\nversion = \"1\"\n";
        let rules = Source::new(
            "language.md",
            format!("{}{head}{rules}", "\n".repeat(line - 3)),
        );
        let cases = Source::new(
            "language.md",
            format!("{}packs = [\"r.toml\"]\n{cases}", shift(test_line)),
        );
        let problems = Problems::default();
        let report = rules::case::run(&cases, &|_| Ok(rules.clone()), &problems);
        assert_eq!(problems.to_string(), "");
        let report = report.expect("no problem");
        assert!(report.passed(), "{report}");
        n_examples += 1;
    }
    assert!(n_examples >= 18, "{n_examples}");
}
