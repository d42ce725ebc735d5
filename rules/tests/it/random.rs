//! Random programs and traces from a seed.

use std::sync::Arc;

use rules::calendar::Calendar;
use rules::effect::{AlarmIdx, Command, Effect, Input, Verb};
use rules::engine::Engine;
use rules::expr::{Arith, Compare, Cond, Degrade, Formula, Health, Window, WindowOf};
use rules::point::{PointIdx, PointInfo};
use rules::program::{
    AlarmSpec, Colour, LevelSpec, LifeSpec, Overlay, Program, ProgramBuilder, RuleIdx, RuleInfo,
    Scope, Suppress, Test,
};
use rules::value::Tri;
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

use crate::support::{conditions, level};

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % below
    }

    /// A seed for other dice.
    pub(crate) fn seed(&mut self) -> u64 {
        self.roll(u64::MAX)
    }

    pub(crate) fn index(&mut self, below: usize) -> usize {
        usize::try_from(self.roll(below as u64)).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    fn number(&mut self) -> f64 {
        self.roll(21) as f64 / 2.0
    }

    fn point(&mut self, points: u32) -> PointIdx {
        PointIdx(u32::try_from(self.roll(u64::from(points))).unwrap())
    }
}

/// What conditions may look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    points: u32,
    /// So many alarms before.
    alarms: u32,
    /// Values alone: not how a point is, nor the time of day, nor another alarm.
    values_only: bool,
}

impl Sight {
    /// The same, without other alarms.
    fn alone(self) -> Self {
        Self { alarms: 0, ..self }
    }
}

const DELAYS: [u64; 6] = [0, 0, 1, 7, 50, 400];

/// High levels from 5 up and low ones from 4 down, with random delays.
pub(crate) fn limits(dice: &mut Dice) -> Vec<LevelSpec> {
    let n_high = dice.index(4);
    let n_low = if n_high == 0 { 1 } else { dice.index(3) };
    let mut levels = Vec::new();
    for index in 0..n_high + n_low {
        let high = index < n_high;
        let step = (if high { index } else { index - n_high }) as f64;
        let deadband = dice.roll(4) as f64 / 2.0;
        let test = if high {
            Test::High {
                limit: 5.0 + step * 1.5,
                deadband,
            }
        } else {
            Test::Low {
                limit: 4.0 - step * 1.5,
                deadband,
            }
        };
        levels.push(timed(dice, &format!("l{index}"), test));
    }
    levels
}

fn timed(dice: &mut Dice, name: &str, test: Test) -> LevelSpec {
    let colour = dice.pick(&[Colour::Blue, Colour::Yellow, Colour::Orange, Colour::Red]);
    LevelSpec {
        colour,
        severity: colour.floor(),
        on_delay_ms: dice.pick(&DELAYS),
        off_delay_ms: dice.pick(&DELAYS),
        latch: dice.one_in(4),
        overlays: Vec::new(),
        ..level(name, test)
    }
}

fn formula(dice: &mut Dice, sight: Sight, depth: u64) -> Formula {
    match dice.roll(if depth == 0 { 2 } else { 7 }) {
        0 => Formula::Const(dice.number()),
        1 => Formula::Point(dice.point(sight.points)),
        2 => Formula::Abs(Box::new(formula(dice, sight, depth - 1))),
        3 => Formula::Since(Box::new(condition(dice, sight.alone(), depth - 1))),
        4 | 5 => Formula::Window(Box::new(window(dice, sight, depth - 1))),
        _ => {
            let arith = dice.pick(&[Arith::Add, Arith::Sub, Arith::Mul, Arith::Div, Arith::Min]);
            let left = formula(dice, sight, depth - 1);
            Formula::Arith(
                arith,
                Box::new(left),
                Box::new(formula(dice, sight, depth - 1)),
            )
        }
    }
}

