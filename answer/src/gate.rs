//! Answer, or refuse: the program decides, from scores and evidence.
//!
//! Five things speak for an answer: how well the best sentence scores, how much of the question its
//! passage speaks of, that nothing the question names is missing there, how near the nearest passage
//! is, and that it is this one. A passage of the same article scores like the right one; what gives it
//! away is the name or the year that it does not hold. In documents of something else the sentence
//! that shares the question's words stands in one passage, and what is nearest in meaning is another.

use crate::evidence::AnswerNeeds;
use crate::retrieve::FoundPassage;
use crate::select::Selection;
use crate::slips::{Slips, stems};
use crate::words::{content_stems, particulars, roots, writes_out};
use serde::Serialize;
use std::collections::BTreeSet;

/// What a decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The fast signs alone, which left no doubt.
    FastSigns,
    /// The fast signs alone, because there is no model that could be asked.
    NoModel,
    /// The fast signs and the model's judgement.
    Model,
}

/// What was decided, and on what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether to answer.
    pub answer: bool,
    /// All the evidence, weighed.
    pub evidence: f32,
    /// What it needed to be.
    pub evidence_needed: f32,
    /// The best sentence's weighted score.
    pub sentence: f32,
    /// How much of the question its passage speaks of; see [`Spoken::covered`].
    pub covered: f32,
    /// The share of what the question names that they do not hold.
    pub missing: f32,
    /// How many of the passages found are nearer to the question in meaning than its passage.
    pub outranked: usize,
    /// The best passage's cosine to the question.
    pub passage: f32,
    /// What it needed to be.
    pub passage_needed: f32,
    /// How far the best sentence's score stands above the next one's.
    pub clear: f32,
    /// What the decision rests on.
    pub basis: Basis,
}

impl Verdict {
    /// Whether the best sentence stands clear of the next.
    pub fn stands_clear(&self, needs: &AnswerNeeds) -> bool {
        self.clear >= needs.clear
    }

    /// Whether the fast signs leave it in doubt, so that a model is worth its time.
    pub fn in_doubt(&self, needs: &AnswerNeeds) -> bool {
        (needs.surely_not..needs.surely).contains(&self.evidence)
    }
}

/// Decides whether the selected sentences answer the question.
pub fn decide(
    question: &str,
    selection: &Selection,
    passages: &[FoundPassage],
    needs: &AnswerNeeds,
    basis: Basis,
) -> Verdict {
    let best = selection.candidates.first();
    let sentence = best.map_or(0.0, |best| best.score);
    let source = best.and_then(|best| passages.get(best.passage));
    let spoken = source.map_or(Spoken::NOTHING, |source| {
        Spoken::of(question, source, &selection.slips)
    });
    let passage = passages
        .iter()
        .filter_map(|found| found.semantic)
        .fold(0.0, f32::max);
    let outranked = source.map_or(0, |source| outranked(source, passages));
    let evidence = sentence + needs.covered * spoken.covered - needs.missing * spoken.missing
        + needs.found * passage
        - needs.outranked * (outranked as f32).ln_1p();
    let evidence_needed = match basis {
        Basis::FastSigns => needs.surely,
        Basis::NoModel => needs.evidence_without_model,
        Basis::Model => needs.evidence_with_model,
    };
    Verdict {
        answer: best.is_some() && evidence >= evidence_needed && passage >= needs.passage,
        evidence,
        evidence_needed,
        sentence,
        covered: spoken.covered,
        missing: spoken.missing,
        outranked,
        passage,
        passage_needed: needs.passage,
        clear: sentence - selection.candidates.get(1).map_or(0.0, |next| next.score),
        basis,
    }
}

/// How many of the `passages` are nearer to their question in meaning than this one.
pub fn outranked(passage: &FoundPassage, passages: &[FoundPassage]) -> usize {
    let nearness = |found: &FoundPassage| found.semantic.unwrap_or(0.0);
    let own = nearness(passage);
    passages
        .iter()
        .filter(|other| nearness(other) > own)
        .count()
}

