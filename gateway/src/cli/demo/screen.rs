//! How the story looks: lines that scroll, and on a terminal the alarm list and the readings below them.
//!
//! It knows colours and widths; when something is told is not its business.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use telemetry::{Quality, Value};

use super::witness::{Event, Reading};
use crate::cli::table::{cut, paint};

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";

/// Where the story is told.
#[derive(Debug)]
pub(super) struct Screen<W> {
    out: W,
    /// The terminal's rows and columns; without a terminal there are neither colours nor a list.
    size: Option<fn() -> (usize, usize)>,
    /// The lines below the story.
    below: Vec<String>,
}

impl<W: Write> Screen<W> {
    /// A screen; without a terminal there are plain lines only.
    pub(super) fn new(out: W, size: Option<fn() -> (usize, usize)>) -> Self {
        Self {
            out,
            size,
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
        let mut line = alarm(event, &event.event);
        if let Some(by) = &event.by {
            write!(line, " (by {by})").expect("a string takes all");
        }
        let mark = self.styled(paint(colour(event)), "●");
        self.scroll(&format!("{}   {mark} {line}", time(at_ms)))
    }

    /// Something aside; on a terminal it is below the story already.
    pub(super) fn remark(&mut self, at_ms: u64, text: &str) -> io::Result<()> {
        if self.size.is_some() {
            return Ok(());
        }
        self.scroll(&format!("{}   {text}", time(at_ms)))
    }

    /// What went wrong.
    pub(super) fn complain(&mut self, what: &str) -> io::Result<()> {
        let line = self.styled("\x1b[31m", &format!("! {what}"));
        self.scroll(&line)
    }

    /// The alarm list, the most severe first, and some readings; nothing without a terminal.
    ///
    /// A line that wrapped could not be taken back, and neither could a list that is higher than the terminal.
    pub(super) fn list<'e>(
        &mut self,
        alarms: impl Iterator<Item = &'e Event>,
        readings: &str,
    ) -> io::Result<()> {
        let Some(size) = self.size else {
            return Ok(());
        };
        let (rows, columns) = size();
        let mut alarms: Vec<&Event> = alarms.collect();
        alarms.sort_by_key(|event| (Reverse(event.severity), &event.id));
        let mut below = vec![
            self.styled(DIM, &"─".repeat(columns)),
            self.styled(DIM, &cut(readings, columns)),
        ];
        for event in alarms {
            let state = if event.unknown {
                "unknown"
            } else {
                &event.state
            };
            let line = cut(&alarm(event, state), columns.saturating_sub(2));
            let mark = self.styled(paint(colour(event)), "●");
            below.push(format!("{mark} {line}"));
        }
        below.truncate(rows.saturating_sub(1));
        if below == self.below {
            return Ok(());
        }
        let frame = self.without_list();
        self.below = below;
        self.draw(frame)
    }

    /// Leaves the list where it is.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.below.clear();
        self.out.flush()
    }

    fn styled(&self, code: &str, text: &str) -> String {
        if self.size.is_some() && !code.is_empty() {
            format!("{code}{text}{RESET}")
        } else {
            text.to_owned()
        }
    }

    fn scroll(&mut self, line: &str) -> io::Result<()> {
        let mut frame = self.without_list();
        frame.push_str(line);
        frame.push('\n');
        self.draw(frame)
    }

    /// What takes the list off the terminal.
    fn without_list(&self) -> String {
        if self.below.is_empty() {
            String::new()
        } else {
            format!("\x1b[{}A\x1b[J", self.below.len())
        }
    }

    /// Ends a frame with the list; it is written at once, so that nothing flickers.
    fn draw(&mut self, mut frame: String) -> io::Result<()> {
        for line in &self.below {
            frame.push_str(line);
            frame.push('\n');
        }
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }
}

fn colour(event: &Event) -> &str {
    event.colour.as_deref().unwrap_or("-")
}

/// `B yellow L1 raised  GT-101: …`
fn alarm(event: &Event, word: &str) -> String {
    let level = event.level.as_deref().unwrap_or("-");
    let what = event.text.as_ref().map_or(&event.id, |text| &text.en);
    let (letter, colour) = (&event.letter, colour(event));
    format!("{letter} {colour:<6} {level:<6} {word:<14} {what}")
}

/// Some readings on one line, as `GT-101 4.1 %LEL`; `shown` are point and label.
pub(super) fn readings(readings: &BTreeMap<String, Reading>, shown: &[(&str, &str)]) -> String {
    let one = |(point, label): &(&str, &str)| {
        let reading = readings.get(*point)?;
        let value = match reading.value {
            Some(Value::Number(number)) => format!("{number:.1}"),
            Some(Value::Bool(true)) => "on".to_owned(),
            Some(Value::Bool(false)) => "off".to_owned(),
            None => reading.quality.word().to_owned(),
        };
        let unit = match (reading.value, reading.unit.as_deref()) {
            (Some(_), Some("Cel")) => " °C".to_owned(),
            (Some(_), Some(unit)) => format!(" {unit}"),
            _ => String::new(),
        };
        let doubt = if reading.value.is_none() || reading.quality == Quality::GOOD {
            ""
        } else {
            "!"
        };
        Some(format!("{label} {value}{unit}{doubt}"))
    };
    shown.iter().filter_map(one).collect::<Vec<_>>().join("  ")
}

fn time(at_ms: u64) -> String {
    format!("{:>3}.{} s", at_ms / 1_000, at_ms % 1_000 / 100)
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
        let size: Option<fn() -> _> = if is_terminal { Some(|| (6, 60)) } else { None };
        tell(&mut Screen::new(&mut out, size)).expect("a vector takes all");
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
    fn the_list_has_the_most_severe_first_and_no_line_that_the_terminal_would_break() {
        let told = shown(true, |screen| {
            let alarms = [400, 600, 800, 1_000, 700].map(|severity| Event {
                id: format!("u/{severity}/r"),
                severity: Some(severity),
                text: None,
                ..event()
            });
            screen.list(alarms.iter(), &"GT-101 30.1 %LEL  ".repeat(9))
        });
        let plain = told.replace(RESET, "").replace(DIM, "");
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(lines.len(), 5, "{plain}");
        assert!(lines[..2].iter().all(|line| line.chars().count() == 60));
        for (line, id) in lines[2..].iter().zip(["u/1000/r", "u/800/r", "u/700/r"]) {
            assert!(line.ends_with(id), "{plain}");
        }
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
        assert_eq!(told, "TT 45.0 °C  GT not-connected  FAN on");
    }
}
