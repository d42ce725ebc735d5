//! Small programs and an engine that is told things in seconds.

use std::fmt::Write as _;
use std::sync::Arc;

use rules::effect::{AlarmIdx, Command, Effect, Input, Refusal, Verb};
use rules::engine::Engine;
use rules::expr::{Compare, Cond, Formula};
use rules::point::{PointIdx, PointInfo};
use rules::program::{
    AlarmSpec, Colour, LevelSpec, LifeSpec, Program, ProgramBuilder, RuleIdx, RuleInfo, Scope, Test,
};
use rules::value::Tri;
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

/// A builder with points `u/a`, `u/b` … that grow old after `max_age_s`.
pub(crate) fn builder(points: &[&str], max_age_s: u64) -> ProgramBuilder {
    let mut builder = ProgramBuilder::new();
    for point in points {
        builder
            .point(PointInfo {
                unit: "u".into(),
                point: (*point).into(),
                max_age_ms: max_age_s * 1_000,
                ..PointInfo::default()
            })
            .unwrap();
    }
    builder
}

pub(crate) fn rule(builder: &mut ProgramBuilder, name: &str) -> RuleIdx {
    builder
        .rule(RuleInfo {
            name: name.into(),
            hash: format!("hash of {name}"),
            ..RuleInfo::default()
        })
        .unwrap()
}

