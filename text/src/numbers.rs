//! Numbers in a text, with their signs, currencies and units.

use crate::fold::words;
use crate::language::Language;
use std::collections::BTreeSet;

/// Signs before a number that make it another number.
const SIGNS: &str = "-<>≤≥±~≈$€£¥";

/// A number as a text has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// Its signs and digits, without thousands separators: `€10000`, `-20`, `4.5`.
    pub value: String,
    /// The stem of the word that is joined to it or follows it.
    pub unit: Option<String>,
}

/// The numbers of a text: first those in digits, then those from zero to twelve in words, except
/// `one`.
pub fn quantities(text: &str) -> Vec<Quantity> {
    let mut quantities = Vec::new();
    let mut tokens = text.split_whitespace().peekable();
    while let Some(token) = tokens.next() {
        let word = token.trim_matches(|c: char| !c.is_alphanumeric() && c != '%');
        if !word.chars().any(|c| c.is_ascii_digit()) {
            continue;
        }
        let (digits, joined_unit) = split_unit(word);
        let next = tokens
            .peek()
            .map(|next| next.trim_matches(|c: char| !c.is_alphanumeric()));
        let unit = joined_unit
            .or(next)
            .map(|unit| Language::ENGLISH.content_stem(&unit.to_lowercase()));
        quantities.push(Quantity {
            value: sign(token) + &without_separators(digits),
            unit: unit.filter(|unit| !unit.is_empty()),
        });
    }
    quantities.extend(quantities_in_words(text));
    quantities
}

/// The distinct values of the numbers of a text.
pub fn values(text: &str) -> BTreeSet<String> {
    quantities(text)
        .into_iter()
        .map(|quantity| quantity.value)
        .collect()
}

/// The digits of a word and the unit that is joined to them: `5` and `mg` for `5mg`. A word that
/// does not start with a digit is all digits.
fn split_unit(word: &str) -> (&str, Option<&str>) {
    let unit_start = word.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | ':')));
    match unit_start.and_then(|start| word.split_at_checked(start)) {
        Some(("", unit)) => (word, Some(unit)),
        Some((digits, unit)) => (digits, Some(unit)),
        None => (word, None),
    }
}

/// The signs and currencies before the digits of a token.
fn sign(token: &str) -> String {
    token
        .chars()
        .take_while(|c| !c.is_alphanumeric())
        .map(|c| if c == '−' { '-' } else { c })
        .filter(|c| SIGNS.contains(*c))
        .collect()
}

/// The digits without thousands separators and without punctuation at the end.
fn without_separators(digits: &str) -> String {
    let digits = digits.trim_end_matches(['.', ',', ':']);
    let are_thousands = digits.split(',').skip(1).all(|group| group.len() == 3);
    if are_thousands {
        digits.replace(',', "")
    } else {
        digits.to_owned()
    }
}

/// Small numbers in words. `one` is left out: it is a pronoun more often than a number.
fn quantities_in_words(text: &str) -> Vec<Quantity> {
    let numerals = &Language::ENGLISH.data().numerals;
    let mut quantities = Vec::new();
    let mut words = words(text).peekable();
    while let Some(word) = words.next() {
        if let Some(value) = numerals.iter().position(|numeral| *numeral == word)
            && value != 1
        {
            quantities.push(Quantity {
                value: value.to_string(),
                unit: words
                    .peek()
                    .map(|next| Language::ENGLISH.content_stem(next)),
            });
        }
    }
    quantities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_with_their_units() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let found: Vec<_> = quantities(text)
                .into_iter()
                .map(|quantity| (quantity.value, quantity.unit.unwrap_or_default()))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(value, unit)| ((*value).to_owned(), (*unit).to_owned()))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check(
            "Give 4.5 g every six hours.",
            &[("4.5", "g"), ("6", "hour")],
        );
        check("up to €10,000", &[("€10000", "")]);
        check("(−20 °C)", &[("-20", "c")]);
        check("5mg, then 72 hours", &[("5", "mg"), ("72", "hour")]);
    }
}
