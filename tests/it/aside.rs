//! Putting alarms aside at a running gateway: what the operator gets, what a regulator hears, and that a restart forgets none of it.

use std::fs;

use serde_json::{Value, json};
use support::{Mosquitto, Watch, program};

use crate::plant::{Plant, TOKEN, hot};

/// Runs `fengsui alarms …` at the plant's gateway: the exit code and what it said.
fn alarms(plant: &Plant, words: &[&str]) -> (i32, String) {
    let output = program("fengsui")
        .arg("alarms")
        .args(words)
        .args(["--gateway", &plant.gateway().url()])
        .env("FENGSUI_TOKEN", TOKEN)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

#[track_caller]
fn done(plant: &Plant, words: &[&str]) {
    let (code, said) = alarms(plant, words);
    assert_eq!(code, 0, "{words:?}: {said}");
}

#[track_caller]
fn refused(plant: &Plant, words: &[&str], code: i32, why: &str) {
    let told = alarms(plant, words);
    assert!(
        told.0 == code && told.1.contains(why),
        "{words:?}: {told:?}"
    );
}

/// The state of a probe's alarm.
fn state(plant: &Plant, probe: u8) -> Value {
    let (code, said) = alarms(plant, &["list", "--json"]);
    assert_eq!(code, 0, "{said}");
    let states: Vec<Value> = serde_json::from_str(&said).unwrap();
    let found = states.into_iter().find(|state| state["id"] == hot(probe));
    found.expect("not normal")
}

#[test]
fn what_people_put_aside_is_heard_by_a_regulator_and_outlives_a_kill() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let watch = Watch::start(&broker.url(), "east");
    watch.hears_known();
    let one = hot(1);
    let by = ["--by", "li"];
    let with = |words: &[&'static str]| {
        let mut all = vec![words[0], "hall/t-1/hot"];
        all.extend(&words[1..]);
        all.extend(by);
        all
    };
    plant.makes_an_event(|plant| plant.set(1, 65));

    // Shelved: refused when for too long, told to the regulator, kept over a kill.
    refused(
        &plant,
        &with(&["shelve", "--comment", "span gas"]),
        2,
        "--for",
    );
    refused(&plant, &with(&["shelve", "--for", "2h"]), 2, "--comment");
    refused(
        &plant,
        &with(&["shelve", "--for", "2h", "--comment", " "]),
        1,
        "no reason is given",
    );
    refused(
        &plant,
        &with(&["shelve", "--for", "2 days", "--comment", "span gas"]),
        2,
        "is no duration",
    );
    refused(
        &plant,
        &with(&["shelve", "--for", "9h", "--comment", "span gas"]),
        1,
        "expected at most 480 min",
    );
    done(
        &plant,
        &with(&["shelve", "--for", "2h", "--comment", "span gas"]),
    );
    let shelved = watch.hears_event(&one, "shelved");
    assert_eq!(
        (&shelved["letter"], &shelved["by"], &shelved["comment"]),
        (&json!("G"), &json!("li"), &json!("span gas"))
    );
    plant.kill_gateway();
    plant.start_gateway();
    let kept = state(&plant, 1);
    assert_eq!(kept["letter"], "G");
    assert_eq!(kept["shelved_by"], "li");
    assert!(kept["shelved_until"].as_str() > kept["changed_at"].as_str());
    let (_, list) = alarms(&plant, &[]);
    assert!(list.contains("shelved, li until "), "{list}");
    // Who asks why it is quiet is told who put it aside, why, and until when.
    let explained = program("fengsui")
        .args(["rules", "explain", "gateway.toml", &one])
        .current_dir(plant.path(""))
        .output()
        .unwrap();
    let explained = String::from_utf8(explained.stdout).unwrap();
    let until = kept["shelved_until"].as_str().unwrap();
    for part in [
        format!("  on the shelf until {until}\n"),
        " shelved by li → G: span gas\n".to_owned(),
    ] {
        assert!(explained.contains(&part), "{part}: {explained}");
    }
    // What happens meanwhile is told, and stands when it is taken back.
    plant.makes_an_event(|plant| plant.set(1, 85));
    assert_eq!(watch.hears_event(&one, "level-up")["letter"], "G");
    done(&plant, &with(&["unshelve"]));
    assert_eq!(watch.hears_event(&one, "unshelved")["letter"], "B");
    refused(&plant, &with(&["unshelve"]), 1, "not shelved");

    // Silence is apart from acknowledge.
    done(&plant, &with(&["silence"]));
    assert_eq!(watch.hears_event(&one, "silenced")["letter"], "B");
    assert_eq!(state(&plant, 1)["silenced"], true);
    refused(&plant, &with(&["silence"]), 1, "already silenced");

    // Out of service: two persons, a work order, an end.
    let out = [
        "out-of-service",
        "--for",
        "8h",
        "--ticket",
        "W-17",
        "--comment",
        "new cell",
        "--second",
    ];
    refused(
        &plant,
        &with(&[&out[..], &["li"]].concat()),
        1,
        "second person",
    );
    done(&plant, &with(&[&out[..], &["zhang"]].concat()));
    let told = watch.hears_event(&one, "out-of-service");
    assert_eq!(
        (&told["letter"], &told["comment"]),
        (&json!("I"), &json!("work order W-17; with zhang; new cell"))
    );
    done(&plant, &with(&["ack"]));
    assert_eq!(watch.hears_event(&one, "acked")["letter"], "I");
    plant.restart_gateway();
    assert_eq!(state(&plant, 1)["letter"], "I");
    done(&plant, &with(&["in-service"]));
    assert_eq!(watch.hears_event(&one, "in-service")["letter"], "C");

    // A test marks its own alarm and no other.
    let two = ["test", "hall/t-2/hot", "--by", "li", "--for", "10min"];
    done(&plant, &[&two[..], &["--comment", "bump test"]].concat());
    assert_eq!(watch.hears_event(&hot(2), "test-begun")["test"], true);
    plant.makes_an_event(|plant| plant.set(2, 65));
    assert_eq!(watch.hears_event(&hot(2), "raised")["test"], true);
    plant.makes_an_event(|plant| plant.set(3, 65));
    assert_eq!(watch.hears_event(&hot(3), "raised")["test"], false);
    done(&plant, &["test-end", "hall/t-2/hot", "--by", "li"]);
    assert_eq!(watch.hears_event(&hot(2), "test-ended")["test"], false);
    done(
        &plant,
        &[
            "comment",
            "hall/t-2/hot",
            "--by",
            "li",
            "--comment",
            "bump test done",
        ],
    );
    assert_eq!(
        watch.hears_event(&hot(2), "comment")["comment"],
        "bump test done"
    );

    let (code, summary) = watch.end();
    assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
}

#[test]
fn a_stopped_unit_suppresses_its_alarms_by_the_rules_own_reason() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    plant.stop_gateway();
    let suppress = "suppress = [{ while = \"'hall/t-3' >= 90 °C\", reason = \"being-dried\", hold_off = \"1s\" }]\nre_alarm = \"30min\"\n";
    let rules = fs::read_to_string(plant.path("heat.toml")).unwrap();
    fs::write(plant.path("heat.toml"), format!("{rules}{suppress}")).unwrap();
    plant.set(3, 95);
    plant.start_gateway();
    let watch = Watch::start(&broker.url(), "east");
    watch.hears_known();
    plant.makes_an_event(|plant| plant.set(1, 65));
    let raised = watch.hears_event(&hot(1), "raised");
    assert_eq!(
        (&raised["letter"], &raised["suppressed_by"]),
        (&json!("H"), &json!(["being-dried"]))
    );
    plant.set(3, 20);
    let back = watch.hears_event(&hot(1), "unsuppressed");
    assert_eq!(
        (&back["letter"], &back["comment"], back.get("suppressed_by")),
        (&json!("B"), &json!("being-dried"), None)
    );
    let (code, summary) = watch.end();
    assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
}
