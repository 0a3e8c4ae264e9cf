//! Groups and collections, and which group may read which collection.

use super::error::{AppError, ErrorCode, Result};
use super::{App, Caller};
use crate::private_files::create_shared_folder;
use cloister_audit::EventKind;
use cloister_domain::{CollectionId, GroupId, UserId};
use cloister_store::{Collection, Group};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A group of people.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct GroupView {
    /// The id.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The ids of its members.
    pub members: Vec<i64>,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.0,
            name: group.name,
            members: group.members.iter().map(|user| user.0).collect(),
        }
    }
}

/// A collection: a top folder of the inbox.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CollectionView {
    /// The id.
    pub id: i64,
    /// The name of the folder in the inbox.
    pub name: String,
    /// Whether sentences may be generated below the quotes.
    pub allow_generation: bool,
    /// The ids of the groups that may read it.
    pub readers: Vec<i64>,
    /// The folder on the disk of the appliance.
    pub folder: String,
}

/// How the files of a collection are read.
#[derive(Clone, Debug, Default)]
pub struct CollectionReading {
    /// The languages of scanned pages. `None` leaves them as they are.
    pub languages: Option<Vec<String>>,
    /// The passwords of protected files. `None` leaves them as they are.
    pub passwords: Option<Vec<String>>,
}

impl App {
    /// Lists the groups.
    pub async fn groups(&self) -> Result<Vec<GroupView>> {
        let groups = self.store.groups().await?;
        Ok(groups.into_iter().map(GroupView::from).collect())
    }

    /// Adds a group.
    pub async fn add_group(&self, caller: &Caller, name: &str) -> Result<GroupView> {
        let event = caller.event(EventKind::GroupAdded, json!({ "group": name }));
        let id = self
            .logged(event, self.store.add_group(name, self.clock.now()))
            .await?;
        Ok(self.group(id).await?.into())
    }

    /// Removes a group with its memberships and grants.
    pub async fn remove_group(&self, caller: &Caller, id: GroupId) -> Result<()> {
        let group = self.group(id).await?;
        let event = caller.event(EventKind::GroupRemoved, json!({ "group": group.name }));
        self.logged(event, self.store.remove_group(id)).await
    }

    /// Adds a person to a group.
    pub async fn join_group(&self, caller: &Caller, group: GroupId, user: UserId) -> Result<()> {
        let detail = self.membership_detail(group, user).await?;
        let event = caller.event(EventKind::GroupJoined, detail);
        self.logged(event, self.store.join_group(group, user)).await
    }

    /// Removes a person from a group.
    pub async fn leave_group(&self, caller: &Caller, group: GroupId, user: UserId) -> Result<()> {
        let detail = self.membership_detail(group, user).await?;
        let event = caller.event(EventKind::GroupLeft, detail);
        self.logged(event, self.store.leave_group(group, user))
            .await
    }

    /// Lists the collections.
    pub async fn collections(&self) -> Result<Vec<CollectionView>> {
        let collections = self.store.collections().await?;
        Ok(collections
            .into_iter()
            .map(|collection| self.collection_view(collection))
            .collect())
    }

    /// Adds a collection and creates its folder in the inbox.
    pub async fn add_collection(&self, caller: &Caller, name: &str) -> Result<CollectionView> {
        let event = caller.event(EventKind::CollectionAdded, json!({ "collection": name }));
        let id = self
            .logged(event, self.store.add_collection(name, self.clock.now()))
            .await?;
        let folder = self.inbox.join(name);
        tokio::task::spawn_blocking(move || create_shared_folder(&folder))
            .await
            .map_err(AppError::internal)?
            .map_err(AppError::internal)?;
        Ok(self.collection_view(self.collection(id).await?))
    }

    /// Sets whether sentences may be generated from the documents of a collection.
    pub async fn allow_generation(
        &self,
        caller: &Caller,
        id: CollectionId,
        allow: bool,
    ) -> Result<CollectionView> {
        let collection = self.collection(id).await?;
        let detail = json!({ "collection": collection.name, "composed": allow });
        let event = caller.event(EventKind::CollectionChanged, detail);
        self.logged(event, self.store.set_allow_generation(id, allow))
            .await?;
        Ok(self.collection_view(self.collection(id).await?))
    }

