//! What can go wrong between a model's folder and a vector or a word.

use std::path::PathBuf;

/// Whose fault it was, and what to do. The wording is for the administrator.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// Configuration: the model's folder, or a file it must hold, is not there.
    #[error("no model at `{0}`. Run `make models`, or copy the model's folder there")]
    ModelMissing(PathBuf),
    /// Configuration: the manifest cannot be understood.
    #[error(
        "the manifest `{path}` cannot be read: {reason}. Write it anew with `cloister models describe`"
    )]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Configuration: the file's bytes are not those that the manifest promises.
    #[error(
        "`{path}` has SHA-256 `{found}`, but its manifest says `{expected}`. \
         Copy the file again; change the manifest only if you know where this file came from"
    )]
    WrongHash {
        /// The file.
        path: PathBuf,
        /// The hash in the manifest.
        expected: String,
        /// The hash of the bytes.
        found: String,
    },
    /// Configuration: the file is whole, but of a kind that this build cannot run.
    #[error("`{path}` cannot be run here: {reason}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not supported, by name.
        reason: String,
    },
    /// Configuration: the file is not what its format promises.
    #[error("`{path}` is damaged: {reason}. Copy it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The machine: what the model needs is not free.
    #[error(
        "`{path}` needs {needed_mb} MB with a context of {context} tokens, and {free_mb} MB are free. \
         A file of about {weights_mb} MB would fit"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What it needs at the highest.
        needed_mb: u64,
        /// What may be taken.
        free_mb: u64,
        /// The shortest context that makes sense.
        context: usize,
        /// Weights that would fit beside everything else.
        weights_mb: u64,
    },
    /// The caller: more text than the model can hold.
    #[error("the text has {tokens} tokens and the model holds {limit}. Shorten it")]
    TooLong {
        /// Tokens of the text and of the room asked for the answer.
        tokens: usize,
        /// The model's context.
        limit: usize,
    },
    /// The caller: the text cannot be held to what was asked of it.
    #[error("the constraint cannot be kept: {0}")]
    Constraint(String),
    /// The machine: the queue is full.
    #[error("the model is busy. Ask again in {retry_after_s} seconds")]
    Busy {
        /// When the queue is likely to have room, in seconds, at least 1.
        retry_after_s: u32,
    },
    /// The machine: the model is still being loaded.
    #[error("the model is still loading. Ask again in a moment")]
    Loading,
    /// The machine: the model's thread has ended, or never began.
    #[error("the model is not running: {0}")]
    Stopped(String),
    /// Us: arithmetic or text handling failed inside the model.
    #[error("the model failed: {0}")]
    Compute(String),
    /// The machine: a file could not be read or written.
    #[error("`{path}` cannot be read or written: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl From<candle_core::Error> for InferenceError {
    fn from(error: candle_core::Error) -> Self {
        Self::Compute(error.to_string())
    }
}

/// The crate's result.
pub type Result<T, E = InferenceError> = std::result::Result<T, E>;
