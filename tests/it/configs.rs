//! The files that a user copies are one site that works together: gateway, node, buses, rules, broker.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use front::Problems;
use gateway::config::{Config, load};
use host::config::NodeConfig;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs")
}

fn env(name: &str) -> Option<String> {
    Some(format!("secret of {name}"))
}

/// The gateway's file, and what it is warned of.
fn gateway() -> (Config, String) {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let config = load(&configs().join("gateway.toml"), &env, &problems, &warnings);
    assert_eq!(problems.to_string(), "");
    (config.unwrap(), warnings.to_string())
}

fn node_from(path: &Path) -> NodeConfig {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let config = host::config::load(path, &env, &problems, &warnings);
    assert_eq!(problems.to_string(), "");
    config.unwrap()
}

fn node() -> NodeConfig {
    node_from(&configs().join("node.toml"))
}

/// What each user of the access list may do, as `read`, `write` or `readwrite` and a topic.
fn access() -> BTreeMap<String, BTreeSet<(String, String)>> {
    let text = fs::read_to_string(configs().join("broker/acl")).unwrap();
    let mut access: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let mut user = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words {
            ["user", name] => {
                access.entry(name.to_owned()).or_default();
                user = Some(name.to_owned());
            }
            ["topic", way, topic] => {
                let user = user.as_ref().expect("a user before a topic");
                let topics = access.get_mut(user).unwrap();
                topics.insert((way.to_owned(), topic.to_owned()));
            }
            [] | ["pattern", "read" | "write", _] => {}
            [word, ..] if word.starts_with('#') => {}
            _ => panic!("a line of the access list that this test does not know: {line}"),
        }
    }
    access
}

#[test]
fn the_node_in_configs_is_one_that_the_gateway_in_configs_expects_with_the_same_buses() {
    let ((gateway, _), node) = (gateway(), node());
    assert_eq!(
        (&node.park, &node.enterprise),
        (&gateway.site.park, &gateway.site.enterprise)
    );
    let known = gateway.nodes.iter().find(|known| known.name == node.node);
    let known = known.expect("the gateway knows the node");
    assert!(!known.local);
    assert_eq!(known.buses, node.buses);
}

#[test]
fn the_brokers_access_list_lets_the_gateway_and_each_of_its_nodes_in_and_nobody_else_but_a_regulator()
 {
    let (gateway, _) = gateway();
    let access = access();
    let mut users: BTreeSet<&str> = [gateway.site.gateway.as_str(), "regulator"].into();
    users.extend(
        gateway
            .nodes
            .iter()
            .filter(|node| !node.local)
            .map(|node| node.name.as_str()),
    );
    assert_eq!(
        access.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        users
    );
    let site = format!(
        "fengsui/v1/{}/{}",
        gateway.site.park, gateway.site.enterprise
    );
    for node in gateway.nodes.iter().filter(|node| !node.local) {
        let own = format!("{site}/edge/{}", node.name);
        let mut expected: BTreeSet<_> = ["telemetry", "history", "status", "trip", "reply"]
            .map(|what| ("write".to_owned(), format!("{own}/{what}")))
            .into();
        for what in ["ack", "desired", "command"] {
            expected.insert(("read".to_owned(), format!("{own}/{what}")));
        }
        expected.insert(("deny".to_owned(), "fengsui/v1/+/+/alarm/#".to_owned()));
        assert_eq!(access[&node.name], expected, "{}", node.name);
    }
    for (_, topic) in &access[&gateway.site.gateway] {
        assert!(topic.starts_with(&site), "{topic}");
    }
    // Where the login is not a certificate, it has the same name.
    let gateway::config::Broker::Remote(remote) = gateway.broker else {
        panic!("a broker elsewhere");
    };
    assert_eq!(remote.login.unwrap().user, gateway.site.gateway);
}

#[test]
fn every_file_in_configs_is_loaded() {
    let (gateway, _) = gateway();
    let mut loaded: BTreeSet<String> = gateway
        .files
        .iter()
        .map(|file| match file.path.split_once(':') {
            Some(("device", name)) => format!("devices/{name}.toml"),
            _ => file.path.clone(),
        })
        .collect();
    // These have tests of their own: the node's file and the access list above, the broker's others in `chain`, own rules in the
    // crate of rules, and the schemas wherever a message is held against them.
    loaded.extend(
        [
            "node.toml",
            "broker/acl",
            "broker/certificates.sh",
            "broker/mosquitto.conf",
            "rules/pump-house.toml",
            "rules/pump-house.test.toml",
        ]
        .map(str::to_owned),
    );
    drop(support::Schemas::load());
    let mut forgotten = Vec::new();
    let mut folders = vec![configs()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(configs()).unwrap().to_str().unwrap();
            let told_by_schemas = name.starts_with("contract/") && name.ends_with(".schema.json");
            if !(loaded.contains(name) || told_by_schemas || name.ends_with("README.md")) {
                forgotten.push(name.to_owned());
            }
        }
    }
    assert_eq!(forgotten, Vec::<String>::new());
}

