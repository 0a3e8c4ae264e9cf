//! What a question puts between quotation marks, which a passage must hold word for word.

use super::search::KeywordSearcher;
use crate::error::Result;
use crate::revisions::Readable;
use crate::words;
use std::collections::HashSet;
use tantivy::query::{EnableScoring, PhraseQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED, Term};

impl KeywordSearcher {
    /// The permitted passages that hold all that the question quotes. A question that quotes what
    /// no passage says is asked as if it quoted nothing.
    pub(super) fn quoting(&self, text: &str, readable: &Readable) -> Result<Option<HashSet<i64>>> {
        let mut all: Option<HashSet<i64>> = None;
        for phrase in words::quoted(text) {
            let with = self.with_phrase(&phrase, readable)?;
            all = Some(match all {
                Some(before) => before.intersection(&with).copied().collect(),
                None => with,
            });
        }
        Ok(all.filter(|passages| !passages.is_empty()))
    }

    fn with_phrase(&self, phrase: &[String], readable: &Readable) -> Result<HashSet<i64>> {
        let term = |word: &String| Term::from_field_text(self.fields.written, word);
        let query: Box<dyn Query> = match phrase {
            [word] => Box::new(TermQuery::new(term(word), IndexRecordOption::Basic)),
            words => Box::new(PhraseQuery::new(words.iter().map(term).collect())),
        };
        let weight = query.weight(EnableScoring::disabled_from_searcher(&self.searcher))?;
        let mut found = HashSet::new();
        for (reader, rows) in self.segments() {
            let mut docs = weight.scorer(reader, 1.0)?;
            while docs.doc() != TERMINATED {
                found.extend(rows.admit(reader, readable, docs.doc()).map(|(id, _)| id));
                docs.advance();
            }
        }
        Ok(found)
    }
}
