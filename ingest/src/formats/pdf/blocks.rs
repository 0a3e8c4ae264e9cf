//! Rows become blocks, and blocks become the page's text.

use super::marker::begins_item;
use super::rows::{Piece, Row};
use crate::wire::Style;
use cloister_domain::{Block, BlockKind, ByteRange, PageText, Rect, Word};
use std::collections::HashSet;

/// A block before it is text.
struct Draft {
    kind: BlockKind,
    rows: Vec<Row>,
}

/// The page's text, and how each of its blocks is set.
pub fn page_text(rows: Vec<Row>) -> (PageText, Vec<Style>) {
    let pitch = usual_pitch(&rows);
    let mut drafts: Vec<Draft> = Vec::new();
    for row in rows {
        match drafts.last_mut() {
            Some(draft) if continues(draft, &row, pitch) => draft.rows.push(row),
            _ => drafts.push(begin(row)),
        }
    }
    Writer::write(&drafts)
}

fn begin(row: Row) -> Draft {
    let kind = if row.cells.len() > 1 {
        BlockKind::TableRow
    } else if begins_item(&text_of(&row)) {
        BlockKind::ListItem
    } else if is_caption(&row) {
        BlockKind::Caption
    } else {
        BlockKind::Paragraph
    };
    Draft {
        kind,
        rows: vec![row],
    }
}

fn text_of(row: &Row) -> String {
    row.cells
        .iter()
        .map(Piece::text)
        .collect::<Vec<_>>()
        .join(" ")
}

fn is_caption(row: &Row) -> bool {
    let text = text_of(row);
    let mut words = text.split(' ');
    let named = words.next().is_some_and(|word| {
        matches!(
            word,
            "Table" | "TABLE" | "Figure" | "FIGURE" | "Fig." | "Exhibit" | "Box" | "Chart"
        )
    });
    let number = words.next().unwrap_or_default();
    let numbered = number.starts_with(|c: char| c.is_ascii_digit())
        && number.trim_end_matches(['.', ':']).len() <= 6;
    named && numbered
}

/// Whether `row` goes on with the block.
fn continues(draft: &Draft, row: &Row, pitch: f32) -> bool {
    let Some(last) = draft.rows.last() else {
        return false;
    };
    let size = last.size.max(row.size);
    let alike = last.turn == row.turn
        && (last.size - row.size).abs() <= 0.1 * size
        && last.bold == row.bold;
    if draft.kind == BlockKind::TableRow || row.cells.len() > 1 || !alike {
        return false;
    }
    if begins_item(&text_of(row)) {
        return false;
    }
    let down = row.frame.y0 - last.frame.y0;
    if down < -size {
        return continues_in_next_column(last, row);
    }
    let near = down > 0.3 * size && down < 1.3 * pitch * size;
    near && !begins_paragraph(draft, last, row)
}

/// A sentence that is cut off at the foot of a column goes on at the head of the next.
fn continues_in_next_column(last: &Row, row: &Row) -> bool {
    let beside = row.frame.x0 > last.frame.x0 + last.size;
    let small = row
        .first_word()
        .chars()
        .next()
        .is_some_and(char::is_lowercase);
    beside && small && !ends_sentence(last)
}

/// Whether `row` is set off as the beginning of a paragraph: indented, or after a short line.
fn begins_paragraph(draft: &Draft, last: &Row, row: &Row) -> bool {
    let indent = row.frame.x0 - last.frame.x0;
    let is_item = draft.kind == BlockKind::ListItem;
    let first_line = draft.rows.len() == 1;
    if is_item {
        // Lines of an item stand below its text; a line below its marker is not of the item.
        return indent < 0.5 * row.size && first_line && ends_sentence(last)
            || indent < -row.size && ends_sentence(last);
    }
    let right = draft
        .rows
        .iter()
        .map(|r| r.frame.x1)
        .fold(row.frame.x1, f32::max);
    let left = draft
        .rows
        .iter()
        .map(|r| r.frame.x0)
        .fold(row.frame.x0, f32::min);
    let short = last.frame.x1 < right - 0.15 * (right - left);
    let indented = indent > row.size && indent < 6.0 * row.size;
    ends_sentence(last) && (short || indented || indent < -row.size && !first_line)
}

fn ends_sentence(row: &Row) -> bool {
    row.last_word()
        .trim_end_matches(['"', '”', '’', '\'', ')', ']'])
        .ends_with(['.', '!', '?', ':', ';'])
}

/// How far apart the page's lines usually stand, in font sizes.
fn usual_pitch(rows: &[Row]) -> f32 {
    let mut pitches: Vec<f32> = rows
        .iter()
        .zip(rows.iter().skip(1))
        .filter(|(a, b)| a.turn == b.turn && (a.size - b.size).abs() < 0.1 * a.size)
        .map(|(a, b)| (b.frame.y0 - a.frame.y0) / a.size.max(0.1))
        .filter(|pitch| (0.8..2.6).contains(pitch))
        .collect();
    pitches.sort_by(f32::total_cmp);
    // The lower third: paragraphs stand further apart than lines do.
    let usual = pitches.get(pitches.len() / 3).copied();
    usual.unwrap_or(1.2).clamp(1.0, 2.2)
}

