//! Counts generated sentences that were shown, withheld and right.

use crate::dataset::Question;
use cloister_answer::evaluation::{Generation, SupportScores};
use serde::Serialize;
use std::collections::BTreeMap;

/// A generated sentence with its judgement.
#[derive(Debug, Serialize)]
pub struct JudgedSentence {
    text: String,
    quote: String,
    /// Whether it contains an answer.
    right: bool,
    /// Why it was withheld.
    withheld: Option<String>,
    scores: SupportScores,
}

/// Counts over all questions.
#[derive(Debug, Default, Serialize)]
pub struct GenerationMetrics {
    /// Questions that were answered.
    answered: usize,
    /// Answered questions with at least one sentence that was shown.
    with_sentence: usize,
    sentences_shown: usize,
    /// Shown sentences that contain an answer.
    right: usize,
    /// Withheld sentences that contain an answer.
    right_withheld: usize,
    /// Withheld sentences by reason.
    withheld: BTreeMap<String, usize>,
}

/// Generates all sentences and judges each with `is_right`.
pub async fn judge_all(
    mut generation: Generation,
    is_right: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<JudgedSentence>> {
    let mut sentences = Vec::new();
    while let Some(checked) = generation.next().await? {
        sentences.push(JudgedSentence {
            right: is_right(&checked.text),
            quote: checked.quote.map(|quote| quote.text).unwrap_or_default(),
            withheld: checked.verdict.err().map(|reason| format!("{reason:?}")),
            text: checked.text,
            scores: checked.scores,
        });
    }
    Ok(sentences)
}

impl GenerationMetrics {
    /// Counts the sentences of one answered question.
    pub fn count(&mut self, sentences: &[JudgedSentence]) {
        let shown_before = self.sentences_shown;
        for sentence in sentences {
            match &sentence.withheld {
                None => {
                    self.sentences_shown += 1;
                    self.right += usize::from(sentence.right);
                }
                Some(reason) => {
                    self.right_withheld += usize::from(sentence.right);
                    *self.withheld.entry(reason.clone()).or_default() += 1;
                }
            }
        }
        self.answered += 1;
        self.with_sentence += usize::from(self.sentences_shown > shown_before);
    }
}

impl std::fmt::Display for GenerationMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} of {} answers have a generated sentence ({:.0} %): {} sentences, {} contain an answer ({:.0} %)",
            self.with_sentence,
            self.answered,
            percent(self.with_sentence, self.answered),
            self.sentences_shown,
            self.right,
            percent(self.right, self.sentences_shown),
        )?;
        let right = self.right + self.right_withheld;
        writeln!(
            f,
            "of {right} sentences that contain an answer, {:.0} % were shown",
            percent(self.right, right)
        )?;
        let reasons: Vec<String> = self
            .withheld
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        write!(f, "withheld: {}", reasons.join(", "))
    }
}

fn percent(part: usize, total: usize) -> f64 {
    100.0 * part as f64 / total.max(1) as f64
}

/// Whether a text contains one of a question's answers, in any case and spacing.
pub fn contains_answer(text: &str, question: &Question) -> bool {
    let text = normalize(text);
    question
        .answers
        .iter()
        .any(|answer| text.contains(&normalize(answer)))
}

fn normalize(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}
