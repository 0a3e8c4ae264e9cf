//! `cloister group` and `cloister collection`.

use crate::app::{AppState, Caller, CollectionReading};
use crate::cli::output::OutputSink;
use anyhow::Context;
use clap::Subcommand;
use serde::{Deserialize, Serialize};

/// Add and list groups and their members.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum GroupCommand {
    /// Add a group.
    Add {
        /// Its name.
        name: String,
    },
    /// Add a person to a group.
    Join {
        /// The name of the group.
        group: String,
        /// The name of the person.
        user: String,
    },
    /// List the groups.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Add and list collections, and grant them to groups.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum CollectionCommand {
    /// Add a collection and create its folder in the inbox.
    Add {
        /// The name of the folder.
        name: String,
    },
    /// Let a group read a collection.
    Grant {
        /// The name of the collection.
        collection: String,
        /// The name of the group.
        group: String,
    },
    /// Revoke a grant.
    Revoke {
        /// The name of the collection.
        collection: String,
        /// The name of the group.
        group: String,
    },
    /// Show or change how the files of a collection are read.
    Reading {
        /// The name of the collection.
        collection: String,
        /// Languages of its scanned pages, by their tesseract names: `deu,eng`.
        #[arg(long, value_delimiter = ',')]
        languages: Option<Vec<String>>,
        /// A file with passwords of protected files, one per line. `-` is standard input.
        #[arg(long)]
        passwords: Option<String>,
        /// The contents of that file.
        #[arg(skip)]
        password_list: Option<Vec<String>>,
    },
    /// List the collections.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl CollectionCommand {
    /// Reads the file of passwords.
    pub fn read_files(&mut self) -> anyhow::Result<()> {
        let Self::Reading {
            passwords: Some(file),
            password_list,
            ..
        } = self
        else {
            return Ok(());
        };
        let text = if file == "-" {
            std::io::read_to_string(std::io::stdin())?
        } else {
            std::fs::read_to_string(&*file).with_context(|| format!("could not read `{file}`"))?
        };
        let lines = text.lines().filter(|line| !line.is_empty());
        *password_list = Some(lines.map(str::to_owned).collect());
        Ok(())
    }
}

/// Runs a command for groups.
pub async fn run_group(
    app: &AppState,
    caller: &Caller,
    command: GroupCommand,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    match command {
        GroupCommand::Add { name } => {
            app.add_group(caller, &name).await?;
            output.line(format!("added the group {name}")).await;
        }
        GroupCommand::Join { group, user } => {
            let group_id = app.group_named(&group).await?.id;
            let user_id = app.person_named(&user).await?.id;
            app.join_group(caller, group_id, user_id).await?;
            output.line(format!("{user} is a member of {group}")).await;
        }
        GroupCommand::List { json } => {
            for group in app.groups().await? {
                let sentence = format!("{}: {} members", group.name, group.members.len());
                output
                    .result(json, serde_json::to_value(&group)?, sentence)
                    .await;
            }
        }
    }
    Ok(0)
}

/// Runs a command for collections.
pub async fn run_collection(
    app: &AppState,
    caller: &Caller,
    command: CollectionCommand,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    match command {
        CollectionCommand::Add { name } => {
            let folder = app.add_collection(caller, &name).await?.folder;
            let sentence = format!("added the collection {name}; drop its files in {folder}");
            output.line(sentence).await;
        }
        CollectionCommand::Grant { collection, group } => {
            let collection_id = app.collection_named(&collection).await?.id;
            let group_id = app.group_named(&group).await?.id;
            app.grant(caller, collection_id, group_id).await?;
            output.line(format!("{group} may read {collection}")).await;
        }
        CollectionCommand::Revoke { collection, group } => {
            let collection_id = app.collection_named(&collection).await?.id;
            let group_id = app.group_named(&group).await?.id;
            app.revoke(caller, collection_id, group_id).await?;
            let sentence = format!("{group} may no longer read {collection}");
            output.line(sentence).await;
        }
        CollectionCommand::Reading {
            collection,
            languages,
            password_list,
            ..
        } => {
            let change = CollectionReading {
                languages,
                passwords: password_list,
            };
            set_reading(app, caller, &collection, change, output).await?;
        }
        CollectionCommand::List { json } => list_collections(app, json, output).await?,
    }
    Ok(0)
}

async fn set_reading(
    app: &AppState,
    caller: &Caller,
    collection: &str,
    change: CollectionReading,
    output: &OutputSink,
) -> anyhow::Result<()> {
    let reading = app
        .set_collection_reading(caller, collection, change)
        .await?;
    let languages = if reading.languages.is_empty() {
        "the languages of the settings".to_owned()
    } else {
        reading.languages.join(", ")
    };
    let sentence = format!(
        "{collection}: scanned pages are recognised in {languages}; {} passwords are tried. Retry \
         quarantined files to read them again",
        reading.passwords.len()
    );
    output.line(sentence).await;
    Ok(())
}

async fn list_collections(
    app: &AppState,
    as_json: bool,
    output: &OutputSink,
) -> anyhow::Result<()> {
    let groups = app.groups().await?;
    for collection in app.collections().await? {
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
        output
            .result(as_json, serde_json::to_value(&collection)?, sentence)
            .await;
    }
    Ok(())
}
