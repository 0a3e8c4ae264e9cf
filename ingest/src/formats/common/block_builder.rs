//! Builds blocks from the elements of a word processor's file: paragraphs, rows of tables, and
//! floats (boxes and notes), which follow the paragraph that contains them.

use super::scripts::{join_struck, part_notes};
use super::sections::{Sections, join_cells};
pub use super::table_content::{CellPlacement, CellShape};
use super::table_content::{OpenCell, OpenRow, TableContent, table_items};
use super::tables::RowDraft;
use super::whitespace::normalize_whitespace;
use crate::formats::Failure;
use cloister_domain::{BlockKind, LossKind};

/// Maximum nesting depth of tables, cells and floats.
const MAX_DEPTH: usize = 400;

/// A finished block.
#[derive(Clone, Debug, PartialEq)]
pub enum BuiltBlock {
    /// Text of one kind.
    Block(BlockKind, String),
    /// A row of a table.
    Row(RowDraft),
}

impl BuiltBlock {
    /// Whether it is a heading.
    pub const fn is_heading(&self) -> bool {
        matches!(self, Self::Block(BlockKind::Heading(_), _))
    }

    /// Its text.
    pub fn into_text(self) -> String {
        match self {
            Self::Block(_, text) => text,
            Self::Row(row) => join_cells(&row).0,
        }
    }
}

/// The paragraph under construction.
#[derive(Debug, Default)]
struct OpenParagraph {
    kind: Option<BlockKind>,
    marker: String,
    text: String,
}

/// A container that the following text belongs to.
#[derive(Debug)]
enum OpenContainer {
    Table(TableContent),
    Cell(OpenCell),
    Float {
        items: Vec<BuiltBlock>,
        outer: OpenParagraph,
        /// Floats that follow the enclosing paragraph.
        pending_floats: Vec<BuiltBlock>,
    },
}

/// Builds the blocks of a document.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    /// The finished pages.
    pub sections: Sections,
    open: OpenParagraph,
    containers: Vec<OpenContainer>,
    /// Floats that will follow the open paragraph or table.
    pending_floats: Vec<BuiltBlock>,
}

impl BlockBuilder {
    /// A builder that writes into these pages.
    pub fn with_sections(sections: Sections) -> Self {
        Self {
            sections,
            ..Self::default()
        }
    }

    /// Starts a paragraph, and ends the open one.
    pub fn begin_paragraph(&mut self, kind: BlockKind) {
        self.end_paragraph();
        self.open.kind = Some(kind);
    }

    /// Sets the kind of the open paragraph.
    pub fn set_kind(&mut self, kind: BlockKind) {
        self.open.kind = Some(kind);
    }

    /// The kind of the open paragraph.
    pub fn kind(&self) -> BlockKind {
        self.open.kind.unwrap_or(BlockKind::Paragraph)
    }

    /// Sets the marker at the start of the open paragraph. A paragraph that consists only of a
    /// marker is left out.
    pub fn set_marker(&mut self, marker: &str) {
        marker.clone_into(&mut self.open.marker);
    }

    /// Whether the open paragraph has no text yet.
    pub fn is_empty(&self) -> bool {
        self.open.text.trim().is_empty()
    }

    /// Appends text to the open paragraph.
    pub fn push_text(&mut self, text: &str) {
        self.open.text.push_str(text);
    }

    /// Ends the open paragraph.
    pub fn end_paragraph(&mut self) {
        let OpenParagraph { kind, marker, text } = std::mem::take(&mut self.open);
        let text = part_notes(&join_struck(&normalize_whitespace(&text)));
        // A column of numbers is a list whose items have no text.
        let is_number = marker.chars().any(char::is_alphanumeric);
        if text.is_empty() && is_number && self.in_table() {
            self.emit(BuiltBlock::Block(BlockKind::Paragraph, marker));
        } else if !text.is_empty() {
            let kind = kind.unwrap_or(BlockKind::Paragraph);
            let text = if marker.is_empty() {
                text
            } else {
                format!("{marker} {text}")
            };
            self.emit(BuiltBlock::Block(kind, text));
        }
        self.flush_floats();
    }

    /// Starts a table.
    pub fn open_table(&mut self) -> Result<(), Failure> {
        self.end_paragraph();
        self.enter(OpenContainer::Table(TableContent::default()))
    }

    /// Starts a row.
    pub fn open_row(&mut self) {
        self.end_paragraph();
        if let Some(OpenContainer::Table(table)) = self.containers.last_mut() {
            let group = table.group;
            table.rows.push(OpenRow {
                group,
                ..OpenRow::default()
            });
        }
    }

