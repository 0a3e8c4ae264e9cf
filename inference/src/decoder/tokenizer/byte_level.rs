//! Byte-level BPE (Radford et al. 2019), from tokens and merges.

use super::pretokenize;
use crate::decoder::import::Metadata;
use crate::error::Result;
use tokenizers::Tokenizer;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, Vocab};

pub(super) fn build_tokenizer(metadata: Metadata<'_>, tokens: &[&str]) -> Result<Tokenizer> {
    let mut merges = Vec::new();
    for merge in metadata.texts("tokenizer.ggml.merges")? {
        let Some((first, second)) = merge.split_once(' ') else {
            let reason = "a merge of its tokenizer is not a pair";
            return Err(metadata.damaged(reason.into()));
        };
        merges.push((first.to_owned(), second.to_owned()));
    }
    let ids = tokens.iter().zip(0_u32..);
    let vocabulary: Vocab = ids.map(|(token, id)| ((*token).to_owned(), id)).collect();
    let pre_tokenizer = metadata.optional_text("tokenizer.ggml.pre");
    let pre_tokenizer = pre_tokenizer.unwrap_or("gpt-2");
    let model = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .ignore_merges(pretokenize::ignores_merges(pre_tokenizer))
        .build()
        .map_err(|error| metadata.damaged(error.to_string()))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(pretokenize::build_pre_tokenizer(
        metadata,
        pre_tokenizer,
    )?));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    Ok(tokenizer)
}

/// The bytes of a token: printable characters of Latin-1 stand for themselves, and the characters from
/// 256 on stand for the other bytes, in order. Empty if a character stands for no byte.
pub(super) fn token_bytes(token: &str) -> Box<[u8]> {
    token
        .chars()
        .map(character_byte)
        .collect::<Option<Vec<u8>>>()
        .unwrap_or_default()
        .into()
}

fn character_byte(character: char) -> Option<u8> {
    let code = u32::from(character);
    if is_printable(code) {
        return u8::try_from(code).ok();
    }
    let mut others = (0..256_u32).filter(|byte| !is_printable(*byte));
    let byte = others.nth(code.checked_sub(256)? as usize)?;
    u8::try_from(byte).ok()
}

fn is_printable(code: u32) -> bool {
    matches!(code, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff)
}
