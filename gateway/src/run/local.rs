//! The node in this process.

use super::StartError;
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::source::bus;
use crate::supervise::Tasks;

/// Starts the node that polls this gateway's own buses.
pub(super) fn start_node(
    config: &Config,
    local: &config::Node,
    ends: bus::Ends,
    tasks: &mut Tasks,
) -> Result<host::Running, StartError> {
    let io = |source| StartError::Io {
        what: format!("the outbox of node {}", local.name),
        source,
    };
    let folder = config.data.folder.join("outbox");
    let clock = host::Clock::start();
    let now = clock.now();
    let wall = SystemClock::start().read().wall;
    let boot = host::next_boot(&folder, Some(wall)).map_err(io)?;
    let store = host::FileStore::open(&folder, config.data.outbox_bytes).map_err(io)?;
    let site = &config.site;
    let settings = node::Config {
        park: site.park.clone(),
        enterprise: site.enterprise.clone(),
        node: local.name.clone(),
        firmware: env!("CARGO_PKG_VERSION").to_owned(),
        config_hash: Some(config.hash.clone()),
        rules_hash: None,
        reset_cause: None,
        buses: local.buses.clone(),
        pack: node::PackConfig::default(),
        uplink: node::UplinkConfig::default(),
        back_off: node::BackOffConfig::default(),
    };
    let node = node::Node::new(settings, boot, boot, store, now)?;
    let (uplink, peer) = host::uplink_channel(64);
    tasks.start("node", bus::run(peer, ends));
    host::start(node, clock, uplink).map_err(io)
}
