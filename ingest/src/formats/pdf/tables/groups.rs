//! Which lines of a table are one row.

use super::columns::{Columns, PlacedCell};
use crate::formats::common::tables::is_number;
use crate::formats::pdf::rules::PageRules;
use cloister_domain::Rect;

/// A line parts rows if it is at least this fraction of the width of the table.
const MIN_SEPARATOR: f32 = 0.5;
/// Bands of more lines than this are several rows.
const MAX_BAND_LINES: usize = 14;
/// Gaps between rows are larger than those between the lines of a cell by this factor.
const ROW_GAP: f32 = 1.22;

type PlacedLine = Vec<PlacedCell>;

/// The rows of a table.
#[derive(Debug, Default)]
pub struct Grouping {
    /// The rows, each with its cells.
    pub rows: Vec<Vec<PlacedCell>>,
    /// The number of rows above the first line, or between the first two, if lines part the names of
    /// the columns from the rest.
    pub header_rows: usize,
}

/// Groups the lines of a table into rows.
pub fn group(
    lines: Vec<PlacedLine>,
    columns: &Columns,
    rules: &PageRules,
    frame: Rect,
    is_ruled: bool,
) -> Grouping {
    let separators = if is_ruled {
        separators(rules, frame)
    } else {
        Vec::new()
    };
    let bands = into_bands(lines, &separators);
    let filled: Vec<usize> = bands
        .iter()
        .map(Vec::len)
        .filter(|count| *count > 0)
        .collect();
    let low = filled
        .iter()
        .filter(|count| **count <= MAX_BAND_LINES)
        .count();
    let is_grid = filled.len() > 2 && low * 10 >= filled.len() * 9
        || filled.len() == 2 && filled.iter().all(|count| *count <= 3) && separators.len() > 1;
    let first = bands.iter().position(|band| !band.is_empty()).unwrap_or(0);
    let mut grouping = Grouping::default();
    let mut rows: Vec<Vec<PlacedLine>> = Vec::new();
    for (index, band) in bands.into_iter().enumerate() {
        let grouped = if is_grid {
            split_at_numbers(band)
        } else {
            by_gaps(band)
        };
        rows.extend(grouped);
        if index == first && !separators.is_empty() {
            grouping.header_rows = rows.len();
        }
    }
    let mut rows: Vec<Vec<PlacedCell>> = rows.into_iter().map(merge_lines).collect();
    // Without lines between the columns, a line under amounts says nothing of the label beside it.
    if is_grid && columns.is_lattice() {
        spread_labels(&mut rows, columns, rules, &separators);
    }
    grouping.rows = rows.into_iter().filter(|row| !row.is_empty()).collect();
    grouping
}

/// The heights at which lines, or the edges of shaded areas, part rows.
fn separators(rules: &PageRules, frame: Rect) -> Vec<f32> {
    let bars = super::areas::join_cells_of_bars(rules.horizontal.clone());
    let lines = bars.iter().filter(|bar| is_separator(bar, frame));
    let mut found: Vec<f32> = lines.map(|line| f32::midpoint(line.y0, line.y1)).collect();
    let areas = super::areas::join_cells_of_bars(rules.shaded.clone());
    let shaded = areas
        .iter()
        .filter(|bar| is_separator(bar, frame))
        .filter(|area| area.height() < 60.0);
    found.extend(shaded.flat_map(|area| [area.y0, area.y1]));
    found.retain(|y| *y > frame.y0 - 3.0 && *y < frame.y1 + 3.0);
    found.sort_by(f32::total_cmp);
    found.dedup_by(|b, a| (*b - *a).abs() < 3.0);
    found
}

/// Whether a bar lies inside the table and is wide enough to separate rows.
fn is_separator(bar: &Rect, frame: Rect) -> bool {
    bar.x0 > frame.x0 - 6.0
        && bar.x1 < frame.x1 + 6.0
        && bar.width() >= MIN_SEPARATOR * frame.width()
}

