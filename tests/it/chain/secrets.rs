//! Secrets come from files and the environment, and go nowhere else: not at the highest log level, not after a refusal, not onto the disk.

use std::fs;
use std::path::Path;

use support::{Gateway, Influxd, Process, Shipped, program};

use super::site::PATIENCE;
use super::trial::{API_TOKEN, Trial};

/// A password that the broker does not know, and a token that the gateway does not.
const WRONG: &str = "no-such-word";

/// Runs a command to its end; what it said, and its exit code.
fn said(program_name: &str, arguments: &[&str], env: &[(&str, &str)]) -> (String, Option<i32>) {
    let mut command = program(program_name);
    let mut process = Process::start(command.args(arguments).envs(env.iter().copied()));
    let code = process.wait();
    (process.said(), code)
}

#[test]
fn no_secret_is_in_a_log_an_answer_or_a_file_of_ours() {
    let broker = Shipped::start();
    let influx = Influxd::start();
    let (url, org, bucket) = (influx.url(), influx.org(), influx.bucket());
    let trial = Trial::new(
        &broker.login_table("gw-1", "password_file = \"secret\""),
        &broker.login_table("edge-pond", "password_env = \"NODE_PASSWORD\""),
        &format!(
            "[influx]\nurl = \"{url}\"\norg = \"{org}\"\nbucket = \"{bucket}\"\ntoken_env = \"INFLUX_TOKEN\"\n"
        ),
    );
    trial.write("secret", &Shipped::password("gw-1"));
    let (node_password, regulator_password) = (
        Shipped::password("edge-pond"),
        Shipped::password("regulator"),
    );
    // A secret that is refused is told of, too.
    let everything = ("RUST_LOG", "trace");
    let gateway_env = [everything, ("INFLUX_TOKEN", influx.token())];
    let mut gateway = trial.gateway(&gateway_env);
    let mut node = trial.node(&[everything, ("NODE_PASSWORD", &node_password)]);
    let file = fs::read_to_string(trial.path("node.toml")).unwrap();
    let file = file.replace("folder = \"node\"", "folder = \"node-2\"");
    trial.write("node-2.toml", &file);
    let mut wrong_node = trial.node_of("node-2.toml", &[everything, ("NODE_PASSWORD", WRONG)]);
    wrong_node.line_with("not authorized: a wrong user or password", PATIENCE);
    let file = fs::read_to_string(trial.path("gateway.toml")).unwrap();
    let file = file
        .replace("password_file = \"secret\"", "password_env = \"PASSWORD\"")
        .replace("folder = \"data\"", "folder = \"data-2\"");
    trial.write("gateway-2.toml", &file);
    let wrong_env = [
        everything,
        ("PASSWORD", WRONG),
        ("INFLUX_TOKEN", influx.token()),
        ("FENGSUI_TOKEN", API_TOKEN),
    ];
    let mut wrong_gateway = Gateway::start(&trial.path("gateway-2.toml"), &wrong_env);
    wrong_gateway.log_line("not authorized: a wrong user or password");
    gateway.wait_for("the node at the gateway", PATIENCE, |status| {
        status["alarm_state"] == "known" && status["nodes"][0]["state"] == "online"
    });
    gateway.wait_for("lines in the database", PATIENCE, |_| {
        gateway
            .get("/metrics")
            .contains("gateway_lines_written_total")
    });

    let api = gateway.url();
    let config = trial.path("gateway.toml");
    let config = config.to_str().unwrap();
    let token = ("FENGSUI_TOKEN", API_TOKEN);
    let ca = broker.authority.ca();
    let ca = ca.to_str().unwrap();
    let alarm = "-/edge-pond/sys.slave.field.gt-101";
    gateway.wait_for("the alarm of the silent slave", PATIENCE, |_| {
        gateway.get("/api/v1/alarms").contains(alarm)
    });
    let mut all = String::new();
    for (arguments, env, expected) in [
        (
            &["check", config][..],
            &[token, ("INFLUX_TOKEN", influx.token())][..],
            0,
        ),
        (&["status", "--gateway", &api], &[everything], 0),
        (&["status", "--json", "--gateway", &api], &[everything], 0),
        (&["alarms", "--gateway", &api], &[token, everything], 0),
        (&["alarms", "--json", "--gateway", &api], &[token], 0),
        (
            &["alarms", "ack", alarm, "--by", "li", "--gateway", &api],
            &[token, everything],
            0,
        ),
        (
            &[
                "alarms",
                "reset",
                alarm,
                "--by",
                "li",
                "--json",
                "--gateway",
                &api,
            ],
            &[token, everything],
            1,
        ),
        (
            &["alarms", "ack", alarm, "--by", "li", "--gateway", &api],
            &[("FENGSUI_TOKEN", WRONG), everything],
            1,
        ),
        (
            &[
                "watch",
                &broker.url(),
                "--park",
                "east-park",
                "--ca",
                ca,
                "--user",
                "regulator",
                "--for",
                "1s",
            ],
            &[("FENGSUI_PASSWORD", &regulator_password), everything],
            0,
        ),
        (
            &[
                "watch",
                &broker.url(),
                "--park",
                "east-park",
                "--ca",
                ca,
                "--user",
                "regulator",
                "--for",
                "1s",
            ],
            &[("FENGSUI_PASSWORD", WRONG), everything],
            3,
        ),
    ] {
        let (told, code) = said("fengsui", arguments, env);
        assert_eq!(code, Some(expected), "{arguments:?}: {told}");
        all.push_str(&told);
    }
    for path in ["/metrics", "/api/v1/status", "/api/v1/alarms"] {
        all.push_str(&gateway.get(path));
    }
    assert_eq!(node.terminate(), Some(0));
    assert_eq!(gateway.stop(), Some(0));
    assert_eq!(wrong_node.terminate(), Some(0));
    assert_eq!(wrong_gateway.stop(), Some(0));
    for told in [
        gateway.said(),
        node.said(),
        wrong_gateway.said(),
        wrong_node.said(),
    ] {
        // It would have told it.
        assert!(told.contains("TRACE"), "{told}");
        all.push_str(&told);
    }
    let mut kept = 0;
    for folder in ["data", "data-2", "node", "node-2"] {
        kept += read_all(&trial.path(folder), &mut all);
    }
    assert!(kept >= 3, "{kept} files");

    let passwords = ["gw-1", "edge-pond", "regulator"].map(Shipped::password);
    let secrets = passwords.iter().map(String::as_str);
    for secret in secrets.chain([WRONG, API_TOKEN, influx.token()]) {
        if let Some(at) = all.find(secret) {
            let line = all.get(..at).unwrap_or_default().lines().last();
            panic!("{secret} behind {line:?}");
        }
    }
}

