//! How long to wait before the next try.

use std::time::Duration;

/// The first wait, a tenth of a second: most losses are over by then.
const FIRST_MS: u64 = 100;
/// The longest wait: what a broker's restart costs at most, beyond itself.
const LONGEST_MS: u64 = 5_000;

/// The wait after `failures` failures in a row, which is 1 or more: it doubles up to five seconds.
///
/// `seed` spreads clients that lost the same broker over a quarter of the wait.
pub(super) fn wait(failures: u32, seed: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = (FIRST_MS << doublings).min(LONGEST_MS);
    let mixed = (seed ^ u64::from(failures)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Duration::from_millis(whole - mixed % (whole / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_five_seconds_and_is_never_nothing() {
        for seed in 0..50 {
            let waits: Vec<_> = (0..40).map(|failures| wait(failures, seed)).collect();
            for (place, wait) in waits.iter().enumerate() {
                let whole = (FIRST_MS << place.saturating_sub(1).min(16)).min(LONGEST_MS);
                assert!(*wait <= Duration::from_millis(whole));
                assert!(*wait > Duration::from_millis(whole * 3 / 4 - 1));
            }
        }
    }

    #[test]
    fn two_clients_do_not_come_back_in_the_same_millisecond() {
        let different = (0..20).filter(|&n| wait(n, 1) != wait(n, 2)).count();
        assert!(different > 10, "{different}");
    }
}
