//! Answerability: the program decides from features and weights whether to answer or to refuse.
//!
//! The features are the score of the best sentence, how much of the question its passage covers,
//! which names of the question the passage lacks, the cosine of the nearest passage, and how many
//! passages are nearer than that of the best sentence. A wrong passage of the right article scores
//! like the right one, but lacks the name or the year of the question. In unrelated documents the
//! sentence that shares words with the question and the nearest passage are in different places.

use crate::extraction::select::{Selection, SentenceCandidate};
use crate::extraction::table::{label_name_stems, row_at};
use crate::model::hit::RetrievedPassage;
use crate::model::weights::DecisionWeights;
use crate::question::AnalyzedQuestion;
use crate::question::scope::asks_for_everything;
use crate::retrieval::substitutions::Substitutions;
use cloister_inference::EmbedderService;
use cloister_text::Language;
use cloister_text::content::{expands_abbreviation, name_roots};
use cloister_text::fold::words;
use cloister_text::spelling::is_form_of;
use serde::Serialize;
use std::collections::BTreeSet;

/// The features on which a decision is based.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Basis {
    /// The fast features, which left no doubt.
    #[serde(rename = "fast-signs")]
    FastFeatures,
    /// The fast features, because no generator is ready.
    #[serde(rename = "no-model")]
    NoGenerator,
    /// The fast features and the relevance by the cross-encoder.
    #[serde(rename = "cross-encoder")]
    CrossEncoder,
    /// The fast features and the likelihoods of the generator.
    #[serde(rename = "model")]
    Generator,
}

/// A decision with its features. Stored in the audit log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a feature or an outcome that the audit log names"
)]
pub struct Verdict {
    /// Whether to answer.
    pub answer: bool,
    /// Whether the question is refused, but only just.
    pub perhaps: bool,
    /// The weighted sum of the features.
    #[serde(rename = "evidence")]
    pub score: f32,
    /// The threshold of `score`.
    #[serde(rename = "evidence_needed")]
    pub threshold: f32,
    /// The score of the best sentence.
    #[serde(rename = "sentence")]
    pub sentence_score: f32,
    /// How much of the question the passage covers; see [`Coverage::covered`].
    #[serde(rename = "covered")]
    pub coverage: f32,
    /// The share of the named entities of the question that the passage lacks.
    #[serde(rename = "missing")]
    pub unmatched_entities: f32,
    /// Whether the passage lacks a rare word or a day of the week of the question.
    pub missing_subject: bool,
    /// Whether the sentence is about a sibling of what the question asks about.
    pub names_sibling: bool,
    /// How many retrieved passages have a higher cosine to the question than this passage.
    #[serde(rename = "outranked")]
    pub dense_rank: usize,
    /// The highest cosine of a passage to the question.
    #[serde(rename = "passage")]
    pub passage_similarity: f32,
    /// The threshold of `passage_similarity`.
    #[serde(rename = "passage_needed")]
    pub min_passage_similarity: f32,
    /// The score of the best sentence minus that of the second.
    #[serde(rename = "clear")]
    pub margin: f32,
    /// The features on which the decision is based.
    pub basis: Basis,
}

impl Verdict {
    /// Whether the margin is large enough for a small generator to write.
    pub fn has_clear_margin(&self, weights: &DecisionWeights) -> bool {
        self.margin >= weights.min_margin
    }

    /// Whether the fast features leave a doubt that justifies asking the generator.
    pub fn is_in_doubt(&self, weights: &DecisionWeights) -> bool {
        (weights.refuse_below..weights.answer_above).contains(&self.score)
    }
}

