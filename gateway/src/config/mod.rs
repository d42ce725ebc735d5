//! The gateway's configuration: `gateway.toml`, the bus files and profiles it names, and the rules.
//!
//! What is here has been checked: names are names, files were there, every point is there once.
//! Read with [`load`]; every key is told in `configs/gateway.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rules::compile::System;
use rules::point::{PointIdx, PointInfo};
use rules::program::Program;

use crate::log::{ConfigImage, FileImage, PointImage};

mod broker;
mod files;
mod http;
mod load;
mod rule;
mod site;

pub use files::hash_of;
pub use host::config::{Remote, Secret};
pub use load::{Known, load, load_image, load_known};

/// A site's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who we are.
    pub site: Site,
    /// Where the alarms and samples meet the outside.
    pub broker: Broker,
    /// Where the log, the journal and the outbox are.
    pub data: Data,
    /// The nodes: the one in this process first, where it has buses, then the others in the file's order.
    pub nodes: Vec<Node>,
    /// All points, sorted by (unit, point); a point's index here is its [`PointIdx`] everywhere.
    pub points: Vec<Point>,
    /// The compiled rules; its points are these, in this order.
    pub program: Arc<Program>,
    /// SHA-256 of the rule files, hex.
    pub rules_hash: String,
    /// The time-series database, if there is one.
    pub influx: Option<Influx>,
    /// The local API.
    pub http: Http,
    /// Every file that this was read from, in the order of reading, with what came with the program.
    pub files: Vec<FileImage>,
    /// SHA-256 of `files`, hex.
    pub hash: String,
}

/// Who we are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Site {
    /// The park, a name segment.
    pub park: String,
    /// The enterprise, a name segment.
    pub enterprise: String,
    /// The gateway's name, a name segment.
    pub gateway: String,
}

/// An MQTT broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Broker {
    /// One elsewhere.
    Remote(Remote),
    /// One in this process, for trials: no TLS, no accounts.
    Embedded {
        /// Where it listens.
        listen: SocketAddr,
    },
}

/// Where this gateway keeps what must survive it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Data {
    /// The folder; made at the first start.
    pub folder: PathBuf,
    /// How much of the log is kept beyond what is needed, in bytes: what `rules explain` and `rules replay` can look back on.
    pub log_bytes: u64,
    /// How much the outbox of the node in this process may hold, in bytes.
    pub outbox_bytes: u64,
}

/// A node and its buses.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name, a name segment; unique, and not the gateway's.
    pub name: String,
    /// True for the one in this process.
    pub local: bool,
    /// Its buses; names are unique in a node.
    pub buses: Vec<devices::Bus>,
}

/// A point, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// What rules and messages know of it; `node` and `slave` are always there.
    pub info: PointInfo,
    /// Index into [`Config::nodes`].
    pub node: usize,
    /// Index into the node's buses.
    pub bus: usize,
    /// Index into the bus's points.
    pub on_bus: usize,
}

/// InfluxDB 2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Influx {
    /// `http://host:port`.
    pub url: String,
    /// The organisation.
    pub org: String,
    /// The bucket.
    pub bucket: String,
    /// The token.
    pub token: Secret,
}

/// The local API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may act by it.
    pub access: Access,
}

/// Who may use the verbs that change something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Access {
    /// Nobody: every verb is refused.
    Nobody,
    /// Whoever has the one token; who they are is what they say.
    Anybody(Secret),
    /// These; each one's token says who they are.
    People(Vec<Person>),
}

/// A person who may act.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// What events and the log call them; nobody else is called so, whatever the capitals.
    pub name: String,
    /// The token that nobody else has.
    pub token: Secret,
}

impl Data {
    /// Where the log is.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Config {
    /// The point with a name.
    pub fn point(&self, unit: &str, point: &str) -> Option<PointIdx> {
        self.points
            .binary_search_by(|known| {
                (known.info.unit.as_str(), known.info.point.as_str()).cmp(&(unit, point))
            })
            .ok()
            .and_then(|idx| u32::try_from(idx).ok())
            .map(PointIdx)
    }

    /// The node with a name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Who can fall silent here: what the system's own alarms are about.
    pub fn system(&self) -> System {
        site::system(&self.site.gateway, &self.nodes)
    }

    /// What the log keeps of this configuration.
    pub fn image(&self) -> ConfigImage {
        ConfigImage {
            hash: self.hash.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            park: self.site.park.clone(),
            enterprise: self.site.enterprise.clone(),
            points: self
                .points
                .iter()
                .map(|point| PointImage {
                    unit: point.info.unit.clone(),
                    point: point.info.point.clone(),
                    kind: point.info.kind.clone(),
                    eu: point.info.eu.clone(),
                    digital: point.info.digital,
                })
                .collect(),
            files: self.files.clone(),
        }
    }
}

impl Node {
    /// The largest `max_age` of its points, in milliseconds; 0 without points.
    pub fn max_age_ms(&self) -> u64 {
        self.buses
            .iter()
            .flat_map(|bus| &bus.points)
            .map(|point| point.max_age_ms)
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
