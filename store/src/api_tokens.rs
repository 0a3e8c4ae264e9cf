//! Personal API tokens. The database contains hashes of their secrets only.

use crate::connection::Store;
use crate::error::StoreError;
use cloister_domain::{Timestamp, TokenId, TokenScope, UserId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

/// Tokens that a person may have.
const MAX_TOKENS: i64 = 20;

/// A token of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id.
    pub id: TokenId,
    /// Its person.
    pub user: UserId,
    /// The name that the person gave it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<TokenScope>,
    /// When it was created.
    pub created_at: Timestamp,
    /// After this time it is not valid.
    pub expires_at: Timestamp,
    /// When it was last used, to about half a minute.
    pub last_used_at: Option<Timestamp>,
}

/// A token to be added.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// Its person.
    pub user: UserId,
    /// The SHA-256 of its secret.
    pub hash: String,
    /// The name that the person gives it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<TokenScope>,
    /// After this time it is not valid.
    pub expires_at: Timestamp,
}

impl Store {
    /// Adds a token. Returns `None` if the person has too many.
    pub async fn add_api_token(
        &self,
        new: &NewApiToken,
        now: Timestamp,
    ) -> Result<Option<TokenId>, StoreError> {
        let id: Option<i64> = sqlx::query_scalar(
            "INSERT INTO api_tokens (user_id, hash, name, scopes, created_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6
             WHERE (SELECT COUNT(*) FROM api_tokens WHERE user_id = $1) < $7
             RETURNING id",
        )
        .bind(new.user.0)
        .bind(&new.hash)
        .bind(&new.name)
        .bind(encode_scopes(&new.scopes))
        .bind(now.as_millis())
        .bind(new.expires_at.as_millis())
        .bind(MAX_TOKENS)
        .fetch_optional(&self.writer)
        .await?;
        Ok(id.map(TokenId))
    }

    /// A person's tokens that are valid, the newest first.
    pub async fn api_tokens(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Vec<ApiToken>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, user_id, name, scopes, created_at, expires_at, last_used_at
             FROM api_tokens WHERE user_id = $1 AND expires_at > $2 ORDER BY id DESC",
        )
        .bind(user.0)
        .bind(now.as_millis())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(parse_token).collect()
    }

    /// The token with this hash, if it is valid.
    pub async fn api_token(
        &self,
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<ApiToken>, StoreError> {
        let row = sqlx::query(
            "SELECT id, user_id, name, scopes, created_at, expires_at, last_used_at
             FROM api_tokens WHERE hash = $1 AND expires_at > $2",
        )
        .bind(hash)
        .bind(now.as_millis())
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(parse_token).transpose()
    }

    /// Records that a token was used.
    pub async fn touch_api_token(&self, id: TokenId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE api_tokens SET last_used_at = $2 WHERE id = $1")
            .bind(id.0)
            .bind(now.as_millis())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Revokes a token of this person. Returns whether they had it.
    pub async fn revoke_api_token(&self, user: UserId, id: TokenId) -> Result<bool, StoreError> {
        let revoked = sqlx::query("DELETE FROM api_tokens WHERE user_id = $1 AND id = $2")
            .bind(user.0)
            .bind(id.0)
            .execute(&self.writer)
            .await?;
        Ok(revoked.rows_affected() > 0)
    }
}

/// Revokes all tokens of a person.
pub(crate) async fn revoke_all_tokens(
    transaction: &mut Transaction<'_, Sqlite>,
    user: UserId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM api_tokens WHERE user_id = $1")
        .bind(user.0)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn encode_scopes(scopes: &[TokenScope]) -> String {
    let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    names.join(" ")
}

fn parse_token(row: &SqliteRow) -> Result<ApiToken, StoreError> {
    let scopes: String = row.try_get("scopes")?;
    let scopes: Result<_, _> = scopes.split_whitespace().map(str::parse).collect();
    let last_used_at: Option<i64> = row.try_get("last_used_at")?;
    Ok(ApiToken {
        id: TokenId(row.try_get("id")?),
        user: UserId(row.try_get("user_id")?),
        name: row.try_get("name")?,
        scopes: scopes.map_err(|cause| StoreError::corrupt("api_tokens", cause))?,
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        expires_at: Timestamp::from_millis(row.try_get("expires_at")?),
        last_used_at: last_used_at.map(Timestamp::from_millis),
    })
}
