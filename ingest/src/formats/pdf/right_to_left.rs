//! Text that is written from right to left. Its glyphs are drawn in any order, so the order in which
//! people read them is derived from their places.

use super::glyphs::Glyph;
use super::words::{PlacedWord, TextDirection, join_glyphs};
use unicode_normalization::UnicodeNormalization;

/// Glyphs further apart than this, in font sizes, belong to different columns.
const MAX_GAP: f64 = 2.5;
/// A gap wider than this fraction of the font size separates words.
const WORD_GAP: f64 = 0.17;

/// Whether a letter is one of a script that is written from right to left.
pub const fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
}

fn has_right_to_left(glyph: &Glyph) -> bool {
    glyph.text.chars().any(is_right_to_left)
}

/// Joins glyphs into words. Those from right to left are put into the order in which they are read.
pub fn join_in_order(glyphs: &[Glyph]) -> Vec<PlacedWord> {
    if !glyphs.iter().any(has_right_to_left) {
        return join_glyphs(glyphs);
    }
    let segments = find_segments(glyphs);
    let mut segment_of: Vec<Option<usize>> = vec![None; glyphs.len()];
    for (number, segment) in segments.iter().enumerate() {
        for index in segment {
            if let Some(place) = segment_of.get_mut(*index) {
                *place = Some(number);
            }
        }
    }
    let mut words = Vec::new();
    let mut pending: Vec<Glyph> = Vec::new();
    let mut written = vec![false; segments.len()];
    for (glyph, segment) in glyphs.iter().zip(segment_of) {
        let Some(number) = segment else {
            pending.push(glyph.clone());
            continue;
        };
        if let Some(done) = written.get_mut(number).filter(|done| !**done) {
            *done = true;
            words.append(&mut join_glyphs(&std::mem::take(&mut pending)));
            let members = segments.get(number).map_or(&[][..], Vec::as_slice);
            words.extend(read_segment(glyphs, members));
        }
    }
    words.append(&mut join_glyphs(&pending));
    words
}

/// Pieces of lines in which letters from right to left prevail, each from left to right.
fn find_segments(glyphs: &[Glyph]) -> Vec<Vec<usize>> {
    let mut upright: Vec<(usize, &Glyph)> = glyphs
        .iter()
        .enumerate()
        .filter(|(_, glyph)| glyph.along.x > 0.99)
        .collect();
    upright.sort_by(|(_, a), (_, b)| {
        a.start
            .y
            .total_cmp(&b.start.y)
            .then(a.start.x.total_cmp(&b.start.x))
    });
    let mut lines: Vec<Vec<(usize, &Glyph)>> = Vec::new();
    for item in upright {
        let near = lines
            .last()
            .and_then(|line| line.first())
            .is_some_and(|(_, first)| {
                (item.1.start.y - first.start.y).abs()
                    < 0.35 * f64::from(first.size.max(item.1.size))
            });
        match lines.last_mut() {
            Some(line) if near => line.push(item),
            _ => lines.push(vec![item]),
        }
    }
    let mut segments = Vec::new();
    for mut line in lines {
        line.sort_by(|(_, a), (_, b)| a.start.x.total_cmp(&b.start.x));
        let mut open: Vec<(usize, &Glyph)> = Vec::new();
        for item in line {
            let apart = open.last().is_some_and(|(_, last)| {
                item.1.start.x - last.end.x > MAX_GAP * f64::from(last.size.max(item.1.size))
            });
            if apart {
                close_segment(&mut open, &mut segments);
            }
            open.push(item);
        }
        close_segment(&mut open, &mut segments);
    }
    segments
}

fn close_segment(open: &mut Vec<(usize, &Glyph)>, segments: &mut Vec<Vec<usize>>) {
    let segment = std::mem::take(open);
    let right = count_letters(true, &segment);
    if right > 0 && right * 2 >= count_letters(false, &segment) {
        segments.push(segment.into_iter().map(|(index, _)| index).collect());
    }
}

/// The number of letters written to the left, or of others.
fn count_letters(right: bool, segment: &[(usize, &Glyph)]) -> usize {
    let chars = segment.iter().flat_map(|(_, glyph)| glyph.text.chars());
    chars
        .filter(|c| c.is_alphabetic() && is_right_to_left(*c) == right)
        .count()
}

