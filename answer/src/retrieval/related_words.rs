//! Expands a question whose words no passage has: by related words, and by the words that a
//! mistyped word may have been meant to be.

use crate::model::hit::RetrievedPassage;
use crate::retrieval::substitutions::related_words;
use cloister_domain::FileHash;
use cloister_text::Language;
use cloister_text::thesaurus::Thesaurus;
use std::collections::BTreeSet;

/// The maximum number of words of a question that are expanded.
const MAX_WORDS: usize = 4;
/// The maximum number of related words for each of them.
const MAX_RELATED: usize = 4;

/// A thesaurus and the hash of its file.
#[derive(Clone, Debug, Default)]
pub struct SiteThesaurus {
    /// The entries. None if the site has no thesaurus.
    pub entries: Thesaurus,
    /// SHA-256 of the file. `None` if there is none.
    pub hash: Option<FileHash>,
}

impl SiteThesaurus {
    /// Indexes a file in the format of [`Thesaurus`]. `None` if it has another format.
    pub fn parse(text: String) -> Option<Self> {
        let hash = FileHash::digest(text.as_bytes());
        Some(Self {
            entries: Thesaurus::parse(text)?,
            hash: Some(hash),
        })
    }
}

/// Related words for the content words of a question that none of `passages` has.
pub fn expand_missing_words(
    question: &str,
    passages: &[RetrievedPassage],
    thesaurus: &Thesaurus,
) -> Vec<String> {
    let english = Language::ENGLISH;
    let known = stems_of(passages);
    let missing = english.content_words(question).filter(|word| {
        word.chars().all(char::is_alphabetic) && !known.contains(&english.content_stem(word))
    });
    let mut expansions: Vec<String> = Vec::new();
    for word in missing.take(MAX_WORDS) {
        let mut related: Vec<&str> = related_words(question, &word, thesaurus)
            .iter()
            .map(|related| related.word)
            .collect();
        if related.is_empty() && !thesaurus.contains(&word) {
            related = thesaurus.similar(&word, MAX_RELATED);
        }
        for other in related.into_iter().take(MAX_RELATED) {
            if !expansions.iter().any(|known| known == other) {
                expansions.push(other.to_owned());
            }
        }
    }
    expansions
}

/// Removes the related words that no passage has: nobody needs to know that they were searched for.
pub(crate) fn retain_found(related: &mut Vec<String>, passages: &[RetrievedPassage]) {
    let known = stems_of(passages);
    related.retain(|words| Language::ENGLISH.content_stems(words).is_subset(&known));
}

fn stems_of(passages: &[RetrievedPassage]) -> BTreeSet<String> {
    passages
        .iter()
        .flat_map(|passage| passage.stems(Language::ENGLISH))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;

    #[test]
    fn words_that_no_passage_has_are_expanded() {
        let lines = "measles\trubeola\t\nnose\t\tolfactory organ\nnosebleed\tepistaxis\tbleeding\n";
        let thesaurus = Thesaurus::parse(lines.to_owned()).unwrap();
        let passages = [retrieved(1, 1, "Foreign bodies in the nose are stopped.")];
        for (question, expected) in [
            (
                "How is a nosebleed stopped?",
                &["epistaxis", "bleeding"][..],
            ),
            ("Is mesles in the nose?", &["measles"]),
            ("Does the nose stop?", &[]),
            ("Does E11 stop?", &[]),
        ] {
            let found = expand_missing_words(question, &passages, &thesaurus);
            assert_eq!(found, expected, "{question}");
        }
    }

    #[test]
    fn related_words_that_no_passage_has_are_not_shown() {
        let passages = [retrieved(1, 1, "Epistaxis: bleeding from the nose.")];
        let mut related = vec!["epistaxis".to_owned(), "haemorrhage".to_owned()];
        retain_found(&mut related, &passages);
        assert_eq!(related, ["epistaxis"]);
    }
}
