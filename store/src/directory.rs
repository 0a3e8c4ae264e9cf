//! People of the site's directory, and when the directory last confirmed them.

use crate::api_tokens::revoke_all_tokens;
use crate::connection::Store;
use crate::error::StoreError;
use crate::names::check_person_name;
use crate::people::{NewUser, User, insert_user};
use crate::sessions::end_sessions;
use cloister_domain::{Timestamp, UserId};

/// What connects a person with their entry in the directory.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DirectoryLink {
    /// What identifies the entry for ever.
    pub key: String,
    /// When the directory last confirmed the account.
    pub checked_at: Timestamp,
}

impl Store {
    /// Adds a person of the directory, who has no password here.
    pub async fn add_directory_user(
        &self,
        new: &NewUser,
        key: &str,
        now: Timestamp,
    ) -> Result<UserId, StoreError> {
        check_person_name(&new.name)?;
        let mut transaction = self.writer.begin().await?;
        let id = insert_user(&mut transaction, new, now).await?;
        sqlx::query("UPDATE users SET directory_key = $2, directory_checked_at = $3 WHERE id = $1")
            .bind(id.0)
            .bind(key)
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// The person with this entry in the directory.
    pub async fn user_by_directory_key(&self, key: &str) -> Result<Option<User>, StoreError> {
        let id: Option<i64> = sqlx::query_scalar("SELECT id FROM users WHERE directory_key = $1")
            .bind(key)
            .fetch_optional(&self.readers)
            .await?;
        match id {
            Some(id) => self.user(UserId(id)).await,
            None => Ok(None),
        }
    }

    /// Stores that the directory has confirmed the account.
    pub async fn confirm_directory_user(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE users SET directory_checked_at = $2
             WHERE id = $1 AND directory_key IS NOT NULL",
        )
        .bind(user.0)
        .bind(now.as_millis())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Ends the sessions and revokes the API tokens of a person whom the directory refuses.
    pub async fn end_directory_access(&self, user: UserId) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        end_sessions(&mut transaction, user, None).await?;
        revoke_all_tokens(&mut transaction, user).await?;
        transaction.commit().await?;
        Ok(())
    }
}