/// Decides whether the selected sentences answer the question.
pub fn assess(
    question: &AnalyzedQuestion,
    selection: &Selection<'_>,
    passages: &[RetrievedPassage],
    subjects: &BTreeSet<String>,
    weights: &DecisionWeights,
    basis: Basis,
) -> Verdict {
    let best = selection.candidates.first();
    let sentence_score = best.map_or(0.0, |best| best.score);
    let second_score = selection.candidates.get(1).map_or(0.0, |next| next.score);
    let coverage = best.map_or(Coverage::NONE, |best| {
        Coverage::measure(question, best, &selection.words.substitutions)
    });
    let missing_subject = best.is_some_and(|best| {
        lacks_subject(
            best.hit,
            subjects,
            &selection.words.substitutions,
            question.language,
        )
    });
    let names_sibling =
        best.is_some_and(|best| names_sibling(question, best, &selection.words.substitutions));
    // A row of a table is about another thing if no document has a word of the question. A sentence
    // may say the same in other words, unless the word is certainly a noun.
    let is_row = best.is_some_and(|best| row_at(&best.hit.passage.draft, best.range).is_some());
    let is_about_other_thing =
        !selection.words.unknown.is_empty() && (is_row || question.language.capitalises_nouns());
    let dense_rank = best.map_or(0, |best| dense_rank(best.hit, passages));
    let passage_similarity = passages
        .iter()
        .filter_map(|hit| hit.dense)
        .fold(0.0, f32::max);
    let score = sentence_score + weights.coverage * coverage.covered
        - weights.unmatched_entities * coverage.unmatched_entities
        + weights.passage_similarity * passage_similarity
        - weights.dense_rank * (dense_rank as f32).ln_1p()
        - weights.missing_subject * f32::from(u8::from(missing_subject))
        - weights.sibling * f32::from(u8::from(names_sibling));
    let threshold = match basis {
        Basis::FastFeatures => weights.answer_above,
        Basis::NoGenerator => weights.threshold_without_model,
        Basis::CrossEncoder => weights.threshold_with_cross_encoder,
        Basis::Generator => weights.threshold_with_model,
    };
    let is_near = best.is_some() && passage_similarity >= weights.min_passage_similarity;
    let answer = is_near && score >= threshold && !missing_subject && !is_about_other_thing;
    Verdict {
        answer,
        perhaps: is_near && !answer && score >= threshold - weights.perhaps_margin,
        names_sibling,
        score,
        threshold,
        sentence_score,
        coverage: coverage.covered,
        unmatched_entities: coverage.unmatched_entities,
        missing_subject,
        dense_rank,
        passage_similarity,
        min_passage_similarity: weights.min_passage_similarity,
        margin: sentence_score - second_score,
        basis,
    }
}

/// How many of `passages` have a higher cosine to the question than `hit`.
pub fn dense_rank(hit: &RetrievedPassage, passages: &[RetrievedPassage]) -> usize {
    let similarity = hit.dense.unwrap_or(0.0);
    passages
        .iter()
        .filter(|other| other.dense.unwrap_or(0.0) > similarity)
        .count()
}

/// How far a passage covers the words and names of a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// The share of the question's stems that are in the passage, its title or its headings, times
    /// ln(1 + number of stems): half of a long question is covered by chance less often than half
    /// of a short one.
    pub covered: f32,
    /// The share of the question's named entities that are not there.
    pub unmatched_entities: f32,
}

impl Coverage {
    const NONE: Self = Self {
        covered: 0.0,
        unmatched_entities: 1.0,
    };

    /// Measures how far the passage of a sentence covers `question` after `substitutions`.
    pub fn measure(
        question: &AnalyzedQuestion,
        sentence: &SentenceCandidate<'_>,
        substitutions: &Substitutions,
    ) -> Self {
        let hit = sentence.hit;
        let language = question.language;
        let passage_stems = hit.stems(language);
        // A file or a folder has the name of what its documents are about.
        let path_stems = language.content_stems(&hit.source.path);
        let passage_roots: BTreeSet<&str> = passage_stems
            .iter()
            .chain(&path_stems)
            .flat_map(|stem| name_roots(stem))
            .collect();
        let stems = substitutions.apply(&question.stems);
        let covered = share(&stems, |stem| passage_stems.contains(stem));
        let mut entities = substitutions.apply(&question.entities);
        if sentence.range_match > 0.0 {
            // *Ten* is not in the row for 7 to 14 years, and is covered by it.
            entities.retain(|entity| !entity.chars().any(|c| c.is_ascii_digit()));
        }
        let unmatched_entities = share(&entities, |entity| {
            !name_roots(entity).any(|root| passage_roots.contains(root))
                && !is_expanded_in(hit, entity, question)
        });
        Self {
            covered: covered * (stems.len() as f32).ln_1p(),
            unmatched_entities,
        }
    }
}

/// The days of the week.
const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
/// A word that the embedder's tokenizer divides into so many parts is rare: the name of a drug, a
/// product, a place.
const MIN_TOKENS_OF_RARE_WORD: usize = 3;

