//! The command line as people and scripts meet it: help, usage, streams, exit codes, for every command that there is.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rules::effect::AlarmIdx;
use rules::image::Image;
use serde_json::Value;
use support::{Mosquitto, Process, free_port, program};
use tempfile::TempDir;

use crate::plant::{PATIENCE, Plant, TOKEN, hot};

/// Every command that does something; a new one has to be put here, and held to the same.
const COMMANDS: [&str; 25] = [
    "fengsui alarms",
    "fengsui alarms ack",
    "fengsui alarms comment",
    "fengsui alarms in-service",
    "fengsui alarms list",
    "fengsui alarms out-of-service",
    "fengsui alarms reset",
    "fengsui alarms shelve",
    "fengsui alarms silence",
    "fengsui alarms test",
    "fengsui alarms test-end",
    "fengsui alarms unshelve",
    "fengsui bus read",
    "fengsui check",
    "fengsui demo",
    "fengsui rules check",
    "fengsui rules explain",
    "fengsui rules image",
    "fengsui rules list",
    "fengsui rules replay",
    "fengsui rules test",
    "fengsui run",
    "fengsui status",
    "fengsui watch",
    "fengsui-node",
];

/// What a command said and how it ended.
#[derive(Debug, Eq, PartialEq)]
struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Told {
    /// The one answer on stdout, for programs.
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.err, "");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// It ended so, said nothing on stdout, and this on stderr.
    #[track_caller]
    fn is_no_result(&self, code: i32, text: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        assert!(self.err.contains(text), "{}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        assert!(!self.err.contains(TOKEN), "{}", self.err);
    }
}

/// A command by its words, as `fengsui bus read`.
fn command(words: &str) -> Command {
    let mut words = words.split(' ');
    let mut command = program(words.next().unwrap());
    command
        .args(words)
        .env_remove("FENGSUI_TOKEN")
        .env_remove("FENGSUI_PASSWORD");
    command
}

fn told(command: &mut Command) -> Told {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let told = Told {
        code: output.status.code().expect("no signal"),
        out: text(output.stdout),
        err: text(output.stderr),
    };
    // Nobody here is a terminal.
    for stream in [&told.out, &told.err] {
        assert!(!stream.contains('\x1b'), "{stream}");
    }
    told
}

/// The commands under one, as its help lists them.
fn found_under(words: &str, found: &mut Vec<String>) {
    let help = told(command(words).arg("--help"));
    let list = help.out.split_once("\nCommands:\n").map(|(_, list)| list);
    let names = list.unwrap_or_default().lines();
    let names: Vec<&str> = names
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    let does_something = names.is_empty() || help.out.contains("\nExample");
    if does_something && words != "fengsui" {
        found.push(words.to_owned());
    }
    for name in names {
        found_under(&format!("{words} {name}"), found);
    }
}

#[test]
fn every_command_tells_how_it_is_called_with_an_example_whose_files_are_there() {
    let mut found = Vec::new();
    found_under("fengsui", &mut found);
    found_under("fengsui-node", &mut found);
    found.sort();
    assert_eq!(found, COMMANDS);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for words in COMMANDS {
        let help = told(command(words).arg("--help"));
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{words}");
        assert!(
            help.out.contains(&format!("\nUsage: {words}")),
            "{}",
            help.out
        );
        let (_, examples) = help.out.split_once("\nExample").expect(words);
        assert!(examples.contains(words), "{examples}");
        let files = examples.split_whitespace();
        for file in files.filter(|it| it.starts_with("configs/") || it.starts_with("rules/")) {
            assert!(root.join(file).is_file(), "{file}");
        }
        // What a program may read is there as JSON.
        assert!(help.out.contains("--json"), "{}", help.out);
    }
}

