//! Which request goes next on a bus.
//!
//! Groups of requests come due by their period, and the earliest deadline goes first; a slave that stays silent is left
//! alone for a growing pause, and at least for as long as its answer may be late: no late answer is taken for a later
//! one's. The others go on meanwhile, since a late answer names its slave; after an answer that was broken nobody knows
//! whose the rest is, and the whole line is kept quiet.
//! A slave that may fail again is asked when the others have just been read, and so that its answer, if one once broke
//! into another's, comes while nobody else is asked.
//! What has to be written goes before everything that is only read, as long as its slave answers.
//! Knows no bytes, no values and no points; time is milliseconds since boot.

mod back_off;

use alloc::vec::Vec;
use core::ops::Range;

use crate::config::BackOffConfig;
use back_off::BackOff;

/// The first pause after the line was not there, in milliseconds; it doubles.
const LINE_PAUSE_MIN_MS: u64 = 250;
/// Where that pause stops growing: a replugged adapter is found again within it.
const LINE_PAUSE_MAX_MS: u64 = 5_000;
/// Of the time of a line that somebody answers on, probes of dead slaves take at most one in so many.
const PROBE_SHARE: u64 = 20;
/// So many broken answers in a row count as silence.
const GARBLED_MAX: u8 = 3;

/// Requests of one slave that come due together.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Which slave of the bus.
    pub(crate) slave: usize,
    /// How often it is due, in milliseconds, from 1.
    pub(crate) period_ms: u64,
    /// Its requests, in order; never empty.
    pub(crate) requests: Range<usize>,
}

/// How a bus is swept.
#[derive(Clone, Debug)]
pub(crate) struct SweepConfig {
    pub(crate) groups: Vec<Group>,
    /// For each slave of the bus, the request that asks least; none for a slave without requests.
    pub(crate) probes: Vec<Option<usize>>,
    /// How long an answer is waited for.
    pub(crate) timeout_ms: u64,
    /// How late an answer may come: so long a slave is not asked again after a time-out, and nobody after a broken answer.
    pub(crate) lateness_ms: u64,
    pub(crate) back_off: BackOffConfig,
}

/// What is known of a slave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SlaveState {
    /// Nothing was asked yet.
    Unknown,
    /// It answers.
    Ok,
    /// It answers, and its last answer was an exception.
    Exception,
    /// Its last answer was broken.
    Garbled,
    /// It does not answer.
    Silent,
    /// There is no line to it.
    LineDown,
}

impl SlaveState {
    /// The word in the status.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Exception => "exception",
            Self::Garbled => "garbled",
            Self::Silent => "silent",
            Self::LineDown => "line-down",
        }
    }
}

/// How a request ended, as far as the sweep cares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Answered,
    Exception,
    /// A gateway on the way said that the slave is not there; nothing can come late.
    Unreachable,
    Silent,
    Garbled,
    LineDown,
}

/// What to do now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Send this request.
    Send {
        token: u64,
        request: usize,
    },
    /// Send this write.
    Write {
        token: u64,
        write: usize,
    },
    /// These requests are due and their slave is left alone: their readings are missing.
    Missed {
        requests: Range<usize>,
    },
    Drain {
        until: u64,
    },
    Idle {
        until: Option<u64>,
    },
}

/// What an outcome means for the readings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It was about no request under way.
    Stale,
    /// It was a probe: nothing is read or missing.
    Probe,
    /// It was a write.
    Written,
    /// The request has what was answered.
    Answered { request: usize },
    /// These requests have no readings in this pass.
    Failed { requests: Range<usize> },
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    token: u64,
    slave: usize,
    what: What,
    sent_at: u64,
}

/// What was asked.
#[derive(Clone, Copy, Debug)]
enum What {
    /// A request of a group's pass.
    Read { group: usize, request: usize },
    /// Whether the slave is there.
    Probe,
    /// An output was switched.
    Write,
}