    fn last_row(&mut self) -> Option<&mut OpenRow> {
        let table = self
            .containers
            .iter_mut()
            .rev()
            .find_map(|open| match open {
                OpenContainer::Table(table) => Some(table),
                OpenContainer::Cell(_) | OpenContainer::Float { .. } => None,
            });
        table.and_then(|table| table.rows.last_mut())
    }

    /// Marks the last row as one that names columns.
    pub fn mark_header_row(&mut self) {
        if let Some(row) = self.last_row() {
            row.is_header = true;
        }
    }

    /// Sets the positions of the cells of the last row.
    pub fn place_cells(&mut self, placements: Vec<CellPlacement>) {
        if let Some(row) = self.last_row() {
            row.placements = placements;
        }
    }

    /// Marks the open table as one whose first row names the columns.
    pub fn mark_header_table(&mut self) {
        if let Some(OpenContainer::Table(table)) = self.containers.last_mut() {
            table.has_header = true;
        }
    }

    /// Ends a group of rows: no cell covers rows of two groups.
    pub fn end_row_group(&mut self) {
        if let Some(OpenContainer::Table(table)) = self.containers.last_mut() {
            table.group += 1;
        }
    }

    /// Discards the last row.
    pub fn drop_row(&mut self) {
        if let Some(OpenContainer::Table(table)) = self.containers.last_mut() {
            table.rows.pop();
        }
    }

    /// Starts a cell.
    pub fn open_cell(&mut self, shape: CellShape) -> Result<(), Failure> {
        self.end_paragraph();
        let cell = OpenCell {
            shape,
            ..OpenCell::default()
        };
        self.enter(OpenContainer::Cell(cell))
    }

    /// The shape of the open cell.
    pub fn shape_mut(&mut self) -> Option<&mut CellShape> {
        if let Some(OpenContainer::Cell(cell)) = self.containers.last_mut() {
            Some(&mut cell.shape)
        } else {
            None
        }
    }

    /// Notes that the text that follows in a cell is bold, or not. Called with each text.
    pub fn note_weight(&mut self, text: &str, is_bold: bool) {
        if let Some(OpenContainer::Cell(cell)) = self.containers.last_mut() {
            let letters = text.chars().filter(|c| !c.is_whitespace()).count();
            cell.letters += letters;
            cell.bold_letters += if is_bold { letters } else { 0 };
        }
    }

    /// Ends a cell.
    pub fn close_cell(&mut self) {
        self.end_paragraph();
        let Some(OpenContainer::Cell(_)) = self.containers.last() else {
            return;
        };
        let Some(OpenContainer::Cell(cell)) = self.containers.pop() else {
            return;
        };
        if let Some(OpenContainer::Table(table)) = self.containers.last_mut() {
            if table.rows.is_empty() {
                table.rows.push(OpenRow::default());
            }
            if let Some(row) = table.rows.last_mut() {
                row.cells.push(cell);
            }
        }
    }

    /// Whether the following text is in a table.
    pub fn in_table(&self) -> bool {
        let last = self.containers.last();
        matches!(last, Some(OpenContainer::Table(_) | OpenContainer::Cell(_)))
    }

    /// Ends a table, including a cell that is still open.
    pub fn close_table(&mut self) {
        self.close_cell();
        let Some(OpenContainer::Table(_)) = self.containers.last() else {
            return;
        };
        if let Some(OpenContainer::Table(table)) = self.containers.pop() {
            let mut lost = 0;
            for item in table_items(table, &mut lost) {
                self.emit(item);
            }
            if lost > 0 {
                self.sections.lose(
                    LossKind::Cell,
                    lost,
                    "a cell that covers several rows is too long to be repeated, and stands in its first row",
                );
            }
        }
        self.flush_floats();
    }

    /// Starts a float, a box or a note. The open paragraph continues after it.
    pub fn open_float(&mut self) -> Result<(), Failure> {
        let outer = std::mem::take(&mut self.open);
        let pending_floats = std::mem::take(&mut self.pending_floats);
        let items = Vec::new();
        self.enter(OpenContainer::Float {
            items,
            outer,
            pending_floats,
        })
    }

    /// Ends a float.
    pub fn close_float(&mut self) {
        let items = self.take_float();
        self.append_float(items);
    }

    /// Appends a note as a float, and its label to the open paragraph.
    pub fn append_note(&mut self, label: &str, mut items: Vec<BuiltBlock>) {
        if let Some(BuiltBlock::Block(_, text)) = items.first_mut() {
            text.insert_str(0, &format!("[{label}] "));
        }
        if !items.is_empty() {
            self.push_text(&format!(" [{label}]"));
        }
        self.append_float(items);
    }

