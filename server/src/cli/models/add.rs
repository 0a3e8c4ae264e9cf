//! `cloister models add`.

use crate::cli::console;
use anyhow::Context;
use cloister_inference::{
    CrossEncoder, EntailmentEncoder, LlamaGguf, ModelKind, ModelManifest, SentenceEncoder, Weights,
    describe_encoder,
};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub struct Add {
    /// A GGUF file, or the folder of an embedder, a reranker or a model of entailment: `config.json`, `tokenizer.json` and
    /// `model.safetensors`, as sentence-transformers writes them.
    pub(super) source: PathBuf,
    /// The folder to make in `paths.models`; the file's name without its ending, if not given.
    #[arg(long)]
    pub(super) folder: Option<String>,
    /// Its licence as an SPDX expression, where the file does not say it.
    #[arg(long)]
    pub(super) licence: Option<String>,
    /// What it is fit for, in one sentence.
    #[arg(long, default_value = "not yet assessed by anybody here")]
    pub(super) fitness: String,
    /// Keep an embedder's matrices in eight bits: faster, for vectors that differ a little.
    #[arg(long)]
    pub(super) int8: bool,
}

pub fn run(add: &Add, models: &Path) -> anyhow::Result<()> {
    let described = if add.source.is_dir() {
        describe_encoder(&add.source)?
    } else {
        LlamaGguf::describe(&add.source)?
    };
    let name = add.folder.clone().map_or_else(|| stem(&add.source), Ok)?;
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
        weights: if add.int8 {
            Weights::Int8
        } else {
            described.weights
        },
        ..described
    };
    let outcome = fill(&add.source, &folder, &manifest);
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

/// Copies the files and makes sure that what was copied is what was described, and can be opened.
fn fill(source: &Path, folder: &Path, manifest: &ModelManifest) -> anyhow::Result<()> {
    if source.is_dir() {
        for name in manifest.companions.keys().chain([&manifest.file]) {
            copy(&source.join(name), &folder.join(name))?;
        }
    } else {
        copy(source, &folder.join(&manifest.file))?;
    }
    manifest.write(folder)?;
    manifest.verify(folder)?;
    match manifest.kind {
        ModelKind::Embedder => drop(SentenceEncoder::open(folder)?),
        ModelKind::Reranker => drop(CrossEncoder::open(folder)?),
        ModelKind::Entailment => drop(EntailmentEncoder::open(folder)?),
        // Its head was read when it was described; all of it may be more than is free now.
        ModelKind::Generator => {}
    }
    Ok(())
}

fn copy(source: &Path, target: &Path) -> anyhow::Result<()> {
    std::fs::copy(source, target)
        .with_context(|| format!("`{}` cannot be written", target.display()))?;
    std::fs::File::open(target)?.sync_all()?;
    Ok(())
}

fn stem(file: &Path) -> anyhow::Result<String> {
    let stem = file.file_stem().context("the file has no name")?;
    Ok(stem.to_string_lossy().to_lowercase())
}
