//! How text is cut before merging, by the names that llama.cpp gave the ways.

use crate::error::{InferenceError, Result};
use crate::llama::metadata::Metadata;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

/// What most newer models have in common: contractions, words, up to so many digits, signs, lines.
macro_rules! words {
    ($digits:literal) => {
        concat!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
            $digits,
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        )
    };
}

/// Words cut where small letters are followed by capitals, with `$end` of a word and `$digits`.
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

/// Names of different ways, the commonest first.
pub(in crate::llama) const CUTS: [&str; 7] = [
    "llama-bpe",
    "qwen2",
    "smollm",
    "gpt-2",
    "tekken",
    "gpt-4o",
    "dbrx",
];

/// Whether a word that is a token is taken before anything is merged.
pub(in crate::llama) fn whole_words_first(name: &str) -> bool {
    matches!(name, "llama-bpe" | "llama3" | "tekken")
}

pub(super) fn pre_tokenizer(head: Metadata<'_>, name: &str) -> Result<PreTokenizerWrapper> {
    let bytes = |cut: bool| ByteLevel::new(false, true, cut).into();
    let pattern = match name {
        "gpt-2" | "gpt2" | "default" => return Ok(bytes(true)),
        "smollm" => {
            let cuts: Vec<PreTokenizerWrapper> = vec![Digits::new(true).into(), bytes(true)];
            return Ok(Sequence::new(cuts).into());
        }
        "llama-bpe" | "llama3" | "dbrx" => words!("{1,3}"),
        "qwen2" | "deepseek-r1-qwen" => words!(""),
        "tekken" => cased_words!("", ""),
        "gpt-4o" => cased_words!(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "{1,3}"),
        other => {
            return Err(head.unsupported(format!(
                "its tokenizer cuts text as `{other}`; known are gpt-2, smollm, llama-bpe, dbrx, \
                 qwen2, deepseek-r1-qwen, tekken and gpt-4o"
            )));
        }
    };
    let split = Split::new(
        SplitPattern::Regex(pattern.to_owned()),
        SplitDelimiterBehavior::Isolated,
        false,
    )
    .map_err(|error| InferenceError::Compute(error.to_string()))?;
    let cuts: Vec<PreTokenizerWrapper> = vec![split.into(), bytes(false)];
    Ok(Sequence::new(cuts).into())
}
