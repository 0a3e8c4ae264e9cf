//! The open sheet of an OpenDocument spreadsheet.

use super::styles::OdfStyles;
use crate::formats::Failure;
use crate::formats::common::sections::Sections;
use crate::formats::common::sheets::Sheet;
use crate::formats::common::xml::XmlTag;

/// Maximum number of times that a repeated cell with text is written.
const MAX_REPEATS: u32 = 1_000;

/// An open sheet. Tables inside its cells are read as text of the cell.
#[derive(Debug)]
pub struct SheetState {
    /// The sheet's name.
    pub name: String,
    /// Whether the sheet is hidden, and therefore left out.
    pub hidden: bool,
    cells: Sheet,
    row: u32,
    row_repeats: u32,
    column: u32,
    column_repeats: u32,
    text: String,
    /// Number of open tables inside the current cell.
    nested_tables: usize,
}

impl SheetState {
    /// Starts a sheet.
    pub fn begin(tag: &XmlTag<'_>, styles: &OdfStyles) -> Self {
        let name = tag.attribute("table:name").unwrap_or_default();
        let style = tag.attribute("table:style-name").unwrap_or_default();
        Self {
            cells: Sheet::new(Some(&name)),
            hidden: styles.is_hidden(&style),
            name,
            row: 0,
            row_repeats: 1,
            column: 0,
            column_repeats: 1,
            text: String::new(),
            nested_tables: 0,
        }
    }

    /// Appends text to the current cell.
    pub fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Starts a table inside a cell.
    pub fn begin_nested_table(&mut self) {
        self.nested_tables += 1;
    }

    /// Ends a table. Returns whether it was inside a cell; if not, the sheet ends.
    pub fn end_nested_table(&mut self) -> bool {
        let nested = self.nested_tables > 0;
        self.nested_tables = self.nested_tables.saturating_sub(1);
        nested
    }

    /// Starts a row.
    pub fn begin_row(&mut self, tag: &XmlTag<'_>) {
        if self.nested_tables == 0 {
            let repeats = tag.parse_attribute("table:number-rows-repeated");
            self.row_repeats = repeats.unwrap_or(1);
            self.column = 0;
        }
    }

    /// Ends a row.
    pub fn end_row(&mut self) {
        if self.nested_tables == 0 {
            self.row = self.row.saturating_add(self.row_repeats);
        }
    }

    /// Starts a cell.
    pub fn begin_cell(&mut self, tag: &XmlTag<'_>) {
        if self.nested_tables == 0 {
            let repeats = tag.parse_attribute("table:number-columns-repeated");
            self.column_repeats = repeats.unwrap_or(1);
            self.text.clear();
        }
    }

    /// Ends a cell, and writes its text.
    pub fn end_cell(&mut self) -> Result<(), Failure> {
        if self.nested_tables > 0 {
            return Ok(());
        }
        if !self.text.trim().is_empty() && !self.hidden {
            for step in 0..self.column_repeats.min(MAX_REPEATS) {
                let column = self.column.saturating_add(step);
                self.cells.push_cell(self.row, column, &self.text)?;
            }
        }
        self.column = self.column.saturating_add(self.column_repeats);
        self.text.clear();
        Ok(())
    }

    /// Ends the sheet, and writes it as a page.
    pub fn finish(self, sections: &mut Sections) {
        self.cells.write_page(sections);
    }
}
