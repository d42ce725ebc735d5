//! Plays a case through the engine and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

use telemetry::{Clock, Sample};

use super::file::{Action, Case, Expect, Step};
use super::report::{CaseReport, Timeline};
use super::series::{Reading, describe};
use crate::effect::{AlarmIdx, Command, Effect, Input};
use crate::engine::Engine;
use crate::engine::explain::{Answer, Stage};
use crate::output::{Outputs, Step as Decision};
use crate::point::PointIdx;
use crate::program::{Program, Scope, u32_of};
use crate::sampling::Sampling;
use crate::value::Tri;

/// Plays a case. `levels` gets each rule's levels that were reached.
pub(super) fn run(
    case: &Case<'_>,
    program: &Arc<Program>,
    levels: &mut BTreeSet<(String, String)>,
) -> CaseReport {
    let report = play(case, program, levels, None);
    if report.failures.is_empty() {
        return report;
    }
    // Who reads why it failed sees the conditions too, which are asked for at each step.
    play(case, program, levels, Some(BTreeMap::new()))
}

fn play(
    case: &Case<'_>,
    program: &Arc<Program>,
    levels: &mut BTreeSet<(String, String)>,
    conditions: Option<Conditions>,
) -> CaseReport {
    let mut playing = Playing {
        case,
        engine: Engine::new(Arc::clone(program), case.begins),
        outputs: Outputs::new(program, case.begins),
        sampling: Sampling::new(program),
        program,
        effects: Vec::new(),
        n_told: 0,
        timeline: Timeline::default(),
        failures: Vec::new(),
        conditions,
        levels,
        next: case.series.iter().map(|_| 0).collect(),
    };
    for step in &case.steps {
        playing.readings_up_to(step.at_ms);
        playing.step(step);
    }
    CaseReport {
        name: case.name.clone(),
        place: case.place.clone(),
        failures: playing.failures,
        timeline: playing.timeline,
    }
}

/// What the condition of each level said last, of the alarms that the case names; unknown before it said anything.
type Conditions = BTreeMap<(AlarmIdx, usize), Tri>;

struct Playing<'p> {
    case: &'p Case<'p>,
    engine: Engine,
    outputs: Outputs,
    sampling: Sampling,
    program: &'p Arc<Program>,
    effects: Vec<Effect>,
    /// How many effects the timeline has.
    n_told: usize,
    timeline: Timeline,
    failures: Vec<String>,
    /// None where nobody asked.
    conditions: Option<Conditions>,
    levels: &'p mut BTreeSet<(String, String)>,
    /// The next period of each series.
    next: Vec<usize>,
}

