//! Wrong rule files with the text that they get.

use super::super::{Unread, check_against};
use super::*;
use std::string::ToString;

#[track_caller]
pub(super) fn check(text: &str, told: &str) {
    let (program, problems, _) = compile_for(&site(), &[rule(text)]);
    assert_eq!(problems, told);
    assert!(program.is_none());
}

#[track_caller]
pub(super) fn check_files(files: &[(&str, &str)], told: &str) {
    let sources: Vec<Source> = files
        .iter()
        .map(|(name, text)| Source::new(*name, *text))
        .collect();
    let (program, problems, _) = compile_for(&site(), &sources);
    assert_eq!(problems, told);
    assert!(program.is_none());
}

pub(super) const GAS: &str = "name = \"gas\"\nfor = { kind = \"combustible-gas\" }\n";

#[test]
fn who_makes_readings_uncertain_asks_for_no_alarm_that_sees_them_so() {
    let gas = "high = [{ level = \"L1\", at = \"25 %LEL\", colour = \"yellow\" }]";
    let stuck = "[[rule]]\nname = \"stuck\"\nunverified = \"t\"\nfor = { kind = \"combustible-gas\" }\nwhen = \"alarm.gas\"\nlevel = \"on\"\ncolour = \"blue\"\nmakes_uncertain = true\ntext = { zh = \"t\", en = \"t\" }";
    let count = "[[rule]]\nname = \"count\"\nfor = \"units\"\nover = [\"gas\"]\ncounts = [{ level = \"on\", colour = \"blue\", count = 1, from = \"yellow\" }]\ndegrade = \"hold\"\nmakes_uncertain = true";
    let words = "unverified = \"t\"\ntext = { zh = \"t\", en = \"t\" }";
    check(
        &std::format!("{GAS}{gas}\n{words}\n{stuck}\n{count}"),
        "r.toml:10:8: rule[1].name: `stuck` makes readings uncertain and asks for `gas`, which then sees them so, expected `makes_uncertain = true` there, too\n\
             r.toml:19:8: rule[2].name: `count` counts alarms and reads no point that it could make uncertain, expected no `makes_uncertain`",
    );
}

#[test]
fn a_limit_for_points_that_are_not_there_is_told_with_the_nearest() {
    let text = "name = \"x\"\nfor = { kind = \"hopper-temperature\" }\nhigh = [{ level = \"H\", at = \"limit.high\", otherwise = \"60 °C\", colour = \"red\" }]";
    let warned = |table: &str| {
        let used = "[[limits]]\nkind = \"hopper-temperature\"\nhigh = \"70 °C\"\n";
        let limits = std::format!("{used}[[limits]]\n{table} = \"50 °C\"\n");
        compile_for(&site(), &[rule(text), Source::new("s.toml", limits)]).2
    };
    let told = |place: &str, meant: &str| {
        std::format!("s.toml:{place}: no rule asks for this limit, did you mean {meant}?")
    };
    assert_eq!(
        warned("kind = \"hoper-temperature\"\nhigh"),
        told("6:8: limits[1].high", "kind hopper-temperature")
    );
    assert_eq!(
        warned("point = \"dust/hoper\"\nhigh"),
        told("6:8: limits[1].high", "dust/hopper")
    );
    assert_eq!(
        warned("kind = \"hopper-temperature\"\nhihg"),
        told("6:8: limits[1].hihg", "`high`")
    );
}

#[test]
fn levels_that_do_not_rise_are_refused() {
    check(
        &std::format!(
            "{GAS}high = [{{ level = \"L1\", at = \"25 %LEL\", colour = \"orange\" }}, {{ level = \"L1\", at = \"20 %LEL\", colour = \"yellow\" }}]"
        ),
        "r.toml:6:72: rule[0].high[1].level: `L1` (yellow) comes after `L1` (orange), expected the mildest level first\n\
             r.toml:6:72: rule[0].high[1].level: a second level `L1`\n\
             r.toml:6:83: rule[0].high[1].at: `L1` of tank/gt-01 at 20 %LEL is not above `L1` at 25 %LEL, expected each level beyond the one before\n\
             r.toml:6:83: rule[0].high[1].at: `L1` of tank/gt-02 at 20 %LEL is not above `L1` at 25 %LEL, expected each level beyond the one before",
    );
}

