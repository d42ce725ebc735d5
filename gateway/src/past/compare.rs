//! What would have been different with other rules: the log lived through twice at once, and the occurrences of both held side by side.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use front::{Problems, Source};
use rules::compile::compile;
use rules::effect::{AlarmIdx, Effect, EventKind};
use rules::engine::Engine;
use rules::program::Program;
use telemetry::UtcMs;

use super::{Again, Past, PastError, config_of};
use crate::config::Config;
use crate::log::{ConfigImage, Record};

/// The length of a shift in milliseconds; shifts change at 00:00, 08:00 and 16:00 UTC, which is the same in China.
pub const SHIFT_MS: i64 = 8 * 3_600_000;

/// One occurrence of an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Occurrence {
    /// When it was raised; the begin of the stretch when it was active already.
    pub raised: UtcMs,
    /// When it returned; none while it is active.
    pub returned: Option<UtcMs>,
    /// The gravest level that it reached, and its severity.
    pub level: (String, u16),
    /// It was active when the stretch began.
    pub is_older: bool,
}

/// An alarm that would have been different.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its id.
    pub alarm: String,
    /// What differs.
    pub what: What,
}

/// How an occurrence differs.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Only with the other rules.
    Added(Occurrence),
    /// Only with the rules that were in force.
    Removed(Occurrence),
    /// At another time, or at another level: as it was, and as it would have been.
    Moved(Occurrence, Occurrence),
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// The stretch.
    pub from: UtcMs,
    /// Its end.
    pub to: UtcMs,
    /// Readings that were lived through.
    pub samples: u64,
    /// Occurrences that are the same in both.
    pub same: usize,
    /// What differs, by time.
    pub differences: Vec<Difference>,
    /// Raised in each shift, as it was and as it would have been, by the shift's begin.
    pub shifts: BTreeMap<UtcMs, (u32, u32)>,
    /// What people did to an alarm that would not have been there to do it to.
    pub deeds_without_alarm: usize,
}

/// The occurrences of one side, by alarm.
#[derive(Default)]
struct Side {
    by_alarm: BTreeMap<String, Vec<Occurrence>>,
}

impl Side {
    /// What was active when the stretch began.
    fn begin(engine: &Engine, from: UtcMs) -> Self {
        let program = engine.program();
        let mut side = Self::default();
        for (alarm, state) in engine.alarms() {
            let levels = program.levels_of(alarm);
            if is_own(program, alarm) {
                continue;
            }
            if let (true, Some(level)) = (state.flags.active, state.level) {
                let level = &levels[usize::from(level)];
                let occurrence = Occurrence {
                    raised: from,
                    returned: None,
                    level: (level.name.clone(), level.severity),
                    is_older: true,
                };
                let id = program.id_of(alarm).to_string();
                side.by_alarm.entry(id).or_default().push(occurrence);
            }
        }
        side
    }

    fn hear(&mut self, program: &Program, effect: &Effect) {
        if is_own(program, effect.alarm) {
            return;
        }
        let level = || {
            let level = effect.state.level.unwrap_or_default();
            let level = &program.levels_of(effect.alarm)[usize::from(level)];
            (level.name.clone(), level.severity)
        };
        match effect.kind {
            EventKind::Raised => self.of(program, effect).push(Occurrence {
                raised: effect.at,
                returned: None,
                level: level(),
                is_older: false,
            }),
            EventKind::LevelUp => {
                if let Some(last) = self.of(program, effect).last_mut()
                    && level().1 > last.level.1
                {
                    last.level = level();
                }
            }
            EventKind::Returned | EventKind::Retired => {
                if let Some(last) = self.of(program, effect).last_mut() {
                    last.returned.get_or_insert(effect.at);
                }
            }
            _ => {}
        }
    }

    fn of(&mut self, program: &Program, effect: &Effect) -> &mut Vec<Occurrence> {
        let id = program.id_of(effect.alarm).to_string();
        self.by_alarm.entry(id).or_default()
    }
}

