//! The steps of an answer, in the order in which they reach the person.

use crate::error::AnswerError;
use crate::quote::Quote;
use crate::remark::Remark;
use crate::retrieve::FoundPassage;
use cloister_domain::PassageId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The models, weights and program that an answer is made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeWith {
    /// The program's version.
    pub program: String,
    /// SHA-256 of the embedder's weights.
    pub embedder: String,
    /// SHA-256 of the generator's file, which holds its tokenizer and its template too; none where
    /// no model judged or wrote.
    pub generator: Option<String>,
    /// SHA-256 of the weights and thresholds by which sentences are chosen.
    pub evidence: String,
    /// SHA-256 of the glossary; none where there is none, and in entries of versions without one.
    #[serde(default)]
    pub glossary: Option<String>,
    /// Everything else that an answer depends on, by its name: a value, or a SHA-256. Entries of
    /// earlier versions have none.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl MadeWith {
    /// What differs in `now`, in a sentence; empty where nothing does.
    pub fn difference(&self, now: &Self) -> String {
        let or_none = |part: &Option<String>| part.clone().unwrap_or_else(|| "none".into());
        let parts = [
            ("program", self.program.clone(), now.program.clone()),
            ("embedder", self.embedder.clone(), now.embedder.clone()),
            (
                "generator",
                or_none(&self.generator),
                or_none(&now.generator),
            ),
            ("evidence", self.evidence.clone(), now.evidence.clone()),
            ("glossary", or_none(&self.glossary), or_none(&now.glossary)),
        ];
        let setting = |of: &Self, name| or_none(&of.settings.get(name).cloned());
        let names: BTreeSet<&String> = self.settings.keys().chain(now.settings.keys()).collect();
        let settings = names.into_iter();
        let settings =
            settings.map(|name| (name.as_str(), setting(self, name), setting(now, name)));
        let all = parts.into_iter().chain(settings);
        let changed = all.filter(|(_, then, now)| then != now);
        let told = changed.map(|(part, then, now)| format!("the {part} was {then} and is {now}"));
        told.collect::<Vec<_>>().join("; ")
    }
}

/// What an answer is made of.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The answer's id, which its audit entries carry.
    pub id: String,
    /// The conversation that it belongs to.
    pub conversation: String,
    /// The question as it was understood, where it was rewritten to stand alone.
    pub understood: Option<String>,
    /// What its terms stand for, which was searched for beside it.
    pub meanings: Vec<String>,
    /// How many documents were searched.
    pub documents: u64,
    /// Whether all of them were: not while a damaged index is filled again.
    pub complete: bool,
    /// The passages that were found, best first.
    pub passages: Vec<PassageId>,
    /// The index's generation.
    pub index_generation: String,
    /// SHA-256 of the rules in force.
    pub policy_version: String,
    /// The models, weights and program.
    pub made_with: MadeWith,
}

/// A step of an answer.
#[derive(Debug)]
pub enum AnswerEvent {
    /// What the answer is made of. Always first.
    Receipt(Box<Receipt>),
    /// A quote.
    Quote(Box<Quote>),
    /// The documents do not say.
    Refusal {
        /// Why, for the person.
        reason: String,
        /// The nearest passages.
        nearest: Vec<FoundPassage>,
        /// What an earlier version of a document said, until it was superseded.
        superseded: Option<Box<Quote>>,
    },
    /// What a person should know before they rely on the quotes.
    Remark(Remark),
    /// A sentence that the model wrote and the program verified.
    Sentence {
        /// The sentence.
        text: String,
        /// The numbers of the quotes that support it.
        quotes: Vec<u32>,
    },
    /// How many of the model's sentences were withheld so far.
    Withheld {
        /// How many.
        count: u32,
    },
    /// The end.
    Done {
        /// What became of the model's part, where there is none to show.
        note: Option<String>,
        /// From the question to here, in milliseconds.
        took_ms: u64,
    },
    /// The answer broke off after it began. What was shown before stands.
    Failed(AnswerError),
}
