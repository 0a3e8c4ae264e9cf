//! Personal data is masked before anything is shown or logged.
//!
//! The rules say which kinds are masked for whom and in which collection. What a model writes from,
//! a person reads, or the log keeps has gone through here; only the places of a quote are those of
//! the unmasked text, so that its page still opens at the right words.

use crate::answerer::{Answerer, Examined};
use crate::quote::Quote;
use crate::retrieve::{Found, FoundPassage};
use cloister_domain::{ByteRange, Role};
use cloister_policies::redaction::{Redaction, masked};
use serde_json::{Value, json};

/// Masks texts for somebody of these roles.
#[derive(Clone, Copy)]
pub(crate) struct Masking<'a> {
    rules: &'a Redaction,
    roles: &'a [Role],
}

impl<'a> Masking<'a> {
    /// For somebody of these roles. No rule excepts somebody of none, and so the log is masked.
    pub(crate) fn new(rules: &'a Redaction, roles: &'a [Role]) -> Self {
        Self { rules, roles }
    }

    /// A text of this collection, masked.
    pub(crate) fn text(self, text: &str, collection: &str) -> String {
        masked(text, &self.rules.to_mask(text, collection, self.roles))
    }

    /// A question, which belongs to no collection: what is masked in all of them is masked in it.
    pub(crate) fn question(self, question: &str) -> String {
        self.text(question, "*")
    }

    /// A quote as the log keeps it.
    pub(crate) fn quoted(self, quote: &Quote) -> Value {
        json!({
            "number": quote.number, "passage": quote.passage,
            "start": quote.range.start, "end": quote.range.end, "page": quote.page,
            "revision": quote.source.id, "hash": quote.source.hash,
            "collection": quote.source.collection_name, "path": quote.source.path,
            "text": self.text(&quote.text, &quote.source.collection_name),
        })
    }

    /// Whether there is nothing to mask in a passage.
    pub(crate) fn leaves(self, found: &FoundPassage) -> bool {
        let text = &found.passage.draft.text;
        self.text(text, &found.source.collection_name) == *text
    }

    /// A quote that is about to be shown, masked.
    pub(crate) fn quote(self, quote: &mut Quote) {
        let collection = &quote.source.collection_name;
        quote.text = self.text(&quote.text, collection);
        let above = quote.above.as_ref();
        quote.above = above.map(|above| self.text(above, collection));
    }

    /// What is about to be shown, masked.
    pub(crate) fn shown(self, examined: &mut Examined) {
        for quote in examined.quotes.iter_mut().chain(&mut examined.superseded) {
            self.quote(quote);
        }
        self.found(&mut examined.found);
    }

    /// Passages that are about to be shown, masked.
    pub(crate) fn found(self, found: &mut Found) {
        for found in &mut found.passages {
            let draft = &mut found.passage.draft;
            let text = self.text(&draft.text, &found.source.collection_name);
            if text != draft.text {
                // The sentences' places are those of the unmasked text.
                draft.sentences = vec![ByteRange::new(0, text.len())];
                draft.text = text;
            }
        }
    }
}

impl Answerer {
    /// Masks the personal data of passages that somebody of these roles is about to see.
    pub fn mask_found(&self, found: &mut Found, roles: &[Role]) {
        Masking::new(&self.redaction, roles).found(found);
    }

    /// A text of a collection as somebody of these roles may read it.
    pub fn mask_read(&self, text: &str, collection: &str, roles: &[Role]) -> String {
        Masking::new(&self.redaction, roles).text(text, collection)
    }

    /// Masks what somebody typed, for the log.
    pub fn mask_typed(&self, text: &str) -> String {
        self.for_the_log().question(text)
    }
}
