//! Rules that make readings uncertain: a detector in doubt raises alarms and clears none.

use std::sync::Arc;

use rules::effect::{AlarmIdx, Verb};
use rules::engine::Engine;
use rules::expr::{Arith, Compare, Cond, Formula};
use rules::point::PointIdx;
use rules::program::{Colour, LevelSpec, Program, RuleInfo, Scope};

use crate::aside::{restarted, until};
use crate::support::{Told, builder, conditions, high, level, low, rule, spec};

const STUCK: AlarmIdx = AlarmIdx(0);

/// Low readings of `a` are a sign that it is stuck, which latches; gas is told from `a` at 25 and, by a mean, from `a` and `b`.
fn program(doubts: bool) -> Arc<Program> {
    let mut builder = builder(&["a", "b"], 1_000);
    let stuck = RuleInfo {
        name: "stuck".into(),
        hash: format!("{doubts}"),
        makes_uncertain: doubts,
        ..RuleInfo::default()
    };
    let stuck = builder.rule(stuck).unwrap();
    let latching = LevelSpec {
        latch: true,
        ..level("low", low(5.0, 0.0))
    };
    builder.alarm(spec(stuck, vec![latching])).unwrap();
    let gas = rule(&mut builder, "gas");
    builder
        .alarm(spec(gas, vec![level("L1", high(25.0, 3.0))]))
        .unwrap();
    let sum = rule(&mut builder, "sum");
    let [a, b] = [0, 1].map(|point| Box::new(Formula::Point(PointIdx(point))));
    let both = Formula::Arith(Arith::Add, a, b);
    let high = Cond::Compare(Compare::Ge, both, Formula::Const(25.0));
    builder
        .alarm(conditions("u", sum, vec![("on", Colour::Red, high)]))
        .unwrap();
    Arc::new(builder.build())
}

fn told() -> Told {
    let mut told = Told::new(program(true));
    told.good(0, 1, 0.0);
    told
}

#[test]
fn a_detector_that_falls_to_nothing_clears_no_alarm_until_somebody_has_seen_to_it() {
    let mut told = told();
    told.good(1, 0, 30.0);
    told.good(2, 0, 1.0);
    told.good(3, 0, 10.0);
    told.expect(&[
        "1 gas raised L1 B",
        "1 sum raised on B",
        "2 stuck raised low B",
        "3 stuck returned low E",
    ]);
    told.command(4, Verb::Ack).unwrap();
    told.command(5, Verb::Reset).unwrap();
    told.expect(&[
        "4 stuck acked low F",
        "5 stuck reset low A",
        "5 gas returned L1 D",
        "5 sum returned on D",
    ]);
}

#[test]
fn a_detector_in_doubt_raises_alarms_all_the_same() {
    let mut told = told();
    told.good(1, 0, 1.0);
    told.good(2, 0, 30.0);
    told.expect(&[
        "1 stuck raised low B",
        "2 stuck returned low E",
        "2 gas raised L1 B",
        "2 sum raised on B",
    ]);
}

#[test]
fn what_is_said_in_a_test_puts_nothing_in_doubt() {
    let mut told = told();
    told.good(1, 0, 30.0);
    told.on(STUCK);
    told.act(2, until(Verb::Test, 100)).unwrap();
    told.told();
    told.good(3, 0, 1.0);
    told.expect(&[
        "3 stuck raised low B",
        "3 gas returned L1 D",
        "3 gas test-begun L1 D",
    ]);
}

#[test]
fn doubt_outlives_a_restart_and_ends_with_its_rule() {
    let mut told = told();
    told.good(1, 0, 30.0);
    told.good(2, 0, 1.0);
    told.told();
    let mut told = restarted(told);
    told.good(3, 0, 1.0);
    told.expect(&[]);
    let engine = Engine::restore(program(false), &told.engine.snapshot(), &mut told.effects);
    told.engine = engine.unwrap();
    told.expect(&[
        "3 stuck config-changed low B",
        "3 gas returned L1 D",
        "3 sum returned on D",
    ]);
}

#[test]
fn a_unit_whose_points_are_copied_has_all_of_them_in_doubt() {
    let mut builder = builder(&["a", "b"], 1_000);
    let copied = RuleInfo {
        name: "copied".into(),
        makes_uncertain: true,
        ..RuleInfo::default()
    };
    let copied = builder.rule(copied).unwrap();
    let same = Cond::Same {
        n: 2,
        points: vec![PointIdx(0), PointIdx(1)],
    };
    builder
        .alarm(conditions("u", copied, vec![("on", Colour::Blue, same)]))
        .unwrap();
    let gas = rule(&mut builder, "gas");
    for point in [0, 1] {
        let mut alarm = spec(gas, vec![level("L1", high(25.0, 3.0))]);
        alarm.scope = Scope::Point(PointIdx(point));
        alarm.value = Some(Formula::Point(PointIdx(point)));
        builder.alarm(alarm).unwrap();
    }
    let mut told = Told::new(Arc::new(builder.build()));
    told.good(1, 0, 30.0);
    told.good(1, 1, 31.0);
    told.good(2, 1, 30.0);
    told.told();
    told.good(3, 0, 10.0);
    told.expect(&["3 copied returned on D", "3 gas returned L1 D"]);
    told.good(4, 1, 10.0);
    told.expect(&["4 copied raised on B"]);
    told.good(5, 1, 11.0);
    told.expect(&["5 copied returned on D", "5 gas returned L1 D"]);
}

#[test]
fn who_asks_why_is_told_who_doubts_a_reading() {
    let mut told = told();
    told.good(1, 0, 30.0);
    told.good(2, 0, 1.0);
    let doubted_by = |alarm: AlarmIdx| {
        let why = told.engine.explain(alarm);
        let value = why.value.expect("it compares a number");
        value.reading.expect("of a point").doubted_by
    };
    assert_eq!(doubted_by(AlarmIdx(1)), ["u/a/stuck"]);
}