#[test]
fn every_problem_of_a_rule_is_told_at_once() {
    check(
        "name = \"Gas\"\nfor = { knd = \"combustible-gas\" }\nhigh = [{ level = \"L1\", at = \"25 %LEK\", color = \"yellow\", on_delay = \"5m\" }]",
        "r.toml:4:8: rule[0].name: `G` in a name, expected a-z or 0-9, then a-z 0-9 . _ -\n\
             r.toml:5:7: rule[0].for: expected `kind = \"…\"` (an alarm for each point), `unit_with = [\"…\"]` (for each unit that has such points), `unit_with_any = [\"…\"]` (for each unit that has one of them), `for = \"units\"` (for each unit with alarms that it counts) or `for = \"site\"`\n\
             r.toml:5:9: rule[0].for.knd: unknown key, did you mean `kind`?\n\
             r.toml:6:9: rule[0].high[0].colour: missing, expected a value\n\
             r.toml:6:34: rule[0].high[0].at: `%LEK` is no unit, did you mean `%LEL`?\n\
             r.toml:6:41: rule[0].high[0].color: unknown key, did you mean `colour`?\n\
             r.toml:6:70: rule[0].high[0].on_delay: `5m` is no duration, expected a whole number and a unit, as `250ms`, `5s`, `10min` or `24h`",
    );
}

#[test]
fn a_syntax_error_in_an_expression_is_told_at_its_column() {
    check(
        "name = \"dp\"\nfor = { kind = \"filter-dp\" }\nonly_while = \"held(unit.fan-running, 60)\"\nlow = [{ level = \"torn\", at = \"400 Pa\", colour = \"yellow\" }]",
        "r.toml:6:38: rule[0].only_while: `held` takes a condition and a time, as `held(unit.fan-running, 60s)`",
    );
    check(
        "name = \"dp\"\nfor = { kind = \"filter-dp\" }\nonly_while = \"held(unit.fan-running 60s)\"\nlow = [{ level = \"torn\", at = \"400 Pa\", colour = \"yellow\" }]",
        "r.toml:6:37: rule[0].only_while: unexpected `60 s`, expected `,` or `)`",
    );
}

#[test]
fn names_that_mean_nothing_here_are_told_with_the_nearest() {
    check(
        "name = \"dp\"\nfor = { kind = \"filter-dp\" }\nwhen = \"self > 3 Pa and unit.fan-runing and 'dust/fn' and not unit.hopper-temperature\"\nlevel = \"x\"\ncolour = \"blue\"",
        "r.toml:6:25: rule[0].when: unit dust has no point of kind fan-runing, did you mean `fan-running`?\n\
             r.toml:6:45: rule[0].when: no point dust/fn in this site, did you mean `'dust/fan'`?\n\
             r.toml:6:63: rule[0].when: dust/hopper is a number, expected a condition, as a comparison with `>=`",
    );
    check(
        "name = \"dp\"\nfor = { kind = \"filter-dp\" }\nwhen = \"any('dust/fn', max('dust/da', 'dust/db') > 3 Pa, 'dust/fan')\"\nlevel = \"x\"\ncolour = \"blue\"",
        "r.toml:6:13: rule[0].when: no point dust/fn in this site, did you mean `'dust/fan'`?\n\
             r.toml:6:28: rule[0].when: no point dust/da in this site, did you mean `'dust/dp'`?\n\
             r.toml:6:39: rule[0].when: no point dust/db in this site, did you mean `'dust/dp'`?",
    );
    check(
        "name = \"dp\"\nfor = { kind = \"filter-dp\" }\nwhen = \"self > 3 Pa and 'dust/fn'\"\nlevel = \"x\"\ncolour = \"blue\"",
        "r.toml:6:25: rule[0].when: no point dust/fn in this site, did you mean `'dust/fan'`?",
    );
    check(
        "name = \"dp\"\nfor = { kind = \"filter-dp\" }\nwhen = \"unit.fan-running and unit.hopper-temperature\"\nlevel = \"x\"\ncolour = \"blue\"",
        "r.toml:6:30: rule[0].when: dust/hopper is a number, expected a condition, as a comparison with `>=`",
    );
}

