//! The walls between the rooms: which crate may depend on which, and which file knows which library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which rooms a room may depend on; tests may look everywhere.
const ROOMS: [(&str, &[&str]); 9] = [
    ("front", &[]),
    ("telemetry", &[]),
    ("devices", &["front", "telemetry"]),
    ("rules", &["front", "telemetry"]),
    ("node", &["devices", "rules", "telemetry"]),
    ("simbus", &["front", "telemetry"]),
    ("host", &["devices", "front", "node", "telemetry"]),
    ("mps2-an386", &["rules", "telemetry"]),
    (
        "gateway",
        &[
            "devices",
            "front",
            "host",
            "node",
            "rules",
            "simbus",
            "telemetry",
        ],
    ),
];

/// What only some files of a room may say, and which.
const ONLY_IN: [(&str, &str, &[&str]); 9] = [
    ("rumqttc::", "gateway", &[]),
    ("rumqttc::", "host", &["src/mqtt/"]),
    ("tokio_modbus::", "host", &["src/line.rs", "src/line/"]),
    ("influxdb2::", "gateway", &["src/sink/influx/client.rs"]),
    ("mqtt5::", "gateway", &["src/broker.rs", "src/broker/"]),
    ("axum::", "gateway", &["src/http.rs", "src/http/"]),
    ("simbus::", "gateway", &["src/cli/demo.rs", "src/cli/demo/"]),
    ("Instant::now", "gateway", &["src/clock.rs"]),
    ("SystemTime::now", "gateway", &["src/clock.rs"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests is a room of the workspace")
        .to_path_buf()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata failed");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn packages(metadata: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| (package["name"].as_str().expect("a name"), package))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn a_room_depends_only_on_the_rooms_that_the_design_names() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = packages(&metadata).map(|(name, _)| name).collect();
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.into_iter().collect();
    let mut seen = 0;
    for (name, package) in packages(&metadata) {
        if matches!(name, "tests" | "fuzz") {
            continue;
        }
        let may = allowed
            .get(name)
            .unwrap_or_else(|| panic!("`{name}` is a new room: say here what it may depend on"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            if dependency["kind"].is_null() && ours.contains(on) {
                assert!(may.contains(&on), "`{name}` must not depend on `{on}`");
            }
        }
        seen += 1;
    }
    assert_eq!(seen, ROOMS.len(), "a room of the table is gone");
}

#[test]
fn a_client_library_is_known_only_where_it_is_used() {
    let metadata = metadata();
    for (word, room, places) in ONLY_IN {
        let package = packages(&metadata)
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("no room `{room}`"))
            .1;
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let folder = manifest.parent().expect("a manifest is in a folder");
        let mut files = Vec::new();
        rust_files(&folder.join("src"), &mut files);
        assert!(!files.is_empty(), "`{room}` has no source");
        for file in files {
            let within = file.strip_prefix(folder).expect("inside the room");
            let within = within.to_str().expect("a name in UTF-8");
            if places.iter().any(|place| within.starts_with(place)) {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("a readable file");
            for (index, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                assert!(
                    !code.contains(word),
                    "{room}/{within}:{}: only {places:?} may say `{word}`",
                    index + 1
                );
            }
        }
    }
}

#[test]
fn only_telemetry_knows_the_topic_grammar() {
    let metadata = metadata();
    for (room, package) in packages(&metadata) {
        if matches!(room, "telemetry" | "tests" | "fuzz") {
            continue;
        }
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let folder = manifest.parent().expect("a manifest is in a folder");
        let mut files = Vec::new();
        rust_files(&folder.join("src"), &mut files);
        for file in files {
            // Tests may spell a topic out, beside the code or below it: that is how they know that it is right.
            if file.components().any(|part| part.as_os_str() == "tests") {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("a readable file");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (index, line) in code.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                assert!(
                    !code.contains("\"fengsui/v1"),
                    "{}:{}: topics are written by telemetry::SiteTopic",
                    file.display(),
                    index + 1
                );
            }
        }
    }
}

#[test]
fn the_top_level_holds_what_was_agreed() {
    let agreed = [
        "Cargo.toml",
        "Cargo.lock",
        "gateway",
        "firmware",
        "rules",
        "tests",
        "configs",
        "README.md",
        "target",
    ];
    for entry in std::fs::read_dir(root()).expect("a readable root") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("a name in UTF-8");
        assert!(
            name.starts_with('.') || agreed.contains(&name),
            "`{name}` is not among the agreed entries of the top level"
        );
    }
}
