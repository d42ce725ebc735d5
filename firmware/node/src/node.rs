//! The node: buses, packs, outbox and uplink as one machine.
//!
//! Ties the others together and decides nothing that one of them could.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use rules::effect::Verb;
use serde_json::Value;
use telemetry::body::{
    Ack, Anchor, Command, Desired, Dropped, NodeState, NodeStatus, PackId, decode, encode,
};
use telemetry::{Quality, UtcMs};

use crate::command::Commands;
use crate::config::Config;
use crate::desired::Lease;
use crate::effect::{Answer, Effect, Trouble, Will, Work};
use crate::line::Line;
use crate::outbox::{OpenError, Outbox, Store};
use crate::pack::{Packer, Reading};
use crate::time::{Now, Wall};
use crate::trip::{Switch, TripConfig, Trips};
use crate::uplink::{Control, Uplink};

/// Changes of the status wait for each other so long, in milliseconds.
const STATUS_GAP_MS: u64 = 1_000;

/// So many outputs that are not here are told.
const UNKNOWN_MAX: usize = 16;

/// How far the node has come, for people and metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Readings taken from the buses.
    pub readings: u64,
    /// Packs formed.
    pub packs: u64,
    /// Packs given to the uplink, repeats included.
    pub sent: u64,
    /// Packs that no ack covers yet.
    pub held: u64,
    /// Bytes of those.
    pub held_bytes: u64,
}

/// When a status was sent, and what it said that is worth another one.
#[derive(Debug, Default)]
struct Told {
    at: Option<u64>,
    bus: Vec<&'static str>,
    anchors: Vec<Anchor>,
    dropped: Vec<Dropped>,
    clock: Option<telemetry::Clock>,
    /// The boot of the oldest pack held: the gateway's ack stays in a boot until nothing of it can come.
    oldest_boot: u64,
}

/// An edge node. Every call takes the present instant last; work per call is bounded by what is held and polled.
#[derive(Debug)]
pub struct Node<S> {
    config: Config,
    boot: u64,
    lines: Vec<Line>,
    packer: Packer,
    outbox: Outbox<S>,
    uplink: Uplink,
    commands: Commands,
    trips: Option<Trips>,
    lease: Lease,
    /// Outputs that were wanted and are not here: each is told once.
    unknown_outputs: Vec<String>,
    told: Told,
    connected_at: u64,
    status_wanted: bool,
    boot_behind: Option<u64>,
    stopping: bool,
    troubles: Vec<Trouble>,
    counters: Counters,
}

impl<S: Store> Node<S> {
    /// Starts on what an earlier boot left in `store`.
    ///
    /// `boot` must be greater than every earlier one, also after the store was lost: take a counter kept beside the
    /// store, and where there is none, seconds since 1970. `seed` spreads the pauses of dead slaves.
    ///
    /// # Errors
    /// The store can't be read, or has packs of this boot or a later one.
    pub fn new(
        mut config: Config,
        boot: u64,
        seed: u64,
        store: S,
        now: Now,
    ) -> Result<Self, OpenError> {
        let outbox = Outbox::open(store, boot)?;
        let packer = Packer::new(&config);
        let uplink = Uplink::new(&config, packer.format().content_type());
        let buses = core::mem::take(&mut config.buses);
        let lines = buses
            .into_iter()
            .zip(seed..)
            .map(|(bus, seed)| Line::new(bus, config.back_off, seed, now.mono))
            .collect();
        let mut node = Self {
            config,
            boot,
            lines,
            packer,
            outbox,
            uplink,
            commands: Commands::default(),
            trips: None,
            lease: Lease::new(now.mono),
            unknown_outputs: Vec::new(),
            told: Told::default(),
            connected_at: now.mono,
            status_wanted: false,
            boot_behind: None,
            stopping: false,
            troubles: Vec::new(),
            counters: Counters::default(),
        };
        node.settle(now);
        Ok(node)
    }

    /// Begins to run local rules; from now on their outputs are switched by [`Self::poll_switch`], with or without an uplink.
    pub fn set_trips(&mut self, config: TripConfig, now: Now) {
        let mut buses = self.lines.iter().map(Line::bus);
        self.trips = Some(Trips::new(config, &mut buses, now));
        self.settle(now);
    }

    /// The next output to switch; ask until it is none, after every call and before anything else.
    pub fn poll_switch(&mut self) -> Option<Switch> {
        self.trips.as_mut()?.poll_switch()
    }

    /// The number of this boot.
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// How many buses it polls.
    pub fn n_buses(&self) -> usize {
        self.lines.len()
    }

