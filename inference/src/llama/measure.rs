//! For comparing a model here with the same file in another program: ids in, ids and scores out,
//! and how fast.

use super::LlamaGguf;
use super::cache::Cache;
use super::decoder::Span;
use crate::error::{InferenceError, Result};
use crate::generator::GenerateRequest;
use crate::kernels;
use std::time::{Duration, Instant};

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Tokens of each prompt.
    pub prompt_tokens: usize,
    /// Tokens written after it.
    pub generate_tokens: usize,
    /// Sequences at once.
    pub parallel: usize,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Until all prompts were read.
    pub prefill: Duration,
    /// From there until the last token was written, in an empty context as llama-bench does it.
    pub decode: Duration,
}

impl LlamaGguf {
    /// Reads prompts of arbitrary ids, then writes in sequences that begin empty.
    pub fn pace(&self, load: Load) -> Result<Pace> {
        let most = load.prompt_tokens.max(load.generate_tokens + 1);
        if most > self.context {
            return Err(InferenceError::TooLong {
                tokens: most,
                limit: self.context,
            });
        }
        let began = Instant::now();
        for sequence in 0..load.parallel {
            let ids = self.arbitrary(load.prompt_tokens, sequence);
            self.read_prompt(&ids, &mut Cache::new(&self.pages))?;
        }
        let prefill = began.elapsed();
        let mut caches: Vec<Cache> = (0..load.parallel)
            .map(|_| Cache::new(&self.pages))
            .collect();
        let mut tokens = self.arbitrary(load.parallel, 0);
        let began = Instant::now();
        for _ in 0..load.generate_tokens {
            let mut spans: Vec<Span<'_>> = tokens
                .chunks_exact(1)
                .zip(&mut caches)
                .map(|(tokens, cache)| Span { tokens, cache })
                .collect();
            let states = self.decoder.forward(&mut spans)?;
            let logits = self.decoder.logits(&states)?;
            let rows = logits.chunks_exact(self.decoder.head.outputs());
            tokens = rows
                .filter_map(|row| u32::try_from(kernels::argmax(row)).ok())
                .collect();
        }
        Ok(Pace {
            prefill,
            decode: began.elapsed(),
        })
    }

    /// The ids of a request, as the model's template frames it.
    pub fn prompt_ids(&self, request: &GenerateRequest) -> Result<Vec<u32>> {
        let prompt = self.template.render(request, &self.vocabulary)?;
        self.vocabulary.encode(&prompt)
    }

    /// The ids that greedy decoding writes after `prompt`, at most `most`, none after an end.
    pub fn greedy_ids(&self, prompt: &[u32], most: usize) -> Result<Vec<u32>> {
        self.greedy_timed(prompt, most).map(|(written, _)| written)
    }

    /// [`Self::greedy_ids`], and the time from the end of the prompt to the last of them.
    pub fn greedy_timed(&self, prompt: &[u32], most: usize) -> Result<(Vec<u32>, Duration)> {
        self.check_length(prompt.len().saturating_add(most))?;
        let mut cache = Cache::new(&self.pages);
        let mut state = self.read_prompt(prompt, &mut cache)?;
        let began = Instant::now();
        let mut written = Vec::new();
        while written.len() < most {
            let token = self.next_token(&state)?;
            written.push(token);
            if self.vocabulary.ends.contains(&token) {
                break;
            }
            state = self.read_prompt(&[token], &mut cache)?;
        }
        Ok((written, began.elapsed()))
    }

    /// The scores of every token of the vocabulary after `ids`.
    pub fn scores_after(&self, ids: &[u32]) -> Result<Vec<f32>> {
        self.check_length(ids.len())?;
        let state = self.read_prompt(ids, &mut Cache::new(&self.pages))?;
        self.decoder.logits(&state)
    }

    /// Ids that follow no pattern, the same for the same `seed`.
    fn arbitrary(&self, count: usize, seed: usize) -> Vec<u32> {
        let words = self.decoder.head.outputs().max(1);
        let id = |i: usize| (i + seed * 7919).wrapping_mul(2_654_435_761) / 64 % words;
        (0..count)
            .filter_map(|i| u32::try_from(id(i)).ok())
            .collect()
    }
}
