//! `cloister models add`.

use crate::cli::console;
use anyhow::Context;
use cloister_inference::{
    CrossEncoder, GgufGenerator, ModelKind, ModelManifest, NliEncoder, SentenceEncoder,
    WeightFormat, describe_encoder, general_backend_note,
};
use std::path::{Path, PathBuf};

/// The arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct AddModel {
    /// A GGUF file, or the folder of an embedder, a reranker or an NLI model with `config.json`,
    /// `tokenizer.json` and `model.safetensors`, as sentence-transformers writes them.
    pub(super) source: PathBuf,
    /// The folder to create in `paths.models`. Without it, the name of the source is used.
    #[arg(long)]
    pub(super) folder: Option<String>,
    /// The licence as an SPDX expression, if the file does not name it.
    #[arg(long)]
    pub(super) licence: Option<String>,
    /// What the model is fit for, in one sentence.
    #[arg(long, default_value = "not assessed yet")]
    pub(super) fitness: String,
    /// Store the weights of an embedder in eight bits: faster, with slightly different vectors.
    #[arg(long)]
    pub(super) int8: bool,
}

/// Copies a model into the models folder with a manifest.
pub fn run(arguments: &AddModel, models: &Path) -> anyhow::Result<()> {
    let source = &arguments.source;
    let described = if source.is_dir() {
        describe_encoder(source)?
    } else {
        GgufGenerator::describe(source)?
    };
    let name = match &arguments.folder {
        Some(name) => name.clone(),
        None => default_name(source)?,
    };
    let is_folder_name = Path::new(&name)
        .file_name()
        .is_some_and(|last| last == name.as_str());
    anyhow::ensure!(is_folder_name, "`{name}` is not the name of a folder");
    let manifest = ModelManifest {
        licence: arguments
            .licence
            .clone()
            .unwrap_or_else(|| described.licence.clone()),
        fitness: arguments.fitness.clone(),
        weights: if arguments.int8 {
            WeightFormat::Int8
        } else {
            described.weights
        },
        ..described
    };
    let folder = models.join(&name);
    std::fs::create_dir(&folder)
        .with_context(|| format!("could not create the folder `{}`", folder.display()))?;
    if let Err(cause) = copy_model(source, &folder, &manifest) {
        // An incomplete model would block the next try.
        drop(std::fs::remove_dir_all(&folder));
        return Err(cause);
    }
    console::line(&format!(
        "added {name}: {} ({}, {}, {} parameters). `cloister models activate {name}` activates it",
        manifest.name, manifest.architecture, manifest.licence, manifest.parameters
    ));
    if let Some(note) = general_backend_note(&manifest.architecture) {
        console::note(&format!("warning: {note}"));
    }
    Ok(())
}

/// Copies the files, and checks that the copies match the manifest and can be opened.
fn copy_model(source: &Path, folder: &Path, manifest: &ModelManifest) -> anyhow::Result<()> {
    if source.is_dir() {
        for name in manifest.companions.keys().chain([&manifest.file]) {
            copy_file(&source.join(name), &folder.join(name))?;
        }
    } else {
        copy_file(source, &folder.join(&manifest.file))?;
    }
    manifest.save(folder)?;
    manifest.verify(folder)?;
    match manifest.kind {
        ModelKind::Embedder => drop(SentenceEncoder::open(folder)?),
        ModelKind::Reranker => drop(CrossEncoder::open(folder)?),
        ModelKind::Nli => drop(NliEncoder::open(folder)?),
        // Its header was read already. All of it may need more memory than is free now.
        ModelKind::Generator => {}
    }
    Ok(())
}

fn copy_file(source: &Path, target: &Path) -> anyhow::Result<()> {
    std::fs::copy(source, target)
        .with_context(|| format!("could not write `{}`", target.display()))?;
    std::fs::File::open(target)?.sync_all()?;
    Ok(())
}

/// The name of a file without its extension, in lower case.
fn default_name(file: &Path) -> anyhow::Result<String> {
    let stem = file.file_stem().context("the file has no name")?;
    Ok(stem.to_string_lossy().to_lowercase())
}
