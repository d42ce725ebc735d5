//! What the words of the language mean, each played through the engine; and files that were torn.

use proptest::prelude::*;

use super::*;
use crate::case;

/// Plays a rule file and its tests; both are files of `configs/rules`.
#[track_caller]
fn check(rules: &str, tests: &str) {
    let problems = Problems::default();
    let source = Source::new("t.toml", tests);
    let beside = |_: &str| Ok(Source::new("r.toml", rules));
    let report = case::run(&source, &beside, &problems);
    assert_eq!(problems.to_string(), "");
    let report = report.expect("no problem");
    assert!(report.passed(), "{report}");
}

#[test]
fn the_example_of_own_rules_does_what_its_tests_say() {
    check(
        include_str!("../../../../configs/rules/pump-house.toml"),
        include_str!("../../../../configs/rules/pump-house.test.toml"),
    );
}

/// Plays a condition over switches a, b and c of one unit, `1`, `0` or `?` each, and gives what came of it.
fn condition(when: &str, degrade: &str, readings: [char; 3]) -> &'static str {
    let rules = std::format!(
        "pack = \"p\"\nversion = \"1\"\n[[rule]]\nname = \"r\"\nunverified = \"a test\"\nfor = {{ unit_with = [\"a\"] }}\nwhen = \"{when}\"\ndegrade = \"{degrade}\"\nlevel = \"x\"\ncolour = \"blue\"\nunknown_after = \"0ms\"\ntext = {{ zh = \"z\", en = \"e\" }}\n"
    );
    let series: Vec<String> = ["a", "b", "c"]
        .iter()
        .zip(readings)
        .map(|(name, reading)| {
            let series = match reading {
                '1' => "on...",
                '0' => "off...",
                _ => "!bad...",
            };
            std::format!("\"u/{name}\" = \"{series}\"")
        })
        .collect();
    for (letter, unknown, told) in [
        ("B", false, "true"),
        ("A", false, "false"),
        ("A", true, "unknown"),
    ] {
        let tests = std::format!(
            "packs = [\"r.toml\"]\n[points]\n\"u/a\" = {{ kind = \"a\", switch = true }}\n\"u/b\" = {{ kind = \"b\", switch = true }}\n\"u/c\" = {{ kind = \"c\", switch = true }}\n[[case]]\nname = \"x\"\nalarm = \"u/-/r\"\nseries = {{ {} }}\nsteps = [{{ at = \"10s\", letter = \"{letter}\", unknown = {unknown} }}]\n",
            series.join(", ")
        );
        let problems = Problems::default();
        let source = Source::new("t.toml", tests);
        let report = case::run(&source, &|_| Ok(Source::new("r.toml", &*rules)), &problems);
        assert_eq!(problems.to_string(), "");
        if report.is_some_and(|report| report.passed()) {
            return told;
        }
    }
    "something else"
}

#[test]
fn and_or_and_not_know_three_values() {
    for (when, readings, told) in [
        ("unit.a and unit.b", ['1', '1', '0'], "true"),
        ("unit.a and unit.b", ['1', '?', '0'], "unknown"),
        ("unit.a and unit.b", ['0', '?', '0'], "false"),
        ("unit.a or unit.b", ['1', '?', '0'], "true"),
        ("unit.a or unit.b", ['0', '?', '0'], "unknown"),
        ("not unit.a", ['?', '0', '0'], "unknown"),
        ("not unit.a and not unit.c", ['0', '0', '0'], "true"),
        ("bad(unit.a)", ['?', '0', '0'], "true"),
        ("bad(unit.a) or unit.b", ['1', '0', '0'], "false"),
        ("stale(unit.a)", ['?', '0', '0'], "false"),
    ] {
        assert_eq!(
            condition(when, "hold", readings),
            told,
            "{when} {readings:?}"
        );
    }
}

#[test]
fn a_vote_degrades_as_its_rule_says() {
    const VOTE: &str = "at_least(2, unit.a, unit.b, unit.c)";
    for (degrade, readings, told) in [
        ("hold", ['1', '1', '?'], "true"),
        ("hold", ['1', '0', '?'], "unknown"),
        ("hold", ['0', '0', '?'], "false"),
        ("vote", ['1', '0', '?'], "true"),
        ("drop", ['1', '0', '?'], "false"),
        ("drop", ['1', '1', '?'], "true"),
        ("drop", ['1', '?', '?'], "unknown"),
        ("lower", ['1', '0', '?'], "true"),
        ("lower", ['0', '0', '?'], "false"),
        ("lower", ['?', '?', '?'], "unknown"),
    ] {
        assert_eq!(
            condition(VOTE, degrade, readings),
            told,
            "{degrade} {readings:?}"
        );
    }
    assert_eq!(
        condition("any(unit.a, unit.b)", "hold", ['0', '1', '0']),
        "true"
    );
    assert_eq!(
        condition("all(unit.a, unit.b)", "hold", ['0', '1', '0']),
        "false"
    );
}