#[test]
fn wrong_usage_is_2_and_says_on_stderr_what_is_wrong() {
    for words in COMMANDS {
        let wrong = told(command(words).arg("--nonsense"));
        wrong.is_no_result(2, "'--nonsense'");
        assert!(wrong.err.contains("try '--help'"), "{}", wrong.err);
    }
    for (words, missing) in [
        ("fengsui", "Usage: fengsui"),
        ("fengsui bus", "Usage: fengsui bus"),
        ("fengsui rules", "Usage: fengsui rules"),
        ("fengsui run", "<CONFIG>"),
        ("fengsui check", "<CONFIG>"),
        ("fengsui-node", "<CONFIG>"),
        ("fengsui bus read", "<BUS>"),
        ("fengsui rules check", "<RULES>"),
        ("fengsui watch mqtt://127.0.0.1", "--park"),
        ("fengsui alarms ack", "<ALARM>"),
        ("fengsui alarms shelve a/b/c --for 2h", "--comment"),
        ("fengsui alarms resett", "'reset'"),
        ("fengsui stauts", "'status'"),
        ("fengsui demo --listen here", "'here'"),
        (
            "fengsui status --gateway gw:9460",
            "expected http://HOST:PORT",
        ),
        (
            "fengsui alarms --gateway https://gw",
            "expected http://HOST:PORT",
        ),
        ("fengsui watch gw --park p", "expected `mqtts://host:8883`"),
        ("fengsui watch mqtt://h --park p --for 5", "no duration"),
    ] {
        told(&mut command(words)).is_no_result(2, missing);
    }
}

/// A site whose one bus has nobody on it and whose broker is in the same process.
struct Papers(TempDir);

