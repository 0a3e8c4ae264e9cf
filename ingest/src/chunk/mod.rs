//! Dividing pages into passages.
//!
//! A passage never crosses a heading and never contains one; the headings above it are its
//! `headings`. It ends at the end of a sentence, unless a single sentence is too long for a
//! passage. A row of a table or an item of a list counts as one sentence. A passage that starts
//! inside a table repeats the rows with the column names. Running headers are left out. After all
//! of them come the rows of the tables as passages of their own, which only the search uses.

mod row_passages;
mod units;

use cloister_domain::{
    ByteRange, Page, PassageDraft, PassageRow, PassageSpan, TableCell, TableRow,
};
use serde::{Deserialize, Serialize};
use units::{DocumentUnits, Section, TableHeader, Unit};

/// Counts tokens as the embedder does.
pub trait CountTokens {
    /// The number of tokens in this text, without the special tokens that a model adds.
    fn count(&self, text: &str) -> usize;
}

impl<T: CountTokens + ?Sized> CountTokens for &T {
    fn count(&self, text: &str) -> usize {
        (**self).count(text)
    }
}

/// How pages are divided into passages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChunkSettings {
    /// Maximum number of tokens in a passage.
    pub most_tokens: usize,
    /// Maximum number of tokens that a passage repeats from the end of the previous passage of its
    /// section, in complete sentences.
    pub overlap_tokens: usize,
}

impl Default for ChunkSettings {
    fn default() -> Self {
        Self {
            most_tokens: 200,
            overlap_tokens: 0,
        }
    }
}

/// Characters of title and headings that are embedded. Together with a passage of the default size,
/// they fit into the model's context.
const CONTEXT_CHARS: usize = 200;

/// The text that is embedded for a passage: the document's title, the headings above the passage,
/// and its text. The title distinguishes passages of similar documents.
pub fn embedding_input(title: &str, headings: &[String], text: &str) -> String {
    let above = std::iter::once(title).chain(headings.iter().map(String::as_str));
    let above: Vec<&str> = above.filter(|part| !part.is_empty()).collect();
    let above: String = above.join(" › ").chars().take(CONTEXT_CHARS).collect();
    format!("{above}\n{text}")
}

/// Divides a document's pages into passages.
pub fn chunk_pages(
    pages: &[Page],
    tokenizer: &impl CountTokens,
    settings: &ChunkSettings,
) -> Vec<PassageDraft> {
    let most = settings.most_tokens.max(1);
    let DocumentUnits { sections, tables } = units::collect_units(pages, tokenizer, most);
    let mut passages = Vec::new();
    for section in &sections {
        let mut chunker = SectionChunker {
            section,
            tables: &tables,
            pages,
            tokenizer,
            settings,
            open: OpenPassage::default(),
            passages: &mut passages,
        };
        chunker.chunk(most);
    }
    passages.extend(row_passages::row_passages(&passages, tokenizer));
    passages
}

struct SectionChunker<'a, C> {
    section: &'a Section,
    tables: &'a [TableHeader],
    pages: &'a [Page],
    tokenizer: &'a C,
    settings: &'a ChunkSettings,
    open: OpenPassage,
    passages: &'a mut Vec<PassageDraft>,
}

impl<'a, C: CountTokens> SectionChunker<'a, C> {
    fn chunk(&mut self, most: usize) {
        let section = self.section;
        for block in section.units.chunk_by(|_, next| !next.begins_block) {
            let block_tokens: usize = block.iter().map(|unit| unit.tokens).sum();
            // A paragraph that exceeds the passage by a few tokens starts a new passage instead of
            // being divided.
            let exceeds = self.open.tokens + block_tokens > most;
            if exceeds && block_tokens <= most && self.open.tokens * 2 > most {
                self.finish(most - block_tokens);
            }
            for unit in block {
                self.push(*unit, most);
            }
        }
        self.finish(0);
    }

    /// Adds a unit. A row of another table than the last unit comes after its header.
    fn push(&mut self, unit: Unit, most: usize) {
        let header = self.missing_header(unit);
        let tokens = header.map_or(0, TableHeader::tokens) + unit.tokens;
        if self.open.tokens + tokens > most && !self.open.units.is_empty() {
            self.finish(most.saturating_sub(tokens));
        }
        let header = self.missing_header(unit);
        if let Some(header) = header.filter(|header| header.tokens() + unit.tokens <= most) {
            for row in &header.rows {
                self.open.push(*row);
            }
        }
        self.open.push(unit);
    }

