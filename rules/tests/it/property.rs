//! What must hold for every program and every trace.

use std::sync::Arc;

use proptest::prelude::*;
use rules::effect::{AlarmState, Effect, EventKind, Flags, Input, Letter};
use rules::engine::Engine;
use rules::program::{Colour, Program, ProgramBuilder};
use telemetry::UtcMs;

use crate::memory::{EFFECTS_MAX, Meter};
use crate::random::{Dice, Step, feed, program, trace};

pub(crate) fn start(seed: u64, steps: usize) -> (Dice, Arc<Program>, Vec<Step>) {
    let mut dice = Dice(seed);
    let program = program(&mut dice);
    let trace = trace(&mut dice, &program, steps);
    (dice, program, trace)
}

fn run(program: &Arc<Program>, trace: &[Step]) -> (Engine, Vec<Effect>) {
    let mut engine = Engine::new(Arc::clone(program), UtcMs(0));
    let mut effects = Vec::new();
    for step in trace {
        feed(&mut engine, *step, &mut effects);
    }
    (engine, effects)
}

/// Compares as text, so that a number that is not one compares too.
fn check_same(left: &[Effect], right: &[Effect]) -> Result<(), TestCaseError> {
    for (left, right) in left.iter().zip(right) {
        prop_assert_eq!(format!("{left:?}"), format!("{right:?}"));
    }
    prop_assert_eq!(left.len(), right.len());
    Ok(())
}

/// Checks one event against the state that its alarm was in; whether its level is red now.
fn check_event(before: &AlarmState, effect: &Effect, red: bool) -> Result<(), TestCaseError> {
    let (was, is) = (before.flags, effect.state.flags);
    let letters = (
        before.flags.letter_below(),
        effect.state.flags.letter_below(),
    );
    let kind = effect.kind;
    if kind == EventKind::Historical {
        prop_assert_eq!(was, is, "historical events touch no state");
        return Ok(());
    }
    prop_assert_eq!(effect.at, effect.state.changed_at);
    prop_assert!(before.changed_at <= effect.at);
    // Flags change only by the events that are for it.
    let only = |changed: bool, kinds: &[EventKind]| !changed || kinds.contains(&kind);
    use EventKind::{
        Acked, InService, Known, LevelDown, LevelUp, OutOfService, Raised, ReAlarmed, Reset,
        Returned, Shelved, Suppressed, TestBegun, TestEnded, Unknown, Unshelved, Unsuppressed,
    };
    prop_assert!(
        only(was.active != is.active, &[Raised, Returned]),
        "{:?}",
        effect
    );
    prop_assert!(
        only(was.acked && !is.acked, &[Raised, LevelUp, ReAlarmed]),
        "{:?}",
        effect
    );
    prop_assert!(only(!was.acked && is.acked, &[Acked]), "{:?}", effect);
    prop_assert!(
        only(!was.latched && is.latched, &[Raised, LevelUp]),
        "{:?}",
        effect
    );
    prop_assert!(only(was.latched && !is.latched, &[Reset]), "{:?}", effect);
    prop_assert!(
        only(was.unknown != is.unknown, &[Unknown, Known]),
        "{:?}",
        effect
    );
    prop_assert!(only(was.shelved != is.shelved, &[Shelved, Unshelved]));
    prop_assert!(only(
        was.suppressed != is.suppressed,
        &[Suppressed, Unsuppressed]
    ));
    prop_assert!(only(
        was.out_of_service != is.out_of_service,
        &[OutOfService, InService]
    ));
    prop_assert!(only(was.test != is.test, &[TestBegun, TestEnded]));
    // Each reason is told; what is shelved has an end; red is never on the shelf.
    prop_assert!(only(
        before.suppressed_by != effect.state.suppressed_by,
        &[Suppressed, Unsuppressed]
    ));
    prop_assert_eq!(is.suppressed, effect.state.suppressed_by != 0);
    prop_assert_eq!(is.shelved, effect.state.shelved.is_some());
    prop_assert!(!(is.shelved && is.active && red));
    prop_assert!(!effect.state.silenced || letters.1 == Letter::B);
    prop_assert!(only(
        before.level != effect.state.level,
        &[Raised, LevelUp, LevelDown]
    ));
    let raised = u64::from(kind == Raised);
    prop_assert_eq!(before.occurrence + raised, effect.state.occurrence);
    if matches!(kind, Raised | LevelUp) {
        prop_assert!(is.active && !is.acked);
    }
    // No path from B to A but over an acknowledgement; a latched one only over a reset.
    if letters.1 == Letter::A && letters.0 != Letter::A {
        prop_assert!(matches!(
            (letters.0, kind),
            (Letter::C, Returned) | (Letter::D, Acked) | (Letter::F, Reset)
        ));
    }
    let state = &effect.state;
    if let (Some(since), Some(raised)) = (state.condition_since, state.raised_at) {
        prop_assert!(since <= raised && raised <= state.changed_at);
        prop_assert!(state.cleared_at.is_none_or(|cleared| raised <= cleared));
    }
    prop_assert_eq!(
        state.cleared_at.is_some(),
        state.occurrence > 0 && !is.active
    );
    Ok(())
}

