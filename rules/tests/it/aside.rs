//! Putting alarms aside: shelving, suppression, out of service, silence and re-alarm. Rows are those of the life cycle's table.

use std::sync::Arc;

use rules::effect::{AlarmIdx, Command, Refusal, Verb};
use rules::engine::Engine;
use rules::engine::explain::Ending;
use rules::expr::Cond;
use rules::point::PointIdx;
use rules::program::{Colour, LevelSpec, LifeSpec, Program, RuleInfo, Suppress};
use telemetry::{Quality, UtcMs};

use crate::support::{Told, builder, high, level, rule, spec};

/// Gas at 25 (yellow), 50 (orange, latching) and 75 (red); the second point is a switch that suppresses.
pub(crate) fn program() -> Arc<Program> {
    let mut builder = builder(&["a", "b"], 0);
    let rule = builder
        .rule(RuleInfo {
            name: "gas".into(),
            hash: "gas".into(),
            suppress: vec!["unit-stopped".into()],
            ..RuleInfo::default()
        })
        .unwrap();
    let levels = vec![
        level("L1", high(25.0, 3.0)),
        LevelSpec {
            colour: Colour::Orange,
            severity: 700,
            latch: true,
            ..level("L2", high(50.0, 3.0))
        },
        LevelSpec {
            colour: Colour::Red,
            severity: 900,
            ..level("L3", high(75.0, 3.0))
        },
    ];
    let mut spec = spec(rule, levels);
    spec.life = LifeSpec {
        re_alarm_ms: 60_000,
        shelve_max_ms: 3_600_000,
        suppress: vec![Suppress {
            condition: Cond::On(PointIdx(1)),
            hold_off_ms: 5_000,
        }],
    };
    builder.alarm(spec).unwrap();
    Arc::new(builder.build())
}

/// An alarm that asks for nothing once it is acknowledged.
fn told_without_re_alarm() -> Told {
    let mut builder = builder(&["a"], 0);
    let rule = rule(&mut builder, "gas");
    let levels = vec![level("L1", high(25.0, 3.0))];
    builder.alarm(spec(rule, levels)).unwrap();
    Told::new(Arc::new(builder.build()))
}

pub(crate) fn told() -> Told {
    let mut told = Told::new(program());
    told.good(0, 1, 0.0);
    told
}

/// A command of Li's until a second.
pub(crate) fn until(verb: Verb, second: i64) -> Command<'static> {
    Command {
        until: Some(UtcMs(second * 1_000)),
        comment: Some("cell change"),
        ..Command::new(verb, AlarmIdx(0), "li")
    }
}

pub(crate) fn out(second: i64) -> Command<'static> {
    Command {
        second: Some("zhao"),
        ticket: Some("W-1"),
        ..until(Verb::OutOfService, second)
    }
}

/// The same engine after a restart.
pub(crate) fn restarted(told: Told) -> Told {
    let mut effects = told.effects;
    let program = Arc::clone(told.engine.program());
    let engine = Engine::restore(program, &told.engine.snapshot(), &mut effects).unwrap();
    Told {
        engine,
        effects,
        alarm: told.alarm,
    }
}

#[test]
fn row_13_an_acknowledged_alarm_asks_again_after_its_time_and_only_while_it_is_active() {
    let mut told = told();
    told.good(1, 0, 30.0);
    told.command(10, Verb::Ack).unwrap();
    let mut told = restarted(told);
    told.time(71);
    told.expect(&[
        "1 gas raised L1 B",
        "10 gas acked L1 C",
        "70 gas re-alarmed L1 B",
    ]);
    told.command(80, Verb::Ack).unwrap();
    told.good(90, 0, 10.0);
    told.time(300);
    told.expect(&["80 gas acked L1 C", "90 gas returned L1 A"]);
}

#[test]
fn row_14_a_shelved_alarm_comes_back_by_itself_and_shows_what_its_flags_say() {
    let mut told = told();
    told.good(1, 0, 30.0);
    told.act(2, until(Verb::Shelve, 100)).unwrap();
    let told = restarted(told);
    let mut told = restarted(told);
    told.good(50, 0, 10.0);
    told.time(101);
    told.expect(&[
        "1 gas raised L1 B",
        "2 gas shelved L1 G",
        "50 gas returned L1 G",
        "100 gas unshelved L1 D",
    ]);
    // Nothing persisted is forgotten over a time in which nobody evaluated.
    told.act(110, until(Verb::Shelve, 200)).unwrap();
    told.down(120, 300);
    told.time(300);
    told.expect(&["110 gas shelved L1 G", "300 gas unshelved L1 D"]);
}

