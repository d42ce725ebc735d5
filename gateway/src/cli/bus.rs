//! `fengsui bus read`: one sweep over a bus, now, with what came over the wire.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use devices::{Bus, Image, Link, Plan, Register, Reply, load_bus_file};
use front::Problems;
use host::Clock;
use host::line::{Line, Outcome};
use serde::Serialize;
use telemetry::{Quality, Value};

use super::{Exit, check, print_problems, table};

/// Arguments of `fengsui bus read`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bus file.
    bus: PathBuf,
    /// Show the registers as they came.
    #[arg(long)]
    raw: bool,
    /// Print one JSON object a point.
    #[arg(long)]
    json: bool,
}

/// What was read of a point.
#[derive(Debug, Serialize)]
struct Reading {
    unit: String,
    point: String,
    slave: String,
    unit_id: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eu: Option<String>,
    quality: &'static str,
    q: u16,
    raw: Vec<Raw>,
    /// From the question to the whole answer of the last request that the point needs.
    took_ms: u64,
}

/// A register as it came.
#[derive(Debug, Serialize)]
struct Raw {
    register: String,
    table: &'static str,
    address: u16,
    /// The contents in hexadecimal, in the order that the profile says; none when nothing came.
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

/// Reads a bus once: 0 when every slave has answered, 1 when some have, 3 when none has.
pub(super) fn read(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    let problems = Problems::default();
    let Some(bus) = load_bus_file(&args.bus, &problems) else {
        print_problems(&problems, err)?;
        return Ok(Exit::BadInput);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut sweep = Sweep::new(&bus);
    runtime.block_on(sweep.run(err))?;
    let readings = sweep.readings;
    if args.json {
        for reading in &readings {
            serde_json::to_writer(&mut *out, reading)?;
            writeln!(out)?;
        }
    } else {
        print(&bus, &readings, args.raw, out)?;
    }
    Ok(match (sweep.answered, sweep.failed) {
        (_, 0) => Exit::Done,
        (0, _) => Exit::Unreachable,
        (_, _) => Exit::No,
    })
}

fn print(bus: &Bus, readings: &[Reading], raw: bool, out: &mut dyn Write) -> io::Result<()> {
    let port = match &bus.link {
        Link::Rtu { path, .. } => format!(" {path}"),
        Link::Tcp { .. } => String::new(),
    };
    writeln!(out, "{}: {}{port}", bus.name, check::link(&bus.link))?;
    let rows: Vec<Vec<String>> = readings
        .iter()
        .map(|reading| {
            let mut row = vec![
                format!("{} {}", reading.unit_id, reading.slave),
                format!("{}/{}", reading.unit, reading.point),
                reading
                    .value
                    .map_or_else(|| "–".to_owned(), |it| it.to_string()),
                reading.eu.clone().unwrap_or_default(),
                reading.quality.to_owned(),
                format!("{} ms", reading.took_ms),
            ];
            if raw {
                let raw: Vec<String> = reading.raw.iter().map(shown).collect();
                row.push(raw.join("  "));
            }
            row
        })
        .collect();
    let mut head = vec!["slave", "point", "value", "unit", "quality", "took"];
    if raw {
        head.push("registers");
    }
    table::print(out, &head, &rows)
}

fn shown(raw: &Raw) -> String {
    format!(
        "{} {}={}",
        raw.table,
        raw.address,
        raw.hex.as_deref().unwrap_or("–")
    )
}

/// One pass over all groups of a bus.
struct Sweep<'a> {
    bus: &'a Bus,
    plan: Plan,
    image: Image,
    readings: Vec<Reading>,
    /// Slaves that answered anything, and slaves that left anything unanswered.
    answered: usize,
    failed: usize,
    /// Why there is no line, once it was told.
    why_down: Option<String>,
}

impl<'a> Sweep<'a> {
    fn new(bus: &'a Bus) -> Self {
        let plan = Plan::new(bus);
        let image = plan.image();
        Self {
            bus,
            plan,
            image,
            readings: Vec::new(),
            answered: 0,
            failed: 0,
            why_down: None,
        }
    }

    async fn run(&mut self, err: &mut dyn Write) -> io::Result<()> {
        let clock = Clock::start();
        let mut line = Line::new(self.bus.link.clone(), clock);
        for slave in 0..self.bus.slaves.len() {
            let mut answered = true;
            for idx in 0..self.plan.requests.len() {
                if self.plan.requests[idx].slave != slave {
                    continue;
                }
                let begun = clock.mono();
                let outcome = line.transact(&self.request(idx)).await;
                let took_ms = clock.mono() - begun;
                answered &= matches!(outcome, Outcome::Words(_) | Outcome::Bits(_));
                if matches!(outcome, Outcome::LineDown) {
                    let why = line.why_down().unwrap_or("no reason given");
                    self.tell_line_down(why, err)?;
                }
                self.take(idx, &outcome, took_ms, err)?;
                if matches!(outcome, Outcome::Silent | Outcome::Garbled) {
                    // A late answer of the same shape would be taken for the next one.
                    line.drain(Duration::from_millis(self.bus.lateness_ms))
                        .await;
                }
            }
            if answered {
                self.answered += 1;
            } else {
                self.failed += 1;
            }
        }
        self.readings
            .sort_by_key(|reading| (reading.unit_id, reading.unit.clone(), reading.point.clone()));
        Ok(())
    }

