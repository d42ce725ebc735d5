//! What is told of an alarm's reasons: it is what the engine went by.

use std::sync::Arc;

use proptest::prelude::*;
use rules::calendar::Calendar;
use rules::engine::Engine;
use rules::engine::explain::{Answer, Part, Sinces, Stage};
use rules::expr::{Arith, Compare, Cond, Formula, Health, Window, WindowOf};
use rules::point::{PointIdx, PointInfo};
use rules::program::{AlarmSpec, LevelSpec, Overlay, ProgramBuilder};
use rules::value::{Trust, Truth};
use telemetry::{Quality, UtcMs};

use crate::property::start;
use crate::random::feed;
use crate::support::{Told, builder, high, level, rule, spec};

fn truth(part: &Part) -> Truth {
    match part.answer {
        Answer::Truth(truth) => truth,
        Answer::Number(_) => panic!("{part:?} is no condition"),
    }
}

/// The parts as lines, each under what it is a part of.
fn lines(part: &Part) -> Vec<String> {
    let answer = match part.answer {
        Answer::Truth(truth) => format!("{:?}", truth.tri()),
        Answer::Number(number) if number.trust == Trust::Bad => "none".to_owned(),
        Answer::Number(number) => number.value.to_string(),
    };
    let mut all = vec![format!("{}: {answer}", part.text)];
    let below = part.parts.iter().flat_map(lines);
    all.extend(below.map(|line| format!("  {line}")));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn each_level_is_where_its_condition_brought_it(seed in any::<u64>(), steps in 1_usize..400) {
        let (_, program, trace) = start(seed, steps);
        let mut engine = Engine::new(Arc::clone(&program), UtcMs(0));
        let mut effects = Vec::new();
        for step in trace {
            feed(&mut engine, step, &mut effects);
            for alarm in program.alarm_idxs() {
                let why = engine.explain(alarm);
                for level in &why.levels {
                    let condition = truth(&level.condition);
                    let fits = match level.stage {
                        Stage::Off => !condition.is_true(),
                        Stage::Coming { .. } => condition.is_true(),
                        Stage::Standing { .. } => condition.is_unknown(),
                        Stage::On => !condition.is_firmly_false(),
                        Stage::Leaving { .. } => condition.is_firmly_false(),
                    };
                    prop_assert!(fits, "{:?}", level);
                }
            }
        }
    }
}

#[test]
fn a_condition_is_told_in_the_words_of_the_language_with_the_answer_of_each_part() {
    let mut builder = builder(&["a", "b", "c"], 5);
    let rule = rule(&mut builder, "mixed");
    let point = |index| Formula::Point(PointIdx(index));
    let mean = Formula::Window(Box::new(Window {
        of: WindowOf::Highest(point(1)),
        length_ms: 60_000,
    }));
    let difference = Formula::Arith(Arith::Sub, Box::new(point(0)), Box::new(point(1)));
    let half = Formula::Arith(
        Arith::Mul,
        Box::new(difference),
        Box::new(Formula::Const(0.5)),
    );
    let when = Cond::Any(vec![
        Cond::Held(
            Box::new(Cond::Compare(Compare::Ge, half, Formula::Const(2.0))),
            10_000,
        ),
        Cond::Compare(Compare::Gt, mean, Formula::Const(50.0)),
        Cond::Not(Box::new(Cond::On(PointIdx(2)))),
        Cond::Health(Health::Stale, PointIdx(1)),
    ]);
    let alarm = builder
        .alarm(spec(
            rule,
            vec![level("x", rules::program::Test::When(when))],
        ))
        .unwrap();
    let mut told = Told::new(Arc::new(builder.build()));
    told.good(1, 0, 9.0);
    told.good(1, 1, 4.0);
    told.good(1, 2, 1.0);
    told.engine.handle_timeout(UtcMs(4_000), &mut told.effects);
    let why = told.engine.explain(alarm);
    assert_eq!(
        lines(&why.levels[0].condition),
        [
            "any of: Unknown",
            "  held for 10 s: False",
            "    (u/a - u/b) * 0.5 >= 2: True",
            "      u/a: 9",
            "      u/b: 4",
            "  highest(u/b, 60 s) > 50: Unknown",
            "    highest(u/b, 60 s): none",
            "      u/b: 4",
            "  not: False",
            "    u/c: True",
            "      u/c: 1",
            "  stale(u/b): False",
            "    u/b: 4",
        ]
    );
    assert_eq!(why.levels[0].condition.parts[0].left_ms, Some(7_000));
    let reading = why.levels[0].condition.parts[3].parts[0]
        .reading
        .as_ref()
        .unwrap();
    assert_eq!(
        (reading.quality, reading.at),
        (Some(Quality::GOOD), Some(UtcMs(1_000)))
    );
}