/// A yellow level without delays.
pub(crate) fn level(name: &str, test: Test) -> LevelSpec {
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

pub(crate) fn high(limit: f64, deadband: f64) -> Test {
    Test::High { limit, deadband }
}

pub(crate) fn low(limit: f64, deadband: f64) -> Test {
    Test::Low { limit, deadband }
}

/// An alarm on the first point, without a gate.
pub(crate) fn spec(rule: RuleIdx, levels: Vec<LevelSpec>) -> AlarmSpec {
    AlarmSpec {
        scope: Scope::Point(PointIdx(0)),
        rule,
        value: Some(Formula::Point(PointIdx(0))),
        eu: None,
        only_while: None,
        levels,
        unknown_hold_ms: 0,
        life: LifeSpec::default(),
        set_by_site: 0,
    }
}

/// An alarm of a unit, with conditions only.
pub(crate) fn conditions(
    unit: &str,
    rule: RuleIdx,
    levels: Vec<(&str, Colour, Cond)>,
) -> AlarmSpec {
    AlarmSpec {
        scope: Scope::Unit(unit.into()),
        value: None,
        ..spec(
            rule,
            levels
                .into_iter()
                .map(|(name, colour, condition)| LevelSpec {
                    colour,
                    severity: colour.ceiling(),
                    ..level(name, Test::When(condition))
                })
                .collect(),
        )
    }
}

/// Any of the points above 25 for ten seconds.
pub(crate) fn any_held(points: &[&str]) -> Arc<Program> {
    let mut builder = builder(points, 100);
    let rule = rule(&mut builder, "any");
    let is_high = |point| {
        let value = Formula::Point(PointIdx(point));
        Cond::Compare(Compare::Gt, value, Formula::Const(25.0))
    };
    let held = (0..).zip(points);
    let held = held.map(|(point, _)| Cond::Held(Box::new(is_high(point)), 10_000));
    let levels = vec![("on", Colour::Red, Cond::Any(held.collect()))];
    builder.alarm(conditions("u", rule, levels)).unwrap();
    Arc::new(builder.build())
}

/// The gas rule of the shipped pack: L1 at 25 (5 s), L2 at 50 (2 s, latching).
pub(crate) fn gas() -> Arc<Program> {
    let mut builder = builder(&["a"], 10);
    let rule = rule(&mut builder, "gas");
    let spec = spec(
        rule,
        vec![
            LevelSpec {
                on_delay_ms: 5_000,
                off_delay_ms: 30_000,
                ..level("L1", high(25.0, 3.0))
            },
            LevelSpec {
                colour: Colour::Orange,
                severity: 700,
                on_delay_ms: 2_000,
                latch: true,
                overlays: Vec::new(),
                ..level("L2", high(50.0, 3.0))
            },
        ],
    );
    builder.alarm(spec).unwrap();
    Arc::new(builder.build())
}

/// An engine with a plain-text account of what it did, one line for each effect.
pub(crate) struct Told {
    pub(crate) engine: Engine,
    pub(crate) effects: Vec<Effect>,
    /// The alarm that commands are for.
    pub(crate) alarm: AlarmIdx,
}

impl Told {
    pub(crate) fn new(program: Arc<Program>) -> Self {
        Self {
            engine: Engine::new(program, UtcMs(0)),
            effects: Vec::new(),
            alarm: AlarmIdx(0),
        }
    }

    /// Commands are for this alarm from now on.
    pub(crate) fn on(&mut self, alarm: AlarmIdx) {
        self.alarm = alarm;
    }

    pub(crate) fn reading(
        &mut self,
        second: i64,
        point: u32,
        value: Option<f64>,
        quality: Quality,
    ) {
        let at = UtcMs(second * 1_000);
        let sample = Sample {
            at,
            value: value.map(Value::Number),
            quality,
            clock: Clock::Synced,
        };
        let point = PointIdx(point);
        self.engine
            .handle(Input::Sample { point, sample }, at, &mut self.effects)
            .unwrap();
    }

    pub(crate) fn good(&mut self, second: i64, point: u32, value: f64) {
        self.reading(second, point, Some(value), Quality::GOOD);
    }

    pub(crate) fn bad(&mut self, second: i64, point: u32) {
        self.reading(second, point, None, Quality::SENSOR_FAILURE);
    }

    /// Feeds a steady good value each second, from and to inclusive.
    pub(crate) fn steady(
        &mut self,
        seconds: std::ops::RangeInclusive<i64>,
        point: u32,
        value: f64,
    ) {
        for second in seconds {
            self.good(second, point, value);
        }
    }

    pub(crate) fn late(&mut self, second: i64, source_second: i64, value: f64) {
        let sample = Sample {
            at: UtcMs(source_second * 1_000),
            value: Some(Value::Number(value)),
            quality: Quality::GOOD,
            clock: Clock::Synced,
        };
        let point = PointIdx(0);
        self.engine
            .handle(
                Input::Late { point, sample },
                UtcMs(second * 1_000),
                &mut self.effects,
            )
            .unwrap();
    }

    pub(crate) fn condition(&mut self, second: i64, alarm: u32, active: Tri, reason: &str) {
        let alarm = AlarmIdx(alarm);
        let input = Input::Condition {
            alarm,
            active,
            reason,
        };
        self.engine
            .handle(input, UtcMs(second * 1_000), &mut self.effects)
            .unwrap();
    }

    pub(crate) fn command(&mut self, second: i64, verb: Verb) -> Result<(), Refusal> {
        self.act(second, Command::new(verb, self.alarm, "li"))
    }

    /// The same, with a reason.
    pub(crate) fn command_why(&mut self, second: i64, verb: Verb) -> Result<(), Refusal> {
        let command = Command::new(verb, self.alarm, "li");
        self.act(
            second,
            Command {
                comment: Some("MOC-7"),
                ..command
            },
        )
    }

    /// A command with whatever it needs.
    pub(crate) fn act(&mut self, second: i64, command: Command<'_>) -> Result<(), Refusal> {
        let now = UtcMs(second * 1_000);
        self.engine
            .handle(Input::Command(command), now, &mut self.effects)
    }

    pub(crate) fn time(&mut self, second: i64) {
        self.engine
            .handle_timeout(UtcMs(second * 1_000), &mut self.effects);
    }

    pub(crate) fn down(&mut self, from: i64, to: i64) {
        let (from, to) = (UtcMs(from * 1_000), UtcMs(to * 1_000));
        self.engine
            .handle(Input::Down { from, to }, to, &mut self.effects)
            .unwrap();
    }

    /// Takes the account: `seconds rule event level letter`.
    pub(crate) fn told(&mut self) -> String {
        let mut told = String::new();
        for effect in self.effects.drain(..) {
            let program = self.engine.program();
            let level = effect.state.level.map_or("-", |level| {
                &program.levels_of(effect.alarm)[usize::from(level)].name
            });
            writeln!(
                told,
                "{} {} {} {level} {}",
                effect.at.0 as f64 / 1_000.0,
                program.rule_of(effect.alarm).name,
                effect.kind.word(),
                effect.state.letter().as_str(),
            )
            .unwrap();
        }
        told
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, lines: &[&str]) {
        let told = self.told();
        assert_eq!(told.lines().collect::<Vec<_>>(), lines);
    }
}
