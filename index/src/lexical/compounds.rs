//! Compounds: *Aufbewahrungsfrist* is found by *Aufbewahrung* and by *Frist*.
//!
//! The first part of a compound is a prefix in the dictionary of terms. For its last part, long words
//! are also indexed in reverse.

use super::query_terms::{QueryTerm, any_within, idf};
use super::view::{LexicalSearcher, read_error};
use crate::error::Result;
use crate::revisions::ReadableRevisions;
use cloister_text::{Language, Token, stem_tokens};
use std::collections::BTreeSet;
use tantivy::Term;
use tantivy::schema::{Field, IndexRecordOption};

/// The weight of compounds with a word of the question, relative to the word itself.
const COMPOUND_WEIGHT: f32 = 0.5;

/// Shorter words are parts of too many others.
const MIN_PART_CHARS: usize = 4;

/// Shorter words are not compounds.
const MIN_COMPOUND_CHARS: usize = 8;

/// The other part has at least this many letters, so that endings are not taken for parts.
const MIN_REST_CHARS: usize = 3;

/// The maximum of compounds per word, and of all compounds of a question.
const MAX_COMPOUNDS: usize = 24;
const MAX_ALL_COMPOUNDS: usize = 120;

/// The maximum of passages that are checked for permission per word.
const MAX_CHECKED_PASSAGES: usize = 4096;

/// The stems of long words in reverse, for languages that join words.
pub(super) fn reversed_stems(text: &str, language: Language) -> Vec<Token> {
    if !language.joins_words() {
        return Vec::new();
    }
    let stems = stem_tokens(text, language).into_iter();
    stems
        .filter(|token| is_plain(&token.text, MIN_COMPOUND_CHARS))
        .map(|token| Token {
            text: token.text.chars().rev().collect(),
            ..token
        })
        .collect()
}

fn is_plain(word: &str, min_chars: usize) -> bool {
    word.chars().count() >= min_chars && word.chars().all(char::is_alphabetic)
}

impl LexicalSearcher {
    /// Compounds that begin or end with one of these stems, each with the weight of all compounds of
    /// its stem.
    pub(super) fn compound_terms(
        &self,
        stems: &[String],
        readable: &ReadableRevisions,
    ) -> Result<Vec<QueryTerm>> {
        let mut terms = Vec::new();
        if !self.languages.iter().any(|language| language.joins_words()) {
            return Ok(terms);
        }
        for stem in stems.iter().filter(|stem| is_plain(stem, MIN_PART_CHARS)) {
            let mut words = BTreeSet::new();
            let mut budget = MAX_CHECKED_PASSAGES;
            self.collect_longer(self.fields.text, stem, readable, &mut budget, &mut words)?;
            let reversed: String = stem.chars().rev().collect();
            let mut endings = BTreeSet::new();
            self.collect_longer(
                self.fields.reversed,
                &reversed,
                readable,
                &mut budget,
                &mut endings,
            )?;
            words.extend(
                endings
                    .iter()
                    .map(|word| word.chars().rev().collect::<String>()),
            );
            words.retain(|word| !stems.contains(word));
            terms.extend(self.weigh(&words)?);
            if terms.len() >= MAX_ALL_COMPOUNDS {
                break;
            }
        }
        Ok(terms)
    }

    /// Collects terms of a field that begin with `start` and go on with enough letters.
    fn collect_longer(
        &self,
        field: Field,
        start: &str,
        readable: &ReadableRevisions,
        budget: &mut usize,
        words: &mut BTreeSet<String>,
    ) -> Result<()> {
        for (reader, doc_map) in self.segments() {
            let index = reader.inverted_index(field)?;
            let range = index.terms().range().ge(start.as_bytes());
            let mut stream = range.into_stream().map_err(read_error)?;
            while let Some((bytes, info)) = stream.next() {
                let Some(rest) = bytes.strip_prefix(start.as_bytes()) else {
                    break;
                };
                let is_longer =
                    std::str::from_utf8(rest).is_ok_and(|r| is_plain(r, MIN_REST_CHARS));
                if let Ok(word) = std::str::from_utf8(bytes)
                    && is_longer
                    && !words.contains(word)
                {
                    let docs = index.read_postings_from_terminfo(info, IndexRecordOption::Basic);
                    if any_within(
                        docs.map_err(read_error)?,
                        |doc| doc_map.resolve(reader, readable, doc).is_some(),
                        budget,
                    ) {
                        words.insert(word.to_owned());
                    }
                }
                if words.len() >= MAX_COMPOUNDS || *budget == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The compounds share the weight of a term that is in any of them.
    fn weigh(&self, words: &BTreeSet<String>) -> Result<Vec<QueryTerm>> {
        let mut found = Vec::new();
        for word in words {
            let mut fields = Vec::new();
            for field in [self.fields.title, self.fields.text] {
                fields.push(self.look_up(Term::from_field_text(field, word))?);
            }
            found.push(QueryTerm {
                fields,
                weight: 0.0,
            });
        }
        let doc_freq = found.iter().map(QueryTerm::doc_freq).sum();
        let weight = COMPOUND_WEIGHT * idf(doc_freq, self.passages());
        if weight <= 0.0 {
            return Ok(Vec::new());
        }
        for term in &mut found {
            term.weight = weight;
        }
        Ok(found)
    }
}
