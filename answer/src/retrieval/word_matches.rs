//! How the words of a question relate to those of the documents: which stand for others, and which no
//! document has, so that what the question asks about may not be there at all.

use crate::model::hit::RetrievedPassage;
use crate::question::AnalyzedQuestion;
use crate::retrieval::substitutions::Substitutions;
use cloister_text::Language;
use cloister_text::fold::fold;
use cloister_text::thesaurus::Thesaurus;
use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation;

/// The maximum number of words that are looked up.
const MAX_WORDS: usize = 4;
/// Shorter words are rarely names of things.
const MIN_CHARS: usize = 3;

/// How the words of a question relate to those of the documents.
#[derive(Clone, Debug, Default)]
pub struct WordMatches {
    /// The words for which the passages have others.
    pub substitutions: Substitutions,
    /// The words that have no match, as they are typed. Words that ask for a kind of answer are not
    /// among them, and in a language whose nouns have capitals only nouns are.
    pub unknown: Vec<String>,
}

impl WordMatches {
    /// Compares a question with the passages that were retrieved for it. A word that is unknown here
    /// may be in other passages.
    pub fn detect(
        question: &AnalyzedQuestion,
        passages: &[RetrievedPassage],
        thesaurus: &Thesaurus,
    ) -> Self {
        let language = question.language;
        let stems: Vec<BTreeSet<String>> = passages.iter().map(|hit| hit.stems(language)).collect();
        let substitutions = Substitutions::detect(&question.text, language, &stems, thesaurus);
        let paths = passages
            .iter()
            .map(|hit| language.content_stems(&hit.source.path));
        let known: BTreeSet<String> = paths.chain(stems).flatten().collect();
        let is_unknown = |word: &str| {
            let folded = fold(word);
            let stem = language.content_stem(&folded);
            question.stems.contains(&stem)
                && word.chars().count() >= MIN_CHARS
                && word.chars().all(char::is_alphabetic)
                && !language.is_asking_word(&folded)
                && !known.contains(&stem)
                && substitutions.substitute(&stem).is_none()
                && !is_mistyped(&folded, language, thesaurus)
                && !is_joined(&folded, language, &known)
        };
        let may_name =
            |word: &&str| !language.capitalises_nouns() || word.starts_with(char::is_uppercase);
        let words = question.text.unicode_words().filter(may_name);
        let unknown = words.filter(|word| is_unknown(word)).map(str::to_owned);
        Self {
            unknown: unknown.take(MAX_WORDS).collect(),
            substitutions,
        }
    }
}

/// Whether a word is none of the thesaurus, which knows English, and nearly one.
fn is_mistyped(word: &str, language: Language, thesaurus: &Thesaurus) -> bool {
    let is_similar = |word: &str| !thesaurus.similar(word, 1).is_empty();
    language == Language::ENGLISH
        && !thesaurus.contains(word)
        && (is_similar(word) || is_similar(word.trim_end_matches('s')))
}

/// Whether a word is joined from two words that the passages have: `komfortkonto`.
fn is_joined(word: &str, language: Language, known: &BTreeSet<String>) -> bool {
    const MIN_PART_CHARS: usize = 4;
    let is_part = |part: &str| {
        part.chars().count() >= MIN_PART_CHARS && known.contains(&language.content_stem(part))
    };
    language.joins_words()
        && word
            .char_indices()
            .filter_map(|(at, _)| word.split_at_checked(at))
            .any(|(first, last)| {
                is_part(last) && (is_part(first) || is_part(first.trim_end_matches('s')))
            })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;

    #[test]
    fn a_word_that_no_passage_has_is_unknown() {
        let lines = "invoice\tbill\t\nmorphine\topiate\t\nwedding\tmarriage\t\n";
        let thesaurus = Thesaurus::parse(lines.to_owned()).unwrap();
        let passages = [
            retrieved(1, 1, "The largest daily dose of ibuprofen is 1,200 mg."),
            retrieved(
                2,
                2,
                "A marriage costs 66. Die Tageshöchstdosis beträgt 4 g. Preis der Karten.",
            ),
        ];
        for (question, expected) in [
            (
                "What is the largest daily dose of morphine?",
                &["morphine"][..],
            ),
            ("What is the largest daily dose of ibuprofen?", &[]),
            ("How often is a dose of E11 given to Ada?", &["Ada"]),
            ("What does a wedding cost?", &[]),
            ("What do invoces cost?", &[]),
            (
                "Wie hoch ist die Tageshöchstdosis von Morphin?",
                &["Morphin"],
            ),
            ("Wie oft wird die Tageshöchstdosis gegeben?", &[]),
            ("Wie hoch ist der Kartenpreis?", &[]),
            ("Wie hoch ist der Platinpreis?", &["Platinpreis"]),
        ] {
            let analyzed = AnalyzedQuestion::new(question, Vec::new());
            let found = WordMatches::detect(&analyzed, &passages, &thesaurus);
            assert_eq!(found.unknown, expected, "{question}");
        }
    }
}
