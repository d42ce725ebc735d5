//! How often an alarm wants what it looks at to be read, at each of its levels.

use std::vec::Vec;

use super::alarm::Adding;
use crate::effect::AlarmIdx;
use crate::file::{Head, Rule};

/// The alarms that want something to be read more often, with a period for each level: its own, or a shorter one of a
/// milder level of its side.
pub(super) fn wishes<'a>(
    adding: &Adding<'_, 'a>,
    rules: &[(&Head, &Rule<'a>)],
) -> Vec<(AlarmIdx, Vec<Option<u64>>)> {
    let mut wishes = Vec::new();
    for (_, rule) in rules {
        if rule.levels().iter().all(|level| level.period_ms.is_none()) {
            continue;
        }
        for alarm in adding.made.of(&rule.name.value) {
            let levels = adding.builder.levels_of(alarm).unwrap_or_default();
            let periods = levels.iter().map(|level| {
                let reached = rule.up_to(&level.name).into_iter();
                reached.filter_map(|level| level.period_ms).min()
            });
            wishes.push((alarm, periods.collect()));
        }
    }
    wishes
}