impl Papers {
    fn new() -> Self {
        let papers = Self(tempfile::tempdir().unwrap());
        papers.write(
            "gateway.toml",
            "[site]\npark = \"east\"\nenterprise = \"plant-1\"\ngateway = \"gw-1\"\n\
             [broker]\nembedded = \"127.0.0.1:0\"\n\
             [data]\nfolder = \"data\"\n\
             [[bus]]\nfile = \"hall.toml\"\n\
             [rules]\npacks = [\"gas\"]\n\
             [http]\nlisten = \"127.0.0.1:0\"\n",
        );
        papers.write(
            "node.toml",
            &format!(
                "park = \"east\"\nenterprise = \"plant-1\"\nnode = \"n-1\"\nbuses = [\"hall.toml\"]\nfolder = \"node\"\n\
                 [broker]\nurl = \"mqtt://127.0.0.1:{}\"\n",
                free_port()
            ),
        );
        papers.write(
            "hall.toml",
            &format!(
                "name = \"hall\"\n[tcp]\nhost = \"127.0.0.1\"\nport = {}\n\
                 [[slave]]\nname = \"gt-1\"\nunit_id = 1\nprofile = \"gas-combustible\"\nunit = \"hall\"\nperiod = \"1s\"\n",
                free_port()
            ),
        );
        papers
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Makes a file of another one, with some words replaced.
    fn rewrite(&self, from: &str, to: &str, before: &str, after: &str) {
        let text = fs::read_to_string(self.path(from)).unwrap();
        assert!(text.contains(before), "{before}");
        self.write(to, &text.replace(before, after));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn told(&self, words: &str) -> Told {
        told(command(words).current_dir(self.0.path()))
    }
}

#[test]
fn what_can_not_be_reached_is_3_and_says_what_it_was() {
    let papers = Papers::new();
    let away = format!("http://127.0.0.1:{}", free_port());
    for words in ["status", "status --json", "alarms", "alarms list --json"] {
        let words = format!("fengsui {words} --gateway {away}");
        told(&mut command(&words)).is_no_result(3, &format!("no gateway answers at {away}"));
    }
    for verb in ["ack", "reset"] {
        // Where the gateway is may be said before the verb, too.
        for words in [
            format!("fengsui alarms {verb} a/b/c --by li --json --gateway {away}"),
            format!("fengsui alarms --json --gateway {away} {verb} a/b/c --by li"),
        ] {
            told(command(&words).env("FENGSUI_TOKEN", TOKEN))
                .is_no_result(3, &format!("no gateway answers at {away}"));
        }
    }
    // That of `watch` is in `watch.rs`: it waits 15 s before it gives up.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    papers.rewrite(
        "gateway.toml",
        "api.toml",
        "listen = \"127.0.0.1:0\"",
        &format!("listen = \"{port}\""),
    );
    papers.told("fengsui run api.toml").is_no_result(3, &port);
    papers.rewrite(
        "gateway.toml",
        "broker.toml",
        "embedded = \"127.0.0.1:0\"",
        &format!("embedded = \"{port}\""),
    );
    papers
        .told("fengsui run broker.toml")
        .is_no_result(3, &port);
    papers
        .told(&format!("fengsui demo --once --listen {port}"))
        .is_no_result(3, &port);
    // A file where the data folder should be.
    papers.write("file", "");
    papers.rewrite("gateway.toml", "disk.toml", "\"data\"", "\"file/data\"");
    papers
        .told("fengsui run disk.toml")
        .is_no_result(3, "file/data");
    papers.rewrite("node.toml", "disk.toml", "\"node\"", "\"file/node\"");
    papers
        .told("fengsui-node disk.toml")
        .is_no_result(3, "Not a directory");
}

#[test]
fn a_bus_that_nobody_can_open_is_3_with_the_reason_beside_the_readings_that_are_none() {
    let papers = Papers::new();
    let serial = "[rtu]\npath = \"/dev/serial/by-id/nobody\"";
    let tcp = fs::read_to_string(papers.path("hall.toml")).unwrap();
    let (head, rest) = tcp.split_once("[tcp]").unwrap();
    let (_, slaves) = rest.split_once("[[slave]]").unwrap();
    papers.write("serial.toml", &format!("{head}{serial}\n[[slave]]{slaves}"));
    for (file, why) in [
        ("hall.toml", "Connection refused"),
        ("serial.toml", "/dev/serial/by-id/nobody: "),
    ] {
        let read = papers.told(&format!("fengsui bus read {file} --json"));
        assert_eq!(read.code, 3, "{}", read.err);
        assert!(read.err.contains(why), "{}", read.err);
        let reading: Value = serde_json::from_str(&read.out).unwrap();
        assert_eq!(reading["quality"], "comm-error");
    }
}

#[test]
fn files_are_answered_in_json_where_a_program_reads_them() {
    let papers = Papers::new();
    papers.rewrite("gateway.toml", "wrong.toml", "\"gas\"", "\"gsa\"");
    papers.write("rules.toml", "pack = \"p\"\nversion = \"1\"\n[[rule]]\n");
    for (words, code) in [
        ("fengsui check gateway.toml --json", 0),
        ("fengsui check wrong.toml --json", 2),
        ("fengsui check nobody.toml --json", 2),
        ("fengsui rules check gas --json", 0),
        ("fengsui rules check rules.toml --json", 2),
        ("fengsui rules test gas --json", 0),
        ("fengsui rules test nobody.toml --json", 2),
    ] {
        let answer = papers.told(words);
        assert_eq!(answer.code, code, "{words}: {}", answer.out);
        let answer = answer.json();
        assert_eq!(answer["ok"], code == 0, "{words}");
        let problems = answer["problems"].as_array().unwrap();
        assert_eq!(problems.is_empty(), code == 0, "{words}");
    }
    // Who starts nothing has no result; what is wrong is on stderr.
    let problem = "wrong.toml:12:10: rules.packs[0]: no pack `gsa` comes with the program, did you mean `gas`?";
    papers
        .told("fengsui run wrong.toml")
        .is_no_result(2, problem);
    papers.rewrite("node.toml", "wrong.toml", "hall.toml", "hal.toml");
    papers
        .told("fengsui-node wrong.toml")
        .is_no_result(2, "hal.toml:1:1: cannot be read");
    papers
        .told("fengsui bus read hal.toml")
        .is_no_result(2, "hal.toml:1:1: cannot be read");
}

/// Asks a process to end, as a person (`INT`) or a service manager (`TERM`) does, and waits.
fn ends_on(mut process: Process, signal: &str) -> (Option<i32>, String) {
    let id = process.id().to_string();
    let sent = Command::new("kill")
        .args([&format!("-{signal}"), &id])
        .status();
    assert!(sent.unwrap().success());
    let code = process.wait();
    (code, process.said())
}

#[test]
fn gateway_and_node_end_well_when_they_are_asked_to_and_say_everything_on_stderr() {
    let papers = Papers::new();
    for signal in ["INT", "TERM"] {
        for (words, ready) in [
            ("fengsui run gateway.toml --json", "running"),
            ("fengsui run gateway.toml", "running"),
            ("fengsui-node node.toml --json", "no connection"),
            ("fengsui-node node.toml", "no connection"),
        ] {
            // Its stdout is nobody's: what is heard is stderr.
            let line = format!(
                "exec \"$0\" {} >/dev/full",
                words.split_once(' ').unwrap().1
            );
            let named = command(words.split(' ').next().unwrap());
            let mut shell = Command::new("sh");
            let shell = shell.args(["-c", &line]).arg(named.get_program());
            let process = Process::start(shell.current_dir(papers.0.path()).env_remove("RUST_LOG"));
            process.line_with(ready, PATIENCE);
            let (code, said) = ends_on(process, signal);
            assert_eq!(code, Some(0), "{words}: {said}");
            assert!(!said.contains('\x1b'), "{said}");
            if words.ends_with("--json") {
                for line in said.lines() {
                    let object: Value = serde_json::from_str(line).expect(line);
                    assert!(object["level"].is_string(), "{line}");
                }
            }
        }
    }
}

#[test]
fn rules_list_tells_what_watches_what_and_what_nobody_watches_without_any_secret() {
    let list = |words: &str| {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gateway.toml");
        told(command(format!("fengsui rules list {words}").trim()).arg(config))
    };
    let table = list("");
    assert_eq!((table.code, table.err.as_str()), (0, ""));
    let row = |id: &str| {
        let mut rows = table.out.lines().filter(|line| line.starts_with(id));
        rows.next()
            .unwrap_or_else(|| panic!("{}", table.out))
            .to_owned()
    };
    let gas = row("tank-farm-1/gt-101/combustible-gas ");
    assert!(gas.contains("L1 ≥ 25, L2 ≥ 50 %LEL"), "{gas}");
    assert!(gas.ends_with("GB/T 50493-2019 5.5.2"), "{gas}");
    // A gate is read too, and counted alarms.
    assert!(row("dust-collector-1/filter-dp/filter-dp ").contains("dust-collector-1/fan-running"));
    assert!(row("pond-1/-/phreatic-item ").contains("pond-1/pz-4/phreatic-depth"));
    let unwatched = row("4 points that no rule reads: ");
    assert!(unwatched.contains("wm-1/voltage"), "{unwatched}");
    assert!(!table.out.contains("/sys."), "{}", table.out);
    let siren = row("tank-farm-1/siren ");
    assert!(siren.contains("audible"), "{siren}");
    assert!(siren.ends_with("tank-farm-1/gt-101/combustible-gas L1 L2, tank-farm-1/gt-102/combustible-gas L1 L2, tank-farm-1/gt-201/toxic-gas L1 L2"), "{siren}");
    let fan = row("tank-farm-1/fan ");
    assert!(fan.contains("tank-farm-1/fan-running within 10 s"), "{fan}");

    let json = list("--json").json();
    let alarm = json["alarms"].as_array().unwrap().iter();
    let alarm = alarm
        .clone()
        .find(|it| it["id"] == "pump-house/ot-301/oxygen");
    let alarm = alarm.expect("the oxygen alarm");
    assert_eq!(alarm["levels"][1]["at_or_below"], 19.5);
    let advice = alarm["advice"]["en"].as_str().unwrap();
    assert!(
        advice.starts_with("Nobody enters where it is lean"),
        "{advice}"
    );
    assert_eq!(alarm["levels"][1]["on_delay_ms"], 5_000);
    assert_eq!(alarm["points"], serde_json::json!(["pump-house/ot-301"]));
    assert_eq!(json["unwatched"].as_array().map(Vec::len), Some(4));
    list("nowhere.toml --json").is_no_result(2, "unexpected argument");
}

#[test]
fn rules_check_with_a_site_holds_rules_against_its_points_instead_of_its_own() {
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gateway.toml");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ours.toml");
    let rule = |at: &str| {
        format!(
            "pack = \"ours\"\nversion = \"1\"\n[[rule]]\nname = \"ours\"\nunverified = \"a test\"\nfor = {{ kind = \"combustible-gas\" }}\nhigh = [{{ level = \"L1\", at = \"{at}\", colour = \"yellow\" }}]\ntext = {{ zh = \"气\", en = \"gas\" }}\n[[rule]]\nname = \"none\"\nunverified = \"a test\"\nfor = {{ kind = \"combustible-gsa\" }}\nhigh = [{{ level = \"L1\", at = \"1 %LEL\", colour = \"yellow\" }}]\ntext = {{ zh = \"气\", en = \"gas\" }}\n"
        )
    };
    let check = |at: &str, words: &str| {
        fs::write(&file, rule(at)).unwrap();
        let mut command = command(format!("fengsui rules check {words}").trim());
        told(command.arg("--site").arg(&site).arg(&file))
    };
    let fits = check("20 %LEL", "");
    assert_eq!((fits.code, fits.err.as_str()), (0, ""), "{}", fits.out);
    assert!(
        fits.out.contains(": `none` is for no point of this site"),
        "{}",
        fits.out
    );
    assert!(fits.out.ends_with("2 rules: all right\n"), "{}", fits.out);
    // The place of the limit, and of who reads in another unit.
    let other = check("20 mg/m³", "");
    assert_eq!(other.code, 2, "{}", other.out);
    for part in [
        "ours.toml:7:31: rule[0].high[0].at: `20 mg/m³` is in mg/m³, but tank-farm-1/gt-101 (",
        "configs/buses/tank-farm.toml:17:1) is in %LEL\n",
    ] {
        assert!(other.out.contains(part), "{part}: {}", other.out);
    }
    let json = check("20 %LEL", "--json").json();
    assert_eq!(json["ok"], true);
    let warnings = json["warnings"].as_array().unwrap().iter();
    let warnings: Vec<&str> = warnings.filter_map(|it| it["what"].as_str()).collect();
    let about = |part: &str| warnings.iter().filter(|it| it.contains(part)).count();
    assert_eq!(about("is for no point of this site"), 1, "{json}");
    assert_eq!(
        about("no rule watches dust-collector-1/filter-dp"),
        1,
        "{json}"
    );
    assert_eq!(about("no rule watches tank-farm-1/gt-101"), 0, "{json}");
    check("20 %LEL", "--site nowhere.toml").is_no_result(2, "cannot be used multiple times");
}

