//! Removes duplicates from retrieved passages, and groups them for reading.

use crate::model::hit::RetrievedPassage;
use cloister_domain::{DocumentId, PassageId, RevisionId};
use cloister_store::RevisionRecord;
use cloister_text::fold::words;
use cloister_text::numbers::values;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Passages with at least this Jaccard similarity of shingles are duplicates.
const DUPLICATE_SIMILARITY: f32 = 0.8;
/// Words in a shingle.
const SHINGLE_WORDS: usize = 4;
/// Passages of one document before those of other documents come first.
const MAX_PER_DOCUMENT: usize = 6;

/// A hit as a person reads it: joined with adjacent hits of the same document.
#[derive(Clone, Debug)]
pub struct ReadableHit {
    /// The best passage.
    pub best: RetrievedPassage,
    /// The text of the best passage and of its adjacent hits, in document order.
    pub text: String,
    /// Revisions and pages that say the same.
    pub duplicates: Vec<(RevisionRecord, u32)>,
}

/// Selects the passages from which a question is answered: without duplicates, and not all of one
/// document if others are available.
pub fn select_for_answer(passages: Vec<RetrievedPassage>, limit: usize) -> Vec<RetrievedPassage> {
    let mut per_document: HashMap<DocumentId, usize> = HashMap::new();
    let (mut selected, mut surplus) = (Vec::new(), Vec::new());
    for Deduplicated { hit, .. } in deduplicate(passages) {
        let count = per_document.entry(hit.passage.document).or_default();
        *count += 1;
        if *count <= MAX_PER_DOCUMENT {
            selected.push(hit);
        } else {
            surplus.push(hit);
        }
    }
    selected.append(&mut surplus);
    selected.truncate(limit);
    selected
}

/// Groups passages for reading: without duplicates, and adjacent passages of a document joined to
/// the better one.
pub fn group_for_reading(passages: Vec<RetrievedPassage>, limit: usize) -> Vec<ReadableHit> {
    let mut hits = deduplicate(passages);
    hits.truncate(limit);
    let texts: HashMap<PassageId, (RevisionId, String)> = hits
        .iter()
        .map(|Deduplicated { hit, .. }| {
            let passage = &hit.passage;
            (passage.id, (passage.revision, passage.draft.text.clone()))
        })
        .collect();
    let mut used: HashSet<PassageId> = HashSet::new();
    let mut readable = Vec::new();
    for Deduplicated { hit, duplicates } in hits {
        let id = hit.passage.id;
        if used.contains(&id) {
            continue;
        }
        let mut parts: Vec<&str> = Vec::new();
        for neighbour in [PassageId(id.0 - 1), id, PassageId(id.0 + 1)] {
            if let Some((revision, text)) = texts.get(&neighbour)
                && *revision == hit.passage.revision
                && used.insert(neighbour)
            {
                parts.push(text);
            }
        }
        readable.push(ReadableHit {
            text: parts.join("\n"),
            best: hit,
            duplicates,
        });
    }
    readable
}

/// A passage, and the places of its duplicates.
struct Deduplicated {
    hit: RetrievedPassage,
    duplicates: Vec<(RevisionRecord, u32)>,
}

/// Removes every passage that duplicates a better one.
fn deduplicate(passages: Vec<RetrievedPassage>) -> Vec<Deduplicated> {
    let mut distinct: Vec<Deduplicated> = Vec::new();
    let mut fingerprints: Vec<(HashSet<String>, BTreeSet<String>)> = Vec::new();
    for hit in passages {
        let text = &hit.passage.draft.text;
        let (shingles, values) = (shingles(text), values(text));
        // Passages that differ in one number contradict each other, so both are wanted.
        let duplicate_of = fingerprints.iter().position(|(other, other_values)| {
            *other_values == values && jaccard(other, &shingles) >= DUPLICATE_SIMILARITY
        });
        if let Some(original) = duplicate_of.and_then(|position| distinct.get_mut(position)) {
            let first = hit.passage.draft.spans.first();
            let page = first.map_or(1, |span| span.page);
            original.duplicates.push((hit.source, page));
            continue;
        }
        distinct.push(Deduplicated {
            hit,
            duplicates: Vec::new(),
        });
        fingerprints.push((shingles, values));
    }
    distinct
}

fn shingles(text: &str) -> HashSet<String> {
    let words: Vec<String> = words(text).collect();
    if words.len() < SHINGLE_WORDS {
        return HashSet::from([words.join(" ")]);
    }
    words
        .windows(SHINGLE_WORDS)
        .map(|window| window.join(" "))
        .collect()
}

/// The Jaccard similarity of two sets, from 0 to 1.
fn jaccard(one: &HashSet<String>, other: &HashSet<String>) -> f32 {
    let shared = one.intersection(other).count();
    let all = one.len() + other.len() - shared;
    shared as f32 / all.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;

    #[test]
    fn duplicates_are_shown_once_with_both_places() {
        let text = "Visitors are welcome between two and six in the afternoon on all wards of the \
                    house; children come with a grown person, and nobody brings an animal.";
        let passages = vec![
            retrieved(1, 1, text),
            retrieved(9, 2, &text.replace("an animal", "animals")),
            retrieved(20, 3, "Keys are returned to the porter."),
        ];
        let readable = group_for_reading(passages, 10);
        assert_eq!(readable.len(), 2);
        assert_eq!(readable[0].duplicates[0].0.id.0, 2);
    }

    #[test]
    fn adjacent_passages_are_joined_in_document_order() {
        let passages = vec![
            retrieved(5, 1, "Second part of the rule."),
            retrieved(4, 1, "First part of it."),
            retrieved(6, 2, "Another document, though its number follows."),
        ];
        let texts: Vec<String> = group_for_reading(passages, 10)
            .into_iter()
            .map(|hit| hit.text)
            .collect();
        assert_eq!(texts[0], "First part of it.\nSecond part of the rule.");
        assert_eq!(texts.len(), 2);
    }

    #[test]
    fn one_document_does_not_fill_an_answer_alone() {
        let of_one =
            (1..=10).map(|id| retrieved(2 * id, 1, &format!("Rule {id} speaks of number {id}.")));
        let other = retrieved(99, 2, "The other document.");
        let passages: Vec<RetrievedPassage> = of_one.chain([other]).collect();
        let selected = select_for_answer(passages, 8);
        assert_eq!(selected.len(), 8);
        assert_eq!(selected[6].passage.id.0, 99);
    }
}
