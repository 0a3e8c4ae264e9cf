//! The languages whose text is analysed, each from one data file.

use crate::fold::{fold, words};
use frostem::Stemmer;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// One file a language, sorted by the English name of the language. The order is part of query
/// analysis: terms of a multilingual query are scored in it.
const FILES: [&str; 10] = [
    include_str!("../languages/dan.toml"),
    include_str!("../languages/nld.toml"),
    include_str!("../languages/eng.toml"),
    include_str!("../languages/fra.toml"),
    include_str!("../languages/deu.toml"),
    include_str!("../languages/ita.toml"),
    include_str!("../languages/nob.toml"),
    include_str!("../languages/por.toml"),
    include_str!("../languages/spa.toml"),
    include_str!("../languages/swe.toml"),
];

/// The position of English in [`FILES`].
const ENGLISH: u8 = 2;

static LANGUAGES: LazyLock<Vec<LanguageData>> =
    LazyLock::new(|| FILES.iter().map(|file| LanguageData::parse(file)).collect());

/// A language that is stemmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(u8);

impl Default for Language {
    fn default() -> Self {
        Self::ENGLISH
    }
}

impl Language {
    /// English, the language of texts whose language is unknown.
    pub const ENGLISH: Self = Self(ENGLISH);

    /// All languages.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).take(FILES.len()).map(Self)
    }

    /// The language with this ISO 639-3 code. English if the code is absent or unknown.
    pub fn from_code(code: Option<&str>) -> Self {
        Self::all()
            .find(|language| Some(language.code()) == code)
            .unwrap_or(Self::ENGLISH)
    }

    /// The ISO 639-3 code.
    pub fn code(self) -> &'static str {
        &self.data().code
    }

    /// The name in English.
    pub fn name(self) -> &'static str {
        &self.data().name
    }

    /// The language of a question, by its function words. `None` if it has fewer than two, or if two
    /// languages have as many.
    pub fn of_question(text: &str) -> Option<Self> {
        const MIN_WORDS: usize = 2;
        let words: Vec<String> = words(text).collect();
        let mut counts: Vec<(usize, Self)> = Self::all()
            .map(|language| {
                let data = language.data();
                let is_known = |word: &&String| {
                    data.stop_words.contains(*word) || data.function_words.contains(*word)
                };
                (words.iter().filter(is_known).count(), language)
            })
            .collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        match counts.as_slice() {
            [(best, language), (next, _), ..] if best > next && *best >= MIN_WORDS => {
                Some(*language)
            }
            _ => None,
        }
    }

    /// The language of a query: English if it is unknown.
    pub fn of_query(text: &str) -> Self {
        Self::of_question(text).unwrap_or(Self::ENGLISH)
    }

    /// Whether the lexical index leaves out this word. The word must be in lower case.
    pub fn is_stop_word(self, word: &str) -> bool {
        self.data().stop_words.contains(word)
    }

    /// The Snowball stem of a word. The word must be in lower case.
    pub fn stem(self, word: &str) -> String {
        self.data().stemmer.stem(word).into_owned()
    }

    /// The base form of an irregular form: `fall` for `fell`. The word must be in lower case. `None`
    /// if the word is no irregular form that means one thing.
    pub fn base_form(self, word: &str) -> Option<&'static str> {
        self.data().irregular_forms.get(word).map(String::as_str)
    }

    /// Whether a word asks for a kind of answer or stands for a person, and names nothing that a
    /// document must have: `often`, `number`, `dad`. The word must be in the form of [`fold`].
    pub fn is_asking_word(self, word: &str) -> bool {
        self.data().asking_words.contains(word)
    }

    /// Whether all nouns have capitals.
    pub fn capitalises_nouns(self) -> bool {
        self.data().capitalised_nouns
    }

    /// What the answer to a question of some type contains.
    pub fn answer_words(self) -> &'static AnswerWords {
        &self.data().answer_words
    }

    /// How days are written, and what documents say before the day since which they are in force.
    pub fn dates(self) -> &'static DateWords {
        &self.data().dates
    }

    /// How example questions are asked. `None` if the file of the language does not say it.
    pub fn example_questions(self) -> Option<&'static ExampleQuestions> {
        self.data().example_questions.as_ref()
    }

    /// Whether words are joined into one, and should be found by their parts.
    pub fn joins_words(self) -> bool {
        self.data().compounds
    }

    pub(crate) fn data(self) -> &'static LanguageData {
        // INVARIANT: a `Language` is made from positions in `FILES` only.
        &LANGUAGES[usize::from(self.0)]
    }
}

