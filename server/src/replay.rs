//! An answer made again, for whoever examines it: at the console and in the browser.

use crate::api::{Problem, ProblemCode};
use crate::app::App;
use cloister_answer::{Entries, Replay};
use cloister_audit::{Entry, EventKind, Filter};
use cloister_domain::Principal;
use serde_json::{Value, json};

/// Entries of one answer: its own, its sentences, its end.
const OF_ONE_ANSWER: usize = 50;

/// Makes the answer of a receipt again, with its asker's rights of today.
pub async fn replay(app: &App, receipt: &str) -> Result<Replay, Problem> {
    let filter = Filter {
        request: Some(receipt.to_owned()),
        ..Filter::default()
    };
    let mut entries = app.audit.find(&filter, OF_ONE_ANSWER)?.entries;
    entries.reverse();
    let answered = [EventKind::QuestionAnswered, EventKind::QuestionRefused];
    let answer = entries.iter().find(|entry| answered.contains(&entry.kind));
    let answer = answer.ok_or_else(|| {
        ProblemCode::NotFound.because(format!(
            "The log has no answer with the receipt `{receipt}`"
        ))
    })?;
    let no_asker = || {
        let name = &answer.actor.name;
        ProblemCode::Invalid.because(format!(
            "`{name}` is no longer known, so nobody's rights hold"
        ))
    };
    let asker = answer.actor.user.ok_or_else(no_asker)?;
    let asker = app.store.user(asker).await?.ok_or_else(no_asker)?;
    let library = app.library(&Principal::from(asker)).await?;
    let shown = entries
        .iter()
        .filter(|entry| entry.kind == EventKind::SentenceShown);
    let sentences: Vec<Value> = shown.map(|entry| entry.detail.clone()).collect();
    let ends = |entry: &&Entry| entry.kind == EventKind::AnswerEnded;
    let entries = Entries {
        answer: &answer.detail,
        sentences: &sentences,
        end: entries.iter().find(ends).map(|entry| &entry.detail),
    };
    app.generator_settled().await;
    let version = app.policies.version();
    Ok(app.answerer().replay(&library, entries, version).await?)
}

/// What the log keeps of a replay.
pub fn detail(receipt: &str, replay: &Replay) -> Value {
    json!({ "receipt": receipt, "same_answer": replay.same_answer(), "parts": replay.parts })
}
