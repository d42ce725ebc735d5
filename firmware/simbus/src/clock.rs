//! The only file that reads the clock.

use std::time::Instant;

/// Now, monotonic.
#[allow(clippy::disallowed_methods, reason = "the shell's one clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Whole milliseconds since `start`.
pub(crate) fn elapsed_ms(start: Instant) -> u64 {
    u64::try_from(now().saturating_duration_since(start).as_millis()).unwrap_or(u64::MAX)
}