#[test]
fn row_15_a_shelf_for_once_ends_with_the_next_return_or_at_its_end() {
    let mut told = told();
    told.good(1, 0, 30.0);
    told.act(2, until(Verb::ShelveOnce, 100)).unwrap();
    told.good(3, 0, 10.0);
    told.expect(&[
        "1 gas raised L1 B",
        "2 gas shelved L1 G",
        "3 gas returned L1 G",
        "3 gas unshelved L1 D",
    ]);
    told.act(4, until(Verb::ShelveOnce, 10)).unwrap();
    told.time(20);
    told.expect(&["4 gas shelved L1 G", "10 gas unshelved L1 D"]);
}

#[test]
fn shelving_is_refused_not_clamped() {
    let mut told = told();
    told.good(1, 0, 30.0);
    let endless = Command {
        until: None,
        ..until(Verb::Shelve, 2)
    };
    assert_eq!(told.act(2, endless), Err(Refusal::NoEnd));
    assert_eq!(told.act(2, until(Verb::Shelve, 2)), Err(Refusal::EndIsPast));
    let most_ms = 3_600_000;
    assert_eq!(
        told.act(2, until(Verb::Shelve, 3_603)),
        Err(Refusal::TooLong { most_ms })
    );
    assert_eq!(told.command(2, Verb::Unshelve), Err(Refusal::NotShelved));
    told.act(2, until(Verb::Shelve, 3_602)).unwrap();
    assert!(matches!(
        told.act(3, until(Verb::Shelve, 100)),
        Err(Refusal::NotFrom(_))
    ));
    told.command(4, Verb::Unshelve).unwrap();
    // E and F: latched.
    told.good(5, 0, 60.0);
    told.good(6, 0, 10.0);
    assert!(matches!(
        told.act(7, until(Verb::Shelve, 100)),
        Err(Refusal::NotFrom(_))
    ));
}

#[test]
fn invariant_a_red_is_never_shelved_and_becoming_red_unshelves_first() {
    let mut told = told();
    told.good(1, 0, 30.0);
    told.act(2, until(Verb::Shelve, 100)).unwrap();
    told.good(3, 0, 80.0);
    told.expect(&[
        "1 gas raised L1 B",
        "2 gas shelved L1 G",
        "3 gas unshelved L1 B",
        "3 gas level-up L3 B",
    ]);
    assert_eq!(told.act(4, until(Verb::Shelve, 100)), Err(Refusal::Red));
    // From normal to red at once.
    let mut told = self::told();
    told.act(1, until(Verb::Shelve, 100)).unwrap();
    told.good(2, 0, 80.0);
    told.expect(&[
        "1 gas shelved - G",
        "2 gas unshelved - A",
        "2 gas raised L3 B",
    ]);
}

#[test]
fn row_17_a_listed_reason_suppresses_and_what_came_and_went_is_shown_afterwards() {
    let mut told = told();
    told.good(1, 1, 1.0);
    told.good(2, 0, 30.0);
    let mut told = restarted(told);
    told.good(3, 0, 10.0);
    told.good(4, 1, 0.0);
    told.time(20);
    told.expect(&[
        "1 gas suppressed - H",
        "2 gas raised L1 H",
        "3 gas returned L1 H",
        "9 gas unsuppressed L1 D",
    ]);
}

#[test]
fn an_unknown_reason_hides_nothing() {
    let mut told = told();
    told.good(1, 1, 1.0);
    told.bad(2, 1);
    told.time(10);
    told.expect(&["1 gas suppressed - H", "7 gas unsuppressed - A"]);
    told.bad(11, 1);
    told.good(12, 0, 30.0);
    told.expect(&["12 gas raised L1 B"]);
}

#[test]
fn a_reason_that_comes_back_within_its_hold_off_stays() {
    let mut told = told();
    told.good(1, 1, 1.0);
    told.good(2, 1, 0.0);
    told.good(6, 1, 1.0);
    told.time(100);
    told.expect(&["1 gas suppressed - H"]);
}

#[test]
fn row_19_out_of_service_needs_two_persons_a_work_order_and_an_end() {
    let mut told = told();
    assert_eq!(
        told.act(1, until(Verb::OutOfService, 100)),
        Err(Refusal::NoSecond)
    );
    for same in ["li", " Li ", "LI", " "] {
        let same = Command {
            second: Some(same),
            ..out(100)
        };
        assert_eq!(told.act(1, same), Err(Refusal::NoSecond));
    }
    let none = Command {
        ticket: Some(""),
        ..out(100)
    };
    assert_eq!(told.act(1, none), Err(Refusal::NoTicket));
    assert_eq!(told.command(1, Verb::InService), Err(Refusal::NotOut));
    told.act(1, out(100)).unwrap();
    assert_eq!(told.act(2, out(100)), Err(Refusal::AlreadyOut));
    let comment = told.effects[0].comment.clone().unwrap();
    assert_eq!(&*comment, "work order W-1; with zhao; cell change");
    told.good(3, 0, 30.0);
    let mut told = restarted(told);
    told.time(200);
    told.expect(&[
        "1 gas out-of-service - I",
        "3 gas raised L1 I",
        "100 gas in-service L1 B",
    ]);
    told.act(201, out(300)).unwrap();
    told.command(202, Verb::InService).unwrap();
    told.expect(&["201 gas out-of-service L1 I", "202 gas in-service L1 B"]);
}