    /// A bus that it polls.
    pub fn bus(&self, bus: usize) -> Option<&devices::Bus> {
        self.lines.get(bus).map(Line::bus)
    }

    /// What the broker must be told at each connection.
    pub fn will(&self) -> Will {
        Will {
            topic: self.uplink.topics.status.clone(),
            payload: encode(&NodeStatus::will(self.config.node.clone(), self.boot)),
        }
    }

    /// How far it has come.
    pub fn counters(&self) -> Counters {
        Counters {
            held: u64::try_from(self.outbox.n_held()).unwrap_or(u64::MAX),
            held_bytes: self.outbox.bytes_held(),
            ..self.counters
        }
    }

    /// Says what a bus has to do now. Ask after each answer, when the time said has come, and after [`Self::handle_message`].
    pub fn poll_bus(&mut self, bus: usize, now: Now) -> Work {
        let Some(line) = self.lines.get_mut(bus) else {
            return Work::Idle { until: None };
        };
        let n_before = self.packer.len();
        let work = {
            let mut tell = teller(bus, &mut self.packer, &mut self.counters, now);
            line.poll(&mut tell, now.mono)
        };
        self.apply_rules(n_before);
        self.settle(now);
        work
    }

    /// Takes what came of a [`Work::Send`]; an answer to anything else is ignored. `now` is when the answer was complete.
    pub fn handle_answer(&mut self, bus: usize, token: u64, answer: &Answer<'_>, now: Now) {
        let n_before = self.packer.len();
        if let Some(line) = self.lines.get_mut(bus) {
            let mut tell = teller(bus, &mut self.packer, &mut self.counters, now);
            line.handle_answer(token, answer, &mut tell, now.mono);
        }
        self.apply_rules(n_before);
        self.settle(now);
    }

    /// A new session with the broker stands.
    pub fn handle_connected(&mut self, now: Now) {
        self.uplink.handle_connected(&mut self.outbox, now.mono);
        self.connected_at = now.mono;
        self.status_wanted = true;
        self.told.at = None;
        self.settle(now);
    }

    /// The broker took the subscription; its retained ack comes now if there is one.
    pub fn handle_subscribed(&mut self, now: Now) {
        self.uplink.handle_subscribed(now.mono);
        self.settle(now);
    }

    /// The session is over, however it ended. What had no PUBACK waits again.
    pub fn handle_disconnected(&mut self, now: Now) {
        self.uplink.handle_disconnected(&mut self.outbox);
        self.settle(now);
    }

    /// The broker answered a publish; `reason` is the MQTT 5 reason code, 0 for MQTT 3.1.1. Tokens of earlier sessions are ignored.
    pub fn handle_puback(&mut self, token: u64, reason: u8, now: Now) {
        let refused = self
            .uplink
            .handle_puback(&mut self.outbox, token, reason, now.mono);
        if let Some(topic) = refused {
            self.trouble(Trouble::Refused { topic, reason });
        }
        self.settle(now);
    }

    /// A message came on a topic that [`Effect::Subscribe`] asked for; ask every bus for work afterwards.
    pub fn handle_message(&mut self, topic: &str, payload: &[u8], now: Now) {
        let unread = if *topic == *self.uplink.topics.ack {
            decode(payload).map(|ack| self.handle_ack(&ack, now))
        } else if *topic == *self.uplink.topics.desired {
            decode(payload).map(|desired| self.handle_desired(&desired, now))
        } else if *topic == *self.uplink.topics.command {
            decode(payload).map(|command| self.handle_command(&command, now))
        } else {
            return;
        };
        if let Err(error) = unread {
            self.trouble(Trouble::Message {
                topic: topic.to_string(),
                why: error.to_string(),
            });
        }
        self.settle(now);
    }

    fn handle_ack(&mut self, ack: &Ack, now: Now) {
        match self.outbox.handle_ack(ack, now.mono) {
            Ok(moved) => self.uplink.handle_ack(moved, now.mono),
            Err(ahead) => self.boot_behind = Some(ahead.boot.max(self.boot)),
        }
    }

    /// Switches outputs as the gateway wants it, and reads what it wants more often; an output that this node does not have is told.
    fn handle_desired(&mut self, desired: &Desired, now: Now) {
        if !self.lease.take(desired, now.mono) {
            return;
        }
        // What the gateway does not name, nobody wants anything of.
        let is_named = |name: &str| desired.outputs.iter().any(|(named, _)| named == name);
        for line in &mut self.lines {
            line.fail_safe(&is_named);
            line.set_periods(&desired.periods, now.mono);
        }
        for (name, on) in &desired.outputs {
            let known = self.lines.iter_mut().any(|line| line.switch(name, *on));
            let is_news = !known && !self.unknown_outputs.contains(name);
            if is_news && self.unknown_outputs.len() < UNKNOWN_MAX {
                self.unknown_outputs.push(name.clone());
                self.trouble(Trouble::UnknownOutput {
                    output: name.clone(),
                });
            }
        }
    }

