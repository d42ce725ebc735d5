//! A bus file: the wire, who is on it, and what their points are called in the plant.

use std::borrow::ToOwned;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

use ::front::{Item, Problems, Source, Table};

use super::{profile, signal, word};
use crate::{
    Bus, FailSafe, Function, Link, Parity, Plan, Point, Position, Profile, Scale, Signal, Slave,
    sweep,
};

/// The shortest and the longest period, in milliseconds.
const PERIOD_MS: (u64, u64) = (10, 24 * 3_600_000);

pub(super) fn read(
    source: &Source,
    find_profile: &dyn Fn(&str) -> Result<Source, String>,
    problems: &Problems,
) -> Bus {
    let before = problems.len();
    let document = source.parse(problems);
    let root = document.root();
    let name = root.req("name").and_then(|item| word::segment(&item));
    let link = link(&root);
    let rtu = !matches!(link, Some(Link::Tcp { .. }));
    let duration = |key: &str, least: u64, most: u64, default: u64| {
        root.opt(key)
            .and_then(|item| duration_ms(&item, least, most))
            .unwrap_or(default)
    };
    let timeout_ms = duration("timeout", 10, 60_000, if rtu { 500 } else { 1_000 });
    let turnaround_ms = duration("turnaround", 0, 10_000, if rtu { 20 } else { 10 });
    let lateness_ms = duration("lateness", 0, 60_000, if rtu { 1_000 } else { 0 });
    let is_wire_right = problems.len() == before;
    let mut bus = Bus {
        name: name.unwrap_or_default(),
        // What is wrong with the wire is told already; its slaves are read all the same.
        link: link.unwrap_or_else(|| Link::Rtu {
            path: String::new(),
            baud: 9_600,
            parity: Parity::None,
            stop_bits: 1,
        }),
        timeout_ms,
        turnaround_ms,
        lateness_ms,
        slaves: Vec::new(),
        points: Vec::new(),
    };
    let profiles = Profiles {
        find: find_profile,
        problems,
        read: RefCell::default(),
    };
    let entries = root
        .req("slave")
        .map_or_else(Vec::new, |item| item.tables());
    // The entry of each slave that is there, and whether something is wrong with it.
    let mut places: Vec<(&Table<'_>, bool)> = Vec::new();
    for entry in &entries {
        let before = problems.len();
        add_slave(&mut bus, entry, &profiles);
        entry.finish();
        if bus.slaves.len() > places.len() {
            places.push((entry, problems.len() > before));
        }
    }
    if entries.is_empty() && problems.len() == before {
        root.problem("no [[slave]], expected at least one device");
    }
    root.finish();
    bus.points
        .retain(|point| places.get(point.slave).is_some_and(|(_, wrong)| !wrong));
    if is_wire_right {
        let places: Vec<&Table<'_>> = places.iter().map(|(entry, _)| *entry).collect();
        check_time(&bus, "", &root, &places);
        let is_kept = problems.len() == before;
        if is_kept && bus.points.iter().any(|point| point.fastest_ms.is_some()) {
            let mut hurried = bus.clone();
            for point in &mut hurried.points {
                point.period_ms = point.fastest_ms.unwrap_or(point.period_ms);
            }
            let what = "while rules ask for `fastest`, ";
            check_time(&hurried, what, &root, &places);
        }
    }
    bus
}

/// The profiles that this bus has asked for, each read once.
struct Profiles<'a> {
    find: &'a dyn Fn(&str) -> Result<Source, String>,
    problems: &'a Problems,
    read: RefCell<BTreeMap<String, Option<Profile>>>,
}

impl Profiles<'_> {
    fn profile(&self, item: &Item<'_>) -> Option<Profile> {
        let name = item.str()?;
        if let Some(read) = self.read.borrow().get(name) {
            return read.clone();
        }
        let profile = match (self.find)(name) {
            Ok(source) => profile::load(&source, self.problems),
            Err(error) => {
                item.problem(error);
                return None;
            }
        };
        self.read
            .borrow_mut()
            .insert(name.to_owned(), profile.clone());
        profile
    }
}

