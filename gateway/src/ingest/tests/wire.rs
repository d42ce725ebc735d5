//! A node with a store and a gateway with a log, with a line between them that loses, doubles and reorders, and a stop of either at any step.
//!
//! The node here keeps the contract's words in the simplest way; the real one has its own tests.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use telemetry::body::{Ack, Dropped, NodeStatus};

use super::*;
use crate::log::PackId;

/// What can happen next.
#[derive(Clone, Debug)]
enum Step {
    Form,
    SendLive,
    SendHistory(usize),
    SendStatus,
    Deliver(usize),
    Double(usize),
    Lose(usize),
    Sync,
    Acks,
    /// The gateway stops; this much of what was not on disk is there all the same.
    StopGateway(usize),
    /// As before, and it goes on from a snapshot.
    StopGatewayWithSnapshot(usize),
    StopNode,
    GiveUp,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Form),
        4 => Just(Step::SendLive),
        4 => any::<usize>().prop_map(Step::SendHistory),
        2 => Just(Step::SendStatus),
        10 => any::<usize>().prop_map(Step::Deliver),
        1 => any::<usize>().prop_map(Step::Double),
        2 => any::<usize>().prop_map(Step::Lose),
        4 => Just(Step::Sync),
        4 => Just(Step::Acks),
        1 => any::<usize>().prop_map(Step::StopGateway),
        1 => any::<usize>().prop_map(Step::StopGatewayWithSnapshot),
        1 => Just(Step::StopNode),
        1 => Just(Step::GiveUp),
    ]
}

#[derive(Clone, Debug)]
enum Message {
    Pack(Way, Vec<u8>),
    Status(Vec<u8>),
    Ack(Ack),
}

struct World {
    // The node.
    boot: u64,
    seq: u64,
    held: BTreeMap<PackId, Vec<u8>>,
    dropped: Vec<Dropped>,
    formed: BTreeSet<PackId>,
    given_up: BTreeSet<PackId>,
    // The line.
    line: Vec<Message>,
    /// The ack that the broker keeps for the node's next connection.
    retained: Option<Ack>,
    // The gateway.
    ingest: Ingest,
    out: Kept,
    durable: LogOffset,
    now: UtcMs,
}

impl World {
    fn new() -> Self {
        Self {
            boot: 1,
            seq: 0,
            held: BTreeMap::new(),
            dropped: Vec::new(),
            formed: BTreeSet::new(),
            given_up: BTreeSet::new(),
            line: Vec::new(),
            retained: None,
            ingest: ingest(),
            out: Kept::default(),
            durable: LogOffset(0),
            now: T0,
        }
    }

    fn next(&self) -> PackId {
        PackId {
            boot: self.boot,
            seq: self.seq + 1,
        }
    }

    fn oldest(&self) -> PackId {
        let oldest = self.held.keys().next().copied();
        oldest.unwrap_or_else(|| self.next())
    }

    fn status(&self) -> Message {
        let status = NodeStatus {
            state: NodeState::Online,
            oldest_held: Some(self.oldest()),
            dropped: self.dropped.clone(),
            ..NodeStatus::will("n1", self.boot)
        };
        Message::Status(telemetry::body::encode(&status))
    }

