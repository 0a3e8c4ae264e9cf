//! `tokenizer.json` and the files beside it, as the pairs of a GGUF head.
//!
//! GGUF names the way in which text is cut, and the folder describes it. So every named way is
//! tried on texts of all kinds, and the first that gives the folder's own tokens is taken; where
//! none does, the folder is refused, because a model that reads other tokens than it was trained
//! on gives no sign of it.

use super::{damaged, json, read};
use crate::error::{InferenceError, Result};
use crate::llama::metadata::Metadata;
use crate::llama::vocabulary::{CUTS, Vocabulary, whole_words_first};
use candle_core::quantized::gguf_file::Value;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use tokenizers::Tokenizer;

/// Texts that the ways of cutting differ on.
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

/// `tokenizer.json`, as far as the library that reads it does not say.
#[derive(Deserialize)]
struct Described {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(default)]
    merges: Vec<Merge>,
    unk_token: Option<String>,
}

/// A merge, as older and newer files write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Text(String),
    Pair(String, String),
}

impl Merge {
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
struct Added {
    id: u32,
    special: bool,
}

/// `tokenizer_config.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    bos_token: Option<Special>,
    eos_token: Option<Special>,
    chat_template: Option<Template>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Special {
    Text(String),
    Token { content: String },
}

impl Special {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Token { content: text } => text,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Template {
    One(String),
    Several(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

/// `generation_config.json`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Generation {
    eos_token_id: Option<Ids>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ids {
    One(u32),
    Several(Vec<u32>),
}

/// Adds the tokenizer of `folder`, whose model has so many rows of embeddings, to a head.
pub(super) fn add(folder: &Path, rows: usize, head: &mut HashMap<String, Value>) -> Result<()> {
    let path = folder.join("tokenizer.json");
    let bytes = read(&path)?;
    let own = Tokenizer::from_bytes(&bytes).map_err(|error| damaged(&path, &error))?;
    let described: Described =
        serde_json::from_slice(&bytes).map_err(|error| damaged(&path, &error))?;
    let kind = described.model.kind.as_deref().unwrap_or("BPE");
    if kind != "BPE" {
        let reason = format!("its tokenizer is `{kind}`, and BPE is known");
        return Err(InferenceError::Unsupported { path, reason });
    }
    let beyond = own.get_vocab(true).into_values().max().unwrap_or(0) as usize >= rows;
    if beyond {
        let reason = "it has tokens that the model has no row for";
        return Err(damaged(&path, &reason));
    }
    head.extend(tokens(&own, &described, rows));
    specials(folder, &own, head)?;
    let candidates = candidates(&described);
    for pairs in candidates {
        let mut tried = head.clone();
        tried.extend(pairs);
        let metadata = Metadata {
            values: &tried,
            path: &path,
        };
        if Vocabulary::read(metadata).is_ok_and(|made| agrees(&made, &own)) {
            *head = tried;
            return Ok(());
        }
    }
    let reason = "its tokenizer cuts text in a way that no GGUF name known here stands for";
    Err(InferenceError::Unsupported {
        path,
        reason: reason.into(),
    })
}

/// Whether two tokenizers give the same tokens.
fn agrees(made: &Vocabulary, own: &Tokenizer) -> bool {
    PROBES.iter().all(|text| {
        let expected = own.encode_fast(*text, false);
        match (made.encode(text), expected) {
            (Ok(found), Ok(expected)) => found == expected.get_ids(),
            _ => false,
        }
    })
}

/// The pairs that say how text is cut, each way of them.
fn candidates(described: &Described) -> Vec<Vec<(String, Value)>> {
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    if described.model.byte_fallback {
        let spaced = |spaced| vec![(key("add_space_prefix"), Value::Bool(spaced))];
        return vec![spaced(true), spaced(false)];
    }
    let mut cuts = CUTS;
    let whole = described.model.ignore_merges;
    cuts.sort_by_key(|name| whole_words_first(name) != whole);
    cuts.iter()
        .map(|name| vec![(key("pre"), Value::String((*name).into()))])
        .collect()
}

/// The tokens with their kinds, and how they are put together.
fn tokens(own: &Tokenizer, described: &Described, rows: usize) -> Vec<(String, Value)> {
    let model = &described.model;
    let known = own.get_vocab(true);
    let mut texts: BTreeMap<u32, String> =
        known.iter().map(|(text, id)| (*id, text.clone())).collect();
    let rows = u32::try_from(rows).unwrap_or(0);
    for id in 0..rows {
        texts.entry(id).or_insert_with(|| format!("[PAD{id}]"));
    }
    let added: HashMap<u32, bool> = described
        .added_tokens
        .iter()
        .map(|added| (added.id, added.special))
        .collect();
    let kind = |id: u32, text: &str| match added.get(&id) {
        _ if model.unk_token.as_deref() == Some(text) => 2,
        Some(true) => 3,
        Some(false) => 4,
        None if !known.contains_key(text) => 5,
        None if model.byte_fallback && is_byte(text) => 6,
        None => 1,
    };
    let kinds = texts.iter().map(|(id, text)| Value::I32(kind(*id, text)));
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let name = if model.byte_fallback { "llama" } else { "gpt2" };
    let mut pairs = vec![
        (key("model"), Value::String(name.into())),
        (key("token_type"), Value::Array(kinds.collect())),
    ];
    if model.byte_fallback {
        pairs.push((key("scores"), Value::Array(scores(&model.merges, &texts))));
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

/// `SentencePiece`'s scores, best for what is merged first; `tokenizer.json` keeps their order.
fn scores(merges: &[Merge], texts: &BTreeMap<u32, String>) -> Vec<Value> {
    let mut order: HashMap<String, usize> = HashMap::new();
    for (rank, merge) in merges.iter().enumerate() {
        order.entry(merge.token()).or_insert(rank);
    }
    let score = |text: &String| order.get(text).map_or(-1e9, |rank| -(*rank as f32));
    texts.values().map(|text| Value::F32(score(text))).collect()
}

/// Whether a token stands for one byte, as `<0x0A>`.
fn is_byte(text: &str) -> bool {
    text.len() == 6 && text.starts_with("<0x") && text.ends_with('>')
}

/// Which tokens begin and end a text, and the template of a conversation.
fn specials(folder: &Path, own: &Tokenizer, head: &mut HashMap<String, Value>) -> Result<()> {
    let settings: Settings = optional(&folder.join("tokenizer_config.json"))?;
    let generation: Generation = optional(&folder.join("generation_config.json"))?;
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let id = |token: &Option<Special>| own.token_to_id(token.as_ref()?.text());
    let start = id(&settings.bos_token);
    let ends = match generation.eos_token_id {
        Some(Ids::One(id)) => vec![id],
        Some(Ids::Several(ids)) => ids,
        None => Vec::new(),
    };
    let end = id(&settings.eos_token).or(ends.first().copied());
    let other = ends.iter().find(|id| Some(**id) != end).copied();
    let named = [
        ("bos_token_id", start),
        ("eos_token_id", end),
        ("eot_token_id", other),
    ];
    for (name, id) in named {
        head.extend(id.map(|id| (key(name), Value::U32(id))));
    }
    let encoded = own.encode_fast("x", true);
    let first = encoded
        .ok()
        .and_then(|found| found.get_ids().first().copied());
    let adds = start.is_some() && first == start;
    head.insert(key("add_bos_token"), Value::Bool(adds));
    if let Some(template) = template(folder, settings.chat_template)? {
        head.insert("tokenizer.chat_template".into(), Value::String(template));
    }
    Ok(())
}

/// The template of a conversation, from its own file or from the settings.
fn template(folder: &Path, stated: Option<Template>) -> Result<Option<String>> {
    let path = folder.join("chat_template.jinja");
    if path.exists() {
        let text = String::from_utf8(read(&path)?).map_err(|error| damaged(&path, &error))?;
        return Ok(Some(text));
    }
    Ok(match stated {
        Some(Template::One(text)) => Some(text),
        Some(Template::Several(all)) => all
            .into_iter()
            .find(|named| named.name == "default")
            .map(|named| named.template),
        None => None,
    })
}

/// A file of settings, or what it says where it is not there.
fn optional<T: Default + serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    if path.exists() {
        json(path)
    } else {
        Ok(T::default())
    }
}
