//! Tables of any origin become pages: one for each sheet, one block for each row, which says in
//! which cells it stands.

use super::Failure;
use super::sections::{Sections, plain_spaces};
use crate::wire::Refusal;
use cloister_domain::BlockKind;
use std::collections::BTreeSet;

/// More cells with something in them than any table that people read.
const MOST_CELLS: usize = 4_000_000;
/// The longest name of a sheet that is shown: programs allow 31 characters.
const LONGEST_NAME: usize = 40;
/// In a wider table, the empty cells of a row are left out.
const WIDEST: usize = 256;

/// One sheet's cells that hold something, row by row.
#[derive(Debug, Default)]
pub struct Sheet {
    name: Option<String>,
    rows: Vec<(u32, Vec<Cell>)>,
    cells: usize,
}

#[derive(Debug)]
struct Cell {
    column: u32,
    text: String,
}

impl Sheet {
    /// A sheet; one without a name is the only one of its file.
    pub fn new(name: Option<&str>) -> Self {
        let short = |name: &str| plain_spaces(name).chars().take(LONGEST_NAME).collect();
        Self {
            name: name.map(short),
            ..Self::default()
        }
    }

    /// Adds a cell, counted from 0. Cells come row by row, and from left to right.
    pub fn cell(&mut self, row: u32, column: u32, text: &str) -> Result<(), Failure> {
        let text = plain_spaces(text);
        if text.is_empty() {
            return Ok(());
        }
        self.cells += 1;
        if self.cells > MOST_CELLS {
            return Err(Refusal::Inflates.into());
        }
        let cell = Cell { column, text };
        match self.rows.last_mut() {
            Some((last, cells)) if *last == row => cells.push(cell),
            _ => self.rows.push((row, vec![cell])),
        }
        Ok(())
    }

    /// Writes the sheet's page. A sheet without any text has none.
    pub fn write_page(self, sections: &mut Sections) {
        if !self.rows.is_empty() {
            self.write(sections);
            sections.turn_page();
        }
    }

    /// Writes the rows. Columns with nothing in them are left out.
    pub fn write(self, sections: &mut Sections) {
        let all = self.rows.iter().flat_map(|(_, cells)| cells);
        let columns: BTreeSet<u32> = all.map(|cell| cell.column).collect();
        let columns: Vec<u32> = columns.into_iter().collect();
        if let Some(name) = &self.name {
            sections.stand_at(Some(quoted(name)));
            sections.push(BlockKind::Heading(1), name);
        }
        for (row, cells) in &self.rows {
            sections.stand_at(place(self.name.as_deref(), *row, cells));
            sections.row(&in_columns(&columns, cells));
        }
        sections.stand_at(None);
    }
}

/// The row's texts, an empty one for each column in which it has none.
fn in_columns<'a>(columns: &[u32], cells: &'a [Cell]) -> Vec<&'a str> {
    if columns.len() > WIDEST {
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

/// `Budget!A7:F7`, or `A7:F7` where there is one sheet only.
fn place(name: Option<&str>, row: u32, cells: &[Cell]) -> Option<String> {
    let (first, last) = (cells.first()?.column, cells.last()?.column);
    let cell = |column| format!("{}{}", letters(column), u64::from(row) + 1);
    let range = if first == last {
        cell(first)
    } else {
        format!("{}:{}", cell(first), cell(last))
    };
    Some(match name {
        Some(name) => format!("{}!{range}", quoted(name)),
        None => range,
    })
}

/// A sheet's name as formulas write it.
fn quoted(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain && !name.starts_with(|c: char| c.is_ascii_digit()) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', "''"))
    }
}

/// The letters of a column: A is 0, AA is 26.
fn letters(column: u32) -> String {
    let mut left = u64::from(column) + 1;
    let mut letters = Vec::new();
    while left > 0 {
        let digit = u8::try_from((left - 1) % 26).unwrap_or(0);
        letters.push(char::from(b'A' + digit));
        left = (left - 1) / 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_where_they_stand_and_leave_no_column_out_of_line() {
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
            assert!(sheet.cell(row, column, text).is_ok());
        }
        let mut sections = Sections::by_hand();
        sheet.write(&mut sections);
        let pages = sections.finish();
        let content = &pages.first().expect("a page").page.content;
        let found: Vec<_> = content
            .blocks
            .iter()
            .map(|b| (b.place.as_deref().unwrap_or(""), b.range.of(&content.text)))
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
            assert_eq!(letters(column), expected);
        }
        assert!(letters(u32::MAX).len() < 9);
    }
}
