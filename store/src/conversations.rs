//! What people asked, each for themselves.
//!
//! Every query is bound to one person: nobody, of whatever role, reads another's conversation here.
//! What officers may see stands in the audit log, which deleting a conversation does not touch.

use crate::connection::Store;
use crate::error::StoreError;
use cloister_domain::{ByteRange, PassageId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A question of a conversation, and where its answer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The answer's id.
    pub receipt: String,
    /// The conversation: the id of its first answer.
    pub conversation: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// The question as typed.
    pub question: String,
    /// The question as it stood alone, where it was rewritten.
    pub understood: Option<String>,
    /// What was quoted; nothing where the question was refused.
    pub quotes: Vec<QuotedPlace>,
    /// What the model wrote and was shown.
    pub sentences: Vec<WrittenSentence>,
}

/// Where a quote stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedPlace {
    /// The citation's number.
    pub number: u32,
    /// The passage.
    pub passage: PassageId,
    /// Where in its text.
    pub range: ByteRange,
}

/// A sentence of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenSentence {
    /// The sentence.
    pub text: String,
    /// The numbers of the quotes that support it.
    pub quotes: Vec<u32>,
}

/// A conversation as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationSummary {
    /// Its id.
    pub id: String,
    /// Its first question.
    pub question: String,
    /// When something was last asked in it.
    pub asked_at: Timestamp,
    /// How many questions it has.
    pub turns: u32,
}

impl Store {
    /// Keeps a turn of `user`'s.
    pub async fn keep_turn(&self, user: UserId, turn: &Turn) -> Result<(), StoreError> {
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

    /// Puts what the model wrote, and all that is quoted by now, into a turn of `user`'s, if it
    /// still stands.
    pub async fn keep_sentences(
        &self,
        user: UserId,
        receipt: &str,
        quotes: &[QuotedPlace],
        sentences: &[WrittenSentence],
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

    /// The conversations of `user`, the latest first; at most `limit`.
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
        rows.iter().map(summary).collect()
    }

    /// The turns of a conversation of `user`'s, the first first; none where it is not theirs.
    pub async fn turns(&self, user: UserId, conversation: &str) -> Result<Vec<Turn>, StoreError> {
        let rows = sqlx::query(
            "SELECT receipt, conversation_id, asked_at, question, understood, quotes, sentences
             FROM turns WHERE user_id = $1 AND conversation_id = $2 ORDER BY asked_at, receipt",
        )
        .bind(user.0)
        .bind(conversation)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(turn).collect()
    }

    /// Deletes a conversation of `user`'s, and says whether there was one.
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

    /// Deletes what was asked before `moment`, by anybody.
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

fn summary(row: &SqliteRow) -> Result<ConversationSummary, StoreError> {
    let turns: i64 = row.try_get("turns")?;
    Ok(ConversationSummary {
        id: row.try_get("conversation_id")?,
        question: row.try_get("question")?,
        asked_at: Timestamp::from_millis(row.try_get("last")?),
        turns: u32::try_from(turns).unwrap_or(u32::MAX),
    })
}

fn turn(row: &SqliteRow) -> Result<Turn, StoreError> {
    let corrupt = |cause| StoreError::corrupt("turns", cause);
    let (quotes, sentences): (String, String) = (row.try_get("quotes")?, row.try_get("sentences")?);
    Ok(Turn {
        receipt: row.try_get("receipt")?,
        conversation: row.try_get("conversation_id")?,
        asked_at: Timestamp::from_millis(row.try_get("asked_at")?),
        question: row.try_get("question")?,
        understood: row.try_get("understood")?,
        quotes: serde_json::from_str(&quotes).map_err(corrupt)?,
        sentences: serde_json::from_str(&sentences).map_err(corrupt)?,
    })
}
