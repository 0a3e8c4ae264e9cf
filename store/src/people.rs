//! People: password hashes, roles and groups.

use crate::api_tokens::revoke_all_tokens;
use crate::connection::Store;
use crate::directory::DirectoryLink;
use crate::error::{StoreError, name_duplicate};
use crate::names::{check_person_name, looks_like};
use crate::numbers::to_count;
use crate::sessions::end_sessions;
use crate::sign_in_attempts::forget_attempts;
use cloister_domain::{GroupId, Principal, Role, SessionId, Timestamp, UserId};
use serde::Serialize;
use sqlx::{Row, Sqlite, Transaction};

/// A person to be added.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name they sign in with.
    pub name: String,
    /// Argon2id, as a PHC string. Empty if the person has no password yet.
    pub password_hash: String,
    /// What they may do.
    pub roles: Vec<Role>,
}

/// A person as an administrator sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// The person's id.
    pub id: UserId,
    /// The name they sign in with.
    pub name: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// The groups they belong to.
    pub groups: Vec<GroupId>,
    /// Whether they are disabled and may not sign in.
    pub disabled: bool,
    /// When they were added.
    pub created_at: Timestamp,
    /// Whether they have set a password.
    pub has_password: bool,
    /// Whether they sign in with a second factor.
    pub has_second_factor: bool,
    /// Their entry in the directory of the site. `None` if the account is local.
    pub directory: Option<DirectoryLink>,
    /// The end of the validity of their activation link, if they have one.
    pub link_expires_at: Option<Timestamp>,
}

/// A query of people with this condition and order.
macro_rules! select_users {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, disabled, created_at, directory_key, directory_checked_at,
                    password_hash <> '' AS has_password,
                    EXISTS (SELECT 1 FROM second_factors
                            WHERE user_id = users.id AND confirmed_at IS NOT NULL)
                        OR EXISTS (SELECT 1 FROM security_keys WHERE user_id = users.id)
                        AS has_second_factor,
                    (SELECT expires_at FROM activation_links WHERE user_id = users.id)
                        AS link_expires_at
             FROM users ",
            $rest
        )
    };
}

impl From<User> for Principal {
    fn from(user: User) -> Self {
        Self {
            user: user.id,
            name: user.name,
            roles: user.roles,
            groups: user.groups,
        }
    }
}

impl Store {
    /// Adds a person.
    pub async fn add_user(&self, new: &NewUser, now: Timestamp) -> Result<UserId, StoreError> {
        check_person_name(&new.name)?;
        let mut transaction = self.writer.begin().await?;
        let id = insert_user(&mut transaction, new, now).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Adds the first administrator and deletes the one-time link that allows it, in one
    /// transaction. Returns `None` if the link is not valid (any more), or if there is a person
    /// already.
    pub async fn add_first_administrator(
        &self,
        link: &str,
        new: &NewUser,
        now: Timestamp,
    ) -> Result<Option<UserId>, StoreError> {
        check_person_name(&new.name)?;
        let mut transaction = self.writer.begin().await?;
        let deleted_links =
            sqlx::query("DELETE FROM setup_links WHERE id = $1 AND expires_at > $2")
                .bind(link)
                .bind(now.as_millis())
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        let people: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users")
            .fetch_one(&mut *transaction)
            .await?;
        if deleted_links == 0 || people > 0 {
            return Ok(None);
        }
        let id = insert_user(&mut transaction, new, now).await?;
        transaction.commit().await?;
        Ok(Some(id))
    }

    /// Whether a setup link can still be used: it is the current one, it has not expired, and there
    /// is nobody yet. `link` is the SHA-256 of its secret.
    pub async fn is_setup_link_valid(
        &self,
        link: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let valid: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM setup_links
             WHERE id = $1 AND expires_at > $2 AND NOT EXISTS (SELECT 1 FROM users)",
        )
        .bind(link)
        .bind(now.as_millis())
        .fetch_one(&self.readers)
        .await?;
        Ok(valid > 0)
    }

    /// The number of people.
    pub async fn count_users(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users")
            .fetch_one(&self.readers)
            .await?;
        Ok(to_count(count))
    }

