//! Translates a question of another language into English, word by word, in the words of the
//! documents.

use crate::model::hit::RetrievedPassage;
use cloister_domain::FileHash;
use cloister_text::Language;
use cloister_text::dictionary::Dictionary;
use cloister_text::thesaurus::Thesaurus;
use cloister_text::translation::{WordTranslation, translate_words};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The maximum number of translations of each word that are searched for.
const MAX_SEARCHED: usize = 4;

/// The dictionaries of a site. Each is parsed when the first question needs it.
#[derive(Debug, Default)]
pub struct SiteDictionaries {
    dictionaries: Vec<SiteDictionary>,
}

#[derive(Debug)]
struct SiteDictionary {
    language: Language,
    file: PathBuf,
    hash: FileHash,
    parsed: OnceLock<Option<Dictionary>>,
}

impl SiteDictionaries {
    /// The dictionaries of a folder: one file a language, `deu.tsv`, in the format of [`Dictionary`].
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        let mut dictionaries = Vec::new();
        for language in Language::all() {
            let file = folder.join(format!("{}.tsv", language.code()));
            if file.exists() {
                dictionaries.push(SiteDictionary {
                    language,
                    hash: FileHash::digest(&std::fs::read(&file)?),
                    file,
                    parsed: OnceLock::new(),
                });
            }
        }
        Ok(Self { dictionaries })
    }

    /// SHA-256 of the hashes of all files. `None` if there are none.
    pub(crate) fn hash(&self) -> Option<FileHash> {
        let hashes: Vec<String> = self
            .dictionaries
            .iter()
            .map(|dictionary| dictionary.hash.to_string())
            .collect();
        (!hashes.is_empty()).then(|| FileHash::digest(hashes.join(" ").as_bytes()))
    }

    /// The dictionary for the language of a question. `None` if the question is in English, or if
    /// there is none for its language. Reads the file the first time, so call this on a blocking
    /// thread.
    pub(crate) fn for_question(&self, question: &str) -> Option<&Dictionary> {
        let language = Language::of_question(question)?;
        let found = self
            .dictionaries
            .iter()
            .find(|dictionary| dictionary.language == language)?;
        found.parsed.get_or_init(|| found.parse()).as_ref()
    }
}

impl SiteDictionary {
    /// Reads the file. A file that cannot be read or that has changed is reported and not used.
    fn parse(&self) -> Option<Dictionary> {
        let file = self.file.display();
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(cause) => {
                tracing::error!("could not read the dictionary `{file}`: {cause}");
                return None;
            }
        };
        if FileHash::digest(text.as_bytes()) != self.hash {
            tracing::error!(
                "the dictionary `{file}` has changed since the start; restart to use it"
            );
            return None;
        }
        let dictionary = Dictionary::parse(self.language, text);
        if dictionary.is_none() {
            tracing::error!(
                "could not parse the dictionary `{file}`: each line must be a word, a tab and its \
                 translations, and the lines must be in the order of their bytes"
            );
        }
        dictionary
    }
}

/// A question whose words may each have several translations.
#[derive(Debug)]
pub(crate) struct TranslatedWords(Vec<WordTranslation>);

impl TranslatedWords {
    /// Looks the words up. `None` if the dictionary has none of them.
    pub(crate) fn new(
        question: &str,
        dictionary: &Dictionary,
        thesaurus: &Thesaurus,
    ) -> Option<Self> {
        let words = translate_words(question, dictionary, thesaurus);
        let is_translated = words
            .iter()
            .any(|word| matches!(word, WordTranslation::OneOf(_)));
        is_translated.then_some(Self(words))
    }

    /// The question with the most usual translation of each word.
    pub(crate) fn most_usual(&self) -> String {
        sentence(self.0.iter().map(|word| match word {
            WordTranslation::Fixed(word) => Some(word.as_str()),
            WordTranslation::OneOf(candidates) => candidates.first().map(String::as_str),
        }))
    }

    /// Other translations to search for.
    pub(crate) fn alternatives(&self) -> Vec<String> {
        let mut alternatives: Vec<String> = Vec::new();
        for candidates in self.choices() {
            let others = candidates.iter().skip(1).take(MAX_SEARCHED);
            for other in others {
                if !alternatives.contains(other) {
                    alternatives.push(other.clone());
                }
            }
        }
        alternatives
    }

