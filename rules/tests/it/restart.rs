//! A snapshot under another program: rules that change, come and go.

use std::sync::Arc;

use rules::effect::{AlarmIdx, Command, Refusal, Verb};
use rules::engine::{Engine, SnapshotError};
use rules::point::{PointIdx, PointInfo};
use rules::program::{
    AlarmSpec, Colour, LevelSpec, Program, ProgramBuilder, RuleInfo, Scope, Test,
};
use rules::value::Tri;
use telemetry::UtcMs;

use crate::support::{Told, any_held, builder, gas, high, level, rule, spec};

/// A gas rule of one level with another hash, on two points whose order is another too.
fn other(limit: f64, name: &str, hash: &str) -> Arc<Program> {
    other_with(limit, name, hash, |_| {})
}

/// The same, with its alarm as `change` makes it.
fn other_with(
    limit: f64,
    name: &str,
    hash: &str,
    change: impl FnOnce(&mut AlarmSpec),
) -> Arc<Program> {
    let mut builder = ProgramBuilder::new();
    for point in ["0", "a"] {
        builder
            .point(PointInfo {
                unit: "u".into(),
                point: point.into(),
                max_age_ms: 10_000,
                ..PointInfo::default()
            })
            .unwrap();
    }
    let rule = builder
        .rule(RuleInfo {
            name: name.into(),
            hash: hash.into(),
            ..RuleInfo::default()
        })
        .unwrap();
    let mut spec = spec(
        rule,
        vec![LevelSpec {
            on_delay_ms: 5_000,
            ..level("L1", high(limit, 3.0))
        }],
    );
    spec.scope = Scope::Point(PointIdx(1));
    spec.value = Some(rules::expr::Formula::Point(PointIdx(1)));
    change(&mut spec);
    builder.alarm(spec).unwrap();
    Arc::new(builder.build())
}

/// The same engine under another program.
fn under(told: Told, program: Arc<Program>) -> Told {
    let mut effects = Vec::new();
    let engine = Engine::restore(program, &told.engine.snapshot(), &mut effects).unwrap();
    Told {
        engine,
        effects,
        alarm: told.alarm,
    }
}

#[test]
fn a_delay_goes_on_over_a_restart() {
    let mut told = Told::new(gas());
    told.steady(0..=3, 0, 30.0);
    let mut told = under(told, gas());
    told.time(6);
    told.expect(&["5 gas raised L1 B"]);
}

#[test]
fn a_changed_rule_that_would_clear_an_alarm_says_so_and_waits_for_a_person() {
    let mut told = Told::new(gas());
    told.steady(0..=6, 0, 30.0);
    told.command(6, Verb::Ack).unwrap();
    told.told();
    let mut told = under(told, other(40.0, "gas", "new"));
    told.expect(&["6 gas config-changed L1 B", "6 gas returned L1 D"]);
    told.command_why(7, Verb::Ack).unwrap();
    told.expect(&["7 gas acked L1 A"]);
}

/// An alarm that is on the shelf until 1,000 s.
fn shelved() -> Told {
    let mut told = Told::new(gas());
    told.steady(0..=6, 0, 30.0);
    let shelve = Command {
        until: Some(UtcMs(1_000_000)),
        comment: Some("span gas"),
        ..Command::new(Verb::Shelve, AlarmIdx(0), "li")
    };
    told.act(6, shelve).unwrap();
    told.told();
    told
}

#[test]
fn an_alarm_that_a_changed_rule_makes_red_comes_off_the_shelf() {
    let red = other_with(20.0, "gas", "new", |spec| {
        spec.levels[0].colour = Colour::Red;
        spec.levels[0].severity = 900;
    });
    let mut told = under(shelved(), red);
    told.expect(&["6 gas unshelved L1 B", "6 gas config-changed L1 B"]);
    assert_eq!(told.engine.alarm(AlarmIdx(0)).shelved, None);
}

#[test]
fn nothing_is_on_the_shelf_for_longer_than_a_changed_rule_lets_it() {
    let shorter =
        |most_ms| other_with(20.0, "gas", "new", |spec| spec.life.shelve_max_ms = most_ms);
    let mut told = under(shelved(), shorter(60_000));
    told.expect(&["6 gas config-changed L1 G"]);
    told.steady(7..=66, 1, 30.0);
    told.expect(&["66 gas unshelved L1 B"]);
    let mut told = under(shelved(), shorter(0));
    told.expect(&["6 gas unshelved L1 B", "6 gas config-changed L1 B"]);
}

#[test]
fn a_changed_rule_that_still_holds_keeps_its_occurrence() {
    let mut told = Told::new(gas());
    told.steady(0..=6, 0, 30.0);
    told.told();
    let mut told = under(told, other(20.0, "gas", "new"));
    told.expect(&["6 gas config-changed L1 B"]);
    assert_eq!(told.engine.alarm(AlarmIdx(0)).occurrence, 1);
    told.good(8, 1, 5.0);
    told.expect(&["8 gas returned L1 D"]);
}

