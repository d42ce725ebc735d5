//! What is laxer than its clause is refused, whichever way it is made so.

use super::wrong::{GAS, check, check_files};
use super::*;

#[test]
fn a_limit_laxer_than_its_clause_is_refused() {
    check(
        &std::format!(
            "{GAS}high = [{{ level = \"L1\", at = \"30 %LEL\", colour = \"yellow\" }}, {{ level = \"L2\", at = \"60 %LEL\", colour = \"orange\" }}]"
        ),
        "r.toml:6:30: rule[0].high[0].at: `L1` of tank/gt-01 at 30 %LEL is laxer than GB/T 50493-2019 5.5.2, expected at most 25 %LEL, or an override of the site with `laxer_than = \"GB/T 50493-2019 5.5.2\"`\n\
             r.toml:6:30: rule[0].high[0].at: `L1` of tank/gt-02 at 30 %LEL is laxer than GB/T 50493-2019 5.5.2, expected at most 25 %LEL, or an override of the site with `laxer_than = \"GB/T 50493-2019 5.5.2\"`\n\
             r.toml:6:83: rule[0].high[1].at: `L2` of tank/gt-01 at 60 %LEL is laxer than GB/T 50493-2019 5.5.2, expected at most 50 %LEL, or an override of the site with `laxer_than = \"GB/T 50493-2019 5.5.2\"`\n\
             r.toml:6:83: rule[0].high[1].at: `L2` of tank/gt-02 at 60 %LEL is laxer than GB/T 50493-2019 5.5.2, expected at most 50 %LEL, or an override of the site with `laxer_than = \"GB/T 50493-2019 5.5.2\"`",
    );
}

#[test]
fn a_gate_on_what_a_clause_protects_is_refused() {
    check(
        &std::format!(
            "{GAS}only_while = \"'dust/fan'\"\nhigh = [{{ level = \"L1\", at = \"25 %LEL\", colour = \"yellow\" }}]"
        ),
        "r.toml:6:14: rule[0].only_while: a gate on combustible-gas, expected none by GB/T 50493-2019 5.5.2, or an override of the site with `laxer_than = \"GB/T 50493-2019 5.5.2\"`",
    );
}

#[test]
fn what_goes_round_a_clause_by_suppression_delay_or_deadband_is_refused() {
    let override_it = "or an override of the site with `laxer_than = \"GB/T 50493-2019 5.5.2\"`";
    let one = |level: &str, more: &str| {
        std::format!(
            "name = \"gas\"\nfor = {{ kind = \"combustible-gas\" }}\n{more}high = [{{ level = \"L1\", at = \"25 %LEL\", colour = \"yellow\", {level} }}]"
        )
    };
    let each = |place: &str, what: &str| {
        ["tank/gt-01", "tank/gt-02"]
            .map(|point| std::format!("{place}: {}, {override_it}", what.replace("{point}", point)))
            .join("\n")
    };
    check(
        &one(
            "latch = true",
            "suppress = [{ while = \"'dust/fan'\", reason = \"fan\" }]\n",
        ),
        &std::format!(
            "r.toml:6:46: rule[0].suppress[0].reason: a reason to suppress on combustible-gas, expected none by GB/T 50493-2019 5.5.2, {override_it}"
        ),
    );
    let most = one("on_delay = \"30s\"", "");
    assert_eq!(compile_for(&site(), &[rule(&most)]).1, "");
    check(
        &one("on_delay = \"30500ms\"", ""),
        &each(
            "r.toml:6:30: rule[0].high[0].at",
            "`L1` of {point} has an on-delay of 31 s, which is laxer than GB/T 50493-2019 5.5.2, expected 30 s or less",
        ),
    );
    check(
        &one("on_delay = \"2h\"", ""),
        &each(
            "r.toml:6:30: rule[0].high[0].at",
            "`L1` of {point} has an on-delay of 7200 s, which is laxer than GB/T 50493-2019 5.5.2, expected 30 s or less",
        ),
    );
    check(
        &one("deadband = \"25 %LEL\"", ""),
        &each(
            "r.toml:6:71: rule[0].high[0].deadband",
            "`L1` of {point} is left below 0 only, which is laxer than GB/T 50493-2019 5.5.2, expected a smaller deadband",
        ),
    );
}

#[test]
fn a_deadband_that_an_override_makes_too_wide_is_told_at_the_override() {
    let text = std::format!(
        "{GAS}high = [{{ level = \"L1\", at = \"25 %LEL\", colour = \"yellow\", deadband = \"5 %LEL\" }}]"
    );
    for (key, exit) in [("at = \"3 %LEL\"", -2), ("deadband = \"30 %LEL\"", -5)] {
        let says = std::format!("[[override]]\nrule = \"gas\"\nreason = \"a test\"\n{key}\n");
        let (_, problems, _) = compile_for(&site(), &[rule(&text), Source::new("s.toml", says)]);
        let (name, _) = key.split_once(' ').expect("a key");
        let told = std::format!("override[0].{name}: `L1` of tank/gt-01 is left below {exit} only");
        assert!(
            problems.starts_with("s.toml:4:") && problems.contains(&told),
            "{problems}"
        );
    }
}

