//! Asking: the answer streams as server-sent events.

use super::conversations::{self, Placed};
use super::problem::{Problem, ProblemCode};
use super::search::{FilterView, PassageView, checked};
use super::session::SignedIn;
use crate::app::{App, AppState};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response};
use cloister_answer::remark::{Choice, Remark, Spelling};
use cloister_answer::{AnswerError, AnswerEvent, Asked, Quote};
use cloister_audit::{Actor, Entry, EventKind, Filter};
use cloister_store::DocumentFilter;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use utoipa::ToSchema;

/// A question.
#[derive(Deserialize, ToSchema)]
pub struct Asking {
    question: String,
    /// Which documents are asked; all of them where it is absent.
    #[serde(default)]
    filter: FilterView,
    /// The conversation that it goes on with, as its first receipt named it.
    #[serde(default)]
    conversation: Option<String>,
    /// Whether it is to be answered as typed, though it follows another question.
    #[serde(default)]
    as_typed: bool,
}

/// A quote, byte for byte from the document.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct QuoteView {
    /// The citation's number, from 1.
    pub number: u32,
    /// The words of the document.
    pub text: String,
    /// Where they stand: pass these on to open the page.
    pub passage: i64,
    /// The first byte in the passage's text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// The revision.
    pub revision: i64,
    /// The page it begins on.
    pub page: u32,
    /// How many pages the document has.
    pub pages: u32,
    /// The document's title.
    pub title: String,
    /// The name of its collection.
    pub collection: String,
    /// The path inside the collection.
    pub path: String,
    /// SHA-256 of the file that the revision was read from.
    pub hash: String,
    /// The headings above it.
    pub headings: Vec<String>,
    /// What it stands under, in the document's words: a point's item, a table's first row.
    pub above: Option<String>,
    /// Since when this revision answers, RFC 3339.
    pub effective_from: String,
    /// Until when it answered, RFC 3339; absent where it answers today.
    pub superseded_at: Option<String>,
    /// Since when the document is in force, where that is said: `2026-03-01`.
    pub effective: Option<String>,
    /// How confidential it is, where that is said.
    pub classification: Option<String>,
    /// Its words that may have been misread from a scanned page.
    pub doubtful: Vec<String>,
}

impl From<&Quote> for QuoteView {
    fn from(quote: &Quote) -> Self {
        Self {
            number: quote.number,
            text: quote.text.clone(),
            passage: quote.passage.0,
            start: quote.range.start,
            end: quote.range.end,
            revision: quote.source.id.0,
            page: quote.page,
            pages: quote.source.pages,
            title: quote.source.title.clone(),
            collection: quote.source.collection_name.clone(),
            path: quote.source.path.clone(),
            hash: quote.source.hash.to_string(),
            headings: quote.headings.clone(),
            above: quote.above.clone(),
            effective_from: quote.source.effective_from.to_string(),
            superseded_at: quote.source.superseded_at.map(|moment| moment.to_string()),
            effective: quote.source.labels.effective.map(|day| day.to_string()),
            classification: quote.source.labels.classification.clone(),
            doubtful: quote.doubtful.clone(),
        }
    }
}

/// One of the things that a question may ask about.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChoiceView {
    /// What it is: a title, and the heading below it.
    pub label: String,
    /// The question that asks about it.
    pub question: String,
}

impl From<Choice> for ChoiceView {
    fn from(Choice { label, question }: Choice) -> Self {
        Self { label, question }
    }
}

/// A word of the question that the quotes write otherwise.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SpellingView {
    /// As it was asked.
    pub asked: String,
    /// As the quotes have it.
    pub quoted: String,
}

impl From<Spelling> for SpellingView {
    fn from(Spelling { asked, quoted }: Spelling) -> Self {
        Self { asked, quoted }
    }
}

