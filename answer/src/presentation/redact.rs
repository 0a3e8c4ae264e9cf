//! Redacts personal data before anything is shown or logged.
//!
//! The redaction rules say which kinds of data are masked, for whom and in which collection. What
//! the generator reads, a person sees or the log stores is redacted here. Only the places of quotes
//! stay those of the original text, so that a page still opens at the right words.

use crate::extraction::quote::Quote;
use crate::model::hit::{RetrievedPassage, SearchResults};
use cloister_domain::{ByteRange, Role};
use cloister_policies::redaction::{Redaction, mask_spans};
use serde_json::{Value, json};

/// The collection name that stands for all collections in the rules.
const ALL_COLLECTIONS: &str = "*";

/// Redacts texts for a person with these roles.
#[derive(Clone, Copy)]
pub(crate) struct Redactor<'a> {
    rules: &'a Redaction,
    roles: &'a [Role],
}

impl<'a> Redactor<'a> {
    /// A redactor for a person with these roles. Without roles no exception applies, which is how
    /// the log is redacted.
    pub(crate) fn new(rules: &'a Redaction, roles: &'a [Role]) -> Self {
        Self { rules, roles }
    }

    /// Redacts a text of a collection.
    pub(crate) fn text(self, text: &str, collection: &str) -> String {
        mask_spans(
            text,
            &self.rules.spans_to_mask(text, collection, self.roles),
        )
    }

    /// Redacts a question, which belongs to no collection, by the rules for all collections.
    pub(crate) fn question(self, question: &str) -> String {
        self.text(question, ALL_COLLECTIONS)
    }

    /// A quote as the log stores it.
    pub(crate) fn log_entry(self, quote: &Quote) -> Value {
        json!({
            "number": quote.number, "passage": quote.passage,
            "start": quote.range.start, "end": quote.range.end, "page": quote.page,
            "revision": quote.source.id, "hash": quote.source.hash,
            "collection": quote.source.collection_name, "path": quote.source.path,
            "text": self.text(&quote.text, &quote.source.collection_name),
        })
    }

    /// Whether redaction changes nothing in a passage, its title and its headings.
    pub(crate) fn leaves_unchanged(self, hit: &RetrievedPassage) -> bool {
        let draft = &hit.passage.draft;
        [&draft.text, &hit.source.title]
            .into_iter()
            .chain(&draft.headings)
            .all(|text| self.text(text, &hit.source.collection_name) == *text)
    }

    /// Redacts a quote.
    pub(crate) fn quote(self, quote: &mut Quote) {
        let collection = quote.source.collection_name.clone();
        let texts = [&mut quote.text, &mut quote.source.title]
            .into_iter()
            .chain(&mut quote.context)
            .chain(&mut quote.headings);
        let mut is_changed = false;
        for text in texts {
            let redacted = self.text(text, &collection);
            is_changed |= redacted != *text;
            *text = redacted;
        }
        if is_changed {
            // A number may be personal data only together with the other cells of its row.
            quote.table = None;
        }
        // An uncertain word may be a part of a redacted number that no rule matches alone.
        let shown = &quote.text;
        quote
            .uncertain_words
            .retain(|word| shown.contains(word.as_str()));
    }

    /// Redacts retrieved passages.
    pub(crate) fn results(self, results: &mut SearchResults) {
        for hit in &mut results.passages {
            let collection = &hit.source.collection_name;
            let draft = &mut hit.passage.draft;
            for heading in draft.headings.iter_mut().chain([&mut hit.source.title]) {
                *heading = self.text(heading, collection);
            }
            let text = self.text(&draft.text, collection);
            if text != draft.text {
                // The ranges of sentences and uncertain words are those of the original text.
                draft.sentences = vec![ByteRange::new(0, text.len())];
                draft.doubtful = Vec::new();
                draft.rows = Vec::new();
                draft.text = text;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;
    use cloister_domain::PassageSpan;

    const CARD: &str = "4111 1111 1111 1111";

    #[test]
    fn a_card_number_is_redacted_everywhere() {
        let rules = Redaction::load_default().unwrap();
        let redactor = Redactor::new(&rules, &[]);
        let text = format!("Paid with card {CARD} at the desk.");
        let mut hit = retrieved(1, 1, &text);
        assert!(!redactor.leaves_unchanged(&hit));
        hit.source.title = format!("Receipt for {CARD}");
        hit.passage.draft.headings = vec![format!("Card {CARD}")];
        let all = ByteRange::new(0, text.len());
        hit.passage.draft.spans = vec![PassageSpan {
            page: 1,
            range: all,
        }];
        let card = text.find("1111").unwrap();
        hit.passage.draft.doubtful = vec![ByteRange::new(card, card + 4), ByteRange::new(0, 4)];

        let mut quote = Quote::from_hit(1, &hit, all).unwrap();
        quote.context = Some(format!("Card {CARD}"));
        assert_eq!(quote.uncertain_words, ["1111", "Paid"]);
        redactor.quote(&mut quote);
        assert_eq!(quote.uncertain_words, ["Paid"]);
        assert!(!format!("{quote:?}").contains("1111"), "{quote:?}");

        let mut titled = retrieved(1, 1, "Paid at the desk.");
        assert!(redactor.leaves_unchanged(&titled));
        titled.source.title = hit.source.title.clone();
        assert!(
            !redactor.leaves_unchanged(&titled),
            "the generator reads the title, too"
        );

        let mut results = SearchResults {
            passages: vec![hit],
            query_vector: Vec::new(),
            expansions: Vec::new(),
            documents: 1,
            complete: true,
            index_generation: String::new(),
            plan: cloister_index::DenseMethod::Exact,
        };
        redactor.results(&mut results);
        let hit = &results.passages[0];
        assert!(!format!("{hit:?}").contains("1111"), "{hit:?}");
    }
}