    fn handle_command(&mut self, command: &Command, now: Now) {
        let (lines, status_wanted) = (&mut self.lines, &mut self.status_wanted);
        let trips = &mut self.trips;
        let act = |command: &Command| -> Result<Value, String> {
            match command.verb.as_str() {
                "status" => {
                    *status_wanted = true;
                    Ok(Value::Null)
                }
                // Ends the pause of a slave that did not answer: somebody has just mended it.
                "poll" => {
                    let bus = command.args.get("bus").and_then(|bus| bus.as_str());
                    let slave = command.args.get("slave").and_then(|slave| slave.as_u64());
                    let (Some(bus), Some(Ok(slave))) = (bus, slave.map(u8::try_from)) else {
                        return Err("`poll` takes `bus`, a name, and `slave`, its address".into());
                    };
                    let line = lines.iter_mut().find(|line| line.bus().name == bus);
                    match line.is_some_and(|line| line.wake(slave)) {
                        true => Ok(Value::Null),
                        false => Err("no such bus or slave".into()),
                    }
                }
                verb @ ("ack" | "reset") => {
                    let alarm = command.args.get("alarm").and_then(|alarm| alarm.as_str());
                    let by = command.args.get("by").and_then(|by| by.as_str());
                    let (Some(alarm), Some(by)) = (alarm, by) else {
                        return Err(
                            "`ack` and `reset` take `alarm`, its id, and `by`, who asks".into()
                        );
                    };
                    let trips = trips.as_mut().ok_or("this node has no local rules")?;
                    let verb = Verb::from_word(verb).ok_or("unknown verb")?;
                    let done = trips.handle_command(verb, alarm, by, now);
                    done.map(|()| Value::Null)
                        .map_err(|refusal| refusal.to_string())
                }
                _ => Err("unknown verb".into()),
            }
        };
        let payload = self.commands.handle(command, act, now);
        let topic = self.uplink.topics.reply.clone();
        self.uplink.control(Control { topic, payload });
    }

    /// The next thing to do for the uplink; ask until it is none, after every call.
    pub fn poll_effect(&mut self, now: Now) -> Option<Effect> {
        if let Some(boot) = self.boot_behind.take() {
            return Some(Effect::BootBehind { boot });
        }
        let due = self.status_due().is_some_and(|at| at <= now.mono);
        let can = self.uplink.can_publish();
        let status = (due && can).then(|| self.status(now));
        let effect = self.uplink.poll(&mut self.outbox, status, now.mono);
        if let Some(Effect::Publish(publish)) = &effect
            && publish.lane != crate::Lane::Control
        {
            self.counters.sent += 1;
        }
        effect
    }

    /// What went wrong since the last call, oldest first.
    pub fn poll_trouble(&mut self) -> Option<Trouble> {
        if let Some(trouble) = self.outbox.pop_trouble() {
            return Some(trouble);
        }
        (!self.troubles.is_empty()).then(|| self.troubles.remove(0))
    }

