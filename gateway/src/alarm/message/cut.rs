//! Keeping a body within 4 KiB: the longest words go first, in the contract's order.

/// The longest body, in bytes.
pub(super) const BODY_LEN_MAX: usize = 4_096;

/// Shortens words, one after the other, until `over` bytes of JSON are gone. A word with nothing left is none.
pub(super) fn cut(words: &mut [&mut Option<String>], mut over: usize) {
    for word in words {
        if over == 0 {
            return;
        }
        let Some(text) = word.as_mut() else { continue };
        while over > 0 && !text.is_empty() {
            let last = text.pop().expect("it has a character");
            over = over.saturating_sub(written_len(last));
        }
        if text.is_empty() {
            **word = None;
        }
    }
}

/// How many bytes a character takes inside a JSON string, as serde_json writes it.
fn written_len(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(word: &Option<String>) -> usize {
        word.as_ref()
            .map_or(0, |text| serde_json::to_string(text).unwrap().len() - 2)
    }

    proptest! {
        #[test]
        fn what_is_cut_is_at_least_what_was_too_much_and_in_order(
            first in "\\PC{0,20}|[\\x00-\\x20\"\\\\]{0,20}", second in "\\PC{0,20}", over in 0_usize..200,
        ) {
            let mut words = [Some(first), Some(second)];
            let before: usize = words.iter().map(written).sum();
            let [a, b] = &mut words;
            cut(&mut [a, b], over);
            let after: usize = words.iter().map(written).sum();
            prop_assert!(before - after >= over.min(before));
            prop_assert!(words[1].is_none() || before - after < over + 6);
        }
    }
}
