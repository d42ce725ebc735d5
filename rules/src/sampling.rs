//! Which points are to be read more often than usual, because of alarms that stand.
//!
//! A function of what the engine holds: nothing of it has to be kept.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::effect::AlarmIdx;
use crate::engine::Engine;
use crate::point::PointIdx;
use crate::program::Program;

/// The wishes of the alarms that stand. Work per look is that of the alarms that ever wish something, and only after one of them said something.
#[derive(Clone, Debug, Default)]
pub struct Sampling {
    wishing: BTreeSet<AlarmIdx>,
    has_news: bool,
    /// How often each point is wanted, in milliseconds.
    periods: BTreeMap<PointIdx, u64>,
}

impl Sampling {
    /// Nothing is wanted before the first look.
    pub fn new(program: &Program) -> Self {
        Self {
            wishing: program.sampled().iter().map(|it| it.alarm).collect(),
            has_news: true,
            periods: BTreeMap::new(),
        }
    }

    /// An alarm said something.
    pub fn note(&mut self, alarm: AlarmIdx) {
        self.has_news |= self.wishing.contains(&alarm);
    }

    /// Looks at the alarms: gives the points that are wanted otherwise than before.
    pub fn look(&mut self, engine: &Engine) -> BTreeSet<PointIdx> {
        if !core::mem::take(&mut self.has_news) {
            return BTreeSet::new();
        }
        let mut periods: BTreeMap<PointIdx, u64> = BTreeMap::new();
        for sampled in engine.program().sampled() {
            let state = engine.alarm(sampled.alarm);
            let level = state.level.filter(|_| state.flags.active);
            let period_ms = level.and_then(|level| *sampled.periods_ms.get(usize::from(level))?);
            let Some(period_ms) = period_ms else { continue };
            for point in &sampled.points {
                let wanted = periods.entry(*point).or_insert(period_ms);
                *wanted = period_ms.min(*wanted);
            }
        }
        let before = core::mem::replace(&mut self.periods, periods);
        let points = before.keys().chain(self.periods.keys());
        let changed = points.filter(|point| before.get(point) != self.periods.get(point));
        changed.copied().collect()
    }

    /// How often each point is wanted, in milliseconds; those that are not named as usual.
    pub fn periods(&self) -> impl Iterator<Item = (PointIdx, u64)> {
        self.periods.iter().map(|(point, period)| (*point, *period))
    }
}
