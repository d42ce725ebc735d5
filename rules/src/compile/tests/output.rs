//! Outputs: a rule asks for a kind, the site names the output and the rules that may have it.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use front::Source;

use super::{compile_for, points, rule};
use crate::point::PointInfo;
use crate::program::{OutputClass, Program};

/// Two tanks with a detector each, and the relays of the first one.
fn plant() -> Vec<PointInfo> {
    let mut points = points(&[
        "tank/gt-01 combustible-gas %LEL",
        "tank/ox-01 oxygen %VOL",
        "yard/gt-02 combustible-gas %LEL",
        "tank/siren siren on/off",
        "tank/fan fan on/off",
        "tank/fan-running fan-running on/off",
    ]);
    for point in &mut points {
        point.output = matches!(point.point.as_str(), "siren" | "fan");
    }
    points
}

/// A rule whose second level asks for a siren, and whose first one asks for a fan.
fn gas() -> Source {
    rule(
        r#"name = "gas"
for = { kind = "combustible-gas" }
high = [
  { level = "L1", at = "25 %LEL", colour = "yellow", actions = ["fan"] },
  { level = "L2", at = "50 %LEL", colour = "orange", actions = ["siren"] },
]"#,
    )
}

fn site(text: &str) -> Source {
    Source::new(
        "s.toml",
        format!("[[output]]\n{text}\nreason = \"a test\"\n"),
    )
}

fn compiled(files: &[Source]) -> Program {
    let (program, problems, warnings) = compile_for(&plant(), files);
    assert_eq!((problems.as_str(), warnings.as_str()), ("", ""));
    program.expect("no problem")
}

/// `output: alarm levels …`, levels as bits.
fn shown(program: &Program) -> Vec<String> {
    let outputs = program.outputs().iter();
    outputs
        .map(|output| {
            let point = program.point(output.point);
            let actions = output.actions.iter().map(|action| {
                let id = program.id_of(action.alarm).to_string();
                format!(" {id} {:02b}", action.levels)
            });
            format!("{}:{}", point.point, actions.collect::<String>())
        })
        .collect()
}

#[track_caller]
fn told(files: &[Source], expected: &[&str]) {
    let (program, problems, warnings) = compile_for(&plant(), files);
    assert!(program.is_none() != problems.is_empty());
    let all: Vec<&str> = problems.lines().chain(warnings.lines()).collect();
    assert_eq!(all, expected);
}

#[test]
fn an_alarm_switches_what_its_level_and_the_milder_ones_ask_for_and_the_site_allows() {
    let siren = "point = \"tank/siren\"\nrules = [\"gas\"]\nclass = \"audible\"\nmin_on = \"30s\"";
    let fan = "point = \"tank/fan\"\nrules = [\"gas\"]\nclass = \"linkage\"\nfeedback = \"tank/fan-running\"\nwithin = \"5s\"";
    let program = compiled(&[gas(), site(siren), site(fan)]);
    assert_eq!(
        shown(&program),
        ["siren: tank/gt-01/gas 10", "fan: tank/gt-01/gas 11"]
    );
    let [siren, fan] = program.outputs() else {
        panic!("two outputs");
    };
    assert_eq!(
        (siren.class, siren.min_on_ms),
        (OutputClass::Audible, 30_000)
    );
    assert_eq!((siren.feedback, siren.within_ms), (None, 10_000));
    assert_eq!(fan.feedback, program.find_point("tank", "fan-running"));
    assert_eq!(fan.within_ms, 5_000);
    let linkage = program.id_of(fan.linkage).to_string();
    assert_eq!(linkage, "tank/fan/sys.linkage");
}

#[test]
fn what_the_site_does_not_allow_switches_nothing() {
    assert!(compiled(&[gas()]).outputs().is_empty());
}

#[test]
fn alarms_of_other_units_switch_an_output_where_the_site_names_them() {
    let siren =
        "point = \"tank/siren\"\nrules = [\"gas\"]\nunits = [\"yard\"]\nclass = \"audible\"";
    assert_eq!(
        shown(&compiled(&[gas(), site(siren)])),
        ["siren: tank/gt-01/gas 10 yard/gt-02/gas 10"]
    );
}

