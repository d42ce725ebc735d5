//! Hosts the rule engine: records of the log in, events to be out.
//!
//! Knows how a record becomes the engine's input. Live and in a replay it reads the same bytes, so both give the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use rules::effect::{Command, Effect, Input, Refusal, Switched, Verb};
use rules::engine::{Engine, SnapshotError};
use rules::output::{Known, Outputs, Step};
use rules::point::PointIdx;
use rules::program::Program;
use rules::sampling::Sampling;
use rules::value::Tri;
use telemetry::{UtcMs, body};
use thiserror::Error;

use crate::alarm::Draft;
use crate::alarm::message::{Gap, GapCause, Site, draft, gap_draft};
use crate::alarm::rate::Rate;
use crate::log::{DecodeError, Lane, Record};

/// Why a command changed nothing.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum CommandError {
    /// The engine says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No such alarm.
    #[error("no alarm `{0}`")]
    UnknownAlarm(String),
    /// No such verb.
    #[error("no verb `{0}`, expected one of {list}", list = verbs())]
    UnknownVerb(String),
}

/// What a record made.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The events, in order.
    pub drafts: Vec<Draft>,
    /// Why the command of this record changed nothing.
    pub refused: Option<CommandError>,
}

/// What is known of an output, in a snapshot: name, on, since, alarm, shown.
type KnownImage = (String, bool, UtcMs, String, Option<bool>);

/// The engine with the program in force and the words for its messages.
#[derive(Debug)]
pub struct Host {
    engine: Engine,
    site: Site,
    effects: Vec<Effect>,
    rate: Rate,
    outputs: Outputs,
    sampling: Sampling,
}

impl Host {
    /// An engine that has seen nothing.
    pub fn new(program: Arc<Program>, site: Site, now: UtcMs) -> Self {
        Self {
            outputs: Outputs::new(&program, now),
            sampling: Sampling::new(&program),
            engine: Engine::new(program, now),
            site,
            effects: Vec::new(),
            rate: Rate::default(),
        }
    }

    /// An engine that goes on where a snapshot was taken. Under another program the alarms whose rule changed or went say so.
    ///
    /// `outputs` is what [`Self::outputs_snapshot`] gave then; when it does not read, none is known to be on.
    ///
    /// # Errors
    /// Bytes that are no snapshot.
    pub fn restore(
        program: &Arc<Program>,
        site: Site,
        snapshot: &[u8],
        outputs: &[u8],
    ) -> Result<(Self, Vec<Draft>), SnapshotError> {
        let mut effects = Vec::new();
        let engine = restore(program, snapshot, &mut effects)?;
        let mut host = Self {
            outputs: Outputs::new(program, engine.now()),
            sampling: Sampling::new(program),
            engine,
            site,
            effects,
            rate: Rate::default(),
        };
        let known: Vec<KnownImage> = body::decode(outputs).unwrap_or_default();
        for (name, on, since, alarm, ok) in known {
            host.outputs.remember(Known {
                name,
                on,
                since,
                alarm,
                ok,
            });
        }
        let drafts = host.resumed();
        Ok((host, drafts))
    }

    /// Goes on under another program, by a snapshot of meaning.
    ///
    /// # Errors
    /// Never for a snapshot that this very program has written.
    pub fn reprogram(&mut self, program: &Arc<Program>) -> Result<Vec<Draft>, SnapshotError> {
        let snapshot = self.engine.snapshot();
        self.engine = restore(program, &snapshot, &mut self.effects)?;
        Ok(self.resumed())
    }

    /// What a restored engine said; how fast alarms come is read from it anew, since they have other numbers now.
    fn resumed(&mut self) -> Vec<Draft> {
        let drafts = self.drafts();
        self.rate = Rate::resume(&self.engine);
        self.outputs.go_on(self.engine.program(), self.engine.now());
        self.sampling = Sampling::new(self.engine.program());
        drafts
    }

    /// The state as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        self.engine.snapshot()
    }

    /// The engine, for what it knows.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How fast alarms come.
    pub fn rate(&self) -> &Rate {
        &self.rate
    }

    /// Takes over the reasons that stand at a start, of a flood and of what chatters.
    pub fn rate_stands(&mut self, flood: Option<&str>, chatter: Option<&str>) {
        let now = self.engine.now();
        self.rate.stands(self.engine.program(), flood, chatter, now);
    }

    /// Looks at `now` at how fast alarms come; true when it may mean something else than before.
    pub fn look_at_rate(&mut self, now: UtcMs) -> bool {
        self.rate.look(self.engine.program(), now)
    }

    /// The outputs.
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// What is known of them, for a snapshot.
    pub fn outputs_snapshot(&self) -> Vec<u8> {
        let image = |known: &Known| -> KnownImage {
            let Known {
                name,
                on,
                since,
                alarm,
                ok,
            } = known.clone();
            (name, on, since, alarm, ok)
        };
        body::encode(&self.outputs.iter().map(image).collect::<Vec<_>>())
    }

    /// What is to be done about outputs at `now`.
    pub fn look_at_outputs(&mut self, now: UtcMs) -> Vec<Step> {
        self.outputs.look(&self.engine, now)
    }

    /// What alarms want to be read more often.
    pub fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    /// The points that alarms want to be read otherwise than at the last look.
    pub fn look_at_sampling(&mut self) -> BTreeSet<PointIdx> {
        self.sampling.look(&self.engine)
    }

    /// When the next timer is due.
    pub fn poll_timeout(&mut self) -> Option<UtcMs> {
        self.engine.poll_timeout()
    }

    /// Takes in a record: first every timer due at or before its time, then what it says.
    ///
    /// A [`Record::Config`] changes nothing here, see [`Self::reprogram`].
    ///
    /// # Errors
    /// Samples of another version of the log.
    pub fn apply(&mut self, record: &Record<'_>, t: UtcMs) -> Result<Applied, DecodeError> {
        let refused = feed(&mut self.engine, record, t, &mut self.effects)?;
        if let Record::Output {
            output,
            on,
            ok,
            alarm,
        } = record
        {
            self.outputs.decided(output, *on, *ok, alarm, t);
        }
        if let Record::Down { to, .. } = record {
            self.outputs.wait_again(self.engine.program(), *to);
        }
        let mut drafts = self.drafts();
        if let Record::Gap {
            node,
            boot,
            from,
            to,
            cause,
        } = record
        {
            let gap = Gap {
                node: (*node).to_owned(),
                boot: *boot,
                from: *from,
                to: *to,
                cause: (!cause.is_empty()).then(|| GapCause((*cause).to_owned())),
            };
            drafts.push(gap_draft(&self.site, &gap, t));
        }
        Ok(Applied { drafts, refused })
    }

    fn drafts(&mut self) -> Vec<Draft> {
        let program = self.engine.program();
        self.effects
            .drain(..)
            .map(|effect| {
                self.rate.take(program, &effect);
                self.outputs.note(effect.alarm);
                self.sampling.note(effect.alarm);
                draft(&self.site, program, &effect)
            })
            .collect()
    }
}

