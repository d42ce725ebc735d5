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
    let loaded = load(&folder.path().join("gateway.toml"), &|_| None, &problems);
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
