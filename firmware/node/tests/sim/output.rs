//! Outputs: what the gateway wants is what the relays do, whoever else wrote to them and whenever they were off; and when
//! nobody says anything they do what is fail-safe.

use std::collections::BTreeMap;

use devices::{Bus, DataType, FailSafe, Function, Point};
use node::{
    Answer, BackOffConfig, Config, MemoryStore, Node, Now, PackConfig, Request, Trouble,
    UplinkConfig, Work,
};
use proptest::prelude::*;
use telemetry::UtcMs;
use telemetry::body::{Desired, encode};

use crate::bus::bus;

const EPOCH: UtcMs = UtcMs(1_795_420_800_000);
const PERIOD_MS: u64 = 500;
const TOPIC: &str = "fengsui/v1/east/plant-1/edge/n1/desired";
/// How long a change takes at most: a read-back that has just begun, the write, and what else the line does.
const SOON_MS: u64 = 100;

/// Slave 1 is a gauge; slave 2 has three relays on its coils 0, 1, 2.
fn plant() -> Bus {
    let mut bus = bus(2, PERIOD_MS);
    let slave = &mut bus.slaves[1];
    slave.profile.registers = (0..3)
        .map(|address| devices::Register {
            name: format!("relay-{address}"),
            function: Function::Coils,
            address,
            data_type: DataType::Bit,
            ..slave.profile.registers[0].clone()
        })
        .collect();
    bus.points[0].fastest_ms = Some(100);
    let gauge = bus.points.remove(1);
    let relays = [
        ("siren", FailSafe::Off),
        ("fan", FailSafe::On),
        ("power", FailSafe::Hold),
    ];
    for (register, (name, fail_safe)) in relays.into_iter().enumerate() {
        let mut point: Point = gauge.clone();
        point.point = name.into();
        point.eu = None;
        point.range = None;
        point.digital = true;
        point.fail_safe = Some(fail_safe);
        point.signal.digital = true;
        point.signal.range = None;
        point.signal.register = register;
        // The contactor of the power is held by its relay: switched on, the relay lets go.
        point.signal.inverted = name == "power";
        bus.points.push(point);
    }
    bus
}

struct Bench {
    node: Node<MemoryStore>,
    mono: u64,
    coils: BTreeMap<u16, bool>,
    /// Each write, with its time.
    writes: Vec<(u64, u16, bool)>,
    relays_are_dead: bool,
    gauge_reads: u32,
    seq: u64,
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
            buses: vec![plant()],
            pack: PackConfig::default(),
            uplink: UplinkConfig::default(),
            back_off: BackOffConfig::default(),
        };
        let store = MemoryStore::new(1 << 20);
        let node = Node::new(config, 1, 1, store, Now::synced(0, EPOCH)).expect("empty");
        Self {
            node,
            mono: 0,
            coils: (0..3).map(|address| (address, false)).collect(),
            writes: Vec::new(),
            relays_are_dead: false,
            gauge_reads: 0,
            seq: 0,
        }
    }

    fn run(&mut self, ms: u64) {
        let until = self.mono + ms;
        while self.mono < until {
            let now = Now::synced(self.mono, EPOCH.plus_ms(self.mono));
            self.node.handle_timeout(now);
            if let Work::Send(request) = self.node.poll_bus(0, now) {
                self.answer(&request);
            }
            self.mono += 10;
        }
    }

    fn answer(&mut self, request: &Request) {
        let (slave, token) = (request.slave, request.token);
        if slave == 2 && self.relays_are_dead {
            self.mono += u64::from(request.timeout_ms);
            let now = Now::synced(self.mono, EPOCH.plus_ms(self.mono));
            return self.node.handle_answer(0, token, &Answer::Silent, now);
        }
        let now = Now::synced(self.mono, EPOCH.plus_ms(self.mono));
        let bits: Vec<bool> = match request.write {
            Some(contents) => {
                assert_eq!((slave, request.function), (2, Function::Coils));
                let on = contents != 0;
                self.coils.insert(request.address, on);
                self.writes.push((self.mono, request.address, on));
                vec![on]
            }
            None if slave == 2 => (request.address..request.address + request.count)
                .map(|address| self.coils[&address])
                .collect(),
            None => {
                self.gauge_reads += 1;
                let words = vec![7; usize::from(request.count)];
                return self
                    .node
                    .handle_answer(0, token, &Answer::Words(&words), now);
            }
        };
        self.node.handle_answer(0, token, &Answer::Bits(&bits), now);
    }

    fn say(&mut self, instance: &str, seq: u64, outputs: &[(&str, bool)]) {
        let desired = Desired {
            instance: instance.into(),
            seq,
            outputs: outputs
                .iter()
                .map(|(name, on)| (format!("tank/{name}"), *on))
                .collect(),
            periods: Vec::new(),
        };
        let now = Now::synced(self.mono, EPOCH.plus_ms(self.mono));
        self.node.handle_message(TOPIC, &encode(&desired), now);
    }

    fn want(&mut self, outputs: &[(&str, bool)]) {
        self.seq += 1;
        let seq = self.seq;
        self.say("01B", seq, outputs);
    }

    /// Says it over and over, as a gateway does.
    fn keep(&mut self, outputs: &[(&str, bool)], ms: u64) {
        let until = self.mono + ms;
        while self.mono < until {
            self.want(outputs);
            self.run(Desired::REPEAT_MS.min(until - self.mono));
        }
    }

    #[track_caller]
    fn coils(&self, expected: [bool; 3]) {
        let coils: Vec<bool> = self.coils.values().copied().collect();
        assert_eq!(coils, expected, "at {} ms: {:?}", self.mono, self.writes);
    }
}

