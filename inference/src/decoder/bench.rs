//! Measurements, and comparisons with the same file in another program: token ids in, token ids and
//! logits out.

use super::generator::GgufGenerator;
use super::runtime::{KvCache, SequenceChunk};
use crate::error::{InferenceError, Result};
use crate::request::GenerateRequest;
use cloister_kernels::float;
use std::time::{Duration, Instant};

/// The workload of a benchmark.
#[derive(Clone, Copy, Debug)]
pub struct BenchLoad {
    /// Tokens of each prompt.
    pub prompt_tokens: usize,
    /// Tokens written after it.
    pub generate_tokens: usize,
    /// Sequences per batch.
    pub parallel: usize,
}

/// The times of a benchmark.
#[derive(Clone, Copy, Debug)]
pub struct BenchTimes {
    /// Until all prompts were processed.
    pub prefill: Duration,
    /// From there to the last token, in an empty context as in llama-bench.
    pub decode: Duration,
}

impl GgufGenerator {
    /// Processes prompts of arbitrary ids, then decodes in sequences that start empty.
    pub fn bench(&self, load: BenchLoad) -> Result<BenchTimes> {
        let longest = load.prompt_tokens.max(load.generate_tokens + 1);
        if longest > self.context {
            return Err(InferenceError::TooLong {
                tokens: longest,
                limit: self.context,
            });
        }
        let started = Instant::now();
        for sequence in 0..load.parallel {
            let ids = self.arbitrary_ids(load.prompt_tokens, sequence);
            self.prefill(&ids, &mut KvCache::new(&self.kv_pages))?;
        }
        let prefill = started.elapsed();
        let mut caches = vec![KvCache::new(&self.kv_pages); load.parallel];
        let mut tokens = self.arbitrary_ids(load.parallel, 0);
        let started = Instant::now();
        for _ in 0..load.generate_tokens {
            let mut chunks: Vec<SequenceChunk<'_>> = tokens
                .chunks_exact(1)
                .zip(&mut caches)
                .map(|(tokens, cache)| SequenceChunk { tokens, cache })
                .collect();
            let states = self.decoder.forward(&mut chunks)?;
            let logits = self.decoder.logits(&states)?;
            let rows = logits.chunks_exact(self.decoder.lm_head.outputs());
            tokens = rows
                .filter_map(|row| u32::try_from(float::argmax(row)).ok())
                .collect();
        }
        Ok(BenchTimes {
            prefill,
            decode: started.elapsed(),
        })
    }

    /// The token ids of a request, in the model's chat template.
    pub fn prompt_ids(&self, request: &GenerateRequest) -> Result<Vec<u32>> {
        self.template.prompt_ids(request, &self.vocabulary)
    }

    /// The ids that greedy decoding writes after `prompt`: at most `max`, and none after an end token.
    pub fn greedy_ids(&self, prompt: &[u32], max: usize) -> Result<Vec<u32>> {
        self.greedy_timed(prompt, max).map(|(written, _)| written)
    }

    /// [`Self::greedy_ids`], and the time from the end of the prompt to the last of them.
    pub fn greedy_timed(&self, prompt: &[u32], max: usize) -> Result<(Vec<u32>, Duration)> {
        self.check_length(prompt.len().saturating_add(max))?;
        let mut cache = KvCache::new(&self.kv_pages);
        let mut state = self.prefill(prompt, &mut cache)?;
        let started = Instant::now();
        let mut written = Vec::new();
        while written.len() < max {
            let token = self.most_likely_token(&state)?;
            written.push(token);
            if self.vocabulary.end_tokens.contains(&token) {
                break;
            }
            state = self.prefill(&[token], &mut cache)?;
        }
        Ok((written, started.elapsed()))
    }

    /// The logits of the vocabulary after `ids`.
    pub fn scores_after(&self, ids: &[u32]) -> Result<Vec<f32>> {
        self.check_length(ids.len())?;
        let state = self.prefill(ids, &mut KvCache::new(&self.kv_pages))?;
        self.decoder.logits(&state)
    }

    fn most_likely_token(&self, state: &[f32]) -> Result<u32> {
        let logits = self.decoder.logits(state)?;
        u32::try_from(float::argmax(&logits))
            .map_err(|error| InferenceError::Compute(error.to_string()))
    }

    /// Ids without a pattern, the same for the same `seed`.
    fn arbitrary_ids(&self, count: usize, seed: usize) -> Vec<u32> {
        let vocabulary = self.decoder.lm_head.outputs().max(1);
        (0..count)
            .map(|i| (i + seed * 7919).wrapping_mul(2_654_435_761) / 64 % vocabulary)
            .filter_map(|id| u32::try_from(id).ok())
            .collect()
    }
}
