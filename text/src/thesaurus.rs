//! Related words: synonyms, more general words, and the word that another is derived from.

use crate::language::Language;
use crate::spelling::is_misspelling;
use std::collections::HashSet;

/// The entries of a thesaurus, which is a text: one line a word or phrase, in the order of their
/// bytes. After a tab come its synonyms, and after another tab the words that are related in
/// another way, separated by commas.
#[derive(Clone, Debug, Default)]
pub struct Thesaurus {
    text: String,
    /// The start of each line.
    lines: Vec<usize>,
}

/// A word that is related to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelatedWord<'t> {
    /// The word or phrase.
    pub word: &'t str,
    /// Whether it means the same. If not, it is more general, or the base of a derivation.
    pub is_synonym: bool,
}

impl Thesaurus {
    /// Indexes the lines. `None` if a line has not two tabs, or if the lines are not in order.
    pub fn parse(text: String) -> Option<Self> {
        let mut lines = Vec::new();
        let (mut start, mut previous) = (0, "");
        for line in text.split_inclusive('\n') {
            let (word, related) = line.split_once('\t')?;
            if word <= previous || !related.contains('\t') {
                return None;
            }
            previous = word;
            lines.push(start);
            start += line.len();
        }
        Some(Self { text, lines })
    }

    /// The words that are related to a word or phrase in lower case, or to its base form: synonyms
    /// first.
    pub fn related(&self, word: &str) -> Vec<RelatedWord<'_>> {
        let mut related: Vec<RelatedWord<'_>> = Vec::new();
        for base in base_forms(word) {
            related.extend(self.entry(&base));
        }
        related.sort_by_key(|other| !other.is_synonym);
        let mut seen = HashSet::new();
        related.retain(|other| seen.insert(other.word));
        related
    }

    /// Whether it has a word, or its base form.
    pub fn contains(&self, word: &str) -> bool {
        base_forms(word)
            .iter()
            .any(|base| self.position(base).is_some())
    }

    /// Words that differ from `word` by one typing error, at most `limit`.
    pub fn similar(&self, word: &str, limit: usize) -> Vec<&str> {
        let Some(first) = word.chars().next() else {
            return Vec::new();
        };
        let start = self.lines.partition_point(|line| {
            self.word_at(*line) < word.get(..first.len_utf8()).unwrap_or_default()
        });
        let with_first = self
            .lines
            .iter()
            .skip(start)
            .map(|line| self.word_at(*line));
        with_first
            .take_while(|other| other.starts_with(first))
            .filter(|other| is_misspelling(word, other))
            .take(limit)
            .collect()
    }

    /// The related words of exactly this word.
    fn entry(&self, word: &str) -> Vec<RelatedWord<'_>> {
        let start = self.position(word).and_then(|at| self.lines.get(at));
        let rest = start.and_then(|start| self.text.get(*start..));
        let line = rest.and_then(|rest| rest.lines().next());
        let mut fields = line.unwrap_or_default().split('\t').skip(1);
        let (synonyms, others) = (fields.next(), fields.next());
        let mut words = Vec::new();
        for (list, is_synonym) in [(synonyms, true), (others, false)] {
            let list = list.unwrap_or_default().split(',');
            let list = list.filter(|word| !word.is_empty());
            words.extend(list.map(|word| RelatedWord { word, is_synonym }));
        }
        words
    }

    /// The position of exactly this word among the lines.
    fn position(&self, word: &str) -> Option<usize> {
        let found = self
            .lines
            .binary_search_by(|line| self.word_at(*line).cmp(word));
        found.ok()
    }

    /// The word of the line that starts at `start`.
    fn word_at(&self, start: usize) -> &str {
        let line = self.text.get(start..).unwrap_or_default();
        line.split('\t').next().unwrap_or_default()
    }
}

/// What an English word or phrase may be a form of, itself included: `fallen` of `fall`, `passed
/// away` of `pass away`.
fn base_forms(word: &str) -> Vec<String> {
    const ENDINGS: [(&str, &str); 9] = [
        ("ies", "y"),
        ("ied", "y"),
        ("es", ""),
        ("s", ""),
        ("ing", ""),
        ("ing", "e"),
        ("ed", ""),
        ("ed", "e"),
        ("ly", ""),
    ];
    const MIN_CHARS: usize = 2;
    let (head, rest) = word.split_once(' ').unwrap_or((word, ""));
    let mut heads = vec![head.to_owned()];
    heads.extend(Language::ENGLISH.base_form(head).map(str::to_owned));
    for (ending, replacement) in ENDINGS {
        let Some(start) = head.strip_suffix(ending) else {
            continue;
        };
        if start.chars().count() < MIN_CHARS {
            continue;
        }
        heads.push(format!("{start}{replacement}"));
        heads.extend(without_doubled_letter(start).map(str::to_owned));
    }
    if rest.is_empty() {
        return heads;
    }
    heads.iter().map(|head| format!("{head} {rest}")).collect()
}

/// `run` for `runn`.
fn without_doubled_letter(start: &str) -> Option<&str> {
    let shorter = start.strip_suffix(|c: char| c.is_alphabetic())?;
    (shorter.chars().last() == start.chars().last()).then_some(shorter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thesaurus() -> Thesaurus {
        let text = "fall\tcome down,drop\t\nmeasles\trubeola\t\npass away\tdie\t\nrun\t\tgo\n\
                    viper\t\tsnake\n";
        Thesaurus::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn a_word_is_found_by_its_forms() {
        let thesaurus = thesaurus();
        for (word, expected) in [
            ("vipers", &["snake"][..]),
            ("fell", &["come down", "drop"]),
            ("falling", &["come down", "drop"]),
            ("running", &["go"]),
            ("passed away", &["die"]),
            ("snake", &[]),
        ] {
            let related = thesaurus.related(word);
            let words: Vec<&str> = related.iter().map(|related| related.word).collect();
            assert_eq!(words, expected, "{word}");
            let is_general = |related: &RelatedWord<'_>| matches!(related.word, "go" | "snake");
            assert!(
                related.iter().all(|r| r.is_synonym != is_general(r)),
                "{word}"
            );
            assert_eq!(thesaurus.contains(word), !expected.is_empty(), "{word}");
        }
    }

    #[test]
    fn a_mistyped_word_has_similar_words() {
        assert_eq!(thesaurus().similar("mesles", 3), ["measles"]);
        assert!(thesaurus().similar("", 3).is_empty());
        assert!(thesaurus().similar("tetanus", 3).is_empty());
    }

    #[test]
    fn lines_without_tabs_or_out_of_order_are_refused() {
        assert!(Thesaurus::parse("fall\tdrop\n".to_owned()).is_none());
        assert!(Thesaurus::parse("run\tgo\t\nfall\tdrop\t\n".to_owned()).is_none());
        assert!(Thesaurus::parse(String::new()).is_some());
    }
}