#[derive(Clone, Debug)]
struct Slave {
    state: SlaveState,
    errors: u64,
    garbled: u8,
    back_off: BackOff,
    /// Until when an answer of it may still come late.
    late_until: u64,
    /// When it was last asked in vain.
    silent_since: u64,
    /// How long after a question its answer broke into another one's, once it did.
    late_by: Option<u64>,
}

/// A pass over a group's requests.
#[derive(Clone, Copy, Debug)]
struct Pass {
    /// When the pass is, or was, to begin.
    due: u64,
    /// The next request of a pass that has begun.
    next: Option<usize>,
}

/// The scheduler of one bus. One request is under way at a time; each call's work is bounded by the groups.
#[derive(Clone, Debug)]
pub(crate) struct Sweep {
    config: SweepConfig,
    slaves: Vec<Slave>,
    passes: Vec<Pass>,
    in_flight: Option<InFlight>,
    /// What has to be written, as (slave, write), in order.
    writes: Vec<(usize, usize)>,
    /// Until when the rest of a broken answer may come, of whomever.
    quiet_until: u64,
    /// Until when probes have taken their share of the line.
    probes_until: u64,
    line_down: Option<BackOff>,
    next_token: u64,
    seed: u64,
}

impl Sweep {
    /// Everything is due at `mono`.
    pub(crate) fn new(config: SweepConfig, seed: u64, mono: u64) -> Self {
        let slave = || Slave {
            state: SlaveState::Unknown,
            errors: 0,
            garbled: 0,
            back_off: BackOff::new(config.back_off),
            late_until: mono,
            silent_since: mono,
            late_by: None,
        };
        let slaves = config.probes.iter().map(|_| slave()).collect();
        let pass = Pass {
            due: mono,
            next: None,
        };
        let passes = alloc::vec![pass; config.groups.len()];
        Self {
            config,
            slaves,
            passes,
            in_flight: None,
            writes: Vec::new(),
            quiet_until: mono,
            probes_until: mono,
            line_down: None,
            next_token: 1,
            seed: seed | 1,
        }
    }

    /// The state of a slave and how many of its requests failed.
    pub(crate) fn slave(&self, slave: usize) -> (SlaveState, u64) {
        self.slaves
            .get(slave)
            .map_or((SlaveState::Unknown, 0), |slave| {
                (slave.state, slave.errors)
            })
    }

    /// Ends the pause of a slave: it is asked at the next chance.
    pub(crate) fn wake(&mut self, slave: usize) {
        if let Some(slave) = self.slaves.get_mut(slave) {
            slave.back_off.wake();
        }
    }

    /// A group is to be read as often as this from now on.
    pub(crate) fn set_period(&mut self, group: usize, period_ms: u64, mono: u64) {
        let (Some(config), Some(pass)) = (
            self.config.groups.get_mut(group),
            self.passes.get_mut(group),
        ) else {
            return;
        };
        if config.period_ms != period_ms {
            config.period_ms = period_ms;
            pass.due = pass.due.min(mono + period_ms);
        }
    }

    /// A slave's output has to be written; one that is left alone is written when it answers again.
    pub(crate) fn write(&mut self, slave: usize, write: usize) {
        if !self.writes.contains(&(slave, write)) {
            self.writes.push((slave, write));
        }
    }

