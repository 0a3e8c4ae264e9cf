//! Prepares what a person or the audit log reads: events, redaction, notices, snippets.

pub mod event;
pub mod notices;
pub mod redact;
pub(crate) mod refusal;
pub mod snippet;
