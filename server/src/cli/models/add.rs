//! `cloister models add`.

use crate::cli::console;
use anyhow::Context;
use cloister_inference::{LlamaGguf, ModelManifest};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub struct Add {
    /// The GGUF file.
    pub(super) file: PathBuf,
    /// The folder to make in `paths.models`; the file's name without its ending, if not given.
    #[arg(long)]
    pub(super) folder: Option<String>,
    /// Its licence as an SPDX expression, where the file does not say it.
    #[arg(long)]
    pub(super) licence: Option<String>,
    /// What it is fit for, in one sentence.
    #[arg(long, default_value = "not yet assessed by anybody here")]
    pub(super) fitness: String,
}

pub fn run(add: &Add, models: &Path) -> anyhow::Result<()> {
    let described = LlamaGguf::describe(&add.file)?;
    let name = add.folder.clone().map_or_else(|| stem(&add.file), Ok)?;
    let folder = models.join(&name);
    let plain = Path::new(&name)
        .file_name()
        .is_some_and(|last| last == name.as_str());
    anyhow::ensure!(plain, "`{name}` is not the name of a folder");
    std::fs::create_dir(&folder)
        .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
    let manifest = ModelManifest {
        licence: add
            .licence
            .clone()
            .unwrap_or_else(|| described.licence.clone()),
        fitness: add.fitness.clone(),
        ..described
    };
    let outcome = fill(&add.file, &folder, &manifest);
    if outcome.is_err() {
        // A folder that is half a model would only be in the way of the next try.
        drop(std::fs::remove_dir_all(&folder));
    }
    outcome?;
    console::line(&format!(
        "{name}: {} ({}, {}, {} parameters) was added. `cloister models activate {name}` uses it",
        manifest.name, manifest.architecture, manifest.licence, manifest.parameters
    ));
    Ok(())
}

/// Copies the file and makes sure that what was copied is what was described.
fn fill(file: &Path, folder: &Path, manifest: &ModelManifest) -> anyhow::Result<()> {
    let target = folder.join(&manifest.file);
    std::fs::copy(file, &target)
        .with_context(|| format!("`{}` cannot be written", target.display()))?;
    std::fs::File::open(&target)?.sync_all()?;
    manifest.write(folder)?;
    manifest.verify(folder)?;
    Ok(())
}

fn stem(file: &Path) -> anyhow::Result<String> {
    let stem = file.file_stem().context("the file has no name")?;
    Ok(stem.to_string_lossy().to_lowercase())
}
