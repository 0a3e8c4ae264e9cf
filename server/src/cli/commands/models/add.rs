//! `cloister models add`.

use crate::cli::console;
use anyhow::Context;
use cloister_inference::{
    CrossEncoder, GgufGenerator, ModelKind, ModelManifest, NliEncoder, Pooling, Prefixes,
    SentenceEncoder, StatedEncoder, TokenClassifier, WeightFormat, convert_gguf, describe_encoder,
    general_backend_note, is_known_embedder, name_without_piece, needs_conversion,
};
use std::path::{Path, PathBuf};

/// The arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct AddModel {
    /// A GGUF file, or the folder of an embedder, a reranker, an NLI model or a token classifier with
    /// `config.json`, `tokenizer.json` and `model.safetensors`, as sentence-transformers writes them.
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
    /// How an embedder reduces the vectors of its tokens to one, if its folder does not say.
    #[arg(long, value_enum)]
    pub(super) pooling: Option<StatedPooling>,
    /// What an embedder expects before a question, such as `query: `.
    #[arg(long)]
    pub(super) question_prefix: Option<String>,
    /// What an embedder expects before a passage, such as `passage: `.
    #[arg(long)]
    pub(super) passage_prefix: Option<String>,
    /// Store the weights of an embedder in eight bits: faster, with slightly different vectors.
    #[arg(long)]
    pub(super) int8: bool,
}

/// How token vectors are pooled.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum StatedPooling {
    /// Their mean.
    Mean,
    /// The vector of the first token, `[CLS]`.
    First,
}

impl AddModel {
    fn stated(&self) -> StatedEncoder {
        StatedEncoder {
            pooling: self.pooling.map(|pooling| match pooling {
                StatedPooling::Mean => Pooling::Mean,
                StatedPooling::First => Pooling::Cls,
            }),
            question_prefix: self.question_prefix.clone(),
            passage_prefix: self.passage_prefix.clone(),
        }
    }
}

/// Copies a model into the models folder with a manifest.
pub fn run(arguments: &AddModel, models: &Path) -> anyhow::Result<()> {
    let source = &arguments.source;
    // A model that cannot be run is refused before anything is copied.
    let described = if source.is_dir() {
        Some(describe_encoder(source, &arguments.stated())?)
    } else if needs_conversion(source)? {
        None
    } else {
        Some(GgufGenerator::describe(source)?)
    };
    let name = match &arguments.folder {
        Some(name) => name.clone(),
        None => default_name(source)?,
    };
    let is_folder_name = Path::new(&name)
        .file_name()
        .is_some_and(|last| last == name.as_str());
    anyhow::ensure!(is_folder_name, "`{name}` is not the name of a folder");
    let folder = models.join(&name);
    std::fs::create_dir(&folder)
        .with_context(|| format!("could not create the folder `{}`", folder.display()))?;
    let filled = match described {
        Some(described) => copy_model(arguments, described, &folder),
        None => convert_model(arguments, &folder),
    };
    let manifest = filled.inspect_err(|_cause| {
        // An incomplete model would block the next try.
        drop(std::fs::remove_dir_all(&folder));
    })?;
    console::line(&format!(
        "added {name}: {} ({}, {}, {} parameters). `cloister models activate {name}` activates it",
        manifest.name, manifest.architecture, manifest.licence, manifest.parameters
    ));
    for note in unknown_facts(&manifest) {
        console::note(&format!("warning: {note}"));
    }
    Ok(())
}

/// What a person should know or add.
fn unknown_facts(manifest: &ModelManifest) -> Vec<String> {
    let mut facts: Vec<String> = general_backend_note(&manifest.architecture)
        .into_iter()
        .collect();
    if manifest.licence == ModelManifest::UNKNOWN_LICENCE {
        let note =
            "the file does not name the licence. Add the model with `--licence` and its SPDX name";
        facts.push(note.into());
    }
    if manifest.kind == ModelKind::Embedder
        && manifest.prefixes == Prefixes::default()
        && !is_known_embedder(&manifest.name)
    {
        let note = "no prefixes are known of this embedder. If its description names prefixes for questions \
                    and passages, add it with `--question-prefix` and `--passage-prefix`";
        facts.push(note.into());
    }
    facts
}

impl AddModel {
    /// The manifest with what a person states.
    fn complete(&self, described: ModelManifest) -> ModelManifest {
        ModelManifest {
            licence: self.licence.clone().unwrap_or(described.licence),
            fitness: self.fitness.clone(),
            weights: if self.int8 {
                WeightFormat::Int8
            } else {
                described.weights
            },
            ..described
        }
    }
}

/// Copies the files, and checks that the copies match the manifest and can be opened.
fn copy_model(
    arguments: &AddModel,
    described: ModelManifest,
    folder: &Path,
) -> anyhow::Result<ModelManifest> {
    let source = &arguments.source;
    let manifest = arguments.complete(described);
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
        ModelKind::TokenClassifier => drop(TokenClassifier::open(folder)?),
        // Its header was read already. All of it may need more memory than is free now.
        ModelKind::Generator => {}
    }
    Ok(manifest)
}

/// Joins the pieces of a split model, and converts its formats.
fn convert_model(arguments: &AddModel, folder: &Path) -> anyhow::Result<ModelManifest> {
    let file = folder.join(format!("{}.gguf", default_name(&arguments.source)?));
    console::note("joining pieces and converting formats, which takes minutes for a large model");
    convert_gguf(&arguments.source, &file)?;
    let manifest = arguments.complete(GgufGenerator::describe(&file)?);
    manifest.save(folder)?;
    Ok(manifest)
}

fn copy_file(source: &Path, target: &Path) -> anyhow::Result<()> {
    std::fs::copy(source, target)
        .with_context(|| format!("could not write `{}`", target.display()))?;
    std::fs::File::open(target)?.sync_all()?;
    Ok(())
}

/// The name of a file without its extension and the number of its piece, in lower case.
fn default_name(file: &Path) -> anyhow::Result<String> {
    let stem = file.file_stem().context("the file has no name")?;
    Ok(name_without_piece(&stem.to_string_lossy()).to_lowercase())
}