#[test]
fn one_point_that_could_be_several_is_refused() {
    check(
        "name = \"hot-work\"\nfor = { unit_with = [\"welding-current\"] }\nwhen = \"unit.welding-current > 10 A\"\nlevel = \"x\"\ncolour = \"blue\"",
        "r.toml:6:9: rule[0].when: `unit.welding-current` is not one point: unit shop has 2 of that kind (shop/wm-1.current, shop/wm-2.current), expected one by its name, or a vote over `each(unit.welding-current)`",
    );
}

#[test]
fn a_limit_that_the_site_does_not_give_is_told_how_to_give_it() {
    check(
        "name = \"dp\"\nfor = { kind = \"filter-dp\" }\nhigh = [{ level = \"blocked\", at = \"1.5 * limit.baseline\", colour = \"yellow\" }]",
        "r.toml:6:42: rule[0].high[0].at: no limit `baseline` is given for dust/dp, expected a table of the site: `[[limits]]`, `point = \"dust/dp\"`, `baseline = \"…\"`",
    );
}

#[test]
fn a_text_with_a_word_that_is_never_filled_in_is_refused() {
    check_files(
        &[(
            "r.toml",
            "pack = \"p\"\nversion = \"1\"\n[[rule]]\nname = \"fan\"\nunverified = \"a test\"\nfor = { kind = \"fan-running\" }\nwhen = \"not self\"\nlevel = \"off\"\ncolour = \"blue\"\ntext = { zh = \"{tag} 停 {valeu}\", en = \"{tag\" }\n",
        )],
        "r.toml:10:24: rule[0].text.zh: `{valeu}` is no word of this text, expected one of `{tag}`, `{unit}`, `{point}`, `{level}`\n\
             r.toml:10:40: rule[0].text.en: a brace without its partner, expected `{word}`",
    );
}

#[test]
fn limits_on_a_switch_and_a_number_as_a_condition_are_refused() {
    check(
        "name = \"fan\"\nfor = { kind = \"fan-running\" }\nhigh = [{ level = \"x\", at = \"1\", colour = \"blue\" }]",
        "r.toml:4:8: rule[0].name: limits on dust/fan, which is a switch, expected `when` or a point with numbers",
    );
    check(
        "name = \"dp\"\nfor = { kind = \"filter-dp\" }\nwhen = \"not self\"\nlevel = \"x\"\ncolour = \"blue\"",
        "r.toml:6:13: rule[0].when: dust/dp is a number, expected a condition, as a comparison with `>=`",
    );
}

#[test]
fn a_vote_that_can_never_be_reached_is_refused() {
    check(
        "name = \"vote\"\nfor = { unit_with = [\"combustible-gas\"] }\nwhen = \"at_least(3, each(unit.combustible-gas) >= 25 %LEL)\"\nlevel = \"x\"\ncolour = \"blue\"\ndegrade = \"hold\"",
        "r.toml:6:18: rule[0].when: at least 3 of 2, expected a whole number from 1 to that",
    );
}

#[test]
fn two_forms_of_condition_and_a_missing_note_are_refused() {
    check_files(
        &[(
            "r.toml",
            "pack = \"p\"\nversion = \"1\"\n[[rule]]\nname = \"sys.x\"\nfor = \"plant\"\nwhen = \"'dust/fan'\"\nover = [\"y\"]\ntext = { zh = \"\" }\n[[rule]]\nname = \"y\"\nverified = \"a\"\nunverified = \"b\"\nfor = { kind = \"x\", unit_with = [] }\n",
        )],
        "r.toml:3:1: rule[0]: expected one condition: `high` and `low` limits, `when` an expression holds, `levels` of such, or `over` other rules with `counts`\n\
             r.toml:3:1: rule[0]: neither `verified` nor `unverified`, expected one, with a note of what the rule's numbers rest on\n\
             r.toml:4:8: rule[0].name: `sys.x`: names in `sys.` are the system's own, expected another\n\
             r.toml:5:7: rule[0].for: `plant` is not known, expected one of `units`, `site`\n\
             r.toml:8:8: rule[0].text.en: missing, expected a value\n\
             r.toml:9:1: rule[1]: expected one condition: `high` and `low` limits, `when` an expression holds, `levels` of such, or `over` other rules with `counts`\n\
             r.toml:9:1: rule[1].text: missing, expected a value\n\
             r.toml:12:14: rule[1].unverified: beside `verified`, expected one of the two\n\
             r.toml:13:7: rule[1].for: expected `kind = \"…\"` (an alarm for each point), `unit_with = [\"…\"]` (for each unit that has such points), `unit_with_any = [\"…\"]` (for each unit that has one of them), `for = \"units\"` (for each unit with alarms that it counts) or `for = \"site\"`",
    );
}

