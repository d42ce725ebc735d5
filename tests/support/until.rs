//! Waiting for what has no push.

use std::time::{Duration, Instant};

/// Far longer than anything that is waited for takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until there is an answer; a panic with what was missing last when it never comes.
#[allow(
    clippy::disallowed_methods,
    reason = "a test gives up after a while of the real clock"
)]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(missing) => assert!(Instant::now() < end, "{what} never came: {missing}"),
        }
        // A question a tick.
        std::thread::sleep(Duration::from_millis(200));
    }
}
