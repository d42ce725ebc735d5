//! `fengsui watch --check` as a process, over the real gateway and real brokers: clean over everything that the contract allows, and not over anything else.

mod middle;

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{Cable, Mosquitto, Process, Watch, free_port, program};

use crate::plant::{PATIENCE, Plant, hot};
use middle::{Does, Middle, Said};

#[test]
fn a_check_is_clean_through_cuts_of_its_own_and_a_broker_that_forgot_everything() {
    let mut broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let cable = Cable::to(broker.port());
    let regulator = Watch::start(&cable.url(), "east");
    regulator.hears_known();
    plant.set(1, 65);
    let raised = regulator.hears_event(&hot(1), "raised");
    assert_eq!(raised["site"], "east/plant-1");
    assert_eq!(
        (&raised["level"], &raised["value"]),
        (&json!("warn"), &json!(65.0))
    );
    assert_eq!(raised["text"]["en"], "t-1 is hot: 65 °C");
    plant.set(1, 85);
    regulator.hears_event(&hot(1), "level-up");
    plant.acknowledge(1);
    assert_eq!(regulator.hears_event(&hot(1), "acked")["by"], "li");
    plant.set(2, 65);
    regulator.hears_event(&hot(2), "raised");

    cable.pull();
    regulator.is_connected(false);
    plant.makes_an_event(|plant| plant.set(1, 20));
    plant.makes_an_event(|plant| plant.acknowledge(2));
    cable.put_back();
    assert_eq!(regulator.hears_event(&hot(1), "returned")["replayed"], true);
    assert_eq!(regulator.hears_event(&hot(2), "acked")["replayed"], true);

    broker.kill();
    regulator.is_connected(false);
    plant.makes_an_event(|plant| plant.set(3, 65));
    broker.restart();
    regulator.hears_event(&hot(3), "raised");
    plant.set(3, 20);
    regulator.hears_event(&hot(3), "returned");

    // Who comes now finds in what the broker retains all that it had forgotten.
    let newcomer = Watch::start(&broker.url(), "east");
    for probe in [2, 3] {
        let id = format!("hall/t-{probe}/hot");
        newcomer.hears(|object| object["what"] == "state" && object["id"] == *id);
    }
    for regulator in [regulator, newcomer] {
        let (code, summary) = regulator.end();
        assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
        let site = &summary["sites"][0];
        assert_eq!(
            (&site["standing"], &site["missing"]),
            (&json!("known"), &json!(0))
        );
        assert_eq!(site["seq"], plant.seq());
        assert_eq!(site["alarms"], plant.gateway().status()["alarms"]);
        // The events are there without a hole: each once.
        assert_eq!(summary["counts"]["events"], plant.seq());
    }
}

/// What somebody in the middle does, and what the check says of it; no word: it is clean.
struct Case {
    name: &'static str,
    does: Does,
    word: Option<&'static str>,
}

fn case(
    name: &'static str,
    word: &'static str,
    does: impl FnMut(Said) -> Vec<Said> + Send + 'static,
) -> Case {
    Case {
        name,
        does: Box::new(does),
        word: Some(word),
    }
}

fn body(said: &Said) -> Value {
    serde_json::from_slice(&said.payload).unwrap_or_default()
}

fn with(said: &Said, change: impl FnOnce(&mut Value)) -> Said {
    let mut body = body(said);
    change(&mut body);
    Said {
        payload: body.to_string().into_bytes(),
        ..said.clone()
    }
}

/// An event of probe 2's alarm, by its word.
fn is_event(said: &Said, word: &str) -> bool {
    let body = body(said);
    said.topic.ends_with("/alarm/event") && body["id"] == "hall/t-2/hot" && body["event"] == word
}

/// A state of probe 2's alarm, by its level and whether it stands.
fn is_state(said: &Said, level: &str, active: bool) -> bool {
    let body = body(said);
    said.topic.ends_with("/alarm/state/hall/t-2/hot")
        && body["level"] == level
        && body["active"] == active
}

