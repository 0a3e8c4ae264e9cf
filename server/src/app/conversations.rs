//! Conversations: follow-up questions, and each person's own history.

use super::answers::FollowUp;
use super::error::{ErrorCode, Result};
use super::views::QuoteView;
use super::{App, AppState, Caller};
use cloister_answer::{Answer, AnswerEvent, AnswerRequest, Answerer, PreviousTurn, Quote};
use cloister_audit::EventKind;
use cloister_domain::{Principal, Role, UserId};
use cloister_store::{ConversationTurn, DocumentFilter, GeneratedSentence, Library, QuoteLocation};
use futures_util::stream::{Stream, unfold};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use utoipa::ToSchema;

/// The maximum number of conversations in the list.
const MAX_LISTED: u32 = 200;

/// A conversation in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationView {
    /// The id.
    id: String,
    /// The first question.
    question: String,
    /// The time of the last question, RFC 3339.
    asked_at: String,
    /// The number of questions.
    turns: u32,
}

/// The conversations of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationsView {
    /// The latest first.
    conversations: Vec<ConversationView>,
    /// Days after which a question is deleted.
    retention_days: u64,
}

/// A previous question, and its answer as the person may read it today.
#[derive(Debug, Serialize, ToSchema)]
pub struct TurnView {
    /// The id of the answer.
    receipt: String,
    /// The time of the question, RFC 3339.
    asked_at: String,
    /// The question as typed.
    question: String,
    /// The question after rewriting, if it was rewritten to stand alone.
    rewritten_question: Option<String>,
    /// The quotes that the person may read today.
    quotes: Vec<QuoteView>,
    /// How many quotes the person may no longer read.
    hidden: usize,
    /// The generated sentences whose quotes the person may all read.
    sentences: Vec<SentenceView>,
}

/// A generated sentence that was verified.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentenceView {
    /// The sentence.
    text: String,
    /// The numbers of the quotes that support it.
    quotes: Vec<u32>,
}

/// A conversation as the person may read it today.
#[derive(Debug, Serialize, ToSchema)]
pub struct TurnsView {
    /// The questions, oldest first.
    turns: Vec<TurnView>,
}

impl App {
    /// Lists the person's own conversations.
    pub async fn conversations(&self, person: &Principal) -> Result<ConversationsView> {
        let stored = self.store.conversations(person.user, MAX_LISTED).await?;
        let conversations = stored
            .into_iter()
            .map(|conversation| ConversationView {
                id: conversation.id,
                question: conversation.question,
                asked_at: conversation.asked_at.to_string(),
                turns: conversation.turns,
            })
            .collect();
        Ok(ConversationsView {
            conversations,
            retention_days: self.config.history.retention_days,
        })
    }

    /// Opens a conversation of the person's own. The quotes are read again with the permissions of
    /// today, and logged before they are shown.
    pub async fn open_conversation(
        &self,
        caller: &Caller,
        person: &Principal,
        id: &str,
    ) -> Result<TurnsView> {
        let turns = self.store.turns(person.user, id).await?;
        if turns.is_empty() {
            return Err(ErrorCode::NotFound.into());
        }
        let library = self.library(person).await?;
        let answerer = self.answerer();
        let mut views = Vec::new();
        for turn in turns {
            let quotes = answerer
                .reload_quotes(&library, &turn.quotes, &person.roles)
                .await?;
            views.push(TurnView::new(turn, &quotes, &answerer, &person.roles));
        }
        let quoted: Vec<_> = views
            .iter()
            .flat_map(|turn| &turn.quotes)
            .map(|quote| json!({ "passage": quote.passage, "page": quote.page }))
            .collect();
        let detail = json!({ "conversation": id, "quoted": quoted });
        self.audit
            .append(caller.event(EventKind::ConversationOpened, detail))
            .await?;
        Ok(TurnsView { turns: views })
    }