    fn step(&mut self, step: &Step) {
        self.now = self.now.plus_ms(700);
        match step {
            Step::Form => {
                let id = self.next();
                self.seq = id.seq;
                let value = number(id.boot as f64 * 1_000.0 + id.seq as f64);
                let row = [("lel-1", None, 0, value)];
                let bytes = pack(id.boot, id.seq, Base::Utc(self.now), Clock::Synced, &row);
                self.held.insert(id, bytes);
                self.formed.insert(id);
            }
            Step::SendLive => {
                if let Some(bytes) = self.held.values().next_back() {
                    self.line.push(Message::Pack(Way::Live, bytes.clone()));
                }
            }
            Step::SendHistory(pick) => {
                if let Some(bytes) = self.held.values().nth(pick % self.held.len().max(1)) {
                    self.line.push(Message::Pack(Way::History, bytes.clone()));
                }
            }
            Step::SendStatus => self.line.push(self.status()),
            Step::Deliver(pick) if !self.line.is_empty() => {
                let message = self.line.remove(pick % self.line.len());
                self.deliver(message);
            }
            Step::Double(pick) if !self.line.is_empty() => {
                let message = self.line[pick % self.line.len()].clone();
                self.line.push(message);
            }
            Step::Lose(pick) if !self.line.is_empty() => {
                self.line.remove(pick % self.line.len());
            }
            Step::Deliver(_) | Step::Double(_) | Step::Lose(_) => {}
            Step::Sync => {
                self.durable = LogOffset(self.out.end);
                self.ingest.set_durable(self.durable);
            }
            Step::Acks => {
                while let Some((_, ack)) = self.ingest.poll_ack(self.now) {
                    check_ack(&ack, &self.out, self.durable, &self.formed);
                    self.retained = Some(ack.clone());
                    self.line.push(Message::Ack(ack));
                }
            }
            Step::StopGateway(keep) => self.stop_gateway(*keep, false),
            Step::StopGatewayWithSnapshot(keep) => self.stop_gateway(*keep, true),
            Step::StopNode => {
                self.boot += 1 + self.seq % 2;
                self.seq = 0;
            }
            Step::GiveUp => {
                if let Some((id, _)) = self.held.pop_first() {
                    self.given_up.insert(id);
                    self.dropped.push(Dropped {
                        boot: id.boot,
                        from: id.seq,
                        to: id.seq,
                        cause: "no-room".into(),
                    });
                }
            }
        }
    }

    fn deliver(&mut self, message: Message) {
        let node = "n1";
        match message {
            Message::Pack(way, bytes) => {
                let pack = PackIn {
                    node,
                    way,
                    content_type: None,
                    bytes: &bytes,
                };
                self.ingest.handle_pack(&pack, self.now, &mut self.out);
            }
            Message::Status(bytes) => {
                self.ingest
                    .handle_status(node, &bytes, self.now, &mut self.out);
            }
            Message::Ack(ack) => self.held.retain(|id, _| !ack.covers(id.boot, id.seq)),
        }
    }

    /// Goes on from what is on disk, and from some of what was not.
    fn stop_gateway(&mut self, keep: usize, with_snapshot: bool) {
        let records = &self.out.records;
        let n_durable = records.partition_point(|(_, _, end)| *end <= self.durable);
        let n_kept = n_durable + keep % (records.len() - n_durable + 1);
        self.out.records.truncate(n_kept);
        self.out.end = self.out.records.last().map_or(0, |(_, _, end)| end.0);
        self.durable = LogOffset(self.out.end);
        let mut records = self.out.records.iter();
        if with_snapshot {
            let mut before = ingest();
            for (kind, body, _) in records.by_ref().take(n_kept / 2) {
                let record = Record::decode(*kind, body).unwrap();
                before.replay(&record, self.now, &Some).unwrap();
            }
            self.ingest = ingest();
            self.ingest.restore(&before.snapshot()).unwrap();
        } else {
            self.ingest = ingest();
        }
        for (kind, body, _) in records {
            let record = Record::decode(*kind, body).unwrap();
            self.ingest.replay(&record, self.now, &Some).unwrap();
        }
        self.ingest.handle_connected(self.now);
    }

    /// The line is mended, and both ends go on until the node holds nothing.
    fn settle(&mut self) {
        self.line.clear();
        if let Some(ack) = self.retained.clone() {
            self.deliver(Message::Ack(ack));
        }
        self.deliver(self.status());
        for _ in 0..self.boot + 3 {
            for bytes in self.held.values().cloned().collect::<Vec<_>>() {
                self.deliver(Message::Pack(Way::History, bytes));
            }
            self.deliver(self.status());
            self.step(&Step::Sync);
            self.now = self.now.plus_ms(1_000);
            self.step(&Step::Acks);
            for message in std::mem::take(&mut self.line) {
                self.deliver(message);
            }
        }
    }

