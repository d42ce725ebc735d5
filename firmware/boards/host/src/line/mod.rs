//! One bus's line on tokio-modbus: one request at a time, and nothing of one request ever answers another.
//!
//! After anything but a clean answer the Modbus context is dropped, since the library would take a late answer for the next request's; the node then has the line drained ([`Line::drain`]) for as long as the bus file says that an answer may be late.
//! It decides nothing: what to ask, when, and what an answer means is the node's.

mod wire;

use std::fmt;
use std::io;
use std::time::Duration;

use devices::{Function, Link};
use node::{Answer, Request};
use tokio::time::timeout;
use tokio_modbus::client::{Client, Context, rtu, tcp};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{Error, Response};
use tracing::{info, warn};

use crate::clock::Clock;
use wire::Wire;

/// How long a TCP connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How long to leave a line alone that could not be opened.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);

/// What came of a request; [`node::Answer`] with its own memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Registers, as many as were asked for.
    Words(Vec<u16>),
    /// Bits, as many as were asked for.
    Bits(Vec<bool>),
    /// A Modbus exception code.
    Exception(u8),
    /// Nothing came within the time-out.
    Silent,
    /// Something came that is no answer to the request.
    Garbled,
    /// There is no line: no port, no connection.
    LineDown,
}

impl Outcome {
    /// The same for the node.
    pub fn answer(&self) -> Answer<'_> {
        match self {
            Self::Words(words) => Answer::Words(words),
            Self::Bits(bits) => Answer::Bits(bits),
            Self::Exception(code) => Answer::Exception(*code),
            Self::Silent => Answer::Silent,
            Self::Garbled => Answer::Garbled,
            Self::LineDown => Answer::LineDown,
        }
    }
}

/// A line. It opens when it is first needed, and again after it was lost: a serial adapter that was pulled and put back is found by its path.
pub struct Line {
    link: Link,
    clock: Clock,
    wire: Option<Wire>,
    context: Option<Context>,
    /// When the last frame ended, in time since the clock's start.
    quiet_since: Duration,
    reopen_at: Duration,
    /// Why it could not be opened or was lost; none while it is open.
    why_down: Option<String>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("link", &self.link)
            .field("wire", &self.wire)
            .finish_non_exhaustive()
    }
}

impl Line {
    /// A line that is not open yet.
    pub fn new(link: Link, clock: Clock) -> Self {
        Self {
            link,
            clock,
            wire: None,
            context: None,
            quiet_since: Duration::ZERO,
            reopen_at: Duration::ZERO,
            why_down: None,
        }
    }

    /// The system's reason after [`Outcome::LineDown`]; none while the line is open.
    pub fn why_down(&self) -> Option<&str> {
        self.why_down.as_deref()
    }