    /// Says what to do at `mono`; to be asked again after everything but `Drain` and `Idle`.
    pub(crate) fn poll(&mut self, mono: u64) -> Step {
        if let Some(requests) = self.next_missed(mono) {
            return Step::Missed { requests };
        }
        if self.in_flight.is_some() {
            return Step::Idle { until: None };
        }
        if mono < self.quiet_until {
            return Step::Drain {
                until: self.quiet_until,
            };
        }
        if let Some(until) = self.line_pause(mono) {
            let due = self.passes.iter().map(|pass| pass.due).min();
            let until = due.map_or(until, |due| due.min(until));
            return Step::Idle { until: Some(until) };
        }
        let answers = |slave: usize| !self.slaves[slave].back_off.is_open();
        if let Some(place) = self.writes.iter().position(|(slave, _)| answers(*slave)) {
            let (slave, write) = self.writes.remove(place);
            let token = self.fly(slave, What::Write, mono);
            return Step::Write { token, write };
        }
        let group = self.most_urgent(mono);
        // A probe of a slave that may be dead waits until nothing else does, or until it has waited for a whole pause.
        let probe = self.probe_due(mono).filter(|slave| {
            let has_waited = group.is_none() || self.has_waited_a_pause(*slave, mono);
            has_waited && (self.is_harmless(*slave, mono) || mono >= self.probe_by(*slave))
        });
        let (slave, request, what) = match (probe, group) {
            (Some(slave), _) => {
                let request = self.config.probes[slave];
                let request = request.expect("probe_due gives slaves with a probe");
                (slave, request, What::Probe)
            }
            (None, Some(group)) => {
                let requests = &self.config.groups[group].requests;
                let request = self.passes[group].next.unwrap_or(requests.start);
                let what = What::Read { group, request };
                (self.config.groups[group].slave, request, what)
            }
            (None, None) => {
                return Step::Idle {
                    until: self.next_time(mono),
                };
            }
        };
        let token = self.fly(slave, what, mono);
        Step::Send { token, request }
    }

