//! Views: what use cases return, as the API serialises it and the console renders it.

use super::error::{AppError, ErrorCode, Result};
use cloister_answer::{
    AnswerEvent, Notice, Quote, QuoteCell, QuoteTable, Reading, RetrievedPassage, SpellingVariant,
};
use cloister_domain::{Day, Rect};
use cloister_store::DocumentFilter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A quote, byte for byte from the document.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct QuoteView {
    /// The number of the citation, from 1.
    pub number: u32,
    /// The text of the document.
    pub text: String,
    /// The id of the passage. With `start` and `end`, it opens the page at this quote.
    pub passage: i64,
    /// The first byte in the text of the passage.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The id of the revision.
    pub revision: i64,
    /// The page on which it starts.
    pub page: u32,
    /// The number of pages of the document.
    pub pages: u32,
    /// The title of the document.
    pub title: String,
    /// The name of the collection.
    pub collection: String,
    /// The path in the collection.
    pub path: String,
    /// SHA-256 of the file that the revision was read from.
    pub hash: String,
    /// The headings above it.
    pub headings: Vec<String>,
    /// The line that a list item or table row belongs to: the item above a bullet, or the first row
    /// of the table.
    pub context: Option<String>,
    /// Its rows with the names of their columns, if it consists of rows of a table.
    pub table: Option<TableView>,
    /// Whether it only adds to an earlier quote, which answers by itself.
    #[serde(default)]
    pub further: bool,
    /// Since when this revision is searched, RFC 3339.
    pub effective_from: String,
    /// Until when it was searched, RFC 3339. Absent if it is current.
    pub superseded_at: Option<String>,
    /// Since when the document is in force, if that is known: `2026-03-01`.
    pub effective_date: Option<String>,
    /// The classification of the document, if it has one.
    pub classification: Option<String>,
    /// Words that text recognition may have misread.
    pub uncertain_words: Vec<String>,
    /// Whether a part of the document could not be read, so that a rule may lack its exceptions.
    #[serde(default)]
    pub incomplete: bool,
}

impl From<&Quote> for QuoteView {
    fn from(quote: &Quote) -> Self {
        let source = &quote.source;
        Self {
            number: quote.number,
            text: quote.text.clone(),
            passage: quote.passage.0,
            start: quote.range.start,
            end: quote.range.end,
            revision: source.id.0,
            page: quote.page,
            pages: source.pages,
            title: source.title.clone(),
            collection: source.collection_name.clone(),
            path: source.path.clone(),
            hash: source.hash.to_string(),
            headings: quote.headings.clone(),
            context: quote.context.clone(),
            table: quote.table.as_ref().map(TableView::from),
            further: quote.is_further,
            effective_from: source.effective_from.to_string(),
            superseded_at: source.superseded_at.map(|time| time.to_string()),
            effective_date: source.effective_day().map(|day| day.to_string()),
            classification: source.metadata.classification.clone(),
            uncertain_words: quote.uncertain_words.clone(),
            incomplete: source.incomplete,
        }
    }
}

/// The rows of a quote as a table.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TableView {
    /// The rows that name the columns, from the highest level to the lowest.
    pub header: Vec<Vec<CellView>>,
    /// The quoted rows.
    pub rows: Vec<Vec<CellView>>,
    /// The column that the question asks for, counted from 0, if it names one.
    pub asked_column: Option<u16>,
}

/// A cell of a table. Empty cells are left out.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CellView {
    /// Its text.
    pub text: String,
    /// Its first column, counted from 0.
    pub column: u16,
    /// The number of columns that it covers.
    pub span: u16,
}

impl From<&QuoteTable> for TableView {
    fn from(table: &QuoteTable) -> Self {
        Self {
            header: table.header.iter().map(|row| cell_views(row)).collect(),
            rows: table.rows.iter().map(|row| cell_views(row)).collect(),
            asked_column: table.asked_column,
        }
    }
}

fn cell_views(row: &[QuoteCell]) -> Vec<CellView> {
    row.iter()
        .map(|cell| CellView {
            text: cell.text.clone(),
            column: cell.column,
            span: cell.span,
        })
        .collect()
}

