//! The slaves themselves: a request and a time give a reply, rightly or wrongly.
//!
//! It knows function codes, exceptions and faults; it does no I/O and reads no clock.

use std::collections::BTreeMap;

use crate::fault::{Fault, FaultWindow};
use crate::frame::{Framing, Request, emit};
use crate::noise;
use crate::scenario::{Scenario, Slave, Space};

const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;
const ILLEGAL_VALUE: u8 = 3;

/// What goes out after a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// Milliseconds after the end of the request.
    pub after_ms: u64,
    /// The bytes, faults included.
    pub bytes: Vec<u8>,
    /// The cable is pulled after these bytes.
    pub cut: bool,
}

/// The slaves of a scenario while it is played.
#[derive(Debug)]
pub struct Play {
    slaves: Vec<SlaveState>,
    faults: Vec<Armed>,
    heard: u64,
}

#[derive(Debug)]
struct SlaveState {
    slave: Slave,
    /// Which register covers an address, and how far into it the address is.
    map: BTreeMap<(Space, u16), (usize, usize)>,
    /// Words that were written by a client or set by a test; they come before the script.
    stored: BTreeMap<(Space, u16), u16>,
    heard: u64,
}

/// A fault window and what became of it.
#[derive(Debug)]
struct Armed {
    /// None for the whole bus.
    unit: Option<u8>,
    window: FaultWindow,
    spoilt: u64,
    /// Set at run time, so that it can be mended.
    by_hand: bool,
}

impl Play {
    /// Takes the scenario as it is at 0 ms.
    pub fn new(scenario: Scenario) -> Self {
        let armed = |unit: Option<u8>, window: &FaultWindow| Armed {
            unit,
            window: window.clone(),
            spoilt: 0,
            by_hand: false,
        };
        let of_bus = scenario.faults.iter().map(|window| armed(None, window));
        let of_slaves = scenario.slaves.iter().flat_map(|slave| {
            let unit = Some(slave.unit);
            slave.faults.iter().map(move |window| armed(unit, window))
        });
        let faults = of_bus.chain(of_slaves).collect();
        Self {
            faults,
            slaves: scenario.slaves.into_iter().map(SlaveState::new).collect(),
            heard: 0,
        }
    }

    /// Answers a request; `None` is silence. Bounded by the 2,000 values that a request can name.
    pub fn handle_request(
        &mut self,
        framing: Framing,
        request: Request<'_>,
        at_ms: u64,
    ) -> Option<Reply> {
        self.heard += 1;
        if framing == Framing::Rtu && request.unit == 0 {
            for slave in &mut self.slaves {
                slave.handle_pdu(request.pdu, &[], at_ms);
            }
            return None;
        }
        let slave = self
            .slaves
            .iter_mut()
            .find(|slave| slave.slave.unit == request.unit)?;
        slave.heard += 1;
        let mut active: Vec<&mut Armed> = self
            .faults
            .iter_mut()
            .filter(|armed| armed.unit.is_none_or(|unit| unit == request.unit))
            .filter(|armed| armed.window.contains(at_ms))
            .filter(|armed| armed.window.limit.is_none_or(|limit| armed.spoilt < limit))
            .collect();
        for armed in &mut active {
            armed.spoilt += 1;
        }
        let windows: Vec<(&FaultWindow, u64)> = active
            .iter()
            .map(|armed| (&armed.window, armed.spoilt))
            .collect();
        slave.reply(framing, request, &windows, at_ms)
    }

    /// Requests heard since the start, whoever was asked.
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// Requests that a unit has heard since the start.
    pub fn heard_by(&self, unit: u8) -> u64 {
        self.slaves
            .iter()
            .filter(|slave| slave.slave.unit == unit)
            .map(|slave| slave.heard)
            .sum()
    }

    /// Shows these words from `address` on instead of what the script says; 0 or 1 for bits.
    ///
    /// False when the slave or one of the addresses is not in the scenario; then nothing is changed.
    pub fn set(&mut self, unit: u8, space: Space, address: u16, words: &[u16]) -> bool {
        let slave = self
            .slaves
            .iter_mut()
            .find(|slave| slave.slave.unit == unit);
        slave.is_some_and(|slave| slave.store(space, address, words))
    }

