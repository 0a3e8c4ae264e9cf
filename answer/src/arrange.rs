//! What was found, as a person can use it: like passages folded, neighbours joined, several
//! documents rather than one over and over.

use crate::retrieve::FoundPassage;
use crate::words::{values, words};
use cloister_domain::{PassageId, RevisionId};
use cloister_store::RevisionRecord;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Passages that share so much of their runs of words say the same.
const SAME: f32 = 0.8;
/// How many words a run has.
const RUN: usize = 4;
/// Passages of one document that come before those of others.
const OF_ONE_DOCUMENT: usize = 6;

/// Passages that were found together, to be read as one.
#[derive(Clone, Debug)]
pub struct Readable {
    /// The best of them.
    pub best: FoundPassage,
    /// The text of all of them, in the document's order.
    pub text: String,
    /// Where else the same stands: documents and pages.
    pub also: Vec<(RevisionRecord, u32)>,
}

/// The passages that a question is answered from: each said once, and not all of one document
/// where others come near.
pub fn for_an_answer(passages: Vec<FoundPassage>, limit: usize) -> Vec<FoundPassage> {
    let folded = fold(passages).into_iter().map(|(passage, _)| passage);
    let mut of: HashMap<i64, usize> = HashMap::new();
    let (mut first, later): (Vec<_>, Vec<_>) = folded.partition(|found| {
        let seen = of.entry(found.passage.document.0).or_default();
        *seen += 1;
        *seen <= OF_ONE_DOCUMENT
    });
    first.extend(later);
    first.truncate(limit);
    first
}

/// The passages as a list to read: like ones folded, neighbours joined to the better one.
pub fn for_reading(passages: Vec<FoundPassage>, limit: usize) -> Vec<Readable> {
    let mut folded = fold(passages);
    folded.truncate(limit);
    let found: HashMap<PassageId, (RevisionId, String)> = folded
        .iter()
        .map(|(found, _)| {
            let passage = &found.passage;
            (passage.id, (passage.revision, passage.draft.text.clone()))
        })
        .collect();
    let mut joined: HashSet<PassageId> = HashSet::new();
    let mut readable = Vec::new();
    for (best, also) in folded {
        if joined.contains(&best.passage.id) {
            continue;
        }
        let beside = |step: i64| {
            let id = PassageId(best.passage.id.0 + step);
            let (revision, _) = found.get(&id)?;
            (*revision == best.passage.revision && !joined.contains(&id)).then_some(id)
        };
        let run: Vec<PassageId> = [beside(-1), Some(best.passage.id), beside(1)]
            .into_iter()
            .flatten()
            .collect();
        let parts = run.iter().filter_map(|id| found.get(id));
        let parts: Vec<&str> = parts.map(|(_, text)| text.as_str()).collect();
        let text = parts.join("\n");
        joined.extend(run);
        readable.push(Readable { best, text, also });
    }
    readable
}

/// Passages that say the same become the first of them and the places of the others.
fn fold(passages: Vec<FoundPassage>) -> Vec<(FoundPassage, Vec<(RevisionRecord, u32)>)> {
    let mut kept: Vec<(FoundPassage, Vec<(RevisionRecord, u32)>)> = Vec::new();
    let mut known_of: Vec<(HashSet<String>, BTreeSet<String>)> = Vec::new();
    for found in passages {
        let text = &found.passage.draft.text;
        let (runs, values) = (runs(text), values(text));
        // Where one number differs, the two contradict each other, and both are wanted.
        let same = known_of
            .iter()
            .position(|(known, those)| *those == values && likeness(known, &runs) >= SAME);
        if let Some((_, also)) = same.and_then(|place| kept.get_mut(place)) {
            let page = found.passage.draft.spans.first();
            also.push((found.source, page.map_or(1, |span| span.page)));
        } else {
            kept.push((found, Vec::new()));
            known_of.push((runs, values));
        }
    }
    kept
}

fn runs(text: &str) -> HashSet<String> {
    let words: Vec<String> = words(text).collect();
    if words.len() < RUN {
        return HashSet::from([words.join(" ")]);
    }
    words.windows(RUN).map(|run| run.join(" ")).collect()
}

/// The share of runs that two passages have in common, of all that either has.
fn likeness(one: &HashSet<String>, other: &HashSet<String>) -> f32 {
    let both = one.intersection(other).count();
    let either = one.len() + other.len() - both;
    both as f32 / either.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieve::sample;

    #[test]
    fn what_is_said_twice_is_shown_once_with_both_places() {
        let text = "Visitors are welcome between two and six in the afternoon on all wards of the \
                    house; children come with a grown person, and nobody brings an animal.";
        let passages = vec![
            sample(1, 1, text),
            sample(9, 2, &text.replace("an animal", "animals")),
            sample(20, 3, "Keys are returned to the porter."),
        ];
        let readable = for_reading(passages, 10);
        assert_eq!(readable.len(), 2);
        assert_eq!(readable[0].also[0].0.id.0, 2);
    }

    #[test]
    fn neighbours_are_joined_in_the_order_of_the_document() {
        let passages = vec![
            sample(5, 1, "Second part of the rule."),
            sample(4, 1, "First part of it."),
            sample(6, 2, "Another document, though its number follows."),
        ];
        let texts: Vec<String> = for_reading(passages, 10)
            .into_iter()
            .map(|r| r.text)
            .collect();
        assert_eq!(texts[0], "First part of it.\nSecond part of the rule.");
        assert_eq!(texts.len(), 2);
    }

    #[test]
    fn one_document_does_not_fill_an_answer_alone() {
        let of_one =
            (1..=10).map(|id| sample(2 * id, 1, &format!("Rule {id} speaks of number {id}.")));
        let other = sample(99, 2, "The other document.");
        let passages: Vec<FoundPassage> = of_one.chain([other]).collect();
        let chosen = for_an_answer(passages, 8);
        assert_eq!(chosen.len(), 8);
        assert_eq!(chosen[6].passage.id.0, 99);
    }
}
