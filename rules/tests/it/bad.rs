//! Bad never clears: what can't be read leaves every alarm as it is.

use std::sync::Arc;

use proptest::prelude::*;
use rules::effect::{EventKind, Input};
use rules::engine::Engine;
use rules::point::PointIdx;
use telemetry::{Clock, Quality, Sample, UtcMs};

use crate::random::{Dice, Plan, Step, feed, trace, trace_from};

/// The same deeds and times, with every reading made a bad one.
fn gone_bad(step: Step) -> Step {
    let input = match step.input {
        Input::Sample { point, sample } => Input::Sample {
            point,
            sample: bad(sample.at),
        },
        other => other,
    };
    Step { input, ..step }
}

fn bad(at: UtcMs) -> Sample {
    Sample {
        at,
        value: None,
        quality: Quality::COMM_ERROR,
        clock: Clock::Synced,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_alarm_returns_while_everything_that_it_reads_is_bad(seed in any::<u64>(), steps in 1_usize..1_000) {
        let mut dice = Dice(seed);
        let program = Arc::new(Plan::of_values(&mut dice).program());
        let mut engine = Engine::new(Arc::clone(&program), UtcMs(0));
        let (mut effects, lived) = (Vec::new(), trace(&mut dice, &program, steps));
        for step in &lived {
            feed(&mut engine, *step, &mut effects);
        }
        let now = UtcMs(engine.now().0 + 1);
        for point in (0..).map(PointIdx).take(program.points().len()) {
            let input = Input::Sample { point, sample: bad(now) };
            feed(&mut engine, Step { input, now }, &mut effects);
        }
        effects.clear();
        let before: Vec<_> = engine.alarms().collect();
        for step in trace_from(now, &mut dice, &program, steps) {
            feed(&mut engine, gone_bad(step), &mut effects);
        }
        let returned = effects.iter().find(|effect| effect.kind == EventKind::Returned);
        prop_assert!(returned.is_none(), "{:?}", returned);
        for (alarm, state) in before {
            prop_assert!(!state.flags.active || engine.alarm(alarm).flags.active);
        }
    }
}
