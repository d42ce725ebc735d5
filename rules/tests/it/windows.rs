//! A second opinion on windows: the whole history, looked through anew at each reading, as the language reference tells it.

use std::sync::Arc;

use proptest::prelude::*;
use rules::effect::Input;
use rules::engine::Engine;
use rules::expr::{Compare, Cond, Formula, Window, WindowOf};
use rules::point::PointIdx;
use rules::program::AlarmSpec;
use telemetry::{Clock, Quality, Sample, Severity, UtcMs, Value};

use crate::random::{Dice, quality};
use crate::support::{builder, high, level, rule, spec};

const MAX_AGE_MS: i64 = 2_000;
/// The engine starts in the middle of a slice.
const START: i64 = 1_000_007;

/// What was read, from when on it held; nothing where it can't be used.
#[derive(Clone, Copy, Debug)]
struct Held {
    from: i64,
    number: Option<(f64, bool)>,
}

/// The number that a window has at `now`; the last reading is of `now`.
fn answer(function: usize, history: &[Held], length: i64, now: i64) -> Option<f64> {
    let slice = (length + 59) / 60;
    let begin = (now.div_euclid(slice) - 60) * slice;
    let is_filling = begin < START;
    // What held in the window, and for how long; the last one for no time yet.
    let spans: Vec<(i64, (f64, bool))> = history
        .iter()
        .enumerate()
        .filter_map(|(index, held)| {
            let until = history.get(index + 1).map_or(now, |next| next.from);
            let is_last = index + 1 == history.len();
            let ms = until - held.from.max(begin);
            (ms > 0 || is_last).then_some((ms.max(0), held.number?))
        })
        .collect();
    let known: i64 = spans.iter().map(|(ms, _)| ms).sum();
    let time = |value: f64| {
        spans
            .iter()
            .map(|(ms, (v, _))| *ms as f64 * f64::from(u8::from(*v >= value)))
            .sum::<f64>()
    };
    let is_enough = !is_filling && known * 10 >= (now - begin) * 9;
    let values = || spans.iter().map(|(_, (value, _))| *value);
    let good = |held: &&Held| held.number.is_some();
    let (current, _) = history.last()?.number.unzip();
    let mean = || spans.iter().map(|(ms, (v, _))| *ms as f64 * v).sum::<f64>() / known as f64;
    // Numbers that only grow are at least so much, whatever is unknown.
    match function {
        0 => {
            let known: Vec<&Held> = history.iter().filter(good).collect();
            let is_true = |held: &Held| held.number.is_some_and(|(value, _)| value >= 5.0);
            let rises = known
                .windows(2)
                .filter(|pair| pair[1].from >= begin && !is_true(pair[0]) && is_true(pair[1]));
            Some(rises.count() as f64)
        }
        1 => Some(time(5.0) / 1_000.0),
        2 => Some(
            history
                .iter()
                .filter(|held| held.from >= begin)
                .filter_map(|held| held.number)
                .map(|(value, _)| value)
                .sum(),
        ),
        3 => {
            let known: Vec<(i64, f64)> = history
                .iter()
                .filter_map(|held| Some((held.from, held.number?.0)))
                .collect();
            let grown = known
                .windows(2)
                .filter(|pair| pair[1].0 >= begin)
                .map(|pair| {
                    let (before, after) = (pair[0].1, pair[1].1);
                    if after < before {
                        after
                    } else {
                        after - before
                    }
                });
            Some(grown.sum())
        }
        4 => is_enough.then(mean),
        5 => is_enough.then(|| {
            let mean = mean();
            let squares = spans
                .iter()
                .map(|(ms, (v, _))| *ms as f64 * (v - mean) * (v - mean));
            (squares.sum::<f64>() / known as f64).sqrt()
        }),
        6 => is_enough.then(|| values().fold(f64::INFINITY, f64::min)),
        7 => is_enough.then(|| values().fold(f64::NEG_INFINITY, f64::max)),
        9 | 10 => {
            let slice = (length + 59) / 60;
            let begins = (0..61).map(|back| now.div_euclid(slice) * slice - back * slice);
            let held =
                begins.map(|begin| history.iter().rev().find(|held| held.from <= begin)?.number);
            let known: Vec<f64> = held.flatten().map(|(value, _)| value).collect();
            let median = |mut numbers: Vec<f64>| {
                numbers.sort_by(f64::total_cmp);
                (numbers[(numbers.len() - 1) / 2] + numbers[numbers.len() / 2]) / 2.0
            };
            (!is_filling && known.len() >= 55).then(|| {
                let middle = median(known.clone());
                if function == 9 {
                    return middle;
                }
                median(known.iter().map(|value| (value - middle).abs()).collect())
            })
        }
        _ => {
            let before = history.iter().rev().find(|held| held.from <= begin);
            let (before, _) = before?.number?;
            (!is_filling).then_some(current? - before)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_window_says_what_the_whole_history_says(seed in any::<u64>(), function in 0_usize..11, steps in 1_usize..400) {
        let mut dice = Dice(seed);
        let length = dice.pick(&[1_000, 3_001, 20_000, 60_000]);
        let mut builder = builder(&["a"], 2);
        let rule = rule(&mut builder, "window");
        let point = PointIdx(0);
        let is_five = || Cond::Compare(Compare::Ge, Formula::Point(point), Formula::Const(5.0));
        let of = match function {
            0 => WindowOf::Count(is_five()),
            1 => WindowOf::TimeIn(is_five()),
            2 => WindowOf::Sum(point),
            3 => WindowOf::Increase(point),
            4 => WindowOf::Mean(Formula::Point(point)),
            5 => WindowOf::Stdev(Formula::Point(point)),
            6 => WindowOf::Lowest(Formula::Point(point)),
            7 => WindowOf::Highest(Formula::Point(point)),
            9 => WindowOf::Median(Formula::Point(point)),
            10 => WindowOf::Mad(Formula::Point(point)),
            _ => WindowOf::Change(Formula::Point(point)),
        };
        let window = Formula::Window(Box::new(Window { of, length_ms: u64::try_from(length).unwrap() }));
        let alarm = builder
            .alarm(AlarmSpec { value: Some(window), ..spec(rule, vec![level("x", high(1e9, 0.0))]) })
            .unwrap();
        let mut engine = Engine::new(Arc::new(builder.build()), UtcMs(START));
        let mut history: Vec<Held> = Vec::new();
        let mut effects = Vec::new();
        let mut now = START;
        for step in 0..steps {
            now += dice.pick(&[1, 16, 17, 50, 400, 1_000, 1_000, 2_001, 2_500]);
            let quality = if dice.one_in(4) { quality(&mut dice) } else { Quality::GOOD };
            let value = dice.roll(21) as f64 / 2.0;
            if let Some(last) = history.last().copied()
                && now > last.from + MAX_AGE_MS
            {
                history.push(Held { from: last.from + MAX_AGE_MS + 1, number: None });
                if last.from + MAX_AGE_MS + 1 == now {
                    history.pop();
                }
            }
            let number = match quality.severity() {
                Severity::Good => Some((value, false)),
                Severity::Uncertain => Some((value, true)),
                Severity::Bad => None,
            };
            history.push(Held { from: now, number });
            let sample = Sample { at: UtcMs(now), value: Some(Value::Number(value)), quality, clock: Clock::Synced };
            engine.handle(Input::Sample { point, sample }, UtcMs(now), &mut effects).unwrap();
            let found = engine.alarm(alarm).value.map(Value::as_f64);
            let expected = answer(function, &history, length, now);
            let same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                (found, expected) => found == expected,
            };
            prop_assert!(same, "step {} at {}: found {:?}, expected {:?}", step, now, found, expected);
        }
    }
}
