//! `fengsui demo --once` as a process, played once for all tests here, with those beside it whom it invites.

mod replay;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use support::{Process, Schemas, program};
use tempfile::TempDir;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
const SITE: &str = "fengsui/v1/demo-park/demo-chem/";
const EVENTS: &str = "fengsui/v1/demo-park/demo-chem/alarm/event";

/// What the story says of its alarms: id, event, level, letter afterwards; in the order of time for each alarm.
const STORY: [(&str, &str, &str, &str); 26] = [
    ("tank-farm/gt-101/combustible-gas", "raised", "L1", "B"),
    ("tank-farm/gt-101/combustible-gas", "level-up", "L2", "B"),
    ("tank-farm/gt-101/combustible-gas", "acked", "L2", "C"),
    ("tank-farm/gt-101/combustible-gas", "level-down", "L1", "C"),
    ("tank-farm/gt-101/combustible-gas", "returned", "L1", "F"),
    ("tank-farm/gt-101/combustible-gas", "reset", "L1", "A"),
    ("tank-farm/gt-201/toxic-gas", "raised", "L1", "B"),
    ("tank-farm/gt-201/toxic-gas", "acked", "L1", "C"),
    (
        "polishing-1/hopper-temperature/hopper-temperature",
        "raised",
        "warn",
        "B",
    ),
    (
        "polishing-1/hopper-temperature/hopper-temperature",
        "level-up",
        "alarm",
        "B",
    ),
    ("pond-1/pz-1/phreatic-depth", "raised", "blue", "B"),
    ("pond-1/pz-2/phreatic-depth", "raised", "blue", "B"),
    ("pond-1/pz-3/phreatic-depth", "raised", "blue", "B"),
    ("pond-1/pz-4/phreatic-depth", "raised", "blue", "B"),
    ("pond-1/-/phreatic-item", "raised", "blue", "B"),
    ("pond-1/-/phreatic-item", "level-up", "yellow", "B"),
    ("wm-1/current/weld-without-session", "raised", "bypass", "B"),
    (
        "wm-1/current/weld-without-session",
        "returned",
        "bypass",
        "E",
    ),
    ("tank-farm/gt-102/combustible-gas", "raised", "L1", "B"),
    ("tank-farm/gt-102/combustible-gas", "unknown", "L1", "B"),
    ("tank-farm/gt-102/combustible-gas", "known", "L1", "B"),
    ("tank-farm/gt-102/sys.quality", "raised", "fault", "B"),
    ("tank-farm/gt-102/sys.quality", "returned", "fault", "D"),
    ("-/gw-1/sys.flood", "raised", "on", "B"),
    ("-/edge-1/sys.offline", "raised", "on", "B"),
    ("-/edge-1/sys.offline", "returned", "on", "D"),
];

/// The one performance.
static PLAYED: LazyLock<Played> = LazyLock::new(play);

/// What is left of it.
struct Played {
    code: Option<i32>,
    said: String,
    /// What `mosquitto_sub` heard with MQTT 5 and with 3.1.1.
    heard: [Heard; 2],
    /// The exit code of `fengsui watch --check`, and what it said.
    watched: (Option<i32>, String),
    /// The files of the gateway's log.
    log: Vec<(String, Vec<u8>)>,
}

/// Topics and payloads, in the order in which they came.
struct Heard(Vec<(String, String)>);

impl Heard {
    fn payloads<'h>(&'h self, topic: &'h str) -> impl Iterator<Item = &'h str> {
        let of_topic = self.0.iter().filter(move |(is, _)| is.starts_with(topic));
        of_topic.map(|(_, payload)| payload.as_str())
    }

    fn bodies(&self, topic: &str) -> Vec<Value> {
        let payloads = self.payloads(topic);
        payloads
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }
}

fn play() -> Played {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Process::start(
        program("fengsui")
            .args(["demo", "--once", "--listen", "127.0.0.1:0"])
            .env("TMPDIR", folder.path()),
    );
    // The commands as they are printed.
    let mosquitto_sub = demo.line_with("mosquitto_sub", PATIENCE);
    let watch = demo.line_with(" watch ", PATIENCE);
    let invite =
        |command: &str| Process::start(Command::new("sh").arg("-c").arg(format!("exec {command}")));
    let mut subscribers = [
        mosquitto_sub.clone(),
        mosquitto_sub.replace("-V 5", "-V 311"),
    ]
    .map(|command| invite(&command));
    let mut watch = invite(&watch);
    let (before, _) = demo.lines_to("normal", PATIENCE).unwrap();
    let kept = keep_log(folder.path());
    let (mut story, line) = demo.lines_to("Nobody has answered", PATIENCE).unwrap();
    story.push_str(&line);
    // It waits for the gateway's next word; after the demo there would be none.
    watch.terminate();
    let (code, after) = demo.ending(PATIENCE);
    let heard = subscribers.each_mut().map(|subscriber| {
        subscriber.terminate();
        let (_, said) = subscriber.ending(PATIENCE);
        let messages = said.lines().filter_map(|line| line.split_once(' '));
        Heard(
            messages
                .map(|(topic, payload)| (topic.to_owned(), payload.to_owned()))
                .collect(),
        )
    });
    Played {
        code,
        said: format!("{before}{story}\n{after}"),
        heard,
        watched: watch.ending(PATIENCE),
        log: read_all(kept.path()),
    }
}

