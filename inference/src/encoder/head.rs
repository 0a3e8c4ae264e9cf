//! Cross-encoders: question and passage are read together, and the pooled vector is scored.

use super::config::Family;
use super::network::{Dense, Norm, Sequence};
use super::{Opened, compute, evenly};
use crate::embedder::{ModelIdentity, Reranker};
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
    fn score(&self, pooled: &[f32]) -> f32 {
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
        let score = self.score.forward(&inner, &mut unused);
        score.first().copied().unwrap_or_default()
    }
}

/// A cross-encoder of the BERT family, run on the processor.
pub struct CrossEncoder {
    opened: Opened,
    pooling: Pooling,
    head: Head,
}

impl CrossEncoder {
    /// Opens the model in the folder `dir`, as [`SentenceEncoder`](super::SentenceEncoder) does.
    pub fn open(dir: &Path) -> Result<Self> {
        let (mut opened, head) = Opened::open(dir, ModelKind::Reranker, None)?;
        opened.cut_pairs()?;
        let pooling = match (opened.family, opened.classifier_pooling.as_deref()) {
            (Family::ModernBert, Some("mean")) => Pooling::Mean,
            _ => Pooling::First,
        };
        let head = head.ok_or_else(|| compute("a reranker was opened without a head"))?;
        Ok(Self {
            opened,
            pooling,
            head,
        })
    }

    /// Question and passage as one sequence, cut by the tokenizer where it is too long.
    fn pair(&self, question: &str, passage: &str) -> Result<Sequence> {
        let encoding = self.opened.tokenizer.encode_fast((question, passage), true);
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
}

impl Reranker for CrossEncoder {
    fn identity(&self) -> ModelIdentity {
        self.opened.identity.clone()
    }

    fn max_tokens(&self) -> usize {
        self.opened.max_tokens
    }

    fn scores(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>> {
        let pairs: Vec<Sequence> = passages
            .par_iter()
            .map(|passage| self.pair(question, passage))
            .collect::<Result<_>>()?;
        let scored = evenly(&pairs, |sequences| {
            let pooled = self.opened.encoder.pooled(sequences, self.pooling);
            pooled
                .iter()
                .map(|vector| self.head.score(vector))
                .collect()
        });
        Ok(scored)
    }
}