/// One step of an answer. The event's name is the variant's.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Step {
    /// What the answer is made of; its id finds it in the audit log.
    Receipt {
        /// The id of this answer.
        id: String,
        /// The conversation: name it with the next question, and that may say “and for them?”.
        conversation: String,
        /// The question as it was understood, where it was rewritten to stand alone.
        understood: Option<String>,
        /// What its terms stand for, which was searched for beside it.
        meanings: Vec<String>,
        /// How many documents were searched.
        documents: u64,
        /// Whether all of them were: not while a damaged index is filled again.
        complete: bool,
        /// The passages that were found, best first.
        passages: Vec<i64>,
        /// The index's generation.
        index_generation: String,
        /// The rules in force.
        policy_version: String,
        /// SHA-256 of the embedder's weights.
        embedder: String,
        /// SHA-256 of the generator's file, where one takes part.
        generator: Option<String>,
        /// SHA-256 of the weights and thresholds by which sentences are chosen.
        evidence: String,
        /// SHA-256 of the glossary, where there is one.
        glossary: Option<String>,
        /// Everything else that the answer depends on, by its name: a value, or a SHA-256.
        settings: BTreeMap<String, String>,
    },
    /// A quote.
    Quote(QuoteView),
    /// The documents do not say.
    Refusal {
        /// Why, for the person.
        reason: String,
        /// The nearest passages.
        nearest: Vec<PassageView>,
        /// What an earlier version of a document said, until it was superseded.
        superseded: Option<QuoteView>,
    },
    /// Quotes of different documents that speak of the same thing say different things.
    Disagreement {
        /// Their numbers.
        quotes: Vec<u32>,
    },
    /// The question does not say which of several things it asks about.
    Ambiguity {
        /// What it may ask about.
        choices: Vec<ChoiceView>,
    },
    /// The quotes write words of the question otherwise.
    OtherSpelling {
        /// Which, and how.
        words: Vec<SpellingView>,
    },
    /// A sentence that the model wrote and the program verified.
    Sentence {
        /// The sentence.
        text: String,
        /// The numbers of the quotes that support it.
        quotes: Vec<u32>,
    },
    /// How many sentences of the model were not shown.
    Withheld {
        /// How many so far.
        count: u32,
    },
    /// The end.
    Done {
        /// What became of the model's part, in a sentence; none where it is shown above.
        note: Option<String>,
        /// From the question to here, in milliseconds.
        took_ms: u64,
    },
    /// It broke off.
    Problem(Problem),
}

impl From<AnswerEvent> for Step {
    fn from(event: AnswerEvent) -> Self {
        match event {
            AnswerEvent::Receipt(receipt) => Self::Receipt {
                id: receipt.id,
                conversation: receipt.conversation,
                understood: receipt.understood,
                meanings: receipt.meanings,
                documents: receipt.documents,
                complete: receipt.complete,
                passages: receipt.passages.iter().map(|passage| passage.0).collect(),
                index_generation: receipt.index_generation,
                policy_version: receipt.policy_version,
                embedder: receipt.made_with.embedder,
                generator: receipt.made_with.generator,
                evidence: receipt.made_with.evidence,
                glossary: receipt.made_with.glossary,
                settings: receipt.made_with.settings,
            },
            AnswerEvent::Quote(quote) => Self::Quote(QuoteView::from(&*quote)),
            AnswerEvent::Refusal {
                reason,
                nearest,
                superseded,
            } => Self::Refusal {
                reason,
                nearest: nearest.iter().map(PassageView::from).collect(),
                superseded: superseded.as_deref().map(QuoteView::from),
            },
            AnswerEvent::Remark(Remark::Disagreement { quotes }) => Self::Disagreement { quotes },
            AnswerEvent::Remark(Remark::Ambiguity { choices }) => Self::Ambiguity {
                choices: choices.into_iter().map(ChoiceView::from).collect(),
            },
            AnswerEvent::Remark(Remark::OtherSpelling { words }) => Self::OtherSpelling {
                words: words.into_iter().map(SpellingView::from).collect(),
            },
            AnswerEvent::Sentence { text, quotes } => Self::Sentence { text, quotes },
            AnswerEvent::Withheld { count } => Self::Withheld { count },
            AnswerEvent::Done { note, took_ms } => Self::Done { note, took_ms },
            AnswerEvent::Failed(cause) => Self::Problem(cause.into()),
        }
    }
}

