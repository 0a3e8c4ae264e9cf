//! What word processors write, one piece after the other, becomes blocks: paragraphs, rows of
//! tables, and what stands beside the text (boxes, notes), which follows it.

use super::Failure;
use super::archive::damaged;
use super::sections::{Sections, plain_spaces, row_text};
use cloister_domain::BlockKind;

/// Tables, cells and boxes nest this deep at most.
const DEEPEST: usize = 400;
/// A cell spans this many columns at most.
const WIDEST: usize = 64;

/// A finished piece.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A block of text.
    Block(BlockKind, String),
    /// A table's row.
    Row(Vec<String>),
}

impl Item {
    const fn is_heading(&self) -> bool {
        matches!(self, Self::Block(BlockKind::Heading(_), _))
    }

    /// Its text.
    pub fn into_text(self) -> String {
        match self {
            Self::Block(_, text) => text,
            Self::Row(cells) => row_text(&cells),
        }
    }
}

/// The paragraph that is being filled.
#[derive(Debug, Default)]
struct Paragraph {
    kind: Option<BlockKind>,
    marker: String,
    text: String,
}

#[derive(Debug, Default)]
struct Cell {
    items: Vec<Item>,
    span: usize,
}

#[derive(Debug, Default)]
struct Table {
    /// What stands between its cells: a caption.
    before: Vec<Item>,
    rows: Vec<Vec<Cell>>,
}

/// What encloses the text that comes.
#[derive(Debug)]
enum Level {
    Table(Table),
    Cell(Cell),
    Aside {
        items: Vec<Item>,
        outer: Paragraph,
        /// What follows the paragraph around it.
        later: Vec<Item>,
    },
}

/// Builds a document's blocks.
#[derive(Debug, Default)]
pub struct Flow {
    /// What is finished.
    pub sections: Sections,
    open: Paragraph,
    levels: Vec<Level>,
    /// What stands beside the text and follows the paragraph or table that is open.
    later: Vec<Item>,
}

impl Flow {
    /// A flow into these pages.
    pub fn into_sections(sections: Sections) -> Self {
        Self {
            sections,
            ..Self::default()
        }
    }

    /// Begins a paragraph; one that is still open ends.
    pub fn begin(&mut self, kind: BlockKind) {
        self.end();
        self.open.kind = Some(kind);
    }

    /// Says what the open paragraph is.
    pub fn set_kind(&mut self, kind: BlockKind) {
        self.open.kind = Some(kind);
    }

    /// What the open paragraph is.
    pub fn kind(&self) -> BlockKind {
        self.open.kind.unwrap_or(BlockKind::Paragraph)
    }

    /// Says what the open paragraph begins with. A paragraph of its marker alone is left out.
    pub fn set_marker(&mut self, marker: &str) {
        marker.clone_into(&mut self.open.marker);
    }

    /// Whether the open paragraph has no text yet.
    pub fn is_empty(&self) -> bool {
        self.open.text.trim().is_empty()
    }

    /// Adds characters to the open paragraph.
    pub fn text(&mut self, text: &str) {
        self.open.text.push_str(text);
    }

    /// Ends the open paragraph.
    pub fn end(&mut self) {
        let Paragraph { kind, marker, text } = std::mem::take(&mut self.open);
        let text = plain_spaces(&text);
        if !text.is_empty() {
            let kind = kind.unwrap_or(BlockKind::Paragraph);
            let text = if marker.is_empty() {
                text
            } else {
                format!("{marker} {text}")
            };
            self.emit(Item::Block(kind, text));
        }
        self.catch_up();
    }

    /// A table begins.
    pub fn open_table(&mut self) -> Result<(), Failure> {
        self.end();
        self.enter(Level::Table(Table::default()))
    }

    /// A table's row begins.
    pub fn open_row(&mut self) {
        self.end();
        if let Some(Level::Table(table)) = self.levels.last_mut() {
            table.rows.push(Vec::new());
        }
    }

    /// The row that ended is not one.
    pub fn drop_row(&mut self) {
        if let Some(Level::Table(table)) = self.levels.last_mut() {
            table.rows.pop();
        }
    }

    /// A cell begins, which spans this many columns.
    pub fn open_cell(&mut self, span: usize) -> Result<(), Failure> {
        self.end();
        let items = Vec::new();
        self.enter(Level::Cell(Cell { items, span }))
    }

    /// Says how many columns the open cell spans.
    pub fn set_span(&mut self, columns: usize) {
        if let Some(Level::Cell(cell)) = self.levels.last_mut() {
            cell.span = columns;
        }
    }

    /// A cell ends.
    pub fn close_cell(&mut self) {
        self.end();
        let Some(Level::Cell(_)) = self.levels.last() else {
            return;
        };
        let Some(Level::Cell(cell)) = self.levels.pop() else {
            return;
        };
        if let Some(Level::Table(table)) = self.levels.last_mut() {
            match table.rows.last_mut() {
                Some(row) => row.push(cell),
                None => table.rows.push(vec![cell]),
            }
        }
    }

    /// Whether the text that comes stands in a table.
    pub fn in_table(&self) -> bool {
        let last = self.levels.last();
        matches!(last, Some(Level::Table(_) | Level::Cell(_)))
    }

    /// A table ends, and a cell of it that is still open.
    pub fn close_table(&mut self) {
        self.close_cell();
        let Some(Level::Table(_)) = self.levels.last() else {
            return;
        };
        if let Some(Level::Table(table)) = self.levels.pop() {
            for item in table_items(table) {
                self.emit(item);
            }
        }
        self.catch_up();
    }

    /// A box or a note begins, in the middle of a paragraph, which goes on after it.
    pub fn open_aside(&mut self) -> Result<(), Failure> {
        let outer = std::mem::take(&mut self.open);
        let later = std::mem::take(&mut self.later);
        let items = Vec::new();
        self.enter(Level::Aside {
            items,
            outer,
            later,
        })
    }

