//! The columns of a table: by vertical lines, else by the extents of the cells.

use crate::formats::common::tables::is_number;
use crate::formats::pdf::rows::{TextRun, is_currency};
use crate::formats::pdf::rules::PageRules;
use cloister_domain::Rect;
use std::collections::BTreeSet;

/// An indented label starts at most this far to the right of the others, in points.
const MAX_INDENT: f32 = 40.0;
/// A cell covers at most this many columns.
const MAX_COVERED: usize = 64;
/// A vertical line parts columns if it is at least this fraction of the height of the table.
const MIN_VERTICAL: f32 = 0.4;

/// A cell in its columns.
#[derive(Clone, Debug)]
pub struct PlacedCell {
    /// Its text.
    pub run: TextRun,
    /// Its first column.
    pub column: usize,
    /// The number of columns that it covers.
    pub span: usize,
}

/// The columns of a table, from left to right.
#[derive(Debug)]
pub struct Columns {
    extents: Vec<(f32, f32)>,
    /// Whether the extents are the edges of cells rather than those of their text.
    is_lattice: bool,
}

/// The names of columns are in the first lines of a table, and near to the values below them, in
/// points.
const HEAD_LINES: usize = 5;
const MAX_NAME_GAP: f32 = 24.0;

#[derive(Debug)]
struct Cluster {
    x0: f32,
    x1: f32,
    lines: BTreeSet<usize>,
}

impl Columns {
    /// Finds the columns of these lines. `None` if there is only one.
    pub fn find(lines: &[Vec<TextRun>], rules: &PageRules, frame: Rect) -> Option<Self> {
        let by_lines = Self::by_vertical_lines(lines, rules, frame);
        let found = by_lines.unwrap_or_else(|| Self::by_extents(lines));
        (found.extents.len() > 1).then_some(found)
    }

    /// The left edges.
    pub fn lefts(&self) -> Vec<f32> {
        self.extents.iter().map(|(left, _)| *left).collect()
    }

    /// Whether vertical lines part them.
    pub const fn is_lattice(&self) -> bool {
        self.is_lattice
    }

    /// The number of columns.
    pub fn count(&self) -> usize {
        self.extents.len()
    }

    /// The horizontal middle of a column.
    pub fn middle(&self, column: usize) -> Option<f32> {
        let (left, right) = self.extents.get(column)?;
        Some(f32::midpoint(*left, *right))
    }

    fn by_vertical_lines(rows: &[Vec<TextRun>], rules: &PageRules, frame: Rect) -> Option<Self> {
        let mut edges: Vec<f32> = Vec::new();
        let mut inside: Vec<(f32, f32)> = rules
            .vertical
            .iter()
            .filter(|line| line.x0 > frame.x0 - 3.0 && line.x1 < frame.x1 + 3.0)
            .map(|line| {
                let shared = line.y1.min(frame.y1) - line.y0.max(frame.y0);
                (f32::midpoint(line.x0, line.x1), shared.max(0.0))
            })
            .collect();
        inside.sort_by(|a, b| a.0.total_cmp(&b.0));
        // A cell over several columns divides the line between them.
        let mut lines: Vec<(f32, f32)> = Vec::new();
        for (x, length) in inside {
            match lines.last_mut() {
                Some((last, sum)) if x - *last <= 3.0 => *sum += length,
                _ => lines.push((x, length)),
            }
        }
        lines.retain(|(_, length)| *length > MIN_VERTICAL * frame.height());
        edges.extend(lines.into_iter().map(|(x, _)| x));
        let (first, last) = (*edges.first()?, *edges.last()?);
        if first > frame.x0 + 6.0 {
            edges.insert(0, frame.x0);
        }
        if last < frame.x1 - 6.0 {
            edges.push(frame.x1);
        }
        let pairs = edges.iter().zip(edges.iter().skip(1));
        let extents: Vec<(f32, f32)> = pairs.map(|(a, b)| (*a, *b)).collect();
        // Lines that part fewer columns than the text has are those of a frame.
        let widest = rows.iter().map(Vec::len).max().unwrap_or(0);
        (extents.len() > 1 && extents.len() + 1 >= widest).then_some(Self {
            extents,
            is_lattice: true,
        })
    }

