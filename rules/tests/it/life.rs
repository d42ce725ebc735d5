//! Lives of alarms, told second by second.

use rules::effect::{AlarmIdx, Command, Input, Refusal, Verb};
use rules::expr::{Compare, Cond, Degrade, Formula, Health};
use rules::point::PointIdx;
use rules::program::{AlarmSpec, Colour, LevelSpec, LifeSpec, Scope, Test};
use rules::value::Tri;
use std::sync::Arc;
use telemetry::{Quality, UtcMs};

use crate::aside::restarted;
use crate::support::{Told, builder, conditions, gas, high, level, low, rule, spec};

fn gas_told() -> Told {
    Told::new(gas())
}

#[test]
fn a_leak_reaches_both_levels_latches_and_is_reset() {
    let mut gas = gas_told();
    gas.good(0, 0, 10.0);
    gas.steady(1..=5, 0, 30.0);
    gas.expect(&[]);
    gas.good(6, 0, 30.0);
    gas.expect(&["6 gas raised L1 B"]);
    gas.command(7, Verb::Ack).unwrap();
    gas.steady(8..=12, 0, 60.0);
    gas.expect(&["7 gas acked L1 C", "10 gas level-up L2 B"]);
    gas.command(12, Verb::Ack).unwrap();
    assert_eq!(gas.command(12, Verb::Reset), Err(Refusal::StillActive));
    gas.steady(13..=43, 0, 10.0);
    gas.expect(&[
        "12 gas acked L2 C",
        "13 gas level-down L1 C",
        "43 gas returned L1 F",
    ]);
    gas.command(44, Verb::Reset).unwrap();
    gas.expect(&["44 gas reset L1 A"]);
    assert_eq!(gas.command(45, Verb::Reset), Err(Refusal::NotLatched));
    assert_eq!(gas.command(45, Verb::Ack), Err(Refusal::AlreadyAcked));
}

#[test]
fn an_on_delay_ends_by_timer_without_another_sample() {
    let mut gas = gas_told();
    gas.good(0, 0, 25.0);
    assert_eq!(gas.engine.poll_timeout(), Some(UtcMs(5_000)));
    gas.time(100);
    gas.expect(&["5 gas raised L1 B", "10.001 gas unknown L1 B"]);
}

#[test]
fn a_timer_due_at_a_samples_instant_goes_first() {
    let mut gas = gas_told();
    gas.good(0, 0, 25.0);
    gas.good(5, 0, 0.0);
    gas.expect(&["5 gas raised L1 B"]);
    gas.steady(6..=34, 0, 0.0);
    gas.good(35, 0, 30.0);
    gas.expect(&["35 gas returned L1 D"]);
}

#[test]
fn the_deadband_is_applied_on_exit_only_and_left_strictly() {
    let mut builder = builder(&["a"], 0);
    let rule = rule(&mut builder, "o2");
    builder
        .alarm(spec(
            rule,
            vec![level("high", high(23.5, 0.5)), level("low", low(19.5, 0.5))],
        ))
        .unwrap();
    let mut o2 = Told::new(Arc::new(builder.build()));
    for (second, value) in [
        (0, 23.4),
        (1, 23.5),
        (2, 23.0),
        (3, 22.9),
        (4, 19.6),
        (5, 19.5),
        (6, 20.0),
        (7, 23.5),
        (8, 20.0),
    ] {
        o2.good(second, 0, value);
    }
    o2.expect(&[
        "1 o2 raised high B",
        "3 o2 returned high D",
        "5 o2 raised low B",
        "7 o2 level-up high B",
        "8 o2 returned high D",
    ]);
    assert_eq!(o2.engine.alarm(AlarmIdx(0)).occurrence, 2);
}

#[test]
fn a_broken_wire_holds_the_alarm_and_says_that_it_is_unknown() {
    let mut gas = gas_told();
    gas.steady(0..=6, 0, 30.0);
    gas.expect(&["5 gas raised L1 B"]);
    gas.bad(7, 0);
    gas.time(1_000);
    gas.expect(&["7 gas unknown L1 B"]);
    assert_eq!(gas.command(1_000, Verb::Ack), Ok(()));
    gas.steady(1_001..=1_031, 0, 0.0);
    gas.expect(&[
        "1000 gas acked L1 C",
        "1001 gas known L1 C",
        "1031 gas returned L1 A",
    ]);
}

