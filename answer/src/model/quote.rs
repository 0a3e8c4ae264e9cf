//! Quotes: text of a document, copied byte for byte.

use crate::extraction::select::QuoteSpan;
use crate::extraction::span_expansion::context_line;
use crate::model::hit::RetrievedPassage;
use cloister_domain::{ByteRange, Passage, PassageId};
use cloister_store::{QuoteLocation, RevisionRecord};

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
            context: context_line(draft, range).map(str::to_owned),
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
            .filter_map(|(number, span)| Self::from_hit(number, span.hit, span.range))
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
