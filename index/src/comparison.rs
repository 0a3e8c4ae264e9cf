//! Whether a new generation finds what the one in use finds, asked by questions that the passages
//! themselves make.
//!
//! A question is some words of a passage, and the passage's vector as the generation in use keeps
//! it, drawn aside by another's; its answer is that passage. It tells whether something was lost or
//! mixed up on the way from the rows to the files. Where another model made the vectors, each index is
//! asked with its own model's vector of the same words ([`between`]). So it is with the questions of a
//! site, whose answers people know: these tell how well people's questions are answered.

use crate::entry::{IndexEntry, SearchRequest};
use crate::error::{IndexError, Result};
use crate::hybrid;
use crate::snapshot::Snapshot;
use crate::vectors;
use cloister_domain::{PassageId, RevisionId};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::fmt;

/// Questions that are asked, at most.
const QUESTIONS: usize = 200;

/// Among so many hits the passage must be.
const HITS: usize = 10;

/// Words of a question, at most.
const WORDS: usize = 20;

/// Of so many words one is left out.
const LEFT_OUT: usize = 3;

/// How much of another passage's vector is mixed into a question's.
const ASIDE: f32 = 0.6;

/// How many standard deviations make a difference that is no chance: one case of twenty.
const SURE: f32 = 1.64;

/// Whether a new generation may go live that finds less than the one in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worse {
    /// It is given up, and the one in use stays.
    Refused,
    /// It goes live all the same.
    Accepted,
}

impl Worse {
    /// From a switch.
    pub fn of(accepted: bool) -> Self {
        if accepted {
            Self::Accepted
        } else {
            Self::Refused
        }
    }
}

/// What two generations found of the same questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The questions: none where the two have no passage in common.
    pub asked: u32,
    /// Those whose passage the generation in use had among its ten best.
    pub before: u32,
    /// The same of the new one.
    pub after: u32,
    /// Those that the one in use found and the new one did not.
    pub lost: u32,
    /// Who asked.
    pub asker: Asker,
}

/// Who asks two generations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asker {
    /// The passages, of themselves.
    #[default]
    Passages,
    /// The site, with questions whose answers it knows.
    Site,
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passages => "that the passages make",
            Self::Site => "of your own",
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            asked,
            before,
            after,
            asker,
            ..
        } = self;
        write!(
            f,
            "of {asked} questions {asker}, the new index finds what answers {after} and the one in use {before}"
        )
    }
}

impl Comparison {
    /// Whether the new one finds less, by more than chance explains (the test of `McNemar`).
    pub fn is_worse(&self) -> bool {
        let won = (self.after + self.lost).saturating_sub(self.before) as f32;
        let lost = self.lost as f32;
        lost - won > SURE * (lost + won).sqrt()
    }

    fn add(&mut self, before: bool, after: bool) {
        self.asked += 1;
        self.before += u32::from(before);
        self.after += u32::from(after);
        self.lost += u32::from(before && !after);
    }
}

/// A question to two indexes, whose vectors may be of two models.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The passages of which each answers it.
    pub passages: Vec<PassageId>,
    /// Its words; for one that a passage makes of itself see [`question_of`].
    pub text: String,
    /// Their vector by the model of the index that is in use.
    pub before: Vec<f32>,
    /// Their vector by the other model.
    pub after: Vec<f32>,
}

/// A site's questions, and among which revisions they are asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteQuestions {
    /// The questions.
    pub questions: Vec<Asked>,
    /// The revisions that answer today.
    pub among: Vec<RevisionId>,
}

impl SiteQuestions {
    /// Asks each index with the vectors of its own model.
    pub(crate) fn compare(&self, before: &Snapshot, after: &Snapshot) -> Result<Comparison> {
        let among = self.among.iter();
        let among = among.filter_map(|revision| u32::try_from(revision.0).ok());
        let comparison = Comparison {
            asker: Asker::Site,
            ..Comparison::default()
        };
        ask(comparison, before, after, &self.questions, &among.collect())
    }
}

/// Passages of which questions are made: the same ones, whatever order they come in.
#[derive(Default)]
pub(crate) struct Sample {
    /// By a number that is as good as random.
    texts: BTreeMap<u64, (i64, String)>,
}

