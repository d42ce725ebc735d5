//! The packs that come with the program.

use std::format;
use std::string::String;
use std::vec::Vec;

use front::{Item, Source};

/// What the name of a shipped file begins with.
const PREFIX: &str = "pack:";

/// True of what is written in a shipped file.
pub(crate) fn is_shipped(item: &Item<'_>) -> bool {
    item.file().starts_with(PREFIX)
}

/// A pack: its name, and its file and its tests as they are in the repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pack {
    /// Its name.
    pub name: &'static str,
    /// The text of its file.
    pub text: &'static str,
    /// The name and the text of each file of its tests.
    pub tests: &'static [(&'static str, &'static str)],
}

macro_rules! pack {
    ($name:literal, $($tests:literal),+) => {
        Pack {
            name: $name,
            text: include_str!(concat!("../packs/", $name, "/", $name, ".toml")),
            tests: &[$((
                $tests,
                include_str!(concat!("../packs/", $name, "/", $tests, ".test.toml")),
            )),+],
        }
    };
}

/// The packs that come with the program.
pub const PACKS: [Pack; 5] = [
    pack!("gas", "gas", "process"),
    pack!("dust", "dust"),
    pack!("tailings", "tailings"),
    pack!("welding", "welding", "beside-gas"),
    pack!(
        "quality",
        "quality",
        "day",
        "cross",
        "doubt",
        "identical",
        "unregistered"
    ),
];

/// The pack with this name.
pub fn pack(name: &str) -> Option<&'static Pack> {
    PACKS.iter().find(|pack| pack.name == name)
}

/// Says that no pack has this name, for people.
pub fn unknown(name: &str) -> String {
    let names = || PACKS.iter().map(|pack| pack.name);
    let hint = front::nearest(name, names()).map_or_else(
        || {
            let names: Vec<&str> = names().collect();
            format!(
                "expected one of `{}` or a path that ends in `.toml`",
                names.join("`, `")
            )
        },
        |near| format!("did you mean `{near}`?"),
    );
    let name: String = name.chars().take(80).collect();
    format!("no pack `{name}` comes with the program, {hint}")
}

impl Pack {
    /// Its file; messages call it `pack:<name>`.
    pub fn source(&self) -> Source {
        Source::new(std::format!("{PREFIX}{}", self.name), self.text)
    }

    /// Its tests; messages call a file of them `pack:<its name>.test`.
    pub fn test_sources(&self) -> impl Iterator<Item = Source> {
        let tests = self.tests.iter();
        tests.map(|(name, text)| Source::new(std::format!("{PREFIX}{name}.test"), *text))
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use front::Problems;

    use super::*;
    use crate::case;
    use crate::file::RuleFile;

    #[track_caller]
    fn check(name: &str) {
        let pack = pack(name).expect("a pack");
        let problems = Problems::default();
        let mut reached = Vec::new();
        for source in pack.test_sources() {
            let report = case::run(&source, &|_| Err(String::new()), &problems);
            assert_eq!(problems.to_string(), "");
            let report = report.expect("no problem");
            assert!(report.passed(), "{report}");
            reached.extend(report.levels);
        }
        // Every level of every rule is reached by some case.
        let source = pack.source();
        let document = source.parse(&problems);
        let file = RuleFile::read(&document.root());
        for rule in &file.rules {
            for level in rule.levels() {
                let level = (rule.name.value.clone(), level.name.value.clone());
                assert!(reached.contains(&level), "{level:?}");
            }
        }
    }

    #[test]
    fn every_rule_of_the_packs_says_in_both_languages_what_it_is_and_what_to_do() {
        for pack in PACKS {
            let problems = Problems::default();
            let source = pack.source();
            let document = source.parse(&problems);
            let file = RuleFile::read(&document.root());
            assert_eq!(problems.to_string(), "");
            for rule in &file.rules {
                for text in [&rule.text, &rule.advice] {
                    let is_told = !text.zh.is_empty() && !text.en.is_empty();
                    assert!(is_told, "{} {}: {text:?}", pack.name, rule.name.value);
                }
            }
        }
    }

    #[test]
    fn the_gas_pack_does_what_its_tests_say() {
        check("gas");
    }

    #[test]
    fn the_dust_pack_does_what_its_tests_say() {
        check("dust");
    }

    #[test]
    fn the_tailings_pack_does_what_its_tests_say() {
        check("tailings");
    }

    #[test]
    fn the_quality_pack_does_what_its_tests_say() {
        check("quality");
    }

    #[test]
    fn the_welding_pack_does_what_its_tests_say() {
        check("welding");
    }
}
