//! Authenticator apps of people, and the recovery codes that stand in for second factors.

use crate::connection::Store;
use crate::error::StoreError;
use crate::numbers::to_count;
use cloister_domain::{Timestamp, UserId};
use sqlx::{Row, Sqlite, Transaction};

/// The second factor of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// The encrypted secret.
    pub secret: Vec<u8>,
    /// Whether the person has confirmed that they can make codes. Until then it is not in use.
    pub is_confirmed: bool,
}

impl Store {
    /// Sets the secret of a second factor that is not in use yet. Returns `false` if the person has
    /// one in use.
    pub async fn begin_second_factor(
        &self,
        user: UserId,
        secret: &[u8],
    ) -> Result<bool, StoreError> {
        let set = sqlx::query(
            "INSERT INTO second_factors (user_id, secret) VALUES ($1, $2)
             ON CONFLICT (user_id) DO UPDATE SET secret = $2, last_step = 0
             WHERE confirmed_at IS NULL",
        )
        .bind(user.0)
        .bind(secret)
        .execute(&self.writer)
        .await?;
        Ok(set.rows_affected() > 0)
    }

    /// The second factor of a person.
    pub async fn second_factor(&self, user: UserId) -> Result<Option<SecondFactor>, StoreError> {
        let row = sqlx::query("SELECT secret, confirmed_at FROM second_factors WHERE user_id = $1")
            .bind(user.0)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let confirmed_at: Option<i64> = row.try_get("confirmed_at")?;
        Ok(Some(SecondFactor {
            secret: row.try_get("secret")?,
            is_confirmed: confirmed_at.is_some(),
        }))
    }

    /// Puts a second factor into use after its first code, the one of time step `step`, and replaces
    /// the recovery codes. Returns `false` if it is in use already.
    pub async fn confirm_second_factor(
        &self,
        user: UserId,
        step: i64,
        recovery_codes: &[String],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let confirmed = sqlx::query(
            "UPDATE second_factors SET confirmed_at = $2, last_step = $3
             WHERE user_id = $1 AND confirmed_at IS NULL",
        )
        .bind(user.0)
        .bind(now.as_millis())
        .bind(step)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if confirmed == 0 {
            return Ok(false);
        }
        replace_codes(&mut transaction, user, recovery_codes).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Uses the code of a time step. Returns `false` if it, or a later one, was used before.
    pub async fn use_code_of_step(&self, user: UserId, step: i64) -> Result<bool, StoreError> {
        let used = sqlx::query(
            "UPDATE second_factors SET last_step = $2
             WHERE user_id = $1 AND last_step < $2 AND confirmed_at IS NOT NULL",
        )
        .bind(user.0)
        .bind(step)
        .execute(&self.writer)
        .await?;
        Ok(used.rows_affected() > 0)
    }

    /// Uses a recovery code, by its hash. Returns `false` if the person has no such code.
    pub async fn use_recovery_code(&self, user: UserId, hash: &str) -> Result<bool, StoreError> {
        let used = sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2")
            .bind(user.0)
            .bind(hash)
            .execute(&self.writer)
            .await?;
        Ok(used.rows_affected() > 0)
    }

    /// The number of recovery codes that a person has left.
    pub async fn count_recovery_codes(&self, user: UserId) -> Result<u64, StoreError> {
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1")
                .bind(user.0)
                .fetch_one(&self.readers)
                .await?;
        Ok(to_count(count))
    }

    /// Replaces the recovery codes of a person, by their hashes.
    pub async fn replace_recovery_codes(
        &self,
        user: UserId,
        hashes: &[String],
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        replace_codes(&mut transaction, user, hashes).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Removes the authenticator app of a person, and their recovery codes unless a security key is
    /// left. Returns whether they had an app.
    pub async fn remove_authenticator_app(&self, user: UserId) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let removed = delete_app(&mut transaction, user).await?;
        delete_unneeded_codes(&mut transaction, user).await?;
        transaction.commit().await?;
        Ok(removed > 0)
    }

    /// Removes all second factors of a person: the authenticator app, the security keys and the
    /// recovery codes. Returns whether they had any.
    pub async fn remove_second_factors(&self, user: UserId) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let app = delete_app(&mut transaction, user).await?;
        let keys = sqlx::query("DELETE FROM security_keys WHERE user_id = $1")
            .bind(user.0)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        replace_codes(&mut transaction, user, &[]).await?;
        transaction.commit().await?;
        Ok(app + keys > 0)
    }
}

async fn delete_app(
    transaction: &mut Transaction<'_, Sqlite>,
    user: UserId,
) -> Result<u64, StoreError> {
    let deleted = sqlx::query("DELETE FROM second_factors WHERE user_id = $1")
        .bind(user.0)
        .execute(&mut **transaction)
        .await?;
    Ok(deleted.rows_affected())
}

/// Whether a person has a second factor in use, as seen by a transaction.
pub(crate) async fn has_any_factor(
    transaction: &mut Transaction<'_, Sqlite>,
    user: UserId,
) -> Result<bool, StoreError> {
    let has_any: i64 = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM second_factors
                        WHERE user_id = $1 AND confirmed_at IS NOT NULL)
             OR EXISTS (SELECT 1 FROM security_keys WHERE user_id = $1)",
    )
    .bind(user.0)
    .fetch_one(&mut **transaction)
    .await?;
    Ok(has_any != 0)
}

/// Deletes the recovery codes of a person who has no second factor left.
pub(crate) async fn delete_unneeded_codes(
    transaction: &mut Transaction<'_, Sqlite>,
    user: UserId,
) -> Result<(), StoreError> {
    if has_any_factor(transaction, user).await? {
        return Ok(());
    }
    replace_codes(transaction, user, &[]).await
}

pub(crate) async fn replace_codes(
    transaction: &mut Transaction<'_, Sqlite>,
    user: UserId,
    hashes: &[String],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1")
        .bind(user.0)
        .execute(&mut **transaction)
        .await?;
    for hash in hashes {
        sqlx::query("INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)")
            .bind(user.0)
            .bind(hash)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}