#[test]
fn a_flapping_sensor_does_not_hide_an_alarm() {
    let mut gas = gas_told();
    for second in 0..9 {
        if second % 2 == 0 {
            gas.good(second, 0, 30.0);
        } else {
            gas.bad(second, 0);
        }
    }
    gas.time(9);
    assert!(gas.told().ends_with("9 gas raised L1 B\n"));
}

#[test]
fn an_uncertain_value_raises_and_does_not_clear() {
    let mut gas = gas_told();
    for second in 0..=6 {
        gas.reading(second, 0, Some(30.0), Quality::UNCERTAIN);
    }
    gas.expect(&["5 gas raised L1 B"]);
    for second in 7..=100 {
        gas.reading(second, 0, Some(0.0), Quality::UNCERTAIN);
    }
    gas.expect(&[]);
    gas.steady(101..=131, 0, 0.0);
    gas.expect(&["131 gas returned L1 D"]);
}

#[test]
fn a_gate_is_a_part_of_the_condition() {
    let mut builder = builder(&["dp", "fan"], 0);
    let rule = rule(&mut builder, "dp");
    let fan = PointIdx(1);
    builder
        .alarm(AlarmSpec {
            only_while: Some(Cond::Held(Box::new(Cond::On(fan)), 60_000)),
            ..spec(
                rule,
                vec![LevelSpec {
                    off_delay_ms: 10_000,
                    ..level("warn", high(1_500.0, 0.0))
                }],
            )
        })
        .unwrap();
    let mut dp = Told::new(Arc::new(builder.build()));
    dp.good(0, 0, 2_000.0);
    dp.good(1, 1, 0.0);
    dp.expect(&[]);
    dp.good(10, 1, 1.0);
    dp.time(200);
    dp.expect(&["70 dp raised warn B"]);
    dp.good(300, 1, 0.0);
    dp.time(400);
    dp.expect(&["310 dp returned warn D"]);
    dp.good(500, 1, 1.0);
    dp.bad(530, 1);
    dp.good(1_000, 1, 1.0);
    dp.time(2_000);
    dp.expect(&[
        "530 dp unknown warn D",
        "1000 dp known warn D",
        "1030 dp raised warn B",
    ]);
}

#[test]
fn a_stale_point_makes_its_alarms_unknown_by_timer() {
    let mut builder = builder(&["a"], 3);
    let limits = rule(&mut builder, "limits");
    builder
        .alarm(AlarmSpec {
            unknown_hold_ms: 5_000,
            life: LifeSpec::default(),
            ..spec(limits, vec![level("L1", high(5.0, 0.0))])
        })
        .unwrap();
    let quality = rule(&mut builder, "sys.quality");
    builder
        .alarm(AlarmSpec {
            scope: Scope::Point(PointIdx(0)),
            ..conditions(
                "u",
                quality,
                vec![("bad", Colour::Blue, Cond::Health(Health::Bad, PointIdx(0)))],
            )
        })
        .unwrap();
    let mut told = Told::new(Arc::new(builder.build()));
    told.good(1, 0, 1.0);
    told.time(20);
    told.expect(&["4.001 sys.quality raised bad B", "9.001 limits unknown - A"]);
    assert_eq!(
        told.engine.alarm(AlarmIdx(1)).reason.as_deref(),
        Some("stale")
    );
    told.good(30, 0, 1.0);
    told.expect(&["30 limits known - A", "30 sys.quality returned bad D"]);
}

#[test]
fn a_point_that_never_speaks_is_told_after_its_max_age() {
    let mut gas = gas_told();
    gas.time(5);
    gas.expect(&[]);
    gas.time(20);
    gas.expect(&["10.001 gas unknown - A"]);
}

