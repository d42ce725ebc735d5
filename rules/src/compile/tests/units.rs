//! Numbers of two units are never compared, and both sides are told.

use super::wrong::{GAS, check, check_files};
use super::*;

#[test]
fn a_unit_that_does_not_fit_the_point_is_told_with_both_sides() {
    check(
        &std::format!("{GAS}high = [{{ level = \"L1\", at = \"20 mg/m³\", colour = \"yellow\" }}]"),
        "r.toml:6:31: rule[0].high[0].at: `20 mg/m³` is in mg/m³, but tank/gt-01 is in %LEL\n\
             r.toml:6:31: rule[0].high[0].at: `20 mg/m³` is in mg/m³, but tank/gt-02 is in %LEL",
    );
    check(
        "name = \"co\"\nfor = { kind = \"carbon-monoxide\" }\nhigh = [{ level = \"L1\", at = \"20 mg/m³\", colour = \"yellow\" }]",
        "r.toml:6:31: rule[0].high[0].at: `20 mg/m³` is in mg/m³, but tank/co-01 is in ppm; between them lies a molar volume: give `molar-volume = \"24.45 L/mol\"` (25 °C) in a `[[limits]]` of the site, or the limit in the point's own unit",
    );
}

#[test]
fn a_limit_without_a_unit_is_told_which_one_is_wanted() {
    check(
        &std::format!(
            "{GAS}high = [{{ level = \"L1\", at = \"25\", colour = \"yellow\", deadband = \"3\" }}]"
        ),
        "r.toml:6:31: rule[0].high[0].at: `25` has no unit, but tank/gt-01 is in %LEL, expected it as `25 %LEL`\n\
             r.toml:6:31: rule[0].high[0].at: `25` has no unit, but tank/gt-02 is in %LEL, expected it as `25 %LEL`",
    );
}

