//! Alarms on a clock of our own, and what is said of how fast they come.

use std::sync::Arc;

use rules::effect::{AlarmState, Cause, Flags, Input};
use rules::program::{
    AlarmSpec, Colour, LevelSpec, LifeSpec, ProgramBuilder, RuleInfo, Scope, Test,
};
use rules::value::Tri;

use super::*;

const MINUTE: i64 = 60_000;

/// Twenty alarms `-/n0/high` to `-/n19/high`, and the two that say that there are too many.
fn program() -> Program {
    let mut builder = ProgramBuilder::new();
    let rule = |builder: &mut ProgramBuilder, name: &str| {
        let name = name.into();
        let info = RuleInfo {
            name,
            ..RuleInfo::default()
        };
        builder.rule(info).unwrap()
    };
    let high = rule(&mut builder, "high");
    let rates = [FLOOD, CHATTER].map(|name| rule(&mut builder, name));
    let nodes = (0..20).map(|index| (format!("n{index}"), high));
    let own = rates.map(|rule| ("gw".to_owned(), rule));
    for (node, rule) in nodes.chain(own) {
        let spec = AlarmSpec {
            scope: Scope::Node(node),
            rule,
            value: None,
            eu: None,
            only_while: None,
            levels: vec![LevelSpec {
                name: "on".into(),
                colour: Colour::Yellow,
                severity: 500,
                test: Test::External,
                on_delay_ms: 0,
                off_delay_ms: 0,
                latch: false,
                overlays: Vec::new(),
            }],
            unknown_hold_ms: 0,
            life: LifeSpec::default(),
            set_by_site: 0,
        };
        builder.alarm(spec).unwrap();
    }
    builder.build()
}

/// An engine and what is said of it.
struct Plant {
    engine: Engine,
    rate: Rate,
}

impl Plant {
    fn new() -> Self {
        Self {
            engine: Engine::new(Arc::new(program()), UtcMs(0)),
            rate: Rate::default(),
        }
    }

    fn find(&self, id: &str) -> AlarmIdx {
        self.engine.program().find_alarm(id).unwrap()
    }

    /// An alarm comes and goes.
    fn comes(&mut self, id: &str, at: i64) {
        let alarm = self.find(id);
        let mut effects = Vec::new();
        for active in [Tri::True, Tri::False] {
            let input = Input::Condition {
                alarm,
                active,
                reason: "",
            };
            self.engine.handle(input, UtcMs(at), &mut effects).unwrap();
        }
        for effect in &effects {
            self.rate.take(self.engine.program(), effect);
        }
        self.look(at);
    }

    fn look(&mut self, at: i64) -> (Option<&str>, Option<&str>) {
        self.rate.look(self.engine.program(), UtcMs(at));
        (self.rate.flood(), self.rate.chatter())
    }

    /// So many alarms, one a second.
    fn many(&mut self, n: i64, from: i64) {
        for index in 0..n {
            self.comes(&format!("-/n{index}/high"), from + index * 1_000);
        }
    }
}

#[test]
fn the_eleventh_alarm_within_ten_minutes_is_a_flood_that_names_its_first() {
    let mut plant = Plant::new();
    plant.many(10, 0);
    assert_eq!(plant.look(9_000), (None, None));
    plant.comes("-/n10/high", 10 * MINUTE - 1);
    let first = "-/n0/high";
    assert_eq!(plant.look(10 * MINUTE - 1), (Some(first), None));
}

#[test]
fn ten_alarms_within_ten_minutes_and_one_later_are_no_flood() {
    let mut plant = Plant::new();
    plant.many(10, 0);
    plant.comes("-/n10/high", 10 * MINUTE);
    assert_eq!(plant.look(10 * MINUTE), (None, None));
}

#[test]
fn a_flood_stands_until_fewer_than_five_alarms_are_within_ten_minutes() {
    let mut plant = Plant::new();
    plant.many(11, 0);
    plant.many(4, 5 * MINUTE);
    // The eleventh of the first and the four that came later.
    let ends = 10_000 + 10 * MINUTE;
    assert!(plant.look(ends - 1).0.is_some());
    assert_eq!(plant.rate.poll_timeout(), Some(UtcMs(ends)));
    assert_eq!(plant.look(ends), (None, None));
    assert_eq!(plant.rate.poll_timeout(), None);
}