/// A passage that a search retrieved.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PassageView {
    /// The id of the passage.
    pub passage: i64,
    /// The id of the revision.
    pub revision: i64,
    /// The title of the document.
    pub title: String,
    /// The name of the collection.
    pub collection: String,
    /// The path in the collection.
    pub path: String,
    /// The page on which it starts.
    pub page: u32,
    /// The headings above it.
    pub headings: Vec<String>,
    /// Its text.
    pub text: String,
    /// The relevance, from 0 to 1.
    pub score: f32,
}

impl From<&RetrievedPassage> for PassageView {
    fn from(hit: &RetrievedPassage) -> Self {
        let draft = &hit.passage.draft;
        Self {
            passage: hit.passage.id.0,
            revision: hit.passage.revision.0,
            title: hit.source.title.clone(),
            collection: hit.source.collection_name.clone(),
            path: hit.source.path.clone(),
            page: draft.spans.first().map_or(1, |span| span.page),
            headings: draft.headings.clone(),
            text: draft.text.clone(),
            score: hit.score,
        }
    }
}

/// A reading of an ambiguous question.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadingView {
    /// The subject: a title, and the heading below it.
    pub label: String,
    /// The question about this subject.
    pub question: String,
}

impl From<Reading> for ReadingView {
    fn from(Reading { label, question }: Reading) -> Self {
        Self { label, question }
    }
}

/// A word of the question and its spelling in the quotes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SpellingView {
    /// The spelling in the question.
    pub asked: String,
    /// The spelling in the quotes.
    pub quoted: String,
}

impl From<SpellingVariant> for SpellingView {
    fn from(SpellingVariant { asked, quoted }: SpellingVariant) -> Self {
        Self { asked, quoted }
    }
}

/// What an answer is based on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    /// The id of the answer. It finds the answer in the audit log.
    pub id: String,
    /// The conversation. A follow-up question names it.
    pub conversation: String,
    /// The question after rewriting, if it was rewritten to stand alone.
    pub rewritten_question: Option<String>,
    /// The glossary meanings and related words that were searched in addition to the question.
    pub expansions: Vec<String>,
    /// How many documents were searched.
    pub documents: u64,
    /// Whether the index was complete. It is not while a damaged index is rebuilt.
    pub complete: bool,
    /// The retrieved passages, best first.
    pub passages: Vec<i64>,
    /// The generation of the index.
    pub index_generation: String,
    /// How the nearest vectors were found: `exact`, `clusters` or `graph`.
    pub plan: String,
    /// SHA-256 of the access policy.
    pub policy_version: String,
    /// SHA-256 of the weights of the embedder.
    pub embedder: String,
    /// SHA-256 of the file of the generator, if there is one.
    pub generator: Option<String>,
    /// SHA-256 of the answer weights.
    pub answer_weights: String,
    /// SHA-256 of the glossary, if there is one.
    pub glossary: Option<String>,
    /// Everything else that the answer depends on, by name: a value or a SHA-256.
    pub settings: BTreeMap<String, String>,
}

/// An event of an answer. The field `event` names the variant.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AnswerEvent)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum AnswerEventView {
    /// What the answer is based on. Always first.
    Receipt(ReceiptView),
    /// A quote.
    Quote(QuoteView),
    /// The documents do not answer the question.
    Refusal {
        /// The reason.
        reason: String,
        /// Whether the nearest passages may answer the question.
        perhaps: bool,
        /// The sentence of the first passage that comes closest, if one may answer.
        likely: Option<String>,
        /// The best passages.
        nearest: Vec<PassageView>,
        /// A quote of a superseded revision that would have answered.
        superseded: Option<QuoteView>,
    },
    /// Quotes of different documents contradict each other.
    Conflict {
        /// Their numbers.
        quotes: Vec<u32>,
    },
    /// The question has several readings.
    Ambiguity {
        /// The readings.
        choices: Vec<ReadingView>,
    },
    /// The quotes spell words of the question differently.
    Spelling {
        /// The words.
        words: Vec<SpellingView>,
    },
    /// A generated sentence that was verified.
    Sentence {
        /// The sentence.
        text: String,
        /// The numbers of the quotes that support it.
        quotes: Vec<u32>,
    },
    /// Generated sentences were withheld.
    Withheld {
        /// How many so far.
        count: u32,
    },
    /// The end of the answer.
    Done {
        /// Why there is no generated text, if there is none.
        note: Option<String>,
        /// Milliseconds since the question.
        took_ms: u64,
    },
    /// The answer failed. The events before it stay valid.
    Error(AppError),
}

