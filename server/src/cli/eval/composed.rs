//! What the model writes below the quotes, counted.

use super::corpus::Question;
use cloister_answer::verify::Signs;
use cloister_answer::writing::Composition;
use serde::Serialize;
use std::collections::BTreeMap;

/// A sentence that was written.
#[derive(Debug, Serialize)]
pub struct Sentence {
    text: String,
    quote: String,
    right: bool,
    withheld: Option<String>,
    signs: Signs,
}

/// How much was written, shown and right.
#[derive(Debug, Default, Serialize)]
pub struct Composed {
    /// Questions that were answered.
    answered: usize,
    /// Those of them below whose quotes a sentence was shown.
    with_sentence: usize,
    sentences_shown: usize,
    /// Of these, such as hold an answer.
    right: usize,
    /// Sentences that hold an answer and were not shown.
    right_withheld: usize,
    /// Why those that were not shown were not.
    withheld: BTreeMap<String, usize>,
}

/// Has the model write below the quotes.
pub async fn write(
    mut composition: Composition,
    holds: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<Sentence>> {
    let mut sentences = Vec::new();
    while let Some(written) = composition.next().await? {
        sentences.push(Sentence {
            right: holds(&written.text),
            quote: written.quote.map(|quote| quote.text).unwrap_or_default(),
            withheld: written.verdict.err().map(|reason| format!("{reason:?}")),
            text: written.text,
            signs: written.signs,
        });
    }
    Ok(sentences)
}

impl Composed {
    /// Counts the sentences of one question.
    pub fn count(&mut self, sentences: &[Sentence]) {
        self.answered += 1;
        let shown: Vec<&Sentence> = sentences.iter().filter(|s| s.withheld.is_none()).collect();
        self.with_sentence += usize::from(!shown.is_empty());
        self.sentences_shown += shown.len();
        self.right += shown.iter().filter(|sentence| sentence.right).count();
        let hidden = sentences.iter().filter(|s| s.withheld.is_some());
        self.right_withheld += hidden.filter(|sentence| sentence.right).count();
        for reason in sentences.iter().filter_map(|s| s.withheld.clone()) {
            *self.withheld.entry(reason).or_default() += 1;
        }
    }
}

impl std::fmt::Display for Composed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        writeln!(
            f,
            "the model wrote below {} of {} answers ({:.0} %): {} sentences, {} of them hold the answer ({:.0} %)",
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
            "of {right} sentences that hold the answer {:.0} % were shown",
            percent(self.right, right)
        )?;
        let withheld: Vec<String> = self
            .withheld
            .iter()
            .map(|(why, n)| format!("{why} {n}"))
            .collect();
        write!(f, "withheld: {}", withheld.join(", "))
    }
}

/// Whether a text holds one of a question's answers.
pub fn holds(text: &str, question: &Question) -> bool {
    let plain = |text: &str| {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        words.join(" ")
    };
    let text = plain(text);
    question
        .answers
        .iter()
        .any(|answer| text.contains(&plain(answer)))
}
