//! Packs become samples: once each, live or late, with what is missing known and said.
//!
//! Sans-IO: takes messages and the time, gives records for the log, acks, dead letters and notes.
//! Knows nodes, points and the contract's wire rules; knows neither brokers nor files nor rules.
//! What it remembers is a function of the log, so a restart knows what had come.

mod dating;
mod ledger;
mod node;
mod registry;
mod span;
mod state;
mod status;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use rules::point::PointInfo;
use telemetry::body::Ack;
use telemetry::senml::{self, Format, Time};
use telemetry::{Quality, UtcMs, Value};

use crate::log::{DecodeError, Lane, LogOffset, LoggedSample, PackId, Record, SampleEncoder};
pub use dating::Way;
use dating::{Newest, PackDating};
use ledger::Change;
use node::Node;
pub use registry::{BusConfig, NodeConfig};
use registry::{Misfit, Registry};

/// At most one ack a node in this time, in milliseconds.
const ACK_GAP_MS: u64 = 1_000;
/// A node of which no status came within this after the broker was reached is offline, in milliseconds.
const SILENT_MS: u64 = 30_000;
/// Senders that are not in the configuration and are remembered all the same.
const STRANGERS_MAX: usize = 256;
/// Records of one pack that go to the dead letters one by one.
const LETTERS_MAX: usize = 16;

/// Where ingest's outputs go.
pub trait Out {
    /// Logs a record and has it evaluated; says where it ends, and none when the log takes no more: then it is evaluated all the same, and never acknowledged.
    fn record(&mut self, record: &Record<'_>) -> Option<LogOffset>;

    /// Keeps what could not be taken.
    fn dead_letter(&mut self, letter: &DeadLetter<'_>);

    /// Tells people and counters.
    fn note(&mut self, note: &Note<'_>);
}

/// What could not be taken, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeadLetter<'a> {
    /// From whom.
    pub node: &'a str,
    /// The topic's last level.
    pub topic: &'static str,
    /// The word that it is counted by.
    pub cause: &'static str,
    /// What exactly was wrong.
    pub detail: &'a str,
    /// The bytes: of the whole message, or of one record.
    pub bytes: &'a [u8],
}

/// What ingest tells people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Note<'a> {
    /// A pack was taken in.
    PackTaken {
        /// Which way it came.
        way: Way,
        /// Its live samples.
        live: usize,
        /// Its late ones, and those for a millisecond that had one.
        late: usize,
    },
    /// A pack came again.
    PackRepeated {
        /// From whom.
        node: &'a str,
    },
    /// A pack's number came again with other bytes: the first stands.
    PackContradicted {
        /// From whom.
        node: &'a str,
        /// Its number.
        id: PackId,
    },
    /// A pack was left for later: it isn't acknowledged and will come again.
    PackDeferred {
        /// From whom.
        node: &'a str,
        /// Why.
        cause: &'static str,
    },
    /// Something could not be taken.
    Refused {
        /// From whom.
        node: &'a str,
        /// Why, as in [`DeadLetter::cause`].
        cause: &'static str,
        /// How many records, or 1 for a whole message.
        count: usize,
    },
    /// A node gave up packs that had not come.
    GapFound {
        /// The node.
        node: &'a str,
        /// The boot.
        boot: u64,
        /// The first pack.
        from: u64,
        /// The last.
        to: u64,
        /// The node's word for why.
        cause: &'a str,
    },
    /// A status of a boot before the one that is known.
    StatusOutdated {
        /// The node.
        node: &'a str,
        /// Its boot.
        boot: u64,
    },
}

/// A pack as it came.
#[derive(Clone, Copy, Debug)]
pub struct PackIn<'a> {
    /// The node of its topic.
    pub node: &'a str,
    /// Which topic.
    pub way: Way,
    /// The content type, where the sender gave one.
    pub content_type: Option<&'a str>,
    /// The body.
    pub bytes: &'a [u8],
}

/// How far behind the newest values are that a node has sent; for `status`.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView<'a> {
    /// Its name.
    pub name: &'a str,
    /// The last pack that is on disk here, as the ack says.
    pub ack: Option<Ack>,
    /// Its conditions that stand, by rule, with their reasons.
    pub conditions: Vec<(&'a str, &'a str)>,
    /// A status of it came since the start.
    pub seen: bool,
}

impl NodeView<'_> {
    /// `online`, `offline` or `never seen`.
    pub fn state(&self) -> &'static str {
        let is_offline = self
            .conditions
            .iter()
            .any(|(rule, _)| *rule == node::OFFLINE);
        match (is_offline, self.seen) {
            (true, _) => "offline",
            (false, true) => "online",
            (false, false) => "never seen",
        }
    }
}