impl Sample {
    /// Keeps a passage, if it is one of those.
    pub(crate) fn offer(&mut self, entry: &IndexEntry) {
        let number = entry.passage.0.cast_unsigned();
        let place = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let last = self.texts.last_key_value();
        if self.texts.len() < QUESTIONS || last.is_some_and(|(last, _)| place < *last) {
            self.texts
                .insert(place, (entry.passage.0, question_of(&entry.text)));
            if self.texts.len() > QUESTIONS {
                self.texts.pop_last();
            }
        }
    }

    /// Asks both.
    pub(crate) fn compare(&self, before: &Snapshot, after: &Snapshot) -> Result<Comparison> {
        let mut comparison = Comparison::default();
        let shared = shared_revisions(before, after);
        let mut aside: Option<Vec<f32>> = None;
        for (passage, text) in self.texts.values() {
            let Some(own) = vector_of(before, *passage)? else {
                continue;
            };
            let vector = mixed(&own, aside.as_ref().unwrap_or(&own));
            aside = Some(own);
            let answers = [PassageId(*passage)];
            let finds = |snapshot| finds(snapshot, &answers, text, &vector, &shared);
            comparison.add(finds(before)?, finds(after)?);
        }
        Ok(comparison)
    }
}

/// Asks each index what passages make of themselves, with the vectors of its own model.
pub(crate) fn between(
    before: &Snapshot,
    after: &Snapshot,
    questions: &[Asked],
) -> Result<Comparison> {
    let shared = shared_revisions(before, after);
    ask(Comparison::default(), before, after, questions, &shared)
}

fn ask(
    mut comparison: Comparison,
    before: &Snapshot,
    after: &Snapshot,
    questions: &[Asked],
    among: &RoaringBitmap,
) -> Result<Comparison> {
    for question in questions {
        let finds =
            |snapshot, vector| finds(snapshot, &question.passages, &question.text, vector, among);
        comparison.add(
            finds(before, &question.before)?,
            finds(after, &question.after)?,
        );
    }
    Ok(comparison)
}

/// Some words from the middle of a passage, part of them left out.
pub fn question_of(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let from = words.len().saturating_sub(WORDS) / 2;
    let asked = words.iter().enumerate().skip(from).take(WORDS);
    let kept = asked.filter(|(place, _)| place % LEFT_OUT != 0);
    let kept: Vec<&str> = kept.map(|(_, word)| *word).collect();
    kept.join(" ")
}

/// The revisions of which both know passages.
fn shared_revisions(before: &Snapshot, after: &Snapshot) -> RoaringBitmap {
    let of = |snapshot: &Snapshot| -> RoaringBitmap { snapshot.revisions.ids().collect() };
    of(before) & of(after)
}

fn vector_of(snapshot: &Snapshot, passage: i64) -> Result<Option<Vec<f32>>> {
    let Some((segment, row)) = vectors::row_of(&snapshot.segments, passage) else {
        return Ok(None);
    };
    let mut vector = Vec::new();
    match segment.vector(row, &mut vector) {
        Ok(()) => Ok(Some(vector)),
        // A vector that is damaged in the generation in use is no reason to keep that one.
        Err(IndexError::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A vector of length 1 between two.
fn mixed(own: &[f32], other: &[f32]) -> Vec<f32> {
    let mut mixed: Vec<f32> = own.iter().zip(other).map(|(a, b)| a + ASIDE * b).collect();
    let length = vectors::dot(&mixed, &mixed).sqrt();
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
        also: "",
        vector,
        permitted,
        limit: HITS,
        semantic_weight: None,
    };
    let hits = hybrid::search(snapshot, &request, true)?.hits;
    Ok(hits.iter().any(|hit| answers.contains(&hit.passage)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chance_explains_is_not_worse() {
        let check = |(lost, won): (u32, u32), expected: bool| {
            let mut comparison = Comparison::default();
            for _ in 0..100 {
                comparison.add(true, true);
            }
            for _ in 0..lost {
                comparison.add(true, false);
            }
            for _ in 0..won {
                comparison.add(false, true);
            }
            assert_eq!(comparison.is_worse(), expected, "{comparison:?}");
        };
        check((0, 0), false);
        check((0, 9), false);
        check((2, 0), false);
        check((3, 0), true);
        check((10, 9), false);
        check((20, 8), true);
    }

    #[test]
    fn a_question_is_made_of_words_from_the_middle() {
        let text: Vec<String> = (0..60).map(|word| word.to_string()).collect();
        let question = question_of(&text.join(" "));
        assert!(question.starts_with("20 22 23 25"), "{question}");
        assert_eq!(question.split(' ').count(), 13);
        assert_eq!(question_of(""), "");
    }
}
