//! Sections, and the units (sentences, rows, list items) that passages are made of.

use super::CountTokens;
use cloister_domain::{BlockKind, ByteRange, Page, TableRow};
use cloister_text::{split_sentences, trim_range};

/// A sentence, a row of a table, an item of a list, or a part of one that is too long.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Index of its page.
    pub page: usize,
    /// Index of its block on the page.
    pub block: usize,
    /// Its range in the page's text.
    pub range: ByteRange,
    /// The number of its tokens.
    pub tokens: usize,
    /// Whether it is the first unit of its block.
    pub begins_block: bool,
    /// Index of its table, if it is a row of one. Rows that name columns have none, because they do
    /// not repeat themselves.
    pub table: Option<usize>,
}

impl Unit {
    /// Whether both are the same text of the document.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.page == other.page && self.range == other.range
    }
}

/// The rows that name the columns of a table.
#[derive(Clone, Debug, Default)]
pub struct TableHeader {
    /// The rows, from top to bottom.
    pub rows: Vec<Unit>,
}

impl TableHeader {
    /// The number of its tokens.
    pub fn tokens(&self) -> usize {
        self.rows.iter().map(|row| row.tokens).sum()
    }
}

/// Running text longer than this, in bytes, ends a table whose cells are not known. A shorter line
/// may be a heading inside it.
const MAX_LINE_IN_TABLE: usize = 140;

/// The text under one heading.
#[derive(Debug, Default)]
pub struct Section {
    /// The headings, outermost first.
    pub headings: Vec<String>,
    /// Its units.
    pub units: Vec<Unit>,
}

/// The sections and the tables of a document, across its pages.
#[derive(Debug, Default)]
pub struct DocumentUnits {
    /// The sections, in order.
    pub sections: Vec<Section>,
    /// The headers of the tables. [`Unit::table`] is an index.
    pub tables: Vec<TableHeader>,
}

/// Collects the sections of a document. A heading without text under it becomes part of the path
/// of the next section. `most` is the maximum number of tokens of a passage.
pub fn collect_units(pages: &[Page], tokenizer: &impl CountTokens, most: usize) -> DocumentUnits {
    let mut collector = UnitCollector {
        tokenizer,
        most,
        path: Vec::new(),
        open: Section::default(),
        done: DocumentUnits::default(),
        table: None,
    };
    for (index, page) in pages.iter().enumerate() {
        for (block, content) in page.content.blocks.iter().enumerate() {
            let Some(text) = content.range.slice(&page.content.text) else {
                continue;
            };
            let place = BlockPlace {
                page: index,
                block,
                offset: content.range.start,
            };
            match content.kind {
                BlockKind::RunningHeader => {}
                BlockKind::Heading(level) => {
                    collector.heading(level, text);
                    // The name of a sheet ends the table of the previous sheet.
                    let names_page = content.range.start == 0 && !page.is_drawn();
                    collector.table = collector.table.filter(|_| !names_page);
                }
                BlockKind::TableRow => collector.row(place, text, content.row.as_ref()),
                BlockKind::ListItem => {
                    collector.prose(text);
                    let range = trim_range(text, 0..text.len()).into();
                    collector.block(place, text, &[range], None);
                }
                BlockKind::Paragraph | BlockKind::Caption => {
                    collector.prose(text);
                    let found = split_sentences(text);
                    let found: Vec<_> = found.into_iter().map(ByteRange::from).collect();
                    collector.block(place, text, &found, None);
                }
            }
        }
    }
    collector.close();
    collector.done
}

/// Where a block is.
#[derive(Clone, Copy)]
struct BlockPlace {
    page: usize,
    block: usize,
    /// Where its text begins in the text of the page.
    offset: usize,
}

/// The table that the next row may belong to.
#[derive(Clone, Copy)]
struct OpenTable {
    /// Index of its header.
    index: usize,
    /// Whether its reader knows its cells. Otherwise the header is found by the words in it.
    has_cells: bool,
}

struct UnitCollector<'a, C> {
    tokenizer: &'a C,
    most: usize,
    path: Vec<(u8, String)>,
    open: Section,
    done: DocumentUnits,
    table: Option<OpenTable>,
}

impl<C: CountTokens> UnitCollector<'_, C> {
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
            self.done.sections.push(section);
        }
    }

    fn block(&mut self, place: BlockPlace, text: &str, pieces: &[ByteRange], table: Option<usize>) {
        if self.open.units.is_empty() {
            self.open.headings = self.path.iter().map(|(_, text)| text.clone()).collect();
        }
        let mut begins_block = true;
        for piece in pieces {
            for (part, tokens) in self.fit(text, *piece) {
                self.open.units.push(Unit {
                    page: place.page,
                    block: place.block,
                    range: ByteRange::new(place.offset + part.start, place.offset + part.end),
                    tokens,
                    begins_block,
                    table,
                });
                begins_block = false;
            }
        }
    }

    /// Adds a row, and remembers it if it names the columns of the rows below.
    fn row(&mut self, place: BlockPlace, text: &str, row: Option<&TableRow>) {
        let range = trim_range(text, 0..text.len()).into();
        let Some(row) = row else {
            self.row_without_cells(place, text, range);
            return;
        };
        let open = self
            .table
            .filter(|open| open.has_cells && !row.starts_table);
        let index = open.map_or_else(|| self.open_table(true), |open| open.index);
        // A title above the header is not under it.
        let has_header = self
            .done
            .tables
            .get(index)
            .is_some_and(|header| !header.rows.is_empty());
        let table = (has_header && !row.is_header).then_some(index);
        self.block(place, text, &[range], table);
        if row.is_header {
            self.add_header_row(index);
        }
    }

    fn row_without_cells(&mut self, place: BlockPlace, text: &str, range: ByteRange) {
        self.table = self.table.filter(|open| !open.has_cells);
        let index = self.table.map(|open| open.index);
        self.block(place, text, &[range], index);
        if index.is_none() && names_columns(text) {
            let index = self.open_table(false);
            self.add_header_row(index);
        }
    }

    fn open_table(&mut self, has_cells: bool) -> usize {
        let index = self.done.tables.len();
        self.done.tables.push(TableHeader::default());
        self.table = Some(OpenTable { index, has_cells });
        index
    }

    /// Makes the last unit part of a header, unless it would take too much of each passage.
    fn add_header_row(&mut self, index: usize) {
        let Some(row) = self.open.units.last().filter(|unit| unit.begins_block) else {
            return;
        };
        if let Some(header) = self.done.tables.get_mut(index)
            && (header.tokens() + row.tokens) * 3 <= self.most
        {
            header.rows.push(Unit {
                table: None,
                ..*row
            });
        }
    }

    /// Running text ends a table whose cells are not known. A short line between its rows does not.
    fn prose(&mut self, text: &str) {
        if text.len() > MAX_LINE_IN_TABLE {
            self.table = self.table.filter(|open| open.has_cells);
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