#[test]
fn an_output_is_switched_at_once_and_written_no_more_than_needed() {
    let mut bench = Bench::new();
    bench.run(2_000);
    bench.want(&[("siren", true), ("fan", false), ("power", false)]);
    bench.run(SOON_MS);
    // Switched off, the power's relay is held.
    bench.coils([true, false, true]);
    bench.keep(&[("siren", true), ("fan", false), ("power", false)], 60_000);
    let n_siren = bench.writes.iter().filter(|write| write.1 == 0).count();
    assert_eq!(n_siren, 1, "{:?}", bench.writes);
    bench.want(&[("siren", false), ("fan", false), ("power", true)]);
    bench.run(SOON_MS);
    bench.coils([false, false, false]);
}

#[test]
fn nothing_is_switched_before_somebody_says_what_it_is_to_be() {
    let mut bench = Bench::new();
    bench.coils.insert(0, true);
    bench.run(Desired::LEASE_MS - 100);
    assert_eq!(bench.writes, []);
}

#[test]
fn a_gateway_that_falls_silent_leaves_each_output_as_is_fail_safe() {
    let mut bench = Bench::new();
    bench.keep(&[("siren", true), ("fan", false), ("power", true)], 20_000);
    bench.coils([true, false, false]);
    // The last word was said 10 s ago.
    bench.run(Desired::LEASE_MS - Desired::REPEAT_MS - 100);
    bench.coils([true, false, false]);
    bench.run(100 + SOON_MS);
    bench.coils([false, true, false]);
    // And it stays so, also when a relay module starts anew.
    bench.coils.insert(1, false);
    bench.run(PERIOD_MS + SOON_MS);
    bench.coils([false, true, false]);
}

#[test]
fn an_output_that_the_gateway_does_not_name_does_what_is_fail_safe() {
    let mut bench = Bench::new();
    bench.want(&[("siren", true), ("fan", false), ("power", true)]);
    bench.run(SOON_MS);
    bench.coils([true, false, false]);
    bench.want(&[]);
    bench.run(SOON_MS);
    bench.coils([false, true, false]);
}

#[test]
fn a_node_that_never_hears_a_gateway_does_what_is_fail_safe_too() {
    let mut bench = Bench::new();
    bench.coils.insert(2, true);
    bench.run(Desired::LEASE_MS + SOON_MS);
    bench.coils([false, true, true]);
}

#[test]
fn relays_that_were_off_are_set_right_when_they_are_back() {
    let mut bench = Bench::new();
    bench.want(&[("siren", true), ("fan", true)]);
    bench.run(SOON_MS);
    bench.relays_are_dead = true;
    bench.run(5_000);
    bench.coils.insert(0, false);
    bench.coils.insert(1, false);
    bench.want(&[("siren", true), ("fan", false)]);
    bench.run(1_000);
    bench.relays_are_dead = false;
    bench.keep(&[("siren", true), ("fan", false)], 20_000);
    bench.coils([true, false, false]);
}

#[test]
fn what_somebody_else_writes_is_set_right_within_a_period() {
    let mut bench = Bench::new();
    bench.want(&[("siren", true)]);
    bench.run(SOON_MS);
    bench.coils.insert(0, false);
    bench.run(PERIOD_MS + SOON_MS);
    bench.coils([true, true, false]);
}

