//! A refusal: what was found instead, and what to do.

use crate::decision::answerability::Verdict;
use crate::extraction::quote::Quote;
use crate::model::hit::{NearestSentence, RetrievedPassage};
use crate::presentation::event::AnswerEvent;
use cloister_text::Language;

/// Passages that a refusal shows.
const SHOWN_PASSAGES: usize = 3;

/// The refusal of a question. `nearest` is the best sentence of all; `superseded` is a quote that
/// would have answered.
pub(crate) fn refusal(
    question: &str,
    passages: &[RetrievedPassage],
    verdict: &Verdict,
    nearest: Option<&NearestSentence>,
    superseded: Option<&Quote>,
) -> AnswerEvent {
    // A rule that would have answered, and is no longer in force, says more than near passages.
    let perhaps = verdict.perhaps && superseded.is_none();
    let likely = nearest.filter(|_| perhaps);
    let passages = shown_passages(passages, likely);
    let mut reason = String::from(if perhaps {
        "Perhaps here: these passages come closest, but it is not certain that they answer"
    } else {
        "Not found in the documents that you may read"
    });
    if let Some((asked, written)) = other_language(question, &passages) {
        let note = format!(
            ". The question is in {}, and the nearest documents are in {}. Ask again in {}",
            asked.name(),
            written.name(),
            written.name()
        );
        reason.push_str(&note);
    }
    AnswerEvent::Refusal {
        reason,
        perhaps,
        likely: likely.map(|likely| likely.text.clone()),
        nearest: passages.into_iter().cloned().collect(),
        superseded: superseded.cloned().map(Box::new),
    }
}

/// The passages that a refusal shows: the best ones, with that of the likely sentence first.
pub(crate) fn shown_passages<'p>(
    passages: &'p [RetrievedPassage],
    likely: Option<&NearestSentence>,
) -> Vec<&'p RetrievedPassage> {
    let mut passages: Vec<&RetrievedPassage> = passages.iter().collect();
    if let Some(likely) = likely {
        passages.sort_by_key(|hit| hit.passage.id != likely.passage);
    }
    passages.truncate(SHOWN_PASSAGES);
    passages
}

/// The language of the question and that of the passages, if all of these are in another one.
fn other_language(question: &str, passages: &[&RetrievedPassage]) -> Option<(Language, Language)> {
    let asked = Language::of_question(question)?;
    let code = passages.first()?.source.language.as_deref()?;
    let written = Language::all().find(|language| language.code() == code)?;
    let is_same = passages
        .iter()
        .all(|hit| hit.source.language.as_deref() == Some(code));
    (is_same && asked != written).then_some((asked, written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;

    #[test]
    fn a_question_in_another_language_than_the_documents_is_recognised() {
        let mut hit = retrieved(1, 1, "Visitors are welcome from two to six.");
        hit.source.language = Some("eng".into());
        let languages = |question: &str| {
            let found = other_language(question, &[&hit, &hit]);
            found.map(|(asked, written)| (asked.name(), written.name()))
        };
        for (question, expected) in [
            (
                "Was kostet eine Überweisung in der Filiale?",
                Some("German"),
            ),
            (
                "Quel est le budget annuel de formation par personne ?",
                Some("French"),
            ),
            (
                "¿Cuánto cuesta cada noche después de una operación?",
                Some("Spanish"),
            ),
            ("What does a transfer at the branch cost?", None),
            ("visiting hours", None),
        ] {
            let expected = expected.map(|asked| (asked, "English"));
            assert_eq!(languages(question), expected, "{question}");
        }
    }
}
