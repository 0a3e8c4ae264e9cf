//! Questions of a site whose answers it knows. By them two generations of an index are compared, and
//! one that answers fewer does not go live.

use crate::pipeline::IngestError;
use cloister_domain::{Day, PassageId};
use cloister_index::{Asked, SiteQuestions};
use cloister_inference::EmbedderService;
use cloister_store::Store;
use serde::Deserialize;

/// A question, and where it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct KnownQuestion {
    /// The question.
    pub question: String,
    /// The document: its collection and its path in it, with a slash between.
    pub document: String,
    /// Texts of which each answers. Without any, every passage of the document does.
    #[serde(default)]
    pub answers: Vec<String>,
}

impl KnownQuestion {
    /// Reads a question a line, each in JSON. Empty lines are passed over.
    pub fn parse(text: &str) -> Result<Vec<Self>, serde_json::Error> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(serde_json::from_str).collect()
    }

    /// Which of a document's passages answer: those that hold an answer; where none does, because it
    /// is cut in two or written otherwise, all of them.
    fn answering(&self, passages: Vec<(PassageId, String)>) -> Vec<PassageId> {
        let answers: Vec<String> = self.answers.iter().map(|answer| plain(answer)).collect();
        let holds = |text: &str| answers.iter().any(|answer| plain(text).contains(answer));
        let held = passages.iter().filter(|(_, text)| holds(text));
        let held: Vec<PassageId> = held.map(|(id, _)| *id).collect();
        if held.is_empty() {
            return passages.into_iter().map(|(id, _)| id).collect();
        }
        held
    }
}

/// A text in small letters, with one space where white space is.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// The questions with the passages that answer them on `day` and with their vectors by two models, to
/// be put to the index of each. A question about a document that is not there is left out, and said.
pub async fn known_questions(
    store: &Store,
    known: &[KnownQuestion],
    day: Day,
    before: &EmbedderService,
    after: &EmbedderService,
) -> Result<SiteQuestions, IngestError> {
    if known.is_empty() {
        return Ok(SiteQuestions::default());
    }
    let mut questions = Vec::new();
    for known in known {
        let passages = store.passages_of(&known.document, day).await?;
        if passages.is_empty() {
            let (document, question) = (&known.document, &known.question);
            tracing::warn!("`{document}` is not there, so this is not asked: {question}");
            continue;
        }
        questions.push(Asked {
            passages: known.answering(passages),
            before: before.embed_question(known.question.clone()).await?,
            after: after.embed_question(known.question.clone()).await?,
            text: known.question.clone(),
        });
    }
    let among = store.revisions_on(day).await?;
    Ok(SiteQuestions { questions, among })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_that_hold_an_answer_answer_and_else_all_do() {
        let check = |answers: &[&str], expected: &[i64]| {
            let known = KnownQuestion {
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
            assert_eq!(known.answering(passages.into()), expected, "{answers:?}");
        };
        check(&["72 Hours"], &[1, 3]);
        check(&["never", "ten days"], &[2]);
        check(&["ten days"], &[1, 2, 3]);
        check(&[], &[1, 2, 3]);
    }

    #[test]
    fn a_line_that_is_no_question_is_an_error() {
        let line =
            r#"{"question":"How long?","document":"ward/a.md","answers":["72 h"],"_id":"x"}"#;
        assert_eq!(
            KnownQuestion::parse(&format!("{line}\n\n{line}\n"))
                .unwrap()
                .len(),
            2
        );
        assert!(KnownQuestion::parse("{\"question\":\"How long?\"}").is_err());
    }
}
