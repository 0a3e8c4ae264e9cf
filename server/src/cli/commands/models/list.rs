//! `cloister models list` and `verify`.

use super::model_folders;
use crate::cli::console;
use cloister_config::{Config, ModelSelection};
use cloister_inference::ModelManifest;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Prints all models. With `verify`, compares their files with their manifests.
pub fn run(config: &Config, verify: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    let selection = ModelSelection::load(config)?;
    let mut all_ok = true;
    for folder in model_folders(&config.paths.models)? {
        let name = folder.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let is_active = [
            &selection.embedder,
            &selection.generator,
            &selection.reranker,
            &selection.nli,
        ]
        .contains(&&name);
        let checked = check_model(&folder, verify);
        all_ok &= checked.is_ok();
        if as_json {
            let (manifest, problem) = match checked {
                Ok(manifest) => (Some(manifest), None),
                Err(problem) => (None, Some(problem)),
            };
            let report = json!({
                "folder": name, "active": is_active, "manifest": manifest, "problem": problem,
            });
            console::line(&report.to_string());
        } else {
            let mark = if is_active { "* " } else { "  " };
            console::line(&format!("{mark}{name}: {}", describe(checked, verify)));
        }
    }
    Ok(ExitCode::from(u8::from(!all_ok)))
}

fn check_model(folder: &Path, verify: bool) -> Result<ModelManifest, String> {
    let manifest = ModelManifest::load(folder).map_err(|cause| cause.to_string())?;
    if verify {
        manifest.verify(folder).map_err(|cause| cause.to_string())?;
    }
    Ok(manifest)
}

fn describe(checked: Result<ModelManifest, String>, verified: bool) -> String {
    let manifest = match checked {
        Ok(manifest) => manifest,
        Err(problem) => return problem,
    };
    let state = if verified {
        "the files match the manifest"
    } else {
        &manifest.fitness
    };
    format!(
        "{} ({}, {} parameters): {state}",
        manifest.name, manifest.licence, manifest.parameters
    )
}