fn line_extent(line: &[PlacedCell]) -> (f32, f32) {
    let top = line
        .iter()
        .map(|cell| cell.run.frame.y0)
        .fold(f32::MAX, f32::min);
    let bottom = line
        .iter()
        .map(|cell| cell.run.frame.y1)
        .fold(f32::MIN, f32::max);
    (top, bottom)
}

/// The lines between each two separators.
fn into_bands(lines: Vec<PlacedLine>, separators: &[f32]) -> Vec<Vec<PlacedLine>> {
    let mut bands: Vec<Vec<PlacedLine>> = Vec::new();
    bands.resize_with(separators.len() + 1, Vec::new);
    for line in lines {
        let (top, bottom) = line_extent(&line);
        let middle = f32::midpoint(top, bottom);
        let index = separators.partition_point(|y| *y < middle);
        if let Some(band) = bands.get_mut(index) {
            band.push(line);
        }
    }
    bands
}

/// Two numbers of one column are never one cell, nor are the cells below a cell that covers them.
fn conflicts(row: &[PlacedLine], line: &[PlacedCell]) -> bool {
    let spans = row.iter().flatten().any(|wide| covers(wide, line.iter()))
        || line
            .iter()
            .any(|wide| row.iter().any(|upper| covers(wide, upper.iter())));
    spans
        || line
            .iter()
            .filter(|cell| is_number(&cell.run.text()))
            .any(|cell| {
                let mut above = row.iter().flatten();
                above.any(|upper| upper.column == cell.column && is_number(&upper.run.text()))
            })
}

/// Whether a cell lies over two or more of these cells.
fn covers<'a>(wide: &PlacedCell, cells: impl Iterator<Item = &'a PlacedCell>) -> bool {
    wide.span > 1
        && cells
            .filter(|cell| wide.column <= cell.column && cell.column < wide.column + wide.span)
            .count()
            > 1
}

/// The lines between two separators are one row, unless two of them conflict.
fn split_at_numbers(band: Vec<PlacedLine>) -> Vec<Vec<PlacedLine>> {
    let conflicting = band
        .iter()
        .enumerate()
        .any(|(index, line)| conflicts(band.get(..index).unwrap_or_default(), line));
    match (band.is_empty(), conflicting) {
        (true, _) => Vec::new(),
        (false, true) => by_gaps(band),
        (false, false) => vec![band],
    }
}

/// Groups the lines of a band without lines of its own: by gaps, if those between rows are larger
/// than those between the lines of a cell; else each line is a row, unless it continues one.
fn by_gaps(band: Vec<PlacedLine>) -> Vec<Vec<PlacedLine>> {
    if let Some(rows) = by_distance(&band) {
        return rows;
    }
    let mut rows: Vec<Vec<PlacedLine>> = Vec::new();
    for line in band {
        match rows.last_mut() {
            Some(row) if continues_row(row, &line) => row.push(line),
            _ => rows.push(vec![line]),
        }
    }
    rows
}

fn by_distance(band: &[PlacedLine]) -> Option<Vec<Vec<PlacedLine>>> {
    let tops: Vec<f32> = band.iter().map(|line| line_extent(line).0).collect();
    let gaps: Vec<f32> = tops
        .iter()
        .zip(tops.iter().skip(1))
        .map(|(a, b)| b - a)
        .collect();
    let mut sorted = gaps.clone();
    sorted.sort_by(f32::total_cmp);
    let lead = *sorted.get(sorted.len() / 8)?;
    let wide = gaps.iter().filter(|gap| **gap > ROW_GAP * lead).count();
    if wide < 2 || wide == gaps.len() || lead <= 0.0 {
        return None;
    }
    let mut rows: Vec<Vec<PlacedLine>> = Vec::new();
    for (index, line) in band.iter().enumerate() {
        let gap = index.checked_sub(1).and_then(|above| gaps.get(above));
        match rows.last_mut() {
            Some(row) if gap.is_some_and(|gap| *gap <= ROW_GAP * lead) => row.push(line.clone()),
            _ => rows.push(vec![line.clone()]),
        }
    }
    let tall: Vec<&Vec<PlacedLine>> = rows.iter().filter(|row| row.len() > 1).collect();
    let consistent = tall.iter().all(|row| {
        row.iter()
            .enumerate()
            .skip(1)
            .all(|(n, line)| !conflicts(row.get(..n).unwrap_or_default(), line))
    });
    // The cells of a row have different numbers of lines, so that the last line lacks some.
    let partial = tall.iter().filter(|row| match (row.first(), row.last()) {
        (Some(first), Some(last)) => last.len() < first.len() || first.len() < last.len(),
        _ => false,
    });
    (consistent && partial.count() * 5 >= tall.len() * 3).then_some(rows)
}

