//! One bus: its sweep, and what the answers mean for its points.
//!
//! Ties the scheduler to the plan and the conversion of `devices`. Knows no packs and no uplink.

use devices::Bus;
use devices::plan::{Image, Plan, Reply};
use telemetry::body::BusState;
use telemetry::{Quality, Value};

use crate::config::BackOffConfig;
use crate::effect::{Answer, Request, Work};
use crate::sweep::{Fate, Group, Outcome, Step, Sweep, SweepConfig};

/// What a bus says about a point: its index in the bus, its value, its quality.
pub(crate) type Tell<'a> = dyn FnMut(usize, Option<Value>, Quality) + 'a;

/// A bus that is polled.
#[derive(Debug)]
pub(crate) struct Line {
    bus: Bus,
    plan: Plan,
    image: Image,
    sweep: Sweep,
}

impl Line {
    /// Everything is due at `mono`.
    pub(crate) fn new(bus: Bus, back_off: BackOffConfig, seed: u64, mono: u64) -> Self {
        let plan = Plan::new(&bus);
        let group = |group: &devices::plan::Group| Group {
            slave: group.slave,
            period_ms: group.period_ms,
            requests: group.requests.clone(),
        };
        let probe = |slave: usize| {
            let requests = plan.requests.iter().enumerate();
            requests
                .filter(|(_, request)| request.slave == slave)
                .min_by_key(|(_, request)| request.count)
                .map(|(idx, _)| idx)
        };
        let config = SweepConfig {
            groups: plan.groups.iter().map(group).collect(),
            probes: (0..bus.slaves.len()).map(probe).collect(),
            timeout_ms: bus.timeout_ms,
            lateness_ms: bus.lateness_ms,
            back_off,
        };
        Self {
            image: plan.image(),
            sweep: Sweep::new(config, seed, mono),
            plan,
            bus,
        }
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Says what to do at `mono`, and tells what is missing because a slave is left alone.
    pub(crate) fn poll(&mut self, tell: &mut Tell<'_>, mono: u64) -> Work {
        loop {
            match self.sweep.poll(mono) {
                Step::Send { token, request } => {
                    let request = &self.plan.requests[request];
                    return Work::Send(Request {
                        token,
                        slave: request.unit_id,
                        function: request.function,
                        address: request.address,
                        count: request.count,
                        timeout_ms: u32::try_from(self.bus.timeout_ms).unwrap_or(u32::MAX),
                    });
                }
                Step::Missed { requests } => {
                    for request in requests {
                        self.decode(request, Reply::Failed(Quality::COMM_ERROR), tell);
                    }
                }
                Step::Drain { until } => return Work::Drain { until },
                Step::Idle { until } => return Work::Idle { until },
            }
        }
    }

    /// Takes an answer, and tells what it says about points.
    pub(crate) fn handle_answer(
        &mut self,
        token: u64,
        answer: &Answer<'_>,
        tell: &mut Tell<'_>,
        mono: u64,
    ) {
        let outcome = match answer {
            Answer::Words(_) | Answer::Bits(_) => Outcome::Answered,
            // A gateway on the way has no path to the slave, or no answer from it (Modbus V1.1b3 §7).
            Answer::Exception(0x0A | 0x0B) => Outcome::Unreachable,
            Answer::Exception(_) => Outcome::Exception,
            Answer::Silent => Outcome::Silent,
            Answer::Garbled => Outcome::Garbled,
            Answer::LineDown => Outcome::LineDown,
        };
        match self.sweep.handle_outcome(token, outcome, mono) {
            Fate::Stale | Fate::Probe => {}
            Fate::Answered { request } => {
                let reply = match *answer {
                    Answer::Words(words) => Reply::Words(words),
                    Answer::Bits(bits) => Reply::Bits(bits),
                    _ => Reply::Failed(Quality::COMM_ERROR),
                };
                self.decode(request, reply, tell);
            }
            Fate::Failed { requests } => {
                let quality = match answer {
                    // The device does not know what it was asked for: the map is wrong for it.
                    Answer::Exception(1..=3) => Quality::CONFIGURATION,
                    Answer::Exception(4) => Quality::DEVICE_FAILURE,
                    _ => Quality::COMM_ERROR,
                };
                for request in requests {
                    self.decode(request, Reply::Failed(quality), tell);
                }
            }
        }
    }

    fn decode(&mut self, request: usize, reply: Reply<'_>, tell: &mut Tell<'_>) {
        self.plan
            .decode(&self.bus, &mut self.image, request, reply, tell);
    }

    /// One row for each slave.
    pub(crate) fn states(&self) -> impl Iterator<Item = BusState> + '_ {
        self.bus.slaves.iter().enumerate().map(|(idx, slave)| {
            let (state, errors) = self.sweep.slave(idx);
            BusState {
                name: self.bus.name.clone(),
                slave: slave.unit_id,
                state: state.word().into(),
                errors,
            }
        })
    }

    /// The words of all slaves' states: what makes a status news.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        (0..self.bus.slaves.len()).map(|idx| self.sweep.slave(idx).0.word())
    }

    /// Ends the pause of a slave. False when the bus has no such slave.
    pub(crate) fn wake(&mut self, unit_id: u8) -> bool {
        let found = self.bus.slaves.iter().position(|s| s.unit_id == unit_id);
        if let Some(slave) = found {
            self.sweep.wake(slave);
        }
        found.is_some()
    }
}
