//! Tests: by a person, by a sensor that says that it is being calibrated, by a rule on trial; what they mark, and when they end.

use std::sync::Arc;

use rules::effect::{AlarmIdx, Refusal, Verb};
use rules::engine::Engine;
use rules::expr::{Compare, Cond, Formula};
use rules::point::PointIdx;
use rules::program::{Colour, RuleInfo, Scope};
use telemetry::{Quality, UtcMs};

use crate::aside::{restarted, told, until};
use crate::support::{Told, builder, conditions, high, level, rule, spec};

#[test]
fn a_test_by_a_person_marks_and_ends_by_itself() {
    let mut told = told();
    told.act(1, until(Verb::Test, 100)).unwrap();
    told.good(2, 0, 30.0);
    let mut told = restarted(told);
    assert!(told.engine.alarm(AlarmIdx(0)).flags.test);
    told.time(200);
    told.expect(&[
        "1 gas test-begun - A",
        "2 gas raised L1 B",
        "100 gas test-ended L1 B",
    ]);
    assert!(!told.engine.alarm(AlarmIdx(0)).flags.test);
    assert_eq!(told.command(201, Verb::TestEnd), Err(Refusal::NoTest));
    told.good(202, 0, 10.0);
    told.act(203, until(Verb::Test, 300)).unwrap();
    told.command(204, Verb::TestEnd).unwrap();
    told.expect(&[
        "202 gas returned L1 D",
        "203 gas test-begun L1 D",
        "204 gas test-ended L1 D",
    ]);
}

#[test]
fn what_stands_when_a_test_begins_is_none_until_it_is_over() {
    let mut told = told();
    told.good(1, 0, 30.0);
    let refused = told.act(2, until(Verb::Test, 100));
    assert_eq!(refused, Err(Refusal::Stands));
    // Its sensor says that it is being calibrated: nothing of what was raised before is taken back.
    told.reading(3, 0, Some(30.0), Quality::CALIBRATION);
    let mut told = restarted(told);
    assert!(!told.engine.alarm(AlarmIdx(0)).flags.test);
    told.good(4, 0, 10.0);
    told.reading(5, 0, Some(10.0), Quality::CALIBRATION);
    told.expect(&[
        "1 gas raised L1 B",
        "4 gas returned L1 D",
        "5 gas test-begun L1 D",
    ]);
}

#[test]
fn a_sensor_that_says_that_it_is_calibrated_marks_its_alarms_as_a_test() {
    let mut told = told();
    told.reading(1, 0, Some(30.0), Quality::CALIBRATION);
    told.act(2, until(Verb::Test, 100)).unwrap();
    let mut told = restarted(told);
    told.command(3, Verb::TestEnd).unwrap();
    assert!(
        told.engine.alarm(AlarmIdx(0)).flags.test,
        "its sensor still says so"
    );
    told.good(4, 0, 10.0);
    told.expect(&[
        "1 gas test-begun - A",
        "1 gas raised L1 B",
        "2 gas test-begun L1 B",
        "3 gas comment L1 B",
        "4 gas test-ended L1 B",
        "4 gas returned L1 D",
    ]);
}

#[test]
fn a_sensor_that_never_stops_saying_so_is_believed_for_four_hours() {
    let mut told = about_a();
    told.reading(1, 0, Some(60.0), Quality::CALIBRATION);
    let mut told = restarted(told);
    told.time(14_400);
    assert!(told.engine.alarm(AlarmIdx(0)).flags.test);
    told.effects.clear();
    told.reading(14_400, 0, Some(60.0), Quality::CALIBRATION);
    // Its readings count again, as uncertain ones: they raise and they do not clear.
    told.time(14_401);
    told.expect(&[
        "14401 gas test-ended L1 B",
        "14401 rich test-ended L1 B",
        "14401 both known - A",
        "14401 both raised red B",
    ]);
    let mut told = restarted(told);
    told.reading(14_402, 0, Some(0.0), Quality::CALIBRATION);
    told.expect(&[]);
    told.good(14_403, 0, 0.0);
    told.reading(14_404, 0, Some(60.0), Quality::CALIBRATION);
    assert!(
        told.engine.alarm(AlarmIdx(0)).flags.test,
        "another calibration"
    );
}

