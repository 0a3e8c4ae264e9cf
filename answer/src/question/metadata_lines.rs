//! Lines about the document instead of its subject: its day, its version, its owner, its pages. They
//! are quoted only if the question asks for them.

use cloister_text::fold::words;

/// A longer sentence says more than metadata.
const MAX_WORDS: usize = 14;

/// How such lines start, in lower case and without punctuation.
const OPENINGS: [&str; 22] = [
    "in force from",
    "in force since",
    "effective date",
    "effective from",
    "effective as of",
    "valid from",
    "valid until",
    "version",
    "revision",
    "document number",
    "last updated",
    "last reviewed",
    "last modified",
    "next review",
    "review date",
    "snapshot from",
    "owner",
    "document owner",
    "approved by",
    "signed by",
    "prepared by",
    "copyright",
];

/// Words of questions that ask for metadata.
const ASKED_BY: [&str; 24] = [
    "force",
    "effective",
    "valid",
    "version",
    "edition",
    "revision",
    "updated",
    "reviewed",
    "review",
    "snapshot",
    "own",
    "owns",
    "owner",
    "owned",
    "approved",
    "signed",
    "signs",
    "prepared",
    "wrote",
    "written",
    "author",
    "published",
    "dated",
    "copyright",
];

/// Whether a question asks for metadata.
pub fn asks_for_metadata(question: &str) -> bool {
    words(question).any(|word| ASKED_BY.contains(&word.as_str()))
}

/// Whether a sentence is a line of metadata.
pub fn is_metadata(sentence: &str) -> bool {
    let words: Vec<String> = words(sentence).collect();
    let text = words.join(" ");
    let is_page = matches!(words.as_slice(), [page, number, of, total] if page == "page"
        && of == "of" && [number, total].iter().all(|n| n.parse::<u32>().is_ok()));
    let opens = OPENINGS.iter().any(|opening| {
        text.strip_prefix(opening)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    });
    is_page || words.len() <= MAX_WORDS && opens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_about_the_document_are_recognised() {
        for (line, expected) in [
            ("In force from 7 April 2026.", true),
            ("*Snapshot from February 12, 2020.", true),
            ("Version 4, 8 April 2026.", true),
            ("Owner: Chief Risk Officer, Ada Lovelace.", true),
            ("Page 3 of 12", true),
            ("Owners of animals pay a deposit of 20 euros.", false),
            ("Visitors are welcome from 14:00 to 18:00.", false),
            ("The version is written on the first page.", false),
        ] {
            assert_eq!(is_metadata(line), expected, "{line}");
        }
        assert!(asks_for_metadata("Who owns the fire plan?"));
        assert!(asks_for_metadata(
            "Since when is the fee schedule in force?"
        ));
        assert!(!asks_for_metadata("When is the clinic open?"));
    }
}