    /// What must hold in the end.
    fn check(&mut self) -> Result<(), TestCaseError> {
        self.settle();
        let (packs, gone) = logged(&self.out, self.durable);
        let unique: BTreeSet<_> = packs.iter().copied().collect();
        prop_assert_eq!(unique.len(), packs.len(), "a pack twice");
        for id in &self.formed {
            prop_assert!(
                unique.contains(id) || self.given_up.contains(id),
                "{:?} is lost",
                id
            );
        }
        prop_assert!(gone.is_subset(&self.given_up));
        prop_assert_eq!(self.held.len(), 0, "all is acknowledged");
        let samples: BTreeSet<_> = self
            .out
            .samples()
            .iter()
            .map(|logged| logged.sample.value.map(|value| value.as_f64().to_bits()))
            .collect();
        prop_assert_eq!(samples.len(), packs.len());
        if let Some(ack) = self.ingest.nodes[0].durable.ack() {
            prop_assert_eq!(ack.missing, Vec::new());
        }
        Ok(())
    }
}

/// The packs in the log as far as it is on disk, and those that it has as given up.
fn logged(out: &Kept, durable: LogOffset) -> (Vec<PackId>, BTreeSet<PackId>) {
    let (mut packs, mut gone) = (Vec::new(), BTreeSet::new());
    for (kind, body, end) in &out.records {
        match Record::decode(*kind, body).unwrap() {
            _ if *end > durable => {}
            Record::Pack { id, .. } => packs.extend(id),
            Record::Gap { boot, from, to, .. } => {
                gone.extend((from..=to).map(|seq| PackId { boot, seq }));
            }
            _ => {}
        }
    }
    (packs, gone)
}

/// The first pack that is this gateway's business.
fn first_held(out: &Kept, durable: LogOffset) -> Option<PackId> {
    out.records
        .iter()
        .filter(|(_, _, end)| *end <= durable)
        .find_map(
            |(kind, body, _)| match Record::decode(*kind, body).unwrap() {
                Record::Held { oldest, .. } => oldest,
                _ => None,
            },
        )
}

/// An ack covers what is on disk or given up, and names as missing exactly the rest.
fn check_ack(ack: &Ack, out: &Kept, durable: LogOffset, formed: &BTreeSet<PackId>) {
    let (packs, gone) = logged(out, durable);
    let first = first_held(out, durable).expect("no ack before the node has said what it holds");
    for id in formed.range(first..) {
        let position = PackId {
            boot: ack.boot,
            seq: ack.seq,
        };
        if *id <= position {
            let has = packs.contains(id) || gone.contains(id);
            assert_eq!(ack.covers(id.boot, id.seq), has, "{id:?} {ack:?}");
        }
    }
    for &(boot, from, to) in &ack.missing {
        for seq in from..=to {
            assert!(
                formed.contains(&PackId { boot, seq }),
                "{boot} {seq} {ack:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_pack_is_in_the_log_exactly_once_whatever_is_lost_doubled_reordered_or_stopped(
        steps in prop::collection::vec(any_step(), 1..120),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.check()?;
    }

    #[test]
    fn a_stop_of_the_gateway_at_every_step_changes_none_of_that(
        steps in prop::collection::vec(any_step(), 1..60),
        keep: usize,
        with_snapshot: bool,
    ) {
        for at in 0..=steps.len() {
            let mut world = World::new();
            let (before, after) = steps.split_at(at);
            before.iter().for_each(|step| world.step(step));
            world.stop_gateway(keep, with_snapshot);
            after.iter().for_each(|step| world.step(step));
            world.check()?;
        }
    }
}
