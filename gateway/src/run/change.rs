//! What another configuration does not watch any more, or watches otherwise: an alarm of the gateway's own, until people have answered it.

use std::collections::BTreeSet;

use rules::compile::QUALITY;
use rules::effect::AlarmIdx;
use rules::program::{AlarmInfo, Program, RuleInfo, Scope};

/// So many of a kind are named.
const NAMES_MAX: usize = 8;

/// What is gone, and whose rules are others; none where everything is watched as before.
pub(super) fn change(before: &Program, after: &Program) -> Option<String> {
    let (mut gone, mut changed) = (BTreeSet::new(), BTreeSet::new());
    for alarm in before.alarm_idxs() {
        let info = &before.alarms()[alarm.0 as usize];
        let (id, rule) = (before.id_of(alarm).to_string(), before.rule_of(alarm));
        let own = rule.name.starts_with("sys.");
        // A point is gone with the alarm that every point has.
        if info.retired || own && rule.name != QUALITY {
            continue;
        }
        match after.find_alarm(&id) {
            Some(now) if own || is_as_it_was(after, now, rule, info) => {}
            Some(_) => {
                changed.insert(rule.name.clone());
            }
            None if own => {
                gone.insert(
                    id.trim_end_matches(QUALITY)
                        .trim_end_matches('/')
                        .to_owned(),
                );
            }
            None if is_of_a_point_that_is_gone(before, &info.scope, after) => {}
            None => {
                gone.insert(id);
            }
        }
    }
    let told = [("removed", gone), ("changed", changed)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what} {}", named(&names)));
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn is_as_it_was(after: &Program, now: AlarmIdx, rule: &RuleInfo, info: &AlarmInfo) -> bool {
    let set_by_site = after.alarms()[now.0 as usize].set_by_site;
    after.rule_of(now).hash == rule.hash && set_by_site == info.set_by_site
}

fn is_of_a_point_that_is_gone(before: &Program, scope: &Scope, after: &Program) -> bool {
    let Scope::Point(point) = scope else {
        return false;
    };
    let info = &before.points()[point.0 as usize];
    after.find_point(&info.unit, &info.point).is_none()
}

fn named(names: &BTreeSet<String>) -> String {
    let first: Vec<_> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = names.len() - first.len();
    let more = if more > 0 {
        format!(" (+{more})")
    } else {
        String::new()
    };
    format!("{}{more}", first.join(", "))
}
