//! Tables in plain text: columns that spaces align, as devices print them, and frames that are drawn
//! with characters.

use super::tables::{RowDraft, finish_table};

/// A table has at least this many lines.
const MIN_LINES: usize = 3;
/// Columns are at least this many spaces apart.
const MIN_GAP: usize = 2;
/// A table is searched for below at most this many lines of a paragraph.
const MAX_TITLE_LINES: usize = 3;
/// Longer lines are those of running text, in characters.
const MAX_LINE_CHARS: usize = 400;

/// A part of a text.
#[derive(Debug, PartialEq)]
pub enum TextPart {
    /// Running text, with its line breaks.
    Text(String),
    /// The rows of a table.
    Table(Vec<RowDraft>),
}

/// The parts of a text in order.
pub fn parts(text: &str) -> Vec<TextPart> {
    let mut found: Vec<TextPart> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            close_paragraph(&std::mem::take(&mut open), &mut found);
            push_text("", &mut found);
        } else {
            open.push(line);
        }
    }
    found.retain(|part| !matches!(part, TextPart::Text(text) if text.trim().is_empty()));
    found
}

fn push_text(line: &str, found: &mut Vec<TextPart>) {
    match found.last_mut() {
        Some(TextPart::Text(text)) => {
            text.push('\n');
            text.push_str(line);
        }
        _ => found.push(TextPart::Text(line.to_owned())),
    }
}

/// Adds the lines between two empty ones: the lines of a title, and a table, or running text.
fn close_paragraph(lines: &[&str], found: &mut Vec<TextPart>) {
    for titles in 0..=MAX_TITLE_LINES.min(lines.len()) {
        let (above, rest) = lines.split_at(titles);
        if let Some(rows) = framed_rows(rest).or_else(|| aligned_rows(rest)) {
            for line in above {
                push_text(line, found);
            }
            found.push(TextPart::Table(rows));
            return;
        }
    }
    for line in lines {
        push_text(line, found);
    }
}

/// Whether a character draws a frame.
const fn is_frame(c: char) -> bool {
    matches!(c, '\u{2500}'..='\u{257f}')
}

/// Whether a line only parts rows.
fn is_rule(line: &str) -> bool {
    let mut signs = line.chars().filter(|c| !c.is_whitespace()).peekable();
    signs.peek().is_some() && signs.all(|c| is_frame(c) || matches!(c, '-' | '+' | '=' | '|' | '_'))
}

/// The rows of a table whose cells are parted by drawn lines.
fn framed_rows(lines: &[&str]) -> Option<Vec<RowDraft>> {
    let filled: Vec<&&str> = lines.iter().filter(|line| !is_rule(line)).collect();
    let has_rules = filled.len() < lines.len();
    let count = filled.first().map_or(0, |line| count_bars(line));
    let is_even = filled.iter().all(|line| count_bars(line) == count);
    if filled.len() < 2 || count < 2 || !is_even || !has_rules {
        return None;
    }
    let rows = filled.iter().map(|line| {
        let mut cells: Vec<&str> = line.split(is_bar).collect();
        let is_closed = cells.first().is_some_and(|c| c.trim().is_empty())
            && cells.last().is_some_and(|c| c.trim().is_empty());
        if is_closed {
            cells.remove(0);
            cells.pop();
        }
        RowDraft::from_texts(&cells)
    });
    Some(finished(rows.collect()))
}

/// The number of vertical lines in a line of text.
fn count_bars(line: &str) -> usize {
    line.chars().filter(|c| is_bar(*c)).count()
}

/// Whether a character is a vertical line.
fn is_bar(c: char) -> bool {
    matches!(c, '│' | '║' | '┃' | '|')
}

/// The rows of a table whose columns are aligned: there are gaps from its first to its last line.
fn aligned_rows(lines: &[&str]) -> Option<Vec<RowDraft>> {
    let lines: Vec<Vec<char>> = lines
        .iter()
        .filter(|line| !is_rule(line))
        .map(|line| line.replace('\t', "        ").trim_end().chars().collect())
        .collect();
    if lines.len() < MIN_LINES || lines.iter().any(|line| line.len() > MAX_LINE_CHARS) {
        return None;
    }
    let columns = find_columns(&lines);
    if columns.len() < 2 {
        return None;
    }
    let texts: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let cells = columns.iter().map(|(from, to)| {
                let cell = line.get(*from..(*to).min(line.len())).unwrap_or_default();
                cell.iter().collect::<String>().trim().to_owned()
            });
            cells.collect()
        })
        .collect();
    let several = texts
        .iter()
        .filter(|row| row.iter().filter(|cell| !cell.is_empty()).count() > 1)
        .count();
    let is_table = several * 4 >= texts.len() * 3 && several >= MIN_LINES;
    is_table.then(|| finished(texts.iter().map(|row| RowDraft::from_texts(row)).collect()))
}

/// The first and last character of each column.
fn find_columns(lines: &[Vec<char>]) -> Vec<(usize, usize)> {
    let width = lines.iter().map(Vec::len).max().unwrap_or(0);
    let mut columns: Vec<(usize, usize)> = Vec::new();
    for at in (0..width).filter(|at| !is_blank_column(*at, lines)) {
        match columns.last_mut() {
            Some((_, end)) if at - *end < MIN_GAP => *end = at + 1,
            _ => columns.push((at, at + 1)),
        }
    }
    columns
}

/// Whether no line has a character at this position.
fn is_blank_column(at: usize, lines: &[Vec<char>]) -> bool {
    lines
        .iter()
        .all(|line| line.get(at).is_none_or(|c| c.is_whitespace()))
}

fn finished(mut rows: Vec<RowDraft>) -> Vec<RowDraft> {
    rows.retain(|row| !row.cells.is_empty());
    finish_table(&mut rows, &[]);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for part in parts(text) {
            match part {
                TextPart::Text(text) => found.push(text.trim().to_owned()),
                TextPart::Table(rows) => found.extend(rows.iter().map(|row| {
                    let cells = row.cells.iter().map(|c| format!("{}:{}", c.column, c.text));
                    cells.collect::<Vec<_>>().join(" | ")
                })),
            }
        }
        found
    }

    #[test]
    fn aligned_columns_and_frames_are_tables() {
        assert_eq!(
            shown(
                "Lab report of station 4\nTest        Result   Unit\nSodium         138   mmol/l\nHCG                  U/l\nPotassium      4.1   mmol/l\n\nSigned."
            ),
            [
                "Lab report of station 4",
                "0:Test | 1:Result | 2:Unit",
                "0:Sodium | 1:138 | 2:mmol/l",
                "0:HCG | 2:U/l",
                "0:Potassium | 1:4.1 | 2:mmol/l",
                "Signed.",
            ]
        );
        assert_eq!(
            shown("╔════╦════╗\n║ A  ║ 12 ║\n╟────╫────╢\n║ B  ║ 9  ║\n╚════╩════╝"),
            ["0:A | 1:12", "0:B | 1:9"]
        );
    }

    #[test]
    fn running_text_is_no_table() {
        let text = "One sentence.  Another one follows here,\nand goes on.  It has double spaces\nafter its full stops.  That is all.";
        assert_eq!(shown(text), [text]);
        let list = "- first\n- second\n- third";
        assert_eq!(shown(list), [list]);
    }
}
