//! Sessions and one-time links. The database contains hashes of their secrets only, so that a copy
//! of the database does not allow signing in.

use crate::connection::Store;
use crate::error::StoreError;
use crate::sign_in_attempts::{AttemptKey, reset_attempts};
use cloister_domain::{SessionId, Timestamp, UserId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

/// What is needed to sign a person in.
#[derive(Clone, Debug)]
pub struct SignInRecord {
    /// The person.
    pub user: UserId,
    /// The name they sign in with.
    pub name: String,
    /// Argon2id, as a PHC string. Empty if the person has no password yet.
    pub password_hash: String,
    /// Whether they are disabled and may not sign in.
    pub disabled: bool,
    /// Whether they sign in with the password of the site's directory.
    pub is_external: bool,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The person signed in.
    pub user: UserId,
    /// When they signed in.
    pub created_at: Timestamp,
    /// The time of the last request.
    pub last_seen_at: Timestamp,
    /// The time at which it expires, whether it is used or not.
    pub expires_at: Timestamp,
    /// When the person last typed their password.
    pub authenticated_at: Timestamp,
    /// The address of the client that began it.
    pub address: String,
    /// What the client said it is.
    pub device: String,
}

impl Store {
    /// What is needed to sign in as `name`. `None` if there is no such person.
    pub async fn sign_in_record(&self, name: &str) -> Result<Option<SignInRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT id, name, password_hash, disabled, directory_key IS NOT NULL AS is_external
             FROM users WHERE name = $1",
        )
        .bind(name)
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SignInRecord {
            user: UserId(row.try_get("id")?),
            name: row.try_get("name")?,
            password_hash: row.try_get("password_hash")?,
            disabled: row.try_get("disabled")?,
            is_external: row.try_get("is_external")?,
        }))
    }

    /// Starts a session, ends the session that it replaces, and resets the count of failed
    /// attempts. Returns whether a session was replaced.
    pub async fn start_session(
        &self,
        session: &Session,
        replaced: Option<&SessionId>,
        attempt: Option<&AttemptKey>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await?;
        if let Some(attempt) = attempt {
            reset_attempts(&mut transaction, attempt, session.created_at).await?;
        }
        let has_replaced = match replaced {
            Some(replaced) => delete_session(&mut transaction, replaced).await?,
            None => false,
        };
        sqlx::query(
            "INSERT INTO sessions
                 (id, user_id, created_at, last_seen_at, expires_at, address, device,
                  authenticated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&session.id.0)
        .bind(session.user.0)
        .bind(session.created_at.as_millis())
        .bind(session.last_seen_at.as_millis())
        .bind(session.expires_at.as_millis())
        .bind(&session.address)
        .bind(&session.device)
        .bind(session.authenticated_at.as_millis())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(has_replaced)
    }

    /// A session, whether it is expired or not.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query(
            "SELECT id, user_id, created_at, last_seen_at, expires_at, address, device,
                    authenticated_at
             FROM sessions WHERE id = $1",
        )
        .bind(&id.0)
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(parse_session).transpose()
    }

    /// The sessions of a person that have not expired, the one that was used last first.
    pub async fn sessions_of(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, user_id, created_at, last_seen_at, expires_at, address, device,
                    authenticated_at
             FROM sessions WHERE user_id = $1 AND expires_at > $2 ORDER BY last_seen_at DESC",
        )
        .bind(user.0)
        .bind(now.as_millis())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(parse_session).collect()
    }

    /// Ends a session of this person. Returns whether they had it.
    pub async fn end_session_of(&self, user: UserId, id: &SessionId) -> Result<bool, StoreError> {
        let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id = $2")
            .bind(user.0)
            .bind(&id.0)
            .execute(&self.writer)
            .await?;
        Ok(ended.rows_affected() > 0)
    }

    /// Ends all sessions of a person except `remaining`.
    pub async fn end_other_sessions(
        &self,
        user: UserId,
        remaining: &SessionId,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        end_sessions(&mut transaction, user, Some(remaining)).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Records that a session was used.
    pub async fn touch_session(&self, id: &SessionId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET last_seen_at = $2 WHERE id = $1")
            .bind(&id.0)
            .bind(now.as_millis())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Records that the person of a session typed their password again.
    pub async fn set_authenticated(
        &self,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET authenticated_at = $2 WHERE id = $1")
            .bind(&id.0)
            .bind(now.as_millis())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Ends a session. It is not an error if it has ended before.
    pub async fn end_session(&self, id: &SessionId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE id = $1")
            .bind(&id.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Deletes sessions, links, API tokens and account requests that are expired. They are refused
    /// anyway, so this only frees space: call it at start-up and once in a while.
    pub async fn delete_expired_sessions(&self, now: Timestamp) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM sessions WHERE expires_at <= $1",
            "DELETE FROM setup_links WHERE expires_at <= $1",
            "DELETE FROM activation_links WHERE expires_at <= $1",
            "DELETE FROM api_tokens WHERE expires_at <= $1",
            "DELETE FROM account_requests WHERE expires_at <= $1",
        ] {
            sqlx::query(statement)
                .bind(now.as_millis())
                .execute(&self.writer)
                .await?;
        }
        Ok(())
    }

    /// Replaces the one-time link with which the first administrator is added. `id` is the SHA-256
    /// of its secret.
    pub async fn replace_setup_link(
        &self,
        id: &str,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query("DELETE FROM setup_links")
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT INTO setup_links (id, expires_at) VALUES ($1, $2)")
            .bind(id)
            .bind(expires_at.as_millis())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Ends the sessions of a person except `remaining`.
pub(crate) async fn end_sessions(
    transaction: &mut Transaction<'_, Sqlite>,
    user: UserId,
    remaining: Option<&SessionId>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
        .bind(user.0)
        .bind(remaining.map_or("", |session| session.0.as_str()))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn parse_session(row: &SqliteRow) -> Result<Session, StoreError> {
    Ok(Session {
        id: SessionId(row.try_get("id")?),
        user: UserId(row.try_get("user_id")?),
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        last_seen_at: Timestamp::from_millis(row.try_get("last_seen_at")?),
        expires_at: Timestamp::from_millis(row.try_get("expires_at")?),
        authenticated_at: Timestamp::from_millis(row.try_get("authenticated_at")?),
        address: row.try_get("address")?,
        device: row.try_get("device")?,
    })
}

/// Deletes a session, and returns whether it existed.
async fn delete_session(
    transaction: &mut Transaction<'_, Sqlite>,
    id: &SessionId,
) -> Result<bool, StoreError> {
    let deleted = sqlx::query("DELETE FROM sessions WHERE id = $1")
        .bind(&id.0)
        .execute(&mut **transaction)
        .await?;
    Ok(deleted.rows_affected() > 0)
}
