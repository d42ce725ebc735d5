//! How it looks: a table on a terminal, a line each where there is none, an object a line for programs.
//!
//! It knows widths, colours and the terminal's codes; what is told is `words`'.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::io::{self, Write};

use serde_json::json;
use telemetry::UtcMs;

use super::words;
use crate::alarm::message::reading;
use crate::cli::table::{cut, lines, paint, tame, terminal_size};
use crate::watch::{AlarmView, News, Problem, Site, Standing, Watch};

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
/// The other screen, without a cursor and without wrapping; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// How often a table is drawn while much happens, in milliseconds; with nothing new, once a second for its clock.
const DRAW_MS: u64 = 250;
/// How many of the last lines are kept for the table's foot.
const LATEST_MAX: usize = 200;
/// How many of them are there at least, where the screen has the room.
const LATEST_MIN: usize = 6;

/// What the columns of the table are.
const HEAD: [&str; 8] = [
    "", "level", "colour", "state", "since", "value", "what", "alarm",
];

/// Where it is shown.
pub(super) struct Show<'a> {
    out: &'a mut dyn Write,
    face: Face,
}

enum Face {
    Json,
    Lines,
    Screen(Screen),
}

/// What a terminal shows beside the table itself.
struct Screen {
    title: String,
    is_connected: bool,
    /// Why there is no connection, or what else there is to say.
    remark: String,
    /// The last lines, with the terminal's code for each.
    latest: VecDeque<(&'static str, String)>,
    next_draw: UtcMs,
}

impl<'a> Show<'a> {
    /// One object a line.
    pub(super) fn json(out: &'a mut dyn Write) -> Self {
        let face = Face::Json;
        Self { out, face }
    }

    /// One line for each thing that happens.
    pub(super) fn lines(out: &'a mut dyn Write) -> Self {
        let face = Face::Lines;
        Self { out, face }
    }

    /// A table that is drawn again and again. The terminal is as it was when this goes.
    pub(super) fn screen(out: &'a mut dyn Write, title: String) -> io::Result<Self> {
        out.write_all(ENTER.as_bytes())?;
        let face = Face::Screen(Screen {
            title,
            is_connected: false,
            remark: "connecting".to_owned(),
            latest: VecDeque::new(),
            next_draw: UtcMs(0),
        });
        Ok(Self { out, face })
    }

    pub(super) fn is_screen(&self) -> bool {
        matches!(self.face, Face::Screen(_))
    }

    /// When [`draw`](Self::draw) is due.
    pub(super) fn due(&self) -> Option<UtcMs> {
        match &self.face {
            Face::Screen(screen) => Some(screen.next_draw),
            Face::Json | Face::Lines => None,
        }
    }

    /// Something was learned.
    pub(super) fn news(&mut self, at: UtcMs, news: &News) -> io::Result<()> {
        match &mut self.face {
            Face::Json => writeln!(self.out, "{}", words::object(at, news)),
            Face::Lines => writeln!(self.out, "{at} {}", words::line(news)),
            Face::Screen(screen) => {
                screen.keep(paint(words::colour(news)), at, &words::line(news));
                Ok(())
            }
        }
    }

    /// The own connection stands, or is lost for this reason.
    pub(super) fn connection(&mut self, at: UtcMs, lost: Option<&str>) -> io::Result<()> {
        let word = lost.map_or_else(
            || "connected".to_owned(),
            |why| format!("not connected: {}", tame(why)),
        );
        match &mut self.face {
            Face::Json => {
                let mut object = json!({
                    "at": at.to_string(), "what": "connection", "connected": lost.is_none(),
                });
                if let Some(why) = lost {
                    object["why"] = json!(why);
                }
                writeln!(self.out, "{object}")
            }
            Face::Lines => writeln!(self.out, "{at} {word}"),
            Face::Screen(screen) => {
                screen.is_connected = lost.is_none();
                screen.remark.clone_from(&word);
                screen.keep(DIM, at, &word);
                Ok(())
            }
        }
    }

