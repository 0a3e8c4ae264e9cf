//! Raised, lowered and struck text. `10` and a raised `9` become `10⁹`, not `109`.

/// Raised characters that Unicode has.
const RAISED: &[(char, char)] = &[
    ('0', '⁰'),
    ('1', '¹'),
    ('2', '²'),
    ('3', '³'),
    ('4', '⁴'),
    ('5', '⁵'),
    ('6', '⁶'),
    ('7', '⁷'),
    ('8', '⁸'),
    ('9', '⁹'),
    ('+', '⁺'),
    ('-', '⁻'),
    ('−', '⁻'),
    ('–', '⁻'),
    ('=', '⁼'),
    ('(', '⁽'),
    (')', '⁾'),
];

/// Lowered characters that Unicode has.
const LOWERED: &[(char, char)] = &[
    ('0', '₀'),
    ('1', '₁'),
    ('2', '₂'),
    ('3', '₃'),
    ('4', '₄'),
    ('5', '₅'),
    ('6', '₆'),
    ('7', '₇'),
    ('8', '₈'),
    ('9', '₉'),
    ('+', '₊'),
    ('-', '₋'),
    ('−', '₋'),
    ('–', '₋'),
    ('=', '₌'),
    ('(', '₍'),
    (')', '₎'),
];

/// How text is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Script {
    /// On the line.
    #[default]
    Normal,
    /// Raised.
    Raised,
    /// Lowered.
    Lowered,
}

impl Script {
    /// The script that Office names so.
    pub fn from_alignment(value: &str) -> Self {
        match value {
            "superscript" => Self::Raised,
            "subscript" => Self::Lowered,
            _ => Self::Normal,
        }
    }

    /// The text with the characters that Unicode has for this script. Words stay as they are.
    pub fn write(self, text: &str) -> String {
        let table = match self {
            Self::Normal => return text.to_owned(),
            Self::Raised => RAISED,
            Self::Lowered => LOWERED,
        };
        if !text.chars().any(|c| c.is_ascii_digit()) && text.trim().chars().count() > 2 {
            return text.to_owned();
        }
        text.chars()
            .map(|c| {
                let set = table.iter().find(|(plain, _)| *plain == c);
                set.map_or(c, |(_, set)| *set)
            })
            .collect()
    }
}

/// What stands before and after text that is struck out.
pub const STRUCK_OPEN: &str = "[struck out: ";
/// The end of text that is struck out.
pub const STRUCK_CLOSE: &str = "]";

/// Marks text that is struck out, so that nobody takes it for valid.
pub fn write_struck(text: &str) -> String {
    let inner = text.trim();
    if inner.is_empty() {
        return text.to_owned();
    }
    let before = if text.starts_with(char::is_whitespace) {
        " "
    } else {
        ""
    };
    let after = if text.ends_with(char::is_whitespace) {
        " "
    } else {
        ""
    };
    format!("{before}{STRUCK_OPEN}{inner}{STRUCK_CLOSE}{after}")
}

/// Joins marks of struck text that follow each other, as one word is often written in pieces.
pub fn join_struck(text: &str) -> String {
    let seam = format!("{STRUCK_CLOSE}{STRUCK_OPEN}");
    let spaced = format!("{STRUCK_CLOSE} {STRUCK_OPEN}");
    text.replace(&seam, "").replace(&spaced, " ")
}

/// A word has at least this many letters; shorter ones are units, formulas and symbols.
const MIN_WORD_LETTERS: usize = 4;

/// Puts a space between a word and a raised digit, which is the mark of a note there: the word is
/// found without it.
pub fn part_notes(text: &str) -> String {
    if !text.contains(|c| "⁰¹²³⁴⁵⁶⁷⁸⁹".contains(c)) {
        return text.to_owned();
    }
    let mut parted = String::with_capacity(text.len());
    let mut letters = 0;
    for c in text.chars() {
        if letters >= MIN_WORD_LETTERS && "⁰¹²³⁴⁵⁶⁷⁸⁹".contains(c) {
            parted.push(' ');
        }
        letters = if c.is_alphabetic() { letters + 1 } else { 0 };
        parted.push(c);
    }
    parted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_and_lowered_digits_keep_their_place() {
        for (script, text, expected) in [
            (Script::Raised, "9", "⁹"),
            (Script::Raised, "-3", "⁻³"),
            (Script::Raised, "th", "th"),
            (Script::Lowered, "2", "₂"),
            (Script::Normal, "2", "2"),
        ] {
            assert_eq!(script.write(text), expected);
        }
    }

    #[test]
    fn marks_of_notes_are_parted_from_words() {
        assert_eq!(
            part_notes("a statement¹ of 10⁹/l in m² and CO₂"),
            "a statement ¹ of 10⁹/l in m² and CO₂"
        );
    }

    #[test]
    fn struck_text_is_marked_once() {
        assert_eq!(write_struck("5 mg "), "[struck out: 5 mg] ");
        let pieces = format!("{}{}", write_struck("5 "), write_struck("mg"));
        assert_eq!(join_struck(&pieces), "[struck out: 5 mg]");
    }
}
