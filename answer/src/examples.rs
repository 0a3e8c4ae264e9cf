//! Example questions that a person's own documents answer, for somebody who does not yet know what can
//! be asked.

use crate::answerer::Answerer;
use crate::model::error::AnswerError;
use crate::presentation::redact::Redactor;
use cloister_domain::{DocumentId, Passage, PassageDraft, PassageRow, Role};
use cloister_store::{DocumentFilter, Library, RevisionRecord};
use cloister_text::fold::{fold, words};
use cloister_text::{ExampleQuestions, Language};
use std::collections::BTreeSet;

/// The maximum number of example questions.
const MAX_EXAMPLES: usize = 6;
/// The number of passages from which questions are made.
const SAMPLED_PASSAGES: u32 = 200;
/// The maximum number of questions that are tried.
const MAX_TRIED: usize = 18;
/// A longer label or heading makes no readable question.
const MAX_NAME_WORDS: usize = 7;

impl Answerer {
    /// Questions that documents of the library answer, at most one a document. Leaves no trace.
    ///
    /// A question is made from a table or a heading, asked, and returned only if the answer is
    /// quoted from the passage that it was made from.
    pub async fn example_questions(
        &self,
        library: &Library,
        roles: &[Role],
    ) -> Result<Vec<String>, AnswerError> {
        let passages = library.sample(SAMPLED_PASSAGES).await?;
        let revisions: Vec<_> = passages.iter().map(|passage| passage.revision).collect();
        let sources = library.revisions_by_id(&revisions).await?;
        let redactor = Redactor::new(&self.parts.redaction, roles);
        let mut documents: BTreeSet<DocumentId> = BTreeSet::new();
        let (mut examples, mut tried) = (Vec::new(), 0);
        for passage in passages {
            if examples.len() == MAX_EXAMPLES || tried == MAX_TRIED {
                break;
            }
            let source = sources.get(&passage.revision);
            let Some(source) = source.filter(|source| !documents.contains(&source.document)) else {
                continue;
            };
            let Some(question) = question_about(&passage, source) else {
                continue;
            };
            if redactor.text(&question, &source.collection_name) != question {
                continue;
            }
            tried += 1;
            if self.answers_from(library, &question, &passage).await? {
                documents.insert(source.document);
                examples.push(question);
            }
        }
        Ok(examples)
    }

    /// Whether the best quote for a question is from this passage.
    async fn answers_from(
        &self,
        library: &Library,
        question: &str,
        passage: &Passage,
    ) -> Result<bool, AnswerError> {
        let filter = DocumentFilter::default();
        let examination = self.examine(library, question, &filter).await?;
        let best = examination.quotes.first();
        Ok(examination.verdict.answer && best.is_some_and(|quote| quote.passage == passage.id))
    }
}

/// A question that the passage should answer. `None` if none can be made of it.
fn question_about(passage: &Passage, source: &RevisionRecord) -> Option<String> {
    let language = Language::from_code(source.language.as_deref());
    let phrases = language.example_questions()?;
    let draft = &passage.draft;
    draft
        .rows
        .iter()
        .find_map(|row| question_about_row(draft, row, language, phrases))
        .or_else(|| question_about_section(draft, source, language, phrases))
}

/// A question for a cell, if its row or its column has the name of something that people ask.
fn question_about_row(
    draft: &PassageDraft,
    row: &PassageRow,
    language: Language,
    phrases: &ExampleQuestions,
) -> Option<String> {
    let header = draft
        .rows
        .iter()
        .take_while(|other| other.range != row.range);
    let header = header.filter(|other| other.row.is_header).last()?;
    let text = |row: &PassageRow, column: u16| {
        let cell = row.row.cells.iter().find(|cell| cell.column == column)?;
        cell.range.slice(&draft.text).map(str::to_owned)
    };
    let label = text(row, 0).filter(|label| is_name(label))?;
    let columns = row.row.cells.iter().map(|cell| cell.column);
    columns.filter(|column| *column > 0).find_map(|column| {
        let name = text(header, column).filter(|name| is_name(name))?;
        let (name, subject) = if is_asked_for(&name, phrases) {
            (name, label.clone())
        } else if is_asked_for(&label, phrases) {
            (label.clone(), name)
        } else {
            return None;
        };
        let question = phrases
            .cell
            .replace("{name}", &in_sentence(&name, language))
            .replace("{subject}", &in_sentence(&subject, language));
        Some(capitalized(&question))
    })
}

fn question_about_section(
    draft: &PassageDraft,
    source: &RevisionRecord,
    language: Language,
    phrases: &ExampleQuestions,
) -> Option<String> {
    let heading = draft.headings.last()?;
    let is_usable = is_name(heading) && is_name(&source.title) && *heading != source.title;
    is_usable.then(|| {
        phrases
            .section
            .replace("{title}", &source.title)
            .replace("{heading}", &in_sentence(heading, language))
    })
}

/// Whether a label, heading or title consists of a few words.
fn is_name(text: &str) -> bool {
    let count = words(text).count();
    (1..=MAX_NAME_WORDS).contains(&count)
        && text.chars().any(char::is_alphabetic)
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || " -'’,".contains(c))
}

fn is_asked_for(name: &str, phrases: &ExampleQuestions) -> bool {
    words(name).any(|word| phrases.names.contains(&fold(&word)))
}

/// A label as it is written inside a sentence: without the capital of its first word, except in a
/// language whose nouns have capitals, and in an abbreviation.
fn in_sentence(label: &str, language: Language) -> String {
    let first = label.split(' ').next().unwrap_or_default();
    let is_abbreviation = first.chars().skip(1).any(char::is_uppercase);
    if language.capitalises_nouns() || is_abbreviation {
        return label.to_owned();
    }
    let mut rest = label.chars();
    let initial = rest.next().map(char::to_lowercase);
    initial.into_iter().flatten().chain(rest).collect()
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    let initial = rest.next().map(char::to_uppercase);
    initial.into_iter().flatten().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{retrieved, retrieved_table};

    #[test]
    fn questions_are_made_of_cells_that_people_ask_for() {
        let medicines: [&[&str]; 2] = [
            &["Medicine", "Change every", "Usual dose"],
            &["Apixaban", "day", "5 mg twice daily"],
        ];
        let fees: [&[&str]; 2] = [&["Service", "Basic account"], &["Monthly fee", "0.00"]];
        let wounds: [&[&str]; 2] = [&["Wound", "Change every"], &["Graze", "5 days"]];
        for (rows, expected) in [
            (
                medicines.as_slice(),
                Some("What is the usual dose for apixaban?"),
            ),
            (
                fees.as_slice(),
                Some("What is the monthly fee for basic account?"),
            ),
            (wounds.as_slice(), None),
        ] {
            let mut hit = retrieved_table(1, rows);
            hit.passage.draft.headings.clear();
            let question = question_about(&hit.passage, &hit.source);
            assert_eq!(question.as_deref(), expected);
        }
    }

    #[test]
    fn questions_are_made_of_headings() {
        let mut hit = retrieved(1, 1, "Hands are cleaned at five moments.");
        hit.source.title = "Hand Hygiene Policy".to_owned();
        hit.passage.draft.headings = vec!["When hands are cleaned".to_owned()];
        assert_eq!(
            question_about(&hit.passage, &hit.source).as_deref(),
            Some("What does the Hand Hygiene Policy say about when hands are cleaned?")
        );
        hit.source.title = "policy_v2_FINAL.docx".to_owned();
        assert_eq!(question_about(&hit.passage, &hit.source), None);
    }
}
