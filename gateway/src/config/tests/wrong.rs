//! Wrong gateway files, and the text that people get.

use std::fs;

use super::*;

const RIGHT: &str = r#"[site]
park = "p"
enterprise = "e"
gateway = "gw"
[broker]
url = "mqtt://127.0.0.1"
[data]
folder = "data"
[rules]
packs = ["gas"]
[[bus]]
file = "bus.toml"
"#;

const BUS: &str = r#"name = "b"
[tcp]
host = "h"
[[slave]]
name = "gt-1"
unit_id = 1
profile = "gas-oxygen"
unit = "u"
period = "1s"
"#;

/// A right text with some of its lines replaced, counted from 1.
fn with(text: &str, changes: &[(usize, &str)]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for (line, change) in changes {
        lines[line - 1] = change;
    }
    lines.join("\n") + "\n"
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    check_with(text, &[("bus.toml", BUS)], expected);
}

#[track_caller]
fn check_with(text: &str, files: &[(&str, &str)], expected: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files.iter().chain([&("gateway.toml", text)]) {
        fs::write(folder.path().join(name), text).expect("written");
    }
    let problems = Problems::default();
    let warnings = Problems::default();
    let path = folder.path().join("gateway.toml");
    let loaded = load(&path, &|_| None, &problems, &warnings);
    let told = problems
        .to_string()
        .replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(told, expected.join("\n"));
    assert_eq!(loaded.is_none(), !expected.is_empty());
}

#[test]
fn the_file_that_the_others_are_made_of_is_right() {
    check(RIGHT, &[]);
    check(
        &with(RIGHT, &[(1, "[site]\nnode = \"gw\"")]),
        &["gateway.toml:2:8: site.node: `gw` is the gateway, expected another name"],
    );
}

#[test]
fn an_empty_file_is_told_all_that_it_lacks() {
    check(
        "",
        &[
            "gateway.toml:1:1: neither [[bus]] nor [[node]], expected at least one bus to read or one node that reads it",
            "gateway.toml:1:1: broker: missing, expected a value",
            "gateway.toml:1:1: data: missing, expected a value",
            "gateway.toml:1:1: rules: missing, expected a value",
            "gateway.toml:1:1: site: missing, expected a value",
        ],
    );
}

#[test]
fn all_problems_of_all_files_come_at_once() {
    check_with(
        &with(
            RIGHT,
            &[
                (2, "park = \"East Park\""),
                (4, "gatway = \"gw\""),
                (6, "url = \"http://x\""),
            ],
        ),
        &[
            (
                "bus.toml",
                &with(BUS, &[(6, "unit_id = 256"), (7, "profile = \"./p.toml\"")]),
            ),
            ("p.toml", "name = \"p\"\ntitle = 3\n"),
        ],
        &[
            "./p.toml:1:1: source: missing, expected a value",
            "./p.toml:2:9: title: a number, expected a string",
            "bus.toml:6:11: slave[0].unit_id: 256, expected a whole number from 0 to 255",
            "gateway.toml:1:1: site.gateway: missing, expected a value",
            "gateway.toml:2:8: site.park: `E` in a name, expected a-z or 0-9, then a-z 0-9 . _ -",
            "gateway.toml:4:1: site.gatway: unknown key, did you mean `gateway`?",
            "gateway.toml:6:7: broker.url: no URL of a broker, expected `mqtts://host:8883`, or `mqtt://host:1883` without TLS",
        ],
    );
}

#[test]
fn a_file_that_is_not_there_is_told_where_it_is_named() {
    check(
        &with(RIGHT, &[(12, "file = \"buses/none.toml\"")]),
        &[
            "gateway.toml:12:8: bus[0].file: `buses/none.toml` cannot be read: No such file or directory (os error 2)",
        ],
    );
}

#[test]
fn a_broker_is_one_elsewhere_or_one_here() {
    check(
        &with(RIGHT, &[(6, "")]),
        &["gateway.toml:5:1: broker: neither `url` nor `embedded`, expected one of them"],
    );
    check(
        &with(
            RIGHT,
            &[(6, "url = \"mqtt://h\"\nembedded = \"127.0.0.1:1883\"")],
        ),
        &["gateway.toml:7:12: broker.embedded: `url` is there too, expected one of them"],
    );
    check(
        &with(RIGHT, &[(6, "embedded = \"localhost\"\nuser = \"u\"")]),
        &[
            "gateway.toml:6:12: broker.embedded: `localhost` is no address with a port, expected one as `127.0.0.1:1883`",
            "gateway.toml:7:8: broker.user: the embedded broker has no `user`: it is for trials, without TLS and accounts",
        ],
    );
}