#[test]
fn rules_that_count_each_other_and_rules_of_one_name_are_refused() {
    let counting = |name: &str, over: &str| {
        std::format!(
            "[[rule]]\nname = \"{name}\"\nunverified = \"a test\"\nfor = {{ unit_with = [\"filter-dp\"] }}\nover = [\"{over}\"]\ncounts = [{{ level = \"x\", count = 1, from = \"blue\", colour = \"blue\" }}]\ntext = {{ zh = \"z\", en = \"e\" }}\ndegrade = \"hold\"\n"
        )
    };
    let text = std::format!(
        "pack = \"p\"\nversion = \"1\"\n{}{}{}{}",
        counting("a", "b"),
        counting("b", "a"),
        counting("c", "d-e"),
        counting("c", "a")
    );
    check_files(
        &[("r.toml", &text)],
        "r.toml:4:8: rule[0].name: `a` rests on itself, through `b`\n\
             r.toml:12:8: rule[1].name: `b` rests on itself, through `a`\n\
             r.toml:23:9: rule[2].over[0]: no rule `d-e` in these files\n\
             r.toml:28:8: rule[3].name: a second rule `c`, the first is at r.toml:20:8",
    );
}

#[test]
fn what_a_site_overrides_must_exist_and_say_why() {
    let pack = crate::pack::pack("gas").expect("a pack").text;
    check_files(
        &[
            ("gas.toml", pack),
            (
                "site.toml",
                "[[limits]]\nmolar-volume = \"24.45 L/mol\"\n[[limits]]\nkind = \"x\"\noel = \"a\"\n[[limits]]\nkind = \"x\"\nb = \"2 * limit.oel\"\n[[override]]\nrule = \"combustible-gsa\"\nreason = \"x\"\n[[override]]\nrule = \"combustible-gas\"\nlevel = \"L3\"\nat = \"30 %LEL\"\nreason = \" \"\n[[override]]\nrule = \"combustible-gas\"\npoint = \"gt-01\"\noff = 1\nreason = \"test\"\n[[override]]\nrule = \"combustible-gas\"\npoint = \"tank/gt-01\"\noff = true\nreason = \"test\"\n",
            ),
        ],
        "site.toml:5:8: limits[1].oel: `a` is not a name, expected `self`, `unit.<kind>`, `device.<kind>`, `loop.<kind>`, `site.<kind>`, `alarm.<rule>`, `limit.<word>`, `derived.<name>` or `'unit/point'`\n\
             site.toml:8:10: limits[2].b: a limit made of limits, expected a number and its unit\n\
             site.toml:10:8: override[0].rule: no rule `combustible-gsa` in these files, did you mean `combustible-gas`?\n\
             site.toml:16:10: override[1].reason: empty, expected why the site differs and who decided it\n\
             site.toml:19:9: override[2].point: no point, expected `unit/point`\n\
             site.toml:20:7: override[2].off: a number, expected true or false\n\
             site.toml:23:8: override[3].rule: switched off for tank/gt-01, and GB/T 50493-2019 5.5.2 asks for it, expected `laxer_than = \"GB/T 50493-2019 5.5.2\"` beside it",
    );
}

#[test]
fn overrides_that_say_the_same_thing_otherwise_are_refused() {
    let pack = crate::pack::pack("gas").expect("a pack").text;
    let entry = |key: &str| {
        std::format!(
            "[[override]]\nrule = \"combustible-gas\"\npoint = \"tank/gt-01\"\nlevel = \"L1\"\n{key}\nreason = \"a test\"\n"
        )
    };
    let site = [
        "[[limits]]\nmolar-volume = \"24.45 L/mol\"\n".to_string(),
        entry("at = \"20 %LEL\""),
        entry("on_delay = \"1s\""),
        entry("at = \"18 %LEL\""),
    ];
    check_files(
        &[("gas.toml", pack), ("site.toml", &site.concat())],
        "site.toml:16:8: override[2].rule: a second override of `at` of `combustible-gas` for the same points, the first is at site.toml:4:8",
    );
}