#[test]
fn a_rule_that_cites_a_clause_and_asks_what_cannot_be_compared_with_it_is_refused() {
    let cites = |condition: &str| {
        std::format!(
            "name = \"gas\"\nclause = \"GB/T 50493-2019 5.5.2\"\nfor = {{ kind = \"combustible-gas\" }}\n{condition}"
        )
    };
    let refused = "r.toml:4:8: rule[0].name: `gas` cites GB/T 50493-2019 5.5.2 for tank/gt-01, and what it asks can't be compared with it: expected `high` or `low` limits on the number of combustible-gas itself, or an override of the site with `laxer_than = \"GB/T 50493-2019 5.5.2\"`";
    check(
        &cites("when = \"self >= 60 %LEL\"\nlevel = \"L1\"\ncolour = \"yellow\""),
        refused,
    );
    check(
        &cites(
            "value = \"0.5 * self\"\nhigh = [{ level = \"L1\", at = \"25 %LEL\", colour = \"yellow\" }]",
        ),
        refused,
    );
    check(
        &cites(
            "value = \"mean(self, 1h)\"\nhigh = [{ level = \"L1\", at = \"25 %LEL\", colour = \"yellow\" }]",
        ),
        refused,
    );
}

#[test]
fn a_landslide_is_orange_at_four_fifths_of_red_at_the_latest() {
    let mut points = site();
    points[0].kind = "landslide-displacement".into();
    points[0].eu = Some("mm".into());
    let at = |orange: &str| {
        let text = std::format!(
            "name = \"slope\"\nfor = {{ kind = \"landslide-displacement\" }}\nvalue = \"abs(self)\"\nhigh = [{{ level = \"orange\", at = \"{orange}\", colour = \"orange\" }}, {{ level = \"red\", at = \"100 mm\", colour = \"red\" }}]"
        );
        compile_for(&points, &[rule(&text)]).1
    };
    assert_eq!(at("80 mm"), "");
    assert_eq!(
        at("81 mm"),
        "r.toml:7:34: rule[0].high[0].at: `orange` of tank/gt-01 at 81 mm is laxer than GB 51108 8.3.8, expected at most 0.8 times `red` at 100 mm, or an override of the site with `laxer_than = \"GB 51108 8.3.8\"`"
    );
}

#[test]
fn a_limit_of_the_site_that_is_laxer_than_its_clause_is_told_with_its_place() {
    let toxic = rule(
        "name = \"toxic\"\nfor = { kind = \"carbon-monoxide\" }\nhigh = [{ level = \"L1\", at = \"limit.oel\", colour = \"yellow\" }]",
    );
    let site = Source::new(
        "site.toml",
        "[[limits]]\nkind = \"carbon-monoxide\"\noel = \"60 mg/m³\"\nmolar-mass = \"28.01 g/mol\"\n[[limits]]\nmolar-volume = \"24.45 L/mol\"",
    );
    let (_, problems, _) = compile_for(&super::site(), &[toxic, site]);
    assert_eq!(
        problems,
        "r.toml:6:30: rule[0].high[0].at: `L1` of tank/co-01 at 52.3741520885 ppm, by `oel` at site.toml:3:7, is laxer than GB/T 50493-2019 5.5.2, expected at most 17.4580506962 ppm, or an override of the site with `laxer_than = \"GB/T 50493-2019 5.5.2\"`"
    );
}

#[test]
fn the_limits_of_ammonia_rooms_and_steel_works_are_held_too() {
    let rule = |kind: &str, levels: &str| {
        std::format!(
            "[[rule]]\nname = \"{kind}\"\nunverified = \"a test\"\nfor = {{ kind = \"{kind}\" }}\nhigh = [{levels}]\ntext = {{ zh = \"z\", en = \"e\" }}\n"
        )
    };
    let level = |name: &str, at: &str, colour: &str| {
        std::format!("{{ level = \"{name}\", at = \"{at}\", colour = \"{colour}\" }}")
    };
    let steel = [
        level("a", "40 mg/m³", "yellow"),
        level("b", "300 mg/m³", "red"),
    ];
    let rules = [
        "pack = \"p\"\nversion = \"1\"\n".to_string(),
        rule("ammonia-room", &level("a", "160 ppm", "red")),
        rule("ammonia-room-lel", &level("a", "30 %LEL", "red")),
        rule("blast-furnace-co", &steel.join(", ")),
    ];
    let rules = Source::new("r.toml", rules.concat());
    let cases = Source::new(
        "t.toml",
        "packs = [\"r.toml\"]\n[points]\n\"i/a\" = { kind = \"ammonia-room\", eu = \"ppm\" }\n\"i/b\" = { kind = \"ammonia-room-lel\", eu = \"%LEL\" }\n\"i/c\" = { kind = \"blast-furnace-co\", eu = \"mg/m³\" }\n[[case]]\nname = \"x\"\nalarm = \"i/a/ammonia-room\"\nseries = {}\nsteps = [{ at = \"1s\", letter = \"A\" }]\n",
    );
    let problems = Problems::default();
    let report = crate::case::run(&cases, &|_| Ok(rules.clone()), &problems);
    assert!(report.is_none());
    let told = problems.to_string();
    for laxer in [
        "i/a at 160 ppm is laxer than GB 50072-2021 7.4, expected at most 150 ppm",
        "i/b at 30 %LEL is laxer than GB 50072-2021 7.4, expected at most 25 %LEL",
        "i/c at 40 mg/m³ is laxer than GB 6222-2005, expected at most 30 mg/m³",
        "i/c at 300 mg/m³ is laxer than GB 6222-2005, expected at most 200 mg/m³",
    ] {
        assert!(told.contains(laxer), "{laxer}: {told}");
    }
}

