//! `cloister models`.

use super::console;
use crate::config::Config;
use clap::Subcommand;
use cloister_inference::ModelManifest;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// List or check the models.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List the models in `paths.models`.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare every model's bytes with its manifest.
    Verify {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    let (verify, as_json) = match command {
        Command::List { json } => (false, *json),
        Command::Verify { json } => (true, *json),
    };
    let mut sound = true;
    for folder in folders(config)? {
        let manifest = ModelManifest::read(&folder);
        let checked = match &manifest {
            Ok(manifest) if verify => manifest.verify(&folder).err().map(|e| e.to_string()),
            Ok(_) => None,
            Err(cause) => Some(cause.to_string()),
        };
        sound &= checked.is_none();
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if as_json {
            let report = json!({ "folder": name, "manifest": manifest.ok(), "problem": checked });
            console::line(&report.to_string());
        } else {
            console::line(&describe(
                &name,
                manifest.ok().as_ref(),
                checked.as_deref(),
                verify,
            ));
        }
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn describe(
    folder: &str,
    manifest: Option<&ModelManifest>,
    problem: Option<&str>,
    verified: bool,
) -> String {
    match (manifest, problem) {
        (_, Some(problem)) => format!("{folder}: {problem}"),
        (Some(m), None) => {
            let state = if verified {
                "the bytes are those of the manifest"
            } else {
                &m.fitness
            };
            format!(
                "{folder}: {} ({}, {} parameters): {state}",
                m.name, m.licence, m.parameters
            )
        }
        (None, None) => folder.to_owned(),
    }
}

fn folders(config: &Config) -> anyhow::Result<Vec<PathBuf>> {
    let path = &config.paths.models;
    let listed = std::fs::read_dir(path).map_err(|cause| {
        anyhow::anyhow!(
            "the models' folder `{}` cannot be read: {cause}. `make models` makes it",
            path.display()
        )
    })?;
    let mut folders: Vec<PathBuf> = listed
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|p| p.is_dir())
        .collect();
    folders.sort();
    Ok(folders)
}
