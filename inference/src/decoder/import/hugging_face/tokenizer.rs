//! Translates `tokenizer.json` and related files to GGUF metadata.
//!
//! GGUF names the pre-tokenizer, and the folder describes it. So every named pre-tokenizer is tried on
//! various texts, and the first that gives the folder's own tokens is used. If none does, the folder is
//! refused: a model with the wrong tokens gives bad text without any error.

use super::{damaged, read_file};
use crate::decoder::import::Metadata;
use crate::decoder::tokenizer::{PRE_TOKENIZERS, Vocabulary, ignores_merges};
use crate::error::{InferenceError, Result};
use crate::json_file::read_json;
use candle_core::quantized::gguf_file::Value;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use tokenizers::Tokenizer;

/// Texts that the pre-tokenizers split differently.
const PROBES: [&str; 8] = [
    "The dose is 12345.678 mg (3x), isn't it? WE'LL see; they'd said so.",
    "  two spaces,\ttabs\t\tand\n\nlines \r\n  with   blanks at the end   ",
    "camelCase HTTPServer iPhone XMLHttpRequest URLs/paths/and-dashes_2024-11-21",
    "Größe, café, naïve, Ελληνικά, русский текст, 日本語と中文, العربية, हिन्दी",
    "1 22 333 4444 55555 666666 ½ ² ٣٤٥",
    "...!!! ??? --- ### <b>tag</b> {\"key\": [1, 2]} && || !=\n/// comment\n",
    "🙂🙃 emoji 👩‍⚕️ e\u{301} \u{a0}no-break \u{200b}zero",
    "x",
];

/// The fields of `tokenizer.json` that the tokenizers library does not expose.
#[derive(Deserialize)]
struct TokenizerJson {
    model: TokenizerModel,
    #[serde(default)]
    added_tokens: Vec<AddedTokenEntry>,
}

#[derive(Deserialize)]
struct TokenizerModel {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(default)]
    merges: Vec<MergeEntry>,
    unk_token: Option<String>,
}

/// A merge in the format of older and of newer files.
#[derive(Deserialize)]
#[serde(untagged)]
enum MergeEntry {
    Text(String),
    Pair(String, String),
}

impl MergeEntry {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Pair(first, second) => format!("{first} {second}"),
        }
    }

    fn token(&self) -> String {
        self.text().replacen(' ', "", 1)
    }
}

#[derive(Deserialize)]
struct AddedTokenEntry {
    id: u32,
    special: bool,
}

/// `tokenizer_config.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenizerConfig {
    bos_token: Option<SpecialTokenEntry>,
    eos_token: Option<SpecialTokenEntry>,
    chat_template: Option<ChatTemplateEntry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SpecialTokenEntry {
    Text(String),
    Token { content: String },
}