    /// Goes back to the script for all registers of a slave.
    pub fn release(&mut self, unit: u8) {
        for slave in &mut self.slaves {
            if slave.slave.unit == unit {
                slave.stored.clear();
            }
        }
    }

    /// Adds a fault; `unit` none for the whole bus. It comes before the scenario's own.
    pub fn fault(&mut self, unit: Option<u8>, window: FaultWindow) {
        let armed = Armed {
            unit,
            window,
            spoilt: 0,
            by_hand: true,
        };
        self.faults.insert(0, armed);
    }

    /// Takes away the faults added for this unit, or for the whole bus; the scenario's own stay.
    pub fn mend(&mut self, unit: Option<u8>) {
        self.faults
            .retain(|armed| !(armed.by_hand && armed.unit == unit));
    }
}

impl SlaveState {
    fn new(slave: Slave) -> Self {
        let mut map = BTreeMap::new();
        for (index, register) in slave.registers.iter().enumerate() {
            for (offset, address) in (register.address..=u16::MAX)
                .take(register.course.width())
                .enumerate()
            {
                map.insert((register.space, address), (index, offset));
            }
        }
        Self {
            slave,
            map,
            stored: BTreeMap::new(),
            heard: 0,
        }
    }

    fn reply(
        &mut self,
        framing: Framing,
        request: Request<'_>,
        windows: &[(&FaultWindow, u64)],
        at_ms: u64,
    ) -> Option<Reply> {
        let seed = at_ms ^ u64::from(request.unit) << 32;
        let mut after_ms = self.slave.turnaround_ms;
        let mut unit = request.unit;
        let mut exception = None;
        let mut short = false;
        for (window, _) in windows {
            match window.fault {
                Fault::Silence => return None,
                Fault::Late { ms } => after_ms = after_ms.saturating_add(ms),
                Fault::WrongUnit { unit: other } => unit = other,
                Fault::Exception { code } => exception = Some(code),
                Fault::ShortReply => short = true,
                _ => {}
            }
        }
        let function = request.pdu.first().copied().unwrap_or(0);
        let mut pdu = match exception {
            Some(code) => vec![function | 0x80, code],
            None => self.handle_pdu(request.pdu, windows, at_ms),
        };
        if short {
            shorten(&mut pdu);
        }
        let mut bytes = emit(framing, request.transaction, unit, &pdu);
        let mut cut = false;
        for (window, spoilt) in windows {
            match window.fault {
                Fault::BadCrc => spoil_check(framing, &mut bytes),
                Fault::Garbage { bytes: count } => bytes = noise::bytes(seed, count),
                Fault::LeadingNoise { bytes: count } => {
                    bytes.splice(0..0, noise::bytes(seed, count));
                }
                Fault::Foreign => {
                    bytes.splice(0..0, foreign(framing, request));
                }
                Fault::Cut => {
                    cut = true;
                    let kept = if *spoilt == 1 { bytes.len() / 2 } else { 0 };
                    bytes.truncate(kept);
                }
                _ => {}
            }
        }
        Some(Reply {
            after_ms,
            bytes,
            cut,
        })
    }

    /// The reply's PDU: the answer or an exception.
    fn handle_pdu(&mut self, pdu: &[u8], windows: &[(&FaultWindow, u64)], at_ms: u64) -> Vec<u8> {
        let function = pdu.first().copied().unwrap_or(0);
        let answer = match function {
            1 => self.read_bits(Space::Coil, pdu, windows, at_ms),
            2 => self.read_bits(Space::Discrete, pdu, windows, at_ms),
            3 => self.read_words(Space::Holding, pdu, windows, at_ms),
            4 => self.read_words(Space::Input, pdu, windows, at_ms),
            5 | 6 | 15 | 16 => self.write(function, pdu),
            _ => Err(ILLEGAL_FUNCTION),
        };
        answer.unwrap_or_else(|code| vec![function | 0x80, code])
    }

    fn read_bits(
        &self,
        space: Space,
        pdu: &[u8],
        windows: &[(&FaultWindow, u64)],
        at_ms: u64,
    ) -> Result<Vec<u8>, u8> {
        let (address, count) = range(pdu, 2_000)?;
        let values = self.values(space, address, count, windows, at_ms)?;
        let packed = values.chunks(8).map(|bits| {
            let set = bits.iter().enumerate().filter(|(_, bit)| **bit != 0);
            set.fold(0_u8, |byte, (index, _)| byte | 1 << index)
        });
        Ok(with_count(pdu, packed.collect()))
    }

