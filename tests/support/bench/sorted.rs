//! Many measurements, and what is said of them.

use std::time::Duration;

/// Measurements in order.
#[derive(Clone, Debug)]
pub struct Sorted(Vec<Duration>);

impl Sorted {
    /// Puts them in order.
    pub fn new(mut all: Vec<Duration>) -> Self {
        assert!(!all.is_empty(), "something was measured");
        all.sort_unstable();
        Self(all)
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The one that `permille` of all do not exceed, in milliseconds.
    pub fn ms(&self, permille: usize) -> f64 {
        let place = (self.0.len() * permille).div_ceil(1_000);
        self.0[place.saturating_sub(1)].as_secs_f64() * 1e3
    }
}

/// `median (lowest to highest)` of some runs.
pub fn spread(runs: &[f64], digits: usize) -> String {
    let mut runs = runs.to_vec();
    runs.sort_by(f64::total_cmp);
    let (low, high) = (runs[0], runs[runs.len() - 1]);
    let median = runs[runs.len() / 2];
    format!("{median:.digits$} ({low:.digits$} to {high:.digits$})")
}
