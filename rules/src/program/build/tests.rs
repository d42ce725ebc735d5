//! What the builder refuses, and what it finds.

use alloc::boxed::Box;
use alloc::vec;

use super::*;
use crate::eval::NUMBERS_MAX;
use crate::expr::{Arith, Compare, Cond, Degrade};
use crate::program::{Colour, LifeSpec};

fn builder() -> (ProgramBuilder, PointIdx, RuleIdx) {
    let mut builder = ProgramBuilder::new();
    let point = builder
        .point(PointInfo {
            unit: "u".into(),
            point: "p".into(),
            ..PointInfo::default()
        })
        .unwrap();
    let rule = builder
        .rule(RuleInfo {
            name: "r".into(),
            ..RuleInfo::default()
        })
        .unwrap();
    (builder, point, rule)
}

fn level(name: &str, test: Test) -> LevelSpec {
    LevelSpec {
        name: name.into(),
        colour: Colour::Yellow,
        severity: 500,
        test,
        on_delay_ms: 0,
        off_delay_ms: 0,
        latch: false,
        overlays: Vec::new(),
    }
}

fn spec(point: PointIdx, rule: RuleIdx, levels: Vec<LevelSpec>) -> AlarmSpec {
    AlarmSpec {
        scope: Scope::Point(point),
        rule,
        value: Some(Formula::Point(point)),
        eu: None,
        only_while: None,
        levels,
        unknown_hold_ms: 0,
        life: LifeSpec::default(),
        set_by_site: 0,
    }
}

fn high(limit: f64) -> Test {
    Test::High {
        limit,
        deadband: 1.0,
    }
}

fn low(limit: f64) -> Test {
    Test::Low {
        limit,
        deadband: 1.0,
    }
}

#[track_caller]
fn check(levels: Vec<LevelSpec>, told: &str) {
    let (mut builder, point, rule) = builder();
    let error = builder.alarm(spec(point, rule, levels)).unwrap_err();
    assert_eq!(error.to_string(), told);
    // After an error, the builder is as before.
    builder
        .alarm(spec(point, rule, vec![level("L1", high(1.0))]))
        .unwrap();
    assert_eq!(builder.build().alarms().len(), 1);
}

fn on(point: PointIdx) -> Test {
    Test::When(Cond::On(point))
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    check(vec![], "0 levels, expected 1 to 16");
    check(
        vec![level("L1", high(5.0)), level("L2", high(5.0))],
        "level `L2` is out of order, expected each limit beyond the one before, high ones first",
    );
    check(
        vec![level("LL", low(5.0)), level("H", high(9.0))],
        "level `H` is out of order, expected each limit beyond the one before, high ones first",
    );
    check(
        vec![level("H", high(5.0)), level("L", low(5.0))],
        "low limit 5 is not below high limit 5",
    );
    check(
        vec![level("H", on(PointIdx(0))), level("L", low(5.0))],
        "level `H` is a condition beside low limits, expected limits only, or conditions and high limits",
    );
    check(
        vec![level("L1", high(5.0)), level("L1", low(1.0))],
        "a second level `L1`",
    );
    check(
        vec![level("L1", high(f64::NAN))],
        "the limit NaN, expected a finite number, and 0 or more for a deadband",
    );
    check(
        vec![level("L1", on(PointIdx(7)))],
        "point 7 is not added yet",
    );
    check(
        vec![level("L1", Test::When(Cond::All(vec![])))],
        "a condition of no parts",
    );
    check(
        vec![level("L1", Test::External)],
        "a condition from outside is its alarm's only level, without a gate or a value",
    );
    check(
        vec![level(
            "L1",
            Test::When(Cond::alarm_in(AlarmIdx(0), Colour::Blue)),
        )],
        "alarm 0 is not added yet",
    );
    check(
        vec![level(
            "L1",
            Test::When(Cond::AtLeast {
                k: 2,
                members: vec![Cond::On(PointIdx(0))],
                degrade: Degrade::Hold,
            }),
        )],
        "at least 2 of 1, expected 1 to the number of members",
    );
    check(
        vec![LevelSpec {
            severity: 700,
            ..level("L1", high(5.0))
        }],
        "severity 700 is not yellow, expected 401 to 600",
    );
    check(
        vec![LevelSpec {
            on_delay_ms: 1 << 40,
            ..level("L1", high(5.0))
        }],
        "1099511627776 ms, expected at most 4294967295 ms",
    );
}

