//! Packs become samples: once each, live or late, with what is missing known and said.
//!
//! Sans-IO: takes messages and the time, gives records for the log, acks, dead letters and notes.
//! Knows nodes, points and the contract's wire rules; knows neither brokers nor files nor rules.
//! What it remembers is a function of the log, so a restart knows what had come.

mod dating;
mod interface;
mod ledger;
mod node;
mod pack;
mod registry;
mod span;
mod state;
mod status;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use rules::point::PointInfo;
use telemetry::UtcMs;
use telemetry::body::Ack;

use crate::log::{DecodeError, Lane, LogOffset, Record};
pub use dating::Way;
pub use interface::{DeadLetter, NodeView, Note, Out, PackIn};
use ledger::Change;
use node::Node;
use pack::Scratch;
use registry::Registry;
pub use registry::{BusConfig, NodeConfig};

/// At most one ack a node in this time, in milliseconds.
const ACK_GAP_MS: u64 = 1_000;
/// A node of which no status came within this after the broker was reached is offline, in milliseconds.
const SILENT_MS: u64 = 30_000;
/// Senders that are not in the configuration and are remembered all the same.
const STRANGERS_MAX: usize = 256;

/// Takes in packs and statuses of all nodes of a site.
#[derive(Debug)]
pub struct Ingest {
    registry: Registry,
    nodes: Vec<Node>,
    by_name: HashMap<Box<str>, usize>,
    configured: usize,
    watermarks: Vec<UtcMs>,
    scratch: Scratch,
    /// Changes that are in the log and not known to be on disk.
    in_flight: VecDeque<(LogOffset, usize, Change)>,
    /// Nodes whose ack may have changed.
    unacked: Vec<usize>,
    silent_at: Option<UtcMs>,
    /// The gateway's own clock is behind the log's time: it can't judge how late anything is.
    clock_is_behind: bool,
}

impl Ingest {
    /// Knows the points, sorted by unit and point, and the nodes of a site, and nothing of what came before.
    pub fn new(park: &str, enterprise: &str, points: &[PointInfo], nodes: &[NodeConfig]) -> Self {
        let mut ingest = Self {
            registry: Registry::new(park, enterprise, points),
            nodes: Vec::new(),
            by_name: HashMap::new(),
            configured: nodes.len(),
            watermarks: vec![UtcMs(i64::MIN); points.len()],
            scratch: Scratch::default(),
            in_flight: VecDeque::new(),
            unacked: Vec::new(),
            silent_at: None,
            clock_is_behind: false,
        };
        for config in nodes {
            ingest
                .by_name
                .insert(config.name.as_str().into(), ingest.nodes.len());
            ingest
                .nodes
                .push(Node::new(&config.name, Some(config.clone())));
        }
        ingest
    }

    /// The node of a name; a stranger is remembered as long as there is room.
    fn node(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.by_name.get(name) {
            return Some(*index);
        }
        if self.nodes.len() >= self.configured + STRANGERS_MAX {
            return None;
        }
        let index = self.nodes.len();
        self.by_name.insert(name.into(), index);
        self.nodes.push(Node::new(name, None));
        Some(index)
    }

    fn changed(&mut self, index: usize, change: Change, end: LogOffset) {
        self.nodes[index].taken.apply(change);
        self.in_flight.push_back((end, index, change));
    }

    /// Takes in how far the log is on disk: acks may cover that.
    pub fn set_durable(&mut self, durable: LogOffset) {
        while let Some((end, index, change)) = self.in_flight.front().copied()
            && end <= durable
        {
            self.in_flight.pop_front();
            self.nodes[index].durable.apply(change);
            self.want_ack(index);
        }
    }

    fn want_ack(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if !node.ack_wanted {
            node.ack_wanted = true;
            self.unacked.push(index);
        }
    }

    /// The next ack that is due; call until none.
    pub fn poll_ack(&mut self, now: UtcMs) -> Option<(&str, Ack)> {
        let mut place = 0;
        while let Some(&index) = self.unacked.get(place) {
            let node = &mut self.nodes[index];
            if node.ack_due > now {
                place += 1;
                continue;
            }
            self.unacked.swap_remove(place);
            node.ack_wanted = false;
            let ack = node.durable.ack();
            if ack.is_some() && ack != node.ack_sent {
                node.ack_sent.clone_from(&ack);
                node.ack_due = now.plus_ms(ACK_GAP_MS);
                let node = &self.nodes[index];
                return ack.map(|ack| (&*node.name, ack));
            }
        }
        None
    }

