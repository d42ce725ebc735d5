//! A table for people: columns as wide as their widest cell, Chinese characters counted as two.

use std::io::{self, Write};

use rustix::termios::tcgetwinsize;

/// How many rows and columns the terminal has now.
pub(super) fn terminal_size() -> (usize, usize) {
    let size = tcgetwinsize(io::stdout()).ok();
    let size = size.filter(|size| size.ws_row > 0 && size.ws_col > 0);
    size.map_or((24, 80), |size| {
        (usize::from(size.ws_row), usize::from(size.ws_col))
    })
}

/// Prints a head and rows; cells that are missing at the end of a row are empty.
pub(super) fn print(out: &mut dyn Write, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    print_painted(out, head, rows, &|_| "")
}

/// The terminal's code for an alarm's colour; empty when it has none.
pub(super) fn paint(colour: &str) -> &'static str {
    match colour {
        "red" => "\x1b[31m",
        "orange" => "\x1b[38;5;208m",
        "yellow" => "\x1b[33m",
        "blue" => "\x1b[34m",
        _ => "",
    }
}

/// Like [`print`], with the terminal's code for each row by its index; empty leaves it as it is.
pub(super) fn print_painted(
    out: &mut dyn Write,
    head: &[&str],
    rows: &[Vec<String>],
    code: &dyn Fn(usize) -> &'static str,
) -> io::Result<()> {
    let codes = [""].into_iter().chain((0..rows.len()).map(code));
    for (line, code) in lines(head, rows).iter().zip(codes) {
        if code.is_empty() {
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{code}{line}\x1b[0m")?;
        }
    }
    Ok(())
}

/// A text without anything that a terminal would obey, on one line.
pub(super) fn tame(text: &str) -> String {
    let tame = |letter: char| {
        if letter.is_control() {
            '\u{FFFD}'
        } else {
            letter
        }
    };
    text.chars().map(tame).collect()
}

/// The head and the rows, each as one line, whatever is in their cells.
pub(super) fn lines(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let tamed = |row: &Vec<String>| row.iter().map(|cell| tame(cell)).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(tamed).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            rows.iter()
                .chain([&head])
                .filter_map(|row| row.get(column))
                .map(|cell| width(cell))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', wide - width(cell) + 2));
        }
        line.truncate(line.trim_end().len());
        line
    };
    [&head].into_iter().chain(&rows).map(line).collect()
}

/// As much of a text as fits into so many columns; the last is `…` when that is not all.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut room = columns.saturating_sub(1);
    for letter in text.chars() {
        let Some(left) = room.checked_sub(columns_of(letter)) else {
            break;
        };
        room = left;
        cut.push(letter);
    }
    cut.push('…');
    cut
}

/// How many columns of a terminal a text takes.
fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(letter: char) -> usize {
    match letter {
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{A4CF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE6F}'
        | '\u{FF00}'..='\u{FF60}'
        | '\u{FFE0}'..='\u{FFE6}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_also_after_chinese() {
        let mut out = Vec::new();
        let rows =
            [["库水位", "413.2"], ["gt-101", "3"]].map(|row| row.map(str::to_owned).to_vec());
        print(&mut out, &["point", "value"], &rows).expect("memory");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "point   value\n库水位  413.2\ngt-101  3\n"
        );
    }

    #[test]
    fn what_somebody_else_wrote_stays_in_its_cell() {
        let rows = [["li\x1b[2J".to_owned(), "a\nb".to_owned()].to_vec()];
        assert_eq!(
            lines(&["by", "what"], &rows),
            ["by      what", "li\u{FFFD}[2J  a\u{FFFD}b"]
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_and_says_so() {
        for (text, columns, shown) in [
            ("gt-101", 6, "gt-101"),
            ("gt-101", 5, "gt-1…"),
            ("库水位", 6, "库水位"),
            ("库水位", 5, "库水…"),
            ("库水位", 4, "库…"),
            ("库水位", 1, "…"),
        ] {
            assert_eq!(cut(text, columns), shown);
        }
    }
}
