//! The events of an answer, in the order in which they reach the person.

use crate::extraction::quote::Quote;
use crate::model::error::AnswerError;
use crate::model::hit::RetrievedPassage;
use crate::presentation::notices::Notice;
use cloister_domain::PassageId;
use cloister_index::DenseMethod;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The program, models and weights that produced an answer. Stored in the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The version of the program.
    pub program: String,
    /// SHA-256 of the weights of the embedder.
    pub embedder: String,
    /// SHA-256 of the file of the generator, which contains its tokenizer and chat template.
    /// `None` if no generator is in use.
    pub generator: Option<String>,
    /// SHA-256 of the answer weights.
    #[serde(rename = "evidence")]
    pub answer_weights: String,
    /// SHA-256 of the glossary. `None` if there is none, or in entries of versions without one.
    #[serde(default)]
    pub glossary: Option<String>,
    /// Everything else that an answer depends on, by name: a value or a SHA-256. Empty in entries
    /// of versions that did not log it.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl Provenance {
    /// Describes every part that differs in `now`. Empty if nothing differs.
    pub fn describe_changes(&self, now: &Self) -> String {
        let mut changes = Vec::new();
        for (part, before, after) in [
            ("program", Some(&self.program), Some(&now.program)),
            ("embedder", Some(&self.embedder), Some(&now.embedder)),
            ("generator", self.generator.as_ref(), now.generator.as_ref()),
            (
                "answer weights",
                Some(&self.answer_weights),
                Some(&now.answer_weights),
            ),
            ("glossary", self.glossary.as_ref(), now.glossary.as_ref()),
        ] {
            changes.extend(describe_change(part, before, after));
        }
        let (before, after) = (self.renamed_settings(), now.renamed_settings());
        let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
        for name in names {
            let (before, after) = (before.get(name).copied(), after.get(name).copied());
            changes.extend(describe_change(name, before, after));
        }
        changes.join("; ")
    }

    /// The settings by their present names.
    fn renamed_settings(&self) -> BTreeMap<&str, &String> {
        let mut renamed = BTreeMap::new();
        for (name, value) in &self.settings {
            let present = RENAMED_SETTINGS.iter().find(|(old, _)| old == name);
            renamed.insert(present.map_or(name.as_str(), |(_, present)| present), value);
        }
        renamed
    }
}

/// Names of settings in entries of earlier versions, and their present names.
const RENAMED_SETTINGS: [(&str, &str); 5] = [
    ("embedder's tokenizer", "embedder tokenizer"),
    ("instructions", "prompts"),
    ("masking", "redaction"),
    ("second look", "reranker"),
    ("verifier", "NLI model"),
];

fn describe_change(part: &str, before: Option<&String>, after: Option<&String>) -> Option<String> {
    if before == after {
        return None;
    }
    let before = before.map_or("none", String::as_str);
    let after = after.map_or("none", String::as_str);
    Some(format!("the {part} was {before} and is {after}"))
}

/// What an answer is based on.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The id of the answer. Its audit entries have it.
    pub id: String,
    /// The conversation that it belongs to.
    pub conversation: String,
    /// The question after rewriting. `None` if it was answered as typed.
    pub rewritten_question: Option<String>,
    /// The glossary meanings and related words that were searched in addition to the question.
    pub expansions: Vec<String>,
    /// How many documents were searched.
    pub documents: u64,
    /// Whether the index was complete. It is not while a damaged index is rebuilt.
    pub complete: bool,
    /// The retrieved passages, best first.
    pub passages: Vec<PassageId>,
    /// The generation of the index.
    pub index_generation: String,
    /// How the nearest vectors were found.
    pub plan: DenseMethod,
    /// SHA-256 of the access policy.
    pub policy_version: String,
    /// The program, models and weights.
    pub provenance: Provenance,
}

/// An event of an answer.
#[derive(Debug)]
pub enum AnswerEvent {
    /// What the answer is based on. Always first.
    Receipt(Box<Receipt>),
    /// A quote.
    Quote(Box<Quote>),
    /// The documents do not answer the question, or it is not certain that they do.
    Refusal {
        /// The reason, for the person.
        reason: String,
        /// Whether the nearest passages may answer it.
        perhaps: bool,
        /// The sentence of the first of the nearest passages that comes closest, if one may answer.
        likely: Option<String>,
        /// The best passages.
        nearest: Vec<RetrievedPassage>,
        /// A quote of a superseded revision that would have answered.
        superseded: Option<Box<Quote>>,
    },
    /// Something to know before relying on the quotes.
    Notice(Notice),
    /// A generated sentence that was verified.
    Sentence {
        /// The sentence.
        text: String,
        /// The numbers of the quotes that support it.
        quotes: Vec<u32>,
    },
    /// Generated sentences were withheld.
    Withheld {
        /// How many so far.
        count: u32,
    },
    /// The end of the answer.
    Done {
        /// Why there is no generated text, if there is none.
        note: Option<String>,
        /// Milliseconds since the question.
        took_ms: u64,
    },
    /// The answer failed after it began. The events before it stay valid.
    Failed(AnswerError),
}
