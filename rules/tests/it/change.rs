//! Programs that change in the middle of random traces: nothing clears in silence, and nothing that people did is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rules::effect::{AlarmState, Effect, EventKind, Letter};
use rules::engine::Engine;
use rules::program::Program;
use telemetry::UtcMs;

use crate::random::{Dice, Plan, feed, trace, trace_from};

/// The state of each alarm by its id, with what its rule is; none where that is gone.
fn states(engine: &Engine) -> BTreeMap<String, (AlarmState, Option<String>)> {
    let program = engine.program();
    let alarms = engine.alarms().map(|(alarm, state)| {
        let rule = program.rule_of(alarm).hash.clone();
        let rule = (!program.alarm(alarm).retired).then_some(rule);
        (program.id_of(alarm).to_string(), (state, rule))
    });
    alarms.collect()
}

/// Goes on under another program, as a gateway does.
fn changed(engine: &Engine, mut program: Program, effects: &mut Vec<Effect>) -> Engine {
    let snapshot = engine.snapshot();
    program.adopt(&snapshot).unwrap();
    Engine::restore(Arc::new(program), &snapshot, effects).unwrap()
}

fn check_change(before: &Engine, after: &Engine, effects: &[Effect]) -> Result<(), TestCaseError> {
    let (was, is) = (states(before), states(after));
    for (id, (was, rule)) in &was {
        let Some((state, new_rule)) = is.get(id) else {
            prop_assert_eq!(was.flags.letter(), Letter::A, "{} is gone", id);
            continue;
        };
        let told = |kind: EventKind| {
            let mut own = effects
                .iter()
                .filter(|effect| after.program().id_of(effect.alarm).to_string() == *id);
            own.any(|effect| effect.kind == kind)
        };
        let (was, is) = (was.flags, state.flags);
        let is_changed = rule != new_rule && rule.is_some();
        let letters = (was.letter_below(), is.letter_below());
        if !was.acked {
            prop_assert!(!is.acked, "{}: {:?}, nobody acknowledged", id, letters);
        }
        if was.active && is_changed {
            prop_assert!(
                !is.acked,
                "{}: {:?}, acknowledged for another rule",
                id,
                letters
            );
            prop_assert!(
                told(EventKind::ConfigChanged),
                "{}: {:?} in silence",
                id,
                letters
            );
        }
        if was.active && !is.active {
            prop_assert!(
                told(EventKind::Returned) || new_rule.is_none(),
                "{}: {:?} in silence",
                id,
                letters
            );
        }
        if was.latched {
            prop_assert!(is.latched, "{}: {:?}, nobody reset it", id, letters);
        }
        if new_rule.is_none() {
            prop_assert!(
                rule.is_none() || is.letter() == Letter::E,
                "{}: {:?}",
                id,
                letters
            );
            continue;
        }
        prop_assert!(
            !was.shelved || is.shelved || told(EventKind::Unshelved),
            "{} came off the shelf",
            id
        );
        prop_assert!(
            !was.out_of_service || is.out_of_service,
            "{} is in service",
            id
        );
        let ends = [EventKind::Unsuppressed, EventKind::ConfigChanged];
        prop_assert!(
            !was.suppressed || is.suppressed || ends.into_iter().any(told),
            "{} is not suppressed",
            id
        );
        prop_assert!(
            !was.test || is.test || told(EventKind::TestEnded),
            "{} is no test",
            id
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_change_of_rules_clears_nothing_in_silence_and_keeps_what_people_did(seed in any::<u64>(), lives in 1_usize..8, steps in 1_usize..300) {
        let mut dice = Dice(seed);
        let mut plan = Plan::new(&mut dice);
        let mut engine = Engine::new(Arc::new(plan.program()), UtcMs(0));
        for _ in 0..lives {
            let program = Arc::clone(engine.program());
            for step in trace_from(engine.now(), &mut dice, &program, steps) {
                feed(&mut engine, step, &mut Vec::new());
            }
            for _ in 0..=dice.roll(2) {
                plan.change(&mut dice);
            }
            let mut effects = Vec::new();
            let after = changed(&engine, plan.program(), &mut effects);
            check_change(&engine, &after, &effects)?;
            engine = after;
        }
    }

    #[test]
    fn the_same_rules_once_more_change_nothing(seed in any::<u64>(), steps in 1_usize..300) {
        let mut dice = Dice(seed);
        let plan = Plan::new(&mut dice);
        let mut engine = Engine::new(Arc::new(plan.program()), UtcMs(0));
        for step in trace(&mut dice, &Arc::clone(engine.program()), steps) {
            feed(&mut engine, step, &mut Vec::new());
        }
        let mut effects = Vec::new();
        let after = changed(&engine, plan.program(), &mut effects);
        prop_assert!(effects.is_empty(), "{:?}", effects);
        prop_assert!(engine.snapshot() == after.snapshot(), "the state is another");
    }
}
