//! Creates the manifest of an encoder from the folder that sentence-transformers or transformers
//! wrote.

use super::config::EncoderConfig;
use super::known_models;
use super::loaded::trained_length;
use crate::error::{InferenceError, Result};
use crate::json_file::read_json;
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

impl Purpose {
    /// Whether one of the architectures ends like this.
    fn is_for(&self, suffix: &str) -> bool {
        let mut architectures = self.architectures.iter();
        architectures.any(|name| name.ends_with(suffix))
    }
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

/// What a person states of an encoder, instead of its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatedEncoder {
    /// How it pools token vectors.
    pub pooling: Option<Pooling>,
    /// The prefix before a question.
    pub question_prefix: Option<String>,
    /// The prefix before a passage.
    pub passage_prefix: Option<String>,
}

/// Creates the manifest of the encoder in a folder, with the hashes of its files. Pooling and prefixes are
/// those that a person states, that the folder states, or that are known of the model, in this order. A
/// person adds what nobody knows: licence and fitness.
pub fn describe_encoder(dir: &Path, stated: &StatedEncoder) -> Result<ModelManifest> {
    refuse_other_formats(dir)?;
    let purpose: Purpose = read_json(&dir.join("config.json"))?;
    if purpose.is_for("ForCausalLM") {
        let reason = "it is a generator. Convert it to GGUF with `cloister models quantize`";
        return Err(unsupported(dir, reason.into()));
    }
    let config = EncoderConfig::read(dir)?;
    if let Some(reason) = config.unsupported_reason() {
        return Err(unsupported(dir, reason));
    }
    let tensors = SafetensorsFolder::open(dir)?;
    let kind = if purpose.is_for("ForTokenClassification") {
        ModelKind::TokenClassifier
    } else {
        detect_kind(dir, &tensors, &config)?
    };
    let context = trained_length(dir)
        .unwrap_or(usize::MAX)
        .min(config.max_tokens());
    let name = dir.file_name().unwrap_or(dir.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let (pooling, prefixes) = if kind == ModelKind::Embedder {
        (pooling(dir, &name, stated)?, prefixes(dir, &name, stated)?)
    } else {
        (Pooling::default(), Prefixes::default())
    };
    Ok(ModelManifest {
        kind,
        name,
        file: WEIGHTS.into(),
        sha256: hash_file(&dir.join(WEIGHTS))?,
        architecture: purpose.model_type.unwrap_or_else(|| "bert".into()),
        context: u32::try_from(context).unwrap_or(u32::MAX),
        parameters: tensors.parameters(),
        pooling,
        prefixes,
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

/// Refuses weights that would run code, and weights that a script converts.
fn refuse_other_formats(dir: &Path) -> Result<()> {
    if dir.join(WEIGHTS).exists() {
        return Ok(());
    }
    let reason = if dir.join("pytorch_model.bin").exists() {
        "its weights are `pytorch_model.bin`. Such a file can run code when it is opened, so it is not. Take \
         `model.safetensors` of the same model, or write it on a machine without secrets: \
         `AutoModel.from_pretrained(FOLDER).save_pretrained(FOLDER)` in Python with transformers"
    } else if dir.join("model.onnx").exists() || dir.join("onnx/model.onnx").exists() {
        "its weights are an ONNX file. Convert it with `deploy/onnx_to_safetensors.py model.onnx \
         model.safetensors`"
    } else {
        "it has no `model.safetensors`"
    };
    Err(unsupported(dir, reason.into()))
}

/// The pooling that a person or the folder states, or that is known of this model. It is never guessed:
/// vectors of the wrong pooling look valid and retrieve worse.
fn pooling(dir: &Path, name: &str, stated: &StatedEncoder) -> Result<Pooling> {
    if let Some(pooling) = stated.pooling {
        return Ok(pooling);
    }
    let path = dir.join("1_Pooling/config.json");
    if !path.exists() {
        let known = known_models::lookup(name).map(|(pooling, _)| pooling);
        return known.ok_or_else(|| {
            let reason = "it has no `1_Pooling/config.json`, which states its pooling. Copy the whole \
                          folder that sentence-transformers wrote, or state it with `--pooling`";
            unsupported(dir, reason.into())
        });
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

/// The prefixes that a person or the folder states, or that are known of this model.
fn prefixes(dir: &Path, name: &str, stated: &StatedEncoder) -> Result<Prefixes> {
    let path = dir.join("config_sentence_transformers.json");
    let Prompts { prompts } = if path.exists() {
        read_json(&path)?
    } else {
        Prompts::default()
    };
    let known = known_models::lookup(name).map(|(_, prefixes)| prefixes);
    let known = known.unwrap_or_default();
    let choose = |stated: &Option<String>, names: [&str; 2], known: String| {
        let prompt = names.iter().find_map(|name| prompts.get(*name));
        let own = prompt.filter(|prompt| !prompt.is_empty());
        stated.clone().or(own.cloned()).unwrap_or(known)
    };
    Ok(Prefixes {
        question: choose(
            &stated.question_prefix,
            ["query", "question"],
            known.question,
        ),
        passage: choose(
            &stated.passage_prefix,
            ["document", "passage"],
            known.passage,
        ),
    })
}
