//! Looking back: why an alarm is as it is, and what other rules would have made of the same log, beside a running gateway.

use serde_json::{Value, json};
use support::{Mosquitto, Watch, program};

use crate::plant::{Plant, hot};

/// Runs `fengsui rules …` on the plant's file: the exit code and what it said.
fn rules(plant: &Plant, verb: &str, words: &[&str]) -> (i32, String) {
    let output = program("fengsui")
        .args(["rules", verb, "gateway.toml"])
        .args(words)
        .current_dir(plant.path(""))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

fn explain(plant: &Plant, words: &[&str]) -> Value {
    let (code, said) = rules(plant, "explain", &[words, &["--json"]].concat());
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn why_an_alarm_is_active_is_told_while_the_gateway_runs_and_after_it_was_killed() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let watch = Watch::start(&broker.url(), "east");
    watch.hears_known();
    plant.set(1, 65);
    watch.hears_event(&hot(1), "raised");
    // Who acts is answered when it is on disk, and so is all before it.
    plant.acknowledge(1);
    let told = explain(&plant, &[&hot(1)]);
    let alarm = &told["alarms"][0];
    assert_eq!(
        (&alarm["id"], &alarm["letter"], &alarm["level"]),
        (&json!(hot(1)), &json!("C"), &json!("warn"))
    );
    assert_eq!(
        (&alarm["value"]["answer"], &alarm["value"]["quality"]),
        (&json!(65.0), &json!("good"))
    );
    let stages: Vec<&Value> = alarm["levels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|level| &level["stage"])
        .collect();
    assert_eq!(stages, ["on", "off"]);
    let events: Vec<(&Value, &Value)> = alarm["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (&event["event"], &event["by"]))
        .collect();
    assert_eq!(
        events,
        [
            (&json!("raised"), &Value::Null),
            (&json!("acked"), &json!("li"))
        ]
    );
    let raised = alarm["events"][0]["at"].as_str().unwrap();
    assert_eq!(alarm["levels"][0]["condition"]["since"], raised);
    let begin = told["from"].as_str().unwrap();

    // Before it was raised it was normal; before the log began nobody can tell.
    let before = explain(&plant, &[&hot(1), "--at", begin]);
    assert_eq!(before["alarms"][0]["letter"], "A");
    let (code, said) = rules(
        &plant,
        "explain",
        &[&hot(1), "--at", "2020-01-01T00:00:00Z"],
    );
    assert_eq!(
        (code, said),
        (
            3,
            format!("the log does not reach back so far: it begins at {begin}\n")
        )
    );
    let (code, said) = rules(&plant, "explain", &["hall/t-9/hot"]);
    assert!(
        code == 1 && said.starts_with("no alarm `hall/t-9/hot`"),
        "{said}"
    );

    // A point tells of all that read it, in words too.
    plant.kill_gateway();
    let (code, said) = rules(&plant, "explain", &["hall/t-1"]);
    assert_eq!(code, 0, "{said}");
    for part in [
        "hall/t-1/hot  C active-acked at warn  ",
        "hall/t-1/sys.quality  A normal  ",
        "    hall/t-1: 65 °C, good of ",
        "  warn: on\n    >= 60 °C, to stay on: true, since ",
        "  stop: off\n    >= 80 °C: false, ",
        " acked by li → C\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_other_rules_would_have_made_of_the_log_is_told_without_a_word_to_the_gateway() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let watch = Watch::start(&broker.url(), "east");
    watch.hears_known();
    plant.set(1, 65);
    watch.hears_event(&hot(1), "raised");
    plant.set(1, 20);
    watch.hears_event(&hot(1), "returned");
    plant.restart_gateway();
    plant.set(2, 57);
    plant.set(3, 90);
    watch.hears_event(&hot(3), "raised");
    plant.set(3, 20);
    // By now the second probe has been read too.
    watch.hears_event(&hot(3), "returned");
    plant.acknowledge(3);
    let seq = plant.seq();

    let (code, said) = rules(&plant, "replay", &["--rules", "heat.toml"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("raised 2, with these rules 2; 0 added, 0 removed, 0 moved, 2 the same"),
        "{said}"
    );

    // What is asked of a time before the log is no result of nothing: it is said.
    let early = ["--rules", "heat.toml", "--from", "2020-01-01T00:00:00Z"];
    let (code, said) = rules(&plant, "replay", &early);
    assert_eq!(code, 0, "{said}");
    let note = "nothing is kept of 2020-01-01T00:00:00.000Z: the log begins at ";
    assert!(said.contains(note), "{said}");

    plant.rewrite("heat.toml", "strict.toml", &[("60 °C", "55 °C")]);
    plant.rewrite("heat.toml", "lax.toml", &[("60 °C", "70 °C")]);
    let differences = |name: &str| -> Vec<(Value, Value)> {
        let (code, said) = rules(&plant, "replay", &["--rules", name, "--json"]);
        assert_eq!(code, 1, "{said}");
        let told: Value = serde_json::from_str(&said).unwrap();
        let all = told["differences"].as_array().unwrap();
        all.iter()
            .map(|it| (it["what"].clone(), it["alarm"].clone()))
            .collect()
    };
    assert_eq!(
        differences("strict.toml"),
        [(json!("added"), json!(hot(2)))]
    );
    assert_eq!(differences("lax.toml"), [(json!("removed"), json!(hot(1)))]);
    let (_, said) = rules(&plant, "replay", &["--rules", "strict.toml"]);
    assert!(said.contains("added  hall/t-2/hot"), "{said}");

    plant.rewrite("heat.toml", "wrong.toml", &[("60 °C", "60 °CC")]);
    let (code, said) = rules(&plant, "replay", &["--rules", "wrong.toml"]);
    assert!(
        code == 2 && said.starts_with("wrong.toml:8:30: rule[0].high[0].at: `°CC` is no unit"),
        "{said}"
    );
    assert_eq!(plant.seq(), seq);
}
