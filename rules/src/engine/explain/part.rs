//! The parts of a rule, made again from its flat code: each with the words of the language and its answer now.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use telemetry::{Quality, UtcMs};

use crate::alarm::Phase;
use crate::calendar::Calendar;
use crate::effect::AlarmIdx;
use crate::engine::doubt::doubters;
use crate::engine::kept::KeptSlot;
use crate::engine::state::{Seen, State};
use crate::eval::{Op, Stack};
use crate::expr::{Arith, Compare, Degrade, Health};
use crate::program::{BuiltTables, Colour, Entry, Kept, LooksAt, Program, Tables, Watched, at};
use crate::timer::NEVER;
use crate::value::{Number, Truth};

/// One part of a rule, and what it says now.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// As the language writes it; of `and`, `or`, `not`, votes and delays the word alone, since what they are made of follows.
    pub text: String,
    /// What it says.
    pub answer: Answer,
    /// Since when it says that, as far as it was watched ([`Sinces`](super::Sinces)); none when it always has.
    pub since: Option<UtcMs>,
    /// The last reading, where it is a point.
    pub reading: Option<Reading>,
    /// What is left of its delay in milliseconds, where one runs or stands still.
    pub left_ms: Option<u64>,
    /// What it is made of; of a comparison and a formula the points and windows in it.
    pub parts: Vec<Self>,
}

/// What a part says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// Of a condition.
    Truth(Truth),
    /// Of a formula; without a number when the trust is bad.
    Number(Number),
}

/// A point's last reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Its quality; none before the first one.
    pub quality: Option<Quality>,
    /// The source's time of it.
    pub at: Option<UtcMs>,
    /// It is too old.
    pub stale: bool,
    /// It is read in a test: to alarms that are not about it, it is unknown.
    pub test: bool,
    /// The alarms that make it uncertain.
    pub doubted_by: Vec<String>,
    /// The unit of its number.
    pub eu: Option<String>,
}

impl Part {
    fn new(text: impl Into<String>, answer: Answer, parts: Vec<Self>) -> Self {
        Self {
            text: text.into(),
            answer,
            since: None,
            reading: None,
            left_ms: None,
            parts,
        }
    }

    /// A limit that the alarm's number is held against, in its unit, on the way in or out.
    pub(super) fn limit(sign: &str, limit: f64, eu: Option<&str>, is_on: bool) -> Self {
        let out = if is_on { ", to stay on" } else { "" };
        let eu = eu.map_or_else(String::new, |eu| format!(" {eu}"));
        let text = format!("{sign} {limit}{eu}{out}");
        Self::new(text, Answer::Truth(Truth::UNKNOWN), Vec::new())
    }

    /// What the system says of itself.
    pub(super) fn told() -> Self {
        let answer = Answer::Truth(Truth::UNKNOWN);
        Self::new("the system says so", answer, Vec::new())
    }
}

/// A part while code is read: where its code begins, and what is worth telling when it is inside a formula.
struct Built {
    from: u32,
    part: Part,
    leaves: Vec<Part>,
    /// A formula that needs brackets inside another.
    is_compound: bool,
}

impl Built {
    fn leaf(from: u32, part: Part) -> Self {
        Self {
            from,
            leaves: vec![part.clone()],
            part,
            is_compound: false,
        }
    }

    fn text(&self) -> String {
        if self.is_compound {
            format!("({})", self.part.text)
        } else {
            self.part.text.clone()
        }
    }
}