    /// Something is asked now; gives its token.
    fn fly(&mut self, slave: usize, what: What, mono: u64) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.in_flight = Some(InFlight {
            token,
            slave,
            what,
            sent_at: mono,
        });
        token
    }

    /// Takes the end of a request.
    pub(crate) fn handle_outcome(&mut self, token: u64, outcome: Outcome, mono: u64) -> Fate {
        let Some(request) = self.in_flight.take_if(|request| request.token == token) else {
            return Fate::Stale;
        };
        self.judge(request, outcome, mono);
        let (group, asked) = match request.what {
            What::Read { group, request } => (group, request),
            What::Probe => {
                if self.slaves[request.slave].back_off.is_open() {
                    let cost_ms = mono.max(self.quiet_until) - request.sent_at;
                    self.probes_until = request.sent_at + cost_ms * PROBE_SHARE;
                }
                return Fate::Probe;
            }
            What::Write => return Fate::Written,
        };
        let Range { start: _, end } = self.config.groups[group].requests;
        let goes_on = matches!(
            outcome,
            Outcome::Answered | Outcome::Exception | Outcome::Garbled
        ) && !self.slaves[request.slave].back_off.is_open()
            && asked + 1 < end;
        let last = if goes_on {
            self.passes[group].next = Some(asked + 1);
            asked + 1
        } else {
            self.end_pass(group, mono);
            end
        };
        match outcome {
            Outcome::Answered => Fate::Answered { request: asked },
            _ => Fate::Failed {
                requests: asked..last,
            },
        }
    }

    /// What an outcome says about the slave and the line.
    fn judge(&mut self, request: InFlight, outcome: Outcome, mono: u64) {
        let InFlight {
            slave: slave_idx,
            sent_at,
            ..
        } = request;
        let seed = self.next_seed();
        if outcome == Outcome::Garbled {
            self.suspect_late_answers(slave_idx, sent_at);
        }
        let slave = &mut self.slaves[slave_idx];
        if outcome != Outcome::LineDown {
            self.line_down = None;
        }
        let late_until = mono + self.config.lateness_ms;
        match outcome {
            Outcome::Silent => {
                slave.late_until = late_until;
                slave.silent_since = sent_at;
            }
            Outcome::Garbled => self.quiet_until = late_until,
            Outcome::Answered | Outcome::Exception | Outcome::Unreachable | Outcome::LineDown => {}
        }
        if outcome != Outcome::Answered {
            slave.errors = slave.errors.saturating_add(1);
        }
        let was_open = slave.back_off.is_open();
        match outcome {
            Outcome::Answered | Outcome::Exception => {
                slave.garbled = 0;
                slave.back_off.succeeded();
                slave.state = match outcome {
                    Outcome::Answered => SlaveState::Ok,
                    _ => SlaveState::Exception,
                };
            }
            Outcome::Silent | Outcome::Unreachable => {
                slave.garbled = 0;
                slave.state = SlaveState::Silent;
                slave.back_off.failed(seed, mono);
            }
            Outcome::Garbled => {
                slave.garbled = slave.garbled.saturating_add(1);
                slave.state = SlaveState::Garbled;
                if was_open || slave.garbled >= GARBLED_MAX {
                    slave.back_off.failed(seed, mono);
                }
            }
            Outcome::LineDown => {
                let pause = BackOffConfig {
                    min_ms: LINE_PAUSE_MIN_MS,
                    max_ms: LINE_PAUSE_MAX_MS,
                };
                let line = self.line_down.get_or_insert_with(|| BackOff::new(pause));
                line.failed(seed, mono);
                for slave in &mut self.slaves {
                    slave.state = SlaveState::LineDown;
                }
            }
        }
        let answers = matches!(outcome, Outcome::Answered | Outcome::Exception);
        if was_open && answers {
            // It is back: everything that it missed is read at once.
            for (pass, group) in self.passes.iter_mut().zip(&self.config.groups) {
                if group.slave == slave_idx {
                    pass.due = mono;
                }
            }
        }
    }

    /// An answer was broken that was asked for at `sent_at`: others' late ones may have come in between.
    fn suspect_late_answers(&mut self, asked: usize, sent_at: u64) {
        for (idx, slave) in self.slaves.iter_mut().enumerate() {
            if idx != asked && sent_at < slave.late_until {
                slave.late_by = Some(sent_at - slave.silent_since);
            }
        }
    }

    fn end_pass(&mut self, group: usize, mono: u64) {
        let period_ms = self.config.groups[group].period_ms.max(1);
        let pass = &mut self.passes[group];
        pass.next = None;
        pass.due += period_ms;
        if pass.due <= mono {
            // What can't be kept is left out, in step with the period.
            pass.due = mono + period_ms - (mono - pass.due) % period_ms;
        }
    }

    /// What is due and can't be asked, because its slave or the line is left alone.
    fn next_missed(&mut self, mono: u64) -> Option<Range<usize>> {
        let line_pause = self.line_pause(mono).is_some();
        let in_flight = self.in_flight.and_then(|request| match request.what {
            What::Read { group, .. } => Some(group),
            What::Probe | What::Write => None,
        });
        let groups = self.config.groups.iter().zip(&self.passes);
        let group = groups.enumerate().position(|(idx, (group, pass))| {
            let left_alone = line_pause || self.slaves[group.slave].back_off.is_open();
            let wanted = pass.next.is_some() || pass.due <= mono;
            left_alone && wanted && in_flight != Some(idx)
        })?;
        let Range { start, end } = self.config.groups[group].requests;
        let from = self.passes[group].next.unwrap_or(start);
        self.end_pass(group, mono);
        Some(from..end)
    }

    /// Until when the line is left alone.
    fn line_pause(&self, mono: u64) -> Option<u64> {
        let until = self.line_down.as_ref()?.until();
        (mono < until).then_some(until)
    }

    /// The pass under way, else of the groups that are due the one whose period ends first.
    /// A slave whose last answer was broken has a period more, and goes behind the others.
    fn most_urgent(&self, mono: u64) -> Option<usize> {
        let due = self
            .live()
            .filter(|(_, _, pass)| pass.next.is_some() || pass.due <= mono);
        due.min_by_key(|(_, group, pass)| {
            let is_doubtful = self.slaves[group.slave].state == SlaveState::Garbled;
            let periods = if is_doubtful { 2 } else { 1 };
            let is_under_way = pass.next.is_some() && !is_doubtful;
            (
                !is_under_way,
                pass.due + periods * group.period_ms,
                is_doubtful,
            )
        })
        .map(|(idx, ..)| idx)
    }

    /// The groups of slaves that are not left alone.
    fn live(&self) -> impl Iterator<Item = (usize, &Group, &Pass)> {
        let groups = self.config.groups.iter().zip(&self.passes).enumerate();
        groups
            .map(|(idx, (group, pass))| (idx, group, pass))
            .filter(|(_, group, _)| !self.slaves[group.slave].back_off.is_open())
    }

    /// From when on a slave that is left alone may be asked.
    fn probe_from(&self, slave: usize) -> u64 {
        let probes_until = self.live().next().map_or(0, |_| self.probes_until);
        let slave = &self.slaves[slave];
        let from = slave.back_off.until().max(slave.late_until);
        from.max(probes_until)
    }

    /// The slave whose pause ended first.
    fn probe_due(&self, mono: u64) -> Option<usize> {
        let slaves = self.slaves.iter().zip(&self.config.probes).enumerate();
        slaves
            .filter(|(_, (slave, probe))| slave.back_off.is_open() && probe.is_some())
            .map(|(idx, _)| (self.probe_from(idx), idx))
            .filter(|(from, _)| *from <= mono)
            .min()
            .map(|(_, idx)| idx)
    }

    /// Whether a probe that fails would cost nobody a reading.
    fn is_harmless(&self, slave: usize, mono: u64) -> bool {
        let quiet_ms = match self.slaves[slave].state {
            SlaveState::Garbled => self.config.lateness_ms,
            _ => 0,
        };
        let end = mono + self.config.timeout_ms + quiet_ms;
        let late_by = self.slaves[slave].late_by;
        self.live().all(|(_, group, pass)| {
            let (due, period_ms) = (pass.due, group.period_ms);
            // What is read after it takes time too: a quarter of a period.
            let in_time = end <= due + period_ms * 3 / 4;
            let Some(late_by) = late_by else {
                return in_time;
            };
            // Its late answer finds the line idle: the others have been read, and are not soon to be.
            let since_due = (mono + late_by + period_ms - due % period_ms) % period_ms;
            end <= due && (period_ms / 4..=period_ms * 3 / 4).contains(&since_due)
        })
    }

    /// When a probe has seen the others being read, and no better moment will come.
    fn probe_by(&self, slave: usize) -> u64 {
        self.probe_from(slave) + self.min_period()
    }

    /// The shortest period of those that are not left alone, 0 without any.
    fn min_period(&self) -> u64 {
        let periods = self.live().map(|(_, group, _)| group.period_ms);
        periods.min().unwrap_or(0)
    }

    fn has_waited_a_pause(&self, slave: usize, mono: u64) -> bool {
        mono >= self.probe_from(slave) + self.slaves[slave].back_off.pause_ms()
    }

    /// When something comes due, seen from a time when nothing is.
    fn next_time(&self, mono: u64) -> Option<u64> {
        let passes = self.passes.iter().map(|pass| pass.due);
        let slaves = self.slaves.iter().zip(&self.config.probes).enumerate();
        let probes = slaves
            .filter(|(_, (slave, probe))| slave.back_off.is_open() && probe.is_some())
            .map(|(idx, _)| match self.probe_from(idx) {
                from if from > mono => from,
                // Between what it has seen being read, there may be a moment for its late answer.
                _ if self.slaves[idx].late_by.is_some() => {
                    let step_ms = self.min_period() / 8 + 1;
                    self.probe_by(idx).min(mono + step_ms).max(mono + 1)
                }
                _ => self.probe_by(idx),
            });
        passes.chain(probes).min()
    }

    /// xorshift64: pauses of several dead slaves should not fall together.
    fn next_seed(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }
}

#[cfg(test)]
mod tests;