#[test]
fn each_side_of_a_rule_asks_for_its_own() {
    let oxygen = rule(
        r#"name = "oxygen"
for = { kind = "oxygen" }
high = [{ level = "rich", at = "23.5 %VOL", colour = "yellow" }]
low = [{ level = "lean", at = "19.5 %VOL", colour = "orange", actions = ["fan"] }]"#,
    );
    let fan = "point = \"tank/fan\"\nrules = [\"oxygen\"]\nclass = \"linkage\"";
    assert_eq!(
        shown(&compiled(&[oxygen, site(fan)])),
        ["fan: tank/ox-01/oxygen 10"]
    );
}

#[test]
fn an_output_that_cannot_be_switched_is_told_with_what_there_is() {
    let output = |point: &str, rules: &str| {
        site(&format!(
            "point = \"{point}\"\nrules = [\"{rules}\"]\nclass = \"audible\""
        ))
    };
    told(
        &[gas(), output("tank/sirn", "gas")],
        &[
            "s.toml:2:9: output[0].point: no point tank/sirn in this site, did you mean `tank/siren`?",
        ],
    );
    told(
        &[gas(), output("tank/gt-01", "gas")],
        &[
            "s.toml:2:9: output[0].point: tank/gt-01 is no output, expected `fail_safe` beside it in its bus file",
            "s.toml:3:10: output[0].rules[0]: `gas` asks for no output of kind `combustible-gas`: it asks for `fan`, `siren`",
        ],
    );
    told(
        &[gas(), output("tank/siren", "gass")],
        &["s.toml:3:10: output[0].rules[0]: no rule `gass` in these files, did you mean `gas`?"],
    );
    let silent = rule(
        "name = \"quiet\"\nfor = { kind = \"combustible-gas\" }\nwhen = \"self > 5 %LEL\"\nlevel = \"L1\"\ncolour = \"blue\"",
    );
    told(
        &[silent, output("tank/siren", "quiet")],
        &[
            "s.toml:3:10: output[0].rules[0]: `quiet` asks for no output of kind `siren`: it asks for no output at all",
            "r.toml:4:8: rule[0].name: `quiet` watches tank/gt-01, yard/gt-02, and no rule has the limits of GB/T 50493-2019 5.5.2 for it",
        ],
    );
    let twice = output("tank/siren", "gas");
    told(
        &[gas(), twice.clone(), twice],
        &["s.toml:2:9: output[0].point: a second time, the first is at s.toml:2:9"],
    );
}

#[test]
fn a_proof_is_a_switch_and_units_are_there() {
    let siren = "point = \"tank/siren\"\nrules = [\"gas\"]\nunits = [\"yrad\"]\nclass = \"audible\"\nfeedback = \"tank/gt-01\"";
    told(
        &[gas(), site(siren)],
        &[
            "s.toml:4:10: output[0].units[0]: no unit yrad in this site, did you mean `yard`?",
            "s.toml:6:12: output[0].feedback: tank/gt-01 is a number, expected a switch",
        ],
    );
}

#[test]
fn a_rule_without_an_alarm_in_reach_is_warned_of() {
    let oxygen = rule(
        r#"name = "yard-gas"
for = { kind = "combustible-gas", unit = "yard" }
when = "self > 5 %LEL"
level = "L1"
colour = "blue"
actions = ["siren"]"#,
    );
    let siren = "point = \"tank/siren\"\nrules = [\"yard-gas\"]\nclass = \"audible\"";
    told(
        &[oxygen, site(siren)],
        &[
            "r.toml:4:8: rule[0].name: `yard-gas` watches yard/gt-02, and no rule has the limits of GB/T 50493-2019 5.5.2 for it",
            "s.toml:3:10: output[0].rules[0]: `yard-gas` has no alarm in unit tank, expected `units` beside it with those that have",
        ],
    );
}

#[test]
fn a_pack_asks_and_only_the_site_allows_and_says_why() {
    let pack = Source::new(
        "p.toml",
        "pack = \"p\"\nversion = \"1\"\n[[output]]\npoint = \"tank/siren\"\nrules = [\"gas\"]\nclass = \"audible\"\n",
    );
    told(
        &[gas(), pack],
        &[
            "p.toml:3:1: output: in a pack, which asks and allows nothing, expected it in a file of the site without `pack` and rules",
            "p.toml:3:1: output[0].reason: missing, expected a value",
        ],
    );
}
