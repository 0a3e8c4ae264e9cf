//! In place of a row of a table that was retrieved comes the passage that contains it.

use crate::model::hit::RetrievedPassage;
use cloister_domain::{Passage, PassageId};
use std::collections::HashMap;

/// Hits that a search requests for each passage, because several rows of one passage may be hit.
pub const HITS_PER_PASSAGE: usize = 2;

/// Replaces each row by its passage and merges the hits of one passage, which keeps the highest
/// scores. `parent` finds a passage by its id. The order is that of the first hit of each passage.
pub fn merge_rows(
    hits: Vec<RetrievedPassage>,
    parent: impl Fn(PassageId) -> Option<Passage>,
) -> Vec<RetrievedPassage> {
    let mut merged: Vec<RetrievedPassage> = Vec::new();
    let mut positions: HashMap<PassageId, usize> = HashMap::new();
    for hit in hits {
        let id = hit.passage.row_of.unwrap_or(hit.passage.id);
        if let Some(same) = positions.get(&id).and_then(|at| merged.get_mut(*at)) {
            same.lexical = highest(same.lexical, hit.lexical);
            same.dense = highest(same.dense, hit.dense);
            continue;
        }
        let passage = match hit.passage.row_of {
            Some(_) => parent(id),
            None => Some(hit.passage),
        };
        if let Some(passage) = passage {
            positions.insert(id, merged.len());
            merged.push(RetrievedPassage { passage, ..hit });
        }
    }
    merged
}

fn highest(one: Option<f32>, other: Option<f32>) -> Option<f32> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;

    fn row(id: i64, of: i64, dense: f32) -> RetrievedPassage {
        let mut hit = retrieved(id, 1, "Robbery | Give the money");
        hit.passage.row_of = Some(PassageId(of));
        hit.dense = Some(dense);
        hit
    }

    #[test]
    fn rows_of_one_passage_become_that_passage_once() {
        let mut table = retrieved(3, 1, "Event | First\nRobbery | Give the money\nBomb | Call");
        table.dense = Some(0.2);
        let parent = table.passage.clone();
        let other = retrieved(1, 1, "Something else.");
        let hits = vec![row(8, 3, 0.7), other, table, row(9, 3, 0.1)];
        let merged = merge_rows(hits, |id| (id == PassageId(3)).then(|| parent.clone()));
        let ids: Vec<i64> = merged.iter().map(|hit| hit.passage.id.0).collect();
        assert_eq!(ids, [3, 1]);
        assert_eq!(merged[0].dense, Some(0.7));
        assert_eq!(merged[0].passage.draft.text, parent.draft.text);
    }

    #[test]
    fn a_row_without_its_passage_is_left_out() {
        assert!(merge_rows(vec![row(8, 3, 0.7)], |_| None).is_empty());
    }
}
