//! Mistyped words of a question.
//!
//! A question asks for *Luterans*, and every retrieved passage has *Lutherans*. The question is not
//! rewritten: dense retrieval finds the passages anyway. Only when sentences are scored, the
//! mistyped word counts as the word of the passages. A notice tells the person, because the word
//! may be the name of another drug.

use crate::model::hit::RetrievedPassage;
use cloister_text::content::stem;
use cloister_text::fold::fold;
use cloister_text::spelling::is_misspelling;
use std::collections::{BTreeSet, HashMap};
use unicode_segmentation::UnicodeSegmentation;

/// For stems of a question that no passage has, the stem of a passage that differs by one typing
/// error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corrections(HashMap<String, String>);

impl Corrections {
    /// Detects the mistyped words among `question_stems`.
    pub fn detect(question_stems: &BTreeSet<String>, passages: &[RetrievedPassage]) -> Self {
        let known: BTreeSet<String> = passages.iter().flat_map(RetrievedPassage::stems).collect();
        let mut corrections = HashMap::new();
        for stem in question_stems.difference(&known) {
            if let Some(intended) = known.iter().find(|known| is_misspelling(stem, known)) {
                corrections.insert(stem.clone(), intended.clone());
            }
        }
        Self(corrections)
    }

    /// The stem that a mistyped stem was meant to be.
    pub fn intended(&self, stem: &str) -> Option<&str> {
        self.0.get(stem).map(String::as_str)
    }

    /// The text with the mistyped words replaced by the stems that they were meant to be.
    pub fn correct(&self, text: &str) -> String {
        let mut corrected = text.to_owned();
        for word in text.unicode_words() {
            let asked = stem(&fold(word));
            if let Some(intended) = self.intended(&asked) {
                corrected = corrected.replacen(word, intended, 1);
            }
        }
        corrected
    }

    /// The stems with the mistyped ones corrected.
    pub fn apply(&self, stems: &BTreeSet<String>) -> BTreeSet<String> {
        stems
            .iter()
            .map(|stem| self.intended(stem).unwrap_or(stem).to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;
    use cloister_text::content::content_stems;

    #[test]
    fn a_mistyped_word_is_corrected_and_a_known_word_is_not() {
        let passages = [
            retrieved(1, 1, "The Lutherans met in Jacksonville."),
            retrieved(2, 2, "Insured persons and insurers agree."),
        ];
        let stems = content_stems("When did Luterans insure Jacksonvile?");
        let corrections = Corrections::detect(&stems, &passages);
        let corrected: Vec<String> = corrections.apply(&stems).into_iter().collect();
        assert_eq!(corrected, ["insur", "jacksonvill", "lutheran"]);
        let text = corrections.correct("When did Luterans insure Jacksonvile?");
        assert_eq!(text, "When did lutheran insure jacksonvill?");
    }
}