/// The system's own alarms are the same with any rules.
fn is_own(program: &Program, alarm: AlarmIdx) -> bool {
    program.rule_of(alarm).name.starts_with("sys.")
}

/// The rules to compare with.
#[derive(Debug)]
pub struct OtherRules<'a> {
    /// Instead of those in force.
    pub sources: &'a [Source],
    /// Gets what is wrong with them, or with how they fit the points of then.
    pub problems: &'a Problems,
}

impl OtherRules<'_> {
    fn program(&self, config: &Config) -> Option<Arc<Program>> {
        let infos: Vec<_> = config
            .points
            .iter()
            .map(|point| point.info.clone())
            .collect();
        let system = config.system();
        let warnings = Problems::default();
        compile(self.sources, &infos, &system, self.problems, &warnings).map(Arc::new)
    }
}

/// Lives through a stretch of the log with the rules of then and with others. `tell` hears how far it is: bytes of the log, and all that there are.
///
/// Before `from` both are warmed up, from the newest snapshot on. None when the other rules are wrong.
///
/// # Errors
/// The log can't be read.
pub fn compare(
    config: &Config,
    folder: &Path,
    others: &OtherRules<'_>,
    (from, to): (UtcMs, UtcMs),
    tell: &mut dyn FnMut((u64, u64)),
) -> Result<Option<Comparison>, PastError> {
    let mut past = Past::open(folder, from)?;
    let other = |image: &ConfigImage| {
        let config = config_of(config, image)?;
        others.program(&config).ok_or(PastError::Rules)
    };
    let ours = Again::begin(&past, |image| Ok(config_of(config, image)?.program))?;
    let theirs = match Again::begin(&past, other) {
        Err(PastError::Rules) => return Ok(None),
        begun => begun?,
    };
    let mut sides = [ours, theirs];
    let mut heard: Option<[Side; 2]> = None;
    let mut found = Comparison::default();
    let mut begin = past.begin();
    while let Some(entry) = past.read()? {
        if entry.t > to {
            break;
        }
        let begin = *begin.get_or_insert(entry.t);
        let until = sides[0].lives_until(&entry.record, entry.t);
        if heard.is_none() && entry.t >= from {
            found.from = from.max(begin);
            for side in &mut sides {
                if let Some(until) = until {
                    side.come_to(found.from.min(until));
                }
                side.effects.clear();
            }
            heard = both(&sides, found.from);
        }
        let is_counted = heard.is_some();
        if let (Record::Pack { samples, .. }, true) = (&entry.record, is_counted) {
            found.samples += samples.iter().count() as u64;
        }
        let mut refused = [false; 2];
        for (index, side) in sides.iter_mut().enumerate() {
            if let Some(until) = until {
                side.come_to(until);
            }
            hear(side, heard.as_mut().map(|heard| &mut heard[index]));
            refused[index] = match side.take(&entry.record, entry.t) {
                Err(PastError::Rules) => return Ok(None),
                taken => taken?.1.is_some(),
            };
            hear(side, heard.as_mut().map(|heard| &mut heard[index]));
        }
        // What was refused then is in the log too.
        found.deeds_without_alarm += usize::from(is_counted && refused == [false, true]);
        found.to = entry.t;
        let done = entry.end.0;
        tell((done, past.end()));
    }
    let Some([ours, theirs]) = heard else {
        return Err(PastError::Nothing { from, to });
    };
    found.hold_side_by_side(ours, theirs);
    Ok(Some(found))
}

fn both(sides: &[Again<'_>; 2], from: UtcMs) -> Option<[Side; 2]> {
    let begin = |side: &Again<'_>| match side.engine() {
        Some(engine) => Side::begin(engine, from),
        None => Side::default(),
    };
    Some([begin(&sides[0]), begin(&sides[1])])
}

fn hear(again: &mut Again<'_>, side: Option<&mut Side>) {
    if again.effects.is_empty() {
        return;
    }
    let effects = std::mem::take(&mut again.effects);
    if let (Some(engine), Some(side)) = (again.engine(), side) {
        for effect in &effects {
            side.hear(engine.program(), effect);
        }
    }
}

