//! Everything around a node: its store, which survives it, a broker that loses things, a gateway that acks.
//!
//! Holds the promises: nothing leaves the store before the gateway has it or the node gave it up, and the bytes of a
//! pack never change.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use node::{
    Answer, BackOffConfig, Config, Effect, Lane, MemoryStore, Node, Now, PackConfig, Publish,
    Store, StoreError, Stored, UplinkConfig, Wall, Work,
};
use telemetry::UtcMs;
use telemetry::body::{Ack, NodeState, NodeStatus, PackId, decode, encode};
use telemetry::senml::{self, Format};

use crate::bus::bus;

const EPOCH: i64 = 1_795_420_800_000;
/// One way between node and broker, and between broker and gateway.
const HOP_MS: u64 = 5;

/// What is on the disk, and every pack that ever was.
#[derive(Debug)]
pub(crate) struct Disk {
    packs: MemoryStore,
    pub(crate) formed: BTreeMap<PackId, Vec<u8>>,
    pub(crate) broken: bool,
    /// Removed, and not looked at yet.
    removed: Vec<PackId>,
}

#[derive(Clone, Debug)]
pub(crate) struct SharedStore(Rc<RefCell<Disk>>);

impl Store for SharedStore {
    fn packs(&mut self) -> Result<Vec<Stored>, StoreError> {
        self.0.borrow_mut().packs.packs()
    }
    fn append(&mut self, id: PackId, bytes: &[u8]) -> Result<(), StoreError> {
        let mut disk = self.0.borrow_mut();
        let former = disk.formed.insert(id, bytes.to_vec());
        assert!(
            former.is_none_or(|former| former == bytes),
            "{id:?} was numbered twice"
        );
        if disk.broken {
            return Err(StoreError::Broken("pulled out".into()));
        }
        disk.packs.append(id, bytes)
    }
    fn read(&mut self, id: PackId, into: &mut Vec<u8>) -> Result<(), StoreError> {
        self.0.borrow_mut().packs.read(id, into)
    }
    fn remove(&mut self, ids: &[PackId]) -> Result<(), StoreError> {
        let mut disk = self.0.borrow_mut();
        disk.removed.extend_from_slice(ids);
        disk.packs.remove(ids)
    }
    fn note(&mut self) -> Result<Vec<u8>, StoreError> {
        self.0.borrow_mut().packs.note()
    }
    fn write_note(&mut self, note: &[u8]) -> Result<(), StoreError> {
        self.0.borrow_mut().packs.write_note(note)
    }
}

/// What is under way.
#[derive(Debug)]
enum Event {
    BusAnswer { life: u64, token: u64, slave: u8 },
    SubscriptionTaken { session: u64 },
    BrokerTakes { session: u64, publish: Publish },
    PubAck { session: u64, token: u64 },
    GatewayGets { publish: Publish },
    GatewayCommits { id: PackId },
    GatewayAcks,
    NodeGets { session: u64, payload: Vec<u8> },
}

/// The gateway: what is durable, what it knows of the node.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    pub(crate) down: bool,
    pub(crate) disk_full: bool,
    /// What waits for the disk.
    stuck: Vec<PackId>,
    pub(crate) commit_ms: u64,
    pub(crate) durable: BTreeMap<PackId, Vec<u8>>,
    /// Received and not durable.
    pending: BTreeMap<PackId, Vec<u8>>,
    pub(crate) deliveries: BTreeMap<PackId, u32>,
    pub(crate) live_order: Vec<(Lane, PackId)>,
    pub(crate) status: Option<NodeStatus>,
    acking: bool,
    /// Up to where each boot has no hole.
    whole_to: BTreeMap<u64, u64>,
    /// Never lets these get durable, as if each delivery were damaged.
    pub(crate) deaf_to: BTreeSet<PackId>,
    pub(crate) mute: bool,
}

impl Gateway {
    /// True when the node said that it gave the pack up.
    pub(crate) fn knows_dropped(&self, id: PackId) -> bool {
        let rows = self.status.iter().flat_map(|status| &status.dropped);
        rows.into_iter()
            .any(|row| row.boot == id.boot && (row.from..=row.to).contains(&id.seq))
    }

