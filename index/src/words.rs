//! From text to the words that are searched.
//!
//! Two readings of every text: stems without stop words, by the text's language, for prose, and
//! the words as they are written (`§ 12(3)`, `E11.9`, `DE-41/2`), which stemming and splitting
//! would destroy, for codes and for what stands between quotation marks.

use tantivy::tokenizer::{
    Language as Snowball, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter,
    TextAnalyzer, Token, TokenStream,
};

/// Longer words are no words; tantivy's own limit for a term is higher.
const LONGEST: usize = 100;

/// More words than this in a question add noise and time only.
const MOST_WORDS: usize = 64;

/// A language whose words are stemmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Language {
    Dutch,
    English,
    French,
    German,
    Italian,
    Portuguese,
    Spanish,
}

impl Language {
    /// The language of an ISO 639-3 code; English where it is absent or not stemmed.
    pub(crate) fn of(code: Option<&str>) -> Self {
        match code {
            Some("nld") => Self::Dutch,
            Some("fra") => Self::French,
            Some("deu") => Self::German,
            Some("ita") => Self::Italian,
            Some("por") => Self::Portuguese,
            Some("spa") => Self::Spanish,
            Some(_) | None => Self::English,
        }
    }

    /// The ISO 639-3 code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Dutch => "nld",
            Self::English => "eng",
            Self::French => "fra",
            Self::German => "deu",
            Self::Italian => "ita",
            Self::Portuguese => "por",
            Self::Spanish => "spa",
        }
    }

    fn snowball(self) -> Snowball {
        match self {
            Self::Dutch => Snowball::Dutch,
            Self::English => Snowball::English,
            Self::French => Snowball::French,
            Self::German => Snowball::German,
            Self::Italian => Snowball::Italian,
            Self::Portuguese => Snowball::Portuguese,
            Self::Spanish => Snowball::Spanish,
        }
    }

    fn analyzer(self) -> TextAnalyzer {
        let plain = TextAnalyzer::builder(SimpleTokenizer::default())
            .filter(RemoveLongFilter::limit(LONGEST))
            .filter(LowerCaser);
        let stemmer = Stemmer::new(self.snowball());
        match StopWordFilter::new(self.snowball()) {
            Some(stop_words) => plain.filter(stop_words).filter(stemmer).build(),
            None => plain.filter(stemmer).build(),
        }
    }
}

/// The stems of a text, in its order.
pub(crate) fn stems(text: &str, language: Language) -> Vec<Token> {
    let mut analyzer = language.analyzer();
    let mut stream = analyzer.token_stream(text);
    let mut stems = Vec::new();
    while let Some(token) = stream.next() {
        stems.push(token.clone());
    }
    stems
}

/// A text, and after each of its words that joins letters and digits, the parts: `FY2018` is
/// also `FY` and `2018`.
pub(crate) fn parts(text: &str) -> String {
    let mut parted = String::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        parted.push_str(word);
        parted.push(' ');
        let both = word.chars().any(char::is_numeric) && word.chars().any(char::is_alphabetic);
        let mut before = None;
        for c in word.chars().filter(|_| both) {
            if before.is_some_and(|b: char| b.is_numeric() != c.is_numeric()) {
                parted.push(' ');
            }
            parted.push(c);
            before = Some(c);
        }
        parted.push(' ');
    }
    parted
}

/// The distinct stems of a question that may be in any of these languages.
pub(crate) fn question_stems(text: &str, languages: &[Language]) -> Vec<String> {
    let text = parts(text);
    let mut distinct: Vec<String> = Vec::new();
    for language in languages {
        for token in stems(&text, *language).into_iter().take(MOST_WORDS) {
            if !distinct.contains(&token.text) {
                distinct.push(token.text);
            }
        }
    }
    distinct
}

/// The stems of each two words of a question that follow each other, as if they were one: names of
/// files leave the space out (`AMERICANEXPRESS_2022.pdf`).
pub(crate) fn joined_stems(text: &str, languages: &[Language]) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().map(trim).collect();
    let plain = |pair: &&[&str]| pair.concat().chars().all(char::is_alphabetic);
    let joined: Vec<String> = words
        .windows(2)
        .filter(plain)
        .map(<[&str]>::concat)
        .collect();
    question_stems(&joined.join(" "), languages)
}

