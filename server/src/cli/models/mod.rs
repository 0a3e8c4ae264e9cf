//! `cloister models`: one file for each command.

mod activate;
mod add;
mod bench;
mod list;
mod make;
mod plan;

use crate::config::Config;
use clap::Subcommand;
use cloister_index::Worse;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// List, check, add, measure and choose models.
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
    /// Copy a GGUF file, or the folder of an encoder, into `paths.models` and describe
    /// it in a manifest.
    Add(add::Add),
    /// Say what memory a GGUF file takes, and which context fits, without loading it.
    Plan(plan::Plan),
    /// Use this model from the next start on. An embedder then makes the vectors of all passages
    /// aside, while the one before answers, and takes its place unless it finds less.
    Activate {
        /// Its folder in `paths.models`.
        folder: String,
        /// Take an embedder even if it finds less than the one before.
        #[arg(long)]
        even_if_worse: bool,
    },
    /// Undo the last activation.
    Rollback,
    /// Make a GGUF file of fewer bits of one in floats, or of a folder of safetensors.
    Quantize(make::Quantize),
    /// Measure a GGUF file.
    Bench(bench::Bench),
    /// Make a GGUF file of random weights, to measure a size before having such a model.
    Synth(make::Synth),
}

pub fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    let models = &config.paths.models;
    match command {
        Command::List { json } => return list::run(config, false, *json),
        Command::Verify { json } => return list::run(config, true, *json),
        Command::Add(add) => add::run(add, models)?,
        Command::Plan(plan) => plan::run(plan)?,
        Command::Activate {
            folder,
            even_if_worse,
        } => activate::run(folder, Worse::of(*even_if_worse), config)?,
        Command::Rollback => activate::undo(config)?,
        Command::Quantize(quantize) => make::quantize(quantize)?,
        Command::Bench(bench) => bench::run(bench)?,
        Command::Synth(synth) => make::synth(synth)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The folders of models, sorted.
fn folders(models: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(models).map_err(|cause| {
        anyhow::anyhow!(
            "the models' folder `{}` cannot be read: {cause}. `make models` makes it",
            models.display()
        )
    })?;
    let mut folders: Vec<PathBuf> = listed
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests;
