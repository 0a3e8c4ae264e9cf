//! Replays an answer for an examiner.

use super::error::{ErrorCode, Result};
use super::{App, Caller};
use cloister_answer::{LoggedAnswer, Replay};
use cloister_audit::{Entry, EntryFilter, EventKind};
use cloister_domain::Principal;
use serde_json::{Value, json};

/// The maximum number of entries of one answer: its own, its sentences and its end.
const MAX_ENTRIES: usize = 50;

impl App {
    /// Replays the answer with this receipt with the permissions that its asker has today, and logs
    /// that it was replayed.
    pub async fn replay_answer(&self, caller: &Caller, receipt: &str) -> Result<Replay> {
        let _turn = self.expensive.replaying.take(caller.turn_owner()).await?;
        let replay = self.replay(receipt).await?;
        let detail = json!({
            "receipt": receipt, "same_answer": replay.is_same_answer(), "parts": replay.parts,
        });
        self.audit
            .append(caller.event(EventKind::AnswerReplayed, detail))
            .await?;
        Ok(replay)
    }

    async fn replay(&self, receipt: &str) -> Result<Replay> {
        let entries = self.entries_of_answer(receipt).await?;
        let answer = entries
            .iter()
            .find(|entry| {
                matches!(
                    entry.kind,
                    EventKind::QuestionAnswered | EventKind::QuestionRefused
                )
            })
            .ok_or_else(|| {
                let detail = format!("The log has no answer with the receipt `{receipt}`");
                ErrorCode::NotFound.with_detail(detail)
            })?;
        let asker = self.asker(answer).await?;
        let library = self.library(&asker).await?;
        let sentences: Vec<Value> = entries
            .iter()
            .filter(|entry| entry.kind == EventKind::SentenceShown)
            .map(|entry| entry.detail.clone())
            .collect();
        let end = entries
            .iter()
            .find(|entry| entry.kind == EventKind::AnswerEnded);
        let logged = LoggedAnswer {
            answer: &answer.detail,
            sentences: &sentences,
            end: end.map(|entry| &entry.detail),
        };
        self.wait_for_generator().await;
        let version = self.policies.version();
        Ok(self.answerer().replay(&library, logged, version).await?)
    }

    /// The log entries with this receipt, oldest first.
    async fn entries_of_answer(&self, receipt: &str) -> Result<Vec<Entry>> {
        let filter = EntryFilter {
            request: Some(receipt.to_owned()),
            ..EntryFilter::default()
        };
        let mut entries = self.find_entries(filter, MAX_ENTRIES).await?.entries;
        entries.reverse();
        Ok(entries)
    }

    /// The person who asked, as they are today.
    async fn asker(&self, answer: &Entry) -> Result<Principal> {
        let user = match answer.actor.user {
            Some(id) => self.store.user(id).await?,
            None => None,
        };
        let Some(user) = user else {
            let name = &answer.actor.name;
            let detail = format!("`{name}` no longer exists, so there are no permissions");
            return Err(ErrorCode::Invalid.with_detail(detail));
        };
        Ok(Principal::from(user))
    }
}