    /// Lets a group read a collection.
    pub async fn grant(
        &self,
        caller: &Caller,
        collection: CollectionId,
        group: GroupId,
    ) -> Result<()> {
        let detail = self.grant_detail(collection, group).await?;
        let event = caller.event(EventKind::AccessGranted, detail);
        self.logged(event, self.store.grant(collection, group))
            .await
    }

    /// Revokes a grant. The next request is without it.
    pub async fn revoke(
        &self,
        caller: &Caller,
        collection: CollectionId,
        group: GroupId,
    ) -> Result<()> {
        let detail = self.grant_detail(collection, group).await?;
        let event = caller.event(EventKind::AccessRevoked, detail);
        self.logged(event, self.store.revoke(collection, group))
            .await
    }

    /// Changes how the files of a collection are read, and returns the result. Without changes,
    /// only returns it.
    pub async fn set_collection_reading(
        &self,
        caller: &Caller,
        name: &str,
        change: CollectionReading,
    ) -> Result<cloister_store::ReaderSettings> {
        let collection = self.collection_named(name).await?;
        let mut reading = self.store.reader_settings(collection.id).await?;
        if change.languages.is_none() && change.passwords.is_none() {
            return Ok(reading);
        }
        if let Some(languages) = change.languages {
            if let Some(recogniser) = self.reader.ocr() {
                recogniser
                    .check_languages(&languages)
                    .map_err(|cause| ErrorCode::Invalid.with_detail(cause))?;
            }
            reading.languages = languages;
        }
        if let Some(passwords) = change.passwords {
            reading.passwords = passwords;
        }
        let detail = json!({
            "collection": name, "languages": reading.languages,
            "passwords": reading.passwords.len(),
        });
        let event = caller.event(EventKind::CollectionChanged, detail);
        self.logged(
            event,
            self.store.set_reader_settings(collection.id, &reading),
        )
        .await?;
        Ok(reading)
    }

    /// The collection with this name.
    pub async fn collection_named(&self, name: &str) -> Result<Collection> {
        let collections = self.store.collections().await?;
        let found = collections.into_iter().find(|c| c.name == name);
        found.ok_or_else(|| {
            let detail = format!(
                "There is no collection `{name}`. `cloister collection list` lists them all"
            );
            ErrorCode::NotFound.with_detail(detail)
        })
    }

    /// The group with this name.
    pub async fn group_named(&self, name: &str) -> Result<Group> {
        let groups = self.store.groups().await?;
        let found = groups.into_iter().find(|group| group.name == name);
        found.ok_or_else(|| {
            let detail = format!("There is no group `{name}`. `cloister group add` adds one");
            ErrorCode::NotFound.with_detail(detail)
        })
    }

    pub(super) async fn collection(&self, id: CollectionId) -> Result<Collection> {
        let collections = self.store.collections().await?;
        let found = collections.into_iter().find(|c| c.id == id);
        found.ok_or_else(|| ErrorCode::NotFound.into())
    }

    async fn group(&self, id: GroupId) -> Result<Group> {
        let groups = self.store.groups().await?;
        let found = groups.into_iter().find(|group| group.id == id);
        found.ok_or_else(|| ErrorCode::NotFound.into())
    }

    fn collection_view(&self, collection: Collection) -> CollectionView {
        CollectionView {
            id: collection.id.0,
            folder: self.inbox.join(&collection.name).display().to_string(),
            name: collection.name,
            allow_generation: collection.allow_generation,
            readers: collection.readers.iter().map(|group| group.0).collect(),
        }
    }

    async fn membership_detail(&self, group: GroupId, user: UserId) -> Result<Value> {
        let (group, user) = (self.group(group).await?, self.user(user).await?);
        Ok(json!({ "group": group.name, "user": user.name }))
    }

    async fn grant_detail(&self, collection: CollectionId, group: GroupId) -> Result<Value> {
        let (collection, group) = (self.collection(collection).await?, self.group(group).await?);
        Ok(json!({ "collection": collection.name, "group": group.name }))
    }
}
