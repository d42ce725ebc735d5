//! A reading that makes no event takes no memory, whatever it sets going: a microcontroller evaluates with its heap full.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;
use rules::effect::Input;
use rules::engine::Engine;
use rules::expr::{Compare, Cond, Formula, Window, WindowOf};
use rules::point::{PointIdx, PointInfo};
use rules::program::{
    AlarmSpec, Colour, LevelSpec, LifeSpec, Program, ProgramBuilder, RuleInfo, Scope, Test,
};
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

use crate::random::{Dice, Plan, trace_from};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[allow(
    unsafe_code,
    reason = "the trait of allocators is unsafe; this one hands everything on"
)]
// SAFETY: the system's allocator, with a count beside it that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Rules of four levels, each on its point and gated by the next one; with a window in each, if asked for.
fn program(n_rules: u32, windows: bool) -> Program {
    let mut builder = ProgramBuilder::new();
    for point in 0..n_rules {
        let info = PointInfo {
            unit: "u".into(),
            point: format!("p{point}"),
            max_age_ms: 3_000,
            ..PointInfo::default()
        };
        builder.point(info).unwrap();
    }
    for point in 0..n_rules {
        let rule = builder
            .rule(RuleInfo {
                name: format!("r{point}"),
                ..RuleInfo::default()
            })
            .unwrap();
        let own = Formula::Point(PointIdx(point));
        let other = Formula::Point(PointIdx((point + 1) % n_rules));
        let level = |name: &str, test| LevelSpec {
            name: name.into(),
            colour: Colour::Yellow,
            severity: 500,
            test,
            on_delay_ms: 5_000,
            off_delay_ms: 30_000,
            latch: false,
            overlays: Vec::new(),
        };
        let high = |limit| Test::High {
            limit,
            deadband: 1.0,
        };
        let low = |limit| Test::Low {
            limit,
            deadband: 1.0,
        };
        let window = Window {
            of: WindowOf::Mean(own.clone()),
            length_ms: 60_000,
        };
        builder
            .alarm(AlarmSpec {
                scope: Scope::Point(PointIdx(point)),
                rule,
                value: Some(if windows {
                    Formula::Window(Box::new(window))
                } else {
                    own
                }),
                eu: None,
                only_while: Some(Cond::Compare(Compare::Ge, other, Formula::Const(0.0))),
                levels: vec![
                    level("H", high(50.0)),
                    level("HH", high(60.0)),
                    level("L", low(20.0)),
                    level("LL", low(10.0)),
                ],
                unknown_hold_ms: 3_000,
                life: LifeSpec::default(),
                set_by_site: 0,
            })
            .unwrap();
    }
    builder.build()
}

fn feed(
    engine: &mut Engine,
    point: u32,
    value: f64,
    now: i64,
    effects: &mut Vec<rules::effect::Effect>,
) {
    let sample = Sample {
        at: UtcMs(now),
        value: Some(Value::Number(value)),
        quality: Quality::GOOD,
        clock: Clock::Synced,
    };
    let point = PointIdx(point);
    engine
        .handle(Input::Sample { point, sample }, UtcMs(now), effects)
        .unwrap();
}

#[test]
fn a_reading_that_makes_no_event_allocates_nothing() {
    for windows in [false, true] {
        let mut engine = Engine::new(Arc::new(program(64, windows)), UtcMs(0));
        let mut effects = Vec::with_capacity(1_024);
        // Everything has been seen, raised and cleared once.
        for second in 0..200 {
            let value = if (60..120).contains(&second) {
                65.0
            } else {
                30.0
            };
            for point in 0..64 {
                feed(&mut engine, point, value, second * 1_000, &mut effects);
            }
        }
        assert!(effects.len() >= 128, "{}", effects.len());
        effects.clear();
        let before = ALLOCATIONS.with(Cell::get);
        for second in 200..400 {
            for point in 0..64 {
                // Beyond a limit and back within its delay.
                let value = if second % 4 == 0 { 55.0 } else { 30.0 };
                feed(&mut engine, point, value, second * 1_000, &mut effects);
            }
        }
        let after = ALLOCATIONS.with(Cell::get);
        assert_eq!((after - before, effects.len()), (0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn nor_does_one_of_any_rules_that_have_lived_for_a_while(seed in any::<u64>(), steps in 1_usize..600) {
        let mut dice = Dice(seed);
        let program = Arc::new(Plan::new(&mut dice).program());
        let mut engine = Engine::new(Arc::clone(&program), UtcMs(0));
        let mut effects = Vec::new();
        for round in 0..4 {
            for step in trace_from(engine.now(), &mut dice, &program, steps) {
                let n_before = effects.len();
                let before = ALLOCATIONS.with(Cell::get);
                let done = engine.handle(step.input, step.now, &mut effects);
                let after = ALLOCATIONS.with(Cell::get);
                let is_measured = matches!(step.input, Input::Sample { .. } | Input::Time);
                if round > 1 && is_measured && effects.len() == n_before {
                    prop_assert_eq!(after, before, "{:?} of round {}, {:?}", step, round, done);
                }
            }
        }
    }
}

#[test]
fn an_armed_rule_of_four_levels_takes_at_most_256_bytes() {
    assert!(Engine::armed_rule_bytes(4) <= 256);
}