    /// Sends a request and waits for its answer, for the request's time-out and the time that the frames take on a serial wire.
    ///
    /// On a serial line it blocks the thread for the gap of 3.5 characters between frames (Modbus over serial line V1.02 §2.5.1.1): a timer of the runtime is too coarse for it.
    pub async fn transact(&mut self, request: &Request) -> Outcome {
        let Some(wire) = self.open().await else {
            return Outcome::LineDown;
        };
        // What is there before the question can't be its answer.
        if let Err(error) = wire.discard_arrived() {
            return self.lost(&error);
        }
        self.wait_for_gap();
        let received_before = wire.received();
        let limit = Duration::from_millis(u64::from(request.timeout_ms)) + self.wire_time(request);
        let context = self.context.get_or_insert_with(|| match self.link {
            Link::Rtu { .. } => rtu::attach(wire.clone()),
            Link::Tcp { .. } => tcp::attach(wire.clone()),
        });
        context.set_slave(Slave(request.slave));
        let answered = timeout(limit, context.call(question(request))).await;
        self.quiet_since = self.clock.elapsed();
        match answered {
            Ok(Ok(Ok(response))) => match checked(response, request) {
                Some(outcome) => outcome,
                None => self.broken(Outcome::Garbled),
            },
            Ok(Ok(Err(exception))) => Outcome::Exception(exception.into()),
            Ok(Err(Error::Protocol(_))) => self.broken(Outcome::Garbled),
            // What the library can't read has these kinds; InvalidInput is an answer longer than a frame may be.
            Ok(Err(Error::Transport(error)))
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
                ) =>
            {
                self.broken(Outcome::Garbled)
            }
            Ok(Err(Error::Transport(error))) => self.lost(&error),
            Err(_) if wire.received() == received_before => self.broken(Outcome::Silent),
            Err(_) => self.broken(Outcome::Garbled),
        }
    }

    /// Keeps silent for a time and throws away whatever comes.
    pub async fn drain(&mut self, time: Duration) {
        self.context = None;
        let Some(wire) = &mut self.wire else {
            tokio::time::sleep(time).await;
            return;
        };
        let end = self.clock.elapsed() + time;
        if let Ok(error) = timeout(time, wire.discard()).await {
            // The line ended while it was drained: the silence counts all the same.
            self.lost(&error);
            let rest = end.saturating_sub(self.clock.elapsed());
            tokio::time::sleep(rest).await;
        }
        self.quiet_since = self.clock.elapsed();
    }

    async fn open(&mut self) -> Option<Wire> {
        if let Some(wire) = &self.wire {
            return Some(wire.clone());
        }
        if self.clock.elapsed() < self.reopen_at {
            return None;
        }
        match timeout(CONNECT_LIMIT, Wire::open(&self.link)).await {
            Ok(Ok(wire)) => {
                if self.why_down.take().is_some() {
                    info!(line = %self.link, "the line is there again");
                }
                self.wire = Some(wire.clone());
                Some(wire)
            }
            Ok(Err(error)) => {
                self.down(&error);
                None
            }
            Err(_) => {
                self.down(&io::ErrorKind::TimedOut.into());
                None
            }
        }
    }

    /// Remembers why there is no line; each new reason is told once.
    fn down(&mut self, error: &io::Error) {
        self.reopen_at = self.clock.elapsed() + REOPEN_PAUSE;
        let why = error.to_string();
        if self.why_down.as_ref() != Some(&why) {
            warn!(line = %self.link, "the line is down: {why}");
            self.why_down = Some(why);
        }
    }

    /// The exchange failed, the line is there. A TCP connection is made anew: its late answers end with it.
    fn broken(&mut self, outcome: Outcome) -> Outcome {
        self.context = None;
        if matches!(self.link, Link::Tcp { .. }) {
            self.wire = None;
        }
        outcome
    }

    fn lost(&mut self, error: &io::Error) -> Outcome {
        self.context = None;
        self.wire = None;
        self.down(error);
        Outcome::LineDown
    }

    fn wait_for_gap(&self) {
        let Some(character) = self.character() else {
            return;
        };
        // Above 19,200 baud the specification fixes the gap.
        let gap = (character * 7 / 2).max(Duration::from_micros(1_750));
        let rest = (self.quiet_since + gap).saturating_sub(self.clock.elapsed());
        if !rest.is_zero() {
            std::thread::sleep(rest);
        }
    }

    /// How long question and answer take on a serial wire.
    fn wire_time(&self, request: &Request) -> Duration {
        let Some(character) = self.character() else {
            return Duration::ZERO;
        };
        let payload = if request.write.is_some() {
            // Both frames of a write are 8 bytes (§6.5, §6.6).
            3
        } else if request.function.is_bits() {
            u32::from(request.count.div_ceil(8))
        } else {
            2 * u32::from(request.count)
        };
        character * (8 + 5 + payload)
    }

    /// How long a character takes on a serial wire: start, 8 data, parity and stop bits.
    fn character(&self) -> Option<Duration> {
        let Link::Rtu {
            baud,
            parity,
            stop_bits,
            ..
        } = &self.link
        else {
            return None;
        };
        let bits = 9 + u32::from(*parity != devices::Parity::None) + u32::from(*stop_bits);
        Some(Duration::from_secs(1) * bits / (*baud).max(1))
    }
}

fn question(request: &Request) -> tokio_modbus::Request<'static> {
    let (address, count) = (request.address, request.count);
    if let Some(contents) = request.write {
        return if request.function.is_bits() {
            tokio_modbus::Request::WriteSingleCoil(address, contents != 0)
        } else {
            tokio_modbus::Request::WriteSingleRegister(address, contents)
        };
    }
    match request.function {
        Function::Coils => tokio_modbus::Request::ReadCoils(address, count),
        Function::DiscreteInputs => tokio_modbus::Request::ReadDiscreteInputs(address, count),
        Function::HoldingRegisters => tokio_modbus::Request::ReadHoldingRegisters(address, count),
        Function::InputRegisters => tokio_modbus::Request::ReadInputRegisters(address, count),
    }
}

/// The answer, if it is as long as what was asked for, or repeats what was written: the library passes another one on.
fn checked(response: Response, request: &Request) -> Option<Outcome> {
    let count = usize::from(request.count);
    if let Some(contents) = request.write {
        return match response {
            Response::WriteSingleCoil(address, on)
                if address == request.address && on == (contents != 0) =>
            {
                Some(Outcome::Bits(vec![on]))
            }
            Response::WriteSingleRegister(address, word)
                if address == request.address && word == contents =>
            {
                Some(Outcome::Words(vec![word]))
            }
            _ => None,
        };
    }
    match (response, request.function) {
        (Response::ReadHoldingRegisters(words), Function::HoldingRegisters)
        | (Response::ReadInputRegisters(words), Function::InputRegisters)
            if words.len() == count =>
        {
            Some(Outcome::Words(words))
        }
        (Response::ReadCoils(mut bits), Function::Coils)
        | (Response::ReadDiscreteInputs(mut bits), Function::DiscreteInputs)
            if bits.len() >= count && bits.len() <= count.div_ceil(8) * 8 =>
        {
            bits.truncate(count);
            Some(Outcome::Bits(bits))
        }
        _ => None,
    }
}
