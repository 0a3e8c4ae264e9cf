//! Byte-level BPE (Radford et al. 2019), from tokens and merges.

use super::cuts;
use crate::error::Result;
use crate::llama::metadata::Metadata;
use tokenizers::Tokenizer;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, Vocab};

pub(super) fn tokenizer(head: Metadata<'_>, tokens: &[&str]) -> Result<Tokenizer> {
    let merges = head
        .texts("tokenizer.ggml.merges")?
        .into_iter()
        .map(|merge| merge.split_once(' '))
        .map(|pair| pair.map(|(a, b)| (a.to_owned(), b.to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| head.damaged("a merge of its tokenizer is not a pair".into()))?;
    let ids = tokens.iter().zip(0_u32..);
    let vocabulary: Vocab = ids.map(|(token, id)| ((*token).to_owned(), id)).collect();
    let cut = head.optional_text("tokenizer.ggml.pre").unwrap_or("gpt-2");
    let model = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .ignore_merges(cuts::whole_words_first(cut))
        .build()
        .map_err(|error| head.damaged(error.to_string()))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(cuts::pre_tokenizer(head, cut)?));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    Ok(tokenizer)
}

/// The bytes that are written as these characters: the printable
/// ones of Latin-1 stand for themselves, and the others, in order, for the characters from 256 on.
/// None for a token with a character that stands for no byte.
pub(super) fn spelt(token: &str) -> Box<[u8]> {
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
