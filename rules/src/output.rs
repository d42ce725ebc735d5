//! Which outputs are on, for which alarm, and whether they do what they are told.
//!
//! An output is on while an alarm that the site lets switch it asks for it, and for its minimum time; that somebody
//! silenced it ends a siren at once. Whoever is told must show it: its read-back, and the feedback where the site names
//! one, within the time that the site gives; else the linkage has failed, an alarm of its own.
//! It only decides: who asks has to keep what was decided and say it again, so that a restart goes on from there.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use telemetry::{UtcMs, Value};

use crate::effect::{AlarmIdx, AlarmState};
use crate::engine::Engine;
use crate::point::PointIdx;
use crate::program::{OutputClass, OutputInfo, Program};

/// What is to be done about an output, told by its index in the program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// It is to be switched.
    Switch {
        /// Which.
        output: usize,
        /// To what.
        on: bool,
        /// The alarm that wants it, or wanted it on before.
        alarm: Option<AlarmIdx>,
    },
    /// It shows what it was told.
    Shown {
        /// Which.
        output: usize,
    },
    /// It does not, and has had its time.
    Failed {
        /// Which.
        output: usize,
        /// Why, for people.
        why: String,
    },
}

/// What is known of one output: all of it was decided before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Known {
    /// `{unit}/{point}`.
    pub name: String,
    /// Whether it is to be on.
    pub on: bool,
    /// Since when.
    pub since: UtcMs,
    /// The id of the alarm that it is, or was, on for; empty when none was.
    pub alarm: String,
    /// Whether it shows it; none while there is time.
    pub ok: Option<bool>,
}

#[derive(Clone, Debug)]
struct Output {
    known: Known,
    /// Until when it must show what it was told, while it does not.
    due: Option<UtcMs>,
    /// When its minimum time is over, while no alarm wants it on any more.
    ends: Option<UtcMs>,
}

/// The outputs at work. Work per look is that of the outputs, and of their alarms when one of them said something.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// In the program's order.
    outputs: Vec<Output>,
    by_alarm: BTreeMap<AlarmIdx, Vec<usize>>,
    /// Those whose alarms said something since the last look.
    news: Vec<bool>,
}

impl Outputs {
    /// The outputs of a program, none of them on; `now` is when they begin to have to show it.
    pub fn new(program: &Program, now: UtcMs) -> Self {
        let mut outputs = Self::default();
        for (index, info) in program.outputs().iter().enumerate() {
            let point = program.point(info.point);
            outputs.outputs.push(Output {
                known: Known {
                    name: format!("{}/{}", point.unit, point.point),
                    on: false,
                    since: now,
                    alarm: String::new(),
                    ok: None,
                },
                due: Some(now.plus_ms(info.within_ms)),
                ends: None,
            });
            outputs.news.push(true);
            for action in &info.actions {
                let switched = outputs.by_alarm.entry(action.alarm).or_default();
                switched.push(index);
            }
        }
        outputs
    }

    /// The outputs of another program, or of another start: what was on stays on until it is looked at, and all have
    /// their time again to show it.
    pub fn go_on(&mut self, program: &Program, now: UtcMs) {
        let before = core::mem::replace(self, Self::new(program, now));
        for known in before.outputs.into_iter().map(|output| output.known) {
            self.remember(known);
        }
    }

    /// Nobody looked until `now`: whatever was told has its time again to show it.
    pub fn wait_again(&mut self, program: &Program, now: UtcMs) {
        for (output, info) in self.outputs.iter_mut().zip(program.outputs()) {
            output.due = Some(now.plus_ms(info.within_ms));
        }
    }

    /// Takes over what was known of an output before.
    pub fn remember(&mut self, known: Known) {
        let mut outputs = self.outputs.iter_mut();
        if let Some(output) = outputs.find(|output| output.known.name == known.name) {
            output.known = known;
        }
    }

    /// Takes in what was decided of an output at `t`: whether it is to be on, for which alarm (its id, empty for none),
    /// and whether it shows it; none when it was only told.
    pub fn decided(&mut self, output: &str, on: bool, ok: Option<bool>, alarm: &str, t: UtcMs) {
        let mut outputs = self.outputs.iter_mut();
        let Some(output) = outputs.find(|known| known.known.name == output) else {
            return;
        };
        let known = &mut output.known;
        if known.on != on {
            known.since = t;
        }
        (known.on, known.ok) = (on, ok);
        known.alarm.clear();
        known.alarm.push_str(alarm);
    }

    /// An alarm said something.
    pub fn note(&mut self, alarm: AlarmIdx) {
        for output in self.by_alarm.get(&alarm).into_iter().flatten() {
            self.news[*output] = true;
        }
    }