    /// When [`Self::handle_timeout`] is due, in milliseconds since boot; the buses have their own times ([`Work`]).
    /// Early is harmless, late delays what was to be sent.
    pub fn poll_timeout(&self) -> Option<u64> {
        let status = self.status_due().filter(|_| self.uplink.is_online());
        [
            self.packer.next_due(),
            self.outbox.next_due(),
            self.uplink.poll_timeout(),
            self.trips.as_ref().and_then(Trips::poll_timeout),
            self.lease.poll_timeout(),
            status,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due; may be called at any time.
    pub fn handle_timeout(&mut self, now: Now) {
        self.settle(now);
    }

    /// Closes the last pack and says offline; then [`Self::poll_effect`] once more, and disconnect.
    pub fn handle_stop(&mut self, now: Now) {
        self.stopping = true;
        self.close_packs(u64::MAX, now);
        self.status_wanted = true;
        self.told.at = None;
        self.settle(now);
    }

    /// Gives the local rules the readings after the first `n_before`.
    fn apply_rules(&mut self, n_before: usize) {
        if let Some(trips) = &mut self.trips {
            for reading in self.packer.readings_from(n_before) {
                trips.handle_reading(reading);
            }
        }
    }

    /// Tells what the local rules switched; a trip names the pack with its reading, which is closed for that.
    fn tell_trips(&mut self, now: Now) {
        if self.trips.as_ref().is_some_and(Trips::has_news) {
            self.close_packs(u64::MAX, now);
        }
        let next = self.outbox.next_id();
        while let Some(trip) = self.trips.as_mut().and_then(|trips| trips.poll_trip(next)) {
            let topic = self.uplink.topics.trip.clone();
            let payload = encode(&trip);
            self.uplink.control(Control { topic, payload });
        }
    }

    fn settle(&mut self, now: Now) {
        if let Some(trips) = &mut self.trips {
            trips.handle_timeout(now);
        }
        self.tell_trips(now);
        if self.lease.has_ended(now.mono) {
            for line in &mut self.lines {
                line.fail_safe(&|_| false);
                line.set_periods(&[], now.mono);
            }
        }
        if let Wall::Synced(utc) = now.wall {
            self.outbox.anchor(now.mono, utc);
        }
        self.close_packs(now.mono, now);
        self.outbox.handle_due(now.mono);
        self.uplink.handle_timeout(&mut self.outbox, now.mono);
        if !self.status_wanted {
            self.status_wanted = self.is_status_stale(now);
        }
    }

    /// Closes every pack that is due by `until`.
    fn close_packs(&mut self, until: u64, now: Now) {
        while self.packer.next_due().is_some_and(|due| due <= until) {
            let id = self.outbox.next_id();
            let trips = &mut self.trips;
            let mut tell = |bus, point| {
                if let Some(trips) = trips {
                    trips.handle_packed(bus, point, id);
                }
            };
            let Some(formed) = self.packer.close(id, &mut tell) else {
                continue;
            };
            let is_first = self.outbox.is_empty();
            let max_age_ms = formed.max_age_ms;
            self.counters.packs += 1;
            if self.outbox.push(formed.bytes) {
                self.uplink
                    .handle_formed(id, max_age_ms, is_first, now.mono);
            }
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        if self.troubles.len() < 16 {
            self.troubles.push(trouble);
        }
    }

    /// When the next status is to be sent.
    fn status_due(&self) -> Option<u64> {
        let Some(told) = self.told.at else {
            return self.status_wanted.then_some(0);
        };
        let gap_ms = match self.status_wanted {
            true => STATUS_GAP_MS,
            false => self.config.uplink.status_period_ms,
        };
        Some(told + gap_ms)
    }

    fn words(&self) -> Vec<&'static str> {
        self.lines.iter().flat_map(Line::words).collect()
    }

    fn is_status_stale(&self, now: Now) -> bool {
        self.told.clock != Some(now.wall.clock())
            || self.told.oldest_boot != self.outbox.oldest_held().boot
            || self.told.anchors != self.outbox.anchors()
            || self.told.dropped != self.outbox.dropped()
            || !self
                .lines
                .iter()
                .flat_map(Line::words)
                .eq(self.told.bus.iter().copied())
    }

    fn status(&mut self, now: Now) -> Vec<u8> {
        self.status_wanted = false;
        self.told = Told {
            at: Some(now.mono),
            bus: self.words(),
            anchors: self.outbox.anchors().to_vec(),
            dropped: self.outbox.dropped().to_vec(),
            clock: Some(now.wall.clock()),
            oldest_boot: self.outbox.oldest_held().boot,
        };
        let online_ms = now.mono.saturating_sub(self.connected_at);
        let since = now.wall.utc().map(|utc: UtcMs| utc.minus_ms(online_ms));
        let optional = |text: &Option<String>| text.clone();
        encode(&NodeStatus {
            state: match self.stopping {
                true => NodeState::Offline,
                false => NodeState::Online,
            },
            since,
            firmware: Some(self.config.firmware.clone()),
            config_hash: optional(&self.config.config_hash),
            rules_hash: optional(&self.config.rules_hash),
            clock: Some(now.wall.clock()),
            anchor: self.told.anchors.clone(),
            oldest_held: Some(self.outbox.oldest_held()),
            dropped: self.told.dropped.clone(),
            bus: self.lines.iter().flat_map(Line::states).collect(),
            reset_cause: optional(&self.config.reset_cause),
            ..NodeStatus::will(self.config.node.clone(), self.boot)
        })
    }

    /// The number of the pack that a reading taken now goes into.
    pub fn next_pack(&self) -> PackId {
        self.outbox.next_id()
    }
}

/// Hands what a bus tells to the packer.
fn teller<'a>(
    bus: usize,
    packer: &'a mut Packer,
    counters: &'a mut Counters,
    at: Now,
) -> impl FnMut(usize, Option<telemetry::Value>, Quality) + 'a {
    move |point, value, quality| {
        counters.readings += 1;
        packer.push(Reading {
            bus,
            point,
            value,
            quality,
            at,
        });
    }
}
