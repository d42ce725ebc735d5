//! `fengsui check` as a process: what a person sees of wrong files, all of it in one run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::program;
use tempfile::TempDir;

const GATEWAY: &str = r#"[site]
park = "east"
enterprise = "plant-1"
gateway = "gw-1"
[broker]
url = "mqtt://127.0.0.1"
user = "gw-1"
password_file = "password"
[data]
folder = "data"
[[bus]]
file = "hall.toml"
[rules]
packs = ["heat.toml"]
[http]
listen = "127.0.0.1:0"
"#;

const BUS: &str = r#"name = "hall"
[tcp]
host = "127.0.0.1"
[[slave]]
name = "t-1"
unit_id = 1
profile = "./probe.toml"
unit = "hall"
period = "1s"
"#;

const PROBE: &str = r#"name = "probe"
title = "A probe"
source = "made for this test"
[[point]]
name = "temperature"
kind = "temperature"
table = "holding"
address = 0
type = "u16"
eu = "Cel"
"#;

const HEAT: &str = r#"pack = "heat"
version = "1"
[[rule]]
name = "hot"
unverified = "a test"
for = { kind = "temperature" }
high = [{ level = "warn", at = "60 °C", colour = "yellow" }]
text = { zh = "{tag}", en = "{tag}" }
"#;

/// A right site in a folder of its own, some of whose files a test replaces.
struct Papers(TempDir);

