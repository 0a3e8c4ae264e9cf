//! One active text of a batch.

use super::kv_cache::KvCache;
use super::sampler::{NextToken, Sampler};
use super::speculation::{self, AcceptanceRate};
use crate::decoder::thinking;
use crate::decoder::tokenizer::Vocabulary;
use crate::error::Result;
use crate::request::CacheNamespace;
use crate::traits::{FinishReason, Generated, RequestId};
use cloister_kernels::PAGE_TOKENS;
use std::ops::ControlFlow;

pub(in crate::decoder) struct ActiveSequence {
    pub id: RequestId,
    pub namespace: Option<CacheNamespace>,
    /// The prompt, then the tokens written so far.
    pub ids: Vec<u32>,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the prompt that depend on the system prompt alone.
    pub public_tokens: usize,
    // INVARIANT: between two steps it has a proper prefix of `ids`.
    pub cache: KvCache,
    /// Speculative tokens after `ids`, which are verified in the same pass.
    pub draft: Vec<u32>,
    pub acceptance_rate: AcceptanceRate,
    pub sampler: Sampler,
    /// The maximum of tokens to write.
    pub max_tokens: usize,
    /// The text that was handed out.
    pub sent: SentText,
}

/// The text that was handed out, without thoughts.
#[derive(Default)]
pub(in crate::decoder) struct SentText {
    pub text: String,
}

impl SentText {
    /// Hands out the new text of these tokens, unless it ends inside a character. `finished` says that no token
    /// follows.
    pub(in crate::decoder) fn send_new(
        &mut self,
        written: &[u32],
        vocabulary: &Vocabulary,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
        finished: bool,
    ) -> Result<ControlFlow<()>> {
        let text = vocabulary.decode(written)?;
        if text.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(ControlFlow::Continue(()));
        }
        let text = thinking::without_thoughts(&text, finished);
        let flow = match text.strip_prefix(self.text.as_str()) {
            Some("") | None => ControlFlow::Continue(()),
            Some(new) => piece(new),
        };
        text.clone_into(&mut self.text);
        Ok(flow)
    }
}

impl ActiveSequence {
    /// Tokens written so far.
    pub(super) fn written(&self) -> usize {
        self.ids.len() - self.prompt_tokens
    }

    /// The pages that its prompt and answer can need together.
    pub(super) fn max_pages(&self) -> usize {
        (self.prompt_tokens + self.max_tokens).div_ceil(PAGE_TOKENS)
    }

    /// The rows of logits that it needs after a step: none while tokens of the prompt are left.
    pub(super) fn logit_rows(&self) -> usize {
        if self.cache.length() < self.ids.len() {
            return 0;
        }
        1 + self.draft.len()
    }

    /// The tokens of the next step: at most `budget`, followed by a draft if `speculate` is true.
    pub(super) fn next_tokens(&mut self, budget: usize, speculate: bool) -> Vec<u32> {
        let start = self.cache.length();
        let end = self.ids.len().min(start + budget);
        let mut tokens = self.ids[start..end].to_vec();
        self.draft.clear();
        if speculate && end == self.ids.len() {
            let max = (self.max_tokens - self.written()).saturating_sub(1);
            let draft = speculation::draft(&self.ids, max, self.acceptance_rate);
            self.draft.extend_from_slice(draft);
            tokens.extend_from_slice(draft);
        }
        tokens
    }

    /// Writes the token that the first row of logits selects and, as long as that equals the draft, the
    /// token of the next row. Returns the reason if that ends the text.
    pub(super) fn write<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a [f32]>,
        vocabulary: &Vocabulary,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Option<FinishReason>> {
        let draft = std::mem::take(&mut self.draft);
        let mut accepted = 0;
        let mut finish = None;
        for row in rows {
            finish = self.write_token(row, vocabulary, piece)?;
            if finish.is_some() || self.ids.last() != draft.get(accepted) {
                break;
            }
            accepted += 1;
        }
        self.acceptance_rate.record(draft.len(), accepted);
        // Rejected tokens of the draft leave the cache, and the last token is not yet in it.
        self.cache.truncate(self.ids.len().saturating_sub(1));
        Ok(finish)
    }

    fn write_token(
        &mut self,
        logits: &[f32],
        vocabulary: &Vocabulary,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Option<FinishReason>> {
        if self.written() >= self.max_tokens {
            return Ok(Some(FinishReason::Length));
        }
        let next = self.sampler.sample(logits, self.written(), vocabulary)?;
        let NextToken::Token(token) = next else {
            let written = &self.ids[self.prompt_tokens..];
            let flow = self.sent.send_new(written, vocabulary, piece, true)?;
            let stopped = flow.is_break().then_some(FinishReason::Stopped);
            return Ok(Some(stopped.unwrap_or(FinishReason::Complete)));
        };
        self.ids.push(token);
        let written = &self.ids[self.prompt_tokens..];
        let flow = self.sent.send_new(written, vocabulary, piece, false)?;
        if flow.is_break() {
            return Ok(Some(FinishReason::Stopped));
        }
        Ok((self.written() >= self.max_tokens).then_some(FinishReason::Length))
    }

    /// The finished text.
    pub(super) fn generated(&self, finish: FinishReason) -> Generated {
        Generated {
            text: self.sent.text.clone(),
            tokens: self.written(),
            finish,
        }
    }
}
