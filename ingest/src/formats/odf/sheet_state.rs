//! The open sheet of an OpenDocument spreadsheet.

use crate::formats::Failure;
use crate::formats::common::block_builder::{BuiltBlock, write_blocks};
use crate::formats::common::scripts::{STRUCK_OPEN, write_struck};
use crate::formats::common::sections::Sections;
use crate::formats::common::sheets::{MergedCells, Sheet, cell_reference, quote_sheet_name};
use crate::formats::common::whitespace::normalize_whitespace;
use crate::formats::common::xml::XmlTag;
use crate::formats::excel::format_general;
use crate::limits::HiddenCells;
use cloister_domain::BlockKind;

/// Maximum number of times that a repeated cell with text is written.
const MAX_REPEATS: u32 = 1_000;
/// Maximum number of blocks beside the cells of a sheet.
const MAX_BESIDE: usize = 20_000;

/// An open sheet. Tables inside its cells are read as text of the cell.
#[derive(Debug)]
pub struct SheetState {
    /// The sheet's name.
    pub name: String,
    /// Whether the sheet is left out because it is hidden.
    pub hidden: bool,
    policy: HiddenCells,
    /// The column of the next definition of a column.
    defined_columns: u32,
    cells: Sheet,
    row: u32,
    row_repeats: u32,
    column: u32,
    column_repeats: u32,
    text: String,
    /// Whether the style of the current cell strikes its text out.
    is_struck: bool,
    /// Number of open tables inside the current cell.
    nested_tables: usize,
    /// The date of the current cell, and its formula if it has no value.
    date: Option<String>,
    formula: Option<String>,
    /// The value of the current cell.
    value: Option<String>,
    /// The number of formulas without a value.
    pub formulas: usize,
    /// The open text beside the cells, and the finished blocks beside them, with their places.
    beside: String,
    blocks: Vec<(Option<String>, BuiltBlock)>,
}

