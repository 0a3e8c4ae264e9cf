//! The crate's errors.

use std::path::{Path, PathBuf};

/// Each variant names the party at fault. The wording is for the administrator.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// Configuration: the model's folder, or a file it must hold, is not there.
    #[error("no model at `{0}`. Run `make models`, or copy the model's folder there")]
    ModelMissing(PathBuf),
    /// Configuration: the manifest is not valid.
    #[error(
        "the manifest `{path}` is not valid: {reason}. Correct it, or remove its folder and add the \
         model again with `cloister models add`"
    )]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Configuration: the file's bytes differ from those that the manifest pins.
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
    /// Configuration: the file is intact, but this build cannot run it.
    #[error("`{path}` cannot be run here: {reason}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not supported, by name.
        reason: String,
    },
    /// Configuration: the file violates its format.
    #[error("`{path}` is damaged: {reason}. Copy it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What violates the format.
        reason: String,
    },
    /// The machine: not enough memory is free.
    #[error(
        "`{path}` needs {needed_mb} MB with a context of {context} tokens, and {free_mb} MB are free. \
         A file of about {weights_mb} MB would fit"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its peak memory.
        needed_mb: u64,
        /// The memory that it may use.
        free_mb: u64,
        /// The shortest useful context.
        context: usize,
        /// The size of the weights that would fit.
        weights_mb: u64,
    },
    /// The caller: the text is longer than the model's context.
    #[error("the text has {tokens} tokens and the model holds {limit}. Shorten it")]
    TooLong {
        /// Tokens of the text plus those requested for the answer.
        tokens: usize,
        /// The model's context.
        limit: usize,
    },
    /// The caller: the constraint is not supported, or no text satisfies it.
    #[error("the constraint cannot be satisfied: {0}")]
    Constraint(String),
    /// The machine: the queue is full.
    #[error("the model is busy. Ask again in {retry_after_s} seconds")]
    Busy {
        /// When the queue is likely to have a free slot, in seconds; at least 1.
        retry_after_s: u32,
    },
    /// The machine: the model is still being loaded.
    #[error("the model is still loading. Ask again in a moment")]
    Loading,
    /// The machine: the model's thread has ended, or never started.
    #[error("the model is not running: {0}")]
    Stopped(String),
    /// Us: the model's arithmetic or text handling failed.
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

impl InferenceError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<candle_core::Error> for InferenceError {
    fn from(error: candle_core::Error) -> Self {
        Self::Compute(error.to_string())
    }
}

/// The crate's result.
pub type Result<T, E = InferenceError> = std::result::Result<T, E>;