/// How far a passage speaks of what a question speaks of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spoken {
    /// The share of the question's words that the passage, its title and its headings hold, times
    /// the logarithm of how many they are and one: half of a long question is held by chance less
    /// often than half of a short one.
    pub covered: f32,
    /// The share of what the question names that they do not hold.
    pub missing: f32,
}

impl Spoken {
    const NOTHING: Self = Self {
        covered: 0.0,
        missing: 1.0,
    };

    /// How far `found` speaks of what `question` does, in which there may be `slips`.
    pub fn of(question: &str, found: &FoundPassage, slips: &Slips) -> Self {
        let draft = &found.passage.draft;
        let texts: Vec<&String> = [&found.source.title, &draft.text]
            .into_iter()
            .chain(&draft.headings)
            .collect();
        let spoken_of = stems(found);
        let roots_there: BTreeSet<&str> = spoken_of.iter().flat_map(|word| roots(word)).collect();
        let named = |name: &String| {
            let abbreviation = name.to_uppercase();
            roots(name).any(|root| roots_there.contains(root))
                || question.contains(&abbreviation)
                    && texts.iter().any(|text| writes_out(text, &abbreviation))
        };
        let asked = slips.mended(content_stems(question));
        Self {
            covered: share(&asked, |word| spoken_of.contains(word)) * (asked.len() as f32).ln_1p(),
            missing: share(&slips.mended(particulars(question)), |name| !named(name)),
        }
    }
}

/// The share of `words` for which `holds` does; none of no words.
fn share(words: &BTreeSet<String>, holds: impl Fn(&String) -> bool) -> f32 {
    let held = words.iter().filter(|word| holds(word)).count();
    held as f32 / words.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;
    use crate::retrieve::sample;
    use crate::select::Candidate;
    use cloister_domain::ByteRange;

    fn found(text: &str, semantic: f32) -> FoundPassage {
        FoundPassage {
            semantic: Some(semantic),
            ..sample(1, 1, text)
        }
    }

    fn selection(score: f32) -> Selection {
        let candidate = Candidate {
            passage: 0,
            range: ByteRange::new(0, 1),
            meaning: score,
            words: 0.0,
            kind: 0.5,
            likelihood: None,
            score,
        };
        Selection {
            candidates: vec![candidate],
            ..Selection::default()
        }
    }

    #[test]
    fn an_answer_needs_a_sentence_a_passage_and_what_the_question_names() {
        let needs = Evidence::calibrated().unwrap().answer;
        let text = "Visitors are welcome between 14:00 and 18:00.";
        let question = "When are visitors welcome in St Anne?";
        let check = |question: &str, score: f32, semantic: f32, expected: bool| {
            let verdict = decide(
                question,
                &selection(score),
                &[found(text, semantic)],
                &needs,
                Basis::NoModel,
            );
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
        let nothing = Selection::default();
        assert!(!decide(question, &nothing, &[], &needs, Basis::NoModel).answer);
    }

    #[test]
    fn what_other_passages_are_nearer_to_is_answered_less_readily() {
        let needs = Evidence::calibrated().unwrap().answer;
        let text = "Visitors are welcome between 14:00 and 18:00.";
        let among = |others: &[f32]| {
            let mut passages = vec![found(text, 0.5)];
            passages.extend(others.iter().map(|cosine| found("Another.", *cosine)));
            let question = "When are visitors welcome?";
            decide(question, &selection(0.6), &passages, &needs, Basis::NoModel)
        };
        let (first, behind) = (among(&[0.6, 0.5, 0.4]), among(&[0.6, 0.55, 0.51]));
        assert_eq!((first.outranked, behind.outranked), (1, 3));
        assert!(first.evidence > behind.evidence);
    }
}
