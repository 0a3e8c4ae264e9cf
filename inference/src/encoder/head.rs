//! Models that read two texts together, of which the pooled vector is scored: cross-encoders, and those
//! that tell what follows from what.

use super::config::Family;
use super::network::{Dense, Norm, Sequence};
use super::{Opened, compute, evenly};
use crate::embedder::{Entailment, ModelIdentity, Reranker};
use crate::error::Result;
use crate::kernels::{self, Eights};
use crate::manifest::{ModelKind, Pooling};
use rayon::prelude::*;
use std::path::Path;

/// What scores a text from its pooled vector.
pub(super) struct Head {
    pub dense: Dense,
    /// ModernBERT's, whose activation is GELU; the others' is the hyperbolic tangent.
    pub norm: Option<Norm>,
    pub score: Dense,
}

impl Head {
    /// One score for each label.
    fn scores(&self, pooled: &[f32]) -> Vec<f32> {
        let mut unused = Eights::default();
        let mut inner = self.dense.forward(pooled, &mut unused);
        if let Some(norm) = &self.norm {
            kernels::gelu(&mut inner);
            norm.apply(&mut inner);
        } else {
            for x in &mut inner {
                *x = x.tanh();
            }
        }
        self.score.forward(&inner, &mut unused)
    }
}

/// A model of the BERT family with a head, which reads two texts together.
struct OfPairs {
    opened: Opened,
    pooling: Pooling,
    head: Head,
}

impl OfPairs {
    fn open(dir: &Path, kind: ModelKind) -> Result<Self> {
        let (mut opened, head) = Opened::open(dir, kind, None)?;
        opened.cut_pairs()?;
        let pooling = match (opened.family, opened.classifier_pooling.as_deref()) {
            (Family::ModernBert, Some("mean")) => Pooling::Mean,
            _ => Pooling::First,
        };
        let head = head.ok_or_else(|| compute("a model of pairs was opened without a head"))?;
        Ok(Self {
            opened,
            pooling,
            head,
        })
    }

    /// Both as one sequence, cut by the tokenizer where it is too long.
    fn pair(&self, first: &str, second: &str) -> Result<Sequence> {
        let encoding = self.opened.tokenizer.encode_fast((first, second), true);
        let encoding = encoding.map_err(compute)?;
        let types = encoding.get_type_ids();
        Ok(Sequence {
            ids: encoding.get_ids().to_vec(),
            second: types
                .iter()
                .position(|kind| *kind > 0)
                .unwrap_or(types.len()),
        })
    }

    /// The scores of each pair: `[pairs, labels]`.
    fn scores(&self, pairs: &[Sequence]) -> Vec<Vec<f32>> {
        evenly(pairs, |sequences| {
            let pooled = self.opened.encoder.pooled(sequences, self.pooling);
            pooled
                .iter()
                .map(|vector| self.head.scores(vector))
                .collect()
        })
    }
}

/// A cross-encoder of the BERT family, run on the processor.
pub struct CrossEncoder(OfPairs);

impl CrossEncoder {
    /// Opens the model in the folder `dir`, as [`SentenceEncoder`](super::SentenceEncoder) does.
    pub fn open(dir: &Path) -> Result<Self> {
        OfPairs::open(dir, ModelKind::Reranker).map(Self)
    }
}

impl Reranker for CrossEncoder {
    fn identity(&self) -> ModelIdentity {
        self.0.opened.identity.clone()
    }

    fn max_tokens(&self) -> usize {
        self.0.opened.max_tokens
    }

    fn scores(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>> {
        let pairs: Vec<Sequence> = passages
            .par_iter()
            .map(|passage| self.0.pair(question, passage))
            .collect::<Result<_>>()?;
        let scores = self.0.scores(&pairs).into_iter();
        Ok(scores
            .map(|scores| scores.first().copied().unwrap_or_default())
            .collect())
    }
}

/// A model of the BERT family that tells whether a sentence follows from a text, run on the processor.
pub struct EntailmentEncoder {
    pairs: OfPairs,
    /// Which of the labels says that it does.
    entailed: usize,
}

impl EntailmentEncoder {
    /// Opens the model in the folder `dir`, as [`SentenceEncoder`](super::SentenceEncoder) does.
    pub fn open(dir: &Path) -> Result<Self> {
        let pairs = OfPairs::open(dir, ModelKind::Entailment)?;
        let entailed = pairs.opened.entailed;
        let entailed = entailed.ok_or_else(|| compute("none of its labels is `entailment`"))?;
        Ok(Self { pairs, entailed })
    }
}

impl Entailment for EntailmentEncoder {
    fn identity(&self) -> ModelIdentity {
        self.pairs.opened.identity.clone()
    }

    fn follows(&self, text: &str, sentence: &str) -> Result<f32> {
        let scores = self.pairs.scores(&[self.pairs.pair(text, sentence)?]);
        let scores = scores.first().map_or(&[][..], Vec::as_slice);
        let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |score: &f32| (score - top).exp();
        let all: f32 = scores.iter().map(weight).sum();
        Ok(scores.get(self.entailed).map_or(0.0, weight) / all)
    }
}
