//! The tokenizer that a GGUF file carries: byte-level BPE, made from its tokens and merges.

use super::metadata::Metadata;
use crate::constraint::Lexicon;
use crate::error::{InferenceError, Result};
use std::collections::HashSet;
use std::sync::OnceLock;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{AddedToken, Tokenizer};

/// Kinds of token in `tokenizer.ggml.token_type` that are no text: unknown, control, unused.
const NO_TEXT: [u64; 3] = [2, 3, 5];

/// How llama 3 and its followers cut text before merging.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A vocabulary and its special tokens.
pub(super) struct Vocabulary {
    tokenizer: Tokenizer,
    specials: Vec<String>,
    lexicon: OnceLock<Lexicon>,
    pub start: Option<u32>,
    pub adds_start: bool,
    pub ends: HashSet<u32>,
    pub start_text: String,
    pub end_text: String,
}

impl Vocabulary {
    /// Builds it from the file's head.
    pub(super) fn read(head: Metadata<'_>) -> Result<Self> {
        let model = head.text("tokenizer.ggml.model")?;
        if model != "gpt2" {
            return Err(head.unsupported(format!(
                "its tokenizer is `{model}`, and only byte-level BPE (`gpt2`) is known here"
            )));
        }
        let tokens = head.texts("tokenizer.ggml.tokens")?;
        let specials = specials(head, &tokens);
        let id = |key: &str| {
            head.optional_integer(&format!("tokenizer.ggml.{key}"))
                .and_then(|id| u32::try_from(id).ok())
        };
        let text = |id: Option<u32>| {
            id.and_then(|id| tokens.get(id as usize))
                .map_or_else(String::new, |token| (*token).to_owned())
        };
        let end = id("eos_token_id");
        Ok(Self {
            tokenizer: tokenizer(head, &tokens, &specials)?,
            specials,
            lexicon: OnceLock::new(),
            start: id("bos_token_id"),
            adds_start: head.flag("tokenizer.ggml.add_bos_token").unwrap_or(false),
            ends: [end, id("eot_token_id"), id("eom_token_id")]
                .into_iter()
                .flatten()
                .collect(),
            start_text: text(id("bos_token_id")),
            end_text: text(end),
        })
    }

    /// The ids of a text; special tokens spelled in it are recognised.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| InferenceError::Compute(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids, special tokens left out.
    pub(super) fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer
            .decode(ids, true)
            .map_err(|error| InferenceError::Compute(error.to_string()))
    }

    /// The bytes of its tokens; made when it is first asked for.
    pub(super) fn lexicon(&self) -> &Lexicon {
        self.lexicon.get_or_init(|| {
            let count = u32::try_from(self.tokenizer.get_vocab_size(true)).unwrap_or(u32::MAX);
            let bytes = |id| match self.tokenizer.id_to_token(id) {
                Some(token) if !self.specials.contains(&token) => bytes_of(&token),
                Some(_) | None => Box::from([]),
            };
            Lexicon::new((0..count).map(bytes).collect())
        })
    }

    /// The text without anything that would be read as a special token.
    pub(super) fn without_specials(&self, text: &str) -> String {
        let mut plain = text.to_owned();
        // Taking one out may put another together, so this goes on until nothing is left.
        while let Some(special) = self.specials.iter().find(|s| plain.contains(s.as_str())) {
            plain = plain.replace(special.as_str(), "");
        }
        plain
    }
}

/// The bytes that byte-level BPE writes as these characters (Radford et al. 2019): the printable
/// ones of Latin-1 stand for themselves, and the others, in order, for the characters from 256 on.
/// None for a token with a character that stands for no byte.
fn bytes_of(token: &str) -> Box<[u8]> {
    let plain = |c: u32| matches!(c, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let byte = |c: char| {
        let c = u32::from(c);
        let found = if plain(c) {
            Some(c)
        } else {
            let mut others = (0..256_u32).filter(|byte| !plain(*byte));
            others.nth(c.checked_sub(256)? as usize)
        };
        u8::try_from(found?).ok()
    };
    token
        .chars()
        .map(byte)
        .collect::<Option<Vec<u8>>>()
        .unwrap_or_default()
        .into()
}

fn specials(head: Metadata<'_>, tokens: &[&str]) -> Vec<String> {
    let kinds = head.integers("tokenizer.ggml.token_type");
    tokens
        .iter()
        .zip(kinds)
        .filter(|(token, kind)| NO_TEXT.contains(kind) && !token.is_empty())
        .map(|(token, _)| (*token).to_owned())
        .collect()
}

fn tokenizer(head: Metadata<'_>, tokens: &[&str], specials: &[String]) -> Result<Tokenizer> {
    let merges = head
        .texts("tokenizer.ggml.merges")?
        .into_iter()
        .map(|merge| merge.split_once(' '))
        .map(|pair| pair.map(|(a, b)| (a.to_owned(), b.to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| head.damaged("a merge of its tokenizer is not a pair".into()))?;
    let ids = tokens.iter().zip(0_u32..);
    let vocabulary: Vocab = ids.map(|(token, id)| ((*token).to_owned(), id)).collect();
    let pre = head.optional_text("tokenizer.ggml.pre").unwrap_or("gpt-2");
    let model = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .ignore_merges(matches!(pre, "llama-bpe" | "llama3"))
        .build()
        .map_err(|error| head.damaged(error.to_string()))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(head, pre)?));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    let added = specials
        .iter()
        .map(|special| AddedToken::from(special.as_str(), true));
    tokenizer
        .add_special_tokens(added)
        .map_err(|error| head.damaged(error.to_string()))?;
    Ok(tokenizer)
}

/// The cuts before merging, by the names that llama.cpp gave them.
fn pre_tokenizer(head: Metadata<'_>, name: &str) -> Result<PreTokenizerWrapper> {
    let bytes = |cut: bool| ByteLevel::new(false, true, cut).into();
    let cuts: Vec<PreTokenizerWrapper> = match name {
        "gpt-2" | "gpt2" | "default" => vec![bytes(true)],
        "smollm" => vec![Digits::new(true).into(), bytes(true)],
        "llama-bpe" | "llama3" => {
            let split = Split::new(
                SplitPattern::Regex(LLAMA3.to_owned()),
                SplitDelimiterBehavior::Isolated,
                false,
            )
            .map_err(|error| InferenceError::Compute(error.to_string()))?;
            vec![split.into(), bytes(false)]
        }
        other => {
            return Err(head.unsupported(format!(
                "its tokenizer cuts text as `{other}`; known are gpt-2, smollm and llama-bpe"
            )));
        }
    };
    Ok(Sequence::new(cuts).into())
}
