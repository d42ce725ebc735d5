//! Why an alarm is as it is: each part of its rule with its answer, its readings and what is left of its delays.
//!
//! Read from the engine's own state and code, so that it can't say anything but what the engine did.

mod part;
mod since;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use part::{Answer, Part, Reading};
pub use since::Sinces;
use telemetry::UtcMs;

use self::part::Reader;
use super::Engine;
use super::state::{Asked, own_points};
use crate::alarm::Phase;
use crate::effect::AlarmIdx;
use crate::eval::{Memory, Stack};
use crate::program::{Entry, Source, Tables, at, u32_of};
use crate::timer::NEVER;
use crate::unit::Unit;
use crate::value::{Number, Truth};

/// Why an alarm is as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// The number that its limits are compared with; none where conditions alone decide.
    pub value: Option<Part>,
    /// The gate: a part of every level's condition.
    pub only_while: Option<Part>,
    /// Its levels, in the program's order.
    pub levels: Vec<LevelWhy>,
    /// What suppresses it by design, in the rule's order.
    pub suppress: Vec<Part>,
    /// What ends or comes by itself, and when.
    pub ends: Vec<(Ending, UtcMs)>,
}

/// What ends or comes by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// It comes back from the shelf.
    Shelved,
    /// It comes back from the shelf, or when it returns.
    ShelvedOnce,
    /// It is in service again.
    OutOfService,
    /// A person's test of it is over.
    Test,
    /// Its sensor says that it is being calibrated, and is believed until then.
    Calibration,
    /// Its siren is quiet, and it asks again.
    Silenced,
    /// It was acknowledged, and asks again.
    ReAlarm,
    /// A reason that suppressed it is gone, and its hold-off is over.
    HoldOff,
    /// It can't be told, and people hear of that.
    Unknown,
}

impl Ending {
    /// For people, before the time.
    pub fn words(self) -> &'static str {
        match self {
            Self::Shelved => "on the shelf until",
            Self::ShelvedOnce => "on the shelf until it returns, or until",
            Self::OutOfService => "out of service until",
            Self::Test => "under test until",
            Self::Calibration => "its sensor is being calibrated, which is believed until",
            Self::Silenced => "silenced until",
            Self::ReAlarm => "acknowledged, asks again at",
            Self::HoldOff => "what suppressed it is gone, suppressed until",
            Self::Unknown => "can't be told, people hear of it at",
        }
    }
}

/// Why a level is on or off.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelWhy {
    /// The rule's own word for it.
    pub name: String,
    /// What it asks, with the gate; as a limit it is the one that counts now, which is the exit while the level is on.
    pub condition: Part,
    /// Where it is.
    pub stage: Stage,
}

/// Where a level is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Off.
    Off,
    /// Its condition is true, and its on-delay is over in so many milliseconds.
    Coming {
        /// What is left of the on-delay.
        left_ms: u64,
    },
    /// Its condition was true and can't be told: its on-delay stands still.
    Standing {
        /// What is left of the on-delay.
        left_ms: u64,
    },
    /// On.
    On,
    /// On; its condition is false, and its off-delay is over in so many milliseconds.
    Leaving {
        /// What is left of the off-delay.
        left_ms: u64,
    },
}

impl Engine {
    /// Why an alarm is as it is now.
    ///
    /// # Panics
    /// When the index is of another program.
    pub fn explain(&self, alarm: AlarmIdx) -> Why {
        let (program, state) = (&*self.program, &self.machine.state);
        let tables = &program.tables;
        let mut reader = Reader::new(
            program,
            state,
            state.seen_by(tables, alarm.0),
            self.machine.now,
        );
        let code = &tables.alarm_code[at(alarm.0)];
        let value = match code.source {
            Source::None => None,
            Source::Point(point) => Some(reader.point(point)),
            Source::Formula(entry) => Some(reader.entry(entry)),
        };
        let number = match code.source {
            Source::None => Number::BAD,
            Source::Point(point) => state.seen_by(tables, alarm.0).number(point),
            Source::Formula(entry) => {
                Stack::default().formula(tables, entry, &state.seen_by(tables, alarm.0))
            }
        };
        let only_while = code.gate.map(|gate| reader.entry(gate));
        let suppress = tables.alarm_rest[at(alarm.0)].suppress;
        let suppress = tables.suppress[at(suppress.from)..at(suppress.to)]
            .iter()
            .map(|reason| reader.entry(reason.condition))
            .collect();
        let levels = program.levels_of(alarm).iter().enumerate();
        let levels = levels
            .map(|(level, info)| LevelWhy {
                name: info.name.clone(),
                condition: self.level(alarm, level, number, code.gate, &mut reader),
                stage: self.stage(at(code.states_from) + level),
            })
            .collect();
        Why {
            value,
            only_while,
            levels,
            suppress,
            ends: self.ends(alarm.0),
        }
    }

