//! A node's image of a program: it does what the whole program does, as far as it goes; and any bytes are an image or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rules::effect::{AlarmIdx, Cause, Effect, Input};
use rules::engine::{Engine, NodeEngine};
use rules::image::{Image, ImageError};
use rules::point::PointIdx;
use rules::program::Program;
use sha2::{Digest, Sha256};
use telemetry::UtcMs;

use crate::random::{Dice, Plan, Step, feed, program, trace};
use crate::support::{builder, conditions, high, level, rule, spec};

/// What of a program is in an image, and as what.
struct Known {
    points: BTreeMap<PointIdx, PointIdx>,
    alarms: BTreeMap<AlarmIdx, AlarmIdx>,
}

impl Known {
    fn new(program: &Program, image: &Image<'_>) -> Self {
        let alarms = (0..image.n_alarms()).map(AlarmIdx).map(|alarm| {
            let id = image.id_of(alarm).unwrap().to_string();
            (program.find_alarm(&id).unwrap(), alarm)
        });
        let points = (0..).map(PointIdx).zip(program.points());
        let points = points
            .filter_map(|(point, info)| Some((point, image.find_point(&info.unit, &info.point)?)));
        Self {
            points: points.collect(),
            alarms: alarms.collect(),
        }
    }

    /// What a node hears of an input; what concerns others is time that passes.
    fn input(&self, input: Input<'static>) -> Input<'static> {
        let heard = match input {
            Input::Sample { point, sample } => {
                let point = self.points.get(&point).copied();
                point.map(|point| Input::Sample { point, sample })
            }
            Input::Late { point, sample } => {
                let point = self.points.get(&point).copied();
                point.map(|point| Input::Late { point, sample })
            }
            Input::Command(mut command) => self.alarms.get(&command.alarm).map(|alarm| {
                command.alarm = *alarm;
                Input::Command(command)
            }),
            Input::Condition { .. } | Input::Switched { .. } => None,
            Input::Down { .. } | Input::Time => Some(input),
        };
        heard.unwrap_or(Input::Time)
    }

    /// An effect of the whole program as the image has it, if it is one of its alarms'.
    fn effect(&self, mut effect: Effect) -> Option<Effect> {
        effect.alarm = *self.alarms.get(&effect.alarm)?;
        if let Cause::Sample(point) = &mut effect.cause {
            *point = self.points.get(point).copied().unwrap_or(*point);
        }
        Some(effect)
    }
}

/// Without deeds at alarms that the image has not: the node does not hear of them.
fn shared(trace: Vec<Step>, known: &Known) -> Vec<Step> {
    let is_shared = |step: &Step| match step.input {
        Input::Command(command) => known.alarms.contains_key(&command.alarm),
        _ => true,
    };
    trace.into_iter().filter(is_shared).collect()
}

proptest! {
    #[test]
    fn a_node_says_what_the_gateway_says_of_the_alarms_that_it_has(seed in any::<u64>(), lacks in prop::option::of(0_u32..4)) {
        let mut dice = Dice(seed);
        let mut plan = Plan::new(&mut dice);
        let image_of = |plan: &Plan| plan.program().image(|point| Some(point.0) != lacks);
        let n_on_node = Image::read(&image_of(&plan)).unwrap().n_alarms() as usize;
        if n_on_node < plan.program().alarms().len() {
            // A node does not know of a doubt that needs more than it has.
            plan = plan.without_doubts();
        }
        let (program, bytes) = (Arc::new(plan.program()), image_of(&plan));
        let image = Image::read(&bytes).unwrap();
        let known = Known::new(&program, &image);
        let trace = shared(trace(&mut dice, &program, 300), &known);
        let mut whole = Engine::new(program, UtcMs(0));
        let mut node = NodeEngine::new(image, UtcMs(0));
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for step in trace {
            feed(&mut whole, step, &mut theirs);
            node.handle(known.input(step.input), step.now, |effect| ours.push(effect)).ok();
            let theirs = theirs.drain(..).filter_map(|effect| known.effect(effect));
            prop_assert_eq!(theirs.collect::<Vec<_>>(), std::mem::take(&mut ours));
        }
        for (alarm, on_node) in &known.alarms {
            prop_assert_eq!(Some(whole.alarm(*alarm)), node.alarm(*on_node));
        }
    }

    #[test]
    fn bytes_that_were_changed_are_refused(seed in any::<u64>(), at in any::<prop::sample::Index>(), by in 1_u8..) {
        let program = program(&mut Dice(seed));
        let mut bytes = program.image(|_| true);
        let end = at.index(bytes.len());
        let whole = [&bytes[..], &[by]].concat();
        prop_assert!(Image::read(&whole).is_ok());
        prop_assert!(Image::read(&bytes[..end]).is_err());
        bytes[end] ^= by;
        prop_assert!(Image::read(&bytes).is_err());
    }

    #[test]
    fn wrong_bytes_with_the_right_hash_are_refused_or_run(seed in any::<u64>(), n_times in 1..4) {
        let mut dice = Dice(seed);
        let program = program(&mut dice);
        let mut bytes = program.image(|_| true);
        let len = bytes.len() - 32;
        for _ in 0..n_times {
            let at = dice.index(len);
            bytes[at] = match dice.roll(4) {
                0 => 0,
                1 => 0xff,
                2 => bytes[at].wrapping_add(1),
                _ => u8::try_from(dice.roll(256)).unwrap(),
            };
        }
        let hash = Sha256::digest(&bytes[..len]);
        bytes[len..].copy_from_slice(&hash);
        let Ok(image) = Image::read(&bytes) else { return Ok(()) };
        let mut node = NodeEngine::new(image, UtcMs(0));
        for step in trace(&mut dice, &program, 120) {
            node.handle(step.input, step.now, drop).ok();
        }
    }
}

#[test]
fn an_alarm_that_needs_a_point_of_another_node_is_not_in_the_image_and_neither_is_who_counts_it() {
    let mut builder = builder(&["a", "b"], 60);
    let single = rule(&mut builder, "single");
    builder
        .alarm(spec(single, vec![level("L1", high(5.0, 0.0))]))
        .unwrap();
    let both = rule(&mut builder, "both");
    let on = |point| rules::expr::Cond::On(PointIdx(point));
    let red = rules::program::Colour::Red;
    let both = conditions(
        "u",
        both,
        vec![("on", red, rules::expr::Cond::All(vec![on(0), on(1)]))],
    );
    let both = builder.alarm(both).unwrap();
    let counts = rule(&mut builder, "counts");
    let counted = rules::expr::Cond::Any(vec![rules::expr::Cond::alarm_in(both, red), on(0)]);
    builder
        .alarm(conditions("u", counts, vec![("on", red, counted)]))
        .unwrap();
    let program = builder.build();
    let ids = |bytes: &[u8]| {
        let image = Image::read(bytes).unwrap();
        let ids = (0..image.n_alarms()).map(|alarm| image.id_of(AlarmIdx(alarm)).unwrap());
        ids.map(|id| id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&program.image(|point| point.0 == 0)), ["u/a/single"]);
    assert_eq!(
        ids(&program.image(|_| true)),
        ["u/a/single", "u/-/both", "u/-/counts"]
    );
    assert_eq!(ids(&program.image(|_| false)), [""; 0]);
}

#[test]
fn what_is_no_image_is_told_from_what_is_damaged() {
    let image = |bytes: &[u8]| Image::read(bytes).map(|_| ()).unwrap_err();
    let mut bytes = program(&mut Dice(1)).image(|_| true);
    assert_eq!(image(b""), ImageError::NotAnImage);
    assert_eq!(image(&[0; 64]), ImageError::NotAnImage);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(image(&bytes), ImageError::Damaged);
    bytes[4] = 9;
    assert_eq!(image(&bytes), ImageError::Version(9));
    bytes[4] = 1;
    assert_eq!(image(&bytes), ImageError::Version(1));
}
