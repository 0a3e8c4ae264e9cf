//! What a generator is asked.

use serde::{Deserialize, Serialize};

/// One task for a generator. The same request gives the same words, whatever else is being
/// written, so that an examiner who asks again with the same model reads what was read before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateRequest {
    /// What the model is told to be; where absent, the model file's own default stands. What was
    /// computed for it is used again for everybody: it must hold nothing that one person may read
    /// and another may not.
    pub system: Option<String>,
    /// The conversation so far, oldest first.
    pub turns: Vec<Turn>,
    /// The task, with whatever it is to work on.
    pub user: String,
    /// The most tokens to write.
    pub max_tokens: usize,
    /// Who may profit from what is computed for this request. None: nobody, but for `system`.
    pub scope: Option<Scope>,
    /// Who asks. People take turns; requests without a name are one person's.
    pub person: Option<Person>,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// What the text must be; none lets the model write freely.
    pub constraint: Option<Constraint>,
}

/// A question that was asked before, and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The task, as it was given then.
    pub user: String,
    /// What was written.
    pub assistant: String,
}

/// A key for a set of permissions. Two requests may have equal scopes only if everything in the
/// one may be read by whoever sent the other: what was computed for a prompt is used again for a
/// prompt that begins alike, and how soon an answer comes then tells that somebody asked before.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope(pub String);

/// A key for a person, to be fair between people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Person(pub String);

/// How the next token is chosen from its probabilities. The limits apply one after the other, in
/// the order of the fields; each keeps at least the likeliest token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// Divides the scores; 0 takes the likeliest token each time, and nothing below matters.
    pub temperature: f32,
    /// Keeps this many of the likeliest; 0 keeps all.
    pub top_k: usize,
    /// Keeps those at least this many times as likely as the likeliest; 0 keeps all.
    pub min_p: f32,
    /// Keeps the likeliest until their probabilities come to this; 1 keeps all.
    pub top_p: f32,
    /// The chance: an equal seed draws equal tokens.
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

/// What a text must be, byte for byte. It holds for a text that ended as
/// [`Complete`](super::Finish::Complete); one that was cut off is the beginning of such a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Constraint {
    /// One of these, for ids from a list.
    OneOf(Vec<String>),
    /// One or more of these sentences, each whole, with a space between.
    Copy(Vec<String>),
    /// A text in which one or more of these ids, and nothing else, may stand between square brackets,
    /// with a comma and a space between: an id that is not among them cannot be written.
    Citing(Vec<String>),
    /// JSON without spaces that this JSON schema accepts: objects (all properties, in the order of
    /// `required`, then by name), arrays, strings, numbers, `enum`, `const`, `anyOf`. Other
    /// keywords are refused.
    Json(serde_json::Value),
}
