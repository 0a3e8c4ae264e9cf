//! Splits a stream of text into sentences as they end.

use crate::sentences::is_abbreviation;

/// Text of a stream that is not yet a complete sentence.
#[derive(Debug, Default)]
pub struct SentenceStream {
    pending: String,
}

impl SentenceStream {
    /// Appends text and returns the first sentence that is complete, if any. Call it with an empty
    /// text for the next one.
    pub fn push(&mut self, text: &str) -> Option<String> {
        self.pending.push_str(text);
        let end = self
            .pending
            .char_indices()
            .find_map(|(position, c)| self.sentence_end(position, c))?;
        let rest = self.pending.split_off(end);
        Some(std::mem::replace(&mut self.pending, rest))
    }

    /// What is left at the end of the stream.
    pub fn finish(self) -> String {
        self.pending
    }

    /// The end of the sentence if `c` at `position` ends it. A full stop ends a sentence only if
    /// white space follows, because numbers and abbreviations contain full stops.
    fn sentence_end(&self, position: usize, c: char) -> Option<usize> {
        let (before, from) = self.pending.split_at_checked(position)?;
        if before.trim().is_empty() {
            return None;
        }
        let mut following = from.chars().skip(1);
        let ends = match c {
            '\n' => true,
            '!' | '?' => following.next().is_some_and(char::is_whitespace),
            '.' => {
                following.next().is_some_and(char::is_whitespace) && !ends_in_abbreviation(before)
            }
            _ => false,
        };
        ends.then_some(position + c.len_utf8())
    }
}

/// Whether a text ends in an abbreviation, or in the initial of a name as in `Michael E. Mann`.
fn ends_in_abbreviation(text: &str) -> bool {
    let word = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches(['(', '[', '"', '“', '‘', '\'']);
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    // `No. 5` is an abbreviation, `The answer is no.` is not.
    is_initial || word != "no" && is_abbreviation(&word.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_split_where_sentences_end() {
        let check = |pieces: &[&str], expected: &[&str]| {
            let mut stream = SentenceStream::default();
            let mut found = Vec::new();
            for piece in pieces {
                let mut next = stream.push(piece);
                while let Some(sentence) = next {
                    found.push(sentence.trim().to_owned());
                    next = stream.push("");
                }
            }
            found.push(stream.finish().trim().to_owned());
            assert_eq!(found, expected);
        };
        check(
            &["Within 72", " hours", ". ", "Then"],
            &["Within 72 hours.", "Then"],
        );
        check(&["Give 4", ".", "5 g. Wait."], &["Give 4.5 g.", "Wait."]);
        check(&["See Dr. Ames. Now"], &["See Dr. Ames.", "Now"]);
        check(&["By M. E. Mann. Now"], &["By M. E. Mann.", "Now"]);
        check(&["As No. 5 says, no. Now"], &["As No. 5 says, no.", "Now"]);
        check(&["\n\nYes\nNo"], &["Yes", "No"]);
    }
}