/// The words of a text as they are written, as tokens that follow each other. An IBAN in groups stands
/// there as one word, too, at the place of the first.
pub(crate) fn written(text: &str) -> Vec<Token> {
    let codes = codes(text);
    let mut tokens = Vec::with_capacity(codes.len());
    for (position, word) in codes.iter().enumerate() {
        let whole = iban(codes.get(position..).unwrap_or_default());
        let words = [Some(word.clone()), whole].into_iter().flatten();
        let words = words.filter(|word| word.len() <= LONGEST);
        tokens.extend(words.map(|text| Token {
            position,
            text,
            ..Token::default()
        }));
    }
    tokens
}

/// The IBAN that these words begin with, where it is written in groups of four (ISO 13616): in one.
fn iban(words: &[String]) -> Option<String> {
    const LENGTHS: std::ops::RangeInclusive<usize> = 15..=34;
    let group = |word: &String, longest: usize| {
        (1..=longest).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let mut whole = words.first().filter(|word| word.len() == 4)?.clone();
    let (country, check) = whole.split_at_checked(2)?;
    let letters = country.bytes().all(|b| b.is_ascii_lowercase());
    if !letters || !check.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut found = None;
    for word in words.get(1..)?.iter().take_while(|word| group(word, 4)) {
        whole.push_str(word);
        if LENGTHS.contains(&whole.len()) && remainder(&whole) == 1 {
            found = Some(whole.clone());
        }
        if word.len() < 4 || whole.len() > *LENGTHS.end() {
            break;
        }
    }
    found
}

/// An IBAN's number modulo 97 (ISO 7064), its first four characters put last: 1 where it is right.
fn remainder(iban: &str) -> u32 {
    let (first, rest) = iban.split_at(4);
    let digits = rest.chars().chain(first.chars());
    let values = digits.filter_map(|c| c.to_digit(36));
    values.fold(0, |sum, value| {
        let shift = if value < 10 { 10 } else { 100 };
        (sum * shift + value) % 97
    })
}

/// What a question demands word for word, by quotation marks, as it is written. A whole sentence
/// that asks sets a plain word off by them (*what is meant by "surge"?*); anything shorter demands
/// it.
pub(crate) fn quoted(text: &str) -> Vec<Vec<String>> {
    let sentence = text.trim_end().ends_with('?');
    let sets_off = |words: &[String]| sentence && matches!(words, [word] if !is_code(word));
    let mut phrases = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(['"', '“', '„', '«']) {
        let Some((inside, later)) = after.split_once(['"', '”', '“', '»']) else {
            break;
        };
        let words: Vec<String> = codes(inside).into_iter().take(MOST_WORDS).collect();
        if !words.is_empty() && !sets_off(&words) {
            phrases.push(words);
        }
        rest = later;
    }
    phrases
}

/// The distinct codes of a question: those of its [`codes`] that are more than a plain word.
pub(crate) fn question_codes(text: &str) -> Vec<String> {
    let mut found = codes(text);
    let whole = (0..found.len()).filter_map(|place| iban(found.get(place..)?));
    let whole: Vec<String> = whole.collect();
    found.extend(whole);
    found.sort_unstable();
    found.dedup();
    found.retain(|code| code.len() <= LONGEST && is_code(code));
    found.truncate(MOST_WORDS);
    found
}

/// A word with a digit or a sign in it, or an abbreviation as it was lowered; plain words are the
/// stems' business.
fn is_code(word: &str) -> bool {
    word.chars().any(|c| !c.is_alphabetic())
}

/// Whether a word is a number, an amount or a year: common, and rarely what a question is after.
pub(crate) fn is_number(code: &str) -> bool {
    let sign = |c: char| !c.is_alphanumeric() && c != '§';
    code.chars().all(|c| c.is_numeric() || sign(c))
}

/// A text's words as they are written, lower case, without the punctuation around them. A
/// paragraph sign is joined to the number after it.
pub(crate) fn codes(text: &str) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    let mut sign = String::new();
    for word in text.split_whitespace() {
        let trimmed = trim(word);
        if trimmed.is_empty() {
            continue;
        }
        if trimmed.chars().all(|c| c == '§') {
            "§".clone_into(&mut sign);
            continue;
        }
        let code = format!("{}{}", std::mem::take(&mut sign), trimmed.to_lowercase());
        codes.push(code);
    }
    codes
}

/// Takes punctuation off both ends, but no bracket whose partner stands inside the word.
fn trim(word: &str) -> &str {
    let mut rest = word;
    loop {
        let first = rest.chars().next().filter(|c| is_edge(*c));
        let last = rest.chars().next_back().filter(|c| is_edge(*c));
        let shorter = match (first, last) {
            (Some('('), _) if rest.contains(')') && !rest.ends_with(')') => None,
            (Some(first), _) => rest.strip_prefix(first),
            (None, Some(')')) if rest.contains('(') => None,
            (None, Some(last)) => rest.strip_suffix(last),
            (None, None) => None,
        };
        match shorter {
            Some(shorter) => rest = shorter,
            None => return rest,
        }
    }
}