/// A record between decoding and dating.
#[derive(Clone, Copy, Debug)]
struct Raw {
    point: u32,
    time: Time,
    value: Option<Value>,
    quality: Quality,
}

#[derive(Debug)]
struct Letter {
    cause: &'static str,
    detail: String,
    span: Option<std::ops::Range<usize>>,
}

#[derive(Debug, Default)]
struct Scratch {
    raws: Vec<Raw>,
    letters: Vec<Letter>,
    refused: HashMap<&'static str, usize>,
    encoder: SampleEncoder,
}

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

    /// Takes in a pack. Work is bounded by the pack's limits.
    pub fn handle_pack(&mut self, pack: &PackIn<'_>, now: UtcMs, out: &mut impl Out) {
        let Some(index) = self.node(pack.node) else {
            let (node, count) = (pack.node, 1);
            return out.note(&Note::Refused {
                node,
                cause: "too-many-nodes",
                count,
            });
        };
        let format = match pack.content_type {
            Some(content_type) => Format::from_content_type(content_type),
            None => pack.bytes.first().and_then(|first| Format::sniff(*first)),
        };
        let Some(format) = format else {
            let told = pack.content_type.unwrap_or("neither JSON nor CBOR");
            return self.refuse_whole(index, pack, "format", told, None, out);
        };
        let mut newest = Newest::default();
        let decoded = self.decode(index, pack.bytes, format, &mut newest);
        let head = match decoded {
            Ok(head) => head,
            Err(error) => {
                let id = number(error.boot, error.seq);
                return self.refuse_whole(index, pack, "pack", &error.to_string(), id, out);
            }
        };
        let id = number(head.boot, head.seq);
        if id.is_some_and(|id| !self.is_wanted(index, id, pack, out)) {
            return;
        }
        let node = &mut self.nodes[index];
        if pack.way == Way::History
            && id.is_some()
            && newest.has_mono()
            && !node.status_seen
            && !node.dating.has_anchor(head.boot)
        {
            let (node, cause) = (pack.node, "no-status");
            return out.note(&Note::PackDeferred { node, cause });
        }
        let behind = self.clock_is_behind;
        let dating = node
            .dating
            .pack(newest, pack.way, head.clock, head.boot, behind, now);
        let (live, late) = self.judge(index, &dating, pack.way, now);
        self.update_clock(index, now, out);
        self.tell_letters(pack, out);
        if id.is_none() && self.scratch.raws.is_empty() {
            return;
        }
        let samples = self.scratch.encoder.samples();
        let node = pack.node;
        let end = out.record(&Record::Pack { node, id, samples });
        if let (Some(id), Some(end)) = (id, end) {
            self.taken(index, id, pack.bytes, end);
        }
        out.note(&Note::PackTaken {
            way: pack.way,
            live,
            late,
        });
    }

    fn decode(
        &mut self,
        index: usize,
        bytes: &[u8],
        format: Format,
        newest: &mut Newest,
    ) -> Result<senml::Pack, senml::PackError> {
        let (registry, node) = (&self.registry, &mut self.nodes[index]);
        let Scratch {
            raws,
            letters,
            refused,
            ..
        } = &mut self.scratch;
        raws.clear();
        letters.clear();
        refused.clear();
        let mut place = 0;
        senml::decode(bytes, format, &mut |record| {
            let mut letter = |cause, detail: &dyn std::fmt::Display, span| {
                *refused.entry(cause).or_default() += 1;
                if letters.len() < LETTERS_MAX {
                    let detail = detail.to_string();
                    letters.push(Letter {
                        cause,
                        detail,
                        span,
                    });
                }
            };
            let record = match record {
                Ok(record) => record,
                Err(error) => return letter("record", &error, Some(error.span.clone())),
            };
            let hint = node.layout.get(place).copied();
            let read = registry
                .find(record.name, &node.name, hint)
                .and_then(|point| {
                    let value = registry.convert(point, record.value, record.unit)?;
                    Ok((point, value))
                });
            match read {
                Ok((point, value)) => {
                    node.remember_place(place, point);
                    place += 1;
                    newest.add(record.time, registry.max_age_ms(point));
                    let (time, quality) = (record.time, record.quality);
                    raws.push(Raw {
                        point,
                        time,
                        value,
                        quality,
                    });
                }
                Err(misfit) => letter(misfit.word(), &Told(misfit, &record), None),
            }
        })
    }

    /// False when a pack has come before, or can't be remembered.
    fn is_wanted(&self, index: usize, id: PackId, pack: &PackIn<'_>, out: &mut impl Out) -> bool {
        let (known, node) = (&self.nodes[index], pack.node);
        if known.taken.has(id) {
            if known.contradicts(id, pack.bytes) {
                out.note(&Note::PackContradicted { node, id });
            } else {
                out.note(&Note::PackRepeated { node });
            }
            return false;
        }
        if !known.taken.has_room(id) {
            let cause = "too-many-holes";
            out.note(&Note::PackDeferred { node, cause });
            return false;
        }
        true
    }

    /// Dates the samples, and finds for each whether it is live; counts the live and the other ones.
    fn judge(&mut self, index: usize, dating: &PackDating, way: Way, now: UtcMs) -> (usize, usize) {
        let Scratch { raws, encoder, .. } = &mut self.scratch;
        encoder.clear();
        let (mut n_live, mut n_late) = (0, 0);
        for raw in raws.iter() {
            let dated = dating.date(raw.time);
            if dated.was_ahead {
                self.nodes[index].dating.note_ahead(now);
            }
            let watermark = &mut self.watermarks[raw.point as usize];
            let max_age_ms = self.registry.max_age_ms(raw.point);
            let is_young = max_age_ms == 0 || now.since_ms(dated.at) <= max_age_ms;
            // What lay in a store and is dated by arrival says nothing of now.
            let is_guess = way == Way::History && dated.clock == telemetry::Clock::Arrival;
            let lane = if dated.at == *watermark {
                Lane::Again
            } else if dated.at > *watermark && is_young && !is_guess {
                *watermark = dated.at.min(now);
                Lane::Live
            } else {
                Lane::Late
            };
            match lane {
                Lane::Live => n_live += 1,
                Lane::Late | Lane::Again => n_late += 1,
            }
            encoder.push(&LoggedSample {
                point: raw.point,
                lane,
                sample: telemetry::Sample {
                    at: dated.at,
                    value: raw.value,
                    quality: raw.quality,
                    clock: dated.clock,
                },
            });
        }
        (n_live, n_late)
    }

    fn tell_letters(&self, pack: &PackIn<'_>, out: &mut impl Out) {
        let node = pack.node;
        for letter in &self.scratch.letters {
            let span = letter.span.clone();
            out.dead_letter(&DeadLetter {
                node,
                topic: pack.way.word(),
                cause: letter.cause,
                detail: &letter.detail,
                bytes: span
                    .and_then(|span| pack.bytes.get(span))
                    .unwrap_or_default(),
            });
        }
        for (cause, count) in &self.scratch.refused {
            let (cause, count) = (*cause, *count);
            out.note(&Note::Refused { node, cause, count });
        }
    }

    /// A message that does not parse: to the dead letters whole, and where its number can be read it counts as taken.
    fn refuse_whole(
        &mut self,
        index: usize,
        pack: &PackIn<'_>,
        cause: &'static str,
        detail: &str,
        id: Option<PackId>,
        out: &mut impl Out,
    ) {
        let node = pack.node;
        if id.is_some_and(|id| !self.is_wanted(index, id, pack, out)) {
            return;
        }
        out.dead_letter(&DeadLetter {
            node,
            topic: pack.way.word(),
            cause,
            detail,
            bytes: pack.bytes,
        });
        out.note(&Note::Refused {
            node,
            cause,
            count: 1,
        });
        if let Some(id) = id {
            self.scratch.encoder.clear();
            let samples = self.scratch.encoder.samples();
            let id_logged = Some(id);
            if let Some(end) = out.record(&Record::Pack {
                node,
                id: id_logged,
                samples,
            }) {
                self.taken(index, id, pack.bytes, end);
            }
        }
    }

    fn taken(&mut self, index: usize, id: PackId, bytes: &[u8], end: LogOffset) {
        self.nodes[index].remember_bytes(id, bytes);
        self.changed(index, Change::Taken(id), end);
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

fn number(boot: Option<u64>, seq: Option<u64>) -> Option<PackId> {
    let (boot, seq) = (boot?, seq?);
    Some(PackId { boot, seq })
}

impl Way {
    /// The topic's last level.
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "telemetry",
            Self::History => "history",
        }
    }
}

/// A record that fits no point, for people.
struct Told<'a>(Misfit, &'a senml::Record<'a>);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(misfit, record) = self;
        write!(f, "{}: {}", misfit.word(), record.name)?;
        if let Some(value) = record.value {
            write!(f, " = {}", value.as_f64())?;
        }
        match record.unit {
            Some(unit) => write!(f, " {unit}"),
            None => Ok(()),
        }
    }
}
