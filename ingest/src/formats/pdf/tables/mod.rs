//! The tables of a page: found by their lines and shaded rows, else by the alignment of their
//! cells. The lines of a cell are kept together in whatever order they were drawn.

mod areas;
mod columns;
mod groups;

use super::rows::{RowPlace, TextRow, TextRun};
use super::rules::PageRules;
use super::words::TextDirection;
use crate::formats::common::tables::{CellDraft, RowDraft, finish_table};
use areas::TableArea;
use columns::Columns;
use std::collections::BTreeSet;

/// A page with more text runs than this is read without tables.
const MAX_RUNS: usize = 6_000;
/// Left edges of columns that differ by less than this, in points, are the same.
const SAME_COLUMN: f32 = 6.0;

/// A table on a page.
#[derive(Clone, Debug)]
pub struct FoundTable {
    /// Its rows.
    pub rows: Vec<TextRow>,
    /// The left edges of its columns.
    pub lefts: Vec<f32>,
    /// Its top.
    pub top: f32,
    /// Its bottom.
    pub bottom: f32,
    /// The names of its columns, if they stand on an earlier page.
    inherited: Vec<String>,
}

impl FoundTable {
    /// Whether this table has the columns of the other.
    pub fn has_columns_of(&self, other: &Self) -> bool {
        self.lefts.len() == other.lefts.len()
            && self
                .lefts
                .iter()
                .zip(&other.lefts)
                .all(|(a, b)| (a - b).abs() < SAME_COLUMN)
    }
}

/// The tables of a page, and the other text with a placeholder for each table.
#[derive(Debug, Default)]
pub struct TableSearch {
    /// The runs outside of tables, in drawing order, and a placeholder for each table.
    pub rest: Vec<TextRun>,
    /// The tables, by the number in their placeholder.
    pub tables: Vec<FoundTable>,
}

impl TableSearch {
    /// Makes the first table of the page continue the one at the foot of the page before, if it has
    /// its columns and nothing but the page's head stands above it.
    pub fn continue_table(&mut self, above: &FoundTable, head: f32) {
        let Some(table) = self.tables.first_mut() else {
            return;
        };
        let top = table.top;
        let is_first = !self
            .rest
            .iter()
            .any(|run| run.table.is_none() && run.frame.y1 < top && run.frame.y0 > head);
        let header = table.header();
        if is_first
            && table.has_columns_of(above)
            && (header.is_empty() || header == above.header())
        {
            table.continue_above();
            if header.is_empty() {
                table.inherited = above.header();
            }
        }
    }

    /// The last table, if nothing but the page's foot stands below it.
    pub fn last_table(&self, foot: f32) -> Option<FoundTable> {
        let table = self.tables.last()?;
        let is_last = !self
            .rest
            .iter()
            .any(|run| run.table.is_none() && run.frame.y0 > table.bottom && run.frame.y1 < foot);
        is_last.then(|| table.clone())
    }
}

/// Finds the tables among these runs, which are in drawing order.
pub fn find_tables(runs: Vec<TextRun>, rules: &PageRules) -> TableSearch {
    let direction = main_direction(&runs);
    if runs.len() > MAX_RUNS || runs.len() < 4 {
        return TableSearch {
            rest: runs,
            tables: Vec::new(),
        };
    }
    let rules = rules.framed(direction);
    let mut open: Vec<Option<TextRun>> = runs.into_iter().map(Some).collect();
    let mut found: Vec<(usize, FoundTable)> = Vec::new();
    for frame in areas::ruled_frames(&rules) {
        for area in areas::areas_in(&open, frame, direction) {
            take_table(&mut open, area, &rules, &mut found);
        }
    }
    for area in areas::aligned(&open, direction) {
        take_table(&mut open, area, &rules, &mut found);
    }
    found.sort_by_key(|(first, _)| *first);
    let mut rest = Vec::new();
    let mut tables: Vec<FoundTable> = Vec::new();
    let mut found = found.into_iter().peekable();
    for (index, run) in open.into_iter().enumerate() {
        while let Some((_, table)) = found.next_if(|(first, _)| *first <= index) {
            rest.extend(placeholder(&table, tables.len(), direction));
            tables.push(table);
        }
        rest.extend(run);
    }
    for (_, table) in found {
        rest.extend(placeholder(&table, tables.len(), direction));
        tables.push(table);
    }
    mark_continued(&mut tables);
    TableSearch { rest, tables }
}

