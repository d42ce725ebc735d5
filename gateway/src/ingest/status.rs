//! What a node says of itself: whether it is there, what it holds, what it gave up, how its clock and its slaves are.

use telemetry::body::{self, NodeState, NodeStatus};
use telemetry::{Clock, UtcMs};

use super::ledger::{Change, Held};
use super::node::{self, Node};
use super::{DeadLetter, Ingest, Note, Out};
use crate::log::{PackId, Record};

impl Ingest {
    /// Takes in a message on a node's status topic.
    pub fn handle_status(&mut self, node: &str, bytes: &[u8], now: UtcMs, out: &mut impl Out) {
        let refuse = |detail: &str, out: &mut dyn FnMut(&DeadLetter<'_>)| {
            out(&DeadLetter {
                node,
                topic: "status",
                cause: "status",
                detail,
                bytes,
            });
        };
        let status: NodeStatus = match body::decode(bytes) {
            Ok(status) => status,
            Err(error) => {
                refuse(&error.to_string(), &mut |letter| out.dead_letter(letter));
                return out.note(&Note::Refused {
                    node,
                    cause: "status",
                    count: 1,
                });
            }
        };
        let Some(index) = self.node(node).filter(|_| status.node == node) else {
            refuse("it names another node", &mut |letter| {
                out.dead_letter(letter)
            });
            return out.note(&Note::Refused {
                node,
                cause: "status",
                count: 1,
            });
        };
        let known = &mut self.nodes[index];
        let boot = status.boot;
        if boot < known.status_boot {
            return out.note(&Note::StatusOutdated { node, boot });
        }
        known.status_boot = boot;
        known.status_seen = true;
        match status.state {
            NodeState::Offline => known.condition(node::OFFLINE, Some("the broker lost it"), out),
            NodeState::Online => {
                known.condition(node::OFFLINE, None, out);
                known.dating.set_anchors(&status.anchor);
                known.dating.unsynced = status.clock == Some(Clock::Unsynced);
                slaves(known, &status, out);
                self.update_clock(index, now, out);
                // In this order: a boot that is done with is forgotten, and what was lost of it with it.
                self.update_gaps(index, &status, out);
                self.update_held(index, &status, out);
            }
        }
    }

    fn update_held(&mut self, index: usize, status: &NodeStatus, out: &mut impl Out) {
        let boot = status.boot;
        let oldest = status.oldest_held;
        let is_news = self.nodes[index].taken.held.is_none_or(|held| {
            // Within its own boot the node's oldest pack is known by the packs themselves.
            let open = |id: &PackId| (id.boot, if id.boot < boot { id.seq } else { 0 });
            held.boot != boot || held.oldest.as_ref().map(open) != oldest.as_ref().map(open)
        });
        if !is_news {
            return;
        }
        let node = &status.node;
        if let Some(end) = out.record(&Record::Held { node, boot, oldest }) {
            self.changed(index, Change::Held(Held { boot, oldest }), end);
        }
    }

    fn update_gaps(&mut self, index: usize, status: &NodeStatus, out: &mut impl Out) {
        let node = &status.node;
        for row in &status.dropped {
            let (boot, cause) = (row.boot, row.cause.as_str());
            let mut lost = Vec::new();
            let ledger = &self.nodes[index].taken;
            ledger.lost(boot, row.from, row.to, &mut |from, to| {
                lost.push((from, to))
            });
            for (from, to) in lost {
                let gap = Record::Gap {
                    node,
                    boot,
                    from,
                    to,
                    cause,
                };
                if let Some(end) = out.record(&gap) {
                    self.changed(index, Change::Gone { boot, from, to }, end);
                    out.note(&Note::GapFound {
                        node,
                        boot,
                        from,
                        to,
                        cause,
                    });
                }
            }
        }
    }
}

/// One alarm for each slave that gives no usable answer, and one for a bus on which none of several does.
fn slaves(node: &mut Node, status: &NodeStatus, out: &mut impl Out) {
    let Some(config) = node.config.clone() else {
        return;
    };
    for bus in &config.buses {
        let mut n_silent = 0;
        let mut n_told = 0;
        for (unit_id, slave) in &bus.slaves {
            let row = status
                .bus
                .iter()
                .find(|row| row.name == bus.name && row.slave == *unit_id);
            let reason = match row.map(|row| row.state.as_str()) {
                None | Some("unknown") => continue,
                Some("silent") => Some("it does not answer"),
                Some("garbled") => Some("its answers are garbled"),
                Some("line-down") => Some("its line is down"),
                Some(_) => None,
            };
            n_told += 1;
            n_silent += usize::from(reason.is_some());
            node.condition(&format!("sys.slave.{}.{slave}", bus.name), reason, out);
        }
        if n_told > 0 {
            let silent = bus.slaves.len() > 1 && n_silent == bus.slaves.len();
            let reason = silent.then_some("none of its slaves answers");
            node.condition(&format!("sys.bus.{}", bus.name), reason, out);
        }
    }
}
