//! `cloister group` and `cloister collection`.

use super::act::{console_event, line, result};
use super::control::Saying;
use super::people::named;
use crate::app::AppState;
use anyhow::Context;
use clap::Subcommand;
use cloister_audit::EventKind;
use cloister_store::{Collection, Group};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Add and list groups, and who belongs to them.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum GroupCommand {
    /// Add a group.
    Add {
        /// Its name.
        name: String,
    },
    /// Put a person into a group.
    Join {
        /// The group.
        group: String,
        /// The person.
        user: String,
    },
    /// List groups.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Add and list collections, grant them to groups.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum CollectionCommand {
    /// Add a collection and make its folder in the inbox.
    Add {
        /// The folder's name.
        name: String,
    },
    /// Let a group read a collection.
    Grant {
        /// The collection.
        collection: String,
        /// The group.
        group: String,
    },
    /// Take a grant back.
    Revoke {
        /// The collection.
        collection: String,
        /// The group.
        group: String,
    },
    /// Show or say how a collection's files are read.
    Reading {
        /// The collection.
        collection: String,
        /// Languages of its scanned pages, by tesseract's names: `deu,eng`.
        #[arg(long, value_delimiter = ',')]
        languages: Option<Vec<String>>,
        /// A file with the passwords that may open its files, one in a line; `-` is standard input.
        #[arg(long)]
        passwords: Option<String>,
        /// What that file holds.
        #[arg(skip)]
        listed: Option<Vec<String>>,
    },
    /// List collections.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run_group(app: &AppState, task: GroupCommand, say: &Saying) -> anyhow::Result<u8> {
    match task {
        GroupCommand::Add { name } => {
            let detail = json!({ "group": name });
            app.audit
                .append(console_event(EventKind::GroupAdded, detail))
                .await?;
            app.store.add_group(&name, app.clock.now()).await?;
            line(say, format!("added the group {name}")).await;
        }
        GroupCommand::Join { group, user } => {
            let (group, user) = (find_group(app, &group).await?, named(app, &user).await?);
            let detail = json!({ "group": group.name, "user": user.name });
            app.audit
                .append(console_event(EventKind::GroupJoined, detail))
                .await?;
            app.store.join_group(group.id, user.id).await?;
            line(say, format!("{} belongs to {}", user.name, group.name)).await;
        }
        GroupCommand::List { json } => {
            for group in app.store.groups().await? {
                let sentence = format!("{}: {} people", group.name, group.members.len());
                result(say, json, serde_json::to_value(&group)?, sentence).await;
            }
        }
    }
    Ok(0)
}

pub async fn run_collection(
    app: &AppState,
    task: CollectionCommand,
    say: &Saying,
) -> anyhow::Result<u8> {
    match task {
        CollectionCommand::Add { name } => {
            let detail = json!({ "collection": name });
            app.audit
                .append(console_event(EventKind::CollectionAdded, detail))
                .await?;
            app.store.add_collection(&name, app.clock.now()).await?;
            let folder = app.inbox.join(&name);
            tokio::fs::create_dir_all(&folder).await?;
            line(
                say,
                format!(
                    "added the collection {name}; drop its files in {}",
                    folder.display()
                ),
            )
            .await;
        }
        CollectionCommand::Grant { collection, group } => {
            let (collection, group) = both(app, &collection, &group).await?;
            let detail = json!({ "collection": collection.name, "group": group.name });
            app.audit
                .append(console_event(EventKind::AccessGranted, detail))
                .await?;
            app.store.grant(collection.id, group.id).await?;
            line(say, format!("{} may read {}", group.name, collection.name)).await;
        }
        CollectionCommand::Revoke { collection, group } => {
            let (collection, group) = both(app, &collection, &group).await?;
            let detail = json!({ "collection": collection.name, "group": group.name });
            app.audit
                .append(console_event(EventKind::AccessRevoked, detail))
                .await?;
            app.store.revoke(collection.id, group.id).await?;
            line(
                say,
                format!("{} may no longer read {}", group.name, collection.name),
            )
            .await;
        }
        CollectionCommand::Reading {
            collection,
            languages,
            listed,
            ..
        } => reading(app, &collection, languages, listed, say).await?,
        CollectionCommand::List { json } => list_collections(app, json, say).await?,
    }
    Ok(0)
}

impl CollectionCommand {
    /// Reads the file of passwords where this command was typed: the appliance may not reach it.
    pub fn read_files(&mut self) -> anyhow::Result<()> {
        if let Self::Reading {
            passwords: Some(file),
            listed,
            ..
        } = self
        {
            let text = if file == "-" {
                std::io::read_to_string(std::io::stdin())?
            } else {
                std::fs::read_to_string(&*file).with_context(|| format!("`{file}`"))?
            };
            let lines = text.lines().filter(|line| !line.is_empty());
            *listed = Some(lines.map(str::to_owned).collect());
        }
        Ok(())
    }
}

async fn reading(
    app: &AppState,
    name: &str,
    languages: Option<Vec<String>>,
    passwords: Option<Vec<String>>,
    say: &Saying,
) -> anyhow::Result<()> {
    let collection = find_collection(app, name).await?;
    let mut reading = app.store.reading_of(collection.id).await?;
    if languages.is_some() || passwords.is_some() {
        if let (Some(languages), Some(recogniser)) = (&languages, app.reader.recogniser()) {
            recogniser.check(languages).map_err(anyhow::Error::msg)?;
        }
        reading.languages = languages.unwrap_or(reading.languages);
        reading.passwords = passwords.unwrap_or(reading.passwords);
        let detail = json!({
            "collection": name, "languages": reading.languages,
            "passwords": reading.passwords.len(),
        });
        app.audit
            .append(console_event(EventKind::CollectionChanged, detail))
            .await?;
        app.store.set_reading_of(collection.id, &reading).await?;
    }
    let languages = if reading.languages.is_empty() {
        "those of the settings".to_owned()
    } else {
        reading.languages.join(", ")
    };
    let sentence = format!(
        "{name}: scanned pages are read as {languages}; {} passwords are tried. Files that were \
         set aside are taken up again with Retry",
        reading.passwords.len()
    );
    line(say, sentence).await;
    Ok(())
}

async fn list_collections(app: &AppState, json: bool, say: &Saying) -> anyhow::Result<()> {
    let groups = app.store.groups().await?;
    for collection in app.store.collections().await? {
        let readers: Vec<&str> = groups
            .iter()
            .filter(|group| collection.readers.contains(&group.id))
            .map(|group| group.name.as_str())
            .collect();
        let readers = if readers.is_empty() {
            "nobody".into()
        } else {
            readers.join(", ")
        };
        let sentence = format!("{}: read by {readers}", collection.name);
        result(say, json, serde_json::to_value(&collection)?, sentence).await;
    }
    Ok(())
}

async fn both(
    app: &AppState,
    collection: &str,
    group: &str,
) -> anyhow::Result<(Collection, Group)> {
    let found = find_collection(app, collection).await?;
    Ok((found, find_group(app, group).await?))
}

async fn find_collection(app: &AppState, name: &str) -> anyhow::Result<Collection> {
    let collections = app.store.collections().await?;
    let found = collections.into_iter().find(|c| c.name == name);
    found.with_context(|| {
        format!("there is no collection `{name}`. `cloister collection list` names them")
    })
}

async fn find_group(app: &AppState, name: &str) -> anyhow::Result<Group> {
    let groups = app.store.groups().await?;
    groups
        .into_iter()
        .find(|group| group.name == name)
        .with_context(|| format!("there is no group `{name}`. `cloister group list` names them"))
}