/// The direction of most text.
fn main_direction(runs: &[TextRun]) -> TextDirection {
    let all = [
        TextDirection::LeftToRight,
        TextDirection::Down,
        TextDirection::Up,
        TextDirection::UpsideDown,
    ];
    all.into_iter()
        .rev()
        .max_by_key(|d| count_words(*d, runs))
        .unwrap_or(TextDirection::LeftToRight)
}

/// The number of words in this direction.
fn count_words(direction: TextDirection, runs: &[TextRun]) -> usize {
    let of_it = runs.iter().filter(|run| run.direction == direction);
    of_it.map(|run| run.words.len()).sum::<usize>()
}

/// Takes the runs of a table out of the open ones, if they are a table.
fn take_table(
    open: &mut [Option<TextRun>],
    area: TableArea,
    rules: &PageRules,
    found: &mut Vec<(usize, FoundTable)>,
) {
    // A run belongs to one table.
    if area
        .members
        .iter()
        .any(|index| open.get(*index).is_none_or(Option::is_none))
    {
        return;
    }
    let Some(columns) = Columns::find(&area.lines, rules, area.frame) else {
        return;
    };
    let lines = area.lines.clone();
    let Some(table) = build(lines, &columns, rules, area.frame, area.is_ruled) else {
        return;
    };
    // Other names in the middle of a table begin another one, with columns of its own.
    if let Some(y) = find_second_header(&table.rows) {
        if let Some(parts) = divide(area, y, open) {
            for part in parts {
                take_table(open, part, rules, found);
            }
        }
        return;
    }
    let Some(first) = area.members.iter().min().copied() else {
        return;
    };
    for member in area.members {
        if let Some(run) = open.get_mut(member) {
            *run = None;
        }
    }
    found.push((first, table));
}

/// Divides an area at `y`; `None` if no line is above or below it.
fn divide(area: TableArea, y: f32, open: &[Option<TextRun>]) -> Option<[TableArea; 2]> {
    let TableArea {
        members,
        lines,
        frame,
        is_ruled,
    } = area;
    let (upper, lower): (Vec<_>, Vec<_>) = lines
        .into_iter()
        .partition(|line| line.first().is_some_and(|run| is_above(run, y)));
    if upper.is_empty() || lower.is_empty() {
        return None;
    }
    let (own, other) = members.into_iter().partition(|index| {
        let run = open.get(*index).and_then(Option::as_ref);
        run.is_some_and(|run| is_above(run, y))
    });
    let upper = TableArea {
        members: own,
        lines: upper,
        frame: cloister_domain::Rect { y1: y, ..frame },
        is_ruled,
    };
    let lower = TableArea {
        members: other,
        lines: lower,
        frame: cloister_domain::Rect { y0: y, ..frame },
        is_ruled,
    };
    Some([upper, lower])
}

/// Whether the middle of a run lies above `y`.
fn is_above(run: &TextRun, y: f32) -> bool {
    f32::midpoint(run.frame.y0, run.frame.y1) < y
}

