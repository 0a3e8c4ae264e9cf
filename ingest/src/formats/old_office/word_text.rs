//! The text of an old Word document: signs end paragraphs and cells, and enclose fields.

use super::word_paragraphs::{ParagraphFormat, RowCells};
use crate::formats::Failure;
use crate::formats::common::block_builder::{BlockBuilder, CellShape};
use crate::formats::common::list_marker::begins_item;
use crate::formats::docx::equation;
use cloister_domain::BlockKind;
use std::collections::VecDeque;

/// Signs that end a cell, a row, and a paragraph in a cell. Word has one sign for the first two, and one
/// for all paragraphs.
const CELL_END: char = '\u{7}';
pub const ROW_END: char = '\u{1d}';
const IN_CELL: char = '\u{1c}';
/// The sign that ends a heading of the first level, followed by those of other levels.
const HEADING_END: u32 = 0x80;
const HEADINGS: std::ops::RangeInclusive<char> = '\u{81}'..='\u{89}';
/// A row has at most this many cells.
const MAX_CELLS: usize = 64;

/// The sign that ends a paragraph of this format in place of `sign`.
pub fn paragraph_sign(sign: char, format: &ParagraphFormat) -> char {
    match sign {
        CELL_END if format.ends_row => ROW_END,
        CELL_END => CELL_END,
        _ if format.in_table => IN_CELL,
        _ => format
            .heading
            .and_then(|level| char::from_u32(HEADING_END + u32::from(level)))
            .unwrap_or(sign),
    }
}

/// Whether a character is one of the signs that only this program writes.
pub fn is_own_sign(c: char) -> bool {
    matches!(c, ROW_END | IN_CELL) || HEADINGS.contains(&c)
}

/// Writes the text of one part of the document. `rows` are the cells of its rows, in their order.
pub fn write_text(
    part: &[char],
    rows: VecDeque<RowCells>,
    builder: &mut BlockBuilder,
) -> Result<(), Failure> {
    let plain = without_fields(part);
    if plain.contains(ROW_END) {
        write_parts(&plain, rows, builder)?;
    } else {
        write_guessed(&plain, builder)?;
    }
    builder.end_paragraph();
    Ok(())
}

/// Writes text whose rows are known.
fn write_parts(
    plain: &str,
    mut rows: VecDeque<RowCells>,
    builder: &mut BlockBuilder,
) -> Result<(), Failure> {
    for line in plain.split_inclusive(|c| c == '\r' || HEADINGS.contains(&c)) {
        let (table, after) = match line.rfind(ROW_END) {
            Some(end) => line.split_at(end + ROW_END.len_utf8()),
            None => ("", line),
        };
        if !table.is_empty() {
            builder.end_paragraph();
            builder.open_table()?;
            for row in table.split_terminator(ROW_END) {
                write_row(row, rows.pop_front().unwrap_or_default(), builder)?;
            }
            builder.close_table();
        }
        write_paragraphs(after, builder);
    }
    Ok(())
}

fn write_row(row: &str, cells: RowCells, builder: &mut BlockBuilder) -> Result<(), Failure> {
    builder.open_row();
    for cell in row.split_terminator(CELL_END).take(MAX_CELLS) {
        builder.open_cell(CellShape::default())?;
        for line in cell.split(IN_CELL) {
            builder.begin_paragraph(BlockKind::Paragraph);
            builder.push_text(line);
            builder.end_paragraph();
        }
        builder.close_cell();
    }
    builder.place_cells(cells);
    Ok(())
}

/// Writes text without properties of paragraphs: rows are found by empty cells.
fn write_guessed(plain: &str, builder: &mut BlockBuilder) -> Result<(), Failure> {
    let mut rest: &str = plain;
    while !rest.is_empty() {
        // A table begins with the paragraph in which the first cell ends.
        let Some(first) = rest.find(CELL_END) else {
            write_paragraphs(rest, builder);
            break;
        };
        let start = rest
            .get(..first)
            .and_then(|before| before.rfind('\r'))
            .map_or(0, |at| at + 1);
        write_paragraphs(rest.get(..start).unwrap_or_default(), builder);
        let table = rest.get(start..).unwrap_or_default();
        let end = table_end(table);
        write_table(table.get(..end).unwrap_or(table), builder)?;
        rest = table.get(end..).unwrap_or_default();
    }
    Ok(())
}