    fn by_extents(lines: &[Vec<TextRun>]) -> Self {
        let mut cells: Vec<(f32, f32, usize)> = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            cells.extend(line.iter().map(|run| (run.frame.x0, run.frame.x1, number)));
        }
        cells.sort_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)));
        let mut clusters: Vec<Cluster> = Vec::new();
        let mut wide: Vec<(f32, f32, usize)> = Vec::new();
        for (x0, x1, line) in cells {
            let over = overlapping(&clusters, x0, x1);
            match over.as_slice() {
                [] => clusters.push(Cluster {
                    x0,
                    x1,
                    lines: BTreeSet::from([line]),
                }),
                [only] => {
                    let mut only = clusters.swap_remove(*only);
                    let (left, right) = (only.x0.min(x0), only.x1.max(x1));
                    // A cell that reaches another column covers both.
                    if overlapping(&clusters, left, right).is_empty() {
                        (only.x0, only.x1) = (left, right);
                        only.lines.insert(line);
                    } else {
                        wide.push((x0, x1, line));
                    }
                    clusters.push(only);
                }
                _ => wide.push((x0, x1, line)),
            }
        }
        for (x0, x1, line) in wide {
            merge_covered(&mut clusters, x0, x1, line);
        }
        clusters.sort_by(|a, b| a.x0.total_cmp(&b.x0));
        merge_indented(&mut clusters);
        merge_names(&mut clusters);
        let extents = clusters
            .iter()
            .map(|cluster| (cluster.x0, cluster.x1))
            .collect();
        Self {
            extents,
            is_lattice: false,
        }
    }

    /// The columns that a text covers: the first, and their number.
    fn covered(&self, x0: f32, x1: f32) -> (usize, usize) {
        let middle = f32::midpoint(x0, x1);
        let mut extents = self.extents.iter();
        let first = extents.position(|extent| self.overlaps(*extent, x0, x1));
        let mut extents = self.extents.iter();
        let last = extents.rposition(|extent| self.overlaps(*extent, x0, x1));
        if let Some((first, last)) = first.zip(last) {
            return (first, last - first + 1);
        }
        let nearest = self.extents.iter().enumerate().min_by(|(_, a), (_, b)| {
            let [a, b] = [a, b].map(|e| (f32::midpoint(e.0, e.1) - middle).abs());
            a.total_cmp(&b)
        });
        (nearest.map_or(0, |(index, _)| index), 1)
    }

    /// Whether a text from `x0` to `x1` lies in a column from `left` to `right`.
    fn overlaps(&self, (left, right): (f32, f32), x0: f32, x1: f32) -> bool {
        let middle = f32::midpoint(x0, x1);
        let shared = x1.min(right) - x0.max(left);
        // A text may stick out of its cell a little.
        let least = if self.is_lattice {
            (0.25 * (x1 - x0)).min(0.25 * (right - left))
        } else {
            0.5
        };
        shared > least || left <= middle && middle <= right
    }

    /// Places the cells of a line. A run that reaches into the next column after a gap is split
    /// there.
    pub fn place(&self, line: Vec<TextRun>) -> Vec<PlacedCell> {
        let mut placed: Vec<PlacedCell> = Vec::new();
        for run in line.into_iter().flat_map(|run| self.split(&run)) {
            let (column, span) = self.covered(run.frame.x0, run.frame.x1);
            match placed.last_mut() {
                Some(last) if last.column + last.span > column => last.run.append(run),
                _ => placed.push(PlacedCell { run, column, span }),
            }
        }
        placed
    }

    fn split(&self, run: &TextRun) -> Vec<TextRun> {
        let mut pieces: Vec<TextRun> = Vec::new();
        for word in run.words.clone() {
            let last = pieces.last().and_then(|piece| piece.words.last());
            // A sign of a currency belongs to the amount after it.
            let after_currency = last.is_some_and(|last| is_currency(&last.text));
            let starts_column = !after_currency
                && self.extents.iter().skip(1).any(|(left, _)| {
                    let at_edge = if self.is_lattice {
                        pieces.last().is_some_and(|p| p.frame.x1 <= left + 1.0)
                            && word.frame.x0 >= left - 1.0
                    } else {
                        (word.frame.x0 - left).abs() < 1.2
                            || is_number(&word.text)
                                && word.frame.x0 >= left - 1.0
                                && pieces.last().is_some_and(|p| p.frame.x1 < *left)
                    };
                    let gap = pieces.last().map_or(0.0, |p| word.frame.x0 - p.frame.x1);
                    at_edge && gap > 0.45 * word.size
                });
            match pieces.last_mut() {
                Some(piece) if !starts_column => piece.push(word),
                _ => pieces.push(TextRun::from_word(word)),
            }
        }
        pieces
    }
}