/// The top of the first row below the values of a table that names columns again: it covers several
/// columns, or it is bold and the rows around it are not.
fn find_second_header(rows: &[TextRow]) -> Option<f32> {
    let first_value = rows.iter().position(has_values)?;
    let mut index = first_value + 1;
    while let Some(row) = rows.get(index) {
        let spans = row.place.as_ref().is_some_and(|p| {
            p.columns
                .iter()
                .any(|(column, span)| *column > 0 && *span > 1)
        });
        let plain_above = index
            .checked_sub(1)
            .and_then(|above| rows.get(above))
            .is_some_and(|above| !above.bold);
        let values_follow = rows.iter().skip(index + 1).take(4).any(has_values);
        let words = row.cells.len() > 1
            && !cell_texts(row)
                .iter()
                .any(|text| crate::formats::common::tables::is_number(text));
        if words && values_follow && (spans || row.bold && plain_above) {
            return Some(row.frame.y0 - 0.1);
        }
        index += 1;
    }
    None
}

/// The texts of the cells of a row.
fn cell_texts(row: &TextRow) -> Vec<String> {
    row.cells.iter().map(TextRun::text).collect()
}

/// Whether a column after the first holds a number.
fn has_values(row: &TextRow) -> bool {
    cell_texts(row)
        .iter()
        .skip(1)
        .any(|text| crate::formats::common::tables::is_number(text))
}

fn build(
    lines: Vec<Vec<TextRun>>,
    columns: &Columns,
    rules: &PageRules,
    frame: cloister_domain::Rect,
    is_ruled: bool,
) -> Option<FoundTable> {
    let placed = lines.into_iter().map(|line| columns.place(line)).collect();
    let grouping = groups::group(placed, columns, rules, frame, is_ruled);
    let mut rows: Vec<(TextRow, RowDraft)> = Vec::new();
    for cells in grouping.rows {
        rows.push(build_row(cells)?);
    }
    if rows.len() < 2 || !rows.iter().any(|(row, _)| row.cells.len() > 1) {
        return None;
    }
    let is_bold: Vec<bool> = rows
        .iter()
        .map(|(row, _)| row.bold || is_shaded(row, rules))
        .collect();
    let (mut rows, mut drafts): (Vec<TextRow>, Vec<RowDraft>) = rows.into_iter().unzip();
    mark_ruled_header(&mut drafts, grouping.header_rows);
    let lefts = remove_unused_columns(&mut drafts, &columns.lefts());
    finish_table(&mut drafts, &is_bold);
    for (row, draft) in rows.iter_mut().zip(&drafts) {
        if let Some(place) = &mut row.place {
            place.starts_table = draft.starts_table;
            place.is_header = draft.is_header;
            let cells = draft.cells.iter();
            place.columns = cells.map(|cell| (cell.column, cell.span)).collect();
        }
    }
    Some(FoundTable {
        rows,
        lefts,
        top: frame.y0,
        bottom: frame.y1,
        inherited: Vec::new(),
    })
}

/// Removes the columns in which no cell begins: a long text in the header may lie over several.
/// Returns the left edges of the others.
fn remove_unused_columns(rows: &mut [RowDraft], lefts: &[f32]) -> Vec<f32> {
    let used: BTreeSet<usize> = rows
        .iter()
        .flat_map(|row| &row.cells)
        .map(|cell| cell.column)
        .collect();
    for cell in rows.iter_mut().flat_map(|row| &mut row.cells) {
        let (start, end) = (cell.column, cell.column + cell.span);
        cell.column = used.range(..start).count();
        cell.span = used.range(start..end).count().max(1);
    }
    let edges = used.iter().filter_map(|column| lefts.get(*column));
    edges.copied().collect()
}

fn build_row(cells: Vec<columns::PlacedCell>) -> Option<(TextRow, RowDraft)> {
    let drafts = cells.iter().map(|cell| CellDraft {
        text: cell.run.text(),
        column: cell.column,
        span: cell.span,
    });
    let draft = RowDraft {
        cells: drafts.collect(),
        ..RowDraft::default()
    };
    let (runs, columns) = cells
        .into_iter()
        .map(|cell| (cell.run, (cell.column, cell.span)))
        .unzip();
    let mut row = TextRow::from_cells(runs)?;
    row.place = Some(RowPlace {
        columns,
        ..RowPlace::default()
    });
    Some((row, draft))
}