#[test]
fn acknowledge_and_reset_work_on_the_state_below_and_invariants_b_and_c_hold_there_too() {
    let mut told = told();
    told.act(1, out(100)).unwrap();
    told.good(2, 0, 60.0);
    told.good(3, 0, 10.0);
    assert_eq!(told.command(4, Verb::Reset), Err(Refusal::NotAcked));
    told.command(4, Verb::Ack).unwrap();
    told.command(5, Verb::Reset).unwrap();
    told.time(100);
    told.expect(&[
        "1 gas out-of-service - I",
        "2 gas raised L2 I",
        "3 gas returned L2 I",
        "4 gas acked L2 I",
        "5 gas reset L2 I",
        "100 gas in-service L2 A",
    ]);
}

#[test]
fn whatever_ends_by_itself_is_explained_with_its_time_the_soonest_first() {
    let mut told = told();
    let ends = |told: &Told| {
        let ends = told.engine.explain(AlarmIdx(0)).ends.into_iter();
        ends.map(|(what, at)| (what, at.0 / 1_000))
            .collect::<Vec<_>>()
    };
    assert_eq!(ends(&told), []);
    told.act(1, until(Verb::Test, 100)).unwrap();
    told.good(1, 0, 30.0);
    told.command(2, Verb::Silence).unwrap();
    told.act(2, until(Verb::ShelveOnce, 50)).unwrap();
    told.act(3, out(200)).unwrap();
    assert_eq!(
        ends(&told),
        [
            (Ending::ShelvedOnce, 50),
            (Ending::Test, 100),
            (Ending::OutOfService, 200),
            (Ending::Silenced, 602),
        ]
    );
    told.command(5, Verb::Ack).unwrap();
    told.good(6, 1, 1.0);
    told.good(7, 1, 0.0);
    told.command(8, Verb::Unshelve).unwrap();
    told.command(8, Verb::TestEnd).unwrap();
    told.reading(9, 0, Some(30.0), Quality::CALIBRATION);
    assert_eq!(
        ends(&told),
        [
            (Ending::HoldOff, 12),
            (Ending::ReAlarm, 65),
            (Ending::OutOfService, 200),
            (Ending::Calibration, 14_409),
        ]
    );
}

#[test]
fn out_of_service_is_before_suppressed_is_before_shelved() {
    let mut told = told();
    told.act(1, until(Verb::Shelve, 100)).unwrap();
    told.good(2, 1, 1.0);
    told.act(3, out(50)).unwrap();
    told.time(60);
    told.good(61, 1, 0.0);
    told.time(70);
    told.command(71, Verb::Unshelve).unwrap();
    told.expect(&[
        "1 gas shelved - G",
        "2 gas suppressed - H",
        "3 gas out-of-service - I",
        "50 gas in-service - H",
        "66 gas unsuppressed - G",
        "71 gas unshelved - A",
    ]);
}

#[test]
fn row_25_silence_is_apart_from_acknowledge_and_never_for_good() {
    let mut told = told();
    assert_eq!(told.command(1, Verb::Silence), Err(Refusal::NotSounding));
    told.good(2, 0, 30.0);
    told.command(3, Verb::Silence).unwrap();
    assert_eq!(
        told.command(4, Verb::Silence),
        Err(Refusal::AlreadySilenced)
    );
    assert!(told.engine.alarm(AlarmIdx(0)).silenced);
    let mut told = restarted(told);
    told.good(5, 0, 60.0);
    assert!(
        !told.engine.alarm(AlarmIdx(0)).silenced,
        "a graver level sounds"
    );
    told.command(6, Verb::Ack).unwrap();
    assert_eq!(told.command(7, Verb::Silence), Err(Refusal::NotSounding));
    told.time(70);
    told.command(71, Verb::Silence).unwrap();
    let mut told = restarted(told);
    told.time(670);
    assert!(told.engine.alarm(AlarmIdx(0)).silenced);
    told.time(671);
    assert!(
        !told.engine.alarm(AlarmIdx(0)).silenced,
        "it sounds again after ten minutes"
    );
    told.expect(&[
        "2 gas raised L1 B",
        "3 gas silenced L1 B",
        "5 gas level-up L2 B",
        "6 gas acked L2 C",
        "66 gas re-alarmed L2 B",
        "71 gas silenced L2 B",
        "671 gas re-alarmed L2 B",
    ]);
    assert_eq!(told.engine.alarm(AlarmIdx(0)).re_alarms, 2);
    told.good(672, 0, 0.0);
    told.good(673, 0, 30.0);
    assert_eq!(
        told.engine.alarm(AlarmIdx(0)).re_alarms,
        0,
        "another occurrence"
    );
}

