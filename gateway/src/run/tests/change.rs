//! What another configuration does not watch any more, or watches otherwise.

use super::*;
use crate::run::change::change;

/// A bus of so many detectors.
fn bus(n_detectors: usize) -> String {
    let mut text = BUS.split("[[slave]]").next().unwrap().to_owned();
    for index in 1..=n_detectors {
        text += &format!(
            "[[slave]]\nname = \"gt-{index}\"\nunit_id = {index}\nprofile = \"gas-combustible\"\nunit = \"tank\"\nperiod = \"1s\"\n"
        );
    }
    text
}

#[track_caller]
fn check(before: (usize, &str), after: (usize, &str), told: Option<&str>) {
    let dir = tempfile::tempdir().unwrap();
    let [before, after] =
        [before, after].map(|(n, rules)| config_of(dir.path(), &bus(n), rules).program);
    assert_eq!(change(&before, &after).as_deref(), told);
}

#[test]
fn a_point_or_a_rule_that_is_gone_and_a_rule_that_is_another_are_told_by_name() {
    let laxer = RULES.replace("20 %LEL", "22 %LEL");
    let renamed = RULES.replace("name = \"high\"", "name = \"other\"");
    check((2, RULES), (2, RULES), None);
    check((2, RULES), (3, RULES), None);
    let moved = format!("# Another line.\n{}", RULES.replace("1.0.0", "1.0.1"));
    check((2, RULES), (2, &moved), None);
    check((2, RULES), (1, RULES), Some("removed tank/gt-2"));
    check((2, RULES), (2, &laxer), Some("changed high"));
    check(
        (2, RULES),
        (2, &renamed),
        Some("removed tank/gt-1/high, tank/gt-2/high"),
    );
    check(
        (2, RULES),
        (1, &laxer),
        Some("removed tank/gt-2; changed high"),
    );
}

#[test]
fn what_the_site_sets_otherwise_for_one_detector_is_told() {
    let set = "[[override]]\nrule = \"high\"\npoint = \"tank/gt-2\"\nlevel = \"L1\"\nat = \"5 %LEL\"\nreason = \"r\"\n";
    let stricter = format!("{RULES}\n{set}");
    check((2, RULES), (2, &stricter), Some("changed high"));
}

#[test]
fn of_many_that_are_gone_some_are_named_and_the_rest_counted() {
    let named =
        "tank/gt-10, tank/gt-11, tank/gt-12, tank/gt-2, tank/gt-3, tank/gt-4, tank/gt-5, tank/gt-6";
    let told = format!("removed {named} (+3)");
    check((12, RULES), (1, RULES), Some(&told));
}
