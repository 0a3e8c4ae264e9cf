//! Pre-tokenizers, by the names that llama.cpp gave them.

use crate::decoder::import::Metadata;
use crate::error::{InferenceError, Result};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

/// The pattern of most newer models: contractions, words, groups of digits, punctuation, line breaks.
macro_rules! words {
    ($digits:literal) => {
        concat!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
            $digits,
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )
    };
}

/// A pattern that also splits words where lower case is followed by upper case. `$end` is the end of a
/// word.
macro_rules! cased_words {
    ($end:literal, $digits:literal) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
            $end,
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
            $end,
            r"|\p{N}",
            $digits,
            r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )
    };
}

/// The names of all different pre-tokenizers, the most common first.
pub(in crate::decoder) const PRE_TOKENIZERS: [&str; 7] = [
    "llama-bpe",
    "qwen2",
    "smollm",
    "gpt-2",
    "tekken",
    "gpt-4o",
    "dbrx",
];

/// Whether a word that is a token is used as it is, without applying merges.
pub(in crate::decoder) fn ignores_merges(name: &str) -> bool {
    matches!(name, "llama-bpe" | "llama3" | "tekken")
}

pub(super) fn build_pre_tokenizer(
    metadata: Metadata<'_>,
    name: &str,
) -> Result<PreTokenizerWrapper> {
    let pattern = match name {
        "gpt-2" | "gpt2" | "phi-2" | "default" => return Ok(byte_level(true)),
        "smollm" => {
            let steps = vec![Digits::new(true).into(), byte_level(true)];
            return Ok(Sequence::new(steps).into());
        }
        "llama-bpe" | "llama3" | "dbrx" | "glm4" | "chatglm-bpe" => words!("{1,3}"),
        "qwen2" | "deepseek-r1-qwen" => words!(""),
        "tekken" => cased_words!("", ""),
        "gpt-4o" => cased_words!(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "{1,3}"),
        other => {
            return Err(metadata.unsupported(format!(
                "its pre-tokenizer is `{other}`; supported are gpt-2, phi-2, smollm, \
                 llama-bpe, dbrx, glm4, qwen2, deepseek-r1-qwen, tekken and gpt-4o"
            )));
        }
    };
    let split = Split::new(
        SplitPattern::Regex(pattern.to_owned()),
        SplitDelimiterBehavior::Isolated,
        false,
    )
    .map_err(|error| InferenceError::Compute(error.to_string()))?;
    let steps = vec![split.into(), byte_level(false)];
    Ok(Sequence::new(steps).into())
}

/// The byte-level encoding, which also splits by GPT-2's pattern if `use_regex` is true.
fn byte_level(use_regex: bool) -> PreTokenizerWrapper {
    ByteLevel::new(false, true, use_regex).into()
}