impl From<AnswerEvent> for AnswerEventView {
    fn from(event: AnswerEvent) -> Self {
        match event {
            AnswerEvent::Receipt(receipt) => Self::Receipt(ReceiptView {
                id: receipt.id,
                conversation: receipt.conversation,
                rewritten_question: receipt.rewritten_question,
                expansions: receipt.expansions,
                documents: receipt.documents,
                complete: receipt.complete,
                passages: receipt.passages.iter().map(|passage| passage.0).collect(),
                index_generation: receipt.index_generation,
                plan: receipt.plan.name().to_owned(),
                policy_version: receipt.policy_version,
                embedder: receipt.provenance.embedder,
                generator: receipt.provenance.generator,
                answer_weights: receipt.provenance.answer_weights,
                glossary: receipt.provenance.glossary,
                settings: receipt.provenance.settings,
            }),
            AnswerEvent::Quote(quote) => Self::Quote(QuoteView::from(&*quote)),
            AnswerEvent::Refusal {
                reason,
                perhaps,
                likely,
                nearest,
                superseded,
            } => Self::Refusal {
                reason,
                perhaps,
                likely,
                nearest: nearest.iter().map(PassageView::from).collect(),
                superseded: superseded.as_deref().map(QuoteView::from),
            },
            AnswerEvent::Notice(notice) => Self::from(notice),
            AnswerEvent::Sentence { text, quotes } => Self::Sentence { text, quotes },
            AnswerEvent::Withheld { count } => Self::Withheld { count },
            AnswerEvent::Done { note, took_ms } => Self::Done { note, took_ms },
            AnswerEvent::Failed(cause) => Self::Error(cause.into()),
        }
    }
}

impl From<Notice> for AnswerEventView {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Conflict { quotes } => Self::Conflict { quotes },
            Notice::Ambiguity { readings } => Self::Ambiguity {
                choices: readings.into_iter().map(ReadingView::from).collect(),
            },
            Notice::Spelling { words } => Self::Spelling {
                words: words.into_iter().map(SpellingView::from).collect(),
            },
        }
    }
}

/// A rectangle in points from the top left corner of the page.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RectView {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl From<Rect> for RectView {
    fn from(rect: Rect) -> Self {
        Self {
            x: rect.x0,
            y: rect.y0,
            width: rect.width(),
            height: rect.height(),
        }
    }
}

/// Which documents are searched. An empty list does not restrict. Of a list with values, one must
/// match.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilterView {
    /// Names of collections.
    pub collections: Vec<String>,
    /// Formats, such as `pdf`.
    pub formats: Vec<String>,
    /// ISO 639-3 codes of languages, such as `deu`.
    pub languages: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// The earliest day: `2026-01-01`.
    pub from: Option<String>,
    /// The latest day.
    pub until: Option<String>,
    /// The day whose documents are searched, superseded revisions included.
    pub as_of: Option<String>,
}

impl FilterView {
    /// The filter. Fails if a day is not a day.
    pub fn parse(self) -> Result<DocumentFilter> {
        Ok(DocumentFilter {
            collections: self.collections,
            formats: self.formats,
            languages: self.languages,
            tags: self.tags,
            from: parse_day(self.from)?,
            until: parse_day(self.until)?,
            as_of: parse_day(self.as_of)?,
        })
    }
}

/// A day, or `None` if the text is absent or empty.
fn parse_day(text: Option<String>) -> Result<Option<Day>> {
    match text {
        Some(text) if !text.is_empty() => match Day::try_from(text) {
            Ok(day) => Ok(Some(day)),
            Err(cause) => Err(ErrorCode::Invalid.with_detail(cause)),
        },
        _ => Ok(None),
    }
}
