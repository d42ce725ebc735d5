//! Reads scenario files.

use std::collections::BTreeMap;

use front::{Item, Problems, Source, Table};

use crate::course::{Course, Encoding, Keyframe, Noise, Order};
use crate::fault::{Fault, FaultWindow};
use crate::noise::splitmix64;
use crate::scenario::{Register, Scenario, Slave, Space};

/// Reads a scenario; `None` when this or an earlier file had problems.
pub(crate) fn load(source: &Source, problems: &Problems) -> Option<Scenario> {
    let before = problems.len();
    let document = source.parse(problems);
    let root = document.root();
    let seed = root
        .opt("seed")
        .and_then(|item| item.int(0..=i64::MAX))
        .and_then(|seed| u64::try_from(seed).ok())
        .unwrap_or(0);
    let mut slaves: Vec<Slave> = Vec::new();
    for table in tables(root.req("slave")) {
        if let Some(slave) = slave(&table, seed) {
            if slaves.iter().any(|other| other.unit == slave.unit) {
                table.problem(format!("unit {} is there twice", slave.unit));
            }
            slaves.push(slave);
        }
    }
    let faults = faults(&root);
    root.finish();
    drop(root);
    (problems.len() == before).then_some(Scenario { slaves, faults })
}

fn tables(item: Option<Item<'_>>) -> Vec<Table<'_>> {
    item.map(|item| item.tables()).unwrap_or_default()
}

fn slave(table: &Table<'_>, seed: u64) -> Option<Slave> {
    let unit = table.req("unit").and_then(|item| item.int(1..=247));
    let turnaround_ms = table
        .opt("turnaround")
        .and_then(|item| item.duration_ms())
        .unwrap_or(0);
    let unit = unit.and_then(|unit| u8::try_from(unit).ok());
    let mut registers: Vec<Register> = Vec::new();
    let mut taken: BTreeMap<(Space, u16), String> = BTreeMap::new();
    for register_table in tables(table.req("register")) {
        let row_seed = splitmix64(seed ^ splitmix64(u64::from(unit.unwrap_or(0)) << 32));
        let Some(register) = register(&register_table, row_seed) else {
            continue;
        };
        claim(&register_table, &register, &mut taken);
        registers.push(register);
    }
    let faults = faults(table);
    table.finish();
    Some(Slave {
        unit: unit?,
        turnaround_ms,
        registers,
        faults,
    })
}

/// Each address shows one thing.
fn claim(table: &Table<'_>, register: &Register, taken: &mut BTreeMap<(Space, u16), String>) {
    for offset in 0..register.course.width() {
        let address = u16::try_from(offset)
            .ok()
            .and_then(|offset| register.address.checked_add(offset));
        let Some(address) = address else {
            table.problem("goes past address 65535");
            return;
        };
        let path = table.path().to_owned();
        if let Some(other) = taken.insert((register.space, address), path) {
            table.problem(format!("address {address} is also in {other}"));
            return;
        }
    }
}

fn space(table: &Table<'_>) -> Option<Space> {
    let word = table
        .req("space")?
        .one_of(&["coil", "discrete", "holding", "input"])?;
    Some(match word {
        "coil" => Space::Coil,
        "discrete" => Space::Discrete,
        "holding" => Space::Holding,
        _ => Space::Input,
    })
}

fn word(item: &Item<'_>) -> Option<u16> {
    item.int(0..=65_535)
        .and_then(|word| u16::try_from(word).ok())
}

fn words(item: &Item<'_>) -> Vec<u16> {
    let items = item.items();
    if items.is_empty() && item.is_array() {
        item.problem("no words, expected at least one");
    }
    items.iter().filter_map(word).collect()
}

fn register(table: &Table<'_>, row_seed: u64) -> Option<Register> {
    let space = space(table);
    let address = table.req("address").and_then(|item| word(&item));
    let course = if let Some(item) = table.opt("words") {
        Some(Course::Words(words(&item)))
    } else {
        let address = u64::from(address.unwrap_or(0));
        number(table, space?, splitmix64(row_seed ^ address))
    };
    table.finish();
    Some(Register {
        space: space?,
        address: address?,
        course: course?,
    })
}

fn number(table: &Table<'_>, space: Space, seed: u64) -> Option<Course> {
    let is_bit = matches!(space, Space::Coil | Space::Discrete);
    let encoding = match table.opt("type") {
        None if is_bit => Encoding::Bit,
        None => Encoding::U16,
        Some(item) if is_bit => {
            item.problem("a bit has no type");
            return None;
        }
        Some(item) => match item.one_of(&["u16", "i16", "u32", "i32", "f32", "f64"])? {
            "i16" => Encoding::I16,
            "u32" => Encoding::U32,
            "i32" => Encoding::I32,
            "f32" => Encoding::F32,
            "f64" => Encoding::F64,
            _ => Encoding::U16,
        },
    };
    let order = table
        .opt("order")
        .and_then(|item| item.one_of(&["abcd", "cdab", "badc", "dcba"]))
        .map_or(Order::Abcd, |order| match order {
            "cdab" => Order::Cdab,
            "badc" => Order::Badc,
            "dcba" => Order::Dcba,
            _ => Order::Abcd,
        });
    let scale = match table.opt("scale") {
        None => 1.0,
        Some(item) => {
            let scale = item.f64()?;
            if scale <= 0.0 {
                item.problem(format!("{scale}, expected more than 0"));
            }
            scale
        }
    };
    let noise = noise(table, seed);
    let keyframes = match table.opt("values") {
        Some(item) => keyframes(&item, is_bit),
        None => vec![Keyframe {
            at_ms: 0,
            value: value(&table.req("value")?, is_bit)?,
            ramp: false,
        }],
    };
    Some(Course::Number {
        encoding,
        order,
        scale,
        keyframes,
        noise,
    })
}

/// A number; true or false for a bit.
fn value(item: &Item<'_>, is_bit: bool) -> Option<f64> {
    if is_bit {
        item.bool().map(|bit| f64::from(u8::from(bit)))
    } else {
        item.f64()
    }
}

fn noise(table: &Table<'_>, seed: u64) -> Option<Noise> {
    let amplitude = table.opt("noise").and_then(|item| item.f64());
    let every = table.opt("noise_every");
    if let (None, Some(every)) = (amplitude, &every) {
        every.problem("there is no `noise` that it could belong to");
    }
    Some(Noise {
        amplitude: amplitude?,
        every_ms: every
            .and_then(|item| item.duration_ms())
            .unwrap_or(1_000)
            .max(1),
        seed,
    })
}

fn keyframes(item: &Item<'_>, is_bit: bool) -> Vec<Keyframe> {
    let mut frames: Vec<Keyframe> = Vec::new();
    for table in item.tables() {
        let at = table.req("at");
        let at_ms = at.as_ref().and_then(Item::duration_ms);
        let value = table.req("value").and_then(|item| value(&item, is_bit));
        let by = table
            .opt("by")
            .and_then(|item| item.one_of(&["step", "ramp"]));
        table.finish();
        let (Some(at), Some(at_ms), Some(value)) = (at, at_ms, value) else {
            continue;
        };
        if frames.last().is_some_and(|last| last.at_ms >= at_ms) {
            at.problem("not after the one before");
        }
        frames.push(Keyframe {
            at_ms,
            value,
            ramp: by == Some("ramp"),
        });
    }
    if item.is_array() && item.items().is_empty() {
        item.problem("no values, expected at least one");
    }
    frames
}

fn faults(table: &Table<'_>) -> Vec<FaultWindow> {
    let tables = tables(table.opt("fault"));
    tables.iter().filter_map(fault_window).collect()
}

fn fault_window(table: &Table<'_>) -> Option<FaultWindow> {
    let fault = fault(table);
    let from_ms = table
        .opt("from")
        .and_then(|item| item.duration_ms())
        .unwrap_or(0);
    let to = table.opt("to");
    let to_ms = to.as_ref().and_then(Item::duration_ms).unwrap_or(u64::MAX);
    if let Some(to) = to
        && to_ms <= from_ms
    {
        to.problem("not after `from`");
    }
    let limit = table
        .opt("limit")
        .and_then(|item| item.int(1..=i64::from(u32::MAX)))
        .and_then(|limit| u64::try_from(limit).ok());
    table.finish();
    Some(FaultWindow {
        fault: fault?,
        from_ms,
        to_ms,
        limit,
    })
}

fn fault(table: &Table<'_>) -> Option<Fault> {
    let word = table.req("fault")?.one_of(&[
        "silence",
        "late",
        "wrong-unit",
        "exception",
        "bad-crc",
        "short-reply",
        "garbage",
        "leading-noise",
        "foreign",
        "stuck",
        "broken-wire",
        "cut",
    ])?;
    let byte = |key: &str| {
        let number = table.req(key)?.int(1..=255)?;
        u8::try_from(number).ok()
    };
    let bytes = || match table.opt("bytes") {
        None => Some(12),
        Some(item) => usize::try_from(item.int(1..=256)?).ok(),
    };
    Some(match word {
        "silence" => Fault::Silence,
        "late" => Fault::Late {
            ms: table.req("by")?.duration_ms()?,
        },
        "wrong-unit" => Fault::WrongUnit {
            unit: byte("unit")?,
        },
        "exception" => Fault::Exception {
            code: byte("code")?,
        },
        "bad-crc" => Fault::BadCrc,
        "short-reply" => Fault::ShortReply,
        "garbage" => Fault::Garbage { bytes: bytes()? },
        "leading-noise" => Fault::LeadingNoise { bytes: bytes()? },
        "foreign" => Fault::Foreign,
        "stuck" => Fault::Stuck,
        "cut" => Fault::Cut,
        _ => {
            let (space, address, words) = (
                space(table),
                table.req("address").and_then(|item| self::word(&item)),
                table.req("words").map(|item| words(&item)),
            );
            Fault::BrokenWire {
                space: space?,
                address: address?,
                words: words?,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_reads_as_it_is_written() {
        let scenario: Scenario = r#"
            seed = 7
            [[slave]]
            unit = 3
            turnaround = "12ms"
            [[slave.register]]
            space = "holding"
            address = 10
            type = "f32"
            order = "cdab"
            values = [{ at = "0s", value = 1 }, { at = "5s", value = 20.9, by = "ramp" }]
            noise = 0.1
            noise_every = "250ms"
            [[slave.register]]
            space = "coil"
            address = 0
            value = true
            [[slave.fault]]
            fault = "late"
            by = "300ms"
            from = "10s"
            to = "20s"
            limit = 2
            [[fault]]
            fault = "cut"
            from = "1min"
        "#
        .parse()
        .expect("a scenario");
        let slave = &scenario.slaves[0];
        assert_eq!((slave.unit, slave.turnaround_ms), (3, 12));
        let Course::Number {
            encoding,
            order,
            keyframes,
            noise: Some(noise),
            ..
        } = &slave.registers[0].course
        else {
            panic!("{:?}", slave.registers[0]);
        };
        assert_eq!((*encoding, *order), (Encoding::F32, Order::Cdab));
        assert!(keyframes[1].ramp && keyframes[1].at_ms == 5_000);
        assert_eq!(noise.every_ms, 250);
        assert_eq!(slave.registers[1].course.words(0), [1]);
        let late = FaultWindow {
            fault: Fault::Late { ms: 300 },
            from_ms: 10_000,
            to_ms: 20_000,
            limit: Some(2),
        };
        assert_eq!(slave.faults, [late]);
        assert_eq!(scenario.faults, [FaultWindow::from(Fault::Cut, 60_000)]);
    }

    #[test]
    fn all_problems_of_a_scenario_are_told_at_once() {
        let problems = "[[slave]]
unit = 300
register = [
  { space = \"holding\", address = 0, type = \"f32\", value = 1 },
  { space = \"holding\", address = 1, value = 1 },
  { space = \"coil\", address = 0, value = 1 },
  { space = \"input\", address = 65535, words = [1, 2] },
  { space = \"input\", address = 1, values = [{ at = \"2s\", value = 1 }, { at = \"1s\", value = 2 }] },
  { space = \"input\", address = 2, value = 1, noise_every = \"1s\" },
]
fault = [{ fault = \"silense\" }, { fault = \"late\" }, { fault = \"cut\", from = \"2s\", to = \"1s\" }]
"
        .parse::<Scenario>()
        .expect_err("it is wrong");
        let wanted = "\
scenario:2:8: slave[0].unit: 300, expected a whole number from 1 to 247
scenario:5:3: slave[0].register[1]: address 1 is also in slave[0].register[0]
scenario:6:42: slave[0].register[2].value: a number, expected true or false
scenario:7:3: slave[0].register[3]: goes past address 65535
scenario:8:78: slave[0].register[4].values[1].at: not after the one before
scenario:9:60: slave[0].register[5].noise_every: there is no `noise` that it could belong to
scenario:11:20: slave[0].fault[0].fault: `silense` is not known, expected one of `silence`, `late`, `wrong-unit`, `exception`, `bad-crc`, `short-reply`, `garbage`, `leading-noise`, `foreign`, `stuck`, `broken-wire`, `cut`, did you mean `silence`?
scenario:11:33: slave[0].fault[1].by: missing, expected a value
scenario:11:88: slave[0].fault[2].to: not after `from`";
        assert_eq!(problems, wanted);
    }
}