    /// The ack stays in a boot until the node says that it holds nothing of it any more.
    pub(crate) fn ack(&self, gaps: &BTreeSet<PackId>) -> Option<Ack> {
        let status = self.status.as_ref()?;
        let oldest = status.oldest_held.expect("the node always says");
        let mut ack = Ack::default();
        for boot in 1..=status.boot {
            let of_boot = PackId { boot, seq: 0 }..=PackId {
                boot,
                seq: u64::MAX,
            };
            let durable = self.durable.range(of_boot.clone()).next_back();
            let gap = gaps.range(of_boot).next_back();
            let left = (oldest.boot == boot && boot < status.boot).then(|| oldest.seq - 1);
            let reach = durable
                .map(|(id, _)| id.seq)
                .max(gap.map(|id| id.seq))
                .max(left);
            (ack.boot, ack.seq) = (boot, reach.unwrap_or(0));
            let from = self.whole_to.get(&boot).map_or(1, |seq| seq + 1);
            for seq in from..=ack.seq {
                let id = PackId { boot, seq };
                if self.durable.contains_key(&id) || gaps.contains(&id) {
                    continue;
                }
                match ack.missing.last_mut() {
                    Some((b, _, to)) if *b == boot && *to + 1 == seq => *to = seq,
                    _ => ack.missing.push((boot, seq, seq)),
                }
            }
            if boot >= oldest.boot.min(status.boot) {
                break;
            }
        }
        Some(ack)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) slaves: u8,
    pub(crate) period_ms: u64,
    pub(crate) room: usize,
    pub(crate) uplink: UplinkConfig,
    pub(crate) clock_set_at: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            slaves: 3,
            period_ms: 1_000,
            room: 1 << 20,
            uplink: UplinkConfig::default(),
            clock_set_at: 0,
        }
    }
}