#[test]
fn a_url_that_is_none_is_told_what_one_looks_like() {
    check(
        &with(RIGHT, &[(6, "url = \"broker:1883\"")]),
        &[
            "gateway.toml:6:7: broker.url: no URL of a broker, expected `mqtts://host:8883`, or `mqtt://host:1883` without TLS",
        ],
    );
    check(
        &with(RIGHT, &[(6, "url = \"mqtt://broker:99999\"")]),
        &[
            "gateway.toml:6:7: broker.url: its port is none, expected `mqtts://host:8883`, or `mqtt://host:1883` without TLS",
        ],
    );
    check(
        &with(RIGHT, &[(6, "url = \"mqtt://:1883\"")]),
        &[
            "gateway.toml:6:7: broker.url: its host is none, expected `mqtts://host:8883`, or `mqtt://host:1883` without TLS",
        ],
    );
}

#[test]
fn a_secret_in_the_file_is_refused() {
    check(
        &with(
            RIGHT,
            &[(
                6,
                "url = \"mqtt://u:p@broker\"\nuser = \"u\"\npassword = \"hunter2\"",
            )],
        ),
        &[
            "gateway.toml:6:7: broker.url: a login in the URL would be logged, expected `user` and `password_file`",
            "gateway.toml:8:12: broker.password: a secret in a file that is copied and logged, expected `password_file` with the file that holds it, or `password_env` with the name of an environment variable",
        ],
    );
    check(
        &format!(
            "{RIGHT}[influx]\nurl = \"http://h\"\norg = \"o\"\nbucket = \"b\"\ntoken = \"hunter2\"\n"
        ),
        &[
            "gateway.toml:17:9: influx.token: a secret in a file that is copied and logged, expected `token_file` with the file that holds it, or `token_env` with the name of an environment variable",
        ],
    );
}

#[test]
fn a_secret_that_is_not_there_is_told_without_its_contents() {
    check(
        &with(
            RIGHT,
            &[(
                6,
                "url = \"mqtt://h\"\nuser = \"u\"\npassword_file = \"none\"",
            )],
        ),
        &[
            "gateway.toml:8:17: broker.password_file: `none` cannot be read: No such file or directory (os error 2)",
        ],
    );
    check(
        &with(
            RIGHT,
            &[(
                6,
                "url = \"mqtt://h\"\nuser = \"u\"\npassword_env = \"NOBODY\"",
            )],
        ),
        &["gateway.toml:8:16: broker.password_env: the environment has no `NOBODY`"],
    );
    check(
        &with(RIGHT, &[(6, "url = \"mqtt://h\"\nuser = \"u\"\n")]),
        &[
            "gateway.toml:7:8: broker.user: without a password, expected `password_file` or `password_env`",
        ],
    );
    check_with(
        &with(
            RIGHT,
            &[(
                6,
                "url = \"mqtt://h\"\npassword_file = \"p\"\npassword_env = \"P\"",
            )],
        ),
        &[("bus.toml", BUS), ("p", "\n")],
        &[
            "gateway.toml:8:16: broker.password_env: `password_file` is there too, expected one of them",
        ],
    );
    check_with(
        &with(RIGHT, &[(6, "url = \"mqtt://h\"\npassword_file = \"p\"")]),
        &[("bus.toml", BUS), ("p", "\n")],
        &["gateway.toml:7:17: broker.password_file: the secret is empty"],
    );
}

#[test]
fn tls_needs_an_authority_and_a_key_its_certificate() {
    check(
        &with(RIGHT, &[(6, "url = \"mqtts://h\"")]),
        &[
            "gateway.toml:5:1: broker: no `ca`, expected the PEM file with the authority to trust: no system store is asked",
        ],
    );
    check(
        &with(
            RIGHT,
            &[(6, "url = \"mqtts://h\"\nca = \"ca.pem\"\nkey = \"k\"")],
        ),
        &["gateway.toml:8:7: broker.key: without its `certificate`, expected both or neither"],
    );
    check(
        &with(RIGHT, &[(6, "url = \"mqtt://h\"\nca = \"ca.pem\"")]),
        &["gateway.toml:7:6: broker.ca: without TLS, expected a URL `mqtts://…`"],
    );
    check_with(
        &with(RIGHT, &[(6, "url = \"mqtts://h\"\nca = \"ca.pem\"")]),
        &[("bus.toml", BUS), ("ca.pem", "no certificate\n")],
        &["gateway.toml:7:6: broker.ca: ca.pem: no certificate in it, expected PEM"],
    );
}

