//! Prefers passages in which words of the question are next to each other, as in names: `Member
//! Services`, `bomb threat`. Neither arm of the search knows which words belong together.

use crate::model::hit::RetrievedPassage;
use cloister_text::Language;

/// The weight of the share of the question's pairs that a passage has, relative to its score.
const WEIGHT: f32 = 0.15;

/// Reorders the passages by their scores plus the weighted share of the question's pairs of
/// adjacent content words that they have.
pub(crate) fn prefer_phrases(question: &str, passages: &mut Vec<RetrievedPassage>) {
    let language = Language::of_query(question);
    let pairs = language.content_pairs(question);
    if pairs.is_empty() {
        return;
    }
    let mut scored: Vec<(f32, RetrievedPassage)> = std::mem::take(passages)
        .into_iter()
        .map(|hit| {
            let found = language.content_pairs(&hit.passage.draft.text);
            let shared = pairs.intersection(&found).count() as f32;
            (hit.score + WEIGHT * shared / pairs.len() as f32, hit)
        })
        .collect();
    scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    passages.extend(scored.into_iter().map(|(_, hit)| hit));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;

    #[test]
    fn a_passage_with_the_name_comes_before_one_with_its_words() {
        let mut passages = vec![
            retrieved(1, 1, "Each member pays for services."),
            retrieved(2, 2, "Head of Member Services | Ada Lovelace"),
        ];
        prefer_phrases("Who works in Member Services?", &mut passages);
        assert_eq!(passages[0].passage.id.0, 2);
        prefer_phrases("Who pays?", &mut passages);
        assert_eq!(passages[0].passage.id.0, 2);
    }
}
