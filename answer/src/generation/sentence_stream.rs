//! Sentences of a generated text with their citations.

use cloister_text::SentenceStream;

/// Labels that small models put before a sentence.
const LABELS: [&str; 4] = ["A:", "Answer:", "Quote:", "Q:"];

/// A sentence and the numbers that it cites.
pub(crate) type CitedSentence = (String, Vec<u32>);

/// Splits a stream into sentences without the labels of small models.
#[derive(Debug, Default)]
pub(crate) struct UnlabelledSentences(SentenceStream);

impl UnlabelledSentences {
    /// Appends text and returns the first sentence that is complete, if any.
    pub(crate) fn push(&mut self, text: &str) -> Option<String> {
        let sentence = self.0.push(text)?;
        Some(without_label(&sentence).to_owned())
    }

    /// What is left at the end of the stream, if anything.
    pub(crate) fn finish(self) -> Option<String> {
        let rest = self.0.finish();
        let rest = without_label(&rest);
        (!rest.is_empty()).then(|| rest.to_owned())
    }
}

/// A sentence without the label and the quotation marks that small models put around it.
fn without_label(sentence: &str) -> &str {
    let sentence = sentence.trim();
    let unlabelled = LABELS
        .iter()
        .find_map(|label| sentence.strip_prefix(label))
        .unwrap_or(sentence)
        .trim();
    unlabelled
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(unlabelled)
}

/// Splits a stream into sentences with their citations, which may precede or follow the full stop.
#[derive(Debug, Default)]
pub(crate) struct CitedSentences {
    sentences: UnlabelledSentences,
    /// A sentence without a citation, which may follow.
    waiting: Option<CitedSentence>,
}

impl CitedSentences {
    /// Appends text and returns the sentences that it completes.
    pub(crate) fn push(&mut self, text: &str) -> Vec<CitedSentence> {
        let mut complete = Vec::new();
        let mut next = self.sentences.push(text);
        while let Some(sentence) = next {
            self.add(&sentence, &mut complete);
            next = self.sentences.push("");
        }
        complete
    }

    /// What is left at the end of the stream.
    pub(crate) fn finish(mut self) -> Vec<CitedSentence> {
        let mut complete = Vec::new();
        if let Some(rest) = std::mem::take(&mut self.sentences).finish() {
            self.add(&rest, &mut complete);
        }
        complete.extend(self.waiting);
        complete
    }

    /// Adds a sentence. Citations at its start belong to the sentence before.
    fn add(&mut self, sentence: &str, complete: &mut Vec<CitedSentence>) {
        let (leading, rest) = split_leading_citations(sentence);
        if let Some((text, mut numbers)) = self.waiting.take() {
            numbers.extend(leading);
            complete.push((text, numbers));
        }
        let (text, numbers) = split_citations(rest);
        if text.is_empty() {
            return;
        }
        if numbers.is_empty() {
            self.waiting = Some((text, numbers));
        } else {
            complete.push((text, numbers));
        }
    }
}

/// A sentence without its citations, and the numbers that they name. Brackets with anything but
/// numbers are text.
fn split_citations(sentence: &str) -> CitedSentence {
    let mut numbers = Vec::new();
    let mut text = String::new();
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('[') {
        if let Some((cited, after_citation)) = parse_citation(after) {
            text.push_str(before.trim_end());
            numbers.extend(cited);
            rest = after_citation;
        } else {
            text.push_str(before);
            text.push('[');
            rest = after;
        }
    }
    text.push_str(rest);
    (text.trim().to_owned(), numbers)
}

/// Parses `2, 3]` after an opening bracket: the numbers, and what follows the bracket.
fn parse_citation(after_bracket: &str) -> Option<(Vec<u32>, &str)> {
    let (inside, after) = after_bracket.split_once(']')?;
    let numbers: Result<Vec<u32>, _> = inside.split(',').map(|n| n.trim().parse()).collect();
    Some((numbers.ok()?, after))
}

/// The citations at the start of a text, and the rest.
fn split_leading_citations(text: &str) -> (Vec<u32>, &str) {
    let (mut numbers, mut rest) = (Vec::new(), text.trim_start());
    while let Some(after_bracket) = rest.strip_prefix('[') {
        let Some((cited, after)) = parse_citation(after_bracket) else {
            break;
        };
        numbers.extend(cited);
        rest = after.trim_start();
    }
    (numbers, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_separated_from_the_sentence() {
        type Cited<'a> = (&'a str, &'a [u32]);
        let cases: [(&str, &[Cited<'_>]); 6] = [
            (
                "Within 72 hours [1]. By post [2, 3].",
                &[("Within 72 hours.", &[1]), ("By post.", &[2, 3])],
            ),
            (
                "Within 72 hours. [1] By post. [2][3]",
                &[("Within 72 hours.", &[1]), ("By post.", &[2, 3])],
            ),
            ("Within 72 hours.", &[("Within 72 hours.", &[])]),
            ("See [sic] there [4].", &[("See [sic] there.", &[4])]),
            ("Cut [1", &[("Cut [1", &[])]),
            ("", &[]),
        ];
        for (stream, expected) in cases {
            let mut sentences = CitedSentences::default();
            let mut found: Vec<(String, Vec<u32>)> = Vec::new();
            for c in stream.chars() {
                found.extend(sentences.push(&c.to_string()));
            }
            found.extend(sentences.finish());
            let found: Vec<(&str, &[u32])> = found
                .iter()
                .map(|(t, n)| (t.as_str(), n.as_slice()))
                .collect();
            assert_eq!(found, expected, "{stream}");
        }
    }

    #[test]
    fn labels_of_small_models_are_removed() {
        let check = |text: &str, expected: &str| {
            let mut sentences = UnlabelledSentences::default();
            let sentence = sentences.push(text).or_else(|| sentences.finish());
            assert_eq!(sentence.as_deref(), Some(expected), "{text}");
        };
        check("A: Within an hour. ", "Within an hour.");
        check("Quote: \"Within an hour.\"", "Within an hour.");
    }
}
