//! Lines and shaded areas of a page, which part the rows and columns of tables.

use super::forms;
use super::words::{PlacedWord, TextDirection};
use cloister_domain::Rect;
use hayro_interpret::kurbo::{self, Affine, BezPath, PathEl, Point, Shape};

/// Maximum number of lines and of areas that are recorded.
const MAX_RULES: usize = 20_000;
/// A line is not thicker than this, in points.
const MAX_THICKNESS: f32 = 2.6;
/// Shorter lines are parts of letters and pictures.
const MIN_LENGTH: f32 = 5.0;
/// The size of a box to tick, in points, and the maximum number of them on a page.
const BOX_SIZE: (f32, f32) = (5.0, 18.0);
const MAX_BOXES: usize = 500;
/// Lines whose ends are nearer than this are one.
const JOINT: f32 = 3.0;

/// The lines and shaded areas of a page.
#[derive(Clone, Debug, Default)]
pub struct PageRules {
    /// Horizontal lines.
    pub horizontal: Vec<Rect>,
    /// Vertical lines.
    pub vertical: Vec<Rect>,
    /// Shaded areas.
    pub shaded: Vec<Rect>,
    /// Small squares, which may be boxes to tick.
    squares: Vec<Rect>,
    /// Short lines that are neither horizontal nor vertical, as those of a cross.
    strokes: Vec<Rect>,
}

impl PageRules {
    /// Records the straight lines of a path that is drawn with a pen.
    pub fn add_stroke(&mut self, path: &BezPath, transform: Affine) {
        let mut first = Point::ZERO;
        let mut last = Point::ZERO;
        self.add_square(path, transform);
        for element in path.elements() {
            let next = match element {
                PathEl::MoveTo(to) => {
                    first = *to;
                    last = *to;
                    continue;
                }
                PathEl::LineTo(to) => *to,
                PathEl::QuadTo(_, to) | PathEl::CurveTo(_, _, to) => {
                    last = *to;
                    continue;
                }
                PathEl::ClosePath => first,
            };
            let line = kurbo::Rect::from_points(transform * last, transform * next);
            let line = super::glyphs::display(line);
            self.add_line(line);
            self.add_short_stroke(line);
            last = next;
        }
    }

    /// Records a path that is one small square.
    fn add_square(&mut self, path: &BezPath, transform: Affine) {
        let elements = path.elements();
        let lines = elements
            .iter()
            .all(|e| matches!(e, PathEl::MoveTo(_) | PathEl::LineTo(_) | PathEl::ClosePath));
        if !lines || !(4..=6).contains(&elements.len()) || self.squares.len() >= MAX_BOXES {
            return;
        }
        let area = super::glyphs::display((transform * path).bounding_box());
        let (width, height) = (area.width(), area.height());
        let is_small = BOX_SIZE.0 <= width.min(height) && width.max(height) <= BOX_SIZE.1;
        if is_small && (width - height).abs() < 0.15 * width {
            self.squares.push(area);
        }
    }

    fn add_short_stroke(&mut self, line: Rect) {
        let (width, height) = (line.width(), line.height());
        let is_slanted = width.min(height) > 2.0 && width.max(height) <= 1.5 * BOX_SIZE.1;
        if is_slanted && self.strokes.len() < MAX_BOXES {
            self.strokes.push(line);
        }
    }

    /// Writes the signs of drawn boxes in front of the words that they belong to. Squares in rows are
    /// the cells of a table or of a form. `fields` are the boxes of the form, which are written already.
    pub fn place_drawn_boxes(&self, fields: &[Rect], words: &mut Vec<PlacedWord>) {
        for square in &self.squares {
            let is_field = fields.iter().any(|field| {
                forms::is_within(*field, *square) || forms::is_within(*square, *field)
            });
            let is_shaded = self
                .shaded
                .iter()
                .any(|area| forms::is_within(*area, *square));
            let is_cell = self.squares.iter().any(|other| touches(*other, *square));
            if !is_field && !is_shaded && !is_cell {
                self.place_drawn_box(*square, words);
            }
        }
    }

