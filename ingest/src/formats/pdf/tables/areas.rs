//! Parts of a page that may be a table.

use crate::formats::common::tables::is_number;
use crate::formats::pdf::order;
use crate::formats::pdf::rows::{TextRun, join_cells};
use crate::formats::pdf::rules::PageRules;
use crate::formats::pdf::words::TextDirection;
use cloister_domain::Rect;
use std::collections::HashSet;

/// A line of a table is at least this long, in points.
const MIN_RULE: f32 = 60.0;
/// The line of one cell is at least this long, and at most this far from that of the next cell, in
/// points.
const MIN_CELL_RULE: f32 = 8.0;
const MAX_CELL_GAP: f32 = 24.0;
/// Maximum number of lines, and of frames around lines, that are examined.
const MAX_BARS: usize = 4_000;
const MAX_FRAMES: usize = 40;
/// Lines of one table are not further apart than this, in points.
const MAX_BAND: f32 = 320.0;
/// Edges of one table differ by at most this, in points.
const EDGE: f32 = 4.0;
/// Lines of text of one table are not further apart than this, in font sizes.
const MAX_GAP: f32 = 1.7;
/// A line of its own in letters this many times as large as the others is a heading.
const LARGER: f32 = 1.12;
/// An empty line is this many times as high as the usual space between lines.
const MANY_GAPS: f32 = 1.6;
/// Maximum number of lines without a second cell inside a table.
const MAX_SINGLE_LINES: usize = 4;

/// Text that may be a table.
#[derive(Debug)]
pub struct TableArea {
    /// The indices of its runs.
    pub members: Vec<usize>,
    /// Its runs, line by line.
    pub lines: Vec<Vec<TextRun>>,
    /// Its box.
    pub frame: Rect,
    /// Whether lines or shaded areas part its rows.
    pub is_ruled: bool,
}

type OpenRuns = [Option<TextRun>];

/// The frames around lines and shaded rows that have the same edges.
pub fn ruled_frames(rules: &PageRules) -> Vec<Rect> {
    let long = rules
        .horizontal
        .iter()
        .filter(|line| line.width() >= MIN_CELL_RULE)
        .copied();
    let mut bars: Vec<Rect> = join_cells_of_bars(long.collect());
    bars.extend(join_cells_of_bars(shaded_rows(rules).collect()));
    bars.retain(|bar| bar.width() >= MIN_RULE);
    bars.sort_by(|a, b| a.y0.total_cmp(&b.y0));
    bars.truncate(MAX_BARS);
    let mut frames: Vec<(Rect, usize)> = Vec::new();
    for bar in bars {
        let open = frames.iter_mut().rev().find(|(frame, _)| {
            let same = (frame.x0 - bar.x0).abs() < EDGE && (frame.x1 - bar.x1).abs() < EDGE;
            // A line from the second column on parts the rows of a label.
            let inside = bar.x0 >= frame.x0 - EDGE
                && bar.x1 <= frame.x1 + EDGE
                && bar.width() >= 0.5 * frame.width();
            (same || inside) && bar.y0 - frame.y1 < MAX_BAND
        });
        if let Some((frame, count)) = open {
            *frame = frame.union(bar);
            *count += 1;
        } else {
            frames.push((bar, 1));
        }
    }
    frames.retain(|(_, count)| *count > 2);
    frames
        .into_iter()
        .take(MAX_FRAMES)
        .map(|(frame, _)| frame)
        .collect()
}

/// Joins lines, or shaded areas, of the cells of one row.
pub fn join_cells_of_bars(mut bars: Vec<Rect>) -> Vec<Rect> {
    bars.sort_by(|a, b| {
        a.y0.round()
            .total_cmp(&b.y0.round())
            .then(a.x0.total_cmp(&b.x0))
    });
    let mut joined: Vec<Rect> = Vec::new();
    for bar in bars {
        match joined.last_mut() {
            Some(last)
                if (last.y0 - bar.y0).abs() < 1.5
                    && (last.y1 - bar.y1).abs() < 3.0
                    && bar.x0 - last.x1 < MAX_CELL_GAP =>
            {
                *last = last.union(bar);
            }
            _ => joined.push(bar),
        }
    }
    joined
}

