//! `fengsui status` and `fengsui alarms` against the served API of a gateway whose core is played here.

use std::process::Output;
use std::sync::{Arc, Mutex};

use gateway::config::{Access, Secret};
use gateway::http::{Act, Api, Ask, Counter, DatabaseView, NodeView, OutputView, Status, serve};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;

const LATCHED: &str = r#"{"id":"farm/gt-1/gas","occurrence":3,"letter":"E","state":"latched-unacked","unknown":false,"changed_at":"2026-11-22T08:00:00.000Z","severity":700,"level":"L2","colour":"orange","value":12.5,"unit":"%LEL","text":{"zh":"可燃气体","en":"GT-1: combustible gas 12.5 %LEL"}}"#;
const UNKNOWN: &str = r#"{"id":"-/gw/sys.clock","occurrence":1,"letter":"C","state":"active-acked","unknown":true,"changed_at":"2026-11-22T07:00:00.000Z","acked_by":"li.wei","later":"words are ignored"}"#;
const RED: &str = r#"{"id":"pond/-/roll-up","occurrence":1,"letter":"B","state":"active-unacked","unknown":false,"changed_at":"2026-11-22T09:00:00.000Z","severity":900,"level":"red","colour":"red"}"#;

/// A gateway that refuses every reset, and keeps what was done.
struct Gateway {
    url: String,
    done: Arc<Mutex<Vec<Act>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gateway {
    /// One that whoever has the one token may act at.
    async fn start(alarms: &'static [&'static str]) -> Self {
        Self::start_for(Access::Anybody(Secret::new("let me in")), alarms).await
    }

    async fn start_for(access: Access, alarms: &'static [&'static str]) -> Self {
        let (asks, mut questions) = mpsc::channel(8);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let api = Api {
            asks,
            access,
            metrics: Arc::new(String::new),
        };
        let done = Arc::new(Mutex::new(Vec::new()));
        let acts = Arc::clone(&done);
        let core = async move {
            while let Some(question) = questions.recv().await {
                match question {
                    Ask::Status(reply) => drop(reply.send(status())),
                    Ask::Alarms(reply) => {
                        drop(reply.send(alarms.iter().map(|it| (*it).to_owned()).collect()));
                    }
                    Ask::Events(_, reply) => drop(reply.send(Vec::new())),
                    Ask::Act(act, reply) => {
                        let answer = match act.verb.as_str() {
                            "ack" => Ok(()),
                            _ => Err("it is still active".to_owned()),
                        };
                        acts.lock().expect("no panic").push(act);
                        drop(reply.send(answer));
                    }
                }
            }
        };
        let server = serve(listener, api, std::future::pending());
        #[allow(clippy::disallowed_methods, reason = "a test's server")]
        let task = tokio::spawn(async move { drop(tokio::join!(server, core)) });
        Self { url, done, task }
    }

    /// Runs `fengsui` against it, with the right token in the environment.
    async fn run(&self, args: &[&str]) -> (i32, String, String) {
        fengsui(args, &self.url, Some("let me in")).await
    }
}

async fn fengsui(args: &[&str], url: &str, token: Option<&str>) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fengsui"));
    command.args(args).args(["--gateway", url]);
    command.env_remove("FENGSUI_TOKEN");
    if let Some(token) = token {
        command.env("FENGSUI_TOKEN", token);
    }
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().await.expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (
        status.code().expect("no signal"),
        text(stdout),
        text(stderr),
    )
}

fn status() -> Status {
    Status {
        gateway: "gw-1".into(),
        site: "east/acme".into(),
        version: "0.1.0".into(),
        config_hash: "c0ffee".into(),
        epoch: "01J".into(),
        seq: 42,
        connected: true,
        alarm_state: "known".into(),
        alarms: 2,
        log_end: 900,
        log_durable: 860,
        disk: String::new(),
        database: Some(DatabaseView {
            fault: "Connection refused".into(),
            behind: 300,
        }),
        nodes: vec![NodeView {
            node: "edge-1".into(),
            state: "online".into(),
            last: "3:70".into(),
            missing: 1,
        }],
        outputs: vec![OutputView {
            output: "yard/fan".into(),
            on: true,
            since: "2026-11-27T08:00:00.000Z".into(),
            alarm: "yard/gt-1/gas".into(),
            shown: "failed".into(),
        }],
        counters: vec![Counter {
            name: "dead letters: unknown point".into(),
            count: 4,
        }],
    }
}

#[tokio::test]
async fn the_status_tells_what_is_connected_behind_and_dropped() {
    let gateway = Gateway::start(&[]).await;
    let (code, told, complaints) = gateway.run(&["status"]).await;
    assert_eq!((code, complaints.as_str()), (0, ""));
    assert_eq!(
        told,
        "gw-1 of east/acme, version 0.1.0\n\
         broker:        connected\n\
         alarms:        2 not normal, known\n\
         events:        42 in epoch 01J\n\
         log:           900 bytes, 40 not on disk yet\n\
         database:      300 bytes behind: Connection refused\n\
         configuration: c0ffee\n\
         \n\
         node    state   last pack  missing\n\
         edge-1  online  3:70       1\n\
         \n\
         output    to be  is      since                     for\n\
         yard/fan  on     failed  2026-11-27T08:00:00.000Z  yard/gt-1/gas\n\
         \n\
         since the start              count\n\
         dead letters: unknown point  4\n"
    );
    let (code, told, _) = gateway.run(&["status", "--json"]).await;
    let told: Status = serde_json::from_str(&told).expect("a status");
    assert_eq!((code, told), (0, status()));
}

