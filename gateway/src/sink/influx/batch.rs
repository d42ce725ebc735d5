//! A batch of lines that finds its own poison: a server that rejects it gets halves, down to the line.
//!
//! Sans-IO: it says what to send next and is told how that went. Writing is idempotent, so that a half sent twice harms nothing.

use std::collections::VecDeque;
use std::ops::Range;

/// Lines to be written, and which of them are still to be.
#[derive(Debug, Default)]
pub struct Batch {
    lines: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
    /// Parts still to be sent, as indices of lines; none while the batch is being filled.
    parts: VecDeque<Range<usize>>,
}

impl Batch {
    /// The buffer to append exactly one line to; call [`Self::line_done`] after it.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }

    /// Notes that a line was appended.
    pub fn line_done(&mut self) {
        self.ends.push(self.lines.len());
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without lines.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Ends the filling: from here on [`Self::next_part`] gives what to send.
    pub fn close(&mut self) {
        self.parts.clear();
        if !self.is_empty() {
            self.parts.push_back(0..self.len());
        }
    }

    /// What to send next; `None` when every line is written or was taken out.
    pub fn next_part(&self) -> Option<&[u8]> {
        let part = self.parts.front()?;
        self.bytes(part)
    }

    /// The part was written.
    pub fn written(&mut self) {
        self.parts.pop_front();
    }

    /// The server rejected the part: it is halved, or, when it is a single line, taken out and returned.
    pub fn rejected(&mut self) -> Option<Vec<u8>> {
        let part = self.parts.pop_front()?;
        if part.len() == 1 {
            return self.bytes(&part).map(<[u8]>::to_vec);
        }
        let middle = part.start + part.len() / 2;
        self.parts.push_front(middle..part.end);
        self.parts.push_front(part.start..middle);
        None
    }

    /// Empties it for the next lines; its memory stays.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.ends.clear();
        self.parts.clear();
    }

    fn bytes(&self, part: &Range<usize>) -> Option<&[u8]> {
        let start = match part.start.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        let end = *self.ends.get(part.end.checked_sub(1)?)?;
        self.lines.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn batch(count: usize) -> Batch {
        let mut batch = Batch::default();
        for index in 0..count {
            batch
                .buffer()
                .extend_from_slice(format!("line {index}\n").as_bytes());
            batch.line_done();
        }
        batch.close();
        batch
    }

    #[test]
    fn an_empty_batch_has_nothing_to_send() {
        assert_eq!(batch(0).next_part(), None);
    }

    proptest! {
        #[test]
        fn every_good_line_is_written_once_and_every_poison_line_is_found(
            count in 1_usize..200,
            poison in prop::collection::btree_set(0_usize..200, 0..8),
        ) {
            let mut batch = batch(count);
            let poison: BTreeSet<String> = poison.iter().filter(|index| **index < count).map(|index| format!("line {index}")).collect();
            let (mut written, mut dead, mut sends) = (Vec::new(), BTreeSet::new(), 0);
            while let Some(part) = batch.next_part() {
                sends += 1;
                let lines: Vec<String> = std::str::from_utf8(part).unwrap().lines().map(str::to_owned).collect();
                if lines.iter().any(|line| poison.contains(line)) {
                    if let Some(line) = batch.rejected() {
                        dead.insert(String::from_utf8(line).unwrap().trim_end().to_owned());
                    }
                } else {
                    written.extend(lines);
                    batch.written();
                }
            }
            prop_assert_eq!(&dead, &poison);
            prop_assert_eq!(written.len(), count - poison.len());
            prop_assert_eq!(written.iter().collect::<BTreeSet<_>>().len(), written.len());
            // Halving costs at most two sends a level for each poison line.
            prop_assert!(sends <= 1 + poison.len() * 2 * 9);
        }
    }
}
