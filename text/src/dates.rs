//! The day since which a document says that it is in force.

use crate::language::{DateWords, Language};
use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation;

/// The maximum number of words between *effective* and the day.
const MAX_FILLERS: usize = 5;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CalendarDay {
    /// The year, from 1900 to 2199.
    pub year: u16,
    /// The month, from 1 to 12.
    pub month: u8,
    /// The day of the month, from 1 to 31.
    pub day: u8,
}

/// The day since which a document is in force by its own words: `Effective 1 March 2026`. `None` if it
/// names no such day, or different ones. `text` is the beginning of the document.
pub fn stated_effective(text: &str, language: Language) -> Option<CalendarDay> {
    let dates = language.dates();
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.unicode_words().collect();
    let mut stated = BTreeSet::new();
    for opening in &dates.in_force {
        let opening: Vec<&str> = opening.unicode_words().collect();
        for start in 0..words.len() {
            let Some(rest) = words
                .get(start..)
                .and_then(|rest| rest.strip_prefix(&*opening))
            else {
                continue;
            };
            let before = start.checked_sub(1).and_then(|at| words.get(at));
            if before.is_some_and(|word| language.is_negation(word)) {
                continue;
            }
            stated.extend(day_after_fillers(rest, dates));
        }
    }
    let day = stated.pop_first()?;
    stated.is_empty().then_some(day)
}

fn day_after_fillers(words: &[&str], dates: &DateWords) -> Option<CalendarDay> {
    let fillers = words
        .iter()
        .take_while(|word| dates.fillers.contains(**word))
        .count();
    parse_day(words.get(fillers.min(MAX_FILLERS)..)?, dates)
}

/// The day that the words begin with: `15 January 2026`, `15. Januar 2026`, `January 15, 2026`,
/// `2026-01-15`, `15.01.2026`, `31/12/2026`.
fn parse_day(words: &[&str], dates: &DateWords) -> Option<CalendarDay> {
    let numbers: Vec<u16> = words
        .first()?
        .split(['.', '/', '-'])
        .map_while(|part| part.parse().ok())
        .collect();
    if let [first, second, third] = *numbers.as_slice() {
        return from_numbers(first, second, third, dates);
    }
    let mut words = words.iter().filter(|word| !matches!(**word, "de" | "del"));
    let (first, second, third) = (words.next()?, words.next()?, words.next()?);
    if let [first, second, third] = [first, second, third].map(|word| word.parse().ok())
        && let (Some(first), Some(second), Some(third)) = (first, second, third)
    {
        return from_numbers(first, second, third, dates);
    }
    let month = |word: &str| {
        let position = dates.months.iter().position(|month| month == word)?;
        u16::try_from(position + 1).ok()
    };
    let number = |word: &str| {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        digits.parse::<u16>().ok()
    };
    match (month(first), month(second)) {
        (Some(month), None) => day_of(number(third)?, month, number(second)?),
        (None, Some(month)) => day_of(number(third)?, month, number(first)?),
        _ => None,
    }
}

fn from_numbers(first: u16, second: u16, third: u16, dates: &DateWords) -> Option<CalendarDay> {
    if first >= 1000 {
        return day_of(first, second, third);
    }
    match (dates.month_may_come_first, first > 12, second > 12) {
        // `3/4/2026` is in March or in April.
        (true, false, false) => None,
        (true, false, true) => day_of(third, first, second),
        _ => day_of(third, second, first),
    }
}

fn day_of(year: u16, month: u16, day: u16) -> Option<CalendarDay> {
    let is_possible =
        (1900..2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    is_possible.then_some(CalendarDay {
        year,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_states_since_when_it_is_in_force() {
        let january = Some((2026, 1, 15));
        for (code, text, expected) in [
            (
                "eng",
                "Version 7, effective 15 January 2026. Doses are for adults.",
                january,
            ),
            ("eng", "Effective date: January 15, 2026", january),
            ("eng", "In force since 2026-01-15", january),
            ("eng", "Policy F-02, valid from 15/01/2026.", january),
            ("eng", "Effective 1/2/2026", None),
            (
                "eng",
                "Effective 1 March 2026. Effective 1 April 2026.",
                None,
            ),
            ("eng", "Not effective 1 March 2026.", None),
            (
                "eng",
                "The gel is effective 15 minutes after 2 doses.",
                None,
            ),
            ("eng", "Reviewed on 15 January 2026.", None),
            ("deu", "Gültig ab dem 15. Januar 2026", january),
            ("deu", "Die Satzung tritt am 15.01.2026 in Kraft.", january),
            ("fra", "En vigueur à compter du 15 janvier 2026", january),
            ("fra", "Applicable au 1er mars 2026", Some((2026, 3, 1))),
            ("spa", "Vigente desde el 15 de enero de 2026", january),
        ] {
            let found = stated_effective(text, Language::from_code(Some(code)));
            let found = found.map(|day| (day.year, day.month, day.day));
            assert_eq!(found, expected, "{text}");
        }
    }
}
