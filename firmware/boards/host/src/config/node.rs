//! The configuration of a node on Linux: who it is, its buses, its broker, its folder.

use std::path::{Path, PathBuf};

use devices::{Bus, load_bus_file};
use front::{Item, Problems};
use telemetry::check_segment;

use super::{Beside, Remote, remote};

/// How much the outbox may hold unless the file says otherwise: 1 GiB, weeks of most sites.
const OUTBOX_MIB: i64 = 1024;

/// A node's configuration, checked.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The park, a name segment.
    pub park: String,
    /// The enterprise, a name segment.
    pub enterprise: String,
    /// The node, a name segment.
    pub node: String,
    /// Its buses.
    pub buses: Vec<Bus>,
    /// Its broker.
    pub broker: Remote,
    /// Where its outbox and its boot number are.
    pub folder: PathBuf,
    /// How much the outbox may hold, in bytes.
    pub outbox_bytes: u64,
}

/// The disk and the environment around a configuration file.
struct Folder<'a> {
    folder: PathBuf,
    env: &'a dyn Fn(&str) -> Option<String>,
    warnings: &'a Problems,
}

impl Beside for Folder<'_> {
    fn is_live(&self) -> bool {
        true
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn warn(&self, item: &Item<'_>, what: String) {
        self.warnings.add(item.place(), item.path(), what);
    }

    fn env(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }
}

/// Reads a node's file and every bus that it names; `None` after all problems were reported.
///
/// Paths in it are from its own folder. `env` gives environment variables, for secrets; `warnings` gets what is odd and harmless.
pub fn load(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    problems: &Problems,
    warnings: &Problems,
) -> Option<NodeConfig> {
    let source = devices::read_file(path, problems)?;
    let document = source.parse(problems);
    let root = document.root();
    let files = Folder {
        folder: path.parent().unwrap_or_else(|| Path::new("")).to_owned(),
        env,
        warnings,
    };
    let name = |key: &str| root.req(key).and_then(|item| segment(&item));
    let (park, enterprise, node) = (name("park"), name("enterprise"), name("node"));
    let broker = root
        .req("broker")
        .and_then(|item| item.table())
        .and_then(|table| {
            let url = table.req("url");
            let broker = url.and_then(|url| remote(&table, &url, &files));
            table.finish();
            broker
        });
    let folder = root
        .req("folder")
        .and_then(|item| item.str())
        .map(|name| files.path(name));
    let outbox_mib = root
        .opt("outbox_mib")
        .map_or(Some(OUTBOX_MIB), |item| item.int(1..=1 << 20));
    let items = root.req("buses").map_or_else(Vec::new, |item| {
        let items = item.items();
        if items.is_empty() {
            item.problem("no bus, expected at least one bus file");
        }
        items
    });
    let mut buses: Vec<Bus> = Vec::new();
    for item in &items {
        let Some(bus) = item
            .str()
            .and_then(|name| load_bus_file(&files.path(name), problems))
        else {
            continue;
        };
        if buses.iter().any(|other| other.name == bus.name) {
            item.problem(format!(
                "a second bus `{}`, expected another name",
                bus.name
            ));
        }
        buses.push(bus);
    }
    root.finish();
    problems.is_empty().then_some(())?;
    Some(NodeConfig {
        park: park?,
        enterprise: enterprise?,
        node: node?,
        buses,
        broker: broker?,
        folder: folder?,
        outbox_bytes: u64::try_from(outbox_mib?).ok()? << 20,
    })
}

fn segment(item: &Item<'_>) -> Option<String> {
    let name = item.str()?;
    match check_segment(name) {
        Ok(()) => Some(name.to_owned()),
        Err(error) => {
            item.problem(error.to_string());
            None
        }
    }
}
