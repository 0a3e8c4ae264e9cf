//! Words of questions, and lists of words that the rules share.

/// Question words, and words that may accompany them.
pub(super) const ASKING_WORDS: &[&str] = &[
    "how", "when", "who", "whom", "whose", "what", "which", "where", "why", "by", "for", "to",
    "from", "since", "until", "within", "at", "in", "on", "with", "through", "via", "under",
    "long", "often", "many", "much", "soon", "fast", "quickly", "time", "day", "days", "not",
];

/// Verbs that may follow the question words.
pub(super) const AUXILIARIES: &[&str] = &[
    "is", "are", "was", "were", "do", "does", "did", "must", "may", "can", "should", "shall",
    "will", "has", "have", "had", "would", "could",
];

/// The words of a text with their punctuation.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

/// A token in lower case without punctuation.
pub(super) fn normalize(token: impl AsRef<str>) -> String {
    token
        .as_ref()
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase()
}
