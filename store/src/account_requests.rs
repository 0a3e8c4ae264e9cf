//! Changes of accounts that wait for a second administrator.

use crate::connection::Store;
use crate::error::StoreError;
use crate::people::parse_roles;
use cloister_domain::{AccountRequestId, Role, Timestamp, UserId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// What is to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// The person gets these roles.
    Roles(Vec<Role>),
    /// A link is made with which the person sets a new password.
    ActivationLink,
    /// The second factor of the person is removed.
    SecondFactor,
}

impl AccountChange {
    /// Its name in the database and the API.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Roles(_) => "roles",
            Self::ActivationLink => "activation-link",
            Self::SecondFactor => "second-factor",
        }
    }

    /// The new roles. Empty for other changes.
    pub fn roles(&self) -> &[Role] {
        match self {
            Self::Roles(roles) => roles,
            Self::ActivationLink | Self::SecondFactor => &[],
        }
    }
}

/// A change that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRequest {
    /// Its id.
    pub id: AccountRequestId,
    /// The person whose account is to be changed.
    pub user: UserId,
    /// What is to be changed.
    pub change: AccountChange,
    /// The administrator who requested it.
    pub requested_by: UserId,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// After this time it can no longer be approved.
    pub expires_at: Timestamp,
}

impl Store {
    /// Stores a change that waits. It replaces an earlier one of the same kind for this person.
    pub async fn request_account_change(
        &self,
        user: UserId,
        change: &AccountChange,
        requested_by: UserId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<AccountRequestId, StoreError> {
        let roles: Vec<&str> = change.roles().iter().map(|role| role.as_str()).collect();
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO account_requests
                 (user_id, change, roles, requested_by, requested_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (user_id, change) DO UPDATE
             SET roles = $3, requested_by = $4, requested_at = $5, expires_at = $6
             RETURNING id",
        )
        .bind(user.0)
        .bind(change.as_str())
        .bind(roles.join(" "))
        .bind(requested_by.0)
        .bind(now.as_millis())
        .bind(expires_at.as_millis())
        .fetch_one(&self.writer)
        .await?;
        Ok(AccountRequestId(id))
    }

    /// The changes that wait, the oldest first.
    pub async fn account_requests(
        &self,
        now: Timestamp,
    ) -> Result<Vec<AccountRequest>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, user_id, change, roles, requested_by, requested_at, expires_at
             FROM account_requests WHERE expires_at > $1 ORDER BY id",
        )
        .bind(now.as_millis())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(parse_request).collect()
    }

    /// A change that waits.
    pub async fn account_request(
        &self,
        id: AccountRequestId,
        now: Timestamp,
    ) -> Result<Option<AccountRequest>, StoreError> {
        let row = sqlx::query(
            "SELECT id, user_id, change, roles, requested_by, requested_at, expires_at
             FROM account_requests WHERE id = $1 AND expires_at > $2",
        )
        .bind(id.0)
        .bind(now.as_millis())
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(parse_request).transpose()
    }

    /// Deletes a change that waits, exactly as it was read. Returns `false` if it was changed, approved
    /// or withdrawn in the meantime.
    pub async fn delete_account_request(
        &self,
        request: &AccountRequest,
    ) -> Result<bool, StoreError> {
        let deleted = sqlx::query(
            "DELETE FROM account_requests
             WHERE id = $1 AND requested_by = $2 AND requested_at = $3",
        )
        .bind(request.id.0)
        .bind(request.requested_by.0)
        .bind(request.requested_at.as_millis())
        .execute(&self.writer)
        .await?;
        Ok(deleted.rows_affected() > 0)
    }
}

fn parse_request(row: &SqliteRow) -> Result<AccountRequest, StoreError> {
    let roles: String = row.try_get("roles")?;
    let change = match row.try_get("change")? {
        "roles" => AccountChange::Roles(parse_roles("account_requests", roles.split_whitespace())?),
        "activation-link" => AccountChange::ActivationLink,
        "second-factor" => AccountChange::SecondFactor,
        other => return Err(StoreError::corrupt("account_requests", other)),
    };
    Ok(AccountRequest {
        id: AccountRequestId(row.try_get("id")?),
        user: UserId(row.try_get("user_id")?),
        change,
        requested_by: UserId(row.try_get("requested_by")?),
        requested_at: Timestamp::from_millis(row.try_get("requested_at")?),
        expires_at: Timestamp::from_millis(row.try_get("expires_at")?),
    })
}