/// Two alarms about the first point, one about both, which both have to reach it.
fn about_a() -> Told {
    let mut builder = builder(&["a", "b"], 0);
    for name in ["gas", "rich"] {
        let rule = rule(&mut builder, name);
        let levels = vec![level("L1", high(25.0, 3.0))];
        builder.alarm(spec(rule, levels)).unwrap();
    }
    let rule = rule(&mut builder, "both");
    let reaches = |point| {
        let number = Formula::Point(PointIdx(point));
        Cond::Compare(Compare::Ge, number, Formula::Const(25.0))
    };
    let both = Cond::All(vec![reaches(0), reaches(1)]);
    let levels = vec![("red", Colour::Red, both)];
    builder.alarm(conditions("u", rule, levels)).unwrap();
    let mut told = Told::new(Arc::new(builder.build()));
    told.good(0, 0, 0.0);
    told.good(0, 1, 30.0);
    told
}

#[test]
fn a_test_of_one_alarm_of_a_point_is_one_of_all_alarms_about_it_and_ends_at_any_of_them() {
    let mut told = about_a();
    told.act(1, until(Verb::Test, 100)).unwrap();
    let is_lis = |told: &Told| {
        let mut of_gas = told.effects.iter().filter(|it| it.alarm < AlarmIdx(2));
        of_gas.all(|it| it.by.as_deref() == Some("li"))
    };
    assert!(is_lis(&told));
    told.expect(&[
        "1 gas test-begun - A",
        "1 rich test-begun - A",
        "1 both unknown - A",
    ]);
    let mut told = restarted(told);
    told.on(AlarmIdx(1));
    told.command(50, Verb::TestEnd).unwrap();
    assert!(is_lis(&told));
    told.expect(&[
        "50 gas test-ended - A",
        "50 rich test-ended - A",
        "50 both known - A",
    ]);
    assert_eq!(told.command(51, Verb::TestEnd), Err(Refusal::NoTest));
    told.time(200);
    told.expect(&[]);
}

#[test]
fn a_test_that_ends_at_another_alarm_ends_for_every_point_that_it_was_of() {
    let mut builder = builder(&["a", "b", "c"], 0);
    // Each is about its own point and about `c`, whose number it compares.
    for point in 0..2 {
        let rule = rule(&mut builder, ["left", "right"][point as usize]);
        let mut spec = spec(rule, vec![level("L1", high(25.0, 3.0))]);
        spec.scope = Scope::Point(PointIdx(point));
        spec.value = Some(Formula::Point(PointIdx(2)));
        builder.alarm(spec).unwrap();
    }
    let mut told = Told::new(Arc::new(builder.build()));
    told.act(1, until(Verb::Test, 100)).unwrap();
    told.on(AlarmIdx(1));
    told.command(2, Verb::TestEnd).unwrap();
    told.expect(&[
        "1 left test-begun - A",
        "1 right test-begun - A",
        "2 left test-ended - A",
        "2 right test-ended - A",
    ]);
}

#[test]
fn what_is_read_in_a_test_is_unknown_to_alarms_that_are_about_something_else() {
    for quality in [Quality::GOOD, Quality::CALIBRATION] {
        let mut told = about_a();
        if quality == Quality::GOOD {
            told.act(1, until(Verb::Test, 100)).unwrap();
        }
        told.reading(2, 0, Some(60.0), quality);
        let mut told = restarted(told);
        assert!(told.engine.alarm(AlarmIdx(0)).flags.active);
        assert!(!told.engine.alarm(AlarmIdx(2)).flags.active);
        assert!(told.engine.alarm(AlarmIdx(2)).flags.unknown);
        told.effects.clear();
        told.time(101);
        told.good(102, 0, 60.0);
        let began = told.effects.iter().find(|it| it.alarm == AlarmIdx(2));
        let at = if quality == Quality::GOOD { 100 } else { 102 };
        assert!(
            began.is_some_and(|it| it.at == UtcMs(at * 1_000)),
            "{quality:?}"
        );
    }
}

#[test]
fn a_rule_that_goes_on_trial_says_so_when_it_is_loaded() {
    let told = told();
    let mut builder = builder(&["a", "b"], 0);
    let rule = builder
        .rule(RuleInfo {
            name: "gas".into(),
            hash: "gas".into(),
            test: true,
            ..RuleInfo::default()
        })
        .unwrap();
    builder
        .alarm(spec(rule, vec![level("L1", high(25.0, 3.0))]))
        .unwrap();
    let mut told = told;
    told.good(1, 0, 30.0);
    let snapshot = told.engine.snapshot();
    let program = Arc::new(builder.build());
    told.engine = Engine::restore(program, &snapshot, &mut told.effects).unwrap();
    told.expect(&[
        "1 gas raised L1 B",
        "1 gas config-changed L1 B",
        "1 gas test-begun L1 B",
    ]);
}