fn link(root: &Table<'_>) -> Option<Link> {
    match (root.opt("rtu"), root.opt("tcp")) {
        (Some(rtu), None) => rtu.table().and_then(|table| rtu_link(&table)),
        (None, Some(tcp)) => tcp.table().and_then(|table| tcp_link(&table)),
        (None, None) => {
            root.lacks("neither [rtu] nor [tcp], expected the wire as one of them");
            None
        }
        (Some(_), Some(tcp)) => {
            tcp.problem("both [rtu] and [tcp], expected one wire");
            None
        }
    }
}

fn rtu_link(table: &Table<'_>) -> Option<Link> {
    let path = table.req("path").and_then(|item| word::text(&item));
    let baud = match table.opt("baud") {
        Some(item) => item.int(1_200..=1_000_000),
        None => Some(9_600),
    };
    let parity = match table.opt("parity") {
        Some(item) => item.one_of(&["none", "even", "odd"]),
        None => Some("none"),
    };
    let parity = match parity {
        Some("even") => Some(Parity::Even),
        Some("odd") => Some(Parity::Odd),
        Some(_) => Some(Parity::None),
        None => None,
    };
    let stop_bits = match table.opt("stop_bits") {
        Some(item) => item.int(1..=2),
        None => Some(1),
    };
    table.finish();
    Some(Link::Rtu {
        path: path?,
        baud: u32::try_from(baud?).ok()?,
        parity: parity?,
        stop_bits: u8::try_from(stop_bits?).ok()?,
    })
}

fn tcp_link(table: &Table<'_>) -> Option<Link> {
    let host = table.req("host").and_then(|item| word::text(&item));
    let port = match table.opt("port") {
        Some(item) => item.int(1..=65_535),
        None => Some(502),
    };
    table.finish();
    Some(Link::Tcp {
        host: host?,
        port: u16::try_from(port?).ok()?,
    })
}

fn duration_ms(item: &Item<'_>, least: u64, most: u64) -> Option<u64> {
    let duration = item.duration_ms()?;
    if !(least..=most).contains(&duration) {
        item.problem(format!(
            "{}, expected from {} to {}",
            shown(duration),
            shown(least),
            shown(most)
        ));
        return None;
    }
    Some(duration)
}

/// A duration as people write it.
fn shown(duration_ms: u64) -> String {
    match duration_ms {
        0 => "0ms".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}min", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// What a slave's points have unless they say otherwise.
struct Defaults {
    unit: Option<String>,
    tag: Option<String>,
    description: Option<String>,
    attributes: Option<Vec<(String, String)>>,
    position: Option<Position>,
    period_ms: Option<u64>,
    fastest_ms: Option<u64>,
    max_age_ms: Option<u64>,
}

/// The slave whose points are read.
struct Device<'a> {
    profile: &'a Profile,
    slave_idx: usize,
    defaults: &'a Defaults,
}

