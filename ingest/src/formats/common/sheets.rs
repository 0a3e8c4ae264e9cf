//! Sheets become pages: one page for each sheet, and one block for each row with its cell range.

use super::sections::{Sections, normalize_whitespace};
use crate::formats::Failure;
use crate::wire::Refusal;
use cloister_domain::BlockKind;
use std::collections::BTreeSet;

/// Maximum number of cells with text.
const MAX_CELLS: usize = 4_000_000;
/// Maximum length of a sheet's name. Programs allow 31 characters.
const MAX_NAME_CHARS: usize = 40;
/// In a table with more columns, empty cells are left out.
const MAX_ALIGNED_COLUMNS: usize = 256;

/// The cells of a sheet that contain text, by row.
#[derive(Debug, Default)]
pub struct Sheet {
    name: Option<String>,
    rows: Vec<(u32, Vec<SheetCell>)>,
    cells: usize,
}

#[derive(Debug)]
struct SheetCell {
    column: u32,
    text: String,
}

impl Sheet {
    /// A sheet. It has no name if it is the only one of its file.
    pub fn new(name: Option<&str>) -> Self {
        Self {
            name: name.map(shorten_name),
            ..Self::default()
        }
    }

    /// Adds a cell; row and column are counted from 0. Cells must be added by row, from left to
    /// right.
    pub fn push_cell(&mut self, row: u32, column: u32, text: &str) -> Result<(), Failure> {
        let text = normalize_whitespace(text);
        if text.is_empty() {
            return Ok(());
        }
        self.cells += 1;
        if self.cells > MAX_CELLS {
            return Err(Refusal::Inflates.into());
        }
        let cell = SheetCell { column, text };
        match self.rows.last_mut() {
            Some((last, cells)) if *last == row => cells.push(cell),
            _ => self.rows.push((row, vec![cell])),
        }
        Ok(())
    }

    /// Writes the sheet as a page, unless it is empty.
    pub fn write_page(self, sections: &mut Sections) {
        if !self.rows.is_empty() {
            self.write_rows(sections);
            sections.end_page();
        }
    }

    /// Writes the rows, without empty columns.
    pub fn write_rows(self, sections: &mut Sections) {
        let all = self.rows.iter().flat_map(|(_, cells)| cells);
        let columns: BTreeSet<u32> = all.map(|cell| cell.column).collect();
        let columns: Vec<u32> = columns.into_iter().collect();
        if let Some(name) = &self.name {
            sections.set_location(Some(quote_sheet_name(name)));
            sections.push_block(BlockKind::Heading(1), name);
        }
        for (row, cells) in &self.rows {
            sections.set_location(cell_range(self.name.as_deref(), *row, cells));
            sections.push_row(&align_to_columns(&columns, cells));
        }
        sections.set_location(None);
    }
}

/// The texts of a row, with an empty one for each column without a cell.
fn align_to_columns<'a>(columns: &[u32], cells: &'a [SheetCell]) -> Vec<&'a str> {
    if columns.len() > MAX_ALIGNED_COLUMNS {
        return cells.iter().map(|cell| cell.text.as_str()).collect();
    }
    let mut cells = cells.iter().peekable();
    let mut texts = Vec::new();
    for column in columns {
        let here = cells.next_if(|cell| cell.column <= *column);
        texts.push(here.map_or("", |cell| cell.text.as_str()));
        if cells.peek().is_none() {
            break;
        }
    }
    texts
}

/// `Budget!A7:F7`, or `A7:F7` if there is only one sheet.
fn cell_range(name: Option<&str>, row: u32, cells: &[SheetCell]) -> Option<String> {
    let (first, last) = (cells.first()?.column, cells.last()?.column);
    let mut range = cell_reference(first, row);
    if first != last {
        range = format!("{range}:{}", cell_reference(last, row));
    }
    Some(match name {
        Some(name) => format!("{}!{range}", quote_sheet_name(name)),
        None => range,
    })
}

fn cell_reference(column: u32, row: u32) -> String {
    format!("{}{}", column_letters(column), u64::from(row) + 1)
}

fn shorten_name(name: &str) -> String {
    normalize_whitespace(name)
        .chars()
        .take(MAX_NAME_CHARS)
        .collect()
}

/// Quotes a sheet's name as formulas do.
fn quote_sheet_name(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain && !name.starts_with(|c: char| c.is_ascii_digit()) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', "''"))
    }
}

/// The letters of a column: A is 0, AA is 26.
fn column_letters(column: u32) -> String {
    let mut left = u64::from(column) + 1;
    let mut column_letters = Vec::new();
    while left > 0 {
        let digit = u8::try_from((left - 1) % 26).unwrap_or(0);
        column_letters.push(char::from(b'A' + digit));
        left = (left - 1) / 26;
    }
    column_letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_cell_ranges_and_aligned_columns() {
        let mut sheet = Sheet::new(Some("Q1 budget"));
        for (row, column, text) in [
            (1, 1, "Item"),
            (1, 3, "Cost"),
            (1, 4, "Note"),
            (3, 1, "Rent"),
            (3, 4, "paid\nlate"),
            (4, 3, "7"),
            (5, 1, " "),
        ] {
            assert!(sheet.push_cell(row, column, text).is_ok());
        }
        let mut sections = Sections::manual();
        sheet.write_rows(&mut sections);
        let pages = sections.finish();
        let content = &pages.first().expect("a page").page.content;
        let found: Vec<_> = content
            .blocks
            .iter()
            .map(|b| {
                (
                    b.place.as_deref().unwrap_or(""),
                    b.range.slice(&content.text),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("'Q1 budget'", Some("Q1 budget")),
                ("'Q1 budget'!B2:E2", Some("Item | Cost | Note")),
                ("'Q1 budget'!B4:E4", Some("Rent |  | paid late")),
                ("'Q1 budget'!D5", Some(" | 7")),
            ]
        );
    }

    #[test]
    fn columns_have_letters() {
        for (column, expected) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(column_letters(column), expected);
        }
        assert!(column_letters(u32::MAX).len() < 9);
    }
}
