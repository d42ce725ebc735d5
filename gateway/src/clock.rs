//! What time it is: the system's clocks, and the log's time T made from them.
//!
//! The only file of the gateway that reads a clock. [`LogTime`] doesn't: it takes what was read.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use telemetry::UtcMs;

/// How far the wall clock may be ahead of T before T jumps to it, in milliseconds.
const JUMP_MS: i64 = 10_000;
/// How far the wall clock may be behind T before that is an alarm, in milliseconds.
const BEHIND_MS: i64 = 5_000;
/// T draws near to the wall clock by 1 ms in this many milliseconds.
const SLEW_MS: u64 = 200;

/// The system's two clocks, read together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// What the wall clock says.
    pub wall: UtcMs,
    /// Milliseconds since some instant; never goes back.
    pub mono: u64,
}

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Begins to count.
    #[allow(clippy::disallowed_methods, reason = "this is the clock's file")]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Reads both clocks. A wall clock before 1970 says 1970.
    #[allow(clippy::disallowed_methods, reason = "this is the clock's file")]
    pub fn read(&self) -> Reading {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        Reading {
            wall: UtcMs(i64::try_from(wall).unwrap_or(i64::MAX)),
            mono: u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// The log's time: UTC at monotonic pace, never going back.
///
/// It follows the wall clock slowly. When the wall clock is far ahead, as after the first synchronisation, T jumps, and that is a time in which nothing was looked at.
/// When the wall clock is behind, T goes on from where it was.
#[derive(Clone, Copy, Debug)]
pub struct LogTime {
    /// T at `mono`.
    t: UtcMs,
    mono: u64,
    /// When T last drew near to the wall clock.
    slewed: u64,
    behind: bool,
}

impl LogTime {
    /// Goes on after the last T of the log; without one T is the wall clock's.
    pub fn start(last: Option<UtcMs>, now: Reading) -> Self {
        let t = last.map_or(now.wall, |last| last.max(now.wall));
        Self {
            t,
            mono: now.mono,
            slewed: now.mono,
            behind: t.0.saturating_sub(now.wall.0) > BEHIND_MS,
        }
    }

    /// T now. When it jumped, where from: nothing was looked at between.
    pub fn advance(&mut self, now: Reading) -> (UtcMs, Option<UtcMs>) {
        self.t = self.t.plus_ms(now.mono.saturating_sub(self.mono));
        self.mono = self.mono.max(now.mono);
        let ahead = now.wall.0.saturating_sub(self.t.0);
        if ahead > JUMP_MS {
            let from = std::mem::replace(&mut self.t, now.wall);
            self.behind = false;
            self.slewed = self.mono;
            return (self.t, Some(from));
        }
        let steps = self.mono.saturating_sub(self.slewed) / SLEW_MS;
        if steps > 0 {
            self.slewed += steps * SLEW_MS;
            // Never more than a hundredth of what has passed, so T grows.
            let most = i64::try_from(steps).unwrap_or(i64::MAX);
            self.t = UtcMs(self.t.0 + ahead.clamp(-most, most));
        }
        self.behind = -ahead > BEHIND_MS || (self.behind && ahead < 0);
        (self.t, None)
    }

    /// True while the wall clock is behind T: what a sample's time says of its age means nothing then.
    pub fn is_behind(&self) -> bool {
        self.behind
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(wall: i64, mono: u64) -> Reading {
        Reading {
            wall: UtcMs(wall),
            mono,
        }
    }

    #[test]
    fn t_goes_on_after_the_last_one_when_the_wall_clock_is_behind_until_they_meet() {
        let mut time = LogTime::start(Some(UtcMs(100_000)), at(50_000, 0));
        assert!(time.is_behind());
        let (t, _) = time.advance(at(51_000, 1_000));
        assert_eq!(t, UtcMs(101_000 - 5));
        let (t, jumped) = time.advance(at(103_000, 2_000));
        assert_eq!((time.is_behind(), jumped), (false, None));
        assert!(t.0 < 103_000);
    }

    #[test]
    fn t_jumps_when_the_wall_clock_is_set_forward() {
        let mut time = LogTime::start(None, at(1_000, 0));
        assert_eq!(time.advance(at(11_500, 500)), (UtcMs(1_502), None));
        let (t, jumped) = time.advance(at(50_000, 600));
        assert_eq!((t, jumped), (UtcMs(50_000), Some(UtcMs(1_602))));
    }

    #[test]
    fn small_differences_go_away_slowly() {
        let mut time = LogTime::start(None, at(0, 0));
        for second in 1..=100 {
            time.advance(at(second * 1_000 + 400, second.unsigned_abs() * 1_000));
        }
        assert_eq!(time.advance(at(100_400, 100_000)).0, UtcMs(100_400));
    }

    proptest! {
        #[test]
        fn t_never_goes_back_and_keeps_pace(
            last in prop::option::of(-100_000_i64..100_000),
            steps in prop::collection::vec((-60_000_i64..60_000, 0..5_000_u64), 1..50),
        ) {
            let mut now = at(0, 0);
            let mut time = LogTime::start(last.map(UtcMs), now);
            let mut before = time.t;
            for (step, passed) in steps {
                now.mono += passed;
                now.wall = UtcMs(now.wall.0 + i64::try_from(passed).unwrap() + step);
                let (t, jumped) = time.advance(now);
                prop_assert!(t >= before);
                if jumped.is_none() {
                    let grown = t.since_ms(before);
                    prop_assert!(grown.abs_diff(passed) <= passed / 200 + 1, "{} in {}", grown, passed);
                }
                before = t;
            }
        }
    }
}