fn add_slave(bus: &mut Bus, entry: &Table<'_>, profiles: &Profiles<'_>) {
    let name = entry.req("name").and_then(|item| {
        let name = word::segment(&item)?;
        if bus.slaves.iter().any(|slave| slave.name == name) {
            item.problem(format!(
                "a second slave `{name}`, expected each name once on a bus"
            ));
        }
        Some(name)
    });
    let (least, most) = match bus.link {
        Link::Rtu { .. } => (1, 247),
        Link::Tcp { .. } => (0, 255),
    };
    let unit_id = entry.req("unit_id").and_then(|item| {
        let unit_id = u8::try_from(item.int(least..=most)?).ok()?;
        if let Some(other) = bus.slaves.iter().find(|slave| slave.unit_id == unit_id) {
            item.problem(format!(
                "{unit_id} is the address of `{}` too, expected each address once on a bus",
                other.name
            ));
        }
        Some(unit_id)
    });
    let profile = entry
        .req("profile")
        .and_then(|item| profiles.profile(&item));
    let defaults = Defaults {
        unit: entry.opt("unit").and_then(|item| word::segment(&item)),
        tag: entry.opt("tag").and_then(|item| word::text(&item)),
        description: entry.opt("description").and_then(|item| word::text(&item)),
        attributes: word::attributes(entry),
        position: word::position(entry),
        period_ms: entry
            .req("period")
            .and_then(|item| duration_ms(&item, PERIOD_MS.0, PERIOD_MS.1)),
        fastest_ms: fastest_ms(entry),
        max_age_ms: max_age_ms(entry),
    };
    let named = entry.opt("points").and_then(|item| item.table());
    let (Some(name), Some(unit_id), Some(profile)) = (name, unit_id, profile) else {
        return;
    };
    if let Some(named) = &named {
        let known: Vec<&str> = profile.signals.iter().map(|it| it.name.as_str()).collect();
        for (key, item) in named.entries() {
            word::index_of(&item, key, "point of the profile", &known);
        }
    }
    let slave_idx = bus.slaves.len();
    let n_usual = profile.signals.iter().filter(|it| !it.optional).count();
    for signal in &profile.signals {
        let item = named.as_ref().and_then(|table| table.opt(&signal.name));
        let wanted = match &item {
            None => !signal.optional,
            // `false` leaves a point out, `true` takes one in that is optional.
            Some(item) if item.is_bool() => item.bool().unwrap_or(false),
            Some(_) => true,
        };
        if !wanted {
            continue;
        }
        let default_name = if !signal.optional && n_usual == 1 {
            name.clone()
        } else {
            format!("{name}.{}", signal.name)
        };
        let item = item.filter(|item| !item.is_bool());
        let device = Device {
            profile: &profile,
            slave_idx,
            defaults: &defaults,
        };
        if let Some(point) = point(entry, item, signal, default_name, &device) {
            check_unique(bus, entry, &point);
            check_alone(bus, entry, &point);
            bus.points.push(point);
        }
    }
    bus.slaves.push(Slave {
        name,
        unit_id,
        profile,
    });
}

fn fastest_ms(table: &Table<'_>) -> Option<u64> {
    table
        .opt("fastest")
        .and_then(|item| duration_ms(&item, PERIOD_MS.0, PERIOD_MS.1))
}

fn max_age_ms(table: &Table<'_>) -> Option<u64> {
    table
        .opt("max_age")
        .and_then(|item| duration_ms(&item, 10, 7 * 24 * 3_600_000))
}

fn check_unique(bus: &Bus, entry: &Table<'_>, point: &Point) {
    let twice = bus
        .points
        .iter()
        .any(|known| known.unit == point.unit && known.point == point.point);
    if twice {
        entry.problem(format!(
            "a second point `{}/{}`, expected each point once",
            point.unit, point.point
        ));
    }
}

/// Two outputs in one register would switch each other.
fn check_alone(bus: &Bus, entry: &Table<'_>, point: &Point) {
    let register = |point: &Point| (point.slave, point.signal.register);
    let other = bus.points.iter().find(|known| {
        known.fail_safe.is_some() && point.fail_safe.is_some() && register(known) == register(point)
    });
    if let Some(other) = other {
        entry.problem(format!(
            "the outputs `{}` and `{}` are one register, expected one output for each",
            other.point, point.point
        ));
    }
}

