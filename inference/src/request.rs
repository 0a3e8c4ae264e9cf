//! Requests to a generator.

use serde::{Deserialize, Serialize};

/// One task for a generator. An equal request gives an equal text whatever else is in the batch, so
/// that an examiner can replay it with the same model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateRequest {
    /// The system prompt; if absent, the default of the model file. What is computed for it is cached
    /// for everybody, so it must not contain anything that only some people may read.
    pub system: Option<String>,
    /// The previous turns of the conversation, oldest first.
    pub turns: Vec<ChatTurn>,
    /// The task, with the text it is about.
    pub user: String,
    /// The maximum of tokens to write.
    pub max_tokens: usize,
    /// Which other requests can reuse what is computed for this prompt. If absent, only the part that
    /// depends on `system` alone is reused.
    #[serde(rename = "scope", alias = "cache_namespace")]
    pub cache_namespace: Option<CacheNamespace>,
    /// The person who asks. The queue is fair between people; requests without a person count as one.
    pub person: Option<Person>,
    /// How the next token is selected.
    pub sampling: Sampling,
    /// What the text must be. If absent, the model writes freely.
    pub constraint: Option<Constraint>,
}

/// A previous question and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatTurn {
    /// The task of that turn.
    pub user: String,
    /// The text that was written.
    pub assistant: String,
}

/// A key for a set of permissions in the prefix cache.
///
/// Two requests may have equal namespaces only if each person may read everything in the other's
/// prompt. The cache speeds up a prompt that starts like an earlier one, so the response time reveals
/// that such a prompt was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CacheNamespace(pub String);

/// A key for a person, for fair queueing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Person(pub String);

/// How the next token is selected from its probabilities. The filters apply in the order of the
/// fields. Each of them keeps at least the most likely token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// Divides the logits. 0 selects the most likely token and ignores the other fields.
    pub temperature: f32,
    /// Keeps this many of the most likely tokens; 0 keeps all.
    pub top_k: usize,
    /// Keeps tokens with at least this fraction of the highest probability; 0 keeps all.
    pub min_p: f32,
    /// Keeps the most likely tokens until their probabilities sum to this; 1 keeps all.
    pub top_p: f32,
    /// The random seed. Equal seeds draw equal tokens.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            min_p: 0.0,
            top_p: 1.0,
            seed: 0,
        }
    }
}

/// What a text must be, byte for byte. A text that ended as
/// [`Complete`](crate::FinishReason::Complete) satisfies it; any other text is the start of such a
/// text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Constraint {
    /// One of these texts, for example one id of a list.
    OneOf(Vec<String>),
    /// One or more of these sentences, each complete, separated by spaces.
    Copy(Vec<String>),
    /// A text whose square brackets contain only these ids, separated by a comma and a space. Other
    /// ids cannot be written.
    Citing(Vec<String>),
    /// JSON without spaces that this JSON schema accepts: objects (all properties, in the order of
    /// `required`, then by name), arrays, strings, numbers, `enum`, `const`, `anyOf`. Other keywords
    /// are refused.
    Json(serde_json::Value),
}