/// The text with the results of fields, without their codes, and without signs of objects.
fn without_fields(part: &[char]) -> String {
    let mut plain = String::with_capacity(part.len());
    // For each open field, its code, until its result begins.
    let mut fields: Vec<Option<String>> = Vec::new();
    for c in part {
        match c {
            '\u{13}' => fields.push(Some(String::new())),
            '\u{14}' => {
                if let Some(field) = fields.last_mut() {
                    *field = None;
                }
            }
            '\u{15}' => {
                // A fraction is a field without a result.
                let code = fields.pop().flatten();
                let shown = code.and_then(|code| equation(&code)).unwrap_or_default();
                match fields.iter_mut().rev().find_map(Option::as_mut) {
                    Some(outer) => outer.push_str(&shown),
                    None => plain.push_str(&shown),
                }
            }
            c if fields.iter().any(Option::is_some) => {
                if let Some(Some(code)) = fields.last_mut() {
                    code.push(*c);
                }
            }
            '\u{b}' | '\t' => plain.push(' '),
            '\u{c}' | '\u{e}' => plain.push('\r'),
            '\u{1e}' => plain.push('-'),
            '\r' | &CELL_END | &ROW_END | &IN_CELL => plain.push(*c),
            c if HEADINGS.contains(c) => plain.push(*c),
            c if c.is_control() => {}
            c => plain.push(*c),
        }
    }
    plain
}

fn write_paragraphs(text: &str, builder: &mut BlockBuilder) {
    let ends = |c: char| matches!(c, '\r' | CELL_END | IN_CELL) || HEADINGS.contains(&c);
    for line in text.split_inclusive(ends) {
        let level = line
            .chars()
            .next_back()
            .filter(|c| HEADINGS.contains(c))
            .and_then(|c| u8::try_from(u32::from(c) - HEADING_END).ok());
        let line = line.trim_end_matches(ends);
        let kind = if let Some(level) = level {
            BlockKind::Heading(level)
        } else if begins_item(line.trim()) {
            BlockKind::ListItem
        } else {
            BlockKind::Paragraph
        };
        builder.begin_paragraph(kind);
        builder.push_text(line);
        builder.end_paragraph();
    }
}

/// The end of the table: the last cell or row that ends without a paragraph outside between.
fn table_end(table: &str) -> usize {
    let mut end = 0;
    let mut last_ended_row = false;
    for piece in table.split_inclusive(CELL_END) {
        if !piece.ends_with(CELL_END) {
            break;
        }
        // Paragraphs between the end of a row and the next cell may be outside of the table.
        let lines = piece.matches('\r').count();
        if last_ended_row && lines > 1 {
            break;
        }
        last_ended_row = piece.trim_end_matches(CELL_END).is_empty();
        end += piece.len();
    }
    end
}

/// A row ends with a sign of its own, as if it had one more cell, which is empty.
fn write_table(table: &str, builder: &mut BlockBuilder) -> Result<(), Failure> {
    let mut cells: Vec<&str> = table.split(CELL_END).collect();
    cells.pop();
    let columns = row_length(&cells);
    builder.open_table()?;
    for row in cells.chunks(columns + 1) {
        builder.open_row();
        for cell in row.iter().take(columns) {
            builder.open_cell(CellShape::default())?;
            for line in cell.split('\r') {
                builder.begin_paragraph(BlockKind::Paragraph);
                builder.push_text(line);
                builder.end_paragraph();
            }
            builder.close_cell();
        }
    }
    builder.close_table();
    Ok(())
}

/// The number of cells of a row: the smallest with which each row ends with an empty cell.
fn row_length(cells: &[&str]) -> usize {
    (1..MAX_CELLS)
        .find(|columns| divides_rows(*columns, cells))
        .unwrap_or_else(|| {
            // Rows of different lengths: the first empty cell ends the first row.
            cells
                .iter()
                .position(|cell| cell.is_empty())
                .unwrap_or(cells.len())
                .max(1)
        })
}

/// Whether an empty cell ends each row of this many columns.
fn divides_rows(columns: usize, cells: &[&str]) -> bool {
    let ends = cells.iter().skip(columns).step_by(columns + 1);
    cells.len().is_multiple_of(columns + 1)
        && ends.clone().count() > 0
        && ends.into_iter().all(|cell| cell.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut builder = BlockBuilder::default();
        let chars: Vec<char> = text.chars().collect();
        write_text(&chars, VecDeque::new(), &mut builder).expect("text");
        let pages = builder.finish().finish();
        let found: Vec<String> = pages
            .into_iter()
            .map(|frame| frame.page.content.text)
            .collect();
        assert_eq!(found.join("\n"), expected, "{text:?}");
    }

    #[test]
    fn paragraphs_fields_and_tables_are_read() {
        check("One\rTwo\u{13} PAGE \u{14}7\u{15}\r", "One\nTwo7");
        check("Take \u{13} EQ \\f(1;2)\u{15} tablet\r", "Take ½ tablet");
        check(
            "Doses:\rDrug\u{7}Dose\u{7}\u{7}Heparin\u{7}5 mg\rdaily\u{7}\u{7}After\r",
            "Doses:\nDrug | Dose\nHeparin | 5 mg daily\nAfter",
        );
        check("A\u{7}\u{7}\u{7}B\u{7}2\u{7}\u{7}", "A\nB | 2");
        check(
            "One\u{81}A\u{7}1\u{1c}2\u{7}\u{1d}B\u{7}\u{7}\u{1d}End\r",
            "One\nA | 1 2\nB\nEnd",
        );
    }
}