/// A signal of a slave as a point; `item` is what the bus file says of it: its name, or a table.
fn point(
    slave: &Table<'_>,
    item: Option<Item<'_>>,
    signal: &Signal,
    default_name: String,
    device: &Device<'_>,
) -> Option<Point> {
    let Device {
        profile,
        slave_idx,
        defaults,
    } = *device;
    let written_name = match &item {
        Some(item) if item.is_str() => Some(word::segment(item)?),
        _ => None,
    };
    let table = item
        .as_ref()
        .filter(|item| !item.is_str())
        .and_then(Item::table);
    if item.is_some() && written_name.is_none() && table.is_none() {
        return None;
    }
    let declared = item.as_ref().map_or_else(|| slave.place(), Item::place);
    let own = |key: &str| table.as_ref().and_then(|table| table.opt(key));
    let point = own("point").map(|item| word::segment(&item));
    let unit = own("unit").map(|item| word::segment(&item));
    let kind = own("kind").map(|item| word::segment(&item));
    let name = own("name").map(|item| word::text(&item));
    let tag = own("tag").map(|item| word::text(&item));
    let description = own("description").map(|item| word::text(&item));
    let attributes = table.as_ref().and_then(word::attributes);
    let period = own("period").map(|item| duration_ms(&item, PERIOD_MS.0, PERIOD_MS.1));
    let fastest = table.as_ref().and_then(fastest_ms);
    let max_age = table.as_ref().and_then(max_age_ms);
    let position = table.as_ref().and_then(word::position);
    let fail_safe = own("fail_safe").map(|item| {
        let word = fail_safe(&item)?;
        check_writable(&item, signal, profile).then_some(word)
    });
    let mut signal = signal.clone();
    let adjusted = adjust(slave, table.as_ref(), &mut signal);
    if let Some(table) = &table {
        table.finish();
    }
    adjusted?;
    if unit.is_none() && defaults.unit.is_none() && slave.opt("unit").is_none() {
        slave.problem("no `unit`, expected the plant unit that its points belong to");
    }
    let unit = unit.unwrap_or_else(|| defaults.unit.clone())?;
    let period_ms = period.unwrap_or(defaults.period_ms)?;
    if let Some(kind) = kind {
        signal.kind = kind?;
    }
    if signal.kind.is_empty() {
        slave.problem(format!(
            "nothing says what `{}` measures, expected its kind: `points.{} = {{ kind = \"hydrogen-sulfide\" }}`",
            signal.name, signal.name
        ));
    }
    Some(Point {
        unit,
        point: point.unwrap_or_else(|| Some(written_name.unwrap_or(default_name)))?,
        kind: signal.kind.clone(),
        eu: signal.eu.clone(),
        name: name.flatten(),
        tag: tag.flatten().or_else(|| defaults.tag.clone()),
        description: description
            .flatten()
            .or_else(|| defaults.description.clone())
            .or_else(|| signal.description.clone()),
        attributes: attributes
            .or_else(|| defaults.attributes.clone())
            .unwrap_or_default(),
        range: signal.range,
        position: position.or_else(|| defaults.position.clone()),
        period_ms,
        fastest_ms: fastest
            .or(defaults.fastest_ms)
            .filter(|fastest| *fastest < period_ms),
        max_age_ms: max_age.or(defaults.max_age_ms).unwrap_or(3 * period_ms),
        digital: signal.digital,
        fail_safe: fail_safe.flatten(),
        slave: slave_idx,
        declared: alloc::format!("{declared}"),
        signal,
    })
}

fn fail_safe(item: &Item<'_>) -> Option<FailSafe> {
    Some(match item.one_of(&["on", "off", "hold"])? {
        "on" => FailSafe::On,
        "off" => FailSafe::Off,
        _ => FailSafe::Hold,
    })
}

/// An output is a coil, or a whole holding register: one bit of a register can't be written without its neighbours.
fn check_writable(item: &Item<'_>, signal: &Signal, profile: &Profile) -> bool {
    let Some(register) = profile.registers.get(signal.register) else {
        return false;
    };
    let wrong = match register.function {
        Function::Coils => None,
        Function::DiscreteInputs | Function::InputRegisters => Some(format!(
            "the table `{}` can't be written",
            register.function.word()
        )),
        Function::HoldingRegisters if register.bits.is_some() => {
            Some("a bit of a register can't be written alone".to_owned())
        }
        Function::HoldingRegisters if register.count() > 1 => {
            Some("several registers can't be written at once".to_owned())
        }
        Function::HoldingRegisters if !signal.digital => {
            Some("the profile does not say `digital = true` of it".to_owned())
        }
        Function::HoldingRegisters => None,
    };
    if let Some(wrong) = &wrong {
        item.problem(format!(
            "{wrong}, expected an output that is a coil, or a whole holding register that is on or off"
        ));
    }
    wrong.is_none()
}

