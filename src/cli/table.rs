//! Columns for a terminal: text to the left, numbers to the right.

use std::fmt;

use super::style::{HEAD, PLAIN};
use crate::time::unix_nanos;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

#[derive(Debug)]
pub struct Table {
    head: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[(&str, Align)]) -> Table {
        Table {
            head: head.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.head.len(), "a row has a cell for every column");
        self.rows.push(cells);
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, align)) in cells.iter().zip(widths).zip(&self.head) {
            let space = " ".repeat(width - cell.chars().count());
            match align {
                Align::Left => line += &format!("{cell}{space}  "),
                Align::Right => line += &format!("{space}{cell}  "),
            }
        }
        line.trim_end().to_owned()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].chars().count());
                cells.chain([self.head[column].0.chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let heads: Vec<String> = self.head.iter().map(|(name, _)| name.clone()).collect();
        writeln!(f, "{HEAD}{}{PLAIN}", self.line(&heads, &widths))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", self.line(row, &widths)))
    }
}

/// A duration for people: three digits and a unit that fits.
pub fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let digits = match value {
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// An amount for people.
pub fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} KB", count as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

/// How long ago a time in nanoseconds since 1970 was, for people.
pub fn age(unix_ns: u64) -> String {
    let seconds = unix_nanos().saturating_sub(unix_ns) / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Somebody else's words for a cell: on one line, no longer than that, and without what would steer a terminal.
pub fn one_line(text: &str, longest: usize) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect();
    if text.chars().nth(longest).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_to_the_left_and_numbers_to_the_right() {
        let mut table = Table::new(&[("NAME", Align::Left), ("N", Align::Right), ("WHY", Align::Left)]);
        table.row(vec!["é".into(), "1000".into(), "so".into()]);
        table.row(vec!["longer".into(), "1".into(), String::new()]);
        let shown = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(shown, "NAME       N  WHY\né       1000  so\nlonger     1\n");
    }

    #[test]
    fn durations_have_three_digits() {
        let shown = [0, 999, 1_700, 43_210, 143_210, 2_500_000, 1_000_000_000, 90_000_000_000].map(duration);
        assert_eq!(shown, ["0 ns", "999 ns", "1.70 us", "43.2 us", "143 us", "2.50 ms", "1.00 s", "90.0 s"]);
    }

    #[test]
    fn ages_are_in_the_unit_that_fits() {
        let ago = |seconds: u64| age(unix_nanos() - seconds * 1_000_000_000);
        assert_eq!([90, 5400, 86_400, 200_000].map(ago), ["1 min", "1 h", "24 h", "2 d"]);
        assert_eq!(age(u64::MAX), "0 s", "a clock that was set back");
    }

    #[test]
    fn a_cell_is_one_line_and_steers_nothing() {
        assert_eq!(one_line("as it is", 8), "as it is");
        assert_eq!(one_line("a\nb\x1b[31m", 100), "a b [31m");
        assert_eq!(one_line("ééééé", 4), "ééé…");
    }
}
