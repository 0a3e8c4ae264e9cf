//! Runs the command of the command line.

use super::arguments::{Arguments, Command, OutputFormat, Task};
use super::commands::audit::AuditCommand;
use super::commands::{
    access, ask, audit, backup, config, directory, doctor, index, ingest, models, people, serve,
};
use super::operator::Operator;
use super::output::OutputSink;
use super::{console, control_socket};
use crate::app::{AppState, Caller};
use crate::private_files;
use clap::Parser;
use cloister_config::Config;
use serde_json::json;
use std::process::ExitCode;

/// Parses the command line and runs its command.
pub fn run() -> ExitCode {
    match run_command(Arguments::parse()) {
        Ok(code) => code,
        Err(cause) => {
            console::error(&cause);
            ExitCode::FAILURE
        }
    }
}

fn run_command(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let file = arguments.config;
    let command = match arguments.command {
        Command::Config(command) => return config::run(&command, file.as_deref()),
        Command::Openapi => {
            console::line(&crate::http::openapi_document().to_pretty_json()?);
            return Ok(ExitCode::SUCCESS);
        }
        command @ (Command::Serve
        | Command::Doctor(_)
        | Command::Directory(_)
        | Command::Models(_)
        | Command::Task(_)) => command,
    };
    let config = Config::load(file.as_deref(), settings_in_environment())?;
    for deprecation in &config.deprecations {
        console::note(&format!("warning: {deprecation}"));
    }
    match command {
        Command::Serve => serve::run(config),
        Command::Doctor(format) => doctor::run(&config, format),
        Command::Directory(command) => directory::run(command, &config),
        Command::Models(command) => {
            // Another user than this one may serve the models.
            private_files::allow_others_to_read_new_files();
            models::run(&command, &config)
        }
        Command::Task(Task::Audit(AuditCommand::Recover { reason })) => {
            audit::recover(&config, &reason)
        }
        Command::Task(Task::Backup(command)) => match backup::run_alone(&command, &config) {
            Some(done) => done,
            None => control_socket::run_task(Task::Backup(command), config),
        },
        Command::Task(task) => control_socket::run_task(with_local_input(task)?, config),
        Command::Config(_) | Command::Openapi => Ok(ExitCode::SUCCESS),
    }
}

/// The environment variables that are settings.
pub fn settings_in_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars().filter(|(name, _)| name != "CLOISTER_CONFIG" && name != "CLOISTER_LOG")
}

/// The task with the contents of its files and with its passwords. They are read here, because the
/// appliance may not read the person's files, and others could list a password in an argument.
fn with_local_input(mut task: Task) -> anyhow::Result<Task> {
    match &mut task {
        Task::Audit(command) => command.read_files()?,
        Task::Collection(command) => command.read_files()?,
        Task::User(command) => command.read_password()?,
        Task::Ingest(_)
        | Task::Search(_)
        | Task::Ask(_)
        | Task::Group(_)
        | Task::Backup(_)
        | Task::Index(_)
        | Task::SetupLink(_)
        | Task::Confinement(_) => {}
    }
    Ok(task)
}

/// Runs a task for an operator and returns its exit status.
pub async fn run_task(
    app: &AppState,
    operator: &Operator,
    task: Task,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    let caller = &Caller::console(&operator.to_string());
    match task {
        Task::Ingest(task) => ingest::run(app, caller, task, output).await,
        Task::Search(task) => ask::search(app, caller, task, output).await,
        Task::Ask(task) => ask::ask(app, caller, task, output).await,
        Task::User(task) => people::run(app, caller, task, output).await,
        Task::Group(task) => access::run_group(app, caller, task, output).await,
        Task::Collection(task) => access::run_collection(app, caller, task, output).await,
        Task::Audit(task) => audit::run(app, caller, task, output).await,
        Task::Backup(task) => backup::run(app, caller, task, output).await,
        Task::Index(task) => index::run(app, caller, task, output).await,
        Task::SetupLink(format) => setup_link(app, caller, format, output).await,
        Task::Confinement(_) => doctor::report_from_inside(app, output).await,
    }
}

async fn setup_link(
    app: &AppState,
    caller: &Caller,
    format: OutputFormat,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    let Some(link) = app.new_setup_link(caller).await? else {
        anyhow::bail!(
            "there are people already. An administrator adds more in the browser, or \
             `cloister user add` does here"
        );
    };
    let value = json!({ "link": link });
    output.result(format.json, value, link).await;
    Ok(0)
}
