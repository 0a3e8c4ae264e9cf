//! Raised and lowered digits: a smaller number above or below the line belongs to the word before it.

use super::words::PlacedWord;
use crate::formats::common::scripts::Script;

/// Joins raised and lowered digits to the word that they follow, in their own characters: `10` and a
/// raised `9` become `10⁹`.
pub fn mark(words: &mut Vec<PlacedWord>) {
    let mut found: Vec<PlacedWord> = Vec::with_capacity(words.len());
    for word in words.drain(..) {
        let before = found
            .len()
            .checked_sub(2)
            .and_then(|index| found.get(index));
        let after_number =
            before.is_some_and(|word| word.text.ends_with(|c: char| c.is_ascii_digit()));
        let script = found
            .last()
            .map_or(Script::Normal, |last| script_of(last, &word, after_number));
        if script != Script::Normal
            && let Some(last) = found.last_mut()
        {
            last.text.push_str(&script.write(&word.text));
            last.rect = last.rect.union(word.rect);
            last.frame = last.frame.union(word.frame);
            continue;
        }
        // What follows a raised digit without a gap belongs to the same word.
        match found.last_mut() {
            Some(last) if continues(last, &word) => {
                last.text.push_str(&word.text);
                last.rect = last.rect.union(word.rect);
                last.frame = last.frame.union(word.frame);
            }
            _ => found.push(word),
        }
    }
    *words = found;
}

/// Whether `word` is raised or lowered beside the word before it.
fn script_of(last: &PlacedWord, word: &PlacedWord, after_number: bool) -> Script {
    let is_number = word.text.chars().any(|c| c.is_ascii_digit())
        && word
            .text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '−' | '–'));
    let gap = word.frame.x0 - last.frame.x1;
    let beside = last.direction == word.direction
        && gap > -0.2 * last.size
        && gap < 0.12 * last.size
        && word.size < 0.85 * last.size
        && !last.right_to_left;
    if !is_number || !beside || word.text.chars().count() > 4 {
        return Script::Normal;
    }
    // Both boxes reach from above the letters to below the line.
    let (above, below) = (word.frame.y0 - last.frame.y0, last.frame.y1 - word.frame.y1);
    if below > above + 0.1 * last.size {
        // After other words, a raised number is the mark of a note.
        let is_unit = after_number && last.text.chars().count() < 4;
        if is_unit || takes_power(&last.text) {
            Script::Raised
        } else {
            Script::Normal
        }
    } else if above > below + 0.1 * last.size {
        Script::Lowered
    } else {
        Script::Normal
    }
}

/// Whether a raised number after this word changes its value: after a number, or a unit.
fn takes_power(text: &str) -> bool {
    let last = text
        .rsplit(['/', '·', '*', '×', '('])
        .next()
        .unwrap_or(text);
    let is_unit = matches!(
        last,
        "m" | "cm"
            | "mm"
            | "dm"
            | "km"
            | "µm"
            | "μm"
            | "s"
            | "min"
            | "h"
            | "l"
            | "L"
            | "kg"
            | "x"
            | "X"
    );
    is_unit || text.ends_with(|c: char| c.is_ascii_digit())
}

fn continues(last: &PlacedWord, word: &PlacedWord) -> bool {
    let ends_raised = last
        .text
        .ends_with(|c: char| "⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉".contains(c));
    let gap = word.frame.x0 - last.frame.x1;
    let same_line =
        last.direction == word.direction && (last.frame.y1 - word.frame.y1).abs() < 0.4 * word.size;
    ends_raised
        && same_line
        && gap.abs() < 0.1 * word.size
        && word
            .text
            .starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | ',' | ')' | '·'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::pdf::words::TextDirection;
    use cloister_domain::Rect;

    fn word(text: &str, x0: f32, x1: f32, y1: f32, size: f32) -> PlacedWord {
        let rect = Rect {
            x0,
            y0: y1 - size,
            x1,
            y1,
        };
        PlacedWord {
            text: text.to_owned(),
            rect,
            frame: rect,
            direction: TextDirection::LeftToRight,
            size,
            bold: false,
            right_to_left: false,
        }
    }

    #[test]
    fn raised_digits_are_no_part_of_the_number_before_them() {
        let mut words = vec![
            word("10", 0.0, 10.0, 100.0, 10.0),
            word("9", 10.0, 14.0, 96.0, 6.0),
            word("/l", 14.2, 20.0, 100.0, 10.0),
            word("CO", 30.0, 40.0, 100.0, 10.0),
            word("2", 40.0, 44.0, 102.0, 6.0),
            word("12", 60.0, 70.0, 100.0, 10.0),
        ];
        mark(&mut words);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["10⁹/l", "CO₂", "12"]);
    }
}
