//! Builds blocks from the elements of a word processor's file: paragraphs, rows of tables, and
//! floats (boxes and notes), which follow the paragraph that contains them.

use super::sections::{Sections, join_cells, normalize_whitespace};
use crate::formats::Failure;
use cloister_domain::BlockKind;

/// Maximum nesting depth of tables, cells and floats.
const MAX_DEPTH: usize = 400;
/// Maximum number of columns that a cell spans.
const MAX_SPAN: usize = 64;

/// A finished block.
#[derive(Clone, Debug, PartialEq)]
pub enum BuiltBlock {
    /// Text of one kind.
    Block(BlockKind, String),
    /// A row of a table.
    Row(Vec<String>),
}

impl BuiltBlock {
    const fn is_heading(&self) -> bool {
        matches!(self, Self::Block(BlockKind::Heading(_), _))
    }

    /// Its text.
    pub fn into_text(self) -> String {
        match self {
            Self::Block(_, text) => text,
            Self::Row(cells) => join_cells(&cells),
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

#[derive(Debug, Default)]
struct TableCell {
    items: Vec<BuiltBlock>,
    span: usize,
}

impl TableCell {
    /// Whether the cell contains a table, or a heading and other blocks.
    fn is_layout(&self) -> bool {
        let has_table = self.items.iter().any(|i| matches!(i, BuiltBlock::Row(_)));
        has_table || self.items.len() > 1 && self.items.iter().any(BuiltBlock::is_heading)
    }
}

#[derive(Debug, Default)]
struct TableContent {
    /// Blocks outside the cells, such as a caption.
    before: Vec<BuiltBlock>,
    rows: Vec<Vec<TableCell>>,
}

/// A container that the following text belongs to.
#[derive(Debug)]
enum OpenContainer {
    Table(TableContent),
    Cell(TableCell),
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
        let text = normalize_whitespace(&text);
        if !text.is_empty() {
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
            table.rows.push(Vec::new());
        }
    }

    /// Discards the last row.
    pub fn drop_row(&mut self) {
        if let Some(OpenContainer::Table(table)) = self.containers.last_mut() {
            table.rows.pop();
        }
    }

    /// Starts a cell that spans this many columns.
    pub fn open_cell(&mut self, span: usize) -> Result<(), Failure> {
        self.end_paragraph();
        let items = Vec::new();
        self.enter(OpenContainer::Cell(TableCell { items, span }))
    }

    /// Sets the number of columns that the open cell spans.
    pub fn set_span(&mut self, columns: usize) {
        if let Some(OpenContainer::Cell(cell)) = self.containers.last_mut() {
            cell.span = columns;
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
            match table.rows.last_mut() {
                Some(row) => row.push(cell),
                None => table.rows.push(vec![cell]),
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
            for item in table_items(table) {
                self.emit(item);
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
                OpenContainer::Cell(TableCell { items, .. }) | OpenContainer::Float { items, .. },
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
        BuiltBlock::Row(cells) => sections.push_row(&cells),
    }
}

/// The blocks of a table. A table is used for layout if it contains other tables, or a heading with
/// other text in one cell, or has only one column. The cells of such a table are read one after
/// another.
fn table_items(table: TableContent) -> Vec<BuiltBlock> {
    let TableContent { mut before, rows } = table;
    let widest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let is_layout = widest < 2 || rows.iter().flatten().any(TableCell::is_layout);
    for row in rows {
        if is_layout {
            before.extend(row.into_iter().flat_map(|cell| cell.items));
        } else {
            let texts = row.into_iter().flat_map(columns).collect();
            before.push(BuiltBlock::Row(texts));
        }
    }
    before
}

/// The text of a cell, followed by an empty string for each further column that it spans.
fn columns(cell: TableCell) -> impl Iterator<Item = String> {
    let texts: Vec<String> = cell.items.into_iter().map(BuiltBlock::into_text).collect();
    let covered = cell.span.clamp(1, MAX_SPAN) - 1;
    std::iter::once(texts.join(" ")).chain(std::iter::repeat_n(String::new(), covered))
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
            builder.open_cell(1)?;
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
                builder.open_cell(1)?;
                builder.push_text("Outside");
                builder.open_table()?;
                cells(builder, &["a", "b"])?;
                builder.close_table();
                builder.close_cell();
                builder.open_cell(1)?;
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
