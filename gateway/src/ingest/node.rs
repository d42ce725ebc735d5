//! One node, as ingest remembers it.

use std::collections::{BTreeMap, VecDeque};

use telemetry::UtcMs;
use telemetry::body::Ack;

use super::Out;
use super::dating::Dating;
use super::ledger::Ledger;
use super::registry::NodeConfig;
use super::state::NodeState;
use crate::log::{PackId, Record};

/// The rule of the alarm of a node that is not heard of.
pub(super) const OFFLINE: &str = "sys.offline";
/// The rule of the alarm of a wrong clock.
pub(super) const CLOCK: &str = "sys.clock";
/// So many of the last packs are known by their bytes.
const RECENT_MAX: usize = 64;
/// Places of a pack whose point is remembered.
const LAYOUT_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: Box<str>,
    /// None for a stranger.
    pub(super) config: Option<NodeConfig>,
    /// As of the last record of the log.
    pub(super) taken: Ledger,
    /// As of what is on disk.
    pub(super) durable: Ledger,
    pub(super) dating: Dating,
    /// A status came since the start.
    pub(super) status_seen: bool,
    /// The latest boot that a status spoke of.
    pub(super) status_boot: u64,
    pub(super) ack_wanted: bool,
    pub(super) ack_due: UtcMs,
    pub(super) ack_sent: Option<Ack>,
    /// Which point stood in which place of the last pack.
    pub(super) layout: Vec<u32>,
    recent: VecDeque<(PackId, u32)>,
    /// By rule: the reason while it stands.
    conditions: BTreeMap<String, Option<String>>,
}

impl Node {
    pub(super) fn new(name: &str, config: Option<NodeConfig>) -> Self {
        Self {
            name: name.into(),
            config,
            taken: Ledger::default(),
            durable: Ledger::default(),
            dating: Dating::default(),
            status_seen: false,
            status_boot: 0,
            ack_wanted: false,
            ack_due: UtcMs(i64::MIN),
            ack_sent: None,
            layout: Vec::new(),
            recent: VecDeque::new(),
            conditions: BTreeMap::new(),
        }
    }

    pub(super) fn remember_place(&mut self, place: usize, point: u32) {
        if place < self.layout.len() {
            self.layout[place] = point;
        } else if place == self.layout.len() && place < LAYOUT_MAX {
            self.layout.push(point);
        }
    }

    pub(super) fn remember_bytes(&mut self, id: PackId, bytes: &[u8]) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((id, crc32fast::hash(bytes)));
    }

    /// True when other bytes came under this number, as far as is remembered.
    pub(super) fn contradicts(&self, id: PackId, bytes: &[u8]) -> bool {
        let known = self.recent.iter().find(|(known, _)| *known == id);
        known.is_some_and(|(_, crc)| *crc != crc32fast::hash(bytes))
    }

    /// Logs that a condition begins, ends or has another reason; a stranger has no alarms.
    pub(super) fn condition(&mut self, rule: &str, reason: Option<&str>, out: &mut impl Out) {
        let known = self.conditions.get(rule);
        let is_news = match (known, reason) {
            (None, None) => false,
            (None, Some(_)) => true,
            (Some(known), reason) => known.as_deref() != reason,
        };
        if self.config.is_none() || !is_news {
            return;
        }
        let alarm = format!("-/{}/{rule}", self.name);
        out.record(&Record::Condition {
            alarm: &alarm,
            active: reason.is_some(),
            reason: reason.unwrap_or_default(),
        });
        self.restore_condition(rule, reason);
    }

    pub(super) fn restore_condition(&mut self, rule: &str, reason: Option<&str>) {
        if rule == CLOCK {
            self.dating.assume(reason);
        }
        self.conditions
            .insert(rule.to_owned(), reason.map(str::to_owned));
    }

    /// The conditions that stand, with their reasons.
    pub(super) fn standing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.conditions
            .iter()
            .filter_map(|(rule, reason)| Some((rule.as_str(), reason.as_deref()?)))
    }

    pub(super) fn state(&self) -> NodeState {
        NodeState {
            name: self.name.to_string(),
            ledger: self.taken.clone(),
            conditions: self
                .conditions
                .iter()
                .map(|(rule, reason)| (rule.clone(), reason.clone()))
                .collect(),
        }
    }

    pub(super) fn restore(&mut self, state: NodeState) {
        self.taken = state.ledger.clone();
        self.durable = state.ledger;
        for (rule, reason) in state.conditions {
            self.restore_condition(&rule, reason.as_deref());
        }
    }
}