fn is_edge(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '§' | '%' | '€' | '$' | '£' | '°' | '+' | '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stay_as_they_are_written() {
        let check = |text: &str, expected: &[&str]| assert_eq!(codes(text), expected, "{text}");
        check("See § 12(3), please.", &["see", "§12(3)", "please"]);
        check("(ICD E11.9)", &["icd", "e11.9"]);
        check("under §5(a).", &["under", "§5(a)"]);
        check("\"IBAN: DE89-3704\"", &["iban", "de89-3704"]);
        check("2–6 °C, 5 %", &["2–6", "°c", "5", "%"]);
        check("... --- ", &[]);
    }

    #[test]
    fn an_iban_is_one_word_however_it_is_written() {
        let check = |text: &str, expected: &str| {
            assert!(
                question_codes(text).contains(&expected.to_owned()),
                "{text}"
            );
            let written: Vec<(usize, String)> = written(text)
                .into_iter()
                .map(|token| (token.position, token.text))
                .collect();
            let groups = codes(text).len();
            assert_eq!(written.last().unwrap().0, groups - 1, "{text}");
            assert!(written.iter().any(|(_, word)| word == expected), "{text}");
        };
        let german = "de89370400440532013000";
        check("IBAN DE89 3704 0044 0532 0130 00, please", german);
        check("IBAN: DE89370400440532013000", german);
        check("from BE68 5390 0754 7034 is paid", "be68539007547034");
        check("(GB29 NWBK 6016 1331 9268 19)", "gb29nwbk60161331926819");
        let wrong = "DE88 3704 0044 0532 0130 00";
        assert_eq!(written(wrong).len(), 6);
        assert_eq!(written("ab12 this that more even").len(), 5);
        assert_eq!(written("ab12").len(), 1);
    }

    #[test]
    fn a_question_is_searched_by_its_stems_and_its_codes() {
        assert_eq!(
            question_stems("What are the opening hours?", &[Language::English]),
            ["what", "open", "hour"]
        );
        assert_eq!(
            question_codes("the dose in § 12(3) or E11.9?"),
            ["e11.9", "§12(3)"]
        );
    }

    #[test]
    fn a_question_is_stemmed_in_every_language_of_the_documents() {
        let languages = [Language::English, Language::German];
        assert_eq!(
            question_stems("Aufbewahrung der Akten", &languages),
            ["aufbewahrung", "der", "akten", "aufbewahr", "akt"]
        );
    }

    #[test]
    fn every_language_has_its_stems_and_its_small_words() {
        for (language, one, many) in [
            (Language::English, "the policy", "policies"),
            (Language::German, "die Aufbewahrung", "Aufbewahrungen"),
            (Language::French, "le médicament", "médicaments"),
            (Language::Spanish, "el medicamento", "medicamentos"),
            (Language::Italian, "il farmaco", "farmaci"),
            (Language::Dutch, "de verpleegkundige", "verpleegkundigen"),
            (Language::Portuguese, "o medicamento", "medicamentos"),
        ] {
            let stems = |text: &str| question_stems(text, &[language]);
            assert_eq!(stems(one).len(), 1, "{language:?}: {:?}", stems(one));
            assert_eq!(stems(one), stems(many), "{language:?}");
        }
    }

    #[test]
    fn letters_and_digits_are_parted() {
        let english = [Language::English];
        assert_eq!(question_stems("FY2018", &english), ["fy2018", "fy", "2018"]);
        assert_eq!(
            question_stems("aspirin 3M", &english),
            ["aspirin", "3m", "3", "m"]
        );
    }

    #[test]
    fn two_words_that_follow_each_other_are_also_one() {
        let english = [Language::English];
        assert_eq!(
            joined_stems("American Express in FY2022, by region", &english),
            ["americanexpress", "expressin", "byregion"]
        );
        assert!(joined_stems("", &english).is_empty());
    }

    #[test]
    fn quotation_marks_hold_phrases() {
        assert_eq!(
            quoted("What is \"minimum necessary\" in “§ 12(3)”?"),
            [vec!["minimum", "necessary"], vec!["§12(3)"]]
        );
        assert!(quoted("5\" pipe").is_empty());
        assert_eq!(quoted("\"surge\" capacity"), [vec!["surge"]]);
        assert_eq!(quoted("Where is “E11.9”?"), [vec!["e11.9"]]);
        assert!(quoted("What is meant by \"surge\"?").is_empty());
    }
}