/// The contents of a language file.
pub(crate) struct LanguageData {
    pub code: String,
    pub name: String,
    pub compounds: bool,
    /// Whether all nouns have capitals.
    pub capitalised_nouns: bool,
    pub stop_words: HashSet<String>,
    pub abbreviations: HashSet<String>,
    pub company_suffixes: HashSet<String>,
    pub sentence_starters: HashSet<String>,
    pub function_words: HashSet<String>,
    pub negations: HashSet<String>,
    /// Words for 0, 1, 2 …
    pub numerals: Vec<String>,
    /// Words for 1st, 2nd, 3rd …
    pub ordinals: Vec<String>,
    /// Base forms by irregular form.
    pub irregular_forms: HashMap<String, String>,
    /// The English of function words and phrases of questions.
    pub english: HashMap<String, String>,
    /// Endings of words that English also has, and their English forms.
    pub english_endings: Vec<(String, String)>,
    pub answer_words: AnswerWords,
    pub asking_words: HashSet<String>,
    pub example_questions: Option<ExampleQuestions>,
    pub dates: DateWords,
    stemmer: Stemmer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LanguageFile {
    code: String,
    name: String,
    stemmer: String,
    #[serde(default)]
    compounds: bool,
    #[serde(default)]
    capitalised_nouns: bool,
    stop_words: HashSet<String>,
    #[serde(default)]
    abbreviations: HashSet<String>,
    #[serde(default)]
    company_suffixes: HashSet<String>,
    #[serde(default)]
    sentence_starters: HashSet<String>,
    #[serde(default)]
    function_words: HashSet<String>,
    #[serde(default)]
    negations: HashSet<String>,
    #[serde(default)]
    numerals: Vec<String>,
    #[serde(default)]
    ordinals: Vec<String>,
    #[serde(default)]
    irregular_forms: HashMap<String, String>,
    #[serde(default)]
    english: HashMap<String, String>,
    #[serde(default)]
    english_endings: Vec<(String, String)>,
    #[serde(default)]
    asking_words: HashSet<String>,
    #[serde(default)]
    answer_words: AnswerWords,
    example_questions: Option<ExampleQuestions>,
    #[serde(default)]
    dates: DateWords,
}

/// Words of dates, in lower case.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateWords {
    /// The months from January to December. Empty if the file of the language does not name them.
    pub months: Vec<String>,
    /// Words before the day since which a document is in force: `effective`.
    pub in_force: Vec<String>,
    /// Words between these and the day: `from`.
    pub fillers: HashSet<String>,
    /// Whether the month is written before the day in numbers: `3/31/2026`.
    #[serde(default)]
    pub month_may_come_first: bool,
}

/// How questions about a document are asked in a language, as examples for a person who does not yet
/// know what can be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleQuestions {
    /// The question for a cell of a table, with `{name}` for what is asked and `{subject}` for the
    /// thing that has it.
    pub cell: String,
    /// The question for a section, with `{title}` for the document and `{heading}`.
    pub section: String,
    /// Words that name what people ask about a thing, in the form of [`fold`]: `dose`, `fee`.
    pub names: HashSet<String>,
}

/// Words that the answer to a question of some type contains, in the form of [`fold`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerWords {
    /// Words that name a point in time, a period or a frequency.
    pub periods: HashSet<String>,
    /// Units of time.
    pub time_units: HashSet<String>,
    /// Words for numbers and quantities.
    pub counts: HashSet<String>,
    /// People, roles and teams.
    pub roles: HashSet<String>,
    /// Parts of titles, which are often capitalised and are no names.
    pub titles: HashSet<String>,
    /// Words before a number of years that is an age.
    pub ages: HashSet<String>,
}

impl AnswerWords {
    fn folded(&self) -> Self {
        Self {
            periods: folded(&self.periods),
            time_units: folded(&self.time_units),
            counts: folded(&self.counts),
            roles: folded(&self.roles),
            titles: folded(&self.titles),
            ages: folded(&self.ages),
        }
    }
}

fn folded(words: &HashSet<String>) -> HashSet<String> {
    words.iter().map(|word| fold(word)).collect()
}

impl LanguageData {
    #[expect(
        clippy::expect_used,
        reason = "the files are compiled in, and a test parses each of them"
    )]
    fn parse(file: &str) -> Self {
        let file: LanguageFile = toml::from_str(file).expect("a compiled-in language file");
        let mut function_words = folded(&file.function_words);
        // English has a list of its own, since its stop words are those of an index.
        if file.code != "eng" {
            let phrases = file.english.keys().filter(|phrase| !phrase.contains(' '));
            function_words.extend(file.stop_words.iter().chain(phrases).map(|word| fold(word)));
        }
        Self {
            code: file.code,
            name: file.name,
            compounds: file.compounds,
            capitalised_nouns: file.capitalised_nouns,
            stop_words: file.stop_words,
            abbreviations: file.abbreviations,
            company_suffixes: file.company_suffixes,
            sentence_starters: file.sentence_starters,
            function_words,
            negations: folded(&file.negations),
            numerals: file.numerals.iter().map(|word| fold(word)).collect(),
            ordinals: file.ordinals,
            irregular_forms: file.irregular_forms,
            english: file.english,
            english_endings: file.english_endings,
            answer_words: file.answer_words.folded(),
            asking_words: folded(&file.asking_words),
            example_questions: file.example_questions,
            dates: file.dates,
            stemmer: Stemmer::try_from_name(&file.stemmer).expect("a Snowball algorithm"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_file_parses_and_has_its_own_code() {
        let codes: HashSet<_> = Language::all().map(Language::code).collect();
        assert_eq!(codes.len(), FILES.len());
        for language in Language::all() {
            assert_eq!(Language::from_code(Some(language.code())), language);
        }
        assert_eq!(Language::ENGLISH.code(), "eng");
        assert_eq!(Language::from_code(None), Language::ENGLISH);
        assert_eq!(Language::from_code(Some("lat")), Language::ENGLISH);
    }
}
