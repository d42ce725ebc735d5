//! Whether a rule cites a clause, however people write it.

use std::string::String;

/// True when what is cited is a clause, something in it, or what it is in: `GB/T 50493-2019` alone is all of that standard.
///
/// With and without the year, `/T` and spaces; another year is another standard.
pub(super) fn cites(cited: &str, clause: &str) -> bool {
    let (cited, clause) = (plain(cited), plain(clause));
    let (number, dated) = clause.split_once('-').unwrap_or((&clause, ""));
    let (year, section) = dated.split_once(' ').unwrap_or((dated, ""));
    cited.split(number).skip(1).any(|rest| {
        let rest = match rest.strip_prefix('-') {
            Some(dated) => match dated.strip_prefix(year) {
                Some(rest) => rest,
                None => return false,
            },
            None => rest,
        };
        // A longer number is another one's.
        if rest.starts_with(|next: char| next.is_ascii_digit()) {
            return false;
        }
        // Up to the next standard.
        let own = rest.split(|next: char| next.is_ascii_alphabetic()).next();
        let sections = own.unwrap_or_default();
        let sections = sections.split(|next: char| !(next.is_ascii_digit() || next == '.'));
        let sections = sections.map(|section| section.trim_matches('.'));
        let mut sections = sections.filter(|section| !section.is_empty()).peekable();
        sections.peek().is_none()
            || sections.any(|found| is_in(found, section) || is_in(section, found))
    })
}

/// `5.5.2` is in `5.5` and in itself, and `5.52` is not in `5.5`; all are in nothing.
fn is_in(section: &str, whole: &str) -> bool {
    let rest = section.strip_prefix(whole);
    rest.is_some_and(|rest| rest.is_empty() || whole.is_empty() || rest.starts_with('.'))
}

/// In capitals, with one sort of dash, and without what is left out now and then.
fn plain(text: &str) -> String {
    let text = text.to_uppercase().replace(['—', '–', '－'], "-");
    text.replace("/T", "").replace("GB ", "GB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_is_cited_by_itself_its_standard_and_its_parts_and_by_no_other() {
        let clause = "GB/T 50493-2019 5.5.2";
        for cited in [
            clause,
            "GB/T 50493-2019",
            "GB/T 50493",
            "gb/t50493—2019 第5.5.2条",
            "GB 50493-2019",
            "GB/T 50493-2019 5.5",
            "GB/T 50493-2019 5.5.2(2)",
            "GB/T 50493-2019 5.5.2.1",
            "GB/T 50493-2019 5.5.1、5.5.2",
            "AQ 4273-2016, GB/T 50493-2019",
            "GB/T 50493-2019, AQ 4273-2016",
            "GB/T 50493-2019《石油化工可燃气体和有毒气体检测报警设计标准》",
        ] {
            assert!(cites(cited, clause), "{cited}");
        }
        for cited in [
            "GB/T 50493-2019 5.5.1",
            "GB/T 50493-2019 5.52",
            "GB 50493-2009",
            "GB/T 504931-2019",
            "AQ 4273-2016 5.5.2",
            "",
        ] {
            assert!(!cites(cited, clause), "{cited}");
        }
        for cited in ["GB 6222-2005", "GB 6222", "GB 6222-2005 5.1"] {
            assert!(cites(cited, "GB 6222-2005"), "{cited}");
        }
    }
}