    /// The header of the unit's table, if the open passage does not have it.
    fn missing_header(&self, unit: Unit) -> Option<&'a TableHeader> {
        let tables: &'a [TableHeader] = self.tables;
        let header = tables.get(unit.table?)?;
        let first = header.rows.first()?;
        let is_there = self
            .open
            .units
            .iter()
            .any(|other| other.is_same_place(first));
        (!is_there).then_some(header)
    }

    /// Finishes the open passage. The next one repeats at most `overlap` tokens of it.
    fn finish(&mut self, overlap: usize) {
        let headings = &self.section.headings;
        let draft = assemble(&self.open.units, headings, self.pages, self.tokenizer);
        self.passages.extend(draft);
        self.open.restart(self.settings.overlap_tokens.min(overlap));
    }
}

/// The passage under construction.
#[derive(Debug, Default)]
struct OpenPassage {
    units: Vec<Unit>,
    tokens: usize,
}

impl OpenPassage {
    fn push(&mut self, unit: Unit) {
        self.tokens += unit.tokens;
        self.units.push(unit);
    }

    /// Starts the next passage with the units that it repeats from this one.
    fn restart(&mut self, overlap: usize) {
        self.units = overlapping_units(&self.units, overlap);
        self.tokens = self.units.iter().map(|unit| unit.tokens).sum();
    }
}

/// The last sentences of a passage that fit into the overlap, but never all of them.
fn overlapping_units(units: &[Unit], overlap: usize) -> Vec<Unit> {
    let mut tokens = 0;
    let after_first = units.get(1..).unwrap_or_default();
    let mut last: Vec<Unit> = after_first
        .iter()
        .rev()
        .take_while(|unit| {
            tokens += unit.tokens;
            tokens <= overlap
        })
        .copied()
        .collect();
    last.reverse();
    last
}

/// Builds a passage from these sentences. Adjacent sentences on a page become one span, including
/// the white space between them. Returns `None` if there is no text.
fn assemble(
    units: &[Unit],
    headings: &[String],
    pages: &[Page],
    tokenizer: &impl CountTokens,
) -> Option<PassageDraft> {
    let mut draft = PassageDraft {
        text: String::new(),
        spans: Vec::new(),
        headings: headings.to_vec(),
        sentences: Vec::new(),
        tokens: 0,
        doubtful: Vec::new(),
        rows: Vec::new(),
        row_of: None,
    };
    for run in units.chunk_by(|a, b| are_adjacent(a, b, pages)) {
        let (first, last) = (run.first()?, run.last()?);
        let page = pages.get(first.page)?;
        let range = ByteRange::new(first.range.start, last.range.end);
        if !draft.text.is_empty() {
            draft.text.push('\n');
        }
        let base = draft.text.len();
        draft.text.push_str(range.slice(&page.content.text)?);
        for unit in run {
            draft.sentences.push(rebase(unit.range, range.start, base));
            draft
                .rows
                .extend(passage_row(unit, page, range.start, base));
        }
        for word in &page.content.doubtful {
            if let Some(shared) = word.intersection(range) {
                draft.doubtful.push(rebase(shared, range.start, base));
            }
        }
        draft.spans.push(PassageSpan {
            page: page.number,
            range,
        });
    }
    draft.tokens = u32::try_from(tokenizer.count(&draft.text)).unwrap_or(u32::MAX);
    (!draft.text.is_empty()).then_some(draft)
}

/// The row that a unit is, or is a part of. `None` if the cells of the row are not known.
fn passage_row(unit: &Unit, page: &Page, from: usize, to: usize) -> Option<PassageRow> {
    let row = page.content.blocks.get(unit.block)?.row.as_ref()?;
    let cells = row
        .cells
        .iter()
        .filter(|cell| unit.range.contains(cell.range))
        .map(|cell| TableCell {
            range: rebase(cell.range, from, to),
            ..*cell
        });
    Some(PassageRow {
        range: rebase(unit.range, from, to),
        row: TableRow {
            cells: cells.collect(),
            ..*row
        },
    })
}

/// Whether there is only white space between two units on one page.
fn are_adjacent(a: &Unit, b: &Unit, pages: &[Page]) -> bool {
    let Some(page) = pages.get(a.page).filter(|_| a.page == b.page) else {
        return false;
    };
    let between = ByteRange::new(a.range.end, b.range.start);
    let gap = between.slice(&page.content.text);
    gap.is_some_and(|gap| gap.trim().is_empty())
}

/// Moves a range from a text that starts at `from` to one that starts at `to`.
fn rebase(range: ByteRange, from: usize, to: usize) -> ByteRange {
    let start = to + range.start - from;
    ByteRange::new(start, start + range.len())
}
