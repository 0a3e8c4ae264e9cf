//! Joining rows into blocks, and writing the blocks as the text of a page.

use super::rows::{TextRow, TextRun};
use super::words::PlacedWord;
use crate::formats::common::list_marker::begins_item;
use crate::wire::Style;
use cloister_domain::{Block, BlockKind, ByteRange, PageText, Rect, TableCell, TableRow, Word};
use std::collections::HashSet;

/// A block before its text is written.
struct BlockDraft {
    kind: BlockKind,
    rows: Vec<TextRow>,
}

/// Builds the text of a page, and returns it with the typography of its blocks.
pub fn build_page_text(rows: Vec<TextRow>) -> (PageText, Vec<Style>) {
    let pitch = typical_line_pitch(&rows);
    let mut drafts: Vec<BlockDraft> = Vec::new();
    for row in rows {
        match drafts.last_mut() {
            Some(draft) if continues_block(draft, &row, pitch) => draft.rows.push(row),
            _ => drafts.push(start_block(row)),
        }
    }
    PageTextWriter::write(&drafts)
}

fn start_block(row: TextRow) -> BlockDraft {
    let kind = if row.cells.len() > 1 || row.place.is_some() {
        BlockKind::TableRow
    } else if begins_item(&row_text(&row)) {
        BlockKind::ListItem
    } else if is_caption(&row) {
        BlockKind::Caption
    } else {
        BlockKind::Paragraph
    };
    BlockDraft {
        kind,
        rows: vec![row],
    }
}

fn row_text(row: &TextRow) -> String {
    row.cells
        .iter()
        .map(TextRun::text)
        .collect::<Vec<_>>()
        .join(" ")
}

