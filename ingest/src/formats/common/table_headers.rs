//! Which rows of a table name its columns, by what they contain, by their style and by their labels.

use super::tables::RowDraft;

/// A name of a column is shorter than this, in characters.
const MAX_NAME_CHARS: usize = 80;
/// Maximum number of rows that name columns.
const MAX_HEADER_ROWS: usize = 6;
/// Number of rows below a header whose cells are compared with it.
const SAMPLE_ROWS: usize = 20;

/// What the text of a cell looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CellKind {
    /// Words, which may name a column.
    Words,
    /// A year.
    Year,
    /// A number with a unit or other words: `5 mg`, `0-30 days`.
    Measure,
    /// A number, an amount or a date.
    Number,
}

impl CellKind {
    fn of(text: &str) -> Self {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        let year = text.len() == 4 && (text.starts_with("19") || text.starts_with("20"));
        let begins = text.trim_start_matches(|c: char| !c.is_alphanumeric());
        match (digits, letters) {
            (4, 0) if year => Self::Year,
            (0, _) => Self::Words,
            (_, 0) => Self::Number,
            _ if begins.starts_with(|c: char| c.is_ascii_digit()) => Self::Measure,
            _ if letters <= 3 && digits >= 2 && !text.contains(' ') => Self::Measure,
            _ => Self::Words,
        }
    }
}

/// Whether a text is a number, an amount or a date, and therefore not the name of a column.
pub fn is_number(text: &str) -> bool {
    CellKind::of(text) == CellKind::Number
}

/// Marks the rows that name columns by what they contain, if the format does not say it. A title
/// in one cell may be above them.
pub fn mark_headers(rows: &mut [RowDraft], is_bold: &[bool]) {
    let columns = rows
        .iter()
        .flat_map(|row| &row.cells)
        .map(|c| c.column + c.span)
        .max();
    let columns = columns.unwrap_or(0);
    let first = rows
        .iter()
        .take(MAX_HEADER_ROWS)
        .position(|row| row.cells.len() > 1);
    let Some(first) = first.filter(|_| columns > 1) else {
        return;
    };
    let mut end = first;
    while end < rows.len() && end - first < MAX_HEADER_ROWS && may_continue(rows, first, end) {
        end += 1;
    }
    let (above, below) = rows.split_at(end);
    let stands_out = is_bold.get(first) == Some(&true)
        && !below.is_empty()
        && !(end..rows.len()).all(|row| is_bold.get(row) == Some(&true));
    let last = above.last().filter(|_| end > first);
    let found = last.is_some_and(|last| {
        !below.is_empty() && may_name_columns(last) && (stands_out || names_columns(last, below))
    });
    if found {
        for row in rows.iter_mut().take(end).skip(first) {
            row.is_header = true;
        }
    }
}

/// Whether the row at `index` may belong to a header that begins at `first`.
fn may_continue(rows: &[RowDraft], first: usize, index: usize) -> bool {
    let Some(row) = rows.get(index).filter(|row| may_name_columns(row)) else {
        return false;
    };
    let Some(upper) = index
        .checked_sub(1)
        .and_then(|n| rows.get(n))
        .filter(|_| index > first)
    else {
        return true;
    };
    let names_group = row.cells.len() == 1;
    let spans = upper
        .cells
        .iter()
        .any(|cell| cell.span > 1 && cell.column > 0);
    let label = row.cell_at(0).map(|cell| &cell.text);
    let upper_label = upper.cell_at(0).map(|cell| &cell.text);
    let has_no_label = label.is_none() || label == upper_label;
    !names_group && (spans || has_no_label)
}

fn may_name_columns(row: &RowDraft) -> bool {
    row.cells.iter().all(|cell| {
        CellKind::of(&cell.text) != CellKind::Number && cell.text.chars().count() <= MAX_NAME_CHARS
    })
}

