//! `cloister models`, one file for each command.

mod activate;
mod add;
mod bench;
mod compare;
mod list;
mod plan;
mod quantize;
#[cfg(test)]
mod tests;

use clap::Subcommand;
use cloister_config::{Config, components};
use cloister_index::Regression;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// List, verify, add, activate and measure models.
#[derive(Clone, Debug, Subcommand)]
pub enum ModelsCommand {
    /// List the models in `paths.models`.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare the files of every model with its manifest.
    Verify {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Copy a GGUF file or the folder of an encoder into `paths.models`, with a manifest.
    Add(add::AddModel),
    /// Show the memory that a GGUF file needs, and the context that fits, without loading it.
    Plan(plan::PlanModel),
    /// Activate a model after the next start. An embedder first embeds all passages in the
    /// background, and replaces the present one unless it finds less.
    Activate {
        /// The folder in `paths.models`.
        folder: String,
        /// Replace the present embedder even if the new one finds less.
        #[arg(long)]
        even_if_worse: bool,
    },
    /// Undo the last activation.
    Rollback,
    /// Compare embedders on the site's own passages by language, and propose a better one.
    Compare(compare::CompareEmbedders),
    /// Write a quantized GGUF file from a GGUF file with floats or from a folder of safetensors.
    Quantize(quantize::Quantize),
    /// Measure the speed and memory of a GGUF file.
    Bench(bench::BenchModel),
    /// Write a GGUF file with random weights, to measure a model size.
    Synth(quantize::Synth),
}

/// Runs the command.
pub fn run(command: &ModelsCommand, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        ModelsCommand::List { json } => return list::run(config, false, *json),
        ModelsCommand::Verify { json } => return list::run(config, true, *json),
        ModelsCommand::Add(arguments) => add::run(arguments, &config.paths.models)?,
        ModelsCommand::Plan(arguments) => plan::run(arguments)?,
        ModelsCommand::Activate {
            folder,
            even_if_worse,
        } => activate::activate(folder, Regression::accepted_if(*even_if_worse), config)?,
        ModelsCommand::Rollback => activate::roll_back(config)?,
        ModelsCommand::Compare(arguments) => compare::run(arguments, config)?,
        ModelsCommand::Quantize(arguments) => quantize::quantize(arguments)?,
        ModelsCommand::Bench(arguments) => bench::run(arguments)?,
        ModelsCommand::Synth(arguments) => quantize::synth(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The folders of models, sorted. Those of word lists are none.
fn model_folders(models: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(models).map_err(|cause| {
        anyhow::anyhow!(
            "could not read the models folder `{}`: {cause}. `make models` creates it",
            models.display()
        )
    })?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && !components::has_word_lists(path))
        .collect();
    folders.sort();
    Ok(folders)
}
