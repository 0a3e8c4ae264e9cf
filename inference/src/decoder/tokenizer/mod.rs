//! The tokenizer of a GGUF file, built from its tokens, and its chat template.

mod byte_level;
mod chat_template;
mod pretokenize;
mod sentencepiece;

pub(super) use chat_template::ChatTemplate;
pub(super) use pretokenize::{PRE_TOKENIZERS, ignores_merges};

use super::import::Metadata;
use super::thinking;
use crate::constraint::TokenTrie;
use crate::error::{InferenceError, Result};
use std::collections::HashSet;
use std::sync::OnceLock;
use tokenizers::{AddedToken, Tokenizer};

/// Values of `tokenizer.ggml.token_type` for tokens that are no text: unknown, control, unused.
const SPECIAL_TYPES: [u64; 3] = [2, 3, 5];

/// The value for a token that is found in a text before pre-tokenization, and is text.
const USER_DEFINED_TYPE: u64 = 4;

/// Control tokens that end a turn. Many files declare only one of them as the end.
const END_TOKENS: [&str; 6] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
];

/// How a token represents its bytes.
#[derive(Clone, Copy)]
enum TokenEncoding {
    /// One character per byte.
    ByteLevel,
    /// As text, with a symbol for the space, and tokens for single bytes.
    SentencePiece,
}

/// A vocabulary with its special tokens.
pub(super) struct Vocabulary {
    tokenizer: Tokenizer,
    specials: Vec<String>,
    encoding: TokenEncoding,
    trie: OnceLock<TokenTrie>,
    pub start_token: Option<u32>,
    /// Whether a text without a template starts with the start token.
    pub adds_start: bool,
    pub end_tokens: HashSet<u32>,
    pub start_text: String,
    pub end_text: String,
}

impl Vocabulary {
    /// Builds the vocabulary from a file's header.
    pub(super) fn read(metadata: Metadata<'_>) -> Result<Self> {
        let tokens = metadata.texts("tokenizer.ggml.tokens")?;
        let types = metadata.integers("tokenizer.ggml.token_type");
        let mut specials = tokens_of_types(&tokens, &types, &SPECIAL_TYPES);
        let mut user_defined = tokens_of_types(&tokens, &types, &[USER_DEFINED_TYPE]);
        // The markers of thoughts must be seen in the text that the model writes.
        let markers = specials.extract_if(.., |token| thinking::is_marker(token));
        user_defined.extend(markers);
        let (mut tokenizer, encoding) = match metadata.text("tokenizer.ggml.model")? {
            "gpt2" => (
                byte_level::build_tokenizer(metadata, &tokens)?,
                TokenEncoding::ByteLevel,
            ),
            "llama" => (
                sentencepiece::build_tokenizer(metadata, &tokens)?,
                TokenEncoding::SentencePiece,
            ),
            other => {
                return Err(metadata.unsupported(format!(
                    "its tokenizer is `{other}`; supported are `gpt2` and `llama`"
                )));
            }
        };
        tokenizer
            .add_special_tokens(added_tokens(&specials, true))
            .and_then(|_| tokenizer.add_tokens(added_tokens(&user_defined, false)))
            .map_err(|error| metadata.damaged(error.to_string()))?;
        let is_sentencepiece = matches!(encoding, TokenEncoding::SentencePiece);
        let start = token_id(metadata, "bos_token_id");
        let end = token_id(metadata, "eos_token_id");
        let adds_start = metadata.flag("tokenizer.ggml.add_bos_token");
        Ok(Self {
            end_tokens: find_end_tokens(metadata, &tokens, &specials),
            tokenizer,
            encoding,
            specials,
            trie: OnceLock::new(),
            start_token: start,
            adds_start: adds_start.unwrap_or(is_sentencepiece),
            start_text: token_text(&tokens, start),
            end_text: token_text(&tokens, end),
        })
    }

    /// Adds tokens that end a text. Logs a warning if the model `name` then has none.
    pub(super) fn add_end_tokens(&mut self, ids: impl IntoIterator<Item = u32>, name: &str) {
        self.end_tokens.extend(ids);
        if self.end_tokens.is_empty() {
            tracing::warn!(
                name,
                "{name} has no token that ends an answer, so its answers end at their maximum length"
            );
        }
    }

