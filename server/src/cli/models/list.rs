//! `cloister models list` and `verify`.

use super::folders;
use crate::active::Active;
use crate::cli::console;
use crate::config::Config;
use cloister_inference::ModelManifest;
use serde_json::json;
use std::process::ExitCode;

pub fn run(config: &Config, verify: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let active = Active::of(config)?;
    let mut sound = true;
    for folder in folders(&config.paths.models)? {
        let manifest = ModelManifest::read(&folder);
        let checked = match &manifest {
            Ok(manifest) if verify => manifest.verify(&folder).err().map(|e| e.to_string()),
            Ok(_) => None,
            Err(cause) => Some(cause.to_string()),
        };
        sound &= checked.is_none();
        let name = folder.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let in_use = name == active.embedder || name == active.generator;
        if as_json {
            let report = json!({
                "folder": name,
                "active": in_use,
                "manifest": manifest.ok(),
                "problem": checked,
            });
            console::line(&report.to_string());
        } else {
            let mark = if in_use { "* " } else { "  " };
            let manifest = manifest.ok();
            let text = describe(&name, manifest.as_ref(), checked.as_deref(), verify);
            console::line(&format!("{mark}{text}"));
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
