//! List markers and numbered headings.

/// Bullets, as people and programs write them.
const BULLETS: &[char] = &[
    '•', '◦', '▪', '■', '□', '●', '○', '‣', '·', '–', '—', '-', '*', '✓', '✔', '➢', '→', '❖',
];

/// Whether a word is a list marker, that is a bullet, number or letter: `•`, `1.`, `(iv)`, `b)`.
pub fn is_marker(word: &str) -> bool {
    let mut chars = word.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => BULLETS.contains(&only),
        (Some('o'), Some(_)) | (None, _) => false,
        _ => is_number(word),
    }
}

/// Whether a line starts with a list marker.
pub fn begins_item(line: &str) -> bool {
    line.split_once(' ')
        .is_some_and(|(word, rest)| is_marker(word) && !rest.trim().is_empty())
}

/// Whether a word is the number of a section: `1`, `2.3`, `4.1.2.`.
pub fn is_section_number(word: &str) -> bool {
    let digits = word.trim_end_matches('.');
    !digits.is_empty()
        && digits.len() <= 8
        && digits.split('.').all(|part| {
            !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit())
        })
}

/// The level of a line that is a heading judged by its words alone: `4.2 Leave` by its number,
/// `SICK LEAVE` by its capitals.
pub fn heading_by_words(line: &str) -> Option<u8> {
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    let short = line.chars().count() <= 100 && !line.contains(" | ");
    if !short || line.ends_with(['.', ',', ';']) || letters < 4 {
        return None;
    }
    if let Some((number, words)) = line.split_once(' ') {
        let depth = number.trim_end_matches('.').split('.').count();
        if depth > 1 && is_section_number(number) && words.starts_with(char::is_uppercase) {
            return Some(u8::try_from(depth).unwrap_or(6).min(6));
        }
    }
    let mut alphabetic = line.chars().filter(|c| c.is_alphabetic());
    let capitals = letters >= 6 && alphabetic.all(char::is_uppercase);
    let digits = line.chars().filter(char::is_ascii_digit).count();
    (capitals && digits < 6).then_some(2)
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
    fn markers_are_distinguished_from_words() {
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
    fn some_headings_are_recognised_by_their_words() {
        for (line, level) in [
            ("5.1 Applicable Standards", Some(2)),
            ("5.1.2 Standards", Some(3)),
            ("SURGICAL TREATMENT OF CANCER:", Some(2)),
            ("5. Roles Policy", None),
            ("1.2 million people", None),
            ("NASDAQ", Some(2)),
            ("Introduction", None),
            ("WE SHALL NOT BE LIABLE.", None),
            ("A | B", None),
        ] {
            assert_eq!(heading_by_words(line), level, "{line}");
        }
    }

    #[test]
    fn section_numbers_are_distinguished_from_amounts() {
        for number in ["1", "2.3", "4.1.2."] {
            assert!(is_section_number(number), "{number}");
        }
        for word in ["1,234", "2019", "v1", "..", ""] {
            assert!(!is_section_number(word), "{word}");
        }
    }
}
