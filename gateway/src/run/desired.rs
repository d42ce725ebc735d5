//! When each node is told what its outputs are to be, and what is to be read more often: at each change, and over and over.

use std::collections::BTreeMap;

use rules::program::Program;
use telemetry::UtcMs;
use telemetry::body::Desired;

/// The nodes with outputs or with points that may be read more often, and when each is to be told next.
#[derive(Debug)]
pub(super) struct Desires {
    instance: String,
    seq: u64,
    due: BTreeMap<String, UtcMs>,
}

impl Desires {
    /// Every such node is told at once; `instance` is what this process is called.
    pub(super) fn new(program: &Program, instance: String, now: UtcMs) -> Self {
        let outputs = program.outputs().iter().map(|output| output.point);
        let sampled = program.sampled().iter().flat_map(|it| &it.points);
        let points = outputs.chain(sampled.copied());
        let nodes = points.filter_map(|point| program.point(point).node.clone());
        Self {
            instance,
            seq: 0,
            due: nodes.map(|node| (node, now)).collect(),
        }
    }

    /// What a node's outputs are to be has changed, or may not have reached it.
    pub(super) fn news(&mut self, node: &str, now: UtcMs) {
        if let Some(due) = self.due.get_mut(node) {
            *due = now.min(*due);
        }
    }

    /// Nothing may have reached any node.
    pub(super) fn all_news(&mut self, now: UtcMs) {
        for due in self.due.values_mut() {
            *due = now.min(*due);
        }
    }

    /// When somebody is to be told.
    pub(super) fn poll_timeout(&self) -> Option<UtcMs> {
        self.due.values().min().copied()
    }

    /// What to tell a node now, if anything; `outputs` says what those of a node are to be, `periods` what is to be read how often.
    pub(super) fn poll(
        &mut self,
        now: UtcMs,
        outputs: impl Fn(&str) -> Vec<(String, bool)>,
        periods: impl Fn(&str) -> Vec<(String, u64)>,
    ) -> Option<(String, Desired)> {
        let (node, due) = self.due.iter_mut().find(|(_, due)| **due <= now)?;
        *due = now.plus_ms(Desired::REPEAT_MS);
        self.seq += 1;
        let desired = Desired {
            instance: self.instance.clone(),
            seq: self.seq,
            outputs: outputs(node),
            periods: periods(node),
        };
        Some((node.clone(), desired))
    }
}