    /// A box ends.
    pub fn close_aside(&mut self) {
        let items = self.take_aside();
        self.put_beside(items);
    }

    /// A note ends, which the text calls by this label.
    pub fn close_note(&mut self, label: &str) {
        let items = self.take_aside();
        self.note(label, items);
    }

    /// Puts a note beside the text, and its label into the text.
    pub fn note(&mut self, label: &str, mut items: Vec<Item>) {
        if let Some(Item::Block(_, text)) = items.first_mut() {
            text.insert_str(0, &format!("[{label}] "));
        }
        if !items.is_empty() {
            self.text(&format!(" [{label}]"));
        }
        self.put_beside(items);
    }

    /// Puts finished pieces beside the text.
    pub fn put_beside(&mut self, items: Vec<Item>) {
        self.later.extend(items);
        if self.open.text.is_empty() {
            self.catch_up();
        }
    }

    /// Ends a box or a note, and hands over what stood in it.
    pub fn take_aside(&mut self) -> Vec<Item> {
        while self.in_table() {
            self.close_cell();
            self.close_table();
        }
        self.end();
        match self.levels.pop() {
            Some(Level::Aside {
                items,
                outer,
                later,
            }) => {
                self.open = outer;
                self.later = later;
                items
            }
            other => {
                self.levels.extend(other);
                Vec::new()
            }
        }
    }

    fn enter(&mut self, level: Level) -> Result<(), Failure> {
        if self.levels.len() >= DEEPEST {
            return Err(damaged("its tables are nested too deeply"));
        }
        self.levels.push(level);
        Ok(())
    }

    fn emit(&mut self, item: Item) {
        match self.levels.last_mut() {
            Some(Level::Cell(Cell { items, .. }) | Level::Aside { items, .. }) => items.push(item),
            Some(Level::Table(table)) => table.before.push(item),
            None => match item {
                Item::Block(kind, text) => self.sections.push(kind, &text),
                Item::Row(cells) => self.sections.row(&cells),
            },
        }
    }

    /// What waited for the end of a paragraph or a table.
    fn catch_up(&mut self) {
        if !self.in_table() && !self.later.is_empty() {
            for item in std::mem::take(&mut self.later) {
                self.emit(item);
            }
        }
    }

    /// The pages, or what was collected beside them.
    pub fn finish(mut self) -> Sections {
        while !self.levels.is_empty() {
            let before = self.levels.len();
            self.close_table();
            if self.levels.len() == before {
                self.close_aside();
            }
        }
        self.end();
        self.sections
    }
}

/// A table's pieces. One with other tables in it, with headings and what stands under them in one
/// cell, or with one column, is there to put things in their place; its cells are read one after
/// the other.
fn table_items(table: Table) -> Vec<Item> {
    let Table { mut before, rows } = table;
    let widest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let arranges = |cell: &Cell| {
        let has_table = cell.items.iter().any(|i| matches!(i, Item::Row(_)));
        has_table || cell.items.len() > 1 && cell.items.iter().any(Item::is_heading)
    };
    let is_layout = widest < 2 || rows.iter().flatten().any(arranges);
    if is_layout {
        let cells = rows.into_iter().flatten();
        before.extend(cells.flat_map(|cell| cell.items));
    } else {
        let row = |row: Vec<Cell>| Item::Row(row.into_iter().flat_map(columns).collect());
        before.extend(rows.into_iter().map(row));
    }
    before
}

/// A cell's text, and the empty columns that it covers.
fn columns(cell: Cell) -> impl Iterator<Item = String> {
    let texts: Vec<String> = cell.items.into_iter().map(Item::into_text).collect();
    let covered = cell.span.clamp(1, WIDEST) - 1;
    std::iter::once(texts.join(" ")).chain(std::iter::repeat_n(String::new(), covered))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl FnOnce(&mut Flow) -> Result<(), Failure>, expected: &[&str]) {
        let mut flow = Flow::default();
        assert!(write(&mut flow).is_ok());
        let pages = flow.finish().finish();
        let text: Vec<String> = pages.into_iter().map(|f| f.page.content.text).collect();
        assert_eq!(text.join("\n"), expected.join("\n"));
    }

    fn cells(flow: &mut Flow, row: &[&str]) -> Result<(), Failure> {
        flow.open_row();
        for cell in row {
            flow.open_cell(1)?;
            flow.text(cell);
            flow.close_cell();
        }
        Ok(())
    }

    #[test]
    fn boxes_and_notes_follow_the_paragraph_they_stand_in() {
        check(
            |flow| {
                flow.begin(BlockKind::Paragraph);
                flow.text("Before");
                flow.open_aside()?;
                flow.text("Box");
                flow.close_aside();
                flow.open_aside()?;
                flow.text("Note");
                flow.close_note("1");
                flow.text(" after.");
                flow.end();
                Ok(())
            },
            &["Before [1] after.", "Box", "[1] Note"],
        );
    }

    #[test]
    fn a_table_for_layout_is_read_cell_by_cell() {
        check(
            |flow| {
                flow.open_table()?;
                cells(flow, &["Day", "Hours"])?;
                cells(flow, &["", "9 to 5"])?;
                flow.close_table();
                flow.open_table()?;
                flow.open_row();
                flow.open_cell(1)?;
                flow.text("Outside");
                flow.open_table()?;
                cells(flow, &["a", "b"])?;
                flow.close_table();
                flow.close_cell();
                flow.open_cell(1)?;
                flow.text("Beside");
                flow.close_table();
                flow.open_table()?;
                cells(flow, &["A box."])?;
                flow.close_table();
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
