//! People who act with tokens of their own at a running gateway: what regulators, the log and a restart know of who it was, and that no token is anywhere.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::{Mosquitto, Watch, program};

use crate::plant::{Plant, hot};

const LI: &str = "the-word-of-li";
const ZHANG: &str = "the-word-of-zhang";
const CHEN: &str = "the-word-of-chen";
const STRANGER: &str = "the-word-of-a-stranger";

/// What the gateway has of people: one's token in a file, those of two in the environment.
const PEOPLE: &str = r#"[[http.person]]
name = "li.wei"
token_file = "li.token"
[[http.person]]
name = "zhang.min"
token_env = "ZHANG"
[[http.person]]
name = "chen"
token_env = "CHEN"
"#;

/// Its environment.
const ENV: [(&str, &str); 2] = [("ZHANG", ZHANG), ("CHEN", CHEN)];

/// A plant where three people may act.
fn plant_of_three(broker: &str) -> Plant {
    let mut plant = Plant::start(broker);
    plant.stop_gateway();
    for (name, token) in [("li", LI), ("zhang", ZHANG), ("stranger", STRANGER)] {
        // With the line's end that an editor leaves.
        fs::write(plant.path(&format!("{name}.token")), format!("{token}\n")).unwrap();
    }
    let changes = [("token_env = \"FENGSUI_TOKEN\"\n", PEOPLE)];
    plant.rewrite("gateway.toml", "gateway.toml", &changes);
    start(&mut plant);
    plant
}

/// Starts its gateway, which says all it can.
fn start(plant: &mut Plant) {
    plant.start_gateway_with(&[&ENV[..], &[("RUST_LOG", "trace")]].concat());
}

/// What the commands said, to be searched for tokens.
#[derive(Default)]
struct Shift {
    said: String,
}

impl Shift {
    /// Runs a command beside the plant's files: its exit code, and what it said.
    fn runs(&mut self, plant: &Plant, words: &[&str], env: &[(&str, &str)]) -> (i32, String) {
        let mut command = program("fengsui");
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .env_remove("FENGSUI_TOKEN")
            .env_remove("FENGSUI_SECOND_TOKEN")
            .args(words)
            .envs(env.iter().copied())
            .current_dir(plant.path(""))
            .output()
            .unwrap();
        let said = String::from_utf8([stdout, stderr].concat()).unwrap();
        self.said.push_str(&said);
        (status.code().unwrap(), said)
    }

    /// Somebody acts on the first probe's alarm.
    fn acts(&mut self, plant: &Plant, words: &str, env: &[(&str, &str)]) -> (i32, String) {
        let (url, alarm) = (plant.gateway().url(), hot(1));
        let mut words = words.split(' ');
        let verb = words.next().unwrap();
        let mut all = vec!["alarms", verb, &alarm, "--gateway", &url];
        all.extend(words);
        self.runs(plant, &all, env)
    }

    #[track_caller]
    fn does(&mut self, plant: &Plant, words: &str, env: &[(&str, &str)], answer: &str) {
        let told = self.acts(plant, words, env);
        assert_eq!(told, (0, format!("hall/t-1/hot: {answer}\n")), "{words}");
    }

