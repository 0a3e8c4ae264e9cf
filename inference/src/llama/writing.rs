//! Several texts written at once: each joins and leaves between any two steps, and a long prompt
//! is read in parts, so that those who are reading do not wait for it.

use super::choosing::Chooser;
use super::decoder::Span;
use super::drafting::Trust;
use super::prefixes::Audience;
use super::text::Text;
use super::{LlamaGguf, PROMPT_STEP};
use crate::error::{InferenceError, Result};
use crate::generator::{Desk, Finish, GenerateRequest, Generated};
use crate::kernels::PAGE;
use std::ops::ControlFlow;

/// With more texts than this nothing is drafted: the rows of a step are filled by those who wait.
const MOST_DRAFTING: usize = 2;

impl LlamaGguf {
    pub(super) fn write_all(&self, desk: &mut dyn Desk) {
        let mut texts: Vec<Text> = Vec::new();
        let mut held: Option<Text> = None;
        loop {
            texts.retain(|text| {
                let wanted = desk.wanted(text.ticket);
                if !wanted {
                    self.remember(text);
                    desk.end(text.ticket, Ok(text.generated(Finish::Stopped)));
                }
                wanted
            });
            self.admit(&mut texts, &mut held, desk);
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
            if !desk.wanted(next.ticket) {
                desk.end(next.ticket, Ok(next.generated(Finish::Stopped)));
                continue;
            }
            let taken: usize = texts.iter().map(Text::pages).sum();
            if taken + next.pages() > self.context.div_ceil(PAGE) {
                *held = Some(next);
                // Nobody is let in, but what goes between the steps still does.
                let _ = desk.next(usize::MAX);
                return;
            }
            texts.push(next);
        }
    }

    pub(super) fn text(&self, ticket: usize, request: &GenerateRequest) -> Result<Text> {
        let prompt = self.prompt_ids(request)?;
        if prompt.is_empty() {
            let reason = "its chat template makes nothing of this request";
            return Err(InferenceError::Compute(reason.into()));
        }
        self.check_length(prompt.len().saturating_add(request.max_tokens))?;
        let chooser = Chooser::of(request)?;
        Ok(Text {
            ticket,
            scope: request.scope.clone(),
            prompt: prompt.len(),
            public: self.public_tokens(request, &prompt)?,
            cache: self.prefixes().find(request.scope.as_ref(), &prompt),
            ids: prompt,
            drafted: Vec::new(),
            trust: Trust::default(),
            chooser,
            most: request.max_tokens,
            shown: String::new(),
        })
    }

    /// How many of a prompt's first tokens follow from its system prompt alone: those that it
    /// has in common with two prompts that have nothing else in common.
    fn public_tokens(&self, request: &GenerateRequest, prompt: &[u32]) -> Result<usize> {
        let probe = |user: &str| {
            self.prompt_ids(&GenerateRequest {
                system: request.system.clone(),
                user: user.into(),
                ..GenerateRequest::default()
            })
        };
        let (one, other) = (probe("0")?, probe("Z")?);
        let three = one.iter().zip(&other).zip(prompt);
        Ok(three.take_while(|((a, b), c)| a == b && a == c).count())
    }

    /// Takes every text a step further: a token or more for those that are written, and a fair
    /// part of [`PROMPT_STEP`] for those that are read.
    fn step(&self, texts: &mut Vec<Text>, desk: &mut dyn Desk) -> Result<()> {
        let share = (PROMPT_STEP / texts.len().max(1)).max(1);
        let drafting = texts.len() <= MOST_DRAFTING;
        let taken: Vec<Vec<u32>> = texts
            .iter_mut()
            .map(|text| text.next_tokens(share, drafting))
            .collect();
        let lacking = taken.iter().zip(texts.iter());
        let lacking = lacking.map(|(tokens, text)| text.cache.lacking(tokens.len()));
        self.prefixes().make_room(lacking.sum());
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
            let start = end - text.asked() * width;
            asked.extend_from_slice(states.get(start..end).unwrap_or_default());
        }
        let logits = self.decoder.logits(&asked)?;
        self.write_step(texts, &logits, desk);
        Ok(())
    }

    /// Writes what the scores say, `[asked, vocabulary]`, one text after the other, and lets those
    /// go that are finished.
    fn write_step(&self, texts: &mut Vec<Text>, logits: &[f32], desk: &mut dyn Desk) {
        let mut rows = logits.chunks_exact(self.decoder.head.outputs());
        texts.retain_mut(|text| {
            let asked = text.asked();
            let own: Vec<&[f32]> = rows.by_ref().take(asked).collect();
            if own.is_empty() {
                return true;
            }
            if text.written() == 0 {
                self.remember(text);
            }
            let ticket = text.ticket;
            let mut hand_over = |piece: &str| desk.piece(ticket, piece);
            match text.write(own.into_iter(), &self.vocabulary, &mut hand_over) {
                Ok(None) => return true,
                Ok(Some(finish)) => {
                    self.remember(text);
                    desk.end(ticket, Ok(text.generated(finish)));
                }
                Err(error) => desk.end(ticket, Err(error)),
            }
            false
        });
    }

    /// Keeps what was computed for a text, for those who may profit from it.
    fn remember(&self, text: &Text) {
        let mut prefixes = self.prefixes();
        let read = |count: usize| text.ids.get(..count.min(text.cache.length()));
        if let Some(public) = read(text.public) {
            prefixes.keep(Audience::Everybody, public, &text.cache);
        }
        if let (Some(scope), Some(ids)) = (&text.scope, read(text.ids.len())) {
            prefixes.keep(Audience::Scope(scope.clone()), ids, &text.cache);
        }
    }
}

/// A desk for one request.
pub(super) struct Alone<'a> {
    pub request: Option<GenerateRequest>,
    pub piece: &'a mut dyn FnMut(&str) -> ControlFlow<()>,
    pub outcome: Option<Result<Generated>>,
}

impl Desk for Alone<'_> {
    fn next(&mut self, _writing: usize) -> Option<(usize, GenerateRequest)> {
        self.request.take().map(|request| (0, request))
    }

    fn wanted(&self, _ticket: usize) -> bool {
        true
    }

    fn piece(&mut self, _ticket: usize, text: &str) -> ControlFlow<()> {
        (self.piece)(text)
    }

    fn end(&mut self, _ticket: usize, outcome: Result<Generated>) {
        self.outcome = Some(outcome);
    }
}