#[test]
fn rules_image_writes_what_a_node_can_run_and_tells_what_it_leaves_to_the_gateway() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pond.rules");
    let image = |config: &Path, words: &str| {
        let words = format!("fengsui rules image {words}");
        told(command(words.trim()).arg(config).arg(&file))
    };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gateway.toml");
    let written = image(&shipped, "--node edge-pond --json").json();
    let bytes = fs::read(&file).unwrap();
    let read = Image::read(&bytes).unwrap();
    assert_eq!(written["bytes"], bytes.len());
    assert_eq!(written["alarms"].as_array().map(Vec::len), Some(29));
    assert_eq!(
        written["alarms"][0],
        read.id_of(AlarmIdx(0)).unwrap().to_string()
    );
    assert_eq!(written["left_out"], serde_json::json!([]));

    image(&shipped, "--node edge-pnod").is_no_result(2, "did you mean `edge-pond`?");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    image(&shipped, "--node edge-pond").is_no_result(2, "pond.rules: ");
}

/// Runs a command against a plant's gateway, as somebody who has this token.
fn at(plant: &Plant, words: &str, token: Option<&str>) -> Told {
    let words = format!("fengsui {words} --gateway {}", plant.gateway().url());
    let mut command = command(&words);
    command.envs(token.map(|token| ("FENGSUI_TOKEN", token)));
    told(&mut command)
}