#[test]
fn https_to_the_database_is_refused_with_the_reason() {
    check(
        &format!("{RIGHT}[influx]\nurl = \"https://h\"\norg = \"\"\nbukcet = \"b\"\n"),
        &[
            "gateway.toml:13:1: influx: no token, expected `token_file` or `token_env`",
            "gateway.toml:13:1: influx.bucket: missing, expected a value",
            "gateway.toml:14:7: influx.url: https is not there yet: the client library brings an outdated TLS stack; expected `http://…` to a database on this machine or behind a TLS proxy",
            "gateway.toml:15:7: influx.org: empty, expected a name",
            "gateway.toml:16:1: influx.bukcet: unknown key, did you mean `bucket`?",
        ],
    );
    check(
        &format!(
            "{RIGHT}[influx]\nurl = \"127.0.0.1:8086\"\norg = \"o\"\nbucket = \"b\"\ntoken_env = \"T\"\n"
        ),
        &[
            "gateway.toml:14:7: influx.url: no URL of a database, expected one as `http://127.0.0.1:8086`",
            "gateway.toml:17:13: influx.token_env: the environment has no `T`",
        ],
    );
}

#[test]
fn a_point_or_a_bus_twice_in_the_site_is_refused() {
    let other = with(BUS, &[(1, "name = \"b2\"")]);
    check_with(
        &format!("{RIGHT}[[node]]\nname = \"edge\"\nbuses = [\"other.toml\", \"bus.toml\"]\n"),
        &[("bus.toml", BUS), ("other.toml", &other)],
        &[
            "gateway.toml:15:10: node[0].buses[0]: the point `u/gt-1` is on bus `b` of node `local` too, expected each point once",
            "gateway.toml:15:24: node[0].buses[1]: `bus.toml` is polled by `local` already, expected each bus once",
        ],
    );
    let same_name = with(BUS, &[(8, "unit = \"v\"")]);
    check_with(
        &format!("{RIGHT}[[bus]]\nfile = \"other.toml\"\n"),
        &[("bus.toml", BUS), ("other.toml", &same_name)],
        &[
            "gateway.toml:14:8: bus[1].file: a second bus `b` on node `local`, expected each name once on a node",
        ],
    );
}

#[test]
fn every_node_has_a_name_of_its_own() {
    let other = with(BUS, &[(1, "name = \"b2\""), (8, "unit = \"v\"")]);
    let node = |name: &str, buses: &str| format!("[[node]]\nname = \"{name}\"\nbuses = {buses}\n");
    check_with(
        &format!(
            "{RIGHT}{}{}{}",
            node("local", "[\"other.toml\"]"),
            node("gw", "[]"),
            node("a/b", "\"x\"")
        ),
        &[("bus.toml", BUS), ("other.toml", &other)],
        &[
            "gateway.toml:14:8: node[0].name: a second node `local`, expected each name once",
            "gateway.toml:17:8: node[1].name: `gw` is the gateway, expected another name",
            "gateway.toml:20:8: node[2].name: `/` in a name, expected a-z or 0-9, then a-z 0-9 . _ -",
            "gateway.toml:21:9: node[2].buses: a string, expected an array",
        ],
    );
}

#[test]
fn a_site_without_a_bus_and_without_a_node_has_nothing_to_do() {
    check(
        RIGHT.split("[[bus]]").next().expect("it begins"),
        &[
            "gateway.toml:1:1: neither [[bus]] nor [[node]], expected at least one bus to read or one node that reads it",
        ],
    );
}

#[test]
fn an_unknown_pack_is_told_with_the_nearest_one() {
    check(
        &with(
            RIGHT,
            &[(
                10,
                "packs = [\"gsa\", \"gas\", \"gas\", \"./none.toml\", 3]",
            )],
        ),
        &[
            "gateway.toml:10:10: rules.packs[0]: no pack `gsa` comes with the program, did you mean `gas`?",
            "gateway.toml:10:24: rules.packs[2]: `gas` is there twice",
            "gateway.toml:10:31: rules.packs[3]: `./none.toml` cannot be read: No such file or directory (os error 2)",
            "gateway.toml:10:46: rules.packs[4]: a number, expected a string",
        ],
    );
}

#[test]
fn a_rule_file_is_told_in_its_own_words_also_when_a_bus_is_broken() {
    let rules = "[[limits]]\npoint = \"u/gt-9\"\noel = \"3 mg/m3\"\nx = \"3 bananas\"\n";
    check_with(
        &with(RIGHT, &[(10, "packs = [\"gas\", \"site.toml\"]")]),
        &[("bus.toml", BUS), ("site.toml", rules)],
        &[
            "site.toml:4:8: limits[0].x: `bananas` is no unit, expected one as `%LEL`, `mg/m³`, `°C`, `Pa` or `m`",
        ],
    );
    check_with(
        &with(RIGHT, &[(10, "packs = [\"gas\", \"site.toml\"]")]),
        &[
            ("bus.toml", &with(BUS, &[(6, "unit_id = \"1\"")])),
            ("site.toml", rules),
        ],
        &[
            "bus.toml:6:11: slave[0].unit_id: a string, expected a whole number from 0 to 255",
            "site.toml:4:8: limits[0].x: `bananas` is no unit, expected one as `%LEL`, `mg/m³`, `°C`, `Pa` or `m`",
        ],
    );
}

