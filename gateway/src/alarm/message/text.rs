//! A rule's text for people, with the alarm's own words in it.

use std::fmt::Write as _;

/// What `{…}` may stand for in a rule's text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words<'a> {
    pub(super) tag: &'a str,
    pub(super) unit: &'a str,
    pub(super) point: &'a str,
    pub(super) eu: &'a str,
    pub(super) level: &'a str,
    pub(super) value: Option<f64>,
    pub(super) limit: Option<f64>,
    pub(super) reason: &'a str,
}

/// What stands where a number is not there.
pub(super) const NOTHING: &str = "—";

/// The text with its words put in; a name in braces that nobody knows stays as it is.
pub(super) fn fill(template: &str, words: &Words<'_>) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match name {
            "tag" => filled.push_str(words.tag),
            "unit" => filled.push_str(words.unit),
            "point" => filled.push_str(words.point),
            "eu" => filled.push_str(for_people(words.eu)),
            "level" => filled.push_str(words.level),
            "value" => number(&mut filled, words.value),
            "limit" => number(&mut filled, words.limit),
            "reason" => filled.push_str(words.reason),
            _ => {
                filled.push('{');
                rest = after;
                continue;
            }
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

/// A number with its unit, as people read them.
pub(crate) fn reading(value: f64, eu: &str) -> String {
    let mut text = String::new();
    number(&mut text, Some(value));
    if !eu.is_empty() {
        text.push(' ');
        text.push_str(for_people(eu));
    }
    text
}

/// At most five significant digits behind which nobody looks, without zeros at the end; what stands before the point is never cut.
fn number(text: &mut String, number: Option<f64>) {
    let Some(number) = number else {
        text.push_str(NOTHING);
        return;
    };
    let n_decimals = match number.abs() {
        10_000.0.. => 0,
        1_000.0.. => 1,
        100.0.. => 2,
        10.0.. => 3,
        1.0.. => 4,
        _ => 5,
    };
    let start = text.len();
    write!(text, "{number:.n_decimals$}").expect("a String takes what fits in memory");
    if n_decimals > 0 {
        let kept = text.trim_end_matches('0').trim_end_matches('.').len();
        text.truncate(kept.max(start + 1));
    }
}

/// A unit as people write it; codes that are read as they are stay.
fn for_people(eu: &str) -> &str {
    match eu {
        "Cel" => "°C",
        "mg/m3" => "mg/m³",
        "m3/h" => "m³/h",
        "kW.h" => "kW·h",
        eu => eu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_digits_that_people_read() {
        for (value, told) in [
            (7.706_157_207_489_014, "7.7062"),
            (430.453_975, "430.45"),
            (62.8, "62.8"),
            (25.0, "25"),
            (100.0, "100"),
            (0.0, "0"),
            (-0.000_012_34, "-0.00001"),
            (1_234_567.8, "1234568"),
            (2_000.04, "2000"),
        ] {
            let words = Words {
                value: Some(value),
                eu: "Cel",
                ..Words::default()
            };
            assert_eq!(fill("{value} {eu}", &words), format!("{told} °C"));
        }
    }

    #[test]
    fn a_text_names_the_alarm_in_its_own_words() {
        let words = Words {
            tag: "AT-101",
            eu: "%LEL",
            level: "L2",
            value: Some(51.5),
            reason: "stale",
            ..Words::default()
        };
        for (template, filled) in [
            ("{tag} 可燃气体 {value} {eu}", "AT-101 可燃气体 51.5 %LEL"),
            ("{level}: limit {limit}", "L2: limit —"),
            ("{tag}: {reason}", "AT-101: stale"),
            ("{what} {", "{what} {"),
            ("{{tag}}", "{AT-101}"),
            ("", ""),
        ] {
            assert_eq!(fill(template, &words), filled);
        }
    }
}
