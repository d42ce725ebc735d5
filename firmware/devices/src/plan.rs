//! Which requests read a bus: the fewest that cover every register that a point needs.
//!
//! Registers of one slave, table and period are joined. A request never asks for more than the protocol and the device allow, never reads a forbidden address, and reads along at most `gap_max` addresses that the profile does not list.
//! The plan knows no time: whoever polls decides when a group is due.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range as Indices;

use telemetry::{Quality, Value};

use crate::convert::{raw_of_words, reading};
use crate::{Bus, Function, Point, Profile, Register, Scale, Slave};

/// One question to a slave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The slave: index into the bus's slaves.
    pub slave: usize,
    /// The slave's address on the bus.
    pub unit_id: u8,
    /// The table that is read.
    pub function: Function,
    /// The first protocol address, from 0.
    pub address: u16,
    /// How many registers or bits: 1 to 125, or 1 to 2,000.
    pub count: u16,
    /// The group that it belongs to: index into [`Plan::groups`].
    pub group: usize,
    cells: Indices<usize>,
}

/// The requests of one slave and one period; they are asked in their order, one after the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// The slave: index into the bus's slaves.
    pub slave: usize,
    /// How often it is due, in milliseconds.
    pub period_ms: u64,
    /// Its requests: indices into [`Plan::requests`].
    pub requests: Indices<usize>,
    /// How many points it reads.
    pub points: usize,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reply<'a> {
    /// Registers, as many as were asked for.
    Words(&'a [u16]),
    /// Bits, as many as were asked for.
    Bits(&'a [bool]),
    /// No usable answer, and what that makes of the readings.
    Failed(Quality),
}

/// What one pass over the groups has read so far; made by [`Plan::image`].
#[derive(Clone, Debug)]
pub struct Image(Vec<Result<u64, Quality>>);

/// A register in a request.
#[derive(Clone, Debug)]
struct Cell {
    slave: usize,
    register: usize,
    /// Where it begins in the reply.
    offset: usize,
}

/// A point with the registers that it needs.
#[derive(Clone, Debug)]
struct Reading {
    point: usize,
    /// The last request that it needs; its value is known with that one's reply.
    request: usize,
    /// (register of the profile, cell).
    cells: Vec<(usize, usize)>,
}

/// All requests of a bus.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The groups: by slave in the bus's order, then by period, shortest first.
    pub groups: Vec<Group>,
    /// The requests, group by group.
    pub requests: Vec<Request>,
    cells: Vec<Cell>,
    /// By request, then by point.
    readings: Vec<Reading>,
}

impl Plan {
    /// Plans a bus.
    ///
    /// Relies on what the front has checked: register indices are good, no register is wider than its device's limit or touches a forbidden address.
    pub fn new(bus: &Bus) -> Self {
        let mut plan = Self {
            groups: Vec::new(),
            requests: Vec::new(),
            cells: Vec::new(),
            readings: Vec::new(),
        };
        for (slave_idx, slave) in bus.slaves.iter().enumerate() {
            let points = || bus.points.iter().filter(|point| point.slave == slave_idx);
            let mut periods: Vec<u64> = points().map(|point| point.period_ms).collect();
            periods.sort_unstable();
            periods.dedup();
            for period_ms in periods {
                plan.add_group(bus, slave_idx, slave, period_ms);
            }
        }
        plan.readings
            .sort_by_key(|reading| (reading.request, reading.point));
        plan
    }

    /// Room for what this plan reads.
    pub fn image(&self) -> Image {
        Image(vec![Err(Quality::NO_DATA); self.cells.len()])
    }

    /// Takes the reply to a request, and tells each point that is known with it: index into the bus's points, value, quality.
    ///
    /// A group's requests come in their order; each point comes once in a pass over its group, with the last request that it needs.
    /// A reply of the wrong kind or length makes its readings `comm-error`. Allocates nothing.
    pub fn decode(
        &self,
        bus: &Bus,
        image: &mut Image,
        request_idx: usize,
        reply: Reply<'_>,
        tell: &mut dyn FnMut(usize, Option<Value>, Quality),
    ) {
        let Some(request) = self.requests.get(request_idx) else {
            return;
        };
        self.forget_last_pass(image, request_idx, request);
        for cell_idx in request.cells.clone() {
            let (Some(cell), Some(slot)) = (self.cells.get(cell_idx), image.0.get_mut(cell_idx))
            else {
                continue;
            };
            *slot = register_of(bus, cell.slave, cell.register)
                .map_or(Err(Quality::CONFIGURATION), |register| {
                    raw_of_reply(register, cell.offset, request, reply)
                });
        }
        let first = self
            .readings
            .partition_point(|reading| reading.request < request_idx);
        for known in self.readings.iter().skip(first) {
            if known.request != request_idx {
                break;
            }
            let Some(point) = bus.points.get(known.point) else {
                continue;
            };
            let (value, quality) = known.read(bus, point, image);
            tell(known.point, value, quality);
        }
    }

