use super::*;

fn question(case: Answerability, candidates: &[(f32, f32, bool)]) -> QuestionSignals {
    let sentence = |(dense_similarity, likelihood, right): &(f32, f32, bool)| SentenceSignals {
        dense_similarity: *dense_similarity,
        term_overlap: 0.0,
        answer_type: 0.0,
        likelihood: Some(*likelihood),
        relevance: None,
        coverage: 0.5,
        unmatched_entities: 0.0,
        dense_rank: 0,
        right: *right,
    };
    QuestionSignals {
        case,
        passage_similarity: 0.5,
        candidates: candidates.iter().map(sentence).collect(),
    }
}

/// Four near misses with high similarity and no likelihood, and the answer below them.
fn set() -> Vec<QuestionSignals> {
    let misses = [(0.9, 0.0, false); 4];
    let with_answer = [&misses[..], &[(0.8, 4.0, true)]].concat();
    let mut set: Vec<QuestionSignals> = (0..10)
        .map(|_| question(Answerability::Answerable, &with_answer))
        .collect();
    set.extend((0..10).map(|_| question(Answerability::Near, &misses)));
    set
}

#[test]
fn an_informative_feature_gets_a_weight() {
    let sets = [set()];
    let point = fit(&sets);
    assert!(point.likelihood > 0.0);
    assert_eq!(point.accuracy(&sets[0]), (1.0, 1.0));
    assert!(point.separation(&sets[0]) > 0.99);
    let threshold = threshold_for_refusals(3.0, &sets, point);
    assert!(
        sets[0]
            .iter()
            .all(|q| (point.decision_score(q) >= threshold) == q.case.is_answerable())
    );
}

#[test]
fn decisions_that_the_generator_changes_are_in_the_band() {
    let sets = [set()];
    let point = fit(&sets);
    let threshold = threshold_for_refusals(3.0, &sets, point);
    let (refuse_below, answer_above) = generator_band(&sets, point, threshold);
    for question in &sets[0] {
        let fast_score = point.without_models().decision_score(question);
        assert!((refuse_below..=answer_above).contains(&fast_score));
    }
}
