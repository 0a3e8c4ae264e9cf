//! The layout of a recognised page: tesseract's table of words becomes text with positions.

use crate::formats::pdf::rules::PageRules;
use crate::formats::pdf::words::{PlacedWord, TextDirection};
use crate::formats::pdf::{blocks, order, rows, tables};
use crate::wire::Style;
use cloister_domain::{ByteRange, PageText, Rect};
use std::collections::BTreeMap;

/// Words below this confidence, in percent, are dropped: they are specks and signatures.
const MIN_CONFIDENCE: f32 = 20.0;
/// Words below this confidence, in percent, are marked as doubtful.
const LOW_CONFIDENCE: f32 = 60.0;

/// A recognised page.
#[derive(Debug)]
pub struct RecognisedPage {
    /// Its text.
    pub content: PageText,
    /// The typography of its blocks.
    pub styles: Vec<Style>,
}

/// A word that tesseract found, with its box in points.
#[derive(Clone, Debug)]
pub struct OcrWord {
    text: String,
    rect: Rect,
    /// Confidence in percent.
    confidence: f32,
    line: (u32, u32, u32),
}

/// Parses tesseract's TSV: `level page block par line word left top width height conf text`.
/// `scale` is the number of points per pixel.
pub fn parse_tsv(table: &str, scale: f32) -> Vec<OcrWord> {
    table
        .lines()
        .filter_map(|line| parse_word(line, scale))
        .collect()
}

fn parse_word(line: &str, scale: f32) -> Option<OcrWord> {
    let fields: Vec<&str> = line.splitn(12, '\t').collect();
    let [
        "5",
        _page,
        block,
        paragraph,
        line,
        _word,
        left,
        top,
        width,
        height,
        confidence,
        text,
    ] = fields.as_slice()
    else {
        return None;
    };
    let (x0, y0) = (parse_points(left, scale)?, parse_points(top, scale)?);
    let rect = Rect {
        x0,
        y0,
        x1: x0 + parse_points(width, scale)?,
        y1: y0 + parse_points(height, scale)?,
    };
    let confidence = confidence
        .parse()
        .ok()
        .filter(|c: &f32| *c >= MIN_CONFIDENCE)?;
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text: String = text.split_whitespace().collect();
    (!text.is_empty()).then_some(OcrWord {
        text,
        rect,
        confidence,
        line: (
            block.parse().ok()?,
            paragraph.parse().ok()?,
            line.parse().ok()?,
        ),
    })
}

fn parse_points(pixels: &str, scale: f32) -> Option<f32> {
    Some(f32::from(pixels.parse::<u16>().ok()?) * scale)
}

/// Analyses the layout of the words, and builds the text of the page.
pub fn lay_out(found: &[OcrWord]) -> RecognisedPage {
    let placed = place_words(found);
    let search = tables::find_tables(rows::join_words(placed), &PageRules::default());
    let (mut content, styles) = blocks::build_page_text(order::order_with_tables(search));
    content.doubtful = low_confidence_ranges(&content, found);
    RecognisedPage { content, styles }
}

/// Adds to each word its direction, and the font size of its line.
fn place_words(found: &[OcrWord]) -> Vec<PlacedWord> {
    let mut lines: BTreeMap<(u32, u32, u32), Vec<&OcrWord>> = BTreeMap::new();
    for word in found {
        lines.entry(word.line).or_default().push(word);
    }
    let direction = dominant_direction(lines.values());
    let heights: Vec<f32> = lines
        .values()
        .map(|line| line_height(line, direction))
        .collect();
    let usual = median(heights);
    let mut sizes: BTreeMap<(u32, u32, u32), f32> = BTreeMap::new();
    for (line, words) in &lines {
        let height = line_height(words, direction);
        // A line without tall letters, or with a stray speck, still has the usual size.
        let alike = (0.65 * usual..1.45 * usual).contains(&height);
        sizes.insert(*line, if alike { usual } else { height });
    }
    found
        .iter()
        .map(|word| PlacedWord {
            text: word.text.clone(),
            rect: word.rect,
            frame: direction.frame(word.rect),
            direction,
            size: sizes.get(&word.line).copied().unwrap_or(usual),
            bold: false,
            right_to_left: false,
        })
        .collect()
}

