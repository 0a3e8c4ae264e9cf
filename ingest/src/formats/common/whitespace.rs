//! White space of text that was laid out for the eye.

/// Replaces each run of white space and control characters by one space, and trims the ends.
pub fn normalize_whitespace(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word = word.trim_matches(['\u{feff}', '\u{200b}']);
        if word.is_empty() {
            continue;
        }
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    plain
}
