//! Quotes: the words of a document, copied by the program.

use crate::answerer::Answerer;
use crate::error::AnswerError;
use crate::masking::Masking;
use crate::retrieve::FoundPassage;
use crate::select::Candidate;
use crate::whole::stands_under;
use cloister_domain::{ByteRange, Passage, PassageId, RevisionId, Role};
use cloister_store::{Library, QuotedPlace, RevisionRecord};

/// A sentence of a document, byte for byte.
#[derive(Clone, Debug)]
pub struct Quote {
    /// The citation's number, from 1.
    pub number: u32,
    /// The document's words: `range` of the passage's text.
    pub text: String,
    /// The passage.
    pub passage: PassageId,
    /// Where in the passage's text.
    pub range: ByteRange,
    /// The page it begins on.
    pub page: u32,
    /// The headings above it.
    pub headings: Vec<String>,
    /// What it stands under, in the document's words: a point's item, a row's first row.
    pub above: Option<String>,
    /// Its words that may have been misread from a scanned page.
    pub doubtful: Vec<String>,
    /// The document.
    pub source: RevisionRecord,
}

impl Quote {
    /// What stands at `range` of `passage`; none where there is no such place.
    fn of(
        number: u32,
        passage: &Passage,
        range: ByteRange,
        source: &RevisionRecord,
    ) -> Option<Self> {
        let draft = &passage.draft;
        let doubtful = draft.doubtful.iter();
        let inside = doubtful.filter(|word| word.overlaps(range));
        let doubtful = inside.filter_map(|word| word.of(&draft.text));
        Some(Self {
            number,
            doubtful: doubtful.map(str::to_owned).collect(),
            text: range.of(&draft.text)?.to_owned(),
            passage: passage.id,
            range,
            page: draft.locate(range).first()?.page,
            headings: draft.headings.clone(),
            above: stands_under(draft, range).map(str::to_owned),
            source: source.clone(),
        })
    }

    /// What stands at `range` of a passage that was found.
    pub fn of_found(number: u32, found: &FoundPassage, range: ByteRange) -> Option<Self> {
        Self::of(number, &found.passage, range, &found.source)
    }

    /// The chosen sentences, numbered from 1.
    pub fn all_of(passages: &[FoundPassage], chosen: &[Candidate]) -> Vec<Self> {
        let numbered = (1..).zip(chosen);
        numbered
            .filter_map(|(number, candidate)| {
                Self::of_found(number, passages.get(candidate.passage)?, candidate.range)
            })
            .collect()
    }

    /// Where it stands.
    pub fn place(&self) -> QuotedPlace {
        QuotedPlace {
            number: self.number,
            passage: self.passage,
            range: self.range,
        }
    }
}

impl Answerer {
    /// Quotes of an earlier answer, read again for somebody of these roles. Those that may no
    /// longer be read are left out.
    pub async fn quoted_again(
        &self,
        library: &Library,
        places: &[QuotedPlace],
        roles: &[Role],
    ) -> Result<Vec<Quote>, AnswerError> {
        let ids: Vec<PassageId> = places.iter().map(|place| place.passage).collect();
        let passages = library.passages(&ids).await?;
        let revisions: Vec<RevisionId> = passages.iter().map(|p| p.revision).collect();
        let sources = library.revisions_of(&revisions).await?;
        let masking = Masking::new(&self.redaction, roles);
        let read = places.iter().filter_map(|place| {
            let passage = passages.iter().find(|p| p.id == place.passage)?;
            let source = sources.get(&passage.revision)?;
            let mut quote = Quote::of(place.number, passage, place.range, source)?;
            masking.quote(&mut quote);
            Some(quote)
        });
        Ok(read.collect())
    }
}
