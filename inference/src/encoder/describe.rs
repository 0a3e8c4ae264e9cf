//! Creates the manifest of an encoder from the folder that sentence-transformers or transformers
//! wrote.

use super::config::EncoderConfig;
use super::loaded::{read_json, trained_length};
use crate::error::{InferenceError, Result};
use crate::manifest::{ModelKind, ModelManifest, Pooling, Prefixes, hash_file};
use crate::safetensors_folder::SafetensorsFolder;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The file of the weights.
const WEIGHTS: &str = "model.safetensors";

/// Other files that an encoder depends on.
const REQUIRED_COMPANIONS: [&str; 2] = ["config.json", "tokenizer.json"];
const OPTIONAL_COMPANIONS: [&str; 2] = ["sentence_bert_config.json", "modules.json"];

/// The fields of `config.json` that say what the model is for.
#[derive(Deserialize)]
struct Purpose {
    #[serde(default)]
    architectures: Vec<String>,
    model_type: Option<String>,
}

/// `1_Pooling/config.json`. Newer files name the mode, older files have a flag per mode.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PoolingConfig {
    #[serde(rename = "pooling_mode")]
    mode: Option<String>,
    #[serde(rename = "pooling_mode_cls_token")]
    first: bool,
    #[serde(rename = "pooling_mode_mean_tokens")]
    mean: bool,
}

/// `config_sentence_transformers.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Prompts {
    prompts: BTreeMap<String, String>,
}

/// Creates the manifest of the embedder, reranker or NLI model in a folder, with the hashes of its
/// files. A person adds what the folder does not say: licence and fitness.
pub fn describe_encoder(dir: &Path) -> Result<ModelManifest> {
    let purpose: Purpose = read_json(&dir.join("config.json"))?;
    let mut architectures = purpose.architectures.iter();
    if architectures.any(|name| name.ends_with("ForCausalLM")) {
        let reason = "it is a generator. Convert it to GGUF with `cloister models quantize`";
        return Err(unsupported(dir, reason.into()));
    }
    let config: EncoderConfig = read_json(&dir.join("config.json"))?;
    if let Some(reason) = config.unsupported_reason() {
        return Err(unsupported(dir, reason));
    }
    let tensors = SafetensorsFolder::open(dir)?;
    let kind = detect_kind(dir, &tensors, &config)?;
    let context = trained_length(dir)
        .unwrap_or(usize::MAX)
        .min(config.max_tokens());
    let name = dir.file_name().unwrap_or(dir.as_os_str());
    Ok(ModelManifest {
        kind,
        name: name.to_string_lossy().into_owned(),
        file: WEIGHTS.into(),
        sha256: hash_file(&dir.join(WEIGHTS))?,
        architecture: purpose.model_type.unwrap_or_else(|| "bert".into()),
        context: u32::try_from(context).unwrap_or(u32::MAX),
        parameters: tensors.parameters(),
        pooling: match kind {
            ModelKind::Embedder => pooling(dir)?,
            ModelKind::Reranker | ModelKind::Nli | ModelKind::Generator => Pooling::default(),
        },
        prefixes: prefixes(dir)?,
        companions: hash_companions(dir)?,
        ..ModelManifest::undescribed()
    })
}

/// The kind of model, by the labels of its classification head.
fn detect_kind(
    dir: &Path,
    tensors: &SafetensorsFolder,
    config: &EncoderConfig,
) -> Result<ModelKind> {
    let heads = ["classifier.weight", "classifier.out_proj.weight"];
    match heads.iter().find_map(|name| tensors.dims(name)?.first()) {
        None => Ok(ModelKind::Embedder),
        Some(1) => Ok(ModelKind::Reranker),
        Some(_) if config.entailment_label().is_some() => Ok(ModelKind::Nli),
        Some(labels) => {
            let reason = format!(
                "it has {labels} labels; a reranker has one, and an NLI model has a label \
                 `entailment`"
            );
            Err(unsupported(dir, reason))
        }
    }
}

fn hash_companions(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut companions = BTreeMap::new();
    for name in REQUIRED_COMPANIONS {
        companions.insert(name.to_owned(), hash_file(&dir.join(name))?);
    }
    for name in OPTIONAL_COMPANIONS {
        let path = dir.join(name);
        if path.exists() {
            companions.insert(name.to_owned(), hash_file(&path)?);
        }
    }
    Ok(companions)
}

fn unsupported(dir: &Path, reason: String) -> InferenceError {
    InferenceError::Unsupported {
        path: dir.to_owned(),
        reason,
    }
}

/// The pooling that the folder states. It is never guessed: vectors of the wrong pooling look valid
/// and retrieve worse.
fn pooling(dir: &Path) -> Result<Pooling> {
    let path = dir.join("1_Pooling/config.json");
    if !path.exists() {
        let reason = "it has no `1_Pooling/config.json`, which states its pooling. Copy the whole \
                      folder that sentence-transformers wrote";
        return Err(unsupported(dir, reason.into()));
    }
    let config: PoolingConfig = read_json(&path)?;
    let mode = config.mode.as_deref();
    let first = mode == Some("cls") || config.first;
    let mean = mode == Some("mean") || config.mean;
    match (first, mean) {
        (true, false) => Ok(Pooling::Cls),
        (false, true) => Ok(Pooling::Mean),
        (true, true) | (false, false) => Err(InferenceError::Unsupported {
            path,
            reason: "its pooling is neither the mean nor the first token".into(),
        }),
    }
}

/// The prefixes that the folder states for questions and passages.
fn prefixes(dir: &Path) -> Result<Prefixes> {
    let path = dir.join("config_sentence_transformers.json");
    if !path.exists() {
        return Ok(Prefixes::default());
    }
    let Prompts { prompts } = read_json(&path)?;
    let question = prompts.get("query").or(prompts.get("question"));
    let passage = prompts.get("document").or(prompts.get("passage"));
    Ok(Prefixes {
        question: question.cloned().unwrap_or_default(),
        passage: passage.cloned().unwrap_or_default(),
    })
}
