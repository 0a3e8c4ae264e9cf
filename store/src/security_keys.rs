//! Security keys and passkeys of people. The database contains public keys only.

use crate::connection::Store;
use crate::error::StoreError;
use crate::second_factor::{delete_unneeded_codes, has_any_factor, replace_codes};
use cloister_domain::{SecurityKeyId, Timestamp, UserId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

/// Keys that a person may have.
const MAX_KEYS: i64 = 10;

/// A security key of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityKeyRecord {
    /// Its id.
    pub id: SecurityKeyId,
    /// The name that the person gave it.
    pub name: String,
    /// Its public key and properties, as JSON.
    pub credential: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// A key to be added.
#[derive(Clone, Debug)]
pub struct NewSecurityKey {
    /// The id that the key gave itself.
    pub credential_id: Vec<u8>,
    /// The name that the person gives it.
    pub name: String,
    /// Its public key and properties, as JSON.
    pub credential: String,
}

/// How the addition of a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddedKey {
    /// It is the first second factor of the person, who has the new recovery codes from now on.
    First,
    /// The person had a second factor before, and the recovery codes did not change.
    Further,
    /// The key is registered, the person has a key of this name, or they have too many.
    Refused,
}

/// A use of a key that was verified.
#[derive(Clone, Debug)]
pub struct KeyUse {
    /// The key.
    pub id: SecurityKeyId,
    /// Its properties after the use, as JSON.
    pub credential: String,
    /// The signatures that it says it has made. 0 if it does not count.
    pub counter: u32,
}

impl Store {
    /// A person's security keys, the oldest first.
    pub async fn security_keys(&self, user: UserId) -> Result<Vec<SecurityKeyRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, name, credential, created_at, last_used_at
             FROM security_keys WHERE user_id = $1 ORDER BY id",
        )
        .bind(user.0)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(parse_key).collect()
    }

    /// Adds a security key. `recovery_codes` become the person's, by their hashes, if it is their
    /// first second factor.
    pub async fn add_security_key(
        &self,
        user: UserId,
        new: &NewSecurityKey,
        recovery_codes: &[String],
        now: Timestamp,
    ) -> Result<AddedKey, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let had_factor = has_any_factor(&mut transaction, user).await?;
        if !insert_key(&mut transaction, user, new, now).await? {
            return Ok(AddedKey::Refused);
        }
        if !had_factor {
            replace_codes(&mut transaction, user, recovery_codes).await?;
        }
        transaction.commit().await?;
        Ok(if had_factor {
            AddedKey::Further
        } else {
            AddedKey::First
        })
    }

    /// Stores the use of a key. Returns `false` if its counter did not grow, as with a copy of the
    /// key, or if the key was removed meanwhile.
    pub async fn use_security_key(
        &self,
        user: UserId,
        key_use: &KeyUse,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let used = sqlx::query(
            "UPDATE security_keys SET credential = $3, counter = $4, last_used_at = $5
             WHERE id = $1 AND user_id = $2 AND (counter < $4 OR (counter = 0 AND $4 = 0))",
        )
        .bind(key_use.id.0)
        .bind(user.0)
        .bind(&key_use.credential)
        .bind(i64::from(key_use.counter))
        .bind(now.as_millis())
        .execute(&self.writer)
        .await?;
        Ok(used.rows_affected() > 0)
    }

    /// Removes a person's security key, and their recovery codes if no second factor is left.
    /// Returns whether they had it.
    pub async fn remove_security_key(
        &self,
        user: UserId,
        id: SecurityKeyId,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let removed = sqlx::query("DELETE FROM security_keys WHERE id = $1 AND user_id = $2")
            .bind(id.0)
            .bind(user.0)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        delete_unneeded_codes(&mut transaction, user).await?;
        transaction.commit().await?;
        Ok(removed > 0)
    }
}

/// Inserts a key. Returns `false` if it is registered, the name is taken, or there are too many.
async fn insert_key(
    transaction: &mut Transaction<'_, Sqlite>,
    user: UserId,
    new: &NewSecurityKey,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO security_keys (user_id, credential_id, name, credential, created_at)
         SELECT $1, $2, $3, $4, $5
         WHERE (SELECT COUNT(*) FROM security_keys WHERE user_id = $1) < $6
         ON CONFLICT DO NOTHING",
    )
    .bind(user.0)
    .bind(&new.credential_id)
    .bind(&new.name)
    .bind(&new.credential)
    .bind(now.as_millis())
    .bind(MAX_KEYS)
    .execute(&mut **transaction)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

fn parse_key(row: &SqliteRow) -> Result<SecurityKeyRecord, StoreError> {
    let last_used_at: Option<i64> = row.try_get("last_used_at")?;
    Ok(SecurityKeyRecord {
        id: SecurityKeyId(row.try_get("id")?),
        name: row.try_get("name")?,
        credential: row.try_get("credential")?,
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        last_used_at: last_used_at.map(Timestamp::from_millis),
    })
}
