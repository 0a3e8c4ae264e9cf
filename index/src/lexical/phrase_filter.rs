//! Quoted phrases, which a passage must contain word for word.

use super::view::LexicalSearcher;
use crate::error::Result;
use crate::revisions::ReadableRevisions;
use cloister_text::codes;
use std::collections::HashSet;
use tantivy::query::{EnableScoring, PhraseQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED, Term};

impl LexicalSearcher {
    /// The readable passages with all phrases that the question quotes. If there are none, the question
    /// is treated as if it quoted nothing.
    pub(super) fn phrase_matches(
        &self,
        text: &str,
        readable: &ReadableRevisions,
    ) -> Result<Option<HashSet<i64>>> {
        let mut matches: Option<HashSet<i64>> = None;
        for phrase in codes::quoted_phrases(text) {
            let with_phrase = self.passages_with_phrase(&phrase, readable)?;
            matches = Some(match matches {
                Some(before) => before.intersection(&with_phrase).copied().collect(),
                None => with_phrase,
            });
        }
        Ok(matches.filter(|passages| !passages.is_empty()))
    }

    fn passages_with_phrase(
        &self,
        phrase: &[String],
        readable: &ReadableRevisions,
    ) -> Result<HashSet<i64>> {
        let term = |word: &String| Term::from_field_text(self.fields.written, word);
        let query: Box<dyn Query> = match phrase {
            [word] => Box::new(TermQuery::new(term(word), IndexRecordOption::Basic)),
            words => Box::new(PhraseQuery::new(words.iter().map(term).collect())),
        };
        let weight = query.weight(EnableScoring::disabled_from_searcher(&self.searcher))?;
        let mut passages = HashSet::new();
        for (reader, doc_map) in self.segments() {
            let mut docs = weight.scorer(reader, 1.0)?;
            while docs.doc() != TERMINATED {
                let resolved = doc_map.resolve(reader, readable, docs.doc());
                passages.extend(resolved.map(|(passage, _)| passage));
                docs.advance();
            }
        }
        Ok(passages)
    }
}
