//! The line to the board: what it is told, one step a frame, and how a frame is written.
//!
//! A frame is a [`Told`] in postcard, COBS-encoded, with a zero after it; a frame of nothing ends the trace.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;

use rules::effect::{AlarmIdx, Command, Input, Verb};
use rules::point::PointIdx;
use serde::{Deserialize, Serialize};
use telemetry::{Clock, Quality, Sample, UtcMs, Value};

/// The most bytes of a frame.
pub const FRAME_MAX: usize = 512;

/// An input of the engine and its time, in milliseconds.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub struct Told<'a> {
    now: i64,
    #[serde(borrow)]
    what: What<'a>,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
enum What<'a> {
    Sample(Reading),
    Late(Reading),
    #[serde(borrow)]
    Command(Deed<'a>),
    Down {
        from: i64,
        to: i64,
    },
    Time,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Reading {
    point: u32,
    at: i64,
    value: Option<Number>,
    quality: u16,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
enum Number {
    Bool(bool),
    Number(f64),
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Deed<'a> {
    verb: &'a str,
    alarm: u32,
    occurrence: Option<u64>,
    by: &'a str,
    comment: Option<&'a str>,
    until: Option<i64>,
    second: Option<&'a str>,
    ticket: Option<&'a str>,
}

impl<'a> Told<'a> {
    /// An input as the line carries it; none for what the system knows of itself, which no node is told.
    pub fn new(input: &Input<'a>, now: UtcMs) -> Option<Self> {
        let what = match *input {
            Input::Sample { point, sample } => What::Sample(Reading::new(point, sample)),
            Input::Late { point, sample } => What::Late(Reading::new(point, sample)),
            Input::Command(command) => What::Command(Deed {
                verb: command.verb.word(),
                alarm: command.alarm.0,
                occurrence: command.occurrence,
                by: command.by,
                comment: command.comment,
                until: command.until.map(|until| until.0),
                second: command.second,
                ticket: command.ticket,
            }),
            Input::Down { from, to } => What::Down {
                from: from.0,
                to: to.0,
            },
            Input::Time => What::Time,
            Input::Condition { .. } | Input::Switched { .. } => return None,
        };
        Some(Self { now: now.0, what })
    }

    /// Its time.
    pub fn now(&self) -> UtcMs {
        UtcMs(self.now)
    }

    /// The input and its time; none when its verb is none.
    pub fn input(&self) -> Option<(Input<'a>, UtcMs)> {
        let input = match &self.what {
            What::Sample(reading) => Input::Sample {
                point: PointIdx(reading.point),
                sample: reading.sample(),
            },
            What::Late(reading) => Input::Late {
                point: PointIdx(reading.point),
                sample: reading.sample(),
            },
            What::Command(deed) => Input::Command(Command {
                occurrence: deed.occurrence,
                comment: deed.comment,
                until: deed.until.map(UtcMs),
                second: deed.second,
                ticket: deed.ticket,
                ..Command::new(Verb::from_word(deed.verb)?, AlarmIdx(deed.alarm), deed.by)
            }),
            What::Down { from, to } => Input::Down {
                from: UtcMs(*from),
                to: UtcMs(*to),
            },
            What::Time => Input::Time,
        };
        Some((input, UtcMs(self.now)))
    }

    /// The frame of it.
    ///
    /// # Errors
    /// None that bytes in memory could give.
    pub fn frame(&self) -> postcard::Result<Vec<u8>> {
        postcard::to_allocvec_cobs(self)
    }

    /// What a frame tells; its bytes without the zero, which are decoded in place.
    ///
    /// # Errors
    /// Bytes that are no frame.
    pub fn read(frame: &'a mut [u8]) -> postcard::Result<Self> {
        postcard::from_bytes_cobs(frame)
    }
}

impl Reading {
    fn new(point: PointIdx, sample: Sample) -> Self {
        Self {
            point: point.0,
            at: sample.at.0,
            value: sample.value.map(|value| match value {
                Value::Bool(value) => Number::Bool(value),
                Value::Number(value) => Number::Number(value),
            }),
            quality: sample.quality.0,
        }
    }

    /// Its clock is right: the line has one.
    fn sample(self) -> Sample {
        Sample {
            at: UtcMs(self.at),
            value: self.value.map(|value| match value {
                Number::Bool(value) => Value::Bool(value),
                Number::Number(value) => Value::Number(value),
            }),
            quality: Quality(self.quality),
            clock: Clock::Synced,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> impl Strategy<Value = (PointIdx, Sample)> {
        let value = prop_oneof![
            Just(None),
            any::<bool>().prop_map(|value| Some(Value::Bool(value))),
            (-1e9..1e9).prop_map(|value| Some(Value::Number(value))),
        ];
        (any::<u32>(), any::<i64>(), value, any::<u16>()).prop_map(|(point, at, value, quality)| {
            let sample = Sample {
                at: UtcMs(at),
                value,
                quality: Quality(quality),
                clock: Clock::Synced,
            };
            (PointIdx(point), sample)
        })
    }

    fn input() -> impl Strategy<Value = Input<'static>> {
        let command = (
            prop::sample::select(Verb::ALL.to_vec()),
            any::<u32>(),
            prop::option::of(any::<u64>()),
            prop::option::of(any::<i64>()),
            prop::option::of(Just("li")),
        );
        prop_oneof![
            sample().prop_map(|(point, sample)| Input::Sample { point, sample }),
            sample().prop_map(|(point, sample)| Input::Late { point, sample }),
            command.prop_map(|(verb, alarm, occurrence, until, word)| {
                Input::Command(Command {
                    occurrence,
                    comment: word,
                    until: until.map(UtcMs),
                    second: word,
                    ticket: word,
                    ..Command::new(verb, AlarmIdx(alarm), "wang")
                })
            }),
            any::<(i64, i64)>().prop_map(|(from, to)| Input::Down {
                from: UtcMs(from),
                to: UtcMs(to)
            }),
            Just(Input::Time),
        ]
    }

    proptest! {
        #[test]
        fn what_is_told_arrives_as_it_was_in_one_frame(input in input(), now in any::<i64>()) {
            let told = Told::new(&input, UtcMs(now)).expect("a node can be told");
            let mut frame = told.frame().expect("bytes in memory");
            prop_assert_eq!(frame.pop(), Some(0));
            prop_assert!(!frame.contains(&0) && frame.len() <= FRAME_MAX);
            let arrived = Told::read(&mut frame).expect("a frame");
            prop_assert_eq!(arrived.input(), Some((input, UtcMs(now))));
        }

        #[test]
        fn any_bytes_are_a_frame_or_none(mut bytes in prop::collection::vec(any::<u8>(), 0..FRAME_MAX)) {
            Told::read(&mut bytes).map(|told| told.input()).ok();
        }
    }

    #[test]
    fn a_node_is_not_told_what_the_system_knows_of_itself() {
        let condition = Input::Condition {
            alarm: AlarmIdx(0),
            active: rules::value::Tri::True,
            reason: "",
        };
        assert_eq!(Told::new(&condition, UtcMs(0)), None);
    }
}
