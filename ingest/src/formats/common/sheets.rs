//! Sheets become pages: one page for each sheet, and one block for each row with its cell range.

use super::sections::Sections;
use super::tables::{CellDraft, RowDraft, finish_table};
use super::whitespace::normalize_whitespace;
use crate::formats::Failure;
use crate::limits::HiddenCells;
use crate::wire::Refusal;
use cloister_domain::{BlockKind, OmissionKind};
use std::collections::BTreeSet;

/// Maximum number of cells with text.
const MAX_CELLS: usize = 4_000_000;
/// Maximum length of a sheet's name. Programs allow 31 characters.
const MAX_NAME_CHARS: usize = 40;
/// In a table with more columns, empty cells are left out.
const MAX_ALIGNED_COLUMNS: usize = 256;
/// Maximum number of ranges of hidden columns.
const MAX_HIDDEN_RANGES: usize = 1_000;
/// Maximum number of merged cells of a sheet.
const MAX_MERGED: usize = 100_000;
/// Bytes that the texts of merged cells may add to a sheet by being repeated.
const MAX_REPEATED_BYTES: usize = 4 << 20;
/// The same, as a factor of the sheet's own text.
const REPEATED_FACTOR: usize = 4;
/// A merged text of more bytes than this is not repeated.
const MAX_REPEATED_TEXT: usize = 2_000;

/// The cells of a sheet that contain text, by row.
#[derive(Debug, Default)]
pub struct Sheet {
    name: Option<String>,
    rows: Vec<(u32, Vec<SheetCell>)>,
    cells: usize,
    merged: Vec<MergedCells>,
    /// Rows that name columns, as the format says.
    header_rows: BTreeSet<u32>,
    /// Rows with text that is not bold.
    plain_rows: BTreeSet<u32>,
    /// Rows that begin a table, as the format says.
    first_rows: BTreeSet<u32>,
    hidden_rows: BTreeSet<u32>,
    /// The first and last column of each hidden range.
    hidden_columns: Vec<(u32, u32)>,
    is_hidden: bool,
    /// Whether cells came in another order than by row and column.
    is_unsorted: bool,
}

#[derive(Clone, Debug)]
struct SheetCell {
    column: u32,
    span: u32,
    text: String,
}

/// Cells that are merged into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergedCells {
    /// The first row.
    pub top: u32,
    /// The first column.
    pub left: u32,
    /// The last row.
    pub bottom: u32,
    /// The last column.
    pub right: u32,
}

/// The sentence for the administrator about a hidden sheet.
pub fn hidden_sheet(name: &str, policy: HiddenCells) -> String {
    match policy {
        HiddenCells::Read => format!("a sheet that is hidden is read and marked: `{name}`"),
        HiddenCells::LeaveOut => format!("a sheet that is hidden is left out: `{name}`"),
    }
}

impl Sheet {
    /// A sheet. It has no name if it is the only one of its file.
    pub fn new(name: Option<&str>) -> Self {
        Self {
            name: name.map(shorten_name),
            ..Self::default()
        }
    }

    /// Adds a cell; row and column are counted from 0. Cells usually come by row, from left to
    /// right; others are put in their place.
    pub fn push_cell(&mut self, row: u32, column: u32, text: &str) -> Result<(), Failure> {
        let text = normalize_whitespace(text);
        if text.is_empty() {
            return Ok(());
        }
        self.cells += 1;
        if self.cells > MAX_CELLS {
            return Err(Refusal::Inflates.into());
        }
        let span = 1;
        let cell = SheetCell { column, span, text };
        match self.rows.last_mut() {
            Some((last, cells)) if *last == row => {
                self.is_unsorted |= cells.last().is_some_and(|held| held.column > column);
                cells.push(cell);
            }
            Some((last, _)) => {
                self.is_unsorted |= *last > row;
                self.rows.push((row, vec![cell]));
            }
            None => self.rows.push((row, vec![cell])),
        }
        Ok(())
    }

    /// Puts rows and cells that came in another order in their places.
    fn sort(&mut self) {
        if !std::mem::take(&mut self.is_unsorted) {
            return;
        }
        self.rows.sort_by_key(|(row, _)| *row);
        let mut sorted: Vec<(u32, Vec<SheetCell>)> = Vec::with_capacity(self.rows.len());
        for (row, mut cells) in std::mem::take(&mut self.rows) {
            match sorted.last_mut() {
                Some((last, held)) if *last == row => held.append(&mut cells),
                _ => sorted.push((row, cells)),
            }
        }
        for (_, cells) in &mut sorted {
            cells.sort_by_key(|cell| cell.column);
        }
        self.rows = sorted;
    }

    /// Marks a row as hidden.
    pub fn mark_hidden_row(&mut self, row: u32) {
        self.hidden_rows.insert(row);
    }