/// The stems of what a question is about and another thing cannot stand in for: rare words and days
/// of the week. Only for English questions: the tokenizer may divide every word of another language.
pub fn subject_terms(question: &AnalyzedQuestion, embedder: &EmbedderService) -> BTreeSet<String> {
    if question.language != Language::ENGLISH {
        return BTreeSet::new();
    }
    // The special tokens that the model adds to every text do not count.
    let min_tokens = embedder.count_tokens("") + MIN_TOKENS_OF_RARE_WORD;
    let is_subject = |word: &String| {
        // `unspent` qualifies something and names nothing.
        let is_rare = word.chars().all(char::is_alphabetic)
            && !word.starts_with("un")
            && !asks_for_everything(word)
            && embedder.count_tokens(word) >= min_tokens;
        is_rare || WEEKDAYS.contains(&word.trim_end_matches('s'))
    };
    words(&question.text)
        .filter(is_subject)
        .map(|word| Language::ENGLISH.content_stem(&word))
        .collect()
}

/// Whether a passage, its title, its headings and its path lack one of the subjects.
fn lacks_subject(
    hit: &RetrievedPassage,
    subjects: &BTreeSet<String>,
    substitutions: &Substitutions,
    language: Language,
) -> bool {
    let mut stems = hit.stems(language);
    stems.extend(language.content_stems(&hit.source.path));
    let roots: BTreeSet<&str> = stems.iter().flat_map(|stem| name_roots(stem)).collect();
    subjects.iter().any(|subject| {
        let subject = substitutions.equivalent(subject).unwrap_or(subject);
        let is_named = name_roots(subject).any(|root| roots.contains(root));
        let is_implied = days_group(subject).is_some_and(|group| stems.contains(group));
        !is_named && !is_implied && !stems.iter().any(|stem| is_form_of(subject, stem))
    })
}

/// The stem of the group that a day belongs to: a price for weekends is one for Saturdays.
fn days_group(day: &str) -> Option<&'static str> {
    match WEEKDAYS
        .iter()
        .position(|name| Language::ENGLISH.content_stem(name) == day)?
    {
        0..=4 => Some("weekday"),
        _ => Some("weekend"),
    }
}

/// Whether the sentence speaks of a sibling of what the question asks about: it has a word of the
/// question after another word than in the question, or is a row of a table of such things.
/// `Hip replacement` is no answer about a shoulder replacement. Numbers are compared elsewhere.
fn names_sibling(
    question: &AnalyzedQuestion,
    sentence: &SentenceCandidate<'_>,
    substitutions: &Substitutions,
) -> bool {
    let asked = substitutions.apply(&question.stems);
    let language = question.language;
    let here = sentence.hit.stems(language);
    let pairs = language.content_pairs(sentence.text);
    let draft = &sentence.hit.passage.draft;
    let table_of = row_at(draft, sentence.range).map(|row| label_name_stems(draft, row, language));
    let is_listed = |head: &String| table_of.as_ref().is_some_and(|kind| kind.contains(head));
    language
        .content_pairs(&question.text)
        .iter()
        .any(|(modifier, head)| {
            !here.contains(substitutions.substitute(modifier).unwrap_or(modifier))
                && !language.names_number(modifier)
                && !language.names_number(head)
                && (is_listed(head)
                    || pairs.iter().any(|(other, same)| {
                        same == head && !asked.contains(other) && !language.names_number(other)
                    }))
        })
}

/// Whether an entity is an abbreviation in the question, and the passage has its expanded form.
fn is_expanded_in(hit: &RetrievedPassage, entity: &str, question: &AnalyzedQuestion) -> bool {
    let abbreviation = entity.to_uppercase();
    if !question.text.contains(&abbreviation) {
        return false;
    }
    let draft = &hit.passage.draft;
    [&hit.source.title, &draft.text]
        .into_iter()
        .chain(&draft.headings)
        .any(|text| expands_abbreviation(text, &abbreviation))
}