/// Lives through a random trace of a random program; every event has to follow the life cycle, and to say what the engine says, and
/// no step may take more memory than its words.
fn check_life(seed: u64, steps: usize) -> Result<(), TestCaseError> {
    let (_, program, trace) = start(seed, steps);
    let mut engine = Engine::new(Arc::clone(&program), UtcMs(0));
    let mut states: Vec<_> = engine.alarms().map(|(_, state)| state).collect();
    let mut last = UtcMs(i64::MIN);
    let mut effects = Vec::with_capacity(EFFECTS_MAX);
    let mut meter = Meter::default();
    for step in trace {
        effects.clear();
        meter.feed(&mut engine, step, &mut effects)?;
        for effect in &effects {
            prop_assert!(last <= effect.at && effect.at <= step.now, "time order");
            last = effect.at;
            let before = &mut states[usize::try_from(effect.alarm.0).unwrap()];
            let level = effect.state.level.map(usize::from);
            let red = level
                .is_some_and(|level| program.levels_of(effect.alarm)[level].colour == Colour::Red);
            check_event(before, effect, red)?;
            if effect.kind != EventKind::Historical {
                *before = effect.state.clone();
            }
        }
        // What the last event said is what the engine says.
        for (alarm, state) in engine.alarms() {
            let told = &states[usize::try_from(alarm.0).unwrap()];
            prop_assert_eq!(told.flags, state.flags);
            prop_assert_eq!(told.occurrence, state.occurrence);
            prop_assert_eq!(told.level, state.level);
        }
        prop_assert!(
            engine
                .poll_timeout()
                .is_none_or(|due| due > step.now || due == engine.now())
        );
    }
    Ok(())
}

proptest! {
    // Nothing would be shrunk but the seed.
    #![proptest_config(ProptestConfig { cases: 1, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn a_million_steps_break_nothing_and_take_no_memory_but_for_words(seed in any::<u64>()) {
        check_life(seed, 1_000_000)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_event_follows_the_life_cycle(seed in any::<u64>(), steps in 1_usize..3_000) {
        check_life(seed, steps)?;
    }

    #[test]
    fn more_calls_for_timers_change_nothing(seed in any::<u64>(), steps in 1_usize..1_000) {
        let (mut dice, program, trace) = start(seed, steps);
        let (engine, effects) = run(&program, &trace);
        let mut other = Engine::new(program, UtcMs(0));
        let mut others = Vec::new();
        for step in trace {
            let until = match step.input {
                Input::Down { from, .. } => from,
                _ => step.now,
            };
            while let Some(due) = other.poll_timeout().filter(|due| *due <= until) {
                other.handle_timeout(due, &mut others);
                if dice.one_in(2) {
                    break;
                }
            }
            let between = other.now().0 + (until.0 - other.now().0).max(0) / 2;
            other.handle_timeout(UtcMs(between), &mut others);
            feed(&mut other, step, &mut others);
        }
        check_same(&effects, &others)?;
        prop_assert!(engine.snapshot() == other.snapshot(), "the state is another");
    }

    #[test]
    fn a_restart_at_every_record_changes_nothing(seed in any::<u64>(), steps in 1_usize..300) {
        let (_, program, trace) = start(seed, steps);
        let (engine, effects) = run(&program, &trace);
        let mut other = Engine::new(Arc::clone(&program), UtcMs(0));
        let mut others = Vec::new();
        for step in trace {
            other = Engine::restore(Arc::clone(&program), &other.snapshot(), &mut others).unwrap();
            feed(&mut other, step, &mut others);
        }
        check_same(&effects, &others)?;
        prop_assert!(engine.snapshot() == other.snapshot(), "the state is another");
    }

    #[test]
    fn no_bytes_panic_as_a_snapshot(seed in any::<u64>(), steps in 0_usize..60, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (mut dice, program, trace) = start(seed, steps);
        let (engine, _) = run(&program, &trace);
        let now = engine.now();
        let mut snapshot = engine.snapshot();
        if dice.one_in(2) {
            snapshot.truncate(at.index(snapshot.len()));
        } else {
            let at = at.index(snapshot.len());
            snapshot[at] = byte;
        }
        let mut effects = Vec::new();
        let mut empty = ProgramBuilder::new().build();
        if empty.adopt(&snapshot).is_ok() {
            Engine::restore(Arc::new(empty), &snapshot, &mut effects).ok();
        }
        if let Ok(mut engine) = Engine::restore(program, &snapshot, &mut effects) {
            // As after every restart; without it, a time of long ago would be lived through second by second.
            let down = Input::Down { from: engine.now(), to: now };
            engine.handle(down, now, &mut effects).unwrap();
            for step in trace {
                feed(&mut engine, step, &mut effects);
            }
        }
    }

    #[test]
    fn a_letter_is_what_its_flags_say(bits in 0_u8..128) {
        let bit = |index: u8| bits >> index & 1 == 1;
        let flags = Flags {
            active: bit(0),
            acked: bit(1),
            latched: bit(2),
            shelved: bit(3),
            suppressed: bit(4),
            out_of_service: bit(5),
            unknown: bit(6),
            test: false,
        };
        let expected = match flags.letter() {
            Letter::I => flags.out_of_service,
            Letter::H => flags.suppressed && !flags.out_of_service,
            Letter::G => flags.shelved && !flags.suppressed && !flags.out_of_service,
            below => {
                prop_assert_eq!(below, flags.letter_below());
                !flags.shelved && !flags.suppressed && !flags.out_of_service
            }
        };
        prop_assert!(expected);
        prop_assert_eq!(matches!(flags.letter_below(), Letter::B | Letter::C), flags.active);
        prop_assert_eq!(flags.letter_below() == Letter::A, !flags.active && flags.acked && !flags.latched);
        prop_assert_eq!(matches!(flags.letter_below(), Letter::B | Letter::D | Letter::E), !flags.acked);
    }
}