#[test]
fn points_that_read_the_same_are_one_vote_however_many_they_are() {
    let rules = "pack = \"p\"\nversion = \"1\"\n[[rule]]\nname = \"r\"\nunverified = \"a test\"\nfor = { unit_with = [\"x\", \"y\"] }\ndegrade = \"hold\"\nwhen = \"at_least(2, same(2, each(unit.x)), unit.y >= 9 Pa)\"\nlevel = \"x\"\ncolour = \"blue\"\ntext = { zh = \"z\", en = \"e\" }\n";
    let tests = "packs = [\"r.toml\"]\n[points]\n\"u/x-1\" = { kind = \"x\", eu = \"Pa\" }\n\"u/x-2\" = { kind = \"x\", eu = \"Pa\" }\n\"u/y\" = { kind = \"y\", eu = \"Pa\" }\n[[case]]\nname = \"x\"\nalarm = \"u/-/r\"\nseries = { \"u/x-1\" = \"5...\", \"u/x-2\" = \"5...\", \"u/y\" = \"1*5 9...\" }\nsteps = [{ at = \"4s\", letter = \"A\" }, { at = \"6s\", letter = \"B\" }]\n";
    check(rules, tests);
}

/// What a value says of two points `x` and `y` in Pa, as the level of 100 that it reaches or does not.
#[track_caller]
fn check_value(value: &str, x: &str, y: &str, at: &str, reached: bool) {
    let rules = std::format!(
        "pack = \"p\"\nversion = \"1\"\n[[rule]]\nname = \"r\"\nunverified = \"a test\"\nfor = {{ unit_with = [\"x\"] }}\nvalue = \"{value}\"\nhigh = [{{ level = \"x\", at = \"{at}\", colour = \"blue\" }}]\ntext = {{ zh = \"z\", en = \"e\" }}\n"
    );
    let letter = if reached { "B" } else { "A" };
    let tests = std::format!(
        "packs = [\"r.toml\"]\n[points]\n\"u/x\" = {{ kind = \"x\", eu = \"Pa\" }}\n\"u/y\" = {{ kind = \"y\", eu = \"Pa\" }}\n[[case]]\nname = \"x\"\nalarm = \"u/-/r\"\nseries = {{ \"u/x\" = \"{x}...\", \"u/y\" = \"{y}...\" }}\nsteps = [{{ at = \"1s\", letter = \"{letter}\" }}]\n"
    );
    check(&rules, &tests);
}

#[test]
fn numbers_are_reckoned_with_their_units() {
    check_value("unit.x + unit.y", "40", "60", "100 Pa", true);
    check_value("unit.x - unit.y", "40", "60", "-20 Pa", true);
    check_value("abs(unit.x - unit.y)", "40", "60", "0.2 hPa", true);
    check_value("unit.x / unit.y", "30", "60", "0.5", true);
    check_value("unit.x / unit.y", "29", "60", "0.5", false);
    check_value("unit.x * 2", "50", "0", "100 Pa", true);
    check_value("(unit.x + unit.y) / 2", "40", "60", "50 Pa", true);
    check_value("max(unit.x, unit.y, 45 Pa)", "40", "44", "45 Pa", true);
    check_value("min(unit.x, unit.y)", "40", "44", "41 Pa", false);
    check_value("-unit.x", "-5", "0", "5 Pa", true);
    check_value("unit.x + 1 kPa", "1", "0", "1.001 kPa", true);
    // A division by zero is no number, and no alarm.
    check_value("unit.x / unit.y", "1", "0", "0.5", false);
}

proptest! {
    #[test]
    fn a_pack_that_was_torn_is_read_or_refused(
        pack in 0..crate::pack::PACKS.len(),
        from in 0.0..1.0_f64,
        len in 0_usize..200,
        instead in "[a-z0-9\"'{}\\[\\]=.,%() #\n-]{0,6}",
    ) {
        let text: Vec<char> = crate::pack::PACKS[pack].text.chars().collect();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a text")]
        let from = (from * text.len() as f64) as usize;
        let to = (from + len).min(text.len());
        let torn: String = text[..from].iter().copied().chain(instead.chars()).chain(text[to..].iter().copied()).collect();
        let (program, problems, _) = compile_for(&site(), &[Source::new("torn.toml", torn)]);
        prop_assert_eq!(program.is_some(), problems.is_empty());
    }
}