fn centre(rect: Rect) -> (f32, f32) {
    (
        f32::midpoint(rect.x0, rect.x1),
        f32::midpoint(rect.y0, rect.y1),
    )
}

/// The direction of most lines, from their first word to their last. A page may be scanned
/// sideways.
fn dominant_direction<'a>(lines: impl Iterator<Item = &'a Vec<&'a OcrWord>>) -> TextDirection {
    let (mut along_x, mut along_y) = (0.0, 0.0);
    for line in lines {
        if let [first, .., last] = line.as_slice() {
            let ((x0, y0), (x1, y1)) = (centre(first.rect), centre(last.rect));
            along_x += x1 - x0;
            along_y += y1 - y0;
        }
    }
    match along_x.abs() >= along_y.abs() {
        true if along_x >= 0.0 => TextDirection::LeftToRight,
        true => TextDirection::UpsideDown,
        false if along_y >= 0.0 => TextDirection::Down,
        false => TextDirection::Up,
    }
}

fn line_height(line: &[&OcrWord], direction: TextDirection) -> f32 {
    median(
        line.iter()
            .map(|word| direction.frame(word.rect).height())
            .collect(),
    )
}

fn median(mut numbers: Vec<f32>) -> f32 {
    numbers.sort_by(f32::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(10.0)
}

/// The ranges of words with a low confidence.
fn low_confidence_ranges(content: &PageText, found: &[OcrWord]) -> Vec<ByteRange> {
    let unsure: Vec<Rect> = found
        .iter()
        .filter(|word| word.confidence < LOW_CONFIDENCE)
        .map(|word| word.rect)
        .collect();
    let words = content.words.iter();
    words
        .filter(|word| unsure.contains(&word.rect))
        .map(|word| word.range)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
        4\t1\t1\t1\t1\t0\t100\t100\t900\t40\t-1\t\n\
        5\t1\t1\t1\t1\t1\t100\t100\t200\t40\t96.1\tParacetamol\n\
        5\t1\t1\t1\t1\t2\t320\t100\t40\t40\t41.0\t1g\n\
        5\t1\t1\t1\t1\t3\t380\t100\t10\t40\t3.0\t~\n\
        5\t1\t1\t1\t2\t1\t100\t150\t200\t40\t95.0\tevery\n\
        5\t1\t1\t1\t2\t2\t320\t150\t40\t40\t95.0\t6\n\
        5\tbroken\n";

    #[test]
    fn words_become_text_with_positions_and_doubtful_words() {
        let page = lay_out(&parse_tsv(TABLE, 0.24));
        assert_eq!(page.content.text, "Paracetamol 1g every 6");
        let doubts: Vec<_> = page
            .content
            .doubtful
            .iter()
            .map(|range| range.slice(&page.content.text).unwrap())
            .collect();
        assert_eq!(doubts, ["1g"], "and the speck is left out");
        let first = page.content.words.first().unwrap().rect;
        assert_eq!((first.x0, first.y1), (24.0, 33.6));
    }

    #[test]
    fn a_page_on_its_side_is_read_along_its_lines() {
        let sideways = "5\t1\t1\t1\t1\t1\t500\t900\t40\t200\t95\tParacetamol\n\
                      5\t1\t1\t1\t1\t2\t500\t780\t40\t100\t95\tevery\n\
                      5\t1\t1\t1\t2\t1\t560\t900\t40\t200\t95\tsix\n\
                      5\t1\t1\t1\t2\t2\t560\t780\t40\t100\t95\thours\n";
        let page = lay_out(&parse_tsv(sideways, 0.24));
        assert_eq!(page.content.text, "Paracetamol every six hours");
    }
}
