//! The search by words.

use super::bm25f::{FieldNorms, FieldPostings, NormTable, TermScorer, TermWeight, norm_table};
use super::max_score;
use super::postings::Postings;
use super::query_terms::{FieldTerm, QueryTerm};
use super::top_k::{LexicalHit, TopK};
use super::view::{LexicalSearcher, SegmentView, read_error};
use crate::error::Result;
use crate::request::IndexSettings;
use crate::revisions::ReadableRevisions;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use tantivy::postings::TermInfo;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, Term};

/// Terms count as rare as long as the passages that contain them are at most one of this many.
const RARE_SHARE: u64 = 50;

/// Rounding can put a score this much below the same score of fewer terms.
const ROUNDING: f32 = 1.0 - 1e-5;

/// The result of a search by words.
#[derive(Default)]
pub(crate) struct LexicalResult {
    /// The passages, best first.
    pub hits: Vec<LexicalHit>,
    /// The permitted passages with all quoted phrases; `None` if the question has none, or none that
    /// any passage contains.
    pub phrase_matches: Option<HashSet<i64>>,
    /// The share of rare codes in the weight of the question's terms, from 0 to 1. Embeddings do not
    /// represent codes well.
    pub code_share: f32,
}

/// The normalisation tables of the fields whose length counts.
type NormTables = HashMap<Field, Arc<NormTable>>;

/// A search in all segments.
struct LexicalQuery<'a> {
    readable: &'a ReadableRevisions,
    /// The readable documents of each segment.
    ranges: Vec<Vec<Range<DocId>>>,
    phrase_matches: Option<&'a HashSet<i64>>,
    norm_tables: NormTables,
    k1: f32,
}

impl LexicalSearcher {
    /// The `limit` best readable passages, best first.
    pub(crate) fn search(
        &self,
        text: &str,
        expansion_terms: &str,
        readable: &ReadableRevisions,
        limit: usize,
        settings: &IndexSettings,
    ) -> Result<LexicalResult> {
        let phrase_matches = self.phrase_matches(text, readable)?;
        let terms = self.query_terms(text, expansion_terms, readable, settings)?;
        if terms.list.is_empty() || limit == 0 {
            return Ok(LexicalResult {
                phrase_matches,
                ..LexicalResult::default()
            });
        }
        let query = LexicalQuery {
            readable,
            ranges: self
                .segments()
                .map(|(_, doc_map)| doc_map.readable_ranges(readable))
                .collect(),
            phrase_matches: phrase_matches.as_ref(),
            norm_tables: self.norm_tables(settings)?,
            k1: settings.k1,
        };
        let rare = self.rare_terms(&terms.list, limit);
        let rare_top_k = self.top_k(&rare, &query, TopK::new(limit))?;
        let threshold = rare_top_k.threshold() * ROUNDING;
        let all: Vec<&QueryTerm> = terms.list.iter().collect();
        let top_k = self.top_k(&all, &query, TopK::with_threshold(threshold, limit))?;
        Ok(LexicalResult {
            hits: top_k.into_hits(),
            phrase_matches,
            code_share: terms.code_share,
        })
    }

    /// Adds the best passages by these terms to `top_k`.
    fn top_k(
        &self,
        terms: &[&QueryTerm],
        query: &LexicalQuery<'_>,
        mut top_k: TopK,
    ) -> Result<TopK> {
        if terms.is_empty() {
            return Ok(top_k);
        }
        for (number, (segment, ranges)) in self.segments().zip(&query.ranges).enumerate() {
            let scorers = term_scorers(terms, number, segment, query)?;
            let (reader, doc_map) = segment;
            let resolve = |doc| {
                let found = doc_map.resolve(reader, query.readable, doc)?;
                let matches = query
                    .phrase_matches
                    .is_none_or(|matches| matches.contains(&found.0));
                matches.then_some(found)
            };
            max_score::collect(scorers, ranges, resolve, &mut top_k);
        }
        Ok(top_k)
    }

    /// The rarest terms, if few passages contain them but at least `limit` do. The `limit`-th best
    /// score of these terms alone is a lower bound of that of all terms. Without this threshold, the
    /// first passages of the index would all be scored.
    fn rare_terms<'a>(&self, terms: &'a [QueryTerm], limit: usize) -> Vec<&'a QueryTerm> {
        let mut rarest: Vec<(u64, &QueryTerm)> =
            terms.iter().map(|term| (term.doc_freq(), term)).collect();
        rarest.sort_by_key(|(doc_freq, _)| *doc_freq);
        let max = self.passages() / RARE_SHARE;
        let sums = rarest.iter().scan(0, |sum, (doc_freq, _)| {
            *sum += doc_freq;
            Some(*sum)
        });
        let sums: Vec<u64> = sums.take_while(|sum| *sum <= max).collect();
        let enough = sums.last().is_some_and(|sum| *sum >= limit as u64);
        if !enough || sums.len() == rarest.len() {
            return Vec::new();
        }
        let rarest = rarest.into_iter().take(sums.len());
        rarest.map(|(_, term)| term).collect()
    }

    fn norm_tables(&self, settings: &IndexSettings) -> Result<NormTables> {
        let weights = [settings.title_weight, 1.0];
        let mut tables = NormTables::new();
        for (field, weight) in self.fields.normalized().into_iter().zip(weights) {
            let table = norm_table(self.average_length(field)?, weight, settings.b);
            tables.insert(field, Arc::new(table));
        }
        Ok(tables)
    }
}

/// The scorers of the terms in the segment with this number.
fn term_scorers(
    terms: &[&QueryTerm],
    number: usize,
    segment: SegmentView<'_>,
    query: &LexicalQuery<'_>,
) -> Result<Vec<TermScorer>> {
    let mut scorers = Vec::with_capacity(terms.len());
    for query_term in terms {
        let mut fields = Vec::new();
        for FieldTerm { term, infos } in &query_term.fields {
            if let Some(info) = infos.get(number).and_then(Option::as_ref) {
                fields.push(field_postings(term, info, segment, &query.norm_tables)?);
            }
        }
        if !fields.is_empty() {
            let weight = TermWeight {
                weight: query_term.weight,
                k1: query.k1,
            };
            scorers.push(TermScorer::new(fields, weight));
        }
    }
    Ok(scorers)
}

fn field_postings(
    term: &Term,
    info: &TermInfo,
    (reader, doc_map): SegmentView<'_>,
    norm_tables: &NormTables,
) -> Result<FieldPostings> {
    let field = term.field();
    let index = reader.inverted_index(field)?;
    let open_postings = || {
        let postings = index.read_block_postings_from_terminfo(info, IndexRecordOption::WithFreqs);
        postings.map_err(read_error)
    };
    let norms = doc_map.norm_ids(field).zip(norm_tables.get(&field));
    let norms = norms.map(|(ids, table)| FieldNorms {
        ids: Arc::clone(ids),
        table: Arc::clone(table),
    });
    let bounds = doc_map.block_max.get(
        term,
        norms.as_ref().map(|norms| &*norms.ids),
        reader.max_doc(),
        open_postings,
    )?;
    Ok(FieldPostings {
        postings: Postings::new(open_postings()?),
        bounds,
        norms,
    })
}
