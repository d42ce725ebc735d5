use std::fs;
use std::path::Path;

use front::Problems;

use super::*;

mod wrong;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs")
}

/// An environment that has every variable.
fn env(name: &str) -> Option<String> {
    Some(format!("secret of {name}"))
}

fn shipped() -> Config {
    let problems = Problems::default();
    let warnings = Problems::default();
    let path = configs().join("gateway.toml");
    let config = load(&path, &env, &problems, &warnings);
    assert_eq!(problems.to_string(), "");
    config.expect("no problem")
}

#[test]
fn the_gateway_file_in_configs_loads_with_all_its_buses() {
    let config = shipped();
    let nodes: Vec<_> = config
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.local, node.buses.len()))
        .collect();
    assert_eq!(
        nodes,
        [
            ("local", true, 2),
            ("edge-pond", false, 1),
            ("edge-welding", false, 1)
        ]
    );
    assert_eq!(config.nodes[1].max_age_ms(), 300_000);
    let Broker::Remote(remote) = &config.broker else {
        panic!("a broker elsewhere");
    };
    assert_eq!((remote.host.as_str(), remote.port), ("127.0.0.1", 1883));
    let login = remote.login.as_ref().expect("a login");
    assert_eq!(login.password, "secret of FENGSUI_PASSWORD");
    assert_eq!(config.data.log_bytes, 4 << 30);
    assert_eq!(config.data.outbox_bytes, 1 << 30);
}

/// A copy of the shipped file with the keys turned on that are off in it, and some of its lines left out.
fn with_keys_on(folder: &Path, keys: &[&str], without: &[&str]) -> String {
    let text = fs::read_to_string(configs().join("gateway.toml")).expect("readable");
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !without.iter().any(|word| line.starts_with(word)))
        .map(|line| match line.strip_prefix("#: ") {
            Some(key) if keys.iter().any(|wanted| key.starts_with(wanted)) => key.to_owned(),
            _ => line.replace(
                "\"buses/",
                &format!("\"{}/", configs().join("buses").display()),
            ),
        })
        .map(|line| {
            line.replace(
                "\"rules/",
                &format!("\"{}/", configs().join("rules").display()),
            )
        })
        .collect();
    fs::write(folder.join("gateway.toml"), lines.join("\n")).expect("written");
    lines.join("\n")
}

fn load_from(folder: &Path) -> Config {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let config = load(&folder.join("gateway.toml"), &env, &problems, &warnings);
    assert_eq!(problems.to_string(), "");
    config.expect("no problem")
}

#[test]
fn the_keys_that_are_off_in_the_gateway_file_work_when_they_are_turned_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    for name in ["certs", "secrets"] {
        fs::create_dir(path.join(name)).expect("made");
    }
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(vec!["gateway".to_owned()])
        .and_then(|params| params.self_signed(&key))
        .expect("a certificate");
    for (name, text) in [
        ("certs/ca.pem", certificate.pem()),
        ("certs/gw-1.pem", certificate.pem()),
        ("certs/gw-1.key", key.serialize_pem()),
        ("secrets/broker", "from a file\n".to_owned()),
        ("secrets/influx", "token\n".to_owned()),
        ("secrets/api", "api\n".to_owned()),
    ] {
        fs::write(path.join(name), text).expect("written");
    }
    let text = with_keys_on(
        path,
        &[
            "ca ",
            "certificate",
            "key",
            "password_file",
            "token_file = \"secrets/influx",
            "token_file = \"secrets/api",
        ],
        &["password_env", "token_env"],
    );
    let text = text.replace("mqtt://127.0.0.1:1883", "mqtts://broker.plant.example");
    fs::write(path.join("gateway.toml"), text).expect("written");
    let config = load_from(path);
    let Broker::Remote(remote) = &config.broker else {
        panic!("a broker elsewhere");
    };
    assert_eq!(remote.port, 8883);
    assert_eq!(
        remote.login.as_ref().map(|login| login.password.as_str()),
        Some("from a file")
    );
    let identity = remote.tls.as_ref().and_then(|tls| tls.identity.as_ref());
    assert!(identity.is_some_and(|(chain, _)| chain.ends_with("certs/gw-1.pem")));
    let token = config.influx.as_ref().map(|influx| influx.token.reveal());
    assert_eq!(token, Some("token"));
    assert_eq!(config.http.access, Access::Anybody(Secret::new("api")));

    fs::write(path.join("secrets/li.wei"), "of li\n").expect("written");
    with_keys_on(
        path,
        &[
            "[[http.person]]",
            "name",
            "token_file = \"secrets/li",
            "token_env",
        ],
        &["token_env = \"FENGSUI"],
    );
    let person = |name: &str, token: &str| Person {
        name: name.to_owned(),
        token: Secret::new(token),
    };
    let people = vec![
        person("li.wei", "of li"),
        person("zhang.min", "secret of TOKEN_OF_ZHANG_MIN"),
    ];
    let config = load_from(path);
    assert_eq!(config.http.access, Access::People(people));
    // The log's copy has their names and no token; they are not taken for one person.
    let image = config.image();
    let again = load_image(&image.files, &Problems::default()).expect("no problem");
    let Access::People(people) = &again.http.access else {
        panic!("people");
    };
    let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
    assert_eq!(names, ["li.wei", "zhang.min"]);
    let told = format!("{config:?} {image:?} {again:?}");
    assert!(!told.contains("of li"), "{told}");
    assert!(!told.contains("secret of"), "{told}");

    with_keys_on(
        path,
        &["embedded"],
        &["url = \"mqtt", "user", "password_env"],
    );
    let Broker::Embedded { listen } = load_from(path).broker else {
        panic!("a broker in this process");
    };
    assert_eq!(listen.port(), 1883);
}

