//! Ranges that a text states (`1 to 4 years`, `500 to 9,999`, `below 1 month`), and whether an
//! amount that a question names (`a three-year-old`, `3,000 pounds`) is in one.
//!
//! The words are those of English.

use crate::fold::words;
use crate::language::Language;

/// What a number measures. Only numbers that measure the same are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// A period or an age, in days.
    Time,
    /// An amount of money, in any currency.
    Money,
    /// A weight, in grams.
    Weight,
}

/// A number with what it measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    /// The value in the unit of its dimension.
    pub value: f64,
    /// What it measures.
    pub dimension: Dimension,
}

/// A range of numbers. Both ends are part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumericRange {
    low: f64,
    high: f64,
    dimension: Option<Dimension>,
}

impl NumericRange {
    /// Whether an amount is in the range. `None` if the two measure different things. `default` is
    /// the dimension of a range that names none.
    pub fn contains(&self, amount: Amount, default: Option<Dimension>) -> Option<bool> {
        let dimension = self.dimension.or(default)?;
        (dimension == amount.dimension).then(|| (self.low..=self.high).contains(&amount.value))
    }
}

/// Days, or grams, of a unit, and its dimension.
fn unit(word: &str) -> Option<(f64, Dimension)> {
    let singular = word.strip_suffix('s').unwrap_or(word);
    Some(match singular {
        "hour" | "hr" => (1.0 / 24.0, Dimension::Time),
        "day" => (1.0, Dimension::Time),
        "week" => (7.0, Dimension::Time),
        "month" => (30.44, Dimension::Time),
        "year" | "yr" | "birthday" => (365.25, Dimension::Time),
        "pound" | "euro" | "dollar" | "franc" | "gbp" | "eur" | "usd" | "chf" => {
            (1.0, Dimension::Money)
        }
        "gram" | "g" => (1.0, Dimension::Weight),
        "kilogram" | "kg" | "kilo" => (1000.0, Dimension::Weight),
        _ => return None,
    })
}

/// The dimension that a column's name states: `Loss possible (pounds)`, `Age`.
pub fn dimension_of_name(name: &str) -> Option<Dimension> {
    words(name).find_map(|word| match word.as_str() {
        "age" | "aged" => Some(Dimension::Time),
        "amount" | "sum" | "value" | "loss" => Some(Dimension::Money),
        "weight" => Some(Dimension::Weight),
        _ => unit(&word).map(|(_, dimension)| dimension),
    })
}

/// A token of a text: a number, a word, or `to` between two numbers.
#[derive(Clone, Debug, PartialEq)]
enum RangeToken {
    Number(f64),
    Currency,
    To,
    Word(String),
}

fn tokenize(text: &str) -> Vec<RangeToken> {
    let numerals = &Language::ENGLISH.data().numerals;
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_digit() {
            let end = rest
                .find(|c: char| !(c.is_ascii_digit() || matches!(c, ',' | '.')))
                .unwrap_or(rest.len());
            let (digits, _) = rest.split_at(end);
            let digits = digits.trim_end_matches(['.', ',']);
            tokens.extend(digits.replace(',', "").parse().ok().map(RangeToken::Number));
            digits.len()
        } else if first.is_alphabetic() {
            let end = rest
                .find(|c: char| !c.is_alphabetic())
                .unwrap_or(rest.len());
            let (word, _) = rest.split_at(end);
            let word = word.to_lowercase();
            let value = numerals.iter().position(|numeral| *numeral == word);
            tokens.push(match value {
                Some(value) => RangeToken::Number(value as f64),
                None if word == "to" => RangeToken::To,
                None => RangeToken::Word(word),
            });
            end
        } else {
            match first {
                '£' | '€' | '$' => tokens.push(RangeToken::Currency),
                '–' | '—' | '-' => tokens.push(RangeToken::To),
                '<' | '≤' => tokens.push(RangeToken::Word("below".to_owned())),
                '>' | '≥' => tokens.push(RangeToken::Word("above".to_owned())),
                _ => {}
            }
            first.len_utf8()
        };
        rest = rest.get(length.max(1)..).unwrap_or_default();
    }
    tokens
}

const BELOW: [&str; 5] = ["below", "under", "less", "younger", "before"];
const UP_TO: [&str; 3] = ["up", "until", "most"];
const FROM: [&str; 6] = ["from", "above", "over", "more", "older", "least"];

