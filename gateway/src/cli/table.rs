//! A table for people: columns as wide as their widest cell, Chinese characters counted as two.

use std::io::{self, Write};

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
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
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
    let codes = [""].into_iter().chain((0..rows.len()).map(code));
    for (row, code) in [&head].into_iter().chain(rows).zip(codes) {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', wide - width(cell) + 2));
        }
        let line = line.trim_end();
        if code.is_empty() {
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{code}{line}\x1b[0m")?;
        }
    }
    Ok(())
}

/// How many columns of a terminal a text takes.
fn width(text: &str) -> usize {
    text.chars()
        .map(|letter| match letter {
            '\u{1100}'..='\u{115F}'
            | '\u{2E80}'..='\u{A4CF}'
            | '\u{AC00}'..='\u{D7A3}'
            | '\u{F900}'..='\u{FAFF}'
            | '\u{FE30}'..='\u{FE6F}'
            | '\u{FF00}'..='\u{FF60}'
            | '\u{FFE0}'..='\u{FFE6}' => 2,
            _ => 1,
        })
        .sum()
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
}
