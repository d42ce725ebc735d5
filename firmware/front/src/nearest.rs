//! The known name that was probably meant.

/// The nearest of `known` to `name`, if one is near enough to be what was meant: at most half of its characters differ.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| {
            let length = candidate.chars().count();
            *distance * 2 <= length.max(3) && *distance < length
        })
        .map(|(_, candidate)| candidate)
}

/// How many letters were added, left out, mistaken or swapped with their neighbour; capitals count as small ones.
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| -> Vec<char> {
        let letters = text.chars().take(256);
        letters.flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (letters(a), letters(b));
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let mistaken = above[j] + usize::from(left != right);
            let mut least = mistaken.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *right && *left == b[j - 1] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
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
        // Two neighbours that changed places are one slip, however short the word is; a capital is none.
        assert_eq!(nearest("gsa", ["dust", "gas"]), Some("gas"));
        assert_eq!(nearest("HOLDING", ["coil", "holding"]), Some("holding"));
    }

    #[test]
    fn a_different_word_finds_nothing() {
        assert_eq!(nearest("siren", ["on_delay", "off_delay"]), None);
        assert_eq!(nearest("J", ["A", "B"]), None);
    }
}
