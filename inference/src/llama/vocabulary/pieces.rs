//! `SentencePiece`'s BPE (Kudo and Richardson 2018): of all neighbours that make a token, those are
//! joined first whose token has the best score.

use crate::error::Result;
use crate::llama::metadata::Metadata;
use std::collections::HashMap;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Replace, Sequence as Normalizers};
use tokenizers::{Result as Tokenized, Tokenizer};

/// Stands for a space in a token.
const SPACE: char = '\u{2581}';

pub(super) fn tokenizer(head: Metadata<'_>, tokens: &[&str]) -> Result<Tokenizer> {
    let scores = head.floats("tokenizer.ggml.scores")?;
    if scores.len() != tokens.len() {
        return Err(head.damaged("its tokens and their scores are not as many".into()));
    }
    let unknown = head.optional_integer("tokenizer.ggml.unknown_token_id");
    let unknown = unknown
        .and_then(|id| tokens.get(id))
        .map(|token| (*token).to_owned());
    let spaced = head.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    build(tokens, &scores, unknown, spaced).map_err(|error| head.damaged(error.to_string()))
}

fn build(
    tokens: &[&str],
    scores: &[f32],
    unknown: Option<String>,
    spaced: bool,
) -> Tokenized<Tokenizer> {
    let ids = tokens.iter().zip(0_u32..);
    let vocabulary: Vocab = ids.map(|(token, id)| ((*token).to_owned(), id)).collect();
    let mut model = BPE::builder()
        .vocab_and_merges(vocabulary, merges(tokens, scores))
        .byte_fallback(true)
        .fuse_unk(true);
    if let Some(unknown) = unknown {
        model = model.unk_token(unknown);
    }
    let mut tokenizer = Tokenizer::new(model.build()?);
    let mut before: Vec<NormalizerWrapper> = vec![Replace::new(" ", SPACE.to_string())?.into()];
    let mut after: Vec<DecoderWrapper> = vec![
        Replace::new(SPACE.to_string(), " ")?.into(),
        ByteFallback::new().into(),
        Fuse::new().into(),
    ];
    if spaced {
        before.insert(0, Prepend::new(SPACE.to_string()).into());
        after.push(Strip::new(' ', 1, 0).into());
    }
    tokenizer.with_normalizer(Some(Normalizers::new(before)))?;
    tokenizer.with_decoder(Some(Decoders::new(after)));
    Ok(tokenizer)
}

/// Every way to put a token together from two others, the token of the best score first.
fn merges(tokens: &[&str], scores: &[f32]) -> Vec<(String, String)> {
    let ids: HashMap<&str, usize> = tokens.iter().copied().zip(0..).collect();
    let mut found = Vec::new();
    for (token, score) in tokens.iter().zip(scores) {
        for (at, _) in token.char_indices().skip(1) {
            let (first, second) = token.split_at(at);
            if let (Some(a), Some(b)) = (ids.get(first), ids.get(second)) {
                found.push((*score, *a, *b, (first.to_owned(), second.to_owned())));
            }
        }
    }
    found.sort_by(|one, other| {
        let order = other.0.total_cmp(&one.0);
        order.then((one.1, one.2).cmp(&(other.1, other.2)))
    });
    found.into_iter().map(|(_, _, _, pair)| pair).collect()
}

/// The bytes of a token: `<0x0A>` is one byte, anything else its text.
pub(super) fn spelt(token: &str) -> Box<[u8]> {
    let hexadecimal = token
        .strip_prefix("<0x")
        .and_then(|rest| rest.strip_suffix('>'));
    match hexadecimal.map(|digits| u8::from_str_radix(digits, 16)) {
        Some(Ok(byte)) => Box::from([byte]),
        Some(Err(_)) | None => token.replace(SPACE, " ").into_bytes().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_joined_by_score_and_comes_back() {
        let tokens = [
            "<unk>",
            "\u{2581}",
            "a",
            "b",
            "ab",
            "\u{2581}a",
            "<0x0A>",
            "<0xC3>",
            "<0xA9>",
        ];
        let scores = [0.0, -9.0, -9.0, -9.0, -1.0, -2.0, 0.0, 0.0, 0.0];
        let unknown = Some("<unk>".to_owned());
        for (spaced, text, expected) in [
            (true, "ab", vec![1, 4]),
            (true, "aab b", vec![5, 4, 1, 3]),
            (false, "ab a", vec![4, 5]),
            (false, "\na\u{e9}", vec![6, 2, 7, 8]),
        ] {
            let tokenizer = build(&tokens, &scores, unknown.clone(), spaced).unwrap();
            let ids = tokenizer
                .encode_fast(text, false)
                .unwrap()
                .get_ids()
                .to_vec();
            assert_eq!(ids, expected, "{text}");
            assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
        }
    }

    #[test]
    fn a_token_says_its_bytes() {
        assert_eq!(*spelt("\u{2581}is"), *b" is");
        assert_eq!(*spelt("<0x0A>"), *b"\n");
        assert_eq!(*spelt("<0xZZ>"), *b"<0xZZ>");
    }
}