#[test]
fn numbers_that_do_not_go_together_are_refused() {
    let value = |value: &str| {
        std::format!(
            "name = \"x\"\nfor = {{ kind = \"filter-dp\" }}\nvalue = \"{value}\"\nhigh = [{{ level = \"x\", at = \"1 Pa\", colour = \"blue\" }}]"
        )
    };
    for (text, told) in [
        (
            "self + unit.hopper-temperature",
            "17: dust/hopper is in °C, but dust/dp is in Pa",
        ),
        (
            "self * self",
            "17: dust/dp times dust/dp: both have a unit, expected at most one",
        ),
        (
            "self + 3",
            "17: `3` has no unit, but dust/dp is in Pa, expected it as `3 Pa`",
        ),
        (
            "self > 0 and 'dust/hopper' > 0",
            "39: `0` has no unit, but dust/hopper is in °C, expected it as `0 °C`",
        ),
        ("3 Pa", "9: a constant, expected a point in it"),
        (
            "1 Pa / 0 + self",
            "17: `1 Pa` divided by 0 is never known, expected another number",
        ),
        (
            "self / (3 Pa - 3 Pa)",
            "17: dust/dp divided by 0 is never known, expected another number",
        ),
        ("unit.fan-running", "10: a condition, expected a number"),
        ("abs(self, self)", "10: `abs` takes one number"),
        ("min()", "10: `min` of nothing"),
        (
            "held(self > 3 Pa, 3s)",
            "10: a condition, expected a number",
        ),
    ] {
        let (column, what) = told.split_once(": ").expect("a column");
        check(
            &value(text),
            &std::format!("r.toml:6:{column}: rule[0].value: {what}"),
        );
    }
}

#[test]
fn what_people_write_instead_is_told_with_what_they_meant() {
    let told = |text: &str| {
        let text = std::format!("name = \"x\"\nfor = {{ kind = \"hopper-temperature\" }}\n{text}");
        let limits = "[[limits]]\nkind = \"filter-dp\"\nhigh = \"3 Pa\"\n[[limits]]\nkind = \"hopper-temperature\"\nhigh = \"60 °C\"\n";
        let files = [rule(&text), Source::new("s.toml", limits)];
        let problems = compile_for(&site(), &files).1;
        let mut found = ["at: ", "when: "].into_iter();
        let what = found.find_map(|key| problems.split_once(key));
        what.map(|(_, what)| what.to_string()).unwrap_or_default()
    };
    for (at, meant) in [
        ("60 C", "`C` is no unit, did you mean `°C`?"),
        ("1,6 °C", "unexpected `,`, did you mean a decimal point?"),
        ("６0 °C", "unexpected `６`, did you mean `6`?"),
        (
            "limits.high",
            "`limits.high` is not a name, did you mean `limit.high`?",
        ),
        (
            "limit.hihg",
            "no limit `hihg` is given for dust/hopper, expected a table of the site: `[[limits]]`, `point = \"dust/hopper\"`, `hihg = \"…\"`, or did you mean `limit.high`?",
        ),
    ] {
        let high = std::format!("high = [{{ level = \"H\", at = \"{at}\", colour = \"red\" }}]");
        assert_eq!(told(&high), meant);
    }
    for (when, meant) in [
        (
            "NOT unit.fan-running",
            "`NOT` is not a name, did you mean `not`?",
        ),
        (
            "selff > 3 °C",
            "`selff` is not a name, did you mean `self`?",
        ),
        (
            "units.fan-running",
            "`units.fan-running` is not a name, did you mean `unit.fan-running`?",
        ),
        (
            "self > 3 °C AND unit.fan-running",
            "unexpected `AND`, did you mean `and`?",
        ),
        (
            "held（unit.fan-running, 5s)",
            "unexpected `（`, did you mean `(`?",
        ),
        (
            "mean(self, 10m) > 3 °C",
            "a window of `10 m`, expected whole milliseconds from 1 s to 31 d; did you mean `10min`?",
        ),
        (
            "dust/fan",
            "`dust/fan` is not a name, expected quotes around a point's full name: `'unit/point'`",
        ),
    ] {
        let when = std::format!("when = \"{when}\"\nlevel = \"H\"\ncolour = \"red\"");
        assert_eq!(told(&when), meant);
    }
}

