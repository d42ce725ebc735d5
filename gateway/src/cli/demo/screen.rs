//! How the story looks: lines that scroll, and on a terminal the alarm list and the readings below them.
//!
//! It knows colours and widths; when something is told is not its business.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use telemetry::{Quality, Value};

use super::witness::{Event, Reading};

/// The widest line below the story; longer ones would wrap and could not be taken back.
const WIDTH: usize = 78;
const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";

/// Where the story is told.
#[derive(Debug)]
pub(super) struct Screen<W> {
    out: W,
    /// Colours, and a list that is drawn again in its place.
    is_terminal: bool,
    /// The lines below the story.
    below: Vec<String>,
}

impl<W: Write> Screen<W> {
    /// A screen; without a terminal there are plain lines only.
    pub(super) fn new(out: W, is_terminal: bool) -> Self {
        Self {
            out,
            is_terminal,
            below: Vec::new(),
        }
    }

    /// A line as it is.
    pub(super) fn say(&mut self, line: &str) -> io::Result<()> {
        self.scroll(line)
    }

    /// A line of the story.
    pub(super) fn narrate(&mut self, at_ms: u64, text: &str) -> io::Result<()> {
        let line = self.styled(BOLD, text);
        self.scroll(&format!("{} {line}", time(at_ms)))
    }

    /// An alarm event.
    pub(super) fn event(&mut self, at_ms: u64, event: &Event) -> io::Result<()> {
        let line = self.alarm(event, &event.event);
        self.scroll(&format!("{}   {line}", time(at_ms)))
    }

    /// Something aside; on a terminal it is below the story already.
    pub(super) fn remark(&mut self, at_ms: u64, text: &str) -> io::Result<()> {
        if self.is_terminal {
            return Ok(());
        }
        self.scroll(&format!("{}   {text}", time(at_ms)))
    }

    /// What went wrong.
    pub(super) fn complain(&mut self, what: &str) -> io::Result<()> {
        let line = self.styled("\x1b[31m", &format!("! {what}"));
        self.scroll(&line)
    }

    /// The alarm list and some readings; nothing without a terminal.
    pub(super) fn list<'e>(
        &mut self,
        alarms: impl Iterator<Item = &'e Event>,
        readings: &str,
    ) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        let mut below = vec![self.styled(DIM, &"─".repeat(WIDTH))];
        for event in alarms {
            let state = if event.unknown {
                "unknown"
            } else {
                &event.state
            };
            below.push(self.alarm(event, state));
        }
        below.push(self.styled(DIM, &cut(readings)));
        if below == self.below {
            return Ok(());
        }
        self.take_back()?;
        self.below = below;
        self.draw()
    }

    /// Leaves the list where it is.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.below.clear();
        self.out.flush()
    }

    /// `● B yellow L1 raised  GT-101: …`
    fn alarm(&self, event: &Event, word: &str) -> String {
        let colour = event.colour.as_deref().unwrap_or("-");
        let level = event.level.as_deref().unwrap_or("-");
        let mut what = event
            .text
            .as_ref()
            .map_or_else(|| event.id.clone(), |text| text.en.clone());
        if let Some(by) = &event.by {
            write!(what, " ({by})").expect("a string takes all");
        }
        let head = format!("{} {colour:<6} {level:<6} {word:<14} ", event.letter);
        let room = WIDTH.saturating_sub(head.chars().count() + 2);
        let what: String = if self.is_terminal {
            what.chars().take(room).collect()
        } else {
            what
        };
        let mark = self.styled(code_of(colour), "●");
        format!("{mark} {head}{what}")
    }

    fn styled(&self, code: &str, text: &str) -> String {
        if self.is_terminal && !code.is_empty() {
            format!("{code}{text}{RESET}")
        } else {
            text.to_owned()
        }
    }

    fn scroll(&mut self, line: &str) -> io::Result<()> {
        self.take_back()?;
        writeln!(self.out, "{line}")?;
        self.draw()
    }

    fn take_back(&mut self) -> io::Result<()> {
        if self.below.is_empty() {
            return Ok(());
        }
        write!(self.out, "\x1b[{}A\x1b[J", self.below.len())
    }

    fn draw(&mut self) -> io::Result<()> {
        for line in &self.below {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }
}