impl SpecialTokenEntry {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Token { content: text } => text,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ChatTemplateEntry {
    Single(String),
    Multiple(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

/// `generation_config.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GenerationConfig {
    eos_token_id: Option<EosIds>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EosIds {
    Single(u32),
    Multiple(Vec<u32>),
}

/// Adds the tokenizer of `folder`, whose model has `rows` rows of embeddings, to the metadata.
pub(super) fn add_metadata(
    folder: &Path,
    rows: usize,
    metadata: &mut HashMap<String, Value>,
) -> Result<()> {
    let path = folder.join("tokenizer.json");
    let bytes = read_file(&path)?;
    let own = Tokenizer::from_bytes(&bytes).map_err(|error| damaged(&path, &error))?;
    let described: TokenizerJson =
        serde_json::from_slice(&bytes).map_err(|error| damaged(&path, &error))?;
    let kind = described.model.kind.as_deref().unwrap_or("BPE");
    if kind != "BPE" {
        let reason = format!("its tokenizer is `{kind}`; supported is BPE");
        return Err(InferenceError::Unsupported { path, reason });
    }
    let largest_id = own.get_vocab(true).into_values().max().unwrap_or(0);
    if largest_id as usize >= rows {
        let reason = "it has tokens for which the model has no row";
        return Err(damaged(&path, &reason));
    }
    metadata.extend(vocabulary_metadata(&own, &described, rows));
    add_special_tokens(folder, &own, metadata)?;
    for pair in pre_tokenizer_candidates(&described) {
        let mut candidate = metadata.clone();
        candidate.extend([pair]);
        let vocabulary = Vocabulary::read(Metadata {
            values: &candidate,
            path: &path,
        });
        if vocabulary.is_ok_and(|vocabulary| gives_same_tokens(&vocabulary, &own)) {
            *metadata = candidate;
            return Ok(());
        }
    }
    let reason = "its tokenizer splits text like none of the supported pre-tokenizers";
    Err(InferenceError::Unsupported {
        path,
        reason: reason.into(),
    })
}

/// Whether two tokenizers give the same tokens for all probes.
fn gives_same_tokens(vocabulary: &Vocabulary, own: &Tokenizer) -> bool {
    PROBES.iter().all(|text| {
        let expected = own.encode_fast(*text, false);
        match (vocabulary.encode(text), expected) {
            (Ok(found), Ok(expected)) => found == expected.get_ids(),
            _ => false,
        }
    })
}

/// The settings of every pre-tokenizer, the most likely first.
fn pre_tokenizer_candidates(described: &TokenizerJson) -> Vec<(String, Value)> {
    if described.model.byte_fallback {
        return [true, false]
            .map(|space_prefix| (key("add_space_prefix"), Value::Bool(space_prefix)))
            .to_vec();
    }
    let mut names = PRE_TOKENIZERS;
    let ignore_merges = described.model.ignore_merges;
    names.sort_by_key(|name| ignores_merges(name) != ignore_merges);
    names
        .map(|name| (key("pre"), Value::String(name.into())))
        .to_vec()
}

/// The tokens with their types, and the merges or scores.
fn vocabulary_metadata(
    own: &Tokenizer,
    described: &TokenizerJson,
    rows: usize,
) -> Vec<(String, Value)> {
    let model = &described.model;
    let known = own.get_vocab(true);
    let mut texts: BTreeMap<u32, String> =
        known.iter().map(|(text, id)| (*id, text.clone())).collect();
    for id in 0..u32::try_from(rows).unwrap_or(0) {
        texts.entry(id).or_insert_with(|| format!("[PAD{id}]"));
    }
    let added: HashMap<u32, bool> = described
        .added_tokens
        .iter()
        .map(|added| (added.id, added.special))
        .collect();
    let mut types = Vec::with_capacity(texts.len());
    for (id, text) in &texts {
        types.push(Value::I32(match added.get(id) {
            _ if model.unk_token.as_ref() == Some(text) => 2,
            Some(true) => 3,
            Some(false) => 4,
            None if !known.contains_key(text) => 5,
            None if model.byte_fallback && is_byte_token(text) => 6,
            None => 1,
        }));
    }
    let name = if model.byte_fallback { "llama" } else { "gpt2" };
    let mut pairs = vec![
        (key("model"), Value::String(name.into())),
        (key("token_type"), Value::Array(types)),
    ];
    if model.byte_fallback {
        let scores = derive_scores(&model.merges, &texts);
        pairs.push((key("scores"), Value::Array(scores)));
    } else {
        let merges = model.merges.iter().map(|merge| Value::String(merge.text()));
        pairs.push((key("merges"), Value::Array(merges.collect())));
    }
    let unknown = model.unk_token.as_ref().and_then(|text| known.get(text));
    pairs.extend(unknown.map(|id| (key("unknown_token_id"), Value::U32(*id))));
    let texts = texts.into_values().map(Value::String).collect();
    pairs.push((key("tokens"), Value::Array(texts)));
    pairs
}

/// `SentencePiece`'s scores, the highest for the first merge. `tokenizer.json` has only their order.
fn derive_scores(merges: &[MergeEntry], texts: &BTreeMap<u32, String>) -> Vec<Value> {
    let mut ranks: HashMap<String, usize> = HashMap::new();
    for (rank, merge) in merges.iter().enumerate() {
        ranks.entry(merge.token()).or_insert(rank);
    }
    let mut scores = Vec::with_capacity(texts.len());
    for text in texts.values() {
        let score = ranks.get(text).map_or(-1e9, |rank| -(*rank as f32));
        scores.push(Value::F32(score));
    }
    scores
}

/// Whether a token stands for one byte, as `<0x0A>` does.
fn is_byte_token(text: &str) -> bool {
    text.len() == 6 && text.starts_with("<0x") && text.ends_with('>')
}

/// Adds the start and end tokens, and the chat template.
fn add_special_tokens(
    folder: &Path,
    own: &Tokenizer,
    metadata: &mut HashMap<String, Value>,
) -> Result<()> {
    let config: TokenizerConfig = read_optional_json(&folder.join("tokenizer_config.json"))?;
    let generation: GenerationConfig = read_optional_json(&folder.join("generation_config.json"))?;
    let start = config
        .bos_token
        .and_then(|token| own.token_to_id(token.text()));
    let declared_end = config
        .eos_token
        .and_then(|token| own.token_to_id(token.text()));
    let ends = match generation.eos_token_id {
        Some(EosIds::Single(id)) => vec![id],
        Some(EosIds::Multiple(ids)) => ids,
        None => Vec::new(),
    };
    let end = declared_end.or(ends.first().copied());
    let other_end = ends.iter().find(|id| Some(**id) != end).copied();
    for (name, id) in [
        ("bos_token_id", start),
        ("eos_token_id", end),
        ("eot_token_id", other_end),
    ] {
        metadata.extend(id.map(|id| (key(name), Value::U32(id))));
    }
    let encoded = own.encode_fast("x", true);
    let first = encoded
        .ok()
        .and_then(|found| found.get_ids().first().copied());
    let adds_start = start.is_some() && first == start;
    metadata.insert(key("add_bos_token"), Value::Bool(adds_start));
    if let Some(template) = read_chat_template(folder, config.chat_template)? {
        metadata.insert("tokenizer.chat_template".into(), Value::String(template));
    }
    Ok(())
}

/// The chat template from its own file, or from the tokenizer's configuration.
fn read_chat_template(
    folder: &Path,
    configured: Option<ChatTemplateEntry>,
) -> Result<Option<String>> {
    let path = folder.join("chat_template.jinja");
    if path.exists() {
        let text = String::from_utf8(read_file(&path)?).map_err(|error| damaged(&path, &error))?;
        return Ok(Some(text));
    }
    Ok(match configured {
        Some(ChatTemplateEntry::Single(text)) => Some(text),
        Some(ChatTemplateEntry::Multiple(templates)) => templates
            .into_iter()
            .find(|named| named.name == "default")
            .map(|named| named.template),
        None => None,
    })
}

/// A JSON file, or its defaults if it does not exist.
fn read_optional_json<T: Default + serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    if path.exists() {
        read_json(path)
    } else {
        Ok(T::default())
    }
}

/// A key of the tokenizer's metadata.
fn key(name: &str) -> String {
    format!("tokenizer.ggml.{name}")
}
