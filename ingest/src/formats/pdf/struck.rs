//! Words that are struck out: by a line through their middle, or by an annotation of the PDF.

use super::rules::PageRules;
use super::words::{PlacedWord, TextDirection};
use crate::formats::common::scripts::{STRUCK_CLOSE, STRUCK_OPEN};
use cloister_domain::Rect;

/// The part of a word's box, from its top, that a line through its middle crosses. An underline is
/// below, a line of a table is above or below.
const MIDDLE: (f32, f32) = (0.40, 0.72);
/// A line strikes a word out if it covers at least this fraction of its width.
const MIN_COVERED: f32 = 0.7;
/// A page with more words that lines cross is a drawing.
const MAX_STRUCK: usize = 2_000;
/// A line reaches at most this far beyond the text that it strikes out, in points.
const MAX_OVERHANG: f32 = 6.0;

/// Marks the words that are struck out. `areas` are the annotations that strike text out.
pub fn mark(words: &mut [PlacedWord], rules: &PageRules, areas: &[Rect]) {
    let mut lines = rules.horizontal.clone();
    lines.sort_by(|a, b| a.y0.total_cmp(&b.y0));
    let struck: Vec<bool> = words
        .iter()
        .map(|word| is_struck(word, &lines) || areas.iter().any(|area| is_covered(word, *area)))
        .collect();
    if struck.iter().filter(|held| **held).count() > MAX_STRUCK {
        return;
    }
    let struck = without_rulings(words, &lines, struck);
    let following = struck.iter().skip(1).chain([&false]);
    let mut follows_struck = false;
    for ((word, is_struck), precedes_struck) in words.iter_mut().zip(&struck).zip(following) {
        if *is_struck && !follows_struck {
            word.text.insert_str(0, STRUCK_OPEN);
        }
        if *is_struck && !precedes_struck {
            word.text.push_str(STRUCK_CLOSE);
        }
        follows_struck = *is_struck;
    }
}

fn is_struck(word: &PlacedWord, lines: &[Rect]) -> bool {
    word.direction == TextDirection::LeftToRight && lines_through(word, lines).next().is_some()
}

/// The lines through the middle of a word. `lines` are sorted by height.
fn lines_through<'l>(word: &PlacedWord, lines: &'l [Rect]) -> impl Iterator<Item = &'l Rect> {
    let rect = word.rect;
    let top = MIDDLE.0.mul_add(rect.height(), rect.y0);
    let bottom = MIDDLE.1.mul_add(rect.height(), rect.y0);
    let first = lines.partition_point(|line| line.y0 < top - 2.0);
    let near = lines.iter().skip(first);
    near.take_while(move |line| line.y0 <= bottom)
        .filter(move |line| {
            let y = f32::midpoint(line.y0, line.y1);
            let shared = line.x1.min(rect.x1) - line.x0.max(rect.x0);
            top <= y && y <= bottom && shared >= MIN_COVERED * rect.width()
        })
}

/// Drops words that a line crosses which also goes far beyond the text: it belongs to a drawing.
fn without_rulings(words: &[PlacedWord], lines: &[Rect], mut struck: Vec<bool>) -> Vec<bool> {
    for (index, word) in words.iter().enumerate() {
        if struck.get(index) != Some(&true) {
            continue;
        }
        let Some(line) = lines_through(word, lines).next() else {
            continue;
        };
        let on_line = words.iter().filter(|other| {
            other.rect.y0 < word.rect.y1 && other.rect.y1 > word.rect.y0 && {
                let middle = f32::midpoint(other.rect.x0, other.rect.x1);
                line.x0 <= middle && middle <= line.x1
            }
        });
        let (left, right) = on_line.fold((f32::MAX, f32::MIN), |(left, right), other| {
            (left.min(other.rect.x0), right.max(other.rect.x1))
        });
        if line.x0 < left - MAX_OVERHANG || line.x1 > right + MAX_OVERHANG {
            struck
                .get_mut(index)
                .into_iter()
                .for_each(|held| *held = false);
        }
    }
    struck
}

fn is_covered(word: &PlacedWord, area: Rect) -> bool {
    let rect = word.rect;
    let wide = area.x1.min(rect.x1) - area.x0.max(rect.x0) >= MIN_COVERED * rect.width();
    let middle = f32::midpoint(rect.y0, rect.y1);
    wide && area.y0 <= middle && middle <= area.y1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, x0: f32, x1: f32) -> PlacedWord {
        let rect = Rect {
            x0,
            y0: 100.0,
            x1,
            y1: 110.0,
        };
        PlacedWord {
            text: text.to_owned(),
            rect,
            frame: rect,
            direction: TextDirection::LeftToRight,
            size: 10.0,
            bold: false,
            right_to_left: false,
        }
    }

    fn line(x0: f32, x1: f32, y: f32) -> Rect {
        Rect {
            x0,
            y0: y,
            x1,
            y1: y,
        }
    }

    #[test]
    fn a_line_through_the_middle_strikes_words_out() {
        let words = [
            word("Give", 0.0, 20.0),
            word("20", 24.0, 34.0),
            word("mg", 37.0, 50.0),
        ];
        for (line, expected) in [
            (line(24.0, 50.0, 105.0), "Give [struck out: 20 mg]"),
            (line(24.0, 50.0, 109.5), "Give 20 mg"),
            (line(24.0, 300.0, 105.0), "Give 20 mg"),
        ] {
            let mut words = words.to_vec();
            let mut rules = PageRules::default();
            rules.horizontal.push(line);
            mark(&mut words, &rules, &[]);
            let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            assert_eq!(texts.join(" "), expected);
        }
    }
}