#[test]
fn a_normal_alarm_of_a_changed_rule_says_nothing() {
    let mut told = Told::new(gas());
    told.steady(0..=6, 0, 1.0);
    let mut told = under(told, other(40.0, "gas", "new"));
    told.expect(&[]);
}

#[test]
fn a_removed_rules_alarm_stays_until_it_is_acknowledged_and_reset() {
    let mut told = Told::new(gas());
    told.steady(0..=6, 0, 30.0);
    told.told();
    let snapshot = told.engine.snapshot();
    let mut program = other(20.0, "another", "x").as_ref().clone();
    assert_eq!(program.adopt(&snapshot), Ok(1));
    let alarm = program.find_alarm("u/a/gas").unwrap();
    assert!(program.alarm(alarm).retired);
    let mut told = under(told, Arc::new(program));
    told.expect(&["6 gas config-changed L1 E"]);
    // Restarts in between change nothing.
    let program = Arc::clone(told.engine.program());
    let mut told = under(told, program);
    told.expect(&[]);
    told.on(alarm);
    assert_eq!(told.command(7, Verb::Reset), Err(Refusal::NotAcked));
    told.command_why(8, Verb::Ack).unwrap();
    told.command(9, Verb::Reset).unwrap();
    told.expect(&["8 gas acked L1 F", "9 gas reset L1 A", "9 gas retired L1 A"]);
    // Nothing is left to adopt.
    let mut program = other(20.0, "another", "x").as_ref().clone();
    assert_eq!(program.adopt(&told.engine.snapshot()), Ok(0));
}

#[test]
fn a_removed_rule_whose_point_is_gone_keeps_its_id() {
    let mut told = Told::new(gas());
    told.steady(0..=6, 0, 30.0);
    let mut program = ProgramBuilder::new().build();
    assert_eq!(program.adopt(&told.engine.snapshot()), Ok(1));
    assert_eq!(program.id_of(AlarmIdx(0)).to_string(), "u/a/gas");
    assert_eq!(program.levels_of(AlarmIdx(0)).len(), 2);
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let told = Told::new(gas());
    let snapshot = told.engine.snapshot();
    let check =
        |bytes: &[u8]| Engine::restore(gas(), bytes, &mut Vec::new()).map(|engine| engine.now());
    assert_eq!(check(&snapshot), Ok(UtcMs(0)));
    assert_eq!(check(b""), Err(SnapshotError::NotASnapshot));
    assert_eq!(check(b"FSRS\x09"), Err(SnapshotError::Version(9)));
    let end = snapshot.len() - 1;
    assert!(matches!(
        check(&snapshot[..end]),
        Err(SnapshotError::Broken { .. })
    ));
}

#[test]
fn an_alarm_of_the_system_whose_rule_is_gone_is_not_active_for_ever() {
    let mut builder = builder(&["a"], 10);
    let rule = rule(&mut builder, "silent");
    let levels = vec![level("on", Test::External)];
    let spec = AlarmSpec {
        value: None,
        ..spec(rule, levels)
    };
    let alarm = builder.alarm(spec).unwrap();
    let mut told = Told::new(Arc::new(builder.build()));
    told.condition(1, alarm.0, Tri::True, "");
    told.expect(&["1 silent raised on B"]);
    let mut program = other(20.0, "another", "x").as_ref().clone();
    program.adopt(&told.engine.snapshot()).unwrap();
    let alarm = program.find_alarm("u/a/silent").unwrap();
    let mut told = under(told, Arc::new(program));
    told.on(alarm);
    told.command_why(2, Verb::Ack).unwrap();
    told.command(3, Verb::Reset).unwrap();
    told.expect(&[
        "1 silent config-changed on E",
        "2 silent acked on F",
        "3 silent reset on A",
        "3 silent retired on A",
    ]);
}

#[test]
fn what_is_remembered_of_one_point_is_not_taken_for_another_that_comes_before_it() {
    let mut told = Told::new(any_held(&["a", "b"]));
    told.steady(0..=5, 0, 30.0);
    // Where `a` was, there is `0` now; five of the ten seconds of `a` are over.
    let mut told = under(told, any_held(&["0", "a", "b"]));
    told.good(6, 0, 30.0);
    told.bad(6, 1);
    told.time(15);
    told.expect(&[]);
    told.time(16);
    told.expect(&["16 any raised on B"]);
}

#[test]
fn an_alarm_that_reads_other_points_than_before_says_so_and_does_not_clear_in_silence() {
    let mut told = Told::new(any_held(&["a", "b"]));
    told.steady(0..=10, 0, 30.0);
    told.command(11, Verb::Ack).unwrap();
    told.expect(&["10 any raised on B", "11 any acked on C"]);
    let mut told = under(told, any_held(&["b"]));
    told.expect(&["11 any config-changed on B"]);
}
