//! Local rules: an output is switched with or without an uplink, and told with the pack that has the reading.

use std::sync::Arc;

use node::{
    Answer, BackOffConfig, Config, Effect, MemoryStore, Node, Now, OutputConfig, PackConfig,
    Switch, TripConfig, UplinkConfig, Work,
};
use rules::expr::Formula;
use rules::point::PointInfo;
use rules::program::{
    AlarmSpec, Colour, LevelSpec, LifeSpec, ProgramBuilder, RuleInfo, Scope, Test,
};
use telemetry::UtcMs;
use telemetry::body::{Command, Reply, Trip, decode, encode};

use crate::bus::bus;
use crate::world::pack_id;

const EPOCH: UtcMs = UtcMs(1_795_420_800_000);

/// Switches `valve` while `tank/p1` is at 50 or more for a second; it latches.
fn rules() -> TripConfig {
    let mut builder = ProgramBuilder::new();
    let point = builder
        .point(PointInfo {
            unit: "tank".into(),
            point: "p1".into(),
            ..PointInfo::default()
        })
        .expect("a point");
    let rule = builder
        .rule(RuleInfo {
            name: "overfill".into(),
            ..RuleInfo::default()
        })
        .expect("a rule");
    let alarm = builder
        .alarm(AlarmSpec {
            scope: Scope::Point(point),
            rule,
            value: Some(Formula::Point(point)),
            eu: None,
            only_while: None,
            levels: vec![LevelSpec {
                name: "HH".into(),
                colour: Colour::Red,
                severity: 900,
                test: Test::High {
                    limit: 50.0,
                    deadband: 1.0,
                },
                on_delay_ms: 1_000,
                off_delay_ms: 0,
                latch: true,
                overlays: Vec::new(),
            }],
            unknown_hold_ms: 0,
            life: LifeSpec::default(),
            set_by_site: 0,
        })
        .expect("an alarm");
    TripConfig {
        program: Arc::new(builder.build()),
        outputs: vec![OutputConfig {
            name: "valve".into(),
            alarms: vec![(alarm, 801)],
        }],
    }
}

struct Bench {
    node: Node<MemoryStore>,
    mono: u64,
    switches: Vec<(u64, Switch)>,
    effects: Vec<Effect>,
}

