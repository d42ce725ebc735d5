//! Several gateways on one site: one of them stays, and only one.

use std::collections::{BTreeMap, VecDeque};

use host::mqtt::{Message, Publish};
use proptest::prelude::*;
use serde_json::Value;
use telemetry::UtcMs;

use super::super::{Output, Publisher, Report, Settings};
use super::broker::{matches, message};
use super::world::{PREFIX, settings};
use crate::alarm::Epoch;
use crate::alarm::entry::Entry;
use crate::alarm::event::Draft;
use crate::alarm::recover::recover;

/// A data folder.
#[derive(Clone, Debug, Default)]
struct Folder {
    log: Vec<(u64, Draft)>,
    journal: Vec<Entry>,
}

/// A gateway's process and its line.
struct Process {
    publisher: Publisher,
    folder: Folder,
    /// While it is connected: what the broker says when it loses it.
    will: Option<Publish>,
    filters: Vec<String>,
    up: VecDeque<Output>,
    down: VecDeque<Down>,
    is_alive: bool,
    /// What left.
    said: Vec<Publish>,
    reports: Vec<Report>,
}

enum Down {
    Acked(u64),
    Message(Message),
}

#[derive(Default)]
struct Site {
    now_ms: i64,
    retained: BTreeMap<String, Vec<u8>>,
    processes: Vec<Process>,
    n_starts: u128,
    n_events: u64,
}

fn json(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).unwrap_or(Value::Null)
}

impl Site {
    fn now(&self) -> UtcMs {
        UtcMs(1_795_420_800_000 + self.now_ms)
    }

    /// Starts a gateway on a folder; its place. Who starts later has the later instance.
    fn start(&mut self, name: &str, folder: Folder) -> usize {
        self.n_starts += 1;
        let mut settings = Settings {
            instance: Epoch(self.n_starts).to_string(),
            client_id: format!("{name}.{}", self.n_starts),
            ..settings(self.n_starts)
        };
        settings.site.gateway = name.into();
        let log_end = folder.log.last().map_or(0, |(position, _)| *position);
        let recovered = recover(|| folder.journal.iter().cloned(), log_end);
        let mut publisher = Publisher::new(settings, recovered);
        for (position, draft) in &folder.log {
            publisher.commit(*position, vec![draft.clone()], self.now());
        }
        publisher.start(self.now());
        publisher.durable(log_end, self.now());
        self.processes.push(Process {
            publisher,
            folder,
            will: None,
            filters: Vec::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            is_alive: true,
            said: Vec::new(),
            reports: Vec::new(),
        });
        let place = self.processes.len() - 1;
        self.obey(place);
        place
    }

    fn obey(&mut self, place: usize) {
        let now = self.now();
        let process = &mut self.processes[place];
        while let Some(output) = process.publisher.poll() {
            match output {
                Output::Journal { entry, .. } => process.folder.journal.push(entry),
                Output::Fetch { purpose, from } => {
                    let journal = process.folder.journal.iter();
                    let events = journal.filter_map(|entry| match entry {
                        Entry::Event(event) if event.place >= from => Some(event.clone()),
                        _ => None,
                    });
                    let events = events.take(3).collect();
                    process.publisher.fetched(purpose, events, now);
                }
                Output::Report(report) => process.reports.push(report),
                other => process.up.push_back(other),
            }
        }
    }

    fn connect(&mut self, place: usize) {
        let now = self.now();
        let process = &mut self.processes[place];
        if process.is_alive && process.will.is_none() {
            process.will = Some(process.publisher.will());
            process.publisher.connected(8, now);
            self.obey(place);
        }
    }

    /// The line breaks, and the broker notices.
    fn cut(&mut self, place: usize) {
        let now = self.now();
        let process = &mut self.processes[place];
        process.up.clear();
        process.down.clear();
        process.filters.clear();
        let Some(will) = process.will.take() else {
            return;
        };
        if process.is_alive {
            process.publisher.disconnected(now);
            self.obey(place);
        }
        self.publish(&will);
    }

