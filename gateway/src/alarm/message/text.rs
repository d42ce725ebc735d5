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
}

/// What stands where a number is not there.
const NOTHING: &str = "—";

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
            "eu" => filled.push_str(words.eu),
            "level" => filled.push_str(words.level),
            "value" => number(&mut filled, words.value),
            "limit" => number(&mut filled, words.limit),
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

fn number(text: &mut String, number: Option<f64>) {
    match number {
        Some(number) => write!(text, "{number}").expect("a String takes what fits in memory"),
        None => text.push_str(NOTHING),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_the_alarm_in_its_own_words() {
        let words = Words {
            tag: "AT-101",
            eu: "%LEL",
            level: "L2",
            value: Some(51.5),
            ..Words::default()
        };
        for (template, filled) in [
            ("{tag} 可燃气体 {value} {eu}", "AT-101 可燃气体 51.5 %LEL"),
            ("{level}: limit {limit}", "L2: limit —"),
            ("{what} {", "{what} {"),
            ("{{tag}}", "{AT-101}"),
            ("", ""),
        ] {
            assert_eq!(fill(template, &words), filled);
        }
    }
}