/// A snapshot that lists probe 2's alarm.
fn is_snapshot(said: &Said) -> bool {
    let body = body(said);
    let rows = body["alarms"].as_array();
    said.topic.ends_with("/alarm/snapshot/0")
        && rows.is_some_and(|rows| rows.iter().any(|row| row["id"] == "hall/t-2/hot"))
}

/// Changes places with the next that is like it.
fn late(
    is_it: impl Fn(&Said) -> bool + Send + 'static,
    is_next: impl Fn(&Said) -> bool + Send + 'static,
) -> impl FnMut(Said) -> Vec<Said> + Send + 'static {
    let mut held = None;
    move |said| {
        if is_it(&said) {
            held = Some(said);
            return Vec::new();
        }
        if is_next(&said) {
            return [said].into_iter().chain(held.take()).collect();
        }
        vec![said]
    }
}

/// Each as something else.
fn altered(
    is_it: impl Fn(&Said) -> bool + Send + 'static,
    change: impl Fn(&mut Value) + Send + 'static,
) -> impl FnMut(Said) -> Vec<Said> + Send + 'static {
    move |said| {
        if is_it(&said) {
            vec![with(&said, &change)]
        } else {
            vec![said]
        }
    }
}

/// Each followed by another.
fn made_up(
    is_it: impl Fn(&Said) -> bool + Send + 'static,
    make: impl Fn(&Said) -> Said + Send + 'static,
) -> impl FnMut(Said) -> Vec<Said> + Send + 'static {
    move |said| {
        let more = is_it(&said).then(|| make(&said));
        [said].into_iter().chain(more).collect()
    }
}

fn left_out(
    is_it: impl Fn(&Said) -> bool + Send + 'static,
) -> impl FnMut(Said) -> Vec<Said> + Send + 'static {
    move |said| if is_it(&said) { Vec::new() } else { vec![said] }
}