/// Feeds a record to an engine: first every timer due at or before its time, then what it says. Gives why a command changed nothing.
///
/// A [`Record::Config`] changes nothing here.
///
/// # Errors
/// Samples of another version of the log.
pub fn feed(
    engine: &mut Engine,
    record: &Record<'_>,
    t: UtcMs,
    effects: &mut Vec<Effect>,
) -> Result<Option<CommandError>, DecodeError> {
    // What the engine says no to changes nothing.
    let mut handle = |engine: &mut Engine, input: Input<'_>| {
        let _refusal = engine.handle(input, t, effects);
    };
    match record {
        Record::Pack { samples, .. } => {
            let mut empty = true;
            for logged in samples.iter() {
                let logged = logged?;
                let (point, sample) = (PointIdx(logged.point), logged.sample);
                let input = match logged.lane {
                    Lane::Live => Input::Sample { point, sample },
                    Lane::Late => Input::Late { point, sample },
                    Lane::Again => continue,
                };
                empty = false;
                handle(engine, input);
            }
            if empty {
                handle(engine, Input::Time);
            }
        }
        Record::Condition {
            alarm,
            active,
            reason,
        } => match engine.program().find_alarm(alarm) {
            Some(alarm) => {
                let active = if *active { Tri::True } else { Tri::False };
                let input = Input::Condition {
                    alarm,
                    active,
                    reason,
                };
                handle(engine, input);
            }
            None => handle(engine, Input::Time),
        },
        Record::Command { .. } => return Ok(command(engine, record, t, effects).err()),
        Record::Down { from, to } => {
            let (from, to) = (*from, *to);
            handle(engine, Input::Down { from, to });
        }
        Record::Output {
            output,
            on,
            ok: Some(ok),
            alarm,
        } => {
            let program = engine.program();
            let output = output
                .split_once('/')
                .and_then(|(unit, point)| program.find_point(unit, point));
            match (program.find_alarm(alarm), output) {
                (Some(alarm), Some(output)) => {
                    let (on, ok) = (*on, *ok);
                    let switched = Switched { output, on, ok };
                    handle(engine, Input::Switched { alarm, switched });
                }
                // It was switched for no alarm, or for one that is gone.
                _ => handle(engine, Input::Time),
            }
        }
        Record::Output { ok: None, .. } => handle(engine, Input::Time),
        Record::Time | Record::Held { .. } | Record::Gap { .. } | Record::Config(_) => {
            handle(engine, Input::Time);
        }
    }
    Ok(None)
}

/// A command's refusal is told to who asked.
fn command(
    engine: &mut Engine,
    record: &Record<'_>,
    t: UtcMs,
    effects: &mut Vec<Effect>,
) -> Result<(), CommandError> {
    let Record::Command {
        verb,
        alarm,
        occurrence,
        by,
        comment,
        until,
        second,
        ticket,
    } = record
    else {
        return Ok(());
    };
    engine.handle_timeout(t, effects);
    let verb =
        Verb::from_word(verb).ok_or_else(|| CommandError::UnknownVerb((*verb).to_owned()))?;
    let alarm = engine
        .program()
        .find_alarm(alarm)
        .ok_or_else(|| CommandError::UnknownAlarm((*alarm).to_owned()))?;
    let given = |text: &'_ str| !text.is_empty();
    let command = Command {
        occurrence: *occurrence,
        comment: Some(*comment).filter(|text| given(text)),
        until: *until,
        second: Some(*second).filter(|text| given(text)),
        ticket: Some(*ticket).filter(|text| given(text)),
        ..Command::new(verb, alarm, by)
    };
    engine.handle(Input::Command(command), t, effects)?;
    Ok(())
}

/// Every verb, for people.
fn verbs() -> String {
    Verb::ALL.map(Verb::word).join(", ")
}

/// An engine that goes on where a snapshot was taken; alarms that are not normal and whose rule is gone are taken over.
///
/// # Errors
/// Bytes that are no snapshot.
pub fn restore(
    program: &Arc<Program>,
    snapshot: &[u8],
    effects: &mut Vec<Effect>,
) -> Result<Engine, SnapshotError> {
    let mut program = program.clone();
    Arc::make_mut(&mut program).adopt(snapshot)?;
    Engine::restore(program, snapshot, effects)
}
