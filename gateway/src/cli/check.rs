//! `fengsui check`: is this configuration right, and can its buses be read in time?

use std::io::{self, Write};
use std::path::PathBuf;

use devices::{Bus, Link, Parity, Plan, sweep};
use front::Problems;
use serde::Serialize;

use super::{Exit, counted, print_problems, print_warnings, table};
use crate::config::{Access, Broker, Config, load};

/// Arguments of `fengsui check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The gateway's file; every file that it names is checked too.
    config: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Checks a configuration; 2 when anything is wrong.
pub(super) fn run(
    args: &Args,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut dyn Write,
) -> io::Result<Exit> {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let config = load(&args.config, env, &problems, &warnings);
    if let Some(config) = &config {
        super::rules::warn_of_unwatched(&config.program, &warnings);
    }
    let exit = match &config {
        Some(_) => Exit::Done,
        None => Exit::BadInput,
    };
    if args.json {
        let report = Report::new(config.as_ref(), problems, warnings);
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(exit);
    }
    print_problems(&problems, out)?;
    print_warnings(&warnings, out)?;
    match config {
        Some(config) => print_config(&config, out)?,
        None => {
            let n = problems.into_sorted().len();
            writeln!(out, "{}", counted(n, "problem"))?;
        }
    }
    Ok(exit)
}

fn print_config(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    let site = &config.site;
    writeln!(
        out,
        "{}/{}, gateway {}, broker {}",
        site.park,
        site.enterprise,
        site.gateway,
        broker(&config.broker)
    )?;
    writeln!(out, "who may act: {}", actors(&config.http.access))?;
    let rows: Vec<Vec<String>> = buses(config)
        .map(|(node, bus)| {
            let time = Time::new(bus);
            vec![
                node.to_owned(),
                bus.name.clone(),
                link(&bus.link),
                bus.slaves.len().to_string(),
                bus.points.len().to_string(),
                time.requests.to_string(),
                format!("{} ms", time.sweep_ms),
                format!("{} %", time.load_percent),
            ]
        })
        .collect();
    table::print(
        out,
        &[
            "node", "bus", "line", "slaves", "points", "requests", "sweep", "load",
        ],
        &rows,
    )?;
    let program = &config.program;
    writeln!(
        out,
        "{}, {}, {}: all right",
        counted(config.points.len(), "point"),
        counted(program.rules().len(), "rule"),
        counted(program.alarms().len(), "alarm")
    )
}

fn buses(config: &Config) -> impl Iterator<Item = (&str, &Bus)> {
    config
        .nodes
        .iter()
        .flat_map(|node| node.buses.iter().map(|bus| (node.name.as_str(), bus)))
}

fn broker(broker: &Broker) -> String {
    match broker {
        Broker::Embedded { listen } => format!("in this process at {listen}"),
        Broker::Remote(remote) => format!(
            "{}://{}:{}",
            if remote.tls.is_some() {
                "mqtts"
            } else {
                "mqtt"
            },
            remote.host,
            remote.port
        ),
    }
}

