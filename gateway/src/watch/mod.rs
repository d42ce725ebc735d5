//! A regulator's subscriber: the table of active alarms, and whether the contract's word is kept.
//!
//! Sans-IO: topics, bytes and the time go in; subscriptions, replay requests, problems and the table come out.
//! It trusts nothing but the contract: not the gateway's order, not its bodies, not what a broker retains. It knows no MQTT library and no rules.
//!
//! A message that is altered, left out, reordered or made up is a [`Problem`], as far as the contract lets a subscriber see it:
//! events by their numbers and hashes, states and snapshots by their events, statuses by their pace.
//! What was told while the subscriber was away is no problem: it is asked for again.

mod body;
mod fields;
mod history;
mod news;
mod problem;
mod site;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use telemetry::UtcMs;
use telemetry::topic::{Filter, SiteFilter, SiteTopic, Topic};

pub use body::{Action, AlarmView};
pub use news::{News, Told};
pub use problem::{Problem, ProblemKind};
pub use site::{Held, Site, Standing};

/// How a subscriber watches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// How many events before the first that it hears it asks for, so that the states that it finds can be held against them.
    pub lookback: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { lookback: 5_000 }
    }
}

/// A message to publish, QoS 1, not retained.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
}

/// What was seen so far, over all sites.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Events, each counted once.
    pub events: u64,
    /// Events that came again.
    pub repeats: u64,
    /// States.
    pub states: u64,
    /// Whole snapshots.
    pub snapshots: u64,
    /// Statuses.
    pub statuses: u64,
    /// Events that came by replay.
    pub replayed: u64,
    /// Connections of the subscriber itself.
    pub connections: u64,
    /// Times that a gateway fell silent, or said that it is offline.
    pub silences: u64,
    /// Breaks of the contract.
    pub problems: u64,
}

/// What all sites share.
#[derive(Debug)]
struct Desk {
    client: String,
    options: Options,
    counts: Counts,
    news: VecDeque<News>,
    requests: VecDeque<Request>,
}

impl Desk {
    fn problem(&mut self, site: &str, kind: ProblemKind, now: UtcMs) {
        self.counts.problems += 1;
        self.news.push_back(News::Problem(Problem {
            site: site.to_owned(),
            at: now,
            kind,
        }));
    }

    fn tell(&mut self, site: &str, what: Told) {
        let site = site.to_owned();
        self.news.push_back(News::Site { site, what });
    }
}

/// The subscriber of one park.
#[derive(Debug)]
pub struct Watch {
    park: String,
    connected: bool,
    sites: BTreeMap<Arc<str>, Site>,
    desk: Desk,
}

impl Watch {
    /// A subscriber of all enterprises of a park. `client` is its MQTT client id, which has to be one level of a topic: replays are asked for under it.
    pub fn new(park: &str, client: &str, options: Options) -> Self {
        Self {
            park: park.to_owned(),
            connected: false,
            sites: BTreeMap::new(),
            desk: Desk {
                client: client.to_owned(),
                options,
                counts: Counts::default(),
                news: VecDeque::new(),
                requests: VecDeque::new(),
            },
        }
    }

    /// What to subscribe to at each connection, QoS 1.
    pub fn subscriptions(&self) -> Vec<String> {
        [Filter::Alarm, Filter::GatewayStatus]
            .map(|filter| {
                SiteFilter {
                    park: &self.park,
                    enterprise: None,
                    filter,
                }
                .to_string()
            })
            .to_vec()
    }

    /// The subscriber's own connection stands, and what it hears from now on comes in order.
    pub fn connected(&mut self, now: UtcMs) {
        self.connected = true;
        self.desk.counts.connections += 1;
        for site in self.sites.values_mut() {
            site.connected(now);
        }
    }

    /// The subscriber's own connection is gone: what is told now is nobody's fault.
    pub fn disconnected(&mut self) {
        self.connected = false;
        self.desk.requests.clear();
        for site in self.sites.values_mut() {
            site.disconnected();
        }
    }

    /// A message came. `retained`: the broker had it before the subscription.
    pub fn message(&mut self, topic: &str, payload: &[u8], retained: bool, now: UtcMs) {
        let parsed = match SiteTopic::parse(topic) {
            Ok(parsed) if parsed.park == self.park => parsed,
            Ok(_) => return,
            Err(why) => {
                let kind = ProblemKind::Topic {
                    topic: topic.to_owned(),
                    why: why.to_string(),
                };
                return self.desk.problem(&self.park, kind, now);
            }
        };
        let site = self
            .sites
            .entry(parsed.enterprise.into())
            .or_insert_with(|| Site::new(parsed.park, parsed.enterprise, now));
        let desk = &mut self.desk;
        match parsed.topic {
            Topic::GatewayStatus => site.status_came(payload, retained, desk, now),
            Topic::AlarmState { unit, point, rule } => {
                let id = format!("{unit}/{point}/{rule}");
                site.state_came(&id, payload, retained, desk, now);
            }
            Topic::AlarmEvent => site.event_came(payload, retained, desk, now),
            Topic::AlarmSnapshot { part } => site.part_came(part, payload, retained, desk, now),
            Topic::ReplayEvents { client } if client == desk.client => {
                site.replay_came(payload, retained, desk, now);
            }
            // Somebody else's, or nothing that a regulator subscribes to.
            Topic::ReplayEvents { .. }
            | Topic::ReplayRequest { .. }
            | Topic::Telemetry { .. }
            | Topic::History { .. }
            | Topic::Ack { .. }
            | Topic::Status { .. }
            | Topic::Trip { .. }
            | Topic::Desired { .. }
            | Topic::Command { .. }
            | Topic::Reply { .. } => {}
        }
        self.tick(now);
    }

    /// Does what has become due. Calling it early does no harm; calling it late finds late what was late.
    pub fn tick(&mut self, now: UtcMs) {
        if self.connected {
            for site in self.sites.values_mut() {
                site.tick(&mut self.desk, now);
            }
        }
    }

    /// When [`tick`](Self::tick) is due, if nothing comes before.
    pub fn poll_timeout(&self) -> Option<UtcMs> {
        if !self.connected {
            return None;
        }
        self.sites.values().filter_map(Site::due).min()
    }

    /// The next message to publish.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.desk.requests.pop_front()
    }

    /// The next thing that was learned.
    pub fn poll_news(&mut self) -> Option<News> {
        self.desk.news.pop_front()
    }

    /// True when the connection stands, every gateway was heard on it, nothing is asked for and nothing is owed: a good moment to [`finish`](Self::finish).
    pub fn is_settled(&self) -> bool {
        self.connected && self.sites.values().all(Site::is_settled)
    }

    /// The end: what is owed or was asked for and hasn't come is a problem now.
    pub fn finish(&mut self, now: UtcMs) {
        for site in self.sites.values_mut() {
            site.finish(&mut self.desk, now);
        }
    }

    /// Every site that was heard of, by name.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.values()
    }

    /// What was seen so far.
    pub fn counts(&self) -> Counts {
        self.desk.counts
    }

    /// True while the subscriber's own connection stands.
    pub fn is_connected(&self) -> bool {
        self.connected
    }
}