#[test]
fn a_number_is_told_in_the_unit_of_what_it_is_compared_with_where_that_is_known() {
    let mut builder = ProgramBuilder::new();
    for point in ["a", "b"] {
        let info = PointInfo {
            unit: "u".into(),
            point: point.into(),
            eu: Some("kPa".into()),
            ..PointInfo::default()
        };
        builder.point(info).unwrap();
    }
    let rule = rule(&mut builder, "units");
    let point = |index| Formula::Point(PointIdx(index));
    let window = |of| {
        Formula::Window(Box::new(Window {
            of,
            length_ms: 60_000,
        }))
    };
    let arith = |arith, left, right| Formula::Arith(arith, Box::new(left), Box::new(right));
    let above = |formula| Cond::Compare(Compare::Gt, formula, Formula::Const(2.0));
    let when = Cond::Any(vec![
        above(arith(Arith::Sub, point(0), Formula::Const(1.0))),
        Cond::Compare(
            Compare::Ge,
            Formula::Const(2.0),
            window(WindowOf::Mad(point(1))),
        ),
        above(window(WindowOf::TimeIn(above(point(0))))),
        above(window(WindowOf::Count(above(point(0))))),
        // It may be a conversion.
        above(arith(Arith::Mul, point(0), Formula::Const(1_000.0))),
        Cond::Compare(Compare::Ge, point(0), point(1)),
    ]);
    let test = rules::program::Test::When(when);
    let alarm = builder.alarm(spec(rule, vec![level("x", test)])).unwrap();
    let told = Told::new(Arc::new(builder.build()));
    let why = told.engine.explain(alarm);
    let texts = why.levels[0].condition.parts.iter();
    assert_eq!(
        texts.map(|part| part.text.as_str()).collect::<Vec<_>>(),
        [
            "u/a - 1 > 2 kPa",
            "2 kPa >= mad(u/b, 60 s)",
            "time_in(u/a > 2 kPa, 60 s) > 2 s",
            "count(u/a > 2 kPa, 60 s) > 2",
            "u/a * 1000 > 2",
            "u/a >= u/b",
        ]
    );
}

#[test]
fn a_limit_that_is_stricter_for_now_is_told_beside_the_one_of_other_times() {
    let mut builder = builder(&["a"], 1_000);
    let rule = rule(&mut builder, "hot");
    // The second minute of the day.
    let during = Calendar {
        zone_minutes: 0,
        yearly: Vec::new(),
        dates: Vec::new(),
        weekdays: 0b111_1111,
        daily: Some((1, 2)),
    };
    let stricter = LevelSpec {
        overlays: vec![Overlay { during, limit: 4.0 }],
        ..level("x", high(5.0, 1.0))
    };
    let alarm = builder.alarm(spec(rule, vec![stricter])).unwrap();
    let mut told = Told::new(Arc::new(builder.build()));
    told.good(1, 0, 4.5);
    let asked = |told: &Told| lines(&told.engine.explain(alarm).levels[0].condition);
    assert_eq!(asked(&told), [">= 5: False"]);
    told.time(60);
    assert_eq!(
        asked(&told),
        [">= 3, to stay on, by an overlay; 5 at other times: True"]
    );
    told.time(120);
    assert_eq!(asked(&told), [">= 4, to stay on: True"]);
}

#[test]
fn since_when_is_told_of_what_changed_while_it_was_watched() {
    let mut builder = builder(&["a", "b"], 100);
    let rule = rule(&mut builder, "hot");
    let alarm = builder
        .alarm(AlarmSpec {
            value: Some(Formula::Point(PointIdx(0))),
            only_while: Some(Cond::On(PointIdx(1))),
            ..spec(rule, vec![level("x", high(5.0, 1.0))])
        })
        .unwrap();
    let mut told = Told::new(Arc::new(builder.build()));
    told.good(1, 1, 1.0);
    told.good(1, 0, 3.0);
    let mut sinces = Sinces::default();
    let mut look = |told: &Told, at: i64| {
        let mut why = told.engine.explain(alarm);
        sinces.look(&mut why, UtcMs(at * 1_000));
        why
    };
    look(&told, 1);
    told.good(7, 0, 6.0);
    look(&told, 7);
    told.good(9, 0, 4.5);
    let why = look(&told, 9);
    assert_eq!(why.only_while.unwrap().since, None);
    let condition = &why.levels[0].condition;
    assert_eq!(condition.since, Some(UtcMs(7_000)));
    assert_eq!(lines(condition), [">= 4, to stay on: True"]);
}
