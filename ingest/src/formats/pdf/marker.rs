//! What a list item begins with.

/// Bullets as people and programs write them.
const BULLETS: &[char] = &[
    '•', '◦', '▪', '■', '□', '●', '○', '‣', '·', '–', '—', '-', '*', '✓', '✔', '➢', '→', '❖',
];

/// Whether this word alone is a bullet, or a number or letter as lists use them: `•`, `1.`,
/// `(iv)`, `b)`.
pub fn is_marker(word: &str) -> bool {
    let mut chars = word.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => BULLETS.contains(&only),
        (Some('o'), Some(_)) | (None, _) => false,
        _ => is_number(word),
    }
}

/// Whether this line begins a list item.
pub fn begins_item(line: &str) -> bool {
    line.split_once(' ')
        .is_some_and(|(word, rest)| is_marker(word) && !rest.trim().is_empty())
}

/// Whether a word is a section's number: `1`, `2.3`, `4.1.2.`, `§`.
pub fn is_section_number(word: &str) -> bool {
    let digits = word.trim_end_matches('.');
    !digits.is_empty()
        && digits.len() <= 8
        && digits.split('.').all(|part| {
            !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit())
        })
}

fn is_number(word: &str) -> bool {
    let open = word.starts_with('(');
    let inner = word.strip_prefix('(').unwrap_or(word);
    let Some(inner) = inner
        .strip_suffix(')')
        .or_else(|| (!open).then(|| inner.strip_suffix('.')).flatten())
    else {
        return false;
    };
    let digits = inner.len() <= 3 && inner.bytes().all(|b| b.is_ascii_digit());
    let letter = inner.len() == 1 && inner.bytes().all(|b| b.is_ascii_alphabetic());
    let roman = inner.len() <= 5 && inner.bytes().all(|b| b"ivxIVX".contains(&b));
    !inner.is_empty() && (digits || letter || roman)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_told_from_words() {
        for marker in ["•", "1.", "12)", "(a)", "(iv)", "b.", "–", "X."] {
            assert!(is_marker(marker), "{marker}");
        }
        for word in [
            "", "a", "I", "2019", "2019.", "(see)", "e.g.", "1.5", "($", "-5", "(12",
        ] {
            assert!(!is_marker(word), "{word}");
        }
    }

    #[test]
    fn section_numbers_are_told_from_amounts() {
        for number in ["1", "2.3", "4.1.2."] {
            assert!(is_section_number(number), "{number}");
        }
        for word in ["1,234", "2019", "v1", "..", ""] {
            assert!(!is_section_number(word), "{word}");
        }
    }
}