#[test]
fn a_word_that_was_overtaken_changes_nothing() {
    let mut bench = Bench::new();
    bench.say("01B", 5, &[("siren", true)]);
    for (instance, seq) in [("01B", 4), ("01B", 5), ("01A", 99)] {
        bench.say(instance, seq, &[("siren", false)]);
    }
    bench.run(SOON_MS);
    bench.coils([true, true, false]);
    bench.say("01C", 1, &[("siren", false)]);
    bench.run(SOON_MS);
    bench.coils([false, true, false]);
}

#[test]
fn a_gateway_whose_clock_was_set_back_is_heard_when_the_other_is_silent() {
    let mut bench = Bench::new();
    bench.say("01Z", 5, &[("siren", false)]);
    bench.run(Desired::LEASE_MS + SOON_MS);
    bench.say("01A", 1, &[("siren", true)]);
    bench.run(SOON_MS);
    bench.coils([true, true, false]);
}

#[test]
fn an_output_that_the_node_does_not_have_is_told_once() {
    let mut bench = Bench::new();
    bench.keep(&[("horn", true), ("siren", true)], 60_000);
    bench.coils([true, true, false]);
    let troubles: Vec<Trouble> = std::iter::from_fn(|| bench.node.poll_trouble()).collect();
    let output = "tank/horn".into();
    assert_eq!(troubles, [Trouble::UnknownOutput { output }]);
}

#[test]
fn a_point_is_read_more_often_while_the_gateway_wants_it_and_its_bus_file_lets_it() {
    let mut bench = Bench::new();
    bench.run(2_000);
    let often = |bench: &mut Bench, period_ms: Option<u64>| {
        bench.seq += 1;
        let wanted = period_ms.map(|period_ms| ("tank/p1".to_owned(), period_ms));
        let desired = Desired {
            instance: "01B".into(),
            seq: bench.seq,
            outputs: Vec::new(),
            periods: wanted.into_iter().collect(),
        };
        let now = Now::synced(bench.mono, EPOCH.plus_ms(bench.mono));
        bench.node.handle_message(TOPIC, &encode(&desired), now);
        let before = bench.gauge_reads;
        bench.run(10_000);
        bench.gauge_reads - before
    };
    assert_eq!(often(&mut bench, None), 20);
    let hurried = often(&mut bench, Some(200));
    assert!((49..=51).contains(&hurried), "{hurried}");
    // No more often than it may be, and never less often than usual.
    let fastest = often(&mut bench, Some(10));
    assert!((99..=101).contains(&fastest), "{fastest}");
    let usual = often(&mut bench, Some(60_000));
    assert!((20..=21).contains(&usual), "{usual}");
    often(&mut bench, Some(200));
    // A gateway that falls silent wants nothing any more.
    bench.run(Desired::LEASE_MS);
    let before = bench.gauge_reads;
    bench.run(10_000);
    assert_eq!(bench.gauge_reads - before, 20);
}

#[derive(Clone, Debug)]
enum Happening {
    Want([bool; 3]),
    Overtaken([bool; 3]),
    Die(bool),
    Tamper(u16, bool),
    Run(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => any::<[bool; 3]>().prop_map(Happening::Want),
        1 => any::<[bool; 3]>().prop_map(Happening::Overtaken),
        1 => any::<bool>().prop_map(Happening::Die),
        1 => (0..3_u16, any::<bool>()).prop_map(|(coil, on)| Happening::Tamper(coil, on)),
        4 => (1..12_000_u64).prop_map(Happening::Run),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens_the_relays_end_as_they_were_last_wanted(happenings in prop::collection::vec(happening(), 1..30)) {
        let names = ["siren", "fan", "power"];
        let mut bench = Bench::new();
        for happening in happenings {
            match happening {
                Happening::Want(on) => {
                    let outputs: Vec<_> = names.into_iter().zip(on).collect();
                    bench.want(&outputs);
                }
                Happening::Overtaken(on) => {
                    let outputs: Vec<_> = names.into_iter().zip(on).collect();
                    if bench.seq > 0 {
                        let seq = bench.seq;
                        bench.say("01A", seq + 9, &outputs);
                        bench.run(10);
                        bench.say("01B", seq, &outputs);
                    }
                }
                Happening::Die(dead) => bench.relays_are_dead = dead,
                Happening::Tamper(coil, on) => drop(bench.coils.insert(coil, on)),
                Happening::Run(ms) => bench.run(ms),
            }
        }
        bench.relays_are_dead = false;
        let last = [("siren", true), ("fan", true), ("power", false)];
        // The longest pause of a slave that was silent for so long, and a period.
        bench.keep(&last, 80_000);
        bench.coils([true, true, true]);
    }
}
