//! The known name that was probably meant.

/// The nearest of `known` to `name`, if one is near enough to be what was meant: at most half of its characters differ.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance * 2 <= candidate.chars().count().max(3))
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(256).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().take(256).enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_slip_finds_the_name_that_was_meant() {
        assert_eq!(
            nearest("on_dealy", ["off_delay", "on_delay"]),
            Some("on_delay")
        );
        assert_eq!(nearest("colour", ["color", "level"]), Some("color"));
    }

    #[test]
    fn a_different_word_finds_nothing() {
        assert_eq!(nearest("siren", ["on_delay", "off_delay"]), None);
    }
}
