//! How strongly a question's terms point to each document: by its metadata and its first words.

use super::postings::Postings;
use super::query_terms::{FieldTerm, idf};
use super::view::{LexicalSearcher, read_error};
use crate::error::Result;
use crate::revisions::ReadableRevisions;
use cloister_text::{adjacent_pair_stems, query_stems};
use roaring::RoaringBitmap;
use tantivy::Term;
use tantivy::schema::{Field, IndexRecordOption};

/// The scores of documents for a question, from 0 to 1 for the best. The default has no scores: it is
/// used if most documents are short.
#[derive(Default)]
pub(crate) struct DocumentScores {
    /// By revision, the sum of the `idf` of the question's terms in its metadata.
    sums: Vec<f32>,
    /// The revisions whose sum is above 0.
    scored: Vec<u32>,
    /// The highest sum.
    max: f32,
}

impl DocumentScores {
    fn new(revisions: usize) -> Self {
        Self {
            sums: vec![0.0; revisions],
            ..Self::default()
        }
    }

    fn add(&mut self, revision: u32, idf: f32) {
        if let Some(sum) = self.sums.get_mut(revision as usize) {
            if *sum == 0.0 {
                self.scored.push(revision);
            }
            *sum += idf;
            self.max = self.max.max(*sum);
        }
    }

    /// The score of a readable revision; `None` if there are no scores.
    pub(crate) fn get(&self, revision: u32) -> Option<f32> {
        let sum = self.sums.get(revision as usize)?;
        Some(if self.max > 0.0 { sum / self.max } else { 0.0 })
    }

    /// The revisions with at least this score, which must be above 0.
    pub(crate) fn at_least(&self, score: f32) -> RoaringBitmap {
        self.scored
            .iter()
            .copied()
            .filter(|revision| self.get(*revision).is_some_and(|own| own >= score))
            .collect()
    }
}

impl LexicalSearcher {
    /// The scores of the readable documents for a question.
    pub(crate) fn document_scores(
        &self,
        text: &str,
        readable: &ReadableRevisions,
    ) -> Result<DocumentScores> {
        let mut scores = DocumentScores::new(self.last_revision() as usize + 1);
        let documents = self.count_documents()?;
        for stem in self.metadata_stems(text) {
            let term = self.look_up(Term::from_field_text(self.fields.metadata, &stem))?;
            let idf = idf(term.doc_freq(), documents);
            self.for_each_revision(&term, readable, |revision| scores.add(revision, idf))?;
        }
        Ok(scores)
    }

    /// The different stems of a question that can occur in a document's metadata.
    fn metadata_stems(&self, text: &str) -> Vec<String> {
        let mut stems = query_stems(text, &self.languages);
        for joined in adjacent_pair_stems(text, &self.languages) {
            if !stems.contains(&joined) {
                stems.push(joined);
            }
        }
        stems
    }

    /// Calls `each` with the readable revisions that contain a term.
    fn for_each_revision(
        &self,
        term: &FieldTerm,
        readable: &ReadableRevisions,
        mut each: impl FnMut(u32),
    ) -> Result<()> {
        for ((reader, doc_map), info) in self.segments().zip(&term.infos) {
            let Some(info) = info else {
                continue;
            };
            let index = reader.inverted_index(term.term.field())?;
            let option = IndexRecordOption::Basic;
            let blocks = index.read_block_postings_from_terminfo(info, option);
            let mut postings = Postings::new(blocks.map_err(read_error)?);
            postings.for_each_in(&(0..reader.max_doc()), |doc, _| {
                if let Some((_, revision)) = doc_map.resolve(reader, readable, doc) {
                    each(revision);
                }
            });
        }
        Ok(())
    }

    fn count_documents(&self) -> Result<u64> {
        let mut documents = 0;
        for (reader, _) in self.segments() {
            let index = reader.inverted_index(self.fields.first)?;
            let first = index.doc_freq(&first_passage_term(self.fields.first));
            documents += u64::from(first.map_err(read_error)?);
        }
        Ok(documents)
    }
}

/// The term of each revision's first passage.
fn first_passage_term(field: Field) -> Term {
    Term::from_field_u64(field, 1)
}
