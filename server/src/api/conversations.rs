//! Conversations: follow-up questions, and what one asked before. Each person has their own.

use super::answers::QuoteView;
use super::problem::{Problem, ProblemCode};
use super::session::SignedIn;
use crate::app::{App, AppState};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cloister_answer::follow_up::{Earlier, standing_alone};
use cloister_answer::{Answer, AnswerEvent, Asked, Quote};
use cloister_audit::EventKind;
use cloister_domain::UserId;
use cloister_store::{Library, Turn, WrittenSentence};
use futures_util::stream::{Stream, unfold};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// The most conversations that a list shows.
const LISTED: u32 = 200;

/// A conversation in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationView {
    /// Its id.
    id: String,
    /// Its first question.
    question: String,
    /// When something was last asked in it, RFC 3339.
    asked_at: String,
    /// How many questions it has.
    turns: u32,
}

/// The conversations of whoever asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationsView {
    /// The latest first.
    conversations: Vec<ConversationView>,
    /// After so many days a question is deleted.
    kept_days: u64,
}

/// A question that was asked before, and its answer as it may be read today.
#[derive(Debug, Serialize, ToSchema)]
pub struct TurnView {
    /// The answer's id.
    receipt: String,
    /// When it was asked, RFC 3339.
    asked_at: String,
    /// The question as typed.
    question: String,
    /// The question as it was understood, where it was rewritten to stand alone.
    understood: Option<String>,
    /// What was quoted and may be read today.
    quotes: Vec<QuoteView>,
    /// How many quotes may no longer be read.
    hidden: usize,
    /// What the model wrote, where all that it cites may be read.
    sentences: Vec<SentenceView>,
}

/// A sentence that the model wrote and the program verified.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentenceView {
    /// The sentence.
    text: String,
    /// The numbers of the quotes that support it.
    quotes: Vec<u32>,
}

/// A conversation, as it may be read today.
#[derive(Debug, Serialize, ToSchema)]
pub struct TurnsView {
    /// The questions, the first first.
    turns: Vec<TurnView>,
}

/// The conversations of whoever asks, and nobody else's.
#[utoipa::path(get, path = "/api/v1/conversations", tag = "questions",
    responses((status = 200, body = ConversationsView)))]
pub async fn list(
    State(app): State<AppState>,
    person: SignedIn,
) -> Result<Json<ConversationsView>, Problem> {
    let known = app.store.conversations(person.principal.user, LISTED);
    let conversations = known.await?.into_iter().map(|known| ConversationView {
        id: known.id,
        question: known.question,
        asked_at: known.asked_at.to_string(),
        turns: known.turns,
    });
    Ok(Json(ConversationsView {
        conversations: conversations.collect(),
        kept_days: app.config.history.days,
    }))
}

/// A conversation of one's own. Its quotes are read again with the rights of today, and that they
/// were shown again is logged first.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", tag = "questions",
    params(("id" = String, Path)),
    responses((status = 200, body = TurnsView), (status = 404, body = Problem)))]
pub async fn open(
    State(app): State<AppState>,
    person: SignedIn,
    Path(id): Path<String>,
) -> Result<Json<TurnsView>, Problem> {
    let turns = app.store.turns(person.principal.user, &id).await?;
    if turns.is_empty() {
        return Err(ProblemCode::NotFound.into());
    }
    let library = app.library(&person.principal).await?;
    let mut views = Vec::new();
    for turn in turns {
        let roles = &person.principal.roles;
        let answerer = app.answerer();
        let quotes = answerer.quoted_again(&library, &turn.quotes, roles);
        let quotes = quotes.await?;
        let masked = |text: &str, quote: &Quote| {
            answerer.mask_read(text, &quote.source.collection_name, roles)
        };
        views.push(TurnView::of(turn, &quotes, masked));
    }
    let quoted = views.iter().flat_map(|turn| &turn.quotes);
    let quoted: Vec<_> = quoted
        .map(|q| json!({ "passage": q.passage, "page": q.page }))
        .collect();
    let detail = json!({ "conversation": id, "quoted": quoted });
    app.audit
        .append(person.event(EventKind::ConversationOpened, detail))
        .await?;
    Ok(Json(TurnsView { turns: views }))
}

