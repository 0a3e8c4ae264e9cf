//! What the model is asked, and how its stream is cut into sentences.

use cloister_inference::GenerateRequest;

/// A sentence of an answer is short; more than this is rambling.
const LONGEST_TOKENS: usize = 72;

/// The task for one quote. Small models need a small task: with this wording SmolLM2-135M was
/// right five times of five, over whole passages once in four.
pub fn task(quote: &str, question: &str) -> GenerateRequest {
    let user = format!(
        "Quote: \"{quote}\"\n\nUsing only the quote, answer in one short sentence: {question}"
    );
    GenerateRequest {
        user,
        max_tokens: LONGEST_TOKENS,
        ..GenerateRequest::default()
    }
}

/// Cuts a stream of text into sentences as they end.
#[derive(Debug, Default)]
pub struct Sentences {
    pending: String,
}

impl Sentences {
    /// Takes a piece and returns the first sentence that it completes, if any.
    pub fn push(&mut self, piece: &str) -> Option<String> {
        self.pending.push_str(piece);
        let end = self
            .pending
            .char_indices()
            .find_map(|(at, c)| self.ends(at, c))?;
        let rest = self.pending.split_off(end);
        let sentence = std::mem::replace(&mut self.pending, rest);
        Some(without_label(&sentence).to_owned())
    }

    /// What is left when the stream has ended by itself.
    pub fn finish(self) -> Option<String> {
        let rest = without_label(&self.pending);
        (!rest.is_empty()).then(|| rest.to_owned())
    }

    /// A full stop ends a sentence only where white space follows, since `4.5` and `e.g.` hold
    /// some too.
    fn ends(&self, at: usize, c: char) -> Option<usize> {
        let after = at + c.len_utf8();
        let next = self
            .pending
            .get(after..)
            .and_then(|rest| rest.chars().next());
        let before = self.pending.get(..at).unwrap_or_default();
        let begun = !before.trim().is_empty();
        let stops = matches!(c, '.' | '!' | '?') && next.is_some_and(char::is_whitespace);
        let abbreviated = ["e.g", "i.e", "Dr", "No", "Mr", "Mrs", "approx", "vs"];
        let abbreviation = c == '.'
            && (is_initial(before) || abbreviated.iter().any(|short| before.ends_with(short)));
        ((stops && !abbreviation || c == '\n') && begun).then_some(after)
    }
}

/// Whether a text ends in a letter that stands for a name, as in `Michael E. Mann`.
fn is_initial(text: &str) -> bool {
    let last = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let mut letters = last.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.next().is_none()
}

/// The sentence without the label that small models put before it.
fn without_label(sentence: &str) -> &str {
    let bare = sentence.trim();
    let labels = ["A:", "Answer:", "Quote:", "Q:"];
    let unlabelled = labels
        .iter()
        .find_map(|label| bare.strip_prefix(label))
        .unwrap_or(bare);
    let unlabelled = unlabelled.trim();
    let quoted = unlabelled
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    quoted.unwrap_or(unlabelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&str]) -> Vec<String> {
        let mut sentences = Sentences::default();
        let mut found: Vec<String> = Vec::new();
        for piece in pieces {
            let mut next = sentences.push(piece);
            while let Some(sentence) = next {
                found.push(sentence);
                next = sentences.push("");
            }
        }
        found.extend(sentences.finish());
        found
    }

    #[test]
    fn a_stream_is_cut_where_sentences_end() {
        let cases: [(&[&str], &[&str]); 7] = [
            (
                &["Within 72", " hours", ". ", "Then"],
                &["Within 72 hours.", "Then"],
            ),
            (&["Give 4", ".", "5 g. Wait."], &["Give 4.5 g.", "Wait."]),
            (&["See Dr. Ames. Now"], &["See Dr. Ames.", "Now"]),
            (&["By M. E. Mann. Now"], &["By M. E. Mann.", "Now"]),
            (&["\n\nYes\nNo"], &["Yes", "No"]),
            (&["A: Within an hour", ". "], &["Within an hour."]),
            (&["Quote: \"Within an hour.\""], &["Within an hour."]),
        ];
        for (pieces, expected) in cases {
            assert_eq!(cut(pieces), expected);
        }
    }
}