#[test]
fn the_keys_that_are_off_in_the_node_file_work_when_they_are_turned_on() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["edge-pond".to_owned()])
        .and_then(|params| params.self_signed(&key))
        .unwrap();
    for (name, text) in [
        ("certs/ca.pem", certificate.pem()),
        ("certs/edge-pond.pem", certificate.pem()),
        ("certs/edge-pond.key", key.serialize_pem()),
        ("secrets/broker", "from a file\n".to_owned()),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let text = fs::read_to_string(configs().join("node.toml"))
        .unwrap()
        .replace("#: ", "")
        .replace("mqtt://127.0.0.1:1883", "mqtts://broker.plant.example")
        .replace("buses/", &format!("{}/buses/", configs().display()));
    let path = folder.path().join("node.toml");
    fs::write(&path, text).unwrap();
    let broker = node_from(&path).broker;
    assert_eq!(
        (broker.host.as_str(), broker.port),
        ("broker.plant.example", 8883)
    );
    let tls = broker.tls.unwrap();
    assert!(tls.identity.unwrap().0.ends_with("certs/edge-pond.pem"));
    let login = broker.login.unwrap();
    assert_eq!(
        (login.user.as_str(), login.password.as_str()),
        ("edge-pond", "from a file")
    );
}

#[test]
fn the_keys_that_are_off_in_the_sites_rules_work_when_they_are_turned_on() {
    let folder = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(configs().join("."))
        .arg(folder.path())
        .status();
    assert!(copied.unwrap().success());
    let path = folder.path().join("rules/acme-chem.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("#: "));
    fs::write(&path, text.replace("#: ", "")).unwrap();
    let (problems, warnings) = (Problems::default(), Problems::default());
    let gateway = folder.path().join("gateway.toml");
    let config = load(&gateway, &env, &problems, &warnings);
    assert_eq!(problems.to_string(), "");
    let (shipped, _) = self::gateway();
    assert_ne!(config.unwrap().rules_hash, shipped.rules_hash);
}

/// The keys that a reader of files asks for, as its source has them.
fn keys_of(source: &str) -> BTreeSet<String> {
    const ASKED_BY: [&str; 16] = [
        "opt(",
        "req(",
        "own(",
        "name(",
        "text(",
        "table(",
        "tables(",
        "entries(",
        "whole(",
        "most(",
        "duration(",
        "degrees(",
        "address(",
        "(table, ",
        "(root, ",
        "(entry, ",
    ];
    // What stands before the tests.
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let parts: Vec<&str> = code.split('"').collect();
    let pairs = parts.windows(2).filter(|pair| {
        let is_key = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        ASKED_BY.iter().any(|asked| pair[0].ends_with(asked))
            && !pair[1].is_empty()
            && pair[1].chars().all(is_key)
    });
    pairs.map(|pair| pair[1].to_owned()).collect()
}

#[test]
fn every_key_that_a_file_may_have_is_told_in_configs() {
    let root = configs().join("..");
    for (readers, told_in, least) in [
        (
            &[
                "firmware/devices/src/front/bus.rs",
                "firmware/devices/src/front/word.rs",
            ][..],
            &["buses/tank-farm.toml", "buses/tailings-pond.toml"][..],
            25,
        ),
        (
            &[
                "firmware/devices/src/front/profile.rs",
                "firmware/devices/src/front/register.rs",
                "firmware/devices/src/front/signal.rs",
            ],
            &["devices/README.md"],
            35,
        ),
        (
            &[
                "rules/src/file/mod.rs",
                "rules/src/file/rule.rs",
                "rules/src/file/level.rs",
                "rules/src/file/life.rs",
                "rules/src/file/site.rs",
                "rules/src/file/calendar.rs",
                "rules/src/file/derived.rs",
                "rules/src/file/output.rs",
            ],
            &["rules/pump-house.toml", "rules/acme-chem.toml"],
            50,
        ),
        (
            &["rules/src/case/mod.rs", "rules/src/case/file.rs"],
            &["rules/pump-house.test.toml"],
            20,
        ),
        (
            &[
                "gateway/src/config/load.rs",
                "gateway/src/config/http.rs",
                "gateway/src/config/site.rs",
                "gateway/src/config/broker.rs",
                "gateway/src/config/rule.rs",
                "firmware/boards/host/src/config/broker.rs",
            ],
            &["gateway.toml"],
            25,
        ),
        (
            &[
                "firmware/boards/host/src/config/node.rs",
                "firmware/boards/host/src/config/broker.rs",
            ],
            &["node.toml"],
            10,
        ),
    ] {
        let read = |folder: &Path, names: &[&str]| -> String {
            let texts = names
                .iter()
                .map(|name| fs::read_to_string(folder.join(name)).unwrap());
            texts.collect()
        };
        let mut keys = BTreeSet::new();
        for reader in readers {
            keys.extend(keys_of(&read(&root, &[reader])));
        }
        assert!(keys.len() >= least, "{readers:?}: {keys:?}");
        let told = read(&configs(), told_in);
        let words: BTreeSet<&str> = told
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .collect();
        let untold: Vec<&String> = keys
            .iter()
            .filter(|key| !words.contains(key.as_str()))
            .collect();
        // A secret in the file itself is refused, and told of by its own text.
        let untold: Vec<_> = untold
            .iter()
            .filter(|key| key.as_str() != "token")
            .collect();
        assert!(untold.is_empty(), "{told_in:?} do not tell {untold:?}");
    }
}