    /// Appends finished blocks as a float.
    pub fn append_float(&mut self, items: Vec<BuiltBlock>) {
        self.pending_floats.extend(items);
        if self.open.text.is_empty() {
            self.flush_floats();
        }
    }

    /// Ends a float and returns its blocks.
    pub fn take_float(&mut self) -> Vec<BuiltBlock> {
        while self.in_table() {
            self.close_cell();
            self.close_table();
        }
        self.end_paragraph();
        match self.containers.pop() {
            Some(OpenContainer::Float {
                items,
                outer,
                pending_floats,
            }) => {
                self.open = outer;
                self.pending_floats = pending_floats;
                items
            }
            other => {
                self.containers.extend(other);
                Vec::new()
            }
        }
    }

    fn enter(&mut self, level: OpenContainer) -> Result<(), Failure> {
        if self.containers.len() >= MAX_DEPTH {
            return Err(Failure::damaged("its tables are nested too deeply"));
        }
        self.containers.push(level);
        Ok(())
    }

    fn emit(&mut self, item: BuiltBlock) {
        match self.containers.last_mut() {
            Some(
                OpenContainer::Cell(OpenCell { items, .. }) | OpenContainer::Float { items, .. },
            ) => items.push(item),
            Some(OpenContainer::Table(table)) => table.before.push(item),
            None => write_block(&mut self.sections, item),
        }
    }

    /// Writes the pending floats after the end of a paragraph or table.
    fn flush_floats(&mut self) {
        if !self.in_table() && !self.pending_floats.is_empty() {
            for item in std::mem::take(&mut self.pending_floats) {
                self.emit(item);
            }
        }
    }

    /// Ends everything that is open, and returns the pages.
    pub fn finish(mut self) -> Sections {
        while !self.containers.is_empty() {
            let before = self.containers.len();
            self.close_table();
            if self.containers.len() == before {
                self.close_float();
            }
        }
        self.end_paragraph();
        self.sections
    }
}

/// Writes finished blocks onto the open page.
pub fn write_blocks(sections: &mut Sections, blocks: Vec<BuiltBlock>) {
    for block in blocks {
        write_block(sections, block);
    }
}

fn write_block(sections: &mut Sections, block: BuiltBlock) {
    match block {
        BuiltBlock::Block(kind, text) => sections.push_block(kind, &text),
        BuiltBlock::Row(row) => sections.push_row(&row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl FnOnce(&mut BlockBuilder) -> Result<(), Failure>, expected: &[&str]) {
        let mut builder = BlockBuilder::default();
        assert!(write(&mut builder).is_ok());
        let pages = builder.finish().finish();
        let text: Vec<String> = pages.into_iter().map(|f| f.page.content.text).collect();
        assert_eq!(text.join("\n"), expected.join("\n"));
    }

    fn cells(builder: &mut BlockBuilder, row: &[&str]) -> Result<(), Failure> {
        builder.open_row();
        for cell in row {
            builder.open_cell(CellShape::default())?;
            builder.push_text(cell);
            builder.close_cell();
        }
        Ok(())
    }

    #[test]
    fn boxes_and_notes_follow_their_paragraph() {
        check(
            |builder| {
                builder.begin_paragraph(BlockKind::Paragraph);
                builder.push_text("Before");
                builder.open_float()?;
                builder.push_text("Box");
                builder.close_float();
                builder.open_float()?;
                builder.push_text("Note");
                let note = builder.take_float();
                builder.append_note("1", note);
                builder.push_text(" after.");
                builder.end_paragraph();
                Ok(())
            },
            &["Before [1] after.", "Box", "[1] Note"],
        );
    }

    #[test]
    fn a_table_for_layout_is_read_cell_by_cell() {
        check(
            |builder| {
                builder.open_table()?;
                cells(builder, &["Day", "Hours"])?;
                cells(builder, &["", "9 to 5"])?;
                builder.close_table();
                builder.open_table()?;
                builder.open_row();
                builder.open_cell(CellShape::default())?;
                builder.push_text("Outside");
                builder.open_table()?;
                cells(builder, &["a", "b"])?;
                builder.close_table();
                builder.close_cell();
                builder.open_cell(CellShape::default())?;
                builder.push_text("Beside");
                builder.close_table();
                builder.open_table()?;
                cells(builder, &["A box."])?;
                builder.close_table();
                Ok(())
            },
            &[
                "Day | Hours",
                " | 9 to 5",
                "Outside",
                "a | b",
                "Beside",
                "A box.",
            ],
        );
    }
}
