//! The watcher against a site that keeps the contract, and against one that doesn't.

mod clean;
mod rules;
mod tampered;
mod teller;

use super::{News, Problem, Watch};

/// The next problem, whatever else was learned.
fn next_problem(watch: &mut Watch) -> Option<Problem> {
    std::iter::from_fn(|| watch.poll_news()).find_map(|news| match news {
        News::Problem(problem) => Some(problem),
        News::Site { .. } => None,
    })
}
