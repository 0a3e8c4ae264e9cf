//! The arguments of the command line.

use super::commands::{
    access, ask, audit, backup, config, directory, index, ingest, models, people,
};
use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Answers the questions of your staff from your own documents, inside your own walls.
#[derive(Parser)]
#[command(version, propagate_version = true)]
pub struct Arguments {
    /// The settings file. Without it, the defaults apply; `cloister config show` prints them.
    #[arg(long, global = true, env = "CLOISTER_CONFIG")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

/// A command.
#[derive(Subcommand)]
pub enum Command {
    /// Serve the interface, watch the inbox and answer questions.
    Serve,
    /// Show what confines the appliance, and try to break out.
    Doctor(OutputFormat),
    /// Check or show the settings.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// List, add, activate and measure models.
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Check the connection to the directory of the site.
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// Print the OpenAPI description of the API.
    Openapi,
    #[command(flatten)]
    Task(Task),
}

/// A command that works on the data of the appliance.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum Task {
    /// Ingest the inbox, and wait until every file is searchable or quarantined.
    Ingest(ingest::Ingest),
    /// Search as a person.
    Search(ask::Search),
    /// Ask a question as a person.
    Ask(ask::Ask),
    /// Add and list people, and set passwords.
    #[command(subcommand)]
    User(people::UserCommand),
    /// Add and list groups and their members.
    #[command(subcommand)]
    Group(access::GroupCommand),
    /// Add and list collections, and grant them to groups.
    #[command(subcommand)]
    Collection(access::CollectionCommand),
    /// List and verify the audit log, and replay answers.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Make, check and restore backups.
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Show, rebuild or roll back the index.
    #[command(subcommand)]
    Index(index::IndexCommand),
    /// Print a new one-time link for the first administrator.
    SetupLink(OutputFormat),
    /// Report how the running appliance is confined. Used by `doctor`.
    #[command(hide = true)]
    Confinement(OutputFormat),
}

/// The format of the output.
#[derive(Clone, Copy, Debug, Default, Args, Serialize, Deserialize)]
pub struct OutputFormat {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
