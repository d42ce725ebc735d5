//! Wrong windows, calendars, derived numbers and overlays, and the text that they get.

use super::*;

/// What is told of a condition on `dust/dp`, in a file with tables after the rule; columns count from the rule's sixth line.
#[track_caller]
fn check(when: &str, told: &str) {
    let text = std::format!(
        "name = \"x\"\nfor = {{ kind = \"filter-dp\" }}\nwhen = \"{when}\"\nlevel = \"x\"\ncolour = \"blue\"\ndegrade = \"hold\""
    );
    let (program, problems, _) = compile_for(&site(), &[rule(&text)]);
    assert_eq!(problems, std::format!("r.toml:6:{told}"));
    assert!(program.is_none());
}

#[test]
fn windows_that_mean_nothing_are_refused() {
    for (when, told) in [
        (
            "mean(self) > 3 Pa",
            "9: rule[0].when: `mean` takes a number and a time, as `mean(self, 10min)`",
        ),
        (
            "count(self, 10min) > 3",
            "15: rule[0].when: dust/dp is a number, expected a condition, as a comparison with `>=`",
        ),
        (
            "sum(unit.fan-running, 1h) > 3",
            "13: rule[0].when: dust/fan is a switch, expected a point with numbers, or `count` of the switch",
        ),
        (
            "increase(self + self, 1h) > 3 Pa",
            "18: rule[0].when: `increase` takes a point and a time, as `increase(self, 10min)`",
        ),
        (
            "mean(3 Pa, 1h) > self",
            "14: rule[0].when: `mean` of a constant, expected a point in it",
        ),
        (
            "mean(self, 500ms) > 3 Pa",
            "20: rule[0].when: a window of `500 ms`, expected whole milliseconds from 1 s to 31 d",
        ),
        (
            "mean(self, 40d) > 3 Pa",
            "20: rule[0].when: a window of `40 d`, expected whole milliseconds from 1 s to 31 d",
        ),
        (
            "mean(self, 1h) > 3 mg/m³",
            "26: rule[0].when: `3 mg/m³` is in mg/m³, but `mean(…)` of dust/dp is in Pa",
        ),
        (
            "since(self) > 3 s",
            "15: rule[0].when: dust/dp is a number, expected a condition, as a comparison with `>=`",
        ),
        (
            "since(unit.fan-running) > 3 Pa",
            "35: rule[0].when: `3 Pa` is in Pa, but `since(…)` is in s",
        ),
        (
            "mad(3 Pa, 1h) > self",
            "13: rule[0].when: `mad` of a constant, expected a point in it",
        ),
        (
            "angle(self) > 3 deg",
            "15: rule[0].when: dust/dp is in Pa, expected degrees",
        ),
        (
            "angle(3 deg) > 3 deg",
            "9: rule[0].when: `angle` takes two directions from 0 to 360 degrees, as `angle(unit.wind-direction, limit.source)`",
        ),
        (
            "distance(self, self, self, self) > 3 m",
            "18: rule[0].when: dust/dp is in Pa, expected degrees",
        ),
        (
            "same(1, self)",
            "14: rule[0].when: the same 1, expected a whole number from 2 to 256",
        ),
        (
            "same(2, self, unit.hopper-temperature)",
            "9: rule[0].when: dust/dp and dust/hopper are in different units, expected one",
        ),
        (
            "convert(self, 'mg/m³') > 3 mg/m³",
            "17: rule[0].when: dust/dp is in Pa, but `'mg/m³'` is in mg/m³",
        ),
    ] {
        check(when, told);
    }
}

#[test]
fn names_of_tables_that_are_not_there_are_told_with_the_nearest() {
    check(
        "during(flood-season)",
        "9: rule[0].when: no calendar `flood-season`, expected a `[[calendar]]` of that name",
    );
    check(
        "derived.x > 3 Pa",
        "9: rule[0].when: no `[[derived]]` is called `x`",
    );
}

#[test]
fn calendars_that_are_none_are_told_with_what_was_expected() {
    let file = "[[calendar]]\nname = \"a\"\nyearly = [\"02-30 .. 03-01\"]\n[[calendar]]\nname = \"b\"\ndates = [\"2026-10-07 .. 2026-10-01\"]\n[[calendar]]\nname = \"c\"\ndaily = \"22:00 .. 25:00\"\nzone = \"8\"\nweekdays = [\"sun\", \"someday\"]\n[[calendar]]\nname = \"d\"\n[[calendar]]\nname = \"d\"\n";
    let (_, problems, _) = compile_for(&site(), &[Source::new("c.toml", file)]);
    assert_eq!(
        problems,
        "c.toml:3:11: calendar[0].yearly[0]: `02-30 .. 03-01`, expected two with `..` between, as `06-01 .. 09-30`\n\
         c.toml:6:10: calendar[1].dates[0]: the first date is after the last\n\
         c.toml:9:9: calendar[2].daily: `22:00 .. 25:00`, expected two with `..` between, as `22:00 .. 06:00`\n\
         c.toml:10:8: calendar[2].zone: `8` is no time zone, expected one as `+08:00`\n\
         c.toml:11:20: calendar[2].weekdays[1]: `someday` is not known, expected one of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`\n\
         c.toml:15:8: calendar[4].name: a second `d`, the first is at c.toml:13:8"
    );
}