/// Some readings on one line, as `GT-101 4.1 %LEL`; `shown` are point and label.
pub(super) fn readings(readings: &BTreeMap<String, Reading>, shown: &[(&str, &str)]) -> String {
    let one = |(point, label): &(&str, &str)| {
        let reading = readings.get(*point)?;
        let value = match reading.value {
            Some(Value::Number(number)) => format!("{number:.1}"),
            Some(Value::Bool(true)) => "on".to_owned(),
            Some(Value::Bool(false)) => "off".to_owned(),
            None => "?".to_owned(),
        };
        let unit = match (reading.value, reading.unit.as_deref()) {
            (Some(_), Some("Cel")) => " °C".to_owned(),
            (Some(_), Some(unit)) => format!(" {unit}"),
            _ => String::new(),
        };
        let doubt = if reading.quality == Quality::GOOD {
            ""
        } else {
            "!"
        };
        Some(format!("{label} {value}{unit}{doubt}"))
    };
    shown.iter().filter_map(one).collect::<Vec<_>>().join("  ")
}

fn cut(text: &str) -> String {
    text.chars().take(WIDTH).collect()
}

fn time(at_ms: u64) -> String {
    format!("{:>3}.{} s", at_ms / 1_000, at_ms % 1_000 / 100)
}

/// The terminal's code for an alarm colour.
fn code_of(colour: &str) -> &'static str {
    match colour {
        "red" => "\x1b[31m",
        "orange" => "\x1b[38;5;208m",
        "yellow" => "\x1b[33m",
        "blue" => "\x1b[34m",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        serde_json::from_str(
            r#"{"id":"tank-farm/gt-101/combustible-gas","event":"raised","letter":"B","state":"active-unacked",
                "unknown":false,"level":"L1","colour":"yellow","text":{"en":"GT-101: combustible gas 30.1 %LEL"}}"#,
        )
        .expect("an event")
    }

    fn shown(
        is_terminal: bool,
        tell: impl Fn(&mut Screen<&mut Vec<u8>>) -> io::Result<()>,
    ) -> String {
        let mut out = Vec::new();
        tell(&mut Screen::new(&mut out, is_terminal)).expect("a vector takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn without_a_terminal_there_are_plain_lines_and_no_list() {
        let told = shown(false, |screen| {
            screen.narrate(6_000, "A leak.")?;
            screen.event(16_040, &event())?;
            screen.list([event()].iter(), "GT-101 30.1 %LEL")?;
            screen.complain("nothing came")
        });
        assert_eq!(
            told,
            "  6.0 s A leak.\n 16.0 s   ● B yellow L1     raised         GT-101: combustible gas 30.1 %LEL\n! nothing came\n"
        );
    }

    #[test]
    fn on_a_terminal_the_list_is_taken_back_before_a_line_and_drawn_after_it() {
        let told = shown(true, |screen| {
            screen.list([event()].iter(), "r")?;
            screen.say("a line")
        });
        let (_, after) = told
            .split_once("\x1b[3A\x1b[J")
            .expect("three lines are taken back");
        assert!(after.starts_with("a line\n"), "{after:?}");
        assert_eq!(after.lines().count(), 4, "{after:?}");
    }

    #[test]
    fn a_list_that_has_not_changed_is_not_drawn_again() {
        let once = shown(true, |screen| screen.list([event()].iter(), "r"));
        let twice = shown(true, |screen| {
            screen.list([event()].iter(), "r")?;
            screen.list([event()].iter(), "r")
        });
        assert_eq!(once, twice);
    }

    #[test]
    fn readings_say_value_unit_and_doubt() {
        let reading = |value, unit: Option<&str>, quality| Reading {
            value,
            unit: unit.map(str::to_owned),
            quality,
        };
        let all = BTreeMap::from([
            (
                "u/a".to_owned(),
                reading(Some(Value::Number(45.04)), Some("Cel"), Quality::GOOD),
            ),
            (
                "u/b".to_owned(),
                reading(None, Some("%LEL"), Quality::NOT_CONNECTED),
            ),
            (
                "u/c".to_owned(),
                reading(Some(Value::Bool(true)), None, Quality::GOOD),
            ),
        ]);
        let told = readings(
            &all,
            &[("u/a", "TT"), ("u/b", "GT"), ("u/x", "X"), ("u/c", "FAN")],
        );
        assert_eq!(told, "TT 45.0 °C  GT ?!  FAN on");
    }
}
