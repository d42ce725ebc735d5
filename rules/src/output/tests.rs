//! A detector, a siren, a lamp and a fan on a clock of our own: what is on when, and what is told when it does not obey.

use std::borrow::ToOwned;
use std::string::ToString;
use std::sync::Arc;
use std::vec;

use front::{Problems, Source};
use proptest::prelude::*;
use telemetry::{Clock, Quality, Sample};

use super::*;
use crate::compile::{System, compile};
use crate::effect::{Command, Input, Verb};
use crate::point::PointInfo;

const RULES: &str = r#"
pack = "p"
version = "1"
[[rule]]
name = "gas"
for = { kind = "gas" }
high = [
  { level = "L1", at = "20", colour = "yellow", actions = ["lamp", "fan"] },
  { level = "L2", at = "50", colour = "orange", latch = true, actions = ["siren"] },
]
unverified = "a test"
text = { zh = "z", en = "e" }
"#;

const SITE: &str = r#"
[[output]]
point = "tank/siren"
rules = ["gas"]
class = "audible"
min_on = "30s"
reason = "a test"
[[output]]
point = "tank/lamp"
rules = ["gas"]
class = "visual"
reason = "a test"
[[output]]
point = "tank/fan"
rules = ["gas"]
class = "linkage"
feedback = "tank/fan-running"
within = "5s"
reason = "a test"
"#;

const SIREN: usize = 0;
const LAMP: usize = 1;
const FAN: usize = 2;

fn program() -> Program {
    let point = |name: &str, kind: &str| PointInfo {
        unit: "tank".into(),
        point: name.into(),
        kind: kind.into(),
        digital: kind != "gas",
        output: matches!(kind, "siren" | "lamp" | "fan"),
        period_ms: 1_000,
        max_age_ms: 3_000,
        node: Some("n1".into()),
        ..PointInfo::default()
    };
    let points = [
        point("fan", "fan"),
        point("fan-running", "fan-running"),
        point("gt-1", "gas"),
        point("gt-2", "gas"),
        point("lamp", "lamp"),
        point("siren", "siren"),
    ];
    let sources = [Source::new("p.toml", RULES), Source::new("s.toml", SITE)];
    let (problems, warnings) = (Problems::default(), Problems::default());
    let system = System {
        gateway: "gw".into(),
        nodes: Vec::new(),
    };
    let program = compile(&sources, &points, &system, &problems, &warnings);
    assert_eq!(problems.to_string(), "");
    program.unwrap()
}

/// What reads the plant once a second, and switches its outputs as it is told.
struct Plant {
    engine: Engine,
    outputs: Outputs,
    t: i64,
    gas: [f64; 2],
    /// Whether each output obeys.
    obeys: [bool; 3],
    fan_turns: bool,
    /// Whether the relays can be read.
    read: bool,
    is: [bool; 3],
    told: Vec<String>,
}

impl Plant {
    fn new() -> Self {
        let program = program();
        let mut plant = Self {
            outputs: Outputs::new(&program, UtcMs(0)),
            engine: Engine::new(Arc::new(program), UtcMs(0)),
            t: 0,
            gas: [0.0; 2],
            obeys: [true; 3],
            fan_turns: true,
            read: true,
            is: [false; 3],
            told: Vec::new(),
        };
        plant.run(2);
        plant.told.clear();
        plant
    }