#[test]
fn points_are_sorted_and_found_by_name_and_know_where_they_come_from() {
    let config = shipped();
    let names: Vec<_> = config
        .points
        .iter()
        .map(|point| (&point.info.unit, &point.info.point))
        .collect();
    assert!(names.is_sorted());
    for (idx, point) in config.points.iter().enumerate() {
        let found = config.point(&point.info.unit, &point.info.point);
        assert_eq!(found.map(|found| found.0 as usize), Some(idx));
        let node = &config.nodes[point.node];
        assert_eq!(point.info.node.as_deref(), Some(node.name.as_str()));
        let on_bus = &node.buses[point.bus].points[point.on_bus];
        assert_eq!(on_bus.point, point.info.point);
    }
    assert_eq!(config.point("tank-farm-1", "nobody"), None);
}

#[test]
fn the_hash_is_of_every_file_and_of_nothing_else() {
    let config = shipped();
    let read: Vec<_> = config.files.iter().map(|file| file.path.as_str()).collect();
    assert!(read.contains(&"gateway.toml"), "{read:?}");
    assert!(read.contains(&"buses/tailings-pond.toml"), "{read:?}");
    assert!(read.contains(&"device:piezometer-8"), "{read:?}");
    assert_eq!(config.hash, shipped().hash);
    let mut other = config.files.clone();
    other[2].bytes.push(b'\n');
    assert_ne!(hash_of(&other), config.hash);
}

#[test]
fn the_logs_copy_gives_the_same_points_without_a_secret() {
    let config = shipped();
    let image = config.image();
    let told = format!("{config:?} {image:?}");
    assert!(!told.contains("secret of"), "{told}");
    let problems = Problems::default();
    let again = load_image(&image.files, &problems).expect("no problem");
    assert_eq!(problems.to_string(), "");
    // Where the files were is not what they say.
    let points = |config: &Config| {
        let mut points = config.points.clone();
        for point in &mut points {
            point.info.declared = None;
        }
        points
    };
    assert_eq!(points(&again), points(&config));
    assert_eq!(again.hash, config.hash);
}

#[test]
fn the_rules_are_compiled_for_the_points_of_the_site() {
    let config = shipped();
    let program = &config.program;
    assert_eq!(program.points().len(), config.points.len());
    for id in [
        "tank-farm-1/gt-101/combustible-gas",
        "dust-collector-1/filter-dp/filter-dp",
        "pond-1/pz-1/phreatic-depth",
        "wm-1/current/weld-without-session",
        "-/local/sys.slave.tank-farm.gt-101",
    ] {
        assert!(program.find_alarm(id).is_some(), "{id}");
    }
}