#[test]
fn four_blue_points_make_the_item_yellow_and_three_yellow_items_the_pond_orange() {
    let names: Vec<String> = (0..12).map(|index| format!("p{index}")).collect();
    let mut builder = builder(&names.iter().map(String::as_str).collect::<Vec<_>>(), 0);
    let depth = rule(&mut builder, "depth");
    let item = rule(&mut builder, "item");
    let pond = rule(&mut builder, "pond");
    let mut items = Vec::new();
    for group in 0..3 {
        let points: Vec<_> = (group * 4..group * 4 + 4)
            .map(|index| {
                let blue = LevelSpec {
                    colour: Colour::Blue,
                    severity: 300,
                    ..level("blue", low(10.0, 0.0))
                };
                builder
                    .alarm(AlarmSpec {
                        scope: Scope::Point(PointIdx(index)),
                        value: Some(Formula::Point(PointIdx(index))),
                        ..spec(depth, vec![blue])
                    })
                    .unwrap()
            })
            .collect();
        let at_least = |k, colour| Cond::AtLeast {
            k,
            members: points
                .iter()
                .map(|point| Cond::alarm_in(*point, colour))
                .collect(),
            degrade: Degrade::Hold,
        };
        let levels = vec![
            ("yellow", Colour::Yellow, at_least(4, Colour::Blue)),
            ("orange", Colour::Orange, at_least(3, Colour::Yellow)),
            ("red", Colour::Red, at_least(2, Colour::Orange)),
        ];
        items.push(
            builder
                .alarm(conditions(&format!("item{group}"), item, levels))
                .unwrap(),
        );
    }
    let yellow = Cond::AtLeast {
        k: 3,
        members: items
            .iter()
            .map(|item| Cond::alarm_in(*item, Colour::Yellow))
            .collect(),
        degrade: Degrade::Hold,
    };
    builder
        .alarm(AlarmSpec {
            scope: Scope::Site,
            ..conditions("-", pond, vec![("orange", Colour::Orange, yellow)])
        })
        .unwrap();
    let mut told = Told::new(Arc::new(builder.build()));
    for point in 0..12 {
        told.good(0, point, 11.0);
    }
    told.told();
    for point in 0..12 {
        told.good(1, point, 10.0);
    }
    let all = told.told();
    let rolled: Vec<_> = all.lines().filter(|line| !line.contains("depth")).collect();
    assert_eq!(
        rolled,
        [
            "1 item raised yellow B",
            "1 item raised yellow B",
            "1 item raised yellow B",
            "1 pond raised orange B"
        ]
    );
    // A point that falls silent holds its alarm, and so the pond's.
    told.bad(2, 5);
    told.expect(&["2 depth unknown blue B"]);
    told.good(3, 5, 11.0);
    told.expect(&[
        "3 depth known blue B",
        "3 depth returned blue D",
        "3 item returned yellow D",
        "3 pond returned orange D",
    ]);
}

#[test]
fn the_systems_own_alarms_follow_what_the_system_says() {
    let mut builder = builder(&[], 0);
    let offline = rule(&mut builder, "sys.offline");
    builder
        .alarm(AlarmSpec {
            scope: Scope::Node("n1".into()),
            value: None,
            ..spec(
                offline,
                vec![LevelSpec {
                    on_delay_ms: 10_000,
                    ..level("offline", Test::External)
                }],
            )
        })
        .unwrap();
    let mut told = Told::new(Arc::new(builder.build()));
    told.condition(0, 0, Tri::True, "will");
    told.time(11);
    told.expect(&["10 sys.offline raised offline B"]);
    assert_eq!(
        told.engine.alarm(AlarmIdx(0)).reason.as_deref(),
        Some("will")
    );
    told.condition(12, 0, Tri::Unknown, "");
    told.condition(13, 0, Tri::False, "");
    told.expect(&[
        "12 sys.offline unknown offline B",
        "13 sys.offline known offline B",
        "13 sys.offline returned offline D",
    ]);
}

