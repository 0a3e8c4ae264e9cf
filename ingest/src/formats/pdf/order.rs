//! The order in which a page is read.
//!
//! The order in which it is drawn is right more often than any guess from positions. It is given up
//! only where it jumps about, or where it reads across columns.

use super::rows::{Piece, Row, rows};

/// A page with more pieces than this is read as it is drawn.
const MOST_PIECES: usize = 6_000;
/// A column has at least this many lines.
const COLUMN_LINES: usize = 6;
/// Lines of running text fill this much of their column.
const COLUMN_FILL: f32 = 0.72;

/// The page's rows, in reading order.
pub fn in_order(pieces: Vec<Piece>) -> Vec<Row> {
    if pieces.len() > MOST_PIECES || pieces.len() < 4 {
        return rows(pieces);
    }
    let drawn = rows(pieces.clone());
    let mut gutters = Vec::new();
    let mut placed = Vec::new();
    cut(pieces, &mut placed, &mut gutters, 0);
    let across = gutters.iter().any(|gutter| gutter.is_crossed(&drawn));
    let jumps = jumps(&drawn);
    if !across && (jumps < 3 || jumps * 12 < drawn.len()) {
        return drawn;
    }
    let by_place = rows(placed);
    if across || self::jumps(&by_place) < jumps {
        by_place
    } else {
        drawn
    }
}

/// How often the next row stands above the last, and not at the top of a column beside it.
fn jumps(rows: &[Row]) -> usize {
    let pairs = rows.iter().zip(rows.iter().skip(1));
    pairs
        .filter(|(last, next)| {
            let up = next.frame.y0 < last.frame.y0 - last.size;
            let beside = next.frame.x0 > last.frame.x1 - last.size;
            last.turn == next.turn && up && !beside
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
    /// Whether most of the rows beside it have cells on both of its sides.
    fn is_crossed(&self, rows: &[Row]) -> bool {
        let beside =
            |row: &&Row| row.frame.y0 >= self.top - 1.0 && row.frame.y1 <= self.bottom + 1.0;
        let all = rows.iter().filter(beside).count();
        let crossing = rows
            .iter()
            .filter(beside)
            .filter(|row| row.frame.x0 < self.x && row.frame.x1 > self.x)
            .count();
        crossing >= 3 && crossing * 2 > all
    }
}

/// Puts pieces in order of place: columns where there are some, else lines from the top.
fn cut(mut pieces: Vec<Piece>, placed: &mut Vec<Piece>, gutters: &mut Vec<Gutter>, depth: u8) {
    if depth < 8 {
        if let Some(gutter) = gutter(&pieces) {
            let (left, right) = pieces.into_iter().partition(|p| p.frame.x0 < gutter.x);
            gutters.push(gutter);
            cut(left, placed, gutters, depth + 1);
            cut(right, placed, gutters, depth + 1);
            return;
        }
        if let Some(y) = band(&pieces) {
            let (above, below) = pieces.into_iter().partition(|p| p.frame.y0 < y);
            cut(above, placed, gutters, depth + 1);
            cut(below, placed, gutters, depth + 1);
            return;
        }
    }
    by_lines(&mut pieces);
    placed.append(&mut pieces);
}

/// Sorts into lines from the top, and each line from the left.
fn by_lines(pieces: &mut Vec<Piece>) {
    pieces.sort_by(|a, b| a.frame.y0.total_cmp(&b.frame.y0));
    let mut lines: Vec<Vec<Piece>> = Vec::new();
    for piece in pieces.drain(..) {
        match lines.last_mut() {
            Some(line)
                if line
                    .first()
                    .is_some_and(|first| first.shares_line(piece.turn, piece.frame)) =>
            {
                line.push(piece);
            }
            _ => lines.push(vec![piece]),
        }
    }
    for mut line in lines {
        line.sort_by(|a, b| a.frame.x0.total_cmp(&b.frame.x0));
        pieces.append(&mut line);
    }
}

/// A place where a horizontal band of white leaves columns below it, or above it.
fn band(pieces: &[Piece]) -> Option<f32> {
    let gaps = gaps(pieces, |p| (p.frame.y0, p.frame.y1), 0.0);
    let split = |y: f32, below: bool| -> Vec<Piece> {
        let side = pieces.iter().filter(|p| (p.frame.y0 >= y) == below);
        side.cloned().collect()
    };
    let near_an_end = |index: &usize| *index < 12 || *index + 12 >= gaps.len();
    let tried = || gaps.iter().enumerate().filter(|(i, _)| near_an_end(i));
    tried()
        .map(|(_, y)| *y)
        .find(|y| gutter(&split(*y, true)).is_some())
        .or_else(|| {
            tried()
                .map(|(_, y)| *y)
                .rfind(|y| gutter(&split(*y, false)).is_some())
        })
}

/// White space from top to bottom with running text on both sides.
fn gutter(pieces: &[Piece]) -> Option<Gutter> {
    if pieces.len() < 2 * COLUMN_LINES {
        return None;
    }
    let size = pieces.iter().map(|p| p.size).sum::<f32>() / pieces.len() as f32;
    let candidates = gaps(pieces, |p| (p.frame.x0, p.frame.x1), 0.8 * size);
    let x = candidates.into_iter().find(|x| {
        let (left, right): (Vec<&Piece>, Vec<&Piece>) =
            pieces.iter().partition(|p| p.frame.x0 < *x);
        is_column(&left) && is_column(&right)
    })?;
    let top = pieces.iter().map(|p| p.frame.y0).fold(f32::MAX, f32::min);
    let bottom = pieces.iter().map(|p| p.frame.y1).fold(f32::MIN, f32::max);
    Some(Gutter { x, top, bottom })
}

fn is_column(pieces: &[&Piece]) -> bool {
    if pieces.len() < COLUMN_LINES {
        return false;
    }
    let left = pieces.iter().map(|p| p.frame.x0).fold(f32::MAX, f32::min);
    let right = pieces.iter().map(|p| p.frame.x1).fold(f32::MIN, f32::max);
    let mut widths: Vec<f32> = pieces.iter().map(|p| p.frame.width()).collect();
    widths.sort_by(f32::total_cmp);
    let median = widths.get(widths.len() / 2).copied().unwrap_or(0.0);
    median >= COLUMN_FILL * (right - left)
}

/// The middles of the white gaps between the pieces' extents on one axis.
fn gaps(pieces: &[Piece], extent: impl Fn(&Piece) -> (f32, f32), at_least: f32) -> Vec<f32> {
    let mut extents: Vec<(f32, f32)> = pieces.iter().map(extent).collect();
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
