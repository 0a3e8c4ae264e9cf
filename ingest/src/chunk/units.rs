//! Sections, and the sentences in them that passages are made of.

use super::TokenCounter;
use super::sentences::{sentences, trim};
use cloister_domain::{BlockKind, ByteRange, Page};

/// A row that later ones need to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRef {
    page: usize,
    range: ByteRange,
    tokens: usize,
}

impl RowRef {
    /// Its tokens.
    pub const fn tokens(self) -> usize {
        self.tokens
    }

    /// The row as a unit of its own.
    pub const fn unit(self) -> Unit {
        Unit {
            page: self.page,
            range: self.range,
            tokens: self.tokens,
            begins_block: true,
            header: None,
        }
    }
}

/// A sentence, a table's row, a list's item, or a piece of one that is too long.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Index of its page.
    pub page: usize,
    /// Where it stands in the page's text.
    pub range: ByteRange,
    /// Its tokens.
    pub tokens: usize,
    /// Whether it is the first of its block.
    pub begins_block: bool,
    /// The first row of its table, where it is a later row.
    pub header: Option<RowRef>,
}

/// A line longer than this is not a heading inside a table.
const LINE_IN_TABLE: usize = 140;

/// What stands under one heading.
#[derive(Debug, Default)]
pub struct Section {
    /// The headings, outermost first.
    pub headings: Vec<String>,
    /// Its sentences.
    pub units: Vec<Unit>,
}

/// The sections of a document, across its pages. A heading with nothing under it is part of the
/// path of what follows.
pub fn sections(pages: &[Page], counter: &impl TokenCounter, most: usize) -> Vec<Section> {
    let mut walk = Walk {
        counter,
        most,
        path: Vec::new(),
        open: Section::default(),
        done: Vec::new(),
        header: None,
        in_row: false,
    };
    for (index, page) in pages.iter().enumerate() {
        for block in &page.content.blocks {
            let Some(text) = block.range.of(&page.content.text) else {
                continue;
            };
            match block.kind {
                BlockKind::Furniture => {}
                BlockKind::Heading(level) => {
                    walk.heading(level, text);
                    // A sheet's name ends the table of the sheet before.
                    let names_page = block.range.start == 0 && !page.is_drawn();
                    walk.header = walk.header.filter(|_| !names_page);
                }
                BlockKind::TableRow => {
                    let whole = trim(text, ByteRange::new(0, text.len()));
                    walk.in_row = true;
                    walk.block(index, block.range.start, text, &[whole]);
                    walk.in_row = false;
                    walk.row(text);
                }
                BlockKind::ListItem => {
                    let whole = trim(text, ByteRange::new(0, text.len()));
                    walk.prose(text);
                    walk.block(index, block.range.start, text, &[whole]);
                }
                BlockKind::Paragraph | BlockKind::Caption => {
                    let found = sentences(text);
                    walk.prose(text);
                    walk.block(index, block.range.start, text, &found);
                }
            }
        }
    }
    walk.close();
    walk.done
}

struct Walk<'a, C> {
    counter: &'a C,
    most: usize,
    path: Vec<(u8, String)>,
    open: Section,
    done: Vec<Section>,
    /// The first row of the table that is open.
    header: Option<RowRef>,
    /// Whether the block that is taken in is a table's row.
    in_row: bool,
}

impl<C: TokenCounter> Walk<'_, C> {
    fn heading(&mut self, level: u8, text: &str) {
        // A heading with nothing under it is one of several lines, or of several levels. One of
        // the same level stays in the path, for it says what the next ones are about.
        let empty = self.open.units.is_empty();
        self.close();
        let keeps = |above: &(u8, String)| above.0 < level || empty && above.0 == level;
        self.path.retain(keeps);
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

    /// A table begins with the first row that names its columns.
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

    /// Running text ends a table; a line between its rows does not.
    fn prose(&mut self, text: &str) {
        if text.len() > LINE_IN_TABLE {
            self.header = None;
        }
    }

    /// The sentence, or its parts where it is too long for any passage.
    fn fit(&self, text: &str, sentence: ByteRange) -> Vec<(ByteRange, usize)> {
        let tokens = self.counter.count(sentence.of(text).unwrap_or_default());
        if sentence.is_empty() {
            return Vec::new();
        }
        if tokens <= self.most {
            return vec![(sentence, tokens)];
        }
        let (left, right) = halves(text, sentence);
        if left.is_empty() || right.is_empty() {
            return vec![(sentence, tokens)];
        }
        let mut parts = self.fit(text, left);
        parts.extend(self.fit(text, right));
        parts
    }
}

/// Whether a row's cells name columns: years, dates and words, and no amounts.
fn names_columns(row: &str) -> bool {
    let mut cells = row.split(" | ").skip(1).peekable();
    let is_name = |cell: &str| {
        let year = cell.len() == 4 && (cell.starts_with("19") || cell.starts_with("20"));
        let words = cell.chars().filter(|c| c.is_alphabetic()).count() >= 3;
        year || words
    };
    cells.peek().is_some() && cells.all(|cell| is_name(cell.trim()))
}

/// Two halves, divided at a cell, a clause, a word or a character, whichever comes first in that
/// order near the middle.
fn halves(text: &str, range: ByteRange) -> (ByteRange, ByteRange) {
    let piece = range.of(text).unwrap_or_default();
    let middle = piece.len() / 2;
    let third = piece.len() / 3;
    let nearest = |ends: &mut dyn Iterator<Item = usize>| {
        ends.filter(|end| (third..=piece.len() - third).contains(end))
            .min_by_key(|end| end.abs_diff(middle))
    };
    let after = |sign: &'static str| piece.match_indices(sign).map(move |(at, s)| at + s.len());
    let clauses = &mut after("; ").chain(after(", ")).chain(after(": "));
    let found = nearest(&mut after(" | "))
        .or_else(|| nearest(clauses))
        .or_else(|| nearest(&mut after(" ")))
        .or_else(|| nearest(&mut piece.char_indices().map(|(at, _)| at).skip(1)));
    let Some(at) = found else {
        return (range, ByteRange::new(range.end, range.end));
    };
    let divide = range.start + at;
    let left = trim(text, ByteRange::new(range.start, divide));
    let right = trim(text, ByteRange::new(divide, range.end));
    (left, right)
}