    fn read_words(
        &self,
        space: Space,
        pdu: &[u8],
        windows: &[(&FaultWindow, u64)],
        at_ms: u64,
    ) -> Result<Vec<u8>, u8> {
        let (address, count) = range(pdu, 125)?;
        let values = self.values(space, address, count, windows, at_ms)?;
        let bytes = values.into_iter().flat_map(u16::to_be_bytes);
        Ok(with_count(pdu, bytes.collect()))
    }

    fn write(&mut self, function: u8, pdu: &[u8]) -> Result<Vec<u8>, u8> {
        let &[_, a0, a1, v0, v1, ref rest @ ..] = pdu else {
            return Err(ILLEGAL_VALUE);
        };
        let address = u16::from_be_bytes([a0, a1]);
        let number = u16::from_be_bytes([v0, v1]);
        let (space, words) = match function {
            5 => match number {
                0xFF00 => (Space::Coil, vec![1]),
                0 => (Space::Coil, vec![0]),
                _ => return Err(ILLEGAL_VALUE),
            },
            6 => (Space::Holding, vec![number]),
            15 => (Space::Coil, written_bits(number, rest)?),
            _ => (Space::Holding, written_words(number, rest)?),
        };
        if self.store(space, address, &words) {
            Ok(vec![function, a0, a1, v0, v1])
        } else {
            Err(ILLEGAL_ADDRESS)
        }
    }

    fn store(&mut self, space: Space, address: u16, words: &[u16]) -> bool {
        let addresses: Vec<u16> = (address..=u16::MAX).take(words.len()).collect();
        let known = addresses
            .iter()
            .all(|address| self.map.contains_key(&(space, *address)));
        if addresses.len() != words.len() || !known {
            return false;
        }
        for (address, word) in addresses.into_iter().zip(words) {
            self.stored.insert((space, address), *word);
        }
        true
    }

    fn values(
        &self,
        space: Space,
        address: u16,
        count: u16,
        windows: &[(&FaultWindow, u64)],
        at_ms: u64,
    ) -> Result<Vec<u16>, u8> {
        let last = address.checked_add(count - 1).ok_or(ILLEGAL_ADDRESS)?;
        let shown_ms = windows
            .iter()
            .filter(|(window, _)| window.fault == Fault::Stuck)
            .map(|(window, _)| window.from_ms)
            .fold(at_ms, u64::min);
        let mut course: Option<(usize, Vec<u16>)> = None;
        let mut values = Vec::with_capacity(usize::from(count));
        for address in address..=last {
            let &(index, offset) = self.map.get(&(space, address)).ok_or(ILLEGAL_ADDRESS)?;
            if course.as_ref().is_none_or(|(held, _)| *held != index) {
                let register = &self.slave.registers[index];
                course = Some((index, register.course.words(shown_ms)));
            }
            let scripted = course
                .as_ref()
                .and_then(|(_, words)| words.get(offset).copied())
                .unwrap_or(0);
            let stored = self.stored.get(&(space, address)).copied();
            let broken = windows
                .iter()
                .find_map(|(window, _)| broken_word(&window.fault, space, address));
            values.push(broken.or(stored).unwrap_or(scripted));
        }
        Ok(values)
    }
}

fn broken_word(fault: &Fault, space: Space, at: u16) -> Option<u16> {
    let Fault::BrokenWire {
        space: of,
        address,
        words,
    } = fault
    else {
        return None;
    };
    let offset = usize::from(at.checked_sub(*address)?);
    words.get(offset).copied().filter(|_| *of == space)
}

/// The address and count of a read.
fn range(pdu: &[u8], most: u16) -> Result<(u16, u16), u8> {
    let &[_, a0, a1, c0, c1] = pdu else {
        return Err(ILLEGAL_VALUE);
    };
    let count = u16::from_be_bytes([c0, c1]);
    if (1..=most).contains(&count) {
        Ok((u16::from_be_bytes([a0, a1]), count))
    } else {
        Err(ILLEGAL_VALUE)
    }
}

fn with_count(pdu: &[u8], data: Vec<u8>) -> Vec<u8> {
    let count = u8::try_from(data.len()).expect("a read has at most 250 bytes");
    let mut reply = vec![pdu.first().copied().unwrap_or(0), count];
    reply.extend(data);
    reply
}

