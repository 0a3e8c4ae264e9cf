//! A table under construction: its cells with their texts become rows, also if some cells contain
//! tables of their own, and if the format gives positions in place of columns.

use super::block_builder::BuiltBlock;
use super::tables::{CellDraft, RowDraft, SpannedCell, SpannedRow, is_number, lay_out};
use super::whitespace::normalize_whitespace;

/// A cell of a table of data is at most this long, in bytes, if other cells contain tables.
const MAX_PLAIN_BYTES: usize = 300;
/// A longer label is not repeated in each row of an inner table.
const MAX_LABEL_BYTES: usize = 200;

/// The shape of a cell, as its format gives it.
#[derive(Clone, Copy, Debug, Default)]
pub struct CellShape {
    /// The number of columns that it covers; 0 means 1.
    pub columns: usize,
    /// The number of rows that it covers; 0 means 1.
    pub rows: usize,
    /// Its column, if the format gives it.
    pub column: Option<usize>,
    /// Whether it continues the cell above it.
    pub continues_above: bool,
    /// Whether it names columns.
    pub is_header: bool,
}

/// Where a cell is, in formats whose cells have positions in place of columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct CellPlacement {
    /// Its right edge, in twips.
    pub edge: i32,
    /// Whether it continues the cell above it.
    pub continues_above: bool,
    /// Whether it continues the cell to its left.
    pub continues_left: bool,
}

/// A cell under construction.
#[derive(Debug, Default)]
pub(super) struct OpenCell {
    pub items: Vec<BuiltBlock>,
    pub shape: CellShape,
    /// Letters of its text, and those of them that are bold.
    pub letters: usize,
    pub bold_letters: usize,
}

impl OpenCell {
    fn has_table(&self) -> bool {
        self.items.iter().any(|i| matches!(i, BuiltBlock::Row(_)))
    }

    /// Whether the cell contains a heading and other blocks.
    fn has_section(&self) -> bool {
        self.items.len() > 1 && self.items.iter().any(BuiltBlock::is_heading)
    }

    /// Whether the cell is a short text.
    fn is_plain(&self) -> bool {
        !self.items.is_empty()
            && self.items.iter().all(|item| match item {
                BuiltBlock::Block(_, text) => text.len() <= MAX_PLAIN_BYTES,
                BuiltBlock::Row(_) => false,
            })
    }

    fn into_spanned(self) -> SpannedCell {
        let CellShape {
            columns,
            rows,
            column,
            continues_above,
            is_header,
        } = self.shape;
        let texts: Vec<String> = self.items.into_iter().map(BuiltBlock::into_text).collect();
        SpannedCell {
            text: texts.join(" "),
            columns,
            rows,
            column,
            continues_above,
            is_header,
            is_bold: self.letters > 0 && self.bold_letters == self.letters,
        }
    }
}

/// A row under construction.
#[derive(Debug, Default)]
pub(super) struct OpenRow {
    pub cells: Vec<OpenCell>,
    pub is_header: bool,
    pub group: usize,
    /// The positions of its cells, if the format gives positions in place of columns.
    pub placements: Vec<CellPlacement>,
}

/// A table under construction.
#[derive(Debug, Default)]
pub(super) struct TableContent {
    /// Blocks outside the cells, such as a caption.
    pub before: Vec<BuiltBlock>,
    pub rows: Vec<OpenRow>,
    pub group: usize,
    /// Whether the format says that the first row names the columns.
    pub has_header: bool,
}

/// The blocks of a table. A table is used for layout if it has a heading with other text in one cell,
/// or only one column, or mostly rows with other tables. The cells of such a table are read one after
/// another.
pub(super) fn table_items(table: TableContent, lost: &mut usize) -> Vec<BuiltBlock> {
    let TableContent {
        mut before,
        mut rows,
        has_header,
        ..
    } = table;
    place_by_edges(&mut rows);
    let widest = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    let cells = || rows.iter().flat_map(|row| &row.cells);
    let has_tables = cells().any(OpenCell::has_table);
    if widest < 2 || cells().any(OpenCell::has_section) || has_tables && !is_data(&rows) {
        let cells = rows.into_iter().flat_map(|row| row.cells);
        before.extend(cells.flat_map(|cell| cell.items));
        return before;
    }
    if has_header
        && !rows.iter().any(|row| row.is_header)
        && let Some(first) = rows.first_mut()
    {
        let mut texts = first.cells.iter().flat_map(|cell| &cell.items);
        first.is_header = !texts.any(|item| match item {
            BuiltBlock::Block(_, text) => is_number(text),
            BuiltBlock::Row(_) => false,
        });
    }
    if has_tables {
        before.extend(nested_items(rows, lost));
        return before;
    }
    let rows = rows.into_iter().map(into_spanned);
    before.extend(
        lay_out(rows.collect(), lost)
            .into_iter()
            .map(BuiltBlock::Row),
    );
    before
}

impl OpenRow {
    fn has_table(&self) -> bool {
        self.cells.iter().any(OpenCell::has_table)
    }

    /// Whether the row has several short texts and no table inside.
    fn is_plain(&self) -> bool {
        let plain = self.cells.iter().filter(|cell| cell.is_plain()).count();
        plain > 1 && !self.has_table()
    }
}