/// Reads all files of a folder; how many.
fn read_all(folder: &Path, all: &mut String) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += read_all(&path, all);
        } else {
            all.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap()));
            files += 1;
        }
    }
    files
}

#[test]
fn https_to_the_database_is_refused_with_the_reason_before_anything_starts() {
    let trial = Trial::new(
        "embedded = \"127.0.0.1:0\"",
        "",
        "[influx]\nurl = \"https://db\"\norg = \"o\"\nbucket = \"b\"\ntoken_env = \"INFLUX_TOKEN\"\n",
    );
    let config = trial.path("gateway.toml");
    let config = config.to_str().unwrap();
    let env = [("FENGSUI_TOKEN", API_TOKEN), ("INFLUX_TOKEN", "t")];
    for verb in ["check", "run"] {
        let (told, code) = said("fengsui", &[verb, config], &env);
        assert_eq!(code, Some(2), "{told}");
        let reason =
            "influx.url: https is not there yet: the client library brings an outdated TLS stack";
        assert!(told.contains(reason), "{told}");
        assert!(!trial.path("data").exists(), "{verb}");
    }
}

#[test]
fn a_secret_that_was_written_where_its_place_should_be_is_not_told_again() {
    const SECRET: &str = "Hunter2-and-more";
    for broker in [
        format!("url = \"mqtt://gw-1:{SECRET}@127.0.0.1\""),
        format!("url = \"mqtt://127.0.0.1\"\nuser = \"gw-1\"\npassword = \"{SECRET}\""),
        format!("url = \"mqtt://127.0.0.1\"\nuser = \"gw-1\"\npassword_env = \"{SECRET}\""),
        format!("url = \"mqtt://127.0.0.1\"\nuser = \"gw-1\"\npassword = {SECRET}"),
        format!("url = \"mqtt://127.0.0.1\"\nuser = \"gw-1\"\npassword_env = \"{SECRET}"),
    ] {
        let influx = format!(
            "[influx]\nurl = \"http://li:{SECRET}@db\"\norg = \"o\"\nbucket = \"b\"\ntoken = \"{SECRET}\"\n"
        );
        let trial = Trial::new(&broker, &broker, &influx);
        let file = |name: &str| trial.path(name).display().to_string();
        let (gateway, node) = (file("gateway.toml"), file("node.toml"));
        let token = [("FENGSUI_TOKEN", API_TOKEN)];
        for (program, arguments) in [
            ("fengsui", &["check", &gateway][..]),
            ("fengsui", &["check", &gateway, "--json"]),
            ("fengsui", &["run", &gateway]),
            ("fengsui-node", &[&node]),
        ] {
            let (told, code) = said(program, arguments, &token);
            assert_eq!(code, Some(2), "{told}");
            assert!(!told.contains(SECRET), "{told}");
        }
    }
    let url = format!("http://li:{SECRET}@127.0.0.1:1");
    let (told, code) = said("fengsui", &["status", "--gateway", &url], &[]);
    assert_eq!(code, Some(2), "{told}");
    assert!(!told.contains(SECRET), "{told}");
}