fn overlapping(clusters: &[Cluster], x0: f32, x1: f32) -> Vec<usize> {
    let over = clusters
        .iter()
        .enumerate()
        .filter(|(_, c)| x1.min(c.x1) - x0.max(c.x0) > 0.5);
    over.map(|(index, _)| index).collect()
}

/// Joins clusters below a wide cell that never have text on one line.
fn merge_covered(clusters: &mut Vec<Cluster>, x0: f32, x1: f32, line: usize) {
    let mut over: Vec<usize> = overlapping(clusters, x0, x1);
    if over.len() > MAX_COVERED {
        return;
    }
    over.sort_by(|a, b| {
        let [a, b] = [a, b].map(|index| clusters.get(*index).map_or(0.0, |c| c.x0));
        a.total_cmp(&b)
    });
    let disjoint = over.iter().enumerate().all(|(n, a)| {
        over.iter()
            .skip(n + 1)
            .all(|b| match (clusters.get(*a), clusters.get(*b)) {
                (Some(a), Some(b)) => a.lines.is_disjoint(&b.lines),
                _ => false,
            })
    });
    if !disjoint || over.len() < 2 {
        return;
    }
    let (mut others, mut joined) = (
        Vec::new(),
        Cluster {
            x0,
            x1,
            lines: BTreeSet::from([line]),
        },
    );
    for (index, cluster) in std::mem::take(clusters).into_iter().enumerate() {
        if over.contains(&index) {
            joined.x0 = joined.x0.min(cluster.x0);
            joined.x1 = joined.x1.max(cluster.x1);
            joined.lines.extend(cluster.lines);
        } else {
            others.push(cluster);
        }
    }
    others.push(joined);
    *clusters = others;
}

/// Joins the names of a column with its values where they do not stand exactly above each other.
fn merge_names(clusters: &mut Vec<Cluster>) {
    let mut index = 1;
    while index < clusters.len() {
        let joins = match (clusters.get(index - 1), clusters.get(index)) {
            (Some(left), Some(right)) => {
                let near = right.x0 - left.x1 < MAX_NAME_GAP;
                near && left.lines.is_disjoint(&right.lines)
                    && is_of_head(left) != is_of_head(right)
            }
            _ => false,
        };
        if joins && index > 1 {
            let right = clusters.remove(index);
            if let Some(left) = clusters.get_mut(index - 1) {
                left.x1 = left.x1.max(right.x1);
                left.lines.extend(right.lines);
            }
        } else {
            index += 1;
        }
    }
}

/// Whether only the first lines of a table have a text in this column.
fn is_of_head(cluster: &Cluster) -> bool {
    cluster.lines.len() < 4 && cluster.lines.iter().all(|line| *line < HEAD_LINES)
}

/// Joins the labels of the first column with those that are indented.
fn merge_indented(clusters: &mut Vec<Cluster>) {
    while let [first, second, ..] = clusters.as_slice() {
        let indent = second.x0 - first.x0;
        if indent > MAX_INDENT || !first.lines.is_disjoint(&second.lines) {
            return;
        }
        let second = clusters.remove(1);
        if let Some(first) = clusters.first_mut() {
            first.x1 = first.x1.max(second.x1);
            first.lines.extend(second.lines);
        }
    }
}
