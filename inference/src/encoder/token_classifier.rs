//! Models that label the tokens of a text, for example as parts of names and addresses.

use super::layers::Dense;
use super::loaded::{EncoderHead, LoadedEncoder, compute_error, run_in_batches};
use super::network::TokenSequence;
use crate::error::Result;
use crate::manifest::ModelKind;
use crate::traits::ModelIdentity;
use cloister_kernels::{ActivationsQ8, float};
use std::ops::Range;
use std::path::Path;

/// Tokens that two neighbouring windows of a long text share. Each of them is labeled by the window that has
/// more text on both sides of it.
const OVERLAP: usize = 64;

/// A part of a text with a label.
#[derive(Clone, Debug, PartialEq)]
pub struct LabeledSpan {
    /// Its bytes in the text.
    pub bytes: Range<usize>,
    /// The label without its prefix `B-` or `I-`.
    pub label: String,
    /// The mean probability of its tokens' labels.
    pub probability: f32,
}

/// A token classifier of the BERT family, run on the CPU.
pub struct TokenClassifier {
    loaded: LoadedEncoder,
    head: Dense,
    /// The special tokens before and after a text.
    around: [Vec<u32>; 2],
}

/// The most likely label of a token, and its probability.
type TokenLabel = (usize, f32);

impl TokenClassifier {
    /// Opens the model in the folder `dir`, as [`SentenceEncoder`](super::SentenceEncoder) does.
    pub fn open(dir: &Path) -> Result<Self> {
        let (loaded, head) = LoadedEncoder::load(dir, ModelKind::TokenClassifier, None)?;
        let EncoderHead::OfTokens(head) = head else {
            return Err(compute_error(
                "a token classifier was opened without a head",
            ));
        };
        let empty = loaded.tokenizer.encode_fast("", true);
        let mut before = empty.map_err(compute_error)?.get_ids().to_vec();
        let after = before.split_off(before.len() / 2);
        if loaded.max_tokens <= before.len() + after.len() + 2 * OVERLAP {
            return Err(compute_error("its texts are too short for windows"));
        }
        Ok(Self {
            loaded,
            head,
            around: [before, after],
        })
    }

    /// Which model this is.
    pub fn identity(&self) -> ModelIdentity {
        self.loaded.identity.clone()
    }

    /// The parts of a text of any length that have a label other than `O`, in order.
    pub fn spans(&self, text: &str) -> Result<Vec<LabeledSpan>> {
        let encoding = self.loaded.tokenizer.encode(text, false);
        let encoding = encoding.map_err(compute_error)?;
        let windows = self.windows(encoding.get_ids().len());
        let sequences: Vec<TokenSequence> = windows
            .iter()
            .map(|window| self.sequence(encoding.get_ids(), window))
            .collect();
        let labels = run_in_batches(&sequences, |batch| self.label_tokens(batch));
        let mut best: Vec<TokenLabel> = vec![(0, 0.0); encoding.get_ids().len()];
        for (window, labels) in windows.iter().zip(labels) {
            let skipped = if window.start == 0 { 0 } else { OVERLAP / 2 };
            for (token, label) in window.clone().zip(labels).skip(skipped) {
                if let Some(best) = best.get_mut(token) {
                    *best = label;
                }
            }
        }
        Ok(self.merge(&best, encoding.get_offsets()))
    }

    /// The ranges of tokens that the model sees at once.
    fn windows(&self, tokens: usize) -> Vec<Range<usize>> {
        let [before, after] = &self.around;
        let length = self.loaded.max_tokens - before.len() - after.len();
        let mut windows = Vec::new();
        let mut start = 0;
        loop {
            let end = tokens.min(start + length);
            windows.push(start..end);
            if end == tokens {
                return windows;
            }
            start = end - OVERLAP;
        }
    }

    fn sequence(&self, ids: &[u32], window: &Range<usize>) -> TokenSequence {
        let [before, after] = &self.around;
        let own = ids.get(window.clone()).unwrap_or_default();
        let ids = [before, own, after].concat();
        TokenSequence {
            second: ids.len(),
            ids,
        }
    }

    /// The labels of the tokens of each sequence, without its special tokens.
    fn label_tokens(&self, sequences: &[&TokenSequence]) -> Vec<Vec<TokenLabel>> {
        let states = self.loaded.encoder.token_states(sequences);
        let mut logits = self.head.forward(&states, &mut ActivationsQ8::default());
        let mut rows = logits.chunks_exact_mut(self.loaded.labels.len());
        let [before, after] = &self.around;
        sequences
            .iter()
            .map(|sequence| {
                let own = rows.by_ref().take(sequence.ids.len());
                let labels: Vec<TokenLabel> = own.map(most_likely).collect();
                let end = labels.len().saturating_sub(after.len());
                labels.get(before.len()..end).unwrap_or_default().to_vec()
            })
            .collect()
    }

    /// Joins neighbouring tokens of the same label. A token with `B-` starts another span, unless it continues
    /// a word.
    fn merge(&self, labels: &[TokenLabel], offsets: &[(usize, usize)]) -> Vec<LabeledSpan> {
        let mut spans: Vec<(LabeledSpan, f32)> = Vec::new();
        let mut open = false;
        for ((label, probability), (start, end)) in labels.iter().zip(offsets) {
            let name = self.loaded.labels.get(*label).map_or("O", String::as_str);
            let (starts, name) = match name.split_once('-') {
                Some(("B", name)) => (true, name),
                Some(("I", name)) => (false, name),
                Some(_) | None => (false, name),
            };
            if name == "O" {
                open = false;
                continue;
            }
            match spans.last_mut() {
                Some((span, tokens))
                    if open && span.label == name && (!starts || span.bytes.end == *start) =>
                {
                    span.bytes.end = *end;
                    span.probability += probability;
                    *tokens += 1.0;
                }
                _ => {
                    let span = LabeledSpan {
                        bytes: *start..*end,
                        label: name.to_owned(),
                        probability: *probability,
                    };
                    spans.push((span, 1.0));
                }
            }
            open = true;
        }
        let means = spans.into_iter().map(|(mut span, tokens)| {
            span.probability /= tokens;
            span
        });
        means.collect()
    }
}

/// The most likely label of a row of logits, which become probabilities.
fn most_likely(logits: &mut [f32]) -> TokenLabel {
    float::softmax(logits);
    let label = float::argmax(logits);
    (label, logits.get(label).copied().unwrap_or(0.0))
}