#[test]
fn a_derived_number_that_rests_on_itself_or_is_wrong_is_told_where_it_is_used() {
    let file = "pack = \"p\"\nversion = \"1\"\n[[derived]]\nname = \"a\"\nvalue = \"derived.b\"\n[[derived]]\nname = \"b\"\nvalue = \"1 - derived.a\"\n[[derived]]\nname = \"c\"\nvalue = \"self + 1 m\"\n[[rule]]\nname = \"x\"\nunverified = \"a test\"\nfor = { kind = \"filter-dp\" }\nlevels = [\n{ level = \"y\", when = \"derived.c > 3 Pa\", colour = \"blue\" },\n]\ntext = { zh = \"z\", en = \"e\" }\n";
    let (_, problems, _) = compile_for(&site(), &[Source::new("d.toml", file)]);
    assert_eq!(
        problems,
        "d.toml:17:24: rule[0].levels[0].when: `derived.c` at d.toml:11:9: `1 m` is in m, but dust/dp is in Pa"
    );
    let file = file.replace("derived.c >", "derived.a >");
    let (_, problems, _) = compile_for(&site(), &[Source::new("d.toml", file)]);
    assert!(problems.contains("is reckoned from itself"), "{problems}");
}

/// A pack with one rule of two levels on `dust/dp`, and what a site's file says beside it.
fn site_says(file: &str) -> (String, String) {
    let pack = rule(
        "name = \"dp\"\nfor = { kind = \"filter-dp\" }\nhigh = [{ level = \"H\", at = \"1 kPa\", colour = \"blue\" }, { level = \"HH\", at = \"2 kPa\", colour = \"red\" }]",
    );
    let calendar = "[[calendar]]\nname = \"night\"\ndaily = \"22:00 .. 06:00\"\n";
    let file = std::format!("{file}{calendar}");
    let (_, problems, warnings) = compile_for(&site(), &[pack, Source::new("s.toml", file)]);
    (problems, warnings)
}

#[test]
fn an_overlay_makes_stricter_and_says_why() {
    let overlay = |keys: &str| {
        site_says(&std::format!(
            "[[overlay]]\nrule = \"dp\"\nreason = \"r\"\nduring = \"night\"\n{keys}\n"
        ))
        .0
    };
    for (keys, told) in [
        ("level_up = true", ""),
        ("level = \"H\"\nat = \"900 Pa\"", ""),
        (
            "level = \"H\"\nat = \"1 kPa\"",
            "s.toml:6:6: overlay[0].at: `H` of dust/dp at 1000 is not stricter than its own limit, expected a stricter one; an override sets another for all times",
        ),
        (
            "at = \"900 Pa\"",
            "s.toml:5:6: overlay[0].at: a limit for several levels, expected `level` beside it",
        ),
        (
            "level = \"X\"\nat = \"900 Pa\"",
            "s.toml:5:9: overlay[0].level: no level `X` in `dp`, expected one of `H`, `HH`",
        ),
        (
            "level_up = true\nat = \"900 Pa\"",
            "s.toml:6:6: overlay[0].at: beside `level_up`, expected one of the two",
        ),
        (
            "level_up = false",
            "s.toml:5:12: overlay[0].level_up: `false`, expected `true`, or `at` with a limit",
        ),
        (
            "",
            "s.toml:1:1: overlay[0]: neither `at` nor `level_up`, expected a stricter limit or `level_up = true`",
        ),
    ] {
        assert_eq!(overlay(keys), told, "{keys}");
    }
    let (problems, _) = site_says(
        "[[overlay]]\nrule = \"dp\"\nduring = \"night\"\nlevel_up = true\nreason = \" \"\n",
    );
    assert_eq!(
        problems,
        "s.toml:5:10: overlay[0].reason: empty, expected why the site differs and who decided it"
    );
    let (problems, _) = site_says(
        "[[overlay]]\nrule = \"dq\"\nduring = \"night\"\nlevel_up = true\nreason = \"r\"\n[[overlay]]\nrule = \"dp\"\nduring = \"day\"\nlevel_up = true\nreason = \"r\"\n",
    );
    assert_eq!(
        problems,
        "s.toml:2:8: overlay[0].rule: no rule `dq` in these files, did you mean `dp`?\n\
         s.toml:8:10: overlay[1].during: no calendar `day`, expected a `[[calendar]]` of that name"
    );
    let (problems, warnings) = site_says(
        "[[overlay]]\nrule = \"dp\"\nunit = \"tank\"\nduring = \"night\"\nlevel_up = true\nreason = \"r\"\n",
    );
    assert_eq!(problems, "");
    assert_eq!(
        warnings,
        "s.toml:2:8: overlay[0].rule: meets no point and no unit that this rule is for"
    );
}

