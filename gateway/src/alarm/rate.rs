//! How fast alarms come: a flood that nobody can follow, and alarms that chatter (ISA-18.2, alarm system performance).
//!
//! It only looks: every alarm is told all the same, and the gateway's own alarms say that there are too many.
//! A function of its inputs; remembers eleven alarms, and two times of each that ever came.

use std::collections::{BTreeMap, VecDeque};

use rules::compile::{CHATTER, FLOOD};
use rules::effect::{AlarmIdx, Effect, EventKind, Letter};
use rules::engine::Engine;
use rules::program::Program;
use telemetry::UtcMs;

/// More than ten alarms within ten minutes begin a flood.
const FLOOD_BEGINS: usize = 11;
/// Fewer than five within ten minutes end it.
const FLOOD_GOES_ON: usize = 5;
const FLOOD_MS: u64 = 600_000;
/// An alarm that comes three times within a minute chatters,
const CHATTER_MS: u64 = 60_000;
/// until it has not come for ten.
const CHATTER_ENDS_MS: u64 = 600_000;
/// So many chattering alarms are named.
const NAMES_MAX: usize = 8;
/// What is between their names.
const SEPARATOR: &str = ", ";

/// The last alarms that sounded, and what that means.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// The last eleven, the oldest first.
    last: VecDeque<(UtcMs, AlarmIdx)>,
    /// When each alarm came the last two times, the older first.
    came: BTreeMap<AlarmIdx, [Option<UtcMs>; 2]>,
    /// What chatters, and when it came last.
    chatters: BTreeMap<AlarmIdx, UtcMs>,
    flood: Option<String>,
    /// A flood that stood at the start does not end before this: of what came before it, not all is known.
    flood_until: Option<UtcMs>,
    chatter: Option<String>,
    /// Something came since it was last looked at.
    has_news: bool,
}

impl Rate {
    /// Goes on with an engine that was restored: each alarm came last when it says.
    pub fn resume(engine: &Engine) -> Self {
        let mut rate = Self::default();
        let mut raised: Vec<_> = engine
            .alarms()
            .filter_map(|(alarm, state)| Some((state.raised_at?, alarm)))
            .filter(|(at, _)| engine.now().since_ms(*at) < FLOOD_MS)
            .filter(|(_, alarm)| counts(engine.program(), *alarm))
            .collect();
        raised.sort_unstable();
        for (at, alarm) in raised {
            rate.came(alarm, at);
        }
        rate
    }

    /// Takes over the reasons that stand at a start: a flood, and what chattered, may still do so for ten minutes.
    pub fn stands(
        &mut self,
        program: &Program,
        flood: Option<&str>,
        chatter: Option<&str>,
        now: UtcMs,
    ) {
        self.flood = flood.map(str::to_owned);
        self.flood_until = flood.map(|_| now.plus_ms(FLOOD_MS));
        for name in chatter.unwrap_or_default().split(SEPARATOR) {
            if let Some(alarm) = program.find_alarm(name) {
                self.chatters.insert(alarm, now);
            }
        }
    }

    /// Takes in what the engine said. Only what sounds counts: no test, nothing that was put aside, and not what says
    /// here that there is too much.
    pub fn take(&mut self, program: &Program, effect: &Effect) {
        let sounds = effect.kind == EventKind::Raised
            && effect.state.flags.letter() == Letter::B
            && !effect.state.flags.test;
        if sounds && counts(program, effect.alarm) {
            self.came(effect.alarm, effect.at);
        }
    }

    fn came(&mut self, alarm: AlarmIdx, at: UtcMs) {
        self.has_news = true;
        if self.last.len() == FLOOD_BEGINS {
            self.last.pop_front();
        }
        self.last.push_back((at, alarm));
        let came = self.came.entry(alarm).or_default();
        let is_third = came[0].is_some_and(|first| at.since_ms(first) < CHATTER_MS);
        *came = [came[1], Some(at)];
        if is_third || self.chatters.contains_key(&alarm) {
            self.chatters.insert(alarm, at);
        }
    }

    /// Looks at it at `now`; true when it may mean something else than before.
    pub fn look(&mut self, program: &Program, now: UtcMs) -> bool {
        let is_due = self.poll_timeout().is_some_and(|due| due <= now);
        if !is_due && !self.has_news {
            return false;
        }
        self.has_news = false;
        if self.flood.is_some() {
            // What stands keeps the name of its first.
            let ends = self.flood_end();
            self.flood.take_if(|_| ends.is_none_or(|ends| ends <= now));
        } else if let Some((begun, first)) = self.last.front()
            && self.last.len() == FLOOD_BEGINS
            && begun.plus_ms(FLOOD_MS) > now
        {
            let first = program.id_of(*first);
            self.flood = Some(first.to_string());
        }
        self.chatters
            .retain(|_, last| last.plus_ms(CHATTER_ENDS_MS) > now);
        let names = self.chatters.keys().take(NAMES_MAX);
        let names: Vec<String> = names
            .map(|alarm| program.id_of(*alarm).to_string())
            .collect();
        self.chatter = (!names.is_empty()).then(|| names.join(SEPARATOR));
        true
    }

    /// When [`Self::look`] may find something else without news.
    pub fn poll_timeout(&self) -> Option<UtcMs> {
        let flood = self.flood.as_ref().and_then(|_| self.flood_end());
        let chatter = self.chatters.values().min();
        let chatter = chatter.map(|last| last.plus_ms(CHATTER_ENDS_MS));
        flood.into_iter().chain(chatter).min()
    }

    /// Which alarm a flood began with, while there is one.
    pub fn flood(&self) -> Option<&str> {
        self.flood.as_deref()
    }

    /// Which alarms chatter, while any does.
    pub fn chatter(&self) -> Option<&str> {
        self.chatter.as_deref()
    }

    /// True when an alarm chatters that a reason given before does not name: people are to be told anew.
    pub fn chatters_more_than(&self, before: &str) -> bool {
        let is_named = |name: &str| before.split(SEPARATOR).any(|named| named == name);
        let names = self.chatter.iter().flat_map(|now| now.split(SEPARATOR));
        names.into_iter().any(|name| !is_named(name))
    }

    /// When the last five are no longer within ten minutes; none when there are not so many.
    fn flood_end(&self) -> Option<UtcMs> {
        let fifth = self.last.len().checked_sub(FLOOD_GOES_ON);
        let fifth = fifth.and_then(|fifth| self.last.get(fifth));
        let ends = fifth.map(|(at, _)| at.plus_ms(FLOOD_MS));
        ends.max(self.flood_until)
    }
}

/// What says that there is too much is not too much itself.
fn counts(program: &Program, alarm: AlarmIdx) -> bool {
    let rule = &program.rule_of(alarm).name;
    ![FLOOD, CHATTER].contains(&&**rule)
}

#[cfg(test)]
mod tests;