/// Deletes a conversation of one's own. The audit log keeps what it has.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}", tag = "questions",
    params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn forget(
    State(app): State<AppState>,
    person: SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let deleted = app.store.delete_conversation(person.principal.user, &id);
    if !deleted.await? {
        return Err(ProblemCode::NotFound.into());
    }
    let detail = json!({ "conversation": id });
    app.audit
        .append(person.event(EventKind::ConversationDeleted, detail))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

impl TurnView {
    /// What of a turn may still be read; `masked` is a text as it may be read beside a quote.
    fn of(turn: Turn, readable: &[Quote], masked: impl Fn(&str, &Quote) -> String) -> Self {
        let cited = |number: &u32| readable.iter().find(|quote| quote.number == *number);
        let sentences = turn.sentences.into_iter().filter_map(|sentence| {
            let quotes: Option<Vec<&Quote>> = sentence.quotes.iter().map(cited).collect();
            let text = quotes?
                .into_iter()
                .fold(sentence.text, |text, quote| masked(&text, quote));
            let quotes = sentence.quotes;
            Some(SentenceView { text, quotes })
        });
        Self {
            receipt: turn.receipt,
            asked_at: turn.asked_at.to_string(),
            question: turn.question,
            understood: turn.understood,
            hidden: turn.quotes.len() - readable.len(),
            quotes: readable.iter().map(QuoteView::from).collect(),
            sentences: sentences.collect(),
        }
    }
}

/// A question in its conversation.
pub struct Placed {
    /// The conversation.
    pub conversation: String,
    /// The question, standing alone.
    pub question: String,
    /// The question as typed, where it was rewritten.
    pub typed: Option<String>,
    /// The questions before it, oldest first, standing alone.
    pub earlier: Vec<String>,
}

impl Placed {
    /// A question that begins a conversation.
    pub fn alone(question: String, conversation: String) -> Self {
        Self {
            conversation,
            question,
            typed: None,
            earlier: Vec::new(),
        }
    }

    /// A question that follows the turns of `conversation`, made to stand alone unless it is to be
    /// taken as typed. Where that is not a conversation of the person's, it begins one.
    pub async fn following(
        app: &App,
        person: &SignedIn,
        library: &Library,
        alone: Self,
        conversation: &str,
        as_typed: bool,
    ) -> Result<Self, Problem> {
        let turns = app.store.turns(person.principal.user, conversation).await?;
        let asked = |turn: &Turn| turn.understood.as_ref().unwrap_or(&turn.question).clone();
        let before: Vec<String> = turns.iter().map(asked).collect();
        let Some(last) = turns.into_iter().last() else {
            return Ok(alone);
        };
        let conversation = last.conversation.clone();
        let rewritten = if as_typed {
            None
        } else {
            standing_alone(&alone.question, &earlier(app, person, library, last).await?)
        };
        Ok(match rewritten {
            Some(question) => Self {
                conversation,
                question,
                typed: Some(alone.question),
                earlier: before,
            },
            None => Self {
                conversation,
                earlier: before,
                ..alone
            },
        })
    }
}

async fn earlier(
    app: &App,
    person: &SignedIn,
    library: &Library,
    last: Turn,
) -> Result<Earlier, Problem> {
    let roles = &person.principal.roles;
    let quotes = app
        .answerer()
        .quoted_again(library, &last.quotes, roles)
        .await?;
    let question = last.understood.unwrap_or(last.question);
    Ok(Earlier::of(&question, &quotes))
}

/// Keeps a turn, where the settings keep any.
pub async fn keep(app: &App, user: UserId, asked: &Asked, answer: &Answer) -> Result<(), Problem> {
    if app.config.history.days == 0 {
        return Ok(());
    }
    let typed = asked.typed.as_ref();
    let mask = |text: &str| app.answerer().mask_typed(text);
    let turn = Turn {
        receipt: asked.request.clone(),
        conversation: asked.conversation.clone(),
        asked_at: app.clock.now(),
        question: mask(typed.unwrap_or(&asked.question)),
        understood: typed.map(|_| mask(&asked.question)),
        quotes: answer.quoted.clone(),
        sentences: Vec::new(),
    };
    Ok(app.store.keep_turn(user, &turn).await?)
}

/// The steps of an answer, of which the model's sentences, and the quotes that they bring, are kept
/// as they pass.
pub fn keeping_sentences(
    app: AppState,
    user: UserId,
    receipt: String,
    answer: Answer,
) -> impl Stream<Item = AnswerEvent> {
    let state = (answer.events, answer.quoted, Vec::new());
    unfold(state, move |(mut events, mut quotes, mut sentences)| {
        let (app, receipt) = (app.clone(), receipt.clone());
        async move {
            let event = events.recv().await?;
            if let AnswerEvent::Quote(quote) = &event
                && !quotes.contains(&quote.place())
            {
                quotes.push(quote.place());
            }
            if let AnswerEvent::Sentence {
                text,
                quotes: cited,
            } = &event
            {
                sentences.push(WrittenSentence {
                    text: text.clone(),
                    quotes: cited.clone(),
                });
                let kept = app
                    .store
                    .keep_sentences(user, &receipt, &quotes, &sentences);
                if let Err(cause) = kept.await {
                    tracing::warn!(%cause, "a sentence is shown but not kept in the history: {cause}");
                }
            }
            Some((event, (events, quotes, sentences)))
        }
    })
}
