//! The tokenizer that a GGUF file carries, made from its tokens.

mod bytes;
mod cuts;
mod pieces;

pub(super) use cuts::{CUTS, whole_words_first};

use super::metadata::Metadata;
use crate::constraint::Lexicon;
use crate::error::{InferenceError, Result};
use std::collections::HashSet;
use std::sync::OnceLock;
use tokenizers::{AddedToken, Tokenizer};

/// Kinds of token in `tokenizer.ggml.token_type` that are no text: unknown, control, unused.
const NO_TEXT: [u64; 3] = [2, 3, 5];

/// The kind of a token that is found in a text before it is cut, and is text.
const DEFINED: u64 = 4;

/// Control tokens that end a turn: many files name only one of them as the end.
const ENDS: [&str; 6] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
];

/// How a token spells its bytes.
#[derive(Clone, Copy)]
enum Spelling {
    /// A character for each.
    Bytes,
    /// As text, a sign for the space, and tokens for single bytes.
    Pieces,
}

/// A vocabulary and its special tokens.
pub(super) struct Vocabulary {
    tokenizer: Tokenizer,
    specials: Vec<String>,
    spelling: Spelling,
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
        let tokens = head.texts("tokenizer.ggml.tokens")?;
        let kinds = head.integers("tokenizer.ggml.token_type");
        let of_kinds = |wanted: &[u64]| -> Vec<String> {
            let pairs = tokens.iter().zip(&kinds);
            pairs
                .filter(|(token, kind)| wanted.contains(kind) && !token.is_empty())
                .map(|(token, _)| (*token).to_owned())
                .collect()
        };
        let specials = of_kinds(&NO_TEXT);
        let model = head.text("tokenizer.ggml.model")?;
        let (mut tokenizer, spelling) = match model {
            "gpt2" => (bytes::tokenizer(head, &tokens)?, Spelling::Bytes),
            "llama" => (pieces::tokenizer(head, &tokens)?, Spelling::Pieces),
            other => {
                return Err(head.unsupported(format!(
                    "its tokenizer is `{other}`; known are `gpt2` and `llama`"
                )));
            }
        };
        let added = |texts: &[String], special| -> Vec<AddedToken> {
            let token = |text: &String| AddedToken::from(text.as_str(), special).normalized(false);
            texts.iter().map(token).collect()
        };
        tokenizer
            .add_special_tokens(added(&specials, true))
            .and_then(|_| tokenizer.add_tokens(added(&of_kinds(&[DEFINED]), false)))
            .map_err(|error| head.damaged(error.to_string()))?;
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
            ends: ends(head, &tokens, &specials),
            tokenizer,
            spelling,
            specials,
            lexicon: OnceLock::new(),
            start: id("bos_token_id"),
            adds_start: head.flag("tokenizer.ggml.add_bos_token").unwrap_or(false),
            start_text: text(id("bos_token_id")),
            end_text: text(end),
        })
    }

    /// Tokens in all.
    pub(super) fn count(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
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
            let count = u32::try_from(self.count()).unwrap_or(u32::MAX);
            let specials: HashSet<&str> = self.specials.iter().map(String::as_str).collect();
            let bytes = |id| match self.tokenizer.id_to_token(id) {
                Some(token) if !specials.contains(token.as_str()) => match self.spelling {
                    Spelling::Bytes => bytes::spelt(&token),
                    Spelling::Pieces => pieces::spelt(&token),
                },
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

fn ends(head: Metadata<'_>, tokens: &[&str], specials: &[String]) -> HashSet<u32> {
    let keys = ["eos_token_id", "eot_token_id", "eom_token_id"];
    let named = keys.iter().filter_map(|key| {
        let id = head.optional_integer(&format!("tokenizer.ggml.{key}"))?;
        u32::try_from(id).ok()
    });
    let known = (0_u32..).zip(tokens).filter(|(_, token)| {
        ENDS.contains(token) && specials.iter().any(|special| special == *token)
    });
    named.chain(known.map(|(id, _)| id)).collect()
}
