//! The weights and thresholds, which are data: `evidence.toml`.

use cloister_domain::FileHash;
use serde::Deserialize;

const CALIBRATED: &str = include_str!("../evidence.toml");

/// How sentences are weighed, and what an answer needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Weights of the signs that a sentence answers a question.
    pub sentence: SentenceWeights,
    /// What an answer needs.
    pub answer: AnswerNeeds,
    /// SHA-256 of the file that says so.
    pub hash: FileHash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EvidenceFile {
    sentence: SentenceWeights,
    answer: AnswerNeeds,
}

/// Weights of the signs that a sentence answers a question.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentenceWeights {
    /// Of the cosine of sentence and question.
    pub meaning: f32,
    /// Of the share of the question's words in the sentence.
    pub words: f32,
    /// Of the nats by which the sentence makes a token of the question likelier.
    pub likelihood: f32,
    /// Of whether the sentence holds the kind of thing that the question asks for.
    pub kind: f32,
    /// How near to the first a further quote must come.
    pub nearness: f32,
}

/// What an answer needs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerNeeds {
    /// Weight of how much of the question the best sentence's passage speaks of; see
    /// [`Spoken::covered`](crate::Spoken::covered).
    pub covered: f32,
    /// Weight, taken off, of the share of what the question names that the passage lacks.
    pub missing: f32,
    /// Weight of the best passage's cosine to the question; files of before have none.
    #[serde(default)]
    pub found: f32,
    /// Weight, taken off, of the logarithm of how many passages are nearer in meaning than the best
    /// sentence's, and one; files of before have none.
    #[serde(default)]
    pub outranked: f32,
    /// All the evidence, where a model judged the sentences.
    pub evidence_with_model: f32,
    /// The same where none did.
    pub evidence_without_model: f32,
    /// The best passage's cosine, whatever the rest.
    pub passage: f32,
    /// From here on the fast signs answer without asking the model.
    pub surely: f32,
    /// Below this they refuse without asking it.
    pub surely_not: f32,
    /// How far the best sentence's score must stand above the next for a small model to write.
    pub clear: f32,
}

impl Evidence {
    /// The calibrated values, compiled in.
    pub fn calibrated() -> Result<Self, toml::de::Error> {
        Self::parse(CALIBRATED)
    }

    /// A file of these values, which [`parse`](Self::parse) reads.
    pub fn file(sentence: &SentenceWeights, answer: &AnswerNeeds) -> String {
        format!(
            "# When the program answers and when it refuses, and how it weighs what a sentence shows.\n\
             # What each value means stands in answer/evidence.toml.\n\n[sentence]\n\
             meaning = {:?}\nwords = {:?}\nkind = {:?}\nlikelihood = {:?}\nnearness = {:?}\n\n[answer]\n\
             covered = {:?}\nmissing = {:?}\nfound = {:?}\noutranked = {:?}\nevidence_with_model = {:?}\n\
             evidence_without_model = {:?}\npassage = {:?}\nsurely = {:?}\nsurely_not = {:?}\nclear = {:?}\n",
            sentence.meaning,
            sentence.words,
            sentence.kind,
            sentence.likelihood,
            sentence.nearness,
            answer.covered,
            answer.missing,
            answer.found,
            answer.outranked,
            answer.evidence_with_model,
            answer.evidence_without_model,
            answer.passage,
            answer.surely,
            answer.surely_not,
            answer.clear,
        )
    }

    /// The values of a file like `evidence.toml`.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let EvidenceFile { sentence, answer } = toml::from_str(text)?;
        Ok(Self {
            sentence,
            answer,
            hash: FileHash::of(text.as_bytes()),
        })
    }
}