/// The share of `words` for which `holds` is true. 0 if there are no words.
fn share(words: &BTreeSet<String>, holds: impl Fn(&String) -> bool) -> f32 {
    let count = words.iter().filter(|word| holds(word)).count();
    count as f32 / words.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::weights::AnswerWeights;
    use crate::test_support::retrieved;
    use cloister_domain::ByteRange;
    use cloister_inference::{Embedder, ModelIdentity, QueueLimits};
    use std::sync::Arc;

    fn with_cosine(text: &str, dense: f32) -> RetrievedPassage {
        RetrievedPassage {
            dense: Some(dense),
            ..retrieved(1, 1, text)
        }
    }

    fn assess_first(question: &str, score: f32, passages: &[RetrievedPassage]) -> Verdict {
        let candidates = passages.first().map(|hit| SentenceCandidate {
            answer_type: 0.5,
            score,
            ..SentenceCandidate::new(hit, ByteRange::new(0, 1), "V")
        });
        let selection = Selection {
            candidates: candidates.into_iter().collect(),
            ..Selection::default()
        };
        let question = AnalyzedQuestion::new(question, Vec::new());
        let weights = AnswerWeights::compiled_in().unwrap().decision;
        assess(
            &question,
            &selection,
            passages,
            &BTreeSet::new(),
            &weights,
            Basis::NoGenerator,
        )
    }

    #[test]
    fn an_answer_needs_a_sentence_a_passage_and_the_names_of_the_question() {
        let text = "Visitors are welcome between 14:00 and 18:00.";
        let question = "When are visitors welcome in St Anne?";
        let check = |question: &str, score: f32, dense: f32, expected: bool| {
            let verdict = assess_first(question, score, &[with_cosine(text, dense)]);
            assert_eq!(verdict.answer, expected, "{question}: {verdict:?}");
        };
        check(question, 0.7, 0.7, true);
        check(question, 0.2, 0.7, false);
        check(question, 0.7, 0.05, false);
        check(
            "When are guests welcome in St Mary of 1874?",
            0.5,
            0.5,
            false,
        );
        assert!(!assess_first(question, 0.7, &[]).answer);
    }

    /// Counts a token for every three letters, and two special tokens.
    struct ThreeLetters;

    impl Embedder for ThreeLetters {
        fn identity(&self) -> ModelIdentity {
            ModelIdentity {
                name: "three letters".into(),
                sha256: "3".repeat(64),
                tokenizer: None,
            }
        }

        fn dimensions(&self) -> usize {
            1
        }

        fn max_tokens(&self) -> usize {
            64
        }

        fn count_tokens(&self, text: &str) -> usize {
            2 + text.chars().count().div_ceil(3)
        }

        fn embed(&self, texts: &[&str]) -> cloister_inference::Result<Vec<Vec<f32>>> {
            Ok(texts.iter().map(|_| vec![1.0]).collect())
        }
    }

    #[test]
    fn a_passage_without_the_subject_of_the_question_scores_less() {
        let embedder =
            EmbedderService::start(Arc::new(ThreeLetters), QueueLimits::default()).unwrap();
        let question = AnalyzedQuestion::new("May I pay for linezolid on Monday?", Vec::new());
        let subjects = subject_terms(&question, &embedder);
        let expected: BTreeSet<String> = [
            Language::ENGLISH.content_stem("linezolid"),
            Language::ENGLISH.content_stem("monday"),
        ]
        .into();
        assert_eq!(subjects, expected);
        let lacks = |text: &str| {
            let hit = retrieved(1, 1, text);
            lacks_subject(
                &hit,
                &subjects,
                &Substitutions::default(),
                Language::ENGLISH,
            )
        };
        assert!(!lacks("Linezolid is paid for on Mondays."));
        assert!(lacks("Linezolid is paid for on Tuesdays."));
        assert!(lacks("Doxycycline is paid for on Mondays."));
        assert!(!lacks("Linezolid is paid for on weekdays."));
    }

    #[test]
    fn a_sibling_of_what_is_asked_about_is_no_answer() {
        let about = |question: &str, text: &str| {
            let hit = retrieved(1, 1, text);
            let sentence = SentenceCandidate::new(&hit, ByteRange::new(0, text.len()), text);
            let question = AnalyzedQuestion::new(question, Vec::new());
            names_sibling(&question, &sentence, &Substitutions::default())
        };
        let hip = "Hip replacement | 10,900 | 3";
        assert!(about("What does a shoulder replacement cost?", hip));
        assert!(!about("What does a hip replacement cost?", hip));
        assert!(!about("What does a replacement cost?", hip));
        assert!(!about("May two nurses visit?", "Five nurses visit."));
        assert!(!about(
            "What is due, five days before?",
            "Due: three to five days"
        ));
    }

    #[test]
    fn nearer_passages_lower_the_score() {
        let text = "Visitors are welcome between 14:00 and 18:00.";
        let among = |others: &[f32]| {
            let mut passages = vec![with_cosine(text, 0.5)];
            passages.extend(others.iter().map(|cosine| with_cosine("Another.", *cosine)));
            assess_first("When are visitors welcome?", 0.6, &passages)
        };
        let (first, behind) = (among(&[0.6, 0.5, 0.4]), among(&[0.6, 0.55, 0.51]));
        assert_eq!((first.dense_rank, behind.dense_rank), (1, 3));
        assert!(first.score > behind.score);
    }
}
