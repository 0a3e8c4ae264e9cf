//! What can be typed.

use super::{config, control, doctor, eval, index, models, people, serve};
use crate::config::Config;
use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::ExitCode;

/// Answers the questions of your staff from your own documents, inside your own walls.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    /// The settings file. Without it the defaults hold; `cloister config show` prints them.
    #[arg(long, global = true, env = "CLOISTER_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the interface, watch the inbox, answer questions.
    Serve,
    /// Show what confines this program, and try to get out.
    Doctor(Json),
    /// Check or show the settings.
    #[command(subcommand)]
    Config(config::Command),
    /// List or check the models.
    #[command(subcommand)]
    Models(models::Command),
    /// Measure a step of the appliance on files of yours.
    #[command(subcommand)]
    Eval(eval::Command),
    /// Show, rebuild or try out the indexes.
    #[command(subcommand)]
    Index(index::Command),
    /// Print the API's description.
    Openapi,
    #[command(flatten)]
    Task(Task),
}

/// What works on the appliance's data.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum Task {
    /// Take in what lies in the inbox, and wait until all of it is searchable or set aside.
    Ingest(super::ingest::Ingest),
    /// Find passages.
    Search(super::ask::Search),
    /// Ask a question.
    Ask(super::ask::Ask),
    /// Add and list people, set passwords.
    #[command(subcommand)]
    User(people::Command),
    /// Add and list groups, and who belongs to them.
    #[command(subcommand)]
    Group(super::access::GroupCommand),
    /// Add and list collections, grant them to groups.
    #[command(subcommand)]
    Collection(super::access::CollectionCommand),
    /// List and verify the audit log.
    #[command(subcommand)]
    Audit(super::audit::Command),
    /// Show or rebuild the indexes: typed as a [`index::Command`], some of which are no tasks.
    #[command(skip)]
    Index(index::Task),
    /// Print a new one-time link that makes the first administrator.
    SetupLink(Json),
    /// What the running appliance says of its own confinement.
    #[command(hide = true)]
    Confinement(Json),
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, Default, Args, Serialize, Deserialize)]
pub struct Json {
    /// Print JSON, for a program to read.
    #[arg(long)]
    pub json: bool,
}

/// Does what was typed.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(arguments) {
        Ok(code) => code,
        Err(cause) => {
            super::console::error(&cause);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let file = arguments.config;
    if let Command::Config(command) = arguments.command {
        return config::run(&command, file.as_deref());
    }
    if let Command::Openapi = arguments.command {
        super::console::line(&crate::api::openapi_document().to_pretty_json()?);
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load(file.as_deref(), settings_in_environment())?;
    match arguments.command {
        Command::Serve => serve::run(config),
        Command::Doctor(output) => doctor::run(&config, output),
        Command::Models(command) => models::run(&command, &config),
        Command::Eval(command) => eval::run(&command, &config),
        Command::Index(index::Command::Trial(trial)) => index::run_trial(&trial),
        Command::Index(index::Command::Task(task)) => control::perform(Task::Index(task), config),
        Command::Task(mut task) => {
            if let Task::Audit(command) = &mut task {
                command.read_files()?;
            }
            if let Task::Collection(command) = &mut task {
                command.read_files()?;
            }
            control::perform(people::ask_passwords(task)?, config)
        }
        Command::Config(_) | Command::Openapi => Ok(ExitCode::SUCCESS),
    }
}

/// The variables that are settings. `CLOISTER_CONFIG` names the file and is none.
pub fn settings_in_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars().filter(|(name, _)| name != "CLOISTER_CONFIG" && name != "CLOISTER_LOG")
}
