//! Asks a question, and rates an answer.

use super::conversations::{StandaloneQuestion, save_turn, with_saved_sentences};
use super::error::{ErrorCode, Result};
use super::metrics::Metrics;
use super::search::validate_query;
use super::{App, AppState, Caller};
use cloister_answer::{AnswerEvent, AnswerRequest};
use cloister_audit::{EntryFilter, EventKind};
use cloister_domain::Principal;
use cloister_store::DocumentFilter;
use futures_util::stream::{BoxStream, StreamExt};
use serde_json::json;
use std::time::Instant;

/// The maximum length of a reason, in bytes.
const MAX_REASON_BYTES: usize = 1000;

/// A question of a person.
pub struct AskCommand {
    /// The question.
    pub question: String,
    /// The documents to search.
    pub filter: DocumentFilter,
    /// The question that it follows, if it does.
    pub follow_up: Option<FollowUp>,
    /// The questions before it, oldest first, if a program sends them in place of a conversation.
    pub earlier_questions: Vec<String>,
}

/// How a question continues a conversation.
pub struct FollowUp {
    /// The conversation.
    pub conversation: String,
    /// Whether the question is answered as typed, without rewriting.
    pub as_typed: bool,
}

impl App {
    /// Answers a question, and keeps it in the person's history if the settings keep one. The audit
    /// record is on the disk before the stream has its first event.
    pub async fn ask(
        self: &AppState,
        caller: &Caller,
        person: &Principal,
        command: AskCommand,
    ) -> Result<BoxStream<'static, AnswerEvent>> {
        let asked_at = Instant::now();
        let library = self.library(person).await?;
        let id = self.answer_id(caller)?;
        let typed = validate_query(&command.question)?;
        let as_typed = command.follow_up.as_ref().is_some_and(|turn| turn.as_typed);
        let filter = &command.filter;
        let mut question = if let Some(follow_up) = command.follow_up {
            StandaloneQuestion::following(self, person, &library, typed, &id, follow_up, filter)
                .await?
        } else {
            let earlier = command.earlier_questions;
            StandaloneQuestion::after(self, &library, typed, &id, earlier, filter).await?
        };
        if !as_typed {
            question.translate(self, &library, &command.filter).await?;
        }
        let request = self
            .answer_request(caller, person, id.clone(), question, command.filter)
            .await?;
        let answer = self.answerer().ask(library, request.clone()).await?;
        save_turn(self, person.user, &request, &answer).await?;
        let app = AppState::clone(self);
        let events = with_saved_sentences(AppState::clone(&app), person.user, id, answer);
        Ok(Metrics::observe(app, asked_at, events).boxed())
    }

    /// The id of an answer: that of the request, so that all its audit records share it.
    fn answer_id(&self, caller: &Caller) -> Result<String> {
        match &caller.request {
            Some(id) => Ok(id.clone()),
            None => Ok(self.request_id()?),
        }
    }

    async fn answer_request(
        &self,
        caller: &Caller,
        person: &Principal,
        id: String,
        question: StandaloneQuestion,
        filter: DocumentFilter,
    ) -> Result<AnswerRequest> {
        Ok(AnswerRequest {
            id,
            question: question.text,
            typed: question.typed,
            previous_questions: question.previous_questions,
            conversation: question.conversation,
            actor: caller.actor.clone(),
            origin: caller.origin.clone(),
            generation_allowed_in: self.generation_allowed_in().await?,
            policy_version: self.policies.version().to_owned(),
            filter,
            roles: person.roles.clone(),
        })
    }

    /// Logs whether an answer of the person's own helped, with a reason.
    pub async fn rate_answer(
        &self,
        caller: &Caller,
        person: &Principal,
        receipt: &str,
        helpful: bool,
        reason: &str,
    ) -> Result<()> {
        if reason.len() > MAX_REASON_BYTES {
            let detail = "The reason is too long. Use at most 1,000 characters";
            return Err(ErrorCode::Invalid.with_detail(detail));
        }
        let _turn = self.expensive.rating.take(person.user).await?;
        let filter = EntryFilter {
            kinds: vec![EventKind::QuestionAnswered, EventKind::QuestionRefused],
            request: Some(receipt.to_owned()),
            ..EntryFilter::default()
        };
        let entries = self.find_entries(filter, 1).await?.entries;
        if !entries
            .iter()
            .any(|entry| entry.actor.user == Some(person.user))
        {
            return Err(ErrorCode::NotFound.into());
        }
        let reason = self.answerer().redact_typed(reason.trim());
        let detail = json!({ "receipt": receipt, "helpful": helpful, "reason": reason });
        self.audit
            .append(caller.event(EventKind::AnswerRated, detail))
            .await?;
        Ok(())
    }
}