fn is_caption(row: &TextRow) -> bool {
    let text = row_text(row);
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

/// Whether `row` continues the block.
fn continues_block(draft: &BlockDraft, row: &TextRow, pitch: f32) -> bool {
    let Some(last) = draft.rows.last() else {
        return false;
    };
    let size = last.size.max(row.size);
    let alike = last.direction == row.direction
        && (last.size - row.size).abs() <= 0.1 * size
        && last.bold == row.bold;
    if draft.kind == BlockKind::TableRow || row.cells.len() > 1 || row.place.is_some() || !alike {
        return false;
    }
    if begins_item(&row_text(row)) {
        return false;
    }
    let down = row.frame.y0 - last.frame.y0;
    if down < -size {
        return continues_in_next_column(last, row);
    }
    let near = down > 0.3 * size && down < 1.3 * pitch * size;
    near && !begins_paragraph(draft, last, row)
}

/// Whether a sentence that is interrupted at the foot of a column continues at the head of the
/// next.
fn continues_in_next_column(last: &TextRow, row: &TextRow) -> bool {
    let beside = row.frame.x0 > last.frame.x0 + last.size;
    let small = row
        .first_word()
        .chars()
        .next()
        .is_some_and(char::is_lowercase);
    beside && small && !ends_sentence(last)
}

/// Whether `row` starts a paragraph: it is indented, or follows a short line.
fn begins_paragraph(draft: &BlockDraft, last: &TextRow, row: &TextRow) -> bool {
    let indent = row.frame.x0 - last.frame.x0;
    let is_item = draft.kind == BlockKind::ListItem;
    let first_line = draft.rows.len() == 1;
    if is_item {
        // The lines of an item are aligned with its text. A line that is aligned with its marker
        // does not belong to the item.
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

fn ends_sentence(row: &TextRow) -> bool {
    row.last_word()
        .trim_end_matches(['"', '”', '’', '\'', ')', ']'])
        .ends_with(['.', '!', '?', ':', ';'])
}

/// The typical distance between lines, in font sizes.
fn typical_line_pitch(rows: &[TextRow]) -> f32 {
    let mut pitches: Vec<f32> = rows
        .iter()
        .zip(rows.iter().skip(1))
        .filter(|(a, b)| a.direction == b.direction && (a.size - b.size).abs() < 0.1 * a.size)
        .map(|(a, b)| (b.frame.y0 - a.frame.y0) / a.size.max(0.1))
        .filter(|pitch| (0.8..2.6).contains(pitch))
        .collect();
    pitches.sort_by(f32::total_cmp);
    // The lower third, because paragraphs are further apart than lines.
    let usual = pitches.get(pitches.len() / 3).copied();
    usual.unwrap_or(1.2).clamp(1.0, 2.2)
}

/// Writes blocks into the text of a page.
struct PageTextWriter {
    page: PageText,
    styles: Vec<Style>,
    /// Words of this page with a hyphen inside, which distinguish hyphenated words from words that
    /// were divided at the end of a line.
    hyphenated: HashSet<String>,
}

impl PageTextWriter {
    fn write(drafts: &[BlockDraft]) -> (PageText, Vec<Style>) {
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

    fn draft(&mut self, draft: &BlockDraft) {
        if !self.page.text.is_empty() {
            self.page.text.push('\n');
        }
        let start = self.page.text.len();
        let mut table_row = None;
        for (index, row) in draft.rows.iter().enumerate() {
            if index > 0 && !self.rejoin(row.first_word()) {
                self.page.text.push(' ');
            }
            let cells = self.row(row);
            if draft.kind == BlockKind::TableRow {
                table_row = Some(TableRow {
                    starts_table: row.place.as_ref().is_none_or(|place| place.starts_table),
                    is_header: row.is_header(),
                    cells,
                });
            }
        }
        let range = ByteRange::new(start, self.page.text.len());
        self.page.blocks.push(Block {
            kind: draft.kind,
            range,
            place: None,
            row: table_row,
        });
        self.styles.push(block_style(draft));
    }

    /// Writes a row, and returns its cells. Columns without a cell are empty.
    fn row(&mut self, row: &TextRow) -> Vec<TableCell> {
        let mut cells = Vec::new();
        let mut reached = 0;
        for (index, cell) in row.cells.iter().enumerate() {
            let place = row
                .place
                .as_ref()
                .and_then(|place| place.columns.get(index));
            let (column, span) = place.copied().unwrap_or((index, 1));
            (reached..column).for_each(|_| self.page.text.push_str(" | "));
            reached = reached.max(column);
            let start = self.page.text.len();
            self.words(cell);
            cells.push(TableCell {
                range: ByteRange::new(start, self.page.text.len()),
                column: u16::try_from(column).unwrap_or(u16::MAX),
                span: u16::try_from(span).unwrap_or(u16::MAX),
            });
        }
        cells
    }

    fn words(&mut self, cell: &TextRun) {
        let mut above: Option<&PlacedWord> = None;
        for word in &cell.words {
            // A cell of several lines may divide a word.
            if let Some(last) = above {
                let is_next_line = word.frame.y0 > last.frame.y0 + 0.5 * word.size;
                if !(is_next_line && self.rejoin(&word.text)) {
                    self.page.text.push(' ');
                }
            }
            above = Some(word);
            let start = self.page.text.len();
            self.page.text.push_str(&word.text);
            let range = ByteRange::new(start, self.page.text.len());
            self.page.words.push(Word {
                range,
                rect: word.rect,
            });
        }
    }

    /// Joins a word that was divided at the end of the previous line. Returns whether it did; if
    /// not, a space belongs between the lines.
    fn rejoin(&mut self, right: &str) -> bool {
        let Some(last) = self.page.words.last_mut() else {
            return false;
        };
        let Some(left) = last.range.slice(&self.page.text) else {
            return false;
        };
        let Some(stem) = left.strip_suffix(['-', '\u{ad}', '\u{2010}']) else {
            return false;
        };
        // `low- and middle-income`: the hyphen stands for the second part of a compound.
        if matches!(right, "and" | "or" | "to" | "und" | "oder" | "bis") {
            return false;
        }
        let letters = stem.chars().next_back().is_some_and(char::is_alphabetic)
            && right.chars().next().is_some_and(char::is_lowercase);
        if !letters {
            // `2019-` and `2020` are joined with the hyphen. A dash before a word remains a dash.
            return stem.chars().next_back().is_some_and(char::is_alphanumeric)
                && right.chars().next().is_some_and(char::is_alphanumeric);
        }
        let compound = format!("{}-{}", strip_punctuation(stem), strip_punctuation(right));
        if !self.hyphenated.contains(&compound) && !is_prefix(stem) {
            let end = last.range.start + stem.len();
            self.page.text.truncate(end);
            last.range.end = end;
        }
        true
    }
}

/// Whether a prefix keeps its hyphen.
fn is_prefix(stem: &str) -> bool {
    let stem = stem.rsplit('-').next().unwrap_or(stem).to_lowercase();
    matches!(
        strip_punctuation(&stem).as_str(),
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

fn strip_punctuation(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase()
}

fn hyphenated_words(drafts: &[BlockDraft]) -> HashSet<String> {
    let rows = drafts.iter().flat_map(|draft| &draft.rows);
    rows.flat_map(|row| &row.cells)
        .flat_map(|cell| &cell.words)
        .filter(|word| word.text.trim_end_matches('-').contains('-'))
        .map(|word| strip_punctuation(&word.text))
        .collect()
}

fn block_style(draft: &BlockDraft) -> Style {
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
