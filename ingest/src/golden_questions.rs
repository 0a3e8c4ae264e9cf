//! Golden questions: questions of a site with known answers. They compare two generations of an
//! index, and a generation that answers fewer of them is not activated.

use crate::error::IngestError;
use cloister_domain::{Day, PassageId};
use cloister_index::{SiteQuestions, TestQuestion};
use cloister_inference::EmbedderService;
use cloister_store::Store;
use serde::Deserialize;

/// A question and where its answer is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct GoldenQuestion {
    /// The question.
    pub question: String,
    /// The document: its collection and its path in it, separated by a slash.
    pub document: String,
    /// Texts that each answer the question. If empty, every passage of the document answers it.
    #[serde(default)]
    pub answers: Vec<String>,
}

impl GoldenQuestion {
    /// Parses JSON Lines: one question per line. Empty lines are skipped.
    pub fn parse(text: &str) -> Result<Vec<Self>, serde_json::Error> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(serde_json::from_str).collect()
    }

    /// Selects the passages that contain an answer. If no passage does, because the answer is split
    /// between two passages or worded differently, all passages are selected.
    fn select_answering(&self, passages: Vec<(PassageId, String)>) -> Vec<PassageId> {
        let answers: Vec<String> = self.answers.iter().map(|a| normalize(a)).collect();
        let mut answering = Vec::new();
        for (id, text) in &passages {
            let text = normalize(text);
            if answers.iter().any(|answer| text.contains(answer)) {
                answering.push(*id);
            }
        }
        if answering.is_empty() {
            return passages.into_iter().map(|(id, _)| id).collect();
        }
        answering
    }
}

/// Lower case, with a single space for each run of white space.
fn normalize(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Embeds the questions with two models, and finds the passages that answer them on `day`. A
/// question about a document that does not exist is left out, with a warning.
pub async fn embed_golden_questions(
    store: &Store,
    golden_questions: &[GoldenQuestion],
    day: Day,
    before: &EmbedderService,
    after: &EmbedderService,
) -> Result<SiteQuestions, IngestError> {
    if golden_questions.is_empty() {
        return Ok(SiteQuestions::default());
    }
    let mut questions = Vec::new();
    for golden in golden_questions {
        let passages = store.document_passages(&golden.document, day).await?;
        if passages.is_empty() {
            let (document, question) = (&golden.document, &golden.question);
            tracing::warn!("`{document}` does not exist, so this question is skipped: {question}");
            continue;
        }
        questions.push(TestQuestion {
            passages: golden.select_answering(passages),
            vector_before: before.embed_question(golden.question.clone()).await?,
            vector_after: after.embed_question(golden.question.clone()).await?,
            text: golden.question.clone(),
        });
    }
    let revisions = store.revisions_in_force_on(day).await?;
    Ok(SiteQuestions {
        questions,
        revisions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_with_an_answer_are_selected_or_else_all_passages() {
        let check = |answers: &[&str], expected: &[i64]| {
            let golden = GoldenQuestion {
                question: "How long?".into(),
                document: "ward/hours.md".into(),
                answers: answers.iter().map(|answer| (*answer).into()).collect(),
            };
            let passages = [
                (1, "Within 72\nhours."),
                (2, "Never."),
                (3, "72 hours or so"),
            ];
            let passages = passages.map(|(id, text)| (PassageId(id), text.to_owned()));
            let expected: Vec<PassageId> = expected.iter().copied().map(PassageId).collect();
            assert_eq!(
                golden.select_answering(passages.into()),
                expected,
                "{answers:?}"
            );
        };
        check(&["72 Hours"], &[1, 3]);
        check(&["never", "ten days"], &[2]);
        check(&["ten days"], &[1, 2, 3]);
        check(&[], &[1, 2, 3]);
    }

    #[test]
    fn an_invalid_line_is_an_error() {
        let line =
            r#"{"question":"How long?","document":"ward/a.md","answers":["72 h"],"_id":"x"}"#;
        assert_eq!(
            GoldenQuestion::parse(&format!("{line}\n\n{line}\n"))
                .unwrap()
                .len(),
            2
        );
        assert!(GoldenQuestion::parse("{\"question\":\"How long?\"}").is_err());
    }
}