    fn request(&self, idx: usize) -> node::Request {
        let request = &self.plan.requests[idx];
        node::Request {
            token: 0,
            slave: request.unit_id,
            function: request.function,
            address: request.address,
            count: request.count,
            write: None,
            timeout_ms: u32::try_from(self.bus.timeout_ms).unwrap_or(u32::MAX),
        }
    }

    fn take(
        &mut self,
        idx: usize,
        outcome: &Outcome,
        took_ms: u64,
        err: &mut dyn Write,
    ) -> io::Result<()> {
        let reply = match outcome {
            Outcome::Words(words) => Reply::Words(words),
            Outcome::Bits(bits) => Reply::Bits(bits),
            Outcome::Exception(1..=3) => Reply::Failed(Quality::CONFIGURATION),
            Outcome::Exception(4) => Reply::Failed(Quality::DEVICE_FAILURE),
            Outcome::Exception(_) | Outcome::Silent | Outcome::Garbled | Outcome::LineDown => {
                Reply::Failed(Quality::COMM_ERROR)
            }
        };
        if matches!(reply, Reply::Failed(_)) {
            self.tell_failure(idx, outcome, err)?;
        }
        let (bus, plan) = (self.bus, &self.plan);
        let mut told = Vec::new();
        plan.decode(
            bus,
            &mut self.image,
            idx,
            reply,
            &mut |point, value, quality| {
                told.push((point, value, quality));
            },
        );
        for (point, value, quality) in told {
            let reading = self.reading(point, value, quality, took_ms);
            self.readings.push(reading);
        }
        Ok(())
    }

    /// Says why the line can't be opened: the reason is the bus's, not a slave's, and is told once.
    fn tell_line_down(&mut self, why: &str, err: &mut dyn Write) -> io::Result<()> {
        if self.why_down.as_deref() == Some(why) {
            return Ok(());
        }
        self.why_down = Some(why.to_owned());
        writeln!(err, "{}: {}: {why}", self.bus.name, self.bus.link)
    }

    fn tell_failure(&self, idx: usize, outcome: &Outcome, err: &mut dyn Write) -> io::Result<()> {
        let request = &self.plan.requests[idx];
        let name = self
            .bus
            .slaves
            .get(request.slave)
            .map_or("", |slave| slave.name.as_str());
        let what = match outcome {
            Outcome::Exception(code) => format!("refuses with {}", exception(*code)),
            Outcome::Silent => format!("does not answer within {} ms", self.bus.timeout_ms),
            Outcome::Garbled => "sends something that is no answer".to_owned(),
            // Told once for the whole bus.
            Outcome::LineDown | Outcome::Words(_) | Outcome::Bits(_) => return Ok(()),
        };
        writeln!(
            err,
            "slave {} {name}: {what} ({} {} to {})",
            request.unit_id,
            request.function.word(),
            request.address,
            u32::from(request.address) + u32::from(request.count) - 1
        )
    }

    fn reading(
        &self,
        point_idx: usize,
        value: Option<Value>,
        quality: Quality,
        took_ms: u64,
    ) -> Reading {
        let point = &self.bus.points[point_idx];
        let slave = &self.bus.slaves[point.slave];
        let raw = self
            .plan
            .raw(&self.image, point_idx)
            .filter_map(|(idx, raw)| Some(raw_of(slave.registers().get(idx)?, raw.ok())))
            .collect();
        Reading {
            unit: point.unit.clone(),
            point: point.point.clone(),
            slave: slave.name.clone(),
            unit_id: slave.unit_id,
            value: value.map(Value::as_f64),
            eu: point.eu.clone(),
            quality: quality.word(),
            q: quality.0,
            raw,
            took_ms,
        }
    }
}

fn raw_of(register: &Register, raw: Option<u64>) -> Raw {
    let digits = match register.bits {
        Some(bits) => usize::from((bits.last - bits.first) / 4 + 1),
        None => usize::from(register.data_type.width().div_ceil(4)),
    };
    Raw {
        register: register.name.clone(),
        table: register.function.word(),
        address: register.address,
        hex: raw.map(|raw| format!("0x{raw:0digits$X}")),
    }
}

/// A Modbus exception as the specification calls it (Modbus application protocol V1.1b3 §7).
fn exception(code: u8) -> String {
    let name = match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "server device failure",
        5 => "acknowledge",
        6 => "server device busy",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway target device failed to respond",
        _ => "an unknown reason",
    };
    format!("exception {code}, {name}")
}