/// Gives the files of the gateway's log a second name: the demo takes its folder away at its end.
fn keep_log(folder: &Path) -> TempDir {
    let demo = fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let kept = tempfile::tempdir_in(folder).unwrap();
    for path in files(&demo.join("gateway/data/log")) {
        if path.extension().is_some_and(|extension| extension == "log") {
            fs::hard_link(&path, kept.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    kept
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn read_all(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |path: &PathBuf| {
        (
            path.file_name().unwrap().to_string_lossy().into_owned(),
            fs::read(path).unwrap(),
        )
    };
    files(folder).iter().map(read).collect()
}

/// The lines of an alarm's story, as they stand in [`STORY`].
fn told<'h>(events: &'h [Value], id: &str) -> Vec<(&'h str, &'h str, &'h str)> {
    let of_alarm = events.iter().filter(|event| event["id"] == *id);
    let word = |event: &'h Value, field: &str| event[field].as_str().unwrap_or_default();
    of_alarm
        .map(|event| {
            (
                word(event, "event"),
                word(event, "level"),
                word(event, "letter"),
            )
        })
        .collect()
}

#[test]
fn it_ends_with_the_whole_story_nothing_lost_and_exit_code_0() {
    let Played { code, said, .. } = &*PLAYED;
    assert_eq!(*code, Some(0), "{said}");
    for line in ["lost: 0", "the story came true"] {
        assert!(
            said.lines().any(|said| said == line),
            "no `{line}` in:\n{said}"
        );
    }
    assert!(!said.contains("\n! "), "it complains:\n{said}");
    assert!(!said.contains('\x1b'), "a pipe gets plain lines:\n{said}");
}

#[test]
fn mosquitto_sub_sees_every_alarm_of_the_story_with_mqtt_5_and_with_3_1_1() {
    for heard in &PLAYED.heard {
        let events = heard.bodies(EVENTS);
        for alarm in STORY.chunk_by(|one, other| one.0 == other.0) {
            let mut told = told(&events, alarm[0].0).into_iter();
            for (id, event, level, letter) in alarm {
                assert!(
                    told.any(|told| told == (*event, *level, *letter)),
                    "{id}: no {event} {level} {letter} where it belongs in {:?}",
                    self::told(&events, id)
                );
            }
        }
        let seqs: Vec<u64> = events
            .iter()
            .map(|event| event["seq"].as_u64().unwrap())
            .collect();
        assert!(
            seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{seqs:?}"
        );
    }
    let [new, old] = &PLAYED.heard;
    let events = |heard: &Heard| {
        heard
            .payloads(EVENTS)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(events(new), events(old));
}

#[test]
fn mosquitto_sub_sees_states_a_snapshot_and_the_gateways_status_as_the_contract_has_them() {
    let schemas = Schemas::load();
    for heard in &PLAYED.heard {
        // Who asked for a replay gets events in lines, and mosquitto_sub writes lines itself.
        let contract = heard
            .0
            .iter()
            .filter(|(topic, _)| !topic.contains("/alarm/replay/"));
        for (topic, payload) in contract {
            let checked = schemas.check(topic, payload.as_bytes());
            checked.unwrap_or_else(|wrong| panic!("{wrong}"));
        }
        let events = heard.bodies(EVENTS);
        for event in &events {
            let id = event["id"].as_str().unwrap();
            let states = heard.bodies(&format!("{SITE}alarm/state/{id}"));
            let made_it = |event: &&Value| event["id"] == *id && event["event"] != "historical";
            let last = events.iter().rfind(made_it);
            assert!(
                id.ends_with("/sys.epoch")
                    || states.last().map(|state| &state["seq"]) == last.map(|last| &last["seq"]),
                "the last state of {id} is not of {last:#?}: {states:#?}"
            );
        }
        let snapshots = heard.bodies(&format!("{SITE}alarm/snapshot/0"));
        let standing = snapshots
            .iter()
            .map(|snapshot| snapshot["alarms"].as_array().unwrap().len());
        assert!(standing.max() >= Some(5), "{snapshots:#?}");
        let statuses = heard.bodies(&format!("{SITE}gateway/status"));
        let known: Vec<bool> = statuses
            .iter()
            .map(|status| status["alarm_state"] == "known")
            .collect();
        assert!(
            known.iter().filter(|known| **known).count() >= 4,
            "{statuses:#?}"
        );
        assert_eq!(known.last(), Some(&false), "a clean stop says so first");
    }
}

#[test]
fn fengsui_watch_finds_nothing_that_breaks_the_contract() {
    let (code, said) = &PLAYED.watched;
    assert_eq!(*code, Some(0), "{said}");
}

#[test]
fn a_story_that_is_broken_off_did_not_come_true_and_leaves_nothing_behind() {
    // A terminal that is closed hangs up.
    for signal in ["-TERM", "-HUP"] {
        let folder = tempfile::tempdir().unwrap();
        let mut demo = Process::start(
            program("fengsui")
                .args(["demo", "--once", "--listen", "127.0.0.1:0"])
                .env("TMPDIR", folder.path()),
        );
        demo.line_with("normal", PATIENCE);
        let mut kill = Command::new("kill");
        let sent = kill.args([signal, &demo.id().to_string()]).status();
        assert!(sent.unwrap().success());
        assert_eq!(demo.wait(), Some(1), "{signal}");
        demo.line_with("the story was broken off", PATIENCE);
        assert_eq!(files(folder.path()), [] as [PathBuf; 0], "{signal}");
    }
}
