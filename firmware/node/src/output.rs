//! The outputs of a bus: what each is to be, and when it has to be written.
//!
//! An output is written when it is to be something else, and again whenever it is read and is not as it should be: a
//! relay module that was off and on, or that somebody else wrote to, is set right within one period.

use alloc::string::String;
use alloc::vec::Vec;

use devices::convert::written;
use devices::{Bus, FailSafe, Function};
use telemetry::Value;

/// What a write puts where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Write {
    pub(crate) unit_id: u8,
    pub(crate) function: Function,
    pub(crate) address: u16,
    pub(crate) contents: u16,
}

#[derive(Clone, Debug)]
struct Output {
    /// `{unit}/{point}`.
    name: String,
    /// The point that reads it back.
    point: usize,
    slave: usize,
    fail_safe: FailSafe,
    /// What it is to be; none until somebody has said so: it is left alone then.
    wanted: Option<bool>,
}

/// The outputs of a bus; an index into them is what is written.
#[derive(Clone, Debug)]
pub(crate) struct Outputs(Vec<Output>);

impl Outputs {
    pub(crate) fn new(bus: &Bus) -> Self {
        let outputs = bus.points.iter().enumerate().filter_map(|(idx, point)| {
            Some(Output {
                name: alloc::format!("{}/{}", point.unit, point.point),
                point: idx,
                slave: point.slave,
                fail_safe: point.fail_safe?,
                wanted: None,
            })
        });
        Self(outputs.collect())
    }

    /// An output is to be on or off: gives its slave and its index when it has to be written, and none when there is no
    /// output of this name.
    pub(crate) fn switch(&mut self, name: &str, on: bool) -> Option<Option<(usize, usize)>> {
        let mut outputs = self.0.iter_mut().enumerate();
        let (idx, output) = outputs.find(|(_, output)| output.name == name)?;
        let is_news = output.wanted != Some(on);
        output.wanted = Some(on);
        Some(is_news.then_some((output.slave, idx)))
    }

    /// Nobody says what they are to be but those that `is_named` knows: gives what has to be written for that.
    pub(crate) fn fail_safe(
        &mut self,
        is_named: &dyn Fn(&str) -> bool,
    ) -> impl Iterator<Item = (usize, usize)> {
        let outputs = self.0.iter_mut().enumerate();
        let unnamed = outputs.filter(|(_, output)| !is_named(&output.name));
        unnamed.filter_map(|(idx, output)| {
            let on = match output.fail_safe {
                FailSafe::On => true,
                FailSafe::Off => false,
                FailSafe::Hold => return None,
            };
            (output.wanted.replace(on) != Some(on)).then_some((output.slave, idx))
        })
    }

    /// A point was read: gives the output that has to be written because it is not as it should be.
    pub(crate) fn handle_reading(
        &self,
        point: usize,
        value: Option<Value>,
    ) -> Option<(usize, usize)> {
        let mut outputs = self.0.iter().enumerate();
        let (idx, output) = outputs.find(|(_, output)| output.point == point)?;
        let Some(Value::Bool(is_on)) = value else {
            return None;
        };
        let differs = output.wanted.is_some_and(|wanted| wanted != is_on);
        differs.then_some((output.slave, idx))
    }

    /// What to write for an output; none before anybody has said what it is to be.
    pub(crate) fn write(&self, bus: &Bus, idx: usize) -> Option<Write> {
        let output = self.0.get(idx)?;
        let point = bus.points.get(output.point)?;
        let slave = bus.slaves.get(output.slave)?;
        let register = slave.registers().get(point.signal.register)?;
        Some(Write {
            unit_id: slave.unit_id,
            function: register.function,
            address: register.address,
            contents: written(&point.signal, register, output.wanted?),
        })
    }
}
