//! The loop around a node: time, answers and messages in, requests and publishes out.
//!
//! It decides nothing. It knows no broker: what the node wants of its uplink goes to the other end of a channel, which is MQTT ([`crate::uplink`]) or the gateway in the same process.

use std::time::Duration;

use node::{Counters, Effect, Node, Store, Trouble, Work};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use crate::clock::Clock;
use crate::line::{Line, Outcome};
use crate::mqtt::Refusal;

/// What happens on a node's uplink.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UplinkEvent {
    /// A session stands.
    Connected {
        /// Its number, different from that of the session before; effects carry it.
        session: u64,
    },
    /// The subscription was taken.
    Subscribed,
    /// The session is over.
    Disconnected,
    /// A publish was answered.
    Puback {
        /// The publish's token.
        token: u64,
        /// The MQTT 5 reason code.
        reason: u8,
    },
    /// A message came.
    Message {
        /// Its topic.
        topic: String,
        /// Its bytes.
        payload: Vec<u8>,
    },
}

/// The node's end of its uplink.
#[derive(Debug)]
pub struct Uplink {
    effects: mpsc::Sender<(u64, Effect)>,
    events: mpsc::Receiver<UplinkEvent>,
}

/// The other end: what the node wants, with the session in which it wanted it, and what happens.
#[derive(Debug)]
pub struct UplinkPeer {
    /// What the node wants; drop what belongs to another session than the present one.
    pub effects: mpsc::Receiver<(u64, Effect)>,
    /// What happens.
    pub events: mpsc::Sender<UplinkEvent>,
}

/// Both ends of an uplink, which holds `room` effects and events.
#[must_use]
pub fn uplink_channel(room: usize) -> (Uplink, UplinkPeer) {
    let (effects_in, effects) = mpsc::channel(room);
    let (events, events_out) = mpsc::channel(room);
    let uplink = Uplink {
        effects: effects_in,
        events: events_out,
    };
    (uplink, UplinkPeer { effects, events })
}

/// What a bus is to do.
#[derive(Debug)]
pub(crate) enum Job {
    Send(node::Request),
    Drain(Duration),
}

/// What a bus has done.
#[derive(Debug)]
pub(crate) enum Done {
    Answered(u64, Outcome),
    Drained,
}

/// A bus as the loop sees it.
#[derive(Debug)]
pub(crate) struct BusPort {
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) busy: bool,
}

/// Does a bus's jobs, one after the other, until the loop is gone.
pub(crate) async fn serve_bus(
    bus: usize,
    mut line: Line,
    mut jobs: mpsc::Receiver<Job>,
    done: mpsc::Sender<(usize, Done)>,
) {
    while let Some(job) = jobs.recv().await {
        let result = match job {
            Job::Send(request) => {
                let outcome = line.transact(&request).await;
                Done::Answered(request.token, outcome)
            }
            Job::Drain(time) => {
                line.drain(time).await;
                Done::Drained
            }
        };
        if done.send((bus, result)).await.is_err() {
            return;
        }
    }
}

/// Runs a node until `stop` says so or its sender is gone.
pub(crate) async fn run<S: Store>(
    mut node: Node<S>,
    clock: Clock,
    mut buses: Vec<BusPort>,
    mut done: mpsc::Receiver<(usize, Done)>,
    mut uplink: Uplink,
    counters: watch::Sender<Counters>,
    mut stop: oneshot::Receiver<()>,
) {
    let mut session = 0;
    let mut held: Option<Effect> = None;
    loop {
        let now = clock.now();
        node.handle_timeout(now);
        let mut wake = node.poll_timeout();
        for (index, bus) in buses.iter_mut().enumerate() {
            if bus.busy {
                continue;
            }
            let job = match node.poll_bus(index, now) {
                Work::Send(request) => Job::Send(request),
                Work::Drain { until } => {
                    Job::Drain(Duration::from_millis(until.saturating_sub(now.mono)))
                }
                Work::Idle { until } => {
                    wake = [wake, until].into_iter().flatten().min();
                    continue;
                }
            };
            // A bus that is not busy has an empty channel; one whose thread is gone answers nothing more.
            bus.busy = true;
            if bus.jobs.try_send(job).is_err() {
                error!(bus = index, "the thread of a bus is gone");
            }
        }
        while held.is_none() {
            let Some(effect) = node.poll_effect(now) else {
                break;
            };
            if let Effect::BootBehind { boot } = effect {
                error!(
                    boot,
                    "the gateway knows a later boot of this node: delete its `boot` file and start again"
                );
                continue;
            }
            if let Err(error) = uplink.effects.try_send((session, effect)) {
                held = match error {
                    mpsc::error::TrySendError::Full((_, effect)) => Some(effect),
                    mpsc::error::TrySendError::Closed(_) => return,
                };
            }
        }
        while let Some(trouble) = node.poll_trouble() {
            tell(&trouble);
        }
        counters.send_replace(node.counters());
        let pause = wake.map_or(Duration::from_secs(60), |until| {
            Duration::from_millis(until.saturating_sub(clock.mono()))
        });
        tokio::select! {
            biased;
            _ = &mut stop => break,
            event = uplink.events.recv() => {
                let Some(event) = event else { break };
                let now = clock.now();
                match event {
                    UplinkEvent::Connected { session: number } => {
                        session = number;
                        held = None;
                        node.handle_connected(now);
                    }
                    UplinkEvent::Subscribed => node.handle_subscribed(now),
                    UplinkEvent::Disconnected => {
                        held = None;
                        node.handle_disconnected(now);
                    }
                    UplinkEvent::Puback { token, reason } => node.handle_puback(token, reason, now),
                    UplinkEvent::Message { topic, payload } => node.handle_message(&topic, &payload, now),
                }
            }
            Some((index, result)) = done.recv() => {
                let now = clock.now();
                if let Some(bus) = buses.get_mut(index) {
                    bus.busy = false;
                }
                if let Done::Answered(token, outcome) = result {
                    node.handle_answer(index, token, &outcome.answer(), now);
                }
            }
            permit = uplink.effects.reserve(), if held.is_some() => {
                let Ok(permit) = permit else { break };
                if let Some(effect) = held.take() {
                    permit.send((session, effect));
                }
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
    farewell(&mut node, clock, session, held, &uplink).await;
    counters.send_replace(node.counters());
}

/// Closes the last pack, says offline, and hands both to the uplink.
async fn farewell<S: Store>(
    node: &mut Node<S>,
    clock: Clock,
    session: u64,
    held: Option<Effect>,
    uplink: &Uplink,
) {
    let now = clock.now();
    node.handle_stop(now);
    let rest = std::iter::from_fn(|| node.poll_effect(now));
    for effect in held.into_iter().chain(rest) {
        if uplink.effects.send((session, effect)).await.is_err() {
            return;
        }
    }
}

fn tell(trouble: &Trouble) {
    match trouble {
        Trouble::GaveUp { packs, cause } => error!(packs, cause, "packs were given up"),
        Trouble::Store(what) => error!(what, "the outbox"),
        Trouble::Message { topic, why } => warn!(topic, why, "a message does not read"),
        Trouble::UnknownOutput { output } => {
            warn!(
                output,
                "the gateway wants an output that no bus file of this node has"
            );
        }
        Trouble::Refused { topic, reason } => {
            let refusal = Refusal { code: *reason };
            error!(%topic, %refusal, "a message is not taken");
        }
    }
}
