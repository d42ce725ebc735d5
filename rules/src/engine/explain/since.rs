//! Since when each part of a rule has said what it says: kept by whoever lives through the log.

use alloc::vec::Vec;

use telemetry::UtcMs;

use super::{Answer, Part, Why};
use crate::value::Trust;

/// When each part last changed its answer. Of a number that is whether it can be used.
#[derive(Clone, Debug, Default)]
pub struct Sinces {
    seen: Vec<(i8, Option<UtcMs>)>,
}

impl Sinces {
    /// Looks at the parts at `now`, and writes into each since when it has said that.
    pub fn look(&mut self, why: &mut Why, now: UtcMs) {
        let first = self.seen.is_empty();
        let mut place = 0;
        let levels = why.levels.iter_mut().map(|level| &mut level.condition);
        let roots = why.value.iter_mut().chain(&mut why.only_while);
        for root in roots.chain(levels).chain(&mut why.suppress) {
            self.part(root, now, first, &mut place);
        }
    }

    fn part(&mut self, part: &mut Part, now: UtcMs, first: bool, place: &mut usize) {
        let mark = match part.answer {
            Answer::Truth(truth) => truth.chain(),
            Answer::Number(number) => i8::from(number.trust == Trust::Bad),
        };
        if first {
            self.seen.push((mark, None));
        } else if let Some(seen) = self.seen.get_mut(*place)
            && seen.0 != mark
        {
            *seen = (mark, Some(now));
        }
        part.since = self.seen.get(*place).and_then(|(_, since)| *since);
        *place += 1;
        for part in &mut part.parts {
            self.part(part, now, first, place);
        }
    }
}