/// The bits of function 15; `rest` is its byte count and the bytes.
fn written_bits(count: u16, rest: &[u8]) -> Result<Vec<u16>, u8> {
    match rest.split_first() {
        Some((bytes, data))
            if (1..=1_968).contains(&count)
                && usize::from(*bytes) == data.len()
                && usize::from(count.div_ceil(8)) == data.len() =>
        {
            let bits = data
                .iter()
                .flat_map(|byte| (0..8).map(move |bit| u16::from(byte >> bit & 1)));
            Ok(bits.take(usize::from(count)).collect())
        }
        _ => Err(ILLEGAL_VALUE),
    }
}

/// The words of function 16; `rest` is its byte count and the bytes.
fn written_words(count: u16, rest: &[u8]) -> Result<Vec<u16>, u8> {
    match rest.split_first() {
        Some((bytes, data))
            if (1..=123).contains(&count)
                && usize::from(*bytes) == data.len()
                && usize::from(count) * 2 == data.len() =>
        {
            let pairs = data.chunks_exact(2);
            Ok(pairs
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect())
        }
        _ => Err(ILLEGAL_VALUE),
    }
}

/// Takes the last value away and keeps the frame well formed.
fn shorten(pdu: &mut Vec<u8>) {
    let value = match pdu.first() {
        Some(3 | 4) => 2,
        _ => 1,
    };
    let is_read = matches!(pdu.first(), Some(1..=4));
    if pdu.len() > value + 1 {
        pdu.truncate(pdu.len() - value);
        if let (true, Some(count)) = (is_read, pdu.get_mut(1)) {
            *count = count.saturating_sub(u8::try_from(value).unwrap_or(1));
        }
    }
}

fn spoil_check(framing: Framing, bytes: &mut [u8]) {
    let at = match framing {
        Framing::Rtu => bytes.last_mut(),
        Framing::Mbap => bytes.get_mut(3),
    };
    if let Some(byte) = at {
        *byte ^= 0xFF;
    }
}

/// Somebody else's traffic: on RTU the request and reply of another unit, over TCP a reply to another transaction.
fn foreign(framing: Framing, request: Request<'_>) -> Vec<u8> {
    let other = if request.unit == 247 {
        1
    } else {
        request.unit + 1
    };
    let answer = [3, 4, 0xDE, 0xAD, 0xBE, 0xEF];
    match framing {
        Framing::Rtu => [
            emit(framing, 0, other, &[3, 0, 0, 0, 2]),
            emit(framing, 0, other, &answer),
        ]
        .concat(),
        Framing::Mbap => emit(
            framing,
            request.transaction.wrapping_add(0x4000),
            request.unit,
            &answer,
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults() -> impl Strategy<Value = Fault> {
        prop_oneof![
            Just(Fault::ShortReply),
            Just(Fault::BadCrc),
            Just(Fault::Cut),
            Just(Fault::Foreign),
            Just(Fault::Stuck),
            (0usize..300).prop_map(|bytes| Fault::Garbage { bytes }),
            any::<u64>().prop_map(|ms| Fault::Late { ms }),
        ]
    }

    proptest! {
        #[test]
        fn any_request_gets_a_frame_or_silence(
            pdu in proptest::collection::vec(any::<u8>(), 0..260),
            faults in proptest::collection::vec(faults(), 0..4),
            rtu: bool,
            at_ms: u64,
        ) {
            let framing = if rtu { Framing::Rtu } else { Framing::Mbap };
            let healthy = faults.is_empty();
            let mut slave = Slave::new(1)
                .words(Space::Holding, 0, &[1; 300])
                .words(Space::Coil, 65_000, &[1; 536]);
            slave.faults = faults.into_iter().map(|fault| FaultWindow::from(fault, 0)).collect();
            let mut play = Play::new(Scenario::of([slave]));
            let request = Request { transaction: 7, unit: 1, pdu: &pdu };
            let reply = play.handle_request(framing, request, at_ms).expect("no silence is asked for");
            if healthy {
                let longest = if rtu { 256 } else { 260 };
                prop_assert!((4..=longest).contains(&reply.bytes.len()), "{:?}", reply);
            }
        }
    }
}
