//! Rules on a Cortex-M4F, in the memory of a node: they do what they do on a gateway.

use std::fmt::Write;

use front::{Problems, Source};
use mps2_an386::Told;
use rules::compile::{System, compile};
use rules::effect::{AlarmIdx, Input};
use rules::engine::NodeEngine;
use rules::image::Image;
use rules::point::{PointIdx, PointInfo};
use rules::program::Program;
use support::Board;
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

use crate::oracle::played;

/// What a node may have.
const NODE_RAM: u64 = 64 * 1024;

/// The whole numbers in a line.
fn numbers(line: &str) -> Vec<u64> {
    let words = line.split(|c: char| !c.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}

/// What a node hears of an input to the whole program; of what it has not, that time passes.
fn on_node<'a>(input: Input<'a>, program: &Program, image: &Image<'_>) -> Input<'a> {
    let point = |point: PointIdx| {
        let info = program.point(point);
        image.find_point(&info.unit, &info.point)
    };
    let heard = match input {
        Input::Sample { point: of, sample } => {
            point(of).map(|point| Input::Sample { point, sample })
        }
        Input::Late { point: of, sample } => point(of).map(|point| Input::Late { point, sample }),
        Input::Command(command) => {
            let id = Some(program.id_of(command.alarm));
            let mut alarms = (0..image.n_alarms()).map(AlarmIdx);
            let alarm = alarms.find(|alarm| image.id_of(*alarm) == id);
            alarm.map(|alarm| Input::Command(rules::effect::Command { alarm, ..command }))
        }
        input => Some(input),
    };
    heard.unwrap_or(Input::Time)
}

/// What the engine says on this machine, as the board writes it: what is refused, and effects.
fn said_here(image: &[u8], trace: &[(Input<'_>, UtcMs)]) -> Vec<String> {
    let mut engine = NodeEngine::new(Image::read(image).unwrap(), trace[0].1);
    let mut said = Vec::new();
    for (input, now) in trace {
        let done = engine.handle(*input, *now, |effect| said.push(format!("{effect:?}")));
        if let Err(refusal) = done {
            said.push(format!("! {refusal}"));
        }
    }
    said
}

/// What the board says of the same, and what it says of itself.
fn said_there(image: &[u8], trace: &[(Input<'_>, UtcMs)]) -> (Vec<String>, Vec<String>) {
    let frames = trace.iter().map(|(input, now)| {
        let told = Told::new(input, *now).expect("a node can be told");
        told.frame().unwrap()
    });
    let (code, said) = Board::start(image).play(&frames.collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{}", said.join("\n"));
    said.into_iter().partition(|line| !line.starts_with('#'))
}

#[test]
fn random_rules_do_on_a_cortex_m_what_they_do_on_a_gateway() {
    let mut n_said = 0;
    for line in played(0, 10) {
        let Ok(program) = line.case.program() else {
            continue;
        };
        let bytes = program.image(|_| true);
        let image = Image::read(&bytes).unwrap();
        let begin = (Input::Time, UtcMs(line.case.begins));
        // A node is not told that rules change: it gets another image.
        let steps = line.case.steps.iter();
        let steps = steps.take_while(|step| step.change.is_none());
        let steps = steps.filter_map(|step| {
            let input = on_node(step.input(&program)?, &program, &image);
            Some((input, UtcMs(step.t)))
        });
        let trace: Vec<_> = [begin].into_iter().chain(steps).collect();
        let (there, _) = said_there(&bytes, &trace);
        assert_eq!(there, said_here(&bytes, &trace));
        n_said += there.len();
    }
    assert!(n_said > 100, "{n_said} lines");
}

/// So many rules, each of four levels of its own on a point of its own.
fn rules_of_four_levels(n: u32) -> Program {
    let points: Vec<PointInfo> = (0..n)
        .map(|index| PointInfo {
            unit: "tank-farm".into(),
            point: format!("gd-{index}"),
            kind: format!("gas-{index}"),
            eu: Some("%LEL".into()),
            period_ms: 1_000,
            max_age_ms: 5_000,
            ..PointInfo::default()
        })
        .collect();
    let mut text = String::from("pack = \"p\"\nversion = \"1\"\n");
    for index in 0..n {
        let levels = ["blue", "yellow", "orange", "red"];
        let levels = (0..).zip(levels).map(|(level, colour)| {
            let at = 10 + index % 5 + 20 * level;
            format!(
                "{{ level = \"L{level}\", at = \"{at} %LEL\", colour = \"{colour}\", deadband = \"2 %LEL\", on_delay = \"3s\", off_delay = \"10s\" }}"
            )
        });
        let levels: Vec<_> = levels.collect();
        write!(
            text,
            "[[rule]]\nname = \"gas-{index}\"\nfor = {{ kind = \"gas-{index}\" }}\nhigh = [{}]\nunverified = \"a test\"\ntext = {{ zh = \"气\", en = \"gas\" }}\n",
            levels.join(", ")
        )
        .unwrap();
    }
    let problems = Problems::default();
    let system = System {
        gateway: "gw".into(),
        nodes: Vec::new(),
    };
    let source = Source::new("rules.toml", text);
    let program = compile(&[source], &points, &system, &problems, &Problems::default());
    program.unwrap_or_else(|| panic!("{problems}"))
}

#[test]
fn sixty_four_rules_fit_a_node_and_all_of_them_alarm_at_once() {
    let n = 64;
    let bytes = rules_of_four_levels(n).image(|_| true);
    let reading = |point, second: i64, value| {
        let now = UtcMs(second * 1_000);
        let sample = Sample {
            at: now,
            value: Some(Value::Number(value)),
            quality: Quality::GOOD,
            clock: Clock::Synced,
        };
        let point = PointIdx(point);
        (Input::Sample { point, sample }, now)
    };
    let trace: Vec<_> = (0..40)
        .flat_map(|second| {
            let value = if (5..20).contains(&second) { 95.0 } else { 3.0 };
            (0..n).map(move |point| reading(point, second, value))
        })
        .collect();
    let (there, of_itself) = said_there(&bytes, &trace);
    assert_eq!(there, said_here(&bytes, &trace));
    for kind in ["Raised", "Returned"] {
        let told = format!("kind: {kind}");
        let n_told = there.iter().filter(|line| line.contains(&told)).count();
        assert_eq!(n_told, 64, "{kind}");
    }
    let ram = numbers(of_itself.last().unwrap());
    let at_start = numbers(&of_itself[0]);
    assert_eq!(ram[1], at_start[0], "the heap grew: {of_itself:?}");
    // The other half is for TCP/IP, MQTT and Modbus.
    let n_ram: u64 = ram.iter().sum();
    assert!(n_ram <= NODE_RAM / 2, "{of_itself:?}");
    println!(
        "image {} bytes, RAM {n_ram} bytes: {of_itself:?}",
        bytes.len()
    );
}

#[test]
fn a_board_with_damaged_rules_says_so_and_runs_none() {
    let mut bytes = rules_of_four_levels(1).image(|_| true);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let (code, said) = Board::start(&bytes).play(&[]);
    assert_eq!(code, Some(1));
    assert!(said.join("\n").contains("damaged"), "{said:?}");
}