/// Reads code beside the state that it reads.
pub(super) struct Reader<'a> {
    program: &'a Program,
    state: &'a State,
    /// What the alarm that is explained sees of it.
    seen: Seen<'a, BuiltTables>,
    now: UtcMs,
    stack: Box<Stack>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        program: &'a Program,
        state: &'a State,
        seen: Seen<'a, BuiltTables>,
        now: UtcMs,
    ) -> Self {
        Self {
            program,
            state,
            seen,
            now,
            stack: Box::default(),
        }
    }

    /// A condition or a formula.
    pub(super) fn entry(&mut self, entry: Entry) -> Part {
        let mut numbers: Vec<Built> = Vec::new();
        let mut truths: Vec<Built> = Vec::new();
        let mut tallies: Vec<(u32, Vec<Part>)> = Vec::new();
        for index in entry.from..entry.to {
            let op = self.program.tables.ops[at(index)];
            let to = index + 1;
            match op {
                Op::Const(value) => {
                    let answer = Answer::Number(Number::good(value));
                    numbers.push(Built {
                        from: index,
                        part: Part::new(value.to_string(), answer, Vec::new()),
                        leaves: Vec::new(),
                        is_compound: false,
                    });
                }
                Op::Point(point) => numbers.push(Built::leaf(index, self.point(point))),
                Op::KeptNumber(kept) => numbers.push(Built::leaf(index, self.kept(kept))),
                Op::Neg => self.formula(&mut numbers, 1, to, |texts| format!("-{}", texts[0])),
                Op::Abs => self.formula(&mut numbers, 1, to, |texts| format!("abs({})", texts[0])),
                Op::Arith(arith) => {
                    self.formula(&mut numbers, 2, to, |texts| {
                        arith_text(arith, &texts[0], &texts[1])
                    });
                    if let (Some(last), false) =
                        (numbers.last_mut(), matches!(arith, Arith::Min | Arith::Max))
                    {
                        last.is_compound = true;
                    }
                }
                Op::Distance => self.formula(&mut numbers, 4, to, |texts| {
                    format!("distance({})", texts.join(", "))
                }),
                Op::Compare(compare) => {
                    let sides = numbers.split_off(numbers.len() - 2);
                    let from = sides[0].from;
                    let codes = [(from, sides[1].from), (sides[1].from, index)];
                    let units = codes.map(|(from, to)| self.eu(Entry { from, to }));
                    let text = |side: usize| {
                        let is_bare = sides[side].leaves.is_empty();
                        let eu = units[1 - side].filter(|_| is_bare);
                        let eu = eu.map_or_else(String::new, |eu| format!(" {eu}"));
                        format!("{}{eu}", sides[side].part.text)
                    };
                    let text = format!("{} {} {}", text(0), sign(compare), text(1));
                    let leaves = sides.into_iter().flat_map(|side| side.leaves).collect();
                    truths.push(self.condition(from, to, text, leaves));
                }
                Op::On(point) => {
                    let part = self.point(point);
                    let text = part.text.clone();
                    truths.push(self.condition(index, to, text, vec![part]));
                }
                Op::Health(health, point) => {
                    let part = self.point(point);
                    let text = format!("{}({})", health_word(health), part.text);
                    truths.push(self.condition(index, to, text, vec![part]));
                }
                Op::Alarm(alarm, severity) => {
                    let id = self.program.id_of(AlarmIdx(alarm));
                    let colour = Colour::of_severity(severity);
                    let text = if severity <= 1 {
                        format!("alarm {id} is active")
                    } else {
                        format!("alarm {id} is {} or graver", colour.word())
                    };
                    truths.push(self.condition(index, to, text, Vec::new()));
                }
                Op::KeptTruth(kept) => {
                    let part = self.kept(kept);
                    truths.push(Built::leaf(index, part));
                }
                Op::Same(least, points) => {
                    let points = &self.program.tables.same[at(points.from)..at(points.to)];
                    let parts = points.iter().map(|point| self.point(*point)).collect();
                    let text = format!("{least} or more read the same");
                    truths.push(self.condition(index, to, text, parts));
                }
                Op::Not => {
                    if let Some(of) = truths.pop() {
                        truths.push(self.condition(of.from, to, "not", vec![of.part]));
                    }
                }
                Op::And => self.join(&mut truths, "all of", to),
                Op::Or => self.join(&mut truths, "any of", to),
                Op::TallyBegin => tallies.push((index, Vec::new())),
                Op::Tally => {
                    if let (Some((_, members)), Some(member)) = (tallies.last_mut(), truths.pop()) {
                        members.push(member.part);
                    }
                }
                Op::AtLeast(k, degrade) => {
                    if let Some((from, members)) = tallies.pop() {
                        let n = members.len();
                        let text = format!("at least {k} of {n}{}", degrade_words(degrade));
                        truths.push(self.condition(from, to, text, members));
                    }
                }
            }
        }
        let last = truths.pop().or_else(|| numbers.pop());
        last.map_or_else(Part::told, |built| built.part)
    }

    /// The unit that a formula's number is in; none where its code does not tell: a conversion is a product like another.
    fn eu(&self, formula: Entry) -> Option<&'a str> {
        let tables = &self.program.tables;
        let of_point = |point: u32| self.program.points()[at(point)].eu.as_deref();
        let mut units: Vec<Option<&str>> = Vec::new();
        for op in &tables.ops[formula.range()] {
            let unit = match *op {
                Op::Point(point) => of_point(point),
                Op::Neg | Op::Abs => units.pop().flatten(),
                Op::Arith(arith) => {
                    let (right, left) = (units.pop().flatten(), units.pop().flatten());
                    match arith {
                        Arith::Mul | Arith::Div => None,
                        Arith::Add | Arith::Sub | Arith::Min | Arith::Max => left.or(right),
                    }
                }
                Op::KeptNumber(kept) => match tables.kept(kept).what {
                    Kept::Window { of, .. } => match of.looks_at() {
                        LooksAt::Point(point) => of_point(point),
                        LooksAt::Condition(_) => matches!(of, Watched::TimeIn(_)).then_some("s"),
                        LooksAt::Formula(entry) => self.eu(entry),
                    },
                    _ => None,
                },
                Op::Distance => {
                    units.truncate(units.len().saturating_sub(4));
                    Some("m")
                }
                _ => None,
            };
            units.push(unit);
        }
        units.pop().flatten()
    }

    /// A point with its last reading.
    pub(super) fn point(&self, point: u32) -> Part {
        use crate::eval::Memory;
        let info = &self.program.points()[at(point)];
        let slot = &self.state.points[at(point)];
        let answer = Answer::Number(self.seen.number(point));
        let doubters = doubters(&self.program.tables, point).map(AlarmIdx);
        let doubters = doubters.filter(|alarm| self.state.makes_uncertain(alarm.0));
        let text = format!("{}/{}", info.unit, info.point);
        let mut part = Part::new(text, answer, Vec::new());
        part.reading = Some(Reading {
            quality: slot.is_read().then_some(slot.quality),
            at: slot.is_read().then_some(slot.at),
            stale: slot.stale,
            test: slot.is_under_test(),
            doubted_by: doubters
                .map(|alarm| self.program.id_of(alarm).to_string())
                .collect(),
            eu: info.eu.clone(),
        });
        part
    }

    /// What remembers something.
    fn kept(&mut self, kept: u32) -> Part {
        let slot = &self.state.kept[at(kept)];
        let answer = match slot {
            KeptSlot::Held(_) | KeptSlot::Repeats(_) | KeptSlot::During(_) => {
                Answer::Truth(slot.truth())
            }
            // The engine does not look at it any more where it decides nothing; people want to know.
            KeptSlot::Since(slot) => Answer::Number(slot.number_at(self.now)),
            KeptSlot::Window(_) => Answer::Number(slot.number()),
        };
        match &self.program.tables.kept[at(kept)].what {
            Kept::Held {
                condition,
                duration_ms,
            } => {
                let text = format!("held for {} s", seconds(*duration_ms));
                let mut part = Part::new(text, answer, vec![self.entry(*condition)]);
                if let KeptSlot::Held(held) = slot {
                    part.left_ms = match held.phase {
                        Phase::Pending if held.due != NEVER => Some(held.due.since_ms(self.now)),
                        Phase::Paused => Some(held.due.since_ms(UtcMs(0))),
                        _ => None,
                    };
                }
                part
            }
            Kept::Since { condition, .. } => {
                Part::new("seconds since", answer, vec![self.entry(*condition)])
            }
            Kept::Repeats { point, n } => {
                let point = self.point(*point);
                let text = format!("repeats({}, {n})", point.text);
                Part::new(text, answer, vec![point])
            }
            Kept::During(calendar) => Part::new(
                during(self.program.tables.calendar(*calendar)),
                answer,
                Vec::new(),
            ),
            Kept::Window { of, slice_ms } => {
                let span = seconds(slice_ms.saturating_mul(crate::engine::WINDOW_SLICES));
                let word = match of {
                    Watched::Sum(_) => "sum",
                    Watched::Increase(_) => "increase",
                    Watched::Count(_) => "count",
                    Watched::TimeIn(_) => "time_in",
                    Watched::Mean(_) => "mean",
                    Watched::Stdev(_) => "stdev",
                    Watched::Lowest(_) => "lowest",
                    Watched::Highest(_) => "highest",
                    Watched::Median(_) => "median",
                    Watched::Mad(_) => "mad",
                    Watched::Change(_) => "change",
                };
                let inner = match of.looks_at() {
                    LooksAt::Point(point) => self.point(point),
                    LooksAt::Condition(entry) | LooksAt::Formula(entry) => self.entry(entry),
                };
                let text = format!("{word}({}, {span} s)", inner.text);
                Part::new(text, answer, vec![inner])
            }
        }
    }

    fn condition(
        &mut self,
        from: u32,
        to: u32,
        text: impl Into<String>,
        parts: Vec<Part>,
    ) -> Built {
        let truth = self
            .stack
            .condition(&self.program.tables, Entry { from, to }, &self.seen);
        let part = Part::new(text, Answer::Truth(truth), parts);
        Built::leaf(from, part)
    }

    /// The last `n` numbers become one.
    fn formula(
        &mut self,
        numbers: &mut Vec<Built>,
        n: usize,
        to: u32,
        text: impl FnOnce(&[String]) -> String,
    ) {
        let operands = numbers.split_off(numbers.len() - n);
        let texts: Vec<String> = operands.iter().map(Built::text).collect();
        let from = operands[0].from;
        let number = self
            .stack
            .formula(&self.program.tables, Entry { from, to }, &self.seen);
        let leaves: Vec<Part> = operands.into_iter().flat_map(|it| it.leaves).collect();
        numbers.push(Built {
            from,
            part: Part::new(text(&texts), Answer::Number(number), leaves.clone()),
            leaves,
            is_compound: false,
        });
    }

    /// The last two conditions become one; a third joins the two before it.
    fn join(&mut self, truths: &mut Vec<Built>, word: &str, to: u32) {
        let (Some(right), Some(left)) = (truths.pop(), truths.pop()) else {
            return;
        };
        let mut parts = if left.part.text == word {
            left.part.parts
        } else {
            vec![left.part]
        };
        parts.push(right.part);
        truths.push(self.condition(left.from, to, word, parts));
    }
}