impl From<AnswerError> for Problem {
    fn from(cause: AnswerError) -> Self {
        match cause {
            AnswerError::Store(cause) => cause.into(),
            AnswerError::Audit(cause) => cause.into(),
            AnswerError::Busy { retry_after_s } => {
                let because = format!("Ask again in {retry_after_s} seconds");
                let problem = ProblemCode::Busy.because(because);
                Self {
                    retry_after_s: Some(retry_after_s),
                    ..problem
                }
            }
            AnswerError::Inference(cause) => ProblemCode::ModelUnavailable.because(cause),
            AnswerError::Index(cause) => Self::internal(cause),
            AnswerError::Broken(cause) => Self::internal(cause),
            AnswerError::Entry(cause) => Self::internal(cause),
        }
    }
}

/// Answers a question, as server-sent events. The audit entry is on the disk before the first of
/// them leaves.
#[utoipa::path(post, path = "/api/v1/answers", tag = "questions", request_body = Asking,
    responses((status = 200, body = Step, content_type = "text/event-stream"),
              (status = 422, body = Problem)))]
pub async fn ask(
    State(app): State<AppState>,
    person: SignedIn,
    Json(asked): Json<Asking>,
) -> Result<Response, Problem> {
    let library = app.library(&person.principal).await?;
    let alone = Placed::alone(checked(&asked.question)?, person.origin.request.clone());
    let placed = match &asked.conversation {
        Some(conversation) => {
            let as_typed = asked.as_typed;
            Placed::following(&app, &person, &library, alone, conversation, as_typed).await?
        }
        None => alone,
    };
    let asked = of_person(&app, &person, placed, asked.filter.checked()?).await?;
    let answer = app.answerer().ask(library, asked.clone()).await?;
    let user = person.principal.user;
    conversations::keep(&app, user, &asked, &answer).await?;
    let events = conversations::keeping_sentences(app, user, asked.request, answer);
    let steps = events.map(|event| {
        let step = Step::from(event);
        let data = serde_json::to_string(&step).unwrap_or_default();
        Ok::<_, Infallible>(Sse::default().data(data))
    });
    Ok(axum::response::Sse::new(steps)
        .keep_alive(KeepAlive::default())
        .into_response())
}

async fn of_person(
    app: &App,
    person: &SignedIn,
    placed: Placed,
    filter: DocumentFilter,
) -> Result<Asked, Problem> {
    Ok(Asked {
        question: placed.question,
        typed: placed.typed,
        earlier: placed.earlier,
        conversation: placed.conversation,
        actor: Actor::from(&person.principal),
        origin: person.origin.address.clone(),
        request: person.origin.request.clone(),
        composed_in: app.composed_collections().await?,
        policy_version: app.policies.version().to_owned(),
        filter,
        roles: person.principal.roles.clone(),
    })
}

/// Longest reason, in bytes.
const LONGEST_REASON: usize = 1000;

/// Whether an answer helped.
#[derive(Deserialize, ToSchema)]
pub struct Feedback {
    helpful: bool,
    /// Why, in the person's words.
    #[serde(default)]
    reason: String,
}

/// Says whether an answer of one's own helped. It is kept in the audit log, with the answer.
#[utoipa::path(post, path = "/api/v1/answers/{receipt}/feedback", tag = "questions",
    params(("receipt" = String, Path)), request_body = Feedback,
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn rate(
    State(app): State<AppState>,
    person: SignedIn,
    Path(receipt): Path<String>,
    Json(said): Json<Feedback>,
) -> Result<StatusCode, Problem> {
    if said.reason.len() > LONGEST_REASON {
        return Err(
            ProblemCode::Invalid.because("The reason is too long: at most 1,000 characters")
        );
    }
    let filter = Filter {
        kinds: vec![EventKind::QuestionAnswered, EventKind::QuestionRefused],
        request: Some(receipt.clone()),
        ..Filter::default()
    };
    let mine = |entry: &Entry| entry.actor.user == Some(person.principal.user);
    if !app.audit.find(&filter, 1)?.entries.iter().any(mine) {
        return Err(ProblemCode::NotFound.into());
    }
    let reason = app.answerer().mask_typed(said.reason.trim());
    let detail = json!({ "receipt": receipt, "helpful": said.helpful, "reason": reason });
    app.audit
        .append(person.event(EventKind::AnswerRated, detail))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
