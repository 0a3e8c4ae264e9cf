//! A dictionary from another language to English.

use crate::fold::fold;
use crate::language::Language;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The shortest part of a compound, in characters.
const MIN_PART_CHARS: usize = 3;

/// The entries of a dictionary, which is a text: one line a word or phrase in lower case, in the
/// order of their bytes. After a tab come its translations, separated by commas.
#[derive(Clone, Debug)]
pub struct Dictionary {
    language: Language,
    text: String,
    /// The start of each line.
    lines: Vec<usize>,
    /// The hash of the stem of each single word, and the position of its line, in order.
    stems: Vec<(u64, usize)>,
}

impl Dictionary {
    /// Indexes the lines. `None` if a line has no tab, or if the lines are not in order.
    pub fn parse(language: Language, text: String) -> Option<Self> {
        let (mut lines, mut stems) = (Vec::new(), Vec::new());
        let (mut start, mut previous) = (0, "");
        for line in text.split_inclusive('\n') {
            let (head, _) = line.split_once('\t')?;
            if head <= previous {
                return None;
            }
            if !head.contains(' ') {
                stems.push((stem_hash(language, head), lines.len()));
            }
            previous = head;
            lines.push(start);
            start += line.len();
        }
        stems.sort_unstable();
        Some(Self {
            language,
            text,
            lines,
            stems,
        })
    }

    /// The language that it translates from.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The translations of exactly this word or phrase, which must be in lower case.
    pub fn entry(&self, head: &str) -> Vec<&str> {
        let found = self
            .lines
            .binary_search_by(|line| self.head_at(*line).cmp(head));
        found
            .ok()
            .map(|position| self.translations_at(position))
            .unwrap_or_default()
    }

    /// The translations of a word in lower case, or else those of other words with its stem.
    pub fn translations(&self, word: &str) -> Vec<&str> {
        let exact = self.entry(word);
        if !exact.is_empty() {
            return exact;
        }
        let hash = stem_hash(self.language, word);
        let start = self.stems.partition_point(|(other, _)| *other < hash);
        let mut found: Vec<&str> = Vec::new();
        let with_stem = self.stems.iter().skip(start);
        for (_, position) in with_stem.take_while(|(other, _)| *other == hash) {
            for word in self.translations_at(*position) {
                if !found.contains(&word) {
                    found.push(word);
                }
            }
        }
        found
    }

    /// The words that a compound in lower case is joined from: `krebs` and `patienten`. `None` if
    /// the language does not join words, or if it has no two parts that are entries.
    pub fn parts<'w>(&self, word: &'w str) -> Option<[&'w str; 2]> {
        if !self.language.joins_words() {
            return None;
        }
        let cuts = word.char_indices().map(|(at, _)| at).rev();
        let split = cuts.filter_map(|at| word.split_at_checked(at));
        let mut long_enough = split.filter(|(first, last)| {
            first.chars().count() >= MIN_PART_CHARS && last.chars().count() >= MIN_PART_CHARS
        });
        long_enough.find_map(|(first, last)| {
            let first = self.joined_form(first)?;
            let is_known = !self.translations(last).is_empty();
            is_known.then_some([first, last])
        })
    }

    /// The first part of a compound without the letters that join it to the next.
    fn joined_form<'w>(&self, part: &'w str) -> Option<&'w str> {
        const JOINTS: [&str; 5] = ["", "s", "es", "n", "en"];
        let mut forms = JOINTS.iter().filter_map(|joint| part.strip_suffix(joint));
        forms.find(|form| form.chars().count() >= MIN_PART_CHARS && !self.entry(form).is_empty())
    }

    /// The headword of the line that starts at `start`.
    fn head_at(&self, start: usize) -> &str {
        self.line_at(start).split('\t').next().unwrap_or_default()
    }

    fn translations_at(&self, position: usize) -> Vec<&str> {
        let start = self.lines.get(position).copied().unwrap_or(usize::MAX);
        let translations = self.line_at(start).split('\t').nth(1).unwrap_or_default();
        translations
            .split(',')
            .filter(|word| !word.is_empty())
            .collect()
    }

    fn line_at(&self, start: usize) -> &str {
        let rest = self.text.get(start..).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }
}

/// The hash of the stem of a word, so that the stems themselves need no memory.
fn stem_hash(language: Language, word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    fold(&language.stem(word)).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn german() -> Dictionary {
        let lines = "daten\tdata\nfrist\tperiod,deadline\nkrebs\tcancer,crab\nleck\tleak\n\
                     patient\tpatient\ntag\tday\n";
        Dictionary::parse(Language::from_code(Some("deu")), lines.to_owned()).unwrap()
    }

    #[test]
    fn a_word_is_found_by_itself_and_by_its_stem() {
        let german = german();
        assert_eq!(german.translations("frist"), ["period", "deadline"]);
        assert_eq!(german.translations("patienten"), ["patient"]);
        assert_eq!(german.translations("fristverlust"), Vec::<&str>::new());
    }

    #[test]
    fn a_compound_has_two_known_parts() {
        let german = german();
        for (word, expected) in [
            ("krebspatienten", Some(["krebs", "patienten"])),
            ("datenleck", Some(["daten", "leck"])),
            ("tagesfrist", Some(["tag", "frist"])),
            ("datenschutz", None),
            ("frist", None),
        ] {
            assert_eq!(german.parts(word), expected, "{word}");
        }
        let french = Dictionary::parse(Language::from_code(Some("fra")), String::new()).unwrap();
        assert_eq!(french.parts("krebspatienten"), None);
    }

    #[test]
    fn lines_out_of_order_or_without_a_tab_are_refused() {
        for text in ["b\tx\na\ty\n", "a\tx\na\ty\n", "no tab\n"] {
            assert!(
                Dictionary::parse(Language::ENGLISH, text.to_owned()).is_none(),
                "{text}"
            );
        }
    }
}