/// Rows above the first line of a table name its columns if they hold no number.
fn mark_ruled_header(rows: &mut [RowDraft], count: usize) {
    let (head, body) = rows.split_at_mut(count.min(rows.len()));
    let several = head.iter().any(|row| row.cells.len() > 1);
    let mut cells = head.iter().flat_map(|row| &row.cells);
    let has_number = cells.any(|cell| crate::formats::common::tables::is_number(&cell.text));
    if !body.is_empty() && several && !has_number {
        head.iter_mut()
            .filter(|row| row.cells.len() > 1)
            .for_each(|row| row.is_header = true);
    }
}

fn is_shaded(row: &TextRow, rules: &PageRules) -> bool {
    let (x, y) = (
        row.frame.x0 + 1.0,
        f32::midpoint(row.frame.y0, row.frame.y1),
    );
    rules
        .shaded
        .iter()
        .any(|area| area.x0 <= x && x <= area.x1 && area.y0 <= y && y <= area.y1)
}

/// A run that stands for a table in the reading order.
fn placeholder(table: &FoundTable, number: usize, direction: TextDirection) -> Option<TextRun> {
    let mut frames = table.rows.iter().map(|row| row.frame);
    let first = frames.next()?;
    Some(TextRun {
        words: Vec::new(),
        frame: frames.fold(first, cloister_domain::Rect::union),
        size: table.rows.first().map_or(10.0, |row| row.size),
        direction,
        table: Some(number),
    })
}

/// A table below another one with the same columns and without names of its own continues it.
fn mark_continued(tables: &mut [FoundTable]) {
    for index in 1..tables.len() {
        let (above, below) = tables.split_at_mut(index);
        let (Some(upper), Some(table)) = (above.last(), below.first_mut()) else {
            continue;
        };
        let near = table.top >= upper.bottom - 2.0 && table.top - upper.bottom < 60.0;
        let named = table.rows.iter().any(TextRow::is_header);
        if near && !named && table.has_columns_of(upper) {
            table.continue_above();
        }
    }
}

impl FoundTable {
    /// Makes the first row continue the table above it.
    pub fn continue_above(&mut self) {
        if let Some(place) = self.rows.first_mut().and_then(|row| row.place.as_mut()) {
            place.starts_table = false;
        }
    }

    /// The texts of the rows that name its columns.
    pub fn header(&self) -> Vec<String> {
        if !self.inherited.is_empty() {
            return self.inherited.clone();
        }
        let rows = self.rows.iter().filter(|row| row.is_header());
        rows.flat_map(|row| row.cells.iter().map(TextRun::text))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_in_which_no_cell_begins_are_removed() {
        let row = |cells: &[(&str, usize, usize)]| RowDraft {
            cells: cells
                .iter()
                .map(|(text, column, span)| CellDraft {
                    text: (*text).to_owned(),
                    column: *column,
                    span: *span,
                })
                .collect(),
            ..RowDraft::default()
        };
        let mut rows = [
            row(&[
                ("Years ended December 31", 0, 3),
                ("2022", 4, 1),
                ("Change", 5, 2),
            ]),
            row(&[("Sales", 0, 1), ("12", 4, 1), ("3", 5, 1), ("4", 6, 1)]),
        ];
        let lefts = remove_unused_columns(&mut rows, &[10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]);
        assert_eq!(lefts, [10.0, 50.0, 60.0, 70.0]);
        let places = rows.each_ref().map(|row| {
            let places = row.cells.iter().map(|cell| (cell.column, cell.span));
            places.collect::<Vec<_>>()
        });
        assert_eq!(places[0], [(0, 1), (1, 1), (2, 2)]);
        assert_eq!(places[1], [(0, 1), (1, 1), (2, 1), (3, 1)]);
    }
}
