//! Decides whether the selected sentences answer a question.

pub mod answerability;
pub mod weights;

use crate::extraction::select::{self, QuoteSpan, Scorers, Selection};
use crate::model::error::AnswerError;
use crate::model::hit::RetrievedPassage;
use crate::model::question::AnalyzedQuestion;
use answerability::{Basis, Verdict};
use weights::AnswerWeights;

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

/// Selects sentences and decides whether they answer. Asks the generator only if the fast features
/// leave a doubt.
pub async fn decide<'p>(
    question: &AnalyzedQuestion,
    passages: &'p [RetrievedPassage],
    scorers: &Scorers<'_>,
    weights: &AnswerWeights,
) -> Result<Decision<'p>, AnswerError> {
    let mut selection = select::select(question, passages, scorers).await?;
    let mut verdict = answerability::assess(
        question,
        &selection,
        passages,
        &weights.decision,
        Basis::FastFeatures,
    );
    if verdict.is_in_doubt(&weights.decision) {
        let has_likelihoods =
            select::score_by_likelihood(question, &mut selection, scorers).await?;
        let basis = if has_likelihoods {
            Basis::Generator
        } else {
            Basis::NoGenerator
        };
        verdict = answerability::assess(question, &selection, passages, &weights.decision, basis);
    }
    let quotes = if verdict.answer {
        selection.quotes(weights.sentence.max_score_gap)
    } else {
        Vec::new()
    };
    Ok(Decision {
        selection,
        verdict,
        quotes,
    })
}