#[test]
fn an_alarm_that_comes_three_times_within_a_minute_chatters_until_it_has_not_come_for_ten() {
    let mut plant = Plant::new();
    for at in [0, 30_000, 60_000] {
        plant.comes("-/n3/high", at);
    }
    assert_eq!(plant.look(60_000), (None, None), "a whole minute");
    plant.comes("-/n3/high", 89_999);
    assert_eq!(plant.look(89_999), (None, Some("-/n3/high")));
    for at in [1_000, 2_000, 3_000] {
        plant.comes("-/n1/high", 90_000 + at);
    }
    let both = Some("-/n1/high, -/n3/high");
    assert_eq!(plant.look(93_000).1, both);
    for (before, is_news) in [
        ("-/n3/high", true),
        ("-/n3/high, -/n1/high, -/n2/high", false),
    ] {
        assert_eq!(plant.rate.chatters_more_than(before), is_news, "{before}");
    }
    // Slower than thrice a minute, and still not steady.
    plant.comes("-/n3/high", 93_000 + 9 * MINUTE);
    let ends = 93_000 + 10 * MINUTE;
    assert_eq!(plant.rate.poll_timeout(), Some(UtcMs(ends)));
    assert_eq!(plant.look(ends).1, Some("-/n3/high"));
    assert_eq!(plant.look(ends + 9 * MINUTE).1, None);
}

#[test]
fn what_says_that_there_are_too_many_is_none_of_them() {
    let mut plant = Plant::new();
    plant.many(10, 0);
    for at in [11_000, 12_000, 13_000] {
        plant.comes("-/gw/sys.flood", at);
        plant.comes("-/gw/sys.chatter", at);
    }
    assert_eq!(plant.look(13_000), (None, None));
}

#[test]
fn tests_and_what_was_put_aside_do_not_sound_and_do_not_count() {
    let normal = Flags {
        active: true,
        acked: false,
        ..Flags::NORMAL
    };
    let aside = [
        Flags {
            test: true,
            ..normal
        },
        Flags {
            shelved: true,
            ..normal
        },
        Flags {
            suppressed: true,
            ..normal
        },
        Flags {
            out_of_service: true,
            ..normal
        },
    ];
    for (flags, sounds) in aside
        .map(|flags| (flags, false))
        .into_iter()
        .chain([(normal, true)])
    {
        let mut plant = Plant::new();
        let alarm = plant.find("-/n0/high");
        let state = AlarmState {
            flags,
            ..plant.engine.alarm(alarm)
        };
        let effect = |at| Effect {
            kind: EventKind::Raised,
            alarm,
            at: UtcMs(at),
            cause: Cause::Timer,
            by: None,
            comment: None,
            switched: None,
            state: state.clone(),
        };
        for at in 0..11 {
            plant.rate.take(plant.engine.program(), &effect(at));
        }
        let (flood, chatter) = plant.look(11);
        assert_eq!(
            (flood.is_some(), chatter.is_some()),
            (sounds, sounds),
            "{flags:?}"
        );
    }
}

#[test]
fn a_restart_ends_neither_a_flood_nor_what_is_said_of_alarms_that_chatter() {
    let mut plant = Plant::new();
    plant.many(11, 0);
    for at in [11_000, 12_000, 13_000] {
        plant.comes("-/n3/high", at);
    }
    let (flood, chatter) = plant.look(14_000);
    let [flood, chatter] = [flood, chatter].map(|reason| reason.map(str::to_owned));
    let mut rate = Rate::resume(&plant.engine);
    rate.stands(
        plant.engine.program(),
        flood.as_deref(),
        chatter.as_deref(),
        UtcMs(20_000),
    );
    plant.rate = rate;
    let stand = (flood.as_deref(), chatter.as_deref());
    assert_eq!(plant.look(20_000), stand);
    // Three alarms that come again and again were a flood too: what came before the start is not counted out.
    assert_eq!(plant.look(20_000 + 10 * MINUTE - 1), stand);
    assert_eq!(plant.look(20_000 + 10 * MINUTE), (None, None));
}