pub(crate) struct World {
    setup: Setup,
    /// Virtual milliseconds since the world began.
    pub(crate) at: u64,
    booted_at: u64,
    life: u64,
    pub(crate) node: Option<Node<SharedStore>>,
    pub(crate) disk: Rc<RefCell<Disk>>,
    bus_busy: bool,
    bus_until: Option<u64>,
    pub(crate) dead: BTreeSet<u8>,
    events: BTreeMap<(u64, u64), Event>,
    n_events: u64,
    session: Option<u64>,
    n_sessions: u64,
    pub(crate) broker_up: bool,
    reconnect_at: u64,
    /// The broker takes publishes and tells nobody.
    pub(crate) broker_forgets: bool,
    pub(crate) no_pubacks: bool,
    retained_ack: Option<Vec<u8>>,
    pub(crate) gateway: Gateway,
    /// Holes that the gateway accepted, because the node gave them up.
    pub(crate) gaps: BTreeSet<PackId>,
    pub(crate) sent: Vec<(u64, Lane, PackId)>,
    /// After how many seconds the broker drops each of these.
    pub(crate) expiries: Vec<(Lane, Option<u32>)>,
    pub(crate) boot_behind: Option<u64>,
    /// How wrong the node's wall clock is.
    pub(crate) wall_off_ms: i64,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let disk = Disk {
            packs: MemoryStore::new(setup.room),
            formed: BTreeMap::new(),
            broken: false,
            removed: Vec::new(),
        };
        let mut world = Self {
            setup,
            at: 0,
            booted_at: 0,
            life: 0,
            node: None,
            disk: Rc::new(RefCell::new(disk)),
            bus_busy: false,
            bus_until: Some(0),
            dead: BTreeSet::new(),
            events: BTreeMap::new(),
            n_events: 0,
            session: None,
            n_sessions: 0,
            broker_up: true,
            reconnect_at: 0,
            broker_forgets: false,
            no_pubacks: false,
            retained_ack: None,
            gateway: Gateway {
                commit_ms: 20,
                ..Gateway::default()
            },
            gaps: BTreeSet::new(),
            sent: Vec::new(),
            expiries: Vec::new(),
            boot_behind: None,
            wall_off_ms: 0,
        };
        world.start();
        world
    }

    fn now(&self) -> Now {
        let utc = UtcMs(EPOCH + i64::try_from(self.at).expect("some days") + self.wall_off_ms);
        Now {
            mono: self.at - self.booted_at,
            wall: if self.at < self.setup.clock_set_at {
                Wall::Unsynced
            } else {
                Wall::Synced(utc)
            },
        }
    }

    /// Kills the node where it stands and starts another on the same disk.
    pub(crate) fn restart(&mut self) {
        self.cut();
        self.node = None;
        self.start();
    }

    fn start(&mut self) {
        self.life += 1;
        self.booted_at = self.at;
        self.bus_busy = false;
        self.bus_until = Some(self.at);
        let config = Config {
            park: "east".into(),
            enterprise: "plant-1".into(),
            node: "n1".into(),
            firmware: "0".into(),
            config_hash: None,
            rules_hash: None,
            reset_cause: None,
            buses: vec![bus(self.setup.slaves, self.setup.period_ms)],
            pack: PackConfig::default(),
            uplink: self.setup.uplink,
            back_off: BackOffConfig::default(),
        };
        let store = SharedStore(self.disk.clone());
        let node = Node::new(config, self.life, 1, store, self.now()).expect("a fresh boot");
        self.node = Some(node);
    }

    /// Ends the session; what was under way between node and broker is lost.
    pub(crate) fn cut(&mut self) {
        let now = self.now();
        if self.session.take().is_some()
            && let Some(node) = &mut self.node
        {
            node.handle_disconnected(now);
        }
        self.reconnect_at = self.at + 500;
    }

    /// The gateway is killed: what it had received and not stored is lost.
    pub(crate) fn kill_gateway(&mut self) {
        self.gateway.down = true;
        self.gateway.acking = false;
        self.gateway.pending.clear();
        self.gateway.stuck.clear();
        self.events
            .retain(|_, event| !matches!(event, Event::GatewayCommits { .. } | Event::GatewayAcks));
    }

    pub(crate) fn start_gateway(&mut self) {
        if self.gateway.down {
            self.gateway.down = false;
            self.ack_soon(1_000);
        }
    }

    pub(crate) fn free_disk(&mut self) {
        self.gateway.disk_full = false;
        for id in core::mem::take(&mut self.gateway.stuck) {
            self.schedule(1, Event::GatewayCommits { id });
        }
    }

    fn ack_soon(&mut self, ms: u64) {
        if !self.gateway.acking && !self.gateway.down {
            self.gateway.acking = true;
            self.schedule(ms, Event::GatewayAcks);
        }
    }

    fn schedule(&mut self, ms: u64, event: Event) {
        self.n_events += 1;
        self.events.insert((self.at + ms, self.n_events), event);
    }

    pub(crate) fn run(&mut self, ms: u64) {
        let until = self.at + ms;
        loop {
            self.settle();
            let Some(next) = self.next_time().filter(|next| *next <= until) else {
                break;
            };
            assert!(
                next > self.at
                    || self
                        .events
                        .first_key_value()
                        .is_some_and(|((at, _), _)| *at <= self.at),
                "the world stands still at {next}: {:?}",
                self.node.as_ref().map(|node| node.poll_timeout())
            );
            self.at = self.at.max(next);
            let now = self.now();
            if let Some(node) = &mut self.node {
                node.handle_timeout(now);
            }
            while let Some(entry) = self.events.first_entry()
                && entry.key().0 <= self.at
            {
                let event = entry.remove();
                self.handle(event);
                self.settle();
            }
        }
        self.at = until;
    }

    fn next_time(&self) -> Option<u64> {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let node = self.node.as_ref().and_then(Node::poll_timeout);
        let node = node.map(|mono| mono + self.booted_at);
        let connect = (self.session.is_none() && self.broker_up).then_some(self.reconnect_at);
        let bus = self.bus_until.filter(|_| !self.bus_busy);
        [event, node, connect, bus].into_iter().flatten().min()
    }

    /// Lets the node do everything that it wants to do now.
    fn settle(&mut self) {
        let now = self.now();
        if self.session.is_none() && self.broker_up && self.reconnect_at <= self.at {
            self.n_sessions += 1;
            self.session = Some(self.n_sessions);
            if let Some(node) = &mut self.node {
                node.handle_connected(now);
            }
        }
        for _ in 0..10_000 {
            let Some(node) = &mut self.node else { return };
            if !self.bus_busy && self.bus_until.is_some_and(|until| until <= self.at) {
                match node.poll_bus(0, now) {
                    Work::Send(request) => {
                        self.bus_busy = true;
                        let dead = self.dead.contains(&request.slave);
                        let ms = if dead {
                            u64::from(request.timeout_ms)
                        } else {
                            5
                        };
                        let event = Event::BusAnswer {
                            life: self.life,
                            token: request.token,
                            slave: request.slave,
                        };
                        self.schedule(ms, event);
                    }
                    Work::Drain { until } => self.bus_until = Some(until + self.booted_at),
                    Work::Idle { until } => {
                        self.bus_until = until.map(|until| until + self.booted_at);
                    }
                }
                continue;
            }
            let Some(effect) = node.poll_effect(now) else {
                self.check();
                return;
            };
            let session = self.session.expect("effects need a session");
            match effect {
                Effect::Subscribe(_) => {
                    self.schedule(2 * HOP_MS, Event::SubscriptionTaken { session });
                }
                Effect::Publish(publish) => {
                    if publish.lane != Lane::Control {
                        let id = pack_id(&publish.payload);
                        self.sent.push((self.at, publish.lane, id));
                        self.expiries.push((publish.lane, publish.expiry_s));
                        assert_eq!(
                            Some(&publish.payload),
                            self.disk.borrow().formed.get(&id),
                            "the bytes of {id:?} changed"
                        );
                    }
                    self.schedule(HOP_MS, Event::BrokerTakes { session, publish });
                }
                Effect::Disconnect => self.cut(),
                Effect::BootBehind { boot } => self.boot_behind = Some(boot),
            }
        }
        panic!("the node never comes to rest");
    }

    fn handle(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::BusAnswer { life, token, slave } => {
                if life == self.life
                    && let Some(node) = &mut self.node
                {
                    let words = [u16::try_from(self.at % 60_000).expect("below 60,000")];
                    let answer = match self.dead.contains(&slave) {
                        true => Answer::Silent,
                        false => Answer::Words(&words),
                    };
                    node.handle_answer(0, token, &answer, now);
                    self.bus_busy = false;
                    self.bus_until = Some(self.at);
                }
            }
            Event::SubscriptionTaken { session } => {
                if self.session == Some(session)
                    && let Some(node) = &mut self.node
                {
                    node.handle_subscribed(now);
                    if let Some(payload) = self.retained_ack.clone() {
                        self.schedule(1, Event::NodeGets { session, payload });
                    }
                }
            }
            Event::BrokerTakes { session, publish } => {
                if self.session != Some(session) {
                    return;
                }
                if !self.no_pubacks {
                    let token = publish.token;
                    self.schedule(HOP_MS, Event::PubAck { session, token });
                }
                if !self.broker_forgets || publish.retain {
                    self.schedule(HOP_MS, Event::GatewayGets { publish });
                }
            }
            Event::PubAck { session, token } => {
                if self.session == Some(session)
                    && let Some(node) = &mut self.node
                {
                    node.handle_puback(token, 0, now);
                }
            }
            Event::GatewayGets { publish } => self.gateway_gets(&publish),
            Event::GatewayCommits { id } => {
                if self.gateway.disk_full {
                    self.gateway.stuck.push(id);
                } else if let Some(bytes) = self.gateway.pending.remove(&id) {
                    self.gateway.durable.insert(id, bytes);
                    let whole_to = self.gateway.whole_to.entry(id.boot).or_default();
                    let mut next = PackId {
                        seq: *whole_to + 1,
                        ..id
                    };
                    while self.gateway.durable.contains_key(&next) {
                        *whole_to = next.seq;
                        next.seq += 1;
                    }
                    self.ack_soon(1_000);
                }
            }
            Event::GatewayAcks => {
                self.gateway.acking = false;
                if self.gateway.mute {
                    return;
                }
                let Some(ack) = self.gateway.ack(&self.gaps) else {
                    return;
                };
                let payload = encode(&ack);
                self.retained_ack = Some(payload.clone());
                if let Some(session) = self.session {
                    self.schedule(HOP_MS, Event::NodeGets { session, payload });
                }
            }
            Event::NodeGets { session, payload } => self.node_gets(session, &payload),
        }
    }

    fn gateway_gets(&mut self, publish: &Publish) {
        if publish.lane == Lane::Control {
            // The status is retained: a gateway that was down reads it when it is back.
            let status: NodeStatus = decode(&publish.payload).expect("the node's status");
            if status.state == NodeState::Online {
                self.gateway.status = Some(status);
            }
            for id in self.disk.borrow().formed.keys() {
                if self.gateway.knows_dropped(*id) && !self.gateway.durable.contains_key(id) {
                    self.gaps.insert(*id);
                }
            }
            self.ack_soon(1_000);
            return;
        }
        if self.gateway.down {
            return;
        }
        let id = pack_id(&publish.payload);
        *self.gateway.deliveries.entry(id).or_default() += 1;
        self.gateway.live_order.push((publish.lane, id));
        if self.gateway.deaf_to.contains(&id) {
            return;
        }
        let known = self.gateway.durable.get(&id);
        if let Some(known) = known.or_else(|| self.gateway.pending.get(&id)) {
            assert_eq!(*known, publish.payload, "{id:?} came with other bytes");
            return;
        }
        self.gateway.pending.insert(id, publish.payload.clone());
        self.schedule(self.gateway.commit_ms, Event::GatewayCommits { id });
    }

    fn node_gets(&mut self, session: u64, payload: &[u8]) {
        let now = self.now();
        if self.session == Some(session)
            && let Some(node) = &mut self.node
        {
            node.handle_message("fengsui/v1/east/plant-1/edge/n1/ack", payload, now);
        }
    }

    /// Gives the node an ack as if the gateway had sent it.
    pub(crate) fn inject_ack(&mut self, ack: &Ack) {
        let session = self.session.expect("a session");
        self.node_gets(session, &encode(ack));
        self.settle();
    }

    /// The promise: nothing leaves the store before it is durable in the gateway, unless it was given up in the open.
    fn check(&self) {
        let removed = core::mem::take(&mut self.disk.borrow_mut().removed);
        for id in removed {
            if self.gateway.durable.contains_key(&id) || self.gaps.contains(&id) {
                continue;
            }
            let note = self.disk.borrow_mut().packs.note().expect("in memory");
            let note: serde_json::Value = serde_json::from_slice(&note).unwrap_or_default();
            let rows = note["dropped"].as_array().cloned().unwrap_or_default();
            let listed = rows.iter().any(|row| {
                row["boot"] == id.boot
                    && row["from"].as_u64().is_some_and(|from| from <= id.seq)
                    && row["to"].as_u64().is_some_and(|to| to >= id.seq)
            });
            assert!(listed, "{id:?} is gone at {}: {note}", self.at);
        }
    }

    /// Mends everything and waits until nothing moves.
    pub(crate) fn heal(&mut self) {
        self.broker_up = true;
        self.broker_forgets = false;
        self.no_pubacks = false;
        self.free_disk();
        self.gateway.mute = false;
        self.gateway.commit_ms = 20;
        self.start_gateway();
        for _ in 0..30 {
            self.run(60_000);
            let held = self.node.as_ref().map_or(0, |node| node.counters().held);
            if held <= 3 {
                break;
            }
        }
    }

    /// Everything formed until a minute ago is durable, or a gap that the node owned up to.
    pub(crate) fn assert_nothing_lost(&self) {
        let formed = self.disk.borrow().formed.clone();
        let last = self.life;
        let recent = self.sent.iter().rev().take(64).map(|(_, _, id)| *id);
        let recent: BTreeSet<PackId> = recent.filter(|id| id.boot == last).collect();
        for (id, bytes) in &formed {
            match self.gateway.durable.get(id) {
                Some(durable) => assert_eq!(durable, bytes),
                None => assert!(
                    self.gaps.contains(id) || recent.contains(id),
                    "{id:?} never came; held: {}",
                    self.node
                        .as_ref()
                        .is_some_and(|node| node.counters().held > 0)
                ),
            }
        }
    }
}

/// The number in a pack.
pub(crate) fn pack_id(bytes: &[u8]) -> PackId {
    let pack = senml::decode(bytes, Format::Cbor, &mut |record| {
        record.expect("a record that makes sense");
    });
    let pack = pack.expect("a pack that reads");
    PackId {
        boot: pack.boot.expect("a boot"),
        seq: pack.seq.expect("a number"),
    }
}