    /// Lets so many seconds pass.
    fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.t += 1_000;
            for output in [SIREN, LAMP, FAN] {
                if self.obeys[output] {
                    self.is[output] = self.outputs.get(output).on;
                }
            }
            for (name, gas) in [("gt-1", self.gas[0]), ("gt-2", self.gas[1])] {
                self.sample(name, Some(Value::Number(gas)));
            }
            for (output, name) in [(SIREN, "siren"), (LAMP, "lamp"), (FAN, "fan")] {
                let value = self.read.then_some(Value::Bool(self.is[output]));
                self.sample(name, value);
            }
            let turns = Value::Bool(self.is[FAN] && self.fan_turns);
            self.sample("fan-running", Some(turns));
            self.look();
        }
    }

    fn sample(&mut self, name: &str, value: Option<Value>) {
        let point = self.engine.program().find_point("tank", name).unwrap();
        let quality = match value {
            Some(_) => Quality::GOOD,
            None => Quality::COMM_ERROR,
        };
        let sample = Sample {
            at: UtcMs(self.t),
            value,
            quality,
            clock: Clock::Synced,
        };
        self.handle(Input::Sample { point, sample }).unwrap();
    }

    fn handle(&mut self, input: Input<'_>) -> Result<(), crate::effect::Refusal> {
        let mut effects = Vec::new();
        let done = self.engine.handle(input, UtcMs(self.t), &mut effects);
        for effect in effects {
            self.outputs.note(effect.alarm);
        }
        done
    }

    /// Somebody acts on the first detector's alarm.
    fn act(&mut self, verb: Verb) {
        let alarm = self.engine.program().find_alarm("tank/gt-1/gas").unwrap();
        let command = Command {
            until: Some(UtcMs(self.t + 600_000)),
            second: Some("wang"),
            ticket: Some("W-1"),
            comment: Some("cell change"),
            ..Command::new(verb, alarm, "li")
        };
        self.handle(Input::Command(command)).unwrap();
        self.look();
    }

    /// Looks until nothing is to be done, and has everything that was decided in the log.
    fn look(&mut self) {
        for _ in 0..4 {
            let steps = self.outputs.look(&self.engine, UtcMs(self.t));
            if steps.is_empty() {
                let due = self.outputs.poll_timeout();
                assert!(due.is_none_or(|due| due > UtcMs(self.t)), "it would spin");
                return;
            }
            for step in steps {
                self.decided(&step);
            }
        }
        panic!("it never comes to rest");
    }

    fn decided(&mut self, step: &Step) {
        let program = self.engine.program();
        let id = |alarm: &AlarmIdx| program.id_of(*alarm).to_string();
        let (index, on, ok, alarm, told) = match step {
            Step::Switch { output, on, alarm } => {
                let alarm = alarm.as_ref().map(id);
                let word = if *on { "on" } else { "off" };
                (*output, *on, None, alarm, word.to_owned())
            }
            Step::Shown { output } => {
                let on = self.outputs.get(*output).on;
                (*output, on, Some(true), None, "ok".to_owned())
            }
            Step::Failed { output, why } => {
                let on = self.outputs.get(*output).on;
                (*output, on, Some(false), None, why.clone())
            }
        };
        let alarm = alarm.unwrap_or_else(|| self.outputs.get(index).alarm.clone());
        let output = self.outputs.get(index).name.clone();
        self.told.push(format!("{output} {told}"));
        self.outputs.decided(&output, on, ok, &alarm, UtcMs(self.t));
    }

    #[track_caller]
    fn is(&self, siren: bool, lamp: bool, fan: bool) {
        let on = [SIREN, LAMP, FAN].map(|output| self.outputs.get(output).on);
        assert_eq!(on, [siren, lamp, fan], "at {} s", self.t / 1_000);
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

#[test]
fn each_level_switches_what_it_asks_for_and_what_the_milder_one_does() {
    let mut plant = Plant::new();
    plant.gas[0] = 30.0;
    plant.run(2);
    plant.is(false, true, true);
    plant.gas[0] = 60.0;
    plant.run(2);
    plant.is(true, true, true);
    assert_eq!(
        plant.told(),
        [
            "tank/lamp on",
            "tank/fan on",
            "tank/lamp ok",
            "tank/fan ok",
            "tank/siren on",
            "tank/siren ok"
        ]
    );
    assert_eq!(plant.outputs.get(SIREN).alarm, "tank/gt-1/gas");
}

#[test]
fn an_output_stays_on_while_any_of_its_alarms_asks_for_it() {
    let mut plant = Plant::new();
    plant.gas = [30.0, 30.0];
    plant.run(2);
    plant.gas[0] = 0.0;
    plant.run(2);
    plant.is(false, true, true);
    plant.gas[1] = 0.0;
    plant.run(2);
    plant.is(false, false, false);
}

#[test]
fn a_latched_alarm_keeps_its_fan_and_lamp_until_it_is_reset() {
    let mut plant = Plant::new();
    plant.gas[0] = 60.0;
    plant.run(1);
    plant.gas[0] = 0.0;
    plant.run(60);
    plant.is(false, true, true);
    plant.act(Verb::Ack);
    plant.is(false, true, true);
    plant.act(Verb::Reset);
    plant.is(false, false, false);
}

#[test]
fn a_siren_sounds_for_its_minimum_time_when_the_alarm_returns() {
    let mut plant = Plant::new();
    plant.gas[0] = 60.0;
    plant.run(1);
    plant.gas[0] = 0.0;
    plant.run(29);
    plant.is(true, true, true);
    plant.run(1);
    plant.is(false, true, true);
}

#[test]
fn a_siren_is_quiet_at_once_when_somebody_silences_it_or_has_seen_the_alarm() {
    for verb in [Verb::Silence, Verb::Ack] {
        let mut plant = Plant::new();
        plant.gas[0] = 60.0;
        plant.run(1);
        plant.is(true, true, true);
        plant.act(verb);
        plant.is(false, true, true);
        // The next one sounds again.
        plant.gas[1] = 60.0;
        plant.run(1);
        plant.is(true, true, true);
    }
}

#[test]
fn what_is_put_aside_neither_sounds_nor_shines_and_still_runs_its_fan() {
    let mut plant = Plant::new();
    plant.gas[0] = 60.0;
    plant.run(1);
    plant.act(Verb::Shelve);
    plant.is(false, false, true);
    plant.act(Verb::Unshelve);
    plant.is(true, true, true);
}

#[test]
fn a_test_and_a_detector_that_is_out_of_service_switch_nothing() {
    for (begin, end) in [
        (Verb::Test, Verb::TestEnd),
        (Verb::OutOfService, Verb::InService),
    ] {
        let mut plant = Plant::new();
        plant.act(begin);
        plant.gas[0] = 60.0;
        plant.run(3);
        plant.is(false, false, false);
        // Another detector is no test.
        plant.gas[1] = 60.0;
        plant.run(1);
        plant.is(true, true, true);
        plant.gas[1] = 0.0;
        plant.act(end);
        plant.is(true, true, true);
    }
}

#[test]
fn a_relay_that_does_not_obey_has_failed_after_its_time_and_is_told_once() {
    let mut plant = Plant::new();
    plant.obeys[SIREN] = false;
    plant.gas[0] = 60.0;
    plant.run(10);
    assert!(!plant.told().contains(&"tank/siren is off".to_owned()));
    plant.run(60);
    assert_eq!(plant.told(), ["tank/siren tank/siren is off"]);
    plant.obeys[SIREN] = true;
    plant.run(2);
    assert_eq!(plant.told(), ["tank/siren ok"]);
}

#[test]
fn a_fan_whose_relay_is_on_and_that_does_not_turn_has_failed() {
    let mut plant = Plant::new();
    plant.fan_turns = false;
    plant.gas[0] = 30.0;
    plant.run(5);
    plant.told();
    plant.run(1);
    assert_eq!(plant.told(), ["tank/fan tank/fan-running is off"]);
    plant.fan_turns = true;
    plant.run(1);
    assert_eq!(plant.told(), ["tank/fan ok"]);
    // It stops later, and then has as long again.
    plant.fan_turns = false;
    plant.run(5);
    assert_eq!(plant.told(), [] as [&str; 0]);
    plant.run(1);
    assert_eq!(plant.told(), ["tank/fan tank/fan-running is off"]);
}

#[test]
fn what_nobody_can_read_has_failed_only_while_it_is_to_be_on() {
    let mut plant = Plant::new();
    plant.read = false;
    plant.run(60);
    assert_eq!(plant.told(), [] as [&str; 0]);
    plant.gas[0] = 30.0;
    plant.run(6);
    let told = plant.told();
    assert!(
        told.contains(&"tank/fan tank/fan can't be read: comm-error".to_owned()),
        "{told:?}"
    );
}

#[test]
fn a_relay_that_is_on_without_being_told_has_failed_too() {
    let mut plant = Plant::new();
    plant.obeys[LAMP] = false;
    plant.is[LAMP] = true;
    plant.run(11);
    assert_eq!(plant.told(), ["tank/lamp tank/lamp is on"]);
}

#[test]
fn a_restart_goes_on_with_what_was_on_and_its_minimum_time() {
    let mut plant = Plant::new();
    plant.gas[0] = 60.0;
    plant.run(1);
    plant.gas[0] = 0.0;
    plant.run(10);
    plant.is(true, true, true);
    let program = program();
    let mut restarted = Outputs::new(&program, UtcMs(plant.t));
    for known in plant.outputs.iter() {
        restarted.remember(known.clone());
    }
    plant.outputs = restarted;
    plant.told();
    plant.look();
    plant.run(19);
    plant.is(true, true, true);
    plant.run(1);
    plant.is(false, true, true);
    assert_eq!(plant.told(), ["tank/siren off"]);
}

#[test]
fn what_was_told_just_before_a_restart_has_its_time_to_show_it_after_it() {
    let mut plant = Plant::new();
    plant.gas[0] = 60.0;
    plant.run(30);
    // Told off, and it has not been read since.
    plant.act(Verb::Silence);
    plant.is(false, true, true);
    let program = program();
    // Made as of the snapshot, which is long ago.
    let mut restarted = Outputs::new(&program, UtcMs(0));
    for known in plant.outputs.iter() {
        restarted.remember(known.clone());
    }
    restarted.wait_again(&program, UtcMs(plant.t));
    plant.outputs = restarted;
    plant.told();
    plant.look();
    assert_eq!(plant.told(), [""; 0]);
    plant.run(1);
    assert_eq!(plant.told(), ["tank/siren ok"]);
}

#[test]
fn a_node_is_told_of_all_its_outputs_and_of_no_others() {
    let mut plant = Plant::new();
    plant.gas[0] = 30.0;
    plant.run(1);
    let program = plant.engine.program();
    let wanted = [("siren", false), ("lamp", true), ("fan", true)];
    let wanted = wanted.map(|(name, on)| (format!("tank/{name}"), on));
    assert_eq!(plant.outputs.of_node(program, "n1"), wanted);
    assert_eq!(plant.outputs.of_node(program, "n2"), []);
}

#[derive(Clone, Debug)]
enum Happening {
    Gas(usize, f64),
    Act(Verb),
    Obey(usize, bool),
    Turn(bool),
    Read(bool),
    Run(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0..2_usize, prop::sample::select(vec![0.0, 30.0, 60.0])).prop_map(|(which, gas)| Happening::Gas(which, gas)),
        2 => prop::sample::select(Verb::ALL.to_vec()).prop_map(Happening::Act),
        1 => (0..3_usize, any::<bool>()).prop_map(|(which, obeys)| Happening::Obey(which, obeys)),
        1 => any::<bool>().prop_map(Happening::Turn),
        1 => any::<bool>().prop_map(Happening::Read),
        4 => (1..40_i64).prop_map(Happening::Run),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_happens_a_fan_runs_exactly_while_an_alarm_stands_that_asks_for_it(happenings in prop::collection::vec(happening(), 1..40)) {
        let mut plant = Plant::new();
        for happening in happenings {
            match happening {
                Happening::Gas(which, gas) => plant.gas[which] = gas,
                Happening::Act(verb) => {
                    let alarm = plant.engine.program().find_alarm("tank/gt-1/gas").unwrap();
                    let command = Command {
                        until: Some(UtcMs(plant.t + 20_000)),
                        second: Some("wang"),
                        ticket: Some("W-1"),
                        ..Command::new(verb, alarm, "li")
                    };
                    // What is refused changes nothing.
                    let _refused = plant.handle(Input::Command(command));
                    plant.look();
                }
                Happening::Obey(which, obeys) => plant.obeys[which] = obeys,
                Happening::Turn(turns) => plant.fan_turns = turns,
                Happening::Read(read) => plant.read = read,
                Happening::Run(seconds) => plant.run(seconds),
            }
            let asks = ["tank/gt-1/gas", "tank/gt-2/gas"].into_iter().any(|id| {
                let alarm = plant.engine.program().find_alarm(id).unwrap();
                let flags = plant.engine.alarm(alarm).flags;
                (flags.active || flags.latched) && !flags.test && !flags.out_of_service
            });
            prop_assert_eq!(plant.outputs.get(FAN).on, asks);
            // A siren sounds for an alarm, or for its minimum time.
            let [siren, ..] = plant.engine.program().outputs() else { unreachable!() };
            let known = plant.outputs.get(SIREN);
            let is_young = plant.t < known.since.0 + i64::try_from(siren.min_on_ms).unwrap();
            let sounds = Wish::of(siren, &plant.engine).by.is_some();
            prop_assert!(!known.on || sounds || is_young);
            prop_assert!(known.on || !sounds);
        }
        // In the end everything obeys, and says so.
        plant.obeys = [true; 3];
        (plant.fan_turns, plant.read) = (true, true);
        plant.run(60);
        let shown = plant.outputs.iter().all(|known| known.ok == Some(true));
        prop_assert!(shown);
    }
}