    /// The broker was reached: it may have forgotten the acks, and each node's status is due.
    pub fn handle_connected(&mut self, now: UtcMs) {
        for index in 0..self.nodes.len() {
            self.nodes[index].ack_sent = None;
            self.want_ack(index);
        }
        self.silent_at = Some(now.plus_ms(SILENT_MS));
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_ack`] has something to do.
    pub fn poll_timeout(&self) -> Option<UtcMs> {
        let acks = self.unacked.iter().map(|index| self.nodes[*index].ack_due);
        acks.chain(self.silent_at).min()
    }

    /// Does what is due; too early is too early and changes nothing.
    pub fn handle_timeout(&mut self, now: UtcMs, out: &mut impl Out) {
        if self.silent_at.is_none_or(|at| at > now) {
            return;
        }
        self.silent_at = None;
        for node in &mut self.nodes[..self.configured] {
            if !node.status_seen {
                node.condition(
                    node::OFFLINE,
                    Some("no status since the gateway started"),
                    out,
                );
            }
        }
    }

    /// Takes in whether the gateway's own clock is behind the log's time: then everything live is dated by arrival.
    pub fn set_clock_is_behind(&mut self, behind: bool) {
        self.clock_is_behind = behind;
    }

    fn update_clock(&mut self, index: usize, now: UtcMs, out: &mut impl Out) {
        let node = &mut self.nodes[index];
        let fault = node.dating.fault(now);
        node.condition(node::CLOCK, fault, out);
    }

    /// Takes in a record of the log at a start: all of it is on disk. `map` gives the index of a point here for its index there.
    ///
    /// # Errors
    /// A pack of another version.
    pub fn replay(
        &mut self,
        record: &Record<'_>,
        t: UtcMs,
        map: &dyn Fn(u32) -> Option<u32>,
    ) -> Result<(), DecodeError> {
        let (node, change) = match record {
            Record::Pack { node, id, samples } => {
                for logged in samples.iter() {
                    let logged = logged?;
                    if logged.lane == Lane::Live
                        && let Some(point) = map(logged.point)
                        && let Some(watermark) = self.watermarks.get_mut(point as usize)
                    {
                        *watermark = logged.sample.at.min(t);
                    }
                }
                (node, id.map(Change::Taken))
            }
            Record::Held { node, boot, oldest } => {
                let (boot, oldest) = (*boot, *oldest);
                (node, Some(Change::Held(ledger::Held { boot, oldest })))
            }
            Record::Gap {
                node,
                boot,
                from,
                to,
                ..
            } => {
                let (boot, from, to) = (*boot, *from, *to);
                (node, Some(Change::Gone { boot, from, to }))
            }
            Record::Condition {
                alarm,
                active,
                reason,
            } => {
                if let Some((node, rule)) = node_alarm(alarm)
                    && let Some(index) = self.by_name.get(node)
                {
                    self.nodes[*index].restore_condition(rule, active.then_some(*reason));
                }
                return Ok(());
            }
            Record::Config(_)
            | Record::Command { .. }
            | Record::Output { .. }
            | Record::Down { .. }
            | Record::Time => {
                return Ok(());
            }
        };
        if let Some(change) = change
            && let Some(index) = self.node(node)
        {
            self.nodes[index].taken.apply(change);
            self.nodes[index].durable.apply(change);
        }
        Ok(())
    }

    /// What it knows as of the last record, for a snapshot.
    pub fn snapshot(&self) -> Vec<u8> {
        let nodes = self.nodes.iter().map(Node::state).collect();
        let watermarks = (0_u32..)
            .zip(&self.watermarks)
            .filter(|(_, at)| at.0 != i64::MIN)
            .map(|(point, at)| (self.registry.short_name(point).to_owned(), *at))
            .collect();
        state::State { nodes, watermarks }.encode()
    }

    /// Takes in a snapshot, before anything else; points and nodes that are gone are left out.
    ///
    /// # Errors
    /// A snapshot of another version.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let state = state::State::decode(bytes)?;
        for (name, at) in state.watermarks {
            if let Some(point) = self.registry.find_short(&name) {
                self.watermarks[point as usize] = at;
            }
        }
        for state in state.nodes {
            if let Some(index) = self.node(&state.name) {
                self.nodes[index].restore(state);
            }
        }
        Ok(())
    }

    /// The nodes, as `status` shows them.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'_>> {
        self.nodes.iter().map(|node| NodeView {
            name: &node.name,
            ack: node.durable.ack(),
            conditions: node.standing().collect(),
            seen: node.status_seen,
        })
    }

    /// The number of points.
    pub fn n_points(&self) -> usize {
        self.registry.len()
    }
}

/// The node and the rule of an alarm of a node.
fn node_alarm(alarm: &str) -> Option<(&str, &str)> {
    alarm.strip_prefix("-/")?.split_once('/')
}