    /// The raw contents of a point's registers after a pass, as (register of the profile, contents or why there are none); for people who look at a bus.
    pub fn raw<'a>(
        &'a self,
        image: &'a Image,
        point: usize,
    ) -> impl Iterator<Item = (usize, Result<u64, Quality>)> + 'a {
        self.readings
            .iter()
            .filter(move |reading| reading.point == point)
            .flat_map(|reading| reading.cells.iter())
            .map(|(register, cell)| {
                let raw = image.0.get(*cell).copied();
                (*register, raw.unwrap_or(Err(Quality::NO_DATA)))
            })
    }

    /// With a group's first request a new pass begins: nothing of the last one may explain it.
    fn forget_last_pass(&self, image: &mut Image, request_idx: usize, request: &Request) {
        let Some(group) = self.groups.get(request.group) else {
            return;
        };
        if group.requests.start != request_idx {
            return;
        }
        for request in self
            .requests
            .iter()
            .take(group.requests.end)
            .skip(request_idx)
        {
            for slot in image
                .0
                .iter_mut()
                .take(request.cells.end)
                .skip(request.cells.start)
            {
                *slot = Err(Quality::COMM_ERROR);
            }
        }
    }

    fn add_group(&mut self, bus: &Bus, slave_idx: usize, slave: &Slave, period_ms: u64) {
        let members = || {
            bus.points
                .iter()
                .enumerate()
                .filter(move |(_, point)| point.slave == slave_idx && point.period_ms == period_ms)
        };
        let mut needed: Vec<usize> = members().flat_map(|(_, point)| needs(point)).collect();
        needed.sort_unstable();
        needed.dedup();
        let first_request = self.requests.len();
        let first_cell = self.cells.len();
        for block in join(&slave.profile, &needed) {
            let cells = self.cells.len()..self.cells.len() + block.registers.len();
            self.cells
                .extend(block.registers.iter().map(|register| Cell {
                    slave: slave_idx,
                    register: *register,
                    offset: slave.profile.registers.get(*register).map_or(0, |it| {
                        usize::from(it.address.saturating_sub(block.address))
                    }),
                }));
            self.requests.push(Request {
                slave: slave_idx,
                unit_id: slave.unit_id,
                function: block.function,
                address: block.address,
                count: block.count,
                group: self.groups.len(),
                cells,
            });
        }
        let group_cells = first_cell..self.cells.len();
        for (point_idx, point) in members() {
            let cells: Vec<(usize, usize)> = needs(point)
                .filter_map(|register| {
                    group_cells
                        .clone()
                        .find(|cell| {
                            self.cells
                                .get(*cell)
                                .is_some_and(|it| it.register == register)
                        })
                        .map(|cell| (register, cell))
                })
                .collect();
            let last_cell = cells.iter().map(|(_, cell)| *cell).max().unwrap_or(0);
            let request = (first_request..self.requests.len())
                .find(|idx| {
                    self.requests
                        .get(*idx)
                        .is_some_and(|it| it.cells.contains(&last_cell))
                })
                .unwrap_or(first_request);
            self.readings.push(Reading {
                point: point_idx,
                request,
                cells,
            });
        }
        self.groups.push(Group {
            slave: slave_idx,
            period_ms,
            requests: first_request..self.requests.len(),
            points: members().count(),
        });
    }
}

impl Reading {
    fn read(&self, bus: &Bus, point: &Point, image: &Image) -> (Option<Value>, Quality) {
        let registers = bus
            .slaves
            .get(point.slave)
            .map_or(&[][..], |slave| slave.registers());
        reading(&point.signal, registers, &|register| {
            self.cells
                .iter()
                .find(|(needed, _)| *needed == register)
                .and_then(|(_, cell)| image.0.get(*cell))
                .copied()
                .unwrap_or(Err(Quality::CONFIGURATION))
        })
    }
}

