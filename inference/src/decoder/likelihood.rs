//! Log-likelihoods of continuations.

use super::generator::GgufGenerator;
use super::runtime::{KvCache, SCORING_PAGES, SequenceChunk};
use crate::error::Result;
use cloister_kernels::{PAGE_TOKENS, float};

/// Tokens of several sequences that are scored together.
const SCORING_STEP: usize = 768;

/// A context and a continuation as one sequence of token ids.
struct ScoredSequence {
    ids: Vec<u32>,
    /// How many of the last ids are scored.
    scored: usize,
}

impl ScoredSequence {
    fn pages(&self) -> usize {
        self.ids.len().div_ceil(PAGE_TOKENS)
    }
}

impl GgufGenerator {
    /// See [`Generator::log_likelihoods`](crate::Generator::log_likelihoods).
    pub(super) fn mean_log_likelihoods(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>> {
        let mut found = Vec::with_capacity(pairs.len());
        let mut batch: Vec<ScoredSequence> = Vec::new();
        for (context, continuation) in pairs {
            let next = self.scored_sequence(context, continuation)?;
            let tokens: usize = batch.iter().map(|sequence| sequence.ids.len()).sum();
            let pages: usize = batch.iter().map(ScoredSequence::pages).sum();
            let full =
                tokens + next.ids.len() > SCORING_STEP || pages + next.pages() > SCORING_PAGES;
            if !batch.is_empty() && full {
                found.extend(self.score_batch(&batch)?);
                batch.clear();
            }
            batch.push(next);
        }
        found.extend(self.score_batch(&batch)?);
        Ok(found)
    }

    fn scored_sequence(&self, context: &str, continuation: &str) -> Result<ScoredSequence> {
        let (ids, scored) = self.vocabulary.encode_scored(context, continuation)?;
        self.check_length(ids.len())?;
        Ok(ScoredSequence { ids, scored })
    }

    /// The mean log-likelihoods of a few sequences, in one pass.
    fn score_batch(&self, sequences: &[ScoredSequence]) -> Result<Vec<f32>> {
        if sequences.iter().all(|sequence| sequence.scored == 0) {
            return Ok(vec![0.0; sequences.len()]);
        }
        let pages = sequences.iter().map(ScoredSequence::pages).sum();
        self.prefix_cache.lock().free_pages(pages);
        let mut caches = vec![KvCache::new(&self.kv_pages); sequences.len()];
        let mut chunks: Vec<SequenceChunk<'_>> = sequences
            .iter()
            .zip(&mut caches)
            .map(|(sequence, cache)| SequenceChunk {
                tokens: &sequence.ids,
                cache,
            })
            .collect();
        let states = self.decoder.forward(&mut chunks)?;
        let hidden_size = self.decoder.config.hidden_size;
        let mut selected = Vec::new();
        let mut end = 0;
        for sequence in sequences {
            end += sequence.ids.len() * hidden_size;
            // The state before a token predicts it, so the last state is not needed.
            let last = end.saturating_sub(hidden_size);
            let first = last.saturating_sub(sequence.scored * hidden_size);
            selected.extend_from_slice(&states[first..last]);
        }
        let logits = self.decoder.logits(&selected)?;
        let mut rows = logits.chunks_exact(self.decoder.lm_head.outputs());
        let mut means = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            means.push(mean_log_probability(sequence, rows.by_ref()));
        }
        Ok(means)
    }
}

/// Takes the sequence's rows of logits, and averages the log-probabilities of its scored tokens.
fn mean_log_probability<'a>(
    sequence: &ScoredSequence,
    rows: impl Iterator<Item = &'a [f32]>,
) -> f32 {
    if sequence.scored == 0 {
        return 0.0;
    }
    let tokens = sequence
        .ids
        .iter()
        .skip(sequence.ids.len() - sequence.scored);
    let sum: f32 = tokens
        .zip(rows)
        .map(|(id, logits)| float::log_probability(logits, *id as usize))
        .sum();
    sum / sequence.scored as f32
}