    /// Fails if the person has no such conversation.
    pub async fn check_conversation(&self, person: &Principal, id: &str) -> Result<()> {
        if self.store.turns(person.user, id).await?.is_empty() {
            let detail = format!(
                "{} has no conversation `{id}`. It may be older than `history.retention_days`. \
                 Ask without `--conversation` to start a new one",
                person.name
            );
            return Err(ErrorCode::NotFound.with_detail(detail));
        }
        Ok(())
    }

    /// Deletes a conversation of the person's own. The audit log keeps its entries.
    pub async fn delete_conversation(
        &self,
        caller: &Caller,
        person: &Principal,
        id: &str,
    ) -> Result<()> {
        if !self.store.delete_conversation(person.user, id).await? {
            return Err(ErrorCode::NotFound.into());
        }
        let detail = json!({ "conversation": id });
        self.audit
            .append(caller.event(EventKind::ConversationDeleted, detail))
            .await?;
        Ok(())
    }
}

impl TurnView {
    /// The part of a turn that the person may read. `readable` are its quotes that are left.
    fn new(
        turn: ConversationTurn,
        readable: &[Quote],
        answerer: &Answerer,
        roles: &[Role],
    ) -> Self {
        let mut sentences = Vec::new();
        for sentence in turn.sentences {
            let supporting: Option<Vec<&Quote>> = sentence
                .quotes
                .iter()
                .map(|number| readable.iter().find(|quote| quote.number == *number))
                .collect();
            let Some(supporting) = supporting else {
                continue;
            };
            let mut text = sentence.text;
            for quote in supporting {
                text = answerer.redact_text(&text, &quote.source.collection_name, roles);
            }
            sentences.push(SentenceView {
                text,
                quotes: sentence.quotes,
            });
        }
        Self {
            receipt: turn.receipt,
            asked_at: turn.asked_at.to_string(),
            question: turn.question,
            rewritten_question: turn.understood,
            hidden: turn.quotes.len() - readable.len(),
            quotes: readable.iter().map(QuoteView::from).collect(),
            sentences,
        }
    }
}

/// A question that stands alone, in its conversation.
pub(super) struct StandaloneQuestion {
    /// The conversation.
    pub conversation: String,
    /// The question.
    pub text: String,
    /// The question as typed, if it was rewritten.
    pub typed: Option<String>,
    /// The previous questions, oldest first, standing alone.
    pub previous_questions: Vec<String>,
}

impl StandaloneQuestion {
    /// The first question of a conversation.
    pub fn first(text: String, conversation: &str) -> Self {
        Self {
            conversation: conversation.to_owned(),
            text,
            typed: None,
            previous_questions: Vec::new(),
        }
    }

    /// A question after others that a program has sent with it. Without others, the first one.
    pub async fn after(
        app: &App,
        library: &Library,
        text: String,
        conversation: &str,
        earlier: Vec<String>,
        filter: &DocumentFilter,
    ) -> Result<Self> {
        let Some(last) = earlier.last() else {
            return Ok(Self::first(text, conversation));
        };
        let previous = PreviousTurn::new(last, &[]);
        let mut question = Self {
            previous_questions: earlier,
            ..Self::first(text, conversation)
        };
        let rewritten = app
            .answerer()
            .resolve_follow_up(library, &question.text, &previous, filter)
            .await?;
        question.rewrite(rewritten);
        Ok(question)
    }

    /// A question that continues a conversation. If the person has no such conversation, it starts
    /// one with the id `new_conversation`.
    pub async fn following(
        app: &App,
        person: &Principal,
        library: &Library,
        text: String,
        new_conversation: &str,
        follow_up: FollowUp,
        filter: &DocumentFilter,
    ) -> Result<Self> {
        let turns = app
            .store
            .turns(person.user, &follow_up.conversation)
            .await?;
        let previous_questions: Vec<String> = turns
            .iter()
            .map(|turn| turn.understood.as_ref().unwrap_or(&turn.question).clone())
            .collect();
        let Some(last) = turns.into_iter().last() else {
            return Ok(Self::first(text, new_conversation));
        };
        let mut question = Self {
            conversation: last.conversation.clone(),
            previous_questions,
            ..Self::first(text, new_conversation)
        };
        if !follow_up.as_typed {
            let previous = previous_turn(app, person, library, last).await?;
            let rewritten = app
                .answerer()
                .resolve_follow_up(library, &question.text, &previous, filter)
                .await?;
            question.rewrite(rewritten);
        }
        Ok(question)
    }