fn cases() -> Vec<Case> {
    let raised = |said: &Said| is_event(said, "raised");
    let is_any_event = |said: &Said| said.topic.ends_with("/alarm/event");
    vec![
        Case {
            name: "nothing",
            does: Box::new(|said| vec![said]),
            word: None,
        },
        case(
            "an event is altered",
            "chain-broken",
            altered(raised, |body| {
                body["value"] = json!(66);
            }),
        ),
        case(
            "a state is altered",
            "state-differs",
            altered(
                |said| is_state(said, "warn", true),
                |body| body["limit"] = json!(70),
            ),
        ),
        case(
            "a snapshot is altered",
            "snapshot-differs",
            altered(is_snapshot, |body| {
                let rows = body["alarms"].as_array_mut().unwrap();
                rows.retain(|row| row["id"] != "hall/t-2/hot");
            }),
        ),
        case(
            "a row of a snapshot is made up",
            "snapshot-differs",
            altered(is_snapshot, |body| {
                let rows = body["alarms"].as_array_mut().unwrap();
                let mut row = rows[0].clone();
                row["id"] = json!("hall/t-9/hot");
                rows.push(row);
            }),
        ),
        case(
            "a status is altered",
            "head-differs",
            altered(
                |said| said.topic.ends_with("/gateway/status") && body(said)["seq"].is_u64(),
                |body| body["head"] = json!("0f".repeat(32)),
            ),
        ),
        case("an event is left out", "left-out", left_out(raised)),
        case(
            "the last event is left out",
            "left-out",
            left_out(|said| is_event(said, "returned")),
        ),
        case(
            "the last state is left out",
            "state-left-out",
            left_out(|said| is_state(said, "stop", false) || is_state(said, "warn", false)),
        ),
        case(
            "an event is missed and its replay altered",
            "chain-broken",
            |said| {
                if is_event(&said, "raised") {
                    return Vec::new();
                }
                if !said.topic.contains("/alarm/replay/") {
                    return vec![said];
                }
                let lines = String::from_utf8(said.payload.clone()).unwrap();
                let forged = lines.replace("t-2 is hot: 65", "t-2 is hot: 61");
                vec![Said {
                    payload: forged.into_bytes(),
                    ..said
                }]
            },
        ),
        case(
            "two events change places",
            "reordered",
            late(raised, is_any_event),
        ),
        case(
            "two states change places",
            "state-went-back",
            late(
                |said| is_state(said, "warn", true),
                |said| is_state(said, "stop", true),
            ),
        ),
        case(
            "an event is made up",
            "repeat-differs",
            made_up(raised, |said| {
                with(said, |body| {
                    body["seq"] = json!(body["seq"].as_u64().unwrap() + 1);
                    body["event"] = json!("comment");
                    body["by"] = json!("nobody");
                })
            }),
        ),
        case(
            "an epoch is made up",
            "old-epoch",
            made_up(raised, |said| {
                with(said, |body| {
                    body["id"] = json!("-/gw-1/sys.epoch");
                    body["rule"]["name"] = json!("sys.epoch");
                    body["event"] = json!("epoch");
                    body["reason"] = json!("new-data-folder");
                    body["previous_epoch"] = body["epoch"].clone();
                    body["epoch"] = json!("7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
                    body["seq"] = json!(1);
                    for (field, value) in [
                        ("letter", json!("A")),
                        ("state", json!("normal")),
                        ("active", json!(false)),
                        ("acked", json!(true)),
                        ("occurrence", json!(0)),
                    ] {
                        body[field] = value;
                    }
                })
            }),
        ),
        case(
            "a state is made up",
            "state-of-no-event",
            made_up(
                |said| is_state(said, "warn", true),
                |said| {
                    let mut made = with(said, |body| body["id"] = json!("hall/t-9/hot"));
                    made.topic = made.topic.replace("t-2", "t-9");
                    made
                },
            ),
        ),
        case(
            "a state is emptied",
            "state-emptied",
            made_up(
                |said| is_state(said, "warn", true),
                |said| Said {
                    payload: Vec::new(),
                    ..said.clone()
                },
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_fails_when_a_message_is_altered_left_out_reordered_or_made_up() {
    let broker = Mosquitto::start();
    let mut watched = Vec::new();
    for Case { name, does, word } in cases() {
        let theirs = Mosquitto::start();
        let middle = Middle::between(broker.port(), theirs.port(), does).await;
        let regulator = Watch::start(&theirs.url(), "east");
        regulator.is_connected(true);
        watched.push((name, word, regulator, theirs, middle));
    }
    let mut plant = Plant::start(&broker.url());
    for (_, _, regulator, _, _) in &watched {
        regulator.hears_known();
    }
    plant.makes_an_event(|plant| plant.set(1, 65));
    plant.makes_an_event(|plant| plant.set(2, 65));
    plant.makes_an_event(|plant| plant.set(2, 85));
    plant.makes_an_event(|plant| plant.acknowledge(2));
    plant.makes_an_event(|plant| plant.set(1, 20));
    // A snapshot that lists something comes with each connection.
    plant.restart_gateway();
    watched[0]
        .2
        .hears(|object| object["what"] == "gateway" && object["standing"] != "known");
    watched[0].2.hears_known();
    plant.makes_an_event(|plant| plant.set(2, 20));
    watched[0].2.hears_event(&hot(2), "returned");
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let ends: Vec<_> = watched
            .into_iter()
            .map(|(name, word, regulator, theirs, middle)| {
                let end = scope.spawn(move || {
                    let end = regulator.end();
                    // What it waits for at its end comes this way.
                    drop((theirs, middle));
                    end
                });
                (name, word, end)
            })
            .collect();
        ends.into_iter()
            .filter_map(|(name, word, end)| {
                let (code, summary) = end.join().unwrap();
                let words = words(&summary);
                let is_found = match word {
                    Some(word) => code == 1 && words.contains(&word),
                    None => code == 0 && words.is_empty(),
                };
                (!is_found).then(|| format!("{name}: exit {code}, {words:?}: {summary:#}"))
            })
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn watch(arguments: &[&str]) -> Command {
    let mut command = program("fengsui");
    command.arg("watch").args(arguments);
    command.env_remove("FENGSUI_PASSWORD");
    command
}

#[test]
fn without_json_and_a_terminal_there_is_a_line_each_and_a_verdict() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let mut lines = Process::start(&mut watch(&[&broker.url(), "--park", "east", "--check"]));
    lines.line_with(" east/plant-1 gateway gw-1: known", PATIENCE);
    plant.set(1, 85);
    let line = lines.line_with(" raised: ", PATIENCE);
    assert!(
        line.ends_with(" raised: B orange stop hall/t-1/hot active-unacked  t-1 is hot: 85 °C"),
        "{line}"
    );
    assert_eq!(lines.terminate(), Some(0));
    let site = lines.line_with("east/plant-1  gw-1, known  event ", PATIENCE);
    assert!(site.ends_with("  1 alarm"), "{site}");
    lines.line_with("problems 0", PATIENCE);
    lines.line_with("the contract was kept", PATIENCE);
}

#[test]
fn who_interrupts_a_check_while_the_broker_is_gone_gets_its_verdict_at_once() {
    let mut broker = Mosquitto::start();
    let plant = Plant::start(&broker.url());
    let mut lines = Process::start(&mut watch(&[&broker.url(), "--park", "east", "--check"]));
    lines.line_with(" east/plant-1 gateway gw-1: known", PATIENCE);
    broker.kill();
    lines.line_with(" not connected: ", PATIENCE);
    assert_eq!(lines.terminate(), Some(0));
    lines.line_with("the contract was kept", PATIENCE);
    let said = lines.said();
    assert!(!said.contains("waiting for what is on its way"), "{said}");
    drop(plant);
}

#[test]
fn a_check_of_a_park_where_nobody_speaks_is_no_clean_one() {
    let broker = Mosquitto::start();
    let url = broker.url();
    let output = watch(&[&url, "--park", "west", "--check", "--for", "250ms"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.ends_with("no gateway of the park `west` was heard: nothing was checked\n"),
        "{told}"
    );
    // Without a check it was only looked at.
    let output = watch(&[&url, "--park", "west", "--for", "250ms"]).output();
    assert_eq!(output.unwrap().status.code(), Some(0));
}

#[test]
fn a_broker_that_is_not_there_or_wants_nobody_is_exit_code_3_and_a_wrong_argument_2() {
    let url = format!("mqtt://127.0.0.1:{}", free_port());
    let output = watch(&[&url, "--park", "east", "--check"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(3), 0),
        "{told}"
    );
    assert!(told.contains("refused"), "{told}");

    let broker =
        Mosquitto::with(|port| format!("listener {port} 127.0.0.1\nallow_anonymous false\n"));
    let url = broker.url();
    let mut command = watch(&[&url, "--park", "east", "--user", "li"]);
    let output = command.env("FENGSUI_PASSWORD", "hunter2").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("the broker refuses the connection"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");

    for wrong in [
        &["127.0.0.1:1883", "--park", "east"][..],
        &[&url, "--park", "East"],
        &[&url, "--park", "east", "--for", "5"],
        &[&url, "--park", "east", "--user", "li"],
        &["mqtts://127.0.0.1", "--park", "east"],
        &[&url],
    ] {
        let output = watch(wrong).output().unwrap();
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(2), 0),
            "{wrong:?}"
        );
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
}

#[test]
fn who_has_read_enough_ends_it_without_a_word() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let mut command = watch(&[&broker.url(), "--park", "east"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    // The next line finds nobody.
    plant.set(1, 65);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// The words of the problems of a summary.
fn words(summary: &Value) -> Vec<&str> {
    let problems = summary["problems"].as_array().expect("a list").iter();
    problems
        .map(|problem| problem["problem"].as_str().expect("a word"))
        .collect()
}