    /// The number of tokens.
    pub(super) fn len(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The ids of a text. Special tokens in the text are recognised.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| InferenceError::Compute(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of a prompt that a chat template rendered. Some templates write the start token, some
    /// leave it out, and some write it twice.
    pub(super) fn encode_prompt(&self, prompt: &str) -> Result<Vec<u32>> {
        let mut ids = self.encode(prompt)?;
        if let Some(start) = self.start_token {
            let count = ids.iter().take_while(|id| **id == start).count();
            if count > 1 {
                ids.drain(1..count);
            } else if count == 0 && self.adds_start && !ids.is_empty() {
                ids.insert(0, start);
            }
        }
        Ok(ids)
    }

    /// The ids of a context and a continuation, and how many of the last ids have a likelihood. The
    /// first token of a sequence has no predecessor, so it has none.
    pub(super) fn encode_scored(
        &self,
        context: &str,
        continuation: &str,
    ) -> Result<(Vec<u32>, usize)> {
        let context = self.encode_plain(context)?;
        let continuation = self.encode_plain(continuation)?;
        let mut ids = Vec::with_capacity(1 + context.len() + continuation.len());
        if self.adds_start || context.is_empty() {
            ids.extend(self.start_token);
        }
        ids.extend(context);
        let unscored = usize::from(ids.is_empty() && !continuation.is_empty());
        let scored = continuation.len() - unscored;
        ids.extend(continuation);
        Ok((ids, scored))
    }

    /// The longest special token that the text starts with.
    fn special_token_at_start(&self, text: &str) -> Option<u32> {
        let specials = self.specials.iter();
        let longest = specials
            .filter(|special| text.starts_with(special.as_str()))
            .max_by_key(|special| special.len())?;
        self.tokenizer.token_to_id(longest)
    }

    /// The ids of a text without its special tokens.
    pub(super) fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        self.encode(&self.strip_special_tokens(text))
    }

    /// The text of ids, without special tokens.
    pub(super) fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer
            .decode(ids, true)
            .map_err(|error| InferenceError::Compute(error.to_string()))
    }

    /// The bytes of all tokens; built on first use.
    pub(super) fn token_trie(&self) -> &TokenTrie {
        self.trie.get_or_init(|| {
            let count = u32::try_from(self.len()).unwrap_or(u32::MAX);
            let specials: HashSet<&str> = self.specials.iter().map(String::as_str).collect();
            let mut bytes = Vec::with_capacity(self.len());
            for id in 0..count {
                let token = self.tokenizer.id_to_token(id);
                let token = token.filter(|token| !specials.contains(token.as_str()));
                bytes.push(match (token, self.encoding) {
                    (Some(token), TokenEncoding::ByteLevel) => byte_level::token_bytes(&token),
                    (Some(token), TokenEncoding::SentencePiece) => {
                        sentencepiece::token_bytes(&token)
                    }
                    (None, _) => Box::from([]),
                });
            }
            TokenTrie::new(bytes)
        })
    }

    /// The text without anything that would be recognised as a special token.
    pub(super) fn strip_special_tokens(&self, text: &str) -> String {
        let mut stripped = text.to_owned();
        // Removing one can form another, so this repeats until none is left.
        while let Some(special) = self.specials.iter().find(|s| stripped.contains(s.as_str())) {
            stripped = stripped.replace(special.as_str(), "");
        }
        stripped
    }
}

fn tokens_of_types(tokens: &[&str], types: &[u64], wanted: &[u64]) -> Vec<String> {
    let tokens = tokens.iter().zip(types);
    tokens
        .filter(|(token, kind)| wanted.contains(kind) && !token.is_empty())
        .map(|(token, _)| (*token).to_owned())
        .collect()
}

fn added_tokens(texts: &[String], special: bool) -> Vec<AddedToken> {
    texts
        .iter()
        .map(|text| AddedToken::from(text.as_str(), special).normalized(false))
        .collect()
}

fn token_id(metadata: Metadata<'_>, key: &str) -> Option<u32> {
    let id = metadata.optional_integer(&format!("tokenizer.ggml.{key}"))?;
    u32::try_from(id).ok()
}

fn token_text(tokens: &[&str], id: Option<u32>) -> String {
    let token = id.and_then(|id| tokens.get(id as usize));
    token.map_or_else(String::new, |token| (*token).to_owned())
}

/// The tokens that end a text: those that the file declares, and known control tokens.
fn find_end_tokens(metadata: Metadata<'_>, tokens: &[&str], specials: &[String]) -> HashSet<u32> {
    let mut found = HashSet::new();
    for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
        found.extend(token_id(metadata, key));
    }
    for (id, token) in (0_u32..).zip(tokens) {
        if END_TOKENS.contains(token) && specials.iter().any(|special| special == token) {
            found.insert(id);
        }
    }
    found
}