#[test]
fn numbers_of_two_units_are_never_compared_and_both_places_are_told() {
    let mut points = points(&[
        "u/gas combustible-gas %LEL",
        "u/co carbon-monoxide ppm",
        "u/h2s hydrogen-sulfide mg/m³",
        "u/t temperature Cel",
        "u/k temp-k K",
        "u/level level m",
        "u/gauge gauge mm",
        "u/n parts",
        "u/fan fan-running on/off",
    ]);
    for (point, line) in points.iter_mut().zip(1..) {
        point.declared = Some(std::format!("b.toml:{line}:1"));
    }
    let more = "[[limits]]\nunit = \"u\"\nhot = \"60 °C\"\nbare = \"60\"\n[[derived]]\nname = \"t\"\nvalue = \"unit.temperature\"\n[[derived]]\nname = \"most\"\nvalue = \"max(derived.t, 3 °C)\"";
    let molar = "; between them lies a molar volume: give `molar-volume = \"24.45 L/mol\"` (25 °C) in a `[[limits]]` of the site, or the limit in the point's own unit";
    let kelvin = "; rules know no unit `K`: it is compared with points in K only, so have it read in one that they know";
    let silent = "; two points are never converted in silence: have both read in one unit";
    for (when, told) in [
        ("self > 3 mg/m³", "`3 mg/m³` is in mg/m³, but u/gas (b.toml:1:1) is in %LEL".to_string()),
        ("mean(self, 1h) > 3 mg/m³", "`3 mg/m³` is in mg/m³, but `mean(…)` of u/gas (b.toml:1:1) is in %LEL".into()),
        ("abs(-self) > unit.temperature", "u/t (b.toml:4:1) is in °C, but `abs(…)` of -u/gas (b.toml:1:1) is in %LEL".into()),
        ("max(0, self, 3 %LEL) > 3 ppm", "`3 ppm` is in ppm, but `max(…)` of u/gas (b.toml:1:1) is in %LEL".into()),
        ("min(self, unit.temperature) > 3 %LEL", "u/t (b.toml:4:1) is in °C, but u/gas (b.toml:1:1) is in %LEL".into()),
        ("self > sum(unit.temperature, 1h)", "`sum(…)` of u/t (b.toml:4:1) is in °C, but u/gas (b.toml:1:1) is in %LEL".into()),
        ("self > change(unit.temperature, 1h)", "`change(…)` of u/t (b.toml:4:1) is in °C, but u/gas (b.toml:1:1) is in %LEL".into()),
        ("self > limit.hot", "`limit.hot` (`60 °C` at r.toml:13:7) is in °C, but u/gas (b.toml:1:1) is in %LEL".into()),
        ("self > limit.bare", "`limit.bare` (`60` at r.toml:14:8) has no unit, but u/gas (b.toml:1:1) is in %LEL, expected it as `60 %LEL`".into()),
        ("self > derived.t", "`derived.t` (r.toml:17:9) of u/t (b.toml:4:1) is in °C, but u/gas (b.toml:1:1) is in %LEL".into()),
        ("self > derived.most", "`derived.most` (r.toml:20:9) of `max(…)` of `derived.t` (r.toml:17:9) of u/t (b.toml:4:1) is in °C, but u/gas (b.toml:1:1) is in %LEL".into()),
        ("count(unit.fan-running, 1h) > 3 s", "`3 s` is in s, but `count(…)` is a bare number".into()),
        ("since(unit.fan-running) > 3", "`3` has no unit, but `since(…)` is in s, expected it as `3 s`".into()),
        ("since(unit.fan-running) > unit.level", "u/level (b.toml:6:1) is in m, but `since(…)` is in s".into()),
        ("unit.parts > self", "u/gas (b.toml:1:1) is in %LEL, but u/n (b.toml:8:1) is a bare number".into()),
        ("unit.level > unit.gauge", std::format!("u/gauge (b.toml:7:1) is in mm, but u/level (b.toml:6:1) is in m{silent}")),
        ("unit.level / unit.gauge > 1", std::format!("u/gauge (b.toml:7:1) is in mm, but u/level (b.toml:6:1) is in m{silent}")),
        ("unit.carbon-monoxide > unit.hydrogen-sulfide", std::format!("u/h2s (b.toml:3:1) is in mg/m³, but u/co (b.toml:2:1) is in ppm{molar}")),
        ("unit.carbon-monoxide > 3 mg/m³", std::format!("`3 mg/m³` is in mg/m³, but u/co (b.toml:2:1) is in ppm{molar}")),
        ("convert(unit.carbon-monoxide, 'mg/m³') > 3 mg/m³", std::format!("u/co (b.toml:2:1) is in ppm, but `'mg/m³'` is in mg/m³{molar}")),
        ("convert(self, 'mg/m³') > 3 mg/m³", "u/gas (b.toml:1:1) is in %LEL, but `'mg/m³'` is in mg/m³".into()),
        ("unit.temp-k > 60 °C", std::format!("`60 °C` is in °C, but u/k (b.toml:5:1) is in K{kelvin}")),
        ("unit.temp-k > 300", std::format!("`300` is a bare number, but u/k (b.toml:5:1) is in K{kelvin}")),
        ("unit.temperature - unit.temp-k > 3 °C", std::format!("u/k (b.toml:5:1) is in K, but u/t (b.toml:4:1) is in °C{kelvin}")),
        ("unit.temperature > 3 K", "`K` is no unit, temperatures and their differences are in `°C`".into()),
        ("same(2, self, unit.temperature)", "u/gas (b.toml:1:1) and u/t (b.toml:4:1) are in different units, expected one".into()),
    ] {
        let text = std::format!("name = \"x\"\nfor = {{ kind = \"combustible-gas\" }}\nwhen = \"{when}\"\nlevel = \"x\"\ncolour = \"blue\"");
        let file = rule(&text).text().to_string() + more;
        let (_, problems, _) = compile_for(&points, &[Source::new("r.toml", file)]);
        let found = problems.split_once("rule[0].when: ").map(|(_, what)| what);
        assert_eq!(found, Some(told.as_str()), "{when}: {problems}");
    }
}

#[test]
fn a_molar_volume_in_another_unit_is_told() {
    check_files(
        &[(
            "site.toml",
            "[[limits]]\nmolar-volume = \"24.45\"\n[[limits]]\nkind = \"carbon-monoxide\"\nmolar-mass = \"28 g/m³\"\n",
        )],
        "site.toml:2:16: limits[0].molar-volume: 24.45 is a bare number, expected it in L/mol\n\
         site.toml:5:14: limits[1].molar-mass: 28 is in g/m³, expected it in g/mol",
    );
}