    /// A box is ticked if there is a cross or one sign in it.
    fn place_drawn_box(&self, square: Rect, words: &mut Vec<PlacedWord>) {
        let mut signs = words.iter().enumerate().filter(|(_, word)| {
            word.text.chars().count() == 1 && forms::is_within(word.rect, square)
        });
        let inside = signs.next().map(|(index, word)| (index, word.text.clone()));
        if let Some((index, sign)) = &inside {
            // A letter in a box is what somebody wrote, and a box is no tick.
            if !sign
                .chars()
                .all(|c: char| !"☐☑☒".contains(c) && (!c.is_alphanumeric() || "xX48".contains(c)))
            {
                return;
            }
            words.remove(*index);
        }
        let is_crossed = self
            .strokes
            .iter()
            .any(|line| forms::is_within(*line, square));
        if let Some((index, is_right)) = forms::neighbour(words, square) {
            forms::insert_sign(
                words,
                index,
                is_right,
                square,
                inside.is_some() || is_crossed,
            );
        }
    }

    /// Records the areas of a path that is filled with a colour. `is_shade` is false if the colour is
    /// white.
    pub fn add_fill(&mut self, path: &BezPath, to_page: Affine, page: kurbo::Rect, is_shade: bool) {
        let mut open: Option<kurbo::Rect> = None;
        for element in path.elements() {
            let to = match element {
                PathEl::MoveTo(to) => {
                    self.add_area(open.take(), page, is_shade);
                    *to
                }
                PathEl::LineTo(to) | PathEl::QuadTo(_, to) | PathEl::CurveTo(_, _, to) => *to,
                PathEl::ClosePath => continue,
            };
            let to = to_page * to;
            let point = kurbo::Rect::from_points(to, to);
            open = Some(open.map_or(point, |area| area.union_pt(to)));
        }
        self.add_area(open, page, is_shade);
    }

    fn add_area(&mut self, area: Option<kurbo::Rect>, page: kurbo::Rect, is_shade: bool) {
        let Some(area) = area.filter(|area| is_shade && area.is_finite()) else {
            return;
        };
        let area = super::glyphs::display(area.intersect(page));
        if area.width() <= MAX_THICKNESS || area.height() <= MAX_THICKNESS {
            self.add_line(area);
        } else if area.width() > MIN_LENGTH
            && area.height() > MIN_LENGTH
            && self.shaded.len() < MAX_RULES
        {
            self.shaded.push(area);
        }
    }

    fn add_line(&mut self, line: Rect) {
        let count = self.horizontal.len() + self.vertical.len();
        let finite = [line.x0, line.x1, line.y0, line.y1]
            .iter()
            .all(|edge| edge.is_finite());
        if count >= MAX_RULES || !finite {
            return;
        }
        if line.height() <= MAX_THICKNESS && line.width() >= MIN_LENGTH {
            self.horizontal.push(line);
        } else if line.width() <= MAX_THICKNESS && line.height() >= MIN_LENGTH {
            self.vertical.push(line);
        }
    }

    /// The same on a page that is rotated so that text of this direction is upright, with the
    /// pieces of each line joined.
    #[must_use]
    pub fn framed(&self, direction: TextDirection) -> Self {
        let mut framed = Self::default();
        for line in self.horizontal.iter().chain(&self.vertical) {
            framed.add_line(direction.frame(*line));
        }
        framed.shaded = self
            .shaded
            .iter()
            .map(|area| direction.frame(*area))
            .collect();
        framed.horizontal = join_lines(framed.horizontal);
        let rotated = framed.vertical.iter().map(|line| turn(*line)).collect();
        framed.vertical = join_lines(rotated).into_iter().map(turn).collect();
        framed
    }
}

/// Whether two squares of one size touch each other.
fn touches(a: Rect, b: Rect) -> bool {
    let is_level = is_near(a.y0, b.y0) && (is_near(a.x0, b.x1) || is_near(a.x1, b.x0));
    let is_above = is_near(a.x0, b.x0) && (is_near(a.y0, b.y1) || is_near(a.y1, b.y0));
    is_level || is_above
}

/// Whether two coordinates are less than 2 points apart.
fn is_near(a: f32, b: f32) -> bool {
    (a - b).abs() < 2.0
}

const fn turn(rect: Rect) -> Rect {
    Rect {
        x0: rect.y0,
        y0: rect.x0,
        x1: rect.y1,
        y1: rect.x1,
    }
}

/// Joins horizontal lines at the same height whose ends meet.
fn join_lines(mut lines: Vec<Rect>) -> Vec<Rect> {
    lines.sort_by(|a, b| {
        a.y0.round()
            .total_cmp(&b.y0.round())
            .then(a.x0.total_cmp(&b.x0))
    });
    let mut joined: Vec<Rect> = Vec::new();
    for line in lines {
        match joined.last_mut() {
            Some(last) if (last.y0 - line.y0).abs() < 1.5 && line.x0 <= last.x1 + JOINT => {
                *last = last.union(line);
            }
            _ => joined.push(line),
        }
    }
    joined
}
