//! A scenario: who is on the wire, what its registers show over time, and how it misbehaves.

use std::str::FromStr;

use front::{Problems, Source};

use crate::course::{Course, Encoding, Keyframe, Order};
use crate::fault::FaultWindow;

/// The four address spaces of Modbus.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Space {
    /// Bits that can be written: functions 1, 5 and 15.
    Coil,
    /// Bits: function 2.
    Discrete,
    /// Words that can be written: functions 3, 6 and 16.
    Holding,
    /// Words: function 4.
    Input,
}

/// A register or a row of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    /// Where it is.
    pub space: Space,
    /// The first address, as on the wire (from 0).
    pub address: u16,
    /// What it shows.
    pub course: Course,
}

/// One slave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slave {
    /// Its unit id, 1 to 247.
    pub unit: u8,
    /// How long it thinks before it replies, in milliseconds.
    pub turnaround_ms: u64,
    /// Its registers; an address outside them is answered by exception 2.
    pub registers: Vec<Register>,
    /// Its faults.
    pub faults: Vec<FaultWindow>,
}

/// Everything that happens on one bus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// The slaves; a unit id that is not here stays silent.
    pub slaves: Vec<Slave>,
    /// Faults of the whole bus; they come before those of a slave.
    pub faults: Vec<FaultWindow>,
}

impl Scenario {
    /// Reads a scenario file; `None` when there were problems.
    pub fn load(source: &Source, problems: &Problems) -> Option<Self> {
        crate::front::load(source, problems)
    }

    /// A scenario of slaves without faults of the bus.
    pub fn of(slaves: impl Into<Vec<Slave>>) -> Self {
        Self {
            slaves: slaves.into(),
            faults: Vec::new(),
        }
    }
}

impl FromStr for Scenario {
    type Err = String;

    /// Reads a scenario from a text that is no file; the error lists all problems, one a line.
    fn from_str(text: &str) -> Result<Self, String> {
        let problems = Problems::default();
        let scenario = Self::load(&Source::new("scenario", text), &problems);
        scenario.ok_or_else(|| problems.to_string())
    }
}

impl Slave {
    /// A slave without registers, faults or turnaround.
    pub fn new(unit: u8) -> Self {
        Self {
            unit,
            ..Self::default()
        }
    }

    /// Adds registers that always show these words; 0 and 1 for bits.
    #[must_use]
    pub fn words(mut self, space: Space, address: u16, words: &[u16]) -> Self {
        self.registers.push(Register {
            space,
            address,
            course: Course::Words(words.to_vec()),
        });
        self
    }

    /// Adds a number that never changes.
    #[must_use]
    pub fn number(mut self, space: Space, address: u16, encoding: Encoding, value: f64) -> Self {
        self.registers.push(Register {
            space,
            address,
            course: Course::Number {
                encoding,
                order: Order::Abcd,
                scale: 1.0,
                keyframes: vec![Keyframe {
                    at_ms: 0,
                    value,
                    ramp: false,
                }],
                noise: None,
            },
        });
        self
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(mut self, window: FaultWindow) -> Self {
        self.faults.push(window);
        self
    }
}
