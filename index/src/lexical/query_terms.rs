//! The terms of a question with their weights, looked up in every segment.

use super::view::{LexicalSearcher, read_error};
use crate::error::Result;
use crate::request::IndexSettings;
use crate::revisions::ReadableRevisions;
use cloister_text::codes::{is_number, query_codes};
use cloister_text::query_stems;
use std::collections::BTreeSet;
use tantivy::postings::TermInfo;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, TERMINATED, Term};

/// The weight of codes that start with the question's code, relative to it.
const LONGER_CODE_WEIGHT: f32 = 0.5;

/// The weight of expansion terms, relative to the question's own.
const EXPANSION_WEIGHT: f32 = 0.7;

/// The maximum of longer codes per code.
const MAX_LONGER_CODES: usize = 32;

/// The maximum of passages that are checked for permission to find longer codes.
const MAX_CHECKED_PASSAGES: usize = 4096;

/// A code is rare if at most one passage of this many contains it…
const RARE_CODE_SHARE: u64 = 1000;

/// …or at most this many do.
const RARE_CODE_PASSAGES: u64 = 4;

/// The terms of a question.
pub(super) struct QueryTerms {
    pub list: Vec<QueryTerm>,
    /// The share of rare codes in the weight of the question's own terms, from 0 to 1.
    pub code_share: f32,
}

/// A term of a question.
pub(super) struct QueryTerm {
    /// The term in each field that it is searched in.
    pub fields: Vec<FieldTerm>,
    pub weight: f32,
}

impl QueryTerm {
    /// The number of passages that contain it, in the field where most do.
    pub(super) fn doc_freq(&self) -> u64 {
        let doc_freqs = self.fields.iter().map(FieldTerm::doc_freq);
        doc_freqs.max().unwrap_or(0)
    }
}

/// A term in one field.
pub(super) struct FieldTerm {
    pub term: Term,
    /// The location of its postings in each segment.
    pub infos: Vec<Option<TermInfo>>,
}

impl FieldTerm {
    /// The number of passages that contain it.
    pub(super) fn doc_freq(&self) -> u64 {
        let infos = self.infos.iter().flatten();
        infos.map(|info| u64::from(info.doc_freq)).sum()
    }
}

impl LexicalSearcher {
    /// The question's stems and codes, and the stems of its expansion terms.
    pub(super) fn query_terms(
        &self,
        text: &str,
        expansion_terms: &str,
        readable: &ReadableRevisions,
        settings: &IndexSettings,
    ) -> Result<QueryTerms> {
        let mut list = Vec::new();
        let fields = [self.fields.title, self.fields.text];
        let stems = query_stems(text, &self.languages);
        for stem in &stems {
            list.extend(self.query_term(&fields, stem, 1.0)?);
        }
        let (mut longer_codes, mut rare_weight) = (Vec::new(), 0.0);
        for code in query_codes(text) {
            let term = self.query_term(&[self.fields.written], &code, settings.code_weight)?;
            // Numbers have no hierarchy: `80.2` is not below `80`.
            if !is_number(&code) {
                let rare = term.as_ref().filter(|term| self.is_rare(term));
                rare_weight += rare.map_or(0.0, |term| term.weight);
                let weight = settings.code_weight * LONGER_CODE_WEIGHT;
                longer_codes.extend(self.longer_codes(&code, readable, weight)?);
            }
            list.extend(term);
        }
        let total_weight: f32 = list.iter().map(|term| term.weight).sum();
        let code_share = if rare_weight > 0.0 {
            rare_weight / total_weight
        } else {
            0.0
        };
        list.extend(longer_codes);
        list.extend(self.compound_terms(&stems, readable)?);
        for stem in query_stems(expansion_terms, &self.languages) {
            if !stems.contains(&stem) {
                list.extend(self.query_term(&fields, &stem, EXPANSION_WEIGHT)?);
            }
        }
        Ok(QueryTerms { list, code_share })
    }

    fn is_rare(&self, term: &QueryTerm) -> bool {
        let max = (self.passages() / RARE_CODE_SHARE).max(RARE_CODE_PASSAGES);
        term.fields.iter().all(|field| field.doc_freq() <= max)
    }