fn arith_text(arith: Arith, left: &str, right: &str) -> String {
    match arith {
        Arith::Add => format!("{left} + {right}"),
        Arith::Sub => format!("{left} - {right}"),
        Arith::Mul => format!("{left} * {right}"),
        Arith::Div => format!("{left} / {right}"),
        Arith::Min => format!("min({left}, {right})"),
        Arith::Max => format!("max({left}, {right})"),
    }
}

fn sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Lt => "<",
        Compare::Le => "<=",
        Compare::Gt => ">",
        Compare::Ge => ">=",
        Compare::Eq => "==",
        Compare::Ne => "!=",
    }
}

fn health_word(health: Health) -> &'static str {
    match health {
        Health::Stale => "stale",
        Health::Bad => "bad",
        Health::Silent => "silent",
        Health::Faulty => "faulty",
        Health::Uncertain => "uncertain",
        Health::Overdue => "in calibration for too long",
        Health::Tested => "tested",
    }
}

fn degrade_words(degrade: Degrade) -> &'static str {
    match degrade {
        Degrade::Hold => "",
        Degrade::Vote => ", an unknown one votes",
        Degrade::Drop => ", an unknown one leaves",
        Degrade::Lower => ", an unknown one leaves with its vote",
    }
}

/// Seconds, with what is left of one.
fn seconds(ms: u32) -> f64 {
    f64::from(ms) / 1_000.0
}

fn during(calendar: &Calendar) -> String {
    let mut words = String::from("during");
    for (from, until) in &calendar.yearly {
        words += &format!(
            " {:02}-{:02}..{:02}-{:02}",
            from.month, from.day, until.month, until.day
        );
    }
    if !calendar.dates.is_empty() {
        words += &format!(" {} of dates", calendar.dates.len());
    }
    if let Some((from, until)) = calendar.daily {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        words += &format!(" {}..{}", clock(from), clock(until));
    }
    words
}
