//! The weights and thresholds of the decision, which are data: `weights.toml`.

use cloister_domain::FileHash;
use serde::{Deserialize, Serialize};

const COMPILED_IN: &str = include_str!("../../weights.toml");

/// The weights of sentence features and of the decision.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerWeights {
    /// Weights of the features of a sentence.
    pub sentence: SentenceWeights,
    /// Weights and thresholds of the decision.
    pub decision: DecisionWeights,
    /// SHA-256 of the file.
    pub hash: FileHash,
}

/// The format of `weights.toml`. The aliases are the names in files of earlier versions.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WeightsFile<S, D> {
    sentence: S,
    #[serde(alias = "answer")]
    decision: D,
}

/// Weights of the features of a sentence.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SentenceWeights {
    /// Of the cosine of sentence and question.
    #[serde(alias = "meaning")]
    pub dense_similarity: f32,
    /// Of the IDF-weighted share of the question's terms in the sentence.
    #[serde(alias = "words")]
    pub term_overlap: f32,
    /// Of the log-likelihood gain per token of the question, in nats.
    pub likelihood: f32,
    /// Of whether the sentence contains the expected type of answer.
    #[serde(alias = "kind")]
    pub answer_type: f32,
    /// Of the relevance by the cross-encoder, from 0 to 1. Missing in files of earlier versions.
    #[serde(default)]
    pub relevance: f32,
    /// Of whether a row of a table is for the amounts of the question. Missing in files of earlier
    /// versions.
    #[serde(default)]
    pub range_match: f32,
    /// The relevance that a further quote needs, if there is a cross-encoder. Missing in files of
    /// earlier versions.
    #[serde(default)]
    pub min_relevance: f32,
    /// Of whether a cell and a column of a row are named in the question. Missing in files of
    /// earlier versions.
    #[serde(default)]
    pub cell_match: f32,
    /// How far the score of a further quote may be below the best.
    #[serde(alias = "nearness")]
    pub max_score_gap: f32,
    /// How far the score of the quote for another part of the question may be below the best.
    /// Missing in files of earlier versions.
    #[serde(default = "default_max_part_gap")]
    pub max_part_gap: f32,
}

/// Weights and thresholds of the decision.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionWeights {
    /// Weight of the part of the question that the sentences cover, from 0 to 1.
    #[serde(alias = "covered")]
    pub coverage: f32,
    /// Weight, subtracted, of the share of named entities that the passage lacks.
    #[serde(alias = "missing")]
    pub unmatched_entities: f32,
    /// Weight of the cosine of question and best passage. Missing in files of earlier versions.
    #[serde(alias = "found", default)]
    pub passage_similarity: f32,
    /// Weight, subtracted, of ln(1 + number of passages that are nearer than that of the best
    /// sentence). Missing in files of earlier versions.
    #[serde(alias = "outranked", default)]
    pub dense_rank: f32,
    /// Weight, subtracted, of whether the passage lacks a rare word or a day of the week. Missing in
    /// files of earlier versions.
    #[serde(default)]
    pub missing_subject: f32,
    /// Weight, subtracted, of whether the sentence is about a sibling of what the question asks about.
    /// Missing in files of earlier versions.
    #[serde(default)]
    pub sibling: f32,
    /// Threshold of the score if the generator scored the sentences.
    #[serde(alias = "evidence_with_model")]
    pub threshold_with_model: f32,
    /// Threshold of the score if the cross-encoder scored the sentences. In files of earlier
    /// versions, which do not weigh the relevance, that of the fast features applies.
    #[serde(default = "default_threshold_with_cross_encoder")]
    pub threshold_with_cross_encoder: f32,
    /// Threshold of the score if there is no generator.
    #[serde(alias = "evidence_without_model")]
    pub threshold_without_model: f32,
    /// A refused question whose score is at most this far below the threshold may be answered.
    /// Missing in files of earlier versions.
    #[serde(default)]
    pub perhaps_margin: f32,
    /// Threshold of the cosine of question and best passage.
    #[serde(alias = "passage")]
    pub min_passage_similarity: f32,
    /// A search returns a passage without any of its words only from this cosine on. Missing in files
    /// of earlier versions.
    #[serde(default)]
    pub min_search_similarity: f32,
    /// From this score on, the fast features answer without the generator.
    #[serde(alias = "surely")]
    pub answer_above: f32,
    /// Below this score, the fast features refuse without the generator.
    #[serde(alias = "surely_not")]
    pub refuse_below: f32,
    /// How far the best sentence must be above the second for a small generator to write.
    #[serde(alias = "clear")]
    pub min_margin: f32,
}

const fn default_max_part_gap() -> f32 {
    0.4
}

/// A threshold that no score reaches.
const fn default_threshold_with_cross_encoder() -> f32 {
    f32::INFINITY
}

impl AnswerWeights {
    /// The compiled-in weights.
    pub fn compiled_in() -> Result<Self, toml::de::Error> {
        Self::parse(COMPILED_IN)
    }

    /// Parses a file in the format of `weights.toml`.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let WeightsFile { sentence, decision } = toml::from_str(text)?;
        Ok(Self {
            sentence,
            decision,
            hash: FileHash::digest(text.as_bytes()),
        })
    }

    /// Writes a file that [`parse`](Self::parse) reads.
    pub fn to_toml(
        sentence: &SentenceWeights,
        decision: &DecisionWeights,
    ) -> Result<String, toml::ser::Error> {
        let values = toml::to_string(&WeightsFile { sentence, decision })?;
        Ok(format!(
            "# Weights and thresholds of the decision to answer or refuse. Cloister's\n\
             # answer/weights.toml describes each.\n\n{values}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_is_read_back() {
        let weights = AnswerWeights::compiled_in().unwrap();
        let text = AnswerWeights::to_toml(&weights.sentence, &weights.decision).unwrap();
        assert!(text.contains("term_overlap = 0.4\n"), "{text}");
        let read = AnswerWeights::parse(&text).unwrap();
        assert_eq!(
            (read.sentence, read.decision),
            (weights.sentence, weights.decision)
        );
    }

    #[test]
    fn a_file_with_the_names_of_an_earlier_version_is_read() {
        let old = "[sentence]\nmeaning = 1.0\nwords = 0.4\nkind = 0.1\nlikelihood = 0.08\n\
                   nearness = 0.4\n[answer]\ncovered = 0.3\nmissing = 0.15\n\
                   evidence_with_model = 0.95\nevidence_without_model = 0.82\npassage = 0.15\n\
                   surely = 1.0\nsurely_not = 0.71\nclear = 0.25\n";
        let read = AnswerWeights::parse(old).unwrap();
        assert!((read.decision.answer_above - 1.0).abs() < f32::EPSILON);
        assert!(read.decision.dense_rank.abs() < f32::EPSILON);
    }
}
