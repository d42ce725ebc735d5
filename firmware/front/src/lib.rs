//! Reads the files that people write: TOML with the place of every value.
//!
//! Every front (buses, devices, rules, the gateway's configuration) reads through this crate, so that all problems of all files come out at once and in one form: `file:line:col: key: what is wrong, what was expected`.
//! It knows nothing of what the keys mean.
//!
//! ```
//! use front::{Problems, Source};
//!
//! let problems = Problems::default();
//! let source = Source::new("bus.toml", "baud = \"fast\"\nparity = \"even\"\n");
//! let document = source.parse(&problems);
//! let bus = document.root();
//! assert_eq!(bus.req("baud").and_then(|item| item.int(1200..=115_200)), None);
//! let parity = bus.req("parity").and_then(|item| item.one_of(&["none", "even", "odd"]));
//! assert_eq!(parity, Some("even"));
//! bus.finish();
//! assert_eq!(
//!     problems.to_string(),
//!     "bus.toml:1:8: baud: a string, expected a whole number from 1200 to 115200"
//! );
//! ```

mod duration;
mod item;
mod nearest;
mod problem;
mod source;
mod table;

pub use duration::{DurationError, parse_duration_ms};
pub use item::Item;
pub use nearest::nearest;
pub use problem::{Problem, Problems};
pub use source::{Document, Place, Source};
pub use table::Table;

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(text: &str, read: impl Fn(&Table<'_>)) -> String {
        let problems = Problems::default();
        let source = Source::new("f.toml", text);
        let document = source.parse(&problems);
        let root = document.root();
        read(&root);
        root.finish();
        drop(root);
        problems.to_string()
    }

    #[test]
    fn every_problem_of_a_file_is_told_at_once_with_its_place() {
        let told = problems_of(
            "period = \"5m\"\n[[slave]]\nunit_id = 300\nnmae = \"x\"\n",
            |root| {
                root.req("period").and_then(|item| item.duration_ms());
                for slave in root
                    .req("slave")
                    .map(|item| item.tables())
                    .unwrap_or_default()
                {
                    slave.req("unit_id").and_then(|item| item.int(1..=247));
                    slave.req("name").and_then(|item| item.str());
                    slave.finish();
                }
            },
        );
        assert_eq!(
            told,
            "f.toml:1:10: period: `5m` is no duration, expected a whole number and a unit, as `250ms`, `5s`, `10min` or `24h`\n\
             f.toml:2:1: slave[0].name: missing, expected a value\n\
             f.toml:3:11: slave[0].unit_id: 300, expected a whole number from 1 to 247\n\
             f.toml:4:1: slave[0].nmae: unknown key, did you mean `name`?"
        );
    }

    #[test]
    fn several_syntax_errors_are_told_and_the_rest_is_read() {
        let told = problems_of("a = \nb = = 2\nc = 3\n", |root| {
            assert_eq!(root.opt("c").and_then(|item| item.int(0..=9)), Some(3));
            root.opt("a");
            root.opt("b");
            root.req("d");
        });
        assert!(told.lines().count() >= 2, "{told}");
        assert!(told.contains("\nf.toml:2:"), "{told}");
        assert!(told.starts_with("f.toml:1:"), "{told}");
    }

    #[test]
    fn brackets_too_many_or_too_few_are_told_as_they_should_be() {
        let told = problems_of(
            "[slave]\nname = \"a\"\n[slave.points]\n[[wire]]\nbaud = 9600\n",
            |root| {
                let slaves = root.req("slave").map(|item| item.tables());
                assert_eq!(slaves.map(|slaves| slaves.len()), Some(0));
                assert!(root.req("wire").and_then(|item| item.table()).is_none());
            },
        );
        assert_eq!(
            told,
            "f.toml:1:1: slave: one table, expected a list of them, each begun with `[[slave]]`\n\
             f.toml:4:1: wire: a list of tables, expected one, begun with `[wire]`"
        );
    }

    #[test]
    fn not_a_number_is_no_limit() {
        let told = problems_of("at = nan\n", |root| {
            assert_eq!(root.req("at").and_then(|item| item.f64()), None);
        });
        assert_eq!(told, "f.toml:1:6: at: it, expected a finite number");
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        let told = problems_of("name = { zh = \"烽燧\", en = 1 }\n", |root| {
            let name = root
                .req("name")
                .and_then(|item| item.table())
                .expect("a table");
            name.req("zh").and_then(|item| item.str());
            name.req("en").and_then(|item| item.str());
            name.finish();
        });
        assert_eq!(told, "f.toml:1:26: name.en: a number, expected a string");
    }

    #[test]
    fn a_place_inside_a_string_is_counted_from_its_first_character() {
        let told = problems_of("when = \"a > @\"\n", |root| {
            if let Some(item) = root.req("when") {
                item.problem_inside(4, "unexpected `@`");
            }
        });
        assert_eq!(told, "f.toml:1:13: when: unexpected `@`");
    }
}
