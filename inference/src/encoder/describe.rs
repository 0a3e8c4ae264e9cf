//! A manifest for an encoder, from the folder that sentence-transformers or transformers wrote.

use super::config::Config;
use super::{SentenceConfig, read_json};
use crate::error::{InferenceError, Result};
use crate::manifest::{ModelKind, ModelManifest, Pooling, Prefixes, hash_file};
use crate::shards::Shards;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Where the weights are.
const WEIGHTS: &str = "model.safetensors";

/// Files beside the weights that change what an encoder says; the first two must be there.
const COMPANIONS: [&str; 4] = [
    "config.json",
    "tokenizer.json",
    "sentence_bert_config.json",
    "modules.json",
];

/// `config.json`, as far as it says what the model is for.
#[derive(Deserialize)]
struct Purpose {
    #[serde(default)]
    architectures: Vec<String>,
    model_type: Option<String>,
}

/// `1_Pooling/config.json`. Newer files name the mode, older ones have a flag for each.
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

/// Says what a folder holds, an embedder or a cross-encoder, with the hashes of its files. What it
/// cannot say (its licence, what it is fit for) is for a person to write.
pub fn describe_encoder(dir: &Path) -> Result<ModelManifest> {
    let purpose: Purpose = read_json(&dir.join("config.json"))?;
    let unsupported = |reason: String| InferenceError::Unsupported {
        path: dir.to_owned(),
        reason,
    };
    let generates = purpose
        .architectures
        .iter()
        .any(|name| name.ends_with("ForCausalLM"));
    if generates {
        let reason = "it writes text: make a GGUF file of it with `cloister models quantize`";
        return Err(unsupported(reason.into()));
    }
    let config: Config = read_json(&dir.join("config.json"))?;
    if let Some(reason) = config.unsupported() {
        return Err(unsupported(reason));
    }
    let shards = Shards::open(dir)?;
    let labels = ["classifier.weight", "classifier.out_proj.weight"];
    let labels = labels.iter().find_map(|name| shards.dims(name)?.first());
    let kind = match labels {
        None => ModelKind::Embedder,
        Some(1) => ModelKind::Reranker,
        Some(_) if config.entailed().is_some() => ModelKind::Entailment,
        Some(labels) => {
            let reason = format!(
                "it tells {labels} kinds of text apart, and a reranker has one score, a model of \
                 entailment a label `entailment`"
            );
            return Err(unsupported(reason));
        }
    };
    let trained = read_json::<SentenceConfig>(&dir.join("sentence_bert_config.json"));
    let trained = trained.ok().and_then(|config| config.max_seq_length);
    let context = trained.unwrap_or(usize::MAX).min(config.most_tokens());
    let name = dir.file_name().unwrap_or(dir.as_os_str());
    let mut companions = BTreeMap::new();
    for (index, companion) in COMPANIONS.iter().enumerate() {
        let path = dir.join(companion);
        if index < 2 || path.exists() {
            companions.insert((*companion).to_owned(), hash_file(&path)?);
        }
    }
    Ok(ModelManifest {
        kind,
        name: name.to_string_lossy().into_owned(),
        file: WEIGHTS.into(),
        sha256: hash_file(&dir.join(WEIGHTS))?,
        architecture: purpose.model_type.unwrap_or_else(|| "bert".into()),
        context: u32::try_from(context).unwrap_or(u32::MAX),
        parameters: shards.parameters(),
        pooling: match kind {
            ModelKind::Embedder => pooling(dir)?,
            ModelKind::Reranker | ModelKind::Entailment | ModelKind::Generator => {
                Pooling::default()
            }
        },
        prefixes: prefixes(dir)?,
        companions,
        ..ModelManifest::undescribed()
    })
}

/// How the folder says that token vectors become one. Nothing is guessed: the vectors of another
/// pooling look as good and find less.
fn pooling(dir: &Path) -> Result<Pooling> {
    let path = dir.join("1_Pooling/config.json");
    if !path.exists() {
        let reason = "it does not say how it pools in `1_Pooling/config.json`: copy the whole folder \
                      that sentence-transformers wrote";
        return Err(InferenceError::Unsupported {
            path: dir.to_owned(),
            reason: reason.into(),
        });
    }
    let config: PoolingConfig = read_json(&path)?;
    let mode = config.mode.as_deref();
    let first = mode == Some("cls") || config.first;
    let mean = mode == Some("mean") || config.mean;
    match (first, mean) {
        (true, false) => Ok(Pooling::First),
        (false, true) => Ok(Pooling::Mean),
        (true, true) | (false, false) => Err(InferenceError::Unsupported {
            path,
            reason: "it pools in another way than by the mean or the first token".into(),
        }),
    }
}

/// What the folder says has to stand before a question and before a passage.
fn prefixes(dir: &Path) -> Result<Prefixes> {
    let path = dir.join("config_sentence_transformers.json");
    if !path.exists() {
        return Ok(Prefixes::default());
    }
    let Prompts { prompts } = read_json(&path)?;
    let one_of = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| prompts.get(*name));
        found.cloned().unwrap_or_default()
    };
    Ok(Prefixes {
        question: one_of(["query", "question"]),
        passage: one_of(["document", "passage"]),
    })
}
