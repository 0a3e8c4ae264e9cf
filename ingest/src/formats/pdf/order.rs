//! The reading order of a page.
//!
//! The drawing order is correct more often than any order derived from positions. It is discarded
//! only if it jumps around, or reads across columns.

use super::rows::{TextRow, TextRun, join_rows};
use super::tables::{FoundTable, TableSearch};

/// A page with more text runs than this is read in drawing order.
const MAX_RUNS: usize = 6_000;
/// Minimum number of lines of a column.
const MIN_COLUMN_LINES: usize = 6;
/// The same, if most lines continue the sentence of the line above.
const MIN_FLOWING_LINES: usize = 3;
/// The median line fills at least this fraction of a column.
const MIN_COLUMN_FILL: f32 = 0.72;

/// Returns the rows of a page in reading order, with those of its tables.
pub fn order_with_tables(search: TableSearch) -> Vec<TextRow> {
    let TableSearch { rest, tables } = search;
    let mut tables: Vec<Option<FoundTable>> = tables.into_iter().map(Some).collect();
    let mut rows = Vec::new();
    for row in reading_order(rest) {
        match row.table().and_then(|number| tables.get_mut(number)) {
            Some(table) => rows.extend(table.take().into_iter().flat_map(|table| table.rows)),
            None => rows.push(row),
        }
    }
    rows
}

/// The parts of a page between the gutters of columns, in reading order.
pub fn leaves(runs: Vec<TextRun>) -> Vec<Vec<TextRun>> {
    let mut leaves = Vec::new();
    xy_cut(runs, &mut leaves, &mut Vec::new(), 0);
    leaves
}

/// Returns the rows of a page in reading order.
fn reading_order(runs: Vec<TextRun>) -> Vec<TextRow> {
    if runs.len() > MAX_RUNS || runs.len() < 4 {
        return join_rows(runs);
    }
    let drawn = join_rows(runs.clone());
    let mut gutters = Vec::new();
    let mut placed = Vec::new();
    xy_cut(runs, &mut placed, &mut gutters, 0);
    let placed: Vec<TextRun> = placed.into_iter().flatten().collect();
    let across = gutters.iter().any(|gutter| gutter.is_crossed(&drawn));
    let jumps = count_jumps(&drawn);
    if !across && (jumps < 3 || jumps * 12 < drawn.len()) {
        return drawn;
    }
    let by_place = join_rows(placed);
    if across || count_jumps(&by_place) < jumps {
        by_place
    } else {
        drawn
    }
}

/// How often a row is above the previous one, and not at the top of the next column.
fn count_jumps(rows: &[TextRow]) -> usize {
    let pairs = rows.iter().zip(rows.iter().skip(1));
    pairs
        .filter(|(last, next)| {
            let up = next.frame.y0 < last.frame.y0 - last.size;
            let beside = next.frame.x0 > last.frame.x1 - last.size;
            last.direction == next.direction && up && !beside
        })
        .count()
}

/// White space between two columns.
struct Gutter {
    x: f32,
    top: f32,
    bottom: f32,
}

impl Gutter {
    /// Whether most rows next to the gutter have cells on both sides of it.
    fn is_crossed(&self, rows: &[TextRow]) -> bool {
        let beside: Vec<&TextRow> = rows
            .iter()
            .filter(|row| row.frame.y0 >= self.top - 1.0 && row.frame.y1 <= self.bottom + 1.0)
            .collect();
        let crossing = beside
            .iter()
            .filter(|row| row.frame.x0 < self.x && row.frame.x1 > self.x)
            .count();
        crossing >= 3 && crossing * 2 > beside.len()
    }
}

/// Recursive XY cut: splits the runs at gutters between columns, and at horizontal bands, then
/// appends them line by line.
fn xy_cut(
    mut runs: Vec<TextRun>,
    placed: &mut Vec<Vec<TextRun>>,
    gutters: &mut Vec<Gutter>,
    depth: u8,
) {
    if depth < 8 {
        if let Some(gutter) = find_gutter(&runs) {
            let (left, right) = runs.into_iter().partition(|p| p.frame.x0 < gutter.x);
            gutters.push(gutter);
            xy_cut(left, placed, gutters, depth + 1);
            xy_cut(right, placed, gutters, depth + 1);
            return;
        }
        if let Some(y) = find_band(&runs) {
            let (above, below) = runs.into_iter().partition(|p| p.frame.y0 < y);
            xy_cut(above, placed, gutters, depth + 1);
            xy_cut(below, placed, gutters, depth + 1);
            return;
        }
    }
    sort_by_lines(&mut runs);
    placed.push(runs);
}