    /// Marks columns as hidden, from the first to the last.
    pub fn mark_hidden_columns(&mut self, first: u32, last: u32) {
        if self.hidden_columns.len() < MAX_HIDDEN_RANGES {
            self.hidden_columns.push((first, last));
        }
    }

    /// Marks the sheet as hidden.
    pub const fn mark_hidden(&mut self) {
        self.is_hidden = true;
    }

    /// Applies the policy for hidden rows and columns, and returns a sentence about them for the
    /// administrator if there are any.
    pub fn apply_policy(&mut self, policy: HiddenCells, sections: &mut Sections) {
        let count = self.count_hidden();
        if count == 0 {
            return;
        }
        let name = self.name.clone().unwrap_or_default();
        let what = match policy {
            HiddenCells::Read => "are read and marked",
            HiddenCells::LeaveOut => {
                self.drop_hidden();
                sections.account.leave_out(OmissionKind::HiddenCells, count);
                "are left out"
            }
        };
        sections.warn(format!(
            "the sheet `{name}` has hidden rows or columns ({count}), which {what}"
        ));
    }

    fn drop_hidden(&mut self) {
        let ranges = std::mem::take(&mut self.hidden_columns);
        let rows = std::mem::take(&mut self.hidden_rows);
        self.rows.retain(|(row, _)| !rows.contains(row));
        for (_, cells) in &mut self.rows {
            cells.retain(|cell| {
                let mut hidden = ranges.iter();
                !hidden.any(|(first, last)| *first <= cell.column && cell.column <= *last)
            });
        }
        self.rows.retain(|(_, cells)| !cells.is_empty());
    }

    /// The number of hidden rows and columns that have text.
    fn count_hidden(&self) -> usize {
        let rows = self
            .rows
            .iter()
            .filter(|(row, _)| self.hidden_rows.contains(row));
        let columns = self
            .columns()
            .into_iter()
            .filter(|column| self.hides_column(*column));
        rows.count() + columns.count()
    }

    fn hides_column(&self, column: u32) -> bool {
        let mut ranges = self.hidden_columns.iter();
        ranges.any(|(first, last)| *first <= column && column <= *last)
    }

    /// Writes into hidden rows and columns that they are hidden.
    fn write_hidden_marks(&mut self) {
        let columns: Vec<u32> = if self.hidden_columns.is_empty() {
            Vec::new()
        } else {
            let all = self.columns().into_iter();
            all.filter(|column| self.hides_column(*column)).collect()
        };
        for column in columns {
            let mut cells = self.rows.iter_mut().flat_map(|(_, cells)| cells);
            if let Some(first) = cells.find(|cell| cell.column == column) {
                first.text.push_str(" [hidden column]");
            }
        }
        if self.hidden_rows.is_empty() {
            return;
        }
        for (row, cells) in &mut self.rows {
            if self.hidden_rows.contains(row)
                && let Some(label) = cells.first_mut()
            {
                label.text.push_str(" [hidden row]");
            }
        }
    }

    /// Merges cells. Their text is that of the first of them.
    pub fn merge(&mut self, merged: MergedCells) {
        let is_several = merged.bottom > merged.top || merged.right > merged.left;
        if is_several && self.merged.len() < MAX_MERGED {
            self.merged.push(merged);
        }
    }

    /// Marks a row as one that names columns.
    pub fn mark_header(&mut self, row: u32) {
        self.header_rows.insert(row);
    }

    /// Marks a row as one with text that is not bold.
    pub fn mark_plain(&mut self, row: u32) {
        self.plain_rows.insert(row);
    }

    /// Marks a row as the first of a table.
    pub fn mark_table(&mut self, row: u32) {
        self.first_rows.insert(row);
    }

    /// Writes the sheet as a page, unless it is empty.
    pub fn write_page(self, sections: &mut Sections) {
        if !self.rows.is_empty() {
            self.write_rows(sections);
            sections.end_page();
        }
    }

    /// Whether it has no text.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the rows, without empty columns.
    pub fn write_rows(mut self, sections: &mut Sections) {
        self.sort();
        self.spread_merged();
        self.write_hidden_marks();
        if let Some(name) = &self.name {
            sections.set_location(Some(quote_sheet_name(name)));
            let mark = if self.is_hidden {
                " [hidden sheet]"
            } else {
                ""
            };
            sections.push_block(BlockKind::Heading(1), &format!("{name}{mark}"));
        }
        let columns = self.columns();
        for (row, draft) in self.drafts(&columns) {
            let cells = self.rows.binary_search_by_key(&row, |(row, _)| *row);
            let cells = cells.ok().and_then(|index| self.rows.get(index));
            let cells = cells.map_or(&[][..], |(_, cells)| cells.as_slice());
            sections.set_location(cell_range(self.name.as_deref(), row, cells));
            sections.push_row(&draft);
        }
        sections.set_location(None);
    }