    /// Something that is no result; on a terminal it stands in the title.
    pub(super) fn remark(&mut self, what: &str) {
        if let Face::Screen(screen) = &mut self.face {
            screen.remark = tame(what);
        }
    }

    /// Draws the table, when that is due.
    pub(super) fn draw(&mut self, now: UtcMs, wall: UtcMs, watch: &Watch) -> io::Result<()> {
        let Face::Screen(screen) = &mut self.face else {
            return Ok(());
        };
        if now < screen.next_draw {
            return Ok(());
        }
        screen.next_draw = now.plus_ms(DRAW_MS);
        let (height, width) = terminal_size();
        let drawn = screen.page(height, width, wall, watch);
        let mut page = "\x1b[H".to_owned();
        for (at, (code, line)) in drawn.iter().enumerate() {
            if at > 0 {
                page.push_str("\r\n");
            }
            page.push_str(&format!("{code}{}{RESET}\x1b[K", cut(line, width)));
        }
        page.push_str("\x1b[J");
        self.out.write_all(page.as_bytes())?;
        self.out.flush()
    }

    /// The end. A table leaves its last state behind; lines and objects add a summary to a check only.
    pub(super) fn conclude(
        &mut self,
        at: UtcMs,
        park: &str,
        watch: &Watch,
        problems: &[Problem],
        is_check: bool,
    ) -> io::Result<()> {
        let is_screen = self.is_screen();
        self.leave()?;
        if let (Face::Json, true) = (&self.face, is_check) {
            return writeln!(self.out, "{}", words::summary(at, watch, problems));
        }
        if !is_screen && (!is_check || matches!(self.face, Face::Json)) {
            return Ok(());
        }
        for site in watch.sites() {
            writeln!(self.out, "{}", tame(&words::site(site)))?;
            if is_screen {
                for (code, line) in table(site, at) {
                    writeln!(self.out, "{code}{}{RESET}", cut(&line, terminal_size().1))?;
                }
            }
        }
        let counts = watch.counts();
        writeln!(
            self.out,
            "{}",
            words::counts(&counts, words::missing(watch))
        )?;
        for problem in problems {
            let line = format!("{} {} ! {}", problem.at, problem.site, problem.kind);
            writeln!(self.out, "{}", tame(&line))?;
        }
        let untold = counts.problems.saturating_sub(problems.len() as u64);
        if untold > 0 {
            writeln!(self.out, "and {untold} more")?;
        }
        if !is_check {
            return Ok(());
        }
        let verdict = if watch.sites().all(|site| site.gateway().is_none()) {
            format!("no gateway of the park `{park}` was heard: nothing was checked")
        } else if counts.problems > 0 {
            "the contract was broken".to_owned()
        } else {
            "the contract was kept".to_owned()
        };
        writeln!(self.out, "{verdict}")
    }

    /// Gives the terminal back as it was; what comes now scrolls.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        if let Face::Screen(_) = self.face {
            self.face = Face::Lines;
            self.out.write_all(LEAVE.as_bytes())?;
            self.out.flush()?;
        }
        Ok(())
    }
}

impl Drop for Show<'_> {
    fn drop(&mut self) {
        // Nothing is left to do for a terminal that is gone.
        drop(self.leave());
    }
}

impl Screen {
    fn keep(&mut self, code: &'static str, at: UtcMs, line: &str) {
        if self.latest.len() >= LATEST_MAX {
            self.latest.pop_front();
        }
        self.latest
            .push_back((code, format!("{} {line}", clock(at))));
    }