#[test]
fn on_delays_pause_over_a_stop_and_off_delays_begin_again() {
    let mut gas = gas_told();
    gas.good(0, 0, 30.0);
    gas.down(3, 100);
    gas.good(100, 0, 30.0);
    gas.time(103);
    gas.expect(&[
        "100 gas unknown - A",
        "100 gas known - A",
        "102 gas raised L1 B",
    ]);
    gas.steady(104..=130, 0, 0.0);
    gas.down(131, 132);
    gas.steady(133..=170, 0, 0.0);
    gas.expect(&["162 gas returned L1 D"]);
}

#[test]
fn the_time_since_something_has_grown_over_a_stop_and_is_looked_at_at_its_end() {
    let mut builder = builder(&["a"], 100);
    let rule = rule(&mut builder, "quiet");
    let compare = |of, how, limit| Cond::Compare(how, of, Formula::Const(limit));
    let loud = compare(Formula::Point(PointIdx(0)), Compare::Ge, 5.0);
    let since = Formula::Since(Box::new(loud));
    let quiet = compare(since, Compare::Gt, 1.0);
    let spec = conditions("u", rule, vec![("on", Colour::Yellow, quiet)]);
    builder.alarm(spec).unwrap();
    let mut told = Told::new(Arc::new(builder.build()));
    told.good(1, 0, 9.0);
    told.good(2, 0, 0.0);
    let (from, to) = (UtcMs(3_000), UtcMs(3_001));
    told.engine
        .handle(Input::Down { from, to }, to, &mut told.effects)
        .unwrap();
    // Not only with the next whole second.
    told.expect(&["3.001 quiet raised on B"]);
}

#[test]
fn late_readings_touch_nothing_and_tell_once_what_they_show() {
    let mut gas = gas_told();
    gas.steady(100..=101, 0, 0.0);
    gas.told();
    for second in 50..60 {
        gas.late(101, second, 30.0);
    }
    gas.expect(&["101 gas historical L1 A"]);
    assert_eq!(gas.engine.alarm(AlarmIdx(0)).occurrence, 0);
    gas.late(102, 60, 0.0);
    // A spike shorter than the on-delay is none.
    gas.late(102, 61, 30.0);
    gas.late(102, 62, 0.0);
    gas.expect(&[]);
}

#[test]
fn what_is_raised_again_before_it_is_normal_is_of_the_same_incident() {
    let occurs = |told: &mut Told, second: i64, value: f64| {
        told.steady(second..=second + 40, 0, value);
        let state = told.engine.alarm(AlarmIdx(0));
        (state.occurrence, state.incident)
    };
    let mut told = gas_told();
    assert_eq!(occurs(&mut told, 0, 10.0), (0, 0));
    assert_eq!(occurs(&mut told, 100, 30.0), (1, 1));
    assert_eq!(occurs(&mut told, 200, 10.0), (1, 1));
    assert_eq!(occurs(&mut told, 300, 30.0), (2, 1), "nobody saw the first");
    told = restarted(told);
    assert_eq!(occurs(&mut told, 400, 10.0), (2, 1));
    told.command(441, Verb::Ack).unwrap();
    assert_eq!(occurs(&mut told, 500, 30.0), (3, 3), "it was normal");
    assert_eq!(occurs(&mut told, 600, 10.0), (3, 3));
    assert_eq!(occurs(&mut told, 700, 60.0), (4, 3));
    let mut told = gas_told();
    assert_eq!(occurs(&mut told, 0, 60.0), (1, 1), "it latches");
    assert_eq!(occurs(&mut told, 100, 10.0), (1, 1));
    told.command(141, Verb::Ack).unwrap();
    assert_eq!(occurs(&mut told, 200, 60.0), (2, 1), "nobody reset it");
}

#[test]
fn a_command_on_another_occurrence_is_refused() {
    let mut gas = gas_told();
    gas.steady(0..=6, 0, 30.0);
    let command = Command {
        occurrence: Some(2),
        ..Command::new(Verb::Ack, AlarmIdx(0), "li")
    };
    let refused = gas
        .engine
        .handle(Input::Command(command), UtcMs(6_000), &mut gas.effects);
    assert_eq!(
        refused,
        Err(Refusal::OtherOccurrence {
            seen: 2,
            current: 1
        })
    );
}