#[test]
fn what_is_wrong_in_one_level_hides_nothing_that_is_wrong_in_another() {
    let rules = [
        "pack = \"p\"\nversion = \"1\"\n",
        "[[rule]]\nname = \"hot\"\nunverified = \"a test\"\ntext = { zh = \"z\", en = \"e\" }\nfor = { kind = \"hopper-temperature\" }\nonly_while = \"unit.fan-runing\"\nhigh = [{ level = \"H\", at = \"60 °CC\", colour = \"jellow\" }, { level = \"HH\", at = \"70 Pa\", colour = \"red\" }]\n",
        "[[rule]]\nname = \"both\"\nunverified = \"a test\"\ntext = { zh = \"z\", en = \"e\" }\nfor = { kind = \"hopper-temperature\" }\nlevels = [{ level = \"a\", colour = \"blue\", when = \"self >\" }, { level = \"b\", colour = \"red\", when = \"unit.fan-runing\" }]\n",
        // An alarm of a rule that is wrong is not missing, and one of no rule is.
        "[[rule]]\nname = \"after\"\nunverified = \"a test\"\ntext = { zh = \"z\", en = \"e\" }\nfor = { unit_with = [\"hopper-temperature\"] }\nwhen = \"alarm.hot or alarm.both or alarm.nobody\"\nlevel = \"x\"\ncolour = \"blue\"\n",
    ];
    check_files(
        &[("r.toml", &rules.concat())],
        "r.toml:8:15: rule[0].only_while: unit dust has no point of kind fan-runing, did you mean `fan-running`?\n\
         r.toml:9:33: rule[0].high[0].at: `°CC` is no unit, did you mean `°C`?\n\
         r.toml:9:48: rule[0].high[0].colour: `jellow` is not known, expected one of `blue`, `yellow`, `orange`, `red`, did you mean `yellow`?\n\
         r.toml:9:82: rule[0].high[1].at: `70 Pa` is in Pa, but dust/hopper is in °C\n\
         r.toml:15:57: rule[1].levels[0].when: unexpected end, expected a number, a point, a function or `(`\n\
         r.toml:15:101: rule[1].levels[1].when: unit dust has no point of kind fan-runing, did you mean `fan-running`?\n\
         r.toml:21:36: rule[2].when: no rule `nobody` has an alarm in unit dust",
    );
}

#[test]
fn a_kind_that_is_misspelt_beside_others_is_warned_of() {
    let warned = |kinds: &str| {
        let text = std::format!(
            "name = \"x\"\nfor = {{ kind = [{kinds}] }}\nwhen = \"stale(self)\"\nlevel = \"x\"\ncolour = \"blue\""
        );
        let (_, problems, warnings) = compile_for(&site(), &[rule(&text)]);
        problems + &warnings
    };
    assert_eq!(
        warned("\"filter-dp\", \"hoper-temperature\""),
        "r.toml:5:30: rule[0].for.kind[1]: no point of this site is of kind hoper-temperature; did you mean `hopper-temperature`?"
    );
    // A rule may be for more than this site has.
    assert_eq!(warned("\"filter-dp\", \"chlorine\""), "");
    assert_eq!(warned("\"hopper-temperature\", \"copper-temperature\""), "");
}