impl Playing<'_> {
    /// Hands over every reading up to a time, in the order of time, then lets timers fire up to it.
    fn readings_up_to(&mut self, at_ms: u64) {
        while let Some((due_ms, series)) = self.next_reading().filter(|(due, _)| *due <= at_ms) {
            let (index, readings) = &self.case.series[series];
            let reading = readings.reading(self.next[series]);
            self.next[series] += 1;
            let point = PointIdx(u32_of(*index));
            let info = self.program.point(point);
            let name = format!("{}/{}", info.unit, info.point);
            self.timers_up_to(due_ms);
            let Some(Reading::Says(value, quality)) = reading else {
                self.timeline.reading(due_ms, name, "nothing".to_string());
                continue;
            };
            let now = self.case.begins.plus_ms(due_ms);
            let said = describe(Reading::Says(value, quality));
            self.timeline.reading(due_ms, name, said);
            let sample = Sample {
                at: now,
                value,
                quality,
                clock: Clock::Synced,
            };
            let taken = self
                .engine
                .handle(Input::Sample { point, sample }, now, &mut self.effects);
            if let Err(refusal) = taken {
                self.failures
                    .push(format!("{}: {refusal}", seconds(due_ms)));
            }
            self.tell();
            self.switch();
        }
        self.timers_up_to(at_ms);
    }

    /// Lets timers fire up to a time, each at its own where outputs look at it.
    fn timers_up_to(&mut self, at_ms: u64) {
        let at = self.case.begins.plus_ms(at_ms);
        if !self.program.outputs().is_empty() {
            while let Some(due) = [self.engine.poll_timeout(), self.outputs.poll_timeout()]
                .into_iter()
                .flatten()
                .min()
                .filter(|due| *due < at)
            {
                self.engine.handle_timeout(due, &mut self.effects);
                self.tell();
                self.switch();
            }
        }
        self.engine.handle_timeout(at, &mut self.effects);
        self.tell();
        self.switch();
    }

    /// Switches outputs as the alarms want it; here they obey.
    fn switch(&mut self) {
        let now = self.engine.now();
        for decision in self.outputs.look(&self.engine, now) {
            let (index, on, ok) = match decision {
                Decision::Switch { output, on, .. } => (output, Some(on), None),
                Decision::Shown { output } => (output, None, Some(true)),
                // A case without a reading of the output: nothing is asked of that.
                Decision::Failed { output, .. } => (output, None, Some(false)),
            };
            let alarm = match decision {
                Decision::Switch { alarm, .. } => alarm,
                _ => None,
            };
            let known = self.outputs.get(index).clone();
            let alarm = alarm.map(|alarm| self.program.id_of(alarm).to_string());
            let alarm = alarm.unwrap_or(known.alarm);
            let is_on = on.unwrap_or(known.on);
            self.outputs.decided(&known.name, is_on, ok, &alarm, now);
            if let Some(on) = on {
                let word = if on { "on" } else { "off" };
                self.timeline.event(
                    now.since_ms(self.case.begins),
                    format!("{} {word} for {alarm}", known.name),
                );
            }
        }
    }

    /// When the next reading is due, and in which series; none when all have ended.
    fn next_reading(&self) -> Option<(u64, usize)> {
        let due = |(series, (index, readings)): (usize, &(usize, super::series::Series))| {
            let period = self.next[series];
            readings.reading(period)?;
            let period_ms = self.program.points()[*index].period_ms;
            Some((
                period_ms.saturating_mul(u64::try_from(period).ok()?),
                series,
            ))
        };
        self.case.series.iter().enumerate().filter_map(due).min()
    }

    fn step(&mut self, step: &Step<'_>) {
        let Some(alarm) = self.program.find_alarm(&step.alarm.value) else {
            // The file was checked before: every alarm that it names exists.
            return;
        };
        match &step.action {
            Action::Command {
                verb,
                by,
                lasts_ms,
                second,
                ticket,
                comment,
                refused,
            } => {
                let now = self.case.begins.plus_ms(step.at_ms);
                let command = Command {
                    until: lasts_ms.map(|ms| now.plus_ms(ms)),
                    second: second.as_deref(),
                    ticket: ticket.as_deref(),
                    comment: Some(comment),
                    ..Command::new(*verb, alarm, by)
                };
                self.input(step, Input::Command(command), *refused);
            }
            Action::Condition(active) => {
                let input = Input::Condition {
                    alarm,
                    active: *active,
                    reason: "",
                };
                self.input(step, input, false);
            }
            Action::Expect(expect) => self.expect(step, alarm, expect),
        }
    }

    fn input(&mut self, step: &Step<'_>, input: Input<'_>, refused: bool) {
        let now = self.case.begins.plus_ms(step.at_ms);
        let taken = self.engine.handle(input, now, &mut self.effects);
        self.tell();
        self.switch();
        match (taken, refused) {
            (Ok(()), false) | (Err(_), true) => {}
            (Ok(()), true) => self.fail(step, "expected it to be refused, it was not".to_string()),
            (Err(refusal), false) => self.fail(step, format!("refused: {refusal}")),
        }
    }

    fn expect(&mut self, step: &Step<'_>, alarm: AlarmIdx, expect: &Expect) {
        let state = self.engine.alarm(alarm);
        let mut wrong = Vec::new();
        if let Some(letter) = expect.letter
            && letter != state.letter()
        {
            wrong.push(format!(
                "expected letter {}, found {}",
                letter.as_str(),
                state.letter().as_str()
            ));
        }
        if let Some(level) = &expect.level {
            let found = state
                .level
                .and_then(|level| self.program.levels_of(alarm).get(usize::from(level)))
                .map_or("none", |level| level.name.as_str());
            if found != level {
                wrong.push(format!("expected level {level}, found {found}"));
            }
        }
        if let Some(severity) = expect.severity {
            let found = self
                .engine
                .alarm(alarm)
                .level
                .and_then(|level| self.program.levels_of(alarm).get(usize::from(level)))
                .map_or(0, |level| i64::from(level.severity));
            if found != severity {
                wrong.push(format!("expected severity {severity}, found {found}"));
            }
        }
        if let Some(unknown) = expect.unknown
            && unknown != state.flags.unknown
        {
            let word = |unknown| if unknown { "unknown" } else { "known" };
            wrong.push(format!(
                "expected {}, found {}",
                word(unknown),
                word(state.flags.unknown)
            ));
        }
        if let Some(test) = expect.test
            && test != state.flags.test
        {
            let word = |test| if test { "a test" } else { "no test" };
            wrong.push(format!(
                "expected {}, found {}",
                word(test),
                word(state.flags.test)
            ));
        }
        if let Some(event) = &expect.event {
            let at = self.case.begins.plus_ms(step.at_ms);
            let happened = self.effects.iter().any(|effect| {
                effect.alarm == alarm && effect.at == at && effect.kind.word() == event
            });
            if !happened {
                let last = self
                    .effects
                    .iter()
                    .rev()
                    .find(|effect| effect.alarm == alarm && effect.kind.word() == event);
                let found = last.map_or_else(
                    || "it never came".to_string(),
                    |effect| {
                        format!(
                            "it came at {}",
                            seconds(effect.at.since_ms(self.case.begins))
                        )
                    },
                );
                wrong.push(format!("expected event {event}, {found}"));
            }
        }
        if let Some(on) = &expect.on {
            let is_on = self.outputs.iter().filter(|known| known.on);
            let is_on: BTreeSet<&str> = is_on.map(|known| known.name.as_str()).collect();
            let on: BTreeSet<&str> = on.iter().map(String::as_str).collect();
            if on != is_on {
                let list = |names: BTreeSet<&str>| Vec::from_iter(names).join(", ");
                wrong.push(format!(
                    "expected [{}] to be on, found [{}]",
                    list(on),
                    list(is_on)
                ));
            }
        }
        if let Some(periods) = &expect.read_every {
            self.sampling.look(&self.engine);
            let shown = |name: &str, ms: u64| format!("{name} every {}", seconds(ms));
            let found = self.sampling.periods().map(|(point, ms)| {
                let info = self.program.point(point);
                shown(&format!("{}/{}", info.unit, info.point), ms)
            });
            let found: BTreeSet<String> = found.collect();
            let wanted = periods.iter().map(|(name, ms)| shown(name, *ms));
            let wanted: BTreeSet<String> = wanted.collect();
            if wanted != found {
                let list = |names: BTreeSet<String>| Vec::from_iter(names).join(", ");
                wrong.push(format!(
                    "expected [{}] to be wanted, found [{}]",
                    list(wanted),
                    list(found)
                ));
            }
        }
        for what in wrong {
            self.fail(step, what);
        }
    }

    fn fail(&mut self, step: &Step<'_>, what: String) {
        let alarm = &step.alarm.value;
        self.timeline.mark(step.at_ms, format!("{alarm}: {what}"));
        self.failures
            .push(format!("{}: {alarm}: {what}", seconds(step.at_ms)));
    }

    /// Puts new effects on the timeline, and before those of now what conditions say otherwise than before.
    fn tell(&mut self) {
        let now = self.engine.now();
        let is_past = |effect: &&Effect| effect.at < now;
        let n_past = self.effects[self.n_told..].iter().take_while(is_past);
        let past = self.n_told + n_past.count();
        self.tell_effects(past);
        self.tell_conditions();
        self.tell_effects(self.effects.len());
    }

    fn tell_conditions(&mut self) {
        let Some(conditions) = &mut self.conditions else {
            return;
        };
        let steps = self.case.steps.iter();
        let alarms = steps.filter_map(|step| self.program.find_alarm(&step.alarm.value));
        for alarm in alarms.collect::<BTreeSet<_>>() {
            for (index, level) in self.engine.explain(alarm).levels.iter().enumerate() {
                let Answer::Truth(truth) = level.condition.answer else {
                    continue;
                };
                let said = conditions.entry((alarm, index)).or_insert(Tri::Unknown);
                if *said == truth.tri() {
                    continue;
                }
                *said = truth.tri();
                let word = match truth.tri() {
                    Tri::True => "true",
                    Tri::False => "false",
                    Tri::Unknown => "unknown",
                };
                let delay = match level.stage {
                    Stage::Coming { left_ms } => format!(", on in {}", seconds(left_ms)),
                    Stage::Leaving { left_ms } => format!(", off in {}", seconds(left_ms)),
                    Stage::Standing { left_ms } => {
                        format!(", {} of its delay left", seconds(left_ms))
                    }
                    Stage::Off | Stage::On => String::new(),
                };
                self.timeline.event(
                    self.engine.now().since_ms(self.case.begins),
                    format!(
                        "{} {}: condition {word}{delay}",
                        self.program.id_of(alarm),
                        level.name
                    ),
                );
            }
        }
    }

    fn tell_effects(&mut self, end: usize) {
        for effect in &self.effects[self.n_told..end] {
            self.outputs.note(effect.alarm);
            self.sampling.note(effect.alarm);
            let level = effect
                .state
                .level
                .and_then(|level| self.program.levels_of(effect.alarm).get(usize::from(level)));
            if let Some(level) = level {
                let rule = self.program.rule_of(effect.alarm).name.clone();
                self.levels.insert((rule, level.name.clone()));
            }
            // That points without a series are never read is no news.
            let id = self.program.id_of(effect.alarm).to_string();
            let is_asked_for = self.case.steps.iter().any(|step| step.alarm.value == id);
            let is_read = match self.program.alarm(effect.alarm).scope {
                Scope::Point(point) => self
                    .case
                    .series
                    .iter()
                    .any(|(it, _)| u32_of(*it) == point.0),
                _ => true,
            };
            if self.program.rule_of(effect.alarm).pack == "sys" && !is_asked_for && !is_read {
                continue;
            }
            self.timeline.event(
                effect.at.since_ms(self.case.begins),
                format!(
                    "{id} {} {} {}",
                    effect.kind.word(),
                    effect.state.letter().as_str(),
                    level.map_or("", |level| level.name.as_str())
                ),
            );
        }
        self.n_told = end;
    }
}

/// A time of a case as people read it.
pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{:03}s", ms / 1_000, ms % 1_000)
}