#[test]
fn an_operator_sees_acknowledges_and_is_refused_at_a_running_gateway() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let quiet =
        |told: &Told| (told.code, told.out.as_str(), told.err.as_str()) == (0, "no alarm\n", "");
    plant
        .gateway()
        .wait_for("readings", PATIENCE, |status| status["alarms"] == 0);
    assert!(quiet(&at(&plant, "alarms", None)));
    plant.makes_an_event(|plant| plant.set(1, 85));

    let list = at(&plant, "alarms", None);
    assert_eq!((list.code, list.err.as_str()), (0, ""));
    assert_eq!(at(&plant, "alarms list", None), list);
    let [head, row] = list.out.lines().collect::<Vec<_>>()[..] else {
        panic!("{}", list.out);
    };
    assert!(head.starts_with("   level  colour  state"), "{head}");
    assert!(
        row.starts_with("B  stop   orange  active-unacked  hall/t-1/hot"),
        "{row}"
    );
    assert!(row.ends_with("t-1 is hot: 85 °C — Cool t-1"), "{row}");
    let states = at(&plant, "alarms --json", None).json();
    assert_eq!(states[0]["id"], hot(1));
    assert_eq!(states[0]["schema"], "fengsui.alarm.state/1");
    assert_eq!(states[0]["advice"]["zh"], "冷却 t-1");
    assert_eq!(states[0]["advice"]["en"], "Cool t-1");
    let status = at(&plant, "status", None);
    assert_eq!((status.code, status.err.as_str()), (0, ""));
    assert!(
        status
            .out
            .contains("broker:        connected\nalarms:        1 not normal, known\n"),
        "{}",
        status.out
    );
    assert_eq!(at(&plant, "status --json", None).json()["alarms"], 1);

    let ack = "alarms ack hall/t-1/hot --by li";
    at(&plant, ack, None).is_no_result(2, "a token is needed: --token-file FILE or FENGSUI_TOKEN");
    at(&plant, ack, Some("guess")).is_no_result(1, "401 Unauthorized");
    at(&plant, "alarms ack hall/t-1/hot", Some(TOKEN)).is_no_result(2, "nobody says who acts");
    at(&plant, "alarms ack hall/t-9/hot --by li", Some(TOKEN))
        .is_no_result(1, "no alarm `hall/t-9/hot`");
    at(&plant, "alarms ack hall/t-1 --by li", Some(TOKEN))
        .is_no_result(2, "no alarm has such an id, expected UNIT/POINT/RULE");
    at(&plant, &format!("{ack} --occurrence 7"), Some(TOKEN))
        .is_no_result(1, "that was occurrence 7, it is now 1");
    at(&plant, "alarms reset hall/t-1/hot --by li", Some(TOKEN)).is_no_result(1, "not latched");
    let refused = at(
        &plant,
        "alarms reset hall/t-1/hot --by li --json",
        Some(TOKEN),
    );
    assert_eq!(refused.code, 1);
    assert_eq!(refused.json()["ok"], false);
    assert!(
        refused.json()["error"]
            .as_str()
            .unwrap()
            .contains("not latched")
    );

    let done = at(&plant, &format!("{ack} --json"), Some(TOKEN));
    assert_eq!(done.code, 0);
    let expected =
        serde_json::json!({"ok": true, "alarm": "hall/t-1/hot", "verb": "ack", "by": "li"});
    assert_eq!(done.json(), expected);
    at(&plant, ack, Some(TOKEN)).is_no_result(1, "already acknowledged");
    assert!(at(&plant, "alarms", None).out.contains("active-acked, li"));
    // The token out of a file, with the line's end that an editor leaves.
    fs::write(plant.path("token"), format!("{TOKEN}\n")).unwrap();
    let file = plant.path("token").display().to_string();
    plant.makes_an_event(|plant| plant.set(2, 65));
    let done = at(
        &plant,
        &format!("alarms ack hall/t-2/hot --by wang --token-file {file}"),
        None,
    );
    assert_eq!(
        (done.code, done.out.as_str()),
        (0, "hall/t-2/hot: ack by wang\n"),
        "{}",
        done.err
    );
}

