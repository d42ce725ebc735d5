//! Who comes in at the shipped broker, who does not, and what each is told: certificates, passwords, access list.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use support::{Authority, Identity, Message, Mosquitto, Process, Shipped, Subscriber, program};

use super::site::PATIENCE;
use super::trial::Trial;

/// Where everything of the site is.
const SITE: &str = "fengsui/v1/east-park/acme-chem";

/// A trial whose gateway and node come in with these certificates.
fn mutual(broker: &Shipped, gateway: &Identity, node: &Identity) -> Trial {
    let tables = [gateway, node].map(|identity| broker.mutual_table(identity));
    Trial::new(&tables[0], &tables[1], "")
}

/// `fengsui watch` at this URL, with what else it needs.
fn watch(url: &str, ca: &Path, more: &[String], password: &str) -> Process {
    let mut command = program("fengsui");
    command.args(["watch", url, "--park", "east-park", "--for", "1s", "--ca"]);
    command.arg(ca).args(more).env("FENGSUI_PASSWORD", password);
    Process::start(&mut command)
}

/// What a certificate is to `fengsui watch`.
fn certificate(Identity { certificate, key }: &Identity) -> Vec<String> {
    let (certificate, key) = (certificate.display(), key.display());
    [
        "--certificate",
        &certificate.to_string(),
        "--key",
        &key.to_string(),
    ]
    .map(str::to_owned)
    .into()
}

fn as_regulator() -> Vec<String> {
    ["--user", "regulator"].map(str::to_owned).into()
}

#[test]
fn gateway_node_and_watch_come_in_with_certificates_and_with_passwords() {
    let broker = Shipped::start();
    let by_certificate = mutual(
        &broker,
        &broker.authority.client("gw-1"),
        &broker.authority.client("edge-pond"),
    );
    let by_password = Trial::new(
        &broker.login_table("gw-1", "password_file = \"secret\""),
        &broker.login_table("edge-pond", "password_env = \"NODE_PASSWORD\""),
        "",
    );
    by_password.write("secret", &format!("{}\n", Shipped::password("gw-1")));
    let regulator = broker.authority.client("regulator");
    let ca = broker.authority.ca();
    for (trial, url, more) in [
        (by_certificate, broker.mutual_url(), certificate(&regulator)),
        (by_password, broker.url(), as_regulator()),
    ] {
        let gateway = trial.gateway(&[]);
        let node = trial.node(&[("NODE_PASSWORD", &Shipped::password("edge-pond"))]);
        gateway.wait_for("the node at the gateway", PATIENCE, |status| {
            let node = &status["nodes"][0];
            let has_sent = node["last"].as_str().is_some_and(|last| !last.is_empty());
            status["alarm_state"] == "known" && node["state"] == "online" && has_sent
        });
        let mut watch = watch(&url, &ca, &more, &Shipped::password("regulator"));
        assert_eq!(watch.wait(), Some(0), "{}", watch.said());
        assert!(
            watch.said().contains("gateway gw-1: known"),
            "{}",
            watch.said()
        );
        drop(node);
    }
}

