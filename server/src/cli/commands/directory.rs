//! `cloister directory`: checks the connection to the directory of the site.

use crate::cli::arguments::OutputFormat;
use crate::cli::console;
use clap::Subcommand;
use cloister_config::{Config, components};
use cloister_directory::{Answer, CheckStep, Inquiry, StartedConnector};
use serde_json::json;
use std::process::ExitCode;

/// A command about the directory.
#[derive(Subcommand)]
pub enum DirectoryCommand {
    /// Take each step to the directory, and say what to do about the first that fails.
    Check {
        /// A person to look for.
        name: Option<String>,
        #[command(flatten)]
        format: OutputFormat,
    },
}

/// Runs a command.
pub fn run(command: DirectoryCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let DirectoryCommand::Check { name, format } = command;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let steps = runtime.block_on(check(config, name))?;
    let all_ok = steps.iter().all(|step| step.advice.is_none());
    if format.json {
        console::line(&json!({ "ok": all_ok, "steps": steps }).to_string());
    } else {
        steps.iter().for_each(print_step);
    }
    Ok(ExitCode::from(u8::from(!all_ok)))
}

async fn check(config: &Config, name: Option<String>) -> anyhow::Result<Vec<CheckStep>> {
    let Some(settings) = components::directory_settings(config)? else {
        anyhow::bail!(
            "the directory is switched off. Enable `[directory]` in a copy of policies/egress.toml, \
             and name that file in the setting `paths.egress`"
        );
    };
    let started = StartedConnector::start(&components::connector_program()?)?;
    let client = started.connect(&settings).await?;
    let answer = client.ask(Inquiry::Check { name }).await?;
    let Answer::Checked(steps) = answer else {
        anyhow::bail!("the connector answered something else: {answer:?}");
    };
    Ok(steps)
}

fn print_step(step: &CheckStep) {
    let (mark, text) = match (&step.found, &step.advice) {
        (Some(found), None) => ("ok  ", found.as_str()),
        (_, advice) => ("FAIL", advice.as_deref().unwrap_or_default()),
    };
    console::line(&format!("{mark}  {}: {text}", step.what));
}
