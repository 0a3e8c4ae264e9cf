//! Decides whether the selected sentences answer a question.

pub mod answerability;

use crate::extraction::quote_spans::{QuoteSpan, select_quotes};
use crate::extraction::select::{self, Scorers, Selection};
use crate::model::error::AnswerError;
use crate::model::hit::RetrievedPassage;
use crate::model::weights::AnswerWeights;
use crate::question::AnalyzedQuestion;
use crate::retrieval::word_matches::WordMatches;
use answerability::{Basis, Verdict, subject_terms};

/// A decision and what it is based on.
#[derive(Clone, Debug)]
pub struct Decision<'p> {
    /// The best sentences.
    pub selection: Selection<'p>,
    /// Whether they answer.
    pub verdict: Verdict,
    /// The spans to quote. Empty if the question is refused.
    pub quotes: Vec<QuoteSpan<'p>>,
}

/// Selects sentences and decides whether they answer. Asks the cross-encoder if there is one, or
/// else the generator, but only if the fast features leave a doubt.
pub async fn decide<'p>(
    question: &AnalyzedQuestion,
    passages: &'p [RetrievedPassage],
    words: WordMatches,
    scorers: &Scorers<'_>,
    weights: &AnswerWeights,
) -> Result<Decision<'p>, AnswerError> {
    let mut selection = select::select(question, passages, words, scorers).await?;
    let is_reranked = select::score_by_relevance(question, &mut selection, scorers).await?;
    let fast_basis = if is_reranked {
        Basis::CrossEncoder
    } else {
        Basis::FastFeatures
    };
    let subjects = subject_terms(question, scorers.embedder);
    let mut verdict = answerability::assess(
        question,
        &selection,
        passages,
        &subjects,
        &weights.decision,
        fast_basis,
    );
    if !is_reranked && verdict.is_in_doubt(&weights.decision) {
        let has_likelihoods =
            select::score_by_likelihood(question, &mut selection, scorers).await?;
        let basis = if has_likelihoods {
            Basis::Generator
        } else {
            Basis::NoGenerator
        };
        verdict = answerability::assess(
            question,
            &selection,
            passages,
            &subjects,
            &weights.decision,
            basis,
        );
    }
    let quotes = if verdict.answer {
        select_quotes(&selection, question, &weights.sentence)
    } else {
        Vec::new()
    };
    Ok(Decision {
        selection,
        verdict,
        quotes,
    })
}