    /// All lines of a page, from the top, with the terminal's code for each: title, tables, counts, and what happened last.
    fn page(
        &self,
        height: usize,
        width: usize,
        wall: UtcMs,
        watch: &Watch,
    ) -> Vec<(&'static str, String)> {
        let title = format!("fengsui watch  {}  {} UTC", self.title, clock(wall));
        let mut head = vec![(BOLD, format!("{title}  {}", self.remark))];
        if !self.is_connected {
            head[0].0 = RED;
        }
        let mut body = Vec::new();
        for site in watch.sites() {
            let code = if site.standing() == Standing::Known {
                BOLD
            } else {
                RED
            };
            body.push((code, tame(&words::site(site))));
            body.extend(table(site, wall));
        }
        if body.is_empty() {
            body.push((DIM, "no gateway was heard yet".to_owned()));
        }
        let counts = watch.counts();
        let code = if counts.problems > 0 { RED } else { DIM };
        let foot = (code, words::counts(&counts, words::missing(watch)));
        let room = height.saturating_sub(head.len() + 1);
        let n_latest = self.latest.len().min(LATEST_MIN).min(room / 2);
        let most = room - n_latest;
        if body.len() > most {
            let more = body.len() + 1 - most.max(1);
            body.truncate(most.saturating_sub(1));
            body.push((
                DIM,
                format!("… and {more} lines more: a taller window shows them"),
            ));
        }
        let n_latest = room.saturating_sub(body.len()).min(self.latest.len());
        head.extend(body);
        head.push(foot);
        let skipped = self.latest.len() - n_latest;
        head.extend(self.latest.iter().skip(skipped).cloned());
        head.truncate(height);
        // A terminal of one column has room for nothing.
        if width == 0 { Vec::new() } else { head }
    }
}

/// `21:04:29`
fn clock(at: UtcMs) -> String {
    at.to_string().chars().skip(11).take(8).collect()
}

/// The alarms of a site that are not normal, the most severe first.
fn table(site: &Site, wall: UtcMs) -> Vec<(&'static str, String)> {
    let mut alarms: Vec<(&str, &AlarmView)> =
        site.alarms().map(|(id, held)| (id, &held.view)).collect();
    if alarms.is_empty() {
        let what = if site.standing() == Standing::Known {
            "  no alarm"
        } else {
            "  no alarm that is known of"
        };
        return vec![(DIM, what.to_owned())];
    }
    alarms.sort_by_key(|(id, view)| (Reverse(weight(view)), *id));
    let rows: Vec<Vec<String>> = alarms
        .iter()
        .map(|(id, view)| row(id, view, wall).into())
        .collect();
    let mut codes = vec![DIM];
    codes.extend(alarms.iter().map(|(_, view)| {
        // What can't be believed has no colour.
        if site.standing() == Standing::Known {
            paint(view.colour.as_deref().unwrap_or_default())
        } else {
            DIM
        }
    }));
    codes.into_iter().zip(lines(&HEAD, &rows)).collect()
}

/// How severe; a snapshot's row says it by its colour only.
fn weight(view: &AlarmView) -> u64 {
    view.severity.unwrap_or(match view.colour.as_deref() {
        Some("red") => 801,
        Some("orange") => 601,
        Some("yellow") => 401,
        Some("blue") => 1,
        _ => 0,
    })
}

fn row(id: &str, view: &AlarmView, wall: UtcMs) -> [String; HEAD.len()] {
    let or_none = |word: &Option<String>| word.as_deref().unwrap_or("–").to_owned();
    let value = view.value.map(|value| {
        let unit = view.unit.as_deref().unwrap_or_default();
        reading(value, unit)
    });
    [
        format!("  {}", view.letter),
        or_none(&view.level),
        or_none(&view.colour),
        words::state(view),
        since(view.changed_at, wall),
        value.unwrap_or_else(|| "–".to_owned()),
        words::text(view).to_owned(),
        id.to_owned(),
    ]
}

/// `21:04:29`, or `11-23 21:04` when that was another day.
fn since(at: UtcMs, wall: UtcMs) -> String {
    let (at, wall) = (at.to_string(), wall.to_string());
    let part = |text: &str, from, n| text.chars().skip(from).take(n).collect::<String>();
    if part(&at, 0, 10) == part(&wall, 0, 10) {
        part(&at, 11, 8)
    } else {
        format!("{} {}", part(&at, 5, 5), part(&at, 11, 5))
    }
}
