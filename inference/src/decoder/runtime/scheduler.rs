//! Continuous batching: texts join and leave between any two steps, and a long prompt is processed in
//! parts, so that the other texts do not wait for it.

use super::kv_cache::SequenceChunk;
use super::prefix_cache::PrefixVisibility;
use super::sampler::Sampler;
use super::sequence::{ActiveSequence, SentText};
use super::speculation::AcceptanceRate;
use crate::decoder::generator::{GgufGenerator, PROMPT_STEP};
use crate::error::{InferenceError, Result};
use crate::request::GenerateRequest;
use crate::traits::{FinishReason, Generated, RequestId, RequestSource};
use cloister_kernels::PAGE_TOKENS;
use std::ops::ControlFlow;

/// Larger batches do not speculate: other texts fill the rows of a step.
const MAX_SPECULATING: usize = 2;

impl GgufGenerator {
    pub(in crate::decoder) fn run_batches(&self, source: &mut dyn RequestSource) {
        let mut batch: Vec<ActiveSequence> = Vec::new();
        let mut deferred: Option<ActiveSequence> = None;
        loop {
            self.remove_unwanted(&mut batch, source);
            self.admit(&mut batch, &mut deferred, source);
            if batch.is_empty() && deferred.is_none() {
                return;
            }
            if let Err(error) = self.step(&mut batch, source) {
                for sequence in batch.drain(..) {
                    let error = InferenceError::Compute(error.to_string());
                    source.finish(sequence.id, Err(error));
                }
            }
        }
    }

    fn remove_unwanted(&self, batch: &mut Vec<ActiveSequence>, source: &mut dyn RequestSource) {
        batch.retain(|sequence| {
            let wanted = source.is_wanted(sequence.id);
            if !wanted {
                self.cache_prefixes(sequence);
                source.finish(sequence.id, Ok(sequence.generated(FinishReason::Stopped)));
            }
            wanted
        });
    }

    /// Admits requests while all texts of the batch together fit into the model's context: their KV
    /// caches then take no more memory than that of one long text. A request that does not fit is
    /// deferred, and goes before those behind it.
    fn admit(
        &self,
        batch: &mut Vec<ActiveSequence>,
        deferred: &mut Option<ActiveSequence>,
        source: &mut dyn RequestSource,
    ) {
        loop {
            let next = match deferred.take() {
                Some(sequence) => sequence,
                None => match source.next(batch.len()) {
                    None => return,
                    Some((id, request)) => match self.prepare_sequence(id, &request) {
                        Ok(sequence) => sequence,
                        Err(error) => {
                            source.finish(id, Err(error));
                            continue;
                        }
                    },
                },
            };
            if !source.is_wanted(next.id) {
                source.finish(next.id, Ok(next.generated(FinishReason::Stopped)));
                continue;
            }
            let used: usize = batch.iter().map(ActiveSequence::max_pages).sum();
            if used + next.max_pages() > self.context.div_ceil(PAGE_TOKENS) {
                *deferred = Some(next);
                // No request is admitted, but scoring jobs still run between the steps.
                let _ = source.next(usize::MAX);
                return;
            }
            batch.push(next);
        }
    }

    pub(in crate::decoder) fn prepare_sequence(
        &self,
        id: RequestId,
        request: &GenerateRequest,
    ) -> Result<ActiveSequence> {
        let prompt = self.prompt_ids(request)?;
        if prompt.is_empty() {
            let reason = "its chat template gives an empty prompt for this request";
            return Err(InferenceError::Compute(reason.into()));
        }
        self.check_length(prompt.len().saturating_add(request.max_tokens))?;
        let sampler = Sampler::new(request)?;
        let namespace = request.cache_namespace.as_ref();
        Ok(ActiveSequence {
            id,
            namespace: namespace.cloned(),
            prompt_tokens: prompt.len(),
            public_tokens: self.count_public_tokens(request, &prompt)?,
            cache: self.prefix_cache.lock().find(namespace, &prompt),
            ids: prompt,
            draft: Vec::new(),
            acceptance_rate: AcceptanceRate::default(),
            sampler,
            max_tokens: request.max_tokens,
            sent: SentText::default(),
        })
    }

    /// How many of a prompt's first tokens depend on its system prompt alone: the prefix that it shares
    /// with two prompts that have only the system prompt in common.
    fn count_public_tokens(&self, request: &GenerateRequest, prompt: &[u32]) -> Result<usize> {
        let one = self.prompt_ids(&probe(request, "0"))?;
        let other = self.prompt_ids(&probe(request, "Z"))?;
        let tokens = one.iter().zip(&other).zip(prompt);
        Ok(tokens.take_while(|((a, b), c)| a == b && a == c).count())
    }