#[test]
fn the_certificates_of_the_shipped_script_are_what_a_broker_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/broker/certificates.sh");
    // The second run adds one more, from the same authority.
    for users in [&["gw-1", "edge-pond"][..], &["regulator"]] {
        let mut command = Command::new(&script);
        let command = command.arg("localhost").args(users);
        let made = command.current_dir(folder.path()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    }
    let certs = folder.path().join("certs");
    let file = |name: &str| certs.join(name);
    for name in ["ca.key", "gw-1.key", "regulator.key"] {
        let mode = fs::metadata(file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    // Mosquitto gives up being root before it reads these.
    for (path, mode) in [
        (folder.path(), 0o755),
        (&certs, 0o755),
        (&file("server.key"), 0o644),
    ] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let broker = Mosquitto::with(|port| {
        let (ca, server) = (file("ca.pem"), file("server"));
        let (ca, server) = (ca.display(), server.display());
        format!(
            "listener {port} 127.0.0.1\ncafile {ca}\ncertfile {server}.pem\nkeyfile {server}.key\nrequire_certificate true\nuse_identity_as_username true\n"
        )
    });
    let url = format!("mqtts://localhost:{}", broker.port());
    for user in ["gw-1", "edge-pond", "regulator"] {
        let identity = Identity {
            certificate: file(&format!("{user}.pem")),
            key: file(&format!("{user}.key")),
        };
        let mut watch = watch(&url, &file("ca.pem"), &certificate(&identity), "");
        assert_eq!(watch.wait(), Some(0), "{}", watch.said());
        broker.log_line(&format!("u'{user}'"));
    }
}

/// Who is refused at the door, and the words that say so.
struct Outsider {
    gateway: String,
    node: String,
    watch: (String, Vec<String>),
    ca: std::path::PathBuf,
    told: &'static str,
}

fn outsiders(broker: &Shipped) -> Vec<Outsider> {
    let stranger = Authority::new("stranger", broker.folder());
    let authority = &broker.authority;
    let (mutual_url, url) = (broker.mutual_url(), broker.url());
    let with = |identity: &dyn Fn(&str) -> Identity, told| Outsider {
        gateway: broker.mutual_table(&identity("gw-1")),
        node: broker.mutual_table(&identity("edge-pond")),
        watch: (mutual_url.clone(), certificate(&identity("regulator"))),
        ca: authority.ca(),
        told,
    };
    let without_certificate = |table: String| {
        let keys = table
            .lines()
            .filter(|line| line.starts_with("url") || line.starts_with("ca "));
        keys.collect::<Vec<_>>().join("\n")
    };
    let known = |name: &str| authority.client(name);
    let own_ca = authority.ca().display().to_string();
    let other_ca = stranger.ca().display().to_string();
    let trusted = with(&known, "");
    let wrong_password = "password_env = \"WRONG\"";
    vec![
        Outsider {
            gateway: trusted.gateway.replace(&own_ca, &other_ca),
            node: trusted.node.replace(&own_ca, &other_ca),
            ca: stranger.ca(),
            told: "TLS: the broker's certificate is not from an authority that we trust",
            ..with(&known, "")
        },
        Outsider {
            gateway: without_certificate(trusted.gateway),
            node: without_certificate(trusted.node),
            watch: (mutual_url.clone(), Vec::new()),
            ca: authority.ca(),
            told: "TLS: the broker asks for a certificate, and we have none",
        },
        with(
            &|name: &str| authority.expired(name),
            "TLS: the broker says that our certificate has expired",
        ),
        with(
            &|name: &str| stranger.client(name),
            "TLS: the broker does not trust the authority of our certificate",
        ),
        Outsider {
            gateway: broker.login_table("gw-1", wrong_password),
            node: broker.login_table("edge-pond", wrong_password),
            watch: (url, as_regulator()),
            ca: authority.ca(),
            told: "the broker refuses the connection: not authorized: a wrong user or password",
        },
    ]
}

#[test]
fn whom_the_broker_does_not_let_in_says_why_and_goes_on() {
    let broker = Shipped::start();
    for outsider in outsiders(&broker) {
        let told = outsider.told;
        let trial = Trial::new(&outsider.gateway, &outsider.node, "");
        let wrong = [("WRONG", "not-the-word")];
        let mut gateway = trial.gateway(&wrong);
        let mut node = trial.node(&wrong);
        let (url, more) = &outsider.watch;
        let mut watch = watch(url, &outsider.ca, more, "not-the-word");
        // A second time: it tries again.
        for _ in 0..2 {
            gateway.log_line(told);
            node.line_with(told, PATIENCE);
        }
        assert!(gateway.get("/healthz").contains("ok"));
        let status = gateway.status();
        assert_eq!(status["connected"], false);
        assert_eq!(status["alarm_state"], "unknown");
        assert_eq!(gateway.stop(), Some(0), "{}", gateway.said());
        assert_eq!(node.terminate(), Some(0), "{}", node.said());
        // What it needs can't be reached.
        assert_eq!(watch.wait(), Some(3));
        assert!(watch.said().contains(told), "{}", watch.said());
    }
}

/// A paho client at the door for certificates, with one for this name.
fn with_certificate(broker: &Shipped, name: &str, filter: &str) -> Subscriber {
    let mut more = broker.mutual_access(name);
    more.extend(["--id".to_owned(), format!("paho-{name}")]);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    Subscriber::start(broker.mutual_port(), "5", &[filter], &more)
}

/// A paho client that is the regulator, with its password.
fn regulator(broker: &Shipped, filter: &str) -> Subscriber {
    let mut more = broker.access("regulator");
    more.extend(["--id", "paho-regulator"].map(str::to_owned));
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    Subscriber::start(broker.broker.port(), "5", &[filter], &more)
}

/// Publishes to topics of the site; each must be answered like this.
#[track_caller]
fn expect(client: &mut Subscriber, answer: &str, topics: &[&str]) {
    for topic in topics {
        let told = client.publish(&format!("{SITE}/{topic}"), "{}");
        assert_eq!(told, answer, "{topic}");
    }
}

/// The topics of the next messages, up to this one.
fn heard(client: &Subscriber, last: &str) -> Vec<String> {
    let mut topics = Vec::new();
    while topics.last().is_none_or(|topic| topic != last) {
        let Message { topic, .. } = client.message(PATIENCE, |_| true);
        topics.push(topic.replace(&format!("{SITE}/"), ""));
    }
    topics
}

const REFUSED: &str = "Not authorized";
const TAKEN: [&str; 2] = ["Success", "No matching subscribers"];

#[test]
fn a_node_writes_what_is_its_own_and_reads_what_is_for_it() {
    let broker = Shipped::start();
    let mut gateway = with_certificate(&broker, "gw-1", "#");
    let mut node = with_certificate(&broker, "edge-pond", "#");
    expect(
        &mut node,
        REFUSED,
        &[
            "alarm/state/tank-1/gt-101/combustible",
            "alarm/event",
            "alarm/snapshot/0",
            "alarm/replay/paho-edge-pond/request",
            "alarm/replay/paho-edge-pond/events",
            "gateway/status",
            "edge/edge-pond/ack",
            "edge/edge-pond/command",
            "edge/edge-welding/telemetry",
            "edge/edge-welding/status",
        ],
    );
    let own = ["telemetry", "history", "status", "trip", "reply"];
    let own = own.map(|topic| format!("edge/edge-pond/{topic}"));
    expect(&mut node, TAKEN[0], &own.each_ref().map(String::as_str));
    // Nothing of what was refused went through.
    assert_eq!(heard(&gateway, "edge/edge-pond/reply"), own);

    let all = [
        "alarm/state/tank-1/gt-101/combustible",
        "alarm/event",
        "gateway/status",
        "edge/edge-welding/ack",
        "edge/edge-pond/ack",
        "edge/edge-pond/command",
    ];
    for topic in all {
        let told = gateway.publish(&format!("{SITE}/{topic}"), "{}");
        assert!(TAKEN.contains(&told.as_str()), "{topic}: {told}");
    }
    assert_eq!(
        heard(&node, "edge/edge-pond/command"),
        ["edge/edge-pond/ack", "edge/edge-pond/command"]
    );
}

#[test]
fn a_regulator_writes_its_own_replay_request_and_reads_alarms_and_status() {
    let broker = Shipped::start();
    let mut gateway = with_certificate(&broker, "gw-1", "#");
    let mut regulator = regulator(&broker, "#");
    expect(
        &mut regulator,
        REFUSED,
        &[
            "alarm/state/tank-1/gt-101/combustible",
            "alarm/event",
            "alarm/snapshot/0",
            "alarm/replay/another/request",
            "alarm/replay/paho-regulator/events",
            "gateway/status",
            "edge/edge-pond/telemetry",
            "edge/edge-pond/status",
            "edge/edge-pond/ack",
            "edge/edge-pond/command",
        ],
    );
    let request = "alarm/replay/paho-regulator/request";
    expect(&mut regulator, TAKEN[0], &[request]);
    assert_eq!(heard(&gateway, request), [request]);
    // As of a park's, it comes to the regulator too.
    assert_eq!(heard(&regulator, request), [request]);

    let all = [
        "edge/edge-pond/ack",
        "edge/edge-pond/command",
        "alarm/state/tank-1/gt-101/combustible",
        "alarm/event",
        "alarm/replay/paho-regulator/events",
        "gateway/status",
    ];
    for topic in all {
        let told = gateway.publish(&format!("{SITE}/{topic}"), "{}");
        assert!(TAKEN.contains(&told.as_str()), "{topic}: {told}");
    }
    assert_eq!(heard(&regulator, "gateway/status"), &all[2..]);
}

#[test]
fn who_writes_alarms_with_a_nodes_certificate_is_refused_and_says_so() {
    let broker = Shipped::start();
    let node = broker.authority.client("edge-pond");
    let trial = mutual(&broker, &node, &node);
    let gateway = trial.gateway(&[]);
    for topic in ["gateway/status", "alarm/event"] {
        let line = gateway.log_line(&format!(
            "the broker refuses an alarm message topic=\"{SITE}/{topic}\""
        ));
        assert!(line.ends_with("not authorized (0x87)"), "{line}");
    }
    gateway.wait_for("the refusals in the status", PATIENCE, |status| {
        let counters = status["counters"].as_array().unwrap();
        let count = |name: &str| counters.iter().find(|counter| counter["name"] == name);
        let refused = count("refused-by-broker").and_then(|counter| counter["count"].as_u64());
        refused >= Some(2) && status["connected"] == true
    });
    // It is there, and nothing of what it says is.
    assert_eq!(gateway.status()["alarm_state"], "unknown");
    let metrics = gateway.get("/metrics");
    assert!(
        metrics.contains("gateway_publishes_refused_total"),
        "{metrics}"
    );
}

#[test]
fn a_node_with_another_nodes_certificate_is_refused_and_says_so_once() {
    let broker = Shipped::start();
    let other = broker.authority.client("edge-welding");
    let trial = mutual(&broker, &other, &other);
    let mut node = trial.node(&[]);
    let refused = format!("a message is not taken topic={SITE}/edge/edge-pond/telemetry");
    let line = node.line_with(&refused, PATIENCE);
    assert!(line.ends_with("not authorized (0x87)"), "{line}");
    for _ in 0..5 {
        broker.broker.log_line("edge/edge-pond/telemetry', ... (");
    }
    assert_eq!(node.terminate(), Some(0));
    assert_eq!(node.said().matches(&refused).count(), 1, "{}", node.said());
    assert!(!node.said().contains('\u{1b}'), "colours in a file");
}