    /// It ends with 1 and the reason, and the gateway's log says who was refused what, and why.
    #[track_caller]
    fn is_refused(
        &mut self,
        plant: &Plant,
        words: &str,
        env: &[(&str, &str)],
        why: &str,
        who: &str,
    ) {
        let (code, told) = self.acts(plant, words, env);
        assert!(code == 1 && told.contains(why), "{words}: {code} {told}");
        let line = plant.gateway().log_line("an act is refused");
        let verb = words.split(' ').next().unwrap();
        let verb = format!("verb=\"{verb}\" alarm=\"hall/t-1/hot\" why=\"");
        // Without the status.
        let why = why.split(": ").last().unwrap();
        for part in ["WARN", who, "from=127.0.0.1:", &verb, why] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

#[test]
fn who_acts_is_who_has_the_token_and_two_persons_are_two_tokens() {
    let broker = Mosquitto::start();
    let mut plant = plant_of_three(&broker.url());
    let watch = Watch::start(&broker.url(), "east");
    watch.hears_known();
    let one = hot(1);
    plant.makes_an_event(|plant| plant.set(1, 65));
    let mut shift = Shift::default();

    // One person: nobody else by a name, and nobody at all by a token that nobody has.
    let li = "--token-file li.token";
    shift.is_refused(
        &plant,
        &format!("ack {li} --by zhang.min"),
        &[],
        "403 Forbidden: the token is that of `li.wei`, expected that name in `by`, or none",
        "by=\"li.wei\" said=\"zhang.min\"",
    );
    shift.is_refused(
        &plant,
        "ack --token-file stranger.token --by li.wei",
        &[],
        "401 Unauthorized: expected the bearer token of a person",
        "refused said=\"li.wei\"",
    );
    let (code, told) = shift.acts(&plant, "ack --json --token-file stranger.token", &[]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (code, &told["ok"], told.get("by")),
        (1, &json!(false), None)
    );
    plant.gateway().log_line("an act is refused");
    shift.does(&plant, &format!("ack {li}"), &[], "ack by li.wei");
    assert_eq!(watch.hears_event(&one, "acked")["by"], "li.wei");
    // What the life cycle refuses leaves the same trace.
    shift.is_refused(
        &plant,
        &format!("ack {li}"),
        &[],
        "already acknowledged",
        "by=\"li.wei\"",
    );
    let zhang = ("FENGSUI_TOKEN", ZHANG);

    // Two persons: each by their own token.
    let out = "out-of-service --for 8h --ticket W-17 --comment new-cell --token-file li.token";
    let (code, told) = shift.acts(&plant, out, &[]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("--second-token-file FILE"), "{told}");
    let with = |second: &str| format!("{out} {second}");
    shift.is_refused(
        &plant,
        &with("--second zhang.min"),
        &[],
        "403 Forbidden: the second person is only named",
        "by=\"li.wei\"",
    );
    shift.is_refused(
        &plant,
        &with("--second-token-file li.token"),
        &[],
        "403 Forbidden: both tokens are those of `li.wei`",
        "by=\"li.wei\"",
    );
    shift.is_refused(
        &plant,
        &with("--second zhang.min --second-token-file stranger.token"),
        &[],
        "401 Unauthorized: the second token is nobody's",
        "by=\"li.wei\"",
    );
    shift.is_refused(
        &plant,
        &with("--second wang --second-token-file zhang.token"),
        &[],
        "403 Forbidden: the second token is that of `zhang.min`",
        "by=\"li.wei\"",
    );
    shift.does(
        &plant,
        &with("--second-token-file zhang.token"),
        &[],
        "out-of-service by li.wei with zhang.min",
    );
    let told = watch.hears_event(&one, "out-of-service");
    let agreed = "work order W-17; with zhang.min; new-cell";
    assert_eq!(
        (&told["by"], &told["comment"]),
        (&json!("li.wei"), &json!(agreed))
    );

    let metrics = plant.gateway().get("/metrics");
    let refused = metrics
        .lines()
        .find(|line| line.starts_with("gateway_acts_refused"));
    assert_eq!(refused, Some("gateway_acts_refused_total 8"));

    // A kill forgets neither of them.
    shift.said.push_str(&plant.gateway().said());
    plant.kill_gateway();
    start(&mut plant);
    let (code, explained) = shift.runs(&plant, &["rules", "explain", "gateway.toml", &one], &[]);
    assert_eq!(code, 0, "{explained}");
    let line = format!(" out-of-service by li.wei → I: {agreed}\n");
    assert!(explained.contains(&line), "{explained}");
    shift.does(
        &plant,
        "in-service --by zhang.min",
        &[zhang],
        "in-service by zhang.min",
    );
    let told = watch.hears_event(&one, "in-service");
    assert_eq!(told["by"], "zhang.min");
    // Both tokens out of the environment, and an answer for programs.
    let out = "out-of-service --for 8h --ticket W-18 --comment new-cell --json";
    let both = [("FENGSUI_SECOND_TOKEN", LI), zhang];
    let (code, told) = shift.acts(&plant, out, &both);
    let expected = json!({"ok": true, "alarm": one, "verb": "out-of-service", "by": "zhang.min", "second": "li.wei"});
    assert_eq!(
        (code, serde_json::from_str(&told).ok()),
        (0, Some(expected))
    );

    let (code, told) = shift.runs(&plant, &["check", "gateway.toml"], &ENV);
    assert_eq!(code, 0, "{told}");
    let who = "\nwho may act: li.wei, zhang.min, chen\n";
    assert!(told.contains(who), "{told}");
    let check = ["check", "gateway.toml", "--json"];
    let (_, told) = shift.runs(&plant, &check, &ENV);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told["config"]["people"],
        json!(["li.wei", "zhang.min", "chen"])
    );
    for path in ["/metrics", "/api/v1/status", "/api/v1/alarms"] {
        shift.said.push_str(&plant.gateway().get(path));
    }
    shift.said.push_str(&plant.gateway().said());
    let (code, summary) = watch.end();
    assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");

    plant.stop_gateway();

    // No token was told to anybody, or is on the disk but where it was put.
    assert!(shift.said.contains("TRACE"), "{}", shift.said);
    let mut search = Command::new("grep");
    let found = search.args(["-rFq", "zhang.min"]).arg(plant.path("data"));
    assert_eq!(found.status().unwrap().code(), Some(0));
    for token in [LI, ZHANG, CHEN, STRANGER] {
        let line = shift.said.lines().find(|line| line.contains(token));
        assert_eq!(line, None);
        let mut search = Command::new("grep");
        let found = search.args(["-rF", token]).arg(plant.path("data"));
        assert_eq!(found.status().unwrap().code(), Some(1), "{token}");
    }
}
