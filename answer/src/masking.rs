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

    /// Whether there is nothing to mask in a passage, its title and its headings.
    pub(crate) fn leaves(self, found: &FoundPassage) -> bool {
        let draft = &found.passage.draft;
        let mut texts = [&draft.text, &found.source.title]
            .into_iter()
            .chain(&draft.headings);
        texts.all(|text| self.text(text, &found.source.collection_name) == *text)
    }

    /// A quote that is about to be shown, masked.
    pub(crate) fn quote(self, quote: &mut Quote) {
        let collection = quote.source.collection_name.clone();
        let texts = [&mut quote.text, &mut quote.source.title].into_iter();
        let texts = texts.chain(&mut quote.above).chain(&mut quote.headings);
        for text in texts {
            *text = self.text(text, &collection);
        }
        // A misread word may be part of what is masked, which alone it would not be known for.
        let shown = &quote.text;
        quote.doubtful.retain(|word| shown.contains(word.as_str()));
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
            let collection = &found.source.collection_name;
            let draft = &mut found.passage.draft;
            for above in draft.headings.iter_mut().chain([&mut found.source.title]) {
                *above = self.text(above, collection);
            }
            let text = self.text(&draft.text, collection);
            if text != draft.text {
                // The places of sentences and misread words are those of the unmasked text.
                draft.sentences = vec![ByteRange::new(0, text.len())];
                draft.doubtful = Vec::new();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieve::sample;
    use cloister_domain::PassageSpan;

    const CARD: &str = "4111 1111 1111 1111";

    #[test]
    fn a_card_number_is_nowhere_in_what_is_shown() {
        let rules = Redaction::compiled_in().unwrap();
        let masking = Masking::new(&rules, &[]);
        let text = format!("Paid with card {CARD} at the desk.");
        let mut found = sample(1, 1, &text);
        assert!(!masking.leaves(&found));
        found.source.title = format!("Receipt for {CARD}");
        found.passage.draft.headings = vec![format!("Card {CARD}")];
        let whole = ByteRange::new(0, text.len());
        found.passage.draft.spans = vec![PassageSpan {
            page: 1,
            range: whole,
        }];
        let place = text.find("1111").unwrap();
        found.passage.draft.doubtful = vec![ByteRange::new(place, place + 4), ByteRange::new(0, 4)];

        let mut quote = Quote::of_found(1, &found, whole).unwrap();
        quote.above = Some(format!("Card {CARD}"));
        assert_eq!(quote.doubtful, ["1111", "Paid"]);
        masking.quote(&mut quote);
        assert_eq!(quote.doubtful, ["Paid"]);
        assert!(!format!("{quote:?}").contains("1111"), "{quote:?}");

        let mut named = sample(1, 1, "Paid at the desk.");
        assert!(masking.leaves(&named));
        named.source.title = found.source.title.clone();
        assert!(!masking.leaves(&named), "a model is given the title, too");

        let mut all = Found {
            passages: vec![found],
            vector: Vec::new(),
            meanings: Vec::new(),
            documents: 1,
            complete: true,
            index_generation: String::new(),
        };
        masking.found(&mut all);
        let passage = &all.passages[0];
        assert!(!format!("{passage:?}").contains("1111"), "{passage:?}");
    }
}