/// Whether a line continues the row above it.
fn continues_row(row: &[PlacedLine], line: &[PlacedCell]) -> bool {
    let (Some(last), Some(first_cell)) = (row.last(), line.first()) else {
        return false;
    };
    let ((_, bottom), (top, _)) = (line_extent(last), line_extent(line));
    let size = first_cell.run.size;
    let close = top - bottom < 0.7 * size;
    if !close || conflicts(row, line) {
        return false;
    }
    let text = first_cell.run.text();
    let continues_label = text.starts_with(|c: char| c.is_lowercase() || c == '(')
        && !is_number(&text)
        && !crate::formats::common::list_marker::begins_item(&text);
    if first_cell.column == 0 {
        // The label goes on: its amounts stand beside its first or its last line.
        let label_alone = line.len() == 1;
        let upper_alone = row.iter().flatten().all(|cell| cell.column == 0);
        let has_label = row.iter().flatten().any(|cell| cell.column == 0);
        return continues_label && has_label && (label_alone || upper_alone);
    }
    line.iter().all(|cell| continues_cell(row, cell))
}

/// Whether there are words above the cell, in its column and with its left edge or middle.
fn continues_cell(row: &[PlacedLine], cell: &PlacedCell) -> bool {
    let upper = row
        .iter()
        .rev()
        .flatten()
        .find(|upper| upper.column == cell.column && upper.span == cell.span);
    upper.is_some_and(|upper| {
        let (a, b) = (upper.run.frame, cell.run.frame);
        let aligned = (a.x0 - b.x0).abs() < 0.4 * cell.run.size
            || ((a.x0 + a.x1) - (b.x0 + b.x1)).abs() < 0.8 * cell.run.size;
        aligned && has_letters(upper) && has_letters(cell)
    })
}

/// Whether the text of a cell has letters.
fn has_letters(cell: &PlacedCell) -> bool {
    cell.run.text().chars().any(char::is_alphabetic)
}

/// Joins the lines of a row, cell by cell.
fn merge_lines(lines: Vec<PlacedLine>) -> Vec<PlacedCell> {
    let mut cells: Vec<PlacedCell> = Vec::new();
    for cell in lines.into_iter().flatten() {
        match cells.iter_mut().find(|held| shares_column(held, &cell)) {
            Some(held) => {
                let end = (held.column + held.span).max(cell.column + cell.span);
                held.column = held.column.min(cell.column);
                held.span = end - held.column;
                held.run.append(cell.run);
            }
            None => cells.push(cell),
        }
    }
    cells.sort_by_key(|cell| cell.column);
    cells
}

/// Whether two cells share a column.
fn shares_column(held: &PlacedCell, cell: &PlacedCell) -> bool {
    held.column < cell.column + cell.span && cell.column < held.column + held.span
}