/// Shaded areas that are as high as a few lines and as wide as a table.
fn shaded_rows(rules: &PageRules) -> impl Iterator<Item = Rect> {
    let rows = rules
        .shaded
        .iter()
        .filter(|a| a.width() >= MIN_CELL_RULE && a.height() < 60.0);
    rows.copied()
}

/// The tables in a frame. Text between two of them, such as a heading, belongs to neither.
pub fn areas_in(runs: &OpenRuns, frame: Rect, direction: TextDirection) -> Vec<TableArea> {
    let frame = with_labels(runs, frame, direction);
    let candidates: Vec<(usize, &TextRun)> = runs
        .iter()
        .enumerate()
        .filter_map(|(index, run)| {
            Some((
                index,
                run.as_ref()
                    .filter(|run| run.direction == direction && ends_inside(run, frame))?,
            ))
        })
        .collect();
    let (members, above): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .partition(|(_, run)| f32::midpoint(run.frame.y0, run.frame.y1) > frame.y0);
    let breaks: Vec<f32> = breaks(&members, frame);
    let mut areas = Vec::new();
    let mut part = frame;
    for (index, end) in breaks.iter().chain([&f32::MAX]).enumerate() {
        part.y1 = end.min(frame.y1);
        let mut own: Vec<_> = members
            .iter()
            .filter(|(_, run)| {
                let middle = f32::midpoint(run.frame.y0, run.frame.y1);
                middle > part.y0 && middle < part.y1 - 0.5 && !breaks.contains(&run.frame.y0)
            })
            .copied()
            .collect();
        let mut extended = part;
        if index == 0 {
            extend_upwards(&mut own, above.clone(), runs, &mut extended);
        }
        areas.extend(to_area(&own, extended, true));
        part.y0 = *end;
    }
    areas
}

/// The frame with the labels to its left, if lines are only drawn at the amounts: most rows have one,
/// which is drawn just before them.
fn with_labels(runs: &OpenRuns, frame: Rect, direction: TextDirection) -> Rect {
    let mut tops: Vec<f32> = runs
        .iter()
        .flatten()
        .filter(|run| run.direction == direction && lies_inside(run, frame))
        .map(|run| run.frame.y0)
        .collect();
    tops.sort_by(f32::total_cmp);
    tops.dedup_by(|b, a| (*b - *a).abs() < 3.0);
    let labels = runs.iter().enumerate().filter_map(|(index, run)| {
        let run = run
            .as_ref()
            .filter(|run| run.direction == direction && run.frame.x1 <= frame.x0 + EDGE)?;
        let mut next = (1..4).filter_map(|step| runs.get(index + step)?.as_ref());
        let precedes = next.any(|next| {
            next.direction == direction
                && lies_inside(next, frame)
                && run.shares_line(next.direction, next.frame)
        });
        precedes.then_some(run.frame.x0)
    });
    let lefts: Vec<f32> = labels.collect();
    if lefts.len() * 2 < tops.len() || lefts.is_empty() {
        return frame;
    }
    Rect {
        x0: lefts.into_iter().fold(frame.x0, f32::min),
        ..frame
    }
}

/// Whether a run lies between the sides of a frame, and above its lower edge.
fn ends_inside(run: &TextRun, frame: Rect) -> bool {
    run.frame.x0 > frame.x0 - EDGE
        && run.frame.x1 < frame.x1 + 4.0 * EDGE
        && f32::midpoint(run.frame.y0, run.frame.y1) < frame.y1
}

/// Whether a run lies in a frame.
fn lies_inside(run: &TextRun, frame: Rect) -> bool {
    ends_inside(run, frame) && frame.y0 < f32::midpoint(run.frame.y0, run.frame.y1)
}