/// Whether the row names the columns of the rows below: words over numbers, or short names over
/// other words.
fn names_columns(header: &RowDraft, below: &[RowDraft]) -> bool {
    let sample = below.get(..SAMPLE_ROWS).unwrap_or(below);
    let mut over_values = 0;
    for cell in &header.cells {
        let kinds: Vec<CellKind> = sample
            .iter()
            .filter_map(|row| row.cell_at(cell.column + cell.span - 1))
            .map(|below| CellKind::of(&below.text))
            .collect();
        match CellKind::of(&cell.text) {
            CellKind::Measure if are_mostly(&[CellKind::Measure], &kinds) => return false,
            CellKind::Year if are_mostly(&[CellKind::Year], &kinds) => return false,
            CellKind::Words
                if are_mostly(
                    &[CellKind::Measure, CellKind::Number, CellKind::Year],
                    &kinds,
                ) =>
            {
                over_values += 1;
            }
            CellKind::Measure | CellKind::Year | CellKind::Words | CellKind::Number => {
                over_values += usize::from(are_mostly(&[CellKind::Number], &kinds));
            }
        }
    }
    over_values > 0 || are_short_names(header, sample)
}

/// Whether more than half of the kinds are among the wanted ones.
fn are_mostly(wanted: &[CellKind], kinds: &[CellKind]) -> bool {
    kinds.iter().filter(|kind| wanted.contains(kind)).count() * 2 > kinds.len()
}

/// Whether every column has a short name that does not occur below it.
fn are_short_names(header: &RowDraft, below: &[RowDraft]) -> bool {
    let columns = below
        .iter()
        .flat_map(|row| &row.cells)
        .map(|c| c.column + c.span)
        .max();
    let all_named = (0..columns.unwrap_or(0)).all(|column| header.cell_at(column).is_some());
    all_named
        && below.len() > 1
        && header.cells.iter().all(|cell| {
            let words = cell.text.split(' ').count();
            let ends = cell.text.ends_with(['.', ':', ';', '?', '!']);
            let recurs = below.iter().any(|row| {
                row.cell_at(cell.column)
                    .is_some_and(|c| c.text == cell.text)
            });
            CellKind::of(&cell.text) == CellKind::Words && words <= 4 && !ends && !recurs
        })
}

/// Marks the further rows of a header: they repeat its label, because the label covers them too. A
/// name above several of their names gets their columns.
pub(super) fn extend_header(rows: &mut [RowDraft]) {
    let Some(first) = rows.iter().position(|row| row.is_header) else {
        return;
    };
    let mut last = first;
    while let Some(next) = rows.get(last + 1).filter(|_| last + 2 < rows.len()) {
        let continues = rows.get(last).is_some_and(|row| repeats_label(row, next));
        if !next.is_header && !continues {
            break;
        }
        last += 1;
        if let Some(row) = rows.get_mut(last) {
            row.is_header = true;
        }
    }
    for upper in (first..last).rev() {
        let below: Vec<usize> = rows.get(upper + 1).map_or_else(Vec::new, |row| {
            row.cells.iter().map(|c| c.column + c.span).collect()
        });
        if let Some(row) = rows.get_mut(upper) {
            span_names(row, &below);
        }
    }
}

fn repeats_label(header: &RowDraft, next: &RowDraft) -> bool {
    next.cells.len() > 1
        && may_name_columns(next)
        && row_label(next).is_some()
        && row_label(next) == row_label(header)
}

/// The text of the first column.
fn row_label(row: &RowDraft) -> Option<&str> {
    row.cell_at(0).map(|cell| cell.text.as_str())
}

/// Extends each name after the first over the columns up to the next name, if the row below names
/// them. `below` are the ends of the cells of that row.
fn span_names(row: &mut RowDraft, below: &[usize]) {
    let starts: Vec<usize> = row.cells.iter().map(|cell| cell.column).collect();
    let widest = below.iter().copied().max().unwrap_or(0);
    for (position, cell) in row.cells.iter_mut().enumerate().skip(1) {
        let end = starts.get(position + 1).copied().unwrap_or(widest);
        let named = below.iter().filter(|end_below| **end_below <= end).max();
        if let Some(end) = named.filter(|end| **end > cell.column + cell.span) {
            cell.span = end - cell.column;
        }
    }
}