    /// All people, by name.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let rows = sqlx::query(select_users!("ORDER BY name"))
            .fetch_all(&self.readers)
            .await?;
        let mut users = Vec::with_capacity(rows.len());
        for row in rows {
            users.push(self.load_user(&row).await?);
        }
        Ok(users)
    }

    /// The person with this id.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let row = sqlx::query(select_users!("WHERE id = $1"))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await?;
        match row {
            Some(row) => Ok(Some(self.load_user(&row).await?)),
            None => Ok(None),
        }
    }

    /// The person who signs in with this name.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>, StoreError> {
        let row = sqlx::query(select_users!("WHERE name = $1"))
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        match row {
            Some(row) => Ok(Some(self.load_user(&row).await?)),
            None => Ok(None),
        }
    }

    /// Replaces a person's roles, and whether they are disabled. Disabling also ends their
    /// sessions and revokes their API tokens, in the same transaction. Fails if no administrator would be left who may sign in.
    pub async fn change_user(
        &self,
        id: UserId,
        roles: &[Role],
        disabled: bool,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        let before = active_administrators(&mut transaction).await?;
        let changed = sqlx::query("UPDATE users SET disabled = $2 WHERE id = $1")
            .bind(id.0)
            .bind(disabled)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if changed == 0 {
            return Err(StoreError::NotFound("that person"));
        }
        sqlx::query("DELETE FROM user_roles WHERE user_id = $1")
            .bind(id.0)
            .execute(&mut *transaction)
            .await?;
        insert_roles(&mut transaction, id, roles).await?;
        if before > 0 && active_administrators(&mut transaction).await? == 0 {
            return Err(StoreError::LastAdministrator);
        }
        if disabled {
            end_sessions(&mut transaction, id, None).await?;
            revoke_all_tokens(&mut transaction, id).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The number of people who have this role, disabled or not.
    pub async fn count_users_with_role(&self, role: Role) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM user_roles WHERE role = $1")
            .bind(role.as_str())
            .fetch_one(&self.readers)
            .await?;
        Ok(to_count(count))
    }

    /// Sets a new password, and ends the person's sessions except `remaining`. An activation link no
    /// longer works.
    pub async fn change_password(
        &self,
        id: UserId,
        hash: &str,
        remaining: Option<&SessionId>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        let changed = sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
            .bind(id.0)
            .bind(hash)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if changed == 0 {
            return Err(StoreError::NotFound("that person"));
        }
        sqlx::query("DELETE FROM activation_links WHERE user_id = $1")
            .bind(id.0)
            .execute(&mut *transaction)
            .await?;
        forget_attempts(&mut transaction, id).await?;
        end_sessions(&mut transaction, id, remaining).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn load_user(&self, row: &sqlx::sqlite::SqliteRow) -> Result<User, StoreError> {
        let id: i64 = row.try_get("id")?;
        let role_names: Vec<String> =
            sqlx::query_scalar("SELECT role FROM user_roles WHERE user_id = $1 ORDER BY role")
                .bind(id)
                .fetch_all(&self.readers)
                .await?;
        let groups: Vec<i64> = sqlx::query_scalar(
            "SELECT group_id FROM memberships WHERE user_id = $1 ORDER BY group_id",
        )
        .bind(id)
        .fetch_all(&self.readers)
        .await?;
        let link_expires_at: Option<i64> = row.try_get("link_expires_at")?;
        let key: Option<String> = row.try_get("directory_key")?;
        let checked_at: Option<i64> = row.try_get("directory_checked_at")?;
        let directory = key.map(|key| DirectoryLink {
            key,
            checked_at: Timestamp::from_millis(checked_at.unwrap_or_default()),
        });
        Ok(User {
            id: UserId(id),
            name: row.try_get("name")?,
            roles: parse_roles("user_roles", role_names.iter().map(String::as_str))?,
            groups: groups.into_iter().map(GroupId).collect(),
            disabled: row.try_get("disabled")?,
            created_at: Timestamp::from_millis(row.try_get("created_at")?),
            has_password: row.try_get("has_password")?,
            has_second_factor: row.try_get("has_second_factor")?,
            directory,
            link_expires_at: link_expires_at.map(Timestamp::from_millis),
        })
    }
}

/// Parses the names of roles in a table.
pub(crate) fn parse_roles<'a>(
    table: &'static str,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<Role>, StoreError> {
    let roles = names.map(|name| name.parse().map_err(|e| StoreError::corrupt(table, e)));
    roles.collect()
}

/// The number of administrators who may sign in.
async fn active_administrators(
    transaction: &mut Transaction<'_, Sqlite>,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar(
        "SELECT COUNT(*) FROM users JOIN user_roles ON user_roles.user_id = users.id
         WHERE role = $1 AND NOT disabled",
    )
    .bind(Role::Administrator.as_str())
    .fetch_one(&mut **transaction)
    .await?;
    Ok(count)
}

pub(crate) async fn insert_user(
    transaction: &mut Transaction<'_, Sqlite>,
    new: &NewUser,
    now: Timestamp,
) -> Result<UserId, StoreError> {
    refuse_lookalike(transaction, &new.name).await?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO users (name, password_hash, created_at) VALUES ($1, $2, $3) RETURNING id",
    )
    .bind(&new.name)
    .bind(&new.password_hash)
    .bind(now.as_millis())
    .fetch_one(&mut **transaction)
    .await
    .map_err(name_duplicate(&new.name))?;
    insert_roles(transaction, UserId(id), &new.roles).await?;
    Ok(UserId(id))
}

/// Refuses a name that looks like that of another person.
async fn refuse_lookalike(
    transaction: &mut Transaction<'_, Sqlite>,
    name: &str,
) -> Result<(), StoreError> {
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM users")
        .fetch_all(&mut **transaction)
        .await?;
    let new = looks_like(name);
    match names.into_iter().find(|name| looks_like(name) == new) {
        Some(taken) => Err(StoreError::NameTaken(taken)),
        None => Ok(()),
    }
}

async fn insert_roles(
    transaction: &mut Transaction<'_, Sqlite>,
    user: UserId,
    roles: &[Role],
) -> Result<(), StoreError> {
    for role in roles {
        sqlx::query(
            "INSERT INTO user_roles (user_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(user.0)
        .bind(role.as_str())
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}
