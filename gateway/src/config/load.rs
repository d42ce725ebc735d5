//! From files to a checked configuration; all problems of all files at once.

use std::path::Path;
use std::sync::Arc;

use front::{Place, Problems, Source, Table};
use host::config::{Beside as _, secret};
use rules::compile::{System, Unread, check_against, compile};
use rules::point::PointInfo;

use super::files::{Files, folder_of, hash_of};
use super::site::{self, Reading, segment};
use super::{Config, Data, Http, Influx, Secret, Site, broker, http, rule};
use crate::log::FileImage;

/// What could be read of a configuration.
#[derive(Debug, Default)]
pub struct Known {
    /// All of it; `None` after all problems were reported.
    pub config: Option<Config>,
    /// The points, sorted by (unit, point).
    pub points: Vec<PointInfo>,
    /// Who can fall silent.
    pub system: System,
    /// False when there may be other points, which could not be read.
    pub are_points_all: bool,
}

/// Reads a configuration file and everything that it names; `None` after all problems were reported.
///
/// Paths in it are from its own folder. `env` gives environment variables, for secrets.
/// `warnings` gets what is odd and harmless.
pub fn load(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    problems: &Problems,
    warnings: &Problems,
) -> Option<Config> {
    load_known(path, env, problems, warnings).config
}

/// The same, for who can do something with the points alone.
pub fn load_known(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    problems: &Problems,
    warnings: &Problems,
) -> Known {
    let files = Files::disk(folder_of(path), env, warnings);
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy();
    match files.source(&name) {
        Ok(source) => read(&source, files, problems, warnings),
        Err(why) => {
            let place = Place {
                file: path.display().to_string(),
                line: 1,
                col: 1,
            };
            problems.add(place, "", why);
            Known::default()
        }
    }
}

/// Reads a configuration again from what the log has kept of it: points and rules as they were, without secrets.
///
/// The first file is the configuration's own. `None` after problems were reported, as when a newer program refuses what an older one took.
pub fn load_image(image: &[FileImage], problems: &Problems) -> Option<Config> {
    let warnings = Problems::default();
    let files = Files::image(image, &warnings);
    let name = &image.first()?.path;
    let source = files.source(name).ok()?;
    read(&source, files, problems, &warnings).config
}

fn read(source: &Source, files: Files<'_>, problems: &Problems, warnings: &Problems) -> Known {
    let before = problems.len();
    let document = source.parse(problems);
    let is_torn = problems.len() > before;
    let root = document.root();
    let table = |key: &str| root.opt(key).and_then(|item| item.table());

    let site_table = root.req("site").and_then(|item| item.table());
    let (site, local) = site_table.as_ref().map_or((None, None), names);
    let broker = root
        .req("broker")
        .and_then(|item| item.table())
        .and_then(|table| {
            let broker = broker::read(&table, &files);
            table.finish();
            broker
        });
    let data = root
        .req("data")
        .and_then(|item| item.table())
        .and_then(|table| data(&table, &files));
    let influx = table("influx").map(|table| influx(&table, &files));
    let http =
        table("http").map_or_else(|| Some(Http::default()), |table| http::read(&table, &files));

    let gateway = site.as_ref().map(|site| site.gateway.clone());
    let before_points = problems.len();
    let mut reading = Reading::new(&files, problems, gateway);
    let tables = |key: &str| root.opt(key).map_or_else(Vec::new, |item| item.tables());
    let (buses, remote) = (tables("bus"), tables("node"));
    reading.local(local.as_deref().unwrap_or("local"), &buses);
    for entry in &remote {
        reading.remote(entry);
    }
    if buses.is_empty() && remote.is_empty() && problems.len() == before_points {
        root.lacks("neither [[bus]] nor [[node]], expected at least one bus to read or one node that reads it");
    }
    let (nodes, points) = reading.finish();
    let before_rules = problems.len();
    let rules_table = root.req("rules").and_then(|item| item.table());
    let sources = rules_table.map_or_else(Vec::new, |table| {
        let sources = rule::sources(&table, &files);
        table.finish();
        sources
    });
    let are_rules_torn = is_torn || problems.len() > before_rules;
    let unread = Unread {
        points: is_torn || before_rules > before_points,
        rules: are_rules_torn,
        site: are_rules_torn,
    };
    root.finish();
    let gateway = site.as_ref().map_or("gateway", |site| &site.gateway);
    let mut known = Known {
        config: None,
        points: points.iter().map(|point| point.info.clone()).collect(),
        system: site::system(gateway, &nodes),
        are_points_all: !unread.points,
    };
    let program = if unread == Unread::default() {
        compile(&sources, &known.points, &known.system, problems, warnings)
    } else {
        // A rule that misses a point of a broken bus is no problem of its own.
        check_against(&sources, &known.points, unread, problems);
        None
    };
    let config = || {
        let files = files.into_read();
        Some(Config {
            site: site?,
            broker: broker?,
            data: data?,
            nodes,
            points,
            program: Arc::new(program?),
            rules_hash: rule::hash(&sources),
            influx: influx.flatten(),
            http: http?,
            hash: hash_of(&files),
            files,
        })
    };
    if problems.len() == before {
        known.config = config();
    }
    known
}

