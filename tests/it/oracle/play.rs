//! A case, played by the engine and by what switches its outputs.

use std::sync::Arc;

use rules::effect::{Effect, Input};
use rules::engine::Engine;
use rules::output::{Outputs, Step as Decision};
use rules::program::Program;
use telemetry::UtcMs;

use super::{Case, Event, Told};

/// What is told of a case; otherwise why its rules make no sense.
pub(super) fn play(case: &Case) -> Result<Told, String> {
    let begins = UtcMs(case.begins);
    let program = Arc::new(case.program()?);
    let changed = case.changed()?;
    let mut playing = Playing {
        outputs: Outputs::new(&program, begins),
        engine: Engine::new(program, begins),
        effects: Vec::new(),
        told: Told::default(),
    };
    for step in &case.steps {
        let now = UtcMs(step.t);
        let program = Arc::clone(playing.engine.program());
        let Some(input) = step.input(&program) else {
            playing.advance(now);
            playing.told.refused.push(true);
            continue;
        };
        playing.advance(match input {
            Input::Down { from, .. } => from,
            _ => now,
        });
        let done = playing.engine.handle(input, now, &mut playing.effects);
        match input {
            Input::Command(_) => playing.told.refused.push(done.is_err()),
            _ => done.unwrap(),
        }
        if let Input::Down { to, .. } = input {
            playing.outputs.wait_again(&program, to);
        }
        if let Some(change) = step.change {
            playing.change(changed[change].clone());
        }
        playing.tell();
    }
    Ok(playing.told)
}

struct Playing {
    engine: Engine,
    outputs: Outputs,
    effects: Vec<Effect>,
    told: Told,
}

impl Playing {
    /// Lets time pass; outputs look at each moment in which something may happen.
    fn advance(&mut self, until: UtcMs) {
        loop {
            let dues = [self.engine.poll_timeout(), self.outputs.poll_timeout()];
            let Some(due) = dues.into_iter().flatten().min().filter(|due| *due < until) else {
                break;
            };
            self.engine.handle_timeout(due, &mut self.effects);
            self.tell();
        }
        self.engine.handle_timeout(until, &mut self.effects);
        self.tell();
    }

    /// Goes on under another program, as a gateway does.
    fn change(&mut self, mut program: Program) {
        let snapshot = self.engine.snapshot();
        program.adopt(&snapshot).unwrap();
        self.engine = Engine::restore(Arc::new(program), &snapshot, &mut self.effects).unwrap();
        let (program, now) = (self.engine.program(), self.engine.now());
        self.outputs.go_on(program, now);
    }

    /// Takes down what alarms said, and what that does to outputs.
    fn tell(&mut self) {
        let program = self.engine.program();
        for effect in self.effects.drain(..) {
            self.outputs.note(effect.alarm);
            let event = event(program, &effect);
            if !event.1.contains("/sys.") {
                self.told.events.push(event);
            }
        }
        let now = self.engine.now();
        loop {
            let decisions = self.outputs.look(&self.engine, now);
            if decisions.is_empty() {
                break;
            }
            for decision in decisions {
                self.decide(&decision, now);
            }
        }
    }

    fn decide(&mut self, decision: &Decision, now: UtcMs) {
        let (output, on, ok, word) = match decision {
            Decision::Switch { output, on, .. } => {
                (*output, Some(*on), None, if *on { "on" } else { "off" })
            }
            Decision::Shown { output } => (*output, None, Some(true), "shown"),
            Decision::Failed { output, .. } => (*output, None, Some(false), "failed"),
        };
        let known = self.outputs.get(output).clone();
        let on = on.unwrap_or(known.on);
        self.outputs.decided(&known.name, on, ok, &known.alarm, now);
        self.told
            .switched
            .push((now.0, known.name, word.to_owned()));
    }
}

fn event(program: &Program, effect: &Effect) -> Event {
    let levels = program.levels_of(effect.alarm);
    let level = effect.state.level.map(usize::from);
    (
        effect.at.0,
        program.id_of(effect.alarm).to_string(),
        effect.kind.word().to_owned(),
        effect.state.letter().as_str().to_owned(),
        level.map(|level| levels[level].name.clone()),
    )
}