    /// SIGKILL.
    fn kill(&mut self, place: usize) {
        self.processes[place].is_alive = false;
        self.cut(place);
    }

    /// The gateway loses its power; the broker has not noticed.
    fn lose_power(&mut self, place: usize) {
        self.processes[place].will = None;
        self.kill(place);
    }

    /// The broker takes what one of them sent.
    fn takes(&mut self, place: usize) -> bool {
        let process = &mut self.processes[place];
        if process.will.is_none() && !matches!(process.up.front(), Some(Output::Farewell)) {
            process.up.clear();
            return false;
        }
        let Some(sent) = process.up.pop_front() else {
            return false;
        };
        match sent {
            Output::Subscribe { filters, .. } => {
                process.filters.extend_from_slice(&filters);
                for (topic, payload) in &self.retained {
                    if filters.iter().any(|filter| matches(filter, topic)) {
                        let retained = message(topic, payload, true);
                        process.down.push_back(Down::Message(retained));
                    }
                }
            }
            Output::Unsubscribe { filters } => {
                process.filters.retain(|filter| !filters.contains(filter));
            }
            Output::Publish { id, publish } => {
                process.said.push(publish.clone());
                self.publish(&publish);
                self.processes[place].down.push_back(Down::Acked(id));
            }
            Output::Farewell => {
                process.will = None;
                process.is_alive = false;
                self.cut(place);
            }
            other => panic!("{other:?}"),
        }
        true
    }

    fn publish(&mut self, publish: &Publish) {
        let Publish { topic, payload, .. } = publish;
        if publish.retain && payload.is_empty() {
            self.retained.remove(topic);
        } else if publish.retain {
            self.retained.insert(topic.clone(), payload.clone());
        }
        for process in &mut self.processes {
            if process.filters.iter().any(|filter| matches(filter, topic)) {
                let live = message(topic, payload, false);
                process.down.push_back(Down::Message(live));
            }
        }
    }

    fn arrives(&mut self, place: usize) -> bool {
        let now = self.now();
        let process = &mut self.processes[place];
        match process.down.pop_front() {
            None => return false,
            Some(Down::Acked(id)) => process.publisher.acked(id, None, now),
            Some(Down::Message(message)) => process.publisher.message(&message, now),
        }
        self.obey(place);
        true
    }