fn into_spanned(row: OpenRow) -> SpannedRow {
    SpannedRow {
        is_header: row.is_header,
        group: row.group,
        cells: row.cells.into_iter().map(OpenCell::into_spanned).collect(),
    }
}

/// Whether a table with other tables inside is one of data: most rows have several short texts.
fn is_data(rows: &[OpenRow]) -> bool {
    let nested = rows.iter().filter(|row| row.has_table()).count();
    let plain = rows.iter().filter(|row| row.is_plain()).count();
    plain >= nested
}

/// The rows of a table with other tables inside. Each inner row begins with the label of the row that
/// it is in. After an inner table, the names of the columns stand again.
fn nested_items(rows: Vec<OpenRow>, lost: &mut usize) -> Vec<BuiltBlock> {
    let mut found = Vec::new();
    let mut open: Vec<SpannedRow> = Vec::new();
    let mut header: Vec<RowDraft> = Vec::new();
    for row in rows {
        if row.cells.iter().any(OpenCell::has_table) {
            close_rows(std::mem::take(&mut open), &mut header, &mut found, lost);
            found.extend(inner_rows(row));
        } else {
            open.push(into_spanned(row));
        }
    }
    close_rows(open, &mut header, &mut found, lost);
    found
}

/// Writes the outer rows between two inner tables.
fn close_rows(
    rows: Vec<SpannedRow>,
    header: &mut Vec<RowDraft>,
    found: &mut Vec<BuiltBlock>,
    lost: &mut usize,
) {
    let mut drafts = lay_out(rows, lost);
    let named = drafts.iter().take_while(|draft| draft.is_header).count();
    if found.is_empty() {
        // The first row alone names the columns of the rows that follow the inner table.
        if let ([only], 0) = (drafts.as_mut_slice(), named) {
            only.is_header = only.cells.len() > 1;
        }
        let names = drafts.iter().take_while(|draft| draft.is_header);
        *header = names.cloned().collect();
    } else if named == 0 && !header.is_empty() && !drafts.is_empty() {
        found.extend(header.iter().cloned().map(BuiltBlock::Row));
        for draft in &mut drafts {
            draft.starts_table = false;
        }
    }
    found.extend(drafts.into_iter().map(BuiltBlock::Row));
}

/// The rows of the tables in a row, below the texts beside them.
fn inner_rows(row: OpenRow) -> Vec<BuiltBlock> {
    let (nested, plain): (Vec<OpenCell>, Vec<OpenCell>) =
        row.cells.into_iter().partition(OpenCell::has_table);
    let texts: Vec<String> = plain
        .into_iter()
        .map(|cell| cell.into_spanned().text)
        .collect();
    let label = texts.first().cloned().unwrap_or_default();
    let mut found = Vec::new();
    let beside = texts.iter().filter(|text| !text.trim().is_empty()).count();
    if beside > 1 {
        found.push(BuiltBlock::Row(RowDraft::from_texts(&texts)));
    }
    for item in nested.into_iter().flat_map(|cell| cell.items) {
        found.push(match item {
            BuiltBlock::Row(inner) => BuiltBlock::Row(with_label(inner, &label)),
            BuiltBlock::Block(..) => item,
        });
    }
    found
}

fn with_label(mut row: RowDraft, label: &str) -> RowDraft {
    let text = normalize_whitespace(label);
    if text.is_empty() || text.len() > MAX_LABEL_BYTES {
        return row;
    }
    for cell in &mut row.cells {
        cell.column += 1;
    }
    let label = CellDraft {
        text,
        column: 0,
        span: 1,
    };
    row.cells.insert(0, label);
    row
}

/// Edges that are nearer than this, in twips, are one.
const SAME_EDGE: i32 = 40;

/// Gives cells with positions their columns: an edge of any row parts two columns.
fn place_by_edges(rows: &mut [OpenRow]) {
    let placed = rows
        .iter()
        .all(|row| row.placements.len() >= row.cells.len() && !row.placements.is_empty());
    if !placed {
        return;
    }
    let mut all: Vec<i32> = rows
        .iter()
        .flat_map(|r| &r.placements)
        .map(|p| p.edge)
        .collect();
    all.sort_unstable();
    let mut edges: Vec<i32> = Vec::new();
    for edge in all {
        if edges
            .last()
            .is_none_or(|last| edge.saturating_sub(*last) > SAME_EDGE)
        {
            edges.push(edge);
        }
    }
    for row in rows {
        place_row(row, &edges);
    }
}

fn place_row(row: &mut OpenRow, edges: &[i32]) {
    let mut start = 0;
    let mut placed: Vec<OpenCell> = Vec::new();
    for (mut cell, placement) in std::mem::take(&mut row.cells)
        .into_iter()
        .zip(&row.placements)
    {
        let column = edges.partition_point(|e| e.saturating_add(SAME_EDGE) < placement.edge);
        let columns = (column + 1).saturating_sub(start).max(1);
        if let Some(left) = placed.last_mut().filter(|_| placement.continues_left) {
            left.shape.columns += columns;
            left.items.append(&mut cell.items);
        } else {
            cell.shape.column = Some(start);
            cell.shape.columns = columns;
            cell.shape.continues_above = placement.continues_above;
            placed.push(cell);
        }
        start += columns;
    }
    row.cells = placed;
}