#[test]
fn an_acknowledgement_ends_a_silence_and_what_would_have_ended_it() {
    let mut told = told_without_re_alarm();
    told.good(1, 0, 30.0);
    told.command(2, Verb::Silence).unwrap();
    told.command(3, Verb::Ack).unwrap();
    told.time(700);
    told.expect(&[
        "1 gas raised L1 B",
        "2 gas silenced L1 B",
        "3 gas acked L1 C",
    ]);
}

#[test]
fn who_puts_an_alarm_aside_says_why() {
    let mut told = told();
    told.good(1, 0, 30.0);
    for verb in [
        Verb::Comment,
        Verb::Shelve,
        Verb::ShelveOnce,
        Verb::OutOfService,
        Verb::Test,
    ] {
        for comment in [None, Some(""), Some(" ")] {
            let command = Command {
                comment,
                ..Command { verb, ..out(100) }
            };
            assert_eq!(told.act(2, command), Err(Refusal::NoReason), "{verb:?}");
        }
    }
    // In an emergency nobody is asked for words.
    told.command(2, Verb::Silence).unwrap();
    told.command(2, Verb::Ack).unwrap();
}

#[test]
fn what_comes_and_goes_before_its_delay_is_counted_as_fleeting() {
    let mut builder = builder(&["a"], 0);
    let rule = rule(&mut builder, "gas");
    let delayed = |name, limit, on_delay_ms| LevelSpec {
        on_delay_ms,
        ..level(name, high(limit, 3.0))
    };
    let levels = vec![delayed("L1", 25.0, 5_000), delayed("L2", 50.0, 2_000)];
    builder.alarm(spec(rule, levels)).unwrap();
    let mut told = Told::new(Arc::new(builder.build()));
    let fleeting = |told: &Told| told.engine.alarm(AlarmIdx(0)).fleeting;
    told.good(1, 0, 30.0);
    told.good(3, 0, 10.0);
    assert_eq!(fleeting(&told), 1);
    // Both levels were on their way: it is one alarm that did not come.
    told.good(4, 0, 60.0);
    told.good(5, 0, 10.0);
    assert_eq!(fleeting(&told), 2);
    // The graver one goes back, the milder one does not.
    told.good(6, 0, 60.0);
    told.good(7, 0, 30.0);
    told.time(11);
    let mut told = restarted(told);
    told.expect(&["11 gas raised L1 B"]);
    told.good(12, 0, 60.0);
    told.good(13, 0, 10.0);
    assert_eq!(fleeting(&told), 2);
}

#[test]
fn row_22_who_acknowledges_that_a_rule_changed_says_why() {
    let mut told = told();
    told.good(1, 0, 30.0);
    told.command(2, Verb::Ack).unwrap();
    told.told();
    let mut builder = builder(&["a", "b"], 0);
    let rule = rule(&mut builder, "gas");
    let levels = vec![level("L1", high(90.0, 3.0))];
    builder.alarm(spec(rule, levels)).unwrap();
    let program = Arc::new(builder.build());
    let snapshot = told.engine.snapshot();
    let mut told = Told {
        engine: Engine::restore(program, &snapshot, &mut told.effects).unwrap(),
        ..told
    };
    let mut told = {
        told.expect(&["2 gas config-changed L1 B", "2 gas returned L1 D"]);
        restarted(told)
    };
    assert!(told.engine.alarm(AlarmIdx(0)).config_changed);
    assert_eq!(told.command(3, Verb::Ack), Err(Refusal::NoReason));
    told.command_why(4, Verb::Ack).unwrap();
    assert!(!told.engine.alarm(AlarmIdx(0)).config_changed);
    told.expect(&["4 gas acked L1 A"]);
}

#[test]
fn row_22_a_changed_rule_ends_its_suppression_aloud_and_keeps_what_people_decided() {
    let mut told = told();
    told.good(1, 1, 1.0);
    told.act(2, out(100)).unwrap();
    told.told();
    let mut builder = builder(&["a", "b"], 0);
    let rule = builder
        .rule(RuleInfo {
            name: "gas".into(),
            hash: "another".into(),
            ..RuleInfo::default()
        })
        .unwrap();
    builder
        .alarm(spec(rule, vec![level("L1", high(25.0, 3.0))]))
        .unwrap();
    let program = Arc::new(builder.build());
    let mut told = Told {
        engine: Engine::restore(program, &told.engine.snapshot(), &mut told.effects).unwrap(),
        ..told
    };
    told.time(200);
    told.expect(&["2 gas config-changed - I", "100 gas in-service - A"]);
}
