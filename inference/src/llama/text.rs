//! One text that is being written.

use super::cache::Cache;
use super::choosing::{Choice, Chooser};
use super::drafting::{self, Trust};
use super::vocabulary::Vocabulary;
use crate::error::Result;
use crate::generator::{Finish, Generated, Scope};
use crate::kernels::PAGE;
use std::ops::ControlFlow;

pub(super) struct Text {
    pub ticket: usize,
    pub scope: Option<Scope>,
    /// The prompt, then what was written.
    pub ids: Vec<u32>,
    /// How many of them are the prompt.
    pub prompt: usize,
    /// How many of the prompt's first follow from the system prompt alone.
    pub public: usize,
    // INVARIANT: between two steps it holds the first of `ids`, and not all of them.
    pub cache: Cache,
    /// Tokens that may come after `ids`, taken through the layers with them.
    pub drafted: Vec<u32>,
    pub trust: Trust,
    pub chooser: Chooser,
    /// Tokens that may be written.
    pub most: usize,
    /// What was handed out.
    pub shown: String,
}

impl Text {
    /// Tokens written.
    pub(super) fn written(&self) -> usize {
        self.ids.len() - self.prompt
    }

    /// Pages that its prompt and answer may need together.
    pub(super) fn pages(&self) -> usize {
        (self.prompt + self.most).div_ceil(PAGE)
    }

    /// Rows of scores that it needs after a step: none before all of its tokens are read.
    pub(super) fn asked(&self) -> usize {
        if self.cache.length() < self.ids.len() {
            return 0;
        }
        1 + self.drafted.len()
    }

    /// The tokens of the next step: at most `share`, and behind the last one a draft, where
    /// `drafting` allows.
    pub(super) fn next_tokens(&mut self, share: usize, drafting: bool) -> Vec<u32> {
        let start = self.cache.length();
        let end = self.ids.len().min(start + share);
        let mut tokens = self.ids.get(start..end).unwrap_or_default().to_vec();
        self.drafted.clear();
        if drafting && end == self.ids.len() {
            let most = (self.most - self.written()).saturating_sub(1);
            let draft = drafting::draft(&self.ids, most, self.trust);
            self.drafted.extend_from_slice(draft);
            tokens.extend_from_slice(draft);
        }
        tokens
    }

    /// Writes as many tokens as `rows` of scores allow: the first row's choice, and as long as
    /// that is what was drafted, the next row's. Says why, where that ends the text.
    pub(super) fn write<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a [f32]>,
        vocabulary: &Vocabulary,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Option<Finish>> {
        let drafted = std::mem::take(&mut self.drafted);
        let mut held = 0;
        let mut finish = None;
        for row in rows {
            finish = self.write_one(row, vocabulary, piece)?;
            if finish.is_some() || self.ids.last() != drafted.get(held) {
                break;
            }
            held += 1;
        }
        self.trust.learn(drafted.len(), held);
        // What was drafted and did not come is forgotten, and the last token is still to be read.
        self.cache.truncate(self.ids.len().saturating_sub(1));
        Ok(finish)
    }

    fn write_one(
        &mut self,
        logits: &[f32],
        vocabulary: &Vocabulary,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Option<Finish>> {
        if self.written() >= self.most {
            return Ok(Some(Finish::Length));
        }
        let choice = self.chooser.choose(logits, self.written(), vocabulary)?;
        let Choice::Token(token) = choice else {
            return Ok(Some(Finish::Complete));
        };
        self.ids.push(token);
        if self.show(vocabulary, piece)?.is_break() {
            return Ok(Some(Finish::Stopped));
        }
        Ok((self.written() >= self.most).then_some(Finish::Length))
    }

    /// Hands out what is new, unless it ends inside a character.
    fn show(
        &mut self,
        vocabulary: &Vocabulary,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let text = vocabulary.decode(self.ids.get(self.prompt..).unwrap_or_default())?;
        if text.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(ControlFlow::Continue(()));
        }
        let flow = match text.strip_prefix(self.shown.as_str()) {
            Some("") | None => ControlFlow::Continue(()),
            Some(new) => piece(new),
        };
        self.shown = text;
        Ok(flow)
    }

    /// What was written, at its end.
    pub(super) fn generated(&self, finish: Finish) -> Generated {
        Generated {
            text: self.shown.clone(),
            tokens: self.written(),
            finish,
        }
    }
}
