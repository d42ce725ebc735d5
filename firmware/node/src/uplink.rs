//! What is sent when: the session, its window, live before history.
//!
//! A PUBACK is flow control; only the gateway's ack makes a pack forgotten. Knows topics and tokens, no bytes on a wire.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use telemetry::body::PackId;
use telemetry::topic::{SiteTopic, Topic};

use crate::config::{Config, UplinkConfig};
use crate::effect::{Effect, Lane, Publish};
use crate::outbox::{Outbox, Store};

/// So many trips and replies wait for the broker at most; the oldest give way.
const CONTROL_MAX: usize = 64;

/// The node's own topics.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    pub(crate) telemetry: Arc<str>,
    pub(crate) history: Arc<str>,
    pub(crate) ack: Arc<str>,
    pub(crate) status: Arc<str>,
    pub(crate) trip: Arc<str>,
    pub(crate) desired: Arc<str>,
    pub(crate) command: Arc<str>,
    pub(crate) reply: Arc<str>,
}

impl Topics {
    pub(crate) fn new(config: &Config) -> Self {
        let node = config.node.as_str();
        let whole = |topic| {
            let site = SiteTopic {
                park: &config.park,
                enterprise: &config.enterprise,
                topic,
            };
            Arc::from(site.to_string())
        };
        Self {
            telemetry: whole(Topic::Telemetry { node }),
            history: whole(Topic::History { node }),
            ack: whole(Topic::Ack { node }),
            status: whole(Topic::Status { node }),
            trip: whole(Topic::Trip { node }),
            desired: whole(Topic::Desired { node }),
            command: whole(Topic::Command { node }),
            reply: whole(Topic::Reply { node }),
        }
    }
}

/// A pack that may still go out live.
#[derive(Clone, Copy, Debug)]
struct Live {
    id: PackId,
    /// Until when, in milliseconds since boot.
    until: u64,
    expiry_s: u32,
}

/// A message without a PUBACK.
#[derive(Clone, Debug)]
enum Flight {
    Status,
    Control(Control),
    Live(Live),
    History(PackId),
}

/// A trip or a reply: kept until the broker has it.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Vec<u8>,
}

/// The session with the broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Session {
    /// There is none.
    Offline,
    /// Connected; the subscription was not asked for yet.
    Connected,
    /// Asked for; history waits until this time for the retained ack.
    AwaitingAck { until: u64 },
    /// Everything may be sent.
    Open,
}

/// The pause before everything is sent again while the ack stands still.
#[derive(Clone, Copy, Debug)]
struct Pause {
    ends: u64,
    ms: u64,
}

/// The sender. Each call's work is bounded by the window or by the live queue.
#[derive(Debug)]
pub(crate) struct Uplink {
    config: UplinkConfig,
    pub(crate) topics: Topics,
    session: Session,
    live: VecDeque<Live>,
    /// By token, with the time of sending.
    flights: BTreeMap<u64, (u64, Flight)>,
    history_in_flight: usize,
    /// History packs sent since the ack moved.
    spent: usize,
    control: VecDeque<Control>,
    /// Topics of ours that the broker refuses: told once in a session.
    refused: BTreeSet<Arc<str>>,
    pause: Option<Pause>,
    next_token: u64,
    content_type: &'static str,
}

impl Uplink {
    pub(crate) fn new(config: &Config, content_type: &'static str) -> Self {
        Self {
            config: UplinkConfig {
                window: config.uplink.window.max(2),
                history_credit: config.uplink.history_credit.max(1),
                resend_min_ms: config.uplink.resend_min_ms.max(1),
                ..config.uplink
            },
            topics: Topics::new(config),
            session: Session::Offline,
            live: VecDeque::new(),
            flights: BTreeMap::new(),
            history_in_flight: 0,
            spent: 0,
            control: VecDeque::new(),
            refused: BTreeSet::new(),
            pause: None,
            next_token: 1,
            content_type,
        }
    }

    pub(crate) fn is_online(&self) -> bool {
        self.session != Session::Offline
    }

    /// True when a status would be sent now.
    pub(crate) fn can_publish(&self) -> bool {
        matches!(self.session, Session::AwaitingAck { .. } | Session::Open)
    }