fn window(dice: &mut Dice, sight: Sight, depth: u64) -> Window {
    let of = match dice.roll(11) {
        0 => WindowOf::Count(condition(dice, sight.alone(), depth)),
        1 => WindowOf::TimeIn(condition(dice, sight.alone(), depth)),
        2 => WindowOf::Sum(dice.point(sight.points)),
        3 => WindowOf::Increase(dice.point(sight.points)),
        4 => WindowOf::Mean(formula(dice, sight, depth)),
        5 => WindowOf::Stdev(formula(dice, sight, depth)),
        6 => WindowOf::Lowest(formula(dice, sight, depth)),
        7 => WindowOf::Highest(formula(dice, sight, depth)),
        8 => WindowOf::Median(formula(dice, sight, depth)),
        9 => WindowOf::Mad(formula(dice, sight, depth)),
        _ => WindowOf::Change(formula(dice, sight, depth)),
    };
    Window {
        of,
        length_ms: dice.pick(&[600, 1_001, 6_000, 100_000]),
    }
}

/// The first minute of the day, or the first hour but that.
fn calendar(dice: &mut Dice) -> Calendar {
    Calendar {
        zone_minutes: 0,
        yearly: Vec::new(),
        dates: Vec::new(),
        weekdays: 0b111_1111,
        daily: Some(dice.pick(&[(0, 1), (1, 60)])),
    }
}

/// Makes some limits stricter at times.
fn overlay(dice: &mut Dice, levels: &mut [LevelSpec]) {
    for level in levels {
        let limit = match level.test {
            Test::High { limit, .. } => limit - 0.5,
            Test::Low { limit, .. } => limit + 0.25,
            Test::When(_) | Test::External => continue,
        };
        if dice.one_in(3) {
            let during = calendar(dice);
            level.overlays.push(Overlay { during, limit });
        }
    }
}

/// Some alarms ask again, some may not be shelved, some are suppressed.
fn life(dice: &mut Dice, sight: Sight) -> LifeSpec {
    let n_reasons = if dice.one_in(3) { 1 + dice.roll(2) } else { 0 };
    LifeSpec {
        re_alarm_ms: dice.pick(&[0, 0, 30, 900]),
        shelve_max_ms: dice.pick(&[0, 1_000, 8 * 3_600_000]),
        suppress: (0..n_reasons)
            .map(|_| Suppress {
                condition: condition(dice, sight.alone(), 1),
                hold_off_ms: dice.pick(&DELAYS),
            })
            .collect(),
    }
}

fn condition(dice: &mut Dice, sight: Sight, depth: u64) -> Cond {
    let kinds = if depth == 0 { 4 } else { 11 };
    match dice.roll(kinds) {
        8 if sight.points > 1 => Cond::Same {
            n: 2,
            points: (0..sight.points).map(PointIdx).collect(),
        },
        10 => Cond::Repeats {
            n: 10,
            point: dice.point(sight.points),
        },
        2 | 3 | 8 | 9 if sight.values_only => Cond::On(dice.point(sight.points)),
        8 | 9 => Cond::During(calendar(dice)),
        0 => Cond::On(dice.point(sight.points)),
        1 => {
            let compare = dice.pick(&[Compare::Ge, Compare::Lt, Compare::Ne]);
            let left = Formula::Point(dice.point(sight.points));
            Cond::Compare(compare, left, formula(dice, sight, 2))
        }
        2 if sight.alarms > 0 => Cond::Alarm {
            alarm: AlarmIdx(u32::try_from(dice.roll(u64::from(sight.alarms))).unwrap()),
            severity: dice.pick(&[0, 401, 601, 801]),
        },
        2 | 3 => {
            let health = dice.pick(&[
                Health::Stale,
                Health::Bad,
                Health::Silent,
                Health::Faulty,
                Health::Uncertain,
                Health::Overdue,
                Health::Tested,
            ]);
            Cond::Health(health, dice.point(sight.points))
        }
        4 => Cond::Not(Box::new(condition(dice, sight, depth - 1))),
        5 => Cond::Held(
            Box::new(condition(dice, sight, depth - 1)),
            dice.pick(&DELAYS),
        ),
        kind => {
            let parts: Vec<_> = (0..=dice.roll(3))
                .map(|_| condition(dice, sight, depth - 1))
                .collect();
            match kind {
                6 if dice.one_in(2) => Cond::All(parts),
                6 => Cond::Any(parts),
                _ => Cond::AtLeast {
                    k: u32::try_from(1 + dice.roll(parts.len() as u64)).unwrap(),
                    members: parts,
                    degrade: dice.pick(&[
                        Degrade::Hold,
                        Degrade::Vote,
                        Degrade::Drop,
                        Degrade::Lower,
                    ]),
                },
            }
        }
    }
}

