//! `cloister config`.

use crate::cli::console;
use crate::cli::dispatch::settings_in_environment;
use clap::Subcommand;
use cloister_config::{Config, settings};
use std::path::Path;
use std::process::ExitCode;

/// Check or show the settings.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check whether the settings are valid.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the documented defaults.
    Show,
}

/// Runs the command.
pub fn run(command: &ConfigCommand, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Show => {
            console::line(settings::DEFAULTS.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Check { json } => check(file, *json),
    }
}

fn check(file: Option<&Path>, as_json: bool) -> anyhow::Result<ExitCode> {
    let loaded = Config::load(file, settings_in_environment());
    if as_json {
        let error = loaded.as_ref().err().map(ToString::to_string);
        let is_valid = error.is_none();
        let deprecations: Vec<String> = loaded
            .iter()
            .flat_map(|config| &config.deprecations)
            .map(ToString::to_string)
            .collect();
        let report =
            serde_json::json!({ "valid": is_valid, "error": error, "warnings": deprecations });
        console::line(&report.to_string());
        return Ok(ExitCode::from(u8::from(!is_valid)));
    }
    let config = loaded?;
    for deprecation in &config.deprecations {
        console::note(&format!("warning: {deprecation}"));
    }
    console::line(&format!(
        "the settings are valid: https://{}, data in `{}`, inbox `{}`, models in `{}`",
        config.server.address,
        config.paths.data.display(),
        config.paths.inbox.display(),
        config.paths.models.display()
    ));
    Ok(ExitCode::SUCCESS)
}