#[test]
fn a_formula_deeper_than_the_stack_is_refused() {
    let (mut builder, point, rule) = builder();
    let deep = (0..NUMBERS_MAX).fold(Formula::Point(point), |right, _| {
        Formula::Arith(Arith::Add, Box::new(Formula::Point(point)), Box::new(right))
    });
    let test = Test::When(Cond::Compare(Compare::Ge, deep, Formula::Const(1.0)));
    let error = builder.alarm(spec(point, rule, vec![level("L1", test)]));
    assert_eq!(error, Err(BuildError::TooDeep));
}

#[test]
fn points_and_alarms_are_found_by_name() {
    let mut builder = ProgramBuilder::new();
    for (unit, point) in [("b", "x"), ("a", "y"), ("a", "x")] {
        builder
            .point(PointInfo {
                unit: unit.into(),
                point: point.into(),
                ..PointInfo::default()
            })
            .unwrap();
    }
    let rule = builder
        .rule(RuleInfo {
            name: "sys.offline".into(),
            ..RuleInfo::default()
        })
        .unwrap();
    for scope in [
        Scope::Node("n1".into()),
        Scope::Site,
        Scope::Unit("b".into()),
        Scope::Point(PointIdx(1)),
    ] {
        builder
            .alarm(AlarmSpec {
                scope,
                value: None,
                ..spec(PointIdx(0), rule, vec![level("on", Test::External)])
            })
            .unwrap();
    }
    let again = builder.alarm(AlarmSpec {
        scope: Scope::Site,
        value: None,
        ..spec(PointIdx(0), rule, vec![level("on", Test::External)])
    });
    assert_eq!(
        again,
        Err(BuildError::DuplicateAlarm("-/-/sys.offline".into()))
    );
    let program = builder.build();
    assert_eq!(program.find_point("a", "x"), Some(PointIdx(2)));
    assert_eq!(program.find_point("a", "z"), None);
    for (index, id) in [
        "-/n1/sys.offline",
        "-/-/sys.offline",
        "b/-/sys.offline",
        "a/y/sys.offline",
    ]
    .into_iter()
    .enumerate()
    {
        let alarm = AlarmIdx(u32_of(index));
        assert_eq!(program.find_alarm(id), Some(alarm));
        assert_eq!(program.id_of(alarm).to_string(), id);
    }
    assert_eq!(program.find_alarm("a/y"), None);
    assert_eq!(program.find_alarm("a/y/sys.offline/x"), None);
}

#[test]
fn alarms_of_one_rule_keep_the_same_levels_once_and_other_ones_apart() {
    let mut builder = ProgramBuilder::new();
    let rule = builder
        .rule(RuleInfo {
            name: "r".into(),
            ..RuleInfo::default()
        })
        .unwrap();
    for (name, limit) in [("a", 1.0), ("b", 1.0), ("c", 2.0)] {
        let point = builder
            .point(PointInfo {
                unit: "u".into(),
                point: name.into(),
                ..PointInfo::default()
            })
            .unwrap();
        let levels = vec![level("L1", high(limit)), level("L2", high(9.0))];
        builder.alarm(spec(point, rule, levels)).unwrap();
    }
    let program = builder.build();
    assert_eq!(program.levels.len(), 4);
    let limits: Vec<_> = program
        .alarm_idxs()
        .map(|alarm| program.levels_of(alarm)[0].limit)
        .collect();
    assert_eq!(limits, [Some(1.0), Some(1.0), Some(2.0)]);
    assert_eq!(program.tables.n_level_states, 6);
}