/// Sorts runs into lines from top to bottom, and each line from left to right.
pub fn sort_by_lines(runs: &mut Vec<TextRun>) {
    runs.sort_by(|a, b| a.frame.y0.total_cmp(&b.frame.y0));
    let mut lines: Vec<Vec<TextRun>> = Vec::new();
    for run in runs.drain(..) {
        match lines.last_mut() {
            Some(line)
                if line
                    .first()
                    .is_some_and(|first| first.shares_line(run.direction, run.frame)) =>
            {
                line.push(run);
            }
            _ => lines.push(vec![run]),
        }
    }
    for mut line in lines {
        line.sort_by(|a, b| a.frame.x0.total_cmp(&b.frame.x0));
        runs.append(&mut line);
    }
}

/// Finds a horizontal band of white space with columns below or above it.
fn find_band(runs: &[TextRun]) -> Option<f32> {
    let gaps = find_gaps(runs, |p| (p.frame.y0, p.frame.y1), 0.0);
    // Only gaps near the top and the bottom are tried.
    let near_top_or_bottom: Vec<f32> = gaps
        .iter()
        .enumerate()
        .filter(|(index, _)| *index < 12 || *index + 12 >= gaps.len())
        .map(|(_, y)| *y)
        .collect();
    for y in &near_top_or_bottom {
        let below: Vec<TextRun> = runs.iter().filter(|p| p.frame.y0 >= *y).cloned().collect();
        if find_gutter(&below).is_some() {
            return Some(*y);
        }
    }
    for y in near_top_or_bottom.iter().rev() {
        let above: Vec<TextRun> = runs.iter().filter(|p| p.frame.y0 < *y).cloned().collect();
        if find_gutter(&above).is_some() {
            return Some(*y);
        }
    }
    None
}

/// Finds white space from top to bottom with running text on both sides.
fn find_gutter(runs: &[TextRun]) -> Option<Gutter> {
    if runs.len() < 2 * MIN_FLOWING_LINES {
        return None;
    }
    let size = runs.iter().map(|p| p.size).sum::<f32>() / runs.len() as f32;
    let candidates = find_gaps(runs, |p| (p.frame.x0, p.frame.x1), 0.8 * size);
    let x = candidates.into_iter().find(|x| {
        let (left, right): (Vec<&TextRun>, Vec<&TextRun>) =
            runs.iter().partition(|p| p.frame.x0 < *x);
        is_column(&left) && is_column(&right)
    })?;
    let top = runs.iter().map(|p| p.frame.y0).fold(f32::MAX, f32::min);
    let bottom = runs.iter().map(|p| p.frame.y1).fold(f32::MIN, f32::max);
    Some(Gutter { x, top, bottom })
}

fn is_column(runs: &[&TextRun]) -> bool {
    if runs.len() < MIN_FLOWING_LINES || runs.len() < MIN_COLUMN_LINES && !is_flowing(runs) {
        return false;
    }
    let left = runs.iter().map(|p| p.frame.x0).fold(f32::MAX, f32::min);
    let right = runs.iter().map(|p| p.frame.x1).fold(f32::MIN, f32::max);
    let mut widths: Vec<f32> = runs.iter().map(|p| p.frame.width()).collect();
    widths.sort_by(f32::total_cmp);
    let median = widths.get(widths.len() / 2).copied().unwrap_or(0.0);
    median >= MIN_COLUMN_FILL * (right - left)
}

/// Whether most lines continue the sentence of the line above, as those of running text do and those
/// of a table do not.
fn is_flowing(runs: &[&TextRun]) -> bool {
    let mut lines: Vec<&TextRun> = runs.to_vec();
    lines.sort_by(|a, b| a.frame.y0.total_cmp(&b.frame.y0));
    let pairs = lines.iter().zip(lines.iter().skip(1));
    let continued = pairs.filter(|(upper, lower)| {
        let begins_small = lower.text().starts_with(char::is_lowercase);
        let is_open = !upper.text().ends_with(['.', ':', '!', '?', ';']);
        begins_small && is_open && upper.words.len() > 2
    });
    continued.count() * 3 >= (lines.len() - 1) * 2
}

/// The middles of the gaps between the runs' extents on one axis.
fn find_gaps(runs: &[TextRun], extent: impl Fn(&TextRun) -> (f32, f32), at_least: f32) -> Vec<f32> {
    let mut extents: Vec<(f32, f32)> = runs.iter().map(extent).collect();
    extents.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut found = Vec::new();
    let mut reached: Option<f32> = None;
    for (start, end) in extents {
        if let Some(reached) = reached.filter(|reached| start - reached > at_least) {
            found.push(f32::midpoint(start, reached));
        }
        reached = Some(reached.map_or(end, |reached| reached.max(end)));
    }
    found
}
