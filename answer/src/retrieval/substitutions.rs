//! Words of a question for which the passages have others: mistyped words and synonyms.
//!
//! A question asks for *Luterans*, and every retrieved passage has *Lutherans*. Or it asks about a
//! *viper*, and they speak of *snakes*. The question is not rewritten. Only when sentences are
//! scored, the word counts as that of the passages. A notice tells the person of a mistyped word,
//! because it may be the name of another drug.

use cloister_text::Language;
use cloister_text::fold::{fold, words};
use cloister_text::spelling::is_misspelling;
use cloister_text::thesaurus::{RelatedWord, Thesaurus};
use std::collections::{BTreeSet, HashMap};
use unicode_segmentation::UnicodeSegmentation;

/// For stems of a question that no passage has, stems of a passage that take their place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Substitutions {
    language: Language,
    misspelt: HashMap<String, String>,
    /// By the stem of the question, the related word and its stem.
    related: HashMap<String, Related>,
}

#[derive(Clone, Debug, PartialEq)]
struct Related {
    word: String,
    stem: String,
    is_synonym: bool,
}

impl Substitutions {
    /// Detects mistyped words of `question`, and words for which a passage has a related one. `stems`
    /// has those of each passage. Those of the passages that come first are preferred.
    pub fn detect(
        question: &str,
        language: Language,
        stems: &[BTreeSet<String>],
        thesaurus: &Thesaurus,
    ) -> Self {
        let known: BTreeSet<&String> = stems.iter().flatten().collect();
        let mut found = Self {
            language,
            ..Self::default()
        };
        for word in language.content_words(question) {
            let asked = language.content_stem(&word);
            if known.contains(&asked) {
                continue;
            }
            if let Some(intended) = known.iter().find(|known| is_misspelling(&asked, known)) {
                found.misspelt.insert(asked, (*intended).clone());
            } else if language == Language::ENGLISH
                && let Some(related) = find_related(question, &word, stems, thesaurus)
            {
                found.related.insert(asked, related);
            }
        }
        found
    }

    /// The stem that a mistyped stem was meant to be.
    pub fn intended(&self, stem: &str) -> Option<&str> {
        self.misspelt.get(stem).map(String::as_str)
    }

    /// The stem that takes the place of a stem of the question.
    pub fn substitute(&self, stem: &str) -> Option<&str> {
        let related = self.related.get(stem).map(|related| related.stem.as_str());
        self.intended(stem).or(related)
    }

    /// The same for a stem whose substitute must mean the same: a rule about snakes is not one about
    /// vipers alone, and leave is not a sabbatical.
    pub fn equivalent(&self, stem: &str) -> Option<&str> {
        let related = self.related.get(stem).filter(|related| related.is_synonym);
        self.intended(stem)
            .or_else(|| related.map(|related| related.stem.as_str()))
    }

    /// The text with the substitutes in place of its words.
    pub fn apply_to_text(&self, text: &str) -> String {
        let mut replaced = text.to_owned();
        for word in text.unicode_words() {
            let asked = self.language.content_stem(&fold(word));
            let related = self
                .related
                .get(&asked)
                .map(|related| related.word.as_str());
            if let Some(substitute) = self.intended(&asked).or(related) {
                replaced = replaced.replacen(word, substitute, 1);
            }
        }
        replaced
    }

    /// The stems with the substitutes in place of some.
    pub fn apply(&self, stems: &BTreeSet<String>) -> BTreeSet<String> {
        stems
            .iter()
            .map(|stem| self.substitute(stem).unwrap_or(stem).to_owned())
            .collect()
    }
}

/// The word most closely related to `word`, or to the phrase that it begins, in the first
/// passage that has one.
fn find_related(
    question: &str,
    word: &str,
    passages: &[BTreeSet<String>],
    thesaurus: &Thesaurus,
) -> Option<Related> {
    let related: Vec<Related> = related_words(question, word, thesaurus)
        .into_iter()
        .filter(|related| !related.word.contains(' '))
        .map(|RelatedWord { word, is_synonym }| Related {
            word: word.to_owned(),
            stem: Language::ENGLISH.content_stem(word),
            is_synonym,
        })
        .collect();
    passages
        .iter()
        .find_map(|stems| related.iter().find(|related| stems.contains(&related.stem)))
        .cloned()
}

/// The words related to a word of a question: as part of a phrase (`pass away`), or else alone.
pub(crate) fn related_words<'t>(
    question: &str,
    word: &str,
    thesaurus: &'t Thesaurus,
) -> Vec<RelatedWord<'t>> {
    let mut following = words(question).skip_while(|other| other != word).skip(1);
    let phrase = following.next().map(|next| format!("{word} {next}"));
    let of_phrase = phrase.map(|phrase| thesaurus.related(&phrase));
    of_phrase
        .filter(|related| !related.is_empty())
        .unwrap_or_else(|| thesaurus.related(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hit::RetrievedPassage;
    use crate::test_support::retrieved;

    const ENGLISH: Language = Language::ENGLISH;

    fn stems(passages: &[RetrievedPassage]) -> Vec<BTreeSet<String>> {
        passages.iter().map(|hit| hit.stems(ENGLISH)).collect()
    }

    #[test]
    fn a_mistyped_word_is_corrected_and_a_known_word_is_not() {
        let passages = [
            retrieved(1, 1, "The Lutherans met in Jacksonville."),
            retrieved(2, 2, "Insured persons and insurers agree."),
        ];
        let question = "When did Luterans insure Jacksonvile?";
        let found =
            Substitutions::detect(question, ENGLISH, &stems(&passages), &Thesaurus::default());
        let stems: Vec<String> = found
            .apply(&ENGLISH.content_stems(question))
            .into_iter()
            .collect();
        assert_eq!(stems, ["insur", "jacksonvill", "lutheran"]);
        let text = found.apply_to_text(question);
        assert_eq!(text, "When did lutheran insure jacksonvill?");
    }

    #[test]
    fn a_related_word_of_a_passage_takes_the_place_of_a_word_that_none_has() {
        let lines = "bite\tpiece\t\npass away\tdie,death\t\nviper\tserpent\tsnake\n";
        let thesaurus = Thesaurus::parse(lines.to_owned()).unwrap();
        let passages = [
            retrieved(1, 1, "Leave after a death in the family."),
            retrieved(2, 2, "Snakes bite. A piece of cloth is put on the bite."),
        ];
        let substituted = |question: &str| {
            Substitutions::detect(question, ENGLISH, &stems(&passages), &thesaurus)
                .apply_to_text(question)
        };
        assert_eq!(substituted("Do vipers bite?"), "Do snake bite?");
        assert_eq!(substituted("He passed away."), "He death away.");
        assert_eq!(substituted("He passed."), "He passed.");
        let found = Substitutions::detect(
            "Do vipers pass away?",
            ENGLISH,
            &stems(&passages),
            &thesaurus,
        );
        assert_eq!(found.equivalent("viper"), None);
        assert_eq!(found.equivalent("pass"), Some("death"));
    }
}