    /// Advances every text by one step: by one token or more if it is being written, or by a fair share
    /// of [`PROMPT_STEP`] if its prompt is being processed.
    fn step(&self, batch: &mut Vec<ActiveSequence>, source: &mut dyn RequestSource) -> Result<()> {
        let budget = (PROMPT_STEP / batch.len().max(1)).max(1);
        let speculate = batch.len() <= MAX_SPECULATING;
        let mut tokens: Vec<Vec<u32>> = Vec::with_capacity(batch.len());
        for sequence in batch.iter_mut() {
            tokens.push(sequence.next_tokens(budget, speculate));
        }
        let pairs = tokens.iter().zip(batch.iter());
        let missing = pairs.map(|(tokens, sequence)| sequence.cache.missing_pages(tokens.len()));
        self.prefix_cache.lock().free_pages(missing.sum());
        let states = {
            let mut chunks: Vec<SequenceChunk<'_>> = tokens
                .iter()
                .zip(batch.iter_mut())
                .map(|(tokens, sequence)| SequenceChunk {
                    tokens,
                    cache: &mut sequence.cache,
                })
                .collect();
            self.decoder.forward(&mut chunks)?
        };
        let hidden_size = self.decoder.config.hidden_size;
        let (mut end, mut selected) = (0, Vec::new());
        for (sequence, tokens) in batch.iter().zip(&tokens) {
            end += tokens.len() * hidden_size;
            let start = end - sequence.logit_rows() * hidden_size;
            selected.extend_from_slice(&states[start..end]);
        }
        let logits = self.decoder.logits(&selected)?;
        self.write_tokens(batch, &logits, source);
        Ok(())
    }

    /// Writes the next tokens of each text from its rows of logits, `[rows, vocabulary]`, and removes the
    /// finished texts.
    fn write_tokens(
        &self,
        batch: &mut Vec<ActiveSequence>,
        logits: &[f32],
        source: &mut dyn RequestSource,
    ) {
        let mut rows = logits.chunks_exact(self.decoder.lm_head.outputs());
        batch.retain_mut(|sequence| {
            let count = sequence.logit_rows();
            let own: Vec<&[f32]> = rows.by_ref().take(count).collect();
            if own.is_empty() {
                return true;
            }
            if sequence.written() == 0 {
                self.cache_prefixes(sequence);
            }
            let id = sequence.id;
            let written = sequence.write(own.into_iter(), &self.vocabulary, &mut |text| {
                source.send_text(id, text)
            });
            match written {
                Ok(None) => return true,
                Ok(Some(finish)) => {
                    self.cache_prefixes(sequence);
                    source.finish(id, Ok(sequence.generated(finish)));
                }
                Err(error) => source.finish(id, Err(error)),
            }
            false
        });
    }

    /// Stores the KV cache of a text in the prefix cache, its public part for all requests.
    fn cache_prefixes(&self, sequence: &ActiveSequence) {
        let mut prefix_cache = self.prefix_cache.lock();
        let cached = sequence.cache.length();
        let public = &sequence.ids[..sequence.public_tokens.min(cached)];
        prefix_cache.insert(PrefixVisibility::Public, public, &sequence.cache);
        if let Some(namespace) = &sequence.namespace {
            let visibility = PrefixVisibility::Namespace(namespace.clone());
            let own = &sequence.ids[..sequence.ids.len().min(cached)];
            prefix_cache.insert(visibility, own, &sequence.cache);
        }
    }
}

/// A request that has only the system prompt in common with `request`.
fn probe(request: &GenerateRequest, user: &str) -> GenerateRequest {
    GenerateRequest {
        system: request.system.clone(),
        user: user.into(),
        ..GenerateRequest::default()
    }
}

/// A source of one request.
pub(in crate::decoder) struct SingleRequest<'a> {
    pub request: Option<GenerateRequest>,
    pub piece: &'a mut dyn FnMut(&str) -> ControlFlow<()>,
    pub outcome: Option<Result<Generated>>,
}

impl RequestSource for SingleRequest<'_> {
    fn next(&mut self, _active: usize) -> Option<(RequestId, GenerateRequest)> {
        self.request.take().map(|request| (RequestId(0), request))
    }

    fn is_wanted(&self, _id: RequestId) -> bool {
        true
    }

    fn send_text(&mut self, _id: RequestId, text: &str) -> ControlFlow<()> {
        (self.piece)(text)
    }

    fn finish(&mut self, _id: RequestId, outcome: Result<Generated>) {
        self.outcome = Some(outcome);
    }
}
