//! The acceptance test of a new generation: it must find what the current one finds.
//!
//! A question consists of some words of a passage, and of the passage's vector in the current generation
//! mixed with another vector. Its answer is that passage. Such questions detect passages that were lost
//! or mixed up during a rebuild. For an index of another model, each index gets its own model's vector of
//! the same words ([`compare_indexes`]). The questions of a site, whose answers people know, also measure
//! the quality of the search.

use crate::comparison::{Comparison, QuestionSource};
use crate::dense;
use crate::error::{IndexError, Result};
use crate::request::{IndexEntry, SearchRequest};
use crate::search;
use crate::snapshot::Snapshot;
use cloister_domain::{PassageId, RevisionId};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// The maximum of questions made of passages.
const MAX_QUESTIONS: usize = 200;

/// A question is answered if its passage is among this many hits.
const HITS: usize = 10;

/// The maximum of words of a passage that a question uses.
const MAX_WORDS: usize = 20;

/// One of this many words is omitted.
const OMITTED: usize = 3;

/// The weight of another passage's vector in a question's.
const NOISE_WEIGHT: f32 = 0.6;

/// Whether a new generation that is worse than the current one replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regression {
    /// It is discarded.
    Refused,
    /// It replaces the current one.
    Accepted,
}

impl Regression {
    /// From a command line switch.
    pub fn accepted_if(accepted: bool) -> Self {
        if accepted {
            Self::Accepted
        } else {
            Self::Refused
        }
    }
}

/// A question to two indexes, whose models can differ.
#[derive(Clone, Debug, PartialEq)]
pub struct TestQuestion {
    /// The passages that answer it.
    pub passages: Vec<PassageId>,
    /// Its words. See [`question_from_passage`].
    pub text: String,
    /// Their vector by the model of the current index.
    pub vector_before: Vec<f32>,
    /// Their vector by the other model.
    pub vector_after: Vec<f32>,
}

/// A site's questions, and the revisions that are searched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteQuestions {
    /// The questions.
    pub questions: Vec<TestQuestion>,
    /// The current revisions.
    pub revisions: Vec<RevisionId>,
}

impl SiteQuestions {
    /// Compares two snapshots, each with the vectors of its own model.
    pub(crate) fn compare(&self, before: &Snapshot, after: &Snapshot) -> Result<Comparison> {
        let revisions = self.revisions.iter();
        let revisions = revisions.filter_map(|revision| u32::try_from(revision.0).ok());
        let comparison = Comparison {
            source: QuestionSource::Site,
            ..Comparison::default()
        };
        ask(
            comparison,
            before,
            after,
            &self.questions,
            &revisions.collect(),
        )
    }
}

/// A sample of passages for questions. It does not depend on the order of the passages.
#[derive(Default)]
pub(crate) struct Sample {
    /// The passage and its question by a hash of its id.
    questions: BTreeMap<u64, (i64, String)>,
}

impl Sample {
    /// Adds a passage if it belongs to the sample.
    pub(crate) fn offer(&mut self, entry: &IndexEntry) {
        let number = entry.passage.0.cast_unsigned();
        let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let last = self.questions.last_key_value();
        if self.questions.len() < MAX_QUESTIONS || last.is_some_and(|(last, _)| hash < *last) {
            let question = question_from_passage(&entry.text);
            self.questions.insert(hash, (entry.passage.0, question));
            if self.questions.len() > MAX_QUESTIONS {
                self.questions.pop_last();
            }
        }
    }

    /// Compares two snapshots with vectors of the same model.
    pub(crate) fn compare(&self, before: &Snapshot, after: &Snapshot) -> Result<Comparison> {
        let mut comparison = Comparison::default();
        let shared = shared_revisions(before, after);
        let mut previous: Option<Vec<f32>> = None;
        for (passage, text) in self.questions.values() {
            let Some(own) = vector_of(before, *passage)? else {
                continue;
            };
            let vector = mix(&own, previous.as_ref().unwrap_or(&own));
            previous = Some(own);
            let answers = [PassageId(*passage)];
            let found_before = finds(before, &answers, text, &vector, &shared)?;
            let found_after = finds(after, &answers, text, &vector, &shared)?;
            comparison.add(found_before, found_after);
        }
        Ok(comparison)
    }
}

/// Compares two indexes by questions made of passages, with the vectors of their own models.
pub(crate) fn compare_indexes(
    before: &Snapshot,
    after: &Snapshot,
    questions: &[TestQuestion],
) -> Result<Comparison> {
    let shared = shared_revisions(before, after);
    ask(Comparison::default(), before, after, questions, &shared)
}

fn ask(
    mut comparison: Comparison,
    before: &Snapshot,
    after: &Snapshot,
    questions: &[TestQuestion],
    revisions: &RoaringBitmap,
) -> Result<Comparison> {
    for question in questions {
        let (passages, text) = (&question.passages, &question.text);
        let found_before = finds(before, passages, text, &question.vector_before, revisions)?;
        let found_after = finds(after, passages, text, &question.vector_after, revisions)?;
        comparison.add(found_before, found_after);
    }
    Ok(comparison)
}

/// Words from the middle of a passage, some of them omitted.
pub fn question_from_passage(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let from = words.len().saturating_sub(MAX_WORDS) / 2;
    let middle = words.iter().enumerate().skip(from).take(MAX_WORDS);
    let remaining = middle.filter(|(index, _)| index % OMITTED != 0);
    let remaining: Vec<&str> = remaining.map(|(_, word)| *word).collect();
    remaining.join(" ")
}

/// The revisions that both contain.
fn shared_revisions(before: &Snapshot, after: &Snapshot) -> RoaringBitmap {
    let [before, after]: [RoaringBitmap; 2] =
        [before, after].map(|snapshot| snapshot.revisions.ids().collect());
    before & after
}

fn vector_of(snapshot: &Snapshot, passage: i64) -> Result<Option<Vec<f32>>> {
    let Some((segment, row)) = dense::find_row(&snapshot.segments, passage) else {
        return Ok(None);
    };
    let mut vector = Vec::new();
    match segment.read_vector(row, &mut vector) {
        Ok(()) => Ok(Some(vector)),
        // A damaged vector in the current generation is no reason to keep it.
        Err(IndexError::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A vector of length 1 between two vectors.
fn mix(own: &[f32], other: &[f32]) -> Vec<f32> {
    let mut mixed: Vec<f32> = own
        .iter()
        .zip(other)
        .map(|(a, b)| a + NOISE_WEIGHT * b)
        .collect();
    let length = dense::dot(&mixed, &mixed).sqrt();
    for x in &mut mixed {
        *x /= length;
    }
    mixed
}

fn finds(
    snapshot: &Snapshot,
    answers: &[PassageId],
    text: &str,
    vector: &[f32],
    permitted: &RoaringBitmap,
) -> Result<bool> {
    let request = SearchRequest {
        text,
        expansion_terms: "",
        vector,
        permitted,
        limit: HITS,
        dense_weight: None,
    };
    let hits = search::search(snapshot, &request, true)?.hits;
    Ok(hits.iter().any(|hit| answers.contains(&hit.passage)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_made_of_words_from_the_middle() {
        let text: Vec<String> = (0..60).map(|word| word.to_string()).collect();
        let question = question_from_passage(&text.join(" "));
        assert!(question.starts_with("20 22 23 25"), "{question}");
        assert_eq!(question.split(' ').count(), 13);
        assert_eq!(question_from_passage(""), "");
    }
}