    /// What is to be done at `now`; each step has to come back by [`Self::decided`] before the next look.
    pub fn look(&mut self, engine: &Engine, now: UtcMs) -> Vec<Step> {
        let mut steps = Vec::new();
        let infos = engine.program().outputs();
        for (index, (info, output)) in infos.iter().zip(&mut self.outputs).enumerate() {
            let is_over = output.ends.is_some_and(|ends| ends <= now);
            if core::mem::take(&mut self.news[index]) || is_over {
                let wish = Wish::of(info, engine);
                let on = wish.by.is_some();
                let ends = output.known.since.plus_ms(info.min_on_ms);
                output.ends = None;
                if on != output.known.on {
                    if on || wish.is_quieted || ends <= now {
                        output.due = Some(now.plus_ms(info.within_ms));
                        steps.push(Step::Switch {
                            output: index,
                            on,
                            alarm: wish.by,
                        });
                        continue;
                    }
                    output.ends = Some(ends);
                }
            }
            match shown(info, output.known.on, engine) {
                Shown::Yes => {
                    output.due = None;
                    if output.known.ok != Some(true) {
                        steps.push(Step::Shown { output: index });
                    }
                }
                // That nobody reads it is an alarm of its own; while nothing is wanted of it, it is no failure of it.
                Shown::Unknown(_) if !output.known.on => output.due = None,
                Shown::No(why) | Shown::Unknown(why) => {
                    let due = *output
                        .due
                        .get_or_insert_with(|| now.plus_ms(info.within_ms));
                    if due <= now && output.known.ok != Some(false) {
                        let output = index;
                        steps.push(Step::Failed { output, why });
                    }
                }
            }
        }
        steps
    }

    /// When [`Self::look`] may find something without news of an alarm or a reading.
    pub fn poll_timeout(&self) -> Option<UtcMs> {
        let times = self.outputs.iter().flat_map(|output| {
            let is_told = output.known.ok == Some(false);
            [output.due.filter(|_| !is_told), output.ends]
        });
        times.flatten().min()
    }

    /// What each output of a node is to be.
    pub fn of_node(&self, program: &Program, node: &str) -> Vec<(String, bool)> {
        let infos = program.outputs().iter().zip(&self.outputs);
        infos
            .filter(|(info, _)| program.point(info.point).node.as_deref() == Some(node))
            .map(|(_, output)| (output.known.name.clone(), output.known.on))
            .collect()
    }

    /// What is known of each, in the program's order.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.outputs.iter().map(|output| &output.known)
    }

    /// What is known of one.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn get(&self, output: usize) -> &Known {
        &self.outputs[output].known
    }
}

/// What the alarms of an output want.
struct Wish {
    /// The first alarm that wants it on.
    by: Option<AlarmIdx>,
    /// Nobody wants it on because people quieted who would.
    is_quieted: bool,
}

impl Wish {
    fn of(info: &OutputInfo, engine: &Engine) -> Self {
        let mut wish = Self {
            by: None,
            is_quieted: false,
        };
        for action in &info.actions {
            let state = engine.alarm(action.alarm);
            let level = state.level.map_or(0, |level| 1_u16 << level);
            if level & action.levels == 0 || !stands(&state, info.class) {
                continue;
            }
            if is_told(&state, info.class) {
                wish.by = wish.by.or(Some(action.alarm));
            } else {
                wish.is_quieted = true;
            }
        }
        wish
    }
}

/// True while the plant asks for it: no test, and neither put out of service nor suppressed by design. A siren does not
/// sound for what is over, be it latched.
fn stands(state: &AlarmState, class: OutputClass) -> bool {
    let flags = state.flags;
    let latched = flags.latched && class != OutputClass::Audible;
    (flags.active || latched) && !flags.test && !flags.out_of_service && !flags.suppressed
}

/// True while people have not put the announcement aside. A siren sounds until somebody has seen the alarm.
fn is_told(state: &AlarmState, class: OutputClass) -> bool {
    let flags = state.flags;
    match class {
        OutputClass::Linkage => true,
        OutputClass::Visual => !flags.shelved,
        OutputClass::Audible => !flags.shelved && !state.silenced && !flags.acked,
    }
}

/// Whether an output shows what it was told; else why not, for people.
enum Shown {
    Yes,
    No(String),
    /// It can't be read.
    Unknown(String),
}

fn shown(info: &OutputInfo, on: bool, engine: &Engine) -> Shown {
    match (reads(info.point, on, engine), info.feedback) {
        // Only of what is on: a fan may run for other reasons than ours.
        (Shown::Yes, Some(feedback)) if on => reads(feedback, true, engine),
        (shown, _) => shown,
    }
}

fn reads(point: PointIdx, on: bool, engine: &Engine) -> Shown {
    let info = engine.program().point(point);
    let name = || format!("{}/{}", info.unit, info.point);
    let word = |on: bool| if on { "on" } else { "off" };
    let Some((sample, is_stale)) = engine.reading(point) else {
        return Shown::Unknown(format!("{} was never read", name()));
    };
    if is_stale {
        return Shown::Unknown(format!("{} is no longer read", name()));
    }
    match sample.value {
        Some(Value::Bool(is_on)) if is_on == on => Shown::Yes,
        Some(Value::Bool(is_on)) => Shown::No(format!("{} is {}", name(), word(is_on))),
        _ => Shown::Unknown(format!(
            "{} can't be read: {}",
            name(),
            sample.quality.word()
        )),
    }
}

#[cfg(test)]
mod tests;
