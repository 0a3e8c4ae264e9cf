//! The questions of each person, and where their answers are.
//!
//! Every query is restricted to one person: nobody, whatever their role, can read another person's
//! conversations here. What compliance officers may see is in the audit log, which is not changed
//! when a conversation is deleted.

use crate::connection::Store;
use crate::error::StoreError;
use cloister_domain::{ByteRange, PassageId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A question of a conversation, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationTurn {
    /// The id of the answer.
    pub receipt: String,
    /// The id of the conversation, which is the id of its first answer.
    pub conversation: String,
    /// The time of the question.
    pub asked_at: Timestamp,
    /// The question as typed.
    pub question: String,
    /// The question as it was rewritten to be understood without the conversation, if it was.
    pub understood: Option<String>,
    /// The quotes; empty if the question was refused.
    pub quotes: Vec<QuoteLocation>,
    /// The sentences that the language model wrote and that were shown.
    pub sentences: Vec<GeneratedSentence>,
}

/// Where a quote is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteLocation {
    /// The citation's number.
    pub number: u32,
    /// The passage.
    pub passage: PassageId,
    /// Its range in the passage's text.
    pub range: ByteRange,
}

/// A sentence that the language model wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneratedSentence {
    /// The sentence.
    pub text: String,
    /// The numbers of the quotes that support it.
    pub quotes: Vec<u32>,
}

/// A conversation as shown in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationSummary {
    /// Its id.
    pub id: String,
    /// Its first question.
    pub question: String,
    /// The time of its last question.
    pub asked_at: Timestamp,
    /// The number of its questions.
    pub turns: u32,
}

impl Store {
    /// Adds a question of `user`.
    pub async fn insert_turn(
        &self,
        user: UserId,
        turn: &ConversationTurn,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO turns (receipt, conversation_id, user_id, asked_at, question, understood,
                                quotes, sentences) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&turn.receipt)
        .bind(&turn.conversation)
        .bind(user.0)
        .bind(turn.asked_at.as_millis())
        .bind(&turn.question)
        .bind(&turn.understood)
        .bind(to_json(&turn.quotes)?)
        .bind(to_json(&turn.sentences)?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Stores the generated sentences of an answer to `user`, and its quotes. Does nothing if the
    /// question was deleted.
    pub async fn set_generated_sentences(
        &self,
        user: UserId,
        receipt: &str,
        quotes: &[QuoteLocation],
        sentences: &[GeneratedSentence],
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE turns SET quotes = $3, sentences = $4 WHERE user_id = $1 AND receipt = $2",
        )
        .bind(user.0)
        .bind(receipt)
        .bind(to_json(quotes)?)
        .bind(to_json(sentences)?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// The conversations of `user`, the latest first, at most `limit`.
    pub async fn conversations(
        &self,
        user: UserId,
        limit: u32,
    ) -> Result<Vec<ConversationSummary>, StoreError> {
        let rows = sqlx::query(
            "SELECT t.conversation_id, max(t.asked_at) AS last, count(*) AS turns,
                    (SELECT f.question FROM turns f
                     WHERE f.user_id = $1 AND f.conversation_id = t.conversation_id
                     ORDER BY f.asked_at, f.receipt LIMIT 1) AS question
             FROM turns t WHERE t.user_id = $1
             GROUP BY t.conversation_id ORDER BY last DESC, t.conversation_id LIMIT $2",
        )
        .bind(user.0)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(parse_summary).collect()
    }

    /// The questions of a conversation of `user`, in order. Empty if it is not a conversation of
    /// this person.
    pub async fn turns(
        &self,
        user: UserId,
        conversation: &str,
    ) -> Result<Vec<ConversationTurn>, StoreError> {
        let rows = sqlx::query(
            "SELECT receipt, conversation_id, asked_at, question, understood, quotes, sentences
             FROM turns WHERE user_id = $1 AND conversation_id = $2 ORDER BY asked_at, receipt",
        )
        .bind(user.0)
        .bind(conversation)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(parse_turn).collect()
    }

    /// Deletes a conversation of `user`. Returns whether there was one.
    pub async fn delete_conversation(
        &self,
        user: UserId,
        conversation: &str,
    ) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM turns WHERE user_id = $1 AND conversation_id = $2")
            .bind(user.0)
            .bind(conversation)
            .execute(&self.writer)
            .await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// Deletes everyone's questions from before `moment`, and returns their number.
    pub async fn delete_turns_before(&self, moment: Timestamp) -> Result<u64, StoreError> {
        let deleted = sqlx::query("DELETE FROM turns WHERE asked_at < $1")
            .bind(moment.as_millis())
            .execute(&self.writer)
            .await?;
        Ok(deleted.rows_affected())
    }
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|cause| StoreError::corrupt("turns", cause))
}

fn from_json<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|cause| StoreError::corrupt("turns", cause))
}

fn parse_summary(row: &SqliteRow) -> Result<ConversationSummary, StoreError> {
    let turns: i64 = row.try_get("turns")?;
    Ok(ConversationSummary {
        id: row.try_get("conversation_id")?,
        question: row.try_get("question")?,
        asked_at: Timestamp::from_millis(row.try_get("last")?),
        turns: u32::try_from(turns).unwrap_or(u32::MAX),
    })
}

fn parse_turn(row: &SqliteRow) -> Result<ConversationTurn, StoreError> {
    let (quotes, sentences): (String, String) = (row.try_get("quotes")?, row.try_get("sentences")?);
    Ok(ConversationTurn {
        receipt: row.try_get("receipt")?,
        conversation: row.try_get("conversation_id")?,
        asked_at: Timestamp::from_millis(row.try_get("asked_at")?),
        question: row.try_get("question")?,
        understood: row.try_get("understood")?,
        quotes: from_json(&quotes)?,
        sentences: from_json(&sentences)?,
    })
}
