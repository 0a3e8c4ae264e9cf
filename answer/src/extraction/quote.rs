//! Quotes: text of a document, copied byte for byte.

use crate::extraction::quote_spans::QuoteSpan;
use crate::extraction::span_expansion::context_line;
use crate::extraction::table::header_rows;
use crate::model::hit::RetrievedPassage;
use cloister_domain::{ByteRange, Passage, PassageDraft, PassageId, PassageRow};
use cloister_store::{QuoteLocation, RevisionRecord};
use cloister_text::Language;
use std::collections::BTreeSet;

/// A cell of a quoted table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteCell {
    /// Its text.
    pub text: String,
    /// Its first column, counted from 0.
    pub column: u16,
    /// The number of columns that it covers.
    pub span: u16,
}

/// The rows of a quote as a table, with the rows that name their columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteTable {
    /// The rows that name the columns, from the highest level to the lowest.
    pub header: Vec<Vec<QuoteCell>>,
    /// The quoted rows.
    pub rows: Vec<Vec<QuoteCell>>,
    /// The column that the question asks for, if it names one.
    pub asked_column: Option<u16>,
}

impl QuoteTable {
    /// The table of a range that consists of rows whose cells are known.
    fn from_range(draft: &PassageDraft, range: ByteRange) -> Option<Self> {
        let quoted: Vec<&PassageRow> = draft
            .rows
            .iter()
            .filter(|row| range.contains(row.range))
            .collect();
        let quoted_bytes: usize = quoted.iter().map(|row| row.range.len() + 1).sum();
        let first = quoted.first().filter(|_| quoted_bytes >= range.len())?;
        let cells = |row: &PassageRow| -> Vec<QuoteCell> {
            let cells = row.row.cells.iter().filter_map(|cell| {
                Some(QuoteCell {
                    text: cell.range.slice(&draft.text)?.to_owned(),
                    column: cell.column,
                    span: cell.span,
                })
            });
            cells.collect()
        };
        Some(Self {
            header: header_rows(draft, first).into_iter().map(cells).collect(),
            rows: quoted.into_iter().map(cells).collect(),
            asked_column: None,
        })
    }

    /// Marks the column whose name shares most stems with the question. Nothing is marked if two
    /// columns share as many.
    pub(crate) fn mark_column(&mut self, question: &BTreeSet<String>, language: Language) {
        let columns: BTreeSet<u16> = self
            .rows
            .iter()
            .flatten()
            .map(|cell| cell.column)
            .filter(|column| *column > 0)
            .collect();
        let mut ranked: Vec<(usize, u16)> = Vec::new();
        for column in columns {
            let names: BTreeSet<String> = self
                .header
                .iter()
                .flatten()
                .filter(|cell| cell.column <= column && column - cell.column < cell.span)
                .flat_map(|cell| language.content_stems(&cell.text))
                .collect();
            ranked.push((names.intersection(question).count(), column));
        }
        ranked.sort_unstable_by(|a, b| b.cmp(a));
        self.asked_column = match ranked.as_slice() {
            [(best, column)] if *best > 0 => Some(*column),
            [(best, column), (next, _), ..] if best > next => Some(*column),
            _ => None,
        };
    }
}

/// A part of a passage, byte for byte.
#[derive(Clone, Debug)]
pub struct Quote {
    /// The number of the citation, from 1.
    pub number: u32,
    /// The text of the document: `range` of the text of the passage.
    pub text: String,
    /// The passage.
    pub passage: PassageId,
    /// The range in the text of the passage.
    pub range: ByteRange,
    /// The page on which it starts.
    pub page: u32,
    /// The headings above it.
    pub headings: Vec<String>,
    /// The line of the passage that a list item or table row belongs to: the numbered item above
    /// a bullet, or the first row of the table.
    pub context: Option<String>,
    /// Its rows, if it consists of rows of a table.
    pub table: Option<QuoteTable>,
    /// Whether it only adds to an earlier quote, which answers by itself.
    pub is_further: bool,
    /// Words in it that text recognition may have misread.
    pub uncertain_words: Vec<String>,
    /// The document revision.
    pub source: RevisionRecord,
}

impl Quote {
    /// Copies `range` of `passage`. `None` if the range does not resolve to text on a page.
    pub(crate) fn copy(
        number: u32,
        passage: &Passage,
        range: ByteRange,
        source: &RevisionRecord,
    ) -> Option<Self> {
        let draft = &passage.draft;
        let uncertain_words = draft
            .doubtful
            .iter()
            .filter(|word| word.overlaps(range))
            .filter_map(|word| word.slice(&draft.text))
            .map(str::to_owned)
            .collect();
        Some(Self {
            number,
            text: range.slice(&draft.text)?.to_owned(),
            passage: passage.id,
            range,
            page: draft.locate(range).first()?.page,
            headings: draft.headings.clone(),
            context: context_line(draft, range),
            table: QuoteTable::from_range(draft, range),
            is_further: false,
            uncertain_words,
            source: source.clone(),
        })
    }

    /// Copies `range` of a retrieved passage. `None` as for [`copy`](Self::copy).
    pub(crate) fn from_hit(number: u32, hit: &RetrievedPassage, range: ByteRange) -> Option<Self> {
        Self::copy(number, &hit.passage, range, &hit.source)
    }

    /// Copies the selected spans and numbers them from 1.
    pub fn from_spans(spans: &[QuoteSpan<'_>]) -> Vec<Self> {
        (1..)
            .zip(spans)
            .filter_map(|(number, span)| {
                let quote = Self::from_hit(number, span.hit, span.range)?;
                let is_further = span.is_further;
                Some(Self {
                    is_further,
                    ..quote
                })
            })
            .collect()
    }

    /// The number and the place, as the history stores them.
    pub fn place(&self) -> QuoteLocation {
        QuoteLocation {
            number: self.number,
            passage: self.passage,
            range: self.range,
        }
    }
}