#[test]
fn conditions_that_mean_nothing_are_refused() {
    let when = |when: &str| {
        std::format!(
            "name = \"x\"\nfor = {{ kind = \"filter-dp\" }}\nwhen = \"{when}\"\nlevel = \"x\"\ncolour = \"blue\"\ndegrade = \"hold\""
        )
    };
    for (text, told) in [
        (
            "1 Pa > 2 Pa",
            "9: two constants compared, expected a point on one side",
        ),
        (
            "each(unit.filter-dp) > 2 Pa",
            "9: `each` outside a vote, expected it inside `any`, `all`, `at_least`, `min` or `max`",
        ),
        (
            "any(each(self) > 2 Pa)",
            "13: `each` takes a kind, as `each(unit.combustible-gas)`, or `peers`",
        ),
        (
            "any(each(unit.filter-dp) > each(unit.x))",
            "36: `each` of different points in one argument, expected one of them",
        ),
        ("any(each(unit.x))", "13: unit dust has no point of kind x"),
        (
            "self / 0 > 1 Pa",
            "16: dust/dp divided by 0 is never known, expected another number",
        ),
        ("any()", "9: `any` of no conditions, expected some"),
        (
            "at_least(0.5, unit.fan-running)",
            "18: at least 0.5 of 1, expected a whole number from 1 to that",
        ),
        (
            "at_least(unit.fan-running)",
            "18: `at_least` takes a whole number and conditions, as `at_least(2, each(unit.co) >= 20 mg/m³)`",
        ),
        (
            "held(unit.fan-running, 3 m)",
            "32: `3 m` is no time, expected whole milliseconds up to 49 days; did you mean `3min`?",
        ),
        (
            "held(unit.fan-running)",
            "9: `held` takes a condition and a time, as `held(unit.fan-running, 60s)`",
        ),
        (
            "repeats(self, 9)",
            "23: the last 9 readings, expected a whole number from 10 to 1000",
        ),
        (
            "repeats(self, 10.5)",
            "23: the last 10.5 readings, expected a whole number from 10 to 1000",
        ),
        (
            "repeats(self, 5min)",
            "23: `repeats` takes a point and a whole number of readings, as `repeats(self, 300)`",
        ),
        (
            "repeats(unit.fan-running, 10)",
            "17: dust/fan is a switch, expected a point with numbers, or `count` of the switch",
        ),
        (
            "bad(self > 3 Pa)",
            "9: `bad` takes a point, as `bad(unit.fan-running)`",
        ),
        ("stale(limit.x)", "15: `limit.x` is no point"),
        (
            "site.fan-runing",
            "9: this site has no point of kind fan-runing, did you mean `fan-running`?",
        ),
        ("alarm.y", "9: no rule `y` has an alarm in unit dust"),
        ("bad(alarm.y)", "13: `alarm.y` is no point"),
        (
            "device.fan-running",
            "9: `device.fan-running`, and no device is known here, expected `unit.fan-running` or `'unit/point'`",
        ),
        (
            "max(each(unit.filter-dp) - each(peers)) > 2 Pa",
            "36: `each` of different points in one argument, expected one of them",
        ),
        (
            "any(each(unit.filter-dp) > max(each(peers)))",
            "40: dust/dp has no peers, expected another point of its kind in its unit, or `peers = 1` in the rule's `for`",
        ),
        (
            "same(2, self, each(peers))",
            "23: dust/dp has no peers, expected another point of its kind in its unit, or `peers = 1` in the rule's `for`",
        ),
        (
            "self > max(each(unit.x))",
            "20: unit dust has no point of kind x",
        ),
        (
            "self > max(self, 3 Pa, unit.hopper-temperature)",
            "32: dust/hopper is in °C, but `max(…)` of dust/dp is in Pa",
        ),
        (
            "self > abs(each(peers))",
            "20: `each` outside a vote, expected it inside `any`, `all`, `at_least`, `min` or `max`",
        ),
        (
            "self > peers",
            "16: `peers` stands inside `each( )`, as `each(peers)`",
        ),
        (
            "bad(peers)",
            "13: `peers` stands inside `each( )`, as `each(peers)`",
        ),
        (
            "loop.fan-running",
            "9: `loop.fan-running`, and dust/dp has no attribute `loop`, expected it as `attributes = { loop = \"…\" }`, or `unit.fan-running`",
        ),
        (
            "limit.x",
            "9: no limit `x` is given for dust/dp, expected a table of the site: `[[limits]]`, `point = \"dust/dp\"`, `x = \"…\"`",
        ),
    ] {
        let (column, what) = told.split_once(": ").expect("a column");
        check(
            &when(text),
            &std::format!("r.toml:6:{column}: rule[0].when: {what}"),
        );
    }
}

