//! Several texts written at once: each joins and leaves between any two steps, and a long prompt
//! is read in parts, so that those who are reading do not wait for it.

use super::cache::Cache;
use super::decoder::Span;
use super::{LlamaGguf, PROMPT_STEP, Written};
use crate::error::{InferenceError, Result};
use crate::generator::{Desk, Finish, GenerateRequest};
use crate::kernels;

/// One text being written.
struct Text {
    ticket: usize,
    // INVARIANT: never empty between two steps.
    /// Tokens to be taken through the layers: the rest of the prompt, or what was written last.
    waiting: Vec<u32>,
    cache: Cache,
    written: Written,
    most: usize,
    /// Tokens that its prompt and answer may have together.
    room: usize,
}

impl LlamaGguf {
    pub(super) fn write_all(&self, desk: &mut dyn Desk) {
        let mut texts: Vec<Text> = Vec::new();
        let mut held: Option<Text> = None;
        loop {
            self.admit(&mut texts, &mut held, desk);
            texts.retain(|text| {
                let wanted = desk.wanted(text.ticket);
                if !wanted {
                    desk.end(
                        text.ticket,
                        Ok(Written::default().finished(Finish::Stopped)),
                    );
                }
                wanted
            });
            if texts.is_empty() && held.is_none() {
                return;
            }
            if let Err(error) = self.step(&mut texts, desk) {
                for text in texts.drain(..) {
                    desk.end(text.ticket, Err(InferenceError::Compute(error.to_string())));
                }
            }
        }
    }

    /// Lets texts in while all of them together keep to the model's context: their keys and
    /// values then take no more memory than one long text's. The one that does not fit is held,
    /// and goes before those behind it.
    fn admit(&self, texts: &mut Vec<Text>, held: &mut Option<Text>, desk: &mut dyn Desk) {
        loop {
            let next = match held.take() {
                Some(text) => text,
                None => match desk.next(texts.len()) {
                    None => return,
                    Some((ticket, request)) => match self.text(ticket, &request) {
                        Ok(text) => text,
                        Err(error) => {
                            desk.end(ticket, Err(error));
                            continue;
                        }
                    },
                },
            };
            let taken: usize = texts.iter().map(|text| text.room).sum();
            if taken + next.room > self.context {
                *held = Some(next);
                // Nobody is let in, but what goes between the steps still does.
                let _ = desk.next(usize::MAX);
                return;
            }
            texts.push(next);
        }
    }

    fn text(&self, ticket: usize, request: &GenerateRequest) -> Result<Text> {
        let prompt = self.prompt_ids(request)?;
        if prompt.is_empty() {
            let reason = "its chat template makes nothing of this request";
            return Err(InferenceError::Compute(reason.into()));
        }
        let room = prompt.len() + request.max_tokens;
        self.check_length(room)?;
        Ok(Text {
            ticket,
            waiting: prompt,
            cache: Cache::new(),
            written: Written::default(),
            most: request.max_tokens,
            room,
        })
    }

    /// Takes every text a step further: a token each for those that are written, and a fair part
    /// of [`PROMPT_STEP`] for those that are read.
    fn step(&self, texts: &mut Vec<Text>, desk: &mut dyn Desk) -> Result<()> {
        let share = (PROMPT_STEP / texts.len().max(1)).max(1);
        let taken: Vec<Vec<u32>> = texts
            .iter_mut()
            .map(|text| {
                let count = text.waiting.len().min(share);
                text.waiting.drain(..count).collect()
            })
            .collect();
        let mut spans: Vec<Span<'_>> = taken
            .iter()
            .zip(texts.iter_mut())
            .map(|(tokens, text)| Span {
                tokens,
                cache: &mut text.cache,
            })
            .collect();
        let states = self.decoder.forward(&mut spans)?;
        drop(spans);
        let width = self.decoder.shape.width;
        let (mut end, mut asked) = (0, Vec::new());
        for (text, tokens) in texts.iter().zip(&taken) {
            end += tokens.len() * width;
            if text.waiting.is_empty() && !tokens.is_empty() {
                asked.extend_from_slice(states.get(end - width..end).unwrap_or_default());
            }
        }
        let logits = self.decoder.logits(&asked)?;
        let mut rows = logits.chunks_exact(self.decoder.head.outputs());
        let mut outcomes = Vec::with_capacity(texts.len());
        for text in texts.iter_mut() {
            let row = text.waiting.is_empty().then(|| rows.next()).flatten();
            outcomes.push(row.map_or(Ok(None), |row| self.write_token(text, row, desk)));
        }
        let mut outcomes = outcomes.into_iter();
        texts.retain_mut(|text| match outcomes.next() {
            Some(Ok(None)) | None => true,
            Some(Ok(Some(finish))) => {
                let written = std::mem::take(&mut text.written);
                desk.end(text.ticket, Ok(written.finished(finish)));
                false
            }
            Some(Err(error)) => {
                desk.end(text.ticket, Err(error));
                false
            }
        });
        Ok(())
    }

    /// Writes the best token of `logits`; says why, where that ends the text.
    fn write_token(
        &self,
        text: &mut Text,
        logits: &[f32],
        desk: &mut dyn Desk,
    ) -> Result<Option<Finish>> {
        if text.written.ids.len() >= text.most {
            return Ok(Some(Finish::Length));
        }
        let token = u32::try_from(kernels::argmax(logits))
            .map_err(|error| InferenceError::Compute(error.to_string()))?;
        if self.vocabulary.ends.contains(&token) {
            return Ok(Some(Finish::Complete));
        }
        text.written.ids.push(token);
        let ticket = text.ticket;
        let decoded = self.vocabulary.decode(&text.written.ids)?;
        let mut hand_over = |piece: &str| desk.piece(ticket, piece);
        if text.written.hand_out(decoded, &mut hand_over).is_break() {
            return Ok(Some(Finish::Stopped));
        }
        if text.written.ids.len() >= text.most {
            return Ok(Some(Finish::Length));
        }
        text.waiting.push(token);
        Ok(None)
    }
}
