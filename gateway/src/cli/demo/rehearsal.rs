//! The story played in virtual time: scenario → plan → rules, without a wire, a broker or a clock.
//!
//! Only for tests: what the demo will show is known to come true before it is ever run.

use std::sync::Arc;

use devices::{Bus, Function, Plan, Reply};
use rules::compile::{CHATTER, FLOOD};
use rules::effect::{Command, Effect, Input, Verb};
use rules::engine::Engine;
use rules::point::PointIdx;
use rules::value::Tri;
use simbus::{Framing, Play, Request};
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

use super::papers;
use super::plant::{Script, scripts};
use super::story::{Act, BEATS, END_MS, GATEWAY, NODE, OPERATOR, Seen};
use crate::alarm::rate::Rate;

/// One bus that is being swept.
pub(super) struct Sweeper {
    pub(super) bus: Bus,
    plan: Plan,
    image: devices::Image,
    play: Play,
}

impl Sweeper {
    pub(super) fn new(script: Script) -> Self {
        let plan = Plan::new(&script.bus);
        Self {
            image: plan.image(),
            plan,
            bus: script.bus,
            play: Play::new(script.scenario),
        }
    }

    /// What a sweep of all groups that are due at a time reads: point of the bus, value, quality.
    pub(super) fn sweep(&mut self, at_ms: u64) -> Vec<(usize, Option<Value>, Quality)> {
        let mut readings = Vec::new();
        for (index, request) in self.plan.requests.iter().enumerate() {
            let group = &self.plan.groups[request.group];
            if !at_ms.is_multiple_of(group.period_ms) {
                continue;
            }
            let [a0, a1] = request.address.to_be_bytes();
            let [c0, c1] = request.count.to_be_bytes();
            let question = Request {
                transaction: 0,
                unit: request.unit_id,
                pdu: &[request.function.code(), a0, a1, c0, c1],
            };
            let reply = self.play.handle_request(Framing::Mbap, question, at_ms);
            let reply = reply.unwrap_or_else(|| panic!("{request:?} is not answered"));
            let [_, _, _, _, _, _, _, answered, _, data @ ..] = &reply.bytes[..] else {
                panic!("{request:?} is refused: {:?}", reply.bytes);
            };
            assert_eq!(*answered, request.function.code(), "{request:?} is refused");
            let words: Vec<u16> = data
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            let bits: Vec<bool> = (0..usize::from(request.count))
                .map(|bit| {
                    data.get(bit / 8)
                        .is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
                })
                .collect();
            let reply = match request.function {
                Function::Coils | Function::DiscreteInputs => Reply::Bits(&bits),
                Function::HoldingRegisters | Function::InputRegisters => Reply::Words(&words),
            };
            self.plan.decode(
                &self.bus,
                &mut self.image,
                index,
                reply,
                &mut |point, value, quality| {
                    readings.push((point, value, quality));
                },
            );
        }
        readings
    }
}

/// Plays the story, sweeping every 100 ms what is due, and gives every event.
pub(super) fn play() -> Vec<Seen> {
    let mut sweepers: Vec<Sweeper> = scripts().unwrap().into_iter().map(Sweeper::new).collect();
    let folder = tempfile::tempdir().unwrap();
    let config = papers::config(folder.path(), ([127, 0, 0, 1], 0).into()).unwrap();
    let program = Arc::clone(&config.program);
    let indices: Vec<Vec<PointIdx>> = sweepers
        .iter()
        .map(|sweeper| &sweeper.bus.points)
        .map(|points| {
            let index = |point: &devices::Point| config.point(&point.unit, &point.point);
            points.iter().filter_map(index).collect()
        })
        .collect();
    let alarm = |id: &str| {
        let found = program.find_alarm(id);
        found.unwrap_or_else(|| panic!("no alarm {id}"))
    };
    let mut engine = Engine::new(Arc::clone(&program), UtcMs(0));
    let mut effects: Vec<Effect> = Vec::new();
    let mut beats = BEATS.iter().peekable();
    let mut pulled = false;
    let (mut rate, mut n_taken) = (Rate::default(), 0);
    for at_ms in (0..END_MS).step_by(100) {
        let now = UtcMs(i64::try_from(at_ms).unwrap());
        while let Some(beat) = beats.next_if(|beat| beat.at_ms <= at_ms) {
            let command = |verb, id| Input::Command(Command::new(verb, alarm(id), OPERATOR));
            let offline = |active| Input::Condition {
                alarm: alarm(&format!("-/{NODE}/sys.offline")),
                active,
                reason: "",
            };
            let input = match beat.act {
                None => continue,
                Some(Act::Ack(id)) => command(Verb::Ack, id),
                Some(Act::Reset(id)) => command(Verb::Reset, id),
                Some(Act::Pull) => offline(Tri::True),
                Some(Act::PutBack) => offline(Tri::False),
            };
            pulled = match beat.act {
                Some(Act::Pull) => true,
                Some(Act::PutBack) => false,
                _ => pulled,
            };
            let done = engine.handle(input, now, &mut effects);
            done.unwrap_or_else(|refusal| panic!("{beat:?}: {refusal}"));
        }
        for (sweeper, indices) in sweepers.iter_mut().zip(&indices) {
            for (point, value, quality) in sweeper.sweep(at_ms) {
                let sample = Sample {
                    at: now,
                    value,
                    quality,
                    clock: Clock::Synced,
                };
                let point = indices[point];
                if !pulled {
                    let input = Input::Sample { point, sample };
                    engine.handle(input, now, &mut effects).expect("a point");
                }
            }
        }
        engine.handle_timeout(now, &mut effects);
        for effect in effects.iter().skip(n_taken) {
            rate.take(&program, effect);
        }
        n_taken = effects.len();
        rate.look(&program, now);
        for (rule, reason) in [(FLOOD, rate.flood()), (CHATTER, rate.chatter())] {
            let input = Input::Condition {
                alarm: alarm(&format!("-/{GATEWAY}/{rule}")),
                active: if reason.is_some() {
                    Tri::True
                } else {
                    Tri::False
                },
                reason: reason.unwrap_or_default(),
            };
            engine
                .handle(input, now, &mut effects)
                .expect("a condition from outside");
        }
    }
    let seen = |effect: Effect| Seen {
        at_ms: u64::try_from(effect.at.0).unwrap(),
        id: program.id_of(effect.alarm).to_string(),
        event: effect.kind.word().to_owned(),
        level: effect.state.level.map(|level| {
            let levels = program.levels_of(effect.alarm);
            levels[usize::from(level)].name.clone()
        }),
        letter: effect.state.letter().as_str().to_owned(),
    };
    effects.into_iter().map(seen).collect()
}
