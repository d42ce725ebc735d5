//! One bus: its sweep, and what the answers mean for its points.
//!
//! Ties the scheduler to the plan and the conversion of `devices`. Knows no packs and no uplink.

use alloc::string::String;

use devices::Bus;
use devices::plan::{Image, Plan, Reply};
use telemetry::body::BusState;
use telemetry::{Quality, Value};

use crate::config::BackOffConfig;
use crate::effect::{Answer, Request, Work};
use crate::output::Outputs;
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
    outputs: Outputs,
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
            outputs: Outputs::new(&bus),
            plan,
            bus,
        }
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// An output is to be on or off; false when this bus has none of this name.
    pub(crate) fn switch(&mut self, name: &str, on: bool) -> bool {
        let Some(write) = self.outputs.switch(name, on) else {
            return false;
        };
        if let Some((slave, write)) = write {
            self.sweep.write(slave, write);
        }
        true
    }

    /// Nobody says any more what the outputs are to be but those that `is_named` knows.
    pub(crate) fn fail_safe(&mut self, is_named: &dyn Fn(&str) -> bool) {
        for (slave, write) in self.outputs.fail_safe(is_named) {
            self.sweep.write(slave, write);
        }
    }

    /// Reads each group as often as the most wanted of its points, as far as its bus file lets it; and as usual where
    /// nothing is wanted.
    pub(crate) fn set_periods(&mut self, wanted: &[(String, u64)], mono: u64) {
        for (idx, group) in self.plan.groups.iter().enumerate() {
            let of_group =
                self.bus.points.iter().filter(|point| {
                    (point.slave, point.period_ms) == (group.slave, group.period_ms)
                });
            let periods = of_group.filter_map(|point| {
                let fastest = point.fastest_ms?;
                let named = |name: &str| name.split_once('/') == Some((&point.unit, &point.point));
                let (_, period_ms) = wanted.iter().find(|(name, _)| named(name))?;
                Some((*period_ms).max(fastest))
            });
            let period_ms = periods.min().unwrap_or(group.period_ms);
            self.sweep
                .set_period(idx, period_ms.min(group.period_ms), mono);
        }
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
                        write: None,
                        timeout_ms: self.timeout_ms(),
                    });
                }
                Step::Write { token, write } => {
                    let write = self.outputs.write(&self.bus, write);
                    let write = write.expect("only outputs that are to be something are written");
                    return Work::Send(Request {
                        token,
                        slave: write.unit_id,
                        function: write.function,
                        address: write.address,
                        count: 1,
                        write: Some(write.contents),
                        timeout_ms: self.timeout_ms(),
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

    fn timeout_ms(&self) -> u32 {
        u32::try_from(self.bus.timeout_ms).unwrap_or(u32::MAX)
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
            // Whether a write was obeyed is what reading it back says.
            Fate::Stale | Fate::Probe | Fate::Written => {}
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
        let (outputs, sweep) = (&self.outputs, &mut self.sweep);
        let mut tell = |point, value, quality| {
            if let Some((slave, write)) = outputs.handle_reading(point, value) {
                sweep.write(slave, write);
            }
            tell(point, value, quality);
        };
        self.plan
            .decode(&self.bus, &mut self.image, request, reply, &mut tell);
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
