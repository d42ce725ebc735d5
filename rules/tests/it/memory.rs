//! An engine takes all its memory at its start: a microcontroller evaluates with its heap full.
//!
//! What comes later is for words: those of effects, what people and nodes say, and the first late readings of an alarm.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;
use rules::effect::{Effect, Input};
use rules::engine::Engine;
use rules::expr::{Compare, Cond, Formula, Window, WindowOf};
use rules::point::{PointIdx, PointInfo};
use rules::program::{
    AlarmSpec, Colour, LevelSpec, LifeSpec, Program, ProgramBuilder, RuleInfo, Scope, Test,
};
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

use crate::property::start;
use crate::random::{Step, feed};

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

fn allocations() -> usize {
    ALLOCATIONS.with(Cell::get)
}

/// More effects than a step of random rules makes: a list with this room does not grow.
pub(crate) const EFFECTS_MAX: usize = 1_024;
/// A name and a comment, as text and as a part of effects; names in small letters; an alarm's room for what few have.
const OF_A_COMMAND: usize = 8;
/// An alarm's room for what few have, and a text or the times of its levels in it.
const OF_FEW: usize = 2;

/// Feeds steps to an engine, and holds it to the memory that it may take.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    for_late: usize,
}

impl Meter {
    /// Feeds a step; `effects` must be empty, and have room.
    pub(crate) fn feed(
        &mut self,
        engine: &mut Engine,
        step: Step,
        effects: &mut Vec<Effect>,
    ) -> Result<(), TestCaseError> {
        let before = allocations();
        feed(engine, step, effects);
        let taken = allocations() - before;
        prop_assert!(effects.len() < EFFECTS_MAX);
        // Why its value is not known is said in a word of its own.
        let words = effects.iter().filter(|told| told.state.reason.is_some());
        let words = words.count();
        let may_take = match step.input {
            Input::Sample { .. } | Input::Time | Input::Down { .. } | Input::Switched { .. } => 0,
            Input::Condition { reason: "", .. } => 0,
            Input::Condition { .. } => OF_FEW,
            Input::Command(_) => OF_A_COMMAND,
            Input::Late { .. } => {
                self.for_late += taken.saturating_sub(words);
                let n_alarms = engine.program().alarms().len();
                prop_assert!(self.for_late <= n_alarms * OF_FEW, "{:?}", step);
                OF_FEW * n_alarms
            }
        };
        prop_assert!(
            taken <= words + may_take,
            "{} allocations, {:?}, {:?}",
            taken,
            step,
            effects
        );
        Ok(())
    }
}

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

fn feed_value(engine: &mut Engine, point: u32, value: f64, now: i64, effects: &mut Vec<Effect>) {
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
fn readings_allocate_nothing_from_the_first_on_events_and_all() {
    for windows in [false, true] {
        let mut engine = Engine::new(Arc::new(program(64, windows)), UtcMs(0));
        let mut effects = Vec::with_capacity(EFFECTS_MAX);
        let before = allocations();
        for second in 0..400 {
            let value = match second {
                60..120 => 65.0,
                // Beyond a limit and back within its delay.
                200.. if second % 4 == 0 => 55.0,
                _ => 30.0,
            };
            for point in 0..64 {
                feed_value(&mut engine, point, value, second * 1_000, &mut effects);
            }
        }
        assert_eq!(allocations() - before, 0);
        assert!(effects.len() >= 128, "{}", effects.len());
    }
}

#[test]
fn nor_does_all_that_comes_due_in_one_moment_but_for_its_words() {
    let mut engine = Engine::new(Arc::new(program(64, true)), UtcMs(0));
    let mut effects = Vec::with_capacity(EFFECTS_MAX);
    for point in 0..64 {
        feed_value(&mut engine, point, 30.0, 0, &mut effects);
    }
    effects.clear();
    let before = allocations();
    // Every point grows stale, and every alarm unknown.
    engine.handle_timeout(UtcMs(3_600_000), &mut effects);
    let taken = allocations() - before;
    let said = effects.iter().filter(|told| told.state.reason.is_some());
    assert_eq!((effects.len(), taken), (64, said.count()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn nor_does_any_step_of_any_rules_but_for_words(seed in any::<u64>(), steps in 1_usize..1_000) {
        let (_, program, trace) = start(seed, steps);
        let mut engine = Engine::new(program, UtcMs(0));
        let mut effects = Vec::with_capacity(EFFECTS_MAX);
        let mut meter = Meter::default();
        for step in trace {
            effects.clear();
            meter.feed(&mut engine, step, &mut effects)?;
        }
    }
}

#[test]
fn an_armed_rule_of_four_levels_takes_at_most_256_bytes() {
    assert!(Engine::armed_rule_bytes(4) <= 256);
}
