//! Levels that make no sense are warned of, at their place, and only those.

use std::string::{String, ToString};
use std::vec::Vec;

use front::Source;

use super::{compile_for, site};
use crate::point::PointInfo;

/// The site, with the ranges of its instruments.
fn points() -> Vec<PointInfo> {
    let mut points = site();
    for point in &mut points {
        point.range = match point.kind.as_str() {
            "combustible-gas" => Some((0.0, 100.0)),
            "filter-dp" => Some((-500.0, 2_000.0)),
            _ => None,
        };
    }
    points
}

fn pack(rules: &[&str]) -> Source {
    let rules: Vec<String> = rules
        .iter()
        .enumerate()
        .map(|(index, rule)| {
            std::format!(
                "[[rule]]\nname = \"r{index}\"\nunverified = \"a test\"\ntext = {{ zh = \"z\", en = \"e\" }}\n{rule}\n"
            )
        })
        .collect();
    Source::new(
        "r.toml",
        std::format!("pack = \"p\"\nversion = \"1\"\n{}", rules.concat()),
    )
}

#[track_caller]
fn warned(rules: &[&str], expected: &[&str]) {
    let (program, problems, warnings) = compile_for(&points(), &[pack(rules)]);
    assert!(program.is_some(), "{problems}");
    let found: Vec<String> = warnings.lines().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_level_beyond_what_the_instrument_gives() {
    warned(
        &[
            "for = { kind = \"filter-dp\" }\nhigh = [{ level = \"H\", at = \"1200 Pa\", colour = \"yellow\" }, { level = \"HH\", at = \"2100 Pa\", colour = \"orange\" }]\nlow = [{ level = \"L\", at = \"-600 Pa\", colour = \"yellow\" }]",
        ],
        &[
            "r.toml:8:71: rule[0].high[1].level: `HH` can never be reached for dust/dp: the instrument gives nothing above 2000",
            "r.toml:9:18: rule[0].low[0].level: `L` can never be reached for dust/dp: the instrument gives nothing below -500",
        ],
    );
    warned(
        &[
            "for = { kind = \"filter-dp\" }\nhigh = [{ level = \"H\", at = \"-500 Pa\", colour = \"yellow\" }]",
        ],
        &[
            "r.toml:8:19: rule[0].high[0].level: `H` is always reached for dust/dp: the instrument gives nothing below -500",
        ],
    );
}

#[test]
fn a_condition_that_contradicts_itself_or_its_gate() {
    let never = |level: &str, place: &str, about: &str| {
        std::format!(
            "r.toml:{place}: `{level}` can never be reached{about}: what it asks contradicts itself"
        )
    };
    warned(
        &[
            "for = { kind = \"filter-dp\" }\nonly_while = \"self < 1000 Pa\"\nhigh = [{ level = \"H\", at = \"900 Pa\", colour = \"yellow\" }, { level = \"HH\", at = \"1000 Pa\", colour = \"orange\" }]",
        ],
        &[&never("HH", "9:70: rule[0].high[1].level", " for dust/dp")],
    );
    for when in [
        "self > 5 Pa and self < 5 Pa",
        "'dust/fan' and (self > 9 Pa and not 'dust/fan')",
        "held(self >= 3 Pa, 5s) and (self < 3 Pa or self < 2 Pa) and self > 2 Pa and 'dust/fan' and not 'dust/fan'",
        "(self > 5 Pa and self < 4 Pa) or (self > 7 Pa and self < 6 Pa)",
        "self > 2000 Pa",
        "not (self <= 5 Pa) and not (self > 5 Pa)",
        "not (self <= 5 Pa or 'dust/fan') and self < 4 Pa",
        "time_in('dust/fan', 1min) > 2min",
        "count('dust/fan', 1min) < 0",
        "since('dust/fan') < 0s",
        "abs(self) < 0 Pa",
        "mean(self, 1min) > 2100 Pa",
        "self > self",
        "bad(self) and not bad(self)",
    ] {
        let rule = std::format!(
            "for = {{ kind = \"filter-dp\" }}\nwhen = \"{when}\"\nlevel = \"L\"\ncolour = \"yellow\""
        );
        let (_, problems, warnings) = compile_for(&points(), &[pack(&[&rule])]);
        assert_eq!(problems, "");
        assert!(
            warnings.contains("`L` can never be reached"),
            "{when}: {warnings}"
        );
    }
    for when in [
        "self >= 5 Pa and self <= 5 Pa",
        "self > 5 Pa or self < 5 Pa",
        "self > 5 Pa and 'dust/hopper' < 5 °C",
        "(self > 5 Pa and self < 4 Pa) or self > 7 Pa",
        "self >= 2000 Pa and self > -500 Pa",
        "not (self < 5 Pa) and not (self > 5 Pa)",
        "not held(self > 5 Pa, 5s) and self > 5 Pa",
        "time_in('dust/fan', 1min) >= 1min",
        "highest(self, 1min) - lowest(self, 1min) > 2100 Pa",
    ] {
        let rule = std::format!(
            "for = {{ kind = \"filter-dp\" }}\nwhen = \"{when}\"\nlevel = \"L\"\ncolour = \"yellow\""
        );
        let (_, problems, warnings) = compile_for(&points(), &[pack(&[&rule])]);
        assert_eq!((problems.as_str(), warnings.as_str()), ("", ""), "{when}");
    }
}

#[test]
fn a_condition_that_is_always_true() {
    let rule = |when: &str| {
        std::format!(
            "for = {{ kind = \"filter-dp\" }}\nwhen = \"{when}\"\nlevel = \"L\"\ncolour = \"yellow\""
        )
    };
    for (when, why) in [
        ("self >= -500 Pa", "the instrument gives nothing below -500"),
        ("self > -501 Pa", "the instrument gives nothing below -500"),
        ("self < 2001 Pa", "the instrument gives nothing above 2000"),
        ("2000 Pa >= self", "nothing makes it false"),
        ("not self < -500 Pa", "nothing makes it false"),
        ("held(self >= -500 Pa, 5s)", "nothing makes it false"),
        (
            "self >= -500 Pa and highest(self, 1min) <= 2000 Pa",
            "nothing makes it false",
        ),
        ("self > 5 Pa or self <= 5 Pa", "nothing makes it false"),
        (
            "self > 5 Pa or 'dust/fan' or not 'dust/fan'",
            "nothing makes it false",
        ),
        ("count('dust/fan', 1min) >= 0", "nothing makes it false"),
        ("stale(self) or not stale(self)", "nothing makes it false"),
        ("self >= self", "nothing makes it false"),
    ] {
        warned(
            &[&rule(when)],
            &[&std::format!(
                "r.toml:9:9: rule[0].level: `L` is always reached for dust/dp: {why}"
            )],
        );
    }
    for when in [
        "self > -500 Pa",
        "self >= -500 Pa and 'dust/fan'",
        "not held(self > 5 Pa, 5s)",
        "stale(self) or not bad(self)",
        "'dust/hopper' >= -300 °C",
    ] {
        warned(&[&rule(when)], &[]);
    }
}

/// Calendars that hold always, never, and at times.
const CALENDARS: &str = "[[calendar]]\nname = \"always\"\nyearly = [\"10-01 .. 09-30\"]\n[[calendar]]\nname = \"never\"\ndates = [\"2026-10-05 .. 2026-10-09\"]\nweekdays = [\"sun\"]\n[[calendar]]\nname = \"nights\"\ndaily = \"22:00 .. 06:00\"\n";

/// The problems and the warnings of a rule with two limits and some more keys, beside calendars; its keys begin at line 8.
fn with_calendars(keys: &str) -> (String, String) {
    let rule = std::format!(
        "for = {{ kind = \"filter-dp\" }}\n{keys}\nhigh = [{{ level = \"H\", at = \"900 Pa\", colour = \"yellow\" }}, {{ level = \"HH\", at = \"1200 Pa\", colour = \"orange\" }}]\n{CALENDARS}"
    );
    let (_, problems, warnings) = compile_for(&points(), &[pack(&[&rule])]);
    (problems, warnings)
}

#[test]
fn a_gate_that_always_or_never_holds_is_told_once() {
    let told = |gate: &str| with_calendars(&std::format!("only_while = \"{gate}\""));
    for gate in [
        "self >= -500 Pa",
        "during(always)",
        "not during(never)",
        "held(during(always), 60s)",
        "'dust/fan' or not 'dust/fan'",
        "during(nights) or not during(nights)",
    ] {
        let always = "r.toml:8:14: rule[0].only_while: the gate always holds for dust/dp: nothing makes it false";
        assert_eq!(told(gate), (String::new(), always.to_string()), "{gate}");
    }
    for gate in [
        "self > 2000 Pa",
        "during(never)",
        "not during(always)",
        "during(nights) and not during(nights)",
        "during(never) or self < -600 Pa",
    ] {
        let never = "r.toml:8:14: rule[0].only_while: the gate never holds for dust/dp, so that there is no alarm: what it asks contradicts itself, or what the instrument gives";
        assert_eq!(told(gate), (String::new(), never.to_string()), "{gate}");
    }
    for gate in [
        "during(nights)",
        "during(nights) or during(never)",
        "'dust/fan'",
        "held('dust/fan', 60s) and not during(nights)",
    ] {
        assert_eq!(told(gate), (String::new(), String::new()), "{gate}");
    }
}

#[test]
fn a_reason_that_hides_an_alarm_for_ever_is_refused() {
    let told = |reason: &str| {
        with_calendars(&std::format!(
            "suppress = [{{ while = \"{reason}\", reason = \"works\" }}]"
        ))
    };
    for (reason, hides) in [
        ("during(always)", "always holds"),
        ("not during(never)", "always holds"),
        ("'dust/fan' or not 'dust/fan'", "always holds"),
        ("self <= 2000 Pa", "always holds"),
        ("self > 100 Pa", "holds whenever `H` is reached"),
        ("self >= 1 kPa", "holds whenever `HH` is reached"),
        (
            "'dust/fan' or self >= 1200 Pa",
            "holds whenever `HH` is reached",
        ),
    ] {
        let expected = std::format!(
            "r.toml:8:23: rule[0].suppress[0].while: `works` {hides} for dust/dp, and hides it for ever, expected a condition that is not true for a time while it is reached"
        );
        assert_eq!(told(reason), (expected, String::new()), "{reason}");
    }
    let never = "r.toml:8:23: rule[0].suppress[0].while: `works` never holds for dust/dp: what it asks contradicts itself, or what the instrument gives";
    for reason in ["during(never)", "self > 2000 Pa"] {
        assert_eq!(told(reason), (String::new(), never.to_string()));
    }
    for reason in [
        "during(nights)",
        "self < 100 Pa",
        "self > 1500 Pa",
        "'dust/fan' and self > 100 Pa",
        "bad(self)",
    ] {
        assert_eq!(told(reason), (String::new(), String::new()), "{reason}");
    }
}

#[test]
fn a_level_is_told_at_its_own_place_where_the_one_before_it_is_switched_off() {
    let high = "for = { kind = \"filter-dp\" }\nhigh = [{ level = \"H\", at = \"1200 Pa\", colour = \"yellow\" }, { level = \"HH\", at = \"2100 Pa\", colour = \"orange\" }]\n[[override]]\nrule = \"r0\"\nlevel = \"H\"\noff = true\nreason = \"a test\"";
    warned(
        &[high],
        &[
            "r.toml:8:71: rule[0].high[1].level: `HH` can never be reached for dust/dp: the instrument gives nothing above 2000",
        ],
    );
}

#[test]
fn a_level_that_another_rule_makes_superfluous() {
    let rule = |at: &str, rest: &str| {
        std::format!(
            "for = {{ kind = \"hopper-temperature\" }}\nhigh = [{{ level = \"H\", at = \"{at}\", {rest} }}]"
        )
    };
    let told = |this: &str, other: &str, line: usize| {
        std::format!(
            "r.toml:{line}:19: rule[{}].high[0].level: `H` of `{this}` adds nothing for dust/hopper: `H` of `{other}` is reached with it or before, and is no milder",
            this.trim_start_matches('r')
        )
    };
    let plain = rule("60 °C", "colour = \"yellow\"");
    warned(&[&plain, &plain], &[&told("r1", "r0", 14)]);
    let later = rule("70 °C", "colour = \"yellow\"");
    warned(&[&later, &plain], &[&told("r0", "r1", 8)]);
    let graver = rule("70 °C", "colour = \"orange\"");
    let slower = rule("50 °C", "colour = \"yellow\", on_delay = \"60s\"");
    let latching = rule("65 °C", "colour = \"yellow\", latch = true");
    let gated = std::format!(
        "only_while = \"'dust/fan'\"\n{}",
        rule("60 °C", "colour = \"yellow\"")
    );
    for other in [graver, slower, latching, gated] {
        warned(&[&plain, &other], &[]);
    }
}

#[test]
fn two_rules_that_ask_the_same_and_a_condition_that_is_a_limit_are_told() {
    let when = |when: &str, colour: &str| {
        std::format!(
            "for = {{ kind = \"hopper-temperature\" }}\nwhen = \"{when}\"\nlevel = \"H\"\ncolour = \"{colour}\""
        )
    };
    let told = |line: usize, this: &str, other: &str| {
        std::format!(
            "r.toml:{line}:9: rule[{}].level: `H` of `{this}` adds nothing for dust/hopper: `H` of `{other}` is reached with it or before, and is no milder",
            this.trim_start_matches('r')
        )
    };
    let change = when("change(self, 1min) >= 5 °C", "yellow");
    warned(&[&change, &change], &[&told(17, "r1", "r0")]);
    let graver = when("change(self, 1min) >= 5 °C", "orange");
    warned(&[&change, &graver], &[&told(9, "r0", "r1")]);
    let other = when("change(self, 1min) >= 6 °C", "yellow");
    warned(&[&change, &other], &[]);
    // A limit, said as a condition.
    let limit = "for = { kind = \"hopper-temperature\" }\nhigh = [{ level = \"H\", at = \"60 °C\", colour = \"yellow\" }]";
    let further = when("self > 70 °C", "yellow");
    warned(&[limit, &further], &[&told(15, "r1", "r0")]);
    let strictly = when("self > 60 °C", "yellow");
    warned(&[limit, &strictly], &[&told(15, "r1", "r0")]);
    let nearer = when("self > 50 °C", "orange");
    warned(
        &[limit, &nearer],
        &[
            "r.toml:8:19: rule[0].high[0].level: `H` of `r0` adds nothing for dust/hopper: `H` of `r1` is reached with it or before, and is no milder",
        ],
    );
}

#[test]
fn limits_that_can_never_be_left_are_told() {
    warned(
        &[
            "for = { kind = \"filter-dp\" }\nhigh = [{ level = \"H\", at = \"400 Pa\", deadband = \"900 Pa\", colour = \"yellow\" }]\nlow = [{ level = \"L\", at = \"-400 Pa\", deadband = \"3 kPa\", colour = \"yellow\" }]",
        ],
        &[
            "r.toml:8:19: rule[0].high[0].level: `H` can never be left for dust/dp: the instrument gives nothing below -500",
            "r.toml:9:18: rule[0].low[0].level: `L` can never be left for dust/dp: the instrument gives nothing above 2000",
        ],
    );
}

#[test]
fn limits_between_which_there_is_nothing_are_refused() {
    let rule = "for = { kind = \"filter-dp\" }\nhigh = [{ level = \"H\", at = \"400 Pa\", colour = \"yellow\" }]\nlow = [{ level = \"L\", at = \"400 Pa\", colour = \"yellow\" }]";
    let (program, problems, _) = compile_for(&points(), &[pack(&[rule])]);
    assert!(program.is_none());
    assert_eq!(
        problems,
        "r.toml:9:28: rule[0].low[0].at: `L` of dust/dp at or below 400 Pa and `H` at or above 400 Pa: every number is in alarm"
    );
}