    pub(crate) fn handle_connected<S: Store>(&mut self, outbox: &mut Outbox<S>, mono: u64) {
        self.handle_disconnected(outbox);
        self.session = Session::Connected;
        self.refused.clear();
        outbox.begin_round();
        self.spent = 0;
        self.stand(self.config.resend_min_ms, mono);
    }

    pub(crate) fn handle_subscribed(&mut self, mono: u64) {
        if matches!(self.session, Session::AwaitingAck { .. }) {
            self.session = Session::AwaitingAck {
                until: mono + self.config.ack_wait_ms,
            };
        }
    }

    /// What was on its way comes back: packs wait again, live ones in front.
    pub(crate) fn handle_disconnected<S: Store>(&mut self, outbox: &mut Outbox<S>) {
        self.session = Session::Offline;
        self.pause = None;
        self.history_in_flight = 0;
        let flights = core::mem::take(&mut self.flights);
        for (_, flight) in flights.into_values().rev() {
            match flight {
                Flight::Status => {}
                Flight::Control(control) => self.control.push_front(control),
                Flight::History(id) => outbox.returned(id),
                Flight::Live(live) => {
                    outbox.returned(live.id);
                    self.live.push_front(live);
                }
            }
        }
    }

    /// The broker answered a publish; the topic when it refuses that one from now on.
    pub(crate) fn handle_puback<S: Store>(
        &mut self,
        outbox: &mut Outbox<S>,
        token: u64,
        reason: u8,
        mono: u64,
    ) -> Option<Arc<str>> {
        let (_, flight) = self.flights.remove(&token)?;
        let refused = reason >= 0x80;
        let id = match &flight {
            Flight::Status | Flight::Control(_) => None,
            Flight::Live(live) => Some(live.id),
            Flight::History(id) => {
                self.history_in_flight -= 1;
                Some(*id)
            }
        };
        match id {
            Some(id) if refused => outbox.refused(id, mono),
            Some(id) => outbox.delivered(id, mono),
            None => {}
        }
        let topic = match flight {
            Flight::Status => self.topics.status.clone(),
            Flight::Control(control) => control.topic,
            Flight::Live(_) => self.topics.telemetry.clone(),
            Flight::History(_) => self.topics.history.clone(),
        };
        if !refused {
            self.refused.remove(&topic);
            return None;
        }
        self.refused.insert(topic.clone()).then_some(topic)
    }

    /// The gateway's ack came; `moved` when it got on.
    pub(crate) fn handle_ack(&mut self, moved: bool, mono: u64) {
        if let Session::AwaitingAck { .. } = self.session {
            self.session = Session::Open;
        }
        if moved {
            self.spent = 0;
            self.stand(self.config.resend_min_ms, mono);
        }
    }

    /// A pack was formed and is held.
    pub(crate) fn handle_formed(&mut self, id: PackId, max_age_ms: u64, is_first: bool, mono: u64) {
        while self.live.front().is_some_and(|live| live.until <= mono) {
            self.live.pop_front();
        }
        self.live.push_back(Live {
            id,
            until: mono + max_age_ms,
            expiry_s: u32::try_from(max_age_ms.div_ceil(1_000)).unwrap_or(u32::MAX),
        });
        if is_first {
            self.stand(self.config.resend_min_ms, mono);
        }
    }

    /// Sends a trip or a reply.
    pub(crate) fn control(&mut self, control: Control) {
        if self.control.len() >= CONTROL_MAX {
            self.control.pop_front();
        }
        self.control.push_back(control);
    }

    fn stand(&mut self, ms: u64, mono: u64) {
        self.pause = self.is_online().then(|| Pause {
            ends: mono + ms,
            ms,
        });
    }