/// The words of a piece of a line, in the order in which they are read.
fn read_segment(glyphs: &[Glyph], members: &[usize]) -> Vec<PlacedWord> {
    let mut words: Vec<Vec<&Glyph>> = Vec::new();
    let mut last: Option<&Glyph> = None;
    for glyph in members.iter().filter_map(|index| glyphs.get(*index)) {
        let is_space = glyph.text.trim().is_empty();
        let apart = last.is_none_or(|last| {
            glyph.start.x - last.end.x > WORD_GAP * f64::from(last.size.max(glyph.size))
        });
        if is_space {
            last = None;
            continue;
        }
        match words.last_mut() {
            Some(word) if !apart => word.push(glyph),
            _ => words.push(vec![glyph]),
        }
        last = Some(glyph);
    }
    let mut ordered: Vec<PlacedWord> = words
        .iter()
        .rev()
        .filter_map(|word| write_word(word))
        .collect();
    restore_left_to_right(&mut ordered);
    ordered
}

/// Words of Latin letters that follow each other are read from left to right.
fn restore_left_to_right(words: &mut [PlacedWord]) {
    let mut start = 0;
    while start < words.len() {
        let run = words
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(|word| is_left_to_right(word))
            .count();
        if let Some(run) = words.get_mut(start..start + run) {
            run.reverse();
        }
        start += run.max(1);
    }
}

/// Whether a word has letters, and none that are written to the left.
fn is_left_to_right(word: &PlacedWord) -> bool {
    word.text.chars().any(char::is_alphabetic) && !word.text.chars().any(is_right_to_left)
}

/// Writes a word, whose glyphs are from left to right.
fn write_word(glyphs: &[&Glyph]) -> Option<PlacedWord> {
    let first = glyphs.first()?;
    let mut rect = first.rect;
    let mut size = first.size;
    let is_right = glyphs.iter().any(|glyph| has_right_to_left(glyph));
    let mut text = String::new();
    if is_right {
        let mut number: Vec<&str> = Vec::new();
        for glyph in glyphs.iter().rev() {
            // Digits and Latin letters are from left to right within the word.
            let is_left = glyph.text.chars().all(|c| c.is_ascii_alphanumeric())
                || !number.is_empty()
                    && glyph
                        .text
                        .chars()
                        .all(|c| matches!(c, '.' | ',' | ':' | '/'));
            if is_left {
                number.push(&glyph.text);
                continue;
            }
            text.extend(number.drain(..).rev());
            text.extend(glyph.text.chars().map(mirror));
        }
        text.extend(number.drain(..).rev());
    } else {
        text.extend(glyphs.iter().map(|glyph| glyph.text.as_str()));
    }
    for glyph in glyphs {
        rect = rect.union(glyph.rect);
        size = size.max(glyph.size);
    }
    Some(PlacedWord {
        text: text
            .split_whitespace()
            .flat_map(str::chars)
            .flat_map(plain_letter)
            .collect(),
        rect,
        frame: rect,
        direction: TextDirection::LeftToRight,
        size,
        bold: glyphs.iter().all(|glyph| glyph.bold),
        right_to_left: true,
    })
}

/// The letter of a glyph that shows one of its shapes.
fn plain_letter(c: char) -> Vec<char> {
    if matches!(c, '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}') {
        std::iter::once(c).nfkc().collect()
    } else {
        vec![c]
    }
}

/// Brackets are drawn mirrored.
const fn mirror(c: char) -> char {
    match c {
        '(' => ')',
        ')' => '(',
        '[' => ']',
        ']' => '[',
        '{' => '}',
        '}' => '{',
        '<' => '>',
        '>' => '<',
        '«' => '»',
        '»' => '«',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_domain::Rect;
    use hayro_interpret::kurbo::{Point, Vec2};

    fn glyph(text: &str, x: i16) -> Glyph {
        let left = f32::from(x);
        Glyph {
            text: text.to_owned(),
            rect: Rect {
                x0: left,
                y0: 90.0,
                x1: left + 6.0,
                y1: 100.0,
            },
            start: Point::new(f64::from(x), 98.0),
            end: Point::new(f64::from(x) + 6.0, 98.0),
            along: Vec2::new(1.0, 0.0),
            size: 10.0,
            bold: false,
        }
    }

    #[test]
    fn letters_from_right_to_left_make_words_in_whatever_order_they_are_drawn() {
        // From left to right on the paper: 12, space, gimel bet alef.
        let placed = [("1", 0), ("2", 6), ("ג", 16), ("ב", 22), ("א", 28)];
        let forwards: Vec<Glyph> = placed.iter().map(|(text, x)| glyph(text, *x)).collect();
        let backwards: Vec<Glyph> = forwards.iter().rev().cloned().collect();
        for glyphs in [forwards, backwards] {
            let words = join_in_order(&glyphs);
            let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            assert_eq!(texts, ["אבג", "12"]);
        }
    }
}