    /// The columns that have text, without those that only the span of a merged cell covers.
    fn columns(&self) -> Vec<u32> {
        let all = self.rows.iter().flat_map(|(_, cells)| cells);
        let columns: BTreeSet<u32> = all.map(|cell| cell.column).collect();
        columns.into_iter().collect()
    }

    /// Writes the text of merged cells into each row that they cover and that has other text.
    fn spread_merged(&mut self) {
        let own: usize = self
            .rows
            .iter()
            .flat_map(|(_, cells)| cells)
            .map(|c| c.text.len())
            .sum();
        let mut budget = MAX_REPEATED_BYTES.min((64 << 10) + own.saturating_mul(REPEATED_FACTOR));
        for merged in std::mem::take(&mut self.merged) {
            let Ok(top) = self.rows.binary_search_by_key(&merged.top, |(row, _)| *row) else {
                continue;
            };
            let Some((_, cells)) = self.rows.get_mut(top) else {
                continue;
            };
            let Some(first) = cells.iter_mut().find(|cell| cell.column == merged.left) else {
                continue;
            };
            first.span = merged.right.saturating_sub(merged.left).saturating_add(1);
            let label = first.clone();
            for (row, cells) in self.rows.iter_mut().skip(top + 1) {
                if *row > merged.bottom || label.text.len() > budget.min(MAX_REPEATED_TEXT) {
                    break;
                }
                let at = cells.partition_point(|cell| cell.column < merged.left);
                // What a merged cell hides is not shown.
                cells.retain(|cell| cell.column < merged.left || cell.column > merged.right);
                if !cells.is_empty() {
                    budget -= label.text.len();
                    cells.insert(at.min(cells.len()), label.clone());
                }
            }
        }
    }

    /// The rows as rows of tables. A row without text above a row that names columns ends a table.
    fn drafts(&self, columns: &[u32]) -> Vec<(u32, RowDraft)> {
        let mut tables: Vec<Vec<(u32, RowDraft)>> = Vec::new();
        let mut last: Option<u32> = None;
        for (row, cells) in self.rows.iter().filter(|(_, cells)| !cells.is_empty()) {
            let mut draft = align_to_columns(columns, cells);
            draft.is_header = self.header_rows.contains(row);
            let gap = last.is_none_or(|last| row - last > 1);
            last = Some(*row);
            match tables.last_mut() {
                Some(table) if !gap && !self.first_rows.contains(row) => table.push((*row, draft)),
                _ => tables.push(vec![(*row, draft)]),
            }
        }
        let mut found: Vec<(u32, RowDraft)> = Vec::new();
        for table in tables {
            let is_bold: Vec<bool> = table
                .iter()
                .map(|(row, _)| !self.plain_rows.contains(row))
                .collect();
            let is_bold = if self.plain_rows.is_empty() {
                Vec::new()
            } else {
                is_bold
            };
            let (numbers, mut drafts): (Vec<u32>, Vec<RowDraft>) = table.into_iter().unzip();
            finish_table(&mut drafts, &is_bold);
            // Rows below a gap continue the table above, unless they have names of their own.
            let named = drafts.iter().any(|draft| draft.is_header);
            let declared = numbers
                .first()
                .is_some_and(|row| self.first_rows.contains(row));
            let starts = found.is_empty() || named || declared || is_title(&drafts);
            if let Some(first) = drafts.first_mut() {
                first.starts_table = starts;
            }
            found.extend(numbers.into_iter().zip(drafts));
        }
        found
    }
}

/// Whether a part of a sheet is a line of text rather than rows of a table.
fn is_title(drafts: &[RowDraft]) -> bool {
    drafts.iter().all(|draft| draft.cells.len() == 1)
}

/// The cells of a row in the columns that have text.
fn align_to_columns(columns: &[u32], cells: &[SheetCell]) -> RowDraft {
    let aligned = columns.len() <= MAX_ALIGNED_COLUMNS;
    let found = cells.iter().enumerate().map(|(index, cell)| {
        let start = columns.partition_point(|column| *column < cell.column);
        let end = cell.column.saturating_add(cell.span);
        let end = columns.partition_point(|column| *column < end);
        CellDraft {
            text: cell.text.clone(),
            column: if aligned { start } else { index },
            span: if aligned { (end - start).max(1) } else { 1 },
        }
    });
    RowDraft {
        cells: found.collect(),
        ..RowDraft::default()
    }
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

/// The name of a cell: `B3` for column 1 and row 2.
pub fn cell_reference(column: u32, row: u32) -> String {
    format!("{}{}", column_letters(column), u64::from(row) + 1)
}

fn shorten_name(name: &str) -> String {
    normalize_whitespace(name)
        .chars()
        .take(MAX_NAME_CHARS)
        .collect()
}

/// Quotes a sheet's name as formulas do.
pub fn quote_sheet_name(name: &str) -> String {
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
