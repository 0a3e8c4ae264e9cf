//! Sections, and the units (sentences, rows, list items) that passages are made of.

use super::CountTokens;
use cloister_domain::{BlockKind, ByteRange, Page};
use cloister_text::{split_sentences, trim_range};

/// The row with the column names of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRef {
    page: usize,
    range: ByteRange,
    tokens: usize,
}

impl RowRef {
    /// The number of its tokens.
    pub const fn tokens(self) -> usize {
        self.tokens
    }

    /// The row as a unit of its own.
    pub const fn to_unit(self) -> Unit {
        Unit {
            page: self.page,
            range: self.range,
            tokens: self.tokens,
            begins_block: true,
            header: None,
        }
    }
}

/// A sentence, a row of a table, an item of a list, or a part of one that is too long.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Index of its page.
    pub page: usize,
    /// Its range in the page's text.
    pub range: ByteRange,
    /// The number of its tokens.
    pub tokens: usize,
    /// Whether it is the first unit of its block.
    pub begins_block: bool,
    /// The row with the column names, if it is a later row of the same table.
    pub header: Option<RowRef>,
}

/// Running text longer than this, in bytes, ends a table. A shorter line may be a heading inside
/// it.
const MAX_LINE_IN_TABLE: usize = 140;

/// The text under one heading.
#[derive(Debug, Default)]
pub struct Section {
    /// The headings, outermost first.
    pub headings: Vec<String>,
    /// Its units.
    pub units: Vec<Unit>,
}

/// Collects the sections of a document, across its pages. A heading without text under it becomes
/// part of the path of the next section. `most` is the maximum number of tokens of a passage.
pub fn collect_sections(pages: &[Page], tokenizer: &impl CountTokens, most: usize) -> Vec<Section> {
    let mut collector = SectionCollector {
        tokenizer,
        most,
        path: Vec::new(),
        open: Section::default(),
        done: Vec::new(),
        header: None,
        in_row: false,
    };
    for (index, page) in pages.iter().enumerate() {
        for block in &page.content.blocks {
            let Some(text) = block.range.slice(&page.content.text) else {
                continue;
            };
            match block.kind {
                BlockKind::RunningHeader => {}
                BlockKind::Heading(level) => {
                    collector.heading(level, text);
                    // The name of a sheet ends the table of the previous sheet.
                    let names_page = block.range.start == 0 && !page.is_drawn();
                    collector.header = collector.header.filter(|_| !names_page);
                }
                BlockKind::TableRow => {
                    let range = trim_range(text, 0..text.len()).into();
                    collector.in_row = true;
                    collector.block(index, block.range.start, text, &[range]);
                    collector.in_row = false;
                    collector.row(text);
                }
                BlockKind::ListItem => {
                    let range = trim_range(text, 0..text.len()).into();
                    collector.prose(text);
                    collector.block(index, block.range.start, text, &[range]);
                }
                BlockKind::Paragraph | BlockKind::Caption => {
                    let found = split_sentences(text);
                    let found: Vec<_> = found.into_iter().map(ByteRange::from).collect();
                    collector.prose(text);
                    collector.block(index, block.range.start, text, &found);
                }
            }
        }
    }
    collector.close();
    collector.done
}

struct SectionCollector<'a, C> {
    tokenizer: &'a C,
    most: usize,
    path: Vec<(u8, String)>,
    open: Section,
    done: Vec<Section>,
    /// The row with the column names of the open table.
    header: Option<RowRef>,
    /// Whether the current block is a row of a table.
    in_row: bool,
}

