//! Prepares what a person or the audit log reads: redaction, notices, snippets.

pub mod notices;
pub mod redact;
pub(crate) mod refusal;
pub mod snippet;
