//! Who waits for their turn, the lowest number first.
//!
//! A bit for each, so there is room for all of them from the start; and a bit for each word of those that is not empty, so that the next one is near.

use alloc::vec::Vec;

use crate::program::{at, u32_of};

const WORD: usize = 64;

/// Numbers 0 to n-1, each in it at most once.
#[derive(Debug)]
pub(super) struct Queue {
    words: Vec<u64>,
    filled: Vec<u64>,
    /// Where in `filled` to begin to look: there is nothing before it.
    from: usize,
    len: usize,
}

impl Queue {
    /// What a number takes, in bits; and one in 64 of that.
    pub(super) const BITS: usize = 1;

    /// Room for so many, none waiting.
    pub(super) fn new(n: usize) -> Self {
        let n_words = n.div_ceil(WORD);
        Self {
            words: alloc::vec![0; n_words],
            filled: alloc::vec![0; n_words.div_ceil(WORD)],
            from: 0,
            len: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, number: u32) {
        let word = at(number) / WORD;
        let bit = 1 << (at(number) % WORD);
        if self.words[word] & bit == 0 {
            self.words[word] |= bit;
            self.filled[word / WORD] |= 1 << (word % WORD);
            self.from = self.from.min(word / WORD);
            self.len += 1;
        }
    }

    pub(super) fn extend(&mut self, numbers: impl IntoIterator<Item = u32>) {
        numbers.into_iter().for_each(|number| self.push(number));
    }

    /// Takes the lowest out.
    pub(super) fn pop(&mut self) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        while self.filled[self.from] == 0 {
            self.from += 1;
        }
        let word = self.from * WORD + lowest(self.filled[self.from]);
        let number = word * WORD + lowest(self.words[word]);
        self.words[word] &= self.words[word] - 1;
        if self.words[word] == 0 {
            self.filled[self.from] &= self.filled[self.from] - 1;
        }
        self.len -= 1;
        Some(u32_of(number))
    }
}

/// The place of the lowest bit of a word that has one.
fn lowest(word: u64) -> usize {
    at(word.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_lowest_comes_first_and_each_once(
            n in 1_u32..20_000,
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..300),
        ) {
            let mut queue = Queue::new(at(n));
            let mut plain = BTreeSet::new();
            for (comes, number) in steps {
                if comes {
                    let number = u32_of(number.index(at(n)));
                    queue.push(number);
                    plain.insert(number);
                } else {
                    prop_assert_eq!(queue.pop(), plain.pop_first());
                }
                prop_assert_eq!(queue.is_empty(), plain.is_empty());
            }
            while let Some(number) = plain.pop_first() {
                prop_assert_eq!(queue.pop(), Some(number));
            }
            prop_assert_eq!(queue.pop(), None);
        }
    }
}
