//! The one form in which words are compared: composed letters, lower case, without accents, soft
//! hyphens and invisible characters. What is quoted stays as it is written.

use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Whether a character says nothing about the word that it stands in: soft hyphens, joiners, marks of
/// direction, variation selectors, and the bar that stretches Arabic words.
pub const fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{640}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
    )
}

/// Whether a character is a part of a word: a letter, a digit, a mark on a letter, or one that says
/// nothing.
pub fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || !c.is_ascii() && (is_ignorable(c) || is_combining_mark(c))
}

/// A text with composed letters and without invisible characters. Its case and accents stay.
pub fn compose(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !is_ignorable(*c)).nfc().collect())
}

/// A word in the form in which words are compared: `Ménière`, also if its accents are characters of
/// their own, is `meniere`.
pub fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(word.len());
    let mut last = ' ';
    for c in word.chars().filter(|c| !is_ignorable(*c)).nfkd() {
        let keeps = !is_accent(c) || c == '\u{306}' && matches!(last, 'и' | 'И');
        if keeps {
            c.to_lowercase().for_each(|c| push_folded(c, &mut folded));
        }
        last = c;
    }
    folded.nfc().collect()
}

/// The words of a text (UAX 29) in the form of [`fold`].
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.unicode_words().map(fold)
}

/// Marks that are often not typed: the accents of Latin, Greek and Cyrillic letters, and the points
/// of Hebrew and Arabic. Marks of other scripts are letters.
const fn is_accent(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{591}'..='\u{5bd}'
            | '\u{5bf}'..='\u{5c7}'
            | '\u{610}'..='\u{61a}'
            | '\u{64b}'..='\u{65f}'
            | '\u{670}'
            | '\u{6d6}'..='\u{6dc}'
            | '\u{6df}'..='\u{6e8}'
            | '\u{6ea}'..='\u{6ed}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

/// Letters without a decomposition that people type without their stroke, and letters of Arabic that
/// stand for each other at the end of words.
fn push_folded(c: char, folded: &mut String) {
    let plain = match c {
        'ß' | 'ẞ' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ı' => "i",
        'ħ' => "h",
        'ς' => "σ",
        'ى' => "ي",
        'ة' => "ه",
        '’' | '‘' | 'ʼ' => "'",
        _ => {
            folded.push(c);
            return;
        }
    };
    folded.push_str(plain);
}

/// A word as it is written, in the form in which codes and phrases are compared: as [`fold`], with one
/// kind of hyphen, and raised digits after a number as a power: `10⁹/l` is `10^9/l`.
pub fn fold_written(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let mut plain = String::with_capacity(word.len());
    let mut in_power = false;
    let mut after_digit = false;
    for c in word.chars() {
        let is_raised = is_raised(c);
        if is_raised && after_digit && !in_power {
            plain.push('^');
        }
        in_power = is_raised && (in_power || after_digit);
        after_digit = c.is_ascii_digit();
        plain.push(match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '⁻' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
                '-'
            }
            c => c,
        });
    }
    fold(&plain)
}

/// Whether a character is a raised digit or sign.
pub const fn is_raised(c: char) -> bool {
    matches!(c, '⁰' | '¹' | '²' | '³' | '⁴'..='⁹' | '⁺' | '⁻')
}

/// Whether a character belongs to a script that is written without spaces between words.
pub const fn is_unspaced(c: char) -> bool {
    matches!(
        c,
        // Thai, Lao, Myanmar, Khmer
        '\u{e01}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            // Kana, Bopomofo, Han, Hangul
            | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{312f}' | '\u{3131}'..='\u{318e}'
            | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
            | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{323af}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_has_one_form() {
        for (word, expected) in [
            ("Müller", "muller"),
            ("Mu\u{308}ller", "muller"),
            ("Aufbe\u{ad}wahrungs\u{200b}frist", "aufbewahrungsfrist"),
            ("Straße", "strasse"),
            ("Ærø", "aero"),
            ("Łódź", "lodz"),
            ("ΑΣΘΕΝΉΣ", "ασθενησ"),
            ("Ёлка", "елка"),
            ("Йод", "йод"),
            ("ﬁnal", "final"),
            ("CO₂", "co2"),
            ("أدوية", "ادويه"),
            ("ﻣﺮﻳﺾ", "مريض"),
            ("שָׁלוֹם", "שלום"),
            ("ペニシリン", "ペニシリン"),
            ("ﾍﾟﾆｼﾘﾝ", "ペニシリン"),
            ("한국", "한국"),
            ("Ｇｅｌ", "gel"),
        ] {
            assert_eq!(fold(word), expected, "{word}");
        }
    }

    #[test]
    fn codes_have_one_kind_of_hyphen_and_powers() {
        for (word, expected) in [
            ("DE\u{2011}41/2", "de-41/2"),
            ("Guillain–Barré", "guillain-barre"),
            ("10⁹/l", "10^9/l"),
            ("10⁻³", "10^-3"),
            ("m²", "m2"),
            ("§12(3)", "§12(3)"),
        ] {
            assert_eq!(fold_written(word), expected, "{word}");
        }
    }
}
