//! A second opinion on limits: slow, plain, millisecond by millisecond.

use std::sync::Arc;

use proptest::prelude::*;
use rules::effect::{EventKind, Input};
use rules::engine::Engine;
use rules::point::PointIdx;
use rules::program::{LevelSpec, Test};
use telemetry::{Clock, Quality, Sample, Severity, UtcMs, Value};

use crate::random::{Dice, limits, quality};
use crate::support::{builder, rule, spec};

const MAX_AGE_MS: i64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    True,
    WeakFalse,
    False,
    Unknown,
}

#[derive(Clone, Debug, Default)]
struct Level {
    on: bool,
    /// How many milliseconds its condition was true, or firmly false.
    true_for: u64,
    false_for: u64,
}

/// One alarm with limits on one point.
struct Oracle {
    specs: Vec<LevelSpec>,
    levels: Vec<Level>,
    reading: Option<(f64, Quality)>,
    read_at: i64,
    now: i64,
    active: Option<usize>,
    told: Vec<(i64, EventKind, usize)>,
}

impl Oracle {
    fn new(specs: Vec<LevelSpec>) -> Self {
        Self {
            levels: vec![Level::default(); specs.len()],
            specs,
            reading: None,
            read_at: 0,
            now: 0,
            active: None,
            told: Vec::new(),
        }
    }

    fn is_high(&self, level: usize) -> bool {
        matches!(self.specs[level].test, Test::High { .. })
    }

    fn answer(&self, level: usize) -> Answer {
        let Some((value, quality)) = self.reading else {
            return Answer::Unknown;
        };
        let on = self.levels[level].on;
        let holds = match self.specs[level].test {
            Test::High { limit, deadband } if on => value >= limit - deadband,
            Test::High { limit, .. } => value >= limit,
            Test::Low { limit, deadband } if on => value <= limit + deadband,
            Test::Low { limit, .. } => value <= limit,
            Test::When(_) | Test::External => unreachable!("limits only"),
        };
        match (quality.severity(), holds) {
            (Severity::Bad, _) => Answer::Unknown,
            (_, true) => Answer::True,
            (Severity::Good, false) => Answer::False,
            (Severity::Uncertain, false) => Answer::WeakFalse,
        }
    }

    fn graver_on(&self, level: usize) -> bool {
        (level + 1..self.levels.len())
            .any(|other| self.levels[other].on && self.is_high(other) == self.is_high(level))
    }

    fn turn_on(&mut self, level: usize) {
        for other in 0..self.levels.len() {
            if self.is_high(other) != self.is_high(level) {
                if self.levels[other].on {
                    self.levels[other] = Level::default();
                }
            } else if other <= level && !self.levels[other].on {
                self.levels[other] = Level {
                    on: true,
                    ..Level::default()
                };
            }
        }
    }

    /// What one more millisecond under the present answers does.
    fn pass(&mut self) {
        let were_on: Vec<_> = self.levels.iter().map(|level| level.on).collect();
        let answers: Vec<_> = (0..self.levels.len())
            .map(|level| self.answer(level))
            .collect();
        for level in (0..self.levels.len()).rev() {
            if were_on[level] != self.levels[level].on {
                continue;
            }
            let state = &mut self.levels[level];
            if !state.on && answers[level] == Answer::True {
                state.true_for += 1;
                if state.true_for >= self.specs[level].on_delay_ms {
                    self.turn_on(level);
                }
            } else if state.on && answers[level] == Answer::False {
                state.false_for += 1;
                if state.false_for >= self.specs[level].off_delay_ms {
                    *state = Level::default();
                }
            }
        }
        self.tell();
        self.look();
        if self.now == self.read_at + MAX_AGE_MS + 1 {
            self.reading = None;
            self.look();
        }
    }

    /// What the answers do at once.
    fn look(&mut self) {
        for level in (0..self.levels.len()).rev() {
            let answer = self.answer(level);
            let at_once = self.specs[level].on_delay_ms == 0 || self.graver_on(level);
            let state = &mut self.levels[level];
            match (state.on, answer) {
                (false, Answer::True) if at_once => self.turn_on(level),
                (false, Answer::False | Answer::WeakFalse) => state.true_for = 0,
                (true, Answer::False) if self.specs[level].off_delay_ms == 0 => {
                    *state = Level::default();
                }
                (true, Answer::True | Answer::WeakFalse | Answer::Unknown) => state.false_for = 0,
                (false, Answer::True | Answer::Unknown) | (true, Answer::False) => {}
            }
        }
        self.tell();
    }

    fn tell(&mut self) {
        let top = (0..self.levels.len())
            .rev()
            .find(|level| self.levels[*level].on);
        let kind = match (self.active, top) {
            (before, after) if before == after => return,
            (Some(before), None) => {
                self.told.push((self.now, EventKind::Returned, before));
                self.active = None;
                return;
            }
            (None, _) => EventKind::Raised,
            (Some(before), Some(after))
                if after < before && self.is_high(before) == self.is_high(after) =>
            {
                EventKind::LevelDown
            }
            _ => EventKind::LevelUp,
        };
        self.active = top;
        self.told.push((self.now, kind, top.unwrap()));
    }

    fn pass_until(&mut self, now: i64) {
        while self.now < now {
            self.now += 1;
            self.pass();
        }
    }

    fn read(&mut self, now: i64, value: f64, quality: Quality) {
        self.pass_until(now);
        self.reading = Some((value, quality));
        self.read_at = now;
        self.look();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn limits_are_raised_and_cleared_as_a_plain_reference_says(seed in any::<u64>(), steps in 1_usize..1_000) {
        let mut dice = Dice(seed);
        let mut builder = builder(&["a"], 2);
        let rule = rule(&mut builder, "limits");
        let levels = limits(&mut dice);
        builder.alarm(spec(rule, levels.clone())).unwrap();
        let mut engine = Engine::new(Arc::new(builder.build()), UtcMs(0));
        let mut oracle = Oracle::new(levels);
        let mut effects = Vec::new();
        let mut now = 0;
        // A value that walks meets limits, deadbands and delays; one that jumps meets sides.
        let mut value = 5.0;
        let jumps = dice.one_in(4);
        for _ in 0..steps {
            now += dice.pick(&[0, 1, 1, 2, 6, 7, 20, 50, 400, 2_001]);
            value = if jumps {
                dice.roll(21) as f64 / 2.0
            } else {
                (value + dice.pick(&[-0.5, 0.0, 0.5])).clamp(0.0, 10.0)
            };
            let quality = quality(&mut dice);
            let sample = Sample { at: UtcMs(now), value: Some(Value::Number(value)), quality, clock: Clock::Synced };
            engine.handle(Input::Sample { point: PointIdx(0), sample }, UtcMs(now), &mut effects).unwrap();
            oracle.read(now, value, quality);
        }
        engine.handle_timeout(UtcMs(now + 10_000), &mut effects);
        oracle.pass_until(now + 10_000);
        for effect in effects.iter().filter(|effect| effect.kind == EventKind::Returned) {
            prop_assert_eq!(effect.state.quality.map(Quality::severity), Some(Severity::Good), "bad never clears");
        }
        let told: Vec<_> = effects
            .iter()
            .filter(|effect| !matches!(effect.kind, EventKind::Unknown | EventKind::Known | EventKind::TestBegun | EventKind::TestEnded))
            .map(|effect| (effect.at.0, effect.kind, usize::from(effect.state.level.unwrap())))
            .collect();
        prop_assert_eq!(told, oracle.told);
    }
}