    /// Translates a question that the documents answer only in English.
    pub async fn translate(
        &mut self,
        app: &App,
        library: &Library,
        filter: &DocumentFilter,
    ) -> Result<()> {
        let answerer = app.answerer();
        let translated = answerer.translate(library, &self.text, filter).await?;
        self.rewrite(translated);
        Ok(())
    }

    /// Replaces the question, and keeps what the person typed.
    fn rewrite(&mut self, rewritten: Option<String>) {
        if let Some(rewritten) = rewritten {
            let before = std::mem::replace(&mut self.text, rewritten);
            self.typed.get_or_insert(before);
        }
    }
}

async fn previous_turn(
    app: &App,
    person: &Principal,
    library: &Library,
    turn: ConversationTurn,
) -> Result<PreviousTurn> {
    let quotes = app
        .answerer()
        .reload_quotes(library, &turn.quotes, &person.roles)
        .await?;
    let question = turn.understood.unwrap_or(turn.question);
    Ok(PreviousTurn::new(&question, &quotes))
}

/// Stores a question and its quotes in the person's history, if the settings keep one.
pub(super) async fn save_turn(
    app: &App,
    user: UserId,
    request: &AnswerRequest,
    answer: &Answer,
) -> Result<()> {
    if app.config.history.retention_days == 0 {
        return Ok(());
    }
    let answerer = app.answerer();
    let standalone = answerer.redact_typed(&request.question);
    let (question, understood) = match &request.typed {
        Some(typed) => (answerer.redact_typed(typed), Some(standalone)),
        None => (standalone, None),
    };
    let turn = ConversationTurn {
        receipt: request.id.clone(),
        conversation: request.conversation.clone(),
        asked_at: app.clock.now(),
        question,
        understood,
        quotes: answer.quoted.clone(),
        sentences: Vec::new(),
    };
    Ok(app.store.insert_turn(user, &turn).await?)
}

/// The events of an answer. Generated sentences and their quotes are stored in the history as they
/// pass.
pub(super) fn with_saved_sentences(
    app: AppState,
    user: UserId,
    receipt: String,
    answer: Answer,
) -> impl Stream<Item = AnswerEvent> {
    let keeper = SentenceKeeper {
        app,
        user,
        receipt,
        events: answer.events,
        quotes: answer.quoted,
        sentences: Vec::new(),
    };
    unfold(keeper, |mut keeper| async move {
        let event = keeper.events.recv().await?;
        keeper.keep(&event).await;
        Some((event, keeper))
    })
}

struct SentenceKeeper {
    app: AppState,
    user: UserId,
    receipt: String,
    events: mpsc::Receiver<AnswerEvent>,
    quotes: Vec<QuoteLocation>,
    sentences: Vec<GeneratedSentence>,
}

impl SentenceKeeper {
    async fn keep(&mut self, event: &AnswerEvent) {
        if let AnswerEvent::Quote(quote) = event
            && !self.quotes.contains(&quote.place())
        {
            self.quotes.push(quote.place());
        }
        if let AnswerEvent::Sentence { text, quotes } = event {
            self.sentences.push(GeneratedSentence {
                text: text.clone(),
                quotes: quotes.clone(),
            });
            let saved = self
                .app
                .store
                .set_generated_sentences(self.user, &self.receipt, &self.quotes, &self.sentences)
                .await;
            if let Err(cause) = saved {
                tracing::warn!(%cause, "a sentence could not be stored in the history: {cause}");
            }
        }
    }
}