/// The site, and the name of the node in this process.
fn names(table: &Table<'_>) -> (Option<Site>, Option<String>) {
    let name = |key: &str| table.req(key).and_then(|item| segment(&item));
    let (park, enterprise, gateway) = (name("park"), name("enterprise"), name("gateway"));
    let node = table.opt("node").and_then(|item| {
        let node = segment(&item)?;
        if gateway.as_ref() == Some(&node) {
            item.problem(format!("`{node}` is the gateway, expected another name"));
            return None;
        }
        Some(node)
    });
    table.finish();
    let site = match (park, enterprise, gateway) {
        (Some(park), Some(enterprise), Some(gateway)) => Some(Site {
            park,
            enterprise,
            gateway,
        }),
        _ => None,
    };
    (site, node)
}

fn data(table: &Table<'_>, files: &Files<'_>) -> Option<Data> {
    let folder = table.req("folder").and_then(|item| item.str());
    let mib = |key: &str, default| match table.opt(key) {
        Some(item) => item.int(1..=1_000_000),
        None => Some(default),
    };
    let (log_mib, outbox_mib) = (mib("log_mib", 4_096), mib("outbox_mib", 1_024));
    table.finish();
    Some(Data {
        folder: files.path(folder?),
        log_bytes: u64::try_from(log_mib?).ok()? << 20,
        outbox_bytes: u64::try_from(outbox_mib?).ok()? << 20,
    })
}

fn influx(table: &Table<'_>, files: &Files<'_>) -> Option<Influx> {
    let url = table.req("url").and_then(|item| {
        let url = item.str()?;
        if url.starts_with("https://") {
            item.problem("https is not there yet: the client library brings an outdated TLS stack; expected `http://…` to a database on this machine or behind a TLS proxy");
            return None;
        }
        let host = url.strip_prefix("http://").unwrap_or_default();
        if host.is_empty() || host.contains(['@', '?', '#', ' ']) {
            item.problem("no URL of a database, expected one as `http://127.0.0.1:8086`");
            return None;
        }
        Some(url.trim_end_matches('/').to_owned())
    });
    let text = |key: &str| {
        let item = table.req(key)?;
        let text = item.str()?;
        if text.is_empty() {
            item.problem("empty, expected a name");
            return None;
        }
        Some(text.to_owned())
    };
    let (org, bucket) = (text("org"), text("bucket"));
    let token = own_token(table, files);
    table.finish();
    Some(Influx {
        url: url?,
        org: org?,
        bucket: bucket?,
        token: token?,
    })
}

/// The token of a table that has to have one; an empty one where no secret is there to be read.
pub(super) fn own_token(table: &Table<'_>, files: &Files<'_>) -> Option<Secret> {
    let keys = ["token", "token_file", "token_env"];
    let is_told = keys.iter().any(|key| table.opt(key).is_some());
    let token = secret(table, "token", files).map(|(_, token)| token);
    if !is_told {
        table.problem("no token, expected `token_file` or `token_env`");
    }
    match files.is_live() {
        true => token,
        false => Some(Secret::new("")),
    }
}