/// The registers that a point is made of: its value's, and those that explain it.
fn needs(point: &Point) -> impl Iterator<Item = usize> + '_ {
    let signal = &point.signal;
    let scale = match &signal.scale {
        Scale::By(_) => None,
        Scale::From(from) => Some(from.register),
    };
    core::iter::once(signal.register)
        .chain(scale)
        .chain(signal.unit_from.as_ref().map(|from| from.register))
        .chain(signal.status.iter().map(|status| status.register))
}

fn register_of(bus: &Bus, slave: usize, register: usize) -> Option<&Register> {
    bus.slaves.get(slave)?.registers().get(register)
}

fn raw_of_reply(
    register: &Register,
    offset: usize,
    request: &Request,
    reply: Reply<'_>,
) -> Result<u64, Quality> {
    let end = offset + usize::from(register.count());
    match reply {
        Reply::Words(words)
            if words.len() == usize::from(request.count) && !request.function.is_bits() =>
        {
            let words = words.get(offset..end).ok_or(Quality::COMM_ERROR)?;
            Ok(raw_of_words(register, words))
        }
        Reply::Bits(bits)
            if bits.len() == usize::from(request.count) && request.function.is_bits() =>
        {
            let bit = bits.get(offset).ok_or(Quality::COMM_ERROR)?;
            Ok(u64::from(*bit))
        }
        Reply::Failed(quality) => Err(quality),
        Reply::Words(_) | Reply::Bits(_) => Err(Quality::COMM_ERROR),
    }
}

/// Some registers that one request reads.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Block {
    function: Function,
    address: u16,
    count: u16,
    /// Indices into the profile's registers.
    registers: Vec<usize>,
}

/// Joins registers into the fewest requests.
///
/// From the lowest address upwards each request takes in as much as it may. That is the fewest: a register that a request can't take in any more, for its length, its gap or what is forbidden, begins the next one, and no later register could have been taken in instead.
fn join(profile: &Profile, needed: &[usize]) -> Vec<Block> {
    let mut wanted: Vec<(usize, &Register)> = needed
        .iter()
        .filter_map(|idx| profile.registers.get(*idx).map(|register| (*idx, register)))
        .collect();
    wanted.sort_by_key(|(_, register)| (register.function, register.address, register.count()));
    let mut blocks: Vec<Block> = Vec::new();
    for (idx, register) in wanted {
        let joined = blocks
            .last_mut()
            .filter(|block| block.function == register.function)
            .and_then(|block| {
                let count = joined_count(profile, block, register)?;
                block.count = count;
                block.registers.push(idx);
                Some(())
            });
        if joined.is_none() {
            blocks.push(Block {
                function: register.function,
                address: register.address,
                count: register.count(),
                registers: vec![idx],
            });
        }
    }
    blocks
}

/// The length of a request that takes in one more register, if it may.
fn joined_count(profile: &Profile, block: &Block, register: &Register) -> Option<u16> {
    let function = block.function;
    let limit = function.count_max().min(if function.is_bits() {
        profile.bits_max
    } else {
        profile.registers_max
    });
    let address = u32::from(block.address);
    let block_end = address + u32::from(block.count);
    let end = (u32::from(register.address) + u32::from(register.count())).max(block_end);
    let count = u16::try_from(end - address).ok()?;
    let hole = block_end..u32::from(register.address);
    let forbidden = profile.forbidden.iter().any(|span| {
        span.function == function && u32::from(span.first) < end && u32::from(span.last) >= address
    });
    (count <= limit && !forbidden && unlisted(profile, function, hole) <= profile.gap_max)
        .then_some(count)
}

/// How many addresses of a hole the profile does not list.
fn unlisted(profile: &Profile, function: Function, hole: Indices<u32>) -> u16 {
    let listed = |address: &u32| {
        profile.registers.iter().any(|register| {
            let first = u32::from(register.address);
            register.function == function
                && (first..first + u32::from(register.count())).contains(address)
        })
    };
    let n_unlisted = hole.take(2_000).filter(|address| !listed(address)).count();
    u16::try_from(n_unlisted).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