impl SheetState {
    /// Starts a sheet.
    pub fn begin(tag: &XmlTag<'_>, is_hidden: bool, policy: HiddenCells) -> Self {
        let name = tag.attribute("table:name").unwrap_or_default();
        let mut cells = Sheet::new(Some(&name));
        if is_hidden {
            cells.mark_hidden();
        }
        Self {
            cells,
            hidden: is_hidden && policy == HiddenCells::LeaveOut,
            policy,
            defined_columns: 0,
            name,
            row: 0,
            row_repeats: 1,
            column: 0,
            column_repeats: 1,
            text: String::new(),
            is_struck: false,
            nested_tables: 0,
            date: None,
            formula: None,
            value: None,
            formulas: 0,
            beside: String::new(),
            blocks: Vec::new(),
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

    /// Reads the definition of columns.
    pub fn define_columns(&mut self, tag: &XmlTag<'_>) {
        let repeats: u32 = tag
            .parse_attribute("table:number-columns-repeated")
            .unwrap_or(1);
        let next = self.defined_columns.saturating_add(repeats.max(1));
        if is_collapsed(tag) {
            self.cells
                .mark_hidden_columns(self.defined_columns, next - 1);
        }
        self.defined_columns = next;
    }

    /// Starts a row.
    pub fn begin_row(&mut self, tag: &XmlTag<'_>, is_header: bool) {
        if self.nested_tables == 0 {
            if is_header {
                self.cells.mark_header(self.row);
            }
            if is_collapsed(tag) {
                self.cells.mark_hidden_row(self.row);
            }
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
    pub fn begin_cell(&mut self, tag: &XmlTag<'_>, is_struck: bool) {
        if self.nested_tables == 0 {
            self.is_struck = is_struck;
            let repeats = tag.parse_attribute("table:number-columns-repeated");
            self.column_repeats = repeats.unwrap_or(1);
            let columns = tag
                .parse_attribute("table:number-columns-spanned")
                .unwrap_or(1_u32);
            let rows = tag
                .parse_attribute("table:number-rows-spanned")
                .unwrap_or(1_u32);
            self.cells.merge(MergedCells {
                top: self.row,
                left: self.column,
                bottom: self.row.saturating_add(rows.max(1) - 1),
                right: self.column.saturating_add(columns.max(1) - 1),
            });
            self.text.clear();
            let is_date = tag
                .attribute("office:value-type")
                .is_some_and(|kind| kind == "date");
            self.date = tag.attribute("office:date-value").filter(|_| is_date);
            self.value = value_without_text(tag);
            let has_value = self.value.is_some();
            self.formula = tag.attribute("table:formula").filter(|_| !has_value);
        }
    }

    /// Ends a cell, and writes its text.
    pub fn end_cell(&mut self) -> Result<(), Failure> {
        if self.nested_tables > 0 {
            return Ok(());
        }
        // Programs that write no displayed text leave the value alone.
        if let Some(value) = self.value.take().filter(|_| self.text.trim().is_empty()) {
            self.text = value;
        }
        // Countries read a day and a month in numbers differently.
        if let Some(date) = self.date.take().filter(|_| is_ambiguous_date(&self.text)) {
            self.text = date.replace('T', " ");
        }
        if let Some(formula) = self
            .formula
            .take()
            .filter(|_| self.text.trim().is_empty() && !self.hidden)
        {
            let formula = formula
                .split_once('=')
                .map_or(formula.as_str(), |(_, rest)| rest);
            self.text = format!("={}", plain_references(formula));
            self.formulas += 1;
        }
        if self.is_struck && !self.text.contains(STRUCK_OPEN) {
            self.text = write_struck(self.text.trim());
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

    /// Starts text beside the cells: a remark, or boxes.
    pub fn begin_beside(&mut self) {
        self.beside.clear();
    }

    /// Appends text beside the cells.
    pub fn push_beside(&mut self, text: &str) {
        self.beside.push_str(text);
    }

    /// Ends a paragraph of a box.
    pub fn end_paragraph_beside(&mut self) {
        let text = normalize_whitespace(&std::mem::take(&mut self.beside));
        self.add_beside(None, text);
    }

    /// Ends the boxes.
    pub fn end_shapes(&mut self) {
        self.end_paragraph_beside();
    }

    /// Ends a remark on the current cell.
    pub fn end_comment(&mut self) {
        let text = normalize_whitespace(&std::mem::take(&mut self.beside));
        if !text.is_empty() {
            let cell = cell_reference(self.column, self.row);
            self.add_beside(Some(cell.clone()), format!("Remark on {cell}: {text}"));
        }
    }

    fn add_beside(&mut self, place: Option<String>, text: String) {
        if !text.is_empty() && self.blocks.len() < MAX_BESIDE {
            self.blocks
                .push((place, BuiltBlock::Block(BlockKind::Paragraph, text)));
        }
    }

    /// Adds blocks beside the cells: a chart, or a control.
    pub fn add_blocks(&mut self, blocks: Vec<BuiltBlock>) {
        let space = MAX_BESIDE.saturating_sub(self.blocks.len());
        self.blocks
            .extend(blocks.into_iter().take(space).map(|block| (None, block)));
    }

    /// Ends the sheet, and writes it as a page.
    pub fn finish(mut self, sections: &mut Sections) {
        self.cells.apply_policy(self.policy, sections);
        if self.hidden || self.cells.is_empty() && self.blocks.is_empty() {
            return;
        }
        let quoted = quote_sheet_name(&self.name);
        if self.cells.is_empty() {
            sections.set_location(Some(quoted.clone()));
            sections.push_block(BlockKind::Heading(1), &self.name);
        }
        self.cells.write_rows(sections);
        for (place, block) in self.blocks {
            let place = place.map_or_else(|| quoted.clone(), |cell| format!("{quoted}!{cell}"));
            sections.set_location(Some(place));
            write_blocks(sections, vec![block]);
        }
        sections.set_location(None);
        sections.end_page();
    }
}

/// The value of a cell, for a file without its displayed text.
fn value_without_text(tag: &XmlTag<'_>) -> Option<String> {
    let names = [
        "office:value",
        "office:date-value",
        "office:time-value",
        "office:boolean-value",
        "office:string-value",
    ];
    let value = names.iter().find_map(|name| tag.attribute(name))?;
    let kind = tag.attribute("office:value-type").unwrap_or_default();
    let number: Option<f64> = value.parse().ok();
    Some(match (kind.as_str(), number) {
        ("percentage", Some(number)) => format!("{} %", format_general(number * 100.0)),
        ("currency", Some(_)) => {
            let currency = tag.attribute("office:currency").unwrap_or_default();
            format!("{value} {currency}").trim().to_owned()
        }
        ("boolean", _) => value.to_uppercase(),
        _ => value,
    })
}

/// A formula with references as programs show them: `[.A1]` is `A1`. Decimal points stay.
fn plain_references(formula: &str) -> String {
    let mut plain = String::with_capacity(formula.len());
    let mut inside = false;
    let mut last = ' ';
    for c in formula.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            '.' if inside && matches!(last, '[' | ':') => {}
            _ => plain.push(c),
        }
        last = c;
    }
    plain
}

/// Whether a row or column is hidden, or does not match a filter.
fn is_collapsed(tag: &XmlTag<'_>) -> bool {
    let visibility = tag.attribute("table:visibility");
    visibility.is_some_and(|shown| shown == "collapse" || shown == "filter")
}

/// Whether a date is numbers with slashes or hyphens between them, and not in ISO order.
fn is_ambiguous_date(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    let parts: Vec<&str> = first.split(['/', '-']).collect();
    let numbers = parts
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    parts.len() == 3 && numbers && parts.first().is_some_and(|part| part.len() < 3)
}