impl<C: CountTokens> SectionCollector<'_, C> {
    fn heading(&mut self, level: u8, text: &str) {
        // A heading without text under it has several lines, or is followed by headings of lower
        // levels. If the next heading has the same level, the empty one stays in the path as its
        // topic.
        let empty = self.open.units.is_empty();
        self.close();
        self.path
            .retain(|(above, _)| *above < level || empty && *above == level);
        if self.path.len() >= 8 {
            self.path.pop();
        }
        self.path.push((level, text.trim().to_owned()));
    }

    fn close(&mut self) {
        let section = std::mem::take(&mut self.open);
        if !section.units.is_empty() {
            self.done.push(section);
        }
    }

    fn block(&mut self, page: usize, offset: usize, text: &str, pieces: &[ByteRange]) {
        let is_row = self.in_row;
        if self.open.units.is_empty() {
            self.open.headings = self.path.iter().map(|(_, text)| text.clone()).collect();
        }
        let mut begins_block = true;
        for piece in pieces {
            for (part, tokens) in self.fit(text, *piece) {
                self.open.units.push(Unit {
                    page,
                    range: ByteRange::new(offset + part.start, offset + part.end),
                    tokens,
                    begins_block,
                    header: self.header.filter(|_| is_row),
                });
                begins_block = false;
            }
        }
    }

    /// Remembers the first row of a table that names its columns.
    fn row(&mut self, text: &str) {
        let last = self.open.units.last().filter(|_| self.header.is_none());
        let Some(last) = last.filter(|unit| unit.begins_block && names_columns(text)) else {
            return;
        };
        self.header = (last.tokens * 3 <= self.most).then_some(RowRef {
            page: last.page,
            range: last.range,
            tokens: last.tokens,
        });
    }

    /// Running text ends a table. A short line between its rows does not.
    fn prose(&mut self, text: &str) {
        if text.len() > MAX_LINE_IN_TABLE {
            self.header = None;
        }
    }

    /// The sentence, or its parts if it is too long for a passage.
    fn fit(&self, text: &str, sentence: ByteRange) -> Vec<(ByteRange, usize)> {
        let tokens = self
            .tokenizer
            .count(sentence.slice(text).unwrap_or_default());
        if sentence.is_empty() {
            return Vec::new();
        }
        if tokens <= self.most {
            return vec![(sentence, tokens)];
        }
        let (left, right) = split_in_half(text, sentence);
        if left.is_empty() || right.is_empty() {
            return vec![(sentence, tokens)];
        }
        let mut parts = self.fit(text, left);
        parts.extend(self.fit(text, right));
        parts
    }
}

/// Whether the cells of a row name columns: they are years, dates or words, and not amounts.
fn names_columns(row: &str) -> bool {
    let mut cells = row.split(" | ").skip(1).peekable();
    cells.peek().is_some() && cells.all(|cell| names_column(cell.trim()))
}

fn names_column(cell: &str) -> bool {
    let is_year = cell.len() == 4 && (cell.starts_with("19") || cell.starts_with("20"));
    let has_word = cell.chars().filter(|c| c.is_alphabetic()).count() >= 3;
    is_year || has_word
}

/// Splits a range near its middle: at the end of a cell, else of a clause, else of a word, else of
/// a character.
fn split_in_half(text: &str, range: ByteRange) -> (ByteRange, ByteRange) {
    let piece = range.slice(text).unwrap_or_default();
    let found = nearest_to_middle(piece, ends_of(piece, " | "))
        .or_else(|| {
            let clauses = ["; ", ", ", ": "].into_iter();
            nearest_to_middle(piece, clauses.flat_map(|sign| ends_of(piece, sign)))
        })
        .or_else(|| nearest_to_middle(piece, ends_of(piece, " ")))
        .or_else(|| nearest_to_middle(piece, piece.char_indices().map(|(at, _)| at).skip(1)));
    let Some(at) = found else {
        return (range, ByteRange::new(range.end, range.end));
    };
    let middle = range.start + at;
    let left = ByteRange::from(trim_range(text, range.start..middle));
    let right = ByteRange::from(trim_range(text, middle..range.end));
    (left, right)
}

/// Where each occurrence of `separator` ends.
fn ends_of(text: &str, separator: &'static str) -> impl Iterator<Item = usize> {
    let found = text.match_indices(separator);
    found.map(move |(at, _)| at + separator.len())
}

/// The offset nearest to the middle of `text`, within its middle third.
fn nearest_to_middle(text: &str, offsets: impl Iterator<Item = usize>) -> Option<usize> {
    let third = text.len() / 3;
    let middle_third = third..=text.len() - third;
    offsets
        .filter(|offset| middle_third.contains(offset))
        .min_by_key(|offset| offset.abs_diff(text.len() / 2))
}