impl Bench {
    fn new() -> Self {
        let config = Config {
            park: "east".into(),
            enterprise: "plant-1".into(),
            node: "n1".into(),
            firmware: "0".into(),
            config_hash: None,
            rules_hash: None,
            reset_cause: None,
            buses: vec![bus(2, 500)],
            pack: PackConfig::default(),
            uplink: UplinkConfig::default(),
            back_off: BackOffConfig::default(),
        };
        let now = Now::synced(0, EPOCH);
        let mut node = Node::new(config, 1, 1, MemoryStore::new(1 << 20), now).expect("empty");
        node.set_trips(rules(), now);
        Self {
            node,
            mono: 0,
            switches: Vec::new(),
            effects: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now::synced(self.mono, EPOCH.plus_ms(self.mono))
    }

    /// Runs for so long, while every slave answers so.
    fn run(&mut self, ms: u64, answer: &Answer<'_>) {
        let until = self.mono + ms;
        while self.mono < until {
            let now = self.now();
            self.node.handle_timeout(now);
            if let Work::Send(request) = self.node.poll_bus(0, now) {
                self.node.handle_answer(0, request.token, answer, now);
            }
            while let Some(switch) = self.node.poll_switch() {
                self.switches.push((self.mono, switch));
            }
            while let Some(effect) = self.node.poll_effect(now) {
                if let Effect::Publish(publish) = &effect {
                    self.node.handle_puback(publish.token, 0, now);
                }
                self.effects.push(effect);
            }
            self.mono += 10;
        }
    }

    fn bodies(&self, end: &str) -> Vec<Vec<u8>> {
        let published = self.effects.iter().filter_map(|effect| match effect {
            Effect::Publish(publish) if publish.topic.ends_with(end) => Some(&publish.payload),
            _ => None,
        });
        published.cloned().collect()
    }

    fn command(&mut self, id: &str, verb: &str, args: serde_json::Value, not_after: u64) {
        let command = Command {
            id: id.into(),
            verb: verb.into(),
            args,
            not_after: EPOCH.plus_ms(not_after),
        };
        let topic = "fengsui/v1/east/plant-1/edge/n1/command";
        self.node
            .handle_message(topic, &encode(&command), self.now());
    }

    fn replies(&self) -> Vec<Reply> {
        let bodies = self.bodies("/reply");
        bodies
            .iter()
            .map(|body| decode(body).expect("a reply"))
            .collect()
    }
}

#[test]
fn an_output_is_switched_without_an_uplink_and_the_trip_is_told_when_there_is_one() {
    let mut bench = Bench::new();
    bench.run(3_000, &Answer::Words(&[10]));
    assert_eq!(bench.switches, []);
    bench.run(3_000, &Answer::Words(&[60]));
    let [(at, switch)] = bench.switches[..] else {
        panic!("{:?}", bench.switches);
    };
    assert_eq!((switch.output, switch.on), (0, true));
    assert_eq!(at, 4_000, "a second after the first reading over the limit");
    bench.node.handle_connected(bench.now());
    // History waits two seconds for the retained ack.
    bench.run(3_000, &Answer::Words(&[10]));
    let trips = bench.bodies("/trip");
    let [trip] = &trips[..] else {
        panic!("{trips:?}");
    };
    let trip: Trip = decode(trip).expect("a trip");
    assert_eq!(
        (trip.rule.as_str(), trip.point.as_str()),
        ("overfill", "tank/p1")
    );
    assert_eq!(
        (trip.value, trip.output.as_str(), trip.on),
        (Some(60.0), "valve", true)
    );
    assert_eq!(trip.at, EPOCH.plus_ms(4_000));
    let packs: Vec<_> = bench
        .bodies("/telemetry")
        .iter()
        .chain(&bench.bodies("/history"))
        .map(|pack| pack_id(pack))
        .collect();
    assert!(
        packs
            .iter()
            .any(|id| (id.boot, id.seq) == (trip.bboot, trip.bseq))
    );
}

#[test]
fn a_broken_wire_never_switches_an_output_and_a_latched_one_waits_for_its_reset() {
    let mut bench = Bench::new();
    bench.node.handle_connected(bench.now());
    bench.run(2_000, &Answer::Words(&[60]));
    bench.run(5_000, &Answer::Silent);
    assert_eq!(bench.switches.len(), 1, "unknown holds what it was");
    bench.run(20_000, &Answer::Words(&[10]));
    assert_eq!(bench.switches.len(), 1, "latched");
    let args = serde_json::json!({"alarm": "tank/p1/overfill", "by": "li"});
    bench.command("1", "reset", args.clone(), 60_000);
    bench.command("2", "ack", args.clone(), 60_000);
    bench.command("3", "reset", args, 60_000);
    bench.run(2_000, &Answer::Words(&[10]));
    let done: Vec<bool> = bench.replies().iter().map(|reply| reply.ok).collect();
    assert_eq!(done, [false, true, true], "{:?}", bench.replies());
    assert_eq!(bench.switches.len(), 2);
    assert!(!bench.switches[1].1.on);
    assert_eq!(bench.bodies("/trip").len(), 2);
}

#[test]
fn a_command_is_done_once_and_refused_when_late() {
    let mut bench = Bench::new();
    bench.node.handle_connected(bench.now());
    bench.run(3_000, &Answer::Words(&[60]));
    bench.run(1_000, &Answer::Words(&[10]));
    let args = serde_json::json!({"alarm": "tank/p1/overfill", "by": "li"});
    bench.command("late", "ack", args.clone(), 1_000);
    bench.command("once", "ack", args.clone(), 60_000);
    bench.command("once", "ack", args, 60_000);
    bench.command("odd", "explode", serde_json::Value::Null, 60_000);
    bench.command(
        "poll",
        "poll",
        serde_json::json!({"bus": "b1", "slave": 9}),
        60_000,
    );
    bench.run(100, &Answer::Words(&[10]));
    let replies = bench.replies();
    let told: Vec<_> = replies
        .iter()
        .map(|reply| (reply.id.as_str(), reply.ok))
        .collect();
    assert_eq!(
        told,
        [
            ("late", false),
            ("once", true),
            ("once", true),
            ("odd", false),
            ("poll", false)
        ],
        "an acknowledgement done twice would be refused the second time"
    );
}