/// The range that a cell of a table states, if it states exactly one.
pub fn parse_range(text: &str) -> Option<NumericRange> {
    let tokens = tokenize(text);
    let numbers: Vec<(usize, f64)> = tokens
        .iter()
        .enumerate()
        .filter_map(|(position, token)| match token {
            RangeToken::Number(value) => Some((position, *value)),
            RangeToken::Currency | RangeToken::To | RangeToken::Word(_) => None,
        })
        .collect();
    let has = |list: &[&str]| {
        tokens
            .iter()
            .any(|token| matches!(token, RangeToken::Word(word) if list.contains(&word.as_str())))
    };
    let dimension_at = |position: usize| {
        let currency = position
            .checked_sub(1)
            .is_some_and(|before| tokens.get(before) == Some(&RangeToken::Currency));
        match tokens.get(position + 1) {
            Some(RangeToken::Word(word)) => unit(word),
            _ if currency => Some((1.0, Dimension::Money)),
            _ => None,
        }
    };
    match numbers.as_slice() {
        [(first, low), (last, high)] if tokens.get(*last - 1) == Some(&RangeToken::To) => {
            let end = dimension_at(*last);
            let start = dimension_at(*first).or(end);
            let scale = |found: Option<(f64, Dimension)>| found.map_or(1.0, |(scale, _)| scale);
            let (low, high) = (low * scale(start), high * scale(end.or(start)));
            // The last day of *4 years* is the day before the fifth birthday.
            let dimension = end.or(start).map(|(_, dimension)| dimension);
            let high = match dimension {
                Some(Dimension::Time) => high + 0.999 * scale(end.or(start)),
                _ => high,
            };
            (low <= high).then_some(NumericRange {
                low,
                high,
                dimension,
            })
        }
        [(position, value)] => {
            let found = dimension_at(*position);
            let dimension = found.map(|(_, dimension)| dimension);
            let value = value * found.map_or(1.0, |(scale, _)| scale);
            let range = |low: f64, high: f64| {
                Some(NumericRange {
                    low,
                    high,
                    dimension,
                })
            };
            let below_value = value - value.abs().max(1.0) * 1e-6;
            if has(&BELOW) {
                range(f64::NEG_INFINITY, below_value)
            } else if has(&UP_TO) {
                range(f64::NEG_INFINITY, value)
            } else if has(&FROM) {
                range(value, f64::INFINITY)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Words before `of 40` that name a person.
const PEOPLE: [&str; 22] = [
    "boy", "girl", "child", "baby", "infant", "man", "woman", "patient", "mother", "father", "son",
    "daughter", "toddler", "member", "teenager", "adult", "person", "newborn", "pupil", "student",
    "customer", "neonate",
];

/// The amounts that a question names: an age, a period, an amount of money, a weight.
pub fn amounts(question: &str) -> Vec<Amount> {
    let tokens = tokenize(question);
    let mut amounts = Vec::new();
    for (position, token) in tokens.iter().enumerate() {
        let RangeToken::Number(value) = token else {
            continue;
        };
        let before = |steps: usize| position.checked_sub(steps).and_then(|at| tokens.get(at));
        let next = match tokens.get(position + 1) {
            // `three-year-old`
            Some(RangeToken::To) => tokens.get(position + 2),
            other => other,
        };
        let named = match next {
            Some(RangeToken::Word(word)) => unit(word),
            _ => None,
        };
        let is_word = |token: Option<&RangeToken>, list: &[&str]| matches!(token, Some(RangeToken::Word(word)) if list.contains(&word.as_str()));
        let is_age = is_word(before(1), &["aged", "age"])
            || is_word(before(1), &["of"]) && is_word(before(2), &PEOPLE);
        let found = if before(1) == Some(&RangeToken::Currency) {
            Some((1.0, Dimension::Money))
        } else if named.is_none() && is_age {
            unit("year")
        } else {
            named
        };
        if let Some((scale, dimension)) = found {
            amounts.push(Amount {
                value: value * scale,
                dimension,
            });
        }
    }
    amounts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: &str, cell: &str, name: &str, expected: Option<bool>) {
        let amounts = amounts(question);
        let found = amounts
            .first()
            .zip(parse_range(cell))
            .and_then(|(amount, range)| range.contains(*amount, dimension_of_name(name)));
        assert_eq!(found, expected, "{question} in {cell}: {amounts:?}");
    }

    #[test]
    fn an_age_is_in_the_range_of_its_row() {
        let child = "What is the dose for a three-year-old?";
        check(child, "1 to 4 years", "Age", Some(true));
        check(child, "5 to 11 years", "Age", Some(false));
        check(child, "1 to 11 months", "Age", Some(false));
        check(child, "12–17 years", "Age", Some(false));
        check(
            "A girl of nine months?",
            "6 months to 2 years",
            "Age",
            Some(true),
        );
        check("A baby of two weeks?", "Below 1 month", "Age", Some(true));
        check("A baby of two weeks?", "From 1 month", "Age", Some(false));
        check("His mother of 40?", "18 years and over", "Age", Some(true));
        check("Her son of ten?", "15 years and over", "Age", Some(false));
        check("A child aged 4?", "1 to 4 years", "Age", Some(true));
    }

    #[test]
    fn an_amount_of_money_is_in_the_range_of_its_row() {
        let loss = "A loss of 3,000 pounds: who decides?";
        check(loss, "500 to 9,999", "Loss (pounds)", Some(true));
        check(loss, "10,000 to 99,999", "Loss (pounds)", Some(false));
        check(loss, "100,000 and more", "Loss (pounds)", Some(false));
        check(loss, "Below 500", "Amount", Some(false));
        check("Is €450 covered?", "up to €500", "Limit", Some(true));
    }

    #[test]
    fn what_measures_something_else_is_not_compared() {
        let loss = "A loss of 3,000 pounds: who decides?";
        check(loss, "1 to 4 years", "Age", None);
        check(loss, "500 to 9,999", "Extension", None);
        check(loss, "Branch manager", "Role", None);
        check("Which form is used?", "1 to 4 years", "Age", None);
        check(loss, "12:00–13:00 and 14:00–15:00", "Hours", None);
    }
}