/// Writes drafts into a page's text.
struct Writer {
    page: PageText,
    styles: Vec<Style>,
    /// Words of this page with a hyphen inside, to tell a broken word from a hyphenated one.
    hyphenated: HashSet<String>,
}

impl Writer {
    fn write(drafts: &[Draft]) -> (PageText, Vec<Style>) {
        let mut writer = Self {
            page: PageText::default(),
            styles: Vec::new(),
            hyphenated: hyphenated_words(drafts),
        };
        for draft in drafts {
            writer.draft(draft);
        }
        (writer.page, writer.styles)
    }

    fn draft(&mut self, draft: &Draft) {
        if !self.page.text.is_empty() {
            self.page.text.push('\n');
        }
        let start = self.page.text.len();
        for (index, row) in draft.rows.iter().enumerate() {
            if index > 0 && !self.rejoin(row) {
                self.page.text.push(' ');
            }
            self.row(row);
        }
        let range = ByteRange::new(start, self.page.text.len());
        self.page.blocks.push(Block {
            kind: draft.kind,
            range,
            place: None,
        });
        self.styles.push(style(draft));
    }

    fn row(&mut self, row: &Row) {
        for (index, cell) in row.cells.iter().enumerate() {
            if index > 0 {
                self.page.text.push_str(" | ");
            }
            for (index, word) in cell.words.iter().enumerate() {
                if index > 0 {
                    self.page.text.push(' ');
                }
                let start = self.page.text.len();
                self.page.text.push_str(&word.text);
                let range = ByteRange::new(start, self.page.text.len());
                self.page.words.push(Word {
                    range,
                    rect: word.rect,
                });
            }
        }
    }

    /// Puts together a word that the end of the last line broke. Tells whether it did; where it
    /// did not, a space belongs between the lines.
    fn rejoin(&mut self, next: &Row) -> bool {
        let Some(last) = self.page.words.last_mut() else {
            return false;
        };
        let Some(left) = last.range.of(&self.page.text) else {
            return false;
        };
        let Some(stem) = left.strip_suffix(['-', '\u{ad}', '\u{2010}']) else {
            return false;
        };
        let right = next.first_word();
        // `low- and middle-income`: the hyphen stands for a word that follows.
        if matches!(right, "and" | "or" | "to" | "und" | "oder" | "bis") {
            return false;
        }
        let letters = stem.chars().next_back().is_some_and(char::is_alphabetic)
            && right.chars().next().is_some_and(char::is_lowercase);
        if !letters {
            // `2019-` and `2020` stay together, a dash before a word stays a dash.
            return stem.chars().next_back().is_some_and(char::is_alphanumeric)
                && right.chars().next().is_some_and(char::is_alphanumeric);
        }
        let compound = format!("{}-{}", bare(stem), bare(right));
        if !self.hyphenated.contains(&compound) && !is_prefix(stem) {
            let end = last.range.start + stem.len();
            self.page.text.truncate(end);
            last.range.end = end;
        }
        true
    }
}

/// Prefixes that keep their hyphen.
fn is_prefix(stem: &str) -> bool {
    let stem = stem.rsplit('-').next().unwrap_or(stem).to_lowercase();
    matches!(
        bare(&stem).as_str(),
        "medium"
            | "middle"
            | "self"
            | "non"
            | "long"
            | "short"
            | "well"
            | "high"
            | "low"
            | "year"
            | "third"
            | "full"
            | "part"
            | "cross"
            | "risk"
            | "fixed"
            | "half"
            | "one"
            | "two"
            | "three"
            | "four"
            | "first"
            | "second"
            | "tax"
            | "cost"
            | "time"
            | "near"
            | "mid"
            | "all"
            | "ex"
            | "in"
    )
}

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase()
}

fn hyphenated_words(drafts: &[Draft]) -> HashSet<String> {
    let rows = drafts.iter().flat_map(|draft| &draft.rows);
    rows.flat_map(|row| &row.cells)
        .flat_map(|cell| &cell.words)
        .filter(|word| word.text.trim_end_matches('-').contains('-'))
        .map(|word| bare(&word.text))
        .collect()
}

fn style(draft: &Draft) -> Style {
    let rows = &draft.rows;
    let mut visible: Option<Rect> = None;
    for word in rows.iter().flat_map(|r| &r.cells).flat_map(|c| &c.words) {
        visible = Some(visible.map_or(word.rect, |rect| rect.union(word.rect)));
    }
    Style {
        size: rows.iter().map(|row| row.size).fold(0.0, f32::max),
        bold: rows.iter().all(|row| row.bold),
        lines: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        left: visible.map_or(0.0, |rect| rect.x0),
        top: visible.map_or(0.0, |rect| rect.y0),
        bottom: visible.map_or(0.0, |rect| rect.y1),
    }
}