#[test]
fn a_molar_mass_or_volume_that_would_make_a_limit_in_ppm_laxer_is_refused() {
    let pack = crate::pack::pack("gas").expect("a pack").text;
    check_files(
        &[
            ("gas.toml", pack),
            (
                "site.toml",
                "[[limits]]\nmolar-volume = \"244.5 L/mol\"\n[[limits]]\nkind = \"hydrogen-sulfide\"\nmolar-mass = \"3.408 g/mol\"\n[[limits]]\nkind = \"ammonia\"\nmolar-mass = \"17.031 g/mol\"\n",
            ),
        ],
        "site.toml:2:16: limits[0].molar-volume: a molar volume of 244.5 L/mol, expected 22.4 (0 °C) to 25.7 (40 °C)\n\
         site.toml:5:14: limits[1].molar-mass: a molar mass of 3.408 g/mol for hydrogen-sulfide, which has 34.08 g/mol",
    );
}

#[test]
fn a_molar_mass_of_another_gas_makes_no_limit_of_a_clause_laxer() {
    // A pack without a word of the gas pack, and a mass for all that a unit has.
    let told = |mass: &str, selector: &str, at: &str| {
        let text = std::format!(
            "name = \"co\"\nfor = {{ kind = \"carbon-monoxide\" }}\nhigh = [{{ level = \"L1\", at = \"{at}\", colour = \"yellow\" }}]"
        );
        let limits = std::format!(
            "[[limits]]\nmolar-volume = \"24.45 L/mol\"\n[[limits]]\n{selector}molar-mass = \"{mass} g/mol\"\n"
        );
        let files = [rule(&text), Source::new("s.toml", limits)];
        compile_for(&site(), &files).1
    };
    let laxer = |is: &str, most: &str| {
        std::format!(
            "r.toml:6:30: rule[0].high[0].at: `L1` of tank/co-01 at {is} ppm is laxer than GB/T 50493-2019 5.5.2, expected at most {most} ppm, or an override of the site with `laxer_than = \"GB/T 50493-2019 5.5.2\"`"
        )
    };
    for selector in ["", "unit = \"tank\"\n"] {
        assert_eq!(
            told("1", selector, "400 ppm"),
            laxer("400", "17.4580506962")
        );
        assert_eq!(
            told("1", selector, "20 mg/m³"),
            laxer("489", "17.4580506962")
        );
        assert_eq!(told("28.02", selector, "20 mg/m³"), "");
    }
    assert_eq!(
        told("1", "kind = \"carbon-monoxide\"\n", "17 ppm"),
        "s.toml:5:14: limits[1].molar-mass: a molar mass of 1 g/mol for carbon-monoxide, which has 28.01 g/mol"
    );
}

#[test]
fn an_orange_that_comes_too_late_after_the_designers_red_is_refused() {
    let pack = crate::pack::pack("tailings").expect("a pack").text;
    check_files(
        &[
            ("tailings.toml", pack),
            (
                "site.toml",
                "[[limits]]\nkind = \"phreatic-depth\"\nred = \"6 m\"\norange = \"6.5 m\"\n",
            ),
        ],
        "tailings.toml:47:28: rule[0].low[2].at: `orange` of pond/p1 at 6.5 m is laxer than GB 51108 8.3.4, expected at least 1.1 times `red` at 6 m, or an override of the site with `laxer_than = \"GB 51108 8.3.4\"`\n\
             tailings.toml:47:28: rule[0].low[2].at: `orange` of pond/p2 at 6.5 m is laxer than GB 51108 8.3.4, expected at least 1.1 times `red` at 6 m, or an override of the site with `laxer_than = \"GB 51108 8.3.4\"`",
    );
}
