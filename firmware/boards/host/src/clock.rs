//! The only file of the node on Linux that reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use node::{Now, Wall};
use telemetry::UtcMs;

/// A wall clock before this was never set: 2025-01-01.
const NEVER_SET_BEFORE: UtcMs = UtcMs(1_735_689_600_000);

/// Both clocks of a node, from its start on.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts at 0 milliseconds.
    #[allow(clippy::disallowed_methods, reason = "the clock's own file")]
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Both clocks now. A wall clock that shows a time before this program was written counts as never set.
    #[allow(clippy::disallowed_methods, reason = "the clock's own file")]
    pub fn now(&self) -> Now {
        let utc = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .map(UtcMs);
        let wall = match utc {
            Some(utc) if utc >= NEVER_SET_BEFORE => Wall::Synced(utc),
            _ => Wall::Unsynced,
        };
        Now {
            mono: self.mono(),
            wall,
        }
    }

    /// Milliseconds since the start.
    pub fn mono(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Time since the start, to the nanosecond; for gaps between frames.
    #[allow(clippy::disallowed_methods, reason = "the clock's own file")]
    pub(crate) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }
}
