//! A profile file: a device type with its registers and what it measures.

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use ::front::{Item, Problems, Source, Table};
use telemetry::check_segment;

use super::register::{self, Copy, Registers, with_n};
use super::{signal, word};
use crate::{Forbidden, Order, Profile, Register, Signal};

/// How often the entries with `{n}` in their names are there, and how far apart.
#[derive(Clone, Copy, Debug)]
struct Repeat {
    count: u16,
    stride: u32,
}

pub(super) fn load(source: &Source, problems: &Problems) -> Option<Profile> {
    let before = problems.len();
    let document = source.parse(problems);
    let root = document.root();
    let name = root.req("name").and_then(|item| word::segment(&item));
    let title = root.req("title").and_then(|item| word::text(&item));
    let origin = root.req("source").and_then(|item| word::text(&item));
    let most = |key: &str, most: u16| {
        root.opt(key)
            .and_then(|item| item.int(1..=i64::from(most)))
            .map_or(most, |value| u16::try_from(value).unwrap_or(most))
    };
    let registers_max = most("registers_max", 125);
    let bits_max = most("bits_max", 2_000);
    let gap_max = root
        .opt("gap_max")
        .and_then(|item| item.int(0..=120))
        .map_or(0, |value| u16::try_from(value).unwrap_or(0));
    let order = root
        .opt("order")
        .and_then(|item| register::order(&item))
        .unwrap_or_default();
    let forbidden = root
        .opt("forbidden")
        .map_or_else(Vec::new, |item| forbidden(&item));
    let repeat = root.opt("repeat").and_then(|item| repeat(&item));

    let mut map = Map {
        registers: Registers::default(),
        forbidden,
        registers_max,
    };
    let entries = |key: &str| root.opt(key).map_or_else(Vec::new, |item| item.tables());
    for entry in entries("register") {
        for copy in copies(&entry, repeat) {
            map.add_auxiliary(&entry, order, copy);
        }
        entry.finish();
    }
    let mut signals: Vec<Signal> = Vec::new();
    let points = entries("point");
    for entry in &points {
        for copy in copies(entry, repeat) {
            let name = name_of(entry, copy).unwrap_or_default();
            if !name.is_empty() && signals.iter().any(|known| known.name == name) {
                entry.problem(format!("a second point `{name}`, expected each name once"));
            }
            let value = map.value_register(entry, &name, order, copy);
            signals.extend(signal::signal(entry, name, value, &map.registers, copy));
        }
        entry.finish();
    }
    if points.is_empty() && problems.len() == before {
        root.problem("no [[point]], expected at least one thing that the device measures");
    }
    root.finish();
    (problems.len() == before).then_some(())?;
    Some(Profile {
        name: name?,
        title: title?,
        source: origin?,
        registers_max,
        bits_max,
        gap_max,
        forbidden: map.forbidden,
        registers: map.registers.right,
        signals,
    })
}

/// The registers read so far, and what a register must keep to.
#[derive(Debug)]
struct Map {
    registers: Registers,
    forbidden: Vec<Forbidden>,
    registers_max: u16,
}

impl Map {
    fn add_auxiliary(&mut self, entry: &Table<'_>, order: Order, copy: Copy) {
        let name = name_of(entry, copy);
        let register = register::register(entry, name.clone().unwrap_or_default(), order, copy);
        let Some(name) = name else { return };
        if self.registers.right.iter().any(|known| known.name == name) {
            entry.problem(format!(
                "a second register `{name}`, expected each name once"
            ));
            return;
        }
        if register.and_then(|it| self.add(entry, it)).is_none() {
            self.registers.wrong.push(name);
        }
    }

    /// The register with a point's value: one that the entry names, or one of its own.
    fn value_register(
        &mut self,
        entry: &Table<'_>,
        name: &str,
        order: Order,
        copy: Copy,
    ) -> Option<usize> {
        if let Some(item) = entry.opt("register") {
            return self.registers.index_of(&item, copy);
        }
        let register = register::register(entry, String::from(name), order, copy)?;
        self.add(entry, register)
    }

