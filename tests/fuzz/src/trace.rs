//! What happens to a program: readings, deeds and gaps, as the bytes say that made it.

use ::rules::effect::{AlarmIdx, Command, Input, Verb};
use ::rules::point::PointIdx;
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

const STEPS: u64 = 64;

/// Inputs with their times, for so many points and alarms.
pub(crate) fn trace(
    bytes: &[u8],
    (n_points, n_alarms): (u32, u32),
) -> impl Iterator<Item = (Input<'static>, UtcMs)> {
    // FNV-1a of the bytes, and SplitMix64 from there.
    let seed = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut now = 0;
    (0..STEPS).map(move |step| {
        let mut dice = mixed(seed.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        let mut roll = |below: u32| {
            let rolled = u32::try_from(dice % u64::from(below.max(1))).expect("below a u32");
            dice = mixed(dice);
            rolled
        };
        now += [0, 1, 40, 900, 5_000, 90_000][usize::try_from(roll(6)).expect("small")];
        let (point, alarm) = (PointIdx(roll(n_points)), AlarmIdx(roll(n_alarms)));
        let quality = [
            Quality::GOOD,
            Quality::GOOD,
            Quality::UNCERTAIN,
            Quality::BAD,
        ];
        let quality = quality[usize::try_from(roll(4)).expect("small")];
        let value = [0.0, 1.0, 30.0, 60.0, 1e4, -5.0, 19.0, 23.7];
        let value = value[usize::try_from(roll(8)).expect("small")];
        let sample = Sample {
            at: UtcMs(now),
            value: (!quality.is_bad()).then_some(Value::Number(value)),
            quality,
            clock: Clock::Synced,
        };
        let input = match roll(16) {
            0 => Input::Late { point, sample },
            1..=3 => Input::Command(Command {
                until: Some(UtcMs(now + 60_000)),
                second: Some("li"),
                ticket: Some("W-1"),
                ..Command::new(
                    Verb::ALL[usize::try_from(roll(11)).expect("small")],
                    alarm,
                    "wang",
                )
            }),
            4 => {
                let from = UtcMs(now);
                now += 3_000;
                Input::Down {
                    from,
                    to: UtcMs(now),
                }
            }
            5 => Input::Time,
            _ => Input::Sample { point, sample },
        };
        (input, UtcMs(now))
    })
}

fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