    /// What ends or comes by itself, the soonest first.
    fn ends(&self, alarm: u32) -> Vec<(Ending, UtcMs)> {
        let state = &self.machine.state;
        let slot = &state.alarms[at(alarm)];
        let mut ends = Vec::new();
        if let Some(rare) = &slot.rare {
            let aside = &rare.aside;
            let shelf = aside.shelf.as_ref().map(|shelf| {
                let what = match shelf.once {
                    true => Ending::ShelvedOnce,
                    false => Ending::Shelved,
                };
                (what, shelf.until)
            });
            let again = match aside.silenced {
                true => Ending::Silenced,
                false => Ending::ReAlarm,
            };
            let reasons = aside.reasons.iter().filter_map(|reason| reason.due);
            ends.extend(shelf);
            ends.extend(aside.out_until.map(|until| (Ending::OutOfService, until)));
            ends.extend(aside.test_until.map(|until| (Ending::Test, until)));
            ends.extend(aside.re_alarm_at.map(|due| (again, due)));
            ends.extend(reasons.map(|due| (Ending::HoldOff, due)));
        }
        for point in own_points(&self.program.tables, alarm)
            .into_iter()
            .flatten()
        {
            let point = &state.points[at(point)];
            if point.test_end != NEVER {
                ends.push((Ending::Calibration, point.test_end));
            }
        }
        if slot.unknown_due != NEVER {
            ends.push((Ending::Unknown, slot.unknown_due));
        }
        ends.sort_by_key(|(_, at)| *at);
        ends.dedup();
        ends
    }

    fn level(
        &self,
        alarm: AlarmIdx,
        level: usize,
        number: Number,
        gate: Option<Entry>,
        reader: &mut Reader<'_>,
    ) -> Part {
        let (tables, state) = (&self.program.tables, &self.machine.state);
        let mut stack = Stack::default();
        let gate = gate.map_or(Truth::TRUE, |gate| {
            stack.condition(tables, gate, &state.seen_by(tables, alarm.0))
        });
        let asked = state.asked(tables, alarm.0, level);
        let answer = state.answer(tables, alarm.0, asked, number, &mut stack);
        let states = at(tables.alarm_code[at(alarm.0)].states_from);
        let is_on = state.phases[states + level].is_on();
        let info = self.program.alarm(alarm);
        // As people write it: °C for Cel.
        let eu = info.eu.as_deref();
        let eu = eu.map(|eu| Unit::find(eu).map_or(eu, |unit| unit.name()));
        let mut part = match asked {
            Asked::AtLeast(limit) => Part::limit(">=", limit, eu, is_on),
            Asked::AtMost(limit) => Part::limit("<=", limit, eu, is_on),
            Asked::When(entry) => reader.entry(entry),
            Asked::External => Part::told(),
        };
        let index = tables.alarm_code[at(alarm.0)].levels_from + u32_of(level);
        let (own, now) = (
            tables.level(index).test.limit(),
            state.test(tables, index).limit(),
        );
        if let (Some(own), true) = (own, own != now) {
            part.text += &format!(", by an overlay; {own} at other times");
        }
        part.answer = Answer::Truth(answer.and(gate));
        part
    }

    fn stage(&self, place: usize) -> Stage {
        let state = &self.machine.state;
        let due = state.times[place].due;
        match state.phases[place] {
            Phase::Off => Stage::Off,
            Phase::On => Stage::On,
            Phase::Pending => Stage::Coming {
                left_ms: left_ms(due, self.machine.now),
            },
            Phase::Leaving => Stage::Leaving {
                left_ms: left_ms(due, self.machine.now),
            },
            Phase::Paused => Stage::Standing {
                left_ms: left_ms(due, UtcMs(0)),
            },
        }
    }
}

/// What is left until `due`.
fn left_ms(due: UtcMs, now: UtcMs) -> u64 {
    if due == NEVER { 0 } else { due.since_ms(now) }
}