    /// The question in the words of `passages`, the best first: of each word, the translation that
    /// the best passages have which also have many of the other words.
    pub(crate) fn in_words_of(&self, passages: &[RetrievedPassage]) -> String {
        let weighted: Vec<(f32, BTreeSet<String>)> = (1..)
            .zip(passages)
            .map(|(rank, passage)| (rank, passage.stems(Language::ENGLISH)))
            .map(|(rank, stems)| (self.weight(rank, &stems), stems))
            .collect();
        sentence(self.0.iter().map(|word| match word {
            WordTranslation::Fixed(word) => Some(word.as_str()),
            WordTranslation::OneOf(candidates) => best_candidate(candidates, &weighted),
        }))
    }

    /// How much a passage of a rank says about the choice of words.
    fn weight(&self, rank: u16, stems: &BTreeSet<String>) -> f32 {
        let translated = self
            .choices()
            .filter(|candidates| candidates.iter().any(|candidate| has(stems, candidate)))
            .count();
        (translated * translated) as f32 / f32::from(rank).sqrt()
    }

    fn choices(&self) -> impl Iterator<Item = &[String]> {
        self.0.iter().filter_map(|word| match word {
            WordTranslation::Fixed(_) => None,
            WordTranslation::OneOf(candidates) => Some(candidates.as_slice()),
        })
    }
}

/// The candidate that the passages with the largest weights have. The first if they have none.
fn best_candidate<'c>(
    candidates: &'c [String],
    weighted: &[(f32, BTreeSet<String>)],
) -> Option<&'c str> {
    let mut best: Option<(&str, f32)> = None;
    for candidate in candidates {
        let score = weighted
            .iter()
            .filter(|(_, stems)| has(stems, candidate))
            .map(|(weight, _)| weight)
            .sum();
        if best.is_none_or(|(_, known)| score > known) {
            best = Some((candidate, score));
        }
    }
    best.map(|(candidate, _)| candidate)
}

fn has(stems: &BTreeSet<String>, words: &str) -> bool {
    Language::ENGLISH.content_stems(words).is_subset(stems)
}

/// The words as a question.
fn sentence<'w>(words: impl Iterator<Item = Option<&'w str>>) -> String {
    let words: Vec<&str> = words.flatten().collect();
    let text = words.join(" ");
    let mut chars = text.chars();
    let first: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}?", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;

    #[test]
    fn a_word_is_translated_into_the_word_of_the_documents() {
        let entries = "filiale\tbranch office,branch\nfrist\tperiod,deadline\n\
                       überweisung\tremittance,bank transfer\n";
        let german = Language::from_code(Some("deu"));
        let dictionary = Dictionary::parse(german, entries.to_owned()).unwrap();
        let question = "Was kostet eine Überweisung in der Filiale?";
        let words = TranslatedWords::new(question, &dictionary, &Thesaurus::default()).unwrap();
        assert_eq!(
            words.most_usual(),
            "How much costs remittance branch office?"
        );
        assert_eq!(
            words.alternatives(),
            ["bank transfer", "transfer", "branch", "office"]
        );
        let passages = [
            retrieved(1, 1, "A transfer costs 9.00 in a branch."),
            retrieved(2, 1, "The office is open."),
        ];
        assert_eq!(
            words.in_words_of(&passages),
            "How much costs transfer branch?"
        );
        let unknown = TranslatedWords::new("Wer ist Ada?", &dictionary, &Thesaurus::default());
        assert!(unknown.is_none());
    }

    #[test]
    fn a_dictionary_that_has_changed_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deu.tsv");
        for (later, is_used) in [("karte\tmap,card\n", true), ("karte\tcard\n", false)] {
            std::fs::write(&file, "karte\tmap,card\n").unwrap();
            let dictionaries = SiteDictionaries::open(folder.path()).unwrap();
            std::fs::write(&file, later).unwrap();
            let found = dictionaries.for_question("Was kostet eine Karte in der Bank?");
            assert_eq!(found.is_some(), is_used, "{later}");
            assert!(
                dictionaries
                    .for_question("What is a card in the bank?")
                    .is_none()
            );
        }
    }
}
