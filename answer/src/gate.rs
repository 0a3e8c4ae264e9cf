//! Answer, or refuse: the program decides, from scores and evidence.

use crate::evidence::AnswerNeeds;
use crate::retrieve::FoundPassage;
use crate::select::Selection;
use serde::Serialize;

/// What was decided, and on what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether to answer.
    pub answer: bool,
    /// The best sentence's weighted score.
    pub sentence: f32,
    /// What it needed to be.
    pub sentence_needed: f32,
    /// The best passage's cosine to the question.
    pub passage: f32,
    /// What it needed to be.
    pub passage_needed: f32,
    /// Whether a model judged the sentences.
    pub judged: bool,
}

/// Decides whether the selected sentences answer the question.
pub fn decide(selection: &Selection, passages: &[FoundPassage], needs: &AnswerNeeds) -> Verdict {
    let sentence = selection.candidates.first().map_or(0.0, |best| best.score);
    let passage = passages
        .iter()
        .filter_map(|found| found.semantic)
        .fold(0.0, f32::max);
    let sentence_needed = if selection.judged {
        needs.sentence_with_model
    } else {
        needs.sentence_without_model
    };
    Verdict {
        answer: sentence >= sentence_needed && passage >= needs.passage,
        sentence,
        sentence_needed,
        passage,
        passage_needed: needs.passage,
        judged: selection.judged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::Candidate;
    use cloister_domain::ByteRange;

    fn selection(score: f32, judged: bool) -> Selection {
        let range = ByteRange::new(0, 1);
        let candidate = Candidate {
            passage: 0,
            range,
            meaning: score,
            words: 0.0,
            likelihood: None,
            score,
        };
        Selection {
            candidates: vec![candidate],
            judged,
        }
    }

    #[test]
    fn nothing_found_is_refused_and_a_weak_passage_too() {
        let needs = AnswerNeeds {
            sentence_with_model: 0.6,
            sentence_without_model: 0.5,
            passage: 0.3,
        };
        assert!(!decide(&Selection::default(), &[], &needs).answer);
        assert!(
            !decide(&selection(0.9, true), &[], &needs).answer,
            "no passage is near"
        );
    }
}