#[test]
fn an_address_to_listen_at_has_a_port() {
    check(
        &format!("{RIGHT}[http]\nlisten = \"9460\"\n"),
        &[
            "gateway.toml:14:10: http.listen: `9460` is no address with a port, expected one as `127.0.0.1:9460`",
        ],
    );
}

/// The right text with people, each as the lines of their table.
fn people(tables: &[&str]) -> String {
    let table = |lines: &&str| format!("[[http.person]]\n{lines}\n");
    let tables: String = tables.iter().map(table).collect();
    format!("{RIGHT}{tables}")
}

#[test]
fn a_person_has_a_name_and_a_token_and_nobody_else_has_them() {
    let files = [
        ("bus.toml", BUS),
        ("li", "hunter2\n"),
        ("wang", "hunter2"),
        ("zhang", "another"),
    ];
    check_with(
        &people(&[
            "name = \"li.wei\"\ntoken_file = \"li\"",
            "name = \" LI.Wei\"\ntoken_file = \"zhang\"",
            "name = \"wang\"\ntoken_file = \"wang\"",
            "name = \" \"\ntoken_env = \"NOBODY\"",
            "nmae = \"chen\"\ntoken = \"hunter3\"",
            "name = \"sun\"",
        ]),
        &files,
        &[
            "gateway.toml:17:8: http.person[1].name: a second `LI.Wei`, expected each name once",
            "gateway.toml:21:14: http.person[2].token_file: the token of `li.wei` too, expected one of their own",
            "gateway.toml:23:8: http.person[3].name: empty, expected a name",
            "gateway.toml:24:13: http.person[3].token_env: the environment has no `NOBODY`",
            "gateway.toml:25:1: http.person[4].name: missing, expected a value",
            "gateway.toml:26:1: http.person[4].nmae: unknown key, did you mean `name`?",
            "gateway.toml:27:9: http.person[4].token: a secret in a file that is copied and logged, expected `token_file` with the file that holds it, or `token_env` with the name of an environment variable",
            "gateway.toml:28:1: http.person[5]: no token, expected `token_file` or `token_env`",
        ],
    );
}

#[test]
fn one_token_for_all_is_not_beside_people_with_their_own() {
    let http = "[http]\ntoken_file = \"all\"\n";
    let person = "[[http.person]]\nname = \"li.wei\"\ntoken_file = \"li\"\n";
    check_with(
        &format!("{RIGHT}{http}{person}"),
        &[("bus.toml", BUS), ("all", "for all"), ("li", "of li")],
        &[
            "gateway.toml:14:14: http.token_file: one token for all beside people with their own, expected one of them",
        ],
    );
}

#[test]
fn one_person_alone_is_told_that_nobody_can_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway.toml");
    fs::write(folder.path().join("bus.toml"), BUS).expect("written");
    let warned = |tables: &[&str]| {
        fs::write(&path, people(tables)).expect("written");
        let (problems, warnings) = (Problems::default(), Problems::default());
        load(&path, &env, &problems, &warnings).expect("no problem");
        let told = warnings.to_string();
        let told = told.replace(&format!("{}/", folder.path().display()), "");
        let of_people = told.lines().filter(|line| line.contains("http.person"));
        of_people.collect::<Vec<_>>().join("\n")
    };
    let li = "name = \"li.wei\"\ntoken_env = \"LI\"";
    let zhang = "name = \"zhang.min\"\ntoken_env = \"ZHANG\"";
    assert_eq!(warned(&[li, zhang]), "");
    assert_eq!(
        warned(&[li]),
        "gateway.toml:13:1: http.person: one person alone: nobody can agree to take an alarm out of service"
    );
}

#[test]
fn syntax_errors_do_not_hide_the_rest() {
    check(
        &with(RIGHT, &[(2, "park = "), (12, "flie = \"bus.toml\"")]),
        &[
            "gateway.toml:2:8: string values must be quoted, expected literal string",
            "gateway.toml:2:8: site.park: an empty name, expected a-z or 0-9, then a-z 0-9 . _ -",
            "gateway.toml:12:1: bus[0].flie: unknown key, did you mean `file`?",
        ],
    );
}
