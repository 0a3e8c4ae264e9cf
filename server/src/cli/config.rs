//! `cloister config`.

use super::commands::settings_in_environment;
use super::console;
use crate::config::Config;
use clap::Subcommand;
use std::path::Path;
use std::process::ExitCode;

/// Check or show the settings.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say whether the settings are valid.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the documented defaults, to be copied and changed.
    Show,
}

pub fn run(command: &Command, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show => console::line(include_str!("../../cloister.toml").trim_end()),
        Command::Check { json } => {
            let checked = Config::load(file, settings_in_environment());
            if *json {
                let cause = checked.as_ref().err().map(ToString::to_string);
                let report = serde_json::json!({ "valid": cause.is_none(), "error": cause });
                console::line(&report.to_string());
                return Ok(ExitCode::from(u8::from(checked.is_err())));
            }
            let config = checked?;
            console::line(&format!(
                "the settings are valid: https://{}, data in `{}`, inbox `{}`, models in `{}`",
                config.server.address,
                config.paths.data.display(),
                config.paths.inbox.display(),
                config.paths.models.display()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