/// Writes a label that stands beside several rows into each of them: no line parts these rows in
/// its column.
fn spread_labels(
    rows: &mut [Vec<PlacedCell>],
    columns: &Columns,
    rules: &PageRules,
    separators: &[f32],
) {
    for column in 0..columns.count().min(2) {
        let Some(x) = columns.middle(column) else {
            continue;
        };
        let mut index = 1;
        while index < rows.len() {
            let parted = separators
                .iter()
                .any(|y| lies_between(rows, index, *y) && is_drawn(rules, x, *y));
            let by_line = separators
                .iter()
                .any(|y| lies_between(rows, index, *y) && is_partial(rules, *y, x));
            if !parted && by_line {
                join_labels(rows, index, column);
            }
            index += 1;
        }
        // A label beside the last of its rows reaches up to the first.
        for index in (1..rows.len()).rev() {
            let parted = separators
                .iter()
                .any(|y| lies_between(rows, index, *y) && is_drawn(rules, x, *y));
            let by_line = separators
                .iter()
                .any(|y| lies_between(rows, index, *y) && is_partial(rules, *y, x));
            if !parted && by_line {
                join_labels(rows, index, column);
            }
        }
    }
}

fn row_extent(row: &[PlacedCell]) -> (f32, f32) {
    let mut words = row.iter().flat_map(|cell| &cell.run.words);
    let first = words
        .next()
        .map_or((0.0, 0.0), |word| (word.frame.y0, word.frame.y1));
    words.fold(first, |(y0, y1), word| {
        (y0.min(word.frame.y0), y1.max(word.frame.y1))
    })
}

/// Whether a height is between the texts of two rows, labels aside.
fn lies_between(rows: &[Vec<PlacedCell>], index: usize, y: f32) -> bool {
    let (Some(above), Some(below)) = (rows.get(index - 1), rows.get(index)) else {
        return false;
    };
    {
        let (above, below) = (extent_without_label(above), extent_without_label(below));
        above.0 < y && y < below.1 && above.1 < y + 4.0 && below.0 > y - 4.0
    }
}

/// The extent of a row without its first column, if it has others.
fn extent_without_label(row: &[PlacedCell]) -> (f32, f32) {
    let cells: Vec<PlacedCell> = row.iter().filter(|cell| cell.column > 0).cloned().collect();
    row_extent(if cells.is_empty() { row } else { &cells })
}

fn is_drawn(rules: &PageRules, x: f32, y: f32) -> bool {
    let line = rules
        .horizontal
        .iter()
        .any(|l| l.x0 <= x && x <= l.x1 && (f32::midpoint(l.y0, l.y1) - y).abs() < 3.0);
    let shade = rules
        .shaded
        .iter()
        .any(|a| a.x0 <= x && x <= a.x1 && ((a.y0 - y).abs() < 3.0 || (a.y1 - y).abs() < 3.0));
    line || shade
}

/// Whether there is a line at this height that begins to the right of `x`.
fn is_partial(rules: &PageRules, y: f32, x: f32) -> bool {
    rules
        .horizontal
        .iter()
        .any(|l| l.x0 > x && (f32::midpoint(l.y0, l.y1) - y).abs() < 3.0)
}

/// Gives two rows the same label: that of either of them, or both together.
fn join_labels(rows: &mut [Vec<PlacedCell>], index: usize, column: usize) {
    let (above, below) = rows.split_at_mut(index);
    let (Some(upper), Some(lower)) = (above.last_mut(), below.first_mut()) else {
        return;
    };
    match (label_position(upper, column), label_position(lower, column)) {
        (Some(from), None) => {
            let cell = upper.get(from).cloned();
            lower.splice(column.min(lower.len())..column.min(lower.len()), cell);
            lower.sort_by_key(|cell| cell.column);
        }
        (None, Some(from)) => {
            let cell = lower.get(from).cloned();
            upper.extend(cell);
            upper.sort_by_key(|cell| cell.column);
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}

/// The index of the cell that fills this column alone.
fn label_position(row: &[PlacedCell], column: usize) -> Option<usize> {
    row.iter()
        .position(|cell| cell.column == column && cell.span == 1)
}
