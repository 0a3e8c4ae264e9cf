//! `SentencePiece`'s BPE (Kudo and Richardson 2018): the pair of neighbours whose token has the best score
//! is merged first.

use crate::decoder::import::Metadata;
use crate::error::Result;
use std::collections::HashMap;
use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Replace, Sequence as Normalizers};
use tokenizers::{Result as TokenizerResult, Tokenizer};

/// Represents a space in a token.
const SPACE: char = '\u{2581}';

pub(super) fn build_tokenizer(metadata: Metadata<'_>, tokens: &[&str]) -> Result<Tokenizer> {
    let scores = metadata.floats("tokenizer.ggml.scores")?;
    if scores.len() != tokens.len() {
        return Err(metadata.damaged("it has more or fewer scores than tokens".into()));
    }
    let unknown = metadata.optional_integer("tokenizer.ggml.unknown_token_id");
    let unknown = unknown
        .and_then(|id| tokens.get(id))
        .map(|token| (*token).to_owned());
    let space_prefix = metadata.flag("tokenizer.ggml.add_space_prefix");
    build(tokens, &scores, unknown, space_prefix.unwrap_or(true))
        .map_err(|error| metadata.damaged(error.to_string()))
}

fn build(
    tokens: &[&str],
    scores: &[f32],
    unknown: Option<String>,
    space_prefix: bool,
) -> TokenizerResult<Tokenizer> {
    let ids = tokens.iter().zip(0_u32..);
    let vocabulary: Vocab = ids.map(|(token, id)| ((*token).to_owned(), id)).collect();
    let mut model = BPE::builder()
        .vocab_and_merges(vocabulary, derive_merges(tokens, scores))
        .byte_fallback(true)
        .fuse_unk(true);
    if let Some(unknown) = unknown {
        model = model.unk_token(unknown);
    }
    let mut tokenizer = Tokenizer::new(model.build()?);
    let mut normalizers: Vec<NormalizerWrapper> =
        vec![Replace::new(" ", SPACE.to_string())?.into()];
    let mut decoders: Vec<DecoderWrapper> = vec![
        Replace::new(SPACE.to_string(), " ")?.into(),
        ByteFallback::new().into(),
        Fuse::new().into(),
    ];
    if space_prefix {
        normalizers.insert(0, Prepend::new(SPACE.to_string()).into());
        decoders.push(Strip::new(' ', 1, 0).into());
    }
    tokenizer.with_normalizer(Some(Normalizers::new(normalizers)))?;
    tokenizer.with_decoder(Some(Decoders::new(decoders)));
    Ok(tokenizer)
}

/// Every way to form a token from two others, the token with the best score first.
fn derive_merges(tokens: &[&str], scores: &[f32]) -> Vec<(String, String)> {
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

/// The bytes of a token: `<0x0A>` is one byte, any other token its text.
pub(super) fn token_bytes(token: &str) -> Box<[u8]> {
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
    fn text_is_merged_by_score_and_decodes_to_itself() {
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
        for (space_prefix, text, expected) in [
            (true, "ab", vec![1, 4]),
            (true, "aab b", vec![5, 4, 1, 3]),
            (false, "ab a", vec![4, 5]),
            (false, "\na\u{e9}", vec![6, 2, 7, 8]),
        ] {
            let tokenizer = build(&tokens, &scores, unknown.clone(), space_prefix).unwrap();
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
    fn a_token_has_its_bytes() {
        assert_eq!(*token_bytes("\u{2581}is"), *b" is");
        assert_eq!(*token_bytes("<0x0A>"), *b"\n");
        assert_eq!(*token_bytes("<0xZZ>"), *b"<0xZZ>");
    }
}
