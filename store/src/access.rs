//! Collections, groups, and which group may read which collection. `policies` decides what follows
//! from a grant.

use crate::connection::Store;
use crate::error::{StoreError, name_duplicate};
use crate::names::check_name;
use cloister_domain::{CollectionId, GroupId, Timestamp, UserId};
use serde::Serialize;
use sqlx::Row;

/// A top folder of the inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Collection {
    /// Its id.
    pub id: CollectionId,
    /// The folder's name in the inbox.
    pub name: String,
    /// Whether the language model may write an answer below the quotes.
    pub allow_generation: bool,
    /// The groups to which it is granted.
    pub readers: Vec<GroupId>,
}

/// A set of people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// The people who belong to it.
    pub members: Vec<UserId>,
}

impl Store {
    /// Adds a collection.
    pub async fn add_collection(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<CollectionId, StoreError> {
        check_name(name)?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO collections (name, created_at) VALUES ($1, $2) RETURNING id",
        )
        .bind(name)
        .bind(now.as_millis())
        .fetch_one(&self.writer)
        .await
        .map_err(name_duplicate(name))?;
        Ok(CollectionId(id))
    }

    /// The collection of this name. It is added if it does not exist.
    pub async fn ensure_collection(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<CollectionId, StoreError> {
        if let Some(known) = self.collection_named(name).await? {
            return Ok(known);
        }
        match self.add_collection(name, now).await {
            Err(StoreError::NameTaken(_)) => {
                let raced = self.collection_named(name).await?;
                raced.ok_or(StoreError::NotFound("that collection"))
            }
            added => added,
        }
    }

    async fn collection_named(&self, name: &str) -> Result<Option<CollectionId>, StoreError> {
        let id: Option<i64> = sqlx::query_scalar("SELECT id FROM collections WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        Ok(id.map(CollectionId))
    }

    /// Every collection with the groups to which it is granted, by name.
    pub async fn collections(&self) -> Result<Vec<Collection>, StoreError> {
        let rows = sqlx::query("SELECT id, name, composed FROM collections ORDER BY name")
            .fetch_all(&self.readers)
            .await?;
        let grants = sqlx::query(
            "SELECT collection_id, group_id FROM grants ORDER BY collection_id, group_id",
        )
        .fetch_all(&self.readers)
        .await?;
        let mut collections = Vec::with_capacity(rows.len());
        for row in rows {
            collections.push(Collection {
                id: CollectionId(row.try_get("id")?),
                name: row.try_get("name")?,
                allow_generation: row.try_get("composed")?,
                readers: Vec::new(),
            });
        }
        for grant in grants {
            let collection_id = CollectionId(grant.try_get("collection_id")?);
            let reader = GroupId(grant.try_get("group_id")?);
            if let Some(collection) = collections.iter_mut().find(|c| c.id == collection_id) {
                collection.readers.push(reader);
            }
        }
        Ok(collections)
    }

    /// Sets whether the language model may write an answer below the quotes of this collection.
    pub async fn set_allow_generation(
        &self,
        id: CollectionId,
        allowed: bool,
    ) -> Result<(), StoreError> {
        let changed = sqlx::query("UPDATE collections SET composed = $2 WHERE id = $1")
            .bind(id.0)
            .bind(allowed)
            .execute(&self.writer)
            .await?
            .rows_affected();
        if changed == 0 {
            Err(StoreError::NotFound("that collection"))
        } else {
            Ok(())
        }
    }

    /// Grants a collection to a group.
    pub async fn grant(&self, collection: CollectionId, group: GroupId) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO grants (collection_id, group_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(collection.0)
        .bind(group.0)
        .execute(&self.writer)
        .await
        .map_err(name_missing("that collection or group"))?;
        Ok(())
    }

    /// Revokes a grant.
    pub async fn revoke(&self, collection: CollectionId, group: GroupId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM grants WHERE collection_id = $1 AND group_id = $2")
            .bind(collection.0)
            .bind(group.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Adds a group.
    pub async fn add_group(&self, name: &str, now: Timestamp) -> Result<GroupId, StoreError> {
        check_name(name)?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO groups (name, created_at) VALUES ($1, $2) RETURNING id",
        )
        .bind(name)
        .bind(now.as_millis())
        .fetch_one(&self.writer)
        .await
        .map_err(name_duplicate(name))?;
        Ok(GroupId(id))
    }

    /// Removes a group, its memberships and its grants.
    pub async fn remove_group(&self, id: GroupId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM groups WHERE id = $1")
            .bind(id.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Every group with its members, by name.
    pub async fn groups(&self) -> Result<Vec<Group>, StoreError> {
        let rows = sqlx::query("SELECT id, name FROM groups ORDER BY name")
            .fetch_all(&self.readers)
            .await?;
        let mut groups = Vec::with_capacity(rows.len());
        for row in rows {
            let id: i64 = row.try_get("id")?;
            let members: Vec<i64> = sqlx::query_scalar(
                "SELECT user_id FROM memberships WHERE group_id = $1 ORDER BY user_id",
            )
            .bind(id)
            .fetch_all(&self.readers)
            .await?;
            groups.push(Group {
                id: GroupId(id),
                name: row.try_get("name")?,
                members: members.into_iter().map(UserId).collect(),
            });
        }
        Ok(groups)
    }

    /// Puts a person into a group.
    pub async fn join_group(&self, group: GroupId, user: UserId) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO memberships (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(group.0)
        .bind(user.0)
        .execute(&self.writer)
        .await
        .map_err(name_missing("that group or person"))?;
        Ok(())
    }

    /// Takes a person out of a group.
    pub async fn leave_group(&self, group: GroupId, user: UserId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM memberships WHERE group_id = $1 AND user_id = $2")
            .bind(group.0)
            .bind(user.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// Names the missing row instead of the violated constraint.
fn name_missing(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |cause| match cause.as_database_error() {
        Some(e) if e.is_foreign_key_violation() => StoreError::NotFound(what),
        _ => cause.into(),
    }
}