#[test]
fn an_overlay_that_changes_nothing_is_told() {
    let calendar = "[[calendar]]\nname = \"night\"\ndaily = \"22:00 .. 06:00\"\n";
    let level = |name: &str, at: &str, keys: &str| {
        std::format!("{{ level = \"{name}\", at = \"{at}\", colour = \"blue\"{keys} }}")
    };
    let says = |high: &str, low: &str, does: &str, limit: &str| {
        let pack = rule(&std::format!(
            "name = \"dp\"\nfor = {{ kind = \"filter-dp\" }}\nhigh = [{high}]\nlow = [{low}]"
        ));
        let file = std::format!(
            "[[overlay]]\nrule = \"dp\"\nduring = \"night\"\nreason = \"r\"\n{does}\n{calendar}{limit}"
        );
        let files = [pack, Source::new("s.toml", file)];
        let (_, problems, warnings) = compile_for(&site(), &files);
        let checked = Problems::default();
        super::super::check(&files, &checked);
        (problems, checked.to_string(), warnings)
    };
    let h = level("H", "1 kPa", "");
    let l = level("L", "100 Pa", "");
    let told = "s.toml:2:8: overlay[0].rule: `dp` has no two levels on one side, expected a milder one before some level for `level_up`";
    let (problems, checked, _) = says(&h, &l, "level_up = true", "");
    assert_eq!((problems.as_str(), checked.as_str()), (told, told));

    let given = level("HH", "limit.most", ", optional = true");
    let two = std::format!("{h}, {given}");
    let limit = "[[limits]]\nmost = \"2 kPa\"\n";
    for (does, why) in [
        (
            "level_up = true",
            "no alarm that it meets has two levels on one side, since others are left out",
        ),
        (
            "level = \"HH\"\nat = \"1500 Pa\"",
            "the level is left out for every alarm that it meets",
        ),
    ] {
        let (problems, checked, warnings) = says(&two, &l, does, "");
        assert_eq!((problems.as_str(), checked.as_str()), ("", ""));
        let first = warnings.lines().last().unwrap_or_default();
        let nothing = std::format!("s.toml:2:8: overlay[0].rule: changes nothing: {why}");
        assert_eq!(first, nothing);
        let (problems, _, warnings) = says(&two, &l, does, limit);
        assert_eq!((problems.as_str(), warnings.as_str()), ("", ""));
    }
}

#[test]
fn attributes_select_and_a_misspelled_one_is_told() {
    let mut points = site();
    points[0].attributes = Vec::from([("medium".to_string(), "benzene".to_string())]);
    let with = |with: &str| {
        let text = std::format!(
            "name = \"x\"\nfor = {{ kind = \"combustible-gas\", with = {{ {with} }} }}\nwhen = \"self > 30 %LEL\"\nlevel = \"x\"\ncolour = \"blue\""
        );
        let (program, problems, warnings) = compile_for(&points, &[rule(&text)]);
        assert_eq!(problems, "");
        let program = program.expect("no problem");
        let alarms = program
            .alarm_idxs()
            .map(|alarm| program.id_of(alarm).to_string());
        let alarms: Vec<String> = alarms.filter(|id| !id.contains("sys.")).collect();
        (alarms.join(" "), warnings)
    };
    assert_eq!(
        with("medium = \"benzene\""),
        (
            "tank/gt-01/x".to_string(),
            "r.toml:4:8: rule[0].name: `x` watches tank/gt-01, and no rule has the limits of GB/T 50493-2019 5.5.2 for it"
                .to_string()
        )
    );
    let (alarms, warnings) = with("medium = \"benzen\"");
    assert_eq!(alarms, "");
    assert!(
        warnings.contains("no point has `medium = \"benzen\"`; did you mean `benzene`?"),
        "{warnings}"
    );
    let (_, warnings) = with("medum = \"benzene\"");
    assert!(warnings.contains("did you mean `medium`?"), "{warnings}");
}