/// The tops of lines that are no part of a table: headings in larger letters, and running text from
/// edge to edge.
fn breaks(members: &[(usize, &TextRun)], frame: Rect) -> Vec<f32> {
    let usual = median(members.iter().map(|(_, run)| run.size));
    let alone = members.iter().filter(|(_, run)| {
        !members.iter().any(|(_, other)| {
            other.frame != run.frame && run.shares_line(other.direction, other.frame)
        })
    });
    let mut found: Vec<f32> = alone
        .filter(|(_, run)| {
            let large = run.size > LARGER * usual;
            let wide = run.frame.width() > 0.7 * frame.width() && run.words.len() > 7;
            large || wide
        })
        .map(|(_, run)| run.frame.y0)
        .collect();
    found.sort_by(f32::total_cmp);
    found
}

/// The middle value; zero if there is none.
fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Adds the lines above a table that name its columns: next to it, and with several cells.
fn extend_upwards<'r>(
    members: &mut Vec<(usize, &'r TextRun)>,
    mut above: Vec<(usize, &'r TextRun)>,
    runs: &OpenRuns,
    frame: &mut Rect,
) {
    above.sort_by(|a, b| b.1.frame.y0.total_cmp(&a.1.frame.y0));
    for _ in 0..5 {
        let Some((_, nearest)) = above.first() else {
            return;
        };
        let nearest = (*nearest).clone();
        if frame.y0 - nearest.frame.y1 > 1.4 * nearest.size {
            return;
        }
        let line: Vec<_> = above
            .iter()
            .filter(|(_, run)| nearest.shares_line(run.direction, run.frame))
            .copied()
            .collect();
        let known = line.iter().chain(members.iter());
        let known: HashSet<usize> = known.map(|(index, _)| *index).collect();
        let crosses = runs.iter().enumerate().any(|(index, run)| {
            run.as_ref()
                .is_some_and(|run| nearest.shares_line(run.direction, run.frame))
                && !known.contains(&index)
        });
        let has_numbers = line.iter().any(|(_, run)| is_number(&run.text()));
        if line.len() < 2 || crosses || has_numbers {
            return;
        }
        frame.y0 = line
            .iter()
            .map(|(_, run)| run.frame.y0)
            .fold(frame.y0, f32::min);
        above.retain(|(index, _)| !line.iter().any(|(used, _)| used == index));
        members.extend(line);
    }
}

fn to_area(members: &[(usize, &TextRun)], frame: Rect, is_ruled: bool) -> Option<TableArea> {
    let lines = visual_lines(members.iter().map(|(_, run)| (*run).clone()).collect());
    let several = lines.iter().filter(|line| line.len() > 1).count();
    (lines.len() > 1 && several > 0).then(|| TableArea {
        members: members.iter().map(|(index, _)| *index).collect(),
        lines,
        frame,
        is_ruled,
    })
}

/// The runs in lines from top to bottom, each from left to right.
pub fn visual_lines(mut runs: Vec<TextRun>) -> Vec<Vec<TextRun>> {
    order::sort_by_lines(&mut runs);
    let mut lines: Vec<Vec<TextRun>> = Vec::new();
    for run in runs {
        match lines.last_mut() {
            Some(line)
                if line
                    .first()
                    .is_some_and(|first| first.shares_line(run.direction, run.frame))
                    && line.last().is_some_and(|last| run.frame.x0 > last.frame.x0) =>
            {
                line.push(run);
            }
            _ => lines.push(vec![run]),
        }
    }
    lines.into_iter().map(join_cells).collect()
}

/// The areas without lines: lines of text with several cells below each other.
pub fn aligned(runs: &OpenRuns, direction: TextDirection) -> Vec<TableArea> {
    let members: Vec<(usize, &TextRun)> = runs
        .iter()
        .enumerate()
        .filter_map(|(index, run)| Some((index, run.as_ref()?)))
        .filter(|(_, run)| run.direction == direction && run.table.is_none())
        .collect();
    let plain: Vec<TextRun> = members.iter().map(|(_, run)| (*run).clone()).collect();
    let mut areas = Vec::new();
    for leaf in order::leaves(plain) {
        let usual = median(leaf.iter().map(|run| run.size));
        let lines = visual_lines(leaf);
        let stands_alone = lines_alone(&lines);
        let mut open: Vec<Vec<TextRun>> = Vec::new();
        for (line, is_alone) in lines.into_iter().zip(stands_alone) {
            let is_heading =
                is_alone || matches!(line.as_slice(), [run] if run.size > LARGER * usual);
            let is_near = open.last().is_some_and(|last| is_near(last, &line));
            if is_heading || !is_near {
                close_stretch(&mut open, &members, &mut areas);
            }
            if is_heading {
                continue;
            }
            open.push(line);
            let singles = open.iter().rev().take_while(|line| line.len() < 2).count();
            if singles > MAX_SINGLE_LINES || singles == open.len() {
                close_stretch(&mut open, &members, &mut areas);
            }
        }
        close_stretch(&mut open, &members, &mut areas);
    }
    areas
}

/// For each line, whether it is one run with an empty line above and below, unlike most lines.
fn lines_alone(lines: &[Vec<TextRun>]) -> Vec<bool> {
    let frames: Vec<Option<Rect>> = lines.iter().map(|line| line_frame(line)).collect();
    let pairs = frames.iter().zip(frames.iter().skip(1));
    let gaps: Vec<f32> = pairs
        .map(|(above, below)| match (above, below) {
            (Some(above), Some(below)) => below.y0 - above.y1,
            _ => f32::MAX,
        })
        .collect();
    let usual = median(gaps.iter().copied());
    let above = std::iter::once(None).chain(gaps.iter().map(Some));
    let below = gaps.iter().map(Some).chain([None]);
    let around = above.zip(below);
    let is_alone = lines.iter().zip(around).map(|(line, (above, below))| {
        let [run] = line.as_slice() else {
            return false;
        };
        let mut gaps = above.into_iter().chain(below);
        gaps.all(|gap| *gap > run.size && *gap > MANY_GAPS * usual)
    });
    is_alone.collect()
}

fn line_frame(line: &[TextRun]) -> Option<Rect> {
    let mut frames = line.iter().map(|run| run.frame);
    let first = frames.next()?;
    Some(frames.fold(first, Rect::union))
}

fn is_near(last: &[TextRun], next: &[TextRun]) -> bool {
    let (Some(above), Some(below)) = (line_frame(last), line_frame(next)) else {
        return false;
    };
    let size = next.iter().map(|run| run.size).fold(0.0, f32::max);
    below.y0 - above.y1 < MAX_GAP * size
}

/// Ends a stretch of lines. It is a table if several of them have several cells, and they were drawn
/// row by row, or cell by cell.
fn close_stretch(
    open: &mut Vec<Vec<TextRun>>,
    members: &[(usize, &TextRun)],
    areas: &mut Vec<TableArea>,
) {
    let mut lines = std::mem::take(open);
    while lines.last().is_some_and(|line| line.len() < 2) {
        lines.pop();
    }
    let several = lines.iter().filter(|line| line.len() > 1).count();
    if several < 2 {
        return;
    }
    let Some(frame) = lines
        .iter()
        .filter_map(|line| line_frame(line))
        .reduce(Rect::union)
    else {
        return;
    };
    let inside: Vec<(usize, &TextRun)> = members
        .iter()
        .filter(|(_, run)| {
            run.frame.x0 >= frame.x0 - 0.1
                && run.frame.x1 <= frame.x1 + 0.1
                && run.frame.y0 >= frame.y0 - 0.1
                && run.frame.y1 <= frame.y1 + 0.1
        })
        .copied()
        .collect();
    if drawn_in_rows(&inside, several) {
        areas.extend(to_area(&inside, frame, false));
    }
}

/// Whether the drawing order goes to the right as often as there are rows. In two columns of text,
/// it goes there once.
fn drawn_in_rows(members: &[(usize, &TextRun)], rows: usize) -> bool {
    let pairs = members.iter().zip(members.iter().skip(1));
    let rightwards = pairs
        .filter(|((_, a), (_, b))| b.frame.x0 > a.frame.x1 && b.frame.y0 < a.frame.y1)
        .count();
    rightwards * 2 >= rows
}