#[test]
fn on_a_terminal_the_alarms_have_colours() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    plant.makes_an_event(|plant| plant.set(1, 85));
    let list = command("fengsui");
    let line = format!(
        "{} alarms --gateway {}",
        list.get_program().to_str().unwrap(),
        plant.gateway().url()
    );
    let mut script = Process::start(Command::new("script").args(["-qec", &line, "/dev/null"]));
    let (code, said) = script.ending(Duration::from_secs(60));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\x1b[38;5;208mB  stop   orange"), "{said:?}");
}

#[test]
fn the_demos_count_is_one_object_while_its_story_goes_to_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let line = "exec \"$0\" demo --json --listen 127.0.0.1:0 >summary";
    let mut shell = Command::new("sh");
    let shell = shell
        .args(["-c", line])
        .arg(command("fengsui").get_program());
    let process = Process::start(
        shell
            .current_dir(folder.path())
            .env("TMPDIR", folder.path()),
    );
    process.line_with("GT-101", PATIENCE);
    let (code, said) = ends_on(process, "INT");
    // Its story was not told to the end.
    assert_eq!(code, Some(1), "{said}");
    let summary = fs::read_to_string(folder.path().join("summary")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(
        (&summary["ok"], &summary["broken_off"]),
        (&false.into(), &true.into())
    );
    assert!(summary["read"].as_u64() > Some(0), "{summary}");
    assert_eq!(summary["lost"], 0, "{summary}");
}