    /// A sensor that every gateway reads trips, or returns.
    fn commit(&mut self, alarm: usize, raise: bool) {
        self.n_events += 1;
        let letter = if raise { "B" } else { "A" };
        let at = self.now().plus_ms(self.n_events);
        let draft = Draft {
            lead: format!(
                r#""id":"tank/gd-{alarm}/gas","site":"east/plant","occurrence":{}"#,
                self.n_events
            ),
            tail: format!(r#""event":"raised","cause":{{"timer":"{at}"}}"#),
            rest: format!(r#""letter":"{letter}","changed_at":"{at}""#),
            stateful: true,
        };
        for place in self.alive() {
            let now = self.now();
            let process = &mut self.processes[place];
            let position = process.folder.log.last().map_or(0, |(end, _)| *end) + 10;
            process.folder.log.push((position, draft.clone()));
            let publisher = &mut process.publisher;
            publisher.commit(position, vec![draft.clone()], now);
            publisher.durable(position, now);
            self.obey(place);
        }
    }

    fn alive(&self) -> Vec<usize> {
        let places = 0..self.processes.len();
        places
            .filter(|place| self.processes[*place].is_alive)
            .collect()
    }

    /// Everything that is under way arrives.
    fn drain(&mut self) {
        loop {
            let mut moved = false;
            for place in 0..self.processes.len() {
                moved |= self.takes(place) | self.arrives(place);
            }
            if !moved {
                return;
            }
        }
    }

    fn tick(&mut self, ms: i64) {
        self.now_ms += ms;
        let now = self.now();
        for place in self.alive() {
            self.processes[place].publisher.tick(now);
            self.obey(place);
        }
    }

    /// Everything works for a while.
    fn works_for(&mut self, seconds: i64) {
        for _ in 0..seconds {
            for place in self.alive() {
                self.connect(place);
            }
            self.drain();
            self.tick(1_000);
        }
        self.drain();
    }

    fn status(&self) -> Value {
        json(&self.retained[&format!("{PREFIX}gateway/status")])
    }

    /// What must hold once everything has worked for some minutes.
    fn check(&mut self) {
        // A sign of life of who has died meanwhile may still be on its way.
        self.drain();
        if self.alive().is_empty() {
            return;
        }
        self.works_for(200);
        let alive = self.alive();
        assert_eq!(alive.len(), 1, "one stays, and only one");
        let process = &self.processes[alive[0]];
        assert!(process.publisher.is_known());
        let status = self.status();
        assert_eq!(
            status["instance"],
            process.publisher.settings.instance.as_str()
        );
        assert_eq!(status["alarm_state"], "known");
        let (epoch, _) = process.publisher.head().unwrap();
        let states = format!("{PREFIX}alarm/state/");
        for (topic, payload) in &self.retained {
            let Some(id) = topic.strip_prefix(&states) else {
                continue;
            };
            let row = &process.publisher.table.get(id).expect("it is its own").row;
            assert_eq!(row.body(), *payload, "{id}");
            assert_eq!(json(payload)["epoch"], epoch.to_string(), "{id}");
        }
    }
}

fn is_fatal(report: &Report) -> bool {
    matches!(report, Report::OtherGateway { fatal: true, .. })
}

/// A site that a gateway serves, with an alarm that stands.
fn served() -> Site {
    let mut site = Site::default();
    site.start("gw-1", Folder::default());
    site.works_for(2);
    site.commit(0, true);
    site.works_for(2);
    assert_eq!(site.status()["alarm_state"], "known");
    site
}

#[test]
fn a_clone_goes_at_once_and_says_nothing_and_the_first_one_does_not_notice() {
    let copied = served().processes[0].folder.clone();
    for (name, folder) in [
        ("gw-1", Folder::default()),
        ("gw-1", copied),
        ("gw-2", Folder::default()),
    ] {
        let mut site = served();
        site.commit(1, true);
        site.drain();
        site.processes[0].said.clear();
        let second = site.start(name, folder);
        site.works_for(1);
        let second = &site.processes[second];
        assert!(!second.is_alive && second.reports.iter().any(is_fatal));
        assert!(second.said.iter().all(|said| said.topic.contains("replay")));
        let first = &site.processes[0];
        assert!(first.said.iter().all(|said| said.topic.contains("replay")));
        site.check();
        assert!(site.processes[0].is_alive);
    }
}

#[test]
fn a_restart_after_a_kill_speaks_at_once() {
    let mut site = served();
    site.kill(0);
    let again = site.start("gw-1", site.processes[0].folder.clone());
    site.connect(again);
    site.drain();
    assert_eq!(site.status()["alarm_state"], "known");
    site.check();
}

#[test]
fn a_restart_after_a_power_cut_speaks_after_five_seconds_or_when_the_broker_notices() {
    let mut site = served();
    site.lose_power(0);
    let again = site.start("gw-1", site.processes[0].folder.clone());
    site.works_for(4);
    let said = &site.processes[again].said;
    let questions = said.iter().filter(|said| said.topic.ends_with("/request"));
    assert_eq!(questions.count(), 1);
    assert!(said.iter().all(|said| said.topic.contains("/replay/")));
    site.works_for(2);
    assert_eq!(site.status()["alarm_state"], "known");
    site.check();

    let mut site = served();
    let will = site.processes[0].publisher.will();
    site.lose_power(0);
    let again = site.start("gw-1", site.processes[0].folder.clone());
    site.works_for(1);
    site.publish(&will);
    site.drain();
    assert!(site.processes[again].publisher.is_known());
    site.check();
}

#[test]
fn of_two_that_serve_the_later_one_goes_and_the_other_tells_its_alarms_under_a_new_epoch() {
    let mut site = served();
    // Its line is down: nobody can see that it lives.
    site.cut(0);
    let (before, _) = site.processes[0].publisher.head().unwrap();
    let second = site.start("gw-1", Folder::default());
    site.connect(second);
    site.drain();
    site.commit(3, true);
    site.drain();
    assert_eq!(site.status()["alarm_state"], "known");
    site.works_for(5);
    assert!(site.processes[0].is_alive && !site.processes[second].is_alive);
    let (after, _) = site.processes[0].publisher.head().unwrap();
    assert!(after > before);
    site.check();
}

#[test]
fn a_third_one_that_comes_while_two_fight_goes_too() {
    let mut site = Site::default();
    for name in ["gw-1", "gw-1"] {
        let place = site.start(name, Folder::default());
        site.connect(place);
    }
    // Both have read that nobody is there.
    site.drain();
    let third = site.start("gw-2", Folder::default());
    site.works_for(70);
    assert_eq!(site.alive(), [0]);
    assert!(!site.processes[third].is_alive);
    site.check();
}

#[derive(Clone, Debug)]
enum Op {
    /// Of one of two names, on a new folder or a copy of that of an earlier process.
    Start(bool, Option<usize>),
    Kill(usize),
    LosePower(usize),
    Connect(usize),
    Cut(usize),
    Takes(usize, usize),
    Arrives(usize, usize),
    Commit(usize, bool),
    Tick(i64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let place = 0_usize..8;
    let op = prop_oneof![
        2 => (any::<bool>(), proptest::option::of(0_usize..8)).prop_map(|(name, folder)| Op::Start(name, folder)),
        1 => place.clone().prop_map(Op::Kill),
        1 => place.clone().prop_map(Op::LosePower),
        4 => place.clone().prop_map(Op::Connect),
        2 => place.clone().prop_map(Op::Cut),
        8 => (place.clone(), 1_usize..20).prop_map(|(place, count)| Op::Takes(place, count)),
        8 => (place, 1_usize..20).prop_map(|(place, count)| Op::Arrives(place, count)),
        3 => (0_usize..4, any::<bool>()).prop_map(|(alarm, raise)| Op::Commit(alarm, raise)),
        3 => prop_oneof![1_i64..60, Just(5_000), Just(20_000)].prop_map(Op::Tick),
    ];
    proptest::collection::vec(op, 1..80)
}

fn run(site: &mut Site, ops: impl IntoIterator<Item = Op>) {
    for op in ops {
        let n = site.processes.len();
        let of = |place: usize| place % n;
        match op {
            Op::Start(first, folder) if n < 8 => {
                let name = if first { "gw-1" } else { "gw-2" };
                let folder = folder.filter(|_| n > 0).map(of);
                let folder = folder.map(|place| site.processes[place].folder.clone());
                site.start(name, folder.unwrap_or_default());
            }
            Op::Tick(ms) => site.tick(ms),
            Op::Commit(alarm, raise) => site.commit(alarm, raise),
            _ if n == 0 => {}
            Op::Start(..) => {}
            Op::Kill(place) => site.kill(of(place)),
            Op::LosePower(place) => site.lose_power(of(place)),
            Op::Connect(place) => site.connect(of(place)),
            Op::Cut(place) => site.cut(of(place)),
            Op::Takes(place, count) => {
                for _ in 0..count {
                    site.takes(of(place));
                }
            }
            Op::Arrives(place, count) => {
                for _ in 0..count {
                    site.arrives(of(place));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whoever_starts_and_whatever_breaks_one_stays_and_only_one(ops in ops()) {
        let mut site = Site::default();
        run(&mut site, ops);
        site.check();
    }
}