/// What an installation may change of its device's signal: scale, offset, range, and the unit where the device says it itself or nobody does.
fn adjust(slave: &Table<'_>, table: Option<&Table<'_>>, signal: &mut Signal) -> Option<()> {
    let own = |key: &str| table.and_then(|table| table.opt(key));
    if signal.digital {
        for key in ["scale", "offset", "range", "eu"] {
            if let Some(item) = own(key) {
                item.problem(format!(
                    "a digital point has no `{key}`: its value is true or false"
                ));
            }
        }
        return Some(());
    }
    if let Some(item) = own("scale") {
        if matches!(signal.scale, Scale::From(_)) {
            item.problem("the device says its scale itself");
        }
        signal.scale = Scale::By(signal::factor(&item)?);
    }
    if let Some(item) = own("offset") {
        signal.offset = item.f64()?;
    }
    let range = own("range");
    if let Some(item) = &range {
        signal.range = Some(word::range(item)?);
    }
    if let Some(item) = own("eu") {
        let eu = word::text(&item)?;
        let differs = signal.eu.as_ref().is_some_and(|known| *known != eu);
        match (&signal.unit_from, &signal.eu) {
            (Some(from), _) => signal::check_unit(&item, from, &eu),
            (None, Some(known)) if differs => {
                item.problem(format!(
                    "the profile says `{known}`, expected no other unit"
                ));
            }
            (None, _) => {}
        }
        if differs && signal.range.is_some() && range.is_none() {
            item.problem(format!("expected a `range` in `{eu}` too"));
        }
        signal.eu = Some(eu);
    }
    if signal.unit_from.is_some() && signal.eu.is_none() {
        slave.problem(format!(
            "the device says the unit of `{}` itself, expected the one that is wanted: `points.{} = {{ eu = \"ppm\" }}`",
            signal.name, signal.name
        ));
    }
    Some(())
}

/// Refuses periods that can't be kept on the line; `when` says of which time this is told.
fn check_time(bus: &Bus, when: &str, root: &Table<'_>, slaves: &[&Table<'_>]) {
    let plan = Plan::new(bus);
    let line = match &bus.link {
        Link::Rtu { baud, .. } => format!(
            "at {baud} baud with {} turnaround",
            shown(bus.turnaround_ms)
        ),
        Link::Tcp { .. } => format!("with a round trip of {}", shown(bus.turnaround_ms)),
    };
    let mut kept = true;
    for (idx, group) in plan.groups.iter().enumerate() {
        let takes_us = sweep::group_us(bus, &plan, idx);
        if takes_us <= group.period_ms.saturating_mul(1_000) {
            continue;
        }
        kept = false;
        let text = format!(
            "{when}every {} can't be kept: its {} take {} ms {line}",
            shown(group.period_ms),
            requests(group.requests.len()),
            takes_us.div_ceil(1_000)
        );
        match slaves.get(group.slave) {
            Some(slave) => slave.problem(text),
            None => root.problem(text),
        }
    }
    let load = sweep::load_percent(bus, &plan);
    if kept && load > 100 {
        root.problem(format!(
            "{when}the periods can't be kept: they ask for {load} % of the line's time ({}, one sweep over everything takes {} ms {line}), expected at most 100 %",
            requests(plan.requests.len()),
            sweep::time_ms(bus, &plan)
        ));
    }
}

fn requests(n: usize) -> String {
    match n {
        1 => "1 request".to_owned(),
        n => format!("{n} requests"),
    }
}