/// What a random program is made of: the same seeds give the same points and rules.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    points: u64,
    /// A number for the name, and what the rule is.
    rules: Vec<(u64, u64)>,
    values_only: bool,
    doubts: bool,
}

impl Plan {
    /// Up to 4 points and up to 8 alarms of every kind.
    pub(crate) fn new(dice: &mut Dice) -> Self {
        Self {
            points: dice.seed(),
            rules: (0..=dice.roll(8)).map(|name| (name, dice.seed())).collect(),
            values_only: false,
            doubts: true,
        }
    }

    /// None of its rules makes readings uncertain.
    pub(crate) fn without_doubts(self) -> Self {
        Self {
            doubts: false,
            ..self
        }
    }

    /// Rules that look at values alone, and no alarm that the system says.
    pub(crate) fn of_values(dice: &mut Dice) -> Self {
        Self {
            values_only: true,
            ..Self::new(dice)
        }
    }

    /// Makes one rule another, or lets one go, or come.
    pub(crate) fn change(&mut self, dice: &mut Dice) {
        let place = dice.index(self.rules.len());
        match dice.roll(3) {
            0 if self.rules.len() > 1 => {
                self.rules.remove(place);
            }
            1 if self.rules.len() < 9 => {
                let is_new = |name: &u64| self.rules.iter().all(|(taken, _)| taken != name);
                let name = (0..).find(is_new).unwrap();
                self.rules.push((name, dice.seed()));
            }
            _ => self.rules[place].1 = dice.seed(),
        }
    }

    pub(crate) fn program(&self) -> Program {
        let mut builder = ProgramBuilder::new();
        let mut dice = Dice(self.points);
        let points = u32::try_from(1 + dice.roll(4)).unwrap();
        for index in 0..points {
            builder
                .point(PointInfo {
                    unit: "u".into(),
                    point: format!("p{index}"),
                    max_age_ms: dice.pick(&[0, 300, 2_000]),
                    digital: dice.one_in(3),
                    ..PointInfo::default()
                })
                .unwrap();
        }
        for (alarms, (name, seed)) in (0..).zip(&self.rules) {
            let sight = Sight {
                points,
                alarms: if self.values_only { 0 } else { alarms },
                values_only: self.values_only,
            };
            let rule = builder
                .rule(RuleInfo {
                    name: format!("r{name}"),
                    // Which alarms come before it is a part of what it says.
                    hash: format!("{seed} at {alarms}"),
                    makes_uncertain: self.doubts && seed % 3 == 0,
                    ..RuleInfo::default()
                })
                .unwrap();
            add_alarm(&mut builder, &mut Dice(*seed), rule, sight);
        }
        builder.build()
    }
}

fn add_alarm(builder: &mut ProgramBuilder, dice: &mut Dice, rule: RuleIdx, sight: Sight) {
    let gate = dice.one_in(3).then(|| condition(dice, sight, 2));
    let unknown_hold_ms = dice.pick(&DELAYS);
    let (value, mut levels, only_while) = match dice.roll(5) {
        0 if !sight.values_only => (None, vec![timed(dice, "on", Test::External)], None),
        0 | 1 => {
            let levels = (0..=dice.roll(3))
                .map(|index| {
                    let condition = condition(dice, sight, 3);
                    timed(dice, &format!("l{index}"), Test::When(condition))
                })
                .collect();
            (None, levels, gate)
        }
        2 => (Some(formula(dice, sight, 2)), limits(dice), gate),
        _ => {
            let value = Formula::Point(dice.point(sight.points));
            (Some(value), limits(dice), gate)
        }
    };
    if !sight.values_only {
        overlay(dice, &mut levels);
    }
    let added = builder.alarm(AlarmSpec {
        scope: Scope::Site,
        rule,
        value,
        eu: None,
        only_while,
        levels,
        unknown_hold_ms,
        life: life(dice, sight),
        set_by_site: 0,
    });
    if added.is_err() {
        // It read nothing; something else then.
        let condition = Cond::On(dice.point(sight.points));
        let levels = vec![("on", Colour::Red, condition)];
        builder.alarm(conditions("u", rule, levels)).unwrap();
    }
}