    /// When [`Self::handle_timeout`] or [`Self::poll`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        let waiting = match self.session {
            Session::AwaitingAck { until } => Some(until),
            Session::Offline | Session::Connected | Session::Open => None,
        };
        let pause = self.pause.map(|pause| pause.ends);
        pause
            .into_iter()
            .chain(waiting)
            .chain(self.stalls_at())
            .min()
    }

    /// When the broker has kept a message without an answer for too long.
    fn stalls_at(&self) -> Option<u64> {
        let (_, (sent, _)) = self.flights.first_key_value()?;
        Some(sent + self.config.stall_ms)
    }

    /// Ends a pause: everything is sent once more, and the next pause is longer.
    pub(crate) fn handle_timeout<S: Store>(&mut self, outbox: &mut Outbox<S>, mono: u64) {
        if let Session::AwaitingAck { until } = self.session
            && until <= mono
        {
            self.session = Session::Open;
        }
        let Some(pause) = self.pause.filter(|pause| pause.ends <= mono) else {
            return;
        };
        if outbox.is_empty() {
            self.pause = None;
            return;
        }
        let exhausted = self.spent >= self.config.history_credit;
        if exhausted || outbox.next_history().is_none() {
            outbox.begin_round();
            self.spent = 0;
            let longer = pause.ms.saturating_mul(2);
            self.stand(longer.min(self.config.resend_max_ms), mono);
        } else {
            // This round is not through yet.
            self.stand(pause.ms, mono);
        }
    }

    /// The next thing to send; `status` is the body that is due, if any.
    pub(crate) fn poll<S: Store>(
        &mut self,
        outbox: &mut Outbox<S>,
        status: Option<Vec<u8>>,
        mono: u64,
    ) -> Option<Effect> {
        match self.session {
            Session::Offline => return None,
            Session::Connected => {
                self.session = Session::AwaitingAck {
                    until: mono + self.config.ack_wait_ms,
                };
                return Some(Effect::Subscribe(alloc::vec![
                    self.topics.ack.clone(),
                    self.topics.desired.clone(),
                    self.topics.command.clone(),
                ]));
            }
            Session::AwaitingAck { .. } | Session::Open => {}
        }
        if self.stalls_at().is_some_and(|at| at <= mono) {
            self.handle_disconnected(outbox);
            return Some(Effect::Disconnect);
        }
        if let Some(payload) = status {
            let topic = self.topics.status.clone();
            let mut publish = self.publish(Flight::Status, topic, payload, mono);
            publish.retain = true;
            return Some(Effect::Publish(publish));
        }
        if self.flights.len() >= self.config.window {
            return None;
        }
        if let Some(control) = self.control.pop_front() {
            let (topic, payload) = (control.topic.clone(), control.payload.clone());
            let publish = self.publish(Flight::Control(control), topic, payload, mono);
            return Some(Effect::Publish(publish));
        }
        self.poll_live(outbox, mono)
            .or_else(|| self.poll_history(outbox, mono))
            .map(Effect::Publish)
    }

    fn poll_live<S: Store>(&mut self, outbox: &mut Outbox<S>, mono: u64) -> Option<Publish> {
        while let Some(live) = self.live.pop_front() {
            if live.until <= mono || !outbox.waits(live.id) {
                continue;
            }
            let Some(payload) = outbox.read(live.id) else {
                continue;
            };
            outbox.sent(live.id);
            let topic = self.topics.telemetry.clone();
            let mut publish = self.publish(Flight::Live(live), topic, payload, mono);
            publish.lane = Lane::Live;
            publish.content_type = self.content_type;
            publish.expiry_s = Some(live.expiry_s);
            return Some(publish);
        }
        None
    }

    fn poll_history<S: Store>(&mut self, outbox: &mut Outbox<S>, mono: u64) -> Option<Publish> {
        if self.session != Session::Open
            || self.history_in_flight >= self.config.window / 2
            || self.spent >= self.config.history_credit
        {
            return None;
        }
        loop {
            let id = outbox.next_history()?;
            let Some(payload) = outbox.read(id) else {
                continue;
            };
            outbox.sent(id);
            self.history_in_flight += 1;
            self.spent += 1;
            let topic = self.topics.history.clone();
            let mut publish = self.publish(Flight::History(id), topic, payload, mono);
            publish.lane = Lane::History;
            publish.content_type = self.content_type;
            return Some(publish);
        }
    }

    fn publish(&mut self, flight: Flight, topic: Arc<str>, payload: Vec<u8>, mono: u64) -> Publish {
        let token = self.next_token;
        self.next_token += 1;
        self.flights.insert(token, (mono, flight));
        Publish {
            token,
            lane: Lane::Control,
            topic,
            payload,
            content_type: "application/json",
            retain: false,
            expiry_s: None,
        }
    }
}