/// What a command said and how it ended.
#[derive(Debug, Eq, PartialEq)]
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Papers {
    fn with(files: &[(&str, &str)]) -> Self {
        let papers = Self(tempfile::tempdir().unwrap());
        for (name, text) in [
            ("gateway.toml", GATEWAY),
            ("hall.toml", BUS),
            ("probe.toml", PROBE),
            ("heat.toml", HEAT),
            ("password", "hunter2\n"),
        ] {
            papers.write(name, text);
        }
        papers.chmod("password", 0o600);
        for (name, text) in files {
            papers.write(name, text);
        }
        papers
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn chmod(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program("fengsui");
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn told(&self, arguments: &[&str]) -> Told {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Told {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    fn is_refused(&self, lines: &[&str]) {
        let Told { code, out, err } = self.told(&["check", "gateway.toml"]);
        assert_eq!(out, lines.join("\n") + "\n");
        assert_eq!((code, err.as_str()), (Some(2), ""));
    }
}

/// A right text with some of its words replaced.
#[track_caller]
fn with(text: &str, changes: &[(&str, &str)]) -> String {
    changes
        .iter()
        .fold(text.to_owned(), |text, (right, wrong)| {
            assert!(text.contains(right), "{right}");
            text.replacen(right, wrong, 1)
        })
}

#[test]
fn a_right_site_is_all_right_whatever_an_editor_on_windows_does_to_its_files() {
    let papers = Papers::with(&[]);
    let expected = "east/plant-1, gateway gw-1, broker mqtt://127.0.0.1:1883\n\
        who may act: nobody, [http] names no token\n\
        node   bus   line               slaves  points  requests  sweep  load\n\
        local  hall  tcp 127.0.0.1:502  1       1       1         10 ms  1 %\n\
        1 point, 12 rules, 13 alarms: all right\n";
    let right = |papers: &Papers| {
        let told = papers.told(&["check", "gateway.toml"]);
        assert_eq!((told.out.as_str(), told.code), (expected, Some(0)));
    };
    right(&papers);
    for (name, text) in [
        ("gateway.toml", GATEWAY),
        ("hall.toml", BUS),
        ("probe.toml", PROBE),
        ("heat.toml", HEAT),
    ] {
        papers.write(name, format!("\u{feff}{}", text.replace('\n', "\r\n")));
    }
    right(&papers);
}

#[test]
fn all_problems_of_gateway_buses_devices_and_rules_come_in_one_run() {
    let gateway = with(
        GATEWAY,
        &[
            ("gateway = ", "gatway = "),
            ("\"east\"", "\"East Park\""),
            ("mqtt://", "http://"),
            (
                "listen = \"127.0.0.1:0\"",
                "listen = \"localhost\"\ntoken = \"hunter2\"",
            ),
            (
                "[rules]",
                "[[bus]]\nfile = \"yard.toml\"\n[[node]]\nname = \"Pond\"\nbuses = [\"none.toml\"]\n[influx]\nurl = \"https://h\"\norg = \"\"\nbucket = 3\ntoken_env = \"NOBODY\"\n[rules]",
            ),
            ("[\"heat.toml\"]", "[\"heat.toml\", \"gsa\", \"site.toml\"]"),
        ],
    );
    let hall = with(
        BUS,
        &[
            ("unit_id = 1", "unit_id = 256"),
            ("unit = ", "unti = "),
            ("\"1s\"", "\"1m\""),
        ],
    ) + "points = { temprature = \"t\" }\n";
    let yard = "name = \"yard\"\n[rtu]\npath = \"/dev/ttyS0\"\nbaud = \"fast\"\nparity = \"evne\"\n[[slave]]\nname = \"p-1\"\nunit_id = 1\nprofile = \"gas-oxigen\"\nunit = \"yard\"\nperiod = \"1s\"\n";
    let probe = with(
        PROBE,
        &[
            ("title = ", "titel = "),
            ("\"holding\"", "\"holdings\""),
            ("\"u16\"", "\"u17\""),
            ("address = 0", "address = 65536"),
        ],
    );
    let heat = with(
        HEAT,
        &[
            ("\"warn\"", "\"warn\", on_dely = \"5s\""),
            ("60 °C", "60 °CC"),
            ("\"yellow\"", "\"jellow\""),
            ("en = \"{tag}\"", "en = \"{tga}\""),
        ],
    );
    let site = "[[limits]]\npoint = \"hall\"\nbaseline = 3\n[[override]]\nrule = \"hot\"\nat = \"70 °C\"\n";
    let papers = Papers::with(&[
        ("gateway.toml", &gateway),
        ("hall.toml", &hall),
        ("yard.toml", yard),
        ("probe.toml", &probe),
        ("heat.toml", &heat),
        ("site.toml", site),
    ]);
    papers.is_refused(&[
        "./probe.toml:1:1: title: missing, expected a value",
        "./probe.toml:2:1: titel: unknown key, did you mean `title`?",
        "./probe.toml:7:9: point[0].table: `holdings` is not known, expected one of `coil`, `discrete`, `holding`, `input`, did you mean `holding`?",
        "./probe.toml:8:11: point[0].address: 65536, expected a protocol address from 0 to 65535",
        "./probe.toml:9:8: point[0].type: `u17` is not known, expected one of `bit`, `u16`, `i16`, `u32`, `i32`, `u64`, `i64`, `f32`, `f64`, `bcd16`, `bcd32`, did you mean `u16`?",
        "gateway.toml:1:1: site.gateway: missing, expected a value",
        "gateway.toml:2:8: site.park: `E` in a name, expected a-z or 0-9, then a-z 0-9 . _ -",
        "gateway.toml:4:1: site.gatway: unknown key, did you mean `gateway`?",
        "gateway.toml:6:7: broker.url: no URL of a broker, expected `mqtts://host:8883`, or `mqtt://host:1883` without TLS",
        "gateway.toml:16:8: node[0].name: `P` in a name, expected a-z or 0-9, then a-z 0-9 . _ -",
        "gateway.toml:17:10: node[0].buses[0]: `none.toml` cannot be read: No such file or directory (os error 2)",
        "gateway.toml:19:7: influx.url: https is not there yet: the client library brings an outdated TLS stack; expected `http://…` to a database on this machine or behind a TLS proxy",
        "gateway.toml:20:7: influx.org: empty, expected a name",
        "gateway.toml:21:10: influx.bucket: a number, expected a string",
        "gateway.toml:22:13: influx.token_env: the environment has no `NOBODY`",
        "gateway.toml:24:23: rules.packs[1]: no pack `gsa` comes with the program, did you mean `gas`?",
        "gateway.toml:26:10: http.listen: `localhost` is no address with a port, expected one as `127.0.0.1:9460`",
        "gateway.toml:27:9: http.token: a secret in a file that is copied and logged, expected `token_file` with the file that holds it, or `token_env` with the name of an environment variable",
        "hall.toml:6:11: slave[0].unit_id: 256, expected a whole number from 0 to 255",
        "hall.toml:8:1: slave[0].unti: unknown key, did you mean `unit`?",
        "hall.toml:9:10: slave[0].period: `1m` is no duration, expected a whole number and a unit, as `250ms`, `5s`, `10min` or `24h`",
        "heat.toml:7:27: rule[0].high[0].on_dely: unknown key, did you mean `on_delay`?",
        "heat.toml:7:52: rule[0].high[0].at: `°CC` is no unit, did you mean `°C`?",
        "heat.toml:7:67: rule[0].high[0].colour: `jellow` is not known, expected one of `blue`, `yellow`, `orange`, `red`, did you mean `yellow`?",
        "heat.toml:8:30: rule[0].text.en: `{tga}` is no word of this text, did you mean `{tag}`?",
        "site.toml:2:9: limits[0].point: no point, expected `unit/point`",
        "site.toml:3:12: limits[0].baseline: a number, expected a string",
        "site.toml:4:1: override[0].reason: missing, expected a value",
        "yard.toml:4:8: rtu.baud: a string, expected a whole number from 1200 to 1000000",
        "yard.toml:5:10: rtu.parity: `evne` is not known, expected one of `none`, `even`, `odd`, did you mean `even`?",
        "yard.toml:9:11: slave[0].profile: no profile `gas-oxigen` comes with the program, did you mean `gas-oxygen`?",
        "31 problems",
    ]);
    // A program reads the same, and nothing is started with it.
    let told = papers.told(&["check", "gateway.toml", "--json"]);
    assert_eq!((told.code, told.err.as_str()), (Some(2), ""));
    let report: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["problems"].as_array().unwrap().len(), 31);
    assert_eq!(report["problems"][3]["line"], 8);
    let told = papers.told(&["run", "gateway.toml"]);
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
    assert_eq!(told.err.lines().count(), 31, "{}", told.err);
    assert!(!papers.path("data").exists());
}

#[test]
fn rules_are_held_against_the_points_whatever_else_is_wrong() {
    let gateway = with(
        GATEWAY,
        &[
            ("mqtt://", "http://"),
            ("[\"heat.toml\"]", "[\"heat.toml\", \"more.toml\"]"),
        ],
    );
    let heat = with(
        HEAT,
        &[
            ("60 °C", "60 mg/m³"),
            ("\"yellow\"", "\"yellow\", on_delay = \"5\""),
            ("high", "only_while = \"held(self > 3 °C, 60)\"\nhigh"),
        ],
    );
    let more = r#"pack = "more"
version = "1"
[[rule]]
name = "hot"
unverified = "a test"
for = "site"
when = "'hall/nobody' > 5 °C"
level = "x"
colour = "blue"
text = { zh = "{tag}", en = "{tag}" }
[[rule]]
name = "cold"
for = "site"
when = "'hall/t-2' < 5 °C"
level = "x"
colour = "blue"
text = { zh = "{tag}", en = "{tga}" }
"#;
    Papers::with(&[
        ("gateway.toml", &gateway),
        ("heat.toml", &heat),
        ("more.toml", more),
    ])
    .is_refused(&[
        "gateway.toml:6:7: broker.url: no URL of a broker, expected `mqtts://host:8883`, or `mqtt://host:1883` without TLS",
        "heat.toml:7:33: rule[0].only_while: `held` takes a condition and a time, as `held(unit.fan-running, 60s)`",
        "heat.toml:8:33: rule[0].high[0].at: `60 mg/m³` is in mg/m³, but hall/t-1 (hall.toml:4:1) is in °C",
        "heat.toml:8:74: rule[0].high[0].on_delay: `5` is no duration, expected a whole number and a unit, as `250ms`, `5s`, `10min` or `24h`",
        "more.toml:4:8: rule[0].name: a second rule `hot`, the first is at heat.toml:4:8",
        "more.toml:7:9: rule[0].when: no point hall/nobody in this site",
        "more.toml:11:1: rule[1]: neither `verified` nor `unverified`, expected one, with a note of what the rule's numbers rest on",
        "more.toml:14:9: rule[1].when: no point hall/t-2 in this site, did you mean `'hall/t-1'`?",
        "more.toml:17:30: rule[1].text.en: `{tga}` is no word of this text, did you mean `{tag}`?",
        "9 problems",
    ]);
}

#[test]
fn rules_meet_the_points_that_could_be_read_and_miss_none_of_the_others() {
    let gateway = with(
        GATEWAY,
        &[
            (
                "[rules]",
                "[[bus]]\nfile = \"yard.toml\"\n[[bus]]\nfile = \"none.toml\"\n[rules]",
            ),
            ("[\"heat.toml\"]", "[\"heat.toml\", \"more.toml\"]"),
        ],
    );
    // The second slave of the yard is wrong; the first is right.
    let yard = with(BUS, &[("\"hall\"", "\"yard\""), ("\"hall\"", "\"yard\"")])
        + "[[slave]]\nname = \"t-2\"\nunit_id = 2\nprofile = \"./probe.toml\"\nunit = \"shed\"\nperiod = \"1m\"\n";
    let heat = with(HEAT, &[("60 °C", "60 Pa")]);
    let rule = |name: &str, rest: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nunverified = \"a test\"\ndegrade = \"hold\"\ntext = {{ zh = \"z\", en = \"e\" }}\n{rest}\n"
        )
    };
    let when = |name: &str, scope: &str, when: &str| {
        rule(
            name,
            &format!("for = {scope}\nwhen = \"{when}\"\nlevel = \"x\"\ncolour = \"blue\""),
        )
    };
    let each = "{ unit_with = [\"temperature\"] }";
    let more = [
        "pack = \"more\"\nversion = \"1\"\n".to_owned(),
        // All of these may be about what could not be read.
        when("a", "\"site\"", "'shed/t-2' > 5 °C and 'pit/level' > 3 m"),
        when("b", each, "unit.pressure > 5 Pa"),
        when("c", each, "at_least(3, each(unit.temperature) > 5 °C)"),
        when("d", each, "any(each(unit.pressure) > 5 Pa)"),
        when(
            "e",
            "{ kind = \"temperature\", unit = \"shed\" }",
            "self > 5 °C",
        ),
        // And this is wrong whatever they hold: a device is on one bus.
        when(
            "f",
            "{ kind = \"temperature\", unit = \"hall\" }",
            "device.pressure > 5 Pa",
        ),
    ]
    .concat();
    Papers::with(&[
        ("gateway.toml", &gateway),
        ("yard.toml", &yard),
        ("heat.toml", &heat),
        ("more.toml", &more),
    ])
    .is_refused(&[
        "gateway.toml:16:8: bus[2].file: `none.toml` cannot be read: No such file or directory (os error 2)",
        "heat.toml:7:33: rule[0].high[0].at: `60 Pa` is in Pa, but hall/t-1 (hall.toml:4:1) is in °C",
        "heat.toml:7:33: rule[0].high[0].at: `60 Pa` is in Pa, but yard/t-1 (yard.toml:4:1) is in °C",
        "more.toml:54:9: rule[5].when: device hall/t-1 has no point of kind pressure",
        "yard.toml:15:10: slave[1].period: `1m` is no duration, expected a whole number and a unit, as `250ms`, `5s`, `10min` or `24h`",
        "5 problems",
    ]);
}

#[test]
fn a_rule_file_that_could_not_be_read_makes_no_problems_in_the_others() {
    let site = "[[override]]\nrule = \"hot\"\nreason = \"a test\"\non_delay = \"5s\"\n";
    let limit = with(HEAT, &[("60 °C", "limit.hot")]);
    for (packs, torn, told) in [
        (
            "[\"none.toml\", \"site.toml\"]",
            HEAT,
            "gateway.toml:14:10: rules.packs[0]: `none.toml` cannot be read: No such file or directory (os error 2)",
        ),
        // The rule is there, and too wrong to be read.
        (
            "[\"heat.toml\", \"site.toml\"]",
            &with(HEAT, &[("high", "hihg")]),
            "heat.toml:3:1: rule[0]: expected one condition: `high` and `low` limits, `when` an expression holds, `levels` of such, or `over` other rules with `counts`\n\
             heat.toml:7:1: rule[0].hihg: unknown key, did you mean `high`?",
        ),
        (
            "[\"heat.toml\", \"site.toml\"]",
            &with(HEAT, &[("version = \"1\"", "version = \"1")]),
            "heat.toml:2:13: invalid basic string, expected `\"`",
        ),
        // The limit may be in the file that is not there.
        (
            "[\"heat.toml\", \"none.toml\"]",
            &limit,
            "gateway.toml:14:23: rules.packs[1]: `none.toml` cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        let gateway = with(GATEWAY, &[("[\"heat.toml\"]", packs)]);
        let mut lines: Vec<&str> = told.lines().collect();
        let count = match lines.len() {
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        lines.push(&count);
        Papers::with(&[
            ("gateway.toml", &gateway),
            ("heat.toml", torn),
            ("site.toml", site),
        ])
        .is_refused(&lines);
    }
}

#[test]
fn a_file_that_is_no_text_and_one_that_is_no_file_is_told_where_it_is_named() {
    let gateway = with(
        GATEWAY,
        &[
            (
                "[rules]",
                "[[bus]]\nfile = \"folder\"\n[[bus]]\nfile = \"latin.toml\"\n[rules]",
            ),
            (
                "[\"heat.toml\"]",
                "[\"empty.toml\", \"none.toml\", \"torn.toml\"]",
            ),
        ],
    );
    let torn = with(HEAT, &[("version = \"1\"", "version = \"1")]);
    let papers = Papers::with(&[
        ("gateway.toml", &gateway),
        ("empty.toml", ""),
        ("torn.toml", &torn),
        ("hall.toml", &with(BUS, &[("probe.toml", "latin.toml")])),
    ]);
    papers.write("latin.toml", b"name = \"b\"\ntitle = \"caf\xe9\"\n");
    fs::create_dir(papers.path("folder")).unwrap();
    papers.is_refused(&[
        "empty.toml:1:1: no [[rule]], no [[limits]] and no [[override]], expected at least one",
        "gateway.toml:14:8: bus[1].file: `folder` cannot be read: Is a directory (os error 21)",
        "gateway.toml:16:8: bus[2].file: `latin.toml` cannot be read: no UTF-8 at line 2, column 13, expected a text in UTF-8",
        "gateway.toml:18:24: rules.packs[1]: `none.toml` cannot be read: No such file or directory (os error 2)",
        "hall.toml:7:11: slave[0].profile: `./latin.toml` cannot be read: no UTF-8 at line 2, column 13, expected a text in UTF-8",
        "torn.toml:2:13: invalid basic string, expected `\"`",
        "6 problems",
    ]);

    for (name, lines) in [
        (
            "none",
            "none:1:1: cannot be read: No such file or directory (os error 2)\n1 problem\n",
        ),
        (
            "folder",
            "folder:1:1: cannot be read: Is a directory (os error 21)\n1 problem\n",
        ),
        (
            "latin.toml",
            "latin.toml:1:1: cannot be read: no UTF-8 at line 2, column 13, expected a text in UTF-8\n1 problem\n",
        ),
    ] {
        let told = papers.told(&["check", name]);
        assert_eq!((told.code, told.out.as_str()), (Some(2), lines));
    }
}

#[test]
fn what_is_there_twice_over_several_files_is_told_with_where_the_first_is() {
    let gateway = with(
        GATEWAY,
        &[
            (
                "[rules]",
                "[[bus]]\nfile = \"yard.toml\"\n[[bus]]\nfile = \"again.toml\"\n[[bus]]\nfile = \"hall.toml\"\n[rules]",
            ),
            (
                "[\"heat.toml\"]",
                "[\"heat.toml\", \"more.toml\", \"heat.toml\"]",
            ),
        ],
    );
    Papers::with(&[
        ("gateway.toml", &gateway),
        ("yard.toml", &with(BUS, &[("\"hall\"", "\"yard\"")])),
        ("again.toml", BUS),
        ("more.toml", &with(HEAT, &[("\"heat\"", "\"more\"")])),
    ])
    .is_refused(&[
        "gateway.toml:14:8: bus[1].file: the point `hall/t-1` is on bus `hall` of node `local` too, expected each point once",
        "gateway.toml:16:8: bus[2].file: a second bus `hall` on node `local`, expected each name once on a node",
        "gateway.toml:16:8: bus[2].file: the point `hall/t-1` is on bus `yard` of node `local` too, expected each point once",
        "gateway.toml:18:8: bus[3].file: `hall.toml` is polled by `local` already, expected each bus once",
        "gateway.toml:20:36: rules.packs[2]: `heat.toml` is there twice",
        "more.toml:4:8: rule[0].name: a second rule `hot`, the first is at heat.toml:4:8",
        "6 problems",
    ]);
}

#[test]
fn a_secret_that_is_missing_is_a_problem_and_one_that_everybody_may_read_is_a_warning() {
    let papers = Papers::with(&[]);
    papers.chmod("password", 0o644);
    let told = papers.told(&["check", "gateway.toml"]);
    let warning = "warning: gateway.toml:8:17: broker.password_file: everybody on this computer can use the secret in `password` (mode 0644), expected 0600, or 0640 with a group of its own";
    assert_eq!(
        (told.code, told.out.lines().next()),
        (Some(0), Some(warning))
    );
    papers.chmod("password", 0o640);
    let told = papers.told(&["check", "gateway.toml"]);
    assert_eq!(told.code, Some(0));
    assert!(!told.out.contains("warning") && !told.out.contains("hunter2"));
    fs::remove_file(papers.path("password")).unwrap();
    papers.is_refused(&[
        "gateway.toml:8:17: broker.password_file: `password` cannot be read: No such file or directory (os error 2)",
        "1 problem",
    ]);
}

#[test]
fn rules_are_checked_against_a_site_whatever_else_is_wrong_with_it() {
    let rule = |name: &str, keys: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nunverified = \"a test\"\ntext = {{ zh = \"z\", en = \"e\" }}\n{keys}\n"
        )
    };
    let mine = [
        "pack = \"mine\"\nversion = \"1\"\n".to_owned(),
        rule(
            "mine",
            "for = { kind = \"temperature\" }\nhigh = [{ level = \"warn\", at = \"60 Pa\", colour = \"yellow\", on_dely = \"5s\" }]",
        ),
        rule(
            "shed",
            "for = \"site\"\nwhen = \"'shed/t-2' > 5 °C or 'hall/t-1' > 5\"\nlevel = \"x\"\ncolour = \"blue\"",
        ),
    ]
    .concat();
    let form = "mine.toml:8:60: rule[0].high[0].on_dely: unknown key, did you mean `on_delay`?\n";
    let unit = "mine.toml:8:33: rule[0].high[0].at: `60 Pa` is in Pa, but hall/t-1 (hall.toml:4:1) is in °C\n";
    let nobody = "mine.toml:14:9: rule[1].when: no point shed/t-2 in this site\n";
    let bare = "mine.toml:14:43: rule[1].when: `5` has no unit, but hall/t-1 (hall.toml:4:1) is in °C, expected it as `5 °C`\n";
    let broker = "gateway.toml:6:7: broker.url: no URL of a broker, expected `mqtts://host:8883`, or `mqtt://host:1883` without TLS\n";
    let limit = |file: &str| {
        format!(
            "{file}:7:33: rule[0].high[0].at: no limit `hot` is given for hall/t-1, expected a table of the site: `[[limits]]`, `point = \"hall/t-1\"`, `hot = \"…\"`\n"
        )
    };
    let papers = Papers::with(&[
        ("gateway.toml", &with(GATEWAY, &[("mqtt://", "http://")])),
        ("heat.toml", &with(HEAT, &[("60 °C", "limit.hot")])),
        ("mine.toml", &mine),
    ]);
    let is_told = |rules: &[&str], lines: &[&str]| {
        let words = [&["rules", "check"], rules, &["--site", "gateway.toml"]];
        let told = papers.told(&words.concat());
        let expected = (Some(2), lines.concat(), String::new());
        assert_eq!((told.code, told.out, told.err), expected);
    };
    // Its own rules and its broker are wrong: its points are known all the same.
    is_told(
        &["mine.toml"],
        &[broker, &limit("heat.toml"), unit, form, nobody, bare],
    );
    // What is wrong in a file of both is told once, however it is called.
    is_told(&["./heat.toml"], &[&limit("./heat.toml"), broker]);
    // What could be on a bus that is wrong, or in a file that is not there, is not missing.
    let yard = with(BUS, &[("\"hall\"", "\"yard\""), ("\"1s\"", "\"1m\"")]);
    papers.write("yard.toml", yard);
    let gateway = with(
        GATEWAY,
        &[("[rules]", "[[bus]]\nfile = \"yard.toml\"\n[rules]")],
    );
    papers.write("gateway.toml", gateway);
    papers.write("heat.toml", HEAT);
    let period = "yard.toml:9:10: slave[0].period: `1m` is no duration, expected a whole number and a unit, as `250ms`, `5s`, `10min` or `24h`\n";
    is_told(&["mine.toml"], &[unit, form, bare, period]);
    papers.write("gateway.toml", GATEWAY);
    papers.write(
        "site.toml",
        "[[override]]\nrule = \"hot\"\nreason = \"a test\"\non_delay = \"5s\"\n",
    );
    let none = "none.toml:1:1: cannot be read: No such file or directory (os error 2)\n";
    is_told(&["site.toml", "none.toml"], &[none]);
    // No site at all.
    papers.write("gateway.toml", "[site");
    let torn = "gateway.toml:1:6: unclosed table, expected `]`\n";
    is_told(&["heat.toml"], &[torn]);
}