fn actors(access: &Access) -> String {
    match access {
        Access::Nobody => "nobody, [http] names no token".to_owned(),
        Access::Anybody(_) => "whoever has the one token, under the name they say".to_owned(),
        Access::People(people) if people.is_empty() => "nobody, [http] names no person".to_owned(),
        Access::People(people) => {
            let names = people.iter().map(|person| person.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

/// A line as people say it: `rtu 9600 8N1`, `tcp 10.0.0.7:502`.
pub(super) fn link(link: &Link) -> String {
    match link {
        Link::Rtu {
            baud,
            parity,
            stop_bits,
            ..
        } => {
            let parity = match parity {
                Parity::None => 'N',
                Parity::Even => 'E',
                Parity::Odd => 'O',
            };
            format!("rtu {baud} 8{parity}{stop_bits}")
        }
        Link::Tcp { host, port } => format!("tcp {host}:{port}"),
    }
}

/// What a bus's sweep takes.
#[derive(Debug, Serialize)]
struct Time {
    requests: usize,
    sweep_ms: u64,
    load_percent: u64,
}

impl Time {
    fn new(bus: &Bus) -> Self {
        let plan = Plan::new(bus);
        Self {
            requests: plan.requests.len(),
            sweep_ms: sweep::time_ms(bus, &plan),
            load_percent: sweep::load_percent(bus, &plan),
        }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    problems: Vec<Line>,
    warnings: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Summary>,
}

#[derive(Debug, Serialize)]
struct Line {
    file: String,
    line: usize,
    col: usize,
    key: String,
    what: String,
}

#[derive(Debug, Serialize)]
struct Summary {
    park: String,
    enterprise: String,
    gateway: String,
    /// Who may act, where each has a token of their own.
    people: Vec<String>,
    hash: String,
    rules_hash: String,
    points: usize,
    rules: usize,
    alarms: usize,
    buses: Vec<BusSummary>,
}

#[derive(Debug, Serialize)]
struct BusSummary {
    node: String,
    bus: String,
    slaves: usize,
    points: usize,
    #[serde(flatten)]
    time: Time,
}

impl Report {
    fn new(config: Option<&Config>, problems: Problems, warnings: Problems) -> Self {
        Self {
            ok: config.is_some(),
            problems: lines(problems),
            warnings: lines(warnings),
            config: config.map(|config| Summary {
                park: config.site.park.clone(),
                enterprise: config.site.enterprise.clone(),
                gateway: config.site.gateway.clone(),
                people: match &config.http.access {
                    Access::People(people) => {
                        people.iter().map(|person| person.name.clone()).collect()
                    }
                    Access::Anybody(_) | Access::Nobody => Vec::new(),
                },
                hash: config.hash.clone(),
                rules_hash: config.rules_hash.clone(),
                points: config.points.len(),
                rules: config.program.rules().len(),
                alarms: config.program.alarms().len(),
                buses: buses(config)
                    .map(|(node, bus)| BusSummary {
                        node: node.to_owned(),
                        bus: bus.name.clone(),
                        slaves: bus.slaves.len(),
                        points: bus.points.len(),
                        time: Time::new(bus),
                    })
                    .collect(),
            }),
        }
    }
}

fn lines(problems: Problems) -> Vec<Line> {
    problems
        .into_sorted()
        .into_iter()
        .map(|problem| Line {
            file: problem.place.file,
            line: problem.place.line,
            col: problem.place.col,
            key: problem.key,
            what: problem.what,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn run_on(config: &Path, json: bool) -> (Exit, String) {
        let args = Args {
            config: config.to_owned(),
            json,
        };
        let mut out = Vec::new();
        let exit = run(&args, &|_| Some("secret".to_owned()), &mut out).expect("memory");
        (exit, String::from_utf8(out).expect("text"))
    }

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/gateway.toml")
    }

    #[test]
    fn a_right_configuration_shows_each_buss_sweep_and_no_secret() {
        let (exit, told) = run_on(&shipped(), false);
        assert_eq!(exit, Exit::Done);
        assert!(!told.contains("secret"), "{told}");
        let mut told: Vec<&str> = told
            .lines()
            .filter(|line| !line.starts_with("warning: "))
            .collect();
        let summary = told.pop().expect("a last line");
        assert_eq!(
            told,
            [
                "east-park/acme-chem, gateway gw-1, broker mqtt://127.0.0.1:1883",
                "who may act: whoever has the one token, under the name they say",
                "node          bus            line                                   slaves  points  requests  sweep   load",
                "local         tank-farm      rtu 9600 8N1                           5       7       6         240 ms  23 %",
                "local         dust-workshop  rtu 19200 8E1                          2       10      9         189 ms  14 %",
                "edge-pond     tailings-pond  tcp 10.20.0.7:502                      4       7       5         750 ms  6 %",
                "edge-welding  welding-shop   tcp welding-gateway.plant.example:502  2       9       4         40 ms   3 %",
            ]
        );
        assert!(summary.starts_with("33 points, "), "{summary}");
        assert!(summary.ends_with(" alarms: all right"), "{summary}");
    }

    #[test]
    fn a_wrong_configuration_is_told_with_exit_code_2() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gateway.toml");
        fs::write(&path, "[site]\npark = 3\n").expect("written");
        let (exit, told) = run_on(&path, false);
        assert_eq!(exit, Exit::BadInput);
        assert!(
            told.contains("gateway.toml:2:8: site.park: a number, expected a string\n"),
            "{told}"
        );
        assert!(told.ends_with("\n7 problems\n"), "{told}");
    }

    #[test]
    fn a_program_reads_the_same_as_json() {
        let (_, told) = run_on(&shipped(), true);
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["ok"], true);
        assert_eq!(told["config"]["buses"][0]["bus"], "tank-farm");
        assert!(told["config"]["buses"][0]["sweep_ms"].as_u64() > Some(100));
        let missing = shipped().with_file_name("none.toml");
        let (exit, told) = run_on(&missing, true);
        assert_eq!(exit, Exit::BadInput);
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["ok"], false);
        assert_eq!(told["problems"][0]["line"], 1);
    }
}