    /// The term with its weight; `None` if no passage contains it, or all do.
    fn query_term(&self, fields: &[Field], text: &str, weight: f32) -> Result<Option<QueryTerm>> {
        let fields = fields
            .iter()
            .map(|field| self.look_up(Term::from_field_text(*field, text)));
        let fields = fields.collect::<Result<Vec<FieldTerm>>>()?;
        let doc_freq = fields.iter().map(FieldTerm::doc_freq).max().unwrap_or(0);
        let weight = weight * idf(doc_freq, self.passages());
        let useful = doc_freq > 0 && weight > 0.0;
        Ok(useful.then_some(QueryTerm { fields, weight }))
    }

    /// Looks a term up in every segment.
    pub(super) fn look_up(&self, term: Term) -> Result<FieldTerm> {
        let mut infos = Vec::new();
        for (reader, _) in self.segments() {
            let index = reader.inverted_index(term.field())?;
            infos.push(index.get_term_info(&term).map_err(read_error)?);
        }
        Ok(FieldTerm { term, infos })
    }

    /// The codes that start with this one. They share one weight, that of a term in any of them: each
    /// alone is rarer than the question's code and would weigh more.
    fn longer_codes(
        &self,
        code: &str,
        readable: &ReadableRevisions,
        weight: f32,
    ) -> Result<Vec<QueryTerm>> {
        let mut fields = Vec::new();
        for longer in self.find_longer_codes(code, readable)? {
            fields.push(self.look_up(Term::from_field_text(self.fields.written, &longer))?);
        }
        let doc_freq = fields.iter().map(FieldTerm::doc_freq).sum();
        let weight = weight * idf(doc_freq, self.passages());
        if weight <= 0.0 {
            return Ok(Vec::new());
        }
        let terms = fields.into_iter().map(|field| QueryTerm {
            fields: vec![field],
            weight,
        });
        Ok(terms.collect())
    }

    /// Codes that start with this one, such as `e11.9` for `e11`, in alphabetical order. Only codes of
    /// readable passages are counted against the maximum.
    fn find_longer_codes(
        &self,
        code: &str,
        readable: &ReadableRevisions,
    ) -> Result<BTreeSet<String>> {
        let mut longer = BTreeSet::new();
        let mut budget = MAX_CHECKED_PASSAGES;
        for (reader, doc_map) in self.segments() {
            let index = reader.inverted_index(self.fields.written)?;
            let range = index.terms().range().ge(code.as_bytes());
            let mut stream = range.into_stream().map_err(read_error)?;
            while let Some((bytes, info)) = stream.next() {
                let Some(rest) = bytes.strip_prefix(code.as_bytes()) else {
                    break;
                };
                let continues = rest.first().is_some_and(u8::is_ascii_punctuation);
                if let Ok(word) = std::str::from_utf8(bytes)
                    && continues
                    && !longer.contains(word)
                {
                    let docs = index.read_postings_from_terminfo(info, IndexRecordOption::Basic);
                    if any_within(
                        docs.map_err(read_error)?,
                        |doc| doc_map.resolve(reader, readable, doc).is_some(),
                        &mut budget,
                    ) {
                        longer.insert(word.to_owned());
                    }
                }
                if longer.len() >= MAX_LONGER_CODES || budget == 0 {
                    break;
                }
            }
        }
        Ok(longer)
    }
}

/// Whether a document satisfies `predicate`. Checks at most `budget` documents, and subtracts them.
pub(super) fn any_within(
    mut docs: impl DocSet,
    predicate: impl Fn(DocId) -> bool,
    budget: &mut usize,
) -> bool {
    while docs.doc() != TERMINATED && *budget > 0 {
        *budget -= 1;
        if predicate(docs.doc()) {
            return true;
        }
        docs.advance();
    }
    false
}

/// BM25's inverse document frequency.
pub(super) fn idf(doc_freq: u64, documents: u64) -> f32 {
    let (doc_freq, documents) = (doc_freq as f32, documents as f32);
    (1.0 + (documents - doc_freq + 0.5).max(0.0) / (doc_freq + 0.5)).ln()
}