#[test]
fn a_loop_that_does_not_have_what_is_asked_of_it_is_told() {
    let mut points = points(&[
        "fire/panel-1 panel on/off",
        "fire/panel-2 panel on/off",
        "fire/lamp lamp on/off",
        "fire/ht-101 heat Cel",
        "fire/ht-102 heat Cel",
        "fire/ht-103 heat Cel",
        "hall/panel-1 panel on/off",
    ]);
    for (point, key, word) in [
        (0, "loop", "101"),
        (1, "loop", "101"),
        (2, "loop", "102"),
        (3, "loop", "101"),
        (4, "loop", "102"),
        (5, "lop", "101"),
        (6, "loop", "102"),
    ] {
        points[point].attributes.push((key.into(), word.into()));
    }
    let told = |scope: &str, when: &str| {
        let text = std::format!(
            "name = \"x\"\nfor = {scope}\nwhen = \"{when}\"\nlevel = \"x\"\ncolour = \"blue\""
        );
        compile_for(&points, &[rule(&text)]).1
    };
    assert_eq!(
        told("{ kind = \"heat\" }", "self > 60 °C and loop.panel"),
        "r.toml:6:26: rule[0].when: `loop.panel` is not one point: loop 101 of unit fire has 2 of that kind (fire/panel-1, fire/panel-2), expected one by its name, or a vote over `each(unit.panel)`\n\
         r.toml:6:26: rule[0].when: `loop.panel`, and fire/ht-103 has no attribute `loop`, is `lop` meant to be it?\n\
         r.toml:6:26: rule[0].when: loop 102 of unit fire has no point of kind panel"
    );
    assert_eq!(
        told("{ kind = \"lamp\" }", "loop.pannel"),
        "r.toml:6:9: rule[0].when: loop 102 of unit fire has no point of kind pannel, did you mean `panel`?"
    );
    assert_eq!(
        told("{ unit_with = [\"lamp\"] }", "loop.panel"),
        "r.toml:6:9: rule[0].when: `loop.panel` in a rule that is about no single point, expected `unit.panel` or `'unit/point'`"
    );
    assert_eq!(
        told("{ unit_with = [\"heat\"] }", "max(each(peers)) > 60 °C"),
        "r.toml:6:13: rule[0].when: `each(peers)` in a rule that is about no single point, expected `each(unit.<kind>)`"
    );
}

#[test]
fn what_points_must_have_is_asked_of_points_only() {
    let told = |scope: &str| {
        let text = std::format!(
            "name = \"x\"\nfor = {scope}\nwhen = \"'dust/fan'\"\nlevel = \"x\"\ncolour = \"blue\""
        );
        let (_, problems, warnings) = compile_for(&site(), &[rule(&text)]);
        problems + &warnings
    };
    assert_eq!(
        told("{ unit_with = [\"filter-dp\"], loop_with = [\"panel\"], peers = 2 }"),
        "r.toml:5:48: rule[0].for.loop_with: instrument loops are of points, expected `kind` beside it\n\
         r.toml:5:67: rule[0].for.peers: peers are of points, expected `kind` beside it"
    );
    assert_eq!(
        told("{ kind = \"filter-dp\", loop_with = \"panel\", peers = 257 }"),
        "r.toml:5:41: rule[0].for.loop_with: a string, expected an array\n\
         r.toml:5:58: rule[0].for.peers: 257, expected a whole number from 1 to 256"
    );
    assert_eq!(
        told("{ kind = \"filter-dp\", loop_with = [], peers = 0 }"),
        "r.toml:5:41: rule[0].for.loop_with: no name, expected at least one\n\
         r.toml:5:53: rule[0].for.peers: 0, expected a whole number from 1 to 256"
    );
    assert_eq!(
        told("{ kind = \"filter-dp\", loop_with = [\"fan-runing\", \"fan-running\"] }"),
        "r.toml:5:16: rule[0].for.kind: `x` is for no point of this site\n\
         r.toml:5:42: rule[0].for.loop_with[0]: `x` is for no point of this site; did you mean `fan-running`?"
    );
    assert_eq!(
        told("{ kind = \"filter-dp\", peers = 1 }"),
        "r.toml:5:16: rule[0].for.kind: `x` is for no point of this site"
    );
}

#[test]
fn a_loop_may_go_on_and_peers_may_be_where_it_could_not_be_read() {
    let mut points = points(&["fire/ht-101 heat Cel", "yard/ht-102 heat Cel"]);
    points[0].attributes.push(("loop".into(), "101".into()));
    let when = |when: &str| {
        let file = rule(&std::format!(
            "name = \"x\"\nfor = {{ kind = \"heat\" }}\nwhen = \"{when}\"\nlevel = \"x\"\ncolour = \"blue\""
        ));
        let problems = Problems::default();
        let unread = Unread {
            points: true,
            ..Unread::default()
        };
        check_against(&[file], &points, unread, &problems);
        problems.to_string()
    };
    assert_eq!(when("self > max(each(peers))"), "");
    // What is known of a point is known whole.
    assert_eq!(
        when("loop.panel"),
        "r.toml:6:9: rule[0].when: `loop.panel`, and yard/ht-102 has no attribute `loop`, expected it as `attributes = { loop = \"…\" }`, or `unit.panel`"
    );
}