    /// Adds a register, or reports that it lies half over another.
    fn add(&mut self, entry: &Table<'_>, register: Register) -> Option<usize> {
        let span = |it: &Register| {
            let first = u32::from(it.address);
            first..first + u32::from(it.count())
        };
        let wanted = span(&register);
        let other = self.registers.right.iter().find(|known| {
            let there = span(known);
            known.function == register.function
                && there.start < wanted.end
                && wanted.start < there.end
                // Bits of the same registers may be named one by one.
                && (there != wanted || (known.bits.is_none() && register.bits.is_none()))
        });
        if let Some(other) = other {
            entry.problem(format!(
                "overlaps `{}` (`{}` {} to {}), expected each address in one register",
                other.name,
                other.function.word(),
                other.address,
                span(other).end - 1
            ));
            return None;
        }
        if register.count() > self.registers_max {
            entry.problem(format!(
                "takes {} addresses, expected at most `registers_max` = {}",
                register.count(),
                self.registers_max
            ));
            return None;
        }
        let barred = self.forbidden.iter().find(|barred| {
            barred.function == register.function
                && u32::from(barred.first) < wanted.end
                && wanted.start <= u32::from(barred.last)
        });
        if let Some(barred) = barred {
            entry.problem(format!(
                "address {} is forbidden (`{}` {} to {})",
                register.address,
                barred.function.word(),
                barred.first,
                barred.last
            ));
            return None;
        }
        self.registers.right.push(register);
        Some(self.registers.right.len() - 1)
    }
}

fn name_of(entry: &Table<'_>, copy: Copy) -> Option<String> {
    let item = entry.req("name")?;
    let name = with_n(item.str()?, copy);
    match check_segment(&name) {
        Ok(()) => Some(name),
        Err(error) => {
            item.problem(format!("{error}"));
            None
        }
    }
}

/// The copies of an entry: one, or as many as the profile repeats.
fn copies(entry: &Table<'_>, repeat: Option<Repeat>) -> Vec<Copy> {
    let single = vec![Copy { n: 1, shift: 0 }];
    let Some(item) = entry.opt("name") else {
        return single;
    };
    if !item.is_str() || !item.str().is_some_and(|name| name.contains("{n}")) {
        return single;
    }
    match repeat {
        Some(repeat) => (1..=repeat.count)
            .map(|n| Copy {
                n,
                shift: u32::from(n - 1) * repeat.stride,
            })
            .collect(),
        None => {
            item.problem("`{n}` without `repeat`, expected `repeat = { count = 8, stride = 4 }` in the profile");
            single
        }
    }
}

fn repeat(item: &Item<'_>) -> Option<Repeat> {
    let table = item.table()?;
    let whole = |key: &str, most: i64| table.req(key).and_then(|item| item.int(1..=most));
    let (count, stride) = (whole("count", 256), whole("stride", 4_096));
    table.finish();
    Some(Repeat {
        count: u16::try_from(count?).ok()?,
        stride: u32::try_from(stride?).ok()?,
    })
}

fn forbidden(item: &Item<'_>) -> Vec<Forbidden> {
    let mut spans = Vec::new();
    for table in item.tables() {
        let function = table
            .req("table")
            .and_then(|item| register::function(&item));
        let address = |key: &str| table.req(key).and_then(|item| item.int(0..=65_535));
        let (first, last) = (address("first"), address("last"));
        table.finish();
        let (Some(function), Some(first), Some(last)) = (function, first, last) else {
            continue;
        };
        if first > last {
            table.problem(format!(
                "from {first} to {last}, expected the lower address first"
            ));
            continue;
        }
        if let (Ok(first), Ok(last)) = (u16::try_from(first), u16::try_from(last)) {
            spans.push(Forbidden {
                function,
                first,
                last,
            });
        }
    }
    spans
}