#[tokio::test]
async fn the_list_begins_with_the_most_severe_alarm_and_has_no_colour_codes_off_a_terminal() {
    let gateway = Gateway::start(&[LATCHED, UNKNOWN, RED]).await;
    let (code, told, _) = gateway.run(&["alarms", "list"]).await;
    assert_eq!(code, 0);
    assert!(!told.contains('\x1b'), "{told:?}");
    let rows: Vec<&str> = told.lines().collect();
    assert_eq!(
        rows,
        [
            "   level  colour  state                          alarm           nr  value      since (UTC)          what",
            "B  red    red     active-unacked                 pond/-/roll-up  1   –          2026-11-22 09:00:00",
            "E  L2     orange  latched-unacked                farm/gt-1/gas   3   12.5 %LEL  2026-11-22 08:00:00  GT-1: combustible gas 12.5 %LEL",
            "C  –      –       active-acked, unknown, li.wei  -/gw/sys.clock  1   –          2026-11-22 07:00:00",
        ]
    );
    let (_, told, _) = gateway.run(&["alarms", "list", "--json"]).await;
    assert_eq!(told, format!("[{LATCHED},{UNKNOWN},{RED}]\n"));
    let quiet = Gateway::start(&[]).await;
    assert_eq!(quiet.run(&["alarms", "list"]).await.1, "no alarm\n");
}

#[tokio::test]
async fn an_acknowledgement_says_who_what_and_which_occurrence() {
    let gateway = Gateway::start(&[]).await;
    let verb = ["alarms", "ack", "-/gw/sys.clock", "--by", "李伟"];
    let words = ["--comment", "seen", "--occurrence", "3"];
    let (code, told, complaints) = gateway
        .run(&[verb.as_slice(), words.as_slice()].concat())
        .await;
    assert_eq!((code, complaints.as_str()), (0, ""));
    assert_eq!(told, "-/gw/sys.clock: ack by 李伟\n");
    let act = Act {
        verb: "ack".into(),
        alarm: "-/gw/sys.clock".into(),
        occurrence: Some(3),
        by: "李伟".into(),
        comment: "seen".into(),
        ..Act::default()
    };
    assert_eq!(*gateway.done.lock().expect("no panic"), [act]);
}

#[tokio::test]
async fn a_refusal_ends_with_1_and_its_reason() {
    let gateway = Gateway::start(&[]).await;
    let reset = ["alarms", "reset", "farm/gt-1/gas", "--by", "li.wei"];
    let (code, told, why) = gateway.run(&reset).await;
    assert_eq!((code, told.as_str()), (1, ""));
    assert_eq!(
        why,
        "the gateway answers 409 Conflict: it is still active\n"
    );
    let (code, _, why) = fengsui(&reset, &gateway.url, Some("guess")).await;
    assert_eq!(code, 1);
    assert!(
        why.contains("bearer token") && !why.contains("guess"),
        "{why}"
    );
    assert_eq!(gateway.done.lock().expect("no panic").len(), 1);
}

#[tokio::test]
async fn wrong_arguments_end_with_2_before_anything_is_asked() {
    let gateway = Gateway::start(&[]).await;
    for wrong in [
        &["alarms", "ack", "farm/gt-1", "--by", "li.wei"][..],
        &["alarms", "ack", "farm/gt-1/gas/x", "--by", "li.wei"],
        &["alarms", "ack", "farm/../gas", "--by", "li.wei"],
        &[
            "alarms",
            "ack",
            "farm/gt-1/gas",
            "--by",
            "li.wei",
            "--token",
            "let me in",
        ],
    ] {
        let (code, told, _) = gateway.run(wrong).await;
        assert_eq!((code, told.as_str()), (2, ""), "{wrong:?}");
    }
    // One token for all says nobody's name.
    let (code, told, why) = gateway.run(&["alarms", "ack", "farm/gt-1/gas"]).await;
    assert_eq!((code, told.as_str()), (2, ""));
    assert!(why.contains("nobody says who acts"), "{why}");
    let ack = ["alarms", "ack", "farm/gt-1/gas", "--by", "li.wei"];
    let (code, _, why) = fengsui(&ack, &gateway.url, None).await;
    assert_eq!(code, 2);
    assert!(why.contains("FENGSUI_TOKEN"), "{why}");
    assert!(gateway.done.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_gateway_that_is_away_ends_with_3() {
    // A port that was ours a moment ago and that nobody listens on.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    for command in [&["status"][..], &["alarms", "list"]] {
        let (code, told, why) = fengsui(command, &url, None).await;
        assert_eq!((code, told.as_str()), (3, ""));
        assert!(
            why.starts_with(&format!("no gateway answers at {url}/: ")),
            "{why}"
        );
    }
}