pub(crate) fn program(dice: &mut Dice) -> Arc<Program> {
    Arc::new(Plan::new(dice).program())
}

/// One step of a trace: an input and its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) input: Input<'static>,
    pub(crate) now: UtcMs,
}

pub(crate) fn quality(dice: &mut Dice) -> Quality {
    if dice.one_in(2) {
        Quality::GOOD
    } else {
        dice.pick(&[
            Quality::GOOD,
            Quality::GOOD_LOCAL_OVERRIDE,
            Quality::UNCERTAIN,
            Quality::BAD,
            Quality::COMM_ERROR,
            Quality::SENSOR_FAILURE,
            Quality::CALIBRATION,
        ])
    }
}

pub(crate) fn trace(dice: &mut Dice, program: &Program, steps: usize) -> Vec<Step> {
    trace_from(UtcMs(0), dice, program, steps)
}

pub(crate) fn trace_from(
    begins: UtcMs,
    dice: &mut Dice,
    program: &Program,
    steps: usize,
) -> Vec<Step> {
    let mut now = begins.0;
    let (points, alarms) = (program.points().len(), program.alarms().len());
    (0..steps)
        .map(|_| {
            now += dice.pick(&[0, 1, 1, 6, 7, 20, 100, 700]);
            let alarm = AlarmIdx(u32::try_from(dice.index(alarms)).unwrap());
            let point = PointIdx(u32::try_from(dice.index(points)).unwrap());
            let sample = |dice: &mut Dice, at| {
                let quality = quality(dice);
                Sample {
                    at: UtcMs(at),
                    value: (!quality.is_bad()).then(|| Value::Number(dice.number())),
                    quality,
                    clock: Clock::Synced,
                }
            };
            let input = match dice.roll(20) {
                0 => Input::Late {
                    point,
                    sample: sample(dice, now - 500),
                },
                1 | 2 => Input::Condition {
                    alarm,
                    active: dice.pick(&[Tri::False, Tri::Unknown, Tri::True]),
                    reason: dice.pick(&["", "why"]),
                },
                3..=6 => {
                    let verb = if dice.one_in(2) {
                        dice.pick(&[Verb::Ack, Verb::Reset])
                    } else {
                        dice.pick(&Verb::ALL)
                    };
                    let ahead = dice.pick(&[1, 50, 700, 5_000]);
                    Input::Command(Command {
                        comment: dice.pick(&[None, Some("seen")]),
                        until: (!dice.one_in(8)).then_some(UtcMs(now + ahead)),
                        second: dice.pick(&[None, Some("li"), Some("zhao")]),
                        ticket: dice.pick(&[None, Some("W-1")]),
                        ..Command::new(verb, alarm, dice.pick(&["li", "wang"]))
                    })
                }
                7 if dice.one_in(8) => {
                    let from = UtcMs(now);
                    now += 500;
                    Input::Down {
                        from,
                        to: UtcMs(now),
                    }
                }
                7 => Input::Time,
                _ => {
                    // Most are fresh; some come late, or their clock runs ahead.
                    let late = dice.pick(&[0, 0, 0, 0, 150, 280, -700]);
                    Input::Sample {
                        point,
                        sample: sample(dice, now - late),
                    }
                }
            };
            Step {
                input,
                now: UtcMs(now),
            }
        })
        .collect()
}

/// Feeds a step; a refused command is a part of the trace.
pub(crate) fn feed(engine: &mut Engine, step: Step, effects: &mut Vec<Effect>) {
    engine.handle(step.input, step.now, effects).ok();
}
