//! Joining glyphs into words.

use super::glyphs::Glyph;
use cloister_domain::Rect;
use hayro_interpret::kurbo::Vec2;

/// A gap wider than this fraction of the font size separates words.
const WORD_GAP: f64 = 0.15;
/// Letters are spaced out by less than this fraction of the font size.
const MAX_SPACING: f64 = 1.2;
/// Fewer letters than this are not spaced out, but stand by themselves.
const MIN_SPACED: usize = 5;

/// A word on a page.
#[derive(Clone, Debug)]
pub struct PlacedWord {
    /// Its letters.
    pub text: String,
    /// Its box on the page as displayed.
    pub rect: Rect,
    /// The same box, rotated so that the word reads from left to right.
    pub frame: Rect,
    /// Its direction.
    pub direction: TextDirection,
    /// Its font size in points.
    pub size: f32,
    /// Whether it is bold.
    pub bold: bool,
    /// Whether it is on a line that is read from right to left.
    pub right_to_left: bool,
}

/// The reading direction of a word, to the nearest quarter turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextDirection {
    /// From left to right.
    LeftToRight,
    /// Downwards.
    Down,
    /// From right to left, upside down.
    UpsideDown,
    /// Upwards.
    Up,
}

impl TextDirection {
    fn from_baseline(along: Vec2) -> Self {
        if along.x.abs() >= along.y.abs() {
            if along.x >= 0.0 {
                Self::LeftToRight
            } else {
                Self::UpsideDown
            }
        } else if along.y >= 0.0 {
            Self::Down
        } else {
            Self::Up
        }
    }

    /// The rectangle on a page that is rotated so that this text is upright.
    pub fn frame(self, r: Rect) -> Rect {
        let (x0, y0, x1, y1) = match self {
            Self::LeftToRight => (r.x0, r.y0, r.x1, r.y1),
            Self::Down => (r.y0, -r.x1, r.y1, -r.x0),
            Self::UpsideDown => (-r.x1, -r.y1, -r.x0, -r.y0),
            Self::Up => (-r.y1, r.x0, -r.y0, r.x1),
        };
        Rect { x0, y0, x1, y1 }
    }
}

/// Joins glyphs into words, in drawing order.
pub fn join_glyphs(glyphs: &[Glyph]) -> Vec<PlacedWord> {
    let mut words = Vec::new();
    let mut open: Option<PlacedWord> = None;
    let mut last: Option<&Glyph> = None;
    let is_spaced = spaced_out(glyphs);
    for (glyph, is_spaced) in glyphs.iter().zip(is_spaced) {
        if glyph.text.trim().is_empty() {
            words.extend(open.take());
            continue;
        }
        let joins = last.is_some_and(|last| is_spaced || continues_word(last, glyph));
        match open.as_mut().filter(|_| joins) {
            Some(word) => {
                word.text.push_str(&glyph.text);
                word.rect = word.rect.union(glyph.rect);
                word.size = word.size.max(glyph.size);
                word.bold &= glyph.bold;
            }
            None => words.extend(open.replace(start_word(glyph))),
        }
        last = Some(glyph);
    }
    words.extend(open);
    for word in &mut words {
        word.text = remove_spaces(&word.text);
        word.frame = word.direction.frame(word.rect);
    }
    words.retain(|word| !word.text.is_empty());
    words
}

/// For each glyph, whether it continues a word whose letters are spaced out: `S P A C E D`. The gaps
/// between such letters are equal although the letters differ in width, and a space parts words.
fn spaced_out(glyphs: &[Glyph]) -> Vec<bool> {
    let mut found = vec![false; glyphs.len()];
    let mut start = 0;
    while start + 1 < glyphs.len() {
        let run = glyphs.get(start..).unwrap_or_default();
        let length = spaced_run(run);
        if length >= MIN_SPACED {
            let letters = found.iter_mut().skip(start + 1).take(length - 1);
            letters.for_each(|mark| *mark = true);
        }
        start += (length - 1).max(1);
    }
    found
}

/// The number of glyphs at the start that are spaced out, at least 1.
fn spaced_run(glyphs: &[Glyph]) -> usize {
    let gaps = glyphs
        .iter()
        .zip(glyphs.iter().skip(1))
        .map(|(last, next)| spaced_gap(last, next));
    let mut first: Option<f64> = None;
    let mut length = 1;
    for gap in gaps {
        let Some(gap) = gap.filter(|gap| first.is_none_or(|held| (held - gap).abs() < 0.012))
        else {
            break;
        };
        first = first.or(Some(gap));
        length += 1;
    }
    let mut widths: Vec<i64> = glyphs
        .iter()
        .take(length)
        .map(width_in_hundredths)
        .collect();
    widths.sort_unstable();
    widths.dedup();
    if widths.len() >= 3 { length } else { 1 }
}

/// The gap between two glyphs on a line in font sizes, if it is as wide as one between words.
fn spaced_gap(last: &Glyph, next: &Glyph) -> Option<f64> {
    let size = f64::from(last.size);
    let gap = next.start - last.end;
    let is_on_line = last.along.dot(next.along) > 0.99
        && (last.size - next.size).abs() < 0.01
        && last.along.cross(gap).abs() < 0.02 * size;
    let forward = gap.dot(last.along) / size.max(0.01);
    (is_on_line && (WORD_GAP..MAX_SPACING).contains(&forward)).then_some(forward)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float that is too large becomes the largest number"
)]
fn width_in_hundredths(glyph: &Glyph) -> i64 {
    let advance = (glyph.end - glyph.start).hypot() / f64::from(glyph.size).max(0.01);
    (advance * 100.0).round() as i64
}

fn start_word(glyph: &Glyph) -> PlacedWord {
    PlacedWord {
        text: glyph.text.clone(),
        rect: glyph.rect,
        frame: glyph.rect,
        direction: TextDirection::from_baseline(glyph.along),
        size: glyph.size,
        bold: glyph.bold,
        right_to_left: false,
    }
}

/// Whether `next` continues the word that ends with `last`.
fn continues_word(last: &Glyph, next: &Glyph) -> bool {
    if last.along.dot(next.along) < 0.99 {
        return false;
    }
    let size = f64::from(last.size.max(next.size));
    let gap = next.start - last.end;
    let forward = gap.dot(last.along);
    // Positive is lower, because y grows downwards.
    let lower = last.along.cross(gap);
    if lower.abs() > 0.5 * size || forward < -0.6 * size {
        return false;
    }
    // A raised number is a note or an exponent, and not a part of the number before it.
    let smaller = next.size < 0.85 * last.size || last.size < 0.85 * next.size;
    let is_digit = next.text.chars().all(|c| c.is_ascii_digit());
    let lowered = lower > 0.15 * size && (last.size < next.size || is_digit);
    let apart = smaller && (lower < -0.15 * size || lowered);
    // The letters of `1st`, and a trademark symbol, belong to their word.
    let letter = next.text.chars().all(char::is_alphabetic) && lower < 0.0;
    forward < WORD_GAP * size && (!apart || letter)
}

/// Some fonts have glyphs for a letter with a space.
fn remove_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}
