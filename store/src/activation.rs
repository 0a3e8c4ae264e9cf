//! One-time links with which a person sets their password.

use crate::api_tokens::revoke_all_tokens;
use crate::connection::Store;
use crate::error::StoreError;
use crate::sessions::end_sessions;
use crate::sign_in_attempts::forget_attempts;
use cloister_domain::{Timestamp, UserId};
use sqlx::Row;

/// The person whose password a link sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitedPerson {
    /// The person.
    pub user: UserId,
    /// The name they sign in with.
    pub name: String,
}

impl Store {
    /// Sets the activation link of a person. A previous link no longer works. `id` is the SHA-256 of
    /// its secret.
    pub async fn replace_activation_link(
        &self,
        user: UserId,
        id: &str,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO activation_links (user_id, id, created_at, expires_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id) DO UPDATE SET id = $2, created_at = $3, expires_at = $4",
        )
        .bind(user.0)
        .bind(id)
        .bind(now.as_millis())
        .bind(expires_at.as_millis())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Revokes the activation link of a person. Returns whether there was one.
    pub async fn revoke_activation_link(&self, user: UserId) -> Result<bool, StoreError> {
        let revoked = sqlx::query("DELETE FROM activation_links WHERE user_id = $1")
            .bind(user.0)
            .execute(&self.writer)
            .await?;
        Ok(revoked.rows_affected() > 0)
    }

    /// The person whose password a link sets. `None` if the link is not valid (any more), or if the
    /// person is disabled.
    pub async fn invited_person(
        &self,
        link: &str,
        now: Timestamp,
    ) -> Result<Option<InvitedPerson>, StoreError> {
        let row = sqlx::query(
            "SELECT users.id, users.name FROM activation_links
             JOIN users ON users.id = activation_links.user_id
             WHERE activation_links.id = $1 AND expires_at > $2 AND NOT disabled",
        )
        .bind(link)
        .bind(now.as_millis())
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(InvitedPerson {
            user: UserId(row.try_get("id")?),
            name: row.try_get("name")?,
        }))
    }

    /// Uses an activation link: sets the password of its person, ends their sessions and revokes
    /// their API tokens, in one transaction. Returns whether the link was still valid.
    pub async fn activate(
        &self,
        link: &str,
        user: UserId,
        hash: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let used = sqlx::query(
            "DELETE FROM activation_links WHERE id = $1 AND user_id = $2 AND expires_at > $3",
        )
        .bind(link)
        .bind(user.0)
        .bind(now.as_millis())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        let changed =
            sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1 AND NOT disabled")
                .bind(user.0)
                .bind(hash)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        if used == 0 || changed == 0 {
            return Ok(false);
        }
        forget_attempts(&mut transaction, user).await?;
        end_sessions(&mut transaction, user, None).await?;
        revoke_all_tokens(&mut transaction, user).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