impl Comparison {
    fn hold_side_by_side(&mut self, ours: Side, theirs: Side) {
        let mut theirs = theirs.by_alarm;
        let mut all: BTreeMap<String, (Vec<Occurrence>, Vec<Occurrence>)> = ours
            .by_alarm
            .into_iter()
            .map(|(id, ours)| {
                let theirs = theirs.remove(&id).unwrap_or_default();
                (id, (ours, theirs))
            })
            .collect();
        all.extend(
            theirs
                .into_iter()
                .map(|(id, theirs)| (id, (Vec::new(), theirs))),
        );
        for (alarm, (ours, theirs)) in all {
            for (index, side) in [&ours, &theirs].into_iter().enumerate() {
                for occurrence in side.iter().filter(|it| !it.is_older) {
                    let shift = occurrence.raised.0.div_euclid(SHIFT_MS) * SHIFT_MS;
                    let counts = self.shifts.entry(UtcMs(shift)).or_default();
                    *(if index == 0 {
                        &mut counts.0
                    } else {
                        &mut counts.1
                    }) += 1;
                }
            }
            for what in differences(ours, theirs) {
                match what {
                    None => self.same += 1,
                    Some(what) => self.differences.push(Difference {
                        alarm: alarm.clone(),
                        what,
                    }),
                }
            }
        }
        self.differences.sort_by_key(|difference| difference.at());
    }

    /// How many occurrences there were, and how many there would have been.
    pub fn raised(&self) -> (u32, u32) {
        self.shifts
            .values()
            .fold((0, 0), |sum, shift| (sum.0 + shift.0, sum.1 + shift.1))
    }
}

impl Difference {
    /// When it begins to differ.
    pub fn at(&self) -> UtcMs {
        match &self.what {
            What::Added(one) | What::Removed(one) => one.raised,
            What::Moved(was, would) => was.raised.min(would.raised),
        }
    }
}

/// Pairs occurrences of one alarm that overlap in time; none for a pair that is the same.
fn differences(ours: Vec<Occurrence>, theirs: Vec<Occurrence>) -> Vec<Option<What>> {
    let end = |one: &Occurrence| one.returned.unwrap_or(UtcMs(i64::MAX));
    let mut found = Vec::new();
    let (mut ours, mut theirs) = (ours.into_iter().peekable(), theirs.into_iter().peekable());
    loop {
        let before = match (ours.peek(), theirs.peek()) {
            (None, None) => return found,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(one), Some(other)) if end(one) < other.raised => true,
            (Some(one), Some(other)) if end(other) < one.raised => false,
            (Some(_), Some(_)) => {
                if let (Some(one), Some(other)) = (ours.next(), theirs.next()) {
                    found.push((one != other).then_some(What::Moved(one, other)));
                }
                continue;
            }
        };
        if before {
            found.extend(ours.next().map(|one| Some(What::Removed(one))));
        } else {
            found.extend(theirs.next().map(|one| Some(What::Added(one))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurrence(raised: i64, returned: i64) -> Occurrence {
        Occurrence {
            raised: UtcMs(raised),
            returned: (returned > 0).then_some(UtcMs(returned)),
            level: ("L1".to_owned(), 500),
            is_older: false,
        }
    }

    #[test]
    fn occurrences_that_overlap_are_one_that_moved_and_the_others_came_or_went() {
        let ours = vec![occurrence(1, 5), occurrence(10, 20), occurrence(40, 0)];
        let theirs = vec![occurrence(12, 18), occurrence(25, 30), occurrence(40, 0)];
        assert_eq!(
            differences(ours, theirs),
            [
                Some(What::Removed(occurrence(1, 5))),
                Some(What::Moved(occurrence(10, 20), occurrence(12, 18))),
                Some(What::Added(occurrence(25, 30))),
                None,
            ]
        );
    }
}
