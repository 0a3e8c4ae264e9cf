//! A question's words, looked up in every segment, and what each is worth.

use super::search::{KeywordSearcher, unread};
use crate::entry::IndexSettings;
use crate::error::Result;
use crate::revisions::Readable;
use crate::words;
use std::collections::BTreeSet;
use tantivy::postings::TermInfo;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, TERMINATED, Term};

/// A code that begins like the question's is worth this share of it.
const PREFIX_SHARE: f32 = 0.5;
/// A word of what the question's terms stand for is worth this share of a word of the question.
const MEANING_SHARE: f32 = 0.7;
/// No more codes than this are looked up for one that they begin with.
const MOST_PREFIXED: usize = 32;
/// And so many passages at most are looked at to see whether any of a code's may be read.
const MOST_LOOKED_AT: usize = 4096;

/// A code is rare in one passage of so many, or in so few.
const RARE: u64 = 1000;
const FEW: u64 = 4;

/// A question's words.
pub(super) struct Words {
    pub list: Vec<Word>,
    /// The share that rare codes have in what all of them are worth, from 0 to 1.
    pub coded: f32,
}

/// A word of a question.
pub(super) struct Word {
    /// It, in every field where it counts.
    pub terms: Vec<Found>,
    pub weight: f32,
}

impl Word {
    /// How many passages hold it, in the field where most do.
    pub(super) fn passages(&self) -> u64 {
        let passages = self.terms.iter().map(Found::passages);
        passages.max().unwrap_or(0)
    }
}

/// A word in one field.
pub(super) struct Found {
    pub term: Term,
    /// Where its postings are in each segment, in the order of the segments.
    pub places: Vec<Option<TermInfo>>,
}

impl Found {
    /// How many passages hold it.
    pub(super) fn passages(&self) -> u64 {
        let places = self.places.iter().flatten();
        places.map(|place| u64::from(place.doc_freq)).sum()
    }
}

impl KeywordSearcher {
    /// The question's stems and its codes, and the stems of what its terms stand for.
    pub(super) fn words(
        &self,
        text: &str,
        also: &str,
        readable: &Readable,
        settings: &IndexSettings,
    ) -> Result<Words> {
        let mut list = Vec::new();
        let fields = [self.fields.above, self.fields.text];
        let stems = words::question_stems(text, &self.languages);
        for stem in &stems {
            list.extend(self.word(&fields, stem, 1.0)?);
        }
        let (mut longer, mut rare) = (Vec::new(), 0.0);
        for code in words::question_codes(text) {
            let word = self.word(&[self.fields.written], &code, settings.code_weight)?;
            // Numbers go on as they please: `80` is not what `80.2` is about.
            if !words::is_number(&code) {
                let telling = word.as_ref().filter(|word| self.is_rare(word));
                rare += telling.map_or(0.0, |word| word.weight);
                let weight = settings.code_weight * PREFIX_SHARE;
                longer.extend(self.longer(&code, readable, weight)?);
            }
            list.extend(word);
        }
        let all: f32 = list.iter().map(|word| word.weight).sum();
        let coded = if rare > 0.0 { rare / all } else { 0.0 };
        list.extend(longer);
        for stem in words::question_stems(also, &self.languages) {
            if !stems.contains(&stem) {
                list.extend(self.word(&fields, &stem, MEANING_SHARE)?);
            }
        }
        Ok(Words { list, coded })
    }

    /// Whether few passages hold a word.
    fn is_rare(&self, word: &Word) -> bool {
        let few = (self.passages() / RARE).max(FEW);
        word.terms.iter().all(|found| found.passages() <= few)
    }

    /// `None` where no passage holds the word, or all of them do.
    fn word(&self, fields: &[Field], text: &str, weight: f32) -> Result<Option<Word>> {
        let find = |field: &Field| self.find(Term::from_field_text(*field, text));
        let terms = fields.iter().map(find).collect::<Result<Vec<Found>>>()?;
        let with = terms.iter().map(Found::passages).max().unwrap_or(0);
        let weight = weight * rarity(with, self.passages());
        let found = with > 0 && weight > 0.0;
        Ok(found.then_some(Word { terms, weight }))
    }

    /// Looks a term up in every segment.
    pub(super) fn find(&self, term: Term) -> Result<Found> {
        let readers = self.segments().map(|(reader, _)| reader);
        let places = readers.map(|reader| {
            let index = reader.inverted_index(term.field())?;
            index.get_term_info(&term).map_err(unread)
        });
        let places = places.collect::<Result<_>>()?;
        Ok(Found { term, places })
    }

    /// The codes that go on where this one ends. Together they are one code: each alone is rarer
    /// than what was asked for, and would count more.
    fn longer(&self, code: &str, readable: &Readable, weight: f32) -> Result<Vec<Word>> {
        let find = |longer: &String| self.find(Term::from_field_text(self.fields.written, longer));
        let begun = self.begun_with(code, readable)?;
        let found = begun.iter().map(find).collect::<Result<Vec<Found>>>()?;
        let with = found.iter().map(Found::passages).sum();
        let weight = weight * rarity(with, self.passages());
        let word = |found| Word {
            terms: vec![found],
            weight,
        };
        let words = found.into_iter().map(word);
        Ok(words.filter(|word| word.weight > 0.0).collect())
    }

    /// Codes that go on where this one ends, such as `e11.9` after `e11`, in the order of letters: those
    /// of readable passages, so that hidden ones take no room from them.
    fn begun_with(&self, code: &str, readable: &Readable) -> Result<BTreeSet<String>> {
        let mut longer = BTreeSet::new();
        let mut left = MOST_LOOKED_AT;
        for (reader, rows) in self.segments() {
            let index = reader.inverted_index(self.fields.written)?;
            let mut stream = index
                .terms()
                .range()
                .ge(code.as_bytes())
                .into_stream()
                .map_err(unread)?;
            while let Some((bytes, place)) = stream.next() {
                let Some(after) = bytes.strip_prefix(code.as_bytes()) else {
                    break;
                };
                let goes_on = after.first().is_some_and(u8::is_ascii_punctuation);
                if let Ok(word) = std::str::from_utf8(bytes)
                    && goes_on
                    && !longer.contains(word)
                {
                    let docs = index.read_postings_from_terminfo(place, IndexRecordOption::Basic);
                    let may_be_read = |doc| rows.admit(reader, readable, doc).is_some();
                    if any(docs.map_err(unread)?, may_be_read, &mut left) {
                        longer.insert(word.to_owned());
                    }
                }
                if longer.len() >= MOST_PREFIXED || left == 0 {
                    break;
                }
            }
        }
        Ok(longer)
    }
}

/// Whether `holds` of any of these passages, of which as many as are `left` are looked at.
fn any(mut docs: impl DocSet, holds: impl Fn(DocId) -> bool, left: &mut usize) -> bool {
    while docs.doc() != TERMINATED && *left > 0 {
        *left -= 1;
        if holds(docs.doc()) {
            return true;
        }
        docs.advance();
    }
    false
}

/// How rare a word is: BM25's inverse document frequency.
pub(super) fn rarity(with: u64, of: u64) -> f32 {
    let (with, of) = (with as f32, of as f32);
    (1.0 + (of - with + 0.5).max(0.0) / (with + 0.5)).ln()
}
